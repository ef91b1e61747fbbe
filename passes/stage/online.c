/* Reductions over an axis of run-time length become folds over blocks of it.
 *
 *     m = reduce.max x            fold (m, l, o) over blocks {
 *     l = reduce.sum exp(x - m)     m' = max(m, reduce.max x)
 *     o = reduce.sum exp(x - m)     r  = exp(m - m')
 *           / l * v                 l' = l r + reduce.sum exp(x - m')
 *                                   o' = o r + reduce.sum exp(x - m') v  }   and  o = o / l
 *
 *   1. Every such reduction gets a level: the number of passes over the axis that it needs. A sum may share the pass of
 * an earlier reduction that it depends on when summand.c can split its summand; all else that depends on it waits for
 * the next pass.
 *   2. Each (axis, level) becomes one fold: carries are the running results. When the reference point of an exponential
 *      moves, the running sum is rescaled by exp(new shift - old shift), or by 1 where the two are equal (both may be
 * infinite). bounded.c says of which exponentials the running results stay finite; others wait for the next pass.
 *   3. Scores may be -inf, as of positions that a program hides by adding -inf, and so may be the maximum m' of the
 * first blocks. x - m' would be NaN there, so 0 stands in for such an m': the weights are exp(-inf) = 0. A row that
 * ends at m = -inf has the NaN of its formula put in after the fold, unless it has no position at all.
 *   4. Factors that are the same for all positions are applied after the fold; a sum of exactly 0 stays 0 (a row with
 * no position).
 */
#include <math.h>

#include "ir/clone.h"
#include "ir/order.h"
#include "passes/passes.h"
#include "passes/stage/online.h"
#include "passes/stage/walked.h"

typedef struct Reduction {
    PlaitValue value;
    PlaitSummand summand; /* as split inside its fold */
    PlaitValue result;    /* what replaces `value` */
} Reduction;

typedef PLAIT_VECTOR(Reduction) Reductions;

/* Whether a mask has let a position of each row through: a carry, 1 then, else 0. */
typedef struct Seen {
    PlaitValue mask, carry, result;
} Seen;

typedef PLAIT_VECTOR(Seen) SeenMasks;

/* A reduction over several axes waits until `canonicalise` has split it. */
static bool long_reduction(const PlaitFunction *function, const PlaitInst *inst)
{
    return plait_op_is_reduce((PlaitOp)inst->op) && inst->axis_count == 1 &&
           plait_axis_is_long(function, inst->axes[0]);
}

static bool in_group(const Reductions *group, PlaitValue value)
{
    for (uint32_t i = 0; i < group->count; i++)
        if (group->data[i].value == value) return true;
    return false;
}

static void taint_region(const PlaitFunction *function, const PlaitRegion *region, const Reductions *group,
                         bool *tainted)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(function, value);
        bool depends = in_group(group, value);
        for (uint32_t k = 0; k < inst->operand_count; k++) depends |= tainted[inst->operands[k]];
        if (inst->body) {
            taint_region(function, inst->body, group, tainted);
            for (uint32_t k = 0; k < inst->body->body.count; k++) depends |= tainted[inst->body->body.data[k]];
        }
        tainted[value] = depends;
    }
}

/* Which values of the region depend on a reduction of the group. */
static bool *taints(const PlaitFunction *function, const PlaitRegion *region, const Reductions *group)
{
    bool *tainted = PLAIT_NEW_ARRAY(function->module->arena, bool, function->insts.count);
    taint_region(function, region, group, tainted);
    return tainted;
}

/* The shift must be computable inside the fold from running results: pointwise, from the group's maxima, minima and
 * sums alone. */
