/* Axes that a scan's body walks along: what varies along them cannot stay in registers from token to token. */
#ifndef PLAIT_PASSES_STAGE_WALKED_H
#define PLAIT_PASSES_STAGE_WALKED_H

#include "ir/ir.h"

/* Sets walked[axis] for every axis that the body of `scan`, which stands in no other scan, walks along; whether there
 * is one. `walked` is indexed by axis; what is set stays set. */
bool plait_walked_axes(const PlaitFunction *function, PlaitValue scan, bool *walked);
/* The outermost scan around what stands in `region`, 0 when there is none. */
PlaitValue plait_outermost_scan(const PlaitFunction *function, const PlaitRegion *region);

#endif
