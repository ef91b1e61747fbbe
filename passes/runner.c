/* The pass table and the runner: the only place that verifies, times and dumps. */
#include <string.h>
#include <time.h>

#include "ir/text.h"
#include "passes/passes.h"

const PlaitPass plait_passes[] = {
#define PASS(id, name, level, function, help) {name, PLAIT_LEVEL_##level, function, help},
#include "passes/passes.def"
#undef PASS
    {0}};

const PlaitPass *plait_pass_by_name(const char *name)
{
    for (const PlaitPass *pass = plait_passes; pass->name; pass++)
        if (strcmp(pass->name, name) == 0) return pass;
    return NULL;
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static bool run_one(PlaitModule *module, const PlaitPass *pass)
{
    bool changed = false;
    uint32_t count = module->functions.count; /* passes may not add functions */
    for (uint32_t i = 0; i < count; i++)
        if (module->functions.data[i]->level & pass->level) changed = pass->run(module->functions.data[i]) || changed;
    return changed;
}

static void check(PlaitModule *module, const PlaitPass *pass)
{
    if (plait_module_verify(module)) return;
    PlaitText text = plait_text(module->arena);
    plait_diagnostics_print(module->diagnostics, &text);
    plait_module_print(module, &text);
    plait_bug("pass %s broke a rule:\n%s", pass->name, plait_text_string(&text));
}

void plait_passes_run(PlaitModule *module, const PlaitPass *const *passes, uint32_t count,
                      const PlaitPassOptions *options)
{
    for (uint32_t i = 0; i < count; i++) {
        const PlaitPass *pass = passes[i];
        double begin = milliseconds();
        bool changed = run_one(module, pass);
        if (options->time_passes)
            plait_text_printf(options->sink, "%8.3f ms  %s%s\n", milliseconds() - begin, pass->name,
                              changed ? "" : " (no change)");
        if (options->verify_each) check(module, pass);
        if (options->print_after &&
            (strcmp(options->print_after, "all") == 0 || strcmp(options->print_after, pass->name) == 0)) {
            plait_text_printf(options->sink, "// after %s\n", pass->name);
            plait_module_print(module, options->sink);
        }
        if (options->stop_after && strcmp(options->stop_after, pass->name) == 0) return;
    }
}
