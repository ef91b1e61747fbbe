/* How much of a thread's registers tiles take, once they have layouts. */
#ifndef PLAIT_PASSES_TILE_REGISTERS_H
#define PLAIT_PASSES_TILE_REGISTERS_H

#include "ir/ir.h"

/* Elements of a value of that type that each thread holds. */
uint32_t plait_tile_slots(const PlaitFunction *kernel, PlaitType type);

#endif
