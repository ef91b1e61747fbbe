/* Turns a module emitted for a GPU into code for this computer: address spaces are flat here, GPU registers, barriers
 * and shuffles become calls, inline PTX becomes LLVM IR or calls. What has no counterpart is a failure. Instructions
 * with several results leave them in a buffer, which the code reads before any other thread runs. Products are done
 * when they are begun, so that waiting for them is nothing.
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
static uint32_t pack(float high, float low)
{
    uint32_t bits[2];
    memcpy(&bits[0], &low, 4);
    memcpy(&bits[1], &high, 4);
    return test_round_to_bf16(bits[1]) << 16 | test_round_to_bf16(bits[0]);
}

__extension__ typedef _Float16 Half;

static uint32_t pack_f16(float high, float low)
{
    Half halves[2] = {(Half)low, (Half)high};
    uint32_t bits;
    memcpy(&bits, halves, sizeof bits);
    return bits;
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
    {"llvm.nvvm.ex2.approx", "test_ex2", 0},
    {"llvm.nvvm.lg2.approx", "test_lg2", 0},
    {"rcp.approx", "test_rcp", 0},
    {"llvm.nvvm.rcp.approx", "test_rcp_ftz", 0},
    {"rsqrt.approx", "test_rsqrt", 0},
    {"sqrt.approx", "test_sqrt", 0},
    {"div.full", "test_div", 0},
    {"tanh.approx", "test_tanh", 0},
    {"llvm.nvvm.ff2bf16x2.rn", "test_pack", 0},
    {"llvm.nvvm.ff2f16x2.rn", "test_pack_f16", 0},
    {"shfl.sync.idx.b32 $0, $1, 0, 31, -1;", "test_first_lane", 0},
    {"ldmatrix.sync.aligned.m8n8.x4.shared.b16", "test_ldmatrix", 0},
    {"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", "test_ldmatrix_trans", 0},
    {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", "test_mma_bf16", 0},
    {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", "test_mma_f16", 0},
    {"wgmma.mma_async", "test_wgmma", 0},
    {"cp.async.cg.shared.global [$0], [$1], 16, $2;", "test_copy_16", 0},
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
                         ADDRESS(reciprocal),
                         ADDRESS(reciprocal_root),
                         ADDRESS(root),
                         ADDRESS(quotient),
                         ADDRESS(tangent),
                         ADDRESS(pack),
                         ADDRESS(pack_f16),
                         ADDRESS(test_first_lane),
                         ADDRESS(test_ldmatrix),
                         ADDRESS(test_ldmatrix_trans),
                         ADDRESS(test_mma_bf16),
                         ADDRESS(test_mma_f16),
                         ADDRESS(test_wgmma),
                         ADDRESS(test_copy_16)};
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
    LLVMValueRef registers;   /* operands and results of what takes or leaves many */
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
    LLVMTypeRef types[8], type = LLVMGetCalledFunctionType(call), result = LLVMGetReturnType(type);
    uint32_t count = LLVMGetNumArgOperands(call);
    for (uint32_t i = 0; i < count; i++) {
        operands[i] = LLVMGetOperand(call, i);
        types[i] = LLVMTypeOf(operands[i]);
    }
    bool pair = LLVMGetTypeKind(result) == LLVMVectorTypeKind; /* of 16 bits: C has it as a word */
    if (pair) type = LLVMFunctionType(LLVMInt32TypeInContext(rewriter->context), types, count, 0);
    LLVMValueRef value = LLVMBuildCall2(rewriter->builder, type, declare(rewriter, symbol, type), operands, count, "");
    return pair ? LLVMBuildBitCast(rewriter->builder, value, result, "") : value;
}

static LLVMValueRef read_registers(Rewriter *rewriter, LLVMTypeRef type)
{
    LLVMBuilderRef b = rewriter->builder;
    LLVMValueRef result = LLVMGetPoison(type);
    for (uint32_t i = 0; i < LLVMCountStructElementTypes(type); i++) {
        LLVMTypeRef part = LLVMStructGetTypeAtIndex(type, i);
        LLVMValueRef pointer = element_pointer(rewriter, part, rewriter->registers, i);
        result = LLVMBuildInsertValue(b, result, LLVMBuildLoad2(b, part, pointer, ""), i, "");
    }
    return result;
}

/* An instruction whose results are several: the call gets the buffer, then the operands. */
static LLVMValueRef rewrite_several(Rewriter *rewriter, LLVMValueRef call, const char *symbol)
{
    LLVMValueRef operands[16] = {rewriter->registers};
    LLVMTypeRef types[16] = {flat(rewriter)}, nothing = LLVMVoidTypeInContext(rewriter->context);
    uint32_t count = LLVMGetNumArgOperands(call);
    for (uint32_t i = 0; i < count; i++) {
        operands[i + 1] = LLVMGetOperand(call, i);
        types[i + 1] = LLVMTypeOf(operands[i + 1]);
    }
    LLVMTypeRef type = LLVMFunctionType(nothing, types, count + 1, 0);
    LLVMBuildCall2(rewriter->builder, type, declare(rewriter, symbol, type), operands, count + 1, "");
    return read_registers(rewriter, LLVMTypeOf(call));
}

/* `{..} wgmma.mma_async.sync.aligned.m64nNk16.f32.T.T {sums}, A, B, p, 1, 1[, A's rows are inner], B's columns are; }`
 */
