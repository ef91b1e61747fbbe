/* Scans by segments of the sequence, one at a time. */
#ifndef PLAIT_PASSES_STAGE_SEGMENT_H
#define PLAIT_PASSES_STAGE_SEGMENT_H

#include "ir/ir.h"

/* Tokens of a segment. */
enum { PLAIT_SEGMENT_TOKENS = 128 };

/* What the pass `segment` does with one scan of the operator's body. NULL: the scan runs in segments now. Else why it
 * does not, a phrase without an end, and in *where the place in the source that prevented it; the operator means what
 * it did. `tokens` of a segment; `any_size`: however long the axis and however large the state is; both for tests. */
const char *plait_segment_scan(PlaitFunction *function, PlaitValue scan, uint32_t tokens, bool any_size,
                               PlaitSpan *where);

#endif
