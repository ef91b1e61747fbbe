/* Groups: which real nodes share a loop nest, and which of them need a buffer.
 *
 * 1. The instructions of a region are taken in program order. A real node joins the first group whose points are its
 * own and which runs late enough for its operands, or makes a new group at the end. A reduction joins the group that
 * computes its operand and turns the reduced axes into inner loops; what only combines its result with tiles of the
 * kept axes becomes phase 1 of that nest. S1 = a * S;  r = sum d (k * S1);  u = v - r      one pass over S, u computed
 * when the sum over d is done S2 = S1 + k * u;  o = sum d (q * S2)             a second pass
 * Where a tile has too many points to be kept near, what a nest only loads and combines before it reduces or reads an
 * earlier nest's result is placed when the first node that needs it is: first what has other points, which makes
 * earlier groups, then what has the same ones and joins the reader. In program order it could come before a group that
 * another operand needs, and would have to be kept. (Smaller tiles are better off in few nests: hundreds of points at a
 * time cost more as a nest of their own than as a buffer.)
 * 2. A `for` is a group of its own at the end of those before it. Its carries have buffers; initial values are written
 * to them where they are computed.
 * 3. The next value of a carry is written over the old one, in the nest that computes it, if no later group reads the
 * old one. That is safe inside that nest too: a nest visits each point of the carry's axes once and reads before it
 * writes. Otherwise, and when the next value is another carry, copies stand at the end of the body: those of the same
 * axes, which may be of one another's carries, in one nest.
 * 4. A real node that another group reads gets a buffer.
 */
#include "codegen/cpu/plan.h"

static const uint32_t NEVER = UINT32_MAX;

enum { MOST_KEPT = 16384 }; /* points of a tile that may be kept: what the lowering plans for */

typedef struct Clusterer {
    PlaitCpuKernel *kernel;
    PlaitCpuPlan *plan;
    bool *floating; /* by instruction: a real node of the region that is not placed yet, and reads only such ones */
} Clusterer;

PlaitCpuPlan *plait_cpu_plan_of(const PlaitCpuKernel *kernel, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < kernel->plans.count; i++)
        if (kernel->plans.data[i]->region == region) return kernel->plans.data[i];
    plait_bug("a region without a plan");
}

uint32_t plait_cpu_buffer_add(PlaitCpuKernel *kernel, PlaitScalar scalar, PlaitAxisSet axes, PlaitAxis inner)
{
    PlaitCpuBuffer buffer = {.scalar = scalar, .count = 1};
    if (inner != PLAIT_NO_AXIS) axes &= ~plait_axis_bit(inner);
    buffer.rank = plait_cpu_sorted(kernel, axes, buffer.axes);
    if (inner != PLAIT_NO_AXIS) buffer.axes[buffer.rank++] = inner;
    for (uint32_t i = buffer.rank; i-- > 0;) {
        buffer.strides[i] = (uint32_t)buffer.count;
        buffer.count *= plait_cpu_tile(kernel, buffer.axes[i]);
        if (i + 1 == buffer.rank) {
            buffer.cleared = buffer.count % PLAIT_CPU_ROW != 0;
            buffer.count = (buffer.count + PLAIT_CPU_ROW - 1) / PLAIT_CPU_ROW * PLAIT_CPU_ROW;
        }
        if (buffer.count > PLAIT_CPU_MOST_STACK) buffer.count = PLAIT_CPU_MOST_STACK + 1; /* too large: not emitted */
    }
    kernel->stack_bytes += buffer.count * plait_scalar_bytes(scalar);
    plait_push(kernel->arena, &kernel->buffers, buffer);
    return kernel->buffers.count - 1;
}

/* ---- placing ---- */

/* What a node's operands demand of group `group`, if the node is to join it. */
typedef struct Demand {
    const Clusterer *clusterer;
    uint32_t group,
        earliest;     /* earliest: the first group that may compute it if it is not one that computes an operand */
    bool early, late; /* reads values of that group: of phase 0, of phase 1 or its reductions */
} Demand;

static void demand_read(void *context, PlaitCpuId read)
{
    Demand *demand = context;
    const PlaitCpuNode *node = plait_cpu_node(demand->clusterer->kernel, read);
    if (node->region != demand->clusterer->plan->region) return;
    bool local = node->kind == PLAIT_CPU_REAL;
    if (local && node->place == demand->group) {
        bool late = plait_cpu_is_accumulation(node->op) || node->phase == 1;
        demand->late |= late;
        demand->early |= !late;
        return;
    }
    uint32_t ready = node->place + local;
    if (ready > demand->earliest) demand->earliest = ready;
}

