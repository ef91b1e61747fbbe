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
 * first half and t in its second, and the decay from s to t is that from s to the middle times that from the middle to
 * t. For 64 tokens these are six products, a loop of six turns, whose exponents are sums of logarithms, none a
 * difference.
 *
 * Pieces in which no decay can leave the range of numbers are one product, with exponents on both sides that count from
 * the piece's middle. Where the program bounds the factor (RWKV-7: none below 0.54) that is the whole block. Else the
 * block's steepest factor decides when it runs: of mild ones, as gates are most of the time, the loop has no turn.
 */
#include "passes/stage/chunk_values.h"

enum { LEAST_LOG = -100, MOST_LOG = 60 };

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
        carry->step = step;
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

/* The sum over s of logarithms times 1, 0 or -1, which stand over t and s. */
static PlaitValue logs_where(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue signs)
{
    return product(chunk, (PlaitChunkPair){signs, 0}, carry->step_there, chunk->twin);
}

static PlaitValue one_where(PlaitChunk *chunk, PlaitValue mask)
{
    return choice(chunk, mask, number(chunk, 1), number(chunk, 0));
}

/* The decay from the block's beginning to t, with or without t's own. */
static PlaitValue decay_to(PlaitChunk *chunk, const PlaitChunkCarry *carry, bool decayed)
{
    return unary(chunk, PLAIT_OP_EXP, logs_where(chunk, carry, one_where(chunk, earlier(chunk, decayed))));
}

PlaitValue plait_chunk_decay_after(PlaitChunk *chunk, const PlaitChunkCarry *carry)
{
    return unary(chunk, PLAIT_OP_EXP, logs_where(chunk, carry, one_where(chunk, compare(chunk, PLAIT_OP_GT))));
}

/* Pieces of a block: t and s lie in the pieces of these numbers (f32: whole numbers are exact, and no division is
 * needed), and in these pairs of pieces. */
typedef struct Pieces {
    PlaitValue t, s, pair_t, pair_s;
    PlaitValue late; /* t lies in the second piece of its pair */
} Pieces;

static PlaitValue whole_part(PlaitChunk *chunk, PlaitValue x, PlaitValue scale)
{
    return unary(chunk, PLAIT_OP_FLOOR, binary(chunk, PLAIT_OP_MUL, x, scale));
}

/* `scale`: 1 / the size of a piece. */
static Pieces make_pieces(PlaitChunk *chunk, PlaitValue scale)
{
    Pieces pieces;
    PlaitBuilder *b = &chunk->b;
    PlaitValue half = number(chunk, 0.5);
    pieces.t = whole_part(chunk, plait_build_cast(b, place_of(chunk, chunk->time), PLAIT_F32), scale);
    pieces.s = whole_part(chunk, plait_build_cast(b, place_of(chunk, chunk->twin), PLAIT_F32), scale);
    pieces.pair_t = whole_part(chunk, pieces.t, half);
    pieces.pair_s = whole_part(chunk, pieces.s, half);
    pieces.late = binary(chunk, PLAIT_OP_NE, pieces.t, binary(chunk, PLAIT_OP_ADD, pieces.pair_t, pieces.pair_t));
    return pieces;
}

/* 1 / the size of a piece at each level: from one token on, doubled from level to level. */
static PlaitValue scale_of_level(PlaitChunk *chunk, PlaitAxis axis)
{
    PlaitBuilder *b = &chunk->b;
    PlaitValue level = plait_build_iota(b, axis, 0), scale = number(chunk, 1);
    for (int i = 1; i < chunk->function->axes.data[axis].size; i++) {
        PlaitValue own = plait_build_binary(b, PLAIT_OP_EQ, level, plait_build_const(b, PLAIT_I32, i));
        scale = choice(chunk, own, number(chunk, 1.0 / (double)(1 << i)), scale);
    }
    return scale;
}

