/* From the caller's tensors to a call that only needs a device: every check that needs none, in an order such that the
 * message is about the first argument that is wrong. */
#include "runtime/call.h"

#include <stdlib.h>

/* What the arrays of a call must hold; variants may differ in their tables. */
typedef struct Counts {
    size_t axes, tensors, cells;
} Counts;

static Counts count(const PlaitOperatorDescriptor *op)
{
    Counts counts = {0, 0, op->variants[0].argument_count};
    for (uint64_t v = 0; v < op->variant_count; v++) {
        if (op->variants[v].axis_count > counts.axes) counts.axes = op->variants[v].axis_count;
        if (op->variants[v].tensor_count > counts.tensors) counts.tensors = op->variants[v].tensor_count;
    }
    return counts;
}

/* One block for all arrays; every element type has an alignment of 8 or less, and a size that keeps it. */
static PlaitStatus allocate(PlaitCall *call)
{
    Counts counts = count(call->op);
    size_t bytes = counts.axes * (sizeof *call->extents + sizeof *call->binders) +
                   counts.tensors * sizeof *call->views + counts.cells * sizeof *call->cells;
    char *memory = calloc(1, bytes + 1);
    if (!memory) return plait_fail_memory(bytes + 1);
    call->memory = memory;
    call->views = (PlaitView *)(void *)memory;
    memory += counts.tensors * sizeof *call->views;
    call->extents = (int64_t *)(void *)memory;
    memory += counts.axes * sizeof *call->extents;
    call->cells = (uint64_t *)(void *)memory;
    memory += counts.cells * sizeof *call->cells;
    call->binders = (PlaitBinder *)(void *)memory;
    return PLAIT_STATUS_OK;
}

_Static_assert(sizeof(PlaitView) % 8 == 0 && sizeof(PlaitBinder) % 8 == 0, "arrays of a call follow each other");

static PlaitStatus check_arguments(PlaitCall *call)
{
    uint32_t count = call->op->variants[0].argument_count;
    for (uint32_t i = 0; i < count; i++) {
        PlaitStatus status = plait_call_check_argument(call, i);
        if (status) return status;
    }
    if (call->device_giver == 0) return plait_fail(PLAIT_STATUS_NULL_ARGUMENT, "no tensor was given");
    return PLAIT_STATUS_OK;
}

static void fill_cells(PlaitCall *call)
{
    const PlaitVariantDescriptor *variant = call->variant;
    for (uint32_t i = 0; i < variant->argument_count; i++) {
        const PlaitTensorDescriptor *info = &variant->tensors[i];
        if (info->kind == PLAIT_VIEW_INPUT && info->fallback == info->fallback)
            call->cells[call->cell_count++] = plait_element_cell(info->scalar, info->fallback);
    }
}

PlaitStatus plait_call_prepare(PlaitCall *call, const PlaitOperatorDescriptor *op, DLTensor *const *tensors,
                               bool shapes_only)
{
    *call = (PlaitCall){.op = op, .tensors = tensors, .shapes_only = shapes_only};
    if (!tensors) return plait_fail(PLAIT_STATUS_NULL_ARGUMENT, "the array of tensors is NULL");
    if (op->variant_count == 0) return plait_fail(PLAIT_STATUS_BAD_LIBRARY, "it has no variants");
    PlaitStatus status = allocate(call);
    if (!status) status = check_arguments(call);
    if (!status) status = plait_call_choose_variant(call);
    if (!status) status = plait_call_check_overlap(call);
    if (!status) fill_cells(call);
    return status;
}

void plait_call_finish(PlaitCall *call)
{
    free(call->memory);
    free(call->slots);
    call->memory = NULL;
    call->slots = NULL;
}
