/* Classification of scans by symbolic linearity.
 *
 *   1. Which carries appear in which next values gives a graph; carries on a cycle of it (beyond a carry and itself)
 * form a group that is treated as one unknown, all other carries count as known: they are computed first.
 *   2. For each group every value of the body gets a form: independent; affine, as the set of ways in which the carry
 * enters (direct with a factor, reduced over axes of the state, expanded again: a low-rank term); a maximum or minimum
 * with it; or other, with the operation that made it so.
 *   3. The form of the next value gives the class.
 */
#include "passes/stage/classify.h"

#include "passes/stage/written.h"

static const struct {
    const char *text, *allows;
} class_rows[] = {
#define CLASS(id, text, allows) {text, allows},
#include "passes/stage/scan_classes.def"
#undef CLASS
};

const char *plait_scan_class_text(PlaitScanClassId id) { return class_rows[id].text; }
const char *plait_scan_class_allows(PlaitScanClassId id) { return class_rows[id].allows; }

typedef enum FormKind { FORM_INDEPENDENT, FORM_AFFINE, FORM_EXTREME, FORM_OTHER } FormKind;

/* Axes of the state as a set of at most 64 axis numbers. */
typedef uint64_t AxisSet;

typedef struct Form {
    FormKind kind;
    bool direct;     /* the carry itself enters, times a factor */
    bool has_factor; /* that is not 1, nor -1 */
    bool negated;    /* the factor is -1 */
    AxisSet factor;  /* axes of the state along which the factor varies */
    AxisSet along;   /* axes that the carries which enter have */
    bool contracted; /* a carry enters summed over `lost` */
    bool low_rank;   /* ... and then multiplied by something that varies along them again */
    AxisSet lost;
    bool crossed;       /* another carry of the group enters */
    bool added;         /* something independent is added */
    uint32_t products;  /* of which these are products of separate axes of the state */
    bool unstructured;  /* and some are not */
    bool dense;         /* the carry enters through other positions of the state */
    bool minimum;       /* of FORM_EXTREME: not a maximum */
    bool shifted;       /* of FORM_EXTREME: something is added before it is taken */
    bool unscaled;      /* a factor or an input depends on a running extreme other than as stabilised sums do */
    PlaitValue culprit; /* for FORM_OTHER */
} Form;

typedef struct Classifier {
    const PlaitFunction *function;
    const PlaitRegion *body;
    PlaitAxis time;
    AxisSet state;     /* axes of the group's carries, without time and batch-like ones */
    uint64_t group;    /* bits of the carries treated as unknown */
    uint32_t self;     /* the carry whose next value is asked for */
    uint64_t *uses;    /* by value: bits of the carries it depends on */
    uint64_t extremes; /* carries known to be running maxima or minima */
    uint64_t minima;   /* ... minima */
    Form *forms;       /* by value, for the present group and self */
    bool *known;
} Classifier;

static AxisSet axes_of(const Classifier *classifier, PlaitValue value)
{
    PlaitType type = plait_type_of(classifier->function, value);
    AxisSet set = 0;
    for (uint32_t i = 0; i < type.rank; i++)
        if (type.axes[i] < 64) set |= (AxisSet)1 << type.axes[i];
    return set;
}

/* The coefficient of `wanted` in a sum of values; *clean is cleared when another term depends on a running extreme. */
static int coefficient_in(const Classifier *classifier, PlaitValue value, PlaitValue wanted, PlaitValue also,
                          bool *clean)
{
    const PlaitInst *inst = plait_inst(classifier->function, value);
    if (value == wanted) return 1;
    if (value == also) return 0;
    switch ((int)inst->op) {
    case PLAIT_OP_BROADCAST: return coefficient_in(classifier, inst->operands[0], wanted, also, clean);
    case PLAIT_OP_NEG: return -coefficient_in(classifier, inst->operands[0], wanted, also, clean);
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB: {
        int a = coefficient_in(classifier, inst->operands[0], wanted, also, clean);
        int b = coefficient_in(classifier, inst->operands[1], wanted, also, clean);
        return inst->op == PLAIT_OP_ADD ? a + b : a - b;
    }
    default:
        if (classifier->uses[value] & classifier->extremes) *clean = false;
        return 0;
    }
}

