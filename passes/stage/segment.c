/* Scans whose carries are multiplied element by element run in segments of the sequence, all at the same time.
 *
 *     scan S { S' = a S + b;  o = f(S') }
 *
 *     scan (E, A) over t, in segments n, from 0 and 1 { E' = a E + b;  A' = a A }      what a segment makes of a state
 *     scan S over n { S' = A[n] S + E[n];  B = S }                                     the state before each segment
 *     scan S over t, in segments n, from B { S' = a S + b;  o = f(S') }
 *
 * A program walks along one segment, so there are as many times more programs, for tensors that are read twice. With
 * several carries A is a matrix: column j is what becomes of carry j where all others and all that is added are 0. Its
 * entries vary along the axes of the factors alone.
 *
 * A running maximum m, by which sums are rescaled (s' = exp(m + f - m') s + exp(x - m') v with m' = max(m + f, x)), is
 * left out of the sums: s exp(m) is a sum that knows nothing of it. What a segment makes of a state is then (M, E), the
 * maximum and the sum had it begun with nothing, the shift F of the maximum, the sum of f, and A with m and m' in its
 * factors replaced by the shifts before and after the token:
 *
 *     m' = max(m + F[n], M[n]);  s' = exp(m + F[n] - m') A[n] s + exp(M[n] - m') E[n]
 *
 * Left as they are: scans with a carry that is not a float or that enters otherwise than by sums, differences, products
 * and quotients with what does not depend on carries, and selections by it; and those whose states are many times as
 * large as what a token reads, which fill a machine by themselves.
 */
#include "passes/stage/segment.h"

#include "ir/clone.h"
#include "ir/order.h"
#include "passes/passes.h"
#include "passes/stage/classify.h"
#include "passes/stage/written.h"

enum { NO_MAXIMUM = UINT32_MAX };
static const double LEAST = -1e30; /* what a maximum of nothing is: not -inf, of which differences are NaN */

enum {
    MOST_CARRIES = 4,                                  /* which may all feed each other */
    MOST_MADE = 1 + MOST_CARRIES * (1 + MOST_CARRIES), /* carries of the scan that makes states and factors */
    MOST_STATE = 32 /* elements of states and factors, for each that a token reads of its largest tensor */
};

/* What becomes of carry `column` in a value: nothing (not there), or a factor that varies along some axes. */
typedef struct Part {
    bool known, there;
    PlaitType type;  /* without time */
    PlaitValue made; /* while the body is written */
} Part;

typedef struct Segment {
    PlaitFunction *function;
    PlaitArena *arena;
    PlaitValue scan;
    const PlaitRegion *body;
    PlaitAxis time, segments;
    uint32_t count, tokens;
    const char *reason; /* why the scan stays as it is; NULL: it does not */
    PlaitValue culprit;
    bool *depends;                      /* by value: on a carry, other than the maximum */
    uint32_t maximum;                   /* number of the carry that is a running maximum, or NO_MAXIMUM */
    PlaitValue moved;                   /* of its next value: the operand of the maximum that the carry enters by */
    bool *scaled;                       /* by value: depends on the maximum */
    bool *stabilised;                   /* by carry: a sum rescaled by the maximum */
    Part *parts;                        /* by value, of the present column */
    Part *matrix;                       /* by column, by carry: whether the entry is there, and its type */
    PlaitValue *ends;                   /* by carry: the state at a segment's end, had it begun at 0; over segments */
    PlaitValue *entries, *entry_params; /* by column, by carry: over segments; in the scan that makes them */
    PlaitValue shift;                   /* of the maximum, over segments; 0: none */
    PlaitCloneMap map, shifted;         /* to the scan that makes these: values; what factors make of the shifts */
    PlaitBuilder inside;
} Segment;

static const PlaitInst *def(const Segment *segment, PlaitValue value) { return plait_inst(segment->function, value); }

static bool give_up(Segment *segment, PlaitValue culprit, const char *reason)
{
    segment->culprit = culprit, segment->reason = reason;
    return false;
}

