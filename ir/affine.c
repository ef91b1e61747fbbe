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
