/* CPU kernels: one function for each kernel and level of x86-64, with a loop over the programs that the runtime gives
 * it.
 *
 *     void KERNEL.vN(const int64_t *slots, int64_t first, int64_t end)
 *         tiles that need memory lie on the stack (a few hundred KiB at most; threads have 8 MiB)
 *         for program in [first, end): its block of every grid axis, then the kernel's body
 *
 * The decisions stand in a plan (plan.h) made once: graph.c, order.c, cluster.c. Loop nests are written by nest.c and
 * its helpers. Loops are ours: which, how blocked and how vectorised. LLVM is asked to select instructions and to clean
 * up, not to find loops.
 */
#include "codegen/cpu/matrix.h"

#include <string.h>

LLVMBasicBlockRef plait_cpu_block_add(PlaitCpu *cpu, const char *name)
{
    return LLVMAppendBasicBlockInContext(cpu->emit->context, cpu->emit->function, name);
}

PlaitCpuLoop plait_cpu_loop_begin(PlaitCpu *cpu, LLVMValueRef start)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(builder);
    PlaitCpuLoop loop = {.header = plait_cpu_block_add(cpu, "loop")};
    LLVMBuildBr(builder, loop.header);
    LLVMPositionBuilderAtEnd(builder, loop.header);
    loop.index = LLVMBuildPhi(builder, cpu->i64, "");
    LLVMAddIncoming(loop.index, &start, &before, 1);
    return loop;
}

void plait_cpu_loop_end(PlaitCpu *cpu, PlaitCpuLoop *loop, LLVMValueRef step, LLVMValueRef end)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(builder), after = plait_cpu_block_add(cpu, "after");
    LLVMValueRef next = LLVMBuildNSWAdd(builder, loop->index, step, "");
    LLVMAddIncoming(loop->index, &next, &latch, 1);
    LLVMBuildCondBr(builder, LLVMBuildICmp(builder, LLVMIntSLT, next, end, ""), loop->header, after);
    LLVMPositionBuilderAtEnd(builder, after);
}

/* ---- regions ---- */

static void emit_region(PlaitCpu *cpu, const PlaitRegion *region);

/* Number of steps of a `for`, i64: 0 when it does not run. */
static LLVMValueRef step_count(PlaitCpu *cpu, LLVMValueRef from, LLVMValueRef to, int64_t stride)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMValueRef span = LLVMBuildSub(builder, to, from, ""), zero = plait_cpu_number(cpu, 0);
    LLVMValueRef up = LLVMBuildAdd(builder, span, plait_cpu_number(cpu, (uint64_t)stride - 1), "");
    LLVMValueRef count = LLVMBuildSDiv(builder, up, plait_cpu_number(cpu, (uint64_t)stride), "");
    return plait_emit_select(cpu->emit, LLVMBuildICmp(builder, LLVMIntSGT, span, zero, ""), count, zero);
}

/* One `for` being written. */
typedef struct For {
    const PlaitInst *inst;
    LLVMValueRef from, count, *carries; /* carries: phis of the scalar ones, NULL for tiles */
} For;

static void begin_for(PlaitCpu *cpu, For *loop, LLVMBasicBlockRef before, LLVMValueRef index)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    const PlaitRegion *body = loop->inst->body;
    LLVMTypeRef i32 = plait_emit_type(cpu->emit, PLAIT_I32, 1);
    for (uint32_t i = 0; i + 1 < body->params.count; i++) {
        const PlaitCpuNode *param = plait_cpu_node(cpu->kernel, body->params.data[i + 1]);
        if (param->axes) continue;
        LLVMValueRef initial = cpu->scalars[loop->inst->operands[i + 2]];
        loop->carries[i] = LLVMBuildPhi(builder, plait_emit_type(cpu->emit, param->scalar, 1), "");
        LLVMAddIncoming(loop->carries[i], &initial, &before, 1);
        cpu->scalars[body->params.data[i + 1]] = loop->carries[i];
    }
    int64_t step = loop->inst->ints[0];
    LLVMValueRef at = index;
    if (step < 0)
        at = LLVMBuildSub(builder, LLVMBuildSub(builder, loop->count, plait_cpu_number(cpu, 1), ""), index, "");
    at = LLVMBuildMul(builder, at, plait_cpu_number(cpu, (uint64_t)(step < 0 ? -step : step)), "");
    cpu->scalars[body->params.data[0]] = LLVMBuildTrunc(builder, LLVMBuildAdd(builder, loop->from, at, ""), i32, "");
}

