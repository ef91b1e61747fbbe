/* Scans whose state is a decayed sum of outer products become folds over blocks of tokens.
 *
 *     scan S { S' = a S + k v;  o = reduce.sum[d] q S' }       a: without the axes of k and v
 *
 *     fold S over blocks of t, also called s, {
 *       g  = reduce.sum[s] log a where s <= t                  decay from the block's beginning to t
 *       p  = select(s <= t, exp(g - g@s), 0) * reduce.sum[d] q * k@s
 *       o  = exp(g) * reduce.sum[d] q * S  +  reduce.sum[s] p * v@s
 *       S' = exp(G) * S  +  reduce.sum[s] k@s * (exp(G - g) * v)@s          G: g of the block's last token
 *     }
 *
 * Every exponent of a decay is a difference to an earlier token, so none is above 0 that was not before. The products
 * are what the matrix units take. A read of the state before the token has s < t. The rest of the body runs on all
 * tokens of the block at once. The same for every partition into blocks, so the size of a block is not decided here.
 *
 * A read of the state before the token may be part of what is added to the state, linearly:  v = m R + r  (the delta
 * rule). Then R is the solution of a unit lower-triangular system over the block's tokens (`solve`).
 *
 * Left as they are: scans that walk backwards, or whose state is neither f32 nor made of bf16 tensors (products on the
 * matrix units round), is not read by sums over one axis, or has a factor along its own axes.
 */
#include "passes/stage/chunk.h"

#include "ir/clone.h"
#include "ir/order.h"
#include "passes/passes.h"
#include "passes/stage/chunk_form.h"
#include "passes/stage/storage.h"

enum { MOST_TERMS = 8, LEAST_SIZE = 16, MOST_SIZE = 256, LEAST_LOG = -100 };

/* One outer product that is added to the state: k along the axis that reads sum over, v along the others. */
typedef struct Term {
    const PlaitExpr *k, *v; /* NULL: 1 */
} Term;

/* An operand of products: a 16-bit number, and another for what rounding to it lost (0: nothing, or not kept). */
typedef struct Pair {
    PlaitValue high, low;
} Pair;

typedef struct Carry {
    PlaitAxis axis; /* that reads sum over */
    PlaitType rest; /* the state's other feature axes */
    const PlaitExpr *factor;
    Term terms[MOST_TERMS];
    uint32_t term_count;
    PlaitValue state;                                             /* the fold's parameter */
    Pair k[MOST_TERMS], k_there[MOST_TERMS], v_there[MOST_TERMS]; /* k and v as operands; there: at s */
    PlaitValue v[MOST_TERMS];
    PlaitValue read; /* that is added again: v = v_factor read + v_rest; 0: none */
    PlaitValue v_factor[MOST_TERMS];
    Pair v_rest[MOST_TERMS];
    PlaitValue before, after, there, whole; /* decays; 0: none, or not made */
    PlaitValue sign_before, sign_after, sign_there, sign_whole;
    bool has_decay, making_decay, has_terms, making_terms, solving;
} Carry;

typedef struct Chunk {
    PlaitFunction *function;
    PlaitForms forms;
    PlaitValue scan;
    bool any_size; /* and any storage: for tests of what the fold means */
    PlaitAxis time, twin;
    Carry *carries;
    uint32_t count;
    PlaitRegion *region;
    PlaitBuilder b, outside; /* in the fold, before it */
    PlaitCloneMap made;      /* values of the body -> values of the fold's */
    bool *open;              /* by value: being made */
} Chunk;

static bool give_up(Chunk *chunk, PlaitValue value, const char *reason)
{
    return plait_form_fail(&chunk->forms, value, reason);
}

static bool failed(const Chunk *chunk) { return chunk->forms.reason != NULL; }

static PlaitType type_of(const Chunk *chunk, PlaitValue value) { return plait_type_of(chunk->function, value); }

/* ---- what the scan must be ---- */

static bool is_feature(const Chunk *chunk, PlaitAxis axis)
{
    return chunk->function->axes.data[axis].role == PLAIT_ROLE_FEATURE;
}

/* Notes the axis that a read sums over. */
static bool check_read(Chunk *chunk, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(chunk->function, value);
    const PlaitForm *form = plait_form(&chunk->forms, inst->operands[0]);
    if (failed(chunk) || !form->direct) return !failed(chunk);
    Carry *carry = &chunk->carries[form->carry];
    if (inst->axis_count != 1) return give_up(chunk, value, "a sum over several axes of the carry");
    if (!is_feature(chunk, inst->axes[0])) return give_up(chunk, value, "a sum over an axis that is no feature axis");
    if (carry->axis != PLAIT_NO_AXIS && carry->axis != inst->axes[0])
        return give_up(chunk, value, "sums over different axes of the carry");
    carry->axis = inst->axes[0];
    return true;
}

