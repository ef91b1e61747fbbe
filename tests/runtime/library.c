/* A shared library as Plait builds it, by hand: one operator `number`, which writes LIBRARY_NUMBER in all positions of
 * y : f64[t], a program for each; its wrapper; the descriptor. */
#include <math.h>
#include <stddef.h>

#include "runtime/runtime.h"

#define EXPORTED __attribute__((visibility("default")))

static void kernel(const int64_t *slots, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++) ((double *)(uintptr_t)slots[0])[i * slots[1]] = LIBRARY_NUMBER;
}

static const PlaitAxisDescriptor axes[] = {{"t", -1, -1, 3, 0, 0}};
static const PlaitTensorDescriptor tensors[] = {{"y", NAN, 1, 6, 1, {0}, {0}}};
static const uint16_t first_index[] = {0};
static const uint32_t blocks[] = {1};
static const PlaitKernelDescriptor kernels[] = {{.name = "number.0",
                                                 .functions = {__extension__(const void *) kernel},
                                                 .tensors = first_index,
                                                 .axes = first_index,
                                                 .grid_axes = first_index,
                                                 .grid_blocks = blocks,
                                                 .tensor_count = 1,
                                                 .axis_count = 1,
                                                 .grid_count = 1,
                                                 .threads = 1,
                                                 .slot_count = 3}};
static const PlaitTargetDescriptor targets[] = {{NULL, kernels, 1}};
static const PlaitVariantDescriptor variants[] = {{axes, tensors, targets, 1, 1, 1, 1}};
static const PlaitOperatorDescriptor operators[] = {{"number", variants, 1}};

EXPORTED extern const PlaitLibraryDescriptor plait_library;
const PlaitLibraryDescriptor plait_library = {PLAIT_DESCRIPTOR_VERSION, 0, operators, 1, "by hand"};

EXPORTED int number(DLTensor *y, void *stream);
int number(DLTensor *y, void *stream)
{
    DLTensor *list[] = {y};
    return (int)plait_runtime_call(&operators[0], list, stream, NULL, 0);
}
