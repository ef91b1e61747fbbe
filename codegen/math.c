/* Exponentials, logarithms, roots, tanh and erf, for f32 and f64, scalars and vectors: no branches, no calls.
 * Nothing here becomes a libm call on x86 or an intrinsic that NVPTX cannot select.
 *
 * exp: x = n ln2 + r with |r| <= ln2 / 2 (Cody and Waite: n ln2 in two parts), e^x = 2^n (1 + r + r^2 P(r)); 2^n in two
 * factors, so that denormal and infinite results come out by themselves; x86-64-v4 has an instruction for that.
 *
 * expm1: 2 (2^(n-1) q + (2^(n-1) - 1/2)) with q = r + r^2 P(r).
 *
 * log: x = 2^k (1 + f), ln x = k ln2 + ln(1 + f); f32 by a polynomial in f, f64 by one in s = f / (2 + f). log1p: u = 1
 * + x, what the sum lost is added to f again.
 *
 * tanh: -t / (2 + t) with t = expm1(-2 |x|). erf: x (1 + P(x^2)) below 1, 1 - e^-Q(|x|) from there on.
 *
 * On a GPU f32 uses the approximate units. Bounds from the PTX ISA manual, "Floating Point Instructions"; in
 * parentheses what tests/codegen/math/gpu.c measured for the whole operation on an H100.
 *
 * exp: ex2.approx.ftz, 2 ulp; t = x log2(e) is rounded, the rest x - t ln2 (exact to 2^-40) is put back to first order;
 * results below 2^-126 are 0 (2.5 ulp below 0, 2.0 above: the unit cuts off, and toward 0 for negative t).
 *
 * log, log1p: near 1 the polynomial, elsewhere lg2.approx: 2^-22 absolute between 1/2 and 2, relative elsewhere (4.6,
 * 5.8: just beyond where the polynomial holds).
 *
 * div: div.full, 2 ulp over the whole range (2.0); by a constant: times its reciprocal, 1.5 ulp; 1 / x: rcp.approx, 1
 * ulp. sqrt: sqrt.approx, 2^-23 (0.94). rsqrt: rsqrt.approx, 2^-22.9 (1.5). tanh divides (3.0).
 */
#include "codegen/math.h"

#include <math.h>

LLVMValueRef plait_math_polynomial(const PlaitMath *m, const PlaitPolynomial *polynomial, LLVMValueRef x)
{
    LLVMValueRef sum = number(m, polynomial->coefficients[0]);
    for (uint32_t i = 1; i < polynomial->count; i++) sum = fused(m, sum, x, number(m, polynomial->coefficients[i]));
    return sum;
}

static bool uses_approximate_units(const PlaitMath *m) { return plait_math_on_gpu(m) && m->scalar == PLAIT_F32; }

/* ---- exponentials ---- */

typedef struct Reduced {
    LLVMValueRef whole;   /* n, integer */
    LLVMValueRef rest;    /* x - n ln2 */
    LLVMValueRef shifted; /* n, as a number, and format->magic */
} Reduced;

static Reduced reduce(const PlaitMath *m, LLVMValueRef x)
{
    LLVMValueRef magic = number(m, m->format->magic);
    LLVMValueRef shifted = fused(m, x, number(m, 1.4426950408889634), magic);
    LLVMValueRef minus_n = minus(m, magic, shifted);
    LLVMValueRef rest = fused(m, minus_n, number(m, m->format->ln2_high), x);
    return (Reduced){LLVMBuildSub(m->emit->builder, bits_of(m, shifted), bits_of(m, magic), ""),
                     fused(m, minus_n, number(m, m->format->ln2_low), rest), shifted};
}

/* x 2^n; n is given as a whole number, and as `shifted` (see Reduced). Rounds once. */
static LLVMValueRef scaled(const PlaitMath *m, LLVMValueRef x, LLVMValueRef whole, LLVMValueRef shifted)
{
    LLVMBuilderRef b = m->emit->builder;
    bool f32 = m->scalar == PLAIT_F32;
    if (!plait_math_on_gpu(m) && m->emit->isa->vector_bytes == 64 && m->lanes == (f32 ? 16 : 8)) {
        enum { CURRENT_ROUNDING = 4 };
        LLVMValueRef n = minus(m, shifted, number(m, m->format->magic));
        LLVMTypeRef all = LLVMIntTypeInContext(m->emit->context, m->lanes);
        LLVMTypeRef i32 = LLVMInt32TypeInContext(m->emit->context);
        LLVMValueRef operands[] = {x, n, x, LLVMConstAllOnes(all), LLVMConstInt(i32, CURRENT_ROUNDING, 0)};
        return plait_emit_intrinsic(
            m->emit, f32 ? "llvm.x86.avx512.mask.scalef.ps.512" : "llvm.x86.avx512.mask.scalef.pd.512", operands, 5);
    }
    LLVMValueRef half = LLVMBuildAShr(b, whole, whole_number(m, 1), "");
    LLVMValueRef other_half = LLVMBuildSub(b, whole, half, "");
    return times(m, times(m, x, power_of_two(m, half)), power_of_two(m, other_half));
}

