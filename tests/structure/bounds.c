/* What data bounds: the kernel that computes bounds is run by the direct interpreter of Tile IR, on numbers of several
 * kinds, and the loops of the fold's kernel must go over every pair that the mask lets through, no tile twice; those
 * without a mask over nothing else. Where numbers are sorted they go over no other tiles, and full ones have no mask.
 */
#include <stdio.h>

#include "passes/passes.h"
#include "tests/codegen/cpu/tile_interp.h"
#include "tests/frontend/cases.h"
#include "tests/structure/fold_loops.h"
#include "tests/support/check.h"

typedef bool Mask(const int64_t *n, int64_t s, int64_t t);

static bool same(const int64_t *n, int64_t s, int64_t t) { return n[s] == n[t]; }
static bool causal_same(const int64_t *n, int64_t s, int64_t t) { return s <= t && n[s] == n[t]; }
static bool window_same(const int64_t *n, int64_t s, int64_t t) { return s <= t && t - s < 200 && n[s] == n[t]; }
static bool differs(const int64_t *n, int64_t s, int64_t t) { return n[s] != n[t]; }
static bool below(const int64_t *n, int64_t s, int64_t t) { return n[s] < n[t]; }
static bool at_least(const int64_t *n, int64_t s, int64_t t) { return s <= t && n[t] <= n[s]; }
static bool up_to(const int64_t *n, int64_t s, int64_t t) { return s <= 20 * n[t]; }
static bool band(const int64_t *n, int64_t s, int64_t t) { return n[s] >= n[t] - 1 && n[s] <= n[t] + 1; }
static bool keys(const int64_t *n, int64_t s, int64_t t) { return (void)t, n[s] > 3; }
static bool rows(const int64_t *n, int64_t s, int64_t t) { return s <= t && n[t] > 3; }
static bool nothing(const int64_t *n, int64_t s, int64_t t) { return n[s] == n[t] + 1000; }
static bool third(const int64_t *n, int64_t s, int64_t t) { return n[s] == n[t] && (t - s) % 3 == 0; }

static const struct {
    const char *where;
    Mask *mask;
    bool exact; /* where numbers are sorted */
} cases[] = {
    {"n@s == n", same, true},
    {"s <= t and n@s == n", causal_same, true},
    {"n == n@s and s <= t", causal_same, true},
    {"s <= t and t - s < 200 and n@s == n", window_same, false},
    {"n@s != n", differs, false},
    {"n@s < n", below, true},
    {"n <= n@s and s <= t", at_least, true},
    {"s <= 20 * n", up_to, true},
    {"n@s >= n - 1 and n@s <= n + 1", band, true},
    {"n@s > 3", keys, false},
    {"s <= t and n > 3", rows, false},
    {"n@s == n + 1000", nothing, true},
    {"n@s == n and (t - s) % 3 == 0", third, false},
};

/* ---- numbers ---- */

typedef enum Kind { PACKED, LONG_PACKED, ONE, FALLING, MIXED, FEW_MIXED, KIND_COUNT } Kind;

static bool is_sorted(Kind kind) { return kind <= ONE; }

static int64_t number_of(Kind kind, int64_t t, TestRandom *random, int64_t before)
{
    switch (kind) {
    case PACKED: return before + (test_below(random, 40) == 0);
    case LONG_PACKED: return before + (test_below(random, 250) == 0);
    case FALLING: return 50 - t / 30;
    case MIXED: return test_below(random, 8);
    case FEW_MIXED: return test_below(random, 100) == 0 ? 9 : t / 100;
    case ONE:
    case KIND_COUNT:
    default: return 5;
    }
}

/* ---- a program ---- */

typedef struct Program {
    PlaitArena *arena;
    const PlaitModule *tiles;
    const char *name;
    Mask *mask;
    bool exact;
    int64_t size, *numbers;
    TestRandom random;
    TestArray numbers_array, workspaces[8]; /* by tensor of the signature */
} Program;

static int64_t extent_of(const Program *program, const PlaitAxisInfo *axis)
{
    if (axis->block) return plait_block_count(program->size, axis->block);
    return axis->size == PLAIT_RUNTIME_SIZE ? program->size : axis->size;
}

static TestArray make_array(Program *program, PlaitType type)
{
    const PlaitSignature *signature = program->tiles->signatures.data[0];
    int64_t sizes[PLAIT_MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) sizes[i] = extent_of(program, &signature->axes.data[type.axes[i]]);
    return test_array(program->arena, (PlaitScalar)type.scalar, type.rank, sizes, TEST_PLAIN, &program->random);
}

/* The tensors of a kernel: the numbers, and the workspaces, which kernels share. */
static TestArray *tensors_of(Program *program, const PlaitFunction *kernel)
{
    const PlaitSignature *signature = program->tiles->signatures.data[0];
    TestArray *tensors = PLAIT_NEW_ARRAY(program->arena, TestArray, kernel->insts.count);
    for (PlaitValue v = 1; v < kernel->insts.count; v++) {
        if (plait_op_of(kernel, v) != PLAIT_OP_TENSOR) continue;
        for (uint32_t i = 0, workspace = 0; i < signature->tensors.count; i++) {
            bool is_workspace = signature->tensors.data[i].kind == PLAIT_TENSOR_WORKSPACE;
            if (signature->tensors.data[i].name == plait_inst(kernel, v)->name)
                tensors[v] = is_workspace ? program->workspaces[workspace] : program->numbers_array;
            workspace += is_workspace;
        }
    }
    return tensors;
}

