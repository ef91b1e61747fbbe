/* The hand-made operators of sums.h: their tables, their kernels, their arguments. */
#include "tests/runtime/sums.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- kernels ---- */

typedef struct Reader {
    const int64_t *slot;
} Reader;

static char *take_address(Reader *reader) { return (char *)(uintptr_t)*reader->slot++; }

static const int64_t *take_strides(Reader *reader, int rank)
{
    const int64_t *strides = reader->slot;
    reader->slot += rank;
    return strides;
}

static float *at(char *address, int64_t offset) { return (float *)(void *)address + offset; }

void sums_products(const int64_t *slots, int64_t first, int64_t end)
{
    Reader reader = {slots};
    char *x = take_address(&reader);
    const int64_t *xs = take_strides(&reader, 3);
    char *k = take_address(&reader);
    const int64_t *ks = take_strides(&reader, 2);
    char *mask = take_address(&reader);
    const int64_t *ms = take_strides(&reader, 1);
    char *w = take_address(&reader);
    const int64_t *ws = take_strides(&reader, 3);
    int64_t batches = reader.slot[0], times = reader.slot[1], width = reader.slot[2];
    for (int64_t program = first; program < end; program++) {
        int64_t b = program % batches, start = program / batches * 2;
        for (int64_t t = start; t < start + 2 && t < times; t++)
            for (int64_t d = 0; d < width; d++)
                *at(w, b * ws[0] + t * ws[1] + d * ws[2]) =
                    mask[t * ms[0]] ? *at(x, b * xs[0] + t * xs[1] + d * xs[2]) * *at(k, b * ks[0] + t * ks[1]) : 0;
    }
}

void sums_totals(const int64_t *slots, int64_t first, int64_t end)
{
    Reader reader = {slots};
    char *w = take_address(&reader);
    const int64_t *ws = take_strides(&reader, 3);
    char *x0 = take_address(&reader);
    const int64_t *is = take_strides(&reader, 2);
    char *y = take_address(&reader);
    const int64_t *ys = take_strides(&reader, 3);
    char *last = take_address(&reader);
    const int64_t *ls = take_strides(&reader, 2);
    int64_t times = reader.slot[1], width = reader.slot[2];
    for (int64_t b = first; b < end; b++)
        for (int64_t d = 0; d < width; d++) {
            float total = *at(x0, b * is[0] + d * is[1]);
            for (int64_t t = 0; t < times; t++) {
                total += *at(w, b * ws[0] + t * ws[1] + d * ws[2]);
                *at(y, b * ys[0] + t * ys[1] + d * ys[2]) = total;
            }
            *at(last, b * ls[0] + d * ls[1]) = total;
        }
}

static void lonely_kernel(const int64_t *slots, int64_t first, int64_t end)
{
    (void)first, (void)end;
    const float *bias = (const float *)(uintptr_t)slots[0];
    float *y = (float *)(uintptr_t)slots[2], total = 0;
    for (int64_t m = 0; m < slots[4]; m++) total += bias[m * slots[1]];
    for (int64_t t = 0; t < slots[5]; t++) y[t * slots[3]] = total;
}

/* ---- tables ---- */

#define CODE(function) __extension__(const void *) function
#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { AXIS_B, AXIS_T, AXIS_D, AXIS_S };
#define SUMS_AXES(width)                                                                                               \
    {                                                                                                                  \
        {"b", -1, -1, 1, 0, 0}, {"t", -1, -1, 3, 0, 0}, {"d", width, -1, 0, 0, 0}, {"s", -1, AXIS_T, 3, 0, 0},         \
    }
static const PlaitAxisDescriptor sums_axes_4[] = SUMS_AXES(4), sums_axes_8[] = SUMS_AXES(8);

