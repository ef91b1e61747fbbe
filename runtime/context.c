/* Finding a context, and the list of what the library keeps in contexts.
 *
 * One list holds everything, keyed by the context and by the address of the descriptor that the thing was made from: an
 * image (its module), a target (its functions), a variant (its constants), a device (its primary context); and one
 * memory pool for each context. What is late of an image and of a target is an entry of its own, keyed by the address
 * of a field. Entries are made under the lock, so that two threads never load the same image; they never change or move
 * after. Nothing of this waits for the caller's work. What the driver forbids while a stream of the process is under
 * capture is done in the relaxed capture mode, which the thread leaves again at once.
 */
#include "runtime/context.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct Kept {
    struct Kept *next;
    void *context;
    unsigned long long id;
    const void *key;
    void *module, *memory_pool;
    unsigned long long memory;
    int device; /* whose primary context this is; -1 */
    void *functions[];
} Kept;

static struct {
    pthread_mutex_t lock;
    Kept *first;
} list = {.lock = PTHREAD_MUTEX_INITIALIZER};

static Kept *find(const PlaitContext *context, const void *key)
{
    for (Kept *kept = list.first; kept; kept = kept->next)
        if (kept->context == context->handle && kept->id == context->id && kept->key == key) return kept;
    return NULL;
}

static Kept *create(const PlaitContext *context, const void *key, uint64_t function_count)
{
    size_t bytes = sizeof(Kept) + function_count * sizeof(void *);
    Kept *kept = calloc(1, bytes);
    if (!kept) {
        plait_fail_memory(bytes);
        return NULL;
    }
    kept->context = context->handle;
    kept->id = context->id;
    kept->key = key;
    kept->device = -1;
    return kept;
}

/* Keeps the entry when `status` is OK, else frees it. */
static PlaitStatus keep(Kept *kept, PlaitStatus status)
{
    if (status) {
        free(kept);
        return status;
    }
    kept->next = list.first;
    list.first = kept;
    return status;
}

/* ---- the context of a call ---- */

static PlaitStatus retain_primary(const PlaitDriver *driver, int device, void **handle)
{
    for (Kept *kept = list.first; kept; kept = kept->next)
        if (kept->device == device) {
            *handle = kept->context;
            return PLAIT_STATUS_OK;
        }
    const PlaitContext none = {.driver = driver};
    Kept *kept = create(&none, NULL, 0);
    if (!kept) return PLAIT_STATUS_OUT_OF_MEMORY;
    kept->device = device;
    PlaitStatus status =
        plait_driver_check(driver, driver->primary_retain(&kept->context, device), "cuDevicePrimaryCtxRetain");
    *handle = kept->context;
    return keep(kept, status);
}

PlaitStatus plait_context_primary(const PlaitDriver *driver, int device, void **handle)
{
    pthread_mutex_lock(&list.lock);
    PlaitStatus status = retain_primary(driver, device, handle);
    pthread_mutex_unlock(&list.lock);
    return status;
}

static PlaitStatus read_attribute(const PlaitDriver *driver, int attribute, int device, int *value)
{
    return plait_driver_check(driver, driver->device_attribute(value, attribute, device), "cuDeviceGetAttribute");
}

/* The thread's current context when it is of this device; NULL when there is none or another's. */
static PlaitStatus find_current(const PlaitDriver *driver, int device, void **handle)
{
    int current = -1;
    PlaitStatus status = plait_driver_check(driver, driver->context_get(handle), "cuCtxGetCurrent");
    if (status || !*handle) return status;
    status = plait_driver_check(driver, driver->context_device(&current), "cuCtxGetDevice");
    if (current != device) *handle = NULL;
    return status;
}

static PlaitStatus push_primary(PlaitContext *context)
{
    PlaitStatus status = plait_context_primary(context->driver, context->device, &context->handle);
    if (!status)
        status =
            plait_driver_check(context->driver, context->driver->context_push(context->handle), "cuCtxPushCurrent");
    context->pushed = !status;
    return status;
}

