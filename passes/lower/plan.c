/* The plan of a kernel: how each axis is realised and how large tiles are.
 *
 *   1. The axis of a scan is the loop; axes of folds, and those that the scan's body walks along, are walked in inner
 * loops; axes that a reduction or a scan's body needs whole are whole tiles.
 *   2. Of the other axes, those of run-time length and batch-like ones go to the grid, one position a program; when the
 * kernel has no loop, one time axis is worked on in blocks of rows.
 *   3. Feature axes that nothing needs whole are cut into blocks over the grid until tiles fit what a program should
 * hold.
 *   4. When tiles are small instead (a recurrence per channel), a program takes a block of the axis that lies innermost
 * in memory. Sizes aim at what stays in registers and in the nearest cache; the limits are measured, not derived
 * (bench/README.md).
 */
#include "passes/lower/lower.h"
#include "passes/stage/walked.h"

typedef struct Limits {
    uint32_t loop_elements, block_elements; /* of the largest tile, with and without a loop */
    uint32_t rows, fold, least_block, most_lanes;
} Limits;

static Limits limits_of(const PlaitTileTarget *target, bool has_fold)
{
    if (target->gpu) return (Limits){4096, 8192, has_fold ? 64 : 16, 32, 16, 128};
    return (Limits){16384, 16384, has_fold ? 64 : 16, 64, 16, 128};
}

/* Rows of a fold with products on the CPU: what it loads and puts in order along the fold serves more of them. */
enum { CPU_PRODUCT_ROWS = 128 };

/* Blocks for the matrix units of a GPU: a group of four warps has 64 rows. */
static const Limits matrix_limits = {4096, 32768, 128, 128, 64, 256};

/* Loops by blocks of tokens: as many tokens as a group of four warps has rows; a state of 64 columns or rows likewise.
 */
static const Limits block_limits = {16384, 16384, PLAIT_BLOCK_TOKENS, PLAIT_BLOCK_TOKENS, 64, 64};

typedef struct Planner {
    const PlaitFunction *operator_;
    const PlaitRegion *region;
    PlaitKernelPlan plan;
    bool *used, *whole, *folded;
    bool *rest; /* of loops by blocks: see find_rest */
    bool gpu;
    uint64_t most; /* elements of the largest tile under the present plan */
} Planner;

static void use_type(Planner *planner, PlaitType type)
{
    for (uint32_t i = 0; i < type.rank; i++) planner->used[type.axes[i]] = true;
}

static void scan_region(Planner *planner, const PlaitRegion *region);

/* What is walked is walked in inner loops, as are the axes of folds; an axis of static size that is not of time is
 * whole. */
static void walk(Planner *planner, PlaitAxis axis)
{
    bool *how = plait_axis_is_long(planner->operator_, axis) ? planner->folded : planner->whole;
    planner->plan.walked[axis] = how[axis] = planner->used[axis] = true;
}

/* A scan of the kernel gives the loop. */
static void scan_scan(Planner *planner, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(planner->operator_, value);
    planner->plan.loop = inst->axes[0];
    planner->plan.direction = (int)inst->ints[0];
    planner->plan.segments = plait_segments_of(inst);
    if (planner->plan.segments != PLAIT_NO_AXIS) planner->used[planner->plan.segments] = true;
    plait_walked_axes(planner->operator_, value, planner->plan.walked);
    for (PlaitAxis axis = 0; axis < planner->operator_->axes.count; axis++)
        if (planner->plan.walked[axis]) walk(planner, axis);
}

