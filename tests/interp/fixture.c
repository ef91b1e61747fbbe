/* Operators from text, run and compared with formulas in C. */
#include "tests/interp/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"

enum { MAX_NUMBER = 1000 };

/* The text with every %N replaced by the order of its first occurrence, which is where it is defined. */
static const char *renumbered(PlaitArena *arena, const char *text)
{
    PlaitText result = plait_text(arena);
    unsigned long numbers[MAX_NUMBER] = {0}, count = 0;
    for (char *rest; *text; text = rest) {
        size_t length = strcspn(text, "%");
        plait_text_add_bytes(&result, text, length);
        if (text[length] == 0) break;
        unsigned long number = strtoul(text + length + 1, &rest, 10) % MAX_NUMBER;
        if (!numbers[number]) numbers[number] = ++count;
        plait_text_printf(&result, "%%%lu", numbers[number]);
    }
    return plait_text_string(&result);
}

void fixture_open(Fixture *fixture, const char *text)
{
    *fixture = (Fixture){0};
    fixture->arena = plait_arena_create(&fixture->failure);
    text = renumbered(fixture->arena, text);
    fixture->sources.arena = fixture->names.arena = fixture->diagnostics.arena = fixture->arena;
    fixture->diagnostics.sources = &fixture->sources;
    uint32_t source = plait_sources_add(&fixture->sources, "test.sir", text, (uint32_t)strlen(text));
    PlaitModule *module = plait_module_parse(fixture->arena, &fixture->names, &fixture->diagnostics, source);
    if (module && plait_module_verify(module)) fixture->function = module->functions.data[0];
    if (fixture->function) return;
    PlaitText messages = plait_text(fixture->arena);
    plait_diagnostics_print(&fixture->diagnostics, &messages);
    fputs(plait_text_string(&messages), stderr);
}

static void free_arrays(Fixture *fixture)
{
    plait_arrays_free(fixture->inputs, FIXTURE_ARRAYS);
    plait_arrays_free(fixture->outputs, FIXTURE_ARRAYS);
}

void fixture_close(Fixture *fixture)
{
    free_arrays(fixture);
    plait_arena_destroy(fixture->arena);
}

bool fixture_run(Fixture *fixture, const int64_t *sizes, uint64_t seed, int64_t fold_block)
{
    const PlaitFunction *function = fixture->function;
    if (!function) return false;
    free_arrays(fixture);
    for (uint32_t i = 0; i < function->axes.count; i++) {
        const PlaitAxisInfo *axis = &function->axes.data[i];
        if (axis->size == PLAIT_RUNTIME_SIZE && axis->same_as == PLAIT_NO_AXIS) fixture->extents[i] = *sizes++;
    }
    plait_extents_complete(function, fixture->extents);
    if (!plait_sample_inputs(function, fixture->extents, seed, fixture->inputs)) return false;
    return plait_interpret(function, fixture->extents, fixture->inputs, fixture->outputs, fold_block);
}

int64_t fixture_extent(const Fixture *fixture, const char *axis)
{
    const PlaitFunction *function = fixture->function;
    for (uint32_t i = 0; i < function->axes.count; i++)
        if (strcmp(plait_axis_text(function, (PlaitAxis)i), axis) == 0) return fixture->extents[i];
    fprintf(stderr, "no axis %s\n", axis);
    abort();
}

double fixture_at(const PlaitArray *array, const int64_t *position)
{
    int64_t index = 0;
    for (uint32_t i = 0; i < array->type.rank; i++) index = index * array->sizes[i] + position[i];
    return array->data[index];
}

bool fixture_agrees(Fixture *fixture, const int64_t *sizes, int64_t fold_block, Formula *formula, double tolerance)
{
    if (!fixture_run(fixture, sizes, 7, fold_block)) return false;
    const PlaitFunction *function = fixture->function;
    PlaitArray expected[FIXTURE_ARRAYS];
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        plait_array_create(&expected[i], function->outputs.data[i].type, fixture->extents);
        for (int64_t k = 0; k < expected[i].count; k++) expected[i].data[k] = 0;
    }
    formula(fixture, expected);
    bool good = true;
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        double error = plait_relative_error(&fixture->outputs[i], &expected[i]);
        if (error <= tolerance && fixture->outputs[i].count == expected[i].count) continue;
        fprintf(stderr, "output %u of %s: error %g\n", i, plait_names_text(&fixture->names, function->name), error);
        good = false;
    }
    plait_arrays_free(expected, function->outputs.count);
    return good;
}