static void fill(Program *program, Kind kind)
{
    const PlaitSignature *signature = program->tiles->signatures.data[0];
    uint32_t workspace = 0;
    int64_t before = 0;
    program->numbers = PLAIT_NEW_ARRAY(program->arena, int64_t, (size_t)program->size + 1);
    for (uint32_t i = 0; i < signature->tensors.count; i++) {
        const PlaitTensorInfo *info = &signature->tensors.data[i];
        if (info->kind == PLAIT_TENSOR_WORKSPACE) program->workspaces[workspace++] = make_array(program, info->type);
        else if (info->type.scalar == PLAIT_I32) program->numbers_array = make_array(program, info->type);
    }
    for (int64_t t = 0; t < program->size; t++) {
        before = program->numbers[t] = number_of(kind, t, &program->random, before);
        test_write(&program->numbers_array, &t, (long double)before);
    }
}

/* ---- what the loops go over ---- */

/* Pairs of the block's rows and of tokens from `from` that are let through; `all`: of how many. */
static int64_t count_pairs(const Program *program, int64_t row, int64_t block, int64_t from, int64_t to, int64_t *all)
{
    int64_t count = 0;
    *all = 0;
    for (int64_t t = row; t < row + block && t < program->size; t++)
        for (int64_t s = from; s < to; s++, ++*all) count += s < program->size && program->mask(program->numbers, s, t);
    return count;
}

static void check_rows(const Program *program, const FoldLoops *loops, const FoldPlace *place, Kind kind)
{
    int64_t block = loops->kernel->axes.data[0].tile, tile = loops->loop[0]->ints[0], all, at = -1, found = 0;
    bool right = true, exact = program->exact && is_sorted(kind);
    bool splits = false;
    for (uint32_t i = 0; i < loops->count; i++) splits |= loops->selects[i] < loops->most_selects;
    for (uint32_t i = 0; i < loops->count; i++) {
        int64_t from = fold_number(place, loops->loop[i]->operands[0]);
        int64_t to = fold_number(place, loops->loop[i]->operands[1]);
        bool masked = loops->selects[i] == loops->most_selects;
        for (int64_t s = from; s < to; s += tile) {
            right &= at < 0 || s == at;
            at = s + tile;
            int64_t count = count_pairs(program, place->row, block, s, at, &all);
            right &= masked || count == all;
            if (exact) right &= count > 0;
            if (exact && splits) right &= !masked || count < all || place->row + block > program->size;
            found += count;
        }
    }
    right &= found == count_pairs(program, place->row, block, 0, program->size, &all);
    CHECK(right);
    if (!right)
        fprintf(stderr, "  where %s, %s, numbers %d, rows from %lld of %lld\n", program->name,
                plait_names_text(program->tiles->names, loops->kernel->target), (int)kind, (long long)place->row,
                (long long)program->size);
}

static void check_numbers(Program *program, Kind kind)
{
    const PlaitFunction *before = program->tiles->functions.data[0], *kernel = program->tiles->functions.data[1];
    FoldLoops loops = fold_loops(kernel);
    int64_t *extents = PLAIT_NEW_ARRAY(program->arena, int64_t, before->axes.count);
    fill(program, kind);
    for (uint32_t i = 0; i < before->axes.count; i++) extents[i] = extent_of(program, &before->axes.data[i]);
    tile_interpret(program->arena, before, extents, tensors_of(program, before));
    const TestArray *tensors = tensors_of(program, kernel);
    CHECK(loops.count > 0);
    for (int64_t row = 0; row < program->size; row += kernel->axes.data[0].tile)
        check_rows(program, &loops, &(FoldPlace){kernel, row, program->size, tensors}, kind);
}

static void check_case(PlaitArena *arena, size_t number, const PlaitTileTarget *target)
{
    static const int64_t sizes[] = {0, 1, 64, 300, 1100};
    const char *text = plait_arena_printf(
        arena,
        "axis t : time\naxis d = 16\noperator f(q, k, v : bf16[t, d], n : i32[t]) -> (y : bf16[t, d]) {\n"
        "    attend s where %s { y = sum(softmax(sum[d](q * k@s)) * v@s) }\n}\n",
        cases[number].where);
    const Compiled *compiled = cases_compile(arena, text, "");
    CHECK(compiled->module != NULL);
    if (!compiled->module) return;
    plait_stage_pipeline_run(compiled->module, target->gpu, &(PlaitPassOptions){.verify_each = true});
    Program program = {.arena = arena, .name = cases[number].where, .mask = cases[number].mask};
    program.tiles = plait_lower_to_tiles(compiled->module, target, "");
    program.exact = cases[number].exact;
    CHECK(program.tiles && program.tiles->functions.count == 2);
    if (!program.tiles || program.tiles->functions.count != 2) return;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (Kind kind = 0; kind < KIND_COUNT; kind++) {
            program.size = sizes[i];
            check_numbers(&program, kind);
        }
}

static bool check_one(size_t number, const PlaitTileTarget *target)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return false;
    check_case(arena, number, target);
    plait_arena_destroy(arena);
    return true;
}

int main(void)
{
    bool good = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        good =
            check_one(i, &(PlaitTileTarget){"cpu", false}) && check_one(i, &(PlaitTileTarget){"sm_90a", true}) && good;
    return good ? check_report() : 2;
}
