/* Expressions: dispatch on the kind of node. */
#include <math.h>

#include "frontend/lower.h"

static PlaitTerm lower_broken(PlaitSema *sema, const PlaitAstExpression *expression)
{
    (void)sema, (void)expression;
    return plait_poison();
}

static PlaitTerm lower_number(PlaitSema *sema, const PlaitAstExpression *expression)
{
    (void)sema;
    return plait_number(expression->number, expression->whole ? PLAIT_NUMBER_WHOLE : PLAIT_NUMBER_REAL);
}

static PlaitTerm lower_truth(PlaitSema *sema, const PlaitAstExpression *expression)
{
    (void)sema;
    return plait_number(expression->number, PLAIT_NUMBER_TRUTH);
}

static PlaitTerm lower_name(PlaitSema *sema, const PlaitAstExpression *expression)
{
    return plait_scope_read(sema, expression->name);
}

static PlaitTerm child(PlaitSema *sema, const PlaitAstExpression *expression, uint32_t index)
{
    return plait_sema_expression(sema, expression->children.data[index]);
}

static PlaitTerm lower_unary(PlaitSema *sema, const PlaitAstExpression *expression)
{
    return plait_sema_unary(sema, expression->span, expression->op, child(sema, expression, 0));
}

static PlaitTerm lower_binary(PlaitSema *sema, const PlaitAstExpression *expression)
{
    PlaitTerm x = child(sema, expression, 0), y = child(sema, expression, 1);
    return plait_sema_binary(sema, expression->span, expression->op, x, y);
}

static PlaitTerm lower_conditional(PlaitSema *sema, const PlaitAstExpression *expression)
{
    PlaitTerm condition = child(sema, expression, 1), yes = child(sema, expression, 0), no = child(sema, expression, 2);
    return plait_sema_select(sema, expression->span, condition, yes, no);
}

static PlaitTerm (*const lower[PLAIT_AST_KIND_COUNT])(PlaitSema *sema, const PlaitAstExpression *expression) = {
    [PLAIT_AST_BROKEN] = lower_broken,  [PLAIT_AST_NUMBER] = lower_number, [PLAIT_AST_TRUTH] = lower_truth,
    [PLAIT_AST_NAME] = lower_name,      [PLAIT_AST_UNARY] = lower_unary,   [PLAIT_AST_BINARY] = lower_binary,
    [PLAIT_AST_CALL] = plait_sema_call, [PLAIT_AST_AT] = plait_sema_at,    [PLAIT_AST_CONDITIONAL] = lower_conditional,
};

/* Said even during a trial, as nothing is lowered after it. */
static void report_steps(PlaitSema *sema, PlaitSpan span)
{
    uint32_t quiet = sema->quiet;
    sema->quiet = 0;
    plait_sema_report(
        sema, PLAIT_PROGRAM_SIZE, span,
        plait_sema_format(sema, "more than %d operations after functions are inlined", PLAIT_MAX_STEPS),
        "fewer operations",
        "functions that call functions several times grow with every level: name intermediate values instead");
    sema->quiet = quiet;
}

PlaitTerm plait_sema_expression(PlaitSema *sema, const PlaitAstExpression *expression)
{
    if (sema->steps >= PLAIT_MAX_STEPS) {
        if (sema->steps++ == PLAIT_MAX_STEPS) report_steps(sema, expression->span);
        sema->steps = PLAIT_MAX_STEPS + 1;
        return plait_poison();
    }
    sema->steps++;
    if (sema->depth >= PLAIT_MAX_LOWERING_DEPTH) {
        plait_sema_report(sema, PLAIT_NESTING, expression->span, "expressions and calls nested too deeply",
                          "fewer levels", "name parts of the expression in statements before it");
        return plait_poison();
    }
    sema->depth++;
    PlaitSpan outer = sema->builder.span;
    sema->builder.span = plait_sema_place(sema, expression->span);
    PlaitTerm term = lower[expression->kind](sema, expression);
    sema->builder.span = outer;
    sema->depth--;
    return term;
}

/* The number of a constant instruction, as `f32(2)` is one. */
static bool constant_value(const PlaitSema *sema, PlaitTerm term, PlaitTerm *number)
{
    if (term.kind != PLAIT_TERM_VALUE || plait_op_of(sema->builder.function, term.value) != PLAIT_OP_CONST)
        return false;
    PlaitScalarKind kind = plait_scalar_kind((PlaitScalar)plait_term_type(sema, term).scalar);
    *number = plait_number(plait_inst(sema->builder.function, term.value)->number,
                           kind == PLAIT_TRUTH     ? PLAIT_NUMBER_TRUTH
                           : kind == PLAIT_INTEGER ? PLAIT_NUMBER_WHOLE
                                                   : PLAIT_NUMBER_REAL);
    return true;
}

static void report_not_constant(PlaitSema *sema, PlaitSpan span, PlaitTerm term)
{
    bool truth = term.kind == PLAIT_TERM_NUMBER && term.number_kind == PLAIT_NUMBER_TRUTH;
    plait_sema_report(sema, PLAIT_NOT_CONSTANT, span, plait_term_text(sema, term),
                      "a number known when the program is compiled",
                      truth ? "constants and sizes are numbers: write the condition where it is needed"
                            : "use numbers, constants and sizes of axes that have a static size");
}

/* Lowered into a region that is thrown away, so that every expression can be met here. */
bool plait_sema_constant(PlaitSema *sema, const PlaitAstExpression *expression, bool truths, PlaitTerm *number)
{
    PlaitRegion *region = sema->builder.region;
    uint32_t count = sema->builder.function->insts.count;
    sema->builder.region = plait_region_create(sema->builder.function, region);
    PlaitTerm term = plait_sema_expression(sema, expression);
    *number = term;
    bool good = term.kind == PLAIT_TERM_NUMBER || constant_value(sema, term, number);
    good &= truths || number->number_kind != PLAIT_NUMBER_TRUTH;
    if (!good && term.kind != PLAIT_TERM_POISON) report_not_constant(sema, expression->span, term);
    sema->builder.region = region;
    sema->builder.function->insts.count = count;
    return good;
}
