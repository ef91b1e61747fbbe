/* Scans whose state is a decayed sum of outer products become folds over blocks of tokens.
 *
 *     scan S { S' = a S + k v;  o = reduce.sum[d] q S' }       a: without the axes of k and v, or along d
 *
 *     fold S over blocks of t, also called s, {
 *       g  = reduce.sum[s] log a where s <= t                  decay from the block's beginning to t
 *       p  = select(s <= t, exp(g - g@s), 0) * reduce.sum[d] q * k@s
 *       o  = exp(g) * reduce.sum[d] q * S  +  reduce.sum[s] p * v@s
 *       S' = exp(G) * S  +  reduce.sum[s] (exp(G - g) * k)@s * v@s          G: g of the block's last token
 *     }
 *
 * Every exponent of a decay is a difference to an earlier token, so none is above 0 that was not before. A factor along
 * d (a decay for each feature of the key) goes into both operands of the products: chunk_decay.c. The products are what
 * the matrix units take. A read of the state before the token has s < t. The rest of the body runs on all tokens of the
 * block at once. All blocks but the last have PLAIT_BLOCK_TOKENS tokens.
 *
 * A read R of the state before the token may be part of what is added to the state, linearly:  v = m R + r  (the delta
 * rule). Then v is the solution of a unit lower-triangular system over the block's tokens (`solve`); where its matrix
 * does not depend on the state, the inverse of the matrix times what is known.
 *
 * What of this does not depend on the state goes before the fold (the pass `prepare`).
 *
 * Left as they are: scans that walk backwards, or whose state is neither f32 nor made of bf16 tensors (products on the
 * matrix units round), is not read by sums over one axis, has a factor along another of its axes, or one along that
 * axis that may be below 0.
 */
#include "passes/stage/chunk.h"

#include "ir/order.h"
#include "passes/passes.h"
#include "passes/stage/chunk_parts.h"
#include "passes/stage/split.h"
#include "passes/stage/storage.h"

enum { LEAST_SIZE = 16, MOST_SIZE = 256 };

/* Notes the axis that a read sums over. */
static bool check_read(PlaitChunk *chunk, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(chunk->function, value);
    const PlaitForm *form = plait_form(&chunk->forms, inst->operands[0]);
    if (plait_chunk_failed(chunk) || !form->direct) return !plait_chunk_failed(chunk);
    PlaitChunkCarry *carry = &chunk->carries[form->carry];
    if (inst->axis_count != 1) return plait_chunk_give_up(chunk, value, "a sum over several axes of the carry");
    if (!plait_chunk_is_feature(chunk, inst->axes[0]))
        return plait_chunk_give_up(chunk, value, "a sum over an axis that is no feature axis");
    if (carry->axis != PLAIT_NO_AXIS && carry->axis != inst->axes[0])
        return plait_chunk_give_up(chunk, value, "sums over different axes of the carry");
    carry->axis = inst->axes[0];
    return true;
}

static bool check_body(PlaitChunk *chunk)
{
    const PlaitRegion *body = chunk->forms.body;
    for (uint32_t i = 0; i < body->body.count && !plait_chunk_failed(chunk); i++) {
        PlaitValue value = body->body.data[i];
        const PlaitInst *inst = plait_inst(chunk->function, value);
        plait_form(&chunk->forms, value);
        if (inst->op == PLAIT_OP_REDUCE_SUM) check_read(chunk, value);
        bool moves = plait_op_is_reduce((PlaitOp)inst->op) || inst->op == PLAIT_OP_GATHER || inst->op == PLAIT_OP_CONV;
        for (uint32_t k = 0; k < inst->axis_count && moves; k++)
            if (inst->axes[k] == chunk->time) plait_chunk_give_up(chunk, value, "other tokens are read in the body");
    }
    return !plait_chunk_failed(chunk);
}

