/* Reading and writing tensors and buffers at the points of a nest.
 *
 * Tensors come with run-time strides and extents, and an access outside is 0 or nothing. Two ways:
 *   rows   The index of the tensor's last axis is `something + position along the vector axis`. If the stride there is
 * 1 and that index stays inside the tensor over the whole nest (both checked once before the nest, which exists in two
 * versions), a vector is loaded or stored at once. The other indices are the same for all lanes: if one is outside, the
 * address is replaced by that of a row of zeros (loads) or a place nobody reads (stores), without a branch. lanes
 * Everything else: lane by lane, with the same replacement. Where the other way was possible, in a loop over the lanes,
 * by way of a row of memory: that version of the nest runs rarely but must be compiled always. Global memory is aligned
 * to elements only. Buffers are aligned to 64 bytes, and their rows to 16 elements.
 */
#include "codegen/cpu/nest.h"

/* ---- between registers and memory ---- */

static LLVMValueRef from_memory(PlaitEmit *emit, PlaitScalar scalar, LLVMValueRef value)
{
    if (scalar != PLAIT_BOOL) return value;
    return LLVMBuildICmp(emit->builder, LLVMIntNE, value, LLVMConstNull(LLVMTypeOf(value)), "");
}

static LLVMValueRef to_memory(PlaitEmit *emit, PlaitScalar scalar, LLVMValueRef value, uint32_t lanes)
{
    if (scalar != PLAIT_BOOL) return value;
    return LLVMBuildZExt(emit->builder, value, plait_emit_memory_type(emit, scalar, lanes), "");
}

static LLVMValueRef load(PlaitEmit *emit, PlaitScalar scalar, uint32_t lanes, LLVMValueRef address, uint32_t alignment)
{
    LLVMValueRef value = LLVMBuildLoad2(emit->builder, plait_emit_memory_type(emit, scalar, lanes), address, "");
    LLVMSetAlignment(value, alignment);
    return from_memory(emit, scalar, value);
}

static void store(PlaitEmit *emit, PlaitScalar scalar, uint32_t lanes, LLVMValueRef value, LLVMValueRef address,
                  uint32_t alignment)
{
    LLVMSetAlignment(LLVMBuildStore(emit->builder, to_memory(emit, scalar, value, lanes), address), alignment);
}

static LLVMValueRef element(PlaitEmit *emit, PlaitScalar scalar, LLVMValueRef base, LLVMValueRef offset)
{
    return LLVMBuildGEP2(emit->builder, plait_emit_memory_type(emit, scalar, 1), base, &offset, 1, "");
}

/* Lanes [first, first + count) of a vector of `lanes`, or with count > lanes its lanes and then garbage. */
static LLVMValueRef cut(PlaitEmit *emit, LLVMValueRef value, uint32_t first, uint32_t count)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(emit->context);
    LLVMValueRef picks[PLAIT_CPU_ROW];
    if (count == 1) return LLVMBuildExtractElement(emit->builder, value, LLVMConstInt(i32, first, 0), "");
    uint32_t lanes = LLVMGetVectorSize(LLVMTypeOf(value));
    for (uint32_t i = 0; i < count; i++)
        picks[i] = first + i < lanes ? LLVMConstInt(i32, first + i, 0) : LLVMGetPoison(i32);
    return LLVMBuildShuffleVector(emit->builder, value, LLVMGetPoison(LLVMTypeOf(value)), LLVMConstVector(picks, count),
                                  "");
}

/* Puts `part`, of `count` lanes, into the lanes of `whole` from `first` on. */
static LLVMValueRef put(PlaitEmit *emit, LLVMValueRef whole, LLVMValueRef part, uint32_t first, uint32_t count)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(emit->context);
    if (count == 1) return LLVMBuildInsertElement(emit->builder, whole, part, LLVMConstInt(i32, first, 0), "");
    LLVMValueRef picks[PLAIT_CPU_ROW];
    uint32_t lanes = LLVMGetVectorSize(LLVMTypeOf(whole));
    LLVMValueRef widened = count == lanes ? part : cut(emit, part, 0, lanes);
    for (uint32_t i = 0; i < lanes; i++)
        picks[i] = LLVMConstInt(i32, i >= first && i < first + count ? lanes + i - first : i, 0);
    return LLVMBuildShuffleVector(emit->builder, whole, widened, LLVMConstVector(picks, lanes), "");
}

