/* Products on the matrix units: what wgmma.c and mma.c share. The columns' operand is read from shared memory, that of
 * the rows as well, unless it lies in the fragments of another product: these are, packed in pairs, the fragments that
 * the units take. */
#include "codegen/ptx/maps.h"

#include <string.h>

LLVMValueRef plait_ptx_asm(PlaitPtx *ptx, LLVMTypeRef type, const char *text, const char *constraints,
                           LLVMValueRef *operands, uint32_t count)
{
    LLVMTypeRef *types = PLAIT_NEW_ARRAY(ptx->emit->arena, LLVMTypeRef, count + 1);
    for (uint32_t i = 0; i < count; i++) types[i] = LLVMTypeOf(operands[i]);
    LLVMTypeRef function = LLVMFunctionType(type, types, count, 0);
    LLVMValueRef code = LLVMGetInlineAsm(function, text, strlen(text), constraints, strlen(constraints), 1, 0,
                                         LLVMInlineAsmDialectATT, 0);
    LLVMValueRef call = LLVMBuildCall2(ptx->emit->builder, function, code, operands, count, "");
    static const char *const flags[] = {"convergent", "nounwind"};
    for (uint32_t i = 0; i < 2; i++) {
        unsigned kind = LLVMGetEnumAttributeKindForName(flags[i], strlen(flags[i]));
        LLVMAddCallSiteAttribute(call, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                 LLVMCreateEnumAttribute(ptx->emit->context, kind, 0));
    }
    return call;
}

uint32_t plait_ptx_column_threads(const PlaitFunction *kernel, PlaitValue dot)
{
    const PlaitInst *inst = plait_inst(kernel, dot);
    PlaitPtxShape shape = plait_ptx_shape(kernel, inst->type);
    uint32_t threads = plait_ptx_axis(&shape, inst->type.axes[inst->type.axes[0] == inst->axes[1] ? 1 : 0])->threads;
    return threads & ~(PLAIT_PTX_WARP - 1u);
}

/* Whether every thread has its fragments of all columns. */
static bool are_columns(const PlaitPtxAxis *axis)
{
    const PlaitLayoutPart *parts = axis->lie.parts;
    return axis->lie.count == 2 && parts[0].thread == PLAIT_REGISTERS && parts[0].bits == 1 && parts[1].thread == 0 &&
           parts[1].bits == 2;
}

bool plait_ptx_in_registers(const PlaitFunction *kernel, PlaitValue dot, uint32_t side)
{
    const PlaitInst *inst = plait_inst(kernel, dot);
    if (inst->axis_count != 2 || plait_ptx_is_fetched(kernel, inst->operands[side])) return false;
    PlaitAxis contracted = inst->axes[0], rows = inst->axes[1];
    PlaitPtxShape operand = plait_ptx_shape(kernel, plait_type_of(kernel, inst->operands[side]));
    PlaitPtxShape result = plait_ptx_shape(kernel, inst->type);
    const PlaitPtxAxis *own = plait_ptx_axis(&operand, rows), *columns = plait_ptx_axis(&operand, contracted);
    return own && columns && plait_ptx_same_lie(own, plait_ptx_axis(&result, rows)) && are_columns(columns) &&
           kernel->axes.data[contracted].tile % PLAIT_PTX_UNIT == 0;
}

/* The slot of a fragment: half 0 or 1 of the rows, and a slot of the other axis. */
static uint32_t fragment_slot(const PlaitPtxShape *shape, PlaitAxis rows, uint32_t half, uint32_t other)
{
    uint32_t slot = 0;
    for (uint32_t i = 0; i < shape->rank; i++)
        slot = slot * shape->axes[i].slots + (shape->axes[i].axis == rows ? half : other);
    return slot;
}

/* The f32 value that was rounded to make `value`, or `value` itself: two are rounded and packed by one instruction. */
static PlaitValue before_rounding(const PlaitFunction *kernel, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    bool rounds = inst->op == PLAIT_OP_CAST && inst->type.scalar == PLAIT_BF16 &&
                  plait_type_of(kernel, inst->operands[0]).scalar == PLAIT_F32;
    return rounds ? inst->operands[0] : value;
}

