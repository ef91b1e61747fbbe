/* Operands of products in shared memory.
 *
 * An operand is written as an array over its axes. Neighbours lie along the axis that the writing threads hold in
 * neighbouring slots or lanes, so that writing is free of bank conflicts; rows are padded by 16 bytes so that reading
 * is, too, when lanes read different rows; for the matrix units they are swizzled instead (swizzle.c). An operand that
 * does not change in the loop around the product is written once, before the loop.
 */
#include "codegen/ptx/maps.h"

enum { ROW_PAD = 16, STEPS = 4 };

static uint32_t lowest_bit(uint32_t mask)
{
    uint32_t bit = 0;
    while (bit < 32 && !(mask >> bit & 1)) bit++;
    return bit;
}

/* The axis along which threads hold neighbours: the one with the widest vector, else the one in the lowest lane bits,
 * else the last. It does not depend on the product, for several may read the same array. */
static PlaitAxis inner_axis(const PlaitPtxShape *shape)
{
    PlaitAxis inner = shape->axes[shape->rank - 1].axis;
    uint32_t vec = 1, bit = UINT32_MAX;
    for (uint32_t i = 0; i < shape->rank; i++) {
        const PlaitPtxAxis *axis = &shape->axes[i];
        uint32_t lowest = lowest_bit(axis->threads);
        bool lower = axis->vec == vec && lowest < bit;
        if (axis->vec < vec || (axis->vec == vec && !lower)) continue;
        inner = axis->axis;
        vec = axis->vec;
        bit = lowest;
    }
    return inner;
}

static uint32_t rounded(uint32_t value, uint32_t to) { return (value + to - 1) / to * to; }

/* Positions along an axis of the array: all of the tile, to a whole number of steps or of 16 bytes. */
static uint32_t extent_of(const PlaitPtxAxis *axis, uint32_t bytes)
{
    uint32_t unit = ROW_PAD / bytes;
    return rounded(axis->tile, unit > STEPS ? unit : STEPS);
}

/* The value that is written: widening casts happen after reading. */
static PlaitValue staged_value(const PlaitFunction *kernel, PlaitValue value)
{
    const PlaitInst *operand = plait_inst(kernel, value);
    if (operand->op != PLAIT_OP_CAST) return value;
    PlaitScalar from = (PlaitScalar)plait_type_of(kernel, operand->operands[0]).scalar;
    bool narrower = plait_scalar_bytes(from) < plait_scalar_bytes((PlaitScalar)operand->type.scalar);
    return narrower && plait_scalar_kind(from) == PLAIT_FLOATING ? operand->operands[0] : value;
}

PlaitPtxStage plait_ptx_stage(const PlaitFunction *kernel, PlaitValue dot, uint32_t side)
{
    const PlaitInst *inst = plait_inst(kernel, dot);
    PlaitPtxStage stage = {.swizzled = inst->axis_count == 2};
    if (plait_ptx_in_registers(kernel, dot, side)) return stage;
    stage.value = staged_value(kernel, inst->operands[side]);
    PlaitType type = plait_type_of(kernel, stage.value);
    PlaitPtxShape shape = plait_ptx_shape(kernel, type);
    stage.scalar = (PlaitScalar)type.scalar;
    uint32_t bytes = plait_scalar_bytes(stage.scalar), size = 1;
    stage.inner =
        plait_ptx_is_fetched(kernel, stage.value) ? plait_ptx_fetch_inner(kernel, stage.value) : inner_axis(&shape);
    if (stage.swizzled) {
        plait_ptx_swizzle(&stage, &shape);
        return stage;
    }
    for (uint32_t i = 0; i < shape.rank; i++) {
        if (shape.axes[i].axis != stage.inner) continue;
        stage.pitch[i] = 1;
        size = extent_of(&shape.axes[i], bytes) + ROW_PAD / bytes;
    }
    for (uint32_t i = shape.rank; i-- > 0;) {
        if (shape.axes[i].axis == stage.inner) continue;
        stage.pitch[i] = size;
        size *= shape.axes[i].tile;
    }
    stage.bytes = size * bytes;
    return stage;
}

