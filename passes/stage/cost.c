/* Counting bytes and operations.
 *
 * A value in a scan has the axis of time in its type, so counting the positions of each instruction's type counts every
 * token. The instructions are gone through from the last to the first, with what is needed of each: nothing of what
 * nobody reads, and only those pairs of positions that the mask of a reduction lets through. Of several needs the
 * largest share counts, so that the count stays below what must be computed. Arithmetic on positions and truth values
 * is free.
 */
#include "passes/stage/cost.h"
#include "passes/stage/storage.h"

typedef struct Counter {
    const PlaitFunction *function;
    const int64_t *extents;
    PlaitShare *needs; /* by value; share 0: nobody reads it */
    PlaitCost cost;
} Counter;

double plait_cost_positions(const int64_t *extents, PlaitType type)
{
    double count = 1;
    for (uint32_t i = 0; i < type.rank; i++) count *= (double)extents[type.axes[i]];
    return count;
}

/* A share over axes that the type has not all of says nothing about which of its positions are needed. */
static PlaitShare within(PlaitShare need, PlaitType type)
{
    return need.share == 0 || plait_type_inside(need.over, type) ? need : (PlaitShare){1, plait_type(PLAIT_BOOL)};
}

static void need(Counter *counter, PlaitValue value, PlaitShare share)
{
    share = within(share, plait_type_of(counter->function, value));
    if (share.share > counter->needs[value].share) counter->needs[value] = share;
}

static void need_all(Counter *counter, const PlaitValue *values, uint32_t count, PlaitShare share)
{
    for (uint32_t i = 0; i < count; i++) need(counter, values[i], share);
}

static const PlaitShare everything = {.share = 1};

bool plait_cost_is_function(PlaitOp op)
{
    switch ((int)op) {
    case PLAIT_OP_SQRT:
    case PLAIT_OP_RSQRT:
    case PLAIT_OP_FLOOR:
    case PLAIT_OP_CEIL:
    case PLAIT_OP_ROUND:
    case PLAIT_OP_DIV: return false;
    default: return plait_op_info(op)->scalar_class == PLAIT_CLASS_FLOAT;
    }
}

static void count_pointwise(Counter *counter, const PlaitInst *inst, double positions)
{
    PlaitScalar of = (PlaitScalar)plait_type_of(counter->function, inst->operands[inst->operand_count - 1]).scalar;
    if (plait_scalar_kind(of) != PLAIT_FLOATING) return;
    if (plait_cost_is_function((PlaitOp)inst->op)) counter->cost.functions += positions;
    else counter->cost.operations += positions;
}

/* Two for each tap and position; a filter as long as the sequence has (t + 1) / 2 taps on average. */
static void count_conv(Counter *counter, const PlaitInst *inst)
{
    double taps = (double)counter->extents[inst->axes[1]];
    if (inst->axes[0] == inst->axes[1]) taps = (taps + 1) / 2;
    counter->cost.operations += 2 * taps * plait_cost_positions(counter->extents, inst->type);
}

/* Whether the value is an f16 tensor, moved about. */
static bool is_stored_f16(const PlaitFunction *function, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(function, value);
    while (inst->op == PLAIT_OP_CAST || inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_GATHER) {
        if (inst->type.scalar == PLAIT_F16) return true;
        inst = plait_inst(function, inst->operands[0]);
    }
    return inst->type.scalar == PLAIT_F16;
}

/* Whether a sum over `axis` is a matrix product that matrix units can do: each factor has axes of its own, and one is
 * made of bf16 tensors, or both are f16 tensors (whose range a computed factor may leave). */
bool plait_cost_is_matrix_product(const PlaitFunction *function, const PlaitInst *reduce)
{
    const PlaitInst *product = plait_inst(function, reduce->operands[0]);
    if (reduce->op != PLAIT_OP_REDUCE_SUM || reduce->axis_count != 1 || product->op != PLAIT_OP_MUL) return false;
    PlaitType a = plait_type_of(function, product->operands[0]), b = plait_type_of(function, product->operands[1]);
    bool bf16 = plait_storage_of(function, product->operands[0]) == PLAIT_BF16 ||
                plait_storage_of(function, product->operands[1]) == PLAIT_BF16;
    bool f16 = is_stored_f16(function, product->operands[0]) && is_stored_f16(function, product->operands[1]);
    uint32_t both = plait_type_union_rank(a, b);
    return plait_type_has(a, reduce->axes[0]) && plait_type_has(b, reduce->axes[0]) && both > a.rank && both > b.rank &&
           (bf16 || f16);
}

