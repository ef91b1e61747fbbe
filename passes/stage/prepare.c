/* What a fold by blocks of tokens computes without its state is computed for all blocks at once, before it.
 *
 *     fold S over t, also called s, in blocks of 64 {
 *       P = (something of q, k and decays)          n: the block; x, y: places of t and s in it
 *       o = reduce.sum[s] P * (something of S)      ->   P = (the same over n, x, y: a kernel with a program a block)
 *     }                                                  fold S { o = reduce.sum[s] P[n, t - first, s - first] * .. }
 *
 * In the fold every operation waits for those before it, block after block; before it the blocks have nothing to do
 * with each other. Values along axes that the state has and no read sums over stay: they are larger than what they are
 * made of. Only folds with a third axis, which counts blocks of one size: the places in a block are then those of an
 * axis.
 *
 * Stands after `cse`, so that what several products share is stored once.
 */
#include "ir/clone.h"
#include "ir/order.h"
#include "passes/passes.h"
#include "passes/stage/causal.h"

typedef struct Prepare {
    PlaitFunction *function;
    PlaitValue fold;
    PlaitRegion *body;
    PlaitAxis time, twin, blocks, place, other; /* place, other: of time and twin in a block */
    bool *bound, *heavy;            /* by value of the body: made of the state; made by reductions, rounded */
    PlaitCloneMap hoisted, rebuilt; /* values of the body, or read there -> before the fold; in it */
    PlaitBuilder before, inside;
} Prepare;

static const PlaitInst *def(const Prepare *prepare, PlaitValue value) { return plait_inst(prepare->function, value); }

static bool in_body(const Prepare *prepare, PlaitValue value) { return def(prepare, value)->region == prepare->body; }

/* ---- what can go, what is worth it ---- */

static void mark_reduced(const Prepare *prepare, bool *reduced)
{
    for (uint32_t i = 0; i < prepare->body->body.count; i++) {
        const PlaitInst *inst = def(prepare, prepare->body->body.data[i]);
        for (uint32_t k = 0; k < inst->axis_count && plait_op_is_reduce((PlaitOp)inst->op); k++)
            reduced[inst->axes[k]] = true;
    }
}

/* Marks the state's feature axes that nothing in the fold sums over. */
static void mark_rest(const Prepare *prepare, bool *rest)
{
    const PlaitFunction *function = prepare->function;
    bool *reduced = PLAIT_NEW_ARRAY(function->module->arena, bool, function->axes.count);
    mark_reduced(prepare, reduced);
    for (uint32_t i = 0; i < prepare->body->params.count; i++) {
        PlaitType type = plait_type_of(function, prepare->body->params.data[i]);
        for (uint32_t k = 0; k < type.rank; k++)
            if (function->axes.data[type.axes[k]].role == PLAIT_ROLE_FEATURE)
                rest[type.axes[k]] = !reduced[type.axes[k]];
    }
}

static void classify(Prepare *prepare)
{
    const PlaitFunction *function = prepare->function;
    bool *rest = PLAIT_NEW_ARRAY(function->module->arena, bool, function->axes.count);
    mark_rest(prepare, rest);
    for (uint32_t i = 0; i < prepare->body->params.count; i++) prepare->bound[prepare->body->params.data[i]] = true;
    for (uint32_t i = 0; i < prepare->body->body.count; i++) {
        PlaitValue value = prepare->body->body.data[i];
        const PlaitInst *inst = def(prepare, value);
        bool reduces = plait_op_is_reduce((PlaitOp)inst->op) || inst->op == PLAIT_OP_SOLVE, bound = inst->body != NULL;
        bool rounds = inst->op == PLAIT_OP_CAST && plait_scalar_is_16_bit((PlaitScalar)inst->type.scalar);
        bool heavy = rounds || (reduces && plait_scalar_kind((PlaitScalar)inst->type.scalar) == PLAIT_FLOATING);
        for (uint32_t k = 0; k < inst->type.rank; k++) bound |= rest[inst->type.axes[k]];
        for (uint32_t k = 0; k < inst->operand_count; k++) {
            bound |= prepare->bound[inst->operands[k]];
            heavy |= prepare->heavy[inst->operands[k]];
        }
        prepare->bound[value] = bound;
        prepare->heavy[value] = heavy && !bound;
    }
}

