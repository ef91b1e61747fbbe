/* Attention of random operators whose reductions over s depend on one another.
 *
 * Two lists grow: terms, which have a value for each s, and results of reductions over s. Each round makes a term of an
 * earlier term and a result (a difference, a quotient, a softmax, a choice ..), reduces it by some reduction under
 * some mask, which may itself ask about results, and adds both. Hardly any two of them are one online fold.
 */
#include <math.h>

#include "tests/fuzz/random_attend.h"

enum { MAX_KNOWN = 32 };

typedef struct Known {
    PlaitValue value;
    double bound;
    bool exact; /* the same number in every precision */
} Known;

typedef struct List {
    Known data[MAX_KNOWN];
    uint32_t count;
} List;

typedef struct Dependent {
    Attention attention;
    List terms, results, positions; /* positions: i32, results that are compared with s */
} Dependent;

static void add(List *list, PlaitValue value, double bound, bool exact)
{
    if (list->count < MAX_KNOWN) list->data[list->count++] = (Known){value, bound, exact};
}

/* Newer ones more often. */
static Known draw(Generator *generator, const List *list)
{
    uint32_t index = below(generator, list->count);
    if (chance(generator, 0.5)) index = list->count - 1 - below(generator, (list->count + 1) / 2);
    return list->data[index];
}

/* One that is exact, or one without a value. */
static Known draw_exact(Generator *generator, const List *list)
{
    for (uint32_t attempt = 0; attempt < 10 && list->count; attempt++) {
        Known known = list->data[below(generator, list->count)];
        if (known.exact) return known;
    }
    return (Known){0};
}

/* The value, scaled by a power of two when it may exceed BOUND. */
static Known tame(Generator *generator, PlaitValue value, double bound)
{
    int exponent = 0;
    if (bound > BOUND) frexp(bound / BOUND, &exponent);
    if (exponent > 0) value = scaled(generator, value, ldexp(1, -exponent));
    return (Known){value, ldexp(bound, -exponent), false};
}

/* ---- masks ---- */

static PlaitValue second(Generator *generator, const Dependent *dependent)
{
    return plait_build_iota(&generator->builder, dependent->attention.s, 0);
}

/* What asks about earlier results: the value at s against an extreme of values, s against a position. 0: none of them.
 * Exact numbers only, so that every precision decides alike. */
static PlaitValue asks_result(Generator *generator, const Dependent *dependent)
{
    static const PlaitOp compare[] = {PLAIT_OP_LT, PLAIT_OP_LE, PLAIT_OP_GT, PLAIT_OP_GE, PLAIT_OP_EQ, PLAIT_OP_NE};
    PlaitOp op = compare[below(generator, 6)];
    if (dependent->positions.count && chance(generator, 0.5))
        return binary(generator, op, second(generator, dependent), draw(generator, &dependent->positions).value);
    Known x = draw_exact(generator, &dependent->terms), y = draw_exact(generator, &dependent->results);
    return x.value && y.value && fits(generator, x.value, y.value) ? binary(generator, op, x.value, y.value) : 0;
}

typedef struct Mask {
    PlaitValue value; /* 0: none */
    bool full;        /* no row is empty */
} Mask;

static Mask random_mask(Generator *generator, const Dependent *dependent)
{
    const Attention *attention = &dependent->attention;
    Mask mask = {attention->mask, attention->reflexive || !attention->mask};
    /* A second sequence may have no position at all. */
    mask.full &= !attention->cross;
    if (chance(generator, 0.2)) mask = (Mask){0, !attention->cross};
    PlaitValue more = 0;
    if (chance(generator, 0.3)) more = mask_part(generator, attention);
    if (more) mask.full &= attention->reflexive;
    PlaitValue asks = chance(generator, 0.35) ? asks_result(generator, dependent) : 0;
    if (asks && chance(generator, 0.2)) asks = unary(generator, PLAIT_OP_NOT, asks);
    if (asks) {
        more = more ? binary(generator, chance(generator, 0.7) ? PLAIT_OP_AND : PLAIT_OP_OR, more, asks) : asks;
        mask.full = false;
    }
    if (more) mask.value = mask.value ? binary(generator, PLAIT_OP_AND, mask.value, more) : more;
    return mask;
}

/* ---- reductions ---- */

static PlaitValue reduce(Generator *generator, const Dependent *dependent, PlaitOp op, PlaitValue x, PlaitValue mask)
{
    return plait_build_reduce(&generator->builder, op, x, mask, &dependent->attention.s, 1);
}

