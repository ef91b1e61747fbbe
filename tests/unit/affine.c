/* Positions as affine expressions: what is one, and with which numbers. */
#include "ir/affine.h"
#include "ir/build.h"
#include "tests/support/check.h"

enum { T, S, D }; /* axes; more follow */

static PlaitBuilder builder;

static PlaitValue at(PlaitAxis axis) { return plait_build_iota(&builder, axis, 0); }
static PlaitValue number(double n) { return plait_build_const(&builder, PLAIT_I32, n); }
static PlaitValue add(PlaitValue a, PlaitValue b) { return plait_build_binary(&builder, PLAIT_OP_ADD, a, b); }
static PlaitValue sub(PlaitValue a, PlaitValue b) { return plait_build_binary(&builder, PLAIT_OP_SUB, a, b); }
static PlaitValue mul(PlaitValue a, PlaitValue b) { return plait_build_binary(&builder, PLAIT_OP_MUL, a, b); }
static PlaitValue neg(PlaitValue a) { return plait_build_unary(&builder, PLAIT_OP_NEG, a); }

static bool is_affine(PlaitValue value)
{
    PlaitAffine affine;
    return plait_affine(builder.function, value, &affine);
}

/* Whether the value is offset + t * T + s * S, and nothing of other axes. */
static bool is(PlaitValue value, int64_t offset, int64_t t, int64_t s)
{
    PlaitAffine affine;
    if (!plait_affine(builder.function, value, &affine) || affine.offset != offset) return false;
    for (uint32_t i = 0; i < affine.count; i++)
        if (affine.axes[i] > S && affine.coefficients[i] != 0) return false;
    return plait_affine_coefficient(&affine, T) == t && plait_affine_coefficient(&affine, S) == s;
}

static void test_forms(void)
{
    PlaitType plane = plait_type_with(plait_type_with(plait_type(PLAIT_I32), T), S);
    CHECK(is(number(7), 7, 0, 0) && is(number(-7), -7, 0, 0));
    CHECK(is(at(T), 0, 1, 0) && is(at(S), 0, 0, 1) && is(plait_build_broadcast(&builder, at(T), plane), 0, 1, 0));
    CHECK(is(add(at(T), at(S)), 0, 1, 1) && is(add(at(T), at(T)), 0, 2, 0));
    CHECK(is(sub(at(T), at(S)), 0, 1, -1) && is(sub(at(T), at(T)), 0, 0, 0) && is(sub(number(3), at(T)), 3, -1, 0));
    CHECK(is(neg(add(at(T), number(2))), -2, -1, 0));
    CHECK(is(mul(number(3), at(T)), 0, 3, 0) && is(mul(at(T), number(-3)), 0, -3, 0) &&
          is(mul(at(T), number(0)), 0, 0, 0));
    CHECK(is(mul(number(6), number(7)), 42, 0, 0));
    CHECK(is(sub(mul(number(2), add(at(T), number(5))), mul(number(3), sub(at(S), at(T)))), 10, 5, -3));
}

static void test_others(void)
{
    PlaitValue x = plait_build_param(&builder, 0, plait_type_with(plait_type(PLAIT_I32), T), 0);
    PlaitValue f = plait_build_const(&builder, PLAIT_F32, 1);
    CHECK(!is_affine(x) && !is_affine(add(at(T), x)) && !is_affine(f) && !is_affine(add(f, f)));
    CHECK(!is_affine(mul(at(T), at(S))) && !is_affine(mul(at(T), at(T))));
    CHECK(!is_affine(plait_build_size(&builder, T)) && !is_affine(plait_build_iota(&builder, T, number(1))));
    CHECK(!is_affine(plait_build_binary(&builder, PLAIT_OP_FLOORDIV, at(T), number(2))));
    CHECK(!is_affine(plait_build_cast(&builder, at(T), PLAIT_F32)));
}

static void test_limits(void)
{
    const double most = 1073741823; /* below 2^30 */
    CHECK(is(number(most), 1073741823, 0, 0) && is(number(-most), -1073741823, 0, 0));
    CHECK(!is_affine(number(most + 1)) && !is_affine(number(-most - 1)) && !is_affine(add(number(most), number(1))));
    CHECK(is(mul(at(T), number(most)), 0, 1073741823, 0));
    CHECK(!is_affine(mul(mul(at(T), number(most)), number(2))) && !is_affine(mul(number(most), number(most))));
    CHECK(!is_affine(mul(add(at(T), number(65536)), number(65536))));
    PlaitValue chain = at(T), tree = at(T);
    for (int i = 0; i < 100; i++) chain = add(chain, number(1)); /* 201 operations */
    CHECK(is(chain, 100, 1, 0));
    for (int i = 0; i < 29; i++) tree = add(tree, tree); /* 2^29 when looked at one by one */
    CHECK(!is_affine(tree));
    PlaitValue sum = number(0);
    for (uint32_t i = 0; i < PLAIT_MAX_RANK; i++) sum = add(sum, at((PlaitAxis)i));
    CHECK(is_affine(sum) && !is_affine(plait_build_binary(&builder, PLAIT_OP_MUL, sum, sum)));
}

static void test_offsets(void)
{
    int64_t offset;
    const PlaitFunction *f = builder.function;
    CHECK(plait_affine_offset(f, at(T), T, &offset) && offset == 0);
    CHECK(plait_affine_offset(f, sub(at(T), number(3)), T, &offset) && offset == -3);
    CHECK(plait_affine_offset(f, add(sub(at(S), at(S)), at(T)), T, &offset) && offset == 0);
    CHECK(!plait_affine_offset(f, at(S), T, &offset) && !plait_affine_offset(f, number(3), T, &offset));
    CHECK(!plait_affine_offset(f, add(at(T), at(T)), T, &offset) && !plait_affine_offset(f, neg(at(T)), T, &offset));
    CHECK(!plait_affine_offset(f, add(at(T), at(S)), T, &offset));
}

int main(void)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 2;
    PlaitNames names = {.arena = arena};
    PlaitDiagnostics diagnostics = {.arena = arena};
    PlaitModule *module = plait_module_create(arena, &names, &diagnostics);
    builder.function = plait_function_create(module, PLAIT_LEVEL_STAGE, plait_names_add(&names, "f"));
    builder.region = builder.function->body;
    for (uint32_t i = 0; i < PLAIT_MAX_RANK; i++)
        plait_axis_add(builder.function, (PlaitAxisInfo){.size = 4, .same_as = PLAIT_NO_AXIS});
    test_forms();
    test_others();
    test_limits();
    test_offsets();
    plait_arena_destroy(arena);
    return check_report();
}
