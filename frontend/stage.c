/* What scan and attend share: which stages are open, what may not move along the axis of a scan, and what a stage makes
 * likely where a value lacks an axis. */
#include "frontend/lower.h"

const PlaitStage *plait_sema_stage(const PlaitSema *sema, PlaitAxis axis, bool attend)
{
    for (const PlaitStage *stage = sema->stage; stage; stage = stage->outer)
        if (stage->axis == axis && stage->attend == attend) return stage;
    return NULL;
}

/* A walk from a value to all that it is computed from. Values seen are marked with the number of the walk. */
typedef struct Walk {
    PlaitSema *sema;
    PlaitAxis along; /* only values with this axis; PLAIT_NO_AXIS: all */
    PlaitValues open;
} Walk;

static void visit(Walk *walk, PlaitValue value)
{
    uint32_t *visited = &walk->sema->visited.data[value];
    if (*visited == walk->sema->walks) return;
    *visited = walk->sema->walks;
    if (walk->along == PLAIT_NO_AXIS || plait_type_has(plait_type_of(walk->sema->builder.function, value), walk->along))
        plait_push(walk->sema->arena, &walk->open, value);
}

static Walk walk_from(PlaitSema *sema, PlaitValue value, PlaitAxis along)
{
    Walk walk = {.sema = sema, .along = along};
    while (sema->visited.count < sema->builder.function->insts.count) plait_push(sema->arena, &sema->visited, 0);
    sema->walks++;
    visit(&walk, value);
    return walk;
}

/* The next value of the walk, operands from the last to the first; 0 at the end. */
static PlaitValue next_value(Walk *walk)
{
    if (!walk->open.count) return 0;
    PlaitValue value = walk->open.data[--walk->open.count];
    const PlaitInst *inst = plait_inst(walk->sema->builder.function, value);
    for (uint32_t i = 0; i < inst->operand_count; i++) visit(walk, inst->operands[i]);
    for (uint32_t i = 0; inst->body && i < inst->body->yields.count; i++) visit(walk, inst->body->yields.data[i]);
    return value;
}

/* Whether the value is computed from a parameter of the region. */
static bool depends_on(PlaitSema *sema, PlaitValue value, const PlaitRegion *region)
{
    Walk walk = walk_from(sema, value, PLAIT_NO_AXIS);
    for (PlaitValue source; (source = next_value(&walk));) {
        const PlaitInst *inst = plait_inst(sema->builder.function, source);
        if (inst->op == PLAIT_OP_ARGUMENT && inst->region == region) return true;
    }
    return false;
}

static bool is_bound(PlaitSema *sema, PlaitTerm x, const PlaitStage *scan)
{
    return !scan->attend && scan->region && depends_on(sema, x.value, scan->region);
}

uint32_t plait_sema_time_to_move(PlaitSema *sema, PlaitTerm x, PlaitAxis *axes, PlaitType *type)
{
    if (x.kind != PLAIT_TERM_VALUE) return 0;
    *type = plait_term_type(sema, x);
    uint32_t count = plait_axes_of_time(sema, *type, axes);
    PlaitAxis innermost = PLAIT_NO_AXIS;
    for (const PlaitStage *stage = sema->stage; stage && count > 1; stage = stage->outer) {
        if (!plait_type_has(*type, stage->axis) || !is_bound(sema, x, stage)) continue;
        if (innermost == PLAIT_NO_AXIS) innermost = stage->axis;
        *type = plait_type_without(*type, stage->axis);
    }
    if (innermost == PLAIT_NO_AXIS) return count;
    count = plait_axes_of_time(sema, *type, axes);
    if (count) return count;
    axes[0] = innermost; /* no motion is right: let it be said of this axis */
    return 1;
}

bool plait_sema_check_motion(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitAxis axis, const char *what)
{
    const PlaitStage *stage = plait_sema_stage(sema, axis, false);
    if (!stage || x.kind != PLAIT_TERM_VALUE || !depends_on(sema, x.value, stage->region)) return true;
    const char *name = plait_axis_text(sema->builder.function, axis);
    plait_sema_report(
        sema, PLAIT_CARRY_ELSEWHERE, span,
        plait_sema_format(sema, "a value that depends on a carry, %s along `%s`", what, name),
        "a carry read at its own token only",
        plait_sema_format(sema, "do it after the `scan %s`, or keep what is needed of earlier tokens in a carry",
                          name));
    return false;
}