static Demand demands(const Clusterer *clusterer, PlaitCpuId id, uint32_t group)
{
    Demand demand = {.clusterer = clusterer, .group = group};
    plait_cpu_reads(clusterer->kernel, id, demand_read, &demand);
    return demand;
}

/* Whether node `id` can be computed by group `index`, and in which phase. */
static bool joins(const Clusterer *clusterer, PlaitCpuId id, uint32_t index, uint32_t *phase)
{
    const PlaitCpuNode *node = plait_cpu_node(clusterer->kernel, id);
    const PlaitCpuGroup *group = &clusterer->plan->groups.data[index];
    if (group->loop) return false;
    Demand demand = demands(clusterer, id, index);
    if (demand.earliest > index) return false;
    *phase = demand.late;
    if (!demand.late) {
        bool reduces = plait_cpu_is_accumulation(node->op);
        return !group->closed && group->axes == node->space &&
               (!reduces || !group->reduced || group->reduced == node->reduced);
    }
    bool kept = group->vector != PLAIT_NO_AXIS && !(group->reduced & plait_axis_bit(group->vector));
    return !demand.early && kept && !plait_cpu_is_accumulation(node->op) &&
           (group->axes & ~group->reduced) == node->space;
}

static uint32_t new_group(Clusterer *clusterer, PlaitCpuGroup group)
{
    plait_push(clusterer->kernel->arena, &clusterer->plan->groups, group);
    return clusterer->plan->groups.count - 1;
}

static void enter(Clusterer *clusterer, PlaitCpuId id, uint32_t index, uint32_t phase)
{
    PlaitCpuNode *node = plait_cpu_node(clusterer->kernel, id);
    PlaitCpuGroup *group = &clusterer->plan->groups.data[index];
    if (phase == 0) group->reduced |= node->reduced;
    node->place = index;
    node->phase = phase;
    plait_push(clusterer->kernel->arena, &group->members, id);
}

/* A group of its own for node `id`, with the loops that it wants. */
static void place_alone(Clusterer *clusterer, PlaitCpuId id, bool closed)
{
    const PlaitCpuNode *node = plait_cpu_node(clusterer->kernel, id);
    PlaitAxisSet along = node->op == PLAIT_OP_DOT && node->axes ? node->axes : node->space;
    PlaitAxis vector = node->inner != PLAIT_NO_AXIS ? node->inner : plait_cpu_top(clusterer->kernel, along);
    enter(clusterer, id, new_group(clusterer, (PlaitCpuGroup){.axes = node->space, .vector = vector, .closed = closed}),
          0);
}

static bool keeps_order(const PlaitCpuKernel *kernel, const PlaitCpuNode *node)
{
    return (node->op == PLAIT_OP_LOAD || node->op == PLAIT_OP_STORE) && kernel->hazard[node->operands[0]];
}

static void place_real(Clusterer *clusterer, PlaitCpuId id, uint32_t first)
{
    const PlaitCpuNode *node = plait_cpu_node(clusterer->kernel, id);
    bool alone = node->op == PLAIT_OP_DOT || node->inner != PLAIT_NO_AXIS || keeps_order(clusterer->kernel, node);
    uint32_t phase;
    for (uint32_t i = first; i < clusterer->plan->groups.count && !alone; i++)
        if (joins(clusterer, id, i, &phase)) {
            enter(clusterer, id, i, phase);
            return;
        }
    place_alone(clusterer, id, alone);
}

/* ---- placing on demand ---- */

static void place_synthetic(Clusterer *clusterer, PlaitCpuId id);

static bool is_floating(const Clusterer *clusterer, PlaitCpuId id)
{
    return id < clusterer->kernel->function->insts.count && clusterer->floating[id];
}

/* The floating nodes that others read, directly or through each other. */
typedef struct Wanted {
    const Clusterer *clusterer;
    bool *there; /* by instruction */
    bool any;
} Wanted;

static void want_read(void *context, PlaitCpuId read)
{
    Wanted *wanted = context;
    if (read >= wanted->clusterer->kernel->function->insts.count) { /* a copy for a dot, placed with what it copies */
        plait_cpu_reads(wanted->clusterer->kernel, read, want_read, wanted);
        return;
    }
    if (!is_floating(wanted->clusterer, read) || wanted->there[read]) return;
    wanted->there[read] = wanted->any = true;
    plait_cpu_reads(wanted->clusterer->kernel, read, want_read, wanted);
}

