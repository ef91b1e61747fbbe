/* How a summand depends on earlier reductions over the same axis.
 *
 * In softmax, sum_s exp(x_s - m) * v_s / l depends on m = max x and on l. Summing block by block is possible when the
 * dependence is a factor that is the same for all s: here exp(-m), which must stay with the terms because it keeps them
 * finite, and 1 / l, which can wait for the end. The split is by the rules of products and of sums inside an
 * exponential:
 *
 *   split(a * b) = split(a) * split(b)      split(a / b), b the same for all s: into the factor      split(-a) =
 * -split(a) split(exp(u)) = exp(u0) * exp(shift), where u = u0 + shift: sums, differences and products with what is the
 * same for all s
 *
 * Nothing here knows softmax: any product of exponentials of shifted scores works the same way.
 */
#include "passes/stage/online.h"

static const PlaitInst *def(const PlaitFoldGroup *group, PlaitValue value)
{
    return plait_inst(group->function, value);
}

static bool tainted(const PlaitFoldGroup *group, PlaitValue value)
{
    return value < group->tainted_count && group->tainted[value];
}

static bool varies(const PlaitFoldGroup *group, PlaitValue value)
{
    return plait_type_has(def(group, value)->type, group->axis);
}

static PlaitValue combine(PlaitBuilder *builder, PlaitOp op, PlaitValue a, PlaitValue b)
{
    if (!a || !b) return a ? a : b;
    return plait_build_binary(builder, op, a, b);
}

/* u = inside + outside. */
typedef struct Sum {
    PlaitValue inside;  /* built inside the fold */
    PlaitValue outside; /* depends on the group's reductions, the same for all positions */
} Sum;

static bool split_sum(PlaitFoldGroup *group, PlaitBuilder *outside, PlaitValue value, Sum *sum);

static bool split_scaled_sum(PlaitFoldGroup *group, PlaitBuilder *outside, PlaitValue scale, PlaitValue value, Sum *sum)
{
    if (tainted(group, scale) || varies(group, scale) || !split_sum(group, outside, value, sum)) return false;
    if (sum->inside)
        sum->inside = plait_build_binary(&group->body, PLAIT_OP_MUL, sum->inside, plait_fold_inside(group, scale));
    if (sum->outside) sum->outside = plait_build_binary(outside, PLAIT_OP_MUL, sum->outside, scale);
    return true;
}

static bool negate(PlaitFoldGroup *group, PlaitBuilder *outside, Sum *sum)
{
    if (sum->inside) sum->inside = plait_build_unary(&group->body, PLAIT_OP_NEG, sum->inside);
    if (sum->outside) sum->outside = plait_build_unary(outside, PLAIT_OP_NEG, sum->outside);
    return true;
}

static bool split_sum(PlaitFoldGroup *group, PlaitBuilder *outside, PlaitValue value, Sum *sum)
{
    *sum = (Sum){0};
    if (!tainted(group, value)) return sum->inside = plait_fold_inside(group, value), true;
    if (!varies(group, value)) return sum->outside = value, true;
    PlaitInst inst = *def(group, value);
    Sum a, b;
    switch ((int)inst.op) {
    case PLAIT_OP_NEG: return split_sum(group, outside, inst.operands[0], sum) && negate(group, outside, sum);
    case PLAIT_OP_BROADCAST: return split_sum(group, outside, inst.operands[0], sum);
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB:
        if (!split_sum(group, outside, inst.operands[0], &a) || !split_sum(group, outside, inst.operands[1], &b))
            return false;
        if (inst.op == PLAIT_OP_SUB) negate(group, outside, &b);
        sum->inside = combine(&group->body, PLAIT_OP_ADD, a.inside, b.inside);
        sum->outside = combine(outside, PLAIT_OP_ADD, a.outside, b.outside);
        return true;
    case PLAIT_OP_MUL:
        return split_scaled_sum(group, outside, inst.operands[0], inst.operands[1], sum) ||
               split_scaled_sum(group, outside, inst.operands[1], inst.operands[0], sum);
    default: return false;
    }
}

static bool multiply(PlaitFoldGroup *group, PlaitBuilder *outside, PlaitSummand a, PlaitSummand b, PlaitSummand *result)
{
    result->core = combine(&group->body, PLAIT_OP_MUL, a.core, b.core);
    result->exponents = combine(&group->body, PLAIT_OP_ADD, a.exponents, b.exponents);
    result->shift = combine(outside, PLAIT_OP_ADD, a.shift, b.shift);
    result->factor = combine(outside, PLAIT_OP_MUL, a.factor, b.factor);
    result->infinite = a.infinite || b.infinite;
    return true;
}

