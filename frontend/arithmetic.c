/* Pointwise operations: promotion to a common scalar type, folding of numbers, and building.
 *
 * Types of computing are bool, i32, f32 and f64; the later one wins. A number takes the type of the other operand,
 * except that a fraction with an i32 gives f32.
 */
#include <math.h>

#include "frontend/lower.h"

enum { LARGEST_UNROLLED_POWER = 8 };

static PlaitScalar scalar_of(const PlaitSema *sema, PlaitTerm term)
{
    return (PlaitScalar)plait_term_type(sema, term).scalar;
}

static const char *op_sign(PlaitOp op)
{
    static const struct {
        PlaitOp op;
        const char *sign;
    } signs[] = {{PLAIT_OP_NEG, "-"}, {PLAIT_OP_ADD, "+"},       {PLAIT_OP_SUB, "-"}, {PLAIT_OP_MUL, "*"},
                 {PLAIT_OP_DIV, "/"}, {PLAIT_OP_FLOORDIV, "//"}, {PLAIT_OP_MOD, "%"}, {PLAIT_OP_POW, "^"},
                 {PLAIT_OP_LT, "<"},  {PLAIT_OP_LE, "<="},       {PLAIT_OP_GT, ">"},  {PLAIT_OP_GE, ">="},
                 {PLAIT_OP_EQ, "=="}, {PLAIT_OP_NE, "!="}};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (signs[i].op == op) return signs[i].sign;
    return plait_op_info(op)->text;
}

static PlaitTerm wrong_operands(PlaitSema *sema, PlaitSpan span, PlaitOp op, PlaitTerm x, const PlaitTerm *y)
{
    bool logic = plait_op_info(op)->scalar_class == PLAIT_CLASS_LOGIC;
    const char *found = plait_sema_format(sema, "`%s` of %s%s%s", op_sign(op), plait_term_text(sema, x),
                                          y ? " and " : "", y ? plait_term_text(sema, *y) : "");
    plait_sema_report(sema, PLAIT_WRONG_TYPE, span, found, logic ? "truth values (bool)" : "numbers",
                      logic ? "compare first, for example `x > 0`"
                            : "`f32(condition)` turns a truth value into 1 or 0");
    return plait_poison();
}

/* A folded number; what is not finite although its operands are is reported. */
static PlaitTerm folded(PlaitSema *sema, PlaitSpan span, PlaitTerm result, bool finite_operands)
{
    if (isfinite(result.number) || !finite_operands) return result;
    plait_sema_report(sema, PLAIT_NUMBER_RANGE, span,
                      plait_sema_format(sema, "a computation that gives %s", plait_term_text(sema, result)),
                      "a finite number",
                      isnan(result.number) ? "the operation has no value for these numbers: correct them"
                                           : "write `inf` where infinity is meant");
    return plait_poison();
}

PlaitTerm plait_sema_unary(PlaitSema *sema, PlaitSpan span, PlaitOp op, PlaitTerm x)
{
    if (x.kind == PLAIT_TERM_POISON) return x;
    if (x.kind == PLAIT_TERM_NUMBER) {
        PlaitTerm result;
        if (plait_number_fold_unary(op, x, &result)) return folded(sema, span, result, isfinite(x.number));
        return wrong_operands(sema, span, op, x, NULL);
    }
    x = plait_term_computing(sema, x);
    PlaitScalar result;
    if (!plait_scalar_result(op, scalar_of(sema, x), &result)) {
        if (scalar_of(sema, x) != PLAIT_I32 || plait_op_info(op)->scalar_class != PLAIT_CLASS_FLOAT)
            return wrong_operands(sema, span, op, x, NULL);
        x = plait_term_as(sema, span, x, PLAIT_F32);
    }
    return plait_term(plait_build_unary(&sema->builder, op, x.value));
}

/* The scalar type in which a number and a value meet; false when one is a truth value and the other is not. */
static bool meet(const PlaitSema *sema, PlaitTerm x, PlaitTerm y, PlaitScalar *scalar)
{
    if (x.kind == PLAIT_TERM_NUMBER && y.kind == PLAIT_TERM_NUMBER) {
        *scalar = x.number_kind == PLAIT_NUMBER_TRUTH                                          ? PLAIT_BOOL
                  : x.number_kind == PLAIT_NUMBER_WHOLE && y.number_kind == PLAIT_NUMBER_WHOLE ? PLAIT_I32
                                                                                               : PLAIT_F32;
        return (x.number_kind == PLAIT_NUMBER_TRUTH) == (y.number_kind == PLAIT_NUMBER_TRUTH);
    }
    if (x.kind == PLAIT_TERM_NUMBER) return meet(sema, y, x, scalar);
    *scalar = scalar_of(sema, x);
    if (y.kind == PLAIT_TERM_NUMBER) {
        if (*scalar == PLAIT_I32 && y.number_kind == PLAIT_NUMBER_REAL) *scalar = PLAIT_F32;
        return (*scalar == PLAIT_BOOL) == (y.number_kind == PLAIT_NUMBER_TRUTH);
    }
    PlaitScalar other = scalar_of(sema, y);
    bool alike = (*scalar == PLAIT_BOOL) == (other == PLAIT_BOOL);
    if (other > *scalar) *scalar = other;
    return alike;
}

