/* Copies made by the threads that compute: loops in which each thread moves 16 bytes a turn, a *unit* of neighbours
 * along the inner axis, so that their code does not grow with the tile. They take tensors of any strides; where memory
 * is contiguous and aligned they may wait for nothing (PTX ISA, "cp.async"). */
#include "codegen/ptx/maps.h"

enum { UNIT_BYTES = 16 };

typedef struct Mover {
    PlaitPtx *ptx;
    const PlaitPtxTile *tile;
    PlaitPtxAccess access;
    uint32_t inner, rows; /* indices of the access that move along the inner axis and along the rows */
    uint32_t neighbours;  /* of a unit */
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

/* Where a unit stands in the tile. */
typedef struct Unit {
    LLVMValueRef row, column;
    LLVMValueRef good; /* i1: its row is inside; NULL: always */
} Unit;

/* Unit number `number`, counted row by row. */
static Unit unit_of(const Mover *mover, LLVMValueRef number)
{
    PlaitPtx *ptx = mover->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef in_row = plait_ptx_int32(ptx, mover->tile->in_row),
                 neighbours = plait_ptx_int32(ptx, mover->neighbours);
    Unit unit = {.row = LLVMBuildUDiv(b, number, in_row, "")};
    unit.column = LLVMBuildMul(b, LLVMBuildURem(b, number, in_row, ""), neighbours, "");
    unit.good = plait_ptx_both(ptx, mover->inside, holds(mover, mover->rows, unit.row));
    return unit;
}

static LLVMValueRef address_of(const Mover *mover, const Unit *unit, LLVMValueRef column)
{
    LLVMBuilderRef b = mover->ptx->emit->builder;
    LLVMValueRef line = LLVMBuildAdd(b, mover->base, distance(mover, unit->row, mover->rows), "");
    return LLVMBuildAdd(b, line, distance(mover, column, mover->inner), "");
}

static LLVMValueRef target_of(const Mover *mover, const Unit *unit)
{
    PlaitPtx *ptx = mover->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    if (mover->tile->swizzled_rows) {
        LLVMValueRef offset = plait_ptx_swizzled_offset(ptx, b, mover->tile->swizzled_rows, unit->row, unit->column);
        return plait_ptx_swizzled_pointer(ptx, mover->tile->byte, mover->tile->swizzled_rows, offset, 0, 0);
    }
    LLVMValueRef offset = plait_ptx_line_offset(ptx, b, mover->tile, unit->row, unit->column);
    return plait_ptx_shared_byte(ptx, offset, mover->tile->byte);
}

/* Element by element, through registers. */
static void move(const Mover *mover, LLVMValueRef number)
{
    PlaitPtx *ptx = mover->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    Unit unit = unit_of(mover, number);
    LLVMTypeRef type = plait_emit_memory_type(ptx->emit, mover->access.scalar, mover->neighbours);
    LLVMValueRef vector = LLVMGetPoison(type);
    for (uint32_t i = 0; i < mover->neighbours; i++) {
        LLVMValueRef at = LLVMBuildAdd(b, unit.column, plait_ptx_int32(ptx, i), ""), element;
        LLVMValueRef predicate = plait_ptx_both(ptx, unit.good, holds(mover, mover->inner, at));
        plait_ptx_load(ptx, mover->access.scalar, 1, address_of(mover, &unit, at), predicate, true, &element);
        vector = LLVMBuildInsertElement(b, vector, element, plait_ptx_int32(ptx, i), "");
    }
    LLVMSetAlignment(LLVMBuildStore(b, vector, target_of(mover, &unit)), UNIT_BYTES);
}

/* All at once, by the unit that loads: what is outside becomes 0. */
static void move_async(const Mover *mover, LLVMValueRef number)
{
    PlaitPtx *ptx = mover->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMTypeRef int32 = LLVMInt32TypeInContext(ptx->emit->context);
    Unit unit = unit_of(mover, number);
    unit.good = plait_ptx_both(ptx, unit.good, holds(mover, mover->inner, unit.column));
    LLVMValueRef bytes = plait_ptx_int32(ptx, UNIT_BYTES), none = plait_ptx_int32(ptx, 0);
    LLVMValueRef address = address_of(mover, &unit, unit.column);
    if (unit.good) {
        bytes = LLVMBuildSelect(b, unit.good, bytes, none, "");
        address = LLVMBuildSelect(b, unit.good, address, mover->base, "");
    }
    LLVMValueRef operands[] = {LLVMBuildPtrToInt(b, target_of(mover, &unit), int32, ""), address, bytes};
    plait_ptx_asm(ptx, LLVMVoidTypeInContext(ptx->emit->context), "cp.async.cg.shared.global [$0], [$1], 16, $2;",
                  "r,l,r,~{memory}", operands, 3);
}

/* Every thread moves units that are as far apart as there are threads. */
static void move_all(const Mover *mover, void (*one)(const Mover *mover, LLVMValueRef number))
{
    PlaitPtx *ptx = mover->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef units = plait_ptx_int32(ptx, mover->tile->units);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef body = plait_ptx_new_block(ptx, "move");
    LLVMBasicBlockRef after = plait_ptx_new_block(ptx, "");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntULT, ptx->thread, units, ""), body, after);
    LLVMPositionBuilderAtEnd(b, body);
    LLVMValueRef number = LLVMBuildPhi(b, LLVMInt32TypeInContext(ptx->emit->context), "");
    LLVMAddIncoming(number, &ptx->thread, &before, 1);
    one(mover, number);
    LLVMValueRef next = LLVMBuildAdd(b, number, plait_ptx_int32(ptx, ptx->kernel->threads), "");
    LLVMBasicBlockRef last = LLVMGetInsertBlock(b);
    LLVMAddIncoming(number, &next, &last, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntULT, next, units, ""), body, after);
    LLVMPositionBuilderAtEnd(b, after);
}

