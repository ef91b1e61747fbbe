/* Loads in a loop whose tiles are copied ahead are made a turn ahead as well: numbers of tokens and of blocks, and
 * tiles that are added to products. They arrive while the products of the turn before are made.
 *
 *     for .. from, to (%p) {                        %x0 = load %tensor, from
 *       %c = copy %k, %p ..                         for .. from, to, %x0 (%p, %x) {
 *       %x = load %tensor, %p             ->          %n = load %tensor, %p + step
 *       .. %c .. %x ..                                .. %c .. %x ..
 *     }                                               yield %n
 *                                                   }
 *
 * What is loaded after the last turn is outside of the axis, or read by nobody. Stands after `copy`.
 */
#include "ir/clone.h"
#include "ir/registers.h"
#include "passes/passes.h"

enum { MOST_REGISTERS = 16 }; /* of a thread, for all that a loop has loaded ahead */

typedef struct Ahead {
    PlaitFunction *kernel;
    bool *stored; /* by value of a tensor: the kernel writes it */
    bool changed;
} Ahead;

static const PlaitInst *def(const Ahead *ahead, PlaitValue value) { return plait_inst(ahead->kernel, value); }

static void note_store(void *context, PlaitValue value)
{
    Ahead *ahead = context;
    const PlaitInst *inst = def(ahead, value);
    if (inst->op == PLAIT_OP_STORE) ahead->stored[inst->operands[0]] = true;
}

/* Whether an index is known once the position is: in the region made of it by sums, products and quotients. */
static bool follows_position(const Ahead *ahead, const PlaitRegion *region, PlaitValue index)
{
    const PlaitInst *inst = def(ahead, index);
    if (inst->region != region) return true;
    switch ((int)inst->op) {
    case PLAIT_OP_ARGUMENT: return region->params.data[0] == index;
    case PLAIT_OP_IOTA:
    case PLAIT_OP_CONST:
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB:
    case PLAIT_OP_MUL:
    case PLAIT_OP_FLOORDIV: break;
    default: return false;
    }
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (!follows_position(ahead, region, inst->operands[i])) return false;
    return true;
}

static bool goes_ahead(const Ahead *ahead, const PlaitRegion *region, PlaitValue value)
{
    const PlaitInst *inst = def(ahead, value);
    if (inst->op != PLAIT_OP_LOAD || ahead->stored[inst->operands[0]]) return false;
    for (uint32_t i = 0; i < region->yields.count; i++)
        if (region->yields.data[i] == value) return false; /* it is one already */
    for (uint32_t i = 1; i < inst->operand_count; i++)
        if (!follows_position(ahead, region, inst->operands[i])) return false;
    return true;
}

/* Whether a loop has copies, so that its turns are long, and which goes over blocks. */
static bool is_loop_of_copies(const Ahead *ahead, const PlaitInst *loop)
{
    bool copies = false;
    if (loop->op != PLAIT_OP_FOR || loop->ints[0] < 2) return false;
    for (uint32_t i = 0; i < loop->body->body.count; i++)
        copies |= def(ahead, loop->body->body.data[i])->op == PLAIT_OP_COPY;
    return copies;
}

/* A copy of the value at another position, appended at the builder with what it is made of in the region. */
static PlaitValue made_at(PlaitBuilder *builder, const PlaitRegion *region, PlaitValue value, PlaitCloneMap *map)
{
    PlaitValue known = plait_clone_find(map, value);
    if (known || plait_inst(builder->function, value)->region != region) return known ? known : value;
    for (uint32_t i = 0; i < plait_inst(builder->function, value)->operand_count; i++)
        made_at(builder, region, plait_inst(builder->function, value)->operands[i], map);
    return plait_clone_inst(builder, value, map);
}

typedef struct Turn {
    PlaitRegion *region;        /* of the loop */
    PlaitBuilder before, first; /* in front of the loop; at the beginning of a turn */
    PlaitCloneMap from, next;   /* of its first turn, of the next */
} Turn;