enum { BOOL = 0, F32 = 5, F64 = 6 };
static const PlaitTensorDescriptor sums_tensors[] = {
    {"x", NAN, 0, F32, 3, {0}, {AXIS_B, AXIS_T, AXIS_D}},
    {"k", NAN, 0, F32, 2, {0}, {AXIS_B, AXIS_T}},
    {"mask", 1, 0, BOOL, 1, {0}, {AXIS_S}},
    {"x0", 0.5, 0, F32, 2, {0}, {AXIS_B, AXIS_D}},
    {"y", NAN, 1, F32, 3, {0}, {AXIS_B, AXIS_T, AXIS_D}},
    {"last", NAN, 1, F32, 2, {0}, {AXIS_B, AXIS_D}},
    {"unused", NAN, 2, F64, 1, {0}, {AXIS_T}},
    {"products", NAN, 2, F32, 3, {0}, {AXIS_B, AXIS_T, AXIS_D}},
};
static const uint16_t products_tensors[] = {SUMS_X, SUMS_K, SUMS_MASK, 7},
                      totals_tensors[] = {7, SUMS_X0, SUMS_Y, SUMS_LAST};
static const uint16_t sums_kernel_axes[] = {AXIS_B, AXIS_T, AXIS_D}, sums_grid[] = {0, 1};
static const uint32_t sums_blocks[] = {1, 2};

#define SUMS_KERNELS(v2, v2_totals, shared)                                                                            \
    {                                                                                                                  \
        {.name = "sums.0",                                                                                             \
         .functions = {v2},                                                                                            \
         .tensors = products_tensors,                                                                                  \
         .axes = sums_kernel_axes,                                                                                     \
         .grid_axes = sums_grid,                                                                                       \
         .grid_blocks = sums_blocks,                                                                                   \
         .tensor_count = 4,                                                                                            \
         .axis_count = 3,                                                                                              \
         .grid_count = 2,                                                                                              \
         .threads = 64,                                                                                                \
         .shared_bytes = shared,                                                                                       \
         .slot_count = 16},                                                                                            \
            {.name = "sums.1",                                                                                         \
             .functions = {v2_totals},                                                                                 \
             .tensors = totals_tensors,                                                                                \
             .axes = sums_kernel_axes,                                                                                 \
             .grid_axes = sums_grid,                                                                                   \
             .grid_blocks = sums_blocks,                                                                               \
             .tensor_count = 4,                                                                                        \
             .axis_count = 3,                                                                                          \
             .grid_count = 1,                                                                                          \
             .threads = 32,                                                                                            \
             .slot_count = 17},                                                                                        \
    }
static const PlaitKernelDescriptor sums_kernels_cpu[] = SUMS_KERNELS(CODE(sums_products), CODE(sums_totals), 0);
static const PlaitKernelDescriptor sums_kernels_gpu[] = SUMS_KERNELS(NULL, NULL, 64 * 1024);

static const PlaitImageDescriptor sm_80 = {"sm_80", "cubin 80", "ptx 80", NULL, 9, 7, 0, 80, 0};
static const PlaitImageDescriptor sm_90a = {"sm_90a", "cubin 90a", "ptx 90a", NULL, 10, 8, 0, 90, 1};
static const PlaitTargetDescriptor sums_targets[] = {
    {NULL, sums_kernels_cpu, 2}, {&sm_80, sums_kernels_gpu, 2}, {&sm_90a, sums_kernels_gpu, 2}};
static const PlaitVariantDescriptor sums_variants[] = {
    {sums_axes_4, sums_tensors, sums_targets, COUNT(sums_axes_4), COUNT(sums_tensors), 3, SUMS_COUNT},
    {sums_axes_8, sums_tensors, sums_targets, COUNT(sums_axes_8), COUNT(sums_tensors), 3, SUMS_COUNT}};
const PlaitOperatorDescriptor sums_operator = {"sums", sums_variants, 2};

