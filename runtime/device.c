/* The helpers of device.h: each is one or two functions of the driver with their errors as text. */
#include "runtime/device.h"

#include "runtime/context.h"

/* Opens the driver, forgetting the text of the last error. */
static PlaitStatus begin(const PlaitDriver **driver)
{
    plait_error_begin(NULL);
    return plait_driver_open(driver);
}

/* Runs one function of the driver and returns its status from the function around. */
#define RETURN_CALL(symbol, ...)                                                                                       \
    do {                                                                                                               \
        const PlaitDriver *driver;                                                                                     \
        PlaitStatus status = begin(&driver);                                                                           \
        return status ? status : plait_driver_check(driver, driver->__VA_ARGS__, symbol);                              \
    } while (0)

static unsigned long long number(const void *address) { return (unsigned long long)(uintptr_t)address; }

int plait_device_count(void)
{
    const PlaitDriver *driver;
    int count = 0;
    PlaitStatus status = begin(&driver);
    if (!status) status = plait_driver_check(driver, driver->device_count(&count), "cuDeviceGetCount");
    return status ? 0 : count;
}

static PlaitStatus read_attributes(const PlaitDriver *driver, int device, PlaitDeviceInfo *info)
{
    int major = 0, minor = 0;
    const struct {
        int attribute, *value;
    } wanted[] = {{PLAIT_CUDA_MAJOR, &major},
                  {PLAIT_CUDA_MINOR, &minor},
                  {PLAIT_CUDA_MULTIPROCESSORS, &info->multiprocessors},
                  {PLAIT_CUDA_CLOCK, &info->clock_khz},
                  {PLAIT_CUDA_MEMORY_CLOCK, &info->memory_clock_khz},
                  {PLAIT_CUDA_MEMORY_BUS, &info->memory_bus_bits},
                  {PLAIT_CUDA_L2_BYTES, &info->l2_bytes},
                  {PLAIT_CUDA_SHARED_BYTES, &info->shared_bytes}};
    PlaitStatus status = PLAIT_STATUS_OK;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && !status; i++)
        status = plait_driver_check(driver, driver->device_attribute(wanted[i].value, wanted[i].attribute, device),
                                    "cuDeviceGetAttribute");
    info->architecture = (uint32_t)(major * 10 + minor);
    return status;
}

PlaitStatus plait_device_info(int ordinal, PlaitDeviceInfo *info)
{
    const PlaitDriver *driver;
    PlaitDeviceInfo found = {.architecture = 0};
    size_t bytes = 0;
    int device = 0;
    PlaitStatus status = begin(&driver);
    if (!status) status = plait_driver_check(driver, driver->device_get(&device, ordinal), "cuDeviceGet");
    if (!status)
        status =
            plait_driver_check(driver, driver->device_name(found.name, sizeof found.name, device), "cuDeviceGetName");
    if (!status) status = plait_driver_check(driver, driver->device_memory(&bytes, device), "cuDeviceTotalMem");
    if (!status) status = plait_driver_check(driver, driver->version(&found.driver_version), "cuDriverGetVersion");
    if (!status) status = read_attributes(driver, device, &found);
    found.memory_bytes = bytes;
    if (!status) *info = found;
    return status;
}

PlaitStatus plait_device_use(int ordinal)
{
    const PlaitDriver *driver;
    int device = 0;
    void *context = NULL;
    PlaitStatus status = begin(&driver);
    if (!status) status = plait_driver_check(driver, driver->device_get(&device, ordinal), "cuDeviceGet");
    if (!status) status = plait_context_primary(driver, device, &context);
    return status ? status : plait_driver_check(driver, driver->context_set(context), "cuCtxSetCurrent");
}

/* ---- memory ---- */

PlaitStatus plait_device_allocate(uint64_t bytes, void **address)
{
    const PlaitDriver *driver;
    unsigned long long memory = 0;
    PlaitStatus status = begin(&driver);
    if (!status && bytes > 0) status = plait_driver_check(driver, driver->allocate(&memory, bytes), "cuMemAlloc");
    if (!status) *address = (void *)(uintptr_t)memory;
    return status;
}

PlaitStatus plait_device_free(void *address)
{
    if (!address) return PLAIT_STATUS_OK;
    RETURN_CALL("cuMemFree", release(number(address)));
}

