/* Inside the pass `chunk`: the body of the fold. Values of the scan's body are written where they are first wanted;
 * what needs nothing of the fold is written before it.
 */
#include "passes/stage/chunk_values.h"

PlaitValue plait_chunk_emit_expr(PlaitChunk *chunk, const PlaitExpr *expr)
{
    if (!expr) return 0;
    switch (expr->kind) {
    case PLAIT_EXPR_VALUE: return plait_chunk_emit(chunk, expr->value);
    case PLAIT_EXPR_NUMBER: return number(chunk, expr->number);
    case PLAIT_EXPR_NEG: return unary(chunk, PLAIT_OP_NEG, plait_chunk_emit_expr(chunk, expr->a));
    case PLAIT_EXPR_SELECT: {
        PlaitValue condition = plait_chunk_emit(chunk, expr->value), a = plait_chunk_emit_expr(chunk, expr->a),
                   b = plait_chunk_emit_expr(chunk, expr->b);
        return plait_chunk_failed(chunk) ? 0 : choice(chunk, condition, a, b);
    }
    case PLAIT_EXPR_MUL:
    case PLAIT_EXPR_DIV:
    case PLAIT_EXPR_ADD: {
        static const PlaitOp ops[] = {
            [PLAIT_EXPR_MUL] = PLAIT_OP_MUL, [PLAIT_EXPR_DIV] = PLAIT_OP_DIV, [PLAIT_EXPR_ADD] = PLAIT_OP_ADD};
        PlaitValue a = plait_chunk_emit_expr(chunk, expr->a), b = plait_chunk_emit_expr(chunk, expr->b);
        return plait_chunk_failed(chunk) ? 0 : binary(chunk, ops[expr->kind], a, b);
    }
    }
    return 0;
}

/* Whether a term of the carry depends on the read. */
static bool feeds_back(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue read)
{
    bool feeds = false;
    for (uint32_t i = 0; i < carry->term_count; i++)
        feeds |= plait_expr_depends(&chunk->forms, carry->terms[i].k, read) ||
                 plait_expr_depends(&chunk->forms, carry->terms[i].v, read);
    return feeds;
}

/* A term's scores, with its factor at s. */
static PlaitValue term_scores(PlaitChunk *chunk, PlaitChunkCarry *carry, uint32_t term, PlaitChunkPair k,
                              PlaitChunkView view, PlaitChunkPair w)
{
    PlaitValue scale = plait_chunk_emit_expr(chunk, carry->terms[term].scale);
    if (plait_chunk_failed(chunk)) return 0;
    return binary(chunk, PLAIT_OP_MUL, plait_chunk_scores(chunk, carry, k, view, w), there(chunk, scale));
}

/* scores times v at s; without v their sums. Scores are rounded, or split into two numbers where it matters. */
static PlaitValue own_part(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue score, PlaitChunkPair v_there)
{
    if (!v_there.high) return sum_over(chunk, score, chunk->twin, 0);
    PlaitChunkPair pair = carry->precise ? split(chunk, score) : rounded(chunk, score);
    return product(chunk, pair, v_there, chunk->twin);
}

/* ---- reads that are added to the state again ---- */

/* What is multiplied with the state, or added to it, along the axis that reads sum over. Beside decays along that axis
 * it stays as it is: what becomes an operand of products is made of it and of them. */
static PlaitChunkPair key(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue value)
{
    return carry->keyed ? (PlaitChunkPair){value, 0} : operand(chunk, value);
}

static bool depends_on_state(PlaitChunk *chunk, PlaitValue value, bool *seen)
{
    const PlaitInst *inst = plait_inst(chunk->function, value);
    if (inst->region != chunk->region || seen[value]) return false;
    seen[value] = true;
    if (inst->op == PLAIT_OP_ARGUMENT) return true;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (depends_on_state(chunk, inst->operands[i], seen)) return true;
    return false;
}

/* The solution of the system. Where the matrix does not depend on the state, its inverse times what is known: all
 * blocks' inverses can then be made at once, before the fold (`prepare`). The inverse has ones on its diagonal: only
 * the rest is a product of rounded numbers. */
