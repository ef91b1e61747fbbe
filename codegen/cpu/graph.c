/* The nodes of a kernel and what becomes of each: scalar, virtual, real or leaf (plan.h).
 *
 * Costs of computing a virtual node again: 2 for an operation, 1 for a tile read from a buffer, summed over the virtual
 * nodes below it. Up to CHEAP a tile is virtual if every use has exactly its axes (at a wider use it would be computed
 * again for every point of the axes it does not have, and one lane at a time) and stands in its region (not in a loop
 * inside). A tile that reads no buffer (positions and masks made of them) is virtual at any use. A tile with one use of
 * its own axes is virtual at any cost: it is computed once all the same. Operands of dots are read many times and must
 * lie in a buffer.
 */
#include "codegen/cpu/matrix.h"

enum { OPERATION = 2, READ = 1, CHEAP = 8, EXPENSIVE = 100 };

static PlaitAxisSet axes_of_type(PlaitType type)
{
    PlaitAxisSet axes = 0;
    for (uint32_t i = 0; i < type.rank; i++) axes |= plait_axis_bit(type.axes[i]);
    return axes;
}

static void node_fill(PlaitCpuKernel *kernel, PlaitCpuId id)
{
    const PlaitInst *inst = plait_inst(kernel->function, id);
    PlaitCpuNode *node = plait_cpu_node(kernel, id);
    node->op = inst->op == PLAIT_OP_CONVERT ? PLAIT_OP_BROADCAST : inst->op;
    node->inst = inst;
    node->region = inst->region;
    node->scalar = (PlaitScalar)inst->type.scalar;
    node->operands = plait_arena_copy(kernel->arena, inst->operands, inst->operand_count * sizeof *inst->operands);
    node->operand_count = inst->operand_count;
    node->inner = PLAIT_NO_AXIS;
    if (inst->op == PLAIT_OP_TENSOR || inst->op == PLAIT_OP_FOR) return;
    node->axes = node->space = axes_of_type(inst->type);
    for (uint32_t i = 0; i < inst->operand_count && inst->op != PLAIT_OP_RESULT; i++)
        node->space |= plait_cpu_node(kernel, inst->operands[i])->axes;
    node->reduced = node->space & ~node->axes;
    if (inst->op == PLAIT_OP_STORE) node->axes = node->reduced = 0;
    if (plait_cpu_is_reduce(node->op) && !node->reduced) node->op = PLAIT_OP_BROADCAST; /* over no axis */
}

static void fill_region(PlaitCpuKernel *kernel, const PlaitRegion *region)
{
    PlaitCpuPlan *plan = PLAIT_NEW(kernel->arena, PlaitCpuPlan);
    plan->region = region;
    plait_push(kernel->arena, &kernel->plans, plan);
    for (uint32_t i = 0; i < region->params.count; i++) node_fill(kernel, region->params.data[i]);
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        node_fill(kernel, value);
        const PlaitRegion *body = plait_inst(kernel->function, value)->body;
        if (body) fill_region(kernel, body);
    }
}

/* A tensor that is both loaded and stored under one name: all of its accesses keep their order. */
static void find_hazards(PlaitCpuKernel *kernel)
{
    uint32_t count = kernel->nodes.count;
    kernel->hazard = PLAIT_NEW_ARRAY(kernel->arena, bool, count);
    for (PlaitCpuId a = 1; a < count; a++)
        for (PlaitCpuId b = 1; b < count && plait_cpu_node(kernel, a)->op == PLAIT_OP_STORE; b++) {
            if (plait_cpu_node(kernel, b)->op != PLAIT_OP_LOAD) continue;
            PlaitCpuId stored = plait_cpu_node(kernel, a)->operands[0], loaded = plait_cpu_node(kernel, b)->operands[0];
            if (plait_cpu_node(kernel, stored)->inst->name != plait_cpu_node(kernel, loaded)->inst->name) continue;
            kernel->hazard[stored] = kernel->hazard[loaded] = true;
        }
}

