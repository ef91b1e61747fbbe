/* Runs the kernels of a .tir file, each by itself, as the GPU would, on this computer, and compares it with the meaning
 * of Tile IR: ptx-simulate FILE.tir [target=GPU] [AXIS=SIZE ..] gives each run-time axis a size (default 3), fills the
 * tensors with random numbers and runs a kernel with contiguous tensors, with a last stride of 2, and with misaligned
 * ones; each with the warps in both orders. Memory behind a tensor cannot be read; memory between its elements must not
 * be written.
 */
#define _DEFAULT_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ir/text.h"
#include "passes/tile/layout.h"
#include "tests/codegen/ptx/machine_jit.h"

typedef enum Manner { CONTIGUOUS, STRIDED, MISALIGNED, MANNER_COUNT } Manner;
static const char *const manner_names[] = {"contiguous", "strided", "misaligned"};

typedef struct Simulation {
    PlaitArena *arena;
    PlaitNames names;
    PlaitSources sources;
    PlaitDiagnostics diagnostics;
    PlaitModule *module;
    PlaitFunction *kernel;
    const PlaitTarget *target;
    PlaitCodegenMachine *machine;
    TestCode code;
    PlaitSlots slots;
    int64_t *extents;
    double worst;
} Simulation;

/* ---- elements ---- */

static uint16_t bf16_of(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, 4);
    if (isnan(number)) return 0x7FC0;
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

double test_number_of_bf16(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float number;
    memcpy(&number, &bits, 4);
    return (double)number;
}

/* Nearest, ties to even; the numbers of these tests are in the range of f16. */
static uint16_t f16_of(double number)
{
    int exponent;
    uint16_t sign = signbit(number) ? 0x8000 : 0;
    if (number == 0) return sign;
    frexp(number, &exponent);
    int unit = exponent - 11 < -24 ? -24 : exponent - 11;
    double units = rint(ldexp(fabs(number), -unit));
    return (uint16_t)(sign | (uint16_t)((unit + 24) * 1024 + (int)units));
}

double test_number_of_f16(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return half & 0x8000 ? -size : size;
}

static uint8_t *element(const TestTensor *tensor, const int64_t *position)
{
    int64_t offset = 0;
    for (uint32_t i = 0; i < tensor->rank; i++) offset += position[i] * tensor->strides[i];
    return tensor->data + offset * plait_scalar_bytes(tensor->scalar);
}

double test_tensor_get(const TestTensor *tensor, const int64_t *position)
{
    const void *at = element(tensor, position);
    int32_t integer;
    float single;
    double twice;
    int64_t wide;
    switch (tensor->scalar) {
    case PLAIT_BOOL: return *(const uint8_t *)at != 0;
    case PLAIT_I32: return memcpy(&integer, at, 4), integer;
    case PLAIT_I64: return memcpy(&wide, at, 8), (double)wide;
    case PLAIT_F16: return test_number_of_f16(*(const uint16_t *)at);
    case PLAIT_BF16: return test_number_of_bf16(*(const uint16_t *)at);
    case PLAIT_F32: return memcpy(&single, at, 4), (double)single;
    case PLAIT_F64: return memcpy(&twice, at, 8), twice;
    case PLAIT_SCALAR_COUNT: break;
    }
    abort();
}

void test_tensor_set(const TestTensor *tensor, const int64_t *position, double number)
{
    void *at = element(tensor, position);
    uint16_t half = f16_of(number);
    int32_t integer = (int32_t)number;
    int64_t wide = (int64_t)number;
    float single = (float)number;
    uint16_t brain = bf16_of(single);
    switch (tensor->scalar) {
    case PLAIT_BOOL: *(uint8_t *)at = number != 0; return;
    case PLAIT_I32: memcpy(at, &integer, 4); return;
    case PLAIT_I64: memcpy(at, &wide, 8); return;
    case PLAIT_F16: memcpy(at, &half, 2); return;
    case PLAIT_BF16: memcpy(at, &brain, 2); return;
    case PLAIT_F32: memcpy(at, &single, 4); return;
    case PLAIT_F64: memcpy(at, &number, 8); return;
    case PLAIT_SCALAR_COUNT: break;
    }
    abort();
}

/* ---- tensors ---- */

static uint64_t random_state;

static double random_number(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(random_state >> 33) / (double)(UINT64_C(1) << 30) - 1;
}

static bool next_position(const TestTensor *tensor, int64_t *position)
{
    for (uint32_t i = tensor->rank; i-- > 0;) {
        if (++position[i] < tensor->sizes[i]) return true;
        position[i] = 0;
    }
    return false;
}

