/* x^y = e^(y ln|x|), with the sign of x when y is odd.
 *
 * An error in ln|x| is multiplied by y ln|x|, up to 88 (f32) or 709 (f64) of them. f32 therefore computes in f64. f64
 * takes the logarithm as a sum of two numbers (error about 2^-62), after Dekker, "A floating-point technique for
 * extending the available precision", Numerische Mathematik 18, 1971:
 *     ln(1 + f) = 2 s + 2/3 s^3 + s^5 B(s^2),  s = f / (2 + f),  the first two terms as sums of two numbers.
 * Measured: f32 within 1 ulp; f64 within 2 ulp (tests/codegen/math).
 */
#include "codegen/math.h"

#include <math.h>

/* An unevaluated sum, |low| at most an ulp of high. */
typedef struct Pair {
    LLVMValueRef high, low;
} Pair;

/* a + b exactly, when |a| >= |b| or a is 0. */
static Pair sum_of(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef high = plus(m, a, b);
    return (Pair){high, minus(m, b, minus(m, high, a))};
}

/* x as a sum of two numbers of 26 bits, whose products are exact. */
static Pair halves_of(const PlaitMath *m, LLVMValueRef x)
{
    LLVMValueRef scaled = times(m, x, number(m, 134217729.0)); /* 2^27 + 1 */
    LLVMValueRef high = minus(m, scaled, minus(m, scaled, x));
    return (Pair){high, minus(m, x, high)};
}

/* a * b exactly. */
static Pair product_of(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef high = times(m, a, b);
    if (plait_math_fuses(m)) return (Pair){high, fused(m, a, b, negative(m, high))};
    Pair p = halves_of(m, a), q = halves_of(m, b);
    LLVMValueRef low = minus(m, times(m, p.high, q.high), high);
    low = plus(m, low, times(m, p.high, q.low));
    low = plus(m, low, times(m, p.low, q.high));
    return (Pair){high, plus(m, low, times(m, p.low, q.low))};
}

/* f / (2 + f) */
static Pair small_quotient(const PlaitMath *m, LLVMValueRef f)
{
    Pair divisor = sum_of(m, number(m, 2), f);
    LLVMValueRef high = plait_math_divide(m, f, divisor.high);
    Pair back = product_of(m, high, divisor.high);
    LLVMValueRef left = minus(m, minus(m, f, back.high), back.low);
    left = minus(m, left, times(m, high, divisor.low));
    return (Pair){high, plait_math_divide(m, left, divisor.high)};
}

/* 2/3 s^3 */
static Pair cubic_term(const PlaitMath *m, Pair s)
{
    Pair square = product_of(m, s.high, s.high);
    LLVMValueRef square_low = plus(m, square.low, times(m, times(m, s.high, number(m, 2)), s.low));
    Pair cube = product_of(m, square.high, s.high);
    LLVMValueRef cube_low = plus(m, cube.low, plus(m, times(m, square_low, s.high), times(m, square.high, s.low)));
    Pair term = product_of(m, cube.high, number(m, 0.66666666666666663));
    LLVMValueRef low = plus(m, times(m, cube_low, number(m, 0.66666666666666663)),
                            times(m, cube.high, number(m, 3.7007434154171883e-17)));
    return (Pair){term.high, plus(m, term.low, low)};
}

/* ln x for finite x > 0, f64. */
static Pair long_log(const PlaitMath *m, LLVMValueRef x)
{
    PlaitMathSplit split = plait_math_split(m, x);
    Pair s = small_quotient(m, split.fraction), cubic = cubic_term(m, s);
    LLVMValueRef square = times(m, s.high, s.high);
    LLVMValueRef fifth = times(m, times(m, square, square), s.high);
    LLVMValueRef rest = times(m, fifth, plait_math_polynomial(m, &plait_math_atanh_rest, square));
    LLVMValueRef whole = times(m, split.exponent, number(m, m->format->ln2_high));
    Pair first = sum_of(m, whole, times(m, s.high, number(m, 2)));
    Pair second = sum_of(m, first.high, cubic.high);
    LLVMValueRef low = plus(m, rest, times(m, split.exponent, number(m, m->format->ln2_low)));
    low = plus(m, low, plus(m, cubic.low, times(m, s.low, number(m, 2))));
    low = plus(m, low, plus(m, first.low, second.low));
    return sum_of(m, second.high, low);
}

/* x^y for x >= 0, f64. */
static LLVMValueRef long_power(const PlaitMath *m, LLVMValueRef x, LLVMValueRef y)
{
    Pair log = long_log(m, x);
    LLVMValueRef infinity = number(m, INFINITY), zero = number(m, 0);
    LLVMValueRef inside = both(m, less(m, zero, x), less(m, x, infinity));
    /* 0, infinity and NaN have no low part, and ln(0) is -infinity. */
    LLVMValueRef end = choose(m, equal(m, x, zero), number(m, -INFINITY), x);
    log = (Pair){choose(m, inside, log.high, end), choose(m, inside, log.low, zero)};
    Pair exponent = product_of(m, log.high, y);
    LLVMValueRef low = plus(m, exponent.low, times(m, log.low, y));
    /* Beyond 1000 the result is 0 or infinite whatever the low part says, which may be NaN. */
    low = choose(m, less(m, magnitude(m, exponent.high), number(m, 1000)), low, zero);
    return plait_math_exp_sum(m, exponent.high, low);
}

/* x^y for x >= 0, f32. */
static LLVMValueRef wide_power(const PlaitMath *m, LLVMValueRef x, LLVMValueRef y)
{
    PlaitMath wide = plait_math(m->emit, PLAIT_F64, x);
    LLVMValueRef log = plait_math_log(&wide, plait_emit_cast(m->emit, x, PLAIT_F32, PLAIT_F64));
    LLVMValueRef exponent = times(&wide, log, plait_emit_cast(m->emit, y, PLAIT_F32, PLAIT_F64));
    return plait_emit_cast(m->emit, plait_math_exp(&wide, exponent), PLAIT_F64, PLAIT_F32);
}

static LLVMValueRef is_whole(const PlaitMath *m, LLVMValueRef y)
{
    return equal(m, plait_emit_intrinsic(m->emit, "llvm.floor", &y, 1), y);
}

LLVMValueRef plait_emit_op_POW(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *operands)
{
    PlaitMath math = plait_math(emit, scalar, operands[0]), *m = &math;
    LLVMValueRef x = operands[0], y = operands[1], zero = number(m, 0), one = number(m, 1);
    LLVMValueRef size = magnitude(m, x);
    LLVMValueRef power = scalar == PLAIT_F32 ? wide_power(m, size, y) : long_power(m, size, y);
    /* 1^infinity and (-1)^infinity are 1, like every limit of 1^y. */
    power = choose(m, equal(m, size, one), one, power);
    LLVMValueRef whole = is_whole(m, y);
    LLVMValueRef even = is_whole(m, times(m, y, number(m, 0.5)));
    LLVMValueRef odd = both(m, whole, LLVMBuildNot(emit->builder, even, ""));
    power = choose(m, odd, with_sign(m, power, x), power);
    LLVMValueRef undefined = both(m, less(m, x, zero), LLVMBuildNot(emit->builder, whole, ""));
    power = choose(m, undefined, number(m, NAN), power);
    return choose(m, equal(m, y, zero), one, choose(m, equal(m, x, one), one, power));
}
