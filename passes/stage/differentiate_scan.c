/* The reverse of a scan.
 *
 *     %s = scan %S0 {axes = [t], ints = [1]} (%S) { ..body.. yield %next, %y }
 * with the gradients dS of its final carry and dy of its outputs becomes
 *     %s   yields %S as well: the states before each token
 *     body with these in place of %S: what it computed, for all tokens at once, in front of the reverse scan
 *     %r = scan %dS {axes = [t], ints = [-1]} (%l) { .. yield %l_before, .. }
 * where %l is the gradient of the state after the token, and the body gives from it, and from dy at the token, the
 * gradient of the state before it, and at each token what the values from outside get; over axes that those lack this
 * is summed after the scan. The reverse body holds nothing but what depends on %l, and all of it is linear in %l: of a
 * scan that is affine in its state the reverse is affine too, with the same factors.
 *
 * The states are kept token by token. Only the clones read them: a pass that makes them again from one state for each
 * block of tokens has to replace one value.
 */
#include "passes/stage/differentiate.h"

typedef struct Scan {
    PlaitReverse *reverse;
    PlaitFrame *outer, inner;
    PlaitInst inst; /* the forward scan */
    PlaitValue value;
    PlaitCloneMap map;        /* values of its body -> of the forward computation for all tokens */
    PlaitValue *states;       /* before each token, by carry */
    PlaitValue *arguments;    /* by carry: the gradient after the token; 0: of whole numbers */
    PlaitGradient *gradients; /* by result */
    PlaitValues initial;
} Scan;

/* What is known of the results. */
static bool find_gradients(Scan *scan)
{
    const PlaitFunction *function = scan->reverse->function;
    bool any = false;
    scan->gradients = PLAIT_NEW_ARRAY(scan->reverse->arena, PlaitGradient, scan->inst.body->yields.count);
    for (PlaitValue value = 1; value < scan->outer->gradients.count; value++) {
        const PlaitInst *result = plait_inst(function, value);
        PlaitGradient gradient = plait_gradient_of(scan->outer, value);
        if (!gradient.value || result->op != PLAIT_OP_RESULT || result->operands[0] != scan->value) continue;
        PlaitGradient *sum = &scan->gradients[result->ints[0]];
        gradient.value = plait_gradient_value(&scan->outer->at, gradient);
        if (sum->value) gradient.value = plait_build_binary(&scan->outer->at, PLAIT_OP_ADD, sum->value, gradient.value);
        *sum = (PlaitGradient){gradient.value, 0};
        any = true;
    }
    return any;
}

static bool is_real(const PlaitFunction *function, PlaitValue value)
{
    return plait_scalar_kind((PlaitScalar)plait_type_of(function, value).scalar) == PLAIT_FLOATING;
}

/* Lets the forward scan yield its states, and makes the body's values from them for all tokens. */
static void make_forward_values(Scan *scan)
{
    PlaitReverse *reverse = scan->reverse;
    PlaitFunction *function = reverse->function;
    PlaitRegion *body = scan->inst.body;
    uint32_t count = body->params.count, depth = scan->inner.depth;
    scan->map = plait_clone_map(reverse->arena);
    scan->states = PLAIT_NEW_ARRAY(reverse->arena, PlaitValue, count);
    for (uint32_t i = 0; i < count; i++) {
        PlaitValue param = body->params.data[i];
        plait_yield(function, body, param);
        scan->states[i] =
            plait_build_result(&reverse->forward, scan->value, body->yields.count - 1, plait_type_of(function, param));
        plait_clone_set(&scan->map, param, scan->states[i]);
        plait_reverse_note(reverse, scan->states[i], depth);
    }
    for (uint32_t i = 0; i < body->body.count; i++) {
        PlaitValue made = plait_clone_inst(&reverse->forward, body->body.data[i], &scan->map);
        if (plait_is_shift(reverse, body, body->body.data[i])) plait_reverse_note_constant(reverse, made);
        else plait_reverse_note(reverse, made, 0);
    }
}

/* The gradients after the token, and those of the outputs at it, go to what the body yields. */
static void begin_token(Scan *scan, uint32_t yields)
{
    PlaitFunction *function = scan->reverse->function;
    const PlaitRegion *body = scan->inst.body;
    uint32_t carries = body->params.count;
    scan->arguments = PLAIT_NEW_ARRAY(scan->reverse->arena, PlaitValue, carries);
    for (uint32_t i = 0; i < yields; i++) {
        PlaitValue yield = plait_clone_get(&scan->map, body->yields.data[i]);
        PlaitType type = plait_type_of(function, i < carries ? body->params.data[i] : yield);
        type = plait_type_as(type, plait_gradient_scalar(function, yield));
        PlaitValue gradient = scan->gradients[i].value;
        if (i < carries && is_real(function, body->params.data[i]))
            gradient = scan->arguments[i] =
                plait_build_argument(function, scan->inner.at.region, type, scan->inst.span);
        else if (i < carries) continue;
        /* A value that is the same at every token, and has one gradient, is none of the body's. */
        PlaitFrame *frame = plait_type_has(type, scan->inner.axis) ? &scan->inner : scan->outer;
        plait_gradient_add(scan->reverse, frame, yield, (PlaitGradient){gradient, 0}, type);
    }
}

/* Whether a value from outside is made, element by element, of smaller ones only. `steps`: how many operations may be
 * looked at, since an expression that uses a value twice, again and again, is exponentially large. */
