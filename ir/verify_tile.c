/* Rules of the operations of tile_ops.def. */
#include "ir/verify.h"

bool plait_verify_TENSOR(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    if (!inst->name || inst->type.space != PLAIT_SPACE_GLOBAL)
        return plait_verify_fail(verifier, value, "a name and a type in global memory");
    if (inst->region != verifier->function->body)
        return plait_verify_fail(verifier, value, "tensors in the kernel's body");
    return true;
}

bool plait_verify_PROGRAM(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    const PlaitFunction *function = verifier->function;
    bool known = false;
    for (uint32_t i = 0; i < function->grid.count; i++) known |= function->grid.data[i].axis == inst->axes[0];
    if (inst->axis_count != 1 || !known || !plait_verify_scalar_i32(inst->type))
        return plait_verify_fail(verifier, value, "one axis of the grid and type i32");
    return true;
}

/* Operand 0 is a tensor and operands 1.. its indices; gives the union of the indices' axes. */
static bool verify_access(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst, PlaitType *type)
{
    PlaitType tensor = plait_verify_operand(verifier, inst, 0);
    if (plait_op_of(verifier->function, inst->operands[0]) != PLAIT_OP_TENSOR)
        return plait_verify_fail(verifier, value, "a tensor as operand 0");
    if (inst->operand_count < 1u + tensor.rank)
        return plait_verify_fail(verifier, value, "an index for each axis of the tensor");
    for (uint32_t i = 0; i < tensor.rank; i++)
        if (plait_verify_operand(verifier, inst, i + 1).scalar != PLAIT_I32)
            return plait_verify_fail(verifier, value, "i32 indices");
    *type = plait_type_as(plait_verify_union(verifier, inst, 1, 1u + tensor.rank), (PlaitScalar)tensor.scalar);
    return true;
}

bool plait_verify_LOAD(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType type;
    if (!verify_access(verifier, value, inst, &type)) return false;
    if (inst->operand_count != 1u + plait_verify_operand(verifier, inst, 0).rank)
        return plait_verify_fail(verifier, value, "one index for each axis of the tensor");
    if (type.scalar != inst->type.scalar || !plait_type_same_axes(type, inst->type))
        return plait_verify_fail(verifier, value, "the tensor's scalar type and the indices' axes");
    return true;
}

bool plait_verify_COPY(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    if (inst->type.space != PLAIT_SPACE_SHARED || inst->int_count != 1 || inst->ints[0] < 1 || inst->ints[0] > 16)
        return plait_verify_fail(verifier, value, "a tile in shared memory, and 1 to 16 tiles on the way");
    return plait_verify_LOAD(verifier, value, inst);
}

bool plait_verify_STORE(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType type;
    if (!verify_access(verifier, value, inst, &type)) return false;
    uint32_t at = 1u + plait_verify_operand(verifier, inst, 0).rank;
    bool predicated = inst->int_count == 1 && inst->ints[0] == 1;
    if (inst->int_count != 1 || (inst->ints[0] != 0 && inst->ints[0] != 1) ||
        inst->operand_count != at + 1 + predicated)
        return plait_verify_fail(verifier, value, "indices, a value and, with ints = [1], a predicate");
    PlaitType stored = plait_verify_operand(verifier, inst, at);
    if (stored.scalar != type.scalar || !plait_type_same_axes(stored, type))
        return plait_verify_fail(verifier, value, "a value of the tensor's scalar type and the indices' axes");
    if (predicated) {
        PlaitType predicate = plait_verify_operand(verifier, inst, at + 1);
        if (predicate.scalar != PLAIT_BOOL || !plait_type_inside(predicate, stored))
            return plait_verify_fail(verifier, value, "a bool predicate with axes of the value");
    }
    return true;
}

static bool is_matrix_product(const PlaitInst *inst, PlaitType a, PlaitType b)
{
    return (a.scalar == PLAIT_BF16 || a.scalar == PLAIT_F16) && inst->type.scalar == PLAIT_F32 && a.rank == 2 &&
           b.rank == 2 && inst->type.rank == 2 && plait_type_has(inst->type, inst->axes[1]);
}