static uint32_t largest_power(uint32_t number) { return 1u << (31 - (uint32_t)__builtin_clz(number)); }

/* `valid` of the nest's lanes from memory; the others are 0. A broken vector is loaded in pieces of powers of two. */
static LLVMValueRef load_row(PlaitNest *nest, PlaitScalar scalar, LLVMValueRef address, uint32_t valid)
{
    PlaitEmit *emit = nest->cpu->emit;
    uint32_t bytes = plait_scalar_bytes(scalar);
    if (valid == nest->lanes) return load(emit, scalar, valid, address, bytes);
    LLVMValueRef result = LLVMConstNull(plait_emit_type(emit, scalar, nest->lanes));
    for (uint32_t at = 0; at < valid;) {
        uint32_t count = largest_power(valid - at);
        LLVMValueRef part =
            load(emit, scalar, count, element(emit, scalar, address, plait_cpu_number(nest->cpu, at)), bytes);
        result = put(emit, result, part, at, count);
        at += count;
    }
    return result;
}

static void store_row(PlaitNest *nest, PlaitScalar scalar, LLVMValueRef value, LLVMValueRef address, uint32_t valid)
{
    PlaitEmit *emit = nest->cpu->emit;
    uint32_t bytes = plait_scalar_bytes(scalar);
    if (valid == nest->lanes) {
        store(emit, scalar, valid, value, address, bytes);
        return;
    }
    for (uint32_t at = 0; at < valid;) {
        uint32_t count = largest_power(valid - at);
        store(emit, scalar, count, cut(emit, value, at, count),
              element(emit, scalar, address, plait_cpu_number(nest->cpu, at)), bytes);
        at += count;
    }
}

/* ---- tensors ---- */

static uint32_t tensor_rank(const PlaitNest *nest, const PlaitCpuNode *access)
{
    return plait_cpu_node(nest->cpu->kernel, access->operands[0])->inst->type.rank;
}

/* Whether an index is a sum of scalars and positions, `*step` of which is that along the vector axis. */
static bool is_affine(const PlaitNest *nest, PlaitCpuId id, int32_t *step)
{
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    int32_t steps[2] = {0, 0};
    *step = 0;
    if (!node->axes) return true;
    if (node->kind != PLAIT_CPU_VIRTUAL) return false;
    if (node->op == PLAIT_OP_IOTA) *step = plait_nest_is_wide(nest, node->axes);
    if (node->op == PLAIT_OP_IOTA) return true;
    if (node->op == PLAIT_OP_BROADCAST) return is_affine(nest, node->operands[0], step);
    if (node->op != PLAIT_OP_ADD && node->op != PLAIT_OP_SUB) return false;
    for (uint32_t i = 0; i < 2; i++)
        if (!is_affine(nest, node->operands[i], &steps[i])) return false;
    *step = node->op == PLAIT_OP_ADD ? steps[0] + steps[1] : steps[0] - steps[1];
    return true;
}

/* An affine index at the first lane of the instance, i32. */
static LLVMValueRef first_lane(PlaitNest *nest, PlaitCpuId id, uint32_t instance)
{
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    LLVMBuilderRef builder = nest->cpu->emit->builder;
    if (!plait_nest_is_wide(nest, node->axes)) return plait_nest_value(nest, id, instance);
    if (node->op == PLAIT_OP_BROADCAST) return first_lane(nest, node->operands[0], instance);
    if (node->op == PLAIT_OP_IOTA) {
        LLVMValueRef position = plait_nest_position(nest, nest->vector_loop, instance);
        position = LLVMBuildTrunc(builder, position, LLVMInt32TypeInContext(nest->cpu->emit->context), "");
        return node->operand_count
                   ? LLVMBuildAdd(builder, position, plait_nest_value(nest, node->operands[0], instance), "")
                   : position;
    }
    LLVMValueRef a = first_lane(nest, node->operands[0], instance), b = first_lane(nest, node->operands[1], instance);
    return node->op == PLAIT_OP_ADD ? LLVMBuildAdd(builder, a, b, "") : LLVMBuildSub(builder, a, b, "");
}

