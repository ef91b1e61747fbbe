/* Writes the tables of runtime/descriptor.h as constants of an LLVM module, and for each operator the C function
 *     int NAME(DLTensor *a, ..., void *stream) { DLTensor *all[] = {a, ...}; return plait_runtime_call(&op, all,
 * stream, NULL, 0); } with NAME_with_workspace, NAME_workspace_bytes and NAME_error beside it: names of the operator's
 * own, since a program that links several libraries reaches the functions of plait.h in one of them only; and
 * __tvm_ffi_NAME. Exported are plait_library and those functions.
 */
#include "codegen/package.h"

#include <string.h>

#include <llvm-c/Target.h>

#include "runtime/descriptor.h"

/* The structures below are written field by field, with the padding that C gives them. */
_Static_assert(sizeof(PlaitAxisDescriptor) == 32 && sizeof(PlaitTensorDescriptor) == 48, "descriptor.h changed");
_Static_assert(sizeof(PlaitKernelDescriptor) == 136 && sizeof(PlaitImageDescriptor) == 64, "descriptor.h changed");
_Static_assert(sizeof(PlaitTargetDescriptor) == 24 && sizeof(PlaitVariantDescriptor) == 40, "descriptor.h changed");
_Static_assert(sizeof(PlaitOperatorDescriptor) == 24 && sizeof(PlaitLibraryDescriptor) == 32, "descriptor.h changed");
_Static_assert((int)PLAIT_DESCRIPTOR_MAX_RANK == (int)PLAIT_MAX_RANK, "a tensor of the IR fits its descriptor");
_Static_assert(PLAIT_BOOL == 0 && PLAIT_I64 == 2 && PLAIT_BF16 == 4 && PLAIT_F64 == 6,
               "scalars as the runtime counts them");
_Static_assert(PLAIT_ROLE_FEATURE == 0 && PLAIT_ROLE_TIME == 3, "roles as the runtime counts them");
_Static_assert(PLAIT_TENSOR_INPUT == 0 && PLAIT_TENSOR_OUTPUT == 1 && PLAIT_TENSOR_WORKSPACE == 2,
               "kinds as the runtime counts them");

typedef struct Tables {
    PlaitCodegen *codegen;
    PlaitEmit *emit;
    LLVMTypeRef pointer, i8, i16, i32, i64;
    LLVMValueRef none;
    LLVMValueRef *images; /* by file of options.kernels: its image's descriptor, or `none` */
    bool *late;           /* likewise: its image has a late part */
} Tables;

static LLVMValueRef number32(const Tables *tables, int64_t value)
{
    return LLVMConstInt(tables->i32, (uint32_t)value, 0);
}
static LLVMValueRef number64(const Tables *tables, int64_t value)
{
    return LLVMConstInt(tables->i64, (uint64_t)value, 1);
}
static LLVMValueRef byte(const Tables *tables, uint32_t value) { return LLVMConstInt(tables->i8, value, 0); }

#define RECORD(tables, type, ...)                                                                                      \
    record(tables, (LLVMValueRef[]){__VA_ARGS__}, sizeof((LLVMValueRef[]){__VA_ARGS__}) / sizeof(LLVMValueRef),        \
           sizeof(type))

static LLVMValueRef record(const Tables *tables, LLVMValueRef *fields, size_t count, size_t size)
{
    LLVMValueRef value = LLVMConstStructInContext(tables->emit->context, fields, (unsigned)count, 0);
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(tables->emit->module);
    plait_assert(LLVMABISizeOfType(layout, LLVMTypeOf(value)) == size);
    return value;
}

/* A constant of the object's own; its address. */
static LLVMValueRef place(const Tables *tables, LLVMValueRef value, uint32_t alignment)
{
    LLVMValueRef global = LLVMAddGlobal(tables->emit->module, LLVMTypeOf(value), "");
    LLVMSetInitializer(global, value);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
    if (alignment) LLVMSetAlignment(global, alignment);
    return global;
}

/* An array of records; NULL when empty. */
static LLVMValueRef place_all(const Tables *tables, LLVMValueRef *values, uint32_t count)
{
    if (count == 0) return tables->none;
    return place(tables, LLVMConstArray2(LLVMTypeOf(values[0]), values, count), 0);
}

static LLVMValueRef text(const Tables *tables, const char *string)
{
    return place(tables, LLVMConstStringInContext2(tables->emit->context, string, strlen(string), 0), 0);
}

static LLVMValueRef name_text(const Tables *tables, PlaitName name)
{
    return text(tables, plait_names_text(&tables->codegen->names, name));
}