static PlaitValue one_like(PlaitBuilder *builder, PlaitValue like)
{
    return plait_build_const(builder, (PlaitScalar)plait_type_of(builder->function, like).scalar, 1);
}

static bool divide(PlaitFoldGroup *group, PlaitBuilder *outside, PlaitValue divisor, PlaitSummand *result)
{
    if (!tainted(group, divisor)) {
        PlaitValue by = plait_fold_inside(group, divisor),
                   core = result->core ? result->core : one_like(&group->body, by);
        result->core = plait_build_binary(&group->body, PLAIT_OP_DIV, core, by);
        return true;
    }
    if (varies(group, divisor)) return false;
    PlaitValue factor = result->factor ? result->factor : one_like(outside, divisor);
    result->factor = plait_build_binary(outside, PLAIT_OP_DIV, factor, divisor);
    return true;
}

static bool split_exponential(PlaitFoldGroup *group, PlaitBuilder *outside, PlaitValue exponent, PlaitSummand *result)
{
    Sum sum;
    if (!split_sum(group, outside, exponent, &sum) || !sum.inside) return false;
    if (sum.outside && !plait_exponent_is_bounded(group, exponent, &result->infinite)) return false;
    result->exponents = sum.inside;
    result->shift = sum.outside;
    return true;
}

bool plait_summand_split(PlaitFoldGroup *group, PlaitBuilder *outside, PlaitValue summand, PlaitSummand *result)
{
    *result = (PlaitSummand){0};
    if (!tainted(group, summand)) return result->core = plait_fold_inside(group, summand), true;
    if (!varies(group, summand)) return result->factor = summand, true;
    PlaitInst inst = *def(group, summand);
    PlaitSummand a, b;
    switch ((int)inst.op) {
    case PLAIT_OP_EXP: return split_exponential(group, outside, inst.operands[0], result);
    case PLAIT_OP_BROADCAST: return plait_summand_split(group, outside, inst.operands[0], result);
    case PLAIT_OP_NEG:
        if (!plait_summand_split(group, outside, inst.operands[0], result)) return false;
        result->core = result->core ? plait_build_unary(&group->body, PLAIT_OP_NEG, result->core)
                                    : plait_build_const(&group->body, (PlaitScalar)inst.type.scalar, -1);
        return true;
    case PLAIT_OP_MUL:
        return plait_summand_split(group, outside, inst.operands[0], &a) &&
               plait_summand_split(group, outside, inst.operands[1], &b) && multiply(group, outside, a, b, result);
    case PLAIT_OP_DIV:
        return plait_summand_split(group, outside, inst.operands[0], result) &&
               divide(group, outside, inst.operands[1], result);
    default: return false;
    }
}

/* Whether a value over the axis is computed inside the fold rather than read from outside: pointwise work is;
 * reductions are when they pair positions of two sequences (a score), and are not when they prepare one of them (a norm
 * of the keys). */
static bool computed_inside(const PlaitFoldGroup *group, const PlaitInst *inst)
{
    if (inst->op == PLAIT_OP_CONST || inst->op == PLAIT_OP_IOTA || inst->op == PLAIT_OP_SIZE ||
        inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_GATHER || plait_op_is_pointwise((PlaitOp)inst->op))
        return true;
    if (!plait_op_is_reduce((PlaitOp)inst->op)) return false;
    for (uint32_t i = 0; i < inst->type.rank; i++) {
        const PlaitAxisInfo *axis = &group->function->axes.data[inst->type.axes[i]];
        if (axis->place || (inst->type.axes[i] != group->axis && axis->role == PLAIT_ROLE_TIME)) return true;
    }
    return false;
}

PlaitValue plait_fold_inside(PlaitFoldGroup *group, PlaitValue value)
{
    PlaitValue known = plait_clone_find(&group->inside, value);
    if (known) return known;
    if (!varies(group, value) || !computed_inside(group, def(group, value))) return value;
    /* What is read at other positions of the axis stays outside: inside there is only the block. */
    bool elsewhere = def(group, value)->op == PLAIT_OP_GATHER && def(group, value)->axes[0] == group->axis;
    uint32_t count = def(group, value)->operand_count;
    for (uint32_t i = elsewhere; i < count; i++) plait_fold_inside(group, def(group, value)->operands[i]);
    PlaitValue read = def(group, value)->operand_count ? def(group, value)->operands[0] : 0;
    PlaitValue copy = plait_clone_inst(&group->body, value, &group->inside);
    if (elsewhere) plait_inst(group->function, copy)->operands[0] = read;
    return copy;
}
