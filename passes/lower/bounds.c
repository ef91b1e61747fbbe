/* Which tiles of a fold a mask on data lets through: a kernel that finds it out before the fold's own runs.
 *
 * For a block of rows, of each comparison (masks.c) the smallest and the largest query are computed. A key may meet
 * some row's query if it lies right to them, and meets all if it does so whichever is taken:
 *
 *     key == query    some: least <= key <= largest     all: key == least and key == largest
 *     key <= query    some: key <= largest              all: key <= least
 *
 * Two walks along the fold's axis follow. The first gives the range of positions whose keys may meet some row in every
 * comparison. The second, over that range, gives for each comparison the first and the last key that does not meet all
 * rows; the longer of what stands before the first and of what stands after the last is let through whole. Where keys
 * are sorted, as of packed documents, nothing is lost by either; where they are not, the ranges are too wide or too
 * narrow, never wrong: tiles outside of the second keep the mask.
 *
 * The bounds go to workspaces, a number for each block of rows. The fold's kernel loads them once, as scalars, so the
 * loops that it makes of them are as those of positions (loops.c), with copies that run ahead.
 */
#include "passes/lower/bounds.h"

#include "ir/build.h"

enum { WALKED_ON_GPU = 1024, WALKED_ON_CPU = 256 }; /* keys at a time: little is done with each */

/* Whether some side of a comparison may be a NaN, which meets nothing, and is neither the smallest nor the largest. */
static bool has_floats(const PlaitFunction *operator_, const PlaitDataMask *mask)
{
    for (uint32_t i = 0; i < mask->count; i++) {
        PlaitValue side = mask->list[i].query ? mask->list[i].query : mask->list[i].key;
        if (plait_scalar_kind((PlaitScalar)plait_type_of(operator_, side).scalar) == PLAIT_FLOATING) return true;
    }
    return false;
}

/* Whether a loop for the tiles that all rows see is worth its while. On the CPU it gains nothing that could be measured
 * (packed documents of 1000 tokens, d = 64: 14.1 and 14.3 ms) and takes its time to compile. Nor is it where there is
 * no such loop for conditions on positions and the mask is one of keys alone: computed for each key, not for each pair,
 * it takes less than the registers that a second loop wants. */
static bool wants_full(const PlaitDataBounds *bounds, const PlaitTileTarget *target)
{
    return target->gpu && !(bounds->mask.alone && bounds->rows == PLAIT_NO_AXIS);
}

PlaitDataBounds plait_data_bounds(const PlaitFunction *operator_, const PlaitKernelPlan *plan,
                                  const PlaitDataMask *mask, const PlaitTileTarget *target)
{
    bool rows = plan->rows != PLAIT_NO_AXIS && plait_type_has(mask->axes, plan->rows);
    PlaitDataBounds bounds = {.mask = *mask, .rows = rows ? plan->rows : PLAIT_NO_AXIS, .blocks = PLAIT_NO_AXIS};
    bool full = wants_full(&bounds, target) && !has_floats(operator_, mask);
    bounds.count = full ? PLAIT_MOST_BOUNDS : PLAIT_BOUND_FULL_FROM;
    return bounds;
}

PlaitKernelPlan plait_plan_data_bounds(const PlaitFunction *operator_, const PlaitKernelPlan *plan,
                                       const PlaitDataMask *mask, const PlaitTileTarget *target)
{
    PlaitKernelPlan own = plait_empty_plan(operator_);
    for (uint32_t i = 0; i < mask->axes.rank; i++) own.axes[mask->axes.axes[i]] = plan->axes[mask->axes.axes[i]];
    if (plan->rows != PLAIT_NO_AXIS && plait_type_has(mask->axes, plan->rows)) own.rows = plan->rows;
    PlaitAxis axis = plait_inst(operator_, mask->fold)->axes[0];
    own.axes[axis] = (PlaitAxisPlan){PLAIT_AXIS_FOLD, target->gpu ? WALKED_ON_GPU : WALKED_ON_CPU};
    return own;
}

/* ---- small helpers ---- */

static PlaitValue binary(PlaitLowering *lowering, PlaitOp op, PlaitValue x, PlaitValue y)
{
    return plait_lower_binary(lowering, op, x, y);
}

static PlaitValue negated(PlaitLowering *lowering, PlaitValue x)
{
    PlaitBuilder builder = plait_lower_at(lowering, &x, 1);
    return plait_build_unary(&builder, PLAIT_OP_NOT, x);
}

/* A side of a comparison at places, truths as 0 and 1. */
static PlaitValue lower_side(PlaitLowering *lowering, PlaitValue side, const PlaitPlaces *places)
{
    if (!side) return plait_lower_i32(lowering, 1);
    PlaitValue x = plait_lower_value(lowering, side, places);
    if (!x || plait_type_of(lowering->kernel, x).scalar != PLAIT_BOOL) return x;
    PlaitBuilder builder = plait_lower_at(lowering, &x, 1);
    return plait_build_cast(&builder, x, PLAIT_I32);
}

