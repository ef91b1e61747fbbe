/* How far from the exact result an operator may be when all that is wrong is that its types are not exact: what the
 * interpreter gives with every value rounded to its type. An output near which rounding alone makes a large relative
 * error (a final state that nearly cancels, a sum near 0) cannot be judged by a fixed bar. */
#ifndef PLAIT_IR_ROUNDING_H
#define PLAIT_IR_ROUNDING_H

#include "ir/interp.h"

/* How many times what rounding alone costs a compiled kernel may be off: it adds in another order. */
enum { PLAIT_ROUNDINGS = 4, PLAIT_ROUNDING_DRAWS = 8 };

/* Rewrites the operator so that the interpreter, which computes in double whatever the types, rounds every value to its
 * type. `draw` 0 rounds as they are; others first move each by a part of the rounding, a sum by a part of what rounding
 * its partial sums can cost, so that roundings fall differently, but numbers of few digits (positions, counts) stay
 * exact. */
void plait_round_values(PlaitFunction *function, uint64_t draw);

/* Of each output, plait_storage_error (ir/sample.h) of what the interpreter gives of the rounded operators: the
 * largest. `operators`: PLAIT_ROUNDING_DRAWS, as plait_round_values made them. False when memory runs out. */
bool plait_rounding_errors(PlaitFunction *const *operators, const int64_t *extents, const PlaitArray *inputs,
                           const PlaitArray *references, double *errors);

#endif
