/* `attend s where ... { ... }` has no operation of its own: it names a second time axis s and a mask.
 *
 * Inside the block s can be read and reduced over, reductions without brackets mean s, and every reduction over s takes
 * `where` as its mask. What still has the axis s at the end of the block is a score and cannot leave it.
 */
#include "frontend/lower.h"

/* The time axes of the values that a block reads. */
typedef struct TimeAxes {
    PlaitSema *sema;
    PlaitAxis axes[PLAIT_MAX_AXES];
    uint32_t count;
    bool poison;
} TimeAxes;

static void add_axis(TimeAxes *found, PlaitAxis axis)
{
    for (uint32_t i = 0; i < found->count; i++)
        if (found->axes[i] == axis) return;
    if (found->count < PLAIT_MAX_AXES) found->axes[found->count++] = axis;
}

static void add_name(void *context, const PlaitAstExpression *expression)
{
    TimeAxes *found = context;
    PlaitSema *sema = found->sema;
    if (expression->kind != PLAIT_AST_NAME) return;
    const PlaitBinding *binding = plait_scope_find(sema, expression->name.name);
    if (!binding) {
        PlaitAxis axis = plait_axes_find(sema, expression->name);
        if (axis != PLAIT_NO_AXIS && plait_axes_info(sema, axis)->role == PLAIT_ROLE_TIME) add_axis(found, axis);
        return;
    }
    found->poison |= binding->term.kind == PLAIT_TERM_POISON;
    if (binding->term.kind != PLAIT_TERM_VALUE || binding->escaped != PLAIT_NO_AXIS) return;
    PlaitAxis axes[PLAIT_MAX_RANK];
    uint32_t count = plait_axes_of_time(sema, plait_term_type(sema, binding->term), axes);
    for (uint32_t i = 0; i < count; i++) add_axis(found, axes[i]);
}

/* The axis whose positions a new attend axis runs over. */
static PlaitAxis find_along(PlaitSema *sema, const PlaitAstStatement *statement)
{
    TimeAxes found = {.sema = sema};
    plait_ast_visit(statement->value, add_name, &found);
    plait_ast_visit_block(statement->body, add_name, &found);
    if (found.count == 1) return found.axes[0];
    if (found.poison || sema->broken) return PLAIT_NO_AXIS;
    const char *name = plait_sema_text(sema, statement->name.name);
    plait_sema_report(
        sema, PLAIT_ATTEND_AXIS, statement->span,
        plait_sema_format(sema, "`attend %s` over values with %s time axis", name,
                          found.count ? "more than one" : "no"),
        "values with one time axis",
        plait_sema_format(sema, "say along which axis `%s` runs: `attend %s along t { ... }`", name, name));
    return PLAIT_NO_AXIS;
}

static PlaitAxis wrong_role(PlaitSema *sema, PlaitAstName name, const char *what)
{
    plait_sema_report(sema, PLAIT_AXIS_ROLE, name.span,
                      plait_sema_format(sema, "%s `%s`, which is no time axis", what, plait_sema_text(sema, name.name)),
                      "a time axis", "declare it as `axis s : time`");
    return PLAIT_NO_AXIS;
}

/* An axis that is declared already, as in cross attention. */
static PlaitAxis declared_axis(PlaitSema *sema, const PlaitAstStatement *statement, PlaitAxis axis)
{
    if (plait_axes_info(sema, axis)->role != PLAIT_ROLE_TIME) return wrong_role(sema, statement->name, "`attend` over");
    if (!statement->along.name) return axis;
    plait_sema_report(
        sema, PLAIT_ATTEND_AXIS, statement->along.span,
        plait_sema_format(sema, "`along` for the declared axis `%s`", plait_sema_text(sema, statement->name.name)),
        "an axis that is not declared", "remove `along`: the axis has an extent of its own");
    return axis;
}

