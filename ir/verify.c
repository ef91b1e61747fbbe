/* The verifier: rules of every function, then those of single operations through a table. */
#include "ir/verify.h"

#include <string.h>

#include "ir/text.h"

enum { MAX_DEPTH = 64 };

bool plait_verify_fail(PlaitVerifier *verifier, PlaitValue value, const char *rule, ...)
{
    const PlaitFunction *function = verifier->function;
    PlaitModule *module = function->module;
    va_list arguments;
    va_start(arguments, rule);
    const char *expected = plait_arena_vprintf(module->arena, rule, arguments);
    va_end(arguments);
    const char *found = plait_arena_printf(module->arena, "`%s` in `%s`",
                                           value ? plait_op_info(plait_op_of(function, value))->text : "the function",
                                           plait_names_text(module->names, function->name));
    plait_report(module->diagnostics,
                 (PlaitDiagnostic){.id = PLAIT_IR_INVALID,
                                   .span = value ? plait_inst(function, value)->span : function->span,
                                   .found = found,
                                   .expected = expected,
                                   .help = "docs/ir.md gives the rules of each operation"});
    verifier->good = false;
    return false;
}

PlaitType plait_verify_operand(const PlaitVerifier *verifier, const PlaitInst *inst, uint32_t index)
{
    return plait_type_of(verifier->function, inst->operands[index]);
}

PlaitType plait_verify_union(const PlaitVerifier *verifier, const PlaitInst *inst, uint32_t first, uint32_t last)
{
    PlaitType type = plait_type(PLAIT_BOOL);
    for (uint32_t i = first; i < last; i++) type = plait_type_union(type, plait_verify_operand(verifier, inst, i));
    return type;
}

static bool verify_scalar_op(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitScalar operand = (PlaitScalar)plait_verify_operand(verifier, inst, 0).scalar, result;
    for (uint32_t i = 1; i < inst->operand_count; i++)
        if (plait_verify_operand(verifier, inst, i).scalar != operand)
            return plait_verify_fail(verifier, value, "operands of one scalar type");
    if (!plait_scalar_result((PlaitOp)inst->op, operand, &result))
        return plait_verify_fail(verifier, value, "operands of a type that the operation takes, not %s",
                                 plait_scalar_text(operand));
    if (inst->type.scalar != result)
        return plait_verify_fail(verifier, value, "a result of type %s", plait_scalar_text(result));
    if (!plait_type_same_axes(inst->type, plait_verify_union(verifier, inst, 0, inst->operand_count)))
        return plait_verify_fail(verifier, value, "a result with the union of the operands' axes");
    return true;
}

typedef bool (*Rule)(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst);

static const Rule rules[PLAIT_OP_COUNT] = {
#define OP(id, text, least, most, attributes, regions, meaning) [PLAIT_OP_##id] = plait_verify_##id,
#include "ir/common_ops.def"
#include "ir/stage_ops.def"
#include "ir/tile_ops.def"
#undef OP
};

static bool verify_type(PlaitVerifier *verifier, PlaitValue value, PlaitType type)
{
    const PlaitFunction *function = verifier->function;
    if (type.scalar >= PLAIT_SCALAR_COUNT || type.rank > PLAIT_MAX_RANK || type.space >= PLAIT_SPACE_COUNT)
        return plait_verify_fail(verifier, value, "a type of at most %d axes", PLAIT_MAX_RANK);
    for (uint32_t i = 0; i < type.rank; i++) {
        if (type.axes[i] >= function->axes.count) return plait_verify_fail(verifier, value, "axes of the function");
        for (uint32_t k = 0; k < i; k++)
            if (type.axes[k] == type.axes[i]) return plait_verify_fail(verifier, value, "each axis once in a type");
        if (function->level == PLAIT_LEVEL_TILE && type.space != PLAIT_SPACE_GLOBAL &&
            function->axes.data[type.axes[i]].tile == 0)
            return plait_verify_fail(verifier, value, "axes of tiles have a tile size, `%s` has none",
                                     plait_axis_text(function, type.axes[i]));
    }
    if (type.layout >= function->layouts.count) return plait_verify_fail(verifier, value, "a layout of the kernel");
    if (function->level == PLAIT_LEVEL_STAGE && (type.space != PLAIT_SPACE_VALUE || type.scalar == PLAIT_I64))
        return plait_verify_fail(verifier, value, "a type of Stage IR: no space, no i64");
    return true;
}

/* An operand is defined earlier in the text, in a region that is still open. */
static bool visible(const PlaitVerifier *verifier, PlaitValue operand)
{
    if (operand == 0 || operand >= verifier->function->insts.count || !verifier->defined_at[operand]) return false;
    const PlaitRegion *home = plait_inst(verifier->function, operand)->region;
    for (uint32_t i = 0; i < verifier->open_count; i++)
        if (verifier->open[i] == home) return true;
    return false;
}

