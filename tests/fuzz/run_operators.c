/* Random operators through the whole compiler on the CPU, against the interpreter.
 *
 * For each seed: draw an operator, run the passes (each optional one left out in turn), lower, compile in the process
 * for a level of x86-64 that this machine has, run on arrays with gaps and turned axes, compare with the interpreter on
 * the operator as drawn.
 *
 * An output beyond the bar is no fault when rounding alone, done by the interpreter to every f32 value, is as far off
 * (ir/rounding.h). Such a seed is counted and printed.
 *
 *     run_operators FIRST COUNT [-v] [-g]   exit status 1 when any seed differs; prints the operator of a failing seed
 *
 * With -g it is the operators' backwards that are compiled.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/emit.h"
#include "ir/rounding.h"
#include "ir/sample.h"
#include "ir/text.h"
#include "passes/passes.h"
#include "passes/stage/segment.h"
#include "tests/codegen/cpu/jit.h"
#include "tests/fuzz/random_operator.h"

typedef enum Outcome { SAME, ILL_CONDITIONED, DIFFERENT, REFUSED, BROKEN, OUTCOME_COUNT } Outcome;

/* A tensor in memory: every element poisoned until it is written. */
typedef struct Memory {
    PlaitName name;
    PlaitType type;
    char *base;
    int64_t strides[PLAIT_MAX_RANK], sizes[PLAIT_MAX_RANK], count;
} Memory;

typedef struct Trial {
    PlaitArena *arena;
    PlaitNames names;
    PlaitSources sources;
    PlaitDiagnostics diagnostics;
    uint64_t seed;
    bool backward, whole; /* whole: no pass is left out */
    PlaitRandom random;
    PlaitFunction *operator_;
    int64_t *extents;
    PlaitArray *inputs, *reference;
    Memory *memory;
    uint32_t memory_count;
    char what[256];
} Trial;

static void draw_extents(Trial *trial)
{
    static const int64_t usual[] = {0, 1, 2, 3, 5, 7, 17, 33, 64, 65};
    const PlaitFunction *function = trial->operator_;
    bool wide = false; /* one axis alone: a value over two of 67 may take gigabytes */
    trial->extents = PLAIT_NEW_ARRAY(trial->arena, int64_t, function->axes.count);
    for (uint32_t i = 0; i < function->axes.count; i++) {
        bool time = function->axes.data[i].role == PLAIT_ROLE_TIME;
        uint32_t draw = plait_random_below(&trial->random, 24);
        trial->extents[i] = time                 ? usual[plait_random_below(&trial->random, 10)]
                            : draw == 0          ? 0
                            : draw == 1 && !wide ? 67
                                                 : 1 + draw % 3;
        wide |= trial->extents[i] == 67;
    }
    plait_extents_complete(function, trial->extents);
}

/* Kernels and signatures have the operator's axes first, then ones of static size and of blocks of the operator's. */
static int64_t extent_of(const Trial *trial, PlaitAxis axis, const PlaitAxisInfo *info)
{
    if (info->size != PLAIT_RUNTIME_SIZE) return info->size;
    return info->block ? plait_block_count(trial->extents[info->same_as], info->block) : trial->extents[axis];
}

/* Memory for one tensor, its axes in a drawn order with a drawn gap, filled with bytes that are NaN in every float
 * type. */
static void make_memory(Trial *trial, Memory *memory, const PlaitSignature *signature, const PlaitTensorInfo *tensor)
{
    PlaitType type = tensor->type;
    bool plain = tensor->kind == PLAIT_TENSOR_WORKSPACE;
    uint32_t order[PLAIT_MAX_RANK];
    *memory = (Memory){.name = tensor->name, .type = type, .count = 1};
    for (uint32_t i = 0; i < type.rank; i++) order[i] = i;
    for (uint32_t i = 1; i < type.rank && !plain; i++) {
        uint32_t other = plait_random_below(&trial->random, i + 1), kept = order[i];
        if (plait_random_below(&trial->random, 3)) continue;
        order[i] = order[other], order[other] = kept;
    }
    int64_t stride = plain || plait_random_below(&trial->random, 4) ? 1 : 2;
    for (uint32_t k = type.rank; k-- > 0;) {
        uint32_t i = order[k];
        memory->sizes[i] = extent_of(trial, type.axes[i], &signature->axes.data[type.axes[i]]);
        memory->strides[i] = stride;
        memory->count *= memory->sizes[i];
        stride *= memory->sizes[i] + (plain || plait_random_below(&trial->random, 4) ? 0 : 3);
    }
    size_t bytes = (size_t)(stride + 8) * plait_scalar_bytes((PlaitScalar)type.scalar);
    memory->base = PLAIT_NEW_ARRAY(trial->arena, char, bytes);
    memset(memory->base, 0xFF, bytes);
}