/* ---- which scans ---- */

/* Whether a value is made of carries by linear operations, element by element. */
static bool is_linear(Segment *segment, PlaitValue value)
{
    const PlaitInst *inst = def(segment, value);
    if (!segment->depends[value] || inst->op == PLAIT_OP_ARGUMENT) return true;
    const PlaitValue *x = inst->operands;
    switch ((int)inst->op) {
    case PLAIT_OP_BROADCAST:
    case PLAIT_OP_NEG: return is_linear(segment, x[0]);
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB: return is_linear(segment, x[0]) && is_linear(segment, x[1]);
    case PLAIT_OP_MUL:
        if (segment->depends[x[0]] && segment->depends[x[1]]) break;
        return is_linear(segment, x[0]) && is_linear(segment, x[1]);
    case PLAIT_OP_DIV:
        if (segment->depends[x[1]]) break;
        return is_linear(segment, x[0]);
    case PLAIT_OP_SELECT:
        if (segment->depends[x[0]]) break;
        return is_linear(segment, x[1]) && is_linear(segment, x[2]);
    default: break;
    }
    return give_up(segment, value, plait_arena_printf(segment->arena, "`%s` of a carry", plait_written(inst)));
}

/* Whether the value is the maximum before the token plus what does not depend on it. */
static bool is_moved(const Segment *segment, PlaitValue value)
{
    const PlaitInst *inst = def(segment, value);
    const PlaitValue *x = inst->operands;
    if (inst->op == PLAIT_OP_ARGUMENT) return true;
    if (inst->op == PLAIT_OP_BROADCAST) return is_moved(segment, x[0]);
    if (inst->op != PLAIT_OP_ADD && inst->op != PLAIT_OP_SUB) return false;
    if (segment->scaled[x[0]] == segment->scaled[x[1]] || (inst->op == PLAIT_OP_SUB && segment->scaled[x[1]]))
        return false;
    return is_moved(segment, x[segment->scaled[x[0]] ? 0 : 1]);
}

/* Finds where the maximum enters its own next value. */
static bool check_maximum(Segment *segment)
{
    if (segment->maximum == NO_MAXIMUM) return true;
    PlaitValue next = segment->body->yields.data[segment->maximum], value = next;
    if (segment->depends[next]) return give_up(segment, next, "a maximum of what other carries make");
    for (const PlaitInst *inst = def(segment, value); inst->op == PLAIT_OP_MAX || inst->op == PLAIT_OP_BROADCAST;
         inst = def(segment, value)) {
        bool two = inst->op == PLAIT_OP_MAX, first = segment->scaled[inst->operands[0]];
        if (two && first && segment->scaled[inst->operands[1]])
            return give_up(segment, value, "a maximum of a carry with itself");
        value = inst->operands[two && !first ? 1 : 0];
    }
    segment->moved = value;
    return is_moved(segment, value) || give_up(segment, value, "a maximum of a carry that is not only shifted");
}

/* Notes which carries are what. */
static bool check_carries(Segment *segment)
{
    const PlaitFunction *function = segment->function;
    PlaitScanClass found = plait_classify_scan(function, segment->scan);
    segment->maximum = NO_MAXIMUM;
    for (uint32_t i = 0; i < segment->count; i++) {
        PlaitValue param = segment->body->params.data[i];
        PlaitType type = plait_type_of(function, param);
        if (type.scalar != PLAIT_F32 && type.scalar != PLAIT_F64)
            return give_up(segment, param, "a carry that is neither f32 nor f64");
        bool maximum = plait_scan_is_maximum(found.carries[i].id);
        if (maximum && segment->maximum != NO_MAXIMUM) return give_up(segment, param, "several running maxima");
        if (maximum) segment->maximum = i;
        segment->stabilised[i] = found.carries[i].id == PLAIT_SCAN_STABILISED;
        (maximum ? segment->scaled : segment->depends)[param] = true;
    }
    return true;
}