/* e^r - 1 */
static LLVMValueRef expm1_near_zero(const PlaitMath *m, LLVMValueRef r)
{
    return fused(m, times(m, r, r), plait_math_polynomial(m, &m->format->exp, r), r);
}

LLVMValueRef plait_math_exp_sum(const PlaitMath *m, LLVMValueRef x, LLVMValueRef correction)
{
    x = at_most(m, at_least(m, x, m->format->exp_lowest), m->format->exp_highest);
    Reduced reduced = reduce(m, x);
    LLVMValueRef rest = correction ? plus(m, reduced.rest, correction) : reduced.rest;
    LLVMValueRef near_one = plus(m, expm1_near_zero(m, rest), number(m, 1));
    return scaled(m, near_one, reduced.whole, reduced.shifted);
}

static LLVMValueRef exp_by_unit(const PlaitMath *m, LLVMValueRef x)
{
    PlaitEmit *emit = m->emit;
    x = plait_emit_intrinsic(emit, "llvm.maximum", (LLVMValueRef[]){x, number(m, m->format->exp_lowest)}, 2);
    LLVMValueRef exponent = times(m, x, number(m, 1.4426950408889634));
    /* Just below 128, where the unit still gives a number: what is cut off comes back with the correction. */
    exponent = plait_emit_intrinsic(emit, "llvm.minimum", (LLVMValueRef[]){exponent, number(m, 127.99999)}, 2);
    LLVMValueRef rest = fused(m, exponent, number(m, -0.693147182), x);
    rest = fused(m, exponent, number(m, 1.90465421e-09), rest);
    LLVMValueRef power = plait_math_ptx(m, "llvm.nvvm.ex2.approx.ftz", &exponent, 1);
    return fused(m, power, rest, power);
}

LLVMValueRef plait_math_exp(const PlaitMath *m, LLVMValueRef x)
{
    return uses_approximate_units(m) ? exp_by_unit(m, x) : plait_math_exp_sum(m, x, NULL);
}

/* 2^n e^(r ln2) with n the whole number next to x and r = x - n, exactly; the unit of a GPU does it by itself. */
static LLVMValueRef exp2_of(const PlaitMath *m, LLVMValueRef x)
{
    if (uses_approximate_units(m)) return plait_math_ptx(m, "llvm.nvvm.ex2.approx.ftz", &x, 1);
    LLVMBuilderRef b = m->emit->builder;
    double log2_e = 1.4426950408889634;
    x = at_most(m, at_least(m, x, m->format->exp_lowest * log2_e), m->format->exp_highest * log2_e);
    LLVMValueRef magic = number(m, m->format->magic), shifted = plus(m, x, magic);
    LLVMValueRef rest = minus(m, x, minus(m, shifted, magic));
    LLVMValueRef whole = LLVMBuildSub(b, bits_of(m, shifted), bits_of(m, magic), "");
    LLVMValueRef near_one = plus(m, expm1_near_zero(m, times(m, rest, number(m, 0.69314718055994531))), number(m, 1));
    return scaled(m, near_one, whole, shifted);
}

LLVMValueRef plait_math_expm1(const PlaitMath *m, LLVMValueRef x)
{
    x = at_most(m, at_least(m, x, m->format->expm1_lowest), m->format->exp_highest);
    Reduced reduced = reduce(m, x);
    LLVMValueRef near_zero = expm1_near_zero(m, reduced.rest);
    LLVMValueRef power = power_of_two(m, LLVMBuildSub(m->emit->builder, reduced.whole, whole_number(m, 1), ""));
    LLVMValueRef half = fused(m, power, near_zero, minus(m, power, number(m, 0.5)));
    return plus(m, half, half);
}

/* ---- logarithms ---- */

