/* Values of the operator as tiles: written on demand, wherever their operands are known.
 *
 * A value is lowered *at places*: for each axis, the i32 tile value of the positions that are wanted. That is how a
 * gather, a delayed tap of a convolution and a block of keys are the same thing: the operand at other places. What was
 * lowered once at the same places is found again (memo). Every instruction goes to the outermost open region in which
 * its operands are known, so what does not depend on a loop stands before it.
 */
#include "ir/affine.h"
#include "passes/lower/lower.h"

/* Values that wait for one another, each of which takes some of the stack; instructions of a kernel. */
enum { MOST_DEPTH = 2000, MOST_INSTRUCTIONS = 400000 };

/* ---- small helpers ---- */

static uint32_t depth_of(const PlaitRegion *region)
{
    uint32_t depth = 0;
    for (; region->parent; region = region->parent) depth++;
    return depth;
}

PlaitBuilder plait_lower_at(const PlaitLowering *lowering, const PlaitValue *operands, uint32_t count)
{
    PlaitBuilder builder = {lowering->kernel, lowering->kernel->body, lowering->span};
    for (uint32_t i = 0; i < count; i++) {
        PlaitRegion *region = plait_inst(lowering->kernel, operands[i])->region;
        if (depth_of(region) > depth_of(builder.region)) builder.region = region;
    }
    return builder;
}

PlaitValue plait_lower_binary(PlaitLowering *lowering, PlaitOp op, PlaitValue x, PlaitValue y)
{
    PlaitBuilder builder = plait_lower_at(lowering, (PlaitValue[]){x, y}, 2);
    return plait_build_binary(&builder, op, x, y);
}

PlaitValue plait_lower_broadcast(PlaitLowering *lowering, PlaitValue x, PlaitType type)
{
    PlaitBuilder builder = plait_lower_at(lowering, &x, 1);
    return plait_build_broadcast(&builder, x, type);
}

PlaitValue plait_lower_i32(PlaitLowering *lowering, int64_t number)
{
    PlaitBuilder builder = plait_lower_at(lowering, NULL, 0);
    return plait_build_const(&builder, PLAIT_I32, (double)number);
}

PlaitValue plait_lower_size(PlaitLowering *lowering, PlaitAxis axis)
{
    PlaitBuilder builder = plait_lower_at(lowering, NULL, 0);
    return plait_build_size(&builder, axis);
}

PlaitValue plait_lower_select(PlaitLowering *lowering, PlaitValue condition, PlaitValue yes, PlaitValue no)
{
    PlaitBuilder builder = plait_lower_at(lowering, (PlaitValue[]){condition, yes, no}, 3);
    return plait_build_select(&builder, condition, yes, no);
}

PlaitValue plait_lower_number_like(PlaitLowering *lowering, PlaitValue like, double number)
{
    PlaitBuilder builder = plait_lower_at(lowering, NULL, 0);
    return plait_build_const(&builder, (PlaitScalar)plait_type_of(lowering->kernel, like).scalar, number);
}

PlaitPlaces plait_places_copy(const PlaitLowering *lowering, const PlaitPlaces *places)
{
    return (PlaitPlaces){
        plait_arena_copy(lowering->arena, places->index, lowering->operator_->axes.count * sizeof(PlaitValue))};
}

static PlaitPlaces with_place(const PlaitLowering *lowering, const PlaitPlaces *places, PlaitAxis axis,
                              PlaitValue index)
{
    PlaitPlaces copy = plait_places_copy(lowering, places);
    copy.index[axis] = index;
    return copy;
}

PlaitType plait_tile_type(const PlaitLowering *lowering, PlaitType type, const PlaitPlaces *places)
{
    PlaitType tile = plait_type((PlaitScalar)type.scalar);
    for (uint32_t i = 0; i < type.rank; i++)
        if (places->index[type.axes[i]])
            tile = plait_type_union(tile, plait_type_of(lowering->kernel, places->index[type.axes[i]]));
    return tile;
}

