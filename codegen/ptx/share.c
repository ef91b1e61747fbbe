/* Shared memory of programs that each prepare a block: their work stands in one line, so what needs a place there has a
 * first and a last moment, and two things may have the same bytes if one ends before the other begins.
 *
 * Such things are tiles that are fetched when the kernel starts (fetch.c), operands of products that stay for several
 * of them (stage.c), and single operations that need more scratch than all others (a triangular system needs twice a
 * tile). A moment is the number of an instruction in the kernel's body; what happens in a loop happens at the loop's.
 *
 * Two programs are to fit into a multiprocessor. What does not fit is not fetched: the tile with the fewest readers
 * first.
 */
#include "codegen/ptx/share.h"

#include "codegen/ptx/maps.h"

/* 228 KB, less 1 KB for each. */
enum { MOST_OF_TWO = 113 * 1024, ALIGNMENT = PLAIT_PTX_SWIZZLE_BYTES };

/* Something that needs a place. */
typedef struct Tenant {
    PlaitValue value;
    uint32_t bytes, first, last, byte;
    uint32_t readers; /* of a fetched tile */
} Tenant;

typedef PLAIT_VECTOR(Tenant) Tenants;

/* Operations that need scratch. */
typedef struct Use {
    PlaitValue value;
    uint32_t bytes, moment;
    bool alone; /* may have a place of its own: not in a loop, no product */
} Use;

typedef struct Share {
    const PlaitFunction *kernel;
    PlaitPtxScratch *scratch;
    uint32_t *kept_at; /* while planning: 1 where the value will have a place */
    uint32_t *moments; /* by value */
    uint32_t moment;   /* while walking */
    const uint8_t *manners;
    Tenants fetched, kept;
    uint32_t count; /* of the fetched tiles that get a place */
    PLAIT_VECTOR(Use) uses;
} Share;

