/* Loops: blocks, phis for the carries, and the turns of the rings that copies go to. */
#include "codegen/ptx/maps.h"

/* The first position that runs: `from`, or backwards the last one of the same positions (below `from` when there is
 * none). */
static LLVMValueRef first_position(PlaitPtx *ptx, const PlaitPtxLoop *loop)
{
    if (loop->inst->ints[0] > 0) return loop->from;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef one = LLVMConstInt(LLVMTypeOf(loop->from), 1, 0);
    LLVMValueRef span = LLVMBuildSub(b, LLVMBuildSub(b, loop->to, one, ""), loop->from, "");
    LLVMValueRef whole = LLVMBuildMul(b, LLVMBuildUDiv(b, span, loop->step, ""), loop->step, "");
    LLVMValueRef any = LLVMBuildICmp(b, LLVMIntSGT, loop->to, loop->from, "");
    return LLVMBuildSelect(b, any, LLVMBuildAdd(b, loop->from, whole, ""), LLVMBuildSub(b, loop->from, one, ""), "");
}

static void add_phis(PlaitPtx *ptx, const PlaitPtxLoop *loop)
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

static void close_phis(PlaitPtx *ptx, const PlaitPtxLoop *loop, LLVMBasicBlockRef last)
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

/* In a loop with copies by the copy engine: the tile of the rings that a turn uses, and the parity of its phase. It
 * goes on where an earlier loop stopped. */
static void begin_ring(PlaitPtx *ptx, PlaitPtxLoop *loop)
{
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(loop->from));
    LLVMValueRef tile = ptx->ring_tile ? ptx->ring_tile : zero, parity = ptx->ring_parity ? ptx->ring_parity : zero;
    loop->tile = LLVMBuildPhi(ptx->emit->builder, LLVMTypeOf(zero), "tile");
    loop->parity = LLVMBuildPhi(ptx->emit->builder, LLVMTypeOf(zero), "parity");
    LLVMAddIncoming(loop->tile, &tile, &loop->before, 1);
    LLVMAddIncoming(loop->parity, &parity, &loop->before, 1);
    ptx->ring_tile = loop->tile;
    ptx->ring_parity = loop->parity;
}

static void close_ring(PlaitPtx *ptx, const PlaitPtxLoop *loop, LLVMBasicBlockRef last)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef one = LLVMConstInt(LLVMTypeOf(loop->from), 1, 0), next = LLVMBuildAdd(b, loop->tile, one, "");
    LLVMValueRef count = LLVMConstInt(LLVMTypeOf(one), loop->stages, 0);
    LLVMValueRef turned = LLVMBuildICmp(b, LLVMIntEQ, next, count, "");
    next = LLVMBuildSelect(b, turned, LLVMConstNull(LLVMTypeOf(one)), next, "");
    LLVMValueRef parity = LLVMBuildXor(b, loop->parity, LLVMBuildZExt(b, turned, LLVMTypeOf(one), ""), "");
    LLVMAddIncoming(loop->tile, &next, &last, 1);
    LLVMAddIncoming(loop->parity, &parity, &last, 1);
}

/* Tiles of the rings of a loop's copies, which all have as many; 0: it has none. */
static uint32_t ring_of(const PlaitPtx *ptx, const PlaitRegion *body)
{
    for (uint32_t i = 0; ptx->maps && i < body->body.count; i++)
        if (plait_op_of(ptx->kernel, body->body.data[i]) == PLAIT_OP_COPY)
            return plait_ptx_map_of(ptx->maps, body->body.data[i])->stages;
    return 0;
}

static void emit_head(PlaitPtx *ptx, PlaitPtxLoop *loop)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef first = loop->start = first_position(ptx, loop);
    LLVMBuildBr(b, loop->head);
    LLVMPositionBuilderAtEnd(b, loop->head);
    loop->position = LLVMBuildPhi(b, LLVMTypeOf(loop->from), "");
    LLVMAddIncoming(loop->position, &first, &loop->before, 1);
    if (loop->carries) add_phis(ptx, loop);
    if (loop->ring) begin_ring(ptx, loop);
    bool forward = loop->inst->ints[0] > 0;
    LLVMValueRef more =
        LLVMBuildICmp(b, forward ? LLVMIntSLT : LLVMIntSGE, loop->position, forward ? loop->to : loop->from, "");
    LLVMBuildCondBr(b, more, loop->body, loop->after);
    LLVMPositionBuilderAtEnd(b, loop->body);
}

PlaitPtxLoop plait_ptx_loop_begin(PlaitPtx *ptx, PlaitValue value, bool carries)
{
    PlaitPtxLoop loop = {.inst = plait_inst(ptx->kernel, value), .carries = carries};
    const PlaitRegion *region = loop.inst->body;
    int64_t step = loop.inst->ints[0];
    if (carries) {
        plait_ptx_stage_kept(ptx, region);
        plait_ptx_scratch_loop(ptx, region);
    }
    loop.half_before = ptx->last_half;
    loop.stages = ring_of(ptx, region);
    loop.ring = loop.stages > 0;
    loop.from = ptx->values[loop.inst->operands[0]][0];
    loop.to = ptx->values[loop.inst->operands[1]][0];
    loop.step = LLVMConstInt(LLVMTypeOf(loop.from), (unsigned long long)(step < 0 ? -step : step), 0);
    loop.before = LLVMGetInsertBlock(ptx->emit->builder);
    loop.head = plait_ptx_new_block(ptx, "loop");
    loop.body = plait_ptx_new_block(ptx, "");
    loop.after = plait_ptx_new_block(ptx, "");
    emit_head(ptx, &loop);
    plait_ptx_new_slots(ptx, region->params.data[0], 1)[0] = loop.position;
    return loop;
}

void plait_ptx_loop_end(PlaitPtx *ptx, PlaitPtxLoop *loop)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMBasicBlockRef last = LLVMGetInsertBlock(b);
    LLVMValueRef next = loop->inst->ints[0] > 0 ? LLVMBuildAdd(b, loop->position, loop->step, "")
                                                : LLVMBuildSub(b, loop->position, loop->step, "");
    LLVMAddIncoming(loop->position, &next, &last, 1);
    plait_ptx_flight_close(ptx, loop);
    if (loop->carries) close_phis(ptx, loop, last);
    if (loop->ring) close_ring(ptx, loop, last);
    LLVMBuildBr(b, loop->head);
    LLVMPositionBuilderAtEnd(b, loop->after);
    if (loop->ring) {
        ptx->ring_tile = loop->tile;
        ptx->ring_parity = loop->parity;
    }
    plait_ptx_flight_end(ptx, loop);
    if (ptx->last_half != loop->half_before) ptx->last_half = PLAIT_HALF_ANY;
}
