/* How much of a thread's registers and of its program tiles take, once they have layouts. */
#ifndef PLAIT_IR_REGISTERS_H
#define PLAIT_IR_REGISTERS_H

#include "ir/ir.h"

/* Elements of a value of that type that each thread holds. */
uint32_t plait_tile_slots(const PlaitFunction *kernel, PlaitType type);
/* How long a thread's program is: elements of all tiles that it makes, each of which is written out. */
uint32_t plait_program_slots(const PlaitFunction *kernel);

#endif
