/* The interpreter of Stage IR: slow, obvious, in double precision. It is the oracle of every test.
 *
 * It runs an operator at any point of the pipeline (before or after any pass). Arithmetic is in double whatever
 * the declared types; i32 and bool values are exact; casts to f16, bf16 and f32 do not round.
 */
#ifndef PLAIT_IR_INTERP_H
#define PLAIT_IR_INTERP_H

#include "ir/ir.h"

/* A tensor of the interpreter: data[i] in the order of type.axes, last axis fastest, no gaps. */
typedef struct PlaitArray {
    PlaitType type;
    int64_t sizes[PLAIT_MAX_RANK];
    int64_t count; /* product of the sizes */
    double *data;
} PlaitArray;

/* Runs the operator.
 *   extents  number of positions of each axis of function->axes (static axes: their size)
 *   inputs   one for each of function->params in order; data NULL: use the parameter's fallback
 *   outputs  one for each of function->outputs; data is allocated here with malloc, freed by plait_array_free
 *   fold_block  positions per block of a fold (any value >= 1 gives the same result to rounding)
 * Returns false when memory runs out; then no output holds data. */
bool plait_interpret(const PlaitFunction *function, const int64_t *extents, const PlaitArray *inputs,
                     PlaitArray *outputs, int64_t fold_block);
void plait_array_free(PlaitArray *array);

#endif
