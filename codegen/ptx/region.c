/* Emits the instructions of a region; operations that need more than a line have files of their own. */
#include <math.h>

#include "codegen/ptx/maps.h"
#include "codegen/ptx/matrix.h"

LLVMValueRef *plait_ptx_new_slots(PlaitPtx *ptx, PlaitValue value, uint32_t count)
{
    return ptx->values[value] = PLAIT_NEW_ARRAY(ptx->emit->arena, LLVMValueRef, count);
}

static void fill(PlaitPtx *ptx, PlaitValue value, LLVMValueRef content)
{
    uint32_t count = plait_ptx_shape_of(ptx, value)->slots;
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, count);
    for (uint32_t slot = 0; slot < count; slot++) slots[slot] = content;
}

static void emit_iota(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, shape->slots);
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        slots[slot] = plait_ptx_position(ptx, &shape->axes[0], slot);
        if (inst->operand_count)
            slots[slot] = LLVMBuildAdd(ptx->emit->builder, ptx->values[inst->operands[0]][0], slots[slot], "");
    }
}

/* `source` at the positions of `value`, which may have more axes or the same ones in another order. */
static void emit_broadcast(PlaitPtx *ptx, PlaitValue value, PlaitValue source)
{
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, shape->slots);
    for (uint32_t slot = 0; slot < shape->slots; slot++) slots[slot] = plait_ptx_operand(ptx, source, shape, slot);
}

/* Sums of products become multiply-adds with one rounding. */
static LLVMValueRef contracted(PlaitOp op, LLVMValueRef result)
{
    bool sums = op == PLAIT_OP_ADD || op == PLAIT_OP_SUB || op == PLAIT_OP_MUL;
    if (sums && LLVMIsAInstruction(result) && LLVMCanValueUseFastMathFlags(result))
        LLVMSetFastMathFlags(result, LLVMFastMathAllowContract);
    return result;
}

static bool is_const_of(const PlaitPtx *ptx, PlaitValue value, double least, double most)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(ptx->kernel, inst->operands[0]);
    return inst->op == PLAIT_OP_CONST && inst->number >= least && inst->number <= most;
}

static bool is_not_negative(const PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    switch ((int)inst->op) {
    case PLAIT_OP_EXP:
    case PLAIT_OP_EXP2:
    case PLAIT_OP_ABS:
    case PLAIT_OP_SQRT: return true;
    case PLAIT_OP_MUL: return inst->operands[0] == inst->operands[1];
    default: return is_const_of(ptx, value, 0, HUGE_VAL);
    }
}

/* 1 / (1 + e^-x) and its like: a divisor that is 1 or more is no number with leading zeros, and of a quotient only what
 * is below 2^-126 is lost by the unit's short form, one instruction of five. */
static bool is_short_reciprocal(const PlaitPtx *ptx, const PlaitInst *inst)
{
    if (inst->op != PLAIT_OP_DIV || inst->type.scalar != PLAIT_F32 || !is_const_of(ptx, inst->operands[0], 1, 1))
        return false;
    const PlaitInst *divisor = plait_inst(ptx->kernel, inst->operands[1]);
    for (uint32_t i = 0; i < 2 && divisor->op == PLAIT_OP_ADD; i++)
        if (is_const_of(ptx, divisor->operands[i], 1, HUGE_VAL) && is_not_negative(ptx, divisor->operands[1 - i]))
            return true;
    return false;
}

static LLVMValueRef pointwise(PlaitPtx *ptx, const PlaitInst *inst, const LLVMValueRef *operands)
{
    PlaitOp op = (PlaitOp)inst->op;
    PlaitScalar scalar = (PlaitScalar)plait_type_of(ptx->kernel, inst->operands[0]).scalar;
    if (op == PLAIT_OP_SELECT) return plait_emit_select(ptx->emit, operands[0], operands[1], operands[2]);
    if (op == PLAIT_OP_CAST) return plait_emit_cast(ptx->emit, operands[0], scalar, (PlaitScalar)inst->type.scalar);
    if (is_short_reciprocal(ptx, inst))
        return plait_emit_intrinsic(ptx->emit, "llvm.nvvm.rcp.approx.ftz.f", (LLVMValueRef[]){operands[1]}, 1);
    return contracted(op, plait_emit_scalar_op(ptx->emit, op, scalar, operands));
}