bool plait_terms_promote(PlaitSema *sema, PlaitSpan span, PlaitTerm *x, PlaitTerm *y)
{
    *x = plait_term_computing(sema, *x);
    *y = plait_term_computing(sema, *y);
    PlaitScalar scalar;
    if (!meet(sema, *x, *y, &scalar)) {
        plait_sema_report(sema, PLAIT_WRONG_TYPE, span,
                          plait_sema_format(sema, "%s and %s", plait_term_text(sema, *x), plait_term_text(sema, *y)),
                          "two numbers or two truth values",
                          "`f32(condition)` turns a truth value into 1 or 0, a comparison a number into a truth value");
        return false;
    }
    *x = plait_term_as(sema, span, *x, scalar);
    *y = plait_term_as(sema, span, *y, scalar);
    return x->kind != PLAIT_TERM_POISON && y->kind != PLAIT_TERM_POISON;
}

static PlaitTerm build_binary(PlaitSema *sema, PlaitSpan span, PlaitOp op, PlaitTerm x, PlaitTerm y)
{
    if (!plait_terms_fit(sema, span, (PlaitTerm[]){x, y}, 2)) return plait_poison();
    return plait_term(plait_build_binary(&sema->builder, op, x.value, y.value));
}

/* x^n for a small whole n > 0, by squaring. */
static PlaitTerm multiply_out(PlaitSema *sema, PlaitTerm x, uint32_t n)
{
    PlaitTerm result = {0};
    for (;; n >>= 1) {
        if (n & 1)
            result = result.kind == PLAIT_TERM_POISON
                         ? x
                         : plait_term(plait_build_binary(&sema->builder, PLAIT_OP_MUL, result.value, x.value));
        if (n <= 1) return result;
        x = plait_term(plait_build_binary(&sema->builder, PLAIT_OP_MUL, x.value, x.value));
    }
}

static PlaitTerm power_of_value(PlaitSema *sema, PlaitSpan span, PlaitTerm x, double n)
{
    x = plait_term_computing(sema, x);
    bool small = n == trunc(n) && fabs(n) <= LARGEST_UNROLLED_POWER && n != 0;
    if (small && n > 0) return multiply_out(sema, x, (uint32_t)n);
    if (scalar_of(sema, x) == PLAIT_I32) x = plait_term_as(sema, span, x, PLAIT_F32);
    if (small)
        return plait_sema_binary(sema, span, PLAIT_OP_DIV, plait_number(1, PLAIT_NUMBER_WHOLE),
                                 multiply_out(sema, x, (uint32_t)-n));
    if (n == 0.5) return plait_sema_unary(sema, span, PLAIT_OP_SQRT, x);
    PlaitTerm exponent = plait_term_as(sema, span, plait_number(n, PLAIT_NUMBER_REAL), scalar_of(sema, x));
    return exponent.kind == PLAIT_TERM_POISON ? exponent : build_binary(sema, span, PLAIT_OP_POW, x, exponent);
}

PlaitTerm plait_sema_binary(PlaitSema *sema, PlaitSpan span, PlaitOp op, PlaitTerm x, PlaitTerm y)
{
    if (x.kind == PLAIT_TERM_POISON || y.kind == PLAIT_TERM_POISON) return plait_poison();
    if (x.kind == PLAIT_TERM_NUMBER && y.kind == PLAIT_TERM_NUMBER) {
        PlaitTerm result;
        if (!plait_number_fold_binary(op, x, y, &result)) return wrong_operands(sema, span, op, x, &y);
        return folded(sema, span, result, isfinite(x.number) && isfinite(y.number));
    }
    x = plait_term_computing(sema, x);
    y = plait_term_computing(sema, y);
    PlaitScalar scalar, result;
    if (!meet(sema, x, y, &scalar)) return wrong_operands(sema, span, op, x, &y);
    if (scalar == PLAIT_I32 && plait_op_info(op)->scalar_class == PLAIT_CLASS_FLOAT &&
        !(op == PLAIT_OP_POW && y.kind == PLAIT_TERM_NUMBER))
        scalar = PLAIT_F32;
    if (!plait_scalar_result(op, scalar, &result) && !(op == PLAIT_OP_POW && scalar == PLAIT_I32))
        return wrong_operands(sema, span, op, x, &y);
    if (op == PLAIT_OP_POW && y.kind == PLAIT_TERM_NUMBER) return power_of_value(sema, span, x, y.number);
    x = plait_term_as(sema, span, x, scalar);
    y = plait_term_as(sema, span, y, scalar);
    if (x.kind == PLAIT_TERM_POISON || y.kind == PLAIT_TERM_POISON) return plait_poison();
    return build_binary(sema, span, op, x, y);
}

PlaitTerm plait_sema_select(PlaitSema *sema, PlaitSpan span, PlaitTerm condition, PlaitTerm yes, PlaitTerm no)
{
    if (condition.kind == PLAIT_TERM_POISON || yes.kind == PLAIT_TERM_POISON || no.kind == PLAIT_TERM_POISON)
        return plait_poison();
    bool number = condition.kind == PLAIT_TERM_NUMBER;
    bool truth = number ? condition.number_kind == PLAIT_NUMBER_TRUTH : scalar_of(sema, condition) == PLAIT_BOOL;
    if (!truth) {
        plait_sema_report(
            sema, PLAIT_WRONG_TYPE, span, plait_sema_format(sema, "the condition %s", plait_term_text(sema, condition)),
            "a truth value (bool)", "compare it, for example with `> 0`; the order is `select(condition, yes, no)`");
        return plait_poison();
    }
    if (number) return condition.number != 0 ? yes : no;
    if (!plait_terms_promote(sema, span, &yes, &no) ||
        !plait_terms_fit(sema, span, (PlaitTerm[]){condition, yes, no}, 3))
        return plait_poison();
    return plait_term(plait_build_select(&sema->builder, condition.value, yes.value, no.value));
}
