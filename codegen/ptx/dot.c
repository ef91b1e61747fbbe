/* Products on the ordinary arithmetic units.
 *
 * Both operands are staged in shared memory. Each thread then runs over the contracted axis, STEPS positions a turn,
 * reads the rows that its slots of the result need and adds their products, in order. The sum is exact f32 (or f64)
 * arithmetic: one rounding for each multiply-add.
 */
#include "codegen/ptx/ptx.h"

enum { STEPS = 4 };

/* One operand as the threads read it. */
typedef struct Side {
    PlaitPtxStage stage;
    PlaitPtxShape rows; /* the axes without the contracted one, as they lie in the result; the inner axis last */
    uint32_t pitch[PLAIT_MAX_RANK]; /* by axis of `rows` */
    uint32_t step;                  /* elements from one contracted position to the next */
    LLVMValueRef start;             /* i32: element of this thread's slot 0 */
    LLVMValueRef *values;           /* rows.slots * STEPS elements read in this turn, in the result's scalar type */
} Side;

typedef struct Product {
    PlaitPtx *ptx;
    PlaitValue dot;
    const PlaitPtxShape *shape;
    PlaitScalar scalar;
    Side sides[2];
    LLVMValueRef *sums;
} Product;

static void add_row_axis(Product *product, Side *side, PlaitAxis axis, uint32_t pitch)
{
    const PlaitPtxAxis *lie = plait_ptx_axis(product->shape, axis);
    side->pitch[side->rows.rank] = pitch;
    side->rows.axes[side->rows.rank++] = *lie;
    side->rows.slots *= lie->slots;
    LLVMValueRef field = plait_ptx_field(product->ptx, lie);
    if (!field) return;
    LLVMBuilderRef b = product->ptx->emit->builder;
    field = LLVMBuildMul(b, field, plait_ptx_int32(product->ptx, pitch), "");
    side->start = side->start ? LLVMBuildAdd(b, side->start, field, "") : field;
}

static void begin_side(Product *product, Side *side, uint32_t index)
{
    PlaitPtx *ptx = product->ptx;
    PlaitAxis contracted = plait_inst(ptx->kernel, product->dot)->axes[0];
    side->stage = plait_ptx_stage(ptx->kernel, product->dot, index);
    side->rows.slots = 1;
    PlaitType type = plait_type_of(ptx->kernel, side->stage.value);
    uint32_t inner = type.rank;
    for (uint32_t i = 0; i < type.rank; i++) {
        if (type.axes[i] == contracted) side->step = side->stage.pitch[i];
        else if (type.axes[i] == side->stage.inner) inner = i;
        else add_row_axis(product, side, type.axes[i], side->stage.pitch[i]);
    }
    if (inner < type.rank) add_row_axis(product, side, type.axes[inner], side->stage.pitch[inner]);
    side->values = PLAIT_NEW_ARRAY(ptx->emit->arena, LLVMValueRef, side->rows.slots * STEPS);
}

/* How many slots of a row stand next to each other in memory and are read at once. */
static uint32_t run_of(const Side *side)
{
    if (side->rows.rank == 0 || side->rows.axes[side->rows.rank - 1].axis != side->stage.inner) return 1;
    uint32_t run = 16 / plait_scalar_bytes(side->stage.scalar);
    while (run > 1 && side->rows.axes[side->rows.rank - 1].vec % run) run /= 2;
    return run;
}

/* Reads `count` elements of row slot `slot` at contracted position `at` plus `step` and puts them `stride` apart. */
static void read_row(Product *product, Side *side, LLVMValueRef at, uint32_t slot, uint32_t step, uint32_t count,
                     uint32_t stride)
{
    PlaitPtx *ptx = product->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef element = LLVMBuildMul(b, at, plait_ptx_int32(ptx, side->step), ""), loaded[16];
    if (side->start) element = LLVMBuildAdd(b, element, side->start, "");
    uint32_t fixed = step * side->step;
    for (uint32_t i = 0; i < side->rows.rank; i++)
        fixed +=
            side->pitch[i] * plait_ptx_static_position(&side->rows.axes[i], plait_ptx_axis_slot(&side->rows, slot, i));
    LLVMValueRef pointer = plait_ptx_shared_pointer(ptx, side->stage.scalar, side->stage.byte, element, fixed);
    plait_ptx_shared_load(ptx, side->stage.scalar, pointer, count, loaded);
    for (uint32_t i = 0; i < count; i++)
        side->values[slot * STEPS + step + i * stride] =
            plait_emit_cast(ptx->emit, loaded[i], side->stage.scalar, product->scalar);
}

