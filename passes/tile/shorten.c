/* Brings the uses of wide tiles together, where a thread would have to hold more of them than it has registers.
 *
 * A kernel that prepares a block of tokens has no loop around its work: dozens of tiles of 64 registers, written in the
 * order in which the operator names its results. An exponential that two results need, one of them at the end, would
 * be kept (or spilled) through everything between.
 *
 *     %2 = exp2 %1                                             %2 = exp2 %1
 *     store %x, %2                                             store %x, %2
 *     .. (hundreds of lines)                       ->          %4 = mul %3, %2
 *     %4 = mul %3, %2                                          store %y, %4
 *     store %y, %4                                             ..
 *
 * List scheduling: what some instruction needs that has not been made yet, and itself, comes next if it leaves less to
 * be held than there was; else the order stays. Only the kernel's outermost region is looked at, only where the order
 * that was holds more than REGISTERS, and the new order is kept only if it holds less. Stands after `copy`.
 */
#include "ir/registers.h"
#include "passes/passes.h"

/* REGISTERS of a thread where a program has the fewest, LEAST_THREADS: two programs are to fit into a multiprocessor.
 */
enum { REGISTERS = 200, LEAST_THREADS = 128, LEAST_GAIN = 8, MOST_STEPS = 32, MOST_CANDIDATES = 512 };
/* Groups looked at in a kernel, after which the rest keeps its order: kernels of thousands of instructions,
 * convolutions of convolutions, are not to cost seconds here. Those that prepare blocks take ten thousand. */
enum { MOST_TRIES = 200000 };

static uint32_t at_least(uint32_t value, uint32_t least) { return value > least ? value : least; }

/* An instruction of the region. */
typedef struct Step {
    PlaitValue value;
    uint32_t weight;      /* registers that its result takes */
    bool light;           /* made of positions and numbers: the assembler makes it again where it is read */
    bool has_body;        /* stays where it is */
    PlaitValues operands; /* steps that it reads, each once */
    PlaitValues users;    /* and those that read it */
    uint32_t left;        /* users to come */
    bool done, candidate;
    uint32_t search, found; /* the last search that met it, and how many of its readers that found */
} Step;

typedef struct Shorten {
    PlaitFunction *kernel;
    Step *steps;
    uint32_t count, search; /* search: groups looked at */
    uint32_t *step_of;      /* by value: its step + 1 */
    PlaitValues candidates; /* steps that may gain something by coming next */
} Shorten;

/* ---- what each step needs ---- */

static void add_operand(Shorten *shorten, uint32_t index, PlaitValue value)
{
    uint32_t source = shorten->step_of[value];
    if (!source || source - 1 == index) return;
    Step *step = &shorten->steps[index];
    for (uint32_t i = 0; i < step->operands.count; i++)
        if (step->operands.data[i] == source - 1) return;
    plait_push(shorten->kernel->module->arena, &step->operands, source - 1);
    plait_push(shorten->kernel->module->arena, &shorten->steps[source - 1].users, index);
}

/* What the instruction reads, and what those of its body do. */
static void add_operands(Shorten *shorten, uint32_t index, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(shorten->kernel, value);
    for (uint32_t i = 0; i < inst->operand_count; i++) add_operand(shorten, index, inst->operands[i]);
    if (!inst->body) return;
    for (uint32_t i = 0; i < inst->body->body.count; i++) add_operands(shorten, index, inst->body->body.data[i]);
    for (uint32_t i = 0; i < inst->body->yields.count; i++) add_operand(shorten, index, inst->body->yields.data[i]);
}

static bool is_light(const Shorten *shorten, const Step *step, const PlaitInst *inst)
{
    if (inst->op == PLAIT_OP_IOTA || inst->op == PLAIT_OP_CONST || inst->type.rank == 0) return true;
    if (inst->type.space != PLAIT_SPACE_VALUE || inst->type.scalar == PLAIT_BOOL) return true;
    bool light = plait_op_is_pointwise((PlaitOp)inst->op) || inst->op == PLAIT_OP_BROADCAST;
    for (uint32_t i = 0; i < step->operands.count; i++) light &= shorten->steps[step->operands.data[i]].light;
    return light;
}

static uint32_t registers(const PlaitFunction *kernel, PlaitType type)
{
    return (plait_tile_slots(kernel, type) * plait_scalar_bytes((PlaitScalar)type.scalar) + 3) / 4;
}

