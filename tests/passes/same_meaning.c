/* The passes `chunk`, `segment` and `online` keep what an operator means, for every partition into blocks.
 *
 *     passes_same_meaning FILE.plait..
 *
 * Each operator is interpreted as the front end made it and after the passes of a GPU, on the same random inputs, at
 * several lengths and sizes of blocks. A first line `# chunked` or `# not chunked` says whether the pass must, or must
 * not, turn its scans into folds.
 */
#include <stdlib.h>
#include <string.h>

#include "ir/sample.h"
#include "passes/passes.h"
#include "tests/frontend/cases.h"
#include "tests/support/check.h"

static const int64_t lengths[] = {0, 1, 2, 15, 64, 77, 300};
static const int64_t blocks[] = {1, 5, 64};

typedef struct Program {
    PlaitArena *arena;
    PlaitModule *written, *passed;
} Program;

static void count_folds(void *context, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(((PlaitFunction **)context)[0], value);
    uint32_t *counts = ((uint32_t **)context)[1];
    if (plait_is_block_fold(inst)) counts[0]++;
    if (inst->op == PLAIT_OP_SCAN) counts[1]++;
}

static int64_t *extents_of(const Program *program, PlaitFunction *function, int64_t length)
{
    int64_t *extents = PLAIT_NEW_ARRAY(program->arena, int64_t, function->axes.count);
    for (uint32_t i = 0; i < function->axes.count; i++) {
        const PlaitAxisInfo *axis = &function->axes.data[i];
        extents[i] = axis->size != PLAIT_RUNTIME_SIZE ? axis->size : axis->role == PLAIT_ROLE_TIME ? length : 2;
    }
    plait_extents_complete(function, extents);
    return extents;
}

static void compare(const Program *program, const char *path, int64_t length, int64_t block)
{
    PlaitFunction *written = program->written->functions.data[0], *passed = program->passed->functions.data[0];
    uint32_t inputs = written->params.count, outputs = written->outputs.count;
    PlaitArray *in = PLAIT_NEW_ARRAY(program->arena, PlaitArray, inputs);
    PlaitArray *expected = PLAIT_NEW_ARRAY(program->arena, PlaitArray, outputs),
               *actual = PLAIT_NEW_ARRAY(program->arena, PlaitArray, outputs);
    int64_t *extents = extents_of(program, written, length);
    CHECK(plait_sample_inputs(written, extents, 7 + (uint64_t)length, in));
    CHECK(plait_interpret(written, extents, in, expected, 16));
    CHECK(plait_interpret(passed, extents_of(program, passed, length), in, actual, block));
    for (uint32_t i = 0; i < outputs; i++) {
        double error = plait_relative_error(&actual[i], &expected[i]);
        CHECK(error < 1e-9);
        if (!(error < 1e-9))
            fprintf(stderr, "  %s: output %u, length %lld, blocks of %lld: %g\n", path, i, (long long)length,
                    (long long)block, error);
    }
    plait_arrays_free(in, inputs);
    plait_arrays_free(expected, outputs);
    plait_arrays_free(actual, outputs);
}

static void check_chunked(const Program *program, const char *path, const char *text)
{
    PlaitFunction *passed = program->passed->functions.data[0];
    uint32_t counts[2] = {0, 0};
    void *context[] = {passed, counts};
    bool must = strncmp(text, "# chunked", 9) == 0, must_not = strncmp(text, "# not chunked", 13) == 0;
    plait_region_walk(passed, passed->body, count_folds, context);
    bool good = must ? counts[0] && !counts[1] : !must_not || !counts[0];
    CHECK(good);
    if (!good) fprintf(stderr, "  %s: %s chunked\n", path, must ? "not" : "");
}

static void check_file(const char *path)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) {
        CHECK(!"memory");
        return;
    }
    const char *text = cases_read_file(arena, path);
    Program program = {arena, cases_compile(arena, text, "")->module, cases_compile(arena, text, "")->module};
    CHECK(program.written && program.passed);
    if (program.written && program.passed) {
        plait_stage_pipeline_run(program.passed, true, &(PlaitPassOptions){.verify_each = true});
        check_chunked(&program, path, text);
        for (uint32_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
            for (uint32_t b = lengths[l] > 128 ? 2 : 0; b < sizeof blocks / sizeof *blocks; b++)
                compare(&program, path, lengths[l], blocks[b]); /* of several segments: with one size of blocks */
    }
    plait_arena_destroy(arena);
}

int main(int count, char **paths)
{
    for (int i = 1; i < count; i++) check_file(paths[i]);
    return check_report();
}
