/* Rules of the operations of common_ops.def. */
#include "ir/verify.h"

bool plait_verify_ARGUMENT(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    (void)inst;
    return plait_verify_fail(verifier, value, "arguments only as parameters of a region");
}

/* The type of result `index` of an owner; false when it has no such result. */
static bool result_type(const PlaitVerifier *verifier, const PlaitInst *owner, int64_t index, PlaitType *type)
{
    const PlaitFunction *function = verifier->function;
    const PlaitRegion *body = owner->body;
    if (index < 0 || index >= body->yields.count) return false;
    uint32_t carries = owner->op == PLAIT_OP_SCAN || owner->op == PLAIT_OP_FOLD ? body->params.count : 0;
    *type = plait_type_of(function, body->yields.data[index]);
    if ((uint64_t)index < carries) *type = plait_type_of(function, body->params.data[index]);
    if ((uint64_t)index < carries) *type = plait_carry_type(owner, *type);
    return true;
}

bool plait_verify_RESULT(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType type;
    const PlaitInst *owner = plait_inst(verifier->function, inst->operands[0]);
    if (inst->int_count != 1 || !result_type(verifier, owner, inst->ints[0], &type))
        return plait_verify_fail(verifier, value, "the number of a result of its operand");
    if (!plait_type_equal(type, inst->type)) return plait_verify_fail(verifier, value, "the type of that result");
    if (owner->region != inst->region)
        return plait_verify_fail(verifier, value, "a place in the region of its operand, not in one inside");
    return true;
}

bool plait_verify_CONST(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    (void)value, (void)inst;
    return verifier->good;
}

bool plait_verify_BROADCAST(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType operand = plait_verify_operand(verifier, inst, 0);
    if (operand.scalar != inst->type.scalar || !plait_type_inside(operand, inst->type))
        return plait_verify_fail(verifier, value, "a result of the operand's scalar type with all of its axes");
    return true;
}

bool plait_verify_IOTA(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType type = plait_type_with(plait_type(PLAIT_I32), inst->axes[0]);
    if (inst->axis_count != 1 || !plait_type_equal(type, inst->type))
        return plait_verify_fail(verifier, value, "one axis and type i32 of that axis");
    if (inst->operand_count && (verifier->function->level == PLAIT_LEVEL_STAGE ||
                                !plait_verify_scalar_i32(plait_verify_operand(verifier, inst, 0))))
        return plait_verify_fail(verifier, value, "a scalar i32 start, in Tile IR only");
    return true;
}

bool plait_verify_SIZE(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    if (inst->axis_count != 1 || !plait_verify_scalar_i32(inst->type))
        return plait_verify_fail(verifier, value, "one axis and type i32");
    return true;
}

bool plait_verify_SELECT(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType yes = plait_verify_operand(verifier, inst, 1), no = plait_verify_operand(verifier, inst, 2);
    if (plait_verify_operand(verifier, inst, 0).scalar != PLAIT_BOOL)
        return plait_verify_fail(verifier, value, "a bool first operand");
    if (yes.scalar != no.scalar || inst->type.scalar != yes.scalar)
        return plait_verify_fail(verifier, value, "both choices and the result of one scalar type");
    if (!plait_type_same_axes(inst->type, plait_verify_union(verifier, inst, 0, 3)))
        return plait_verify_fail(verifier, value, "a result with the union of the operands' axes");
    return true;
}

bool plait_verify_CAST(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    if (!plait_type_same_axes(inst->type, plait_verify_operand(verifier, inst, 0)))
        return plait_verify_fail(verifier, value, "the operand's axes");
    return true;
}

static bool verify_reduce(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType type = plait_verify_union(verifier, inst, 0, inst->operand_count);
    PlaitScalar scalar = (PlaitScalar)plait_verify_operand(verifier, inst, 0).scalar, same;
    if (!plait_scalar_result(PLAIT_OP_ADD, scalar, &same) || inst->type.scalar != scalar)
        return plait_verify_fail(verifier, value, "a number to reduce and a result of its type");
    if (inst->operand_count == 2 && plait_verify_operand(verifier, inst, 1).scalar != PLAIT_BOOL)
        return plait_verify_fail(verifier, value, "a bool mask");
    if (inst->operand_count == 2 && verifier->function->level == PLAIT_LEVEL_TILE)
        return plait_verify_fail(verifier, value, "no mask in Tile IR: use select");
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        if (!plait_type_has(type, inst->axes[i]))
            return plait_verify_fail(verifier, value, "axes that the operand has, each once");
        type = plait_type_without(type, inst->axes[i]);
    }
    if (!plait_type_same_axes(type, inst->type))
        return plait_verify_fail(verifier, value, "a result without the reduced axes");
    return true;
}

bool plait_verify_SOLVE(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType matrix = plait_verify_operand(verifier, inst, 0), x = plait_verify_operand(verifier, inst, 1);
    if (inst->axis_count != 2 || inst->axes[0] == inst->axes[1] || !plait_type_has(matrix, inst->axes[0]) ||
        !plait_type_has(matrix, inst->axes[1]) || !plait_type_has(x, inst->axes[0]) || plait_type_has(x, inst->axes[1]))
        return plait_verify_fail(verifier, value, "a matrix over two axes, and operand 1 over the first of them");
    if ((x.scalar != PLAIT_F32 && x.scalar != PLAIT_F64) || x.scalar != matrix.scalar || x.scalar != inst->type.scalar)
        return plait_verify_fail(verifier, value, "f32 or f64 numbers, all alike");
    PlaitType type = plait_type_union(x, plait_type_without(matrix, inst->axes[1]));
    if (!plait_type_same_axes(inst->type, type))
        return plait_verify_fail(verifier, value, "a result with the operands' axes without the second");
    return true;
}

bool plait_verify_REDUCE_SUM(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    return verify_reduce(verifier, value, inst);
}
bool plait_verify_REDUCE_PROD(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    return verify_reduce(verifier, value, inst);
}
bool plait_verify_REDUCE_MAX(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    return verify_reduce(verifier, value, inst);
}
bool plait_verify_REDUCE_MIN(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    return verify_reduce(verifier, value, inst);
}
