/* Making modules, functions, axes and instructions. */
#include <math.h>
#include <string.h>

#include "ir/build.h"

PlaitModule *plait_module_create(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics)
{
    PlaitModule *module = PLAIT_NEW(arena, PlaitModule);
    module->arena = arena;
    module->names = names;
    module->diagnostics = diagnostics;
    return module;
}

PlaitFunction *plait_function_create(PlaitModule *module, PlaitLevel level, PlaitName name)
{
    PlaitFunction *function = PLAIT_NEW(module->arena, PlaitFunction);
    function->module = module;
    function->name = name;
    function->level = level;
    function->threads = 1;
    plait_push(module->arena, &function->insts, (PlaitInst){0});
    plait_push(module->arena, &function->layouts, (PlaitLayout){0});
    function->body = plait_region_create(function, NULL);
    plait_push(module->arena, &module->functions, function);
    return function;
}

PlaitAxis plait_axis_add(PlaitFunction *function, PlaitAxisInfo info)
{
    if (function->axes.count >= PLAIT_NO_AXIS) plait_bug("too many axes");
    plait_push(function->module->arena, &function->axes, info);
    return (PlaitAxis)(function->axes.count - 1);
}

PlaitAxis plait_axis_second(PlaitFunction *function, PlaitAxis axis)
{
    PlaitModule *module = function->module;
    for (uint32_t n = 0;; n++) {
        PlaitName name = plait_names_add(
            module->names, plait_arena_printf(module->arena, "%s_%u", plait_axis_text(function, axis), n));
        if (plait_axis_find(function, name) != PLAIT_NO_AXIS) continue;
        PlaitAxisInfo info = function->axes.data[axis];
        info.name = name;
        info.same_as = axis;
        info.multiple = 0; /* said of the axis itself */
        return plait_axis_add(function, info);
    }
}

PlaitAxis plait_axis_find(const PlaitFunction *function, PlaitName name)
{
    return plait_axis_find_in(function->axes.data, function->axes.count, name);
}

PlaitAxis plait_axis_find_in(const PlaitAxisInfo *table, uint32_t count, PlaitName name)
{
    for (uint32_t i = 0; i < count; i++)
        if (table[i].name == name) return (PlaitAxis)i;
    return PLAIT_NO_AXIS;
}

const char *plait_axis_text(const PlaitFunction *function, PlaitAxis axis)
{
    return plait_names_text(function->module->names, function->axes.data[axis].name);
}

PlaitAxis plait_axis_extent_of(const PlaitFunction *function, PlaitAxis axis)
{
    while (function->axes.data[axis].same_as != PLAIT_NO_AXIS && !function->axes.data[axis].block)
        axis = function->axes.data[axis].same_as;
    return axis;
}

PlaitRegion *plait_region_create(PlaitFunction *function, PlaitRegion *parent)
{
    PlaitRegion *region = PLAIT_NEW(function->module->arena, PlaitRegion);
    region->parent = parent;
    return region;
}

static PlaitValue add_inst(PlaitFunction *function, PlaitInst inst)
{
    plait_push(function->module->arena, &function->insts, inst);
    return function->insts.count - 1;
}

PlaitValue plait_build(PlaitBuilder *builder, PlaitOp op, PlaitType type, const PlaitValue *operands, uint32_t count)
{
    PlaitFunction *function = builder->function;
    PlaitArena *arena = function->module->arena;
    PlaitInst inst = {
        .op = (uint16_t)op, .type = type, .operand_count = count, .region = builder->region, .span = builder->span};
    inst.operands = count ? plait_arena_copy(arena, operands, count * sizeof *operands) : NULL;
    PlaitValue value = add_inst(function, inst);
    plait_push(arena, &builder->region->body, value);
    return value;
}

void plait_set_axes(PlaitFunction *function, PlaitValue value, const PlaitAxis *axes, uint32_t count)
{
    PlaitInst *inst = plait_inst(function, value);
    inst->axes = plait_arena_copy(function->module->arena, axes, count * sizeof *axes);
    inst->axis_count = (uint8_t)count;
}

