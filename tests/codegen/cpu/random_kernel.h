/* Small random kernels for the CPU code generator: axes of odd sizes, loads with shifted and computed indices,
 * arithmetic, reductions, dots, nested loops with carries of all kinds, predicated stores. Values stay of order 1. */
#ifndef PLAIT_TESTS_CPU_RANDOM_KERNEL_H
#define PLAIT_TESTS_CPU_RANDOM_KERNEL_H

#include "tests/codegen/cpu/arrays.h"

PlaitModule *random_kernel(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics, TestRandom *random);

#endif
