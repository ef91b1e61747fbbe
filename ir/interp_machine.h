/* Inside the interpreter: windows, slots, and loops over slots.
 *
 * Every axis of the operator has a *window*: the positions that are being computed now. The window is the whole
 * axis at first; a scan narrows its axis to one token, a fold to one block, the outermost loop narrows batch-like
 * axes to one position, and large pointwise values are computed in chunks. A value's slot remembers the windows that
 * it was computed for, so a value of an enclosing region is read at the present windows by an offset, and a value
 * that does not cover them is computed again. That is the whole mechanism.
 */
#ifndef PLAIT_IR_INTERP_MACHINE_H
#define PLAIT_IR_INTERP_MACHINE_H

#include "ir/interp.h"

/* Positions [start, start + count) of an axis. */
typedef struct PlaitWindow {
    int64_t start, count;
} PlaitWindow;

typedef struct PlaitSlot {
    PlaitType type;
    PlaitWindow windows[PLAIT_MAX_RANK]; /* in the order of type.axes */
    int64_t strides[PLAIT_MAX_RANK];
    double *data;   /* the element at the start of every window */
    double *buffer; /* owned; NULL when data is borrowed */
    int64_t capacity;
    bool valid;                /* false: holds nothing */
    struct PlaitSlot *results; /* of an owner of a region */
    uint32_t result_count;
} PlaitSlot;

typedef struct PlaitMachine {
    const PlaitFunction *function;
    const int64_t *extents;
    const PlaitArray *inputs;
    int64_t fold_block;
    PlaitWindow *windows; /* by axis */
    PlaitWindow *blocks;  /* by axis: the block at which the innermost running fold along it stands */
    PlaitSlot *slots;     /* by value */
    PlaitValues *varying; /* by owner of a region: values inside that change from step to step at the same positions */
    PlaitValue *dying;    /* by value: the first of those whose last use it is; only in bodies that run once */
    PlaitValue *dying_next; /* by value: the next of that list */
} PlaitMachine;

/* Values of more elements than this are kept in pieces where possible: see plait_interp_lazy. */
enum { PLAIT_INTERP_LARGE = 1 << 20 };

/* ---- slots (interp_array.c) ---- */

int64_t plait_interp_count(const PlaitMachine *machine,
                           PlaitType type); /* elements at the present windows; saturates */
/* Room for `type` at the present windows, all strides dense; contents undefined, valid unchanged. */
bool plait_interp_allocate(const PlaitMachine *machine, PlaitSlot *slot, PlaitType type);
/* Frees or keeps the buffer (small ones are kept for reuse); nothing is valid afterwards. */
void plait_interp_release(PlaitSlot *slot);
void plait_interp_destroy(PlaitSlot *slot);
/* Whether the slot holds its value at all positions of the present windows. */
bool plait_interp_covers(const PlaitMachine *machine, const PlaitSlot *slot);
/* `count` doubles, or NULL; a negative or overflowing count is as out of memory. */
double *plait_interp_doubles(int64_t count);

/* ---- loops (interp_array.c) ---- */

enum { PLAIT_NEST_OPERANDS = 4 };

/* One innermost loop: n elements; element i of operand k is data[k][i * strides[k]]. */
typedef void PlaitLoop(const void *context, int64_t n, double *const *data, const int64_t *strides);

/* Nested loops over the present windows of some axes, walking up to four slots at once. */
typedef struct PlaitNest {
    uint32_t rank, operands;
    PlaitAxis axes[PLAIT_MAX_RANK];
    int64_t sizes[PLAIT_MAX_RANK];
    int64_t strides[PLAIT_NEST_OPERANDS][PLAIT_MAX_RANK];
    double *data[PLAIT_NEST_OPERANDS];
} PlaitNest;

PlaitNest plait_interp_nest(const PlaitMachine *machine, PlaitType type);
/* Adds an operand, repeated along the nest's axes that it lacks. Along `skip` (or PLAIT_NO_AXIS) the operand stands at
 * position 0, which it must hold: the loop itself moves along that axis. */
void plait_interp_nest_add(const PlaitMachine *machine, PlaitNest *nest, const PlaitSlot *slot, PlaitAxis skip);
void plait_interp_nest_run(PlaitNest *nest, PlaitLoop *loop, const void *context);
int64_t plait_interp_stride(const PlaitSlot *slot, PlaitAxis axis); /* 0 when it lacks the axis */
PlaitLoop plait_interp_copy_loop;                                   /* data[0] = data[1] */
/* to = from at the present windows, broadcasting. */
void plait_interp_copy(const PlaitMachine *machine, const PlaitSlot *to, const PlaitSlot *from);

/* Narrows the windows of a type's axes to one piece after another, each of moderate size. */
typedef struct PlaitPieces {
    PlaitType type;
    PlaitWindow whole[PLAIT_MAX_RANK];
    int64_t block[PLAIT_MAX_RANK];
    bool started;
} PlaitPieces;

PlaitPieces plait_interp_pieces(const PlaitMachine *machine, PlaitType type);
/* Goes to the next piece; after the last one, restores the windows and returns false. */
bool plait_interp_pieces_next(PlaitMachine *machine, PlaitPieces *pieces);

/* ---- evaluation ---- */

/* Makes the value's slot cover the present windows, computing what is needed; false when memory runs out. */
bool plait_interp_need(PlaitMachine *machine, PlaitValue value); /* interp.c */
/* The same for all of them at once: computing one may have moved another to other windows. */
bool plait_interp_need_all(PlaitMachine *machine, const PlaitValue *values, uint32_t count); /* interp.c */
/* Whether the value is large at the present windows and cheap to compute where it is used. */
bool plait_interp_lazy(const PlaitMachine *machine, PlaitValue value); /* interp.c */
/* The loop of a pointwise operation: data[0] the result, then the operands (interp_scalar.c). */
PlaitLoop *plait_interp_loop(const PlaitFunction *function, const PlaitInst *inst);
/* Runs a region once at the present windows: every value inside that is not lazy, and its yields (interp_region.c). */
bool plait_interp_run(PlaitMachine *machine, const PlaitRegion *region);
/* Fills `varying` and `dying` for all regions below; false when memory runs out (interp_region.c). */
bool plait_interp_plan(PlaitMachine *machine);
/* A whole number brought into the range of i32, as two's complement does. */
static inline double plait_interp_wrap(int64_t whole) { return (double)(int32_t)(uint32_t)(uint64_t)whole; }

/* One for each operation that is not pointwise: makes the value's slot hold it at the present windows. Operations of
 * Tile IR have none. */
typedef bool PlaitEvaluate(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst);
#define OP(id, text, least, most, attributes, regions, meaning) PlaitEvaluate plait_interp_##id;
#include "ir/common_ops.def"
#include "ir/stage_ops.def"
#undef OP

#endif
