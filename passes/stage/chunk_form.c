/* Writes what a scan's body makes of a carry S as  c S + terms,  by symbolic linearity.
 *
 * A sum over an axis of such a value is a *read* of the state: an ordinary value at each token, which chunk.c computes
 * for a block of tokens at a time. What else is made of S has no form, and the scan stays token after token.
 *
 *     S1 = alpha * S                          c = alpha
 *     u  = reduce.sum[d] k * S1               a read, with weights alpha k
 *     S' = S1 + (beta k) * (v - u)            c = alpha, one term with the factors beta, k, v - u
 *     o  = reduce.sum[d] q * S'               a read of the state after the token, with weights q
 */
#include "passes/stage/chunk_form.h"

#include <math.h>

#include "passes/stage/written.h"

/* Expressions are trees over a graph of values: those of more steps than that are not looked at. */
enum { MOST_STEPS = 2000, MOST_FACTORS = 32 };

bool plait_form_fail(PlaitForms *forms, PlaitValue value, const char *reason)
{
    if (!forms->reason) {
        forms->reason = reason;
        forms->culprit = value;
    }
    return false;
}

/* ---- expressions ---- */

/* A tree over shared parts could double with every operation: a long one is the end. */
static const PlaitExpr *make(PlaitForms *forms, PlaitExpr expr)
{
    expr.size = 1 + (expr.a ? expr.a->size : 0) + (expr.b ? expr.b->size : 0);
    if (expr.size > MOST_STEPS) {
        plait_form_fail(forms, forms->at, "long expressions of the carry");
        expr = (PlaitExpr){.kind = PLAIT_EXPR_NUMBER, .number = 1, .size = 1};
    }
    return plait_arena_copy(forms->function->module->arena, &expr, sizeof expr);
}

const PlaitExpr *plait_expr_value(PlaitForms *forms, PlaitValue value)
{
    return make(forms, (PlaitExpr){.kind = PLAIT_EXPR_VALUE, .value = value});
}

static const PlaitExpr *number(PlaitForms *forms, double value)
{
    return make(forms, (PlaitExpr){.kind = PLAIT_EXPR_NUMBER, .number = value});
}

static const PlaitExpr *negated(PlaitForms *forms, const PlaitExpr *a)
{
    return a ? make(forms, (PlaitExpr){.kind = PLAIT_EXPR_NEG, .a = a}) : number(forms, -1);
}

const PlaitExpr *plait_expr_mul(PlaitForms *forms, const PlaitExpr *a, const PlaitExpr *b)
{
    if (!a || !b) return a ? a : b;
    return make(forms, (PlaitExpr){.kind = PLAIT_EXPR_MUL, .a = a, .b = b});
}

static const PlaitExpr *quotient(PlaitForms *forms, const PlaitExpr *a, const PlaitExpr *b)
{
    return make(forms, (PlaitExpr){.kind = PLAIT_EXPR_DIV, .a = a ? a : number(forms, 1), .b = b});
}

const PlaitExpr *plait_expr_where(PlaitForms *forms, PlaitValue condition, bool when, const PlaitExpr *expr)
{
    const PlaitExpr *there = expr ? expr : number(forms, 1), *zero = number(forms, 0);
    return make(
        forms,
        (PlaitExpr){.kind = PLAIT_EXPR_SELECT, .value = condition, .a = when ? there : zero, .b = when ? zero : there});
}

static bool is_zero(const PlaitExpr *expr) { return expr->kind == PLAIT_EXPR_NUMBER && expr->number == 0; }

PlaitType plait_expr_type(const PlaitFunction *function, const PlaitExpr *expr)
{
    PlaitType type = plait_type(PLAIT_BOOL);
    if (!expr) return type;
    if (expr->value) type = plait_type_union(type, plait_type_of(function, expr->value));
    if (expr->a) type = plait_type_union(type, plait_expr_type(function, expr->a));
    if (expr->b) type = plait_type_union(type, plait_expr_type(function, expr->b));
    return plait_type_as(type, PLAIT_BOOL);
}

