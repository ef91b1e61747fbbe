/* Launching on a GPU: enqueues the kernels in the stream, and waits for nothing.
 *
 * The workspace is allocated and freed in the order of the stream, so that the next call can have it while the work is
 * still going on; under capture both become nodes of the graph.
 */
#include "runtime/context.h"
#include "runtime/launch.h"
#include "runtime/maps.h"

enum { LARGEST_GRID = INT32_MAX };

/* An image for that architecture alone comes first; then the newest one whose machine code, or else whose PTX, the
 * device can use. 0: none. Decided by tables alone, so that the workspace is known before anything is loaded. */
static uint32_t preference(const PlaitImageDescriptor *image, uint32_t architecture)
{
    if (image->exact) return image->architecture == architecture && (image->cubin || image->ptx) ? UINT32_MAX : 0;
    if (image->architecture > architecture) return 0;
    if (image->ptx || (image->cubin && image->architecture / 10 == architecture / 10)) return image->architecture;
    return 0;
}

static void add_targets(const PlaitVariantDescriptor *variant, PlaitPiece *piece)
{
    for (uint32_t i = 0; i < variant->target_count; i++)
        if (variant->targets[i].image)
            plait_piece_add(piece, "%s%s", piece->length ? ", " : "", variant->targets[i].image->target);
}

static PlaitStatus choose_target(PlaitCall *call, uint32_t architecture)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < call->variant->target_count; i++) {
        const PlaitTargetDescriptor *target = &call->variant->targets[i];
        uint32_t found = target->image ? preference(target->image, architecture) : 0;
        if (found <= best) continue;
        best = found;
        call->target = target;
    }
    if (call->target) return PLAIT_STATUS_OK;
    PlaitPiece targets = {.length = 0};
    add_targets(call->variant, &targets);
    return plait_fail(PLAIT_STATUS_NO_CODE, "the GPU is sm_%u, but the library was built for %s", architecture,
                      targets.length ? targets.text : "the CPU only");
}

/* The functions of a target's kernels, as context.h gives them; `late` is NULL when the call needs none of these. */
typedef struct Functions {
    void *const *first, *const *late;
} Functions;

/* Whether a kernel's ordinary version will run and is late. */
static PlaitStatus needs_late(PlaitCall *call, const PlaitDriver *driver, const PlaitKernelDescriptor *kernel,
                              bool *needed)
{
    int64_t programs = 0;
    PlaitStatus status = PLAIT_STATUS_OK;
    if (kernel->late && !plait_maps_fit(call, driver, kernel)) status = plait_call_slots(call, kernel, &programs);
    *needed = *needed || programs > 0;
    return status;
}

/* Before anything is launched, since loading may fail. */
static PlaitStatus find_functions(const PlaitContext *context, PlaitCall *call, Functions *functions)
{
    const PlaitTargetDescriptor *target = call->target;
    bool late = false;
    PlaitStatus status = plait_context_functions(context, target, &functions->first);
    for (uint64_t k = 0; k < target->kernel_count && !status; k++)
        status = needs_late(call, context->driver, &target->kernels[k], &late);
    return status || !late ? status : plait_context_late_functions(context, target, &functions->late);
}

static PlaitStatus launch(const PlaitCall *call, const PlaitDriver *driver, uint64_t number, const Functions *functions,
                          int64_t programs, void *stream)
{
    const PlaitKernelDescriptor *kernel = &call->target->kernels[number];
    PlaitMap maps[PLAIT_MOST_MAPS];
    void *parameters[1 + PLAIT_MOST_MAPS] = {call->slots};
    if (programs == 0) return PLAIT_STATUS_OK;
    bool mapped = plait_maps_fit(call, driver, kernel);
    void *function = mapped || !kernel->late ? functions->first[2 * number + mapped] : functions->late[number];
    PlaitStatus status = mapped ? plait_maps_fill(call, driver, kernel, maps) : PLAIT_STATUS_OK;
    if (status) return status;
    for (uint32_t i = 0; mapped && i < kernel->map_count; i++) parameters[1 + i] = &maps[i];
    int result = driver->launch(function, (unsigned)programs, 1, 1, mapped ? kernel->maps_threads : kernel->threads, 1,
                                1, mapped ? kernel->maps_shared_bytes : kernel->shared_bytes, stream, parameters, NULL);
    if (result == 0) return PLAIT_STATUS_OK; /* most often; the text is made for the other cases */
    PlaitPiece what = {.length = 0};
    plait_piece_add(&what, "cuLaunchKernel (%s)", kernel->name);
    return plait_driver_check(driver, result, what.text);
}