/* ---- before the fold ---- */

static bool is_first_token(const Prepare *prepare, const PlaitInst *inst)
{
    return inst->op == PLAIT_OP_REDUCE_MIN && inst->axes[0] == prepare->time &&
           def(prepare, inst->operands[0])->op == PLAIT_OP_IOTA;
}

static bool is_position(const Prepare *prepare, const PlaitInst *inst)
{
    return inst->op == PLAIT_OP_IOTA && (inst->axes[0] == prepare->time || inst->axes[0] == prepare->twin);
}

static PlaitValue place(Prepare *prepare, PlaitAxis axis)
{
    return plait_build_iota(&prepare->before, axis == prepare->time ? prepare->place : prepare->other, 0);
}

static PlaitValue first_token(Prepare *prepare)
{
    PlaitValue size = plait_build_const(&prepare->before, PLAIT_I32, PLAIT_BLOCK_TOKENS);
    return plait_build_binary(&prepare->before, PLAIT_OP_MUL, plait_build_iota(&prepare->before, prepare->blocks, 0),
                              size);
}

static PlaitValue position(Prepare *prepare, PlaitAxis axis)
{
    return plait_build_binary(&prepare->before, PLAIT_OP_ADD, first_token(prepare), place(prepare, axis));
}

/* Whether there is a token at each place along the axis: the last block may have fewer. */
static PlaitValue is_token(Prepare *prepare, PlaitAxis axis)
{
    return plait_build_binary(&prepare->before, PLAIT_OP_LT, position(prepare, axis),
                              plait_build_size(&prepare->before, prepare->time));
}

static PlaitValue hoist(Prepare *prepare, PlaitValue value);

/* A value from outside of the fold, read in it, at the tokens of the block that `axis` stands for. */
static PlaitValue read_outside(Prepare *prepare, PlaitValue value, PlaitAxis axis)
{
    PlaitType type = plait_type_of(prepare->function, value);
    if (plait_type_has(type, prepare->twin))
        value = plait_build_gather(&prepare->before, value, prepare->twin, position(prepare, prepare->twin));
    if (!plait_type_has(type, prepare->time)) return value;
    return plait_build_gather(&prepare->before, value, prepare->time, position(prepare, axis));
}

static PlaitAxis hoisted_axis(const Prepare *prepare, PlaitAxis axis)
{
    return axis == prepare->time ? prepare->place : axis == prepare->twin ? prepare->other : axis;
}

static PlaitType hoisted_type(const Prepare *prepare, PlaitType type)
{
    PlaitType result = plait_type((PlaitScalar)type.scalar);
    for (uint32_t i = 0; i < type.rank; i++) {
        PlaitAxis axis = hoisted_axis(prepare, type.axes[i]);
        if (axis != type.axes[i]) result = plait_type_with(result, prepare->blocks);
        result = plait_type_with(result, axis);
    }
    return result;
}

/* Whether a value made before the fold, or read there, is 0 at places along `tokens` (time or twin) that have no token.
 * Reads of values over all tokens are 0 where there is none. */
static bool is_zero_outside(const Prepare *prepare, PlaitValue value, PlaitAxis tokens)
{
    const PlaitInst *inst = def(prepare, value);
    if (!in_body(prepare, value)) return plait_type_has(inst->type, tokens);
    if (inst->op == PLAIT_OP_GATHER) /* at the other places of the block */
        return tokens == prepare->twin && plait_reads_block(prepare->function, inst, def(prepare, prepare->fold)) &&
               is_zero_outside(prepare, inst->operands[0], prepare->time);
    if (inst->op == PLAIT_OP_CAST || inst->op == PLAIT_OP_NEG)
        return is_zero_outside(prepare, inst->operands[0], tokens);
    return (inst->op == PLAIT_OP_SUB || inst->op == PLAIT_OP_ADD) &&
           is_zero_outside(prepare, inst->operands[0], tokens) && is_zero_outside(prepare, inst->operands[1], tokens);
}

