/* Slots and positions: which elements of a tile a thread holds, and where. See PlaitLayoutAxis in ir/ir.h. */
#include "codegen/ptx/ptx.h"

static PlaitPtxAxis axis_of(const PlaitFunction *kernel, const PlaitLayout *layout, PlaitAxis axis)
{
    PlaitPtxAxis result = {.axis = axis, .tile = kernel->axes.data[axis].tile, .vec = 1};
    if (result.tile == 0) plait_bug("axis %s has no tile size", plait_axis_text(kernel, axis));
    for (uint32_t i = 0; i < layout->count; i++) {
        if (layout->axes[i].axis != axis) continue;
        result.bit = layout->axes[i].bit;
        result.bits = layout->axes[i].bits;
        result.vec = layout->axes[i].vec;
    }
    uint32_t span = result.vec << result.bits;
    result.slots = (result.tile + span - 1) / span * result.vec;
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

static bool same_lie(const PlaitPtxAxis *a, const PlaitPtxAxis *b)
{
    return a->bits == b->bits && a->vec == b->vec && (a->bits == 0 || a->bit == b->bit);
}

uint32_t plait_ptx_project(const PlaitPtxShape *shape, uint32_t slot, const PlaitPtxShape *inner)
{
    uint32_t result = 0;
    for (uint32_t i = 0; i < inner->rank; i++) {
        uint32_t at = 0;
        while (at < shape->rank && shape->axes[at].axis != inner->axes[i].axis) at++;
        if (at == shape->rank || !same_lie(&shape->axes[at], &inner->axes[i]))
            plait_bug("an operand lies over the threads in another way than the result");
        result = result * inner->axes[i].slots + plait_ptx_axis_slot(shape, slot, at);
    }
    return result;
}

uint32_t plait_ptx_static_position(const PlaitPtxAxis *axis, uint32_t axis_slot)
{
    return axis_slot / axis->vec * (axis->vec << axis->bits) + axis_slot % axis->vec;
}

uint32_t plait_ptx_padded(const PlaitPtxAxis *axis) { return axis->slots << axis->bits; }

static LLVMValueRef number(const PlaitPtx *ptx, uint32_t value)
{
    return LLVMConstInt(LLVMInt32TypeInContext(ptx->emit->context), value, 0);
}

LLVMValueRef plait_ptx_field(PlaitPtx *ptx, const PlaitPtxAxis *axis)
{
    if (axis->bits == 0) return NULL;
    for (uint32_t i = 0; i < ptx->fields.count; i++) {
        const PlaitPtxField *have = &ptx->fields.data[i];
        if (have->bit == axis->bit && have->bits == axis->bits && have->vec == axis->vec) return have->value;
    }
    LLVMValueRef value = LLVMBuildLShr(ptx->entry, ptx->thread, number(ptx, axis->bit), "");
    value = LLVMBuildAnd(ptx->entry, value, number(ptx, (1u << axis->bits) - 1), "");
    value = LLVMBuildMul(ptx->entry, value, number(ptx, axis->vec), "");
    plait_push(ptx->emit->arena, &ptx->fields, (PlaitPtxField){axis->bit, axis->bits, axis->vec, value});
    return value;
}

LLVMValueRef plait_ptx_position(PlaitPtx *ptx, const PlaitPtxAxis *axis, uint32_t axis_slot)
{
    LLVMValueRef part = number(ptx, plait_ptx_static_position(axis, axis_slot)), field = plait_ptx_field(ptx, axis);
    return field ? LLVMBuildAdd(ptx->emit->builder, field, part, "") : part;
}

LLVMValueRef plait_ptx_axis_valid(PlaitPtx *ptx, const PlaitPtxAxis *axis, uint32_t axis_slot)
{
    uint32_t least = plait_ptx_static_position(axis, axis_slot);
    uint32_t most = least + (axis->vec << axis->bits) - axis->vec;
    if (most < axis->tile) return NULL;
    if (least >= axis->tile) return LLVMConstInt(LLVMInt1TypeInContext(ptx->emit->context), 0, 0);
    return LLVMBuildICmp(ptx->emit->builder, LLVMIntULT, plait_ptx_field(ptx, axis), number(ptx, axis->tile - least),
                         "");
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
    for (uint32_t i = 0; i < shape->rank; i++) copies &= ~(((1u << shape->axes[i].bits) - 1) << shape->axes[i].bit);
    if (copies == 0) return NULL;
    LLVMValueRef rest = LLVMBuildAnd(ptx->entry, ptx->thread, number(ptx, copies), "");
    return LLVMBuildICmp(ptx->entry, LLVMIntEQ, rest, number(ptx, 0), "");
}

LLVMValueRef plait_ptx_operand(PlaitPtx *ptx, PlaitValue value, const PlaitPtxShape *shape, uint32_t slot)
{
    LLVMValueRef *slots = ptx->values[value];
    plait_assert(slots != NULL);
    return slots[plait_ptx_project(shape, slot, plait_ptx_shape_of(ptx, value))];
}