static void make_steps(Shorten *shorten)
{
    PlaitFunction *kernel = shorten->kernel;
    for (uint32_t i = 0; i < shorten->count; i++) {
        Step *step = &shorten->steps[i];
        step->value = kernel->body->body.data[i];
        const PlaitInst *inst = plait_inst(kernel, step->value);
        add_operands(shorten, i, step->value);
        step->has_body = inst->body != NULL;
        step->light = inst->op == PLAIT_OP_STORE || inst->body || is_light(shorten, step, inst);
        step->weight = step->light ? 0 : registers(kernel, inst->type);
        shorten->step_of[step->value] = i + 1;
    }
}

/* ---- what an order holds ---- */

static void begin(Shorten *shorten)
{
    for (uint32_t i = 0; i < shorten->count; i++) {
        shorten->steps[i].left = shorten->steps[i].users.count;
        shorten->steps[i].done = false;
    }
}

/* Registers that the step's operands leave free. */
static uint32_t finish(Shorten *shorten, uint32_t index)
{
    Step *step = &shorten->steps[index];
    uint32_t freed = 0;
    step->done = true;
    for (uint32_t i = 0; i < step->operands.count; i++) {
        Step *operand = &shorten->steps[step->operands.data[i]];
        if (--operand->left == 0) freed += operand->weight;
    }
    return freed;
}

/* The most that is held at once. */
static uint32_t most_held(Shorten *shorten, const PlaitValues *order)
{
    uint32_t held = 0, most = 0;
    begin(shorten);
    for (uint32_t i = 0; i < order->count; i++) {
        held += shorten->steps[order->data[i]].weight - finish(shorten, order->data[i]);
        if (held > most) most = held;
    }
    return most;
}

/* ---- another order ---- */

/* A step with what it still needs. */
typedef struct Group {
    uint32_t steps[MOST_STEPS], count;
    uint32_t freed, kept;
    bool fits;
} Group;

static void meet(Shorten *shorten, Group *group, uint32_t index)
{
    Step *step = &shorten->steps[index];
    if (step->search != shorten->search) {
        step->search = shorten->search;
        step->found = 0;
        if (!step->done) {
            group->fits &= group->count < MOST_STEPS && !step->has_body;
            if (!group->fits) return;
            group->steps[group->count++] = index;
            for (uint32_t i = 0; i < step->operands.count && group->fits; i++)
                meet(shorten, group, step->operands.data[i]);
        }
    }
    step->found++;
    if (step->done && step->found == step->left) group->freed += step->weight;
}

/* What is gained when the step comes next, with all that it needs; 0 if nothing. */
static uint32_t gain_of(Shorten *shorten, uint32_t index, Group *group)
{
    *group = (Group){.fits = true};
    shorten->search++;
    meet(shorten, group, index);
    for (uint32_t i = 0; i < group->count && group->fits; i++) {
        const Step *step = &shorten->steps[group->steps[i]];
        bool read = group->steps[i] == index ? step->left > 0 : step->found < step->left;
        if (read) group->kept += step->weight;
    }
    return group->fits && group->freed > group->kept ? group->freed - group->kept : 0;
}

static void sort(Group *group)
{
    for (uint32_t i = 1; i < group->count; i++)
        for (uint32_t k = i; k > 0 && group->steps[k] < group->steps[k - 1]; k--) {
            uint32_t other = group->steps[k];
            group->steps[k] = group->steps[k - 1];
            group->steps[k - 1] = other;
        }
}

/* The step, and all that need it. */
static void add_candidates(Shorten *shorten, uint32_t index)
{
    Step *step = &shorten->steps[index];
    if (step->done || step->candidate || shorten->candidates.count == MOST_CANDIDATES || shorten->search > MOST_TRIES)
        return;
    step->candidate = true;
    plait_push(shorten->kernel->module->arena, &shorten->candidates, index);
    for (uint32_t i = 0; i < step->users.count; i++) add_candidates(shorten, step->users.data[i]);
}

static void forget_candidates(Shorten *shorten)
{
    for (uint32_t i = 0; i < shorten->candidates.count; i++)
        shorten->steps[shorten->candidates.data[i]].candidate = false;
    shorten->candidates.count = 0;
}