static char *element(const Memory *memory, int64_t index)
{
    int64_t offset = 0;
    for (uint32_t i = memory->type.rank; i-- > 0;) {
        offset += index % memory->sizes[i] * memory->strides[i];
        index /= memory->sizes[i];
    }
    return memory->base + offset * (int64_t)plait_scalar_bytes((PlaitScalar)memory->type.scalar);
}

static void make_tensors(Trial *trial, const PlaitSignature *signature)
{
    trial->memory = PLAIT_NEW_ARRAY(trial->arena, Memory, signature->tensors.count);
    trial->memory_count = signature->tensors.count;
    uint32_t input = 0;
    for (uint32_t i = 0; i < signature->tensors.count; i++) {
        const PlaitTensorInfo *tensor = &signature->tensors.data[i];
        Memory *memory = &trial->memory[i];
        make_memory(trial, memory, signature, tensor);
        if (tensor->kind != PLAIT_TENSOR_INPUT) continue;
        const PlaitArray *array = &trial->inputs[input++];
        for (int64_t k = 0; k < array->count; k++)
            plait_scalar_store((PlaitScalar)tensor->type.scalar, array->data[k], element(memory, k));
    }
}

static const int64_t *make_slots(const Trial *trial, const PlaitFunction *kernel)
{
    PlaitSlots slots = plait_slots(trial->arena, kernel);
    int64_t *values = PLAIT_NEW_ARRAY(trial->arena, int64_t, slots.slot_count);
    for (uint32_t i = 0; i < slots.tensor_count; i++) {
        const PlaitInst *tensor = plait_inst(kernel, slots.tensors[i]);
        const Memory *memory = trial->memory;
        while (memory->name != tensor->name) memory++;
        values[slots.tensor_slot[i]] = (int64_t)(intptr_t)memory->base;
        for (uint32_t k = 0; k < memory->type.rank; k++) values[slots.tensor_slot[i] + 1 + k] = memory->strides[k];
    }
    for (uint32_t i = 0; i < kernel->axes.count; i++)
        values[slots.axis_slot[i]] = extent_of(trial, (PlaitAxis)i, &kernel->axes.data[i]);
    return values;
}

static int64_t program_count(const Trial *trial, const PlaitFunction *kernel)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < kernel->grid.count; i++)
        count *= plait_block_count(trial->extents[kernel->grid.data[i].axis], kernel->grid.data[i].block);
    return count;
}

static bool run_kernels(Trial *trial, const PlaitModule *tiles)
{
    uint32_t isa = PLAIT_ISA_COUNT - 1 - (uint32_t)(trial->seed % PLAIT_ISA_COUNT);
    const char *wanted = getenv("PLAIT_ISA"); /* for all operators; else each seed has its own */
    for (uint32_t i = 0; wanted && i < PLAIT_ISA_COUNT; i++)
        if (strcmp(wanted, plait_isas[i].suffix) == 0) isa = i;
    while (isa > 0 && !test_jit_machine_has(isa)) isa--;
    TestJit *jit = test_jit_create_for(trial->arena, tiles, &plait_isas[isa]);
    if (!jit) return false;
    bool good = true;
    for (uint32_t i = 0; i < tiles->functions.count && good; i++) {
        const PlaitFunction *kernel = tiles->functions.data[i];
        TestKernel *entry = test_jit_find(jit, trial->arena, kernel, isa);
        good = entry != NULL;
        if (!good) break;
        int64_t programs = program_count(trial, kernel), half = programs / 2;
        entry(make_slots(trial, kernel), half, programs); /* programs are independent: in another order, in parts */
        entry(make_slots(trial, kernel), 0, half);
    }
    test_jit_destroy(jit);
    return good;
}

/* 1e-5 where everything is computed and stored in f32, the rounding of storage where it is narrower. */
static double limit_of(const Trial *trial, PlaitScalar scalar)
{
    (void)trial;
    return scalar == PLAIT_BF16 || scalar == PLAIT_F16 ? 3e-3 : scalar == PLAIT_F64 || scalar == PLAIT_F32 ? 1e-5 : 0;
}

/* The operator of the trial's seed, or its backward. */
static PlaitModule *draw_operator(Trial *trial)
{
    PlaitModule *module =
        plait_random_operator(trial->arena, &trial->names, &trial->diagnostics, trial->seed, PLAIT_RANDOM_ALL);
    if (module && trial->backward) plait_pass_differentiate(module->functions.data[0]);
    return module;
}

