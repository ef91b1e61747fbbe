/* Inside the lowering from Stage IR to Tile IR: the plan of a kernel, and the state of writing it. */
#ifndef PLAIT_PASSES_LOWER_H
#define PLAIT_PASSES_LOWER_H

#include "ir/build.h"
#include "passes/passes.h"

/* How an axis of the operator is realised in a kernel. */
typedef enum PlaitAxisUse {
    PLAIT_AXIS_UNUSED,
    PLAIT_AXIS_PROGRAM, /* one position a program: a scalar index */
    PLAIT_AXIS_BLOCK,   /* a block of positions a program: a tile along it */
    PLAIT_AXIS_WHOLE,   /* all positions in one tile */
    PLAIT_AXIS_LOOP,    /* the program walks along it, one position at a time, or a tile at a time */
    PLAIT_AXIS_FOLD     /* loops inside the program walk along it, a tile at a time (or one position, tile 1) */
} PlaitAxisUse;

typedef struct PlaitAxisPlan {
    PlaitAxisUse use;
    uint32_t tile; /* of BLOCK, WHOLE, FOLD, and of a LOOP by blocks; else 0 */
} PlaitAxisPlan;

typedef struct PlaitKernelPlan {
    PlaitAxisPlan *axes; /* by axis of the operator */
    PlaitAxis loop;      /* or PLAIT_NO_AXIS */
    PlaitAxis twin;      /* of a loop by blocks: the axis that stands for the same positions; else PLAIT_NO_AXIS */
    PlaitAxis segments;  /* of a loop over one segment a program: the axis that counts them; else PLAIT_NO_AXIS */
    bool places;         /* it makes what a loop by blocks reads: a program has a whole block of tokens */
    int direction;
    PlaitAxis rows; /* the axis of run-time length in BLOCK use, or PLAIT_NO_AXIS */
    bool *walked;   /* by axis: the bodies of the scans walk along it (passes/stage/walked.h); FOLD, or short: WHOLE */
} PlaitKernelPlan;

/* A plan in which no axis has a use. */
PlaitKernelPlan plait_empty_plan(const PlaitFunction *operator_);
/* Decides how `region` (of a `kernel` of the operator) runs on the target. */
PlaitKernelPlan plait_plan_kernel(const PlaitFunction *operator_, const PlaitRegion *region,
                                  const PlaitTileTarget *target);

/* A sum over one axis of a product a * b of values that each have axes of their own: a matrix product. */
typedef struct PlaitContraction {
    PlaitValue a, b;
    PlaitAxis axis;
} PlaitContraction;
bool plait_find_contraction(const PlaitFunction *operator_, const PlaitAxisPlan *axes, PlaitValue reduce,
                            PlaitContraction *contraction);

/* Where each axis stands: the tile value (i32) of its positions. */
typedef struct PlaitPlaces {
    PlaitValue *index; /* by axis of the operator */
} PlaitPlaces;

typedef struct PlaitDelay {
    PlaitValue value;   /* of the operator: delayed along the loop */
    PlaitValues params; /* region parameters: by 1, 2, ... tokens */
} PlaitDelay;

typedef struct PlaitMemo {
    struct PlaitMemo *next;
    PlaitValue index[PLAIT_MAX_RANK]; /* places of the axes of the value's type */
    PlaitValue tile;
} PlaitMemo;

/* A place at a constant distance from another. */
typedef struct PlaitShift {
    PlaitValue base, shifted;
    int64_t offset;
} PlaitShift;

/* A scan of the kernel whose loop is written or being written: in the kernel's loop, or in that of another scan. */
typedef struct PlaitKept PlaitKept;
typedef struct PlaitScan {
    PlaitValue scan;
    struct PlaitScan *outer;     /* NULL: the kernel's loop */
    PlaitRegion *home, *region;  /* where the loop stands; its body */
    PlaitPlaces outside, inside; /* around the loop; at its position */
    PlaitKept **kept;            /* by yield: where it lies in memory, or NULL */
} PlaitScan;

/* What a value inside of a loop by blocks is made by. */
typedef enum PlaitEffort { PLAIT_EFFORT_NONE, PLAIT_EFFORT_PRODUCT, PLAIT_EFFORT_SOLVE } PlaitEffort;

