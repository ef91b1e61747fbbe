/* Positions as affine expressions: offset + sum of coefficient * iota(axis). Stage IR. */
#ifndef PLAIT_IR_AFFINE_H
#define PLAIT_IR_AFFINE_H

#include "ir/ir.h"

typedef struct PlaitAffine {
    int64_t offset;
    PlaitAxis axes[PLAIT_MAX_RANK];
    int64_t coefficients[PLAIT_MAX_RANK];
    uint32_t count;
} PlaitAffine;

/* Whether `value` (i32) is affine in positions with constant coefficients; then writes it to `affine`.
 * False, too, for expressions of hundreds of operations and for numbers of 2^30 and more. */
bool plait_affine(const PlaitFunction *function, PlaitValue value, PlaitAffine *affine);
/* Whether `value` is the position along `axis` plus a constant; then writes the constant. */
bool plait_affine_offset(const PlaitFunction *function, PlaitValue value, PlaitAxis axis, int64_t *offset);
/* Calls `visit` for each condition `form <= 0` (strict: `form < 0`) of a mask that is a conjunction of comparisons of
 * such positions. Comparisons of other forms are left out: then the result is false. */
typedef void PlaitAffineVisit(void *context, const PlaitAffine *form, bool strict);
bool plait_affine_conditions(const PlaitFunction *function, PlaitValue mask, PlaitAffineVisit *visit, void *context);
/* The coefficient of `axis` (0 when absent). */
int64_t plait_affine_coefficient(const PlaitAffine *affine, PlaitAxis axis);

#endif
