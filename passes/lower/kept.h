/* What the scans of a kernel keep in memory, for what is said and counted about it. */
#ifndef PLAIT_PASSES_LOWER_KEPT_H
#define PLAIT_PASSES_LOWER_KEPT_H

#include "passes/passes.h"

/* The k-th yield of a scan: a carry, or an output of a scan inside another. */
typedef struct PlaitKeptYield {
    PlaitValue scan;
    uint32_t k;
    PlaitType type;   /* in memory */
    PlaitType moved;  /* with the axes of the loops around: each position is written once, and read once at least */
    PlaitType walked; /* the axes of `type` that the bodies of the scans walk along */
} PlaitKeptYield;
typedef PLAIT_VECTOR(PlaitKeptYield) PlaitKeptYields;

/* All of a kernel, in the order of the text. */
PlaitKeptYields plait_kept_yields(const PlaitFunction *operator_, const PlaitRegion *region,
                                  const PlaitTileTarget *target);

#endif