typedef struct Range {
    LLVMValueRef least, most; /* i64 */
} Range;

/* The values of an affine index over the whole tile. */
static Range range_of(PlaitNest *nest, PlaitCpuId id)
{
    PlaitCpu *cpu = nest->cpu;
    const PlaitCpuNode *node = plait_cpu_node(cpu->kernel, id);
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMValueRef start = plait_cpu_number(cpu, 0);
    if (node->op == PLAIT_OP_BROADCAST && node->axes) return range_of(nest, node->operands[0]);
    if (node->op == PLAIT_OP_IOTA && node->axes) {
        if (node->operand_count)
            start = LLVMBuildSExt(builder, plait_nest_value(nest, node->operands[0], 0), cpu->i64, "");
        uint32_t last = plait_cpu_tile(cpu->kernel, node->inst->axes[0]) - 1;
        return (Range){start, LLVMBuildAdd(builder, start, plait_cpu_number(cpu, last), "")};
    }
    if (!node->axes) {
        start = LLVMBuildSExt(builder, plait_nest_value(nest, id, 0), cpu->i64, "");
        return (Range){start, start};
    }
    Range a = range_of(nest, node->operands[0]), b = range_of(nest, node->operands[1]);
    if (node->op == PLAIT_OP_ADD)
        return (Range){LLVMBuildAdd(builder, a.least, b.least, ""), LLVMBuildAdd(builder, a.most, b.most, "")};
    return (Range){LLVMBuildSub(builder, a.least, b.most, ""), LLVMBuildSub(builder, a.most, b.least, "")};
}

/* Rows need the vector axis in the last index alone, with step 1, and a predicate that is the same for all lanes. */
static int32_t row_of(const PlaitNest *nest, const PlaitCpuNode *access)
{
    uint32_t rank = tensor_rank(nest, access);
    int32_t step;
    if (!rank || nest->lanes == 1) return -1;
    for (uint32_t i = 1; i < rank; i++)
        if (plait_nest_is_wide(nest, plait_cpu_node(nest->cpu->kernel, access->operands[i])->axes)) return -1;
    if (access->operand_count > rank + 2 &&
        plait_nest_is_wide(nest, plait_cpu_node(nest->cpu->kernel, access->operands[rank + 2])->axes))
        return -1;
    return is_affine(nest, access->operands[rank], &step) && step == 1 ? (int32_t)rank - 1 : -1;
}

void plait_nest_find_accesses(PlaitNest *nest)
{
    for (uint32_t i = 0; i < nest->group->members.count; i++) {
        PlaitCpuId id = nest->group->members.data[i];
        const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
        if (node->op != PLAIT_OP_LOAD && node->op != PLAIT_OP_STORE) continue;
        plait_push(nest->cpu->emit->arena, &nest->accesses, (PlaitNestAccess){id, row_of(nest, node)});
    }
}