/* Sets the scalar results, in a block that is reached from `before` (no step) and from `latch`. */
static void end_for(PlaitCpu *cpu, const For *loop, PlaitCpuId id, LLVMBasicBlockRef before, LLVMBasicBlockRef latch)
{
    const PlaitRegion *body = loop->inst->body;
    LLVMValueRef *results = PLAIT_NEW_ARRAY(cpu->emit->arena, LLVMValueRef, body->yields.count);
    for (uint32_t i = 0; i < body->yields.count; i++) {
        if (!loop->carries[i]) continue;
        LLVMValueRef incoming[] = {cpu->scalars[loop->inst->operands[i + 2]], cpu->scalars[body->yields.data[i]]};
        results[i] = LLVMBuildPhi(cpu->emit->builder, LLVMTypeOf(incoming[0]), "");
        LLVMAddIncoming(results[i], incoming, (LLVMBasicBlockRef[]){before, latch}, 2);
    }
    for (PlaitCpuId other = 1; other < cpu->kernel->function->insts.count; other++) {
        const PlaitCpuNode *node = plait_cpu_node(cpu->kernel, other);
        if (node->op == PLAIT_OP_RESULT && node->operands[0] == id && !node->axes)
            cpu->scalars[other] = results[node->inst->ints[0]];
    }
}

static void emit_for(PlaitCpu *cpu, PlaitCpuId id)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    For loop = {.inst = plait_cpu_node(cpu->kernel, id)->inst};
    const PlaitRegion *body = loop.inst->body;
    int64_t step = loop.inst->ints[0];
    loop.carries = PLAIT_NEW_ARRAY(cpu->emit->arena, LLVMValueRef, body->yields.count);
    loop.from = LLVMBuildSExt(builder, cpu->scalars[loop.inst->operands[0]], cpu->i64, "");
    LLVMValueRef to = LLVMBuildSExt(builder, cpu->scalars[loop.inst->operands[1]], cpu->i64, "");
    loop.count = step_count(cpu, loop.from, to, step < 0 ? -step : step);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(builder), first = plait_cpu_block_add(cpu, "for"),
                      join = plait_cpu_block_add(cpu, "done");
    LLVMBuildCondBr(builder, LLVMBuildICmp(builder, LLVMIntSGT, loop.count, plait_cpu_number(cpu, 0), ""), first, join);
    LLVMPositionBuilderAtEnd(builder, first);
    plait_matrix_prepare(cpu, plait_cpu_plan_of(cpu->kernel, body));
    first = LLVMGetInsertBlock(builder);
    PlaitCpuLoop counter = plait_cpu_loop_begin(cpu, plait_cpu_number(cpu, 0));
    begin_for(cpu, &loop, first, counter.index);
    emit_region(cpu, body);
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(builder);
    for (uint32_t i = 0; i < body->yields.count; i++)
        if (loop.carries[i]) LLVMAddIncoming(loop.carries[i], &cpu->scalars[body->yields.data[i]], &latch, 1);
    plait_cpu_loop_end(cpu, &counter, plait_cpu_number(cpu, 1), loop.count);
    LLVMBasicBlockRef after = LLVMGetInsertBlock(builder);
    LLVMBuildBr(builder, join);
    LLVMPositionBuilderAtEnd(builder, join);
    end_for(cpu, &loop, id, before, after);
}

static void emit_scalars(PlaitCpu *cpu, const PlaitCpuPlan *plan, uint32_t place)
{
    PlaitNest nest = plait_nest_of_scalars(cpu, plan, place);
    for (uint32_t i = 0; i < plan->scalars.count; i++) {
        PlaitCpuId id = plan->scalars.data[i];
        const PlaitCpuNode *node = plait_cpu_node(cpu->kernel, id);
        if (node->place == place && node->op != PLAIT_OP_RESULT) cpu->scalars[id] = plait_nest_value(&nest, id, 0);
    }
}

static void emit_region(PlaitCpu *cpu, const PlaitRegion *region)
{
    const PlaitCpuPlan *plan = plait_cpu_plan_of(cpu->kernel, region);
    for (uint32_t i = 0; i < plan->groups.count; i++) {
        emit_scalars(cpu, plan, i);
        if (plan->groups.data[i].loop) emit_for(cpu, plan->groups.data[i].loop);
        else plait_nest_emit(cpu, plan, i);
    }
    emit_scalars(cpu, plan, plan->groups.count);
}