/* Whether `value` is exp(.. + before * m - m') for a running maximum m and its next value m', or exp(.. - before * m +
 * m') for a running minimum, and the rest knows no extreme. */
static bool is_rescaling(const Classifier *classifier, PlaitValue value, int before)
{
    const PlaitInst *inst = plait_inst(classifier->function, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(classifier->function, inst->operands[0]);
    if (inst->op != PLAIT_OP_EXP) return false;
    for (uint32_t i = 0; i < classifier->body->params.count; i++) {
        if (!(classifier->extremes >> i & 1)) continue;
        PlaitValue old = classifier->body->params.data[i], new = classifier->body->yields.data[i];
        bool clean = true;
        int of_new = coefficient_in(classifier, inst->operands[0], new, old, &clean);
        int of_old = coefficient_in(classifier, inst->operands[0], old, new, &clean);
        int sign = classifier->minima >> i & 1 ? -1 : 1;
        if (clean && of_new == -sign && of_old == sign * before) return true;
    }
    return false;
}

/* Whether a product holds such a factor, and nothing else of it depends on an extreme. */
static bool holds_rescaling(const Classifier *classifier, PlaitValue value, int before)
{
    const PlaitInst *inst = plait_inst(classifier->function, value);
    if (!(classifier->uses[value] & classifier->extremes)) return false;
    if (is_rescaling(classifier, value, before)) return true;
    if (inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_NEG)
        return holds_rescaling(classifier, inst->operands[0], before);
    if (inst->op != PLAIT_OP_MUL) return false;
    for (uint32_t k = 0; k < 2; k++)
        if (!(classifier->uses[inst->operands[1 - k]] & classifier->extremes))
            return holds_rescaling(classifier, inst->operands[k], before);
    return false;
}

static Form other(PlaitValue culprit) { return (Form){.kind = FORM_OTHER, .culprit = culprit}; }

/* What an owner of several results makes of the carry. */
static Form other_result(const Classifier *classifier, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(classifier->function, value);
    return other(inst->op == PLAIT_OP_RESULT ? inst->operands[0] : value);
}

/* Whether an independent value is a product of factors that split the state's axes between them. */
static bool is_outer_product(const Classifier *classifier, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(classifier->function, value);
    while (inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_NEG || inst->op == PLAIT_OP_CAST)
        inst = plait_inst(classifier->function, inst->operands[0]);
    if (inst->op != PLAIT_OP_MUL) return false;
    AxisSet a = axes_of(classifier, inst->operands[0]) & classifier->state,
            b = axes_of(classifier, inst->operands[1]) & classifier->state;
    if (a && b && !(a & b)) return true;
    /* A factor that varies along the axes of one side only belongs to that side: (beta k) v. */
    return (a != classifier->state || b != classifier->state) &&
           ((a && is_outer_product(classifier, inst->operands[0])) ||
            (b && is_outer_product(classifier, inst->operands[1])));
}

/* An independent value as something that is added to the carry. */
static void add_input(const Classifier *classifier, PlaitValue value, Form *form)
{
    double zero = 0;
    const PlaitInst *inst = plait_inst(classifier->function, value);
    if (inst->op == PLAIT_OP_CONST && inst->number == zero) return;
    form->added = true;
    form->unscaled |= classifier->extremes && !holds_rescaling(classifier, value, 0);
    if (is_outer_product(classifier, value)) form->products++;
    else form->unstructured = true;
}

static Form form_of(Classifier *classifier, PlaitValue value);

static Form negate_form(Form form)
{
    form.negated = form.direct && !form.has_factor && !form.negated;
    return form;
}

static Form add_forms(const Classifier *classifier, PlaitValue x, Form a, PlaitValue y, Form b)
{
    Form sum = {.kind = FORM_AFFINE};
    if (a.kind == FORM_INDEPENDENT) add_input(classifier, x, &a);
    if (b.kind == FORM_INDEPENDENT) add_input(classifier, y, &b);
    sum.direct = a.direct || b.direct;
    sum.has_factor = a.has_factor || b.has_factor || (a.direct && b.direct); /* a S + b S has the factor a + b */
    sum.negated = !sum.has_factor && (a.negated || b.negated);
    sum.factor = a.factor | b.factor;
    sum.along = a.along | b.along;
    sum.contracted = a.contracted || b.contracted;
    sum.low_rank = a.low_rank || b.low_rank;
    sum.lost = a.lost | b.lost;
    sum.crossed = a.crossed || b.crossed;
    sum.added = a.added || b.added;
    sum.products = a.products + b.products;
    sum.unstructured = a.unstructured || b.unstructured;
    sum.dense = a.dense || b.dense;
    sum.unscaled = a.unscaled || b.unscaled;
    return sum;
}

/* An affine form times something independent of the carry. */
static Form scale_form(const Classifier *classifier, Form form, PlaitValue by, PlaitValue product)
{
    AxisSet axes = axes_of(classifier, by) & classifier->state;
    if ((classifier->uses[by] & classifier->extremes) && !holds_rescaling(classifier, by, 1)) form.unscaled = true;
    if (form.direct) {
        form.has_factor = true;
        form.negated = false;
        form.factor |= axes;
    }
    if (form.contracted && (axes & form.lost)) form.low_rank = true;
    if (form.added) {
        /* The input is scaled too: it is a product of separate axes if the scaled value is. */
        AxisSet own = axes_of(classifier, product) & classifier->state;
        bool becomes = form.contracted && !form.direct && (axes & form.lost) && own == classifier->state;
        if (becomes) {
            form.products = form.products || form.unstructured ? 1 : 0;
            form.unstructured = false;
        }
    }
    return form;
}

static Form reduce_form(const Classifier *classifier, PlaitValue value, Form form)
{
    const PlaitInst *inst = plait_inst(classifier->function, value);
    AxisSet summed = 0, own = axes_of(classifier, classifier->body->params.data[classifier->self]);
    if (inst->op != PLAIT_OP_REDUCE_SUM || form.kind != FORM_AFFINE) return other(value);
    for (uint32_t i = 0; i < inst->axis_count; i++)
        if (inst->axes[i] < 64) summed |= (AxisSet)1 << inst->axes[i];
    if (summed & form.along) {
        form.contracted = true;
        form.lost |= summed;
        form.low_rank |= !(summed & own); /* a carry without these axes: it is multiplied where it enters the other */
        form.direct = form.has_factor = form.negated = false;
        form.factor = 0;
    } else { /* the factor is summed */
        form.has_factor |= form.direct;
        form.negated = false;
        form.factor &= ~summed;
    }
    form.unstructured |= form.products != 0; /* a reduced input is a vector */
    form.products = 0;
    return form;
}

/* The larger (or the smaller) of the carry, perhaps with something added to it, or of such an extreme of it, and of
 * something independent. */
static Form extreme_form(PlaitValue value, const Form *a, const Form *b, bool minimum)
{
    bool first = a->kind != FORM_INDEPENDENT, second = b->kind != FORM_INDEPENDENT;
    const Form *inner = first ? a : b;
    bool plain = inner->kind == FORM_EXTREME
                     ? inner->minimum == minimum
                     : inner->direct && !inner->has_factor && !inner->negated && !inner->contracted && !inner->crossed;
    if (first == second || !plain) return other(value);
    return (Form){.kind = FORM_EXTREME, .minimum = minimum, .shifted = inner->shifted || inner->added};
}

static Form binary_form(Classifier *classifier, PlaitValue value, const PlaitInst *inst)
{
    PlaitValue x = inst->operands[0], y = inst->operands[1];
    Form a = form_of(classifier, x), b = form_of(classifier, y);
    bool plain = a.kind != FORM_EXTREME && b.kind != FORM_EXTREME;
    if (a.kind == FORM_OTHER) return a;
    if (b.kind == FORM_OTHER) return b;
    switch ((int)inst->op) {
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB:
        if (inst->op == PLAIT_OP_SUB) b = negate_form(b);
        return plain ? add_forms(classifier, x, a, y, b) : other(value);
    case PLAIT_OP_MUL:
        if (a.kind == FORM_INDEPENDENT && plain) return scale_form(classifier, b, x, value);
        if (b.kind == FORM_INDEPENDENT && plain) return scale_form(classifier, a, y, value);
        return other(value);
    case PLAIT_OP_DIV: return plain && b.kind == FORM_INDEPENDENT ? scale_form(classifier, a, y, value) : other(value);
    case PLAIT_OP_MAX:
    case PLAIT_OP_MIN: return extreme_form(value, &a, &b, inst->op == PLAIT_OP_MIN);
    default: return other(value);
    }
}

static Form compute_form(Classifier *classifier, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(classifier->function, value);
    if (!(classifier->uses[value] & classifier->group)) return (Form){.kind = FORM_INDEPENDENT};
    if (inst->op == PLAIT_OP_ARGUMENT) {
        bool self = classifier->body->params.data[classifier->self] == value;
        return (Form){.kind = FORM_AFFINE, .direct = self, .crossed = !self, .along = axes_of(classifier, value)};
    }
    if (inst->op == PLAIT_OP_NEG) {
        Form form = form_of(classifier, inst->operands[0]);
        return form.kind == FORM_EXTREME ? other(value) : negate_form(form);
    }
    if (inst->op == PLAIT_OP_CAST && plait_scalar_kind((PlaitScalar)inst->type.scalar) != PLAIT_FLOATING &&
        inst->type.scalar != plait_type_of(classifier->function, inst->operands[0]).scalar)
        return other(value); /* it truncates */
    if (inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_CAST) return form_of(classifier, inst->operands[0]);
    if (inst->op == PLAIT_OP_GATHER && !(classifier->uses[inst->operands[1]] & classifier->group)) {
        Form form = form_of(classifier, inst->operands[0]);
        form.dense |= form.kind == FORM_AFFINE;
        return form.kind == FORM_EXTREME ? other(value) : form;
    }
    if (inst->op == PLAIT_OP_SELECT) { /* a reset is a factor 0 */
        Form a = form_of(classifier, inst->operands[1]), b = form_of(classifier, inst->operands[2]);
        if (a.kind == FORM_OTHER || b.kind == FORM_OTHER) return a.kind == FORM_OTHER ? a : b;
        if ((classifier->uses[inst->operands[0]] & classifier->group) || a.kind == FORM_EXTREME ||
            b.kind == FORM_EXTREME)
            return other(value);
        Form sum = add_forms(classifier, inst->operands[1], a, inst->operands[2], b);
        return scale_form(classifier, sum, inst->operands[0], value);
    }
    if (plait_op_is_reduce((PlaitOp)inst->op)) {
        Form form = form_of(classifier, inst->operands[0]);
        return form.kind == FORM_OTHER ? form : reduce_form(classifier, value, form);
    }
    if (plait_op_is_scalar((PlaitOp)inst->op) && inst->operand_count == 2) return binary_form(classifier, value, inst);
    return other_result(classifier, value);
}

static Form form_of(Classifier *classifier, PlaitValue value)
{
    if (!classifier->known[value]) {
        classifier->known[value] = true;
        classifier->forms[value] = compute_form(classifier, value);
    }
    return classifier->forms[value];
}

/* ---- which carries depend on which ---- */

static void find_uses(Classifier *classifier, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(classifier->function, value);
        for (uint32_t k = 0; k < inst->operand_count; k++)
            classifier->uses[value] |= classifier->uses[inst->operands[k]];
        if (!inst->body) continue;
        for (uint32_t k = 0; k < inst->body->params.count; k++)
            classifier->uses[inst->body->params.data[k]] |= classifier->uses[value];
        find_uses(classifier, inst->body);
        for (uint32_t k = 0; k < inst->body->yields.count; k++)
            classifier->uses[value] |= classifier->uses[inst->body->yields.data[k]];
    }
}