/* Only `result` reads an owner of a region or a tensor's handle may be read by load and store alone. */
static bool readable(const PlaitVerifier *verifier, const PlaitInst *inst, uint32_t index)
{
    PlaitOp op = plait_op_of(verifier->function, inst->operands[index]);
    if (op == PLAIT_OP_STORE) return false;
    if (op == PLAIT_OP_TENSOR)
        return index == 0 && (inst->op == PLAIT_OP_LOAD || inst->op == PLAIT_OP_COPY || inst->op == PLAIT_OP_STORE);
    return (plait_op_info(op)->regions != 0) == (inst->op == PLAIT_OP_RESULT);
}

static bool verify_operands(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    const PlaitOpInfo *info = plait_op_info((PlaitOp)inst->op);
    if (inst->operand_count < info->least_operands || inst->operand_count > info->most_operands)
        return plait_verify_fail(verifier, value, "%u to %u operands", info->least_operands, info->most_operands);
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        if (!visible(verifier, inst->operands[i]))
            return plait_verify_fail(verifier, value, "operands defined earlier and in sight");
        if (!readable(verifier, inst, i))
            return plait_verify_fail(verifier, value,
                                     "operands that are values (results of owners are read by `result`)");
    }
    for (uint32_t i = 0; i < inst->axis_count; i++)
        if (inst->axes[i] >= verifier->function->axes.count)
            return plait_verify_fail(verifier, value, "axes of the function");
    if ((info->attributes & A_AXES) && inst->axis_count == 0)
        return plait_verify_fail(verifier, value, "at least one axis in `axes`");
    return true;
}

/* Rules take the union of the operands' axes, which must be a type. Gather and conv replace an axis first. */
static bool verify_rank(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitType type = plait_type(PLAIT_BOOL);
    if (inst->body || inst->op == PLAIT_OP_STORE) return true;
    for (uint32_t i = inst->op == PLAIT_OP_LOAD || inst->op == PLAIT_OP_COPY ? 1 : 0; i < inst->operand_count; i++) {
        PlaitType operand = plait_verify_operand(verifier, inst, i);
        if (inst->op == PLAIT_OP_GATHER && i == 0) operand = plait_type_without(operand, inst->axes[0]);
        if (inst->op == PLAIT_OP_CONV && i == 1 && inst->axis_count == 2 && inst->axes[0] != inst->axes[1])
            operand = plait_type_without(operand, inst->axes[1]);
        if (plait_type_union_rank(type, operand) > PLAIT_MAX_RANK)
            return plait_verify_fail(verifier, value, "operands of at most %d axes together", PLAIT_MAX_RANK);
        type = plait_type_union(type, operand);
    }
    return true;
}

static void verify_region(PlaitVerifier *verifier, const PlaitRegion *region);

static void verify_inst(PlaitVerifier *verifier, PlaitValue value)
{
    const PlaitFunction *function = verifier->function;
    const PlaitInst *inst = plait_inst(function, value);
    const PlaitOpInfo *info = plait_op_info((PlaitOp)inst->op);
    if (inst->op == PLAIT_OP_NONE || inst->op >= PLAIT_OP_COUNT || !(info->level & function->level) ||
        inst->op == PLAIT_OP_ARGUMENT) {
        plait_verify_fail(verifier, value, "an operation of this level");
        return;
    }
    if ((inst->body != NULL) != (info->regions != 0)) {
        plait_verify_fail(verifier, value, "a region exactly where the operation owns one");
        return;
    }
    if (!verify_operands(verifier, value, inst) || !verify_type(verifier, value, inst->type)) return;
    if (!verify_rank(verifier, value, inst)) return;
    if (inst->body) {
        verify_region(verifier, inst->body);
        if (!verifier->good) return;
    }
    if (plait_op_is_scalar((PlaitOp)inst->op)) verify_scalar_op(verifier, value, inst);
    else rules[inst->op](verifier, value, inst);
}

static void verify_region(PlaitVerifier *verifier, const PlaitRegion *region)
{
    if (verifier->open_count == MAX_DEPTH) {
        plait_verify_fail(verifier, region->owner, "regions nested less deep");
        return;
    }
    verifier->open[verifier->open_count++] = region;
    for (uint32_t i = 0; i < region->params.count; i++) {
        PlaitValue param = region->params.data[i];
        if (plait_op_of(verifier->function, param) != PLAIT_OP_ARGUMENT)
            plait_verify_fail(verifier, param, "parameters that are arguments");
        else verify_type(verifier, param, plait_type_of(verifier->function, param));
        verifier->defined_at[param] = ++verifier->position;
    }
    for (uint32_t i = 0; i < region->body.count && verifier->good; i++) {
        PlaitValue value = region->body.data[i];
        if (plait_inst(verifier->function, value)->region != region || verifier->defined_at[value])
            plait_verify_fail(verifier, value, "each instruction once, in the region that it names");
        else verify_inst(verifier, value);
        verifier->defined_at[value] = ++verifier->position;
    }
    for (uint32_t i = 0; i < region->yields.count && verifier->good; i++)
        if (!visible(verifier, region->yields.data[i]) || plait_inst(verifier->function, region->yields.data[i])->body)
            plait_verify_fail(verifier, region->owner, "yields of values in sight");
    verifier->open_count--;
}

