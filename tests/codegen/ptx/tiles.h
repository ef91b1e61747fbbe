/* What the tests of the PTX generator share: tensors, a reference for Tile IR, and a machine that runs emitted code. */
#ifndef PLAIT_TESTS_PTX_TILES_H
#define PLAIT_TESTS_PTX_TILES_H

#include "ir/ir.h"

/* A tensor of a kernel: elements in their storage type, with strides in elements. */
typedef struct TestTensor {
    PlaitValue value; /* the `tensor` instruction */
    PlaitScalar scalar;
    uint32_t rank;
    int64_t sizes[PLAIT_MAX_RANK], strides[PLAIT_MAX_RANK];
    int64_t count;
    uint8_t *data; /* NULL when it has no elements */
} TestTensor;

double test_tensor_get(const TestTensor *tensor, const int64_t *position);
void test_tensor_set(const TestTensor *tensor, const int64_t *position, double number);

typedef struct TestRun {
    PlaitArena *arena;
    const PlaitFunction *kernel;
    const int64_t *extents; /* by axis of the kernel */
    TestTensor *tensors;    /* in the order of the `tensor` instructions */
    uint32_t tensor_count;
} TestRun;

/* Program count of the grid. */
int64_t test_program_count(const TestRun *run);
/* Runs every program by the meaning of Tile IR, in double precision: reference.c. */
void test_reference(const TestRun *run);
/* Runs the emitted code, every thread of every program: machine_threads.c. `backwards`: the last warp goes first. */
typedef void TestKernel(const int64_t *slots);
void test_threads(TestKernel *kernel, const int64_t *slots, int64_t programs, uint32_t threads, bool backwards);

/* What the code calls instead of GPU instructions. */
uint32_t test_thread_number(void);
uint32_t test_program_number(void);
void test_barrier(uint32_t id);
uint32_t test_shuffle(uint32_t members, uint32_t value, uint32_t mask, uint32_t clamp);
extern uint8_t test_shared_memory[];
enum { TEST_SHARED_BYTES = 227 * 1024 };

#endif
