/* Turns a module emitted for a GPU into code for this computer: address spaces are flat here, GPU registers, barriers
 * and shuffles become calls, inline PTX becomes LLVM IR or calls. What has no counterpart is a failure.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/ExecutionEngine.h>
#include <llvm-c/Support.h>

#include "tests/codegen/ptx/machine_jit.h"

static float exponential(float x) { return exp2f(x); }
static float logarithm(float x) { return log2f(x); }
static float reciprocal(float x) { return 1 / x; }
static float reciprocal_root(float x) { return 1 / sqrtf(x); }
static float root(float x) { return sqrtf(x); }
static float quotient(float x, float y) { return x / y; }
static float tangent(float x) { return tanhf(x); }

/* f32 -> bf16 in the registers that LLVM expects. */
uint32_t test_round_to_bf16(uint32_t bits); /* for the assembly below */

uint32_t test_round_to_bf16(uint32_t bits)
{
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return (bits >> 16) | 0x40;
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}
extern void test_truncate(void);
__asm__(".globl test_truncate\ntest_truncate:\n  movd %xmm0, %edi\n  subq $8, %rsp\n  call test_round_to_bf16\n  addq "
        "$8, %rsp\n  movd %eax, %xmm0\n  ret\n");

typedef struct Stand {
    const char *name; /* of an intrinsic, or the beginning of inline PTX */
    const char *symbol;
    void *address;
} Stand;

#define ADDRESS(function) ((void *)(uintptr_t)(function))
static Stand stands[] = {
    {"llvm.nvvm.read.ptx.sreg.tid.x", "test_thread_number", 0},
    {"llvm.nvvm.read.ptx.sreg.ctaid.x", "test_program_number", 0},
    {"llvm.nvvm.barrier.cta.sync.aligned.all", "test_barrier", 0},
    {"llvm.nvvm.shfl.sync.bfly.i32", "test_shuffle", 0},
    {"ex2.approx", "test_ex2", 0},
    {"lg2.approx", "test_lg2", 0},
    {"rcp.approx", "test_rcp", 0},
    {"rsqrt.approx", "test_rsqrt", 0},
    {"sqrt.approx", "test_sqrt", 0},
    {"div.full", "test_div", 0},
    {"tanh.approx", "test_tanh", 0},
};
enum { STAND_COUNT = sizeof stands / sizeof *stands };

static void fill_stands(void)
{
    void *addresses[] = {ADDRESS(test_thread_number),
                         ADDRESS(test_program_number),
                         ADDRESS(test_barrier),
                         ADDRESS(test_shuffle),
                         ADDRESS(exponential),
                         ADDRESS(logarithm),
                         ADDRESS(reciprocal),
                         ADDRESS(reciprocal_root),
                         ADDRESS(root),
                         ADDRESS(quotient),
                         ADDRESS(tangent)};
    for (uint32_t i = 0; i < STAND_COUNT; i++) stands[i].address = addresses[i];
}

static const Stand *stand_for(const char *text)
{
    for (uint32_t i = 0; i < STAND_COUNT; i++)
        if (strncmp(text, stands[i].name, strlen(stands[i].name)) == 0) return &stands[i];
    fprintf(stderr, "no counterpart for %s\n", text);
    exit(1);
}

typedef struct Rewriter {
    LLVMModuleRef module;
    LLVMContextRef context;
    LLVMBuilderRef builder;
    LLVMValueRef zeros, sink; /* where accesses go that do not happen */
} Rewriter;

static LLVMValueRef declare(Rewriter *rewriter, const char *symbol, LLVMTypeRef type)
{
    LLVMValueRef function = LLVMGetNamedFunction(rewriter->module, symbol);
    return function ? function : LLVMAddFunction(rewriter->module, symbol, type);
}

static LLVMTypeRef flat(Rewriter *rewriter) { return LLVMPointerTypeInContext(rewriter->context, 0); }

/* The address operand of an access, or `other` where its predicate is false. */
static LLVMValueRef choose_address(Rewriter *rewriter, LLVMValueRef address, LLVMValueRef predicate, LLVMValueRef other)
{
    LLVMBuilderRef b = rewriter->builder;
    if (LLVMGetTypeKind(LLVMTypeOf(address)) == LLVMPointerTypeKind)
        address = LLVMBuildPtrToInt(b, address, LLVMInt64TypeInContext(rewriter->context), "");
    return LLVMBuildSelect(b, predicate, LLVMBuildIntToPtr(b, address, flat(rewriter), ""), other, "");
}