/* The error of an output when the interpreter itself rounds every value: the largest of some draws. */
static double rounding_error(Trial *trial, uint32_t output)
{
    PlaitFunction *draws[PLAIT_ROUNDING_DRAWS];
    for (uint32_t draw = 0; draw < PLAIT_ROUNDING_DRAWS; draw++) {
        PlaitModule *again = draw_operator(trial);
        draws[draw] = again->functions.data[0];
        plait_round_values(draws[draw], draw);
    }
    double *errors = PLAIT_NEW_ARRAY(trial->arena, double, draws[0]->outputs.count);
    bool done = plait_rounding_errors(draws, trial->extents, trial->inputs, trial->reference, errors);
    return done ? errors[output] : 0;
}

static Outcome judge(Trial *trial, uint32_t output, PlaitName name, double error)
{
    double rounding = rounding_error(trial, output);
    snprintf(trial->what, sizeof trial->what, "output %s: error %.3g, rounding alone %.3g",
             plait_names_text(&trial->names, name), error, rounding);
    return error <= PLAIT_ROUNDINGS * rounding ? ILL_CONDITIONED : DIFFERENT;
}

static Outcome compare_outputs(Trial *trial, const PlaitSignature *signature)
{
    uint32_t output = 0;
    Outcome outcome = SAME;
    for (uint32_t i = 0; i < signature->tensors.count && outcome != DIFFERENT; i++) {
        if (signature->tensors.data[i].kind != PLAIT_TENSOR_OUTPUT) continue;
        const PlaitArray *reference = &trial->reference[output++];
        PlaitScalar scalar = (PlaitScalar)signature->tensors.data[i].type.scalar;
        PlaitArray actual = *reference;
        actual.data = PLAIT_NEW_ARRAY(trial->arena, double, (size_t)reference->count);
        for (int64_t k = 0; k < reference->count; k++)
            actual.data[k] = plait_scalar_load(scalar, element(&trial->memory[i], k));
        double error = plait_excess_error(&actual, reference);
        if (error <= limit_of(trial, scalar)) continue;
        outcome = judge(trial, output - 1, signature->tensors.data[i].name, plait_storage_error(&actual, reference));
    }
    return outcome;
}

/* Every scan that can run in segments does so, in segments of a few tokens: on a GPU they would be longer. */
static void run_in_segments(Trial *trial)
{
    PlaitFunction *function = trial->operator_;
    PlaitSpan where;
    for (uint32_t i = 0; i < function->body->body.count; i++) {
        PlaitValue value = function->body->body.data[i];
        if (plait_op_of(function, value) == PLAIT_OP_SCAN && !plait_segment_scan(function, value, 4, true, &where))
            i = UINT32_MAX; /* the order is another: from the beginning */
    }
}

/* The pipeline with one optional pass left out; the last one stays: it removes what fuse copied for other kernels. Of
 * every other few seeds scans run in segments. */
static void run_passes(Trial *trial, PlaitModule *module)
{
    static const char *const optional[] = {"", "canonicalise", "cse", "dce"};
    const char *without = trial->whole ? "" : optional[trial->seed / 3 % 4];
    const PlaitPass *passes[32];
    uint32_t count = 0;
    for (const char *const *name = plait_stage_pipeline; *name; name++)
        if (strcmp(*name, without) != 0 || !name[1]) passes[count++] = plait_pass_by_name(*name);
    if (trial->seed / 12 % 2) run_in_segments(trial);
    plait_passes_run(module, passes, count, &(PlaitPassOptions){.verify_each = true});
}

static Outcome run_trial(Trial *trial, PlaitModule *module)
{
    trial->operator_ = module->functions.data[0];
    trial->random = plait_random(trial->seed, 77);
    draw_extents(trial);
    trial->inputs = PLAIT_NEW_ARRAY(trial->arena, PlaitArray, trial->operator_->params.count);
    trial->reference = PLAIT_NEW_ARRAY(trial->arena, PlaitArray, trial->operator_->outputs.count);
    if (!plait_sample_inputs(trial->operator_, trial->extents, trial->seed, trial->inputs)) return BROKEN;
    if (!plait_interpret(trial->operator_, trial->extents, trial->inputs, trial->reference, 16)) return BROKEN;
    run_passes(trial, module);
    PlaitTileTarget target = {"cpu", false};
    PlaitModule *tiles = plait_lower_to_tiles(module, &target, "");
    if (!tiles) return REFUSED;
    if (!plait_module_verify(tiles)) return snprintf(trial->what, sizeof trial->what, "Tile IR breaks a rule"), BROKEN;
    /* Passes may add axes, each with the extent of another. */
    int64_t *extents = PLAIT_NEW_ARRAY(trial->arena, int64_t, trial->operator_->axes.count);
    for (uint32_t i = 0; i < trial->operator_->axes.count; i++)
        if (plait_axis_extent_of(trial->operator_, (PlaitAxis)i) == i && !trial->operator_->axes.data[i].block)
            extents[i] = trial->extents[i];
    plait_extents_complete(trial->operator_, extents);
    trial->extents = extents;
    make_tensors(trial, tiles->signatures.data[0]);
    if (!run_kernels(trial, tiles)) return snprintf(trial->what, sizeof trial->what, "it does not compile"), BROKEN;
    return compare_outputs(trial, tiles->signatures.data[0]);
}