/* Whether it may have no finite value where a condition keeps it from being used: 0 times that is no 0. */
static bool needs_guard(const PlaitForms *forms, const PlaitExpr *expr)
{
    if (expr->kind == PLAIT_EXPR_NUMBER) return false;
    if (expr->kind != PLAIT_EXPR_VALUE) return true;
    const PlaitInst *inst = plait_inst(forms->function, expr->value);
    while (inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_CAST)
        inst = plait_inst(forms->function, inst->operands[0]);
    return plait_op_is_pointwise((PlaitOp)inst->op);
}

static void value_factors(PlaitForms *forms, PlaitValue value, PlaitExprs *factors)
{
    const PlaitInst *inst = plait_inst(forms->function, value);
    if (factors->count >= MOST_FACTORS) {
        plait_push(forms->function->module->arena, factors, plait_expr_value(forms, value));
    } else if (inst->op == PLAIT_OP_BROADCAST) {
        value_factors(forms, inst->operands[0], factors);
    } else if (inst->op == PLAIT_OP_MUL) {
        value_factors(forms, inst->operands[0], factors);
        value_factors(forms, inst->operands[1], factors);
    } else if (inst->op == PLAIT_OP_NEG) {
        plait_push(forms->function->module->arena, factors, number(forms, -1));
        value_factors(forms, inst->operands[0], factors);
    } else {
        plait_push(forms->function->module->arena, factors, plait_expr_value(forms, value));
    }
}

void plait_expr_factors(PlaitForms *forms, const PlaitExpr *expr, PlaitExprs *factors)
{
    PlaitArena *arena = forms->function->module->arena;
    if (!expr) return;
    switch (expr->kind) {
    case PLAIT_EXPR_VALUE: value_factors(forms, expr->value, factors); break;
    case PLAIT_EXPR_MUL:
        plait_expr_factors(forms, expr->a, factors);
        plait_expr_factors(forms, expr->b, factors);
        break;
    case PLAIT_EXPR_NEG:
        plait_push(arena, factors, number(forms, -1));
        plait_expr_factors(forms, expr->a, factors);
        break;
    case PLAIT_EXPR_DIV:
        plait_expr_factors(forms, expr->a, factors);
        plait_push(arena, factors, quotient(forms, NULL, expr->b));
        break;
    case PLAIT_EXPR_SELECT: { /* of plait_expr_where */
        bool when = is_zero(expr->b);
        uint32_t first = factors->count;
        plait_expr_factors(forms, when ? expr->a : expr->b, factors);
        for (uint32_t i = first; i < factors->count; i++)
            if (needs_guard(forms, factors->data[i]))
                factors->data[i] = plait_expr_where(forms, expr->value, when, factors->data[i]);
        plait_push(arena, factors, plait_expr_where(forms, expr->value, when, NULL));
        break;
    }
    case PLAIT_EXPR_NUMBER:
    case PLAIT_EXPR_ADD: plait_push(arena, factors, expr); break;
    }
}

static bool same_expr(const PlaitExpr *a, const PlaitExpr *b)
{
    if (!a || !b || a == b) return a == b;
    if (a->kind != b->kind || a->size != b->size || a->value != b->value || a->number != b->number) return false;
    return same_expr(a->a, b->a) && same_expr(a->b, b->b);
}

bool plait_expr_take(PlaitForms *forms, const PlaitExpr **expr, const PlaitExpr *by)
{
    PlaitExprs factors = {0}, wanted = {0};
    const PlaitExpr *left = NULL;
    plait_expr_factors(forms, *expr, &factors);
    plait_expr_factors(forms, by, &wanted);
    for (uint32_t i = 0; i < wanted.count; i++) {
        uint32_t at = 0;
        while (at < factors.count && !(factors.data[at] && same_expr(factors.data[at], wanted.data[i]))) at++;
        if (at == factors.count) return false;
        factors.data[at] = NULL;
    }
    for (uint32_t i = 0; i < factors.count; i++)
        if (factors.data[i]) left = plait_expr_mul(forms, left, factors.data[i]);
    *expr = left;
    return true;
}

/* ---- bounds ---- */

typedef struct Interval {
    double low, high;
} Interval;

static const Interval anything = {-INFINITY, INFINITY};

static double times(double x, double y) { return x == 0 || y == 0 ? 0 : x * y; }

