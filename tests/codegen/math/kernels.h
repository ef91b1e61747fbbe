/* For the tests of pointwise operations: a case becomes a function out[i] = op(x[i], y[i]), for each level of x86-64 that
 * this processor has, one element at a time and in vectors; or a kernel in PTX. */
#ifndef PLAIT_TESTS_MATH_KERNELS_H
#define PLAIT_TESTS_MATH_KERNELS_H

#include "codegen/machine.h"

typedef struct Case {
    PlaitOp op; /* a row of scalar_ops.def or PLAIT_OP_CAST */
    PlaitScalar from, to;
} Case;

typedef void Kernel(const void *x, const void *y, void *out, int64_t count);

enum { VARIANTS = 2 * PLAIT_ISA_COUNT };

typedef struct Variant {
    const PlaitIsa *isa;
    uint32_t lanes;
    Kernel *run; /* NULL: this processor lacks the level */
} Variant;

typedef struct Compiled {
    Variant variants[VARIANTS];
} Compiled;

/* The case of a row for operands of `from`; false when the row does not take them. */
bool case_of(PlaitOp op, PlaitScalar from, Case *result);
uint32_t case_operands(const Case *one);
/* Machine code for all cases, kept until the process ends. NULL with a message on stderr: a call was left in it, or LLVM failed. */
Compiled *compile_cases(PlaitArena *arena, const Case *cases, uint32_t count);
/* One entry each, named CASE_0, CASE_1, ..: of elements blockIdx.x * blockDim.x + threadIdx.x. */
bool write_ptx(PlaitArena *arena, const PlaitTarget *target, const Case *cases, uint32_t count, PlaitText *text);

#endif
