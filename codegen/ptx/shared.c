/* Shared memory: how much a kernel needs, and barriers that make its reuse free of races.
 *
 * Every operation that moves values between threads (a reduction over warps, a product, a conversion) is one *use* of
 * the scratch: write, barrier, read. With two halves that alternate, the barrier inside a use also guards the half that
 * the use after the next writes again, so that no further barrier is needed; in a loop with an odd number of uses, or
 * with one half only, a use waits first. `last_half` says which half may still be read by a slower thread.
 */
#include "codegen/ptx/share.h"

enum { ALIGNMENT = PLAIT_PTX_SWIZZLE_BYTES, MOST_KEPT = 100 * 1024, MOST_DOUBLED = 96 * 1024 };

static uint32_t aligned(uint32_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

typedef struct Planner {
    const PlaitFunction *kernel;
    PlaitPtxScratch scratch;
    uint32_t *kept_at; /* relative to the end of the scratch */
    uint8_t *manners;  /* by value: how products want it staged, a bit for each of the two ways */
} Planner;

static void note_manner(void *context, PlaitValue value)
{
    Planner *planner = context;
    if (plait_op_of(planner->kernel, value) != PLAIT_OP_DOT) return;
    for (uint32_t side = 0; side < 2; side++) {
        PlaitPtxStage stage = plait_ptx_stage(planner->kernel, value, side);
        planner->manners[stage.value] |= (uint8_t)(stage.swizzled ? 2 : 1);
    }
}

static void plan_kept(void *context, PlaitValue value)
{
    Planner *planner = context;
    if (plait_op_of(planner->kernel, value) != PLAIT_OP_DOT) return;
    for (uint32_t side = 0; side < 2; side++) {
        PlaitPtxStage stage = plait_ptx_stage(planner->kernel, value, side);
        uint32_t bytes = aligned(stage.bytes);
        if (!stage.value || plait_ptx_is_copied(planner->kernel, stage.value, planner->scratch.maps)) continue;
        bool alike = planner->manners[stage.value] != 3; /* one array cannot lie in both ways */
        bool keep = alike && plait_ptx_stage_can_stay(planner->kernel, value, side) &&
                    planner->scratch.kept + bytes <= MOST_KEPT;
        if (!keep || planner->kept_at[stage.value]) continue;
        planner->kept_at[stage.value] = planner->scratch.kept + 1;
        planner->scratch.kept += bytes;
    }
}

uint32_t plait_ptx_operation_bytes(const PlaitFunction *kernel, PlaitValue value, bool maps, const uint32_t *kept_at)
{
    PlaitOp op = plait_op_of(kernel, value);
    if (op == PLAIT_OP_DOT) return plait_ptx_dot_bytes(kernel, value, maps, kept_at);
    if (op == PLAIT_OP_CONVERT) return plait_ptx_convert_bytes(kernel, value);
    if (op == PLAIT_OP_SOLVE) return plait_ptx_solve_bytes(kernel, value);
    return plait_op_is_reduce(op) ? plait_ptx_reduce_bytes(kernel, value) : 0;
}

static void plan_scratch(void *context, PlaitValue value)
{
    Planner *planner = context;
    uint32_t bytes =
        aligned(plait_ptx_operation_bytes(planner->kernel, value, planner->scratch.maps, planner->kept_at));
    if (bytes > planner->scratch.bytes) planner->scratch.bytes = bytes;
}

static void plan_slack(void *context, PlaitValue value)
{
    Planner *planner = context;
    if (plait_op_of(planner->kernel, value) != PLAIT_OP_DOT) return;
    uint32_t reach = plait_ptx_dot_reach(planner->kernel, value);
    if (reach > planner->scratch.slack) planner->scratch.slack = reach;
}

bool plait_ptx_is_copied(const PlaitFunction *kernel, PlaitValue value, bool maps)
{
    return maps && plait_op_of(kernel, value) == PLAIT_OP_COPY;
}

PlaitPtxScratch plait_ptx_plan(const PlaitFunction *kernel, bool maps, bool one_half, uint32_t *kept_at)
{
    Planner planner = {.kernel = kernel, .scratch = {.maps = maps}, .kept_at = kept_at};
    PlaitPtxScratch *scratch = &planner.scratch;
    planner.manners = PLAIT_NEW_ARRAY(kernel->module->arena, uint8_t, kernel->insts.count);
    plait_region_walk(kernel, kernel->body, note_manner, &planner);
    bool shared = !maps && plait_has_block_programs(kernel);
    plait_region_walk(kernel, kernel->body, plan_slack, &planner);
    if (shared && plait_ptx_share(kernel, planner.manners, scratch, kept_at)) return *scratch;
    for (PlaitValue value = 0; value < kernel->insts.count; value++) kept_at[value] = 0;
    plait_region_walk(kernel, kernel->body, plan_kept, &planner);
    plait_region_walk(kernel, kernel->body, plan_scratch, &planner);
    scratch->halves = !one_half && 2 * scratch->bytes + scratch->kept <= MOST_DOUBLED ? 2 : 1;
    for (PlaitValue value = 0; value < kernel->insts.count; value++)
        if (kept_at[value]) kept_at[value] += scratch->halves * scratch->bytes;
    return *scratch;
}

uint32_t plait_ptx_scratch_bytes(const PlaitPtxScratch *scratch)
{
    uint32_t bytes = scratch->halves * scratch->bytes + scratch->kept;
    return bytes ? bytes + aligned(scratch->slack) : 0;
}

uint32_t plait_ptx_shared_bytes(const PlaitFunction *kernel)
{
    uint32_t *kept_at = PLAIT_NEW_ARRAY(kernel->module->arena, uint32_t, kernel->insts.count);
    PlaitPtxScratch scratch = plait_ptx_plan(kernel, false, false, kept_at);
    return plait_ptx_scratch_bytes(&scratch);
}

uint32_t plait_ptx_scratch(PlaitPtx *ptx, PlaitValue value)
{
    if (ptx->scratch.own && ptx->scratch.own[value]) {
        plait_ptx_barrier(ptx);
        ptx->last_half = PLAIT_HALF_ANY;
        return ptx->scratch.own[value] - 1;
    }
    bool wait = ptx->last_half == PLAIT_HALF_ANY || (ptx->scratch.halves == 1 && ptx->last_half != PLAIT_HALF_NONE);
    if (wait) plait_ptx_barrier(ptx);
    uint32_t half = !wait && ptx->last_half == 0 ? 1 : 0;
    ptx->last_half = half;
    return half * ptx->scratch.bytes;
}

/* Uses of scratch in a region itself; sets `nested` when a loop in it has any. */
static uint32_t uses_in(const PlaitPtx *ptx, const PlaitRegion *region, bool *nested)
{
    uint32_t uses = 0;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        uses += plait_ptx_operation_bytes(ptx->kernel, value, ptx->scratch.maps, ptx->kept_at) > 0;
        const PlaitRegion *inner = plait_inst(ptx->kernel, value)->body;
        bool deeper = false;
        if (inner && (uses_in(ptx, inner, &deeper) || deeper)) *nested = true;
    }
    return uses;
}