static LLVMValueRef *room(const Tables *tables, uint32_t count)
{
    return PLAIT_NEW_ARRAY(tables->codegen->arena, LLVMValueRef, count);
}

static LLVMValueRef shorts(const Tables *tables, const uint16_t *numbers, uint32_t count)
{
    LLVMValueRef *values = room(tables, count);
    for (uint32_t i = 0; i < count; i++) values[i] = LLVMConstInt(tables->i16, numbers[i], 0);
    return place_all(tables, values, count);
}

/* ---- images ---- */

/* A zero follows, so that PTX is a C string; 64 bytes is what the driver's own tools align images to. */
static LLVMValueRef bytes(const Tables *tables, const PlaitText *content)
{
    if (content->length == 0) return tables->none;
    return place(tables, LLVMConstStringInContext2(tables->emit->context, content->data, content->length, 0), 64);
}

static LLVMValueRef image_descriptor(const Tables *tables, const PlaitPackageImage *image)
{
    return RECORD(tables, PlaitImageDescriptor, text(tables, image->target->name), bytes(tables, &image->cubin),
                  bytes(tables, &image->ptx), bytes(tables, &image->late),
                  number64(tables, (int64_t)image->cubin.length), number64(tables, (int64_t)image->ptx.length),
                  number64(tables, (int64_t)image->late.length), number32(tables, image->target->architecture),
                  number32(tables, image->target->exact));
}

static void emit_images(Tables *tables, const PlaitPackageImage *images)
{
    const PlaitCodegenOptions *options = &tables->codegen->options;
    tables->images = room(tables, options->kernels.count);
    tables->late = PLAIT_NEW_ARRAY(tables->codegen->arena, bool, options->kernels.count);
    for (uint32_t i = 0; i < options->kernels.count; i++) {
        tables->images[i] = tables->none;
        for (uint32_t j = 0; j < options->images.count; j++) {
            if (images[j].target != options->kernels.data[i].target) continue;
            tables->images[i] = place(tables, image_descriptor(tables, &images[j]), 0);
            tables->late[i] = images[j].late.length > 0;
        }
    }
}

/* ---- kernels ---- */

static LLVMValueRef cpu_function(const Tables *tables, const char *kernel, const char *suffix)
{
    const char *name = plait_arena_printf(tables->codegen->arena, "%s.%s", kernel, suffix);
    LLVMTypeRef parameters[] = {tables->pointer, tables->i64, tables->i64};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(tables->emit->context), parameters, 3, 0);
    LLVMValueRef function = LLVMAddFunction(tables->emit->module, name, type);
    LLVMSetVisibility(function, LLVMHiddenVisibility);
    return function;
}

static LLVMValueRef grid_blocks(const Tables *tables, const PlaitFunction *function)
{
    LLVMValueRef *values = room(tables, function->grid.count);
    for (uint32_t i = 0; i < function->grid.count; i++) values[i] = number32(tables, function->grid.data[i].block);
    return place_all(tables, values, function->grid.count);
}

static LLVMValueRef grid_axes(const Tables *tables, const PlaitFunction *function)
{
    uint16_t *axes = PLAIT_NEW_ARRAY(tables->codegen->arena, uint16_t, function->grid.count);
    for (uint32_t i = 0; i < function->grid.count; i++) axes[i] = function->grid.data[i].axis;
    return shorts(tables, axes, function->grid.count);
}

/* The version with tensor maps; all zeros when there is none. */
typedef struct MapsFields {
    LLVMValueRef name, maps, alignments;
    uint32_t count, threads, shared;
    bool late;
} MapsFields;

static MapsFields maps_of(const Tables *tables, const PlaitPackageKernel *kernel, const PlaitTarget *target)
{
    MapsFields fields = {.name = tables->none, .maps = tables->none, .alignments = tables->none};
    PlaitArena *arena = tables->codegen->arena;
    PlaitPtxVersion version;
    if (target->kind != PLAIT_TARGET_PTX || !plait_ptx_maps_version(kernel->function, target, &kernel->slots, &version))
        return fields;
    LLVMValueRef *maps = room(tables, version.count), *bytes = room(tables, kernel->slots.tensor_count);
    for (uint32_t i = 0; i < version.count; i++)
        maps[i] =
            RECORD(tables, PlaitMapDescriptor, LLVMConstInt(tables->i16, version.maps[i].tensor, 0),
                   LLVMConstInt(tables->i16, version.maps[i].rows, 0), number32(tables, version.maps[i].box_rows));
    for (uint32_t i = 0; i < kernel->slots.tensor_count; i++) bytes[i] = byte(tables, version.alignments[i]);
    fields.name = text(tables, plait_arena_printf(arena, "%s%s", kernel->symbol, PLAIT_MAPS_SUFFIX));
    fields.maps = place_all(tables, maps, version.count);
    fields.alignments = place_all(tables, bytes, kernel->slots.tensor_count);
    fields.count = version.count;
    fields.threads = version.threads;
    fields.shared = version.shared_bytes;
    fields.late = version.late;
    return fields;
}

