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
 * Where the factors are the same at every token A is a power (segment_power.c), and where they are 1 there is none.
 *
 * With a running minimum, by which sums are rescaled in the same way, min is in the place of max, and the exponents
 * have the other sign.
 *
 * Left as they are: scans with a carry that is not a float or that enters otherwise than by sums, differences, products
 * and quotients with what does not depend on carries, and selections by it; and those whose states are many times as
 * large as what a token reads, which fill a machine by themselves.
 */
#include "passes/stage/segment_parts.h"

#include "ir/order.h"

/* What a maximum of nothing is (of a minimum, its negative): not -inf, of which differences are NaN. */
static const double LEAST = -1e30;

/* Carries of the scan that makes states and factors. */
enum { MOST_MADE = 1 + PLAIT_SEGMENT_MOST_CARRIES * (1 + PLAIT_SEGMENT_MOST_CARRIES) };

/* ---- what a segment makes of a state ---- */

/* The entry's type in the scan that makes it. */
static PlaitType entry_type(const PlaitSegment *segment, uint32_t at)
{
    PlaitType axes = segment->matrix[at].type, type = plait_type(PLAIT_F32);
    type.scalar = plait_type_of(segment->function, segment->body->params.data[at % segment->count]).scalar;
    type = plait_type_with(type, segment->time);
    for (uint32_t i = 0; i < axes.rank; i++) type = plait_type_with(type, axes.axes[i]);
    return type;
}

/* A value that does not depend on sums, for a factor of the columns: the extreme is its shift there. */
static PlaitValue factor(PlaitSegment *segment, PlaitValue value)
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

PlaitValue plait_segment_write(PlaitSegment *segment, PlaitValue value, uint32_t column)
{
    PlaitSegmentPart *part = &segment->parts[value];
    if (!plait_segment_part(segment, value, column).there || part->made) return part->made;
    const PlaitInst inst = *def(segment, value);
    PlaitBuilder *b = &segment->inside;
    const PlaitValue *x = inst.operands;
    PlaitValue made = 0;
    b->span = inst.span;
    switch ((int)inst.op) {
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB: {
        PlaitValue y = plait_segment_write(segment, x[0], column), z = plait_segment_write(segment, x[1], column);
        if (y && z) made = plait_build_binary(b, (PlaitOp)inst.op, y, z);
        else made = y ? y : inst.op == PLAIT_OP_ADD ? z : plait_build_unary(b, PLAIT_OP_NEG, z);
        break;
    }
    case PLAIT_OP_MUL: {
        uint32_t side = segment->depends[x[0]] ? 0 : 1;
        PlaitValue by = factor(segment, x[1 - side]);
        made = plait_build_binary(b, PLAIT_OP_MUL, by, plait_segment_write(segment, x[side], column));
        break;
    }
    case PLAIT_OP_DIV:
        made = plait_build_binary(b, PLAIT_OP_DIV, plait_segment_write(segment, x[0], column), factor(segment, x[1]));
        break;
    case PLAIT_OP_NEG: made = plait_build_unary(b, PLAIT_OP_NEG, plait_segment_write(segment, x[0], column)); break;
    case PLAIT_OP_SELECT: {
        PlaitValue choices[2] = {plait_segment_write(segment, x[1], column),
                                 plait_segment_write(segment, x[2], column)};
        for (uint32_t i = 0; i < 2; i++)
            if (!choices[i]) choices[i] = plait_build_const(b, (PlaitScalar)inst.type.scalar, 0);
        made = plait_build_select(b, factor(segment, x[0]), choices[0], choices[1]);
        break;
    }
    case PLAIT_OP_BROADCAST:
    default: made = plait_segment_write(segment, x[0], column);
    }
    return part->made = made;
}

/* Whether the scan that makes what becomes of states has a carry for the entry. */
static bool has_loop(const PlaitSegment *segment, uint32_t at)
{
    return segment->matrix[at].there && segment->columns[at / segment->count] == PLAIT_SEGMENT_LOOP;
}

static void write_column(PlaitSegment *segment, PlaitRegion *region, uint32_t column)
{
    plait_segment_forget_parts(segment);
    for (uint32_t i = 0; i < segment->count; i++) {
        PlaitSegmentPart *param = &segment->parts[segment->body->params.data[i]];
        *param = segment->matrix[column * segment->count + i];
        param->known = true;
        param->made = segment->entry_params[column * segment->count + i];
    }
    for (uint32_t i = 0; i < segment->count; i++) {
        if (!segment->matrix[column * segment->count + i].there) continue;
        PlaitValue next = segment->body->yields.data[i], made = plait_segment_write(segment, next, column);
        PlaitScalar scalar = (PlaitScalar)plait_type_of(segment->function, next).scalar;
        plait_yield(segment->function, region, made ? made : plait_build_const(&segment->inside, scalar, 0));
    }
}