static void count_reduce(Counter *counter, const PlaitInst *inst, PlaitShare share)
{
    PlaitType type = plait_type_of(counter->function, inst->operands[0]);
    if (inst->operand_count == 2) {
        PlaitType mask = plait_type_of(counter->function, inst->operands[1]);
        PlaitShare let = plait_cost_mask_share(counter->function, inst->operands[1], counter->extents);
        need(counter, inst->operands[1], share);
        if (let.share < share.share) share = let;
        type = plait_type_union(type, mask);
    }
    need(counter, inst->operands[0], share);
    if (plait_scalar_kind((PlaitScalar)type.scalar) != PLAIT_FLOATING) return;
    double steps = within(share, type).share * plait_cost_positions(counter->extents, type);
    counter->cost.operations += steps;
    if (plait_cost_is_matrix_product(counter->function, inst)) counter->cost.products += 2 * steps;
}

static void count_region(Counter *counter, const PlaitRegion *region);

static void count_one(Counter *counter, PlaitValue value, PlaitShare share)
{
    const PlaitInst *inst = plait_inst(counter->function, value);
    PlaitOp op = (PlaitOp)inst->op;
    if (plait_op_is_reduce(op)) {
        count_reduce(counter, inst, share);
        return;
    }
    if (plait_op_is_scalar(op) || op == PLAIT_OP_SELECT)
        count_pointwise(counter, inst, share.share * plait_cost_positions(counter->extents, inst->type));
    if (op == PLAIT_OP_CONV) count_conv(counter, inst);
    if (op == PLAIT_OP_SOLVE) counter->cost.operations += plait_cost_positions(counter->extents, inst->type);
    bool in_place = plait_op_is_pointwise(op) || op == PLAIT_OP_BROADCAST;
    need_all(counter, inst->operands, inst->operand_count, in_place ? share : everything);
    if (inst->body) count_region(counter, inst->body);
}

static void count_region(Counter *counter, const PlaitRegion *region)
{
    need_all(counter, region->yields.data, region->yields.count, everything);
    for (uint32_t i = region->body.count; i-- > 0;) {
        PlaitValue value = region->body.data[i];
        if (counter->needs[value].share > 0) count_one(counter, value, counter->needs[value]);
    }
}

static Counter counter_for(const PlaitFunction *function, const int64_t *extents)
{
    return (Counter){.function = function,
                     .extents = extents,
                     .needs = PLAIT_NEW_ARRAY(function->module->arena, PlaitShare, function->insts.count)};
}

PlaitCost plait_cost_count_region(const PlaitFunction *function, const PlaitRegion *region, const int64_t *extents)
{
    Counter counter = counter_for(function, extents);
    count_region(&counter, region);
    return counter.cost;
}

static double type_bytes(const int64_t *extents, PlaitType type)
{
    return plait_cost_positions(extents, type) * plait_scalar_bytes((PlaitScalar)type.scalar);
}

PlaitCost plait_cost_count(const PlaitFunction *function, const int64_t *extents)
{
    Counter counter = counter_for(function, extents);
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        need(&counter, function->outputs.data[i].value, everything);
        counter.cost.bytes += type_bytes(extents, function->outputs.data[i].type);
    }
    count_region(&counter, function->body);
    for (uint32_t i = 0; i < function->params.count; i++)
        counter.cost.bytes += type_bytes(extents, plait_type_of(function, function->params.data[i]));
    return counter.cost;
}

/* The second axis of a fold over blocks of tokens stands for those of one block. */
static void narrow_pairs(const PlaitFunction *fused, int64_t *extents)
{
    for (PlaitValue value = 1; value < fused->insts.count; value++) {
        const PlaitInst *inst = plait_inst(fused, value);
        if (!inst->region || !plait_is_block_fold(inst) || inst->axis_count < 3) continue;
        int64_t block = fused->axes.data[inst->axes[2]].block;
        if (extents[inst->axes[1]] > block) extents[inst->axes[1]] = block;
    }
}

int64_t *plait_cost_extents(const PlaitFunction *fused, const PlaitFunction *written, const int64_t *extents)
{
    int64_t *mapped = PLAIT_NEW_ARRAY(fused->module->arena, int64_t, fused->axes.count);
    for (uint32_t i = 0; i < fused->axes.count; i++) {
        const PlaitAxisInfo *info = &fused->axes.data[i];
        if (info->block) {
            mapped[i] = plait_block_count(mapped[info->same_as], info->block);
            continue;
        }
        PlaitAxis extent = plait_axis_extent_of(fused, (PlaitAxis)i),
                  same = plait_axis_find(written, fused->axes.data[extent].name);
        mapped[i] = fused->axes.data[extent].size != PLAIT_RUNTIME_SIZE ? fused->axes.data[extent].size
                    : same != PLAIT_NO_AXIS                             ? extents[same]
                                                                        : 1;
    }
    narrow_pairs(fused, mapped);
    return mapped;
}

PlaitCost plait_cost_least(const PlaitFunction *written, const PlaitFunction *fused, const int64_t *extents)
{
    PlaitCost first = plait_cost_count(written, extents),
              second = plait_cost_count(fused, plait_cost_extents(fused, written, extents));
    return second.operations < first.operations ? second : first;
}