static LLVMValueRef kernel_descriptor(const Tables *tables, const PlaitPackageKernel *kernel, uint32_t file)
{
    const PlaitTarget *target = tables->codegen->options.kernels.data[file].target;
    PlaitTargetKind kind = target->kind;
    MapsFields maps = maps_of(tables, kernel, target);
    const PlaitFunction *function = kernel->function;
    LLVMValueRef functions[] = {tables->none, tables->none, tables->none, tables->none};
    _Static_assert(sizeof functions / sizeof *functions == PLAIT_ISA_COUNT, "one function a level");
    for (uint32_t i = 0; kind == PLAIT_TARGET_CPU && i < PLAIT_ISA_COUNT; i++)
        functions[i] = cpu_function(tables, kernel->symbol, plait_isas[i].suffix);
    uint32_t shared = kind == PLAIT_TARGET_PTX ? plait_ptx_shared_bytes(function)
                                               : plait_cpu_stack_bytes(tables->codegen->arena, function);
    return RECORD(
        tables, PlaitKernelDescriptor, text(tables, kernel->symbol),
        LLVMConstArray2(tables->pointer, functions, PLAIT_ISA_COUNT),
        shorts(tables, kernel->tensors, kernel->slots.tensor_count), shorts(tables, kernel->axes, function->axes.count),
        grid_axes(tables, function), grid_blocks(tables, function), number32(tables, kernel->slots.tensor_count),
        number32(tables, function->axes.count), number32(tables, function->grid.count),
        number32(tables, function->threads), number32(tables, shared), number32(tables, kernel->slots.slot_count),
        maps.name, maps.maps, maps.alignments, number32(tables, maps.count), number32(tables, maps.threads),
        number32(tables, maps.shared), number32(tables, maps.late && tables->late[file]));
}

static LLVMValueRef target_descriptor(const Tables *tables, const PlaitPackageTarget *target)
{
    LLVMValueRef *kernels = room(tables, target->kernels.count);
    for (uint32_t i = 0; i < target->kernels.count; i++)
        kernels[i] = kernel_descriptor(tables, &target->kernels.data[i], target->file);
    return RECORD(tables, PlaitTargetDescriptor, tables->images[target->file],
                  place_all(tables, kernels, target->kernels.count), number64(tables, target->kernels.count));
}

/* ---- variants ---- */

static LLVMValueRef axis_descriptor(const Tables *tables, const PlaitAxisInfo *axis)
{
    return RECORD(tables, PlaitAxisDescriptor, name_text(tables, axis->name), number64(tables, axis->size),
                  number32(tables, axis->same_as == PLAIT_NO_AXIS ? -1 : axis->same_as), number32(tables, axis->role),
                  number32(tables, axis->block), number32(tables, axis->multiple));
}

static LLVMValueRef tensor_descriptor(const Tables *tables, const PlaitTensorInfo *tensor)
{
    LLVMValueRef axes[PLAIT_MAX_RANK], reserved[5];
    for (uint32_t i = 0; i < PLAIT_MAX_RANK; i++)
        axes[i] = LLVMConstInt(tables->i16, i < tensor->type.rank ? tensor->type.axes[i] : 0, 0);
    for (uint32_t i = 0; i < 5; i++) reserved[i] = byte(tables, 0);
    return RECORD(tables, PlaitTensorDescriptor, name_text(tables, tensor->name),
                  LLVMConstReal(LLVMDoubleTypeInContext(tables->emit->context), tensor->fallback),
                  byte(tables, tensor->kind), byte(tables, tensor->type.scalar), byte(tables, tensor->type.rank),
                  LLVMConstArray2(tables->i8, reserved, 5), LLVMConstArray2(tables->i16, axes, PLAIT_MAX_RANK));
}