static bool check_body(Chunk *chunk)
{
    const PlaitRegion *body = chunk->forms.body;
    for (uint32_t i = 0; i < body->body.count && !failed(chunk); i++) {
        PlaitValue value = body->body.data[i];
        const PlaitInst *inst = plait_inst(chunk->function, value);
        plait_form(&chunk->forms, value);
        if (inst->op == PLAIT_OP_REDUCE_SUM) check_read(chunk, value);
        bool moves = plait_op_is_reduce((PlaitOp)inst->op) || inst->op == PLAIT_OP_GATHER || inst->op == PLAIT_OP_CONV;
        for (uint32_t k = 0; k < inst->axis_count && moves; k++)
            if (inst->axes[k] == chunk->time) give_up(chunk, value, "other tokens are read in the body");
    }
    return !failed(chunk);
}

static bool check_state(Chunk *chunk, Carry *carry, PlaitValue param)
{
    PlaitType type = type_of(chunk, param);
    uint32_t others = 0;
    carry->rest = plait_type(PLAIT_BOOL);
    if (type.scalar != PLAIT_F32) return give_up(chunk, param, "a carry that is not f32");
    if (carry->axis == PLAIT_NO_AXIS) return give_up(chunk, param, "no output sums over an axis of the carry");
    if (!is_feature(chunk, carry->axis)) return give_up(chunk, param, "sums over an axis of heads, batch or time");
    for (uint32_t i = 0; i < type.rank; i++) {
        PlaitAxis axis = type.axes[i];
        if (!is_feature(chunk, axis)) continue;
        int64_t size = chunk->function->axes.data[axis].size;
        if ((size < LEAST_SIZE || size > MOST_SIZE) && !chunk->any_size)
            return give_up(chunk, param, "a state of fewer than 16 or more than 256 positions along an axis");
        if (axis == carry->axis) continue;
        carry->rest = plait_type_with(carry->rest, axis);
        others++;
    }
    return others <= 1 || give_up(chunk, param, "a state of more than two feature axes");
}

/* Whether the type has feature axes of the state other than the one that reads sum over. */
static bool has_rest(const Carry *carry, PlaitType type)
{
    for (uint32_t i = 0; i < carry->rest.rank; i++)
        if (plait_type_has(type, carry->rest.axes[i])) return true;
    return false;
}

/* Products on the matrix units round to 16 bits: only where the tensors over time that a factor is made of have no
 * more. What depends on the carry is looked at where it is made. */
static bool check_storage(Chunk *chunk, const PlaitExpr *factor, PlaitValue where)
{
    const PlaitFunction *function = chunk->function;
    PlaitType type = plait_expr_type(function, factor);
    bool features = false;
    if (factor->a && !check_storage(chunk, factor->a, where)) return false;
    if (factor->b && !check_storage(chunk, factor->b, where)) return false;
    for (uint32_t i = 0; i < type.rank; i++) features |= is_feature(chunk, type.axes[i]);
    if (factor->kind != PLAIT_EXPR_VALUE || !features || !plait_type_has(type, chunk->time)) return true;
    if (plait_inst(function, factor->value)->region == chunk->forms.body) return true;
    return chunk->any_size || plait_storage_of(function, factor->value) == PLAIT_BF16 ||
           give_up(chunk, where, "not all tensors over time and features that the carry is made of are bf16");
}

static bool split_term(Chunk *chunk, Carry *carry, const PlaitExpr *expr, PlaitValue where)
{
    PlaitExprs factors = {0};
    Term *term = &carry->terms[carry->term_count++];
    *term = (Term){0};
    plait_expr_factors(&chunk->forms, expr, &factors);
    for (uint32_t i = 0; i < factors.count; i++) {
        PlaitType type = plait_expr_type(chunk->function, factors.data[i]);
        bool along = plait_type_has(type, carry->axis);
        if (along && has_rest(carry, type))
            return give_up(chunk, where, "something is added to the carry that is no product of separate axes");
        if (!check_storage(chunk, factors.data[i], where)) return false;
        const PlaitExpr **side = along ? &term->k : &term->v;
        *side = plait_expr_mul(&chunk->forms, *side, factors.data[i]);
    }
    return true;
}

