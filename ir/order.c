/* A stable topological order of a region: depth first from each instruction in the present order. */
#include "ir/order.h"

typedef struct Sorter {
    PlaitFunction *function;
    PlaitRegion *region;
    uint8_t *state; /* by value: 0 not seen, 1 being placed, 2 placed */
    PlaitValues done;
} Sorter;

static void place(Sorter *sorter, PlaitValue value);

static void place_all(Sorter *sorter, const PlaitValue *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        /* A value inside a nested region is reached through the owner that stands in this one. */
        const PlaitRegion *home = plait_inst(sorter->function, values[i])->region;
        if (home == sorter->region && plait_op_of(sorter->function, values[i]) != PLAIT_OP_ARGUMENT)
            place(sorter, values[i]);
    }
}

static void place_region_needs(Sorter *sorter, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(sorter->function, region->body.data[i]);
        place_all(sorter, inst->operands, inst->operand_count);
        if (inst->body) place_region_needs(sorter, inst->body);
    }
    place_all(sorter, region->yields.data, region->yields.count);
}

static void place(Sorter *sorter, PlaitValue value)
{
    if (sorter->state[value] == 2) return;
    if (sorter->state[value] == 1) plait_bug("a cycle among instructions");
    sorter->state[value] = 1;
    const PlaitInst *inst = plait_inst(sorter->function, value);
    place_all(sorter, inst->operands, inst->operand_count);
    if (inst->body) place_region_needs(sorter, inst->body);
    sorter->state[value] = 2;
    plait_push(sorter->function->module->arena, &sorter->done, value);
}

void plait_region_sort(PlaitFunction *function, PlaitRegion *region)
{
    Sorter sorter = {.function = function,
                     .region = region,
                     .state = PLAIT_NEW_ARRAY(function->module->arena, uint8_t, function->insts.count)};
    for (uint32_t i = 0; i < region->body.count; i++) place(&sorter, region->body.data[i]);
    region->body = sorter.done;
}
