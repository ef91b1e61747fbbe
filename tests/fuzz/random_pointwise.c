/* Pointwise parts of random operators, each operation of scalar_ops.def in a domain where it is well conditioned. */
#include <math.h>

#include "tests/fuzz/random_parts.h"

/* ---- building ---- */

PlaitValue number(Generator *generator, double value)
{
    return plait_build_const(&generator->builder, generator->computing, value);
}

PlaitValue unary(Generator *generator, PlaitOp op, PlaitValue x)
{
    return plait_build_unary(&generator->builder, op, x);
}

PlaitValue binary(Generator *generator, PlaitOp op, PlaitValue x, PlaitValue y)
{
    return plait_build_binary(&generator->builder, op, x, y);
}

PlaitValue scaled(Generator *generator, PlaitValue x, double factor)
{
    return binary(generator, PLAIT_OP_MUL, x, number(generator, factor));
}

/* 1 / (1 + exp(-x)); magnitudes are bounded, so exp does not overflow. */
PlaitValue sigmoid(Generator *generator, PlaitValue x)
{
    PlaitValue e = unary(generator, PLAIT_OP_EXP, unary(generator, PLAIT_OP_NEG, x)), one = number(generator, 1);
    return binary(generator, PLAIT_OP_DIV, one, binary(generator, PLAIT_OP_ADD, one, e));
}

PlaitValue whole(Generator *generator, int32_t value)
{
    return plait_build_const(&generator->builder, PLAIT_I32, value);
}

PlaitValue length(Generator *generator, PlaitAxis axis)
{
    PlaitValue size = plait_build_size(&generator->builder, axis);
    size = binary(generator, PLAIT_OP_MAX, size, whole(generator, 1));
    return plait_build_cast(&generator->builder, size, generator->computing);
}

/* ---- operations in their domains ---- */

typedef enum Domain { ANY, UNIT, POSITIVE, NONPOSITIVE, DIVISOR, EXACT, POWER_OF_TWO } Domain;

/* How an operation is used: domains of its operands, bound of the result (0: from the operands). */
typedef struct Use {
    Domain x, y;
    double bound;
} Use;

static const Use uses[PLAIT_OP_COUNT] = {
    [PLAIT_OP_NEG] = {ANY, ANY, 0},
    [PLAIT_OP_ABS] = {ANY, ANY, 0},
    [PLAIT_OP_EXP] = {NONPOSITIVE, ANY, 1},
    [PLAIT_OP_EXP2] = {NONPOSITIVE, ANY, 1},
    [PLAIT_OP_EXPM1] = {UNIT, ANY, 2},
    [PLAIT_OP_LOG] = {POSITIVE, ANY, 2},
    [PLAIT_OP_LOG1P] = {POSITIVE, ANY, 2},
    [PLAIT_OP_SQRT] = {POSITIVE, ANY, 3},
    [PLAIT_OP_RSQRT] = {POSITIVE, ANY, 2},
    [PLAIT_OP_SIN] = {ANY, ANY, 1},
    [PLAIT_OP_COS] = {ANY, ANY, 1},
    [PLAIT_OP_TANH] = {ANY, ANY, 1},
    [PLAIT_OP_ERF] = {ANY, ANY, 1},
    [PLAIT_OP_FLOOR] = {EXACT, ANY, 6},
    [PLAIT_OP_CEIL] = {EXACT, ANY, 6},
    [PLAIT_OP_ROUND] = {EXACT, ANY, 6},
    [PLAIT_OP_ADD] = {ANY, ANY, 0},
    [PLAIT_OP_SUB] = {ANY, ANY, 0},
    [PLAIT_OP_MUL] = {ANY, ANY, 0},
    [PLAIT_OP_DIV] = {ANY, DIVISOR, 0},
    [PLAIT_OP_FLOORDIV] = {EXACT, POWER_OF_TWO, 12},
    [PLAIT_OP_MOD] = {EXACT, POWER_OF_TWO, 4},
    [PLAIT_OP_POW] = {POSITIVE, UNIT, 5},
    [PLAIT_OP_MIN] = {ANY, ANY, 0},
    [PLAIT_OP_MAX] = {ANY, ANY, 0},
};

/* A pool value that is exact, or 0. */
static PlaitValue pick_exact(Generator *generator)
{
    for (uint32_t attempt = 0; attempt < 20; attempt++) {
        const Pooled *pooled = &generator->pool[below(generator, generator->pool_count)];
        if (pooled->exact) return pooled->value;
    }
    return 0;
}