static void verify_axes(PlaitVerifier *verifier)
{
    const PlaitFunction *function = verifier->function;
    if (function->axes.count > PLAIT_MAX_FUNCTION_AXES)
        plait_verify_fail(verifier, 0, "at most %d axes", PLAIT_MAX_FUNCTION_AXES);
    for (uint32_t i = 0; i < function->axes.count; i++) {
        const PlaitAxisInfo *axis = &function->axes.data[i];
        if (axis->size < PLAIT_RUNTIME_SIZE || axis->size == 0 || axis->size > INT32_MAX)
            plait_verify_fail(verifier, 0, "sizes of axes from 1 to below 2^31");
        if (axis->tile > PLAIT_MAX_TILE)
            plait_verify_fail(verifier, 0, "tiles of at most %d positions", PLAIT_MAX_TILE);
        if (axis->same_as != PLAIT_NO_AXIS &&
            (axis->same_as >= i || (!axis->block && function->axes.data[axis->same_as].size != axis->size)))
            plait_verify_fail(verifier, 0, "`same` names an earlier axis of the same size");
        if (axis->multiple && (axis->same_as != PLAIT_NO_AXIS || axis->size != PLAIT_RUNTIME_SIZE))
            plait_verify_fail(verifier, 0, "multiples of axes whose own size is known at run time");
        if (axis->block && (axis->same_as == PLAIT_NO_AXIS || axis->size != PLAIT_RUNTIME_SIZE))
            plait_verify_fail(verifier, 0, "blocks of another axis, their number known at run time");
    }
    for (uint32_t i = 0; i < function->grid.count; i++) {
        PlaitAxis axis = function->grid.data[i].axis;
        if (axis >= function->axes.count || function->grid.data[i].block == 0 ||
            function->grid.data[i].block > PLAIT_MAX_TILE)
            plait_verify_fail(verifier, 0, "grid axes with a block from 1 to %d", PLAIT_MAX_TILE);
        for (uint32_t k = 0; k < i; k++)
            if (function->grid.data[k].axis == axis) plait_verify_fail(verifier, 0, "each axis once in the grid");
    }
}

static void verify_layouts(PlaitVerifier *verifier)
{
    const PlaitFunction *function = verifier->function;
    for (uint32_t i = 1; i < function->layouts.count; i++)
        for (uint32_t k = 0; k < function->layouts.data[i].count; k++) {
            const PlaitLayoutAxis *entry = &function->layouts.data[i].axes[k];
            uint32_t threads = plait_layout_threads(entry), span = 0;
            for (uint32_t part = 0; part < entry->count; part++) span += entry->parts[part].bits;
            if (entry->axis >= function->axes.count || threads >= function->threads || span > 20)
                plait_verify_fail(verifier, 0, "layouts over the kernel's thread bits");
        }
}

static void verify_outputs(PlaitVerifier *verifier)
{
    const PlaitFunction *function = verifier->function;
    verifier->open[verifier->open_count++] = function->body;
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        const PlaitOutput *output = &function->outputs.data[i];
        if (!verify_type(verifier, 0, output->type)) return;
        if (!visible(verifier, output->value) || plait_inst(function, output->value)->body ||
            !plait_type_equal(output->type, plait_type_of(function, output->value)))
            plait_verify_fail(verifier, output->value, "outputs of the declared scalar type and axes");
    }
}

bool plait_function_verify(const PlaitFunction *function)
{
    PlaitArena *arena = function->module->arena;
    const PlaitRegion *open[MAX_DEPTH + 1];
    PlaitVerifier verifier = {.function = function,
                              .open = open,
                              .good = true,
                              .defined_at = PLAIT_NEW_ARRAY(arena, uint32_t, function->insts.count)};
    verify_axes(&verifier);
    verify_layouts(&verifier);
    if (verifier.good) verify_region(&verifier, function->body);
    if (verifier.good && function->body->yields.count)
        plait_verify_fail(&verifier, 0, "no yields of the function's body");
    if (verifier.good && function->body->params.count)
        plait_verify_fail(&verifier, 0, "no parameters of the function's body");
    if (verifier.good) verify_outputs(&verifier);
    return verifier.good;
}

bool plait_module_verify(const PlaitModule *module)
{
    bool good = true;
    for (uint32_t i = 0; i < module->functions.count; i++)
        good = plait_function_verify(module->functions.data[i]) && good;
    return good;
}
