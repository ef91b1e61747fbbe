/* Common subexpressions: of several equal values in sight of each other, the first stays.
 *
 * Equal: same operation, operands, attributes and type (axes as sets; tiles also need the same layout). Operations with
 * regions, stores, and loads from what the kernel stores to are left alone. A value serves the region it stands in and
 * those inside.
 */
#include <string.h>

#include "passes/passes.h"

typedef struct Table {
    PlaitFunction *function;
    PlaitValue *slots; /* open addressing by hash */
    uint32_t mask;
    PlaitValue *map;
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
    default: return inst->body == NULL;
    }
}

static uint32_t mix(uint32_t hash, uint64_t word) { return (hash ^ (uint32_t)(word ^ (word >> 32))) * 16777619u; }

static uint64_t bits(double number)
{
    uint64_t word;
    memcpy(&word, &number, sizeof word);
    return word;
}

static uint32_t hash_inst(const PlaitInst *inst)
{
    uint32_t hash = mix(mix(2166136261u, inst->op), inst->type.scalar);
    for (uint32_t i = 0; i < inst->operand_count; i++) hash = mix(hash, inst->operands[i]);
    for (uint32_t i = 0; i < inst->axis_count; i++) hash = mix(hash, inst->axes[i]);
    for (uint32_t i = 0; i < inst->int_count; i++) hash = mix(hash, (uint64_t)inst->ints[i]);
    return mix(hash, bits(inst->number));
}

static bool equal(const PlaitInst *a, const PlaitInst *b)
{
    return a->op == b->op && plait_type_equal(a->type, b->type) && a->type.layout == b->type.layout &&
           a->name == b->name && a->operand_count == b->operand_count && a->axis_count == b->axis_count &&
           a->int_count == b->int_count &&
           (!a->operand_count || memcmp(a->operands, b->operands, a->operand_count * sizeof *a->operands) == 0) &&
           (!a->axis_count || memcmp(a->axes, b->axes, a->axis_count * sizeof *a->axes) == 0) &&
           (!a->int_count || memcmp(a->ints, b->ints, a->int_count * sizeof *a->ints) == 0) &&
           bits(a->number) == bits(b->number);
}

/* Replaces `value` by an equal one seen before, or remembers it. Returns whether it stays. */
static bool look_up(Table *table, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(table->function, value);
    uint32_t at = hash_inst(inst) & table->mask;
    for (; table->slots[at]; at = (at + 1) & table->mask) {
        const PlaitInst *known = plait_inst(table->function, table->slots[at]);
        if (!equal(known, inst) || !plait_region_inside(inst->region, known->region)) continue;
        table->map[value] = table->slots[at];
        return false;
    }
    table->slots[at] = value;
    return true;
}

static void visit_region(Table *table, PlaitRegion *region)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        PlaitInst *inst = plait_inst(table->function, value);
        plait_rename(inst->operands, inst->operand_count, table->map, table->function->insts.count);
        if (inst->body) visit_region(table, inst->body);
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
                   .map = PLAIT_NEW_ARRAY(arena, PlaitValue, function->insts.count)};
    plait_region_walk(function, function->body, note_store, &table);
    visit_region(&table, function->body);
    for (uint32_t i = 0; i < function->outputs.count; i++)
        plait_rename(&function->outputs.data[i].value, 1, table.map, function->insts.count);
    return table.changed;
}
