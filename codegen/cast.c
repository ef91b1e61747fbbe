/* Casts between all scalar types, on scalars and vectors.
 *
 * A number goes to f16 or bf16 by way of f32, rounded once in all: f64 and i32 are first brought to f32 by rounding to
 * odd (inexact results get their last bit set), which leaves the second rounding the right one (Boldo and Melquiond,
 * "Emulation of a FMA and correctly rounded sums", IEEE Transactions on Computers 57, 2008).
 * On the CPU bf16 is integer arithmetic at every level and f16 at x86-64-v2: LLVM would call __truncsfbf2 and
 * __extendhfsf2 there, which the finished library does not contain.
 */
#include "codegen/vector.h"

static LLVMValueRef bool_to(PlaitEmit *emit, LLVMValueRef value, PlaitScalar to, uint32_t lanes)
{
    LLVMTypeRef type = plait_emit_type(emit, to, lanes);
    if (plait_scalar_kind(to) == PLAIT_INTEGER) return LLVMBuildZExt(emit->builder, value, type, "");
    return plait_emit_select(emit, value, plait_emit_number(emit, to, lanes, 1), plait_emit_number(emit, to, lanes, 0));
}

static LLVMValueRef to_bool(PlaitEmit *emit, LLVMValueRef value, PlaitScalar from, uint32_t lanes)
{
    LLVMValueRef zero = plait_emit_number(emit, from, lanes, 0);
    if (plait_scalar_kind(from) == PLAIT_INTEGER) return LLVMBuildICmp(emit->builder, LLVMIntNE, value, zero, "");
    return LLVMBuildFCmp(emit->builder, LLVMRealUNE, value, zero, "");
}

/* f64 -> f32, rounded to odd. */
static LLVMValueRef narrow_to_odd(PlaitEmit *emit, LLVMValueRef value)
{
    uint32_t lanes = plait_lanes(value);
    LLVMBuilderRef b = emit->builder;
    LLVMTypeRef f32 = plait_emit_type(emit, PLAIT_F32, lanes), i32 = plait_emit_type(emit, PLAIT_I32, lanes);
    LLVMValueRef near = LLVMBuildFPTrunc(b, value, f32, "");
    LLVMValueRef back = LLVMBuildFPExt(b, near, LLVMTypeOf(value), "");
    LLVMValueRef magnitude = plait_emit_intrinsic(emit, "llvm.fabs", &value, 1);
    LLVMValueRef back_magnitude = plait_emit_intrinsic(emit, "llvm.fabs", &back, 1);
    LLVMValueRef larger = LLVMBuildFCmp(b, LLVMRealOGT, back_magnitude, magnitude, "");
    LLVMValueRef inexact = LLVMBuildFCmp(b, LLVMRealONE, back, value, "");
    LLVMValueRef bits = LLVMBuildBitCast(b, near, i32, "");
    bits = LLVMBuildSub(b, bits, LLVMBuildZExt(b, larger, i32, ""), "");
    bits = LLVMBuildOr(b, bits, LLVMBuildZExt(b, inexact, i32, ""), "");
    return LLVMBuildBitCast(b, bits, f32, "");
}

/* f32 -> bf16 by integers: nearest, ties to even; a NaN keeps its sign and stays one. */
static LLVMValueRef round_to_bf16(PlaitEmit *emit, LLVMValueRef value)
{
    uint32_t lanes = plait_lanes(value);
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef bits = LLVMBuildBitCast(b, value, plait_emit_type(emit, PLAIT_I32, lanes), "");
    LLVMValueRef sixteen = plait_bits32(emit, lanes, 16);
    LLVMValueRef top = LLVMBuildLShr(b, bits, sixteen, "");
    LLVMValueRef odd = LLVMBuildAnd(b, top, plait_bits32(emit, lanes, 1), "");
    LLVMValueRef sum = LLVMBuildAdd(b, bits, LLVMBuildAdd(b, odd, plait_bits32(emit, lanes, 0x7FFF), ""), "");
    LLVMValueRef rounded = LLVMBuildLShr(b, sum, sixteen, "");
    LLVMValueRef quiet = LLVMBuildOr(b, top, plait_bits32(emit, lanes, 0x40), "");
    LLVMValueRef is_nan = LLVMBuildFCmp(b, LLVMRealUNO, value, value, "");
    return LLVMBuildTrunc(b, plait_emit_select(emit, is_nan, quiet, rounded), plait_emit_type(emit, PLAIT_BF16, lanes),
                          "");
}