PlaitMathSplit plait_math_split(const PlaitMath *m, LLVMValueRef x)
{
    LLVMBuilderRef b = m->emit->builder;
    int64_t lift = (int64_t)m->format->fraction_bits + 2;
    LLVMValueRef is_small = less(m, x, number(m, m->format->smallest_normal));
    LLVMValueRef normal = choose(m, is_small, times(m, x, number(m, ldexp(1, (int)lift))), x);
    LLVMValueRef bits = bits_of(m, normal), shift = whole_number(m, m->format->fraction_bits);
    LLVMValueRef above = LLVMBuildSub(b, bits, bits_of(m, number(m, 0.70710678118654752)), "");
    LLVMValueRef whole = LLVMBuildAShr(b, above, shift, "");
    LLVMValueRef near_one = from_bits(m, LLVMBuildSub(b, bits, LLVMBuildShl(b, whole, shift, ""), ""));
    LLVMValueRef lifted = LLVMBuildSub(b, whole, whole_number(m, lift), "");
    whole = choose(m, is_small, lifted, whole);
    /* Not sitofp: x86 below AVX512 converts i64 vectors one lane at a time. */
    LLVMValueRef magic = number(m, m->format->magic);
    LLVMValueRef exponent = minus(m, from_bits(m, LLVMBuildAdd(b, whole, bits_of(m, magic), "")), magic);
    return (PlaitMathSplit){exponent, minus(m, near_one, number(m, 1)), whole};
}

/* ln(1 + f) - f + f^2 / 2 */
static LLVMValueRef log_tail(const PlaitMath *m, LLVMValueRef f, LLVMValueRef half_square)
{
    if (m->scalar == PLAIT_F32) {
        LLVMValueRef cube = times(m, times(m, f, f), f);
        return times(m, cube, plait_math_polynomial(m, &m->format->log, f));
    }
    /* 2 s = f - s f, and s f = f^2/2 - s f^2/2. */
    LLVMValueRef s = plait_math_divide(m, f, plus(m, f, number(m, 2)));
    LLVMValueRef square = times(m, s, s);
    LLVMValueRef rest = times(m, square, plait_math_polynomial(m, &m->format->log, square));
    return times(m, s, plus(m, half_square, rest));
}

/* k ln2 + ln(1 + f), the small parts first. */
static LLVMValueRef log_of_parts(const PlaitMath *m, LLVMValueRef k, LLVMValueRef f)
{
    LLVMValueRef half_square = times(m, times(m, f, number(m, 0.5)), f);
    LLVMValueRef small = fused(m, k, number(m, m->format->ln2_low), log_tail(m, f, half_square));
    LLVMValueRef middle = minus(m, f, minus(m, half_square, small));
    return fused(m, k, number(m, m->format->ln2_high), middle);
}

/* Result where the argument of the logarithm is finite and above 0; infinity and NaN stay as they are. */
static LLVMValueRef log_at_ends(const PlaitMath *m, LLVMValueRef x, LLVMValueRef pole, LLVMValueRef result)
{
    result = choose(m, less(m, x, number(m, INFINITY)), result, x);
    result = choose(m, equal(m, x, pole), number(m, -INFINITY), result);
    return choose(m, less(m, x, pole), number(m, NAN), result);
}

/* ln u with u = 1 + f: f - f^2 / 2 + f^3 P(f) where the polynomial holds, elsewhere the unit of a GPU. */
static LLVMValueRef log_by_unit(const PlaitMath *m, LLVMValueRef u, LLVMValueRef f)
{
    LLVMValueRef tail = fused(m, plait_math_polynomial(m, &m->format->log, f), f, number(m, -0.5));
    LLVMValueRef near_one = fused(m, times(m, f, f), tail, f);
    LLVMValueRef far = times(m, plait_math_ptx(m, "llvm.nvvm.lg2.approx.f", &u, 1), number(m, 0.69314718055994531));
    /* 1/2 (sqrt(2) + sqrt(1/2)) - 1 and half of what is between them */
    LLVMValueRef from_middle = magnitude(m, minus(m, f, number(m, 0.060660172)));
    return choose(m, less(m, from_middle, number(m, 0.353553391)), near_one, far);
}

LLVMValueRef plait_math_log(const PlaitMath *m, LLVMValueRef x)
{
    if (uses_approximate_units(m)) return log_by_unit(m, x, minus(m, x, number(m, 1)));
    PlaitMathSplit split = plait_math_split(m, x);
    return log_at_ends(m, x, number(m, 0), log_of_parts(m, split.exponent, split.fraction));
}

static LLVMValueRef log1p_of(const PlaitMath *m, LLVMValueRef x)
{
    LLVMValueRef one = number(m, 1);
    LLVMValueRef sum = plus(m, x, one);
    if (uses_approximate_units(m)) return log_by_unit(m, sum, x);
    LLVMValueRef x_in_sum = minus(m, sum, one);
    LLVMValueRef lost = plus(m, minus(m, one, minus(m, sum, x_in_sum)), minus(m, x, x_in_sum));
    PlaitMathSplit split = plait_math_split(m, sum);
    /* What is lost of a large sum does not matter, but its scale must not leave the exponents. */
    LLVMBuilderRef b = m->emit->builder;
    LLVMValueRef least = whole_number(m, 1 - m->format->bias), turned = LLVMBuildNeg(b, split.whole, "");
    LLVMValueRef scale = power_of_two(m, choose(m, LLVMBuildICmp(b, LLVMIntSLT, turned, least, ""), least, turned));
    LLVMValueRef fraction = fused(m, lost, scale, split.fraction);
    return log_at_ends(m, x, number(m, -1), log_of_parts(m, split.exponent, fraction));
}

