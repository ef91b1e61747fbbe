/* Emits the instructions of a region; operations that need more than a line have files of their own. */
#include "codegen/ptx/ptx.h"

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

static LLVMValueRef pointwise(PlaitPtx *ptx, const PlaitInst *inst, const LLVMValueRef *operands)
{
    PlaitOp op = (PlaitOp)inst->op;
    PlaitScalar scalar = (PlaitScalar)plait_type_of(ptx->kernel, inst->operands[0]).scalar;
    if (op == PLAIT_OP_SELECT) return plait_emit_select(ptx->emit, operands[0], operands[1], operands[2]);
    if (op == PLAIT_OP_CAST) return plait_emit_cast(ptx->emit, operands[0], scalar, (PlaitScalar)inst->type.scalar);
    return contracted(op, plait_emit_scalar_op(ptx->emit, op, scalar, operands));
}

static void emit_pointwise(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, shape->slots), operands[3];
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        for (uint32_t i = 0; i < inst->operand_count; i++)
            operands[i] = plait_ptx_operand(ptx, inst->operands[i], shape, slot);
        slots[slot] = pointwise(ptx, inst, operands);
    }
}

/* ---- loops ---- */

typedef struct Loop {
    const PlaitInst *inst;
    LLVMBasicBlockRef before, head, body, after;
    LLVMValueRef from, to, step; /* i32; step > 0 */
    LLVMValueRef position;       /* the phi */
} Loop;

static LLVMBasicBlockRef new_block(const PlaitPtx *ptx, const char *name)
{
    return LLVMAppendBasicBlockInContext(ptx->emit->context, ptx->emit->function, name);
}

/* The first position that runs: `from`, or backwards the last one of the same positions (below `from` when there is
 * none). */
static LLVMValueRef first_position(PlaitPtx *ptx, const Loop *loop)
{
    if (loop->inst->ints[0] > 0) return loop->from;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef one = LLVMConstInt(LLVMTypeOf(loop->from), 1, 0);
    LLVMValueRef span = LLVMBuildSub(b, LLVMBuildSub(b, loop->to, one, ""), loop->from, "");
    LLVMValueRef whole = LLVMBuildMul(b, LLVMBuildUDiv(b, span, loop->step, ""), loop->step, "");
    LLVMValueRef any = LLVMBuildICmp(b, LLVMIntSGT, loop->to, loop->from, "");
    return LLVMBuildSelect(b, any, LLVMBuildAdd(b, loop->from, whole, ""), LLVMBuildSub(b, loop->from, one, ""), "");
}

static void add_phis(PlaitPtx *ptx, const Loop *loop)
{
    const PlaitRegion *region = loop->inst->body;
    for (uint32_t i = 1; i < region->params.count; i++) {
        PlaitValue param = region->params.data[i];
        const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, param);
        LLVMTypeRef type = plait_emit_type(ptx->emit, (PlaitScalar)plait_type_of(ptx->kernel, param).scalar, 1);
        LLVMValueRef *slots = plait_ptx_new_slots(ptx, param, shape->slots);
        for (uint32_t slot = 0; slot < shape->slots; slot++) {
            LLVMValueRef initial = plait_ptx_operand(ptx, loop->inst->operands[i + 1], shape, slot);
            LLVMBasicBlockRef before = loop->before;
            slots[slot] = LLVMBuildPhi(ptx->emit->builder, type, "");
            LLVMAddIncoming(slots[slot], &initial, &before, 1);
        }
    }
}

static void close_phis(PlaitPtx *ptx, const Loop *loop, LLVMBasicBlockRef last)
{
    const PlaitRegion *region = loop->inst->body;
    for (uint32_t i = 0; i < region->yields.count; i++) {
        PlaitValue param = region->params.data[i + 1];
        const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, param);
        for (uint32_t slot = 0; slot < shape->slots; slot++) {
            LLVMValueRef next = plait_ptx_operand(ptx, region->yields.data[i], shape, slot);
            LLVMAddIncoming(ptx->values[param][slot], &next, &last, 1);
        }
    }
}

static void emit_head(PlaitPtx *ptx, Loop *loop)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef first = first_position(ptx, loop);
    LLVMBuildBr(b, loop->head);
    LLVMPositionBuilderAtEnd(b, loop->head);
    loop->position = LLVMBuildPhi(b, LLVMTypeOf(loop->from), "");
    LLVMAddIncoming(loop->position, &first, &loop->before, 1);
    add_phis(ptx, loop);
    bool forward = loop->inst->ints[0] > 0;
    LLVMValueRef more =
        LLVMBuildICmp(b, forward ? LLVMIntSLT : LLVMIntSGE, loop->position, forward ? loop->to : loop->from, "");
    LLVMBuildCondBr(b, more, loop->body, loop->after);
    LLVMPositionBuilderAtEnd(b, loop->body);
}

static void emit_for(PlaitPtx *ptx, PlaitValue value)
{
    LLVMBuilderRef b = ptx->emit->builder;
    Loop loop = {.inst = plait_inst(ptx->kernel, value)};
    const PlaitRegion *region = loop.inst->body;
    int64_t step = loop.inst->ints[0];
    plait_ptx_stage_kept(ptx, region);
    plait_ptx_scratch_loop(ptx, region);
    uint32_t half_before = ptx->last_half;
    loop.from = ptx->values[loop.inst->operands[0]][0];
    loop.to = ptx->values[loop.inst->operands[1]][0];
    loop.step = LLVMConstInt(LLVMTypeOf(loop.from), (unsigned long long)(step < 0 ? -step : step), 0);
    loop.before = LLVMGetInsertBlock(b);
    loop.head = new_block(ptx, "loop");
    loop.body = new_block(ptx, "");
    loop.after = new_block(ptx, "");
    emit_head(ptx, &loop);
    plait_ptx_new_slots(ptx, region->params.data[0], 1)[0] = loop.position;
    plait_ptx_emit_region(ptx, region);
    LLVMBasicBlockRef last = LLVMGetInsertBlock(b);
    LLVMValueRef next =
        step > 0 ? LLVMBuildAdd(b, loop.position, loop.step, "") : LLVMBuildSub(b, loop.position, loop.step, "");
    LLVMAddIncoming(loop.position, &next, &last, 1);
    close_phis(ptx, &loop, last);
    LLVMBuildBr(b, loop.head);
    LLVMPositionBuilderAtEnd(b, loop.after);
    if (ptx->last_half != half_before) ptx->last_half = PLAIT_HALF_ANY;
}

static void emit_result(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    const PlaitRegion *body = plait_inst(ptx->kernel, inst->operands[0])->body;
    emit_broadcast(ptx, value, body->params.data[inst->ints[0] + 1]);
}

static void emit_inst(PlaitPtx *ptx, PlaitValue value)
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
    else if (op == PLAIT_OP_LOAD) plait_ptx_emit_load(ptx, value);
    else if (op == PLAIT_OP_STORE) plait_ptx_emit_store(ptx, value);
    else if (op == PLAIT_OP_DOT) plait_ptx_emit_dot(ptx, value);
    else if (op == PLAIT_OP_CONVERT) plait_ptx_emit_convert(ptx, value);
    else if (plait_op_is_reduce(op)) plait_ptx_emit_reduce(ptx, value);
    else if (plait_op_is_pointwise(op)) emit_pointwise(ptx, value);
    else plait_bug("%s is no operation of a GPU kernel", plait_op_info(op)->text);
}

void plait_ptx_emit_region(PlaitPtx *ptx, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) emit_inst(ptx, region->body.data[i]);
}