/* Notes what depends on carries; false when the body is not one that this pass takes. */
static bool check_body(Segment *segment)
{
    const PlaitFunction *function = segment->function;
    if (!check_carries(segment)) return false;
    for (uint32_t i = 0; i < segment->body->body.count; i++) {
        PlaitValue value = segment->body->body.data[i];
        const PlaitInst *inst = def(segment, value);
        if (inst->body) return give_up(segment, value, "a loop in its body");
        for (uint32_t k = 0; k < inst->operand_count; k++) {
            segment->depends[value] |= segment->depends[inst->operands[k]];
            segment->scaled[value] |= segment->scaled[inst->operands[k]];
        }
    }
    if (!check_maximum(segment)) return false;
    for (uint32_t i = 0; i < segment->body->yields.count; i++) {
        PlaitValue value = segment->body->yields.data[i];
        bool sum = i < segment->count && i != segment->maximum;
        if (sum && !is_linear(segment, value)) return false;
        if (sum && segment->scaled[value] && !segment->stabilised[i])
            return give_up(segment, value, "a maximum that rescales no sum");
        if (i >= segment->count && !plait_type_has(plait_type_of(function, value), segment->time))
            return give_up(segment, value, "an output that is the same at every token");
    }
    return true;
}

/* ---- which entries the matrix has ---- */

static Part part_of(Segment *segment, PlaitValue value, uint32_t column);

static Part combine(Part a, Part b)
{
    if (!a.there || !b.there) return a.there ? a : b;
    a.type = plait_type_union(a.type, b.type);
    return a;
}

static Part with_axes(const Segment *segment, Part part, PlaitValue of)
{
    PlaitType type = plait_type_without(plait_type_of(segment->function, of), segment->time);
    if (part.there) part.type = plait_type_union(part.type, type);
    return part;
}

static Part compute_part(Segment *segment, PlaitValue value, uint32_t column)
{
    const PlaitInst *inst = def(segment, value);
    const PlaitValue *x = inst->operands;
    if (!segment->depends[value]) return (Part){0};
    switch ((int)inst->op) {
    case PLAIT_OP_ARGUMENT:
        for (uint32_t i = 0; i < segment->count; i++)
            if (segment->body->params.data[i] == value) return segment->matrix[column * segment->count + i];
        return (Part){0};
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB: return combine(part_of(segment, x[0], column), part_of(segment, x[1], column));
    case PLAIT_OP_MUL: {
        uint32_t side = segment->depends[x[0]] ? 0 : 1;
        return with_axes(segment, part_of(segment, x[side], column), x[1 - side]);
    }
    case PLAIT_OP_DIV: return with_axes(segment, part_of(segment, x[0], column), x[1]);
    case PLAIT_OP_SELECT:
        return with_axes(segment, combine(part_of(segment, x[1], column), part_of(segment, x[2], column)), x[0]);
    default: return part_of(segment, x[0], column);
    }
}

static Part part_of(Segment *segment, PlaitValue value, uint32_t column)
{
    Part *part = &segment->parts[value];
    if (part->known) return *part;
    *part = compute_part(segment, value, column);
    part->known = true, part->made = 0;
    return *part;
}

static void forget_parts(Segment *segment)
{
    for (uint32_t i = 0; i < segment->body->body.count; i++) segment->parts[segment->body->body.data[i]] = (Part){0};
    for (uint32_t i = 0; i < segment->count; i++) segment->parts[segment->body->params.data[i]] = (Part){0};
}

/* Entries grow until a token more changes none. */
static void find_column(Segment *segment, uint32_t column)
{
    Part *entries = &segment->matrix[column * segment->count];
    entries[column] = (Part){.there = true, .type = plait_type(PLAIT_BOOL)};
    for (bool changed = true; changed;) {
        changed = false;
        forget_parts(segment);
        for (uint32_t i = 0; i < segment->count; i++) {
            Part next = part_of(segment, segment->body->yields.data[i], column);
            if (!next.there || (entries[i].there && plait_type_inside(next.type, entries[i].type))) continue;
            entries[i] = combine(next, entries[i]);
            changed = true;
        }
    }
}

