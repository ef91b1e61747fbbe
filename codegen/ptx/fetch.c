/* Tiles in shared memory whose elements are read: by `convert`, in the layout that it wants (passes/tile/fetch.c).
 *
 * Those of programs that each prepare a block are moved when the kernel starts (copy_loop.c) and waited for where they
 * are first read; products may read them too. In loops they are the copy engine's (copies.c). Tiles of 16 bits stand as
 * the matrix units read them (swizzle.c). Of others a warp reads four rows of 32 bytes at a time, which are to fall
 * into different banks: in rows of whole 128 bytes, 32 bytes number u of row r stand at place u xor (r mod 4); other
 * rows are apart by 8 elements more than they have.
 */
#include "codegen/ptx/maps.h"

enum { UNIT_BYTES = 16, BANKS_BYTES = 128, TWISTS = 4 };

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

static uint32_t row_bytes(const PlaitFunction *kernel, PlaitValue copy)
{
    uint32_t bytes = plait_scalar_bytes((PlaitScalar)plait_type_of(kernel, copy).scalar);
    return tile_of(kernel, plait_ptx_fetch_inner(kernel, copy)) * bytes;
}

/* Of tiles that are not swizzled: whether their rows are twisted; bytes from row to row. */
static bool is_twisted(const PlaitFunction *kernel, PlaitValue copy)
{
    return row_bytes(kernel, copy) % BANKS_BYTES == 0;
}

static uint32_t pitch_of(const PlaitFunction *kernel, PlaitValue copy)
{
    uint32_t bytes = plait_scalar_bytes((PlaitScalar)plait_type_of(kernel, copy).scalar);
    return row_bytes(kernel, copy) + (is_twisted(kernel, copy) ? 0 : 8 * bytes);
}

/* The byte of an element, i32. */
LLVMValueRef plait_ptx_line_offset(PlaitPtx *ptx, LLVMBuilderRef b, const PlaitPtxTile *tile, LLVMValueRef row,
                                   LLVMValueRef column)
{
    uint32_t bytes = plait_scalar_bytes((PlaitScalar)plait_type_of(ptx->kernel, tile->copy).scalar);
    LLVMValueRef offset = LLVMBuildMul(b, column, plait_ptx_int32(ptx, bytes), "");
    if (is_twisted(ptx->kernel, tile->copy)) {
        LLVMValueRef twist = LLVMBuildAnd(b, row, plait_ptx_int32(ptx, TWISTS - 1), "");
        twist = LLVMBuildMul(b, twist, plait_ptx_int32(ptx, BANKS_BYTES / TWISTS), "");
        offset = LLVMBuildXor(b, offset, twist, "");
    }
    return LLVMBuildAdd(b, offset, LLVMBuildMul(b, row, plait_ptx_int32(ptx, tile->pitch), ""), "");
}

uint32_t plait_ptx_fetch_bytes(const PlaitFunction *kernel, PlaitValue copy)
{
    PlaitPtxStage stage = plait_ptx_fetch_stage(kernel, copy);
    return stage.bytes ? stage.bytes : pitch_of(kernel, copy) * tile_of(kernel, outer_of(kernel, copy));
}

static PlaitPtxTile tile_of_rows(const PlaitFunction *kernel, PlaitValue copy, uint32_t byte)
{
    return (PlaitPtxTile){
        .copy = copy, .inner = plait_ptx_fetch_inner(kernel, copy), .byte = byte, .pitch = pitch_of(kernel, copy)};
}

void plait_ptx_fetch(PlaitPtx *ptx, PlaitValue copy)
{
    const PlaitFunction *kernel = ptx->kernel;
    if (plait_ptx_fetch_leader(kernel, copy) != copy) return;
    PlaitPtxStage stage = plait_ptx_fetch_stage(kernel, copy);
    uint32_t rows = stage.bytes ? stage.rows : tile_of(kernel, outer_of(kernel, copy)), bytes = stage.bytes;
    if (!bytes) bytes = row_bytes(kernel, copy) * rows;
    PlaitPtxTile tile = tile_of_rows(kernel, copy, ptx->kept_at[copy] - 1);
    tile.swizzled_rows = stage.rows;
    tile.units = bytes / UNIT_BYTES;
    tile.in_row = bytes / UNIT_BYTES / rows;
    plait_ptx_move_tile(ptx, &tile, true);
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
    PlaitPtxTile tile;   /* where it is not swizzled */
    LLVMValueRef moving; /* i32: bytes to add; NULL: none */
    LLVMValueRef thread; /* i32: byte of the thread's own part of the position */
} Reader;

