/* Reductions, running sums and convolutions. */
#include "frontend/lower.h"

/* The scalar type that can be added; false after reporting bool. */
static bool check_number(PlaitSema *sema, PlaitSpan span, PlaitTerm *x)
{
    *x = plait_term_computing(sema, *x);
    if (x->kind != PLAIT_TERM_VALUE || plait_term_type(sema, *x).scalar != PLAIT_BOOL) return true;
    plait_sema_report(sema, PLAIT_WRONG_TYPE, span, plait_term_text(sema, *x), "numbers",
                      "`f32(condition)` turns a truth value into 1 or 0");
    return false;
}

static bool check_axis(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitAxis axis)
{
    if (plait_term_has_axis(sema, x, axis)) return true;
    plait_sema_report_missing_axis(sema, span, x, axis, false);
    return false;
}

static bool check_taps(PlaitSema *sema, PlaitSpan span, PlaitTerm filter, PlaitAxis taps)
{
    if (plait_term_has_axis(sema, filter, taps)) return true;
    plait_sema_report_missing_axis(sema, span, filter, taps, true);
    return false;
}

/* The conjunction of the masks of the attend stages whose axes are reduced. */
static PlaitTerm mask_of(PlaitSema *sema, PlaitSpan span, const PlaitAxis *axes, uint32_t count)
{
    PlaitTerm mask = plait_number(1, PLAIT_NUMBER_TRUTH);
    for (const PlaitStage *stage = sema->stage; stage; stage = stage->outer) {
        for (uint32_t i = 0; stage->attend && stage->mask && i < count; i++) {
            if (stage->axis != axes[i]) continue;
            mask = mask.kind == PLAIT_TERM_NUMBER
                       ? plait_term(stage->mask)
                       : plait_sema_binary(sema, span, PLAIT_OP_AND, mask, plait_term(stage->mask));
        }
    }
    return mask;
}

PlaitTerm plait_sema_reduce(PlaitSema *sema, PlaitSpan span, PlaitOp op, PlaitTerm x, const PlaitAxis *axes,
                            uint32_t count)
{
    if (x.kind == PLAIT_TERM_POISON || !check_number(sema, span, &x)) return plait_poison();
    for (uint32_t i = 0; i < count; i++)
        if (!check_axis(sema, span, x, axes[i]) || !plait_sema_check_motion(sema, span, x, axes[i], "reduced"))
            return plait_poison();
    PlaitTerm mask = mask_of(sema, span, axes, count);
    if (mask.kind == PLAIT_TERM_POISON || !plait_terms_fit(sema, span, (PlaitTerm[]){x, mask}, 2))
        return plait_poison();
    return plait_term(plait_build_reduce(&sema->builder, op, x.value, mask.value, axes, count));
}

/* The number of positions that a mean is over: all of them, or those that the masks let through, at least 1. */
static PlaitTerm count_positions(PlaitSema *sema, PlaitSpan span, PlaitScalar scalar, const PlaitAxis *axes,
                                 uint32_t count)
{
    PlaitTerm mask = mask_of(sema, span, axes, count);
    if (mask.kind == PLAIT_TERM_VALUE) {
        PlaitType type = plait_type(scalar);
        for (uint32_t i = 0; i < count; i++) type = plait_type_with(type, axes[i]);
        PlaitValue ones = plait_build_broadcast(&sema->builder, plait_build_const(&sema->builder, scalar, 1), type);
        PlaitTerm positions =
            plait_term(plait_build_reduce(&sema->builder, PLAIT_OP_REDUCE_SUM, ones, mask.value, axes, count));
        return plait_sema_binary(sema, span, PLAIT_OP_MAX, positions, plait_number(1, PLAIT_NUMBER_WHOLE));
    }
    PlaitTerm positions = plait_number(1, PLAIT_NUMBER_WHOLE);
    for (uint32_t i = 0; i < count; i++) {
        PlaitTerm size = plait_sema_size(sema, axes[i]);
        if (size.kind == PLAIT_TERM_VALUE) size = plait_term_as(sema, span, size, scalar);
        positions = plait_sema_binary(sema, span, PLAIT_OP_MUL, positions, size);
    }
    return positions;
}

