/* Forms the groups of values that share one layout.
 *
 * 1. Values connected by pointwise operations, reductions, broadcasts, loads, stores and loop carries are united: then
 *    none of these operations ever moves an element to another thread. A product's operands are not united with its
 *    result: the code generator stages them through shared memory in any case. Nor is the operand of a `convert` or
 *    `rename`; only those two and products read a renamed tile, which takes its layout from what it was made of.
 * 2. Cheap values (positions, constants and arithmetic on them) would tie groups together for no gain: they are left
 *    out, and each remembers the groups that need it. As the first operand of a product of the matrix units they are
 *    made in the fragments of its result, from which the units take it.
 */
#include "passes/tile/layout_groups.h"

static PlaitValue find(PlaitLayoutGroups *groups, PlaitValue value)
{
    while (groups->leader[value] != value) {
        groups->leader[value] = groups->leader[groups->leader[value]];
        value = groups->leader[value];
    }
    return value;
}

static bool is_tile(const PlaitLayoutGroups *groups, PlaitValue value)
{
    PlaitType type = plait_type_of(groups->kernel, value);
    return type.rank > 0 && type.space != PLAIT_SPACE_GLOBAL;
}

/* The lower number leads, so that groups are numbered in the order of the text. */
static void unite(PlaitLayoutGroups *groups, PlaitValue a, PlaitValue b)
{
    if (groups->cheap[a] || groups->cheap[b]) return;
    a = find(groups, a);
    b = find(groups, b);
    if (a < b) groups->leader[b] = a;
    else groups->leader[a] = b;
}

static bool is_cheap_op(PlaitOp op)
{
    if (op == PLAIT_OP_IOTA || op == PLAIT_OP_CONST || op == PLAIT_OP_BROADCAST || op == PLAIT_OP_SELECT ||
        op == PLAIT_OP_CAST)
        return true;
    PlaitScalarClass class = (PlaitScalarClass)plait_op_info(op)->scalar_class;
    if (op == PLAIT_OP_FLOORDIV || op == PLAIT_OP_MOD) return false;
    return class == PLAIT_CLASS_NUMBER || class == PLAIT_CLASS_COMPARE || class == PLAIT_CLASS_LOGIC;
}

/* Where a loop carries a vector beside a matrix that has its axis, both decay by the same numbers, which would put all
 * that is made of the vector into the matrix's group. */
static void find_vectors(void *context, PlaitValue value)
{
    PlaitLayoutGroups *groups = context;
    const PlaitInst *inst = plait_inst(groups->kernel, value);
    for (uint32_t i = 0; inst->op == PLAIT_OP_FOR && i < inst->body->params.count; i++) {
        PlaitType vector = plait_type_of(groups->kernel, inst->body->params.data[i]);
        for (uint32_t k = 0; vector.rank == 1 && k < inst->body->params.count; k++) {
            PlaitType matrix = plait_type_of(groups->kernel, inst->body->params.data[k]);
            groups->loads_twice[vector.axes[0]] |= matrix.rank == 2 && plait_type_has(matrix, vector.axes[0]);
        }
    }
}

static void mark_cheap(void *context, PlaitValue value)
{
    PlaitLayoutGroups *groups = context;
    const PlaitInst *inst = plait_inst(groups->kernel, value);
    bool few = inst->op == PLAIT_OP_LOAD && inst->type.rank == 1 && inst->region->parent &&
               groups->loads_twice[inst->type.axes[0]];
    if (!is_tile(groups, value) || !(is_cheap_op((PlaitOp)inst->op) || few)) return;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (is_tile(groups, inst->operands[i]) && !groups->cheap[inst->operands[i]]) return;
    groups->cheap[value] = true;
}

static bool is_boundary(PlaitOp op, uint32_t operand)
{
    return (op == PLAIT_OP_DOT && operand < 2) || op == PLAIT_OP_CONVERT || op == PLAIT_OP_RENAME;
}

/* Whether the operand is a cheap first one of a product of the matrix units. */
static bool is_made_for_units(const PlaitLayoutGroups *groups, PlaitValue value, uint32_t index)
{
    const PlaitInst *inst = plait_inst(groups->kernel, value);
    if (inst->op != PLAIT_OP_DOT || inst->axis_count != 2 || index >= 2) return false;
    PlaitValue operand = inst->operands[index];
    return groups->cheap[operand] && plait_type_has(plait_type_of(groups->kernel, operand), inst->axes[1]);
}

/* The value whose group operand `index` of `value` has to be in; 0 for none. */
static PlaitValue consumer(PlaitLayoutGroups *groups, PlaitValue value, uint32_t index)
{
    const PlaitInst *inst = plait_inst(groups->kernel, value);
    PlaitValue operand = inst->operands[index];
    if (!is_tile(groups, operand)) return 0;
    if (inst->op == PLAIT_OP_RESULT) return 0;
    if (inst->op == PLAIT_OP_FOR) return inst->body->params.data[index - 1];
    if (is_made_for_units(groups, value, index)) return value;
    return is_boundary((PlaitOp)inst->op, index) ? operand : value;
}

