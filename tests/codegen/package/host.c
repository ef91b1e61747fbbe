/* The object that `plait-codegen package` makes of cpu.tir and gpu.tir, linked with the CPU kernels and a runtime that
 * only notes what it is called with: every field of the tables that the real runtime relies on. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../support/check.h"
#include "runtime/descriptor.h"

extern const PlaitLibraryDescriptor plait_library;
int cumulative(void *x, void *x0, void *y, void *stream);
int twice(void *x, void *y, void *stream);
int cumulative_with_workspace(void *x, void *x0, void *y, void *stream, void *workspace, uint64_t workspace_bytes);
int twice_workspace_bytes(void *x, void *y, uint64_t *bytes);
const char *cumulative_error(void);

static struct Call {
    const PlaitOperatorDescriptor *op;
    void *tensors[3], *stream, *workspace;
    uint64_t workspace_bytes;
} call;

int plait_runtime_call(const PlaitOperatorDescriptor *op, void *const *tensors, void *stream, void *workspace,
                       uint64_t workspace_bytes);
int plait_runtime_call(const PlaitOperatorDescriptor *op, void *const *tensors, void *stream, void *workspace,
                       uint64_t workspace_bytes)
{
    call = (struct Call){.op = op, .stream = stream, .workspace = workspace, .workspace_bytes = workspace_bytes};
    memcpy(call.tensors, tensors, op->variants[0].argument_count * sizeof *tensors);
    return 42;
}

int plait_runtime_workspace_bytes(const PlaitOperatorDescriptor *op, void *const *tensors, uint64_t *bytes);
int plait_runtime_workspace_bytes(const PlaitOperatorDescriptor *op, void *const *tensors, uint64_t *bytes)
{
    call = (struct Call){.op = op};
    memcpy(call.tensors, tensors, op->variants[0].argument_count * sizeof *tensors);
    *bytes = 77;
    return 43;
}

const char *plait_last_error(void);
const char *plait_last_error(void) { return "wrong"; }

/* Reserved names, but those that hosts of TVM's interface look for. */
int __tvm_ffi_twice(void *self, const void *values, int32_t count, void *result);
int plait_runtime_tvm_call(const PlaitOperatorDescriptor *op, const void *values, int32_t count, void *result);
int plait_runtime_tvm_call(const PlaitOperatorDescriptor *op, const void *values, int32_t count, void *result)
{
    call = (struct Call){.op = op, .stream = result, .workspace_bytes = (uint64_t)count};
    call.tensors[0] = (void *)(uintptr_t)values;
    return 44;
}

static void test_tvm(void)
{
    int values, result;
    CHECK(__tvm_ffi_twice(NULL, &values, 2, &result) == 44);
    CHECK(call.op == &plait_library.operators[1] && call.tensors[0] == &values && call.stream == &result);
    CHECK(call.workspace_bytes == 2);
}

static void test_functions_of_name(void)
{
    int x, x0, y, stream, workspace;
    uint64_t bytes = 0;
    CHECK(cumulative_with_workspace(&x, &x0, &y, &stream, &workspace, 1 << 20) == 42);
    CHECK(call.op == &plait_library.operators[0] && call.tensors[0] == &x && call.tensors[1] == &x0 &&
          call.tensors[2] == &y);
    CHECK(call.stream == &stream && call.workspace == &workspace && call.workspace_bytes == 1 << 20);
    CHECK(twice_workspace_bytes(&y, &x, &bytes) == 43 && bytes == 77);
    CHECK(call.op == &plait_library.operators[1] && call.tensors[0] == &y && call.tensors[1] == &x);
    CHECK_TEXT(cumulative_error(), "wrong");
}

static void test_functions(void)
{
    int x, x0, y, stream;
    CHECK(cumulative(&x, &x0, &y, &stream) == 42);
    CHECK(call.op == &plait_library.operators[0]);
    CHECK(call.tensors[0] == &x && call.tensors[1] == &x0 && call.tensors[2] == &y);
    CHECK(call.stream == &stream && !call.workspace && call.workspace_bytes == 0);
    CHECK(twice(&y, &x, NULL) == 42);
    CHECK(call.op == &plait_library.operators[1] && call.tensors[0] == &y && call.tensors[1] == &x && !call.stream);
}

static bool axis_is(const PlaitAxisDescriptor *axis, const char *name, int64_t size, int32_t same_as, int32_t role)
{
    return strcmp(axis->name, name) == 0 && axis->size == size && axis->same_as == same_as && axis->role == role &&
           axis->block == 0;
}

static bool tensor_is(const PlaitTensorDescriptor *tensor, const char *name, uint8_t kind, uint8_t scalar,
                      const uint16_t *axes, uint8_t rank)
{
    return strcmp(tensor->name, name) == 0 && tensor->kind == kind && tensor->scalar == scalar &&
           tensor->rank == rank && memcmp(tensor->axes, axes, rank * sizeof *axes) == 0;
}

static void test_library(void)
{
    CHECK(plait_library.version == PLAIT_DESCRIPTOR_VERSION && plait_library.operator_count == 2);
    CHECK_TEXT(plait_library.compiler, "somebody");
    CHECK_TEXT(plait_library.operators[0].name, "cumulative");
    CHECK_TEXT(plait_library.operators[1].name, "twice");
    CHECK(plait_library.operators[0].variant_count == 1 && plait_library.operators[1].variant_count == 2);
}

