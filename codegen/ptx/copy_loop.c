/* A copy made by the threads that compute, for tensors of any strides: a loop in which each thread moves eight
 * neighbours along the inner axis a turn, so that its code does not grow with the tile. */
#include "codegen/ptx/maps.h"

enum { NEIGHBOURS = 8 };

typedef struct Mover {
    PlaitPtx *ptx;
    PlaitPtxAccess access;
    const PlaitPtxStage *stage;
    uint32_t inner, rows; /* indices of the access that move along the inner axis and along the rows */
    LLVMValueRef base;    /* i64: address of the tile's first element */
    LLVMValueRef inside;  /* i1: the scalar indices are inside; NULL: they always are */
} Mover;

static LLVMValueRef stride_of(const Mover *mover, uint32_t index)
{
    PlaitPtx *ptx = mover->ptx;
    LLVMTypeRef int64 = LLVMInt64TypeInContext(ptx->emit->context);
    uint32_t slot = plait_ptx_tensor_slot(ptx, mover->access.tensor);
    LLVMValueRef bytes = LLVMConstInt(int64, plait_scalar_bytes(mover->access.scalar), 0);
    return LLVMBuildMul(ptx->entry, ptx->arguments[slot + 1 + index], bytes, "");
}

/* index * stride, in 64 bits. */
static LLVMValueRef distance(const Mover *mover, LLVMValueRef index, uint32_t axis)
{
    LLVMBuilderRef b = mover->ptx->emit->builder;
    LLVMValueRef wide = LLVMBuildSExt(b, index, LLVMInt64TypeInContext(mover->ptx->emit->context), "");
    return LLVMBuildMul(b, wide, stride_of(mover, axis), "");
}

static LLVMValueRef start_of(const Mover *mover, uint32_t index)
{
    PlaitPtx *ptx = mover->ptx;
    PlaitValue value = mover->access.indices[index].value;
    bool tile = plait_type_of(ptx->kernel, value).rank > 0;
    LLVMValueRef start = tile ? plait_ptx_unit_start(ptx, value) : ptx->values[value][0];
    return start ? start : plait_ptx_int32(ptx, 0);
}

static LLVMValueRef is_inside(const Mover *mover, uint32_t index, LLVMValueRef position)
{
    PlaitPtx *ptx = mover->ptx;
    return LLVMBuildICmp(ptx->emit->builder, LLVMIntULT, position,
                         plait_ptx_extent(ptx, mover->access.indices[index].along), "");
}

static void begin(Mover *mover)
{
    PlaitPtx *ptx = mover->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    mover->base = ptx->arguments[plait_ptx_tensor_slot(ptx, mover->access.tensor)];
    for (uint32_t i = 0; i < mover->access.rank; i++) {
        LLVMValueRef start = start_of(mover, i);
        mover->base = LLVMBuildAdd(b, mover->base, distance(mover, start, i), "");
        if (i == mover->inner || i == mover->rows || mover->access.indices[i].inside) continue;
        mover->inside = plait_ptx_both(ptx, mover->inside, is_inside(mover, i, start));
    }
}

/* Whether position `at` of the tile along index `index` is of the tile and of the tensor. */
static LLVMValueRef holds(const Mover *mover, uint32_t index, LLVMValueRef at)
{
    PlaitPtx *ptx = mover->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    uint32_t tile = ptx->kernel->axes.data[mover->access.indices[index].unit].tile;
    LLVMValueRef of_tile = LLVMBuildICmp(b, LLVMIntULT, at, plait_ptx_int32(ptx, tile), "");
    LLVMValueRef position = LLVMBuildAdd(b, start_of(mover, index), at, "");
    return LLVMBuildAnd(b, of_tile, is_inside(mover, index, position), "");
}

