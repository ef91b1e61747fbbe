/* Tiles that go to shared memory though other operations than products read them.
 *
 * 1. In loops whose products read copies, tiles of 16 bits come the same way, several turns ahead, and need no
 * registers until they are read: by a `convert` of the copy, in the layout of the load.
 *
 * 2. Loads of programs that each prepare a block of tokens, all of them when the program starts. Such a program has no
 * loop around its loads: each would be waited for where it stands, and hold registers from there to its last use. So it
 * fetches its tiles at once, as copies. Products on the matrix units read the copy; other operations read its elements
 * again, as often as they need them, where they need them: by a `convert` of the copy, in the layout of the load.
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

enum { LEAST_BYTES = 2048, UNIT_BYTES = 16, BOX_UNIT = 16, MOST_BOX = 256, MOST_BOX_RANK = 5 };

typedef struct Fetch {
    PlaitFunction *kernel;
    bool *fetched; /* by value: a load that becomes a copy */
    bool *blocked; /* by value: it has a use that is no instruction's; a tensor: the kernel stores to it */
    uint32_t *uses;
    uint32_t count;  /* of values before the rewriting */
    bool any, loops; /* loops: in loops with copies, else in the kernel's body */
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
    for (uint32_t i = 0; fetch->loops && i < inst->operand_count; i++) {
        const PlaitInst *source = def(fetch, inst->operands[i]);
        bool cast = source->op == PLAIT_OP_CAST && def(fetch, source->operands[0])->region != inst->region;
        bool tile = source->op == PLAIT_OP_LOAD || source->op == PLAIT_OP_CAST;
        if (tile && (inst->op == PLAIT_OP_DOT || source->region != inst->region || cast))
            block(fetch, inst->operands[i]);
    }
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

/* Whether the copy engine finds the tile (as codegen/ptx/maps.c asks): rows of neighbours along two axes, of 16
 * positions each or all that there are. */
static bool is_box(const Fetch *fetch, const PlaitInst *load)
{
    uint32_t tiles = 0;
    for (uint32_t i = 1; i < load->operand_count; i++) {
        const PlaitInst *index = def(fetch, load->operands[i]);
        bool last = i + 1 == load->operand_count;
        if (index->type.rank == 0 && (last || !plait_is_uniform(fetch->kernel, load->operands[i]))) return false;
        if (index->type.rank == 0) continue;
        if (index->op != PLAIT_OP_IOTA ||
            (index->operand_count && !plait_is_uniform(fetch->kernel, index->operands[0])))
            return false;
        const PlaitAxisInfo *axis = &fetch->kernel->axes.data[index->axes[0]];
        if (axis->tile % BOX_UNIT != 0 && axis->size != (int64_t)axis->tile) return false;
        if (!last && axis->tile > MOST_BOX) return false;
        tiles++;
    }
    return tiles == 2 && load->operand_count <= MOST_BOX_RANK + 1;
}

/* Whether the load stands in a loop whose products read copies. */
static bool is_beside_copies(const Fetch *fetch, const PlaitInst *load)
{
    bool copies = false;
    if (!load->region->parent || load->region->parent->parent) return false;
    for (uint32_t i = 0; i < load->region->body.count; i++)
        copies |= def(fetch, load->region->body.data[i])->op == PLAIT_OP_COPY;
    return copies;
}

static void choose(void *context, PlaitValue value)
{
    Fetch *fetch = context;
    const PlaitInst *inst = def(fetch, value);
    if (inst->op != PLAIT_OP_LOAD || inst->type.rank != 2 || fetch->uses[value] == 0) return;
    PlaitScalar scalar = (PlaitScalar)inst->type.scalar;
    uint64_t bytes = plait_scalar_bytes(scalar);
    for (uint32_t i = 0; i < 2; i++) bytes *= fetch->kernel->axes.data[inst->type.axes[i]].tile;
    if (bytes < LEAST_BYTES || fetch->blocked[value] || fetch->blocked[inst->operands[0]]) return;
    if (fetch->loops)
        fetch->fetched[value] = plait_scalar_is_16_bit(scalar) && is_beside_copies(fetch, inst) && is_box(fetch, inst);
    else
        fetch->fetched[value] = (scalar == PLAIT_F32 || plait_scalar_is_16_bit(scalar)) &&
                                inst->region == fetch->kernel->body && is_tile_of_rows(fetch, inst);
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

static void make_copy(Fetch *fetch, PlaitValue value, int64_t tiles)
{
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

static Fetch chosen(PlaitFunction *kernel, bool loops)
{
    PlaitArena *arena = kernel->module->arena;
    Fetch fetch = {.kernel = kernel, .count = kernel->insts.count, .uses = plait_use_counts(kernel), .loops = loops};
    fetch.fetched = PLAIT_NEW_ARRAY(arena, bool, fetch.count);
    fetch.blocked = PLAIT_NEW_ARRAY(arena, bool, fetch.count);
    plait_region_walk(kernel, kernel->body, note_uses, &fetch);
    plait_region_walk(kernel, kernel->body, choose, &fetch);
    return fetch;
}

static void make_copies(Fetch *fetch, int64_t tiles)
{
    rewrite(fetch, fetch->kernel->body);
    for (PlaitValue value = 0; value < fetch->count; value++)
        if (fetch->fetched[value]) make_copy(fetch, value, tiles);
}

bool plait_fetch_tiles(PlaitFunction *kernel)
{
    Fetch fetch = chosen(kernel, false);
    if (!fetch.any) return false;
    make_copies(&fetch, 1);
    put_first(&fetch);
    return true;
}

/* Loops that follow one another share their rings of tiles, so there all would have to have the same. */
static bool has_one_loop_of_copies(const PlaitFunction *kernel)
{
    uint32_t loops = 0;
    for (uint32_t i = 0; i < kernel->body->body.count; i++) {
        const PlaitRegion *body = plait_inst(kernel, kernel->body->body.data[i])->body;
        bool copies = false;
        for (uint32_t k = 0; body && k < body->body.count; k++)
            copies |= plait_op_of(kernel, body->body.data[k]) == PLAIT_OP_COPY;
        loops += copies;
    }
    return loops == 1;
}

void plait_fetch_in_loop(PlaitFunction *kernel, int64_t tiles, uint64_t room)
{
    if (!has_one_loop_of_copies(kernel)) return;
    Fetch fetch = chosen(kernel, true);
    for (PlaitValue value = 0; value < fetch.count; value++) {
        if (!fetch.fetched[value]) continue;
        uint64_t bytes = plait_copied_bytes(kernel, value);
        fetch.fetched[value] = bytes <= room;
        if (bytes <= room) room -= bytes;
    }
    make_copies(&fetch, tiles);
}
