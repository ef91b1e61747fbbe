/* Unit lower-triangular systems, in f32 (or f64): y[t] = x[t] + sum over s < t of matrix[t, s] y[s].
 *
 * Matrix (columns next to each other's rows: [s][t]) and x stand in shared memory. BLOCK rows at a time: first all
 * threads add what earlier rows give, each for one column of x and some of the rows (several *ways* share a column when
 * there are more threads than columns), in a loop over blocks of earlier rows; then one thread for each column does the
 * block's own triangle. All sums are in order, so runs repeat.
 */
#include "codegen/ptx/ptx.h"

enum { BLOCK = 16, PAD = 4, MOST_WAYS = 4 };
enum { BANKS = 32, X_PAD = 8 }; /* of 4 bytes: fragments of x have eight rows by eight columns */

typedef struct Solve {
    PlaitPtx *ptx;
    const PlaitInst *inst;
    PlaitScalar scalar;
    uint32_t length, columns; /* rows of the system; columns of x */
    uint32_t inner;           /* columns of x that share a matrix: those of one matrix lie next to each other */
    uint32_t pitch;           /* of the matrix: elements from one column to the next */
    uint32_t x_pitch;         /* of x: elements from one row to the next */
    uint32_t ways, rows;      /* threads that share a column; rows of a block for each of them */
    uint32_t matrix, x;       /* bytes where they stand */
} Solve;

static uint32_t rounded(uint32_t length) { return (length + BLOCK - 1) / BLOCK * BLOCK; }

/* Whether each position of the axis has a matrix of its own. */
static bool is_outer(const PlaitFunction *kernel, const PlaitInst *inst, PlaitAxis axis)
{
    return axis != inst->axes[0] && plait_type_has(plait_type_of(kernel, inst->operands[0]), axis);
}

static Solve describe(const PlaitFunction *kernel, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    Solve solve = {.inst = inst, .scalar = (PlaitScalar)inst->type.scalar, .columns = 1, .inner = 1};
    solve.length = kernel->axes.data[inst->axes[0]].tile;
    for (uint32_t i = 0; i < inst->type.rank; i++) {
        PlaitAxis axis = inst->type.axes[i];
        if (axis == inst->axes[0]) continue;
        solve.columns *= kernel->axes.data[axis].tile;
        if (!is_outer(kernel, inst, axis)) solve.inner *= kernel->axes.data[axis].tile;
    }
    solve.pitch = rounded(solve.length) + PAD;
    solve.x_pitch = solve.columns + (solve.columns % BANKS ? 0 : X_PAD);
    solve.ways = 1;
    while (solve.ways < MOST_WAYS && 2 * solve.ways * solve.columns <= kernel->threads) solve.ways *= 2;
    solve.rows = BLOCK / solve.ways;
    return solve;
}

static uint32_t matrix_elements(const Solve *solve) { return rounded(solve->length) * solve->pitch; }

static uint32_t matrix_bytes(const Solve *solve)
{
    return solve->columns / solve->inner * matrix_elements(solve) * plait_scalar_bytes(solve->scalar);
}

/* Elements from one position of an axis of the result to the next: columns of x, or, of an outer axis, matrices. */
static uint32_t step_of(const PlaitFunction *kernel, const PlaitInst *inst, PlaitAxis axis)
{
    uint32_t step = 1;
    bool outer = is_outer(kernel, inst, axis);
    for (uint32_t i = inst->type.rank; i-- > 0 && inst->type.axes[i] != axis;)
        if (inst->type.axes[i] != inst->axes[0] && is_outer(kernel, inst, inst->type.axes[i]) == outer)
            step *= kernel->axes.data[inst->type.axes[i]].tile;
    return step;
}

uint32_t plait_ptx_solve_bytes(const PlaitFunction *kernel, PlaitValue value)
{
    Solve solve = describe(kernel, value);
    return matrix_bytes(&solve) + rounded(solve.length) * solve.x_pitch * plait_scalar_bytes(solve.scalar);
}

