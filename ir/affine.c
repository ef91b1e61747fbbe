/* Positions as affine expressions. */
#include "ir/affine.h"

/* Coefficients and offsets stay below, so that no product of two overflows. */
static const int64_t LARGEST = (int64_t)1 << 30;
/* Operations looked at: an expression that uses a value twice, again and again, is exponentially large. */
enum { MOST_STEPS = 256 };

typedef struct Search {
    const PlaitFunction *function;
    uint32_t steps;
} Search;

static bool small(int64_t number) { return number > -LARGEST && number < LARGEST; }

/* False when there are too many axes, or numbers get too large. */
static bool add_scaled(PlaitAffine *to, const PlaitAffine *from, int64_t scale)
{
    to->offset += scale * from->offset;
    if (!small(to->offset)) return false;
    for (uint32_t i = 0; i < from->count; i++) {
        uint32_t at = 0;
        while (at < to->count && to->axes[at] != from->axes[i]) at++;
        if (at == PLAIT_MAX_RANK) return false;
        if (at == to->count) {
            to->axes[to->count] = from->axes[i];
            to->coefficients[to->count++] = 0;
        }
        to->coefficients[at] += scale * from->coefficients[i];
        if (!small(to->coefficients[at])) return false;
    }
    return true;
}

static bool find(Search *search, PlaitValue value, PlaitAffine *affine);

static bool find_binary(Search *search, const PlaitInst *inst, PlaitAffine *affine)
{
    PlaitAffine a, b;
    if (!find(search, inst->operands[0], &a) || !find(search, inst->operands[1], &b)) return false;
    *affine = (PlaitAffine){0};
    switch ((int)inst->op) {
    case PLAIT_OP_ADD: return add_scaled(affine, &a, 1) && add_scaled(affine, &b, 1);
    case PLAIT_OP_SUB: return add_scaled(affine, &a, 1) && add_scaled(affine, &b, -1);
    case PLAIT_OP_MUL:
        if (a.count && b.count) return false;
        return a.count ? add_scaled(affine, &a, b.offset) : add_scaled(affine, &b, a.offset);
    default: return false;
    }
}

static bool find(Search *search, PlaitValue value, PlaitAffine *affine)
{
    const PlaitInst *inst = plait_inst(search->function, value);
    *affine = (PlaitAffine){0};
    if (inst->type.scalar != PLAIT_I32 || search->steps++ == MOST_STEPS) return false;
    switch ((int)inst->op) {
    case PLAIT_OP_CONST: affine->offset = (int64_t)inst->number; return small(affine->offset);
    case PLAIT_OP_IOTA:
        *affine = (PlaitAffine){.count = 1, .axes = {inst->axes[0]}, .coefficients = {1}};
        return inst->operand_count == 0;
    case PLAIT_OP_BROADCAST: return find(search, inst->operands[0], affine);
    case PLAIT_OP_NEG: {
        PlaitAffine a;
        return find(search, inst->operands[0], &a) && add_scaled(affine, &a, -1);
    }
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB:
    case PLAIT_OP_MUL: return find_binary(search, inst, affine);
    default: return false;
    }
}

bool plait_affine(const PlaitFunction *function, PlaitValue value, PlaitAffine *affine)
{
    Search search = {function, 0};
    return find(&search, value, affine);
}

int64_t plait_affine_coefficient(const PlaitAffine *affine, PlaitAxis axis)
{
    for (uint32_t i = 0; i < affine->count; i++)
        if (affine->axes[i] == axis) return affine->coefficients[i];
    return 0;
}

bool plait_affine_offset(const PlaitFunction *function, PlaitValue value, PlaitAxis axis, int64_t *offset)
{
    PlaitAffine affine;
    if (!plait_affine(function, value, &affine)) return false;
    for (uint32_t i = 0; i < affine.count; i++)
        if (affine.coefficients[i] != (affine.axes[i] == axis ? 1 : 0)) return false;
    *offset = affine.offset;
    return plait_affine_coefficient(&affine, axis) == 1;
}

/* operands[first] - operands[1 - first] of a comparison, which is then `difference <= 0` or `< 0`. */
static bool visit_difference(const PlaitFunction *function, const PlaitInst *comparison, uint32_t first, bool strict,
                             PlaitAffineVisit *visit, void *context)
{
    PlaitAffine form, other;
    bool known = plait_affine(function, comparison->operands[first], &form) &&
                 plait_affine(function, comparison->operands[1 - first], &other) && add_scaled(&form, &other, -1);
    if (known) visit(context, &form, strict);
    return known;
}

bool plait_affine_conditions(const PlaitFunction *function, PlaitValue mask, PlaitAffineVisit *visit, void *context)
{
    const PlaitInst *inst = plait_inst(function, mask);
    bool first, second;
    switch ((int)inst->op) {
    case PLAIT_OP_AND:
        first = plait_affine_conditions(function, inst->operands[0], visit, context);
        second = plait_affine_conditions(function, inst->operands[1], visit, context);
        return first && second;
    case PLAIT_OP_BROADCAST: return plait_affine_conditions(function, inst->operands[0], visit, context);
    case PLAIT_OP_LE:
    case PLAIT_OP_LT: return visit_difference(function, inst, 0, inst->op == PLAIT_OP_LT, visit, context);
    case PLAIT_OP_GE:
    case PLAIT_OP_GT: return visit_difference(function, inst, 1, inst->op == PLAIT_OP_GT, visit, context);
    case PLAIT_OP_EQ:
        first = visit_difference(function, inst, 0, false, visit, context);
        second = visit_difference(function, inst, 1, false, visit, context);
        return first && second;
    default: return false;
    }
}