/* ---- the function ---- */

static LLVMValueRef load_slot(PlaitCpu *cpu, uint32_t slot, LLVMTypeRef type)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMValueRef at = plait_cpu_number(cpu, slot);
    LLVMValueRef address = LLVMBuildGEP2(builder, cpu->i64, LLVMGetParam(cpu->emit->function, 0), &at, 1, "");
    return LLVMBuildLoad2(builder, type, address, "");
}

static void load_arguments(PlaitCpu *cpu)
{
    const PlaitFunction *function = cpu->kernel->function;
    PlaitSlots slots = plait_slots(cpu->emit->arena, function);
    for (uint32_t i = 0; i < slots.tensor_count; i++) {
        PlaitCpuTensor *tensor = &cpu->tensors[slots.tensors[i]];
        tensor->address = load_slot(cpu, slots.tensor_slot[i], LLVMPointerTypeInContext(cpu->emit->context, 0));
        for (uint32_t k = 0; k < plait_type_of(function, slots.tensors[i]).rank; k++)
            tensor->strides[k] = load_slot(cpu, slots.tensor_slot[i] + 1 + k, cpu->i64);
    }
    for (uint32_t i = 0; i < function->axes.count; i++) {
        int64_t size = function->axes.data[i].size;
        cpu->extents[i] = size == PLAIT_RUNTIME_SIZE ? load_slot(cpu, slots.axis_slot[i], cpu->i64)
                                                     : plait_cpu_number(cpu, (uint64_t)size);
    }
}

static LLVMValueRef stack_bytes(PlaitCpu *cpu, uint64_t bytes, bool cleared)
{
    LLVMTypeRef i8 = LLVMInt8TypeInContext(cpu->emit->context);
    LLVMValueRef memory = LLVMBuildAlloca(cpu->emit->builder, LLVMArrayType2(i8, bytes), "");
    LLVMSetAlignment(memory, 64);
    if (cleared) LLVMBuildMemSet(cpu->emit->builder, memory, LLVMConstInt(i8, 0, 0), plait_cpu_number(cpu, bytes), 64);
    return memory;
}

static LLVMValueRef plain_bytes(PlaitCpu *cpu, uint64_t bytes) { return stack_bytes(cpu, bytes, false); }

static void make_buffers(PlaitCpu *cpu)
{
    for (uint32_t i = 1; i < cpu->kernel->buffers.count; i++) {
        const PlaitCpuBuffer *buffer = &cpu->kernel->buffers.data[i];
        cpu->buffers[i] = stack_bytes(cpu, buffer->count * plait_scalar_bytes(buffer->scalar), buffer->cleared);
    }
    if (cpu->kernel->tiles) plait_matrix_make_room(cpu, plain_bytes);
    cpu->dump = stack_bytes(cpu, PLAIT_CPU_ROW * 8, false);
    cpu->spill = stack_bytes(cpu, (2 + PLAIT_MAX_RANK) * PLAIT_CPU_ROW * 8, false);
}

/* A row of zeros, shared by all functions of the module. */
static LLVMValueRef zeros(PlaitEmit *emit)
{
    static const char name[] = "plait.zeros";
    LLVMValueRef global = LLVMGetNamedGlobal(emit->module, name);
    if (global) return global;
    LLVMTypeRef type = LLVMArrayType2(LLVMInt8TypeInContext(emit->context), PLAIT_CPU_ROW * 8);
    global = LLVMAddGlobal(emit->module, type, name);
    LLVMSetInitializer(global, LLVMConstNull(type));
    LLVMSetGlobalConstant(global, 1);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetAlignment(global, 64);
    return global;
}