static PlaitValue solve(PlaitChunk *chunk, PlaitValue matrix, PlaitValue known)
{
    bool *seen = PLAIT_NEW_ARRAY(chunk->function->module->arena, bool, chunk->function->insts.count);
    if (depends_on_state(chunk, matrix, seen))
        return plait_build_solve(&chunk->b, matrix, known, chunk->time, chunk->twin);
    PlaitAxis column = plait_chunk_column(chunk);
    PlaitValue own = plait_build_binary(&chunk->b, PLAIT_OP_EQ, place_of(chunk, chunk->time),
                                        plait_build_iota(&chunk->b, column, 0));
    PlaitValue identity = choice(chunk, own, number(chunk, 1), number(chunk, 0));
    PlaitValue inverse = plait_build_solve(&chunk->b, matrix, identity, chunk->time, chunk->twin);
    inverse = plait_build_gather(&chunk->b, inverse, column, place_of(chunk, chunk->twin));
    inverse = choice(chunk, earlier(chunk, false), inverse, number(chunk, 0));
    PlaitValue others = product(chunk, rounded(chunk, inverse), there_pair(chunk, rounded(chunk, known)), chunk->twin);
    return binary(chunk, PLAIT_OP_ADD, known, others);
}

/* A read of the state: weights along the axis that it sums over, what is multiplied with their sum (0: 1), and what is
 * added to it (0: nothing). */
typedef struct Read {
    PlaitChunkPair weights;
    PlaitValue scale, extra;
    PlaitChunkView view;
} Read;

static bool split_read(PlaitChunk *chunk, PlaitValue value, Read *read);

/* The read before the token that the carry's terms depend on; 0: none. */
static PlaitValue find_fed_back(PlaitChunk *chunk, const PlaitChunkCarry *carry)
{
    const PlaitRegion *body = chunk->forms.body;
    PlaitValue found = 0;
    for (uint32_t i = 0; i < body->body.count; i++) {
        PlaitValue value = body->body.data[i];
        const PlaitInst *inst = plait_inst(chunk->function, value);
        const PlaitForm *form = inst->op == PLAIT_OP_REDUCE_SUM ? plait_form(&chunk->forms, inst->operands[0]) : NULL;
        if (!form || !form->direct || form->after || form->carry != (uint32_t)(carry - chunk->carries) ||
            !feeds_back(chunk, carry, value))
            continue;
        if (found) plait_chunk_give_up(chunk, value, "two reads of the carry are added to it again");
        found = value;
    }
    return found;
}

/* The terms' v as functions of the read R: m R + r. Returns the term when only one depends on it, else the number of
 * terms. */
static uint32_t split_terms(PlaitChunk *chunk, PlaitChunkCarry *carry, PlaitValue read)
{
    uint32_t only = carry->term_count, dependent = 0;
    for (uint32_t i = 0; i < carry->term_count && !plait_chunk_failed(chunk); i++) {
        PlaitLinear v = plait_expr_linear(&chunk->forms, carry->terms[i].v, read);
        if (plait_expr_depends(&chunk->forms, carry->terms[i].k, read))
            plait_chunk_give_up(
                chunk, read, "what is read from the carry is added to it again along the axis that it was summed over");
        if (v.factor && plait_chunk_has_rest(carry, plait_expr_type(chunk->function, v.factor)))
            plait_chunk_give_up(chunk, read,
                                "what is read from the carry is added to it again, with a factor along its own axis");
        carry->v_factor[i] = v.factor ? plait_chunk_emit_expr(chunk, v.factor) : 0;
        carry->v_rest[i] = v.rest ? plait_chunk_emit_expr(chunk, v.rest) : 0;
        if (v.factor) only = i, dependent++;
    }
    return dependent == 1 ? only : carry->term_count;
}

/* Solves for what is added to the state again. With R = scale (what the state gives + sum over s < t of score[t, s]
 * v[s]) + extra  and  v = m R + r  that is a triangular system: for v when one term depends on R, else for R. */
