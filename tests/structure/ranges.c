/* A mask bounds the loop of its fold: the loop of the emitted Tile IR begins at the first position that the mask lets
 * through for a row of its block and ends after the last one, at every block, for the CPU and for a GPU. What the
 * compiler cannot bound is walked whole; bounds.c has what data bounds. A fold may be several loops, of which one
 * leaves the masks out: over the tiles that they let through whole.
 */
#include <stdio.h>

#include "ir/text.h"
#include "passes/passes.h"
#include "tests/frontend/cases.h"
#include "tests/structure/fold_loops.h"
#include "tests/support/check.h"

enum { FAR = 1024 }; /* no bound below is farther from 0 */

typedef bool Mask(int64_t s, int64_t t);

/* What some reduction of a fold lets through, and what all do. */
typedef struct Masks {
    Mask *some, *all;
} Masks;

static bool causal(int64_t s, int64_t t) { return s <= t; }
static bool before(int64_t s, int64_t t) { return s < t; }
static bool from_here(int64_t s, int64_t t) { return s >= t; }
static bool after(int64_t s, int64_t t) { return s > t; }
static bool delayed(int64_t s, int64_t t) { return s <= t - 5; }
static bool ahead(int64_t s, int64_t t) { return s <= t + 70; }
static bool window(int64_t s, int64_t t) { return s <= t && t - s < 128; }
static bool band(int64_t s, int64_t t) { return s > t - 100 && s < t + 3; }
static bool later_band(int64_t s, int64_t t) { return s >= t + 2 && s - t <= 65; }
static bool two_below(int64_t s, int64_t t) { return s >= t - 30 && s >= 40; }
static bool prefix(int64_t s, int64_t t) { return (void)t, s < 40; }
static bool suffix(int64_t s, int64_t t) { return (void)t, s >= 40; }
static bool causal_prefix(int64_t s, int64_t t) { return s <= t && s < 40; }
static bool one(int64_t s, int64_t t) { return s == t - 7; }
static bool mirrored(int64_t s, int64_t t) { return s <= 200 - t; }
static bool twice(int64_t s, int64_t t) { return s <= 2 * t; }
static bool whole(int64_t s, int64_t t) { return (void)s, (void)t, true; }

#define ATTEND(where) "attend s " where " { y = sum(softmax(sum[d](q * k@s)) * v@s) }"

static const struct {
    const char *statement;
    Mask *mask;
} cases[] = {
    {ATTEND(""), whole},
    {ATTEND("where s <= t"), causal},
    {ATTEND("where t >= s"), causal},
    {ATTEND("where s < t"), before},
    {ATTEND("where t > s"), before},
    {ATTEND("where s >= t"), from_here},
    {ATTEND("where s > t"), after},
    {ATTEND("where s <= t - 5"), delayed},
    {ATTEND("where s + 5 <= t"), delayed},
    {ATTEND("where s <= t + 70"), ahead},
    {ATTEND("where s <= t and t - s < 128"), window},
    {ATTEND("where s > t - 100 and s < t + 3"), band},
    {ATTEND("where s >= t + 2 and s - t <= 65"), later_band},
    {ATTEND("where s >= t - 30 and s >= 40"), two_below},
    {ATTEND("where s < 40"), prefix},
    {ATTEND("where s >= 40"), suffix},
    {ATTEND("where s <= t and s < 40"), causal_prefix},
    {ATTEND("where s == t - 7"), one},
    {ATTEND("where s <= 200 - t"), mirrored},
    {ATTEND("where s <= 2 * t"), twice},
    {ATTEND("where s <= t and (t - s) % 3 == 0"), causal},
    {ATTEND("where s <= t or s < 40"), whole},
    {ATTEND("where 2 * s <= t"), whole},
    {"y = conv[t](q, k)", causal}, /* as long as the sequence */
};

/* Sets the first position and the one after the last that the mask lets through for a row of the block. */
static void expected_range(Mask *mask, const FoldPlace *place, int64_t rows, int64_t *from, int64_t *to)
{
    int64_t least = FAR, most = -FAR;
    for (int64_t t = place->row; t < place->row + rows; t++)
        for (int64_t s = -FAR; s < FAR; s++) {
            if (!mask(s, t)) continue;
            least = s < least ? s : least;
            most = s > most ? s : most;
        }
    *from = least > 0 ? least : 0;
    *to = most + 1 < place->size ? most + 1 : place->size;
}