PlaitValue plait_lower_fail(PlaitLowering *lowering, PlaitValue value, const char *found, const char *help)
{
    if (!lowering->failed)
        plait_report(lowering->kernel->module->diagnostics,
                     (PlaitDiagnostic){.id = PLAIT_CANNOT_LOWER,
                                       .span = plait_inst(lowering->operator_, value)->span,
                                       .found = found,
                                       .expected = "an arrangement that one pass over the sequence can run",
                                       .help = help});
    lowering->failed = true;
    return 0;
}

/* ---- memo ---- */

static bool memo_matches(const PlaitLowering *lowering, const PlaitMemo *memo, PlaitValue value,
                         const PlaitPlaces *places)
{
    PlaitType type = plait_type_of(lowering->operator_, value);
    for (uint32_t i = 0; i < type.rank; i++)
        if (memo->index[i] != places->index[type.axes[i]]) return false;
    return true;
}

static PlaitValue memo_find(const PlaitLowering *lowering, PlaitValue value, const PlaitPlaces *places)
{
    for (const PlaitMemo *memo = lowering->memo[value]; memo; memo = memo->next)
        if (memo_matches(lowering, memo, value, places)) return memo->tile;
    return 0;
}

void plait_lower_bind(PlaitLowering *lowering, PlaitValue value, const PlaitPlaces *places, PlaitValue tile)
{
    PlaitType type = plait_type_of(lowering->operator_, value);
    PlaitMemo *memo = PLAIT_NEW(lowering->arena, PlaitMemo);
    for (uint32_t i = 0; i < type.rank; i++) memo->index[i] = places->index[type.axes[i]];
    memo->tile = tile;
    memo->next = lowering->memo[value];
    lowering->memo[value] = memo;
}

/* ---- memory ---- */

PlaitValue plait_lower_tensor(PlaitLowering *lowering, PlaitName name, PlaitType type, PlaitValue key)
{
    if (key && lowering->tensors[key]) return lowering->tensors[key];
    PlaitBuilder builder = plait_lower_at(lowering, NULL, 0);
    type.space = PLAIT_SPACE_GLOBAL;
    PlaitValue tensor = plait_build(&builder, PLAIT_OP_TENSOR, type, NULL, 0);
    plait_inst(lowering->kernel, tensor)->name = name;
    if (key) lowering->tensors[key] = tensor;
    return tensor;
}

PlaitValue plait_lower_no_place(PlaitLowering *lowering, PlaitValue value, PlaitAxis axis)
{
    const char *found =
        plait_arena_printf(lowering->arena, "a value along `%s` in a kernel that has no place for that axis",
                           plait_axis_text(lowering->kernel, axis));
    return plait_lower_fail(lowering, value, found, "this arrangement of stages is not supported yet");
}

static PlaitValue lower_load(PlaitLowering *lowering, PlaitValue value, const PlaitPlaces *places)
{
    PlaitType type = lowering->tensor_types[value];
    PlaitValue operands[1 + PLAIT_MAX_RANK];
    operands[0] = plait_lower_tensor(lowering, lowering->tensor_names[value], type, value);
    for (uint32_t i = 0; i < type.rank; i++) {
        operands[i + 1] = places->index[type.axes[i]];
        if (!operands[i + 1]) return plait_lower_no_place(lowering, value, type.axes[i]);
    }
    PlaitBuilder builder = plait_lower_at(lowering, operands, 1u + type.rank);
    return plait_build(&builder, PLAIT_OP_LOAD, plait_tile_type(lowering, type, places), operands, 1u + type.rank);
}

/* ---- shifted reads ---- */