/* Others gain by it only if they need what it made, or if they are now the last to need what it read. */
static void place(Shorten *shorten, PlaitValues *order, uint32_t index)
{
    const Step *step = &shorten->steps[index];
    finish(shorten, index);
    plait_push(shorten->kernel->module->arena, order, index);
    for (uint32_t i = 0; i < step->users.count; i++) add_candidates(shorten, step->users.data[i]);
    for (uint32_t i = 0; i < step->operands.count; i++) {
        const PlaitValues *users = &shorten->steps[step->operands.data[i]].users;
        for (uint32_t k = 0; k < users->count; k++) add_candidates(shorten, users->data[k]);
    }
}

/* Places the group of steps that gains the most, if any gains something; of several the first. */
static bool place_best(Shorten *shorten, PlaitValues *order)
{
    Group best = {0}, group;
    uint32_t most = LEAST_GAIN - 1, first = 0;
    for (uint32_t i = 0; i < shorten->candidates.count; i++) {
        uint32_t index = shorten->candidates.data[i];
        uint32_t gain = shorten->steps[index].done ? 0 : gain_of(shorten, index, &group);
        if (gain < most || gain < LEAST_GAIN || (gain == most && index > first)) continue;
        most = gain;
        first = index;
        best = group;
    }
    if (!best.count) forget_candidates(shorten);
    sort(&best);
    for (uint32_t i = 0; i < best.count; i++) place(shorten, order, best.steps[i]);
    return best.count > 0;
}

static PlaitValues another_order(Shorten *shorten)
{
    PlaitValues order = {0};
    begin(shorten);
    for (uint32_t i = 0; i < shorten->count; i++) {
        if (shorten->steps[i].done) continue;
        while (place_best(shorten, &order)) continue;
        if (!shorten->steps[i].done) place(shorten, &order, i);
    }
    return order;
}

/* ---- the pass ---- */

typedef struct Accesses {
    const PlaitFunction *kernel;
    uint8_t *loads, *stores; /* by value of a tensor */
    bool meet;
} Accesses;

static void note_access(void *context, PlaitValue value)
{
    Accesses *accesses = context;
    const PlaitInst *inst = plait_inst(accesses->kernel, value);
    bool store = inst->op == PLAIT_OP_STORE, load = inst->op == PLAIT_OP_LOAD || inst->op == PLAIT_OP_COPY;
    if (!store && !load) return;
    accesses->meet |= accesses->stores[inst->operands[0]] || (store && accesses->loads[inst->operands[0]]);
    (store ? accesses->stores : accesses->loads)[inst->operands[0]] = 1;
}

/* Whether the order of loads and stores matters: the kernel reads what it wrote, or writes a tensor at two places. */
static bool accesses_meet(const PlaitFunction *kernel)
{
    Accesses accesses = {.kernel = kernel};
    accesses.loads = PLAIT_NEW_ARRAY(kernel->module->arena, uint8_t, kernel->insts.count);
    accesses.stores = PLAIT_NEW_ARRAY(kernel->module->arena, uint8_t, kernel->insts.count);
    plait_region_walk(kernel, kernel->body, note_access, &accesses);
    return accesses.meet;
}

static bool improve(PlaitFunction *kernel)
{
    PlaitArena *arena = kernel->module->arena;
    PlaitValues *body = &kernel->body->body, before = {0};
    Shorten shorten = {.kernel = kernel, .count = body->count};
    shorten.steps = PLAIT_NEW_ARRAY(arena, Step, body->count);
    shorten.step_of = PLAIT_NEW_ARRAY(arena, uint32_t, kernel->insts.count);
    make_steps(&shorten);
    for (uint32_t i = 0; i < body->count; i++) plait_push(arena, &before, i);
    uint32_t most = most_held(&shorten, &before);
    if (most <= REGISTERS * LEAST_THREADS / at_least(kernel->threads, LEAST_THREADS)) return false;
    PlaitValues order = another_order(&shorten);
    if (most_held(&shorten, &order) >= most) return false;
    for (uint32_t i = 0; i < order.count; i++) body->data[i] = shorten.steps[order.data[i]].value;
    return true;
}

bool plait_pass_shorten(PlaitFunction *kernel)
{
    bool changed = false;
    if (kernel->level != PLAIT_LEVEL_TILE || accesses_meet(kernel)) return false;
    while (improve(kernel)) changed = true;
    return changed;
}
