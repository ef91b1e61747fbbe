/* Launching through the fake driver: what is called, what is loaded, contexts, workspace, capture; then every call of
 * the driver and every allocation fails once: a status that names it, nothing lost, and the next call works. */
#include <stdlib.h>

#include "runtime/context.h"
#include "runtime/device.h"
#include "tests/runtime/fake_driver.h"
#include "tests/runtime/faults.h"
#include "tests/runtime/sums.h"
#include "tests/support/check.h"

static char stream_memory;
static void *const stream = &stream_memory;

static Sums *create(int64_t b, int64_t t, int device)
{
    Sums *sums = sums_create(b, t, 4);
    for (int i = 0; i < SUMS_COUNT; i++) sums->tensors[i].device = (DLDevice){kDLCUDA, device};
    return sums;
}

static PlaitStatus run(Sums *sums) { return plait_runtime_call(&sums_operator, sums->list, stream, NULL, 0); }

static void expect_run(int line, Sums *sums)
{
    PlaitStatus status = run(sums);
    if (status) fprintf(stderr, "line %d: %s\n", line, plait_last_error());
    CHECK(status == PLAIT_STATUS_OK);
    CHECK(sums_right(sums));
    CHECK(fake.waits == 0 && fake.pushed == 0);
}
#define RUNS(sums) expect_run(__LINE__, sums)

/* A new start: nothing loaded, one device of each kind, a context current. */
static void renew(void)
{
    plait_context_release_all();
    CHECK(fake.memory == 0 && fake.modules == 0 && fake.streams == 0 && fake.primaries == 0 && fake.pushed == 0);
    fake_reset();
    fake.architecture[0] = 90;
    fake.architecture[1] = 86;
    fake.refuse_cubin = fake.refuse_ptx = fake.capturing = false;
    fake_make_current(0);
}

/* What a call does, the first time and after. */
static void test_calls(void)
{
    renew();
    plait_driver_substitute(&fake_driver);
    Sums *sums = create(3, 5, 0);
    RUNS(sums);
    CHECK_TEXT(fake.log,
               "cuInit cuDeviceGet cuDeviceGetAttribute cuDeviceGetAttribute cuCtxGetCurrent cuCtxGetDevice cuCtxGetId "
               "cuThreadExchangeStreamCaptureMode cuModuleLoadDataEx cuModuleGetFunction cuFuncLoad "
               "cuFuncSetAttribute cuModuleGetFunction cuFuncLoad cuThreadExchangeStreamCaptureMode "
               "cuMemAllocAsync cuLaunchKernel cuLaunchKernel cuMemFreeAsync");
    CHECK_TEXT(fake.loaded, "cubin 90a");
    CHECK(fake.shared_limit == 64 * 1024);
    fake_reset();
    RUNS(sums);
    CHECK_TEXT(fake.log,
               "cuDeviceGet cuDeviceGetAttribute cuDeviceGetAttribute cuCtxGetCurrent cuCtxGetDevice cuCtxGetId "
               "cuMemAllocAsync cuLaunchKernel cuLaunchKernel cuMemFreeAsync");
    CHECK(fake.stream == stream && fake.grid == 3 && fake.block == 32 && fake.shared == 0);
    sums_destroy(sums);
}

static void test_empty(void)
{
    renew();
    Sums *sums = create(3, 0, 0); /* no programs of the first kernel, no workspace */
    RUNS(sums);
    CHECK(strstr(fake.log, "cuMemAllocAsync") == NULL && fake.grid == 3);
    sums_destroy(sums);
    sums = create(0, 4, 0);
    fake_reset();
    RUNS(sums);
    CHECK(strstr(fake.log, "cuLaunchKernel") == NULL);
    sums_destroy(sums);
}

static void expect_loaded(int architecture, bool refuse_cubin, const char *image)
{
    renew();
    fake.architecture[0] = architecture;
    fake.refuse_cubin = refuse_cubin;
    Sums *sums = create(2, 3, 0);
    RUNS(sums);
    CHECK_TEXT(fake.loaded, image);
    sums_destroy(sums);
}

