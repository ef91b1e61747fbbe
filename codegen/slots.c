/* The argument slots of a kernel, in the order that runtime/descriptor.h fixes: for each tensor its address and its
 * strides, then the extents of all axes. Both code generators and the packager ask here, so that they cannot differ. */
#include "codegen/emit.h"

typedef PLAIT_VECTOR(PlaitValue) Values;

typedef struct TensorSearch {
    PlaitArena *arena;
    const PlaitFunction *kernel;
    Values found;
} TensorSearch;

static void collect_tensor(void *context, PlaitValue value)
{
    TensorSearch *search = context;
    if (plait_op_of(search->kernel, value) == PLAIT_OP_TENSOR) plait_push(search->arena, &search->found, value);
}

PlaitSlots plait_slots(PlaitArena *arena, const PlaitFunction *kernel)
{
    TensorSearch search = {.arena = arena, .kernel = kernel};
    plait_region_walk(kernel, kernel->body, collect_tensor, &search);
    PlaitSlots slots = {
        .tensor_slot = PLAIT_NEW_ARRAY(arena, uint32_t, search.found.count),
        .axis_slot = PLAIT_NEW_ARRAY(arena, uint32_t, kernel->axes.count),
        .tensors = search.found.data,
        .tensor_count = search.found.count,
    };
    for (uint32_t i = 0; i < slots.tensor_count; i++) {
        slots.tensor_slot[i] = slots.slot_count;
        slots.slot_count += 1 + (uint32_t)plait_type_of(kernel, slots.tensors[i]).rank;
    }
    for (uint32_t i = 0; i < kernel->axes.count; i++) slots.axis_slot[i] = slots.slot_count++;
    return slots;
}
