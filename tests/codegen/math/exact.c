/* The operations whose result is exact or rounded once: arithmetic on integers and floats, comparisons, logic. */
#include <math.h>
#include <stdio.h>

#include "tests.h"

__extension__ typedef __int128 Huge;

/* ---- what is expected ---- */

static Huge floor_quotient(Huge x, Huge y)
{
    Huge quotient = x / y;
    return quotient - (x % y != 0 && (x < 0) != (y < 0));
}

static Huge integer_result(PlaitOp op, Huge x, Huge y)
{
    if (op == PLAIT_OP_NEG) return -x;
    if (op == PLAIT_OP_ABS) return x < 0 ? -x : x;
    if (op == PLAIT_OP_ADD) return x + y;
    if (op == PLAIT_OP_SUB) return x - y;
    if (op == PLAIT_OP_MUL) return (Huge)((int64_t)((uint64_t)x * (uint64_t)y));
    if (op == PLAIT_OP_FLOORDIV) return y == 0 ? 0 : floor_quotient(x, y);
    if (op == PLAIT_OP_MOD) return y == 0 ? 0 : x - y * floor_quotient(x, y);
    if (op == PLAIT_OP_MIN) return x < y ? x : y;
    return x > y ? x : y;
}

static bool comparison(PlaitOp op, bool less, bool equal, bool greater)
{
    if (op == PLAIT_OP_LT) return less;
    if (op == PLAIT_OP_LE) return less || equal;
    if (op == PLAIT_OP_GT) return greater;
    if (op == PLAIT_OP_GE) return greater || equal;
    return op == PLAIT_OP_EQ ? equal : !equal;
}

static bool logic(PlaitOp op, bool x, bool y)
{
    if (op == PLAIT_OP_AND) return x && y;
    return op == PLAIT_OP_OR ? x || y : !x;
}

static double round_to(double x, bool narrow) { return narrow ? (double)(float)x : x; }

/* Quotient and remainder as they are computed: the remainder, with or without the rounding of its product, says whether
 * the rounded quotient had the right floor. */
static double quotient_and_rest(PlaitOp op, double x, double y, bool narrow, bool fused)
{
    double quotient = floor(round_to(x / y, narrow));
    double product = round_to(quotient * y, narrow), rest = round_to(x - product, narrow);
    if (fused) rest = narrow ? (double)fmaf((float)-quotient, (float)y, (float)x) : fma(-quotient, y, x);
    bool other = (rest < 0 && y > 0) || (rest > 0 && y < 0);
    if (op == PLAIT_OP_FLOORDIV) return other ? round_to(quotient - 1, narrow) : quotient;
    return other ? round_to(rest + y, narrow) : rest;
}

/* The remainder of numbers whose quotient is far from what its type can hold: exact, then rounded once. */
static bool rest_is_right(double x, double y, bool narrow, double found)
{
    if (!(fabs(x / y) < (narrow ? 0x1p22 : 0x1p50)) || y == 0 || !isfinite(y)) return true;
    double exact = fmod(x, y);
    if (exact != 0 && (exact < 0) != (y < 0)) exact += y;
    return found == round_to(exact, narrow);
}

/* Operands of f32 are computed with in double and rounded once more, which is harmless for one operation. */
static double float_result(PlaitOp op, double x, double y, bool narrow)
{
    if (op == PLAIT_OP_NEG) return -x;
    if (op == PLAIT_OP_ABS) return fabs(x);
    if (op == PLAIT_OP_MIN) return fmin(x, y);
    if (op == PLAIT_OP_MAX) return fmax(x, y);
    if (op == PLAIT_OP_FLOORDIV || op == PLAIT_OP_MOD) return quotient_and_rest(op, x, y, narrow, true);
    double exact = op == PLAIT_OP_ADD ? x + y : op == PLAIT_OP_SUB ? x - y : x * y;
    return narrow ? (double)(float)exact : exact;
}

/* ---- operands ---- */

static const int64_t integers[] = {0,
                                   1,
                                   -1,
                                   2,
                                   -2,
                                   3,
                                   -3,
                                   7,
                                   64,
                                   -64,
                                   100,
                                   INT32_MAX,
                                   INT32_MIN,
                                   INT32_MIN + 1,
                                   INT64_MAX,
                                   INT64_MIN,
                                   INT64_MIN + 1,
                                   1LL << 40};
static const double floats[] = {0.0,  -0.0,  1,      -1,    0.5,       3,        -3,        7,   1e-40, 1e-45,
                                1e30, -1e30, 3.4e38, 1e300, 0x1p-1074, INFINITY, -INFINITY, NAN, 0.1,   6};
enum { INTEGERS = sizeof integers / sizeof *integers, FLOATS = sizeof floats / sizeof *floats };

static uint64_t random_bits(int64_t index)
{
    return (uint64_t)index * 0x9E3779B97F4A7C15u ^ (uint64_t)index * (uint64_t)index * 0xD1342543DE82EF95u;
}

static int64_t integer_operand(int64_t index, bool second)
{
    if (index < INTEGERS * INTEGERS) return integers[second ? index % INTEGERS : index / INTEGERS];
    uint64_t bits = random_bits(2 * index + second);
    return (int64_t)bits >> (bits & 63);
}

static double float_operand(int64_t index, bool second)
{
    if (index < FLOATS * FLOATS) return floats[second ? index % FLOATS : index / FLOATS];
    uint64_t bits = random_bits(2 * index + second);
    return ldexp((double)(int32_t)(bits >> 32), (int)(bits % 40) - 50);
}

