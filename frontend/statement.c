/* Statements and blocks. */
#include "frontend/lower.h"

static void lower_assign(PlaitSema *sema, const PlaitAstStatement *statement)
{
    PlaitTerm term = plait_sema_expression(sema, statement->value);
    plait_scope_bind(sema, statement->name, term);
}

/* `y == x` where `y = x` was meant. */
static bool is_mistaken_assignment(const PlaitAstExpression *value)
{
    return value->kind == PLAIT_AST_BINARY && value->op == PLAIT_OP_EQ &&
           value->children.data[0]->kind == PLAIT_AST_NAME;
}

/* Only the last statement of a function is a value; call.c takes that one. */
/* `- b` of what was meant as `a - b`. */
static bool begins_with_minus(const PlaitAstExpression *value)
{
    while (value->kind == PLAIT_AST_BINARY) value = value->children.data[0];
    return value->kind == PLAIT_AST_UNARY && value->op == PLAIT_OP_NEG;
}

static void lower_value(PlaitSema *sema, const PlaitAstStatement *statement)
{
    const PlaitAstExpression *value = statement->value;
    if (is_mistaken_assignment(value)) {
        plait_sema_report(sema, PLAIT_UNNAMED_VALUE, statement->span, "a comparison as a statement",
                          "`name = expression`", "write `=` to assign");
        if (!plait_scope_find(sema, value->children.data[0]->name.name))
            plait_scope_bind(sema, value->children.data[0]->name, plait_poison());
        return;
    }
    plait_sema_expression(sema, value);
    if (value->kind == PLAIT_AST_BROKEN) return;
    plait_sema_report(sema, PLAIT_UNNAMED_VALUE, statement->span, "an expression as a statement", "`name = expression`",
                      begins_with_minus(value)
                          ? "an expression goes on in the next line after an operator: end the line before with the `-`"
                          : "give the value a name; only the last statement of a function is a value alone");
}

static void (*const lower[PLAIT_AST_STATEMENT_KIND_COUNT])(PlaitSema *sema, const PlaitAstStatement *statement) = {
    [PLAIT_AST_ASSIGN] = lower_assign,
    [PLAIT_AST_VALUE] = lower_value,
    [PLAIT_AST_SCAN] = plait_sema_scan,
    [PLAIT_AST_ATTEND] = plait_sema_attend,
};

void plait_sema_statement(PlaitSema *sema, const PlaitAstStatement *statement)
{
    sema->builder.span = plait_sema_place(sema, statement->span);
    lower[statement->kind](sema, statement);
}

void plait_sema_block(PlaitSema *sema, const PlaitAstBlock *block, PlaitPending *pending)
{
    pending->outer = sema->pending;
    sema->pending = pending;
    for (uint32_t i = 0; i < block->count; i++) {
        pending->next = i + 1;
        plait_sema_statement(sema, block->data[i]);
    }
    sema->pending = pending->outer;
}

static void poison_name(PlaitSema *sema, PlaitAstName name)
{
    plait_scope_push(
        sema, (PlaitBinding){.name = name.name, .term = plait_poison(), .span = name.span, .escaped = PLAIT_NO_AXIS});
}

void plait_sema_poison_names(PlaitSema *sema, const PlaitAstBlock *block)
{
    for (uint32_t i = 0; i < block->count; i++) {
        const PlaitAstStatement *statement = block->data[i];
        if (statement->kind == PLAIT_AST_ASSIGN) poison_name(sema, statement->name);
        for (uint32_t k = 0; k < statement->carries.count; k++) poison_name(sema, statement->carries.data[k].name);
        if (statement->body) plait_sema_poison_names(sema, statement->body);
    }
}
