/* Products by mma.m16n8k16 (Ampere and later): every warp multiplies its 16 rows; operands in shared memory are read by
 * `ldmatrix`, four arrays of 8 by 8 at once, transposed where the contracted axis is not the inner one. */
#include "codegen/ptx/matrix.h"

enum { WARP_BITS = 5, MOST_THREAD_BITS = 9 };

/* Thread bits above those of a warp that count its 16 rows. */
static uint32_t row_bits(const PlaitPtxProduct *product)
{
    uint32_t bits = 0;
    if (!product->column_threads) return MOST_THREAD_BITS - WARP_BITS;
    while (!(product->column_threads >> (WARP_BITS + bits) & 1)) bits++;
    return bits;
}

/* The first column of this thread's half. */
static LLVMValueRef first_column(const PlaitPtxProduct *product)
{
    PlaitPtx *ptx = product->ptx;
    LLVMValueRef half = plait_ptx_thread_bits(ptx, WARP_BITS + row_bits(product), 1, 0);
    return LLVMBuildMul(ptx->entry, half, plait_ptx_int32(ptx, product->groups * 8), "");
}

/* Each lane names a row of one of the four arrays: lane mod 8 of array lane / 8. The arrays stand at (kept, contracted)
 * = (0, 0), then 8 further along one of the axes for odd arrays and along the other for the last two. For the operand
 * of the rows the odd ones go along the rows, for that of the columns along the contracted axis. */
static LLVMValueRef lane_offset(PlaitPtxProduct *product, const PlaitPtxSide *side, bool rows)
{
    PlaitPtx *ptx = product->ptx;
    LLVMValueRef row = plait_ptx_thread_bits(ptx, 0, 3, 0), odd = plait_ptx_thread_bits(ptx, 3, 1, 3),
                 last = plait_ptx_thread_bits(ptx, 4, 1, 3);
    LLVMValueRef kept = rows ? odd : last, contracted = rows ? last : odd;
    if (side->contracted_inner) kept = LLVMBuildAdd(ptx->entry, kept, row, "");
    else contracted = LLVMBuildAdd(ptx->entry, contracted, row, "");
    if (rows) kept = LLVMBuildAdd(ptx->entry, kept, plait_ptx_thread_bits(ptx, 5, row_bits(product), 4), "");
    else if (product->column_threads) kept = LLVMBuildAdd(ptx->entry, kept, first_column(product), "");
    return plait_ptx_swizzled_offset(ptx, ptx->entry, side->stage.rows, side->contracted_inner ? kept : contracted,
                                     side->contracted_inner ? contracted : kept);
}

/* Four registers: arrays of an operand `kept` positions further along its own axis, at contraction step `step`. */
static void load_four(PlaitPtxProduct *product, const PlaitPtxSide *side, LLVMValueRef offset, uint32_t kept,
                      uint32_t step, LLVMValueRef *registers)
{
    PlaitPtx *ptx = product->ptx;
    uint32_t contracted = step * PLAIT_PTX_UNIT;
    LLVMValueRef pointer = plait_ptx_swizzled_pointer(ptx, side->stage.byte, side->stage.rows, offset,
                                                      side->contracted_inner ? kept : contracted,
                                                      side->contracted_inner ? contracted : kept);
    LLVMTypeRef i32 = LLVMInt32TypeInContext(ptx->emit->context), four[] = {i32, i32, i32, i32};
    LLVMValueRef address = LLVMBuildPtrToInt(ptx->emit->builder, pointer, i32, "");
    const char *text = side->contracted_inner
                           ? "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {$0, $1, $2, $3}, [$4];"
                           : "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {$0, $1, $2, $3}, [$4];";
    LLVMValueRef loaded = plait_ptx_asm(ptx, LLVMStructTypeInContext(ptx->emit->context, four, 4, 0), text,
                                        "=r,=r,=r,=r,r,~{memory}", &address, 1);
    for (uint32_t i = 0; i < 4; i++) registers[i] = LLVMBuildExtractValue(ptx->emit->builder, loaded, i, "");
}

static void multiply(PlaitPtxProduct *product, LLVMValueRef *sums, const LLVMValueRef *a, const LLVMValueRef *b)
{
    PlaitPtx *ptx = product->ptx;
    LLVMTypeRef f32 = LLVMFloatTypeInContext(ptx->emit->context), four[] = {f32, f32, f32, f32};
    const char *scalar = plait_scalar_text(product->scalar);
    const char *text = plait_arena_printf(ptx->emit->arena,
                                          "mma.sync.aligned.m16n8k16.row.col.f32.%s.%s.f32 {$0, $1, $2, $3}, "
                                          "{$8, $9, $10, $11}, {$12, $13}, {$4, $5, $6, $7};",
                                          scalar, scalar);
    LLVMValueRef operands[] = {sums[0], sums[1], sums[2], sums[3], a[0], a[1], a[2], a[3], b[0], b[1]};
    LLVMValueRef result = plait_ptx_asm(ptx, LLVMStructTypeInContext(ptx->emit->context, four, 4, 0), text,
                                        "=f,=f,=f,=f,0,1,2,3,r,r,r,r,r,r", operands, 10);
    for (uint32_t i = 0; i < 4; i++) sums[i] = LLVMBuildExtractValue(ptx->emit->builder, result, i, "");
}

void plait_ptx_mma(PlaitPtxProduct *product)
{
    bool staged = product->a.stage.value != 0;
    LLVMValueRef a_offset = staged ? lane_offset(product, &product->a, true) : NULL;
    LLVMValueRef b_offset = lane_offset(product, &product->b, false), a[4], b[4];
    for (uint32_t step = 0; step < product->steps; step++) {
        if (staged) load_four(product, &product->a, a_offset, 0, step, a);
        const LLVMValueRef *fragments = staged ? a : product->a.fragments + step * 4;
        for (uint32_t group = 0; group < product->groups; group++) {
            if (group % 2 == 0) load_four(product, &product->b, b_offset, group * 8, step, b);
            multiply(product, product->sums + group * 4, fragments, b + group % 2 * 2);
        }
    }
}
