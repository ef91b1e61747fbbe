/* Inside the PTX code generator: products on the matrix units.
 *
 * The result [rows, columns] lies in fragments: each group of four warps has 64 rows, each warp 16 of them; a thread
 * has rows lane / 4 and 8 more, and of every 8 columns the two from 2 (lane mod 4) on. This is the accumulator of
 * wgmma.m64nNk16 and, warp by warp, of mma.m16n8k16 (PTX ISA, "Matrix fragments"). Where groups of warps share rows
 * (*halves*), the one whose number has the upper bit has the upper half of the columns, and both operands are read from
 * shared memory: no thread has all columns of a row.
 */
#ifndef PLAIT_CODEGEN_PTX_MATRIX_H
#define PLAIT_CODEGEN_PTX_MATRIX_H

#include "codegen/ptx/ptx.h"

/* Positions contracted by one instruction; elements and bytes of a row of a chunk (swizzle.c). */
enum { PLAIT_PTX_UNIT = 16, PLAIT_PTX_CHUNK = 64, PLAIT_PTX_ROW_BYTES = 128, PLAIT_PTX_WARP = 32 };
enum { PLAIT_PTX_MOST_REGISTERS = 512 };

/* One operand: rows of the result (side 0) or columns (side 1), and the contracted axis. */
typedef struct PlaitPtxSide {
    PlaitValue value;
    PlaitPtxStage stage;     /* stage.value 0: in registers */
    bool contracted_inner;   /* neighbours in memory lie along the contracted axis */
    LLVMValueRef *fragments; /* in registers: i32 pairs, four for each 16 contracted positions */
} PlaitPtxSide;

typedef struct PlaitPtxProduct {
    PlaitPtx *ptx;
    PlaitAxis rows, columns, contracted;
    PlaitScalar scalar;      /* of the operands */
    PlaitPtxSide a, b;       /* rows, columns */
    uint32_t steps;          /* of 16 contracted positions */
    uint32_t groups;         /* of 8 columns that a thread has a part of */
    uint32_t column_threads; /* the bit of the thread's number that tells which half of the columns it has; 0: all */
    LLVMValueRef *sums;      /* accumulators in fragment order: 4 for each group of columns */
    bool zero;               /* the sums begin at 0 */
    bool flies;              /* nobody waits for it here (flight.c) */
} PlaitPtxProduct;

/* The thread bits above those of a warp that the columns of a product's result have. */
uint32_t plait_ptx_column_threads(const PlaitFunction *kernel, PlaitValue dot);
void plait_ptx_fence_async(PlaitPtx *ptx);
void plait_ptx_wgmma(PlaitPtxProduct *product);
void plait_ptx_mma(PlaitPtxProduct *product);
/* Waits for all products begun; f32 `values`, which they may be writing, are replaced by those to read after. */
void plait_ptx_wgmma_wait(PlaitPtx *ptx, LLVMValueRef *values, uint32_t count);

/* The byte of an element in a swizzled array with that many rows, written by `b`. */
LLVMValueRef plait_ptx_swizzled_offset(PlaitPtx *ptx, LLVMBuilderRef b, uint32_t rows, LLVMValueRef row,
                                       LLVMValueRef column);
/* The address of the element at such an offset plus constant positions, whose bits are not set in those of the offset.
 */
LLVMValueRef plait_ptx_swizzled_pointer(PlaitPtx *ptx, uint32_t byte, uint32_t rows, LLVMValueRef offset, uint32_t row,
                                        uint32_t column);
/* An instruction of inline assembly with `count` operands and the result type `type`. */
LLVMValueRef plait_ptx_asm(PlaitPtx *ptx, LLVMTypeRef type, const char *text, const char *constraints,
                           LLVMValueRef *operands, uint32_t count);

#endif