static Interval product(Interval x, Interval y)
{
    double corners[4] = {times(x.low, y.low), times(x.low, y.high), times(x.high, y.low), times(x.high, y.high)};
    Interval result = {corners[0], corners[0]};
    for (int i = 1; i < 4; i++) {
        result.low = fmin(result.low, corners[i]);
        result.high = fmax(result.high, corners[i]);
    }
    return result;
}

/* Whole numbers are what is left without a fraction, and a truth is 0 or 1. */
static Interval cast_bounds(PlaitScalar to, Interval x)
{
    switch (plait_scalar_kind(to)) {
    case PLAIT_TRUTH: return (Interval){0, 1};
    case PLAIT_INTEGER: return (Interval){trunc(x.low), trunc(x.high)};
    case PLAIT_FLOATING: return x;
    }
    return anything;
}

static Interval bounds_of(const PlaitFunction *function, PlaitValue value, uint32_t *steps)
{
    const PlaitInst *inst = plait_inst(function, value);
    PlaitOp op = (PlaitOp)inst->op;
    if (++*steps > MOST_STEPS) return anything;
    if (op == PLAIT_OP_CONST) return (Interval){inst->number, inst->number};
    if (op == PLAIT_OP_IOTA) return (Interval){0, INFINITY};
    if (op == PLAIT_OP_SIZE) return (Interval){0, INFINITY};
    if (!plait_op_is_pointwise(op) && op != PLAIT_OP_BROADCAST) return anything;
    Interval x[3] = {anything, anything, anything};
    for (uint32_t i = 0; i < inst->operand_count; i++) x[i] = bounds_of(function, inst->operands[i], steps);
    switch ((int)op) {
    case PLAIT_OP_BROADCAST: return x[0];
    case PLAIT_OP_CAST: return cast_bounds((PlaitScalar)inst->type.scalar, x[0]);
    case PLAIT_OP_NEG: return (Interval){-x[0].high, -x[0].low};
    case PLAIT_OP_ADD: return (Interval){x[0].low + x[1].low, x[0].high + x[1].high};
    case PLAIT_OP_SUB: return (Interval){x[0].low - x[1].high, x[0].high - x[1].low};
    case PLAIT_OP_MUL:
        if (inst->operands[0] == inst->operands[1]) return (Interval){0, INFINITY};
        return product(x[0], x[1]);
    case PLAIT_OP_DIV: return x[1].low > 0 ? product(x[0], (Interval){1 / x[1].high, 1 / x[1].low}) : anything;
    case PLAIT_OP_MAX: return (Interval){fmax(x[0].low, x[1].low), fmax(x[0].high, x[1].high)};
    case PLAIT_OP_MIN: return (Interval){fmin(x[0].low, x[1].low), fmin(x[0].high, x[1].high)};
    case PLAIT_OP_SELECT: return (Interval){fmin(x[1].low, x[2].low), fmax(x[1].high, x[2].high)};
    case PLAIT_OP_EXP: return (Interval){exp(x[0].low), exp(x[0].high)};
    case PLAIT_OP_EXP2: return (Interval){exp2(x[0].low), exp2(x[0].high)};
    case PLAIT_OP_ABS:
    case PLAIT_OP_SQRT:
    case PLAIT_OP_RSQRT: return (Interval){0, INFINITY};
    case PLAIT_OP_TANH: return (Interval){-1, 1};
    case PLAIT_OP_LOG1P: return (Interval){x[0].low >= 0 ? 0 : -INFINITY, INFINITY};
    case PLAIT_OP_POW:
        if (x[0].low == x[0].high && x[0].low >= 1)
            return (Interval){pow(x[0].low, x[1].low), pow(x[0].low, x[1].high)};
        return x[0].low >= 0 ? (Interval){0, INFINITY} : anything;
    default: return anything;
    }
}

static Interval expr_bounds(const PlaitFunction *function, const PlaitExpr *expr, uint32_t *steps)
{
    if (!expr) return (Interval){1, 1};
    Interval a = expr->kind == PLAIT_EXPR_VALUE || expr->kind == PLAIT_EXPR_NUMBER
                     ? anything
                     : expr_bounds(function, expr->a, steps);
    Interval b = expr->b ? expr_bounds(function, expr->b, steps) : anything;
    switch (expr->kind) {
    case PLAIT_EXPR_VALUE: return bounds_of(function, expr->value, steps);
    case PLAIT_EXPR_NUMBER: return (Interval){expr->number, expr->number};
    case PLAIT_EXPR_MUL: return product(a, b);
    case PLAIT_EXPR_DIV: return b.low > 0 ? product(a, (Interval){1 / b.high, 1 / b.low}) : anything;
    case PLAIT_EXPR_ADD: return (Interval){a.low + b.low, a.high + b.high};
    case PLAIT_EXPR_NEG: return (Interval){-a.high, -a.low};
    case PLAIT_EXPR_SELECT: return (Interval){fmin(a.low, b.low), fmax(a.high, b.high)};
    }
    return anything;
}

