#include "tests/codegen/cpu/jit.h"

#include <llvm-c/LLJIT.h>
#include <stdio.h>
#include <time.h>

#include "codegen/machine.h"
#include "runtime/isa.h"

struct TestJit {
    LLVMOrcLLJITRef jit;
    TestCosts costs;
};

double test_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The object file of a module, or NULL after a message. */
static bool compile(PlaitArena *arena, const PlaitModule *module, const PlaitIsa *only, PlaitText *object,
                    TestCosts *costs)
{
    PlaitCodegenMachine *machine = plait_machine_open(arena, plait_target_by_name("cpu"));
    machine->emit.only = only;
    double start = test_seconds();
    plait_cpu_emit_module(&machine->emit, module);
    double emitted = test_seconds(), optimised = emitted;
    const char *message = plait_machine_verify(machine);
    if (!message) {
        message = plait_machine_optimise(machine);
        optimised = test_seconds();
    }
    if (!message) message = plait_machine_write(machine, PLAIT_MACHINE_OBJECT, object);
    *costs = (TestCosts){emitted - start, optimised - emitted, test_seconds() - optimised, object->length};
    plait_machine_close(machine);
    if (message) fprintf(stderr, "LLVM: %.2000s\n", message);
    return !message;
}

static bool failed(LLVMErrorRef error)
{
    if (!error) return false;
    char *message = LLVMGetErrorMessage(error);
    fprintf(stderr, "JIT: %s\n", message);
    LLVMDisposeErrorMessage(message);
    return true;
}

TestJit *test_jit_create_for(PlaitArena *arena, const PlaitModule *module, const PlaitIsa *only)
{
    PlaitText object = plait_text(arena);
    TestJit *jit = PLAIT_NEW(arena, TestJit);
    if (!compile(arena, module, only, &object, &jit->costs)) return NULL;
    if (failed(LLVMOrcCreateLLJIT(&jit->jit, NULL))) return NULL;
    LLVMOrcDefinitionGeneratorRef process; /* memset and memcpy */
    if (failed(LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, LLVMOrcLLJITGetGlobalPrefix(jit->jit),
                                                                    NULL, NULL)))
        return NULL;
    LLVMOrcJITDylibAddGenerator(LLVMOrcLLJITGetMainJITDylib(jit->jit), process);
    LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(object.data, object.length, "object");
    if (failed(LLVMOrcLLJITAddObjectFile(jit->jit, LLVMOrcLLJITGetMainJITDylib(jit->jit), buffer))) return NULL;
    return jit;
}

TestJit *test_jit_create(PlaitArena *arena, const PlaitModule *module)
{
    return test_jit_create_for(arena, module, NULL);
}

void test_jit_destroy(TestJit *jit) { failed(LLVMOrcDisposeLLJIT(jit->jit)); }

TestCosts test_jit_costs(const TestJit *jit) { return jit->costs; }

bool test_jit_machine_has(uint32_t isa)
{
    __builtin_cpu_init();
    if (isa == 0) return __builtin_cpu_supports("sse4.2");
    if (isa == 1) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == 3 && (plait_isa_level() < 3 || !plait_isa_may_use_tiles())) return false;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

TestKernel *test_jit_find(TestJit *jit, PlaitArena *arena, const PlaitFunction *kernel, uint32_t isa)
{
    LLVMOrcExecutorAddress address = 0;
    const char *name = plait_arena_printf(arena, "%s.%s", plait_names_text(kernel->module->names, kernel->name),
                                          plait_isas[isa].suffix);
    if (!test_jit_machine_has(isa) || failed(LLVMOrcLLJITLookup(jit->jit, &address, name))) return NULL;
    return (TestKernel *)(uintptr_t)address;
}

const int64_t *test_slots(PlaitArena *arena, const PlaitFunction *kernel, const int64_t *extents,
                          const TestArray *tensors)
{
    PlaitSlots slots = plait_slots(arena, kernel);
    int64_t *values = PLAIT_NEW_ARRAY(arena, int64_t, slots.slot_count);
    for (uint32_t i = 0; i < slots.tensor_count; i++) {
        const TestArray *array = &tensors[slots.tensors[i]];
        values[slots.tensor_slot[i]] = (int64_t)(intptr_t)array->address;
        for (uint32_t k = 0; k < array->rank; k++) values[slots.tensor_slot[i] + 1 + k] = array->strides[k];
    }
    for (uint32_t i = 0; i < kernel->axes.count; i++) values[slots.axis_slot[i]] = extents[i];
    return values;
}

TestArray *test_tensors(PlaitArena *arena, const PlaitFunction *kernel, const int64_t *extents, bool plain,
                        TestRandom *random)
{
    TestArray *tensors = PLAIT_NEW_ARRAY(arena, TestArray, kernel->insts.count);
    for (PlaitValue value = 1; value < kernel->insts.count; value++) {
        const PlaitInst *inst = plait_inst(kernel, value);
        int64_t sizes[PLAIT_MAX_RANK];
        PlaitValue same = 0;
        if (inst->op != PLAIT_OP_TENSOR) continue;
        for (PlaitValue other = 1; other < value && !same; other++)
            if (plait_op_of(kernel, other) == PLAIT_OP_TENSOR && plait_inst(kernel, other)->name == inst->name)
                same = other;
        for (uint32_t i = 0; i < inst->type.rank; i++) sizes[i] = extents[inst->type.axes[i]];
        uint32_t draw = test_below(random, 8);
        TestShape shape = plain || draw < 5 ? TEST_PLAIN : draw < 7 ? TEST_GAPS : TEST_TURNED;
        tensors[value] = same
                             ? tensors[same]
                             : test_array(arena, (PlaitScalar)inst->type.scalar, inst->type.rank, sizes, shape, random);
    }
    return tensors;
}
