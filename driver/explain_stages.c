/* Finding the stages of an operator, or of a kernel, by the structure of its IR. */
#include "driver/explain.h"

#include <string.h>

#include "ir/text.h"
#include "passes/stage/chunk.h"
#include "passes/stage/classify.h"
#include "passes/stage/segment.h"
#include "passes/stage/walked.h"

/* Reductions over one axis of time that one block of the source was made into. */
typedef struct AttendStage {
    PlaitAxis axis;
    uint32_t block;
} AttendStage;

typedef struct Finder {
    PlaitSession *session;
    const PlaitFunction *function;
    const PlaitScanForms *forms; /* or NULL */
    PlaitStageList *stages;
    bool inside;                    /* in the body of a scan, of which gating is no stage */
    uint32_t pointwise, reductions; /* of the gating stage that is being counted */
    uint32_t line;
    PlaitText axes;                    /* that it reduces over */
    bool *seen;                        /* by axis: is among them */
    PLAIT_VECTOR(AttendStage) attends; /* that have been found */
} Finder;

uint32_t plait_explain_line(const PlaitSession *session, PlaitSpan span)
{
    const PlaitSource *source = plait_sources_get(&session->sources, span.source);
    return source ? plait_source_place(source, span.begin).line : 0;
}

static uint32_t line_at(const Finder *finder, PlaitSpan span) { return plait_explain_line(finder->session, span); }

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
                   (PlaitStageFacts){"gating", plait_text_string(&text), "", "", "", finder->line, {0}});
    finder->pointwise = finder->reductions = 0;
    finder->axes = plait_text(finder->session->arena);
    memset(finder->seen, 0, finder->function->axes.count * sizeof *finder->seen);
}

