/* Scans: linear attention, the gated delta rule, backward and nested scans, against loops in C. */
#include <math.h>
#include <stdlib.h>

#include "tests/interp/fixture.h"
#include "tests/support/check.h"

/* S = S + k v, o = sum_d q S; q in another order of axes, S0 has a fallback. */
static const char linear_text[] = "operator @linear {\n"
                                  "  axis b : batch\n  axis h : head\n  axis t : time\n  axis d = 5\n  axis e = 3\n"
                                  "  %1 = param {name = \"q\", number = nan} : bf16[h, b, t, d]\n"
                                  "  %2 = param {name = \"k\", number = nan} : bf16[b, t, h, d]\n"
                                  "  %3 = param {name = \"v\", number = nan} : f32[b, t, h, e]\n"
                                  "  %4 = param {name = \"S0\", number = 0.5} : f32[b, h, d, e]\n"
                                  "  %5 = cast %1 : f32[b, t, h, d]\n"
                                  "  %6 = cast %2 : f32[b, t, h, d]\n"
                                  "  %7 = scan %4 {axes = [t], ints = [1]} (%8 : f32[b, t, h, d, e]) {\n"
                                  "    %9 = mul %6, %3 : f32[b, t, h, d, e]\n"
                                  "    %10 = add %8, %9 : f32[b, t, h, d, e]\n"
                                  "    %11 = mul %5, %10 : f32[b, t, h, d, e]\n"
                                  "    %12 = reduce.sum %11 {axes = [d]} : f32[b, t, h, e]\n"
                                  "    yield %10, %12\n  }\n"
                                  "  %13 = result %7 {ints = [0]} : f32[b, h, d, e]\n"
                                  "  %14 = result %7 {ints = [1]} : f32[b, t, h, e]\n"
                                  "  output \"o\" : f32[b, t, h, e] = %14\n"
                                  "  output \"S\" : f32[b, h, e, d] = %13\n}\n";

static void linear_formula(const Fixture *f, PlaitArray *expected)
{
    int64_t B = fixture_extent(f, "b"), H = fixture_extent(f, "h"), T = fixture_extent(f, "t"), i = 0;
    const PlaitArray *x = f->inputs;
    for (int64_t b = 0; b < B; b++)
        for (int64_t t = 0; t < T; t++)
            for (int64_t h = 0; h < H; h++)
                for (int64_t e = 0; e < 3; e++, i++)
                    for (int64_t d = 0; d < 5; d++) {
                        double state = x[3].data ? AT(x[3], b, h, d, e) : 0.5;
                        for (int64_t u = 0; u <= t; u++) state += AT(x[1], b, u, h, d) * AT(x[2], b, u, h, e);
                        expected[0].data[i] += AT(x[0], h, b, t, d) * state;
                    }
    i = 0;
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < H; h++)
            for (int64_t e = 0; e < 3; e++)
                for (int64_t d = 0; d < 5; d++, i++) {
                    expected[1].data[i] = x[3].data ? AT(x[3], b, h, d, e) : 0.5;
                    for (int64_t t = 0; t < T; t++) expected[1].data[i] += AT(x[1], b, t, h, d) * AT(x[2], b, t, h, e);
                }
}

static void test_linear(void)
{
    Fixture fixture;
    fixture_open(&fixture, linear_text);
    static const int64_t sizes[][3] = {{2, 3, 7}, {1, 1, 1}, {2, 2, 0}, {0, 2, 4}, {3, 0, 4}};
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CHECK(fixture_agrees(&fixture, sizes[i], 1, linear_formula, 1e-14));
    /* The fallback of S0. */
    fixture_run(&fixture, (int64_t[]){2, 2, 6}, 3, 1);
    plait_arrays_free(fixture.outputs, 2);
    plait_array_free(&fixture.inputs[3]);
    CHECK(plait_interpret(fixture.function, fixture.extents, fixture.inputs, fixture.outputs, 1));
    PlaitArray expected[2];
    for (uint32_t i = 0; i < 2; i++) {
        plait_array_create(&expected[i], fixture.function->outputs.data[i].type, fixture.extents);
        memset(expected[i].data, 0, (size_t)expected[i].count * sizeof(double));
    }
    linear_formula(&fixture, expected);
    CHECK(plait_relative_error(&fixture.outputs[0], &expected[0]) < 1e-14);
    CHECK(plait_relative_error(&fixture.outputs[1], &expected[1]) < 1e-14);
    plait_arrays_free(expected, 2);
    fixture_close(&fixture);
}