/* Sums of logarithms in t's own piece, for a product of two decays: of the second piece of a pair from its beginning to
 * t, with or without t's own; of the first after t to its end. None is above 0. */
static PlaitValue logs_to_middle(PlaitChunk *chunk, const PlaitChunkCarry *carry, const Pieces *pieces, bool decayed)
{
    PlaitValue same = binary(chunk, PLAIT_OP_EQ, pieces->t, pieces->s);
    PlaitValue before = earlier(chunk, decayed), after = compare(chunk, PLAIT_OP_GT);
    same = binary(chunk, PLAIT_OP_AND, same, choice(chunk, pieces->late, before, after));
    return logs_where(chunk, carry, one_where(chunk, same));
}

/* The logarithm of the decay from the middle of a pair of pieces to t, with or without t's own: above 0 in the first.
 */
static PlaitValue logs_from_middle(PlaitChunk *chunk, const PlaitChunkCarry *carry, const Pieces *pieces, bool decayed)
{
    PlaitValue same = binary(chunk, PLAIT_OP_EQ, pieces->t, pieces->s);
    PlaitValue before = earlier(chunk, decayed), after = unary(chunk, PLAIT_OP_NOT, before);
    PlaitValue second = binary(chunk, PLAIT_OP_AND, pieces->late, before),
               first = binary(chunk, PLAIT_OP_AND, unary(chunk, PLAIT_OP_NOT, pieces->late), after);
    PlaitValue signs =
        choice(chunk, second, number(chunk, 1), choice(chunk, first, number(chunk, -1), number(chunk, 0)));
    return logs_where(chunk, carry, choice(chunk, same, signs, number(chunk, 0)));
}

/* How large the pieces are that one product takes. */
typedef struct Size {
    PlaitValue least;  /* i32: pairs of pieces of 2^least tokens and more are levels' */
    PlaitValue halves; /* f32: 1 / the size of half a piece, 2^(1 - least) */
} Size;

/* The largest |logarithm| of a factor in the block. */
static PlaitValue steepest(PlaitChunk *chunk, const PlaitChunkCarry *carry)
{
    PlaitValue most = unary(chunk, PLAIT_OP_ABS, carry->step);
    PlaitAxis axes[] = {carry->axis, chunk->time};
    for (uint32_t i = 0; i < 2; i++) most = plait_build_reduce(&chunk->b, PLAIT_OP_REDUCE_MAX, most, 0, &axes[i], 1);
    return most;
}

/* Of the largest pieces in whose halves the decay stays within e^-MOST_LOG, whatever the token. */
static Size size_at_run_time(PlaitChunk *chunk, const PlaitChunkCarry *carry)
{
    PlaitValue most = steepest(chunk, carry);
    Size size = {plait_build_const(&chunk->b, PLAIT_I32, 0), number(chunk, 2)};
    for (int64_t tokens = 2, level = 1; tokens <= PLAIT_BLOCK_TOKENS; tokens *= 2, level++) {
        PlaitValue mild = binary(chunk, PLAIT_OP_LE, most, number(chunk, 2.0 * MOST_LOG / (double)tokens));
        size.least = choice(chunk, mild, plait_build_const(&chunk->b, PLAIT_I32, (double)level), size.least);
        size.halves = choice(chunk, mild, number(chunk, 2.0 / (double)tokens), size.halves);
    }
    return size;
}

/* Whether no decay of the program can leave the range in half a block. */
static bool is_bounded(PlaitChunk *chunk, const PlaitChunkCarry *carry)
{
    return plait_expr_most_log(chunk->function, carry->factor) * PLAIT_BLOCK_TOKENS / 2 <= MOST_LOG;
}