void plait_cpu_graph_build(PlaitCpuKernel *kernel)
{
    const PlaitFunction *function = kernel->function;
    if (function->axes.count > PLAIT_CPU_MAX_AXES) plait_bug("kernel with %u axes", function->axes.count);
    for (uint32_t i = 0; i < function->insts.count; i++)
        plait_push(kernel->arena, &kernel->nodes, (PlaitCpuNode){.kind = PLAIT_CPU_NOTHING});
    fill_region(kernel, function->body);
    find_hazards(kernel);
}

PlaitCpuId plait_cpu_node_add(PlaitCpuKernel *kernel, PlaitCpuNode node, PlaitCpuId operand)
{
    node.operands = PLAIT_NEW(kernel->arena, PlaitCpuId);
    node.operands[0] = operand;
    node.operand_count = 1;
    node.kind = PLAIT_CPU_REAL;
    node.space = node.axes;
    plait_push(kernel->arena, &kernel->nodes, node);
    return kernel->nodes.count - 1;
}

/* ---- kinds ---- */

/* What the uses of each node say about it. */
typedef struct Uses {
    bool *wider;     /* used at points of more axes than it has */
    bool *elsewhere; /* used in a region inside its own */
    bool *stored;    /* a dot's operand or a carry's next value: must lie in a buffer */
} Uses;

static void note_uses(PlaitCpuKernel *kernel, PlaitCpuId id, Uses *uses)
{
    const PlaitCpuNode *node = plait_cpu_node(kernel, id);
    for (uint32_t i = 0; i < node->operand_count; i++) {
        PlaitCpuId operand = node->operands[i];
        PlaitCpuNode *used = plait_cpu_node(kernel, operand);
        used->uses++;
        if (node->op != PLAIT_OP_FOR && used->axes != node->space) uses->wider[operand] = true;
        if (used->region != node->region) uses->elsewhere[operand] = true;
        if (node->op == PLAIT_OP_DOT && i < 2) uses->stored[operand] = true;
    }
    const PlaitRegion *body = node->inst ? node->inst->body : NULL;
    for (uint32_t i = 0; body && i < body->yields.count; i++) {
        plait_cpu_node(kernel, body->yields.data[i])->uses++;
        uses->stored[body->yields.data[i]] = true;
    }
}

static bool is_expensive(uint32_t op)
{
    switch (op) {
    case PLAIT_OP_EXP:
    case PLAIT_OP_EXP2:
    case PLAIT_OP_EXPM1:
    case PLAIT_OP_LOG:
    case PLAIT_OP_LOG1P:
    case PLAIT_OP_SQRT:
    case PLAIT_OP_RSQRT:
    case PLAIT_OP_SIN:
    case PLAIT_OP_COS:
    case PLAIT_OP_TANH:
    case PLAIT_OP_TANH_APPROX:
    case PLAIT_OP_ERF:
    case PLAIT_OP_DIV:
    case PLAIT_OP_FLOORDIV:
    case PLAIT_OP_MOD:
    case PLAIT_OP_POW: return true;
    default: return false;
    }
}

static void sum_cost(const PlaitCpuKernel *kernel, PlaitCpuNode *node)
{
    bool free = node->op == PLAIT_OP_CONST || node->op == PLAIT_OP_BROADCAST || node->op == PLAIT_OP_IOTA;
    node->cost = free ? 0 : is_expensive(node->op) ? EXPENSIVE : OPERATION;
    for (uint32_t i = 0; i < node->operand_count; i++) {
        const PlaitCpuNode *operand = plait_cpu_node(kernel, node->operands[i]);
        if (operand->kind == PLAIT_CPU_VIRTUAL) {
            node->cost += operand->cost;
            node->touches_memory |= operand->touches_memory;
        } else if (operand->axes) {
            node->cost += READ;
            node->touches_memory = true;
        }
    }
}

