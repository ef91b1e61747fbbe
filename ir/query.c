/* Looking at functions: uses, walks, replacement. */
#include "ir/ir.h"

uint32_t plait_result_count(const PlaitFunction *function, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(function, value);
    return inst->body ? inst->body->yields.count : inst->op == PLAIT_OP_STORE ? 0 : 1;
}

static void count_region(const PlaitFunction *function, const PlaitRegion *region, uint32_t *counts)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(function, region->body.data[i]);
        for (uint32_t k = 0; k < inst->operand_count; k++) counts[inst->operands[k]]++;
        if (inst->body) count_region(function, inst->body, counts);
    }
    for (uint32_t i = 0; i < region->yields.count; i++) counts[region->yields.data[i]]++;
}

uint32_t *plait_use_counts(const PlaitFunction *function)
{
    uint32_t *counts = PLAIT_NEW_ARRAY(function->module->arena, uint32_t, function->insts.count);
    count_region(function, function->body, counts);
    for (uint32_t i = 0; i < function->outputs.count; i++) counts[function->outputs.data[i].value]++;
    return counts;
}

void plait_region_walk(const PlaitFunction *function, const PlaitRegion *region,
                       void (*visit)(void *context, PlaitValue value), void *context)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        visit(context, value);
        const PlaitRegion *body = plait_inst(function, value)->body;
        if (body) plait_region_walk(function, body, visit, context);
    }
}

bool plait_is_output(const PlaitFunction *function, PlaitValue value)
{
    for (uint32_t i = 0; i < function->outputs.count; i++)
        if (function->outputs.data[i].value == value) return true;
    return false;
}

bool plait_axis_is_long(const PlaitFunction *function, PlaitAxis axis)
{
    return function->axes.data[axis].size == PLAIT_RUNTIME_SIZE || function->axes.data[axis].role == PLAIT_ROLE_TIME;
}

double plait_feature_elements(const PlaitFunction *function, PlaitType type)
{
    double count = 1;
    for (uint32_t i = 0; i < type.rank; i++) {
        const PlaitAxisInfo *axis = &function->axes.data[type.axes[i]];
        if (axis->role == PLAIT_ROLE_FEATURE && axis->size != PLAIT_RUNTIME_SIZE) count *= (double)axis->size;
    }
    return count;
}

void plait_rename(PlaitValue *values, uint32_t count, const PlaitValue *map, uint32_t map_count)
{
    for (uint32_t i = 0; i < count; i++)
        while (values[i] < map_count && map[values[i]]) values[i] = map[values[i]];
}

static void rename_region(PlaitFunction *function, PlaitRegion *region, const PlaitValue *map)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitInst *inst = plait_inst(function, region->body.data[i]);
        plait_rename(inst->operands, inst->operand_count, map, function->insts.count);
        if (inst->body) rename_region(function, inst->body, map);
    }
    plait_rename(region->yields.data, region->yields.count, map, function->insts.count);
}

void plait_replace_uses(PlaitFunction *function, const PlaitValue *map)
{
    rename_region(function, function->body, map);
    for (uint32_t i = 0; i < function->outputs.count; i++)
        plait_rename(&function->outputs.data[i].value, 1, map, function->insts.count);
}

bool plait_reads_block(const PlaitFunction *function, const PlaitInst *inst, const PlaitInst *fold)
{
    if (inst->op != PLAIT_OP_GATHER || !plait_is_block_fold(fold)) return false;
    const PlaitInst *index = plait_inst(function, inst->operands[1]);
    return inst->axes[0] == fold->axes[0] && index->op == PLAIT_OP_IOTA && index->axes[0] == fold->axes[1];
}

PlaitType plait_carry_type(const PlaitInst *owner, PlaitType param)
{
    if (owner->op != PLAIT_OP_SCAN) return param;
    PlaitType type = plait_type_without(param, owner->axes[0]);
    PlaitAxis segments = plait_segments_of(owner);
    return segments == PLAIT_NO_AXIS ? type : plait_type_with(type, segments);
}

bool plait_region_inside(const PlaitRegion *inner, const PlaitRegion *outer)
{
    for (; inner; inner = inner->parent)
        if (inner == outer) return true;
    return false;
}

bool plait_has_block_programs(const PlaitFunction *kernel)
{
    bool blocks = false, places = false;
    for (uint32_t i = 0; i < kernel->grid.count; i++) blocks |= kernel->axes.data[kernel->grid.data[i].axis].block != 0;
    for (uint32_t i = 0; i < kernel->axes.count; i++) places |= kernel->axes.data[i].place && kernel->axes.data[i].tile;
    return blocks && places;
}

/* Whether the kernel reads a number that an earlier one made: it is the same whoever reads it, and whenever. */
static bool is_uniform_load(const PlaitFunction *kernel, const PlaitInst *load)
{
    if (load->type.scalar != PLAIT_I32 || !plait_is_workspace(kernel, load->operands[0])) return false;
    for (PlaitValue value = 1; value < kernel->insts.count; value++) {
        const PlaitInst *inst = plait_inst(kernel, value);
        if (inst->op == PLAIT_OP_STORE && inst->region && inst->operands[0] == load->operands[0]) return false;
    }
    for (uint32_t i = 1; i < load->operand_count; i++)
        if (!plait_is_uniform(kernel, load->operands[i])) return false;
    return true;
}

bool plait_is_uniform(const PlaitFunction *kernel, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    PlaitOp op = (PlaitOp)inst->op;
    if (inst->type.rank > 0 || inst->type.space != PLAIT_SPACE_VALUE) return false;
    if (op == PLAIT_OP_CONST || op == PLAIT_OP_PROGRAM || op == PLAIT_OP_SIZE) return true;
    if (op == PLAIT_OP_ARGUMENT) {
        const PlaitRegion *region = inst->region;
        return plait_op_of(kernel, region->owner) == PLAIT_OP_FOR && region->params.data[0] == value;
    }
    if (op == PLAIT_OP_LOAD) return is_uniform_load(kernel, inst);
    if (!plait_op_is_pointwise(op)) return false;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (!plait_is_uniform(kernel, inst->operands[i])) return false;
    return true;
}

bool plait_is_workspace(const PlaitFunction *kernel, PlaitValue tensor)
{
    PlaitName name = plait_inst(kernel, tensor)->name;
    for (uint32_t i = 0; i < kernel->module->signatures.count; i++) {
        const PlaitSignature *signature = kernel->module->signatures.data[i];
        for (uint32_t k = 0; signature->name == kernel->of && k < signature->tensors.count; k++)
            if (signature->tensors.data[k].name == name)
                return signature->tensors.data[k].kind == PLAIT_TENSOR_WORKSPACE;
    }
    return false;
}
