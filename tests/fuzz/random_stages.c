/* Stages of random operators that move along axes: convolutions, gathers, pooling. */
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

PlaitValue delayed(Generator *generator, PlaitValue x)
{
    if (!plait_type_has(type_of(generator, x), generator->time)) return x;
    PlaitOp op = chance(generator, 0.85) ? PLAIT_OP_SUB : PLAIT_OP_ADD;
    PlaitValue t = plait_build_iota(&generator->builder, generator->time, 0);
    PlaitValue index = binary(generator, op, t, whole(generator, 1 + (int32_t)below(generator, 4)));
    return plait_build_gather(&generator->builder, x, generator->time, index);
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
