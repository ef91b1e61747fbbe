/* Regions of the interpreter: running one, scans, folds and kernels, and how long values live. */
#include <stdlib.h>

#include "ir/interp_machine.h"

/* ---- the plan: computed once before running ---- */

typedef struct Plan {
    PlaitMachine *machine;
    uint32_t *position; /* by value: its index in its region */
    PlaitValue *last;   /* by value: the instruction of its own region that (or whose body) uses it last; 0: none */
    bool *kept;         /* by value: lives to the end of its region */
} Plan;

static void note_use(Plan *plan, PlaitValue value, PlaitValue user)
{
    const PlaitFunction *function = plan->machine->function;
    const PlaitRegion *region = plait_inst(function, value)->region;
    while (plait_inst(function, user)->region != region) user = plait_inst(function, user)->region->owner;
    if (!plan->last[value] || plan->position[user] > plan->position[plan->last[value]]) plan->last[value] = user;
}

static void note_uses(Plan *plan, const PlaitRegion *region)
{
    const PlaitFunction *function = plan->machine->function;
    for (uint32_t i = 0; i < region->body.count; i++) plan->position[region->body.data[i]] = i;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue user = region->body.data[i];
        const PlaitInst *inst = plait_inst(function, user);
        for (uint32_t k = 0; k < inst->operand_count; k++) note_use(plan, inst->operands[k], user);
        if (inst->body) note_uses(plan, inst->body);
    }
    for (uint32_t i = 0; i < region->yields.count; i++) {
        PlaitValue value = region->yields.data[i];
        if (plait_inst(function, value)->region == region) plan->kept[value] = true;
        else note_use(plan, value, region->owner);
    }
}

/* What a lazy value is computed from lives as long as the lazy value, which is computed where it is used. */
static void extend_uses(Plan *plan, const PlaitRegion *region)
{
    const PlaitFunction *function = plan->machine->function;
    for (uint32_t i = region->body.count; i-- > 0;) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(function, value);
        bool lazy = plait_interp_lazy(plan->machine, value);
        if (inst->op == PLAIT_OP_KERNEL) extend_uses(plan, inst->body);
        for (uint32_t k = 0; k < inst->operand_count && lazy; k++) {
            PlaitValue operand = inst->operands[k];
            if (plan->kept[value] && plait_inst(function, operand)->region == region) plan->kept[operand] = true;
            if (plan->last[value]) note_use(plan, operand, plan->last[value]);
        }
    }
}

static void list_dying(Plan *plan, const PlaitRegion *region)
{
    PlaitMachine *machine = plan->machine;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i], last = plan->last[value];
        if (plait_op_of(machine->function, value) == PLAIT_OP_KERNEL)
            list_dying(plan, plait_inst(machine->function, value)->body);
        if (!last || plan->kept[value]) continue;
        machine->dying_next[value] = machine->dying[last];
        machine->dying[last] = value;
    }
}

static bool is_block_axis(const PlaitInst *owner, PlaitAxis axis)
{
    bool found = false;
    for (uint32_t i = 0; i < owner->axis_count && owner->op == PLAIT_OP_FOLD; i++) found |= owner->axes[i] == axis;
    return found;
}

/* Marks what depends on marked values, inside the region, and what is reduced along an axis that stands for a fold's
 * block: these change from step to step though the positions that they are at may stay the same. */
static void mark_varying(const PlaitFunction *function, const PlaitRegion *region, const PlaitInst *owner, bool *varies)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(function, value);
        for (uint32_t k = 0; k < inst->operand_count; k++) varies[value] |= varies[inst->operands[k]];
        bool over = plait_op_is_reduce((PlaitOp)inst->op) || inst->op == PLAIT_OP_SOLVE;
        for (uint32_t k = 0; k < inst->axis_count && over; k++) varies[value] |= is_block_axis(owner, inst->axes[k]);
        if (!inst->body) continue;
        mark_varying(function, inst->body, owner, varies);
        for (uint32_t k = 0; k < inst->body->yields.count; k++) varies[value] |= varies[inst->body->yields.data[k]];
    }
}

static bool list_varying(PlaitMachine *machine, PlaitValue owner, bool *varies)
{
    const PlaitFunction *function = machine->function;
    const PlaitInst *inst = plait_inst(function, owner);
    const PlaitRegion *body = inst->body;
    for (uint32_t i = 0; i < function->insts.count; i++) varies[i] = false;
    for (uint32_t i = 0; i < body->params.count; i++) varies[body->params.data[i]] = true;
    mark_varying(function, body, inst, varies);
    for (uint32_t i = 0; i < body->params.count; i++) varies[body->params.data[i]] = false; /* set by the owner */
    PlaitValues *list = &machine->varying[owner];
    for (uint32_t i = 0; i < function->insts.count; i++) list->capacity += varies[i];
    list->data = malloc((list->capacity + 1) * sizeof *list->data);
    if (!list->data) return false;
    for (uint32_t i = 0; i < function->insts.count; i++)
        if (varies[i]) list->data[list->count++] = i;
    return true;
}

