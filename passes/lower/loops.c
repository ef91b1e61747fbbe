/* Loops of a kernel: folds, the loop along the axis of its scans, and those of scans inside it. */
#include "passes/lower/bounds.h"

/* A carry of a loop being written: region parameter, initial and next value. No parameter: it is kept in memory. */
typedef struct Carry {
    PlaitValue param, initial, next;
} Carry;

typedef PLAIT_VECTOR(Carry) Carries;

/* Adds a carry of the type that `argument` of the operator has at `places`, starting from the tile `start` (0: it could
 * not be made), and binds the argument to it. */
static bool add_carry(PlaitLowering *lowering, Carries *carries, PlaitRegion *region, PlaitValue argument,
                      PlaitValue start, const PlaitPlaces *inside)
{
    PlaitType type = plait_tile_type(lowering, plait_type_of(lowering->operator_, argument), inside);
    if (!start) return false;
    Carry carry = {.initial = plait_lower_broadcast(lowering, start, type)};
    carry.param = plait_build_argument(lowering->kernel, region, type, lowering->span);
    plait_lower_bind(lowering, argument, inside, carry.param);
    plait_push(lowering->arena, carries, carry);
    return true;
}

static bool finish_carry(PlaitLowering *lowering, Carry *carry, PlaitValue yielded, const PlaitPlaces *inside)
{
    PlaitValue next = plait_lower_value(lowering, yielded, inside);
    if (!next) return false;
    carry->next = plait_lower_broadcast(lowering, next, plait_type_of(lowering->kernel, carry->param));
    return true;
}

PlaitValue plait_lower_for(PlaitLowering *lowering, PlaitRegion *home, PlaitRegion *region, PlaitAxis axis,
                           int64_t step, const PlaitValue *operands, uint32_t count)
{
    PlaitBuilder builder = {lowering->kernel, home, lowering->span};
    PlaitValue loop = plait_build_owner(&builder, PLAIT_OP_FOR, operands, count, region);
    plait_set_axes(lowering->kernel, loop, &axis, 1);
    plait_set_ints(lowering->kernel, loop, &step, 1);
    return loop;
}

/* Writes the loop itself, its carries in the order of the region's parameters. */
static PlaitValue build_for(PlaitLowering *lowering, PlaitRegion *home, PlaitRegion *region, PlaitAxis axis,
                            int64_t step, PlaitValue from, PlaitValue to, const Carries *carries)
{
    PlaitFunction *kernel = lowering->kernel;
    uint32_t count = region->params.count - 1;
    PlaitValue *operands = PLAIT_NEW_ARRAY(lowering->arena, PlaitValue, count + 2);
    operands[0] = from, operands[1] = to;
    for (uint32_t i = 0; i < count; i++) {
        const Carry *carry = carries->data;
        while (carry->param != region->params.data[i + 1]) carry++;
        operands[i + 2] = carry->initial;
        plait_yield(kernel, region, carry->next);
    }
    return plait_lower_for(lowering, home, region, axis, step, operands, count + 2);
}

/* Binds the operator's results of `owner` below `count` to the results of the loop. */
static void bind_results(PlaitLowering *lowering, PlaitValue owner, PlaitValue loop, const PlaitRegion *region,
                         const Carries *carries, uint32_t first, uint32_t count, const PlaitPlaces *places)
{
    const PlaitRegion *home = plait_inst(lowering->operator_, owner)->region;
    for (uint32_t i = 0; i < home->body.count; i++) {
        const PlaitInst *inst = plait_inst(lowering->operator_, home->body.data[i]);
        if (inst->op != PLAIT_OP_RESULT || inst->operands[0] != owner || inst->ints[0] >= count) continue;
        PlaitValue param = carries->data[first + (uint32_t)inst->ints[0]].param;
        uint32_t at = 1;
        if (!param) continue;
        while (region->params.data[at] != param) at++;
        PlaitBuilder builder = {lowering->kernel, plait_inst(lowering->kernel, loop)->region, lowering->span};
        PlaitValue result = plait_build_result(&builder, loop, at - 1, plait_type_of(lowering->kernel, param));
        plait_lower_bind(lowering, home->body.data[i], places, result);
    }
}