LLVMValueRef plait_nest_rows_allowed(PlaitNest *nest)
{
    PlaitCpu *cpu = nest->cpu;
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMValueRef allowed = NULL;
    for (uint32_t i = 0; i < nest->accesses.count; i++) {
        const PlaitNestAccess *access = &nest->accesses.data[i];
        if (access->row < 0) continue;
        const PlaitCpuNode *node = plait_cpu_node(cpu->kernel, access->id);
        PlaitCpuId tensor = node->operands[0];
        PlaitAxis axis = plait_cpu_node(cpu->kernel, tensor)->inst->type.axes[access->row];
        Range range = range_of(nest, node->operands[1 + access->row]);
        LLVMValueRef unit =
            LLVMBuildICmp(builder, LLVMIntEQ, cpu->tensors[tensor].strides[access->row], plait_cpu_number(cpu, 1), "");
        LLVMValueRef low = LLVMBuildICmp(builder, LLVMIntSGE, range.least, plait_cpu_number(cpu, 0), "");
        LLVMValueRef high = LLVMBuildICmp(builder, LLVMIntSLT, range.most, cpu->extents[axis], "");
        LLVMValueRef good = LLVMBuildAnd(builder, unit, LLVMBuildAnd(builder, low, high, ""), "");
        allowed = allowed ? LLVMBuildAnd(builder, allowed, good, "") : good;
    }
    return allowed;
}

/* The row of an access, if it has one. Accesses of scalars outside of nests have none. */
static int32_t possible_row(const PlaitNest *nest, PlaitCpuId id)
{
    for (uint32_t i = 0; i < nest->accesses.count; i++)
        if (nest->accesses.data[i].id == id) return nest->accesses.data[i].row;
    return -1;
}

static int32_t row_at(const PlaitNest *nest, PlaitCpuId id) { return nest->rows ? possible_row(nest, id) : -1; }

/* How late an index is known: loops outside of the nest, then the nest's own. Sums begin with what is known first, so
 * that it can be hoisted. */
static uint32_t depth_of(const PlaitNest *nest, PlaitCpuId id)
{
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    uint32_t depth = 0;
    for (const PlaitRegion *region = node->region; region; region = region->parent) depth++;
    for (uint32_t i = 0; i < nest->loop_count; i++)
        if (node->axes & plait_axis_bit(nest->loops[i].axis)) depth = 100 + i;
    return depth;
}

static void sort_indices(const PlaitNest *nest, const PlaitCpuNode *access, uint32_t rank, uint32_t *order)
{
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t depth = depth_of(nest, access->operands[1 + i]), at = i;
        for (; at > 0 && depth_of(nest, access->operands[1 + order[at - 1]]) > depth; at--) order[at] = order[at - 1];
        order[at] = i;
    }
}

/* An index that differs between the lanes: `first` + lane * `step`, or, with `spilled`, numbers in memory. */
typedef struct LaneIndex {
    LLVMValueRef first, spilled; /* i32; address of i32s */
    int32_t step;
    LLVMValueRef stride, extent;
} LaneIndex;

/* Where an access goes: the part that is the same for all lanes, and what each lane adds. */
typedef struct Place {
    LLVMValueRef offset, inside; /* i64 in elements; i1, NULL: true */
    LaneIndex indices[PLAIT_MAX_RANK];
    uint32_t index_count;
    LLVMValueRef predicate; /* address of a byte for each lane, or NULL */
} Place;

static LLVMValueRef both(PlaitEmit *emit, LLVMValueRef a, LLVMValueRef b)
{
    return a ? LLVMBuildAnd(emit->builder, a, b, "") : b;
}
static LLVMValueRef sum(PlaitEmit *emit, LLVMValueRef a, LLVMValueRef b)
{
    return a ? LLVMBuildAdd(emit->builder, a, b, "") : b;
}

/* Row `slot` of the memory in which vectors are taken apart: 0 a value, 1 a predicate, then indices. */
static LLVMValueRef spill_row(PlaitNest *nest, uint32_t slot)
{
    return element(nest->cpu->emit, PLAIT_BOOL, nest->cpu->spill,
                   plait_cpu_number(nest->cpu, (uint64_t)slot * PLAIT_CPU_ROW * 8));
}

static LLVMValueRef spilled(PlaitNest *nest, PlaitScalar scalar, LLVMValueRef value, uint32_t slot)
{
    LLVMValueRef address = spill_row(nest, slot);
    store(nest->cpu->emit, scalar, nest->lanes, value, address, 64);
    return address;
}

