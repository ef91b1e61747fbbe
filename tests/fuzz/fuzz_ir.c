/* Fuzz target: any bytes as IR text. The parser and the verifier reject it with a message, or it prints as text that
 * reads back the same, and the passes of its level keep it valid. */
#include "ir/text.h"
#include "passes/passes.h"
#include "tests/fuzz/fuzz.h"

static bool is_stage(const PlaitModule *module)
{
    for (uint32_t i = 0; i < module->functions.count; i++)
        if (module->functions.data[i]->level != PLAIT_LEVEL_STAGE) return false;
    return module->functions.count > 0;
}

static void run_tile_passes(Subject *subject, PlaitModule *module)
{
    static const char *const names[] = {"canonicalise", "cse", "dce", "layout"};
    const PlaitPass *passes[4];
    for (uint32_t i = 0; i < 4; i++) passes[i] = plait_pass_by_name(names[i]);
    plait_passes_run(module, passes, 4, &(PlaitPassOptions){.verify_each = true});
    fuzz_expect_round_trip(subject, module);
}

static void run(Subject *subject)
{
    PlaitModule *module = plait_module_parse(subject->arena, &subject->names, &subject->diagnostics, 1);
    if (!module || !plait_module_verify(module)) {
        fuzz_expect_messages(subject);
        return;
    }
    fuzz_expect(subject, subject->diagnostics.error_count == 0, module);
    fuzz_expect_round_trip(subject, module);
    if (is_stage(module)) fuzz_expect_lowering(subject, module);
    else run_tile_passes(subject, module);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_subject_run(data, size, "fuzz.sir", run);
    return 0;
}