/* A fold, of which one or several loops are written, one after another. */
typedef struct FoldLoop {
    PlaitLowering *lowering;
    PlaitValue fold;
    const PlaitInst *inst;
    const PlaitPlaces *places;
    PlaitAxis axis;
    uint32_t tile, count; /* count: of carries */
    PlaitRegion *home, *region;
    PlaitValue *state; /* the carries before the next loop */
    PlaitValue loop;
    Carries carries;
} FoldLoop;

static void forget(void *context, PlaitValue value)
{
    PlaitLowering *lowering = context;
    lowering->memo[value] = NULL;
}

/* What is known of a fold's body belongs to one loop. */
static void forget_body(PlaitLowering *lowering, const PlaitRegion *body)
{
    plait_region_walk(lowering->operator_, body, forget, lowering);
    for (uint32_t i = 0; i < body->params.count; i++) forget(lowering, body->params.data[i]);
}

/* Writes the loop over [from, to). `rest`: what its tiles need of the mask; NULL: all of it. */
static bool write_loop(FoldLoop *fold, PlaitValue from, PlaitValue to, const PlaitValues *rest)
{
    PlaitLowering *lowering = fold->lowering;
    PlaitFunction *kernel = lowering->kernel;
    forget_body(lowering, fold->inst->body);
    fold->region = plait_region_create(kernel, fold->home);
    fold->carries = (Carries){0};
    PlaitValue position = plait_build_argument(kernel, fold->region, plait_type(PLAIT_I32), lowering->span);
    PlaitPlaces inside = plait_places_copy(lowering, fold->places);
    PlaitBuilder body = {kernel, fold->region, lowering->span};
    inside.index[fold->axis] = fold->tile > 1 ? plait_build_iota(&body, fold->axis, position) : position;
    for (uint32_t i = 0; i < fold->count; i++)
        if (!add_carry(lowering, &fold->carries, fold->region, fold->inst->body->params.data[i], fold->state[i],
                       &inside))
            return false;
    PlaitAxis before = lowering->unmasked; /* of this loop: its body may be inside another's */
    PlaitValues rest_before = lowering->rest;
    lowering->unmasked = rest ? fold->axis : PLAIT_NO_AXIS;
    lowering->rest = rest ? *rest : (PlaitValues){0};
    bool good = true;
    for (uint32_t i = 0; i < fold->count && good; i++)
        good = finish_carry(lowering, &fold->carries.data[i], fold->inst->body->yields.data[i], &inside);
    lowering->unmasked = before;
    lowering->rest = rest_before;
    if (!good) return false;
    fold->loop = build_for(lowering, fold->home, fold->region, fold->axis, fold->tile, from, to, &fold->carries);
    PlaitBuilder outside = {kernel, fold->home, lowering->span};
    for (uint32_t i = 0; i < fold->count; i++)
        fold->state[i] =
            plait_build_result(&outside, fold->loop, i, plait_type_of(kernel, fold->region->params.data[i + 1]));
    return true;
}

/* from + the whole tiles in [from, to), rounded up or down. */
static PlaitValue tiles_end(const FoldLoop *fold, PlaitValue from, PlaitValue to, bool up)
{
    PlaitLowering *lowering = fold->lowering;
    PlaitValue zero = plait_lower_i32(lowering, 0), tile = plait_lower_i32(lowering, fold->tile);
    PlaitValue span = plait_lower_binary(lowering, PLAIT_OP_SUB, to, from);
    if (up) span = plait_lower_binary(lowering, PLAIT_OP_ADD, span, plait_lower_i32(lowering, fold->tile - 1));
    span = plait_lower_binary(lowering, PLAIT_OP_MAX, span, zero);
    PlaitValue whole = plait_lower_binary(lowering, PLAIT_OP_FLOORDIV, span, tile);
    return plait_lower_binary(lowering, PLAIT_OP_ADD, from, plait_lower_binary(lowering, PLAIT_OP_MUL, whole, tile));
}

