/* Scans by blocks of tokens, one at a time. */
#ifndef PLAIT_PASSES_STAGE_CHUNK_H
#define PLAIT_PASSES_STAGE_CHUNK_H

#include "ir/ir.h"

/* What the pass `chunk` does with one scan of the operator's body. NULL: the scan is a fold over blocks now. Else why
 * it stays token after token, a phrase without an end, and in *where the place in the source that prevented it; the
 * operator means what it did. `any_size`: of whatever size and storage types the state is, for tests. */
const char *plait_chunk_scan(PlaitFunction *function, PlaitValue scan, bool any_size, PlaitSpan *where);

#endif