/* `bytes` bytes that end where memory ends, all of them 0xA5. */
static uint8_t *guarded(size_t bytes)
{
    size_t page = 4096, whole = (bytes + page - 1) / page * page;
    uint8_t *start = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + whole, page, PROT_NONE)) abort();
    memset(start, 0xA5, whole);
    return start + whole - bytes;
}

static size_t bytes_of(const TestTensor *tensor, Manner manner)
{
    size_t elements = 1;
    for (uint32_t i = 0; i < tensor->rank; i++) elements += (size_t)((tensor->sizes[i] - 1) * tensor->strides[i]);
    elements += manner == MISALIGNED;
    size_t bytes = elements * plait_scalar_bytes(tensor->scalar);
    return manner == MISALIGNED ? bytes : (bytes + 15) / 16 * 16;
}

/* The runtime lays out workspaces without gaps, and aligned. */
static Manner manner_of(const PlaitFunction *kernel, PlaitValue tensor, Manner manner)
{
    return plait_is_workspace(kernel, tensor) ? CONTIGUOUS : manner;
}

static TestTensor make_tensor(const Simulation *simulation, PlaitValue value, Manner manner)
{
    manner = manner_of(simulation->kernel, value, manner);
    PlaitType type = plait_type_of(simulation->kernel, value);
    TestTensor tensor = {.value = value, .scalar = (PlaitScalar)type.scalar, .rank = type.rank, .count = 1};
    int64_t stride = manner == STRIDED ? 2 : 1;
    for (uint32_t i = type.rank; i-- > 0;) {
        tensor.sizes[i] = simulation->extents[type.axes[i]];
        tensor.strides[i] = stride;
        stride *= tensor.sizes[i];
        tensor.count *= tensor.sizes[i];
    }
    if (tensor.count == 0) return tensor;
    uint8_t *memory = guarded(bytes_of(&tensor, manner));
    tensor.data = memory + (manner == MISALIGNED ? plait_scalar_bytes(tensor.scalar) : 0);
    int64_t position[PLAIT_MAX_RANK] = {0};
    do {
        double number = random_number();
        bool whole = plait_scalar_kind(tensor.scalar) != PLAIT_FLOATING;
        test_tensor_set(&tensor, position, whole ? floor(number * 4) : number);
    } while (next_position(&tensor, position));
    return tensor;
}

static TestRun make_run(const Simulation *simulation, Manner manner)
{
    TestRun run = {.arena = simulation->arena, .kernel = simulation->kernel, .extents = simulation->extents};
    run.tensor_count = simulation->slots.tensor_count;
    run.tensors = PLAIT_NEW_ARRAY(simulation->arena, TestTensor, run.tensor_count);
    random_state = 1;
    for (uint32_t i = 0; i < run.tensor_count; i++)
        run.tensors[i] = make_tensor(simulation, simulation->slots.tensors[i], manner);
    return run;
}

/* ---- running ---- */

static void run_code(Simulation *simulation, const TestRun *run, bool backwards)
{
    const PlaitSlots *slots = &simulation->slots;
    int64_t *arguments = PLAIT_NEW_ARRAY(simulation->arena, int64_t, slots->slot_count);
    for (uint32_t i = 0; i < run->tensor_count; i++) {
        arguments[slots->tensor_slot[i]] = (int64_t)(uintptr_t)run->tensors[i].data;
        for (uint32_t k = 0; k < run->tensors[i].rank; k++)
            arguments[slots->tensor_slot[i] + 1 + k] = run->tensors[i].strides[k];
    }
    for (uint32_t i = 0; i < simulation->kernel->axes.count; i++)
        arguments[slots->axis_slot[i]] = simulation->extents[i];
    test_threads(simulation->code.kernel, arguments, test_program_count(run), simulation->kernel->threads, backwards);
}

static void note_rounded(void *context, PlaitValue value)
{
    const PlaitFunction *kernel = ((void **)context)[0];
    const PlaitInst *inst = plait_inst(kernel, value);
    if (inst->op == PLAIT_OP_CAST && plait_scalar_is_16_bit((PlaitScalar)inst->type.scalar) && inst->region->parent)
        *(bool *)((void **)context)[1] = true;
}

/* A loop that rounds what it computes to 16 bits, for products, carries on what the last bits before did. */
static double tolerance_of(const Simulation *simulation, PlaitScalar scalar)
{
    bool rounds = false;
    void *context[] = {(void *)simulation->kernel, &rounds};
    plait_region_walk(simulation->kernel, simulation->kernel->body, note_rounded, context);
    if (rounds && scalar == PLAIT_F32) return 1e-3;
    if (scalar == PLAIT_BF16) return 3e-3;
    if (scalar == PLAIT_F16) return 4e-4;
    return plait_scalar_kind(scalar) == PLAIT_FLOATING ? 1e-5 : 0;
}

