/* Loads that only products on the matrix units read go straight to shared memory.
 *
 * A copy needs no registers and, where the GPU has a copy engine, no instructions of the threads that compute: the code
 * generator gives it to a warp of its own, which runs ahead by as many tiles as there is room for. In a loop that is
 * ints[0], the number of tiles of each tensor that may be on the way; outside of loops it is 1.
 *
 * Before:                                                  After:
 *     %5 = load %1, %2, %3 : bf16[d, s] @2                     %5 = copy %1, %2, %3 {ints = [4]} : bf16[d, s] shared @2
 *     %6 = dot %4, %5 {axes = [d, t]} : f32[t, s] @3           %6 = dot %4, %5 {axes = [d, t]} : f32[t, s] @3
 */
#include "ir/build.h"
#include "passes/passes.h"
#include "passes/tile/fetch.h"

enum {
    MOST_BYTES = 225 * 1024,
    MOST_COPIED = 187 * 1024 /* leaves some for scratch */,
    MOST_STAGES = 4,
    CHUNK = 64,
    UNIT = 16
};

typedef struct Copies {
    PlaitFunction *kernel;
    uint32_t *products;      /* by value: uses as an operand of a product on the matrix units */
    uint32_t *uses;          /* by value: all uses */
    bool *stored;            /* by value of a tensor: the kernel stores to it, so no load may run ahead */
    const PlaitRegion *loop; /* being looked at */
    uint64_t loop_bytes;
    uint64_t fixed, in_loops; /* bytes of one tile of each copy, outside of loops and inside */
} Copies;

static void count_products(void *context, PlaitValue value)
{
    Copies *copies = context;
    const PlaitInst *inst = plait_inst(copies->kernel, value);
    if (inst->op == PLAIT_OP_STORE) copies->stored[inst->operands[0]] = true;
    if (inst->op != PLAIT_OP_DOT || inst->axis_count != 2) return;
    for (uint32_t side = 0; side < 2; side++) copies->products[inst->operands[side]]++;
}

static bool is_copy(const Copies *copies, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(copies->kernel, value);
    return inst->op == PLAIT_OP_LOAD && copies->products[value] > 0 && copies->products[value] == copies->uses[value] &&
           !copies->stored[inst->operands[0]];
}

uint64_t plait_copied_bytes(const PlaitFunction *kernel, PlaitValue value)
{
    PlaitType type = plait_type_of(kernel, value);
    uint64_t bytes = plait_scalar_bytes((PlaitScalar)type.scalar);
    for (uint32_t i = 0; i < type.rank; i++) {
        uint32_t tile = kernel->axes.data[type.axes[i]].tile, unit = i ? UNIT : CHUNK;
        bytes *= (tile + unit - 1) / unit * unit;
    }
    return bytes;
}

/* Loops that follow one another share their rings (codegen/ptx/maps.c): the largest one counts. */
static void add_bytes(void *context, PlaitValue value)
{
    Copies *copies = context;
    if (!is_copy(copies, value)) return;
    const PlaitRegion *region = plait_inst(copies->kernel, value)->region;
    if (!region->parent) {
        copies->fixed += plait_copied_bytes(copies->kernel, value);
        return;
    }
    if (region != copies->loop) copies->loop_bytes = 0;
    copies->loop = region;
    copies->loop_bytes += plait_copied_bytes(copies->kernel, value);
    if (copies->loop_bytes > copies->in_loops) copies->in_loops = copies->loop_bytes;
}

static int64_t stages_of(const Copies *copies)
{
    int64_t stages = MOST_STAGES;
    while (stages > 1 && copies->fixed + copies->in_loops * (uint64_t)stages > MOST_BYTES) stages--;
    /* With one tile the groups of warps wait for each other's tiles and so take turns; with two they may run side by
     * side, and all want the same units at the same time: causal attention, d = 256, H100: 628 TFLOP/s with one, 521
     * with two. From three on a product may fly into the next turn (codegen/ptx/flight.c): 632 at d = 128. */
    return stages == 2 ? 1 : stages;
}

static void make_copy(void *context, PlaitValue value)
{
    Copies *copies = context;
    if (!is_copy(copies, value)) return;
    PlaitInst *inst = plait_inst(copies->kernel, value);
    inst->op = PLAIT_OP_COPY;
    inst->type.space = PLAIT_SPACE_SHARED;
    int64_t stages = inst->region->parent ? stages_of(copies) : 1;
    plait_set_ints(copies->kernel, value, &stages, 1);
}

/* Tiles that other operations read, as far as they cost no products' tiles on the way: beside the kernel's scratch
 * there is room for fewer of those than asked for (codegen/ptx/maps.c). */
static void fetch_more(const Copies *copies)
{
    int64_t stages = stages_of(copies);
    uint64_t on_the_way = (uint64_t)stages;
    while (on_the_way > 1 && copies->fixed + copies->in_loops * on_the_way > MOST_COPIED) on_the_way--;
    uint64_t taken = copies->fixed + copies->in_loops * on_the_way;
    if (on_the_way > 1 && taken < MOST_COPIED)
        plait_fetch_in_loop(copies->kernel, stages, (MOST_COPIED - taken) / on_the_way);
}

bool plait_pass_copy(PlaitFunction *kernel)
{
    if (kernel->level != PLAIT_LEVEL_TILE) return false;
    Copies copies = {.kernel = kernel, .uses = plait_use_counts(kernel)};
    copies.products = PLAIT_NEW_ARRAY(kernel->module->arena, uint32_t, kernel->insts.count);
    copies.stored = PLAIT_NEW_ARRAY(kernel->module->arena, bool, kernel->insts.count);
    plait_region_walk(kernel, kernel->body, count_products, &copies);
    plait_region_walk(kernel, kernel->body, add_bytes, &copies);
    /* Programs that each prepare a block: many run at once, and a second version of their kernel would be long. */
    if (copies.in_loops == 0 && plait_has_block_programs(kernel)) return plait_fetch_tiles(kernel);
    if (copies.in_loops == 0 && copies.fixed == 0) return false;
    plait_region_walk(kernel, kernel->body, make_copy, &copies);
    fetch_more(&copies);
    return true;
}
