/* Random operators: valid, the same for the same seed, read back from their text, and the same after the passes.
 *
 * `test_random FIRST COUNT` runs other seeds; the text of an operator that fails is printed. The interpreter is run at
 * lengths 0 and 1 too; the passes make folds, which are run with two sizes of blocks.
 * Scans that become folds over blocks of tokens do so whatever their sizes and tensors; then all passes of a GPU run.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/sample.h"
#include "ir/text.h"
#include "passes/passes.h"
#include "passes/stage/chunk.h"
#include "passes/stage/segment.h"
#include "tests/fuzz/random_operator.h"
#include "tests/support/check.h"

enum { MAX_AXES = 64, MAX_ARRAYS = 256 };

typedef struct Subject {
    PlaitFailure failure;
    PlaitArena *arena;
    PlaitSources sources;
    PlaitNames names;
    PlaitDiagnostics diagnostics;
    PlaitModule *module;
    uint64_t seed;
    bool good;
} Subject;

static const char *text_of(Subject *subject, const PlaitModule *module)
{
    PlaitText text = plait_text(subject->arena);
    plait_module_print(module, &text);
    return plait_text_string(&text);
}

static void complain(Subject *subject, const char *what)
{
    PlaitText messages = plait_text(subject->arena);
    plait_diagnostics_print(&subject->diagnostics, &messages);
    if (subject->good)
        fprintf(stderr, "seed %llu: %s\n%s\n%s\n", (unsigned long long)subject->seed, what,
                plait_text_string(&messages), text_of(subject, subject->module));
    subject->good = false;
}

static PlaitModule *read_back(Subject *subject, const char *text)
{
    uint32_t source = plait_sources_add(&subject->sources, "random.sir", text, (uint32_t)strlen(text));
    return plait_module_parse(subject->arena, &subject->names, &subject->diagnostics, source);
}

/* ---- running ---- */

static const int64_t lengths[][4] = {{2, 2, 9, 5},   {1, 1, 1, 1},  {1, 2, 0, 3}, {0, 1, 3, 0},
                                     {1, 2, 33, 20}, {2, 1, 2, 64}, {1, 1, 70, 6}};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

/* b, h, t, then lengths of their own. */
static void set_extents(const PlaitFunction *function, const int64_t *sizes, int64_t *extents)
{
    for (uint32_t i = 0; i < function->axes.count; i++) extents[i] = sizes[i < 3 ? i : 3];
    plait_extents_complete(function, extents);
}

static void check_finite(Subject *subject, const PlaitArray *outputs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (int64_t k = 0; k < outputs[i].count; k++)
            if (!isfinite(outputs[i].data[k])) complain(subject, "an output is not finite");
}

/* A factor of 0 is e^-100 to `chunk` (chunk_decay.c: LEAST_LOG). */
static void drop_tiny(PlaitArray *output)
{
    for (int64_t i = 0; i < output->count; i++)
        if (fabs(output->data[i]) < 1e-40) output->data[i] = 0;
}

/* Passes may rename nothing and drop no parameter, so inputs and outputs correspond. */
static void compare_with(Subject *subject, const PlaitModule *other, const int64_t *extents, const PlaitArray *inputs,
                         const PlaitArray *expected, int64_t fold_block, const char *what)
{
    const PlaitFunction *function = other->functions.data[0];
    int64_t own[MAX_AXES]; /* a pass may have added axes */
    memcpy(own, extents, sizeof own);
    plait_extents_complete(function, own);
    PlaitArray outputs[MAX_ARRAYS];
    if (!plait_interpret(function, own, inputs, outputs, fold_block)) {
        complain(subject, "no memory");
        return;
    }
    for (uint32_t i = 0; i < function->outputs.count; i++) drop_tiny(&outputs[i]);
    for (uint32_t i = 0; i < function->outputs.count; i++)
        if (!(plait_relative_error(&outputs[i], &expected[i]) <= 1e-9)) complain(subject, what);
    plait_arrays_free(outputs, function->outputs.count);
    if (!subject->good)
        fprintf(stderr, "after (fold block %lld):\n%s\n", (long long)fold_block, text_of(subject, other));
}