typedef struct PlaitLowering {
    PlaitArena *arena;
    PlaitSignature *signature;
    const PlaitFunction *operator_;
    const PlaitRegion *region;
    PlaitFunction *kernel;
    const PlaitTileTarget *target;
    PlaitKernelPlan plan;
    const PlaitName *tensor_names; /* by value of the operator: parameters and what kernels made */
    const PlaitType *tensor_types; /* of those: their axes in the order of memory */
    PlaitValue *tensors;           /* by value of the operator: `tensor` instruction, made on demand */
    PlaitMemo **memo;              /* by value of the operator */
    PlaitScan **scans;             /* by value of the operator: of scans, once their loops are begun */
    bool *carried;                 /* by value of the operator: depends on a carry of the kernel's loop */
    bool *moves;        /* by value of the operator: a reduction or a convolution of the kernel, or made of one */
    PlaitAxis unmasked; /* a fold's axis, while a loop is written whose tiles need of its mask .. */
    PlaitValues rest;   /* .. only these conjuncts, or none; else PLAIT_NO_AXIS */
    const struct PlaitDataBounds *bounds; /* of the kernel's folds (bounds.h) */
    uint32_t bound_count;
    uint8_t *effort;          /* by value of the operator: PlaitEffort */
    PlaitPlaces outer;        /* places in the kernel's body */
    PlaitRegion *loop_region; /* while the loop is being written */
    PlaitValue loop_position;
    PlaitValue segment_from, segment_to; /* of a loop over one segment: its first position, that after its last */
    PLAIT_VECTOR(PlaitDelay) delays;
    PLAIT_VECTOR(PlaitShift) shifts; /* places made by plait_lower_shifted, each once: chained taps meet again */
    PlaitValues taps;                /* by tap of a convolution: its number, 0 before it is made */
    PlaitSpan span;
    uint32_t depth; /* of values being lowered */
    bool failed;
} PlaitLowering;

/* The tile value of `value` at `places`. Instructions go to the outermost open region that has their operands. 0 after
 * reporting. */
PlaitValue plait_lower_value(PlaitLowering *lowering, PlaitValue value, const PlaitPlaces *places);
/* `value` at a constant distance along `axis` from its place; 0 outside the axis. */
PlaitValue plait_lower_shifted(PlaitLowering *lowering, PlaitValue value, PlaitAxis axis, int64_t offset,
                               const PlaitPlaces *places);
/* Reports that the kernel cannot be compiled. Returns 0. */
PlaitValue plait_lower_fail(PlaitLowering *lowering, PlaitValue value, const char *found, const char *help);

/* Binds `value` at `places` to a tile value. */
void plait_lower_bind(PlaitLowering *lowering, PlaitValue value, const PlaitPlaces *places, PlaitValue tile);
/* A builder at the innermost region among the operands'. */
PlaitBuilder plait_lower_at(const PlaitLowering *lowering, const PlaitValue *operands, uint32_t count);
PlaitPlaces plait_places_copy(const PlaitLowering *lowering, const PlaitPlaces *places);
/* The axes that a value of the operator's type has as a tile at `places`. */
PlaitType plait_tile_type(const PlaitLowering *lowering, PlaitType type, const PlaitPlaces *places);
PlaitValue plait_lower_i32(PlaitLowering *lowering, int64_t number);
PlaitValue plait_lower_binary(PlaitLowering *lowering, PlaitOp op, PlaitValue x, PlaitValue y);
PlaitValue plait_lower_broadcast(PlaitLowering *lowering, PlaitValue x, PlaitType type);
PlaitValue plait_lower_size(PlaitLowering *lowering, PlaitAxis axis);
PlaitValue plait_lower_select(PlaitLowering *lowering, PlaitValue condition, PlaitValue yes, PlaitValue no);
/* A number of the scalar type of the tile `like`. */
PlaitValue plait_lower_number_like(PlaitLowering *lowering, PlaitValue like, double number);
/* The name of the signature's next workspace. */
PlaitName plait_lower_workspace(PlaitModule *module, const PlaitSignature *signature, const PlaitTileTarget *target);
PlaitValue plait_lower_tensor(PlaitLowering *lowering, PlaitName name, PlaitType type, PlaitValue key);

