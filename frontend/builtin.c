/* Calls of built-in functions: a table from builtins.def, and one small function for each shape of call. */
#include "frontend/builtin.h"

#include <math.h>
#include <string.h>

PlaitAxis plait_builtin_attended(const PlaitSema *sema)
{
    for (const PlaitStage *stage = sema->stage; stage; stage = stage->outer)
        if (stage->attend && stage->call == sema->call) return stage->axis;
    return PLAIT_NO_AXIS;
}

static bool takes_axes(const char *name);

bool plait_builtin_check_count(PlaitSema *sema, const PlaitAstExpression *expression, uint32_t least, uint32_t most)
{
    uint32_t count = expression->children.count;
    if (count >= least && count <= most) return true;
    const char *name = plait_sema_text(sema, expression->name.name);
    bool bracketed = expression->has_axes && most == 1 && count > 1;
    if (bracketed && (strcmp(name, "max") == 0 || strcmp(name, "min") == 0)) {
        plait_sema_report(sema, PLAIT_ARGUMENT_COUNT, expression->span, plait_sema_format(sema, "%u arguments", count),
                          "1 with axes in brackets",
                          plait_sema_format(sema, "without brackets `%s(a, b)` works on each element", name));
        return false;
    }
    bool reduces = takes_axes(name) && !expression->has_axes && most == 1 && count == 2;
    const char *expected =
        least == most ? plait_sema_format(sema, "%u", least) : plait_sema_format(sema, "%u or more", least);
    plait_sema_report(sema, PLAIT_ARGUMENT_COUNT, expression->span,
                      plait_sema_format(sema, "%u argument%s", count, count == 1 ? "" : "s"), expected,
                      reduces ? plait_sema_format(sema, "axes stand in brackets: `%s[d](x)`", name)
                              : plait_sema_format(sema, "`%s` takes %s argument%s", name, expected,
                                                  least == 1 && most == 1 ? "" : "s"));
    return false;
}

static PlaitTerm argument(PlaitSema *sema, const PlaitAstExpression *expression, uint32_t index)
{
    return plait_sema_expression(sema, expression->children.data[index]);
}

/* The axes of a reduction: those in brackets, or the attended one. */
static bool reduction_axes(PlaitSema *sema, const PlaitAstExpression *expression, PlaitAxis *axes, uint32_t *count)
{
    if (expression->has_axes) return plait_axes_resolve_list(sema, &expression->axes, axes, count);
    *count = 1;
    axes[0] = plait_builtin_attended(sema);
    if (axes[0] != PLAIT_NO_AXIS) return true;
    const char *name = plait_sema_text(sema, expression->name.name);
    plait_sema_report(sema, PLAIT_REDUCTION_AXIS, expression->span,
                      plait_sema_format(sema, "`%s(...)` outside `attend`", name), "axes in brackets",
                      plait_sema_format(sema, "name the axis to reduce over: `%s[d](x)`", name));
    return false;
}

static PlaitTerm reduction(PlaitSema *sema, const PlaitAstExpression *expression, PlaitOp op)
{
    PlaitAxis axes[PLAIT_MAX_RANK];
    uint32_t count;
    PlaitTerm x = argument(sema, expression, 0);
    if (!reduction_axes(sema, expression, axes, &count)) return plait_poison();
    if (op == PLAIT_OP_NONE) return plait_sema_mean(sema, expression->span, x, axes, count);
    return plait_sema_reduce(sema, expression->span, op, x, axes, count);
}

/* `max[d](x)` reduces, `max(a, b, ...)` is pointwise. */
static PlaitTerm reduction_or_pointwise(PlaitSema *sema, const PlaitAstExpression *expression, PlaitOp op,
                                        PlaitOp pointwise)
{
    if (expression->children.count == 1) return reduction(sema, expression, op);
    if (expression->has_axes && !plait_builtin_check_count(sema, expression, 1, 1)) return plait_poison();
    PlaitTerm result = argument(sema, expression, 0);
    for (uint32_t i = 1; i < expression->children.count; i++)
        result = plait_sema_binary(sema, expression->span, pointwise, result, argument(sema, expression, i));
    return result;
}

