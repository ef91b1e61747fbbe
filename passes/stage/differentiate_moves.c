/* Gradients of what sums over axes or reads at other positions: reductions, gathers, convolutions.
 *
 * There is no operation that writes to computed positions, and none is needed: what a position of x gets from a read
 * x[index] is the sum over all places that read it, sum of g where index == position. Where the index is a position
 * plus a constant, or another sum of positions with a coefficient 1 or -1, that is solved for the place that read, and
 * the gradient is a gather itself.
 */
#include "ir/affine.h"
#include "passes/stage/differentiate.h"

/* ---- reductions ---- */

/* The axes of a reduction's terms. */
static PlaitType terms_of(const PlaitFunction *function, const PlaitInst *inst)
{
    PlaitType type = plait_type_of(function, inst->operands[0]);
    return inst->operand_count == 2 ? plait_type_union(type, plait_type_of(function, inst->operands[1])) : type;
}

static PlaitValue mask_of(const PlaitInst *inst) { return inst->operand_count == 2 ? inst->operands[1] : 0; }

void plait_gradient_REDUCE_SUM(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    PlaitInst inst = *plait_inst(reverse->function, part.of);
    PlaitGradient gradient = plait_gradient_where(&frame->at, part.gradient, mask_of(&inst));
    plait_gradient_add(reverse, frame, inst.operands[0], gradient,
                       plait_type_union(terms_of(reverse->function, &inst), part.full));
}

/* A number at the positions of a type, so that a reduction may count them. */
static PlaitValue ones(PlaitBuilder *at, PlaitType type)
{
    return plait_build_broadcast(at, plait_build_const(at, (PlaitScalar)type.scalar, 1), type);
}

/* The largest: what it gets goes in equal parts to all terms that are as large. */
static void extreme(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    PlaitInst inst = *plait_inst(reverse->function, part.of);
    PlaitGradient gradient = part.gradient;
    PlaitBuilder *at = &frame->at;
    PlaitType terms = terms_of(reverse->function, &inst);
    PlaitValue equal = plait_build_binary(at, PLAIT_OP_EQ, inst.operands[0], part.of);
    PlaitValue largest = mask_of(&inst) ? plait_build_binary(at, PLAIT_OP_AND, equal, mask_of(&inst)) : equal;
    terms = plait_type_as(terms, plait_gradient_scalar(reverse->function, part.of));
    PlaitValue count =
        plait_build_reduce(at, PLAIT_OP_REDUCE_SUM, ones(at, terms), largest, inst.axes, inst.axis_count);
    gradient.value = plait_build_binary(at, PLAIT_OP_DIV, gradient.value, count);
    plait_gradient_add(reverse, frame, inst.operands[0], plait_gradient_where(at, gradient, largest), terms);
}

void plait_gradient_REDUCE_MAX(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    extreme(reverse, frame, part);
}

void plait_gradient_REDUCE_MIN(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    extreme(reverse, frame, part);
}

/* A factor gets the product of the others: of those that are not 0, over itself, where none is 0; all of it where it
 * alone is 0; else nothing. */
void plait_gradient_REDUCE_PROD(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    PlaitInst inst = *plait_inst(reverse->function, part.of);
    PlaitGradient gradient = part.gradient;
    PlaitBuilder *at = &frame->at;
    PlaitValue x = inst.operands[0], mask = mask_of(&inst);
    PlaitType terms = terms_of(reverse->function, &inst);
    PlaitScalar scalar = (PlaitScalar)inst.type.scalar;
    PlaitValue zero = plait_build_const(at, scalar, 0), one = plait_build_const(at, scalar, 1);
    PlaitValue is_zero = plait_build_binary(at, PLAIT_OP_EQ, x, zero);
    PlaitValue factors = plait_build_select(at, is_zero, one, x);
    PlaitValue product = plait_build_reduce(at, PLAIT_OP_REDUCE_PROD, factors, mask, inst.axes, inst.axis_count);
    PlaitValue counted = plait_build_broadcast(at, plait_build_select(at, is_zero, one, zero),
                                               mask ? plait_type_as(terms, scalar) : terms);
    PlaitValue zeros = plait_build_reduce(at, PLAIT_OP_REDUCE_SUM, counted, mask, inst.axes, inst.axis_count);
    PlaitValue own = plait_build_select(at, is_zero, one, zero);
    PlaitValue alone = plait_build_binary(at, PLAIT_OP_EQ, zeros, own);
    PlaitValue others = plait_build_binary(at, PLAIT_OP_DIV, product, factors);
    others = plait_build_select(at, alone, others, zero);
    gradient.value = plait_build_binary(at, PLAIT_OP_MUL, gradient.value, others);
    plait_gradient_add(reverse, frame, x, plait_gradient_where(at, gradient, mask), terms);
}