static void read_side(Product *product, Side *side, LLVMValueRef at, uint32_t steps)
{
    bool along = side->step == 1; /* contracted positions are neighbours */
    uint32_t run = along ? 1 : run_of(side);
    for (uint32_t slot = 0; slot < side->rows.slots; slot += run) {
        if (along && steps > 1) {
            read_row(product, side, at, slot, 0, steps, 1);
            continue;
        }
        for (uint32_t step = 0; step < steps; step++) read_row(product, side, at, slot, step, run, STEPS);
    }
}

/* Adds the products of `steps` positions from `at` on. */
static void add_products(Product *product, LLVMValueRef at, uint32_t steps)
{
    for (uint32_t side = 0; side < 2; side++) read_side(product, &product->sides[side], at, steps);
    for (uint32_t slot = 0; slot < product->shape->slots; slot++) {
        uint32_t a = plait_ptx_project(product->shape, slot, &product->sides[0].rows) * STEPS;
        uint32_t b = plait_ptx_project(product->shape, slot, &product->sides[1].rows) * STEPS;
        for (uint32_t step = 0; step < steps; step++)
            product->sums[slot] = plait_emit_fma(product->ptx->emit, product->sides[0].values[a + step],
                                                 product->sides[1].values[b + step], product->sums[slot]);
    }
}

/* A loop over `turns` whole turns; the sums are carried. */
static void run_turns(Product *product, uint32_t turns)
{
    PlaitEmit *emit = product->ptx->emit;
    LLVMBuilderRef b = emit->builder;
    LLVMTypeRef type = plait_emit_type(emit, product->scalar, 1), i32 = LLVMInt32TypeInContext(emit->context);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(emit->context, emit->function, "product");
    LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(emit->context, emit->function, "");
    LLVMValueRef *phis = PLAIT_NEW_ARRAY(emit->arena, LLVMValueRef, product->shape->slots);
    LLVMBuildBr(b, body);
    LLVMPositionBuilderAtEnd(b, body);
    LLVMValueRef at = LLVMBuildPhi(b, i32, ""), zero = LLVMConstNull(i32);
    LLVMAddIncoming(at, &zero, &before, 1);
    for (uint32_t i = 0; i < product->shape->slots; i++) {
        phis[i] = LLVMBuildPhi(b, type, "");
        LLVMAddIncoming(phis[i], &product->sums[i], &before, 1);
        product->sums[i] = phis[i];
    }
    add_products(product, at, STEPS);
    LLVMValueRef next = LLVMBuildAdd(b, at, LLVMConstInt(i32, STEPS, 0), "");
    LLVMValueRef more = LLVMBuildICmp(b, LLVMIntULT, next, LLVMConstInt(i32, turns * STEPS, 0), "");
    LLVMBuildCondBr(b, more, body, after);
    LLVMAddIncoming(at, &next, &body, 1);
    for (uint32_t i = 0; i < product->shape->slots; i++) LLVMAddIncoming(phis[i], &product->sums[i], &body, 1);
    LLVMPositionBuilderAtEnd(b, after);
}

void plait_ptx_emit_dot(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    if (inst->axis_count == 2) {
        plait_ptx_emit_matrix_dot(ptx, value);
        return;
    }
    Product product = {
        .ptx = ptx, .dot = value, .shape = plait_ptx_shape_of(ptx, value), .scalar = (PlaitScalar)inst->type.scalar};
    product.sums = plait_ptx_new_slots(ptx, value, product.shape->slots);
    for (uint32_t slot = 0; slot < product.shape->slots; slot++)
        product.sums[slot] = inst->operand_count == 3 ? plait_ptx_operand(ptx, inst->operands[2], product.shape, slot)
                                                      : plait_emit_number(ptx->emit, product.scalar, 1, 0);
    for (uint32_t side = 0; side < 2; side++) begin_side(&product, &product.sides[side], side);
    PlaitPtxStage *stages[] = {&product.sides[0].stage, &product.sides[1].stage};
    plait_ptx_stage_both(ptx, stages);
    uint32_t length = ptx->kernel->axes.data[inst->axes[0]].tile, turns = length / STEPS;
    LLVMValueRef zero = plait_ptx_int32(ptx, 0);
    if (turns == 1) add_products(&product, zero, STEPS);
    else if (turns > 1) run_turns(&product, turns);
    for (uint32_t at = turns * STEPS; at < length; at++) add_products(&product, plait_ptx_int32(ptx, at), 1);
}
