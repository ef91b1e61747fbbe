/* Rules of the operations of stage_ops.def. */
#include "ir/verify.h"

bool plait_verify_PARAM(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    if (!inst->name) return plait_verify_fail(verifier, value, "a name");
    if (inst->region != verifier->function->body)
        return plait_verify_fail(verifier, value, "parameters in the operator's body");
    return true;
}

bool plait_verify_GATHER(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType x = plait_verify_operand(verifier, inst, 0), index = plait_verify_operand(verifier, inst, 1);
    if (index.scalar != PLAIT_I32) return plait_verify_fail(verifier, value, "an i32 index");
    if (inst->axis_count != 1 || !plait_type_has(x, inst->axes[0]))
        return plait_verify_fail(verifier, value, "one axis, which operand 0 has");
    PlaitType type = plait_type_union(plait_type_without(x, inst->axes[0]), index);
    if (type.scalar != inst->type.scalar || !plait_type_same_axes(type, inst->type))
        return plait_verify_fail(verifier, value, "operand 0's type with the axis replaced by the index's axes");
    return true;
}

bool plait_verify_CONV(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType x = plait_verify_operand(verifier, inst, 0), w = plait_verify_operand(verifier, inst, 1);
    if (inst->axis_count != 2) return plait_verify_fail(verifier, value, "two axes: time, taps");
    PlaitAxis time = inst->axes[0], taps = inst->axes[1];
    bool longer = taps == time;
    if (!plait_type_has(x, time) || !plait_type_has(w, taps) ||
        (!longer && (plait_type_has(x, taps) || plait_type_has(w, time))))
        return plait_verify_fail(verifier, value, "operand 0 over time and not taps, operand 1 over taps and not time");
    if (!longer && verifier->function->axes.data[taps].size < 1)
        return plait_verify_fail(verifier, value, "a taps axis of static size >= 1");
    bool computing = x.scalar == PLAIT_F32 || x.scalar == PLAIT_F64;
    if (!computing || x.scalar != w.scalar || x.scalar != inst->type.scalar)
        return plait_verify_fail(verifier, value, "f32 or f64, all alike");
    if (!plait_type_same_axes(inst->type, plait_type_union(x, longer ? w : plait_type_without(w, taps))))
        return plait_verify_fail(verifier, value, "a result with the union of the axes, without taps");
    return true;
}

/* Initial values, parameters and next values of carries agree; `along` is an axis that parameters have and the others
 * lack or may have. */
static bool verify_carries(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst, PlaitAxis along)
{
    const PlaitRegion *body = inst->body;
    bool scan = inst->op == PLAIT_OP_SCAN;
    if (body->params.count != inst->operand_count || body->yields.count < inst->operand_count)
        return plait_verify_fail(verifier, value, "one parameter and one yield for each initial carry");
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        PlaitType param = plait_type_of(verifier->function, body->params.data[i]);
        PlaitType initial = plait_verify_operand(verifier, inst, i),
                  next = plait_type_of(verifier->function, body->yields.data[i]);
        if (plait_type_has(param, along) != scan)
            return plait_verify_fail(verifier, value, "carry %u with%s the axis of the loop", i, scan ? "" : "out");
        if (initial.scalar != param.scalar || next.scalar != param.scalar)
            return plait_verify_fail(verifier, value, "carry %u of one scalar type", i);
        if (!plait_type_inside(initial, plait_carry_type(inst, param)))
            return plait_verify_fail(verifier, value, "initial carry %u with axes of its parameter", i);
        if (!plait_type_inside(next, param))
            return plait_verify_fail(verifier, value, "next carry %u with axes of its parameter", i);
    }
    return true;
}

/* Which values of the function depend on the parameters of `body`. */
static void mark_dependent(const PlaitFunction *function, const PlaitRegion *region, bool *dependent)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(function, value);
        for (uint32_t k = 0; k < inst->operand_count; k++) dependent[value] |= dependent[inst->operands[k]];
        if (!inst->body) continue;
        for (uint32_t k = 0; k < inst->body->params.count; k++)
            dependent[inst->body->params.data[k]] |= dependent[value];
        mark_dependent(function, inst->body, dependent);
        for (uint32_t k = 0; k < inst->body->yields.count; k++)
            dependent[value] |= dependent[inst->body->yields.data[k]];
    }
}

static bool moves_along(const PlaitInst *inst, PlaitAxis axis)
{
    PlaitOp op = (PlaitOp)inst->op;
    bool over = plait_op_is_reduce(op) || op == PLAIT_OP_GATHER || op == PLAIT_OP_CONV || op == PLAIT_OP_SCAN ||
                op == PLAIT_OP_FOLD;
    for (uint32_t i = 0; over && i < inst->axis_count; i++)
        if (inst->axes[i] == axis) return true;
    return false;
}

static bool verify_no_motion(PlaitVerifier *verifier, const PlaitRegion *region, PlaitAxis axis, const bool *dependent)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(verifier->function, value);
        /* The index of a gather may depend on a carry: what it reads is there before the scan. */
        bool moved = dependent[inst->op == PLAIT_OP_GATHER ? inst->operands[0] : value];
        if (moved && moves_along(inst, axis))
            return plait_verify_fail(
                verifier, value,
                "nothing that depends on a carry is reduced or read at other positions along the scan's axis");
        if (inst->body && !verify_no_motion(verifier, inst->body, axis, dependent)) return false;
    }
    return true;
}