/* Carries that reach each other: reach[i] bit j. */
static void close_reach(uint64_t *reach, uint32_t count)
{
    for (uint32_t middle = 0; middle < count; middle++)
        for (uint32_t i = 0; i < count; i++)
            if (reach[i] >> middle & 1) reach[i] |= reach[middle];
}

static AxisSet state_axes(const Classifier *classifier, PlaitValue param)
{
    AxisSet set = 0;
    PlaitType type = plait_type_of(classifier->function, param);
    for (uint32_t i = 0; i < type.rank; i++) {
        PlaitAxisRole role = classifier->function->axes.data[type.axes[i]].role;
        if (type.axes[i] < 64 && type.axes[i] != classifier->time && role == PLAIT_ROLE_FEATURE)
            set |= (AxisSet)1 << type.axes[i];
    }
    return set;
}

static PlaitScanClassId class_of_affine(const Classifier *classifier, const Form *form, uint64_t own_uses)
{
    if (form->dense || (form->contracted && !form->low_rank))
        return form->crossed ? PLAIT_SCAN_COUPLED_DENSE : PLAIT_SCAN_DENSE;
    if (form->contracted) return form->crossed ? PLAIT_SCAN_COUPLED_LOW_RANK : PLAIT_SCAN_LOW_RANK;
    if (form->crossed) return PLAIT_SCAN_COUPLED;
    if (!form->direct) return PLAIT_SCAN_OVERWRITTEN;
    if ((own_uses & classifier->extremes) && form->has_factor && !form->unscaled) return PLAIT_SCAN_STABILISED;
    if (!form->has_factor && !form->negated) return PLAIT_SCAN_SUM;
    if (!form->factor) return PLAIT_SCAN_SCALAR;
    bool structured = form->products != 0 && !form->unstructured;
    return structured && form->factor != classifier->state ? PLAIT_SCAN_DIAGONAL : PLAIT_SCAN_ELEMENTWISE;
}