static PlaitCpuKind kind_of_tile(const PlaitCpuKernel *kernel, PlaitCpuId id, const Uses *uses)
{
    const PlaitCpuNode *node = plait_cpu_node(kernel, id);
    if (node->op == PLAIT_OP_ARGUMENT || node->op == PLAIT_OP_RESULT) return PLAIT_CPU_LEAF;
    if (node->op == PLAIT_OP_LOAD || plait_cpu_is_accumulation(node->op) || uses->stored[id]) return PLAIT_CPU_REAL;
    if (node->op == PLAIT_OP_BROADCAST || node->op == PLAIT_OP_CONST || node->op == PLAIT_OP_IOTA)
        return PLAIT_CPU_VIRTUAL;
    bool same_points = !uses->wider[id] && !uses->elsewhere[id];
    if (node->uses == 1 && same_points) return PLAIT_CPU_VIRTUAL;
    return node->cost <= CHEAP && (same_points || !node->touches_memory) ? PLAIT_CPU_VIRTUAL : PLAIT_CPU_REAL;
}

static PlaitCpuKind kind_of_scalar(const PlaitCpuKernel *kernel, const PlaitCpuNode *node)
{
    bool ordered = node->op == PLAIT_OP_LOAD && kernel->hazard[node->operands[0]];
    return ordered || (plait_cpu_is_accumulation(node->op) && node->space) ? PLAIT_CPU_REAL : PLAIT_CPU_SCALAR;
}

static void choose_kinds(PlaitCpuKernel *kernel, const PlaitRegion *region, const Uses *uses)
{
    for (uint32_t i = 0; i < region->params.count + region->body.count; i++) {
        PlaitCpuId id = i < region->params.count ? region->params.data[i] : region->body.data[i - region->params.count];
        PlaitCpuNode *node = plait_cpu_node(kernel, id);
        if (node->op == PLAIT_OP_TENSOR) continue;
        if (node->op == PLAIT_OP_FOR) {
            choose_kinds(kernel, node->inst->body, uses);
            continue;
        }
        sum_cost(kernel, node);
        if (node->op == PLAIT_OP_STORE) node->kind = PLAIT_CPU_REAL;
        else if (node->axes) node->kind = kind_of_tile(kernel, id, uses);
        else node->kind = kind_of_scalar(kernel, node);
    }
}

/* The operand of a dot as the dot wants it: of its scalar type, with the dot's vector axis innermost if it has it. */
static PlaitCpuId packed(PlaitCpuKernel *kernel, PlaitCpuId operand, PlaitScalar scalar, PlaitAxis vector)
{
    const PlaitCpuNode *node = plait_cpu_node(kernel, operand);
    bool turned =
        vector != PLAIT_NO_AXIS && (node->axes & plait_axis_bit(vector)) && plait_cpu_top(kernel, node->axes) != vector;
    if (!turned && node->scalar == scalar) return operand;
    PlaitAxis inner = turned ? vector : PLAIT_NO_AXIS;
    for (PlaitCpuId other = kernel->function->insts.count; other < kernel->nodes.count; other++) {
        const PlaitCpuNode *made = plait_cpu_node(kernel, other);
        if (made->operands[0] == operand && made->scalar == scalar && made->inner == inner) return other;
    }
    PlaitCpuNode copy = {
        .op = PLAIT_OP_CAST, .region = node->region, .scalar = scalar, .axes = node->axes, .inner = inner};
    return plait_cpu_node_add(kernel, copy, operand);
}

/* Matrix units take bf16 operands as they are. */
static void take_sources(PlaitCpuKernel *kernel, PlaitCpuId id)
{
    if (!plait_matrix_fits(kernel, id)) return;
    PlaitCpuNode *dot = plait_cpu_node(kernel, id);
    for (uint32_t i = 0; i < 2; i++) {
        PlaitCpuId source = plait_matrix_source(kernel, dot->operands[i]);
        if (source) dot->operands[i] = source;
    }
}

