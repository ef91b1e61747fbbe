/* Exponentials by the unit that has them, on a GPU: e^x = 2^(x log2 e).
 *
 * The unit computes 2^x to 2 ulp. Multiplying x first loses as many more as |x| log2 e has: nothing beside the rounding
 * of a kernel whose results are all stored in 16 bits, or are decays of blocks of tokens beside such, so the pass is
 * for those; elsewhere exp stays accurate. The factor moves into sums of products and meets other constants, so that of
 * exp(c s - m) one multiply-add for each s remains:
 *
 *     %3 = mul %1, %c                              %3 = mul %1, %c2          (c log2 e)
 *     %4 = sub %3, %m                      ->      %4 = sub %3, %m2          (m log2 e, once for each row)
 *     %5 = exp %4                                  %5 = exp2 %4
 *
 * The unit's tanh is right to 2^-11 of itself, a quarter of what rounding to bf16 changes. It stands for tanh in loops
 * around products on the matrix units, which would wait for the accurate one (scores with a soft cap); where kernels
 * wait for memory that costs nothing. Nothing that a loop carries may go into it, and not in kernels that prepare
 * blocks of tokens: through a recurrence, or a product over many tokens, errors could grow.
 */
#include "passes/passes.h"

#include "ir/build.h"

static const double log2_e = 1.4426950408889634;

typedef struct Exponents {
    PlaitFunction *kernel;
    uint32_t *uses;
    uint32_t use_count;
    bool narrow, stores; /* all stores are of 16 bits; there are stores */
    bool blocks, wide;   /* some are of what is made of a block of tokens; tensors over time of more bits are read */
    bool changed;
} Exponents;

static void note_access(void *context, PlaitValue value)
{
    Exponents *exponents = context;
    const PlaitInst *inst = plait_inst(exponents->kernel, value);
    if (inst->op != PLAIT_OP_STORE && inst->op != PLAIT_OP_LOAD) return;
    PlaitType tensor = plait_type_of(exponents->kernel, inst->operands[0]);
    bool blocks = false, time = false, narrow = plait_scalar_bytes((PlaitScalar)tensor.scalar) <= 2;
    for (uint32_t i = 0; i < tensor.rank; i++) {
        blocks |= exponents->kernel->axes.data[tensor.axes[i]].block != 0;
        time |= exponents->kernel->axes.data[tensor.axes[i]].role == PLAIT_ROLE_TIME;
    }
    if (inst->op == PLAIT_OP_LOAD) {
        exponents->wide |= time && !narrow && plait_scalar_kind((PlaitScalar)tensor.scalar) == PLAIT_FLOATING;
        return;
    }
    exponents->stores = true;
    exponents->blocks |= blocks;
    exponents->narrow &= blocks || plait_scalar_bytes((PlaitScalar)tensor.scalar) == 2;
}

/* Whether 16 bits are all that is wanted of what the kernel makes: of what it makes of segments of tokens, when it
 * reads no more of them. (Blocks of tokens with places are those of products that round to 16 bits.) */
static bool is_narrow(const Exponents *exponents)
{
    bool segments = exponents->blocks && !plait_has_block_programs(exponents->kernel);
    return exponents->stores && exponents->narrow && !(segments && exponents->wide);
}

static bool is_const(const PlaitFunction *kernel, PlaitValue value, double *number)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    *number = inst->number;
    return inst->op == PLAIT_OP_CONST;
}

static bool used_once(const Exponents *exponents, PlaitValue value)
{
    return value < exponents->use_count && exponents->uses[value] == 1;
}

static PlaitValue times(PlaitBuilder *builder, PlaitValue x, double factor)
{
    return plait_build_binary(builder, PLAIT_OP_MUL, x, plait_build_const(builder, PLAIT_F32, factor));
}

/* Whether a side of a sum is what a product of the matrix units gives, times constants, or has fewer axes than the sum:
 * a number that a program puts in to mask with (-1e30) stands in neither. With such numbers x c - m c, in one
 * multiply-add, would be far from 0 where x = m. */
static bool is_tame(const PlaitFunction *kernel, PlaitValue side, PlaitType sum)
{
    const PlaitInst *inst = plait_inst(kernel, side);
    double number;
    if (plait_type_of(kernel, side).rank < sum.rank || inst->op == PLAIT_OP_DOT) return true;
    if (inst->op == PLAIT_OP_NEG) return is_tame(kernel, inst->operands[0], sum);
    return inst->op == PLAIT_OP_MUL && is_const(kernel, inst->operands[1], &number) &&
           is_tame(kernel, inst->operands[0], sum);
}

/* The operand of a product that is made outside of the loop in which the builder writes, unless it is a number; -1. */
static int outside_factor(const Exponents *exponents, const PlaitBuilder *builder, const PlaitInst *product)
{
    for (int side = 0; side < 2; side++) {
        const PlaitInst *inst = plait_inst(exponents->kernel, product->operands[side]);
        if (inst->region != builder->region && inst->op != PLAIT_OP_CONST) return side;
    }
    return -1;
}

