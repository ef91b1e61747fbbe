/* Random inputs for operators, storage types, and how far two results are apart: what `check` and the tests share. */
#ifndef PLAIT_IR_SAMPLE_H
#define PLAIT_IR_SAMPLE_H

#include "ir/interp.h"

/* ---- random numbers: the same sequence on every machine ---- */

typedef struct PlaitRandom {
    uint64_t state;
} PlaitRandom;

PlaitRandom plait_random(uint64_t seed, uint64_t stream); /* streams of one seed are independent */
uint64_t plait_random_bits(PlaitRandom *random);
uint32_t plait_random_below(PlaitRandom *random, uint32_t bound); /* 0 .. bound - 1; bound 0 gives 0 */
double plait_random_uniform(PlaitRandom *random);                 /* in [0, 1) */
double plait_random_normal(PlaitRandom *random);                  /* mean 0, deviation 1 */

/* ---- storage types ---- */

/* The nearest number of that type (ties to even), as a double. Integers saturate, NaN becomes 0. */
double plait_scalar_round(PlaitScalar scalar, double number);
/* One element in memory, as the library reads and writes it; rounds. */
void plait_scalar_store(PlaitScalar scalar, double number, void *bytes);
double plait_scalar_load(PlaitScalar scalar, const void *bytes);

/* ---- arrays ---- */

/* Sets the extents of axes of static size, and of axes that have the extent of another. The others are the caller's. */
void plait_extents_complete(const PlaitFunction *function, int64_t *extents);
/* An array of `type` with undefined contents; data is from malloc (NULL and false when memory runs out). */
bool plait_array_create(PlaitArray *array, PlaitType type, const int64_t *extents);
/* One input for each parameter: floats normal(0, 1) rounded to the storage type, i32 in 0..7, bool. The same for the
 * same seed, and each parameter's independent of the others. On false nothing is allocated. */
bool plait_sample_inputs(const PlaitFunction *function, const int64_t *extents, uint64_t seed, PlaitArray *inputs);
void plait_arrays_free(PlaitArray *arrays, uint32_t count);

/* RMS(actual - reference) / RMS(reference) over elements in the order of `reference`; both have its type and sizes.
 * 0 when all are equal (also when there are none); infinite when one has a NaN or an infinity that the other has not,
 * or when the reference is 0 everywhere and the other is not. */
double plait_relative_error(const PlaitArray *actual, const PlaitArray *reference);
/* The same, but an element's error counts only beyond what rounding the reference to its storage type costs. For few
 * elements of bf16 that alone can be 3.9e-3, though nothing is wrong. */
double plait_excess_error(const PlaitArray *actual, const PlaitArray *reference);
/* RMS(actual - reference), not divided by anything; of 16 bits, what plait_excess_error counts. */
double plait_storage_error(const PlaitArray *actual, const PlaitArray *reference);

#endif