/* value = base + offset, with constants taken out of sums. */
static PlaitValue base_of(const PlaitFunction *kernel, PlaitValue value, int64_t *offset)
{
    for (;;) {
        const PlaitInst *inst = plait_inst(kernel, value);
        if (inst->op != PLAIT_OP_ADD) return value;
        uint32_t side = plait_op_of(kernel, inst->operands[0]) == PLAIT_OP_CONST ? 0 : 1;
        const PlaitInst *number = plait_inst(kernel, inst->operands[side]);
        if (number->op != PLAIT_OP_CONST) return value;
        *offset += (int64_t)number->number;
        value = inst->operands[1 - side];
    }
}

/* Whether [from, to) is known to hold no whole tile, whatever the program: a window narrower than rows and tile. */
static bool is_too_short(const FoldLoop *fold, PlaitValue from, PlaitValue to)
{
    const PlaitFunction *kernel = fold->lowering->kernel;
    const PlaitInst *end = plait_inst(kernel, to);
    if (!from) return false;
    if (end->op == PLAIT_OP_MIN)
        return is_too_short(fold, from, end->operands[0]) || is_too_short(fold, from, end->operands[1]);
    const PlaitInst *begin = plait_inst(kernel, from);
    if (begin->op == PLAIT_OP_MAX)
        return is_too_short(fold, begin->operands[0], to) || is_too_short(fold, begin->operands[1], to);
    int64_t first = 0, last = 0;
    return base_of(kernel, from, &first) == base_of(kernel, to, &last) && last - first < (int64_t)fold->tile;
}

/* Up to `last` positions let every tile through, but the other conjuncts of the mask need not: a loop with those, then,
 * where data gives a range that they let through as well, one without. Returns where they end; 0 after reporting. */
static PlaitValue write_rest(FoldLoop *fold, const PlaitDataBounds *data, const PlaitFullRange *full, PlaitValue from,
                             PlaitValue last)
{
    PlaitLowering *lowering = fold->lowering;
    if (!data) return write_loop(fold, from, last, &full->rest) ? last : 0;
    PlaitValue full_from = plait_load_bound(lowering, data, PLAIT_BOUND_FULL_FROM),
               full_to = plait_load_bound(lowering, data, PLAIT_BOUND_FULL_TO);
    full_to = plait_lower_binary(lowering, PLAIT_OP_MIN, full->to, full_to);
    PlaitValue first = plait_lower_binary(lowering, PLAIT_OP_MIN, last, tiles_end(fold, from, full_from, true));
    PlaitValue end = tiles_end(fold, first, full_to, false);
    return write_loop(fold, from, first, &full->rest) && write_loop(fold, first, end, &(PlaitValues){0}) ? end : 0;
}

/* The bounds that data gives the fold, if what all rows see is among them and nothing else is in the mask. */
static const PlaitDataBounds *full_by_data(const PlaitDataBounds *data, const PlaitValues *rest)
{
    if (!data || data->count <= PLAIT_BOUND_FULL_FROM) return NULL;
    for (uint32_t i = 0; i < rest->count; i++) {
        bool known = false;
        for (uint32_t k = 0; k < data->mask.count; k++) known |= data->mask.list[k].conjunct == rest->data[i];
        if (!known) return NULL;
    }
    return data;
}

/* The first position is rounded down to a tile: as many tiles as from that position on, and accesses that are known to
 * be aligned. */
static void narrow_by_data(FoldLoop *fold, const PlaitDataBounds *data, PlaitValue *from, PlaitValue *to)
{
    PlaitLowering *lowering = fold->lowering;
    PlaitValue first = plait_load_bound(lowering, data, PLAIT_BOUND_FROM),
               end = plait_load_bound(lowering, data, PLAIT_BOUND_TO), tile = plait_lower_i32(lowering, fold->tile);
    first = plait_lower_binary(lowering, PLAIT_OP_FLOORDIV, first, tile);
    first = plait_lower_binary(lowering, PLAIT_OP_MUL, first, tile);
    *from = plait_lower_binary(lowering, PLAIT_OP_MAX, *from, first);
    *to = plait_lower_binary(lowering, PLAIT_OP_MIN, *to, end);
}