static bool check_state(PlaitChunk *chunk, PlaitChunkCarry *carry, PlaitValue param)
{
    PlaitType type = plait_type_of(chunk->function, param);
    uint32_t others = 0;
    carry->rest = plait_type(PLAIT_BOOL);
    if (type.scalar != PLAIT_F32) return plait_chunk_give_up(chunk, param, "a carry that is not f32");
    if (carry->axis == PLAIT_NO_AXIS)
        return plait_chunk_give_up(chunk, param, "no output sums over an axis of the carry");
    for (uint32_t i = 0; i < type.rank; i++) {
        PlaitAxis axis = type.axes[i];
        if (!plait_chunk_is_feature(chunk, axis)) continue;
        int64_t size = chunk->function->axes.data[axis].size;
        if ((size < LEAST_SIZE || size > MOST_SIZE) && !chunk->any_size)
            return plait_chunk_give_up(chunk, param,
                                       "a state of fewer than 16 or more than 256 positions along an axis");
        if (axis == carry->axis) continue;
        carry->rest = plait_type_with(carry->rest, axis);
        others++;
    }
    return others <= 1 || plait_chunk_give_up(chunk, param, "a state of more than two feature axes");
}

/* Products on the matrix units round to 16 bits: only where the tensors over time that a factor is made of have no
 * more. What depends on the carry is looked at where it is made. */
bool plait_chunk_check_storage(PlaitChunk *chunk, const PlaitExpr *factor, PlaitValue where)
{
    const PlaitFunction *function = chunk->function;
    PlaitType type = plait_expr_type(function, factor);
    bool features = false;
    if (factor->a && !plait_chunk_check_storage(chunk, factor->a, where)) return false;
    if (factor->b && !plait_chunk_check_storage(chunk, factor->b, where)) return false;
    for (uint32_t i = 0; i < type.rank; i++) features |= plait_chunk_is_feature(chunk, type.axes[i]);
    if (factor->kind != PLAIT_EXPR_VALUE || !features || !plait_type_has(type, chunk->time)) return true;
    if (plait_inst(function, factor->value)->region == chunk->forms.body) return true;
    return chunk->any_size || plait_storage_of(function, factor->value) == PLAIT_BF16 ||
           plait_chunk_give_up(chunk, where,
                               "not all tensors over time and features that the carry is made of are bf16");
}

static bool split_term(PlaitChunk *chunk, PlaitChunkCarry *carry, const PlaitExpr *expr, PlaitValue where)
{
    PlaitExprs factors = {0};
    PlaitChunkTerm *term = &carry->terms[carry->term_count++];
    *term = (PlaitChunkTerm){0};
    plait_expr_factors(&chunk->forms, expr, &factors);
    for (uint32_t i = 0; i < factors.count; i++) {
        PlaitType type = plait_expr_type(chunk->function, factors.data[i]);
        bool along = plait_type_has(type, carry->axis);
        if (along && plait_chunk_has_rest(carry, type))
            return plait_chunk_give_up(chunk, where,
                                       "something is added to the carry that is no product of separate axes");
        if (!plait_chunk_check_storage(chunk, factors.data[i], where)) return false;
        bool apart = carry->rest.rank > 0 && !along && !plait_chunk_has_rest(carry, type);
        const PlaitExpr **side = along ? &term->k : apart ? &term->scale : &term->v;
        *side = plait_expr_mul(&chunk->forms, *side, factors.data[i]);
    }
    return true;
}

static bool check_carry(PlaitChunk *chunk, uint32_t number)
{
    PlaitChunkCarry *carry = &chunk->carries[number];
    PlaitValue param = chunk->forms.body->params.data[number], next = chunk->forms.body->yields.data[number];
    const PlaitForm *form = plait_form_next(&chunk->forms, number);
    if (plait_chunk_failed(chunk) || !check_state(chunk, carry, param)) return false;
    PlaitType factor = plait_expr_type(chunk->function, form->coefficient);
    carry->factor = form->coefficient;
    carry->keyed = plait_type_has(factor, carry->axis);
    if (plait_chunk_has_rest(carry, factor))
        return plait_chunk_give_up(chunk, next, "the carry's factor varies along an axis that no read sums over");
    if (carry->keyed && !plait_expr_is_positive(chunk->function, carry->factor))
        return plait_chunk_give_up(chunk, next, "the carry's factor varies along its own axis and may be below 0");
    for (uint32_t i = 0; i < form->terms.count; i++)
        if (!split_term(chunk, carry, form->terms.data[i], next)) return false;
    return true;
}