static PlaitTerm call_sum(PlaitSema *sema, const PlaitAstExpression *expression)
{
    return reduction(sema, expression, PLAIT_OP_REDUCE_SUM);
}
static PlaitTerm call_prod(PlaitSema *sema, const PlaitAstExpression *expression)
{
    return reduction(sema, expression, PLAIT_OP_REDUCE_PROD);
}
static PlaitTerm call_mean(PlaitSema *sema, const PlaitAstExpression *expression)
{
    return reduction(sema, expression, PLAIT_OP_NONE);
}

static PlaitTerm call_max(PlaitSema *sema, const PlaitAstExpression *expression)
{
    return reduction_or_pointwise(sema, expression, PLAIT_OP_REDUCE_MAX, PLAIT_OP_MAX);
}

static PlaitTerm call_min(PlaitSema *sema, const PlaitAstExpression *expression)
{
    return reduction_or_pointwise(sema, expression, PLAIT_OP_REDUCE_MIN, PLAIT_OP_MIN);
}

static PlaitTerm call_cumsum(PlaitSema *sema, const PlaitAstExpression *expression)
{
    PlaitAxis axis = plait_axes_resolve(sema, expression->axes.data[0]);
    PlaitTerm x = argument(sema, expression, 0);
    return axis == PLAIT_NO_AXIS ? plait_poison() : plait_sema_cumsum(sema, expression->span, x, axis);
}

static PlaitTerm call_conv(PlaitSema *sema, const PlaitAstExpression *expression)
{
    PlaitAxis axes[PLAIT_MAX_RANK];
    uint32_t count;
    PlaitTerm x = argument(sema, expression, 0), filter = argument(sema, expression, 1);
    if (!plait_axes_resolve_list(sema, &expression->axes, axes, &count)) return plait_poison();
    return plait_sema_conv(sema, expression->span, x, filter, axes, count);
}

static PlaitTerm call_select(PlaitSema *sema, const PlaitAstExpression *expression)
{
    PlaitTerm condition = argument(sema, expression, 0), yes = argument(sema, expression, 1),
              no = argument(sema, expression, 2);
    return plait_sema_select(sema, expression->span, condition, yes, no);
}

/* ", where `a` is `d` of size 5": what the function at hand was called with, as far as it is known. */
static const char *called_with(const PlaitSema *sema)
{
    const PlaitCall *call = sema->call;
    const char *text = "";
    for (uint32_t i = 0; call && i < call->function->axes.count; i++) {
        int64_t size = plait_axes_info(sema, call->axes[i])->size;
        if (size == PLAIT_RUNTIME_SIZE) continue;
        text = plait_sema_format(sema, "%s%s`%s` is `%s` of size %lld", text, *text ? ", " : ", where ",
                                 plait_sema_text(sema, call->function->axes.data[i].name),
                                 plait_axis_text(sema->builder.function, call->axes[i]), (long long)size);
    }
    return text;
}

static void report_requirement(PlaitSema *sema, PlaitSpan span)
{
    const PlaitAstFunction *function = sema->call ? sema->call->function : NULL;
    const PlaitSource *source = plait_sources_get(sema->diagnostics->sources, span.source);
    const char *text = function && function->standard ? plait_frontend_std_text() : source->text;
    const char *name = function ? plait_sema_text(sema, function->name.name) : NULL;
    plait_sema_report(sema, PLAIT_REQUIREMENT, span,
                      plait_sema_format(sema, "`%.*s`, which is false%s", (int)(span.end - span.begin),
                                        text + span.begin, called_with(sema)),
                      name ? plait_sema_format(sema, "what `%s` requires", name) : "a condition that holds",
                      "give the axis another size, in its declaration or with `-D`, or work along another axis");
}