/* Several loops where conditions on positions are known to let a range of tiles through whole: up to it, over it with
 * what else is in the mask, and the rest; the first only when the range has a lower end. Where data bounds the fold
 * only, the range is the whole axis. Inside of the kernel's loop there is one, with masks. */
static bool write_loops(FoldLoop *fold)
{
    PlaitLowering *lowering = fold->lowering;
    const PlaitDataBounds *data = plait_data_bounds_of(lowering, fold->fold, fold->places);
    PlaitFullRange full = {0};
    PlaitValue from, to;
    plait_lower_fold_range(lowering, fold->fold, &from, &to);
    bool split = fold->tile > 1 && !lowering->loop_region && plait_lower_fold_full(lowering, fold->fold, &full) &&
                 !is_too_short(fold, full.from, full.to);
    if (data) narrow_by_data(fold, data, &from, &to);
    if (data && split) full.to = plait_lower_binary(lowering, PLAIT_OP_MIN, full.to, to);
    data = full_by_data(data, &full.rest);
    if (!split || (full.everywhere && full.rest.count && !data)) return write_loop(fold, from, to, NULL);
    if (full.from) {
        PlaitValue first = plait_lower_binary(lowering, PLAIT_OP_MIN, to, tiles_end(fold, from, full.from, true));
        if (!write_loop(fold, from, first, NULL)) return false;
        from = first;
    }
    PlaitValue last = tiles_end(fold, from, full.to, false);
    if (full.rest.count) last = write_rest(fold, data, &full, from, last);
    else if (!write_loop(fold, from, last, &full.rest)) return false;
    return last && write_loop(fold, last, to, NULL);
}

/* Where a fold's loops go: into the loop of the scan whose body it stands in, and further inside when its results are
 * wanted at positions of a loop there. */
static PlaitRegion *fold_home(const PlaitLowering *lowering, const PlaitInst *inst, const PlaitPlaces *places)
{
    const PlaitScan *state = inst->region->owner ? lowering->scans[inst->region->owner] : NULL;
    PlaitRegion *home = state ? state->region : lowering->loop_region ? lowering->loop_region : lowering->kernel->body;
    for (uint32_t i = 0; i < inst->body->params.count; i++) {
        PlaitType type = plait_type_of(lowering->operator_, inst->body->params.data[i]);
        for (uint32_t k = 0; k < type.rank; k++) {
            bool inner =
                lowering->plan.axes[type.axes[k]].use == PLAIT_AXIS_FOLD || lowering->plan.walked[type.axes[k]];
            PlaitValue index = inner ? places->index[type.axes[k]] : 0;
            if (index && plait_region_inside(plait_inst(lowering->kernel, index)->region, home))
                home = plait_inst(lowering->kernel, index)->region;
        }
    }
    return home;
}

bool plait_lower_fold(PlaitLowering *lowering, PlaitValue value, const PlaitPlaces *places)
{
    const PlaitInst *inst = plait_inst(lowering->operator_, value);
    FoldLoop fold = {.lowering = lowering, .fold = value, .inst = inst, .places = places, .axis = inst->axes[0]};
    fold.tile = lowering->plan.axes[fold.axis].tile;
    fold.count = inst->body->params.count;
    fold.home = fold_home(lowering, inst, places);
    fold.state = PLAIT_NEW_ARRAY(lowering->arena, PlaitValue, fold.count);
    for (uint32_t i = 0; i < fold.count; i++) {
        fold.state[i] = plait_lower_value(lowering, inst->operands[i], places);
        if (!fold.state[i]) return false;
    }
    if (!write_loops(&fold)) return false;
    bind_results(lowering, value, fold.loop, fold.region, &fold.carries, 0, fold.count, places);
    return true;
}

