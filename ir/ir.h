/* The intermediate representation: one container for both levels, Stage IR and Tile IR.
 *
 * A module holds functions: operators (Stage IR: what is computed) and kernels (Tile IR: how). A function is a
 * table of instructions; a value is the index of the instruction that defines it (0: none). Instructions stand
 * in regions, ordered; some own regions (scan, fold, kernel, for). Operations stand in ir/ops.h,
 * types in ir/types.h, what makes instructions in ir/build.h, text and checking in ir/text.h. docs/ir.md explains both
 * levels.
 *
 * Everything belongs to the module's arena and is freed with it.
 */
#ifndef PLAIT_IR_IR_H
#define PLAIT_IR_IR_H

#include "ir/base/diagnostics.h"
#include "ir/base/intern.h"
#include "ir/types.h"

enum { PLAIT_MAX_FUNCTION_AXES = 250, PLAIT_RUNTIME_SIZE = -1 };
enum { PLAIT_MAX_TILE = 1 << 20 }; /* positions of a tile along one axis */

typedef enum PlaitAxisRole {
    PLAIT_ROLE_FEATURE,
    PLAIT_ROLE_BATCH,
    PLAIT_ROLE_HEAD,
    PLAIT_ROLE_TIME,
    PLAIT_ROLE_COUNT
} PlaitAxisRole;

typedef struct PlaitAxisInfo {
    PlaitName name;
    PlaitAxisRole role;
    int64_t size;      /* number of positions, or PLAIT_RUNTIME_SIZE */
    PlaitAxis same_as; /* an axis of the same extent under another name (attend's second time axis), or PLAIT_NO_AXIS */
    uint32_t block;    /* not 0: a position stands for a block of so many of `same_as`, the last one may have fewer */
    uint32_t multiple; /* not 0: of run-time size; a call whose size is no multiple of it is refused */
    bool place;        /* positions inside of a block: in memory it comes before other feature axes */
    uint32_t tile; /* Tile IR: positions of a tile along this axis (>= size when the whole axis is one tile); 0: never
                      in a tile */
} PlaitAxisInfo;

typedef uint32_t PlaitValue; /* 0: none */

typedef struct PlaitRegion PlaitRegion;

typedef struct PlaitInst {
    uint16_t op;    /* PlaitOp */
    PlaitType type; /* of an operation with several results or none: bool, rank 0, unused */
    PlaitValue *operands;
    uint32_t operand_count;
    uint8_t axis_count, int_count;
    PlaitAxis *axes;
    int64_t *ints;
    double number;
    PlaitName name;
    PlaitRegion *body;   /* owned region, or NULL */
    PlaitRegion *region; /* where it stands */
    PlaitSpan span;      /* in the .plait source, for messages and line tables */
    uint32_t block;      /* the same for what one block of the source was made into, for reports; not in the text */
} PlaitInst;

typedef PLAIT_VECTOR(PlaitValue) PlaitValues;

struct PlaitRegion {
    PlaitValue owner;    /* the instruction that owns the region; 0: the function's body */
    PlaitRegion *parent; /* NULL for the function's body */
    PlaitValues params;  /* ARGUMENT instructions */
    PlaitValues body; /* instructions in order; an operand stands earlier, or in an enclosing region before the owner */
    PlaitValues yields;
};

typedef struct PlaitOutput {
    PlaitName name;
    PlaitType type;   /* as declared: storage scalar, axes in the caller's order */
    PlaitValue value; /* same axes in any order, same scalar type */
    PlaitSpan span;
} PlaitOutput;

/* One axis of a kernel's grid: programs start at 0, block, 2 block, ... < extent. First listed varies fastest. */
typedef struct PlaitGridAxis {
    PlaitAxis axis;
    uint32_t block;
    bool down; /* from the last block to the first: the longest programs begin first */
} PlaitGridAxis;

typedef struct PlaitFunction {
    struct PlaitModule *module;
    PlaitName name;
    PlaitLevel level;
    PLAIT_VECTOR(PlaitAxisInfo) axes;
    PLAIT_VECTOR(PlaitInst) insts; /* insts.data[0] is unused */
    PlaitRegion *body;
    PlaitSpan span;
    /* Stage IR (operators) */
    PLAIT_VECTOR(PlaitValue) params; /* PARAM instructions in declared order; they stand in `body` too */
    PLAIT_VECTOR(PlaitOutput) outputs;
    /* Tile IR (kernels) */
    PlaitName of;     /* the operator this is a kernel of */
    PlaitName target; /* a row of codegen/targets.def */
    uint32_t threads; /* per program; 1 on the CPU */
    PLAIT_VECTOR(PlaitGridAxis) grid;
    PLAIT_VECTOR(PlaitLayout) layouts; /* layouts.data[0] is unused */
} PlaitFunction;

/* The signature of an operator beside its kernels, in a Tile IR module. Kernels run in the order of the module. */
typedef enum PlaitTensorKind {
    PLAIT_TENSOR_INPUT,
    PLAIT_TENSOR_OUTPUT,
    PLAIT_TENSOR_WORKSPACE,
    PLAIT_TENSOR_KIND_COUNT
} PlaitTensorKind;

typedef struct PlaitTensorInfo {
    PlaitName name; /* unique within the signature */
    PlaitTensorKind kind;
    PlaitType type;  /* axes index the signature's table */
    double fallback; /* inputs: the value when the caller gives none; NaN: it must be given */
} PlaitTensorInfo;

