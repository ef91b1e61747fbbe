/* Operations of the interpreter that are neither pointwise nor owners of a region. */
#include <math.h>
#include <stdlib.h>

#include "ir/interp_machine.h"

static PlaitWindow whole_axis(const PlaitMachine *machine, PlaitAxis axis)
{
    return (PlaitWindow){0, machine->extents[axis]};
}

/* ---- constants, positions, parameters ---- */

/* One number at every position of every axis. */
static bool fill_constant(PlaitMachine *machine, PlaitValue value, PlaitType type, double number)
{
    PlaitSlot *slot = &machine->slots[value];
    if (!plait_interp_allocate(machine, slot, plait_type((PlaitScalar)type.scalar))) return false;
    slot->data[0] = number;
    slot->type = type;
    for (uint32_t i = 0; i < type.rank; i++) {
        slot->windows[i] = whole_axis(machine, type.axes[i]);
        slot->strides[i] = 0;
    }
    return true;
}

bool plait_interp_CONST(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return fill_constant(machine, value, inst->type, inst->number);
}

bool plait_interp_SIZE(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return fill_constant(machine, value, inst->type, (double)machine->extents[inst->axes[0]]);
}

bool plait_interp_IOTA(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    PlaitSlot *slot = &machine->slots[value];
    if (!plait_interp_allocate(machine, slot, inst->type)) return false;
    PlaitWindow window = machine->windows[inst->axes[0]];
    for (int64_t i = 0; i < window.count; i++) slot->data[i] = (double)(window.start + i);
    return true;
}

bool plait_interp_PARAM(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    uint32_t index = 0;
    while (machine->function->params.data[index] != value) index++;
    const PlaitArray *input = &machine->inputs[index];
    if (!input->data) return fill_constant(machine, value, inst->type, inst->number);
    PlaitSlot *slot = &machine->slots[value];
    int64_t stride = 1;
    slot->type = input->type;
    slot->data = input->data;
    for (uint32_t i = input->type.rank; i-- > 0;) {
        slot->windows[i] = (PlaitWindow){0, input->sizes[i]};
        slot->strides[i] = stride;
        stride *= input->sizes[i];
    }
    return true;
}

/* ---- reductions ---- */

static inline double sum_float(double sum, double x) { return sum + x; }
static inline double prod_float(double product, double x) { return product * x; }
static inline double sum_integer(double sum, double x) { return plait_interp_wrap((int64_t)sum + (int64_t)x); }
static inline double prod_integer(double product, double x) { return plait_interp_wrap((int64_t)product * (int64_t)x); }
/* The accumulator starts at the identity and is never NaN; a NaN loses every comparison. */
static inline double max_number(double most, double x) { return x > most ? x : most; }
static inline double min_number(double least, double x) { return x < least ? x : least; }

#define REDUCE_LOOPS(step)                                                                                             \
    static void loop_##step(const void *context, int64_t n, double *const *data, const int64_t *strides)               \
    {                                                                                                                  \
        (void)context;                                                                                                 \
        double result = *data[0];                                                                                      \
        for (int64_t i = 0; i < n && strides[0] == 0; i++) result = step(result, data[1][i * strides[1]]);             \
        *data[0] = result;                                                                                             \
        for (int64_t i = 0; i < n && strides[0] != 0; i++)                                                             \
            data[0][i * strides[0]] = step(data[0][i * strides[0]], data[1][i * strides[1]]);                          \
    }                                                                                                                  \
    static void masked_##step(const void *context, int64_t n, double *const *data, const int64_t *strides)             \
    {                                                                                                                  \
        (void)context;                                                                                                 \
        for (int64_t i = 0; i < n; i++)                                                                                \
            if (data[2][i * strides[2]] != 0)                                                                          \
                data[0][i * strides[0]] = step(data[0][i * strides[0]], data[1][i * strides[1]]);                      \
    }
REDUCE_LOOPS(sum_float)
REDUCE_LOOPS(prod_float)
REDUCE_LOOPS(sum_integer)
REDUCE_LOOPS(prod_integer)
REDUCE_LOOPS(max_number)
REDUCE_LOOPS(min_number)

static PlaitLoop *reduce_loop(PlaitOp op, bool integer, bool masked)
{
    if (op == PLAIT_OP_REDUCE_MAX) return masked ? masked_max_number : loop_max_number;
    if (op == PLAIT_OP_REDUCE_MIN) return masked ? masked_min_number : loop_min_number;
    if (op == PLAIT_OP_REDUCE_SUM && integer) return masked ? masked_sum_integer : loop_sum_integer;
    if (op == PLAIT_OP_REDUCE_SUM) return masked ? masked_sum_float : loop_sum_float;
    if (integer) return masked ? masked_prod_integer : loop_prod_integer;
    return masked ? masked_prod_float : loop_prod_float;
}