/* Splits a linear program number into the start of its block on each grid axis. */
static void find_program(PlaitCpu *cpu, LLVMValueRef number)
{
    const PlaitFunction *function = cpu->kernel->function;
    LLVMBuilderRef builder = cpu->emit->builder;
    for (uint32_t i = 0; i < function->grid.count; i++) {
        PlaitGridAxis grid = function->grid.data[i];
        LLVMValueRef block = plait_cpu_number(cpu, grid.block), at = number;
        bool last = i + 1 == function->grid.count;
        if (!last || grid.down) {
            LLVMValueRef up = LLVMBuildAdd(builder, cpu->extents[grid.axis], plait_cpu_number(cpu, grid.block - 1), "");
            LLVMValueRef count = LLVMBuildUDiv(builder, up, block, "");
            at = last ? number : LLVMBuildURem(builder, number, count, "");
            number = LLVMBuildUDiv(builder, number, count, "");
            if (grid.down)
                at = LLVMBuildSub(builder, LLVMBuildSub(builder, count, plait_cpu_number(cpu, 1), ""), at, "");
        }
        LLVMValueRef start = LLVMBuildMul(builder, at, block, "");
        cpu->programs[grid.axis] = LLVMBuildTrunc(builder, start, plait_emit_type(cpu->emit, PLAIT_I32, 1), "");
    }
}

