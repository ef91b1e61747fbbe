/* Gradients of random operators: `differentiate` against finite differences, and the passes after it against itself.
 *
 * `test_gradients FIRST COUNT` runs other seeds; the text of an operator that fails is printed. A direction beside a
 * kink says nothing (ir/difference.h); there may be few of those.
 */
#include <stdlib.h>
#include <string.h>

#include "ir/difference.h"
#include "ir/sample.h"
#include "ir/text.h"
#include "passes/passes.h"
#include "tests/fuzz/random_operator.h"
#include "tests/support/check.h"

enum { MAX_ARRAYS = 256 };

typedef struct Subject {
    PlaitFailure failure;
    PlaitArena *arena;
    PlaitSources sources;
    PlaitNames names;
    PlaitDiagnostics diagnostics;
    uint64_t seed;
    PlaitModule *forward, *backward, *passed; /* the operator, its backward, that after all passes */
    bool good;
} Subject;

static uint32_t kinks, compared;

static void complain(Subject *subject, const char *what)
{
    PlaitText text = plait_text(subject->arena);
    plait_diagnostics_print(&subject->diagnostics, &text);
    plait_module_print(subject->forward, &text);
    plait_module_print(subject->backward, &text);
    if (subject->good)
        fprintf(stderr, "seed %llu: %s\n%s\n", (unsigned long long)subject->seed, what, plait_text_string(&text));
    subject->good = false;
}

static PlaitModule *draw(Subject *subject)
{
    return plait_random_operator(subject->arena, &subject->names, &subject->diagnostics, subject->seed,
                                 PLAIT_RANDOM_ALL);
}

static const int64_t lengths[][4] = {{2, 2, 5, 4}, {1, 1, 1, 1}, {1, 2, 0, 3}, {2, 1, 7, 2}};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

/* b, h, t, then lengths of their own. */
static int64_t *extents_of(Subject *subject, const PlaitFunction *function, const int64_t *sizes)
{
    int64_t *extents = PLAIT_NEW_ARRAY(subject->arena, int64_t, function->axes.count);
    for (uint32_t i = 0; i < function->axes.count; i++) extents[i] = sizes[i < 3 ? i : 3];
    plait_extents_complete(function, extents);
    return extents;
}

static void compare_with_differences(Subject *subject, const int64_t *sizes)
{
    const PlaitFunction *forward = subject->forward->functions.data[0];
    const int64_t *extents = extents_of(subject, forward, sizes);
    PlaitArray inputs[MAX_ARRAYS];
    PlaitDifference differences[MAX_ARRAYS];
    uint32_t count;
    if (!plait_sample_inputs(forward, extents, subject->seed, inputs)) abort();
    if (!plait_gradients_compare(forward, subject->backward->functions.data[0], extents, inputs, subject->seed,
                                 differences, &count))
        abort();
    for (uint32_t i = 0; i < count; i++) {
        kinks += differences[i].kinks;
        compared += PLAIT_DIFFERENCE_DIRECTIONS;
        if (differences[i].error <= PLAIT_DIFFERENCE_LIMIT) continue;
        fprintf(stderr, "input %u: %g\n", differences[i].input, differences[i].error);
        complain(subject, "a gradient differs from finite differences");
    }
    plait_arrays_free(inputs, forward->params.count);
}

static void compare_after_passes(Subject *subject, const int64_t *sizes)
{
    const PlaitFunction *before = subject->backward->functions.data[0], *after = subject->passed->functions.data[0];
    PlaitArray inputs[MAX_ARRAYS], expected[MAX_ARRAYS], actual[MAX_ARRAYS];
    const int64_t *extents = extents_of(subject, before, sizes);
    if (!plait_sample_inputs(before, extents, subject->seed, inputs)) abort();
    if (!plait_interpret(before, extents, inputs, expected, 3)) abort();
    if (!plait_interpret(after, extents_of(subject, after, sizes), inputs, actual, 3)) abort();
    for (uint32_t i = 0; i < before->outputs.count; i++)
        if (!(plait_relative_error(&actual[i], &expected[i]) <= 1e-8) &&
            !(plait_storage_error(&actual[i], &expected[i]) <= 1e-12)) /* what cancels is 0 */
            complain(subject, "the passes change it");
    plait_arrays_free(inputs, before->params.count);
    plait_arrays_free(expected, before->outputs.count);
    plait_arrays_free(actual, before->outputs.count);
}

static bool test_seed(uint64_t seed)
{
    Subject subject = {.seed = seed, .good = true};
    subject.arena = plait_arena_create(&subject.failure);
    subject.sources.arena = subject.names.arena = subject.diagnostics.arena = subject.arena;
    subject.diagnostics.sources = &subject.sources;
    subject.forward = draw(&subject), subject.backward = draw(&subject), subject.passed = draw(&subject);
    plait_pass_differentiate(subject.backward->functions.data[0]);
    plait_pass_differentiate(subject.passed->functions.data[0]);
    if (subject.diagnostics.error_count) complain(&subject, "it is refused");
    else if (!plait_module_verify(subject.backward)) complain(&subject, "its backward breaks a rule");
    if (subject.good) {
        plait_stage_pipeline_run(subject.passed, false, &(PlaitPassOptions){.verify_each = true});
        compare_with_differences(&subject, lengths[seed % LENGTHS]);
        compare_after_passes(&subject, lengths[seed % LENGTHS]);
    }
    plait_arena_destroy(subject.arena);
    return subject.good;
}

int main(int count, char **arguments)
{
    uint64_t first = count > 1 ? strtoull(arguments[1], NULL, 10) : 0;
    uint64_t seeds = count > 2 ? strtoull(arguments[2], NULL, 10) : 300;
    for (uint64_t seed = first; seed < first + seeds; seed++) CHECK(test_seed(seed));
    CHECK(kinks * 50 <= compared);
    printf("%u directions, %u beside kinks; ", compared, kinks);
    return check_report();
}