static PlaitValue build_scan(PlaitSegment *segment, PlaitRegion *region, const PlaitValue *initial, uint32_t count,
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
static PlaitValue result(PlaitSegment *segment, PlaitValue owner, uint32_t index)
{
    PlaitFunction *function = segment->function;
    const PlaitInst *inst = plait_inst(function, owner);
    PlaitBuilder outside = {function, inst->region, inst->span};
    bool carry = index < inst->body->params.count;
    PlaitType type = plait_type_of(function, carry ? inst->body->params.data[index] : inst->body->yields.data[index]);
    return plait_build_result(&outside, owner, index, carry ? plait_carry_type(inst, type) : type);
}

/* The carry for the shift of the extreme, when it has one; 0: none. */
static PlaitValue add_shift(PlaitSegment *segment, PlaitRegion *region, PlaitValue *initial, uint32_t *count)
{
    if (segment->extreme == PLAIT_NO_EXTREME || def(segment, segment->moved)->op == PLAIT_OP_ARGUMENT) return 0;
    const PlaitInst scan = *def(segment, segment->scan);
    PlaitBuilder outside = {segment->function, scan.region, scan.span};
    PlaitType type = plait_type_of(segment->function, segment->body->params.data[segment->extreme]);
    initial[(*count)++] = plait_build_const(&outside, (PlaitScalar)type.scalar, 0);
    return plait_build_argument(segment->function, region, type, scan.span);
}

/* The shift before the token and after it, in place of the extreme. `shift`: its carry, or 0 when it is always 0. */
static void move_shift(PlaitSegment *segment, PlaitRegion *region, PlaitValue shift)
{
    PlaitValue param = segment->body->params.data[segment->extreme];
    PlaitType type = plait_type_of(segment->function, param);
    PlaitValue zero = plait_build_const(&segment->inside, (PlaitScalar)type.scalar, 0);
    PlaitValue before = shift ? shift : plait_build_broadcast(&segment->inside, zero, type);
    segment->shifted = plait_clone_map(segment->arena);
    plait_clone_set(&segment->shifted, param, before);
    PlaitValue after = shift ? factor(segment, segment->moved) : before;
    plait_clone_set(&segment->shifted, segment->body->yields.data[segment->extreme], after);
    if (shift) plait_yield(segment->function, region, after);
}

/* What a carry is before any token. */
static double before_any(const PlaitSegment *segment, uint32_t carry)
{
    if (carry != segment->extreme) return 0;
    return segment->extreme_op == PLAIT_OP_MIN ? -LEAST : LEAST;
}

/* The scan that begins every segment at 0, and the columns at 1. */
static void make_ends(PlaitSegment *segment)
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
        initial[count++] = plait_build_const(&outside, (PlaitScalar)type.scalar, before_any(segment, i));
    }
    PlaitValue shift = add_shift(segment, region, initial, &count);
    for (uint32_t at = 0; at < square; at++) {
        if (!has_loop(segment, at)) continue;
        PlaitType type = entry_type(segment, at);
        bool diagonal = at / segment->count == at % segment->count;
        segment->entry_params[at] = plait_build_argument(function, region, type, scan.span);
        initial[count++] = plait_build_const(&outside, (PlaitScalar)type.scalar, diagonal);
    }
    segment->inside = (PlaitBuilder){function, region, scan.span};
    plait_clone_body(&segment->inside, segment->body, &segment->map);
    for (uint32_t i = 0; i < segment->count; i++)
        plait_yield(function, region, plait_clone_get(&segment->map, segment->body->yields.data[i]));
    if (segment->extreme != PLAIT_NO_EXTREME) move_shift(segment, region, shift);
    for (uint32_t column = 0; column < segment->count; column++)
        if (column != segment->extreme && segment->columns[column] == PLAIT_SEGMENT_LOOP)
            write_column(segment, region, column);
    PlaitValue ends = build_scan(segment, region, initial, count, (PlaitAxis[]){segment->time, segment->segments}, 2);
    for (uint32_t i = 0; i < segment->count; i++) segment->ends[i] = result(segment, ends, i);
    uint32_t next = segment->count;
    if (shift) segment->shift = result(segment, ends, next++);
    for (uint32_t at = 0; at < square; at++)
        if (has_loop(segment, at)) segment->entries[at] = result(segment, ends, next++);
}

