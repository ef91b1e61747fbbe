/* No text crashes the frontend, and none is rejected without a message.
 *
 *   frontend_robust COUNT FILE..   COUNT mutants of the programs in the case files, always the same ones;
 *                                  then every allocation of some programs fails once
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/sample.h"
#include "ir/text.h"
#include "tests/frontend/cases.h"

enum { MOST_PROGRAMS = 1000, LONGEST = 6000, FAILING_PROGRAMS = 12 };

typedef struct Programs {
    const char *text[MOST_PROGRAMS];
    uint32_t count;
} Programs;

static Programs programs;

static bool collect(PlaitArena *arena, const char *path, const Case *test)
{
    (void)arena, (void)path;
    bool usable = programs.count < MOST_PROGRAMS && strlen(test->program) < LONGEST && !strstr(test->program, "\\{");
    if (usable) programs.text[programs.count++] = test->program;
    return true;
}

/* ---- mutants ---- */

static const char *const tokens[] = {
    "(",       ")",        "[",       "]",       "{",         "}",          ",",     ";",      "\n",       ":",
    "=",       "==",       "->",      "@",       "+",         "-",          "*",     "/",      "//",       "%",
    "^",       "<",        ">=",      "!=",      " and ",     " or ",       " not ", " if ",   " else ",   " scan ",
    " carry ", " attend ", " where ", " along ", " reverse ", " operator ", " fn ",  " axis ", " const ",  " same ",
    " t ",     " s ",      " d ",     " x ",     " y ",       " S ",        " f32 ", " bf16 ", " i32 ",    " bool ",
    " 0 ",     " 1 ",      " 2.5 ",   " 1e30 ",  " inf ",     " true ",     " sum",  " max",   " softmax", " conv",
    " cumsum", " mean",    " select", " rope",   " size",     " position",  "#",     "`"};

/* From `from` to `*to`: a stretch of a program that ends with a word. */
static const char *stretch(PlaitRandom *random, const char *text, size_t *length)
{
    size_t size = strlen(text), from = plait_random_below(random, (uint32_t)size + 1);
    size_t most = 1 + plait_random_below(random, 40);
    *length = size - from < most ? size - from : most;
    return text + from;
}

/* A program with some of its text removed, doubled, or replaced by tokens or by text of another program. */
static const char *mutant(PlaitArena *arena, PlaitRandom *random)
{
    const char *text = programs.text[plait_random_below(random, programs.count)];
    uint32_t changes = 1 + plait_random_below(random, 4);
    for (uint32_t i = 0; i < changes; i++) {
        PlaitText next = plait_text(arena);
        size_t size = strlen(text), at = plait_random_below(random, (uint32_t)size + 1), length;
        size_t removed = plait_random_below(random, 3) ? plait_random_below(random, 12) : 0;
        plait_text_add_bytes(&next, text, at);
        const char *inserted = stretch(random, programs.text[plait_random_below(random, programs.count)], &length);
        if (plait_random_below(random, 2))
            plait_text_add(&next, tokens[plait_random_below(random, sizeof tokens / sizeof *tokens)]);
        else plait_text_add_bytes(&next, inserted, length);
        plait_text_add(&next, text + (size - at < removed ? size : at + removed));
        text = plait_text_string(&next);
    }
    return text;
}

static bool is_sound(const Compiled *compiled)
{
    if (compiled->module) return compiled->diagnostics.error_count == 0 && plait_module_verify(compiled->module);
    for (uint32_t i = 0; i < compiled->diagnostics.list.count; i++) {
        const PlaitDiagnostic *diagnostic = &compiled->diagnostics.list.data[i];
        if (strcmp(plait_diagnostic_code(diagnostic->id), "E06") >= 0 || !*diagnostic->help) return false;
    }
    return compiled->diagnostics.error_count > 0;
}

static int try_mutant(uint64_t seed)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 1;
    PlaitRandom random = plait_random(seed, 1);
    const char *text = mutant(arena, &random);
    const Compiled *compiled = cases_compile(arena, text, "");
    bool good = is_sound(compiled) && strlen(cases_text(arena, compiled)) > 0;
    if (!good) fprintf(stderr, "seed %llu:\n%s\n%s\n", (unsigned long long)seed, text, cases_text(arena, compiled));
    plait_arena_destroy(arena);
    return !good;
}

/* ---- failing allocations ---- */

/* Whether the n-th allocation of compiling the text was reached; it fails. */
static bool fail_once(const char *text, uint64_t n)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    bool volatile failed = true;
    plait_arena_fail_at(n);
    if (arena && PLAIT_TRY(&failure)) {
        cases_compile(arena, text, "");
        failed = false;
    }
    plait_arena_fail_at(0);
    plait_arena_destroy(arena);
    return failed;
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (count < 3 || !arena || !PLAIT_TRY(&failure)) return 2;
    uint64_t mutants = strtoull(arguments[1], NULL, 10);
    int cases = 0, failures = cases_run(arena, count - 2, arguments + 2, collect, &cases);
    for (uint64_t seed = 1; seed <= mutants && failures < 5; seed++) failures += try_mutant(seed);
    uint64_t allocations = 0;
    for (uint32_t i = 0; i < FAILING_PROGRAMS; i++) {
        const char *text = programs.text[i * programs.count / FAILING_PROGRAMS];
        uint64_t n = 1;
        while (fail_once(text, n)) n += 1 + n / 16; /* all of the first ones, then some */
        allocations += n;
    }
    printf("%u programs, %llu mutants, %llu allocations, %d failures\n", programs.count, (unsigned long long)mutants,
           (unsigned long long)allocations, failures);
    plait_arena_destroy(arena);
    return failures != 0 || allocations < 1000;
}