/* The entry's type in the scan that makes it. */
static PlaitType entry_type(const Segment *segment, uint32_t at)
{
    PlaitType axes = segment->matrix[at].type, type = plait_type(PLAIT_F32);
    type.scalar = plait_type_of(segment->function, segment->body->params.data[at % segment->count]).scalar;
    type = plait_type_with(type, segment->time);
    for (uint32_t i = 0; i < axes.rank; i++) type = plait_type_with(type, axes.axes[i]);
    return type;
}

/* Sums that the maximum rescales and others know nothing of each other. */
static bool check_matrix(Segment *segment)
{
    for (uint32_t i = 0; i < segment->count * segment->count; i++) {
        uint32_t from = i / segment->count, to = i % segment->count;
        if (segment->matrix[i].there && segment->stabilised[from] != segment->stabilised[to])
            return give_up(segment, segment->body->yields.data[to],
                           "a sum that a maximum rescales, in one that it does not");
    }
    return true;
}

/* Whether the states of segments are small beside what their tokens read. */
static bool check_size(Segment *segment, bool any_size)
{
    const PlaitFunction *function = segment->function;
    double state = 0, most = 1;
    for (uint32_t i = 0; i < segment->count; i++)
        state += plait_feature_elements(function, plait_type_of(function, segment->body->params.data[i]));
    for (uint32_t i = 0; i < segment->count * segment->count; i++)
        if (segment->matrix[i].there) state += plait_feature_elements(function, segment->matrix[i].type);
    for (uint32_t i = 0; i < segment->body->body.count; i++) {
        const PlaitInst *inst = def(segment, segment->body->body.data[i]);
        for (uint32_t k = 0; k < inst->operand_count; k++) {
            const PlaitInst *read = def(segment, inst->operands[k]);
            if (read->region == segment->body || read->op == PLAIT_OP_ARGUMENT) continue;
            if (!plait_type_has(read->type, segment->time)) continue;
            double count = plait_feature_elements(function, read->type);
            most = count > most ? count : most;
        }
    }
    return any_size || state <= MOST_STATE * most ||
           give_up(segment, segment->body->params.data[0],
                   "a state many times as large as what a token reads, which fills a machine by itself");
}

/* ---- what a segment makes of a state ---- */

/* A value that does not depend on sums, for a factor of the columns: the maximum is its shift there. */
static PlaitValue factor(Segment *segment, PlaitValue value)
{
    if (!segment->scaled[value]) return plait_clone_get(&segment->map, value);
    PlaitValue known = plait_clone_find(&segment->shifted, value);
    if (known) return known;
    for (uint32_t i = 0; i < def(segment, value)->operand_count; i++) {
        PlaitValue operand = def(segment, value)->operands[i];
        plait_clone_set(&segment->shifted, operand, factor(segment, operand));
    }
    return plait_clone_inst(&segment->inside, value, &segment->shifted);
}

