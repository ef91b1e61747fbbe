/* Every row of scalar_ops.def on numbers where it is easy to be wrong, casts, select; storage types of ir/sample.h. */
#include <math.h>

#include "tests/interp/fixture.h"
#include "tests/support/check.h"

typedef struct Case {
    PlaitOp op;
    PlaitScalar scalar; /* of the operands */
    double x, y, expected;
} Case;

#define INF ((double)INFINITY)
#define F(id, x, y, expected)                                                                                          \
    {                                                                                                                  \
        PLAIT_OP_##id, PLAIT_F32, x, y, expected                                                                       \
    }
#define I(id, x, y, expected)                                                                                          \
    {                                                                                                                  \
        PLAIT_OP_##id, PLAIT_I32, x, y, expected                                                                       \
    }
#define B(id, x, y, expected)                                                                                          \
    {                                                                                                                  \
        PLAIT_OP_##id, PLAIT_BOOL, x, y, expected                                                                      \
    }
static const double least = INT32_MIN, most = INT32_MAX;
#define NANS ((double)NAN)

static const Case cases[] = {F(NEG, 2, 0, -2),
                             I(NEG, INT32_MIN, 0, INT32_MIN),
                             F(ABS, -3, 0, 3),
                             I(ABS, INT32_MIN, 0, INT32_MIN),
                             F(EXP, 0, 0, 1),
                             F(EXP, -INF, 0, 0),
                             F(EXP2, 3, 0, 8),
                             F(EXP2, -INF, 0, 0),
                             F(EXPM1, 1e-30, 0, 1e-30),
                             F(LOG, 0, 0, -INF),
                             F(LOG, -1, 0, NANS),
                             F(LOG1P, 1e-30, 0, 1e-30),
                             F(SQRT, 9, 0, 3),
                             F(SQRT, -1, 0, NANS),
                             F(RSQRT, 16, 0, 0.25),
                             F(RSQRT, 0, 0, INF),
                             F(SIN, 0, 0, 0),
                             F(COS, 0, 0, 1),
                             F(TANH, INF, 0, 1),
                             F(TANH_APPROX, -INF, 0, -1),
                             F(ERF, -INF, 0, -1),
                             F(FLOOR, -0.5, 0, -1),
                             F(CEIL, 0.5, 0, 1),
                             F(ROUND, 2.5, 0, 2),
                             F(ROUND, 3.5, 0, 4),
                             F(ROUND, -0.5, 0, 0),
                             F(ADD, 1, 2, 3),
                             I(ADD, INT32_MAX, 1, INT32_MIN),
                             F(SUB, 1, 2, -1),
                             I(SUB, INT32_MIN, 1, INT32_MAX),
                             F(MUL, 3, 4, 12),
                             I(MUL, 65536, 65536, 0),
                             I(MUL, INT32_MAX, INT32_MAX, 1),
                             F(DIV, 1, 4, 0.25),
                             F(DIV, 1, 0, INF),
                             F(FLOORDIV, -7, 2, -4),
                             I(FLOORDIV, -7, 2, -4),
                             I(FLOORDIV, 7, -2, -4),
                             I(FLOORDIV, -8, 2, -4),
                             I(FLOORDIV, 5, 0, 0),
                             I(FLOORDIV, INT32_MIN, -1, INT32_MIN),
                             F(MOD, -7, 3, 2),
                             F(MOD, 7, -3, -2),
                             I(MOD, -7, 3, 2),
                             I(MOD, 7, -3, -2),
                             I(MOD, 6, 3, 0),
                             I(MOD, 5, 0, 0),
                             I(MOD, INT32_MIN, -1, 0),
                             F(POW, 2, -2, 0.25),
                             F(POW, NANS, 0, 1),
                             F(POW, -2, 3, -8),
                             F(POW, -2, 0.5, NANS),
                             F(MIN, 1, NANS, 1),
                             F(MIN, NANS, 2, 2),
                             F(MAX, 1, NANS, 1),
                             F(MAX, -1, 2, 2),
                             I(MIN, -5, 3, -5),
                             I(MAX, -5, 3, 3),
                             F(LT, 1, 2, 1),
                             F(LT, 1, NANS, 0),
                             I(LT, 2, 1, 0),
                             B(LT, 0, 1, 1),
                             F(LE, 1, 1, 1),
                             F(LE, NANS, NANS, 0),
                             F(GT, 2, 1, 1),
                             F(GT, NANS, 1, 0),
                             F(GE, 1, 1, 1),
                             F(GE, 1, NANS, 0),
                             F(EQ, 1, 1, 1),
                             F(EQ, NANS, NANS, 0),
                             F(NE, 1, 1, 0),
                             F(NE, NANS, NANS, 1),
                             B(EQ, 1, 0, 0),
                             B(AND, 1, 1, 1),
                             B(AND, 1, 0, 0),
                             B(OR, 0, 1, 1),
                             B(OR, 0, 0, 0),
                             B(NOT, 0, 0, 1),
                             B(NOT, 1, 0, 0)};