/* A scan, or a fold along the loop's axis: its carries are carries of the loop. */
static bool loop_owner(const PlaitLowering *lowering, const PlaitInst *inst)
{
    return inst->op == PLAIT_OP_SCAN || (inst->op == PLAIT_OP_FOLD && inst->axes[0] == lowering->plan.loop);
}

/* Computes what the delays keep; doing so may add delays, or lengthen them. */
static bool fill_delays(PlaitLowering *lowering, Carries *carries, const PlaitPlaces *inside)
{
    for (uint32_t i = 0; i < lowering->delays.count; i++)
        if (!plait_lower_value(lowering, lowering->delays.data[i].value, inside)) return false;
    for (uint32_t i = 0; i < lowering->delays.count; i++) {
        const PlaitDelay *delay = &lowering->delays.data[i];
        PlaitValue present = plait_lower_value(lowering, delay->value, inside);
        for (uint32_t k = 0; k < delay->params.count; k++) {
            PlaitType type = plait_type_of(lowering->kernel, delay->params.data[k]);
            PlaitBuilder outer = plait_lower_at(lowering, NULL, 0);
            PlaitValue zero = plait_build_const(&outer, (PlaitScalar)type.scalar, 0);
            Carry carry = {delay->params.data[k], plait_lower_broadcast(lowering, zero, type),
                           k ? delay->params.data[k - 1] : present};
            plait_push(lowering->arena, carries, carry);
        }
    }
    return true;
}

/* The carries of a scan, which is given, or of a fold along the loop's axis: as carries of the loop, or stored in
 * front of it. */
static bool begin_owner(PlaitLowering *lowering, const PlaitInst *inst, PlaitScan *state, Carries *carries,
                        PlaitRegion *region, const PlaitPlaces *outside, const PlaitPlaces *inside)
{
    for (uint32_t k = 0; k < inst->body->params.count; k++) {
        if (state && plait_scan_keeps(lowering, state, k)) {
            plait_push(lowering->arena, carries, (Carry){0});
            if (!plait_scan_start(lowering, state, k)) return false;
            continue;
        }
        PlaitValue start = plait_lower_value(lowering, inst->operands[k], outside);
        if (!add_carry(lowering, carries, region, inst->body->params.data[k], start, inside)) return false;
    }
    return true;
}

static bool finish_owner(PlaitLowering *lowering, const PlaitInst *inst, PlaitScan *state, Carry *carries,
                         const PlaitPlaces *inside)
{
    for (uint32_t k = 0; k < inst->body->params.count; k++) {
        bool good = carries[k].param ? finish_carry(lowering, &carries[k], inst->body->yields.data[k], inside)
                                     : plait_scan_store(lowering, state, k);
        if (!good) return false;
    }
    return true;
}

static bool begin_carries(PlaitLowering *lowering, Carries *carries, const PlaitPlaces *inside)
{
    for (uint32_t i = 0; i < lowering->region->body.count; i++) {
        PlaitValue owner = lowering->region->body.data[i];
        const PlaitInst *inst = plait_inst(lowering->operator_, owner);
        if (!loop_owner(lowering, inst)) continue;
        PlaitScan *state = inst->op == PLAIT_OP_SCAN
                               ? plait_scan_create(lowering, owner, lowering->kernel->body, lowering->loop_region,
                                                   &lowering->outer, inside)
                               : NULL;
        if (!begin_owner(lowering, inst, state, carries, lowering->loop_region, &lowering->outer, inside)) return false;
    }
    return true;
}

static bool finish_carries(PlaitLowering *lowering, Carries *carries, const PlaitPlaces *inside)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < lowering->region->body.count; i++) {
        const PlaitInst *inst = plait_inst(lowering->operator_, lowering->region->body.data[i]);
        if (!loop_owner(lowering, inst)) continue;
        PlaitScan *state = lowering->scans[lowering->region->body.data[i]];
        Carry *own = carries->count ? carries->data + at : NULL; /* of no carry: there is no list */
        if (!finish_owner(lowering, inst, state, own, inside)) return false;
        at += inst->body->params.count;
    }
    return fill_delays(lowering, carries, inside);
}

