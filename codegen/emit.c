/* Types, constants and the few building blocks that every piece of emitted LLVM IR is made of. */
#include "codegen/emit.h"

#include <string.h>

#include "ir/sample.h"

static LLVMTypeRef of_lanes(LLVMTypeRef type, uint32_t lanes) { return lanes > 1 ? LLVMVectorType(type, lanes) : type; }

/* The CPU keeps f16 and bf16 as i16: x86 below AVX512-FP16 has no arithmetic on them, and LLVM would turn conversions
 * that it does not find into calls of a compiler library that the finished object is not linked with. */
static LLVMTypeRef half_type(const PlaitEmit *emit, PlaitScalar scalar)
{
    if (emit->target->kind == PLAIT_TARGET_CPU) return LLVMInt16TypeInContext(emit->context);
    return scalar == PLAIT_F16 ? LLVMHalfTypeInContext(emit->context) : LLVMBFloatTypeInContext(emit->context);
}

static LLVMTypeRef one_lane(const PlaitEmit *emit, PlaitScalar scalar)
{
    switch (scalar) {
    case PLAIT_BOOL: return LLVMInt1TypeInContext(emit->context);
    case PLAIT_I32: return LLVMInt32TypeInContext(emit->context);
    case PLAIT_I64: return LLVMInt64TypeInContext(emit->context);
    case PLAIT_F16:
    case PLAIT_BF16: return half_type(emit, scalar);
    case PLAIT_F32: return LLVMFloatTypeInContext(emit->context);
    case PLAIT_F64: return LLVMDoubleTypeInContext(emit->context);
    case PLAIT_SCALAR_COUNT: break;
    }
    plait_bug("no scalar type has the number %d", (int)scalar);
}

LLVMTypeRef plait_emit_type(const PlaitEmit *emit, PlaitScalar scalar, uint32_t lanes)
{
    return of_lanes(one_lane(emit, scalar), lanes);
}

LLVMTypeRef plait_emit_memory_type(const PlaitEmit *emit, PlaitScalar scalar, uint32_t lanes)
{
    if (scalar != PLAIT_BOOL) return plait_emit_type(emit, scalar, lanes);
    return of_lanes(LLVMInt8TypeInContext(emit->context), lanes);
}

/* `value` in every lane of a constant. */
static LLVMValueRef constant_lanes(PlaitArena *arena, LLVMValueRef value, uint32_t lanes)
{
    if (lanes <= 1) return value;
    LLVMValueRef *all = PLAIT_NEW_ARRAY(arena, LLVMValueRef, lanes);
    for (uint32_t i = 0; i < lanes; i++) all[i] = value;
    return LLVMConstVector(all, lanes);
}

static LLVMValueRef half_number(const PlaitEmit *emit, PlaitScalar scalar, double number)
{
    uint16_t bits;
    plait_scalar_store(scalar, number, &bits);
    LLVMValueRef integer = LLVMConstInt(LLVMInt16TypeInContext(emit->context), bits, 0);
    return LLVMConstBitCast(integer, one_lane(emit, scalar));
}

/* Saturates: a number that came from text may lie outside of int64_t, where a C conversion is undefined. */
static int64_t whole(double number)
{
    if (number != number) return 0;
    if (number >= 0x1p63) return INT64_MAX;
    return number < -0x1p63 ? INT64_MIN : (int64_t)number;
}

static LLVMValueRef one_number(const PlaitEmit *emit, PlaitScalar scalar, double number)
{
    LLVMTypeRef type = one_lane(emit, scalar);
    switch (scalar) {
    case PLAIT_BOOL: return LLVMConstInt(type, number != 0, 0);
    case PLAIT_I32:
    case PLAIT_I64: return LLVMConstInt(type, (unsigned long long)whole(number), 1);
    case PLAIT_F16:
    case PLAIT_BF16: return half_number(emit, scalar, number);
    case PLAIT_F32: return LLVMConstReal(type, (double)(float)number);
    case PLAIT_F64: return LLVMConstReal(type, number);
    case PLAIT_SCALAR_COUNT: break;
    }
    plait_bug("no scalar type has the number %d", (int)scalar);
}

LLVMValueRef plait_emit_number(const PlaitEmit *emit, PlaitScalar scalar, uint32_t lanes, double number)
{
    return constant_lanes(emit->arena, one_number(emit, scalar, number), lanes);
}

LLVMValueRef plait_emit_splat(PlaitEmit *emit, LLVMValueRef value, uint32_t lanes)
{
    if (lanes <= 1) return value;
    if (LLVMIsConstant(value)) return constant_lanes(emit->arena, value, lanes);
    LLVMTypeRef index = LLVMInt32TypeInContext(emit->context);
    LLVMTypeRef vector = LLVMVectorType(LLVMTypeOf(value), lanes);
    LLVMValueRef first =
        LLVMBuildInsertElement(emit->builder, LLVMGetPoison(vector), value, LLVMConstInt(index, 0, 0), "");
    LLVMValueRef everywhere = LLVMConstNull(LLVMVectorType(index, lanes));
    return LLVMBuildShuffleVector(emit->builder, first, LLVMGetPoison(vector), everywhere, "");
}

LLVMValueRef plait_emit_select(PlaitEmit *emit, LLVMValueRef condition, LLVMValueRef yes, LLVMValueRef no)
{
    return LLVMBuildSelect(emit->builder, condition, yes, no, "");
}

LLVMValueRef plait_emit_intrinsic(PlaitEmit *emit, const char *name, LLVMValueRef *operands, uint32_t count)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    plait_assert(id != 0 && count > 0);
    LLVMTypeRef type = LLVMTypeOf(operands[0]);
    LLVMTypeRef *overload = LLVMIntrinsicIsOverloaded(id) ? &type : NULL;
    size_t overloads = overload ? 1 : 0;
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(emit->module, id, overload, overloads);
    LLVMTypeRef signature = LLVMIntrinsicGetType(emit->context, id, overload, overloads);
    return LLVMBuildCall2(emit->builder, signature, function, operands, count, "");
}

/* x86-64-v2 has no fused multiply-add: llvm.fma would become a call of libm there, llvm.fmuladd two instructions. */
LLVMValueRef plait_emit_fma(PlaitEmit *emit, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
    bool fused = emit->target->kind == PLAIT_TARGET_PTX || plait_isa_is_modern(emit->isa);
    return plait_emit_intrinsic(emit, fused ? "llvm.fma" : "llvm.fmuladd", (LLVMValueRef[]){a, b, c}, 3);
}
