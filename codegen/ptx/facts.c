/* What is known of an index before the kernel runs: its range, the axis it stays inside of, a power of two that
 * divides it. Bounds are checked at run time only where this says nothing, and wide accesses need the power. */
#include "codegen/ptx/ptx.h"

static const PlaitPtxFacts nothing = {INT64_MIN, INT64_MAX, PLAIT_NO_AXIS, 1};
static const uint64_t any_multiple = UINT64_C(1) << 31; /* what divides 0 */

static uint64_t power_in(int64_t number) { return number ? (uint64_t)number & (0 - (uint64_t)number) : any_multiple; }
static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }
static bool bounded(PlaitPtxFacts facts) { return facts.least != INT64_MIN && facts.most != INT64_MAX; }

static PlaitPtxFacts facts_of_number(double number)
{
    int64_t value = (int64_t)number;
    return (PlaitPtxFacts){value, value, PLAIT_NO_AXIS, power_in(value)};
}

static PlaitPtxFacts facts_of_program(const PlaitFunction *kernel, PlaitAxis axis)
{
    PlaitPtxFacts facts = {0, INT64_MAX, plait_axis_extent_of(kernel, axis), 1};
    int64_t size = kernel->axes.data[axis].size;
    for (uint32_t i = 0; i < kernel->grid.count; i++) {
        if (kernel->grid.data[i].axis != axis) continue;
        int64_t block = kernel->grid.data[i].block;
        facts.multiple = power_in(block);
        if (size > 0) facts.most = (size - 1) / block * block;
    }
    return facts;
}

/* The axis whose extent `end` is, or is at most; PLAIT_NO_AXIS when it is none. */
static PlaitAxis end_of_axis(const PlaitFunction *kernel, PlaitValue end)
{
    const PlaitInst *inst = plait_inst(kernel, end);
    if (inst->op == PLAIT_OP_SIZE) return plait_axis_extent_of(kernel, inst->axes[0]);
    if (inst->op != PLAIT_OP_MIN) return PLAIT_NO_AXIS;
    PlaitAxis first = end_of_axis(kernel, inst->operands[0]);
    return first != PLAIT_NO_AXIS ? first : end_of_axis(kernel, inst->operands[1]);
}

/* The position of a loop: parameter 0 of its body. */
static PlaitPtxFacts facts_of_position(const PlaitFunction *kernel, const PlaitInst *loop)
{
    PlaitPtxFacts facts = nothing, from = plait_ptx_facts(kernel, loop->operands[0]),
                  to = plait_ptx_facts(kernel, loop->operands[1]);
    int64_t step = loop->ints[0] < 0 ? -loop->ints[0] : loop->ints[0];
    facts.least = from.least;
    facts.multiple = smaller(from.multiple, power_in(step));
    facts.under = end_of_axis(kernel, loop->operands[1]);
    if (to.most != INT64_MAX) facts.most = to.most - 1;
    if (bounded(facts) && from.least == from.most && facts.most >= from.least)
        facts.most = from.least + (facts.most - from.least) / step * step;
    return facts;
}

static PlaitPtxFacts facts_of_size(const PlaitFunction *kernel, PlaitAxis axis)
{
    int64_t size = kernel->axes.data[axis].size;
    if (size == PLAIT_RUNTIME_SIZE) return (PlaitPtxFacts){0, INT64_MAX, PLAIT_NO_AXIS, 1};
    return (PlaitPtxFacts){size, size, PLAIT_NO_AXIS, power_in(size)};
}

static PlaitPtxFacts facts_of_iota(const PlaitFunction *kernel, const PlaitInst *inst)
{
    PlaitPtxFacts facts = {0, 0, PLAIT_NO_AXIS, any_multiple};
    int64_t tile = kernel->axes.data[inst->axes[0]].tile;
    if (inst->operand_count) facts = plait_ptx_facts(kernel, inst->operands[0]);
    if (tile > 1) {
        facts.under = PLAIT_NO_AXIS;
        facts.multiple = 1;
    }
    if (facts.most != INT64_MAX) facts.most += tile - 1;
    return facts;
}

static PlaitPtxFacts facts_of_sum(PlaitPtxFacts a, PlaitPtxFacts b, bool subtract)
{
    PlaitPtxFacts facts = nothing;
    facts.multiple = smaller(a.multiple, b.multiple);
    if (subtract && b.least >= 0) facts.under = a.under;
    if (!bounded(b)) return facts;
    if (a.least != INT64_MIN) facts.least = a.least + (subtract ? -b.most : b.least);
    if (a.most != INT64_MAX) facts.most = a.most + (subtract ? -b.least : b.most);
    return facts;
}

