/* Loads of programs that each prepare a block of tokens go to shared memory, all of them when the program starts.
 *
 * Such a program has no loop around its loads: each would be waited for where it stands, and hold registers from there
 * to its last use. So it fetches its tiles at once, as copies. Products on the matrix units read the copy; other
 * operations read its elements again, as often as they need them, where they need them: by a `convert` of the copy, in
 * the layout of the load.
 *
 * Before:                                                  After:
 *     %3 = load %1, %2, %4 : bf16[d, t] @1                     %3 = copy %1, %2, %4 {ints = [1]} : bf16[d, t] shared @1
 *     ..                                                       ..
 *     %5 = cast %3 : f32[d, t] @1                              %5 = convert %3 : bf16[d, t] @1
 *     %6 = mul %5, %7 : f32[d, t] @1                           %6 = cast %5 : f32[d, t] @1
 *     ..                                                       %8 = mul %6, %7 : f32[d, t] @1
 *     %8 = mul %5, %9 : f32[d, t] @1                           .. (the same for the other product)
 */
#include "passes/tile/fetch.h"

#include "ir/build.h"

enum { LEAST_BYTES = 2048, UNIT_BYTES = 16 };

typedef struct Fetch {
    PlaitFunction *kernel;
    bool *fetched; /* by value: a load that becomes a copy */
    bool *blocked; /* by value: it has a use that is no instruction's; a tensor: the kernel stores to it */
    uint32_t *uses;
    uint32_t count; /* of values before the rewriting */
    bool any;
} Fetch;

static const PlaitInst *def(const Fetch *fetch, PlaitValue value) { return plait_inst(fetch->kernel, value); }

static void block(Fetch *fetch, PlaitValue value)
{
    fetch->blocked[value] = true;
    if (def(fetch, value)->op == PLAIT_OP_CAST) fetch->blocked[def(fetch, value)->operands[0]] = true;
}

static void note_uses(void *context, PlaitValue value)
{
    Fetch *fetch = context;
    const PlaitInst *inst = def(fetch, value);
    if (inst->op == PLAIT_OP_STORE) fetch->blocked[inst->operands[0]] = true;
    for (uint32_t i = 0; inst->body && i < inst->operand_count; i++) block(fetch, inst->operands[i]);
    for (uint32_t i = 0; inst->body && i < inst->body->yields.count; i++) block(fetch, inst->body->yields.data[i]);
}

/* Whether the last index goes along an axis whose positions are neighbours in memory, all of them in the tile, and one
 * other along rows of it. */
static bool is_tile_of_rows(const Fetch *fetch, const PlaitInst *load)
{
    uint32_t tiles = 0;
    for (uint32_t i = 1; i < load->operand_count; i++) {
        const PlaitInst *index = def(fetch, load->operands[i]);
        bool last = i + 1 == load->operand_count;
        if (index->type.rank == 0 && !last) continue;
        if (index->op != PLAIT_OP_IOTA || (last && index->operand_count)) return false;
        tiles++;
        const PlaitAxisInfo *axis = &fetch->kernel->axes.data[index->axes[0]];
        uint64_t bytes = (uint64_t)axis->tile * plait_scalar_bytes((PlaitScalar)load->type.scalar);
        if (last && (axis->size != (int64_t)axis->tile || bytes % UNIT_BYTES != 0)) return false;
    }
    return tiles == 2;
}

static void choose(void *context, PlaitValue value)
{
    Fetch *fetch = context;
    const PlaitInst *inst = def(fetch, value);
    if (inst->op != PLAIT_OP_LOAD || inst->type.rank != 2 || inst->region != fetch->kernel->body) return;
    PlaitScalar scalar = (PlaitScalar)inst->type.scalar;
    uint64_t bytes = plait_scalar_bytes(scalar);
    for (uint32_t i = 0; i < 2; i++) bytes *= fetch->kernel->axes.data[inst->type.axes[i]].tile;
    if (scalar != PLAIT_F32 && !plait_scalar_is_16_bit(scalar)) return;
    if (bytes < LEAST_BYTES || fetch->blocked[value] || fetch->blocked[inst->operands[0]]) return;
    fetch->fetched[value] = fetch->uses[value] > 0 && is_tile_of_rows(fetch, inst);
    fetch->any |= fetch->fetched[value];
}

static bool is_fetched(const Fetch *fetch, PlaitValue value) { return value < fetch->count && fetch->fetched[value]; }

