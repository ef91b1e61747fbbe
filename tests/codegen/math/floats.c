/* The functions of one and two floats against libm, which is asked in a wider type: f32 in double, f64 in long double.
 * Errors are counted in units in the last place of the true value. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests.h"

typedef long double Wide;

static Wide reciprocal_sqrtl(Wide x) { return 1 / sqrtl(x); }
static double reciprocal_sqrt(double x) { return 1 / sqrt(x); }

typedef struct Function {
    PlaitOp op;
    double most_f32, most_f64, most_gpu, limit, from, to;
    double (*narrow)(double x);
    Wide (*wide)(Wide x);
} Function;

static const Function functions[] = {
#define FLOAT1(id, most_f32, most_f64, most_gpu, limit, from, to, function)                                            \
    {PLAIT_OP_##id, most_f32, most_f64, most_gpu, limit, from, to, function, function##l},
#include "floats.def"
#undef FLOAT1
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* A unit in the last place of `value`, whose type has `fraction` explicit bits and normal numbers from 2^least. */
static Wide unit_of(Wide value, int fraction, int least)
{
    int exponent = value == 0 ? least : ilogbl(value);
    return ldexpl(1, (exponent < least ? least : exponent) - fraction);
}

/* Infinity counts as the number after the largest one. */
static Wide without_infinity(Wide value, Wide infinity)
{
    return fabsl(value) > infinity ? copysignl(infinity, value) : value;
}

static double error_in_units(Wide found, Wide expected, PlaitScalar scalar)
{
    bool narrow = scalar == PLAIT_F32;
    if (isnan(found) || isnan(expected)) return isnan(found) && isnan(expected) ? 0 : INFINITY;
    Wide infinity = ldexpl(1, narrow ? 128 : 1024);
    found = without_infinity(found, infinity);
    expected = without_infinity(expected, infinity);
    if (found == expected) return 0;
    Wide unit = fabsl(expected) == infinity ? infinity * ldexpl(1, narrow ? -24 : -53)
                                            : unit_of(expected, narrow ? 23 : 52, narrow ? -126 : -1022);
    return (double)(fabsl(found - expected) / unit);
}

/* ---- arguments ---- */

static const double specials[] = {0.0,
                                  -0.0,
                                  INFINITY,
                                  -INFINITY,
                                  NAN,
                                  1,
                                  -1,
                                  2,
                                  -2,
                                  0.5,
                                  -0.5,
                                  3,
                                  1e-45,
                                  -1e-45,
                                  1e-40,
                                  0x1p-126,
                                  0x1p-149,
                                  0x1p-1074,
                                  0x1p-1022,
                                  88.72283,
                                  88.72284,
                                  -87.33655,
                                  -103.97,
                                  -104,
                                  89,
                                  709.782712893384,
                                  709.7827128933841,
                                  -745.13,
                                  -746,
                                  3.4028234e38,
                                  -3.4028234e38,
                                  1.7976931348623157e308,
                                  0.70710677,
                                  0.70710678118654752,
                                  1.4142135,
                                  0.99999994,
                                  1.0000001,
                                  0.34657359,
                                  -0.34657359,
                                  3.9192059,
                                  1.5707964,
                                  3.1415927,
                                  102943.71,
                                  1e22};
enum { SPECIALS = sizeof specials / sizeof *specials };

static void put(PlaitScalar scalar, void *array, int64_t index, double value)
{
    if (scalar == PLAIT_F32) ((float *)array)[index] = (float)value;
    else ((double *)array)[index] = value;
}

static Wide get(PlaitScalar scalar, const void *array, int64_t index)
{
    return scalar == PLAIT_F32 ? (Wide)((const float *)array)[index] : (Wide)((const double *)array)[index];
}

static double from_bits(PlaitScalar scalar, uint64_t bits)
{
    float narrow;
    double wide;
    uint32_t low = (uint32_t)(bits >> 32);
    memcpy(&narrow, &low, sizeof narrow);
    memcpy(&wide, &bits, sizeof wide);
    return scalar == PLAIT_F32 ? (double)narrow : wide;
}

/* Specials, then evenly spaced bit patterns, then evenly spaced numbers of the densest range. */
static double argument(const Function *function, PlaitScalar scalar, int64_t index, int64_t count)
{
    if (index < SPECIALS)
        return fabs(specials[index]) <= function->limit || !isfinite(specials[index]) ? specials[index]
                                                                                      : function->limit;
    if (index % 2) return function->from + (function->to - function->from) * (double)index / (double)count;
    double value = from_bits(scalar, (uint64_t)index * (UINT64_MAX / (uint64_t)count) ^ (uint64_t)index * 2654435761u);
    return fabs(value) <= function->limit ? value : fmod(value, function->limit);
}

/* ---- one operand ---- */

typedef struct Worst {
    double error;
    int64_t index;
} Worst;

static void report(const Case *one, const char *variant, Worst worst, double most, const char *detail)
{
    bool good = worst.error <= most;
    CHECK(good);
    if (!good)
        fprintf(stderr, "%s %s %s: %.3g ulp, allowed %g, at %s\n", plait_op_info(one->op)->text,
                plait_scalar_text(one->from), variant, worst.error, most, detail);
}

