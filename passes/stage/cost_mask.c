/* The share of positions that a mask lets through.
 *
 * Each condition is form <= 0 with a form that is affine in positions. For each position along one axis (of long ones,
 * every n-th) the conditions leave an interval of the other, whose length is added up: half of the pairs for s <= t,
 * nearly w of t for a window of w.
 */
#include "ir/affine.h"
#include "passes/stage/cost.h"

enum { MOST_CONDITIONS = 16, MOST_ROWS = 1 << 16 };

/* inner * i + outer * o + offset <= 0 for positions i and o along the two axes. */
typedef struct Condition {
    int64_t inner, outer, offset;
} Condition;

typedef struct Conditions {
    PlaitType axes; /* at most two: the inner one, then the outer one */
    Condition list[MOST_CONDITIONS];
    uint32_t count;
} Conditions;

/* Takes the condition, unless it needs a third axis. */
static void add_condition(void *context, const PlaitAffine *form, bool strict)
{
    Conditions *conditions = context;
    PlaitType axes = conditions->axes;
    for (uint32_t i = 0; i < form->count; i++) {
        if (form->coefficients[i] == 0) continue;
        if (axes.rank == 2 && !plait_type_has(axes, form->axes[i])) return;
        axes = plait_type_with(axes, form->axes[i]);
    }
    if (axes.rank == 0 || conditions->count == MOST_CONDITIONS) return;
    conditions->axes = axes;
    conditions->list[conditions->count++] =
        (Condition){plait_affine_coefficient(form, axes.axes[0]),
                    axes.rank > 1 ? plait_affine_coefficient(form, axes.axes[1]) : 0, form->offset + strict};
}

/* a / b rounded down; b > 0. */
static int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* How many of `extent` positions along the inner axis are left at position `o` of the outer one. */
static int64_t left_at(const Conditions *conditions, int64_t o, int64_t extent)
{
    int64_t from = 0, to = extent;
    for (uint32_t i = 0; i < conditions->count; i++) {
        const Condition *condition = &conditions->list[i];
        int64_t rest = condition->outer * o + condition->offset;
        if (condition->inner == 0 && rest > 0) return 0;
        if (condition->inner > 0) {
            int64_t end = floor_divide(-rest, condition->inner) + 1;
            if (end < to) to = end;
        } else if (condition->inner < 0) {
            int64_t begin = -floor_divide(-rest, -condition->inner);
            if (begin > from) from = begin;
        }
    }
    return from < to ? to - from : 0;
}

PlaitShare plait_cost_mask_share(const PlaitFunction *function, PlaitValue mask, const int64_t *extents)
{
    Conditions conditions = {.axes = plait_type(PLAIT_BOOL)};
    plait_affine_conditions(function, mask, add_condition, &conditions);
    PlaitShare all = {1, plait_type(PLAIT_BOOL)};
    if (conditions.count == 0) return all;
    int64_t inner = extents[conditions.axes.axes[0]],
            outer = conditions.axes.rank > 1 ? extents[conditions.axes.axes[1]] : 1;
    int64_t step = outer / MOST_ROWS + 1, rows = 0;
    double left = 0;
    for (int64_t o = step / 2; o < outer; o += step, rows++) left += (double)left_at(&conditions, o, inner);
    if (rows == 0 || inner == 0) return all;
    return (PlaitShare){left / ((double)rows * (double)inner), conditions.axes};
}
