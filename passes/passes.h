/* Passes over the intermediate representation: a table of them, a runner, the pipelines, and the lowering from
 * Stage IR to Tile IR.
 *
 * A pass is a function on one PlaitFunction that keeps its meaning; it returns whether it changed anything. It has
 * no state outside its arguments, prints nothing and never exits. The runner alone verifies, times and dumps.
 */
#ifndef PLAIT_PASSES_PASSES_H
#define PLAIT_PASSES_PASSES_H

#include "ir/ir.h"

typedef bool (*PlaitPassFunction)(PlaitFunction *function);

typedef struct PlaitPass {
    const char *name;
    PlaitLevel level;
    PlaitPassFunction run;
    const char *help;
} PlaitPass;

/* All passes in the order of passes.def; ends with one whose name is NULL. */
extern const PlaitPass plait_passes[];
const PlaitPass *plait_pass_by_name(const char *name);

#define PASS(id, name, level, function, help) bool function(PlaitFunction *);
#include "passes/passes.def"
#undef PASS

typedef struct PlaitPassOptions {
    const char *print_after; /* "all", a pass name, or NULL: text of the module after it goes to `sink` */
    const char *stop_after;  /* a pass name or NULL */
    bool verify_each;        /* verify after every pass; breaking a rule is our own mistake: plait_bug */
    bool time_passes;        /* a table of times goes to `sink` */
    PlaitText *sink;         /* may be NULL when nothing is asked for */
} PlaitPassOptions;

/* Runs passes in order on every function of the module that has their level. */
void plait_passes_run(PlaitModule *module, const PlaitPass *const *passes, uint32_t count,
                      const PlaitPassOptions *options);

/* The passes from the frontend's Stage IR to fused kernels; ends with NULL. */
extern const char *const plait_stage_pipeline[], *const plait_stage_pipeline_gpu[];
/* Runs the pipeline of the CPU, or of a GPU. */
void plait_stage_pipeline_run(PlaitModule *module, bool gpu, const PlaitPassOptions *options);

/* Tokens of a block of a scan that runs by blocks on a GPU: a group of four warps has as many rows of products. */
enum { PLAIT_BLOCK_TOKENS = 64 };

/* What the lowering needs to know of a target. */
typedef struct PlaitTileTarget {
    const char *name; /* row of codegen/targets.def: written into the kernels */
    bool gpu;
} PlaitTileTarget;

/* The passes over Tile IR for that target; plait_lower_to_tiles has run them. */
void plait_tile_pipeline_run(PlaitModule *module, const PlaitTileTarget *target, const PlaitPassOptions *options);

/* Stage IR after the pipeline -> Tile IR for one target: a signature and kernels for each operator. `suffix` is added
 * to the operators' names (".d64" for one of several variants, else ""). NULL after reporting (E08..) what cannot be
 * compiled. */
PlaitModule *plait_lower_to_tiles(const PlaitModule *module, const PlaitTileTarget *target, const char *suffix);

#endif