static const PlaitAxisDescriptor lonely_axes[] = {{"m", -1, -1, 0, 0, 0}, {"t", -1, -1, 3, 0, 0}};
static const PlaitTensorDescriptor lonely_tensors[] = {{"bias", 0, 0, F32, 1, {0}, {0}},
                                                       {"y", NAN, 1, F32, 1, {0}, {1}}};
static const uint16_t lonely_order[] = {0, 1};
static const PlaitKernelDescriptor lonely_kernels[] = {{.name = "lonely.0",
                                                        .functions = {CODE(lonely_kernel)},
                                                        .tensors = lonely_order,
                                                        .axes = lonely_order,
                                                        .tensor_count = 2,
                                                        .axis_count = 2,
                                                        .threads = 1,
                                                        .slot_count = 6}};
static const PlaitTargetDescriptor lonely_targets[] = {{NULL, lonely_kernels, 1}};
static const PlaitVariantDescriptor lonely_variants[] = {{lonely_axes, lonely_tensors, lonely_targets, 2, 2, 1, 2}};
const PlaitOperatorDescriptor lonely_operator = {"lonely", lonely_variants, 1};

static const PlaitAxisDescriptor pairs_axes[3][2] = {{{"d", 64, -1, 0, 0, 0}, {"e", 64, -1, 0, 0, 0}},
                                                     {{"d", 64, -1, 0, 0, 0}, {"e", 96, -1, 0, 0, 0}},
                                                     {{"d", 128, -1, 0, 0, 0}, {"e", 128, -1, 0, 0, 0}}};
static const PlaitTensorDescriptor pairs_tensors[] = {
    {"q", NAN, 0, F32, 1, {0}, {0}}, {"v", NAN, 0, F32, 1, {0}, {1}}, {"o", NAN, 1, F64, 1, {0}, {1}}};
static const PlaitVariantDescriptor pairs_variants[] = {{pairs_axes[0], pairs_tensors, NULL, 2, 3, 0, 3},
                                                        {pairs_axes[1], pairs_tensors, NULL, 2, 3, 0, 3},
                                                        {pairs_axes[2], pairs_tensors, NULL, 2, 3, 0, 3}};
const PlaitOperatorDescriptor pairs_operator = {"pairs", pairs_variants, 3};

/* t and u, axes of the extent of t; n counts blocks of 64 of u, m has as many positions as n; r counts blocks of 3 of
 * d.
 */
static const PlaitAxisDescriptor pieces_axes[] = {{"m", -1, 3, 1, 0, 0}, {"t", -1, -1, 3, 0, 0},
                                                  {"u", -1, 1, 3, 0, 0}, {"n", -1, 2, 1, 64, 0},
                                                  {"d", 8, -1, 0, 0, 0}, {"r", -1, 4, 1, 3, 0}};
static const PlaitTensorDescriptor pieces_tensors[] = {{"x", NAN, 0, F32, 1, {0}, {1}},
                                                       {"y", NAN, 1, F32, 1, {0}, {2}},
                                                       {"by_block", NAN, 2, F32, 2, {0}, {3, 4}},
                                                       {"by_same", NAN, 2, F64, 2, {0}, {0, 4}},
                                                       {"by_static", NAN, 2, F64, 2, {0}, {5, 4}}};
static const uint16_t pieces_order[] = {0, 1, 2, 3, 4, 5};
static const PlaitKernelDescriptor pieces_kernels[] = {{.name = "pieces.0",
                                                        .functions = {CODE(lonely_kernel)}, /* never called */
                                                        .tensors = pieces_order,
                                                        .axes = pieces_order,
                                                        .tensor_count = 5,
                                                        .axis_count = 6,
                                                        .threads = 1,
                                                        .slot_count = 19}};
static const PlaitTargetDescriptor pieces_targets[] = {{NULL, pieces_kernels, 1}};
static const PlaitVariantDescriptor pieces_variants[] = {{pieces_axes, pieces_tensors, pieces_targets, 6, 5, 1, 2}};
const PlaitOperatorDescriptor pieces_operator = {"pieces", pieces_variants, 1};

