/* The condition under which the wide version of a kernel runs: the last stride of every tensor is 1, and what is moved
 * several elements at a time is aligned. It is computed once from the arguments. */
#include "codegen/ptx/access.h"

typedef struct Condition {
    PlaitPtx *ptx;
    LLVMValueRef holds; /* i1; NULL: nothing to check yet */
    bool useful;        /* some access is better in the wide version */
} Condition;

static LLVMTypeRef int64_type(const PlaitPtx *ptx) { return LLVMInt64TypeInContext(ptx->emit->context); }

static void demand(Condition *condition, LLVMValueRef holds)
{
    LLVMBuilderRef b = condition->ptx->emit->builder;
    condition->holds = condition->holds ? LLVMBuildAnd(b, condition->holds, holds, "") : holds;
}

/* The stride of tensor axis `i`, or `instead` when the axis has only one position, where a stride means nothing. */
static LLVMValueRef stride_of(PlaitPtx *ptx, const PlaitPtxAccess *access, uint32_t first_slot, uint32_t i,
                              uint64_t instead)
{
    LLVMValueRef extent = plait_ptx_extent(ptx, access->indices[i].along);
    LLVMValueRef several =
        LLVMBuildICmp(ptx->emit->builder, LLVMIntUGT, extent, LLVMConstInt(LLVMTypeOf(extent), 1, 0), "");
    LLVMValueRef other = LLVMConstInt(int64_type(ptx), instead, 0);
    return LLVMBuildSelect(ptx->emit->builder, several, ptx->arguments[first_slot + 1 + i], other, "");
}

static void demand_alignment(Condition *condition, const PlaitPtxAccess *access, uint32_t first_slot)
{
    PlaitPtx *ptx = condition->ptx;
    LLVMBuilderRef b = ptx->emit->builder;
    uint64_t bytes = plait_scalar_bytes(access->scalar);
    LLVMValueRef size = LLVMConstInt(int64_type(ptx), bytes, 0), any = ptx->arguments[first_slot];
    for (uint32_t i = 0; i + 1 < access->rank; i++)
        any = LLVMBuildOr(b, any, LLVMBuildMul(b, stride_of(ptx, access, first_slot, i, 0), size, ""), "");
    LLVMValueRef extent = plait_ptx_extent(ptx, plait_ptx_last(access)->along);
    any = LLVMBuildOr(b, any, LLVMBuildMul(b, LLVMBuildZExt(b, extent, int64_type(ptx), ""), size, ""), "");
    LLVMValueRef rest = LLVMBuildAnd(b, any, LLVMConstInt(int64_type(ptx), access->bytes - 1, 0), "");
    demand(condition, LLVMBuildICmp(b, LLVMIntEQ, rest, LLVMConstNull(int64_type(ptx)), ""));
}

static void visit(void *context, PlaitValue value)
{
    Condition *condition = context;
    PlaitPtx *ptx = condition->ptx;
    PlaitOp op = plait_op_of(ptx->kernel, value);
    if (op != PLAIT_OP_LOAD && op != PLAIT_OP_COPY && op != PLAIT_OP_STORE) return;
    PlaitPtxAccess access = plait_ptx_access(ptx->kernel, value);
    if (access.rank == 0 || plait_ptx_last(&access)->unit == PLAIT_NO_AXIS || access.sure) return;
    uint32_t first_slot = 0;
    for (uint32_t i = 0; i < ptx->slots.tensor_count; i++)
        if (ptx->slots.tensors[i] == access.tensor) first_slot = ptx->slots.tensor_slot[i];
    PlaitPtxShape shape = plait_ptx_shape(ptx->kernel, access.type);
    condition->useful |= plait_ptx_axis(&shape, plait_ptx_last(&access)->unit)->slots > 1;
    LLVMValueRef stride = stride_of(ptx, &access, first_slot, access.rank - 1, 1);
    demand(condition, LLVMBuildICmp(ptx->emit->builder, LLVMIntEQ, stride, LLVMConstInt(int64_type(ptx), 1, 0), ""));
    if (access.vec > 1 || access.bytes > plait_scalar_bytes(access.scalar))
        demand_alignment(condition, &access, first_slot);
}

LLVMValueRef plait_ptx_wide_condition(PlaitPtx *ptx)
{
    Condition condition = {.ptx = ptx};
    plait_region_walk(ptx->kernel, ptx->kernel->body, visit, &condition);
    return condition.useful ? condition.holds : NULL;
}