static LLVMValueRef variant_descriptor(const Tables *tables, const PlaitPackageVariant *variant)
{
    LLVMValueRef *axes = room(tables, variant->axes.count), *tensors = room(tables, variant->tensors.count),
                 *targets = room(tables, variant->targets.count);
    for (uint32_t i = 0; i < variant->axes.count; i++) axes[i] = axis_descriptor(tables, &variant->axes.data[i]);
    for (uint32_t i = 0; i < variant->tensors.count; i++)
        tensors[i] = tensor_descriptor(tables, &variant->tensors.data[i]);
    for (uint32_t i = 0; i < variant->targets.count; i++)
        targets[i] = target_descriptor(tables, &variant->targets.data[i]);
    return RECORD(tables, PlaitVariantDescriptor, place_all(tables, axes, variant->axes.count),
                  place_all(tables, tensors, variant->tensors.count),
                  place_all(tables, targets, variant->targets.count), number32(tables, variant->axes.count),
                  number32(tables, variant->tensors.count), number32(tables, variant->targets.count),
                  number32(tables, variant->argument_count));
}

/* ---- operators ---- */

static LLVMValueRef operator_descriptor(const Tables *tables, const PlaitPackageOperator *op)
{
    LLVMValueRef *variants = room(tables, op->variants.count);
    for (uint32_t i = 0; i < op->variants.count; i++) variants[i] = variant_descriptor(tables, op->variants.data[i]);
    return RECORD(tables, PlaitOperatorDescriptor, text(tables, op->name),
                  place_all(tables, variants, op->variants.count), number64(tables, op->variants.count));
}

/* A function of the runtime, hidden: that of this library. */
static LLVMValueRef runtime_function(const Tables *tables, const char *name, LLVMTypeRef type)
{
    LLVMValueRef function = LLVMGetNamedFunction(tables->emit->module, name);
    if (function) return function;
    function = LLVMAddFunction(tables->emit->module, name, type);
    LLVMSetVisibility(function, LLVMHiddenVisibility);
    return function;
}

/* An exported function NAMEsuffix, its body begun: `extra` parameters follow the operator's `count` tensors. */
static LLVMValueRef begin_function(const Tables *tables, const PlaitPackageOperator *op, const char *suffix,
                                   LLVMTypeRef result, uint32_t count, const LLVMTypeRef *extra, uint32_t extra_count)
{
    PlaitArena *arena = tables->codegen->arena;
    const char *name = plait_arena_printf(arena, "%s%s", op->name, suffix);
    LLVMTypeRef *parameters = PLAIT_NEW_ARRAY(arena, LLVMTypeRef, count + extra_count);
    for (uint32_t i = 0; i < count; i++) parameters[i] = tables->pointer;
    for (uint32_t i = 0; i < extra_count; i++) parameters[count + i] = extra[i];
    plait_assert(!LLVMGetNamedFunction(tables->emit->module, name)); /* the driver refuses such names */
    LLVMValueRef function =
        LLVMAddFunction(tables->emit->module, name, LLVMFunctionType(result, parameters, count + extra_count, 0));
    LLVMPositionBuilderAtEnd(tables->emit->builder, LLVMAppendBasicBlockInContext(tables->emit->context, function, ""));
    return function;
}

/* The first `count` parameters, as an array on the stack. */
static LLVMValueRef collect_tensors(const Tables *tables, LLVMValueRef function, uint32_t count)
{
    LLVMBuilderRef builder = tables->emit->builder;
    LLVMTypeRef array = LLVMArrayType2(tables->pointer, count);
    LLVMValueRef tensors = LLVMBuildAlloca(builder, array, "");
    for (uint32_t i = 0; i < count; i++) {
        LLVMValueRef index[] = {number64(tables, 0), number64(tables, i)};
        LLVMBuildStore(builder, LLVMGetParam(function, i),
                       LLVMBuildInBoundsGEP2(builder, array, tensors, index, 2, ""));
    }
    return tensors;
}

static void return_call(const Tables *tables, const char *name, LLVMTypeRef type, LLVMValueRef *operands,
                        uint32_t count)
{
    LLVMBuilderRef builder = tables->emit->builder;
    LLVMBuildRet(builder, LLVMBuildCall2(builder, type, runtime_function(tables, name, type), operands, count, ""));
}

/* NAME, and NAME_with_workspace, whose last two parameters are the memory and its bytes. */
static void emit_call(const Tables *tables, const PlaitPackageOperator *op, LLVMValueRef descriptor, bool workspace)
{
    uint32_t count = op->variants.data[0]->argument_count;
    LLVMTypeRef extra[] = {tables->pointer, tables->pointer, tables->i64};
    LLVMValueRef function =
        begin_function(tables, op, workspace ? "_with_workspace" : "", tables->i32, count, extra, workspace ? 3 : 1);
    LLVMTypeRef parameters[] = {tables->pointer, tables->pointer, tables->pointer, tables->pointer, tables->i64};
    LLVMValueRef tensors = collect_tensors(tables, function, count);
    LLVMValueRef operands[] = {descriptor, tensors, LLVMGetParam(function, count),
                               workspace ? LLVMGetParam(function, count + 1) : tables->none,
                               workspace ? LLVMGetParam(function, count + 2) : number64(tables, 0)};
    return_call(tables, "plait_runtime_call", LLVMFunctionType(tables->i32, parameters, 5, 0), operands, 5);
}

