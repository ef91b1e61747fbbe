/* Slots and positions: which elements of a tile a thread holds, and where. See PlaitLayoutAxis in ir/ir.h. */
#include "codegen/ptx/ptx.h"

static PlaitPtxAxis axis_of(const PlaitFunction *kernel, const PlaitLayout *layout, PlaitAxis axis)
{
    PlaitPtxAxis result = {.axis = axis, .tile = kernel->axes.data[axis].tile, .lie = {.axis = axis}};
    if (result.tile == 0) plait_bug("axis %s has no tile size", plait_axis_text(kernel, axis));
    for (uint32_t i = 0; i < layout->count; i++)
        if (layout->axes[i].axis == axis) result.lie = layout->axes[i];
    uint32_t bits = 0, registers = 0;
    for (uint32_t i = 0; i < result.lie.count; i++) {
        bits += result.lie.parts[i].bits;
        if (result.lie.parts[i].thread == PLAIT_REGISTERS) registers += result.lie.parts[i].bits;
    }
    uint32_t turns = (result.tile + (1u << bits) - 1) >> bits;
    result.vec = plait_layout_vector(&result.lie);
    result.threads = plait_layout_threads(&result.lie);
    result.slots = turns << registers;
    result.padded = turns << bits;
    return result;
}

PlaitPtxShape plait_ptx_shape(const PlaitFunction *kernel, PlaitType type)
{
    PlaitPtxShape shape = {.rank = type.rank, .slots = 1};
    for (uint32_t i = 0; i < type.rank; i++) {
        shape.axes[i] = axis_of(kernel, &kernel->layouts.data[type.layout], type.axes[i]);
        shape.slots *= shape.axes[i].slots;
    }
    return shape;
}

const PlaitPtxShape *plait_ptx_shape_of(PlaitPtx *ptx, PlaitValue value)
{
    if (!ptx->shapes[value]) {
        PlaitPtxShape shape = plait_ptx_shape(ptx->kernel, plait_type_of(ptx->kernel, value));
        ptx->shapes[value] = plait_arena_copy(ptx->emit->arena, &shape, sizeof shape);
    }
    return ptx->shapes[value];
}

const PlaitPtxAxis *plait_ptx_axis(const PlaitPtxShape *shape, PlaitAxis axis)
{
    for (uint32_t i = 0; i < shape->rank; i++)
        if (shape->axes[i].axis == axis) return &shape->axes[i];
    return NULL;
}

uint32_t plait_ptx_axis_slot(const PlaitPtxShape *shape, uint32_t slot, uint32_t index)
{
    for (uint32_t i = shape->rank; i-- > index + 1;) slot /= shape->axes[i].slots;
    return slot % shape->axes[index].slots;
}

static bool same_parts(const PlaitLayoutAxis *a, const PlaitLayoutAxis *b)
{
    if (a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->parts[i].thread != b->parts[i].thread || a->parts[i].bits != b->parts[i].bits) return false;
    return true;
}

bool plait_ptx_same_lie(const PlaitPtxAxis *a, const PlaitPtxAxis *b) { return same_parts(&a->lie, &b->lie); }

uint32_t plait_ptx_project(const PlaitPtxShape *shape, uint32_t slot, const PlaitPtxShape *inner)
{
    uint32_t result = 0;
    for (uint32_t i = 0; i < inner->rank; i++) {
        uint32_t at = 0;
        while (at < shape->rank && shape->axes[at].axis != inner->axes[i].axis) at++;
        if (at == shape->rank || !plait_ptx_same_lie(&shape->axes[at], &inner->axes[i]))
            plait_bug("an operand lies over the threads in another way than the result");
        result = result * inner->axes[i].slots + plait_ptx_axis_slot(shape, slot, at);
    }
    return result;
}

uint32_t plait_ptx_static_position(const PlaitPtxAxis *axis, uint32_t axis_slot)
{
    uint32_t position = 0, shift = 0;
    for (uint32_t i = 0; i < axis->lie.count; i++) {
        PlaitLayoutPart part = axis->lie.parts[i];
        if (part.thread == PLAIT_REGISTERS) {
            position |= (axis_slot & ((1u << part.bits) - 1)) << shift;
            axis_slot >>= part.bits;
        }
        shift += part.bits;
    }
    return position | axis_slot << shift;
}

LLVMValueRef plait_ptx_thread_bits(PlaitPtx *ptx, uint32_t first, uint32_t bits, uint32_t shift)
{
    LLVMValueRef value = LLVMBuildLShr(ptx->entry, ptx->thread, plait_ptx_int32(ptx, first), "");
    value = LLVMBuildAnd(ptx->entry, value, plait_ptx_int32(ptx, (1u << bits) - 1), "");
    return LLVMBuildMul(ptx->entry, value, plait_ptx_int32(ptx, 1u << shift), "");
}