static LLVMValueRef rewrite_wgmma(Rewriter *rewriter, LLVMValueRef call, const char *text)
{
    LLVMBuilderRef b = rewriter->builder;
    LLVMTypeRef int32 = LLVMInt32TypeInContext(rewriter->context), int64 = LLVMInt64TypeInContext(rewriter->context);
    uint32_t columns = (uint32_t)atoi(strstr(text, ".m64n") + 5), count = LLVMGetNumArgOperands(call), at = 0, kind = 0;
    const char *flags = strstr(text, ", p, 1, 1") + 9;
    bool zero = strstr(text, "setp.ne.b32 p, 0, 0;") != NULL;
    bool a_there = count - 1 - (zero ? 0 : columns / 2) == 4;
    if (strstr(text, ".f32.f16.f16")) kind |= TEST_WGMMA_F16;
    if (zero) kind |= TEST_WGMMA_ZERO;
    if (a_there) kind |= TEST_WGMMA_A_THERE;
    if (!a_there && flags[2] == '1') kind |= TEST_WGMMA_A_ROWS;
    if (flags[a_there ? 2 : 5] == '1') kind |= TEST_WGMMA_B_ROWS;
    for (uint32_t i = 0; !zero && i < columns / 2; i++, at++)
        LLVMBuildStore(b, LLVMGetOperand(call, at), element_pointer(rewriter, int32, rewriter->registers, i));
    for (uint32_t i = 0; a_there && i < 4; i++, at++)
        LLVMBuildStore(b, LLVMGetOperand(call, at),
                       element_pointer(rewriter, int32, rewriter->registers, columns / 2 + i));
    LLVMValueRef operands[] = {rewriter->registers, LLVMConstInt(int32, columns, 0), LLVMConstInt(int32, kind, 0),
                               a_there ? LLVMConstInt(int64, 0, 0) : LLVMGetOperand(call, at),
                               LLVMGetOperand(call, count - 1)};
    LLVMTypeRef types[] = {flat(rewriter), int32, int32, int64, int64};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(rewriter->context), types, 5, 0);
    LLVMBuildCall2(b, type, declare(rewriter, "test_wgmma", type), operands, 5, "");
    return read_registers(rewriter, LLVMTypeOf(call));
}

/* Waits for products: what went in comes out. */
static LLVMValueRef pass_through(Rewriter *rewriter, LLVMValueRef call)
{
    LLVMValueRef result = LLVMGetPoison(LLVMTypeOf(call));
    for (uint32_t i = 0; i < LLVMGetNumArgOperands(call); i++)
        result = LLVMBuildInsertValue(rewriter->builder, result, LLVMGetOperand(call, i), i, "");
    return result;
}

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

/* Orders what threads and the copy engine do: here everything is in order. */
static bool is_order(const char *text)
{
    return begins(text, "fence.proxy.async") || begins(text, "wgmma.fence.") || begins(text, "wgmma.commit_group.") ||
           begins(text, "cp.async.commit_group;") || begins(text, "cp.async.wait_group");
}

static LLVMValueRef rewrite_assembly(Rewriter *rewriter, LLVMValueRef inst, const char *text)
{
    if (strstr(text, "ld.global")) return rewrite_load(rewriter, inst, text);
    if (strstr(text, " st.")) return rewrite_store(rewriter, inst, text), NULL;
    if (is_order(text)) return NULL;
    if (begins(text, "wgmma.wait_group")) return pass_through(rewriter, inst);
    if (strstr(text, "wgmma.mma_async")) return rewrite_wgmma(rewriter, inst, text);
    const char *symbol = stand_for(text)->symbol;
    if (LLVMGetTypeKind(LLVMTypeOf(inst)) == LLVMStructTypeKind) return rewrite_several(rewriter, inst, symbol);
    return rewrite_call(rewriter, inst, symbol);
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
    value = assembly ? rewrite_assembly(rewriter, inst, text) : rewrite_call(rewriter, inst, stand_for(text)->symbol);
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

static LLVMValueRef add_buffer(Rewriter *rewriter, const char *name, uint32_t bytes)
{
    LLVMTypeRef type = LLVMArrayType2(LLVMInt8TypeInContext(rewriter->context), bytes);
    LLVMValueRef buffer = LLVMAddGlobal(rewriter->module, type, name);
    LLVMSetInitializer(buffer, LLVMConstNull(type));
    LLVMSetAlignment(buffer, 16);
    return buffer;
}

/* The copy engine has no counterpart here: only ordinary entries are run. */
static void drop_entries_with_maps(LLVMModuleRef module)
{
    for (LLVMValueRef function = LLVMGetFirstFunction(module), next; function; function = next) {
        size_t length;
        const char *name = LLVMGetValueName2(function, &length);
        next = LLVMGetNextFunction(function);
        if (length > 5 && strcmp(name + length - 5, "_maps") == 0) LLVMDeleteFunction(function);
    }
}

static LLVMValueRef rewrite_module(PlaitCodegenMachine *machine)
{
    Rewriter rewriter = {
        .module = machine->emit.module, .context = machine->emit.context, .builder = machine->emit.builder};
    rewriter.zeros = add_buffer(&rewriter, "test_zeros", 16);
    rewriter.sink = add_buffer(&rewriter, "test_sink", 16);
    rewriter.registers = add_buffer(&rewriter, "test_registers", TEST_MOST_REGISTERS * 4);
    drop_entries_with_maps(rewriter.module);
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
