/* Scans of random operators: one to three carries of random axes, each with an update that contracts. */
#include <math.h>

#include "tests/fuzz/random_parts.h"

enum { MAX_CARRIES = 3 };

typedef struct Scan {
    PlaitRegion *body;
    PlaitType types[MAX_CARRIES]; /* of the parameters, with time */
    PlaitValue initial[MAX_CARRIES], before[MAX_CARRIES], after[MAX_CARRIES];
    uint32_t count;
    /* One of the carries may attend to keys over an axis of their own. */
    PlaitValue keys; /* 0: none does */
    uint32_t attending;
    PlaitAxis s, contracted;
} Scan;

/* Keys for a carry that has a feature axis. */
static void create_keys(Generator *generator, Scan *scan)
{
    scan->attending = below(generator, scan->count);
    scan->contracted = random_feature(generator);
    PlaitType type = scan->types[scan->attending];
    if (!plait_type_has(type, scan->contracted)) return;
    PlaitAxisInfo info = {.name = fresh_name(generator, "s"),
                          .role = PLAIT_ROLE_TIME,
                          .size = PLAIT_RUNTIME_SIZE,
                          .same_as = PLAIT_NO_AXIS};
    scan->s = plait_axis_add(generator->function, info);
    type = random_subset(generator, plait_type_without(type, generator->time));
    type = plait_type_with(plait_type_with(type, scan->contracted), scan->s);
    uint32_t before = generator->pool_count;
    scan->keys = new_param(generator, type);
    generator->pool_count = before; /* nothing else knows their axis */
}

/* Draws carries, their initial values, and parameters for the region, where none can be made. */
static void create_carries(Generator *generator, Scan *scan)
{
    scan->count = 1 + below(generator, MAX_CARRIES);
    for (uint32_t i = 0; i < scan->count; i++) {
        PlaitType type = scan->types[i] = random_type(generator);
        PlaitType rest = plait_type_without(type, generator->time);
        scan->initial[i] = number(generator, below(generator, 3) * 0.5);
        if (chance(generator, 0.5)) scan->initial[i] = new_param(generator, random_subset(generator, rest));
        for (uint32_t k = 0; k < rest.rank; k++)
            if (chance(generator, 0.5))
                new_param(generator, plait_type_with(plait_type_with(plait_type(generator->computing), generator->time),
                                                     rest.axes[k]));
        new_param(generator, random_subset(generator, type));
    }
    if (chance(generator, 0.3)) create_keys(generator, scan);
}

/* A gate in (0, 1), by axes of the carry: two common forms. */
static PlaitValue gate(Generator *generator, PlaitType type)
{
    PlaitValue x = pick_within(generator, type, PLAIT_NO_AXIS, true);
    if (chance(generator, 0.5)) return sigmoid(generator, x);
    PlaitValue rate = binary(generator, PLAIT_OP_ADD, unary(generator, PLAIT_OP_ABS, x), number(generator, 0.05));
    return unary(generator, PLAIT_OP_EXP, unary(generator, PLAIT_OP_NEG, rate));
}

/* g c + (1 - g) u: stays below the larger bound. */
static PlaitValue mix(Generator *generator, PlaitValue g, PlaitValue c, PlaitValue u)
{
    PlaitValue rest = binary(generator, PLAIT_OP_SUB, number(generator, 1), g);
    return binary(generator, PLAIT_OP_ADD, binary(generator, PLAIT_OP_MUL, g, c),
                  binary(generator, PLAIT_OP_MUL, rest, u));
}

/* A value that does not depend on the carries, now and then of another token. */
static PlaitValue input_within(Generator *generator, PlaitType type)
{
    PlaitValue x = pick_within(generator, type, PLAIT_NO_AXIS, true);
    return chance(generator, 0.15) ? delayed(generator, x) : x;
}

/* An input of rank 1: a product of two picks, which together often have more axes than either. */
static PlaitValue rank_one(Generator *generator, PlaitType type)
{
    PlaitValue x = input_within(generator, type), y = pick_within(generator, type, PLAIT_NO_AXIS, true);
    return scaled(generator, binary(generator, PLAIT_OP_MUL, x, y), 0.125);
}