/* Whether the value read outside the axis is 0 by itself: memory, and casts of it. */
static bool zero_outside(const PlaitLowering *lowering, PlaitValue value, PlaitAxis axis)
{
    const PlaitInst *inst = plait_inst(lowering->operator_, value);
    while (inst->op == PLAIT_OP_CAST || (inst->op == PLAIT_OP_GATHER &&
                                         !plait_type_has(plait_type_of(lowering->operator_, inst->operands[1]), axis)))
        inst = plait_inst(lowering->operator_, inst->operands[0]);
    if (lowering->plan.walked[axis] && plait_region_inside(inst->region, lowering->region))
        return inst->op == PLAIT_OP_ARGUMENT;
    return inst->op == PLAIT_OP_PARAM || !plait_region_inside(inst->region, lowering->region);
}

static PlaitValue mask_outside(PlaitLowering *lowering, PlaitValue value, PlaitAxis axis, PlaitValue index,
                               PlaitValue tile)
{
    if (!tile || zero_outside(lowering, value, axis)) return tile;
    PlaitValue above = plait_lower_binary(lowering, PLAIT_OP_GE, index, plait_lower_i32(lowering, 0));
    PlaitValue below = plait_lower_binary(lowering, PLAIT_OP_LT, index, plait_lower_size(lowering, axis));
    PlaitValue inside = plait_lower_binary(lowering, PLAIT_OP_AND, above, below);
    return plait_lower_select(lowering, inside, tile, plait_lower_number_like(lowering, tile, 0));
}

/* The value `distance` tokens before the loop's present one, kept in carries of the loop. */
static PlaitValue delayed(PlaitLowering *lowering, PlaitValue value, uint32_t distance, const PlaitPlaces *places)
{
    PlaitDelay *delay = NULL;
    for (uint32_t i = 0; i < lowering->delays.count; i++)
        if (lowering->delays.data[i].value == value) delay = &lowering->delays.data[i];
    if (!delay) {
        plait_push(lowering->arena, &lowering->delays, (PlaitDelay){.value = value});
        delay = &lowering->delays.data[lowering->delays.count - 1];
    }
    PlaitType type = plait_tile_type(lowering, plait_type_of(lowering->operator_, value), places);
    while (delay->params.count < distance)
        plait_push(lowering->arena, &delay->params,
                   plait_build_argument(lowering->kernel, lowering->loop_region, type, lowering->span));
    return delay->params.data[distance - 1];
}

/* The place at `offset` from `index`: the same value for the same distance from the same base, however it was reached.
 */
static PlaitValue shifted_place(PlaitLowering *lowering, PlaitValue index, int64_t offset)
{
    PlaitValue base = index;
    for (uint32_t i = 0; i < lowering->shifts.count; i++) {
        if (lowering->shifts.data[i].shifted != index) continue;
        base = lowering->shifts.data[i].base;
        offset += lowering->shifts.data[i].offset;
        break;
    }
    if (offset == 0) return base;
    for (uint32_t i = 0; i < lowering->shifts.count; i++)
        if (lowering->shifts.data[i].base == base && lowering->shifts.data[i].offset == offset)
            return lowering->shifts.data[i].shifted;
    PlaitValue place = plait_lower_binary(lowering, PLAIT_OP_ADD, base, plait_lower_i32(lowering, offset));
    plait_push(lowering->arena, &lowering->shifts, (PlaitShift){base, place, offset});
    return place;
}

PlaitValue plait_lower_shifted(PlaitLowering *lowering, PlaitValue value, PlaitAxis axis, int64_t offset,
                               const PlaitPlaces *places)
{
    if (offset == 0 || !plait_type_has(plait_type_of(lowering->operator_, value), axis))
        return plait_lower_value(lowering, value, places);
    bool in_loop =
        axis == lowering->plan.loop && lowering->loop_region && places->index[axis] == lowering->loop_position;
    bool keep = lowering->carried[value] || (lowering->moves[value] && lowering->plan.direction == 1);
    keep = keep && lowering->plan.segments == PLAIT_NO_AXIS; /* what a segment begins with is not there */
    if (in_loop && keep && offset < 0 && offset >= -64 && lowering->plan.direction == 1)
        return delayed(lowering, value, (uint32_t)-offset, places);
    if (lowering->carried[value] && !lowering->plan.walked[axis])
        return plait_lower_fail(
            lowering, value, "a value of the recurrence read at positions that are not a short constant distance back",
            "store it in a carry, or read it in another operator");
    if (!places->index[axis]) return plait_lower_no_place(lowering, value, axis);
    PlaitValue index = shifted_place(lowering, places->index[axis], offset);
    PlaitPlaces there = with_place(lowering, places, axis, index);
    return mask_outside(lowering, value, axis, index, plait_lower_value(lowering, value, &there));
}

