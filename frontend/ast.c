/* Builders of the syntax tree. They check only what the grammar cannot say: depth and chains of comparisons. */
#include "frontend/parser.h"

void plait_parser_report(PlaitParser *parser, PlaitDiagnosticId id, PlaitSpan span, const char *found,
                         const char *expected, const char *help)
{
    if (parser->standard) plait_bug("std.plait at byte %u: %s: %s", span.begin, plait_diagnostic_title(id), found);
    plait_report(parser->diagnostics,
                 (PlaitDiagnostic){.id = id, .span = span, .found = found, .expected = expected, .help = help});
}

/* ---- expressions ---- */

static PlaitAstExpression *make(PlaitParser *parser, PlaitAstKind kind, PlaitSpan span)
{
    PlaitAstExpression *node = PLAIT_NEW(parser->arena, PlaitAstExpression);
    node->kind = kind;
    node->span = span;
    node->depth = 1;
    return node;
}

/* Adds a child. What has a broken part is broken, and says nothing more. */
static void add_child(PlaitParser *parser, PlaitAstExpression *node, const PlaitAstExpression *child)
{
    if (child->kind == PLAIT_AST_BROKEN) node->kind = PLAIT_AST_BROKEN;
    plait_push(parser->arena, &node->children, child);
    if (child->depth + 1 > node->depth) node->depth = child->depth + 1;
}

/* Ends the making of a node: one that is too deep is reported and broken. Broken nodes have no children. */
static PlaitAstExpression *close(PlaitParser *parser, PlaitAstExpression *node)
{
    if (node->kind == PLAIT_AST_BROKEN) return make(parser, PLAIT_AST_BROKEN, node->span);
    if (node->depth <= PLAIT_MAX_EXPRESSION_DEPTH) return node;
    plait_parser_report(
        parser, PLAIT_NESTING, node->span,
        plait_arena_printf(parser->arena, "an expression more than %d levels deep", PLAIT_MAX_EXPRESSION_DEPTH),
        "fewer levels", "give parts of it names of their own, in statements before it");
    return make(parser, PLAIT_AST_BROKEN, node->span);
}

PlaitAstExpression *plait_ast_number(PlaitParser *parser, PlaitSpan span, double number, bool whole)
{
    PlaitAstExpression *node = make(parser, PLAIT_AST_NUMBER, span);
    node->number = number;
    node->whole = whole;
    return node;
}

PlaitAstExpression *plait_ast_truth(PlaitParser *parser, PlaitSpan span, bool truth)
{
    PlaitAstExpression *node = make(parser, PLAIT_AST_TRUTH, span);
    node->number = truth;
    return node;
}

PlaitAstExpression *plait_ast_name(PlaitParser *parser, PlaitAstName name)
{
    PlaitAstExpression *node = make(parser, PLAIT_AST_NAME, name.span);
    node->name = name;
    return node;
}

PlaitAstExpression *plait_ast_unary(PlaitParser *parser, PlaitSpan span, PlaitOp op, PlaitAstExpression *x)
{
    PlaitAstExpression *node = make(parser, PLAIT_AST_UNARY, span);
    node->op = op;
    add_child(parser, node, x);
    return close(parser, node);
}

PlaitAstExpression *plait_ast_binary(PlaitParser *parser, PlaitOp op, PlaitAstExpression *x, PlaitAstExpression *y)
{
    PlaitAstExpression *node = make(parser, PLAIT_AST_BINARY, plait_span_join(x->span, y->span));
    node->op = op;
    add_child(parser, node, x);
    add_child(parser, node, y);
    return close(parser, node);
}

static bool is_comparison(const PlaitAstExpression *x)
{
    return x->kind == PLAIT_AST_BINARY && !x->parenthesised &&
           plait_op_info(x->op)->scalar_class == PLAIT_CLASS_COMPARE;
}

PlaitAstExpression *plait_ast_compare(PlaitParser *parser, PlaitOp op, PlaitAstExpression *x, PlaitAstExpression *y)
{
    PlaitAstExpression *node = plait_ast_binary(parser, op, x, y);
    if (!is_comparison(x) || node->kind == PLAIT_AST_BROKEN) return node;
    plait_parser_report(
        parser, PLAIT_COMPARISON_CHAIN, node->span, "a comparison of a comparison",
        "one comparison, or several joined by `and`",
        "write `a < b and b < c`; to compare truth values, put parentheses around the first comparison");
    return make(parser, PLAIT_AST_BROKEN, node->span);
}

