/* Reductions of the operator as those of tiles, of which sums of products are matrix products where they can be.
 *
 * What lies outside of an axis must not count: a mask is put on an operand, unless the operand is 0 there by itself, or
 * no row inside of the axis reads it.
 */
#include "passes/lower/lower.h"
#include "passes/stage/causal.h"
#include "passes/stage/storage.h"

static bool has_tile_axis(const PlaitLowering *lowering, PlaitValue tile, PlaitAxis axis)
{
    return plait_type_has(plait_type_of(lowering->kernel, tile), axis);
}

/* Whether rows of a block that are inside of the sequence read none outside of it through the mask. */
static bool is_causal(const PlaitLowering *lowering, PlaitValue mask)
{
    return plait_is_causal_mask(lowering->operator_, mask, lowering->plan.loop, lowering->plan.twin);
}

/* Whether a value over pairs of a block's tokens is 0 but for such, or was made so before (`prepare`). */
static bool is_zero_ahead(const PlaitLowering *lowering, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(lowering->operator_, value);
    if (inst->op == PLAIT_OP_GATHER && lowering->operator_->axes.data[inst->axes[0]].place) return true;
    if (inst->op == PLAIT_OP_GATHER &&
        plait_reads_block(lowering->operator_, inst, plait_inst(lowering->operator_, inst->region->owner)))
        return is_zero_ahead(lowering, inst->operands[0]);
    if (inst->op == PLAIT_OP_CAST || inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_NEG)
        return is_zero_ahead(lowering, inst->operands[0]);
    if (inst->op == PLAIT_OP_SUB || inst->op == PLAIT_OP_ADD)
        return is_zero_ahead(lowering, inst->operands[0]) && is_zero_ahead(lowering, inst->operands[1]);
    if (inst->op != PLAIT_OP_SELECT || !is_causal(lowering, inst->operands[0])) return false;
    const PlaitInst *otherwise = plait_inst(lowering->operator_, inst->operands[2]);
    return otherwise->op == PLAIT_OP_CONST && otherwise->number == 0;
}

/* What a loop's tiles need of the mask; 0: nothing. */
static PlaitValue lower_rest(PlaitLowering *lowering, const PlaitPlaces *places)
{
    PlaitValue mask = 0;
    for (uint32_t i = 0; i < lowering->rest.count; i++) {
        PlaitValue conjunct = plait_lower_value(lowering, lowering->rest.data[i], places);
        mask = mask && conjunct ? plait_lower_binary(lowering, PLAIT_OP_AND, mask, conjunct) : conjunct;
    }
    return mask;
}

/* The mask of a reduction: the program's own, and that positions of a fold's last tile are inside. 0: none. */
static PlaitValue lower_mask(PlaitLowering *lowering, const PlaitInst *inst, const PlaitPlaces *places)
{
    bool unmasked = inst->axis_count == 1 && inst->axes[0] == lowering->unmasked;
    if (unmasked) return lower_rest(lowering, places);
    PlaitValue mask = inst->operand_count == 2 ? plait_lower_value(lowering, inst->operands[1], places) : 0;
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        PlaitAxis axis = inst->axes[i];
        PlaitAxisUse use = lowering->plan.axes[axis].use;
        int64_t size = lowering->operator_->axes.data[axis].size;
        bool walked = (use == PLAIT_AXIS_FOLD || use == PLAIT_AXIS_LOOP) && lowering->plan.axes[axis].tile > 1;
        bool padded = use == PLAIT_AXIS_WHOLE && (int64_t)lowering->plan.axes[axis].tile > size;
        if (!walked && !padded) continue;
        if (axis == lowering->plan.twin && mask && is_causal(lowering, inst->operands[1])) continue;
        PlaitValue inside =
            plait_lower_binary(lowering, PLAIT_OP_LT, places->index[axis], plait_lower_size(lowering, axis));
        mask = mask ? plait_lower_binary(lowering, PLAIT_OP_AND, mask, inside) : inside;
    }
    return mask;
}

