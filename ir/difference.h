/* Gradients against finite differences, both in the interpreter's double precision. */
#ifndef PLAIT_IR_DIFFERENCE_H
#define PLAIT_IR_DIFFERENCE_H

#include "ir/interp.h"

/* Directions in which each input is moved. One sees every element of the gradient, so that a single wrong one shows
 * unless it is a millionth of the whole; another is drawn in case its steps cross kinks. */
enum { PLAIT_DIFFERENCE_DIRECTIONS = 3, PLAIT_DIFFERENCE_DRAWS = 4 };

/* What is left between the two in double precision. The difference of values h apart, divided by 2h, is off by h^2 / 6
 * times a third derivative and by 1e-16 / h times the values: with the best of several h from 1e-3 to 1e-6 both are
 * below 1e-9 where derivatives are of the size of values, and a thousand times that leaves room for those that are not.
 */
#define PLAIT_DIFFERENCE_LIMIT 1e-6

typedef struct PlaitDifference {
    uint32_t input; /* its number among the operator's parameters */
    double error;   /* the largest over the directions, of the gradient's own size */
    uint32_t kinks; /* directions left out: the derivatives to both sides differ, or it changes faster than any h */
} PlaitDifference;

/* Compares the gradients that `backward` computes with differences of `forward`, from which `differentiate` made it.
 *   extents      of the axes of `forward`
 *   inputs       of `forward`, all with data; floats are moved a little first, off the numbers of few digits at which
 *                max and abs have kinks
 *   differences  one for each real input, in order; `count` says how many
 * False when memory runs out. */
bool plait_gradients_compare(const PlaitFunction *forward, const PlaitFunction *backward, const int64_t *extents,
                             PlaitArray *inputs, uint64_t seed, PlaitDifference *differences, uint32_t *count);

#endif