static void put(PlaitScalar scalar, void *array, int64_t index, bool second)
{
    if (scalar == PLAIT_BOOL) ((uint8_t *)array)[index] = (uint8_t)(index >> second & 1);
    else if (scalar == PLAIT_I32)
        ((int32_t *)array)[index] = (int32_t)(uint32_t)(uint64_t)integer_operand(index, second);
    else if (scalar == PLAIT_I64) ((int64_t *)array)[index] = integer_operand(index, second);
    else if (scalar == PLAIT_F32) ((float *)array)[index] = (float)float_operand(index, second);
    else ((double *)array)[index] = float_operand(index, second);
}

static int64_t whole(PlaitScalar scalar, const void *array, int64_t index)
{
    if (scalar == PLAIT_BOOL) return ((const uint8_t *)array)[index];
    return scalar == PLAIT_I32 ? ((const int32_t *)array)[index] : ((const int64_t *)array)[index];
}

static double floating(PlaitScalar scalar, const void *array, int64_t index)
{
    return scalar == PLAIT_F32 ? (double)((const float *)array)[index] : ((const double *)array)[index];
}

/* ---- comparing ---- */

static bool is_float(PlaitScalar scalar) { return plait_scalar_kind(scalar) == PLAIT_FLOATING; }

static bool float_case_holds(const Case *one, const Arrays *arrays, int64_t i)
{
    double x = floating(one->from, arrays->x, i), y = floating(one->from, arrays->y, i);
    bool narrow = one->from == PLAIT_F32;
    if (one->to == PLAIT_BOOL) return whole(PLAIT_BOOL, arrays->out, i) == comparison(one->op, x<y, x == y, x> y);
    double found = floating(one->to, arrays->out, i), expected = float_result(one->op, x, y, narrow);
    if (found == expected || (found != found && expected != expected))
        return one->op != PLAIT_OP_MOD || rest_is_right(x, y, narrow, found);
    if (one->op != PLAIT_OP_MOD && one->op != PLAIT_OP_FLOORDIV) return false;
    double other = quotient_and_rest(one->op, x, y, narrow, false); /* x86-64-v2 rounds the product, too */
    return found == other || (found != found && other != other);
}

static bool integer_case_holds(const Case *one, const Arrays *arrays, int64_t i)
{
    int64_t x = whole(one->from, arrays->x, i), y = whole(one->from, arrays->y, i),
            found = whole(one->to, arrays->out, i);
    PlaitScalarClass class = plait_op_info(one->op)->scalar_class;
    if (class == PLAIT_CLASS_LOGIC) return found == logic(one->op, x != 0, y != 0);
    if (class == PLAIT_CLASS_COMPARE) return found == comparison(one->op, x<y, x == y, x> y);
    Huge expected = integer_result(one->op, x, y);
    if (one->to == PLAIT_I32) return found == (int32_t)(uint32_t)(uint64_t)(expected & 0xFFFFFFFF);
    return found == (int64_t)(uint64_t)expected;
}

static void run_variant(const Case *one, const Variant *variant, const Arrays *arrays)
{
    int64_t wrong = 0, first = 0;
    variant->run(variant, arrays->x, arrays->y, arrays->out, arrays->count);
    for (int64_t i = arrays->count - 1; i >= 0; i--) {
        if (is_float(one->from) ? float_case_holds(one, arrays, i) : integer_case_holds(one, arrays, i)) continue;
        wrong++;
        first = i;
    }
    CHECK(wrong == 0);
    if (wrong == 0) return;
    fprintf(stderr, "%s %s %s: %lld wrong", plait_op_info(one->op)->text, plait_scalar_text(one->from), variant->name,
            (long long)wrong);
    if (is_float(one->from))
        fprintf(stderr, ", x = %g, y = %g\n", floating(one->from, arrays->x, first),
                floating(one->from, arrays->y, first));
    else
        fprintf(stderr, ", x = %lld, y = %lld\n", (long long)whole(one->from, arrays->x, first),
                (long long)whole(one->from, arrays->y, first));
}

/* Every row but those of class FLOAT (floats.c), for every scalar type it takes. */
static uint32_t list_cases(Case *cases)
{
    uint32_t count = 0;
    for (PlaitOp op = (PlaitOp)1; op < PLAIT_OP_COUNT; op++)
        for (PlaitScalar scalar = PLAIT_BOOL; scalar < PLAIT_SCALAR_COUNT; scalar++)
            if (plait_op_is_scalar(op) && plait_op_info(op)->scalar_class != PLAIT_CLASS_FLOAT &&
                case_of(op, scalar, &cases[count]))
                count++;
    return count;
}

void test_exact(const Machine *machine, const Arrays *arrays)
{
    Case cases[PLAIT_OP_COUNT * PLAIT_SCALAR_COUNT];
    uint32_t count = list_cases(cases);
    const Compiled *compiled = machine->compile(machine, cases, count);
    Arrays few = *arrays;
    CHECK(compiled != NULL);
    if (few.count > 1 << 14) few.count = 1 << 14;
    for (uint32_t i = 0; compiled && i < count; i++) {
        for (int64_t j = 0; j < few.count; j++) {
            put(cases[i].from, few.x, j, false);
            put(cases[i].from, few.y, j, true);
        }
        for (uint32_t v = 0; v < VARIANTS; v++)
            if (compiled[i].variants[v].run) run_variant(&cases[i], &compiled[i].variants[v], &few);
    }
    if (compiled) machine->release(compiled);
    printf("%u exact cases\n", count);
}