/* c - beta k (sum_d k c) with |k| <= 1, beta in (0, 1): the factor (I - beta k k') contracts. 0 when there is no k. */
static PlaitValue delta(Generator *generator, PlaitType type, PlaitValue c)
{
    PlaitAxis axis = random_feature(generator);
    PlaitValue k = plait_type_has(type, axis) ? pick_within(generator, type, axis, true) : 0;
    if (k == 0) return 0;
    PlaitValue square = plait_build_reduce(&generator->builder, PLAIT_OP_REDUCE_SUM,
                                           binary(generator, PLAIT_OP_MUL, k, k), 0, &axis, 1);
    PlaitValue root = unary(generator, PLAIT_OP_RSQRT, binary(generator, PLAIT_OP_ADD, square, number(generator, 0.1)));
    k = binary(generator, PLAIT_OP_MUL, k, root);
    PlaitValue found = plait_build_reduce(&generator->builder, PLAIT_OP_REDUCE_SUM,
                                          binary(generator, PLAIT_OP_MUL, k, c), 0, &axis, 1);
    PlaitValue step = binary(generator, PLAIT_OP_MUL, k, gate(generator, plait_type_without(type, axis)));
    return binary(generator, PLAIT_OP_SUB, c, binary(generator, PLAIT_OP_MUL, step, found));
}

/* A running mix of c along one of its axes: a scan in the scan. 0 when c lacks the axis that is drawn. */
static PlaitValue running(Generator *generator, PlaitType type, PlaitValue c)
{
    PlaitAxis axis = chance(generator, 0.5) ? random_feature(generator) : type.axes[below(generator, type.rank)];
    PlaitBuilder *builder = &generator->builder;
    if (axis == generator->time || !plait_type_has(type_of(generator, c), axis)) return 0;
    PlaitValue zero = number(generator, 0);
    PlaitRegion *outside = builder->region, *body = plait_region_create(generator->function, outside);
    PlaitValue before = plait_build_argument(generator->function, body, type_of(generator, c), (PlaitSpan){0});
    builder->region = body;
    PlaitValue after = binary(generator, PLAIT_OP_ADD, scaled(generator, before, 0.5), scaled(generator, c, 0.5));
    builder->region = outside;
    plait_yield(generator->function, body, after);
    plait_yield(generator->function, body, after);
    PlaitValue owner = plait_build_owner(builder, PLAIT_OP_SCAN, &zero, 1, body);
    plait_set_axes(generator->function, owner, &axis, 1);
    plait_set_ints(generator->function, owner, (int64_t[]){chance(generator, 0.5) ? -1 : 1}, 1);
    return plait_build_result(builder, owner, 1, type_of(generator, c));
}

/* What another carry says: averaged over the axes that this one lacks, the largest over those of run-time size,
 * squashed. 0 when that is not possible. */
static PlaitValue from_other(Generator *generator, const Scan *scan, uint32_t index)
{
    uint32_t other = below(generator, scan->count);
    if (other == index) return 0;
    PlaitValue x = other < index && chance(generator, 0.5) ? scan->after[other] : scan->before[other];
    PlaitType own = type_of(generator, x);
    for (uint32_t i = 0; i < own.rank; i++) {
        PlaitAxis axis = own.axes[i];
        int64_t size = generator->function->axes.data[axis].size;
        if (plait_type_has(scan->types[index], axis)) continue;
        if (axis == generator->time) return 0;
        bool sum = size != PLAIT_RUNTIME_SIZE; /* the largest of no positions is -inf, which tanh takes */
        x = plait_build_reduce(&generator->builder, sum ? PLAIT_OP_REDUCE_SUM : PLAIT_OP_REDUCE_MAX, x, 0, &axis, 1);
        if (sum) x = scaled(generator, x, 1 / sqrt((double)size));
    }
    return unary(generator, PLAIT_OP_TANH, scaled(generator, x, 0.25));
}

/* What the state finds among the keys: sum e k / (sum e + 0.5), e = exp(score - the largest score). */
static PlaitValue attended(Generator *generator, const Scan *scan, PlaitValue c)
{
    double size = (double)generator->function->axes.data[scan->contracted].size;
    PlaitBuilder *builder = &generator->builder;
    PlaitValue score = plait_build_reduce(builder, PLAIT_OP_REDUCE_SUM, binary(generator, PLAIT_OP_MUL, c, scan->keys),
                                          0, &scan->contracted, 1);
    score = scaled(generator, score, 0.25 / sqrt(size));
    PlaitValue mask = 0;
    if (chance(generator, 0.5))
        mask = binary(generator, chance(generator, 0.5) ? PLAIT_OP_LE : PLAIT_OP_GT,
                      plait_build_iota(builder, scan->s, 0), plait_build_iota(builder, generator->time, 0));
    PlaitValue most = plait_build_reduce(builder, PLAIT_OP_REDUCE_MAX, score, mask, &scan->s, 1);
    most = binary(generator, PLAIT_OP_MAX, most, number(generator, -BOUND));
    PlaitValue e = unary(generator, PLAIT_OP_EXP, binary(generator, PLAIT_OP_SUB, score, most));
    PlaitValue sum = plait_build_reduce(builder, PLAIT_OP_REDUCE_SUM, e, mask, &scan->s, 1);
    PlaitValue found = plait_build_reduce(builder, PLAIT_OP_REDUCE_SUM, binary(generator, PLAIT_OP_MUL, e, scan->keys),
                                          mask, &scan->s, 1);
    found = binary(generator, PLAIT_OP_DIV, found, binary(generator, PLAIT_OP_ADD, sum, number(generator, 0.5)));
    return unary(generator, PLAIT_OP_TANH, scaled(generator, found, 0.5));
}

