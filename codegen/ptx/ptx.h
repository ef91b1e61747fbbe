/* Inside the PTX code generator: the state of one kernel and what its files give each other.
 *
 * A program of the grid is one block of threads. A tile is an array of LLVM scalars in every thread, its *slots*: one
 * for each of the tile's elements that the thread holds (layouts: PlaitLayoutAxis in ir/ir.h). Slots past the end of
 * the tile are surplus; they hold values without meaning. A scalar has one slot, the same in every thread.
 */
#ifndef PLAIT_CODEGEN_PTX_PTX_H
#define PLAIT_CODEGEN_PTX_PTX_H

#include "codegen/emit.h"

/* One axis of a tile in a thread; its slots count the registers' bits of the index. */
typedef struct PlaitPtxAxis {
    PlaitAxis axis;
    uint32_t tile;          /* elements of the tile */
    PlaitLayoutAxis lie;    /* no parts: held whole by every thread */
    uint32_t vec;           /* neighbours that stand in neighbouring slots */
    uint32_t threads;       /* the thread bits, as a mask */
    uint32_t slots, padded; /* padded: positions that the slots of all threads stand for, surplus ones included */
} PlaitPtxAxis;

/* The slots of a value: mixed radix over its axes, the last axis fastest. */
typedef struct PlaitPtxShape {
    PlaitPtxAxis axes[PLAIT_MAX_RANK];
    uint32_t rank, slots;
} PlaitPtxShape;

/* Shared memory of a kernel: scratch that is used again and again, then the operands of products that stay. */
typedef struct PlaitPtxScratch {
    uint32_t bytes;  /* of one half */
    uint32_t halves; /* 2: uses alternate, so that one barrier is enough for each */
    uint32_t kept;   /* bytes of operands staged once before a loop */
    bool maps;       /* the version whose copies are not staged */
    uint32_t slack;  /* bytes behind all that surplus positions may read */
    /* Of programs that prepare a block (share.c), by value; else NULL: */
    uint32_t *own; /* 1 + byte of an operation's own scratch; 0: it has none */
    bool *reused;  /* something else has stood in its place */
} PlaitPtxScratch;

/* A thread's part of the positions along an axis with such a layout. */
typedef struct PlaitPtxField {
    PlaitLayoutAxis lie;
    LLVMValueRef value; /* i32 */
} PlaitPtxField;

typedef struct PlaitPtx {
    PlaitEmit *emit;
    const PlaitFunction *kernel;
    PlaitSlots slots;
    LLVMBuilderRef entry;               /* writes into the entry block, which dominates everything */
    LLVMValueRef *arguments;            /* by slot: i64 */
    LLVMValueRef thread;                /* i32 */
    PLAIT_VECTOR(PlaitPtxField) fields; /* made when first needed */
    LLVMValueRef *programs;             /* by axis: i32 start of this program's block */
    LLVMValueRef **values;              /* by value: its slots */
    PlaitPtxShape **shapes;             /* by value, made when first needed */
    uint8_t *tensor_use;                /* by value: PLAIT_PTX_LOADED, .. */
    bool other_version;                 /* the kernel has an entry with maps for contiguous, aligned tensors */
    bool wide;                          /* emitting the version for contiguous, aligned tensors */
    LLVMValueRef either;                /* one body for both versions: each access asks this condition; else NULL */
    PlaitPtxScratch scratch;
    LLVMValueRef shared;             /* the array in shared memory; NULL when there is none */
    uint32_t last_half;              /* scratch: which half was read since the last barrier: 0, 1; 2: none; 3: either */
    uint32_t *kept_at;               /* by value: 1 + byte at which a kept operand stands; 0: not kept */
    bool *kept_done;                 /* by value: it has been staged, or waited for */
    const struct PlaitPtxMaps *maps; /* the version whose copies the copy engine makes (maps.h); else NULL */
    /* There, in a loop with copies: i32, the tile of its rings and its phase's parity. */
    LLVMValueRef ring_tile, ring_parity;
    PlaitValue flying;           /* there, in a loop: a product that its turn does not wait for (flight.c); 0: none */
    struct PlaitPtxLoop *flight; /* until it has landed: its loop */
} PlaitPtx;

enum { PLAIT_PTX_LOADED = 1, PLAIT_PTX_STORED = 2, PLAIT_PTX_REPEATED = 4 };
enum { PLAIT_HALF_NONE = 2, PLAIT_HALF_ANY = 3 };