/* A store of a tile whose vectors do not lie along the tensor's last axis would go lane by lane: its value is turned in
 * a buffer first. */
static void turn_stored(PlaitCpuKernel *kernel, PlaitCpuId id)
{
    enum { LEAST = 8 }; /* positions along both axes from which that pays */
    const PlaitCpuNode *store = plait_cpu_node(kernel, id);
    uint32_t rank = plait_cpu_node(kernel, store->operands[0])->inst->type.rank;
    if (!rank || store->operand_count != rank + 2 || kernel->hazard[store->operands[0]]) return;
    const PlaitCpuNode *last = plait_cpu_node(kernel, store->operands[rank]);
    const PlaitCpuNode *value = plait_cpu_node(kernel, store->operands[rank + 1]);
    if (last->op != PLAIT_OP_IOTA || value->axes != store->space) return;
    PlaitAxis row = last->inst->axes[0], top = plait_cpu_top(kernel, value->axes);
    if (row == top || !(value->axes & plait_axis_bit(row))) return;
    if (plait_cpu_tile(kernel, row) < LEAST || plait_cpu_tile(kernel, top) < LEAST) return;
    if (value->cost == 0) return; /* constants, positions: computed as well along the other axis */
    PlaitCpuId id_of_value = store->operands[rank + 1];
    if (value->kind == PLAIT_CPU_VIRTUAL) plait_cpu_node(kernel, id_of_value)->kind = PLAIT_CPU_REAL;
    PlaitCpuId turned = packed(kernel, id_of_value, value->scalar, row);
    plait_cpu_node(kernel, id)->operands[rank + 1] = turned;
    plait_cpu_node(kernel, id)->inner = row;
}

void plait_cpu_kinds_choose(PlaitCpuKernel *kernel)
{
    uint32_t count = kernel->nodes.count;
    for (PlaitCpuId id = 1; id < count; id++) take_sources(kernel, id);
    Uses uses = {PLAIT_NEW_ARRAY(kernel->arena, bool, count), PLAIT_NEW_ARRAY(kernel->arena, bool, count),
                 PLAIT_NEW_ARRAY(kernel->arena, bool, count)};
    for (PlaitCpuId id = 1; id < count; id++) note_uses(kernel, id, &uses);
    choose_kinds(kernel, kernel->function->body, &uses);
    for (PlaitCpuId id = 1; id < count; id++) {
        if (plait_cpu_node(kernel, id)->op == PLAIT_OP_STORE) turn_stored(kernel, id);
        if (plait_cpu_node(kernel, id)->op != PLAIT_OP_DOT) continue;
        PlaitAxis vector = plait_cpu_top(kernel, plait_cpu_node(kernel, id)->axes);
        for (uint32_t i = 0; i < 2; i++) {
            PlaitCpuId given = plait_cpu_node(kernel, id)->operands[i];
            PlaitScalar scalar = plait_cpu_node(kernel, plait_matrix_fits(kernel, id) ? given : id)->scalar;
            PlaitCpuId operand = packed(kernel, given, scalar, vector);
            plait_cpu_node(kernel, id)->operands[i] = operand;
        }
    }
}

void plait_cpu_reads(const PlaitCpuKernel *kernel, PlaitCpuId id, void (*visit)(void *context, PlaitCpuId read),
                     void *context)
{
    const PlaitCpuNode *node = plait_cpu_node(kernel, id);
    for (uint32_t i = 0; i < node->operand_count; i++) {
        const PlaitCpuNode *operand = plait_cpu_node(kernel, node->operands[i]);
        if (operand->kind == PLAIT_CPU_VIRTUAL) plait_cpu_reads(kernel, node->operands[i], visit, context);
        else if (operand->kind != PLAIT_CPU_NOTHING) visit(context, node->operands[i]);
    }
}