double plait_expr_most_log(const PlaitFunction *function, const PlaitExpr *expr)
{
    uint32_t steps = 0;
    Interval bounds = expr_bounds(function, expr, &steps);
    return bounds.low > 0 ? fmax(fabs(log(bounds.low)), fabs(log(bounds.high))) : INFINITY;
}

bool plait_expr_is_positive(const PlaitFunction *function, const PlaitExpr *expr)
{
    uint32_t steps = 0;
    return expr_bounds(function, expr, &steps).low >= 0;
}

/* ---- forms ---- */

PlaitForms plait_forms(PlaitFunction *function, PlaitValue scan)
{
    PlaitArena *arena = function->module->arena;
    return (PlaitForms){.function = function,
                        .at = scan,
                        .body = plait_inst(function, scan)->body,
                        .count = function->insts.count,
                        .forms = PLAIT_NEW_ARRAY(arena, PlaitForm, function->insts.count),
                        .known = PLAIT_NEW_ARRAY(arena, bool, function->insts.count)};
}

static PlaitForm scaled(PlaitForms *forms, const PlaitForm *form, const PlaitExpr *by)
{
    PlaitForm result = *form;
    result.coefficient = plait_expr_mul(forms, by, form->coefficient);
    result.terms = (PlaitExprs){0};
    for (uint32_t i = 0; i < form->terms.count; i++)
        plait_push(forms->function->module->arena, &result.terms, plait_expr_mul(forms, by, form->terms.data[i]));
    return result;
}

/* Where the condition is `when`; elsewhere 0, whatever the form would be there. */
static PlaitForm where_form(PlaitForms *forms, const PlaitForm *form, PlaitValue condition, bool when)
{
    PlaitForm result = *form;
    result.coefficient = plait_expr_where(forms, condition, when, form->coefficient);
    result.terms = (PlaitExprs){0};
    for (uint32_t i = 0; i < form->terms.count; i++)
        plait_push(forms->function->module->arena, &result.terms,
                   plait_expr_where(forms, condition, when, form->terms.data[i]));
    return result;
}

/* An AFTER form in terms of the carry before the token. */
static PlaitForm before(PlaitForms *forms, const PlaitForm *form)
{
    if (!form->after) return *form;
    PlaitForm result = scaled(forms, plait_form_next(forms, form->carry), form->coefficient);
    for (uint32_t i = 0; i < form->terms.count; i++)
        plait_push(forms->function->module->arena, &result.terms, form->terms.data[i]);
    return result;
}

static PlaitForm added(PlaitForms *forms, PlaitValue value, PlaitForm a, PlaitForm b)
{
    PlaitArena *arena = forms->function->module->arena;
    if (a.after != b.after) {
        a = before(forms, &a);
        b = before(forms, &b);
    }
    if (a.carry != b.carry) plait_form_fail(forms, value, "two carries are added element by element");
    PlaitForm sum = a;
    const PlaitExpr *left = a.coefficient ? a.coefficient : number(forms, 1),
                    *right = b.coefficient ? b.coefficient : number(forms, 1);
    sum.coefficient = make(forms, (PlaitExpr){.kind = PLAIT_EXPR_ADD, .a = left, .b = right});
    if (a.terms.count + b.terms.count > MOST_STEPS) {
        plait_form_fail(forms, value, "a sum of many terms");
        return sum;
    }
    for (uint32_t i = 0; i < b.terms.count; i++) plait_push(arena, &sum.terms, b.terms.data[i]);
    return sum;
}

static PlaitForm with_term(PlaitForms *forms, PlaitForm form, const PlaitExpr *term)
{
    PlaitExprs terms = {0};
    PlaitArena *arena = forms->function->module->arena;
    for (uint32_t i = 0; i < form.terms.count; i++) plait_push(arena, &terms, form.terms.data[i]);
    plait_push(arena, &terms, term);
    form.terms = terms;
    return form;
}