static LLVMValueRef packed(PlaitPtx *ptx, LLVMValueRef low, LLVMValueRef high)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMTypeRef i32 = LLVMInt32TypeInContext(ptx->emit->context);
    if (LLVMTypeOf(low) == LLVMFloatTypeInContext(ptx->emit->context))
        return LLVMBuildBitCast(b, plait_ptx_rounded_pair(ptx, PLAIT_BF16, low, high), i32, "");
    LLVMValueRef pair = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(low), 2));
    pair = LLVMBuildInsertElement(b, pair, low, LLVMConstInt(i32, 0, 0), "");
    pair = LLVMBuildInsertElement(b, pair, high, LLVMConstInt(i32, 1, 0), "");
    return LLVMBuildBitCast(b, pair, i32, "");
}

/* Accumulators of 16 columns are, in pairs, the four registers of an operand of 16 contracted positions. */
static void pack_fragments(PlaitPtxProduct *product)
{
    PlaitPtx *ptx = product->ptx;
    PlaitValue source = before_rounding(ptx->kernel, product->a.value);
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, source);
    product->a.fragments = PLAIT_NEW_ARRAY(ptx->emit->arena, LLVMValueRef, product->steps * 4);
    for (uint32_t i = 0; i < product->steps * 4; i++) {
        uint32_t column = i / 2 * 2, half = i % 2;
        uint32_t low = fragment_slot(shape, product->rows, half, column);
        uint32_t high = fragment_slot(shape, product->rows, half, column + 1);
        product->a.fragments[i] = packed(ptx, ptx->values[source][low], ptx->values[source][high]);
    }
}

static PlaitPtxProduct begin(PlaitPtx *ptx, PlaitValue dot)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, dot);
    PlaitPtxProduct product = {.ptx = ptx, .contracted = inst->axes[0], .rows = inst->axes[1]};
    product.columns = inst->type.axes[inst->type.axes[0] == product.rows ? 1 : 0];
    product.scalar = (PlaitScalar)plait_type_of(ptx->kernel, inst->operands[0]).scalar;
    for (uint32_t i = 0; i < 2; i++) {
        bool has_rows = plait_type_has(plait_type_of(ptx->kernel, inst->operands[i]), product.rows);
        PlaitPtxSide *side = has_rows ? &product.a : &product.b;
        side->value = inst->operands[i];
        side->stage = plait_ptx_stage(ptx->kernel, dot, i);
        side->contracted_inner = side->stage.inner == product.contracted;
    }
    uint32_t contracted = ptx->kernel->axes.data[product.contracted].tile;
    product.steps = (contracted + PLAIT_PTX_UNIT - 1) / PLAIT_PTX_UNIT;
    product.column_threads = plait_ptx_column_threads(ptx->kernel, dot);
    product.groups = plait_ptx_axis(plait_ptx_shape_of(ptx, dot), product.columns)->slots / 2;
    return product;
}

void plait_ptx_emit_matrix_dot(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    PlaitPtxProduct product = begin(ptx, value);
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, shape->slots);
    product.sums = PLAIT_NEW_ARRAY(ptx->emit->arena, LLVMValueRef, product.groups * 4);
    product.zero = inst->operand_count == 2;
    product.flies = ptx->maps && ptx->flying == value;
    for (uint32_t i = 0; i < product.groups * 4; i++) {
        uint32_t slot = fragment_slot(shape, product.rows, i / 2 % 2, i / 4 * 2 + i % 2);
        product.sums[i] = product.zero ? plait_emit_number(ptx->emit, PLAIT_F32, 1, 0)
                                       : plait_ptx_operand(ptx, inst->operands[2], shape, slot);
    }
    PlaitPtxStage *stages[] = {&product.a.stage, &product.b.stage};
    plait_ptx_stage_both(ptx, stages);
    if (!product.a.stage.value) pack_fragments(&product);
    if (plait_ptx_is_hopper(ptx->emit->target)) plait_ptx_wgmma(&product);
    else plait_ptx_mma(&product);
    for (uint32_t i = 0; i < product.groups * 4; i++)
        slots[fragment_slot(shape, product.rows, i / 2 % 2, i / 4 * 2 + i % 2)] = product.sums[i];
    if (!ptx->maps || product.flies) return;
    plait_ptx_flight_land(ptx);
    plait_ptx_copies_release(ptx, value);
}
