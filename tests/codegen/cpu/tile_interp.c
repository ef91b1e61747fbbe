#include "tests/codegen/cpu/tile_interp.h"

#include <math.h>
#include <string.h>

/* A tile: data[i] in the order of the type's axes, last fastest. */
typedef struct Machine {
    PlaitArena *arena;
    const PlaitFunction *kernel;
    const int64_t *extents;
    TestArray *tensors;
    int64_t *programs;   /* by axis */
    long double **tiles; /* by value */
    int64_t *at;         /* by axis: the point being computed */
} Machine;

static int64_t tile_of(const Machine *m, PlaitAxis axis) { return m->kernel->axes.data[axis].tile; }

static int64_t count_of(const Machine *m, PlaitType type)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < type.rank; i++) count *= tile_of(m, type.axes[i]);
    return count;
}

static int64_t offset_of(const Machine *m, PlaitType type)
{
    int64_t offset = 0;
    for (uint32_t i = 0; i < type.rank; i++) offset = offset * tile_of(m, type.axes[i]) + m->at[type.axes[i]];
    return offset;
}

static void go_to(const Machine *m, PlaitType type, int64_t number)
{
    for (uint32_t i = type.rank; i-- > 0;) {
        m->at[type.axes[i]] = number % tile_of(m, type.axes[i]);
        number /= tile_of(m, type.axes[i]);
    }
}

static long double value_at(const Machine *m, PlaitValue value)
{
    return m->tiles[value][offset_of(m, plait_type_of(m->kernel, value))];
}

/* ---- pointwise ---- */

