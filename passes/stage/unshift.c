/* Softmax of bounded scores needs no maximum.
 *
 *     m = reduce.max x                                  m = 0
 *     e = exp(x - m)                        ->          e = exp(x)
 *     y = reduce.sum(e v) / reduce.sum(e)               y = reduce.sum(e v) / reduce.sum(e)
 *
 * The maximum is there so that no exponential overflows, and takes no part in the result. Where scores cannot be large
 * (a soft cap, a sine, a clamp) any number does as well, and a loop over blocks of positions needs neither the running
 * maximum nor what rescales its sums. Two things are derived, from structure alone:
 *
 *   1. How every value depends on m: not at all, as g + a m, or as g exp(p m). Sums, products, quotients, exponentials,
 *      logarithms and reductions keep to these forms; what leaves the region, and any other operation, must not depend
 *      on m. The logarithm of softmax's divisor, m + log(sum e), does not.
 *   2. Between which numbers each exponent lies with the new m: it must be from -50 to 50. Then sums of 2^31 of them
 *      times values up to 10^7 are finite in f32, and weights stay far above its smallest number.
 */
#include <math.h>

#include "passes/passes.h"

static const double largest_exponent = 50;

enum { MOST_STEPS = 256 };

/* g + shift m, or g exp(power m); both 0: m is not in it. */
typedef struct Dependence {
    double shift, power;
} Dependence;

typedef struct Range {
    double low, high;
} Range;

typedef struct Unshift {
    PlaitFunction *function;
    PlaitValue extreme; /* m */
    double number;      /* that would stand for it */
    Dependence *dependences;
    double power; /* of the first exponential that m is in; 0: none yet */
    uint32_t steps;
} Unshift;

static const Range anything = {-HUGE_VAL, HUGE_VAL};

static const PlaitInst *def(const Unshift *unshift, PlaitValue value) { return plait_inst(unshift->function, value); }

/* ---- between which numbers a value lies, unless it is NaN ---- */

static Range range_of(Unshift *unshift, PlaitValue value);

static Range hull(double a, double b, double c, double d)
{
    double all[4] = {a, b, c, d};
    Range range = {a, a};
    for (int i = 0; i < 4; i++) {
        if (isnan(all[i])) return anything; /* 0 times infinity */
        range.low = fmin(range.low, all[i]);
        range.high = fmax(range.high, all[i]);
    }
    return range;
}

static Range product_range(Range x, Range y)
{
    return hull(x.low * y.low, x.low * y.high, x.high * y.low, x.high * y.high);
}

static Range quotient_range(Range x, Range y)
{
    if (y.low <= 0 && y.high >= 0) return anything;
    return product_range(x, (Range){1 / y.high, 1 / y.low});
}

static Range unary_range(PlaitOp op, Range x)
{
    switch ((int)op) {
    case PLAIT_OP_NEG: return (Range){-x.high, -x.low};
    case PLAIT_OP_ABS: return x.low >= 0 ? x : x.high < 0 ? (Range){-x.high, -x.low} : (Range){0, fmax(-x.low, x.high)};
    case PLAIT_OP_EXP: return (Range){exp(x.low), exp(x.high)};
    case PLAIT_OP_SIN:
    case PLAIT_OP_COS: return (Range){-1, 1};
    case PLAIT_OP_TANH: return (Range){tanh(x.low), tanh(x.high)};
    case PLAIT_OP_ERF: return (Range){erf(x.low), erf(x.high)};
    default: return anything;
    }
}

/* min and max ignore a NaN beside a number: with both, a value is a number again. */
static Range binary_range(PlaitOp op, Range x, Range y)
{
    switch ((int)op) {
    case PLAIT_OP_ADD: return (Range){x.low + y.low, x.high + y.high};
    case PLAIT_OP_SUB: return (Range){x.low - y.high, x.high - y.low};
    case PLAIT_OP_MUL: return product_range(x, y);
    case PLAIT_OP_DIV: return quotient_range(x, y);
    case PLAIT_OP_MIN: return (Range){fmin(x.low, y.low), fmin(x.high, y.high)};
    case PLAIT_OP_MAX: return (Range){fmax(x.low, y.low), fmax(x.high, y.high)};
    default: return anything;
    }
}

