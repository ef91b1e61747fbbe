/* The targets of codegen/targets.def, as far as the driver needs them. */
#ifndef PLAIT_DRIVER_TARGETS_H
#define PLAIT_DRIVER_TARGETS_H

#include "driver/session.h"

typedef struct PlaitTargetRow {
    const char *name, *meaning;
    bool gpu;
    uint32_t architecture; /* 90 */
    bool exact;            /* runs on that architecture only */
} PlaitTargetRow;

typedef PLAIT_VECTOR(const PlaitTargetRow *) PlaitTargetRows;

/* All rows; the last one's name is NULL. */
const PlaitTargetRow *plait_target_rows(void);
/* NULL when there is none. */
const PlaitTargetRow *plait_target_row_by_name(const char *name);
/* The targets that --target names (each once, in the order of the table); all rows when it is not given. Reports E0617.
 */
bool plait_target_rows_read(PlaitSession *session, PlaitTargetRows *targets);
/* Whether its code runs on this machine: on the CPU, or on the first GPU. */
bool plait_target_runs_here(const PlaitTargetRow *row);
/* What to compile to run here: the CPU, or the target for the first GPU; reports E0619 when there is none. */
bool plait_targets_for_device(PlaitSession *session, bool gpu, PlaitTargetRows *targets);

#endif