/* ---- division and roots ---- */

static LLVMValueRef reciprocal_of_constant(const PlaitMath *m, LLVMValueRef b)
{
    if (!LLVMIsConstant(b)) return NULL;
    LLVMValueRef element = m->lanes > 1 ? LLVMGetAggregateElement(b, 0) : b;
    if (!element || !LLVMIsAConstantFP(element) || (m->lanes > 1 && plait_emit_splat(m->emit, element, m->lanes) != b))
        return NULL;
    LLVMBool inexact;
    double reciprocal = 1 / LLVMConstRealGetDouble(element, &inexact);
    bool usable = fabs(reciprocal) >= m->format->smallest_normal && fabs(reciprocal) < 0x1p126;
    return usable ? number(m, reciprocal) : NULL;
}

LLVMValueRef plait_math_divide(const PlaitMath *m, LLVMValueRef a, LLVMValueRef b)
{
    if (!uses_approximate_units(m)) return LLVMBuildFDiv(m->emit->builder, a, b, "");
    LLVMValueRef reciprocal = reciprocal_of_constant(m, b);
    if (reciprocal) return times(m, a, reciprocal);
    if (a == number(m, 1)) return plait_math_ptx(m, "rcp.approx.f32 $0, $1;", &b, 1);
    return plait_math_ptx(m, "div.full.f32 $0, $1, $2;", (LLVMValueRef[]){a, b}, 2);
}

static LLVMValueRef sqrt_of(const PlaitMath *m, LLVMValueRef x)
{
    if (uses_approximate_units(m)) return plait_math_ptx(m, "sqrt.approx.f32 $0, $1;", &x, 1);
    return plait_emit_intrinsic(m->emit, "llvm.sqrt", &x, 1);
}

static LLVMValueRef rsqrt_of(const PlaitMath *m, LLVMValueRef x)
{
    if (uses_approximate_units(m)) return plait_math_ptx(m, "rsqrt.approx.f32 $0, $1;", &x, 1);
    return plait_math_divide(m, number(m, 1), sqrt_of(m, x));
}

/* ---- tanh, erf ---- */

static LLVMValueRef tanh_of(const PlaitMath *m, LLVMValueRef x)
{
    LLVMValueRef t = plait_math_expm1(m, times(m, magnitude(m, x), number(m, -2)));
    return with_sign(m, plait_math_divide(m, t, plus(m, t, number(m, 2))), x);
}

static LLVMValueRef tanh_approx_of(const PlaitMath *m, LLVMValueRef x)
{
    return uses_approximate_units(m) ? plait_math_ptx(m, "tanh.approx.f32 $0, $1;", &x, 1) : tanh_of(m, x);
}

static LLVMValueRef erf_of(const PlaitMath *m, LLVMValueRef x)
{
    LLVMValueRef size = magnitude(m, x);
    LLVMValueRef near_zero = fused(m, x, plait_math_polynomial(m, &m->format->erf, times(m, x, x)), x);
    LLVMValueRef exponent = plait_math_polynomial(m, &m->format->erfc, at_most(m, size, m->format->erf_highest));
    LLVMValueRef far = minus(m, number(m, 1), plait_math_exp(m, negative(m, exponent)));
    return choose(m, less(m, size, number(m, 1)), near_zero, with_sign(m, far, x));
}

/* ---- the rows ---- */

#define ROW(id, function)                                                                                              \
    LLVMValueRef plait_emit_op_##id(PlaitEmit *emit, PlaitScalar scalar, const LLVMValueRef *x)                        \
    {                                                                                                                  \
        PlaitMath m = plait_math(emit, scalar, x[0]);                                                                  \
        return function(&m, x[0]);                                                                                     \
    }
ROW(EXP, plait_math_exp)
ROW(EXP2, exp2_of)
ROW(EXPM1, plait_math_expm1)
ROW(LOG, plait_math_log)
ROW(LOG1P, log1p_of)
ROW(SQRT, sqrt_of)
ROW(RSQRT, rsqrt_of)
ROW(TANH, tanh_of)
ROW(TANH_APPROX, tanh_approx_of)
ROW(ERF, erf_of)
#undef ROW