static Range inst_range(Unshift *unshift, const PlaitInst *inst)
{
    PlaitOp op = (PlaitOp)inst->op;
    if (op == PLAIT_OP_CONST) return (Range){inst->number, inst->number};
    if (op == PLAIT_OP_BROADCAST || op == PLAIT_OP_REDUCE_MAX || op == PLAIT_OP_REDUCE_MIN)
        return range_of(unshift, inst->operands[0]); /* of no position: infinite, and so is what it is taken from */
    if (op == PLAIT_OP_CAST) {
        PlaitType from = plait_type_of(unshift->function, inst->operands[0]);
        return from.scalar == PLAIT_BOOL ? (Range){0, 1} : range_of(unshift, inst->operands[0]);
    }
    if (op == PLAIT_OP_SELECT) {
        Range x = range_of(unshift, inst->operands[1]), y = range_of(unshift, inst->operands[2]);
        return (Range){fmin(x.low, y.low), fmax(x.high, y.high)};
    }
    if (!plait_op_is_scalar(op)) return anything;
    Range x = range_of(unshift, inst->operands[0]);
    return inst->operand_count == 1 ? unary_range(op, x) : binary_range(op, x, range_of(unshift, inst->operands[1]));
}

static Range range_of(Unshift *unshift, PlaitValue value)
{
    const PlaitInst *inst = def(unshift, value);
    if (value == unshift->extreme) return (Range){unshift->number, unshift->number};
    if (++unshift->steps > MOST_STEPS || plait_scalar_kind((PlaitScalar)inst->type.scalar) != PLAIT_FLOATING)
        return anything;
    Range range = inst_range(unshift, inst);
    return isnan(range.low) || isnan(range.high) ? anything : range;
}

/* ---- how values depend on m ---- */

static bool is_free(Dependence x) { return x.shift == 0 && x.power == 0; }

static bool is_number(const Unshift *unshift, PlaitValue value, double *number)
{
    const PlaitInst *inst = def(unshift, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = def(unshift, inst->operands[0]);
    *number = inst->number;
    return inst->op == PLAIT_OP_CONST && isfinite(inst->number);
}

/* exp(g + a m) = exp(g) exp(a m), where the exponent stays small. */
static bool exponential(Unshift *unshift, const PlaitInst *inst, Dependence x, Dependence *result)
{
    if (x.power != 0) return false;
    unshift->steps = 0;
    Range range = range_of(unshift, inst->operands[0]);
    *result = (Dependence){0, x.shift};
    return range.low >= -largest_exponent && range.high <= largest_exponent;
}

static bool product(const Unshift *unshift, const PlaitInst *inst, Dependence x, Dependence y, Dependence *result)
{
    double number;
    bool division = inst->op == PLAIT_OP_DIV;
    if (x.shift == 0 && y.shift == 0) {
        *result = (Dependence){0, division ? x.power - y.power : x.power + y.power};
        return true;
    }
    if (is_number(unshift, inst->operands[1], &number) && (!division || number != 0)) {
        *result = (Dependence){division ? x.shift / number : x.shift * number, 0};
        return x.power == 0;
    }
    if (division || !is_number(unshift, inst->operands[0], &number)) return false;
    *result = (Dependence){y.shift * number, 0};
    return y.power == 0;
}

static bool sum(const PlaitInst *inst, Dependence x, Dependence y, Dependence *result)
{
    if (x.power != y.power) return false;
    *result = (Dependence){inst->op == PLAIT_OP_ADD ? x.shift + y.shift : x.shift - y.shift, x.power};
    return x.power == 0 || (x.shift == 0 && y.shift == 0);
}

static bool same(Dependence x, Dependence y) { return x.shift == y.shift && x.power == y.power; }

/* m is one number along what is reduced. */
static bool reduction(const Unshift *unshift, const PlaitInst *inst, Dependence x, Dependence *result)
{
    *result = x;
    for (uint32_t i = 0; i < inst->axis_count; i++)
        if (plait_type_has(plait_type_of(unshift->function, unshift->extreme), inst->axes[i])) return false;
    return inst->op != PLAIT_OP_REDUCE_PROD && (inst->op != PLAIT_OP_REDUCE_SUM || x.shift == 0);
}

/* Of an operation with an operand that m is in. */
static bool depend(Unshift *unshift, const PlaitInst *inst, Dependence *result)
{
    Dependence of[3] = {{0}};
    if (inst->operand_count > 3 || inst->body) return false;
    for (uint32_t i = 0; i < inst->operand_count; i++) of[i] = unshift->dependences[inst->operands[i]];
    *result = of[0];
    switch ((int)inst->op) {
    case PLAIT_OP_BROADCAST: return true;
    case PLAIT_OP_CAST: return plait_scalar_kind((PlaitScalar)inst->type.scalar) == PLAIT_FLOATING;
    case PLAIT_OP_NEG: result->shift = -of[0].shift; return true;
    case PLAIT_OP_ABS: return of[0].shift == 0;
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB: return sum(inst, of[0], of[1], result);
    case PLAIT_OP_MUL:
    case PLAIT_OP_DIV: return product(unshift, inst, of[0], of[1], result);
    case PLAIT_OP_MAX:
    case PLAIT_OP_MIN: return same(of[0], of[1]);
    case PLAIT_OP_EXP: return exponential(unshift, inst, of[0], result);
    case PLAIT_OP_LOG: *result = (Dependence){of[0].power, 0}; return of[0].shift == 0;
    case PLAIT_OP_SELECT: *result = of[1]; return is_free(of[0]) && same(of[1], of[2]);
    case PLAIT_OP_REDUCE_SUM:
    case PLAIT_OP_REDUCE_MAX:
    case PLAIT_OP_REDUCE_MIN: return is_free(of[1]) && reduction(unshift, inst, of[0], result);
    default: return false;
    }
}

/* A factor exp(p m) must be the same power wherever it stands, or its inverse, so that products do not grow. */
static bool is_one_power(Unshift *unshift, Dependence x)
{
    if (x.power == 0) return true;
    if (unshift->power == 0) unshift->power = fabs(x.power);
    return fabs(x.power) == unshift->power;
}

/* Whether all values of a region, which is in that of m, are free of it. */
static bool uses_free(const Unshift *unshift, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = def(unshift, region->body.data[i]);
        for (uint32_t k = 0; k < inst->operand_count; k++)
            if (!is_free(unshift->dependences[inst->operands[k]])) return false;
        if (inst->body && !uses_free(unshift, inst->body)) return false;
    }
    for (uint32_t i = 0; i < region->yields.count; i++)
        if (!is_free(unshift->dependences[region->yields.data[i]])) return false;
    return true;
}