static void test_images(void)
{
    expect_loaded(90, false, "cubin 90a");
    expect_loaded(90, true, "ptx 90a");
    expect_loaded(80, false, "cubin 80");
    expect_loaded(86, false, "cubin 80"); /* machine code runs on later ones of its major number */
    expect_loaded(86, true, "ptx 80");
    expect_loaded(100, false, "ptx 80"); /* sm_90a is for 9.0 alone */
    expect_loaded(120, false, "ptx 80");
    renew();
    fake.architecture[0] = 75;
    Sums *sums = create(2, 3, 0);
    CHECK(run(sums) == PLAIT_STATUS_NO_CODE);
    CHECK_TEXT(plait_last_error(), "sums: the GPU is sm_75, but the library was built for sm_80, sm_90a");
    fake.architecture[0] = 90;
    fake.refuse_cubin = fake.refuse_ptx = true;
    CHECK(run(sums) == PLAIT_STATUS_DRIVER);
    CHECK_TEXT(plait_last_error(), "sums: cuModuleLoadDataEx (sm_90a) [line 7: no] failed: CUDA_ERROR_INVALID_PTX");
    CHECK(sums_untouched(sums));
    sums_destroy(sums);
}

static void test_no_code(void)
{
    renew();
    float memory[2][4];
    int64_t size = 4;
    DLTensor bias = {.data = memory[0], .device = {kDLCUDA, 0}, .ndim = 1, .dtype = {kDLFloat, 32, 1}, .shape = &size},
             y = bias;
    DLTensor *list[] = {&bias, &y};
    y.data = memory[1];
    CHECK(plait_runtime_call(&lonely_operator, list, stream, NULL, 0) == PLAIT_STATUS_NO_CODE);
    CHECK_TEXT(plait_last_error(), "lonely: the GPU is sm_90, but the library was built for the CPU only");
}

static void test_missing(void)
{
    renew();
    Sums *sums = create(3, 5, 0);
    sums->list[SUMS_MASK] = NULL;
    RUNS(sums);
    sums->list[SUMS_X0] = NULL;
    RUNS(sums);
    CHECK(fake.memory == 1); /* one buffer for both calls */
    fake_reset();
    RUNS(sums);
    CHECK(strstr(fake.log, "cuMemAlloc ") == NULL && strstr(fake.log, "cuStreamSynchronize") == NULL);
    sums_destroy(sums);
}

/* No context, another device's, the same device's: each call ends with what was current before. */
static void test_contexts(void)
{
    renew();
    Sums *first = create(2, 3, 0), *second = create(2, 3, 1);
    void *before, *after;
    fake_make_none_current();
    RUNS(first);
    CHECK(fake.primaries == 1);
    fake_driver.context_get(&after);
    CHECK(after == NULL);
    fake_make_current(0);
    fake_driver.context_get(&before);
    RUNS(second);
    fake_driver.context_get(&after);
    CHECK(after == before && fake.primaries == 2 && fake.modules == 2);
    CHECK_TEXT(fake.loaded, "cubin 80");
    RUNS(first); /* in the thread's own context: another module */
    CHECK(fake.primaries == 2 && fake.modules == 3);
    RUNS(second);
    RUNS(first);
    CHECK(fake.primaries == 2 && fake.modules == 3);
    fake_replace_context(0);
    RUNS(first);
    CHECK(fake.modules == 4);
    for (int i = 0; i < SUMS_COUNT; i++) first->tensors[i].device.device_id = 7;
    CHECK(run(first) == PLAIT_STATUS_DRIVER);
    CHECK_TEXT(plait_last_error(), "sums: cuDeviceGet failed: CUDA_ERROR_INVALID_DEVICE");
    sums_destroy(first);
    sums_destroy(second);
}

static void test_workspace(void)
{
    renew();
    Sums *sums = create(3, 5, 0);
    static _Alignas(256) char memory[1024];
    uint64_t bytes;
    CHECK(plait_runtime_workspace_bytes(&sums_operator, sums->list, &bytes) == PLAIT_STATUS_OK && bytes == 256);
    CHECK(fake.modules == 0); /* a question loads nothing */
    CHECK(plait_runtime_call(&sums_operator, sums->list, stream, memory, bytes) == PLAIT_STATUS_OK && sums_right(sums));
    CHECK(strstr(fake.log, "cuMemAllocAsync") == NULL);
    PlaitDriver old = fake_driver; /* one that knows none of the functions that may be missing */
    old.allocate_async = NULL;
    old.context_id = NULL;
    old.capture_mode = NULL;
    old.function_load = NULL;
    renew();
    plait_driver_substitute(&old);
    CHECK(run(sums) == PLAIT_STATUS_NO_DRIVER);
    CHECK_TEXT(plait_last_error(), "sums: the CUDA driver is too old to find workspace in a stream; give one");
    CHECK(plait_runtime_call(&sums_operator, sums->list, stream, memory, bytes) == PLAIT_STATUS_OK && sums_right(sums));
    renew();
    plait_driver_substitute(&fake_driver);
    sums_destroy(sums);
}

