/* Walks back from a value to the tensors. */
#include "passes/stage/storage.h"

typedef struct Walk {
    const PlaitFunction *function;
    bool *seen;         /* by value */
    PlaitScalar scalar; /* found so far; PLAIT_BOOL: nothing */
} Walk;

static void find(Walk *walk, PlaitScalar scalar)
{
    if (walk->scalar == PLAIT_BOOL) walk->scalar = scalar;
    else if (walk->scalar != scalar) walk->scalar = PLAIT_F32;
}

static bool has_time(const PlaitFunction *function, PlaitType type)
{
    for (uint32_t i = 0; i < type.rank; i++)
        if (function->axes.data[type.axes[i]].role == PLAIT_ROLE_TIME) return true;
    return false;
}

static void visit(Walk *walk, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(walk->function, value);
    PlaitScalar scalar = (PlaitScalar)inst->type.scalar;
    if (walk->seen[value] || walk->scalar == PLAIT_F32) return;
    walk->seen[value] = true;
    if (inst->body || inst->op == PLAIT_OP_RESULT) {
        const PlaitInst *owner = inst->op == PLAIT_OP_RESULT ? plait_inst(walk->function, inst->operands[0]) : inst;
        for (uint32_t i = 0; i < owner->operand_count; i++) visit(walk, owner->operands[i]);
        for (uint32_t i = 0; i < owner->body->yields.count; i++)
            if (inst->op != PLAIT_OP_RESULT || (int64_t)i == inst->ints[0]) visit(walk, owner->body->yields.data[i]);
        return;
    }
    if (plait_scalar_kind(scalar) != PLAIT_FLOATING) return;
    if (plait_scalar_is_16_bit(scalar)) find(walk, scalar);
    else if (inst->op == PLAIT_OP_PARAM && has_time(walk->function, inst->type)) find(walk, PLAIT_F32);
    else if (inst->op != PLAIT_OP_PARAM)
        for (uint32_t i = 0; i < inst->operand_count; i++) visit(walk, inst->operands[i]);
}

PlaitScalar plait_storage_of(const PlaitFunction *function, PlaitValue value)
{
    Walk walk = {function, PLAIT_NEW_ARRAY(function->module->arena, bool, function->insts.count), PLAIT_BOOL};
    visit(&walk, value);
    return plait_scalar_is_16_bit(walk.scalar) ? walk.scalar : PLAIT_F32;
}
