/* The functions of the fake driver. Each begins with CALL, which records it and lets it fail. */
#include "tests/runtime/fake_driver.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/runtime/sums.h"

typedef void Kernel(const int64_t *slots, int64_t first, int64_t end);

typedef struct FakeContext {
    int device;
    unsigned long long id;
} FakeContext;

typedef struct FakeModule {
    const char *image;
} FakeModule;

typedef struct FakeMemoryPool {
    int device;
} FakeMemoryPool;

Fake fake;
static FakeContext primary[FAKE_DEVICES] = {{0, 100}, {1, 101}}, own[FAKE_DEVICES] = {{0, 200}, {1, 201}};
static FakeContext *stack[8];
static int depth; /* the current context is stack[depth] */
static int mode = 0;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what all threads write */

enum {
    UNKNOWN = 999,
    NOT_INITIALISED = 3,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    NO_BINARY = 209,
    BAD_PTX = 218,
    NOT_FOUND = 500,
    CAPTURE = 900
};

void fake_reset(void)
{
    fake.fail_at = fake.calls = fake.waits = fake.loads = 0;
    fake.error = UNKNOWN;
    fake.failed = fake.refused = fake.spared = NULL;
    fake.log[0] = '\0';
    fake.loaded[0] = '\0';
}

void fake_make_current(int device) { stack[depth = 0] = &own[device]; }
void fake_replace_context(int device) { own[device].id += 1000; }
void fake_make_none_current(void) { stack[depth = 0] = NULL; }

