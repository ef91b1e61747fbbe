/* Gradients of pointwise operations: the rows of derivatives.def, choices and conversions. */
#include <stdlib.h>
#include <string.h>

#include "passes/stage/differentiate.h"

typedef struct Derivative {
    const char *x, *y, *where;
} Derivative;

/* A row of scalar_ops.def without one here does not compile. */
#define DERIVATIVE(id, x, y, where) static const Derivative derivative_##id = {x, y, where};
#include "passes/stage/derivatives.def"
#undef DERIVATIVE
static const Derivative *const derivatives[PLAIT_OP_COUNT] = {
#define SCALAR_OP(id, text, operands, class, meaning) [PLAIT_OP_##id] = &derivative_##id,
#include "ir/scalar_ops.def"
#undef SCALAR_OP
};

typedef struct Postfix {
    PlaitBuilder *at;
    PlaitValue named[4]; /* g, r, x, y */
    PlaitScalar scalar;
    PlaitValue stack[8];
    uint32_t count;
} Postfix;

static PlaitValue build_token(Postfix *postfix, const char *token)
{
    char *end;
    double number = strtod(token, &end);
    const char *names = "grxy", *name = strchr(names, token[0]);
    if (*end == '\0') return plait_build_const(postfix->at, postfix->scalar, number);
    if (name && token[1] == '\0') return postfix->named[name - names];
    PlaitOp op = plait_op_by_text(token);
    uint32_t operands = plait_op_info(op)->least_operands;
    if (op == PLAIT_OP_NONE || operands > postfix->count) plait_bug("derivatives.def: `%s`", token);
    postfix->count -= operands;
    const PlaitValue *values = &postfix->stack[postfix->count];
    if (op == PLAIT_OP_SELECT) return plait_build_select(postfix->at, values[0], values[1], values[2]);
    return plait_build_scalar(postfix->at, op, values, operands);
}

/* The value of an expression of derivatives.def. */
static PlaitValue build_postfix(Postfix *postfix, const char *text)
{
    char token[24];
    postfix->count = 0;
    while (*text) {
        size_t length = strcspn(text, " ");
        if (length >= sizeof token || postfix->count == 8) plait_bug("derivatives.def: `%s`", text);
        memcpy(token, text, length);
        token[length] = '\0';
        text += length + (text[length] == ' ');
        PlaitValue value = build_token(postfix, token);
        postfix->stack[postfix->count++] = value;
    }
    if (postfix->count != 1) plait_bug("derivatives.def: %u values", postfix->count);
    return postfix->stack[0];
}

static const PlaitInst *through_broadcasts(const PlaitFunction *function, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(function, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(function, inst->operands[0]);
    return inst;
}

/* c / (d + exp(u)) with numbers c and d, as sigmoid is: where exp(u) is infinite, or its square, the product of the
 * derivatives is 0 times infinity, though all is well. Then the gradient goes to u at once:
 * dr/du = -r exp(u) / (d + exp(u)) = -r (1 - r d / c). */
static bool is_saturating(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    const PlaitFunction *function = reverse->function;
    PlaitInst inst = *plait_inst(function, part.of);
    PlaitScalar scalar = (PlaitScalar)inst.type.scalar;
    const PlaitInst *c = through_broadcasts(function, inst.operands[0]);
    const PlaitInst *sum = plait_inst(function, inst.operands[1]);
    if (c->op != PLAIT_OP_CONST || c->number == 0 || sum->op != PLAIT_OP_ADD) return false;
    for (uint32_t side = 0; side < 2; side++) {
        const PlaitInst *d = through_broadcasts(function, sum->operands[side]);
        const PlaitInst *power = plait_inst(function, sum->operands[1 - side]);
        if (d->op != PLAIT_OP_CONST || power->op != PLAIT_OP_EXP) continue;
        PlaitValue exponent = power->operands[0];
        double ratio = d->number / c->number;
        PlaitBuilder *at = &frame->at;
        PlaitValue share = plait_build_binary(at, PLAIT_OP_MUL, part.of, plait_build_const(at, scalar, ratio));
        PlaitValue rest = plait_build_binary(at, PLAIT_OP_SUB, plait_build_const(at, scalar, 1), share);
        PlaitValue slope = plait_build_binary(at, PLAIT_OP_MUL, part.of, rest);
        PlaitValue product = plait_build_binary(at, PLAIT_OP_MUL, part.gradient.value, slope);
        part.gradient.value = plait_build_unary(at, PLAIT_OP_NEG, product);
        plait_gradient_add(reverse, frame, exponent, part.gradient, part.full);
        return true;
    }
    return false;
}

void plait_gradient_pointwise(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    PlaitInst inst = *plait_inst(reverse->function, part.of);
    const Derivative *derivative = derivatives[inst.op];
    const char *const texts[] = {derivative->x, derivative->y};
    Postfix postfix = {.at = &frame->at, .scalar = (PlaitScalar)inst.type.scalar};
    postfix.named[0] = part.gradient.value, postfix.named[1] = part.of;
    for (uint32_t i = 0; i < inst.operand_count; i++) postfix.named[2 + i] = inst.operands[i];
    if (inst.op == PLAIT_OP_DIV && is_saturating(reverse, frame, part)) return;
    PlaitValue where = *derivative->where ? build_postfix(&postfix, derivative->where) : 0;
    for (uint32_t i = 0; i < inst.operand_count; i++) {
        if (!*texts[i] || !plait_reverse_of(reverse, inst.operands[i]).active) continue;
        PlaitValue mask = where && i ? plait_build_unary(&frame->at, PLAIT_OP_NOT, where) : where;
        PlaitGradient own = {build_postfix(&postfix, texts[i]), part.gradient.mask};
        plait_gradient_add(reverse, frame, inst.operands[i], plait_gradient_where(&frame->at, own, mask), part.full);
    }
}

void plait_gradient_SELECT(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    PlaitInst inst = *plait_inst(reverse->function, part.of);
    for (uint32_t i = 1; i <= 2; i++) {
        if (!plait_reverse_of(reverse, inst.operands[i]).active) continue;
        PlaitValue chosen = i == 1 ? inst.operands[0] : plait_build_unary(&frame->at, PLAIT_OP_NOT, inst.operands[0]);
        plait_gradient_add(reverse, frame, inst.operands[i], plait_gradient_where(&frame->at, part.gradient, chosen),
                           part.full);
    }
}

/* Rounding to a storage type is taken to change nothing. */
void plait_gradient_CAST(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    PlaitInst inst = *plait_inst(reverse->function, part.of);
    plait_gradient_add(reverse, frame, inst.operands[0], part.gradient, part.full);
}

void plait_gradient_BROADCAST(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    PlaitInst inst = *plait_inst(reverse->function, part.of);
    plait_gradient_add(reverse, frame, inst.operands[0], part.gradient, part.full);
}