static bool check_carry(Chunk *chunk, uint32_t number)
{
    Carry *carry = &chunk->carries[number];
    PlaitValue param = chunk->forms.body->params.data[number], next = chunk->forms.body->yields.data[number];
    const PlaitForm *form = plait_form_next(&chunk->forms, number);
    if (failed(chunk) || !check_state(chunk, carry, param)) return false;
    PlaitType factor = plait_expr_type(chunk->function, form->coefficient);
    if (plait_type_has(factor, carry->axis) || has_rest(carry, factor))
        return give_up(chunk, next, "the carry's factor varies along its own axes");
    carry->factor = form->coefficient;
    for (uint32_t i = 0; i < form->terms.count; i++)
        if (!split_term(chunk, carry, form->terms.data[i], next)) return false;
    return true;
}

static bool check(Chunk *chunk)
{
    const PlaitInst *scan = plait_inst(chunk->function, chunk->scan);
    chunk->count = scan->body->params.count;
    chunk->carries = PLAIT_NEW_ARRAY(chunk->function->module->arena, Carry, chunk->count + 1);
    for (uint32_t i = 0; i < chunk->count; i++) chunk->carries[i].axis = PLAIT_NO_AXIS;
    if (chunk->count == 0) return give_up(chunk, chunk->scan, "no carry");
    if (scan->ints[0] != 1) return give_up(chunk, chunk->scan, "a scan that walks backwards");
    if (!check_body(chunk)) return false;
    for (uint32_t i = 0; i < chunk->count; i++)
        if (!check_carry(chunk, i)) return false;
    for (uint32_t i = chunk->count; i < scan->body->yields.count; i++)
        if (!plait_type_has(type_of(chunk, scan->body->yields.data[i]), chunk->time))
            return give_up(chunk, scan->body->yields.data[i], "an output that is the same at every token");
    return true;
}

/* ---- writing the fold ---- */

/* Where an operation on these goes: before the fold, unless something made in the fold is among them. 0 counts not. */
static PlaitBuilder *at(Chunk *chunk, PlaitValue x, PlaitValue y, PlaitValue z)
{
    PlaitValue operands[] = {x, y, z};
    bool inside = false;
    for (uint32_t i = 0; i < 3; i++)
        inside |= operands[i] && plait_inst(chunk->function, operands[i])->region == chunk->region;
    chunk->outside.span = chunk->b.span;
    return inside ? &chunk->b : &chunk->outside;
}

/* 0 stands for 1, or for nothing to add. */
static PlaitValue binary(Chunk *chunk, PlaitOp op, PlaitValue x, PlaitValue y)
{
    return x && y ? plait_build_binary(at(chunk, x, y, 0), op, x, y) : x ? x : y;
}

static PlaitValue unary(Chunk *chunk, PlaitOp op, PlaitValue x) { return plait_build_unary(at(chunk, x, 0, 0), op, x); }

static PlaitValue choice(Chunk *chunk, PlaitValue condition, PlaitValue yes, PlaitValue no)
{
    return plait_build_select(at(chunk, condition, yes, no), condition, yes, no);
}

static PlaitValue number(Chunk *chunk, double value) { return plait_build_const(at(chunk, 0, 0, 0), PLAIT_F32, value); }

/* `value` at the block's other positions s. */
static PlaitValue there(Chunk *chunk, PlaitValue value)
{
    if (!value || !plait_type_has(type_of(chunk, value), chunk->time)) return value;
    return plait_build_gather(&chunk->b, value, chunk->time, plait_build_iota(&chunk->b, chunk->twin, 0));
}

static PlaitValue sum_over(Chunk *chunk, PlaitValue value, PlaitAxis axis, PlaitValue mask)
{
    return plait_build_reduce(&chunk->b, PLAIT_OP_REDUCE_SUM, value, mask, &axis, 1);
}

static PlaitValue with_axis(Chunk *chunk, PlaitValue value, PlaitAxis axis)
{
    return plait_build_broadcast(at(chunk, value, 0, 0), value, plait_type_with(type_of(chunk, value), axis));
}

/* A value as an operand of products on the matrix units, which take 16 bits. What is known before the fold is split
 * there into two numbers, which are stored (`fuse`), so that the fold's kernel reads what is ready to be multiplied.
 * What is made in the fold is rounded. */
