/* Scans of random operators whose states are decayed sums of outer products: what the pass `chunk` takes.
 *
 *     S' = w S + (1 - w) k v,  or  w S + beta k (v - sum[d] k (w S));   reads are sum[d] q S
 *
 * The decay w is a number, varies by token, or by feature of the key too; then it is known to stay above a bound or
 * not, and may be 0 at some tokens. In half of the scans every tensor along the key or the value is bf16.
 */
#include <math.h>

#include "tests/fuzz/random_parts.h"

enum { MAX_STATES = 3 };

/* What is known of a state before the scan. */
typedef struct State {
    PlaitValue decay, key, value, query, initial;
    PlaitValue step; /* of a correction by what the state says; 0: there is none */
    PlaitValue before, after;
} State;

typedef struct Keyed {
    PlaitType key, value, token; /* of one feature axis each; of none */
    PlaitAxis axis;              /* that reads sum over */
    bool half;
    State states[MAX_STATES];
    uint32_t count;
    PlaitValue flag; /* bool, by token */
    PlaitValue reads[MAX_STATES];
} Keyed;

/* A tensor of some of the axes, those of features among them, and seldom not of time. */
static PlaitValue tensor(Generator *generator, const Keyed *keyed, PlaitType type)
{
    PlaitType own = random_subset(generator, type);
    for (uint32_t i = 0; i < type.rank; i++)
        if (generator->function->axes.data[type.axes[i]].role == PLAIT_ROLE_FEATURE)
            own = plait_type_with(own, type.axes[i]);
    if (chance(generator, 0.9)) own = plait_type_with(own, generator->time);
    return keyed->half ? new_param_as(generator, own, PLAIT_BF16) : new_param(generator, own);
}

/* In [0, 1). */
static PlaitValue decay(Generator *generator, const Keyed *keyed)
{
    uint32_t kind = below(generator, 6);
    if (kind == 0) return number(generator, 0.875);
    PlaitValue x = tensor(generator, keyed, kind == 1 ? keyed->token : keyed->key);
    if (kind < 3) return sigmoid(generator, x);
    PlaitValue rate = kind == 3 ? scaled(generator, sigmoid(generator, x), 0.6) : unary(generator, PLAIT_OP_ABS, x);
    if (kind != 3) rate = binary(generator, PLAIT_OP_ADD, rate, number(generator, 0.05));
    PlaitValue w = unary(generator, PLAIT_OP_EXP, unary(generator, PLAIT_OP_NEG, rate));
    if (kind == 5) w = plait_build_select(&generator->builder, keyed->flag, number(generator, 0), w);
    return w;
}

static PlaitValue sum_along(Generator *generator, const Keyed *keyed, PlaitValue x, PlaitValue y)
{
    return plait_build_reduce(&generator->builder, PLAIT_OP_REDUCE_SUM, binary(generator, PLAIT_OP_MUL, x, y), 0,
                              &keyed->axis, 1);
}

static State create_state(Generator *generator, const Keyed *keyed)
{
    State state = {.decay = decay(generator, keyed),
                   .key = tensor(generator, keyed, keyed->key),
                   .value = tensor(generator, keyed, keyed->value),
                   .query = tensor(generator, keyed, keyed->key),
                   .initial = number(generator, below(generator, 2) * 0.5)};
    PlaitType rest = plait_type_without(plait_type_union(keyed->key, keyed->value), generator->time);
    if (chance(generator, 0.3)) state.initial = new_param(generator, random_subset(generator, rest));
    if (!chance(generator, 0.4)) return state;
    PlaitValue square = sum_along(generator, keyed, state.key, state.key);
    PlaitValue root = unary(generator, PLAIT_OP_RSQRT, binary(generator, PLAIT_OP_ADD, square, number(generator, 0.1)));
    state.key = binary(generator, PLAIT_OP_MUL, state.key, root);
    state.step = sigmoid(generator, tensor(generator, keyed, keyed->token));
    return state;
}