/* What passes make of the operator; NULL: nothing else. */
typedef struct Versions {
    const PlaitModule *folded, *fused, *chunked, *prepared, *segmented, *segmented_fused;
} Versions;

static void run_at(Subject *subject, const Versions *versions, const int64_t *sizes)
{
    const PlaitFunction *function = subject->module->functions.data[0];
    int64_t extents[MAX_AXES] = {0};
    PlaitArray inputs[MAX_ARRAYS], outputs[MAX_ARRAYS];
    set_extents(function, sizes, extents);
    if (!plait_sample_inputs(function, extents, subject->seed, inputs)) abort();
    if (plait_interpret(function, extents, inputs, outputs, 1)) {
        check_finite(subject, outputs, function->outputs.count);
        if (subject->good)
            compare_with(subject, versions->folded, extents, inputs, outputs, 1, "online changed the result");
        if (subject->good)
            compare_with(subject, versions->folded, extents, inputs, outputs, 7, "the size of blocks matters");
        if (subject->good && versions->chunked)
            compare_with(subject, versions->chunked, extents, inputs, outputs, 3, "chunk changed it");
        if (subject->good && versions->chunked)
            compare_with(subject, versions->chunked, extents, inputs, outputs, 64, "chunk changed it");
        if (subject->good && versions->prepared)
            compare_with(subject, versions->prepared, extents, inputs, outputs, 5, "what follows chunk changed it");
        if (subject->good && versions->segmented)
            compare_with(subject, versions->segmented, extents, inputs, outputs, 16, "segment changed it");
        if (subject->good && versions->segmented_fused)
            compare_with(subject, versions->segmented_fused, extents, inputs, outputs, 16,
                         "what follows segment changed it");
        if (subject->good)
            compare_with(subject, versions->fused, extents, inputs, outputs, 4, "the pipeline changed the result");
        plait_arrays_free(outputs, function->outputs.count);
    } else {
        complain(subject, "no memory");
    }
    plait_arrays_free(inputs, function->params.count);
}

/* ---- one seed ---- */

static uint32_t op_counts[PLAIT_OP_COUNT];

static void count_ops(const PlaitFunction *function)
{
    for (uint32_t i = 1; i < function->insts.count; i++) op_counts[function->insts.data[i].op]++;
}

static void check_text(Subject *subject)
{
    const char *text = text_of(subject, subject->module);
    PlaitModule *again =
        plait_random_operator(subject->arena, &subject->names, &subject->diagnostics, subject->seed, PLAIT_RANDOM_ALL);
    if (strcmp(text_of(subject, again), text) != 0) complain(subject, "another operator for the same seed");
    PlaitModule *parsed = read_back(subject, text);
    if (!parsed || !plait_module_verify(parsed)) complain(subject, "its text is not read back");
    else if (strcmp(text_of(subject, parsed), text) != 0) complain(subject, "its text changes when it is read back");
}

/* A copy, by way of its text, after the passes up to `last`. */
static PlaitModule *after_passes(Subject *subject, const char *last)
{
    PlaitModule *copy = read_back(subject, text_of(subject, subject->module));
    PlaitPassOptions options = {.stop_after = last, .verify_each = true};
    plait_stage_pipeline_run(copy, false, &options);
    return copy;
}

/* What a pass does with one scan; whether it did something. */
typedef bool RewriteScan(PlaitFunction *function, PlaitValue scan);

static uint32_t chunked_scans, segmented_scans;

static bool chunk_scan(PlaitFunction *function, PlaitValue scan)
{
    PlaitSpan where;
    bool done = !plait_chunk_scan(function, scan, true, &where);
    chunked_scans += done;
    return done;
}

/* In segments of a few tokens. */
static bool segment_scan(PlaitFunction *function, PlaitValue scan)
{
    PlaitSpan where;
    bool done = !plait_segment_scan(function, scan, 4, true, &where);
    segmented_scans += done;
    return done;
}