/* What becomes of the column in the value, written in the new body; 0: nothing. */
static PlaitValue write_part(Segment *segment, PlaitValue value, uint32_t column)
{
    Part *part = &segment->parts[value];
    if (!part_of(segment, value, column).there || part->made) return part->made;
    const PlaitInst inst = *def(segment, value);
    PlaitBuilder *b = &segment->inside;
    const PlaitValue *x = inst.operands;
    PlaitValue made = 0;
    b->span = inst.span;
    switch ((int)inst.op) {
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB: {
        PlaitValue y = write_part(segment, x[0], column), z = write_part(segment, x[1], column);
        if (y && z) made = plait_build_binary(b, (PlaitOp)inst.op, y, z);
        else made = y ? y : inst.op == PLAIT_OP_ADD ? z : plait_build_unary(b, PLAIT_OP_NEG, z);
        break;
    }
    case PLAIT_OP_MUL: {
        uint32_t side = segment->depends[x[0]] ? 0 : 1;
        PlaitValue by = factor(segment, x[1 - side]);
        made = plait_build_binary(b, PLAIT_OP_MUL, by, write_part(segment, x[side], column));
        break;
    }
    case PLAIT_OP_DIV:
        made = plait_build_binary(b, PLAIT_OP_DIV, write_part(segment, x[0], column), factor(segment, x[1]));
        break;
    case PLAIT_OP_NEG: made = plait_build_unary(b, PLAIT_OP_NEG, write_part(segment, x[0], column)); break;
    case PLAIT_OP_SELECT: {
        PlaitValue choices[2] = {write_part(segment, x[1], column), write_part(segment, x[2], column)};
        for (uint32_t i = 0; i < 2; i++)
            if (!choices[i]) choices[i] = plait_build_const(b, (PlaitScalar)inst.type.scalar, 0);
        made = plait_build_select(b, factor(segment, x[0]), choices[0], choices[1]);
        break;
    }
    case PLAIT_OP_BROADCAST:
    default: made = write_part(segment, x[0], column);
    }
    return part->made = made;
}

static void write_column(Segment *segment, PlaitRegion *region, uint32_t column)
{
    forget_parts(segment);
    for (uint32_t i = 0; i < segment->count; i++) {
        Part *param = &segment->parts[segment->body->params.data[i]];
        *param = segment->matrix[column * segment->count + i];
        param->known = true;
        param->made = segment->entry_params[column * segment->count + i];
    }
    for (uint32_t i = 0; i < segment->count; i++) {
        if (!segment->matrix[column * segment->count + i].there) continue;
        PlaitValue next = segment->body->yields.data[i], made = write_part(segment, next, column);
        PlaitScalar scalar = (PlaitScalar)plait_type_of(segment->function, next).scalar;
        plait_yield(segment->function, region, made ? made : plait_build_const(&segment->inside, scalar, 0));
    }
}

static PlaitValue build_scan(Segment *segment, PlaitRegion *region, const PlaitValue *initial, uint32_t count,
                             const PlaitAxis *axes, uint32_t axis_count)
{
    const PlaitInst scan = *def(segment, segment->scan);
    PlaitBuilder outside = {segment->function, scan.region, scan.span};
    PlaitValue owner = plait_build_owner(&outside, PLAIT_OP_SCAN, initial, count, region);
    plait_set_axes(segment->function, owner, axes, axis_count);
    plait_set_ints(segment->function, owner, scan.ints, 1);
    return owner;
}

/* A final carry of a scan, or an output. */
static PlaitValue result(Segment *segment, PlaitValue owner, uint32_t index)
{
    PlaitFunction *function = segment->function;
    const PlaitInst *inst = plait_inst(function, owner);
    PlaitBuilder outside = {function, inst->region, inst->span};
    bool carry = index < inst->body->params.count;
    PlaitType type = plait_type_of(function, carry ? inst->body->params.data[index] : inst->body->yields.data[index]);
    return plait_build_result(&outside, owner, index, carry ? plait_carry_type(inst, type) : type);
}

/* The carry for the shift of the maximum, when it has one; 0: none. */
static PlaitValue add_shift(Segment *segment, PlaitRegion *region, PlaitValue *initial, uint32_t *count)
{
    if (segment->maximum == NO_MAXIMUM || def(segment, segment->moved)->op == PLAIT_OP_ARGUMENT) return 0;
    const PlaitInst scan = *def(segment, segment->scan);
    PlaitBuilder outside = {segment->function, scan.region, scan.span};
    PlaitType type = plait_type_of(segment->function, segment->body->params.data[segment->maximum]);
    initial[(*count)++] = plait_build_const(&outside, (PlaitScalar)type.scalar, 0);
    return plait_build_argument(segment->function, region, type, scan.span);
}

