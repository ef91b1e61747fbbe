/* What launching on a CPU and on a GPU share. */
#include "runtime/launch.h"

#include <stdlib.h>

PlaitStatus plait_launch_check_workspace(const PlaitCall *call, PlaitWorkspace given)
{
    uint64_t first = (uint64_t)(uintptr_t)given.memory, end;
    if (!given.memory || call->workspace_bytes == 0) return PLAIT_STATUS_OK;
    if (given.bytes < call->workspace_bytes)
        return plait_fail(PLAIT_STATUS_WORKSPACE, "needs %llu bytes of workspace, but was given %llu",
                          (unsigned long long)call->workspace_bytes, (unsigned long long)given.bytes);
    if (first % PLAIT_WORKSPACE_ALIGNMENT != 0)
        return plait_fail(PLAIT_STATUS_MISALIGNED, "the workspace's address is not a multiple of %d bytes",
                          PLAIT_WORKSPACE_ALIGNMENT);
    if (__builtin_add_overflow(first, call->workspace_bytes, &end))
        return plait_fail(PLAIT_STATUS_WORKSPACE, "the workspace leaves the address space");
    for (uint32_t i = 0; i < call->variant->argument_count; i++)
        if (call->views[i].first < end && first < call->views[i].end)
            return plait_fail_argument(PLAIT_STATUS_OVERLAP, i, call->variant->tensors[i].name,
                                       "shares memory with the workspace");
    return PLAIT_STATUS_OK;
}

static PlaitStatus allocate_slots(PlaitCall *call)
{
    size_t most = 1;
    for (uint64_t k = 0; k < call->target->kernel_count; k++)
        if (call->target->kernels[k].slot_count > most) most = call->target->kernels[k].slot_count;
    call->slots = calloc(most, sizeof *call->slots);
    return call->slots ? PLAIT_STATUS_OK : plait_fail_memory(most * sizeof *call->slots);
}

PlaitStatus plait_launch_prepare_slots(PlaitCall *call, int64_t most_programs)
{
    PlaitStatus status = allocate_slots(call);
    for (uint64_t k = 0; k < call->target->kernel_count && !status; k++) {
        int64_t programs;
        status = plait_call_slots(call, &call->target->kernels[k], &programs);
        if (!status && programs > most_programs)
            status = plait_fail(PLAIT_STATUS_TOO_LARGE, "kernel `%s` has %lld programs, more than %lld",
                                call->target->kernels[k].name, (long long)programs, (long long)most_programs);
    }
    return status;
}