static void scan_inst(Planner *planner, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(planner->operator_, value);
    bool reduce = plait_op_is_reduce((PlaitOp)inst->op);
    if (inst->op == PLAIT_OP_SCAN && inst->region == planner->region) scan_scan(planner, value);
    /* What a scan makes and another of its positions reads is summed against a mask: the axis is needed whole. */
    PlaitAxis read = inst->op == PLAIT_OP_GATHER ? inst->axes[0] : PLAIT_NO_AXIS;
    if (read != PLAIT_NO_AXIS && planner->operator_->axes.data[read].size >= 0 &&
        planner->operator_->axes.data[read].role == PLAIT_ROLE_FEATURE &&
        plait_region_inside(plait_inst(planner->operator_, inst->operands[0])->region, planner->region))
        planner->whole[read] = planner->used[read] = true;
    if (plait_is_block_fold(inst)) {
        planner->plan.loop = inst->axes[0];
        planner->plan.twin = inst->axes[1];
        planner->plan.direction = 1;
    } else if (inst->op == PLAIT_OP_FOLD) {
        planner->folded[inst->axes[0]] = true;
    }
    for (uint32_t i = 0; reduce && i < inst->axis_count; i++)
        planner->whole[inst->axes[i]] = planner->used[inst->axes[i]] = true;
    if (inst->body) scan_region(planner, inst->body);
}

static void scan_region(Planner *planner, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) scan_inst(planner, region->body.data[i]);
}

/* In a kernel with a loop, what leaves it lies on one grid (fuse_outline.c), but for axes walked by a scan of which the
 * kernel may have kept too little to tell: an axis that only some of it has. */
static void walk_partial(Planner *planner)
{
    const PlaitFunction *operator_ = planner->operator_;
    for (PlaitAxis axis = 0; axis < operator_->axes.count; axis++) {
        uint32_t having = 0;
        bool grid = axis != planner->plan.loop && axis != planner->plan.segments &&
                    (operator_->axes.data[axis].role != PLAIT_ROLE_FEATURE ||
                     operator_->axes.data[axis].size == PLAIT_RUNTIME_SIZE);
        for (uint32_t i = 0; i < planner->region->yields.count; i++)
            having += plait_type_has(plait_type_of(operator_, planner->region->yields.data[i]), axis);
        if (grid && having && having < planner->region->yields.count) walk(planner, axis);
    }
}

/* The time axis worked on in blocks: the last one that the first yielded value over one has, a fold's partner before
 * others. */
static PlaitAxis find_rows(const Planner *planner)
{
    const PlaitFunction *operator_ = planner->operator_;
    PlaitAxis rows = PLAIT_NO_AXIS;
    for (uint32_t i = 0; i < planner->region->yields.count; i++) {
        PlaitType type = plait_type_of(operator_, planner->region->yields.data[i]);
        for (uint32_t k = 0; k < type.rank; k++) {
            PlaitAxis axis = type.axes[k];
            if (operator_->axes.data[axis].role != PLAIT_ROLE_TIME || planner->folded[axis]) continue;
            bool partner = false;
            for (PlaitAxis f = 0; f < operator_->axes.count; f++)
                partner |=
                    planner->folded[f] && plait_axis_extent_of(operator_, f) == plait_axis_extent_of(operator_, axis);
            if (partner) return axis;
            if (rows == PLAIT_NO_AXIS) rows = axis;
        }
    }
    return rows;
}

/* Marks the axes that the region, or one inside of it, sums over. */
static void mark_reduced(const PlaitFunction *operator_, const PlaitRegion *region, bool *reduced)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(operator_, region->body.data[i]);
        for (uint32_t k = 0; k < inst->axis_count && plait_op_is_reduce((PlaitOp)inst->op); k++)
            reduced[inst->axes[k]] = true;
        if (inst->body) mark_reduced(operator_, inst->body, reduced);
    }
}

/* Marks the axes that a state of a loop by blocks has beside those that are summed over in its fold. They become rows
 * of the products that add to it, so there are always as many positions as a block has tokens. */
static void find_rest(Planner *planner)
{
    const PlaitFunction *operator_ = planner->operator_;
    for (uint32_t i = 0; i < planner->region->body.count; i++) {
        const PlaitInst *inst = plait_inst(operator_, planner->region->body.data[i]);
        if (!plait_is_block_fold(inst)) continue;
        bool *reduced = PLAIT_NEW_ARRAY(operator_->module->arena, bool, operator_->axes.count);
        mark_reduced(operator_, inst->body, reduced);
        for (uint32_t k = 0; k < inst->body->params.count; k++) {
            PlaitType type = plait_type_of(operator_, inst->body->params.data[k]);
            for (uint32_t a = 0; a < type.rank; a++)
                if (operator_->axes.data[type.axes[a]].role == PLAIT_ROLE_FEATURE && !reduced[type.axes[a]])
                    planner->rest[type.axes[a]] = true;
        }
    }
}