/* What a scan by segments takes from token to token is in one of them; what it makes at a token, too. */
static bool verify_segments(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    const PlaitFunction *function = verifier->function;
    PlaitAxis segments = plait_segments_of(inst);
    if (segments == PLAIT_NO_AXIS) return true;
    for (uint32_t i = 0; i < inst->body->params.count; i++)
        if (plait_type_has(plait_type_of(function, inst->body->params.data[i]), segments))
            return plait_verify_fail(verifier, value, "parameters without the axis of segments");
    for (uint32_t i = inst->operand_count; i < inst->body->yields.count; i++) {
        PlaitType type = plait_type_of(function, inst->body->yields.data[i]);
        if (plait_type_has(type, segments) || !plait_type_has(type, inst->axes[0]))
            return plait_verify_fail(verifier, value, "outputs at each token, without the axis of segments");
    }
    return true;
}

bool plait_verify_SCAN(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    const PlaitAxisInfo *segments = inst->axis_count == 2 ? &verifier->function->axes.data[inst->axes[1]] : NULL;
    if (inst->axis_count < 1 || inst->axis_count > 2 || inst->int_count != 1 ||
        (inst->ints[0] != 1 && inst->ints[0] != -1) ||
        (segments &&
         (!segments->block || segments->same_as != plait_axis_extent_of(verifier->function, inst->axes[0]))))
        return plait_verify_fail(verifier, value, "one axis, then perhaps one of its blocks, and a direction, 1 or -1");
    if (!verify_segments(verifier, value, inst)) return false;
    if (!verify_carries(verifier, value, inst, inst->axes[0])) return false;
    const PlaitFunction *function = verifier->function;
    bool *dependent = PLAIT_NEW_ARRAY(function->module->arena, bool, function->insts.count);
    for (uint32_t i = 0; i < inst->body->params.count; i++) dependent[inst->body->params.data[i]] = true;
    mark_dependent(function, inst->body, dependent);
    return verify_no_motion(verifier, inst->body, inst->axes[0], dependent);
}

/* In a fold the axis stands for one block: only reductions may run along it over what is made inside, whatever the
 * blocks are, and it may be read along the fold's second axis, whose positions are the same. */
static bool verify_blocks(PlaitVerifier *verifier, const PlaitRegion *fold, const PlaitRegion *region, PlaitAxis axis)
{
    const PlaitFunction *function = verifier->function;
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(function, region->body.data[i]);
        bool motion = !plait_op_is_reduce((PlaitOp)inst->op) && moves_along(inst, axis) &&
                      !plait_reads_block(function, inst, plait_inst(function, fold->owner));
        uint32_t moved = inst->op == PLAIT_OP_GATHER ? 1 : inst->operand_count; /* not the index of a gather */
        for (uint32_t k = 0; k < moved && motion; k++)
            if (plait_region_inside(plait_inst(function, inst->operands[k])->region, fold) &&
                plait_type_has(plait_type_of(function, inst->operands[k]), axis))
                return plait_verify_fail(verifier, region->body.data[i],
                                         "only reductions along the fold's axis of what is made inside it");
        if (inst->op == PLAIT_OP_SCAN && motion)
            return plait_verify_fail(verifier, region->body.data[i], "no scan along the fold's axis inside it");
        if (inst->body && !verify_blocks(verifier, fold, inst->body, axis)) return false;
    }
    return true;
}

bool plait_verify_FOLD(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    const PlaitFunction *function = verifier->function;
    bool twin = inst->axis_count > 1 && inst->axes[0] != inst->axes[1] &&
                plait_axis_extent_of(function, inst->axes[0]) == plait_axis_extent_of(function, inst->axes[1]);
    const PlaitAxisInfo *blocks = inst->axis_count == 3 ? &function->axes.data[inst->axes[2]] : NULL;
    if (inst->axis_count > 3 || (inst->axis_count > 1 && !twin) || inst->axis_count == 0 ||
        (blocks && (!blocks->block || blocks->same_as != plait_axis_extent_of(function, inst->axes[0]))))
        return plait_verify_fail(verifier, value, "one axis, or two of one extent, then perhaps one of its blocks");
    if (!verify_carries(verifier, value, inst, inst->axes[0])) return false;
    for (uint32_t i = inst->operand_count; i < inst->body->yields.count; i++) {
        PlaitType type = plait_type_of(function, inst->body->yields.data[i]);
        if (!plait_type_has(type, inst->axes[0]) || (twin && plait_type_has(type, inst->axes[1])) ||
            (blocks && plait_type_has(type, inst->axes[2])))
            return plait_verify_fail(verifier, value, "outputs along the fold's first axis, after the carries");
    }
    return verify_blocks(verifier, inst->body, inst->body, inst->axes[0]) &&
           (!twin || verify_blocks(verifier, inst->body, inst->body, inst->axes[1]));
}

bool plait_verify_KERNEL(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    if (inst->body->params.count) return plait_verify_fail(verifier, value, "no parameters");
    if (inst->region != verifier->function->body)
        return plait_verify_fail(verifier, value, "kernels in the operator's body");
    return true;
}
