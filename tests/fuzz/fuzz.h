/* What the fuzz targets share: one input's compilation, and what must hold for every module.
 *
 * A target is a file fuzz_NAME.c with LLVMFuzzerTestOneInput; it aborts when something is wrong. libFuzzer calls it
 * (build_fuzzers.sh), and replay.c does with the inputs that once were finds (regressions/NAME).
 */
#ifndef PLAIT_TESTS_FUZZ_FUZZ_H
#define PLAIT_TESTS_FUZZ_FUZZ_H

#include "ir/ir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Subject {
    PlaitArena *arena;
    PlaitNames names;
    PlaitSources sources;
    PlaitDiagnostics diagnostics;
} Subject;

/* Runs `run` on the input as source 1, in an arena of its own. Memory that runs out is wrong. */
void fuzz_subject_run(const uint8_t *data, size_t size, const char *name, void (*run)(Subject *subject));

/* Prints what was expected, and the messages, and aborts. */
_Noreturn void fuzz_wrong(Subject *subject, const char *what, const PlaitModule *module);
#define fuzz_expect(subject, condition, module) ((condition) ? (void)0 : fuzz_wrong((subject), #condition, (module)))

/* A rejection has said why; every message can be printed, as text and as JSON. */
void fuzz_expect_messages(Subject *subject);
/* The module is valid, and its text reads back as a valid module of the same text. Returns the text. */
const char *fuzz_expect_round_trip(Subject *subject, const PlaitModule *module);
/* The stage pipeline, every pass verified, then the lowering for the CPU and for a GPU. Each may refuse with a message.
 */
void fuzz_expect_lowering(Subject *subject, PlaitModule *module);

#endif
