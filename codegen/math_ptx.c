/* PTX instructions as inline assembly: unlike LLVM's intrinsics their text does not change from version to version. The
 * most frequent ones are intrinsics ("llvm.."), which cost LLVM half the time. */
#include "codegen/math.h"

#include <string.h>

enum { MOST_OPERANDS = 3 };

static LLVMValueRef one_lane(const PlaitMath *m, const char *text, LLVMValueRef *operands, uint32_t count)
{
    if (strncmp(text, "llvm.", 5) == 0) return plait_emit_intrinsic(m->emit, text, operands, count);
    LLVMTypeRef f32 = plait_emit_type(m->emit, PLAIT_F32, 1);
    LLVMTypeRef parameters[MOST_OPERANDS] = {f32, f32, f32};
    LLVMTypeRef type = LLVMFunctionType(f32, parameters, count, 0);
    static const char constraints[] = "=f,f,f,f";
    LLVMValueRef instruction = LLVMGetInlineAsm(type, text, strlen(text), constraints, 2 + 2 * (size_t)count, 0, 0,
                                                LLVMInlineAsmDialectATT, 0);
    return LLVMBuildCall2(m->emit->builder, type, instruction, operands, count, "");
}

LLVMValueRef plait_math_ptx(const PlaitMath *m, const char *text, const LLVMValueRef *operands, uint32_t count)
{
    plait_assert(count <= MOST_OPERANDS && m->scalar == PLAIT_F32);
    LLVMBuilderRef b = m->emit->builder;
    LLVMTypeRef i32 = LLVMInt32TypeInContext(m->emit->context);
    LLVMValueRef result = LLVMGetPoison(plait_emit_type(m->emit, PLAIT_F32, m->lanes));
    for (uint32_t lane = 0; lane < m->lanes; lane++) {
        LLVMValueRef index = LLVMConstInt(i32, lane, 0);
        LLVMValueRef of_lane[MOST_OPERANDS];
        for (uint32_t i = 0; i < count; i++)
            of_lane[i] = m->lanes == 1 ? operands[i] : LLVMBuildExtractElement(b, operands[i], index, "");
        LLVMValueRef value = one_lane(m, text, of_lane, count);
        if (m->lanes == 1) return value;
        result = LLVMBuildInsertElement(b, result, value, index, "");
    }
    return result;
}