static void emit_measure(const Tables *tables, const PlaitPackageOperator *op, LLVMValueRef descriptor)
{
    uint32_t count = op->variants.data[0]->argument_count;
    LLVMValueRef function = begin_function(tables, op, "_workspace_bytes", tables->i32, count, &tables->pointer, 1);
    LLVMTypeRef parameters[] = {tables->pointer, tables->pointer, tables->pointer};
    LLVMValueRef tensors = collect_tensors(tables, function, count);
    LLVMValueRef operands[] = {descriptor, tensors, LLVMGetParam(function, count)};
    return_call(tables, "plait_runtime_workspace_bytes", LLVMFunctionType(tables->i32, parameters, 3, 0), operands, 3);
}

/* __tvm_ffi_NAME(self, arguments, count, result): the same operator for hosts of TVM's foreign function interface. */
static void emit_tvm(const Tables *tables, const PlaitPackageOperator *op, LLVMValueRef descriptor)
{
    LLVMTypeRef parameters[] = {tables->pointer, tables->pointer, tables->i32, tables->pointer};
    LLVMTypeRef type = LLVMFunctionType(tables->i32, parameters, 4, 0);
    const char *name = plait_arena_printf(tables->codegen->arena, "__tvm_ffi_%s", op->name);
    LLVMValueRef function = LLVMAddFunction(tables->emit->module, name, type);
    LLVMPositionBuilderAtEnd(tables->emit->builder, LLVMAppendBasicBlockInContext(tables->emit->context, function, ""));
    LLVMValueRef operands[] = {descriptor, LLVMGetParam(function, 1), LLVMGetParam(function, 2),
                               LLVMGetParam(function, 3)};
    return_call(tables, "plait_runtime_tvm_call", type, operands, 4);
}

static void emit_functions(const Tables *tables, const PlaitPackageOperator *op, LLVMValueRef descriptor)
{
    emit_call(tables, op, descriptor, false);
    emit_call(tables, op, descriptor, true);
    emit_measure(tables, op, descriptor);
    begin_function(tables, op, "_error", tables->pointer, 0, NULL, 0);
    return_call(tables, "plait_last_error", LLVMFunctionType(tables->pointer, NULL, 0, 0), NULL, 0);
    emit_tvm(tables, op, descriptor);
}

static void emit_library(const Tables *tables, LLVMValueRef operators, uint32_t count)
{
    LLVMValueRef library =
        RECORD(tables, PlaitLibraryDescriptor, number32(tables, PLAIT_DESCRIPTOR_VERSION), number32(tables, 0),
               operators, number64(tables, count), text(tables, tables->codegen->options.compiler));
    LLVMValueRef global = LLVMAddGlobal(tables->emit->module, LLVMTypeOf(library), "plait_library");
    LLVMSetInitializer(global, library);
    LLVMSetGlobalConstant(global, 1);
}

void plait_package_emit(PlaitCodegen *codegen, PlaitEmit *emit, const PlaitPackagePlan *plan,
                        const PlaitPackageImage *images)
{
    LLVMContextRef context = emit->context;
    LLVMTypeRef pointer = LLVMPointerTypeInContext(context, 0);
    Tables tables = {codegen,
                     emit,
                     pointer,
                     LLVMInt8TypeInContext(context),
                     LLVMInt16TypeInContext(context),
                     LLVMInt32TypeInContext(context),
                     LLVMInt64TypeInContext(context),
                     LLVMConstNull(pointer),
                     NULL,
                     NULL};
    emit_images(&tables, images);
    uint32_t count = plan->operators.count;
    LLVMValueRef *operators = room(&tables, count);
    for (uint32_t i = 0; i < count; i++) operators[i] = operator_descriptor(&tables, &plan->operators.data[i]);
    LLVMValueRef all = place_all(&tables, operators, count);
    for (uint32_t i = 0; i < count; i++) {
        LLVMValueRef offset = number64(&tables, i * (int64_t)sizeof(PlaitOperatorDescriptor));
        emit_functions(&tables, &plan->operators.data[i], LLVMConstInBoundsGEP2(tables.i8, all, &offset, 1));
    }
    emit_library(&tables, all, count);
}
