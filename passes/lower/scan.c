/* Scans inside the kernel's loop, and what they keep in memory.
 *
 *     scan r carry S : [c] {                  for r {
 *         scan c carry p {                        for c { p = p + S(before)[c];  y[c] = p }
 *             p = p + S                           for blocks of c { S(now)[c] = 0.5 S(before)[c] + y[c] }
 *             y = p }                         }
 *         S = 0.5 * S + y }
 *
 * A scan inside is a loop in the loop, one position a turn; its carries are registers. What varies along an axis that
 * the loop's body walks along (passes/stage/walked.h) is read and written at other places than those where it was made,
 * so two kinds of values are kept in workspaces that each program owns a part of:
 *   a carry with such an axis, in two turns of which each token of its scan writes the one and reads the other: the
 *     present position modulo 2 is the turn that is written;
 *   the outputs of a scan inside, which are written position by position and read once its loop has ended.
 * All else is computed anew wherever it is read. A kernel's stores and loads happen in order (docs/ir.md).
 */
#include <math.h>

#include "passes/lower/lower.h"
#include "passes/stage/walked.h"

/* A value in a workspace. */
struct PlaitKept {
    PlaitValue tensor;
    PlaitAxis turns; /* the axis of two turns, or PLAIT_NO_AXIS */
};

enum { MOST_KEPT_AXES = PLAIT_MAX_RANK };

/* ---- what is kept ---- */

static PlaitAxis own_axis(const PlaitLowering *lowering, const PlaitScan *state)
{
    return plait_inst(lowering->operator_, state->scan)->axes[0];
}

static uint32_t carry_count(const PlaitLowering *lowering, const PlaitScan *state)
{
    return plait_inst(lowering->operator_, state->scan)->body->params.count;
}

/* The k-th yield of the scan as it is kept: a carry, or an output along the axis of the scan. */
static PlaitType kept_type(const PlaitLowering *lowering, const PlaitScan *state, uint32_t k)
{
    return plait_kept_type(lowering->operator_, state->scan, k);
}

bool plait_scan_keeps(const PlaitLowering *lowering, const PlaitScan *state, uint32_t k)
{
    return plait_yield_is_kept(lowering->operator_, state->scan, k, lowering->plan.walked);
}

/* The axis of two turns in a table of axes, made when it is not there. */
static PlaitAxis turns_in(PlaitLowering *lowering, const PlaitAxisInfo *table, uint32_t count, PlaitAxisInfo *info)
{
    *info = (PlaitAxisInfo){.name = plait_names_add(lowering->kernel->module->names, "turn.2"),
                            .role = PLAIT_ROLE_FEATURE,
                            .size = 2,
                            .same_as = PLAIT_NO_AXIS};
    return plait_axis_find_in(table, count, info->name);
}

static PlaitAxis kernel_turns(PlaitLowering *lowering)
{
    PlaitAxisInfo info;
    PlaitFunction *kernel = lowering->kernel;
    PlaitAxis axis = turns_in(lowering, kernel->axes.data, kernel->axes.count, &info);
    return axis == PLAIT_NO_AXIS ? plait_axis_add(kernel, info) : axis;
}

static PlaitAxis signature_turns(PlaitLowering *lowering)
{
    PlaitAxisInfo info;
    PlaitSignature *signature = lowering->signature;
    PlaitAxis axis = turns_in(lowering, signature->axes.data, signature->axes.count, &info);
    if (axis != PLAIT_NO_AXIS) return axis;
    plait_push(lowering->arena, &signature->axes, info);
    return (PlaitAxis)(signature->axes.count - 1);
}

/* The axes in memory behind that of the turns: those of the value, and those of the grid, so that each program has a
 * part of its own. False after reporting that they are too many. */
static bool memory_type(PlaitLowering *lowering, const PlaitScan *state, PlaitType type, bool turns, PlaitType *memory)
{
    for (uint32_t i = 0; i < lowering->kernel->grid.count; i++) {
        PlaitAxis axis = lowering->kernel->grid.data[i].axis;
        if (plait_type_has(type, axis)) continue;
        if (type.rank + turns == MOST_KEPT_AXES) {
            plait_lower_fail(
                lowering, state->scan,
                plait_arena_printf(lowering->arena,
                                   "a scan that keeps values over more than %d axes in memory, counting `%s`, which "
                                   "others of its values have",
                                   MOST_KEPT_AXES - 1, plait_axis_text(lowering->operator_, axis)),
                "give them an axis less, or make two operators of it");
            return false;
        }
        type = plait_type_with(type, axis);
    }
    *memory = plait_lower_memory_order(lowering->operator_, type);
    return true;
}

static PlaitType with_first(PlaitAxis first, PlaitType type)
{
    PlaitType longer = plait_type_with(plait_type((PlaitScalar)type.scalar), first);
    for (uint32_t i = 0; i < type.rank; i++) longer = plait_type_with(longer, type.axes[i]);
    return longer;
}