typedef struct PlaitSignature {
    PlaitName name;
    PLAIT_VECTOR(PlaitAxisInfo) axes;
    PLAIT_VECTOR(PlaitTensorInfo) tensors; /* inputs, outputs (both in declared order), then workspaces */
} PlaitSignature;

typedef struct PlaitModule {
    PlaitArena *arena;
    PlaitNames *names;
    PlaitDiagnostics *diagnostics;
    PLAIT_VECTOR(PlaitFunction *) functions;
    PLAIT_VECTOR(PlaitSignature *) signatures; /* Tile IR only */
} PlaitModule;

/* ---- modules, functions, axes ---- */

PlaitModule *plait_module_create(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics);
PlaitFunction *plait_function_create(PlaitModule *module, PlaitLevel level, PlaitName name);
PlaitAxis plait_axis_add(PlaitFunction *function, PlaitAxisInfo info);
/* Another name of the positions of `axis`, as an attend has one: "t_0". */
PlaitAxis plait_axis_second(PlaitFunction *function, PlaitAxis axis);
PlaitAxis plait_axis_find(const PlaitFunction *function, PlaitName name); /* PLAIT_NO_AXIS when there is none */
PlaitAxis plait_axis_find_in(const PlaitAxisInfo *table, uint32_t count, PlaitName name); /* likewise */
const char *plait_axis_text(const PlaitFunction *function, PlaitAxis axis);
/* The axis whose run-time extent `axis` has: follows same_as, but for axes of blocks. */
PlaitAxis plait_axis_extent_of(const PlaitFunction *function, PlaitAxis axis);
static inline PlaitInst *plait_inst(const PlaitFunction *function, PlaitValue value)
{
    return &function->insts.data[value];
}
static inline PlaitType plait_type_of(const PlaitFunction *function, PlaitValue value)
{
    return function->insts.data[value].type;
}
static inline PlaitOp plait_op_of(const PlaitFunction *function, PlaitValue value)
{
    return (PlaitOp)function->insts.data[value].op;
}

/* ---- looking ---- */

/* Number of results of an owner of several, or of 1. */
uint32_t plait_result_count(const PlaitFunction *function, PlaitValue value);
/* Uses of each value (operands, yields, outputs), indexed by value; from the module's arena. */
uint32_t *plait_use_counts(const PlaitFunction *function);
/* Calls `visit` for every instruction of the region and of the regions inside it, in order, owners before their bodies.
 */
void plait_region_walk(const PlaitFunction *function, const PlaitRegion *region,
                       void (*visit)(void *context, PlaitValue value), void *context);
/* Whether an output of the operator is this value. */
bool plait_is_output(const PlaitFunction *function, PlaitValue value);
/* Whether the axis has run-time length or is of time: what runs over it runs in a loop. */
bool plait_axis_is_long(const PlaitFunction *function, PlaitAxis axis);
/* Elements of the type along feature axes of static size: at one position of all others. */
double plait_feature_elements(const PlaitFunction *function, PlaitType type);
/* Replaces values by what `map` has for them, and for that again; `map` is indexed by value below `map_count`, 0: none.
 */
void plait_rename(PlaitValue *values, uint32_t count, const PlaitValue *map, uint32_t map_count);
/* The same for every use of values in the function; `map` has an element for each. */
void plait_replace_uses(PlaitFunction *function, const PlaitValue *map);
/* Whether `inner` is `outer` or inside it. */
bool plait_region_inside(const PlaitRegion *inner, const PlaitRegion *outer);
/* Whether a `tensor` instruction of a kernel names a workspace, which the runtime lays out without gaps. */
bool plait_is_workspace(const PlaitFunction *kernel, PlaitValue tensor);
/* Blocks of `block` positions in `extent` positions; the last may be shorter. */
static inline int64_t plait_block_count(int64_t extent, int64_t block) { return (extent + block - 1) / block; }
/* Whether the kernel has a program for each block of an axis, which has all places of the block at once. */
bool plait_has_block_programs(const PlaitFunction *kernel);
/* Whether every program, and every thread of it, computes the value of Tile IR from the program's numbers, loop
 * positions, sizes and whole numbers in workspaces of earlier kernels alone. */
bool plait_is_uniform(const PlaitFunction *kernel, PlaitValue value);
/* A fold over blocks of tokens: what walks along its axis and computes something at each token. */
static inline bool plait_is_block_fold(const PlaitInst *inst)
{
    return inst->op == PLAIT_OP_FOLD && inst->axis_count > 1;
}
/* The axis that counts the segments in which a scan runs, each from an initial carry of its own, or PLAIT_NO_AXIS. */
static inline PlaitAxis plait_segments_of(const PlaitInst *inst)
{
    return inst->op == PLAIT_OP_SCAN && inst->axis_count > 1 ? inst->axes[1] : PLAIT_NO_AXIS;
}
/* The type of a scan's or a fold's final carry whose region parameter has the type. */
PlaitType plait_carry_type(const PlaitInst *owner, PlaitType param);
/* Whether `inst` reads the positions of the fold's block along the fold's second axis: gather(x, iota of axes[1]) along
 * axes[0]. */
bool plait_reads_block(const PlaitFunction *function, const PlaitInst *inst, const PlaitInst *fold);

#endif