static PlaitValue masked(PlaitLowering *lowering, PlaitValue mask, PlaitValue x, double identity)
{
    return mask ? plait_lower_select(lowering, mask, x, plait_lower_number_like(lowering, x, identity)) : x;
}

/* Whether `value` is made from a matrix product of this kernel, or from a carry of one of its loops. */
static bool follows_product(const PlaitLowering *lowering, PlaitValue value, bool *seen)
{
    const PlaitInst *inst = plait_inst(lowering->operator_, value);
    PlaitContraction contraction;
    if (seen[value] || !plait_region_inside(inst->region, lowering->region)) return false;
    seen[value] = true;
    if (inst->op == PLAIT_OP_ARGUMENT || inst->body || inst->op == PLAIT_OP_RESULT ||
        plait_find_contraction(lowering->operator_, lowering->plan.axes, value, &contraction))
        return true;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (follows_product(lowering, inst->operands[i], seen)) return true;
    return false;
}

/* A GPU's products take the storage type: an f32 value made of bf16 tensors is rounded to bf16. What is made from
 * another product of the same loop is left to the pass `matrix`, as is f16, whose range a computed value may leave. */
static PlaitValue in_storage_type(PlaitLowering *lowering, PlaitValue value, PlaitValue tile)
{
    const PlaitInst *inst = plait_inst(lowering->operator_, value);
    bool *seen = PLAIT_NEW_ARRAY(lowering->arena, bool, lowering->operator_->insts.count);
    if (plait_type_of(lowering->kernel, tile).scalar != PLAIT_F32 || follows_product(lowering, value, seen))
        return tile;
    while (inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_GATHER)
        inst = plait_inst(lowering->operator_, inst->operands[0]);
    bool narrow = inst->op == PLAIT_OP_CAST &&
                  plait_scalar_is_16_bit(plait_type_of(lowering->operator_, inst->operands[0]).scalar);
    if (narrow || plait_storage_of(lowering->operator_, value) != PLAIT_BF16) return tile;
    PlaitBuilder builder = plait_lower_at(lowering, &tile, 1);
    return plait_build_cast(&builder, plait_build_cast(&builder, tile, PLAIT_BF16), PLAIT_F32);
}

/* The renamed tile that an operand is, perhaps converted and widened; 0: none. */
static PlaitValue renamed_of(const PlaitFunction *kernel, PlaitValue tile)
{
    const PlaitInst *inst = plait_inst(kernel, tile);
    if (inst->op == PLAIT_OP_CAST) inst = plait_inst(kernel, inst->operands[0]);
    if (inst->op != PLAIT_OP_CONVERT) return 0;
    return plait_op_of(kernel, inst->operands[0]) == PLAIT_OP_RENAME ? inst->operands[0] : 0;
}

/* A renamed operand that is 0 at tokens outside of the axis: masked where it was made. */
static PlaitValue masked_renamed(PlaitLowering *lowering, PlaitValue renamed, const PlaitPlaces *places)
{
    const PlaitInst inst = *plait_inst(lowering->kernel, renamed);
    PlaitAxis axis = lowering->plan.loop;
    PlaitValue inside =
        plait_lower_binary(lowering, PLAIT_OP_LT, places->index[axis], plait_lower_size(lowering, axis));
    PlaitValue x = masked(lowering, inside, inst.operands[0], 0);
    PlaitBuilder builder = plait_lower_at(lowering, &x, 1);
    PlaitValue result = plait_build(&builder, PLAIT_OP_RENAME, inst.type, &x, 1);
    plait_set_axes(lowering->kernel, result, inst.axes, 2);
    return result;
}

