#include "tests/codegen/cpu/random_kernel.h"

#include <math.h>

#include "ir/build.h"

enum { MAX_FEATURES = 4, MAX_NESTING = 2 };

/* A kernel being drawn. Values of the numeric type are bounded by about 4; they are kept in lists of what is in sight.
 */
typedef struct Draw {
    PlaitBuilder builder;
    TestRandom *random;
    PlaitScalar number; /* f32 or f64 */
    PlaitAxis batch, time, features[MAX_FEATURES];
    uint32_t feature_count, tensor_count, nesting;
    PlaitValue batch_at;             /* i32 scalars in sight */
    PlaitValue step_at;              /* position of the innermost loop; 0: none */
    PLAIT_VECTOR(PlaitValue) values; /* numeric values in sight */
} Draw;

static PlaitArena *arena_of(const Draw *d) { return d->builder.function->module->arena; }
static uint32_t below(Draw *d, uint32_t limit) { return test_below(d->random, limit); }
static bool chance(Draw *d, uint32_t percent) { return below(d, 100) < percent; }

static PlaitName name_of(Draw *d, const char *text, uint32_t number)
{
    return plait_names_add(d->builder.function->module->names, plait_arena_printf(arena_of(d), "%s%u", text, number));
}

/* ---- axes ---- */

static void draw_axes(Draw *d)
{
    static const uint32_t sizes[] = {1, 2, 3, 5, 8, 12, 16, 17, 31, 32, 33, 40, 64};
    PlaitFunction *function = d->builder.function;
    d->batch = plait_axis_add(function, (PlaitAxisInfo){.name = name_of(d, "b", 0),
                                                        .role = PLAIT_ROLE_BATCH,
                                                        .size = PLAIT_RUNTIME_SIZE,
                                                        .same_as = PLAIT_NO_AXIS});
    d->time = plait_axis_add(function, (PlaitAxisInfo){.name = name_of(d, "t", 0),
                                                       .role = PLAIT_ROLE_TIME,
                                                       .size = PLAIT_RUNTIME_SIZE,
                                                       .same_as = PLAIT_NO_AXIS,
                                                       .tile = chance(d, 60) ? 1 + below(d, 20) : 16});
    d->feature_count = 2 + below(d, MAX_FEATURES - 1);
    uint32_t room = 3000;
    for (uint32_t i = 0; i < d->feature_count; i++) {
        uint32_t size = sizes[below(d, sizeof sizes / sizeof *sizes)];
        while (size > room) size = (size + 1) / 2;
        room = room / size + 1;
        uint32_t tile = size + (chance(d, 25) ? below(d, 4) : 0);
        d->features[i] = plait_axis_add(
            function,
            (PlaitAxisInfo){.name = name_of(d, "f", i), .size = (int64_t)size, .same_as = PLAIT_NO_AXIS, .tile = tile});
    }
    uint32_t block = function->axes.data[d->time].tile;
    plait_push(arena_of(d), &function->grid, (PlaitGridAxis){d->batch, 1, false});
    if (chance(d, 70)) plait_push(arena_of(d), &function->grid, (PlaitGridAxis){d->time, block, false});
}

/* A random set of tile axes; often few. */
static PlaitType draw_type(Draw *d, PlaitScalar scalar)
{
    PlaitType type = plait_type(scalar);
    if (chance(d, 30)) type = plait_type_with(type, d->time);
    for (uint32_t i = 0; i < d->feature_count; i++)
        if (chance(d, 50)) type = plait_type_with(type, d->features[i]);
    return type;
}

/* ---- indices and memory ---- */

static PlaitValue integer(Draw *d, int number) { return plait_build_const(&d->builder, PLAIT_I32, number); }

