/* Products that go on into the next turn of a loop.
 *
 * The last product of a turn often only adds to a carry (o = o r + p v), which the next turn reads late, after a
 * product of its own (s = q k). Nobody waits for it then: the units go from one to the other without a gap, and the
 * wait of the later product covers both, since products end in the order in which they began.
 *
 *     turn n:     s = q k, wait;  p = exp(s - m);  o = o r + p v
 *     turn n + 1: s = q k, wait for it and for o;  ...
 *
 * The tile of the ring that the product reads is given back after that wait, so later: with rings of two tiles the
 * copies then come too late, which costs more than the gap (measured: causal attention, d = 128 and 256,
 * bench/attention.py).
 */
#include "codegen/ptx/maps.h"

enum { LEAST_STAGES = 3 };

static bool is_product(const PlaitFunction *kernel, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    return inst->op == PLAIT_OP_DOT && inst->axis_count == 2;
}

typedef struct Reader {
    const PlaitFunction *kernel;
    PlaitValue read;
    bool reads;
} Reader;

static void visit(void *context, PlaitValue value)
{
    Reader *reader = context;
    const PlaitInst *inst = plait_inst(reader->kernel, value);
    for (uint32_t i = 0; i < inst->operand_count; i++) reader->reads |= inst->operands[i] == reader->read;
    for (uint32_t i = 0; inst->body && i < inst->body->yields.count; i++)
        reader->reads |= inst->body->yields.data[i] == reader->read;
}

/* Whether an instruction, with what is inside of it, reads the value. */
static bool reads(const PlaitFunction *kernel, PlaitValue inst, PlaitValue value)
{
    Reader reader = {kernel, value, false};
    visit(&reader, inst);
    if (plait_inst(kernel, inst)->body) plait_region_walk(kernel, plait_inst(kernel, inst)->body, visit, &reader);
    return reader.reads;
}

/* Whether an instruction computes a tile of numbers: it needs registers, perhaps those that the product still reads. */
static bool computes(const PlaitFunction *kernel, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    bool simple = inst->op == PLAIT_OP_COPY || inst->op == PLAIT_OP_IOTA || inst->op == PLAIT_OP_CONST ||
                  inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_TENSOR;
    return inst->type.rank > 0 && inst->type.scalar != PLAIT_BOOL && !simple;
}

/* Whether the body begins with a product of tiles in shared memory, before anything reads the carry. */
static bool is_covered(const PlaitFunction *kernel, const PlaitRegion *body, PlaitValue carry)
{
    for (uint32_t i = 0; i < body->body.count; i++) {
        PlaitValue value = body->body.data[i];
        if (reads(kernel, value, carry)) return false;
        if (is_product(kernel, value))
            return !plait_ptx_in_registers(kernel, value, 0) && !plait_ptx_in_registers(kernel, value, 1);
        if (computes(kernel, value)) return false;
    }
    return false;
}

/* The last product of the body, if only the carry reads it. */
static void choose(const PlaitPtx *ptx, PlaitPtxLoop *loop)
{
    const PlaitFunction *kernel = ptx->kernel;
    const PlaitRegion *body = loop->inst->body;
    uint32_t at = body->body.count, yields = 0, index = 0;
    while (at > 0 && !is_product(kernel, body->body.data[at - 1])) at--;
    if (at == 0) return;
    PlaitValue product = body->body.data[at - 1];
    for (uint32_t i = at; i < body->body.count; i++)
        if (reads(kernel, body->body.data[i], product) || plait_inst(kernel, body->body.data[i])->body) return;
    for (uint32_t i = 0; i < body->yields.count; i++) {
        if (body->yields.data[i] != product) continue;
        index = i;
        yields++;
    }
    if (yields != 1 || !is_covered(kernel, body, body->params.data[index + 1])) return;
    loop->flying = product;
    loop->flying_carry = body->params.data[index + 1];
}

void plait_ptx_flight_begin(PlaitPtx *ptx, PlaitPtxLoop *loop)
{
    if (!ptx->maps || !loop->carries || !loop->ring) return;
    if (loop->stages >= LEAST_STAGES) choose(ptx, loop);
    ptx->flying = loop->flying;
    ptx->flight = loop->flying ? loop : NULL;
    if (loop->flying) loop->carry = ptx->values[loop->flying_carry];
}

static void land(PlaitPtx *ptx, const PlaitPtxLoop *loop)
{
    LLVMBuilderRef b = ptx->emit->builder;
    uint32_t count = plait_ptx_shape_of(ptx, loop->flying_carry)->slots;
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, loop->flying_carry, count);
    for (uint32_t i = 0; i < count; i++) slots[i] = loop->carry[i];
    plait_ptx_wgmma_wait(ptx, slots, count);
    LLVMValueRef later = LLVMBuildICmp(b, LLVMIntNE, loop->position, loop->start, "");
    plait_ptx_copies_release_before(ptx, loop->flying, later);
}

void plait_ptx_flight_land(PlaitPtx *ptx)
{
    if (!ptx->flight) return;
    land(ptx, ptx->flight);
    ptx->flight = NULL;
}

void plait_ptx_flight_close(PlaitPtx *ptx, PlaitPtxLoop *loop)
{
    ptx->flying = 0;
    if (loop->flying) ptx->values[loop->flying_carry] = loop->carry;
}

void plait_ptx_flight_end(PlaitPtx *ptx, PlaitPtxLoop *loop)
{
    if (loop->flying) land(ptx, loop);
}