/* An axis of the kernel beside those of the operator, of the size of `axis`. */
static PlaitAxis alias_axis(PlaitLowering *lowering, PlaitAxis axis)
{
    PlaitFunction *kernel = lowering->kernel;
    PlaitName name = plait_names_add(kernel->module->names,
                                     plait_arena_printf(lowering->arena, "%s.other", plait_axis_text(kernel, axis)));
    PlaitAxis known = plait_axis_find(kernel, name);
    if (known != PLAIT_NO_AXIS) return known;
    PlaitAxisInfo info = kernel->axes.data[axis];
    info.name = name;
    info.same_as = PLAIT_NO_AXIS;
    return plait_axis_add(kernel, info);
}

/* sum over `axis` of x where position == index: x, which has the axis whole in its tile, at computed positions of it.
 */
static PlaitValue pick(PlaitLowering *lowering, PlaitValue x, PlaitValue position, PlaitAxis axis, PlaitValue index)
{
    PlaitValue here = plait_lower_binary(lowering, PLAIT_OP_EQ, position, index);
    PlaitValue picked = plait_lower_select(lowering, here, x, plait_lower_number_like(lowering, x, 0));
    PlaitBuilder builder = plait_lower_at(lowering, &picked, 1);
    return plait_build_reduce(&builder, PLAIT_OP_REDUCE_SUM, picked, 0, &axis, 1);
}

/* A value of the recurrence at computed positions of an axis that its tile has whole. When the positions vary along the
 * same axis, they are computed along an alias of it, and the result is picked back: y[a] = sum_o x[f(o)] where o == a.
 */
static PlaitValue gather_carried(PlaitLowering *lowering, const PlaitInst *inst, const PlaitPlaces *places)
{
    PlaitAxis axis = inst->axes[0];
    PlaitValue whole = lowering->outer.index[axis];
    PlaitPlaces source = with_place(lowering, places, axis, whole);
    PlaitValue x = plait_lower_value(lowering, inst->operands[0], &source);
    if (!x) return 0;
    PlaitScalar scalar = (PlaitScalar)plait_type_of(lowering->kernel, x).scalar;
    bool truth = scalar == PLAIT_BOOL;
    PlaitBuilder at_x = plait_lower_at(lowering, &x, 1);
    if (truth) x = plait_build_cast(&at_x, x, PLAIT_I32);
    PlaitValue result;
    if (!plait_type_has(plait_type_of(lowering->operator_, inst->operands[1]), axis)) {
        PlaitValue index = plait_lower_value(lowering, inst->operands[1], places);
        result = index ? pick(lowering, x, whole, axis, index) : 0;
    } else {
        PlaitAxis alias = alias_axis(lowering, axis);
        PlaitBuilder top = plait_lower_at(lowering, NULL, 0);
        PlaitValue other = plait_build_iota(&top, alias, 0);
        PlaitPlaces moved = with_place(lowering, places, axis, other);
        PlaitValue index = plait_lower_value(lowering, inst->operands[1], &moved);
        PlaitValue along = index ? pick(lowering, x, whole, axis, index) : 0;
        result = along ? pick(lowering, along, other, alias, places->index[axis]) : 0;
    }
    if (!result || !truth) return result;
    PlaitBuilder builder = plait_lower_at(lowering, &result, 1);
    return plait_build_cast(&builder, result, PLAIT_BOOL);
}

