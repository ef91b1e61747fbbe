/* Puts products on the matrix units of a GPU.
 *
 * The units multiply 16-bit numbers exactly and add in f32. A product of two f32 tiles may use them when an operand is
 * a 16-bit tensor widened to f32: that one loses nothing, the other, when it was computed, is rounded to the same type,
 * as in every hand-written kernel. (Rounding to f16 could overflow, so there both must come from f16.) Zeros that a
 * mask puts in change nothing. A product of f32 tensors stays exact and off the units.
 *
 * The result lies over the threads in the fragments of the units: one axis gives the rows, 64 to four warps, any other
 * the columns. Values that share a layout (layout_groups.c) need the same rows, so each group gets one row axis: the
 * one that serves most of its products.
 *
 * Before:                                              After:
 *     %3 = cast %1 : f32[t, d]                             %5 = dot %1, %2 {axes = [d, t]} : f32[t, s]
 *     %4 = cast %2 : f32[d, s]
 *     %5 = dot %3, %4 {axes = [d]} : f32[t, s]
 */
#include "ir/build.h"
#include "passes/passes.h"
#include "passes/tile/layout_groups.h"

enum { UNIT_ROWS = 64, MOST_ROWS = 256, MOST_COLUMNS = 512 };

typedef struct Candidate {
    PlaitValue dot;
    PlaitValue sources[2]; /* 16-bit values that the operands come from; 0: the operand is to be rounded */
    PlaitScalar scalar;
    uint32_t group;
} Candidate;

typedef struct Chooser {
    PlaitFunction *kernel;
    PlaitLayoutGroups groups;
    PLAIT_VECTOR(Candidate) candidates;
    PlaitAxis rows[PLAIT_MOST_LAYOUT_GROUPS]; /* by group: its row axis, or PLAIT_NO_AXIS */
    bool fixed[PLAIT_MOST_LAYOUT_GROUPS];     /* products that were put on the units before have chosen it */
} Chooser;

static PlaitScalar scalar_of(const PlaitFunction *kernel, PlaitValue value)
{
    return (PlaitScalar)plait_type_of(kernel, value).scalar;
}

/* The 16-bit value that `operand` is, perhaps widened; 0: none. */
static PlaitValue narrow_source(const PlaitFunction *kernel, PlaitValue operand)
{
    if (plait_scalar_is_16_bit(scalar_of(kernel, operand))) return operand;
    const PlaitInst *inst = plait_inst(kernel, operand);
    return inst->op == PLAIT_OP_CAST && plait_scalar_is_16_bit(scalar_of(kernel, inst->operands[0])) ? inst->operands[0]
                                                                                                     : 0;
}

/* The 16-bit type in which every element of `operand` is exact: f32 when there is none. Masks put zeros in. */
static PlaitScalar exact_scalar(const PlaitFunction *kernel, PlaitValue operand)
{
    PlaitValue source = narrow_source(kernel, operand);
    if (source) return scalar_of(kernel, source);
    const PlaitInst *inst = plait_inst(kernel, operand);
    if (inst->op != PLAIT_OP_SELECT) return PLAIT_F32;
    const PlaitInst *other = plait_inst(kernel, inst->operands[2]);
    while (other->op == PLAIT_OP_BROADCAST) other = plait_inst(kernel, other->operands[0]);
    bool zero = other->op == PLAIT_OP_CONST && other->number == 0;
    return zero ? exact_scalar(kernel, inst->operands[1]) : PLAIT_F32;
}

static void find_candidate(void *context, PlaitValue value)
{
    Chooser *chooser = context;
    const PlaitFunction *kernel = chooser->kernel;
    const PlaitInst *inst = plait_inst(kernel, value);
    if (inst->op != PLAIT_OP_DOT) return;
    if (inst->axis_count == 2) {
        uint32_t group = plait_layout_group_of(&chooser->groups, value);
        chooser->rows[group] = inst->axes[1];
        chooser->fixed[group] = true;
    }
    if (inst->axis_count != 1 || inst->operand_count != 2) return;
    if (inst->type.scalar != PLAIT_F32 || inst->type.rank != 2) return;
    Candidate candidate = {.dot = value, .scalar = PLAIT_F32};
    for (uint32_t side = 0; side < 2; side++) {
        if (plait_type_of(kernel, inst->operands[side]).rank != 2) return;
        candidate.sources[side] = narrow_source(kernel, inst->operands[side]);
        PlaitScalar exact = exact_scalar(kernel, inst->operands[side]);
        if (exact != PLAIT_F32) candidate.scalar = exact;
    }
    for (uint32_t side = 0; side < 2; side++) {
        PlaitScalar exact = exact_scalar(kernel, inst->operands[side]);
        if (exact == PLAIT_F32 ? candidate.scalar != PLAIT_BF16 : exact != candidate.scalar) return;
    }
    candidate.group = plait_layout_group_of(&chooser->groups, value);
    plait_push(kernel->module->arena, &chooser->candidates, candidate);
}

