/* Collecting what `plait explain` says: the kernels and what goes through memory between them. */
#include "driver/explain.h"

#include <string.h>

#include "ir/text.h"
#include "passes/lower/kept.h"
#include "passes/lower/skipped.h"
#include "passes/stage/classify.h"

typedef struct Collector {
    PlaitSession *session;
    const PlaitFunction *function; /* after the passes */
    const int64_t *extents;        /* by axis of `function` */
    PlaitKernelFacts *kernel;
    const PlaitRegion *region;
    bool *seen; /* by value: is among the kernel's reads */
} Collector;

static PlaitFlow flow(PlaitSession *session, const PlaitFunction *function, const int64_t *extents, const char *name,
                      PlaitType type, bool workspace)
{
    PlaitText text = plait_text(session->arena);
    plait_type_print(function, type, &text);
    double bytes = plait_cost_positions(extents, type) * plait_scalar_bytes((PlaitScalar)type.scalar);
    return (PlaitFlow){name, plait_text_string(&text), bytes, workspace};
}

/* The name of the output that `value` is; NULL when it is none. */
static const char *output_name(const PlaitFunction *function, PlaitValue value)
{
    for (uint32_t i = 0; i < function->outputs.count; i++)
        if (function->outputs.data[i].value == value)
            return plait_names_text(function->module->names, function->outputs.data[i].name);
    return NULL;
}

/* What a value outside all kernels is called: a parameter, an output, or a workspace by its number. */
static const char *flow_name(PlaitSession *session, const PlaitFunction *function, PlaitValue value, bool *workspace)
{
    const PlaitInst *inst = plait_inst(function, value);
    const char *output = output_name(function, value);
    *workspace = inst->op != PLAIT_OP_PARAM && !output;
    if (inst->op == PLAIT_OP_PARAM) return plait_names_text(function->module->names, inst->name);
    return output ? output : plait_session_text(session, "workspace %u", value);
}

/* The type of what kernels read or write; of an output as it is declared, whose axes may be in another order. */
static PlaitType flow_type(const PlaitFunction *function, PlaitValue value)
{
    for (uint32_t i = 0; i < function->outputs.count; i++)
        if (function->outputs.data[i].value == value) return function->outputs.data[i].type;
    return plait_type_of(function, value);
}

static void add_reads(void *context, PlaitValue value)
{
    Collector *collector = context;
    const PlaitInst *inst = plait_inst(collector->function, value);
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        const PlaitInst *operand = plait_inst(collector->function, inst->operands[i]);
        if (collector->seen[inst->operands[i]] || plait_region_inside(operand->region, collector->region)) continue;
        if (operand->op != PLAIT_OP_PARAM && operand->op != PLAIT_OP_RESULT) continue;
        bool workspace;
        const char *name = flow_name(collector->session, collector->function, inst->operands[i], &workspace);
        collector->seen[inst->operands[i]] = true;
        plait_push(collector->session->arena, &collector->kernel->reads,
                   flow(collector->session, collector->function, collector->extents, name,
                        flow_type(collector->function, inst->operands[i]), workspace));
    }
}

static bool is_result_of(const PlaitFunction *function, PlaitValue value, PlaitValue owner)
{
    const PlaitInst *inst = plait_inst(function, value);
    return inst->op == PLAIT_OP_RESULT && inst->operands[0] == owner;
}

/* Every result of the kernel goes to memory: to outputs, one value perhaps to several, or to a workspace. */
static void add_writes(Collector *collector, PlaitValue owner)
{
    const PlaitFunction *function = collector->function;
    PlaitFlows *writes = &collector->kernel->writes;
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        const PlaitOutput *output = &function->outputs.data[i];
        if (!is_result_of(function, output->value, owner)) continue;
        const char *name = plait_names_text(function->module->names, output->name);
        plait_push(collector->session->arena, writes,
                   flow(collector->session, function, collector->extents, name, output->type, false));
    }
    for (uint32_t i = 0; i < function->body->body.count; i++) {
        PlaitValue value = function->body->body.data[i];
        bool workspace;
        if (!is_result_of(function, value, owner) || plait_is_output(function, value)) continue;
        const char *name = flow_name(collector->session, function, value, &workspace);
        plait_push(
            collector->session->arena, writes,
            flow(collector->session, function, collector->extents, name, plait_type_of(function, value), workspace));
    }
}