/* Places in program order those wanted nodes whose points are those of `space`, or those whose points are not. */
static void place_some(Clusterer *clusterer, const Wanted *wanted, PlaitAxisSet space, bool same)
{
    const PlaitRegion *region = clusterer->plan->region;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitCpuId id = region->body.data[i];
        bool now = wanted->there[id] && (plait_cpu_node(clusterer->kernel, id)->space == space) == same;
        if (!now || !clusterer->floating[id]) continue;
        clusterer->floating[id] = false;
        place_real(clusterer, id, 0);
        place_synthetic(clusterer, id);
    }
}

/* Places what node `id` reads and floats still. */
static void place_reads(Clusterer *clusterer, PlaitCpuId id)
{
    PlaitCpuKernel *kernel = clusterer->kernel;
    Wanted wanted = {clusterer, PLAIT_NEW_ARRAY(kernel->arena, bool, kernel->function->insts.count), false};
    plait_cpu_reads(kernel, id, want_read, &wanted);
    if (!wanted.any) return;
    PlaitAxisSet space = plait_cpu_node(kernel, id)->space;
    place_some(clusterer, &wanted, space, false);
    place_some(clusterer, &wanted, space, true);
}

/* Places what floats still, in program order. */
static void place_rest(Clusterer *clusterer)
{
    const PlaitRegion *region = clusterer->plan->region;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitCpuId id = region->body.data[i];
        if (!clusterer->floating[id]) continue;
        place_reads(clusterer, id);
        clusterer->floating[id] = false;
        place_real(clusterer, id, 0);
        place_synthetic(clusterer, id);
    }
}

static void note_fixed(void *context, PlaitCpuId read)
{
    Demand *demand = context;
    const PlaitCpuNode *node = plait_cpu_node(demand->clusterer->kernel, read);
    bool local = node->kind == PLAIT_CPU_REAL && node->region == demand->clusterer->plan->region;
    demand->early |= local && !is_floating(demand->clusterer, read);
}

static uint64_t points(const PlaitCpuKernel *kernel, PlaitAxisSet space)
{
    uint64_t count = 1;
    for (PlaitAxis axis = 0; axis < kernel->function->axes.count && count <= MOST_KEPT; axis++)
        if (space & plait_axis_bit(axis)) count *= plait_cpu_tile(kernel, axis);
    return count;
}

/* Whether a node may wait for its first reader. */
static bool floats(const Clusterer *clusterer, PlaitCpuId id)
{
    const PlaitCpuNode *node = plait_cpu_node(clusterer->kernel, id);
    if (points(clusterer->kernel, node->space) <= MOST_KEPT) return false;
    if (plait_cpu_is_accumulation(node->op) || node->op == PLAIT_OP_DOT || node->op == PLAIT_OP_STORE ||
        node->inner != PLAIT_NO_AXIS || keeps_order(clusterer->kernel, node))
        return false;
    Demand demand = {.clusterer = clusterer};
    plait_cpu_reads(clusterer->kernel, id, note_fixed, &demand);
    return !demand.early;
}

static void place_scalar(Clusterer *clusterer, PlaitCpuId id)
{
    place_reads(clusterer, id);
    PlaitCpuNode *node = plait_cpu_node(clusterer->kernel, id);
    node->place = demands(clusterer, id, NEVER).earliest;
    if (node->op == PLAIT_OP_RESULT) node->place = plait_cpu_node(clusterer->kernel, node->operands[0])->place + 1;
    plait_push(clusterer->kernel->arena, &clusterer->plan->scalars, id);
}

/* Casts and packed copies that dots want of node `id`. */
static void place_synthetic(Clusterer *clusterer, PlaitCpuId id)
{
    const PlaitCpuKernel *kernel = clusterer->kernel;
    for (PlaitCpuId other = kernel->function->insts.count; other < kernel->nodes.count; other++) {
        const PlaitCpuNode *node = plait_cpu_node(kernel, other);
        if (node->op != PLAIT_OP_CAST || node->operands[0] != id) continue;
        place_reads(clusterer, other);
        place_real(clusterer, other, 0);
    }
}

/* ---- carries ---- */

