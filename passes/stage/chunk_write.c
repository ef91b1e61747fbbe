/* Inside the pass `chunk`: the body of the fold. Values of the scan's body are written where they are first wanted;
 * what needs nothing of the fold is written before it.
 */
#include "passes/stage/chunk_parts.h"

enum { LEAST_LOG = -100 };

/* Where an operation on these goes: before the fold, unless something made in the fold is among them. 0 counts not. */
static PlaitBuilder *at(PlaitChunk *chunk, PlaitValue x, PlaitValue y, PlaitValue z)
{
    PlaitValue operands[] = {x, y, z};
    bool inside = false;
    for (uint32_t i = 0; i < 3; i++)
        inside |= operands[i] && plait_inst(chunk->function, operands[i])->region == chunk->region;
    chunk->outside.span = chunk->b.span;
    return inside ? &chunk->b : &chunk->outside;
}

/* 0 stands for 1, or for nothing to add. */
static PlaitValue binary(PlaitChunk *chunk, PlaitOp op, PlaitValue x, PlaitValue y)
{
    return x && y ? plait_build_binary(at(chunk, x, y, 0), op, x, y) : x ? x : y;
}

static PlaitValue unary(PlaitChunk *chunk, PlaitOp op, PlaitValue x)
{
    return plait_build_unary(at(chunk, x, 0, 0), op, x);
}

static PlaitValue choice(PlaitChunk *chunk, PlaitValue condition, PlaitValue yes, PlaitValue no)
{
    return plait_build_select(at(chunk, condition, yes, no), condition, yes, no);
}

static PlaitValue number(PlaitChunk *chunk, double value)
{
    return plait_build_const(at(chunk, 0, 0, 0), PLAIT_F32, value);
}

/* `value` at the block's other positions s. */
static PlaitValue there(PlaitChunk *chunk, PlaitValue value)
{
    if (!value || !plait_type_has(plait_type_of(chunk->function, value), chunk->time)) return value;
    return plait_build_gather(&chunk->b, value, chunk->time, plait_build_iota(&chunk->b, chunk->twin, 0));
}

static PlaitValue sum_over(PlaitChunk *chunk, PlaitValue value, PlaitAxis axis, PlaitValue mask)
{
    return plait_build_reduce(&chunk->b, PLAIT_OP_REDUCE_SUM, value, mask, &axis, 1);
}

static PlaitValue with_axis(PlaitChunk *chunk, PlaitValue value, PlaitAxis axis)
{
    return plait_build_broadcast(at(chunk, value, 0, 0), value,
                                 plait_type_with(plait_type_of(chunk->function, value), axis));
}

/* A value as an operand of products on the matrix units, which take 16 bits. What is known before the fold is split
 * there into two numbers, which are stored (`fuse`), so that the fold's kernel reads what is ready to be multiplied.
 * What is made in the fold is rounded. */