static void run_variant(const Machine *machine, const Case *one, const Variant *variant, double most,
                        const Arrays *arrays, double *worst_of_all)
{
    Worst worst = {0, 0};
    char detail[256];
    variant->run(variant, arrays->x, arrays->y, arrays->out, arrays->count);
    for (int64_t i = 0; i < arrays->count; i++) {
        Wide found = get(one->to, arrays->out, i);
        bool flushed = machine->approximates && found == 0 && fabsl(arrays->expected[i]) < 0x1p-126L;
        double error = flushed ? 0 : error_in_units(found, arrays->expected[i], one->to);
        if (error > worst.error) worst = (Worst){error, i};
    }
    snprintf(detail, sizeof detail, "x = %.17Lg, y = %.17Lg: %.17Lg instead of %.17Lg",
             get(one->from, arrays->x, worst.index), get(one->from, arrays->y, worst.index),
             get(one->to, arrays->out, worst.index), arrays->expected[worst.index]);
    report(one, variant->name, worst, most, detail);
    if (worst.error > *worst_of_all) *worst_of_all = worst.error;
}

static void run_case(const Machine *machine, const Case *one, const Compiled *compiled, double most,
                     const Arrays *arrays)
{
    double worst = 0;
    for (uint32_t v = 0; v < VARIANTS; v++)
        if (compiled->variants[v].run) run_variant(machine, one, &compiled->variants[v], most, arrays, &worst);
    printf("%-6s %s  %.3f ulp, allowed %g\n", plait_op_info(one->op)->text, plait_scalar_text(one->from), worst, most);
}

static void test_functions(const Machine *machine, const Compiled *compiled, const Case *cases, const Arrays *arrays)
{
    for (uint32_t i = 0; i < 2 * FUNCTIONS; i++) {
        const Function *function = &functions[i / 2];
        PlaitScalar scalar = cases[i].from;
        for (int64_t j = 0; j < arrays->count; j++) {
            put(scalar, arrays->x, j, argument(function, scalar, j, arrays->count));
            Wide x = get(scalar, arrays->x, j);
            arrays->expected[j] = scalar == PLAIT_F32 ? (Wide)function->narrow((double)x) : function->wide(x);
        }
        double narrow = machine->approximates ? function->most_gpu : function->most_f32;
        run_case(machine, &cases[i], &compiled[i], scalar == PLAIT_F32 ? narrow : function->most_f64, arrays);
    }
}

/* ---- two operands ---- */

static void pair_of(PlaitOp op, int64_t index, double *x, double *y)
{
    uint64_t random = (uint64_t)index * 0x9E3779B97F4A7C15u;
    double a = (double)(random >> 40) * 0x1p-24, b = (double)(random >> 16 & 0xFFFFFF) * 0x1p-24;
    if (index < SPECIALS * SPECIALS) {
        *x = specials[index / SPECIALS];
        *y = specials[index % SPECIALS];
        return;
    }
    double sign = random & 2 ? -1 : 1, whole = 2 * floor(20 * b) - 20 + (random & 8 ? 0 : 1);
    if (op != PLAIT_OP_POW) *x = exp(80 * a - 40) * sign, *y = exp(80 * b - 40);
    else if (random & 1) *x = exp(20 * a - 10) * sign, *y = (sign < 0 ? whole : 40 * b - 20) * (random & 4 ? 3.5 : 1);
    else *x = 1 + (a - 0.5) * 1e-3, *y = 1e5 * (b - 0.5);
}

/* C's pow gives an infinity to (-inf)^0.5, the table says NaN: whole exponents only. */
static Wide expected_of(PlaitOp op, Wide x, Wide y)
{
    if (op == PLAIT_OP_DIV) return x / y;
    return isinf(x) && x < 0 && !isnan(y) && floorl(y) != y ? (Wide)NAN : powl(x, y);
}

static void test_pairs(const Machine *machine, const Compiled *compiled, const Case *cases, uint32_t count,
                       const Arrays *arrays)
{
    for (uint32_t i = 0; i < count; i++) {
        PlaitScalar scalar = cases[i].from;
        for (int64_t j = 0; j < arrays->count; j++) {
            double x, y;
            pair_of(cases[i].op, j, &x, &y);
            put(scalar, arrays->x, j, x);
            put(scalar, arrays->y, j, y);
            arrays->expected[j] = expected_of(cases[i].op, get(scalar, arrays->x, j), get(scalar, arrays->y, j));
        }
        double division = machine->approximates && scalar == PLAIT_F32 ? 2 : 1;
        run_case(machine, &cases[i], &compiled[i], cases[i].op == PLAIT_OP_DIV ? division : 4, arrays);
    }
}

void test_floats(const Machine *machine, const Arrays *arrays)
{
    Case cases[2 * FUNCTIONS + 4];
    uint32_t count = 0;
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        for (PlaitScalar scalar = PLAIT_F32; scalar <= PLAIT_F64; scalar++)
            CHECK(case_of(functions[i].op, scalar, &cases[count++]));
    for (PlaitScalar scalar = PLAIT_F32; scalar <= PLAIT_F64; scalar++) {
        CHECK(case_of(PLAIT_OP_DIV, scalar, &cases[count++]));
        CHECK(case_of(PLAIT_OP_POW, scalar, &cases[count++]));
    }
    const Compiled *compiled = machine->compile(machine, cases, count);
    CHECK(compiled != NULL);
    if (!compiled) return;
    test_functions(machine, compiled, cases, arrays);
    test_pairs(machine, compiled + 2 * FUNCTIONS, cases + 2 * FUNCTIONS, 4, arrays);
    machine->release(compiled);
}