/* Slots of neighbours, which are stored and multiplied as pairs, stand so far apart. */
static uint32_t neighbour_step(const PlaitPtxShape *shape)
{
    uint32_t step = 1, best = 1;
    for (uint32_t i = shape->rank; i-- > 0;) {
        if (shape->axes[i].vec > 1) best = step;
        step *= shape->axes[i].slots;
    }
    return best;
}

LLVMValueRef plait_ptx_rounded_pair(PlaitPtx *ptx, PlaitScalar scalar, LLVMValueRef low, LLVMValueRef high)
{
    const char *name = scalar == PLAIT_BF16 ? "llvm.nvvm.ff2bf16x2.rn" : "llvm.nvvm.ff2f16x2.rn";
    return plait_emit_intrinsic(ptx->emit, name, (LLVMValueRef[]){high, low}, 2);
}

/* f32 -> 16 bits, two neighbours in one instruction: one at a time takes four times as long. */
static void emit_rounding(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, shape->slots);
    uint32_t step = neighbour_step(shape);
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        LLVMValueRef low = plait_ptx_operand(ptx, inst->operands[0], shape, slot);
        if (slots[slot]) continue;
        uint32_t other = slot + step;
        LLVMValueRef high = other < shape->slots ? plait_ptx_operand(ptx, inst->operands[0], shape, other) : low;
        LLVMValueRef pair = plait_ptx_rounded_pair(ptx, (PlaitScalar)inst->type.scalar, low, high);
        slots[slot] = LLVMBuildExtractElement(b, pair, plait_ptx_int32(ptx, 0), "");
        if (other < shape->slots) slots[other] = LLVMBuildExtractElement(b, pair, plait_ptx_int32(ptx, 1), "");
    }
}

static bool rounds_pairs(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    return inst->op == PLAIT_OP_CAST && plait_scalar_is_16_bit((PlaitScalar)inst->type.scalar) &&
           plait_type_of(ptx->kernel, inst->operands[0]).scalar == PLAIT_F32 &&
           plait_ptx_shape_of(ptx, value)->slots > 1;
}

/* A choice between pairs of 16-bit neighbours by one condition, as a choice between words. */
static void select_pair(PlaitPtx *ptx, PlaitValue value, uint32_t slot, uint32_t other, LLVMValueRef condition)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMTypeRef pair_type = LLVMVectorType(plait_emit_type(ptx->emit, (PlaitScalar)inst->type.scalar, 1), 2),
                i32 = LLVMInt32TypeInContext(ptx->emit->context);
    LLVMValueRef words[2];
    for (uint32_t i = 0; i < 2; i++) {
        LLVMValueRef pair = LLVMGetPoison(pair_type);
        for (uint32_t k = 0; k < 2; k++) {
            LLVMValueRef element = plait_ptx_operand(ptx, inst->operands[1 + i], shape, k ? other : slot);
            pair = LLVMBuildInsertElement(b, pair, element, plait_ptx_int32(ptx, k), "");
        }
        words[i] = LLVMBuildBitCast(b, pair, i32, "");
    }
    LLVMValueRef chosen = LLVMBuildSelect(b, condition, words[0], words[1], "");
    chosen = LLVMBuildBitCast(b, chosen, pair_type, "");
    ptx->values[value][slot] = LLVMBuildExtractElement(b, chosen, plait_ptx_int32(ptx, 0), "");
    ptx->values[value][other] = LLVMBuildExtractElement(b, chosen, plait_ptx_int32(ptx, 1), "");
}

static bool selects_pairs(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    return inst->op == PLAIT_OP_SELECT && plait_scalar_is_16_bit((PlaitScalar)inst->type.scalar);
}

