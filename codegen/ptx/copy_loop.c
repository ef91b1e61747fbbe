/* Copies made by the threads that compute: loops in which each thread moves 16 bytes a turn, a *unit* of neighbours
 * along the inner axis, so that their code does not grow with the tile.
 *
 * Those for products are for tensors of any strides. Those of programs that each prepare a block (passes/tile/fetch.c)
 * are started when the kernel starts and wait for nothing (PTX ISA, "cp.async"), where memory is contiguous and
 * aligned, and their elements may be read as well. Tiles of 16 bits stand as the matrix units read them (swizzle.c);
 * rows of others are apart by some bytes more than they have, so that the reads of a warp fall into different banks.
 */
#include "codegen/ptx/maps.h"

enum { UNIT_BYTES = 16 };

typedef struct Mover {
    PlaitPtx *ptx;
    PlaitPtxAccess access;
    uint32_t inner, rows;   /* indices of the access that move along the inner axis and along the rows */
    uint32_t neighbours;    /* of a unit */
    uint32_t units, in_row; /* of the tile, of a row */
    uint32_t byte;          /* where the tile stands */
    uint32_t swizzled_rows; /* of a tile of 16 bits; 0: of another */
    uint32_t pitch;         /* then: bytes from row to row */
    LLVMValueRef base;      /* i64: address of the tile's first element */
    LLVMValueRef inside;    /* i1: the scalar indices are inside; NULL: they always are */
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
    LLVMValueRef in_row = plait_ptx_int32(ptx, mover->in_row), neighbours = plait_ptx_int32(ptx, mover->neighbours);
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
    if (mover->swizzled_rows) {
        LLVMValueRef offset = plait_ptx_swizzled_offset(ptx, b, mover->swizzled_rows, unit->row, unit->column);
        return plait_ptx_swizzled_pointer(ptx, mover->byte, mover->swizzled_rows, offset, 0, 0);
    }
    uint32_t bytes = plait_scalar_bytes(mover->access.scalar);
    LLVMValueRef offset = LLVMBuildMul(b, unit->row, plait_ptx_int32(ptx, mover->pitch / bytes), "");
    offset = LLVMBuildAdd(b, offset, unit->column, "");
    return plait_ptx_shared_pointer(ptx, mover->access.scalar, mover->byte, offset, 0);
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
    LLVMValueRef units = plait_ptx_int32(ptx, mover->units);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(ptx->emit->context, ptx->emit->function, "move");
    LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(ptx->emit->context, ptx->emit->function, "");
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

/* The mover of a tile whose neighbours in shared memory lie along `inner`. */
static Mover mover_of(PlaitPtx *ptx, PlaitValue copy, PlaitAxis inner, uint32_t byte)
{
    Mover mover = {.ptx = ptx, .access = plait_ptx_access(ptx->kernel, copy), .byte = byte};
    mover.neighbours = UNIT_BYTES / plait_scalar_bytes(mover.access.scalar);
    for (uint32_t i = 0; i < mover.access.rank; i++) {
        if (plait_type_of(ptx->kernel, mover.access.indices[i].value).rank == 0) continue;
        if (mover.access.indices[i].unit == inner) mover.inner = i;
        else mover.rows = i;
    }
    begin(&mover);
    return mover;
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
    Mover mover = mover_of(ptx, stage->value, stage->inner, byte);
    mover.swizzled_rows = stage->rows;
    mover.units = stage->bytes / UNIT_BYTES;
    mover.in_row = mover.units / stage->rows;
    move_all(&mover, move);
    if (plait_ptx_is_hopper(ptx->emit->target)) plait_ptx_fence_async(ptx);
}

/* ---- tiles that are fetched when the kernel starts ---- */

bool plait_ptx_is_fetched(const PlaitFunction *kernel, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    return inst->op == PLAIT_OP_COPY && !inst->region->parent && plait_has_block_programs(kernel);
}

bool plait_ptx_is_read_by_element(const PlaitFunction *kernel, PlaitValue copy)
{
    for (PlaitValue value = 1; value < kernel->insts.count; value++) {
        const PlaitInst *inst = plait_inst(kernel, value);
        if (inst->op == PLAIT_OP_CONVERT && inst->region && inst->operands[0] == copy) return true;
    }
    return false;
}

static uint32_t tile_of(const PlaitFunction *kernel, PlaitAxis axis) { return kernel->axes.data[axis].tile; }

/* Whether both read the same elements, perhaps along axes of other names: tokens as rows and as columns. */
static bool is_same_tile(const PlaitFunction *kernel, const PlaitInst *a, const PlaitInst *b)
{
    bool same = a->op == b->op && a->operand_count == b->operand_count && a->operands[0] == b->operands[0];
    for (uint32_t i = 1; same && i < a->operand_count; i++) {
        const PlaitInst *x = plait_inst(kernel, a->operands[i]), *y = plait_inst(kernel, b->operands[i]);
        if (a->operands[i] == b->operands[i]) continue;
        same = x->op == PLAIT_OP_IOTA && y->op == PLAIT_OP_IOTA && x->operand_count == y->operand_count &&
               (x->operand_count == 0 || x->operands[0] == y->operands[0]) &&
               tile_of(kernel, x->axes[0]) == tile_of(kernel, y->axes[0]);
    }
    return same;
}

PlaitValue plait_ptx_fetch_leader(const PlaitFunction *kernel, PlaitValue copy)
{
    const PlaitValues *body = &kernel->body->body;
    for (uint32_t i = 0; i < body->count && body->data[i] != copy; i++)
        if (is_same_tile(kernel, plait_inst(kernel, body->data[i]), plait_inst(kernel, copy))) return body->data[i];
    return copy;
}

PlaitAxis plait_ptx_fetch_inner(const PlaitFunction *kernel, PlaitValue copy)
{
    const PlaitInst *inst = plait_inst(kernel, copy);
    return plait_inst(kernel, inst->operands[inst->operand_count - 1])->axes[0];
}

static PlaitAxis outer_of(const PlaitFunction *kernel, PlaitValue copy)
{
    PlaitType type = plait_type_of(kernel, copy);
    return type.axes[type.axes[0] == plait_ptx_fetch_inner(kernel, copy)];
}

PlaitPtxStage plait_ptx_fetch_stage(const PlaitFunction *kernel, PlaitValue copy)
{
    PlaitType type = plait_type_of(kernel, copy);
    PlaitPtxStage stage = {
        .value = copy, .scalar = (PlaitScalar)type.scalar, .inner = plait_ptx_fetch_inner(kernel, copy)};
    PlaitPtxShape shape = plait_ptx_shape(kernel, type);
    if (plait_scalar_is_16_bit(stage.scalar)) plait_ptx_swizzle(&stage, &shape);
    return stage;
}

/* Of other tiles: a warp reads four rows of 32 bytes at a time. */
static uint32_t pitch_of(const PlaitFunction *kernel, PlaitValue copy)
{
    uint32_t bytes = plait_scalar_bytes((PlaitScalar)plait_type_of(kernel, copy).scalar);
    return tile_of(kernel, plait_ptx_fetch_inner(kernel, copy)) * bytes + 8 * bytes;
}

uint32_t plait_ptx_fetch_bytes(const PlaitFunction *kernel, PlaitValue copy)
{
    PlaitPtxStage stage = plait_ptx_fetch_stage(kernel, copy);
    return stage.bytes ? stage.bytes : pitch_of(kernel, copy) * tile_of(kernel, outer_of(kernel, copy));
}

static Mover mover_of_fetched(PlaitPtx *ptx, PlaitValue copy)
{
    PlaitPtxStage stage = plait_ptx_fetch_stage(ptx->kernel, copy);
    Mover mover = mover_of(ptx, copy, stage.inner, ptx->kept_at[copy] - 1);
    mover.swizzled_rows = stage.rows;
    mover.pitch = pitch_of(ptx->kernel, copy);
    mover.in_row =
        stage.bytes ? stage.bytes / UNIT_BYTES / stage.rows : tile_of(ptx->kernel, stage.inner) / mover.neighbours;
    mover.units =
        stage.bytes ? stage.bytes / UNIT_BYTES : mover.in_row * tile_of(ptx->kernel, outer_of(ptx->kernel, copy));
    return mover;
}

void plait_ptx_fetch(PlaitPtx *ptx, PlaitValue copy)
{
    LLVMBuilderRef b = ptx->emit->builder;
    if (plait_ptx_fetch_leader(ptx->kernel, copy) != copy) return;
    Mover mover = mover_of_fetched(ptx, copy);
    if (ptx->wide || mover.access.sure) {
        move_all(&mover, move_async);
    } else if (!ptx->either) {
        move_all(&mover, move);
    } else {
        LLVMBasicBlockRef blocks[3];
        for (uint32_t i = 0; i < 3; i++)
            blocks[i] = LLVMAppendBasicBlockInContext(ptx->emit->context, ptx->emit->function, "");
        LLVMBuildCondBr(b, ptx->either, blocks[0], blocks[1]);
        for (uint32_t i = 0; i < 2; i++) {
            LLVMPositionBuilderAtEnd(b, blocks[i]);
            move_all(&mover, i == 0 ? move_async : move);
            LLVMBuildBr(b, blocks[2]);
        }
        LLVMPositionBuilderAtEnd(b, blocks[2]);
    }
    plait_ptx_asm(ptx, LLVMVoidTypeInContext(ptx->emit->context), "cp.async.commit_group;", "~{memory}", NULL, 0);
}

/* Fetched tiles come in the order of the kernel's body. */
void plait_ptx_fetch_wait(PlaitPtx *ptx, PlaitValue copy)
{
    const PlaitValues *body = &ptx->kernel->body->body;
    PlaitValue leader = plait_ptx_fetch_leader(ptx->kernel, copy);
    uint32_t later = 0;
    bool passed = false, waited = ptx->kept_done[leader];
    if (!ptx->kept_at[copy] || ptx->kept_done[copy]) return;
    ptx->kept_done[copy] = true;
    for (uint32_t i = 0; i < body->count; i++) {
        PlaitValue value = body->data[i];
        if (!ptx->kept_at[value] || !plait_ptx_is_fetched(ptx->kernel, value)) continue;
        if (plait_ptx_fetch_leader(ptx->kernel, value) != value) continue;
        if (passed) later++;
        else ptx->kept_done[value] = true;
        passed |= value == leader;
    }
    if (waited) return;
    const char *text = plait_arena_printf(ptx->emit->arena, "cp.async.wait_group %u;", later);
    plait_ptx_asm(ptx, LLVMVoidTypeInContext(ptx->emit->context), text, "~{memory}", NULL, 0);
    if (plait_ptx_is_hopper(ptx->emit->target)) plait_ptx_fence_async(ptx);
    plait_ptx_barrier(ptx);
}

/* How a thread reads the elements of a fetched tile. */
typedef struct Reader {
    PlaitPtx *ptx;
    PlaitPtxStage stage;
    PlaitScalar scalar;
    uint32_t byte, pitch; /* pitch: in elements, where it is not swizzled */
    LLVMValueRef moving;  /* i32: bytes to add; NULL: none */
    LLVMValueRef
        thread; /* i32: of the thread's own part of the position: a byte where it is swizzled, else an element */
} Reader;

static Reader reader_of(PlaitPtx *ptx, PlaitValue copy, const PlaitPtxAxis *inner, const PlaitPtxAxis *outer)
{
    const PlaitPtxMap *map = plait_ptx_map_of(ptx->maps, copy);
    Reader reader = {.ptx = ptx, .stage = plait_ptx_fetch_stage(ptx->kernel, copy)};
    reader.byte = map ? map->byte : ptx->kept_at[copy] - 1;
    reader.moving = map ? plait_ptx_copy_offset(ptx, copy) : NULL;
    LLVMValueRef column = plait_ptx_field(ptx, inner), row = plait_ptx_field(ptx, outer);
    reader.scalar = reader.stage.scalar;
    reader.pitch = pitch_of(ptx->kernel, copy) / plait_scalar_bytes(reader.scalar);
    if (!column) column = plait_ptx_int32(ptx, 0);
    if (!row) row = plait_ptx_int32(ptx, 0);
    if (reader.stage.bytes) {
        reader.thread = plait_ptx_swizzled_offset(ptx, ptx->entry, reader.stage.rows, row, column);
        return reader;
    }
    row = LLVMBuildMul(ptx->entry, row, plait_ptx_int32(ptx, reader.pitch), "");
    reader.thread = LLVMBuildAdd(ptx->entry, row, column, "");
    return reader;
}

static LLVMValueRef place_of(const Reader *reader, uint32_t row, uint32_t column)
{
    PlaitPtx *ptx = reader->ptx;
    if (reader->stage.bytes) {
        LLVMValueRef moving = reader->moving,
                     pointer =
                         plait_ptx_swizzled_pointer(ptx, reader->byte, reader->stage.rows, reader->thread, row, column);
        LLVMTypeRef int8 = LLVMInt8TypeInContext(ptx->emit->context);
        return moving ? LLVMBuildInBoundsGEP2(ptx->emit->builder, int8, pointer, &moving, 1, "") : pointer;
    }
    return plait_ptx_shared_pointer(reader->ptx, reader->scalar, reader->byte, reader->thread,
                                    row * reader->pitch + column);
}

/* Neighbours that a thread holds are read at once. */
void plait_ptx_read_fetched(PlaitPtx *ptx, PlaitValue value, PlaitValue copy)
{
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    uint32_t inner = shape->axes[0].axis == plait_ptx_fetch_inner(ptx->kernel, copy) ? 0 : 1,
             step = inner ? 1 : shape->axes[1].slots;
    if (ptx->maps) plait_ptx_copy_wait(ptx, copy);
    else plait_ptx_fetch_wait(ptx, copy);
    Reader reader = reader_of(ptx, copy, &shape->axes[inner], &shape->axes[1 - inner]);
    uint32_t vec = shape->axes[inner].vec, bytes = plait_scalar_bytes(reader.scalar);
    while (vec * bytes > UNIT_BYTES || shape->axes[inner].tile % vec) vec /= 2;
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, shape->slots), loaded[UNIT_BYTES];
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        if (plait_ptx_axis_slot(shape, slot, inner) % vec != 0) continue;
        uint32_t at[2];
        for (uint32_t i = 0; i < 2; i++)
            at[i] = plait_ptx_static_position(&shape->axes[i], plait_ptx_axis_slot(shape, slot, i));
        plait_ptx_shared_load(ptx, reader.scalar, place_of(&reader, at[1 - inner], at[inner]), vec, loaded);
        for (uint32_t i = 0; i < vec; i++) slots[slot + i * step] = loaded[i];
    }
    if (ptx->maps) plait_ptx_copies_release_read(ptx, value);
}
