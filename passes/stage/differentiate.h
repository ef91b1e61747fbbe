/* Inside the pass `differentiate`: gradients, and where they are collected.
 *
 * All values of the forward computation stand in the operator's body. What a scan's body computes does so too, for all
 * tokens at once, made anew from the states before each token; only what depends on the gradient of a state stands in
 * the body of another scan, the reverse one. Each such body, and the operator's, is a *frame*.
 */
#ifndef PLAIT_PASSES_STAGE_DIFFERENTIATE_H
#define PLAIT_PASSES_STAGE_DIFFERENTIATE_H

#include "ir/clone.h"

enum { PLAIT_MAX_FRAMES = 8 };

/* The gradient of a value: `value` where `mask` (0: everywhere) is true, else 0. Both have axes of the value only, and
 * perhaps not all of them. Where the mask is false `value` may be anything, also NaN: what a reduction does not look
 * at, or a select does not choose, may be out of every range. */
typedef struct PlaitGradient {
    PlaitValue value; /* 0: none so far */
    PlaitValue mask;
} PlaitGradient;

/* A part of the gradient of a value that is there at each position of `full`, which has all axes of the value: over the
 * others it is still to be summed. */
typedef struct PlaitGradientPart {
    PlaitValue of;
    PlaitType full;
    PlaitGradient gradient;
} PlaitGradientPart;

typedef PLAIT_VECTOR(PlaitGradientPart) PlaitGradientParts;

typedef struct PlaitFrame {
    uint32_t depth; /* 0: the operator's body */
    PlaitBuilder at;
    PlaitAxis axis;     /* of the scan; PLAIT_NO_AXIS for the operator's body */
    PlaitValues values; /* that belong to the frame and are not differentiated yet: the last one is next */
    PLAIT_VECTOR(PlaitGradient) gradients; /* by value */
    PlaitGradientParts parts;              /* of values of the frame */
    PlaitGradientParts captured;           /* of values from outside, summed there */
} PlaitFrame;

/* Of a value of the forward computation. */
typedef struct PlaitForward {
    bool active;   /* a gradient of it says something about an input */
    uint8_t depth; /* of the frame to which it belongs: the innermost whose states it depends on */
} PlaitForward;

typedef struct PlaitReverse {
    PlaitFunction *function;
    PlaitArena *arena;
    PlaitBuilder forward; /* at the operator's body */
    PLAIT_VECTOR(PlaitForward) values;
    PlaitFrame *frames[PLAIT_MAX_FRAMES]; /* by depth */
    bool failed;                          /* after a report */
} PlaitReverse;

/* ---- differentiate.c ---- */

/* Reports why the operator, or what stands at `span`, has no backward. */
void plait_reverse_fail(PlaitReverse *reverse, PlaitSpan span, const char *found, const char *expected,
                        const char *help);
/* Notes a value of the forward computation, which belongs to the frame of that depth at least; it will be
 * differentiated. */
void plait_reverse_note(PlaitReverse *reverse, PlaitValue value, uint32_t depth);
/* The same for one that counts as a constant. */
void plait_reverse_note_constant(PlaitReverse *reverse, PlaitValue value);
PlaitForward plait_reverse_of(const PlaitReverse *reverse, PlaitValue value);
/* Adds to the gradients of its operands what a part of the gradient of one value makes them. */
void plait_reverse_one(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part);
/* Differentiates all values of the frame. */
void plait_reverse_run(PlaitReverse *reverse, PlaitFrame *frame);

/* ---- differentiate_sum.c ---- */

/* Adds `gradient`, one at each position of `full`, to that of `of`. */
void plait_gradient_add(PlaitReverse *reverse, PlaitFrame *frame, PlaitValue of, PlaitGradient gradient,
                        PlaitType full);
/* The same part, summed over what the value lacks if with the operands' axes there were too many, or if the value is a
 * sum over one of them: those are other positions. */
PlaitGradientPart plait_gradient_fit(PlaitFrame *frame, PlaitGradientPart part);
/* That of a value of the frame, or of none. */
PlaitGradient plait_gradient_of(const PlaitFrame *frame, PlaitValue of);
/* The gradient as one value, 0 where its mask is false; 0 when there is none. */
PlaitValue plait_gradient_value(PlaitBuilder *at, PlaitGradient gradient);
/* The same, limited to where `mask` is true. */
PlaitGradient plait_gradient_where(PlaitBuilder *at, PlaitGradient gradient, PlaitValue mask);
/* The scalar type that gradients of a value are computed in. */
PlaitScalar plait_gradient_scalar(const PlaitFunction *function, PlaitValue of);

/* ---- differentiate_shift.c ---- */

/* Whether `value`, which stands in the region, is a maximum or minimum that what leaves the region does not depend on,
 * whatever it is. */
bool plait_is_shift(PlaitReverse *reverse, const PlaitRegion *region, PlaitValue value);

/* ---- rules: what goes to the operands of a value with a gradient ---- */

/* `part.full` is the value's own type but for pointwise operations and sums. */
typedef void PlaitGradientRule(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part);
PlaitGradientRule plait_gradient_pointwise; /* differentiate_pointwise.c: rows of scalar_ops.def */
/* One for each other operation of Stage IR. */
#define OP(id, text, least, most, attributes, regions, meaning) PlaitGradientRule plait_gradient_##id;
#include "ir/common_ops.def"
#include "ir/stage_ops.def"
#undef OP

#endif
