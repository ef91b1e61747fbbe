/* Programs and their exact Stage IR. `frontend_lowering --update FILE` prints the file with the present text. */
#include <stdio.h>
#include <string.h>

#include "ir/text.h"
#include "tests/frontend/cases.h"

static const char *module_text(PlaitArena *arena, const Case *test)
{
    return cases_text(arena, cases_compile(arena, test->program, test->name));
}

/* What is printed is also read back to the same text. */
static bool reads_back(PlaitArena *arena, const char *text)
{
    PlaitNames names = {.arena = arena};
    PlaitSources sources = {.arena = arena};
    PlaitDiagnostics diagnostics = {.arena = arena, .sources = &sources};
    uint32_t source = plait_sources_add(&sources, "test.sir", text, (uint32_t)strlen(text));
    const PlaitModule *module = plait_module_parse(arena, &names, &diagnostics, source);
    PlaitText again = plait_text(arena);
    if (module) plait_module_print(module, &again);
    return strcmp(plait_text_string(&again), text) == 0;
}

static bool check(PlaitArena *arena, const char *path, const Case *test)
{
    const char *text = module_text(arena, test);
    if (cases_same(path, test, text) && reads_back(arena, text)) return true;
    fprintf(stderr, "%s: %s failed\n", path, test->name);
    return false;
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 2;
    int cases = 0, failures;
    if (count == 3 && strcmp(arguments[1], "--update") == 0) failures = cases_update(arena, arguments[2], module_text);
    else failures = cases_run(arena, count - 1, arguments + 1, check, &cases);
    if (cases) printf("%d programs, %d failures\n", cases, failures);
    plait_arena_destroy(arena);
    return failures != 0;
}
