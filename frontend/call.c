/* Calls: built-in functions, and functions written in Plait, which are inlined.
 *
 * A function's body sees its parameters, its axes and the file's constants and axes; one of the standard library only
 * the first two. A function of the file goes before one of the library that has the same name, but not in the library
 * itself.
 */
#include <string.h>

#include "frontend/builtin.h"

static const PlaitAstFunction *find_in(const PlaitAst *ast, PlaitName name)
{
    for (uint32_t i = 0; i < ast->functions.count; i++)
        if (ast->functions.data[i]->name.name == name) return ast->functions.data[i];
    return NULL;
}

const PlaitAstFunction *plait_sema_function(const PlaitSema *sema, PlaitName name)
{
    bool standard = sema->call && sema->call->function->standard;
    const PlaitAstFunction *own = standard ? NULL : find_in(sema->file, name);
    return own ? own : find_in(sema->standard, name);
}

/* Functions of other languages that have no name of their own here. */
static const char *foreign_function(const char *name)
{
    static const char *const products[] = {"matmul", "einsum", "dot", "mm", "bmm", "linear", NULL};
    for (uint32_t i = 0; products[i]; i++)
        if (strcmp(products[i], name) == 0)
            return "a product of matrices is a sum over the axis that both have: `sum[d](x * w)`";
    return NULL;
}

static void report_unknown(PlaitSema *sema, PlaitAstName name)
{
    if (plait_sema_is_known_unknown(sema, name.name)) return;
    PLAIT_VECTOR(const char *) known = {0};
    const char *const *builtins;
    uint32_t count = plait_builtin_names(&builtins);
    for (uint32_t i = 0; i < count; i++) plait_push(sema->arena, &known, builtins[i]);
    for (uint32_t i = 0; i < sema->file->functions.count; i++)
        plait_push(sema->arena, &known, plait_sema_text(sema, sema->file->functions.data[i]->name.name));
    for (uint32_t i = 0; i < sema->standard->functions.count; i++)
        plait_push(sema->arena, &known, plait_sema_text(sema, sema->standard->functions.data[i]->name.name));
    const char *advice = foreign_function(plait_sema_text(sema, name.name));
    for (uint32_t i = 0; i < sema->file->operators.count; i++)
        if (sema->file->operators.data[i]->name.name == name.name)
            advice = "operators are called from outside only: what several of them share is a function, `fn`";
    plait_sema_unknown(sema, PLAIT_UNKNOWN_FUNCTION, name, "the name of a function", advice, known.data, known.count);
}

/* False after reporting a call that cannot be inlined. */
static bool check_depth(PlaitSema *sema, const PlaitAstExpression *expression, const PlaitAstFunction *function)
{
    const char *name = plait_sema_text(sema, function->name.name);
    for (const PlaitCall *call = sema->call; call; call = call->outer) {
        if (call->function != function) continue;
        plait_sema_report(sema, PLAIT_RECURSION, expression->name.span,
                          plait_sema_format(sema, "`%s`, which calls itself", name), "a function that can be inlined",
                          "functions are inlined and cannot recur; a recurrence over time is a `scan`");
        return false;
    }
    if (!sema->call || sema->call->depth < PLAIT_MAX_CALL_DEPTH) return true;
    plait_sema_report(sema, PLAIT_NESTING, expression->name.span,
                      plait_sema_format(sema, "calls more than %d deep", PLAIT_MAX_CALL_DEPTH), "fewer levels",
                      "call fewer functions from functions");
    return false;
}

static bool bind_axes(PlaitSema *sema, const PlaitAstExpression *expression, const PlaitAstFunction *function,
                      PlaitCall *call)
{
    uint32_t wanted = function->axes.count, count;
    const char *name = plait_sema_text(sema, function->name.name);
    if (!expression->has_axes && wanted == 1) {
        call->axes[0] = plait_builtin_attended(sema);
        if (call->axes[0] != PLAIT_NO_AXIS) return true;
        plait_sema_report(sema, PLAIT_REDUCTION_AXIS, expression->span,
                          plait_sema_format(sema, "`%s(...)` outside `attend`", name), "an axis in brackets",
                          plait_sema_format(sema, "name the axis to work along: `%s[d](x)`", name));
        return false;
    }
    if (expression->axes.count == wanted) return plait_axes_resolve_list(sema, &expression->axes, call->axes, &count);
    plait_sema_report(
        sema, PLAIT_AXIS_COUNT, expression->span,
        plait_sema_format(sema, "%u ax%s in brackets", expression->axes.count,
                          expression->axes.count == 1 ? "is" : "es"),
        wanted ? plait_sema_format(sema, "%u", wanted) : "no axes",
        plait_sema_format(sema, "`%s` is declared with %u ax%s", name, wanted, wanted == 1 ? "is" : "es"));
    return false;
}

/* Statements, then the value of the last one. */
static PlaitTerm lower_body(PlaitSema *sema, const PlaitAstFunction *function)
{
    const PlaitAstBlock *body = function->body;
    PlaitPending *outer = sema->pending;
    PlaitPending pending = {.block = body};
    sema->pending = &pending;
    PlaitTerm result = plait_poison();
    for (uint32_t i = 0; i < body->count; i++) {
        pending.next = i + 1;
        bool last = i + 1 == body->count && body->data[i]->kind == PLAIT_AST_VALUE;
        if (last) result = plait_sema_expression(sema, body->data[i]->value);
        else plait_sema_statement(sema, body->data[i]);
    }
    sema->pending = outer;
    return result;
}

static PlaitTerm inline_call(PlaitSema *sema, const PlaitAstExpression *expression, const PlaitAstFunction *function)
{
    uint32_t count = function->params.count;
    if (!check_depth(sema, expression, function)) return plait_poison();
    PlaitCall call = {.function = function,
                      .place = expression->span,
                      .outer = sema->call,
                      .depth = sema->call ? sema->call->depth + 1 : 1};
    if (!plait_builtin_check_count(sema, expression, count, count) || !bind_axes(sema, expression, function, &call))
        return plait_poison();
    PlaitTerm *arguments = PLAIT_NEW_ARRAY(sema->arena, PlaitTerm, count);
    bool good = true;
    for (uint32_t i = 0; i < count; i++) {
        arguments[i] = plait_sema_expression(sema, expression->children.data[i]);
        good &= arguments[i].kind != PLAIT_TERM_POISON;
    }
    if (!good) return plait_poison();
    call.scope = sema->scope.count;
    sema->call = &call;
    for (uint32_t i = 0; i < count; i++) plait_scope_bind(sema, function->params.data[i], arguments[i]);
    PlaitTerm result = lower_body(sema, function);
    sema->call = call.outer;
    plait_scope_cut(sema, call.scope);
    return result;
}

PlaitTerm plait_sema_call(PlaitSema *sema, const PlaitAstExpression *expression)
{
    if (plait_builtin_is(plait_sema_text(sema, expression->name.name))) return plait_builtin_call(sema, expression);
    const PlaitAstFunction *function = plait_sema_function(sema, expression->name.name);
    if (function) return inline_call(sema, expression, function);
    for (uint32_t i = 0; i < expression->children.count; i++) plait_sema_expression(sema, expression->children.data[i]);
    report_unknown(sema, expression->name);
    return plait_poison();
}