static bool check(PlaitChunk *chunk)
{
    const PlaitInst *scan = plait_inst(chunk->function, chunk->scan);
    chunk->count = scan->body->params.count;
    chunk->carries = PLAIT_NEW_ARRAY(chunk->function->module->arena, PlaitChunkCarry, chunk->count + 1);
    for (uint32_t i = 0; i < chunk->count; i++) chunk->carries[i].axis = PLAIT_NO_AXIS;
    if (chunk->count == 0) return plait_chunk_give_up(chunk, chunk->scan, "no carry");
    if (scan->axis_count > 1) return plait_chunk_give_up(chunk, chunk->scan, "it runs in segments");
    if (scan->ints[0] != 1) return plait_chunk_give_up(chunk, chunk->scan, "a scan that walks backwards");
    if (!chunk->any_size && plait_is_scan_of_long_vectors(chunk->function, chunk->scan))
        return plait_chunk_give_up(chunk, chunk->scan, "a vector of more than 128 positions");
    if (!check_body(chunk)) return false;
    for (uint32_t i = 0; i < chunk->count; i++)
        if (!check_carry(chunk, i)) return false;
    for (uint32_t i = chunk->count; i < scan->body->yields.count; i++)
        if (!plait_type_has(plait_type_of(chunk->function, scan->body->yields.data[i]), chunk->time))
            return plait_chunk_give_up(chunk, scan->body->yields.data[i], "an output that is the same at every token");
    return true;
}

static void make_params(PlaitChunk *chunk)
{
    for (uint32_t i = 0; i < chunk->count; i++) {
        PlaitValue param = chunk->forms.body->params.data[i];
        PlaitType type = plait_type_without(plait_type_of(chunk->function, param), chunk->time);
        chunk->carries[i].state =
            plait_build_argument(chunk->function, chunk->region, type, plait_inst(chunk->function, param)->span);
    }
}

/* The fold in place of the scan. */
static void replace(PlaitChunk *chunk, const PlaitValue *yields, uint32_t yield_count)
{
    PlaitFunction *function = chunk->function;
    const PlaitInst scan = *plait_inst(function, chunk->scan);
    PlaitRegion *home = scan.region;
    PlaitBuilder outside = {function, home, scan.span};
    for (uint32_t i = 0; i < yield_count; i++) plait_yield(function, chunk->region, yields[i]);
    PlaitValue fold = plait_build_owner(&outside, PLAIT_OP_FOLD, scan.operands, scan.operand_count, chunk->region);
    plait_set_axes(function, fold, (PlaitAxis[]){chunk->time, chunk->twin, chunk->blocks}, 3);
    uint32_t before = home->body.count;
    PlaitValue *results = PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, before);
    for (uint32_t i = 0; i < before; i++) {
        const PlaitInst inst = *plait_inst(function, home->body.data[i]);
        if (inst.op == PLAIT_OP_RESULT && inst.operands[0] == chunk->scan)
            results[i] = plait_build_result(&outside, fold, (uint32_t)inst.ints[0], inst.type);
    }
    PlaitValue *map = PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, function->insts.count);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < home->body.count; i++) {
        PlaitValue value = home->body.data[i];
        if (i < before && results[i]) map[value] = results[i];
        else if (value != chunk->scan) home->body.data[kept++] = value;
    }
    home->body.count = kept;
    plait_replace_uses(function, map);
    plait_region_sort(function, home);
}

/* The axis that is named after the scan's, and `suffix`. */
static PlaitAxis make_axis(PlaitChunk *chunk, const char *suffix, PlaitAxisInfo info)
{
    PlaitFunction *function = chunk->function;
    info.name =
        plait_names_add(function->module->names, plait_arena_printf(function->module->arena, "%s.%s",
                                                                    plait_axis_text(function, chunk->time), suffix));
    PlaitAxis known = plait_axis_find(function, info.name);
    return known != PLAIT_NO_AXIS ? known : plait_axis_add(function, info);
}

