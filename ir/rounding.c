/* Rounding to a type, written into the operator itself: the interpreter stays the plain oracle that it is.
 *
 *     %v = f(..)   ->   %v = f(..)
 *                       %d = sin (mul %v, K) * 2^-(p + 1)     for p digits: less than half of a last one
 *                       %m = add %v, (mul %v, %d)
 *                       %c = mul %m, 2^(53 - p) + 1
 *                       %r = sub %c, (sub %c, %m)             the leading p of m's 53 digits
 *                       select |v| < 1e30, %r, %v             not of infinities
 *
 * %d is as good as drawn: K is large, and drawn. It depends on the value, as rounding does, so that what is added up
 * token after token is not moved to one side. In a sum of x it moves by %d sum |x|: partial sums may be that large when
 * the numbers have both signs, and each is rounded. f64 is what the interpreter computes in: its values are moved only.
 *
 * %c and %r are the split of Veltkamp; Dekker, "A floating-point technique for extending the available precision",
 * 1971.
 */
#include "ir/rounding.h"

#include <math.h>

#include "ir/build.h"
#include "ir/sample.h"

enum { DIGITS_OF_DOUBLE = 53 };

typedef struct Rounder {
    PlaitFunction *function;
    PlaitRandom random;
    PlaitValue *map; /* by value of the operator as it was: rounded, or 0 */
    uint32_t count;
    uint64_t draw;
} Rounder;

/* Digits of the type's numbers; 0: it is no float. */
static int digits_of(PlaitScalar scalar)
{
    switch ((int)scalar) {
    case PLAIT_F64: return DIGITS_OF_DOUBLE;
    case PLAIT_F32: return 24;
    case PLAIT_F16: return 11;
    case PLAIT_BF16: return 8;
    default: return 0;
    }
}

static PlaitValue binary(PlaitBuilder *at, PlaitOp op, PlaitValue x, PlaitValue y)
{
    return plait_build_binary(at, op, x, y);
}

static PlaitValue scaled(PlaitBuilder *at, PlaitValue value, double by)
{
    PlaitScalar scalar = (PlaitScalar)plait_type_of(at->function, value).scalar;
    return binary(at, PLAIT_OP_MUL, value, plait_build_const(at, scalar, by));
}

/* The numbers that are rounded on the way to the value: itself, or what a sum may come to in between. */
static PlaitValue largest_partial(PlaitBuilder *at, PlaitValue value)
{
    const PlaitInst inst = *plait_inst(at->function, value);
    if (inst.op != PLAIT_OP_REDUCE_SUM) return value;
    PlaitValue sizes = plait_build_unary(at, PLAIT_OP_ABS, inst.operands[0]);
    PlaitValue mask = inst.operand_count == 2 ? inst.operands[1] : 0;
    return plait_build_reduce(at, PLAIT_OP_REDUCE_SUM, sizes, mask, inst.axes, inst.axis_count);
}

static PlaitValue moved(Rounder *rounder, PlaitBuilder *at, PlaitValue value, int digits)
{
    if (rounder->draw == 0) return value;
    int exponent = digits == DIGITS_OF_DOUBLE ? 1 - digits : -digits - 1;
    double frequency = ldexp(1 + plait_random_uniform(&rounder->random), 30);
    PlaitValue drawn = plait_build_unary(at, PLAIT_OP_SIN, scaled(at, value, frequency));
    PlaitValue move = binary(at, PLAIT_OP_MUL, largest_partial(at, value), scaled(at, drawn, ldexp(1, exponent)));
    return binary(at, PLAIT_OP_ADD, value, move);
}