static PlaitValue axis_index(Draw *d, PlaitAxis axis)
{
    PlaitValue start = 0;
    if (axis == d->time && d->builder.function->grid.count > 1) {
        start = plait_build(&d->builder, PLAIT_OP_PROGRAM, plait_type(PLAIT_I32), NULL, 0);
        plait_set_axes(d->builder.function, start, &axis, 1);
    }
    if (d->step_at && chance(d, 20))
        start = start ? plait_build_binary(&d->builder, PLAIT_OP_ADD, start, d->step_at) : d->step_at;
    PlaitValue index = plait_build_iota(&d->builder, axis, start);
    if (chance(d, 15)) index = plait_build_binary(&d->builder, PLAIT_OP_SUB, index, integer(d, (int)below(d, 4)));
    if (chance(d, 5)) index = plait_build_binary(&d->builder, PLAIT_OP_SUB, integer(d, (int)below(d, 9)), index);
    return index;
}

/* The index of axis `axis` of a tensor, when the tile of the access has `type`. */
static PlaitValue draw_index(Draw *d, PlaitAxis axis, PlaitType type)
{
    if (plait_type_has(type, axis)) return axis_index(d, axis);
    if (axis == d->batch) return d->batch_at;
    if (d->step_at && chance(d, 70)) return d->step_at;
    return integer(d, (int)below(d, 3));
}

static PlaitValue tensor(Draw *d, const char *name, PlaitType type)
{
    type.space = PLAIT_SPACE_GLOBAL;
    PlaitBuilder outside = d->builder;
    outside.region = d->builder.function->body;
    PlaitValue value = plait_build(&outside, PLAIT_OP_TENSOR, type, NULL, 0);
    plait_inst(d->builder.function, value)->name = name_of(d, name, d->tensor_count++);
    return value;
}

static PlaitScalar storage(Draw *d)
{
    static const PlaitScalar scalars[] = {PLAIT_F32, PLAIT_F32, PLAIT_BF16, PLAIT_BF16, PLAIT_F16,
                                          PLAIT_F64, PLAIT_I32, PLAIT_BOOL, PLAIT_I64};
    return scalars[below(d, sizeof scalars / sizeof *scalars)];
}

/* b, perhaps t, then the tile's other axes; sometimes one more. */
static PlaitType tensor_type(Draw *d, PlaitType tile, PlaitScalar scalar)
{
    PlaitType type = plait_type_with(plait_type(scalar), d->batch);
    if (chance(d, 50)) type = plait_type_with(type, d->time);
    if (chance(d, 20)) type = plait_type_with(type, d->features[0]);
    for (uint32_t i = 0; i < tile.rank; i++) type = plait_type_with(type, tile.axes[i]);
    return type;
}

static PlaitValue draw_load(Draw *d, PlaitType tile)
{
    PlaitValue operands[1 + PLAIT_MAX_RANK];
    PlaitScalar scalar = storage(d);
    PlaitType type = tensor_type(d, tile, scalar), loaded = plait_type(scalar);
    operands[0] = tensor(d, "x", type);
    for (uint32_t i = 0; i < type.rank; i++) {
        operands[1 + i] = draw_index(d, type.axes[i], tile);
        loaded = plait_type_union(loaded, plait_type_of(d->builder.function, operands[1 + i]));
    }
    PlaitValue value = plait_build(&d->builder, PLAIT_OP_LOAD, loaded, operands, 1 + type.rank);
    if (plait_scalar_kind(scalar) == PLAIT_INTEGER && chance(d, 30) && scalar == PLAIT_I32 && loaded.rank <= 1) {
        /* A data-dependent load: `value` is an index. */
        PlaitType table = plait_type_with(plait_type_with(plait_type(d->number), d->features[0]), d->features[1]);
        PlaitValue column = plait_build_iota(&d->builder, d->features[1], 0);
        PlaitValue from[] = {tensor(d, "table", table), value, chance(d, 50) ? column : value};
        PlaitType gathered =
            plait_type_union(plait_type_as(loaded, d->number), plait_type_of(d->builder.function, from[2]));
        return plait_build(&d->builder, PLAIT_OP_LOAD, gathered, from, 3);
    }
    return plait_build_cast(&d->builder, value, d->number);
}

static PlaitValue mask(Draw *d, PlaitType type);