static void solve_terms(PlaitChunk *chunk, PlaitChunkCarry *carry, PlaitValue value)
{
    PlaitValue matrix = 0;
    Read read;
    plait_chunk_make_decay(chunk, carry);
    if (plait_chunk_failed(chunk) || !split_read(chunk, value, &read)) return;
    if (read.scale && plait_chunk_has_rest(carry, plait_type_of(chunk->function, read.scale)))
        plait_chunk_give_up(chunk, value,
                            "what is read from the carry is added to it again, with a factor along its own axis");
    uint32_t only = split_terms(chunk, carry, value);
    if (plait_chunk_failed(chunk)) return;
    PlaitValue known = plait_chunk_from_state(chunk, carry, read.view, read.weights);
    for (uint32_t i = 0; i < carry->term_count; i++) {
        PlaitValue k = carry->terms[i].k ? plait_chunk_emit_expr(chunk, carry->terms[i].k)
                                         : with_axis(chunk, number(chunk, 1), carry->axis);
        if (plait_chunk_failed(chunk)) return;
        PlaitValue score = term_scores(chunk, carry, i, key(chunk, carry, k), read.view, read.weights);
        if (plait_chunk_failed(chunk)) return;
        PlaitValue factor = i == only ? number(chunk, 1) : carry->v_factor[i];
        if (i != only && carry->v_rest[i])
            known = binary(chunk, PLAIT_OP_ADD, known,
                           own_part(chunk, carry, score, there_pair(chunk, operand(chunk, carry->v_rest[i]))));
        if (factor)
            matrix = binary(chunk, PLAIT_OP_ADD, matrix, binary(chunk, PLAIT_OP_MUL, score, there(chunk, factor)));
    }
    PlaitValue scale = read.scale;
    known = binary(chunk, PLAIT_OP_ADD, binary(chunk, PLAIT_OP_MUL, known, scale), read.extra);
    if (only < carry->term_count) {
        known =
            binary(chunk, PLAIT_OP_ADD, binary(chunk, PLAIT_OP_MUL, known, carry->v_factor[only]), carry->v_rest[only]);
        scale = binary(chunk, PLAIT_OP_MUL, carry->v_factor[only], scale);
    }
    matrix = binary(chunk, PLAIT_OP_MUL, matrix, scale);
    PlaitValue solution = solve(chunk, matrix, known);
    for (uint32_t i = 0; i < carry->term_count; i++)
        if (i == only) carry->v[i] = solution;
        else if (carry->v_factor[i])
            carry->v[i] = binary(chunk, PLAIT_OP_ADD, binary(chunk, PLAIT_OP_MUL, carry->v_factor[i], solution),
                                 carry->v_rest[i]);
    if (only == carry->term_count) {
        carry->read = value;
        carry->read_made = solution;
    }
}

static bool has_summed_read(PlaitChunk *chunk, const PlaitChunkCarry *carry)
{
    const PlaitRegion *body = chunk->forms.body;
    for (uint32_t i = 0; i < body->body.count; i++) {
        PlaitValue value = body->body.data[i];
        const PlaitInst *inst = plait_inst(chunk->function, value);
        const PlaitForm *form = inst->op == PLAIT_OP_REDUCE_SUM ? plait_form(&chunk->forms, inst->operands[0]) : NULL;
        bool own = form && form->direct && form->carry == (uint32_t)(carry - chunk->carries);
        if (own && plait_chunk_is_summed(chunk, value)) return true;
    }
    return false;
}

static void make_terms(PlaitChunk *chunk, PlaitChunkCarry *carry)
{
    if (carry->has_terms || plait_chunk_failed(chunk)) return;
    if (carry->making_terms) {
        plait_chunk_give_up(chunk, chunk->forms.body->yields.data[carry - chunk->carries],
                            "what is read from the carry is added to it again");
        return;
    }
    carry->making_terms = true;
    PlaitValue fed_back = find_fed_back(chunk, carry);
    carry->precise = fed_back || has_summed_read(chunk, carry);
    if (fed_back && !plait_chunk_failed(chunk)) solve_terms(chunk, carry, fed_back);
    for (uint32_t i = 0; i < carry->term_count && !plait_chunk_failed(chunk); i++) {
        PlaitValue k = plait_chunk_emit_expr(chunk, carry->terms[i].k);
        if (plait_chunk_failed(chunk)) return;
        carry->k[i] = key(chunk, carry, k ? k : with_axis(chunk, number(chunk, 1), carry->axis));
        PlaitValue v = carry->v[i] ? carry->v[i] : plait_chunk_emit_expr(chunk, carry->terms[i].v);
        if (plait_chunk_failed(chunk)) return;
        bool inside = v && plait_inst(chunk->function, v)->region == chunk->region;
        PlaitChunkPair pair = operand(chunk, v);
        carry->v[i] = inside ? v : joined(chunk, pair);
        carry->v_there[i] = there_pair(chunk, pair);
    }
    carry->has_terms = true;
}

