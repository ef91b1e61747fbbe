/* Takes the masks of folds apart: into conjuncts, and those into comparisons of data.
 *
 * A conjunct such as `doc@s == doc` compares a number of each key with a number of each row. Whatever the numbers are,
 * the smallest and the largest one of a block of rows say of a key whether it may meet some of them, and whether it
 * meets all (bounds.c). What can be told is told by structure: one side has the fold's axis and not that of the rows,
 * the other the reverse, and both are made, by pointwise operations and reads at other positions, of tensors that are
 * in memory before the kernel runs.
 */
#include "passes/lower/masks.h"

enum { MOST_STEPS = 256, MOST_CONJUNCTS = 64 };

PlaitFoldMasks plait_fold_masks(const PlaitFunction *operator_, PlaitValue fold)
{
    const PlaitInst *owner = plait_inst(operator_, fold);
    PlaitFoldMasks masks = {.count = 0};
    for (uint32_t i = 0; i < owner->body->body.count; i++) {
        const PlaitInst *inst = plait_inst(operator_, owner->body->body.data[i]);
        if (!plait_op_is_reduce((PlaitOp)inst->op) || inst->axes[0] != owner->axes[0]) continue;
        if (inst->operand_count < 2 || masks.count == PLAIT_MOST_MASKS) {
            masks.unmasked = true;
            continue;
        }
        bool known = false;
        for (uint32_t k = 0; k < masks.count; k++) known |= masks.data[k] == inst->operands[1];
        if (!known) masks.data[masks.count++] = inst->operands[1];
    }
    return masks;
}

/* An expression that uses a conjunct again and again has it many times: from a number on, what is left is one. */
static void add_conjuncts(const PlaitFunction *operator_, PlaitValue mask, PlaitValues *conjuncts)
{
    const PlaitInst *inst = plait_inst(operator_, mask);
    while (inst->op == PLAIT_OP_BROADCAST) mask = inst->operands[0], inst = plait_inst(operator_, mask);
    if (inst->op == PLAIT_OP_AND && conjuncts->count < MOST_CONJUNCTS) {
        add_conjuncts(operator_, inst->operands[0], conjuncts);
        add_conjuncts(operator_, inst->operands[1], conjuncts);
        return;
    }
    for (uint32_t i = 0; i < conjuncts->count; i++)
        if (conjuncts->data[i] == mask) return;
    plait_push(operator_->module->arena, conjuncts, mask);
}

PlaitValues plait_mask_conjuncts(const PlaitFunction *operator_, PlaitValue mask)
{
    PlaitValues conjuncts = {0};
    add_conjuncts(operator_, mask, &conjuncts);
    return conjuncts;
}

/* ---- what data a conjunct compares ---- */

typedef struct Finder {
    const PlaitFunction *operator_;
    const PlaitKernelPlan *plan;
    PlaitAxis axis; /* the fold's */
    uint32_t steps; /* operations looked at */
    bool reads;     /* a tensor in memory was found */
} Finder;

/* Whether the value can be computed from what is in memory before the kernel runs, position by position. */
static bool is_known_before(Finder *finder, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(finder->operator_, value);
    if (finder->steps++ == MOST_STEPS) return false;
    switch ((int)inst->op) {
    case PLAIT_OP_PARAM: return finder->reads = true;
    case PLAIT_OP_RESULT:
        finder->reads = true;
        return plait_op_of(finder->operator_, inst->operands[0]) == PLAIT_OP_KERNEL;
    case PLAIT_OP_CONST:
    case PLAIT_OP_IOTA:
    case PLAIT_OP_SIZE: return true;
    case PLAIT_OP_BROADCAST:
    case PLAIT_OP_GATHER: break;
    default:
        if (!plait_op_is_pointwise((PlaitOp)inst->op)) return false;
    }
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (!is_known_before(finder, inst->operands[i])) return false;
    return true;
}

static bool has(const Finder *finder, PlaitValue value, PlaitAxis axis)
{
    return axis != PLAIT_NO_AXIS && plait_type_has(plait_type_of(finder->operator_, value), axis);
}

/* `a < b` is `b > a`. */
static PlaitOp mirrored(PlaitOp op)
{
    switch ((int)op) {
    case PLAIT_OP_LT: return PLAIT_OP_GT;
    case PLAIT_OP_LE: return PLAIT_OP_GE;
    case PLAIT_OP_GT: return PLAIT_OP_LT;
    case PLAIT_OP_GE: return PLAIT_OP_LE;
    default: return op;
    }
}

