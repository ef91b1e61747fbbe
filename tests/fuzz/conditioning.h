/* How far from the exact result an operator may be when all that is wrong is that f32 is not exact: what the
 * interpreter gives with every f32 value rounded. An output near which rounding alone makes a large relative error
 * (a final state that nearly cancels, say) cannot be judged by a fixed bar. */
#ifndef PLAIT_TESTS_FUZZ_CONDITIONING_H
#define PLAIT_TESTS_FUZZ_CONDITIONING_H

#include "ir/interp.h"

/* Rewrites the operator so that the interpreter, which computes in double whatever the types, rounds every f32 value to
 * f32. `draw` 0 rounds as they are; others first move each by a part of the rounding, so that roundings fall
 * differently, but numbers of few digits (positions, counts) stay exact. */
void conditioning_round(PlaitFunction *function, uint64_t draw);

#endif
