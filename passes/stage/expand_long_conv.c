/* Long convolutions, in their direct form. One that is as long as the sequence,
 *
 *     %y = conv %x, %f {axes = [t, t]}
 * becomes, with a new axis s that has the extent of t,
 *     %y = reduce.sum (gather %f at t - s) * (gather %x at s) where s <= t, over s
 *
 * and one of many taps, with a new axis j that has the extent of w, which is W, and counts tokens as t does,
 *
 *     %y = conv %x, %f {axes = [t, w]}
 *     %y = reduce.sum (gather %f at j) * (gather %x at t - (W - 1) + j) where t - (W - 1) + j >= 0, over j
 *
 * which the passes after it treat like any reduction over a second time axis: they become loops. The masks hide nothing
 * but zeros; from them the loops know where to begin and end. Each convolution has an axis of its own, so that `online`
 * gives each a loop of its own, on the grid of its own values.
 */
#include "ir/build.h"
#include "passes/passes.h"

/* So many taps the lowering writes out, in any kernel, with what was read before in registers where a scan walks along
 * time. A loop has a kernel of its own, but code of one size, and sums in registers that LLVM has room for. Measured on
 * two cores of a Zen 4, [t 4096, d 1024] of f32, written out and as a loop: 8 taps 3.3 and 11 ms, 12 6.1 and 11, 16 10
 * and 10, 32 31 and 7; and what `plait build` takes for it: 16 taps 0.35 s, 64 1.3 s (256 21 s), as a loop 0.3 s. */
enum { MOST_SHORT_TAPS = 16 };

static bool is_long(const PlaitFunction *function, const PlaitInst *inst)
{
    return inst->op == PLAIT_OP_CONV &&
           (inst->axes[0] == inst->axes[1] || function->axes.data[inst->axes[1]].size > MOST_SHORT_TAPS);
}

/* Whether the product of the two fits: its axes are those of both, time, and the new one. */
static bool has_room(PlaitFunction *function, const PlaitInst *conv)
{
    PlaitType x = plait_type_of(function, conv->operands[0]), filter = plait_type_of(function, conv->operands[1]);
    if (conv->axes[0] != conv->axes[1]) filter = plait_type_without(filter, conv->axes[1]);
    uint32_t rank = plait_type_union_rank(x, filter);
    bool good = rank < PLAIT_MAX_RANK && function->axes.count < PLAIT_MAX_FUNCTION_AXES;
    if (!good)
        plait_report(function->module->diagnostics,
                     (PlaitDiagnostic){
                         .id = PLAIT_CANNOT_LOWER,
                         .span = conv->span,
                         .expected = rank < PLAIT_MAX_RANK ? "room for one axis more" : "values of at most 11 axes",
                         .found = rank < PLAIT_MAX_RANK
                                      ? "a long convolution that needs an axis more than an operator can "
                                        "have"
                                      : "a long convolution of values that have 12 axes already",
                         .help = rank < PLAIT_MAX_RANK ? "make two operators of it" : "give the values one axis less"});
    return good;
}

/* Of a filter as long as the sequence. */
static PlaitValue expand_over_time(PlaitBuilder *builder, const PlaitInst *conv)
{
    PlaitAxis time = conv->axes[0], other = plait_axis_second(builder->function, time);
    PlaitValue t = plait_build_iota(builder, time, 0), s = plait_build_iota(builder, other, 0);
    PlaitValue delay = plait_build_binary(builder, PLAIT_OP_SUB, t, s);
    PlaitValue x = plait_build_gather(builder, conv->operands[0], time, s);
    PlaitValue w = plait_build_gather(builder, conv->operands[1], time, delay);
    PlaitValue product = plait_build_binary(builder, PLAIT_OP_MUL, w, x);
    PlaitValue past = plait_build_binary(builder, PLAIT_OP_LE, s, t);
    return plait_build_reduce(builder, PLAIT_OP_REDUCE_SUM, product, past, &other, 1);
}

/* Of a filter of many taps. */
static PlaitValue expand_over_taps(PlaitBuilder *builder, const PlaitInst *conv)
{
    PlaitAxis time = conv->axes[0], taps = conv->axes[1], other = plait_axis_second(builder->function, taps);
    builder->function->axes.data[other].role = PLAIT_ROLE_TIME; /* counts tokens */
    int64_t last = builder->function->axes.data[taps].size - 1;
    PlaitValue t = plait_build_iota(builder, time, 0), j = plait_build_iota(builder, other, 0);
    PlaitValue first =
        plait_build_binary(builder, PLAIT_OP_SUB, t, plait_build_const(builder, PLAIT_I32, (double)last));
    PlaitValue position = plait_build_binary(builder, PLAIT_OP_ADD, first, j);
    PlaitValue x = plait_build_gather(builder, conv->operands[0], time, position);
    PlaitValue f = plait_build_gather(builder, conv->operands[1], taps, j);
    PlaitValue product = plait_build_binary(builder, PLAIT_OP_MUL, f, x);
    PlaitValue inside = plait_build_binary(builder, PLAIT_OP_GE, position, plait_build_const(builder, PLAIT_I32, 0));
    return plait_build_reduce(builder, PLAIT_OP_REDUCE_SUM, product, inside, &other, 1);
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
        if (is_long(function, &inst) && has_room(function, &inst)) {
            bool over_time = inst.axes[0] == inst.axes[1];
            map[old.data[i]] = over_time ? expand_over_time(&builder, &inst) : expand_over_taps(&builder, &inst);
            changed = true;
        } else {
            plait_push(function->module->arena, &region->body, old.data[i]);
        }
    }
    return changed;
}

/* Values that one convolution becomes, at most. */
enum { MOST_NEW_VALUES = 12 };

bool plait_pass_expand_long_conv(PlaitFunction *function)
{
    uint32_t conv_count = 0;
    for (PlaitValue v = 1; v < function->insts.count; v++) conv_count += is_long(function, plait_inst(function, v));
    if (!conv_count) return false;
    /* New values are never replaced, but plait_replace_uses looks them up. */
    PlaitValue *map =
        PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, function->insts.count + MOST_NEW_VALUES * conv_count);
    bool changed = expand_region(function, function->body, map);
    if (changed) plait_replace_uses(function, map);
    return changed;
}
