/* What an operator must move and compute at least, counted in its Stage IR at given sizes: an analysis, it changes
 * nothing.
 */
#ifndef PLAIT_PASSES_STAGE_COST_H
#define PLAIT_PASSES_STAGE_COST_H

#include "ir/ir.h"

typedef struct PlaitCost {
    double bytes;      /* every input read once, every output written once */
    double operations; /* on floating numbers; a multiply-add is two */
    double products;   /* those of them in matrix products with a factor of 16 bits, which matrix units can do */
    double functions;  /* transcendental functions, which are not among the operations */
} PlaitCost;

/* Of a whole operator. `extents` by axis of the function. */
PlaitCost plait_cost_count(const PlaitFunction *function, const int64_t *extents);
/* Of a region alone, whose yields are all needed; no bytes. */
PlaitCost plait_cost_count_region(const PlaitFunction *function, const PlaitRegion *region, const int64_t *extents);
/* Of an operator as written or after the passes, whichever has fewer operations: passes take factors out of sums, but
 * copy cheap values into several kernels. `extents` by axis of `written`. */
PlaitCost plait_cost_least(const PlaitFunction *written, const PlaitFunction *fused, const int64_t *extents);
/* The extents of `written` by axis of `fused`, which has axes of the same names, and further ones of the same extents.
 */
int64_t *plait_cost_extents(const PlaitFunction *fused, const PlaitFunction *written, const int64_t *extents);
/* Whether a reduction is a matrix product that matrix units can do: they round what is computed to 16 bits first. */
bool plait_cost_is_matrix_product(const PlaitFunction *function, const PlaitInst *reduce);
/* Whether it is a function of floats, but for those that are an instruction, or a few. */
bool plait_cost_is_function(PlaitOp op);
/* How many positions a type has. */
double plait_cost_positions(const int64_t *extents, PlaitType type);

/* Which positions of some axes count. */
typedef struct PlaitShare {
    double share;   /* 0 to 1 */
    PlaitType over; /* the axes that it depends on */
} PlaitShare;

/* What a mask lets through, as far as it is a conjunction of comparisons affine in positions of at most two axes. */
PlaitShare plait_cost_mask_share(const PlaitFunction *function, PlaitValue mask, const int64_t *extents);

#endif