/* Whether an operand may be infinite or no number where all that is loaded is 0: outside of an axis. */
static bool may_leave_numbers(const PlaitLowering *lowering, PlaitValue value, bool *seen)
{
    const PlaitFunction *function = lowering->operator_;
    const PlaitInst *inst = plait_inst(function, value);
    if (seen[value] || !plait_region_inside(inst->region, lowering->region)) return false;
    seen[value] = true;
    switch ((int)inst->op) {
    case PLAIT_OP_DIV:
        if (plait_op_of(function, inst->operands[1]) != PLAIT_OP_CONST) return true;
        break;
    case PLAIT_OP_EXP:
    case PLAIT_OP_LOG:
    case PLAIT_OP_RSQRT:
    case PLAIT_OP_POW: return true;
    default: break;
    }
    for (uint32_t i = 0; i < inst->operand_count && plait_op_is_pointwise((PlaitOp)inst->op); i++)
        if (may_leave_numbers(lowering, inst->operands[i], seen)) return true;
    return false;
}

static bool operand_may_leave_numbers(const PlaitLowering *lowering, PlaitValue value)
{
    return may_leave_numbers(lowering, value, PLAIT_NEW_ARRAY(lowering->arena, bool, lowering->operator_->insts.count));
}

/* Puts the mask of a product into one of its operands, preferably one that is computed: what is loaded as it is goes
 * straight to shared memory. 0 times what is no number is none either: the mask goes where that may be, if need be into
 * both. False when it fits on neither. */
static bool mask_product(PlaitLowering *lowering, const PlaitContraction *contraction, PlaitValue mask, PlaitValue *a,
                         PlaitValue *b)
{
    const PlaitFunction *kernel = lowering->kernel;
    PlaitType type = plait_type_of(kernel, mask);
    bool on_a = plait_type_inside(type, plait_type_of(kernel, *a)),
         on_b = plait_type_inside(type, plait_type_of(kernel, *b));
    bool blocks = lowering->plan.twin != PLAIT_NO_AXIS && plait_lower_is_stored(lowering, contraction->a);
    bool choice = on_a && on_b && !lowering->target->gpu; /* GPUs: to be decided where kernels can be measured */
    bool needs_b = choice && operand_may_leave_numbers(lowering, contraction->b);
    bool needs_a = !needs_b || operand_may_leave_numbers(lowering, contraction->a);
    if (on_a && needs_a && !(blocks && on_b)) *a = masked(lowering, mask, *a, 0);
    else if (on_b) *b = masked(lowering, mask, *b, 0);
    if (needs_b && needs_a) *b = masked(lowering, mask, *b, 0);
    return on_a || on_b;
}

/* A matrix product; 0 when the mask fits on neither operand. */
static PlaitValue lower_dot(PlaitLowering *lowering, const PlaitContraction *contraction, PlaitValue mask,
                            const PlaitPlaces *places)
{
    if (!plait_lower_long_ones_first(lowering, (PlaitValue[]){contraction->a, contraction->b}, 2, places)) return 0;
    PlaitValue a = plait_lower_value(lowering, contraction->a, places),
               b = plait_lower_value(lowering, contraction->b, places);
    if (!a || !b) return 0;
    PlaitFunction *kernel = lowering->kernel;
    bool on_gpu = lowering->target->gpu;
    PlaitValue *sides[2] = {&a, &b}, sources[2] = {contraction->a, contraction->b};
    bool within_block = mask && lowering->plan.twin == contraction->axis;
    for (uint32_t i = 0; i < 2 && within_block; i++) /* 0 times a number from memory, which is 0 outside */
        if (is_zero_ahead(lowering, sources[i]) && !renamed_of(kernel, *sides[1 - i])) within_block = false, mask = 0;
    for (uint32_t i = 0; i < 2; i++) { /* what was renamed goes to shared memory from where it is */
        PlaitValue renamed = on_gpu ? renamed_of(kernel, *sides[i]) : 0;
        if (!renamed) continue;
        PlaitScalar scalar = (PlaitScalar)plait_type_of(kernel, *sides[i]).scalar;
        if (within_block) renamed = masked_renamed(lowering, renamed, places);
        if (within_block) mask = 0;
        within_block = false;
        PlaitBuilder builder = plait_lower_at(lowering, &renamed, 1);
        *sides[i] = plait_build_cast(&builder, renamed, scalar);
    }
    if (mask && !mask_product(lowering, contraction, mask, &a, &b)) return 0;
    for (uint32_t i = 0; i < 2 && on_gpu; i++) {
        const PlaitInst *inst = plait_inst(kernel, *sides[i]);
        bool renamed = inst->op == PLAIT_OP_RENAME ||
                       (inst->op == PLAIT_OP_CAST && plait_op_of(kernel, inst->operands[0]) == PLAIT_OP_RENAME);
        if (!renamed) *sides[i] = in_storage_type(lowering, sources[i], *sides[i]);
    }
    if (!has_tile_axis(lowering, a, contraction->axis) || !has_tile_axis(lowering, b, contraction->axis)) return 0;
    PlaitBuilder builder = plait_lower_at(lowering, (PlaitValue[]){a, b}, 2);
    PlaitType type =
        plait_type_without(plait_type_union(plait_type_of(kernel, a), plait_type_of(kernel, b)), contraction->axis);
    PlaitValue dot = plait_build(&builder, PLAIT_OP_DOT, type, (PlaitValue[]){a, b}, 2);
    plait_set_axes(kernel, dot, &contraction->axis, 1);
    return dot;
}