static PlaitForm minus(PlaitForms *forms, const PlaitForm *form) { return scaled(forms, form, number(forms, -1)); }

static PlaitForm sum_form(PlaitForms *forms, PlaitValue value, const PlaitInst *inst)
{
    PlaitForm a = *plait_form(forms, inst->operands[0]), b = *plait_form(forms, inst->operands[1]);
    bool minuend = inst->op == PLAIT_OP_SUB;
    const PlaitExpr *x = plait_expr_value(forms, inst->operands[0]), *y = plait_expr_value(forms, inst->operands[1]);
    if (a.direct && b.direct) return added(forms, value, a, minuend ? minus(forms, &b) : b);
    if (a.direct) return with_term(forms, a, minuend ? negated(forms, y) : y);
    return with_term(forms, minuend ? minus(forms, &b) : b, x);
}

static PlaitForm select_form(PlaitForms *forms, PlaitValue value, const PlaitInst *inst)
{
    PlaitForm sides[2] = {*plait_form(forms, inst->operands[1]), *plait_form(forms, inst->operands[2])};
    for (uint32_t i = 0; i < 2; i++)
        if (sides[i].direct) sides[i] = where_form(forms, &sides[i], inst->operands[0], i == 0);
    if (sides[0].direct && sides[1].direct) return added(forms, value, sides[0], sides[1]);
    uint32_t other = sides[0].direct ? 1 : 0;
    return with_term(
        forms, sides[1 - other],
        plait_expr_where(forms, inst->operands[0], other == 0, plait_expr_value(forms, inst->operands[1 + other])));
}

static PlaitForm fail(PlaitForms *forms, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(forms->function, value);
    plait_form_fail(forms, value,
                    plait_arena_printf(forms->function->module->arena, "`%s` of the carry", plait_written(inst)));
    return (PlaitForm){0};
}

static bool any_direct(PlaitForms *forms, const PlaitInst *inst)
{
    bool any = false;
    for (uint32_t i = 0; i < inst->operand_count; i++) any |= plait_form(forms, inst->operands[i])->direct;
    return any;
}

static PlaitForm compute(PlaitForms *forms, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(forms->function, value);
    forms->at = value;
    if (inst->body) return fail(forms, value);
    if (!any_direct(forms, inst)) return (PlaitForm){0};
    const PlaitForm *first = plait_form(forms, inst->operands[0]);
    switch ((int)inst->op) {
    case PLAIT_OP_REDUCE_SUM: return (PlaitForm){0}; /* a read */
    case PLAIT_OP_BROADCAST: return *first;
    case PLAIT_OP_CAST:
        if (inst->type.scalar != plait_type_of(forms->function, inst->operands[0]).scalar) return fail(forms, value);
        return *first;
    case PLAIT_OP_NEG: return minus(forms, first);
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB: return sum_form(forms, value, inst);
    case PLAIT_OP_MUL: {
        const PlaitForm *second = plait_form(forms, inst->operands[1]);
        if (first->direct && second->direct) return fail(forms, value);
        return first->direct ? scaled(forms, first, plait_expr_value(forms, inst->operands[1]))
                             : scaled(forms, second, plait_expr_value(forms, inst->operands[0]));
    }
    case PLAIT_OP_DIV:
        if (!first->direct || plait_form(forms, inst->operands[1])->direct) return fail(forms, value);
        return scaled(forms, first, quotient(forms, NULL, plait_expr_value(forms, inst->operands[1])));
    case PLAIT_OP_SELECT: return first->direct ? fail(forms, value) : select_form(forms, value, inst);
    default: return fail(forms, value);
    }
}

/* The carry whose next value this is; the number of carries when it is none. */
static uint32_t next_of(const PlaitForms *forms, PlaitValue value)
{
    uint32_t carry = 0, count = forms->body->params.count;
    while (carry < count && forms->body->yields.data[carry] != value) carry++;
    return carry;
}