/* Whether a value is one of a few numbers: finite, that is. */
static bool is_choice_of_numbers(const Prepare *prepare, PlaitValue value)
{
    const PlaitInst *inst = def(prepare, value);
    if (inst->op == PLAIT_OP_CONST) return true;
    if (inst->op == PLAIT_OP_CAST || inst->op == PLAIT_OP_BROADCAST)
        return is_choice_of_numbers(prepare, inst->operands[0]);
    if (inst->op == PLAIT_OP_SUB)
        return is_choice_of_numbers(prepare, inst->operands[0]) && is_choice_of_numbers(prepare, inst->operands[1]);
    return inst->op == PLAIT_OP_SELECT && is_choice_of_numbers(prepare, inst->operands[1]) &&
           is_choice_of_numbers(prepare, inst->operands[2]);
}

/* Whether a product of two is 0 at places along `tokens` that have no token. */
static bool is_product_zero_outside(const Prepare *prepare, PlaitValue a, PlaitValue b, PlaitAxis tokens)
{
    return (is_zero_outside(prepare, a, tokens) && is_choice_of_numbers(prepare, b)) ||
           (is_zero_outside(prepare, b, tokens) && is_choice_of_numbers(prepare, a));
}

/* A sum over the tokens of a block, without places that have none. A product keeps its form: it may be one of matrices.
 */
static PlaitValue hoist_reduce(Prepare *prepare, const PlaitInst *inst)
{
    PlaitBuilder *b = &prepare->before;
    PlaitAxis axes[PLAIT_MAX_RANK], tokens = PLAIT_NO_AXIS;
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        axes[i] = hoisted_axis(prepare, inst->axes[i]);
        if (axes[i] != inst->axes[i]) tokens = inst->axes[i];
    }
    PlaitValue mask = inst->operand_count == 2 ? hoist(prepare, inst->operands[1]) : 0;
    const PlaitInst x = *def(prepare, inst->operands[0]);
    if (tokens == PLAIT_NO_AXIS)
        return plait_build_reduce(b, (PlaitOp)inst->op, hoist(prepare, inst->operands[0]), mask, axes,
                                  inst->axis_count);
    PlaitValue here = is_token(prepare, tokens);
    if (inst->op == PLAIT_OP_REDUCE_SUM && !mask && x.op == PLAIT_OP_MUL && in_body(prepare, inst->operands[0])) {
        PlaitValue factors[2] = {hoist(prepare, x.operands[0]), hoist(prepare, x.operands[1])};
        uint32_t side = plait_type_has(plait_type_of(prepare->function, x.operands[0]), tokens) ? 0 : 1;
        PlaitValue zero = plait_build_const(b, (PlaitScalar)x.type.scalar, 0);
        if (!is_product_zero_outside(prepare, x.operands[0], x.operands[1], tokens))
            factors[side] = plait_build_select(b, here, factors[side], zero);
        PlaitValue product = plait_build_binary(b, PLAIT_OP_MUL, factors[0], factors[1]);
        return plait_build_reduce(b, PLAIT_OP_REDUCE_SUM, product, 0, axes, inst->axis_count);
    }
    mask = mask ? plait_build_binary(b, PLAIT_OP_AND, mask, here) : here;
    return plait_build_reduce(b, (PlaitOp)inst->op, hoist(prepare, inst->operands[0]), mask, axes, inst->axis_count);
}

static PlaitValue hoist_gather(Prepare *prepare, const PlaitInst *inst)
{
    if (!plait_reads_block(prepare->function, inst, def(prepare, prepare->fold)))
        return plait_build_gather(&prepare->before, hoist(prepare, inst->operands[0]), inst->axes[0],
                                  hoist(prepare, inst->operands[1]));
    if (!in_body(prepare, inst->operands[0])) return read_outside(prepare, inst->operands[0], prepare->twin);
    PlaitValue x = hoist(prepare, inst->operands[0]);
    if (!plait_type_has(plait_type_of(prepare->function, x), prepare->place)) return x;
    return plait_build_gather(&prepare->before, x, prepare->place, place(prepare, prepare->twin));
}

