/* Casts between all scalar types, against an exact conversion by way of long double. f16 and bf16 as operands are tried
 * in full; as results around every midpoint between neighbours. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests.h"

typedef long double Wide;

/* ---- what is expected ---- */

static Wide decode_half(uint16_t bits, int fraction, int least)
{
    int biased = (bits & 0x7FFF) >> fraction, part = bits & ((1 << fraction) - 1), highest = 0x7FFF >> fraction;
    Wide sign = bits & 0x8000 ? -1 : 1;
    if (biased == highest) return part ? (Wide)NAN : sign * (Wide)INFINITY;
    if (biased == 0) return sign * ldexpl(part, least - fraction);
    return sign * ldexpl((1 << fraction) + part, biased - 1 + least - fraction);
}

/* The nearest number with `fraction` explicit bits, normal from 2^least, below 2^above; ties to even. */
static Wide nearest(Wide value, int fraction, int least, int above)
{
    if (value == 0 || isnan(value) || isinf(value)) return value;
    int exponent = ilogbl(value);
    int unit = (exponent < least ? least : exponent) - fraction;
    Wide rounded = ldexpl(rintl(ldexpl(value, -unit)), unit);
    return fabsl(rounded) >= ldexpl(1, above) ? copysignl((Wide)INFINITY, value) : rounded;
}

static Wide to_integer(Wide value, PlaitScalar from, PlaitScalar to)
{
    Wide lowest = to == PLAIT_I32 ? -0x1p31L : -0x1p63L, highest = -1 - lowest;
    if (plait_scalar_kind(from) == PLAIT_INTEGER && to == PLAIT_I32)
        return (Wide)(int32_t)(uint32_t)(uint64_t)(int64_t)value;
    if (isnan(value)) return 0;
    if (value <= lowest) return lowest;
    return value >= highest ? highest : truncl(value);
}

static Wide expected_of(Wide value, PlaitScalar from, PlaitScalar to)
{
    bool half = to == PLAIT_F16 || to == PLAIT_BF16;
    if (to == PLAIT_BOOL) return value != 0;
    if (plait_scalar_kind(to) == PLAIT_INTEGER) return to_integer(value, from, to);
    if (from == PLAIT_I64 && half) value = (double)value; /* cast.c says so */
    if (to == PLAIT_F16) return nearest(value, 10, -14, 16);
    if (to == PLAIT_BF16) return nearest(value, 7, -126, 128);
    return to == PLAIT_F32 ? nearest(value, 23, -126, 128) : nearest(value, 52, -1022, 1024);
}

/* ---- elements ---- */

static Wide get(PlaitScalar scalar, const void *array, int64_t i)
{
    switch (scalar) {
    case PLAIT_BOOL: return ((const uint8_t *)array)[i];
    case PLAIT_I32: return ((const int32_t *)array)[i];
    case PLAIT_I64: return (Wide)((const int64_t *)array)[i];
    case PLAIT_F16: return decode_half(((const uint16_t *)array)[i], 10, -14);
    case PLAIT_BF16: return decode_half(((const uint16_t *)array)[i], 7, -126);
    case PLAIT_F32: return (Wide)((const float *)array)[i];
    case PLAIT_F64: return (Wide)((const double *)array)[i];
    case PLAIT_SCALAR_COUNT: break;
    }
    return 0;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Around the midpoints of bf16, and anywhere. */
static float bfloat_midpoint(int64_t i)
{
    uint32_t turn = (uint32_t)i % 4, pattern = (uint32_t)(i / 4) * 2654435761u;
    return float_of(turn < 3 ? (pattern & 0xFFFF0000u) | (0x7FFFu + turn) : pattern);
}

/* Around the midpoints of f16 from 2^-26 to 2^17. */
static float half_midpoint(int64_t i)
{
    uint32_t pattern = ((uint32_t)(i / 3) * 8192u) % 0x14800000u + 0x32800000u;
    uint32_t sign = i & 1 ? 0x80000000u : 0;
    return float_of(sign | (pattern & ~0x1FFFu) | (0xFFFu + (uint32_t)(i % 3)));
}

static void put(PlaitScalar scalar, void *array, int64_t i)
{
    static const int64_t integers[] = {0,     1,     -1,    INT32_MAX, INT32_MIN,  INT64_MAX, INT64_MIN,
                                       65504, 65519, 65520, 65521,     2147483583, 16777217};
    uint64_t random = (uint64_t)i * 0x9E3779B97F4A7C15u;
    int64_t integer = i < 13 ? integers[i] : (int64_t)random >> (random & 63);
    float narrow = i % 2 ? half_midpoint(i / 2) : bfloat_midpoint(i / 2);
    static const double tiny[] = {0, 0x1p-40, -0x1p-40, 0x1p-52};
    if (scalar == PLAIT_BOOL) ((uint8_t *)array)[i] = (uint8_t)(i & 1);
    else if (scalar == PLAIT_I32) ((int32_t *)array)[i] = (int32_t)(uint32_t)(uint64_t)integer;
    else if (scalar == PLAIT_I64) ((int64_t *)array)[i] = integer;
    else if (scalar == PLAIT_F32) ((float *)array)[i] = narrow;
    else if (scalar == PLAIT_F64) ((double *)array)[i] = (double)narrow * (1 + tiny[i / 8 % 4]);
    else ((uint16_t *)array)[i] = (uint16_t)i;
}

/* ---- running ---- */

static void run_variant(const Case *one, const Variant *variant, const Arrays *arrays)
{
    int64_t wrong = 0, first = 0;
    variant->run(variant, arrays->x, arrays->y, arrays->out, arrays->count);
    for (int64_t i = arrays->count - 1; i >= 0; i--) {
        Wide found = get(one->to, arrays->out, i), expected = arrays->expected[i];
        bool same = isnan(expected) ? isnan(found)
                                    : found == expected && (signbit(found) == signbit(expected) ||
                                                            plait_scalar_kind(one->to) != PLAIT_FLOATING);
        if (same) continue;
        wrong++;
        first = i;
    }
    CHECK(wrong == 0);
    if (wrong == 0) return;
    fprintf(stderr, "cast %s -> %s %s: %lld wrong, %.17Lg -> %.17Lg instead of %.17Lg\n", plait_scalar_text(one->from),
            plait_scalar_text(one->to), variant->name, (long long)wrong, get(one->from, arrays->x, first),
            get(one->to, arrays->out, first), arrays->expected[first]);
}

void test_casts(const Machine *machine, const Arrays *arrays)
{
    Case cases[PLAIT_SCALAR_COUNT * PLAIT_SCALAR_COUNT];
    uint32_t count = 0;
    for (PlaitScalar from = PLAIT_BOOL; from < PLAIT_SCALAR_COUNT; from++)
        for (PlaitScalar to = PLAIT_BOOL; to < PLAIT_SCALAR_COUNT; to++)
            if (from != to) cases[count++] = (Case){PLAIT_OP_CAST, from, to};
    const Compiled *compiled = machine->compile(machine, cases, count);
    CHECK(compiled != NULL);
    for (uint32_t i = 0; compiled && i < count; i++) {
        for (int64_t j = 0; j < arrays->count; j++) {
            put(cases[i].from, arrays->x, j);
            arrays->expected[j] = expected_of(get(cases[i].from, arrays->x, j), cases[i].from, cases[i].to);
        }
        for (uint32_t v = 0; v < VARIANTS; v++)
            if (compiled[i].variants[v].run) run_variant(&cases[i], &compiled[i].variants[v], arrays);
    }
    if (compiled) machine->release(compiled);
    printf("%u casts\n", count);
}
