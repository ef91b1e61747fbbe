/* Dead code: keeps what outputs (Stage IR) or stores (Tile IR) need.
 *
 *   1. Mark, from the roots: operands; through `result` the yield that it reads; through a region's parameter its
 *      initial value and its next value.
 *   2. Sweep: drop unmarked instructions, carries and outputs of loops, and renumber the results that remain.
 */
#include "ir/build.h"
#include "passes/passes.h"

typedef struct Marker {
    PlaitFunction *function;
    bool *live;
    PLAIT_VECTOR(PlaitValue) work;
} Marker;

static void mark(Marker *marker, PlaitValue value)
{
    if (marker->live[value]) return;
    marker->live[value] = true;
    plait_push(marker->function->module->arena, &marker->work, value);
}

/* Operands that stand before the initial carries. */
static uint32_t leading_operands(const PlaitInst *owner) { return owner->op == PLAIT_OP_FOR ? 2 : 0; }
/* Region parameters that stand before the carries. */
static uint32_t leading_params(const PlaitInst *owner) { return owner->op == PLAIT_OP_FOR ? 1 : 0; }
static uint32_t carry_count(const PlaitInst *owner) { return owner->operand_count - leading_operands(owner); }

static void mark_argument(Marker *marker, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(marker->function, value);
    const PlaitInst *owner = plait_inst(marker->function, inst->region->owner);
    uint32_t at = 0;
    while (inst->region->params.data[at] != value) at++;
    mark(marker, inst->region->owner);
    if (at < leading_params(owner)) return;
    at -= leading_params(owner);
    mark(marker, owner->operands[at + leading_operands(owner)]);
    mark(marker, inst->region->yields.data[at]);
}

static void mark_result(Marker *marker, const PlaitInst *inst)
{
    const PlaitInst *owner = plait_inst(marker->function, inst->operands[0]);
    uint32_t at = (uint32_t)inst->ints[0];
    mark(marker, inst->operands[0]);
    mark(marker, owner->body->yields.data[at]);
    if (at < carry_count(owner)) mark(marker, owner->body->params.data[at + leading_params(owner)]);
}

static void mark_needs(Marker *marker, PlaitValue value)
{
    PlaitFunction *function = marker->function;
    const PlaitInst *inst = plait_inst(function, value);
    if (inst->region->owner) mark(marker, inst->region->owner);
    if (inst->op == PLAIT_OP_ARGUMENT) mark_argument(marker, value);
    else if (inst->op == PLAIT_OP_RESULT) mark_result(marker, inst);
    else
        for (uint32_t i = 0; i < (inst->body ? leading_operands(inst) : inst->operand_count); i++)
            mark(marker, inst->operands[i]);
}

static void mark_stores(void *context, PlaitValue value)
{
    Marker *marker = context;
    if (plait_op_of(marker->function, value) == PLAIT_OP_STORE) mark(marker, value);
}

/* The carries and outputs of an owner that stay; new_index[i] for those. Returns how many went. */
static uint32_t prune_owner(PlaitFunction *function, PlaitValue value, const bool *live, const bool *result_live)
{
    PlaitInst *inst = plait_inst(function, value);
    PlaitRegion *body = inst->body;
    uint32_t carries = carry_count(inst), kept = 0, kept_carries = 0;
    uint32_t params = leading_params(inst), operands = leading_operands(inst);
    for (uint32_t i = 0; i < body->yields.count; i++) {
        bool keep = i < carries ? live[body->params.data[i + params]] : result_live[i];
        if (!keep) continue;
        if (i < carries) {
            body->params.data[params + kept_carries] = body->params.data[params + i];
            inst->operands[operands + kept_carries++] = inst->operands[operands + i];
        }
        body->yields.data[kept++] = body->yields.data[i];
    }
    uint32_t gone = body->yields.count - kept;
    body->yields.count = kept;
    body->params.count = params + kept_carries;
    inst->operand_count = operands + kept_carries;
    return gone;
}

/* Marks which results of `owner` are read, and renumbers them after pruning. */
static bool sweep_owner(PlaitFunction *function, PlaitValue owner, const bool *live)
{
    PlaitInst *inst = plait_inst(function, owner);
    uint32_t count = inst->body->yields.count, carries = carry_count(inst), params = leading_params(inst);
    bool *result_live = PLAIT_NEW_ARRAY(function->module->arena, bool, count);
    uint32_t *new_index = PLAIT_NEW_ARRAY(function->module->arena, uint32_t, count);
    for (PlaitValue v = 1; v < function->insts.count; v++) {
        const PlaitInst *result = plait_inst(function, v);
        if (live[v] && result->op == PLAIT_OP_RESULT && result->operands[0] == owner)
            result_live[result->ints[0]] = true;
    }
    for (uint32_t i = 0, next = 0; i < count; i++) {
        new_index[i] = next;
        next += i < carries ? live[inst->body->params.data[i + params]] : result_live[i];
    }
    if (prune_owner(function, owner, live, result_live) == 0) return false;
    for (PlaitValue v = 1; v < function->insts.count; v++) {
        const PlaitInst *result = plait_inst(function, v);
        if (live[v] && result->op == PLAIT_OP_RESULT && result->operands[0] == owner)
            plait_set_ints(function, v, (int64_t[]){new_index[result->ints[0]]}, 1);
    }
    return true;
}

static bool sweep(PlaitFunction *function, PlaitRegion *region, const bool *live)
{
    uint32_t kept = 0;
    bool changed = false;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        bool param = plait_op_of(function, value) == PLAIT_OP_PARAM; /* the signature stays */
        if (!live[value] && !param) continue;
        region->body.data[kept++] = value;
        if (!plait_inst(function, value)->body) continue;
        changed |= sweep_owner(function, value, live);
        changed |= sweep(function, plait_inst(function, value)->body, live);
    }
    changed |= kept != region->body.count;
    region->body.count = kept;
    return changed;
}

bool plait_pass_dce(PlaitFunction *function)
{
    Marker marker = {.function = function,
                     .live = PLAIT_NEW_ARRAY(function->module->arena, bool, function->insts.count)};
    for (uint32_t i = 0; i < function->outputs.count; i++) mark(&marker, function->outputs.data[i].value);
    plait_region_walk(function, function->body, mark_stores, &marker);
    while (marker.work.count) mark_needs(&marker, marker.work.data[--marker.work.count]);
    return sweep(function, function->body, marker.live);
}