bool plait_ptx_stage_can_stay(const PlaitFunction *kernel, PlaitValue dot, uint32_t side)
{
    PlaitValue value = plait_ptx_stage(kernel, dot, side).value;
    return value && plait_inst(kernel, value)->region != plait_inst(kernel, dot)->region;
}

void plait_ptx_stage_write(PlaitPtx *ptx, const PlaitPtxStage *stage, uint32_t byte)
{
    if (stage->swizzled) {
        if (!ptx->wide && plait_ptx_can_copy_in_loop(ptx, stage->value)) plait_ptx_copy_in_loop(ptx, stage, byte);
        else plait_ptx_swizzle_write(ptx, stage, byte);
        return;
    }
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, stage->value);
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMTypeRef int32 = LLVMInt32TypeInContext(ptx->emit->context);
    LLVMValueRef element = NULL, first = plait_ptx_first_copy(ptx, shape);
    for (uint32_t i = 0; i < shape->rank; i++) {
        LLVMValueRef field = plait_ptx_field(ptx, &shape->axes[i]);
        if (!field) continue;
        LLVMValueRef part = LLVMBuildMul(b, field, LLVMConstInt(int32, stage->pitch[i], 0), "");
        element = element ? LLVMBuildAdd(b, element, part, "") : part;
    }
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        uint32_t fixed = 0;
        for (uint32_t i = 0; i < shape->rank; i++)
            fixed += stage->pitch[i] * plait_ptx_static_position(&shape->axes[i], plait_ptx_axis_slot(shape, slot, i));
        LLVMValueRef predicate = plait_ptx_both(ptx, first, plait_ptx_valid(ptx, shape, slot));
        LLVMValueRef pointer = plait_ptx_shared_pointer(ptx, stage->scalar, byte, element, fixed);
        plait_ptx_shared_store(ptx, stage->scalar, pointer, ptx->values[stage->value][slot], predicate);
    }
}

/* Whether something else has stood where the value is kept. */
static bool was_used(const PlaitPtx *ptx, PlaitValue value)
{
    return ptx->scratch.reused && ptx->scratch.reused[value];
}

static void stage_one(PlaitPtx *ptx, PlaitPtxStage *stage, uint32_t scratch)
{
    uint32_t kept = ptx->kept_at[stage->value];
    if (ptx->maps && plait_op_of(ptx->kernel, stage->value) == PLAIT_OP_COPY) {
        stage->byte = plait_ptx_map_of(ptx->maps, stage->value)->byte;
        stage->moving = plait_ptx_copy_offset(ptx, stage->value);
        plait_ptx_copy_wait(ptx, stage->value);
        return;
    }
    stage->byte = kept ? kept - 1 : scratch;
    if (!stage->value || (kept && ptx->kept_done[stage->value])) return;
    if (kept && (plait_inst(ptx->kernel, stage->value)->region->parent || was_used(ptx, stage->value)))
        plait_ptx_barrier(ptx); /* a loop comes here again, or something else stood there */
    ptx->kept_done[stage->value] = kept != 0;
    plait_ptx_stage_write(ptx, stage, stage->byte);
}

void plait_ptx_stage_both(PlaitPtx *ptx, PlaitPtxStage *const stages[2])
{
    PlaitPtxStage *a = stages[0], *b = stages[1];
    bool there[2], ready[2];
    for (uint32_t side = 0; side < 2; side++) {
        PlaitValue value = stages[side]->value;
        if (value && plait_ptx_is_fetched(ptx->kernel, value)) plait_ptx_fetch_wait(ptx, value);
        bool elsewhere = !value || plait_ptx_is_copied(ptx->kernel, value, ptx->maps != NULL);
        there[side] = elsewhere || ptx->kept_at[value];
        ready[side] = elsewhere || (there[side] && ptx->kept_done[value]);
    }
    uint32_t scratch = there[0] && there[1] ? 0 : plait_ptx_scratch(ptx, 0);
    stage_one(ptx, a, scratch);
    if (!there[0]) scratch += plait_ptx_stage_room(a);
    bool same = b->value == a->value && b->inner == a->inner && !there[0];
    if (same) b->byte = a->byte;
    else stage_one(ptx, b, scratch);
    if (!ready[0] || !ready[1]) plait_ptx_barrier(ptx);
}