static bool differs_by_lane(const PlaitNest *nest, PlaitCpuId id)
{
    return nest->lanes > 1 && plait_nest_is_wide(nest, plait_cpu_node(nest->cpu->kernel, id)->axes);
}

static void add_lane_index(PlaitNest *nest, PlaitCpuId id, uint32_t instance, LLVMValueRef stride, LLVMValueRef extent,
                           Place *place)
{
    LaneIndex index = {.stride = stride, .extent = extent};
    if (is_affine(nest, id, &index.step)) index.first = first_lane(nest, id, instance);
    else index.spilled = spilled(nest, PLAIT_I32, plait_nest_value(nest, id, instance), 2 + place->index_count);
    place->indices[place->index_count++] = index;
}

/* Adds one index; `unit`: it is the row, whose stride is 1 and whose range was checked. */
static void add_index(PlaitNest *nest, const PlaitCpuNode *access, uint32_t index, bool unit, uint32_t instance,
                      Place *place)
{
    PlaitCpu *cpu = nest->cpu;
    PlaitEmit *emit = cpu->emit;
    PlaitCpuId id = access->operands[1 + index];
    PlaitAxis axis = plait_cpu_node(cpu->kernel, access->operands[0])->inst->type.axes[index];
    LLVMValueRef stride = cpu->tensors[access->operands[0]].strides[index], extent = cpu->extents[axis];
    if (!unit && differs_by_lane(nest, id)) {
        add_lane_index(nest, id, instance, stride, extent, place);
        return;
    }
    LLVMValueRef at = unit ? first_lane(nest, id, instance) : plait_nest_value(nest, id, instance);
    at = LLVMBuildSExt(emit->builder, at, cpu->i64, "");
    place->offset = sum(emit, place->offset, unit ? at : LLVMBuildMul(emit->builder, at, stride, ""));
    if (!unit) place->inside = both(emit, place->inside, LLVMBuildICmp(emit->builder, LLVMIntULT, at, extent, ""));
}

static Place place_of(PlaitNest *nest, const PlaitCpuNode *access, int32_t row, uint32_t instance)
{
    uint32_t rank = tensor_rank(nest, access), order[PLAIT_MAX_RANK];
    Place place = {0};
    sort_indices(nest, access, rank, order);
    for (uint32_t i = 0; i < rank; i++) add_index(nest, access, order[i], row == (int32_t)order[i], instance, &place);
    if (access->operand_count > rank + 2) {
        PlaitCpuId predicate = access->operands[rank + 2];
        LLVMValueRef value = plait_nest_value(nest, predicate, instance);
        if (differs_by_lane(nest, predicate)) place.predicate = spilled(nest, PLAIT_BOOL, value, 1);
        else place.inside = both(nest->cpu->emit, place.inside, value);
    }
    if (!place.offset) place.offset = plait_cpu_number(nest->cpu, 0);
    return place;
}

/* The address of a row or a single element; `outside` instead where it is outside. */
static LLVMValueRef address_of(PlaitNest *nest, const PlaitCpuNode *access, const Place *place, LLVMValueRef outside)
{
    PlaitEmit *emit = nest->cpu->emit;
    PlaitScalar scalar = plait_cpu_node(nest->cpu->kernel, access->operands[0])->scalar;
    LLVMValueRef address = element(emit, scalar, nest->cpu->tensors[access->operands[0]].address, place->offset);
    return place->inside ? plait_emit_select(emit, place->inside, address, outside) : address;
}

