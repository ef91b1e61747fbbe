/* Element types, and the default of an optional input as one element: round to nearest, ties to even, as every other
 * conversion in Plait. */
#include "runtime/call.h"

#include <math.h>
#include <string.h>

enum {
#define SCALAR(id, text, bytes, code) SCALAR_##id,
#include "runtime/scalars.def"
#undef SCALAR
    SCALAR_COUNT
};

static const struct {
    const char *text;
    uint32_t bytes;
} elements[SCALAR_COUNT] = {
#define SCALAR(id, text, bytes, code) {text, bytes},
#include "runtime/scalars.def"
#undef SCALAR
};

uint32_t plait_element_bytes(uint8_t scalar) { return scalar < SCALAR_COUNT ? elements[scalar].bytes : 0; }

const char *plait_element_text(uint8_t scalar) { return scalar < SCALAR_COUNT ? elements[scalar].text : "?"; }

/* Rounds to a binary format of 16 bits with `digits` bits of fraction, straight from f64: no rounding twice. */
static uint16_t round_to_16(double number, int digits)
{
    int exponent_bits = 15 - digits, bias = (1 << (exponent_bits - 1)) - 1;
    uint16_t sign = signbit(number) ? 0x8000 : 0;
    uint16_t infinity = (uint16_t)(((1 << exponent_bits) - 1) << digits);
    if (isnan(number)) return (uint16_t)(sign | infinity | 1 << (digits - 1));
    double size = fabs(number);
    if (isinf(size)) return (uint16_t)(sign | infinity);
    int exponent = 0;
    frexp(size, &exponent); /* size = [0.5, 1) * 2^exponent */
    int least = 2 - bias;   /* below it numbers are subnormal: their spacing no longer shrinks */
    if (exponent < least || size == 0) exponent = least;
    /* In units of the spacing; the leading bit carries into the exponent's field by itself. */
    double units = nearbyint(ldexp(size, digits + 1 - exponent));
    uint32_t bits = ((uint32_t)(exponent - least) << digits) + (uint32_t)units;
    return (uint16_t)(sign | (bits > infinity ? infinity : bits));
}

static int64_t whole(double number, double least, double most)
{
    if (!(number > least)) return (int64_t)least;
    /* The largest i64 is no double: everything from 2^63 on is clamped to it. */
    if (number >= most) return most >= 0x1p63 ? INT64_MAX : (int64_t)most;
    return (int64_t)number;
}

uint64_t plait_element_cell(uint8_t scalar, double number)
{
    unsigned char bytes[8] = {0};
    uint8_t truth = number != 0;
    int32_t i32 = (int32_t)whole(number, INT32_MIN, INT32_MAX);
    int64_t i64 = whole(number, -0x1p63, 0x1p63);
    uint16_t f16 = round_to_16(number, 10), bf16 = round_to_16(number, 7);
    float f32 = (float)number;
    const void *value[SCALAR_COUNT] = {&truth, &i32, &i64, &f16, &bf16, &f32, &number};
    if (scalar < SCALAR_COUNT) memcpy(bytes, value[scalar], elements[scalar].bytes);
    uint64_t cell;
    memcpy(&cell, bytes, sizeof cell);
    return cell;
}