/* Programs that make what a fold by blocks reads have a whole block each. Returns whether this is such a kernel. */
static bool find_places(Planner *planner, const PlaitRegion *region)
{
    bool found = false;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitType type = plait_type_of(planner->operator_, region->body.data[i]);
        for (uint32_t k = 0; k < type.rank; k++) {
            if (!planner->operator_->axes.data[type.axes[k]].place) continue;
            planner->used[type.axes[k]] = planner->whole[type.axes[k]] = found = true;
        }
    }
    return found;
}

/* Positions of a fold at once: of an axis of static size in equal blocks, so that the last one has few surplus ones.
 * The threads of a GPU share out powers of two, vectors are multiples of 8. */
static uint32_t fold_tile(const Planner *planner, PlaitAxis axis, uint32_t most)
{
    int64_t size = planner->operator_->axes.data[axis].size;
    if (size <= 0) return most;
    int64_t blocks = (size + most - 1) / most;
    uint32_t least = (uint32_t)((size + blocks - 1) / blocks), tile = 8;
    while (tile < least) tile += planner->gpu ? tile : 8;
    return tile < most ? tile : most;
}

static PlaitAxisPlan plan_axis(const Planner *planner, PlaitAxis axis, const Limits *limits)
{
    const PlaitAxisInfo *info = &planner->operator_->axes.data[axis];
    bool time = info->role == PLAIT_ROLE_TIME;
    bool loop = axis == planner->plan.loop || axis == planner->plan.twin;
    if (loop) return (PlaitAxisPlan){PLAIT_AXIS_LOOP, planner->plan.twin != PLAIT_NO_AXIS ? limits->rows : 0};
    if (!planner->used[axis] && !planner->folded[axis]) return (PlaitAxisPlan){PLAIT_AXIS_UNUSED, 0};
    bool short_walk = planner->plan.walked[axis] && info->size > 0 && info->size < limits->fold;
    if (planner->folded[axis] && short_walk) return (PlaitAxisPlan){PLAIT_AXIS_FOLD, (uint32_t)info->size};
    bool one = !time || planner->plan.places; /* as many as the body can do at once, or one after another */
    if (planner->folded[axis])
        return (PlaitAxisPlan){PLAIT_AXIS_FOLD, one ? 1 : fold_tile(planner, axis, limits->fold)};
    if (planner->rest[axis] && info->size > 0 && (!planner->whole[axis] || info->size <= limits->rows))
        return (PlaitAxisPlan){planner->whole[axis] ? PLAIT_AXIS_WHOLE : PLAIT_AXIS_BLOCK, limits->rows};
    if (planner->whole[axis]) return (PlaitAxisPlan){PLAIT_AXIS_WHOLE, (uint32_t)info->size};
    if (axis == planner->plan.rows) return (PlaitAxisPlan){PLAIT_AXIS_BLOCK, limits->rows};
    if (info->size == PLAIT_RUNTIME_SIZE || info->role != PLAIT_ROLE_FEATURE || info->size == 0)
        return (PlaitAxisPlan){PLAIT_AXIS_PROGRAM, 0};
    bool wide = info->size > limits->most_lanes; /* more programs rather than a wider one */
    return (PlaitAxisPlan){PLAIT_AXIS_BLOCK, wide ? limits->most_lanes : (uint32_t)info->size};
}

static uint64_t elements(const Planner *planner, PlaitType type)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < type.rank; i++) {
        uint32_t tile = planner->plan.axes[type.axes[i]].tile;
        if (tile) count *= tile;
        if (count > UINT32_MAX) return UINT32_MAX;
    }
    return count;
}

/* Whether a value is only multiplied and summed as part of a matrix product, so that no tile of it exists. */
static bool only_contracted(const Planner *planner, const PlaitRegion *region, PlaitValue value)
{
    bool contracted = false;
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(planner->operator_, region->body.data[i]);
        for (uint32_t k = 0; k < inst->operand_count; k++) {
            PlaitContraction contraction;
            if (inst->operands[k] != value) continue;
            if (!plait_find_contraction(planner->operator_, planner->plan.axes, region->body.data[i], &contraction))
                return false;
            contracted = true;
        }
    }
    return contracted;
}