/* reduce.sum[axis] of w times the state before or after each token. */
static PlaitValue read_state(PlaitChunk *chunk, PlaitChunkCarry *carry, PlaitChunkView view, PlaitChunkPair w)
{
    plait_chunk_make_decay(chunk, carry);
    make_terms(chunk, carry);
    if (plait_chunk_failed(chunk)) return 0;
    PlaitValue sum = plait_chunk_from_state(chunk, carry, view, w);
    for (uint32_t i = 0; i < carry->term_count; i++)
        sum = binary(chunk, PLAIT_OP_ADD, sum,
                     own_part(chunk, carry, term_scores(chunk, carry, i, carry->k[i], view, w), carry->v_there[i]));
    return sum;
}

static void split_weight(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue read, const PlaitExpr *weight,
                         const PlaitExpr **along, const PlaitExpr **scale)
{
    PlaitExprs factors = {0};
    plait_expr_factors(&chunk->forms, weight, &factors);
    for (uint32_t i = 0; i < factors.count; i++) {
        PlaitType type = plait_expr_type(chunk->function, factors.data[i]);
        bool varies = plait_type_has(type, carry->axis);
        const PlaitExpr **side = varies ? along : scale;
        if (varies && plait_chunk_has_rest(carry, type))
            plait_chunk_give_up(chunk, read, "a sum over the carry whose weights vary along all of its axes");
        if (varies) plait_chunk_check_storage(chunk, factors.data[i], read);
        *side = plait_expr_mul(&chunk->forms, *side, factors.data[i]);
    }
}

/* The sum over the axis that reads sum over of what a read adds to the state at the token: only of its factors that
 * vary along that axis. */
static PlaitValue sum_of_term(PlaitChunk *chunk, const PlaitChunkCarry *carry, const PlaitExpr *term)
{
    PlaitExprs factors = {0};
    const PlaitExpr *along = NULL, *others = NULL;
    plait_expr_factors(&chunk->forms, term, &factors);
    for (uint32_t i = 0; i < factors.count; i++) {
        bool varies = plait_type_has(plait_expr_type(chunk->function, factors.data[i]), carry->axis);
        const PlaitExpr **side = varies ? &along : &others;
        *side = plait_expr_mul(&chunk->forms, *side, factors.data[i]);
    }
    PlaitValue x = along ? plait_chunk_emit_expr(chunk, along) : number(chunk, 1);
    PlaitValue factor = plait_chunk_failed(chunk) ? 0 : plait_chunk_emit_expr(chunk, others);
    if (plait_chunk_failed(chunk)) return 0;
    return binary(chunk, PLAIT_OP_MUL, sum_over(chunk, with_axis(chunk, x, carry->axis), carry->axis, 0), factor);
}

