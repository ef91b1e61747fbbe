/* Random operators: axes, parameters, the pool of values, the sequence of stages, the outputs. */
#include "tests/fuzz/random_operator.h"

#include <math.h>
#include <stdio.h>

#include "tests/fuzz/random_parts.h"

/* ---- drawing ---- */

bool chance(Generator *generator, double probability) { return plait_random_uniform(&generator->random) < probability; }
uint32_t below(Generator *generator, uint32_t bound) { return plait_random_below(&generator->random, bound); }

PlaitAxis random_feature(Generator *generator)
{
    return generator->features[below(generator, generator->feature_count)];
}

PlaitName fresh_name(Generator *generator, const char *prefix)
{
    char text[40];
    snprintf(text, sizeof text, "%s%u", prefix, generator->name_count++);
    return plait_names_add(generator->function->module->names, text);
}

PlaitType type_of(const Generator *generator, PlaitValue value) { return plait_type_of(generator->function, value); }

int64_t static_elements(const Generator *generator, PlaitType type)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < type.rank; i++) {
        int64_t size = generator->function->axes.data[type.axes[i]].size;
        if (size != PLAIT_RUNTIME_SIZE) count *= size;
    }
    return count;
}

bool fits(const Generator *generator, PlaitValue x, PlaitValue y)
{
    PlaitType type = plait_type_union(type_of(generator, x), type_of(generator, y));
    return static_elements(generator, type) <= MAX_STATIC;
}

static PlaitType shuffled(Generator *generator, PlaitType type)
{
    for (uint32_t i = type.rank; i > 1; i--) {
        uint32_t k = below(generator, i);
        PlaitAxis kept = type.axes[i - 1];
        type.axes[i - 1] = type.axes[k];
        type.axes[k] = kept;
    }
    return type;
}

PlaitType random_type(Generator *generator)
{
    PlaitType type = plait_type_with(plait_type(generator->computing), generator->time);
    if (chance(generator, 0.8)) type = plait_type_with(type, generator->batch);
    if (chance(generator, 0.6)) type = plait_type_with(type, generator->head);
    for (uint32_t count = below(generator, 3); count > 0; count--) {
        PlaitType wider = plait_type_with(type, random_feature(generator));
        if (static_elements(generator, wider) <= MAX_STATIC / 2) type = wider;
    }
    return type;
}

PlaitType random_subset(Generator *generator, PlaitType type)
{
    for (uint32_t i = type.rank; i-- > 0;)
        if (chance(generator, 0.35)) type = plait_type_without(type, type.axes[i]);
    return shuffled(generator, type);
}

/* ---- the pool ---- */

static void pool_add(Generator *generator, Pooled pooled)
{
    if (generator->pool_count < POOL_SIZE) generator->pool[generator->pool_count++] = pooled;
}

PlaitValue keep(Generator *generator, PlaitValue value, double bound, bool carried)
{
    if (bound > BOUND) {
        int exponent;
        frexp(BOUND / bound, &exponent);
        double factor = ldexp(1, exponent - 1);
        value = scaled(generator, value, factor);
        bound *= factor;
    }
    pool_add(generator, (Pooled){.value = value, .bound = bound, .carried = carried});
    return value;
}

Pooled find(const Generator *generator, PlaitValue value)
{
    for (uint32_t i = 0; i < generator->pool_count; i++)
        if (generator->pool[i].value == value) return generator->pool[i];
    return (Pooled){.value = value, .bound = BOUND, .carried = true};
}

bool depends_on_carry(const Generator *generator, PlaitValue value) { return find(generator, value).carried; }

static PlaitValue build_param(Generator *generator, PlaitType type, double fallback)
{
    PlaitBuilder builder = generator->builder;
    builder.region = generator->function->body;
    return plait_build_param(&builder, fresh_name(generator, "x"), type, fallback);
}

/* Parameters stand in the operator's body. One that is made while a region is open is appended there after the region's
 * owner would be, which is not allowed: so regions take parameters that were made before (see add_scan). */