/* The shift before the token and after it, in place of the maximum. `shift`: its carry, or 0 when it is always 0. */
static void move_shift(Segment *segment, PlaitRegion *region, PlaitValue shift)
{
    PlaitValue param = segment->body->params.data[segment->maximum];
    PlaitType type = plait_type_of(segment->function, param);
    PlaitValue zero = plait_build_const(&segment->inside, (PlaitScalar)type.scalar, 0);
    PlaitValue before = shift ? shift : plait_build_broadcast(&segment->inside, zero, type);
    segment->shifted = plait_clone_map(segment->arena);
    plait_clone_set(&segment->shifted, param, before);
    PlaitValue after = shift ? factor(segment, segment->moved) : before;
    plait_clone_set(&segment->shifted, segment->body->yields.data[segment->maximum], after);
    if (shift) plait_yield(segment->function, region, after);
}

/* The scan that begins every segment at 0, and the columns at 1. */
static void make_ends(Segment *segment)
{
    PlaitFunction *function = segment->function;
    const PlaitInst scan = *def(segment, segment->scan);
    PlaitRegion *region = plait_region_create(function, scan.region);
    PlaitBuilder outside = {function, scan.region, scan.span};
    PlaitValue initial[MOST_MADE];
    uint32_t count = 0, square = segment->count * segment->count;
    segment->map = plait_clone_map(segment->arena);
    for (uint32_t i = 0; i < segment->count; i++) {
        PlaitType type = plait_type_of(function, segment->body->params.data[i]);
        plait_clone_set(&segment->map, segment->body->params.data[i],
                        plait_build_argument(function, region, type, scan.span));
        initial[count++] = plait_build_const(&outside, (PlaitScalar)type.scalar, i == segment->maximum ? LEAST : 0);
    }
    PlaitValue shift = add_shift(segment, region, initial, &count);
    for (uint32_t at = 0; at < square; at++) {
        if (!segment->matrix[at].there) continue;
        PlaitType type = entry_type(segment, at);
        bool diagonal = at / segment->count == at % segment->count;
        segment->entry_params[at] = plait_build_argument(function, region, type, scan.span);
        initial[count++] = plait_build_const(&outside, (PlaitScalar)type.scalar, diagonal);
    }
    segment->inside = (PlaitBuilder){function, region, scan.span};
    plait_clone_body(&segment->inside, segment->body, &segment->map);
    for (uint32_t i = 0; i < segment->count; i++)
        plait_yield(function, region, plait_clone_get(&segment->map, segment->body->yields.data[i]));
    if (segment->maximum != NO_MAXIMUM) move_shift(segment, region, shift);
    for (uint32_t column = 0; column < segment->count; column++)
        if (column != segment->maximum) write_column(segment, region, column);
    PlaitValue ends = build_scan(segment, region, initial, count, (PlaitAxis[]){segment->time, segment->segments}, 2);
    for (uint32_t i = 0; i < segment->count; i++) segment->ends[i] = result(segment, ends, i);
    uint32_t next = segment->count;
    if (shift) segment->shift = result(segment, ends, next++);
    for (uint32_t at = 0; at < square; at++)
        if (segment->matrix[at].there) segment->entries[at] = result(segment, ends, next++);
}

/* ---- the states before segments, and the scan from there ---- */

/* How the maximum over a segment rescales what was before it, and what is made in it. */
typedef struct Rescaling {
    PlaitValue maximum, before, inside; /* 0 where there is no maximum */
} Rescaling;

static Rescaling rescale(Segment *segment, PlaitBuilder *b, const PlaitRegion *region)
{
    if (segment->maximum == NO_MAXIMUM) return (Rescaling){0};
    PlaitValue made = segment->ends[segment->maximum], moved = region->params.data[segment->maximum];
    if (segment->shift) moved = plait_build_binary(b, PLAIT_OP_ADD, moved, segment->shift);
    PlaitValue most = plait_build_binary(b, PLAIT_OP_MAX, moved, made);
    PlaitValue before = plait_build_binary(b, PLAIT_OP_SUB, moved, most),
               inside = plait_build_binary(b, PLAIT_OP_SUB, made, most);
    return (Rescaling){most, plait_build_unary(b, PLAIT_OP_EXP, before), plait_build_unary(b, PLAIT_OP_EXP, inside)};
}