static PlaitType factor_type(AxisSet set)
{
    PlaitType type = plait_type(PLAIT_F32);
    for (PlaitAxis axis = 0; axis < 64; axis++)
        if ((set >> axis & 1) && type.rank < PLAIT_MAX_RANK) type = plait_type_with(type, axis);
    return type;
}

static PlaitCarryClass classify_carry(Classifier *classifier, uint32_t carry)
{
    const PlaitFunction *function = classifier->function;
    PlaitArena *arena = function->module->arena;
    PlaitValue next = classifier->body->yields.data[carry];
    classifier->self = carry;
    classifier->state = state_axes(classifier, classifier->body->params.data[carry]);
    classifier->forms = PLAIT_NEW_ARRAY(arena, Form, function->insts.count);
    classifier->known = PLAIT_NEW_ARRAY(arena, bool, function->insts.count);
    for (uint32_t i = 0; i < classifier->body->body.count;
         i++) /* in order: a long chain must not be a deep recursion */
        form_of(classifier, classifier->body->body.data[i]);
    Form form = form_of(classifier, next);
    PlaitCarryClass result = {.reason = "",
                              .factor_axes = factor_type(form.factor & classifier->state),
                              .has_input = form.added,
                              .input_rank = form.unstructured ? 0 : form.products,
                              .feeds = classifier->uses[next] & ~((uint64_t)1 << carry)};
    switch (form.kind) {
    case FORM_INDEPENDENT: result.id = PLAIT_SCAN_OVERWRITTEN; break;
    case FORM_EXTREME:
        if (form.minimum) result.id = form.shifted ? PLAIT_SCAN_SHIFTED_MINIMUM : PLAIT_SCAN_PLAIN_MINIMUM;
        else result.id = form.shifted ? PLAIT_SCAN_SHIFTED_MAXIMUM : PLAIT_SCAN_PLAIN_MAXIMUM;
        break;
    case FORM_AFFINE: result.id = class_of_affine(classifier, &form, result.feeds); break;
    case FORM_OTHER:
    default:
        result.id = PLAIT_SCAN_NONLINEAR;
        result.where = plait_inst(function, form.culprit)->span;
        result.reason =
            plait_arena_printf(arena, "`%s` of the carry", plait_written(plait_inst(function, form.culprit)));
    }
    if (result.id == PLAIT_SCAN_DENSE || result.id == PLAIT_SCAN_COUPLED_DENSE)
        result.reason = form.dense ? "other positions of the state are read"
                                   : "a reduction over the state that is not expanded by a product again";
    return result;
}