static void report(Trial *trial, Outcome outcome, bool verbose)
{
    static const char *const texts[OUTCOME_COUNT] = {"same", "ill-conditioned:", "DIFFERENT", "refused", "BROKEN"};
    if (outcome == SAME || (outcome == REFUSED && !verbose)) return;
    if (outcome == ILL_CONDITIONED && !verbose) {
        printf("seed %llu: %s %s\n", (unsigned long long)trial->seed, texts[outcome], trial->what);
        return;
    }
    PlaitText text = plait_text(trial->arena);
    PlaitModule *again = draw_operator(trial);
    plait_diagnostics_print(&trial->diagnostics, &text);
    printf("seed %llu: %s %s\n%s", (unsigned long long)trial->seed, texts[outcome], trial->what,
           plait_text_string(&text));
    text = plait_text(trial->arena);
    for (uint32_t i = 0; i < again->functions.data[0]->axes.count && trial->extents; i++)
        plait_text_printf(&text, "// %s = %lld\n", plait_axis_text(again->functions.data[0], (PlaitAxis)i),
                          (long long)trial->extents[i]);
    plait_module_print(again, &text);
    printf("%s\n", plait_text_string(&text));
    fflush(stdout);
}

/* What the compiler refuses without one of its passes (tiles may be too large, E0820) it has to compile with all. */
static Outcome run_seed(uint64_t seed, bool verbose, bool backward, bool whole)
{
    static PlaitFailure failure;
    PlaitArena *volatile arena = NULL;
    volatile Outcome outcome = BROKEN;
    volatile bool again = false;
    if (PLAIT_TRY(&failure)) {
        arena = plait_arena_create(&failure);
        Trial *trial = PLAIT_NEW(arena, Trial);
        trial->arena = arena, trial->seed = seed, trial->backward = backward, trial->whole = whole;
        trial->names.arena = trial->sources.arena = trial->diagnostics.arena = arena;
        trial->diagnostics.sources = &trial->sources;
        PlaitModule *module = draw_operator(trial);
        outcome = module ? run_trial(trial, module) : BROKEN;
        again = outcome == BROKEN && trial->diagnostics.error_count && !whole;
        if (!again) report(trial, outcome, verbose);
        for (uint32_t i = 0; trial->inputs && i < trial->operator_->params.count; i++)
            plait_array_free(&trial->inputs[i]);
        for (uint32_t i = 0; trial->reference && i < trial->operator_->outputs.count; i++)
            plait_array_free(&trial->reference[i]);
    }
    plait_arena_destroy(arena);
    return again ? run_seed(seed, verbose, backward, true) : outcome;
}

int main(int argc, char **argv)
{
    if (argc < 3) return fprintf(stderr, "usage: run_operators FIRST COUNT [-v] [-g]\n"), 2;
    uint64_t first = strtoull(argv[1], NULL, 10), count = strtoull(argv[2], NULL, 10), found[OUTCOME_COUNT] = {0};
    bool verbose = false, backward = false;
    for (int i = 3; i < argc; i++) {
        verbose |= strcmp(argv[i], "-v") == 0;
        backward |= strcmp(argv[i], "-g") == 0;
    }
    for (uint64_t i = 0; i < count; i++) found[run_seed(first + i, verbose, backward, false)]++;
    printf("%llu operators: %llu the same, %llu ill-conditioned, %llu refused, %llu different, %llu broken\n",
           (unsigned long long)count, (unsigned long long)found[SAME], (unsigned long long)found[ILL_CONDITIONED],
           (unsigned long long)found[REFUSED], (unsigned long long)found[DIFFERENT], (unsigned long long)found[BROKEN]);
    return found[DIFFERENT] || found[BROKEN] || found[REFUSED] * 20 > count ||
           found[ILL_CONDITIONED] > 1 + count / 100 || count == 0;
}
