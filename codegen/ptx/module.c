/* Kernels as PTX entries: arguments, program numbers, and the two versions of the body.
 *
 *     entry:  arguments, thread number, program numbers, extents
 *     start:  are all tensors contiguous and aligned?  -> wide or any
 *     wide:   the body with a last stride of 1 and wide accesses
 *     any:    the body for any strides
 *
 * A kernel whose accesses gain nothing from contiguous tensors has only the second body. So has one with a version
 * whose copies the copy engine makes (maps.h): that is an entry of its own, for contiguous and aligned tensors.
 */
#include <string.h>

#include "codegen/ptx/maps.h"
#include "ir/registers.h"

enum { PTX_KERNEL = 71, GROUP = 128 };
/* Elements that a thread makes in all, above which a kernel's body is not written twice. */
enum { MOST_TWICE = 1200 };

static LLVMTypeRef int32_type(const PlaitPtx *ptx) { return LLVMInt32TypeInContext(ptx->emit->context); }
static LLVMTypeRef int64_type(const PlaitPtx *ptx) { return LLVMInt64TypeInContext(ptx->emit->context); }

static const char *entry_name(PlaitArena *arena, const PlaitFunction *kernel, bool maps)
{
    char *name = plait_arena_printf(arena, "%s%s", plait_names_text(kernel->module->names, kernel->name),
                                    maps ? PLAIT_MAPS_SUFFIX : "");
    for (char *c = name; *c; c++)
        if (*c == '.') *c = '_';
    return name;
}

static const unsigned of_function = (unsigned)LLVMAttributeFunctionIndex;

static void add_text_attribute(const PlaitEmit *emit, unsigned index, const char *name, const char *value)
{
    LLVMAttributeRef attribute =
        LLVMCreateStringAttribute(emit->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(emit->function, index, attribute);
}

static void add_flag(const PlaitEmit *emit, unsigned index, const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(emit->function, index, LLVMCreateEnumAttribute(emit->context, kind, value));
}

/* A parameter that is read where it stands. */
static void add_parameter(PlaitPtx *ptx, unsigned index, LLVMTypeRef type, uint64_t alignment)
{
    unsigned kind = LLVMGetEnumAttributeKindForName("byval", 5);
    LLVMAddAttributeAtIndex(ptx->emit->function, index, LLVMCreateTypeAttribute(ptx->emit->context, kind, type));
    add_flag(ptx->emit, index, "align", alignment);
    add_flag(ptx->emit, index, "readonly", 0);
    add_text_attribute(ptx->emit, index, "nvvm.grid_constant", "");
}

/* The arguments are one array by value; then come the tensor maps. */
static void create_function(PlaitPtx *ptx)
{
    PlaitEmit *emit = ptx->emit;
    LLVMTypeRef pointer = LLVMPointerTypeInContext(emit->context, 0);
    uint32_t maps = ptx->maps ? ptx->maps->parameters : 0;
    LLVMTypeRef *types = PLAIT_NEW_ARRAY(emit->arena, LLVMTypeRef, maps + 1);
    for (uint32_t i = 0; i <= maps; i++) types[i] = pointer;
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(emit->context), types, maps + 1, 0);
    emit->function = LLVMAddFunction(emit->module, entry_name(emit->arena, ptx->kernel, maps > 0), type);
    LLVMSetFunctionCallConv(emit->function, PTX_KERNEL);
    LLVMTypeRef array = LLVMArrayType2(int64_type(ptx), ptx->slots.slot_count ? ptx->slots.slot_count : 1);
    add_parameter(ptx, 1, array, 8);
    LLVMTypeRef map = LLVMArrayType2(LLVMInt8TypeInContext(emit->context), 128);
    for (uint32_t i = 0; i < maps; i++) add_parameter(ptx, i + 2, map, 64);
    add_flag(emit, of_function, "nounwind", 0);
    uint32_t count = maps ? plait_ptx_maps_threads(ptx->kernel) : ptx->kernel->threads;
    const char *threads = plait_arena_printf(emit->arena, "%u", count);
    add_text_attribute(emit, of_function, "nvvm.reqntid", threads);
    bool pair = plait_has_block_programs(ptx->kernel) && count == 2 * GROUP; /* of two groups of warps: two fit */
    add_text_attribute(emit, of_function, "nvvm.minctasm",
                       pair ? "2" : "1"); /* or ptxas keeps registers free for a second program */
    const char *shared =
        plait_arena_printf(emit->arena, "%u", maps ? ptx->maps->bytes : plait_ptx_shared_bytes(ptx->kernel));
    add_text_attribute(emit, of_function, "plait.shared", shared);
}

static LLVMValueRef read_register(PlaitPtx *ptx, const char *name)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(ptx->emit->module, id, NULL, 0);
    return LLVMBuildCall2(ptx->entry, LLVMIntrinsicGetType(ptx->emit->context, id, NULL, 0), function, NULL, 0, "");
}