/* Which outputs read the carry before the token (the argument itself), and which after it (its next value; a value from
 * outside of the body, which overwrites the carry, is read for itself). */
static void find_reads(const Classifier *classifier, const PlaitValue *values, uint32_t count, PlaitValue argument,
                       PlaitValue next, bool *seen, PlaitCarryClass *result)
{
    for (uint32_t i = 0; i < count; i++) {
        PlaitValue value = values[i];
        if (seen[value]) continue;
        seen[value] = true;
        bool inside = plait_region_inside(plait_inst(classifier->function, value)->region, classifier->body);
        if (value == argument) result->read_before = true;
        else if (value == next && inside) result->read_after = true;
        else if (inside) {
            const PlaitInst *inst = plait_inst(classifier->function, value);
            find_reads(classifier, inst->operands, inst->operand_count, argument, next, seen, result);
            if (inst->body)
                find_reads(classifier, inst->body->yields.data, inst->body->yields.count, argument, next, seen, result);
        }
    }
}

/* What is not affine spoils the carries that it feeds and is fed by, and what mixes elements of the state mixes theirs.
 */
static void spread_classes(PlaitArena *arena, PlaitScanClass *scan, const uint64_t *reach)
{
    PlaitScanClassId own[64];
    for (uint32_t i = 0; i < scan->count; i++) own[i] = scan->carries[i].id;
    for (uint32_t i = 0; i < scan->count; i++)
        for (uint32_t k = 0; k < scan->count; k++) {
            PlaitCarryClass *carry = &scan->carries[i];
            bool together = k != i && (reach[i] >> k & 1) && (reach[k] >> i & 1);
            if (!together || own[k] <= carry->id || own[k] <= PLAIT_SCAN_COUPLED) continue;
            carry->id = own[k];
            carry->reason =
                plait_arena_printf(arena, "it feeds carry %u, which %s, and is fed by it", k + 1,
                                   own[k] == PLAIT_SCAN_NONLINEAR ? "is not affine" : "mixes elements of the state");
        }
}

