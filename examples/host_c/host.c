/* A host program: calls gated linear attention on a whole sequence, then on its two halves with the state carried
 * over, and compares. Every tensor is a DLTensor that points at the program's own arrays; nothing is copied.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gla.h"

enum { BATCH = 2, LENGTH = 50, HEADS = 3, KEYS = 32, VALUES = 64, HALF = LENGTH / 2 };

static uint16_t keys[3][BATCH][LENGTH][HEADS][KEYS];     /* q, k, g as bf16 */
static uint16_t values[2][BATCH][LENGTH][HEADS][VALUES]; /* v, z */
static uint16_t whole[BATCH][LENGTH][HEADS][VALUES], halves[BATCH][LENGTH][HEADS][VALUES];
static float gamma_values[VALUES];
static float state[3][BATCH][HEADS][KEYS]
                  [VALUES]; /* after the whole sequence, after its first half, after both halves */

static uint16_t to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

static float from_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static void fill(uint16_t *data, size_t count)
{
    for (size_t i = 0; i < count; i++) data[i] = to_bf16((float)rand() / (float)RAND_MAX * 2 - 1);
}

/* Tokens first .. first + count of an array [BATCH][LENGTH][HEADS][features]: a view, through its strides. */
static DLTensor tokens(uint16_t *data, int64_t features, int64_t first, int64_t count, int64_t shape[4],
                       int64_t strides[4])
{
    const int64_t sizes[] = {BATCH, count, HEADS, features};
    const int64_t steps[] = {LENGTH * HEADS * features, HEADS * features, features, 1};
    memcpy(shape, sizes, sizeof sizes);
    memcpy(strides, steps, sizeof steps);
    return (DLTensor){.data = data,
                      .device = {kDLCPU, 0},
                      .ndim = 4,
                      .dtype = {kDLBfloat, 16, 1},
                      .shape = shape,
                      .strides = strides,
                      .byte_offset = (uint64_t)(first * steps[1]) * sizeof *data};
}

static int run(uint16_t *output, int64_t first, int64_t count, float *before, float *after)
{
    int64_t shapes[6][4], strides[6][4], state_shape[] = {BATCH, HEADS, KEYS, VALUES}, gamma_shape[] = {VALUES};
    DLTensor inputs[5], y = tokens(output, VALUES, first, count, shapes[5], strides[5]);
    for (int i = 0; i < 3; i++) inputs[i] = tokens(&keys[i][0][0][0][0], KEYS, first, count, shapes[i], strides[i]);
    for (int i = 0; i < 2; i++)
        inputs[3 + i] = tokens(&values[i][0][0][0][0], VALUES, first, count, shapes[3 + i], strides[3 + i]);
    DLTensor gamma = {
        .data = gamma_values, .device = {kDLCPU, 0}, .ndim = 1, .dtype = {kDLFloat, 32, 1}, .shape = gamma_shape};
    DLTensor start = {
        .data = before, .device = {kDLCPU, 0}, .ndim = 4, .dtype = {kDLFloat, 32, 1}, .shape = state_shape};
    DLTensor end = {.data = after, .device = {kDLCPU, 0}, .ndim = 4, .dtype = {kDLFloat, 32, 1}, .shape = state_shape};
    int status =
        gla(&inputs[0], &inputs[1], &inputs[2], &inputs[3], &inputs[4], &gamma, before ? &start : NULL, &y, &end, NULL);
    if (status != PLAIT_STATUS_OK) fprintf(stderr, "host: %s\n", plait_error());
    return status;
}

int main(void)
{
    fill(&keys[0][0][0][0][0], sizeof keys / sizeof(uint16_t));
    fill(&values[0][0][0][0][0], sizeof values / sizeof(uint16_t));
    for (int e = 0; e < VALUES; e++) gamma_values[e] = 1;

    float *ends[] = {&state[0][0][0][0][0], &state[1][0][0][0][0], &state[2][0][0][0][0]};
    uint16_t *one = &whole[0][0][0][0], *two = &halves[0][0][0][0];
    if (run(one, 0, LENGTH, NULL, ends[0]) || run(two, 0, HALF, NULL, ends[1]) ||
        run(two, HALF, LENGTH - HALF, ends[1], ends[2]))
        return 1;

    float largest = 0, difference = 0;
    for (size_t i = 0; i < sizeof whole / sizeof *one; i++) {
        largest = fmaxf(largest, fabsf(from_bf16(one[i])));
        difference = fmaxf(difference, fabsf(from_bf16(one[i]) - from_bf16(two[i])));
    }
    printf("largest output %g, largest difference between one call and two %g\n", (double)largest, (double)difference);
    return !(largest > 0.1f && difference < 0.01f * largest); /* equal up to the rounding of bf16 */
}