/* The place of a slot in an array in which axis i of the shape has pitch[i]; `element`: this thread's part. */
static uint32_t place_of(Solve *solve, const PlaitPtxShape *shape, uint32_t slot, const uint32_t *pitch,
                         LLVMValueRef *element)
{
    PlaitPtx *ptx = solve->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    uint32_t fixed = 0;
    *element = NULL;
    for (uint32_t i = 0; i < shape->rank; i++) {
        fixed += pitch[i] * plait_ptx_static_position(&shape->axes[i], plait_ptx_axis_slot(shape, slot, i));
        LLVMValueRef field = plait_ptx_field(ptx, &shape->axes[i]);
        if (!field) continue;
        field = LLVMBuildMul(b, field, plait_ptx_int32(ptx, pitch[i]), "");
        *element = *element ? LLVMBuildAdd(b, *element, field, "") : field;
    }
    return fixed;
}

static uint32_t pitch_of(const Solve *solve, PlaitAxis axis, bool matrix)
{
    const PlaitFunction *kernel = solve->ptx->kernel;
    if (axis == solve->inst->axes[0]) return matrix ? 1 : solve->x_pitch;
    if (axis == solve->inst->axes[1]) return solve->pitch;
    uint32_t step = step_of(kernel, solve->inst, axis);
    if (!is_outer(kernel, solve->inst, axis)) return step;
    return step * (matrix ? matrix_elements(solve) : solve->inner);
}

static void pitches(const Solve *solve, const PlaitPtxShape *shape, bool matrix, uint32_t *pitch)
{
    for (uint32_t i = 0; i < shape->rank; i++) pitch[i] = pitch_of(solve, shape->axes[i].axis, matrix);
}

/* Where the copies of x stand that matrices along axes take which x lacks: elements after the first. */
static uint32_t copy_place(const Solve *solve, PlaitValue x, uint32_t copy, uint32_t *copies)
{
    const PlaitFunction *kernel = solve->ptx->kernel;
    uint32_t place = 0;
    *copies = 1;
    for (uint32_t i = 0; i < solve->inst->type.rank; i++) {
        PlaitAxis axis = solve->inst->type.axes[i];
        uint32_t tile = kernel->axes.data[axis].tile;
        if (plait_type_has(plait_type_of(kernel, x), axis)) continue;
        place += copy / *copies % tile * pitch_of(solve, axis, false);
        *copies *= tile;
    }
    return place;
}

/* Surplus slots of a matrix axis would lie outside of the array. */
static void write(Solve *solve, PlaitValue value, bool matrix)
{
    PlaitPtx *ptx = solve->ptx;
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    uint32_t pitch[PLAIT_MAX_RANK], byte = matrix ? solve->matrix : solve->x;
    LLVMValueRef first = plait_ptx_first_copy(ptx, shape), element;
    pitches(solve, shape, matrix, pitch);
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        uint32_t fixed = place_of(solve, shape, slot, pitch, &element);
        LLVMValueRef predicate = plait_ptx_both(ptx, first, plait_ptx_valid(ptx, shape, slot));
        for (uint32_t copy = 0, copies = 1; copy < copies; copy++) {
            uint32_t place = matrix ? 0 : copy_place(solve, value, copy, &copies);
            LLVMValueRef pointer = plait_ptx_shared_pointer(ptx, solve->scalar, byte, element, fixed + place);
            plait_ptx_shared_store(ptx, solve->scalar, pointer, ptx->values[value][slot], predicate);
        }
    }
}

static void read(Solve *solve, PlaitValue value)
{
    PlaitPtx *ptx = solve->ptx;
    const PlaitPtxShape *shape = plait_ptx_shape_of(ptx, value);
    LLVMValueRef *slots = plait_ptx_new_slots(ptx, value, shape->slots), element;
    uint32_t pitch[PLAIT_MAX_RANK];
    pitches(solve, shape, false, pitch);
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        uint32_t fixed = place_of(solve, shape, slot, pitch, &element);
        LLVMValueRef valid = plait_ptx_valid(ptx, shape, slot);
        if (valid && element)
            element = LLVMBuildSelect(ptx->emit->builder, valid, element, plait_ptx_int32(ptx, 0), "");
        plait_ptx_shared_load(ptx, solve->scalar,
                              plait_ptx_shared_pointer(ptx, solve->scalar, solve->x, element, fixed), 1, &slots[slot]);
    }
}

/* ---- loops ---- */

