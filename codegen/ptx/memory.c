/* Loads and stores of tiles in global memory.
 *
 * The address of an element is the sum over the tensor's axes of index * stride. For a unit index (iota plus scalars)
 * the sum is split into a part of the whole tile, a part of the thread and a constant of the slot, so that in the wide
 * version, where the last stride is known to be 1, a slot is an immediate offset of one address register; and there
 * neighbouring slots go in one instruction. Whether the wide version may run is decided once, when the kernel starts.
 */
#include "codegen/ptx/access.h"

/* What the slots of one access share. */
typedef struct Addresses {
    const PlaitPtxAccess *access;
    const PlaitPtxShape *shape;
    LLVMValueRef base;                    /* i64, of slot 0's thread part */
    LLVMValueRef strides[PLAIT_MAX_RANK]; /* i64, in bytes */
    LLVMValueRef starts[PLAIT_MAX_RANK];  /* unit indices: i32, position of the thread's first element; NULL: 0 */
} Addresses;

static LLVMValueRef int64(const PlaitPtx *ptx, int64_t value)
{
    return LLVMConstInt(LLVMInt64TypeInContext(ptx->emit->context), (unsigned long long)value, 1);
}

LLVMValueRef plait_ptx_extent(PlaitPtx *ptx, PlaitAxis axis)
{
    int64_t size = ptx->kernel->axes.data[axis].size;
    if (size != PLAIT_RUNTIME_SIZE) return plait_ptx_int32(ptx, (uint32_t)size);
    return LLVMBuildTrunc(ptx->entry, ptx->arguments[ptx->slots.axis_slot[axis]],
                          LLVMInt32TypeInContext(ptx->emit->context), "");
}

uint32_t plait_ptx_tensor_slot(const PlaitPtx *ptx, PlaitValue tensor)
{
    for (uint32_t i = 0; i < ptx->slots.tensor_count; i++)
        if (ptx->slots.tensors[i] == tensor) return ptx->slots.tensor_slot[i];
    plait_bug("a tensor that is not the kernel's");
}

/* In 64 bits; NULL is 0. */
static LLVMValueRef times(PlaitPtx *ptx, LLVMValueRef index, LLVMValueRef stride)
{
    LLVMValueRef wide = LLVMBuildSExt(ptx->emit->builder, index, LLVMInt64TypeInContext(ptx->emit->context), "");
    return LLVMBuildMul(ptx->emit->builder, wide, stride, "");
}

LLVMValueRef plait_ptx_unit_start(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    LLVMBuilderRef b = ptx->emit->builder;
    if (inst->op == PLAIT_OP_IOTA) return inst->operand_count ? ptx->values[inst->operands[0]][0] : NULL;
    bool swapped = plait_type_of(ptx->kernel, inst->operands[0]).rank == 0;
    LLVMValueRef scalar = ptx->values[inst->operands[swapped ? 0 : 1]][0];
    LLVMValueRef rest = plait_ptx_unit_start(ptx, inst->operands[swapped ? 1 : 0]);
    if (inst->op == PLAIT_OP_SUB) return rest ? LLVMBuildSub(b, rest, scalar, "") : LLVMBuildNeg(b, scalar, "");
    return rest ? LLVMBuildAdd(b, rest, scalar, "") : scalar;
}