const PlaitForm *plait_form(PlaitForms *forms, PlaitValue value)
{
    static const PlaitForm independent = {0};
    const PlaitInst *inst = plait_inst(forms->function, value);
    if (inst->region != forms->body) return &independent;
    if (inst->op == PLAIT_OP_ARGUMENT) {
        PlaitForm form = {.direct = true};
        while (forms->body->params.data[form.carry] != value) form.carry++;
        return plait_arena_copy(forms->function->module->arena, &form, sizeof form);
    }
    if (!forms->known[value]) {
        forms->known[value] = true;
        forms->forms[value] = compute(forms, value);
    }
    uint32_t carry = next_of(forms, value);
    if (!forms->forms[value].direct || carry == forms->body->params.count) return &forms->forms[value];
    PlaitForm after = {.direct = true, .after = true, .carry = carry};
    return plait_arena_copy(forms->function->module->arena, &after, sizeof after);
}

/* Why the next value of a carry, which has no form that is made of the carry, has none. */
static const char *why_not_next(const PlaitForms *forms, PlaitValue next, const PlaitForm *form, uint32_t carry)
{
    PlaitValue param = forms->body->params.data[carry];
    if (next == param) return "a carry that nothing is added to, nor multiplied by";
    if (form->direct) return "the next value of a carry is made of another one";
    if (plait_form_depends((PlaitForms *)forms, next, param))
        return "the next value of a carry is made of sums over the carry alone";
    return "the next value of a carry is not made of the carry";
}

const PlaitForm *plait_form_next(PlaitForms *forms, uint32_t carry)
{
    static const PlaitForm none = {0};
    PlaitValue next = forms->body->yields.data[carry];
    plait_form(forms, next);
    const PlaitForm *form =
        plait_inst(forms->function, next)->region == forms->body && forms->known[next] ? &forms->forms[next] : &none;
    if (!form->direct || form->carry != carry) plait_form_fail(forms, next, why_not_next(forms, next, form, carry));
    else if (form->terms.count > PLAIT_FORM_MOST_TERMS) plait_form_fail(forms, next, "a sum of many terms");
    return form;
}

/* ---- linear in a read ---- */

static bool depends(PlaitForms *forms, PlaitValue value, PlaitValue on, bool *seen)
{
    const PlaitInst *inst = plait_inst(forms->function, value);
    if (value == on) return true;
    if (inst->region != forms->body || seen[value]) return false;
    seen[value] = true;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (depends(forms, inst->operands[i], on, seen)) return true;
    return false;
}

bool plait_form_depends(PlaitForms *forms, PlaitValue value, PlaitValue on)
{
    if (plait_inst(forms->function, value)->region != forms->body) return false;
    return depends(forms, value, on, PLAIT_NEW_ARRAY(forms->function->module->arena, bool, forms->count));
}

bool plait_expr_depends(PlaitForms *forms, const PlaitExpr *expr, PlaitValue on)
{
    if (!expr) return false;
    return (expr->value && plait_form_depends(forms, expr->value, on)) || plait_expr_depends(forms, expr->a, on) ||
           plait_expr_depends(forms, expr->b, on);
}

static const PlaitExpr *total(PlaitForms *forms, const PlaitExpr *a, const PlaitExpr *b)
{
    if (!a || !b) return a ? a : b;
    return make(forms, (PlaitExpr){.kind = PLAIT_EXPR_ADD, .a = a, .b = b});
}

static PlaitLinear scaled_linear(PlaitForms *forms, PlaitLinear x, const PlaitExpr *by)
{
    return (PlaitLinear){x.factor ? plait_expr_mul(forms, x.factor, by) : NULL,
                         x.rest ? plait_expr_mul(forms, x.rest, by) : NULL};
}

static PlaitLinear added_linear(PlaitForms *forms, PlaitLinear x, PlaitLinear y)
{
    return (PlaitLinear){total(forms, x.factor, y.factor), total(forms, x.rest, y.rest)};
}

static PlaitLinear where_linear(PlaitForms *forms, PlaitValue condition, bool when, PlaitLinear x)
{
    return (PlaitLinear){x.factor ? plait_expr_where(forms, condition, when, x.factor) : NULL,
                         x.rest ? plait_expr_where(forms, condition, when, x.rest) : NULL};
}

static PlaitLinear not_linear(PlaitForms *forms, PlaitValue value)
{
    plait_form_fail(forms, value, "what is read from the carry is added to it again, and not linearly");
    return (PlaitLinear){0};
}

