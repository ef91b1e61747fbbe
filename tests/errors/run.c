/* Rejected programs and the exact text that is said about them.
 *
 *   errors_run FILE..            compares; then every id E01 to E05 must have been produced by one of the programs
 *   errors_run --update FILE     prints the file with the texts that are produced now
 */
#include <stdio.h>
#include <string.h>

#include "tests/frontend/cases.h"

enum { LEAST_CASES = 120 };

static bool produced[PLAIT_DIAGNOSTIC_COUNT];

static const char *diagnostics_text(PlaitArena *arena, const Case *test)
{
    const Compiled *compiled = cases_compile(arena, test->program, test->name);
    if (compiled->module) return "the program was accepted\n";
    for (uint32_t i = 0; i < compiled->diagnostics.list.count; i++) {
        const PlaitDiagnostic *diagnostic = &compiled->diagnostics.list.data[i];
        produced[diagnostic->id] = true;
        if (!*diagnostic->help || !*diagnostic->found) return "a message without `found` or `help`\n";
    }
    return cases_text(arena, compiled);
}

static bool check(PlaitArena *arena, const char *path, const Case *test)
{
    return cases_same(path, test, diagnostics_text(arena, test));
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
    if (count == 3 && strcmp(arguments[1], "--update") == 0) {
        int status = cases_update(arena, arguments[2], diagnostics_text);
        plait_arena_destroy(arena);
        return status;
    }
    int cases = 0, failures = cases_run(arena, count - 1, arguments + 1, check, &cases);
    failures += check_produced() + (cases < LEAST_CASES);
    printf("%d rejected programs, %d failures\n", cases, failures);
    plait_arena_destroy(arena);
    return failures != 0;
}