/* A reduction (reduce.c). */
PlaitValue plait_lower_reduce(PlaitLowering *lowering, PlaitValue value, const PlaitInst *inst,
                              const PlaitPlaces *outside);
/* Whether a value is a tensor in memory, perhaps widened: it is read again at other positions rather than kept. */
bool plait_lower_is_stored(const PlaitLowering *lowering, PlaitValue value);
/* In a loop by blocks, what is made by a triangular system is written before the other operands, which then need no
 * registers while it is solved; after it, what is made by products, during which other operands arrive from memory. */
bool plait_lower_long_ones_first(PlaitLowering *lowering, const PlaitValue *operands, uint32_t count,
                                 const PlaitPlaces *places);

/* Reports that a value has no place along the axis. Returns 0. */
PlaitValue plait_lower_no_place(PlaitLowering *lowering, PlaitValue value, PlaitAxis axis);
/* The type with its axes in the order of memory: features innermost, so that a token's are neighbours. */
PlaitType plait_lower_memory_order(const PlaitFunction *operator_, PlaitType type);

/* Loops (loops.c): a fold as a loop of its own; the kernel's loop with all scans; yields along the loop axis are stored
 * inside. */
bool plait_lower_fold(PlaitLowering *lowering, PlaitValue fold, const PlaitPlaces *places);
void plait_lower_loop(PlaitLowering *lowering,
                      void (*inside)(PlaitLowering *lowering, const PlaitPlaces *places, void *context), void *context);
/* The loop of a scan inside the kernel's loop, unless it is written already. */
bool plait_lower_scan(PlaitLowering *lowering, PlaitValue scan);

/* What scans keep in memory (scan.c), for each of their yields. It is remembered in lowering->scans. */
PlaitScan *plait_scan_create(PlaitLowering *lowering, PlaitValue scan, PlaitRegion *home, PlaitRegion *region,
                             const PlaitPlaces *outside, const PlaitPlaces *inside);
bool plait_scan_keeps(const PlaitLowering *lowering, const PlaitScan *state, uint32_t k);
/* Stores the initial value of a carry, in front of the loop; what is yielded, in the loop. */
bool plait_scan_start(PlaitLowering *lowering, PlaitScan *state, uint32_t k);
bool plait_scan_store(PlaitLowering *lowering, PlaitScan *state, uint32_t k);
/* Loads a carry before the present token; a final carry or an output, once the loop is written. */
PlaitValue plait_scan_before(PlaitLowering *lowering, const PlaitScan *state, uint32_t k, const PlaitPlaces *places);
PlaitValue plait_scan_after(PlaitLowering *lowering, const PlaitScan *state, uint32_t k, const PlaitPlaces *places);

/* Calls `visit` in loops, at the end of `home`, over the walked axes of the type that have no place yet. */
typedef bool PlaitVisitPlaces(PlaitLowering *lowering, const PlaitPlaces *places, void *context);
bool plait_lower_walk(PlaitLowering *lowering, PlaitType type, PlaitRegion *home, const PlaitPlaces *places,
                      PlaitVisitPlaces *visit, void *context);
/* The range of positions of a fold that any mask lets through, for the rows of this program (ranges.c). */
void plait_lower_fold_range(PlaitLowering *lowering, PlaitValue fold, PlaitValue *from, PlaitValue *to);
/* The range of positions that all masks let through for all rows of this program, as far as they are conditions on
 * positions. */
typedef struct PlaitFullRange {
    PlaitValue from, to; /* `from` 0: there is no lower end */
    PlaitValues rest;    /* the other conjuncts, of the fold's only mask */
    bool everywhere;     /* there are no such conditions: it is the whole axis */
} PlaitFullRange;
/* False when none is known. */
bool plait_lower_fold_full(PlaitLowering *lowering, PlaitValue fold, PlaitFullRange *range);
/* Writes a loop with that region; operands: from, to, initial carries. */
PlaitValue plait_lower_for(PlaitLowering *lowering, PlaitRegion *home, PlaitRegion *region, PlaitAxis axis,
                           int64_t step, const PlaitValue *operands, uint32_t count);

#endif