static void draw_store(Draw *d, PlaitValue value)
{
    PlaitFunction *function = d->builder.function;
    PlaitScalar scalar = chance(d, 60) ? d->number : chance(d, 50) ? PLAIT_BF16 : PLAIT_F16;
    PlaitType tile = plait_type_of(function, value), type = plait_type_with(plait_type(scalar), d->batch);
    PlaitValue operands[3 + PLAIT_MAX_RANK];
    if (d->step_at) type = plait_type_with(type, d->time);
    for (uint32_t i = 0; i < tile.rank; i++) type = plait_type_with(type, tile.axes[i]);
    operands[0] = tensor(d, "y", type);
    for (uint32_t i = 0; i < type.rank; i++) {
        PlaitAxis axis = type.axes[i];
        operands[1 + i] = plait_type_has(tile, axis) ? axis_index(d, axis)
                          : axis == d->batch         ? d->batch_at
                                                     : d->step_at;
    }
    uint32_t count = 1 + type.rank;
    operands[count++] = plait_build_cast(&d->builder, value, scalar);
    bool predicated = chance(d, 30);
    if (predicated) operands[count++] = mask(d, tile);
    PlaitValue store = plait_build(&d->builder, PLAIT_OP_STORE, plait_type(PLAIT_BOOL), operands, count);
    plait_set_ints(function, store, (int64_t[]){predicated}, 1);
}

/* ---- arithmetic ---- */

/* A bool tile of some of the axes of `type`, made of positions: exact. */
static PlaitValue mask(Draw *d, PlaitType type)
{
    PlaitValue bound = integer(d, (int)below(d, 40));
    if (type.rank == 0)
        return plait_build_binary(&d->builder, PLAIT_OP_LT, d->step_at ? d->step_at : d->batch_at, bound);
    PlaitValue index = axis_index(d, type.axes[below(d, type.rank)]);
    if (chance(d, 50)) bound = axis_index(d, type.axes[below(d, type.rank)]);
    static const PlaitOp ops[] = {PLAIT_OP_LT, PLAIT_OP_LE, PLAIT_OP_GT, PLAIT_OP_GE, PLAIT_OP_NE};
    PlaitValue truth = plait_build_binary(&d->builder, ops[below(d, 5)], index, bound);
    return chance(d, 20) ? plait_build_unary(&d->builder, PLAIT_OP_NOT, truth) : truth;
}

static PlaitValue pick(Draw *d)
{
    uint32_t recent = d->values.count < 6 ? d->values.count : 6;
    return chance(d, 60) ? d->values.data[d->values.count - 1 - below(d, recent)]
                         : d->values.data[below(d, d->values.count)];
}

static double volume(const Draw *d, PlaitType type)
{
    double product = 1;
    for (uint32_t i = 0; i < type.rank; i++) product *= d->builder.function->axes.data[type.axes[i]].tile;
    return product;
}

static bool small(const Draw *d, PlaitType type) { return volume(d, type) <= 6000; }

static PlaitValue scaled(Draw *d, PlaitValue value, double factor)
{
    return plait_build_binary(&d->builder, PLAIT_OP_MUL, value, plait_build_const(&d->builder, d->number, factor));
}

/* Back to values of order 1. */
static PlaitValue bounded(Draw *d, PlaitValue value)
{
    if (chance(d, 30)) return plait_build_unary(&d->builder, PLAIT_OP_TANH, value);
    PlaitValue low = plait_build_const(&d->builder, d->number, -2), high = plait_build_const(&d->builder, d->number, 2);
    return plait_build_binary(&d->builder, PLAIT_OP_MIN, plait_build_binary(&d->builder, PLAIT_OP_MAX, value, low),
                              high);
}