bool plait_interp_plan(PlaitMachine *machine)
{
    const PlaitFunction *function = machine->function;
    uint32_t count = function->insts.count;
    Plan plan = {.machine = machine,
                 .position = calloc(count, sizeof *plan.position),
                 .last = calloc(count, sizeof *plan.last),
                 .kept = calloc(count, sizeof *plan.kept)};
    bool *varies = calloc(count, sizeof *varies);
    bool good = plan.position && plan.last && plan.kept && varies;
    if (good) {
        for (uint32_t i = 0; i < function->outputs.count; i++) plan.kept[function->outputs.data[i].value] = true;
        note_uses(&plan, function->body);
        extend_uses(&plan, function->body);
        list_dying(&plan, function->body);
    }
    for (uint32_t i = 1; i < count && good; i++)
        if (plait_inst(function, i)->body) good = list_varying(machine, i, varies);
    free(plan.position);
    free(plan.last);
    free(plan.kept);
    free(varies);
    return good;
}

/* ---- running ---- */

static void release_region(PlaitMachine *machine, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->params.count; i++) plait_interp_release(&machine->slots[region->params.data[i]]);
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        plait_interp_release(&machine->slots[value]);
        const PlaitRegion *body = plait_inst(machine->function, value)->body;
        if (body) release_region(machine, body);
    }
}

bool plait_interp_run(PlaitMachine *machine, const PlaitRegion *region)
{
    const PlaitValues *varying = &machine->varying[region->owner];
    for (uint32_t i = 0; i < varying->count; i++) machine->slots[varying->data[i]].valid = false;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        if (!plait_interp_lazy(machine, value) && !plait_interp_need(machine, value)) return false;
        for (PlaitValue dead = machine->dying[value]; dead; dead = machine->dying_next[dead])
            plait_interp_release(&machine->slots[dead]);
    }
    return plait_interp_need_all(machine, region->yields.data, region->yields.count);
}

/* ---- owners ---- */

static bool create_results(PlaitMachine *machine, PlaitValue owner, uint32_t count)
{
    PlaitSlot *slot = &machine->slots[owner];
    if (!slot->results && count) {
        slot->results = calloc(count, sizeof *slot->results);
        if (!slot->results) return false;
        slot->result_count = count;
    }
    for (uint32_t i = 0; i < count; i++) slot->results[i].valid = false;
    return true;
}

static void finish_results(PlaitMachine *machine, PlaitValue owner)
{
    PlaitSlot *slot = &machine->slots[owner];
    for (uint32_t i = 0; i < slot->result_count; i++) slot->results[i].valid = true;
}

/* Makes the results at the present windows: carries hold the initial values, other results nothing yet. */
static bool start_results(PlaitMachine *machine, PlaitValue owner, const PlaitInst *inst)
{
    const PlaitRegion *body = inst->body;
    if (!create_results(machine, owner, body->yields.count)) return false;
    PlaitSlot *results = machine->slots[owner].results;
    for (uint32_t i = 0; i < body->yields.count; i++) {
        bool carry = i < body->params.count;
        PlaitType type = plait_type_of(machine->function, carry ? body->params.data[i] : body->yields.data[i]);
        if (carry) type = plait_carry_type(inst, type);
        if (!plait_interp_allocate(machine, &results[i], type)) return false;
        if (!carry) continue;
        if (!plait_interp_need(machine, inst->operands[i])) return false;
        plait_interp_copy(machine, &results[i], &machine->slots[inst->operands[i]]);
    }
    return true;
}

/* The carries of a scan by segments become the region's parameters: at the window of the present segment. */
static bool enter_segment(PlaitMachine *machine, PlaitValue owner, const PlaitRegion *body)
{
    for (uint32_t i = 0; i < body->params.count; i++) {
        PlaitSlot *param = &machine->slots[body->params.data[i]];
        if (!plait_interp_allocate(machine, param, plait_type_of(machine->function, body->params.data[i])))
            return false;
        plait_interp_copy(machine, param, &machine->slots[owner].results[i]);
        param->valid = true;
    }
    return true;
}

/* The carries become the region's parameters: the two exchange buffers, as their elements stand in the same order. */
static bool enter_carries(PlaitMachine *machine, PlaitValue owner, const PlaitInst *inst)
{
    const PlaitRegion *body = inst->body;
    if (plait_segments_of(inst) != PLAIT_NO_AXIS) return enter_segment(machine, owner, body);
    for (uint32_t i = 0; i < body->params.count; i++) {
        PlaitSlot *param = &machine->slots[body->params.data[i]], *result = &machine->slots[owner].results[i];
        double *buffer = param->buffer;
        int64_t capacity = param->capacity;
        param->buffer = result->buffer;
        param->capacity = result->capacity;
        result->buffer = buffer;
        result->capacity = capacity;
        if (!plait_interp_allocate(machine, param, plait_type_of(machine->function, body->params.data[i])))
            return false;
        if (!plait_interp_allocate(machine, result, result->type)) return false;
        param->valid = true;
    }
    return true;
}

