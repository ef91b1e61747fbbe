/* From the caller's tensors to a call that only needs a device: every check that needs none, in an order such that the
 * message is about the first argument that is wrong. */
#include "runtime/call.h"

#include <stdlib.h>
#include <string.h>

/* What the arrays of a call must hold; variants may differ in their tables. */
typedef struct Counts {
    size_t axes, tensors, cells;
} Counts;

bool plait_call_is_optional(const PlaitTensorDescriptor *info)
{
    return info->kind == PLAIT_VIEW_INPUT && info->fallback == info->fallback;
}

PlaitRow plait_call_row(const PlaitVariantDescriptor *variant, const PlaitTensorDescriptor *info)
{
    enum { MOST_BYTES = 1024, CELL = sizeof(uint64_t) };
    bool ranked = info->rank > 0 && info->rank <= PLAIT_DESCRIPTOR_MAX_RANK;
    int64_t size = ranked ? variant->axes[info->axes[info->rank - 1]].size : 1,
            bytes = plait_element_bytes(info->scalar);
    if (size < 1 || bytes == 0 || size > MOST_BYTES / bytes) return (PlaitRow){1, 2};
    return (PlaitRow){(uint32_t)size, (uint32_t)((size * bytes + 2 * CELL - 1) / (2 * CELL) * 2)};
}

static size_t count_cells(const PlaitVariantDescriptor *variant)
{
    size_t cells = 0;
    for (uint32_t i = 0; i < variant->argument_count; i++)
        if (plait_call_is_optional(&variant->tensors[i])) cells += plait_call_row(variant, &variant->tensors[i]).cells;
    return cells;
}

static Counts count(const PlaitOperatorDescriptor *op)
{
    Counts counts = {0, 0, 0};
    for (uint64_t v = 0; v < op->variant_count; v++) {
        size_t cells = count_cells(&op->variants[v]);
        if (op->variants[v].axis_count > counts.axes) counts.axes = op->variants[v].axis_count;
        if (op->variants[v].tensor_count > counts.tensors) counts.tensors = op->variants[v].tensor_count;
        if (cells > counts.cells) counts.cells = cells;
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
        if (!plait_call_is_optional(info)) continue;
        PlaitRow row = plait_call_row(variant, info);
        char *at = (char *)&call->cells[call->cell_count];
        uint64_t element = plait_element_cell(info->scalar, info->fallback);
        size_t bytes = plait_element_bytes(info->scalar);
        for (uint32_t k = 0; k < row.elements; k++) memcpy(at + k * bytes, &element, bytes);
        if (call->views[i].missing && row.elements > 1) call->views[i].strides[info->rank - 1] = 1;
        call->cell_count += row.cells;
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
