/* Pointwise operations of the interpreter: for each row of scalar_ops.def its formula and its loop.
 *
 * Everything is a double. i32 values are whole numbers; their results are computed exactly in int64_t and wrapped.
 */
#include <math.h>

#include "ir/interp_machine.h"

/* Formulas. A row that has none does not compile; y is unused where there is one operand. */
#define FORMULA(id, formula)                                                                                           \
    static inline double float_##id(double x, double y)                                                                \
    {                                                                                                                  \
        (void)y;                                                                                                       \
        return (formula);                                                                                              \
    }
FORMULA(NEG, -x)
FORMULA(ABS, fabs(x))
FORMULA(EXP, exp(x))
FORMULA(EXP2, exp2(x))
FORMULA(EXPM1, expm1(x))
FORMULA(LOG, log(x))
FORMULA(LOG1P, log1p(x))
FORMULA(SQRT, sqrt(x))
FORMULA(RSQRT, 1 / sqrt(x))
FORMULA(SIN, sin(x))
FORMULA(COS, cos(x))
FORMULA(TANH, tanh(x))
FORMULA(TANH_APPROX, tanh(x))
FORMULA(ERF, erf(x))
FORMULA(FLOOR, floor(x))
FORMULA(CEIL, ceil(x))
FORMULA(ROUND, rint(x))
FORMULA(ADD, x + y)
FORMULA(SUB, x - y)
FORMULA(MUL, x *y)
FORMULA(DIV, x / y)
FORMULA(FLOORDIV, floor(x / y))
FORMULA(MOD, x - y * floor(x / y))
FORMULA(POW, pow(x, y))
FORMULA(MIN, fmin(x, y))
FORMULA(MAX, fmax(x, y))
FORMULA(LT, x < y)
FORMULA(LE, x <= y)
FORMULA(GT, x > y)
FORMULA(GE, x >= y)
FORMULA(EQ, x == y)
FORMULA(NE, x != y)
FORMULA(AND, x != 0 && y != 0)
FORMULA(OR, x != 0 || y != 0)
FORMULA(NOT, x == 0)
#undef FORMULA

static inline int64_t floor_divide(int64_t x, int64_t y)
{
    if (y == 0) return 0;
    int64_t quotient = x / y;
    return quotient - (x % y != 0 && (x < 0) != (y < 0));
}

/* The rows of class NUMBER, on integers. Operands are in the range of i32, so nothing overflows here. */
#define FORMULA(id, formula)                                                                                           \
    static inline int64_t integer_##id(int64_t x, int64_t y)                                                           \
    {                                                                                                                  \
        (void)y;                                                                                                       \
        return (formula);                                                                                              \
    }
FORMULA(NEG, -x)
FORMULA(ABS, x < 0 ? -x : x)
FORMULA(ADD, x + y)
FORMULA(SUB, x - y)
FORMULA(MUL, x *y)
FORMULA(FLOORDIV, floor_divide(x, y))
FORMULA(MOD, y == 0 ? 0 : x - y * floor_divide(x, y))
FORMULA(MIN, x < y ? x : y)
FORMULA(MAX, x > y ? x : y)
#undef FORMULA

#define LOOP_HEAD(name, id, operands)                                                                                  \
    static void name##_##id(const void *context, int64_t n, double *const *data, const int64_t *strides)               \
    {                                                                                                                  \
        (void)context;                                                                                                 \
        double *restrict out = data[0];                                                                                \
        const double *x = data[1], *y = data[(operands) == 2 ? 2 : 1];                                                 \
        int64_t so = strides[0], sx = strides[1], sy = strides[(operands) == 2 ? 2 : 1];

/* Neighbouring elements, with or without a repeated second operand, are the common cases. */
#define FLOAT_LOOP(id, operands)                                                                                       \
    LOOP_HEAD(float_loop, id, operands)                                                                                \
    if (so == 1 && sx == 1 && sy == 1)                                                                                 \
        for (int64_t i = 0; i < n; i++) out[i] = float_##id(x[i], y[i]);                                               \
    else if (so == 1 && sx == 1 && sy == 0)                                                                            \
        for (int64_t i = 0; i < n; i++) out[i] = float_##id(x[i], *y);                                                 \
    else if (so == 1 && sx == 0 && sy == 1)                                                                            \
        for (int64_t i = 0; i < n; i++) out[i] = float_##id(*x, y[i]);                                                 \
    else                                                                                                               \
        for (int64_t i = 0; i < n; i++) out[i * so] = float_##id(x[i * sx], y[i * sy]);                                \
    }

