/* The version of a kernel whose copies are made by the copy engine: which kernels have one, and where things stand.
 *
 * A tensor map (CUDA driver API, cuTensorMapEncodeTiled) describes a tensor with its strides; one instruction of one
 * thread then moves a box of it into shared memory, in the swizzled form of swizzle.c, fills what is outside of the
 * tensor with 0 and counts the bytes off a barrier in shared memory. A kernel has the version when an address can be
 * had without the tiles that other threads compute: every index of its copies is a scalar or a row of neighbours that
 * begins at one, made of program numbers, loop positions and sizes.
 *
 * Shared memory: what the ordinary version has, without the staging of copies; then for each copy its ring of tiles;
 * then for each copy its barriers, `stages` of each: a tile is full, a tile is free again. Loops that follow one
 * another (a fold's tiles without and with masks) copy the same tensors: they share the rings, each going on where the
 * one before stopped.
 */
#include "codegen/ptx/maps.h"

enum { MOST_RANK = 5, MOST_BOX = 256, MOST_SHARED = 227 * 1024, BARRIER_BYTES = 8 };

/* Whether a unit index begins at a uniform scalar. */
static bool begins_uniform(const PlaitFunction *kernel, PlaitValue index)
{
    const PlaitInst *inst = plait_inst(kernel, index);
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        bool tile = plait_type_of(kernel, inst->operands[i]).rank > 0;
        if (tile ? !begins_uniform(kernel, inst->operands[i]) : !plait_is_uniform(kernel, inst->operands[i]))
            return false;
    }
    return true;
}

typedef struct Finder {
    const PlaitFunction *kernel;
    PlaitPtxMaps *maps;
    bool possible;
} Finder;

/* A product that reads the copy; 0: none. */
static PlaitValue product_of(const PlaitFunction *kernel, PlaitValue copy, uint32_t *side)
{
    for (PlaitValue value = 1; value < kernel->insts.count; value++) {
        const PlaitInst *inst = plait_inst(kernel, value);
        if (inst->op != PLAIT_OP_DOT || !inst->region) continue;
        for (*side = 0; *side < 2; ++*side)
            if (inst->operands[*side] == copy) return value;
    }
    return 0;
}

/* Positions of an axis that the array has more than the tile must lie outside of the tensor, where they are 0. */
static bool padding_is_outside(const PlaitFunction *kernel, PlaitAxis axis)
{
    const PlaitAxisInfo *info = &kernel->axes.data[axis];
    return info->tile % PLAIT_PTX_UNIT == 0 || info->tile == info->size;
}

static bool describe(const PlaitFunction *kernel, PlaitValue copy, PlaitPtxMap *map)
{
    PlaitPtxAccess access = plait_ptx_access(kernel, copy);
    uint32_t side, tiles = 0;
    PlaitValue product = product_of(kernel, copy, &side);
    bool by_element = !product && plait_ptx_is_read_by_element(kernel, copy);
    if ((!product && !by_element) || access.rank > MOST_RANK || plait_inst(kernel, copy)->type.rank != 2) return false;
    PlaitPtxStage stage = by_element ? plait_ptx_fetch_stage(kernel, copy) : plait_ptx_stage(kernel, product, side);
    *map = (PlaitPtxMap){.copy = copy, .tensor = access.tensor, .bytes = stage.bytes, .box_rows = stage.rows};
    map->chunks = stage.bytes / (stage.rows * PLAIT_PTX_ROW_BYTES);
    map->stages = (uint32_t)plait_inst(kernel, copy)->ints[0];
    for (uint32_t i = 0; i < access.rank; i++) {
        const PlaitPtxIndex *index = &access.indices[i];
        if (plait_type_of(kernel, index->value).rank == 0) {
            if (!plait_is_uniform(kernel, index->value)) return false;
            continue;
        }
        bool inner = i + 1 == access.rank;
        if (index->unit == PLAIT_NO_AXIS || !begins_uniform(kernel, index->value)) return false;
        if (inner != (index->unit == stage.inner) || !padding_is_outside(kernel, index->unit)) return false;
        if (!inner) map->rows_index = i;
        tiles++;
    }
    return tiles == 2 && stage.rows <= MOST_BOX;
}

/* Copies stand in the body of the kernel or of one of its loops, as do the products that read them. */
static bool stands_well(const PlaitFunction *kernel, const PlaitInst *inst)
{
    const PlaitRegion *region = inst->region;
    if (!region->parent) return true;
    const PlaitInst *loop = plait_inst(kernel, region->owner);
    return !region->parent->parent && loop->op == PLAIT_OP_FOR && plait_is_uniform(kernel, loop->operands[0]) &&
           plait_is_uniform(kernel, loop->operands[1]);
}

