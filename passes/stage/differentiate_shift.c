/* Maxima that only shift exponents: no gradient goes through them.
 *
 * softmax is exp(x - m) / sum(exp(x - m)) for any m; that m is the maximum of x keeps the exponents small and changes
 * nothing else. Its derivative is 0, but the rules would compute it as a difference of large sums, with a second
 * reduction over all positions to find where the maximum is.
 *
 * Whether it is so follows from the values between: with m moved by c each of them is what it was (KEPT), has moved by
 * a multiple of c (MOVED), is multiplied by a power of e^c (SCALED), or something else. If all that leaves the region
 * is kept, m counts as a constant.
 */
#include <math.h>

#include "passes/stage/differentiate.h"

typedef enum EffectKind { KEPT, MOVED, SCALED, OTHER } EffectKind;

/* What moving m by c does to a value: + degree * c, or * e^(degree * c). */
typedef struct Effect {
    EffectKind kind;
    double degree;
} Effect;

typedef struct Shift {
    const PlaitFunction *function;
    PlaitType of; /* the type of m */
    Effect *effects;
} Shift;

static const Effect kept = {KEPT, 0}, other = {OTHER, 0};

static Effect moved(double degree) { return fabs(degree) > 1e-9 ? (Effect){MOVED, degree} : kept; }
static Effect scaled(double degree) { return fabs(degree) > 1e-9 ? (Effect){SCALED, degree} : kept; }