static bool fails_alone(const char *name)
{
    size_t length = strlen(fake.log);
    snprintf(fake.log + length, sizeof fake.log - length, "%s%s", length ? " " : "", name);
    if (fake.spared && strcmp(fake.spared, name) == 0) return false;
    bool refused = fake.refused && strcmp(fake.refused, name) == 0;
    if (++fake.calls != fake.fail_at && !refused) return false;
    fake.failed = name;
    return true;
}
static bool fails(const char *name)
{
    pthread_mutex_lock(&lock);
    bool failed = fails_alone(name);
    pthread_mutex_unlock(&lock);
    return failed;
}
#define CALL(name)                                                                                                     \
    if (fails(#name)) return fake.error
/* What a real driver refuses while a stream is under capture, unless the thread is relaxed. */
#define CALL_UNSAFE(name)                                                                                              \
    CALL(name);                                                                                                        \
    if (fake.capturing && mode != PLAIT_CUDA_CAPTURE_RELAXED) return CAPTURE

static int init(unsigned flags)
{
    CALL(cuInit);
    return flags == 0 ? 0 : 1;
}

static int version(int *number)
{
    CALL(cuDriverGetVersion);
    *number = 13000;
    return 0;
}

static int error_name(int error, const char **name)
{
    if (error == CAPTURE) *name = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED";
    else if (error == PLAIT_CUDA_OUT_OF_MEMORY) *name = "CUDA_ERROR_OUT_OF_MEMORY";
    else if (error == UNKNOWN) *name = "CUDA_ERROR_UNKNOWN";
    else if (error == NO_BINARY) *name = "CUDA_ERROR_NO_BINARY_FOR_GPU";
    else if (error == BAD_PTX) *name = "CUDA_ERROR_INVALID_PTX";
    else if (error == INVALID_DEVICE) *name = "CUDA_ERROR_INVALID_DEVICE";
    else return 1;
    return 0;
}

static int device_count(int *count)
{
    CALL(cuDeviceGetCount);
    *count = FAKE_DEVICES;
    return 0;
}

static int device_get(int *device, int ordinal)
{
    CALL(cuDeviceGet);
    if (ordinal < 0 || ordinal >= FAKE_DEVICES) return INVALID_DEVICE;
    *device = ordinal;
    return 0;
}

static int device_name(char *name, int size, int device)
{
    CALL(cuDeviceGetName);
    snprintf(name, (size_t)size, "Fake %d", device);
    return 0;
}

static int device_memory(size_t *bytes, int device)
{
    CALL(cuDeviceTotalMem);
    *bytes = (size_t)1000 * (size_t)(device + 1);
    return 0;
}

static int device_attribute(int *value, int attribute, int device)
{
    CALL(cuDeviceGetAttribute);
    if (attribute == PLAIT_CUDA_MAJOR) *value = fake.architecture[device] / 10;
    else if (attribute == PLAIT_CUDA_MINOR) *value = fake.architecture[device] % 10;
    else *value = attribute;
    return 0;
}

static int primary_retain(void **context, int device)
{
    CALL(cuDevicePrimaryCtxRetain);
    fake.primaries++;
    *context = &primary[device];
    return 0;
}

static int primary_release(int device)
{
    fake.primaries--; /* also when it "fails", as context_pop */
    CALL(cuDevicePrimaryCtxRelease);
    (void)device;
    return 0;
}

static int context_get(void **context)
{
    CALL(cuCtxGetCurrent);
    *context = stack[depth];
    return 0;
}

static int context_set(void *context)
{
    CALL(cuCtxSetCurrent);
    stack[depth] = context;
    return 0;
}

static int context_push(void *context)
{
    CALL(cuCtxPushCurrent);
    stack[++depth] = context;
    fake.pushed++;
    return 0;
}

static int context_pop(void **context)
{
    *context = stack[depth--]; /* done also when it "fails", or nothing could ever be right again */
    fake.pushed--;
    CALL(cuCtxPopCurrent);
    return 0;
}

static int context_device(int *device)
{
    CALL(cuCtxGetDevice);
    if (!stack[depth]) return INVALID_CONTEXT;
    *device = stack[depth]->device;
    return 0;
}

static int context_id(void *context, unsigned long long *id)
{
    CALL(cuCtxGetId);
    *id = ((FakeContext *)context)->id;
    return 0;
}

/* ---- modules ---- */

/* "cubin 80" runs on 8.0 and on later ones of the same major number. */
static bool runs_cubin(const char *image)
{
    int made_for = atoi(image + strlen("cubin ")), architecture = fake.architecture[stack[depth]->device];
    return made_for / 10 == architecture / 10 && made_for <= architecture;
}

static int module_load(void **module, const void *image, unsigned count, int *options, void **values)
{
    fake.loads++;
    CALL_UNSAFE(cuModuleLoadDataEx);
    bool ptx = strncmp(image, "ptx", 3) == 0;
    if (!stack[depth]) return INVALID_CONTEXT;
    if (ptx && fake.refuse_ptx) {
        if (count == 2 && options[0] == PLAIT_CUDA_JIT_ERROR_TEXT)
            snprintf(values[0], (size_t)(uintptr_t)values[1], "line 7: no");
        return BAD_PTX;
    }
    if (!ptx && (fake.refuse_cubin || !runs_cubin(image))) return NO_BINARY;
    snprintf(fake.loaded, sizeof fake.loaded, "%s", (const char *)image);
    FakeModule *made = malloc(sizeof *made);
    if (!made) return PLAIT_CUDA_OUT_OF_MEMORY;
    made->image = image;
    *module = made;
    fake.modules++;
    return 0;
}

static int module_unload(void *module)
{
    free(module); /* also when it "fails", as context_pop */
    fake.modules--;
    CALL(cuModuleUnload);
    return 0;
}

static struct {
    const char *name;
    Kernel *kernel;
} kernels[] = {
    {"sums.0", sums_products}, {"sums.1", sums_totals}, {"copied.0", copied_kernel}, {"copied.0_maps", copied_kernel}};
enum { KERNELS = sizeof kernels / sizeof *kernels };

/* An image in two parts has copied.0 in the late one and everything else in the first. */
static bool has_kernel(const FakeModule *module, const char *name)
{
    bool late = strcmp(name, "copied.0") == 0;
    if (strstr(module->image, "late")) return late;
    return !late || !strstr(module->image, "first");
}

static int module_function(void **function, void *module, const char *name)
{
    CALL_UNSAFE(cuModuleGetFunction);
    for (int i = 0; i < KERNELS; i++)
        if (strcmp(kernels[i].name, name) == 0 && has_kernel(module, name)) {
            *function = &kernels[i];
            return 0;
        }
    return NOT_FOUND;
}

static int function_set(void *function, int attribute, int value)
{
    CALL(cuFuncSetAttribute);
    (void)function;
    if (attribute == PLAIT_CUDA_FUNCTION_SHARED) fake.shared_limit = value;
    return 0;
}

static int function_load(void *function)
{
    CALL_UNSAFE(cuFuncLoad);
    (void)function;
    return 0;
}

/* Maps are checked as the real driver does, as far as its documentation says; `fake.maps` counts them. */
static int map_encode(void *map, unsigned type, unsigned rank, void *address, const unsigned long long *sizes,
                      const unsigned long long *strides, const unsigned *box, const unsigned *steps, int interleave,
                      int swizzle, int promotion, int fill)
{
    CALL(cuTensorMapEncodeTiled);
    (void)type, (void)promotion;
    if ((uintptr_t)map % 64 || (uintptr_t)address % 16 || rank < 1 || rank > 5 || interleave || fill) return 1;
    for (unsigned i = 0; i < rank; i++) {
        if (sizes[i] < 1 || sizes[i] > UINT32_MAX || box[i] < 1 || box[i] > 256 || steps[i] != 1) return 1;
        if (i + 1 < rank && (strides[i] % 16 || strides[i] >> 40)) return 1;
    }
    if (swizzle == 3 && box[0] * 2 > 128) return 1;
    fake.maps++;
    return 0;
}

static int launch(void *function, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz,
                  unsigned shared, void *stream, void **parameters, void **extra)
{
    CALL(cuLaunchKernel);
    if (x == 0 || y != 1 || z != 1 || by != 1 || bz != 1 || extra || !stack[depth]) return 1;
    pthread_mutex_lock(&lock);
    fake.grid = x;
    fake.block = bx;
    fake.shared = shared;
    fake.stream = stream;
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < KERNELS; i++)
        if (function == &kernels[i]) kernels[i].kernel(parameters[0], 0, x);
    return 0;
}

/* ---- memory ---- */

static int allocate_block(unsigned long long *address, size_t bytes)
{
    void *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!memory) return PLAIT_CUDA_OUT_OF_MEMORY;
    fake.memory++;
    *address = (unsigned long long)(uintptr_t)memory;
    return 0;
}

