/* Moves what is cheap to make again into the loops that use it: there it needs registers for a moment only.
 *
 *   - tiles of two axes made of positions and numbers (masks of a block of tokens),
 *   - 16-bit tiles widened to f32, which take twice the registers.
 *
 *     %5 = cast %4 : f32[t, d]                     for .. {
 *     for .. {                               ->      %8 = cast %4 : f32[t, d]
 *       .. %5 ..                                     .. %8 ..
 *
 * The lowering puts everything outside of the loops that it does not depend on. Stands before `layout`.
 */
#include "ir/clone.h"
#include "passes/passes.h"

typedef struct Sink {
    PlaitFunction *kernel;
    bool *cheap; /* by value: made of positions and numbers */
    uint32_t count;
    bool changed;
} Sink;

static bool is_cheap(const Sink *sink, const PlaitInst *inst)
{
    if (inst->op == PLAIT_OP_IOTA || inst->op == PLAIT_OP_CONST || inst->op == PLAIT_OP_SIZE) return true;
    if (inst->type.rank == 0)
        return inst->op != PLAIT_OP_LOAD && !inst->body; /* whatever it is: a number of all threads */
    if (!plait_op_is_pointwise((PlaitOp)inst->op) && inst->op != PLAIT_OP_BROADCAST) return false;
    if (inst->op == PLAIT_OP_EXP || inst->op == PLAIT_OP_LOG || inst->op == PLAIT_OP_DIV) return false;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (!sink->cheap[inst->operands[i]]) return false;
    return true;
}

static void mark(void *context, PlaitValue value)
{
    Sink *sink = context;
    sink->cheap[value] = is_cheap(sink, plait_inst(sink->kernel, value));
}

static bool is_widening(const Sink *sink, const PlaitInst *inst)
{
    return inst->op == PLAIT_OP_CAST && inst->type.scalar == PLAIT_F32 &&
           plait_scalar_is_16_bit((PlaitScalar)plait_type_of(sink->kernel, inst->operands[0]).scalar);
}

/* Whether the value from outside of the region is to be made in it. */
static bool moves(const Sink *sink, PlaitValue value, const PlaitRegion *region)
{
    const PlaitInst *inst = plait_inst(sink->kernel, value);
    if (value >= sink->count || plait_region_inside(inst->region, region) || inst->type.rank < 2) return false;
    return inst->type.space != PLAIT_SPACE_GLOBAL &&
           (is_widening(sink, inst) || (sink->cheap[value] && inst->op != PLAIT_OP_CONST));
}

static PlaitValue moved(Sink *sink, PlaitRegion *region, PlaitValue value, PlaitCloneMap *map)
{
    PlaitValue known = plait_clone_find(map, value);
    if (known || !moves(sink, value, region)) return known ? known : value;
    for (uint32_t i = 0; i < plait_inst(sink->kernel, value)->operand_count; i++)
        moved(sink, region, plait_inst(sink->kernel, value)->operands[i], map);
    PlaitBuilder builder = {sink->kernel, region, plait_inst(sink->kernel, value)->span};
    sink->changed = true;
    return plait_clone_inst(&builder, value, map);
}

/* Writes the region anew, with copies in front of their first users. */
static void sink_into(Sink *sink, PlaitRegion *region)
{
    PlaitArena *arena = sink->kernel->module->arena;
    PlaitValues body = region->body;
    PlaitCloneMap map = plait_clone_map(arena);
    region->body = (PlaitValues){0};
    for (uint32_t i = 0; i < body.count; i++) {
        for (uint32_t k = 0; k < plait_inst(sink->kernel, body.data[i])->operand_count; k++) {
            PlaitValue operand = moved(sink, region, plait_inst(sink->kernel, body.data[i])->operands[k], &map);
            plait_inst(sink->kernel, body.data[i])->operands[k] = operand;
        }
        plait_push(arena, &region->body, body.data[i]);
    }
}

static void find_loops(void *context, PlaitValue value)
{
    PlaitRegion *body = plait_inst(((Sink *)context)->kernel, value)->body;
    if (body) sink_into(context, body);
}

bool plait_pass_sink(PlaitFunction *kernel)
{
    uint32_t count = kernel->insts.count;
    Sink sink = {.kernel = kernel, .cheap = PLAIT_NEW_ARRAY(kernel->module->arena, bool, count), .count = count};
    plait_region_walk(kernel, kernel->body, mark, &sink);
    plait_region_walk(kernel, kernel->body, find_loops, &sink);
    return sink.changed;
}