static bool shift_is_running(const PlaitFunction *function, const Reductions *group, const bool *tainted,
                             uint32_t tainted_count, PlaitValue value)
{
    if (value < tainted_count && !tainted[value]) return true;
    for (uint32_t i = 0; i < group->count; i++)
        if (group->data[i].value == value) return group->data[i].summand.factor == 0;
    const PlaitInst *inst = plait_inst(function, value);
    if (!plait_op_is_pointwise((PlaitOp)inst->op) && inst->op != PLAIT_OP_BROADCAST && inst->op != PLAIT_OP_CONST)
        return false;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (!shift_is_running(function, group, tainted, tainted_count, inst->operands[i])) return false;
    return true;
}

/* The fold under construction. */
typedef struct Fold {
    PlaitFoldGroup group;
    Reductions reductions;
    SeenMasks seen;
    PlaitBuilder outside; /* the region that the reductions stand in; sorted at the end */
    PlaitRegion *region;
    PlaitSpan span; /* of its first reduction: what the fold is blamed on */
    bool *walked;   /* by axis: the scan around it walks along the axis; NULL: along none */
} Fold;

static void begin_fold(Fold *fold, PlaitFunction *function, PlaitRegion *home, PlaitAxis axis)
{
    *fold = (Fold){.outside = {function, home, {0}}};
    fold->region = plait_region_create(function, home);
    fold->group = (PlaitFoldGroup){.function = function,
                                   .axis = axis,
                                   .body = {function, fold->region, {0}},
                                   .inside = plait_clone_map(function->module->arena)};
    bool *walked = PLAIT_NEW_ARRAY(function->module->arena, bool, function->axes.count);
    PlaitValue scan = plait_outermost_scan(function, home);
    if (scan && plait_walked_axes(function, scan, walked)) fold->walked = walked;
}

/* Whether the results lie on the same walked axes. Others cannot share a fold: it runs anew for each position of one,
 * and not at all for the other. */
static bool same_walks(const Fold *fold, PlaitType a, PlaitType b)
{
    for (PlaitAxis axis = 0; fold->walked && axis < fold->group.function->axes.count; axis++)
        if (fold->walked[axis] && plait_type_has(a, axis) != plait_type_has(b, axis)) return false;
    return true;
}

/* Whether what is computed inside the fold for `value` holds a reduction over another axis of run-time size: that gets
 * a fold of its own first, since none runs in another. */
static bool waits_for_another(const Fold *fold, PlaitValue value, bool *seen)
{
    const PlaitFunction *function = fold->group.function;
    const PlaitInst *inst = plait_inst(function, value);
    bool inside = inst->region == fold->outside.region && plait_type_has(inst->type, fold->group.axis);
    if (!inside || seen[value]) return false;
    seen[value] = true;
    if (long_reduction(function, inst) && inst->axes[0] != fold->group.axis &&
        function->axes.data[inst->axes[0]].size == PLAIT_RUNTIME_SIZE)
        return true;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (waits_for_another(fold, inst->operands[i], seen)) return true;
    return false;
}

/* Takes the reduction into the fold if its dependence on those already there allows. */
static bool try_add(Fold *fold, PlaitValue value)
{
    PlaitFunction *function = fold->group.function;
    PlaitInst inst = *plait_inst(function, value);
    if (fold->reductions.count && !same_walks(fold, inst.type, plait_type_of(function, fold->reductions.data[0].value)))
        return false;
    bool *seen = PLAIT_NEW_ARRAY(function->module->arena, bool, function->insts.count);
    for (uint32_t i = 0; i < inst.operand_count; i++)
        if (waits_for_another(fold, inst.operands[i], seen)) return false;
    bool *tainted = taints(function, fold->outside.region, &fold->reductions);
    fold->group.tainted = tainted;
    fold->group.tainted_count = function->insts.count;
    fold->group.mask = inst.operand_count == 2 ? inst.operands[1] : 0;
    bool mask_tainted = inst.operand_count == 2 && tainted[inst.operands[1]];
    Reduction reduction = {.value = value};
    fold->group.body.span = fold->outside.span = inst.span;
    if (mask_tainted) return false;
    if (!tainted[inst.operands[0]]) {
        reduction.summand.core = plait_fold_inside(&fold->group, inst.operands[0]);
    } else {
        if (inst.op != PLAIT_OP_REDUCE_SUM ||
            !plait_summand_split(&fold->group, &fold->outside, inst.operands[0], &reduction.summand))
            return false;
        if (!reduction.summand.core && !reduction.summand.exponents) return false;
        if (reduction.summand.shift &&
            !shift_is_running(function, &fold->reductions, tainted, fold->group.tainted_count, reduction.summand.shift))
            return false;
    }
    if (inst.operand_count == 2) plait_fold_inside(&fold->group, inst.operands[1]);
    plait_push(function->module->arena, &fold->reductions, reduction);
    if (fold->reductions.count == 1) fold->span = inst.span;
    return true;
}