bool plait_lower_is_stored(const PlaitLowering *lowering, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(lowering->operator_, value);
    for (;;) {
        bool block = inst->op == PLAIT_OP_GATHER && (lowering->operator_->axes.data[inst->axes[0]].place ||
                                                     lowering->operator_->axes.data[inst->axes[0]].block);
        if (inst->op != PLAIT_OP_CAST && inst->op != PLAIT_OP_BROADCAST && !block) break;
        value = inst->operands[0];
        inst = plait_inst(lowering->operator_, value);
    }
    return lowering->tensor_names[value] != 0;
}

/* A tile with an axis under another name. What was widened is renamed as it was. */
static PlaitValue rename_axis(PlaitLowering *lowering, PlaitValue x, PlaitAxis axis, PlaitAxis name)
{
    if (!x || !plait_type_has(plait_type_of(lowering->kernel, x), axis)) return x;
    const PlaitInst *made = plait_inst(lowering->kernel, x);
    bool widened = made->op == PLAIT_OP_CAST &&
                   plait_scalar_is_16_bit((PlaitScalar)plait_type_of(lowering->kernel, made->operands[0]).scalar);
    PlaitScalar scalar = (PlaitScalar)made->type.scalar;
    if (widened) x = made->operands[0];
    PlaitType type = plait_type_of(lowering->kernel, x);
    PlaitBuilder builder = plait_lower_at(lowering, &x, 1);
    type = plait_type_with(plait_type_without(type, axis), name);
    PlaitValue renamed = plait_build(&builder, PLAIT_OP_RENAME, type, &x, 1);
    plait_set_axes(lowering->kernel, renamed, (PlaitAxis[]){axis, name}, 2);
    return plait_build_cast(&builder, plait_build(&builder, PLAIT_OP_CONVERT, type, &renamed, 1), scalar);
}

/* A value at the tokens of the loop's block, along the axis that stands for the same tokens. */
static PlaitValue gather_block(PlaitLowering *lowering, const PlaitInst *inst, const PlaitPlaces *places)
{
    PlaitAxis axis = inst->axes[0], twin = lowering->plan.twin;
    if (plait_lower_is_stored(lowering, inst->operands[0])) {
        PlaitPlaces there = with_place(lowering, places, axis, places->index[twin]);
        return plait_lower_value(lowering, inst->operands[0], &there);
    }
    return rename_axis(lowering, plait_lower_value(lowering, inst->operands[0], places), axis, twin);
}

/* Whether a gather reads places in a block that the kernel makes, along another axis of such places. */
static bool reads_places(const PlaitLowering *lowering, const PlaitInst *inst)
{
    const PlaitInst *index = plait_inst(lowering->operator_, inst->operands[1]);
    return index->op == PLAIT_OP_IOTA && lowering->operator_->axes.data[inst->axes[0]].place &&
           lowering->operator_->axes.data[index->axes[0]].place && !plait_lower_is_stored(lowering, inst->operands[0]);
}

/* Whether a value that the kernel computes is made of sums along an axis of `index`: made anew at the index's
 * positions, these would be the sum's own. */
static bool sums_along(const PlaitLowering *lowering, PlaitValue value, PlaitType index, bool *seen)
{
    const PlaitFunction *function = lowering->operator_;
    const PlaitInst *inst = plait_inst(function, value);
    if (seen[value] || plait_lower_is_stored(lowering, value)) return false;
    seen[value] = true;
    if (inst->op == PLAIT_OP_RESULT) {
        const PlaitInst *owner = plait_inst(function, inst->operands[0]);
        return owner->op == PLAIT_OP_FOLD && plait_type_has(index, owner->axes[0]);
    }
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (sums_along(lowering, inst->operands[i], index, seen)) return true;
    return false;
}

