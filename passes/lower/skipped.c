/* Finds the folds that bounds.c will bound, by the same plan and the same rule, before anything is lowered: `explain`
 * says it. */
#include "passes/lower/skipped.h"

#include "passes/lower/masks.h"

static void add_tensors(const PlaitFunction *operator_, PlaitValue value, PlaitValues *tensors)
{
    const PlaitInst *inst = plait_inst(operator_, value);
    if (inst->op != PLAIT_OP_PARAM && inst->op != PLAIT_OP_RESULT) {
        for (uint32_t i = 0; i < inst->operand_count; i++) add_tensors(operator_, inst->operands[i], tensors);
        return;
    }
    for (uint32_t i = 0; i < tensors->count; i++)
        if (tensors->data[i] == value) return;
    plait_push(operator_->module->arena, tensors, value);
}

PlaitSkippedTilesList plait_skipped_tiles(const PlaitFunction *operator_, const PlaitRegion *region,
                                          const PlaitTileTarget *target)
{
    PlaitSkippedTilesList list = {0};
    PlaitKernelPlan plan = plait_plan_kernel(operator_, region, target);
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitDataMask mask;
        if (!plait_find_data_mask(operator_, region, &plan, region->body.data[i], &mask)) continue;
        PlaitSkippedTiles skipped = {.axis = plait_inst(operator_, mask.fold)->axes[0]};
        for (uint32_t k = 0; k < mask.count; k++) add_tensors(operator_, mask.list[k].conjunct, &skipped.tensors);
        plait_push(operator_->module->arena, &list, skipped);
    }
    return list;
}
