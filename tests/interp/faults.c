/* Memory that runs out: whichever allocation of the interpreter fails, it says so, and gives back nothing and leaks
 * nothing. malloc and calloc are wrapped by the linker. */
#include <stdlib.h>

#include "tests/interp/fixture.h"
#include "tests/support/check.h"

static int64_t countdown; /* the allocation that fails when this reaches 0; negative: none does */
static int64_t balance;   /* allocations that live */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *data);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *data);

void *__wrap_malloc(size_t size)
{
    if (countdown-- == 0) return NULL;
    balance++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (countdown-- == 0) return NULL;
    balance++;
    return __real_calloc(count, size);
}

void __wrap_free(void *data)
{
    balance -= data != NULL;
    __real_free(data);
}

/* A scan, a fold, a kernel, a convolution, a gather and reductions. */
static const char text[] = "operator @everything {\n"
                           "  axis b : batch\n  axis t : time\n  axis w = 3\n  axis s : time same t\n"
                           "  %1 = param {name = \"x\", number = nan} : f32[b, t]\n"
                           "  %2 = param {name = \"w\", number = nan} : f32[w]\n"
                           "  %3 = param {name = \"z\", number = 0} : f32\n"
                           "  %4 = conv %1, %2 {axes = [t, w]} : f32[b, t]\n"
                           "  %5 = scan %3 {axes = [t], ints = [1]} (%6 : f32[b, t]) {\n"
                           "    %7 = add %6, %4 : f32[b, t]\n    yield %7, %7\n  }\n"
                           "  %8 = result %5 {ints = [1]} : f32[b, t]\n"
                           "  %9 = kernel {name = \"k\"} () {\n"
                           "    %10 = fold %3 {axes = [s]} (%11 : f32[b, t]) {\n"
                           "      %12 = iota {axes = [s]} : i32[s]\n"
                           "      %13 = gather %8, %12 {axes = [t]} : f32[b, s]\n"
                           "      %14 = mul %13, %1 : f32[b, s, t]\n"
                           "      %15 = reduce.sum %14 {axes = [s]} : f32[b, t]\n"
                           "      %16 = add %15, %11 : f32[b, t]\n      yield %16\n    }\n"
                           "    %17 = result %10 {ints = [0]} : f32[b, t]\n"
                           "    %19 = lt %17, %1 : bool[b, t]\n"
                           "    %18 = select %19, %17, %1 : f32[b, t]\n"
                           "    yield %18\n  }\n"
                           "  %20 = result %9 {ints = [0]} : f32[b, t]\n"
                           "  output \"y\" : f32[b, t] = %20\n  output \"c\" : f32[t, b] = %8\n}\n";

/* Runs with the n-th allocation failing, n = 0, 1, ..., until none does; returns how many runs failed. */
static int64_t fail_each(Fixture *fixture)
{
    for (int64_t n = 0;; n++) {
        int64_t before = balance;
        PlaitArray outputs[2];
        countdown = n;
        bool good = plait_interpret(fixture->function, fixture->extents, fixture->inputs, outputs, 2);
        bool all = countdown >= 0;
        countdown = -1;
        if (good) {
            CHECK(all);
            plait_arrays_free(outputs, 2);
        } else {
            CHECK(outputs[0].data == NULL && outputs[1].data == NULL);
        }
        CHECK(balance == before);
        if (good) return n;
    }
}

static void test_huge(const char *huge_text)
{
    Fixture fixture;
    fixture_open(&fixture, huge_text);
    PlaitArray inputs[1] = {{.data = NULL}}, output = {.data = NULL};
    fixture.extents[0] = fixture.extents[1] = (int64_t)1 << 40; /* the product overflows */
    CHECK(!plait_interpret(fixture.function, fixture.extents, inputs, &output, 1));
    CHECK(output.data == NULL);
    fixture_close(&fixture);
}

int main(void)
{
    countdown = -1;
    Fixture fixture;
    fixture_open(&fixture, text);
    CHECK(fixture_run(&fixture, (int64_t[]){2, 5}, 1, 2));
    CHECK(fail_each(&fixture) > 30);
    CHECK(fixture_run(&fixture, (int64_t[]){0, 0}, 1, 2));
    CHECK(fail_each(&fixture) > 5);
    fixture_close(&fixture);
    CHECK(balance == 0);
    test_huge("operator @huge {\n  axis a\n  axis b\n  %1 = param {name = \"x\", number = 1} : f32[a, b]\n"
              "  %2 = reduce.sum %1 {axes = [a]} : f32[b]\n  output \"y\" : f32[a, b] = %1\n}\n");
    return check_report();
}
