/* The meaning of Tile IR, executed as plainly as possible: a tile is an array of doubles, a loop is a loop. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/interp_machine.h"
#include "ir/sample.h"
#include "tests/codegen/ptx/tiles.h"

typedef struct State {
    const TestRun *run;
    const PlaitFunction *kernel;
    double **tiles;    /* by value */
    int64_t *programs; /* by axis: where this program's block starts */
} State;

static uint32_t size_of(const State *state, PlaitType type)
{
    uint32_t size = 1;
    for (uint32_t i = 0; i < type.rank; i++) size *= state->kernel->axes.data[type.axes[i]].tile;
    return size;
}

static PlaitType type_of(const State *state, PlaitValue value) { return plait_type_of(state->kernel, value); }

/* The element of `inner` at the position of element `index` of `outer`; axes that `outer` lacks count as 0, but `axis`
 * (or PLAIT_NO_AXIS) as `at`. */
static uint32_t project(const State *state, PlaitType outer, uint32_t index, PlaitType inner, PlaitAxis axis,
                        uint32_t at)
{
    uint32_t positions[PLAIT_MAX_RANK], result = 0;
    for (uint32_t i = outer.rank; i-- > 0;) {
        uint32_t tile = state->kernel->axes.data[outer.axes[i]].tile;
        positions[i] = index % tile;
        index /= tile;
    }
    for (uint32_t i = 0; i < inner.rank; i++) {
        uint32_t position = inner.axes[i] == axis ? at : 0;
        for (uint32_t k = 0; k < outer.rank; k++)
            if (outer.axes[k] == inner.axes[i]) position = positions[k];
        result = result * state->kernel->axes.data[inner.axes[i]].tile + position;
    }
    return result;
}

static double at(const State *state, PlaitValue value, PlaitType outer, uint32_t index)
{
    return state->tiles[value][project(state, outer, index, type_of(state, value), PLAIT_NO_AXIS, 0)];
}

static double *result(State *state, PlaitValue value)
{
    if (!state->tiles[value])
        state->tiles[value] = PLAIT_NEW_ARRAY(state->run->arena, double, size_of(state, type_of(state, value)));
    return state->tiles[value];
}

static const TestTensor *tensor_of(const State *state, PlaitValue value)
{
    for (uint32_t i = 0; i < state->run->tensor_count; i++)
        if (state->run->tensors[i].value == value) return &state->run->tensors[i];
    plait_bug("no such tensor");
}

static bool find_position(const State *state, const PlaitInst *inst, PlaitType type, uint32_t index, int64_t *position)
{
    const TestTensor *tensor = tensor_of(state, inst->operands[0]);
    bool inside = true;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        position[i] = (int64_t)at(state, inst->operands[1 + i], type, index);
        inside &= position[i] >= 0 && position[i] < tensor->sizes[i];
    }
    return inside;
}

static void run_load(State *state, PlaitValue value, const PlaitInst *inst)
{
    double *tile = result(state, value);
    int64_t position[PLAIT_MAX_RANK];
    for (uint32_t i = 0; i < size_of(state, inst->type); i++)
        tile[i] = find_position(state, inst, inst->type, i, position)
                      ? test_tensor_get(tensor_of(state, inst->operands[0]), position)
                      : 0;
}

static void run_store(State *state, const PlaitInst *inst)
{
    const TestTensor *tensor = tensor_of(state, inst->operands[0]);
    PlaitValue source = inst->operands[1 + tensor->rank];
    PlaitType type = type_of(state, source);
    int64_t position[PLAIT_MAX_RANK];
    for (uint32_t i = 0; i < size_of(state, type); i++) {
        bool wanted = find_position(state, inst, type, i, position);
        if (inst->ints[0] == 1) wanted &= at(state, inst->operands[2 + tensor->rank], type, i) != 0;
        if (wanted) test_tensor_set(tensor, position, state->tiles[source][i]);
    }
}

static double combine(PlaitOp op, double a, double b)
{
    if (op == PLAIT_OP_REDUCE_SUM) return a + b;
    if (op == PLAIT_OP_REDUCE_PROD) return a * b;
    return op == PLAIT_OP_REDUCE_MAX ? fmax(a, b) : fmin(a, b);
}