/* ---- an axis that a value lacks ---- */

/* A carry without declared axes from which x is computed in an enclosing scan; NULL: none. */
static const PlaitAstCarry *undeclared_carry(PlaitSema *sema, PlaitTerm x)
{
    Walk walk = walk_from(sema, x.value, PLAIT_NO_AXIS);
    for (PlaitValue source; (source = next_value(&walk));) {
        for (const PlaitStage *stage = sema->stage; stage; stage = stage->outer)
            for (uint32_t i = 0; stage->carries && stage->region && i < stage->region->params.count; i++)
                if (stage->region->params.data[i] == source && !stage->carries->data[i].type)
                    return &stage->carries->data[i];
    }
    return NULL;
}

/* A variable from before the attend that x is computed from and that has the axis along which the attend goes. */
static const char *unmoved_variable(PlaitSema *sema, const PlaitStage *attend, PlaitTerm x, PlaitAxis along)
{
    Walk walk = walk_from(sema, x.value, along);
    for (PlaitValue source; (source = next_value(&walk));)
        for (uint32_t i = attend->call ? attend->call->scope : 0; i < attend->scope; i++)
            if (sema->scope.data[i].term.kind == PLAIT_TERM_VALUE && sema->scope.data[i].term.value == source)
                return plait_sema_text(sema, sema->scope.data[i].name);
    return NULL;
}

/* What to do, where the axis is that of an attend and x varies along the axis that it goes along; NULL otherwise. */
static const char *attend_help(PlaitSema *sema, PlaitTerm x, PlaitAxis axis)
{
    const PlaitStage *attend = plait_sema_stage(sema, axis, true);
    PlaitAxis along = plait_axes_info(sema, axis)->same_as;
    if (!attend || along == PLAIT_NO_AXIS || !plait_term_has_axis(sema, x, along)) return NULL;
    const char *variable = unmoved_variable(sema, attend, x, along), *name = plait_sema_text(sema, attend->name);
    if (!variable) return plait_sema_format(sema, "`x@%s` is the value of `x` at the positions of `%s`", name, name);
    return plait_sema_format(sema, "write `%s@%s` for the value of `%s` at the positions of `%s`", variable, name,
                             variable, name);
}

void plait_sema_report_missing_axis(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitAxis axis, bool filter)
{
    if (sema->quiet) return;
    const char *name = plait_axis_text(sema->builder.function, axis);
    bool value = x.kind == PLAIT_TERM_VALUE && sema->diagnostics->error_count < PLAIT_MAX_ERRORS;
    const PlaitAstCarry *carry = value ? undeclared_carry(sema, x) : NULL;
    const char *help = value ? attend_help(sema, x, axis) : NULL;
    PlaitDiagnostic diagnostic = {
        .id = PLAIT_MISSING_AXIS,
        .span = span,
        .found = plait_sema_format(sema, "%s%s, which does not have the axis `%s`", filter ? "the filter " : "",
                                   plait_term_text(sema, x), name),
        .expected = plait_sema_format(sema, "a %s with the axis `%s`", filter ? "filter" : "value", name),
        .help = help     ? help
                : filter ? plait_sema_format(sema, "the filter's taps lie along `%s`: declare it with that axis", name)
                         : "work along an axis that the value has, or leave the operation out"};
    if (carry && !help) {
        const char *text = plait_sema_text(sema, carry->name.name);
        diagnostic.found = plait_sema_format(
            sema, "a value of the carry `%s`, whose axes are not declared and cannot be found from this", text);
        diagnostic.help =
            plait_sema_format(sema, "declare the carry with all of its axes: `carry %s : %s[..., %s] = ...`", text,
                              plait_scalar_text((PlaitScalar)plait_term_type(sema, x).scalar), name);
        diagnostic.related = carry->name.span;
        diagnostic.related_note = "the carry";
    }
    plait_sema_report_related(sema, diagnostic);
}
