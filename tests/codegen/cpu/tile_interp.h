/* The direct meaning of Tile IR (docs/ir.md), slow and obvious: the oracle of the CPU code generator.
 *
 * Every instruction gives a whole tile before the next one begins. Each result is rounded to its scalar type once; sums
 * and products of reductions and dots are formed without rounding.
 */
#ifndef PLAIT_TESTS_CPU_TILE_INTERP_H
#define PLAIT_TESTS_CPU_TILE_INTERP_H

#include "tests/codegen/cpu/arrays.h"

/* Runs all programs of `kernel`. `extents` by axis of the kernel; `tensors` by value of its `tensor` instructions. */
void tile_interpret(PlaitArena *arena, const PlaitFunction *kernel, const int64_t *extents, TestArray *tensors);

/* Number of programs of the kernel's grid. */
int64_t tile_programs(const PlaitFunction *kernel, const int64_t *extents);

#endif