static void test_variant(void)
{
    const PlaitVariantDescriptor *variant = &plait_library.operators[0].variants[0];
    CHECK(variant->axis_count == 4 && variant->tensor_count == 4 && variant->argument_count == 3 &&
          variant->target_count == 2);
    CHECK(axis_is(&variant->axes[0], "b", -1, -1, 1) && axis_is(&variant->axes[1], "t", -1, -1, 3));
    CHECK(axis_is(&variant->axes[2], "d", 64, -1, 0) && axis_is(&variant->axes[3], "u", -1, 1, 3));
    CHECK(tensor_is(&variant->tensors[0], "x", 0, 4, (uint16_t[]){0, 1, 2}, 3) && isnan(variant->tensors[0].fallback));
    CHECK(tensor_is(&variant->tensors[1], "x0", 0, 5, (uint16_t[]){0, 2}, 2) && variant->tensors[1].fallback == 0);
    CHECK(tensor_is(&variant->tensors[2], "y", 1, 4, (uint16_t[]){0, 1, 2}, 3));
    CHECK(tensor_is(&variant->tensors[3], "cumulative.0.1", 2, 5, (uint16_t[]){0, 3, 2}, 3));
}

/* The kernel lists its axes and tensors in another order than the signature. */
static void test_cpu_kernel(void)
{
    const PlaitTargetDescriptor *target = &plait_library.operators[0].variants[0].targets[0];
    const PlaitKernelDescriptor *kernel = target->kernels;
    CHECK(!target->image && target->kernel_count == 1);
    CHECK_TEXT(kernel->name, "cumulative.0");
    CHECK(kernel->functions[0] && kernel->functions[1] && kernel->functions[2]);
    CHECK(kernel->functions[0] != kernel->functions[1] && kernel->functions[1] != kernel->functions[2]);
    CHECK(kernel->tensor_count == 2 && kernel->tensors[0] == 2 && kernel->tensors[1] == 0);
    CHECK(kernel->axis_count == 3 && kernel->axes[0] == 2 && kernel->axes[1] == 1 && kernel->axes[2] == 0);
    CHECK(kernel->grid_count == 1 && kernel->grid_axes[0] == 2 && kernel->grid_blocks[0] == 1);
    CHECK(kernel->slot_count == 2 * 4 + 3 && kernel->threads == 1 && kernel->shared_bytes > 0 && kernel->shared_bytes < 4096);
}

static void test_gpu_kernels(void)
{
    const PlaitTargetDescriptor *target = &plait_library.operators[0].variants[0].targets[1];
    const PlaitKernelDescriptor *kernel = &target->kernels[1];
    CHECK(target->image && target->kernel_count == 2);
    CHECK_TEXT(target->image->target, "sm_90a");
    CHECK(target->image->architecture == 90 && target->image->exact == 1);
    CHECK(!target->image->cubin && target->image->cubin_size == 0);
    CHECK(!target->image->late && target->image->late_size == 0 && !kernel->late);
    CHECK(target->image->ptx && strlen(target->image->ptx) == target->image->ptx_size &&
          strstr(target->image->ptx, ".entry cumulative_1"));
    CHECK(plait_library.operators[1].variants[1].targets[1].image == target->image);
    CHECK_TEXT(target->kernels[0].name, "cumulative_0");
    CHECK_TEXT(kernel->name, "cumulative_1");
    CHECK(!kernel->functions[0] && !kernel->functions[1] && !kernel->functions[2]);
    CHECK(kernel->tensors[0] == 3 && kernel->tensors[1] == 2 && kernel->slot_count == 2 * 4 + 4 &&
          kernel->threads == 64);
    CHECK(kernel->grid_count == 2 && kernel->grid_axes[0] == 0 && kernel->grid_axes[1] == 2 &&
          kernel->grid_blocks[1] == 16);
    CHECK(kernel->axes[0] == 0 && kernel->axes[1] == 1 && kernel->axes[2] == 3 && kernel->axes[3] == 2);
}

/* y = x + x through the slots, at the level that every machine has. */
static void test_running(void)
{
    float x[3 * 32], y[3 * 32] = {0};
    for (int i = 0; i < 3 * 32; i++) x[i] = (float)i;
    int64_t slots[] = {(int64_t)(intptr_t)x, 32, 1, (int64_t)(intptr_t)y, 32, 1, 3, 32};
    const PlaitKernelDescriptor *kernel = plait_library.operators[1].variants[0].targets[0].kernels;
    void (*function)(const int64_t *, int64_t, int64_t);
    CHECK(kernel->slot_count == sizeof slots / sizeof *slots);
    memcpy(&function, &kernel->functions[0], sizeof function);
    function(slots, 0, 1);
    for (int i = 0; i < 3 * 32; i++) CHECK(y[i] == 2 * x[i]);
}

int main(void)
{
    test_functions();
    test_functions_of_name();
    test_tvm();
    test_library();
    test_variant();
    test_cpu_kernel();
    test_gpu_kernels();
    test_running();
    return check_report();
}