/* The axis of the keys, one of the values (most often), and the states. False when they would be too large. */
static bool create_states(Generator *generator, Keyed *keyed)
{
    PlaitAxis other = random_feature(generator);
    keyed->axis = random_feature(generator);
    keyed->half = chance(generator, 0.5);
    keyed->token = plait_type_with(plait_type(generator->computing), generator->time);
    if (chance(generator, 0.7)) keyed->token = plait_type_with(keyed->token, generator->batch);
    if (chance(generator, 0.6)) keyed->token = plait_type_with(keyed->token, generator->head);
    keyed->key = plait_type_with(keyed->token, keyed->axis);
    keyed->value = other == keyed->axis ? keyed->token : plait_type_with(keyed->token, other);
    if (static_elements(generator, plait_type_union(keyed->key, keyed->value)) > MAX_STATIC / 2) return false;
    keyed->flag = new_bool_param(generator, keyed->token);
    keyed->count = 1 + below(generator, MAX_STATES);
    for (uint32_t i = 0; i < keyed->count; i++) keyed->states[i] = create_state(generator, keyed);
    return true;
}

static void update(Generator *generator, const Keyed *keyed, State *state, PlaitValue said)
{
    PlaitValue decayed = binary(generator, PLAIT_OP_MUL, state->decay, state->before), v = state->value;
    if (said) v = binary(generator, PLAIT_OP_ADD, v, unary(generator, PLAIT_OP_TANH, said));
    PlaitValue by = binary(generator, PLAIT_OP_SUB, number(generator, 1), state->decay);
    PlaitValue k = scaled(generator, binary(generator, PLAIT_OP_MUL, by, state->key), 0.125);
    if (state->step) {
        v = binary(generator, PLAIT_OP_SUB, v,
                   sum_along(generator, keyed, state->key, chance(generator, 0.7) ? decayed : state->before));
        k = binary(generator, PLAIT_OP_MUL, state->step, state->key);
    }
    state->after = binary(generator, PLAIT_OP_ADD, decayed, binary(generator, PLAIT_OP_MUL, k, v));
}

/* Of the state after the token, before it, or before it and decayed. */
static PlaitValue read_state(Generator *generator, const Keyed *keyed, const State *state)
{
    PlaitValue x = chance(generator, 0.5) ? state->after : state->before;
    if (x == state->before && chance(generator, 0.5)) x = binary(generator, PLAIT_OP_MUL, state->decay, x);
    if (chance(generator, 0.15)) x = plait_build_select(&generator->builder, keyed->flag, x, number(generator, 0));
    PlaitValue sum = sum_along(generator, keyed, state->query, x);
    return scaled(generator, sum, 0.25 / sqrt((double)generator->function->axes.data[keyed->axis].size));
}

static void fill_body(Generator *generator, Keyed *keyed, PlaitRegion *body)
{
    PlaitType type = plait_type_union(keyed->key, keyed->value);
    for (uint32_t i = 0; i < keyed->count; i++)
        keyed->states[i].before = plait_build_argument(generator->function, body, type, (PlaitSpan){0});
    for (uint32_t i = 0; i < keyed->count; i++) {
        bool other = i > 0 && chance(generator, 0.3); /* adds what the state before it says */
        update(generator, keyed, &keyed->states[i], other ? keyed->reads[i - 1] : 0);
        keyed->reads[i] = read_state(generator, keyed, &keyed->states[i]);
    }
    for (uint32_t i = 0; i < keyed->count; i++) plait_yield(generator->function, body, keyed->states[i].after);
    for (uint32_t i = 0; i < keyed->count; i++) plait_yield(generator->function, body, keyed->reads[i]);
}

void add_keyed_scan(Generator *generator)
{
    Keyed keyed = {0};
    PlaitValue initial[MAX_STATES];
    PlaitBuilder *builder = &generator->builder;
    if (!create_states(generator, &keyed)) return;
    PlaitRegion *outside = builder->region, *body = plait_region_create(generator->function, outside);
    builder->region = body;
    fill_body(generator, &keyed, body);
    builder->region = outside;
    for (uint32_t i = 0; i < keyed.count; i++) initial[i] = keyed.states[i].initial;
    PlaitValue owner = plait_build_owner(builder, PLAIT_OP_SCAN, initial, keyed.count, body);
    plait_set_axes(generator->function, owner, &generator->time, 1);
    plait_set_ints(generator->function, owner, (int64_t[]){chance(generator, 0.05) ? -1 : 1}, 1);
    PlaitType last = plait_type_without(plait_type_union(keyed.key, keyed.value), generator->time);
    for (uint32_t i = 0; i < keyed.count; i++) {
        keep(generator, plait_build_result(builder, owner, i, last), BOUND, false);
        PlaitType type = type_of(generator, keyed.reads[i]);
        keep(generator, plait_build_result(builder, owner, keyed.count + i, type), BOUND, false);
    }
}
