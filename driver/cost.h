/* What an operator must move and compute at least, counted in its Stage IR. */
#ifndef PLAIT_DRIVER_COST_H
#define PLAIT_DRIVER_COST_H

#include "ir/ir.h"

typedef struct PlaitCost {
    double bytes;      /* every input read once, every output written once */
    double operations; /* pointwise operations and the steps of reductions; a multiply-add is two */
} PlaitCost;

/* `extents` by axis of the function. */
PlaitCost plait_cost_count(const PlaitFunction *function, const int64_t *extents);

#endif
