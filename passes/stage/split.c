/* Takes long vectors out of a scan of matrices, into a scan of their own.
 *
 *     scan S, n { S' = S + k v;  n' = n + k;               scan S { S' = S + k v;  y = reduce.sum q S' }
 *       y = reduce.sum q S';  z = reduce.sum q n' }   ->   scan n { n' = n + k;    z = reduce.sum q n' }
 *
 * In a fold over blocks of tokens every thread would hold the whole vector beside its part of the matrix. A vector
 * alone runs in segments (the pass `segment`), with its positions spread over the threads.
 */
#include "ir/clone.h"
#include "ir/order.h"
#include "passes/passes.h"
#include "passes/stage/split.h"

enum { MOST_HELD = 128 /* positions of vectors */, MOST_CARRIES = 32 };

typedef struct Split {
    PlaitFunction *function;
    PlaitValue scan;
    const PlaitRegion *body;
    uint32_t *depends;          /* by value: the carries that it depends on, as a set */
    uint32_t set[MOST_CARRIES]; /* by carry: those of the same group */
    uint32_t vectors;           /* carries that get a scan of their own */
    PlaitCloneMap outside;      /* values of the body -> those after the scan */
} Split;

static uint32_t carries_of(const Split *split) { return split->body->params.count; }

static void find_depends(void *context, PlaitValue value)
{
    Split *split = context;
    const PlaitInst *inst = plait_inst(split->function, value);
    for (uint32_t i = 0; i < inst->operand_count; i++) split->depends[value] |= split->depends[inst->operands[i]];
    if (inst->body) split->depends[value] = UINT32_MAX; /* whatever it does */
}

static void unite(Split *split, uint32_t members)
{
    for (uint32_t i = 0; i < carries_of(split); i++)
        if (members >> i & 1) members |= split->set[i];
    for (uint32_t i = 0; i < carries_of(split); i++)
        if (members >> i & 1) split->set[i] = members;
}

static void find_groups(Split *split)
{
    plait_region_walk(split->function, split->body, find_depends, split);
    for (uint32_t i = 0; i < carries_of(split); i++)
        unite(split, split->depends[split->body->yields.data[i]] | 1u << i);
}

/* The carries that a result of the scan depends on. */
static uint32_t carries_of_result(const Split *split, uint32_t number)
{
    return number < carries_of(split) ? 1u << number : split->depends[split->body->yields.data[number]];
}

/* Feature axes of a carry, and positions along them. */
static uint32_t features(const Split *split, uint32_t carry, uint64_t *positions)
{
    PlaitType type = plait_type_of(split->function, split->body->params.data[carry]);
    uint32_t count = 0;
    *positions = 1;
    for (uint32_t i = 0; i < type.rank; i++) {
        const PlaitAxisInfo *axis = &split->function->axes.data[type.axes[i]];
        if (axis->role != PLAIT_ROLE_FEATURE || axis->size < 2) continue;
        count++;
        *positions *= (uint64_t)axis->size;
    }
    return count;
}

/* The groups of vectors that are too long to be held, as a set of carries. */
static uint32_t long_vectors(const Split *split)
{
    uint32_t vectors = 0;
    for (uint32_t first = 0; first < carries_of(split); first++) {
        uint64_t held = 0, positions;
        bool matrices = false;
        for (uint32_t i = 0; i < carries_of(split); i++) {
            if (!(split->set[first] >> i & 1)) continue;
            matrices |= features(split, i, &positions) > 1;
            held += positions;
        }
        if (!matrices && held > MOST_HELD) vectors |= split->set[first];
    }
    return vectors;
}

static bool describe(Split *split, PlaitFunction *function, PlaitValue scan)
{
    *split = (Split){.function = function, .scan = scan, .body = plait_inst(function, scan)->body};
    if (carries_of(split) > MOST_CARRIES) return false;
    split->depends = PLAIT_NEW_ARRAY(function->module->arena, uint32_t, function->insts.count);
    for (uint32_t i = 0; i < carries_of(split); i++) {
        split->depends[split->body->params.data[i]] = 1u << i;
        split->set[i] = 1u << i;
    }
    find_groups(split);
    return true;
}

bool plait_is_scan_of_long_vectors(PlaitFunction *function, PlaitValue scan)
{
    Split split;
    return describe(&split, function, scan) && carries_of(&split) > 0 &&
           long_vectors(&split) == UINT32_MAX >> (MOST_CARRIES - carries_of(&split));
}

/* The carries whose final values, or outputs made of them, are read, as a set. */
static uint32_t carries_read(const Split *split, const uint32_t *uses)
{
    const PlaitValues *home = &plait_inst(split->function, split->scan)->region->body;
    uint32_t read = 0;
    for (uint32_t i = 0; i < home->count; i++) {
        const PlaitInst *inst = plait_inst(split->function, home->data[i]);
        if (inst->op == PLAIT_OP_RESULT && inst->operands[0] == split->scan && uses[home->data[i]])
            read |= carries_of_result(split, (uint32_t)inst->ints[0]);
    }
    return read;
}

/* ---- outputs of both ---- */