/* The axis that the fold with that body walks along, or PLAIT_NO_AXIS. */
static PlaitAxis region_axis(const PlaitFunction *operator_, const PlaitRegion *region)
{
    const PlaitInst *owner = plait_inst(operator_, region->owner);
    return region->owner && owner->op == PLAIT_OP_FOLD ? owner->axes[0] : PLAIT_NO_AXIS;
}

/* Whether a reader at the points of `value` needs no tile of it: a sum along the fold's axis, or a value of which none
 * is needed either. */
static bool reads_in_passing(const Planner *planner, PlaitValue reader, PlaitValue value, PlaitAxis fold,
                             const bool *passing)
{
    const PlaitInst *inst = plait_inst(planner->operator_, reader);
    PlaitContraction contraction;
    if (inst->op == PLAIT_OP_REDUCE_SUM)
        return inst->axis_count == 1 && inst->axes[0] == fold && inst->operands[0] == value &&
               !plait_find_contraction(planner->operator_, planner->plan.axes, reader, &contraction);
    return passing[reader] && plait_type_same_axes(inst->type, plait_type_of(planner->operator_, value));
}

/* On a CPU sums stand in registers while what they add is made and forgotten. Marks, by value, what is made in a fold
 * only to be added so: there is no tile of it. */
static bool *find_passing(const Planner *planner, const PlaitRegion *region)
{
    const PlaitFunction *operator_ = planner->operator_;
    PlaitAxis fold = region_axis(operator_, region);
    bool *passing = PLAIT_NEW_ARRAY(operator_->module->arena, bool, operator_->insts.count);
    if (planner->gpu || fold == PLAIT_NO_AXIS) return passing;
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(operator_, region->body.data[i]);
        passing[region->body.data[i]] = (plait_op_is_pointwise((PlaitOp)inst->op) || inst->op == PLAIT_OP_BROADCAST ||
                                         inst->op == PLAIT_OP_GATHER) &&
                                        plait_type_has(inst->type, fold);
    }
    for (uint32_t i = 0; i < region->yields.count; i++) passing[region->yields.data[i]] = false;
    for (uint32_t i = region->body.count; i-- > 0;) { /* readers first */
        const PlaitInst *inst = plait_inst(operator_, region->body.data[i]);
        for (uint32_t k = 0; k < inst->operand_count; k++) {
            bool *operand = &passing[inst->operands[k]];
            *operand = *operand && reads_in_passing(planner, region->body.data[i], inst->operands[k], fold, passing);
        }
    }
    return passing;
}

/* How many numbers lie in the nearest cache for what a value needs at once: a tile; or a sum, and as many numbers of
 * both of its factors. */
static uint64_t numbers_of(const Planner *planner, const PlaitRegion *region, PlaitType type, bool passing)
{
    return passing ? 3 * elements(planner, plait_type_without(type, region_axis(planner->operator_, region)))
                   : elements(planner, type);
}

static void measure(Planner *planner, const PlaitRegion *region)
{
    const bool *passing = find_passing(planner, region);
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(planner->operator_, value);
        uint64_t count = inst->body ? 0 : numbers_of(planner, region, inst->type, passing[value]);
        if (count > planner->most && !only_contracted(planner, region, value)) planner->most = count;
        if (!inst->body) continue;
        for (uint32_t k = 0; k < inst->body->params.count; k++) {
            count = elements(planner, plait_type_of(planner->operator_, inst->body->params.data[k]));
            if (count > planner->most) planner->most = count;
        }
        measure(planner, inst->body);
    }
}

static uint64_t largest(Planner *planner)
{
    planner->most = 1;
    measure(planner, planner->region);
    return planner->most;
}

/* The axis whose tile should shrink next: feature blocks first, then folds, then rows; PLAIT_NO_AXIS when all are
 * small. */
