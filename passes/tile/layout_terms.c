/* Describes to the search what each group of tiles costs: one term for each kind of work over each set of axes. */
#include "passes/tile/layout_groups.h"

enum { LOOP_WEIGHT = 32, HALVING = 2, TRANSCENDENTAL = 12, DIVISION = 8, EXPONENTIAL = 6, STAGING = 3, GATHERING = 6 };

typedef struct Terms {
    PlaitLayoutGroups *groups;
    PlaitArena *arena;
    bool *held; /* by value: it was counted as living in registers through a loop */
} Terms;

/* The number of `axis` in the group; axes of one position are held whole and have none. */
static uint32_t axis_mask(PlaitLayoutGroup *group, const PlaitFunction *kernel, PlaitAxis axis)
{
    uint32_t size = kernel->axes.data[axis].tile;
    if (size <= 1) return 0;
    for (uint32_t i = 0; i < group->count; i++)
        if (group->axes[i] == axis) return 1u << i;
    if (group->count == PLAIT_MAX_RANK) return 0;
    group->axes[group->count] = axis;
    group->sizes[group->count] = size;
    return 1u << group->count++;
}

/* The axes of a type as a set, which from now on occur together. */
static uint32_t type_mask(PlaitLayoutGroup *group, const PlaitFunction *kernel, PlaitType type)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < type.rank; i++) mask |= axis_mask(group, kernel, type.axes[i]);
    for (uint32_t i = 0; i < group->count; i++)
        if (mask >> i & 1) group->together[i] |= mask & ~(1u << i);
    return mask;
}

static void add(Terms *terms, PlaitLayoutGroup *group, PlaitLayoutTerm term)
{
    for (uint32_t i = 0; i < group->terms.count; i++) {
        PlaitLayoutTerm *have = &group->terms.data[i];
        if (have->kind != term.kind || have->axes != term.axes || have->special != term.special ||
            have->other != term.other || have->bytes != term.bytes)
            continue;
        have->weight += term.weight;
        return;
    }
    plait_push(terms->arena, &group->terms, term);
}

static double times_run(const PlaitFunction *kernel, const PlaitRegion *region)
{
    double times = 1;
    for (; region->parent; region = region->parent)
        if (plait_op_of(kernel, region->owner) == PLAIT_OP_FOR) times *= LOOP_WEIGHT;
    return times;
}

static double work_of(const PlaitFunction *kernel, const PlaitInst *inst)
{
    PlaitOp op = (PlaitOp)inst->op;
    if (op == PLAIT_OP_BROADCAST || op == PLAIT_OP_CONVERT) return 0;
    if (op == PLAIT_OP_EXP || op == PLAIT_OP_EXP2) return EXPONENTIAL;
    if (op == PLAIT_OP_DIV || op == PLAIT_OP_SQRT || op == PLAIT_OP_RSQRT) return DIVISION;
    if (op == PLAIT_OP_FLOORDIV || op == PLAIT_OP_MOD || op == PLAIT_OP_POW) return TRANSCENDENTAL;
    bool rounds = op == PLAIT_OP_FLOOR || op == PLAIT_OP_CEIL || op == PLAIT_OP_ROUND;
    if (plait_op_info(op)->scalar_class == PLAIT_CLASS_FLOAT && !rounds) return TRANSCENDENTAL;
    return plait_type_of(kernel, inst->operands[0]).scalar == PLAIT_F64 ? HALVING : 1;
}

/* The axis of a tile of positions that grows by one along it, or PLAIT_NO_AXIS: iota, possibly plus or minus scalars.
 */
static PlaitAxis unit_axis(const PlaitFunction *kernel, PlaitValue index)
{
    const PlaitInst *inst = plait_inst(kernel, index);
    if (inst->op == PLAIT_OP_IOTA) return inst->axes[0];
    if (inst->op != PLAIT_OP_ADD && inst->op != PLAIT_OP_SUB) return PLAIT_NO_AXIS;
    PlaitValue first = inst->operands[0], second = inst->operands[1];
    if (plait_type_of(kernel, second).rank == 0) return unit_axis(kernel, first);
    if (inst->op == PLAIT_OP_ADD && plait_type_of(kernel, first).rank == 0) return unit_axis(kernel, second);
    return PLAIT_NO_AXIS;
}