/* The constant among the two operands, and the other one. */
static bool split_constant(const PlaitFunction *function, const PlaitInst *inst, double *number, PlaitValue *other)
{
    for (uint32_t i = 0; i < 2; i++) {
        const PlaitInst *operand = plait_inst(function, inst->operands[i]);
        if (operand->op != PLAIT_OP_CONST) continue;
        *number = operand->number, *other = inst->operands[1 - i];
        return true;
    }
    return false;
}

/* That the size of an axis is a multiple of a number can be asked at each call. */
static void require_multiple(PlaitSema *sema, PlaitTerm condition)
{
    PlaitFunction *function = sema->builder.function;
    const PlaitInst *equal = plait_inst(function, condition.value);
    double zero, number;
    PlaitValue rest, size;
    if (equal->op != PLAIT_OP_EQ || !split_constant(function, equal, &zero, &rest) || zero < 0 || zero > 0) return;
    const PlaitInst *mod = plait_inst(function, rest);
    if (mod->op != PLAIT_OP_MOD || !split_constant(function, mod, &number, &size) || size != mod->operands[0]) return;
    if (plait_op_of(function, size) != PLAIT_OP_SIZE || number < 1 || number > 65536) return;
    PlaitAxis axis = plait_axis_extent_of(function, plait_inst(function, size)->axes[0]);
    uint32_t *multiple = &function->axes.data[axis].multiple;
    uint64_t step = *multiple ? *multiple : 1, common = step;
    while (common % (uint64_t)number) common += step;
    *multiple = common < INT32_MAX ? (uint32_t)common : INT32_MAX; /* no tensor has as many positions */
}

/* `require(c, x)` is x. A condition that is known now must hold; of run time, that a size is a multiple of a number is
 * asked at each call, and anything else is the caller's care. */
static PlaitTerm call_require(PlaitSema *sema, const PlaitAstExpression *expression)
{
    PlaitSpan span = expression->children.data[0]->span;
    PlaitTerm condition = argument(sema, expression, 0), value = argument(sema, expression, 1);
    if (condition.kind == PLAIT_TERM_POISON) return condition;
    bool number = condition.kind == PLAIT_TERM_NUMBER;
    if (number ? condition.number_kind != PLAIT_NUMBER_TRUTH : plait_term_type(sema, condition).scalar != PLAIT_BOOL) {
        plait_sema_report(sema, PLAIT_WRONG_TYPE, span, plait_term_text(sema, condition), "a truth value",
                          "compare it, for example with `!= 0`");
        return plait_poison();
    }
    if (!number) require_multiple(sema, condition);
    if (!number || condition.number != 0) return value;
    report_requirement(sema, span);
    return plait_poison();
}

/* The axis that is the argument of `position` or `size`. */
static PlaitAxis axis_argument(PlaitSema *sema, const PlaitAstExpression *expression)
{
    const PlaitAstExpression *name = expression->children.data[0];
    if (name->kind == PLAIT_AST_NAME && !plait_scope_find(sema, name->name.name))
        return plait_axes_resolve(sema, name->name);
    if (name->kind != PLAIT_AST_BROKEN)
        plait_sema_report(
            sema, PLAIT_UNKNOWN_AXIS, name->span, "a value", "the name of an axis",
            plait_sema_format(sema, "write `%s(d)` for the axis `d`", plait_sema_text(sema, expression->name.name)));
    return PLAIT_NO_AXIS;
}

static PlaitTerm call_position(PlaitSema *sema, const PlaitAstExpression *expression)
{
    PlaitAxis axis = axis_argument(sema, expression);
    return axis == PLAIT_NO_AXIS ? plait_poison() : plait_term(plait_build_iota(&sema->builder, axis, 0));
}

static PlaitTerm call_size(PlaitSema *sema, const PlaitAstExpression *expression)
{
    PlaitAxis axis = axis_argument(sema, expression);
    return axis == PLAIT_NO_AXIS ? plait_poison() : plait_sema_size(sema, axis);
}

/* ---- the tables ---- */

static const struct {
    const char *name;
    PlaitTerm (*call)(PlaitSema *sema, const PlaitAstExpression *expression);
    uint32_t least, most, least_axes, most_axes;
} builtins[] = {
#define BUILTIN(name, function, least, most, least_axes, most_axes)                                                    \
    {name, function, least, most, least_axes, most_axes},
#include "frontend/builtins.def"
};