PlaitStatus plait_device_copy_in(void *device, const void *host, uint64_t bytes)
{
    if (bytes == 0) return PLAIT_STATUS_OK;
    RETURN_CALL("cuMemcpyHtoD", copy_in(number(device), host, bytes));
}

PlaitStatus plait_device_copy_out(void *host, const void *device, uint64_t bytes)
{
    if (bytes == 0) return PLAIT_STATUS_OK;
    RETURN_CALL("cuMemcpyDtoH", copy_out(host, number(device), bytes));
}

PlaitStatus plait_device_copy(void *to, const void *from, uint64_t bytes, void *stream)
{
    if (bytes == 0) return PLAIT_STATUS_OK;
    RETURN_CALL("cuMemcpyDtoDAsync", copy_async(number(to), number(from), bytes, stream));
}

PlaitStatus plait_device_fill(void *device, uint8_t byte, uint64_t bytes, void *stream)
{
    if (bytes == 0) return PLAIT_STATUS_OK;
    RETURN_CALL("cuMemsetD8Async", fill_async(number(device), byte, bytes, stream));
}

/* ---- streams and events ---- */

PlaitStatus plait_device_stream_create(void **stream)
{
    RETURN_CALL("cuStreamCreate", stream_create(stream, PLAIT_CUDA_STREAM_INDEPENDENT));
}

PlaitStatus plait_device_stream_destroy(void *stream) { RETURN_CALL("cuStreamDestroy", stream_destroy(stream)); }

PlaitStatus plait_device_stream_wait(void *stream) { RETURN_CALL("cuStreamSynchronize", stream_wait(stream)); }

PlaitStatus plait_device_event_create(void **event) { RETURN_CALL("cuEventCreate", event_create(event, 0)); }

PlaitStatus plait_device_event_destroy(void *event) { RETURN_CALL("cuEventDestroy", event_destroy(event)); }

PlaitStatus plait_device_event_record(void *event, void *stream)
{
    RETURN_CALL("cuEventRecord", event_record(event, stream));
}

PlaitStatus plait_device_event_elapsed(void *begin_event, void *end_event, float *milliseconds)
{
    const PlaitDriver *driver;
    PlaitStatus status = begin(&driver);
    if (!status) status = plait_driver_check(driver, driver->event_wait(end_event), "cuEventSynchronize");
    if (!status)
        status = plait_driver_check(driver, driver->event_elapsed(milliseconds, begin_event, end_event),
                                    "cuEventElapsedTime");
    return status;
}

/* ---- graphs ---- */

static PlaitStatus begin_graphs(const PlaitDriver **driver)
{
    PlaitStatus status = begin(driver);
    const PlaitDriver *table = *driver;
    if (status) return status;
    if (table->capture_begin && table->capture_end && table->graph_instantiate && table->graph_launch &&
        table->graph_destroy && table->instance_destroy)
        return status;
    return plait_fail(PLAIT_STATUS_NO_DRIVER, "the CUDA driver is too old for graphs");
}

PlaitStatus plait_device_capture_begin(void *stream)
{
    const PlaitDriver *driver;
    PlaitStatus status = begin_graphs(&driver);
    if (status) return status;
    return plait_driver_check(driver, driver->capture_begin(stream, PLAIT_CUDA_CAPTURE_THREAD), "cuStreamBeginCapture");
}

PlaitStatus plait_device_capture_end(void *stream, void **graph)
{
    const PlaitDriver *driver;
    void *captured = NULL;
    PlaitStatus status = begin_graphs(&driver);
    if (!status) status = plait_driver_check(driver, driver->capture_end(stream, &captured), "cuStreamEndCapture");
    if (status) return status;
    status = plait_driver_check(driver, driver->graph_instantiate(graph, captured, 0), "cuGraphInstantiateWithFlags");
    driver->graph_destroy(captured); /* the instance does not need it */
    return status;
}

PlaitStatus plait_device_graph_launch(void *graph, void *stream)
{
    const PlaitDriver *driver;
    PlaitStatus status = begin_graphs(&driver);
    return status ? status : plait_driver_check(driver, driver->graph_launch(graph, stream), "cuGraphLaunch");
}

PlaitStatus plait_device_graph_destroy(void *graph)
{
    const PlaitDriver *driver;
    PlaitStatus status = begin_graphs(&driver);
    return status ? status : plait_driver_check(driver, driver->instance_destroy(graph), "cuGraphExecDestroy");
}

void plait_device_release_all(void) { plait_context_release_all(); }