static void set_attribute(const PlaitEmit *emit, const char *key, const char *value)
{
    LLVMAttributeRef attribute =
        LLVMCreateStringAttribute(emit->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(emit->function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attribute);
}

static LLVMTypeRef function_type(const PlaitEmit *emit)
{
    LLVMTypeRef i64 = LLVMInt64TypeInContext(emit->context);
    LLVMTypeRef parameters[] = {LLVMPointerTypeInContext(emit->context, 0), i64, i64};
    return LLVMFunctionType(LLVMVoidTypeInContext(emit->context), parameters, 3, 0);
}

static const char *function_name(const PlaitEmit *emit, const PlaitFunction *function)
{
    const char *kernel = plait_names_text(function->module->names, function->name);
    return plait_arena_printf(emit->arena, "%s.%s", kernel, emit->isa->suffix);
}

static void add_function(PlaitEmit *emit, const PlaitFunction *function)
{
    emit->function = LLVMAddFunction(emit->module, function_name(emit, function), function_type(emit));
    unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    LLVMAddAttributeAtIndex(emit->function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(emit->context, nounwind, 0));
    set_attribute(emit, "target-cpu", emit->isa->llvm_cpu);
    if (*emit->isa->llvm_features) set_attribute(emit, "target-features", emit->isa->llvm_features);
    set_attribute(emit, "prefer-vector-width", plait_arena_printf(emit->arena, "%u", emit->isa->vector_bytes * 8));
}

static void emit_function(PlaitEmit *emit, const PlaitCpuKernel *kernel)
{
    PlaitArena *arena = emit->arena;
    const PlaitFunction *function = kernel->function;
    add_function(emit, function);
    PlaitCpu cpu = {
        .emit = emit,
        .kernel = kernel,
        .i64 = LLVMInt64TypeInContext(emit->context),
        .scalars = PLAIT_NEW_ARRAY(arena, LLVMValueRef, kernel->nodes.count),
        .buffers = PLAIT_NEW_ARRAY(arena, LLVMValueRef, kernel->buffers.count),
        .programs = PLAIT_NEW_ARRAY(arena, LLVMValueRef, function->axes.count),
        .extents = PLAIT_NEW_ARRAY(arena, LLVMValueRef, function->axes.count),
        .tensors = PLAIT_NEW_ARRAY(arena, PlaitCpuTensor, kernel->nodes.count),
        .zeros = zeros(emit),
    };
    LLVMPositionBuilderAtEnd(emit->builder, plait_cpu_block_add(&cpu, "entry"));
    make_buffers(&cpu);
    load_arguments(&cpu);
    LLVMValueRef first = LLVMGetParam(emit->function, 1), end = LLVMGetParam(emit->function, 2);
    LLVMBasicBlockRef work = plait_cpu_block_add(&cpu, "work"), leave = plait_cpu_block_add(&cpu, "leave");
    LLVMBuildCondBr(emit->builder, LLVMBuildICmp(emit->builder, LLVMIntSLT, first, end, ""), work, leave);
    LLVMPositionBuilderAtEnd(emit->builder, work);
    if (cpu.matrix[0]) plait_matrix_begin(&cpu);
    PlaitCpuLoop programs = plait_cpu_loop_begin(&cpu, first);
    find_program(&cpu, programs.index);
    emit_region(&cpu, function->body);
    plait_cpu_loop_end(&cpu, &programs, plait_cpu_number(&cpu, 1), end);
    if (cpu.matrix[0]) plait_matrix_end(&cpu);
    LLVMBuildBr(emit->builder, leave);
    LLVMPositionBuilderAtEnd(emit->builder, leave);
    LLVMBuildRetVoid(emit->builder);
}

/* Whether the tiles of a program have room; reports when they have not. */
static bool fits_on_stack(const PlaitCpuKernel *kernel)
{
    const PlaitModule *module = kernel->function->module;
    if (kernel->stack_bytes <= PLAIT_CPU_MOST_STACK) return true;
    plait_report(
        module->diagnostics,
        (PlaitDiagnostic){
            .id = PLAIT_CANNOT_LOWER,
            .span = kernel->function->span,
            .found = plait_arena_printf(kernel->arena, "tiles of more than %d bytes, which one program of `%s` keeps",
                                        PLAIT_CPU_MOST_STACK, plait_names_text(module->names, kernel->function->name)),
            .expected = plait_arena_printf(kernel->arena, "at most %d bytes", PLAIT_CPU_MOST_STACK),
            .help =
                "make the static sizes of axes that are summed over smaller, or give one of them the role `time`: what "
                "goes along it runs in a loop"});
    return false;
}

static void find_gpu_only(void *context, PlaitValue value)
{
    const PlaitFunction **function = context;
    if (!*function) return;
    PlaitOp op = plait_op_of(*function, value);
    if (op == PLAIT_OP_RENAME || op == PLAIT_OP_SOLVE) *function = NULL;
}

/* `rename` is for tiles that lie in threads: no lowering for the CPU makes one. Reports that a hand-written text does.
 */
static bool has_no_gpu_only(const PlaitFunction *function)
{
    const PlaitFunction *found = function;
    plait_region_walk(function, function->body, find_gpu_only, &found);
    if (found) return true;
    plait_report(function->module->diagnostics, (PlaitDiagnostic){.id = PLAIT_CANNOT_LOWER,
                                                                  .span = function->span,
                                                                  .found = "`rename` or `solve` in a kernel of the CPU",
                                                                  .help = "give the kernel the target of a GPU"});
    return false;
}

static const PlaitCpuKernel *planned(PlaitArena *arena, const PlaitFunction *function, bool tiles)
{
    PlaitCpuKernel *kernel = PLAIT_NEW(arena, PlaitCpuKernel);
    *kernel = (PlaitCpuKernel){.arena = arena, .function = function, .tiles = tiles};
    plait_cpu_graph_build(kernel);
    plait_cpu_order_choose(kernel);
    plait_cpu_kinds_choose(kernel);
    plait_cpu_cluster(kernel);
    if (tiles) kernel->stack_bytes += plait_matrix_bytes(kernel);
    return kernel;
}

uint32_t plait_cpu_stack_bytes(PlaitArena *arena, const PlaitFunction *kernel)
{
    enum { BESIDE = PLAIT_CPU_ROW * 8 * (3 + PLAIT_MAX_RANK) }; /* see make_buffers */
    uint64_t plain = planned(arena, kernel, false)->stack_bytes, tiles = planned(arena, kernel, true)->stack_bytes;
    return (uint32_t)((plain > tiles ? plain : tiles) + BESIDE);
}

void plait_cpu_emit_module(PlaitEmit *emit, const PlaitModule *module)
{
    for (uint32_t i = 0; i < module->functions.count; i++) {
        const PlaitFunction *function = module->functions.data[i];
        if (function->level != PLAIT_LEVEL_TILE) continue;
        if (strcmp(plait_names_text(module->names, function->target), emit->target->name) != 0) continue;
        if (!has_no_gpu_only(function)) continue;
        const PlaitCpuKernel *kernel = planned(emit->arena, function, false);
        if (!fits_on_stack(kernel)) continue;
        for (uint32_t isa = 0; isa < PLAIT_ISA_COUNT; isa++) {
            if (emit->only && emit->only != &plait_isas[isa]) continue;
            emit->isa = &plait_isas[isa];
            /* One plan for all levels, but for matrix units where their memory fits too. */
            const PlaitCpuKernel *now =
                plait_isa_has_matrix_units(emit->isa) ? planned(emit->arena, function, true) : kernel;
            if (now->stack_bytes > PLAIT_CPU_MOST_STACK) now = kernel;
            bool last = plait_isa_has_matrix_units(emit->isa);
            bool again = last && !emit->only && (now == kernel || !plait_matrix_bytes(now));
            if (again) /* the function of the level before */
                LLVMAddAlias2(emit->module, function_type(emit), 0, emit->function, function_name(emit, function));
            else emit_function(emit, now);
        }
    }
}