static PlaitChunkPair operand(PlaitChunk *chunk, PlaitValue value)
{
    if (!value) return (PlaitChunkPair){0};
    const PlaitInst *inst = plait_inst(chunk->function, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(chunk->function, inst->operands[0]);
    bool features = false,
         stored = inst->op == PLAIT_OP_CAST &&
                  plait_scalar_is_16_bit((PlaitScalar)plait_type_of(chunk->function, inst->operands[0]).scalar);
    for (uint32_t i = 0; i < inst->type.rank; i++) features |= plait_chunk_is_feature(chunk, inst->type.axes[i]);
    if (stored || !features || !plait_type_has(inst->type, chunk->time)) return (PlaitChunkPair){value, 0};
    PlaitBuilder *builder = at(chunk, value, 0, 0);
    PlaitValue high = plait_build_cast(builder, value, PLAIT_BF16);
    if (builder == &chunk->b) return (PlaitChunkPair){plait_build_cast(&chunk->b, high, PLAIT_F32), 0};
    PlaitValue rest = plait_build_binary(builder, PLAIT_OP_SUB, value, plait_build_cast(builder, high, PLAIT_F32));
    PlaitValue low = plait_build_cast(builder, rest, PLAIT_BF16);
    return (PlaitChunkPair){plait_build_cast(&chunk->b, high, PLAIT_F32), plait_build_cast(&chunk->b, low, PLAIT_F32)};
}

/* What is made in the fold as two 16-bit numbers. */
static PlaitChunkPair split(PlaitChunk *chunk, PlaitValue value)
{
    PlaitChunkPair pair = {plait_build_cast(&chunk->b, plait_build_cast(&chunk->b, value, PLAIT_BF16), PLAIT_F32), 0};
    PlaitValue rest = plait_build_binary(&chunk->b, PLAIT_OP_SUB, value, pair.high);
    pair.low = plait_build_cast(&chunk->b, plait_build_cast(&chunk->b, rest, PLAIT_BF16), PLAIT_F32);
    return pair;
}

static PlaitChunkPair there_pair(PlaitChunk *chunk, PlaitChunkPair pair)
{
    return (PlaitChunkPair){there(chunk, pair.high), there(chunk, pair.low)};
}

/* The number that a pair stands for. */
static PlaitValue joined(PlaitChunk *chunk, PlaitChunkPair pair)
{
    return binary(chunk, PLAIT_OP_ADD, pair.high, pair.low);
}

/* reduce.sum over `axis` of a b; the product of what rounding lost in both is left out. */
static PlaitValue product(PlaitChunk *chunk, PlaitChunkPair a, PlaitChunkPair b, PlaitAxis axis)
{
    PlaitValue sum = sum_over(chunk, binary(chunk, PLAIT_OP_MUL, a.high, b.high), axis, 0);
    if (b.low)
        sum = binary(chunk, PLAIT_OP_ADD, sum, sum_over(chunk, binary(chunk, PLAIT_OP_MUL, a.high, b.low), axis, 0));
    if (a.low)
        sum = binary(chunk, PLAIT_OP_ADD, sum, sum_over(chunk, binary(chunk, PLAIT_OP_MUL, a.low, b.high), axis, 0));
    return sum;
}

/* s <= t, or s < t. */
static PlaitValue earlier(PlaitChunk *chunk, bool self)
{
    PlaitValue t = plait_build_iota(&chunk->b, chunk->time, 0), s = plait_build_iota(&chunk->b, chunk->twin, 0);
    return plait_build_binary(&chunk->b, self ? PLAIT_OP_LE : PLAIT_OP_LT, s, t);
}

static PlaitValue emit(PlaitChunk *chunk, PlaitValue value);

static PlaitValue emit_expr(PlaitChunk *chunk, const PlaitExpr *expr)
{
    if (!expr) return 0;
    switch (expr->kind) {
    case PLAIT_EXPR_VALUE: return emit(chunk, expr->value);
    case PLAIT_EXPR_NUMBER: return number(chunk, expr->number);
    case PLAIT_EXPR_NEG: return unary(chunk, PLAIT_OP_NEG, emit_expr(chunk, expr->a));
    case PLAIT_EXPR_SELECT: {
        PlaitValue condition = emit(chunk, expr->value), a = emit_expr(chunk, expr->a), b = emit_expr(chunk, expr->b);
        return plait_chunk_failed(chunk) ? 0 : choice(chunk, condition, a, b);
    }
    case PLAIT_EXPR_MUL:
    case PLAIT_EXPR_DIV:
    case PLAIT_EXPR_ADD: {
        static const PlaitOp ops[] = {
            [PLAIT_EXPR_MUL] = PLAIT_OP_MUL, [PLAIT_EXPR_DIV] = PLAIT_OP_DIV, [PLAIT_EXPR_ADD] = PLAIT_OP_ADD};
        PlaitValue a = emit_expr(chunk, expr->a), b = emit_expr(chunk, expr->b);
        return plait_chunk_failed(chunk) ? 0 : binary(chunk, ops[expr->kind], a, b);
    }
    }
    return 0;
}

static PlaitValue log_abs(PlaitChunk *chunk, PlaitValue x)
{
    return plait_chunk_failed(chunk) ? 0 : unary(chunk, PLAIT_OP_LOG, unary(chunk, PLAIT_OP_ABS, x));
}

static PlaitValue log_of_factor(PlaitChunk *chunk, const PlaitExpr *factor)
{
    const PlaitInst *inst = factor->kind == PLAIT_EXPR_VALUE ? plait_inst(chunk->function, factor->value) : NULL;
    if (inst && inst->op == PLAIT_OP_EXP) return emit(chunk, inst->operands[0]);
    if (factor->kind == PLAIT_EXPR_NUMBER && factor->number == 0) return number(chunk, LEAST_LOG);
    if (factor->kind == PLAIT_EXPR_SELECT) {
        PlaitValue condition = emit(chunk, factor->value);
        PlaitValue a = log_of_factor(chunk, factor->a), b = log_of_factor(chunk, factor->b);
        return plait_chunk_failed(chunk) ? 0 : choice(chunk, condition, a, b);
    }
    if (factor->kind == PLAIT_EXPR_DIV && factor->a->kind == PLAIT_EXPR_NUMBER && factor->a->number == 1) {
        PlaitValue below = log_abs(chunk, emit_expr(chunk, factor->b));
        return plait_chunk_failed(chunk) ? 0 : unary(chunk, PLAIT_OP_NEG, below);
    }
    return log_abs(chunk, emit_expr(chunk, factor));
}

/* log |expr|, at least LEAST_LOG: what decays to e^-100 is 0. */
static PlaitValue log_of(PlaitChunk *chunk, const PlaitExpr *expr)
{
    PlaitExprs factors = {0};
    PlaitValue sum = 0;
    plait_expr_factors(&chunk->forms, expr, &factors);
    for (uint32_t i = 0; i < factors.count && !plait_chunk_failed(chunk); i++) {
        PlaitValue part = log_of_factor(chunk, factors.data[i]);
        if (!plait_chunk_failed(chunk)) sum = binary(chunk, PLAIT_OP_ADD, sum, part);
    }
    if (!sum || plait_chunk_failed(chunk)) return sum;
    return binary(chunk, PLAIT_OP_MAX, sum, number(chunk, LEAST_LOG));
}

/* A running product of signs up to t: with or without its own. */
static PlaitValue running_sign(PlaitChunk *chunk, PlaitValue sign_there, bool self)
{
    return plait_build_reduce(&chunk->b, PLAIT_OP_REDUCE_PROD, sign_there, earlier(chunk, self), &chunk->twin, 1);
}

static void make_signs(PlaitChunk *chunk, PlaitChunkCarry *carry)
{
    if (plait_expr_is_positive(chunk->function, carry->factor)) return;
    PlaitValue negative = binary(chunk, PLAIT_OP_LT, emit_expr(chunk, carry->factor), number(chunk, 0));
    PlaitValue sign = choice(chunk, negative, number(chunk, -1), number(chunk, 1));
    sign = with_axis(chunk, sign, chunk->time);
    PlaitValue sign_there = there(chunk, sign);
    carry->sign_before = running_sign(chunk, sign_there, false);
    carry->sign_after = running_sign(chunk, sign_there, true);
    carry->sign_there = there(chunk, carry->sign_after);
    carry->sign_whole = plait_build_reduce(&chunk->b, PLAIT_OP_REDUCE_PROD, sign, 0, &chunk->time, 1);
}

/* Logarithms of the decay from the block's beginning to each token, and over the block. */
static void make_decay(PlaitChunk *chunk, PlaitChunkCarry *carry)
{
    if (carry->has_decay || !carry->factor || plait_chunk_failed(chunk)) return;
    if (carry->making_decay) {
        plait_chunk_give_up(chunk, chunk->forms.body->yields.data[carry - chunk->carries],
                            "the carry's factor depends on what is read from it");
        return;
    }
    carry->making_decay = true;
    PlaitValue step = log_of(chunk, carry->factor);
    if (plait_chunk_failed(chunk)) return;
    step = with_axis(chunk, step, chunk->time);
    PlaitValue step_there = there(chunk, step);
    carry->before = sum_over(chunk, step_there, chunk->twin, earlier(chunk, false));
    carry->after = sum_over(chunk, step_there, chunk->twin, earlier(chunk, true));
    carry->there = there(chunk, carry->after);
    carry->whole = sum_over(chunk, step, chunk->time, 0);
    make_signs(chunk, carry);
    carry->has_decay = true;
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

/* Makes the read that the carry's terms depend on: they are then written with it. */
static void make_fed_back(PlaitChunk *chunk, const PlaitChunkCarry *carry)
{
    const PlaitRegion *body = chunk->forms.body;
    for (uint32_t i = 0; i < body->body.count && !plait_chunk_failed(chunk); i++) {
        PlaitValue value = body->body.data[i];
        const PlaitInst *inst = plait_inst(chunk->function, value);
        const PlaitForm *form = inst->op == PLAIT_OP_REDUCE_SUM ? plait_form(&chunk->forms, inst->operands[0]) : NULL;
        if (form && form->direct && !form->after && form->carry == (uint32_t)(carry - chunk->carries) &&
            feeds_back(chunk, carry, value))
            emit(chunk, value);
    }
}

static void make_terms(PlaitChunk *chunk, PlaitChunkCarry *carry)
{
    if (carry->has_terms) return;
    if (carry->making_terms) {
        plait_chunk_give_up(chunk, chunk->forms.body->yields.data[carry - chunk->carries],
                            "what is read from the carry is added to it again");
        return;
    }
    carry->making_terms = true;
    make_fed_back(chunk, carry);
    for (uint32_t i = 0; i < carry->term_count && !plait_chunk_failed(chunk); i++) {
        PlaitValue k = emit_expr(chunk, carry->terms[i].k);
        if (plait_chunk_failed(chunk)) return;
        carry->k[i] = operand(chunk, k ? k : with_axis(chunk, number(chunk, 1), carry->axis));
        carry->k_there[i] = there_pair(chunk, carry->k[i]);
        PlaitValue v = carry->v_factor[i]
                           ? binary(chunk, PLAIT_OP_ADD, binary(chunk, PLAIT_OP_MUL, carry->v_factor[i], carry->read),
                                    joined(chunk, carry->v_rest[i]))
                           : emit_expr(chunk, carry->terms[i].v);
        if (plait_chunk_failed(chunk)) return;
        bool inside = v && plait_inst(chunk->function, v)->region == chunk->region;
        PlaitChunkPair pair = inside ? split(chunk, v) : operand(chunk, v);
        carry->v[i] = inside ? v : joined(chunk, pair);
        carry->v_there[i] = there_pair(chunk, pair);
    }
    carry->has_terms = true;
}

/* reduce.sum[axis] of w at t times k at s, decayed from s to t, for s <= t, or s < t: without `self`. */
static PlaitValue scores(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitChunkPair k_there, bool self,
                         PlaitChunkPair w)
{
    PlaitValue score = product(chunk, w, k_there, carry->axis);
    score = with_axis(chunk, with_axis(chunk, score, chunk->time), chunk->twin);
    PlaitValue decay = self ? carry->after : carry->before;
    if (decay) {
        decay = unary(chunk, PLAIT_OP_EXP, binary(chunk, PLAIT_OP_SUB, decay, carry->there));
        score = binary(chunk, PLAIT_OP_MUL, decay, score);
    }
    if (carry->sign_there)
        score = binary(chunk, PLAIT_OP_MUL, score,
                       binary(chunk, PLAIT_OP_MUL, self ? carry->sign_after : carry->sign_before, carry->sign_there));
    return choice(chunk, earlier(chunk, self), score, number(chunk, 0));
}

/* scores times v at s; without v their sums. Scores stay in registers, so that splitting them costs little; with one
 * token in the block there is but one, whose rounding would be the error of the whole. */
static PlaitValue own_part(PlaitChunk *chunk, PlaitValue score, PlaitChunkPair v_there)
{
    return v_there.high ? product(chunk, split(chunk, score), v_there, chunk->twin)
                        : sum_over(chunk, score, chunk->twin, 0);
}

/* ---- reads that are added to the state again ---- */

static PlaitValue from_state(PlaitChunk *chunk, const PlaitChunkCarry *carry, bool after, PlaitChunkPair w)
{
    PlaitValue sum = product(chunk, w, (PlaitChunkPair){carry->state, 0}, carry->axis);
    PlaitValue decay = after ? carry->after : carry->before;
    if (decay) sum = binary(chunk, PLAIT_OP_MUL, unary(chunk, PLAIT_OP_EXP, decay), sum);
    if (carry->sign_there) sum = binary(chunk, PLAIT_OP_MUL, after ? carry->sign_after : carry->sign_before, sum);
    return sum;
}

/* A read R before each token, with v = m R + r in the terms:  R[t] = (what the state and r give) + sum over s < t of
 * score[t, s] m[s] R[s], a triangular system. `scale`, by row, and `extra` (0: none): R = scale * what is read + extra.
 */
static PlaitValue solve_read(PlaitChunk *chunk, PlaitChunkCarry *carry, PlaitValue read, PlaitChunkPair w,
                             PlaitValue scale, PlaitValue extra)
{
    PlaitValue matrix = 0, known;
    if (carry->solving) {
        plait_chunk_give_up(chunk, read, "two reads of the carry are added to it again");
        return 0;
    }
    carry->solving = true;
    make_decay(chunk, carry);
    if (plait_chunk_failed(chunk)) return 0;
    if (scale && plait_chunk_has_rest(carry, plait_type_of(chunk->function, scale)))
        plait_chunk_give_up(chunk, read,
                            "what is read from the carry is added to it again, with a factor along its own axis");
    known = from_state(chunk, carry, false, w);
    for (uint32_t i = 0; i < carry->term_count && !plait_chunk_failed(chunk); i++) {
        PlaitLinear v = plait_expr_linear(&chunk->forms, carry->terms[i].v, read);
        if (plait_expr_depends(&chunk->forms, carry->terms[i].k, read))
            plait_chunk_give_up(
                chunk, read, "what is read from the carry is added to it again along the axis that it was summed over");
        if (v.factor && plait_chunk_has_rest(carry, plait_expr_type(chunk->function, v.factor)))
            plait_chunk_give_up(chunk, read,
                                "what is read from the carry is added to it again, with a factor along its own axis");
        PlaitValue k =
            carry->terms[i].k ? emit_expr(chunk, carry->terms[i].k) : with_axis(chunk, number(chunk, 1), carry->axis);
        PlaitValue factor = v.factor ? emit_expr(chunk, v.factor) : 0, rest = v.rest ? emit_expr(chunk, v.rest) : 0;
        if (plait_chunk_failed(chunk)) return 0;
        PlaitValue score = scores(chunk, carry, there_pair(chunk, operand(chunk, k)), false, w);
        carry->v_factor[i] = factor;
        carry->v_rest[i] = operand(chunk, rest);
        if (rest)
            known = binary(chunk, PLAIT_OP_ADD, known, own_part(chunk, score, there_pair(chunk, carry->v_rest[i])));
        if (factor)
            matrix = binary(chunk, PLAIT_OP_ADD, matrix, binary(chunk, PLAIT_OP_MUL, score, there(chunk, factor)));
    }
    carry->solving = false;
    if (plait_chunk_failed(chunk)) return 0;
    known = binary(chunk, PLAIT_OP_ADD, binary(chunk, PLAIT_OP_MUL, known, scale), extra);
    matrix = binary(chunk, PLAIT_OP_MUL, matrix, scale);
    carry->read = plait_build_solve(&chunk->b, matrix, known, chunk->time, chunk->twin);
    return carry->read;
}

/* reduce.sum[axis] of w times the state before or after each token. */
static PlaitValue read_state(PlaitChunk *chunk, uint32_t number_, bool after, PlaitChunkPair w)
{
    PlaitChunkCarry *carry = &chunk->carries[number_];
    make_decay(chunk, carry);
    make_terms(chunk, carry);
    if (plait_chunk_failed(chunk)) return 0;
    PlaitValue sum = from_state(chunk, carry, after, w);
    for (uint32_t i = 0; i < carry->term_count; i++)
        sum = binary(chunk, PLAIT_OP_ADD, sum,
                     own_part(chunk, scores(chunk, carry, carry->k_there[i], after, w), carry->v_there[i]));
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

/* A sum over an axis of a state: of its part in the state, and of what was added to it at the token itself. */
static PlaitValue emit_read(PlaitChunk *chunk, PlaitValue value)
{
    const PlaitInst inst = *plait_inst(chunk->function, value);
    const PlaitForm form = *plait_form(&chunk->forms, inst.operands[0]);
    const PlaitExpr *weight = form.coefficient;
    if (inst.operand_count == 2) weight = plait_expr_where(&chunk->forms, inst.operands[1], true, weight);
    PlaitChunkCarry *carry = &chunk->carries[form.carry];
    const PlaitExpr *along = NULL, *scale = NULL; /* of the weight: what varies along the axis, what does not */
    split_weight(chunk, carry, value, weight, &along, &scale);
    PlaitValue w = plait_chunk_failed(chunk) ? 0
                   : along                   ? emit_expr(chunk, along)
                                             : number(chunk, 1),
               extra = 0, by = 0;
    if (scale && !plait_chunk_failed(chunk)) by = emit_expr(chunk, scale);
    for (uint32_t i = 0; i < form.terms.count && !plait_chunk_failed(chunk); i++) {
        const PlaitExpr *term = form.terms.data[i];
        if (inst.operand_count == 2) term = plait_expr_where(&chunk->forms, inst.operands[1], true, term);
        PlaitValue x = emit_expr(chunk, term);
        if (plait_chunk_failed(chunk)) return 0;
        extra = binary(chunk, PLAIT_OP_ADD, extra, sum_over(chunk, with_axis(chunk, x, inst.axes[0]), inst.axes[0], 0));
    }
    if (plait_chunk_failed(chunk)) return 0;
    PlaitChunkPair weights = operand(chunk, with_axis(chunk, with_axis(chunk, w, carry->axis), chunk->time));
    PlaitValue sum;
    if (!form.after && feeds_back(chunk, carry, value)) sum = solve_read(chunk, carry, value, weights, by, extra);
    else {
        sum = read_state(chunk, form.carry, form.after, weights);
        sum = plait_chunk_failed(chunk) ? 0 : binary(chunk, PLAIT_OP_ADD, binary(chunk, PLAIT_OP_MUL, sum, by), extra);
    }
    return plait_chunk_failed(chunk) ? 0 : plait_build_broadcast(at(chunk, sum, 0, 0), sum, inst.type);
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
    for (uint32_t i = 0; i < inst.operand_count; i++) emit(chunk, inst.operands[i]);
    return plait_chunk_failed(chunk) ? 0 : plait_clone_inst(&chunk->b, value, &chunk->made);
}

/* The value of the fold's body that stands for one of the scan's. */
static PlaitValue emit(PlaitChunk *chunk, PlaitValue value)
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

/* What a term adds to the state in a block: its outer products, each decayed (`decay`, 0: none) from its token to the
 * block's end. A vector is summed over t, where its sum is a value like others; a matrix over s. */
static PlaitValue added_to_state(PlaitChunk *chunk, const PlaitChunkCarry *carry, uint32_t term, PlaitValue decay)
{
    PlaitValue v = binary(chunk, PLAIT_OP_MUL, carry->v[term], decay);
    if (carry->rest.rank == 0) {
        PlaitValue x = binary(chunk, PLAIT_OP_MUL, joined(chunk, carry->k[term]), v);
        return sum_over(chunk, with_axis(chunk, x, chunk->time), chunk->time, 0);
    }
    PlaitChunkPair k = carry->k_there[term];
    if (!v) v = with_axis(chunk, number(chunk, 1), chunk->time);
    k.high = with_axis(chunk, k.high, chunk->twin);
    return product(chunk, k, there_pair(chunk, operand(chunk, v)), chunk->twin);
}

/* exp(G) S + what the terms add. */
static PlaitValue next_state(PlaitChunk *chunk, uint32_t number_)
{
    PlaitChunkCarry *carry = &chunk->carries[number_];
    make_decay(chunk, carry);
    make_terms(chunk, carry);
    if (plait_chunk_failed(chunk)) return 0;
    PlaitValue next = carry->state, rest = 0;
    if (carry->whole) {
        next = binary(chunk, PLAIT_OP_MUL, unary(chunk, PLAIT_OP_EXP, carry->whole), next);
        rest = unary(chunk, PLAIT_OP_EXP, binary(chunk, PLAIT_OP_SUB, carry->whole, carry->after));
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
        yields[i] = emit(chunk, body->yields.data[i]);
    for (uint32_t i = 0; i < chunk->count && !plait_chunk_failed(chunk); i++) yields[i] = next_state(chunk, i);
    return !plait_chunk_failed(chunk);
}