static PlaitValue lower_gather(PlaitLowering *lowering, const PlaitInst *inst, const PlaitPlaces *places)
{
    PlaitAxis axis = inst->axes[0];
    int64_t offset;
    if (lowering->plan.twin != PLAIT_NO_AXIS &&
        plait_reads_block(lowering->operator_, inst, plait_inst(lowering->operator_, inst->region->owner)))
        return gather_block(lowering, inst, places);
    if (reads_places(lowering, inst))
        return rename_axis(lowering, plait_lower_value(lowering, inst->operands[0], places), axis,
                           plait_inst(lowering->operator_, inst->operands[1])->axes[0]);
    bool walked = lowering->plan.walked[axis], carried = lowering->carried[inst->operands[0]] && !walked;
    if (carried && lowering->plan.axes[axis].use == PLAIT_AXIS_WHOLE) return gather_carried(lowering, inst, places);
    if (plait_affine_offset(lowering->operator_, inst->operands[1], axis, &offset))
        return plait_lower_shifted(lowering, inst->operands[0], axis, offset, places);
    if (carried)
        return plait_lower_fail(lowering, inst->operands[0], "a value of the recurrence read at computed positions",
                                "along a feature axis that works; along others only values that do not depend on a "
                                "carry can be read at computed positions");
    if (sums_along(lowering, inst->operands[0], plait_type_of(lowering->operator_, inst->operands[1]),
                   PLAIT_NEW_ARRAY(lowering->arena, bool, lowering->operator_->insts.count)))
        return plait_lower_fail(lowering, inst->operands[0],
                                "a sum along an axis, read at other positions of it in the same scan",
                                "read what is summed at these positions, and sum that");
    PlaitValue index = plait_lower_value(lowering, inst->operands[1], places);
    if (!index) return 0;
    PlaitPlaces there = with_place(lowering, places, axis, index);
    return mask_outside(lowering, inst->operands[0], axis, index,
                        plait_lower_value(lowering, inst->operands[0], &there));
}

/* The place of tap j: the same value each time, so that its weight is found again. */
static PlaitValue tap_place(PlaitLowering *lowering, int64_t j)
{
    while (lowering->taps.count <= j) plait_push(lowering->arena, &lowering->taps, 0);
    if (!lowering->taps.data[j]) lowering->taps.data[j] = plait_lower_i32(lowering, j);
    return lowering->taps.data[j];
}

/* y[t] = sum_j w[j] x[t - (W-1) + j], written out tap by tap; of many taps `expand-long-conv` has made folds. */
static PlaitValue lower_conv(PlaitLowering *lowering, const PlaitInst *inst, const PlaitPlaces *places)
{
    PlaitAxis time = inst->axes[0], taps = inst->axes[1];
    int64_t width = lowering->operator_->axes.data[taps].size;
    PlaitValue sum = 0;
    for (int64_t j = 0; j < width; j++) {
        PlaitPlaces tap = with_place(lowering, places, taps, tap_place(lowering, j));
        PlaitValue w = plait_lower_value(lowering, inst->operands[1], &tap);
        PlaitValue x = w ? plait_lower_shifted(lowering, inst->operands[0], time, j - (width - 1), places) : 0;
        if (!x) return 0;
        PlaitValue term = plait_lower_binary(lowering, PLAIT_OP_MUL, w, x);
        sum = sum ? plait_lower_binary(lowering, PLAIT_OP_ADD, sum, term) : term;
    }
    return sum;
}

/* ---- everything else ---- */

bool plait_lower_long_ones_first(PlaitLowering *lowering, const PlaitValue *operands, uint32_t count,
                                 const PlaitPlaces *places)
{
    if (lowering->plan.twin == PLAIT_NO_AXIS && !lowering->plan.places) return true;
    for (uint8_t effort = PLAIT_EFFORT_SOLVE; effort > 0; effort--)
        for (uint32_t i = 0; i < count; i++)
            if (lowering->effort[operands[i]] == effort && !plait_lower_value(lowering, operands[i], places))
                return false;
    return true;
}