PlaitStatus plait_context_enter(int ordinal, PlaitContext *context)
{
    int major = 0, minor = 0;
    *context = (PlaitContext){.ordinal = ordinal};
    PlaitStatus status = plait_driver_open(&context->driver);
    const PlaitDriver *driver = context->driver;
    if (!status) status = plait_driver_check(driver, driver->device_get(&context->device, ordinal), "cuDeviceGet");
    if (!status) status = read_attribute(driver, PLAIT_CUDA_MAJOR, context->device, &major);
    if (!status) status = read_attribute(driver, PLAIT_CUDA_MINOR, context->device, &minor);
    context->architecture = (uint32_t)(major * 10 + minor);
    if (!status) status = find_current(driver, context->device, &context->handle);
    if (!status && !context->handle) status = push_primary(context);
    if (status) return status;
    if (driver->context_id)
        status = plait_driver_check(driver, driver->context_id(context->handle, &context->id), "cuCtxGetId");
    return status ? plait_context_leave(context, status) : status;
}

PlaitStatus plait_context_leave(PlaitContext *context, PlaitStatus status)
{
    void *popped;
    if (!context->pushed) return status;
    context->pushed = false;
    int result = context->driver->context_pop(&popped);
    return status ? status : plait_driver_check(context->driver, result, "cuCtxPopCurrent");
}

/* ---- making what is kept ---- */

typedef PlaitStatus Fill(const PlaitContext *context, const void *source, Kept *kept);

/* Exchanges the thread's capture mode for *mode; drivers that know no capture have none. */
static PlaitStatus exchange_mode(const PlaitDriver *driver, int *mode)
{
    if (!driver->capture_mode) return PLAIT_STATUS_OK;
    return plait_driver_check(driver, driver->capture_mode(mode), "cuThreadExchangeStreamCaptureMode");
}

/* The thread's capture mode is restored also when filling fails; that failure is the one to tell. */
static PlaitStatus fill_relaxed(const PlaitContext *context, Fill *fill, const void *source, Kept *kept)
{
    int mode = PLAIT_CUDA_CAPTURE_RELAXED;
    PlaitStatus status = exchange_mode(context->driver, &mode);
    if (status) return status;
    status = fill(context, source, kept);
    if (context->driver->capture_mode) (void)context->driver->capture_mode(&mode);
    return status;
}

/* The entry of `key`; when there is none, a new one with what `fill` puts there. */
static PlaitStatus find_or_make(const PlaitContext *context, const void *key, uint64_t function_count, Fill *fill,
                                const void *source, Kept **kept)
{
    PlaitStatus status = PLAIT_STATUS_OK;
    pthread_mutex_lock(&list.lock);
    *kept = find(context, key);
    if (!*kept) {
        *kept = create(context, key, function_count);
        status = *kept ? keep(*kept, fill_relaxed(context, fill, source, *kept)) : PLAIT_STATUS_OUT_OF_MEMORY;
    }
    pthread_mutex_unlock(&list.lock);
    return status;
}

/* ---- modules and functions ---- */

static int load(const PlaitDriver *driver, const void *image, char *text, size_t size, void **module)
{
    int options[] = {PLAIT_CUDA_JIT_ERROR_TEXT, PLAIT_CUDA_JIT_ERROR_SIZE};
    void *values[] = {text, (void *)(uintptr_t)size};
    text[0] = '\0';
    return driver->module_load(module, image, 2, options, values);
}

/* Machine code runs on its own and on later architectures of the same major number; the choice of the target (gpu.c)
 * has seen to it that the image's is not later, and to images that are for one architecture alone. */
static bool runs_cubin(const PlaitImageDescriptor *image, uint32_t architecture)
{
    return image->cubin && image->architecture / 10 == architecture / 10;
}

/* The machine code when it runs there; when there is none or it does not load (made by a newer toolkit than the driver
 * knows), the PTX, which the driver translates. The late part is PTX alone. */
static PlaitStatus load_image(const PlaitContext *context, const PlaitImageDescriptor *image, bool late, void **module)
{
    char text[256];
    int result = 0;
    const void *ptx = late ? image->late : image->ptx;
    bool cubin = !late && runs_cubin(image, context->architecture);
    if (cubin) result = load(context->driver, image->cubin, text, sizeof text, module);
    if ((!cubin || result != 0) && ptx) result = load(context->driver, ptx, text, sizeof text, module);
    if (result == 0) return PLAIT_STATUS_OK;
    PlaitPiece what = {.length = 0};
    plait_piece_add(&what, "cuModuleLoadDataEx (%s%s)", image->target, late ? ", late part" : "");
    if (text[0]) plait_piece_add(&what, " [%s]", text);
    return plait_driver_check(context->driver, result, what.text);
}