static PlaitCpuId copy_to(Clusterer *clusterer, PlaitCpuId value, uint32_t buffer)
{
    PlaitCpuKernel *kernel = clusterer->kernel;
    const PlaitCpuNode *node = plait_cpu_node(kernel, value);
    PlaitCpuNode copy = {.op = PLAIT_CPU_COPY,
                         .region = clusterer->plan->region,
                         .scalar = node->scalar,
                         .axes = node->axes,
                         .inner = PLAIT_NO_AXIS};
    plait_push(kernel->arena, &copy.targets, buffer);
    return plait_cpu_node_add(kernel, copy, value);
}

static bool is_here(const Clusterer *clusterer, PlaitCpuId value)
{
    const PlaitCpuNode *node = plait_cpu_node(clusterer->kernel, value);
    return node->kind == PLAIT_CPU_REAL && node->region == clusterer->plan->region && node->inner == PLAIT_NO_AXIS;
}

static void begin_carries(Clusterer *clusterer, PlaitCpuId loop)
{
    PlaitCpuKernel *kernel = clusterer->kernel;
    const PlaitInst *inst = plait_cpu_node(kernel, loop)->inst;
    kernel->carry_buffers[loop] = kernel->carries.count;
    for (uint32_t i = 2; i < inst->operand_count; i++) {
        PlaitCpuId initial = inst->operands[i];
        PlaitAxisSet axes = plait_cpu_node(kernel, initial)->axes;
        uint32_t buffer =
            axes ? plait_cpu_buffer_add(kernel, plait_cpu_node(kernel, initial)->scalar, axes, PLAIT_NO_AXIS) : 0;
        plait_push(kernel->arena, &kernel->carries, buffer);
        plait_cpu_node(kernel, inst->body->params.data[i - 1])->buffer = buffer;
        if (!buffer) continue;
        if (is_here(clusterer, initial)) plait_push(kernel->arena, &plait_cpu_node(kernel, initial)->targets, buffer);
        else place_real(clusterer, copy_to(clusterer, initial, buffer), 0);
    }
}

/* The last group of a region that reads each node, also in the loops inside it. */
typedef struct LastReads {
    uint32_t *group; /* by node: 1 + its index; 0: none */
    uint32_t now;
} LastReads;

static void note_read(void *context, PlaitCpuId read)
{
    LastReads *reads = context;
    reads->group[read] = reads->now;
}

static void visit_group(const PlaitCpuKernel *kernel, const PlaitCpuGroup *group,
                        void (*visit)(void *context, PlaitCpuId read), void *context)
{
    for (uint32_t i = 0; i < group->members.count; i++) plait_cpu_reads(kernel, group->members.data[i], visit, context);
    if (!group->loop) return;
    const PlaitCpuPlan *inside = plait_cpu_plan_of(kernel, plait_cpu_node(kernel, group->loop)->inst->body);
    for (uint32_t i = 0; i < inside->groups.count; i++) visit_group(kernel, &inside->groups.data[i], visit, context);
}

static LastReads last_reads(const Clusterer *clusterer)
{
    LastReads reads = {.group = PLAIT_NEW_ARRAY(clusterer->kernel->arena, uint32_t, clusterer->kernel->nodes.count)};
    for (uint32_t i = 0; i < clusterer->plan->groups.count; i++) {
        reads.now = i + 1;
        visit_group(clusterer->kernel, &clusterer->plan->groups.data[i], note_read, &reads);
    }
    return reads;
}

/* Writes what the body yields to the buffers of the carries. */
static void end_carries(Clusterer *clusterer, PlaitCpuId loop)
{
    PlaitCpuKernel *kernel = clusterer->kernel;
    const PlaitRegion *body = clusterer->plan->region;
    const uint32_t *buffers = kernel->carries.data + kernel->carry_buffers[loop];
    LastReads reads = last_reads(clusterer);
    PlaitCpuList copies = {0};
    for (uint32_t i = 0; i < body->yields.count; i++) {
        PlaitCpuId next = body->yields.data[i];
        if (!buffers[i] || next == body->params.data[i + 1] || is_here(clusterer, next)) continue;
        plait_push(kernel->arena, &copies, copy_to(clusterer, next, buffers[i]));
        reads.group[next] = NEVER;
    }
    for (uint32_t i = 0; i < body->yields.count; i++) {
        PlaitCpuId next = body->yields.data[i];
        if (!buffers[i] || next == body->params.data[i + 1] || !is_here(clusterer, next)) continue;
        PlaitCpuNode *node = plait_cpu_node(kernel, next);
        if (reads.group[body->params.data[i + 1]] > node->place + 1) {
            plait_push(kernel->arena, &copies, copy_to(clusterer, next, buffers[i]));
            continue;
        }
        plait_push(kernel->arena, &node->targets, buffers[i]);
        if (!node->buffer) node->buffer = buffers[i];
    }
    uint32_t first = clusterer->plan->groups.count;
    for (uint32_t i = 0; i < copies.count; i++) place_real(clusterer, copies.data[i], first);
}