static PlaitValue draw_pointwise(Draw *d)
{
    PlaitBuilder *b = &d->builder;
    PlaitValue x = pick(d), y = pick(d);
    PlaitType type = plait_type_union(plait_type_of(b->function, x), plait_type_of(b->function, y));
    if (!small(d, type)) y = x;
    type = plait_type_union(plait_type_of(b->function, x), plait_type_of(b->function, y));
    switch (below(d, 12)) {
    case 0: return plait_build_binary(b, PLAIT_OP_SUB, x, y);
    case 1:
    case 2: return plait_build_binary(b, PLAIT_OP_MUL, x, y);
    case 3: return plait_build_binary(b, PLAIT_OP_MAX, x, y);
    case 4:
        return plait_build_unary(b, PLAIT_OP_EXP,
                                 plait_build_unary(b, PLAIT_OP_NEG, plait_build_unary(b, PLAIT_OP_ABS, x)));
    case 5: return plait_build_unary(b, PLAIT_OP_TANH, x);
    case 6: return plait_build_select(b, mask(d, type), x, y);
    case 7: return plait_build_binary(b, PLAIT_OP_DIV, x, plait_build_const(b, d->number, 3));
    case 8: return plait_build_broadcast(b, x, type);
    case 9: return plait_build_unary(b, PLAIT_OP_NEG, x);
    case 10: return plait_build_binary(b, PLAIT_OP_ADD, plait_build_binary(b, PLAIT_OP_MUL, x, y), x);
    default: return plait_build_binary(b, PLAIT_OP_ADD, x, y);
    }
}

static PlaitValue draw_reduce(Draw *d)
{
    PlaitValue x = pick(d);
    PlaitType type = plait_type_of(d->builder.function, x);
    if (type.rank == 0) return draw_pointwise(d);
    PlaitAxis axes[PLAIT_MAX_RANK];
    uint32_t count = 0;
    double extent = 1;
    for (uint32_t i = 0; i < type.rank; i++) {
        if (chance(d, 50) && !(i + 1 == type.rank && count == 0)) continue;
        extent *= d->builder.function->axes.data[type.axes[i]].tile;
        axes[count++] = type.axes[i];
    }
    uint32_t kind = below(d, 6);
    if (kind == 0) return plait_build_reduce(&d->builder, PLAIT_OP_REDUCE_MAX, x, 0, axes, count);
    if (kind == 1) return plait_build_reduce(&d->builder, PLAIT_OP_REDUCE_MIN, x, 0, axes, count);
    if (kind == 2 && extent < 20) return plait_build_reduce(&d->builder, PLAIT_OP_REDUCE_PROD, x, 0, axes, count);
    return scaled(d, plait_build_reduce(&d->builder, PLAIT_OP_REDUCE_SUM, x, 0, axes, count), 1 / extent);
}

static PlaitValue draw_dot(Draw *d)
{
    PlaitFunction *function = d->builder.function;
    PlaitValue a = pick(d), b = pick(d);
    PlaitType left = plait_type_of(function, a), right = plait_type_of(function, b),
              all = plait_type_union(left, right);
    for (uint32_t i = 0; i < left.rank; i++) {
        PlaitAxis axis = left.axes[i];
        if (!plait_type_has(right, axis) || volume(d, all) > 60000) continue;
        PlaitType type = plait_type_without(all, axis);
        PlaitValue operands[3] = {a, b, 0};
        double extent = function->axes.data[axis].tile;
        for (uint32_t k = d->values.count; k-- > 0 && !operands[2] && chance(d, 80);)
            if (plait_type_equal(plait_type_of(function, d->values.data[k]), type)) operands[2] = d->values.data[k];
        PlaitValue dot = plait_build(&d->builder, PLAIT_OP_DOT, type, operands, operands[2] ? 3 : 2);
        plait_set_axes(function, dot, &axis, 1);
        return scaled(d, dot, 1 / extent);
    }
    return draw_reduce(d);
}

static void draw_statements(Draw *d, uint32_t count);

/* A `for` over positions with one to four carries, which begin as values in sight and are yielded as whatever has their
 * type. */