/* Whether nothing that leaves the region has m in it, with the number in its place. */
static bool is_idle(Unshift *unshift, const PlaitRegion *region)
{
    const PlaitFunction *function = unshift->function;
    unshift->dependences = PLAIT_NEW_ARRAY(function->module->arena, Dependence, function->insts.count);
    unshift->dependences[unshift->extreme] = (Dependence){1, 0};
    unshift->power = 0;
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = def(unshift, region->body.data[i]);
        bool free = true;
        for (uint32_t k = 0; k < inst->operand_count; k++) free &= is_free(unshift->dependences[inst->operands[k]]);
        if (inst->body && !uses_free(unshift, inst->body)) return false;
        Dependence *result = &unshift->dependences[region->body.data[i]];
        if (!free && (!depend(unshift, inst, result) || !is_one_power(unshift, *result))) return false;
    }
    for (uint32_t i = 0; i < region->yields.count; i++)
        if (!is_free(unshift->dependences[region->yields.data[i]])) return false;
    for (uint32_t i = 0; i < function->outputs.count; i++)
        if (!is_free(unshift->dependences[function->outputs.data[i].value])) return false;
    return unshift->power != 0;
}

/* The number that can stand for an extreme: 0, or the middle of where what it is taken of lies. */
static bool find_number(Unshift *unshift, const PlaitRegion *region)
{
    unshift->number = 0;
    if (is_idle(unshift, region)) return true;
    unshift->steps = 0;
    Range range = range_of(unshift, def(unshift, unshift->extreme)->operands[0]);
    unshift->number = range.low / 2 + range.high / 2;
    return isfinite(unshift->number) && unshift->number != 0 && is_idle(unshift, region);
}

static bool rewrite_region(PlaitFunction *function, PlaitRegion *region)
{
    bool changed = false;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        PlaitInst *inst = plait_inst(function, value);
        if (inst->body) changed |= rewrite_region(function, inst->body);
        bool extreme = (inst->op == PLAIT_OP_REDUCE_MAX || inst->op == PLAIT_OP_REDUCE_MIN) &&
                       plait_scalar_kind((PlaitScalar)inst->type.scalar) == PLAIT_FLOATING &&
                       plait_axis_is_long(function, inst->axes[0]);
        Unshift unshift = {.function = function, .extreme = value};
        if (!extreme || !find_number(&unshift, region)) continue;
        inst->op = PLAIT_OP_CONST;
        inst->number = unshift.number;
        inst->operand_count = inst->axis_count = 0;
        changed = true;
    }
    return changed;
}

bool plait_pass_unshift(PlaitFunction *function)
{
    return function->level == PLAIT_LEVEL_STAGE && rewrite_region(function, function->body);
}