/* Whether the mask lets every position of [from, to) through for every row of the block. */
static bool lets_through(Mask *mask, const FoldPlace *place, int64_t rows, int64_t from, int64_t to)
{
    bool all = to <= place->size;
    for (int64_t s = from; s < to; s++)
        for (int64_t t = place->row; t < place->row + rows; t++) all &= mask(s, t);
    return all;
}

/* A loop without the masks that the others have walks whole tiles that are let through, and leaves none of them. */
static bool right_tiles(const FoldLoops *loops, uint32_t number, const FoldPlace *place, Mask *all, int64_t from,
                        int64_t to)
{
    int64_t rows = loops->kernel->axes.data[0].tile, tile = loops->loop[number]->ints[0];
    bool masked = loops->selects[number] == loops->most_selects, split = false, right = true;
    for (uint32_t i = 0; i < loops->count; i++) split |= loops->selects[i] < loops->most_selects;
    for (int64_t s = from; s < to && split; s += tile) right &= lets_through(all, place, rows, s, s + tile) == !masked;
    return right;
}

/* Together the loops go, without a gap and no position twice, over what the mask lets through. */
static void check_place(const FoldLoops *loops, const FoldPlace *place, const char *statement, Masks masks)
{
    int64_t first, end, begin = 0, at = 0;
    bool right = true, any = false;
    expected_range(masks.some, place, loops->kernel->axes.data[0].tile, &first, &end);
    for (uint32_t i = 0; i < loops->count; i++) {
        const PlaitInst *loop = loops->loop[i];
        int64_t from = fold_number(place, loop->operands[0]), to = fold_number(place, loop->operands[1]);
        if (from >= to) continue;
        if (any) right &= from == at && (from - begin) % loop->ints[0] == 0;
        else begin = from;
        any = true, at = to;
        right &= right_tiles(loops, i, place, masks.all, from, to);
    }
    right &= any ? begin == first && at == end : first >= end;
    CHECK(right);
    if (!right)
        fprintf(stderr, "  %s, %s, rows from %lld of %lld: %lld to %lld in %u loops, not %lld to %lld\n", statement,
                plait_names_text(loops->kernel->module->names, loops->kernel->target), (long long)place->row,
                (long long)place->size, (long long)begin, (long long)at, loops->count, (long long)first,
                (long long)end);
}

static void check_target(const PlaitModule *module, const PlaitTileTarget *target, const char *statement, Masks masks)
{
    static const int64_t sizes[] = {1, 64, 300};
    const PlaitModule *tiles = plait_lower_to_tiles(module, target, "");
    CHECK(tiles && tiles->functions.count == 1);
    if (!tiles) return;
    const PlaitFunction *kernel = tiles->functions.data[0];
    const FoldLoops loops = fold_loops(kernel);
    int64_t rows = kernel->axes.data[0].tile;
    CHECK(rows > 1 && kernel->grid.data[0].block == rows && loops.count > 0);
    for (uint32_t i = 0; i < loops.count; i++)
        CHECK(loops.loop[i]->ints[0] == kernel->axes.data[loops.loop[i]->axes[0]].tile && loops.loop[i]->ints[0] > 1);
    for (int i = 0; i < 3; i++)
        for (int64_t row = 0; row < sizes[i]; row += rows)
            check_place(&loops, &(FoldPlace){.kernel = kernel, .row = row, .size = sizes[i]}, statement, masks);
}

static void check_case(PlaitArena *arena, const char *statement, Mask *mask)
{
    const char *program =
        plait_arena_printf(arena,
                           "axis t : time\naxis d = 16\n"
                           "operator f(q, k, v : f32[t, d], n : i32[t]) -> (y : f32[t, d]) {\n    %s\n}\n",
                           statement);
    const Compiled *compiled = cases_compile(arena, program, "");
    CHECK(compiled->module != NULL);
    if (!compiled->module) return;
    plait_stage_pipeline_run(compiled->module, true, &(PlaitPassOptions){.verify_each = true});
    check_target(compiled->module, &(PlaitTileTarget){"cpu", false}, statement, (Masks){mask, mask});
    check_target(compiled->module, &(PlaitTileTarget){"sm_90a", true}, statement, (Masks){mask, mask});
}

/* ---- folds of two reductions: the loop covers what the mask of either lets through ---- */