static PlaitStatus find_module(const PlaitContext *context, const PlaitImageDescriptor *image, bool late, void **module)
{
    const void *key = late ? (const void *)&image->late : image;
    Kept *kept = find(context, key);
    if (!kept) {
        kept = create(context, key, 0);
        if (!kept) return PLAIT_STATUS_OUT_OF_MEMORY;
        PlaitStatus status = keep(kept, load_image(context, image, late, &kept->module));
        if (status) return status;
    }
    *module = kept->module;
    return PLAIT_STATUS_OK;
}

/* Loaded at once, not lazily at its first launch: that could fall into a capture. */
static PlaitStatus find_function(const PlaitContext *context, void *module, const char *name, uint32_t shared_bytes,
                                 void **function)
{
    enum { WITHOUT_ASKING = 48 * 1024 }; /* dynamic shared memory that any kernel may have */
    const PlaitDriver *driver = context->driver;
    PlaitStatus status =
        plait_driver_check(driver, driver->module_function(function, module, name), "cuModuleGetFunction");
    if (!status && driver->function_load)
        status = plait_driver_check(driver, driver->function_load(*function), "cuFuncLoad");
    if (!status && shared_bytes > WITHOUT_ASKING)
        status =
            plait_driver_check(driver, driver->function_set(*function, PLAIT_CUDA_FUNCTION_SHARED, (int)shared_bytes),
                               "cuFuncSetAttribute");
    return status;
}

static PlaitStatus fill_functions(const PlaitContext *context, const void *source, Kept *kept)
{
    const PlaitTargetDescriptor *target = source;
    void *module = NULL;
    PlaitStatus status = find_module(context, target->image, false, &module);
    for (uint64_t k = 0; k < target->kernel_count && !status; k++) {
        const PlaitKernelDescriptor *kernel = &target->kernels[k];
        if (!kernel->late)
            status = find_function(context, module, kernel->name, kernel->shared_bytes, &kept->functions[2 * k]);
        if (!status && kernel->map_count)
            status = find_function(context, module, kernel->maps_name, kernel->maps_shared_bytes,
                                   &kept->functions[2 * k + 1]);
    }
    return status;
}

PlaitStatus plait_context_functions(const PlaitContext *context, const PlaitTargetDescriptor *target,
                                    void *const **functions)
{
    Kept *kept;
    PlaitStatus status = find_or_make(context, target, 2 * target->kernel_count, fill_functions, target, &kept);
    *functions = status ? NULL : kept->functions;
    return status;
}

static PlaitStatus fill_late_functions(const PlaitContext *context, const void *source, Kept *kept)
{
    const PlaitTargetDescriptor *target = source;
    void *module = NULL;
    PlaitStatus status = find_module(context, target->image, true, &module);
    for (uint64_t k = 0; k < target->kernel_count && !status; k++) {
        const PlaitKernelDescriptor *kernel = &target->kernels[k];
        if (kernel->late)
            status = find_function(context, module, kernel->name, kernel->shared_bytes, &kept->functions[k]);
    }
    return status;
}

PlaitStatus plait_context_late_functions(const PlaitContext *context, const PlaitTargetDescriptor *target,
                                         void *const **functions)
{
    Kept *kept;
    PlaitStatus status =
        find_or_make(context, &target->kernels, target->kernel_count, fill_late_functions, target, &kept);
    *functions = status ? NULL : kept->functions;
    return status;
}

/* ---- constants ---- */

typedef struct Cells {
    const uint64_t *cells;
    size_t bytes;
} Cells;

/* Over a stream of its own, which waits for nobody and which nobody waits for; then waits for that copy, because the
 * caller's stream, and those of later calls, must find it done. */
static PlaitStatus copy_alone(const PlaitDriver *driver, unsigned long long memory, const Cells *cells)
{
    void *stream;
    PlaitStatus status =
        plait_driver_check(driver, driver->stream_create(&stream, PLAIT_CUDA_STREAM_INDEPENDENT), "cuStreamCreate");
    if (status) return status;
    status = plait_driver_check(driver, driver->copy_in_async(memory, cells->cells, cells->bytes, stream),
                                "cuMemcpyHtoDAsync");
    if (!status) status = plait_driver_check(driver, driver->stream_wait(stream), "cuStreamSynchronize");
    int result = driver->stream_destroy(stream);
    return status ? status : plait_driver_check(driver, result, "cuStreamDestroy");
}

