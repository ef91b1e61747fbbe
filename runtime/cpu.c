/* Launching on the CPU: the kernels in order, the programs of each over the threads. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/isa.h"
#include "runtime/launch.h"
#include "runtime/pool.h"
#include "runtime/stack.h"

typedef void KernelFunction(const int64_t *slots, int64_t first_program, int64_t end_program);

typedef struct Launch {
    KernelFunction *function;
    const int64_t *slots;
} Launch;

static void run_programs(void *context, int64_t first, int64_t end)
{
    const Launch *launch = context;
    launch->function(launch->slots, first, end);
}

/* ---- workspace: one block is kept from call to call, since fresh pages cost more than most kernels ---- */

enum { LARGEST_KEPT = 256 * 1024 * 1024 };

static struct {
    atomic_bool taken;
    void *memory;
    uint64_t bytes;
} kept;

/* A block of its own: aligned_alloc wants a multiple of the alignment, which the layout gives. */
static void *allocate(uint64_t bytes) { return aligned_alloc(PLAIT_WORKSPACE_ALIGNMENT, bytes); }

/* `*shared`: it is the kept block, to be given back. */
static void *take_workspace(uint64_t bytes, bool *shared)
{
    *shared = bytes <= LARGEST_KEPT && !atomic_exchange(&kept.taken, true);
    if (!*shared) return allocate(bytes);
    if (kept.bytes < bytes) {
        free(kept.memory);
        kept.memory = allocate(bytes);
        kept.bytes = kept.memory ? bytes : 0;
    }
    if (!kept.memory) {
        *shared = false;
        atomic_store(&kept.taken, false);
        return NULL;
    }
    return kept.memory;
}

static void give_workspace(void *memory, bool shared)
{
    if (shared) atomic_store(&kept.taken, false);
    else free(memory);
}

__attribute__((destructor)) static void free_kept(void)
{
    if (atomic_exchange(&kept.taken, true)) return;
    free(kept.memory);
    kept.memory = NULL;
    kept.bytes = 0;
    atomic_store(&kept.taken, false);
}

/* ---- kernels ---- */

/* The best code for this processor; NULL when all of it needs a better one. */
static KernelFunction *choose_function(const PlaitKernelDescriptor *kernel)
{
    const void *code = NULL;
    int level = plait_isa_level();
    bool tiles = level == 3 && kernel->functions[3] != kernel->functions[2];
    if (tiles && !plait_isa_may_use_tiles()) level--;
    for (; level >= 0 && !code; level--) code = kernel->functions[level];
    KernelFunction *function = NULL;
    if (code) memcpy(&function, &code, sizeof function); /* ISO C has no cast from object to function pointer */
    return function;
}

static PlaitStatus choose_target(PlaitCall *call)
{
    for (uint32_t i = 0; i < call->variant->target_count && !call->target; i++)
        if (!call->variant->targets[i].image) call->target = &call->variant->targets[i];
    if (!call->target) return plait_fail(PLAIT_STATUS_NO_CODE, "the library was built without code for the CPU");
    for (uint64_t k = 0; k < call->target->kernel_count; k++)
        if (!choose_function(&call->target->kernels[k]))
            return plait_fail(PLAIT_STATUS_NO_CODE, "this processor is %s, for which the library has no code",
                              plait_isa_text(plait_isa_level()));
    return PLAIT_STATUS_OK;
}

static PlaitStatus run_kernels(PlaitCall *call)
{
    for (uint64_t k = 0; k < call->target->kernel_count; k++) {
        const PlaitKernelDescriptor *kernel = &call->target->kernels[k];
        int64_t programs;
        PlaitStatus status = plait_call_slots(call, kernel, &programs);
        if (status) return status;
        Launch launch = {.function = choose_function(kernel), .slots = call->slots};
        if (plait_stack_has(kernel->shared_bytes)) plait_pool_run(run_programs, &launch, programs);
        else if (!plait_pool_run_apart(run_programs, &launch, programs))
            return plait_fail(
                PLAIT_STATUS_OUT_OF_MEMORY,
                "kernel `%s` needs %u bytes of stack, more than the calling thread has left, and no thread "
                "with more could be started",
                kernel->name, kernel->shared_bytes);
    }
    return PLAIT_STATUS_OK;
}

static PlaitStatus run_placed(PlaitCall *call, const void *workspace)
{
    plait_call_place(call, (uint64_t)(uintptr_t)workspace, (uint64_t)(uintptr_t)call->cells);
    return run_kernels(call);
}

static PlaitStatus run_with_own_workspace(PlaitCall *call)
{
    bool shared;
    void *memory = take_workspace(call->workspace_bytes, &shared);
    if (!memory) return plait_fail_memory(call->workspace_bytes);
    PlaitStatus status = run_placed(call, memory);
    give_workspace(memory, shared);
    return status;
}

PlaitStatus plait_cpu_measure(PlaitCall *call)
{
    PlaitStatus status = choose_target(call);
    return status ? status : plait_call_layout(call);
}

PlaitStatus plait_cpu_run(PlaitCall *call, PlaitWorkspace given)
{
    PlaitStatus status = plait_cpu_measure(call);
    if (!status) status = plait_launch_check_workspace(call, given);
    if (!status) status = plait_launch_prepare_slots(call, INT64_MAX);
    if (status) return status;
    bool needs = call->workspace_bytes > 0 && !given.memory;
    return needs ? run_with_own_workspace(call) : run_placed(call, given.memory);
}
