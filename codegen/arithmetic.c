/* The pointwise operations that are one or a few instructions, and the dispatch to all of them.
 * Everything is branch-free, so that it is the same for a scalar and for a vector. */
#include "codegen/math.h"

static bool is_float(PlaitScalar scalar) { return plait_scalar_kind(scalar) == PLAIT_FLOATING; }

#define TWO_WAY(id, floating, integer)                                                                                 \
    LLVMValueRef plait_emit_op_##id(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)                        \
    {                                                                                                                  \
        return is_float(scalar) ? floating(emit->builder, x[0], x[1], "") : integer(emit->builder, x[0], x[1], "");    \
    }
TWO_WAY(ADD, LLVMBuildFAdd, LLVMBuildAdd)
TWO_WAY(SUB, LLVMBuildFSub, LLVMBuildSub)
TWO_WAY(MUL, LLVMBuildFMul, LLVMBuildMul)
#undef TWO_WAY

static LLVMValueRef compare(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x, LLVMRealPredicate floating,
                            LLVMIntPredicate integer, LLVMIntPredicate truth)
{
    if (is_float(scalar)) return LLVMBuildFCmp(emit->builder, floating, x[0], x[1], "");
    return LLVMBuildICmp(emit->builder, scalar == PLAIT_BOOL ? truth : integer, x[0], x[1], "");
}

#define COMPARE(id, floating, integer, truth)                                                                          \
    LLVMValueRef plait_emit_op_##id(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)                        \
    {                                                                                                                  \
        return compare(emit, scalar, x, LLVMReal##floating, LLVMInt##integer, LLVMInt##truth);                         \
    }
COMPARE(LT, OLT, SLT, ULT)
COMPARE(LE, OLE, SLE, ULE)
COMPARE(GT, OGT, SGT, UGT)
COMPARE(GE, OGE, SGE, UGE)
COMPARE(EQ, OEQ, EQ, EQ)
COMPARE(NE, UNE, NE, NE)
#undef COMPARE

LLVMValueRef plait_emit_op_AND(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    (void)scalar;
    return LLVMBuildAnd(emit->builder, x[0], x[1], "");
}

LLVMValueRef plait_emit_op_OR(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    (void)scalar;
    return LLVMBuildOr(emit->builder, x[0], x[1], "");
}

LLVMValueRef plait_emit_op_NOT(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    (void)scalar;
    return LLVMBuildNot(emit->builder, x[0], "");
}

LLVMValueRef plait_emit_op_NEG(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    return is_float(scalar) ? LLVMBuildFNeg(emit->builder, x[0], "") : LLVMBuildNeg(emit->builder, x[0], "");
}

LLVMValueRef plait_emit_op_ABS(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    if (is_float(scalar)) return plait_emit_intrinsic(emit, "llvm.fabs", (LLVMValueRef[]){x[0]}, 1);
    LLVMValueRef below = LLVMBuildICmp(emit->builder, LLVMIntSLT, x[0], LLVMConstNull(LLVMTypeOf(x[0])), "");
    return plait_emit_select(emit, below, LLVMBuildNeg(emit->builder, x[0], ""), x[0]);
}

/* SSE4.1 and PTX have all three as one instruction. */
#define ROUNDING(id, intrinsic)                                                                                        \
    LLVMValueRef plait_emit_op_##id(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)                        \
    {                                                                                                                  \
        (void)scalar;                                                                                                  \
        return plait_emit_intrinsic(emit, intrinsic, (LLVMValueRef[]){x[0]}, 1);                                       \
    }
ROUNDING(FLOOR, "llvm.floor")
ROUNDING(CEIL, "llvm.ceil")
ROUNDING(ROUND, "llvm.roundeven")
#undef ROUNDING

/* PTX's min and max give the operand that is no NaN. On x86 `a beats b ? a : b` is one instruction and gives b when
 * either is NaN, so that only a NaN in b has to be looked for. */
static LLVMValueRef extreme(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x, const char *intrinsic,
                            LLVMRealPredicate beats, LLVMIntPredicate integer_beats)
{
    LLVMBuilderRef b = emit->builder;
    if (!is_float(scalar)) return plait_emit_select(emit, LLVMBuildICmp(b, integer_beats, x[0], x[1], ""), x[0], x[1]);
    if (emit->target->kind == PLAIT_TARGET_PTX)
        return plait_emit_intrinsic(emit, intrinsic, (LLVMValueRef[]){x[0], x[1]}, 2);
    LLVMValueRef winner = plait_emit_select(emit, LLVMBuildFCmp(b, beats, x[0], x[1], ""), x[0], x[1]);
    return plait_emit_select(emit, LLVMBuildFCmp(b, LLVMRealUNO, x[1], x[1], ""), x[0], winner);
}

LLVMValueRef plait_emit_op_MIN(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    return extreme(emit, scalar, x, "llvm.minnum", LLVMRealOLT, LLVMIntSLT);
}

LLVMValueRef plait_emit_op_MAX(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    return extreme(emit, scalar, x, "llvm.maxnum", LLVMRealOGT, LLVMIntSGT);
}

LLVMValueRef plait_emit_op_DIV(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    PlaitMath m = plait_math(emit, scalar, x[0]);
    return plait_math_divide(&m, x[0], x[1]);
}

/* Quotient and remainder with the sign rule of floor. Division by 0 and of the smallest number by -1 are undefined in
 * LLVM: both divide by 1 instead and are put right afterwards. */
typedef struct Division {
    LLVMValueRef quotient, remainder;
} Division;

static Division divide_integers(PlaitEmit *emit, LLVMValueRef x, LLVMValueRef y)
{
    LLVMBuilderRef b = emit->builder;
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef zero = LLVMConstNull(type), ones = LLVMConstAllOnes(type);
    LLVMValueRef one = LLVMConstNeg(ones);
    LLVMValueRef by_zero = LLVMBuildICmp(b, LLVMIntEQ, y, zero, "");
    LLVMValueRef by_minus_one = LLVMBuildICmp(b, LLVMIntEQ, y, ones, "");
    LLVMValueRef divisor = plait_emit_select(emit, LLVMBuildOr(b, by_zero, by_minus_one, ""), one, y);
    LLVMValueRef quotient = LLVMBuildSDiv(b, x, divisor, "");
    LLVMValueRef remainder = LLVMBuildSub(b, x, LLVMBuildMul(b, quotient, divisor, ""), "");
    LLVMValueRef differ = LLVMBuildICmp(b, LLVMIntSLT, LLVMBuildXor(b, remainder, divisor, ""), zero, "");
    LLVMValueRef inexact = LLVMBuildICmp(b, LLVMIntNE, remainder, zero, "");
    LLVMValueRef below = LLVMBuildAnd(b, differ, inexact, "");
    quotient = LLVMBuildAdd(b, quotient, LLVMBuildSExt(b, below, type, ""), "");
    remainder = plait_emit_select(emit, below, LLVMBuildAdd(b, remainder, divisor, ""), remainder);
    quotient = plait_emit_select(emit, by_minus_one, LLVMBuildNeg(b, x, ""), quotient);
    return (Division){plait_emit_select(emit, by_zero, zero, quotient), remainder};
}

/* Of floats. Not plait_math_divide: an error of one ulp would make floor(6 / 3) 1. The quotient is rounded before its
 * floor is taken, and may so become the whole number above: then the remainder has the other sign than the divisor
 * (5 % 0.1 is not below 0). */
static Division divide_floats(PlaitEmit *emit, LLVMValueRef x, LLVMValueRef y)
{
    LLVMBuilderRef b = emit->builder;
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef zero = LLVMConstNull(type), exact = LLVMBuildFDiv(b, x, y, "");
    LLVMValueRef quotient = plait_emit_intrinsic(emit, "llvm.floor", &exact, 1);
    LLVMValueRef remainder = plait_emit_fma(emit, LLVMBuildFNeg(b, quotient, ""), y, x);
    LLVMValueRef low = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOLT, remainder, zero, ""),
                                    LLVMBuildFCmp(b, LLVMRealOGT, y, zero, ""), "");
    LLVMValueRef high = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOGT, remainder, zero, ""),
                                     LLVMBuildFCmp(b, LLVMRealOLT, y, zero, ""), "");
    LLVMValueRef other = LLVMBuildOr(b, low, high, "");
    LLVMValueRef less = LLVMBuildFSub(b, quotient, LLVMConstReal(type, 1), "");
    LLVMValueRef more = LLVMBuildFAdd(b, remainder, y, "");
    return (Division){plait_emit_select(emit, other, less, quotient), plait_emit_select(emit, other, more, remainder)};
}

