/* Bounds of a fold that data gives: computed by a kernel of their own, loaded by the fold's. */
#ifndef PLAIT_PASSES_LOWER_BOUNDS_H
#define PLAIT_PASSES_LOWER_BOUNDS_H

#include "passes/lower/masks.h"

/* Of the positions along the fold's axis, for a block of rows: from FROM to TO are all that some row may see; from
 * FULL_FROM to FULL_TO every row sees every one. */
typedef enum PlaitBound { PLAIT_BOUND_FROM, PLAIT_BOUND_TO, PLAIT_BOUND_FULL_FROM, PLAIT_BOUND_FULL_TO } PlaitBound;
enum { PLAIT_MOST_BOUNDS = 4 };

typedef struct PlaitDataBounds {
    PlaitDataMask mask;
    PlaitAxis rows, blocks;             /* the kernel's rows, and the axis that counts their blocks; or PLAIT_NO_AXIS */
    PlaitType type;                     /* of the workspaces: i32 over the mask's axes, with `blocks` for the rows */
    PlaitName names[PLAIT_MOST_BOUNDS]; /* by PlaitBound */
    uint32_t count;                     /* 2 where it is not asked, or not known, which positions all rows see */
} PlaitDataBounds;

/* The bounds that the mask gives a kernel with that plan, without the names. */
PlaitDataBounds plait_data_bounds(const PlaitFunction *operator_, const PlaitKernelPlan *plan,
                                  const PlaitDataMask *mask, const PlaitTileTarget *target);
/* The plan of the kernel that computes them for one with the plan `plan`. */
PlaitKernelPlan plait_plan_data_bounds(const PlaitFunction *operator_, const PlaitKernelPlan *plan,
                                       const PlaitDataMask *mask, const PlaitTileTarget *target);
/* Writes that kernel, whose axes are placed. `tile`: positions of one turn of the fold's loops. */
bool plait_write_data_bounds(PlaitLowering *lowering, const PlaitDataBounds *bounds, uint32_t tile);

/* The bounds of a fold; NULL when there are none, or not at these places. */
const PlaitDataBounds *plait_data_bounds_of(const PlaitLowering *lowering, PlaitValue fold, const PlaitPlaces *places);
/* Loads one, for the rows of the program. */
PlaitValue plait_load_bound(PlaitLowering *lowering, const PlaitDataBounds *bounds, PlaitBound which);

#endif
