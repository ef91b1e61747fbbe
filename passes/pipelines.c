/* The pipelines as values: lists of pass names. */
#include "passes/passes.h"

#define TO_FOLDS                                                                                                       \
    "expand-long-conv", "unshift", "online", "dce", /* no reduction over an axis of run-time length is left */         \
        "canonicalise", "cse", "dce", "fuse", "cse",                                                                   \
        "dce" /* each kernel keeps only the carries that it needs; the lowering relies on it */

const char *const plait_stage_pipeline[] = {"canonicalise", "cse", "dce", TO_FOLDS, NULL};
/* On the CPU tokens one after another in registers are as good: there are no matrix units to win. */
const char *const plait_stage_pipeline_gpu[] = {"canonicalise", "cse", "dce",     "split",   "dce",    "chunk",
                                                "cse",          "dce", "prepare", "segment", TO_FOLDS, NULL};

static const char *const cpu_tile_pipeline[] = {"canonicalise", "cse", "dce", NULL};
static const char *const gpu_tile_pipeline[] = {"canonicalise", "cse", "dce",    "matrix", "exponent", "cse",     "dce",
                                                "sink",         "dce", "layout", "copy",   "ahead",    "shorten", NULL};

static void run_names(PlaitModule *module, const char *const *names, const PlaitPassOptions *options)
{
    const PlaitPass *passes[32];
    uint32_t count = 0;
    for (; names[count]; count++) passes[count] = plait_pass_by_name(names[count]);
    plait_passes_run(module, passes, count, options);
}

void plait_stage_pipeline_run(PlaitModule *module, bool gpu, const PlaitPassOptions *options)
{
    run_names(module, gpu ? plait_stage_pipeline_gpu : plait_stage_pipeline, options);
}

void plait_tile_pipeline_run(PlaitModule *module, const PlaitTileTarget *target, const PlaitPassOptions *options)
{
    run_names(module, target->gpu ? gpu_tile_pipeline : cpu_tile_pipeline, options);
}