static bool same(double x, double y) { return x == y || (isnan(x) && isnan(y)); }

/* Interprets an operator of two parameters that are its only inputs. */
static double interpret_pair(Fixture *fixture, double x, double y)
{
    PlaitArray inputs[2], output;
    for (uint32_t i = 0; i < 2; i++)
        plait_array_create(&inputs[i], plait_type_of(fixture->function, fixture->function->params.data[i]), NULL);
    inputs[0].data[0] = x;
    inputs[1].data[0] = y;
    CHECK(plait_interpret(fixture->function, fixture->extents, inputs, &output, 1));
    double result = output.data[0];
    plait_array_free(&output);
    plait_arrays_free(inputs, 2);
    return result;
}

static void open_pair(Fixture *fixture, const char *op, const char *from, const char *to, bool both)
{
    char text[1000];
    snprintf(text, sizeof text,
             "operator @pair {\n  %%1 = param {name = \"x\", number = nan} : %s\n"
             "  %%2 = param {name = \"y\", number = nan} : %s\n  %%3 = %s %%1%s : %s\n"
             "  output \"z\" : %s = %%3\n}\n",
             from, from, op, both ? ", %2" : "", to, to);
    fixture_open(fixture, text);
}

static void test_case(const Case *c)
{
    Fixture fixture;
    PlaitScalar result = c->scalar;
    plait_scalar_result(c->op, c->scalar, &result);
    const PlaitOpInfo *info = plait_op_info(c->op);
    open_pair(&fixture, info->text, plait_scalar_text(c->scalar), plait_scalar_text(result), info->least_operands == 2);
    double z = interpret_pair(&fixture, c->x, c->y);
    CHECK(same(z, c->expected));
    if (!same(z, c->expected)) fprintf(stderr, "%s %g %g: %g, not %g\n", info->text, c->x, c->y, z, c->expected);
    fixture_close(&fixture);
}

/* A row without a case would go unnoticed. */
static void test_all_rows(void)
{
    for (int op = 1; op < PLAIT_OP_COUNT; op++) {
        bool found = !plait_op_is_scalar((PlaitOp)op);
        for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) found |= cases[i].op == (PlaitOp)op;
        CHECK(found);
        if (!found) fprintf(stderr, "no case for %s\n", plait_op_info((PlaitOp)op)->text);
    }
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) test_case(&cases[i]);
}

static void check_cast(const char *from, const char *to, double x, double expected)
{
    Fixture fixture;
    open_pair(&fixture, "cast", from, to, false);
    CHECK(same(interpret_pair(&fixture, x, x), expected));
    fixture_close(&fixture);
}

static void test_casts(void)
{
    check_cast("f32", "i32", 2.9, 2);
    check_cast("f32", "i32", -2.9, -2);
    check_cast("f32", "i32", 1e20, most);
    check_cast("f32", "i32", -INF, least);
    check_cast("f32", "i32", NANS, 0);
    check_cast("f32", "bool", 0.25, 1);
    check_cast("f32", "bool", NANS, 1);
    check_cast("i32", "bool", 0, 0);
    check_cast("bool", "f32", 1, 1);
    check_cast("i32", "f32", least, least);
    check_cast("f32", "bf16", 1.2345678, 1.2345678); /* no rounding in the interpreter */
}

static void check_storage(PlaitScalar scalar, double number, double expected)
{
    unsigned char bytes[8] = {0};
    CHECK(same(plait_scalar_round(scalar, number), expected));
    plait_scalar_store(scalar, number, bytes);
    CHECK(same(plait_scalar_load(scalar, bytes), expected));
}