static PlaitStatus launch_all(PlaitCall *call, const PlaitDriver *driver, const Functions *functions, void *stream)
{
    for (uint64_t k = 0; k < call->target->kernel_count; k++) {
        const PlaitKernelDescriptor *kernel = &call->target->kernels[k];
        int64_t programs;
        PlaitStatus status = plait_call_slots(call, kernel, &programs);
        if (!status) status = launch(call, driver, k, functions, programs, stream);
        if (status) return status;
    }
    return PLAIT_STATUS_OK;
}

/* From the library's memory pool. Where there is none, without a word from the device's current one: the driver takes
 * that one's memory back whenever the host waits, which is slower, and the results are the same. */
static PlaitStatus allocate(const PlaitContext *context, uint64_t bytes, void *stream, unsigned long long *memory)
{
    const PlaitDriver *driver = context->driver;
    void *memory_pool;
    if (!driver->allocate_async || !driver->release_async)
        return plait_fail(PLAIT_STATUS_NO_DRIVER, "the CUDA driver is too old to find workspace in a stream; give one");
    PlaitStatus status = plait_context_memory_pool(context, &memory_pool);
    if (status) return status;
    if (!memory_pool)
        return plait_driver_check(driver, driver->allocate_async(memory, bytes, stream), "cuMemAllocAsync");
    return plait_driver_check(driver, driver->allocate_from_pool(memory, bytes, memory_pool, stream),
                              "cuMemAllocFromPoolAsync");
}

static PlaitStatus launch_with_own_workspace(PlaitCall *call, const PlaitContext *context, const Functions *functions,
                                             void *stream, uint64_t cells)
{
    unsigned long long memory;
    PlaitStatus status = allocate(context, call->workspace_bytes, stream, &memory);
    if (status) return status;
    plait_call_place(call, memory, cells);
    status = launch_all(call, context->driver, functions, stream);
    int result = context->driver->release_async(memory, stream);
    return status ? status : plait_driver_check(context->driver, result, "cuMemFreeAsync");
}

static PlaitStatus run_in(const PlaitContext *context, PlaitCall *call, void *stream, PlaitWorkspace given)
{
    unsigned long long cells = 0;
    Functions functions = {NULL, NULL};
    PlaitStatus status = choose_target(call, context->architecture);
    if (!status) status = plait_call_layout(call);
    if (!status) status = plait_launch_check_workspace(call, given);
    if (!status) status = plait_launch_prepare_slots(call, LARGEST_GRID);
    if (!status) status = find_functions(context, call, &functions);
    if (!status && call->any_missing)
        status = plait_context_constants(context, call->variant, call->cells, call->cell_count, &cells);
    if (status) return status;
    if (call->workspace_bytes > 0 && !given.memory)
        return launch_with_own_workspace(call, context, &functions, stream, cells);
    plait_call_place(call, (uint64_t)(uintptr_t)given.memory, cells);
    return launch_all(call, context->driver, &functions, stream);
}

PlaitStatus plait_gpu_run(PlaitCall *call, void *stream, PlaitWorkspace given)
{
    PlaitContext context;
    PlaitStatus status = plait_context_enter(call->device.device_id, &context);
    return status ? status : plait_context_leave(&context, run_in(&context, call, stream, given));
}

PlaitStatus plait_gpu_measure(PlaitCall *call)
{
    PlaitContext context;
    PlaitStatus status = plait_context_enter(call->device.device_id, &context);
    if (status) return status;
    status = choose_target(call, context.architecture);
    if (!status) status = plait_call_layout(call);
    return plait_context_leave(&context, status);
}