static uint32_t aligned(uint32_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static PlaitArena *arena_of(const Share *share) { return share->kernel->module->arena; }

/* ---- who needs a place, and when ---- */

static void note_moment(void *context, PlaitValue value)
{
    Share *share = context;
    if (!plait_inst(share->kernel, value)->region->parent) share->moment++;
    share->moments[value] = share->moment;
}

static Tenant *tenant_of(Tenants *tenants, PlaitValue value)
{
    for (uint32_t i = 0; i < tenants->count; i++)
        if (tenants->data[i].value == value) return &tenants->data[i];
    return NULL;
}

static void find_fetched(void *context, PlaitValue value)
{
    Share *share = context;
    if (!plait_ptx_is_fetched(share->kernel, value) || plait_ptx_fetch_leader(share->kernel, value) != value) return;
    Tenant tenant = {.value = value, .bytes = aligned(plait_ptx_fetch_bytes(share->kernel, value))};
    plait_push(arena_of(share), &share->fetched, tenant);
}

/* Copies of the same elements have one place. */
static void follow_leader(void *context, PlaitValue value)
{
    Share *share = context;
    if (!plait_ptx_is_fetched(share->kernel, value)) return;
    share->kept_at[value] = share->kept_at[plait_ptx_fetch_leader(share->kernel, value)];
}

static void note_reader(Share *share, PlaitValue reader, PlaitValue copy)
{
    if (!copy || !plait_ptx_is_fetched(share->kernel, copy)) return;
    Tenant *tenant = tenant_of(&share->fetched, plait_ptx_fetch_leader(share->kernel, copy));
    tenant->readers++;
    if (share->moments[reader] > tenant->last) tenant->last = share->moments[reader];
}

static void find_readers(void *context, PlaitValue value)
{
    Share *share = context;
    const PlaitInst *inst = plait_inst(share->kernel, value);
    if (inst->op == PLAIT_OP_CONVERT) note_reader(share, value, inst->operands[0]);
    if (inst->op != PLAIT_OP_DOT) return;
    for (uint32_t side = 0; side < 2; side++)
        note_reader(share, value, plait_ptx_stage(share->kernel, value, side).value);
}

/* Operands that stay: some product in a loop reads them. */
static void find_kept(void *context, PlaitValue value)
{
    Share *share = context;
    if (plait_op_of(share->kernel, value) != PLAIT_OP_DOT) return;
    for (uint32_t side = 0; side < 2; side++) {
        PlaitPtxStage stage = plait_ptx_stage(share->kernel, value, side);
        if (!stage.value || share->kept_at[stage.value] || share->manners[stage.value] == 3) continue;
        if (!plait_ptx_stage_can_stay(share->kernel, value, side)) continue;
        if (tenant_of(&share->kept, stage.value)) continue;
        Tenant tenant = {.value = stage.value, .bytes = aligned(stage.bytes), .first = UINT32_MAX};
        plait_push(arena_of(share), &share->kept, tenant);
    }
}

static void note_products(void *context, PlaitValue value)
{
    Share *share = context;
    if (plait_op_of(share->kernel, value) != PLAIT_OP_DOT) return;
    for (uint32_t side = 0; side < 2; side++) {
        Tenant *tenant = tenant_of(&share->kept, plait_ptx_stage(share->kernel, value, side).value);
        uint32_t moment = share->moments[value];
        if (!tenant) continue;
        share->kept_at[tenant->value] = 1;
        if (moment < tenant->first) tenant->first = moment;
        if (moment > tenant->last) tenant->last = moment;
    }
}

static void find_use(void *context, PlaitValue value)
{
    Share *share = context;
    uint32_t bytes = aligned(plait_ptx_operation_bytes(share->kernel, value, false, share->kept_at));
    bool loop = plait_inst(share->kernel, value)->region->parent != NULL;
    bool alone = !loop && plait_op_of(share->kernel, value) != PLAIT_OP_DOT;
    Use use = {value, bytes, share->moments[value], alone};
    if (bytes) plait_push(arena_of(share), &share->uses, use);
}

/* ---- places ---- */

static bool at_once(const Tenant *a, const Tenant *b) { return a->first <= b->last && b->first <= a->last; }

static bool overlap(const Tenant *a, const Tenant *b)
{
    return a->byte < b->byte + b->bytes && b->byte < a->byte + a->bytes;
}

/* The lowest free place from `least` on. */
static void find_place(const Tenants *placed, Tenant *tenant, uint32_t least)
{
    tenant->byte = least;
    for (uint32_t i = 0; i < placed->count; i++) {
        const Tenant *other = &placed->data[i];
        if (!at_once(other, tenant) || !overlap(other, tenant)) continue;
        tenant->byte = other->byte + other->bytes;
        i = UINT32_MAX; /* look at all of them again */
    }
}

static void place(const Share *share, Tenants *placed, Tenant tenant, uint32_t least, uint32_t *end)
{
    find_place(placed, &tenant, least);
    if (tenant.byte + tenant.bytes > *end) *end = tenant.byte + tenant.bytes;
    plait_push(arena_of(share), placed, tenant);
}

/* With so much scratch for what has no place of its own: bytes in all. */
static uint32_t place_all(const Share *share, Tenants *placed, uint32_t bytes, uint32_t halves)
{
    uint32_t end = halves * bytes;
    *placed = (Tenants){0};
    for (uint32_t i = 0; i < share->kept.count; i++) place(share, placed, share->kept.data[i], halves * bytes, &end);
    for (uint32_t i = 0; i < share->count; i++) place(share, placed, share->fetched.data[i], halves * bytes, &end);
    for (uint32_t i = 0; i < share->uses.count; i++) {
        const Use *use = &share->uses.data[i];
        if (use->bytes <= bytes) continue;
        if (!use->alone) return UINT32_MAX;
        Tenant tenant = {.value = use->value, .bytes = use->bytes, .first = use->moment, .last = use->moment};
        place(share, placed, tenant, 0, &end);
    }
    return end;
}

/* What is written where something else stood needs a barrier before. */
static void accept(Share *share, const Tenants *placed, uint32_t bytes, uint32_t halves, uint32_t end)
{
    PlaitPtxScratch *scratch = share->scratch;
    scratch->bytes = bytes;
    scratch->halves = halves;
    scratch->kept = end - halves * bytes;
    scratch->own = PLAIT_NEW_ARRAY(arena_of(share), uint32_t, share->kernel->insts.count);
    scratch->reused = PLAIT_NEW_ARRAY(arena_of(share), bool, share->kernel->insts.count);
    for (uint32_t i = 0; i < placed->count; i++) {
        const Tenant *tenant = &placed->data[i];
        bool use = !tenant_of(&share->kept, tenant->value) && !tenant->readers;
        (use ? scratch->own : share->kept_at)[tenant->value] = tenant->byte + 1;
        for (uint32_t k = 0; k < placed->count; k++)
            scratch->reused[tenant->value] |= placed->data[k].last < tenant->first && overlap(&placed->data[k], tenant);
    }
    plait_region_walk(share->kernel, share->kernel->body, follow_leader, share);
}

/* The most that a use takes below `bytes`, or 0. */
static uint32_t next_smaller(const Share *share, uint32_t bytes)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < share->uses.count; i++)
        if (share->uses.data[i].bytes < bytes && share->uses.data[i].bytes > most) most = share->uses.data[i].bytes;
    return most;
}