/* The workspace of the scan's k-th yield, whose values have the type; NULL after reporting. */
static PlaitKept *keep(PlaitLowering *lowering, PlaitScan *state, uint32_t k, PlaitType type)
{
    PlaitType memory;
    bool turns = k < carry_count(lowering, state);
    if (state->kept[k] || !memory_type(lowering, state, type, turns, &memory)) return state->kept[k];
    PlaitKept *kept = state->kept[k] = PLAIT_NEW(lowering->arena, PlaitKept);
    PlaitSignature *signature = lowering->signature;
    PlaitTensorInfo info = {.name = plait_lower_workspace(lowering->kernel->module, signature, lowering->target),
                            .kind = PLAIT_TENSOR_WORKSPACE,
                            .type = turns ? with_first(signature_turns(lowering), memory) : memory,
                            .fallback = (double)NAN};
    plait_push(lowering->arena, &signature->tensors, info);
    kept->turns = turns ? kernel_turns(lowering) : PLAIT_NO_AXIS;
    kept->tensor = plait_lower_tensor(lowering, info.name, turns ? with_first(kept->turns, memory) : memory, 0);
    return kept;
}

/* ---- where it lies ---- */

/* The first position of the program's block along an axis of the grid. */
static PlaitValue block_start(PlaitLowering *lowering, PlaitAxis axis)
{
    PlaitValue index = lowering->outer.index[axis];
    const PlaitInst *inst = plait_inst(lowering->kernel, index);
    if (inst->op != PLAIT_OP_IOTA) return index;
    return inst->operand_count ? inst->operands[0] : plait_lower_i32(lowering, 0);
}

/* Tensor and indices of what is kept, for a value of the type at the places. False after reporting. */
static bool locate(PlaitLowering *lowering, const PlaitKept *kept, PlaitType type, PlaitValue turn,
                   const PlaitPlaces *places, PlaitValue value, PlaitValue *operands)
{
    PlaitType memory = plait_type_of(lowering->kernel, kept->tensor);
    operands[0] = kept->tensor;
    for (uint32_t i = 0; i < memory.rank; i++) {
        PlaitAxis axis = memory.axes[i];
        operands[i + 1] = axis == kept->turns          ? turn
                          : plait_type_has(type, axis) ? places->index[axis]
                                                       : block_start(lowering, axis);
        if (!operands[i + 1]) return plait_lower_no_place(lowering, value, axis) != 0;
    }
    return true;
}

static PlaitType type_at(const PlaitLowering *lowering, PlaitScalar scalar, const PlaitValue *indices, uint32_t count)
{
    PlaitType type = plait_type(scalar);
    for (uint32_t i = 0; i < count; i++) type = plait_type_union(type, plait_type_of(lowering->kernel, indices[i]));
    return type;
}

/* (position + offset) mod 2. */
static PlaitValue turn_of(PlaitLowering *lowering, PlaitValue position, int64_t offset)
{
    if (offset) position = plait_lower_binary(lowering, PLAIT_OP_ADD, position, plait_lower_i32(lowering, offset));
    return plait_lower_binary(lowering, PLAIT_OP_MOD, position, plait_lower_i32(lowering, 2));
}

/* The turn that the first token reads, or that the last one writes: the same when there are no tokens. */
static PlaitValue turn_at_end(PlaitLowering *lowering, const PlaitScan *state, bool last)
{
    const PlaitInst *scan = plait_inst(lowering->operator_, state->scan);
    bool forward = scan->ints[0] > 0;
    if (forward != last) return plait_lower_i32(lowering, forward ? 1 : 0); /* loops begin at even positions */
    bool segment = plait_segments_of(scan) != PLAIT_NO_AXIS;
    PlaitValue end = segment ? lowering->segment_to : plait_lower_size(lowering, scan->axes[0]);
    return turn_of(lowering, end, forward ? 1 : 0);
}

/* In `least` or further inside: not in front of the stores. */
static PlaitValue load(PlaitLowering *lowering, const PlaitScan *state, uint32_t k, PlaitValue turn,
                       const PlaitPlaces *places, PlaitRegion *least)
{
    PlaitValue operands[1 + PLAIT_MAX_RANK];
    const PlaitKept *kept = state->kept[k];
    if (!kept || !locate(lowering, kept, kept_type(lowering, state, k), turn, places, state->scan, operands)) return 0;
    PlaitType memory = plait_type_of(lowering->kernel, kept->tensor);
    PlaitBuilder builder = plait_lower_at(lowering, operands, 1u + memory.rank);
    if (plait_region_inside(least, builder.region)) builder.region = least;
    PlaitType tile = type_at(lowering, (PlaitScalar)memory.scalar, operands + 1, memory.rank);
    return plait_build(&builder, PLAIT_OP_LOAD, tile, operands, 1u + memory.rank);
}

/* ---- loops over places ---- */

typedef struct Storing {
    const PlaitKept *kept;
    PlaitType type;
    PlaitValue value, turn; /* of the operator; of the kernel */
    PlaitRegion *home;
} Storing;