static void unite_operands(void *context, PlaitValue value)
{
    PlaitLayoutGroups *groups = context;
    const PlaitInst *inst = plait_inst(groups->kernel, value);
    if (inst->op == PLAIT_OP_RESULT) {
        const PlaitRegion *body = plait_inst(groups->kernel, inst->operands[0])->body;
        unite(groups, value, body->params.data[inst->ints[0] + 1]);
        return;
    }
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        PlaitValue by = consumer(groups, value, i);
        if (by) unite(groups, inst->operands[i], by);
    }
    for (uint32_t i = 0; inst->body && i < inst->body->yields.count; i++)
        if (is_tile(groups, inst->body->yields.data[i]))
            unite(groups, inst->body->yields.data[i], inst->body->params.data[i + 1]);
}

uint32_t plait_layout_group_of(PlaitLayoutGroups *groups, PlaitValue value)
{
    PlaitValue leader = find(groups, value);
    if (!groups->group[leader]) {
        if (groups->group_count < PLAIT_MOST_LAYOUT_GROUPS) groups->group_count++;
        groups->group[leader] = (uint8_t)groups->group_count;
    }
    return groups->group[leader] - 1u;
}

uint32_t plait_layout_whole_group(PlaitLayoutGroups *groups, PlaitValue dot, uint32_t index)
{
    if (!is_made_for_units(groups, dot, index) || !plait_has_block_programs(groups->kernel))
        return PLAIT_MOST_LAYOUT_GROUPS;
    uint8_t *group = &groups->whole[plait_inst(groups->kernel, dot)->axes[1]];
    if (!*group) {
        if (groups->group_count < PLAIT_MOST_LAYOUT_GROUPS) groups->group_count++;
        *group = (uint8_t)groups->group_count;
    }
    return *group - 1u;
}

uint32_t plait_layout_group_of_operand(PlaitLayoutGroups *groups, PlaitValue value, uint32_t index)
{
    uint32_t whole = plait_layout_whole_group(groups, value, index);
    if (whole < PLAIT_MOST_LAYOUT_GROUPS) return whole;
    PlaitValue by = consumer(groups, value, index);
    return by ? plait_layout_group_of(groups, by) : PLAIT_MOST_LAYOUT_GROUPS;
}

static void need(PlaitLayoutGroups *groups, PlaitValue operand, uint64_t where)
{
    if (groups->cheap[operand]) groups->needed[operand] |= where;
}

/* Walks backwards, so that a cheap value's own needs are known before those of its operands. */
static void find_needs(PlaitLayoutGroups *groups, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->yields.count; i++) {
        PlaitValue param = region->params.data[i + 1];
        if (is_tile(groups, param))
            need(groups, region->yields.data[i], UINT64_C(1) << plait_layout_group_of(groups, param));
    }
    for (uint32_t i = region->body.count; i-- > 0;) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(groups->kernel, value);
        if (inst->body) find_needs(groups, inst->body);
        for (uint32_t k = 0; k < inst->operand_count; k++) {
            if (!groups->cheap[inst->operands[k]]) continue;
            if (groups->cheap[value]) need(groups, inst->operands[k], groups->needed[value]);
            else need(groups, inst->operands[k], UINT64_C(1) << plait_layout_group_of_operand(groups, value, k));
        }
    }
}

bool plait_layout_is_in_group(const PlaitLayoutGroups *groups, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(groups->kernel, value);
    bool acts = inst->op == PLAIT_OP_STORE || plait_op_is_reduce((PlaitOp)inst->op), tiles = is_tile(groups, value);
    for (uint32_t i = 0; acts && i < inst->operand_count; i++) tiles |= is_tile(groups, inst->operands[i]);
    return tiles && !groups->cheap[value];
}

/* Every group gets its number in the order of the text, also those that no cheap value needs. */
static void number_group(void *context, PlaitValue value)
{
    PlaitLayoutGroups *groups = context;
    if (plait_layout_is_in_group(groups, value)) plait_layout_group_of(groups, value);
}

PlaitLayoutGroups plait_layout_groups(PlaitFunction *kernel)
{
    PlaitArena *arena = kernel->module->arena;
    uint32_t count = kernel->insts.count;
    PlaitLayoutGroups groups = {.kernel = kernel, .value_count = count};
    groups.leader = PLAIT_NEW_ARRAY(arena, PlaitValue, count);
    groups.group = PLAIT_NEW_ARRAY(arena, uint8_t, count);
    groups.cheap = PLAIT_NEW_ARRAY(arena, bool, count);
    groups.whole = PLAIT_NEW_ARRAY(arena, uint8_t, kernel->axes.count);
    groups.loads_twice = PLAIT_NEW_ARRAY(arena, bool, kernel->axes.count);
    groups.needed = PLAIT_NEW_ARRAY(arena, uint64_t, count);
    groups.groups = PLAIT_NEW_ARRAY(arena, PlaitLayoutGroup, PLAIT_MOST_LAYOUT_GROUPS);
    for (PlaitValue value = 0; value < count; value++) groups.leader[value] = value;
    plait_region_walk(kernel, kernel->body, find_vectors, &groups);
    plait_region_walk(kernel, kernel->body, mark_cheap, &groups);
    plait_region_walk(kernel, kernel->body, unite_operands, &groups);
    plait_region_walk(kernel, kernel->body, number_group, &groups);
    find_needs(&groups, kernel->body);
    return groups;
}