/* RMS(error) / RMS(reference). */
static double error_of(const TestTensor *got, const TestTensor *wanted)
{
    double error = 0, size = 0;
    int64_t position[PLAIT_MAX_RANK] = {0};
    do {
        double a = test_tensor_get(got, position), b = test_tensor_get(wanted, position);
        if (a == b || (isnan(a) && isnan(b))) a = b = isfinite(b) ? b : 0;
        error += (a - b) * (a - b);
        size += b * b;
    } while (next_position(wanted, position));
    return error == 0 ? 0 : sqrt(error / size);
}

static double size_of(const TestTensor *tensor)
{
    double size = 0;
    int64_t position[PLAIT_MAX_RANK] = {0};
    do {
        double x = test_tensor_get(tensor, position);
        if (isfinite(x)) size += x * x;
    } while (next_position(tensor, position));
    return sqrt(size);
}

static bool same_sizes(const TestTensor *a, const TestTensor *b)
{
    bool same = a->scalar == b->scalar && a->rank == b->rank;
    for (uint32_t i = 0; i < a->rank && same; i++) same = a->sizes[i] == b->sizes[i];
    return same;
}

/* The tensor whose rounding lost what tensor `low` holds (an operand of products as two 16-bit numbers); NULL: none. A
 * last bit of the number that is rounded may be a half of `low`: only their sum can be compared. */
static const TestTensor *high_of(const TestRun *run, uint32_t low)
{
    double size = size_of(&run->tensors[low]);
    if (!plait_scalar_is_16_bit(run->tensors[low].scalar) || size == 0) return NULL;
    for (uint32_t i = 0; i < low; i++)
        if (same_sizes(&run->tensors[i], &run->tensors[low]) && size * 128 < size_of(&run->tensors[i]))
            return &run->tensors[i];
    return NULL;
}

/* RMS(error) / RMS(reference) of the sums of two tensors, which have at least three bits more than one. */
static double error_of_sum(const TestTensor *const got[2], const TestTensor *const wanted[2])
{
    double error = 0, size = 0;
    int64_t position[PLAIT_MAX_RANK] = {0};
    do {
        double a = test_tensor_get(got[0], position) + test_tensor_get(got[1], position);
        double b = test_tensor_get(wanted[0], position) + test_tensor_get(wanted[1], position);
        if (a == b || (isnan(a) && isnan(b))) a = b = isfinite(b) ? b : 0;
        error += (a - b) * (a - b);
        size += b * b;
    } while (next_position(wanted[0], position));
    return error == 0 ? 0 : sqrt(error / size) * 8;
}

static double error_at(const TestRun *got, const TestRun *wanted, uint32_t i)
{
    const TestTensor *high = high_of(wanted, i);
    if (!high) return error_of(&got->tensors[i], &wanted->tensors[i]);
    const TestTensor *a[] = {&got->tensors[high - wanted->tensors], &got->tensors[i]},
                     *b[] = {high, &wanted->tensors[i]};
    return error_of_sum(a, b);
}

/* With strides of 2, the element after every element belongs to nobody and must be as it was. */
static bool is_untouched(const TestTensor *tensor, Manner manner)
{
    size_t bytes = plait_scalar_bytes(tensor->scalar), length = bytes_of(tensor, manner);
    if (manner != STRIDED) return true;
    for (size_t i = 0; i < length; i++)
        if (i / bytes % 2 == 1 && tensor->data[i] != 0xA5) return false;
    return true;
}

static bool compare(Simulation *simulation, const TestRun *got, const TestRun *wanted, Manner manner, bool backwards)
{
    bool good = true;
    for (uint32_t i = 0; i < got->tensor_count; i++) {
        if (got->tensors[i].count == 0) continue;
        double error = error_at(got, wanted, i);
        bool untouched = is_untouched(&got->tensors[i], manner_of(simulation->kernel, got->tensors[i].value, manner));
        if (error > simulation->worst) simulation->worst = error;
        if (error <= tolerance_of(simulation, got->tensors[i].scalar) && untouched) continue;
        good = false;
        printf("%s, warps %s: tensor \"%s\" has error %g%s\n", manner_names[manner],
               backwards ? "backwards" : "forwards",
               plait_names_text(&simulation->names, plait_inst(simulation->kernel, got->tensors[i].value)->name), error,
               untouched ? "" : ", and memory outside of it was written");
    }
    return good;
}

