/* The examples of the documentation are compiled.
 *
 *   frontend_docs language.md errors.md
 *
 * Code blocks by their first line: `plait` is a whole file; `plait top` has declarations only; `plait body` has
 * statements, which replace `# ...` in the last `plait frame`; `plait E0301` is a file that is rejected with that id.
 * Every function is named in the first page; every diagnostic has a heading in the second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/frontend/cases.h"

static const char *joined(PlaitArena *arena, const char *frame, const char *body)
{
    const char *mark = frame ? strstr(frame, "# ...") : NULL;
    if (!mark) return "";
    return plait_arena_printf(arena, "%.*s%s%s", (int)(mark - frame), frame, body, mark + strlen("# ..."));
}

static bool is_rejected_with(const Compiled *compiled, const char *code)
{
    for (uint32_t i = 0; i < compiled->diagnostics.list.count; i++)
        if (strcmp(plait_diagnostic_code(compiled->diagnostics.list.data[i].id), code) == 0) return true;
    return false;
}

static bool check_block(PlaitArena *arena, const char *kind, const char *block, const char *frame)
{
    const char *program = block;
    if (strcmp(kind, "plait top") == 0)
        program = plait_arena_printf(arena, "%s\noperator example() -> (y : f32) { y = 0 }\n", block);
    if (strcmp(kind, "plait body") == 0) program = joined(arena, frame, block);
    const Compiled *compiled = cases_compile(arena, program, "");
    bool rejected = strncmp(kind, "plait E", 7) == 0;
    bool good = rejected ? is_rejected_with(compiled, kind + 6) : compiled->module != NULL;
    if (!good) fprintf(stderr, "a `%s` block is wrong:\n%s\n%s\n", kind, block, cases_text(arena, compiled));
    return good;
}

/* Checks every block of the page; returns the number of wrong ones. */
static int check_blocks(PlaitArena *arena, const char *page, int *blocks)
{
    int failures = 0;
    const char *frame = NULL;
    for (const char *at = page; (at = strstr(at, "```")); at += 3) {
        const char *line = strchr(at, '\n'), *end = line ? strstr(line, "\n```") : NULL;
        if (!end) return failures + 1;
        const char *kind = plait_arena_strndup(arena, at + 3, (size_t)(line - at - 3));
        const char *block = plait_arena_strndup(arena, line + 1, (size_t)(end - line));
        at = end + 1;
        if (strcmp(kind, "plait frame") == 0) frame = block;
        if (strncmp(kind, "plait", 5) != 0) continue;
        (*blocks)++;
        failures += !check_block(arena, kind, block, frame);
    }
    return failures;
}

static bool has_word(const char *page, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = page; (at = strstr(at, word)); at++) {
        bool starts = at == page || !strchr("abcdefghijklmnopqrstuvwxyz_0123456789", at[-1]);
        if (starts && !strchr("abcdefghijklmnopqrstuvwxyz_0123456789", at[length])) return true;
    }
    return false;
}

static int check_functions(PlaitArena *arena, const char *page)
{
    PlaitNames names = {.arena = arena};
    PlaitSources sources = {.arena = arena};
    PlaitDiagnostics diagnostics = {.arena = arena, .sources = &sources};
    uint32_t count;
    const char *const *list = plait_frontend_std_names(arena, &names, &diagnostics, &count);
    int failures = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (has_word(page, list[i])) continue;
        fprintf(stderr, "the language reference does not name `%s`\n", list[i]);
        failures++;
    }
    return failures;
}

static int check_headings(PlaitArena *arena, const char *page)
{
    int failures = 0;
    for (int id = 0; id < PLAIT_DIAGNOSTIC_COUNT; id++) {
        const char *code = plait_diagnostic_code((PlaitDiagnosticId)id),
                   *title = plait_diagnostic_title((PlaitDiagnosticId)id);
        if (strstr(page, plait_arena_printf(arena, "\n### %s: %s\n", code, title))) continue;
        fprintf(stderr, "the error index lacks `### %s: %s`\n", code, title);
        failures++;
    }
    return failures;
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (count != 3 || !arena || !PLAIT_TRY(&failure)) return 2;
    const char *language = cases_read_file(arena, arguments[1]), *errors = cases_read_file(arena, arguments[2]);
    if (!language || !errors) return 2;
    int blocks = 0, failures = check_blocks(arena, language, &blocks) + check_blocks(arena, errors, &blocks);
    failures += check_functions(arena, language) + check_headings(arena, errors);
    printf("%d examples, %d failures\n", blocks, failures);
    plait_arena_destroy(arena);
    return failures != 0 || blocks == 0;
}