static PlaitAxis to_shrink(const Planner *planner, const Limits *limits)
{
    PlaitAxis best = PLAIT_NO_AXIS;
    for (PlaitAxis axis = 0; axis < planner->operator_->axes.count; axis++) {
        const PlaitAxisPlan *plan = &planner->plan.axes[axis];
        bool feature = plan->use == PLAIT_AXIS_BLOCK && axis != planner->plan.rows;
        if (feature && plan->tile > limits->least_block &&
            (best == PLAIT_NO_AXIS || plan->tile > planner->plan.axes[best].tile))
            best = axis;
    }
    if (best != PLAIT_NO_AXIS) return best;
    for (PlaitAxis axis = 0; axis < planner->operator_->axes.count; axis++)
        if (planner->plan.axes[axis].use == PLAIT_AXIS_FOLD && planner->plan.axes[axis].tile > 8) return axis;
    PlaitAxis rows = planner->plan.rows;
    return rows != PLAIT_NO_AXIS && planner->plan.axes[rows].tile > 1 ? rows : PLAIT_NO_AXIS;
}

/* Counts, for each axis, the tensors that the kernel reads in which it is the innermost. */
static void count_innermost(const Planner *planner, const PlaitRegion *region, uint32_t *counts)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(planner->operator_, region->body.data[i]);
        for (uint32_t k = 0; k < inst->operand_count; k++) {
            const PlaitInst *operand = plait_inst(planner->operator_, inst->operands[k]);
            if (operand->op == PLAIT_OP_PARAM && operand->type.rank)
                counts[operand->type.axes[operand->type.rank - 1]]++;
        }
        if (inst->body) count_innermost(planner, inst->body, counts);
    }
}

/* Small tiles: gives each program a block of one of the grid's axes. */
static void widen(Planner *planner, const Limits *limits)
{
    uint32_t count = planner->operator_->axes.count,
             *innermost = PLAIT_NEW_ARRAY(planner->operator_->module->arena, uint32_t, count);
    uint64_t tile = limits->loop_elements / (4 * largest(planner));
    PlaitAxis best = PLAIT_NO_AXIS;
    count_innermost(planner, planner->region, innermost);
    for (PlaitAxis axis = 0; axis < count; axis++) {
        if (planner->plan.axes[axis].use != PLAIT_AXIS_PROGRAM || planner->operator_->axes.data[axis].size == 0)
            continue;
        if (innermost[axis] && (best == PLAIT_NO_AXIS || innermost[axis] > innermost[best])) best = axis;
    }
    if (best == PLAIT_NO_AXIS || tile < 2) return;
    int64_t size = planner->operator_->axes.data[best].size;
    if (tile > limits->most_lanes) tile = limits->most_lanes;
    if (size != PLAIT_RUNTIME_SIZE && (int64_t)tile > size) tile = (uint64_t)size;
    planner->plan.axes[best] = (PlaitAxisPlan){PLAIT_AXIS_BLOCK, (uint32_t)tile};
}

static PlaitValue through_broadcast(const PlaitFunction *operator_, PlaitValue value)
{
    while (plait_op_of(operator_, value) == PLAIT_OP_BROADCAST) value = plait_inst(operator_, value)->operands[0];
    return value;
}

/* Whether a value is a 16-bit tensor, widened, perhaps read at other positions. */
static bool is_narrow(const PlaitFunction *operator_, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(operator_, through_broadcast(operator_, value));
    if (inst->op == PLAIT_OP_GATHER) return is_narrow(operator_, inst->operands[0]);
    if (inst->op != PLAIT_OP_CAST) return false;
    return plait_scalar_is_16_bit(plait_type_of(operator_, inst->operands[0]).scalar);
}

/* Whether `value` is made, inside of `region`, from a reduction: another product, most often, in whose fragments it
 * lies. `seen`, by value: it was looked at. */
static bool follows_product(const PlaitFunction *operator_, const PlaitRegion *region, PlaitValue value, bool *seen)
{
    const PlaitInst *inst = plait_inst(operator_, value);
    if (seen[value] || inst->region != region) return false;
    seen[value] = true;
    if (plait_op_is_reduce((PlaitOp)inst->op)) return true;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (follows_product(operator_, region, inst->operands[i], seen)) return true;
    return false;
}

