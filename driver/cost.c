/* Counting bytes and operations.
 *
 * A value in a scan has the axis of time in its type, so counting the positions of each instruction's type counts every
 * token. Masks are not looked into: attention with `where s <= t` counts all pairs.
 */
#include "driver/cost.h"

typedef struct Counter {
    const PlaitFunction *function;
    const int64_t *extents;
    double operations;
} Counter;

static double positions(const Counter *counter, PlaitType type)
{
    double count = 1;
    for (uint32_t i = 0; i < type.rank; i++) count *= (double)counter->extents[type.axes[i]];
    return count;
}

/* Two for each tap and position; a filter as long as the sequence has (t + 1) / 2 taps on average. */
static double conv_operations(const Counter *counter, const PlaitInst *inst)
{
    double taps = (double)counter->extents[inst->axes[1]];
    if (inst->axes[0] == inst->axes[1]) taps = (taps + 1) / 2;
    return 2 * taps * positions(counter, inst->type);
}

static void count_one(void *context, PlaitValue value)
{
    Counter *counter = context;
    const PlaitInst *inst = plait_inst(counter->function, value);
    PlaitOp op = (PlaitOp)inst->op;
    if (plait_op_is_scalar(op) || op == PLAIT_OP_SELECT) counter->operations += positions(counter, inst->type);
    else if (plait_op_is_reduce(op))
        counter->operations += positions(counter, plait_type_of(counter->function, inst->operands[0]));
    else if (op == PLAIT_OP_CONV) counter->operations += conv_operations(counter, inst);
}

PlaitCost plait_cost_count(const PlaitFunction *function, const int64_t *extents)
{
    Counter counter = {.function = function, .extents = extents};
    PlaitCost cost = {0};
    plait_region_walk(function, function->body, count_one, &counter);
    for (uint32_t i = 0; i < function->params.count; i++) {
        PlaitType type = plait_type_of(function, function->params.data[i]);
        cost.bytes += positions(&counter, type) * plait_scalar_bytes((PlaitScalar)type.scalar);
    }
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        PlaitType type = function->outputs.data[i].type;
        cost.bytes += positions(&counter, type) * plait_scalar_bytes((PlaitScalar)type.scalar);
    }
    cost.operations = counter.operations;
    return cost;
}