PlaitScanClass plait_classify_scan(const PlaitFunction *function, PlaitValue scan)
{
    PlaitArena *arena = function->module->arena;
    const PlaitInst *inst = plait_inst(function, scan);
    uint32_t count = inst->body->params.count, outputs = inst->body->yields.count - count;
    Classifier classifier = {.function = function,
                             .body = inst->body,
                             .time = inst->axes[0],
                             .uses = PLAIT_NEW_ARRAY(arena, uint64_t, function->insts.count)};
    PlaitScanClass result = {PLAIT_NEW_ARRAY(arena, PlaitCarryClass, count), count, PLAIT_SCAN_OVERWRITTEN};
    if (count > 64) {
        for (uint32_t i = 0; i < count; i++)
            result.carries[i] = (PlaitCarryClass){.id = PLAIT_SCAN_NONLINEAR, .reason = "more than 64 carries"};
        result.id = PLAIT_SCAN_NONLINEAR;
        return result;
    }
    for (uint32_t i = 0; i < count; i++) classifier.uses[inst->body->params.data[i]] = (uint64_t)1 << i;
    find_uses(&classifier, inst->body);
    uint64_t reach[64];
    for (uint32_t i = 0; i < count; i++) reach[i] = classifier.uses[inst->body->yields.data[i]];
    close_reach(reach, count);
    for (int round = 0; round < 2; round++) /* running extremes first: others are rescaled by them */
        for (uint32_t i = 0; i < count; i++) {
            classifier.group = (uint64_t)1 << i;
            for (uint32_t k = 0; k < count; k++)
                if ((reach[i] >> k & 1) && (reach[k] >> i & 1)) classifier.group |= (uint64_t)1 << k;
            result.carries[i] = classify_carry(&classifier, i);
            if (plait_scan_is_extreme(result.carries[i].id)) classifier.extremes |= (uint64_t)1 << i;
            if (plait_scan_is_minimum(result.carries[i].id)) classifier.minima |= (uint64_t)1 << i;
        }
    spread_classes(arena, &result, reach);
    for (uint32_t i = 0; i < count; i++) {
        bool *seen = PLAIT_NEW_ARRAY(arena, bool, function->insts.count);
        find_reads(&classifier, inst->body->yields.data + count, outputs, inst->body->params.data[i],
                   inst->body->yields.data[i], seen, &result.carries[i]);
        if (result.carries[i].id > result.id) result.id = result.carries[i].id;
    }
    return result;
}