static void test_capture(void)
{
    renew();
    Sums *sums = create(3, 5, 0);
    sums->list[SUMS_X0] = NULL;
    fake.capturing = true;
    RUNS(sums);
    RUNS(sums);
    fake.capturing = false;
    sums_destroy(sums);
}

static void test_too_many_programs(void)
{
    renew();
    Sums *sums = create(1, 1, 0);
    int64_t most = INT32_MAX;
    for (int i = 0; i < SUMS_COUNT; i++) {
        if (i != SUMS_MASK) sums->shapes[i][0] = most;
        if (i == SUMS_X || i == SUMS_K || i == SUMS_Y) sums->shapes[i][1] = 4;
        sums->strides[i][0] = i < SUMS_Y ? 0 : 16;
        if (i < SUMS_Y) sums->strides[i][1] = 0;
    }
    sums->shapes[SUMS_MASK][0] = 4;
    sums->tensors[SUMS_Y].data = (void *)((uintptr_t)1 << 60);
    sums->tensors[SUMS_LAST].data = (void *)((uintptr_t)1 << 61);
    sums->strides[SUMS_Y][1] = 4;
    CHECK(run(sums) == PLAIT_STATUS_TOO_LARGE);
    CHECK_TEXT(plait_last_error(), "sums: kernel `sums.0` has 4294967294 programs, more than 2147483647");
    CHECK(strstr(fake.log, "cuMemAllocAsync") == NULL);
    sums_destroy(sums);
}

/* ---- failures ---- */

/* When these fail, the call does without: the PTX instead of the machine code; the capture mode that could not be
 * restored is no reason to refuse results that are there. */
static bool has_way_around(const char *function)
{
    return strcmp(function, "cuModuleLoadDataEx") == 0 || strcmp(function, "cuThreadExchangeStreamCaptureMode") == 0;
}

/* A first call, with inputs missing and no context current, in which the n-th call of the driver fails. */
static bool fail_nth_call(int n, int error)
{
    renew();
    plait_driver_substitute(&fake_driver);
    fake_make_none_current();
    Sums *sums = create(3, 5, 0);
    sums->list[SUMS_MASK] = NULL;
    fake.fail_at = n;
    fake.error = error;
    PlaitStatus status = run(sums);
    const char *failed = fake.failed;
    char expected[80];
    if (!failed) CHECK(status == PLAIT_STATUS_OK && sums_right(sums));
    else if (status == PLAIT_STATUS_OK) CHECK(sums_right(sums) && has_way_around(failed));
    else {
        snprintf(expected, sizeof expected, "sums: %s", failed);
        PlaitStatus wanted = strcmp(failed, "cuInit") == 0       ? PLAIT_STATUS_NO_DRIVER
                             : error == PLAIT_CUDA_OUT_OF_MEMORY ? PLAIT_STATUS_OUT_OF_MEMORY
                                                                 : PLAIT_STATUS_DRIVER;
        CHECK(status == wanted && strcmp(failed, "cuModuleLoadDataEx") != 0);
        CHECK(strncmp(plait_last_error(), expected, strlen(expected)) == 0);
        CHECK(strstr(plait_last_error(), " failed: ") != NULL);
    }
    CHECK(fake.streams == 0 && fake.pushed == 0);
    fake_reset();
    RUNS(sums); /* the next call finds everything in order */
    sums_destroy(sums);
    return failed != NULL;
}

static void test_driver_failures(void)
{
    const int errors[] = {999, PLAIT_CUDA_OUT_OF_MEMORY, 12345};
    for (int i = 0; i < 3; i++) {
        int n = 1;
        while (fail_nth_call(n, errors[i])) n++;
        CHECK(n > 20);
    }
}

static bool fail_nth_allocation(int n)
{
    renew();
    fake_make_none_current();
    Sums *sums = create(3, 5, 0);
    sums->list[SUMS_MASK] = NULL;
    int before = faults_live();
    faults_begin(n);
    PlaitStatus status = run(sums);
    bool reached = faults_end() >= n;
    bool went_around = strncmp(fake.loaded, "ptx", 3) == 0; /* the fake module itself could not be allocated */
    CHECK(status == (reached && !went_around ? PLAIT_STATUS_OUT_OF_MEMORY : PLAIT_STATUS_OK));
    if (status) CHECK(strncmp(plait_last_error(), "sums: ", 6) == 0);
    fake_reset();
    RUNS(sums);
    renew();
    CHECK(faults_live() == before);
    sums_destroy(sums);
    return reached;
}

