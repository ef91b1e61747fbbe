/* Which of a kernel's four functions runs: PLAIT_ISA is read once a process, so ctest runs this with each value, and
 * the value that is expected as the argument. Levels above the machine's are lowered to it. */
#include <stdlib.h>

#include "runtime/isa.h"
#include "runtime/runtime.h"
#include "tests/support/check.h"

static int ran = -1;

static void run_v2(const int64_t *slots, int64_t first, int64_t end) { (void)slots, (void)first, (void)end, ran = 0; }
static void run_v3(const int64_t *slots, int64_t first, int64_t end) { (void)slots, (void)first, (void)end, ran = 1; }
static void run_v4(const int64_t *slots, int64_t first, int64_t end) { (void)slots, (void)first, (void)end, ran = 2; }
static void run_amx(const int64_t *slots, int64_t first, int64_t end) { (void)slots, (void)first, (void)end, ran = 3; }

#define CODE(function) __extension__(const void *) function

static PlaitStatus run(const void *v2, const void *v3, const void *v4, const void *amx)
{
    double memory = 0;
    static const uint16_t tensors[] = {0};
    const PlaitTensorDescriptor tensor = {.name = "y", .kind = 1, .scalar = 6};
    const PlaitKernelDescriptor kernel = {
        .name = "k", .functions = {v2, v3, v4, amx}, .tensors = tensors, .tensor_count = 1, .slot_count = 1};
    const PlaitTargetDescriptor target = {.kernels = &kernel, .kernel_count = 1};
    const PlaitVariantDescriptor variant = {
        .tensors = &tensor, .targets = &target, .tensor_count = 1, .target_count = 1, .argument_count = 1};
    const PlaitOperatorDescriptor op = {.name = "levels", .variants = &variant, .variant_count = 1};
    DLTensor y = {.data = &memory, .device = {.device_type = kDLCPU}, .dtype = {kDLFloat, 64, 1}}, *list[] = {&y};
    ran = -1;
    return plait_runtime_call(&op, list, NULL, NULL, 0);
}

int main(int argc, char **argv)
{
    int wanted = argc > 1 ? atoi(argv[1]) : 3, level = plait_isa_level(), most = level < 2 ? level : 2;
    CHECK(level <= wanted);
    CHECK(level < 3 || plait_isa_may_use_tiles());
    CHECK(run(CODE(run_v2), CODE(run_v3), CODE(run_v4), CODE(run_amx)) == PLAIT_STATUS_OK && ran == level);
    CHECK(run(CODE(run_v2), CODE(run_v3), CODE(run_v4), CODE(run_v4)) == PLAIT_STATUS_OK && ran == most);
    CHECK(run(CODE(run_v2), NULL, NULL, NULL) == PLAIT_STATUS_OK && ran == 0);
    CHECK(run(CODE(run_v2), CODE(run_v3), NULL, NULL) == PLAIT_STATUS_OK && ran == (level < 1 ? level : 1));
    if (level >= 2) CHECK(run(NULL, NULL, CODE(run_v4), NULL) == PLAIT_STATUS_OK && ran == 2);
    else CHECK(run(NULL, NULL, CODE(run_v4), NULL) == PLAIT_STATUS_NO_CODE && ran == -1);
    if (level == 0)
        CHECK_TEXT(plait_last_error(), "levels: this processor is x86-64-v2, for which the library has no code");
    return check_report();
}