/* A number of a type that has arithmetic, rounded to as many digits. */
static PlaitValue rounded_number(Rounder *rounder, PlaitBuilder *at, PlaitValue value, int digits)
{
    PlaitScalar scalar = (PlaitScalar)plait_type_of(rounder->function, value).scalar;
    PlaitValue r = moved(rounder, at, value, digits), size = plait_build_unary(at, PLAIT_OP_ABS, value);
    if (digits < DIGITS_OF_DOUBLE) {
        PlaitValue c = scaled(at, r, ldexp(1, DIGITS_OF_DOUBLE - digits) + 1);
        r = binary(at, PLAIT_OP_SUB, c, binary(at, PLAIT_OP_SUB, c, r));
    }
    PlaitValue moderate = binary(at, PLAIT_OP_LT, size, plait_build_const(at, scalar, 1e30));
    return plait_build_select(at, moderate, r, value);
}

static PlaitValue rounded(Rounder *rounder, PlaitRegion *region, PlaitValue value)
{
    PlaitBuilder at = {rounder->function, region, {0}};
    PlaitScalar scalar = (PlaitScalar)plait_type_of(rounder->function, value).scalar;
    bool stored = plait_scalar_is_16_bit(scalar); /* no arithmetic; the interpreter's casts do not round */
    PlaitValue number = stored ? plait_build_cast(&at, value, PLAIT_F32) : value;
    number = rounded_number(rounder, &at, number, digits_of(scalar));
    return stored ? plait_build_cast(&at, number, scalar) : number;
}

/* Values that are computed; what only moves others is exact. */
static bool computes(const PlaitInst *inst)
{
    PlaitOp op = (PlaitOp)inst->op;
    bool moves = op == PLAIT_OP_PARAM || op == PLAIT_OP_RESULT || op == PLAIT_OP_GATHER || op == PLAIT_OP_BROADCAST ||
                 op == PLAIT_OP_SELECT;
    return digits_of((PlaitScalar)inst->type.scalar) && !inst->body && !moves;
}

static PlaitValue present(const Rounder *rounder, PlaitValue value)
{
    return value < rounder->count && rounder->map[value] ? rounder->map[value] : value;
}

static void round_region(Rounder *rounder, PlaitRegion *region)
{
    PlaitFunction *function = rounder->function;
    PlaitValues body = region->body;
    region->body = (PlaitValues){0};
    for (uint32_t i = 0; i < body.count; i++) {
        PlaitValue value = body.data[i];
        PlaitInst *inst = plait_inst(function, value);
        for (uint32_t k = 0; k < inst->operand_count; k++) inst->operands[k] = present(rounder, inst->operands[k]);
        plait_push(function->module->arena, &region->body, value);
        if (inst->body) round_region(rounder, inst->body);
        else if (computes(inst)) rounder->map[value] = rounded(rounder, region, value);
    }
    for (uint32_t i = 0; i < region->yields.count; i++)
        region->yields.data[i] = present(rounder, region->yields.data[i]);
}

void plait_round_values(PlaitFunction *function, uint64_t draw)
{
    uint32_t count = function->insts.count;
    Rounder rounder = {function, plait_random(draw, 0), PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, count),
                       count, draw};
    round_region(&rounder, function->body);
    for (uint32_t i = 0; i < function->outputs.count; i++)
        function->outputs.data[i].value = present(&rounder, function->outputs.data[i].value);
}

bool plait_rounding_errors(PlaitFunction *const *operators, const int64_t *extents, const PlaitArray *inputs,
                           const PlaitArray *references, double *errors)
{
    enum { FOLD_BLOCK = 64 };
    uint32_t count = operators[0]->outputs.count;
    PlaitArray *arrays = PLAIT_NEW_ARRAY(operators[0]->module->arena, PlaitArray, count);
    for (uint32_t draw = 0; draw < PLAIT_ROUNDING_DRAWS; draw++) {
        if (!plait_interpret(operators[draw], extents, inputs, arrays, FOLD_BLOCK)) return false;
        for (uint32_t i = 0; i < count; i++)
            errors[i] = fmax(errors[i], plait_storage_error(&arrays[i], &references[i]));
        plait_arrays_free(arrays, count);
    }
    return true;
}