typedef struct Loop {
    LLVMBasicBlockRef before, head, body, after;
    LLVMValueRef index;
} Loop;

/* for (index = from; index < to; index += step): begin, phis of the caller's own, enter, the body, end. */
static Loop begin_loop(Solve *solve, LLVMValueRef from)
{
    LLVMBuilderRef b = solve->ptx->emit->builder;
    Loop loop = {.before = LLVMGetInsertBlock(b),
                 .head = plait_ptx_new_block(solve->ptx, "solve"),
                 .body = plait_ptx_new_block(solve->ptx, "solve"),
                 .after = plait_ptx_new_block(solve->ptx, "solve")};
    LLVMBuildBr(b, loop.head);
    LLVMPositionBuilderAtEnd(b, loop.head);
    loop.index = LLVMBuildPhi(b, LLVMTypeOf(from), "");
    LLVMAddIncoming(loop.index, &from, &loop.before, 1);
    return loop;
}

static void enter_loop(Solve *solve, Loop *loop, LLVMValueRef to)
{
    LLVMBuilderRef b = solve->ptx->emit->builder;
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, loop->index, to, ""), loop->body, loop->after);
    LLVMPositionBuilderAtEnd(b, loop->body);
}

static void end_loop(Solve *solve, Loop *loop, uint32_t step)
{
    LLVMBuilderRef b = solve->ptx->emit->builder;
    LLVMBasicBlockRef last = LLVMGetInsertBlock(b);
    LLVMValueRef next = LLVMBuildAdd(b, loop->index, plait_ptx_int32(solve->ptx, step), "");
    LLVMAddIncoming(loop->index, &next, &last, 1);
    LLVMBuildBr(b, loop->head);
    LLVMPositionBuilderAtEnd(b, loop->after);
}

/* `count` rows from `t` on of column s of the matrix that a column of x has. */
static void load_column(Solve *solve, LLVMValueRef column, LLVMValueRef s, uint32_t more, LLVMValueRef t,
                        uint32_t count, LLVMValueRef *loaded)
{
    PlaitPtx *ptx = solve->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef element = LLVMBuildAdd(b, LLVMBuildMul(b, s, plait_ptx_int32(ptx, solve->pitch), ""), t, "");
    if (solve->columns > solve->inner) {
        LLVMValueRef number = LLVMBuildUDiv(b, column, plait_ptx_int32(ptx, solve->inner), "");
        element =
            LLVMBuildAdd(b, element, LLVMBuildMul(b, number, plait_ptx_int32(ptx, matrix_elements(solve)), ""), "");
    }
    uint32_t width = 16 / plait_scalar_bytes(solve->scalar);
    for (uint32_t i = 0; i < count; i += width)
        plait_ptx_shared_load(
            ptx, solve->scalar,
            plait_ptx_shared_pointer(ptx, solve->scalar, solve->matrix, element, more * solve->pitch + i), width,
            loaded + i);
}

/* x (y, once it is solved) in row t + more. */
static LLVMValueRef x_pointer(Solve *solve, LLVMValueRef t, LLVMValueRef column, uint32_t more)
{
    PlaitPtx *ptx = solve->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef element = LLVMBuildAdd(b, LLVMBuildMul(b, t, plait_ptx_int32(ptx, solve->x_pitch), ""), column, "");
    return plait_ptx_shared_pointer(ptx, solve->scalar, solve->x, element, more * solve->x_pitch);
}

static void load_rows(Solve *solve, LLVMValueRef t, LLVMValueRef column, uint32_t count, LLVMValueRef *loaded)
{
    for (uint32_t i = 0; i < count; i++)
        plait_ptx_shared_load(solve->ptx, solve->scalar, x_pointer(solve, t, column, i), 1, &loaded[i]);
}

static void store_rows(Solve *solve, LLVMValueRef t, LLVMValueRef column, uint32_t count, LLVMValueRef *sums)
{
    for (uint32_t i = 0; i < count; i++)
        plait_ptx_shared_store(solve->ptx, solve->scalar, x_pointer(solve, t, column, i), sums[i], NULL);
}

