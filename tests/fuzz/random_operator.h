/* Random operators: valid Stage IR drawn from the op tables, the same for the same seed on every machine.
 *
 * Every value is kept tame, so that f32 against f64 is a fair comparison: magnitudes stay below BOUND, recurrences
 * contract, logarithms and roots see positive numbers, exponentials non-positive ones, and what jumps (comparisons,
 * floor, remainders) is applied only to numbers that are exact in every precision. With finite inputs no output is NaN
 * or infinite.
 */
#ifndef PLAIT_TESTS_FUZZ_RANDOM_OPERATOR_H
#define PLAIT_TESTS_FUZZ_RANDOM_OPERATOR_H

#include "ir/ir.h"

/* Kinds of stage that may occur; pointwise operations and reductions over features always do. */
enum {
    PLAIT_RANDOM_SCAN = 1,
    PLAIT_RANDOM_ATTEND = 2,
    PLAIT_RANDOM_CONV = 4,
    PLAIT_RANDOM_LONG_CONV = 8,
    PLAIT_RANDOM_GATHER = 16,
    PLAIT_RANDOM_POOL = 32,      /* reductions over batch and time */
    PLAIT_RANDOM_DEPENDENT = 64, /* reductions over a second time axis that depend on one another */
    PLAIT_RANDOM_ALL = 127
};

/* A module with one operator, `@random`. Run-time axes: b, h, t, and often others that are `same` as t or lengths of
 * their own (`s`). Computes in f32, one seed in eight in f64. */
PlaitModule *plait_random_operator(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics, uint64_t seed,
                                   uint32_t kinds);

#endif
