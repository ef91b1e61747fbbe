/* Attention of random operators: a second time axis, masks, scores, weights of pairs, and sums of values. */
#include "tests/fuzz/random_attend.h"

#include <math.h>

PlaitValue at_second(Generator *generator, const Attention *attention, PlaitType type, PlaitAxis must)
{
    if (attention->cross) {
        uint32_t before = generator->pool_count;
        type = plait_type_with(random_subset(generator, plait_type_without(type, generator->time)), attention->s);
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

PlaitValue mask_part(Generator *generator, const Attention *attention)
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

PlaitValue score(Generator *generator, const Attention *attention)
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

PlaitValue over_second(Generator *generator, const Attention *attention, PlaitOp op, PlaitValue x)
{
    return plait_build_reduce(&generator->builder, op, x, attention->mask, &attention->s, 1);
}

PlaitValue with_hidden(Generator *generator, const Attention *attention, PlaitValue x)
{
    if (!attention->reflexive || chance(generator, 0.6)) return x;
    PlaitValue t = plait_build_iota(&generator->builder, generator->time, 0);
    PlaitValue s = plait_build_iota(&generator->builder, attention->s, 0);
    PlaitValue first = binary(generator, PLAIT_OP_SUB, t, whole(generator, (int32_t)below(generator, 30)));
    PlaitValue hides = binary(generator, PLAIT_OP_LT, s, first);
    return plait_build_select(&generator->builder, hides, number(generator, -INFINITY), x);
}

/* Weights of each pair. Softmax only where no row is empty. */
static PlaitValue weights(Generator *generator, const Attention *attention, PlaitValue x)
{
    if (attention->reflexive && chance(generator, 0.6)) {
        x = with_hidden(generator, attention, x);
        PlaitValue most = over_second(generator, attention, PLAIT_OP_REDUCE_MAX, x);
        PlaitValue e = unary(generator, PLAIT_OP_EXP, binary(generator, PLAIT_OP_SUB, x, most));
        return binary(generator, PLAIT_OP_DIV, e, over_second(generator, attention, PLAIT_OP_REDUCE_SUM, e));
    }
    PlaitValue weight = sigmoid(generator, unary(generator, PLAIT_OP_TANH, x));
    if (chance(generator, 0.3))
        weight = binary(generator, PLAIT_OP_MAX, unary(generator, PLAIT_OP_TANH, x), number(generator, 0));
    return binary(generator, PLAIT_OP_DIV, weight, length(generator, attention->s));
}

Attention begin_attention(Generator *generator)
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
    return attention;
}

void add_attention(Generator *generator)
{
    Attention attention = begin_attention(generator);
    PlaitValue weight = weights(generator, &attention, score(generator, &attention));
    PlaitType type = plait_type_with(attention.rows, random_feature(generator));
    PlaitValue value =
        at_second(generator, &attention, plait_type_with(type, random_feature(generator)), PLAIT_NO_AXIS);
    if (!fits(generator, weight, value)) value = weight;
    PlaitValue product = value == weight ? weight : binary(generator, PLAIT_OP_MUL, weight, value);
    keep(generator, over_second(generator, &attention, PLAIT_OP_REDUCE_SUM, product), BOUND, false);
}
