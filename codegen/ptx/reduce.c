/* Reductions: first over a thread's own slots, then over the lanes of a warp by shuffles, then over warps through
 * shared memory. The order is fixed, and threads that hold copies of a result compute it from the same numbers in an
 * order that gives the same bits (a + b = b + a), so copies are equal and runs repeat.
 */
#include "codegen/ptx/ptx.h"

enum { LANE_BITS = 5, CHAINS = 4 };

typedef struct Reduction {
    PlaitPtx *ptx;
    PlaitOp op;
    PlaitScalar scalar;
    PlaitValue value, operand;
    const PlaitPtxShape *in, *out;
    LLVMValueRef *results; /* by slot of `out` */
} Reduction;

/* The thread bits over which a reduction goes. */
static uint32_t reduced_bits(const PlaitPtxShape *in, const PlaitInst *inst)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < inst->axis_count; i++) bits |= plait_ptx_axis(in, inst->axes[i])->threads;
    return bits;
}

static uint32_t lanes_only(uint32_t bits) { return bits & ((1u << LANE_BITS) - 1); }

uint32_t plait_ptx_reduce_bytes(const PlaitFunction *kernel, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(kernel, value);
    PlaitPtxShape in = plait_ptx_shape(kernel, plait_type_of(kernel, inst->operands[0]));
    uint32_t bits = reduced_bits(&in, inst);
    if (bits == lanes_only(bits)) return 0;
    return plait_ptx_shape(kernel, inst->type).slots * kernel->threads *
           plait_scalar_bytes((PlaitScalar)inst->type.scalar);
}

/* A sum of products may be a chain of multiply-adds. */
static LLVMValueRef combine(const Reduction *reduction, LLVMValueRef a, LLVMValueRef b)
{
    if (!a) return b;
    LLVMValueRef result = plait_emit_combine(reduction->ptx->emit, reduction->op, reduction->scalar, a, b);
    if (LLVMIsAInstruction(result) && LLVMCanValueUseFastMathFlags(result))
        LLVMSetFastMathFlags(result, LLVMFastMathAllowContract);
    return result;
}

static LLVMValueRef element(const Reduction *reduction, uint32_t slot)
{
    PlaitPtx *ptx = reduction->ptx;
    LLVMValueRef value = ptx->values[reduction->operand][slot], valid = plait_ptx_valid(ptx, reduction->in, slot);
    if (!valid) return value;
    LLVMValueRef identity =
        plait_emit_number(ptx->emit, reduction->scalar, 1, plait_reduce_identity(reduction->op, reduction->scalar));
    return plait_emit_select(ptx->emit, valid, value, identity);
}

/* Over the thread's own slots. A single result is summed in several chains, which do not wait for each other. */
static void reduce_slots(Reduction *reduction)
{
    uint32_t results = reduction->out->slots, chains = results < CHAINS ? CHAINS : 1;
    LLVMValueRef *partial = PLAIT_NEW_ARRAY(reduction->ptx->emit->arena, LLVMValueRef, results * chains);
    uint32_t *seen = PLAIT_NEW_ARRAY(reduction->ptx->emit->arena, uint32_t, results);
    for (uint32_t slot = 0; slot < reduction->in->slots; slot++) {
        uint32_t result = plait_ptx_project(reduction->in, slot, reduction->out);
        LLVMValueRef *chain = &partial[result * chains + seen[result]++ % chains];
        *chain = combine(reduction, *chain, element(reduction, slot));
    }
    for (uint32_t result = 0; result < results; result++) {
        for (uint32_t chain = 1; chain < chains; chain++)
            if (partial[result * chains + chain])
                partial[result * chains] =
                    combine(reduction, partial[result * chains], partial[result * chains + chain]);
        reduction->results[result] = partial[result * chains];
    }
}

static void reduce_lanes(Reduction *reduction, uint32_t bits)
{
    for (uint32_t bit = 0; bit < LANE_BITS; bit++) {
        if (!(bits >> bit & 1)) continue;
        for (uint32_t i = 0; i < reduction->out->slots; i++) {
            LLVMValueRef other = plait_ptx_shuffle(reduction->ptx, reduction->results[i], reduction->scalar, 1u << bit);
            reduction->results[i] = combine(reduction, reduction->results[i], other);
        }
    }
}

/* Every thread writes its partial results; each then reads those of the threads that differ from it in `bits` only. */
static void reduce_warps(Reduction *reduction, uint32_t bits)
{
    PlaitPtx *ptx = reduction->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMTypeRef i32 = LLVMInt32TypeInContext(ptx->emit->context);
    uint32_t byte = plait_ptx_scratch(ptx, reduction->value), threads = ptx->kernel->threads;
    for (uint32_t i = 0; i < reduction->out->slots; i++)
        plait_ptx_shared_store(ptx, reduction->scalar,
                               plait_ptx_shared_pointer(ptx, reduction->scalar, byte, ptx->thread, i * threads),
                               reduction->results[i], NULL);
    plait_ptx_barrier(ptx);
    LLVMValueRef rest = LLVMBuildAnd(b, ptx->thread, LLVMConstInt(i32, ~bits & (threads - 1), 0), "");
    for (uint32_t i = 0; i < reduction->out->slots; i++) {
        LLVMValueRef sum = NULL;
        for (uint32_t other = 0;; other = (other - bits) & bits) { /* the subsets of `bits`, rising */
            LLVMValueRef loaded;
            plait_ptx_shared_load(ptx, reduction->scalar,
                                  plait_ptx_shared_pointer(ptx, reduction->scalar, byte, rest, i * threads + other), 1,
                                  &loaded);
            sum = combine(reduction, sum, loaded);
            if (other == bits) break;
        }
        reduction->results[i] = sum;
    }
}

void plait_ptx_emit_reduce(PlaitPtx *ptx, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(ptx->kernel, value);
    Reduction reduction = {
        .ptx = ptx, .op = (PlaitOp)inst->op, .scalar = (PlaitScalar)inst->type.scalar, .value = value};
    reduction.operand = inst->operands[0];
    reduction.in = plait_ptx_shape_of(ptx, reduction.operand);
    reduction.out = plait_ptx_shape_of(ptx, value);
    reduction.results = plait_ptx_new_slots(ptx, value, reduction.out->slots);
    uint32_t bits = reduced_bits(reduction.in, inst), lanes = lanes_only(bits);
    reduce_slots(&reduction);
    reduce_lanes(&reduction, lanes);
    if (bits != lanes) reduce_warps(&reduction, bits & ~lanes);
}
