/* The polynomials and constants of math.c.
 *
 * Every polynomial is the minimax one (Remez's exchange in 60 digits) for the weight that makes its error the relative
 * error of the function it ends in; "error" is that, with the coefficients rounded to the type. Arguments:
 *   exp    (e^r - 1 - r) / r^2             |r| <= 1.01 ln(2) / 2, relative to e^r - 1
 *   sin    (sin r - r) / r^3 in r^2        |r| <= 1.02 pi / 4
 *   cos    (cos r - 1 + r^2/2) / r^4 in r^2  likewise
 *   erf    erf(x) / x - 1 in x^2           0 <= x <= 1
 *   erfc   -ln(erfc x)                     1 <= x <= erf_highest, relative to erf(x)
 *   log    f32: (ln(1+f) - f + f^2/2) / f^3, sqrt(1/2) <= 1 + f <= sqrt(2)
 *          f64: (2 atanh(s) - 2 s) / s^3 in s^2, s = f / (2 + f), the same f
 */
#include "codegen/math.h"

#define POLYNOMIAL(name, ...) static const double name[] = {__VA_ARGS__}
#define OF(name)                                                                                                       \
    {                                                                                                                  \
        sizeof(name) / sizeof(name)[0], name                                                                           \
    }

/* error 2^-25.7 of e^r - 1, less of e^r */
POLYNOMIAL(exp_f32, 0.00138823933, 0.00836718082, 0.041667223, 0.16666539, 0.49999997);
/* error 2^-26.7 */
POLYNOMIAL(sin_f32, -0.000195021348, 0.00833206344, -0.166666538);
/* error 2^-30.4 */
POLYNOMIAL(cos_f32, 2.44181283e-05, -0.00138871849, 0.0416666418);
/* error 2^-27.7 */
POLYNOMIAL(erf_f32, 7.85386146e-05, -0.000801019371, 0.00518832775, -0.026853811, 0.112835854, -0.37612626,
           0.128379166);
/* error 2^-26.8 */
POLYNOMIAL(erfc_f32, -0.000186378791, 0.00294765458, -0.0218380485, 0.103106722, 0.638144851, 1.12708914,
           0.00034152859);
/* error 2^-28.3 */
POLYNOMIAL(log_f32, 0.0674663931, -0.116756469, 0.118881606, -0.1240559, 0.142195523, -0.166679963, 0.200021192,
           -0.250000089, 0.333333135);
/* 24 bits each: with fused multiply-add every product is exact. */
POLYNOMIAL(half_pi_f32, 1.57079637, -4.37113883e-08, -1.71512451e-15);

/* error 2^-59.5 of e^r - 1, less of e^r */
POLYNOMIAL(exp_f64, 2.0875298083976882e-09, 2.5110110206784747e-08, 2.7557406004392547e-07, 2.7557241368087471e-06,
           2.4801587164674512e-05, 0.00019841269888684447, 0.0013888888888968396, 0.0083333333333207391,
           0.041666666666666491, 0.16666666666666677, 0.5);
/* error 2^-57 */
POLYNOMIAL(sin_f64, 1.5889660059340334e-10, -2.5050635503754055e-08, 2.7557312912978768e-06, -0.00019841269827577799,
           0.0083333333333196515, -0.16666666666666621);
/* error 2^-60.1 */
POLYNOMIAL(cos_f64, -1.1353971116510793e-11, 2.0875612929799123e-09, -2.7557313535287479e-07, 2.4801587286635154e-05,
           -0.0013888888888869534, 0.041666666666666574);
/* error 2^-56.3 */
POLYNOMIAL(erf_f64, 5.9452611922759213e-11, -1.1365665584588859e-09, 1.4657879734119754e-08, -1.6350025205403905e-07,
           1.646097281533026e-06, -1.4925593506783113e-05, 0.00012055331036895179, -0.00085483269787420832,
           0.0052239776247808645, -0.026866170645072896, 0.11283791670954857, -0.37612638903183748,
           0.12837916709551259);
/* error 2^-56.9 */
POLYNOMIAL(erfc_f64, -2.2528131488031193e-14, 1.2472198966503809e-12, -3.2691984436006617e-11, 5.3969373302612281e-10,
           -6.2941049218087016e-09, 5.5096407677367755e-08, -3.7500106196059004e-07, 2.0242334232651669e-06,
           -8.7267272527281137e-06, 2.9787939929875863e-05, -7.7469163886617181e-05, 0.00013468889331728432,
           -5.8608272933316551e-05, -0.00050699522686637876, 0.0016298826155200362, -0.00016693297152392672,
           -0.01914944541091965, 0.10278043981732415, 0.63661770723275002, 1.1283795095141869, -2.6849287905731507e-08);
/* error 2^-59.3 */
POLYNOMIAL(log_f64, 0.14795472982694141, 0.15314099061555148, 0.18183562395917152, 0.22222198610969066,
           0.28571428742013616, 0.3999999999941638, 0.6666666666666734);
/* 33 bits each but the last: products with whole numbers below 2^20 are exact. */
POLYNOMIAL(half_pi_f64, 1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603688996e-32);
/* error 2^-65.5 relative to atanh(s) */
POLYNOMIAL(atanh_rest, 0.13195812675112747, 0.13256874173470717, 0.15386754870847433, 0.181817844213708,
           0.22222222519293103, 0.28571428570103158, 0.4000000000000225);

const PlaitPolynomial plait_math_atanh_rest = OF(atanh_rest);

static const PlaitMathFormat format_f32 = {
    .integer = PLAIT_I32,
    .fraction_bits = 23,
    .bias = 127,
    .smallest_normal = 0x1p-126,
    .magic = 0x1.8p23,
    .ln2_high = 0.693145752, /* 15 bits */
    .ln2_low = 1.42860677e-06,
    .exp_lowest = -104, /* e^-104 < 2^-150 */
    .exp_highest = 89,  /* e^89 > 2^128 */
    .expm1_lowest = -18,
    .erf_highest = 4,
    .half_pi = OF(half_pi_f32),
    .exp = OF(exp_f32),
    .sin = OF(sin_f32),
    .cos = OF(cos_f32),
    .erf = OF(erf_f32),
    .erfc = OF(erfc_f32),
    .log = OF(log_f32),
};

static const PlaitMathFormat format_f64 = {
    .integer = PLAIT_I64,
    .fraction_bits = 52,
    .bias = 1023,
    .smallest_normal = 0x1p-1022,
    .magic = 0x1.8p52,
    .ln2_high = 0.6931471805601177, /* 40 bits */
    .ln2_low = -1.7239444525614835e-13,
    .exp_lowest = -746, /* e^-746 < 2^-1075 */
    .exp_highest = 710, /* e^710 > 2^1024 */
    .expm1_lowest = -40,
    .erf_highest = 6,
    .half_pi = OF(half_pi_f64),
    .exp = OF(exp_f64),
    .sin = OF(sin_f64),
    .cos = OF(cos_f64),
    .erf = OF(erf_f64),
    .erfc = OF(erfc_f64),
    .log = OF(log_f64),
};

const PlaitMathFormat *plait_math_format(PlaitScalar scalar)
{
    plait_assert(scalar == PLAIT_F32 || scalar == PLAIT_F64);
    return scalar == PLAIT_F32 ? &format_f32 : &format_f64;
}
