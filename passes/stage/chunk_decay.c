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

/* A sum of logarithms that ends with t's own, with or without that. Both come from one product. */
static PlaitValue up_to(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue logs, bool decayed)
{
    return decayed ? logs : binary(chunk, PLAIT_OP_SUB, logs, carry->step);
}

/* The decay from the block's beginning to t, with or without t's own. */
static PlaitValue decay_to(PlaitChunk *chunk, const PlaitChunkCarry *carry, bool decayed)
{
    PlaitValue logs = logs_where(chunk, carry, one_where(chunk, earlier(chunk, true)));
    return unary(chunk, PLAIT_OP_EXP, up_to(chunk, carry, logs, decayed));
}

PlaitValue plait_chunk_decay_after(PlaitChunk *chunk, const PlaitChunkCarry *carry)
{
    return unary(chunk, PLAIT_OP_EXP, logs_where(chunk, carry, one_where(chunk, compare(chunk, PLAIT_OP_GT))));
}

/* The piece of two halves that t lies in, as places in the block (i32). */
typedef struct Piece {
    PlaitValue first, middle; /* its first token, that of its second half; first: 0 where it is the block's */
    PlaitValue s;             /* the place of s */
    PlaitValue late;          /* t lies in the second half */
} Piece;

/* `half`: tokens of half a piece, a power of two from 0.5 on, and 1 / that, both f32, where whole numbers are exact and
 * no division is needed. A piece of one token is a first half. */
static Piece piece_of(PlaitChunk *chunk, PlaitValue half, PlaitValue scale)
{
    PlaitBuilder *b = &chunk->b;
    PlaitValue t = place_of(chunk, chunk->time);
    PlaitValue pair = unary(chunk, PLAIT_OP_FLOOR,
                            binary(chunk, PLAIT_OP_MUL, plait_build_cast(b, t, PLAIT_F32),
                                   binary(chunk, PLAIT_OP_MUL, scale, number(chunk, 0.5))));
    PlaitValue first = binary(chunk, PLAIT_OP_MUL, binary(chunk, PLAIT_OP_ADD, pair, pair), half);
    PlaitValue middle =
        binary(chunk, PLAIT_OP_ADD, first, binary(chunk, PLAIT_OP_ADD, half, number(chunk, 0.5))); /* rounded down */
    middle = plait_build_cast(b, middle, PLAIT_I32);
    return (Piece){plait_build_cast(b, first, PLAIT_I32), middle, place_of(chunk, chunk->twin),
                   binary(chunk, PLAIT_OP_GE, t, middle)};
}

/* The block as one piece. */
static Piece whole_block(PlaitChunk *chunk)
{
    PlaitBuilder *b = &chunk->b;
    PlaitValue middle = plait_build_const(b, PLAIT_I32, PLAIT_BLOCK_TOKENS / 2);
    return (Piece){0, middle, place_of(chunk, chunk->twin),
                   binary(chunk, PLAIT_OP_GE, place_of(chunk, chunk->time), middle)};
}

/* Tokens of half a piece at each level, from one on, doubled from level to level, or 1 / that. */
static PlaitValue half_at_level(PlaitChunk *chunk, PlaitAxis axis, bool inverse)
{
    PlaitBuilder *b = &chunk->b;
    PlaitValue level = plait_build_iota(b, axis, 0), result = number(chunk, 1);
    for (int i = 1; i < chunk->function->axes.data[axis].size; i++) {
        PlaitValue own = plait_build_binary(b, PLAIT_OP_EQ, level, plait_build_const(b, PLAIT_I32, i));
        double half = (double)(1 << i);
        result = choice(chunk, own, number(chunk, inverse ? 1 / half : half), result);
    }
    return result;
}

/* Whether s lies between t and the middle: in t's half from the middle to t, with t, or after t to the middle. */
static PlaitValue after_middle(PlaitChunk *chunk, const Piece *piece)
{
    return binary(chunk, PLAIT_OP_GE, piece->s, piece->middle);
}

/* Sums of logarithms for a product of two decays: in the second half from its beginning to t, with or without t's own;
 * in the first after t to its end. None is above 0, but for what summing rounds. */
static PlaitValue logs_to_middle(PlaitChunk *chunk, const PlaitChunkCarry *carry, const Piece *piece, bool decayed)
{
    PlaitValue between = binary(chunk, PLAIT_OP_NE, after_middle(chunk, piece), compare(chunk, PLAIT_OP_GT));
    PlaitValue logs = logs_where(chunk, carry, one_where(chunk, between));
    return decayed ? logs
                   : binary(chunk, PLAIT_OP_SUB, logs, choice(chunk, piece->late, carry->step, number(chunk, 0)));
}