static bool split_read(PlaitChunk *chunk, PlaitValue value, Read *read)
{
    const PlaitInst inst = *plait_inst(chunk->function, value);
    const PlaitForm form = *plait_form(&chunk->forms, inst.operands[0]);
    const PlaitExpr *weight = form.coefficient;
    if (inst.operand_count == 2) weight = plait_expr_where(&chunk->forms, inst.operands[1], true, weight);
    PlaitChunkCarry *carry = &chunk->carries[form.carry];
    const PlaitExpr *along = NULL, *scale = NULL; /* of the weight: what varies along the axis, what does not */
    *read = (Read){.view = {form.after, form.after}};
    if (!form.after && carry->factor) read->view.decayed = plait_expr_take(&chunk->forms, &weight, carry->factor);
    split_weight(chunk, carry, value, weight, &along, &scale);
    if (plait_chunk_failed(chunk)) return false;
    PlaitValue w = along ? plait_chunk_emit_expr(chunk, along) : number(chunk, 1);
    if (scale && !plait_chunk_failed(chunk)) read->scale = plait_chunk_emit_expr(chunk, scale);
    for (uint32_t i = 0; i < form.terms.count && !plait_chunk_failed(chunk); i++) {
        const PlaitExpr *term = form.terms.data[i];
        if (inst.operand_count == 2) term = plait_expr_where(&chunk->forms, inst.operands[1], true, term);
        read->extra = binary(chunk, PLAIT_OP_ADD, read->extra, sum_of_term(chunk, carry, term));
    }
    if (plait_chunk_failed(chunk)) return false;
    read->weights = key(chunk, carry, with_axis(chunk, with_axis(chunk, w, carry->axis), chunk->time));
    return true;
}

/* A sum over an axis of a state: of its part in the state, and of what was added to it at the token itself. */
static PlaitValue emit_read(PlaitChunk *chunk, PlaitValue value)
{
    const PlaitInst inst = *plait_inst(chunk->function, value);
    const PlaitForm form = *plait_form(&chunk->forms, inst.operands[0]);
    Read read;
    make_terms(chunk, &chunk->carries[form.carry]);
    if (plait_chunk_failed(chunk)) return 0;
    PlaitValue sum = chunk->carries[form.carry].read == value ? chunk->carries[form.carry].read_made : 0;
    if (!sum) {
        if (!split_read(chunk, value, &read)) return 0;
        sum = read_state(chunk, &chunk->carries[form.carry], read.view, read.weights);
        if (plait_chunk_failed(chunk)) return 0;
        sum = binary(chunk, PLAIT_OP_ADD, binary(chunk, PLAIT_OP_MUL, sum, read.scale), read.extra);
    }
    return plait_build_broadcast(at(chunk, sum, 0, 0), sum, inst.type);
}

static PlaitValue emit_inst(PlaitChunk *chunk, PlaitValue value)
{
    const PlaitInst inst = *plait_inst(chunk->function, value);
    const PlaitForm *form = plait_form(&chunk->forms, value);
    if (form->direct) {
        plait_chunk_give_up(chunk, value, "the carry itself is needed at each token");
        return 0;
    }
    bool read = inst.op == PLAIT_OP_REDUCE_SUM && plait_form(&chunk->forms, inst.operands[0])->direct;
    if (read) return emit_read(chunk, value);
    for (uint32_t i = 0; i < inst.operand_count; i++) plait_chunk_emit(chunk, inst.operands[i]);
    return plait_chunk_failed(chunk) ? 0 : plait_clone_inst(&chunk->b, value, &chunk->made);
}

/* The value of the fold's body that stands for one of the scan's. */
PlaitValue plait_chunk_emit(PlaitChunk *chunk, PlaitValue value)
{
    if (plait_inst(chunk->function, value)->region != chunk->forms.body) return value;
    PlaitValue known = plait_clone_find(&chunk->made, value);
    if (known || plait_chunk_failed(chunk)) return known;
    if (chunk->open[value]) {
        plait_chunk_give_up(chunk, value, "what is read from the carry is added to it again");
        return 0;
    }
    chunk->open[value] = true;
    PlaitSpan span = chunk->b.span;
    chunk->b.span = plait_inst(chunk->function, value)->span;
    PlaitValue result = emit_inst(chunk, value);
    chunk->b.span = span;
    chunk->open[value] = false;
    if (result) plait_clone_set(&chunk->made, value, result);
    return result;
}

/* Whether the keys are the same for heads that `by` varies over: times `by` they would be many. */
static bool lacks_heads(const PlaitChunk *chunk, PlaitValue k, PlaitValue by)
{
    PlaitType type = plait_type_of(chunk->function, k), factor = plait_type_of(chunk->function, by);
    bool lacks = false;
    for (uint32_t i = 0; i < factor.rank; i++)
        lacks |= !plait_chunk_is_feature(chunk, factor.axes[i]) && factor.axes[i] != chunk->time &&
                 !plait_type_has(type, factor.axes[i]);
    return lacks;
}