static PlaitValue lower_pointwise(PlaitLowering *lowering, const PlaitInst *inst, const PlaitPlaces *places)
{
    PlaitValue operands[3];
    if (!plait_lower_long_ones_first(lowering, inst->operands, inst->operand_count, places)) return 0;
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        operands[i] = plait_lower_value(lowering, inst->operands[i], places);
        if (!operands[i]) return 0;
    }
    PlaitBuilder builder = plait_lower_at(lowering, operands, inst->operand_count);
    if (inst->op == PLAIT_OP_SELECT) return plait_build_select(&builder, operands[0], operands[1], operands[2]);
    if (inst->op == PLAIT_OP_CAST) return plait_build_cast(&builder, operands[0], (PlaitScalar)inst->type.scalar);
    return plait_build_scalar(&builder, (PlaitOp)inst->op, operands, inst->operand_count);
}

static PlaitValue lower_const(PlaitLowering *lowering, const PlaitInst *inst, const PlaitPlaces *places)
{
    PlaitBuilder builder = plait_lower_at(lowering, NULL, 0);
    PlaitValue number = plait_build_const(&builder, (PlaitScalar)inst->type.scalar, inst->number);
    return plait_lower_broadcast(lowering, number, plait_tile_type(lowering, inst->type, places));
}

/* A result of a scan inside the kernel's loop. */
static PlaitValue lower_inner_result(PlaitLowering *lowering, PlaitValue value, const PlaitInst *inst,
                                     const PlaitPlaces *places)
{
    const PlaitInst *owner = plait_inst(lowering->operator_, inst->operands[0]);
    uint32_t k = (uint32_t)inst->ints[0];
    if (k >= owner->body->params.count && !plait_type_has(inst->type, owner->axes[0]))
        return plait_lower_value(lowering, owner->body->yields.data[k], places);
    if (!plait_lower_scan(lowering, inst->operands[0])) return 0;
    const PlaitScan *state = lowering->scans[inst->operands[0]];
    return plait_scan_keeps(lowering, state, k) ? plait_scan_after(lowering, state, k, places)
                                                : memo_find(lowering, value, places);
}

/* A carry of a scan at other places than those of its loop: it lies in memory. */
static PlaitValue lower_argument(PlaitLowering *lowering, PlaitValue value, const PlaitInst *inst,
                                 const PlaitPlaces *places)
{
    const PlaitScan *state = lowering->scans[inst->region->owner];
    uint32_t k = 0;
    while (inst->region->params.data[k] != value) k++;
    if (state && plait_scan_keeps(lowering, state, k)) return plait_scan_before(lowering, state, k, places);
    return plait_lower_fail(lowering, value, "a carry read where its loop does not hold it",
                            "this arrangement of stages is not supported yet");
}

static PlaitValue lower_result(PlaitLowering *lowering, PlaitValue value, const PlaitInst *inst,
                               const PlaitPlaces *places)
{
    const PlaitInst *owner = plait_inst(lowering->operator_, inst->operands[0]);
    bool output = inst->ints[0] >= (int64_t)owner->body->params.count; /* of a scan, or a fold by blocks */
    const PlaitScan *state = lowering->scans[inst->operands[0]];
    if (owner->op == PLAIT_OP_SCAN && owner->region != lowering->region)
        return lower_inner_result(lowering, value, inst, places);
    if (!output && state && !lowering->loop_region && plait_scan_keeps(lowering, state, (uint32_t)inst->ints[0]))
        return plait_scan_after(lowering, state, (uint32_t)inst->ints[0], places);
    if (output) return plait_lower_value(lowering, owner->body->yields.data[inst->ints[0]], places);
    if (owner->op == PLAIT_OP_FOLD && owner->axes[0] != lowering->plan.loop &&
        plait_lower_fold(lowering, inst->operands[0], places))
        return memo_find(lowering, value, places);
    return plait_lower_fail(lowering, value, "a final state that is needed before its scan has ended",
                            "use it after the scan only");
}

