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

static PlaitValue replaced(const PlaitValue *map, PlaitValue value)
{
    while (map[value]) value = map[value];
    return value;
}

static void replace_in_region(PlaitFunction *function, PlaitRegion *region, const PlaitValue *map)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitInst *inst = plait_inst(function, region->body.data[i]);
        for (uint32_t k = 0; k < inst->operand_count; k++) inst->operands[k] = replaced(map, inst->operands[k]);
        if (inst->body) replace_in_region(function, inst->body, map);
    }
    for (uint32_t i = 0; i < region->yields.count; i++) region->yields.data[i] = replaced(map, region->yields.data[i]);
}

void plait_replace_uses(PlaitFunction *function, const PlaitValue *map)
{
    replace_in_region(function, function->body, map);
    for (uint32_t i = 0; i < function->outputs.count; i++)
        function->outputs.data[i].value = replaced(map, function->outputs.data[i].value);
}

bool plait_region_inside(const PlaitRegion *inner, const PlaitRegion *outer)
{
    for (; inner; inner = inner->parent)
        if (inner == outer) return true;
    return false;
}