static PlaitPtxFacts facts_of_smaller(PlaitPtxFacts a, PlaitPtxFacts b)
{
    PlaitPtxFacts facts = {a.least < b.least ? a.least : b.least, a.most < b.most ? a.most : b.most, a.under,
                           smaller(a.multiple, b.multiple)};
    if (facts.under == PLAIT_NO_AXIS) facts.under = b.under;
    return facts;
}

static PlaitPtxFacts facts_of_larger(PlaitPtxFacts a, PlaitPtxFacts b)
{
    PlaitPtxFacts facts = {a.least > b.least ? a.least : b.least, a.most > b.most ? a.most : b.most, a.under,
                           smaller(a.multiple, b.multiple)};
    if (a.under != b.under) facts.under = PLAIT_NO_AXIS;
    return facts;
}

static PlaitPtxFacts facts_of_quotient(PlaitPtxFacts a, PlaitPtxFacts b)
{
    PlaitPtxFacts facts = nothing;
    if (a.least < 0 || b.least < 1) return facts;
    facts.least = 0;
    facts.under = a.under;
    if (a.most != INT64_MAX) facts.most = a.most / b.least;
    return facts;
}

static PlaitPtxFacts facts_of_product(PlaitPtxFacts a, PlaitPtxFacts b)
{
    PlaitPtxFacts facts = nothing;
    facts.multiple = a.multiple >= any_multiple || b.multiple >= any_multiple
                         ? any_multiple
                         : smaller(a.multiple * b.multiple, any_multiple);
    if (bounded(a) && bounded(b) && a.least >= 0 && b.least >= 0 && a.most <= INT32_MAX && b.most <= INT32_MAX) {
        facts.least = a.least * b.least;
        facts.most = a.most * b.most;
    }
    return facts;
}

/* The first position of a program's block: the number of the block times its size. False: it is something else. */
static bool facts_of_block_start(const PlaitFunction *kernel, const PlaitInst *product, PlaitPtxFacts *facts)
{
    for (uint32_t side = 0; side < 2; side++) {
        const PlaitInst *program = plait_inst(kernel, product->operands[side]),
                        *size = plait_inst(kernel, product->operands[1 - side]);
        if (program->op != PLAIT_OP_PROGRAM || size->op != PLAIT_OP_CONST) continue;
        const PlaitAxisInfo *axis = &kernel->axes.data[program->axes[0]];
        if (!axis->block || size->number != axis->block) continue;
        *facts = (PlaitPtxFacts){0, INT64_MAX, plait_axis_extent_of(kernel, axis->same_as), power_in(axis->block)};
        return true;
    }
    return false;
}

PlaitPtxFacts plait_ptx_facts(const PlaitFunction *kernel, PlaitValue index)
{
    const PlaitInst *inst = plait_inst(kernel, index);
    PlaitPtxFacts a = nothing, b = nothing;
    if (inst->operand_count == 2) {
        a = plait_ptx_facts(kernel, inst->operands[0]);
        b = plait_ptx_facts(kernel, inst->operands[1]);
    }
    if (inst->op == PLAIT_OP_CONST) return facts_of_number(inst->number);
    if (inst->op == PLAIT_OP_PROGRAM) return facts_of_program(kernel, inst->axes[0]);
    if (inst->op == PLAIT_OP_SIZE) return facts_of_size(kernel, inst->axes[0]);
    if (inst->op == PLAIT_OP_IOTA) return facts_of_iota(kernel, inst);
    if (inst->op == PLAIT_OP_BROADCAST) return plait_ptx_facts(kernel, inst->operands[0]);
    if (inst->op == PLAIT_OP_ADD) return facts_of_sum(a, b, false);
    if (inst->op == PLAIT_OP_SUB) return facts_of_sum(a, b, true);
    if (inst->op == PLAIT_OP_MUL) return facts_of_block_start(kernel, inst, &a) ? a : facts_of_product(a, b);
    if (inst->op == PLAIT_OP_MIN) return facts_of_smaller(a, b);
    if (inst->op == PLAIT_OP_MAX) return facts_of_larger(a, b);
    if (inst->op == PLAIT_OP_FLOORDIV) return facts_of_quotient(a, b);
    const PlaitInst *owner = plait_inst(kernel, inst->region ? inst->region->owner : 0);
    bool position = inst->op == PLAIT_OP_ARGUMENT && owner->op == PLAIT_OP_FOR && inst->region->params.data[0] == index;
    return position ? facts_of_position(kernel, owner) : nothing;
}

bool plait_ptx_is_inside(const PlaitFunction *kernel, PlaitValue index, PlaitAxis axis)
{
    PlaitPtxFacts facts = plait_ptx_facts(kernel, index);
    if (facts.least < 0) return false;
    int64_t size = kernel->axes.data[axis].size;
    if (facts.under == plait_axis_extent_of(kernel, axis)) return true;
    return size != PLAIT_RUNTIME_SIZE && facts.most < size;
}