static void emit_select(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, shape->slots), operands[3];
    uint32_t step = neighbour_step(shape);
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        if (slots[slot]) continue;
        for (uint32_t i = 0; i < 3; i++) operands[i] = plait_ptx_operand(ptx, inst->operands[i], shape, slot);
        uint32_t other = slot + step;
        bool pair = slot / step % 2 == 0 && other < shape->slots &&
                    plait_ptx_operand(ptx, inst->operands[0], shape, other) == operands[0];
        if (pair) select_pair(ptx, value, slot, other, operands[0]);
        else slots[slot] = pointwise(ptx, inst, operands);
    }
}

static void emit_pointwise(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    if (rounds_pairs(ptx, value)) {
        emit_rounding(ptx, value);
        return;
    }
    if (selects_pairs(ptx, value)) {
        emit_select(ptx, value);
        return;
    }
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, shape->slots), operands[3];
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        for (uint32_t i = 0; i < inst->operand_count; i++)
            operands[i] = plait_ptx_operand(ptx, inst->operands[i], shape, slot);
        slots[slot] = pointwise(ptx, inst, operands);
    }
}

static void emit_for(PlaitPtx *ptx, PlaitValue value)
{
    PlaitPtxLoop loop = plait_ptx_loop_begin(ptx, value, true);
    plait_ptx_flight_begin(ptx, &loop);
    plait_ptx_emit_region(ptx, loop.inst->body);
    plait_ptx_loop_end(ptx, &loop);
}

static void emit_result(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    const PlaitRegion *body = plait_inst(ptx->kernel, inst->operands[0])->body;
    emit_broadcast(ptx, value, body->params.data[inst->ints[0] + 1]);
}

void plait_ptx_emit_inst(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    PlaitOp op = (PlaitOp)inst->op;
    if (op == PLAIT_OP_TENSOR) return;
    if (op == PLAIT_OP_CONST)
        fill(ptx, value, plait_emit_number(ptx->emit, (PlaitScalar)inst->type.scalar, 1, inst->number));
    else if (op == PLAIT_OP_SIZE) fill(ptx, value, plait_ptx_extent(ptx, inst->axes[0]));
    else if (op == PLAIT_OP_PROGRAM) fill(ptx, value, ptx->programs[inst->axes[0]]);
    else if (op == PLAIT_OP_IOTA) emit_iota(ptx, value);
    else if (op == PLAIT_OP_BROADCAST) emit_broadcast(ptx, value, inst->operands[0]);
    else if (op == PLAIT_OP_RESULT) emit_result(ptx, value);
    else if (op == PLAIT_OP_FOR) emit_for(ptx, value);
    else if (ptx->kept_at[value] && plait_ptx_is_fetched(ptx->kernel, value)) plait_ptx_fetch(ptx, value);
    else if (plait_ptx_is_fetched(ptx->kernel, value)) return;                   /* loaded where it is read */
    else if (plait_ptx_is_copied(ptx->kernel, value, ptx->maps != NULL)) return; /* waited for by the first product */
    else if (!ptx->wide && plait_ptx_can_copy_in_loop(ptx, value)) return;       /* made for the first product */
    else if (op == PLAIT_OP_LOAD || op == PLAIT_OP_COPY) plait_ptx_emit_load(ptx, value);
    else if (op == PLAIT_OP_STORE) plait_ptx_emit_store(ptx, value);
    else if (op == PLAIT_OP_DOT) plait_ptx_emit_dot(ptx, value);
    else if (op == PLAIT_OP_CONVERT) plait_ptx_emit_convert(ptx, value);
    else if (op == PLAIT_OP_SOLVE) plait_ptx_emit_solve(ptx, value);
    else if (op == PLAIT_OP_RENAME) plait_ptx_emit_rename(ptx, value);
    else if (plait_op_is_reduce(op)) plait_ptx_emit_reduce(ptx, value);
    else if (plait_op_is_pointwise(op)) emit_pointwise(ptx, value);
    else plait_bug("%s is no operation of a GPU kernel", plait_op_info(op)->text);
}

void plait_ptx_emit_region(PlaitPtx *ptx, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) plait_ptx_emit_inst(ptx, region->body.data[i]);
}
