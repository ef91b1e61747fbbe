/* The interpreter: entry, and what is computed when.
 *
 * 1. Axes along which nothing moves (batch, head) are taken one position at a time when values are large otherwise.
 * 2. The body runs in order; inside a scan the axis stands at one token, inside a fold at one block (interp_region.c).
 * 3. Large pointwise values ("lazy") are skipped; whoever uses one computes it in pieces (`plait_interp_need`).
 *    So the products [t, s, d] of an attention score never stand in memory.
 * Everything is a pure function of positions, so a value may be computed again at any time.
 */
#include "ir/interp.h"

#include <stdlib.h>

#include "ir/interp_machine.h"

static PlaitEvaluate *const evaluators[PLAIT_OP_COUNT] = {
#define OP(id, text, least, most, attributes, regions, meaning) [PLAIT_OP_##id] = plait_interp_##id,
#include "ir/common_ops.def"
#include "ir/stage_ops.def"
#undef OP
};

bool plait_interp_lazy(const PlaitMachine *machine, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(machine->function, value);
    PlaitOp op = (PlaitOp)inst->op;
    bool cheap = plait_op_is_pointwise(op) || op == PLAIT_OP_BROADCAST || op == PLAIT_OP_GATHER;
    return cheap && plait_interp_count(machine, inst->type) > PLAIT_INTERP_LARGE;
}

static bool evaluate_pointwise(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    PlaitSlot *slot = &machine->slots[value];
    if (!plait_interp_allocate(machine, slot, inst->type)) return false;
    PlaitLoop *loop = plait_interp_loop(machine->function, inst);
    PlaitPieces pieces = plait_interp_pieces(machine, inst->type);
    while (plait_interp_pieces_next(machine, &pieces)) {
        if (!plait_interp_need_all(machine, inst->operands, inst->operand_count)) return false;
        PlaitNest nest = plait_interp_nest(machine, inst->type);
        plait_interp_nest_add(machine, &nest, slot, PLAIT_NO_AXIS);
        for (uint32_t i = 0; i < inst->operand_count; i++)
            plait_interp_nest_add(machine, &nest, &machine->slots[inst->operands[i]], PLAIT_NO_AXIS);
        plait_interp_nest_run(&nest, loop, NULL);
    }
    return true;
}

bool plait_interp_need(PlaitMachine *machine, PlaitValue value)
{
    PlaitSlot *slot = &machine->slots[value];
    if (plait_interp_covers(machine, slot)) return true;
    const PlaitInst *inst = plait_inst(machine->function, value);
    PlaitEvaluate *evaluate = plait_op_is_scalar((PlaitOp)inst->op) ? evaluate_pointwise : evaluators[inst->op];
    if (!evaluate) plait_bug("the interpreter has no %s", plait_op_info((PlaitOp)inst->op)->text);
    slot->valid = false;
    if (!evaluate(machine, value, inst)) return false;
    slot->valid = true;
    return true;
}

/* Ends, because values do not depend on each other in a circle: each round settles at least one more. */
bool plait_interp_need_all(PlaitMachine *machine, const PlaitValue *values, uint32_t count)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < count; i++)
            if (!plait_interp_need(machine, values[i])) return false;
        for (uint32_t i = 0; i < count; i++) moved |= !plait_interp_covers(machine, &machine->slots[values[i]]);
    }
    return true;
}

bool plait_interp_SELECT(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return evaluate_pointwise(machine, value, inst);
}

bool plait_interp_CAST(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return evaluate_pointwise(machine, value, inst);
}

bool plait_interp_BROADCAST(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return evaluate_pointwise(machine, value, inst);
}

/* ---- axes taken one position at a time ---- */

/* Clears free[axis] for the axes along which some operation of the region moves. */
static void find_moves(const PlaitFunction *function, const PlaitRegion *region, bool *free_axes)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(function, region->body.data[i]);
        bool moves = inst->op != PLAIT_OP_IOTA && inst->op != PLAIT_OP_SIZE;
        for (uint32_t k = 0; k < inst->axis_count && moves; k++) free_axes[inst->axes[k]] = false;
        if (inst->body) find_moves(function, inst->body, free_axes);
    }
}

/* Elements of the largest value, were it computed at the present windows (one token in a scan, a block in a fold). */
static int64_t largest(PlaitMachine *machine, const PlaitRegion *region)
{
    int64_t most = 0;
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(machine->function, region->body.data[i]);
        int64_t count = plait_interp_count(machine, inst->type);
        if (inst->body) {
            PlaitWindow kept[PLAIT_MAX_RANK];
            int64_t block = inst->op == PLAIT_OP_FOLD ? machine->fold_block : 1;
            for (uint32_t k = 0; k < inst->axis_count; k++) {
                kept[k] = machine->windows[inst->axes[k]];
                if (kept[k].count > block) machine->windows[inst->axes[k]].count = block;
            }
            count = largest(machine, inst->body);
            for (uint32_t k = 0; k < inst->axis_count; k++) machine->windows[inst->axes[k]] = kept[k];
        }
        if (count > most) most = count;
    }
    return most;
}

/* Elements that are computed in the region, of values that lack `axis` (or of all, when it is PLAIT_NO_AXIS). */
static double work(const PlaitMachine *machine, const PlaitRegion *region, PlaitAxis axis)
{
    double total = 0;
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(machine->function, region->body.data[i]);
        double count = axis == PLAIT_NO_AXIS || !plait_type_has(inst->type, axis);
        for (uint32_t k = 0; k < inst->type.rank; k++) count *= (double)machine->extents[inst->type.axes[k]];
        total += count;
        if (inst->body) total += work(machine, inst->body, axis);
    }
    return total;
}