/* The kernel's loop, being written. */
typedef struct KernelLoop {
    PlaitLowering *lowering;
    void (*inside)(PlaitLowering *lowering, const PlaitPlaces *places, void *context);
    void *context;
    PlaitRegion *region;
    PlaitValue loop;
    Carries carries;
} KernelLoop;

/* Where the loop's axis, and its twin, stand in a turn. */
static PlaitPlaces loop_places(KernelLoop *loop)
{
    PlaitLowering *lowering = loop->lowering;
    PlaitPlaces places = plait_places_copy(lowering, &lowering->outer);
    PlaitBuilder body = {lowering->kernel, loop->region, lowering->span};
    PlaitValue position = plait_build_argument(lowering->kernel, loop->region, plait_type(PLAIT_I32), lowering->span);
    lowering->loop_position = position;
    places.index[lowering->plan.loop] = position;
    if (lowering->plan.twin == PLAIT_NO_AXIS) return places;
    places.index[lowering->plan.loop] = plait_build_iota(&body, lowering->plan.loop, position);
    places.index[lowering->plan.twin] = plait_build_iota(&body, lowering->plan.twin, position);
    return places;
}

/* Whether an instruction of the loop is a position, or a load of numbers of tokens, made of early ones alone. */
static bool is_early(const PlaitFunction *kernel, const PlaitRegion *region, PlaitValue value, const bool *early)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    bool position = inst->op == PLAIT_OP_IOTA || inst->op == PLAIT_OP_FLOORDIV;
    if (!position && (inst->op != PLAIT_OP_LOAD || inst->type.rank > 1)) return false;
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        const PlaitInst *operand = plait_inst(kernel, inst->operands[i]);
        if (operand->region == region && operand->op != PLAIT_OP_ARGUMENT && !early[inst->operands[i]]) return false;
    }
    return true;
}

/* In a loop by blocks the loads of a few numbers for each token (decays, gates) stand first: they arrive while the
 * first products are made. */
static void put_loads_first(const PlaitLowering *lowering, PlaitRegion *region)
{
    PlaitValues body = region->body, ordered = {0};
    bool *early = PLAIT_NEW_ARRAY(lowering->arena, bool, lowering->kernel->insts.count);
    for (uint32_t i = 0; i < body.count; i++) {
        early[body.data[i]] = is_early(lowering->kernel, region, body.data[i], early);
        if (early[body.data[i]]) plait_push(lowering->arena, &ordered, body.data[i]);
    }
    for (uint32_t i = 0; i < body.count; i++)
        if (!early[body.data[i]]) plait_push(lowering->arena, &ordered, body.data[i]);
    region->body = ordered;
}

/* The positions of the segment that a program walks along. */
static void find_segment(PlaitLowering *lowering)
{
    PlaitAxis segments = lowering->plan.segments;
    PlaitValue tokens = plait_lower_i32(lowering, lowering->operator_->axes.data[segments].block);
    lowering->segment_from = plait_lower_binary(lowering, PLAIT_OP_MUL, lowering->outer.index[segments], tokens);
    PlaitValue end = plait_lower_binary(lowering, PLAIT_OP_ADD, lowering->segment_from, tokens);
    lowering->segment_to =
        plait_lower_binary(lowering, PLAIT_OP_MIN, plait_lower_size(lowering, lowering->plan.loop), end);
}