/* Whether the target has what only architecture 90 and no later one has: wgmma, copies with tensor maps, setmaxnreg. */
static inline bool plait_ptx_is_hopper(const PlaitTarget *target)
{
    return target->architecture == 90 && target->exact;
}

static inline LLVMValueRef plait_ptx_int32(const PlaitPtx *ptx, uint32_t value)
{
    return LLVMConstInt(LLVMInt32TypeInContext(ptx->emit->context), value, 0);
}

/* A basic block at the end of the kernel. */
static inline LLVMBasicBlockRef plait_ptx_new_block(const PlaitPtx *ptx, const char *name)
{
    return LLVMAppendBasicBlockInContext(ptx->emit->context, ptx->emit->function, name);
}

/* ---- shape.c: slots and positions ---- */
PlaitPtxShape plait_ptx_shape(const PlaitFunction *kernel, PlaitType type);
const PlaitPtxShape *plait_ptx_shape_of(PlaitPtx *ptx, PlaitValue value);
const PlaitPtxAxis *plait_ptx_axis(const PlaitPtxShape *shape, PlaitAxis axis); /* NULL when it has none */
uint32_t plait_ptx_axis_slot(const PlaitPtxShape *shape, uint32_t slot, uint32_t index);
/* The slot of `inner`, whose axes are among those of `shape`, that stands at the same position as `slot`. */
uint32_t plait_ptx_project(const PlaitPtxShape *shape, uint32_t slot, const PlaitPtxShape *inner);
/* Whether the axes lie alike over threads and slots. */
bool plait_ptx_same_lie(const PlaitPtxAxis *a, const PlaitPtxAxis *b);
/* `bits` bits of the thread's number from bit `first` on, times 2^shift; built in the entry block. */
LLVMValueRef plait_ptx_thread_bits(PlaitPtx *ptx, uint32_t first, uint32_t bits, uint32_t shift);
/* The position of an axis slot is its static part plus plait_ptx_field of the axis (i32; NULL when that is 0). */
uint32_t plait_ptx_static_position(const PlaitPtxAxis *axis, uint32_t axis_slot);
LLVMValueRef plait_ptx_field(PlaitPtx *ptx, const PlaitPtxAxis *axis);
LLVMValueRef plait_ptx_position(PlaitPtx *ptx, const PlaitPtxAxis *axis, uint32_t axis_slot);
/* Whether the axis slot, the slot, is no surplus: i1, or NULL when that is always so. */
LLVMValueRef plait_ptx_axis_valid(PlaitPtx *ptx, const PlaitPtxAxis *axis, uint32_t axis_slot);
LLVMValueRef plait_ptx_valid(PlaitPtx *ptx, const PlaitPtxShape *shape, uint32_t slot);
/* Whether this thread is the first of those that hold the same elements: i1, or NULL when there is only one. */
LLVMValueRef plait_ptx_first_copy(PlaitPtx *ptx, const PlaitPtxShape *shape);
LLVMValueRef plait_ptx_both(PlaitPtx *ptx, LLVMValueRef a, LLVMValueRef b); /* and; NULL stands for true */
/* Slot `slot` of `value` for an operation whose result has shape `shape`. */
LLVMValueRef plait_ptx_operand(PlaitPtx *ptx, PlaitValue value, const PlaitPtxShape *shape, uint32_t slot);

/* ---- facts.c: what is known of an i32 index before the kernel runs ---- */
typedef struct PlaitPtxFacts {
    int64_t least, most; /* INT64_MIN, INT64_MAX: not known */
    PlaitAxis under;     /* it is less than this axis's extent; PLAIT_NO_AXIS: not known */
    uint64_t multiple;   /* a power of two that divides it */
} PlaitPtxFacts;
PlaitPtxFacts plait_ptx_facts(const PlaitFunction *kernel, PlaitValue index);
bool plait_ptx_is_inside(const PlaitFunction *kernel, PlaitValue index, PlaitAxis axis);

/* ---- asm.c: instructions that LLVM has no intrinsic for ---- */
/* `count` elements of `scalar` from one aligned address (i64) where `predicate` (i1, or NULL: always), else 0. */
void plait_ptx_load(PlaitPtx *ptx, PlaitScalar scalar, uint32_t count, LLVMValueRef address, LLVMValueRef predicate,
                    bool constant, LLVMValueRef *loaded);
