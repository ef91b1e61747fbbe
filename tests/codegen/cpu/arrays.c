#include "tests/codegen/cpu/arrays.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MARGIN = 256 }; /* bytes before and after a tensor */

uint64_t test_random(TestRandom *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint32_t test_below(TestRandom *random, uint32_t limit) { return (uint32_t)(test_random(random) % limit); }

/* ---- scalars ---- */

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To a float format with `fraction` fraction bits and least normal exponent `least`, ties to even; the long way. */
static long double round_to(long double value, int fraction, int least, long double largest)
{
    int exponent;
    if (!isfinite(value) || value == 0) return value;
    frexpl(value, &exponent);
    int unit = exponent - 1 < least ? least - fraction : exponent - 1 - fraction;
    long double rounded = ldexpl(rintl(ldexpl(value, -unit)), unit);
    return fabsl(rounded) > largest ? copysignl(INFINITY, value) : rounded;
}

long double test_round(PlaitScalar scalar, long double value)
{
    switch (scalar) {
    case PLAIT_BOOL: return value != 0;
    case PLAIT_I32: return (int32_t)(uint32_t)(uint64_t)(int64_t)value;
    case PLAIT_I64: return (int64_t)value;
    case PLAIT_F16: return round_to(value, 10, -14, 65504);
    case PLAIT_BF16: return round_to(value, 7, -126, 0x1.FEp127L);
    case PLAIT_F32: return (float)value;
    case PLAIT_F64: return (double)value;
    case PLAIT_SCALAR_COUNT: break;
    }
    return value;
}

static long double read_half(const uint8_t *at)
{
    uint16_t bits;
    memcpy(&bits, at, 2);
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    long double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent     ? ldexpl(1024 + fraction, exponent - 25)
                                      : ldexpl(fraction, -24);
    return bits >> 15 ? -size : size;
}

static void write_half(uint8_t *at, long double value)
{
    long double size = fabsl(round_to(value, 10, -14, 65504));
    uint32_t bits = 0x7E00;
    if (isinf(size)) bits = 0x7C00;
    else if (size < 0x1p-14L) bits = (uint32_t)ldexpl(size, 24);
    else if (!isnan(size)) {
        int exponent;
        long double fraction = frexpl(size, &exponent);
        bits = (uint32_t)((exponent + 14) << 10) + (uint32_t)ldexpl(fraction, 11) - 1024;
    }
    uint16_t half = (uint16_t)(bits | (signbit(value) ? 0x8000u : 0u));
    memcpy(at, &half, 2);
}

static long double read_scalar(PlaitScalar scalar, const uint8_t *at)
{
    union {
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
        uint16_t half;
    } u;
    memcpy(&u, at, plait_scalar_bytes(scalar));
    switch (scalar) {
    case PLAIT_BOOL: return *at != 0;
    case PLAIT_I32: return u.i32;
    case PLAIT_I64: return u.i64;
    case PLAIT_F16: return read_half(at);
    case PLAIT_BF16: return of_bits((uint32_t)u.half << 16);
    case PLAIT_F32: return u.f32;
    case PLAIT_F64: return u.f64;
    case PLAIT_SCALAR_COUNT: break;
    }
    return 0;
}

static void write_scalar(PlaitScalar scalar, uint8_t *at, long double value)
{
    union {
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
        uint16_t half;
    } u;
    long double rounded = test_round(scalar, value);
    switch (scalar) {
    case PLAIT_BOOL: *at = value != 0; return;
    case PLAIT_I32: u.i32 = (int32_t)rounded; break;
    case PLAIT_I64: u.i64 = (int64_t)rounded; break;
    case PLAIT_F16: write_half(at, value); return;
    case PLAIT_BF16: u.half = (uint16_t)(bits_of((float)rounded) >> 16); break;
    case PLAIT_F32: u.f32 = (float)rounded; break;
    case PLAIT_F64: u.f64 = (double)rounded; break;
    case PLAIT_SCALAR_COUNT: return;
    }
    memcpy(at, &u, plait_scalar_bytes(scalar));
}

/* ---- arrays ---- */

static int64_t count_of(const TestArray *array)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < array->rank; i++) count *= array->sizes[i];
    return count;
}