/* ---- arguments ---- */

static const float NEVER = -12345.0f;

/* Not rand(): its lock may be held by another thread when a test forks. */
static uint32_t draw(uint32_t *seed) { return (*seed = *seed * 1664525u + 1013904223u) >> 16; }

static void describe(Sums *sums, int index, uint8_t code, uint8_t bits, int32_t rank)
{
    int64_t sizes[SUMS_COUNT][3] = {{sums->b, sums->t, sums->d}, {sums->b, sums->t},          {sums->t},
                                    {sums->b, sums->d},          {sums->b, sums->t, sums->d}, {sums->b, sums->d}};
    int64_t stride = 1;
    for (int i = rank; i-- > 0;) {
        sums->shapes[index][i] = sizes[index][i];
        sums->strides[index][i] = stride;
        stride *= sizes[index][i];
    }
    size_t count = (size_t)stride + SUMS_LEAST;
    uint32_t seed = (uint32_t)index + 1;
    sums->memory[index] = malloc(count * sizeof(float));
    for (size_t i = 0; i < count; i++)
        sums->memory[index][i] = index >= SUMS_Y ? NEVER : (float)(draw(&seed) % 64) / 16 - 2;
    sums->tensors[index] = (DLTensor){.data = sums->memory[index],
                                      .device = {.device_type = kDLCPU},
                                      .ndim = rank,
                                      .dtype = {code, bits, 1},
                                      .shape = sums->shapes[index],
                                      .strides = sums->strides[index]};
    sums->list[index] = &sums->tensors[index];
}

Sums *sums_create(int64_t b, int64_t t, int64_t d)
{
    Sums *sums = calloc(1, sizeof *sums);
    *sums = (Sums){.b = b, .t = t, .d = d};
    describe(sums, SUMS_X, kDLFloat, 32, 3);
    describe(sums, SUMS_K, kDLFloat, 32, 2);
    describe(sums, SUMS_MASK, kDLBool, 8, 1);
    describe(sums, SUMS_X0, kDLFloat, 32, 2);
    describe(sums, SUMS_Y, kDLFloat, 32, 3);
    describe(sums, SUMS_LAST, kDLFloat, 32, 2);
    uint32_t seed = 99;
    for (int64_t i = 0; i < t; i++) ((uint8_t *)sums->memory[SUMS_MASK])[i] = draw(&seed) % 3 != 0;
    return sums;
}

void sums_destroy(Sums *sums)
{
    for (int i = 0; i < SUMS_COUNT; i++) free(sums->memory[i]);
    free(sums);
}

/* Element (a, b, c) of an argument, through its own strides. */
static const char *element(const Sums *sums, int index, int64_t a, int64_t b, int64_t c)
{
    const DLTensor *tensor = sums->list[index];
    int64_t position[3] = {a, b, c}, offset = 0, stride = 1;
    for (int i = tensor->ndim; i-- > 0;) {
        offset += position[i] * (tensor->strides ? tensor->strides[i] : stride);
        stride *= tensor->shape[i];
    }
    return (const char *)tensor->data + tensor->byte_offset + offset * (tensor->dtype.bits / 8);
}

static float number(const Sums *sums, int index, int64_t a, int64_t b, int64_t c)
{
    float value;
    memcpy(&value, element(sums, index, a, b, c), sizeof value);
    return value;
}

static int right_at(const Sums *sums, int64_t b, int64_t d)
{
    float total = sums->list[SUMS_X0] ? number(sums, SUMS_X0, b, d, 0) : 0.5f;
    for (int64_t t = 0; t < sums->t; t++) {
        bool use = sums->list[SUMS_MASK] ? *element(sums, SUMS_MASK, t, 0, 0) : true;
        if (use) total += number(sums, SUMS_X, b, t, d) * number(sums, SUMS_K, b, t, 0);
        if (number(sums, SUMS_Y, b, t, d) != total) return 0;
    }
    return number(sums, SUMS_LAST, b, d, 0) == total;
}