static LLVMValueRef element_pointer(Rewriter *rewriter, LLVMTypeRef type, LLVMValueRef pointer, uint32_t index)
{
    LLVMValueRef number = LLVMConstInt(LLVMInt32TypeInContext(rewriter->context), index, 0);
    return LLVMBuildGEP2(rewriter->builder, type, pointer, &number, 1, "");
}

static LLVMValueRef rewrite_load(Rewriter *rewriter, LLVMValueRef call, const char *text)
{
    LLVMBuilderRef b = rewriter->builder;
    LLVMTypeRef type = LLVMTypeOf(call), byte = LLVMInt8TypeInContext(rewriter->context);
    LLVMValueRef pointer = choose_address(rewriter, LLVMGetOperand(call, 0), LLVMGetOperand(call, 1), rewriter->zeros);
    if (strstr(text, ".u8")) return LLVMBuildZExt(b, LLVMBuildLoad2(b, byte, pointer, ""), type, "");
    if (LLVMGetTypeKind(type) != LLVMStructTypeKind) return LLVMBuildLoad2(b, type, pointer, "");
    LLVMValueRef result = LLVMGetPoison(type);
    for (uint32_t i = 0; i < LLVMCountStructElementTypes(type); i++) {
        LLVMTypeRef part = LLVMStructGetTypeAtIndex(type, i);
        result = LLVMBuildInsertValue(b, result,
                                      LLVMBuildLoad2(b, part, element_pointer(rewriter, part, pointer, i), ""), i, "");
    }
    return result;
}

static void rewrite_store(Rewriter *rewriter, LLVMValueRef call, const char *text)
{
    LLVMBuilderRef b = rewriter->builder;
    LLVMValueRef pointer = choose_address(rewriter, LLVMGetOperand(call, 0), LLVMGetOperand(call, 1), rewriter->sink);
    for (uint32_t i = 2; i < LLVMGetNumArgOperands(call); i++) {
        LLVMValueRef value = LLVMGetOperand(call, i);
        if (strstr(text, ".b8 ")) value = LLVMBuildTrunc(b, value, LLVMInt8TypeInContext(rewriter->context), "");
        LLVMBuildStore(b, value, element_pointer(rewriter, LLVMTypeOf(value), pointer, i - 2));
    }
}

static LLVMValueRef rewrite_call(Rewriter *rewriter, LLVMValueRef call, const char *symbol)
{
    LLVMValueRef operands[8];
    LLVMTypeRef type = LLVMGetCalledFunctionType(call);
    for (uint32_t i = 0; i < LLVMGetNumArgOperands(call); i++) operands[i] = LLVMGetOperand(call, i);
    return LLVMBuildCall2(rewriter->builder, type, declare(rewriter, symbol, type), operands,
                          LLVMGetNumArgOperands(call), "");
}

/* Replaces a call of inline PTX or of an intrinsic of the GPU. */
static void rewrite_inst(Rewriter *rewriter, LLVMValueRef inst)
{
    if (!LLVMIsACallInst(inst)) return;
    LLVMValueRef callee = LLVMGetCalledValue(inst), value = NULL;
    size_t length;
    bool assembly = LLVMIsAInlineAsm(callee) != NULL;
    const char *text = assembly ? LLVMGetInlineAsmAsmString(callee, &length) : LLVMGetValueName2(callee, &length);
    if (!assembly && strncmp(text, "llvm.nvvm.", 10) != 0) return;
    LLVMPositionBuilderBefore(rewriter->builder, inst);
    if (assembly && strstr(text, "ld.global")) value = rewrite_load(rewriter, inst, text);
    else if (assembly && strstr(text, " st.")) rewrite_store(rewriter, inst, text);
    else value = rewrite_call(rewriter, inst, stand_for(text)->symbol);
    if (value && LLVMGetTypeKind(LLVMTypeOf(value)) != LLVMVoidTypeKind) LLVMReplaceAllUsesWith(inst, value);
    LLVMInstructionEraseFromParent(inst);
}

