/* Writing the LLVM IR of a planned kernel, for one level of x86-64.
 *
 * A nest has one loop for each axis of its group: the kept axes first, then the reduced ones. A loop steps over
 * *units*: vectors for the vector axis, elements for the others; its body holds `block` units, unrolled. An *instance*
 * is one of these unrolled points: a number with one digit (radix `block`) for each loop. A value depends only on the
 * digits of its own axes.
 */
#ifndef PLAIT_CODEGEN_CPU_NEST_H
#define PLAIT_CODEGEN_CPU_NEST_H

#include "codegen/cpu/plan.h"
#include "codegen/emit.h"

/* A tensor as the kernel's arguments give it. */
typedef struct PlaitCpuTensor {
    LLVMValueRef address;
    LLVMValueRef strides[PLAIT_MAX_RANK]; /* i64, in elements */
} PlaitCpuTensor;

/* One function being written. */
typedef struct PlaitMatrixProduct PlaitMatrixProduct;

typedef struct PlaitCpu {
    PlaitEmit *emit;
    const PlaitCpuKernel *kernel;
    LLVMTypeRef i64;
    LLVMValueRef *scalars;    /* by node */
    LLVMValueRef *buffers;    /* by buffer: its address */
    LLVMValueRef *programs;   /* by axis: i32 start of this program's block; NULL: not in the grid */
    LLVMValueRef *extents;    /* by axis: i64 */
    PlaitCpuTensor *tensors;  /* by node */
    LLVMValueRef zeros, dump; /* what a load outside of its tensor reads, what a store outside writes to */
    LLVMValueRef *ordered[2]; /* by dot: memory of its own for an operand that a loop does not change; or NULL */
    LLVMValueRef matrix[3];   /* operands and sums of products on matrix units (matrix.h); NULL: there are none */
    LLVMValueRef spill;       /* rows of memory in which vectors are taken apart */
} PlaitCpu;

typedef struct PlaitNestLoop {
    PlaitAxis axis;
    uint32_t unit;         /* elements: the lanes of a vector for the vector axis, else 1 */
    uint32_t full, tail;   /* whole units, and elements of the broken one after them */
    uint32_t block, radix; /* units in the body; value of this loop's digit in an instance */
    uint32_t
        now;     /* units in the body of the present copy of the loop (the rest after the last whole block has fewer) */
    bool broken; /* the last of these is the broken one */
    LLVMValueRef index; /* i64: element of the first unit */
} PlaitNestLoop;

/* How a nest member reaches its tensor. */
typedef struct PlaitNestAccess {
    PlaitCpuId id;
    int32_t row; /* the index (0..) that runs along the vector axis with step 1 on the tensor's last axis: vectors, if
                    the stride is 1; -1: lane by lane */
} PlaitNestAccess;

typedef struct PlaitNest {
    PlaitCpu *cpu;
    const PlaitCpuPlan *plan;
    const PlaitCpuGroup *group;       /* NULL: scalars between groups */
    uint32_t place;                   /* of the group in the plan */
    const PlaitMatrixProduct *matrix; /* computed before the nest by matrix units; then no loop is reduced */
    uint32_t lanes;
    PlaitNestLoop loops[PLAIT_MAX_RANK * 3];      /* a dot has up to the axes of both operands */
    uint32_t loop_count, kept_count, vector_loop; /* vector_loop: UINT32_MAX when there is none */
    uint32_t instances;                           /* product of the blocks */
    bool rows;                                    /* accesses with a row use vectors */
    PLAIT_VECTOR(PlaitNestAccess) accesses;
    LLVMValueRef **values;              /* by node, by instance: NULL where not computed yet */
    LLVMValueRef **wide;                /* the same, spread over the lanes */
    PLAIT_VECTOR(LLVMValueRef *) trail; /* entries to be forgotten when the present loop ends */
    PlaitCpuList hoisted;               /* nodes read by phase 0, operands first */
    LLVMValueRef **sums;                /* by member: partial results by instance */
} PlaitNest;