static long double floor_divide(PlaitScalar scalar, long double x, long double y)
{
    if (plait_scalar_kind(scalar) == PLAIT_FLOATING) return floorl(x / y);
    if (y == 0) return 0;
    int64_t a = (int64_t)x, b = (int64_t)y;
    if (b == -1) return (long double)(int64_t)(0 - (uint64_t)a);
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

static long double modulo(PlaitScalar scalar, long double x, long double y)
{
    if (plait_scalar_kind(scalar) != PLAIT_FLOATING && y == 0) return 0;
    if (plait_scalar_kind(scalar) != PLAIT_FLOATING && y == -1) return 0;
    return x - y * floor_divide(scalar, x, y);
}

/* Integers wrap. */
static long double arithmetic(PlaitOp op, PlaitScalar scalar, long double x, long double y)
{
    if (plait_scalar_kind(scalar) == PLAIT_FLOATING)
        return op == PLAIT_OP_ADD ? x + y : op == PLAIT_OP_SUB ? x - y : x * y;
    uint64_t a = (uint64_t)(int64_t)x, b = (uint64_t)(int64_t)y;
    return (long double)(int64_t)(op == PLAIT_OP_ADD ? a + b : op == PLAIT_OP_SUB ? a - b : a * b);
}

static long double unary(PlaitOp op, long double x)
{
    switch ((uint32_t)op) {
    case PLAIT_OP_NEG: return -x;
    case PLAIT_OP_ABS: return fabsl(x);
    case PLAIT_OP_EXP: return expl(x);
    case PLAIT_OP_EXP2: return exp2l(x);
    case PLAIT_OP_EXPM1: return expm1l(x);
    case PLAIT_OP_LOG: return logl(x);
    case PLAIT_OP_LOG1P: return log1pl(x);
    case PLAIT_OP_SQRT: return sqrtl(x);
    case PLAIT_OP_RSQRT: return 1 / sqrtl(x);
    case PLAIT_OP_SIN: return sinl(x);
    case PLAIT_OP_COS: return cosl(x);
    case PLAIT_OP_TANH: return tanhl(x);
    case PLAIT_OP_ERF: return erfl(x);
    case PLAIT_OP_FLOOR: return floorl(x);
    case PLAIT_OP_CEIL: return ceill(x);
    case PLAIT_OP_ROUND: return rintl(x);
    case PLAIT_OP_NOT: return x == 0;
    default: plait_bug("no unary operation %s", plait_op_info(op)->text);
    }
}

static long double binary(PlaitOp op, PlaitScalar scalar, long double x, long double y)
{
    switch ((uint32_t)op) {
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB:
    case PLAIT_OP_MUL: return arithmetic(op, scalar, x, y);
    case PLAIT_OP_DIV: return x / y;
    case PLAIT_OP_FLOORDIV: return floor_divide(scalar, x, y);
    case PLAIT_OP_MOD: return modulo(scalar, x, y);
    case PLAIT_OP_POW: return powl(x, y);
    case PLAIT_OP_MIN: return fminl(x, y);
    case PLAIT_OP_MAX: return fmaxl(x, y);
    case PLAIT_OP_LT: return x < y;
    case PLAIT_OP_LE: return x <= y;
    case PLAIT_OP_GT: return x > y;
    case PLAIT_OP_GE: return x >= y;
    case PLAIT_OP_EQ: return x == y;
    case PLAIT_OP_NE: return x != y;
    case PLAIT_OP_AND: return x != 0 && y != 0;
    case PLAIT_OP_OR: return x != 0 || y != 0;
    default: plait_bug("no binary operation %s", plait_op_info(op)->text);
    }
}

static long double cast_to(PlaitScalar from, PlaitScalar to, long double x)
{
    if (plait_scalar_kind(from) == PLAIT_FLOATING && plait_scalar_kind(to) == PLAIT_INTEGER) return truncl(x);
    return x;
}

/* ---- memory ---- */

/* The position that an access means at the present point; false when it is outside. */
static bool locate(const Machine *m, const PlaitInst *inst, int64_t *indices)
{
    PlaitType type = plait_type_of(m->kernel, inst->operands[0]);
    for (uint32_t i = 0; i < type.rank; i++) {
        indices[i] = (int64_t)value_at(m, inst->operands[1 + i]);
        if (indices[i] < 0 || indices[i] >= m->extents[type.axes[i]]) return false;
    }
    return true;
}

static void interpret_store(const Machine *m, const PlaitInst *inst)
{
    uint32_t rank = plait_type_of(m->kernel, inst->operands[0]).rank;
    PlaitType type = plait_type_of(m->kernel, inst->operands[1 + rank]);
    int64_t indices[PLAIT_MAX_RANK];
    for (int64_t i = 0; i < count_of(m, type); i++) {
        go_to(m, type, i);
        if (inst->ints[0] && value_at(m, inst->operands[2 + rank]) == 0) continue;
        if (locate(m, inst, indices))
            test_write(&m->tensors[inst->operands[0]], indices, value_at(m, inst->operands[1 + rank]));
    }
}

/* ---- sums ---- */

static long double step(PlaitOp op, long double sum, long double x)
{
    switch ((uint32_t)op) {
    case PLAIT_OP_REDUCE_PROD: return sum * x;
    case PLAIT_OP_REDUCE_MAX: return fmaxl(sum, x);
    case PLAIT_OP_REDUCE_MIN: return fminl(sum, x);
    default: return sum + x;
    }
}

/* Over all points of `axes` from number `first` on. */
static long double accumulate(const Machine *m, const PlaitInst *inst, uint32_t first, long double sum)
{
    if (first == inst->axis_count) {
        long double x = value_at(m, inst->operands[0]);
        return inst->op == PLAIT_OP_DOT ? sum + x * value_at(m, inst->operands[1]) : step((PlaitOp)inst->op, sum, x);
    }
    PlaitAxis axis = inst->axes[first];
    for (int64_t i = 0; i < tile_of(m, axis); i++) {
        m->at[axis] = i;
        sum = accumulate(m, inst, first + 1, sum);
    }
    return sum;
}

static long double interpret_sum(const Machine *m, const PlaitInst *inst)
{
    if (inst->op == PLAIT_OP_DOT)
        return accumulate(m, inst, 0, inst->operand_count == 3 ? value_at(m, inst->operands[2]) : 0);
    return accumulate(m, inst, 0, plait_reduce_identity((PlaitOp)inst->op, (PlaitScalar)inst->type.scalar));
}

/* ---- instructions ---- */

static void interpret_region(Machine *m, const PlaitRegion *region);

static long double interpret_point(const Machine *m, const PlaitInst *inst)
{
    PlaitOp op = (PlaitOp)inst->op;
    int64_t indices[PLAIT_MAX_RANK];
    long double x[3] = {0};
    switch ((uint32_t)op) {
    case PLAIT_OP_CONST: return inst->number;
    case PLAIT_OP_IOTA:
        return (long double)m->at[inst->axes[0]] + (inst->operand_count ? value_at(m, inst->operands[0]) : 0);
    case PLAIT_OP_SIZE: return m->extents[inst->axes[0]];
    case PLAIT_OP_PROGRAM: return m->programs[inst->axes[0]];
    case PLAIT_OP_LOAD: return locate(m, inst, indices) ? test_read(&m->tensors[inst->operands[0]], indices) : 0;
    default: break;
    }
    if (plait_op_is_reduce(op) || op == PLAIT_OP_DOT) return interpret_sum(m, inst);
    for (uint32_t i = 0; i < inst->operand_count; i++) x[i] = value_at(m, inst->operands[i]);
    PlaitScalar scalar = (PlaitScalar)plait_type_of(m->kernel, inst->operands[0]).scalar;
    if (op == PLAIT_OP_SELECT) return x[0] != 0 ? x[1] : x[2];
    if (op == PLAIT_OP_CAST) return cast_to(scalar, (PlaitScalar)inst->type.scalar, x[0]);
    if (op == PLAIT_OP_BROADCAST || op == PLAIT_OP_CONVERT) return x[0];
    return inst->operand_count == 1 ? unary(op, x[0]) : binary(op, scalar, x[0], x[1]);
}

static void copy_tile(Machine *m, PlaitValue to, PlaitValue from, long double *data)
{
    PlaitType type = plait_type_of(m->kernel, to);
    for (int64_t i = 0; i < count_of(m, type); i++) {
        go_to(m, type, i);
        data[i] = value_at(m, from);
    }
}

static void interpret_for(Machine *m, PlaitValue value, const PlaitInst *inst)
{
    const PlaitRegion *body = inst->body;
    int64_t from = (int64_t)m->tiles[inst->operands[0]][0], to = (int64_t)m->tiles[inst->operands[1]][0],
            stride = inst->ints[0] < 0 ? -inst->ints[0] : inst->ints[0];
    int64_t count = to > from ? (to - from + stride - 1) / stride : 0;
    long double **next = PLAIT_NEW_ARRAY(m->arena, long double *, body->yields.count);
    for (uint32_t i = 0; i < body->yields.count; i++) {
        PlaitValue param = body->params.data[i + 1];
        next[i] = PLAIT_NEW_ARRAY(m->arena, long double, (size_t)count_of(m, plait_type_of(m->kernel, param)));
        m->tiles[param] = PLAIT_NEW_ARRAY(m->arena, long double, (size_t)count_of(m, plait_type_of(m->kernel, param)));
        copy_tile(m, param, inst->operands[i + 2], m->tiles[param]);
    }
    m->tiles[body->params.data[0]] = PLAIT_NEW(m->arena, long double);
    for (int64_t i = 0; i < count; i++) {
        m->tiles[body->params.data[0]][0] = from + (inst->ints[0] < 0 ? count - 1 - i : i) * stride;
        interpret_region(m, body);
        for (uint32_t k = 0; k < body->yields.count; k++)
            copy_tile(m, body->params.data[k + 1], body->yields.data[k], next[k]);
        for (uint32_t k = 0; k < body->yields.count; k++)
            memcpy(m->tiles[body->params.data[k + 1]], next[k],
                   (size_t)count_of(m, plait_type_of(m->kernel, body->params.data[k + 1])) * sizeof **next);
    }
    (void)value;
}

/* The results of a `for` are its parameters after the last step. */
static void interpret_result(Machine *m, PlaitValue value, const PlaitInst *inst)
{
    const PlaitRegion *body = plait_inst(m->kernel, inst->operands[0])->body;
    m->tiles[value] = PLAIT_NEW_ARRAY(m->arena, long double, (size_t)count_of(m, inst->type));
    copy_tile(m, value, body->params.data[inst->ints[0] + 1], m->tiles[value]);
}

static void interpret(Machine *m, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(m->kernel, value);
    if (inst->op == PLAIT_OP_TENSOR) return;
    if (inst->op == PLAIT_OP_STORE) interpret_store(m, inst);
    else if (inst->op == PLAIT_OP_FOR) interpret_for(m, value, inst);
    else if (inst->op == PLAIT_OP_RESULT) interpret_result(m, value, inst);
    else {
        if (!m->tiles[value]) m->tiles[value] = PLAIT_NEW_ARRAY(m->arena, long double, (size_t)count_of(m, inst->type));
        for (int64_t i = 0; i < count_of(m, inst->type); i++) {
            go_to(m, inst->type, i);
            m->tiles[value][i] = test_round((PlaitScalar)inst->type.scalar, interpret_point(m, inst));
        }
    }
}

static void interpret_region(Machine *m, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) interpret(m, region->body.data[i]);
}