#define INTEGER_LOOP(id, operands)                                                                                     \
    LOOP_HEAD(integer_loop, id, operands)                                                                              \
    for (int64_t i = 0; i < n; i++)                                                                                    \
        out[i * so] = plait_interp_wrap(integer_##id((int64_t)x[i * sx], (int64_t)y[i * sy]));                         \
    }

#define CLASS_FLOAT(id, operands) FLOAT_LOOP(id, operands)
#define CLASS_NUMBER(id, operands) FLOAT_LOOP(id, operands) INTEGER_LOOP(id, operands)
#define CLASS_COMPARE(id, operands) FLOAT_LOOP(id, operands)
#define CLASS_LOGIC(id, operands) FLOAT_LOOP(id, operands)
#define SCALAR_OP(id, text, operands, class, meaning) CLASS_##class(id, operands)
#include "ir/scalar_ops.def"
#undef SCALAR_OP
#undef CLASS_FLOAT
#undef CLASS_NUMBER
#undef CLASS_COMPARE
#undef CLASS_LOGIC

typedef struct ScalarLoops {
    PlaitLoop *floating, *integer; /* integer NULL: the same as floating (comparisons, logic) */
} ScalarLoops;

#define CLASS_FLOAT(id)                                                                                                \
    {                                                                                                                  \
        float_loop_##id, NULL                                                                                          \
    }
#define CLASS_NUMBER(id)                                                                                               \
    {                                                                                                                  \
        float_loop_##id, integer_loop_##id                                                                             \
    }
#define CLASS_COMPARE(id)                                                                                              \
    {                                                                                                                  \
        float_loop_##id, NULL                                                                                          \
    }
#define CLASS_LOGIC(id)                                                                                                \
    {                                                                                                                  \
        float_loop_##id, NULL                                                                                          \
    }
static const ScalarLoops scalar_loops[PLAIT_OP_COUNT] = {
#define SCALAR_OP(id, text, operands, class, meaning) [PLAIT_OP_##id] = CLASS_##class(id),
#include "ir/scalar_ops.def"
#undef SCALAR_OP
};

static void select_loop(const void *context, int64_t n, double *const *data, const int64_t *strides)
{
    (void)context;
    for (int64_t i = 0; i < n; i++)
        data[0][i * strides[0]] = data[1][i * strides[1]] != 0 ? data[2][i * strides[2]] : data[3][i * strides[3]];
}

static void truth_loop(const void *context, int64_t n, double *const *data, const int64_t *strides)
{
    (void)context;
    for (int64_t i = 0; i < n; i++) data[0][i * strides[0]] = data[1][i * strides[1]] != 0;
}

/* Truncates toward zero, saturates; NaN becomes 0. */
static double to_integer(double x)
{
    if (isnan(x)) return 0;
    return x <= INT32_MIN ? INT32_MIN : x >= INT32_MAX ? INT32_MAX : trunc(x) + 0.0;
}

static void integer_loop(const void *context, int64_t n, double *const *data, const int64_t *strides)
{
    (void)context;
    for (int64_t i = 0; i < n; i++) data[0][i * strides[0]] = to_integer(data[1][i * strides[1]]);
}

static PlaitLoop *cast_loop(PlaitScalar from, PlaitScalar to)
{
    if (to == PLAIT_BOOL) return truth_loop;
    if (plait_scalar_kind(to) == PLAIT_INTEGER && plait_scalar_kind(from) == PLAIT_FLOATING) return integer_loop;
    return plait_interp_copy_loop;
}

PlaitLoop *plait_interp_loop(const PlaitFunction *function, const PlaitInst *inst)
{
    PlaitScalar operand = (PlaitScalar)plait_type_of(function, inst->operands[0]).scalar;
    if (inst->op == PLAIT_OP_SELECT) return select_loop;
    if (inst->op == PLAIT_OP_CAST) return cast_loop(operand, (PlaitScalar)inst->type.scalar);
    if (inst->op == PLAIT_OP_BROADCAST) return plait_interp_copy_loop;
    const ScalarLoops *loops = &scalar_loops[inst->op];
    if (!loops->floating) plait_bug("%s is not pointwise", plait_op_info((PlaitOp)inst->op)->text);
    return loops->integer && plait_scalar_kind(operand) == PLAIT_INTEGER ? loops->integer : loops->floating;
}