static PlaitOp combiner(PlaitOp reduce)
{
    switch ((int)reduce) {
    case PLAIT_OP_REDUCE_MAX: return PLAIT_OP_MAX;
    case PLAIT_OP_REDUCE_MIN: return PLAIT_OP_MIN;
    case PLAIT_OP_REDUCE_PROD: return PLAIT_OP_MUL;
    default: return PLAIT_OP_ADD;
    }
}

/* A copy, inside the fold, of an expression over the group's reductions, with `running` standing for them. */
static PlaitValue with_running(Fold *fold, PlaitValue value, PlaitCloneMap *running)
{
    PlaitValue known = plait_clone_find(running, value);
    if (known) return known;
    if (value < fold->group.tainted_count && !fold->group.tainted[value]) return value;
    uint32_t count = plait_inst(fold->group.function, value)->operand_count;
    for (uint32_t i = 0; i < count; i++)
        with_running(fold, plait_inst(fold->group.function, value)->operands[i], running);
    return plait_clone_inst(&fold->group.body, value, running);
}

/* The factor by which a running sum changes when its shift moves from `before` to `after`. */
static PlaitValue rescale(PlaitBuilder *body, PlaitValue before, PlaitValue after)
{
    PlaitValue moved = plait_build_unary(body, PLAIT_OP_EXP, plait_build_binary(body, PLAIT_OP_SUB, after, before));
    PlaitValue same = plait_build_binary(body, PLAIT_OP_EQ, before, after);
    PlaitValue one = plait_build_const(body, (PlaitScalar)plait_type_of(body->function, moved).scalar, 1);
    return plait_build_select(body, same, one, moved);
}

/* The shift that a block's exponents take: `shift`, or 0 where that is infinite because every score so far is. */
static PlaitValue finite_shift(PlaitBuilder *body, PlaitValue shift)
{
    PlaitScalar scalar = (PlaitScalar)plait_type_of(body->function, shift).scalar;
    PlaitValue infinite = plait_build_binary(body, PLAIT_OP_EQ, shift, plait_build_const(body, scalar, HUGE_VAL));
    return plait_build_select(body, infinite, plait_build_const(body, scalar, 0), shift);
}