/* Runs the region at the window of its axis; then the results hold what it yields there. */
static bool run_step(PlaitMachine *machine, PlaitValue owner, const PlaitInst *inst, PlaitWindow window)
{
    PlaitAxis axis = inst->axes[0];
    const PlaitRegion *body = inst->body;
    PlaitSlot *results = machine->slots[owner].results;
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        PlaitWindow own = window;
        uint32_t block = machine->function->axes.data[inst->axes[i]].block;
        if (i > 0 && block) own = (PlaitWindow){window.start / block, 1};
        machine->windows[inst->axes[i]] = own;
        if (inst->op == PLAIT_OP_FOLD) machine->blocks[inst->axes[i]] = own;
    }
    if (!enter_carries(machine, owner, inst) || !plait_interp_run(machine, body)) return false;
    for (uint32_t i = 0; i < body->yields.count; i++)
        if (i < body->params.count || plait_type_has(results[i].type, axis))
            plait_interp_copy(machine, &results[i], &machine->slots[body->yields.data[i]]);
    return true;
}

static bool run_tokens(PlaitMachine *machine, PlaitValue owner, const PlaitInst *inst)
{
    int64_t extent = machine->extents[inst->axes[0]];
    for (int64_t i = 0; i < extent; i++) {
        int64_t position = inst->ints[0] < 0 ? extent - 1 - i : i;
        if (!run_step(machine, owner, inst, (PlaitWindow){position, 1})) return false;
    }
    return true;
}

static bool run_blocks(PlaitMachine *machine, PlaitValue owner, const PlaitInst *inst)
{
    int64_t extent = machine->extents[inst->axes[0]], block = machine->fold_block;
    if (inst->axis_count == 3) block = machine->function->axes.data[inst->axes[2]].block;
    for (int64_t start = 0; start < extent;) {
        int64_t count = extent - start < block ? extent - start : block;
        if (!run_step(machine, owner, inst, (PlaitWindow){start, count})) return false;
        start += count;
    }
    return true;
}

/* An output of a scan that lacks its axis is the same at every token, and is there when there are none. (Those of a
 * fold have it.) */
static bool finish_outputs(PlaitMachine *machine, PlaitValue owner, const PlaitInst *inst)
{
    const PlaitRegion *body = inst->body;
    PlaitSlot *results = machine->slots[owner].results;
    for (uint32_t i = body->params.count; i < body->yields.count; i++) {
        if (plait_type_has(results[i].type, inst->axes[0])) continue;
        if (!plait_interp_need(machine, body->yields.data[i])) return false;
        plait_interp_copy(machine, &results[i], &machine->slots[body->yields.data[i]]);
    }
    finish_results(machine, owner);
    return true;
}

static bool run_loop(PlaitMachine *machine, PlaitValue owner, const PlaitInst *inst)
{
    PlaitAxis axis = inst->axes[0];
    PlaitWindow windows[3], blocks[3], whole = {0, machine->extents[axis]};
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        windows[i] = machine->windows[inst->axes[i]];
        blocks[i] = machine->blocks[inst->axes[i]];
    }
    machine->windows[axis] = whole;
    PlaitAxis segments = plait_segments_of(inst);
    PlaitWindow all = {0, segments == PLAIT_NO_AXIS ? 0 : machine->extents[segments]};
    if (segments != PLAIT_NO_AXIS) machine->windows[segments] = all;
    if (!start_results(machine, owner, inst)) return false;
    if (!(inst->op == PLAIT_OP_FOLD ? run_blocks : run_tokens)(machine, owner, inst)) return false;
    machine->windows[axis] = whole;
    if (segments != PLAIT_NO_AXIS) machine->windows[segments] = all;
    if (!finish_outputs(machine, owner, inst)) return false;
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        machine->windows[inst->axes[i]] = windows[i];
        machine->blocks[inst->axes[i]] = blocks[i];
    }
    release_region(machine, inst->body);
    return true;
}

bool plait_interp_SCAN(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return run_loop(machine, value, inst);
}

bool plait_interp_FOLD(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return run_loop(machine, value, inst);
}

bool plait_interp_KERNEL(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    const PlaitValues *yields = &inst->body->yields;
    if (!create_results(machine, value, yields->count) || !plait_interp_run(machine, inst->body)) return false;
    for (uint32_t i = 0; i < yields->count; i++) {
        PlaitSlot *result = &machine->slots[value].results[i];
        if (!plait_interp_allocate(machine, result, plait_type_of(machine->function, yields->data[i]))) return false;
        plait_interp_copy(machine, result, &machine->slots[yields->data[i]]);
    }
    finish_results(machine, value);
    release_region(machine, inst->body);
    return true;
}

bool plait_interp_RESULT(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    PlaitValue owner = inst->operands[0];
    if (!plait_interp_need(machine, owner)) return false;
    if (!plait_interp_allocate(machine, &machine->slots[value], inst->type)) return false;
    plait_interp_copy(machine, &machine->slots[value], &machine->slots[owner].results[inst->ints[0]]);
    return true;
}

bool plait_interp_ARGUMENT(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    (void)inst;
    plait_bug("parameter %%%u of a region is read outside its present step in `%s`", value,
              plait_names_text(machine->function->module->names, machine->function->name));
}
