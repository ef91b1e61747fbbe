/* Times the kernels of a Tile IR file on one core:
 *     cpu-bench FILE.tir AXIS=EXTENT.. [work=OPERATIONS]
 * prints for each level of x86-64 the best time of a call over all programs, per program, and operations per second
 * when their number is given; and what compilation cost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/emit.h"
#include "ir/text.h"
#include "tests/codegen/cpu/jit.h"

static double argument_of(int count, char **arguments, const char *name, double otherwise)
{
    size_t length = strlen(name);
    for (int i = 2; i < count; i++)
        if (strncmp(arguments[i], name, length) == 0 && arguments[i][length] == '=')
            return strtod(arguments[i] + length + 1, NULL);
    return otherwise;
}

static double best_time(TestKernel *function, const int64_t *slots, int64_t programs)
{
    double best = 1e30, start = test_seconds();
    for (uint32_t i = 0; i < 5 || (test_seconds() - start < 1 && i < 1000); i++) {
        double before = test_seconds();
        function(slots, 0, programs);
        double time = test_seconds() - before;
        if (time < best) best = time;
    }
    return best;
}

static void bench_kernel(PlaitArena *arena, TestJit *jit, const PlaitFunction *kernel, int count, char **arguments)
{
    int64_t *extents = PLAIT_NEW_ARRAY(arena, int64_t, kernel->axes.count);
    TestRandom random = {1};
    double work = argument_of(count, arguments, "work", 0);
    for (uint32_t a = 0; a < kernel->axes.count; a++) {
        const PlaitAxisInfo *axis = &kernel->axes.data[a];
        double given = argument_of(count, arguments, plait_axis_text(kernel, (PlaitAxis)a), 1);
        extents[a] = axis->size != PLAIT_RUNTIME_SIZE ? axis->size
                     : axis->block                    ? plait_block_count(extents[axis->same_as], axis->block)
                     : axis->same_as != PLAIT_NO_AXIS ? extents[axis->same_as]
                                                      : (int64_t)given;
    }
    TestArray *tensors = test_tensors(arena, kernel, extents, true, &random);
    const int64_t *slots = test_slots(arena, kernel, extents, tensors);
    int64_t programs = tile_programs(kernel, extents);
    for (uint32_t isa = 0; isa < PLAIT_ISA_COUNT; isa++) {
        TestKernel *function = test_jit_find(jit, arena, kernel, isa);
        if (!function) continue;
        double time = best_time(function, slots, programs);
        printf("%s.%s: %10.2f us a call, %10.2f us a program", plait_names_text(kernel->module->names, kernel->name),
               plait_isas[isa].suffix, time * 1e6, time * 1e6 / (double)programs);
        if (work > 0) printf(", %.2f G/s", work / time * 1e-9);
        printf("\n");
    }
}

static PlaitModule *read_module(PlaitArena *arena, PlaitNames *names, PlaitSources *sources,
                                PlaitDiagnostics *diagnostics, const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = plait_arena_alloc(arena, 1 << 20);
    if (!file) return NULL;
    uint32_t length = (uint32_t)fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    PlaitModule *module = plait_module_parse(arena, names, diagnostics, plait_sources_add(sources, path, text, length));
    return module && plait_module_verify(module) ? module : NULL;
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (count < 2 || !arena || !PLAIT_TRY(&failure)) return 1;
    PlaitNames names = {.arena = arena};
    PlaitSources sources = {.arena = arena};
    PlaitDiagnostics diagnostics = {.arena = arena, .sources = &sources};
    PlaitModule *module = read_module(arena, &names, &sources, &diagnostics, arguments[1]);
    TestJit *jit = module ? test_jit_create(arena, module) : NULL;
    if (!jit) {
        fprintf(stderr, "%s: not read or not compiled\n", arguments[1]);
        return 1;
    }
    TestCosts costs = test_jit_costs(jit);
    printf("%s: LLVM IR %.0f ms, passes %.0f ms, machine code %.0f ms, object %zu KiB\n", arguments[1],
           costs.emit * 1e3, costs.optimise * 1e3, costs.generate * 1e3, costs.bytes / 1024);
    for (uint32_t i = 0; i < module->functions.count; i++)
        bench_kernel(arena, jit, module->functions.data[i], count, arguments);
    test_jit_destroy(jit);
    plait_arena_destroy(arena);
    return 0;
}