/* The conjunct as a comparison of a key with a query; false when it mixes them otherwise. */
static bool take_apart(const Finder *finder, PlaitValue conjunct, PlaitComparison *comparison)
{
    const PlaitInst *inst = plait_inst(finder->operator_, conjunct);
    PlaitAxis axis = finder->axis, rows = finder->plan->rows;
    *comparison = (PlaitComparison){.conjunct = conjunct, .op = PLAIT_OP_EQ};
    for (uint32_t key = 0; key < 2 && plait_op_info((PlaitOp)inst->op)->scalar_class == PLAIT_CLASS_COMPARE; key++) {
        PlaitValue k = inst->operands[key], q = inst->operands[1 - key];
        if (has(finder, k, rows) || has(finder, q, axis)) continue;
        comparison->key = k, comparison->query = q;
        comparison->op = key ? mirrored((PlaitOp)inst->op) : (PlaitOp)inst->op;
        return true;
    }
    if (!has(finder, conjunct, rows)) comparison->key = conjunct;
    else if (!has(finder, conjunct, axis)) comparison->query = conjunct;
    return comparison->key || comparison->query;
}

/* Whether the bounds of a program can be had along the conjunct's axes; adds them. */
static bool add_axes(const Finder *finder, PlaitType type, PlaitType *axes)
{
    for (uint32_t i = 0; i < type.rank; i++) {
        if (type.axes[i] == finder->axis) continue;
        bool placed = type.axes[i] == finder->plan->rows || finder->plan->axes[type.axes[i]].use == PLAIT_AXIS_PROGRAM;
        if (!placed) return false;
        *axes = plait_type_with(*axes, type.axes[i]);
    }
    return true;
}

static bool find_comparison(Finder *finder, PlaitValue conjunct, PlaitDataMask *mask)
{
    PlaitComparison comparison;
    PlaitType axes = mask->axes;
    finder->steps = 0, finder->reads = false;
    bool found = mask->count < PLAIT_MOST_COMPARISONS && take_apart(finder, conjunct, &comparison) &&
                 is_known_before(finder, conjunct) && finder->reads &&
                 add_axes(finder, plait_type_of(finder->operator_, conjunct), &axes);
    if (!found) return false;
    /* A NaN is neither the smallest nor the largest number, and differs from all. */
    PlaitValue side = comparison.key ? comparison.key : comparison.query;
    if (comparison.op == PLAIT_OP_NE &&
        plait_scalar_kind((PlaitScalar)plait_type_of(finder->operator_, side).scalar) == PLAIT_FLOATING)
        return false;
    mask->axes = axes;
    mask->list[mask->count++] = comparison;
    return true;
}

/* Whether the value is a fold of the kernel's body that walks along several tiles. */
static bool has_tiles_to_skip(const PlaitFunction *operator_, const PlaitRegion *region, const PlaitKernelPlan *plan,
                              PlaitValue value)
{
    const PlaitInst *inst = plait_inst(operator_, value);
    if (inst->op != PLAIT_OP_FOLD || inst->region != region || plan->loop != PLAIT_NO_AXIS) return false;
    const PlaitAxisPlan *along = &plan->axes[inst->axes[0]];
    int64_t size = operator_->axes.data[inst->axes[0]].size;
    return along->use == PLAIT_AXIS_FOLD && along->tile > 1 &&
           (size == PLAIT_RUNTIME_SIZE || size > (int64_t)along->tile);
}

bool plait_find_data_mask(const PlaitFunction *operator_, const PlaitRegion *region, const PlaitKernelPlan *plan,
                          PlaitValue fold, PlaitDataMask *mask)
{
    if (!has_tiles_to_skip(operator_, region, plan, fold)) return false;
    PlaitFoldMasks masks = plait_fold_masks(operator_, fold);
    if (masks.unmasked || masks.count != 1) return false;
    Finder finder = {.operator_ = operator_, .plan = plan, .axis = plait_inst(operator_, fold)->axes[0]};
    *mask = (PlaitDataMask){.fold = fold, .axes = plait_type(PLAIT_I32)};
    PlaitValues conjuncts = plait_mask_conjuncts(operator_, masks.data[0]);
    for (uint32_t i = 0; i < conjuncts.count; i++) find_comparison(&finder, conjuncts.data[i], mask);
    mask->alone = mask->count == conjuncts.count;
    return mask->count > 0;
}