static bool can_be_rows(const PlaitFunction *kernel, PlaitAxis axis)
{
    uint32_t tile = kernel->axes.data[axis].tile;
    return tile % UNIT_ROWS == 0 && tile <= MOST_ROWS && (tile & (tile - 1)) == 0;
}

static bool can_be_columns(const PlaitFunction *kernel, PlaitAxis axis)
{
    return kernel->axes.data[axis].tile >= 8 && kernel->axes.data[axis].tile <= MOST_COLUMNS;
}

/* Whether the product can have its rows along `rows`. */
static bool serves(const PlaitFunction *kernel, const Candidate *candidate, PlaitAxis rows)
{
    PlaitType type = plait_type_of(kernel, candidate->dot);
    if (!plait_type_has(type, rows)) return false;
    return can_be_columns(kernel, type.axes[type.axes[0] == rows ? 1 : 0]);
}

static uint32_t served(const Chooser *chooser, uint32_t group, PlaitAxis rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < chooser->candidates.count; i++)
        count +=
            chooser->candidates.data[i].group == group && serves(chooser->kernel, &chooser->candidates.data[i], rows);
    return count;
}

/* Whether every tile of the group has at most one axis of several positions besides the rows: the columns share their
 * thread bits. */
static bool has_one_column_axis(const Chooser *chooser, uint32_t group, PlaitAxis rows)
{
    PlaitLayoutGroups *groups = (PlaitLayoutGroups *)&chooser->groups;
    const PlaitFunction *kernel = chooser->kernel;
    for (PlaitValue value = 1; value < groups->value_count; value++) {
        PlaitType type = plait_type_of(kernel, value);
        if (type.rank == 0 || type.space == PLAIT_SPACE_GLOBAL || !plait_inst(kernel, value)->region) continue;
        bool needs =
            groups->cheap[value] ? groups->needed[value] >> group & 1 : plait_layout_group_of(groups, value) == group;
        uint32_t columns = 0;
        for (uint32_t i = 0; i < type.rank; i++)
            columns += type.axes[i] != rows && kernel->axes.data[type.axes[i]].tile > 1;
        if (needs && columns > 1) return false;
    }
    return true;
}

/* Rows of `tile` positions. */
static void choose_rows(Chooser *chooser, uint32_t group, uint32_t tile)
{
    uint32_t most = 0;
    bool place = false; /* of a block's tokens: what is made there is summed over the others, and stored in rows */
    if (chooser->fixed[group]) return;
    chooser->rows[group] = PLAIT_NO_AXIS;
    for (PlaitAxis axis = 0; axis < chooser->kernel->axes.count; axis++) {
        if (!can_be_rows(chooser->kernel, axis)) continue;
        if (chooser->kernel->axes.data[axis].tile != tile) continue;
        uint32_t count = served(chooser, group, axis);
        bool own = chooser->kernel->axes.data[axis].place && chooser->kernel->axes.data[axis].same_as == PLAIT_NO_AXIS;
        if (count == 0 || (place && !own) || (count <= most && place == own)) continue;
        if (!has_one_column_axis(chooser, group, axis)) continue;
        chooser->rows[group] = axis;
        most = count;
        place = own;
    }
}

/* Products that are served when all rows have `tile` positions. */
static uint32_t served_by(Chooser *chooser, uint32_t tile)
{
    uint32_t count = 0;
    for (uint32_t group = 0; group < chooser->groups.group_count; group++) {
        choose_rows(chooser, group, tile);
        if (chooser->rows[group] != PLAIT_NO_AXIS) count += served(chooser, group, chooser->rows[group]);
    }
    return count;
}

