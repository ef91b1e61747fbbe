/* Inside the pass `segment`: what becomes of a state over a segment where every token does the same to it.
 *
 * The matrix of one token is written before the scan, and its powers by squaring: that of all tokens of a segment, and
 * that of those which the last segment has, by the binary digits of their number. In f64, since squaring doubles the
 * error each time, and they are few: they vary neither with tokens nor with segments.
 */
#include "passes/stage/segment_parts.h"

typedef struct Matrix {
    PlaitValue at[PLAIT_SEGMENT_MOST_CARRIES * PLAIT_SEGMENT_MOST_CARRIES]; /* by column, by carry; 0: not there */
} Matrix;

static bool is_power(const PlaitSegment *segment, uint32_t at)
{
    return segment->matrix[at].there && segment->columns[at / segment->count] != PLAIT_SEGMENT_LOOP;
}

/* What becomes of the column at one token. */
static void write_token(PlaitSegment *segment, PlaitBuilder *b, uint32_t column, Matrix *matrix)
{
    const PlaitRegion *body = segment->body;
    plait_segment_forget_parts(segment);
    for (uint32_t i = 0; i < segment->count; i++)
        segment->parts[body->params.data[i]] = (PlaitSegmentPart){.known = true, .there = i == column};
    segment->parts[body->params.data[column]].type = plait_type(PLAIT_BOOL);
    PlaitScalar scalar = (PlaitScalar)plait_type_of(segment->function, body->params.data[column]).scalar;
    segment->parts[body->params.data[column]].made = plait_build_const(b, scalar, 1);
    for (uint32_t i = 0; i < segment->count; i++) {
        if (!is_power(segment, column * segment->count + i)) continue;
        PlaitValue made = plait_segment_write(segment, body->yields.data[i], column);
        matrix->at[column * segment->count + i] =
            made ? plait_build_cast(b, made, PLAIT_F64) : plait_build_const(b, PLAIT_F64, 0);
    }
}

static Matrix multiply(const PlaitSegment *segment, PlaitBuilder *b, const Matrix *x, const Matrix *y)
{
    uint32_t count = segment->count;
    Matrix product = {{0}};
    for (uint32_t at = 0; at < count * count; at++)
        for (uint32_t k = 0; k < count && x->at[at]; k++) {
            PlaitValue left = x->at[k * count + at % count], right = y->at[at / count * count + k],
                       sum = product.at[at];
            if (!left || !right) continue;
            PlaitValue term = plait_build_binary(b, PLAIT_OP_MUL, left, right);
            product.at[at] = sum ? plait_build_binary(b, PLAIT_OP_ADD, sum, term) : term;
        }
    return product;
}

/* One or the other. */
static Matrix choose(const PlaitSegment *segment, PlaitBuilder *b, PlaitValue condition, const Matrix *x,
                     const Matrix *y)
{
    Matrix chosen = {{0}};
    for (uint32_t at = 0; at < segment->count * segment->count; at++)
        if (x->at[at]) chosen.at[at] = plait_build_select(b, condition, x->at[at], y->at[at]);
    return chosen;
}

static Matrix identity(const PlaitSegment *segment, PlaitBuilder *b, const Matrix *like)
{
    Matrix one = {{0}};
    for (uint32_t at = 0; at < segment->count * segment->count; at++)
        if (like->at[at]) one.at[at] = plait_build_const(b, PLAIT_F64, at / segment->count == at % segment->count);
    return one;
}

static PlaitValue whole(PlaitBuilder *b, PlaitOp op, PlaitValue x, int64_t y)
{
    return plait_build_binary(b, op, x, plait_build_const(b, PLAIT_I32, (double)y));
}

/* Whether the number has the binary digit. */
static PlaitValue has_digit(PlaitBuilder *b, PlaitValue number, uint32_t digit)
{
    return whole(b, PLAIT_OP_EQ, whole(b, PLAIT_OP_MOD, whole(b, PLAIT_OP_FLOORDIV, number, digit), 2), 1);
}

void plait_segment_powers(PlaitSegment *segment)
{
    const PlaitInst scan = *def(segment, segment->scan);
    PlaitBuilder builder = {segment->function, scan.region, scan.span}, *b = &builder;
    Matrix square = {{0}}, full = {{0}};
    bool any = false, begun = false;
    for (uint32_t i = 0; i < segment->count; i++)
        any |= i != segment->extreme && segment->columns[i] == PLAIT_SEGMENT_POWER;
    if (!any) return;
    segment->inside = builder;
    for (uint32_t i = 0; i < segment->count; i++)
        if (i != segment->extreme && segment->columns[i] != PLAIT_SEGMENT_LOOP) write_token(segment, b, i, &square);
    PlaitValue size = plait_build_size(b, segment->time), last = whole(b, PLAIT_OP_MOD, size, segment->tokens);
    Matrix one = identity(segment, b, &square), part = one;
    for (uint32_t digit = 1; digit <= segment->tokens; digit *= 2) {
        if (digit < segment->tokens) {
            Matrix factor = choose(segment, b, has_digit(b, last, digit), &square, &one);
            part = multiply(segment, b, &factor, &part);
        }
        if (segment->tokens & digit) full = begun ? multiply(segment, b, &square, &full) : square;
        begun |= (segment->tokens & digit) != 0;
        square = multiply(segment, b, &square, &square);
    }
    PlaitValue begin = whole(b, PLAIT_OP_MUL, plait_build_iota(b, segment->segments, 0), segment->tokens);
    PlaitValue is_full = whole(b, PLAIT_OP_GE, plait_build_binary(b, PLAIT_OP_SUB, size, begin), segment->tokens);
    for (uint32_t at = 0; at < segment->count * segment->count; at++) {
        if (!square.at[at] || segment->columns[at / segment->count] != PLAIT_SEGMENT_POWER) continue;
        PlaitScalar scalar =
            (PlaitScalar)plait_type_of(segment->function, segment->body->params.data[at % segment->count]).scalar;
        segment->entries[at] = plait_build_select(b, is_full, plait_build_cast(b, full.at[at], scalar),
                                                  plait_build_cast(b, part.at[at], scalar));
    }
}
