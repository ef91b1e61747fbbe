/* A case becomes a function for each level of x86-64 that this processor has, one element at a time and in vectors; or
 * a kernel in PTX. */
#ifndef PLAIT_TESTS_MATH_KERNELS_H
#define PLAIT_TESTS_MATH_KERNELS_H

#include "codegen/machine.h"
#include "tests.h"

/* Machine code for all cases. NULL with a message on stderr: a call was left in it, or LLVM failed. */
Compiled *compile_for_cpu(const Machine *machine, const Case *cases, uint32_t count);
void release_for_cpu(const Compiled *compiled);
/* One entry each, named case_0, case_1, ..: of elements blockIdx.x * blockDim.x + threadIdx.x. */
bool write_ptx(PlaitArena *arena, const PlaitTarget *target, const Case *cases, uint32_t count, PlaitText *text);

#endif