/* The largest or smallest; where there is none, a bound. */
static Known extreme(Generator *generator, const Dependent *dependent, Known x, Mask mask)
{
    bool most = chance(generator, 0.6);
    PlaitOp op = most ? PLAIT_OP_REDUCE_MAX : PLAIT_OP_REDUCE_MIN;
    PlaitValue value = reduce(generator, dependent, op, x.value, mask.value);
    /* Without the time axis it is there at length 0 too. */
    mask.full &= plait_type_has(type_of(generator, value), generator->time);
    if (!mask.full)
        value = binary(generator, most ? PLAIT_OP_MAX : PLAIT_OP_MIN, value, number(generator, most ? -BOUND : BOUND));
    return (Known){value, mask.full ? x.bound : BOUND, x.exact};
}

/* How many positions the mask lets through, as a float. */
static PlaitValue count_of(Generator *generator, const Dependent *dependent, PlaitValue mask)
{
    PlaitType type = plait_type_with(plait_type(generator->computing), dependent->attention.s);
    PlaitValue one = plait_build_broadcast(&generator->builder, number(generator, 1), type);
    return reduce(generator, dependent, PLAIT_OP_REDUCE_SUM, one, mask);
}

static Known sum_of(Generator *generator, const Dependent *dependent, Known x, Mask mask)
{
    PlaitValue value = reduce(generator, dependent, PLAIT_OP_REDUCE_SUM, x.value, mask.value);
    if (chance(generator, 0.6))
        return (Known){binary(generator, PLAIT_OP_DIV, value, length(generator, dependent->attention.s)), x.bound,
                       false};
    PlaitValue count = count_of(generator, dependent, mask.value);
    count = binary(generator, PLAIT_OP_ADD, count, number(generator, 0.5));
    return (Known){binary(generator, PLAIT_OP_DIV, value, count), x.bound, false};
}

/* Factors near 1: 1 + tanh(x) / (2 n). */
static Known product_of(Generator *generator, const Dependent *dependent, Known x, Mask mask)
{
    PlaitValue part = scaled(generator, unary(generator, PLAIT_OP_TANH, x.value), 0.5);
    part = binary(generator, PLAIT_OP_DIV, part, length(generator, dependent->attention.s));
    part = binary(generator, PLAIT_OP_ADD, part, number(generator, 1));
    return (Known){reduce(generator, dependent, PLAIT_OP_REDUCE_PROD, part, mask.value), 2, false};
}

/* s, or an integer at s, at times times a number: a sign turns a maximum into a minimum, a large one wraps. */
static PlaitValue integer_at_second(Generator *generator, const Dependent *dependent)
{
    static const int32_t factors[] = {-1, 3, 1103515245, -1103515245};
    PlaitValue value = second(generator, dependent);
    if (!dependent->attention.cross && chance(generator, 0.3)) {
        PlaitValue data = new_integer_param(generator, plait_type_as(dependent->attention.rows, PLAIT_I32));
        value = plait_build_gather(&generator->builder, data, generator->time, value);
    }
    if (chance(generator, 0.5)) return value;
    return binary(generator, PLAIT_OP_MUL, value, whole(generator, factors[below(generator, 4)]));
}

/* The first or last position, or the number of positions, that the mask lets through. */
static PlaitValue position_of(Generator *generator, const Dependent *dependent, Mask mask)
{
    PlaitValue s = integer_at_second(generator, dependent);
    switch (below(generator, 3)) {
    case 0: return reduce(generator, dependent, PLAIT_OP_REDUCE_MAX, s, mask.value);
    case 1: return reduce(generator, dependent, PLAIT_OP_REDUCE_MIN, s, mask.value);
    default: {
        PlaitType type = plait_type_with(plait_type(PLAIT_I32), dependent->attention.s);
        PlaitValue one = plait_build_broadcast(&generator->builder, whole(generator, 1), type);
        return reduce(generator, dependent, PLAIT_OP_REDUCE_SUM, one, mask.value);
    }
    }
}

static void add_result(Generator *generator, Dependent *dependent, Known x)
{
    Mask mask = random_mask(generator, dependent);
    Known result;
    switch (below(generator, 8)) {
    case 0: add(&dependent->positions, position_of(generator, dependent, mask), 0, true); return;
    case 1: result = product_of(generator, dependent, x, mask); break;
    case 2:
    case 3:
    case 4: result = extreme(generator, dependent, x, mask); break;
    default: result = sum_of(generator, dependent, x, mask); break;
    }
    add(&dependent->results, result.value, result.bound, result.exact);
}

/* ---- terms ---- */

