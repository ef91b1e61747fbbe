/* Parsing: the state that scanner and grammar share, and the builders that the grammar's actions call. */
#ifndef PLAIT_FRONTEND_PARSER_H
#define PLAIT_FRONTEND_PARSER_H

#include "frontend/ast.h"

/* The state of one parse: the scanner's cursor and the tree so far. */
typedef struct PlaitParser {
    PlaitArena *arena;
    PlaitNames *names;
    PlaitDiagnostics *diagnostics;
    uint32_t source;  /* of the spans */
    const char *text; /* zero-terminated */
    const char *cursor;
    bool standard;
    bool stopped;      /* the scanner gave up: the rest of the file is not read, and not complained about */
    uint32_t brackets; /* open ( and [ */
    uint32_t braces;
    bool can_end; /* the last token can end a statement, so that a newline does */
    bool closed;  /* the last token was `}` */
    bool lost;    /* a mistake outside of blocks was found in the declaration at hand */
    PlaitAst *ast;
} PlaitParser;

/* Reads a whole text into `parser->ast`; mistakes are reported, what is between them is kept. */
void plait_parse(PlaitParser *parser);

void plait_parser_report(PlaitParser *parser, PlaitDiagnosticId id, PlaitSpan span, const char *found,
                         const char *expected, const char *help);

/* ---- builders ---- */

PlaitAstExpression *plait_ast_number(PlaitParser *parser, PlaitSpan span, double number, bool whole);
PlaitAstExpression *plait_ast_truth(PlaitParser *parser, PlaitSpan span, bool truth);
PlaitAstExpression *plait_ast_name(PlaitParser *parser, PlaitAstName name);
PlaitAstExpression *plait_ast_unary(PlaitParser *parser, PlaitSpan span, PlaitOp op, PlaitAstExpression *x);
PlaitAstExpression *plait_ast_binary(PlaitParser *parser, PlaitOp op, PlaitAstExpression *x, PlaitAstExpression *y);
/* A comparison; reports `a < b < c`. */
PlaitAstExpression *plait_ast_compare(PlaitParser *parser, PlaitOp op, PlaitAstExpression *x, PlaitAstExpression *y);
PlaitAstExpression *plait_ast_conditional(PlaitParser *parser, PlaitAstExpression *yes, PlaitAstExpression *condition,
                                          PlaitAstExpression *no);
/* `axes` NULL: written without brackets. */
PlaitAstExpression *plait_ast_call(PlaitParser *parser, PlaitSpan span, PlaitAstName name, const PlaitAstNames *axes,
                                   const PlaitAstExpressions *arguments);
PlaitAstExpression *plait_ast_at(PlaitParser *parser, PlaitSpan span, PlaitAstExpression *x, const PlaitAstName *axis,
                                 PlaitAstExpression *index);
PlaitAstExpression *plait_ast_parenthesised(PlaitSpan span, PlaitAstExpression *x);

PlaitAstNames *plait_ast_names_add(PlaitParser *parser, PlaitAstNames *names, PlaitAstName name); /* NULL: a new list */
PlaitAstExpressions *plait_ast_expressions_add(PlaitParser *parser, PlaitAstExpressions *list,
                                               const PlaitAstExpression *x);
PlaitAstType *plait_ast_type(PlaitParser *parser, PlaitSpan span, PlaitAstName scalar, const PlaitAstNames *axes);
/* Adds a parameter for each name. */
PlaitAstParams *plait_ast_params_add(PlaitParser *parser, PlaitAstParams *params, const PlaitAstNames *names,
                                     const PlaitAstType *type, const PlaitAstExpression *fallback);
PlaitAstCarries *plait_ast_carries_add(PlaitParser *parser, PlaitAstCarries *carries, PlaitAstName name,
                                       const PlaitAstType *type, const PlaitAstExpression *initial);

PlaitAstStatement *plait_ast_assign(PlaitParser *parser, PlaitSpan span, PlaitAstName name, PlaitAstExpression *value);
PlaitAstStatement *plait_ast_value(PlaitParser *parser, PlaitAstExpression *value);
PlaitAstStatement *plait_ast_scan(PlaitParser *parser, PlaitSpan span, PlaitAstName axis, bool reverse,
                                  const PlaitAstCarries *carries, const PlaitAstBlock *body);
PlaitAstStatement *plait_ast_attend(PlaitParser *parser, PlaitSpan span, PlaitAstName axis, PlaitAstName along,
                                    const PlaitAstExpression *where, const PlaitAstBlock *body);
PlaitAstBlock *plait_ast_block_add(PlaitParser *parser, PlaitAstBlock *block, const PlaitAstStatement *statement);

void plait_ast_add_axis(PlaitParser *parser, PlaitAstAxis axis);
void plait_ast_add_constant(PlaitParser *parser, PlaitAstName name, const PlaitAstExpression *value);
void plait_ast_add_function(PlaitParser *parser, PlaitAstName name, const PlaitAstNames *axes,
                            const PlaitAstNames *params, const PlaitAstBlock *body);
void plait_ast_add_operator(PlaitParser *parser, PlaitAstName name, const PlaitAstParams *params,
                            const PlaitAstParams *results, const PlaitAstBlock *body);

#endif
