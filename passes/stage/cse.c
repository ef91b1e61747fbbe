/* Common subexpressions: of several equal values in sight of each other, the first stays.
 *
 * Equal: same operation, operands, attributes and type (axes as sets; tiles also need the same layout). Operations with
 * regions (scans, folds, loops) are equal when their bodies are, instruction by instruction, each parameter standing
 * for the other's; by then the values inside have been merged. Stores, loads from what the kernel stores to, and what
 * has these inside are left alone. A value serves the region it stands in and those inside.
 */
#include <string.h>

#include "passes/passes.h"

typedef struct Table {
    PlaitFunction *function;
    PlaitValue *slots; /* open addressing by hash */
    uint32_t mask;
    PlaitValue *map;
    PlaitValue *peers; /* of a value inside of a body that is compared: the one in the other body that it stands for */
    uint32_t *shapes;  /* hashes: of values inside of regions by what they compute, of others by which they are */
    PLAIT_VECTOR(PlaitName) stored; /* tensors that the kernel stores to */
    bool changed;
} Table;

static bool is_stored(const Table *table, PlaitName tensor)
{
    for (uint32_t i = 0; i < table->stored.count; i++)
        if (table->stored.data[i] == tensor) return true;
    return false;
}

static void note_store(void *context, PlaitValue value)
{
    Table *table = context;
    const PlaitInst *inst = plait_inst(table->function, value);
    if (inst->op == PLAIT_OP_STORE)
        plait_push(table->function->module->arena, &table->stored,
                   plait_inst(table->function, inst->operands[0])->name);
}

static bool eligible(const Table *table, const PlaitInst *inst)
{
    switch ((int)inst->op) {
    case PLAIT_OP_ARGUMENT:
    case PLAIT_OP_PARAM:
    case PLAIT_OP_STORE: return false;
    case PLAIT_OP_LOAD:
    case PLAIT_OP_COPY: return !is_stored(table, plait_inst(table->function, inst->operands[0])->name);
    default: return true;
    }
}

static uint32_t mix(uint32_t hash, uint64_t word) { return (hash ^ (uint32_t)(word ^ (word >> 32))) * 16777619u; }

static uint64_t bits(double number)
{
    uint64_t word;
    memcpy(&word, &number, sizeof word);
    return word;
}

/* The hash of an instruction whose operands are known by `names`, or as values when it is NULL. */
static uint32_t hash_inst(const Table *table, const PlaitInst *inst, const uint32_t *names)
{
    uint32_t hash = mix(mix(2166136261u, inst->op), inst->type.scalar);
    for (uint32_t i = 0; i < inst->operand_count; i++)
        hash = mix(hash, names ? names[inst->operands[i]] : inst->operands[i]);
    for (uint32_t i = 0; i < inst->axis_count; i++) hash = mix(hash, inst->axes[i]);
    for (uint32_t i = 0; i < inst->int_count; i++) hash = mix(hash, (uint64_t)inst->ints[i]);
    for (uint32_t i = 0; inst->body && i < inst->body->body.count; i++)
        hash = mix(hash, table->shapes[inst->body->body.data[i]]);
    for (uint32_t i = 0; inst->body && i < inst->body->yields.count; i++)
        hash = mix(hash, table->shapes[inst->body->yields.data[i]]);
    return mix(hash, bits(inst->number));
}

static bool equal(Table *table, PlaitValue a, PlaitValue b);

static bool equal_operands(const Table *table, const PlaitValue *a, const PlaitValue *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (a[i] != b[i] && a[i] != table->peers[b[i]]) return false;
    return true;
}

/* Peers that an earlier comparison left do no harm: inside of the bodies a value gets its new one before it is used,
 * and outside of them, where the operands are in sight of the two owners, no value has one. */
static bool equal_bodies(Table *table, const PlaitRegion *a, const PlaitRegion *b)
{
    if (!a || !b) return a == b;
    if (a->params.count != b->params.count || a->body.count != b->body.count || a->yields.count != b->yields.count)
        return false;
    for (uint32_t i = 0; i < a->params.count; i++) {
        PlaitValue param = a->params.data[i], peer = b->params.data[i];
        if (!plait_type_equal(plait_type_of(table->function, param), plait_type_of(table->function, peer)))
            return false;
        table->peers[peer] = param;
    }
    for (uint32_t i = 0; i < a->body.count; i++) {
        if (!equal(table, a->body.data[i], b->body.data[i])) return false;
        table->peers[b->body.data[i]] = a->body.data[i];
    }
    return equal_operands(table, a->yields.data, b->yields.data, a->yields.count);
}

static bool equal(Table *table, PlaitValue a_value, PlaitValue b_value)
{
    const PlaitInst *a = plait_inst(table->function, a_value), *b = plait_inst(table->function, b_value);
    return a->op == b->op && plait_type_equal(a->type, b->type) && a->type.layout == b->type.layout &&
           a->name == b->name && a->operand_count == b->operand_count && a->axis_count == b->axis_count &&
           a->int_count == b->int_count && equal_operands(table, a->operands, b->operands, a->operand_count) &&
           (!a->axis_count || memcmp(a->axes, b->axes, a->axis_count * sizeof *a->axes) == 0) &&
           (!a->int_count || memcmp(a->ints, b->ints, a->int_count * sizeof *a->ints) == 0) &&
           bits(a->number) == bits(b->number) && equal_bodies(table, a->body, b->body) && eligible(table, b);
}

/* Replaces `value` by an equal one seen before, or remembers it. Returns whether it stays. */
static bool look_up(Table *table, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(table->function, value);
    uint32_t at = hash_inst(table, inst, NULL) & table->mask;
    for (; table->slots[at]; at = (at + 1) & table->mask) {
        const PlaitInst *known = plait_inst(table->function, table->slots[at]);
        if (!plait_region_inside(inst->region, known->region) || !equal(table, table->slots[at], value)) continue;
        table->map[value] = table->slots[at];
        return false;
    }
    table->slots[at] = value;
    return true;
}

static void visit_region(Table *table, PlaitRegion *region)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < region->params.count; i++) table->shapes[region->params.data[i]] = i;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        PlaitInst *inst = plait_inst(table->function, value);
        plait_rename(inst->operands, inst->operand_count, table->map, table->function->insts.count);
        if (inst->body) visit_region(table, inst->body);
        table->shapes[value] = region->owner ? hash_inst(table, inst, table->shapes) : value;
        if (!eligible(table, inst) || look_up(table, value)) region->body.data[kept++] = value;
    }
    table->changed |= kept != region->body.count;
    region->body.count = kept;
    plait_rename(region->yields.data, region->yields.count, table->map, table->function->insts.count);
}

bool plait_pass_cse(PlaitFunction *function)
{
    PlaitArena *arena = function->module->arena;
    uint32_t size = 64;
    while (size < 2 * function->insts.count) size *= 2;
    Table table = {.function = function,
                   .slots = PLAIT_NEW_ARRAY(arena, PlaitValue, size),
                   .mask = size - 1,
                   .map = PLAIT_NEW_ARRAY(arena, PlaitValue, function->insts.count),
                   .peers = PLAIT_NEW_ARRAY(arena, PlaitValue, function->insts.count),
                   .shapes = PLAIT_NEW_ARRAY(arena, uint32_t, function->insts.count)};
    plait_region_walk(function, function->body, note_store, &table);
    visit_region(&table, function->body);
    for (uint32_t i = 0; i < function->outputs.count; i++)
        plait_rename(&function->outputs.data[i].value, 1, table.map, function->insts.count);
    return table.changed;
}