static void find_copy(void *context, PlaitValue value)
{
    Finder *finder = context;
    const PlaitInst *inst = plait_inst(finder->kernel, value);
    if (inst->op == PLAIT_OP_DOT) {
        for (uint32_t side = 0; side < 2; side++) {
            const PlaitInst *operand = plait_inst(finder->kernel, inst->operands[side]);
            bool copy = operand->op == PLAIT_OP_COPY;
            finder->possible &= !copy || !operand->region->parent || operand->region == inst->region;
        }
        return;
    }
    if (inst->op != PLAIT_OP_COPY) return;
    PlaitPtxMap *map = &finder->maps->data[finder->maps->count];
    finder->possible &= stands_well(finder->kernel, inst) && describe(finder->kernel, value, map);
    if (finder->possible) finder->maps->count++;
}

static const PlaitRegion *loop_of(const PlaitFunction *kernel, const PlaitPtxMap *map)
{
    const PlaitRegion *region = plait_inst(kernel, map->copy)->region;
    return region->parent ? region : NULL;
}

static bool same_ring(const PlaitFunction *kernel, const PlaitPtxMap *a, const PlaitPtxMap *b)
{
    PlaitType x = plait_type_of(kernel, a->copy), y = plait_type_of(kernel, b->copy);
    return a->tensor == b->tensor && a->bytes == b->bytes && a->stages == b->stages && a->box_rows == b->box_rows &&
           a->rows_index == b->rows_index && x.rank == y.rank && plait_type_same_axes(x, y);
}

/* Numbers the tensor maps and lets the copies of later loops follow those of the first; false when they do not fit. */
static bool share_rings(const PlaitFunction *kernel, PlaitPtxMaps *maps)
{
    uint32_t first = 0, count = 0, at = 0;
    const PlaitRegion *loop = NULL;
    while (first < maps->count && !loop_of(kernel, &maps->data[first])) first++;
    while (first + count < maps->count &&
           loop_of(kernel, &maps->data[first + count]) == loop_of(kernel, &maps->data[first]))
        count++;
    for (uint32_t i = 0; i < maps->count; i++) {
        PlaitPtxMap *map = &maps->data[i];
        const PlaitRegion *own = loop_of(kernel, map);
        map->follows = own && i >= first + count;
        if (!map->follows) {
            map->parameter = maps->parameters++;
            continue;
        }
        if (own != loop && loop && at != count) return false;
        if (own != loop) at = 0;
        loop = own;
        if (at == count || !same_ring(kernel, map, &maps->data[first + at])) return false;
        map->parameter = maps->data[first + at++].parameter;
    }
    return !loop || at == count;
}

/* The copy whose ring a following one uses: that with its number. */
static void follow(PlaitPtxMaps *maps, PlaitPtxMap *map)
{
    const PlaitPtxMap *leader = maps->data;
    while (leader->parameter != map->parameter) leader++;
    map->byte = leader->byte;
    map->barrier = leader->barrier;
}

static void place(const PlaitFunction *kernel, PlaitPtxMaps *maps)
{
    uint32_t *kept_at = PLAIT_NEW_ARRAY(kernel->module->arena, uint32_t, kernel->insts.count);
    PlaitPtxScratch scratch = plait_ptx_plan(kernel, true, maps->one_half, kept_at);
    uint32_t byte = plait_ptx_scratch_bytes(&scratch);
    for (uint32_t i = 0; i < maps->count; i++) {
        if (maps->data[i].follows) continue;
        maps->data[i].byte = byte;
        byte += maps->data[i].bytes * maps->data[i].stages;
        byte = (byte + PLAIT_PTX_SWIZZLE_BYTES - 1) / PLAIT_PTX_SWIZZLE_BYTES * PLAIT_PTX_SWIZZLE_BYTES;
    }
    for (uint32_t i = 0; i < maps->count; i++) {
        if (maps->data[i].follows) continue;
        maps->data[i].barrier = byte;
        byte += 2 * maps->data[i].stages * BARRIER_BYTES;
    }
    maps->bytes = byte;
    for (uint32_t i = 0; i < maps->count; i++)
        if (maps->data[i].follows) follow(maps, &maps->data[i]);
}

