/* The order of importance of a kernel's axes, by a cost model and hill climbing.
 *
 * The order decides what every nest is vectorised along. In attention, for example, t is a good vector axis for the
 * scores [t, s]: the products with q[d, t] need no transposition and the reductions over s are additions of vectors;
 * but k[s, d] should be loaded along d. The order d < t, s < d says just that. Costs are cycles of a machine with
 * vectors of 16 elements: a vector operation is 1, an element moved alone 3, a reduction across the lanes of a vector
 * 6; the body of a `for` counts 16 times.
 */
#include "codegen/cpu/plan.h"

enum { LOOP_WEIGHT = 16, MAX_LOOP_WEIGHT = 4096, ELEMENT = 3, ACROSS = 6, TRANSCENDENTAL = 12 };

PlaitAxis plait_cpu_top(const PlaitCpuKernel *kernel, PlaitAxisSet axes)
{
    PlaitAxis top = PLAIT_NO_AXIS;
    for (PlaitAxis axis = 0; axis < kernel->function->axes.count; axis++)
        if ((axes & plait_axis_bit(axis)) &&
            (top == PLAIT_NO_AXIS || kernel->importance[axis] > kernel->importance[top]))
            top = axis;
    return top;
}

uint32_t plait_cpu_sorted(const PlaitCpuKernel *kernel, PlaitAxisSet axes, PlaitAxis *sorted)
{
    uint32_t count = 0;
    for (PlaitAxis axis = 0; axis < kernel->function->axes.count; axis++) {
        if (!(axes & plait_axis_bit(axis))) continue;
        uint32_t at = count++;
        for (; at > 0 && kernel->importance[sorted[at - 1]] > kernel->importance[axis]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = axis;
    }
    return count;
}

static double volume(const PlaitCpuKernel *kernel, PlaitAxisSet axes)
{
    double product = 1;
    for (PlaitAxis axis = 0; axis < kernel->function->axes.count; axis++)
        if (axes & plait_axis_bit(axis)) product *= plait_cpu_tile(kernel, axis);
    return product;
}

/* Vectors of a nest over `axes` whose vector axis is `vector`. */
static double vectors(const PlaitCpuKernel *kernel, PlaitAxisSet axes, PlaitAxis vector)
{
    if (vector == PLAIT_NO_AXIS) return 1;
    uint32_t tile = plait_cpu_tile(kernel, vector);
    return volume(kernel, axes & ~plait_axis_bit(vector)) * ((tile + PLAIT_CPU_ROW - 1) / PLAIT_CPU_ROW);
}

static double access_cost(const PlaitCpuKernel *kernel, const PlaitCpuNode *node, PlaitAxis top)
{
    const PlaitCpuNode *tensor = plait_cpu_node(kernel, node->operands[0]);
    uint32_t rank = tensor->inst->type.rank;
    if (!rank || top == PLAIT_NO_AXIS) return 1;
    PlaitAxisSet last = plait_cpu_node(kernel, node->operands[rank])->axes, others = 0;
    for (uint32_t i = 1; i < rank; i++) others |= plait_cpu_node(kernel, node->operands[i])->axes;
    bool row = (last & ~others & plait_axis_bit(top)) || !((last | others) & plait_axis_bit(top));
    return row ? 2 * vectors(kernel, node->space, top) : ELEMENT * volume(kernel, node->space);
}

static double dot_cost(const PlaitCpuKernel *kernel, const PlaitCpuNode *node)
{
    PlaitAxis top = plait_cpu_top(kernel, node->axes);
    double cost = vectors(kernel, node->axes, top) * volume(kernel, node->reduced);
    for (uint32_t i = 0; i < 2 && top != PLAIT_NO_AXIS; i++) {
        const PlaitCpuNode *operand = plait_cpu_node(kernel, node->operands[i]);
        if ((operand->axes & plait_axis_bit(top)) && plait_cpu_top(kernel, operand->axes) != top)
            cost += ELEMENT * volume(kernel, operand->axes);
    }
    return cost;
}

static double node_cost(const PlaitCpuKernel *kernel, const PlaitCpuNode *node)
{
    PlaitAxis top = plait_cpu_top(kernel, node->space);
    if (top == PLAIT_NO_AXIS) return 0;
    double base = vectors(kernel, node->space, top);
    switch (node->op) {
    case PLAIT_OP_TENSOR:
    case PLAIT_OP_FOR:
    case PLAIT_OP_CONST:
    case PLAIT_OP_IOTA:
    case PLAIT_OP_BROADCAST:
    case PLAIT_OP_ARGUMENT:
    case PLAIT_OP_RESULT: return 0;
    case PLAIT_OP_LOAD:
    case PLAIT_OP_STORE: return access_cost(kernel, node, top);
    case PLAIT_OP_DOT: return dot_cost(kernel, node);
    case PLAIT_OP_EXP:
    case PLAIT_OP_TANH:
    case PLAIT_OP_TANH_APPROX: return TRANSCENDENTAL * base;
    default: break;
    }
    bool across = plait_cpu_is_reduce(node->op) && (node->reduced & plait_axis_bit(top));
    return base + (across ? ACROSS * volume(kernel, node->axes) : 0);
}

static double total_cost(const PlaitCpuKernel *kernel, const double *weights)
{
    double cost = 0;
    for (PlaitCpuId id = 1; id < kernel->function->insts.count; id++)
        cost += weights[id] * node_cost(kernel, plait_cpu_node(kernel, id));
    return cost;
}

static double *node_weights(const PlaitCpuKernel *kernel)
{
    double *weights = PLAIT_NEW_ARRAY(kernel->arena, double, kernel->nodes.count);
    for (PlaitCpuId id = 1; id < kernel->nodes.count; id++) {
        const PlaitRegion *region = plait_cpu_node(kernel, id)->region;
        weights[id] = 1;
        for (; region && region->parent; region = region->parent)
            if (weights[id] < MAX_LOOP_WEIGHT) weights[id] *= LOOP_WEIGHT;
    }
    return weights;
}

/* Moves the axis at position `from` of `order` to position `to`. */
static void move(PlaitAxis *order, uint32_t from, uint32_t to)
{
    PlaitAxis axis = order[from];
    for (; from < to; from++) order[from] = order[from + 1];
    for (; from > to; from--) order[from] = order[from - 1];
    order[to] = axis;
}

static double cost_of_order(PlaitCpuKernel *kernel, const double *weights, const PlaitAxis *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) kernel->importance[order[i]] = i + 1;
    return total_cost(kernel, weights);
}

void plait_cpu_order_choose(PlaitCpuKernel *kernel)
{
    PlaitAxis order[PLAIT_CPU_MAX_AXES];
    uint32_t count = 0;
    kernel->importance = PLAIT_NEW_ARRAY(kernel->arena, uint32_t, kernel->function->axes.count);
    for (PlaitAxis axis = 0; axis < kernel->function->axes.count; axis++)
        if (plait_cpu_tile(kernel, axis)) order[count++] = axis;
    const double *weights = node_weights(kernel);
    double best = cost_of_order(kernel, weights, order, count);
    for (bool better = true; better;) {
        better = false;
        for (uint32_t from = 0; from < count; from++)
            for (uint32_t to = 0; to < count; to++) {
                move(order, from, to);
                double cost = cost_of_order(kernel, weights, order, count);
                better |= cost < best;
                if (cost < best) best = cost;
                else move(order, to, from);
            }
    }
    cost_of_order(kernel, weights, order, count);
}