/* What a term adds to the state in a block: its outer products, each decayed (`decay`, 0: none) from its token to the
 * block's end. The decay goes with k, which is known before the fold most often, and v is an operand of the scores too.
 * A vector is summed over t, where its sum is a value like others; a matrix over s. Where k is rounded, v is not as
 * well: states that keep little of what is added, as the delta rule's under keys that resemble each other, show both.
 */
static PlaitValue added_to_state(PlaitChunk *chunk, const PlaitChunkCarry *carry, uint32_t term, PlaitValue decay)
{
    PlaitChunkPair k = carry->k[term];
    PlaitValue by = binary(chunk, PLAIT_OP_MUL, decay, plait_chunk_emit_expr(chunk, carry->terms[term].scale));
    if (plait_chunk_failed(chunk)) return 0;
    bool narrow = carry->rest.rank > 0 && by && lacks_heads(chunk, k.high, by);
    if (by && !narrow) k = (PlaitChunkPair){binary(chunk, PLAIT_OP_MUL, joined(chunk, k), by), 0};
    if (carry->rest.rank == 0) {
        PlaitValue x = binary(chunk, PLAIT_OP_MUL, joined(chunk, k), carry->v[term]);
        return sum_over(chunk, with_axis(chunk, x, chunk->time), chunk->time, 0);
    }
    PlaitChunkPair v_there = carry->v_there[term];
    if (!v_there.high) v_there.high = there(chunk, with_axis(chunk, number(chunk, 1), chunk->time));
    if (narrow) {
        PlaitValue v = binary(chunk, PLAIT_OP_MUL, carry->v[term], by);
        v_there = there_pair(chunk, rounded(chunk, with_axis(chunk, v, chunk->time)));
    } else if (by || carry->keyed) {
        k = rounded(chunk, with_axis(chunk, k.high, chunk->time));
        if (carry->v[term] && !v_there.low && plait_inst(chunk->function, carry->v[term])->region == chunk->region)
            v_there = there_pair(chunk, split(chunk, carry->v[term]));
    }
    k = there_pair(chunk, k);
    k.high = with_axis(chunk, k.high, chunk->twin);
    return product(chunk, k, v_there, chunk->twin);
}

/* exp(G) S + what the terms add. */
static PlaitValue next_state(PlaitChunk *chunk, uint32_t number_)
{
    PlaitChunkCarry *carry = &chunk->carries[number_];
    plait_chunk_make_decay(chunk, carry);
    make_terms(chunk, carry);
    if (plait_chunk_failed(chunk)) return 0;
    PlaitValue next = carry->state, rest = 0;
    if (carry->whole) {
        next = binary(chunk, PLAIT_OP_MUL, unary(chunk, PLAIT_OP_EXP, carry->whole), next);
        rest = carry->keyed ? plait_chunk_decay_after(chunk, carry)
                            : unary(chunk, PLAIT_OP_EXP, binary(chunk, PLAIT_OP_SUB, carry->whole, carry->after));
    }
    if (carry->sign_whole) {
        next = binary(chunk, PLAIT_OP_MUL, carry->sign_whole, next);
        rest = binary(chunk, PLAIT_OP_MUL, rest, binary(chunk, PLAIT_OP_MUL, carry->sign_whole, carry->sign_after));
    }
    for (uint32_t i = 0; i < carry->term_count; i++)
        next = binary(chunk, PLAIT_OP_ADD, next, added_to_state(chunk, carry, i, rest));
    return plait_build_broadcast(&chunk->b, next, plait_type_of(chunk->function, carry->state));
}

bool plait_chunk_write(PlaitChunk *chunk, PlaitValue *yields)
{
    const PlaitRegion *body = chunk->forms.body;
    for (uint32_t i = chunk->count; i < body->yields.count && !plait_chunk_failed(chunk); i++)
        yields[i] = plait_chunk_emit(chunk, body->yields.data[i]);
    for (uint32_t i = 0; i < chunk->count && !plait_chunk_failed(chunk); i++) yields[i] = next_state(chunk, i);
    return !plait_chunk_failed(chunk);
}