/* nest.c */
void plait_nest_emit(PlaitCpu *cpu, const PlaitCpuPlan *plan, uint32_t place);
/* A nest without loops, for scalars. */
PlaitNest plait_nest_of_scalars(PlaitCpu *cpu, const PlaitCpuPlan *plan, uint32_t place);

LLVMBasicBlockRef plait_cpu_block_add(PlaitCpu *cpu, const char *name);

/* A counting loop that runs at least once: the builder stands in its body between begin and end, and after it
 * afterwards. */
typedef struct PlaitCpuLoop {
    LLVMValueRef index; /* i64 */
    LLVMBasicBlockRef header;
} PlaitCpuLoop;
PlaitCpuLoop plait_cpu_loop_begin(PlaitCpu *cpu, LLVMValueRef start);
/* Ends it after the body for index: goes on with index + step while that is below `end`. */
void plait_cpu_loop_end(PlaitCpu *cpu, PlaitCpuLoop *loop, LLVMValueRef step, LLVMValueRef end);

/* blocks.c: sets `block` of every loop. */
void plait_nest_choose_blocks(PlaitNest *nest);

/* value.c */
bool plait_nest_is_here(const PlaitNest *nest, PlaitCpuId id); /* computed by this nest */
uint32_t plait_nest_digit(const PlaitNest *nest, uint32_t instance, uint32_t loop);
uint32_t plait_nest_restrict(const PlaitNest *nest, uint32_t instance,
                             PlaitAxisSet axes);                   /* the digits of other axes set to 0 */
bool plait_nest_is_wide(const PlaitNest *nest, PlaitAxisSet axes); /* has the vector axis */
/* The value of a node at an instance: a vector if the node has the vector axis, else a scalar. */
LLVMValueRef plait_nest_value(PlaitNest *nest, PlaitCpuId id, uint32_t instance);
/* The same in all lanes. */
LLVMValueRef plait_nest_wide(PlaitNest *nest, PlaitCpuId id, uint32_t instance);
/* As the nest at large wants it: in all lanes if `axes` has the vector axis. */
LLVMValueRef plait_nest_operand(PlaitNest *nest, PlaitCpuId id, uint32_t instance, PlaitAxisSet axes);
void plait_nest_remember(PlaitNest *nest, LLVMValueRef *entry, LLVMValueRef value);
LLVMValueRef *plait_nest_entry(PlaitNest *nest, LLVMValueRef **table, PlaitCpuId id, uint32_t instance);
/* If the node is a product that may be contracted into a sum over points of `axes`: two factors, in all lanes if those
 * have the vector axis. */
bool plait_nest_product(PlaitNest *nest, PlaitCpuId id, uint32_t instance, PlaitAxisSet axes, LLVMValueRef *a,
                        LLVMValueRef *b);

/* memory.c */
void plait_nest_find_accesses(PlaitNest *nest);
/* i1: every access with a row may use vectors at all points of the nest; NULL when there is none with a row. */
LLVMValueRef plait_nest_rows_allowed(PlaitNest *nest);
LLVMValueRef plait_nest_load(PlaitNest *nest, PlaitCpuId id, uint32_t instance);
void plait_nest_store(PlaitNest *nest, PlaitCpuId id, uint32_t instance);
LLVMValueRef plait_nest_read_buffer(PlaitNest *nest, PlaitCpuId id, uint32_t instance);
void plait_nest_write_buffer(PlaitNest *nest, uint32_t buffer, LLVMValueRef value, uint32_t instance);
/* Position along a loop's axis at an instance, i64. */
LLVMValueRef plait_nest_position(PlaitNest *nest, uint32_t loop, uint32_t instance);
/* Lanes of the instance that are inside the tile. */
uint32_t plait_nest_lanes(const PlaitNest *nest, uint32_t instance);

static inline LLVMValueRef plait_cpu_number(const PlaitCpu *cpu, uint64_t number)
{
    return LLVMConstInt(cpu->i64, number, 0);
}

#endif