static bool is_number(const PlaitFunction *function, PlaitValue value, double *number)
{
    const PlaitInst *inst = plait_inst(function, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(function, inst->operands[0]);
    *number = inst->number;
    return inst->op == PLAIT_OP_CONST;
}

/* The effect that two values have alike: 0 counts as scaled. */
static Effect common(const Shift *shift, PlaitValue x, PlaitValue y)
{
    Effect a = shift->effects[x], b = shift->effects[y];
    double number;
    if (a.kind == b.kind && a.degree == b.degree) return a;
    if (a.kind == SCALED && is_number(shift->function, y, &number) && number == 0) return a;
    if (b.kind == SCALED && is_number(shift->function, x, &number) && number == 0) return b;
    return other;
}

static Effect of_sum(const Shift *shift, const PlaitInst *inst)
{
    Effect a = shift->effects[inst->operands[0]], b = shift->effects[inst->operands[1]];
    if (a.kind == SCALED || b.kind == SCALED) return common(shift, inst->operands[0], inst->operands[1]);
    if (a.kind == OTHER || b.kind == OTHER) return other;
    return moved(inst->op == PLAIT_OP_ADD ? a.degree + b.degree : a.degree - b.degree);
}

static Effect of_product(const Shift *shift, const PlaitInst *inst)
{
    Effect a = shift->effects[inst->operands[0]], b = shift->effects[inst->operands[1]];
    bool quotient = inst->op == PLAIT_OP_DIV;
    double number;
    if (a.kind == OTHER || b.kind == OTHER) return other;
    if (a.kind == MOVED && is_number(shift->function, inst->operands[1], &number))
        return moved(quotient ? a.degree / number : a.degree * number);
    if (b.kind == MOVED && !quotient && is_number(shift->function, inst->operands[0], &number))
        return moved(b.degree * number);
    if (a.kind == MOVED || b.kind == MOVED) return other;
    return scaled(quotient ? a.degree - b.degree : a.degree + b.degree);
}

static Effect of_unary(const Shift *shift, const PlaitInst *inst)
{
    Effect x = shift->effects[inst->operands[0]];
    switch ((int)inst->op) {
    case PLAIT_OP_NEG: return x.kind == MOVED ? moved(-x.degree) : x;
    case PLAIT_OP_ABS: return x.kind == SCALED ? x : other;
    case PLAIT_OP_EXP: return x.kind == MOVED ? scaled(x.degree) : other;
    case PLAIT_OP_LOG: return x.kind == SCALED ? moved(x.degree) : other;
    case PLAIT_OP_SQRT: return x.kind == SCALED ? scaled(x.degree / 2) : other;
    case PLAIT_OP_RSQRT: return x.kind == SCALED ? scaled(-x.degree / 2) : other;
    case PLAIT_OP_BROADCAST: return x;
    case PLAIT_OP_CAST: return plait_scalar_kind((PlaitScalar)inst->type.scalar) == PLAIT_FLOATING ? x : other;
    default: return other;
    }
}

/* Along the axes of m it is not the same at all positions. */
static Effect of_axes(const Shift *shift, const PlaitInst *inst)
{
    Effect x = shift->effects[inst->operands[0]];
    bool good = x.kind != OTHER && inst->op != PLAIT_OP_REDUCE_PROD;
    if (inst->op == PLAIT_OP_REDUCE_SUM && x.kind != SCALED) good = false;
    for (uint32_t i = 1; i < inst->operand_count; i++) good &= shift->effects[inst->operands[i]].kind == KEPT;
    for (uint32_t i = 0; i < inst->axis_count; i++) good &= !plait_type_has(shift->of, inst->axes[i]);
    return good ? x : other;
}

static bool body_keeps(const Shift *shift, const PlaitRegion *body);

static Effect effect_of(const Shift *shift, const PlaitInst *inst)
{
    bool untouched = true;
    for (uint32_t i = 0; i < inst->operand_count; i++) untouched &= shift->effects[inst->operands[i]].kind == KEPT;
    if (inst->body) return untouched && body_keeps(shift, inst->body) ? kept : other;
    if (untouched) return kept;
    PlaitOp op = (PlaitOp)inst->op;
    switch ((int)op) {
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB: return of_sum(shift, inst);
    case PLAIT_OP_MUL:
    case PLAIT_OP_DIV: return of_product(shift, inst);
    case PLAIT_OP_MAX:
    case PLAIT_OP_MIN: return common(shift, inst->operands[0], inst->operands[1]);
    case PLAIT_OP_SELECT:
        if (shift->effects[inst->operands[0]].kind != KEPT) return other;
        return common(shift, inst->operands[1], inst->operands[2]);
    default: break;
    }
    if (plait_op_info(op)->scalar_class == PLAIT_CLASS_COMPARE)
        return common(shift, inst->operands[0], inst->operands[1]).kind == OTHER ? other : kept;
    if (plait_op_is_reduce(op) || op == PLAIT_OP_GATHER) return of_axes(shift, inst);
    return inst->operand_count == 1 ? of_unary(shift, inst) : other;
}

/* Whether nothing that a body reads from outside, or makes, is touched. */
static bool body_keeps(const Shift *shift, const PlaitRegion *body)
{
    for (uint32_t i = 0; i < body->body.count; i++) {
        const PlaitInst *inst = plait_inst(shift->function, body->body.data[i]);
        for (uint32_t k = 0; k < inst->operand_count; k++)
            if (shift->effects[inst->operands[k]].kind != KEPT) return false;
        if (inst->body && !body_keeps(shift, inst->body)) return false;
    }
    for (uint32_t i = 0; i < body->yields.count; i++)
        if (shift->effects[body->yields.data[i]].kind != KEPT) return false;
    return true;
}

bool plait_is_shift(PlaitReverse *reverse, const PlaitRegion *region, PlaitValue value)
{
    const PlaitFunction *function = reverse->function;
    Shift shift = {function, plait_type_of(function, value), NULL};
    PlaitOp op = plait_op_of(function, value);
    if (op != PLAIT_OP_REDUCE_MAX && op != PLAIT_OP_REDUCE_MIN) return false;
    shift.effects = PLAIT_NEW_ARRAY(reverse->arena, Effect, function->insts.count);
    uint32_t at = 0;
    while (region->body.data[at] != value) at++;
    shift.effects[value] = moved(1);
    for (at++; at < region->body.count; at++)
        shift.effects[region->body.data[at]] = effect_of(&shift, plait_inst(function, region->body.data[at]));
    bool good = true;
    for (uint32_t i = 0; i < region->yields.count; i++) good &= shift.effects[region->yields.data[i]].kind == KEPT;
    for (uint32_t i = 0; i < function->outputs.count; i++)
        good &= shift.effects[function->outputs.data[i].value].kind == KEPT;
    return good;
}
