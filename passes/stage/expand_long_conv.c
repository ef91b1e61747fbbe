/* Convolutions as long as the sequence, in their direct form:
 *
 *     %y = conv %x, %w {axes = [t, t]}
 * becomes, with a new axis s that has the extent of t,
 *     %y = reduce.sum (gather %w at t - s) * (gather %x at s) where s <= t, over s
 *
 * which the passes after it treat like any reduction over a second time axis.
 */
#include "ir/build.h"
#include "passes/passes.h"

static PlaitAxis second_axis(PlaitFunction *function, PlaitAxis time)
{
    PlaitModule *module = function->module;
    for (uint32_t n = 0;; n++) {
        PlaitName name = plait_names_add(
            module->names, plait_arena_printf(module->arena, "%s_%u", plait_axis_text(function, time), n));
        if (plait_axis_find(function, name) != PLAIT_NO_AXIS) continue;
        PlaitAxisInfo info = function->axes.data[time];
        info.name = name;
        info.same_as = time;
        return plait_axis_add(function, info);
    }
}

/* Whether the product of the two fits: its axes are those of both, time, and the new one. */
static bool has_room(PlaitFunction *function, const PlaitInst *conv)
{
    uint32_t rank =
        plait_type_union_rank(plait_type_of(function, conv->operands[0]), plait_type_of(function, conv->operands[1]));
    bool good = rank < PLAIT_MAX_RANK && function->axes.count < PLAIT_MAX_FUNCTION_AXES;
    if (!good)
        plait_report(
            function->module->diagnostics,
            (PlaitDiagnostic){
                .id = PLAIT_CANNOT_LOWER,
                .span = conv->span,
                .expected = rank < PLAIT_MAX_RANK ? "room for one axis more" : "values of at most 11 axes",
                .found = rank < PLAIT_MAX_RANK
                             ? "a convolution as long as the sequence that needs an axis more than an operator can have"
                             : "a convolution as long as the sequence of values that have 12 axes already",
                .help = rank < PLAIT_MAX_RANK ? "make two operators of it" : "give the values one axis less"});
    return good;
}

static PlaitValue expand(PlaitBuilder *builder, const PlaitInst *conv)
{
    PlaitAxis time = conv->axes[0], other = second_axis(builder->function, time);
    PlaitValue t = plait_build_iota(builder, time, 0), s = plait_build_iota(builder, other, 0);
    PlaitValue delay = plait_build_binary(builder, PLAIT_OP_SUB, t, s);
    PlaitValue x = plait_build_gather(builder, conv->operands[0], time, s);
    PlaitValue w = plait_build_gather(builder, conv->operands[1], time, delay);
    PlaitValue product = plait_build_binary(builder, PLAIT_OP_MUL, w, x);
    PlaitValue past = plait_build_binary(builder, PLAIT_OP_LE, s, t);
    return plait_build_reduce(builder, PLAIT_OP_REDUCE_SUM, product, past, &other, 1);
}

static bool expand_region(PlaitFunction *function, PlaitRegion *region, PlaitValue *map)
{
    bool changed = false;
    PlaitValues old = region->body;
    region->body = (PlaitValues){0};
    for (uint32_t i = 0; i < old.count; i++) {
        PlaitInst inst = *plait_inst(function, old.data[i]);
        PlaitBuilder builder = {function, region, inst.span};
        if (inst.body) changed |= expand_region(function, inst.body, map);
        if (inst.op == PLAIT_OP_CONV && inst.axes[0] == inst.axes[1] && has_room(function, &inst)) {
            map[old.data[i]] = expand(&builder, &inst);
            changed = true;
        } else {
            plait_push(function->module->arena, &region->body, old.data[i]);
        }
    }
    return changed;
}

bool plait_pass_expand_long_conv(PlaitFunction *function)
{
    uint32_t conv_count = 0;
    for (PlaitValue v = 1; v < function->insts.count; v++) conv_count += plait_op_of(function, v) == PLAIT_OP_CONV;
    if (!conv_count) return false;
    /* New values are never replaced, but plait_replace_uses looks them up: room for eight per convolution. */
    PlaitValue *map = PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, function->insts.count + 8 * conv_count);
    bool changed = expand_region(function, function->body, map);
    if (changed) plait_replace_uses(function, map);
    return changed;
}
