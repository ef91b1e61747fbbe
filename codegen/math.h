/* Private to the files that emit pointwise operations: one function for each row of ir/scalar_ops.def, and a small
 * notation for arithmetic on scalars and vectors of one floating type. */
#ifndef PLAIT_CODEGEN_MATH_H
#define PLAIT_CODEGEN_MATH_H

#include "codegen/vector.h"

/* plait_emit_op_EXP(emit, scalar, operands) and so on: a missing one is a link error. */
#define SCALAR_OP(id, text, operands, class, meaning)                                                                  \
    LLVMValueRef plait_emit_op_##id(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x);
#include "ir/scalar_ops.def"
#undef SCALAR_OP

/* Coefficients, highest power first. */
typedef struct PlaitPolynomial {
    uint32_t count;
    const double *coefficients;
} PlaitPolynomial;

/* What the algorithms of math.c need to know of a floating type. The rows stand in math_tables.c. */
typedef struct PlaitMathFormat {
    PlaitScalar integer; /* of the same width */
    uint32_t fraction_bits;
    int64_t bias;
    double smallest_normal;
    double magic;                   /* 1.5 * 2^fraction_bits: adding it rounds to a whole number in the low bits */
    double ln2_high, ln2_low;       /* n * ln2_high is exact for every exponent n */
    double exp_lowest, exp_highest; /* e^x is 0 below and infinite above */
    double expm1_lowest;            /* e^x - 1 is -1 below */
    double erf_highest;             /* erf is 1 above */
    PlaitPolynomial half_pi;        /* pi / 2 as a sum, largest part first */
    PlaitPolynomial exp, sin, cos, erf, erfc, log;
} PlaitMathFormat;

const PlaitMathFormat *plait_math_format(PlaitScalar scalar);
/* Of f64: (2 atanh(s) - 2 s - 2/3 s^3) / s^5 in s^2, for pow. */
extern const PlaitPolynomial plait_math_atanh_rest;

typedef struct PlaitMath {
    PlaitEmit *emit;
    PlaitScalar scalar;
    uint32_t lanes;
    const PlaitMathFormat *format;
} PlaitMath;

static inline PlaitMath plait_math(PlaitEmit *emit, PlaitScalar scalar, LLVMValueRef x)
{
    return (PlaitMath){emit, scalar, plait_lanes(x), plait_math_format(scalar)};
}

static inline bool plait_math_on_gpu(const PlaitMath *m) { return m->emit->target->kind == PLAIT_TARGET_PTX; }
/* Whether plait_emit_fma rounds once. */
static inline bool plait_math_fuses(const PlaitMath *m)
{
    return plait_math_on_gpu(m) || plait_isa_is_modern(m->emit->isa);
}

/* The notation. */
static inline LLVMValueRef number(const PlaitMath *m, double value)
{
    return plait_emit_number(m->emit, m->scalar, m->lanes, value);
}
static inline LLVMValueRef plus(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFAdd(m->emit->builder, a, b, "");
}
static inline LLVMValueRef minus(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFSub(m->emit->builder, a, b, "");
}
static inline LLVMValueRef times(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFMul(m->emit->builder, a, b, "");
}
static inline LLVMValueRef negative(const PlaitMath *m, LLVMValueRef a)
{
    return LLVMBuildFNeg(m->emit->builder, a, "");
}
static inline LLVMValueRef fused(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
    return plait_emit_fma(m->emit, a, b, c);
}
static inline LLVMValueRef magnitude(const PlaitMath *m, LLVMValueRef a)
{
    return plait_emit_intrinsic(m->emit, "llvm.fabs", &a, 1);
}
static inline LLVMValueRef choose(const PlaitMath *m, LLVMValueRef condition, LLVMValueRef yes, LLVMValueRef no)
{
    return plait_emit_select(m->emit, condition, yes, no);
}
/* False when an operand is NaN. */
static inline LLVMValueRef less(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFCmp(m->emit->builder, LLVMRealOLT, a, b, "");
}
static inline LLVMValueRef equal(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFCmp(m->emit->builder, LLVMRealOEQ, a, b, "");
}
static inline LLVMValueRef both(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildAnd(m->emit->builder, a, b, "");
}

