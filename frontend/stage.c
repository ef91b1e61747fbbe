/* What scan and attend share: which stages are open, and what may not move along the axis of a scan. */
#include "frontend/lower.h"

const PlaitStage *plait_sema_stage(const PlaitSema *sema, PlaitAxis axis, bool attend)
{
    for (const PlaitStage *stage = sema->stage; stage; stage = stage->outer)
        if (stage->axis == axis && stage->attend == attend) return stage;
    return NULL;
}

/* A walk from a value to all that it is computed from. Values seen are marked with the number of the walk. */
typedef struct Walk {
    PlaitSema *sema;
    PlaitValues open;
} Walk;

static void visit(Walk *walk, PlaitValue value)
{
    uint32_t *visited = &walk->sema->visited.data[value];
    if (*visited == walk->sema->walks) return;
    *visited = walk->sema->walks;
    plait_push(walk->sema->arena, &walk->open, value);
}

static void visit_operands(Walk *walk, const PlaitInst *inst)
{
    for (uint32_t i = 0; i < inst->operand_count; i++) visit(walk, inst->operands[i]);
    for (uint32_t i = 0; inst->body && i < inst->body->yields.count; i++) visit(walk, inst->body->yields.data[i]);
}

/* Whether the value is computed from a parameter of the region. */
static bool depends_on(PlaitSema *sema, PlaitValue value, const PlaitRegion *region)
{
    const PlaitFunction *function = sema->builder.function;
    Walk walk = {.sema = sema};
    while (sema->visited.count < function->insts.count) plait_push(sema->arena, &sema->visited, 0);
    sema->walks++;
    visit(&walk, value);
    while (walk.open.count) {
        const PlaitInst *inst = plait_inst(function, walk.open.data[--walk.open.count]);
        if (inst->op == PLAIT_OP_ARGUMENT && inst->region == region) return true;
        visit_operands(&walk, inst);
    }
    return false;
}

bool plait_sema_check_motion(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitAxis axis, const char *what)
{
    const PlaitStage *stage = plait_sema_stage(sema, axis, false);
    if (!stage || x.kind != PLAIT_TERM_VALUE || !depends_on(sema, x.value, stage->region)) return true;
    const char *name = plait_axis_text(sema->builder.function, axis);
    plait_sema_report(
        sema, PLAIT_CARRY_ELSEWHERE, span,
        plait_sema_format(sema, "a value that depends on a carry, %s along `%s`", what, name),
        "a carry read at its own token only",
        plait_sema_format(sema, "do it after the `scan %s`, or keep what is needed of earlier tokens in a carry",
                          name));
    return false;
}
