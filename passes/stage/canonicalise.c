/* Canonical form, so that later passes need to know one way of writing a thing.
 *
 * Each region is written anew, instruction by instruction; an instruction may be replaced by another value or by new
 * instructions in front of it:
 *   arithmetic on constants          -> a constant
 *   x + 0, x * 1, -(-x), not not x, x and true, ... -> x      (never x * 0: x may be NaN)
 *   cast to the own type, broadcast to the own axes, broadcast under a pointwise operation that broadcasts anyway -> x
 *   gather of x along t at position t -> x
 *   Tile IR: what is loaded where an index is inside of the tensor, else 0 -> what is loaded
 *   Tile IR: positions from a + a number b -> positions from a + b; those from a, less a -> those from 0
 *   x / c -> x * (1 / c);   the largest of c x, c > 0 -> c times the largest x
 *   a reduction over axes of run-time and of static size -> over the static ones first
 *   in a scan: what depends on no carry, scans included, moves in front of it; an output that is such a value is read
 *   directly
 * Every rule removes an operation or moves one outward, so the pass ends.
 */
#include <math.h>

#include "ir/build.h"
#include "passes/passes.h"

typedef struct Rewriter {
    PlaitFunction *function;
    PlaitValue *map; /* old value -> value that stands for it; grows with the function */
    uint32_t map_count;
    bool changed;
} Rewriter;

static const PlaitInst *def(const Rewriter *rewriter, PlaitValue value)
{
    return plait_inst(rewriter->function, value);
}

