/* Tile IR as text for plait-codegen; its messages, given their places. */
#include "driver/tiles.h"

#include <string.h>
#include <sys/wait.h>

#include "ir/text.h"
#include "passes/passes.h"

const PlaitTiles *plait_program_lower(PlaitSession *session, const PlaitProgram *program, PlaitModule *const *stages,
                                      const PlaitTargetRow *target)
{
    PlaitText text = plait_text(session->arena);
    PlaitTileTarget tile_target = {target->name, target->gpu};
    PlaitTiles *tiles = PLAIT_NEW(session->arena, PlaitTiles);
    tiles->modules = PLAIT_NEW_ARRAY(session->arena, const PlaitModule *, program->variants.count);
    for (; tiles->count < program->variants.count; tiles->count++) {
        uint32_t i = tiles->count;
        tiles->modules[i] = plait_lower_to_tiles(stages[i], &tile_target, program->variants.data[i].suffix);
        if (!tiles->modules[i] || plait_session_failed(session)) return NULL;
        if (i) plait_text_add(&text, "\n");
        plait_module_print(tiles->modules[i], &text);
    }
    tiles->text = plait_text_string(&text);
    return tiles;
}

typedef struct Largest {
    const PlaitFunction *kernel;
    PlaitSpan span; /* source 0: none */
    double elements;
} Largest;

static void compare(void *context, PlaitValue value)
{
    Largest *largest = context;
    const PlaitInst *inst = plait_inst(largest->kernel, value);
    double elements = 1;
    if (inst->op == PLAIT_OP_TENSOR || inst->span.source == 0) return;
    for (uint32_t i = 0; i < inst->type.rank; i++) elements *= largest->kernel->axes.data[inst->type.axes[i]].tile;
    if (elements > largest->elements) largest->elements = elements, largest->span = inst->span;
}

/* Where the program asks for the largest tile of the kernel; source 0: there is no such kernel. */
static PlaitSpan find_largest(const PlaitTiles *tiles, const char *kernel)
{
    Largest largest = {0};
    for (uint32_t i = 0; i < tiles->count; i++)
        for (uint32_t j = 0; j < tiles->modules[i]->functions.count; j++) {
            largest.kernel = tiles->modules[i]->functions.data[j];
            if (strcmp(plait_names_text(largest.kernel->module->names, largest.kernel->name), kernel) == 0)
                plait_region_walk(largest.kernel, largest.kernel->body, compare, &largest);
        }
    return largest.span;
}

/* What follows `label` in the child's messages, to one of the characters of `end`; "" when it is not there. */
static const char *words_after(PlaitSession *session, const char *messages, const char *label, const char *end)
{
    const char *at = strstr(messages, label);
    if (!at) return "";
    at += strlen(label);
    return plait_session_text(session, "%.*s", (int)strcspn(at, end), at);
}

void plait_tiles_report(PlaitSession *session, const PlaitJob *job, const PlaitTiles *tiles)
{
    enum { TOO_LARGE = 3 }; /* PLAIT_CODEGEN_TOO_LARGE of codegen/codegen.h */
    const char *messages = plait_text_string(&job->errors), *found = words_after(session, messages, "found: ", "\n");
    if (!job->ended || !WIFEXITED(job->status) || WEXITSTATUS(job->status) != TOO_LARGE) {
        plait_job_report(session, job, PLAIT_OWN_MISTAKE);
        return;
    }
    plait_report(&session->diagnostics,
                 (PlaitDiagnostic){.id = PLAIT_CANNOT_LOWER,
                                   .span = find_largest(tiles, words_after(session, found, "`", "`")),
                                   .found = found,
                                   .expected = words_after(session, messages, "expected: ", "\n"),
                                   .help = words_after(session, messages, "help: ", "\n")});
}