/* A carry after the segment. */
static PlaitValue after_segment(Segment *segment, PlaitBuilder *b, const PlaitRegion *region, uint32_t i,
                                const Rescaling *rescaling)
{
    if (i == segment->maximum) return rescaling->maximum;
    PlaitValue sum = segment->ends[i];
    bool stabilised = rescaling->maximum && segment->stabilised[i];
    if (stabilised) sum = plait_build_binary(b, PLAIT_OP_MUL, rescaling->inside, sum);
    for (uint32_t column = 0; column < segment->count; column++) {
        PlaitValue entry = segment->entries[column * segment->count + i];
        if (!entry) continue;
        PlaitValue grown = plait_build_binary(b, PLAIT_OP_MUL, entry, region->params.data[column]);
        if (stabilised) grown = plait_build_binary(b, PLAIT_OP_MUL, rescaling->before, grown);
        sum = plait_build_binary(b, PLAIT_OP_ADD, grown, sum);
    }
    return sum;
}

/* The scan over segments: its outputs are the states before each. */
static PlaitValue make_starts(Segment *segment)
{
    PlaitFunction *function = segment->function;
    const PlaitInst scan = *def(segment, segment->scan);
    PlaitRegion *region = plait_region_create(function, scan.region);
    PlaitBuilder inside = {function, region, scan.span};
    for (uint32_t i = 0; i < segment->count; i++) {
        PlaitType type = plait_type_of(function, segment->body->params.data[i]);
        type = plait_type_with(plait_type_without(type, segment->time), segment->segments);
        plait_build_argument(function, region, type, scan.span);
    }
    Rescaling rescaling = rescale(segment, &inside, region);
    for (uint32_t i = 0; i < segment->count; i++)
        plait_yield(function, region, after_segment(segment, &inside, region, i, &rescaling));
    for (uint32_t i = 0; i < segment->count; i++) plait_yield(function, region, region->params.data[i]);
    return build_scan(segment, region, scan.operands, segment->count, &segment->segments, 1);
}

/* The scan itself begins each segment where the one before ended. Its final carries are those of the scan over
 * segments. */
static void restart(Segment *segment, PlaitValue starts)
{
    PlaitFunction *function = segment->function;
    PlaitRegion *home = def(segment, segment->scan)->region;
    uint32_t before = home->body.count;
    PlaitValue *finals = PLAIT_NEW_ARRAY(segment->arena, PlaitValue, before);
    for (uint32_t i = 0; i < before; i++) {
        const PlaitInst *inst = def(segment, home->body.data[i]);
        if (inst->op == PLAIT_OP_RESULT && inst->operands[0] == segment->scan && inst->ints[0] < segment->count)
            finals[i] = result(segment, starts, (uint32_t)inst->ints[0]);
    }
    PlaitValue initial[MOST_CARRIES];
    for (uint32_t i = 0; i < segment->count; i++) initial[i] = result(segment, starts, segment->count + i);
    PlaitInst *scan = plait_inst(function, segment->scan);
    for (uint32_t i = 0; i < segment->count; i++) scan->operands[i] = initial[i];
    plait_set_axes(function, segment->scan, (PlaitAxis[]){segment->time, segment->segments}, 2);
    PlaitValue *map = PLAIT_NEW_ARRAY(segment->arena, PlaitValue, function->insts.count);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < home->body.count; i++) {
        PlaitValue value = home->body.data[i];
        if (i < before && finals[i]) map[value] = finals[i];
        else home->body.data[kept++] = value;
    }
    home->body.count = kept;
    plait_replace_uses(function, map);
    plait_region_sort(function, home);
}