static bool is_const(const Rewriter *rewriter, PlaitValue value, double *number)
{
    const PlaitInst *inst = def(rewriter, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = def(rewriter, inst->operands[0]);
    *number = inst->number;
    return inst->op == PLAIT_OP_CONST;
}

static bool is_number(const Rewriter *rewriter, PlaitValue value, double wanted)
{
    double number;
    return is_const(rewriter, value, &number) && number == wanted;
}

static bool fold_unary(PlaitOp op, double x, double *result)
{
    switch ((int)op) {
    case PLAIT_OP_NEG: *result = -x; return true;
    case PLAIT_OP_ABS: *result = fabs(x); return true;
    case PLAIT_OP_EXP: *result = exp(x); return true;
    case PLAIT_OP_EXP2: *result = exp2(x); return true;
    case PLAIT_OP_LOG: *result = log(x); return true;
    case PLAIT_OP_SQRT: *result = sqrt(x); return true;
    case PLAIT_OP_RSQRT: *result = 1 / sqrt(x); return true;
    case PLAIT_OP_NOT: *result = x == 0; return true;
    default: return false;
    }
}

static bool fold_binary(PlaitOp op, double x, double y, double *result)
{
    switch ((int)op) {
    case PLAIT_OP_ADD: *result = x + y; return true;
    case PLAIT_OP_SUB: *result = x - y; return true;
    case PLAIT_OP_MUL: *result = x * y; return true;
    case PLAIT_OP_DIV: *result = x / y; return true;
    case PLAIT_OP_MIN: *result = fmin(x, y); return true;
    case PLAIT_OP_MAX: *result = fmax(x, y); return true;
    case PLAIT_OP_LT: *result = x < y; return true;
    case PLAIT_OP_LE: *result = x <= y; return true;
    case PLAIT_OP_GT: *result = x > y; return true;
    case PLAIT_OP_GE: *result = x >= y; return true;
    case PLAIT_OP_EQ: *result = x == y; return true;
    case PLAIT_OP_NE: *result = x != y; return true;
    default: return false;
    }
}

/* The number that an integer operation gives, if it stays within i32. */
static bool representable(const PlaitInst *inst, double number)
{
    if (plait_scalar_kind((PlaitScalar)inst->type.scalar) != PLAIT_INTEGER) return true;
    return number == floor(number) && fabs(number) < 2147483648.0;
}

static PlaitValue const_like(PlaitBuilder *builder, const PlaitInst *inst, double number)
{
    PlaitType type = inst->type;
    PlaitValue value = plait_build_const(builder, (PlaitScalar)type.scalar, number);
    return plait_build_broadcast(builder, value, type);
}

static PlaitValue fold_constants(Rewriter *rewriter, PlaitBuilder *builder, PlaitValue value)
{
    const PlaitInst *inst = def(rewriter, value);
    double x, y, result;
    if (!plait_op_is_scalar((PlaitOp)inst->op) || !is_const(rewriter, inst->operands[0], &x)) return 0;
    bool folded = inst->operand_count == 1
                      ? fold_unary((PlaitOp)inst->op, x, &result)
                      : is_const(rewriter, inst->operands[1], &y) && fold_binary((PlaitOp)inst->op, x, y, &result);
    if (!folded || !representable(inst, result)) return 0;
    return const_like(builder, inst, result);
}

/* x / c -> x * (1 / c): one more rounding, and many times faster. */
static PlaitValue divide_by_constant(Rewriter *rewriter, PlaitBuilder *builder, PlaitValue value)
{
    const PlaitInst *inst = def(rewriter, value);
    double divisor;
    if (inst->op != PLAIT_OP_DIV || !is_const(rewriter, inst->operands[1], &divisor)) return 0;
    double reciprocal = 1 / divisor, least = inst->type.scalar == PLAIT_F64 ? 0x1p-1000 : 0x1p-120;
    if (!(fabs(reciprocal) > least && fabs(reciprocal) < 1 / least)) return 0;
    PlaitScalar scalar = (PlaitScalar)inst->type.scalar;
    PlaitType type = inst->type;
    PlaitValue x = inst->operands[0];
    PlaitValue product = plait_build_binary(builder, PLAIT_OP_MUL, x, plait_build_const(builder, scalar, reciprocal));
    return plait_build_broadcast(builder, product, type);
}

/* (x c) d -> x (c d), unless that number would leave the range of the type. */
static PlaitValue product_of_constants(Rewriter *rewriter, PlaitBuilder *builder, PlaitValue value)
{
    PlaitInst inst = *def(rewriter, value);
    double factors[2], least = inst.type.scalar == PLAIT_F64 ? 0x1p-1000 : 0x1p-120;
    PlaitValue x = value;
    for (uint32_t i = 0; i < 2; i++) {
        const PlaitInst *product = def(rewriter, x);
        if (product->op != PLAIT_OP_MUL || rewriter->function->level != PLAIT_LEVEL_STAGE ||
            plait_scalar_kind((PlaitScalar)product->type.scalar) != PLAIT_FLOATING)
            return 0;
        uint32_t side = is_const(rewriter, product->operands[0], &factors[i]) ? 0 : 1;
        if (!is_const(rewriter, product->operands[side], &factors[i])) return 0;
        if (!(fabs(factors[i]) > least && fabs(factors[i]) < 1 / least)) return 0;
        x = product->operands[1 - side];
    }
    double factor = factors[0] * factors[1];
    if (!(fabs(factor) > least && fabs(factor) < 1 / least)) return 0;
    PlaitValue number = plait_build_const(builder, (PlaitScalar)inst.type.scalar, factor);
    return plait_build_broadcast(builder, plait_build_binary(builder, PLAIT_OP_MUL, x, number), inst.type);
}

/* The largest of c x is c times the largest x, for c > 0, to the last bit: rounding keeps the order. */
static PlaitValue factor_of_extreme(Rewriter *rewriter, PlaitBuilder *builder, PlaitValue value)
{
    PlaitInst inst = *def(rewriter, value);
    if (inst.op != PLAIT_OP_REDUCE_MAX && inst.op != PLAIT_OP_REDUCE_MIN) return 0;
    PlaitInst product = *def(rewriter, inst.operands[0]);
    if (plait_scalar_kind((PlaitScalar)inst.type.scalar) != PLAIT_FLOATING) return 0;
    if (product.op != PLAIT_OP_MUL || rewriter->function->level != PLAIT_LEVEL_STAGE) return 0;
    double factor;
    uint32_t side = is_const(rewriter, product.operands[0], &factor) ? 0 : 1;
    if (!is_const(rewriter, product.operands[side], &factor) || !(factor > 0) || isinf(factor)) return 0;
    PlaitValue x = product.operands[1 - side], mask = inst.operand_count == 2 ? inst.operands[1] : 0;
    if (!plait_type_same_axes(def(rewriter, x)->type, product.type)) return 0;
    PlaitValue extreme = plait_build_reduce(builder, (PlaitOp)inst.op, x, mask, inst.axes, inst.axis_count);
    PlaitValue scale = plait_build_const(builder, (PlaitScalar)inst.type.scalar, factor);
    return plait_build_binary(builder, PLAIT_OP_MUL, extreme, scale);
}

/* x when the operation with the neutral element on one side has x's type. */
static PlaitValue same_type(const Rewriter *rewriter, PlaitValue value, PlaitValue x)
{
    PlaitType a = def(rewriter, value)->type, b = def(rewriter, x)->type;
    return plait_type_equal(a, b) && a.layout == b.layout ? x : 0;
}

static PlaitValue simplify_binary(Rewriter *rewriter, PlaitValue value)
{
    const PlaitInst *inst = def(rewriter, value);
    PlaitValue x = inst->operands[0], y = inst->operands[1];
    double neutral;
    bool either = true;
    switch ((int)inst->op) {
    case PLAIT_OP_ADD: neutral = 0; break;
    case PLAIT_OP_MUL: neutral = 1; break;
    case PLAIT_OP_AND: neutral = 1; break;
    case PLAIT_OP_OR: neutral = 0; break;
    case PLAIT_OP_SUB: neutral = 0, either = false; break;
    case PLAIT_OP_DIV: neutral = 1, either = false; break;
    default: return 0;
    }
    if (is_number(rewriter, y, neutral)) return same_type(rewriter, value, x);
    if (either && is_number(rewriter, x, neutral)) return same_type(rewriter, value, y);
    return 0;
}

/* Positions of a tile moved by a number that all of it shares. */
static PlaitValue moved_positions(Rewriter *rewriter, PlaitBuilder *builder, PlaitValue value)
{
    const PlaitInst inst = *def(rewriter, value);
    if (rewriter->function->level != PLAIT_LEVEL_TILE || inst.type.rank != 1) return 0;
    for (uint32_t side = 0; side < 2; side++) {
        const PlaitInst *positions = def(rewriter, inst.operands[side]);
        PlaitValue by = inst.operands[1 - side], start = positions->operand_count ? positions->operands[0] : 0;
        if (positions->op != PLAIT_OP_IOTA || def(rewriter, by)->type.rank) continue;
        PlaitAxis axis = positions->axes[0];
        if (inst.op == PLAIT_OP_SUB && side == 0 && start == by) return plait_build_iota(builder, axis, 0);
        if (inst.op != PLAIT_OP_ADD) continue;
        return plait_build_iota(builder, axis, start ? plait_build_binary(builder, PLAIT_OP_ADD, start, by) : by);
    }
    return 0;
}

/* A gather along an axis at that axis's own position. */
static PlaitValue simplify_gather(Rewriter *rewriter, PlaitValue value)
{
    const PlaitInst *inst = def(rewriter, value), *index = def(rewriter, inst->operands[1]);
    bool own = index->op == PLAIT_OP_IOTA && index->axes[0] == inst->axes[0];
    return own ? same_type(rewriter, value, inst->operands[0]) : 0;
}

static PlaitValue simplify_unary(Rewriter *rewriter, PlaitBuilder *builder, PlaitValue value)
{
    const PlaitInst *inst = def(rewriter, value), *operand = def(rewriter, inst->operands[0]);
    double number;
    if ((inst->op == PLAIT_OP_NEG || inst->op == PLAIT_OP_NOT) && operand->op == inst->op)
        return same_type(rewriter, value, operand->operands[0]);
    if (inst->op == PLAIT_OP_CAST || inst->op == PLAIT_OP_BROADCAST) {
        PlaitValue same = same_type(rewriter, value, inst->operands[0]);
        if (same) return same;
    }
    bool storage = inst->type.scalar == PLAIT_F16 || inst->type.scalar == PLAIT_BF16;
    if (inst->op == PLAIT_OP_CAST && !storage && is_const(rewriter, inst->operands[0], &number) &&
        representable(inst, number))
        return const_like(builder, inst, number);
    return 0;
}

static bool are_same_positions(const Rewriter *rewriter, PlaitValue a, PlaitValue b)
{
    const PlaitInst *x = def(rewriter, a), *y = def(rewriter, b);
    bool iotas = x->op == PLAIT_OP_IOTA && y->op == PLAIT_OP_IOTA && x->axes[0] == y->axes[0];
    return a == b ||
           (iotas && x->operand_count == y->operand_count && (!x->operand_count || x->operands[0] == y->operands[0]));
}

/* Tile IR: whether `value`, loaded and perhaps widened, is 0 where the condition does not hold: an index is then
 * outside of its tensor. */
static bool is_zero_unless(const Rewriter *rewriter, PlaitValue value, PlaitValue condition)
{
    const PlaitFunction *function = rewriter->function;
    const PlaitInst *load = def(rewriter, value), *less = def(rewriter, condition);
    while (load->op == PLAIT_OP_CAST) load = def(rewriter, load->operands[0]);
    if (load->op != PLAIT_OP_LOAD || less->op != PLAIT_OP_LT) return false;
    const PlaitInst *size = def(rewriter, less->operands[1]);
    if (size->op != PLAIT_OP_SIZE) return false;
    for (uint32_t i = 1; i < load->operand_count; i++) {
        PlaitAxis along = plait_type_of(function, load->operands[0]).axes[i - 1];
        if (plait_axis_extent_of(function, along) == plait_axis_extent_of(function, size->axes[0]) &&
            are_same_positions(rewriter, load->operands[i], less->operands[0]))
            return true;
    }
    return false;
}

static PlaitValue simplify_select(Rewriter *rewriter, PlaitValue value)
{
    const PlaitInst *inst = def(rewriter, value);
    double condition;
    if (rewriter->function->level == PLAIT_LEVEL_TILE && is_number(rewriter, inst->operands[2], 0) &&
        is_zero_unless(rewriter, inst->operands[1], inst->operands[0]))
        return same_type(rewriter, value, inst->operands[1]);
    if (inst->operands[1] == inst->operands[2]) return same_type(rewriter, value, inst->operands[1]);
    if (!is_const(rewriter, inst->operands[0], &condition)) return 0;
    return same_type(rewriter, value, inst->operands[condition != 0 ? 1 : 2]);
}

/* reduce over [s, d] -> reduce over [d], then over [s]. */
static PlaitValue split_reduce(Rewriter *rewriter, PlaitBuilder *builder, PlaitValue value)
{
    PlaitFunction *function = rewriter->function;
    PlaitInst inst = *def(rewriter, value);
    if (function->level != PLAIT_LEVEL_STAGE) return 0;
    PlaitAxis inner[PLAIT_MAX_RANK], outer[PLAIT_MAX_RANK];
    uint32_t inner_count = 0, outer_count = 0;
    for (uint32_t i = 0; i < inst.axis_count; i++) {
        if (plait_axis_is_long(function, inst.axes[i])) outer[outer_count++] = inst.axes[i];
        else inner[inner_count++] = inst.axes[i];
    }
    if (outer_count == 0 || inst.axis_count == 1) return 0;
    PlaitValue x = inst.operands[0], mask = inst.operand_count == 2 ? inst.operands[1] : 0;
    bool inner_masked = false;
    for (uint32_t i = 0; mask && i < inner_count; i++)
        inner_masked |= plait_type_has(plait_type_of(function, mask), inner[i]);
    if (inner_count) {
        x = plait_build_reduce(builder, (PlaitOp)inst.op, x, inner_masked ? mask : 0, inner, inner_count);
        if (inner_masked) mask = 0;
    }
    for (uint32_t i = 0; i < outer_count; i++) {
        x = plait_build_reduce(builder, (PlaitOp)inst.op, x, mask, &outer[i], 1);
        mask = 0; /* positions that were masked out hold the identity now */
    }
    return x;
}

static PlaitValue simplify(Rewriter *rewriter, PlaitBuilder *builder, PlaitValue value)
{
    PlaitOp op = plait_op_of(rewriter->function, value);
    PlaitValue folded = fold_constants(rewriter, builder, value);
    if (!folded) folded = divide_by_constant(rewriter, builder, value);
    if (!folded) folded = product_of_constants(rewriter, builder, value);
    if (!folded) folded = factor_of_extreme(rewriter, builder, value);
    if (!folded && (op == PLAIT_OP_ADD || op == PLAIT_OP_SUB)) folded = moved_positions(rewriter, builder, value);
    if (folded) return folded;
    if (plait_op_is_scalar(op) && plait_op_info(op)->least_operands == 2) return simplify_binary(rewriter, value);
    if (op == PLAIT_OP_GATHER) return simplify_gather(rewriter, value);
    if (op == PLAIT_OP_SELECT) return simplify_select(rewriter, value);
    if (plait_op_is_reduce(op)) return split_reduce(rewriter, builder, value);
    if (op == PLAIT_OP_NEG || op == PLAIT_OP_NOT || op == PLAIT_OP_CAST || op == PLAIT_OP_BROADCAST)
        return simplify_unary(rewriter, builder, value);
    return 0;
}

static void set_map(Rewriter *rewriter, PlaitValue from, PlaitValue to)
{
    rewriter->map[from] = to;
    rewriter->changed = true;
}

/* A broadcast under an operation that broadcasts by itself does nothing, if the others bring the axes too. */
static void drop_broadcasts(Rewriter *rewriter, PlaitValue value)
{
    PlaitInst *inst = plait_inst(rewriter->function, value);
    if (!plait_op_is_pointwise((PlaitOp)inst->op) || inst->op == PLAIT_OP_CAST) return;
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        const PlaitInst *operand = def(rewriter, inst->operands[i]);
        if (operand->op != PLAIT_OP_BROADCAST || operand->type.layout) continue;
        PlaitType others = def(rewriter, operand->operands[0])->type;
        for (uint32_t k = 0; k < inst->operand_count; k++)
            if (k != i) others = plait_type_union(others, def(rewriter, inst->operands[k])->type);
        if (!plait_type_same_axes(others, inst->type)) continue;
        inst->operands[i] = operand->operands[0];
        rewriter->changed = true;
    }
}