/* ---- gathers ---- */

/* The gradient as a value that has the axis. */
static PlaitValue value_along(PlaitBuilder *at, PlaitGradient gradient, PlaitAxis axis)
{
    PlaitValue value = plait_gradient_value(at, gradient);
    return plait_build_broadcast(at, value, plait_type_with(plait_type_of(at->function, value), axis));
}

/* The axis of an index, an affine function of positions, that can be solved for: of those of the gather's result that
 * the gather made. If the index goes along the gather's own axis, it must be that. PLAIT_NO_AXIS: none. */
static PlaitAxis solvable(const PlaitAffine *index, PlaitType rest, PlaitAxis own)
{
    PlaitAxis found = PLAIT_NO_AXIS;
    if (plait_affine_coefficient(index, own) != 0) {
        int64_t coefficient = plait_affine_coefficient(index, own);
        return coefficient == 1 || coefficient == -1 ? own : PLAIT_NO_AXIS;
    }
    for (uint32_t i = 0; i < index->count && found == PLAIT_NO_AXIS; i++)
        if ((index->coefficients[i] == 1 || index->coefficients[i] == -1) && !plait_type_has(rest, index->axes[i]))
            found = index->axes[i];
    return found;
}

/* Adds coefficient * x to a sum of i32 values (0: nothing so far). */
static PlaitValue add_times(PlaitBuilder *at, PlaitValue sum, int64_t coefficient, PlaitValue x)
{
    if (coefficient == 0) return sum;
    if (coefficient != 1 && !(coefficient == -1 && sum))
        x = plait_build_binary(at, PLAIT_OP_MUL, x, plait_build_const(at, PLAIT_I32, (double)coefficient));
    if (!sum) return x;
    return plait_build_binary(at, coefficient == -1 ? PLAIT_OP_SUB : PLAIT_OP_ADD, sum, x);
}

/* Where along `axis` the index was `own`'s position: axis = sign * (own - offset - the other positions). */
static PlaitValue solve_for(PlaitBuilder *at, const PlaitAffine *index, PlaitAxis axis, PlaitAxis own)
{
    int64_t sign = plait_affine_coefficient(index, axis);
    PlaitValue sum = add_times(at, 0, sign, plait_build_iota(at, own, 0));
    for (uint32_t i = 0; i < index->count; i++)
        if (index->axes[i] != axis)
            sum = add_times(at, sum, -sign * index->coefficients[i], plait_build_iota(at, index->axes[i], 0));
    if (index->offset == 0) return sum;
    PlaitValue offset = plait_build_const(at, PLAIT_I32, (double)(-sign * index->offset));
    return plait_build_binary(at, PLAIT_OP_ADD, sum, offset);
}

/* Whether there is room for one axis more in a value of the type, and in the operator. */
static bool has_room(PlaitReverse *reverse, const PlaitInst *inst, PlaitType type)
{
    bool good = type.rank < PLAIT_MAX_RANK && reverse->function->axes.count < PLAIT_MAX_FUNCTION_AXES;
    if (!good)
        plait_reverse_fail(reverse, inst->span, "a value whose gradient needs an axis more than values can have",
                           "values of at most 11 axes here", "give the values one axis less");
    return good;
}

/* The index may be anything: every place is asked whether it read the position. */
static void gather_anywhere(PlaitReverse *reverse, PlaitFrame *frame, const PlaitInst *inst, PlaitGradient gradient)
{
    PlaitBuilder *at = &frame->at;
    PlaitAxis own = inst->axes[0];
    PlaitValue index = inst->operands[1];
    PlaitType full = inst->type;
    if (!has_room(reverse, inst, full)) return;
    if (plait_type_has(full, own)) { /* the places get another name than the positions that they read */
        PlaitAxis places = plait_axis_second(reverse->function, own);
        PlaitValue there = plait_build_iota(at, places, 0);
        gradient = (PlaitGradient){plait_build_gather(at, value_along(at, gradient, own), own, there), 0};
        index = plait_build_gather(at, index, own, there);
        full = plait_type_with(plait_type_without(full, own), places);
    }
    PlaitValue read = plait_build_binary(at, PLAIT_OP_EQ, index, plait_build_iota(at, own, 0));
    plait_gradient_add(reverse, frame, inst->operands[0], plait_gradient_where(at, gradient, read),
                       plait_type_with(full, own));
}