static PlaitStatus fill_constants(const PlaitContext *context, const void *source, Kept *kept)
{
    const PlaitDriver *driver = context->driver;
    const Cells *cells = source;
    PlaitStatus status = plait_driver_check(driver, driver->allocate(&kept->memory, cells->bytes), "cuMemAlloc");
    if (status) return status;
    status = copy_alone(driver, kept->memory, cells);
    if (status) driver->release(kept->memory);
    return status;
}

PlaitStatus plait_context_constants(const PlaitContext *context, const void *key, const uint64_t *cells, uint32_t count,
                                    unsigned long long *address)
{
    const Cells source = {.cells = cells, .bytes = count * sizeof *cells};
    Kept *kept;
    PlaitStatus status = find_or_make(context, key, 0, fill_constants, &source, &kept);
    *address = status ? 0 : kept->memory;
    return status;
}

/* ---- the memory pool of workspaces ---- */

/* The pool keeps up to a thirty-second of the device's memory from call to call: 2.5 GB of an H100's 80. What is more
 * than that the driver unmaps when the host next waits, and maps again at the next call: 1.3 ms for 400 MB there. Most
 * workspaces are smaller, and a host hardly misses so little; the driver takes it from the pool before it lets another
 * allocation of the process fail. */
enum { KEPT_PART = 32 };

/* Never an error: without the pool calls are slower, and nothing else. A driver that would not make it is not asked
 * again, which would make each call slower still. No text is left, since the call goes on. */
static PlaitStatus fill_memory_pool(const PlaitContext *context, const void *source, Kept *kept)
{
    const PlaitDriver *driver = context->driver;
    const PlaitMemoryPoolProperties properties = {.allocation_type = PLAIT_CUDA_MEMORY_PINNED,
                                                  .location_type = PLAIT_CUDA_MEMORY_ON_DEVICE,
                                                  .ordinal = context->ordinal};
    size_t memory;
    void *made;
    (void)source;
    if (driver->device_memory(&memory, context->device) != 0) return PLAIT_STATUS_OK;
    if (driver->memory_pool_create(&made, &properties) != 0) return PLAIT_STATUS_OK;
    uint64_t threshold = memory / KEPT_PART;
    if (driver->memory_pool_set(made, PLAIT_CUDA_POOL_RELEASE_THRESHOLD, &threshold) == 0) kept->memory_pool = made;
    else driver->memory_pool_destroy(made); /* it would be no better than the device's own */
    return PLAIT_STATUS_OK;
}

PlaitStatus plait_context_memory_pool(const PlaitContext *context, void **memory_pool)
{
    static const char key; /* its address stands for the pool of each context */
    const PlaitDriver *driver = context->driver;
    Kept *kept;
    *memory_pool = NULL;
    if (!driver->memory_pool_create || !driver->memory_pool_set || !driver->memory_pool_destroy ||
        !driver->allocate_from_pool)
        return PLAIT_STATUS_OK;
    PlaitStatus status = find_or_make(context, &key, 0, fill_memory_pool, NULL, &kept);
    if (!status) *memory_pool = kept->memory_pool;
    return status;
}

/* ---- the end ---- */

/* Unloading needs the context to be current. Errors are of no use to anybody: a context that is gone took its
 * contents along, but for its memory pool, which belongs to the device. */
static void release(const PlaitDriver *driver, Kept *kept)
{
    void *popped;
    if (kept->memory_pool) driver->memory_pool_destroy(kept->memory_pool);
    if (kept->device < 0 && driver->context_push(kept->context) == 0) {
        if (kept->module) driver->module_unload(kept->module);
        if (kept->memory) driver->release(kept->memory);
        driver->context_pop(&popped);
    }
    if (kept->device >= 0) driver->primary_release(kept->device);
    free(kept);
}

void plait_context_release_all(void)
{
    const PlaitDriver *driver;
    Kept *primaries = NULL;
    pthread_mutex_lock(&list.lock);
    if (list.first && plait_driver_open(&driver) == PLAIT_STATUS_OK) {
        while (list.first) {
            Kept *kept = list.first;
            list.first = kept->next;
            kept->next = primaries;
            if (kept->device >= 0) primaries = kept; /* last, since the others live in them */
            else release(driver, kept);
        }
        while (primaries) {
            Kept *kept = primaries;
            primaries = kept->next;
            release(driver, kept);
        }
    }
    pthread_mutex_unlock(&list.lock);
}
