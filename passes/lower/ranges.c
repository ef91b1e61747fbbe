/* The range of a fold's positions that its masks can let through.
 *
 * A mask that is a conjunction of comparisons affine in positions (s <= t, t - s < 128, ...) bounds s for a block of
 * rows: each conjunct with coefficient 1 or -1 on s gives an upper or lower bound that is affine in the other
 * positions, taken at the row of the block where it is widest. Conjuncts of other forms bound nothing. With several
 * reductions the range covers all of them.
 *
 * So does a number that is the same for all of a program's rows, whatever it is made of: s >= x.
 *
 * The same bounds at the row where they are narrowest give the positions that all masks let through for all rows: tiles
 * inside of them need no mask, but for conjuncts of other forms.
 */
#include "ir/affine.h"
#include "passes/lower/masks.h"

typedef struct Bounds {
    PlaitLowering *lowering;
    PlaitAxis axis;
    PlaitFoldMasks masks;
} Bounds;

typedef struct Range {
    Bounds *bounds;
    bool full;           /* positions that the mask lets through for all rows, not for some */
    bool unknown;        /* a condition has no bound of this kind */
    PlaitValue from, to; /* 0: unbounded */
} Range;

/* The largest or smallest value over the program of coefficient * position along `axis`; 0 when it is not known. */
static PlaitValue extreme_term(Bounds *bounds, PlaitAxis axis, int64_t coefficient, bool largest)
{
    PlaitLowering *lowering = bounds->lowering;
    PlaitValue index = lowering->outer.index[axis];
    if (!index) return 0;
    const PlaitInst *inst = plait_inst(lowering->kernel, index);
    PlaitValue start = index;
    if (inst->type.rank) {
        if (inst->op != PLAIT_OP_IOTA) return 0;
        int64_t last = (int64_t)lowering->kernel->axes.data[inst->axes[0]].tile - 1;
        start = inst->operand_count ? inst->operands[0] : plait_lower_i32(lowering, 0);
        if ((coefficient > 0) == largest)
            start = plait_lower_binary(lowering, PLAIT_OP_ADD, start, plait_lower_i32(lowering, last));
    }
    return coefficient == 1 ? start
                            : plait_lower_binary(lowering, PLAIT_OP_MUL, start, plait_lower_i32(lowering, coefficient));
}

/* The extreme of scale * (form without the fold's axis). */
static PlaitValue extreme(Bounds *bounds, const PlaitAffine *form, int64_t scale, bool largest)
{
    PlaitValue sum = plait_lower_i32(bounds->lowering, scale * form->offset);
    for (uint32_t i = 0; i < form->count; i++) {
        if (form->axes[i] == bounds->axis || form->coefficients[i] == 0) continue;
        PlaitValue term = extreme_term(bounds, form->axes[i], scale * form->coefficients[i], largest);
        if (!term) return 0;
        sum = plait_lower_binary(bounds->lowering, PLAIT_OP_ADD, sum, term);
    }
    return sum;
}

static PlaitValue narrower(PlaitLowering *lowering, PlaitOp op, PlaitValue a, PlaitValue b)
{
    if (!a || !b) return a ? a : b;
    return plait_lower_binary(lowering, op, a, b);
}

/* Narrows the range by form <= 0 (strict: < 0). */
static void add_bound(void *context, const PlaitAffine *form, bool strict)
{
    Range *range = context;
    Bounds *bounds = range->bounds;
    PlaitLowering *lowering = bounds->lowering;
    int64_t coefficient = plait_affine_coefficient(form, bounds->axis);
    if (coefficient == 1) { /* s <= -rest */
        PlaitValue most = extreme(bounds, form, -1, !range->full);
        range->unknown |= !most;
        if (most && !strict) most = plait_lower_binary(lowering, PLAIT_OP_ADD, most, plait_lower_i32(lowering, 1));
        range->to = narrower(lowering, PLAIT_OP_MIN, range->to, most);
    } else if (coefficient == -1) { /* s >= rest */
        PlaitValue least = extreme(bounds, form, 1, range->full);
        range->unknown |= !least;
        if (least && strict) least = plait_lower_binary(lowering, PLAIT_OP_ADD, least, plait_lower_i32(lowering, 1));
        range->from = narrower(lowering, PLAIT_OP_MAX, range->from, least);
    } else {
        range->unknown = true;
    }
}

