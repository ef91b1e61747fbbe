/* Operands of the matrix units in shared memory.
 *
 * An array of 16-bit elements over two axes, *inner* (neighbours in memory) and *rows*. It is cut along the inner axis
 * into chunks of 64 elements; a chunk is an array [rows][64], so that a row of it has 128 bytes: eight units of 16. In
 * row r, unit u stands at place u xor (r mod 8): eight rows' units of one column, which the matrix units read together,
 * then lie in different banks. This is the 128-byte swizzle of the tensor memory accelerator and of wgmma (PTX ISA,
 * "Shared memory matrix layout"), with which `ldmatrix` is free of bank conflicts as well.
 *
 * Both axes are padded to 16 positions. The units contract 16 at a time: what stands in the padding is 0.
 */
#include "codegen/ptx/matrix.h"

static uint32_t rounded(uint32_t value, uint32_t to) { return (value + to - 1) / to * to; }

static uint32_t at_least(uint32_t value, uint32_t least) { return value > least ? value : least; }

/* Positions that the array has along an axis: all that a thread may write. */
static uint32_t extent_of(const PlaitPtxAxis *axis)
{
    return rounded(at_least(axis->padded, axis->tile), PLAIT_PTX_UNIT);
}

void plait_ptx_swizzle(PlaitPtxStage *stage, const PlaitPtxShape *shape)
{
    uint32_t inner = shape->axes[0].axis == stage->inner ? 0 : 1;
    uint32_t chunks = (extent_of(&shape->axes[inner]) + PLAIT_PTX_CHUNK - 1) / PLAIT_PTX_CHUNK;
    stage->rows = extent_of(&shape->axes[1 - inner]);
    stage->bytes = chunks * stage->rows * PLAIT_PTX_ROW_BYTES;
}

/* Where a thread writes. */
typedef struct Writer {
    PlaitPtx *ptx;
    const PlaitPtxStage *stage;
    const PlaitPtxShape *shape;
    uint32_t inner; /* index of the inner axis in the shape */
    uint32_t byte;
    LLVMValueRef offset; /* i32: byte of the thread's own part of the position, swizzled */
} Writer;

static LLVMValueRef field_of(Writer *writer, uint32_t index)
{
    LLVMValueRef field = plait_ptx_field(writer->ptx, &writer->shape->axes[index]);
    return field ? field : plait_ptx_int32(writer->ptx, 0);
}

LLVMValueRef plait_ptx_swizzled_offset(PlaitPtx *ptx, LLVMBuilderRef b, uint32_t rows, LLVMValueRef row,
                                       LLVMValueRef column)
{
    LLVMValueRef chunk = LLVMBuildLShr(b, column, plait_ptx_int32(ptx, 6), "");
    LLVMValueRef unit =
        LLVMBuildAnd(b, LLVMBuildLShr(b, column, plait_ptx_int32(ptx, 3), ""), plait_ptx_int32(ptx, 7), "");
    LLVMValueRef within = LLVMBuildAnd(b, column, plait_ptx_int32(ptx, 7), "");
    unit = LLVMBuildXor(b, unit, LLVMBuildAnd(b, row, plait_ptx_int32(ptx, 7), ""), "");
    LLVMValueRef offset = LLVMBuildMul(b, chunk, plait_ptx_int32(ptx, rows * PLAIT_PTX_ROW_BYTES), "");
    offset = LLVMBuildAdd(b, offset, LLVMBuildMul(b, row, plait_ptx_int32(ptx, PLAIT_PTX_ROW_BYTES), ""), "");
    offset = LLVMBuildAdd(b, offset, LLVMBuildMul(b, unit, plait_ptx_int32(ptx, 16), ""), "");
    return LLVMBuildAdd(b, offset, LLVMBuildMul(b, within, plait_ptx_int32(ptx, 2), ""), "");
}

LLVMValueRef plait_ptx_swizzled_pointer(PlaitPtx *ptx, uint32_t byte, uint32_t rows, LLVMValueRef offset, uint32_t row,
                                        uint32_t column)
{
    LLVMBuilderRef b = ptx->emit->builder;
    uint32_t flip = ((column >> 3 & 7) ^ (row & 7)) * 16;
    uint32_t fixed = (column >> 6) * rows * PLAIT_PTX_ROW_BYTES + row * PLAIT_PTX_ROW_BYTES + (column & 7) * 2;
    if (flip) offset = LLVMBuildXor(b, offset, plait_ptx_int32(ptx, flip), "");
    LLVMValueRef rest = plait_ptx_int32(ptx, byte + fixed);
    LLVMTypeRef int8 = LLVMInt8TypeInContext(ptx->emit->context);
    LLVMValueRef pointer = LLVMBuildInBoundsGEP2(b, int8, ptx->shared, &offset, 1, "");
    return LLVMBuildInBoundsGEP2(b, int8, pointer, &rest, 1, "");
}

/* Slots written by one instruction: neighbours along the inner axis. */
static uint32_t width_of(const Writer *writer)
{
    uint32_t vec = writer->shape->axes[writer->inner].vec;
    while (vec > 8 || writer->shape->axes[writer->inner].tile % vec) vec /= 2;
    return vec;
}

