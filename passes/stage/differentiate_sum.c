/* Sums of gradients: what several uses of a value contribute, and over which axes. */
#include <math.h>

#include "passes/stage/differentiate.h"

PlaitScalar plait_gradient_scalar(const PlaitFunction *function, PlaitValue of)
{
    return plait_type_of(function, of).scalar == PLAIT_F64 ? PLAIT_F64 : PLAIT_F32;
}

PlaitGradient plait_gradient_of(const PlaitFrame *frame, PlaitValue of)
{
    return of < frame->gradients.count ? frame->gradients.data[of] : (PlaitGradient){0};
}

PlaitValue plait_gradient_value(PlaitBuilder *at, PlaitGradient gradient)
{
    if (!gradient.value || !gradient.mask) return gradient.value;
    PlaitScalar scalar = (PlaitScalar)plait_type_of(at->function, gradient.value).scalar;
    return plait_build_select(at, gradient.mask, gradient.value, plait_build_const(at, scalar, 0));
}

PlaitGradient plait_gradient_where(PlaitBuilder *at, PlaitGradient gradient, PlaitValue mask)
{
    if (!mask || gradient.mask == mask) return gradient;
    if (gradient.mask) mask = plait_build_binary(at, PLAIT_OP_AND, gradient.mask, mask);
    return (PlaitGradient){gradient.value, mask};
}

/* The sum over some axes of a gradient that is there at each position of them. A mask that varies along none of them
 * stays beside the sum: what it hides may be no number. Otherwise the axes along which it varies come first: of several
 * loops the innermost then is one that the mask bounds, and it is done with. */
static PlaitGradient sum_over(PlaitBuilder *at, PlaitGradient gradient, const PlaitAxis *axes, uint32_t count)
{
    PlaitAxis order[PLAIT_MAX_RANK];
    uint32_t masked = 0, next = 0;
    PlaitType type = plait_type_of(at->function, gradient.value), mask = plait_type(PLAIT_BOOL);
    if (gradient.mask) mask = plait_type_of(at->function, gradient.mask);
    for (uint32_t i = 0; i < count; i++)
        if (plait_type_has(mask, axes[i])) order[masked++] = axes[i];
    next = masked;
    for (uint32_t i = 0; i < count; i++) {
        if (plait_type_has(mask, axes[i])) continue;
        order[next++] = axes[i];
        type = plait_type_with(type, axes[i]);
    }
    PlaitValue value = plait_build_broadcast(at, gradient.value, type);
    value = plait_build_reduce(at, PLAIT_OP_REDUCE_SUM, value, masked ? gradient.mask : 0, order, count);
    return (PlaitGradient){value, masked ? 0 : gradient.mask};
}

/* Whether `mask` is `other` and perhaps more conditions. */
static bool implies(const PlaitFunction *function, PlaitValue mask, PlaitValue other)
{
    const PlaitInst *inst = plait_inst(function, mask);
    if (mask == other) return true;
    return inst->op == PLAIT_OP_AND &&
           (implies(function, inst->operands[0], other) || implies(function, inst->operands[1], other));
}

static bool is_not(const PlaitFunction *function, PlaitValue mask, PlaitValue other)
{
    const PlaitInst *inst = plait_inst(function, mask);
    return inst->op == PLAIT_OP_NOT && inst->operands[0] == other;
}

/* Where either is true; 0: everywhere. */
static PlaitValue either(PlaitBuilder *at, PlaitValue a, PlaitValue b)
{
    if (!a || !b || is_not(at->function, a, b) || is_not(at->function, b, a)) return 0;
    if (implies(at->function, a, b)) return b;
    return implies(at->function, b, a) ? a : plait_build_binary(at, PLAIT_OP_OR, a, b);
}

/* Outside of both masks the sum may be multiplied by what is no number there, so it keeps what they have in common. */
static PlaitGradient sum_of_two(PlaitBuilder *at, PlaitGradient a, PlaitGradient b)
{
    if (!a.value) return b;
    PlaitValue mask = either(at, a.mask, b.mask);
    if (a.mask != mask) a.value = plait_gradient_value(at, a);
    if (b.mask != mask) b.value = plait_gradient_value(at, b);
    return (PlaitGradient){plait_build_binary(at, PLAIT_OP_ADD, a.value, b.value), mask};
}

