/* Finding the stages of an operator, or of a kernel, by the structure of its IR. */
#include "driver/explain.h"

#include <string.h>

#include "ir/text.h"
#include "passes/stage/chunk.h"
#include "passes/stage/segment.h"
#include "passes/stage/classify.h"

/* Reductions over one axis of time that one block of the source was made into. */
typedef struct AttendStage {
    PlaitAxis axis;
    uint32_t block;
} AttendStage;

typedef struct Finder {
    PlaitSession *session;
    const PlaitFunction *function;
    PlaitFunction *plain; /* to tell how scans run on a GPU; or NULL */
    PlaitStageList *stages;
    uint32_t pointwise, reductions; /* of the gating stage that is being counted */
    uint32_t line;
    PlaitText axes;                    /* that it reduces over */
    bool *seen;                        /* by axis: is among them */
    PLAIT_VECTOR(AttendStage) attends; /* that have been found */
} Finder;

static uint32_t line_at(const Finder *finder, PlaitSpan span)
{
    const PlaitSource *source = plait_sources_get(&finder->session->sources, span.source);
    return source ? plait_source_place(source, span.begin).line : 0;
}

static uint32_t line_of(const Finder *finder, PlaitValue value)
{
    return line_at(finder, plait_inst(finder->function, value)->span);
}

static void end_gating(Finder *finder)
{
    PlaitText text = plait_text(finder->session->arena);
    if (finder->pointwise) plait_text_printf(&text, "%u pointwise", finder->pointwise);
    if (finder->reductions)
        plait_text_printf(&text, "%s%u %s over%s", finder->pointwise ? ", " : "", finder->reductions,
                          finder->reductions == 1 ? "reduction" : "reductions", plait_text_string(&finder->axes));
    if (text.length)
        plait_push(finder->session->arena, finder->stages,
                   (PlaitStageFacts){"gating", plait_text_string(&text), "", "", "", finder->line});
    finder->pointwise = finder->reductions = 0;
    finder->axes = plait_text(finder->session->arena);
    memset(finder->seen, 0, finder->function->axes.count * sizeof *finder->seen);
}

static void add_stage(Finder *finder, PlaitValue value, const char *kind, const char *text)
{
    end_gating(finder);
    plait_push(finder->session->arena, finder->stages,
               (PlaitStageFacts){kind, text, "", "", "", line_of(finder, value)});
}

static void add_conv(Finder *finder, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(finder->function, value);
    const char *time = plait_axis_text(finder->function, inst->axes[0]);
    int64_t taps = finder->function->axes.data[inst->axes[1]].size;
    const char *text = inst->axes[0] == inst->axes[1]
                           ? plait_session_text(finder->session, "along %s, a filter as long as the sequence", time)
                       : taps == PLAIT_RUNTIME_SIZE
                           ? plait_session_text(finder->session, "along %s, %s taps", time,
                                                plait_axis_text(finder->function, inst->axes[1]))
                           : plait_session_text(finder->session, "along %s, %lld taps", time, (long long)taps);
    add_stage(finder, value, "conv", text);
}

/* How a scan of the source runs on a GPU; scans keep their places in the source. */
static void add_gpu_form(Finder *finder, PlaitValue value, PlaitText *detail)
{
    PlaitFunction *plain = finder->plain;
    PlaitSpan span = plait_inst(finder->function, value)->span, where = {0};
    for (uint32_t i = 0; plain && i < plain->body->body.count; i++) {
        PlaitValue scan = plain->body->body.data[i];
        const PlaitInst *inst = plait_inst(plain, scan);
        if (inst->op != PLAIT_OP_SCAN || memcmp(&inst->span, &span, sizeof span) != 0) continue;
        const char *reason = plait_chunk_scan(plain, scan, false, &where);
        if (!reason) {
            plait_text_add(detail, "On a GPU it runs by blocks of 64 tokens, as products on the matrix units; what "
                                   "does not depend on its state is made before it, for all blocks at once.\n");
            return;
        }
        uint32_t line = line_at(finder, where);
        const char *other = plait_segment_scan(plain, scan, PLAIT_SEGMENT_TOKENS, false, &where);
        if (!other)
            plait_text_printf(detail,
                              "On a GPU it runs token after token in segments of %d tokens, all at the same time: what "
                              "each makes of any state first, then the states before each, then the scan itself. Not "
                              "by blocks: %s (line %u).\n",
                              PLAIT_SEGMENT_TOKENS, reason, line);
        else
            plait_text_printf(detail,
                              "On a GPU it runs token after token: not by blocks: %s (line %u); nor in segments: %s "
                              "(line %u).\n",
                              reason, line, other, line_at(finder, where));
        return;
    }
}

