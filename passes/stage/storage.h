/* The storage type of a value: that of the tensors it is made of. Matrix products of a GPU take it (they add in f32).
 */
#ifndef PLAIT_PASSES_STAGE_STORAGE_H
#define PLAIT_PASSES_STAGE_STORAGE_H

#include "ir/ir.h"

/* f16 or bf16 when every floating tensor along time that `value` depends on has that type, and there is one; else f32.
 * Tensors without an axis of time are parameters, whose precision is no measure of the data's. */
PlaitScalar plait_storage_of(const PlaitFunction *function, PlaitValue value);

#endif