int sums_right(const Sums *sums)
{
    for (int64_t b = 0; b < sums->b; b++)
        for (int64_t d = 0; d < sums->d; d++)
            if (!right_at(sums, b, d)) return 0;
    return 1;
}

int sums_untouched(const Sums *sums)
{
    for (int64_t i = 0; i < sums->b * sums->t * sums->d; i++)
        if (sums->memory[SUMS_Y][i] != NEVER) return 0;
    for (int64_t i = 0; i < sums->b * sums->d; i++)
        if (sums->memory[SUMS_LAST][i] != NEVER) return 0;
    return 1;
}

/* ---- an operator with a version that takes tensor maps ---- */

void copied_kernel(const int64_t *slots, int64_t first, int64_t end)
{
    const uint16_t *x = (const uint16_t *)(intptr_t)slots[0], *bias = (const uint16_t *)(intptr_t)slots[4];
    uint16_t *y = (uint16_t *)(intptr_t)slots[7];
    for (int64_t b = first; b < end; b++)
        for (int64_t t = 0; t < slots[12]; t++)
            for (int64_t d = 0; d < slots[13]; d++)
                y[b * slots[8] + t * slots[9] + d * slots[10]] =
                    (uint16_t)(x[b * slots[1] + t * slots[2] + d * slots[3]] + bias[b * slots[5] + d * slots[6]]);
}

static const PlaitAxisDescriptor copied_axes[] = {
    {"b", -1, -1, 1, 0, 0}, {"t", -1, -1, 3, 0, 0}, {"d", 64, -1, 0, 0, 0}};
static const PlaitTensorDescriptor copied_tensors[] = {
    {"x", NAN, 0, 4, 3, {0}, {0, 1, 2}}, {"bias", 1, 0, 4, 2, {0}, {0, 2}}, {"y", NAN, 1, 4, 3, {0}, {0, 1, 2}}};
static const uint16_t copied_order[] = {0, 1, 2};
static const uint32_t copied_blocks[] = {1};
static const PlaitMapDescriptor copied_maps[] = {{0, 1, 64}};
static const uint8_t copied_alignments[] = {16, 8, 4};
#define COPIED_KERNEL(is_late)                                                                                         \
    {                                                                                                                  \
        .name = "copied.0", .tensors = copied_order, .axes = copied_order, .grid_axes = copied_order,                  \
        .grid_blocks = copied_blocks, .tensor_count = 3, .axis_count = 3, .grid_count = 1, .threads = 64,              \
        .shared_bytes = 50 * 1024, .slot_count = 14, .maps_name = "copied.0_maps", .maps = copied_maps,                \
        .alignments = copied_alignments, .map_count = 1, .maps_threads = 192, .maps_shared_bytes = 100 * 1024,         \
        .late = is_late                                                                                                \
    }
static const PlaitKernelDescriptor copied_kernels[] = {COPIED_KERNEL(0)}, copied_late_kernels[] = {COPIED_KERNEL(1)};
static const PlaitImageDescriptor sm_90a_parts = {
    "sm_90a", "cubin 90a first", "ptx 90a first", "ptx 90a late", 16, 14, 13, 90, 1};
static const PlaitTargetDescriptor copied_targets[] = {{&sm_90a, copied_kernels, 1}},
                                   copied_late_targets[] = {{&sm_90a_parts, copied_late_kernels, 1}};
static const PlaitVariantDescriptor copied_variants[] = {{copied_axes, copied_tensors, copied_targets, 3, 3, 1, 3}},
                                    copied_late_variants[] = {
                                        {copied_axes, copied_tensors, copied_late_targets, 3, 3, 1, 3}};
const PlaitOperatorDescriptor copied_operator = {"copied", copied_variants, 1},
                              copied_late_operator = {"copied", copied_late_variants, 1};
