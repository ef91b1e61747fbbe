/* Arithmetic of numbers known at compile time: in double, by the C library. */
#include <math.h>

#include "frontend/lower.h"

static double negate(double x) { return -x; }
static double reciprocal_root(double x) { return 1 / sqrt(x); }

/* Round-to-even does not depend on the rounding mode of the process. */
static double round_even(double x)
{
    double below = floor(x), rest = x - below;
    if (rest < 0.5) return below;
    if (rest > 0.5) return below + 1;
    return fmod(below, 2) == 0 ? below : below + 1;
}

static const struct {
    PlaitOp op;
    double (*function)(double);
    bool whole; /* whole numbers stay whole */
} unary[] = {
    {PLAIT_OP_NEG, negate, true},       {PLAIT_OP_ABS, fabs, true},     {PLAIT_OP_EXP, exp, false},
    {PLAIT_OP_EXP2, exp2, false},       {PLAIT_OP_EXPM1, expm1, false}, {PLAIT_OP_LOG, log, false},
    {PLAIT_OP_LOG1P, log1p, false},     {PLAIT_OP_SQRT, sqrt, false},   {PLAIT_OP_RSQRT, reciprocal_root, false},
    {PLAIT_OP_SIN, sin, false},         {PLAIT_OP_COS, cos, false},     {PLAIT_OP_TANH, tanh, false},
    {PLAIT_OP_ERF, erf, false},         {PLAIT_OP_FLOOR, floor, true},  {PLAIT_OP_CEIL, ceil, true},
    {PLAIT_OP_ROUND, round_even, true},
};

bool plait_number_fold_unary(PlaitOp op, PlaitTerm x, PlaitTerm *result)
{
    if (op == PLAIT_OP_NOT && x.number_kind == PLAIT_NUMBER_TRUTH) {
        *result = plait_number(x.number == 0, PLAIT_NUMBER_TRUTH);
        return true;
    }
    for (size_t i = 0; i < sizeof unary / sizeof *unary; i++) {
        if (unary[i].op != op || x.number_kind == PLAIT_NUMBER_TRUTH) continue;
        *result = plait_number(unary[i].function(x.number), unary[i].whole ? x.number_kind : PLAIT_NUMBER_REAL);
        return true;
    }
    return false;
}

static double add(double x, double y) { return x + y; }
static double subtract(double x, double y) { return x - y; }
static double multiply(double x, double y) { return x * y; }
static double divide(double x, double y) { return x / y; }
static double floor_divide(double x, double y) { return floor(x / y); }
static double remainder_of(double x, double y) { return x - y * floor(x / y); }
static double less(double x, double y) { return x < y; }
static double less_equal(double x, double y) { return x <= y; }
static double greater(double x, double y) { return x > y; }
static double greater_equal(double x, double y) { return x >= y; }
static double equal(double x, double y) { return x == y; }
static double unequal(double x, double y) { return x != y; }
static double both(double x, double y) { return x != 0 && y != 0; }
static double either(double x, double y) { return x != 0 || y != 0; }

static const struct {
    PlaitOp op;
    double (*function)(double, double);
    bool whole;
} binary[] = {
    {PLAIT_OP_ADD, add, true},
    {PLAIT_OP_SUB, subtract, true},
    {PLAIT_OP_MUL, multiply, true},
    {PLAIT_OP_DIV, divide, false},
    {PLAIT_OP_FLOORDIV, floor_divide, true},
    {PLAIT_OP_MOD, remainder_of, true},
    {PLAIT_OP_POW, pow, false},
    {PLAIT_OP_MIN, fmin, true},
    {PLAIT_OP_MAX, fmax, true},
    {PLAIT_OP_LT, less, false},
    {PLAIT_OP_LE, less_equal, false},
    {PLAIT_OP_GT, greater, false},
    {PLAIT_OP_GE, greater_equal, false},
    {PLAIT_OP_EQ, equal, false},
    {PLAIT_OP_NE, unequal, false},
    {PLAIT_OP_AND, both, false},
    {PLAIT_OP_OR, either, false},
};

static PlaitNumberKind kind_of(PlaitOp op, bool keeps_whole, PlaitTerm x, PlaitTerm y)
{
    PlaitScalarClass class = (PlaitScalarClass)plait_op_info(op)->scalar_class;
    if (class == PLAIT_CLASS_COMPARE || class == PLAIT_CLASS_LOGIC) return PLAIT_NUMBER_TRUTH;
    bool whole = x.number_kind == PLAIT_NUMBER_WHOLE && y.number_kind == PLAIT_NUMBER_WHOLE;
    bool whole_power = op == PLAIT_OP_POW && y.number >= 0;
    return whole && (keeps_whole || whole_power) ? PLAIT_NUMBER_WHOLE : PLAIT_NUMBER_REAL;
}

bool plait_number_fold_binary(PlaitOp op, PlaitTerm x, PlaitTerm y, PlaitTerm *result)
{
    PlaitScalarClass class = (PlaitScalarClass)plait_op_info(op)->scalar_class;
    bool truth = x.number_kind == PLAIT_NUMBER_TRUTH;
    if (truth != (y.number_kind == PLAIT_NUMBER_TRUTH)) return false;
    if (class != PLAIT_CLASS_COMPARE && truth != (class == PLAIT_CLASS_LOGIC)) return false;
    for (size_t i = 0; i < sizeof binary / sizeof *binary; i++) {
        if (binary[i].op != op) continue;
        *result = plait_number(binary[i].function(x.number, y.number), kind_of(op, binary[i].whole, x, y));
        return true;
    }
    return false;
}
