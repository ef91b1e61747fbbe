/* Random inputs, storage types, comparison: what everything that checks a compiled operator needs. */
#include "ir/sample.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- random numbers ---- */

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
uint64_t plait_random_bits(PlaitRandom *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

PlaitRandom plait_random(uint64_t seed, uint64_t stream)
{
    PlaitRandom first = {seed}, second = {plait_random_bits(&first) ^ (stream * 0xD1342543DE82EF95u)};
    return (PlaitRandom){plait_random_bits(&second)};
}

uint32_t plait_random_below(PlaitRandom *random, uint32_t bound)
{
    return (uint32_t)(((plait_random_bits(random) >> 32) * bound) >> 32);
}

double plait_random_uniform(PlaitRandom *random) { return (double)(plait_random_bits(random) >> 11) * 0x1p-53; }

/* Box and Muller, 1958; one of the two numbers is thrown away, so that there is no state between calls. */
double plait_random_normal(PlaitRandom *random)
{
    double radius = sqrt(-2 * log(1 - plait_random_uniform(random)));
    return radius * cos(6.283185307179586 * plait_random_uniform(random));
}

/* ---- storage types ---- */

/* To `digits` binary digits, none below 2^least; beyond `largest` infinite. */
static double round_float(double number, int digits, int least, double largest)
{
    if (number == 0 || !isfinite(number)) return number;
    int exponent;
    frexp(number, &exponent);
    int last = exponent - digits > least ? exponent - digits : least;
    double rounded = ldexp(rint(ldexp(number, -last)), last);
    return fabs(rounded) > largest ? copysign(INFINITY, number) : rounded;
}

static double saturate(double number, double least, double most)
{
    if (isnan(number)) return 0;
    return number < least ? least : number > most ? most : rint(number);
}

double plait_scalar_round(PlaitScalar scalar, double number)
{
    switch (scalar) {
    case PLAIT_BOOL: return number != 0;
    case PLAIT_I32: return saturate(number, INT32_MIN, INT32_MAX);
    case PLAIT_I64: return saturate(number, -0x1p63, 0x1p63 - 1024);
    case PLAIT_F16: return round_float(number, 11, -24, 65504);
    case PLAIT_BF16: return round_float(number, 8, -133, 0x1.fep127);
    case PLAIT_F32: return round_float(number, 24, -149, FLT_MAX);
    case PLAIT_F64:
    case PLAIT_SCALAR_COUNT:
    default: return number;
    }
}

static uint16_t half_bits(double number)
{
    uint16_t sign = signbit(number) ? 0x8000 : 0;
    double magnitude = fabs(number);
    if (isnan(number)) return sign | 0x7E00;
    if (isinf(number)) return sign | 0x7C00;
    if (magnitude < 0x1p-14) return sign | (uint16_t)ldexp(magnitude, 24);
    int exponent;
    double fraction = frexp(magnitude, &exponent);
    return (uint16_t)(sign + ((exponent + 14) << 10) + (int)(fraction * 2048) - 1024);
}

static double half_number(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double magnitude = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31) magnitude = fraction ? (double)NAN : (double)INFINITY;
    return bits & 0x8000 ? -magnitude : magnitude;
}

void plait_scalar_store(PlaitScalar scalar, double number, void *bytes)
{
    double rounded = plait_scalar_round(scalar, number);
    float single = (float)(scalar == PLAIT_F32 || scalar == PLAIT_BF16 ? rounded : 0);
    uint32_t single_bits;
    memcpy(&single_bits, &single, sizeof single);
    uint16_t half = scalar == PLAIT_BF16 ? (uint16_t)(single_bits >> 16) : half_bits(scalar == PLAIT_F16 ? rounded : 0);
    if (scalar == PLAIT_BF16 && isnan(rounded)) half = 0x7FC0;
    switch (scalar) {
    case PLAIT_BOOL: *(uint8_t *)bytes = rounded != 0; break;
    case PLAIT_I32: memcpy(bytes, &(int32_t){(int32_t)rounded}, sizeof(int32_t)); break;
    case PLAIT_I64: memcpy(bytes, &(int64_t){(int64_t)rounded}, sizeof(int64_t)); break;
    case PLAIT_F16:
    case PLAIT_BF16: memcpy(bytes, &half, sizeof half); break;
    case PLAIT_F32: memcpy(bytes, &single, sizeof single); break;
    case PLAIT_F64: memcpy(bytes, &rounded, sizeof rounded); break;
    case PLAIT_SCALAR_COUNT:
    default: plait_bug("no scalar type %d", (int)scalar);
    }
}