/* exp(x - max x) / sum exp(x - max x); only for rows that are not empty. */
static PlaitValue softmax(Generator *generator, const Dependent *dependent, PlaitValue x)
{
    PlaitValue mask = dependent->attention.mask;
    x = with_hidden(generator, &dependent->attention, x);
    PlaitValue most = reduce(generator, dependent, PLAIT_OP_REDUCE_MAX, x, mask);
    PlaitValue e = unary(generator, PLAIT_OP_EXP, binary(generator, PLAIT_OP_SUB, x, most));
    /* Elsewhere it may be large. */
    if (mask) e = plait_build_select(&generator->builder, mask, e, number(generator, 0));
    PlaitValue sum = reduce(generator, dependent, PLAIT_OP_REDUCE_SUM, e, chance(generator, 0.5) ? mask : 0);
    return binary(generator, PLAIT_OP_DIV, e, sum);
}

/* x log(|x| + 0.1), as of an entropy. */
static Known with_logarithm(Generator *generator, Known x)
{
    PlaitValue size = binary(generator, PLAIT_OP_ADD, unary(generator, PLAIT_OP_ABS, x.value), number(generator, 0.1));
    PlaitValue value = binary(generator, PLAIT_OP_MUL, x.value, unary(generator, PLAIT_OP_LOG, size));
    return tame(generator, value, 2.5 * x.bound + 0.3);
}

/* Chosen by what asks about results; 0 as a value when there is nothing to ask. */
static Known chosen(Generator *generator, const Dependent *dependent, Known x, Known r)
{
    PlaitValue asks = asks_result(generator, dependent);
    if (!asks || !fits(generator, asks, x.value)) return (Known){0};
    bool zero = chance(generator, 0.5);
    PlaitValue other = zero ? number(generator, 0) : r.value;
    return (Known){plait_build_select(&generator->builder, asks, x.value, other), fmax(x.bound, zero ? 0 : r.bound),
                   x.exact && (zero || r.exact)};
}

/* A term of a term and a result. */
static Known combined(Generator *generator, const Dependent *dependent, Known x, Known r)
{
    PlaitValue difference = binary(generator, PLAIT_OP_SUB, x.value, r.value);
    switch (below(generator, 8)) {
    case 0: return (Known){unary(generator, PLAIT_OP_TANH, difference), 1, false};
    case 1: return tame(generator, binary(generator, PLAIT_OP_MUL, x.value, r.value), x.bound * r.bound);
    case 2: {
        PlaitOp op = chance(generator, 0.5) ? PLAIT_OP_MAX : PLAIT_OP_MIN;
        return (Known){binary(generator, op, x.value, r.value), fmax(x.bound, r.bound), x.exact && r.exact};
    }
    case 3: {
        PlaitValue apart = unary(generator, PLAIT_OP_NEG, unary(generator, PLAIT_OP_ABS, difference));
        return (Known){unary(generator, PLAIT_OP_EXP, apart), 1, false};
    }
    case 4: {
        PlaitValue size = unary(generator, PLAIT_OP_ABS, r.value);
        size = binary(generator, PLAIT_OP_ADD, size, number(generator, 0.5));
        return tame(generator, binary(generator, PLAIT_OP_DIV, x.value, size), 2 * x.bound);
    }
    case 5: {
        PlaitValue above = binary(generator, PLAIT_OP_MAX, difference, number(generator, 0));
        return tame(generator, above, x.bound + r.bound);
    }
    default: return chosen(generator, dependent, x, r);
    }
}

/* The term at another s: beyond the ends it is 0. */
static Known neighbour(Generator *generator, const Dependent *dependent, Known x)
{
    PlaitValue s = second(generator, dependent), by = whole(generator, 1 + (int32_t)below(generator, 3));
    PlaitValue index = binary(generator, chance(generator, 0.7) ? PLAIT_OP_SUB : PLAIT_OP_ADD, s, by);
    x.value = plait_build_gather(&generator->builder, x.value, dependent->attention.s, index);
    return x;
}

