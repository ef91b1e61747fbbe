/* Inside the pass `segment`: which scans it takes, and which entries the matrix has by which a segment's state follows
 * from the one before (segment.c). */
#include "passes/stage/classify.h"
#include "passes/stage/segment_parts.h"
#include "passes/stage/written.h"

enum { MOST_PRODUCTS = 8 }; /* of numbers in a product of two matrices: two carries that feed each other */
enum { MOST_STATE = 32 };   /* elements of states and factors, for each that a token reads of its largest tensor */

static bool give_up(PlaitSegment *segment, PlaitValue culprit, const char *reason)
{
    segment->culprit = culprit, segment->reason = reason;
    return false;
}

/* ---- which scans ---- */

/* Whether a value is made of carries by linear operations, element by element. */
static bool is_linear(PlaitSegment *segment, PlaitValue value)
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

/* Whether the value is the extreme before the token plus what does not depend on it. */
static bool is_moved(const PlaitSegment *segment, PlaitValue value)
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

/* Finds where the extreme enters its own next value. */
static bool check_extreme(PlaitSegment *segment)
{
    if (segment->extreme == PLAIT_NO_EXTREME) return true;
    PlaitValue next = segment->body->yields.data[segment->extreme], value = next;
    if (segment->depends[next])
        return give_up(segment, next, "a running maximum or minimum of what other carries make");
    const PlaitOp op = segment->extreme_op;
    for (const PlaitInst *inst = def(segment, value); inst->op == op || inst->op == PLAIT_OP_BROADCAST;
         inst = def(segment, value)) {
        bool two = inst->op == op, first = segment->scaled[inst->operands[0]];
        if (two && first && segment->scaled[inst->operands[1]])
            return give_up(segment, value, "a maximum or minimum of a carry with itself");
        value = inst->operands[two && !first ? 1 : 0];
    }
    segment->moved = value;
    return is_moved(segment, value) ||
           give_up(segment, value, "a maximum or minimum of a carry that is not only shifted");
}

/* Notes which carries are what. */
static bool check_carries(PlaitSegment *segment)
{
    const PlaitFunction *function = segment->function;
    PlaitScanClass found = plait_classify_scan(function, segment->scan);
    segment->extreme = PLAIT_NO_EXTREME;
    for (uint32_t i = 0; i < segment->count; i++) {
        PlaitValue param = segment->body->params.data[i];
        PlaitType type = plait_type_of(function, param);
        if (type.scalar != PLAIT_F32 && type.scalar != PLAIT_F64)
            return give_up(segment, param, "a carry that is neither f32 nor f64");
        bool extreme = plait_scan_is_extreme(found.carries[i].id);
        if (extreme && segment->extreme != PLAIT_NO_EXTREME)
            return give_up(segment, param, "several running maxima or minima");
        if (extreme) segment->extreme = i;
        if (extreme) segment->extreme_op = plait_scan_is_minimum(found.carries[i].id) ? PLAIT_OP_MIN : PLAIT_OP_MAX;
        segment->stabilised[i] = found.carries[i].id == PLAIT_SCAN_STABILISED;
        (extreme ? segment->scaled : segment->depends)[param] = true;
    }
    return true;
}

/* Notes what depends on carries; false when the body is not one that this pass takes. */
static bool check_body(PlaitSegment *segment)
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
    if (!check_extreme(segment)) return false;
    for (uint32_t i = 0; i < segment->body->yields.count; i++) {
        PlaitValue value = segment->body->yields.data[i];
        bool sum = i < segment->count && i != segment->extreme;
        if (sum && !is_linear(segment, value)) return false;
        if (sum && segment->scaled[value] && !segment->stabilised[i])
            return give_up(segment, value, "a maximum or minimum that rescales no sum");
        if (i >= segment->count && !plait_type_has(plait_type_of(function, value), segment->time))
            return give_up(segment, value, "an output that is the same at every token");
    }
    return true;
}

/* ---- which entries the matrix has ---- */

static PlaitSegmentPart combine(PlaitSegmentPart a, PlaitSegmentPart b)
{
    if (!a.there || !b.there) return a.there ? a : b;
    a.type = plait_type_union(a.type, b.type);
    return a;
}

static PlaitSegmentPart with_axes(const PlaitSegment *segment, PlaitSegmentPart part, PlaitValue of)
{
    PlaitType type = plait_type_without(plait_type_of(segment->function, of), segment->time);
    if (part.there) part.type = plait_type_union(part.type, type);
    return part;
}

