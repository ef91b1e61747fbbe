/* Tensors of the tests of CPU kernels: real memory with strides, read and written element by element as long double
 * (which holds every i64 and every float exactly). */
#ifndef PLAIT_TESTS_CPU_ARRAYS_H
#define PLAIT_TESTS_CPU_ARRAYS_H

#include "ir/ir.h"

typedef struct TestArray {
    PlaitScalar scalar;
    uint32_t rank;
    int64_t sizes[PLAIT_MAX_RANK], strides[PLAIT_MAX_RANK]; /* strides in elements */
    size_t bytes;                                           /* of the whole allocation */
    uint8_t *memory;                                        /* the allocation */
    uint8_t *address;                                       /* of element 0, .., 0 */
} TestArray;

/* How a tensor lies in memory. */
typedef enum TestShape { TEST_PLAIN, TEST_GAPS, TEST_TURNED, TEST_SHAPE_COUNT } TestShape;

/* A seeded generator of its own (splitmix64), so that tests do not depend on libc's. */
typedef struct TestRandom {
    uint64_t state;
} TestRandom;
uint64_t test_random(TestRandom *random);
uint32_t test_below(TestRandom *random, uint32_t limit);

/* Numbers in [-1, 1) (integers: 0..7), with the tensor's neighbourhood filled with a pattern that writes outside would
 * break. */
TestArray test_array(PlaitArena *arena, PlaitScalar scalar, uint32_t rank, const int64_t *sizes, TestShape shape,
                     TestRandom *random);
TestArray test_array_copy(PlaitArena *arena, const TestArray *array);
long double test_read(const TestArray *array, const int64_t *indices);
void test_write(const TestArray *array, const int64_t *indices, long double value);
/* `value` as the scalar type holds it. */
long double test_round(PlaitScalar scalar, long double value);

/* The largest difference of elements, in units of what the type's rounding allows (<= 1 passes); bytes that are no
 * element must be equal, else infinity. */
double test_difference(const TestArray *a, const TestArray *b);

#endif
