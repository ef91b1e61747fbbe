/* Inside the pass `chunk`: how values of a scan's body depend on its carries. */
#ifndef PLAIT_PASSES_STAGE_CHUNK_FORM_H
#define PLAIT_PASSES_STAGE_CHUNK_FORM_H

#include "ir/build.h"

/* An expression over values of the body, of which some are not written yet. NULL stands for 1. */
typedef enum PlaitExprKind {
    PLAIT_EXPR_VALUE,
    PLAIT_EXPR_NUMBER,
    PLAIT_EXPR_MUL,
    PLAIT_EXPR_DIV, /* a / b */
    PLAIT_EXPR_ADD,
    PLAIT_EXPR_NEG,
    PLAIT_EXPR_SELECT /* condition (a value) ? a : b */
} PlaitExprKind;

typedef struct PlaitExpr {
    PlaitExprKind kind;
    PlaitValue value; /* VALUE; SELECT: the condition */
    double number;
    const struct PlaitExpr *a, *b;
    uint32_t size; /* of the tree */
} PlaitExpr;

typedef PLAIT_VECTOR(const PlaitExpr *) PlaitExprs;

enum { PLAIT_FORM_MOST_TERMS = 8 }; /* of a carry's next value */

/* coefficient * carry + terms. */
typedef struct PlaitForm {
    bool direct; /* it is of this form; else it does not depend on a carry element by element */
    bool after;  /* of the carry after the token, not before it */
    uint32_t carry;
    const PlaitExpr *coefficient;
    PlaitExprs terms;
} PlaitForm;

typedef struct PlaitForms {
    PlaitFunction *function;
    const PlaitRegion *body;
    PlaitForm *forms; /* by value */
    bool *known;
    uint32_t count;     /* of values when the analysis began */
    uint32_t steps;     /* of looking for linear factors */
    PlaitValue at;      /* looked at last */
    const char *reason; /* why some value has no form; NULL: all have */
    PlaitValue culprit;
} PlaitForms;

PlaitForms plait_forms(PlaitFunction *function, PlaitValue scan);
/* The form of a value. On a failure `reason` is set. */
const PlaitForm *plait_form(PlaitForms *forms, PlaitValue value);
/* The form of a carry's next value in terms of the carry before the token. */
const PlaitForm *plait_form_next(PlaitForms *forms, uint32_t carry);
bool plait_form_fail(PlaitForms *forms, PlaitValue value, const char *reason);

/* The axes that an expression varies along; its scalar type is bool. */
PlaitType plait_expr_type(const PlaitFunction *function, const PlaitExpr *expr);
const PlaitExpr *plait_expr_value(PlaitForms *forms, PlaitValue value);
const PlaitExpr *plait_expr_mul(PlaitForms *forms, const PlaitExpr *a, const PlaitExpr *b);
/* expr where the condition is `when`, else 0. */
const PlaitExpr *plait_expr_where(PlaitForms *forms, PlaitValue condition, bool when, const PlaitExpr *expr);
/* The factors of a product, through multiplications in and outside of the body. */
void plait_expr_factors(PlaitForms *forms, const PlaitExpr *expr, PlaitExprs *factors);
/* Takes the factors of `by` out of those of *expr; false, and nothing changes, when they are not all there. */
bool plait_expr_take(PlaitForms *forms, const PlaitExpr **expr, const PlaitExpr *by);
/* Whether the value depends on `on`, inside the body. */
bool plait_form_depends(PlaitForms *forms, PlaitValue value, PlaitValue on);
bool plait_expr_depends(PlaitForms *forms, const PlaitExpr *expr, PlaitValue on);
/* expr = factor * unknown + rest, where NULL stands for 0 (and plait_expr_one for 1). Fails when it is not so. */
typedef struct PlaitLinear {
    const PlaitExpr *factor, *rest;
} PlaitLinear;
PlaitLinear plait_expr_linear(PlaitForms *forms, const PlaitExpr *expr, PlaitValue unknown);
/* How large |log expr| can be, by what is known of it; infinity when nothing is. */
double plait_expr_most_log(const PlaitFunction *function, const PlaitExpr *expr);
/* Whether the expression is known to be >= 0. */
bool plait_expr_is_positive(const PlaitFunction *function, const PlaitExpr *expr);

#endif