/* S = a S; S = S + beta k (v - sum_d k S); o = sum_d q S. Gated DeltaNet, Yang et al., 2024. */
static const char delta_text[] = "operator @delta {\n"
                                 "  axis b : batch\n  axis h : head\n  axis t : time\n  axis d\n  axis e\n"
                                 "  %1 = param {name = \"q\", number = nan} : f32[b, t, h, d]\n"
                                 "  %2 = param {name = \"k\", number = nan} : f32[b, t, h, d]\n"
                                 "  %3 = param {name = \"v\", number = nan} : f32[b, t, h, e]\n"
                                 "  %4 = param {name = \"a\", number = nan} : f32[b, t, h]\n"
                                 "  %5 = const {number = 0} : f32\n"
                                 "  %6 = const {number = 0.125} : f32\n"
                                 "  %7 = mul %2, %6 : f32[b, t, h, d]\n"
                                 "  %8 = tanh %4 : f32[b, t, h]\n"
                                 "  %9 = scan %5 {axes = [t], ints = [1]} (%10 : f32[b, t, h, d, e]) {\n"
                                 "    %11 = mul %8, %10 : f32[b, t, h, d, e]\n"
                                 "    %12 = mul %7, %11 : f32[b, t, h, d, e]\n"
                                 "    %13 = reduce.sum %12 {axes = [d]} : f32[b, t, h, e]\n"
                                 "    %14 = sub %3, %13 : f32[b, t, h, e]\n"
                                 "    %15 = mul %7, %14 : f32[b, t, h, d, e]\n"
                                 "    %16 = add %11, %15 : f32[b, t, h, d, e]\n"
                                 "    %17 = mul %1, %16 : f32[b, t, h, d, e]\n"
                                 "    %18 = reduce.sum %17 {axes = [d]} : f32[b, t, h, e]\n"
                                 "    yield %16, %18\n  }\n"
                                 "  %19 = result %9 {ints = [1]} : f32[b, t, h, e]\n"
                                 "  output \"o\" : f32[b, h, t, e] = %19\n}\n";

static void delta_formula(const Fixture *f, PlaitArray *expected)
{
    int64_t B = fixture_extent(f, "b"), H = fixture_extent(f, "h"), T = fixture_extent(f, "t");
    int64_t D = fixture_extent(f, "d"), E = fixture_extent(f, "e");
    const PlaitArray *x = f->inputs;
    double *S = malloc((size_t)D * sizeof *S);
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < H; h++)
            for (int64_t e = 0; e < E; e++) { /* columns e of the state do not meet */
                for (int64_t d = 0; d < D; d++) S[d] = 0;
                for (int64_t t = 0; t < T; t++) {
                    double prediction = 0, o = 0, a = tanh(AT(x[3], b, t, h));
                    for (int64_t d = 0; d < D; d++) prediction += AT(x[1], b, t, h, d) / 8 * (S[d] *= a);
                    for (int64_t d = 0; d < D; d++) {
                        S[d] += AT(x[1], b, t, h, d) / 8 * (AT(x[2], b, t, h, e) - prediction);
                        o += AT(x[0], b, t, h, d) * S[d];
                    }
                    expected[0].data[((b * H + h) * T + t) * E + e] = o;
                }
            }
    free(S);
}

/* The last size is large enough that the interpreter takes b and h one position at a time. */
static void test_delta(void)
{
    Fixture fixture;
    fixture_open(&fixture, delta_text);
    static const int64_t sizes[][5] = {
        {2, 2, 9, 4, 3}, {1, 1, 0, 3, 3}, {1, 2, 5, 0, 2}, {1, 2, 5, 2, 0}, {3, 4, 400, 20, 260}};
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CHECK(fixture_agrees(&fixture, sizes[i], 1, delta_formula, 1e-12));
    fixture_close(&fixture);
}