void plait_set_ints(PlaitFunction *function, PlaitValue value, const int64_t *ints, uint32_t count)
{
    PlaitInst *inst = plait_inst(function, value);
    inst->ints = plait_arena_copy(function->module->arena, ints, count * sizeof *ints);
    inst->int_count = (uint8_t)count;
}

/* The union of the operands' axes, with the first operand's scalar type, as an unplaced value. */
static PlaitType union_type(const PlaitFunction *function, const PlaitValue *operands, uint32_t count)
{
    PlaitType type = plait_type_of(function, operands[0]);
    for (uint32_t i = 1; i < count; i++) type = plait_type_union(type, plait_type_of(function, operands[i]));
    type.space = PLAIT_SPACE_VALUE;
    type.layout = 0;
    return type;
}

PlaitValue plait_build_scalar(PlaitBuilder *builder, PlaitOp op, const PlaitValue *operands, uint32_t count)
{
    PlaitType type = union_type(builder->function, operands, count);
    PlaitScalar result;
    if (!plait_scalar_result(op, (PlaitScalar)type.scalar, &result))
        plait_bug("%s does not take %s", plait_op_info(op)->text, plait_scalar_text((PlaitScalar)type.scalar));
    return plait_build(builder, op, plait_type_as(type, result), operands, count);
}

PlaitValue plait_build_unary(PlaitBuilder *builder, PlaitOp op, PlaitValue x)
{
    return plait_build_scalar(builder, op, &x, 1);
}

PlaitValue plait_build_binary(PlaitBuilder *builder, PlaitOp op, PlaitValue x, PlaitValue y)
{
    return plait_build_scalar(builder, op, (PlaitValue[]){x, y}, 2);
}

PlaitValue plait_build_select(PlaitBuilder *builder, PlaitValue condition, PlaitValue yes, PlaitValue no)
{
    PlaitValue operands[] = {condition, yes, no};
    PlaitScalar scalar = (PlaitScalar)plait_type_of(builder->function, yes).scalar;
    return plait_build(builder, PLAIT_OP_SELECT, plait_type_as(union_type(builder->function, operands, 3), scalar),
                       operands, 3);
}

PlaitValue plait_build_cast(PlaitBuilder *builder, PlaitValue x, PlaitScalar scalar)
{
    PlaitType type = plait_type_of(builder->function, x);
    if (type.scalar == scalar) return x;
    return plait_build(builder, PLAIT_OP_CAST, plait_type_as(type, scalar), &x, 1);
}

PlaitValue plait_build_const(PlaitBuilder *builder, PlaitScalar scalar, double number)
{
    PlaitValue value = plait_build(builder, PLAIT_OP_CONST, plait_type(scalar), NULL, 0);
    plait_inst(builder->function, value)->number = number;
    return value;
}

PlaitValue plait_build_broadcast(PlaitBuilder *builder, PlaitValue x, PlaitType type)
{
    PlaitType own = plait_type_of(builder->function, x);
    if (plait_type_same_axes(own, type)) return x;
    PlaitType result = plait_type_as(type, (PlaitScalar)own.scalar);
    result.space = PLAIT_SPACE_VALUE;
    return plait_build(builder, PLAIT_OP_BROADCAST, result, &x, 1);
}

PlaitValue plait_build_iota(PlaitBuilder *builder, PlaitAxis axis, PlaitValue start)
{
    PlaitValue value =
        plait_build(builder, PLAIT_OP_IOTA, plait_type_with(plait_type(PLAIT_I32), axis), &start, start ? 1 : 0);
    plait_set_axes(builder->function, value, &axis, 1);
    return value;
}

PlaitValue plait_build_size(PlaitBuilder *builder, PlaitAxis axis)
{
    PlaitValue value = plait_build(builder, PLAIT_OP_SIZE, plait_type(PLAIT_I32), NULL, 0);
    plait_set_axes(builder->function, value, &axis, 1);
    return value;
}

