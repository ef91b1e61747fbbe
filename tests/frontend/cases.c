/* Reading, running and updating case files. */
#include "tests/frontend/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"

char *cases_read_file(PlaitArena *arena, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    PlaitText text = plait_text(arena);
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) plait_text_add_bytes(&text, buffer, n);
    fclose(file);
    return plait_arena_strdup(arena, plait_text_string(&text));
}

char *cases_cut(char *text, const char *mark)
{
    size_t length = strlen(mark);
    for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, mark, length) != 0) continue;
        *line = '\0';
        return line + length;
    }
    return NULL;
}

bool cases_next(char *text, char **rest, Case *result)
{
    *rest = cases_cut(text, "=== ");
    char *expected = cases_cut(text, "---\n"), *end = strchr(text, '\n');
    if (!expected || !end) return false;
    *end = '\0';
    *result = (Case){text, end + 1, expected};
    return true;
}

/* ---- escapes ---- */

static const char *expand(PlaitText *text, const char *at);

/* From `{`: the text as often as the number says. Returns what follows the closing `\}`. */
static const char *repeat(PlaitText *text, const char *at)
{
    char *colon;
    long count = strtol(at + 1, &colon, 10);
    const char *end = colon;
    for (long i = 0; i < count; i++) end = expand(text, colon + 1);
    return end + 2;
}

/* Expands to the end of the text, or to the `\}` that closes a repetition; returns where that is. */
static const char *expand(PlaitText *text, const char *at)
{
    while (*at && strncmp(at, "\\}", 2) != 0) {
        if (strncmp(at, "\\x", 2) == 0) {
            char byte = (char)strtol((char[]){at[2], at[3], '\0'}, NULL, 16);
            plait_text_add_bytes(text, &byte, 1);
            at += 4;
        } else if (strncmp(at, "\\{", 2) == 0) {
            at = repeat(text, at + 1);
        } else if (strncmp(at, "\\$\n", 3) == 0) {
            at += 3;
        } else {
            plait_text_add_bytes(text, at++, 1);
        }
    }
    return at;
}

/* ---- compiling ---- */

static uint32_t read_overrides(PlaitNames *names, const char *options, PlaitAxisSize *overrides, uint32_t most)
{
    uint32_t count = 0;
    for (const char *at = options; count < most && (at = strstr(at, "-D ")); at++) {
        const char *name = at + 3, *equals = strchr(name, '=');
        overrides[count++] =
            (PlaitAxisSize){plait_names_add_bytes(names, name, (size_t)(equals - name)), strtoll(equals + 1, NULL, 10)};
    }
    return count;
}

Compiled *cases_compile(PlaitArena *arena, const char *program, const char *options)
{
    Compiled *compiled = PLAIT_NEW(arena, Compiled);
    compiled->names.arena = compiled->sources.arena = compiled->diagnostics.arena = arena;
    compiled->diagnostics.sources = &compiled->sources;
    PlaitAxisSize overrides[8];
    uint32_t count = read_overrides(&compiled->names, options, overrides, 8);
    PlaitText text = plait_text(arena);
    expand(&text, program);
    uint32_t source =
        plait_sources_add(&compiled->sources, "test.plait", plait_text_string(&text), (uint32_t)text.length);
    compiled->module =
        plait_frontend_compile(arena, &compiled->names, &compiled->diagnostics, source, overrides, count);
    return compiled;
}

const char *cases_text(PlaitArena *arena, const Compiled *compiled)
{
    PlaitText text = plait_text(arena);
    if (compiled->module) plait_module_print(compiled->module, &text);
    else plait_diagnostics_print(&compiled->diagnostics, &text);
    return plait_text_string(&text);
}

/* ---- running ---- */

int cases_run(PlaitArena *arena, int count, char **paths, CaseCheck *check, int *cases)
{
    int failures = 0;
    for (int i = 0; i < count; i++) {
        char *text = cases_read_file(arena, paths[i]), *rest = text ? cases_cut(text, "=== ") : NULL;
        failures += !rest;
        while (rest) {
            Case test;
            if (!cases_next(rest, &rest, &test)) {
                fprintf(stderr, "%s: a malformed case\n", paths[i]);
                failures++;
                continue;
            }
            (*cases)++;
            failures += !check(arena, paths[i], &test);
        }
    }
    return failures;
}

bool cases_same(const char *path, const Case *test, const char *actual)
{
    size_t length = strlen(actual);
    if (strncmp(actual, test->expected, length) == 0 &&
        strspn(test->expected + length, "\n") == strlen(test->expected + length))
        return true;
    fprintf(stderr, "%s: %s\ngot:\n%s\nexpected:\n%s\n", path, test->name, actual, test->expected);
    return false;
}

int cases_update(PlaitArena *arena, const char *path, const char *(*text)(PlaitArena *arena, const Case *test))
{
    char *file = cases_read_file(arena, path), *rest = file ? cases_cut(file, "=== ") : NULL;
    if (!rest) return 1;
    fputs(file, stdout);
    while (rest) {
        Case test;
        if (!cases_next(rest, &rest, &test)) return 1;
        printf("=== %s\n%s---\n%s\n", test.name, test.program, text(arena, &test));
    }
    return 0;
}