void plait_gradient_GATHER(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    PlaitInst inst = *plait_inst(reverse->function, part.of);
    PlaitGradient gradient = part.gradient;
    PlaitAxis own = inst.axes[0], axis = PLAIT_NO_AXIS;
    PlaitType rest = plait_type_without(plait_type_of(reverse->function, inst.operands[0]), own);
    PlaitAffine index;
    if (plait_affine(reverse->function, inst.operands[1], &index)) axis = solvable(&index, rest, own);
    if (axis == PLAIT_NO_AXIS) {
        gather_anywhere(reverse, frame, &inst, gradient);
        return;
    }
    PlaitBuilder *at = &frame->at;
    PlaitValue there = solve_for(at, &index, axis, own);
    gradient = (PlaitGradient){plait_build_gather(at, value_along(at, gradient, axis), axis, there), 0};
    plait_gradient_add(reverse, frame, inst.operands[0], gradient,
                       plait_type_with(plait_type_without(inst.type, axis), own));
}

/* ---- convolutions ---- */

/* y[t] = sum of w[j] x[t - (W-1) + j]: x[t] gets the sum of w[j] g[t + (W-1) - j], w[j] that of g[t] x[t - (W-1) + j].
 */
static void short_conv(PlaitReverse *reverse, PlaitFrame *frame, const PlaitInst *inst, PlaitGradient gradient)
{
    PlaitBuilder *at = &frame->at;
    PlaitAxis time = inst->axes[0], taps = inst->axes[1];
    PlaitType full = plait_type_with(inst->type, taps);
    double last = (double)(reverse->function->axes.data[taps].size - 1);
    PlaitValue lag =
        plait_build_binary(at, PLAIT_OP_SUB, plait_build_const(at, PLAIT_I32, last), plait_build_iota(at, taps, 0));
    PlaitValue t = plait_build_iota(at, time, 0);
    if (plait_reverse_of(reverse, inst->operands[0]).active) {
        PlaitValue later = plait_build_binary(at, PLAIT_OP_ADD, t, lag);
        PlaitValue there = plait_build_gather(at, value_along(at, gradient, time), time, later);
        PlaitValue product = plait_build_binary(at, PLAIT_OP_MUL, inst->operands[1], there);
        plait_gradient_add(reverse, frame, inst->operands[0], (PlaitGradient){product, 0}, full);
    }
    if (plait_reverse_of(reverse, inst->operands[1]).active) {
        PlaitValue earlier = plait_build_binary(at, PLAIT_OP_SUB, t, lag);
        PlaitValue there = plait_build_gather(at, inst->operands[0], time, earlier);
        gradient.value = plait_build_binary(at, PLAIT_OP_MUL, gradient.value, there);
        plait_gradient_add(reverse, frame, inst->operands[1], gradient, full);
    }
}

/* y[t] = sum of w[t - s] x[s]: each of the two gets, at t, the sum over later s of g[s] times the other at s - t. */
static void long_conv(PlaitReverse *reverse, PlaitFrame *frame, const PlaitInst *inst, PlaitGradient gradient)
{
    PlaitBuilder *at = &frame->at;
    PlaitAxis time = inst->axes[0], later = plait_axis_second(reverse->function, time);
    PlaitValue t = plait_build_iota(at, time, 0), s = plait_build_iota(at, later, 0);
    PlaitValue delay = plait_build_binary(at, PLAIT_OP_SUB, s, t);
    PlaitValue mask = plait_build_binary(at, PLAIT_OP_LE, t, s);
    PlaitValue there = plait_build_gather(at, value_along(at, gradient, time), time, s);
    for (uint32_t i = 0; i < 2; i++) {
        if (!plait_reverse_of(reverse, inst->operands[i]).active) continue;
        PlaitValue other = plait_build_gather(at, inst->operands[1 - i], time, delay);
        PlaitValue product = plait_build_binary(at, PLAIT_OP_MUL, there, other);
        plait_gradient_add(reverse, frame, inst->operands[i], (PlaitGradient){product, mask},
                           plait_type_with(inst->type, later));
    }
}

void plait_gradient_CONV(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    PlaitInst inst = *plait_inst(reverse->function, part.of);
    PlaitGradient gradient = part.gradient;
    if (!has_room(reverse, &inst, inst.type)) return;
    if (inst.axes[0] == inst.axes[1]) long_conv(reverse, frame, &inst, gradient);
    else short_conv(reverse, frame, &inst, gradient);
}