static Mover mover_of(PlaitPtx *ptx, const PlaitPtxTile *tile)
{
    Mover mover = {.ptx = ptx, .tile = tile, .access = plait_ptx_access(ptx->kernel, tile->copy)};
    mover.neighbours = UNIT_BYTES / plait_scalar_bytes(mover.access.scalar);
    for (uint32_t i = 0; i < mover.access.rank; i++) {
        if (plait_type_of(ptx->kernel, mover.access.indices[i].value).rank == 0) continue;
        if (mover.access.indices[i].unit == tile->inner) mover.inner = i;
        else mover.rows = i;
    }
    begin(&mover);
    return mover;
}

void plait_ptx_move_tile(PlaitPtx *ptx, const PlaitPtxTile *tile, bool may_go_on)
{
    LLVMBuilderRef b = ptx->emit->builder;
    Mover mover = mover_of(ptx, tile);
    if (may_go_on && (ptx->wide || mover.access.sure)) {
        move_all(&mover, move_async);
        return;
    }
    if (!may_go_on || !ptx->either) {
        move_all(&mover, move);
        return;
    }
    LLVMBasicBlockRef blocks[3];
    for (uint32_t i = 0; i < 3; i++) blocks[i] = plait_ptx_new_block(ptx, "");
    LLVMBuildCondBr(b, ptx->either, blocks[0], blocks[1]);
    for (uint32_t i = 0; i < 2; i++) {
        LLVMPositionBuilderAtEnd(b, blocks[i]);
        move_all(&mover, i == 0 ? move_async : move);
        LLVMBuildBr(b, blocks[2]);
    }
    LLVMPositionBuilderAtEnd(b, blocks[2]);
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
    PlaitPtxTile tile = {.copy = stage->value, .inner = stage->inner, .byte = byte, .swizzled_rows = stage->rows};
    tile.units = stage->bytes / UNIT_BYTES;
    tile.in_row = tile.units / stage->rows;
    plait_ptx_move_tile(ptx, &tile, false);
    if (plait_ptx_is_hopper(ptx->emit->target)) plait_ptx_fence_async(ptx);
}