/* Tokens outside of the axis come last in a block: no row inside of it reads them. */
static PlaitValue lower_solve(PlaitLowering *lowering, PlaitValue value, const PlaitInst *inst,
                              const PlaitPlaces *places)
{
    PlaitValue matrix = plait_lower_value(lowering, inst->operands[0], places),
               x = plait_lower_value(lowering, inst->operands[1], places);
    if (!matrix || !x) return 0;
    PlaitType type = plait_type_of(lowering->kernel, matrix);
    if (plait_type_has(plait_type_of(lowering->kernel, x), inst->axes[1]))
        return plait_lower_fail(lowering, value, "the solution of a triangular system at other positions of its matrix",
                                "`prepare` makes it before the loop, for a GPU");
    for (uint32_t i = 0; i < 2; i++)
        type = plait_type_union(type, plait_type_of(lowering->kernel, places->index[inst->axes[i]]));
    matrix = plait_lower_broadcast(lowering, matrix, type);
    x = plait_lower_broadcast(
        lowering, x, plait_type_union(plait_type_of(lowering->kernel, x), plait_type_without(type, inst->axes[1])));
    PlaitBuilder builder = plait_lower_at(lowering, (PlaitValue[]){matrix, x}, 2);
    return plait_build_solve(&builder, matrix, x, inst->axes[0], inst->axes[1]);
}

static PlaitValue lower_inst(PlaitLowering *lowering, PlaitValue value, const PlaitPlaces *places)
{
    const PlaitInst *inst = plait_inst(lowering->operator_, value);
    PlaitOp op = (PlaitOp)inst->op;
    if (lowering->tensor_names[value]) return lower_load(lowering, value, places);
    if (plait_op_is_pointwise(op)) return lower_pointwise(lowering, inst, places);
    if (plait_op_is_reduce(op)) return plait_lower_reduce(lowering, value, inst, places);
    switch ((int)op) {
    case PLAIT_OP_CONST: return lower_const(lowering, inst, places);
    case PLAIT_OP_IOTA:
        return places->index[inst->axes[0]] ? places->index[inst->axes[0]]
                                            : plait_lower_no_place(lowering, value, inst->axes[0]);
    case PLAIT_OP_SIZE: return plait_lower_size(lowering, inst->axes[0]);
    case PLAIT_OP_GATHER: return lower_gather(lowering, inst, places);
    case PLAIT_OP_CONV: return lower_conv(lowering, inst, places);
    case PLAIT_OP_SOLVE: return lower_solve(lowering, value, inst, places);
    case PLAIT_OP_RESULT: return lower_result(lowering, value, inst, places);
    case PLAIT_OP_ARGUMENT: return lower_argument(lowering, value, inst, places);
    case PLAIT_OP_BROADCAST: {
        PlaitValue x = plait_lower_value(lowering, inst->operands[0], places);
        return x ? plait_lower_broadcast(lowering, x, plait_tile_type(lowering, inst->type, places)) : 0;
    }
    default:
        return plait_lower_fail(
            lowering, value,
            plait_arena_printf(lowering->arena, "`%s` where its kernel has no place for it", plait_op_info(op)->text),
            "this arrangement of stages is not supported yet");
    }
}

PlaitValue plait_lower_value(PlaitLowering *lowering, PlaitValue value, const PlaitPlaces *places)
{
    PlaitValue known = memo_find(lowering, value, places);
    if (known) return known;
    if (lowering->failed) return 0;
    if (lowering->kernel->insts.count > MOST_INSTRUCTIONS)
        return plait_lower_fail(
            lowering, value,
            plait_arena_printf(lowering->arena, "a kernel of more than %d operations", MOST_INSTRUCTIONS),
            "convolutions of convolutions are computed anew for each tap: make two operators of it");
    if (lowering->depth == MOST_DEPTH)
        return plait_lower_fail(lowering, value,
                                plait_arena_printf(lowering->arena, "a chain of more than %d operations", MOST_DEPTH),
                                "make two operators of it");
    PlaitSpan outer = lowering->span;
    lowering->span = plait_inst(lowering->operator_, value)->span;
    lowering->depth++;
    PlaitValue tile = lower_inst(lowering, value, places);
    lowering->depth--;
    if (tile) plait_lower_bind(lowering, value, places, tile);
    lowering->span = outer;
    return tile;
}