/* f32 -> f16 by integers. Numbers below 2^-14 are rounded by the float adder: 0.5 + x has the units of x's f16 form. */
static LLVMValueRef round_to_f16(PlaitEmit *emit, LLVMValueRef value)
{
    uint32_t lanes = plait_lanes(value);
    LLVMBuilderRef b = emit->builder;
    LLVMTypeRef f32 = plait_emit_type(emit, PLAIT_F32, lanes), i32 = plait_emit_type(emit, PLAIT_I32, lanes);
    LLVMValueRef bits = LLVMBuildBitCast(b, value, i32, "");
    LLVMValueRef magnitude = LLVMBuildAnd(b, bits, plait_bits32(emit, lanes, 0x7FFFFFFF), "");
    LLVMValueRef sign = LLVMBuildXor(b, bits, magnitude, "");
    LLVMValueRef thirteen = plait_bits32(emit, lanes, 13);
    LLVMValueRef odd = LLVMBuildAnd(b, LLVMBuildLShr(b, magnitude, thirteen, ""), plait_bits32(emit, lanes, 1), "");
    /* Rebias the exponent by 15 - 127 and add just under half a unit. */
    LLVMValueRef rebias = plait_bits32(emit, lanes, 0xC8000FFF);
    LLVMValueRef normal = LLVMBuildAdd(b, magnitude, LLVMBuildAdd(b, odd, rebias, ""), "");
    normal = LLVMBuildLShr(b, normal, thirteen, "");
    LLVMValueRef shifted =
        LLVMBuildFAdd(b, LLVMBuildBitCast(b, magnitude, f32, ""), plait_emit_number(emit, PLAIT_F32, lanes, 0.5), "");
    LLVMValueRef denormal =
        LLVMBuildSub(b, LLVMBuildBitCast(b, shifted, i32, ""), plait_bits32(emit, lanes, 0x3F000000), "");
    LLVMValueRef is_small = LLVMBuildICmp(b, LLVMIntULT, magnitude, plait_bits32(emit, lanes, 0x38800000), "");
    LLVMValueRef result = plait_emit_select(emit, is_small, denormal, normal);
    LLVMValueRef is_nan = LLVMBuildICmp(b, LLVMIntUGT, magnitude, plait_bits32(emit, lanes, 0x7F800000), "");
    LLVMValueRef special =
        plait_emit_select(emit, is_nan, plait_bits32(emit, lanes, 0x7E00), plait_bits32(emit, lanes, 0x7C00));
    LLVMValueRef is_special = LLVMBuildICmp(b, LLVMIntUGE, magnitude, plait_bits32(emit, lanes, 0x47800000), "");
    result = plait_emit_select(emit, is_special, special, result);
    result = LLVMBuildOr(b, result, LLVMBuildLShr(b, sign, plait_bits32(emit, lanes, 16), ""), "");
    return LLVMBuildTrunc(b, result, plait_emit_type(emit, PLAIT_F16, lanes), "");
}

/* f16 -> f32 by integers; denormals are made normal by a subtraction, which is exact. */
static LLVMValueRef widen_f16(PlaitEmit *emit, LLVMValueRef value)
{
    uint32_t lanes = plait_lanes(value);
    LLVMBuilderRef b = emit->builder;
    LLVMTypeRef f32 = plait_emit_type(emit, PLAIT_F32, lanes), i32 = plait_emit_type(emit, PLAIT_I32, lanes);
    LLVMValueRef bits = LLVMBuildZExt(b, value, i32, "");
    LLVMValueRef magnitude = LLVMBuildAnd(b, bits, plait_bits32(emit, lanes, 0x7FFF), "");
    LLVMValueRef sign = LLVMBuildShl(b, LLVMBuildXor(b, bits, magnitude, ""), plait_bits32(emit, lanes, 16), "");
    LLVMValueRef wide = LLVMBuildShl(b, magnitude, plait_bits32(emit, lanes, 13), "");
    LLVMValueRef normal = LLVMBuildAdd(b, wide, plait_bits32(emit, lanes, 112u << 23), "");
    LLVMValueRef unit = plait_bits32(emit, lanes, 113u << 23); /* 2^-14 */
    LLVMValueRef shifted = LLVMBuildBitCast(b, LLVMBuildAdd(b, wide, unit, ""), f32, "");
    LLVMValueRef denormal =
        LLVMBuildBitCast(b, LLVMBuildFSub(b, shifted, LLVMBuildBitCast(b, unit, f32, ""), ""), i32, "");
    LLVMValueRef special = LLVMBuildOr(b, wide, plait_bits32(emit, lanes, 0xFFu << 23), "");
    LLVMValueRef is_small = LLVMBuildICmp(b, LLVMIntULT, magnitude, plait_bits32(emit, lanes, 0x400), "");
    LLVMValueRef is_special = LLVMBuildICmp(b, LLVMIntUGE, magnitude, plait_bits32(emit, lanes, 0x7C00), "");
    LLVMValueRef result =
        plait_emit_select(emit, is_special, special, plait_emit_select(emit, is_small, denormal, normal));
    return LLVMBuildBitCast(b, LLVMBuildOr(b, result, sign, ""), f32, "");
}