double plait_scalar_load(PlaitScalar scalar, const void *bytes)
{
    uint64_t bits = 0; /* little-endian, as everything Plait runs on */
    memcpy(&bits, bytes, plait_scalar_bytes(scalar));
    uint32_t single_bits = scalar == PLAIT_BF16 ? (uint32_t)bits << 16 : (uint32_t)bits;
    float single;
    double number;
    memcpy(&single, &single_bits, sizeof single);
    memcpy(&number, &bits, sizeof number);
    switch (scalar) {
    case PLAIT_BOOL: return bits != 0;
    case PLAIT_I32: return (int32_t)(uint32_t)bits;
    case PLAIT_I64: return (double)(int64_t)bits;
    case PLAIT_F16: return half_number((uint16_t)bits);
    case PLAIT_BF16:
    case PLAIT_F32: return (double)single;
    case PLAIT_F64: return number;
    case PLAIT_SCALAR_COUNT:
    default: plait_bug("no scalar type %d", (int)scalar);
    }
}

/* ---- arrays ---- */

void plait_extents_complete(const PlaitFunction *function, int64_t *extents)
{
    for (uint32_t i = 0; i < function->axes.count; i++) {
        const PlaitAxisInfo *axis = &function->axes.data[i];
        if (axis->size != PLAIT_RUNTIME_SIZE) extents[i] = axis->size;
        else if (axis->block) extents[i] = plait_block_count(extents[axis->same_as], axis->block);
        else extents[i] = extents[plait_axis_extent_of(function, (PlaitAxis)i)];
    }
}

bool plait_array_create(PlaitArray *array, PlaitType type, const int64_t *extents)
{
    *array = (PlaitArray){.type = type, .count = 1};
    bool empty = false;
    for (uint32_t i = 0; i < type.rank; i++) {
        array->sizes[i] = extents[type.axes[i]];
        empty |= array->sizes[i] == 0;
    }
    for (uint32_t i = 0; i < type.rank && !empty; i++) {
        if (array->count > INT64_MAX / (int64_t)sizeof(double) / array->sizes[i]) return false;
        array->count *= array->sizes[i];
    }
    if (empty) array->count = 0;
    array->data = malloc(array->count ? (size_t)array->count * sizeof(double) : sizeof(double));
    return array->data != NULL;
}

static double draw(PlaitScalar scalar, PlaitRandom *random)
{
    switch (plait_scalar_kind(scalar)) {
    case PLAIT_TRUTH: return plait_random_below(random, 2);
    case PLAIT_INTEGER: return plait_random_below(random, 8);
    case PLAIT_FLOATING:
    default: return plait_scalar_round(scalar, plait_random_normal(random));
    }
}

bool plait_sample_inputs(const PlaitFunction *function, const int64_t *extents, uint64_t seed, PlaitArray *inputs)
{
    for (uint32_t i = 0; i < function->params.count; i++) {
        PlaitType type = plait_type_of(function, function->params.data[i]);
        PlaitRandom random = plait_random(seed, i);
        if (!plait_array_create(&inputs[i], type, extents)) {
            plait_arrays_free(inputs, i);
            return false;
        }
        for (int64_t k = 0; k < inputs[i].count; k++) inputs[i].data[k] = draw((PlaitScalar)type.scalar, &random);
    }
    return true;
}

void plait_arrays_free(PlaitArray *arrays, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) plait_array_free(&arrays[i]);
}

/* Sums of squares; `error` is infinite where only one of the two is a NaN or an infinity. */
typedef struct Distance {
    double error, size;
} Distance;

static Distance distance(const PlaitArray *actual, const PlaitArray *reference, bool excess)
{
    PlaitScalar scalar = (PlaitScalar)reference->type.scalar;
    Distance sums = {0};
    for (int64_t i = 0; i < reference->count; i++) {
        double x = actual->data[i], y = reference->data[i];
        if (x == y && isinf(x)) continue;
        if (isnan(x) && isnan(y)) continue;
        if (!isfinite(x) || !isfinite(y)) return (Distance){INFINITY, 1};
        double off = fabs(x - y) - (excess ? fabs(plait_scalar_round(scalar, y) - y) : 0);
        if (off > 0) sums.error += off * off;
        sums.size += y * y;
    }
    return sums;
}

static double relative(Distance sums)
{
    if (sums.error == 0) return 0;
    return sums.size == 0 ? (double)INFINITY : sqrt(sums.error / sums.size);
}

double plait_relative_error(const PlaitArray *actual, const PlaitArray *reference)
{
    return relative(distance(actual, reference, false));
}

double plait_excess_error(const PlaitArray *actual, const PlaitArray *reference)
{
    return relative(distance(actual, reference, true));
}

double plait_storage_error(const PlaitArray *actual, const PlaitArray *reference)
{
    if (reference->count == 0) return 0;
    bool excess = plait_scalar_is_16_bit(reference->type.scalar);
    return sqrt(distance(actual, reference, excess).error / (double)reference->count);
}