static PlaitAxis make_twin(PlaitChunk *chunk)
{
    PlaitAxisInfo info = chunk->function->axes.data[chunk->time];
    info.same_as = plait_axis_extent_of(chunk->function, chunk->time);
    return make_axis(chunk, "block", info);
}

static PlaitAxis make_blocks(PlaitChunk *chunk)
{
    PlaitAxisInfo info = {.role = PLAIT_ROLE_BATCH,
                          .size = PLAIT_RUNTIME_SIZE,
                          .same_as = plait_axis_extent_of(chunk->function, chunk->time),
                          .block = PLAIT_BLOCK_TOKENS};
    return make_axis(chunk, "blocks", info);
}

PlaitAxis plait_chunk_levels(PlaitChunk *chunk)
{
    int64_t count = 0;
    for (int64_t size = 1; size < PLAIT_BLOCK_TOKENS; size *= 2) count++;
    return make_axis(chunk, "level", (PlaitAxisInfo){.role = PLAIT_ROLE_TIME, .size = count, .same_as = PLAIT_NO_AXIS});
}

PlaitAxis plait_chunk_column(PlaitChunk *chunk)
{
    return make_axis(chunk, "column",
                     (PlaitAxisInfo){.size = PLAIT_BLOCK_TOKENS, .same_as = PLAIT_NO_AXIS, .place = true});
}

static bool write(PlaitChunk *chunk)
{
    PlaitFunction *function = chunk->function;
    const PlaitRegion *body = chunk->forms.body;
    PlaitArena *arena = function->module->arena;
    uint32_t count = body->yields.count;
    PlaitValue *yields = PLAIT_NEW_ARRAY(arena, PlaitValue, count);
    uint32_t axes = function->axes.count, before = plait_inst(function, chunk->scan)->region->body.count;
    chunk->twin = make_twin(chunk);
    chunk->blocks = make_blocks(chunk);
    chunk->region = plait_region_create(function, plait_inst(function, chunk->scan)->region);
    chunk->b = (PlaitBuilder){function, chunk->region, plait_inst(function, chunk->scan)->span};
    chunk->outside = (PlaitBuilder){function, plait_inst(function, chunk->scan)->region, chunk->b.span};
    chunk->made = plait_clone_map(arena);
    chunk->open = PLAIT_NEW_ARRAY(arena, bool, function->insts.count);
    make_params(chunk);
    if (!plait_chunk_write(chunk, yields)) { /* what was written stands at the end, and nothing reads it */
        function->axes.count = axes;
        chunk->outside.region->body.count = before;
        return false;
    }
    replace(chunk, yields, count);
    return true;
}

static PlaitChunk begin(PlaitFunction *function, PlaitValue scan)
{
    return (PlaitChunk){.function = function,
                        .forms = plait_forms(function, scan),
                        .scan = scan,
                        .time = plait_inst(function, scan)->axes[0]};
}

const char *plait_chunk_scan(PlaitFunction *function, PlaitValue scan, bool any_size, PlaitSpan *where)
{
    PlaitChunk chunk = begin(function, scan);
    chunk.any_size = any_size;
    if (check(&chunk) && write(&chunk)) return NULL;
    *where = plait_inst(function, chunk.forms.culprit)->span;
    return chunk.forms.reason;
}

bool plait_pass_chunk(PlaitFunction *function)
{
    bool changed = false;
    PlaitSpan where;
    if (function->level != PLAIT_LEVEL_STAGE) return false;
    for (uint32_t i = 0; i < function->body->body.count; i++) {
        PlaitValue value = function->body->body.data[i];
        if (plait_op_of(function, value) != PLAIT_OP_SCAN || plait_chunk_scan(function, value, false, &where)) continue;
        changed = true;
        i = UINT32_MAX; /* the order is another: from the beginning */
    }
    return changed;
}
