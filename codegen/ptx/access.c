/* Reads off a load or store what decides its instructions: unit indices, known bounds, and how wide it may be. */
#include "codegen/ptx/access.h"

enum { FETCHED_BYTES = 16 };

/* Follows sums with scalars down to an iota. */
static void find_unit(const PlaitFunction *kernel, PlaitValue value, PlaitPtxIndex *index)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    PlaitValue tile = inst->operand_count ? inst->operands[0] : 0, scalar = 0;
    if (inst->op == PLAIT_OP_IOTA) {
        index->unit = inst->axes[0];
        scalar = tile;
    } else if (inst->op == PLAIT_OP_ADD || inst->op == PLAIT_OP_SUB) {
        scalar = inst->operands[1];
        if (inst->op == PLAIT_OP_ADD && plait_type_of(kernel, tile).rank == 0) {
            scalar = tile;
            tile = inst->operands[1];
        }
        if (plait_type_of(kernel, scalar).rank == 0 && plait_type_of(kernel, tile).rank == 1)
            find_unit(kernel, tile, index);
    }
    if (index->unit == PLAIT_NO_AXIS || !scalar) return;
    PlaitPtxFacts facts = plait_ptx_facts(kernel, scalar);
    if (facts.multiple < index->multiple) index->multiple = facts.multiple;
}

/* Elements that may be moved at once along the last axis of the tensor, if memory turns out to be contiguous there. */
static uint32_t width_of(const PlaitFunction *kernel, const PlaitPtxAccess *access)
{
    if (access->rank == 0 || plait_ptx_last(access)->unit == PLAIT_NO_AXIS) return 1;
    const PlaitPtxIndex *last = plait_ptx_last(access);
    PlaitPtxShape shape = plait_ptx_shape(kernel, access->type);
    const PlaitPtxAxis *axis = plait_ptx_axis(&shape, last->unit);
    for (uint32_t i = 0; i + 1 < access->rank; i++)
        if (plait_type_has(plait_type_of(kernel, access->indices[i].value), last->unit)) return 1;
    int64_t size = kernel->axes.data[last->along].size;
    uint32_t vec = 16 / plait_scalar_bytes(access->scalar);
    if (access->scalar == PLAIT_BOOL) vec = 1;
    while (vec > 1 && (axis->vec % vec || axis->tile % vec || last->multiple % vec || (size > 0 && size % vec)))
        vec /= 2;
    return vec;
}

/* The runtime begins workspaces at multiples of 256 bytes. */
static void find_strides(const PlaitFunction *kernel, PlaitPtxAccess *access)
{
    int64_t stride = 1;
    bool compact = plait_is_workspace(kernel, access->tensor);
    for (uint32_t i = access->rank; i-- > 0 && compact && stride > 0;) {
        int64_t size = kernel->axes.data[access->indices[i].along].size;
        access->strides[i] = stride;
        stride = size > 0 && size < INT32_MAX / stride ? stride * size : 0;
    }
    access->sure = compact && access->rank > 0 && plait_ptx_last(access)->unit != PLAIT_NO_AXIS &&
                   (access->vec == 1 || kernel->axes.data[plait_ptx_last(access)->along].size > 0);
}

PlaitPtxAccess plait_ptx_access(const PlaitFunction *kernel, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    PlaitType tensor = plait_type_of(kernel, inst->operands[0]);
    PlaitPtxAccess access = {
        .value = value, .tensor = inst->operands[0], .rank = tensor.rank, .scalar = (PlaitScalar)tensor.scalar};
    access.type = inst->op == PLAIT_OP_STORE ? plait_type_of(kernel, inst->operands[1 + tensor.rank]) : inst->type;
    for (uint32_t i = 0; i < tensor.rank; i++) {
        PlaitPtxIndex *index = &access.indices[i];
        *index = (PlaitPtxIndex){inst->operands[1 + i], tensor.axes[i], PLAIT_NO_AXIS, UINT64_C(1) << 31, false};
        index->inside = plait_ptx_is_inside(kernel, index->value, index->along);
        if (plait_type_of(kernel, index->value).rank == 1) find_unit(kernel, index->value, index);
    }
    access.vec = width_of(kernel, &access);
    access.bytes = plait_ptx_is_fetched(kernel, value) ? FETCHED_BYTES : access.vec * plait_scalar_bytes(access.scalar);
    find_strides(kernel, &access);
    return access;
}
