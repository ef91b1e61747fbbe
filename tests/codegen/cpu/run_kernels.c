/* Runs kernels of Tile IR, compiled for each level of x86-64, against the interpreter:
 *     cpu-kernels FILE.tir..             each kernel of each file, with several extents of its run-time axes and
 * strides cpu-kernels --random COUNT SEED    random kernels cpu-kernels --print SEED           the random kernel of
 * that seed, as text
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/emit.h"
#include "ir/text.h"
#include "tests/codegen/cpu/jit.h"
#include "tests/codegen/cpu/random_kernel.h"

typedef struct Session {
    PlaitArena *arena;
    PlaitNames names;
    PlaitSources sources;
    PlaitDiagnostics diagnostics;
} Session;

static void open_session(Session *session, PlaitArena *arena)
{
    *session = (Session){.arena = arena, .names = {.arena = arena}, .sources = {.arena = arena}};
    session->diagnostics = (PlaitDiagnostics){.arena = arena, .sources = &session->sources};
}

static bool rejected(const Session *session)
{
    PlaitText text = plait_text(session->arena);
    plait_diagnostics_print(&session->diagnostics, &text);
    fprintf(stderr, "%s", plait_text_string(&text));
    return false;
}

/* Compares all outputs; true when they agree. */
static bool compare(const PlaitFunction *kernel, const TestArray *expected, const TestArray *actual, uint32_t isa,
                    const int64_t *extents)
{
    bool good = true;
    for (PlaitValue value = 1; value < kernel->insts.count; value++) {
        if (plait_op_of(kernel, value) != PLAIT_OP_TENSOR) continue;
        double difference = test_difference(&expected[value], &actual[value]);
        if (difference <= 1) continue;
        good = false;
        const char *tensor = plait_names_text(kernel->module->names, plait_inst(kernel, value)->name);
        fprintf(stderr, "%s.%s: %s differs %g times what is allowed; extents",
                plait_names_text(kernel->module->names, kernel->name), plait_isas[isa].suffix, tensor, difference);
        for (uint32_t i = 0; i < kernel->axes.count; i++)
            fprintf(stderr, " %s=%lld", plait_axis_text(kernel, (PlaitAxis)i), (long long)extents[i]);
        fprintf(stderr, "\n");
    }
    return good;
}

/* Copies of tensors, of which those of one name share memory. */
static TestArray *copy_tensors(PlaitArena *arena, const PlaitFunction *kernel, const TestArray *tensors)
{
    TestArray *copies = PLAIT_NEW_ARRAY(arena, TestArray, kernel->insts.count);
    for (PlaitValue value = 1; value < kernel->insts.count; value++) {
        if (!tensors[value].memory) continue;
        copies[value] = test_array_copy(arena, &tensors[value]);
        for (PlaitValue other = 1; other < value; other++)
            if (tensors[other].memory == tensors[value].memory) copies[value] = copies[other];
    }
    return copies;
}

static bool run_once(PlaitArena *arena, const PlaitFunction *kernel, TestJit *jit, const int64_t *extents,
                     TestRandom *random)
{
    const TestArray *tensors = test_tensors(arena, kernel, extents, false, random);
    TestArray *expected = copy_tensors(arena, kernel, tensors);
    bool good = true;
    tile_interpret(arena, kernel, extents, expected);
    for (uint32_t isa = 0; isa < PLAIT_ISA_COUNT; isa++) {
        TestKernel *function = test_jit_find(jit, arena, kernel, isa);
        if (!function) continue;
        TestArray *actual = copy_tensors(arena, kernel, tensors);
        int64_t programs = tile_programs(kernel, extents), middle = programs / 2;
        const int64_t *slots = test_slots(arena, kernel, extents, actual);
        function(slots, 0, middle);
        function(slots, middle, programs);
        good = compare(kernel, expected, actual, isa, extents) && good;
    }
    return good;
}

static bool run_module(PlaitArena *arena, const PlaitModule *module, uint32_t rounds, TestRandom *random)
{
    static const int64_t sizes[] = {5, 17, 1, 0, 33, 2, 16, 48, 7};
    TestJit *jit = test_jit_create(arena, module);
    if (!jit) return false;
    bool good = true;
    for (uint32_t i = 0; i < module->functions.count; i++) {
        const PlaitFunction *kernel = module->functions.data[i];
        int64_t *extents = PLAIT_NEW_ARRAY(arena, int64_t, kernel->axes.count);
        for (uint32_t round = 0; round < rounds; round++) {
            for (uint32_t a = 0; a < kernel->axes.count; a++) {
                const PlaitAxisInfo *axis = &kernel->axes.data[a];
                bool batch = axis->role == PLAIT_ROLE_BATCH || axis->role == PLAIT_ROLE_HEAD;
                int64_t drawn = sizes[rounds > 4 ? round % 9 : test_below(random, 9)];
                extents[a] = axis->size != PLAIT_RUNTIME_SIZE ? axis->size
                             : axis->block                    ? plait_block_count(extents[axis->same_as], axis->block)
                             : axis->same_as != PLAIT_NO_AXIS ? extents[axis->same_as]
                             : batch                          ? 1 + round % 2
                                                              : drawn;
            }
            good = run_once(arena, kernel, jit, extents, random) && good;
        }
    }
    test_jit_destroy(jit);
    return good;
}

/* ---- files ---- */

static bool run_file(const char *path)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return false;
    Session session;
    open_session(&session, arena);
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    char *text = plait_arena_alloc(arena, 1 << 20);
    uint32_t length = (uint32_t)fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    uint32_t source = plait_sources_add(&session.sources, path, text, length);
    PlaitModule *module = plait_module_parse(arena, &session.names, &session.diagnostics, source);
    bool good = module && plait_module_verify(module);
    if (!good) rejected(&session);
    TestRandom random = {1};
    good = good && run_module(arena, module, 9, &random);
    printf("%s: %s\n", path, good ? "ok" : "FAILED");
    plait_arena_destroy(arena);
    return good;
}

/* ---- random kernels ---- */

static bool run_random(uint64_t seed, bool print)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return false;
    Session session;
    open_session(&session, arena);
    TestRandom random = {seed * 0x100000001B3u + 77};
    PlaitModule *module = random_kernel(arena, &session.names, &session.diagnostics, &random);
    PlaitText text = plait_text(arena);
    plait_module_print(module, &text);
    if (print) printf("%s", plait_text_string(&text));
    bool good = plait_module_verify(module) || rejected(&session);
    good = good && run_module(arena, module, 2, &random);
    if (!good) printf("random kernel %llu: FAILED\n", (unsigned long long)seed);
    plait_arena_destroy(arena);
    return good;
}

int main(int count, char **arguments)
{
    bool good = true;
    uint64_t runs = 0;
    if (count == 3 && strcmp(arguments[1], "--print") == 0) return !run_random(strtoull(arguments[2], NULL, 10), true);
    if (count == 4 && strcmp(arguments[1], "--random") == 0) {
        uint64_t seed = strtoull(arguments[3], NULL, 10);
        for (; runs < strtoull(arguments[2], NULL, 10); runs++) {
            good = run_random(seed + runs, false) && good;
            fflush(stdout);
        }
    } else {
        for (int i = 1; i < count; i++, runs++) good = run_file(arguments[i]) && good;
    }
    printf("%llu %s, %s\n", (unsigned long long)runs, "runs", good && runs ? "all good" : "some FAILED");
    return !good || !runs;
}