typedef struct Keeper {
    PlaitPtx *ptx;
    const PlaitRegion *body;
    bool staged;
} Keeper;

static void keep(void *context, PlaitValue value)
{
    Keeper *keeper = context;
    PlaitPtx *ptx = keeper->ptx;
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    if (inst->op == PLAIT_OP_CONVERT && plait_op_of(ptx->kernel, inst->operands[0]) == PLAIT_OP_COPY)
        plait_ptx_fetch_wait(ptx, inst->operands[0]);
    if (inst->op != PLAIT_OP_DOT) return;
    for (uint32_t side = 0; side < 2; side++) {
        PlaitPtxStage stage = plait_ptx_stage(ptx->kernel, value, side);
        const PlaitRegion *home = plait_inst(ptx->kernel, stage.value)->region;
        if (plait_ptx_is_copied(ptx->kernel, stage.value, ptx->maps != NULL) && !home->parent)
            plait_ptx_copy_wait(ptx, stage.value);
        if (stage.value && plait_ptx_is_fetched(ptx->kernel, stage.value)) plait_ptx_fetch_wait(ptx, stage.value);
        if (!stage.value || !ptx->kept_at[stage.value] || ptx->kept_done[stage.value] ||
            plait_region_inside(home, keeper->body))
            continue;
        if (!keeper->staged && home->parent) plait_ptx_barrier(ptx); /* an outer loop comes here again */
        else if (was_used(ptx, stage.value)) plait_ptx_barrier(ptx);
        plait_ptx_stage_write(ptx, &stage, ptx->kept_at[stage.value] - 1);
        ptx->kept_done[stage.value] = true;
        keeper->staged = true;
    }
}

void plait_ptx_stage_kept(PlaitPtx *ptx, const PlaitRegion *body)
{
    Keeper keeper = {.ptx = ptx, .body = body};
    plait_region_walk(ptx->kernel, body, keep, &keeper);
    if (keeper.staged) plait_ptx_barrier(ptx);
}

uint32_t plait_ptx_stage_room(const PlaitPtxStage *stage)
{
    return rounded(stage->bytes, stage->swizzled ? PLAIT_PTX_SWIZZLE_BYTES : ROW_PAD);
}

uint32_t plait_ptx_dot_bytes(const PlaitFunction *kernel, PlaitValue dot, bool maps, const uint32_t *kept_at)
{
    uint32_t bytes = 0;
    for (uint32_t side = 0; side < 2; side++) {
        PlaitPtxStage stage = plait_ptx_stage(kernel, dot, side);
        if (stage.value && !kept_at[stage.value] && !plait_ptx_is_copied(kernel, stage.value, maps))
            bytes += plait_ptx_stage_room(&stage);
    }
    return bytes;
}

uint32_t plait_ptx_dot_reach(const PlaitFunction *kernel, PlaitValue dot)
{
    if (plait_inst(kernel, dot)->axis_count == 2) return 0;
    PlaitPtxShape result = plait_ptx_shape(kernel, plait_type_of(kernel, dot));
    uint32_t most = 0;
    for (uint32_t side = 0; side < 2; side++) {
        PlaitPtxStage stage = plait_ptx_stage(kernel, dot, side);
        PlaitType type = plait_type_of(kernel, stage.value);
        uint32_t reach = 0;
        for (uint32_t i = 0; i < type.rank; i++) {
            const PlaitPtxAxis *axis = plait_ptx_axis(&result, type.axes[i]);
            if (axis) reach += (axis->padded - axis->tile) * stage.pitch[i];
        }
        reach *= plait_scalar_bytes(stage.scalar);
        if (reach > most) most = reach;
    }
    return most;
}