static PlaitAxis make_axis(Segment *segment)
{
    PlaitFunction *function = segment->function;
    PlaitName name =
        plait_names_add(function->module->names,
                        plait_arena_printf(segment->arena, "%s.segments%s", plait_axis_text(function, segment->time),
                                           segment->tokens == PLAIT_SEGMENT_TOKENS ? "" : ".short"));
    PlaitAxis known = plait_axis_find(function, name);
    if (known != PLAIT_NO_AXIS) return known;
    return plait_axis_add(function, (PlaitAxisInfo){.name = name,
                                                    .role = PLAIT_ROLE_BATCH,
                                                    .size = PLAIT_RUNTIME_SIZE,
                                                    .same_as = plait_axis_extent_of(function, segment->time),
                                                    .block = segment->tokens});
}

/* Whether the axis is long enough that segments of it are worth three kernels. */
static bool is_long(const PlaitFunction *function, PlaitAxis axis)
{
    const PlaitAxisInfo *info = &function->axes.data[axis];
    return info->role == PLAIT_ROLE_TIME && (info->size == PLAIT_RUNTIME_SIZE || info->size > PLAIT_SEGMENT_TOKENS);
}

static bool check(Segment *segment, bool any_size)
{
    const PlaitInst *inst = def(segment, segment->scan);
    uint32_t count = segment->count;
    if (inst->axis_count > 1 || segment->function->axes.data[segment->time].block)
        return give_up(segment, segment->scan, "it runs in segments");
    if (count == 0) return give_up(segment, segment->scan, "no carry");
    if (count > MOST_CARRIES) return give_up(segment, segment->scan, "more than 4 carries");
    if (!is_long(segment->function, segment->time) && !any_size)
        return give_up(segment, segment->scan, "it walks along a short axis, or one that is not of time");
    if (!check_body(segment)) return false;
    segment->matrix = PLAIT_NEW_ARRAY(segment->arena, Part, (size_t)count * count);
    for (uint32_t column = 0; column < count; column++)
        if (column != segment->maximum) find_column(segment, column);
    return check_matrix(segment) && check_size(segment, any_size);
}

const char *plait_segment_scan(PlaitFunction *function, PlaitValue scan, uint32_t tokens, bool any_size,
                               PlaitSpan *where)
{
    PlaitArena *arena = function->module->arena;
    const PlaitInst *inst = plait_inst(function, scan);
    uint32_t count = inst->body->params.count;
    Segment segment = {.function = function,
                       .arena = arena,
                       .scan = scan,
                       .body = inst->body,
                       .time = inst->axes[0],
                       .count = count,
                       .tokens = tokens,
                       .depends = PLAIT_NEW_ARRAY(arena, bool, function->insts.count),
                       .scaled = PLAIT_NEW_ARRAY(arena, bool, function->insts.count),
                       .stabilised = PLAIT_NEW_ARRAY(arena, bool, count + 1),
                       .parts = PLAIT_NEW_ARRAY(arena, Part, function->insts.count)};
    if (!check(&segment, any_size)) {
        *where = plait_inst(function, segment.culprit)->span;
        return segment.reason;
    }
    segment.ends = PLAIT_NEW_ARRAY(arena, PlaitValue, count);
    segment.entries = PLAIT_NEW_ARRAY(arena, PlaitValue, (size_t)count * count);
    segment.entry_params = PLAIT_NEW_ARRAY(arena, PlaitValue, (size_t)count * count);
    segment.segments = make_axis(&segment);
    make_ends(&segment);
    restart(&segment, make_starts(&segment));
    return NULL;
}

bool plait_pass_segment(PlaitFunction *function)
{
    bool changed = false;
    PlaitSpan where;
    for (uint32_t i = 0; i < function->body->body.count; i++) {
        PlaitValue value = function->body->body.data[i];
        if (plait_op_of(function, value) != PLAIT_OP_SCAN ||
            plait_segment_scan(function, value, PLAIT_SEGMENT_TOKENS, false, &where))
            continue;
        changed = true;
        i = UINT32_MAX; /* the order is another: from the beginning */
    }
    return changed;
}
