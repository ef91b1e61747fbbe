/* Inside the pass `chunk`: decays inside of a block, and what they are multiplied with.
 *
 * A factor without the state's axes is a number for each token. Its logarithms are summed from the block's beginning,
 * and every exponent is a difference of two sums: that to a later token and that to an earlier one.
 *
 * A factor along the axis that reads sum over (`keyed`) must be multiplied with both operands of a product,
 *
 *     score[t, s] = sum over d of w[t, d] k[s, d] exp(sum over s < j <= t of log a[j, d]),
 *
 * and no exponent may be above 0, however strong the decay. So pairs s < t are taken apart by the largest power of two
 * that divides the places between them: at level l the block falls into pieces of 2^(l+1) tokens, s lies in a piece's
 * first half and t in its second, and the decay from s to t is that from s to the middle times that from the middle to t.
 * For 64 tokens these are six products, a loop of six turns, whose exponents are sums of logarithms, none a difference.
 */
#include "passes/stage/chunk_values.h"

enum { LEAST_LOG = -100 };

static PlaitValue log_abs(PlaitChunk *chunk, PlaitValue x)
{
    return plait_chunk_failed(chunk) ? 0 : unary(chunk, PLAIT_OP_LOG, unary(chunk, PLAIT_OP_ABS, x));
}

static PlaitValue log_of_factor(PlaitChunk *chunk, const PlaitExpr *factor)
{
    const PlaitInst *inst = factor->kind == PLAIT_EXPR_VALUE ? plait_inst(chunk->function, factor->value) : NULL;
    if (inst && inst->op == PLAIT_OP_EXP) return plait_chunk_emit(chunk, inst->operands[0]);
    if (factor->kind == PLAIT_EXPR_NUMBER && factor->number == 0) return number(chunk, LEAST_LOG);
    if (factor->kind == PLAIT_EXPR_SELECT) {
        PlaitValue condition = plait_chunk_emit(chunk, factor->value);
        PlaitValue a = log_of_factor(chunk, factor->a), b = log_of_factor(chunk, factor->b);
        return plait_chunk_failed(chunk) ? 0 : choice(chunk, condition, a, b);
    }
    if (factor->kind == PLAIT_EXPR_DIV && factor->a->kind == PLAIT_EXPR_NUMBER && factor->a->number == 1) {
        PlaitValue below = log_abs(chunk, plait_chunk_emit_expr(chunk, factor->b));
        return plait_chunk_failed(chunk) ? 0 : unary(chunk, PLAIT_OP_NEG, below);
    }
    return log_abs(chunk, plait_chunk_emit_expr(chunk, factor));
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
    PlaitValue negative = binary(chunk, PLAIT_OP_LT, plait_chunk_emit_expr(chunk, carry->factor), number(chunk, 0));
    PlaitValue sign = choice(chunk, negative, number(chunk, -1), number(chunk, 1));
    sign = with_axis(chunk, sign, chunk->time);
    PlaitValue sign_there = there(chunk, sign);
    carry->sign_before = running_sign(chunk, sign_there, false);
    carry->sign_after = running_sign(chunk, sign_there, true);
    carry->sign_there = there(chunk, carry->sign_after);
    carry->sign_whole = plait_build_reduce(&chunk->b, PLAIT_OP_REDUCE_PROD, sign, 0, &chunk->time, 1);
}

/* Logarithms of the decay from the block's beginning to each token, and over the block. */
void plait_chunk_make_decay(PlaitChunk *chunk, PlaitChunkCarry *carry)
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
    carry->whole = sum_over(chunk, step, chunk->time, 0);
    carry->has_decay = true;
    if (carry->keyed) {
        plait_chunk_need_blocks(chunk);
        carry->step_there = there_pair(chunk, split(chunk, step));
        return;
    }
    PlaitValue step_there = there(chunk, step);
    carry->before = sum_over(chunk, step_there, chunk->twin, earlier(chunk, false));
    carry->after = sum_over(chunk, step_there, chunk->twin, earlier(chunk, true));
    carry->there = there(chunk, carry->after);
    make_signs(chunk, carry);
}

/* ---- decays along the axis that is summed over ---- */

/* The sum over s of logarithms, where the mask over t and s holds. */
static PlaitValue logs_where(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue mask)
{
    PlaitValue ones = choice(chunk, mask, number(chunk, 1), number(chunk, 0));
    return product(chunk, (PlaitChunkPair){ones, 0}, carry->step_there, chunk->twin);
}

static PlaitValue compare(PlaitChunk *chunk, PlaitOp op)
{
    return plait_build_binary(&chunk->b, op, plait_build_iota(&chunk->b, chunk->twin, 0),
                              plait_build_iota(&chunk->b, chunk->time, 0));
}

/* The decay from the block's beginning to t, with or without t's own. */
static PlaitValue decay_to(PlaitChunk *chunk, const PlaitChunkCarry *carry, bool decayed)
{
    return unary(chunk, PLAIT_OP_EXP, logs_where(chunk, carry, compare(chunk, decayed ? PLAIT_OP_LE : PLAIT_OP_LT)));
}

PlaitValue plait_chunk_decay_after(PlaitChunk *chunk, const PlaitChunkCarry *carry)
{
    return unary(chunk, PLAIT_OP_EXP, logs_where(chunk, carry, compare(chunk, PLAIT_OP_GT)));
}