/* The number x of a mask s >= x, when the whole program has one; 0: the mask is something else. */
static PlaitValue least_of_program(Bounds *bounds, PlaitValue mask)
{
    PlaitLowering *lowering = bounds->lowering;
    const PlaitFunction *operator_ = lowering->operator_;
    const PlaitInst *inst = plait_inst(operator_, mask);
    while (inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(operator_, inst->operands[0]);
    if (inst->op != PLAIT_OP_GE) return 0;
    const PlaitInst *position = plait_inst(operator_, inst->operands[0]);
    PlaitType type = plait_type_of(operator_, inst->operands[1]);
    if (position->op != PLAIT_OP_IOTA || position->axes[0] != bounds->axis || plait_type_has(type, bounds->axis) ||
        type.scalar != PLAIT_I32 || lowering->loop_region)
        return 0;
    if (plait_tile_type(lowering, type, &lowering->outer).rank) return 0;
    return plait_lower_value(lowering, inst->operands[1], &lowering->outer);
}

/* The last rows see most positions: their programs run longest, and so begin first. */
static void begin_with_last_rows(PlaitLowering *lowering)
{
    PlaitFunction *kernel = lowering->kernel;
    for (uint32_t i = 0; i < kernel->grid.count; i++)
        if (kernel->grid.data[i].axis == lowering->plan.rows) kernel->grid.data[i].down = true;
}

void plait_lower_fold_range(PlaitLowering *lowering, PlaitValue fold, PlaitValue *from, PlaitValue *to)
{
    const PlaitInst *inst = plait_inst(lowering->operator_, fold);
    Bounds bounds = {.lowering = lowering, .axis = inst->axes[0]};
    *from = plait_lower_i32(lowering, 0);
    *to = plait_lower_size(lowering, bounds.axis);
    bounds.masks = plait_fold_masks(lowering->operator_, fold);
    if (bounds.masks.unmasked || bounds.masks.count == 0) return;
    Range all = {0};
    for (uint32_t i = 0; i < bounds.masks.count; i++) {
        Range range = {.bounds = &bounds};
        plait_affine_conditions(lowering->operator_, bounds.masks.data[i], add_bound, &range);
        range.from = narrower(lowering, PLAIT_OP_MAX, range.from, least_of_program(&bounds, bounds.masks.data[i]));
        bool first = i == 0;
        all.from = first                    ? range.from
                   : all.from && range.from ? plait_lower_binary(lowering, PLAIT_OP_MIN, all.from, range.from)
                                            : 0;
        all.to = first                ? range.to
                 : all.to && range.to ? plait_lower_binary(lowering, PLAIT_OP_MAX, all.to, range.to)
                                      : 0;
    }
    if (all.from) *from = plait_lower_binary(lowering, PLAIT_OP_MAX, *from, all.from);
    if (all.to) *to = plait_lower_binary(lowering, PLAIT_OP_MIN, *to, all.to);
    if (all.to) begin_with_last_rows(lowering);
}

/* Narrows the range by the conjunct; false, leaving it, when that is no such condition. */
static bool narrow_full(Range *range, PlaitValue conjunct)
{
    Range narrowed = *range;
    bool known = plait_affine_conditions(range->bounds->lowering->operator_, conjunct, add_bound, &narrowed);
    if (!known || narrowed.unknown) return false;
    *range = narrowed;
    return true;
}

bool plait_lower_fold_full(PlaitLowering *lowering, PlaitValue fold, PlaitFullRange *full)
{
    const PlaitInst *inst = plait_inst(lowering->operator_, fold);
    Bounds bounds = {lowering, inst->axes[0], plait_fold_masks(lowering->operator_, fold)};
    Range range = {.bounds = &bounds, .full = true};
    *full = (PlaitFullRange){.everywhere = true};
    if (bounds.masks.count == PLAIT_MOST_MASKS) return false;
    for (uint32_t i = 0; i < bounds.masks.count; i++) {
        PlaitValues conjuncts = plait_mask_conjuncts(lowering->operator_, bounds.masks.data[i]);
        for (uint32_t k = 0; k < conjuncts.count; k++) {
            if (narrow_full(&range, conjuncts.data[k])) full->everywhere = false;
            else plait_push(lowering->arena, &full->rest, conjuncts.data[k]);
        }
    }
    /* One rest is left of all reductions. */
    if (full->rest.count && (bounds.masks.unmasked || bounds.masks.count > 1)) return false;
    full->from = range.from;
    full->to = narrower(lowering, PLAIT_OP_MIN, range.to, plait_lower_size(lowering, bounds.axis));
    return true;
}
