/* Rejected programs and what is said about them.
 *
 * A case file holds cases: a line `=== NAME [-D axis=n].. `, the program, a line `---`, and the whole expected text. In a
 * program `\xHH` is that byte, `\{N:TEXT}` is TEXT N times, and `\$` at the end of a line removes its newline.
 *
 *   errors_run FILE..            compares exactly; then every id E01 to E05 must have been produced
 *   errors_run --update FILE     prints the file with the texts that are produced now
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"

enum { LEAST_CASES = 120 };

static bool produced[PLAIT_DIAGNOSTIC_COUNT];

typedef struct Case {
    const char *header; /* the line without `=== ` */
    const char *program, *expected;
} Case;

/* ---- reading ---- */

static char *read_file(PlaitArena *arena, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    PlaitText text = plait_text(arena);
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) plait_text_add_bytes(&text, buffer, n);
    fclose(file);
    return plait_arena_strdup(arena, plait_text_string(&text));
}

/* Cuts at the line `mark`: ends the text before it and returns what follows the line; NULL when there is none. */
static char *cut(char *text, const char *mark)
{
    size_t length = strlen(mark);
    for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, mark, length) != 0) continue;
        *line = '\0';
        return line + length;
    }
    return NULL;
}

/* The next case of the text, which begins after `=== `; `*rest` is the text after the one that follows. */
static bool next_case(char *text, char **rest, Case *result)
{
    *rest = cut(text, "=== ");
    char *expected = cut(text, "---\n"), *end = strchr(text, '\n');
    if (!expected || !end) return false;
    *end = '\0';
    *result = (Case){text, end + 1, expected};
    return true;
}

static const char *expand(PlaitText *text, const char *at);

/* `{N:TEXT}` */
static const char *repeat(PlaitText *text, const char *at)
{
    char *colon;
    long count = strtol(at + 1, &colon, 10);
    const char *end = NULL;
    for (long i = 0; i < count; i++) end = expand(text, colon + 1);
    return end + 1;
}

/* Expands until the end of the text or a `}` that closes a repetition; returns where it stopped. */
static const char *expand(PlaitText *text, const char *at)
{
    while (*at && strncmp(at, "\\}", 2) != 0) {
        if (at[0] == '\\' && at[1] == 'x') {
            char byte = (char)strtol((char[]){at[2], at[3], '\0'}, NULL, 16);
            plait_text_add_bytes(text, &byte, 1);
            at += 4;
        } else if (at[0] == '\\' && at[1] == '{') {
            at = repeat(text, at + 1) + 1;
        } else if (at[0] == '\\' && at[1] == '$') {
            at += at[2] == '\n' ? 3 : 2;
        } else {
            plait_text_add_bytes(text, at++, 1);
        }
    }
    return at;
}

/* ---- running ---- */

static uint32_t read_overrides(PlaitNames *names, const char *header, PlaitAxisSize *overrides, uint32_t most)
{
    uint32_t count = 0;
    for (const char *at = header; count < most && (at = strstr(at, "-D ")); at++) {
        const char *name = at + 3, *equals = strchr(name, '=');
        overrides[count++] = (PlaitAxisSize){plait_names_add_bytes(names, name, (size_t)(equals - name)), strtoll(equals + 1, NULL, 10)};
    }
    return count;
}

static const char *actual_text(PlaitArena *arena, const Case *test)
{
    PlaitNames names = {.arena = arena};
    PlaitSources sources = {.arena = arena};
    PlaitDiagnostics diagnostics = {.arena = arena, .sources = &sources};
    PlaitAxisSize overrides[8];
    uint32_t count = read_overrides(&names, test->header, overrides, 8);
    PlaitText program = plait_text(arena), text = plait_text(arena);
    expand(&program, test->program);
    uint32_t source = plait_sources_add(&sources, "test.plait", plait_text_string(&program), (uint32_t)program.length);
    if (plait_frontend_compile(arena, &names, &diagnostics, source, overrides, count)) return "the program was accepted\n";
    for (uint32_t i = 0; i < diagnostics.list.count; i++) {
        const PlaitDiagnostic *diagnostic = &diagnostics.list.data[i];
        produced[diagnostic->id] = true;
        if (!*diagnostic->help || !*diagnostic->found) return "a message without `found` or `help`\n";
    }
    plait_diagnostics_print(&diagnostics, &text);
    return plait_text_string(&text);
}

static bool run_case(PlaitArena *arena, const char *path, const Case *test, bool update)
{
    const char *actual = actual_text(arena, test);
    if (update) {
        printf("=== %s\n%s---\n%s\n", test->header, test->program, actual);
        return true;
    }
    size_t length = strlen(actual); /* a blank line separates cases */
    if (strncmp(actual, test->expected, length) == 0 && strcmp(test->expected + length, "\n") == 0) return true;
    fprintf(stderr, "%s: %s\ngot:\n%s\nexpected:\n%s\n", path, test->header, actual, test->expected);
    return false;
}

/* Runs the cases of a file; returns their number, counting failures. */
static int run_file(PlaitArena *arena, const char *path, bool update, int *failures)
{
    char *text = read_file(arena, path), *rest = text ? cut(text, "=== ") : NULL;
    int count = 0;
    if (!rest) (*failures)++;
    if (update && text) fputs(text, stdout);
    while (rest) {
        Case test;
        char *current = rest;
        if (!next_case(current, &rest, &test)) {
            fprintf(stderr, "%s: malformed case: %.40s\n", path, current);
            (*failures)++;
            continue;
        }
        count++;
        *failures += !run_case(arena, path, &test, update);
    }
    return count;
}

static int check_produced(void)
{
    int failures = 0;
    for (int id = 0; id < PLAIT_DIAGNOSTIC_COUNT; id++) {
        const char *code = plait_diagnostic_code((PlaitDiagnosticId)id);
        if (strcmp(code, "E06") > 0 || produced[id]) continue;
        fprintf(stderr, "no rejected program produces %s\n", code);
        failures++;
    }
    return failures;
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 2;
    bool update = count > 1 && strcmp(arguments[1], "--update") == 0;
    int cases = 0, failures = 0;
    for (int i = update ? 2 : 1; i < count; i++) cases += run_file(arena, arguments[i], update, &failures);
    if (!update) {
        failures += check_produced();
        failures += cases < LEAST_CASES;
        printf("%d rejected programs, %d failures\n", cases, failures);
    }
    plait_arena_destroy(arena);
    return failures != 0;
}