static bool simulate(Simulation *simulation)
{
    bool good = true;
    for (int manner = 0; manner < MANNER_COUNT; manner++) {
        TestRun wanted = make_run(simulation, (Manner)manner);
        test_reference(&wanted);
        for (int backwards = 0; backwards < 2; backwards++) {
            TestRun got = make_run(simulation, (Manner)manner);
            run_code(simulation, &got, backwards != 0);
            good &= compare(simulation, &got, &wanted, (Manner)manner, backwards != 0);
        }
    }
    return good;
}

/* ---- the command ---- */

static bool read_module(Simulation *simulation, const char *path)
{
    enum { MOST = 1 << 20 };
    char *text = plait_arena_alloc(simulation->arena, MOST);
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    uint32_t length = (uint32_t)fread(text, 1, MOST - 1, file);
    fclose(file);
    uint32_t source = plait_sources_add(&simulation->sources, path, text, length);
    simulation->module = plait_module_parse(simulation->arena, &simulation->names, &simulation->diagnostics, source);
    return simulation->module && plait_module_verify(simulation->module);
}

/* Makes kernel `index` the only one that is emitted, for the GPU that `sizes` or the kernel names, else for sm_90a, and
 * lays it out unless that was done by hand. */
static bool choose_kernel(Simulation *simulation, uint32_t index, int count, char **sizes)
{
    PlaitModule *module = simulation->module;
    simulation->target =
        plait_target_by_name(plait_names_text(&simulation->names, module->functions.data[index]->target));
    for (int i = 0; i < count; i++)
        if (strncmp(sizes[i], "target=", 7) == 0) simulation->target = plait_target_by_name(sizes[i] + 7);
    if (!simulation->target || simulation->target->kind != PLAIT_TARGET_PTX)
        simulation->target = plait_target_by_name("sm_90a");
    for (uint32_t i = 0; i < module->functions.count; i++)
        module->functions.data[i]->target =
            plait_names_add(&simulation->names, i == index ? simulation->target->name : "none");
    simulation->kernel = module->functions.data[index];
    if (simulation->kernel->layouts.count == 1) plait_pass_layout(simulation->kernel);
    return plait_function_verify(simulation->kernel);
}

static void set_extents(Simulation *simulation, int count, char **arguments)
{
    const PlaitFunction *kernel = simulation->kernel;
    simulation->extents = PLAIT_NEW_ARRAY(simulation->arena, int64_t, kernel->axes.count);
    for (uint32_t i = 0; i < kernel->axes.count; i++) {
        PlaitAxis axis = plait_axis_extent_of(kernel, (PlaitAxis)i);
        const char *name = plait_axis_text(kernel, axis);
        bool fixed = kernel->axes.data[i].size != PLAIT_RUNTIME_SIZE;
        simulation->extents[i] = fixed ? kernel->axes.data[i].size : 3;
        for (int k = 0; k < count && !fixed; k++)
            if (strncmp(arguments[k], name, strlen(name)) == 0 && arguments[k][strlen(name)] == '=')
                simulation->extents[i] = atoll(arguments[k] + strlen(name) + 1);
    }
}

static bool run_kernel(Simulation *simulation, uint32_t index, int count, char **sizes)
{
    if (!choose_kernel(simulation, index, count, sizes)) return false;
    set_extents(simulation, count, sizes);
    simulation->worst = 0;
    simulation->slots = plait_slots(simulation->arena, simulation->kernel);
    simulation->machine = plait_machine_open(simulation->arena, simulation->target);
    plait_ptx_emit_module(&simulation->machine->emit, simulation->module, PLAIT_PTX_ALL);
    simulation->code = test_compile(simulation->machine);
    bool good = simulate(simulation);
    test_code_close(simulation->code, simulation->machine);
    printf("%s: %s, worst error %.2g, %u threads, %u bytes of shared memory\n",
           plait_names_text(&simulation->names, simulation->kernel->name), good ? "good" : "WRONG", simulation->worst,
           simulation->kernel->threads, plait_ptx_shared_bytes(simulation->kernel));
    return good;
}

static int run(Simulation *simulation, int count, char **arguments)
{
    bool good = read_module(simulation, arguments[1]);
    for (uint32_t i = 0; good && i < simulation->module->functions.count; i++)
        good = run_kernel(simulation, i, count - 2, arguments + 2);
    PlaitText messages = plait_text(simulation->arena);
    plait_diagnostics_print(&simulation->diagnostics, &messages);
    fputs(plait_text_string(&messages), stderr);
    return !good;
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    Simulation simulation = {.arena = plait_arena_create(&failure)};
    if (count < 2 || !simulation.arena || !PLAIT_TRY(&failure)) return 2;
    simulation.names.arena = simulation.sources.arena = simulation.diagnostics.arena = simulation.arena;
    simulation.diagnostics.sources = &simulation.sources;
    int status = run(&simulation, count, arguments);
    plait_arena_destroy(simulation.arena);
    return status;
}