static bool is_fetched_cast(const Fetch *fetch, PlaitValue value)
{
    return def(fetch, value)->op == PLAIT_OP_CAST && is_fetched(fetch, def(fetch, value)->operands[0]);
}

/* Whether an instruction reads the tile as the matrix units do. */
static bool is_product(const PlaitInst *inst) { return inst->op == PLAIT_OP_DOT && inst->axis_count == 2; }

static PlaitValue read_again(Fetch *fetch, PlaitRegion *region, PlaitValue copy, PlaitSpan span)
{
    PlaitBuilder builder = {fetch->kernel, region, span};
    PlaitType type = plait_type_of(fetch->kernel, copy);
    type.space = PLAIT_SPACE_VALUE;
    return plait_build(&builder, PLAIT_OP_CONVERT, type, &copy, 1);
}

/* What reads a fetched tile, or that widened, reads it anew. */
static void rewrite(Fetch *fetch, PlaitRegion *region)
{
    PlaitValues before = region->body;
    region->body = (PlaitValues){0};
    for (uint32_t i = 0; i < before.count; i++) {
        PlaitValue value = before.data[i];
        if (is_fetched_cast(fetch, value)) continue; /* each use has its own */
        PlaitSpan span = def(fetch, value)->span;
        for (uint32_t k = 0; k < def(fetch, value)->operand_count; k++) {
            PlaitValue operand = def(fetch, value)->operands[k], again = 0;
            if (is_fetched(fetch, operand) && !is_product(def(fetch, value)))
                again = read_again(fetch, region, operand, span);
            if (is_fetched_cast(fetch, operand)) {
                PlaitValue tile = read_again(fetch, region, def(fetch, operand)->operands[0], span);
                PlaitBuilder builder = {fetch->kernel, region, span};
                again = plait_build(&builder, PLAIT_OP_CAST, plait_type_of(fetch->kernel, operand), &tile, 1);
            }
            if (again) plait_inst(fetch->kernel, value)->operands[k] = again;
        }
        if (def(fetch, value)->body) rewrite(fetch, def(fetch, value)->body);
        plait_push(fetch->kernel->module->arena, &region->body, value);
    }
}

static void make_copy(Fetch *fetch, PlaitValue value)
{
    int64_t tiles = 1;
    PlaitInst *inst = plait_inst(fetch->kernel, value);
    inst->op = PLAIT_OP_COPY;
    inst->type.space = PLAIT_SPACE_SHARED;
    plait_set_ints(fetch->kernel, value, &tiles, 1);
}

static void mark_operands(const Fetch *fetch, PlaitValue value, bool *first)
{
    const PlaitInst *inst = def(fetch, value);
    if (first[value]) return;
    first[value] = true;
    for (uint32_t i = 0; i < inst->operand_count; i++) mark_operands(fetch, inst->operands[i], first);
}

/* The copies and what their indices are made of stand first. */
static void put_first(Fetch *fetch)
{
    PlaitRegion *body = fetch->kernel->body;
    PlaitValues before = body->body, ordered = {0};
    bool *first = PLAIT_NEW_ARRAY(fetch->kernel->module->arena, bool, fetch->kernel->insts.count);
    for (uint32_t i = 0; i < before.count; i++)
        if (is_fetched(fetch, before.data[i])) mark_operands(fetch, before.data[i], first);
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < before.count; i++)
            if (first[before.data[i]] == (pass == 0))
                plait_push(fetch->kernel->module->arena, &ordered, before.data[i]);
    body->body = ordered;
}

bool plait_fetch_tiles(PlaitFunction *kernel)
{
    PlaitArena *arena = kernel->module->arena;
    Fetch fetch = {.kernel = kernel, .count = kernel->insts.count, .uses = plait_use_counts(kernel)};
    fetch.fetched = PLAIT_NEW_ARRAY(arena, bool, fetch.count);
    fetch.blocked = PLAIT_NEW_ARRAY(arena, bool, fetch.count);
    plait_region_walk(kernel, kernel->body, note_uses, &fetch);
    plait_region_walk(kernel, kernel->body, choose, &fetch);
    if (!fetch.any) return false;
    rewrite(&fetch, kernel->body);
    for (PlaitValue value = 0; value < fetch.count; value++)
        if (fetch.fetched[value]) make_copy(&fetch, value);
    put_first(&fetch);
    return true;
}