/* Whether some product's operand is neither a 16-bit tensor, which is copied to shared memory as it is, nor made from
 * another product: such tiles pass through registers. */
static bool has_computed_operands(const Planner *planner, const PlaitRegion *region)
{
    const PlaitFunction *operator_ = planner->operator_;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitRegion *inner = plait_inst(operator_, value)->body;
        PlaitContraction contraction;
        if (inner && has_computed_operands(planner, inner)) return true;
        if (!plait_find_contraction(operator_, planner->plan.axes, value, &contraction)) continue;
        for (uint32_t side = 0; side < 2; side++) {
            PlaitValue operand = side ? contraction.b : contraction.a;
            bool *seen = PLAIT_NEW_ARRAY(operator_->module->arena, bool, operator_->insts.count);
            bool outside = !plait_type_has(plait_type_of(operator_, operand), region_axis(operator_, region));
            if (!outside && !is_narrow(operator_, operand) && !follows_product(operator_, region, operand, seen))
                return true;
        }
    }
    return false;
}

/* Whether the region has products for the matrix units. */
static bool has_matrix_products(const Planner *planner, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitRegion *inner = plait_inst(planner->operator_, value)->body;
        PlaitContraction contraction;
        bool found = plait_find_contraction(planner->operator_, planner->plan.axes, value, &contraction);
        if (found && (is_narrow(planner->operator_, contraction.a) || is_narrow(planner->operator_, contraction.b)))
            return true;
        if (inner && has_matrix_products(planner, inner)) return true;
    }
    return false;
}

enum { MOST_COLUMNS = 128 };

/* Elements of the largest carry of a fold, for each row. */
static uint64_t widest_carry(const Planner *planner, const PlaitRegion *region)
{
    uint64_t widest = 0, rows = planner->plan.axes[planner->plan.rows].tile;
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(planner->operator_, region->body.data[i]);
        for (uint32_t k = 0; inst->op == PLAIT_OP_FOLD && k < inst->body->params.count; k++) {
            uint64_t count = elements(planner, plait_type_of(planner->operator_, inst->body->params.data[k])) / rows;
            if (count > widest) widest = count;
        }
    }
    return widest;
}

static void plan_axes(Planner *planner, const Limits *limits)
{
    for (PlaitAxis axis = 0; axis < planner->operator_->axes.count; axis++)
        planner->plan.axes[axis] = plan_axis(planner, axis, limits);
}

PlaitKernelPlan plait_empty_plan(const PlaitFunction *operator_)
{
    PlaitArena *arena = operator_->module->arena;
    uint32_t count = operator_->axes.count;
    return (PlaitKernelPlan){.axes = PLAIT_NEW_ARRAY(arena, PlaitAxisPlan, count),
                             .loop = PLAIT_NO_AXIS,
                             .twin = PLAIT_NO_AXIS,
                             .segments = PLAIT_NO_AXIS,
                             .direction = 1,
                             .rows = PLAIT_NO_AXIS,
                             .walked = PLAIT_NEW_ARRAY(arena, bool, count)};
}