static PlaitAxis new_axis(PlaitSema *sema, const PlaitAstStatement *statement)
{
    if (plait_scope_find(sema, statement->name.name)) {
        plait_sema_report(
            sema, PLAIT_AXIS_VARIABLE, statement->name.span,
            plait_sema_format(sema, "the axis `%s`, which is a variable", plait_sema_text(sema, statement->name.name)),
            "a name that no variable has", "rename one of the two");
        return PLAIT_NO_AXIS;
    }
    PlaitAxis along = statement->along.name ? plait_axes_resolve(sema, statement->along) : find_along(sema, statement);
    if (along == PLAIT_NO_AXIS) return along;
    if (plait_axes_info(sema, along)->role != PLAIT_ROLE_TIME) return wrong_role(sema, statement->along, "`along`");
    return plait_axes_along(sema, statement->name.span, statement->name.name, along);
}

static PlaitAxis attended_axis(PlaitSema *sema, const PlaitAstStatement *statement)
{
    PlaitAxis axis = plait_axes_find(sema, statement->name);
    axis = axis == PLAIT_NO_AXIS ? new_axis(sema, statement) : declared_axis(sema, statement, axis);
    if (axis == PLAIT_NO_AXIS || (!plait_sema_stage(sema, axis, true) && !plait_sema_stage(sema, axis, false)))
        return axis;
    plait_sema_report(sema, PLAIT_STAGE_NESTING, statement->span,
                      plait_sema_format(sema, "`attend %s` inside a stage over `%s`",
                                        plait_sema_text(sema, statement->name.name),
                                        plait_axis_text(sema->builder.function, axis)),
                      "an axis of its own", "attend over another axis, or write the block after the enclosing one");
    return PLAIT_NO_AXIS;
}

/* The value of `where`; 0: every position counts. False after a report. */
static bool lower_mask(PlaitSema *sema, const PlaitAstExpression *where, PlaitValue *mask)
{
    *mask = 0;
    if (!where) return true;
    PlaitTerm term = plait_sema_expression(sema, where);
    if (term.kind == PLAIT_TERM_POISON) return false;
    bool truth = term.kind == PLAIT_TERM_NUMBER ? term.number_kind == PLAIT_NUMBER_TRUTH
                                                : plait_term_type(sema, term).scalar == PLAIT_BOOL;
    if (!truth) {
        plait_sema_report(sema, PLAIT_WRONG_TYPE, where->span,
                          plait_sema_format(sema, "`where` %s", plait_term_text(sema, term)), "a truth value (bool)",
                          "compare it, for example with `> 0`");
        return false;
    }
    if (term.kind == PLAIT_TERM_NUMBER && term.number != 0) return true;
    *mask = plait_term_as(sema, where->span, term, PLAIT_BOOL).value;
    return true;
}

/* Names assigned in the block are read after it; those with the axis s, or of an attend that failed, are not. */
static void close_scope(PlaitSema *sema, uint32_t mark, PlaitAxis axis, bool good)
{
    for (uint32_t i = mark; i < sema->scope.count; i++) {
        PlaitBinding *binding = &sema->scope.data[i];
        if (!good) binding->term = plait_poison();
        else if (plait_term_has_axis(sema, binding->term, axis)) binding->escaped = axis;
    }
}

/* Marks the instructions from `first` on as made from one block, but for those of blocks inside it. */
static void mark_block(PlaitFunction *function, PlaitValue first)
{
    for (PlaitValue value = first; value < function->insts.count; value++)
        if (plait_inst(function, value)->block == 0) plait_inst(function, value)->block = first;
}

void plait_sema_attend(PlaitSema *sema, const PlaitAstStatement *statement)
{
    PlaitAxis axis = attended_axis(sema, statement);
    bool good = axis != PLAIT_NO_AXIS;
    PlaitValue first = sema->builder.function->insts.count;
    PlaitStage stage = {
        .attend = true, .name = statement->name.name, .axis = axis, .call = sema->call, .outer = sema->stage};
    PlaitPending pending = {.block = statement->body};
    uint32_t mark = stage.scope = sema->scope.count;
    if (good) {
        sema->stage = &stage;
        good = lower_mask(sema, statement->value, &stage.mask);
        plait_sema_block(sema, statement->body, &pending);
        sema->stage = stage.outer;
        mark_block(sema->builder.function, first);
    } else {
        plait_sema_poison_names(sema, statement->body);
    }
    close_scope(sema, mark, axis, good);
}