static void write_group(Writer *writer, uint32_t slot, uint32_t width, uint32_t step)
{
    PlaitPtx *ptx = writer->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    const PlaitPtxShape *shape = writer->shape;
    LLVMTypeRef type = plait_emit_memory_type(ptx->emit, writer->stage->scalar, width);
    LLVMValueRef vector = LLVMGetPoison(type), valid = plait_ptx_valid(ptx, shape, slot);
    for (uint32_t i = 0; i < width; i++) {
        LLVMValueRef element = ptx->values[writer->stage->value][slot + i * step];
        vector = width > 1 ? LLVMBuildInsertElement(b, vector, element, plait_ptx_int32(ptx, i), "") : element;
    }
    if (valid) vector = LLVMBuildSelect(b, valid, vector, LLVMConstNull(type), "");
    uint32_t at[2];
    for (uint32_t i = 0; i < 2; i++)
        at[i] = plait_ptx_static_position(&shape->axes[i], plait_ptx_axis_slot(shape, slot, i));
    LLVMValueRef pointer = plait_ptx_swizzled_pointer(ptx, writer->byte, writer->stage->rows, writer->offset,
                                                      at[1 - writer->inner], at[writer->inner]);
    LLVMSetAlignment(LLVMBuildStore(b, vector, pointer), width * plait_scalar_bytes(writer->stage->scalar));
}

static void write_all(Writer *writer)
{
    uint32_t width = width_of(writer), step = 1;
    for (uint32_t i = writer->inner + 1; i < writer->shape->rank; i++) step *= writer->shape->axes[i].slots;
    for (uint32_t slot = 0; slot < writer->shape->slots; slot++)
        if (plait_ptx_axis_slot(writer->shape, slot, writer->inner) % width == 0)
            write_group(writer, slot, width, step);
}

/* Clears what no thread writes: positions past the end of one axis, `count` of them for each of `lines` positions of
 * the other; the threads share them. */
static void clear_padding(Writer *writer, uint32_t index)
{
    PlaitPtx *ptx = writer->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    const PlaitPtxAxis *axis = &writer->shape->axes[index], *other = &writer->shape->axes[1 - index];
    uint32_t first = at_least(axis->padded, axis->tile), count = extent_of(axis) - first, lines = extent_of(other);
    uint32_t threads = ptx->kernel->threads;
    for (uint32_t done = 0; done < count * lines; done += threads) {
        LLVMValueRef item = LLVMBuildAdd(b, ptx->thread, plait_ptx_int32(ptx, done), "");
        LLVMValueRef line = LLVMBuildUDiv(b, item, plait_ptx_int32(ptx, count), "");
        LLVMValueRef place =
            LLVMBuildAdd(b, LLVMBuildURem(b, item, plait_ptx_int32(ptx, count), ""), plait_ptx_int32(ptx, first), "");
        bool inner = index == writer->inner;
        LLVMValueRef offset =
            plait_ptx_swizzled_offset(ptx, b, writer->stage->rows, inner ? line : place, inner ? place : line);
        LLVMValueRef pointer = plait_ptx_swizzled_pointer(ptx, writer->byte, writer->stage->rows, offset, 0, 0);
        LLVMValueRef inside = LLVMBuildICmp(b, LLVMIntULT, item, plait_ptx_int32(ptx, count * lines), "");
        LLVMValueRef zero = LLVMConstNull(plait_emit_memory_type(ptx->emit, writer->stage->scalar, 1));
        plait_ptx_shared_store(ptx, writer->stage->scalar, pointer, zero, inside);
    }
}

void plait_ptx_swizzle_write(PlaitPtx *ptx, const PlaitPtxStage *stage, uint32_t byte)
{
    LLVMBuilderRef b = ptx->emit->builder;
    Writer writer = {.ptx = ptx, .stage = stage, .shape = plait_ptx_shape_of(ptx, stage->value), .byte = byte};
    writer.inner = writer.shape->axes[0].axis == stage->inner ? 0 : 1;
    writer.offset = plait_ptx_swizzled_offset(ptx, ptx->entry, stage->rows, field_of(&writer, 1 - writer.inner),
                                              field_of(&writer, writer.inner));
    LLVMValueRef first = plait_ptx_first_copy(ptx, writer.shape);
    LLVMBasicBlockRef after = NULL;
    if (first) {
        LLVMBasicBlockRef copies = plait_ptx_new_block(ptx, "");
        after = plait_ptx_new_block(ptx, "");
        LLVMBuildCondBr(b, first, copies, after);
        LLVMPositionBuilderAtEnd(b, copies);
    }
    write_all(&writer);
    if (after) {
        LLVMBuildBr(b, after);
        LLVMPositionBuilderAtEnd(b, after);
    }
    for (uint32_t index = 0; index < 2; index++) clear_padding(&writer, index);
    if (plait_ptx_is_hopper(ptx->emit->target)) plait_ptx_fence_async(ptx);
}