/* What is left for one lane: a place without lanes. */
static Place place_of_lane(PlaitNest *nest, const Place *place, LLVMValueRef lane)
{
    PlaitCpu *cpu = nest->cpu;
    PlaitEmit *emit = cpu->emit;
    LLVMBuilderRef builder = emit->builder;
    LLVMTypeRef i32 = plait_emit_type(emit, PLAIT_I32, 1);
    Place single = {.offset = place->offset, .inside = place->inside};
    for (uint32_t i = 0; i < place->index_count; i++) {
        const LaneIndex *index = &place->indices[i];
        LLVMValueRef at;
        if (index->spilled) at = load(emit, PLAIT_I32, 1, element(emit, PLAIT_I32, index->spilled, lane), 4);
        else {
            LLVMValueRef step = LLVMConstInt(i32, (unsigned long long)(long long)index->step, 1);
            at = LLVMBuildAdd(builder, index->first,
                              LLVMBuildMul(builder, LLVMBuildTrunc(builder, lane, i32, ""), step, ""), "");
        }
        at = LLVMBuildSExt(builder, at, cpu->i64, "");
        single.offset = LLVMBuildAdd(builder, single.offset, LLVMBuildMul(builder, at, index->stride, ""), "");
        single.inside = both(emit, single.inside, LLVMBuildICmp(builder, LLVMIntULT, at, index->extent, ""));
    }
    if (place->predicate)
        single.inside =
            both(emit, single.inside, load(emit, PLAIT_BOOL, 1, element(emit, PLAIT_BOOL, place->predicate, lane), 1));
    return single;
}

static LLVMValueRef address_of_lane(PlaitNest *nest, const PlaitCpuNode *access, const Place *place, LLVMValueRef lane)
{
    Place single = place_of_lane(nest, place, lane);
    return address_of(nest, access, &single, access->op == PLAIT_OP_STORE ? nest->cpu->dump : nest->cpu->zeros);
}

/* Whether lanes go in a loop: where vectors were possible and this is the other version, and where it runs once for a
 * program. */
static bool is_rolled(const PlaitNest *nest, PlaitCpuId id)
{
    return possible_row(nest, id) >= 0 || !nest->plan->region->parent;
}

static LLVMValueRef least_of(PlaitNest *nest, LLVMValueRef a, LLVMValueRef b)
{
    return plait_emit_select(nest->cpu->emit, LLVMBuildICmp(nest->cpu->emit->builder, LLVMIntSLT, a, b, ""), a, b);
}

/* The lanes from which to which an access of one index with step 1 is inside: a tile may be much larger than the axis.
 */
static Range lanes_inside(PlaitNest *nest, const Place *place, uint32_t valid)
{
    PlaitCpu *cpu = nest->cpu;
    LLVMBuilderRef builder = cpu->emit->builder;
    Range lanes = {plait_cpu_number(cpu, 0), plait_cpu_number(cpu, valid)};
    if (place->index_count != 1 || !place->indices[0].first || place->indices[0].step != 1) return lanes;
    LLVMValueRef first = LLVMBuildSExt(builder, place->indices[0].first, cpu->i64, "");
    LLVMValueRef below = LLVMBuildNeg(builder, least_of(nest, first, lanes.least), "");
    return (Range){below, least_of(nest, LLVMBuildSub(builder, place->indices[0].extent, first, ""), lanes.most)};
}

/* Moves lanes between the tensor and a row of memory, those that are inside. */
static void move_lanes(PlaitNest *nest, const PlaitCpuNode *access, const Place *place, LLVMValueRef row,
                       uint32_t valid)
{
    PlaitCpu *cpu = nest->cpu;
    bool stores = access->op == PLAIT_OP_STORE;
    PlaitScalar scalar = plait_cpu_node(cpu->kernel, access->operands[0])->scalar;
    uint32_t bytes = plait_scalar_bytes(scalar);
    Range lanes = lanes_inside(nest, place, valid);
    LLVMBasicBlockRef some = plait_cpu_block_add(cpu, "some"), after = plait_cpu_block_add(cpu, "moved");
    LLVMBuildCondBr(cpu->emit->builder, LLVMBuildICmp(cpu->emit->builder, LLVMIntSLT, lanes.least, lanes.most, ""),
                    some, after);
    LLVMPositionBuilderAtEnd(cpu->emit->builder, some);
    PlaitCpuLoop loop = plait_cpu_loop_begin(cpu, lanes.least);
    LLVMValueRef outside = address_of_lane(nest, access, place, loop.index),
                 inside = element(cpu->emit, scalar, row, loop.index);
    store(cpu->emit, scalar, 1, load(cpu->emit, scalar, 1, stores ? inside : outside, bytes), stores ? outside : inside,
          bytes);
    plait_cpu_loop_end(cpu, &loop, plait_cpu_number(cpu, 1), lanes.most);
    LLVMBuildBr(cpu->emit->builder, after);
    LLVMPositionBuilderAtEnd(cpu->emit->builder, after);
}