static void run_reduce(State *state, PlaitValue value, const PlaitInst *inst)
{
    double *tile = result(state, value);
    PlaitType type = type_of(state, inst->operands[0]);
    for (uint32_t i = 0; i < size_of(state, inst->type); i++)
        tile[i] = plait_reduce_identity((PlaitOp)inst->op, (PlaitScalar)inst->type.scalar);
    for (uint32_t i = 0; i < size_of(state, type); i++) {
        double *to = &tile[project(state, type, i, inst->type, PLAIT_NO_AXIS, 0)];
        *to = combine((PlaitOp)inst->op, *to, state->tiles[inst->operands[0]][i]);
    }
}

static void run_dot(State *state, PlaitValue value, const PlaitInst *inst)
{
    double *tile = result(state, value);
    PlaitType a = type_of(state, inst->operands[0]), b = type_of(state, inst->operands[1]);
    for (uint32_t i = 0; i < size_of(state, inst->type); i++) {
        double sum = inst->operand_count == 3 ? at(state, inst->operands[2], inst->type, i) : 0;
        for (uint32_t k = 0; k < state->kernel->axes.data[inst->axes[0]].tile; k++)
            sum += state->tiles[inst->operands[0]][project(state, inst->type, i, a, inst->axes[0], k)] *
                   state->tiles[inst->operands[1]][project(state, inst->type, i, b, inst->axes[0], k)];
        tile[i] = sum;
    }
}

static void run_pointwise(State *state, PlaitValue value, const PlaitInst *inst)
{
    double *tile = result(state, value);
    PlaitLoop *loop = plait_interp_loop(state->kernel, inst);
    static const int64_t strides[4] = {0};
    for (uint32_t i = 0; i < size_of(state, inst->type); i++) {
        double operands[3];
        for (uint32_t k = 0; k < inst->operand_count; k++) operands[k] = at(state, inst->operands[k], inst->type, i);
        loop(NULL, 1, (double *[]){&tile[i], &operands[0], &operands[1], &operands[2]}, strides);
        if (inst->op == PLAIT_OP_CAST &&
            plait_scalar_is_16_bit((PlaitScalar)inst->type.scalar)) /* what it lost counts */
            tile[i] = plait_scalar_round((PlaitScalar)inst->type.scalar, tile[i]);
    }
}

static void run_region(State *state, const PlaitRegion *region);

static void copy(State *state, PlaitValue to, PlaitValue from, double *tile)
{
    PlaitType type = type_of(state, to);
    for (uint32_t i = 0; i < size_of(state, type); i++) tile[i] = at(state, from, type, i);
}

static void run_for(State *state, const PlaitInst *inst)
{
    const PlaitRegion *body = inst->body;
    int64_t from = (int64_t)state->tiles[inst->operands[0]][0], to = (int64_t)state->tiles[inst->operands[1]][0];
    int64_t step = llabs(inst->ints[0]), count = to > from ? (to - from + step - 1) / step : 0;
    for (uint32_t i = 1; i < body->params.count; i++)
        copy(state, body->params.data[i], inst->operands[i + 1], result(state, body->params.data[i]));
    for (int64_t turn = 0; turn < count; turn++) {
        int64_t number = inst->ints[0] > 0 ? turn : count - 1 - turn;
        *result(state, body->params.data[0]) = (double)(from + number * step);
        run_region(state, body);
        double *next[64];
        for (uint32_t i = 0; i < body->yields.count; i++) {
            next[i] = malloc(size_of(state, type_of(state, body->params.data[i + 1])) * sizeof(double));
            copy(state, body->params.data[i + 1], body->yields.data[i], next[i]);
        }
        for (uint32_t i = 0; i < body->yields.count; i++) {
            PlaitValue param = body->params.data[i + 1];
            memcpy(state->tiles[param], next[i], size_of(state, type_of(state, param)) * sizeof(double));
            free(next[i]);
        }
    }
}

static void run_iota(State *state, PlaitValue value, const PlaitInst *inst)
{
    double *tile = result(state, value), start = inst->operand_count ? state->tiles[inst->operands[0]][0] : 0;
    for (uint32_t i = 0; i < size_of(state, inst->type); i++) tile[i] = start + i;
}

static void fill(State *state, PlaitValue value, double number)
{
    double *tile = result(state, value);
    for (uint32_t i = 0; i < size_of(state, type_of(state, value)); i++) tile[i] = number;
}

