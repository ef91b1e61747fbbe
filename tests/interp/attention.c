/* Reductions over a second time axis: softmax attention as masked reductions and as a fold, against loops in C. */
#include <math.h>
#include <stdlib.h>

#include "tests/interp/fixture.h"
#include "tests/support/check.h"

#define HEAD                                                                                                           \
    "  axis b : batch\n  axis h : head\n  axis t : time\n  axis d = 8\n  axis e = 5\n  axis s : time same t\n"         \
    "  %1 = param {name = \"q\", number = nan} : f32[b, t, h, d]\n"                                                    \
    "  %2 = param {name = \"k\", number = nan} : f32[b, t, h, d]\n"                                                    \
    "  %3 = param {name = \"v\", number = nan} : f32[b, t, h, e]\n"                                                    \
    "  %4 = param {name = \"doc\", number = nan} : i32[b, t]\n"

/* The score, the value at s and the mask `s <= t and doc@s == doc`. */
#define SCORE                                                                                                          \
    "  %5 = iota {axes = [s]} : i32[s]\n"                                                                              \
    "  %6 = iota {axes = [t]} : i32[t]\n"                                                                              \
    "  %7 = gather %2, %5 {axes = [t]} : f32[b, h, d, s]\n"                                                            \
    "  %8 = mul %1, %7 : f32[b, t, h, d, s]\n"                                                                         \
    "  %9 = reduce.sum %8 {axes = [d]} : f32[b, t, h, s]\n"                                                            \
    "  %10 = gather %3, %5 {axes = [t]} : f32[b, h, e, s]\n"                                                           \
    "  %11 = le %5, %6 : bool[s, t]\n"                                                                                 \
    "  %12 = gather %4, %5 {axes = [t]} : i32[b, s]\n"                                                                 \
    "  %13 = eq %12, %4 : bool[b, s, t]\n"                                                                             \
    "  %14 = and %11, %13 : bool[s, t, b]\n"

static const char softmax_text[] =
    "operator @softmax {\n" HEAD SCORE "  %15 = reduce.max %9, %14 {axes = [s]} : f32[b, t, h]\n"
    "  %16 = sub %9, %15 : f32[b, t, h, s]\n"
    "  %17 = exp %16 : f32[b, t, h, s]\n"
    "  %18 = reduce.sum %17, %14 {axes = [s]} : f32[b, t, h]\n"
    "  %19 = div %17, %18 : f32[b, t, h, s]\n"
    "  %20 = mul %19, %10 : f32[b, t, h, s, e]\n"
    "  %21 = reduce.sum %20, %14 {axes = [s]} : f32[b, t, h, e]\n"
    "  output \"o\" : f32[b, t, h, e] = %21\n}\n";

/* Milakov and Gimelshein, 2018: maximum, sum and weighted sum so far, rescaled when the maximum grows. */
static const char fold_text[] = "operator @folded {\n" HEAD "  %30 = const {number = -inf} : f32\n"
                                "  %31 = const {number = 0} : f32\n"
                                "  %32 = fold %30, %31, %31 {axes = [s]} "
                                "(%33 : f32[b, t, h], %34 : f32[b, t, h], %35 : f32[b, t, h, e]) {\n" SCORE
                                "  %36 = reduce.max %9, %14 {axes = [s]} : f32[b, t, h]\n"
                                "  %37 = max %33, %36 : f32[b, t, h]\n"
                                "  %38 = eq %37, %30 : bool[b, t, h]\n"
                                "  %39 = select %38, %31, %37 : f32[b, t, h]\n"
                                "  %40 = sub %33, %39 : f32[b, t, h]\n"
                                "  %41 = exp %40 : f32[b, t, h]\n"
                                "  %42 = sub %9, %39 : f32[b, t, h, s]\n"
                                "  %43 = exp %42 : f32[b, t, h, s]\n"
                                "  %44 = reduce.sum %43, %14 {axes = [s]} : f32[b, t, h]\n"
                                "  %45 = mul %34, %41 : f32[b, t, h]\n"
                                "  %46 = add %45, %44 : f32[b, t, h]\n"
                                "  %47 = mul %43, %10 : f32[b, t, h, s, e]\n"
                                "  %48 = reduce.sum %47, %14 {axes = [s]} : f32[b, t, h, e]\n"
                                "  %49 = mul %35, %41 : f32[b, t, h, e]\n"
                                "  %50 = add %49, %48 : f32[b, t, h, e]\n"
                                "  yield %37, %46, %50\n  }\n"
                                "  %51 = result %32 {ints = [1]} : f32[b, t, h]\n"
                                "  %52 = result %32 {ints = [2]} : f32[b, t, h, e]\n"
                                "  %53 = div %52, %51 : f32[b, t, h, e]\n"
                                "  output \"o\" : f32[b, t, h, e] = %53\n}\n";