static void rewrite_region(Rewriter *rewriter, PlaitRegion *region);

static bool defined_in(const Rewriter *rewriter, PlaitValue value, const PlaitRegion *region)
{
    return plait_region_inside(def(rewriter, value)->region, region);
}

/* Whether the values stand outside `region`, or inside `own` within it. */
static bool all_outside(const Rewriter *rewriter, const PlaitValue *values, uint32_t count, const PlaitRegion *region,
                        const PlaitRegion *own)
{
    for (uint32_t i = 0; i < count; i++)
        if (defined_in(rewriter, values[i], region) && !(own && defined_in(rewriter, values[i], own))) return false;
    return true;
}

static bool body_reads_outside(const Rewriter *rewriter, const PlaitRegion *body, const PlaitRegion *region,
                               const PlaitRegion *own)
{
    for (uint32_t i = 0; i < body->body.count; i++) {
        const PlaitInst *inst = def(rewriter, body->body.data[i]);
        if (!all_outside(rewriter, inst->operands, inst->operand_count, region, own)) return false;
        if (inst->body && !body_reads_outside(rewriter, inst->body, region, own)) return false;
    }
    return all_outside(rewriter, body->yields.data, body->yields.count, region, own);
}

/* Whether everything that `value` reads stands outside `region`. */
static bool reads_outside(const Rewriter *rewriter, PlaitValue value, const PlaitRegion *region)
{
    const PlaitInst *inst = def(rewriter, value);
    if (inst->body && inst->op != PLAIT_OP_SCAN) return false;
    if (!all_outside(rewriter, inst->operands, inst->operand_count, region, NULL)) return false;
    return !inst->body || body_reads_outside(rewriter, inst->body, region, inst->body);
}