static bool in_body(const Generator *generator) { return generator->builder.region == generator->function->body; }

PlaitValue new_param_as(Generator *generator, PlaitType type, PlaitScalar scalar)
{
    double fallback = chance(generator, 0.1) ? below(generator, 3) * 0.5 : (double)NAN;
    PlaitType own = plait_type_as(shuffled(generator, type), scalar);
    PlaitValue value = build_param(generator, own, fallback);
    bool exact = scalar != PLAIT_F64 || generator->computing == PLAIT_F64;
    value = plait_build_cast(&generator->builder, value, generator->computing);
    pool_add(generator, (Pooled){.value = value, .bound = 5, .exact = exact});
    return value;
}

PlaitValue new_param(Generator *generator, PlaitType type)
{
    static const PlaitScalar storage[] = {PLAIT_F32,  PLAIT_F32, PLAIT_F32, PLAIT_BF16,
                                          PLAIT_BF16, PLAIT_F16, PLAIT_F64};
    return new_param_as(generator, type, storage[below(generator, sizeof storage / sizeof *storage)]);
}

PlaitValue new_integer_param(Generator *generator, PlaitType type)
{
    return build_param(generator, plait_type_as(shuffled(generator, type), PLAIT_I32), NAN);
}

PlaitValue new_bool_param(Generator *generator, PlaitType type)
{
    return build_param(generator, plait_type_as(shuffled(generator, type), PLAIT_BOOL), NAN);
}

PlaitValue pick(Generator *generator)
{
    /* Newer values twice as often, so that expressions grow deep. */
    uint32_t count = generator->pool_count, index = below(generator, count);
    if (chance(generator, 0.5)) index = count - 1 - below(generator, (count + 2) / 3);
    return generator->pool[index].value;
}

static bool axes_within(PlaitType inner, PlaitType outer) { return plait_type_union_rank(outer, inner) == outer.rank; }

PlaitValue pick_within(Generator *generator, PlaitType type, PlaitAxis must, bool settled)
{
    bool body = in_body(generator);
    for (uint32_t attempt = 0; attempt < (body ? 8u : 200u); attempt++) {
        const Pooled *pooled = &generator->pool[below(generator, generator->pool_count)];
        PlaitType own = type_of(generator, pooled->value);
        if (!axes_within(own, type) || (settled && pooled->carried)) continue;
        if (must != PLAIT_NO_AXIS && !plait_type_has(own, must)) continue;
        return pooled->value;
    }
    if (!body) return must == PLAIT_NO_AXIS ? number(generator, 0.5) : 0;
    PlaitType own = random_subset(generator, type);
    if (must != PLAIT_NO_AXIS) own = plait_type_with(own, must);
    return new_param(generator, own);
}

/* ---- the whole operator ---- */

static PlaitAxis add_axis(Generator *generator, const char *name, PlaitAxisRole role, int64_t size)
{
    return plait_axis_add(generator->function,
                          (PlaitAxisInfo){.name = plait_names_add(generator->function->module->names, name),
                                          .role = role,
                                          .size = size,
                                          .same_as = PLAIT_NO_AXIS});
}

static void create_axes(Generator *generator)
{
    static const char *const names[MAX_FEATURES] = {"d", "e", "m", "n"};
    static const int64_t sizes[] = {1, 3, 4, 7, 8, 16, 17, 33, 40, 64};
    generator->batch = add_axis(generator, "b", PLAIT_ROLE_BATCH, PLAIT_RUNTIME_SIZE);
    generator->head = add_axis(generator, "h", PLAIT_ROLE_HEAD, chance(generator, 0.3) ? 2 : PLAIT_RUNTIME_SIZE);
    generator->time = add_axis(generator, "t", PLAIT_ROLE_TIME, PLAIT_RUNTIME_SIZE);
    generator->feature_count = 1 + below(generator, MAX_FEATURES);
    for (uint32_t i = 0; i < generator->feature_count; i++) {
        int64_t size = sizes[below(generator, sizeof sizes / sizeof *sizes)];
        generator->features[i] = add_axis(generator, names[i], PLAIT_ROLE_FEATURE, size);
    }
}

