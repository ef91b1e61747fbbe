/* The syntax tree of a .plait file.
 *
 * Nodes live in the compilation's arena and are never changed after they are built. Names are interned; a name's
 * place is kept beside it wherever a message may point at it. Nothing is resolved here: `sum[d](x)` is a call of
 * `sum` with one axis, whatever `sum` turns out to be.
 */
#ifndef PLAIT_FRONTEND_AST_H
#define PLAIT_FRONTEND_AST_H

#include "ir/ir.h"

enum {
    PLAIT_MAX_EXPRESSION_DEPTH = 200, /* of nodes; the lowering recurses this deep for each inlined function */
    PLAIT_MAX_BLOCK_DEPTH = 16,       /* of braces */
    PLAIT_MAX_NAME_LENGTH = 63
};

typedef struct PlaitAstName {
    PlaitName name;
    PlaitSpan span;
} PlaitAstName;

typedef PLAIT_VECTOR(PlaitAstName) PlaitAstNames;

typedef enum PlaitAstKind {
    PLAIT_AST_BROKEN,      /* did not parse; already reported */
    PLAIT_AST_NUMBER,      /* number, whole */
    PLAIT_AST_TRUTH,       /* true, false: number 1 or 0 */
    PLAIT_AST_NAME,        /* name */
    PLAIT_AST_UNARY,       /* op, 1 child */
    PLAIT_AST_BINARY,      /* op, 2 children; PLAIT_OP_DIV is `/`, PLAIT_OP_POW is `^` */
    PLAIT_AST_CALL,        /* name, axes, children */
    PLAIT_AST_AT,          /* children x, index; axes when written `@[a]` */
    PLAIT_AST_CONDITIONAL, /* children: yes, condition, no */
    PLAIT_AST_KIND_COUNT
} PlaitAstKind;

typedef struct PlaitAstExpression PlaitAstExpression;
typedef PLAIT_VECTOR(const PlaitAstExpression *) PlaitAstExpressions;

struct PlaitAstExpression {
    PlaitAstKind kind;
    PlaitSpan span;
    uint32_t depth; /* of this node over its leaves */
    bool parenthesised;
    PlaitOp op;
    double number;
    bool whole; /* written without point and exponent */
    PlaitAstName name;
    bool has_axes; /* brackets were written */
    PlaitAstNames axes;
    PlaitAstExpressions children;
};

typedef struct PlaitAstType {
    PlaitAstName scalar;
    PlaitAstNames axes;
    PlaitSpan span;
} PlaitAstType;

/* A parameter or a result of an operator. */
typedef struct PlaitAstParam {
    PlaitAstName name;
    const PlaitAstType *type;
    const PlaitAstExpression *fallback; /* NULL: none */
} PlaitAstParam;

typedef PLAIT_VECTOR(PlaitAstParam) PlaitAstParams;

typedef struct PlaitAstCarry {
    PlaitAstName name;
    const PlaitAstType *type; /* NULL: inferred */
    const PlaitAstExpression *initial;
} PlaitAstCarry;

typedef PLAIT_VECTOR(PlaitAstCarry) PlaitAstCarries;

typedef enum PlaitAstStatementKind {
    PLAIT_AST_ASSIGN, /* name, value */
    PLAIT_AST_VALUE,  /* value: the result of a function */
    PLAIT_AST_SCAN,   /* name: the axis; reverse, carries, body */
    PLAIT_AST_ATTEND, /* name: the axis; along, value: `where` or NULL, body */
    PLAIT_AST_STATEMENT_KIND_COUNT
} PlaitAstStatementKind;

typedef struct PlaitAstStatement PlaitAstStatement;
typedef PLAIT_VECTOR(const PlaitAstStatement *) PlaitAstBlock;

struct PlaitAstStatement {
    PlaitAstStatementKind kind;
    PlaitSpan span;
    PlaitAstName name;
    const PlaitAstExpression *value;
    bool reverse;
    PlaitAstCarries carries;
    PlaitAstName along; /* name 0: none */
    const PlaitAstBlock *body;
};

typedef struct PlaitAstAxis {
    PlaitAstName name;
    PlaitAstName role;              /* name 0: none */
    PlaitAstName same_as;           /* name 0: none */
    const PlaitAstExpression *size; /* NULL: none */
} PlaitAstAxis;

typedef struct PlaitAstConst {
    PlaitAstName name;
    const PlaitAstExpression *value;
} PlaitAstConst;

typedef struct PlaitAstFunction {
    PlaitAstName name;
    PlaitAstNames axes, params;
    const PlaitAstBlock *body; /* `= expression` is a body of one VALUE */
    bool standard;             /* from std.plait */
} PlaitAstFunction;

typedef struct PlaitAstOperator {
    PlaitAstName name;
    PlaitAstParams params, results;
    const PlaitAstBlock *body;
} PlaitAstOperator;

/* A file. */
typedef struct PlaitAst {
    PLAIT_VECTOR(PlaitAstAxis) axes;
    PLAIT_VECTOR(PlaitAstConst) constants;
    PLAIT_VECTOR(const PlaitAstFunction *) functions;
    PLAIT_VECTOR(const PlaitAstOperator *) operators;
    /* Axes and constants in the order of the file, as a constant may use the sizes before it:
     * an index into `axes`, or PLAIT_AST_CONSTANT + an index into `constants`. */
    PLAIT_VECTOR(uint32_t) order;
} PlaitAst;

enum { PLAIT_AST_CONSTANT = 1 << 30 };

/* Calls `visit` for every node of an expression (NULL: none) or of a block's statements. */
typedef void (*PlaitAstVisitor)(void *context, const PlaitAstExpression *expression);
void plait_ast_visit(const PlaitAstExpression *expression, PlaitAstVisitor visit, void *context);
void plait_ast_visit_statement(const PlaitAstStatement *statement, PlaitAstVisitor visit, void *context);
void plait_ast_visit_block(const PlaitAstBlock *block, PlaitAstVisitor visit, void *context);
/* Whether the text mentions a name as a value (not as a function or in brackets). */
bool plait_ast_mentions(const PlaitAstExpression *expression, PlaitName name);
/* Statements [from, count) of a block. */
bool plait_ast_block_mentions(const PlaitAstBlock *block, uint32_t from, PlaitName name);

#endif