static PlaitValue hoist_pointwise(Prepare *prepare, const PlaitInst *inst)
{
    PlaitValue operands[3];
    bool places = inst->operand_count == 2 && is_position(prepare, def(prepare, inst->operands[0])) &&
                  is_position(prepare, def(prepare, inst->operands[1])) && inst->type.scalar == PLAIT_BOOL;
    if (inst->op == PLAIT_OP_SUB && is_position(prepare, def(prepare, inst->operands[0])) &&
        is_first_token(prepare, def(prepare, inst->operands[1])))
        return place(prepare, def(prepare, inst->operands[0])->axes[0]);
    for (uint32_t i = 0; i < inst->operand_count; i++)
        operands[i] =
            places ? place(prepare, def(prepare, inst->operands[i])->axes[0]) : hoist(prepare, inst->operands[i]);
    if (inst->op == PLAIT_OP_SELECT) return plait_build_select(&prepare->before, operands[0], operands[1], operands[2]);
    if (inst->op == PLAIT_OP_CAST)
        return plait_build_cast(&prepare->before, operands[0], (PlaitScalar)inst->type.scalar);
    return plait_build_scalar(&prepare->before, (PlaitOp)inst->op, operands, inst->operand_count);
}

static PlaitValue hoist_inst(Prepare *prepare, PlaitValue value)
{
    const PlaitInst inst = *def(prepare, value);
    PlaitBuilder *b = &prepare->before;
    if (is_first_token(prepare, &inst)) return first_token(prepare);
    if (is_position(prepare, &inst)) return position(prepare, inst.axes[0]);
    if (plait_op_is_reduce((PlaitOp)inst.op)) return hoist_reduce(prepare, &inst);
    if (plait_op_is_pointwise((PlaitOp)inst.op)) return hoist_pointwise(prepare, &inst);
    switch ((int)inst.op) {
    case PLAIT_OP_CONST:
        return plait_build_broadcast(b, plait_build_const(b, (PlaitScalar)inst.type.scalar, inst.number),
                                     hoisted_type(prepare, inst.type));
    case PLAIT_OP_IOTA: return plait_build_iota(b, inst.axes[0], 0);
    case PLAIT_OP_SIZE: return plait_build_size(b, inst.axes[0]);
    case PLAIT_OP_BROADCAST:
        return plait_build_broadcast(b, hoist(prepare, inst.operands[0]), hoisted_type(prepare, inst.type));
    case PLAIT_OP_GATHER: return hoist_gather(prepare, &inst);
    case PLAIT_OP_SOLVE:
        return plait_build_solve(b, hoist(prepare, inst.operands[0]), hoist(prepare, inst.operands[1]),
                                 hoisted_axis(prepare, inst.axes[0]), hoisted_axis(prepare, inst.axes[1]));
    default: plait_bug("`%s` in a fold by blocks", plait_op_info((PlaitOp)inst.op)->text);
    }
}

/* The value for all blocks: over places instead of tokens, and over blocks. */
static PlaitValue hoist(Prepare *prepare, PlaitValue value)
{
    PlaitValue known = plait_clone_find(&prepare->hoisted, value);
    if (known) return known;
    PlaitSpan span = prepare->before.span;
    prepare->before.span = def(prepare, value)->span;
    PlaitValue made =
        in_body(prepare, value) ? hoist_inst(prepare, value) : read_outside(prepare, value, prepare->time);
    prepare->before.span = span;
    plait_clone_set(&prepare->hoisted, value, made);
    return made;
}

/* ---- in the fold ---- */

static PlaitValue first_inside(Prepare *prepare)
{
    PlaitValue t = plait_build_iota(&prepare->inside, prepare->time, 0);
    return plait_build_reduce(&prepare->inside, PLAIT_OP_REDUCE_MIN, t, 0, &prepare->time, 1);
}

/* Whether a value over pairs of a block's tokens is 0 where s comes after t. */
static bool is_zero_ahead(const Prepare *prepare, PlaitValue value)
{
    const PlaitInst *inst = def(prepare, value);
    if (!in_body(prepare, value)) return false;
    if (inst->op == PLAIT_OP_CAST || inst->op == PLAIT_OP_NEG) return is_zero_ahead(prepare, inst->operands[0]);
    if (inst->op == PLAIT_OP_SUB || inst->op == PLAIT_OP_ADD)
        return is_zero_ahead(prepare, inst->operands[0]) && is_zero_ahead(prepare, inst->operands[1]);
    if (inst->op != PLAIT_OP_SELECT ||
        !plait_is_causal_mask(prepare->function, inst->operands[0], prepare->time, prepare->twin))
        return false;
    const PlaitInst *otherwise = def(prepare, inst->operands[2]);
    return otherwise->op == PLAIT_OP_CONST && otherwise->number == 0;
}

