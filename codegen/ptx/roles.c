/* The version of a kernel with two roles: four warps start the copies, the others compute.
 *
 * The entry block has what both need. Thread 0 makes the barriers and everybody meets. Of the copying warps one thread
 * each walks the kernel's loops and starts the copies of its rings as tiles become free; each ring has a warp of its
 * own where there are enough, so that none waits for another's. The computing warps run the kernel, with waits in place
 * of copies.
 *
 * Registers are moved from the copying warps to the computing ones (`setmaxnreg`): a multiprocessor has 512 for each
 * thread of a group of four warps.
 */
#include "codegen/ptx/maps.h"

enum { GROUP_THREADS = 128, WARP_THREADS = 32, COPY_WARPS = 4, COPY_REGISTERS = 24, REGISTERS = 512 };

static bool has_copies(const PlaitFunction *kernel, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++)
        if (plait_op_of(kernel, region->body.data[i]) == PLAIT_OP_COPY) return true;
    return false;
}

/* The warp, of `warps`, that starts the copy: all that use one ring have the same. */
static uint32_t warp_of(const PlaitPtx *ptx, PlaitValue copy, uint32_t warps)
{
    return plait_ptx_map_of(ptx->maps, copy)->parameter % warps;
}

static void copy_region(PlaitPtx *ptx, const PlaitRegion *region, uint32_t warp, uint32_t warps)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(ptx->kernel, value);
        if (inst->op == PLAIT_OP_COPY) {
            if (warp_of(ptx, value, warps) == warp) plait_ptx_copy_issue(ptx, value);
        } else if (inst->op == PLAIT_OP_FOR && has_copies(ptx->kernel, inst->body)) {
            PlaitPtxLoop loop = plait_ptx_loop_begin(ptx, value, false);
            copy_region(ptx, inst->body, warp, warps);
            plait_ptx_loop_end(ptx, &loop);
        } else if (plait_is_uniform(ptx->kernel, value)) {
            plait_ptx_emit_inst(ptx, value);
        }
    }
}

static void set_registers(PlaitPtx *ptx, const char *way, uint32_t count)
{
    const char *text = plait_arena_printf(ptx->emit->arena, "setmaxnreg.%s.sync.aligned.u32 %u;", way, count / 8 * 8);
    if (ptx->kernel->threads > GROUP_THREADS)
        plait_ptx_asm(ptx, LLVMVoidTypeInContext(ptx->emit->context), text, "~{memory}", NULL, 0);
}

static void begin_role(PlaitPtx *ptx, LLVMBasicBlockRef block)
{
    uint32_t count = ptx->kernel->insts.count;
    LLVMPositionBuilderAtEnd(ptx->emit->builder, block);
    ptx->last_half = PLAIT_HALF_NONE;
    ptx->ring_tile = ptx->ring_parity = NULL;
    ptx->values = PLAIT_NEW_ARRAY(ptx->emit->arena, LLVMValueRef *, count);
    ptx->kept_done = PLAIT_NEW_ARRAY(ptx->emit->arena, bool, count);
}

static void emit_copiers(PlaitPtx *ptx, LLVMBasicBlockRef end)
{
    LLVMBuilderRef b = ptx->emit->builder;
    uint32_t warps = ptx->maps->parameters < COPY_WARPS ? ptx->maps->parameters : COPY_WARPS;
    for (uint32_t warp = 0; warp < warps; warp++) {
        LLVMBasicBlockRef copies = plait_ptx_new_block(ptx, "copies"), next = plait_ptx_new_block(ptx, "");
        LLVMValueRef thread = plait_ptx_int32(ptx, ptx->kernel->threads + warp * WARP_THREADS);
        LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntEQ, ptx->thread, thread, ""), copies, next);
        begin_role(ptx, copies);
        copy_region(ptx, ptx->kernel->body, warp, warps);
        LLVMBuildBr(b, end);
        LLVMPositionBuilderAtEnd(b, next);
    }
    LLVMBuildBr(b, end);
}

void plait_ptx_emit_roles(PlaitPtx *ptx)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMBasicBlockRef make = plait_ptx_new_block(ptx, "barriers"), meet = plait_ptx_new_block(ptx, "meet"),
                      copier = plait_ptx_new_block(ptx, "copier");
    LLVMBasicBlockRef compute = plait_ptx_new_block(ptx, "compute"), end = plait_ptx_new_block(ptx, "end");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntEQ, ptx->thread, plait_ptx_int32(ptx, 0), ""), make, meet);
    LLVMPositionBuilderAtEnd(b, make);
    plait_ptx_init_barriers(ptx);
    LLVMBuildBr(b, meet);
    LLVMPositionBuilderAtEnd(b, meet);
    LLVMValueRef zero = plait_ptx_int32(ptx, 0);
    plait_emit_intrinsic(ptx->emit, "llvm.nvvm.barrier.cta.sync.aligned.all", &zero, 1);
    uint32_t threads = ptx->kernel->threads;
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntUGE, ptx->thread, plait_ptx_int32(ptx, threads), ""), copier, compute);
    LLVMPositionBuilderAtEnd(b, copier);
    set_registers(ptx, "dec", COPY_REGISTERS);
    emit_copiers(ptx, end);
    begin_role(ptx, compute);
    set_registers(ptx, "inc", (REGISTERS - COPY_REGISTERS) / (threads / GROUP_THREADS));
    plait_ptx_emit_region(ptx, ptx->kernel->body);
    LLVMBuildBr(b, end);
    LLVMPositionBuilderAtEnd(b, end);
    LLVMBuildRetVoid(b);
}