/* Moves what depends on no carry from the body of a scan to the end of `region`. */
static void hoist(Rewriter *rewriter, PlaitRegion *body, PlaitRegion *region)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < body->body.count; i++) {
        PlaitValue value = body->body.data[i];
        if (!reads_outside(rewriter, value, body)) {
            body->body.data[kept++] = value;
            continue;
        }
        PlaitInst *inst = plait_inst(rewriter->function, value);
        inst->region = region;
        if (inst->body) inst->body->parent = region;
        plait_push(rewriter->function->module->arena, &region->body, value);
        rewriter->changed = true;
    }
    body->body.count = kept;
}

/* A scan's output that is a value from outside is that value. */
static PlaitValue outside_output(const Rewriter *rewriter, PlaitValue value)
{
    const PlaitInst *inst = def(rewriter, value), *owner = def(rewriter, inst->operands[0]);
    if (owner->op != PLAIT_OP_SCAN || inst->ints[0] < (int64_t)owner->body->params.count) return 0;
    PlaitValue yielded = owner->body->yields.data[inst->ints[0]];
    return defined_in(rewriter, yielded, owner->body) ? 0 : yielded;
}

static void rewrite_inst(Rewriter *rewriter, PlaitRegion *region, PlaitValue value)
{
    PlaitFunction *function = rewriter->function;
    PlaitInst *inst = plait_inst(function, value);
    PlaitBuilder builder = {function, region, inst->span};
    plait_rename(inst->operands, inst->operand_count, rewriter->map, rewriter->map_count);
    drop_broadcasts(rewriter, value);
    if (inst->body) {
        rewrite_region(rewriter, inst->body);
        inst = plait_inst(function, value);
        if (inst->op == PLAIT_OP_SCAN) hoist(rewriter, inst->body, region);
    }
    PlaitValue replacement =
        inst->op == PLAIT_OP_RESULT ? outside_output(rewriter, value) : simplify(rewriter, &builder, value);
    if (replacement) set_map(rewriter, value, replacement);
    else plait_push(function->module->arena, &region->body, value);
}

static void rewrite_region(Rewriter *rewriter, PlaitRegion *region)
{
    PlaitValues old = {0};
    old.data = region->body.data, old.count = region->body.count;
    region->body.data = NULL, region->body.count = region->body.capacity = 0;
    for (uint32_t i = 0; i < old.count; i++) rewrite_inst(rewriter, region, old.data[i]);
    plait_rename(region->yields.data, region->yields.count, rewriter->map, rewriter->map_count);
}

bool plait_pass_canonicalise(PlaitFunction *function)
{
    bool changed = false;
    for (;;) {
        Rewriter rewriter = {.function = function,
                             .map_count = function->insts.count,
                             .map = PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, function->insts.count)};
        rewrite_region(&rewriter, function->body);
        for (uint32_t i = 0; i < function->outputs.count; i++)
            plait_rename(&function->outputs.data[i].value, 1, rewriter.map, rewriter.map_count);
        if (!rewriter.changed) return changed;
        changed = true;
    }
}