static Reader reader_of(PlaitPtx *ptx, PlaitValue copy, const PlaitPtxAxis *inner, const PlaitPtxAxis *outer)
{
    const PlaitPtxMap *map = plait_ptx_map_of(ptx->maps, copy);
    uint32_t byte = map ? map->byte : ptx->kept_at[copy] - 1;
    Reader reader = {.ptx = ptx, .stage = plait_ptx_fetch_stage(ptx->kernel, copy)};
    reader.tile = tile_of_rows(ptx->kernel, copy, byte);
    reader.moving = map ? plait_ptx_copy_offset(ptx, copy) : NULL;
    LLVMValueRef column = plait_ptx_field(ptx, inner), row = plait_ptx_field(ptx, outer);
    if (!column) column = plait_ptx_int32(ptx, 0);
    if (!row) row = plait_ptx_int32(ptx, 0);
    reader.thread = reader.stage.bytes ? plait_ptx_swizzled_offset(ptx, ptx->entry, reader.stage.rows, row, column)
                                       : plait_ptx_line_offset(ptx, ptx->entry, &reader.tile, row, column);
    return reader;
}

/* The thread's part and the slot's have no bits in common, so that a twist of their sum is that of both. */
static LLVMValueRef line_pointer(const Reader *reader, uint32_t row, uint32_t column)
{
    PlaitPtx *ptx = reader->ptx;
    bool twisted = is_twisted(ptx->kernel, reader->tile.copy);
    uint32_t mask = twisted ? BANKS_BYTES - BANKS_BYTES / TWISTS : 0;
    uint32_t byte = column * plait_scalar_bytes(reader->stage.scalar);
    uint32_t flip = (byte ^ row * (BANKS_BYTES / TWISTS)) & mask;
    LLVMValueRef offset = reader->thread;
    if (flip) offset = LLVMBuildXor(ptx->emit->builder, offset, plait_ptx_int32(ptx, flip), "");
    uint32_t fixed = reader->tile.byte + (byte & ~mask) + row * reader->tile.pitch;
    return plait_ptx_shared_byte(ptx, offset, fixed);
}

static LLVMValueRef place_of(const Reader *reader, uint32_t row, uint32_t column)
{
    PlaitPtx *ptx = reader->ptx;
    if (!reader->stage.bytes) return line_pointer(reader, row, column);
    LLVMTypeRef int8 = LLVMInt8TypeInContext(ptx->emit->context);
    LLVMValueRef moving = reader->moving;
    LLVMValueRef pointer =
        plait_ptx_swizzled_pointer(ptx, reader->tile.byte, reader->stage.rows, reader->thread, row, column);
    return moving ? LLVMBuildInBoundsGEP2(ptx->emit->builder, int8, pointer, &moving, 1, "") : pointer;
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
    uint32_t vec = shape->axes[inner].vec, bytes = plait_scalar_bytes(reader.stage.scalar);
    while (vec * bytes > UNIT_BYTES || shape->axes[inner].tile % vec) vec /= 2;
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, shape->slots), loaded[UNIT_BYTES];
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        if (plait_ptx_axis_slot(shape, slot, inner) % vec != 0) continue;
        uint32_t at[2];
        for (uint32_t i = 0; i < 2; i++)
            at[i] = plait_ptx_static_position(&shape->axes[i], plait_ptx_axis_slot(shape, slot, i));
        plait_ptx_shared_load(ptx, reader.stage.scalar, place_of(&reader, at[1 - inner], at[inner]), vec, loaded);
        for (uint32_t i = 0; i < vec; i++) slots[slot + i * step] = loaded[i];
    }
    if (ptx->maps) plait_ptx_copies_release_read(ptx, value);
}