/* The next value of one running result, from its carry. */
static PlaitValue advance(Fold *fold, const Reduction *reduction, PlaitValue carry, PlaitCloneMap *old_running,
                          PlaitCloneMap *new_running)
{
    PlaitBuilder *body = &fold->group.body;
    PlaitInst inst = *plait_inst(body->function, reduction->value);
    PlaitValue term = reduction->summand.core, exponents = reduction->summand.exponents;
    if (reduction->summand.shift) {
        PlaitValue before = with_running(fold, reduction->summand.shift, old_running);
        PlaitValue after = with_running(fold, reduction->summand.shift, new_running);
        if (reduction->summand.infinite) after = finite_shift(body, after);
        carry = plait_build_binary(body, PLAIT_OP_MUL, carry, rescale(body, before, after));
        exponents = plait_build_binary(body, PLAIT_OP_ADD, exponents, after);
    }
    if (exponents) {
        PlaitValue weight = plait_build_unary(body, PLAIT_OP_EXP, exponents);
        term = term ? plait_build_binary(body, PLAIT_OP_MUL, weight, term) : weight;
    }
    PlaitValue mask = inst.operand_count == 2 ? plait_fold_inside(&fold->group, inst.operands[1]) : 0;
    PlaitType type = plait_type_with(plait_type_of(body->function, term), fold->group.axis);
    if (!plait_type_has(plait_type_of(body->function, term), fold->group.axis) &&
        !(mask && plait_type_has(plait_type_of(body->function, mask), fold->group.axis)))
        term = plait_build_broadcast(body, term, type); /* the same term at every position: it counts them */
    PlaitValue block = plait_build_reduce(body, (PlaitOp)inst.op, term, mask, &fold->group.axis, 1);
    return plait_build_binary(body, combiner((PlaitOp)inst.op), carry, block);
}

/* The axes that the running result has: those of the reduction without those of its factor alone. */
static PlaitType carry_type(Fold *fold, const Reduction *reduction)
{
    PlaitFunction *function = fold->group.function;
    PlaitInst inst = *plait_inst(function, reduction->value);
    PlaitType type = plait_type((PlaitScalar)inst.type.scalar);
    if (reduction->summand.core) type = plait_type_union(type, plait_type_of(function, reduction->summand.core));
    if (reduction->summand.exponents)
        type = plait_type_union(type, plait_type_of(function, reduction->summand.exponents));
    if (reduction->summand.shift) type = plait_type_union(type, plait_type_of(function, reduction->summand.shift));
    if (inst.operand_count == 2) type = plait_type_union(type, plait_type_of(function, inst.operands[1]));
    return plait_type_without(type, fold->group.axis);
}

/* Whether NaN is to be put in for rows whose scores are all -inf. */
static bool is_guarded(const Reduction *reduction) { return reduction->summand.shift && reduction->summand.infinite; }

/* The reduction's mask where it may let no position of a row through; 0: it lets one through if there is one. */
static PlaitValue partial_mask(const Fold *fold, const Reduction *reduction)
{
    const PlaitInst *inst = plait_inst(fold->group.function, reduction->value);
    PlaitValue mask = inst->operand_count == 2 ? inst->operands[1] : 0;
    return mask && !plait_mask_has_diagonal(fold->group.function, mask, fold->group.axis) ? mask : 0;
}

static Seen *find_seen(Fold *fold, PlaitValue mask)
{
    for (uint32_t i = 0; i < fold->seen.count; i++)
        if (fold->seen.data[i].mask == mask) return &fold->seen.data[i];
    return NULL;
}

static void list_seen(Fold *fold)
{
    for (uint32_t i = 0; i < fold->reductions.count; i++) {
        const Reduction *reduction = &fold->reductions.data[i];
        PlaitValue mask = is_guarded(reduction) ? partial_mask(fold, reduction) : 0;
        if (mask && !find_seen(fold, mask))
            plait_push(fold->group.function->module->arena, &fold->seen, (Seen){.mask = mask});
    }
}

/* The mask's axes without the fold's, and the walked ones of the fold's results (same_walks). */
static PlaitType seen_type(const Fold *fold, const Seen *seen)
{
    const PlaitFunction *function = fold->group.function;
    PlaitType type = plait_type_as(plait_type_of(function, seen->mask), PLAIT_F32);
    PlaitType results = plait_type_of(function, fold->reductions.data[0].value);
    for (uint32_t i = 0; fold->walked && i < results.rank; i++)
        if (fold->walked[results.axes[i]]) type = plait_type_with(type, results.axes[i]);
    return plait_type_without(type, fold->group.axis);
}