static PlaitValue reduced(PlaitLowering *lowering, PlaitOp op, PlaitValue x, PlaitAxis axis)
{
    PlaitBuilder builder = plait_lower_at(lowering, &x, 1);
    return plait_build_reduce(&builder, op, x, 0, &axis, 1);
}

/* ---- comparisons ---- */

/* The smallest and the largest query of the program's rows. */
typedef struct Extremes {
    PlaitValue least, largest;
} Extremes;

static PlaitValue extreme(PlaitLowering *lowering, PlaitOp op, PlaitAxis rows, PlaitValue query)
{
    PlaitType type = plait_type_of(lowering->kernel, query);
    if (rows == PLAIT_NO_AXIS || !plait_type_has(type, rows)) return query;
    PlaitValue inside = binary(lowering, PLAIT_OP_LT, lowering->outer.index[rows], plait_lower_size(lowering, rows));
    double none = plait_reduce_identity(op, (PlaitScalar)type.scalar);
    query = plait_lower_select(lowering, inside, query, plait_lower_number_like(lowering, query, none));
    return reduced(lowering, op, query, rows);
}

/* A comparison by order holds for all rows if it holds for the query at the near end, for some if for that at the far
 * end. */
static PlaitValue meets_by_order(PlaitLowering *lowering, PlaitOp op, PlaitValue key, const Extremes *query, bool all)
{
    bool below = op == PLAIT_OP_LT || op == PLAIT_OP_LE;
    return binary(lowering, op, key, below == all ? query->least : query->largest);
}

/* Whether a key meets the query of some row, as far as that can be told. */
static PlaitValue may_meet(PlaitLowering *lowering, PlaitOp op, PlaitValue key, const Extremes *query)
{
    if (op == PLAIT_OP_EQ)
        return binary(lowering, PLAIT_OP_AND, binary(lowering, PLAIT_OP_GE, key, query->least),
                      binary(lowering, PLAIT_OP_LE, key, query->largest));
    if (op == PLAIT_OP_NE)
        return binary(lowering, PLAIT_OP_OR, binary(lowering, op, key, query->least),
                      binary(lowering, op, query->least, query->largest));
    return meets_by_order(lowering, op, key, query, false);
}

/* Whether a key meets the queries of all rows. */
static PlaitValue meets_all(PlaitLowering *lowering, PlaitOp op, PlaitValue key, const Extremes *query)
{
    if (op == PLAIT_OP_EQ)
        return binary(lowering, PLAIT_OP_AND, binary(lowering, op, key, query->least),
                      binary(lowering, op, key, query->largest));
    if (op == PLAIT_OP_NE)
        return binary(lowering, PLAIT_OP_OR, binary(lowering, PLAIT_OP_LT, key, query->least),
                      binary(lowering, PLAIT_OP_GT, key, query->largest));
    return meets_by_order(lowering, op, key, query, true);
}

/* ---- walks ---- */

enum { MOST_KEPT = 2 * PLAIT_MOST_COMPARISONS };

/* A loop over [from, to) along the fold's axis, which keeps the first or last positions of some kinds. */
typedef struct Walk {
    PlaitLowering *lowering;
    PlaitAxis axis;
    PlaitValue from, to;
    PlaitRegion *region;
    PlaitPlaces places;
    PlaitValue operands[2 + MOST_KEPT]; /* of the loop */
    PlaitOp ops[MOST_KEPT];             /* REDUCE_MIN, REDUCE_MAX */
    uint32_t count;
} Walk;

static Walk begin_walk(PlaitLowering *lowering, PlaitAxis axis, PlaitValue from, PlaitValue to)
{
    Walk walk = {.lowering = lowering, .axis = axis, .from = from, .to = to, .operands = {from, to}};
    walk.region = plait_region_create(lowering->kernel, lowering->kernel->body);
    walk.places = plait_places_copy(lowering, &lowering->outer);
    PlaitBuilder body = {lowering->kernel, walk.region, lowering->span};
    PlaitValue position = plait_build_argument(lowering->kernel, walk.region, plait_type(PLAIT_I32), lowering->span);
    walk.places.index[axis] = plait_build_iota(&body, axis, position);
    return walk;
}

