/* The n-th allocation fails, for n = 1, 2, ...: the compiler comes back to its failure point, and leaks nothing.
 *
 *     failing_allocations STEP FILE..
 *
 * For each program: front end, passes, and the lowering for the CPU and for a GPU, as one run, until one succeeds.
 * Every n up to DENSE, then every STEP-th. Afterwards the program still compiles to the same text. malloc and free are
 * wrapped by the linker, so that a leak is seen without a sanitizer too.
 */
#include <stdlib.h>

#include "frontend/frontend.h"
#include "ir/text.h"
#include "passes/passes.h"
#include "tests/support/check.h"

enum { LARGEST_FILE = 1 << 16, DENSE = 300 };

static int64_t balance; /* blocks that live */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *data, size_t size);
void __real_free(void *data);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *data, size_t size);
void __wrap_free(void *data);

void *__wrap_malloc(size_t size)
{
    balance++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    balance++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *data, size_t size)
{
    balance += data == NULL;
    return __real_realloc(data, size);
}

void __wrap_free(void *data)
{
    balance -= data != NULL;
    __real_free(data);
}

typedef struct Program {
    const char *path;
    char text[LARGEST_FILE];
    size_t length;
} Program;

typedef enum Outcome { SUCCEEDED, FAILED, REJECTED } Outcome;

/* The program compiled, as text of Tile IR; false when it is rejected. */
static bool compile(PlaitArena *arena, const Program *program, PlaitText *text)
{
    static const PlaitTileTarget targets[] = {{"cpu", false}, {"sm_80", true}};
    PlaitNames names = {.arena = arena};
    PlaitSources sources = {.arena = arena};
    PlaitDiagnostics diagnostics = {.arena = arena, .sources = &sources};
    uint32_t source = plait_sources_add(&sources, program->path, program->text, (uint32_t)program->length);
    PlaitModule *module = plait_frontend_compile(arena, &names, &diagnostics, source, NULL, 0);
    if (!module) return false;
    plait_stage_pipeline_run(module, false, &(PlaitPassOptions){0});
    for (uint32_t i = 0; i < 2; i++) {
        const PlaitModule *tiles = plait_lower_to_tiles(module, &targets[i], "");
        if (!tiles) return false;
        plait_module_print(tiles, text);
    }
    return true;
}

/* One run in which the n-th allocation fails (0: none). Of a success the text goes to `*kept`, which the caller frees.
 */
static Outcome run(const Program *program, uint64_t n, char **kept)
{
    PlaitFailure failure;
    Outcome volatile outcome = FAILED;
    plait_arena_fail_at(n);
    PlaitArena *arena = plait_arena_create(&failure);
    if (arena && PLAIT_TRY(&failure)) {
        PlaitText text = plait_text(arena);
        outcome = compile(arena, program, &text) ? SUCCEEDED : REJECTED;
        plait_arena_fail_at(0);
        if (kept) {
            *kept = malloc(text.length + 1);
            if (*kept) memcpy(*kept, plait_text_string(&text), text.length + 1);
        }
    }
    plait_arena_fail_at(0);
    plait_arena_destroy(arena);
    return outcome;
}

static void test_program(const Program *program, uint64_t step)
{
    char *before = NULL, *after = NULL;
    CHECK(run(program, 0, &before) == SUCCEEDED);
    int64_t live = balance;
    uint64_t n = 1;
    Outcome outcome;
    for (; (outcome = run(program, n, NULL)) == FAILED; n += n < DENSE ? 1 : step) {
        if (balance == live) continue;
        fprintf(stderr, "%s: %lld blocks leaked when allocation %llu failed\n", program->path,
                (long long)(balance - live), (unsigned long long)n);
        CHECK(balance == live);
        break;
    }
    CHECK(outcome == SUCCEEDED);
    CHECK(n > 1000); /* the failures were there */
    CHECK(run(program, 0, &after) == SUCCEEDED);
    if (before && after) CHECK_TEXT(after, before);
    free(before);
    free(after);
    printf("%s: it needs fewer than %llu allocations\n", program->path, (unsigned long long)n);
}

static bool read_program(Program *program, const char *path)
{
    FILE *file = fopen(path, "rb");
    program->path = path;
    program->length = file ? fread(program->text, 1, sizeof program->text, file) : 0;
    if (file) fclose(file);
    return program->length > 0;
}

int main(int count, char **arguments)
{
    static Program program;
    uint64_t step = count > 2 ? strtoull(arguments[1], NULL, 10) : 0;
    if (step == 0) return 2;
    for (int i = 2; i < count; i++) {
        CHECK(read_program(&program, arguments[i]));
        test_program(&program, step);
    }
    return check_report();
}