static void read_arguments(PlaitPtx *ptx)
{
    LLVMValueRef array = LLVMGetParam(ptx->emit->function, 0);
    ptx->arguments = PLAIT_NEW_ARRAY(ptx->emit->arena, LLVMValueRef, ptx->slots.slot_count);
    for (uint32_t i = 0; i < ptx->slots.slot_count; i++) {
        LLVMValueRef index = LLVMConstInt(int32_type(ptx), i, 0);
        LLVMValueRef pointer = LLVMBuildInBoundsGEP2(ptx->entry, int64_type(ptx), array, &index, 1, "");
        ptx->arguments[i] = LLVMBuildLoad2(ptx->entry, int64_type(ptx), pointer, "");
    }
    ptx->thread = read_register(ptx, "llvm.nvvm.read.ptx.sreg.tid.x");
}

/* Program numbers are linear, the first axis of the grid fastest; an axis has ceil(extent / block) positions. */
static void read_programs(PlaitPtx *ptx)
{
    LLVMBuilderRef b = ptx->entry;
    const PlaitFunction *kernel = ptx->kernel;
    ptx->programs = PLAIT_NEW_ARRAY(ptx->emit->arena, LLVMValueRef, kernel->axes.count);
    LLVMValueRef rest = read_register(ptx, "llvm.nvvm.read.ptx.sreg.ctaid.x");
    for (uint32_t i = 0; i < kernel->grid.count; i++) {
        PlaitGridAxis axis = kernel->grid.data[i];
        LLVMValueRef block = LLVMConstInt(int32_type(ptx), axis.block, 0), number = rest;
        bool last = i + 1 == kernel->grid.count;
        if (!last || axis.down) {
            LLVMValueRef round = LLVMConstInt(int32_type(ptx), axis.block - 1, 0);
            LLVMValueRef count =
                LLVMBuildUDiv(b, LLVMBuildAdd(b, plait_ptx_extent(ptx, axis.axis), round, ""), block, "");
            number = last ? rest : LLVMBuildURem(b, rest, count, "");
            rest = LLVMBuildUDiv(b, rest, count, "");
            LLVMValueRef one = LLVMConstInt(int32_type(ptx), 1, 0);
            if (axis.down) number = LLVMBuildSub(b, LLVMBuildSub(b, count, one, ""), number, "");
        }
        ptx->programs[axis.axis] = LLVMBuildMul(b, number, block, "");
    }
}

/* One array for all kernels of the module: its size is an argument of the launch. */
static LLVMValueRef shared_array(PlaitEmit *emit)
{
    static const char name[] = "plait_shared";
    LLVMValueRef array = LLVMGetNamedGlobal(emit->module, name);
    if (array) return array;
    array = LLVMAddGlobalInAddressSpace(emit->module, LLVMArrayType2(LLVMInt8TypeInContext(emit->context), 0), name, 3);
    LLVMSetAlignment(array, 1024);
    return array;
}

static void emit_body(PlaitPtx *ptx, LLVMBasicBlockRef block, bool wide)
{
    uint32_t count = ptx->kernel->insts.count;
    LLVMPositionBuilderAtEnd(ptx->emit->builder, block);
    ptx->wide = wide;
    ptx->last_half = PLAIT_HALF_NONE;
    ptx->values = PLAIT_NEW_ARRAY(ptx->emit->arena, LLVMValueRef *, count);
    ptx->kept_done = PLAIT_NEW_ARRAY(ptx->emit->arena, bool, count);
    plait_ptx_emit_region(ptx, ptx->kernel->body);
    LLVMBuildRetVoid(ptx->emit->builder);
}

/* The version whose copies the copy engine makes, for tensors that are contiguous and aligned: the caller sees to
 * that. */
static void emit_with_maps(PlaitPtx *ptx)
{
    PlaitEmit *emit = ptx->emit;
    LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(emit->context, emit->function, "entry");
    LLVMBasicBlockRef start = LLVMAppendBasicBlockInContext(emit->context, emit->function, "start");
    LLVMPositionBuilderAtEnd(ptx->entry, entry);
    LLVMPositionBuilderAtEnd(emit->builder, start);
    read_arguments(ptx);
    read_programs(ptx);
    ptx->wide = true;
    plait_ptx_emit_roles(ptx);
    LLVMBuildBr(ptx->entry, start);
}

/* Programs that prepare a block of tokens have no loop around their accesses. */
static bool has_one_body(const PlaitFunction *kernel)
{
    return plait_has_block_programs(kernel) || plait_program_slots(kernel) > MOST_TWICE;
}

/* The kernel's body twice, for aligned tensors and for any; of long ones only the accesses are there twice: the
 * assembler would take twice as long for two bodies. */
