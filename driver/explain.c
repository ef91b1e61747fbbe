/* Collecting what `plait explain` says: the kernels and what goes through memory between them. */
#include "driver/explain.h"

#include <string.h>

#include "ir/text.h"

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
                   flow(collector->session, collector->function, collector->extents, name, operand->type, workspace));
    }
}

/* Every result of the kernel goes to memory. */
static void add_writes(Collector *collector, PlaitValue owner)
{
    const PlaitRegion *body = collector->function->body;
    for (uint32_t i = 0; i < body->body.count; i++) {
        PlaitValue value = body->body.data[i];
        const PlaitInst *inst = plait_inst(collector->function, value);
        if (inst->op != PLAIT_OP_RESULT || inst->operands[0] != owner) continue;
        bool workspace;
        const char *name = flow_name(collector->session, collector->function, value, &workspace);
        plait_push(collector->session->arena, &collector->kernel->writes,
                   flow(collector->session, collector->function, collector->extents, name, inst->type, workspace));
    }
}

static double flow_bytes(const PlaitFlows *flows)
{
    double bytes = 0;
    for (uint32_t i = 0; i < flows->count; i++) bytes += flows->data[i].bytes;
    return bytes;
}

static void add_kernel(PlaitSession *session, const PlaitFunction *function, const int64_t *extents, PlaitValue value,
                       const char *operator_, PlaitKernelList *list)
{
    const PlaitInst *inst = plait_inst(function, value);
    PlaitKernelFacts kernel = {
        .name = plait_session_text(session, "%s.%s", operator_, plait_names_text(function->module->names, inst->name))};
    Collector collector = {session, function,   extents,
                           &kernel, inst->body, PLAIT_NEW_ARRAY(session->arena, bool, function->insts.count)};
    plait_explain_stages(session, function, inst->body, NULL, &kernel.stages);
    plait_region_walk(function, inst->body, add_reads, &collector);
    add_writes(&collector, value);
    kernel.cost = plait_cost_count_region(function, inst->body, extents);
    list->cost.operations += kernel.cost.operations;
    list->cost.functions += kernel.cost.functions;
    list->cost.bytes += flow_bytes(&kernel.reads) + flow_bytes(&kernel.writes);
    plait_push(session->arena, &list->kernels, kernel);
}

static void add_kernels(PlaitSession *session, const PlaitFunction *written, const PlaitFunction *fused,
                        const int64_t *extents, PlaitKernelList *list)
{
    const int64_t *fused_extents = plait_cost_extents(fused, written, extents);
    const char *name = plait_names_text(written->module->names, written->name);
    for (uint32_t i = 0; i < fused->body->body.count; i++)
        if (plait_op_of(fused, fused->body->body.data[i]) == PLAIT_OP_KERNEL)
            add_kernel(session, fused, fused_extents, fused->body->body.data[i], name, list);
}

void plait_explain_operator(PlaitSession *session, const PlaitFunction *written, const PlaitFunction *const fused[2],
                            PlaitFunction *plain, const int64_t *extents, PlaitOperatorFacts *facts)
{
    facts->name = plait_names_text(written->module->names, written->name);
    facts->cost = plait_cost_least(written, fused[0], extents);
    plait_explain_stages(session, written, written->body, plain, &facts->stages);
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
    add_kernels(session, written, fused[0], extents, &facts->cpu);
    add_kernels(session, written, fused[1], extents, &facts->gpu);
}
