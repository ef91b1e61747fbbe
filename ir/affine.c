/* Positions as affine expressions. */
#include "ir/affine.h"

#include <math.h>

static bool add_scaled(PlaitAffine *to, const PlaitAffine *from, int64_t scale)
{
    to->offset += scale * from->offset;
    for (uint32_t i = 0; i < from->count; i++) {
        uint32_t at = 0;
        while (at < to->count && to->axes[at] != from->axes[i]) at++;
        if (at == PLAIT_MAX_RANK) return false;
        if (at == to->count) {
            to->axes[to->count] = from->axes[i];
            to->coefficients[to->count++] = 0;
        }
        to->coefficients[at] += scale * from->coefficients[i];
    }
    return true;
}

static bool affine_binary(const PlaitFunction *function, const PlaitInst *inst, PlaitAffine *affine)
{
    PlaitAffine a, b;
    if (!plait_affine(function, inst->operands[0], &a) || !plait_affine(function, inst->operands[1], &b)) return false;
    *affine = (PlaitAffine){0};
    switch ((int)inst->op) {
    case PLAIT_OP_ADD:
        return add_scaled(affine, &a, 1) && add_scaled(affine, &b, 1);
    case PLAIT_OP_SUB:
        return add_scaled(affine, &a, 1) && add_scaled(affine, &b, -1);
    case PLAIT_OP_MUL:
        if (a.count && b.count) return false;
        return a.count ? add_scaled(affine, &a, b.offset) : add_scaled(affine, &b, a.offset);
    default:
        return false;
    }
}

bool plait_affine(const PlaitFunction *function, PlaitValue value, PlaitAffine *affine)
{
    const PlaitInst *inst = plait_inst(function, value);
    *affine = (PlaitAffine){0};
    if (inst->type.scalar != PLAIT_I32) return false;
    switch ((int)inst->op) {
    case PLAIT_OP_CONST:
        affine->offset = (int64_t)inst->number;
        return fabs(inst->number) < 1073741824.0;
    case PLAIT_OP_IOTA:
        *affine = (PlaitAffine){.count = 1, .axes = {inst->axes[0]}, .coefficients = {1}};
        return inst->operand_count == 0;
    case PLAIT_OP_BROADCAST:
        return plait_affine(function, inst->operands[0], affine);
    case PLAIT_OP_NEG: {
        PlaitAffine a;
        return plait_affine(function, inst->operands[0], &a) && add_scaled(affine, &a, -1);
    }
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB:
    case PLAIT_OP_MUL:
        return affine_binary(function, inst, affine);
    default:
        return false;
    }
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