static PlaitLinear linear_value(PlaitForms *forms, PlaitValue value, PlaitValue unknown)
{
    const PlaitInst *inst = plait_inst(forms->function, value);
    if (++forms->steps > MOST_STEPS) return not_linear(forms, value);
    if (value == unknown) return (PlaitLinear){number(forms, 1), NULL};
    if (!plait_form_depends(forms, value, unknown)) return (PlaitLinear){NULL, plait_expr_value(forms, value)};
    bool first = inst->operand_count > 0 && plait_form_depends(forms, inst->operands[0], unknown);
    switch ((int)inst->op) {
    case PLAIT_OP_BROADCAST: return linear_value(forms, inst->operands[0], unknown);
    case PLAIT_OP_NEG: return scaled_linear(forms, linear_value(forms, inst->operands[0], unknown), number(forms, -1));
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB: {
        PlaitLinear y = linear_value(forms, inst->operands[1], unknown);
        if (inst->op == PLAIT_OP_SUB) y = scaled_linear(forms, y, number(forms, -1));
        return added_linear(forms, linear_value(forms, inst->operands[0], unknown), y);
    }
    case PLAIT_OP_MUL: {
        uint32_t side = first ? 0 : 1;
        if (first && plait_form_depends(forms, inst->operands[1], unknown)) return not_linear(forms, value);
        return scaled_linear(forms, linear_value(forms, inst->operands[side], unknown),
                             plait_expr_value(forms, inst->operands[1 - side]));
    }
    case PLAIT_OP_DIV:
        if (plait_form_depends(forms, inst->operands[1], unknown)) return not_linear(forms, value);
        return scaled_linear(forms, linear_value(forms, inst->operands[0], unknown),
                             quotient(forms, NULL, plait_expr_value(forms, inst->operands[1])));
    case PLAIT_OP_SELECT:
        if (first) return not_linear(forms, value);
        return added_linear(
            forms, where_linear(forms, inst->operands[0], true, linear_value(forms, inst->operands[1], unknown)),
            where_linear(forms, inst->operands[0], false, linear_value(forms, inst->operands[2], unknown)));
    case PLAIT_OP_REDUCE_SUM:
        if (!plait_form(forms, inst->operands[0])->direct) return not_linear(forms, value);
        plait_form_fail(forms, value, "two reads of the carry, one after the other, are added to it again");
        return (PlaitLinear){0};
    default: return not_linear(forms, value);
    }
}

PlaitLinear plait_expr_linear(PlaitForms *forms, const PlaitExpr *expr, PlaitValue unknown)
{
    if (!expr || expr->kind == PLAIT_EXPR_NUMBER) return (PlaitLinear){NULL, expr ? expr : number(forms, 1)};
    switch (expr->kind) {
    case PLAIT_EXPR_VALUE: return linear_value(forms, expr->value, unknown);
    case PLAIT_EXPR_NEG: return scaled_linear(forms, plait_expr_linear(forms, expr->a, unknown), number(forms, -1));
    case PLAIT_EXPR_ADD:
        return added_linear(forms, plait_expr_linear(forms, expr->a, unknown),
                            plait_expr_linear(forms, expr->b, unknown));
    case PLAIT_EXPR_MUL: {
        bool first = plait_expr_depends(forms, expr->a, unknown), second = plait_expr_depends(forms, expr->b, unknown);
        if (first && second) return not_linear(forms, unknown);
        if (!first && !second) return (PlaitLinear){NULL, expr};
        return scaled_linear(forms, plait_expr_linear(forms, first ? expr->a : expr->b, unknown),
                             first ? expr->b : expr->a);
    }
    case PLAIT_EXPR_SELECT: { /* of plait_expr_where */
        bool when = is_zero(expr->b);
        if (plait_form_depends(forms, expr->value, unknown)) return not_linear(forms, unknown);
        return where_linear(forms, expr->value, when, plait_expr_linear(forms, when ? expr->a : expr->b, unknown));
    }
    case PLAIT_EXPR_DIV:
        if (plait_expr_depends(forms, expr, unknown)) return not_linear(forms, unknown);
        return (PlaitLinear){NULL, expr};
    case PLAIT_EXPR_NUMBER: break;
    }
    return (PlaitLinear){0};
}