PlaitAstExpression *plait_ast_conditional(PlaitParser *parser, PlaitAstExpression *yes, PlaitAstExpression *condition,
                                          PlaitAstExpression *no)
{
    PlaitAstExpression *node = make(parser, PLAIT_AST_CONDITIONAL, plait_span_join(yes->span, no->span));
    add_child(parser, node, yes);
    add_child(parser, node, condition);
    add_child(parser, node, no);
    return close(parser, node);
}

PlaitAstExpression *plait_ast_call(PlaitParser *parser, PlaitSpan span, PlaitAstName name, const PlaitAstNames *axes,
                                   const PlaitAstExpressions *arguments)
{
    PlaitAstExpression *node = make(parser, PLAIT_AST_CALL, span);
    node->name = name;
    node->has_axes = axes != NULL;
    if (axes) node->axes = *axes;
    for (uint32_t i = 0; arguments && i < arguments->count; i++) add_child(parser, node, arguments->data[i]);
    return close(parser, node);
}

PlaitAstExpression *plait_ast_at(PlaitParser *parser, PlaitSpan span, PlaitAstExpression *x, const PlaitAstName *axis,
                                 PlaitAstExpression *index)
{
    PlaitAstExpression *node = make(parser, PLAIT_AST_AT, span);
    node->has_axes = axis != NULL;
    if (axis) plait_push(parser->arena, &node->axes, *axis);
    add_child(parser, node, x);
    add_child(parser, node, index);
    return close(parser, node);
}

PlaitAstExpression *plait_ast_parenthesised(PlaitSpan span, PlaitAstExpression *x)
{
    x->parenthesised = true;
    x->span = span;
    return x;
}

/* ---- lists ---- */

PlaitAstNames *plait_ast_names_add(PlaitParser *parser, PlaitAstNames *names, PlaitAstName name)
{
    if (!names) names = PLAIT_NEW(parser->arena, PlaitAstNames);
    plait_push(parser->arena, names, name);
    return names;
}

PlaitAstExpressions *plait_ast_expressions_add(PlaitParser *parser, PlaitAstExpressions *list,
                                               const PlaitAstExpression *x)
{
    if (!list) list = PLAIT_NEW(parser->arena, PlaitAstExpressions);
    plait_push(parser->arena, list, x);
    return list;
}

PlaitAstType *plait_ast_type(PlaitParser *parser, PlaitSpan span, PlaitAstName scalar, const PlaitAstNames *axes)
{
    PlaitAstType *type = PLAIT_NEW(parser->arena, PlaitAstType);
    type->scalar = scalar;
    type->span = span;
    if (axes) type->axes = *axes;
    return type;
}

PlaitAstParams *plait_ast_params_add(PlaitParser *parser, PlaitAstParams *params, const PlaitAstNames *names,
                                     const PlaitAstType *type, const PlaitAstExpression *fallback)
{
    if (!params) params = PLAIT_NEW(parser->arena, PlaitAstParams);
    for (uint32_t i = 0; i < names->count; i++)
        plait_push(parser->arena, params, (PlaitAstParam){names->data[i], type, fallback});
    return params;
}

PlaitAstCarries *plait_ast_carries_add(PlaitParser *parser, PlaitAstCarries *carries, PlaitAstName name,
                                       const PlaitAstType *type, const PlaitAstExpression *initial)
{
    if (!carries) carries = PLAIT_NEW(parser->arena, PlaitAstCarries);
    plait_push(parser->arena, carries, (PlaitAstCarry){name, type, initial});
    return carries;
}

/* ---- statements ---- */

static PlaitAstStatement *make_statement(PlaitParser *parser, PlaitAstStatementKind kind, PlaitSpan span)
{
    PlaitAstStatement *statement = PLAIT_NEW(parser->arena, PlaitAstStatement);
    statement->kind = kind;
    statement->span = span;
    return statement;
}

PlaitAstStatement *plait_ast_assign(PlaitParser *parser, PlaitSpan span, PlaitAstName name, PlaitAstExpression *value)
{
    PlaitAstStatement *statement = make_statement(parser, PLAIT_AST_ASSIGN, span);
    statement->name = name;
    statement->value = value;
    return statement;
}

PlaitAstStatement *plait_ast_value(PlaitParser *parser, PlaitAstExpression *value)
{
    PlaitAstStatement *statement = make_statement(parser, PLAIT_AST_VALUE, value->span);
    statement->value = value;
    return statement;
}