PlaitTerm plait_sema_mean(PlaitSema *sema, PlaitSpan span, PlaitTerm x, const PlaitAxis *axes, uint32_t count)
{
    if (x.kind == PLAIT_TERM_POISON || !check_number(sema, span, &x)) return plait_poison();
    if (x.kind == PLAIT_TERM_VALUE && plait_term_type(sema, x).scalar == PLAIT_I32)
        x = plait_term_as(sema, span, x, PLAIT_F32);
    PlaitTerm sum = plait_sema_reduce(sema, span, PLAIT_OP_REDUCE_SUM, x, axes, count);
    if (sum.kind == PLAIT_TERM_POISON) return sum;
    PlaitTerm positions = count_positions(sema, span, (PlaitScalar)plait_term_type(sema, sum).scalar, axes, count);
    return plait_sema_binary(sema, span, PLAIT_OP_DIV, sum, positions);
}

/* The stage in which a running sum along the axis cannot stand: the same loop over again. */
static bool check_running(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitAxis axis)
{
    for (const PlaitStage *stage = sema->stage; stage; stage = stage->outer) {
        bool clash = stage->attend ? plait_term_has_axis(sema, x, stage->axis) : stage->axis == axis;
        if (!clash) continue;
        const char *name = plait_axis_text(sema->builder.function, stage->axis);
        plait_sema_report(
            sema, PLAIT_STAGE_NESTING, span,
            plait_sema_format(sema, "a running sum inside `%s %s`", stage->attend ? "attend" : "scan", name),
            "stages one after another", "compute it in a statement before the block");
        return false;
    }
    return true;
}

/* cumsum[t](x) is scan t carry c = 0 { c = c + x } with c after each token as its output. */
PlaitTerm plait_sema_cumsum(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitAxis axis)
{
    if (x.kind == PLAIT_TERM_POISON || !check_number(sema, span, &x) || !check_axis(sema, span, x, axis) ||
        !check_running(sema, span, x, axis))
        return plait_poison();
    PlaitBuilder *builder = &sema->builder;
    PlaitFunction *function = builder->function;
    PlaitType type = plait_term_type(sema, x);
    PlaitValue zero = plait_build_const(builder, (PlaitScalar)type.scalar, 0);
    PlaitRegion *outer = builder->region, *region = plait_region_create(function, outer);
    PlaitValue before = plait_build_argument(function, region, type, builder->span);
    builder->region = region;
    PlaitValue after = plait_build_binary(builder, PLAIT_OP_ADD, before, x.value);
    builder->region = outer;
    plait_yield(function, region, after);
    plait_yield(function, region, after);
    PlaitValue scan = plait_build_owner(builder, PLAIT_OP_SCAN, &zero, 1, region);
    plait_set_axes(function, scan, &axis, 1);
    plait_set_ints(function, scan, (int64_t[]){1}, 1);
    return plait_term(plait_build_result(builder, scan, 1, type));
}

/* ---- convolution ---- */

static PlaitTerm wrong_filter(PlaitSema *sema, PlaitSpan span, const char *found, const char *expected,
                              const char *help)
{
    plait_sema_report(sema, PLAIT_CONV_FILTER, span, found, expected, help);
    return plait_poison();
}

/* Which axes are time and taps: `conv[w]`, `conv[w, t]` are short, `conv[t]` with a time axis is long. */
static bool conv_axes(PlaitSema *sema, PlaitSpan span, PlaitTerm x, const PlaitAxis *axes, uint32_t count,
                      PlaitAxis *time, PlaitAxis *taps)
{
    PlaitAxis candidates[PLAIT_MAX_RANK];
    *taps = axes[0];
    *time = count == 2 ? axes[1] : axes[0];
    if (count == 2 || plait_axes_info(sema, axes[0])->role == PLAIT_ROLE_TIME) return true;
    PlaitType type;
    uint32_t found = plait_sema_time_to_move(sema, x, candidates, &type);
    if (found == 1) {
        *time = candidates[0];
        return true;
    }
    const char *text = x.kind == PLAIT_TERM_VALUE ? plait_sema_type_text(sema, type) : plait_term_text(sema, x);
    wrong_filter(sema, span,
                 plait_sema_format(sema, "%s, which has %s time axis", text, found ? "more than one" : "no"),
                 "a value with one time axis", "name the time axis after the axis of the taps: `conv[w, t](x, f)`");
    return false;
}

