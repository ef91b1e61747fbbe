/* Which exponentials of shifted scores stay finite in every partial state of a fold, and what may be infinite there.
 *
 * exp(x - m) can be summed block by block, rescaled whenever m moves, if x - m is never above 0 on the way: for a
 * running m that is so far at least each x so far. The rule is one of linear forms. A running maximum that counts
 * negatively (a minimum that counts positively) is replaced by what it is the maximum of; the exponent is bounded if
 * what varies along the axis then cancels:
 *
 *   c x - c max x  ->  c x - c x = 0          x - max(max x, sink)  ->  x - x         x - sum c  ->  not bounded
 *
 * log(sum exp(x - max x)) adds nothing: the sum is 1 or more as soon as a position has been seen.
 */
#include <math.h>

#include "ir/affine.h"
#include "passes/stage/online.h"

enum { MOST_TERMS = 16, MOST_STEPS = 256 };

typedef struct Term {
    PlaitValue value;
    double coefficient, size; /* size: of the largest number added up to the coefficient */
} Term;

/* A sum of terms along the axis. */
typedef struct Form {
    const PlaitFoldGroup *group;
    PlaitValue mask; /* of the reduction whose positions count */
    Term terms[MOST_TERMS];
    uint32_t count, *steps;
    uint32_t extremes; /* running ones that were replaced */
    bool loose;        /* 0 need not be reached: more than the extreme of these very positions was taken off */
    bool infinite;     /* terms may be infinite */
} Form;

static const PlaitInst *def(const Form *form, PlaitValue value) { return plait_inst(form->group->function, value); }

static bool tainted(const Form *form, PlaitValue value)
{
    return value < form->group->tainted_count && form->group->tainted[value];
}

static bool varies(const Form *form, PlaitValue value)
{
    return plait_type_has(def(form, value)->type, form->group->axis);
}

/* Whether the mask lets through only positions that `wider` lets through; 0: all. */
static bool implies(const PlaitFunction *function, PlaitValue mask, PlaitValue wider)
{
    if (!wider || mask == wider) return true;
    const PlaitInst *inst = mask ? plait_inst(function, mask) : NULL;
    return inst && inst->op == PLAIT_OP_AND &&
           (implies(function, inst->operands[0], wider) || implies(function, inst->operands[1], wider));
}