static bool is_of_one_kind(const Split *split, PlaitValue value)
{
    uint32_t depends = split->depends[value];
    return depends && (!(depends & split->vectors) || !(depends & ~split->vectors));
}

/* Whether what the value makes of both can be made after the scan. */
static bool can_leave(const Split *split, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(split->function, value);
    PlaitOp op = (PlaitOp)inst->op;
    if (inst->region != split->body || is_of_one_kind(split, value)) return true;
    if (!plait_op_is_pointwise(op) && op != PLAIT_OP_BROADCAST && op != PLAIT_OP_CONST) return false;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (!can_leave(split, inst->operands[i])) return false;
    return true;
}

/* The value after the scan: what depends on one kind of carries becomes a result of the scan. */
static PlaitValue outside(Split *split, PlaitBuilder *builder, PlaitValue value)
{
    PlaitFunction *function = split->function;
    if (plait_inst(function, value)->region != split->body) return value;
    PlaitValue known = plait_clone_find(&split->outside, value);
    if (known) return known;
    if (is_of_one_kind(split, value)) {
        PlaitRegion *body = plait_inst(function, split->scan)->body;
        known = plait_build_result(builder, split->scan, body->yields.count, plait_type_of(function, value));
        plait_yield(function, body, value);
        plait_clone_set(&split->outside, value, known);
        return known;
    }
    for (uint32_t i = 0; i < plait_inst(function, value)->operand_count; i++)
        outside(split, builder, plait_inst(function, value)->operands[i]);
    return plait_clone_inst(builder, value, &split->outside);
}

/* Whether the result is made of both kinds of carries. */
static bool is_mixed(const Split *split, PlaitValue value, const uint32_t *uses)
{
    const PlaitInst *inst = plait_inst(split->function, value);
    if (inst->op != PLAIT_OP_RESULT || inst->operands[0] != split->scan || !uses[value]) return false;
    uint32_t carries = carries_of_result(split, (uint32_t)inst->ints[0]);
    return carries & split->vectors && carries & ~split->vectors;
}

/* Afterwards no output that is read needs both any more; false, and nothing changes, if some has to. */
static bool separate_outputs(Split *split, const uint32_t *uses)
{
    PlaitFunction *function = split->function;
    PlaitRegion *home = plait_inst(function, split->scan)->region;
    PlaitBuilder builder = {function, home, plait_inst(function, split->scan)->span};
    uint32_t count = function->insts.count, before = home->body.count;
    split->outside = plait_clone_map(function->module->arena);
    for (uint32_t i = 0; i < before; i++)
        if (is_mixed(split, home->body.data[i], uses) &&
            !can_leave(split, split->body->yields.data[plait_inst(function, home->body.data[i])->ints[0]]))
            return false;
    PlaitValue *now = PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, count);
    for (uint32_t i = 0; i < before; i++) {
        PlaitValue value = home->body.data[i];
        if (!is_mixed(split, value, uses)) continue;
        now[value] = outside(split, &builder, split->body->yields.data[plait_inst(function, value)->ints[0]]);
    }
    PlaitValue *map = PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, function->insts.count);
    for (uint32_t i = 0; i < count; i++) map[i] = now[i];
    plait_replace_uses(function, map);
    plait_region_sort(function, home);
    return true;
}

/* ---- the pass ---- */

/* A second scan with the same body, from which the results of the vectors are taken; `dce` leaves to each what it
 * needs. */
static void split_scan(const Split *split)
{
    PlaitFunction *function = split->function;
    PlaitRegion *home = plait_inst(function, split->scan)->region;
    PlaitValues before = home->body;
    home->body = (PlaitValues){0};
    PlaitBuilder builder = {function, home, plait_inst(function, split->scan)->span};
    PlaitCloneMap map = plait_clone_map(function->module->arena);
    PlaitValue other = 0;
    for (uint32_t i = 0; i < before.count; i++) {
        PlaitInst *inst = plait_inst(function, before.data[i]);
        bool result = inst->op == PLAIT_OP_RESULT && inst->operands[0] == split->scan;
        if (result && carries_of_result(split, (uint32_t)inst->ints[0]) & split->vectors) inst->operands[0] = other;
        plait_push(function->module->arena, &home->body, before.data[i]);
        if (before.data[i] == split->scan) other = plait_clone_inst(&builder, split->scan, &map);
    }
}

static bool visit(PlaitFunction *function, PlaitValue scan)
{
    Split split;
    if (plait_op_of(function, scan) != PLAIT_OP_SCAN || !describe(&split, function, scan)) return false;
    const uint32_t *uses = plait_use_counts(function);
    split.vectors = long_vectors(&split);
    uint32_t read = carries_read(&split, uses);
    if (!(read & split.vectors) || !(read & ~split.vectors) || !separate_outputs(&split, uses)) return false;
    split_scan(&split);
    return true;
}

bool plait_pass_split(PlaitFunction *function)
{
    bool changed = false;
    if (function->level != PLAIT_LEVEL_STAGE) return false;
    const PlaitValues body = function->body->body;
    PlaitValue *values = plait_arena_copy(function->module->arena, body.data, body.count * sizeof *body.data);
    for (uint32_t i = 0; i < body.count; i++) changed |= visit(function, values[i]);
    return changed;
}