static int allocate(unsigned long long *address, size_t bytes)
{
    CALL_UNSAFE(cuMemAlloc);
    return allocate_block(address, bytes);
}

static int release(unsigned long long address)
{
    free((void *)(uintptr_t)address); /* also when it "fails", as context_pop */
    fake.memory--;
    CALL(cuMemFree);
    return 0;
}

static int allocate_async(unsigned long long *address, size_t bytes, void *stream)
{
    CALL(cuMemAllocAsync);
    fake.stream = stream;
    return allocate_block(address, bytes);
}

static int allocate_from_pool(unsigned long long *address, size_t bytes, void *memory_pool, void *stream)
{
    CALL(cuMemAllocFromPoolAsync);
    if (((FakeMemoryPool *)memory_pool)->device != stack[depth]->device) return INVALID_DEVICE;
    fake.stream = stream;
    return allocate_block(address, bytes);
}

static int release_async(unsigned long long address, void *stream)
{
    free((void *)(uintptr_t)address); /* also when it "fails", as context_pop */
    fake.memory--;
    CALL(cuMemFreeAsync);
    fake.stream = stream;
    return 0;
}

/* As cuda.h has it: pinned memory of a device, no handles, zeros after. */
static int memory_pool_create(void **memory_pool, const PlaitMemoryPoolProperties *properties)
{
    static const unsigned char zeros[72];
    int first[4];
    CALL_UNSAFE(cuMemPoolCreate);
    memcpy(first, properties, sizeof first);
    if (first[0] != 1 || first[1] != 0 || first[2] != 1 || first[3] < 0 || first[3] >= FAKE_DEVICES) return 1;
    if (memcmp((const char *)properties + sizeof first, zeros, sizeof zeros) != 0) return 1;
    FakeMemoryPool *made = malloc(sizeof *made);
    if (!made) return PLAIT_CUDA_OUT_OF_MEMORY;
    made->device = first[3];
    fake.memory_pools++;
    *memory_pool = made;
    return 0;
}

static int memory_pool_set(void *memory_pool, int attribute, void *value)
{
    CALL_UNSAFE(cuMemPoolSetAttribute);
    if (!memory_pool || attribute != 4) return 1;
    memcpy(&fake.threshold, value, sizeof fake.threshold);
    return 0;
}

static int memory_pool_destroy(void *memory_pool)
{
    free(memory_pool); /* also when it "fails", as context_pop */
    fake.memory_pools--;
    CALL(cuMemPoolDestroy);
    return 0;
}

