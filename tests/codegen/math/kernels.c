#include "kernels.h"

#include <stdio.h>
#include <string.h>

#include <llvm-c/ExecutionEngine.h>

_Static_assert(VARIANTS == 2 * PLAIT_ISA_COUNT, "every level, scalar and vector");

static LLVMValueRef load(PlaitEmit *emit, PlaitScalar scalar, LLVMValueRef array, LLVMValueRef index, uint32_t lanes)
{
    LLVMTypeRef one = plait_emit_memory_type(emit, scalar, 1), type = plait_emit_memory_type(emit, scalar, lanes);
    LLVMValueRef address = LLVMBuildGEP2(emit->builder, one, array, &index, 1, "");
    LLVMValueRef value = LLVMBuildLoad2(emit->builder, type, address, "");
    LLVMSetAlignment(value, plait_scalar_bytes(scalar));
    if (scalar != PLAIT_BOOL) return value;
    return LLVMBuildICmp(emit->builder, LLVMIntNE, value, LLVMConstNull(type), "");
}

static void store(PlaitEmit *emit, PlaitScalar scalar, LLVMValueRef value, LLVMValueRef array, LLVMValueRef index,
                  uint32_t lanes)
{
    LLVMTypeRef one = plait_emit_memory_type(emit, scalar, 1), type = plait_emit_memory_type(emit, scalar, lanes);
    if (scalar == PLAIT_BOOL) value = LLVMBuildZExt(emit->builder, value, type, "");
    LLVMValueRef address = LLVMBuildGEP2(emit->builder, one, array, &index, 1, "");
    LLVMSetAlignment(LLVMBuildStore(emit->builder, value, address), plait_scalar_bytes(scalar));
}

/* out[index] = op(x[index], y[index]), on `lanes` neighbours. */
static void emit_case(PlaitEmit *emit, const Case *one, LLVMValueRef index, uint32_t lanes)
{
    LLVMValueRef operands[2] = {NULL, NULL}, result;
    for (uint32_t i = 0; i < case_operands(one); i++)
        operands[i] = load(emit, one->from, LLVMGetParam(emit->function, i), index, lanes);
    if (one->op == PLAIT_OP_CAST) result = plait_emit_cast(emit, operands[0], one->from, one->to);
    else result = plait_emit_scalar_op(emit, one->op, one->from, operands);
    store(emit, one->to, result, LLVMGetParam(emit->function, 2), index, lanes);
}

static void emit_loop(PlaitEmit *emit, const Case *one, uint32_t lanes)
{
    LLVMTypeRef i64 = LLVMInt64TypeInContext(emit->context);
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(emit->builder);
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(emit->context, emit->function, "");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(emit->context, emit->function, "");
    LLVMBuildBr(emit->builder, body);
    LLVMPositionBuilderAtEnd(emit->builder, body);
    LLVMValueRef index = LLVMBuildPhi(emit->builder, i64, "");
    emit_case(emit, one, index, lanes);
    LLVMValueRef next = LLVMBuildAdd(emit->builder, index, LLVMConstInt(i64, lanes, 0), ""), zero = LLVMConstNull(i64);
    LLVMValueRef more = LLVMBuildICmp(emit->builder, LLVMIntSLT, next, LLVMGetParam(emit->function, 3), "");
    LLVMBuildCondBr(emit->builder, more, body, done);
    LLVMAddIncoming(index, (LLVMValueRef[]){zero, next}, (LLVMBasicBlockRef[]){entry, body}, 2);
    LLVMPositionBuilderAtEnd(emit->builder, done);
    LLVMBuildRetVoid(emit->builder);
}

static void begin_function(PlaitEmit *emit, const char *name)
{
    LLVMTypeRef pointer = LLVMPointerTypeInContext(emit->context, 0);
    LLVMTypeRef parameters[] = {pointer, pointer, pointer, LLVMInt64TypeInContext(emit->context)};
    emit->function =
        LLVMAddFunction(emit->module, name, LLVMFunctionType(LLVMVoidTypeInContext(emit->context), parameters, 4, 0));
    LLVMPositionBuilderAtEnd(emit->builder, LLVMAppendBasicBlockInContext(emit->context, emit->function, ""));
}

static uint32_t widest(const Case *one)
{
    uint32_t from = plait_scalar_bytes(one->from), to = plait_scalar_bytes(one->to);
    return from > to ? from : to;
}

static const char *variant_name(PlaitArena *arena, uint32_t number, uint32_t variant)
{
    return plait_arena_printf(arena, "case_%u_%u", number, variant);
}