static void access_terms(Terms *terms, PlaitLayoutGroup *group, const PlaitInst *inst, double times)
{
    const PlaitFunction *kernel = terms->groups->kernel;
    PlaitType tensor = plait_type_of(kernel, inst->operands[0]), type = inst->type;
    if (inst->op == PLAIT_OP_STORE) type = plait_type_of(kernel, inst->operands[1 + tensor.rank]);
    PlaitLayoutTerm term = {.kind = PLAIT_COST_MEMORY, .axes = type_mask(group, kernel, type), .weight = times};
    term.bytes = plait_scalar_bytes((PlaitScalar)tensor.scalar);
    for (uint32_t i = 1; i <= tensor.rank; i++) {
        PlaitAxis axis = unit_axis(kernel, inst->operands[i]);
        if (plait_type_of(kernel, inst->operands[i]).rank && axis == PLAIT_NO_AXIS) term.weight += times * GATHERING;
        if (i == tensor.rank && axis != PLAIT_NO_AXIS) term.special = axis_mask(group, kernel, axis);
    }
    group->wide |= term.special;
    add(terms, group, term);
}

static void note_whole(Terms *terms, PlaitValue dot, uint32_t side)
{
    PlaitFunction *kernel = terms->groups->kernel;
    uint32_t number = plait_layout_whole_group(terms->groups, dot, side);
    if (number >= PLAIT_MOST_LAYOUT_GROUPS) return;
    PlaitLayoutGroup *group = &terms->groups->groups[number];
    group->rows |= axis_mask(group, kernel, plait_inst(kernel, dot)->axes[1]);
    group->halves = terms->groups->halves;
    group->whole = true;
}

static void dot_terms(Terms *terms, PlaitLayoutGroup *group, PlaitValue value, double times)
{
    PlaitFunction *kernel = terms->groups->kernel;
    const PlaitInst *inst = plait_inst(kernel, value);
    uint32_t sides[2];
    for (uint32_t side = 0; side < 2; side++) {
        PlaitValue operand = inst->operands[side];
        PlaitType type = plait_type_of(kernel, operand);
        PlaitLayoutGroup *own = &terms->groups->groups[plait_layout_group_of(terms->groups, operand)];
        uint32_t mask = type_mask(own, kernel, type);
        if (own != group || inst->axis_count == 1)
            add(terms, own, (PlaitLayoutTerm){.kind = PLAIT_COST_WORK, .axes = mask, .weight = times * STAGING});
        sides[side] = 0;
        PlaitType rest = plait_type_without(type, inst->axes[0]);
        for (uint32_t i = 0; i < rest.rank; i++) sides[side] |= axis_mask(group, kernel, rest.axes[i]);
    }
    if (inst->axis_count == 2) {
        type_mask(group, kernel, inst->type);
        group->rows |= axis_mask(group, kernel, inst->axes[1]);
        group->halves = terms->groups->halves;
        for (uint32_t side = 0; side < 2; side++) note_whole(terms, value, side);
        return;
    }
    double steps = kernel->axes.data[inst->axes[0]].tile;
    add(terms, group,
        (PlaitLayoutTerm){.kind = PLAIT_COST_DOT,
                          .axes = type_mask(group, kernel, inst->type),
                          .special = sides[0],
                          .other = sides[1],
                          .weight = times * steps});
}

static void reduce_terms(Terms *terms, PlaitLayoutGroup *group, const PlaitInst *inst, double times)
{
    const PlaitFunction *kernel = terms->groups->kernel;
    PlaitLayoutTerm term = {.kind = PLAIT_COST_REDUCE, .weight = times};
    term.axes = type_mask(group, kernel, plait_type_of(kernel, inst->operands[0]));
    for (uint32_t i = 0; i < inst->axis_count; i++) term.special |= axis_mask(group, kernel, inst->axes[i]);
    add(terms, group, term);
}