/* Tries scratch in two halves, then in one; with places of their own for few operations, then for more. */
static bool fits(Share *share)
{
    Tenants placed;
    for (uint32_t halves = 2; halves > 0; halves--) {
        uint32_t bytes = UINT32_MAX;
        do {
            bytes = next_smaller(share, bytes);
            uint32_t end = place_all(share, &placed, bytes, halves);
            if (end > MOST_OF_TWO) continue;
            accept(share, &placed, bytes, halves, end);
            return true;
        } while (bytes > 0);
    }
    return false;
}

/* With the `count` first of the fetched tiles. */
static bool plan_with(Share *share, uint32_t count)
{
    const PlaitRegion *body = share->kernel->body;
    for (PlaitValue value = 0; value < share->kernel->insts.count; value++) share->kept_at[value] = 0;
    share->count = count;
    for (uint32_t i = 0; i < count; i++) share->kept_at[share->fetched.data[i].value] = 1;
    plait_region_walk(share->kernel, body, follow_leader, share);
    share->kept = (Tenants){0};
    share->uses.count = 0;
    plait_region_walk(share->kernel, body, find_kept, share);
    plait_region_walk(share->kernel, body, note_products, share);
    plait_region_walk(share->kernel, body, find_use, share);
    return fits(share);
}

/* Tiles with many readers first; among equals those that are read first. */
static void sort_fetched(Share *share)
{
    Tenant *data = share->fetched.data;
    for (uint32_t i = 1; i < share->fetched.count; i++)
        for (uint32_t k = i; k > 0 && data[k].readers > data[k - 1].readers; k--) {
            Tenant other = data[k];
            data[k] = data[k - 1];
            data[k - 1] = other;
        }
}

bool plait_ptx_share(const PlaitFunction *kernel, const uint8_t *manners, PlaitPtxScratch *scratch, uint32_t *kept_at)
{
    Share share = {.kernel = kernel, .scratch = scratch, .kept_at = kept_at, .manners = manners};
    share.moments = PLAIT_NEW_ARRAY(kernel->module->arena, uint32_t, kernel->insts.count);
    plait_region_walk(kernel, kernel->body, note_moment, &share);
    plait_region_walk(kernel, kernel->body, find_fetched, &share);
    plait_region_walk(kernel, kernel->body, find_readers, &share);
    sort_fetched(&share);
    for (uint32_t count = share.fetched.count + 1; count-- > 0;)
        if (plan_with(&share, count)) return true;
    return false;
}
