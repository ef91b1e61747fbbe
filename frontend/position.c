/* `x@index`: the value of x at another position along one of its axes; and sizes of axes. */
#include "frontend/lower.h"

/* The index as i32; poison after a report. */
static PlaitTerm index_term(PlaitSema *sema, const PlaitAstExpression *expression)
{
    PlaitTerm index = plait_sema_expression(sema, expression);
    if (index.kind == PLAIT_TERM_POISON) return index;
    if (index.kind == PLAIT_TERM_NUMBER && index.number_kind == PLAIT_NUMBER_WHOLE)
        return plait_term_as(sema, expression->span, index, PLAIT_I32);
    if (index.kind == PLAIT_TERM_VALUE && plait_term_type(sema, index).scalar == PLAIT_I32) return index;
    plait_sema_report(sema, PLAIT_WRONG_TYPE, expression->span,
                      plait_sema_format(sema, "%s as a position", plait_term_text(sema, index)), "a whole number (i32)",
                      "positions are i32: convert with `i32(...)`; a product of matrices is a sum, `sum[d](x * w)`");
    return plait_poison();
}

/* `x@s` where x already varies along s. */
static bool check_once(PlaitSema *sema, const PlaitAstExpression *expression, PlaitTerm x)
{
    const PlaitAstExpression *index = expression->children.data[1];
    if (index->kind != PLAIT_AST_NAME || plait_scope_find(sema, index->name.name)) return true;
    PlaitAxis axis = plait_axes_find(sema, index->name);
    if (axis == PLAIT_NO_AXIS || !plait_term_has_axis(sema, x, axis)) return true;
    const char *name = plait_sema_text(sema, index->name.name);
    plait_sema_report(sema, PLAIT_POSITION_TWICE, expression->span,
                      plait_sema_format(sema, "`@%s` of %s", name, plait_term_text(sema, x)),
                      plait_sema_format(sema, "a value without the axis `%s`", name),
                      plait_sema_format(sema,
                                        "it varies along `%s` already: drop the `@%s`; another position stands in "
                                        "parentheses: `@(%s - 1)`",
                                        name, name, name));
    return false;
}

/* The axis of x that the index, the name of an axis, goes along: that of an attend, or declared the `same`. */
static PlaitAxis followed_axis(PlaitSema *sema, const PlaitAstExpression *index, PlaitType type)
{
    if (index->kind != PLAIT_AST_NAME || plait_scope_find(sema, index->name.name)) return PLAIT_NO_AXIS;
    PlaitAxis axis = plait_axes_find(sema, index->name);
    PlaitAxis along = axis == PLAIT_NO_AXIS ? axis : plait_axes_info(sema, axis)->same_as;
    return along != PLAIT_NO_AXIS && plait_type_has(type, along) ? along : PLAIT_NO_AXIS;
}

/* The one time axis of x, or that which the index goes along. */
static PlaitAxis time_axis(PlaitSema *sema, const PlaitAstExpression *expression, PlaitTerm x)
{
    PlaitAxis axes[PLAIT_MAX_RANK];
    PlaitType type;
    uint32_t count = plait_sema_time_to_move(sema, x, axes, &type);
    if (count == 1) return axes[0];
    PlaitAxis followed = count ? followed_axis(sema, expression->children.data[1], type) : PLAIT_NO_AXIS;
    if (followed != PLAIT_NO_AXIS) return followed;
    const char *text = x.kind == PLAIT_TERM_VALUE ? plait_sema_type_text(sema, type) : plait_term_text(sema, x);
    plait_sema_report(
        sema, PLAIT_POSITION_AXIS, expression->span,
        plait_sema_format(sema, "`@` of %s, which has %s time axis", text, count ? "more than one" : "no"),
        "a value with one time axis",
        count ? "name the axis to read along: `x@[a](index)`"
              : "it is the same at all positions: drop the `@`, or name another axis: `x@[a](index)`");
    return PLAIT_NO_AXIS;
}

static PlaitAxis named_axis(PlaitSema *sema, const PlaitAstExpression *expression, PlaitTerm x)
{
    PlaitAxis axis = plait_axes_resolve(sema, expression->axes.data[0]);
    if (axis == PLAIT_NO_AXIS || plait_term_has_axis(sema, x, axis)) return axis;
    plait_sema_report(
        sema, PLAIT_MISSING_AXIS, expression->axes.data[0].span,
        plait_sema_format(sema, "`@[%s]` of %s", plait_sema_text(sema, expression->axes.data[0].name),
                          plait_term_text(sema, x)),
        plait_sema_format(sema, "a value with the axis `%s`", plait_axis_text(sema->builder.function, axis)),
        "name an axis that the value has");
    return PLAIT_NO_AXIS;
}

PlaitTerm plait_sema_at(PlaitSema *sema, const PlaitAstExpression *expression)
{
    PlaitTerm x = plait_term_computing(sema, plait_sema_expression(sema, expression->children.data[0]));
    PlaitTerm index = index_term(sema, expression->children.data[1]);
    if (x.kind == PLAIT_TERM_POISON || index.kind == PLAIT_TERM_POISON) return plait_poison();
    PlaitAxis axis = PLAIT_NO_AXIS;
    if (expression->has_axes) axis = named_axis(sema, expression, x);
    if ((expression->has_axes && axis == PLAIT_NO_AXIS) || !check_once(sema, expression, x)) return plait_poison();
    if (!expression->has_axes) axis = time_axis(sema, expression, x);
    if (axis == PLAIT_NO_AXIS || !plait_sema_check_motion(sema, expression->span, x, axis, "read at another position"))
        return plait_poison();
    PlaitType rest = plait_type_without(plait_term_type(sema, x), axis);
    if (plait_type_union_rank(rest, plait_term_type(sema, index)) > PLAIT_MAX_RANK &&
        !plait_terms_fit(sema, expression->span, (PlaitTerm[]){x, index}, 2))
        return plait_poison();
    return plait_term(plait_build_gather(&sema->builder, x.value, axis, index.value));
}

/* Static sizes are numbers; those of run time are read there. */
PlaitTerm plait_sema_size(PlaitSema *sema, PlaitAxis axis)
{
    int64_t size = plait_axes_info(sema, axis)->size;
    if (size != PLAIT_RUNTIME_SIZE) return plait_number((double)size, PLAIT_NUMBER_WHOLE);
    return plait_term(plait_build_size(&sema->builder, axis));
}