static Pair operand(Chunk *chunk, PlaitValue value)
{
    if (!value) return (Pair){0};
    const PlaitInst *inst = plait_inst(chunk->function, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(chunk->function, inst->operands[0]);
    bool features = false,
         stored = inst->op == PLAIT_OP_CAST &&
                  plait_scalar_is_16_bit((PlaitScalar)plait_type_of(chunk->function, inst->operands[0]).scalar);
    for (uint32_t i = 0; i < inst->type.rank; i++) features |= is_feature(chunk, inst->type.axes[i]);
    if (stored || !features || !plait_type_has(inst->type, chunk->time)) return (Pair){value, 0};
    PlaitBuilder *builder = at(chunk, value, 0, 0);
    PlaitValue high = plait_build_cast(builder, value, PLAIT_BF16);
    if (builder == &chunk->b) return (Pair){plait_build_cast(&chunk->b, high, PLAIT_F32), 0};
    PlaitValue rest = plait_build_binary(builder, PLAIT_OP_SUB, value, plait_build_cast(builder, high, PLAIT_F32));
    PlaitValue low = plait_build_cast(builder, rest, PLAIT_BF16);
    return (Pair){plait_build_cast(&chunk->b, high, PLAIT_F32), plait_build_cast(&chunk->b, low, PLAIT_F32)};
}

/* What is made in the fold as two 16-bit numbers. */
static Pair split(Chunk *chunk, PlaitValue value)
{
    Pair pair = {plait_build_cast(&chunk->b, plait_build_cast(&chunk->b, value, PLAIT_BF16), PLAIT_F32), 0};
    PlaitValue rest = plait_build_binary(&chunk->b, PLAIT_OP_SUB, value, pair.high);
    pair.low = plait_build_cast(&chunk->b, plait_build_cast(&chunk->b, rest, PLAIT_BF16), PLAIT_F32);
    return pair;
}

static Pair there_pair(Chunk *chunk, Pair pair) { return (Pair){there(chunk, pair.high), there(chunk, pair.low)}; }

/* The number that a pair stands for. */
static PlaitValue joined(Chunk *chunk, Pair pair) { return binary(chunk, PLAIT_OP_ADD, pair.high, pair.low); }

/* reduce.sum over `axis` of a b; the product of what rounding lost in both is left out. */
static PlaitValue product(Chunk *chunk, Pair a, Pair b, PlaitAxis axis)
{
    PlaitValue sum = sum_over(chunk, binary(chunk, PLAIT_OP_MUL, a.high, b.high), axis, 0);
    if (b.low)
        sum = binary(chunk, PLAIT_OP_ADD, sum, sum_over(chunk, binary(chunk, PLAIT_OP_MUL, a.high, b.low), axis, 0));
    if (a.low)
        sum = binary(chunk, PLAIT_OP_ADD, sum, sum_over(chunk, binary(chunk, PLAIT_OP_MUL, a.low, b.high), axis, 0));
    return sum;
}

/* s <= t, or s < t. */
static PlaitValue earlier(Chunk *chunk, bool self)
{
    PlaitValue t = plait_build_iota(&chunk->b, chunk->time, 0), s = plait_build_iota(&chunk->b, chunk->twin, 0);
    return plait_build_binary(&chunk->b, self ? PLAIT_OP_LE : PLAIT_OP_LT, s, t);
}

static PlaitValue emit(Chunk *chunk, PlaitValue value);

static PlaitValue emit_expr(Chunk *chunk, const PlaitExpr *expr)
{
    if (!expr) return 0;
    switch (expr->kind) {
    case PLAIT_EXPR_VALUE: return emit(chunk, expr->value);
    case PLAIT_EXPR_NUMBER: return number(chunk, expr->number);
    case PLAIT_EXPR_NEG: return unary(chunk, PLAIT_OP_NEG, emit_expr(chunk, expr->a));
    case PLAIT_EXPR_SELECT: {
        PlaitValue condition = emit(chunk, expr->value), a = emit_expr(chunk, expr->a), b = emit_expr(chunk, expr->b);
        return failed(chunk) ? 0 : choice(chunk, condition, a, b);
    }
    case PLAIT_EXPR_MUL:
    case PLAIT_EXPR_DIV:
    case PLAIT_EXPR_ADD: {
        static const PlaitOp ops[] = {
            [PLAIT_EXPR_MUL] = PLAIT_OP_MUL, [PLAIT_EXPR_DIV] = PLAIT_OP_DIV, [PLAIT_EXPR_ADD] = PLAIT_OP_ADD};
        PlaitValue a = emit_expr(chunk, expr->a), b = emit_expr(chunk, expr->b);
        return failed(chunk) ? 0 : binary(chunk, ops[expr->kind], a, b);
    }
    }
    return 0;
}

static PlaitValue log_abs(Chunk *chunk, PlaitValue x)
{
    return failed(chunk) ? 0 : unary(chunk, PLAIT_OP_LOG, unary(chunk, PLAIT_OP_ABS, x));
}

static PlaitValue log_of_factor(Chunk *chunk, const PlaitExpr *factor)
{
    const PlaitInst *inst = factor->kind == PLAIT_EXPR_VALUE ? plait_inst(chunk->function, factor->value) : NULL;
    if (inst && inst->op == PLAIT_OP_EXP) return emit(chunk, inst->operands[0]);
    if (factor->kind == PLAIT_EXPR_NUMBER && factor->number == 0) return number(chunk, LEAST_LOG);
    if (factor->kind == PLAIT_EXPR_SELECT) {
        PlaitValue condition = emit(chunk, factor->value);
        PlaitValue a = log_of_factor(chunk, factor->a), b = log_of_factor(chunk, factor->b);
        return failed(chunk) ? 0 : choice(chunk, condition, a, b);
    }
    if (factor->kind == PLAIT_EXPR_DIV && factor->a->kind == PLAIT_EXPR_NUMBER && factor->a->number == 1) {
        PlaitValue below = log_abs(chunk, emit_expr(chunk, factor->b));
        return failed(chunk) ? 0 : unary(chunk, PLAIT_OP_NEG, below);
    }
    return log_abs(chunk, emit_expr(chunk, factor));
}

/* log |expr|, at least LEAST_LOG: what decays to e^-100 is 0. */
static PlaitValue log_of(Chunk *chunk, const PlaitExpr *expr)
{
    PlaitExprs factors = {0};
    PlaitValue sum = 0;
    plait_expr_factors(&chunk->forms, expr, &factors);
    for (uint32_t i = 0; i < factors.count && !failed(chunk); i++) {
        PlaitValue part = log_of_factor(chunk, factors.data[i]);
        if (!failed(chunk)) sum = binary(chunk, PLAIT_OP_ADD, sum, part);
    }
    if (!sum || failed(chunk)) return sum;
    return binary(chunk, PLAIT_OP_MAX, sum, number(chunk, LEAST_LOG));
}

/* A running product of signs up to t: with or without its own. */
static PlaitValue running_sign(Chunk *chunk, PlaitValue sign_there, bool self)
{
    return plait_build_reduce(&chunk->b, PLAIT_OP_REDUCE_PROD, sign_there, earlier(chunk, self), &chunk->twin, 1);
}

static void make_signs(Chunk *chunk, Carry *carry)
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
static void make_decay(Chunk *chunk, Carry *carry)
{
    if (carry->has_decay || !carry->factor || failed(chunk)) return;
    if (carry->making_decay) {
        give_up(chunk, chunk->forms.body->yields.data[carry - chunk->carries],
                "the carry's factor depends on what is read from it");
        return;
    }
    carry->making_decay = true;
    PlaitValue step = log_of(chunk, carry->factor);
    if (failed(chunk)) return;
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
static bool feeds_back(Chunk *chunk, const Carry *carry, PlaitValue read)
{
    bool feeds = false;
    for (uint32_t i = 0; i < carry->term_count; i++)
        feeds |= plait_expr_depends(&chunk->forms, carry->terms[i].k, read) ||
                 plait_expr_depends(&chunk->forms, carry->terms[i].v, read);
    return feeds;
}

/* Makes the read that the carry's terms depend on: they are then written with it. */
static void make_fed_back(Chunk *chunk, const Carry *carry)
{
    const PlaitRegion *body = chunk->forms.body;
    for (uint32_t i = 0; i < body->body.count && !failed(chunk); i++) {
        PlaitValue value = body->body.data[i];
        const PlaitInst *inst = plait_inst(chunk->function, value);
        const PlaitForm *form = inst->op == PLAIT_OP_REDUCE_SUM ? plait_form(&chunk->forms, inst->operands[0]) : NULL;
        if (form && form->direct && !form->after && form->carry == (uint32_t)(carry - chunk->carries) &&
            feeds_back(chunk, carry, value))
            emit(chunk, value);
    }
}

static void make_terms(Chunk *chunk, Carry *carry)
{
    if (carry->has_terms) return;
    if (carry->making_terms) {
        give_up(chunk, chunk->forms.body->yields.data[carry - chunk->carries],
                "what is read from the carry is added to it again");
        return;
    }
    carry->making_terms = true;
    make_fed_back(chunk, carry);
    for (uint32_t i = 0; i < carry->term_count && !failed(chunk); i++) {
        PlaitValue k = emit_expr(chunk, carry->terms[i].k);
        if (failed(chunk)) return;
        carry->k[i] = operand(chunk, k ? k : with_axis(chunk, number(chunk, 1), carry->axis));
        carry->k_there[i] = there_pair(chunk, carry->k[i]);
        PlaitValue v = carry->v_factor[i]
                           ? binary(chunk, PLAIT_OP_ADD, binary(chunk, PLAIT_OP_MUL, carry->v_factor[i], carry->read),
                                    joined(chunk, carry->v_rest[i]))
                           : emit_expr(chunk, carry->terms[i].v);
        if (failed(chunk)) return;
        bool inside = v && plait_inst(chunk->function, v)->region == chunk->region;
        Pair pair = inside ? split(chunk, v) : operand(chunk, v);
        carry->v[i] = inside ? v : joined(chunk, pair);
        carry->v_there[i] = there_pair(chunk, pair);
    }
    carry->has_terms = true;
}

/* reduce.sum[axis] of w at t times k at s, decayed from s to t, for s <= t, or s < t: without `self`. */
static PlaitValue scores(Chunk *chunk, const Carry *carry, Pair k_there, bool self, Pair w)
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
static PlaitValue own_part(Chunk *chunk, PlaitValue score, Pair v_there)
{
    return v_there.high ? product(chunk, split(chunk, score), v_there, chunk->twin)
                        : sum_over(chunk, score, chunk->twin, 0);
}

/* ---- reads that are added to the state again ---- */

static PlaitValue from_state(Chunk *chunk, const Carry *carry, bool after, Pair w)
{
    PlaitValue sum = product(chunk, w, (Pair){carry->state, 0}, carry->axis);
    PlaitValue decay = after ? carry->after : carry->before;
    if (decay) sum = binary(chunk, PLAIT_OP_MUL, unary(chunk, PLAIT_OP_EXP, decay), sum);
    if (carry->sign_there) sum = binary(chunk, PLAIT_OP_MUL, after ? carry->sign_after : carry->sign_before, sum);
    return sum;
}

/* A read R before each token, with v = m R + r in the terms:  R[t] = (what the state and r give) + sum over s < t of
 * score[t, s] m[s] R[s], a triangular system. `scale`, by row, and `extra` (0: none): R = scale * what is read + extra.
 */
static PlaitValue solve_read(Chunk *chunk, Carry *carry, PlaitValue read, Pair w, PlaitValue scale, PlaitValue extra)
{
    PlaitValue matrix = 0, known;
    if (carry->solving) {
        give_up(chunk, read, "two reads of the carry are added to it again");
        return 0;
    }
    carry->solving = true;
    make_decay(chunk, carry);
    if (failed(chunk)) return 0;
    if (scale && has_rest(carry, type_of(chunk, scale)))
        give_up(chunk, read, "what is read from the carry is added to it again, with a factor along its own axis");
    known = from_state(chunk, carry, false, w);
    for (uint32_t i = 0; i < carry->term_count && !failed(chunk); i++) {
        PlaitLinear v = plait_expr_linear(&chunk->forms, carry->terms[i].v, read);
        if (plait_expr_depends(&chunk->forms, carry->terms[i].k, read))
            give_up(chunk, read,
                    "what is read from the carry is added to it again along the axis that it was summed over");
        if (v.factor && has_rest(carry, plait_expr_type(chunk->function, v.factor)))
            give_up(chunk, read, "what is read from the carry is added to it again, with a factor along its own axis");
        PlaitValue k =
            carry->terms[i].k ? emit_expr(chunk, carry->terms[i].k) : with_axis(chunk, number(chunk, 1), carry->axis);
        PlaitValue factor = v.factor ? emit_expr(chunk, v.factor) : 0, rest = v.rest ? emit_expr(chunk, v.rest) : 0;
        if (failed(chunk)) return 0;
        PlaitValue score = scores(chunk, carry, there_pair(chunk, operand(chunk, k)), false, w);
        carry->v_factor[i] = factor;
        carry->v_rest[i] = operand(chunk, rest);
        if (rest)
            known = binary(chunk, PLAIT_OP_ADD, known, own_part(chunk, score, there_pair(chunk, carry->v_rest[i])));
        if (factor)
            matrix = binary(chunk, PLAIT_OP_ADD, matrix, binary(chunk, PLAIT_OP_MUL, score, there(chunk, factor)));
    }
    carry->solving = false;
    if (failed(chunk)) return 0;
    known = binary(chunk, PLAIT_OP_ADD, binary(chunk, PLAIT_OP_MUL, known, scale), extra);
    matrix = binary(chunk, PLAIT_OP_MUL, matrix, scale);
    carry->read = plait_build_solve(&chunk->b, matrix, known, chunk->time, chunk->twin);
    return carry->read;
}

/* reduce.sum[axis] of w times the state before or after each token. */
static PlaitValue read_state(Chunk *chunk, uint32_t number_, bool after, Pair w)
{
    Carry *carry = &chunk->carries[number_];
    make_decay(chunk, carry);
    make_terms(chunk, carry);
    if (failed(chunk)) return 0;
    PlaitValue sum = from_state(chunk, carry, after, w);
    for (uint32_t i = 0; i < carry->term_count; i++)
        sum = binary(chunk, PLAIT_OP_ADD, sum,
                     own_part(chunk, scores(chunk, carry, carry->k_there[i], after, w), carry->v_there[i]));
    return sum;
}

static void split_weight(Chunk *chunk, const Carry *carry, PlaitValue read, const PlaitExpr *weight,
                         const PlaitExpr **along, const PlaitExpr **scale)
{
    PlaitExprs factors = {0};
    plait_expr_factors(&chunk->forms, weight, &factors);
    for (uint32_t i = 0; i < factors.count; i++) {
        PlaitType type = plait_expr_type(chunk->function, factors.data[i]);
        bool varies = plait_type_has(type, carry->axis);
        const PlaitExpr **side = varies ? along : scale;
        if (varies && has_rest(carry, type))
            give_up(chunk, read, "a sum over the carry whose weights vary along all of its axes");
        if (varies) check_storage(chunk, factors.data[i], read);
        *side = plait_expr_mul(&chunk->forms, *side, factors.data[i]);
    }
}

/* A sum over an axis of a state: of its part in the state, and of what was added to it at the token itself. */
static PlaitValue emit_read(Chunk *chunk, PlaitValue value)
{
    const PlaitInst inst = *plait_inst(chunk->function, value);
    const PlaitForm form = *plait_form(&chunk->forms, inst.operands[0]);
    const PlaitExpr *weight = form.coefficient;
    if (inst.operand_count == 2) weight = plait_expr_where(&chunk->forms, inst.operands[1], true, weight);
    Carry *carry = &chunk->carries[form.carry];
    const PlaitExpr *along = NULL, *scale = NULL; /* of the weight: what varies along the axis, what does not */
    split_weight(chunk, carry, value, weight, &along, &scale);
    PlaitValue w = failed(chunk) ? 0 : along ? emit_expr(chunk, along) : number(chunk, 1), extra = 0, by = 0;
    if (scale && !failed(chunk)) by = emit_expr(chunk, scale);
    for (uint32_t i = 0; i < form.terms.count && !failed(chunk); i++) {
        const PlaitExpr *term = form.terms.data[i];
        if (inst.operand_count == 2) term = plait_expr_where(&chunk->forms, inst.operands[1], true, term);
        PlaitValue x = emit_expr(chunk, term);
        if (failed(chunk)) return 0;
        extra = binary(chunk, PLAIT_OP_ADD, extra, sum_over(chunk, with_axis(chunk, x, inst.axes[0]), inst.axes[0], 0));
    }
    if (failed(chunk)) return 0;
    Pair weights = operand(chunk, with_axis(chunk, with_axis(chunk, w, carry->axis), chunk->time));
    PlaitValue sum;
    if (!form.after && feeds_back(chunk, carry, value)) sum = solve_read(chunk, carry, value, weights, by, extra);
    else {
        sum = read_state(chunk, form.carry, form.after, weights);
        sum = failed(chunk) ? 0 : binary(chunk, PLAIT_OP_ADD, binary(chunk, PLAIT_OP_MUL, sum, by), extra);
    }
    return failed(chunk) ? 0 : plait_build_broadcast(at(chunk, sum, 0, 0), sum, inst.type);
}

static PlaitValue emit_inst(Chunk *chunk, PlaitValue value)
{
    const PlaitInst inst = *plait_inst(chunk->function, value);
    const PlaitForm *form = plait_form(&chunk->forms, value);
    if (form->direct) {
        give_up(chunk, value, "the carry itself is needed at each token");
        return 0;
    }
    bool read = inst.op == PLAIT_OP_REDUCE_SUM && plait_form(&chunk->forms, inst.operands[0])->direct;
    if (read) return emit_read(chunk, value);
    for (uint32_t i = 0; i < inst.operand_count; i++) emit(chunk, inst.operands[i]);
    return failed(chunk) ? 0 : plait_clone_inst(&chunk->b, value, &chunk->made);
}

/* The value of the fold's body that stands for one of the scan's. */
static PlaitValue emit(Chunk *chunk, PlaitValue value)
{
    if (plait_inst(chunk->function, value)->region != chunk->forms.body) return value;
    PlaitValue known = plait_clone_find(&chunk->made, value);
    if (known || failed(chunk)) return known;
    if (chunk->open[value]) {
        give_up(chunk, value, "what is read from the carry is added to it again");
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
static PlaitValue added_to_state(Chunk *chunk, const Carry *carry, uint32_t term, PlaitValue decay)
{
    PlaitValue v = binary(chunk, PLAIT_OP_MUL, carry->v[term], decay);
    if (carry->rest.rank == 0) {
        PlaitValue x = binary(chunk, PLAIT_OP_MUL, joined(chunk, carry->k[term]), v);
        return sum_over(chunk, with_axis(chunk, x, chunk->time), chunk->time, 0);
    }
    Pair k = carry->k_there[term];
    if (!v) v = with_axis(chunk, number(chunk, 1), chunk->time);
    k.high = with_axis(chunk, k.high, chunk->twin);
    return product(chunk, k, there_pair(chunk, operand(chunk, v)), chunk->twin);
}

/* exp(G) S + what the terms add. */
static PlaitValue next_state(Chunk *chunk, uint32_t number_)
{
    Carry *carry = &chunk->carries[number_];
    make_decay(chunk, carry);
    make_terms(chunk, carry);
    if (failed(chunk)) return 0;
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
    return plait_build_broadcast(&chunk->b, next, type_of(chunk, carry->state));
}

static void make_params(Chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->count; i++) {
        PlaitValue param = chunk->forms.body->params.data[i];
        PlaitType type = plait_type_without(type_of(chunk, param), chunk->time);
        chunk->carries[i].state =
            plait_build_argument(chunk->function, chunk->region, type, plait_inst(chunk->function, param)->span);
    }
}

/* The fold in place of the scan. */
static void replace(Chunk *chunk, const PlaitValue *yields, uint32_t yield_count)
{
    PlaitFunction *function = chunk->function;
    const PlaitInst scan = *plait_inst(function, chunk->scan);
    PlaitRegion *home = scan.region;
    PlaitBuilder outside = {function, home, scan.span};
    for (uint32_t i = 0; i < yield_count; i++) plait_yield(function, chunk->region, yields[i]);
    PlaitValue fold = plait_build_owner(&outside, PLAIT_OP_FOLD, scan.operands, scan.operand_count, chunk->region);
    plait_set_axes(function, fold, (PlaitAxis[]){chunk->time, chunk->twin}, 2);
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

static PlaitAxis make_twin(Chunk *chunk)
{
    PlaitFunction *function = chunk->function;
    PlaitAxisInfo info = function->axes.data[chunk->time];
    info.name = plait_names_add(function->module->names, plait_arena_printf(function->module->arena, "%s.block",
                                                                            plait_axis_text(function, chunk->time)));
    PlaitAxis known = plait_axis_find(function, info.name);
    info.same_as = plait_axis_extent_of(function, chunk->time);
    return known != PLAIT_NO_AXIS ? known : plait_axis_add(function, info);
}

static bool write(Chunk *chunk)
{
    PlaitFunction *function = chunk->function;
    const PlaitRegion *body = chunk->forms.body;
    PlaitArena *arena = function->module->arena;
    uint32_t count = body->yields.count;
    PlaitValue *yields = PLAIT_NEW_ARRAY(arena, PlaitValue, count);
    uint32_t axes = function->axes.count, before = plait_inst(function, chunk->scan)->region->body.count;
    chunk->twin = make_twin(chunk);
    chunk->region = plait_region_create(function, plait_inst(function, chunk->scan)->region);
    chunk->b = (PlaitBuilder){function, chunk->region, plait_inst(function, chunk->scan)->span};
    chunk->outside = (PlaitBuilder){function, plait_inst(function, chunk->scan)->region, chunk->b.span};
    chunk->made = plait_clone_map(arena);
    chunk->open = PLAIT_NEW_ARRAY(arena, bool, function->insts.count);
    make_params(chunk);
    for (uint32_t i = chunk->count; i < count && !failed(chunk); i++) yields[i] = emit(chunk, body->yields.data[i]);
    for (uint32_t i = 0; i < chunk->count && !failed(chunk); i++) yields[i] = next_state(chunk, i);
    if (failed(chunk)) { /* what was written stands at the end, and nothing reads it */
        function->axes.count = axes;
        chunk->outside.region->body.count = before;
        return false;
    }
    replace(chunk, yields, count);
    return true;
}

static Chunk begin(PlaitFunction *function, PlaitValue scan)
{
    return (Chunk){.function = function,
                   .forms = plait_forms(function, scan),
                   .scan = scan,
                   .time = plait_inst(function, scan)->axes[0]};
}

const char *plait_chunk_scan(PlaitFunction *function, PlaitValue scan, bool any_size, PlaitSpan *where)
{
    Chunk chunk = begin(function, scan);
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