/* The rows of the first group that can have some, by their number; 0: none can. */
static uint32_t first_tile(Chooser *chooser)
{
    for (uint32_t group = 0; group < chooser->groups.group_count; group++)
        for (PlaitAxis axis = 0; axis < chooser->kernel->axes.count; axis++) {
            uint32_t tile = chooser->kernel->axes.data[axis].tile;
            if (!can_be_rows(chooser->kernel, axis)) continue;
            choose_rows(chooser, group, tile);
            if (chooser->rows[group] != PLAIT_NO_AXIS) return tile;
        }
    return 0;
}

/* All products of a kernel run on the same threads, so rows of all groups have one size: that of products that were
 * rewritten before, else the one that serves most; of several, that of the first group. */
static void choose_all_rows(Chooser *chooser)
{
    uint32_t fixed = 0, best = first_tile(chooser), most = best ? served_by(chooser, best) : 0;
    for (uint32_t group = 0; group < chooser->groups.group_count; group++)
        if (chooser->fixed[group]) fixed = chooser->kernel->axes.data[chooser->rows[group]].tile;
    for (uint32_t tile = UNIT_ROWS; tile <= MOST_ROWS; tile *= 2) {
        uint32_t count = served_by(chooser, tile);
        if (count > most) best = tile;
        if (count > most) most = count;
    }
    served_by(chooser, fixed ? fixed : best);
}

static PlaitValue rounded(Chooser *chooser, PlaitRegion *region, PlaitValue operand, PlaitScalar scalar, PlaitSpan span)
{
    PlaitBuilder builder = {chooser->kernel, region, span};
    return plait_build_cast(&builder, operand, scalar);
}

/* A renamed operand, rounded where it was made. */
static PlaitValue rounded_renamed(Chooser *chooser, PlaitRegion *region, PlaitValue operand, PlaitScalar scalar,
                                  PlaitSpan span)
{
    PlaitFunction *kernel = chooser->kernel;
    PlaitBuilder builder = {kernel, region, span};
    PlaitValue source = rounded(chooser, region, plait_inst(kernel, operand)->operands[0], scalar, span);
    PlaitType type = plait_type_as(plait_type_of(kernel, operand), scalar);
    PlaitValue result = plait_build(&builder, PLAIT_OP_RENAME, type, &source, 1);
    plait_set_axes(kernel, result, plait_inst(kernel, operand)->axes, 2);
    return result;
}

/* Rewrites one product; casts that it needs are appended to its region, which is being written anew. */
static void rewrite(Chooser *chooser, const Candidate *candidate, PlaitAxis rows)
{
    PlaitFunction *kernel = chooser->kernel;
    PlaitRegion *region = plait_inst(kernel, candidate->dot)->region;
    for (uint32_t side = 0; side < 2; side++) {
        PlaitValue operand = plait_inst(kernel, candidate->dot)->operands[side], narrow = candidate->sources[side];
        PlaitSpan span = plait_inst(kernel, candidate->dot)->span;
        if (!narrow && plait_op_of(kernel, operand) == PLAIT_OP_RENAME)
            narrow = rounded_renamed(chooser, region, operand, candidate->scalar, span);
        else if (!narrow) narrow = rounded(chooser, region, operand, candidate->scalar, span);
        plait_inst(kernel, candidate->dot)->operands[side] = narrow;
    }
    PlaitAxis axes[2] = {plait_inst(kernel, candidate->dot)->axes[0], rows};
    plait_set_axes(kernel, candidate->dot, axes, 2);
}

/* Whether `value` is a product on the units that only one sum of this region reads. */
static bool is_summand(const Chooser *chooser, const PlaitRegion *region, PlaitValue value, const uint32_t *uses)
{
    const PlaitInst *inst = plait_inst(chooser->kernel, value);
    return inst->op == PLAIT_OP_DOT && inst->axis_count == 2 && inst->region == region && uses[value] == 1;
}

/* Whether `value` is known where `later`, of this region, is made. */
static bool is_before(const Chooser *chooser, const PlaitRegion *region, PlaitValue value, PlaitValue later)
{
    if (plait_inst(chooser->kernel, value)->region != region) return true;
    for (uint32_t i = 0; i < region->body.count && region->body.data[i] != later; i++)
        if (region->body.data[i] == value) return true;
    return plait_op_of(chooser->kernel, value) == PLAIT_OP_ARGUMENT;
}

