/* The backward of an operator, by reverse mode:
 *
 *     operator @f: x, S0 -> y, S
 * becomes
 *     operator @f_backward: x, S0, y_grad, S_grad -> x_grad, S0_grad
 *
 * A gradient has the type of its value. Those of outputs have the default 0: of an output that nothing depends on it is
 * left out. Whole numbers and truth values have none. Gradients of 16-bit values are computed in f32.
 *
 * Instructions are taken in reverse order; each adds to the gradients of its operands what its rule says:
 * derivatives.def and differentiate_pointwise.c, differentiate_moves.c, differentiate_scan.c. What an instruction
 * broadcasts is summed, what it sums is broadcast (differentiate_sum.c). The result is ordinary Stage IR: it is
 * simplified like a program's, and all other passes take it. It changes what the operator means, so it stands in no
 * pipeline and goes before them all: there is no rule for what other passes make (fold, kernel).
 */
#include <string.h>

#include "passes/stage/differentiate.h"

#include "passes/passes.h"

void plait_reverse_fail(PlaitReverse *reverse, PlaitSpan span, const char *found, const char *expected,
                        const char *help)
{
    if (reverse->failed) return;
    reverse->failed = true;
    plait_report(reverse->function->module->diagnostics,
                 (PlaitDiagnostic){
                     .id = PLAIT_NOT_DIFFERENTIABLE, .span = span, .found = found, .expected = expected, .help = help});
}

/* ---- what depends on the inputs ---- */

PlaitForward plait_reverse_of(const PlaitReverse *reverse, PlaitValue value)
{
    return value < reverse->values.count ? reverse->values.data[value] : (PlaitForward){0};
}

static void join(PlaitForward *forward, PlaitForward operand)
{
    if (!operand.active) return;
    forward->active = true;
    if (operand.depth > forward->depth) forward->depth = operand.depth;
}

/* What a body reads from outside. */
static void join_body(const PlaitReverse *reverse, const PlaitRegion *body, PlaitForward *forward)
{
    for (uint32_t i = 0; i < body->body.count; i++) {
        const PlaitInst *inst = plait_inst(reverse->function, body->body.data[i]);
        for (uint32_t k = 0; k < inst->operand_count; k++) join(forward, plait_reverse_of(reverse, inst->operands[k]));
        if (inst->body) join_body(reverse, inst->body, forward);
    }
    for (uint32_t i = 0; i < body->yields.count; i++) join(forward, plait_reverse_of(reverse, body->yields.data[i]));
}

void plait_reverse_note_constant(PlaitReverse *reverse, PlaitValue value)
{
    while (reverse->values.count <= value) plait_push(reverse->arena, &reverse->values, (PlaitForward){0});
    reverse->values.data[value] = (PlaitForward){0};
}

void plait_reverse_note(PlaitReverse *reverse, PlaitValue value, uint32_t depth)
{
    const PlaitInst *inst = plait_inst(reverse->function, value);
    PlaitForward forward = {0};
    for (uint32_t i = 0; i < inst->operand_count; i++) join(&forward, plait_reverse_of(reverse, inst->operands[i]));
    if (inst->body) join_body(reverse, inst->body, &forward);
    if (inst->op == PLAIT_OP_PARAM) forward.active = true;
    bool real = plait_scalar_kind((PlaitScalar)inst->type.scalar) == PLAIT_FLOATING;
    if (!real && !inst->body) forward = (PlaitForward){0};
    if (depth > forward.depth) forward.depth = (uint8_t)depth;
    plait_reverse_note_constant(reverse, value);
    reverse->values.data[value] = forward;
    if (forward.active) plait_push(reverse->arena, &reverse->frames[forward.depth]->values, value);
}

/* ---- in reverse order ---- */

static PlaitGradientRule *const rules[PLAIT_OP_COUNT] = {
#define OP(id, text, least, most, attributes, regions, meaning) [PLAIT_OP_##id] = plait_gradient_##id,
#include "ir/common_ops.def"
#include "ir/stage_ops.def"
#undef OP
};

void plait_reverse_one(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    const PlaitInst *inst = plait_inst(reverse->function, part.of);
    frame->at.span = inst->span;
    if (plait_op_is_scalar((PlaitOp)inst->op)) plait_gradient_pointwise(reverse, frame, part);
    else rules[inst->op](reverse, frame, part);
}

void plait_reverse_run(PlaitReverse *reverse, PlaitFrame *frame)
{
    while (frame->values.count && !reverse->failed) {
        PlaitValue value = frame->values.data[--frame->values.count];
        PlaitGradient gradient = plait_gradient_of(frame, value);
        const PlaitInst *inst = plait_inst(reverse->function, value);
        if (gradient.value || inst->body)
            plait_reverse_one(reverse, frame, (PlaitGradientPart){value, inst->type, gradient});
        for (uint32_t i = 0; i < frame->parts.count; i++)
            if (frame->parts.data[i].of == value)
                plait_reverse_one(reverse, frame, plait_gradient_fit(frame, frame->parts.data[i]));
    }
}

/* Values without operands that have gradients. */
#define LEAF(id)                                                                                                       \
    void plait_gradient_##id(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)                         \
    {                                                                                                                  \
        (void)reverse, (void)frame, (void)part;                                                                        \
    }
LEAF(ARGUMENT)
LEAF(PARAM)
LEAF(CONST)
LEAF(IOTA)
LEAF(SIZE)
#undef LEAF