static bool check_conv_types(PlaitSema *sema, PlaitSpan span, PlaitTerm *x, PlaitTerm *filter)
{
    if (!check_number(sema, span, x) || !check_number(sema, span, filter) ||
        !plait_terms_promote(sema, span, x, filter))
        return false;
    if (plait_term_type(sema, *x).scalar == PLAIT_I32) {
        *x = plait_term_as(sema, span, *x, PLAIT_F32);
        *filter = plait_term_as(sema, span, *filter, PLAIT_F32);
    }
    return plait_terms_fit(sema, span, (PlaitTerm[]){*x, *filter}, 2);
}

/* Whether x has the taps and the filter has the time: the other way round. */
static bool is_swapped(const PlaitSema *sema, PlaitTerm x, PlaitTerm filter, const PlaitAxis *axes, uint32_t count)
{
    PlaitAxis ignored[PLAIT_MAX_RANK];
    if (!plait_term_has_axis(sema, x, axes[0]) || plait_term_has_axis(sema, filter, axes[0]) ||
        filter.kind != PLAIT_TERM_VALUE)
        return false;
    if (count == 2) return plait_term_has_axis(sema, filter, axes[1]) && !plait_term_has_axis(sema, x, axes[1]);
    return plait_axes_of_time(sema, plait_term_type(sema, filter), ignored) > 0 &&
           plait_axes_of_time(sema, plait_term_type(sema, x), ignored) == 0;
}

PlaitTerm plait_sema_conv(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitTerm filter, const PlaitAxis *axes,
                          uint32_t count)
{
    if (x.kind == PLAIT_TERM_POISON || filter.kind == PLAIT_TERM_POISON) return plait_poison();
    PlaitAxis time, taps;
    if (is_swapped(sema, x, filter, axes, count))
        return wrong_filter(sema, span,
                            plait_sema_format(sema, "the filter %s before the value %s", plait_term_text(sema, x),
                                              plait_term_text(sema, filter)),
                            "the value, then the filter",
                            plait_sema_format(sema, "the filter is the second argument: `conv[%s](x, filter)`",
                                              plait_axis_text(sema->builder.function, axes[0])));
    if (!conv_axes(sema, span, x, axes, count, &time, &taps)) return plait_poison();
    if (!check_axis(sema, span, x, time) || !check_taps(sema, span, filter, taps) ||
        !check_conv_types(sema, span, &x, &filter))
        return plait_poison();
    const char *name = plait_axis_text(sema->builder.function, taps),
               *along = plait_axis_text(sema->builder.function, time);
    if (taps != time) {
        if (plait_axes_info(sema, taps)->size == PLAIT_RUNTIME_SIZE)
            return wrong_filter(
                sema, span, plait_sema_format(sema, "the axis `%s` of run-time size for the taps", name),
                "an axis of static size",
                "declare it with a size, as in `axis w = 4`; a filter as long as the sequence is `conv[t](x, f)`");
        if (plait_term_has_axis(sema, x, taps))
            return wrong_filter(sema, span,
                                plait_sema_format(sema, "%s, which has the axis `%s` of the taps itself",
                                                  plait_term_text(sema, x), name),
                                "a value without it", "reduce over it first, or give the filter an axis of its own");
        if (plait_term_has_axis(sema, filter, time))
            return wrong_filter(
                sema, span,
                plait_sema_format(sema, "the filter %s, which changes from token to token",
                                  plait_term_text(sema, filter)),
                "a filter without the time axis",
                plait_sema_format(sema, "write it as a sum: `sum[%s](f * x@[%s](%s - size(%s) + 1 + position(%s)))`",
                                  name, along, along, name, name));
    }
    if (!plait_sema_check_motion(sema, span, x, time, "convolved") ||
        (taps == time && !plait_sema_check_motion(sema, span, filter, time, "convolved")))
        return plait_poison();
    return plait_term(plait_build_conv(&sema->builder, x.value, filter.value, time, taps));
}