static void add_stage(Finder *finder, PlaitValue value, const char *kind, const char *text)
{
    end_gating(finder);
    plait_push(finder->session->arena, finder->stages,
               (PlaitStageFacts){kind, text, "", "", "", line_of(finder, value), {0}});
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

static bool same_place(PlaitSpan a, PlaitSpan b) { return memcmp(&a, &b, sizeof a) == 0; }

typedef struct Search {
    const PlaitFunction *function;
    PlaitSpan span;
    PlaitValue found; /* 0: nothing */
} Search;

static void visit_place(void *context, PlaitValue value)
{
    Search *search = context;
    const PlaitInst *inst = plait_inst(search->function, value);
    if (inst->op == PLAIT_OP_SCAN && !search->found && same_place(inst->span, search->span)) search->found = value;
}

/* A scan of the source where scans are as yet what the program makes of them; they keep their places in the source. */
static PlaitValue find_plain(const Finder *finder, PlaitValue value)
{
    const PlaitFunction *plain = finder->forms->plain;
    Search search = {plain, plait_inst(finder->function, value)->span, 0};
    plait_region_walk(plain, plain->body, visit_place, &search);
    return search.found;
}

static void add_segments_form(const Finder *finder, PlaitValue scan, const char *reason, uint32_t line,
                              PlaitText *detail)
{
    PlaitSpan where = {0};
    const char *other = plait_segment_scan(finder->forms->plain, scan, PLAIT_SEGMENT_TOKENS, false, &where);
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
}

/* How a scan of the plain form runs on a GPU, and whether one inside another stays there. */
static void add_gpu_form(const Finder *finder, PlaitValue scan, PlaitText *detail)
{
    PlaitFunction *plain = finder->forms->plain;
    PlaitSpan where = {0};
    if (plait_inst(plain, scan)->region != plain->body) {
        plait_text_add(detail, "On a GPU it runs token after token, as the scan around it does.\n");
        return;
    }
    if (finder->inside)
        plait_text_add(detail, "It needs nothing that the scan around it carries, and runs before that.\n");
    const char *reason = plait_chunk_scan(plain, scan, false, &where);
    if (reason) add_segments_form(finder, scan, reason, line_at(finder, where), detail);
    else
        plait_text_add(detail, "On a GPU it runs by blocks of 64 tokens, as products on the matrix units; what "
                               "does not depend on its state is made before it, for all blocks at once.\n");
}

/* By carry: the axes for which it is kept in memory on the CPU, or NULL. */
static const char *const *find_kept(const Finder *finder, const PlaitInst *scan)
{
    const char **along = PLAIT_NEW_ARRAY(finder->session->arena, const char *, scan->body->params.count);
    for (uint32_t i = 0; i < finder->forms->kept.count; i++) {
        const PlaitKeptCarry *kept = &finder->forms->kept.data[i];
        for (uint32_t k = 0; k < scan->body->params.count && same_place(kept->scan, scan->span); k++)
            if (same_place(kept->carry, plait_inst(finder->function, scan->body->params.data[k])->span))
                along[k] = kept->along;
    }
    return along;
}

/* Its carries as they are at one token of it and of the scans around. */
static const char *scan_text(const Finder *finder, PlaitValue scan)
{
    const PlaitFunction *function = finder->function;
    const PlaitInst *inst = plait_inst(function, scan);
    PlaitAxis segments = plait_segments_of(inst);
    PlaitText text = plait_text(finder->session->arena);
    plait_text_printf(&text, "along %s, %s, ", plait_axis_text(function, inst->axes[0]),
                      inst->ints[0] > 0 ? "forward" : "backward");
    if (segments != PLAIT_NO_AXIS)
        plait_text_printf(&text, "in segments of %lld tokens, ", (long long)function->axes.data[segments].block);
    plait_text_add(&text, inst->body->params.count ? "carries " : "no carry");
    for (uint32_t i = 0; i < inst->body->params.count; i++) {
        if (i) plait_text_add(&text, ", ");
        plait_type_print(function, plait_kept_type(function, scan, i), &text);
    }
    return plait_text_string(&text);
}

static void find_in(Finder *finder, const PlaitRegion *region);

/* A stage for each scan, convolution and attend of its body. */
static void add_inside(const Finder *finder, const PlaitInst *scan, PlaitStageList *stages)
{
    Finder inside = *finder;
    inside.inside = true;
    inside.stages = stages;
    inside.attends.data = NULL;
    inside.attends.count = inside.attends.capacity = 0;
    find_in(&inside, scan->body);
}

static void add_scan(Finder *finder, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(finder->function, value);
    PlaitStageList inside = {0};
    add_stage(finder, value, "scan", scan_text(finder, value));
    add_inside(finder, inst, &inside);
    PlaitStageFacts *stage = &finder->stages->data[finder->stages->count - 1];
    stage->inside = inside;
    PlaitScanClassId id = plait_classify_scan(finder->function, value).id;
    PlaitText detail = plait_text(finder->session->arena);
    plait_scan_class_print(finder->function, value, "", &detail);
    PlaitValue plain = finder->forms ? find_plain(finder, value) : 0;
    if (plain) {
        plait_scan_place_print(finder->function, value, find_kept(finder, inst), "", &detail);
        add_gpu_form(finder, plain, &detail);
    } else if (finder->forms)
        plait_text_add(&detail, "No kernel runs it: another scan makes the same, or nothing reads what it makes.\n");
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
    if (finder->inside && !time) return;
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
    else if (op == PLAIT_OP_SOLVE && !finder->inside)
        add_stage(finder, value, "gating", "a triangular system for each block of tokens");
    else if (plait_op_is_reduce(op) && time_axis(finder->function, inst) != PLAIT_NO_AXIS)
        add_attend(finder, value, time_axis(finder->function, inst));
    else if (finder->inside) return;
    else if (plait_op_is_reduce(op) || plait_op_is_scalar(op) || op == PLAIT_OP_SELECT) count_gating(finder, value);
}

static void find_in(Finder *finder, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) find_one(finder, region->body.data[i]);
    end_gating(finder);
}

void plait_explain_stages(PlaitSession *session, const PlaitFunction *function, const PlaitRegion *region,
                          const PlaitScanForms *forms, PlaitStageList *stages)
{
    Finder finder = {.session = session,
                     .function = function,
                     .forms = forms,
                     .stages = stages,
                     .axes = plait_text(session->arena),
                     .seen = PLAIT_NEW_ARRAY(session->arena, bool, function->axes.count)};
    find_in(&finder, region);
}
