/* Which tensors need barriers around their accesses.
 *
 * The accesses of one thread happen in order; those of different threads of a program do not. Two of them can meet at
 * one element when the kernel loads from and stores to a tensor, when it stores to it at two places, or when a store
 * in a loop may come to the same element in another turn, where another thread may hold it. The usual store in a loop
 * does not: one of its indices moves with the loop's position, by no less than it covers.
 */
#include "codegen/ptx/ptx.h"

typedef struct Order {
    PlaitPtx *ptx;
    uint32_t *stores; /* by value of a tensor */
} Order;

/* Whether `value` is the same in every turn of the loop with body `body`. */
static bool is_fixed(const PlaitFunction *kernel, PlaitValue value, const PlaitRegion *body)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    if (!plait_region_inside(inst->region, body)) return true;
    if (inst->op == PLAIT_OP_ARGUMENT || inst->op == PLAIT_OP_LOAD || inst->op == PLAIT_OP_COPY || inst->body ||
        inst->op == PLAIT_OP_RESULT)
        return false;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (!is_fixed(kernel, inst->operands[i], body)) return false;
    return true;
}

/* How many neighbouring positions `index` covers if it grows with the position of the loop, one for one; 0 if it does
 * not. */
static uint32_t moving_span(const PlaitFunction *kernel, PlaitValue index, const PlaitRegion *body)
{
    const PlaitInst *inst = plait_inst(kernel, index);
    if (index == body->params.data[0]) return 1;
    if (inst->op == PLAIT_OP_BROADCAST) return moving_span(kernel, inst->operands[0], body);
    if (inst->op == PLAIT_OP_IOTA && inst->operand_count)
        return moving_span(kernel, inst->operands[0], body) * kernel->axes.data[inst->axes[0]].tile;
    if (inst->op != PLAIT_OP_ADD && inst->op != PLAIT_OP_SUB) return 0;
    bool swapped = inst->op == PLAIT_OP_ADD && is_fixed(kernel, inst->operands[0], body);
    PlaitValue moving = inst->operands[swapped ? 1 : 0], fixed = inst->operands[swapped ? 0 : 1];
    uint32_t span = moving_span(kernel, moving, body);
    const PlaitInst *offset = plait_inst(kernel, fixed);
    if (!is_fixed(kernel, fixed, body)) return 0;
    if (plait_type_of(kernel, fixed).rank == 0) return span;
    bool plain = offset->op == PLAIT_OP_IOTA && plait_type_of(kernel, moving).rank == 0;
    return plain ? span * kernel->axes.data[offset->axes[0]].tile : 0;
}

static bool moves_on(const PlaitFunction *kernel, const PlaitInst *store, const PlaitInst *loop)
{
    uint32_t rank = plait_type_of(kernel, store->operands[0]).rank;
    int64_t step = loop->ints[0] < 0 ? -loop->ints[0] : loop->ints[0];
    for (uint32_t i = 1; i <= rank; i++) {
        uint32_t span = moving_span(kernel, store->operands[i], loop->body);
        if (span > 0 && span <= step) return true;
    }
    return false;
}

static void visit(void *context, PlaitValue value)
{
    Order *order = context;
    const PlaitFunction *kernel = order->ptx->kernel;
    const PlaitInst *inst = plait_inst(kernel, value);
    uint8_t *use = &order->ptx->tensor_use[inst->operand_count ? inst->operands[0] : 0];
    if (inst->op == PLAIT_OP_LOAD || inst->op == PLAIT_OP_COPY) *use |= PLAIT_PTX_LOADED;
    if (inst->op != PLAIT_OP_STORE) return;
    *use |= PLAIT_PTX_STORED;
    bool repeated = order->stores[inst->operands[0]]++ > 0;
    for (const PlaitRegion *region = inst->region; region->parent; region = region->parent)
        repeated |= !moves_on(kernel, inst, plait_inst(kernel, region->owner));
    if (repeated) *use |= PLAIT_PTX_REPEATED;
}

void plait_ptx_note_order(PlaitPtx *ptx)
{
    Order order = {.ptx = ptx, .stores = PLAIT_NEW_ARRAY(ptx->emit->arena, uint32_t, ptx->kernel->insts.count)};
    plait_region_walk(ptx->kernel, ptx->kernel->body, visit, &order);
}

bool plait_ptx_is_ordered(const PlaitPtx *ptx, PlaitValue tensor)
{
    uint8_t use = ptx->tensor_use[tensor], both = PLAIT_PTX_LOADED | PLAIT_PTX_STORED;
    return (use & both) == both || (use & PLAIT_PTX_REPEATED);
}
