/* Finds what scan.c will keep in workspaces, by the same plan and the same rule, before anything is lowered: `explain`
 * says and counts it. */
#include "passes/lower/kept.h"

#include "passes/lower/lower.h"
#include "passes/stage/walked.h"

typedef struct Finder {
    const PlaitFunction *operator_;
    const bool *walked;
    PlaitKeptYields *found;
} Finder;

static PlaitType with_loops(const PlaitFunction *operator_, PlaitValue scan, PlaitType type)
{
    for (; scan && plait_op_of(operator_, scan) == PLAIT_OP_SCAN; scan = plait_inst(operator_, scan)->region->owner)
        type = plait_type_with(type, plait_inst(operator_, scan)->axes[0]);
    return type;
}

static void add(const Finder *finder, PlaitValue scan, uint32_t k)
{
    PlaitKeptYield kept = {.scan = scan, .k = k, .type = plait_kept_type(finder->operator_, scan, k)};
    kept.moved = with_loops(finder->operator_, scan, kept.type);
    kept.walked = plait_type(PLAIT_BOOL);
    for (uint32_t i = 0; i < kept.type.rank; i++)
        if (finder->walked[kept.type.axes[i]]) kept.walked = plait_type_with(kept.walked, kept.type.axes[i]);
    plait_push(finder->operator_->module->arena, finder->found, kept);
}

static void visit(void *context, PlaitValue value)
{
    const Finder *finder = context;
    const PlaitInst *inst = plait_inst(finder->operator_, value);
    if (inst->op != PLAIT_OP_SCAN) return;
    uint32_t carries = inst->body->params.count;
    bool inside = inst->region->owner && plait_op_of(finder->operator_, inst->region->owner) == PLAIT_OP_SCAN;
    for (uint32_t k = 0; k < inst->body->yields.count; k++) {
        bool stored =
            k < carries ||
            (inside && plait_type_has(plait_type_of(finder->operator_, inst->body->yields.data[k]), inst->axes[0]));
        if (stored && plait_yield_is_kept(finder->operator_, value, k, finder->walked)) add(finder, value, k);
    }
}

PlaitKeptYields plait_kept_yields(const PlaitFunction *operator_, const PlaitRegion *region,
                                  const PlaitTileTarget *target)
{
    PlaitKeptYields found = {0};
    PlaitKernelPlan plan = plait_plan_kernel(operator_, region, target);
    Finder finder = {operator_, plan.walked, &found};
    plait_region_walk(operator_, region, visit, &finder);
    return found;
}
