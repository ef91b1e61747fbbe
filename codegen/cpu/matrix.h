/* Products of tiles on a processor's matrix units (matrix.c). */
#ifndef PLAIT_CODEGEN_CPU_MATRIX_H
#define PLAIT_CODEGEN_CPU_MATRIX_H

#include "codegen/cpu/nest.h"

typedef struct PlaitMatrixOperand {
    uint32_t buffer;
    PlaitScalar scalar;                /* of the buffer: f32 or bf16 */
    uint32_t own_stride, depth_stride; /* in elements: along the result's axis, along the contracted one */
    uint32_t parts;                    /* bf16 numbers that stand for an element: 1 (itself) or 2 */
    bool outside;                      /* made before the loop in which the product is */
} PlaitMatrixOperand;

struct PlaitMatrixProduct {
    PlaitMatrixOperand a, b;
    PlaitCpuId dot;
    uint32_t rows, columns, depth;
    uint32_t result;        /* the buffer that takes the sums, which nothing else reads first; 0: cpu->matrix[2] */
    uint32_t result_stride; /* of its rows, in elements */
};

/* The bf16 node whose numbers the f32 node has (itself, or what it casts); 0: none. */
PlaitCpuId plait_matrix_source(const PlaitCpuKernel *kernel, PlaitCpuId id);
/* Whether node `id` is a dot for matrix units, in a plan for a machine that has them. */
bool plait_matrix_fits(const PlaitCpuKernel *kernel, PlaitCpuId id);
/* The product that a group is, once there are buffers; false: it is none. */
bool plait_matrix_find(const PlaitCpuKernel *kernel, const PlaitCpuGroup *group, PlaitMatrixProduct *product);
/* Memory that the products of a kernel need for their operands and sums; 0: it has none. */
uint64_t plait_matrix_bytes(const PlaitCpuKernel *kernel);

/* Around all products of a function: sets the tiles up, gives them back. */
void plait_matrix_begin(PlaitCpu *cpu);
void plait_matrix_end(PlaitCpu *cpu);
/* Memory for all products of the kernel, at the start of the function. */
void plait_matrix_make_room(PlaitCpu *cpu, LLVMValueRef (*memory)(PlaitCpu *cpu, uint64_t bytes));
/* Before a loop: puts in order what its products read and does not change in it. */
void plait_matrix_prepare(PlaitCpu *cpu, const PlaitCpuPlan *inside);
/* Multiplies; the sums lie in the buffer `result`, or in cpu->matrix[2] until the next product. */
void plait_matrix_multiply(PlaitCpu *cpu, const PlaitMatrixProduct *product);
/* `lanes` sums of a row from a column on. */
LLVMValueRef plait_matrix_sums(PlaitCpu *cpu, const PlaitMatrixProduct *product, LLVMValueRef row, LLVMValueRef column,
                               uint32_t lanes);

#endif