static PlaitValue lower_plain_reduce(PlaitLowering *lowering, const PlaitInst *inst, PlaitValue mask,
                                     const PlaitPlaces *places)
{
    PlaitAxis axes[PLAIT_MAX_RANK];
    uint32_t count = 0;
    PlaitValue x = plait_lower_value(lowering, inst->operands[0], places);
    if (!x) return 0;
    x = masked(lowering, mask, x, plait_reduce_identity((PlaitOp)inst->op, (PlaitScalar)inst->type.scalar));
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        PlaitType place = plait_type_of(lowering->kernel, places->index[inst->axes[i]]);
        if (place.rank == 0) continue; /* one position at a time */
        x = plait_lower_broadcast(lowering, x, plait_type_union(plait_type_of(lowering->kernel, x), place));
        axes[count++] = inst->axes[i];
    }
    if (!count) return x;
    PlaitBuilder builder = plait_lower_at(lowering, &x, 1);
    return plait_build_reduce(&builder, (PlaitOp)inst->op, x, 0, axes, count);
}

/* The least position of a loop's block. */
static bool is_first_token(const PlaitLowering *lowering, const PlaitInst *inst)
{
    return inst->op == PLAIT_OP_REDUCE_MIN && inst->operand_count == 1 && inst->axes[0] == lowering->plan.loop &&
           lowering->plan.twin != PLAIT_NO_AXIS && plait_op_of(lowering->operator_, inst->operands[0]) == PLAIT_OP_IOTA;
}

PlaitValue plait_lower_reduce(PlaitLowering *lowering, PlaitValue value, const PlaitInst *inst,
                              const PlaitPlaces *outside)
{
    PlaitPlaces places = plait_places_copy(lowering, outside);
    if (is_first_token(lowering, inst)) return lowering->loop_position;
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        PlaitAxis axis = inst->axes[i];
        if (lowering->plan.axes[axis].use == PLAIT_AXIS_WHOLE) places.index[axis] = lowering->outer.index[axis];
        else if (lowering->plan.axes[axis].use != PLAIT_AXIS_FOLD && lowering->plan.axes[axis].use != PLAIT_AXIS_LOOP)
            return plait_lower_fail(lowering, value, "a reduction over an axis that the kernel works on in parts",
                                    "move the reduction out of the scan");
    }
    PlaitValue mask = lower_mask(lowering, inst, &places);
    PlaitContraction contraction;
    if (plait_find_contraction(lowering->operator_, lowering->plan.axes, value, &contraction)) {
        PlaitValue dot = lower_dot(lowering, &contraction, mask, &places);
        if (dot || lowering->failed) return dot;
    }
    return lower_plain_reduce(lowering, inst, mask, &places);
}