PlaitValue plait_build_reduce(PlaitBuilder *builder, PlaitOp op, PlaitValue x, PlaitValue mask, const PlaitAxis *axes,
                              uint32_t count)
{
    PlaitValue operands[] = {x, mask};
    PlaitScalar scalar = (PlaitScalar)plait_type_of(builder->function, x).scalar;
    PlaitType type = plait_type_as(union_type(builder->function, operands, mask ? 2 : 1), scalar);
    for (uint32_t i = 0; i < count; i++) type = plait_type_without(type, axes[i]);
    PlaitValue value = plait_build(builder, op, type, operands, mask ? 2 : 1);
    plait_set_axes(builder->function, value, axes, count);
    return value;
}

PlaitValue plait_build_gather(PlaitBuilder *builder, PlaitValue x, PlaitAxis axis, PlaitValue index)
{
    PlaitType type = plait_type_without(plait_type_of(builder->function, x), axis);
    type = plait_type_union(type, plait_type_of(builder->function, index));
    PlaitValue value = plait_build(builder, PLAIT_OP_GATHER, type, (PlaitValue[]){x, index}, 2);
    plait_set_axes(builder->function, value, &axis, 1);
    return value;
}

PlaitValue plait_build_solve(PlaitBuilder *builder, PlaitValue matrix, PlaitValue x, PlaitAxis axis, PlaitAxis twin)
{
    PlaitType type = plait_type_union(plait_type_of(builder->function, x),
                                      plait_type_without(plait_type_of(builder->function, matrix), twin));
    PlaitValue value = plait_build(builder, PLAIT_OP_SOLVE, type, (PlaitValue[]){matrix, x}, 2);
    plait_set_axes(builder->function, value, (PlaitAxis[]){axis, twin}, 2);
    return value;
}

PlaitValue plait_build_conv(PlaitBuilder *builder, PlaitValue x, PlaitValue w, PlaitAxis time, PlaitAxis taps)
{
    PlaitType weights = plait_type_of(builder->function, w);
    PlaitType type = plait_type_union(plait_type_of(builder->function, x),
                                      taps == time ? weights : plait_type_without(weights, taps));
    PlaitValue value = plait_build(builder, PLAIT_OP_CONV, type, (PlaitValue[]){x, w}, 2);
    plait_set_axes(builder->function, value, (PlaitAxis[]){time, taps}, 2);
    return value;
}

PlaitValue plait_build_param(PlaitBuilder *builder, PlaitName name, PlaitType type, double fallback)
{
    PlaitFunction *function = builder->function;
    PlaitValue value = plait_build(builder, PLAIT_OP_PARAM, type, NULL, 0);
    plait_inst(function, value)->name = name;
    plait_inst(function, value)->number = fallback;
    plait_push(function->module->arena, &function->params, value);
    return value;
}

PlaitValue plait_build_argument(PlaitFunction *function, PlaitRegion *region, PlaitType type, PlaitSpan span)
{
    PlaitValue value =
        add_inst(function, (PlaitInst){.op = PLAIT_OP_ARGUMENT, .type = type, .region = region, .span = span});
    plait_push(function->module->arena, &region->params, value);
    return value;
}

PlaitValue plait_build_owner(PlaitBuilder *builder, PlaitOp op, const PlaitValue *operands, uint32_t count,
                             PlaitRegion *body)
{
    PlaitValue value = plait_build(builder, op, plait_type(PLAIT_BOOL), operands, count);
    plait_inst(builder->function, value)->body = body;
    body->owner = value;
    body->parent = builder->region;
    return value;
}

PlaitValue plait_build_result(PlaitBuilder *builder, PlaitValue owner, uint32_t index, PlaitType type)
{
    PlaitValue value = plait_build(builder, PLAIT_OP_RESULT, type, &owner, 1);
    plait_set_ints(builder->function, value, (int64_t[]){index}, 1);
    return value;
}

void plait_yield(PlaitFunction *function, PlaitRegion *region, PlaitValue value)
{
    plait_push(function->module->arena, &region->yields, value);
}