static void live_term(Terms *terms, PlaitLayoutGroup *group, PlaitType type, PlaitLayoutCost kind)
{
    PlaitLayoutTerm term = {.kind = kind, .axes = type_mask(group, terms->groups->kernel, type), .weight = 1};
    term.bytes = plait_scalar_bytes((PlaitScalar)type.scalar);
    add(terms, group, term);
}

static void carry_terms(Terms *terms, const PlaitInst *inst)
{
    const PlaitFunction *kernel = terms->groups->kernel;
    for (uint32_t i = 1; i < inst->body->params.count; i++) {
        PlaitValue param = inst->body->params.data[i];
        PlaitType type = plait_type_of(kernel, param);
        if (type.rank)
            live_term(terms, &terms->groups->groups[plait_layout_group_of(terms->groups, param)], type,
                      PLAIT_COST_CARRY);
    }
}

/* A value from outside of a loop that is used inside lives in registers through the loop, like a carry; but not the
 * operands of products, which wait in shared memory. */
static void held_terms(Terms *terms, PlaitValue value)
{
    const PlaitFunction *kernel = terms->groups->kernel;
    const PlaitInst *inst = plait_inst(kernel, value);
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        PlaitValue operand = inst->operands[i];
        PlaitType type = plait_type_of(kernel, operand);
        bool product = inst->op == PLAIT_OP_DOT && i < 2, outside = plait_inst(kernel, operand)->region != inst->region;
        if (terms->held[operand] || !outside || product || type.rank == 0 || type.space == PLAIT_SPACE_GLOBAL ||
            terms->groups->cheap[operand])
            continue;
        terms->held[operand] = true;
        live_term(terms, &terms->groups->groups[plait_layout_group_of(terms->groups, operand)], type, PLAIT_COST_CARRY);
    }
}

/* A cheap value has no cost, but its axes must be told apart wherever it is needed. */
static void note_cheap(Terms *terms, PlaitValue value)
{
    for (uint32_t g = 0; g < terms->groups->group_count; g++)
        if (terms->groups->needed[value] >> g & 1)
            type_mask(&terms->groups->groups[g], terms->groups->kernel, plait_type_of(terms->groups->kernel, value));
}

static void visit(void *context, PlaitValue value)
{
    Terms *terms = context;
    PlaitFunction *kernel = terms->groups->kernel;
    const PlaitInst *inst = plait_inst(kernel, value);
    double times = times_run(kernel, inst->region);
    if (terms->groups->cheap[value]) {
        note_cheap(terms, value);
        return;
    }
    held_terms(terms, value);
    if (inst->op == PLAIT_OP_FOR) carry_terms(terms, inst);
    bool reduces = plait_op_is_reduce((PlaitOp)inst->op), stores = inst->op == PLAIT_OP_STORE;
    if (!plait_layout_is_in_group(terms->groups, value)) return;
    PlaitLayoutGroup *group = &terms->groups->groups[plait_layout_group_of(terms->groups, value)];
    if (inst->type.rank) live_term(terms, group, inst->type, PLAIT_COST_LIVE);
    if (inst->op == PLAIT_OP_LOAD || inst->op == PLAIT_OP_COPY || stores) access_terms(terms, group, inst, times);
    else if (inst->op == PLAIT_OP_DOT) dot_terms(terms, group, value, times);
    else if (reduces) reduce_terms(terms, group, inst, times);
    else if (plait_op_is_pointwise((PlaitOp)inst->op))
        add(terms, group,
            (PlaitLayoutTerm){.kind = PLAIT_COST_WORK,
                              .axes = type_mask(group, kernel, inst->type),
                              .weight = times * work_of(kernel, inst)});
}

void plait_layout_terms(PlaitLayoutGroups *groups)
{
    Terms terms = {.groups = groups, .arena = groups->kernel->module->arena};
    terms.held = PLAIT_NEW_ARRAY(terms.arena, bool, groups->value_count);
    plait_region_walk(groups->kernel, groups->kernel->body, visit, &terms);
}