/* Of each what one token has, with the bytes of all tokens, written once and read once. `forms` as for add_kernels. */
static void add_keeps(Collector *collector, const PlaitTileTarget *target, PlaitScanForms *forms)
{
    PlaitSession *session = collector->session;
    const PlaitFunction *function = collector->function;
    PlaitKeptYields kept = plait_kept_yields(function, collector->region, target);
    for (uint32_t i = 0; i < kept.count; i++) {
        const PlaitKeptYield *yield = &kept.data[i];
        const PlaitInst *scan = plait_inst(function, yield->scan);
        bool carry = yield->k < scan->body->params.count;
        const char *name = plait_session_text(session, "%s of line %u", carry ? "carry" : "output",
                                              plait_explain_line(session, scan->span));
        PlaitFlow one = flow(session, function, collector->extents, name, yield->type, true);
        one.bytes = 2 * plait_cost_positions(collector->extents, yield->moved) *
                    plait_scalar_bytes((PlaitScalar)yield->type.scalar);
        plait_push(session->arena, &collector->kernel->keeps, one);
        if (!carry || !forms) continue;
        PlaitSpan span = plait_inst(function, scan->body->params.data[yield->k])->span;
        plait_push(session->arena, &forms->kept,
                   (PlaitKeptCarry){scan->span, span, plait_axes_text(function, yield->walked)});
    }
}

static void add_skips(Collector *collector, const PlaitTileTarget *target)
{
    PlaitSession *session = collector->session;
    PlaitSkippedTilesList list = plait_skipped_tiles(collector->function, collector->region, target);
    for (uint32_t i = 0; i < list.count; i++) {
        PlaitText tensors = plait_text(session->arena);
        for (uint32_t k = 0; k < list.data[i].tensors.count; k++) {
            bool workspace;
            plait_text_add(&tensors, k ? ", " : "");
            plait_text_add(&tensors, flow_name(session, collector->function, list.data[i].tensors.data[k], &workspace));
        }
        const char *axis = plait_axis_text(collector->function, list.data[i].axis);
        plait_push(session->arena, &collector->kernel->skips,
                   (PlaitSkips){plait_session_text(session, "%s", axis), plait_text_string(&tensors)});
    }
}

static double flow_bytes(const PlaitFlows *flows)
{
    double bytes = 0;
    for (uint32_t i = 0; i < flows->count; i++) bytes += flows->data[i].bytes;
    return bytes;
}

static void add_kernel(PlaitSession *session, const PlaitFunction *function, const int64_t *extents, PlaitValue value,
                       const char *operator_, PlaitScanForms *forms, PlaitKernelList *list)
{
    const PlaitInst *inst = plait_inst(function, value);
    PlaitKernelFacts kernel = {
        .name = plait_session_text(session, "%s.%s", operator_, plait_names_text(function->module->names, inst->name))};
    Collector collector = {session, function,   extents,
                           &kernel, inst->body, PLAIT_NEW_ARRAY(session->arena, bool, function->insts.count)};
    plait_explain_stages(session, function, inst->body, NULL, &kernel.stages);
    plait_region_walk(function, inst->body, add_reads, &collector);
    add_writes(&collector, value);
    add_keeps(&collector, &(PlaitTileTarget){.name = "", .gpu = !forms}, forms);
    add_skips(&collector, &(PlaitTileTarget){.name = "", .gpu = !forms});
    kernel.cost = plait_cost_count_region(function, inst->body, extents);
    list->cost.operations += kernel.cost.operations;
    list->cost.functions += kernel.cost.functions;
    list->cost.bytes += flow_bytes(&kernel.reads) + flow_bytes(&kernel.writes) + flow_bytes(&kernel.keeps);
    plait_push(session->arena, &list->kernels, kernel);
}

/* `forms`: those of the CPU; NULL for a GPU. */
static void add_kernels(PlaitSession *session, const PlaitFunction *written, const PlaitFunction *fused,
                        const int64_t *extents, PlaitScanForms *forms, PlaitKernelList *list)
{
    const int64_t *fused_extents = plait_cost_extents(fused, written, extents);
    const char *name = plait_names_text(written->module->names, written->name);
    for (uint32_t i = 0; i < fused->body->body.count; i++)
        if (plait_op_of(fused, fused->body->body.data[i]) == PLAIT_OP_KERNEL)
            add_kernel(session, fused, fused_extents, fused->body->body.data[i], name, forms, list);
}

void plait_explain_operator(PlaitSession *session, const PlaitFunction *written, const PlaitFunction *const fused[2],
                            PlaitFunction *plain, const int64_t *extents, PlaitOperatorFacts *facts)
{
    facts->name = plait_names_text(written->module->names, written->name);
    facts->cost = plait_cost_least(written, fused[0], extents);
    PlaitScanForms forms = {.plain = plain};
    add_kernels(session, written, fused[0], extents, &forms, &facts->cpu);
    add_kernels(session, written, fused[1], extents, NULL, &facts->gpu);
    plait_explain_stages(session, written, written->body, &forms, &facts->stages);
    for (uint32_t i = 0; i < written->params.count; i++) {
        const PlaitInst *inst = plait_inst(written, written->params.data[i]);
        plait_push(
            session->arena, &facts->inputs,
            flow(session, written, extents, plait_names_text(written->module->names, inst->name), inst->type, false));
    }
    for (uint32_t i = 0; i < written->outputs.count; i++) {
        const PlaitOutput *output = &written->outputs.data[i];
        plait_push(session->arena, &facts->outputs,
                   flow(session, written, extents, plait_names_text(written->module->names, output->name), output->type,
                        false));
    }
}
