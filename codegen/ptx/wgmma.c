/* Products by wgmma (Hopper): a group of four warps multiplies 64 rows; both operands, or that of the columns alone,
 * are read from shared memory through descriptors. Instructions of one product are one group; the product waits for it
 * unless it flies (flight.c).
 *
 * A descriptor (PTX ISA, "Matrix descriptor"): bits 0-13 address / 16, 16-29 leading and 32-45 stride byte offset / 16,
 * 62-63 the swizzle (1: 128 bytes). Where the contracted axis is inner, eight rows of 128 bytes are 1024 apart, and 16
 * contracted positions are 32 bytes along the row. Where it is not, 8 contracted positions are 1024 apart, 16 are 2048,
 * and the leading offset goes from a chunk of 64 rows or columns to the next.
 */
#include "codegen/ptx/matrix.h"

enum { MOST_COLUMNS = 256, GROUP_ROWS = 64, GROUP_BITS = 7 };

static LLVMValueRef int64(const PlaitPtx *ptx, uint64_t value)
{
    return LLVMConstInt(LLVMInt64TypeInContext(ptx->emit->context), value, 0);
}

void plait_ptx_fence_async(PlaitPtx *ptx)
{
    plait_ptx_asm(ptx, LLVMVoidTypeInContext(ptx->emit->context), "fence.proxy.async.shared::cta;", "~{memory}", NULL,
                  0);
}

/* The number of the group of warps, from a shuffle, which tells ptxas that it is the same in all lanes. */
static LLVMValueRef group_number(PlaitPtx *ptx)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(ptx->emit->context);
    LLVMValueRef group = LLVMBuildLShr(ptx->emit->builder, ptx->thread, plait_ptx_int32(ptx, 7), "");
    return plait_ptx_asm(ptx, i32, "shfl.sync.idx.b32 $0, $1, 0, 31, -1;", "=r,r", &group, 1);
}

static uint32_t chunk_bytes(const PlaitPtxSide *side) { return side->stage.rows * PLAIT_PTX_ROW_BYTES; }

/* Bytes to the row or column that is `places` further. */
static uint32_t offset_of(const PlaitPtxSide *side, uint32_t places)
{
    return side->contracted_inner ? places * PLAIT_PTX_ROW_BYTES
                                  : places / PLAIT_PTX_CHUNK * chunk_bytes(side) + places % PLAIT_PTX_CHUNK * 2;
}

/* From the first row or column of the first group of warps to that of this one: bytes; NULL: 0. */
static LLVMValueRef group_offset(const PlaitPtxProduct *product, const PlaitPtxSide *side, bool rows)
{
    PlaitPtx *ptx = product->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    bool halves = product->column_threads != 0;
    uint32_t groups = ptx->kernel->threads >> GROUP_BITS, of_rows = halves ? groups / 2 : groups;
    if ((rows ? of_rows : groups / of_rows) <= 1) return NULL;
    LLVMValueRef number = group_number(ptx);
    if (rows && halves) number = LLVMBuildAnd(b, number, plait_ptx_int32(ptx, of_rows - 1), "");
    if (!rows) number = LLVMBuildUDiv(b, number, plait_ptx_int32(ptx, of_rows), "");
    uint32_t bytes = offset_of(side, rows ? GROUP_ROWS : product->groups * 8);
    return LLVMBuildMul(b, number, plait_ptx_int32(ptx, bytes), "");
}

/* The descriptor of the first row or column, at the first contracted position. */
static LLVMValueRef first_descriptor(PlaitPtxProduct *product, const PlaitPtxSide *side, bool rows)
{
    PlaitPtx *ptx = product->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMTypeRef i32 = LLVMInt32TypeInContext(ptx->emit->context);
    LLVMValueRef address = LLVMBuildPtrToInt(b, ptx->shared, i32, "");
    address = LLVMBuildAdd(b, address, plait_ptx_int32(ptx, side->stage.byte), "");
    if (side->stage.moving) address = LLVMBuildAdd(b, address, side->stage.moving, "");
    LLVMValueRef offset = group_offset(product, side, rows);
    if (offset) address = LLVMBuildAdd(b, address, offset, "");
    address = LLVMBuildAnd(b, LLVMBuildLShr(b, address, plait_ptx_int32(ptx, 4), ""), plait_ptx_int32(ptx, 0x3FFF), "");
    uint64_t leading = side->contracted_inner ? 1 : chunk_bytes(side) >> 4;
    uint64_t fixed = UINT64_C(1) << 62 | UINT64_C(64) << 32 | leading << 16;
    return LLVMBuildOr(b, LLVMBuildZExt(b, address, LLVMInt64TypeInContext(ptx->emit->context), ""), int64(ptx, fixed),
                       "");
}

/* The descriptor `step` times 16 contracted positions and `column` columns further. */
static LLVMValueRef descriptor_at(PlaitPtx *ptx, const PlaitPtxSide *side, LLVMValueRef first, uint32_t step,
                                  uint32_t column)
{
    uint32_t bytes = side->contracted_inner
                         ? step / 4 * chunk_bytes(side) + step % 4 * 32 + column * PLAIT_PTX_ROW_BYTES
                         : step * 2048 + column / PLAIT_PTX_CHUNK * chunk_bytes(side);
    return bytes ? LLVMBuildAdd(ptx->emit->builder, first, int64(ptx, bytes >> 4), "") : first;
}

/* `{$first, $first+1, ..}` */
static void add_registers(PlaitText *text, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) plait_text_printf(text, "%s$%u", i ? ", " : "{", first + i);
    plait_text_add(text, "}");
}

