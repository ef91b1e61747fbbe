/* A hand-made operator for the tests of the runtime, as the compiler would describe it:
 *
 *   sums(x : f32[b, t, d], k : f32[b, t], mask : bool[s] = 1, x0 : f32[b, d] = 0.5)
 *       -> (y : f32[b, t, d], last : f32[b, d])
 *   d = 4 or 8, s same t;   y[t] = y[t-1] + (mask[t] ? x[t] k[t] : 0), y[-1] = x0, last = y at the end
 *
 * in two kernels: sums.0 writes the products to a workspace (a program for each b and each 2 positions of t), sums.1
 * adds them up (a program for each b). Arguments are reached through the slots only.
 */
#ifndef PLAIT_TESTS_RUNTIME_SUMS_H
#define PLAIT_TESTS_RUNTIME_SUMS_H

#include "runtime/runtime.h"

extern const PlaitOperatorDescriptor sums_operator;   /* CPU, sm_80 (cubin and PTX) and sm_90a (cubin and PTX) */
extern const PlaitOperatorDescriptor lonely_operator; /* lonely(bias : f32[m] = 0) -> (y : f32[t]); CPU */
extern const PlaitOperatorDescriptor
    pairs_operator; /* pairs(q : f32[d], v : f32[e]) -> (o : f64[e]), three variants; no code */

extern const PlaitOperatorDescriptor
    pieces_operator; /* pieces(x : f32[t]) -> (y : f32[u]), workspaces by blocks; never called */

/* copied(x : bf16[b, t, d], bias : bf16[b, d] = 1) -> (y : bf16[b, t, d]), d = 64, for sm_90a; y is the sum of their
 * bits as whole numbers. A kernel of 64 threads, and a version of 192 with a tensor map of x. The same with the first
 * of these in the late part of its image. */
extern const PlaitOperatorDescriptor copied_operator, copied_late_operator;
void copied_kernel(const int64_t *slots, int64_t first, int64_t end);

/* The kernels, for the fake driver. */
void sums_products(const int64_t *slots, int64_t first, int64_t end);
void sums_totals(const int64_t *slots, int64_t first, int64_t end);

enum { SUMS_X, SUMS_K, SUMS_MASK, SUMS_X0, SUMS_Y, SUMS_LAST, SUMS_COUNT };
enum { SUMS_LEAST = 64 }; /* elements behind an array of a sample that are not the operator's */

/* Arguments with their memory; every tensor compact with its strides written out. */
typedef struct Sums {
    int64_t b, t, d;
    DLTensor tensors[SUMS_COUNT];
    DLTensor *list[SUMS_COUNT]; /* what is passed */
    int64_t shapes[SUMS_COUNT][3], strides[SUMS_COUNT][3];
    float *memory[SUMS_COUNT];
} Sums;

/* Random contents; outputs full of a number that the operator never gives. */
Sums *sums_create(int64_t b, int64_t t, int64_t d);
void sums_destroy(Sums *sums);
/* Whether y and last are right for the inputs that are passed; whether they are as created. */
int sums_right(const Sums *sums);
int sums_untouched(const Sums *sums);

#endif