/* ---- programs ---- */

static int64_t grid_count(const PlaitFunction *kernel, const int64_t *extents, uint32_t i)
{
    PlaitGridAxis grid = kernel->grid.data[i];
    return plait_block_count(extents[grid.axis], grid.block);
}

int64_t tile_programs(const PlaitFunction *kernel, const int64_t *extents)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < kernel->grid.count; i++) count *= grid_count(kernel, extents, i);
    return count;
}

void tile_interpret(PlaitArena *arena, const PlaitFunction *kernel, const int64_t *extents, TestArray *tensors)
{
    Machine m = {.arena = arena, .kernel = kernel, .extents = extents, .tensors = tensors};
    m.programs = PLAIT_NEW_ARRAY(arena, int64_t, kernel->axes.count);
    m.at = PLAIT_NEW_ARRAY(arena, int64_t, kernel->axes.count);
    m.tiles = PLAIT_NEW_ARRAY(arena, long double *, kernel->insts.count);
    for (int64_t program = 0; program < tile_programs(kernel, extents); program++) {
        int64_t rest = program;
        for (uint32_t i = 0; i < kernel->grid.count; i++) {
            m.programs[kernel->grid.data[i].axis] = rest % grid_count(kernel, extents, i) * kernel->grid.data[i].block;
            rest /= grid_count(kernel, extents, i);
        }
        interpret_region(&m, kernel->body);
    }
}