static bool store(PlaitLowering *lowering, const PlaitPlaces *places, void *context)
{
    const Storing *storing = context;
    PlaitValue operands[2 + PLAIT_MAX_RANK];
    PlaitValue tile = plait_lower_value(lowering, storing->value, places);
    if (!tile || !locate(lowering, storing->kept, storing->type, storing->turn, places, storing->value, operands))
        return false;
    PlaitType memory = plait_type_of(lowering->kernel, storing->kept->tensor);
    PlaitType type = type_at(lowering, (PlaitScalar)memory.scalar, operands + 1, memory.rank);
    operands[1 + memory.rank] = plait_lower_broadcast(lowering, tile, type);
    PlaitBuilder builder = plait_lower_at(lowering, operands, 2u + memory.rank);
    if (plait_region_inside(storing->home, builder.region)) builder.region = storing->home;
    PlaitValue made = plait_build(&builder, PLAIT_OP_STORE, plait_type(PLAIT_BOOL), operands, 2u + memory.rank);
    plait_set_ints(lowering->kernel, made, (int64_t[]){0}, 1);
    return true;
}

bool plait_lower_walk(PlaitLowering *lowering, PlaitType type, PlaitRegion *home, const PlaitPlaces *places,
                      PlaitVisitPlaces *visit, void *context)
{
    PlaitAxis axis = PLAIT_NO_AXIS;
    for (uint32_t i = 0; i < type.rank && axis == PLAIT_NO_AXIS; i++)
        if (lowering->plan.walked[type.axes[i]] && !places->index[type.axes[i]]) axis = type.axes[i];
    if (axis == PLAIT_NO_AXIS) return visit(lowering, places, context);
    PlaitFunction *kernel = lowering->kernel;
    uint32_t tile = lowering->plan.axes[axis].tile;
    PlaitRegion *region = plait_region_create(kernel, home);
    PlaitValue position = plait_build_argument(kernel, region, plait_type(PLAIT_I32), lowering->span);
    PlaitBuilder body = {kernel, region, lowering->span}, outside = {kernel, home, lowering->span};
    PlaitPlaces inside = plait_places_copy(lowering, places);
    inside.index[axis] = tile > 1 ? plait_build_iota(&body, axis, position) : position;
    if (!plait_lower_walk(lowering, type, region, &inside, visit, context)) return false;
    PlaitValue ends[] = {plait_lower_i32(lowering, 0), plait_lower_size(lowering, axis)};
    PlaitValue loop = plait_build_owner(&outside, PLAIT_OP_FOR, ends, 2, region);
    plait_set_axes(kernel, loop, &axis, 1);
    plait_set_ints(kernel, loop, (int64_t[]){tile}, 1);
    return true;
}

/* ---- scans ---- */

PlaitScan *plait_scan_create(PlaitLowering *lowering, PlaitValue scan, PlaitRegion *home, PlaitRegion *region,
                             const PlaitPlaces *outside, const PlaitPlaces *inside)
{
    PlaitScan *state = lowering->scans[scan] = PLAIT_NEW(lowering->arena, PlaitScan);
    const PlaitInst *inst = plait_inst(lowering->operator_, scan);
    state->scan = scan;
    state->outer = inst->region->owner ? lowering->scans[inst->region->owner] : NULL;
    state->home = home, state->region = region;
    state->outside = *outside, state->inside = *inside;
    state->kept = PLAIT_NEW_ARRAY(lowering->arena, PlaitKept *, inst->body->yields.count);
    return state;
}

bool plait_scan_start(PlaitLowering *lowering, PlaitScan *state, uint32_t k)
{
    PlaitType type = kept_type(lowering, state, k);
    const PlaitKept *kept = keep(lowering, state, k, type);
    Storing storing = {kept, type, plait_inst(lowering->operator_, state->scan)->operands[k], 0, state->home};
    if (!kept) return false;
    storing.turn = turn_at_end(lowering, state, false);
    return plait_lower_walk(lowering, type, state->home, &state->outside, store, &storing);
}

bool plait_scan_store(PlaitLowering *lowering, PlaitScan *state, uint32_t k)
{
    PlaitType type = kept_type(lowering, state, k);
    const PlaitKept *kept = keep(lowering, state, k, type);
    Storing storing = {kept, type, plait_inst(lowering->operator_, state->scan)->body->yields.data[k], 0,
                       state->region};
    if (!kept) return false;
    if (kept->turns != PLAIT_NO_AXIS)
        storing.turn = turn_of(lowering, state->inside.index[own_axis(lowering, state)], 0);
    return plait_lower_walk(lowering, type, state->region, &state->inside, store, &storing);
}

PlaitValue plait_scan_before(PlaitLowering *lowering, const PlaitScan *state, uint32_t k, const PlaitPlaces *places)
{
    PlaitValue turn = turn_of(lowering, state->inside.index[own_axis(lowering, state)], 1);
    return load(lowering, state, k, turn, places, state->region);
}

PlaitValue plait_scan_after(PlaitLowering *lowering, const PlaitScan *state, uint32_t k, const PlaitPlaces *places)
{
    bool carry = k < carry_count(lowering, state);
    PlaitValue turn = carry ? turn_at_end(lowering, state, true) : 0;
    return load(lowering, state, k, turn, places, state->home);
}