static void test_storage(void)
{
    check_storage(PLAIT_BF16, 1.00390625, 1);        /* halfway to 1.0078125: to even */
    check_storage(PLAIT_BF16, 1.01171875, 1.015625); /* halfway again */
    check_storage(PLAIT_BF16, 3.4e38, INF);          /* beyond the largest, 3.39e38 */
    check_storage(PLAIT_BF16, -0x1p-133, -0x1p-133); /* the smallest */
    check_storage(PLAIT_BF16, NANS, NANS);
    check_storage(PLAIT_F16, 65504, 65504);
    check_storage(PLAIT_F16, 65519.9, 65504);
    check_storage(PLAIT_F16, 65520, INF);
    check_storage(PLAIT_F16, -0x1p-24, -0x1p-24);
    check_storage(PLAIT_F16, 0x1p-25, 0);
    check_storage(PLAIT_F16, 0x1.002p-14, 0x1p-14);
    check_storage(PLAIT_F16, 1.0 / 3, 0.333251953125);
    check_storage(PLAIT_F16, -INF, -INF);
    check_storage(PLAIT_F32, 0.1, (double)0.1f);
    check_storage(PLAIT_F32, 1e39, INF);
    check_storage(PLAIT_F32, 0x1p-149, 0x1p-149);
    check_storage(PLAIT_F64, 0.1, 0.1);
    check_storage(PLAIT_I32, -1e20, least);
    check_storage(PLAIT_I32, 7, 7);
    check_storage(PLAIT_I64, -0x1p40, -0x1p40);
    check_storage(PLAIT_BOOL, 0.5, 1);
    uint32_t wrong = 0;
    for (uint32_t bits = 0; bits < 0x10000; bits++) { /* every number of the 16-bit types comes back */
        uint16_t half = (uint16_t)bits, back = 0;
        plait_scalar_store(PLAIT_F16, plait_scalar_load(PLAIT_F16, &half), &back);
        wrong += (half & 0x7FFF) <= 0x7C00 && back != half;
        plait_scalar_store(PLAIT_BF16, plait_scalar_load(PLAIT_BF16, &half), &back);
        wrong += (half & 0x7FFF) <= 0x7F80 && back != half;
    }
    CHECK(wrong == 0);
}

static PlaitArray array_of(double *data, int64_t count)
{
    return (PlaitArray){.type = {.scalar = PLAIT_F32, .rank = 1}, .sizes = {count}, .count = count, .data = data};
}

static void test_error(void)
{
    double reference[] = {3, -4, INF, NANS}, other[] = {3, -4, INF, NANS};
    PlaitArray x = array_of(other, 4), y = array_of(reference, 4);
    CHECK(plait_relative_error(&x, &y) == 0);
    other[0] = 3.5;
    CHECK(fabs(plait_relative_error(&x, &y) - 0.1) < 1e-15);
    other[3] = 1;
    CHECK(isinf(plait_relative_error(&x, &y)));
    double zeros[] = {0, 0}, small[] = {0, 1e-9};
    x = array_of(small, 2), y = array_of(zeros, 2);
    CHECK(isinf(plait_relative_error(&x, &y)));
    CHECK(plait_relative_error(&y, &y) == 0);
    x.count = y.count = 0;
    CHECK(plait_relative_error(&x, &y) == 0);
    double exact[] = {1.00390625}, down[] = {1}, up[] = {1.0078125}, far[] = {1.015625}; /* halfway between two bf16 */
    y = array_of(exact, 1);
    y.type.scalar = PLAIT_BF16;
    x = array_of(down, 1);
    CHECK(plait_excess_error(&x, &y) == 0 && plait_relative_error(&x, &y) > 3.8e-3);
    x = array_of(up, 1);
    CHECK(plait_excess_error(&x, &y) == 0);
    x = array_of(far, 1);
    CHECK(fabs(plait_excess_error(&x, &y) - 0.0078125 / 1.00390625) < 1e-15);
}

static void test_random(void)
{
    PlaitRandom random = plait_random(1, 2), other = plait_random(1, 3);
    CHECK(plait_random_bits(&random) != plait_random_bits(&other));
    double sum = 0, squares = 0;
    uint32_t counts[7] = {0};
    for (int i = 0; i < 100000; i++) {
        double x = plait_random_normal(&random);
        sum += x;
        squares += x * x;
        counts[plait_random_below(&other, 7)]++;
    }
    for (int i = 0; i < 7; i++) CHECK(counts[i] > 13000 && counts[i] < 15500);
    CHECK(fabs(sum / 1e5) < 0.02 && fabs(squares / 1e5 - 1) < 0.02);
}

int main(void)
{
    test_all_rows();
    test_casts();
    test_storage();
    test_error();
    test_random();
    return check_report();
}