/* ---- regions ---- */

static void cluster_region(PlaitCpuKernel *kernel, const PlaitRegion *region, PlaitCpuId owner);

static void place_loop(Clusterer *clusterer, PlaitCpuId id)
{
    place_rest(clusterer);
    begin_carries(clusterer, id);
    cluster_region(clusterer->kernel, plait_cpu_node(clusterer->kernel, id)->inst->body, id);
    plait_cpu_node(clusterer->kernel, id)->place =
        new_group(clusterer, (PlaitCpuGroup){.loop = id, .vector = PLAIT_NO_AXIS});
}

static void place_leaf(Clusterer *clusterer, PlaitCpuId id)
{
    PlaitCpuKernel *kernel = clusterer->kernel;
    PlaitCpuNode *node = plait_cpu_node(kernel, id);
    PlaitCpuId loop = node->operands[0];
    node->place = plait_cpu_node(kernel, loop)->place + 1;
    node->buffer = kernel->carries.data[kernel->carry_buffers[loop] + (uint32_t)node->inst->ints[0]];
}

static void place(Clusterer *clusterer, PlaitCpuId id)
{
    PlaitCpuNode *node = plait_cpu_node(clusterer->kernel, id);
    switch (node->kind) {
    case PLAIT_CPU_SCALAR: place_scalar(clusterer, id); break;
    case PLAIT_CPU_REAL:
        clusterer->floating[id] = floats(clusterer, id);
        if (clusterer->floating[id]) return;
        place_reads(clusterer, id);
        place_real(clusterer, id, 0);
        break;
    case PLAIT_CPU_LEAF: place_leaf(clusterer, id); break;
    case PLAIT_CPU_NOTHING:
        if (node->op == PLAIT_OP_FOR) place_loop(clusterer, id);
        break;
    case PLAIT_CPU_VIRTUAL: break;
    }
    place_synthetic(clusterer, id);
}

static void cluster_region(PlaitCpuKernel *kernel, const PlaitRegion *region, PlaitCpuId owner)
{
    Clusterer clusterer = {kernel, plait_cpu_plan_of(kernel, region),
                           PLAIT_NEW_ARRAY(kernel->arena, bool, kernel->function->insts.count)};
    for (uint32_t i = 0; i < region->params.count; i++) place_synthetic(&clusterer, region->params.data[i]);
    for (uint32_t i = 0; i < region->body.count; i++) place(&clusterer, region->body.data[i]);
    place_rest(&clusterer);
    if (owner) end_carries(&clusterer, owner);
}

/* ---- buffers ---- */

typedef struct Reader {
    PlaitCpuKernel *kernel;
    const PlaitRegion *region;
    uint32_t group;
} Reader;

static void note_far_read(void *context, PlaitCpuId read)
{
    Reader *reader = context;
    PlaitCpuNode *node = plait_cpu_node(reader->kernel, read);
    if (node->kind != PLAIT_CPU_REAL || node->buffer || !node->axes) return;
    if (node->region == reader->region && node->place == reader->group) return;
    node->buffer = plait_cpu_buffer_add(reader->kernel, node->scalar, node->axes, node->inner);
    plait_push(reader->kernel->arena, &node->targets, node->buffer);
}

static void make_buffers(PlaitCpuKernel *kernel, const PlaitCpuPlan *plan)
{
    for (uint32_t g = 0; g < plan->groups.count; g++) {
        const PlaitCpuGroup *group = &plan->groups.data[g];
        Reader reader = {kernel, plan->region, g};
        for (uint32_t i = 0; i < group->members.count; i++)
            plait_cpu_reads(kernel, group->members.data[i], note_far_read, &reader);
    }
}

void plait_cpu_cluster(PlaitCpuKernel *kernel)
{
    plait_push(kernel->arena, &kernel->buffers, (PlaitCpuBuffer){0});
    kernel->carry_buffers = PLAIT_NEW_ARRAY(kernel->arena, PlaitCpuId, kernel->nodes.count);
    cluster_region(kernel, kernel->function->body, 0);
    for (uint32_t i = 0; i < kernel->plans.count; i++) make_buffers(kernel, kernel->plans.data[i]);
}
