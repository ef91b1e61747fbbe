/* What plait_round_values makes of an operator: exactly C's arithmetic in float, whole numbers and infinities
 * untouched, and roundings that fall elsewhere in other draws. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/rounding.h"
#include "ir/sample.h"
#include "ir/text.h"
#include "tests/support/check.h"

enum { TOKENS = 50 };
enum { SUM, STATE, COUNT, LARGEST, OUTPUTS };

static const char text[] = "operator @f {\n  axis t : time\n"
                           "  %1 = param {name = \"x\", number = nan} : f32[t]\n"
                           "  %2 = const {number = 0.1} : f32\n"
                           "  %3 = mul %1, %2 : f32[t]\n"
                           "  %4 = add %3, %1 : f32[t]\n"
                           "  %5 = const {number = 0} : f32\n"
                           "  %6 = scan %5 {axes = [t], ints = [1]} (%7 : f32[t]) {\n"
                           "    %8 = mul %7, %2 : f32[t]\n"
                           "    %9 = add %8, %1 : f32[t]\n    yield %9\n  }\n"
                           "  %10 = result %6 {ints = [0]} : f32\n"
                           "  %11 = iota {axes = [t]} : i32[t]\n"
                           "  %12 = cast %11 : f32[t]\n"
                           "  %13 = reduce.sum %12 {axes = [t]} : f32\n"
                           "  %14 = lt %1, %1 : bool[t]\n"
                           "  %15 = reduce.max %1, %14 {axes = [t]} : f32\n"
                           "  output \"sum\" : f32[t] = %4\n  output \"state\" : f32 = %10\n"
                           "  output \"count\" : f32 = %13\n  output \"largest\" : f32 = %15\n}\n";

typedef struct Subject {
    PlaitFailure failure;
    PlaitArena *arena;
    PlaitSources sources;
    PlaitNames names;
    PlaitDiagnostics diagnostics;
} Subject;

static PlaitFunction *read(Subject *subject)
{
    uint32_t source = plait_sources_add(&subject->sources, "test.sir", text, (uint32_t)strlen(text));
    PlaitModule *module = plait_module_parse(subject->arena, &subject->names, &subject->diagnostics, source);
    if (!module) abort();
    return module->functions.data[0];
}

static void run(Subject *subject, uint64_t draw, const PlaitArray *x, PlaitArray *outputs)
{
    PlaitFunction *function = read(subject);
    plait_round_values(function, draw);
    CHECK(plait_function_verify(function));
    if (!plait_interpret(function, (int64_t[]){TOKENS}, x, outputs, 1)) abort();
    CHECK(outputs[COUNT].data[0] == TOKENS * (TOKENS - 1) / 2);
    CHECK(outputs[LARGEST].data[0] == -(double)INFINITY);
}

/* One rounding an operation: a product that is added to is not fused with the sum. */
static void check_float(const PlaitArray *x, const PlaitArray *outputs)
{
    volatile float state = 0, product;
    for (int i = 0; i < TOKENS; i++) {
        volatile float number = (float)x->data[i], sum;
        product = number * 0.1F;
        sum = product + number;
        CHECK(outputs[SUM].data[i] == (double)sum);
        product = state * 0.1F;
        state = product + number;
    }
    CHECK(outputs[STATE].data[0] == (double)state);
}

int main(void)
{
    Subject subject = {0};
    subject.arena = plait_arena_create(&subject.failure);
    if (!subject.arena || !PLAIT_TRY(&subject.failure)) return 2;
    subject.sources.arena = subject.names.arena = subject.diagnostics.arena = subject.arena;
    subject.diagnostics.sources = &subject.sources;
    PlaitArray x, rounded[OUTPUTS], moved[OUTPUTS];
    if (!plait_sample_inputs(read(&subject), (int64_t[]){TOKENS}, 1, &x)) abort();
    run(&subject, 0, &x, rounded);
    check_float(&x, rounded);
    run(&subject, 1, &x, moved);
    double error = plait_relative_error(&moved[SUM], &rounded[SUM]);
    CHECK(error > 0 && error < 2e-7);
    plait_arrays_free(rounded, OUTPUTS);
    plait_arrays_free(moved, OUTPUTS);
    plait_array_free(&x);
    plait_arena_destroy(subject.arena);
    return check_report();
}