static PlaitValue into_domain(Generator *generator, PlaitValue x, Domain domain)
{
    switch (domain) {
    case UNIT: return unary(generator, PLAIT_OP_TANH, x);
    case POSITIVE: /* 0.25 .. 4.25 */
        x = unary(generator, PLAIT_OP_TANH, x);
        x = scaled(generator, binary(generator, PLAIT_OP_MUL, x, x), 4);
        return binary(generator, PLAIT_OP_ADD, x, number(generator, 0.25));
    case NONPOSITIVE: return unary(generator, PLAIT_OP_NEG, unary(generator, PLAIT_OP_ABS, x));
    case DIVISOR: return binary(generator, PLAIT_OP_ADD, unary(generator, PLAIT_OP_ABS, x), number(generator, 0.5));
    case EXACT: return pick_exact(generator);
    case POWER_OF_TWO: return number(generator, ldexp(chance(generator, 0.5) ? 1 : -1, (int)below(generator, 3) - 1));
    case ANY:
    default: return x;
    }
}

static double result_bound(PlaitOp op, double x, double y)
{
    if (uses[op].bound > 0) return uses[op].bound;
    if (op == PLAIT_OP_ADD || op == PLAIT_OP_SUB) return x + y;
    if (op == PLAIT_OP_MUL) return x * y;
    if (op == PLAIT_OP_DIV) return 2 * x;
    return x > y ? x : y;
}

static bool takes_floats(PlaitOp op)
{
    PlaitScalarClass class = (PlaitScalarClass)plait_op_info(op)->scalar_class;
    return class == PLAIT_CLASS_FLOAT || class == PLAIT_CLASS_NUMBER;
}

static PlaitOp random_float_op(Generator *generator)
{
    for (;;) {
        PlaitOp op = (PlaitOp)below(generator, PLAIT_OP_COUNT);
        if (op != PLAIT_OP_NONE && takes_floats(op)) return op;
    }
}

/* The value repeated along one more axis, where that stays small. */
static PlaitValue widened(Generator *generator, PlaitValue x)
{
    PlaitType type = plait_type_with(type_of(generator, x), random_feature(generator));
    return static_elements(generator, type) <= MAX_STATIC ? plait_build_broadcast(&generator->builder, x, type) : x;
}

void add_pointwise(Generator *generator)
{
    PlaitOp op = random_float_op(generator);
    PlaitValue from_x = pick(generator), from_y = pick(generator);
    bool two = plait_op_info(op)->least_operands == 2;
    /* x - x may be 0 in one arithmetic and a rounding error in another. */
    if (two && (from_x == from_y || !fits(generator, from_x, from_y))) return;
    Pooled known_x = find(generator, from_x), known_y = find(generator, from_y);
    PlaitValue operands[2] = {into_domain(generator, from_x, uses[op].x), 0};
    if (operands[0] == 0) return;
    if (chance(generator, 0.05)) operands[0] = widened(generator, operands[0]);
    if (two) operands[1] = into_domain(generator, from_y, uses[op].y);
    PlaitValue value = plait_build_scalar(&generator->builder, op, operands, two ? 2 : 1);
    keep(generator, value, result_bound(op, known_x.bound, two ? known_y.bound : 0),
         known_x.carried || (two && known_y.carried));
}

/* ---- integers and truths ---- */

static PlaitValue integer_leaf(Generator *generator, PlaitType type)
{
    PlaitAxis axis = type.rank ? type.axes[below(generator, type.rank)] : PLAIT_NO_AXIS;
    if (chance(generator, 0.2)) return whole(generator, (int32_t)below(generator, 9) - 4);
    if (axis != PLAIT_NO_AXIS && chance(generator, 0.4)) return plait_build_iota(&generator->builder, axis, 0);
    if (axis != PLAIT_NO_AXIS && chance(generator, 0.2)) return plait_build_size(&generator->builder, axis);
    PlaitValue exact = chance(generator, 0.2) ? pick_exact(generator) : 0;
    if (exact && plait_type_union_rank(type, type_of(generator, exact)) == type.rank)
        return plait_build_cast(&generator->builder, exact, PLAIT_I32);
    return new_integer_param(generator, random_subset(generator, type));
}

/* An i32 expression; now and then with numbers that wrap. */
static PlaitValue integer_expression(Generator *generator, PlaitType type)
{
    PlaitValue value = integer_leaf(generator, type);
    for (uint32_t count = below(generator, 4); count > 0; count--) {
        PlaitOp op = (PlaitOp)below(generator, PLAIT_OP_COUNT);
        if (op == PLAIT_OP_NONE || plait_op_info(op)->scalar_class != PLAIT_CLASS_NUMBER) continue;
        PlaitValue other = chance(generator, 0.2) ? whole(generator, 1103515245) : integer_leaf(generator, type);
        PlaitValue operands[2] = {value, other};
        value = plait_build_scalar(&generator->builder, op, operands, plait_op_info(op)->least_operands);
    }
    return value;
}

static PlaitValue truth_leaf(Generator *generator, PlaitType type)
{
    static const PlaitOp compare[] = {PLAIT_OP_LT, PLAIT_OP_LE, PLAIT_OP_GT, PLAIT_OP_GE, PLAIT_OP_EQ, PLAIT_OP_NE};
    PlaitOp op = compare[below(generator, 6)];
    if (chance(generator, 0.25)) return new_bool_param(generator, random_subset(generator, type));
    PlaitValue exact = chance(generator, 0.4) ? pick_exact(generator) : 0;
    if (exact && plait_type_union_rank(type, type_of(generator, exact)) == type.rank)
        return binary(generator, op, exact, number(generator, below(generator, 5) * 0.5 - 1));
    return binary(generator, op, integer_expression(generator, type), integer_leaf(generator, type));
}

