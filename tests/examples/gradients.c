/* The gradients of every example against finite differences, in the interpreter.
 *
 *     examples_gradients [AXIS=SIZE | NAME:0].. FILE.plait ..
 *
 * AXIS=SIZE and NAME:0 are for the next file: the size of an axis, and an input that is 0.
 */
#include <stdlib.h>
#include <string.h>

#include "ir/difference.h"
#include "ir/sample.h"
#include "ir/text.h"
#include "passes/passes.h"
#include "tests/frontend/cases.h"
#include "tests/support/check.h"

static const int64_t sizes[PLAIT_ROLE_COUNT] = {2, 2, 1, 5}; /* by role: feature, batch, head, time */

typedef struct Example {
    PlaitArena *arena;
    const char *path, *zero; /* zero: an input, or "" */
    PlaitFunction *forward, *backward;
} Example;

static int64_t *extents_of(const Example *example)
{
    const PlaitFunction *function = example->forward;
    int64_t *extents = PLAIT_NEW_ARRAY(example->arena, int64_t, function->axes.count);
    for (uint32_t i = 0; i < function->axes.count; i++) {
        const PlaitAxisInfo *axis = &function->axes.data[i];
        extents[i] = sizes[axis->role];
        if (axis->multiple) extents[i] = plait_block_count(extents[i], axis->multiple) * axis->multiple;
    }
    plait_extents_complete(function, extents);
    return extents;
}

static void compare(const Example *example)
{
    const PlaitFunction *forward = example->forward;
    const PlaitNames *names = forward->module->names;
    PlaitArray *inputs = PLAIT_NEW_ARRAY(example->arena, PlaitArray, forward->params.count);
    PlaitDifference *differences = PLAIT_NEW_ARRAY(example->arena, PlaitDifference, forward->params.count);
    int64_t *extents = extents_of(example);
    uint32_t count = 0;
    CHECK(plait_sample_inputs(forward, extents, 1, inputs));
    for (uint32_t i = 0; i < forward->params.count; i++)
        if (strcmp(plait_names_text(names, plait_inst(forward, forward->params.data[i])->name), example->zero) == 0)
            for (int64_t k = 0; k < inputs[i].count; k++) inputs[i].data[k] = 0;
    CHECK(plait_gradients_compare(forward, example->backward, extents, inputs, 1, differences, &count));
    CHECK(count > 0);
    for (uint32_t i = 0; i < count; i++) {
        const PlaitInst *param = plait_inst(forward, forward->params.data[differences[i].input]);
        bool good = differences[i].error <= PLAIT_DIFFERENCE_LIMIT && differences[i].kinks == 0;
        CHECK(good);
        if (!good)
            fprintf(stderr, "  %s: %s: %g, %u beside kinks\n", example->path, plait_names_text(names, param->name),
                    differences[i].error, differences[i].kinks);
    }
    plait_arrays_free(inputs, forward->params.count);
}

static void check_file(const char *path, const char *defines, const char *zero)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) {
        CHECK(!"memory");
        return;
    }
    const char *text = cases_read_file(arena, path);
    const char *options = *defines ? plait_arena_printf(arena, "-D %s", defines) : "";
    const Compiled *forward = cases_compile(arena, text, options), *backward = cases_compile(arena, text, options);
    CHECK(forward->module && backward->module);
    for (uint32_t i = 0; forward->module && backward->module && i < forward->module->functions.count; i++) {
        Example example = {arena, path, zero, forward->module->functions.data[i], backward->module->functions.data[i]};
        plait_pass_differentiate(example.backward);
        CHECK(plait_module_verify(backward->module) && !backward->module->diagnostics->error_count);
        compare(&example);
    }
    plait_arena_destroy(arena);
}

int main(int count, char **arguments)
{
    const char *defines = "", *zero = "";
    for (int i = 1; i < count; i++) {
        char *colon = strchr(arguments[i], ':');
        if (strchr(arguments[i], '=')) {
            defines = arguments[i];
        } else if (colon) {
            *colon = '\0';
            zero = arguments[i];
        } else {
            check_file(arguments[i], defines, zero);
            defines = zero = "";
        }
    }
    return check_report();
}
