/* Inside the pass `online`: how a summand depends on earlier reductions over the same axis. */
#ifndef PLAIT_PASSES_STAGE_ONLINE_H
#define PLAIT_PASSES_STAGE_ONLINE_H

#include "ir/clone.h"

/* One fold being built: reductions over one axis that one pass over the positions computes. */
typedef struct PlaitFoldGroup {
    PlaitFunction *function;
    PlaitAxis axis;
    PlaitValue mask;        /* of the reduction whose summand is split; 0: none */
    const bool *tainted;    /* by value: depends on a reduction of this group */
    uint32_t tainted_count; /* values from here on are new: not tainted */
    PlaitBuilder body;      /* inside the fold */
    PlaitCloneMap inside;   /* value -> its copy inside (values over the axis) */
} PlaitFoldGroup;

/* summand = core * exp(shift) * factor. core: inside the fold, free of the group's reductions, and without the
 * exponential of `exponents`; shift and factor: values outside the fold without its axis, 0 when there is none. */
typedef struct PlaitSummand {
    PlaitValue core;      /* built inside the fold, or 0: 1 */
    PlaitValue exponents; /* built inside the fold: core is multiplied by exp(exponents + shift); 0: none */
    PlaitValue shift;     /* built before the fold's place, in terms of the group's reductions */
    PlaitValue factor;
    bool infinite; /* the exponents may be infinite */
} PlaitSummand;

/* Splits `summand`; new values outside go to `outside`. False when the dependence is of another form. */
bool plait_summand_split(PlaitFoldGroup *group, PlaitBuilder *outside, PlaitValue summand, PlaitSummand *result);

/* Whether an exponential's exponent cannot grow while its running shift changes: as far as positions have been seen,
 * the shift is minus a bound of what varies along the axis. `infinite` says whether that may be infinite. */
bool plait_exponent_is_bounded(const PlaitFoldGroup *group, PlaitValue exponent, bool *infinite);

/* Whether the mask lets through, in each row of the axis that `axis` is a second name of, the row's own position. */
bool plait_mask_has_diagonal(const PlaitFunction *function, PlaitValue mask, PlaitAxis axis);

/* The copy of `value` inside the fold: computed there when it varies along the axis and is cheap to compute again, else
 * itself. */
PlaitValue plait_fold_inside(PlaitFoldGroup *group, PlaitValue value);

#endif
