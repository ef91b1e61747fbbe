/* Fuzz target: any bytes as a .plait file. It is rejected with a message, or goes through the passes and both
 * lowerings, valid all the way. */
#include "frontend/frontend.h"
#include "tests/fuzz/fuzz.h"

static void run(Subject *subject)
{
    PlaitModule *module = plait_frontend_compile(subject->arena, &subject->names, &subject->diagnostics, 1, NULL, 0);
    if (!module) {
        fuzz_expect_messages(subject);
        return;
    }
    fuzz_expect(subject, subject->diagnostics.error_count == 0, module);
    fuzz_expect_round_trip(subject, module);
    fuzz_expect_lowering(subject, module);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_subject_run(data, size, "fuzz.plait", run);
    return 0;
}