bool plait_verify_DOT(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType a = plait_verify_operand(verifier, inst, 0), b = plait_verify_operand(verifier, inst, 1);
    if (inst->axis_count < 1 || inst->axis_count > 2 || !plait_type_has(a, inst->axes[0]) ||
        !plait_type_has(b, inst->axes[0]))
        return plait_verify_fail(verifier, value, "one axis, which both operands have, and perhaps one of rows");
    if (plait_scalar_kind((PlaitScalar)a.scalar) != PLAIT_FLOATING || a.scalar != b.scalar)
        return plait_verify_fail(verifier, value, "floating operands of one type");
    if ((inst->type.scalar != PLAIT_F32 && inst->type.scalar != PLAIT_F64) || inst->type.scalar < a.scalar)
        return plait_verify_fail(verifier, value, "an f32 or f64 result, not narrower than the operands");
    if (!plait_type_same_axes(inst->type, plait_type_without(plait_type_union(a, b), inst->axes[0])))
        return plait_verify_fail(verifier, value, "a result with the union of the axes without the contracted one");
    if (inst->axis_count == 2 && !is_matrix_product(inst, a, b))
        return plait_verify_fail(verifier, value, "on the matrix units 16-bit operands of two axes each and f32");
    if (inst->operand_count == 3 && !plait_type_equal(plait_verify_operand(verifier, inst, 2), inst->type))
        return plait_verify_fail(verifier, value, "an accumulator of the result's type");
    return true;
}

bool plait_verify_FOR(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    const PlaitRegion *body = inst->body;
    uint32_t carries = inst->operand_count - 2;
    if (inst->axis_count != 1 || inst->int_count != 1 || inst->ints[0] == 0 || inst->ints[0] < INT32_MIN ||
        inst->ints[0] > INT32_MAX)
        return plait_verify_fail(verifier, value, "one axis and a step other than 0");
    if (!plait_verify_scalar_i32(plait_verify_operand(verifier, inst, 0)) ||
        !plait_verify_scalar_i32(plait_verify_operand(verifier, inst, 1)))
        return plait_verify_fail(verifier, value, "scalar i32 bounds");
    if (body->params.count != carries + 1 || body->yields.count != carries ||
        !plait_verify_scalar_i32(plait_type_of(verifier->function, body->params.data[0])))
        return plait_verify_fail(verifier, value, "a position and the carries as parameters, the carries as yields");
    for (uint32_t i = 0; i < carries; i++) {
        PlaitType param = plait_type_of(verifier->function, body->params.data[i + 1]);
        PlaitType initial = plait_verify_operand(verifier, inst, i + 2),
                  next = plait_type_of(verifier->function, body->yields.data[i]);
        if (!plait_type_equal(param, initial) || !plait_type_equal(param, next) || param.layout != initial.layout ||
            param.layout != next.layout)
            return plait_verify_fail(verifier, value, "carry %u of one type", i);
    }
    return true;
}

bool plait_verify_RENAME(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    const PlaitFunction *function = verifier->function;
    PlaitType x = plait_verify_operand(verifier, inst, 0);
    if (inst->axis_count != 2 || !plait_type_has(x, inst->axes[0]) || plait_type_has(x, inst->axes[1]) ||
        function->axes.data[inst->axes[0]].tile != function->axes.data[inst->axes[1]].tile)
        return plait_verify_fail(verifier, value, "an axis of the operand, and one of as many positions that it lacks");
    PlaitType type = plait_type_with(plait_type_without(x, inst->axes[0]), inst->axes[1]);
    if (type.scalar != inst->type.scalar || !plait_type_same_axes(type, inst->type))
        return plait_verify_fail(verifier, value, "the operand's type with the axis renamed");
    return true;
}

bool plait_verify_CONVERT(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType x = plait_verify_operand(verifier, inst, 0);
    if (x.scalar != inst->type.scalar || !plait_type_same_axes(x, inst->type))
        return plait_verify_fail(verifier, value, "the operand's scalar type and axes");
    return true;
}