void plait_ptx_scratch_loop(PlaitPtx *ptx, const PlaitRegion *body)
{
    bool nested = false;
    uint32_t uses = uses_in(ptx, body, &nested);
    if (nested || uses % 2 == 1) ptx->last_half = PLAIT_HALF_ANY;
    else if (uses && ptx->last_half == PLAIT_HALF_NONE) ptx->last_half = ptx->scratch.halves == 2 ? 1 : 0;
}

LLVMValueRef plait_ptx_shared_byte(PlaitPtx *ptx, LLVMValueRef offset, uint32_t byte)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMTypeRef int8 = LLVMInt8TypeInContext(ptx->emit->context);
    LLVMValueRef pointer = ptx->shared, rest = plait_ptx_int32(ptx, byte);
    if (offset) pointer = LLVMBuildInBoundsGEP2(b, int8, pointer, &offset, 1, "");
    return LLVMBuildInBoundsGEP2(b, int8, pointer, &rest, 1, "");
}

LLVMValueRef plait_ptx_shared_pointer(PlaitPtx *ptx, PlaitScalar scalar, uint32_t byte, LLVMValueRef element,
                                      uint32_t fixed)
{
    uint32_t bytes = plait_scalar_bytes(scalar);
    if (element) element = LLVMBuildMul(ptx->emit->builder, element, plait_ptx_int32(ptx, bytes), "");
    return plait_ptx_shared_byte(ptx, element, byte + fixed * bytes);
}
