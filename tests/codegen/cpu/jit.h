/* Compiling a module of Tile IR in the process of a test, by the very steps of plait-codegen, and comparing kernels
 * with the interpreter. */
#ifndef PLAIT_TESTS_CPU_JIT_H
#define PLAIT_TESTS_CPU_JIT_H

#include "codegen/emit.h"
#include "tests/codegen/cpu/tile_interp.h"

typedef void TestKernel(const int64_t *slots, int64_t first, int64_t end);

typedef struct TestJit TestJit;
/* NULL after a message on stderr. */
TestJit *test_jit_create(PlaitArena *arena, const PlaitModule *module);
/* For one level of x86-64 alone. */
TestJit *test_jit_create_for(PlaitArena *arena, const PlaitModule *module, const PlaitIsa *only);
/* Whether this machine runs code of that row of isas.def. */
bool test_jit_machine_has(uint32_t isa);
void test_jit_destroy(TestJit *jit);
/* Function of a kernel for a row of isas.def; NULL when this machine cannot run it. */
TestKernel *test_jit_find(TestJit *jit, PlaitArena *arena, const PlaitFunction *kernel, uint32_t isa);
/* Seconds of writing LLVM IR, of LLVM's passes, of its code generator; bytes of the object. */
typedef struct TestCosts {
    double emit, optimise, generate;
    size_t bytes;
} TestCosts;
TestCosts test_jit_costs(const TestJit *jit);

double test_seconds(void);

/* The argument slots of a call. */
const int64_t *test_slots(PlaitArena *arena, const PlaitFunction *kernel, const int64_t *extents,
                          const TestArray *tensors);
/* Fills `tensors` (by value of `tensor` instructions; tensors of one name share memory). */
TestArray *test_tensors(PlaitArena *arena, const PlaitFunction *kernel, const int64_t *extents, bool plain,
                        TestRandom *random);

#endif
