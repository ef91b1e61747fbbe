/* The pipelines as values: lists of pass names. */
#include "passes/passes.h"

const char *const plait_stage_pipeline[] = {
    "canonicalise", "cse", "dce",
    "expand-long-conv", "online", "dce", /* no reduction over an axis of run-time length is left */
    "canonicalise", "cse", "dce",
    "fuse", "cse", "dce", NULL};

void plait_stage_pipeline_run(PlaitModule *module, const PlaitPassOptions *options)
{
    const PlaitPass *passes[32];
    uint32_t count = 0;
    while (plait_stage_pipeline[count]) {
        passes[count] = plait_pass_by_name(plait_stage_pipeline[count]);
        count++;
    }
    plait_passes_run(module, passes, count, options);
}