static bool is_number(const PlaitFunction *function, PlaitValue value, double *number)
{
    const PlaitInst *inst = plait_inst(function, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(function, inst->operands[0]);
    *number = inst->number;
    return inst->op == PLAIT_OP_CONST && isfinite(inst->number);
}

/* ---- what may be infinite ---- */

/* A sum of products of two tensors over features, as of a query and a key. It is taken for finite, so that attention
 * without a bias pays nothing: an infinity in one of them meets other signs and zeros, which make the sum NaN. */
static bool is_matrix_product(const PlaitFunction *function, const PlaitInst *inst)
{
    double number;
    const PlaitInst *product = plait_inst(function, inst->operands[0]);
    return inst->op == PLAIT_OP_REDUCE_SUM && product->op == PLAIT_OP_MUL && inst->axis_count == 1 &&
           !plait_axis_is_long(function, inst->axes[0]) && !is_number(function, product->operands[0], &number) &&
           !is_number(function, product->operands[1], &number) &&
           plait_type_has(plait_type_of(function, product->operands[0]), inst->axes[0]) &&
           plait_type_has(plait_type_of(function, product->operands[1]), inst->axes[0]);
}

static bool may_be_infinite(const PlaitFunction *function, PlaitValue value, uint32_t *steps)
{
    const PlaitInst *inst = plait_inst(function, value);
    double number;
    uint32_t first = inst->op == PLAIT_OP_SELECT, count = inst->operand_count;
    if (plait_scalar_kind((PlaitScalar)inst->type.scalar) != PLAIT_FLOATING) return false;
    if (++*steps > MOST_STEPS) return true;
    switch ((int)inst->op) {
    case PLAIT_OP_CONST: return isinf(inst->number);
    case PLAIT_OP_TANH:
    case PLAIT_OP_ERF: return false;
    case PLAIT_OP_MUL:
        if (!is_number(function, inst->operands[0], &number) && !is_number(function, inst->operands[1], &number))
            return true;
        break;
    case PLAIT_OP_REDUCE_SUM:
        if (is_matrix_product(function, inst)) return false;
        count = 1;
        break;
    case PLAIT_OP_GATHER: count = 1; break;
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB:
    case PLAIT_OP_NEG:
    case PLAIT_OP_ABS:
    case PLAIT_OP_MIN:
    case PLAIT_OP_MAX:
    case PLAIT_OP_CAST:
    case PLAIT_OP_SELECT:
    case PLAIT_OP_BROADCAST: break;
    default: return true;
    }
    for (uint32_t i = first; i < count; i++)
        if (may_be_infinite(function, inst->operands[i], steps)) return true;
    return false;
}

/* ---- bounded exponents ---- */

static bool add_terms(Form *form, PlaitValue value, double coefficient);

/* Whether the term may be infinite at some positions of a row and not at others. A finite one times a number of the row
 * (a slope times a distance) is infinite, or NaN, at all of them. */
static bool may_begin_infinite(const Form *form, PlaitValue value)
{
    const PlaitInst *inst = def(form, value);
    for (uint32_t i = 0; i < 2 && inst->op == PLAIT_OP_MUL; i++)
        if (!varies(form, inst->operands[i])) value = inst->operands[1 - i];
    return may_be_infinite(form->group->function, value, form->steps);
}

static bool add_term(Form *form, PlaitValue value, double coefficient)
{
    Term *term = form->terms;
    while (term < form->terms + form->count && term->value != value) term++;
    if (term == form->terms + MOST_TERMS) return false;
    if (term == form->terms + form->count) {
        *term = (Term){.value = value};
        form->count++;
        form->infinite |= may_begin_infinite(form, value);
    }
    term->coefficient += coefficient;
    term->size = fmax(term->size, fabs(coefficient));
    return true;
}

/* Whether nothing is left of the terms but what rounding of their coefficients leaves. */
static bool cancels(const Form *form)
{
    for (uint32_t i = 0; i < form->count; i++)
        if (fabs(form->terms[i].coefficient) > 1e-9 * form->terms[i].size) return false;
    return true;
}

/* A running maximum is at least each of its operand's values at positions that it has seen. */
static bool add_extreme(Form *form, const PlaitInst *inst, double coefficient)
{
    PlaitValue mask = inst->operand_count == 2 ? inst->operands[1] : 0;
    bool bounds = inst->op == PLAIT_OP_REDUCE_MAX ? coefficient < 0 : coefficient > 0;
    if (!bounds || inst->axes[0] != form->group->axis || !implies(form->group->function, form->mask, mask))
        return false;
    form->loose |= form->extremes++ || mask != form->mask;
    return add_terms(form, inst->operands[0], coefficient);
}

/* The larger of a running maximum and another number. */
static bool add_larger(Form *form, const PlaitInst *inst, double coefficient)
{
    bool bounds = inst->op == PLAIT_OP_MAX ? coefficient < 0 : coefficient > 0;
    form->loose = true;
    return bounds && add_terms(form, inst->operands[tainted(form, inst->operands[0]) ? 0 : 1], coefficient);
}

/* Whether the value is a running sum of exp(x - max x): of numbers up to 1, which is one of them. */
static bool is_sum_from_one(const Form *form, PlaitValue value)
{
    const PlaitInst *inst = def(form, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = def(form, inst->operands[0]);
    if (inst->op != PLAIT_OP_REDUCE_SUM || inst->axes[0] != form->group->axis) return false;
    const PlaitInst *weight = def(form, inst->operands[0]);
    Form inner = {.group = form->group, .steps = form->steps};
    inner.mask = inst->operand_count == 2 ? inst->operands[1] : 0;
    return weight->op == PLAIT_OP_EXP && add_terms(&inner, weight->operands[0], 1) && cancels(&inner) &&
           inner.extremes == 1 && !inner.loose;
}

static bool add_terms(Form *form, PlaitValue value, double coefficient)
{
    const PlaitInst *inst = def(form, value);
    double number;
    if (++*form->steps > MOST_STEPS) return false;
    if (!tainted(form, value) && !varies(form, value)) return form->loose = true;
    switch ((int)inst->op) {
    case PLAIT_OP_BROADCAST: return add_terms(form, inst->operands[0], coefficient);
    case PLAIT_OP_NEG: return add_terms(form, inst->operands[0], -coefficient);
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB:
        return add_terms(form, inst->operands[0], coefficient) &&
               add_terms(form, inst->operands[1], inst->op == PLAIT_OP_ADD ? coefficient : -coefficient);
    case PLAIT_OP_MUL:
        for (uint32_t i = 0; i < 2; i++)
            if (is_number(form->group->function, inst->operands[i], &number))
                return add_terms(form, inst->operands[1 - i], coefficient * number);
        break;
    case PLAIT_OP_REDUCE_MAX:
    case PLAIT_OP_REDUCE_MIN:
        if (tainted(form, value)) return add_extreme(form, inst, coefficient);
        break;
    case PLAIT_OP_MAX:
    case PLAIT_OP_MIN:
        if (!varies(form, value)) return add_larger(form, inst, coefficient);
        break;
    case PLAIT_OP_LOG:
        if (tainted(form, value)) return coefficient < 0 && is_sum_from_one(form, inst->operands[0]);
        break;
    default: break;
    }
    return !tainted(form, value) && add_term(form, value, coefficient);
}

bool plait_exponent_is_bounded(const PlaitFoldGroup *group, PlaitValue exponent, bool *infinite)
{
    uint32_t steps = 0;
    Form form = {.group = group, .mask = group->mask, .steps = &steps};
    bool bounded = add_terms(&form, exponent, 1) && cancels(&form);
    *infinite = form.infinite;
    return bounded;
}

/* ---- masks ---- */

typedef struct Diagonal {
    PlaitAxis axis, rows;
    bool holds;
} Diagonal;

/* form <= 0 where the positions along both axes are the same. */
static void note_condition(void *context, const PlaitAffine *form, bool strict)
{
    Diagonal *diagonal = context;
    bool same = true;
    for (uint32_t i = 0; i < form->count; i++)
        if (form->axes[i] != diagonal->axis && form->axes[i] != diagonal->rows) same &= form->coefficients[i] == 0;
    same &= plait_affine_coefficient(form, diagonal->axis) == -plait_affine_coefficient(form, diagonal->rows);
    diagonal->holds &= same && form->offset + strict <= 0;
}

/* Whether a value is another one, read at the position of the second axis. */
static bool is_value_at(const PlaitFunction *function, const Diagonal *diagonal, PlaitValue read, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(function, read);
    if (inst->op != PLAIT_OP_GATHER || inst->axes[0] != diagonal->rows || inst->operands[0] != value) return false;
    const PlaitInst *index = plait_inst(function, inst->operands[1]);
    return index->op == PLAIT_OP_IOTA && index->axes[0] == diagonal->axis;
}

static bool holds(const PlaitFunction *function, PlaitValue mask, Diagonal *diagonal)
{
    const PlaitInst *inst = plait_inst(function, mask);
    if (inst->op == PLAIT_OP_AND)
        return holds(function, inst->operands[0], diagonal) && holds(function, inst->operands[1], diagonal);
    if (inst->op == PLAIT_OP_OR)
        return holds(function, inst->operands[0], diagonal) || holds(function, inst->operands[1], diagonal);
    bool whole = plait_scalar_kind((PlaitScalar)plait_type_of(function, inst->operands[0]).scalar) != PLAIT_FLOATING;
    if (inst->op == PLAIT_OP_EQ && whole &&
        (is_value_at(function, diagonal, inst->operands[0], inst->operands[1]) ||
         is_value_at(function, diagonal, inst->operands[1], inst->operands[0])))
        return true;
    diagonal->holds = true;
    return plait_affine_conditions(function, mask, note_condition, diagonal) && diagonal->holds;
}

bool plait_mask_has_diagonal(const PlaitFunction *function, PlaitValue mask, PlaitAxis axis)
{
    Diagonal diagonal = {.axis = axis};
    for (uint32_t i = 0; i < plait_type_of(function, mask).rank; i++) {
        diagonal.rows = plait_type_of(function, mask).axes[i];
        bool second_name = diagonal.rows != axis && !function->axes.data[axis].block &&
                           plait_axis_extent_of(function, diagonal.rows) == plait_axis_extent_of(function, axis);
        if (second_name && holds(function, mask, &diagonal)) return true;
    }
    return false;
}
