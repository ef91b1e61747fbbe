/* Rounding to f32, written into the operator itself: the interpreter stays the plain oracle that it is.
 *
 *     %v = f(..)   ->   %v = f(..)
 *                       %m = mul %v, 1 + d            |d| <= 2^-25: less than half the distance to the next f32
 *                       %c = mul %m, 2^29 + 1
 *                       %r = sub %c, (sub %c, %m)     the leading 24 of m's 53 digits
 *                       select |m| < 1e30, %r, %m     not of infinities
 *
 * The third line is the split of Veltkamp; Dekker, "A floating-point technique for extending the available precision",
 * 1971.
 */
#include "tests/fuzz/conditioning.h"

#include "ir/build.h"
#include "ir/sample.h"

typedef struct Rounder {
    PlaitFunction *function;
    PlaitRandom random;
    PlaitValue *map; /* by value of the operator as it was: rounded, or 0 */
    uint32_t count;
    uint64_t draw;
} Rounder;

static PlaitValue rounded(Rounder *rounder, PlaitRegion *region, PlaitValue value)
{
    PlaitBuilder at = {rounder->function, region, {0}};
    double moved = rounder->draw ? 1 + 0x1p-25 * (2 * plait_random_uniform(&rounder->random) - 1) : 1;
    PlaitValue m = plait_build_binary(&at, PLAIT_OP_MUL, value, plait_build_const(&at, PLAIT_F32, moved));
    PlaitValue c = plait_build_binary(&at, PLAIT_OP_MUL, m, plait_build_const(&at, PLAIT_F32, 0x1p29 + 1));
    PlaitValue r = plait_build_binary(&at, PLAIT_OP_SUB, c, plait_build_binary(&at, PLAIT_OP_SUB, c, m));
    PlaitValue size = plait_build_unary(&at, PLAIT_OP_ABS, m);
    PlaitValue moderate = plait_build_binary(&at, PLAIT_OP_LT, size, plait_build_const(&at, PLAIT_F32, 1e30));
    return plait_build_select(&at, moderate, r, m);
}

/* Values that are computed; what only moves others is exact. */
static bool computes(const PlaitInst *inst)
{
    PlaitOp op = (PlaitOp)inst->op;
    bool moves = op == PLAIT_OP_PARAM || op == PLAIT_OP_RESULT || op == PLAIT_OP_GATHER || op == PLAIT_OP_BROADCAST ||
                 op == PLAIT_OP_SELECT;
    return inst->type.scalar == PLAIT_F32 && !inst->body && !moves;
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

void conditioning_round(PlaitFunction *function, uint64_t draw)
{
    uint32_t count = function->insts.count;
    Rounder rounder = {function, plait_random(draw, 0), PLAIT_NEW_ARRAY(function->module->arena, PlaitValue, count),
                       count, draw};
    round_region(&rounder, function->body);
    for (uint32_t i = 0; i < function->outputs.count; i++)
        function->outputs.data[i].value = present(&rounder, function->outputs.data[i].value);
}
