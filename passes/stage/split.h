/* Which scans are of vectors that a fold over blocks could not hold. */
#ifndef PLAIT_PASSES_STAGE_SPLIT_H
#define PLAIT_PASSES_STAGE_SPLIT_H

#include "ir/ir.h"

/* Whether no carry of the scan has two feature axes, and those that belong together have too many positions. */
bool plait_is_scan_of_long_vectors(PlaitFunction *function, PlaitValue scan);

#endif
