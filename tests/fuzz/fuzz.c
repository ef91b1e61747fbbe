/* What must hold for every module, however it came about. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"
#include "passes/passes.h"

void fuzz_subject_run(const uint8_t *data, size_t size, const char *name, void (*run)(Subject *subject))
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    Subject *subject = PLAIT_NEW(arena, Subject);
    subject->arena = subject->names.arena = subject->sources.arena = subject->diagnostics.arena = arena;
    subject->diagnostics.sources = &subject->sources;
    plait_sources_add(&subject->sources, name, (const char *)data, (uint32_t)size);
    run(subject);
    plait_arena_destroy(arena);
}

void fuzz_wrong(Subject *subject, const char *what, const PlaitModule *module)
{
    PlaitText text = plait_text(subject->arena);
    plait_diagnostics_print(&subject->diagnostics, &text);
    if (module) plait_module_print(module, &text);
    fprintf(stderr, "%s\nexpected: %s\n", plait_text_string(&text), what);
    abort();
}

void fuzz_expect_messages(Subject *subject)
{
    const PlaitDiagnostics *diagnostics = &subject->diagnostics;
    PlaitText text = plait_text(subject->arena), json = plait_text(subject->arena);
    fuzz_expect(subject, diagnostics->error_count > 0 && diagnostics->list.count > 0, NULL);
    for (uint32_t i = 0; i < diagnostics->list.count; i++) {
        const PlaitDiagnostic *diagnostic = &diagnostics->list.data[i];
        fuzz_expect(subject, diagnostic->found && diagnostic->expected && *diagnostic->help, NULL);
    }
    plait_diagnostics_print(diagnostics, &text);
    plait_diagnostics_print_json(diagnostics, &json);
    fuzz_expect(subject, strncmp(plait_text_string(&text), "error[E0", 8) == 0 && json.length > 2, NULL);
}

const char *fuzz_expect_round_trip(Subject *subject, const PlaitModule *module)
{
    fuzz_expect(subject, plait_module_verify(module), module);
    PlaitText text = plait_text(subject->arena), again = plait_text(subject->arena);
    plait_module_print(module, &text);
    uint32_t source = plait_sources_add(&subject->sources, "printed", plait_text_string(&text), (uint32_t)text.length);
    const PlaitModule *read = plait_module_parse(subject->arena, &subject->names, &subject->diagnostics, source);
    fuzz_expect(subject, read, module);
    fuzz_expect(subject, plait_module_verify(read), read);
    plait_module_print(read, &again);
    fuzz_expect(subject, strcmp(plait_text_string(&text), plait_text_string(&again)) == 0, read);
    return plait_text_string(&text);
}

static void expect_lowering_for(Subject *subject, const PlaitModule *module, const PlaitTileTarget *target)
{
    const PlaitModule *tiles = plait_lower_to_tiles(module, target, "");
    if (tiles) fuzz_expect_round_trip(subject, tiles);
    else fuzz_expect_messages(subject);
    subject->diagnostics.list.count = subject->diagnostics.error_count = 0; /* refused for this target alone */
}

/* The passes of the CPU or of a GPU, and the lowering for targets of that kind. */
static void expect_pipeline(Subject *subject, PlaitModule *module, bool gpu)
{
    plait_stage_pipeline_run(module, gpu, &(PlaitPassOptions){.verify_each = true});
    if (subject->diagnostics.error_count > 0) { /* too large for one operator */
        fuzz_expect_messages(subject);
        subject->diagnostics.list.count = subject->diagnostics.error_count = 0;
        return;
    }
    fuzz_expect_round_trip(subject, module);
    if (!gpu) expect_lowering_for(subject, module, &(PlaitTileTarget){"cpu", false});
    if (gpu) expect_lowering_for(subject, module, &(PlaitTileTarget){"sm_80", true});
}

void fuzz_expect_lowering(Subject *subject, PlaitModule *module)
{
    const char *text = fuzz_expect_round_trip(subject, module);
    uint32_t source = plait_sources_add(&subject->sources, "copied", text, (uint32_t)strlen(text));
    PlaitModule *copy = plait_module_parse(subject->arena, &subject->names, &subject->diagnostics, source);
    fuzz_expect(subject, copy, module);
    expect_pipeline(subject, module, false);
    expect_pipeline(subject, copy, true);
}