/* The logarithm of the decay from the middle to t, with t's own: above 0 in the first half. */
static PlaitValue logs_from_middle(PlaitChunk *chunk, const PlaitChunkCarry *carry, const Piece *piece)
{
    PlaitValue after = compare(chunk, PLAIT_OP_GT), second = one_where(chunk, after_middle(chunk, piece));
    PlaitValue first = binary(chunk, PLAIT_OP_SUB, second, number(chunk, 1));
    return logs_where(chunk, carry, choice(chunk, after, first, second));
}

/* How large the pieces are that one product takes. */
typedef struct Size {
    PlaitValue least;       /* i32: pieces of more than 2^least tokens are levels' */
    PlaitValue half, scale; /* f32: tokens of half a piece, 2^(least - 1), and 1 / that */
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
    Size size = {plait_build_const(&chunk->b, PLAIT_I32, 0), number(chunk, 0.5), number(chunk, 2)};
    for (int64_t tokens = 2, level = 1; tokens <= PLAIT_BLOCK_TOKENS; tokens *= 2, level++) {
        PlaitValue mild = binary(chunk, PLAIT_OP_LE, most, number(chunk, 2.0 * MOST_LOG / (double)tokens));
        size.least = choice(chunk, mild, plait_build_const(&chunk->b, PLAIT_I32, (double)level), size.least);
        size.half = choice(chunk, mild, number(chunk, (double)tokens / 2), size.half);
        size.scale = choice(chunk, mild, number(chunk, 2.0 / (double)tokens), size.scale);
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
    Piece piece = piece_of(chunk, half_at_level(chunk, level, false), half_at_level(chunk, level, true));
    PlaitValue to_t = logs_to_middle(chunk, carry, &piece, view.decayed),
               to_s = logs_to_middle(chunk, carry, &piece, true);
    PlaitValue at_t = binary(chunk, PLAIT_OP_MUL, w, unary(chunk, PLAIT_OP_EXP, to_t)),
               at_s = binary(chunk, PLAIT_OP_MUL, k, unary(chunk, PLAIT_OP_EXP, to_s));
    PlaitValue score = product(chunk, rounded(chunk, at_t), there_pair(chunk, rounded(chunk, at_s)), carry->axis);
    PlaitValue early = plait_build_unary(&chunk->b, PLAIT_OP_NOT, after_middle(chunk, &piece));
    PlaitValue none = plait_build_const(&chunk->b, PLAIT_I32, PLAIT_BLOCK_TOKENS);
    PlaitValue from = choice(chunk, piece.late, piece.first, none);
    PlaitValue apart = binary(chunk, PLAIT_OP_AND, early, binary(chunk, PLAIT_OP_GE, piece.s, from));
    PlaitValue parts = choice(chunk, apart, score, number(chunk, 0));
    return sum_over(chunk, parts, level, binary(chunk, PLAIT_OP_GE, plait_build_iota(&chunk->b, level, 0), least));
}

/* Scores of pairs in one piece: both exponents count from its middle, where none is large. `others`: those of other
 * pairs. */
static PlaitValue scores_in_piece(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue k, PlaitChunkView view,
                                  PlaitValue w, const Piece *piece, PlaitValue others)
{
    PlaitValue to_s = logs_from_middle(chunk, carry, piece), to_t = up_to(chunk, carry, to_s, view.decayed);
    PlaitValue at_t = binary(chunk, PLAIT_OP_MUL, w, unary(chunk, PLAIT_OP_EXP, to_t));
    PlaitValue at_s = binary(chunk, PLAIT_OP_MUL, k, unary(chunk, PLAIT_OP_EXP, unary(chunk, PLAIT_OP_NEG, to_s)));
    PlaitValue score = product(chunk, rounded(chunk, at_t), there_pair(chunk, rounded(chunk, at_s)), carry->axis);
    if (piece->first) score = choice(chunk, binary(chunk, PLAIT_OP_GE, piece->s, piece->first), score, others);
    return choice(chunk, earlier(chunk, view.self), score, number(chunk, 0));
}

static PlaitValue keyed_scores(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitValue k, PlaitChunkView view,
                               PlaitValue w)
{
    if (is_bounded(chunk, carry)) {
        Piece block = whole_block(chunk);
        return scores_in_piece(chunk, carry, k, view, w, &block, 0);
    }
    Size size = size_at_run_time(chunk, carry);
    Piece piece = piece_of(chunk, size.half, size.scale);
    PlaitValue others = scores_by_levels(chunk, carry, k, view, w, size.least);
    return scores_in_piece(chunk, carry, k, view, w, &piece, others);
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