static PlaitValue truth_expression(Generator *generator, PlaitType type)
{
    static const PlaitOp join[] = {PLAIT_OP_AND, PLAIT_OP_OR, PLAIT_OP_EQ, PLAIT_OP_NE};
    PlaitValue value = truth_leaf(generator, type);
    if (chance(generator, 0.3)) value = unary(generator, PLAIT_OP_NOT, value);
    if (chance(generator, 0.5))
        value = binary(generator, join[below(generator, 4)], value, truth_leaf(generator, type));
    return value;
}

PlaitValue integer_as_float(Generator *generator, PlaitValue value)
{
    value = binary(generator, PLAIT_OP_MOD, value, whole(generator, 8));
    return scaled(generator, plait_build_cast(&generator->builder, value, generator->computing), 0.125);
}

void add_integers(Generator *generator)
{
    PlaitValue x = pick(generator), y = pick(generator);
    if (!fits(generator, x, y)) y = x;
    PlaitType type = plait_type_union(type_of(generator, x), type_of(generator, y));
    Pooled known_x = find(generator, x), known_y = find(generator, y);
    if (chance(generator, 0.5)) {
        PlaitValue value = integer_as_float(generator, integer_expression(generator, type));
        keep(generator, binary(generator, PLAIT_OP_ADD, value, x), known_x.bound + 1, known_x.carried);
    } else if (chance(generator, 0.2)) {
        PlaitValue truth = truth_expression(generator, type);
        keep(generator, plait_build_cast(&generator->builder, truth, generator->computing), 1, false);
    } else {
        PlaitValue value = plait_build_select(&generator->builder, truth_expression(generator, type), x, y);
        keep(generator, value, fmax(known_x.bound, known_y.bound), known_x.carried || known_y.carried);
    }
}

/* ---- reductions over features ---- */

static PlaitValue reduce_one(Generator *generator, PlaitOp op, PlaitValue x, PlaitAxis axis)
{
    return plait_build_reduce(&generator->builder, op, x, 0, &axis, 1);
}

/* x / sqrt(mean(x^2) + 0.1), or x times the mean; both keep the axis. */
static void add_norm(Generator *generator, PlaitValue x, PlaitAxis axis, double size, bool carried)
{
    PlaitValue square = binary(generator, PLAIT_OP_MUL, x, x);
    PlaitValue mean = scaled(generator, reduce_one(generator, PLAIT_OP_REDUCE_SUM, square, axis), 1 / size);
    PlaitValue root = unary(generator, PLAIT_OP_RSQRT, binary(generator, PLAIT_OP_ADD, mean, number(generator, 0.1)));
    keep(generator, binary(generator, PLAIT_OP_MUL, x, root), BOUND, carried);
}

void add_feature_reduction(Generator *generator)
{
    PlaitValue x = pick(generator);
    PlaitType type = type_of(generator, x);
    PlaitAxis axis = random_feature(generator);
    if (!plait_type_has(type, axis)) return;
    Pooled known = find(generator, x);
    double size = (double)generator->function->axes.data[axis].size;
    PlaitAxis other = random_feature(generator), both[2] = {axis, other};
    bool two = other != axis && plait_type_has(type, other) && chance(generator, 0.5);
    switch (below(generator, 5)) {
    case 0: add_norm(generator, x, axis, size, known.carried); break;
    case 1: {
        PlaitValue sum = plait_build_reduce(&generator->builder, PLAIT_OP_REDUCE_SUM, x, 0, both, two ? 2 : 1);
        if (two) size *= (double)generator->function->axes.data[other].size;
        keep(generator, scaled(generator, sum, 1 / sqrt(size)), known.bound, known.carried);
        break;
    }
    case 2: /* factors near 1: 1 + tanh(x) / (2 size) */
        x = scaled(generator, unary(generator, PLAIT_OP_TANH, x), 0.5 / size);
        x = binary(generator, PLAIT_OP_ADD, x, number(generator, 1));
        keep(generator, reduce_one(generator, PLAIT_OP_REDUCE_PROD, x, axis), 2, known.carried);
        break;
    default: {
        PlaitOp op = chance(generator, 0.5) ? PLAIT_OP_REDUCE_MAX : PLAIT_OP_REDUCE_MIN;
        PlaitValue mask = chance(generator, 0.3) && !known.carried ? truth_leaf(generator, type) : 0;
        PlaitValue most = plait_build_reduce(&generator->builder, mask ? PLAIT_OP_REDUCE_SUM : op, x, mask, &axis, 1);
        keep(generator, mask ? scaled(generator, most, 1 / sqrt(size)) : most, known.bound, known.carried);
    }
    }
}