void plait_ptx_store(PlaitPtx *ptx, PlaitScalar scalar, uint32_t count, LLVMValueRef address, LLVMValueRef predicate,
                     const LLVMValueRef *stored);
void plait_ptx_shared_store(PlaitPtx *ptx, PlaitScalar scalar, LLVMValueRef pointer, LLVMValueRef value,
                            LLVMValueRef predicate);
/* `count` neighbouring elements, aligned to all of them or to 16 bytes. */
void plait_ptx_shared_load(PlaitPtx *ptx, PlaitScalar scalar, LLVMValueRef pointer, uint32_t count,
                           LLVMValueRef *loaded);
LLVMValueRef plait_ptx_shuffle(PlaitPtx *ptx, LLVMValueRef value, PlaitScalar scalar, uint32_t lane_mask);
void plait_ptx_barrier(PlaitPtx *ptx);

/* ---- shared.c ---- */
/* `maps`: without copies. `one_half`: scratch has no second half. `kept_at`: zeroed, by value; gets where kept operands
 * stand. */
PlaitPtxScratch plait_ptx_plan(const PlaitFunction *kernel, bool maps, bool one_half, uint32_t *kept_at);
uint32_t plait_ptx_scratch_bytes(const PlaitPtxScratch *scratch);
/* Whether the value is a copy of the version with maps, which is not staged. */
bool plait_ptx_is_copied(const PlaitFunction *kernel, PlaitValue value, bool maps);
/* Whether the value is a copy that is fetched when the kernel starts; bytes of shared memory that it takes (fetch.c).
 */
bool plait_ptx_is_fetched(const PlaitFunction *kernel, PlaitValue value);
uint32_t plait_ptx_fetch_bytes(const PlaitFunction *kernel, PlaitValue copy);
/* The axis along which its neighbours lie in memory. */
PlaitAxis plait_ptx_fetch_inner(const PlaitFunction *kernel, PlaitValue copy);
/* The first of the copies of the same elements, which share a place. */
PlaitValue plait_ptx_fetch_leader(const PlaitFunction *kernel, PlaitValue copy);
/* Bytes of scratch that the operation needs, with what has a place of its own (`kept_at` not 0). */
uint32_t plait_ptx_operation_bytes(const PlaitFunction *kernel, PlaitValue value, bool maps, const uint32_t *kept_at);
/* Begins a use of scratch by the operation (0: a product): gives its first byte (i32 constant offset) after a barrier
 * where one is needed. Write, then plait_ptx_barrier, then read. */
uint32_t plait_ptx_scratch(PlaitPtx *ptx, PlaitValue value);
/* Around the body of a loop: a use in it may follow the last use of the turn before. */
void plait_ptx_scratch_loop(PlaitPtx *ptx, const PlaitRegion *body);
/* The address of byte `byte` plus `offset` (i32, NULL: 0) of shared memory. */
LLVMValueRef plait_ptx_shared_byte(PlaitPtx *ptx, LLVMValueRef offset, uint32_t byte);
/* The address of element `element` (i32, NULL: 0) plus `fixed` of an array of `scalar` at byte `byte` of shared memory.
 */
LLVMValueRef plait_ptx_shared_pointer(PlaitPtx *ptx, PlaitScalar scalar, uint32_t byte, LLVMValueRef element,
                                      uint32_t fixed);

/* ---- order.c ---- */
void plait_ptx_note_order(PlaitPtx *ptx); /* fills tensor_use */
/* Whether accesses of the tensor by different threads must be kept in order by barriers. */
bool plait_ptx_is_ordered(const PlaitPtx *ptx, PlaitValue tensor);

/* ---- memory.c ---- */
void plait_ptx_emit_load(PlaitPtx *ptx, PlaitValue value);
void plait_ptx_emit_store(PlaitPtx *ptx, PlaitValue value);
uint32_t plait_ptx_tensor_slot(const PlaitPtx *ptx, PlaitValue tensor);
/* The sum of the scalars of a unit index, i32; NULL: there are none. */
LLVMValueRef plait_ptx_unit_start(PlaitPtx *ptx, PlaitValue index);
/* Whether all tensors are such that the wide version of the kernel may run (i1); NULL when there is no wide version. */
LLVMValueRef plait_ptx_wide_condition(PlaitPtx *ptx);
LLVMValueRef plait_ptx_extent(PlaitPtx *ptx, PlaitAxis axis); /* i32 */