/* Keeps the least (`op` REDUCE_MIN) or largest `number` of the positions where `which` holds; `none` of none. */
static void keep(Walk *walk, PlaitOp op, PlaitValue which, PlaitValue number, PlaitValue none)
{
    PlaitLowering *lowering = walk->lowering;
    PlaitType type = plait_type_of(lowering->kernel, number);
    PlaitValue param = plait_build_argument(lowering->kernel, walk->region, type, lowering->span);
    PlaitValue found = plait_lower_select(lowering, which, number, none);
    PlaitOp combine = op == PLAIT_OP_REDUCE_MIN ? PLAIT_OP_MIN : PLAIT_OP_MAX;
    plait_yield(lowering->kernel, walk->region, binary(lowering, combine, param, found));
    walk->operands[2 + walk->count] = plait_lower_broadcast(lowering, none, type);
    walk->ops[walk->count++] = op;
}

/* Writes the loop; what was kept goes to `kept`, in order. */
static void end_walk(Walk *walk, PlaitValue *kept)
{
    PlaitLowering *lowering = walk->lowering;
    PlaitBuilder builder = {lowering->kernel, lowering->kernel->body, lowering->span};
    PlaitValue loop = plait_lower_for(lowering, builder.region, walk->region, walk->axis,
                                      lowering->plan.axes[walk->axis].tile, walk->operands, 2 + walk->count);
    for (uint32_t i = 0; i < walk->count; i++) {
        PlaitType type = plait_type_of(lowering->kernel, walk->operands[2 + i]);
        kept[i] = reduced(lowering, walk->ops[i], plait_build_result(&builder, loop, i, type), walk->axis);
    }
}

/* ---- the kernel ---- */

typedef struct Writer {
    PlaitLowering *lowering;
    const PlaitDataBounds *bounds;
    Extremes queries[PLAIT_MOST_COMPARISONS];
    PlaitValue results[PLAIT_MOST_BOUNDS];
} Writer;

static bool find_extremes(Writer *writer)
{
    PlaitLowering *lowering = writer->lowering;
    for (uint32_t i = 0; i < writer->bounds->mask.count; i++) {
        PlaitValue query = lower_side(lowering, writer->bounds->mask.list[i].query, &lowering->outer);
        if (!query) return false;
        writer->queries[i] = (Extremes){extreme(lowering, PLAIT_OP_REDUCE_MIN, writer->bounds->rows, query),
                                        extreme(lowering, PLAIT_OP_REDUCE_MAX, writer->bounds->rows, query)};
    }
    return true;
}

/* The range of positions that some row may see. Conditions on positions narrow the walk, and so the range. */
static bool find_range(Writer *writer, PlaitAxis axis)
{
    PlaitLowering *lowering = writer->lowering;
    const PlaitDataMask *mask = &writer->bounds->mask;
    PlaitValue from, to;
    plait_lower_fold_range(lowering, mask->fold, &from, &to);
    Walk walk = begin_walk(lowering, axis, from, to);
    PlaitValue position = walk.places.index[axis];
    PlaitValue seen = binary(lowering, PLAIT_OP_LT, position, to);
    for (uint32_t i = 0; i < mask->count; i++) {
        PlaitValue key = lower_side(lowering, mask->list[i].key, &walk.places);
        if (!key) return false;
        seen = binary(lowering, PLAIT_OP_AND, seen, may_meet(lowering, mask->list[i].op, key, &writer->queries[i]));
    }
    keep(&walk, PLAIT_OP_REDUCE_MIN, seen, position, to);
    PlaitValue next = binary(lowering, PLAIT_OP_ADD, position, plait_lower_i32(lowering, 1));
    keep(&walk, PLAIT_OP_REDUCE_MAX, seen, next, from);
    end_walk(&walk, writer->results);
    return true;
}

/* The longer of the ranges in front of the first position `first` that is not full and after the last, `last` - 1. */
static void narrow_full(Writer *writer, PlaitValue first, PlaitValue last, PlaitValue *from, PlaitValue *to)
{
    PlaitLowering *lowering = writer->lowering;
    PlaitValue begin = writer->results[PLAIT_BOUND_FROM], end = writer->results[PLAIT_BOUND_TO];
    PlaitValue front = binary(lowering, PLAIT_OP_GE, binary(lowering, PLAIT_OP_SUB, first, begin),
                              binary(lowering, PLAIT_OP_SUB, end, last));
    *from = binary(lowering, PLAIT_OP_MAX, *from, plait_lower_select(lowering, front, begin, last));
    *to = binary(lowering, PLAIT_OP_MIN, *to, plait_lower_select(lowering, front, first, end));
}

/* The range of positions that all rows see. One that holds no tile is put at the end: nothing comes before it then
 * but what keeps its mask. */