/* Makes `value` the product that `product` is, begun at `before`. */
static void begin_at(Chooser *chooser, PlaitValue value, PlaitValue product, PlaitValue before)
{
    PlaitFunction *kernel = chooser->kernel;
    const PlaitInst *dot = plait_inst(kernel, product);
    PlaitValue operands[] = {dot->operands[0], dot->operands[1], before};
    PlaitAxis axes[] = {dot->axes[0], dot->axes[1]};
    PlaitInst *inst = plait_inst(kernel, value);
    inst->op = PLAIT_OP_DOT;
    inst->operands = plait_arena_copy(kernel->module->arena, operands, sizeof operands);
    inst->operand_count = 3;
    plait_set_axes(kernel, value, axes, 2);
}

/* x + product, where nothing else reads the product -> a product that begins at x: a product's sums stay where they are
 * from one turn of a loop to the next. Of products that begin at one another the first begins at x. The sum's
 * instruction becomes the last product. */
static void accumulate(Chooser *chooser, PlaitValue sum, const uint32_t *uses)
{
    PlaitFunction *kernel = chooser->kernel;
    PlaitInst *inst = plait_inst(kernel, sum);
    if (inst->op != PLAIT_OP_ADD) return;
    for (uint32_t side = 0; side < 2; side++) {
        PlaitValue product = inst->operands[side], before = inst->operands[1 - side], first = product;
        if (!is_summand(chooser, inst->region, product, uses)) continue;
        if (!plait_type_equal(plait_type_of(kernel, before), plait_type_of(kernel, product))) continue;
        while (plait_inst(kernel, first)->operand_count == 3 &&
               is_summand(chooser, inst->region, plait_inst(kernel, first)->operands[2], uses))
            first = plait_inst(kernel, first)->operands[2];
        if (plait_inst(kernel, first)->operand_count != 2) continue;
        if (first != product && !is_before(chooser, inst->region, before, first)) continue;
        if (first != product) begin_at(chooser, first, first, before);
        begin_at(chooser, sum, product, first == product ? before : plait_inst(kernel, product)->operands[2]);
        return;
    }
}

static void accumulate_region(Chooser *chooser, const PlaitRegion *region, const uint32_t *uses)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        accumulate(chooser, region->body.data[i], uses);
        const PlaitRegion *inner = plait_inst(chooser->kernel, region->body.data[i])->body;
        if (inner) accumulate_region(chooser, inner, uses);
    }
}

/* The body again, in order, with what products need before them. */
static void rewrite_region(Chooser *chooser, PlaitRegion *region)
{
    PlaitValues before = region->body;
    region->body = (PlaitValues){0};
    for (uint32_t i = 0; i < before.count; i++) {
        PlaitValue value = before.data[i];
        for (uint32_t k = 0; k < chooser->candidates.count; k++) {
            const Candidate *candidate = &chooser->candidates.data[k];
            PlaitAxis rows = chooser->rows[candidate->group];
            if (candidate->dot == value && rows != PLAIT_NO_AXIS && serves(chooser->kernel, candidate, rows))
                rewrite(chooser, candidate, rows);
        }
        plait_push(chooser->kernel->module->arena, &region->body, value);
        if (plait_inst(chooser->kernel, value)->body) rewrite_region(chooser, plait_inst(chooser->kernel, value)->body);
    }
}

/* Whether some candidate is to be rewritten. */
static bool has_work(const Chooser *chooser)
{
    for (uint32_t i = 0; i < chooser->candidates.count; i++) {
        PlaitAxis rows = chooser->rows[chooser->candidates.data[i].group];
        if (rows != PLAIT_NO_AXIS && serves(chooser->kernel, &chooser->candidates.data[i], rows)) return true;
    }
    return false;
}

bool plait_pass_matrix(PlaitFunction *kernel)
{
    if (kernel->level != PLAIT_LEVEL_TILE) return false;
    Chooser chooser = {.kernel = kernel, .groups = plait_layout_groups(kernel)};
    plait_region_walk(kernel, kernel->body, find_candidate, &chooser);
    choose_all_rows(&chooser);
    if (!has_work(&chooser)) return false;
    rewrite_region(&chooser, kernel->body);
    accumulate_region(&chooser, kernel->body, plait_use_counts(kernel));
    return true;
}
