/* A second run of a pass changes nothing, whatever its input.
 *
 *     passes_idempotent FILE..     .plait, .sir, .tir: the tests of all passes, hand-written kernels, the examples
 *
 * Every pass but `differentiate`, which makes another operator, runs twice on each file of its level, on each step of the Stage pipeline, and on the tiles that the
 * lowering makes of it; between the runs the IR becomes text, as in `plait opt --passes=X | plait opt --passes=X -`.
 */
#include <stdio.h>
#include <string.h>

#include "ir/text.h"
#include "passes/passes.h"
#include "tests/frontend/cases.h"
#include "tests/support/check.h"

typedef struct File {
    PlaitArena *arena;
    const char *path;
    PlaitNames names;
    PlaitSources sources;
    PlaitDiagnostics diagnostics;
} File;

static const char *print(const File *file, const PlaitModule *module)
{
    PlaitText text = plait_text(file->arena);
    plait_module_print(module, &text);
    return plait_text_string(&text);
}

static PlaitModule *read(File *file, const char *text)
{
    uint32_t source = plait_sources_add(&file->sources, file->path, text, (uint32_t)strlen(text));
    PlaitModule *module = plait_module_parse(file->arena, &file->names, &file->diagnostics, source);
    return module && plait_module_verify(module) ? module : NULL;
}

/* The text after the pass; NULL when the text is not right, or a pass refused it. */
static const char *after(File *file, const char *text, const PlaitPass *pass)
{
    PlaitModule *module = read(file, text);
    if (!module) return NULL;
    plait_passes_run(module, &pass, 1, &(PlaitPassOptions){.verify_each = true});
    return file->diagnostics.error_count ? NULL : print(file, module);
}

/* The text after the pass, which a second run has to keep. */
static const char *check_pass(File *file, const char *text, const PlaitPass *pass)
{
    const char *once = after(file, text, pass), *twice = once ? after(file, once, pass) : NULL;
    CHECK(once && twice);
    if (!once || !twice) {
        fprintf(stderr, "  %s: %s refuses it\n", file->path, pass->name);
        return NULL;
    }
    CHECK_TEXT(twice, once);
    if (strcmp(once, twice) != 0) fprintf(stderr, "  %s: %s ran twice\n", file->path, pass->name);
    return once;
}

static void check_level(File *file, const char *text, PlaitLevel level)
{
    for (const PlaitPass *pass = plait_passes; pass->name; pass++)
        if (pass->level & level && pass->run != plait_pass_differentiate) check_pass(file, text, pass);
}

static void check_tiles(File *file, const char *text, const PlaitTileTarget *target)
{
    const PlaitModule *module = read(file, text);
    const PlaitModule *tiles = module ? plait_lower_to_tiles(module, target, "") : NULL;
    if (tiles) check_level(file, print(file, tiles), PLAIT_LEVEL_TILE);
    else file->diagnostics.error_count = file->diagnostics.list.count = 0; /* what cannot be lowered is no fault here */
}

static void check_stages(File *file, const char *text)
{
    check_level(file, text, PLAIT_LEVEL_STAGE);
    for (uint32_t i = 0; text && plait_stage_pipeline[i]; i++)
        text = check_pass(file, text, plait_pass_by_name(plait_stage_pipeline[i]));
    if (!text) return;
    check_tiles(file, text, &(PlaitTileTarget){"cpu", false});
    check_tiles(file, text, &(PlaitTileTarget){"sm_90a", true});
}

/* The text without what text_test.sh reads: its comments, and all from EXPECT on. */
static char *input_of(PlaitArena *arena, const char *path)
{
    PlaitText input = plait_text(arena);
    char *text = cases_read_file(arena, path);
    if (text) cases_cut(text, "// EXPECT");
    for (char *line = text; line && *line;) {
        size_t length = strcspn(line, "\n") + 1;
        if (strlen(line) < length) length = strlen(line);
        if (strncmp(line, "// ", 3) != 0) plait_text_add_bytes(&input, line, length);
        line += length;
    }
    return plait_arena_strdup(arena, plait_text_string(&input));
}

static void check_file(const char *path)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) {
        CHECK(!"memory");
        return;
    }
    File file = {.arena = arena, .path = path};
    file.names.arena = file.sources.arena = file.diagnostics.arena = arena;
    file.diagnostics.sources = &file.sources;
    const char *text = input_of(arena, path), *kind = strrchr(path, '.');
    if (strcmp(kind, ".plait") == 0) {
        const Compiled *compiled = cases_compile(arena, text, "");
        CHECK(compiled->module != NULL);
        text = compiled->module ? print(&file, compiled->module) : "";
    }
    if (strcmp(kind, ".tir") == 0) check_level(&file, text, PLAIT_LEVEL_TILE);
    else check_stages(&file, text);
    plait_arena_destroy(arena);
}

int main(int count, char **paths)
{
    for (int i = 1; i < count; i++) check_file(paths[i]);
    return check_report();
}