/* What a frame hands out it hands out token by token, and does not sum over what its programs do not share. */
static bool is_summed_outside(const PlaitReverse *reverse, const PlaitFrame *frame, PlaitAxis axis)
{
    for (uint32_t depth = 1; depth <= frame->depth; depth++)
        if (reverse->frames[depth]->axis == axis) return true;
    return plait_axis_is_long(reverse->function, axis);
}

static PlaitGradient *own_place(PlaitReverse *reverse, PlaitFrame *frame, PlaitValue of)
{
    while (frame->gradients.count <= of) plait_push(reverse->arena, &frame->gradients, (PlaitGradient){0});
    return &frame->gradients.data[of];
}

static PlaitGradient *place_among(PlaitReverse *reverse, PlaitGradientParts *parts, PlaitValue of, PlaitType full)
{
    for (uint32_t i = 0; i < parts->count; i++)
        if (parts->data[i].of == of && plait_type_same_axes(parts->data[i].full, full)) return &parts->data[i].gradient;
    plait_push(reverse->arena, parts, (PlaitGradientPart){of, full, {0}});
    return &parts->data[parts->count - 1].gradient;
}

/* A value over pairs of positions would have to stand in memory to be summed over anything else: what it is made of is
 * smaller, and is summed over all of that at once. */
static bool is_of_pairs(const PlaitFunction *function, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(function, value);
    uint32_t pairs = 0;
    for (uint32_t i = 0; i < inst->type.rank; i++)
        pairs += function->axes.data[inst->type.axes[i]].role == PLAIT_ROLE_TIME;
    bool passes_on =
        plait_op_is_pointwise((PlaitOp)inst->op) || inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_REDUCE_SUM;
    return pairs > 1 && passes_on;
}

PlaitGradientPart plait_gradient_fit(PlaitFrame *frame, PlaitGradientPart part)
{
    const PlaitFunction *function = frame->at.function;
    const PlaitInst *inst = plait_inst(function, part.of);
    PlaitAxis axes[PLAIT_MAX_RANK];
    uint32_t count = 0, rank = part.full.rank;
    for (uint32_t i = 0; i < inst->operand_count; i++) /* at most */
        rank += plait_type_union_rank(part.full, plait_type_of(function, inst->operands[i])) - part.full.rank;
    bool fits = rank <= PLAIT_MAX_RANK;
    for (uint32_t i = 0; i < inst->axis_count; i++) fits &= !plait_type_has(part.full, inst->axes[i]);
    if (fits) return part;
    for (uint32_t i = 0; i < part.full.rank; i++)
        if (!plait_type_has(inst->type, part.full.axes[i])) axes[count++] = part.full.axes[i];
    if (count) part.gradient = sum_over(&frame->at, part.gradient, axes, count);
    part.full = inst->type;
    return part;
}

void plait_gradient_add(PlaitReverse *reverse, PlaitFrame *frame, PlaitValue of, PlaitGradient gradient, PlaitType full)
{
    PlaitForward forward = plait_reverse_of(reverse, of);
    if (!forward.active || !gradient.value) return;
    PlaitType own = plait_type_of(reverse->function, of);
    bool captured = forward.depth < frame->depth, pairs = is_of_pairs(reverse->function, of);
    PlaitAxis axes[PLAIT_MAX_RANK];
    uint32_t count = 0;
    full = plait_type_as(full, plait_gradient_scalar(reverse->function, of));
    for (uint32_t i = full.rank; i-- > 0;) {
        PlaitAxis axis = full.axes[i];
        bool later =
            captured ? is_summed_outside(reverse, frame, axis) : pairs && plait_axis_is_long(reverse->function, axis);
        if (plait_type_has(own, axis) || later) continue;
        axes[count++] = axis;
        full = plait_type_without(full, axis);
    }
    gradient.value = plait_build_cast(&frame->at, gradient.value, (PlaitScalar)full.scalar);
    if (count) gradient = sum_over(&frame->at, gradient, axes, count);
    PlaitGradient *place = captured                          ? place_among(reverse, &frame->captured, of, full)
                           : plait_type_same_axes(full, own) ? own_place(reverse, frame, of)
                                                             : place_among(reverse, &frame->parts, of, full);
    *place = sum_of_two(&frame->at, *place, gradient);
}
