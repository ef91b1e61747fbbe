/* Stages of random operators that move along axes: convolutions, gathers, pooling, attention. */
#include <math.h>

#include "tests/fuzz/random_parts.h"

static PlaitType without_time(const Generator *generator, PlaitType type)
{
    return plait_type_without(type, generator->time);
}

/* ---- convolution, gather, pooling ---- */

void add_conv(Generator *generator, bool longer)
{
    static const int64_t sizes[] = {1, 2, 3, 4, 7};
    PlaitValue x = pick_within(generator, random_type(generator), generator->time, true);
    PlaitAxis taps = generator->time;
    double size = 16;
    if (!longer) {
        size = (double)sizes[below(generator, 5)];
        taps = plait_axis_add(generator->function, (PlaitAxisInfo){.name = fresh_name(generator, "w"),
                                                                   .role = PLAIT_ROLE_FEATURE,
                                                                   .size = (int64_t)size,
                                                                   .same_as = PLAIT_NO_AXIS});
    }
    PlaitType type = random_subset(generator, without_time(generator, type_of(generator, x)));
    if (!longer) type = plait_type_without(type, generator->batch);
    uint32_t before = generator->pool_count;
    PlaitValue weights = new_param(generator, plait_type_with(type, taps));
    generator->pool_count = before; /* taps stay out of the pool: nothing else knows their axis */
    PlaitValue value = plait_build_conv(&generator->builder, x, weights, generator->time, taps);
    value = scaled(generator, value, 0.25 / sqrt(size));
    keep(generator, unary(generator, PLAIT_OP_TANH, value), 1, false);
}

/* The token before (or some before, or after), other features, or positions from data; some are outside. */
void add_gather(Generator *generator)
{
    bool over_time = chance(generator, 0.6);
    PlaitAxis axis = over_time ? generator->time : random_feature(generator);
    PlaitValue x = pick_within(generator, plait_type_with(random_type(generator), axis), axis, true);
    PlaitValue index = plait_build_iota(&generator->builder, axis, 0);
    switch (below(generator, 4)) {
    case 0: index = binary(generator, PLAIT_OP_SUB, index, whole(generator, 1 + (int32_t)below(generator, 3))); break;
    case 1: index = binary(generator, PLAIT_OP_ADD, index, whole(generator, 1 + (int32_t)below(generator, 3))); break;
    case 2: { /* backward */
        PlaitValue last =
            binary(generator, PLAIT_OP_SUB, plait_build_size(&generator->builder, axis), whole(generator, 1));
        index = binary(generator, PLAIT_OP_SUB, last, index);
        break;
    }
    default: {
        PlaitType type = plait_type_without(random_subset(generator, type_of(generator, x)), axis);
        PlaitValue data = new_integer_param(generator, over_time ? plait_type_with(type, axis) : type);
        index = binary(generator, PLAIT_OP_SUB, data, whole(generator, 1));
        if (over_time && chance(generator, 0.5))
            index = binary(generator, PLAIT_OP_SUB, plait_build_iota(&generator->builder, axis, 0), index);
    }
    }
    keep(generator, plait_build_gather(&generator->builder, x, axis, index), find(generator, x).bound, false);
}

void add_pooling(Generator *generator)
{
    PlaitValue x = pick(generator);
    PlaitAxis axis = chance(generator, 0.7) ? generator->time : generator->batch;
    if (!plait_type_has(type_of(generator, x), axis)) return;
    double bound = find(generator, x).bound;
    PlaitValue sum = plait_build_reduce(&generator->builder, PLAIT_OP_REDUCE_SUM, x, 0, &axis, 1);
    keep(generator, binary(generator, PLAIT_OP_DIV, sum, length(generator, axis)), bound, false);
}

/* ---- attention ---- */

typedef struct Attention {
    PlaitAxis s;     /* the second time axis */
    bool cross;      /* s has a length of its own: keys and values are parameters over s */
    bool reflexive;  /* the mask holds at s = t, so that no row is empty */
    PlaitValue mask; /* 0: none */
    PlaitType rows;  /* axes that query, key and value may have beside features: batch, head, time */
} Attention;

/* A value over s: an earlier one at position s, or a parameter. */
static PlaitValue at_second(Generator *generator, const Attention *attention, PlaitType type, PlaitAxis must)
{
    if (attention->cross) {
        uint32_t before = generator->pool_count;
        type = plait_type_with(random_subset(generator, without_time(generator, type)), attention->s);
        PlaitValue value = new_param(generator, must == PLAIT_NO_AXIS ? type : plait_type_with(type, must));
        generator->pool_count = before;
        return value;
    }
    PlaitValue x = pick_within(generator, type, chance(generator, 0.7) ? generator->time : must, true);
    PlaitType own = plait_type_with(type_of(generator, x), generator->time);
    /* A key without time or without the contracted axis would leave the score without s: take a parameter. */
    bool lacks = !plait_type_has(type_of(generator, x), generator->time) ||
                 (must != PLAIT_NO_AXIS && !plait_type_has(own, must));
    if (must == PLAIT_NO_AXIS && lacks) return x;
    if (lacks) x = new_param(generator, plait_type_with(own, must));
    PlaitValue index = plait_build_iota(&generator->builder, attention->s, 0);
    return plait_build_gather(&generator->builder, x, generator->time, index);
}