/* A copy with every scan rewritten that can be; NULL when there is none. */
static PlaitModule *with_rewritten_scans(Subject *subject, RewriteScan *rewrite, const char *broken)
{
    PlaitModule *copy = after_passes(subject, "dce");
    PlaitFunction *function = copy->functions.data[0];
    bool changed = false;
    for (uint32_t i = 0; i < function->body->body.count; i++) {
        PlaitValue value = function->body->body.data[i];
        if (plait_op_of(function, value) != PLAIT_OP_SCAN || !rewrite(function, value)) continue;
        changed = true;
        i = UINT32_MAX; /* the order is another: from the beginning */
    }
    if (!plait_module_verify(copy)) complain(subject, broken);
    return changed ? copy : NULL;
}

/* That one after the passes of a GPU, `prepare` among them. */
static PlaitModule *with_all_passes(Subject *subject, const PlaitModule *chunked)
{
    PlaitModule *copy = read_back(subject, text_of(subject, chunked));
    if (copy) plait_stage_pipeline_run(copy, true, &(PlaitPassOptions){.verify_each = true});
    if (!copy || subject->diagnostics.error_count) complain(subject, "the passes of a GPU refuse it");
    return copy;
}

static bool test_seed(uint64_t seed)
{
    Subject subject = {.seed = seed, .good = true};
    subject.arena = plait_arena_create(&subject.failure);
    subject.sources.arena = subject.names.arena = subject.diagnostics.arena = subject.arena;
    subject.diagnostics.sources = &subject.sources;
    subject.module = plait_random_operator(subject.arena, &subject.names, &subject.diagnostics, seed, PLAIT_RANDOM_ALL);
    if (!plait_module_verify(subject.module)) complain(&subject, "it breaks a rule");
    if (subject.good) check_text(&subject);
    if (subject.good) {
        count_ops(subject.module->functions.data[0]);
        PlaitModule *folded = after_passes(&subject, "online"), *fused = after_passes(&subject, NULL);
        PlaitModule *chunked = with_rewritten_scans(&subject, chunk_scan, "chunk breaks a rule");
        PlaitModule *segmented = with_rewritten_scans(&subject, segment_scan, "segment breaks a rule");
        Versions versions = {folded,    fused,
                             chunked,   chunked ? with_all_passes(&subject, chunked) : NULL,
                             segmented, segmented ? with_all_passes(&subject, segmented) : NULL};
        run_at(&subject, &versions, lengths[seed % LENGTHS]);
        run_at(&subject, &versions, lengths[(seed / LENGTHS + 1) % LENGTHS]);
    }
    plait_arena_destroy(subject.arena);
    return subject.good;
}

/* Every operation that operators may have occurs in some of many. */
static void check_coverage(void)
{
    for (int op = 1; op < PLAIT_OP_COUNT; op++) {
        bool stage = plait_op_info((PlaitOp)op)->level & PLAIT_LEVEL_STAGE;
        bool made_by_passes = op == PLAIT_OP_FOLD || op == PLAIT_OP_KERNEL || op == PLAIT_OP_SOLVE;
        CHECK(!stage || made_by_passes || op_counts[op] > 0);
        if (stage && !made_by_passes && !op_counts[op]) fprintf(stderr, "no %s\n", plait_op_info((PlaitOp)op)->text);
    }
}

int main(int count, char **arguments)
{
    uint64_t first = count > 1 ? strtoull(arguments[1], NULL, 10) : 0;
    uint64_t seeds = count > 2 ? strtoull(arguments[2], NULL, 10) : 300;
    for (uint64_t seed = first; seed < first + seeds; seed++) CHECK(test_seed(seed));
    if (seeds >= 300) check_coverage();
    if (seeds >= 300) CHECK(chunked_scans > 0 && segmented_scans > 0);
    printf("%u scans by blocks, %u in segments; ", chunked_scans, segmented_scans);
    return check_report();
}