/* ---- the states before segments, and the scan from there ---- */

/* How the extreme over a segment rescales what was before it, and what is made in it. */
typedef struct Rescaling {
    PlaitValue extreme, before, inside; /* 0 where there is none */
} Rescaling;

/* How far a value is from the extreme, which it is not beyond: at most 0. */
static PlaitValue distance(const PlaitSegment *segment, PlaitBuilder *b, PlaitValue value, PlaitValue most)
{
    bool minimum = segment->extreme_op == PLAIT_OP_MIN;
    return plait_build_binary(b, PLAIT_OP_SUB, minimum ? most : value, minimum ? value : most);
}

static Rescaling rescale(PlaitSegment *segment, PlaitBuilder *b, const PlaitRegion *region)
{
    if (segment->extreme == PLAIT_NO_EXTREME) return (Rescaling){0};
    PlaitValue made = segment->ends[segment->extreme], moved = region->params.data[segment->extreme];
    if (segment->shift) moved = plait_build_binary(b, PLAIT_OP_ADD, moved, segment->shift);
    PlaitValue most = plait_build_binary(b, segment->extreme_op, moved, made);
    PlaitValue before = distance(segment, b, moved, most), inside = distance(segment, b, made, most);
    return (Rescaling){most, plait_build_unary(b, PLAIT_OP_EXP, before), plait_build_unary(b, PLAIT_OP_EXP, inside)};
}

/* A carry after the segment. */
static PlaitValue after_segment(PlaitSegment *segment, PlaitBuilder *b, const PlaitRegion *region, uint32_t i,
                                const Rescaling *rescaling)
{
    if (i == segment->extreme) return rescaling->extreme;
    PlaitValue sum = segment->ends[i];
    bool stabilised = rescaling->extreme && segment->stabilised[i];
    if (stabilised) sum = plait_build_binary(b, PLAIT_OP_MUL, rescaling->inside, sum);
    for (uint32_t column = 0; column < segment->count; column++) {
        PlaitValue entry = segment->entries[column * segment->count + i], grown = region->params.data[column];
        if (!segment->matrix[column * segment->count + i].there) continue;
        if (entry) grown = plait_build_binary(b, PLAIT_OP_MUL, entry, grown);
        if (stabilised) grown = plait_build_binary(b, PLAIT_OP_MUL, rescaling->before, grown);
        sum = plait_build_binary(b, PLAIT_OP_ADD, grown, sum);
    }
    return sum;
}

/* The scan over segments: its outputs are the states before each. */
static PlaitValue make_starts(PlaitSegment *segment)
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
static void restart(PlaitSegment *segment, PlaitValue starts)
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
    PlaitValue initial[PLAIT_SEGMENT_MOST_CARRIES];
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

static PlaitAxis make_axis(PlaitSegment *segment)
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

const char *plait_segment_scan(PlaitFunction *function, PlaitValue scan, uint32_t tokens, bool any_size,
                               PlaitSpan *where)
{
    PlaitArena *arena = function->module->arena;
    const PlaitInst *inst = plait_inst(function, scan);
    uint32_t count = inst->body->params.count;
    PlaitSegment segment = {.function = function,
                            .arena = arena,
                            .scan = scan,
                            .body = inst->body,
                            .time = inst->axes[0],
                            .count = count,
                            .tokens = tokens,
                            .depends = PLAIT_NEW_ARRAY(arena, bool, function->insts.count),
                            .scaled = PLAIT_NEW_ARRAY(arena, bool, function->insts.count),
                            .stabilised = PLAIT_NEW_ARRAY(arena, bool, count + 1),
                            .parts = PLAIT_NEW_ARRAY(arena, PlaitSegmentPart, function->insts.count)};
    if (!plait_segment_check(&segment, any_size)) {
        *where = plait_inst(function, segment.culprit)->span;
        return segment.reason;
    }
    segment.ends = PLAIT_NEW_ARRAY(arena, PlaitValue, count);
    segment.entries = PLAIT_NEW_ARRAY(arena, PlaitValue, (size_t)count * count);
    segment.entry_params = PLAIT_NEW_ARRAY(arena, PlaitValue, (size_t)count * count);
    segment.segments = make_axis(&segment);
    make_ends(&segment);
    plait_segment_powers(&segment);
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
