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
/* Waits until all lanes of the warp are here with up to TEST_SHARED_WORDS words each; then those of `lane` can be read,
 * until the next meeting but one. */
enum { TEST_SHARED_WORDS = 6 };
uint32_t test_meet(const uint32_t *words, uint32_t count);
const uint32_t *test_words_of(uint32_t lane, uint32_t turn);

/* The matrix units, by warps (matrix_units.c); `result` gets what the instruction leaves in registers. */
void test_ldmatrix(uint32_t *result, uint32_t address);
void test_copy_16(uint32_t address, uint64_t source, uint32_t bytes);
void test_ldmatrix_trans(uint32_t *result, uint32_t address);
void test_mma_bf16(float *result, float c0, float c1, float c2, float c3, uint32_t a0, uint32_t a1, uint32_t a2,
                   uint32_t a3, uint32_t b0, uint32_t b1);
void test_mma_f16(float *result, float c0, float c1, float c2, float c3, uint32_t a0, uint32_t a1, uint32_t a2,
                  uint32_t a3, uint32_t b0, uint32_t b1);
/* wgmma.m64nNk16: `registers` holds N / 2 sums and, when `a_there`, four of operand a. `kind`: the bits below. */
enum { TEST_WGMMA_F16 = 1, TEST_WGMMA_ZERO = 2, TEST_WGMMA_A_THERE = 4, TEST_WGMMA_A_ROWS = 8, TEST_WGMMA_B_ROWS = 16 };
void test_wgmma(uint32_t *registers, uint32_t columns, uint32_t kind, uint64_t a, uint64_t b);
uint32_t test_first_lane(uint32_t value);
enum { TEST_MOST_REGISTERS = 256 };

/* Elements of 16 bits as numbers: simulate.c. */
double test_number_of_bf16(uint16_t half);
double test_number_of_f16(uint16_t half);
extern uint8_t test_shared_memory[];
enum { TEST_SHARED_BYTES = 227 * 1024 };

#endif