LLVMValueRef plait_ptx_field(PlaitPtx *ptx, const PlaitPtxAxis *axis)
{
    if (axis->threads == 0) return NULL;
    for (uint32_t i = 0; i < ptx->fields.count; i++)
        if (same_parts(&ptx->fields.data[i].lie, &axis->lie)) return ptx->fields.data[i].value;
    LLVMValueRef value = NULL;
    uint32_t shift = 0;
    for (uint32_t i = 0; i < axis->lie.count; i++) {
        PlaitLayoutPart part = axis->lie.parts[i];
        if (part.thread != PLAIT_REGISTERS && part.bits > 0) {
            LLVMValueRef bits = plait_ptx_thread_bits(ptx, part.thread, part.bits, shift);
            value = value ? LLVMBuildAdd(ptx->entry, value, bits, "") : bits;
        }
        shift += part.bits;
    }
    plait_push(ptx->emit->arena, &ptx->fields, (PlaitPtxField){axis->lie, value});
    return value;
}

/* The largest value of the field. */
static uint32_t field_most(const PlaitPtxAxis *axis)
{
    uint32_t most = 0, shift = 0;
    for (uint32_t i = 0; i < axis->lie.count; i++) {
        if (axis->lie.parts[i].thread != PLAIT_REGISTERS) most |= ((1u << axis->lie.parts[i].bits) - 1) << shift;
        shift += axis->lie.parts[i].bits;
    }
    return most;
}

LLVMValueRef plait_ptx_position(PlaitPtx *ptx, const PlaitPtxAxis *axis, uint32_t axis_slot)
{
    LLVMValueRef part = plait_ptx_int32(ptx, plait_ptx_static_position(axis, axis_slot)),
                 field = plait_ptx_field(ptx, axis);
    return field ? LLVMBuildAdd(ptx->emit->builder, field, part, "") : part;
}

LLVMValueRef plait_ptx_axis_valid(PlaitPtx *ptx, const PlaitPtxAxis *axis, uint32_t axis_slot)
{
    uint32_t least = plait_ptx_static_position(axis, axis_slot);
    uint32_t most = least + field_most(axis);
    if (most < axis->tile) return NULL;
    if (least >= axis->tile) return LLVMConstInt(LLVMInt1TypeInContext(ptx->emit->context), 0, 0);
    return LLVMBuildICmp(ptx->emit->builder, LLVMIntULT, plait_ptx_field(ptx, axis),
                         plait_ptx_int32(ptx, axis->tile - least), "");
}

LLVMValueRef plait_ptx_both(PlaitPtx *ptx, LLVMValueRef a, LLVMValueRef b)
{
    if (!a || (b && LLVMIsConstant(b) && LLVMIsNull(b))) return b;
    if (!b || (LLVMIsConstant(a) && LLVMIsNull(a))) return a;
    return LLVMBuildAnd(ptx->emit->builder, a, b, "");
}

LLVMValueRef plait_ptx_valid(PlaitPtx *ptx, const PlaitPtxShape *shape, uint32_t slot)
{
    LLVMValueRef valid = NULL;
    for (uint32_t i = 0; i < shape->rank; i++)
        valid =
            plait_ptx_both(ptx, valid, plait_ptx_axis_valid(ptx, &shape->axes[i], plait_ptx_axis_slot(shape, slot, i)));
    return valid;
}

LLVMValueRef plait_ptx_first_copy(PlaitPtx *ptx, const PlaitPtxShape *shape)
{
    uint32_t copies = ptx->kernel->threads - 1;
    for (uint32_t i = 0; i < shape->rank; i++) copies &= ~shape->axes[i].threads;
    if (copies == 0) return NULL;
    LLVMValueRef rest = LLVMBuildAnd(ptx->entry, ptx->thread, plait_ptx_int32(ptx, copies), "");
    return LLVMBuildICmp(ptx->entry, LLVMIntEQ, rest, plait_ptx_int32(ptx, 0), "");
}

LLVMValueRef plait_ptx_operand(PlaitPtx *ptx, PlaitValue value, const PlaitPtxShape *shape, uint32_t slot)
{
    LLVMValueRef *slots = ptx->values[value];
    plait_assert(slots != NULL);
    return slots[plait_ptx_project(shape, slot, plait_ptx_shape_of(ptx, value))];
}
