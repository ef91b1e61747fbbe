/* Which target fits the GPU of this machine: the newest that it runs, an exact one before a portable one. */
#include "driver/targets.h"
#include "runtime/device.h"
#include "runtime/runtime.h"

static bool fits(const PlaitTargetRow *row, uint32_t architecture)
{
    return row->gpu && (row->exact ? row->architecture == architecture : row->architecture <= architecture);
}

bool plait_target_runs_here(const PlaitTargetRow *row)
{
    PlaitDeviceInfo info;
    return !row->gpu || (plait_device_info(0, &info) == PLAIT_STATUS_OK && fits(row, info.architecture));
}

static const PlaitTargetRow *best_fit(uint32_t architecture)
{
    const PlaitTargetRow *best = NULL;
    for (const PlaitTargetRow *row = plait_target_rows(); row->name; row++)
        if (fits(row, architecture) && (!best || row->architecture >= best->architecture)) best = row;
    return best;
}

static bool missing(PlaitSession *session, const char *found)
{
    plait_session_error(session, PLAIT_DEVICE_MISSING, found,
                        "an NVIDIA GPU of compute capability 8.0 or newer, and its driver",
                        "run on the CPU with --device cpu");
    return false;
}

bool plait_targets_for_device(PlaitSession *session, bool gpu, PlaitTargetRows *targets)
{
    PlaitDeviceInfo info;
    const PlaitTargetRow *row = plait_target_row_by_name("cpu");
    if (gpu) {
        if (plait_device_count() == 0 || plait_device_info(0, &info) != PLAIT_STATUS_OK)
            return missing(session, plait_session_text(session, "no GPU: %s", plait_last_error()));
        row = best_fit(info.architecture);
        if (!row)
            return missing(session, plait_session_text(session, "%s, compute capability %u.%u", info.name,
                                                       info.architecture / 10, info.architecture % 10));
    }
    plait_push(session->arena, targets, row);
    return true;
}