/* The value for all blocks; 0 where there is no token, so that what is summed needs no mask. Where tokens s that come
 * after t count nothing, those that are none do not for any t that is one. */
static PlaitValue hoist_masked(Prepare *prepare, PlaitValue value)
{
    PlaitValue x = hoist(prepare, value);
    PlaitType type = plait_type_of(prepare->function, x);
    PlaitAxis axes[] = {prepare->time, prepare->twin};
    uint32_t count = is_zero_ahead(prepare, value) ? 1 : 2;
    prepare->before.span = def(prepare, value)->span;
    for (uint32_t i = 0; i < count && plait_scalar_kind((PlaitScalar)type.scalar) == PLAIT_FLOATING; i++)
        if (plait_type_has(type, hoisted_axis(prepare, axes[i])))
            x = plait_build_select(&prepare->before, is_token(prepare, axes[i]), x,
                                   plait_build_const(&prepare->before, (PlaitScalar)type.scalar, 0));
    return x;
}

static PlaitValue read_places(Prepare *prepare, PlaitValue x, PlaitAxis places, PlaitAxis tokens)
{
    if (!plait_type_has(plait_type_of(prepare->function, x), places)) return x;
    PlaitValue index = plait_build_binary(&prepare->inside, PLAIT_OP_SUB, plait_build_iota(&prepare->inside, tokens, 0),
                                          first_inside(prepare));
    return plait_build_gather(&prepare->inside, x, places, index);
}

/* What was made for all blocks, read at the present one. */
static PlaitValue read_block(Prepare *prepare, PlaitValue x)
{
    if (plait_type_has(plait_type_of(prepare->function, x), prepare->blocks)) {
        PlaitValue size = plait_build_const(&prepare->inside, PLAIT_I32, PLAIT_BLOCK_TOKENS);
        PlaitValue block = plait_build_binary(&prepare->inside, PLAIT_OP_FLOORDIV, first_inside(prepare), size);
        x = plait_build_gather(&prepare->inside, x, prepare->blocks, block);
    }
    x = read_places(prepare, x, prepare->place, prepare->time);
    return read_places(prepare, x, prepare->other, prepare->twin);
}

/* Operations that cost nothing, or make more of their operand than was there: they stay. */
static bool stays(const Prepare *prepare, const PlaitInst *inst)
{
    if (inst->op == PLAIT_OP_BROADCAST) return true;
    if (inst->op == PLAIT_OP_GATHER) return plait_reads_block(prepare->function, inst, def(prepare, prepare->fold));
    return inst->op == PLAIT_OP_CAST &&
           plait_scalar_is_16_bit((PlaitScalar)plait_type_of(prepare->function, inst->operands[0]).scalar);
}

static PlaitValue rebuild(Prepare *prepare, PlaitValue value)
{
    PlaitValue known = plait_clone_find(&prepare->rebuilt, value);
    if (known || !in_body(prepare, value) || !prepare->heavy[value]) return known ? known : value;
    const PlaitInst inst = *def(prepare, value);
    prepare->inside.span = inst.span;
    PlaitValue made;
    if (stays(prepare, &inst)) {
        PlaitValue x = rebuild(prepare, inst.operands[0]);
        made = inst.op == PLAIT_OP_GATHER ? plait_build_gather(&prepare->inside, x, inst.axes[0], inst.operands[1])
               : inst.op == PLAIT_OP_CAST ? plait_build_cast(&prepare->inside, x, (PlaitScalar)inst.type.scalar)
                                          : plait_build_broadcast(&prepare->inside, x, inst.type);
    } else {
        made = plait_build_broadcast(&prepare->inside, read_block(prepare, hoist_masked(prepare, value)), inst.type);
    }
    plait_clone_set(&prepare->rebuilt, value, made);
    return made;
}