/* For each s a sum over a third axis u, of weights of pairs (s, u): attention inside attention. */
static Known inner_sum(Generator *generator, const Dependent *dependent)
{
    const Attention *attention = &dependent->attention;
    PlaitAxisInfo info = generator->function->axes.data[attention->s];
    info.name = fresh_name(generator, "u");
    info.same_as = attention->cross ? attention->s : generator->time;
    PlaitAxis u = plait_axis_add(generator->function, info);
    PlaitType type = plait_type_without(attention->rows, generator->time);
    PlaitAxis home = attention->cross ? attention->s : generator->time;
    PlaitValue value = new_param(generator, plait_type_with(type, home)), at_s = value;
    PlaitValue at_u = plait_build_gather(&generator->builder, value, home, plait_build_iota(&generator->builder, u, 0));
    if (!attention->cross) at_s = plait_build_gather(&generator->builder, value, home, second(generator, dependent));
    PlaitValue product = unary(generator, PLAIT_OP_TANH, binary(generator, PLAIT_OP_MUL, at_s, at_u)), mask = 0;
    if (chance(generator, 0.7)) {
        PlaitValue position = plait_build_iota(&generator->builder, u, 0);
        if (chance(generator, 0.3)) position = binary(generator, PLAIT_OP_ADD, position, whole(generator, 40));
        mask = binary(generator, chance(generator, 0.7) ? PLAIT_OP_LE : PLAIT_OP_GT, position,
                      second(generator, dependent));
    }
    PlaitValue sum = plait_build_reduce(&generator->builder, PLAIT_OP_REDUCE_SUM, product, mask, &u, 1);
    return (Known){binary(generator, PLAIT_OP_DIV, sum, length(generator, u)), 1, false};
}

/* A new term; 0 as a value when the drawn one cannot be made. */
static Known next_term(Generator *generator, const Dependent *dependent)
{
    Known x = draw(generator, &dependent->terms);
    bool soft = dependent->attention.reflexive && chance(generator, 0.3);
    if (soft) return (Known){softmax(generator, dependent, x.value), 1, false};
    if (chance(generator, 0.1)) return with_logarithm(generator, x);
    if (chance(generator, 0.1)) return neighbour(generator, dependent, x);
    if (!dependent->results.count) return x;
    Known r = draw(generator, &dependent->results);
    return fits(generator, x.value, r.value) ? combined(generator, dependent, x, r) : (Known){0};
}

/* What everything begins at: a score, a value for each s that is exact, now and then one with a feature axis. */
static void first_terms(Generator *generator, Dependent *dependent)
{
    const Attention *attention = &dependent->attention;
    PlaitType type = attention->rows;
    add(&dependent->terms, score(generator, attention), BOUND, false);
    uint32_t before = generator->pool_count;
    if (attention->cross) {
        type = plait_type_with(plait_type_without(type, generator->time), attention->s);
        PlaitValue own = new_param(generator, random_subset(generator, plait_type_with(type, attention->s)));
        if (plait_type_has(type_of(generator, own), attention->s))
            add(&dependent->terms, own, 5, find(generator, own).exact);
    } else {
        PlaitValue own = new_param(generator, type), s = second(generator, dependent);
        bool exact = find(generator, own).exact;
        add(&dependent->terms, plait_build_gather(&generator->builder, own, generator->time, s), 5, exact);
    }
    if (chance(generator, 0.3)) {
        Known sum = inner_sum(generator, dependent);
        add(&dependent->terms, sum.value, sum.bound, false);
    }
    generator->pool_count = before;
    type = plait_type_with(attention->rows, random_feature(generator));
    PlaitValue wide = chance(generator, 0.25) ? at_second(generator, attention, type, PLAIT_NO_AXIS) : 0;
    if (wide && plait_type_has(type_of(generator, wide), attention->s)) add(&dependent->terms, wide, BOUND, false);
}

void add_dependent_attention(Generator *generator)
{
    Dependent dependent = {.attention = begin_attention(generator)};
    const Attention *attention = &dependent.attention;
    first_terms(generator, &dependent);
    add_result(generator, &dependent, draw(generator, &dependent.terms));
    for (uint32_t rounds = 1 + below(generator, 4); rounds > 0; rounds--) {
        Known term = next_term(generator, &dependent);
        if (!term.value) continue;
        add(&dependent.terms, term.value, term.bound, term.exact);
        add_result(generator, &dependent, term);
    }
    /* Most of the results may be used, and a sum of values weighted by the newest term is. */
    for (uint32_t i = 0; i < dependent.results.count; i++)
        if (chance(generator, 0.5))
            keep(generator, dependent.results.data[i].value, dependent.results.data[i].bound, false);
    for (uint32_t i = 0; i < dependent.positions.count; i++)
        if (chance(generator, 0.5))
            keep(generator, integer_as_float(generator, dependent.positions.data[i].value), 1, false);
    Known weight = dependent.terms.data[dependent.terms.count - 1];
    PlaitType type = plait_type_with(attention->rows, random_feature(generator));
    PlaitValue value = at_second(generator, attention, type, PLAIT_NO_AXIS);
    if (!fits(generator, weight.value, value)) value = weight.value;
    weight = tame(generator, binary(generator, PLAIT_OP_MUL, weight.value, value), BOUND * weight.bound);
    Known sum = sum_of(generator, &dependent, weight, random_mask(generator, &dependent));
    keep(generator, sum.value, sum.bound, false);
}
