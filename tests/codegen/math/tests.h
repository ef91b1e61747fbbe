/* The parts of the test of pointwise operations. */
#ifndef PLAIT_TESTS_MATH_TESTS_H
#define PLAIT_TESTS_MATH_TESTS_H

#include "kernels.h"

/* Counted in main.c: check.h counts for each file alone. */
void check(bool condition, const char *file, int line, const char *text);
#define CHECK(condition) check((condition), __FILE__, __LINE__, #condition)

typedef struct Arrays {
    int64_t count; /* a multiple of 64, so that vectors end with the array */
    void *x, *y, *out; /* room for `count` elements of 8 bytes each */
    long double *expected;
} Arrays;

void test_floats(PlaitArena *arena, Arrays *arrays);
void test_exact(PlaitArena *arena, Arrays *arrays);
void test_casts(PlaitArena *arena, Arrays *arrays);

#endif