/* The next value of a carry that says whether a mask has let a position through. */
static PlaitValue advance_seen(Fold *fold, Seen *seen)
{
    PlaitBuilder *body = &fold->group.body;
    PlaitValue mask = plait_fold_inside(&fold->group, seen->mask);
    PlaitType type = plait_type_with(plait_type(PLAIT_F32), fold->group.axis);
    PlaitValue one = plait_build_broadcast(body, plait_build_const(body, PLAIT_F32, 1), type);
    PlaitValue block = plait_build_reduce(body, PLAIT_OP_REDUCE_MAX, one, mask, &fold->group.axis, 1);
    return plait_build_binary(body, PLAIT_OP_MAX, seen->carry, block);
}

/* The sum, or the NaN that its formula has where all scores are -inf. */
static PlaitValue with_undefined(Fold *fold, const Reduction *reduction)
{
    PlaitBuilder *outside = &fold->outside;
    PlaitValue shift = reduction->summand.shift, mask = partial_mask(fold, reduction), none;
    PlaitScalar scalar = (PlaitScalar)plait_type_of(outside->function, shift).scalar;
    PlaitValue good = plait_build_binary(outside, PLAIT_OP_LT, shift, plait_build_const(outside, scalar, HUGE_VAL));
    if (mask)
        none = plait_build_binary(outside, PLAIT_OP_LT, find_seen(fold, mask)->result,
                                  plait_build_const(outside, PLAIT_F32, 1));
    else
        none = plait_build_binary(outside, PLAIT_OP_EQ, plait_build_size(outside, fold->group.axis),
                                  plait_build_const(outside, PLAIT_I32, 0));
    PlaitValue undefined =
        plait_build_const(outside, (PlaitScalar)plait_type_of(outside->function, reduction->result).scalar, NAN);
    return plait_build_select(outside, plait_build_binary(outside, PLAIT_OP_OR, good, none), reduction->result,
                              undefined);
}

/* result = sum * factor, and exactly 0 stays 0: a row of no positions, whose factor may be 1 / 0. */
static PlaitValue apply_factor(PlaitBuilder *outside, PlaitValue sum, PlaitValue factor)
{
    PlaitValue zero = plait_build_const(outside, (PlaitScalar)plait_type_of(outside->function, sum).scalar, 0);
    PlaitValue empty = plait_build_binary(outside, PLAIT_OP_EQ, sum, zero);
    return plait_build_select(outside, empty, zero, plait_build_binary(outside, PLAIT_OP_MUL, sum, factor));
}

/* The carries: their initial values to `initial`, their next values to what the region yields. */
static void write_carries(Fold *fold, PlaitValue *initial)
{
    PlaitFunction *function = fold->group.function;
    PlaitArena *arena = function->module->arena;
    uint32_t count = fold->reductions.count;
    PlaitCloneMap old_running = plait_clone_map(arena), new_running = plait_clone_map(arena);
    PlaitValue *next = PLAIT_NEW_ARRAY(arena, PlaitValue, count + fold->seen.count);
    for (uint32_t i = 0; i < count; i++) {
        const Reduction *reduction = &fold->reductions.data[i];
        PlaitInst inst = *plait_inst(function, reduction->value);
        PlaitType type = carry_type(fold, reduction);
        initial[i] = plait_build_const(&fold->outside, (PlaitScalar)type.scalar,
                                       plait_reduce_identity((PlaitOp)inst.op, (PlaitScalar)type.scalar));
        PlaitValue carry = plait_build_argument(function, fold->region, type, inst.span);
        plait_clone_set(&old_running, reduction->value, carry);
        next[i] = advance(fold, reduction, carry, &old_running, &new_running);
        plait_clone_set(&new_running, reduction->value, next[i]);
    }
    for (uint32_t i = 0; i < fold->seen.count; i++) {
        Seen *seen = &fold->seen.data[i];
        PlaitType type = seen_type(fold, seen);
        initial[count + i] = plait_build_const(&fold->outside, PLAIT_F32, 0);
        seen->carry = plait_build_argument(function, fold->region, type, fold->span);
        next[count + i] = advance_seen(fold, seen);
    }
    for (uint32_t i = 0; i < count + fold->seen.count; i++) plait_yield(function, fold->region, next[i]);
}