static void rewrite_function(Rewriter *rewriter, LLVMValueRef function)
{
    static const char features[] = "target-features", have[] = "+avx2,+fma,+f16c";
    LLVMSetFunctionCallConv(function, LLVMCCallConv);
    LLVMRemoveEnumAttributeAtIndex(function, 1, LLVMGetEnumAttributeKindForName("byval", 5));
    LLVMAttributeRef attribute =
        LLVMCreateStringAttribute(rewriter->context, features, sizeof features - 1, have, sizeof have - 1);
    LLVMAddAttributeAtIndex(function, (unsigned)LLVMAttributeFunctionIndex, attribute);
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block; block = LLVMGetNextBasicBlock(block)) {
        for (LLVMValueRef inst = LLVMGetFirstInstruction(block), next; inst; inst = next) {
            next = LLVMGetNextInstruction(inst);
            rewrite_inst(rewriter, inst);
        }
    }
}

static LLVMValueRef add_buffer(Rewriter *rewriter, const char *name)
{
    LLVMTypeRef type = LLVMArrayType2(LLVMInt8TypeInContext(rewriter->context), 16);
    LLVMValueRef buffer = LLVMAddGlobal(rewriter->module, type, name);
    LLVMSetInitializer(buffer, LLVMConstNull(type));
    LLVMSetAlignment(buffer, 16);
    return buffer;
}

static LLVMValueRef rewrite_module(PlaitCodegenMachine *machine)
{
    Rewriter rewriter = {
        .module = machine->emit.module, .context = machine->emit.context, .builder = machine->emit.builder};
    rewriter.zeros = add_buffer(&rewriter, "test_zeros");
    rewriter.sink = add_buffer(&rewriter, "test_sink");
    LLVMValueRef first = NULL;
    for (LLVMValueRef function = LLVMGetFirstFunction(rewriter.module); function;
         function = LLVMGetNextFunction(function)) {
        if (!LLVMGetFirstBasicBlock(function)) continue;
        rewrite_function(&rewriter, function);
        if (!first) first = function;
    }
    return first;
}

static void map_stands(LLVMExecutionEngineRef engine, LLVMModuleRef module)
{
    fill_stands();
    for (uint32_t i = 0; i < STAND_COUNT; i++) {
        LLVMValueRef function = LLVMGetNamedFunction(module, stands[i].symbol);
        if (function) LLVMAddGlobalMapping(engine, function, stands[i].address);
    }
    LLVMValueRef shared = LLVMGetNamedGlobal(module, "plait_shared");
    if (shared) LLVMAddGlobalMapping(engine, shared, test_shared_memory);
    LLVMAddSymbol("__truncsfbf2", ADDRESS(test_truncate));
}

TestCode test_compile(PlaitCodegenMachine *machine)
{
    PlaitArena *arena = machine->emit.arena;
    PlaitCodegenMachine *here = plait_machine_open(arena, plait_target_by_name("cpu"));
    LLVMValueRef first = rewrite_module(machine);
    LLVMSetTarget(machine->emit.module, LLVMGetTarget(here->emit.module));
    LLVMSetDataLayout(machine->emit.module, LLVMGetDataLayoutStr(here->emit.module));
    plait_machine_close(here);
    const char *wrong = plait_machine_verify(machine);
    char *message = NULL;
    LLVMLinkInMCJIT();
    LLVMExecutionEngineRef engine;
    if (wrong || !first || LLVMCreateJITCompilerForModule(&engine, machine->emit.module, 1, &message)) {
        fprintf(stderr, "cannot compile: %s\n", wrong ? wrong : message ? message : "no kernel");
        exit(1);
    }
    map_stands(engine, machine->emit.module);
    size_t length;
    return (TestCode){(TestKernel *)LLVMGetFunctionAddress(engine, LLVMGetValueName2(first, &length)), engine};
}

void test_code_close(TestCode code, PlaitCodegenMachine *machine)
{
    LLVMDisposeBuilder(machine->emit.builder);
    LLVMDisposeExecutionEngine(code.engine);
    LLVMContextDispose(machine->emit.context);
    LLVMDisposeTargetMachine(machine->machine);
}