static bool find_full(Writer *writer, PlaitAxis axis, uint32_t tile)
{
    PlaitLowering *lowering = writer->lowering;
    const PlaitDataMask *mask = &writer->bounds->mask;
    PlaitValue begin = writer->results[PLAIT_BOUND_FROM], end = writer->results[PLAIT_BOUND_TO];
    PlaitValue kept[MOST_KEPT], from = begin, to = end;
    Walk walk = begin_walk(lowering, axis, begin, end);
    PlaitValue position = walk.places.index[axis];
    PlaitValue outside = binary(lowering, PLAIT_OP_GE, position, end);
    PlaitValue next = binary(lowering, PLAIT_OP_ADD, position, plait_lower_i32(lowering, 1));
    for (uint32_t i = 0; i < mask->count; i++) {
        PlaitValue key = lower_side(lowering, mask->list[i].key, &walk.places);
        if (!key) return false;
        PlaitValue good = meets_all(lowering, mask->list[i].op, key, &writer->queries[i]);
        PlaitValue bad = negated(lowering, binary(lowering, PLAIT_OP_OR, good, outside));
        keep(&walk, PLAIT_OP_REDUCE_MIN, bad, position, end);
        keep(&walk, PLAIT_OP_REDUCE_MAX, bad, next, begin);
    }
    end_walk(&walk, kept);
    for (uint32_t i = 0; i < mask->count; i++) narrow_full(writer, kept[2 * i], kept[2 * i + 1], &from, &to);
    PlaitValue holds =
        binary(lowering, PLAIT_OP_GE, binary(lowering, PLAIT_OP_SUB, to, from), plait_lower_i32(lowering, tile));
    writer->results[PLAIT_BOUND_FULL_FROM] = plait_lower_select(lowering, holds, from, end);
    writer->results[PLAIT_BOUND_FULL_TO] = to;
    return true;
}

/* The block of rows that is the program's. */
static PlaitValue block_of_rows(PlaitLowering *lowering, const PlaitDataBounds *bounds)
{
    const PlaitInst *rows = plait_inst(lowering->kernel, lowering->outer.index[bounds->rows]);
    PlaitValue start = rows->operand_count ? rows->operands[0] : plait_lower_i32(lowering, 0);
    uint32_t block = lowering->kernel->axes.data[bounds->blocks].block;
    return plait_lower_binary(lowering, PLAIT_OP_FLOORDIV, start, plait_lower_i32(lowering, block));
}

/* The workspace of a bound and the program's place in it; returns how many operands that are. */
static uint32_t address_of(PlaitLowering *lowering, const PlaitDataBounds *bounds, PlaitBound which,
                           PlaitValue *operands)
{
    uint32_t count = 0;
    operands[count++] = plait_lower_tensor(lowering, bounds->names[which], bounds->type, 0);
    for (uint32_t i = 0; i < bounds->type.rank; i++) {
        PlaitAxis axis = bounds->type.axes[i];
        operands[count++] = axis == bounds->blocks ? block_of_rows(lowering, bounds) : lowering->outer.index[axis];
    }
    return count;
}

bool plait_write_data_bounds(PlaitLowering *lowering, const PlaitDataBounds *bounds, uint32_t tile)
{
    Writer writer = {.lowering = lowering, .bounds = bounds};
    PlaitAxis axis = plait_inst(lowering->operator_, bounds->mask.fold)->axes[0];
    if (!find_extremes(&writer) || !find_range(&writer, axis)) return false;
    if (bounds->count > PLAIT_BOUND_FULL_FROM && !find_full(&writer, axis, tile)) return false;
    for (uint32_t i = 0; i < bounds->count; i++) {
        PlaitValue operands[2 + PLAIT_MAX_RANK];
        uint32_t count = address_of(lowering, bounds, (PlaitBound)i, operands);
        operands[count++] = writer.results[i];
        PlaitBuilder builder = plait_lower_at(lowering, operands, count);
        PlaitValue store = plait_build(&builder, PLAIT_OP_STORE, plait_type(PLAIT_BOOL), operands, count);
        plait_set_ints(lowering->kernel, store, (int64_t[]){0}, 1);
    }
    return true;
}

/* ---- the fold's kernel ---- */

const PlaitDataBounds *plait_data_bounds_of(const PlaitLowering *lowering, PlaitValue fold, const PlaitPlaces *places)
{
    const PlaitDataBounds *found = NULL;
    for (uint32_t i = 0; i < lowering->bound_count; i++)
        if (lowering->bounds[i].mask.fold == fold) found = &lowering->bounds[i];
    for (uint32_t i = 0; found && i < found->mask.axes.rank; i++) {
        PlaitAxis axis = found->mask.axes.axes[i];
        if (places->index[axis] != lowering->outer.index[axis]) return NULL;
    }
    return found;
}

PlaitValue plait_load_bound(PlaitLowering *lowering, const PlaitDataBounds *bounds, PlaitBound which)
{
    PlaitValue operands[1 + PLAIT_MAX_RANK];
    uint32_t count = address_of(lowering, bounds, which, operands);
    PlaitBuilder builder = plait_lower_at(lowering, operands, count);
    return plait_build(&builder, PLAIT_OP_LOAD, plait_type(PLAIT_I32), operands, count);
}