/* Sum of products. Four sums at once: the order of a sum is not part of its meaning. */
static void product_loop(const void *context, int64_t n, double *const *data, const int64_t *strides)
{
    (void)context;
    const double *x = data[1], *y = data[2];
    int64_t so = strides[0], sx = strides[1], sy = strides[2], i = 0;
    double *restrict out = data[0];
    for (; so == 1 && sx == 0 && sy == 1 && i < n; i++) out[i] += *x * y[i];
    for (; so != 0 && i < n; i++) out[i * so] += x[i * sx] * y[i * sy];
    if (so != 0) return;
    double sums[4] = {0, 0, 0, 0};
    for (; i + 4 <= n; i += 4)
        for (int64_t k = 0; k < 4; k++) sums[k] += x[(i + k) * sx] * y[(i + k) * sy];
    for (; i < n; i++) sums[0] += x[i * sx] * y[i * sy];
    *out += (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* Reduces one piece after another. `operands` are the loop's, beside the result. */
static bool reduce_pieces(PlaitMachine *machine, const PlaitSlot *to, PlaitType type, PlaitLoop *loop,
                          const PlaitValue *operands, uint32_t count)
{
    PlaitPieces pieces = plait_interp_pieces(machine, type);
    while (plait_interp_pieces_next(machine, &pieces)) {
        if (!plait_interp_need_all(machine, operands, count)) return false;
        PlaitNest nest = plait_interp_nest(machine, type);
        plait_interp_nest_add(machine, &nest, to, PLAIT_NO_AXIS);
        for (uint32_t i = 0; i < count; i++)
            plait_interp_nest_add(machine, &nest, &machine->slots[operands[i]], PLAIT_NO_AXIS);
        plait_interp_nest_run(&nest, loop, NULL);
    }
    return true;
}

/* A large product that is summed at once is not stored, not even in pieces. */
static bool is_contraction(const PlaitMachine *machine, const PlaitInst *inst)
{
    PlaitValue x = inst->operands[0];
    return inst->op == PLAIT_OP_REDUCE_SUM && inst->operand_count == 1 && plait_interp_lazy(machine, x) &&
           !plait_interp_covers(machine, &machine->slots[x]) && plait_op_of(machine->function, x) == PLAIT_OP_MUL &&
           plait_scalar_kind((PlaitScalar)inst->type.scalar) == PLAIT_FLOATING;
}

/* What a reduction in `region` runs over: the block of the fold around it, or the whole axis. */
static PlaitWindow reduced_positions(const PlaitMachine *machine, const PlaitRegion *region, PlaitAxis axis)
{
    for (; region->owner; region = region->parent) {
        const PlaitInst *owner = plait_inst(machine->function, region->owner);
        for (uint32_t i = 0; i < owner->axis_count && owner->op == PLAIT_OP_FOLD; i++)
            if (owner->axes[i] == axis) return machine->blocks[axis];
    }
    return whole_axis(machine, axis);
}

static bool reduce(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    PlaitSlot *slot = &machine->slots[value];
    if (!plait_interp_allocate(machine, slot, inst->type)) return false;
    bool integer = plait_scalar_kind((PlaitScalar)inst->type.scalar) == PLAIT_INTEGER,
         masked = inst->operand_count == 2;
    double identity = plait_reduce_identity((PlaitOp)inst->op, (PlaitScalar)inst->type.scalar);
    int64_t count = plait_interp_count(machine, inst->type);
    for (int64_t i = 0; i < count; i++) slot->data[i] = identity;
    PlaitWindow kept[PLAIT_MAX_RANK];
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        kept[i] = machine->windows[inst->axes[i]];
        machine->windows[inst->axes[i]] = reduced_positions(machine, inst->region, inst->axes[i]);
    }
    PlaitType type = plait_type_of(machine->function, inst->operands[0]);
    if (masked) type = plait_type_union(type, plait_type_of(machine->function, inst->operands[1]));
    PlaitLoop *loop = reduce_loop((PlaitOp)inst->op, integer, masked);
    bool contraction = is_contraction(machine, inst);
    const PlaitInst *product = plait_inst(machine->function, inst->operands[0]);
    if (!reduce_pieces(machine, slot, type, contraction ? product_loop : loop,
                       contraction ? product->operands : inst->operands, contraction ? 2 : inst->operand_count))
        return false;
    for (uint32_t i = 0; i < inst->axis_count; i++) machine->windows[inst->axes[i]] = kept[i];
    return true;
}

bool plait_interp_REDUCE_SUM(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return reduce(machine, value, inst);
}

bool plait_interp_REDUCE_PROD(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return reduce(machine, value, inst);
}

bool plait_interp_REDUCE_MAX(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return reduce(machine, value, inst);
}

bool plait_interp_REDUCE_MIN(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    return reduce(machine, value, inst);
}

/* ---- gather ---- */

typedef struct GatherContext {
    int64_t extent, stride; /* of the axis that is read at computed positions */
} GatherContext;

static void gather_loop(const void *context, int64_t n, double *const *data, const int64_t *strides)
{
    const GatherContext *gather = context;
    for (int64_t i = 0; i < n; i++) {
        double position = data[1][i * strides[1]];
        bool inside = position >= 0 && position < (double)gather->extent;
        data[0][i * strides[0]] = inside ? data[2][i * strides[2] + (int64_t)position * gather->stride] : 0;
    }
}

/* The positions of operand 0 that a gather may read: of what a fold makes in its block, the block. */
static PlaitWindow gathered_positions(const PlaitMachine *machine, const PlaitInst *inst)
{
    PlaitAxis axis = inst->axes[0];
    for (const PlaitRegion *region = inst->region; region->owner; region = region->parent)
        if (plait_reads_block(machine->function, inst, plait_inst(machine->function, region->owner)))
            return machine->blocks[axis];
    return whole_axis(machine, axis);
}

/* The index at the present windows, what it points into along the whole axis. As either may be computed from the other,
 * the one that is computed last may have moved the first. */
static bool gather_operands(PlaitMachine *machine, const PlaitInst *inst)
{
    PlaitAxis axis = inst->axes[0];
    PlaitWindow kept = machine->windows[axis];
    for (bool good = false; !good;) {
        if (!plait_interp_need(machine, inst->operands[1])) return false;
        machine->windows[axis] = gathered_positions(machine, inst);
        if (!plait_interp_need(machine, inst->operands[0])) return false;
        machine->windows[axis] = kept;
        good = plait_interp_covers(machine, &machine->slots[inst->operands[1]]);
    }
    return true;
}

bool plait_interp_GATHER(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    PlaitSlot *slot = &machine->slots[value];
    PlaitAxis axis = inst->axes[0];
    if (!plait_interp_allocate(machine, slot, inst->type)) return false;
    PlaitPieces pieces = plait_interp_pieces(machine, inst->type);
    while (plait_interp_pieces_next(machine, &pieces)) {
        if (!gather_operands(machine, inst)) return false;
        const PlaitSlot *from = &machine->slots[inst->operands[0]];
        GatherContext context = {machine->extents[axis], plait_interp_stride(from, axis)};
        PlaitNest nest = plait_interp_nest(machine, inst->type);
        plait_interp_nest_add(machine, &nest, slot, PLAIT_NO_AXIS);
        plait_interp_nest_add(machine, &nest, &machine->slots[inst->operands[1]], PLAIT_NO_AXIS);
        plait_interp_nest_add(machine, &nest, from, axis);
        plait_interp_nest_run(&nest, gather_loop, &context);
    }
    return true;
}

/* ---- convolution ---- */

/* One column over time: y[t] = sum of weights[lag] x[t - lag], for t in the window. */
typedef struct ConvContext {
    PlaitWindow window;
    int64_t taps, first; /* x is needed from position `first` on */
    bool longer;         /* the taps' axis is the time axis: tap = lag; else the last tap is lag 0 */
    int64_t out_stride, x_stride, tap_stride;
    double *out, *x, *weights; /* columns without gaps */
} ConvContext;

static void conv_column(const ConvContext *conv, double *out, const double *x, const double *taps)
{
    int64_t start = conv->window.start, end = start + conv->window.count;
    for (int64_t t = conv->first; t < end; t++) conv->x[t - conv->first] = x[t * conv->x_stride];
    for (int64_t lag = 0; lag < conv->taps; lag++)
        conv->weights[lag] = taps[(conv->longer ? lag : conv->taps - 1 - lag) * conv->tap_stride];
    for (int64_t t = start; t < end; t++) conv->out[t - start] = 0;
    for (int64_t lag = 0; lag < conv->taps && lag < end; lag++) {
        double weight = conv->weights[lag];
        for (int64_t t = lag > start ? lag : start; t < end; t++)
            conv->out[t - start] += weight * conv->x[t - lag - conv->first];
    }
    for (int64_t t = start; t < end; t++) out[(t - start) * conv->out_stride] = conv->out[t - start];
}

static void conv_loop(const void *context, int64_t n, double *const *data, const int64_t *strides)
{
    for (int64_t i = 0; i < n; i++)
        conv_column(context, data[0] + i * strides[0], data[1] + i * strides[1], data[2] + i * strides[2]);
}

static bool conv_operands(PlaitMachine *machine, const PlaitInst *inst)
{
    PlaitAxis time = inst->axes[0], taps = inst->axes[1];
    PlaitWindow kept_time = machine->windows[time], kept_taps = machine->windows[taps];
    machine->windows[time] = whole_axis(machine, time);
    machine->windows[taps] = whole_axis(machine, taps);
    if (!plait_interp_need_all(machine, inst->operands, 2)) return false;
    machine->windows[taps] = kept_taps;
    machine->windows[time] = kept_time;
    return true;
}

static void conv_columns(PlaitMachine *machine, const PlaitSlot *slot, const PlaitInst *inst, ConvContext *conv)
{
    PlaitAxis time = inst->axes[0], taps = inst->axes[1];
    const PlaitSlot *x = &machine->slots[inst->operands[0]], *weights = &machine->slots[inst->operands[1]];
    conv->out_stride = plait_interp_stride(slot, time);
    conv->x_stride = plait_interp_stride(x, time);
    conv->tap_stride = plait_interp_stride(weights, taps);
    PlaitNest nest = plait_interp_nest(machine, plait_type_without(inst->type, time));
    plait_interp_nest_add(machine, &nest, slot, PLAIT_NO_AXIS);
    plait_interp_nest_add(machine, &nest, x, time);
    plait_interp_nest_add(machine, &nest, weights, taps);
    plait_interp_nest_run(&nest, conv_loop, conv);
}

bool plait_interp_CONV(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    PlaitSlot *slot = &machine->slots[value];
    PlaitWindow window = machine->windows[inst->axes[0]];
    int64_t taps = machine->extents[inst->axes[1]];
    if (!plait_interp_allocate(machine, slot, inst->type)) return false;
    if (plait_interp_count(machine, inst->type) == 0) return true;
    if (!conv_operands(machine, inst)) return false;
    int64_t first = window.start > taps - 1 ? window.start - (taps - 1) : 0;
    ConvContext conv = {.window = window, .taps = taps, .first = first, .longer = inst->axes[0] == inst->axes[1]};
    conv.out = plait_interp_doubles(window.count);
    conv.x = plait_interp_doubles(window.start + window.count - first);
    conv.weights = plait_interp_doubles(taps);
    bool good = conv.out && conv.x && conv.weights;
    if (good) conv_columns(machine, slot, inst, &conv);
    free(conv.out);
    free(conv.x);
    free(conv.weights);
    return good;
}

/* ---- triangular systems ---- */

typedef struct SolveContext {
    PlaitWindow window;
    int64_t y_stride, x_stride, row_stride, column_stride;
} SolveContext;

/* One column: data[0] the result, [1] x, [2] the matrix, each at position 0 of the axis, the matrix at the window's
 * first column. */
static void solve_loop(const void *context, int64_t n, double *const *data, const int64_t *strides)
{
    const SolveContext *solve = context;
    int64_t start = solve->window.start, end = start + solve->window.count;
    for (int64_t i = 0; i < n; i++) {
        double *y = data[0] + i * strides[0], *x = data[1] + i * strides[1], *matrix = data[2] + i * strides[2];
        for (int64_t t = start; t < end; t++) {
            double sum = x[t * solve->x_stride];
            for (int64_t s = start; s < t; s++)
                sum += matrix[t * solve->row_stride + (s - start) * solve->column_stride] * y[s * solve->y_stride];
            y[t * solve->y_stride] = sum;
        }
    }
}

static void solve_columns(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    PlaitAxis axis = inst->axes[0];
    const PlaitSlot *y = &machine->slots[value], *x = &machine->slots[inst->operands[1]],
                    *matrix = &machine->slots[inst->operands[0]];
    SolveContext context = {machine->windows[axis], plait_interp_stride(y, axis), plait_interp_stride(x, axis),
                            plait_interp_stride(matrix, axis), plait_interp_stride(matrix, inst->axes[1])};
    PlaitNest nest = plait_interp_nest(machine, plait_type_without(inst->type, axis));
    plait_interp_nest_add(machine, &nest, y, axis);
    plait_interp_nest_add(machine, &nest, x, axis);
    plait_interp_nest_add(machine, &nest, matrix, axis);
    plait_interp_nest_run(&nest, solve_loop, &context);
}

/* Over the whole block, whatever part of it is wanted. */
bool plait_interp_SOLVE(PlaitMachine *machine, PlaitValue value, const PlaitInst *inst)
{
    PlaitWindow kept[2];
    for (uint32_t i = 0; i < 2; i++) {
        kept[i] = machine->windows[inst->axes[i]];
        machine->windows[inst->axes[i]] = reduced_positions(machine, inst->region, inst->axes[i]);
    }
    const PlaitValue operands[] = {inst->operands[0], inst->operands[1]};
    bool good = plait_interp_need_all(machine, operands, 2) &&
                plait_interp_allocate(machine, &machine->slots[value], inst->type);
    if (good && plait_interp_count(machine, inst->type) > 0) solve_columns(machine, value, inst);
    for (uint32_t i = 0; i < 2; i++) machine->windows[inst->axes[i]] = kept[i];
    return good;
}