static LLVMValueRef load_lanes(PlaitNest *nest, PlaitCpuId id, const Place *place, uint32_t valid)
{
    PlaitEmit *emit = nest->cpu->emit;
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    LLVMValueRef result = LLVMConstNull(plait_emit_type(emit, node->scalar, nest->lanes)), row = spill_row(nest, 0);
    if (is_rolled(nest, id)) {
        store(emit, node->scalar, nest->lanes, result, row, 64);
        move_lanes(nest, node, place, row, valid);
        return load(emit, node->scalar, nest->lanes, row, 64);
    }
    for (uint32_t i = 0; i < valid; i++) {
        LLVMValueRef address = address_of_lane(nest, node, place, plait_cpu_number(nest->cpu, i));
        result = put(emit, result, load(emit, node->scalar, 1, address, plait_scalar_bytes(node->scalar)), i, 1);
    }
    return result;
}

static void store_lanes(PlaitNest *nest, PlaitCpuId id, const Place *place, PlaitScalar scalar, LLVMValueRef value,
                        uint32_t valid)
{
    PlaitEmit *emit = nest->cpu->emit;
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    if (is_rolled(nest, id)) {
        move_lanes(nest, node, place, spilled(nest, scalar, value, 0), valid);
        return;
    }
    for (uint32_t i = 0; i < valid; i++) {
        LLVMValueRef address = address_of_lane(nest, node, place, plait_cpu_number(nest->cpu, i));
        store(emit, scalar, 1, cut(emit, value, i, 1), address, plait_scalar_bytes(scalar));
    }
}

LLVMValueRef plait_nest_load(PlaitNest *nest, PlaitCpuId id, uint32_t instance)
{
    PlaitEmit *emit = nest->cpu->emit;
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    int32_t row = row_at(nest, id);
    uint32_t valid = plait_nest_lanes(nest, instance);
    Place place = place_of(nest, node, row, instance);
    if (row < 0 && differs_by_lane(nest, id)) return load_lanes(nest, id, &place, valid);
    LLVMValueRef address = address_of(nest, node, &place, nest->cpu->zeros);
    return row < 0 ? load(emit, node->scalar, 1, address, plait_scalar_bytes(node->scalar))
                   : load_row(nest, node->scalar, address, valid);
}

void plait_nest_store(PlaitNest *nest, PlaitCpuId id, uint32_t instance)
{
    PlaitEmit *emit = nest->cpu->emit;
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    int32_t row = row_at(nest, id);
    PlaitCpuId stored = node->operands[1 + tensor_rank(nest, node)];
    PlaitScalar scalar = plait_cpu_node(nest->cpu->kernel, stored)->scalar;
    uint32_t valid = plait_nest_lanes(nest, instance);
    LLVMValueRef value = plait_nest_operand(nest, stored, instance, node->space);
    Place place = place_of(nest, node, row, instance);
    if (row < 0 && place.index_count) {
        store_lanes(nest, id, &place, scalar, value, valid);
        return;
    }
    LLVMValueRef address = address_of(nest, node, &place, nest->cpu->dump);
    if (row < 0) store(emit, scalar, 1, value, address, plait_scalar_bytes(scalar));
    else store_row(nest, scalar, value, address, valid);
}

/* ---- buffers ---- */