static bool write_kernel_loop(KernelLoop *loop, int64_t step)
{
    PlaitLowering *lowering = loop->lowering;
    PlaitFunction *kernel = lowering->kernel;
    bool segments = lowering->plan.segments != PLAIT_NO_AXIS;
    if (segments) find_segment(lowering);
    loop->region = lowering->loop_region = plait_region_create(kernel, kernel->body);
    PlaitPlaces places = loop_places(loop);
    if (!begin_carries(lowering, &loop->carries, &places)) return false;
    loop->inside(lowering, &places, loop->context);
    if (lowering->failed || !finish_carries(lowering, &loop->carries, &places)) return false;
    PlaitValue to = segments ? lowering->segment_to : plait_lower_size(lowering, lowering->plan.loop);
    PlaitValue from = segments ? lowering->segment_from : plait_lower_i32(lowering, 0);
    loop->loop = build_for(lowering, kernel->body, loop->region, lowering->plan.loop, step, from, to, &loop->carries);
    lowering->loop_region = NULL;
    if (lowering->plan.twin != PLAIT_NO_AXIS) put_loads_first(lowering, loop->region);
    return true;
}

void plait_lower_loop(PlaitLowering *lowering,
                      void (*inside)(PlaitLowering *lowering, const PlaitPlaces *places, void *context), void *context)
{
    KernelLoop loop = {.lowering = lowering, .inside = inside, .context = context};
    bool blocks = lowering->plan.twin != PLAIT_NO_AXIS;
    int64_t step = blocks ? (int64_t)lowering->plan.axes[lowering->plan.loop].tile : lowering->plan.direction;
    if (!write_kernel_loop(&loop, step)) return;
    uint32_t first = 0;
    for (uint32_t i = 0; i < lowering->region->body.count; i++) {
        const PlaitInst *inst = plait_inst(lowering->operator_, lowering->region->body.data[i]);
        if (!loop_owner(lowering, inst)) continue;
        bind_results(lowering, lowering->region->body.data[i], loop.loop, loop.region, &loop.carries, first,
                     inst->body->params.count, &lowering->outer);
        first += inst->body->params.count;
    }
}

/* The outputs of a scan inside, at its loop's position. One without its axis is computed where it is read. */
static bool store_outputs(PlaitLowering *lowering, const PlaitInst *inst, PlaitScan *state)
{
    for (uint32_t k = inst->body->params.count; k < inst->body->yields.count; k++)
        if (plait_type_has(plait_type_of(lowering->operator_, inst->body->yields.data[k]), inst->axes[0]) &&
            !plait_scan_store(lowering, state, k))
            return false;
    return true;
}

bool plait_lower_scan(PlaitLowering *lowering, PlaitValue scan)
{
    PlaitFunction *kernel = lowering->kernel;
    const PlaitInst *inst = plait_inst(lowering->operator_, scan);
    const PlaitScan *outer = lowering->scans[inst->region->owner];
    if (lowering->scans[scan]) return !lowering->failed;
    if (!outer)
        return plait_lower_fail(lowering, scan, "a scan inside an attend", "put the scan before the attend") != 0;
    PlaitRegion *region = plait_region_create(kernel, outer->region);
    PlaitPlaces inside = plait_places_copy(lowering, &outer->inside);
    inside.index[inst->axes[0]] = plait_build_argument(kernel, region, plait_type(PLAIT_I32), lowering->span);
    PlaitScan *state = plait_scan_create(lowering, scan, outer->region, region, &outer->inside, &inside);
    PlaitAxis unmasked = lowering->unmasked; /* of a loop that reads the scan */
    lowering->unmasked = PLAIT_NO_AXIS;
    Carries carries = {0};
    bool good = begin_owner(lowering, inst, state, &carries, region, &state->outside, &inside) &&
                finish_owner(lowering, inst, state, carries.data, &inside) && store_outputs(lowering, inst, state);
    lowering->unmasked = unmasked;
    if (!good) return false;
    PlaitValue from = plait_lower_i32(lowering, 0), to = plait_lower_size(lowering, inst->axes[0]);
    PlaitValue loop = build_for(lowering, outer->region, region, inst->axes[0], inst->ints[0], from, to, &carries);
    bind_results(lowering, scan, loop, region, &carries, 0, inst->body->params.count, &state->outside);
    return true;
}
