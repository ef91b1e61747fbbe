/* Axes that a scan's body walks along.
 *
 *     scan r carry S : [c] {        at each token of r the body goes along c: S, which varies along it, is read and
 *         scan c carry p { .. }     written position by position (a scan), block by block (a sum), or elsewhere than
 *         m = sum[c](S)             where it was written (a gather, a convolution)
 *         S = conv[w, c](S, f) }
 *
 * Such a carry lives in memory (passes/lower/scan.c), and programs do not share its axis out between them. Walked are
 *   the axes of scans inside;
 *   the axes of gathers and convolutions of what depends on a carry, but for gathers along feature axes of static size
 * at positions that do not depend on a carry along the same axis: these are whole in one tile;
 *   the axes of folds, and of reductions that become folds, when a carry or an output of one of the scans has them.
 * It follows from the body, so no attribute says it: `fuse` and the plan of a kernel ask here.
 */
#include "passes/stage/walked.h"

typedef struct Walk {
    const PlaitFunction *function;
    bool *depends; /* by value: on a carry of one of the scans */
    bool *along;   /* by axis: a carry or an output of one of the scans has it */
    bool *walked;  /* by axis */
    bool found;
} Walk;

static void note_axes(Walk *walk, const PlaitValues *values)
{
    for (uint32_t i = 0; i < values->count; i++) {
        PlaitType type = plait_type_of(walk->function, values->data[i]);
        for (uint32_t k = 0; k < type.rank; k++) walk->along[type.axes[k]] = true;
    }
}

static void note_scan(Walk *walk, const PlaitRegion *body)
{
    note_axes(walk, &body->params);
    note_axes(walk, &body->yields);
    for (uint32_t i = 0; i < body->params.count; i++) walk->depends[body->params.data[i]] = true;
}

static void mark_region(Walk *walk, const PlaitRegion *region);

static bool any_yield(const Walk *walk, const PlaitRegion *body)
{
    for (uint32_t i = 0; i < body->yields.count; i++)
        if (walk->depends[body->yields.data[i]]) return true;
    return false;
}

/* Twice for a fold: its running results depend on a carry when what is added to them does. */
static void mark_owner(Walk *walk, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(walk->function, value);
    if (inst->op == PLAIT_OP_SCAN) note_scan(walk, inst->body);
    mark_region(walk, inst->body);
    if (inst->op == PLAIT_OP_FOLD) {
        for (uint32_t i = 0; i < inst->body->params.count; i++)
            walk->depends[inst->body->params.data[i]] = walk->depends[inst->body->yields.data[i]];
        mark_region(walk, inst->body);
    }
    walk->depends[value] |= inst->op == PLAIT_OP_SCAN || any_yield(walk, inst->body);
}

static void mark_region(Walk *walk, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(walk->function, value);
        for (uint32_t k = 0; k < inst->operand_count; k++) walk->depends[value] |= walk->depends[inst->operands[k]];
        if (inst->body) mark_owner(walk, value);
    }
}

static void set_walked(Walk *walk, PlaitAxis axis) { walk->found = walk->walked[axis] = true; }

/* Whether a gather of what depends on a carry finds the axis whole in one tile, and its index elsewhere than along it.
 */
static bool is_whole(const Walk *walk, const PlaitInst *gather)
{
    const PlaitFunction *function = walk->function;
    PlaitAxis axis = gather->axes[0];
    bool apart =
        !walk->depends[gather->operands[1]] || !plait_type_has(plait_type_of(function, gather->operands[1]), axis);
    return apart && function->axes.data[axis].role == PLAIT_ROLE_FEATURE && !plait_axis_is_long(function, axis);
}

static void visit(void *context, PlaitValue value)
{
    Walk *walk = context;
    const PlaitFunction *function = walk->function;
    const PlaitInst *inst = plait_inst(function, value);
    bool moves = inst->operand_count && walk->depends[inst->operands[0]];
    if (inst->op == PLAIT_OP_SCAN) set_walked(walk, inst->axes[0]);
    if (inst->op == PLAIT_OP_GATHER && moves && !is_whole(walk, inst)) set_walked(walk, inst->axes[0]);
    if (inst->op == PLAIT_OP_CONV && moves) set_walked(walk, inst->axes[0]);
    if (inst->op == PLAIT_OP_CONV && walk->depends[inst->operands[1]]) set_walked(walk, inst->axes[1]);
    bool reduces = plait_op_is_reduce((PlaitOp)inst->op);
    for (uint32_t i = 0; (reduces || inst->op == PLAIT_OP_FOLD) && i < inst->axis_count; i++)
        if (walk->along[inst->axes[i]] && (!reduces || plait_axis_is_long(function, inst->axes[i])))
            set_walked(walk, inst->axes[i]);
}

bool plait_walked_axes(const PlaitFunction *function, PlaitValue scan, bool *walked)
{
    PlaitArena *arena = function->module->arena;
    const PlaitInst *inst = plait_inst(function, scan);
    Walk walk = {.function = function,
                 .depends = PLAIT_NEW_ARRAY(arena, bool, function->insts.count),
                 .along = PLAIT_NEW_ARRAY(arena, bool, function->axes.count),
                 .walked = walked};
    note_scan(&walk, inst->body);
    mark_region(&walk, inst->body);
    walk.along[inst->axes[0]] = false; /* the verifier keeps reductions of carries along it out */
    plait_region_walk(function, inst->body, visit, &walk);
    return walk.found;
}

/* The type without the axes of the scan and of those around it. */
static PlaitType inside_loops(const PlaitFunction *function, PlaitValue scan, PlaitType type)
{
    while (scan && plait_op_of(function, scan) == PLAIT_OP_SCAN) {
        const PlaitInst *inst = plait_inst(function, scan);
        type = plait_type_without(type, inst->axes[0]);
        scan = inst->region->owner;
    }
    return type;
}

PlaitType plait_kept_type(const PlaitFunction *function, PlaitValue scan, uint32_t k)
{
    const PlaitInst *inst = plait_inst(function, scan);
    const PlaitRegion *body = inst->body;
    if (k < body->params.count) return inside_loops(function, scan, plait_type_of(function, body->params.data[k]));
    PlaitType type = plait_type_with(plait_type_of(function, body->yields.data[k]), inst->axes[0]);
    return inside_loops(function, inst->region->owner, type);
}

bool plait_yield_is_kept(const PlaitFunction *function, PlaitValue scan, uint32_t k, const bool *walked)
{
    if (k >= plait_inst(function, scan)->body->params.count) return true;
    PlaitType type = plait_kept_type(function, scan, k);
    for (uint32_t i = 0; i < type.rank; i++)
        if (walked[type.axes[i]]) return true;
    return false;
}

PlaitValue plait_outermost_scan(const PlaitFunction *function, const PlaitRegion *region)
{
    PlaitValue scan = 0;
    for (; region->owner; region = region->parent)
        if (plait_op_of(function, region->owner) == PLAIT_OP_SCAN) scan = region->owner;
    return scan;
}
