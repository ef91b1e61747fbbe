/* Axes that a scan's body walks along: what varies along them cannot stay in registers from token to token. */
#ifndef PLAIT_PASSES_STAGE_WALKED_H
#define PLAIT_PASSES_STAGE_WALKED_H

#include "ir/ir.h"

/* Sets walked[axis] for every axis that the body of `scan`, which stands in no other scan, walks along; whether there
 * is one. `walked` is indexed by axis; what is set stays set. */
bool plait_walked_axes(const PlaitFunction *function, PlaitValue scan, bool *walked);
/* Whether the k-th yield of a scan is kept in memory, when the bodies of the scans of its kernel walk along `walked`: a
 * carry that varies along such an axis, at one position of the loops around; an output of a scan inside another. */
bool plait_yield_is_kept(const PlaitFunction *function, PlaitValue scan, uint32_t k, const bool *walked);
/* The type of a yield at one token: without the axes of the loops that a program is at one position of. */
PlaitType plait_kept_type(const PlaitFunction *function, PlaitValue scan, uint32_t k);
/* The outermost scan around what stands in `region`, 0 when there is none. */
PlaitValue plait_outermost_scan(const PlaitFunction *function, const PlaitRegion *region);

#endif