static void emit_variants(PlaitEmit *emit, const Case *one, uint32_t number)
{
    for (uint32_t variant = 0; variant < VARIANTS; variant++) {
        emit->isa = &plait_isas[variant / 2];
        begin_function(emit, variant_name(emit->arena, number, variant));
        const char *key = "target-cpu", *value = emit->isa->llvm_cpu;
        LLVMAttributeRef attribute =
            LLVMCreateStringAttribute(emit->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
        LLVMAddAttributeAtIndex(emit->function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attribute);
        emit_loop(emit, one, variant % 2 ? emit->isa->vector_bytes / widest(one) : 1);
    }
}

static bool has_level(uint32_t isa)
{
    if (isa == 0) return __builtin_cpu_supports("sse4.2");
    if (isa == 1)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

/* The finished library is linked with nothing that could be called. */
static bool has_no_calls(PlaitCodegenMachine *machine)
{
    PlaitText text = plait_text(machine->emit.arena);
    const char *message = plait_machine_write(machine, PLAIT_MACHINE_ASSEMBLY, &text);
    const char *call = message ? NULL : strstr(plait_text_string(&text), "call");
    if (message) fprintf(stderr, "%s\n", message);
    if (call) fprintf(stderr, "a call was left: %.60s\n", call);
    return !message && !call;
}

static LLVMModuleRef copy_for_assembly(PlaitCodegenMachine *machine)
{
    LLVMModuleRef original = machine->emit.module;
    machine->emit.module = LLVMCloneModule(original);
    return original;
}

static bool finish(PlaitCodegenMachine *machine)
{
    const char *message = plait_machine_verify(machine);
    if (!message) message = plait_machine_optimise(machine);
    if (message) fprintf(stderr, "%s\n", message);
    return !message;
}

static void run_function(const Variant *variant, const void *x, const void *y, void *out, int64_t count)
{
    void (*function)(const void *, const void *, void *, int64_t);
    memcpy(&function, &variant->function, sizeof function);
    function(x, y, out, count);
}

static Variant find_variant(PlaitArena *arena, LLVMExecutionEngineRef engine, const Case *one, uint32_t number,
                            uint32_t v)
{
    const PlaitIsa *isa = &plait_isas[v / 2];
    Variant variant = {.run = has_level(v / 2) ? run_function : NULL};
    uint64_t address = LLVMGetFunctionAddress(engine, variant_name(arena, number, v));
    memcpy(&variant.function, &address, sizeof address);
    snprintf(variant.name, sizeof variant.name, "%s x%u", isa->suffix, v % 2 ? isa->vector_bytes / widest(one) : 1);
    return variant;
}

static LLVMExecutionEngineRef load_module(LLVMModuleRef module)
{
    LLVMExecutionEngineRef engine = NULL;
    char *message = NULL;
    struct LLVMMCJITCompilerOptions options;
    LLVMLinkInMCJIT();
    LLVMInitializeMCJITCompilerOptions(&options, sizeof options);
    options.OptLevel = 2;
    if (LLVMCreateMCJITCompilerForModule(&engine, module, &options, sizeof options, &message))
        fprintf(stderr, "%s\n", message);
    return engine;
}

/* What runs, and what it was made in. */
typedef struct Loaded {
    PlaitCodegenMachine *machine;
    LLVMExecutionEngineRef engine;
} Loaded;

Compiled *compile_for_cpu(const Machine *test, const Case *cases, uint32_t count)
{
    PlaitCodegenMachine *machine = plait_machine_open(test->arena, plait_target_by_name("cpu"));
    for (uint32_t i = 0; i < count; i++) emit_variants(&machine->emit, &cases[i], i);
    bool valid = finish(machine);
    LLVMModuleRef module = copy_for_assembly(machine);
    LLVMExecutionEngineRef engine = valid && has_no_calls(machine) ? load_module(module) : NULL;
    if (!engine) return NULL;
    Compiled *compiled = PLAIT_NEW_ARRAY(test->arena, Compiled, count);
    Loaded *loaded = PLAIT_NEW(test->arena, Loaded);
    *loaded = (Loaded){machine, engine};
    compiled->owner = loaded;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t v = 0; v < VARIANTS; v++)
            compiled[i].variants[v] = find_variant(test->arena, engine, &cases[i], i, v);
    return compiled;
}

void release_for_cpu(const Compiled *compiled)
{
    Loaded *loaded = compiled->owner;
    LLVMDisposeExecutionEngine(loaded->engine); /* and the module it was given */
    plait_machine_close(loaded->machine);
}

/* ---- PTX ---- */

static LLVMValueRef special(PlaitEmit *emit, const char *name)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(emit->context), type = LLVMFunctionType(i32, NULL, 0, 0);
    const char *text = plait_arena_printf(emit->arena, "mov.u32 $0, %s;", name);
    LLVMValueRef instruction = LLVMGetInlineAsm(type, text, strlen(text), "=r", 2, 0, 0, LLVMInlineAsmDialectATT, 0);
    LLVMValueRef number = LLVMBuildCall2(emit->builder, type, instruction, NULL, 0, "");
    return LLVMBuildZExt(emit->builder, number, LLVMInt64TypeInContext(emit->context), "");
}

static void emit_entry(PlaitEmit *emit, const Case *one, uint32_t number)
{
    begin_function(emit, plait_arena_printf(emit->arena, "case_%u", number));
    LLVMSetFunctionCallConv(emit->function, 71); /* PTX kernel */
    LLVMValueRef first = LLVMBuildMul(emit->builder, special(emit, "%ctaid.x"), special(emit, "%ntid.x"), "");
    LLVMValueRef index = LLVMBuildAdd(emit->builder, first, special(emit, "%tid.x"), "");
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(emit->context, emit->function, "");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(emit->context, emit->function, "");
    LLVMBuildCondBr(emit->builder, LLVMBuildICmp(emit->builder, LLVMIntSLT, index, LLVMGetParam(emit->function, 3), ""),
                    body, done);
    LLVMPositionBuilderAtEnd(emit->builder, body);
    emit_case(emit, one, index, 1);
    LLVMBuildBr(emit->builder, done);
    LLVMPositionBuilderAtEnd(emit->builder, done);
    LLVMBuildRetVoid(emit->builder);
}

bool write_ptx(PlaitArena *arena, const PlaitTarget *target, const Case *cases, uint32_t count, PlaitText *text)
{
    PlaitCodegenMachine *machine = plait_machine_open(arena, target);
    for (uint32_t i = 0; i < count; i++) emit_entry(&machine->emit, &cases[i], i);
    bool written = finish(machine);
    const char *message = written ? plait_machine_write(machine, PLAIT_MACHINE_ASSEMBLY, text) : NULL;
    if (message) fprintf(stderr, "%s\n", message);
    plait_machine_close(machine);
    return written && !message;
}