static const char before_first[] = "operator @f {\n  axis t : time\n  axis s : time same t\n"
                                   "  %1 = param {name = \"x\", number = nan} : f32[t, s]\n"
                                   "  %2 = kernel {name = \"k\"} () {\n"
                                   "    %3 = iota {axes = [t]} : i32[t]\n"
                                   "    %4 = iota {axes = [s]} : i32[s]\n"
                                   "    %5 = sub %4, %3 : i32[s, t]\n"
                                   "    %6 = const {number = 3} : i32\n"
                                   "    %7 = lt %5, %6 : bool[s, t]\n"
                                   "    %8 = const {number = -100} : i32\n"
                                   "    %9 = gt %5, %8 : bool[s, t]\n"
                                   "    %10 = and %7, %9 : bool[s, t]\n"
                                   "    %11 = const {number = 40} : i32\n"
                                   "    %12 = ge %4, %11 : bool[s]\n"
                                   "    %13 = const {number = 80} : i32\n"
                                   "    %14 = lt %4, %13 : bool[s]\n"
                                   "    %15 = and %12, %14 : bool[s]\n"
                                   "    %16 = const {number = 0} : f32\n"
                                   "    %17 = fold %16, %16 {axes = [s]} (%18 : f32[t], %19 : f32[t]) {\n"
                                   "      %20 = reduce.sum %1",
                  before_second[] = " {axes = [s]} : f32[t]\n      %21 = add %18, %20 : f32[t]\n"
                                    "      %22 = reduce.max %1",
                  rest[] = " {axes = [s]} : f32[t]\n      %23 = max %19, %22 : f32[t]\n      yield %21, %23\n    }\n"
                           "    %24 = result %17 {ints = [0]} : f32[t]\n    %25 = result %17 {ints = [1]} : f32[t]\n"
                           "    yield %24, %25\n  }\n"
                           "  %26 = result %2 {ints = [0]} : f32[t]\n  %27 = result %2 {ints = [1]} : f32[t]\n"
                           "  output \"y\" : f32[t] = %26\n  output \"z\" : f32[t] = %27\n}\n";
#define BEFORE_3_MORE ", %7" /* s - t < 3 */
#define BAND ", %10"
#define FROM_40 ", %12"
#define MIDDLE ", %15" /* 40 <= s < 80 */

static bool middle(int64_t s, int64_t t) { return (void)t, s >= 40 && s < 80; }
static bool either(int64_t s, int64_t t) { return band(s, t) || middle(s, t); }
static bool both(int64_t s, int64_t t) { return band(s, t) && middle(s, t); }
static bool from_40_more(int64_t s, int64_t t) { return s >= 40 && s < t + 3; }

static const struct {
    const char *first, *second; /* the masks of the reductions */
    Masks masks;
} pairs[] = {
    {BAND, BAND, {band, band}},
    {BAND, MIDDLE, {either, both}},
    {MIDDLE, BAND, {either, both}},
    {BAND, "", {whole, band}},
    {"", MIDDLE, {whole, middle}},
    {FROM_40, "", {whole, suffix}},
    {FROM_40, BEFORE_3_MORE, {whole, from_40_more}},
    {BEFORE_3_MORE, FROM_40, {whole, from_40_more}},
};

static void check_pair(PlaitArena *arena, const char *first, const char *second, Masks masks)
{
    PlaitNames names = {.arena = arena};
    PlaitSources sources = {.arena = arena};
    PlaitDiagnostics diagnostics = {.arena = arena, .sources = &sources};
    const char *text = plait_arena_printf(arena, "%s%s%s%s%s", before_first, first, before_second, second, rest);
    uint32_t source = plait_sources_add(&sources, "pair.sir", text, (uint32_t)strlen(text));
    const PlaitModule *module = plait_module_parse(arena, &names, &diagnostics, source);
    CHECK(module && plait_module_verify(module));
    if (!module) return;
    const char *what = plait_arena_printf(arena, "masks%s and%s", first, second);
    check_target(module, &(PlaitTileTarget){"cpu", false}, what, masks);
    check_target(module, &(PlaitTileTarget){"sm_90a", true}, what, masks);
}

int main(void)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 2;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(arena, cases[i].statement, cases[i].mask);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        check_pair(arena, pairs[i].first, pairs[i].second, pairs[i].masks);
    plait_arena_destroy(arena);
    return check_report();
}
