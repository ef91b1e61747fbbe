/* The matrix units, on this computer: each lane makes its own part of what a warp's instruction leaves (PTX ISA,
 * "Matrix multiply-accumulate operation using mma / wgmma instruction", "Matrix fragments"). Products of 16-bit numbers
 * are exact; sums are rounded to f32 once for each instruction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/codegen/ptx/tiles.h"

enum { LANES = 32, DEPTH = 16 };

static uint32_t lane(void) { return test_thread_number() % LANES; }

/* ---- ldmatrix: four arrays of 8 by 8; lane 8 i + r names row r of array i ---- */

static uint16_t shared_half(uint32_t address, uint32_t index)
{
    uint32_t offset = address - (uint32_t)(uintptr_t)test_shared_memory;
    uint16_t half;
    if (address % 16 || offset + 16 > TEST_SHARED_BYTES) {
        fprintf(stderr, "ldmatrix reads at byte %u of shared memory\n", offset);
        abort();
    }
    memcpy(&half, test_shared_memory + offset + 2 * index, 2);
    return half;
}

static void load_arrays(uint32_t *result, uint32_t address, bool transposed)
{
    uint32_t turn = test_meet(&address, 1), own = lane() / 4, pair = lane() % 4 * 2;
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t halves[2];
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t row = transposed ? pair + k : own, column = transposed ? own : pair + k;
            halves[k] = shared_half(*test_words_of(i * 8 + row, turn), column);
        }
        result[i] = halves[1] << 16 | halves[0];
    }
}

void test_ldmatrix(uint32_t *result, uint32_t address) { load_arrays(result, address, false); }
void test_ldmatrix_trans(uint32_t *result, uint32_t address) { load_arrays(result, address, true); }

/* ---- cp.async: `bytes` bytes, then zeros up to 16 ---- */

void test_copy_16(uint32_t address, uint64_t source, uint32_t bytes)
{
    uint32_t offset = address - (uint32_t)(uintptr_t)test_shared_memory;
    if (address % 16 || offset + 16 > TEST_SHARED_BYTES || bytes > 16 || (bytes && source % 16)) {
        fprintf(stderr, "cp.async of %u bytes to byte %u of shared memory\n", bytes, offset);
        abort();
    }
    memset(test_shared_memory + offset, 0, 16);
    if (bytes) memcpy(test_shared_memory + offset, (const void *)(uintptr_t)source, bytes);
}

/* ---- mma.m16n8k16 ---- */

typedef double Number(uint16_t half);

/* Position `k` of a row or column whose pairs are in words `first` (0 to 7) and `first` + step (8 to 15) of the four
 * lanes from `lane` on. */
static double element_at(Number *number, uint32_t from, uint32_t turn, uint32_t first, uint32_t step, uint32_t k)
{
    uint32_t word = test_words_of(from + k % 8 / 2, turn)[first + (k >= 8 ? step : 0)];
    return number((uint16_t)(word >> k % 2 * 16));
}

static void multiply(float *result, Number *number, const float *sums, const uint32_t *words)
{
    uint32_t turn = test_meet(words, 6), group = lane() / 4, pair = lane() % 4 * 2;
    for (uint32_t i = 0; i < 4; i++) {
        double sum = (double)sums[i];
        for (uint32_t k = 0; k < DEPTH; k++)
            sum += element_at(number, group * 4, turn, i / 2, 2, k) *
                   element_at(number, (pair + i % 2) * 4, turn, 4, 1, k);
        result[i] = (float)sum;
    }
}

void test_mma_bf16(float *result, float c0, float c1, float c2, float c3, uint32_t a0, uint32_t a1, uint32_t a2,
                   uint32_t a3, uint32_t b0, uint32_t b1)
{
    multiply(result, test_number_of_bf16, (float[]){c0, c1, c2, c3}, (uint32_t[]){a0, a1, a2, a3, b0, b1});
}

void test_mma_f16(float *result, float c0, float c1, float c2, float c3, uint32_t a0, uint32_t a1, uint32_t a2,
                  uint32_t a3, uint32_t b0, uint32_t b1)
{
    multiply(result, test_number_of_f16, (float[]){c0, c1, c2, c3}, (uint32_t[]){a0, a1, a2, a3, b0, b1});
}

/* ---- wgmma: operands in shared memory through descriptors ---- */

/* The element at row or column `at` and contracted position `k` of an operand with the 128-byte swizzle: the bits 4-6
 * of an address are flipped by its bits 7-9. `across`: rows or columns are neighbours in memory, not contracted
 * positions. */
static double described(Number *number, uint64_t descriptor, bool across, uint32_t at, uint32_t k)
{
    uint32_t start = (uint32_t)(descriptor & 0x3FFF) << 4, leading = (uint32_t)(descriptor >> 16 & 0x3FFF) << 4;
    uint32_t stride = (uint32_t)(descriptor >> 32 & 0x3FFF) << 4;
    if (descriptor >> 62 != 1) {
        fprintf(stderr, "a descriptor with another swizzle than that of 128 bytes\n");
        abort();
    }
    uint32_t address = across ? start + at / 64 * leading + k / 8 * stride + k % 8 * 128 + at % 64 * 2
                              : start + at / 8 * stride + at % 8 * 128 + k * 2;
    address ^= address >> 3 & 0x70;
    uint32_t offset = (address - (uint32_t)(uintptr_t)test_shared_memory) & 0x3FFFF;
    uint16_t half;
    if (offset + 2 > TEST_SHARED_BYTES) {
        fprintf(stderr, "wgmma reads at byte %u of shared memory\n", offset);
        abort();
    }
    memcpy(&half, test_shared_memory + offset, 2);
    return number(half);
}

void test_wgmma(uint32_t *registers, uint32_t columns, uint32_t kind, uint64_t a, uint64_t b)
{
    uint32_t sums = columns / 2, own[TEST_MOST_REGISTERS], nothing[4] = {0};
    bool there = kind & TEST_WGMMA_A_THERE, a_across = kind & TEST_WGMMA_A_ROWS, b_across = kind & TEST_WGMMA_B_ROWS;
    Number *number = kind & TEST_WGMMA_F16 ? test_number_of_f16 : test_number_of_bf16;
    if (columns % 8 || columns > 256) abort();
    memcpy(own, registers, (sums + (there ? 4 : 0)) * sizeof *own);
    uint32_t turn = test_meet(there ? own + sums : nothing, 4);
    uint32_t warp = test_thread_number() / LANES % 4, group = lane() / 4, pair = lane() % 4 * 2;
    double rows[2][DEPTH];
    for (uint32_t half = 0; half < 2; half++)
        for (uint32_t k = 0; k < DEPTH; k++)
            rows[half][k] = there ? element_at(number, group * 4, turn, half, 2, k)
                                  : described(number, a, a_across, warp * 16 + group + half * 8, k);
    for (uint32_t i = 0; i < sums; i++) {
        float before = 0;
        if (!(kind & TEST_WGMMA_ZERO)) memcpy(&before, &own[i], 4);
        double sum = (double)before;
        uint32_t column = i / 4 * 8 + pair + i % 2;
        for (uint32_t k = 0; k < DEPTH; k++) sum += rows[i / 2 % 2][k] * described(number, b, b_across, column, k);
        float rounded = (float)sum;
        memcpy(&registers[i], &rounded, 4);
    }
}
