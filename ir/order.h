/* Order of instructions in a region. */
#ifndef PLAIT_IR_ORDER_H
#define PLAIT_IR_ORDER_H

#include "ir/ir.h"

/* Puts the region's own instructions in an order where each stands after what it and its regions read, keeping the
 * present order where it can. There must be no cycle. Instructions inside nested regions are not moved. */
void plait_region_sort(PlaitFunction *function, PlaitRegion *region);

#endif