static Addresses addresses_of(PlaitPtx *ptx, const PlaitPtxAccess *access, const PlaitPtxShape *shape)
{
    LLVMBuilderRef b = ptx->emit->builder;
    Addresses addresses = {.access = access, .shape = shape};
    uint32_t slot = plait_ptx_tensor_slot(ptx, access->tensor), bytes = plait_scalar_bytes(access->scalar);
    addresses.base = ptx->arguments[slot];
    for (uint32_t i = 0; i < access->rank; i++) {
        const PlaitPtxIndex *index = &access->indices[i];
        bool contiguous = ptx->wide && i + 1 == access->rank && index->unit != PLAIT_NO_AXIS;
        int64_t known = contiguous ? 1 : access->strides[i];
        addresses.strides[i] = known > 0
                                   ? int64(ptx, known * (int64_t)bytes)
                                   : LLVMBuildMul(ptx->entry, ptx->arguments[slot + 1 + i], int64(ptx, bytes), "");
        if (index->unit == PLAIT_NO_AXIS) continue;
        LLVMValueRef field = plait_ptx_field(ptx, plait_ptx_axis(shape, index->unit));
        if (field) addresses.base = LLVMBuildAdd(b, addresses.base, times(ptx, field, addresses.strides[i]), "");
        addresses.starts[i] = field;
    }
    for (uint32_t i = 0; i < access->rank; i++) {
        const PlaitPtxIndex *index = &access->indices[i];
        bool scalar = plait_type_of(ptx->kernel, index->value).rank == 0;
        if (index->unit == PLAIT_NO_AXIS && !scalar) continue;
        LLVMValueRef start = scalar ? ptx->values[index->value][0] : plait_ptx_unit_start(ptx, index->value);
        if (!start) continue;
        addresses.base = LLVMBuildAdd(b, addresses.base, times(ptx, start, addresses.strides[i]), "");
        if (addresses.starts[i]) start = LLVMBuildAdd(b, addresses.starts[i], start, "");
        addresses.starts[i] = start;
    }
    return addresses;
}

static uint32_t slot_along(const PlaitPtxShape *shape, uint32_t slot, PlaitAxis axis)
{
    uint32_t at = (uint32_t)(plait_ptx_axis(shape, axis) - shape->axes);
    return plait_ptx_axis_slot(shape, slot, at);
}

static bool is_tile(const PlaitPtx *ptx, PlaitValue value) { return plait_type_of(ptx->kernel, value).rank > 0; }

static LLVMValueRef address_of(PlaitPtx *ptx, const Addresses *addresses, uint32_t slot)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef address = addresses->base;
    for (uint32_t i = 0; i < addresses->access->rank; i++) {
        const PlaitPtxIndex *index = &addresses->access->indices[i];
        LLVMValueRef offset;
        if (index->unit != PLAIT_NO_AXIS) {
            const PlaitPtxAxis *axis = plait_ptx_axis(addresses->shape, index->unit);
            uint32_t position = plait_ptx_static_position(axis, slot_along(addresses->shape, slot, index->unit));
            if (position == 0) continue;
            offset = LLVMBuildMul(b, addresses->strides[i], int64(ptx, position), "");
        } else if (is_tile(ptx, index->value)) {
            offset = times(ptx, plait_ptx_operand(ptx, index->value, addresses->shape, slot), addresses->strides[i]);
        } else {
            continue;
        }
        address = LLVMBuildAdd(b, address, offset, "");
    }
    return address;
}

/* Whether index `i` is inside of the tensor at `slot`: i1, or NULL when it always is (for slots that are no surplus).
 */
static LLVMValueRef inside(PlaitPtx *ptx, const Addresses *addresses, uint32_t i, uint32_t slot)
{
    const PlaitPtxIndex *index = &addresses->access->indices[i];
    if (index->inside) return NULL;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef position;
    if (index->unit != PLAIT_NO_AXIS) {
        const PlaitPtxAxis *axis = plait_ptx_axis(addresses->shape, index->unit);
        position =
            plait_ptx_int32(ptx, plait_ptx_static_position(axis, slot_along(addresses->shape, slot, index->unit)));
        if (addresses->starts[i]) position = LLVMBuildAdd(b, addresses->starts[i], position, "");
    } else {
        position = plait_ptx_operand(ptx, index->value, addresses->shape, slot);
    }
    return LLVMBuildICmp(b, LLVMIntULT, position, plait_ptx_extent(ptx, index->along), "");
}