static LLVMValueRef buffer_offset(PlaitNest *nest, const PlaitCpuBuffer *buffer, uint32_t instance)
{
    LLVMBuilderRef builder = nest->cpu->emit->builder;
    LLVMValueRef sum_of = plait_cpu_number(nest->cpu, 0);
    uint64_t fixed = 0;
    for (uint32_t i = 0; i < buffer->rank; i++)
        for (uint32_t k = 0; k < nest->loop_count; k++) {
            const PlaitNestLoop *loop = &nest->loops[k];
            if (loop->axis != buffer->axes[i]) continue;
            fixed += (uint64_t)plait_nest_digit(nest, instance, k) * loop->unit * buffer->strides[i];
            sum_of = LLVMBuildAdd(
                builder, sum_of,
                LLVMBuildMul(builder, loop->index, plait_cpu_number(nest->cpu, buffer->strides[i]), ""), "");
        }
    return LLVMBuildAdd(builder, sum_of, plait_cpu_number(nest->cpu, fixed), "");
}

/* The stride of the vector axis in a buffer: 1 if it is innermost, 0 if the buffer has it not. */
static uint32_t vector_stride(const PlaitNest *nest, const PlaitCpuBuffer *buffer)
{
    for (uint32_t i = 0; i < buffer->rank; i++)
        if (nest->vector_loop != UINT32_MAX && nest->loops[nest->vector_loop].axis == buffer->axes[i])
            return buffer->strides[i];
    return 0;
}

static uint32_t vector_alignment(PlaitScalar scalar, uint32_t lanes)
{
    uint32_t bytes = plait_scalar_bytes(scalar) * lanes;
    return bytes < 64 ? bytes : 64;
}

LLVMValueRef plait_nest_read_buffer(PlaitNest *nest, PlaitCpuId id, uint32_t instance)
{
    PlaitEmit *emit = nest->cpu->emit;
    uint32_t index = plait_cpu_node(nest->cpu->kernel, id)->buffer;
    if (!index) plait_bug("a value that no buffer holds");
    const PlaitCpuBuffer *buffer = &nest->cpu->kernel->buffers.data[index];
    uint32_t stride = vector_stride(nest, buffer), bytes = plait_scalar_bytes(buffer->scalar);
    LLVMValueRef address =
        element(emit, buffer->scalar, nest->cpu->buffers[index], buffer_offset(nest, buffer, instance));
    if (!stride || nest->lanes == 1) return load(emit, buffer->scalar, 1, address, bytes);
    if (stride == 1)
        return load(emit, buffer->scalar, nest->lanes, address, vector_alignment(buffer->scalar, nest->lanes));
    LLVMValueRef result = LLVMConstNull(plait_emit_type(emit, buffer->scalar, nest->lanes));
    for (uint32_t i = 0; i < plait_nest_lanes(nest, instance); i++) {
        LLVMValueRef at = element(emit, buffer->scalar, address, plait_cpu_number(nest->cpu, (uint64_t)i * stride));
        result = put(emit, result, load(emit, buffer->scalar, 1, at, bytes), i, 1);
    }
    return result;
}

void plait_nest_write_buffer(PlaitNest *nest, uint32_t index, LLVMValueRef value, uint32_t instance)
{
    PlaitEmit *emit = nest->cpu->emit;
    const PlaitCpuBuffer *buffer = &nest->cpu->kernel->buffers.data[index];
    uint32_t stride = vector_stride(nest, buffer), lanes = stride ? nest->lanes : 1;
    plait_assert(stride <= 1 || lanes == 1);
    LLVMValueRef address =
        element(emit, buffer->scalar, nest->cpu->buffers[index], buffer_offset(nest, buffer, instance));
    /* LLVM turns `p = c ? x : p` into a masked store, which is very slow on some machines without AVX-512; not through
     * a freeze. */
    if (LLVMIsASelectInst(value)) value = LLVMBuildFreeze(emit->builder, value, "");
    store(emit, buffer->scalar, lanes, value, address, vector_alignment(buffer->scalar, lanes));
}