static PlaitSegmentPart compute_part(PlaitSegment *segment, PlaitValue value, uint32_t column)
{
    const PlaitInst *inst = def(segment, value);
    const PlaitValue *x = inst->operands;
    if (!segment->depends[value]) return (PlaitSegmentPart){0};
    switch ((int)inst->op) {
    case PLAIT_OP_ARGUMENT:
        for (uint32_t i = 0; i < segment->count; i++)
            if (segment->body->params.data[i] == value) return segment->matrix[column * segment->count + i];
        return (PlaitSegmentPart){0};
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB:
        return combine(plait_segment_part(segment, x[0], column), plait_segment_part(segment, x[1], column));
    case PLAIT_OP_MUL: {
        uint32_t side = segment->depends[x[0]] ? 0 : 1;
        return with_axes(segment, plait_segment_part(segment, x[side], column), x[1 - side]);
    }
    case PLAIT_OP_DIV: return with_axes(segment, plait_segment_part(segment, x[0], column), x[1]);
    case PLAIT_OP_SELECT:
        return with_axes(segment,
                         combine(plait_segment_part(segment, x[1], column), plait_segment_part(segment, x[2], column)),
                         x[0]);
    default: return plait_segment_part(segment, x[0], column);
    }
}

PlaitSegmentPart plait_segment_part(PlaitSegment *segment, PlaitValue value, uint32_t column)
{
    PlaitSegmentPart *part = &segment->parts[value];
    if (part->known) return *part;
    *part = compute_part(segment, value, column);
    part->known = true, part->made = 0;
    return *part;
}

void plait_segment_forget_parts(PlaitSegment *segment)
{
    for (uint32_t i = 0; i < segment->body->body.count; i++)
        segment->parts[segment->body->body.data[i]] = (PlaitSegmentPart){0};
    for (uint32_t i = 0; i < segment->count; i++) segment->parts[segment->body->params.data[i]] = (PlaitSegmentPart){0};
}

/* Whether the value is the column's carry, to which perhaps something is added. */
static bool is_carry(PlaitSegment *segment, PlaitValue value, uint32_t column)
{
    const PlaitInst *inst = def(segment, value);
    const PlaitValue *x = inst->operands;
    if (inst->op == PLAIT_OP_ARGUMENT) return true;
    if (inst->op == PLAIT_OP_BROADCAST) return is_carry(segment, x[0], column);
    if (inst->op != PLAIT_OP_ADD && inst->op != PLAIT_OP_SUB) return false;
    bool first = plait_segment_part(segment, x[0], column).there,
         second = plait_segment_part(segment, x[1], column).there;
    if (first == second || (second && inst->op == PLAIT_OP_SUB)) return false;
    return is_carry(segment, x[first ? 0 : 1], column);
}

/* Whether a factor is the same at every token: made before the scan, and not for tokens. */
static bool is_steady(const PlaitSegment *segment, PlaitValue factor)
{
    const PlaitInst *inst = def(segment, factor);
    return inst->region != segment->body && !plait_type_has(inst->type, segment->time);
}

/* Whether what becomes of the column in the value is the same at every token. */
static bool is_multiplied_steadily(PlaitSegment *segment, PlaitValue value, uint32_t column)
{
    const PlaitInst *inst = def(segment, value);
    const PlaitValue *x = inst->operands;
    if (!plait_segment_part(segment, value, column).there || inst->op == PLAIT_OP_ARGUMENT) return true;
    uint32_t from = inst->op == PLAIT_OP_SELECT, to = inst->operand_count;
    if (inst->op == PLAIT_OP_SELECT && !is_steady(segment, x[0])) return false;
    for (uint32_t i = from; i < to; i++) {
        bool factor = (inst->op == PLAIT_OP_MUL || inst->op == PLAIT_OP_DIV) && !segment->depends[x[i]];
        if (factor ? !is_steady(segment, x[i]) : !is_multiplied_steadily(segment, x[i], column)) return false;
    }
    return true;
}

/* While the parts of the column are kept. Of several columns that reach each other, whether all are powers is another
 * question. */