/* At each level: pieces of so many tokens that the halves of what the level takes apart are one each. */
typedef struct Pieces {
    PlaitAxis level;
    PlaitValue t, s;             /* the numbers of the pieces that t and s lie in */
    PlaitValue pair_t, pair_s;   /* of the pairs of pieces */
} Pieces;

/* floor(x / 2), x / size for a power of two: exact. */
static PlaitValue whole_part(PlaitChunk *chunk, PlaitValue x, PlaitValue scale)
{
    return unary(chunk, PLAIT_OP_FLOOR, binary(chunk, PLAIT_OP_MUL, x, scale));
}

static Pieces make_pieces(PlaitChunk *chunk)
{
    Pieces pieces = {.level = plait_chunk_levels(chunk)};
    PlaitBuilder *b = &chunk->b;
    PlaitValue level = plait_build_iota(b, pieces.level, 0), scale = number(chunk, 1), half = number(chunk, 0.5);
    for (int i = 1, size = 2; size < PLAIT_BLOCK_TOKENS; i++, size *= 2) {
        PlaitValue own = plait_build_binary(b, PLAIT_OP_EQ, level, plait_build_const(b, PLAIT_I32, i));
        scale = choice(chunk, own, number(chunk, 1.0 / size), scale);
    }
    pieces.t = whole_part(chunk, plait_build_cast(b, place_of(chunk, chunk->time), PLAIT_F32), scale);
    pieces.s = whole_part(chunk, plait_build_cast(b, place_of(chunk, chunk->twin), PLAIT_F32), scale);
    pieces.pair_t = whole_part(chunk, pieces.t, half);
    pieces.pair_s = whole_part(chunk, pieces.s, half);
    return pieces;
}

/* Between t and the middle of its pair of pieces: from the middle to t in the second piece, with or without t's own;
 * after t to the middle in the first. */
static PlaitValue decay_to_middle(PlaitChunk *chunk, const PlaitChunkCarry *carry, const Pieces *pieces, bool decayed)
{
    PlaitValue first = binary(chunk, PLAIT_OP_ADD, pieces->pair_t, pieces->pair_t);
    PlaitValue late = binary(chunk, PLAIT_OP_NE, pieces->t, first);
    PlaitValue side = choice(chunk, late, compare(chunk, decayed ? PLAIT_OP_LE : PLAIT_OP_LT),
                             compare(chunk, PLAIT_OP_GT));
    PlaitValue mask = binary(chunk, PLAIT_OP_AND, binary(chunk, PLAIT_OP_EQ, pieces->t, pieces->s), side);
    return unary(chunk, PLAIT_OP_EXP, logs_where(chunk, carry, mask));
}

static PlaitValue keyed_scores(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue k, PlaitChunkView view,
                               PlaitValue w)
{
    Pieces pieces = make_pieces(chunk);
    PlaitValue decay = decay_to_middle(chunk, carry, &pieces, view.decayed);
    PlaitChunkPair there_k = there_pair(chunk, operand(chunk, binary(chunk, PLAIT_OP_MUL, k, decay)));
    PlaitValue score = product(chunk, operand(chunk, binary(chunk, PLAIT_OP_MUL, w, decay)), there_k, carry->axis);
    PlaitValue apart = binary(chunk, PLAIT_OP_AND, binary(chunk, PLAIT_OP_EQ, pieces.pair_t, pieces.pair_s),
                              binary(chunk, PLAIT_OP_LT, pieces.s, pieces.t));
    PlaitValue sum = sum_over(chunk, choice(chunk, apart, score, number(chunk, 0)), pieces.level, 0);
    if (!view.self) return sum;
    PlaitValue own = sum_over(chunk, binary(chunk, PLAIT_OP_MUL, w, k), carry->axis, 0);
    return choice(chunk, compare(chunk, PLAIT_OP_EQ), own, sum);
}

/* ---- products with the decays ---- */

PlaitValue plait_chunk_scores(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitChunkPair k, PlaitChunkView view,
                              PlaitChunkPair w)
{
    if (carry->keyed) return keyed_scores(chunk, carry, k.high, view, w.high);
    PlaitValue score = product(chunk, w, there_pair(chunk, k), carry->axis);
    score = with_axis(chunk, with_axis(chunk, score, chunk->time), chunk->twin);
    PlaitValue decay = view.decayed ? carry->after : carry->before;
    if (decay) {
        decay = unary(chunk, PLAIT_OP_EXP, binary(chunk, PLAIT_OP_SUB, decay, carry->there));
        score = binary(chunk, PLAIT_OP_MUL, decay, score);
    }
    if (carry->sign_there)
        score = binary(chunk, PLAIT_OP_MUL, score,
                       binary(chunk, PLAIT_OP_MUL, view.decayed ? carry->sign_after : carry->sign_before, carry->sign_there));
    return choice(chunk, earlier(chunk, view.self), score, number(chunk, 0));
}

PlaitValue plait_chunk_from_state(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitChunkView view,
                                  PlaitChunkPair w)
{
    if (carry->keyed)
        w = operand(chunk, binary(chunk, PLAIT_OP_MUL, w.high, decay_to(chunk, carry, view.decayed)));
    PlaitValue sum = product(chunk, w, (PlaitChunkPair){carry->state, 0}, carry->axis);
    PlaitValue decay = view.decayed ? carry->after : carry->before;
    if (decay) sum = binary(chunk, PLAIT_OP_MUL, unary(chunk, PLAIT_OP_EXP, decay), sum);
    if (carry->sign_there) sum = binary(chunk, PLAIT_OP_MUL, view.decayed ? carry->sign_after : carry->sign_before, sum);
    return sum;
}