static LLVMValueRef predicate_of(PlaitPtx *ptx, const Addresses *addresses, uint32_t slot, bool store)
{
    LLVMValueRef predicate = NULL;
    for (uint32_t i = 0; i < addresses->access->rank; i++)
        predicate = plait_ptx_both(ptx, predicate, inside(ptx, addresses, i, slot));
    for (uint32_t i = 0; i < addresses->shape->rank; i++) {
        const PlaitPtxAxis *axis = &addresses->shape->axes[i];
        bool needed = store;
        for (uint32_t k = 0; k < addresses->access->rank; k++) {
            const PlaitPtxIndex *index = &addresses->access->indices[k];
            needed |= index->inside && is_tile(ptx, index->value) &&
                      plait_type_has(plait_type_of(ptx->kernel, index->value), axis->axis);
        }
        if (needed)
            predicate = plait_ptx_both(ptx, predicate,
                                       plait_ptx_axis_valid(ptx, axis, plait_ptx_axis_slot(addresses->shape, slot, i)));
    }
    return predicate;
}

/* Calls for each instruction: its first slot; the others follow at `step`. */
typedef struct Group {
    uint32_t vec, step; /* slots of one instruction: slot, slot + step, .. */
    uint32_t axis;      /* position in the shape */
} Group;

static Group group_of(const PlaitPtx *ptx, const PlaitPtxAccess *access, const PlaitPtxShape *shape)
{
    Group group = {1, 1, 0};
    if (!(ptx->wide || access->sure) || access->vec == 1) return group;
    group.vec = access->vec;
    group.axis = (uint32_t)(plait_ptx_axis(shape, plait_ptx_last(access)->unit) - shape->axes);
    for (uint32_t i = group.axis + 1; i < shape->rank; i++) group.step *= shape->axes[i].slots;
    return group;
}

static bool starts_group(const PlaitPtxShape *shape, const Group *group, uint32_t slot)
{
    return group->vec == 1 || plait_ptx_axis_slot(shape, slot, group->axis) % group->vec == 0;
}

/* Other threads of the block may have written what this one reads, or still read what it writes. */
static void order_with_others(PlaitPtx *ptx, PlaitValue tensor)
{
    if (plait_ptx_is_ordered(ptx, tensor)) plait_ptx_barrier(ptx);
}

enum { MOST_VEC = 16 };

/* Whether a load is made for the next turn of its loop. It must stay where it is: LLVM would sink it to the turn's end,
 * where its register is copied, and every turn would wait for memory. */
static bool is_ahead(const PlaitPtx *ptx, PlaitValue value)
{
    const PlaitRegion *region = plait_inst(ptx->kernel, value)->region;
    for (uint32_t i = 0; i < region->yields.count; i++)
        if (region->yields.data[i] == value) return true;
    return false;
}

static void load_slots(PlaitPtx *ptx, PlaitValue value, LLVMValueRef *slots)
{
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    PlaitPtxAccess access = plait_ptx_access(ptx->kernel, value);
    LLVMValueRef loaded[MOST_VEC];
    bool constant = !(ptx->tensor_use[access.tensor] & PLAIT_PTX_STORED) && !is_ahead(ptx, value);
    Addresses addresses = addresses_of(ptx, &access, shape);
    Group group = group_of(ptx, &access, shape);
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        if (!starts_group(shape, &group, slot)) continue;
        LLVMValueRef predicate = predicate_of(ptx, &addresses, slot, false);
        plait_ptx_load(ptx, access.scalar, group.vec, address_of(ptx, &addresses, slot), predicate, constant, loaded);
        for (uint32_t i = 0; i < group.vec; i++) slots[slot + i * group.step] = loaded[i];
    }
}

/* An access written twice under the condition that tells the versions apart. */
typedef struct Fork {
    LLVMBasicBlockRef blocks[2], after; /* contiguous; any */
    LLVMBasicBlockRef ends[2];
} Fork;

