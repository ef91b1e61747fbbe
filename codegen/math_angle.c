/* Sine and cosine, for |x| up to 1e5 within the promised error; beyond 4e6 (f32) the quadrant is lost.
 *
 * n = round(2 x / pi), r = x - n pi / 2 with pi / 2 in parts (Cody and Waite), |r| <= pi / 4; by n mod 4 the result is
 * sin r, cos r, -sin r or -cos r. f32 without fused multiply-add would need parts of 7 bits: it reduces in f64.
 */
#include "codegen/math.h"

typedef struct Angle {
    LLVMValueRef rest;
    LLVMValueRef quadrant; /* integer of the format; its low two bits count */
} Angle;

static Angle reduce(const PlaitMath *m, LLVMValueRef x)
{
    LLVMValueRef magic = number(m, m->format->magic);
    LLVMValueRef shifted = fused(m, x, number(m, 0.63661977236758138), magic);
    LLVMValueRef minus_n = minus(m, magic, shifted);
    LLVMValueRef rest = x;
    for (uint32_t i = 0; i < m->format->half_pi.count; i++)
        rest = fused(m, minus_n, number(m, m->format->half_pi.coefficients[i]), rest);
    return (Angle){rest, bits_of(m, shifted)};
}

static Angle reduce_wide(const PlaitMath *m, LLVMValueRef x)
{
    PlaitMath wide = plait_math(m->emit, PLAIT_F64, x);
    Angle angle = reduce(&wide, plait_emit_cast(m->emit, x, PLAIT_F32, PLAIT_F64));
    return (Angle){plait_emit_cast(m->emit, angle.rest, PLAIT_F64, PLAIT_F32),
                   plait_emit_cast(m->emit, angle.quadrant, PLAIT_I64, PLAIT_I32)};
}

/* sin(x + turn pi / 2) */
static LLVMValueRef sine(const PlaitMath *m, LLVMValueRef x, int64_t turn)
{
    LLVMBuilderRef b = m->emit->builder;
    Angle angle = m->scalar == PLAIT_F32 && !plait_math_fuses(m) ? reduce_wide(m, x) : reduce(m, x);
    /* Where the reduction has lost its way, the polynomials must not leave the range of a sine by much. */
    LLVMValueRef r = at_most(m, at_least(m, angle.rest, -1), 1);
    LLVMValueRef square = times(m, r, r);
    LLVMValueRef sin = fused(m, times(m, square, r), plait_math_polynomial(m, &m->format->sin, square), r);
    LLVMValueRef cos = fused(m, square, number(m, -0.5), number(m, 1));
    cos = fused(m, times(m, square, square), plait_math_polynomial(m, &m->format->cos, square), cos);
    LLVMValueRef quadrant = LLVMBuildAdd(b, angle.quadrant, whole_number(m, turn), "");
    LLVMValueRef zero = whole_number(m, 0);
    LLVMValueRef odd = LLVMBuildICmp(b, LLVMIntNE, LLVMBuildAnd(b, quadrant, whole_number(m, 1), ""), zero, "");
    LLVMValueRef lower = LLVMBuildICmp(b, LLVMIntNE, LLVMBuildAnd(b, quadrant, whole_number(m, 2), ""), zero, "");
    LLVMValueRef result = choose(m, odd, cos, sin);
    return choose(m, lower, negative(m, result), result);
}

LLVMValueRef plait_emit_op_SIN(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    PlaitMath m = plait_math(emit, scalar, x[0]);
    return sine(&m, x[0], 0);
}

LLVMValueRef plait_emit_op_COS(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)
{
    PlaitMath m = plait_math(emit, scalar, x[0]);
    return sine(&m, x[0], 1);
}