static bool takes_axes(const char *name)
{
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        if (strcmp(builtins[i].name, name) == 0) return builtins[i].most_axes > 0;
    return false;
}

static const struct {
    const char *name;
    PlaitOp op;
} functions[] = {
#define FUNCTION(name, op) {name, PLAIT_OP_##op},
#include "frontend/builtins.def"
};

static const char *const names[] = {
#define BUILTIN(name, function, least, most, least_axes, most_axes) name,
#define FUNCTION(name, op) name,
#include "frontend/builtins.def"
    "f64", "f32", "bf16", "f16", "i32", "bool"};

uint32_t plait_builtin_names(const char *const **list)
{
    *list = names;
    return sizeof names / sizeof *names;
}

bool plait_builtin_is(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static bool check_axis_count(PlaitSema *sema, const PlaitAstExpression *expression, uint32_t least, uint32_t most)
{
    uint32_t count = expression->axes.count;
    if (count >= least && count <= most) return true;
    const char *name = plait_sema_text(sema, expression->name.name);
    const char *expected = most == 0       ? "no axes"
                           : least == most ? plait_sema_format(sema, "%u", least)
                                           : plait_sema_format(sema, "%u to %u", least, most);
    plait_sema_report(sema, PLAIT_AXIS_COUNT, expression->span,
                      plait_sema_format(sema, "%u ax%s in brackets", count, count == 1 ? "is" : "es"), expected,
                      most == 0 ? plait_sema_format(sema, "`%s` works on each element: write `%s(...)`", name, name)
                                : plait_sema_format(sema, "write `%s[a](...)` with the axis `a` to work along", name));
    return false;
}

static PlaitTerm call_pointwise(PlaitSema *sema, const PlaitAstExpression *expression, PlaitOp op)
{
    uint32_t operands = plait_op_info(op)->least_operands;
    if (!check_axis_count(sema, expression, 0, 0) || !plait_builtin_check_count(sema, expression, operands, operands))
        return plait_poison();
    PlaitTerm x = argument(sema, expression, 0);
    if (operands == 1) return plait_sema_unary(sema, expression->span, op, x);
    return plait_sema_binary(sema, expression->span, op, x, argument(sema, expression, 1));
}

static PlaitTerm call_cast(PlaitSema *sema, const PlaitAstExpression *expression, PlaitScalar scalar)
{
    if (!check_axis_count(sema, expression, 0, 0) || !plait_builtin_check_count(sema, expression, 1, 1))
        return plait_poison();
    PlaitTerm x = argument(sema, expression, 0);
    PlaitScalarKind kind = plait_scalar_kind(scalar);
    if (x.kind == PLAIT_TERM_NUMBER) {
        if (kind == PLAIT_TRUTH) x = plait_number(x.number != 0, PLAIT_NUMBER_TRUTH);
        else
            x = plait_number(kind == PLAIT_INTEGER ? trunc(x.number) : x.number,
                             kind == PLAIT_INTEGER ? PLAIT_NUMBER_WHOLE : PLAIT_NUMBER_REAL);
    }
    return plait_term_as(sema, expression->span, x, scalar);
}

PlaitTerm plait_builtin_call(PlaitSema *sema, const PlaitAstExpression *expression)
{
    const char *name = plait_sema_text(sema, expression->name.name);
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++) {
        if (strcmp(builtins[i].name, name) != 0) continue;
        bool good = check_axis_count(sema, expression, builtins[i].least_axes, builtins[i].most_axes) &&
                    plait_builtin_check_count(sema, expression, builtins[i].least, builtins[i].most);
        return good ? builtins[i].call(sema, expression) : plait_poison();
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].name, name) == 0) return call_pointwise(sema, expression, functions[i].op);
    PlaitScalar scalar = PLAIT_F32;
    plait_scalar_by_text(name, &scalar);
    return call_cast(sema, expression, scalar);
}