typedef struct Block {
    PlaitPtxProduct *product;
    LLVMValueRef *sums;
    uint32_t column, columns;
    LLVMValueRef a, b; /* first descriptors; a: NULL when in registers */
} Block;

static LLVMTypeRef sums_type(const Block *block)
{
    LLVMTypeRef types[PLAIT_PTX_MOST_REGISTERS], f32 = LLVMFloatTypeInContext(block->product->ptx->emit->context);
    for (uint32_t i = 0; i < block->columns / 2; i++) types[i] = f32;
    return LLVMStructTypeInContext(block->product->ptx->emit->context, types, block->columns / 2, 0);
}

static void take_sums(const Block *block, LLVMValueRef call)
{
    for (uint32_t i = 0; i < block->columns / 2; i++)
        block->sums[i] = LLVMBuildExtractValue(block->product->ptx->emit->builder, call, i, "");
}

/* "=f,..,0,1,..": sums that come out, and, unless they begin at 0, the same registers going in. */
static uint32_t add_sums(const Block *block, PlaitText *constraints, LLVMValueRef *operands, bool in)
{
    uint32_t sums = block->columns / 2, count = 0;
    for (uint32_t i = 0; i < sums; i++) plait_text_add(constraints, i ? ",=f" : "=f");
    for (uint32_t i = 0; in && i < sums; i++) {
        plait_text_printf(constraints, ",%u", i);
        operands[count++] = block->sums[i];
    }
    return count;
}

static void issue(Block *block, uint32_t step)
{
    PlaitPtxProduct *product = block->product;
    PlaitPtx *ptx = product->ptx;
    LLVMValueRef operands[PLAIT_PTX_MOST_REGISTERS];
    PlaitText text = plait_text(ptx->emit->arena), constraints = plait_text(ptx->emit->arena);
    bool zero = product->zero && step == 0;
    uint32_t sums = block->columns / 2, count = add_sums(block, &constraints, operands, !zero), at = sums + count;
    plait_text_printf(&text, "{ .reg .pred p; setp.ne.b32 p, %d, 0; wgmma.mma_async.sync.aligned.m64n%uk16.f32.%s.%s ",
                      zero ? 0 : 1, block->columns, plait_scalar_text(product->scalar),
                      plait_scalar_text(product->scalar));
    add_registers(&text, 0, sums);
    plait_text_add(&text, ", ");
    if (block->a) {
        plait_text_printf(&text, "$%u", at++);
        plait_text_add(&constraints, ",l");
        operands[count++] = descriptor_at(ptx, &product->a, block->a, step, 0);
    } else {
        add_registers(&text, at, 4);
        at += 4;
        plait_text_add(&constraints, ",r,r,r,r");
        for (uint32_t i = 0; i < 4; i++) operands[count++] = product->a.fragments[step * 4 + i];
    }
    plait_text_printf(&text, ", $%u, p, 1, 1", at);
    plait_text_add(&constraints, ",l");
    operands[count++] = descriptor_at(ptx, &product->b, block->b, step, block->column);
    if (block->a) plait_text_add(&text, product->a.contracted_inner ? ", 0" : ", 1");
    plait_text_add(&text, product->b.contracted_inner ? ", 0; }" : ", 1; }");
    take_sums(block, plait_ptx_asm(ptx, sums_type(block), text.data, constraints.data, operands, count));
}

static void plain(PlaitPtx *ptx, const char *text)
{
    plait_ptx_asm(ptx, LLVMVoidTypeInContext(ptx->emit->context), text, "~{memory}", NULL, 0);
}

/* The sums go through the wait, so that nothing reads them before. */
static void wait_for(Block *block)
{
    LLVMValueRef operands[PLAIT_PTX_MOST_REGISTERS];
    PlaitText constraints = plait_text(block->product->ptx->emit->arena);
    uint32_t count = add_sums(block, &constraints, operands, true);
    take_sums(block, plait_ptx_asm(block->product->ptx, sums_type(block), "wgmma.wait_group.sync.aligned 0;",
                                   constraints.data, operands, count));
}

void plait_ptx_wgmma(PlaitPtxProduct *product)
{
    PlaitPtx *ptx = product->ptx;
    LLVMValueRef a = product->a.stage.value ? first_descriptor(product, &product->a, true) : NULL;
    LLVMValueRef b = first_descriptor(product, &product->b, false);
    uint32_t columns = product->groups * 8, count = (columns + MOST_COLUMNS - 1) / MOST_COLUMNS;
    Block blocks[8];
    plait_assert(count <= 8);
    plain(ptx, "wgmma.fence.sync.aligned;");
    for (uint32_t i = 0; i < count; i++) {
        uint32_t column = i * MOST_COLUMNS, rest = columns - column;
        blocks[i] =
            (Block){product, product->sums + column / 2, column, rest < MOST_COLUMNS ? rest : MOST_COLUMNS, a, b};
        for (uint32_t step = 0; step < product->steps; step++) issue(&blocks[i], step);
    }
    plain(ptx, "wgmma.commit_group.sync.aligned;");
    for (uint32_t i = 0; i < count && !product->flies; i++) wait_for(&blocks[i]);
}

void plait_ptx_wgmma_wait(PlaitPtx *ptx, LLVMValueRef *values, uint32_t count)
{
    PlaitPtxProduct product = {.ptx = ptx};
    for (uint32_t at = 0; at < count; at += MOST_COLUMNS / 2) {
        uint32_t rest = count - at, columns = 2 * (rest < MOST_COLUMNS / 2 ? rest : MOST_COLUMNS / 2);
        wait_for(&(Block){.product = &product, .sums = values + at, .columns = columns});
    }
}
