/* Programs whose results come in pairs that must be equal: what a construct gives, and the same written out in another
 * way. Each is run by the interpreter at several lengths. The expected text of a case says how many pairs it has. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/sample.h"
#include "tests/frontend/cases.h"

enum { MOST_AXES = 64 };

static double largest_difference(const PlaitArray *a, const PlaitArray *b)
{
    double largest = a->count == b->count ? 0 : (double)INFINITY;
    for (int64_t i = 0; i < a->count && i < b->count; i++) {
        double scale = fmax(1, fabs(b->data[i])), difference = fabs(a->data[i] - b->data[i]) / scale;
        if (a->data[i] == b->data[i] || (isnan(a->data[i]) && isnan(b->data[i]))) continue;
        if (!(difference <= largest)) largest = isnan(difference) ? (double)INFINITY : difference;
    }
    return largest;
}

/* Run-time axes get `length` positions, the second one 2 more, and so on. */
static bool run(const PlaitFunction *function, int64_t length, PlaitArray *inputs, PlaitArray *outputs)
{
    int64_t extents[MOST_AXES];
    for (uint32_t i = 0, free = 0; i < function->axes.count; i++)
        if (function->axes.data[i].size == PLAIT_RUNTIME_SIZE && function->axes.data[i].same_as == PLAIT_NO_AXIS)
            extents[i] = length + 2 * free++;
    plait_extents_complete(function, extents);
    return plait_sample_inputs(function, extents, 7, inputs) && plait_interpret(function, extents, inputs, outputs, 3);
}

static bool check_length(PlaitArena *arena, const PlaitFunction *function, int64_t length, const char *where)
{
    PlaitArray *inputs = PLAIT_NEW_ARRAY(arena, PlaitArray, function->params.count + 1);
    PlaitArray *outputs = PLAIT_NEW_ARRAY(arena, PlaitArray, function->outputs.count + 1);
    bool good = run(function, length, inputs, outputs);
    for (uint32_t i = 0; good && i + 1 < function->outputs.count; i += 2) {
        double difference = largest_difference(&outputs[i], &outputs[i + 1]);
        if (difference <= 1e-9) continue;
        fprintf(stderr, "%s, length %lld: `%s` and `%s` differ by %g\n", where, (long long)length,
                plait_names_text(function->module->names, function->outputs.data[i].name),
                plait_names_text(function->module->names, function->outputs.data[i + 1].name), difference);
        good = false;
    }
    plait_arrays_free(inputs, function->params.count);
    plait_arrays_free(outputs, function->outputs.count);
    return good;
}

static bool check(PlaitArena *arena, const char *path, const Case *test)
{
    static const int64_t lengths[] = {0, 1, 2, 7};
    const Compiled *compiled = cases_compile(arena, test->program, test->name);
    if (!compiled->module) {
        fprintf(stderr, "%s: %s\n%s\n", path, test->name, cases_text(arena, compiled));
        return false;
    }
    const PlaitFunction *function = compiled->module->functions.data[0];
    bool good = strtoul(test->expected, NULL, 10) * 2 == function->outputs.count;
    if (!good) fprintf(stderr, "%s: %s: %u results\n", path, test->name, function->outputs.count);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        good &= check_length(arena, function, lengths[i], test->name);
    return good;
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 2;
    int cases = 0, failures = cases_run(arena, count - 1, arguments + 1, check, &cases);
    printf("%d programs, %d failures\n", cases, failures);
    plait_arena_destroy(arena);
    return failures != 0 || cases == 0;
}