/* Predicates on positions and data. The reflexive ones hold at s = t. */
static PlaitValue mask_part(Generator *generator, const Attention *attention)
{
    PlaitValue t = plait_build_iota(&generator->builder, generator->time, 0);
    PlaitValue s = plait_build_iota(&generator->builder, attention->s, 0);
    switch (below(generator, attention->reflexive ? 4 : 6)) {
    case 0: return binary(generator, PLAIT_OP_LE, s, t);
    case 1: {
        PlaitValue distance = binary(generator, PLAIT_OP_SUB, t, s);
        return binary(generator, PLAIT_OP_LT, distance, whole(generator, 1 + (int32_t)below(generator, 40)));
    }
    case 2:
        return binary(generator, PLAIT_OP_GE, s,
                      binary(generator, PLAIT_OP_SUB, t, whole(generator, (int32_t)below(generator, 5))));
    case 3: {
        if (attention->cross) return binary(generator, PLAIT_OP_LE, s, t);
        PlaitType type = plait_type_with(plait_type(PLAIT_I32), generator->time);
        if (chance(generator, 0.5)) type = plait_type_with(type, generator->batch);
        PlaitValue document = new_integer_param(generator, type);
        return binary(generator, PLAIT_OP_EQ, plait_build_gather(&generator->builder, document, generator->time, s),
                      document);
    }
    case 4: return binary(generator, PLAIT_OP_LT, s, t);
    default: {
        PlaitType type = plait_type_with(plait_type_with(plait_type(PLAIT_BOOL), generator->time), attention->s);
        return new_bool_param(generator, type);
    }
    }
}

static PlaitValue score(Generator *generator, const Attention *attention)
{
    PlaitAxis axis = random_feature(generator);
    PlaitType type = plait_type_with(attention->rows, axis);
    PlaitValue query = pick_within(generator, type, axis, true);
    PlaitValue key = at_second(generator, attention, type, axis);
    double size = (double)generator->function->axes.data[axis].size;
    PlaitValue product = binary(generator, PLAIT_OP_MUL, query, key);
    PlaitValue value = plait_build_reduce(&generator->builder, PLAIT_OP_REDUCE_SUM, product, 0, &axis, 1);
    value = scaled(generator, value, 0.25 / sqrt(size));
    if (chance(generator, 0.3)) value = scaled(generator, unary(generator, PLAIT_OP_TANH, value), 4);
    if (!chance(generator, 0.3)) return value;
    PlaitValue t = plait_build_iota(&generator->builder, generator->time, 0);
    PlaitValue s = plait_build_iota(&generator->builder, attention->s, 0);
    PlaitValue distance =
        plait_build_cast(&generator->builder, binary(generator, PLAIT_OP_SUB, s, t), generator->computing);
    return binary(generator, PLAIT_OP_ADD, value, scaled(generator, distance, 0.03125));
}

static PlaitValue over_second(Generator *generator, const Attention *attention, PlaitOp op, PlaitValue x)
{
    return plait_build_reduce(&generator->builder, op, x, attention->mask, &attention->s, 1);
}

/* Weights of each pair. Softmax only where no row is empty. */
static PlaitValue weights(Generator *generator, const Attention *attention, PlaitValue x)
{
    if (attention->reflexive && chance(generator, 0.6)) {
        PlaitValue most = over_second(generator, attention, PLAIT_OP_REDUCE_MAX, x);
        PlaitValue e = unary(generator, PLAIT_OP_EXP, binary(generator, PLAIT_OP_SUB, x, most));
        return binary(generator, PLAIT_OP_DIV, e, over_second(generator, attention, PLAIT_OP_REDUCE_SUM, e));
    }
    PlaitValue weight = sigmoid(generator, unary(generator, PLAIT_OP_TANH, x));
    if (chance(generator, 0.3))
        weight = binary(generator, PLAIT_OP_MAX, unary(generator, PLAIT_OP_TANH, x), number(generator, 0));
    return binary(generator, PLAIT_OP_DIV, weight, length(generator, attention->s));
}

void add_attention(Generator *generator)
{
    Attention attention = {.cross = chance(generator, 0.2)};
    attention.reflexive = !attention.cross && chance(generator, 0.7);
    PlaitAxisInfo info = {.name = fresh_name(generator, "s"),
                          .role = PLAIT_ROLE_TIME,
                          .size = PLAIT_RUNTIME_SIZE,
                          .same_as = attention.cross ? PLAIT_NO_AXIS : generator->time};
    attention.s = plait_axis_add(generator->function, info);
    attention.rows = plait_type_with(plait_type(generator->computing), generator->time);
    if (chance(generator, 0.8)) attention.rows = plait_type_with(attention.rows, generator->batch);
    if (chance(generator, 0.7)) attention.rows = plait_type_with(attention.rows, generator->head);
    for (uint32_t count = below(generator, 3); count > 0; count--) {
        PlaitValue part = mask_part(generator, &attention);
        attention.mask = attention.mask ? binary(generator, PLAIT_OP_AND, attention.mask, part) : part;
    }
    PlaitValue weight = weights(generator, &attention, score(generator, &attention));
    PlaitType type = plait_type_with(attention.rows, random_feature(generator));
    PlaitValue value =
        at_second(generator, &attention, plait_type_with(type, random_feature(generator)), PLAIT_NO_AXIS);
    if (!fits(generator, weight, value)) value = weight;
    PlaitValue product = value == weight ? weight : binary(generator, PLAIT_OP_MUL, weight, value);
    keep(generator, over_second(generator, &attention, PLAIT_OP_REDUCE_SUM, product), BOUND, false);
}