static void indices_of(const TestArray *array, int64_t number, int64_t *indices)
{
    for (uint32_t i = array->rank; i-- > 0;) {
        indices[i] = number % array->sizes[i];
        number /= array->sizes[i];
    }
}

static uint8_t *element(const TestArray *array, const int64_t *indices)
{
    int64_t offset = 0;
    for (uint32_t i = 0; i < array->rank; i++) offset += indices[i] * array->strides[i];
    return array->address + offset * (int64_t)plait_scalar_bytes(array->scalar);
}

long double test_read(const TestArray *array, const int64_t *indices)
{
    return read_scalar(array->scalar, element(array, indices));
}
void test_write(const TestArray *array, const int64_t *indices, long double value)
{
    write_scalar(array->scalar, element(array, indices), value);
}

static int64_t set_strides(TestArray *array, TestShape shape)
{
    int64_t stride = shape == TEST_TURNED && array->rank == 1 ? 2 : 1;
    for (uint32_t i = 0; i < array->rank; i++) {
        uint32_t axis = shape == TEST_TURNED ? i : array->rank - 1 - i;
        array->strides[axis] = stride;
        stride *= array->sizes[axis] + (shape == TEST_GAPS ? 3 : 0);
    }
    return stride;
}

TestArray test_array(PlaitArena *arena, PlaitScalar scalar, uint32_t rank, const int64_t *sizes, TestShape shape,
                     TestRandom *random)
{
    TestArray array = {.scalar = scalar, .rank = rank};
    for (uint32_t i = 0; i < rank; i++) array.sizes[i] = sizes[i];
    int64_t elements = set_strides(&array, shape), indices[PLAIT_MAX_RANK];
    array.bytes = (size_t)elements * plait_scalar_bytes(scalar) + 2 * MARGIN;
    array.memory = plait_arena_alloc(arena, array.bytes + 64);
    array.address = array.memory + MARGIN;
    memset(array.memory, 0x5A, array.bytes);
    for (int64_t i = 0; i < count_of(&array); i++) {
        indices_of(&array, i, indices);
        long double value = (long double)(int64_t)(test_random(random) >> 11) / 0x1p52L - 1;
        if (plait_scalar_kind(scalar) != PLAIT_FLOATING) value = test_below(random, scalar == PLAIT_BOOL ? 2 : 8);
        test_write(&array, indices, value);
    }
    return array;
}

TestArray test_array_copy(PlaitArena *arena, const TestArray *array)
{
    TestArray copy = *array;
    copy.memory = plait_arena_copy(arena, array->memory, array->bytes);
    copy.address = copy.memory + MARGIN;
    return copy;
}

/* What the arithmetic may differ by, for numbers near 1: f32 sums of some hundreds of products; one rounding of a
 * storage type. */
static double allowance(PlaitScalar scalar)
{
    switch (scalar) {
    case PLAIT_F16: return 0x1p-10;
    case PLAIT_BF16: return 0x1p-7;
    case PLAIT_F32: return 1e-5;
    case PLAIT_F64: return 1e-12;
    case PLAIT_BOOL:
    case PLAIT_I32:
    case PLAIT_I64:
    case PLAIT_SCALAR_COUNT: break;
    }
    return 0;
}

static double element_difference(PlaitScalar scalar, long double a, long double b)
{
    if (a == b || (isnan(a) && isnan(b))) return 0;
    double size = fmax(1, (double)fmaxl(fabsl(a), fabsl(b)));
    double difference = (double)fabsl(a - b), allowed = allowance(scalar) * size;
    return isfinite(difference) && allowed > 0 ? difference / allowed : INFINITY;
}

double test_difference(const TestArray *a, const TestArray *b)
{
    double worst = 0;
    int64_t indices[PLAIT_MAX_RANK];
    uint8_t *seen = calloc(a->bytes, 1);
    if (!seen) return INFINITY;
    for (int64_t i = 0; i < count_of(a); i++) {
        indices_of(a, i, indices);
        memset(seen + (element(a, indices) - a->memory), 1, plait_scalar_bytes(a->scalar));
        double difference = element_difference(a->scalar, test_read(a, indices), test_read(b, indices));
        if (!(difference <= worst)) worst = difference;
    }
    for (size_t i = 0; i < a->bytes; i++)
        if (!seen[i] && a->memory[i] != b->memory[i]) worst = INFINITY;
    free(seen);
    return worst;
}
