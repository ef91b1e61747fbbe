/* Conversion between layouts, through shared memory: every element is written once, each thread reads what it needs. */
#include "codegen/ptx/maps.h"

enum { VECTOR_BYTES = 16 };

/* Elements between the rows of the array, beyond what they have: lanes along different rows are to meet other banks. */
static uint32_t padding_of(PlaitScalar scalar) { return VECTOR_BYTES / plait_scalar_bytes(scalar); }

/* Elements of the array, padded as `reader` is, so that surplus positions stay inside of it, from axis `from` of that
 * on. */
static uint32_t elements_from(const PlaitPtxShape *reader, PlaitScalar scalar, uint32_t from)
{
    uint32_t elements = 1;
    for (uint32_t i = from; i < reader->rank; i++) {
        bool in_rows = i > 0 && i + 1 == reader->rank;
        elements *= reader->axes[i].padded + (in_rows ? padding_of(scalar) : 0);
    }
    return elements;
}

/* Elements from one position of axis `index` of `shape` to the next. Both have the same axes. */
static uint32_t pitch_of(const PlaitPtxShape *shape, uint32_t index, const PlaitPtxShape *reader, PlaitScalar scalar)
{
    uint32_t at = 0;
    while (reader->axes[at].axis != shape->axes[index].axis) at++;
    return elements_from(reader, scalar, at + 1);
}

uint32_t plait_ptx_convert_bytes(const PlaitFunction *kernel, PlaitValue value)
{
    PlaitType type = plait_type_of(kernel, value);
    PlaitPtxShape shape = plait_ptx_shape(kernel, type);
    if (plait_op_of(kernel, plait_inst(kernel, value)->operands[0]) == PLAIT_OP_COPY) return 0;
    PlaitScalar scalar = (PlaitScalar)type.scalar;
    return elements_from(&shape, scalar, 0) * plait_scalar_bytes(scalar);
}

typedef struct Place {
    LLVMValueRef element; /* i32, this thread's part; NULL: 0 */
    uint32_t fixed;
} Place;

static Place place_of(PlaitPtx *ptx, const PlaitPtxShape *shape, uint32_t slot, const PlaitPtxShape *reader,
                      PlaitScalar scalar)
{
    LLVMBuilderRef b = ptx->emit->builder;
    Place place = {NULL, 0};
    for (uint32_t i = 0; i < shape->rank; i++) {
        uint32_t pitch = pitch_of(shape, i, reader, scalar);
        place.fixed += pitch * plait_ptx_static_position(&shape->axes[i], plait_ptx_axis_slot(shape, slot, i));
        LLVMValueRef field = plait_ptx_field(ptx, &shape->axes[i]);
        if (!field) continue;
        field = LLVMBuildMul(b, field, LLVMConstInt(LLVMTypeOf(field), pitch, 0), "");
        place.element = place.element ? LLVMBuildAdd(b, place.element, field, "") : field;
    }
    return place;
}

/* Neighbours that a thread reads at once: along the last axis, whose slots are neighbours too. */
static uint32_t vector_of(const PlaitPtxShape *shape, PlaitScalar scalar)
{
    const PlaitPtxAxis *last = &shape->axes[shape->rank - 1];
    uint32_t vec = last->vec;
    while (vec * plait_scalar_bytes(scalar) > VECTOR_BYTES || last->padded % vec) vec /= 2;
    return vec;
}

/* A tile that was fetched; where there was no room for it, it is loaded where it is first read, and again in loops. */
static void emit_fetched(PlaitPtx *ptx, PlaitValue value, PlaitValue copy)
{
    if (ptx->kept_at[copy] || ptx->maps) {
        plait_ptx_read_fetched(ptx, value, copy);
        return;
    }
    bool nested = plait_inst(ptx->kernel, value)->region != ptx->kernel->body;
    LLVMValueRef *before = ptx->values[copy];
    if (nested || !before) plait_ptx_emit_load(ptx, copy);
    ptx->values[value] = ptx->values[copy];
    if (nested) ptx->values[copy] = before;
}

void plait_ptx_emit_convert(PlaitPtx *ptx, PlaitValue value)
{
    PlaitValue source = plait_inst(ptx->kernel, value)->operands[0];
    if (plait_op_of(ptx->kernel, source) == PLAIT_OP_COPY) {
        emit_fetched(ptx, value, source);
        return;
    }
    const PlaitPtxShape *from = plait_ptx_shape_of(ptx, source), *to = plait_ptx_shape_of(ptx, value);
    PlaitScalar scalar = (PlaitScalar)plait_type_of(ptx->kernel, value).scalar;
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, to->slots), first = plait_ptx_first_copy(ptx, from);
    uint32_t byte = plait_ptx_scratch(ptx, value);
    for (uint32_t slot = 0; slot < from->slots; slot++) {
        Place place = place_of(ptx, from, slot, to, scalar);
        LLVMValueRef predicate = plait_ptx_both(ptx, first, plait_ptx_valid(ptx, from, slot));
        LLVMValueRef pointer = plait_ptx_shared_pointer(ptx, scalar, byte, place.element, place.fixed);
        plait_ptx_shared_store(ptx, scalar, pointer, ptx->values[source][slot], predicate);
    }
    plait_ptx_barrier(ptx);
    uint32_t vec = vector_of(to, scalar);
    for (uint32_t slot = 0; slot < to->slots; slot += vec) {
        Place place = place_of(ptx, to, slot, to, scalar);
        LLVMValueRef pointer = plait_ptx_shared_pointer(ptx, scalar, byte, place.element, place.fixed);
        plait_ptx_shared_load(ptx, scalar, pointer, vec, &slots[slot]);
    }
}

/* The same elements in the same threads; only the order of the axes, and so of the slots, may be another. */
void plait_ptx_emit_rename(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    PlaitValue source = inst->operands[0];
    const PlaitPtxShape *from = plait_ptx_shape_of(ptx, source), *to = plait_ptx_shape_of(ptx, value);
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, to->slots);
    for (uint32_t slot = 0; slot < to->slots; slot++) {
        uint32_t at = 0;
        for (uint32_t i = 0; i < from->rank; i++) {
            uint32_t index = 0;
            PlaitAxis axis = from->axes[i].axis == inst->axes[0] ? inst->axes[1] : from->axes[i].axis;
            while (to->axes[index].axis != axis) index++;
            if (!plait_ptx_same_lie(&from->axes[i], &to->axes[index]))
                plait_bug("a renamed tile lies over the threads in another way than what it was made of");
            at = at * from->axes[i].slots + plait_ptx_axis_slot(to, slot, index);
        }
        slots[slot] = ptx->values[source][at];
    }
}