PlaitKernelPlan plait_plan_kernel(const PlaitFunction *operator_, const PlaitRegion *region,
                                  const PlaitTileTarget *target)
{
    PlaitArena *arena = operator_->module->arena;
    uint32_t count = operator_->axes.count;
    Planner planner = {.operator_ = operator_,
                       .region = region,
                       .used = PLAIT_NEW_ARRAY(arena, bool, count),
                       .whole = PLAIT_NEW_ARRAY(arena, bool, count),
                       .folded = PLAIT_NEW_ARRAY(arena, bool, count),
                       .rest = PLAIT_NEW_ARRAY(arena, bool, count),
                       .gpu = target->gpu};
    planner.plan = plait_empty_plan(operator_);
    scan_region(&planner, region);
    /* Every other axis of a value inside ends in a reduction, which has marked it, or in a gather, which replaces it.
     */
    for (uint32_t i = 0; i < region->yields.count; i++)
        use_type(&planner, plait_type_of(operator_, region->yields.data[i]));
    if (planner.plan.twin != PLAIT_NO_AXIS) find_rest(&planner);
    bool has_fold = false;
    if (planner.plan.loop != PLAIT_NO_AXIS) walk_partial(&planner);
    for (uint32_t i = 0; i < count; i++) {
        planner.folded[i] = planner.folded[i] && i != planner.plan.loop;
        has_fold |= planner.folded[i];
    }
    if (planner.plan.loop == PLAIT_NO_AXIS) planner.plan.rows = find_rows(&planner);
    planner.plan.places = planner.plan.twin == PLAIT_NO_AXIS && find_places(&planner, region);
    bool blocks = planner.plan.twin != PLAIT_NO_AXIS || planner.plan.places;
    Limits limits = blocks ? block_limits : limits_of(target, has_fold);
    plan_axes(&planner, &limits);
    /* Sums of products live in registers: more columns of a result leave room for fewer positions of the fold, as do
     * operands that pass through registers. */
    bool products = planner.plan.rows != PLAIT_NO_AXIS && has_fold && has_matrix_products(&planner, region);
    if (products && !target->gpu) {
        limits.rows = CPU_PRODUCT_ROWS;
        plan_axes(&planner, &limits);
    }
    if (products && target->gpu) {
        limits = matrix_limits;
        plan_axes(&planner, &limits);
        if (widest_carry(&planner, region) > MOST_COLUMNS || has_computed_operands(&planner, region)) limits.fold /= 2;
        plan_axes(&planner, &limits);
    }
    uint32_t limit = planner.plan.loop == PLAIT_NO_AXIS ? limits.block_elements : limits.loop_elements;
    while (largest(&planner) > limit) {
        PlaitAxis axis = to_shrink(&planner, &limits);
        if (axis == PLAIT_NO_AXIS) break;
        planner.plan.axes[axis].tile = (planner.plan.axes[axis].tile + 1) / 2;
    }
    if (planner.plan.loop != PLAIT_NO_AXIS && planner.plan.twin == PLAIT_NO_AXIS) widen(&planner, &limits);
    return planner.plan;
}

/* ---- matrix products ---- */

static bool in_tiles(const PlaitAxisPlan *axes, PlaitAxis axis)
{
    PlaitAxisUse use = axes[axis].use;
    bool walked = use == PLAIT_AXIS_FOLD || use == PLAIT_AXIS_LOOP;
    return use == PLAIT_AXIS_BLOCK || use == PLAIT_AXIS_WHOLE || (walked && axes[axis].tile > 1);
}

bool plait_find_contraction(const PlaitFunction *operator_, const PlaitAxisPlan *axes, PlaitValue reduce,
                            PlaitContraction *contraction)
{
    const PlaitInst *inst = plait_inst(operator_, reduce);
    if (inst->op != PLAIT_OP_REDUCE_SUM || inst->axis_count != 1 || !in_tiles(axes, inst->axes[0])) return false;
    const PlaitInst *product = plait_inst(operator_, through_broadcast(operator_, inst->operands[0]));
    if (product->op != PLAIT_OP_MUL || plait_scalar_kind((PlaitScalar)product->type.scalar) != PLAIT_FLOATING)
        return false;
    PlaitAxis axis = inst->axes[0];
    PlaitType a = plait_type_of(operator_, product->operands[0]), b = plait_type_of(operator_, product->operands[1]);
    bool own_a = false, own_b = false, shared = false;
    for (uint32_t i = 0; i < a.rank; i++) {
        if (!in_tiles(axes, a.axes[i]) || a.axes[i] == axis) continue;
        shared |= plait_type_has(b, a.axes[i]);
        own_a |= !plait_type_has(b, a.axes[i]);
    }
    for (uint32_t i = 0; i < b.rank; i++)
        own_b |= in_tiles(axes, b.axes[i]) && b.axes[i] != axis && !plait_type_has(a, b.axes[i]);
    if (!plait_type_has(a, axis) || !plait_type_has(b, axis) || !own_a || !own_b || shared) return false;
    *contraction = (PlaitContraction){product->operands[0], product->operands[1], axis};
    return true;
}