static PlaitSegmentColumn kind_of(PlaitSegment *segment, uint32_t column)
{
    bool alone = true, steady = true;
    for (uint32_t i = 0; i < segment->count; i++) {
        if (!segment->matrix[column * segment->count + i].there) continue;
        alone &= i == column;
        steady &= is_multiplied_steadily(segment, segment->body->yields.data[i], column);
    }
    if (alone && is_carry(segment, segment->body->yields.data[column], column)) return PLAIT_SEGMENT_ONE;
    return steady ? PLAIT_SEGMENT_POWER : PLAIT_SEGMENT_LOOP;
}

static uint32_t count_products(const PlaitSegment *segment)
{
    uint32_t count = segment->count, products = 0;
    for (uint32_t at = 0; at < count * count; at++)
        for (uint32_t i = 0; i < count && segment->matrix[at].there; i++)
            products += segment->matrix[at % count * count + i].there;
    return products;
}

/* A column is a power when all that it reaches are; and no column is when a product of two matrices is more work than
 * the loop saves. */
static void settle_columns(PlaitSegment *segment)
{
    bool many = count_products(segment) > MOST_PRODUCTS;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t at = 0; at < segment->count * segment->count; at++) {
            uint32_t from = at / segment->count, to = at % segment->count;
            if (!segment->matrix[at].there || segment->columns[from] != PLAIT_SEGMENT_POWER) continue;
            if (!many && segment->columns[to] != PLAIT_SEGMENT_LOOP) continue;
            segment->columns[from] = PLAIT_SEGMENT_LOOP;
            changed = true;
        }
    }
}

/* Entries grow until a token more changes none. */
static void find_column(PlaitSegment *segment, uint32_t column)
{
    PlaitSegmentPart *entries = &segment->matrix[column * segment->count];
    entries[column] = (PlaitSegmentPart){.there = true, .type = plait_type(PLAIT_BOOL)};
    for (bool changed = true; changed;) {
        changed = false;
        plait_segment_forget_parts(segment);
        for (uint32_t i = 0; i < segment->count; i++) {
            PlaitSegmentPart next = plait_segment_part(segment, segment->body->yields.data[i], column);
            if (!next.there || (entries[i].there && plait_type_inside(next.type, entries[i].type))) continue;
            entries[i] = combine(next, entries[i]);
            changed = true;
        }
    }
    segment->columns[column] = kind_of(segment, column);
}

/* Sums that the extreme rescales and others know nothing of each other. */
static bool check_matrix(PlaitSegment *segment)
{
    for (uint32_t i = 0; i < segment->count * segment->count; i++) {
        uint32_t from = i / segment->count, to = i % segment->count;
        if (segment->matrix[i].there && segment->stabilised[from] != segment->stabilised[to])
            return give_up(segment, segment->body->yields.data[to],
                           "a sum that a maximum or minimum rescales, in one that it does not");
    }
    return true;
}

/* Whether the states of segments are small beside what their tokens read. */
static bool check_size(PlaitSegment *segment, bool any_size)
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

/* ---- all of it ---- */

/* Whether the axis is long enough that segments of it are worth three kernels. */
static bool is_long(const PlaitFunction *function, PlaitAxis axis)
{
    const PlaitAxisInfo *info = &function->axes.data[axis];
    return info->role == PLAIT_ROLE_TIME && (info->size == PLAIT_RUNTIME_SIZE || info->size > PLAIT_SEGMENT_TOKENS);
}

bool plait_segment_check(PlaitSegment *segment, bool any_size)
{
    const PlaitInst *inst = def(segment, segment->scan);
    uint32_t count = segment->count;
    if (inst->axis_count > 1 || segment->function->axes.data[segment->time].block)
        return give_up(segment, segment->scan, "it runs in segments");
    if (count == 0) return give_up(segment, segment->scan, "no carry");
    if (count > PLAIT_SEGMENT_MOST_CARRIES) return give_up(segment, segment->scan, "more than 4 carries");
    if (!is_long(segment->function, segment->time) && !any_size)
        return give_up(segment, segment->scan, "it walks along a short axis, or one that is not of time");
    if (!check_body(segment)) return false;
    segment->matrix = PLAIT_NEW_ARRAY(segment->arena, PlaitSegmentPart, (size_t)count * count);
    segment->columns = PLAIT_NEW_ARRAY(segment->arena, PlaitSegmentColumn, count);
    for (uint32_t column = 0; column < count; column++)
        if (column != segment->extreme) find_column(segment, column);
    settle_columns(segment);
    return check_matrix(segment) && check_size(segment, any_size);
}