static void attend(const PlaitArray *x, int64_t b, int64_t h, int64_t t, double *o)
{
    double *weight = malloc(((size_t)t + 1) * sizeof *weight), sum = 0, most = -INFINITY;
    for (int64_t s = 0; s <= t; s++) {
        weight[s] = 0;
        for (int64_t d = 0; d < 8; d++) weight[s] += AT(x[0], b, t, h, d) * AT(x[1], b, s, h, d);
        if (AT(x[3], b, t) != AT(x[3], b, s)) weight[s] = -INFINITY;
        most = fmax(most, weight[s]);
    }
    for (int64_t s = 0; s <= t; s++) sum += weight[s] = exp(weight[s] - most);
    for (int64_t s = 0; s <= t; s++)
        for (int64_t e = 0; e < 5; e++) o[e] += weight[s] / sum * AT(x[2], b, s, h, e);
    free(weight);
}

static void attention_formula(const Fixture *f, PlaitArray *expected)
{
    int64_t B = fixture_extent(f, "b"), H = fixture_extent(f, "h"), T = fixture_extent(f, "t");
    for (int64_t b = 0; b < B; b++)
        for (int64_t t = 0; t < T; t++)
            for (int64_t h = 0; h < H; h++) attend(f->inputs, b, h, t, expected[0].data + ((b * T + t) * H + h) * 5);
}

static void test_attention(const char *text)
{
    Fixture fixture;
    fixture_open(&fixture, text);
    /* The largest has 5.8 million products: computed in pieces, b and h one position at a time. */
    static const int64_t sizes[][3] = {{1, 1, 1}, {2, 3, 9}, {1, 2, 0}, {0, 1, 3}, {2, 2, 300}};
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int64_t block = 1; block < 1000; block = block * 6 + 1)
            CHECK((i == 4 && block < 7) || fixture_agrees(&fixture, sizes[i], block, attention_formula, 1e-13));
    fixture_close(&fixture);
}

/* Attention inside a scan, over the time axis of the scan itself: every token's state is added to what the token finds
 * among earlier tokens' keys. The keys are computed in the region, so that they are gathered from there. */
static const char inside_text[] = "operator @inside {\n"
                                  "  axis t : time\n  axis d = 3\n  axis s : time same t\n"
                                  "  %1 = param {name = \"k\", number = nan} : f32[t, d]\n"
                                  "  %2 = const {number = 0} : f32\n"
                                  "  %3 = const {number = 0.25} : f32\n"
                                  "  %4 = iota {axes = [t]} : i32[t]\n"
                                  "  %5 = iota {axes = [s]} : i32[s]\n"
                                  "  %6 = scan %2 {axes = [t], ints = [1]} (%7 : f32[t, d]) {\n"
                                  "    %8 = tanh %1 : f32[t, d]\n"
                                  "    %9 = fold %2 {axes = [s]} (%10 : f32[t, d]) {\n"
                                  "      %11 = mul %8, %3 : f32[t, d]\n"
                                  "      %12 = gather %11, %5 {axes = [t]} : f32[d, s]\n"
                                  "      %13 = mul %12, %7 : f32[t, d, s]\n"
                                  "      %14 = lt %5, %4 : bool[s, t]\n"
                                  "      %15 = reduce.sum %13, %14 {axes = [s]} : f32[t, d]\n"
                                  "      %16 = add %10, %15 : f32[t, d]\n"
                                  "      yield %16\n    }\n"
                                  "    %17 = result %9 {ints = [0]} : f32[t, d]\n"
                                  "    %18 = add %17, %8 : f32[t, d]\n"
                                  "    yield %18, %18\n  }\n"
                                  "  %19 = result %6 {ints = [1]} : f32[t, d]\n"
                                  "  output \"y\" : f32[t, d] = %19\n}\n";

static void inside_formula(const Fixture *f, PlaitArray *expected)
{
    int64_t T = fixture_extent(f, "t");
    for (int64_t d = 0; d < 3; d++) {
        double state = 0;
        for (int64_t t = 0; t < T; t++) {
            double next = tanh(AT(f->inputs[0], t, d));
            for (int64_t s = 0; s < t; s++) next += tanh(AT(f->inputs[0], s, d)) / 4 * state;
            expected[0].data[t * 3 + d] = state = next;
        }
    }
}

static void test_inside(void)
{
    Fixture fixture;
    fixture_open(&fixture, inside_text);
    for (int64_t t = 0; t < 20; t += 3)
        for (int64_t block = 1; block < 30; block += 7)
            CHECK(fixture_agrees(&fixture, &t, block, inside_formula, 1e-13));
    fixture_close(&fixture);
}

int main(void)
{
    test_attention(softmax_text);
    test_attention(fold_text);
    test_inside();
    return check_report();
}