static void load_ahead(Ahead *ahead, Turn *turn, PlaitValue loop, PlaitValue load, PlaitValue *map)
{
    PlaitFunction *kernel = ahead->kernel;
    PlaitType type = plait_type_of(kernel, load);
    PlaitValue start = made_at(&turn->before, turn->region, load, &turn->from);
    PlaitValue next = made_at(&turn->first, turn->region, load, &turn->next);
    map[load] = plait_build_argument(kernel, turn->region, type, plait_inst(kernel, load)->span);
    plait_yield(kernel, turn->region, next);
    PlaitInst *inst = plait_inst(kernel, loop);
    PlaitValue *operands = PLAIT_NEW_ARRAY(kernel->module->arena, PlaitValue, inst->operand_count + 1u);
    for (uint32_t i = 0; i < inst->operand_count; i++) operands[i] = inst->operands[i];
    operands[inst->operand_count++] = start;
    inst->operands = operands;
    ahead->changed = true;
}

static void rename(PlaitFunction *kernel, PlaitRegion *region, const PlaitValue *map, uint32_t count)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitInst *inst = plait_inst(kernel, region->body.data[i]);
        plait_rename(inst->operands, inst->operand_count, map, count);
        if (inst->body) rename(kernel, inst->body, map, count);
    }
    plait_rename(region->yields.data, region->yields.count, map, count);
}

/* Registers of what the loop loads for its next turn already. */
static uint32_t loaded_ahead(const Ahead *ahead, const PlaitRegion *region)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < region->yields.count; i++) {
        const PlaitInst *inst = def(ahead, region->yields.data[i]);
        if (inst->op == PLAIT_OP_LOAD && inst->region == region) held += plait_tile_slots(ahead->kernel, inst->type);
    }
    return held;
}

/* Rewrites the loop, which comes next in `home`. */
static void rewrite_loop(Ahead *ahead, PlaitRegion *home, PlaitValue loop)
{
    PlaitFunction *kernel = ahead->kernel;
    PlaitArena *arena = kernel->module->arena;
    const PlaitInst inst = *plait_inst(kernel, loop);
    PlaitRegion *region = inst.body;
    PlaitValues body = region->body, loads = {0};
    uint32_t held = loaded_ahead(ahead, region);
    for (uint32_t i = 0; i < body.count; i++) {
        if (!goes_ahead(ahead, region, body.data[i])) continue;
        uint32_t count = plait_tile_slots(kernel, def(ahead, body.data[i])->type);
        if (held + count > MOST_REGISTERS) continue;
        held += count;
        plait_push(arena, &loads, body.data[i]);
    }
    if (!loads.count) return;
    Turn turn = {
        region, {kernel, home, inst.span}, {kernel, region, inst.span}, plait_clone_map(arena), plait_clone_map(arena)};
    region->body = (PlaitValues){0};
    PlaitValue step = plait_build_const(&turn.first, PLAIT_I32, (double)inst.ints[0]);
    PlaitValue position = region->params.data[0];
    plait_clone_set(&turn.from, position, inst.operands[0]);
    plait_clone_set(&turn.next, position, plait_build_binary(&turn.first, PLAIT_OP_ADD, position, step));
    uint32_t count = kernel->insts.count;
    PlaitValue *map = PLAIT_NEW_ARRAY(arena, PlaitValue, count);
    for (uint32_t i = 0; i < loads.count; i++) load_ahead(ahead, &turn, loop, loads.data[i], map);
    for (uint32_t i = 0; i < body.count; i++)
        if (!map[body.data[i]]) plait_push(arena, &region->body, body.data[i]);
    rename(kernel, region, map, count);
}

static void visit_region(Ahead *ahead, PlaitRegion *region)
{
    PlaitValues before = region->body;
    region->body = (PlaitValues){0};
    for (uint32_t i = 0; i < before.count; i++) {
        const PlaitInst *inst = def(ahead, before.data[i]);
        if (is_loop_of_copies(ahead, inst)) rewrite_loop(ahead, region, before.data[i]);
        else if (inst->body) visit_region(ahead, inst->body);
        plait_push(ahead->kernel->module->arena, &region->body, before.data[i]);
    }
}

bool plait_pass_ahead(PlaitFunction *kernel)
{
    if (kernel->level != PLAIT_LEVEL_TILE) return false;
    Ahead ahead = {.kernel = kernel, .stored = PLAIT_NEW_ARRAY(kernel->module->arena, bool, kernel->insts.count)};
    plait_region_walk(kernel, kernel->body, note_store, &ahead);
    visit_region(&ahead, kernel->body);
    return ahead.changed;
}