/* What lacks the axis is computed anew at each of its positions: that must not be most of the work. */
static bool splitting_pays(const PlaitMachine *machine, PlaitAxis axis)
{
    const PlaitRegion *body = machine->function->body;
    double repeated = work(machine, body, axis) * (double)machine->extents[axis];
    return machine->extents[axis] > 1 && repeated <= work(machine, body, PLAIT_NO_AXIS);
}

/* Narrows free axes to one position, outermost first, until values are of moderate size. */
static bool choose_split(PlaitMachine *machine, bool *split)
{
    uint32_t count = machine->function->axes.count;
    bool *free_axes = malloc(count + 1);
    if (!free_axes) return false;
    for (uint32_t i = 0; i < count; i++) free_axes[i] = true;
    find_moves(machine->function, machine->function->body, free_axes);
    for (uint32_t i = 0; i < count && largest(machine, machine->function->body) > PLAIT_INTERP_LARGE; i++) {
        split[i] = free_axes[i] && splitting_pays(machine, (PlaitAxis)i);
        if (split[i]) machine->windows[i] = (PlaitWindow){0, 1};
    }
    free(free_axes);
    return true;
}

/* Goes to the next position of the split axes; false after the last. */
static bool next_position(PlaitMachine *machine, const bool *split)
{
    for (uint32_t i = machine->function->axes.count; i-- > 0;) {
        if (!split[i]) continue;
        int64_t next = machine->windows[i].start + 1;
        bool more = next < machine->extents[i];
        machine->windows[i] = (PlaitWindow){more ? next : 0, 1};
        if (more) return true;
    }
    return false;
}

/* ---- outputs and the machine ---- */

/* A slot that is the caller's array. */
static PlaitSlot output_slot(const PlaitArray *array)
{
    PlaitSlot slot = {.type = array->type, .data = array->data};
    int64_t stride = 1;
    for (uint32_t i = array->type.rank; i-- > 0;) {
        slot.windows[i] = (PlaitWindow){0, array->sizes[i]};
        slot.strides[i] = stride;
        stride *= array->sizes[i];
    }
    return slot;
}

static bool allocate_outputs(PlaitMachine *machine, PlaitArray *outputs)
{
    for (uint32_t i = 0; i < machine->function->outputs.count; i++) {
        PlaitArray *output = &outputs[i];
        output->type = machine->function->outputs.data[i].type;
        for (uint32_t k = 0; k < output->type.rank; k++) output->sizes[k] = machine->extents[output->type.axes[k]];
        output->count = plait_interp_count(machine, output->type);
        output->data = plait_interp_doubles(output->count);
        if (!output->data) return false;
    }
    return true;
}

static bool run_positions(PlaitMachine *machine, PlaitArray *outputs, const bool *split)
{
    const PlaitFunction *function = machine->function;
    do {
        if (!plait_interp_run(machine, function->body)) return false;
        for (uint32_t i = 0; i < function->outputs.count; i++) {
            PlaitValue value = function->outputs.data[i].value;
            if (!plait_interp_need(machine, value)) return false;
            PlaitSlot slot = output_slot(&outputs[i]);
            plait_interp_copy(machine, &slot, &machine->slots[value]);
        }
    } while (next_position(machine, split));
    return true;
}

static bool create_machine(PlaitMachine *machine)
{
    uint32_t axes = machine->function->axes.count, values = machine->function->insts.count;
    machine->windows = malloc((axes + 1) * sizeof *machine->windows);
    machine->blocks = malloc((axes + 1) * sizeof *machine->blocks);
    machine->slots = calloc(values, sizeof *machine->slots);
    machine->varying = calloc(values, sizeof *machine->varying);
    machine->dying = calloc(values, sizeof *machine->dying);
    machine->dying_next = calloc(values, sizeof *machine->dying_next);
    if (!machine->windows || !machine->blocks || !machine->slots || !machine->varying) return false;
    if (!machine->dying || !machine->dying_next) return false;
    for (uint32_t i = 0; i < axes; i++)
        machine->windows[i] = machine->blocks[i] = (PlaitWindow){0, machine->extents[i]};
    return true;
}

static void destroy_machine(PlaitMachine *machine)
{
    for (uint32_t i = 0; machine->slots && i < machine->function->insts.count; i++)
        plait_interp_destroy(&machine->slots[i]);
    for (uint32_t i = 0; machine->varying && i < machine->function->insts.count; i++) free(machine->varying[i].data);
    free(machine->windows);
    free(machine->blocks);
    free(machine->slots);
    free(machine->varying);
    free(machine->dying);
    free(machine->dying_next);
}

bool plait_interpret(const PlaitFunction *function, const int64_t *extents, const PlaitArray *inputs,
                     PlaitArray *outputs, int64_t fold_block)
{
    PlaitMachine machine = {.function = function, .extents = extents, .inputs = inputs, .fold_block = fold_block};
    for (uint32_t i = 0; i < function->outputs.count; i++) outputs[i].data = NULL;
    bool *split = calloc(function->axes.count + 1, sizeof *split);
    bool good = split && create_machine(&machine) && allocate_outputs(&machine, outputs) &&
                choose_split(&machine, split) && plait_interp_plan(&machine) && run_positions(&machine, outputs, split);
    destroy_machine(&machine);
    free(split);
    for (uint32_t i = 0; i < function->outputs.count && !good; i++) plait_array_free(&outputs[i]);
    return good;
}

void plait_array_free(PlaitArray *array)
{
    free(array->data);
    array->data = NULL;
}