static bool is_made_of_smaller(const PlaitReverse *reverse, PlaitValue value, uint32_t *steps)
{
    const PlaitFunction *function = reverse->function;
    const PlaitInst *inst = plait_inst(function, value);
    double own = plait_feature_elements(function, inst->type);
    if (!plait_op_is_pointwise((PlaitOp)inst->op) && inst->op != PLAIT_OP_BROADCAST) return false;
    if ((*steps)-- == 0) return *steps = 0, false;
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        if (!plait_reverse_of(reverse, inst->operands[i]).active) continue;
        bool smaller = plait_feature_elements(function, plait_type_of(function, inst->operands[i])) < own;
        if (!smaller && !is_made_of_smaller(reverse, inst->operands[i], steps)) return false;
    }
    return true;
}

/* An outer product of vectors from outside that is added to the state would get the gradient of the whole state at each
 * token. What its vectors get of that is contracted here, where the state is at hand. */
static void contract(Scan *scan)
{
    PlaitReverse *reverse = scan->reverse;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < scan->inner.captured.count; i++) { /* more come while it runs */
        PlaitGradientPart captured = scan->inner.captured.data[i];
        const PlaitInst *inst = plait_inst(reverse->function, captured.of);
        uint32_t steps = 64;
        scan->inner.captured.data[i].of = 0; /* what comes for it from now on is another entry */
        if (plait_type_same_axes(captured.full, inst->type) && is_made_of_smaller(reverse, captured.of, &steps))
            plait_reverse_one(reverse, &scan->inner, captured);
        else scan->inner.captured.data[kept++] = captured;
    }
    scan->inner.captured.count = kept;
}

/* Yields the gradients before the token, then what values from outside get at it. */
static void end_token(Scan *scan)
{
    PlaitFunction *function = scan->reverse->function;
    PlaitBuilder *at = &scan->inner.at;
    for (uint32_t i = 0; i < scan->inst.body->params.count; i++) {
        if (!scan->arguments[i]) continue;
        PlaitType type = plait_type_of(function, scan->arguments[i]);
        PlaitValue before = plait_gradient_value(at, plait_gradient_of(&scan->inner, scan->states[i]));
        plait_yield(function, at->region, before ? before : plait_build_const(at, (PlaitScalar)type.scalar, 0));
        PlaitValue initial = scan->gradients[i].value;
        if (!initial) initial = plait_build_const(&scan->outer->at, (PlaitScalar)type.scalar, 0);
        plait_push(scan->reverse->arena, &scan->initial, initial);
    }
    for (uint32_t i = 0; i < scan->inner.captured.count; i++) {
        PlaitValue value = plait_gradient_value(at, scan->inner.captured.data[i].gradient);
        PlaitType type = plait_type_with(plait_type_of(function, value), scan->inner.axis);
        plait_yield(function, at->region, plait_build_broadcast(at, value, type));
    }
}

/* The reverse scan, and what its results give. */
static void finish(Scan *scan)
{
    PlaitReverse *reverse = scan->reverse;
    PlaitFunction *function = reverse->function;
    PlaitRegion *region = scan->inner.at.region;
    PlaitBuilder *at = &scan->outer->at;
    PlaitValue owner = plait_build_owner(at, PLAIT_OP_SCAN, scan->initial.data, scan->initial.count, region);
    plait_set_axes(function, owner, scan->inst.axes, 1);
    plait_set_ints(function, owner, (int64_t[]){-scan->inst.ints[0]}, 1);
    uint32_t next = 0;
    for (uint32_t i = 0; i < scan->inst.body->params.count; i++) {
        if (!scan->arguments[i]) continue;
        PlaitType type = plait_carry_type(&scan->inst, plait_type_of(function, scan->arguments[i]));
        PlaitValue result = plait_build_result(at, owner, next++, type);
        plait_gradient_add(reverse, scan->outer, scan->inst.operands[i], (PlaitGradient){result, 0}, type);
    }
    for (uint32_t i = 0; i < scan->inner.captured.count; i++) {
        const PlaitGradientPart *captured = &scan->inner.captured.data[i];
        PlaitType type = plait_type_of(function, region->yields.data[next]);
        PlaitValue result = plait_build_result(at, owner, next++, type);
        plait_gradient_add(reverse, scan->outer, captured->of, (PlaitGradient){result, 0}, captured->full);
    }
}

void plait_gradient_SCAN(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    PlaitFunction *function = reverse->function;
    PlaitInst inst = *plait_inst(function, part.of);
    Scan scan = {.reverse = reverse, .outer = frame, .inst = inst, .value = part.of};
    uint32_t yields = inst.body->yields.count;
    if (!find_gradients(&scan)) return;
    if (plait_segments_of(&inst) != PLAIT_NO_AXIS || frame->depth + 1 == PLAIT_MAX_FRAMES) {
        plait_reverse_fail(reverse, inst.span, "a scan by segments, or many scans in one another",
                           "the operator as it was written, with at most three scans in one another",
                           "run `differentiate` before the other passes");
        return;
    }
    scan.inner.depth = frame->depth + 1;
    scan.inner.axis = inst.axes[0];
    scan.inner.at = (PlaitBuilder){function, plait_region_create(function, frame->at.region), inst.span};
    reverse->frames[scan.inner.depth] = &scan.inner;
    make_forward_values(&scan);
    begin_token(&scan, yields);
    plait_reverse_run(reverse, &scan.inner);
    contract(&scan);
    if (reverse->failed) return;
    end_token(&scan);
    finish(&scan);
}

/* Their scan takes their gradients. */
void plait_gradient_RESULT(PlaitReverse *reverse, PlaitFrame *frame, PlaitGradientPart part)
{
    (void)reverse, (void)frame, (void)part;
}