/* Not below `low`, not above `high`; NaN stays NaN (one instruction each on x86). */
static inline LLVMValueRef at_least(const PlaitMath *m, LLVMValueRef x, double low)
{
    return choose(m, less(m, x, number(m, low)), number(m, low), x);
}
static inline LLVMValueRef at_most(const PlaitMath *m, LLVMValueRef x, double high)
{
    return choose(m, less(m, number(m, high), x), number(m, high), x);
}

static inline LLVMTypeRef integer_type(const PlaitMath *m)
{
    return plait_emit_type(m->emit, m->format->integer, m->lanes);
}
static inline LLVMValueRef whole_number(const PlaitMath *m, int64_t value)
{
    LLVMTypeRef type = plait_emit_type(m->emit, m->format->integer, 1);
    return plait_emit_splat(m->emit, LLVMConstInt(type, (unsigned long long)value, 1), m->lanes);
}
static inline LLVMValueRef bits_of(const PlaitMath *m, LLVMValueRef x)
{
    return LLVMBuildBitCast(m->emit->builder, x, integer_type(m), "");
}
static inline LLVMValueRef from_bits(const PlaitMath *m, LLVMValueRef bits)
{
    return LLVMBuildBitCast(m->emit->builder, bits, plait_emit_type(m->emit, m->scalar, m->lanes), "");
}

/* |value| with the sign of `sign`.
 *
 * Not by `or` for 64-byte vectors: LLVM 22 makes llvm.copysign of that, and drops the select in
 * select(c, copysign(value, x), x) for AVX-512 (one vpternlogd without its mask). */
static inline LLVMValueRef with_sign(const PlaitMath *m, LLVMValueRef value, LLVMValueRef sign)
{
    LLVMBuilderRef b = m->emit->builder;
    LLVMValueRef mask = bits_of(m, number(m, -0.0));
    LLVMValueRef kept = LLVMBuildAnd(b, bits_of(m, value), LLVMBuildNot(b, mask, ""), "");
    if (m->lanes > 1 && !plait_math_on_gpu(m) && m->emit->isa->vector_bytes == 64) {
        LLVMValueRef negative = LLVMBuildICmp(b, LLVMIntSLT, bits_of(m, sign), whole_number(m, 0), "");
        return from_bits(m, plait_emit_select(m->emit, negative, LLVMBuildXor(b, kept, mask, ""), kept));
    }
    return from_bits(m, LLVMBuildOr(b, kept, LLVMBuildAnd(b, bits_of(m, sign), mask, ""), ""));
}

/* 2^n for an integer n that is the exponent of a normal number. */
static inline LLVMValueRef power_of_two(const PlaitMath *m, LLVMValueRef n)
{
    LLVMBuilderRef b = m->emit->builder;
    LLVMValueRef biased = LLVMBuildAdd(b, n, whole_number(m, m->format->bias), "");
    return from_bits(m, LLVMBuildShl(b, biased, whole_number(m, m->format->fraction_bits), ""));
}

/* By Horner's rule. */
LLVMValueRef plait_math_polynomial(const PlaitMath *m, const PlaitPolynomial *polynomial, LLVMValueRef x);
/* a / b. On a GPU, f32: within 2 ulp by div.full; else correctly rounded. */
LLVMValueRef plait_math_divide(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef plait_math_exp(const PlaitMath *m, LLVMValueRef x);
/* e^(x + correction), correction within an ulp of x. */
LLVMValueRef plait_math_exp_sum(const PlaitMath *m, LLVMValueRef x, LLVMValueRef correction);
LLVMValueRef plait_math_expm1(const PlaitMath *m, LLVMValueRef x);
LLVMValueRef plait_math_log(const PlaitMath *m, LLVMValueRef x);

/* x = 2^exponent * (1 + fraction), with 1 + fraction between sqrt(1/2) and sqrt(2). For x > 0 and finite. */
typedef struct PlaitMathSplit {
    LLVMValueRef exponent, fraction; /* floating */
    LLVMValueRef whole;              /* exponent as an integer */
} PlaitMathSplit;
PlaitMathSplit plait_math_split(const PlaitMath *m, LLVMValueRef x);

/* One PTX instruction on f32, on every lane: `text` has the operands $0 (result), $1, ..., or names an intrinsic. */
LLVMValueRef plait_math_ptx(const PlaitMath *m, const char *text, const LLVMValueRef *operands, uint32_t count);

#endif