static void add_scan(Finder *finder, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(finder->function, value);
    PlaitText text = plait_text(finder->session->arena);
    plait_text_printf(&text, "along %s, %s, carries ", plait_axis_text(finder->function, inst->axes[0]),
                      inst->ints[0] > 0 ? "forward" : "backward");
    for (uint32_t i = 0; i < inst->body->params.count; i++) {
        if (i) plait_text_add(&text, ", ");
        plait_type_print(finder->function,
                         plait_type_without(plait_type_of(finder->function, inst->body->params.data[i]), inst->axes[0]),
                         &text);
    }
    add_stage(finder, value, "scan", plait_text_string(&text));
    PlaitStageFacts *stage = &finder->stages->data[finder->stages->count - 1];
    PlaitScanClassId id = plait_classify_scan(finder->function, value).id;
    PlaitText detail = plait_text(finder->session->arena);
    plait_scan_class_print(finder->function, value, "", &detail);
    add_gpu_form(finder, value, &detail);
    stage->class_name = plait_scan_class_text(id);
    stage->allows = plait_scan_class_allows(id);
    stage->detail = plait_text_string(&detail);
}

static bool has_input_along(const PlaitFunction *function, PlaitAxis axis)
{
    for (uint32_t i = 0; i < function->params.count; i++) {
        PlaitType type = plait_type_of(function, function->params.data[i]);
        for (uint32_t k = 0; k < type.rank; k++)
            if (plait_axis_extent_of(function, type.axes[k]) == plait_axis_extent_of(function, axis)) return true;
    }
    return false;
}

/* Over other axes than time a fold is a reduction that the passes made run block by block. */
static void add_fold(Finder *finder, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(finder->function, value);
    if (plait_is_block_fold(inst)) {
        add_stage(finder, value, "scan",
                  plait_session_text(finder->session, "along %s, by blocks of tokens, %u %s",
                                     plait_axis_text(finder->function, inst->axes[0]), inst->body->params.count,
                                     inst->body->params.count == 1 ? "carry" : "carries"));
        return;
    }
    if (!has_input_along(finder->function, inst->axes[0])) {
        add_stage(finder, value, "gating", "scores of a block of tokens, by how far apart they are");
        return;
    }
    bool time = finder->function->axes.data[inst->axes[0]].role == PLAIT_ROLE_TIME;
    add_stage(finder, value, time ? "attend" : "gating",
              plait_session_text(finder->session, "%s %s, block by block, %u running %s",
                                 time ? "along" : "reductions over", plait_axis_text(finder->function, inst->axes[0]),
                                 inst->body->params.count, inst->body->params.count == 1 ? "value" : "values"));
}

/* A reduction over an axis of time is part of an attend stage; those over one axis in one block of the source are one.
 */
static void add_attend(Finder *finder, PlaitValue value, PlaitAxis axis)
{
    uint32_t block = plait_inst(finder->function, value)->block;
    for (uint32_t i = 0; i < finder->attends.count; i++)
        if (finder->attends.data[i].axis == axis && finder->attends.data[i].block == block) return;
    plait_push(finder->session->arena, &finder->attends, (AttendStage){axis, block});
    add_stage(finder, value, "attend",
              plait_session_text(finder->session, "along %s", plait_axis_text(finder->function, axis)));
}

static void count_gating(Finder *finder, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(finder->function, value);
    if (finder->pointwise + finder->reductions == 0) finder->line = line_of(finder, value);
    if (!plait_op_is_reduce((PlaitOp)inst->op)) {
        finder->pointwise++;
        return;
    }
    finder->reductions++;
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        if (finder->seen[inst->axes[i]]) continue;
        finder->seen[inst->axes[i]] = true;
        plait_text_printf(&finder->axes, "%s %s", finder->axes.length ? "," : "",
                          plait_axis_text(finder->function, inst->axes[i]));
    }
}

static PlaitAxis time_axis(const PlaitFunction *function, const PlaitInst *inst)
{
    for (uint32_t i = 0; i < inst->axis_count; i++)
        if (function->axes.data[inst->axes[i]].role == PLAIT_ROLE_TIME) return inst->axes[i];
    return PLAIT_NO_AXIS;
}

static void find_one(Finder *finder, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(finder->function, value);
    PlaitOp op = (PlaitOp)inst->op;
    if (op == PLAIT_OP_CONV) add_conv(finder, value);
    else if (op == PLAIT_OP_SCAN) add_scan(finder, value);
    else if (op == PLAIT_OP_FOLD) add_fold(finder, value);
    else if (op == PLAIT_OP_SOLVE) add_stage(finder, value, "gating", "a triangular system for each block of tokens");
    else if (plait_op_is_reduce(op) && time_axis(finder->function, inst) != PLAIT_NO_AXIS)
        add_attend(finder, value, time_axis(finder->function, inst));
    else if (plait_op_is_reduce(op) || plait_op_is_scalar(op) || op == PLAIT_OP_SELECT) count_gating(finder, value);
}

void plait_explain_stages(PlaitSession *session, const PlaitFunction *function, const PlaitRegion *region,
                          PlaitFunction *plain, PlaitStageList *stages)
{
    Finder finder = {.session = session,
                     .function = function,
                     .plain = plain,
                     .stages = stages,
                     .axes = plait_text(session->arena),
                     .seen = PLAIT_NEW_ARRAY(session->arena, bool, function->axes.count)};
    for (uint32_t i = 0; i < region->body.count; i++) find_one(&finder, region->body.data[i]);
    end_gating(&finder);
}