static int copy_in(unsigned long long to, const void *from, size_t bytes)
{
    CALL_UNSAFE(cuMemcpyHtoD);
    fake.waits++;
    memcpy((void *)(uintptr_t)to, from, bytes);
    return 0;
}

static int copy_out(void *to, unsigned long long from, size_t bytes)
{
    CALL_UNSAFE(cuMemcpyDtoH);
    fake.waits++;
    memcpy(to, (const void *)(uintptr_t)from, bytes);
    return 0;
}

static int copy_in_async(unsigned long long to, const void *from, size_t bytes, void *stream)
{
    CALL(cuMemcpyHtoDAsync);
    if (!stream) return CAPTURE; /* the default stream would wait for all others */
    memcpy((void *)(uintptr_t)to, from, bytes);
    return 0;
}

static int copy_async(unsigned long long to, unsigned long long from, size_t bytes, void *stream)
{
    CALL(cuMemcpyDtoDAsync);
    fake.stream = stream;
    memcpy((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
    return 0;
}

static int fill_async(unsigned long long address, unsigned char byte, size_t bytes, void *stream)
{
    CALL(cuMemsetD8Async);
    (void)stream;
    memset((void *)(uintptr_t)address, byte, bytes);
    return 0;
}

/* ---- streams ---- */

static int stream_create(void **stream, unsigned flags)
{
    CALL(cuStreamCreate);
    if (flags != PLAIT_CUDA_STREAM_INDEPENDENT) return 1;
    *stream = malloc(1);
    if (!*stream) return PLAIT_CUDA_OUT_OF_MEMORY;
    fake.streams++;
    return 0;
}

static int stream_destroy(void *stream)
{
    free(stream);
    fake.streams--;
    CALL(cuStreamDestroy);
    return 0;
}

static int stream_wait(void *stream)
{
    CALL_UNSAFE(cuStreamSynchronize);
    if (!stream || fake.streams == 0) fake.waits++;
    return 0;
}

static int capture_mode(int *exchanged)
{
    int before = mode;
    mode = *exchanged;
    *exchanged = before;
    if (fails("cuThreadExchangeStreamCaptureMode")) {
        if (before != PLAIT_CUDA_CAPTURE_RELAXED) mode = before;
        return fake.error;
    }
    return 0;
}

static int event_create(void **event, unsigned flags)
{
    CALL(cuEventCreate);
    (void)flags;
    *event = malloc(1);
    return 0;
}

static int event_record(void *event, void *stream)
{
    CALL(cuEventRecord);
    (void)event, (void)stream;
    return 0;
}

static int event_wait(void *event)
{
    CALL(cuEventSynchronize);
    (void)event;
    fake.waits++;
    return 0;
}

static int event_elapsed(float *milliseconds, void *begin, void *end)
{
    CALL(cuEventElapsedTime);
    (void)begin, (void)end;
    *milliseconds = 1.5f;
    return 0;
}

static int event_destroy(void *event)
{
    free(event);
    CALL(cuEventDestroy);
    return 0;
}

static int capture_begin(void *stream, int how)
{
    CALL(cuStreamBeginCapture);
    (void)stream;
    fake.capturing = true;
    return how == PLAIT_CUDA_CAPTURE_THREAD ? 0 : 1;
}

static int capture_end(void *stream, void **graph)
{
    fake.capturing = false;
    CALL(cuStreamEndCapture);
    (void)stream;
    *graph = malloc(1);
    return 0;
}

static int graph_instantiate(void **instance, void *graph, unsigned long long flags)
{
    CALL(cuGraphInstantiateWithFlags);
    (void)graph;
    *instance = malloc(1);
    return flags == 0 ? 0 : 1;
}

static int graph_launch(void *instance, void *stream)
{
    CALL(cuGraphLaunch);
    (void)instance, (void)stream;
    return 0;
}

static int graph_destroy(void *graph)
{
    free(graph);
    CALL(cuGraphDestroy);
    return 0;
}

static int instance_destroy(void *instance)
{
    free(instance);
    CALL(cuGraphExecDestroy);
    return 0;
}

const PlaitDriver fake_driver = {
#define DRIVER(field, symbol, needed, parameters) .field = field,
#include "runtime/driver.def"
#undef DRIVER
};