static Division divide(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    return is_float(scalar) ? divide_floats(emit, x[0], x[1]) : divide_integers(emit, x[0], x[1]);
}

LLVMValueRef plait_emit_op_FLOORDIV(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    return divide(emit, scalar, x).quotient;
}

LLVMValueRef plait_emit_op_MOD(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    return divide(emit, scalar, x).remainder;
}

typedef LLVMValueRef Emitter(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x);
static Emitter *const emitters[PLAIT_OP_COUNT] = {
#define SCALAR_OP(id, text, operands, class, meaning) [PLAIT_OP_##id] = plait_emit_op_##id,
#include "ir/scalar_ops.def"
#undef SCALAR_OP
};

LLVMValueRef plait_emit_scalar_op(PlaitEmit *emit, PlaitOp op, PlaitScalar scalar, const LLVMValueRef *operands)
{
    plait_assert(op < PLAIT_OP_COUNT && emitters[op]);
    return emitters[op](emit, scalar, operands);
}

static PlaitOp step_of(PlaitOp reduce)
{
    if (reduce == PLAIT_OP_REDUCE_SUM) return PLAIT_OP_ADD;
    if (reduce == PLAIT_OP_REDUCE_PROD) return PLAIT_OP_MUL;
    plait_assert(reduce == PLAIT_OP_REDUCE_MAX || reduce == PLAIT_OP_REDUCE_MIN);
    return reduce == PLAIT_OP_REDUCE_MAX ? PLAIT_OP_MAX : PLAIT_OP_MIN;
}

LLVMValueRef plait_emit_combine(PlaitEmit *emit, PlaitOp reduce, PlaitScalar scalar, LLVMValueRef a, LLVMValueRef b)
{
    return plait_emit_scalar_op(emit, step_of(reduce), scalar, (LLVMValueRef[]){a, b});
}