/* Scores of pairs that lie in different halves of a piece of any size above `least`. */
static PlaitValue scores_by_levels(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue k, PlaitChunkView view,
                                   PlaitValue w, PlaitValue least)
{
    PlaitAxis level = plait_chunk_levels(chunk);
    Pieces pieces = make_pieces(chunk, scale_of_level(chunk, level));
    PlaitValue decay = unary(chunk, PLAIT_OP_EXP, logs_to_middle(chunk, carry, &pieces, view.decayed));
    PlaitChunkPair there_k = there_pair(chunk, rounded(chunk, binary(chunk, PLAIT_OP_MUL, k, decay)));
    PlaitValue score = product(chunk, rounded(chunk, binary(chunk, PLAIT_OP_MUL, w, decay)), there_k, carry->axis);
    PlaitValue apart = binary(chunk, PLAIT_OP_AND, binary(chunk, PLAIT_OP_EQ, pieces.pair_t, pieces.pair_s),
                              binary(chunk, PLAIT_OP_LT, pieces.s, pieces.t));
    PlaitValue parts = choice(chunk, apart, score, number(chunk, 0));
    return sum_over(chunk, parts, level, binary(chunk, PLAIT_OP_GE, plait_build_iota(&chunk->b, level, 0), least));
}

/* Scores of pairs in one piece: both exponents count from its middle, where none is large. */
static PlaitValue scores_in_piece(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue k, PlaitChunkView view,
                                  PlaitValue w, PlaitValue halves, PlaitValue others)
{
    Pieces pieces = make_pieces(chunk, halves);
    PlaitValue to_t = logs_from_middle(chunk, carry, &pieces, view.decayed),
               to_s = logs_from_middle(chunk, carry, &pieces, true);
    PlaitValue at_t = binary(chunk, PLAIT_OP_MUL, w, unary(chunk, PLAIT_OP_EXP, to_t));
    PlaitValue at_s = binary(chunk, PLAIT_OP_MUL, k, unary(chunk, PLAIT_OP_EXP, unary(chunk, PLAIT_OP_NEG, to_s)));
    PlaitValue score = product(chunk, rounded(chunk, at_t), there_pair(chunk, rounded(chunk, at_s)), carry->axis);
    PlaitValue mask = binary(chunk, PLAIT_OP_AND, binary(chunk, PLAIT_OP_EQ, pieces.pair_t, pieces.pair_s),
                             earlier(chunk, view.self));
    return choice(chunk, unary(chunk, PLAIT_OP_NOT, mask), others, score);
}

static PlaitValue keyed_scores(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue k, PlaitChunkView view,
                               PlaitValue w)
{
    if (is_bounded(chunk, carry))
        return scores_in_piece(chunk, carry, k, view, w, number(chunk, 2.0 / PLAIT_BLOCK_TOKENS), number(chunk, 0));
    Size size = size_at_run_time(chunk, carry);
    PlaitValue others = scores_by_levels(chunk, carry, k, view, w, size.least);
    return scores_in_piece(chunk, carry, k, view, w, size.halves, others);
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
        score = binary(
            chunk, PLAIT_OP_MUL, score,
            binary(chunk, PLAIT_OP_MUL, view.decayed ? carry->sign_after : carry->sign_before, carry->sign_there));
    return choice(chunk, earlier(chunk, view.self), score, number(chunk, 0));
}

PlaitValue plait_chunk_from_state(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitChunkView view,
                                  PlaitChunkPair w)
{
    if (carry->keyed) w = operand(chunk, binary(chunk, PLAIT_OP_MUL, w.high, decay_to(chunk, carry, view.decayed)));
    PlaitValue sum = product(chunk, w, (PlaitChunkPair){carry->state, 0}, carry->axis);
    PlaitValue decay = view.decayed ? carry->after : carry->before;
    if (decay) sum = binary(chunk, PLAIT_OP_MUL, unary(chunk, PLAIT_OP_EXP, decay), sum);
    if (carry->sign_there)
        sum = binary(chunk, PLAIT_OP_MUL, view.decayed ? carry->sign_after : carry->sign_before, sum);
    return sum;
}