PlaitAstStatement *plait_ast_scan(PlaitParser *parser, PlaitSpan span, PlaitAstName axis, bool reverse,
                                  const PlaitAstCarries *carries, const PlaitAstBlock *body)
{
    PlaitAstStatement *statement = make_statement(parser, PLAIT_AST_SCAN, span);
    statement->name = axis;
    statement->reverse = reverse;
    if (carries) statement->carries = *carries;
    statement->body = body;
    return statement;
}

PlaitAstStatement *plait_ast_attend(PlaitParser *parser, PlaitSpan span, PlaitAstName axis, PlaitAstName along,
                                    const PlaitAstExpression *where, const PlaitAstBlock *body)
{
    PlaitAstStatement *statement = make_statement(parser, PLAIT_AST_ATTEND, span);
    statement->name = axis;
    statement->along = along;
    statement->value = where;
    statement->body = body;
    return statement;
}

PlaitAstBlock *plait_ast_block_add(PlaitParser *parser, PlaitAstBlock *block, const PlaitAstStatement *statement)
{
    if (!block) block = PLAIT_NEW(parser->arena, PlaitAstBlock);
    if (statement) plait_push(parser->arena, block, statement);
    return block;
}

/* ---- the file ---- */

void plait_ast_add_axis(PlaitParser *parser, PlaitAstAxis axis)
{
    plait_push(parser->arena, &parser->ast->order, parser->ast->axes.count);
    plait_push(parser->arena, &parser->ast->axes, axis);
}

void plait_ast_add_constant(PlaitParser *parser, PlaitAstName name, const PlaitAstExpression *value)
{
    plait_push(parser->arena, &parser->ast->order, PLAIT_AST_CONSTANT + parser->ast->constants.count);
    plait_push(parser->arena, &parser->ast->constants, (PlaitAstConst){name, value});
}

void plait_ast_add_function(PlaitParser *parser, PlaitAstName name, const PlaitAstNames *axes,
                            const PlaitAstNames *params, const PlaitAstBlock *body)
{
    PlaitAstFunction *function = PLAIT_NEW(parser->arena, PlaitAstFunction);
    function->name = name;
    if (axes) function->axes = *axes;
    if (params) function->params = *params;
    function->body = body;
    function->standard = parser->standard;
    plait_push(parser->arena, &parser->ast->functions, function);
}

void plait_ast_add_operator(PlaitParser *parser, PlaitAstName name, const PlaitAstParams *params,
                            const PlaitAstParams *results, const PlaitAstBlock *body)
{
    PlaitAstOperator *declared = PLAIT_NEW(parser->arena, PlaitAstOperator);
    declared->name = name;
    if (params) declared->params = *params;
    if (results) declared->results = *results;
    declared->body = body;
    plait_push(parser->arena, &parser->ast->operators, declared);
}

/* ---- looking ---- */

void plait_ast_visit(const PlaitAstExpression *expression, PlaitAstVisitor visit, void *context)
{
    if (!expression) return;
    visit(context, expression);
    for (uint32_t i = 0; i < expression->children.count; i++)
        plait_ast_visit(expression->children.data[i], visit, context);
}

void plait_ast_visit_statement(const PlaitAstStatement *statement, PlaitAstVisitor visit, void *context)
{
    plait_ast_visit(statement->value, visit, context);
    for (uint32_t i = 0; i < statement->carries.count; i++)
        plait_ast_visit(statement->carries.data[i].initial, visit, context);
    if (statement->body) plait_ast_visit_block(statement->body, visit, context);
}

void plait_ast_visit_block(const PlaitAstBlock *block, PlaitAstVisitor visit, void *context)
{
    for (uint32_t i = 0; i < block->count; i++) plait_ast_visit_statement(block->data[i], visit, context);
}

bool plait_ast_mentions(const PlaitAstExpression *expression, PlaitName name)
{
    if (!expression) return false;
    if (expression->kind == PLAIT_AST_NAME && expression->name.name == name) return true;
    for (uint32_t i = 0; i < expression->children.count; i++)
        if (plait_ast_mentions(expression->children.data[i], name)) return true;
    return false;
}

static bool statement_mentions(const PlaitAstStatement *statement, PlaitName name)
{
    if (plait_ast_mentions(statement->value, name)) return true;
    for (uint32_t i = 0; i < statement->carries.count; i++)
        if (plait_ast_mentions(statement->carries.data[i].initial, name)) return true;
    return statement->body && plait_ast_block_mentions(statement->body, 0, name);
}

bool plait_ast_block_mentions(const PlaitAstBlock *block, uint32_t from, PlaitName name)
{
    for (uint32_t i = from; i < block->count; i++)
        if (statement_mentions(block->data[i], name)) return true;
    return false;
}