static LLVMTypeRef half_lanes(PlaitEmit *emit, uint32_t lanes)
{
    LLVMTypeRef half = LLVMHalfTypeInContext(emit->context);
    return lanes > 1 ? LLVMVectorType(half, lanes) : half;
}

/* f16 or bf16 -> f32; exact. */
static LLVMValueRef widen(PlaitEmit *emit, LLVMValueRef value, PlaitScalar from)
{
    uint32_t lanes = plait_lanes(value);
    LLVMBuilderRef b = emit->builder;
    LLVMTypeRef f32 = plait_emit_type(emit, PLAIT_F32, lanes);
    if (emit->target->kind == PLAIT_TARGET_PTX) return LLVMBuildFPExt(b, value, f32, "");
    if (from == PLAIT_BF16) {
        LLVMValueRef bits = LLVMBuildZExt(b, value, plait_emit_type(emit, PLAIT_I32, lanes), "");
        return LLVMBuildBitCast(b, LLVMBuildShl(b, bits, plait_bits32(emit, lanes, 16), ""), f32, "");
    }
    if (!plait_isa_is_modern(emit->isa)) return widen_f16(emit, value);
    return LLVMBuildFPExt(b, LLVMBuildBitCast(b, value, half_lanes(emit, lanes), ""), f32, "");
}

/* f32 -> f16 or bf16. */
static LLVMValueRef narrow(PlaitEmit *emit, LLVMValueRef value, PlaitScalar to)
{
    uint32_t lanes = plait_lanes(value);
    LLVMBuilderRef b = emit->builder;
    LLVMTypeRef type = plait_emit_type(emit, to, lanes);
    if (emit->target->kind == PLAIT_TARGET_PTX) return LLVMBuildFPTrunc(b, value, type, "");
    if (to == PLAIT_BF16) return round_to_bf16(emit, value);
    if (!plait_isa_is_modern(emit->isa)) return round_to_f16(emit, value);
    return LLVMBuildBitCast(b, LLVMBuildFPTrunc(b, value, half_lanes(emit, lanes), ""), type, "");
}

static LLVMValueRef integer_to(PlaitEmit *emit, LLVMValueRef value, PlaitScalar to, uint32_t lanes)
{
    LLVMTypeRef type = plait_emit_type(emit, to, lanes);
    if (plait_scalar_kind(to) == PLAIT_INTEGER) return LLVMBuildIntCast2(emit->builder, value, type, 1, "");
    return LLVMBuildSIToFP(emit->builder, value, type, "");
}

/* Conversion with both types in its name, so that no operand is outside of its domain: fptosi alone would be poison. */
static LLVMValueRef saturate(PlaitEmit *emit, LLVMValueRef value, LLVMTypeRef type)
{
    static const char name[] = "llvm.fptosi.sat";
    unsigned id = LLVMLookupIntrinsicID(name, sizeof name - 1);
    LLVMTypeRef types[] = {type, LLVMTypeOf(value)};
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(emit->module, id, types, 2);
    return LLVMBuildCall2(emit->builder, LLVMIntrinsicGetType(emit->context, id, types, 2), function, &value, 1, "");
}

static LLVMValueRef floating_to(PlaitEmit *emit, LLVMValueRef value, PlaitScalar to, uint32_t lanes)
{
    LLVMTypeRef type = plait_emit_type(emit, to, lanes);
    if (plait_scalar_kind(to) == PLAIT_FLOATING) return LLVMBuildFPCast(emit->builder, value, type, "");
    return saturate(emit, value, type);
}

/* Anything -> f16 or bf16, see the head of the file. An i64 beyond 2^53 is rounded to f64 first. */
static LLVMValueRef to_half(PlaitEmit *emit, LLVMValueRef value, PlaitScalar from, PlaitScalar to, uint32_t lanes)
{
    if (plait_scalar_kind(from) == PLAIT_INTEGER) {
        value = integer_to(emit, value, PLAIT_F64, lanes);
        from = PLAIT_F64;
    }
    return narrow(emit, from == PLAIT_F64 ? narrow_to_odd(emit, value) : value, to);
}

LLVMValueRef plait_emit_cast(PlaitEmit *emit, LLVMValueRef value, PlaitScalar from, PlaitScalar to)
{
    uint32_t lanes = plait_lanes(value);
    if (from == to) return value;
    if (from == PLAIT_BOOL) return bool_to(emit, value, to, lanes);
    if (plait_scalar_is_16_bit(from)) {
        value = widen(emit, value, from);
        from = PLAIT_F32;
        if (to == PLAIT_F32) return value;
    }
    if (to == PLAIT_BOOL) return to_bool(emit, value, from, lanes);
    if (plait_scalar_is_16_bit(to)) return to_half(emit, value, from, to, lanes);
    if (plait_scalar_kind(from) == PLAIT_INTEGER) return integer_to(emit, value, to, lanes);
    return floating_to(emit, value, to, lanes);
}