static void fork_begin(PlaitPtx *ptx, Fork *fork)
{
    PlaitEmit *emit = ptx->emit;
    for (uint32_t i = 0; i < 2; i++)
        fork->blocks[i] = LLVMAppendBasicBlockInContext(emit->context, emit->function, i ? "any" : "wide");
    fork->after = LLVMAppendBasicBlockInContext(emit->context, emit->function, "");
    LLVMBuildCondBr(emit->builder, ptx->either, fork->blocks[0], fork->blocks[1]);
}

static void fork_side(PlaitPtx *ptx, const Fork *fork, uint32_t side)
{
    LLVMPositionBuilderAtEnd(ptx->emit->builder, fork->blocks[side]);
    ptx->wide = side == 0;
}

static void fork_side_end(PlaitPtx *ptx, Fork *fork, uint32_t side)
{
    fork->ends[side] = LLVMGetInsertBlock(ptx->emit->builder);
    LLVMBuildBr(ptx->emit->builder, fork->after);
    if (side == 1) LLVMPositionBuilderAtEnd(ptx->emit->builder, fork->after);
}

void plait_ptx_emit_load(PlaitPtx *ptx, PlaitValue value)
{
    uint32_t count = plait_ptx_shape_of(ptx, value)->slots;
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, count), *sides[2];
    PlaitPtxAccess access = plait_ptx_access(ptx->kernel, value);
    order_with_others(ptx, access.tensor);
    if (!ptx->either || access.sure) {
        load_slots(ptx, value, slots);
        return;
    }
    Fork fork;
    fork_begin(ptx, &fork);
    for (uint32_t side = 0; side < 2; side++) {
        fork_side(ptx, &fork, side);
        sides[side] = PLAIT_NEW_ARRAY(ptx->emit->arena, LLVMValueRef, count);
        load_slots(ptx, value, sides[side]);
        fork_side_end(ptx, &fork, side);
    }
    for (uint32_t slot = 0; slot < count; slot++) {
        slots[slot] = LLVMBuildPhi(ptx->emit->builder, LLVMTypeOf(sides[0][slot]), "");
        LLVMAddIncoming(slots[slot], (LLVMValueRef[]){sides[0][slot], sides[1][slot]}, fork.ends, 2);
    }
}

/* The predicate operand, where an instruction stores several slots: only when they all agree, which nobody knows. */
static bool is_predicated(const PlaitFunction *kernel, PlaitValue store)
{
    return plait_inst(kernel, store)->ints[0] == 1;
}

static void store_slots(PlaitPtx *ptx, PlaitValue value)
{
    PlaitPtxAccess access = plait_ptx_access(ptx->kernel, value);
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    PlaitValue source = inst->operands[1 + access.rank];
    bool predicated = is_predicated(ptx->kernel, value);
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, source);
    LLVMValueRef stored[MOST_VEC], first = plait_ptx_first_copy(ptx, shape);
    Addresses addresses = addresses_of(ptx, &access, shape);
    Group group = group_of(ptx, &access, shape);
    if (predicated) group.vec = 1;
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        if (!starts_group(shape, &group, slot)) continue;
        LLVMValueRef predicate = plait_ptx_both(ptx, first, predicate_of(ptx, &addresses, slot, true));
        if (predicated)
            predicate =
                plait_ptx_both(ptx, predicate, plait_ptx_operand(ptx, inst->operands[2 + access.rank], shape, slot));
        for (uint32_t i = 0; i < group.vec; i++) stored[i] = ptx->values[source][slot + i * group.step];
        plait_ptx_store(ptx, access.scalar, group.vec, address_of(ptx, &addresses, slot), predicate, stored);
    }
}

void plait_ptx_emit_store(PlaitPtx *ptx, PlaitValue value)
{
    PlaitPtxAccess access = plait_ptx_access(ptx->kernel, value);
    order_with_others(ptx, access.tensor);
    if (!ptx->either || access.sure) {
        store_slots(ptx, value);
        return;
    }
    Fork fork;
    fork_begin(ptx, &fork);
    for (uint32_t side = 0; side < 2; side++) {
        fork_side(ptx, &fork, side);
        store_slots(ptx, value);
        fork_side_end(ptx, &fork, side);
    }
}