/* ---- the pass ---- */

static PlaitAxis make_axis(Prepare *prepare, const char *suffix, PlaitAxis same_as)
{
    PlaitFunction *function = prepare->function;
    PlaitArena *arena = function->module->arena;
    const char *text = plait_arena_printf(arena, "%s.%s", plait_axis_text(function, prepare->time), suffix);
    PlaitName name = plait_names_add(function->module->names, text);
    PlaitAxis known = plait_axis_find(function, name);
    if (known != PLAIT_NO_AXIS) return known;
    PlaitAxisInfo info = {.name = name, .size = PLAIT_BLOCK_TOKENS, .same_as = same_as, .place = true};
    return plait_axis_add(function, info);
}

/* Whether something that stays reads what can go. */
static bool has_work(const Prepare *prepare)
{
    bool found = false;
    for (uint32_t i = 0; i < prepare->body->body.count; i++) {
        const PlaitInst *user = def(prepare, prepare->body->body.data[i]);
        for (uint32_t k = 0; k < user->operand_count && prepare->bound[prepare->body->body.data[i]]; k++)
            found |= prepare->heavy[user->operands[k]];
    }
    for (uint32_t i = 0; i < prepare->body->yields.count; i++) found |= prepare->heavy[prepare->body->yields.data[i]];
    return found;
}

/* The values of the body that go and are read by what stays become reads of what is made before the fold. */
static bool prepare_fold(PlaitFunction *function, PlaitValue fold)
{
    PlaitArena *arena = function->module->arena;
    const PlaitInst inst = *plait_inst(function, fold);
    uint32_t count = function->insts.count, body_count = inst.body->body.count, yield_count = inst.body->yields.count;
    Prepare prepare = {.function = function,
                       .fold = fold,
                       .body = inst.body,
                       .time = inst.axes[0],
                       .twin = inst.axes[1],
                       .blocks = inst.axes[2],
                       .bound = PLAIT_NEW_ARRAY(arena, bool, count),
                       .heavy = PLAIT_NEW_ARRAY(arena, bool, count),
                       .hoisted = plait_clone_map(arena),
                       .rebuilt = plait_clone_map(arena),
                       .before = {function, inst.region, inst.span},
                       .inside = {function, inst.body, inst.span}};
    classify(&prepare);
    PlaitValue *map = PLAIT_NEW_ARRAY(arena, PlaitValue, count);
    if (!has_work(&prepare)) return false;
    prepare.place = make_axis(&prepare, "place", PLAIT_NO_AXIS);
    prepare.other = make_axis(&prepare, "place.block", prepare.place);
    for (uint32_t i = 0; i < body_count; i++) {
        const PlaitInst user = *plait_inst(function, inst.body->body.data[i]);
        for (uint32_t k = 0; k < user.operand_count && prepare.bound[inst.body->body.data[i]]; k++)
            if (prepare.heavy[user.operands[k]]) map[user.operands[k]] = rebuild(&prepare, user.operands[k]);
    }
    for (uint32_t i = 0; i < yield_count; i++)
        if (prepare.heavy[inst.body->yields.data[i]])
            map[inst.body->yields.data[i]] = rebuild(&prepare, inst.body->yields.data[i]);
    for (uint32_t i = 0; i < body_count; i++) {
        PlaitInst *user = plait_inst(function, inst.body->body.data[i]);
        if (prepare.bound[inst.body->body.data[i]]) plait_rename(user->operands, user->operand_count, map, count);
    }
    plait_rename(inst.body->yields.data, yield_count, map, count);
    plait_region_sort(function, inst.body);
    plait_region_sort(function, inst.region);
    return true;
}

bool plait_pass_prepare(PlaitFunction *function)
{
    bool changed = false;
    for (uint32_t i = 0; i < function->body->body.count; i++) {
        PlaitValue value = function->body->body.data[i];
        const PlaitInst *inst = plait_inst(function, value);
        if (inst->op != PLAIT_OP_FOLD || inst->axis_count != 3 || !prepare_fold(function, value)) continue;
        changed = true;
        i = UINT32_MAX; /* the order is another: from the beginning */
    }
    return changed;
}