/* The operand's elements under the other name of the axis. */
static void run_rename(State *state, PlaitValue value, const PlaitInst *inst)
{
    PlaitType outer = inst->type;
    double *tile = result(state, value);
    for (uint32_t i = 0; i < outer.rank; i++)
        if (outer.axes[i] == inst->axes[1]) outer.axes[i] = inst->axes[0];
    for (uint32_t i = 0; i < size_of(state, inst->type); i++) tile[i] = at(state, inst->operands[0], outer, i);
}

static void run_solve(State *state, PlaitValue value, const PlaitInst *inst)
{
    double *tile = result(state, value);
    PlaitType type = inst->type, matrix = type_of(state, inst->operands[0]);
    uint32_t length = state->kernel->axes.data[inst->axes[0]].tile;
    for (uint32_t row = 0; row < length; row++)
        for (uint32_t i = 0; i < size_of(state, type); i++) {
            if (project(state, type, i, plait_type_with(plait_type(PLAIT_F32), inst->axes[0]), PLAIT_NO_AXIS, 0) != row)
                continue;
            float sum = (float)at(state, inst->operands[1], type, i);
            for (uint32_t s = 0; s < row; s++) {
                PlaitType rest = plait_type_without(type, inst->axes[0]);
                uint32_t rest_index = project(state, type, i, rest, PLAIT_NO_AXIS, 0);
                uint32_t before = project(state, rest, rest_index, type, inst->axes[0], s);
                uint32_t entry = project(state, type, i, matrix, inst->axes[1], s);
                sum += (float)(state->tiles[inst->operands[0]][entry] * tile[before]);
            }
            tile[i] = sum;
        }
}

static void run_inst(State *state, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(state->kernel, value);
    PlaitOp op = (PlaitOp)inst->op;
    if (op == PLAIT_OP_TENSOR) return;
    if (op == PLAIT_OP_CONST) fill(state, value, inst->number);
    else if (op == PLAIT_OP_SIZE) fill(state, value, (double)state->run->extents[inst->axes[0]]);
    else if (op == PLAIT_OP_PROGRAM) fill(state, value, (double)state->programs[inst->axes[0]]);
    else if (op == PLAIT_OP_IOTA) run_iota(state, value, inst);
    else if (op == PLAIT_OP_LOAD || op == PLAIT_OP_COPY) run_load(state, value, inst);
    else if (op == PLAIT_OP_STORE) run_store(state, inst);
    else if (op == PLAIT_OP_DOT) run_dot(state, value, inst);
    else if (op == PLAIT_OP_FOR) run_for(state, inst);
    else if (op == PLAIT_OP_RESULT)
        copy(state, value, plait_inst(state->kernel, inst->operands[0])->body->params.data[inst->ints[0] + 1],
             result(state, value));
    else if (op == PLAIT_OP_SOLVE) run_solve(state, value, inst);
    else if (op == PLAIT_OP_RENAME) run_rename(state, value, inst);
    else if (op == PLAIT_OP_CONVERT) copy(state, value, inst->operands[0], result(state, value));
    else if (plait_op_is_reduce(op)) run_reduce(state, value, inst);
    else run_pointwise(state, value, inst);
}

static void run_region(State *state, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) run_inst(state, region->body.data[i]);
}

static int64_t blocks_of(const TestRun *run, PlaitGridAxis axis)
{
    return plait_block_count(run->extents[axis.axis], axis.block);
}

int64_t test_program_count(const TestRun *run)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < run->kernel->grid.count; i++) count *= blocks_of(run, run->kernel->grid.data[i]);
    return count;
}

void test_reference(const TestRun *run)
{
    State state = {.run = run, .kernel = run->kernel};
    state.tiles = PLAIT_NEW_ARRAY(run->arena, double *, run->kernel->insts.count);
    state.programs = PLAIT_NEW_ARRAY(run->arena, int64_t, run->kernel->axes.count);
    for (int64_t program = 0; program < test_program_count(run); program++) {
        int64_t rest = program;
        for (uint32_t i = 0; i < run->kernel->grid.count; i++) {
            PlaitGridAxis axis = run->kernel->grid.data[i];
            state.programs[axis.axis] = rest % blocks_of(run, axis) * axis.block;
            rest /= blocks_of(run, axis);
        }
        run_region(&state, run->kernel->body);
    }
}