/* The operand of a product that is a number, and the number; -1. */
static int constant_factor(const Exponents *exponents, const PlaitInst *product, double *number)
{
    for (int side = 0; side < 2 && product->op == PLAIT_OP_MUL; side++)
        if (is_const(exponents->kernel, product->operands[side], number)) return side;
    return -1;
}

/* factor * x, written where the builder stands, or before the loop there. */
static PlaitValue scaled(Exponents *exponents, PlaitBuilder *builder, PlaitValue x, double factor)
{
    PlaitInst inst = *plait_inst(exponents->kernel, x);
    double number;
    int constant = constant_factor(exponents, &inst, &number);
    if (constant >= 0 && plait_type_same_axes(plait_type_of(exponents->kernel, inst.operands[1 - constant]), inst.type))
        return times(builder, inst.operands[1 - constant], number * factor);
    if (inst.op == PLAIT_OP_NEG)
        return plait_build_unary(builder, PLAIT_OP_NEG, scaled(exponents, builder, inst.operands[0], factor));
    int outside = inst.op == PLAIT_OP_MUL && used_once(exponents, x) ? outside_factor(exponents, builder, &inst) : -1;
    if (outside >= 0) {
        PlaitBuilder before = {exponents->kernel, plait_inst(exponents->kernel, inst.operands[outside])->region,
                               builder->span};
        PlaitValue factors[2] = {inst.operands[0], inst.operands[1]};
        factors[outside] = times(&before, factors[outside], factor);
        return plait_build_binary(builder, PLAIT_OP_MUL, factors[0], factors[1]);
    }
    bool sum = (inst.op == PLAIT_OP_ADD || inst.op == PLAIT_OP_SUB) && used_once(exponents, x) &&
               is_tame(exponents->kernel, inst.operands[0], inst.type) &&
               is_tame(exponents->kernel, inst.operands[1], inst.type);
    if (sum) {
        PlaitValue a = scaled(exponents, builder, inst.operands[0], factor);
        PlaitValue b = scaled(exponents, builder, inst.operands[1], factor);
        return plait_build_binary(builder, (PlaitOp)inst.op, a, b);
    }
    return times(builder, x, factor);
}

/* Whether a value is made of what a loop carries; `seen`: by value. */
static bool is_carried(const Exponents *exponents, PlaitValue value, bool *seen)
{
    const PlaitInst *inst = plait_inst(exponents->kernel, value);
    if (seen[value] || !inst->region) return false;
    seen[value] = true;
    if (inst->op == PLAIT_OP_ARGUMENT && inst->region->parent) return inst->region->params.data[0] != value;
    if (inst->op == PLAIT_OP_RESULT) return true;
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (is_carried(exponents, inst->operands[i], seen)) return true;
    return false;
}

/* Whether a region is a loop's with products on the matrix units. */
static bool has_products(const PlaitFunction *kernel, const PlaitRegion *region)
{
    for (uint32_t i = 0; region->parent && i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(kernel, region->body.data[i]);
        if (inst->op == PLAIT_OP_DOT && inst->axis_count == 2) return true;
    }
    return false;
}

static void approximate_tanh(Exponents *exponents, PlaitValue value)
{
    PlaitInst *inst = plait_inst(exponents->kernel, value);
    if (inst->op != PLAIT_OP_TANH || inst->type.scalar != PLAIT_F32 || exponents->blocks) return;
    if (!has_products(exponents->kernel, inst->region)) return;
    bool *seen = PLAIT_NEW_ARRAY(exponents->kernel->module->arena, bool, exponents->kernel->insts.count);
    if (is_carried(exponents, value, seen)) return;
    inst->op = PLAIT_OP_TANH_APPROX;
    exponents->changed = true;
}

static void rewrite_region(Exponents *exponents, PlaitRegion *region)
{
    PlaitValues before = region->body;
    region->body = (PlaitValues){0};
    for (uint32_t i = 0; i < before.count; i++) {
        PlaitValue value = before.data[i];
        PlaitInst *inst = plait_inst(exponents->kernel, value);
        if (inst->op == PLAIT_OP_EXP && inst->type.scalar == PLAIT_F32) {
            PlaitBuilder builder = {exponents->kernel, region, inst->span};
            PlaitValue exponent = scaled(exponents, &builder, inst->operands[0], log2_e);
            inst = plait_inst(exponents->kernel, value);
            inst->op = PLAIT_OP_EXP2;
            inst->operands[0] = exponent;
            exponents->changed = true;
        }
        approximate_tanh(exponents, value);
        if (inst->body) rewrite_region(exponents, inst->body); /* it may write here, before itself */
        plait_push(exponents->kernel->module->arena, &region->body, value);
    }
}

bool plait_pass_exponent(PlaitFunction *kernel)
{
    if (kernel->level != PLAIT_LEVEL_TILE) return false;
    Exponents exponents = {.kernel = kernel, .narrow = true, .uses = plait_use_counts(kernel)};
    exponents.use_count = kernel->insts.count;
    plait_region_walk(kernel, kernel->body, note_access, &exponents);
    if (is_narrow(&exponents)) rewrite_region(&exponents, kernel->body);
    return exponents.changed;
}