/* What only passes make, which come after this one. */
#define REFUSED(id)                                                                                                    \
    void plait_gradient_##id(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)                         \
    {                                                                                                                  \
        (void)frame;                                                                                                   \
        const PlaitInst *inst = plait_inst(reverse->function, part.of);                                                \
        plait_reverse_fail(reverse, inst->span,                                                                        \
                           plait_arena_printf(reverse->arena, "`%s`", plait_op_info((PlaitOp)inst->op)->text),         \
                           "the operator as it was written", "run `differentiate` before the other passes");           \
    }
REFUSED(SOLVE)
REFUSED(FOLD)
REFUSED(KERNEL)
#undef REFUSED

/* ---- the signature ---- */

static bool is_real(PlaitType type) { return plait_scalar_kind((PlaitScalar)type.scalar) == PLAIT_FLOATING; }

static bool name_is_taken(const PlaitFunction *function, PlaitName name)
{
    for (uint32_t i = 0; i < function->params.count; i++)
        if (plait_inst(function, function->params.data[i])->name == name) return true;
    for (uint32_t i = 0; i < function->outputs.count; i++)
        if (function->outputs.data[i].name == name) return true;
    return false;
}

/* "y_grad", with as many more "_" as it takes to be a name of its own. */
static PlaitName gradient_name(const PlaitFunction *function, PlaitName of)
{
    PlaitModule *module = function->module;
    const char *text = plait_arena_printf(module->arena, "%s_grad", plait_names_text(module->names, of));
    PlaitName name = plait_names_add(module->names, text);
    while (name_is_taken(function, name)) {
        text = plait_arena_printf(module->arena, "%s_", text);
        name = plait_names_add(module->names, text);
    }
    return name;
}

/* The gradients of the outputs: parameters, from which all others come. */
static void add_parameters(PlaitReverse *reverse, PlaitFrame *frame)
{
    PlaitFunction *function = reverse->function;
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        PlaitOutput output = function->outputs.data[i];
        if (!is_real(output.type)) continue;
        frame->at.span = output.span;
        PlaitValue param = plait_build_param(&frame->at, gradient_name(function, output.name), output.type, 0);
        plait_gradient_add(reverse, frame, output.value, (PlaitGradient){param, 0}, output.type);
    }
}

/* The gradients of the inputs become the outputs. `inputs`: how many parameters are not gradients. */
static void replace_outputs(PlaitReverse *reverse, PlaitFrame *frame, uint32_t inputs)
{
    PlaitFunction *function = reverse->function;
    PlaitBuilder *at = &frame->at;
    uint32_t old = function->outputs.count;
    for (uint32_t i = 0; i < inputs; i++) {
        PlaitInst param = *plait_inst(function, function->params.data[i]);
        if (!is_real(param.type)) continue;
        at->span = param.span;
        PlaitValue value = plait_gradient_value(at, plait_gradient_of(frame, function->params.data[i]));
        PlaitScalar scalar = (PlaitScalar)param.type.scalar;
        if (!value) value = plait_build_const(at, plait_gradient_scalar(function, function->params.data[i]), 0);
        value = plait_build_cast(at, plait_build_broadcast(at, value, param.type), scalar);
        PlaitOutput output = {gradient_name(function, param.name), param.type, value, param.span};
        plait_push(reverse->arena, &function->outputs, output);
    }
    function->outputs.count -= old;
    memmove(function->outputs.data, function->outputs.data + old, function->outputs.count * sizeof(PlaitOutput));
}

static bool has_real(const PlaitFunction *function)
{
    bool input = false, output = false;
    for (uint32_t i = 0; i < function->params.count; i++)
        input |= is_real(plait_type_of(function, function->params.data[i]));
    for (uint32_t i = 0; i < function->outputs.count; i++) output |= is_real(function->outputs.data[i].type);
    return input && output;
}

static void simplify(PlaitFunction *function)
{
    plait_pass_canonicalise(function);
    plait_pass_cse(function);
    plait_pass_dce(function);
}

bool plait_pass_differentiate(PlaitFunction *function)
{
    PlaitModule *module = function->module;
    PlaitReverse reverse = {.function = function, .arena = module->arena};
    PlaitFrame frame = {.at = {function, function->body, function->span}, .axis = PLAIT_NO_AXIS};
    uint32_t inputs = function->params.count;
    reverse.forward = frame.at;
    reverse.frames[0] = &frame;
    if (!has_real(function)) {
        plait_reverse_fail(&reverse, function->span, "an operator without a real input and a real output",
                           "an input and an output in f16, bf16, f32 or f64",
                           "leave out the backward of this operator");
        return false;
    }
    simplify(function); /* the bodies of scans then hold only what depends on their carries */
    for (uint32_t i = 0; i < function->body->body.count; i++) {
        PlaitValue value = function->body->body.data[i];
        if (plait_is_shift(&reverse, function->body, value)) plait_reverse_note_constant(&reverse, value);
        else plait_reverse_note(&reverse, value, 0);
    }
    add_parameters(&reverse, &frame);
    plait_reverse_run(&reverse, &frame);
    if (reverse.failed) return true;
    replace_outputs(&reverse, &frame, inputs);
    function->name =
        plait_names_add(module->names, plait_arena_printf(module->arena, "%s_backward",
                                                          plait_names_text(module->names, function->name)));
    simplify(function);
    return true;
}