static void emit_versions(PlaitPtx *ptx)
{
    PlaitEmit *emit = ptx->emit;
    LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(emit->context, emit->function, "entry");
    LLVMBasicBlockRef start = LLVMAppendBasicBlockInContext(emit->context, emit->function, "start");
    LLVMBasicBlockRef any = LLVMAppendBasicBlockInContext(emit->context, emit->function, "any");
    LLVMPositionBuilderAtEnd(ptx->entry, entry);
    LLVMPositionBuilderAtEnd(emit->builder, start);
    read_arguments(ptx);
    read_programs(ptx);
    LLVMValueRef condition = ptx->other_version ? NULL : plait_ptx_wide_condition(ptx);
    if (condition && has_one_body(ptx->kernel)) {
        ptx->either = condition;
        LLVMBuildBr(emit->builder, any);
    } else if (condition) {
        LLVMBasicBlockRef wide = LLVMAppendBasicBlockInContext(emit->context, emit->function, "wide");
        LLVMBuildCondBr(emit->builder, condition, wide, any);
        emit_body(ptx, wide, true);
    } else {
        LLVMBuildBr(emit->builder, any);
    }
    emit_body(ptx, any, false);
    LLVMBuildBr(ptx->entry, start);
}

static void emit_entry(PlaitEmit *emit, const PlaitFunction *kernel, const PlaitPtxMaps *maps, bool mapped)
{
    uint32_t count = kernel->insts.count;
    PlaitPtx ptx = {.emit = emit,
                    .kernel = kernel,
                    .slots = plait_slots(emit->arena, kernel),
                    .maps = maps,
                    .other_version = mapped};
    ptx.tensor_use = PLAIT_NEW_ARRAY(emit->arena, uint8_t, count);
    ptx.shapes = PLAIT_NEW_ARRAY(emit->arena, PlaitPtxShape *, count);
    ptx.kept_at = PLAIT_NEW_ARRAY(emit->arena, uint32_t, count);
    ptx.scratch = plait_ptx_plan(kernel, maps != NULL, maps && maps->one_half, ptx.kept_at);
    if (ptx.scratch.bytes || ptx.scratch.kept || maps) ptx.shared = shared_array(emit);
    plait_ptx_note_order(&ptx);
    create_function(&ptx);
    ptx.entry = LLVMCreateBuilderInContext(emit->context);
    if (maps) emit_with_maps(&ptx);
    else emit_versions(&ptx);
    LLVMDisposeBuilder(ptx.entry);
}

/* Of a tile in a thread: far above what registers hold; LLVM and ptxas would take minutes. */
enum { MOST_SLOTS = 2048 };

static void find_large(void *context, PlaitValue value)
{
    const PlaitFunction **kernel = context;
    if (!*kernel || plait_op_of(*kernel, value) == PLAIT_OP_TENSOR) return;
    if (plait_ptx_shape(*kernel, plait_type_of(*kernel, value)).slots > MOST_SLOTS) *kernel = NULL;
}

/* Whether the tiles of a program have room; reports when they have not. */
static bool fits(const PlaitFunction *kernel)
{
    const PlaitFunction *small = kernel;
    plait_region_walk(kernel, kernel->body, find_large, &small);
    if (small) return true;
    PlaitModule *module = kernel->module;
    uint32_t most = MOST_SLOTS * kernel->threads;
    plait_report(
        module->diagnostics,
        (PlaitDiagnostic){
            .id = PLAIT_CANNOT_LOWER,
            .span = kernel->span,
            .found =
                plait_arena_printf(module->arena, "tiles of more than %u elements, which one program of `%s` keeps",
                                   most, plait_names_text(module->names, kernel->name)),
            .expected = plait_arena_printf(module->arena, "at most %u elements", most),
            .help =
                "make the static sizes of axes that are summed over smaller, or give one of them the role `time`: what "
                "goes along it runs in a loop"});
    return false;
}

static void emit_kernel(PlaitEmit *emit, const PlaitFunction *kernel, PlaitPtxPart part)
{
    PlaitPtxMaps maps;
    PlaitSlots slots = plait_slots(emit->arena, kernel);
    bool mapped = plait_ptx_maps(kernel, emit->target, &maps), late = mapped && plait_ptx_is_late(kernel, &slots);
    if (part == PLAIT_PTX_ALL || late == (part == PLAIT_PTX_LATE)) emit_entry(emit, kernel, NULL, mapped);
    if (mapped && part != PLAIT_PTX_LATE) emit_entry(emit, kernel, &maps, true);
}

void plait_ptx_emit_module(PlaitEmit *emit, const PlaitModule *module, PlaitPtxPart part)
{
    for (uint32_t i = 0; i < module->functions.count; i++) {
        const PlaitFunction *kernel = module->functions.data[i];
        if (kernel->level != PLAIT_LEVEL_TILE) continue;
        bool own = strcmp(plait_names_text(module->names, kernel->target), emit->target->name) == 0;
        if (own && fits(kernel)) emit_kernel(emit, kernel, part);
    }
}