bool plait_ptx_maps(const PlaitFunction *kernel, const PlaitTarget *target, PlaitPtxMaps *maps)
{
    *maps = (PlaitPtxMaps){.data = PLAIT_NEW_ARRAY(kernel->module->arena, PlaitPtxMap, kernel->insts.count)};
    if (!plait_ptx_is_hopper(target) || plait_has_block_programs(kernel)) return false;
    Finder finder = {kernel, maps, true};
    plait_region_walk(kernel, kernel->body, find_copy, &finder);
    if (!finder.possible || maps->count == 0 || !share_rings(kernel, maps)) return false;
    if (maps->parameters > PLAIT_MOST_MAPS) return false;
    uint32_t stages = 1;
    for (uint32_t i = 0; i < maps->count; i++)
        if (maps->data[i].stages > stages) stages = maps->data[i].stages;
    maps->one_half = false;
    do { /* as many tiles on the way as there is room for beside the kernel's other needs */
        for (uint32_t i = 0; i < maps->count; i++)
            if (maps->data[i].stages > stages) maps->data[i].stages = stages;
        place(kernel, maps);
    } while (maps->bytes > MOST_SHARED && stages-- > 1);
    maps->one_half = maps->bytes > MOST_SHARED;
    if (maps->one_half) place(kernel, maps);
    return maps->bytes <= MOST_SHARED;
}

uint32_t plait_ptx_maps_threads(const PlaitFunction *kernel) { return kernel->threads + PLAIT_PTX_COPY_THREADS; }

const PlaitPtxMap *plait_ptx_map_of(const PlaitPtxMaps *maps, PlaitValue copy)
{
    for (uint32_t i = 0; maps && i < maps->count; i++)
        if (maps->data[i].copy == copy) return &maps->data[i];
    return NULL;
}

typedef struct Alignments {
    const PlaitFunction *kernel;
    const PlaitSlots *slots;
    uint8_t *bytes;
} Alignments;

static void note_alignment(void *context, PlaitValue value)
{
    Alignments *alignments = context;
    PlaitOp op = plait_op_of(alignments->kernel, value);
    if (op != PLAIT_OP_LOAD && op != PLAIT_OP_COPY && op != PLAIT_OP_STORE) return;
    PlaitPtxAccess access = plait_ptx_access(alignments->kernel, value);
    if (access.rank == 0 || plait_ptx_last(&access)->unit == PLAIT_NO_AXIS) return;
    uint32_t bytes = access.bytes, tensor = 0;
    if (op == PLAIT_OP_COPY) bytes = 16;
    while (alignments->slots->tensors[tensor] != access.tensor) tensor++;
    if (bytes > alignments->bytes[tensor]) alignments->bytes[tensor] = (uint8_t)bytes;
}

static void alignments_of(const PlaitFunction *kernel, const PlaitSlots *slots, uint8_t *bytes)
{
    Alignments alignments = {kernel, slots, bytes};
    plait_region_walk(kernel, kernel->body, note_alignment, &alignments);
}

/* The runtime (runtime/maps.c) demands of a tensor that its alignment divides the length of its last axis; all other
 * strides of a contiguous one are multiples of that. Lengths that only a call knows may be right. */
bool plait_ptx_is_late(const PlaitFunction *kernel, const PlaitSlots *slots)
{
    uint8_t *alignments = PLAIT_NEW_ARRAY(kernel->module->arena, uint8_t, slots->tensor_count);
    alignments_of(kernel, slots, alignments);
    for (uint32_t i = 0; i < slots->tensor_count; i++) {
        if (!alignments[i]) continue;
        PlaitType type = plait_type_of(kernel, slots->tensors[i]);
        int64_t length = kernel->axes.data[type.axes[type.rank - 1]].size;
        if (length != PLAIT_RUNTIME_SIZE && length * plait_scalar_bytes((PlaitScalar)type.scalar) % alignments[i])
            return false;
    }
    return true;
}

bool plait_ptx_maps_version(const PlaitFunction *kernel, const PlaitTarget *target, const PlaitSlots *slots,
                            PlaitPtxVersion *version)
{
    PlaitPtxMaps maps;
    *version = (PlaitPtxVersion){.alignments = PLAIT_NEW_ARRAY(kernel->module->arena, uint8_t, slots->tensor_count)};
    if (!plait_ptx_maps(kernel, target, &maps)) return false;
    for (uint32_t i = 0; i < maps.count; i++) {
        const PlaitPtxMap *map = &maps.data[i];
        uint16_t tensor = 0;
        while (slots->tensors[tensor] != map->tensor) tensor++;
        version->maps[map->parameter].tensor = tensor;
        version->maps[map->parameter].rows = (uint16_t)map->rows_index;
        version->maps[map->parameter].box_rows = map->box_rows;
    }
    version->count = maps.parameters;
    version->threads = plait_ptx_maps_threads(kernel);
    version->shared_bytes = maps.bytes;
    alignments_of(kernel, slots, version->alignments);
    version->late = plait_ptx_is_late(kernel, slots);
    return true;
}
