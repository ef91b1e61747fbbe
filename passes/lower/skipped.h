/* The folds of a kernel that walk along those tiles only that data lets through, for what is said about it. */
#ifndef PLAIT_PASSES_LOWER_SKIPPED_H
#define PLAIT_PASSES_LOWER_SKIPPED_H

#include "passes/passes.h"

typedef struct PlaitSkippedTiles {
    PlaitAxis axis;
    PlaitValues tensors; /* what is compared is made of them: parameters, and results of earlier kernels */
} PlaitSkippedTiles;
typedef PLAIT_VECTOR(PlaitSkippedTiles) PlaitSkippedTilesList;

/* All of a kernel, in the order of the text. */
PlaitSkippedTilesList plait_skipped_tiles(const PlaitFunction *operator_, const PlaitRegion *region,
                                          const PlaitTileTarget *target);

#endif