/* Backward, two carries that feed each other, exclusive reading, initial value with fewer axes, an output that lacks t,
 * a scan in a scan: n[t] = sum_{u <= t} of reversed x, in the region read at its token. */
static const char mixed_text[] = "operator @mixed {\n"
                                 "  axis t : time\n  axis d = 3\n"
                                 "  %1 = param {name = \"x\", number = nan} : f64[t, d]\n"
                                 "  %2 = param {name = \"m0\", number = nan} : f64\n"
                                 "  %3 = const {number = 1} : f64\n"
                                 "  %4 = const {number = 0.5} : f64\n"
                                 "  %5 = scan %2, %3 {axes = [t], ints = [-1]} (%6 : f64[t, d], %7 : f64[t]) {\n"
                                 "    %8 = scan %4 {axes = [t], ints = [1]} (%9 : f64[t]) {\n"
                                 "      %10 = reduce.sum %1 {axes = [d]} : f64[t]\n"
                                 "      %11 = mul %9, %4 : f64[t]\n"
                                 "      %12 = add %11, %10 : f64[t]\n"
                                 "      yield %12, %12\n    }\n"
                                 "    %13 = result %8 {ints = [1]} : f64[t]\n"
                                 "    %14 = mul %6, %4 : f64[t, d]\n"
                                 "    %15 = add %14, %1 : f64[t, d]\n"
                                 "    %16 = add %15, %7 : f64[t, d]\n"
                                 "    %17 = reduce.max %6 {axes = [d]} : f64[t]\n"
                                 "    %18 = tanh %17 : f64[t]\n"
                                 "    %19 = mul %1, %4 : f64[t, d]\n"
                                 "    %20 = reduce.sum %19 {axes = [t]} : f64[d]\n"
                                 "    %21 = add %6, %13 : f64[t, d]\n"
                                 "    yield %16, %18, %21, %20\n  }\n"
                                 "  %22 = result %5 {ints = [0]} : f64[d]\n"
                                 "  %23 = result %5 {ints = [1]} : f64\n"
                                 "  %24 = result %5 {ints = [2]} : f64[t, d]\n"
                                 "  %25 = result %5 {ints = [3]} : f64[d]\n"
                                 "  output \"m\" : f64[d] = %22\n  output \"n\" : f64 = %23\n"
                                 "  output \"y\" : f64[d, t] = %24\n  output \"half\" : f64[d] = %25\n}\n";

static void mixed_formula(const Fixture *f, PlaitArray *expected)
{
    int64_t T = fixture_extent(f, "t");
    const PlaitArray *x = f->inputs;
    double m[3], n = 1, *inner = malloc(((size_t)T + 1) * sizeof *inner), running = 0.5;
    for (int64_t t = 0; t < T; t++) inner[t] = running = running / 2 + AT(x[0], t, 0) + AT(x[0], t, 1) + AT(x[0], t, 2);
    for (int d = 0; d < 3; d++) m[d] = x[1].data[0];
    for (int64_t t = T; t-- > 0;) {
        double next = tanh(fmax(m[0], fmax(m[1], m[2])));
        for (int d = 0; d < 3; d++) {
            expected[2].data[d * T + t] = m[d] + inner[t];
            expected[3].data[d] += AT(x[0], t, d) / 2;
            m[d] = m[d] / 2 + AT(x[0], t, d) + n;
        }
        n = next;
    }
    for (int d = 0; d < 3; d++) expected[0].data[d] = m[d];
    expected[1].data[0] = n;
    free(inner);
}

static void test_mixed(void)
{
    Fixture fixture;
    fixture_open(&fixture, mixed_text);
    for (int64_t t = 0; t < 12; t++) CHECK(fixture_agrees(&fixture, &t, 1, mixed_formula, 1e-14));
    fixture_close(&fixture);
}

int main(void)
{
    test_linear();
    test_delta();
    test_mixed();
    return check_report();
}
