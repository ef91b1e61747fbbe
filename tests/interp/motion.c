/* Convolutions, gathers, reductions and kernels against loops in C, and reductions of nothing. */
#include <math.h>

#include "tests/interp/fixture.h"
#include "tests/support/check.h"

/* A short convolution outside and (of a value made there) inside a scan, a long one whose filter has a batch axis. */
static const char conv_text[] = "operator @convolutions {\n"
                                "  axis b : batch\n  axis t : time\n  axis d = 3\n  axis w = 4\n"
                                "  %1 = param {name = \"x\", number = nan} : f32[b, t, d]\n"
                                "  %2 = param {name = \"short\", number = nan} : f32[w, d]\n"
                                "  %3 = param {name = \"long\", number = nan} : f32[d, t, b]\n"
                                "  %4 = conv %1, %2 {axes = [t, w]} : f32[b, t, d]\n"
                                "  %5 = conv %1, %3 {axes = [t, t]} : f32[d, b, t]\n"
                                "  %6 = const {number = 0} : f32\n"
                                "  %7 = scan %6 {axes = [t], ints = [1]} (%8 : f32[t, b, d]) {\n"
                                "    %9 = abs %1 : f32[b, t, d]\n"
                                "    %10 = conv %9, %2 {axes = [t, w]} : f32[b, t, d]\n"
                                "    %11 = add %8, %10 : f32[b, t, d]\n"
                                "    yield %11, %11\n  }\n"
                                "  %12 = result %7 {ints = [1]} : f32[b, t, d]\n"
                                "  output \"short\" : f32[b, t, d] = %4\n"
                                "  output \"long\" : f32[b, t, d] = %5\n"
                                "  output \"sum\" : f32[b, t, d] = %12\n}\n";

static void conv_formula(const Fixture *f, PlaitArray *expected)
{
    int64_t B = fixture_extent(f, "b"), T = fixture_extent(f, "t"), i = 0;
    const PlaitArray *x = f->inputs;
    for (int64_t b = 0; b < B; b++)
        for (int64_t t = 0; t < T; t++)
            for (int64_t d = 0; d < 3; d++, i++) {
                double before = t ? expected[2].data[i - 3] : 0;
                expected[2].data[i] = before;
                for (int64_t j = 0; j < 4; j++) {
                    if (t - 3 + j < 0) continue;
                    expected[0].data[i] += AT(x[1], j, d) * AT(x[0], b, t - 3 + j, d);
                    expected[2].data[i] += AT(x[1], j, d) * fabs(AT(x[0], b, t - 3 + j, d));
                }
                for (int64_t s = 0; s <= t; s++) expected[1].data[i] += AT(x[2], d, t - s, b) * AT(x[0], b, s, d);
            }
}

static void test_conv(void)
{
    Fixture fixture;
    fixture_open(&fixture, conv_text);
    static const int64_t sizes[][2] = {{2, 11}, {1, 1}, {1, 3}, {3, 0}, {0, 5}};
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CHECK(fixture_agrees(&fixture, sizes[i], 1, conv_formula, 1e-14));
    fixture_close(&fixture);
}

/* Gathers: the token before, positions from data (some outside), along a feature axis by [b, t], in a kernel. */
static const char gather_text[] = "operator @gathers {\n"
                                  "  axis b : batch\n  axis t : time\n  axis d = 6\n"
                                  "  %1 = param {name = \"x\", number = nan} : f32[d, b, t]\n"
                                  "  %2 = param {name = \"p\", number = nan} : i32[b, t]\n"
                                  "  %3 = iota {axes = [t]} : i32[t]\n"
                                  "  %4 = const {number = 1} : i32\n"
                                  "  %5 = sub %3, %4 : i32[t]\n"
                                  "  %6 = kernel {name = \"first\"} () {\n"
                                  "    %7 = gather %1, %5 {axes = [t]} : f32[d, b, t]\n"
                                  "    %8 = sub %2, %4 : i32[b, t]\n"
                                  "    yield %7, %8\n  }\n"
                                  "  %9 = result %6 {ints = [0]} : f32[b, d, t]\n"
                                  "  %10 = result %6 {ints = [1]} : i32[t, b]\n"
                                  "  %11 = gather %1, %10 {axes = [d]} : f32[b, t]\n"
                                  "  %12 = gather %1, %10 {axes = [t]} : f32[d, b, t]\n"
                                  "  output \"before\" : f32[b, t, d] = %9\n"
                                  "  output \"feature\" : f32[b, t] = %11\n"
                                  "  output \"there\" : f32[b, t, d] = %12\n}\n";

static void gather_formula(const Fixture *f, PlaitArray *expected)
{
    int64_t B = fixture_extent(f, "b"), T = fixture_extent(f, "t");
    const PlaitArray *x = f->inputs;
    for (int64_t b = 0; b < B; b++)
        for (int64_t t = 0; t < T; t++) {
            int64_t p = (int64_t)AT(x[1], b, t) - 1, i = b * T + t;
            expected[1].data[i] = p >= 0 && p < 6 ? AT(x[0], p, b, t) : 0;
            for (int64_t d = 0; d < 6; d++) {
                expected[0].data[i * 6 + d] = t ? AT(x[0], d, b, t - 1) : 0;
                expected[2].data[i * 6 + d] = p >= 0 && p < T ? AT(x[0], d, b, p) : 0;
            }
        }
}