/* Moves unit number `unit`, counted row by row. */
static void move(const Mover *mover, LLVMValueRef unit)
{
    PlaitPtx *ptx = mover->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    uint32_t rows = mover->stage->rows, chunks = mover->stage->bytes / (rows * PLAIT_PTX_ROW_BYTES);
    LLVMValueRef in_row = plait_ptx_int32(ptx, chunks * (PLAIT_PTX_CHUNK / NEIGHBOURS));
    LLVMValueRef row = LLVMBuildUDiv(b, unit, in_row, "");
    LLVMValueRef column = LLVMBuildMul(b, LLVMBuildURem(b, unit, in_row, ""), plait_ptx_int32(ptx, NEIGHBOURS), "");
    LLVMValueRef good = plait_ptx_both(ptx, mover->inside, holds(mover, mover->rows, row));
    LLVMValueRef line = LLVMBuildAdd(b, mover->base, distance(mover, row, mover->rows), "");
    LLVMTypeRef type = plait_emit_memory_type(ptx->emit, mover->access.scalar, NEIGHBOURS);
    LLVMValueRef vector = LLVMGetPoison(type);
    for (uint32_t i = 0; i < NEIGHBOURS; i++) {
        LLVMValueRef at = LLVMBuildAdd(b, column, plait_ptx_int32(ptx, i), ""), element;
        LLVMValueRef predicate = plait_ptx_both(ptx, good, holds(mover, mover->inner, at));
        LLVMValueRef address = LLVMBuildAdd(b, line, distance(mover, at, mover->inner), "");
        plait_ptx_load(ptx, mover->access.scalar, 1, address, predicate, true, &element);
        vector = LLVMBuildInsertElement(b, vector, element, plait_ptx_int32(ptx, i), "");
    }
    LLVMValueRef offset = plait_ptx_swizzled_offset(ptx, b, rows, row, column);
    LLVMSetAlignment(LLVMBuildStore(b, vector, plait_ptx_swizzled_pointer(ptx, mover->stage->byte, rows, offset, 0, 0)),
                     16);
}

bool plait_ptx_can_copy_in_loop(const PlaitPtx *ptx, PlaitValue copy)
{
    if (plait_op_of(ptx->kernel, copy) != PLAIT_OP_COPY) return false;
    PlaitPtxAccess access = plait_ptx_access(ptx->kernel, copy);
    uint32_t tiles = 0;
    for (uint32_t i = 0; i < access.rank; i++) {
        bool tile = plait_type_of(ptx->kernel, access.indices[i].value).rank > 0;
        if (tile && access.indices[i].unit == PLAIT_NO_AXIS) return false;
        tiles += tile;
    }
    bool read_only = !(ptx->tensor_use[access.tensor] & PLAIT_PTX_STORED);
    return tiles == 2 && access.type.rank == 2 && read_only;
}

void plait_ptx_copy_in_loop(PlaitPtx *ptx, const PlaitPtxStage *stage, uint32_t byte)
{
    LLVMBuilderRef b = ptx->emit->builder;
    PlaitPtxStage here = *stage;
    here.byte = byte;
    Mover mover = {.ptx = ptx, .access = plait_ptx_access(ptx->kernel, stage->value), .stage = &here};
    for (uint32_t i = 0; i < mover.access.rank; i++) {
        if (plait_type_of(ptx->kernel, mover.access.indices[i].value).rank == 0) continue;
        if (mover.access.indices[i].unit == stage->inner) mover.inner = i;
        else mover.rows = i;
    }
    begin(&mover);
    uint32_t units = stage->bytes / 16;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(ptx->emit->context, ptx->emit->function, "move");
    LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(ptx->emit->context, ptx->emit->function, "");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntULT, ptx->thread, plait_ptx_int32(ptx, units), ""), body, after);
    LLVMPositionBuilderAtEnd(b, body);
    LLVMValueRef unit = LLVMBuildPhi(b, LLVMInt32TypeInContext(ptx->emit->context), "");
    LLVMAddIncoming(unit, &ptx->thread, &before, 1);
    move(&mover, unit);
    LLVMValueRef next = LLVMBuildAdd(b, unit, plait_ptx_int32(ptx, ptx->kernel->threads), "");
    LLVMBasicBlockRef last = LLVMGetInsertBlock(b);
    LLVMAddIncoming(unit, &next, &last, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntULT, next, plait_ptx_int32(ptx, units), ""), body, after);
    LLVMPositionBuilderAtEnd(b, after);
    if (plait_ptx_is_hopper(ptx->emit->target)) plait_ptx_fence_async(ptx);
}