static void add_stage(Generator *generator)
{
    static const uint32_t stages[] = {PLAIT_RANDOM_SCAN,      PLAIT_RANDOM_SCAN,      PLAIT_RANDOM_SCAN,
                                      PLAIT_RANDOM_ATTEND,    PLAIT_RANDOM_ATTEND,    PLAIT_RANDOM_CONV,
                                      PLAIT_RANDOM_LONG_CONV, PLAIT_RANDOM_GATHER,    PLAIT_RANDOM_POOL,
                                      PLAIT_RANDOM_DEPENDENT, PLAIT_RANDOM_DEPENDENT, 0};
    uint32_t stage = stages[below(generator, sizeof stages / sizeof *stages)] & generator->kinds;
    if (stage == PLAIT_RANDOM_SCAN && chance(generator, 0.4)) add_keyed_scan(generator);
    else if (stage == PLAIT_RANDOM_SCAN) add_scan(generator);
    if (stage == PLAIT_RANDOM_ATTEND) add_attention(generator);
    if (stage == PLAIT_RANDOM_DEPENDENT) add_dependent_attention(generator);
    if (stage == PLAIT_RANDOM_CONV || stage == PLAIT_RANDOM_LONG_CONV)
        add_conv(generator, stage == PLAIT_RANDOM_LONG_CONV);
    if (stage == PLAIT_RANDOM_GATHER) add_gather(generator);
    if (stage == PLAIT_RANDOM_POOL) add_pooling(generator);
    if (stage == 0) add_integers(generator);
}

static void add_output(Generator *generator, PlaitValue value, PlaitScalar scalar)
{
    value = plait_build_cast(&generator->builder, value, scalar);
    PlaitOutput output = {
        .name = fresh_name(generator, "y"), .type = shuffled(generator, type_of(generator, value)), .value = value};
    plait_push(generator->function->module->arena, &generator->function->outputs, output);
}

/* The newest value, and mostly values that nothing else uses, so that little of the operator is dead. */
static void add_outputs(Generator *generator)
{
    static const PlaitScalar storage[] = {PLAIT_F32, PLAIT_F32, PLAIT_F32, PLAIT_BF16, PLAIT_F16, PLAIT_F64};
    const uint32_t *uses = plait_use_counts(generator->function);
    uint32_t count = 0, most = 1 + below(generator, 4);
    for (uint32_t i = generator->pool_count - 1; i-- > 0 && count < most;) {
        PlaitValue value = generator->pool[i].value;
        if (chance(generator, uses[value] == 0 ? 0.3 : 0.97)) continue;
        add_output(generator, value, storage[below(generator, sizeof storage / sizeof *storage)]);
        count++;
    }
    add_output(generator, generator->pool[generator->pool_count - 1].value, generator->computing);
}

PlaitModule *plait_random_operator(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics, uint64_t seed,
                                   uint32_t kinds)
{
    PlaitModule *module = plait_module_create(arena, names, diagnostics);
    PlaitFunction *function = plait_function_create(module, PLAIT_LEVEL_STAGE, plait_names_add(names, "random"));
    Generator *generator = PLAIT_NEW(arena, Generator);
    *generator = (Generator){.random = plait_random(seed, 0), .function = function, .kinds = kinds};
    generator->builder = (PlaitBuilder){.function = function, .region = function->body};
    generator->computing = below(generator, 8) == 0 ? PLAIT_F64 : PLAIT_F32;
    create_axes(generator);
    for (uint32_t count = 2 + below(generator, 3); count > 0; count--) new_param(generator, random_type(generator));
    for (uint32_t stages = 1 + below(generator, 4); stages > 0; stages--) {
        for (uint32_t count = below(generator, 5); count > 0; count--) add_pointwise(generator);
        if (chance(generator, 0.6)) add_feature_reduction(generator);
        add_stage(generator);
    }
    for (uint32_t count = 1 + below(generator, 3); count > 0; count--) add_pointwise(generator);
    add_outputs(generator);
    return module;
}