/* ---- reduce.c, dot.c, convert.c ---- */
void plait_ptx_emit_reduce(PlaitPtx *ptx, PlaitValue value);
uint32_t plait_ptx_reduce_bytes(const PlaitFunction *kernel, PlaitValue value);
void plait_ptx_emit_dot(PlaitPtx *ptx, PlaitValue value);
void plait_ptx_emit_convert(PlaitPtx *ptx, PlaitValue value);
void plait_ptx_emit_rename(PlaitPtx *ptx, PlaitValue value);

/* ---- solve.c ---- */
void plait_ptx_emit_solve(PlaitPtx *ptx, PlaitValue value);
uint32_t plait_ptx_solve_bytes(const PlaitFunction *kernel, PlaitValue value);
uint32_t plait_ptx_convert_bytes(const PlaitFunction *kernel, PlaitValue value);

/* ---- stage.c: operands of products in shared memory ---- */
typedef struct PlaitPtxStage {
    PlaitValue value; /* what is staged: a cast is looked through; 0: nothing, the operand is read from registers */
    PlaitScalar scalar;
    PlaitAxis inner;                /* neighbours in memory lie along this axis */
    uint32_t pitch[PLAIT_MAX_RANK]; /* by axis of the value's type: elements from one position to the next */
    uint32_t bytes;
    bool swizzled;       /* for the matrix units: see swizzle.c; pitch is not used */
    uint32_t rows;       /* swizzled: rows of an array, padded */
    uint32_t byte;       /* where plait_ptx_stage_both put it */
    LLVMValueRef moving; /* i32: bytes to add; NULL: none */
} PlaitPtxStage;
PlaitPtxStage plait_ptx_stage(const PlaitFunction *kernel, PlaitValue dot, uint32_t side);
/* Whether the operand is staged once, before the loop around the product. */
bool plait_ptx_stage_can_stay(const PlaitFunction *kernel, PlaitValue dot, uint32_t side);
void plait_ptx_stage_write(PlaitPtx *ptx, const PlaitPtxStage *stage, uint32_t byte);
/* Makes both operands of a product readable, and sets where they stand. */
void plait_ptx_stage_both(PlaitPtx *ptx, PlaitPtxStage *const stages[2]);
/* Stages what products inside of the loop body `body` keep. */
void plait_ptx_stage_kept(PlaitPtx *ptx, const PlaitRegion *body);
/* Bytes of scratch that it takes. */
uint32_t plait_ptx_stage_room(const PlaitPtxStage *stage);
/* Bytes of scratch of a product, and bytes that its reading of surplus positions may reach past them. */
uint32_t plait_ptx_dot_bytes(const PlaitFunction *kernel, PlaitValue dot, bool maps, const uint32_t *kept_at);
uint32_t plait_ptx_dot_reach(const PlaitFunction *kernel, PlaitValue dot);

/* ---- swizzle.c: the arrays that the matrix units read ---- */
enum { PLAIT_PTX_SWIZZLE_BYTES = 1024 }; /* such an array begins at a multiple of this */
/* Sets the size of the array of a value of shape `shape`. */
void plait_ptx_swizzle(PlaitPtxStage *stage, const PlaitPtxShape *shape);
void plait_ptx_swizzle_write(PlaitPtx *ptx, const PlaitPtxStage *stage, uint32_t byte);

/* ---- matrix.c, wgmma.c, mma.c: products on the matrix units ---- */
/* Whether operand `side` of a product is taken from the fragments that it lies in. */
bool plait_ptx_in_registers(const PlaitFunction *kernel, PlaitValue dot, uint32_t side);
void plait_ptx_emit_matrix_dot(PlaitPtx *ptx, PlaitValue value);

/* ---- region.c ---- */
void plait_ptx_emit_region(PlaitPtx *ptx, const PlaitRegion *region);
void plait_ptx_emit_inst(PlaitPtx *ptx, PlaitValue value);
/* Two f32 values rounded to a vector of two of a 16-bit type, by one instruction. */
LLVMValueRef plait_ptx_rounded_pair(PlaitPtx *ptx, PlaitScalar scalar, LLVMValueRef low, LLVMValueRef high);
LLVMValueRef *plait_ptx_new_slots(PlaitPtx *ptx, PlaitValue value, uint32_t count);

#endif
