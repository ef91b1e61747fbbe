/* Where the workspaces of a call lie in one block of memory, and the slots of each kernel (descriptor.h). */
#include "runtime/call.h"

/* The kernels of a target say which workspaces are used: another target's do not count. */
static void mark_used(PlaitCall *call)
{
    for (uint64_t k = 0; k < call->target->kernel_count; k++) {
        const PlaitKernelDescriptor *kernel = &call->target->kernels[k];
        for (uint32_t i = 0; i < kernel->tensor_count; i++) call->views[kernel->tensors[i]].used = true;
    }
}

/* Compact strides and the number of bytes of a workspace; false when that does not fit in 63 bits. */
static bool measure(const PlaitCall *call, const PlaitTensorDescriptor *info, PlaitView *view, int64_t *bytes)
{
    int64_t stride = 1;
    for (uint32_t i = info->rank; i-- > 0;) {
        view->strides[i] = stride;
        if (__builtin_mul_overflow(stride, call->extents[info->axes[i]], &stride)) return false;
    }
    return !__builtin_mul_overflow(stride, (int64_t)plait_element_bytes(info->scalar), bytes);
}

static bool has_unbound(const PlaitCall *call, const PlaitTensorDescriptor *info)
{
    for (uint32_t i = 0; i < info->rank; i++)
        if (call->extents[info->axes[i]] < 0) return true;
    return false;
}

static PlaitStatus fail_tables(const char *what, const char *name)
{
    return plait_fail(PLAIT_STATUS_BAD_LIBRARY, "the descriptor of %s `%s` is not valid", what, name);
}

PlaitStatus plait_call_layout(PlaitCall *call)
{
    const PlaitVariantDescriptor *variant = call->variant;
    uint64_t total = 0;
    mark_used(call);
    for (uint32_t i = variant->argument_count; i < variant->tensor_count; i++) {
        const PlaitTensorDescriptor *info = &variant->tensors[i];
        PlaitView *view = &call->views[i];
        int64_t bytes;
        if (!view->used) continue;
        if (info->kind != PLAIT_VIEW_WORKSPACE || has_unbound(call, info)) return fail_tables("workspace", info->name);
        if (!measure(call, info, view, &bytes) || __builtin_add_overflow(total, (uint64_t)bytes, &total) ||
            total > INT64_MAX - PLAIT_WORKSPACE_ALIGNMENT)
            return plait_fail(PLAIT_STATUS_TOO_LARGE, "workspace `%s` does not fit in the address space", info->name);
        view->address = total - (uint64_t)bytes;
        total = (total + PLAIT_WORKSPACE_ALIGNMENT - 1) / PLAIT_WORKSPACE_ALIGNMENT * PLAIT_WORKSPACE_ALIGNMENT;
    }
    call->workspace_bytes = total;
    return PLAIT_STATUS_OK;
}

void plait_call_place(PlaitCall *call, uint64_t base, uint64_t cells)
{
    const PlaitVariantDescriptor *variant = call->variant;
    for (uint32_t i = variant->argument_count; i < variant->tensor_count; i++) call->views[i].address += base;
    uint64_t cell = cells;
    for (uint32_t i = 0; i < variant->argument_count; i++) {
        const PlaitTensorDescriptor *info = &variant->tensors[i];
        if (!plait_call_is_optional(info)) continue;
        if (call->views[i].missing) call->views[i].address = cell;
        cell += plait_call_row(variant, info).cells * sizeof *call->cells;
    }
}

static PlaitStatus count_programs(const PlaitCall *call, const PlaitKernelDescriptor *kernel, int64_t *programs)
{
    int64_t total = 1;
    bool empty = false, fits = true;
    for (uint32_t i = 0; i < kernel->grid_count; i++) {
        if (kernel->grid_axes[i] >= kernel->axis_count || kernel->grid_blocks[i] == 0)
            return fail_tables("kernel", kernel->name);
        int64_t extent = call->extents[kernel->axes[kernel->grid_axes[i]]], block = kernel->grid_blocks[i];
        empty = empty || extent == 0;
        fits = fits && !__builtin_mul_overflow(total, (extent + block - 1) / block, &total);
    }
    *programs = empty ? 0 : total;
    if (!empty && !fits)
        return plait_fail(PLAIT_STATUS_TOO_LARGE, "kernel `%s` has more than 2^63 programs", kernel->name);
    return PLAIT_STATUS_OK;
}

PlaitStatus plait_call_slots(PlaitCall *call, const PlaitKernelDescriptor *kernel, int64_t *programs)
{
    const PlaitVariantDescriptor *variant = call->variant;
    uint32_t count = kernel->axis_count;
    for (uint32_t i = 0; i < kernel->tensor_count; i++) count += 1u + variant->tensors[kernel->tensors[i]].rank;
    if (count != kernel->slot_count) return fail_tables("kernel", kernel->name);
    int64_t *slot = call->slots;
    for (uint32_t i = 0; i < kernel->tensor_count; i++) {
        const PlaitView *view = &call->views[kernel->tensors[i]];
        *slot++ = (int64_t)view->address;
        for (uint32_t j = 0; j < variant->tensors[kernel->tensors[i]].rank; j++) *slot++ = view->strides[j];
    }
    for (uint32_t i = 0; i < kernel->axis_count; i++) {
        int64_t extent = call->extents[kernel->axes[i]];
        if (extent < 0) return fail_tables("kernel", kernel->name);
        *slot++ = extent;
    }
    return count_programs(call, kernel, programs);
}