static PlaitValue update(Generator *generator, const Scan *scan, uint32_t index)
{
    PlaitType type = scan->types[index];
    PlaitValue c = scan->before[index], input = rank_one(generator, type);
    if (chance(generator, 0.4)) input = input_within(generator, type);
    PlaitValue changed = 0;
    if (scan->keys && index == scan->attending)
        return mix(generator, gate(generator, type), attended(generator, scan, c), input);
    switch (below(generator, 8)) {
    case 0: return unary(generator, PLAIT_OP_TANH, binary(generator, PLAIT_OP_ADD, scaled(generator, c, 0.5), input));
    case 1: return binary(generator, PLAIT_OP_MAX, binary(generator, PLAIT_OP_MUL, c, gate(generator, type)), input);
    case 2: changed = delta(generator, type, c); break;
    case 3: changed = from_other(generator, scan, index); break;
    case 4: return binary(generator, PLAIT_OP_ADD, scaled(generator, c, 0.875), scaled(generator, input, 0.125));
    case 5: changed = running(generator, type, c); break;
    default: break;
    }
    return mix(generator, gate(generator, type), changed ? changed : c, input);
}

/* What a token reads: a carry before or after its update, contracted with a query or as it is. */
static PlaitValue read_carry(Generator *generator, const Scan *scan)
{
    uint32_t index = below(generator, scan->count);
    PlaitValue c = chance(generator, 0.6) ? scan->after[index] : scan->before[index];
    PlaitType type = type_of(generator, c);
    PlaitAxis axis = random_feature(generator);
    if (!plait_type_has(type, axis)) return c;
    PlaitValue query = pick_within(generator, type, axis, true);
    if (query == 0) return c;
    PlaitValue product = binary(generator, PLAIT_OP_MUL, query, c);
    PlaitValue sum = plait_build_reduce(&generator->builder, PLAIT_OP_REDUCE_SUM, product, 0, &axis, 1);
    return scaled(generator, sum, 0.25 / sqrt((double)generator->function->axes.data[axis].size));
}

static void fill_body(Generator *generator, Scan *scan)
{
    for (uint32_t i = 0; i < scan->count; i++)
        scan->before[i] = plait_build_argument(generator->function, scan->body, scan->types[i], (PlaitSpan){0});
    for (uint32_t i = 0; i < scan->count; i++) scan->after[i] = update(generator, scan, i);
    for (uint32_t i = 0; i < scan->count; i++) plait_yield(generator->function, scan->body, scan->after[i]);
    for (uint32_t i = 0; i < scan->count; i++) keep(generator, scan->before[i], BOUND, true);
    for (uint32_t count = below(generator, 3); count > 0; count--) add_pointwise(generator);
}

void add_scan(Generator *generator)
{
    Scan scan = {0};
    create_carries(generator, &scan);
    PlaitRegion *outside = generator->builder.region;
    uint32_t pool_count = generator->pool_count;
    scan.body = plait_region_create(generator->function, outside);
    generator->builder.region = scan.body;
    fill_body(generator, &scan);
    uint32_t outputs = 1 + below(generator, 2);
    PlaitType types[MAX_CARRIES] = {{0}};
    for (uint32_t i = 0; i < outputs; i++) {
        PlaitValue value = generator->pool[generator->pool_count - 1].value;
        if (i == 0 || value == scan.before[scan.count - 1]) value = read_carry(generator, &scan);
        types[i] = type_of(generator, value);
        plait_yield(generator->function, scan.body, value);
    }
    generator->builder.region = outside;
    generator->pool_count = pool_count;
    PlaitValue owner = plait_build_owner(&generator->builder, PLAIT_OP_SCAN, scan.initial, scan.count, scan.body);
    plait_set_axes(generator->function, owner, &generator->time, 1);
    plait_set_ints(generator->function, owner, (int64_t[]){chance(generator, 0.25) ? -1 : 1}, 1);
    for (uint32_t i = 0; i < scan.count; i++) {
        PlaitType type = plait_type_without(scan.types[i], generator->time);
        keep(generator, plait_build_result(&generator->builder, owner, i, type), BOUND, false);
    }
    for (uint32_t i = 0; i < outputs; i++) {
        PlaitValue value = plait_build_result(&generator->builder, owner, scan.count + i, types[i]);
        keep(generator, value, BOUND, false);
        if (chance(generator, 0.35)) keep(generator, delayed(generator, value), BOUND, false);
    }
}