/* sums += matrix[rows from t on, s] y[s] for s in [0, block), BLOCK of them a turn. */
static void add_earlier(Solve *solve, LLVMValueRef block, LLVMValueRef t, LLVMValueRef column, LLVMValueRef *sums)
{
    PlaitEmit *emit = solve->ptx->emit;
    LLVMValueRef phis[BLOCK], next[BLOCK], entries[BLOCK], y[BLOCK];
    Loop loop = begin_loop(solve, plait_ptx_int32(solve->ptx, 0));
    for (uint32_t i = 0; i < solve->rows; i++) {
        next[i] = phis[i] = LLVMBuildPhi(emit->builder, LLVMTypeOf(sums[i]), "");
        LLVMAddIncoming(phis[i], &sums[i], &loop.before, 1);
    }
    enter_loop(solve, &loop, block);
    load_rows(solve, loop.index, column, BLOCK, y);
    for (uint32_t s = 0; s < BLOCK; s++) {
        load_column(solve, column, loop.index, s, t, solve->rows, entries);
        for (uint32_t i = 0; i < solve->rows; i++) next[i] = plait_emit_fma(emit, entries[i], y[s], next[i]);
    }
    LLVMBasicBlockRef last = LLVMGetInsertBlock(emit->builder);
    for (uint32_t i = 0; i < solve->rows; i++) {
        LLVMAddIncoming(phis[i], &next[i], &last, 1);
        sums[i] = phis[i];
    }
    end_loop(solve, &loop, BLOCK);
}

/* Runs over the columns that this thread has, `threads` apart, from `first` on. */
static Loop begin_columns(Solve *solve, LLVMValueRef first)
{
    Loop columns = begin_loop(solve, first);
    enter_loop(solve, &columns, plait_ptx_int32(solve->ptx, solve->columns));
    return columns;
}

static void add_phase(Solve *solve, LLVMValueRef block)
{
    PlaitPtx *ptx = solve->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef sums[BLOCK], group = plait_ptx_int32(ptx, ptx->kernel->threads / solve->ways);
    LLVMValueRef way = LLVMBuildUDiv(b, ptx->thread, group, "");
    LLVMValueRef first = LLVMBuildURem(b, ptx->thread, group, "");
    LLVMValueRef t = LLVMBuildAdd(b, block, LLVMBuildMul(b, way, plait_ptx_int32(ptx, solve->rows), ""), "");
    Loop columns = begin_columns(solve, first);
    load_rows(solve, t, columns.index, solve->rows, sums);
    add_earlier(solve, block, t, columns.index, sums);
    store_rows(solve, t, columns.index, solve->rows, sums);
    end_loop(solve, &columns, ptx->kernel->threads / solve->ways);
}

static void triangle_phase(Solve *solve, LLVMValueRef block)
{
    PlaitPtx *ptx = solve->ptx;
    LLVMValueRef sums[BLOCK], entries[BLOCK];
    Loop columns = begin_columns(solve, ptx->thread);
    load_rows(solve, block, columns.index, BLOCK, sums);
    for (uint32_t s = 0; s + 1 < BLOCK; s++) {
        load_column(solve, columns.index, block, s, block, BLOCK, entries);
        for (uint32_t t = s + 1; t < BLOCK; t++) sums[t] = plait_emit_fma(ptx->emit, entries[t], sums[s], sums[t]);
    }
    store_rows(solve, block, columns.index, BLOCK, sums);
    end_loop(solve, &columns, ptx->kernel->threads);
}

void plait_ptx_emit_solve(PlaitPtx *ptx, PlaitValue value)
{
    Solve solve = describe(ptx->kernel, value);
    solve.ptx = ptx;
    solve.matrix = plait_ptx_scratch(ptx, value);
    solve.x = solve.matrix + matrix_bytes(&solve);
    write(&solve, solve.inst->operands[0], true);
    write(&solve, solve.inst->operands[1], false);
    plait_ptx_barrier(ptx);
    Loop blocks = begin_loop(&solve, plait_ptx_int32(ptx, 0));
    enter_loop(&solve, &blocks, plait_ptx_int32(ptx, solve.length));
    add_phase(&solve, blocks.index);
    plait_ptx_barrier(ptx);
    triangle_phase(&solve, blocks.index);
    plait_ptx_barrier(ptx);
    end_loop(&solve, &blocks, BLOCK);
    read(&solve, value);
}