static void draw_loop(Draw *d)
{
    PlaitFunction *function = d->builder.function;
    Draw inside = *d;
    uint32_t carries = 1 + below(d, 4);
    PlaitValue operands[8];
    int64_t stride = (int64_t)(1 + below(d, 3)) * (chance(d, 30) ? -1 : 1);
    operands[0] = integer(d, (int)below(d, 3));
    operands[1] = chance(d, 60) ? plait_build_size(&d->builder, d->time) : integer(d, (int)below(d, 5));
    for (uint32_t i = 0; i < carries; i++) operands[2 + i] = chance(d, 20) && i ? operands[1 + i] : pick(d);
    inside.builder.region = plait_region_create(function, d->builder.region);
    inside.step_at = plait_build_argument(function, inside.builder.region, plait_type(PLAIT_I32), (PlaitSpan){0});
    inside.values.data = NULL;
    inside.values.capacity = inside.values.count = 0;
    for (uint32_t i = 0; i < d->values.count; i++) plait_push(arena_of(d), &inside.values, d->values.data[i]);
    for (uint32_t i = 0; i < carries; i++)
        plait_push(arena_of(d), &inside.values,
                   plait_build_argument(function, inside.builder.region, plait_type_of(function, operands[2 + i]),
                                        (PlaitSpan){0}));
    inside.nesting++;
    draw_statements(&inside, 3 + below(d, 8));
    for (uint32_t i = 0; i < carries; i++) {
        PlaitType type = plait_type_of(function, operands[2 + i]);
        PlaitValue next = 0;
        for (uint32_t k = inside.values.count; k-- > 0;)
            if (plait_type_equal(plait_type_of(function, inside.values.data[k]), type) && (!next || chance(d, 30)))
                next = inside.values.data[k];
        plait_yield(function, inside.builder.region, next);
    }
    if (inside.values.count) draw_store(&inside, inside.values.data[inside.values.count - 1]);
    d->tensor_count = inside.tensor_count;
    PlaitValue loop = plait_build_owner(&d->builder, PLAIT_OP_FOR, operands, 2 + carries, inside.builder.region);
    plait_set_axes(function, loop, &d->time, 1);
    plait_set_ints(function, loop, &stride, 1);
    for (uint32_t i = 0; i < carries; i++)
        plait_push(arena_of(d), &d->values,
                   plait_build_result(&d->builder, loop, i, plait_type_of(function, operands[2 + i])));
}

static void draw_statements(Draw *d, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = below(d, 20);
        PlaitType type = draw_type(d, d->number);
        if (kind == 0 && d->nesting < MAX_NESTING) {
            draw_loop(d);
            continue;
        }
        PlaitValue value;
        if (kind < 5 && small(d, type)) value = draw_load(d, type);
        else if (kind < 9) value = draw_reduce(d);
        else if (kind < 11) value = draw_dot(d);
        else value = draw_pointwise(d);
        if (chance(d, 40)) value = bounded(d, value);
        plait_push(arena_of(d), &d->values, value);
        if (chance(d, 15)) draw_store(d, value);
    }
}

PlaitModule *random_kernel(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics, TestRandom *random)
{
    PlaitModule *module = plait_module_create(arena, names, diagnostics);
    PlaitFunction *function = plait_function_create(module, PLAIT_LEVEL_TILE, plait_names_add(names, "random.0"));
    function->of = plait_names_add(names, "random");
    function->target = plait_names_add(names, "cpu");
    Draw d = {.builder = {.function = function, .region = function->body},
              .random = random,
              .number = test_below(random, 5) ? PLAIT_F32 : PLAIT_F64};
    draw_axes(&d);
    d.batch_at = plait_build(&d.builder, PLAIT_OP_PROGRAM, plait_type(PLAIT_I32), NULL, 0);
    plait_set_axes(function, d.batch_at, &d.batch, 1);
    for (uint32_t i = 0; i < 3; i++) {
        PlaitType type = draw_type(&d, d.number);
        PlaitValue value = small(&d, type) ? draw_load(&d, type) : plait_build_const(&d.builder, d.number, 0.5);
        plait_push(arena, &d.values, value);
    }
    draw_statements(&d, 3 + below(&d, 8));
    if (chance(&d, 60)) draw_loop(&d);
    for (uint32_t i = 0; i < 2; i++) draw_store(&d, pick(&d));
    return module;
}