static PlaitValue carry_result(Fold *fold, PlaitValue owner, uint32_t index)
{
    PlaitType type = plait_type_of(fold->group.function, fold->region->params.data[index]);
    return plait_build_result(&fold->outside, owner, index, type);
}

static void finish_fold(Fold *fold)
{
    PlaitFunction *function = fold->group.function;
    list_seen(fold);
    uint32_t count = fold->reductions.count, carries = count + fold->seen.count;
    PlaitValue *initial = PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, carries);
    write_carries(fold, initial);
    fold->outside.span = fold->span;
    PlaitValue owner = plait_build_owner(&fold->outside, PLAIT_OP_FOLD, initial, carries, fold->region);
    plait_set_axes(function, owner, &fold->group.axis, 1);
    for (uint32_t i = 0; i < fold->seen.count; i++) fold->seen.data[i].result = carry_result(fold, owner, count + i);
    for (uint32_t i = 0; i < count; i++) {
        Reduction *reduction = &fold->reductions.data[i];
        reduction->result = carry_result(fold, owner, i);
        if (is_guarded(reduction)) reduction->result = with_undefined(fold, reduction);
        if (reduction->summand.factor)
            reduction->result = apply_factor(&fold->outside, reduction->result, reduction->summand.factor);
        reduction->result =
            plait_build_broadcast(&fold->outside, reduction->result, plait_type_of(function, reduction->value));
    }
}

/* Drops the replaced reductions from their region, renames their uses and restores the order. */
static void replace_reductions(PlaitFunction *function, const Fold *fold)
{
    PlaitRegion *home = fold->outside.region;
    PlaitValue *map = PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, function->insts.count);
    for (uint32_t i = 0; i < fold->reductions.count; i++)
        map[fold->reductions.data[i].value] = fold->reductions.data[i].result;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < home->body.count; i++)
        if (!map[home->body.data[i]]) home->body.data[kept++] = home->body.data[i];
    home->body.count = kept;
    plait_replace_uses(function, map);
    plait_region_sort(function, home);
}

/* One fold of the region, from its first long reduction; false when it has none. */
static bool fold_first(PlaitFunction *function, PlaitRegion *home)
{
    PlaitValue first = 0;
    for (uint32_t i = 0; i < home->body.count && !first; i++)
        if (long_reduction(function, plait_inst(function, home->body.data[i]))) first = home->body.data[i];
    if (!first) return false;
    Fold fold;
    PlaitAxis axis = plait_inst(function, first)->axes[0];
    begin_fold(&fold, function, home, axis);
    uint32_t count = home->body.count; /* new values stand behind */
    for (uint32_t i = 0; i < count; i++) {
        PlaitValue value = home->body.data[i];
        const PlaitInst *inst = plait_inst(function, value);
        if (long_reduction(function, inst) && inst->axes[0] == axis) try_add(&fold, value);
    }
    finish_fold(&fold);
    replace_reductions(function, &fold);
    return true;
}

/* Folds of the region, then of the bodies of its scans and kernels. */
static bool fold_region(PlaitFunction *function, PlaitRegion *home)
{
    bool changed = false;
    while (fold_first(function, home)) changed = true;
    for (uint32_t i = 0; i < home->body.count; i++) {
        const PlaitInst *inst = plait_inst(function, home->body.data[i]);
        bool inside = inst->op == PLAIT_OP_SCAN || inst->op == PLAIT_OP_KERNEL;
        if (inside) changed = fold_region(function, inst->body) || changed;
    }
    return changed;
}

bool plait_pass_online(PlaitFunction *function) { return fold_region(function, function->body); }