static void test_allocation_failures(void)
{
    int n = 1;
    while (fail_nth_allocation(n)) n++;
    CHECK(n > 8);
}

/* ---- device.h ---- */

static void test_device(void)
{
    renew();
    fake_make_none_current();
    PlaitDeviceInfo info;
    void *memory = NULL, *graph = NULL, *events[2], *made = NULL;
    char bytes[4] = "abc", back[4] = "";
    float milliseconds = 0;
    CHECK(plait_device_count() == 2);
    CHECK(plait_device_info(1, &info) == PLAIT_STATUS_OK && info.architecture == 86 && info.memory_bytes == 2000);
    CHECK_TEXT(info.name, "Fake 1");
    CHECK(info.memory_clock_khz == PLAIT_CUDA_MEMORY_CLOCK && info.memory_bus_bits == PLAIT_CUDA_MEMORY_BUS);
    CHECK(info.driver_version == 13000 && info.multiprocessors == PLAIT_CUDA_MULTIPROCESSORS);
    CHECK(plait_device_use(1) == PLAIT_STATUS_OK && fake.primaries == 1);
    CHECK(plait_device_allocate(4, &memory) == PLAIT_STATUS_OK &&
          plait_device_copy_in(memory, bytes, 4) == PLAIT_STATUS_OK);
    CHECK(plait_device_copy_out(back, memory, 4) == PLAIT_STATUS_OK);
    CHECK_TEXT(back, "abc");
    CHECK(plait_device_stream_create(&made) == PLAIT_STATUS_OK &&
          plait_device_fill(memory, 'x', 3, made) == PLAIT_STATUS_OK);
    CHECK(plait_device_stream_wait(made) == PLAIT_STATUS_OK &&
          plait_device_copy_out(back, memory, 4) == PLAIT_STATUS_OK);
    CHECK_TEXT(back, "xxx");
    for (int i = 0; i < 2; i++)
        CHECK(plait_device_event_create(&events[i]) == PLAIT_STATUS_OK &&
              plait_device_event_record(events[i], made) == PLAIT_STATUS_OK);
    CHECK(plait_device_event_elapsed(events[0], events[1], &milliseconds) == PLAIT_STATUS_OK && milliseconds == 1.5f);
    for (int i = 0; i < 2; i++) CHECK(plait_device_event_destroy(events[i]) == PLAIT_STATUS_OK);
    CHECK(plait_device_capture_begin(made) == PLAIT_STATUS_OK &&
          plait_device_capture_end(made, &graph) == PLAIT_STATUS_OK);
    CHECK(plait_device_graph_launch(graph, made) == PLAIT_STATUS_OK &&
          plait_device_graph_destroy(graph) == PLAIT_STATUS_OK);
    CHECK(plait_device_stream_destroy(made) == PLAIT_STATUS_OK && plait_device_free(memory) == PLAIT_STATUS_OK);
    CHECK(plait_device_allocate(0, &memory) == PLAIT_STATUS_OK && memory == NULL &&
          plait_device_free(NULL) == PLAIT_STATUS_OK);
    CHECK(plait_device_info(5, &info) == PLAIT_STATUS_DRIVER);
    CHECK_TEXT(plait_last_error(), "cuDeviceGet failed: CUDA_ERROR_INVALID_DEVICE");
    plait_device_release_all();
}

/* On a machine with no driver; with one, its GPUs. */
static void test_real_driver(void)
{
    renew();
    plait_driver_substitute(NULL);
    int count = plait_device_count();
    CHECK(count >= 0);
    if (count > 0) return;
    CHECK(plait_last_error()[0] != '\0');
    Sums *sums = create(2, 3, 0);
    CHECK(run(sums) == PLAIT_STATUS_NO_DRIVER && strncmp(plait_last_error(), "sums: ", 6) == 0);
    CHECK(sums_untouched(sums));
    sums_destroy(sums);
    sums = sums_create(2, 3, 4); /* the CPU's code is not concerned */
    CHECK(plait_runtime_call(&sums_operator, sums->list, NULL, NULL, 0) == PLAIT_STATUS_OK && sums_right(sums));
    sums_destroy(sums);
}

int main(void)
{
    plait_driver_substitute(&fake_driver);
    test_calls();
    test_empty();
    test_images();
    test_no_code();
    test_missing();
    test_contexts();
    test_workspace();
    test_capture();
    test_too_many_programs();
    test_driver_failures();
    test_allocation_failures();
    test_device();
    test_real_driver();
    return check_report();
}