static void test_gather(void)
{
    Fixture fixture;
    fixture_open(&fixture, gather_text);
    /* In the last size a gathered value is too large to be kept: it is computed in pieces. */
    static const int64_t sizes[][2] = {{2, 11}, {1, 1}, {2, 4}, {3, 0}, {0, 5}, {1, 200000}};
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CHECK(fixture_agrees(&fixture, sizes[i], 1, gather_formula, 0));
    fixture_close(&fixture);
}

/* All reductions, over two axes at once, with a mask that has an axis more, in both kinds of numbers. */
#define REDUCE_FOUR(n, x, mask, type)                                                                                  \
    "  %" n "1 = reduce.sum " x mask " {axes = [t, d]} : " type "\n"                                                   \
    "  %" n "2 = reduce.prod " x mask " {axes = [d, t]} : " type "\n"                                                  \
    "  %" n "3 = reduce.max " x mask " {axes = [t, d]} : " type "\n"                                                   \
    "  %" n "4 = reduce.min " x mask " {axes = [t, d]} : " type "\n"
#define OUTPUT_FOUR(n, type)                                                                                           \
    "  output \"a" n "\" : " type " = %" n "1\n  output \"b" n "\" : " type " = %" n "2\n"                             \
    "  output \"c" n "\" : " type " = %" n "3\n  output \"d" n "\" : " type " = %" n "4\n"
static const char reduce_text[] = "operator @reductions {\n"
                                  "  axis t : time\n  axis d = 3\n  axis m : batch\n"
                                  "  %1 = param {name = \"x\", number = nan} : f32[t, d]\n"
                                  "  %2 = param {name = \"n\", number = nan} : i32[d, t]\n"
                                  "  %3 = param {name = \"where\", number = nan} : bool[m, t]\n" //
    REDUCE_FOUR("1", "%1", "", "f32") REDUCE_FOUR("2", "%2", "", "i32") REDUCE_FOUR("3", "%1", ", %3", "f32[m]")
        REDUCE_FOUR("4", "%2", ", %3", "i32[m]") OUTPUT_FOUR("1", "f32") OUTPUT_FOUR("2", "i32")
            OUTPUT_FOUR("3", "f32[m]") OUTPUT_FOUR("4", "i32[m]") "}\n";

/* Four results from position `out` of the outputs on, for row `m` of the mask (-1: none). */
static void reduce_row(const Fixture *f, PlaitArray *expected, uint32_t out, int64_t m, bool integer)
{
    double sum = 0, product = 1, most = integer ? INT32_MIN : -(double)INFINITY;
    double least = integer ? INT32_MAX : (double)INFINITY;
    for (int64_t t = 0; t < fixture_extent(f, "t"); t++)
        for (int64_t d = 0; d < 3; d++) {
            double x = integer ? AT(f->inputs[1], d, t) : AT(f->inputs[0], t, d);
            if (m >= 0 && AT(f->inputs[2], m, t) == 0) continue;
            sum += x;
            product *= x;
            if (integer) product = (double)(int32_t)(uint32_t)(uint64_t)(int64_t)product;
            most = fmax(most, x);
            least = fmin(least, x);
        }
    double results[] = {sum, product, most, least};
    for (uint32_t i = 0; i < 4; i++) expected[out + i].data[m < 0 ? 0 : m] = results[i];
}

static void reduce_formula(const Fixture *f, PlaitArray *expected)
{
    reduce_row(f, expected, 0, -1, false);
    reduce_row(f, expected, 4, -1, true);
    for (int64_t m = 0; m < fixture_extent(f, "m"); m++) {
        reduce_row(f, expected, 8, m, false);
        reduce_row(f, expected, 12, m, true);
    }
}

static void test_reduce(void)
{
    Fixture fixture;
    fixture_open(&fixture, reduce_text);
    static const int64_t sizes[][2] = {{13, 5}, {1, 8}, {0, 3}, {4, 0}, {700, 600}};
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CHECK(fixture_agrees(&fixture, sizes[i], 1, reduce_formula, 1e-12));
    /* NaN is neither the largest nor the smallest. */
    fixture_run(&fixture, (int64_t[]){2, 1}, 1, 1);
    plait_arrays_free(fixture.outputs, 16);
    memcpy(fixture.inputs[0].data, (double[]){NAN, 3, NAN, -2, NAN, 1}, 6 * sizeof(double));
    CHECK(plait_interpret(fixture.function, fixture.extents, fixture.inputs, fixture.outputs, 1));
    CHECK(isnan(fixture.outputs[0].data[0]) && isnan(fixture.outputs[1].data[0]));
    CHECK(fixture.outputs[2].data[0] == 3 && fixture.outputs[3].data[0] == -2);
    fixture_close(&fixture);
}

int main(void)
{
    test_conv();
    test_gather();
    test_reduce();
    return check_report();
}
