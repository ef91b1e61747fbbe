/* Launching through the fake driver: what is called, what is loaded, contexts, workspace, capture, device.h. What
 * happens when something of it fails is in gpu_failures.c. */
#include <pthread.h>

#include "tests/runtime/gpu_fixture.h"

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
               "cuThreadExchangeStreamCaptureMode cuDeviceTotalMem cuMemPoolCreate cuMemPoolSetAttribute "
               "cuThreadExchangeStreamCaptureMode "
               "cuMemAllocFromPoolAsync cuLaunchKernel cuLaunchKernel cuMemFreeAsync");
    CHECK_TEXT(fake.loaded, "cubin 90a");
    CHECK(fake.threshold == 1000 / 32);
    CHECK(fake.shared_limit == 64 * 1024);
    fake_reset();
    RUNS(sums);
    CHECK_TEXT(fake.log,
               "cuDeviceGet cuDeviceGetAttribute cuDeviceGetAttribute cuCtxGetCurrent cuCtxGetDevice cuCtxGetId "
               "cuMemAllocFromPoolAsync cuLaunchKernel cuLaunchKernel cuMemFreeAsync");
    CHECK(fake.stream == stream && fake.grid == 3 && fake.block == 32 && fake.shared == 0);
    sums_destroy(sums);
}

static void test_empty(void)
{
    renew();
    Sums *sums = create(3, 0, 0); /* no programs of the first kernel, no workspace */
    RUNS(sums);
    CHECK(strstr(fake.log, "cuMemAlloc") == NULL && fake.memory_pools == 0 && fake.grid == 3);
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

/* sums with its kernels, but other images. */
static PlaitStatus run_with_images(Sums *sums, const PlaitImageDescriptor *images)
{
    PlaitVariantDescriptor variant = sums_operator.variants[0];
    PlaitTargetDescriptor targets[2];
    variant.target_count = images[1].target ? 2 : 1;
    for (uint32_t i = 0; i < variant.target_count; i++) {
        targets[i] = variant.targets[1];
        targets[i].image = &images[i];
    }
    variant.targets = targets;
    const PlaitOperatorDescriptor op = {"sums", &variant, 1};
    PlaitStatus status = plait_runtime_call(&op, sums->list, stream, NULL, 0);
    plait_context_release_all(); /* what is kept is found by the address of these tables, which end here */
    return status;
}

#define IMAGE(target, cubin, ptx, architecture, exact)                                                                 \
    {                                                                                                                  \
        target, cubin, ptx, NULL, 9, 7, 0, architecture, exact                                                         \
    }
#define CUBIN(number) IMAGE("sm_" #number, "cubin " #number, NULL, number, 0)
#define PTX(number) IMAGE("sm_" #number, NULL, "ptx " #number, number, 0)
#define BOTH(number) IMAGE("sm_" #number, "cubin " #number, "ptx " #number, number, 0)
#define EXACT(number) IMAGE("sm_" #number "a", "cubin " #number, "ptx " #number, number, 1)
#define NEITHER(number, exact) IMAGE("sm_" #number, NULL, NULL, number, exact)

/* A GPU, the images of a library, and the one that must be loaded, with nothing else tried before; or the message. */
static const struct {
    int architecture;
    const char *loaded, *message;
    PlaitImageDescriptor images[2];
} image_rows[] = {
    /* Machine code of another major number, older or newer, beside PTX. */
    {90, "ptx 80", NULL, {BOTH(80)}},
    {120, "ptx 90", NULL, {BOTH(80), BOTH(90)}},
    {120, "ptx 80", NULL, {PTX(80), CUBIN(90)}},
    {80, "ptx 75", NULL, {PTX(75), CUBIN(90)}},
    {80, "ptx 75", NULL, {BOTH(75), BOTH(86)}},
    /* Machine code that runs. */
    {89, "cubin 80", NULL, {CUBIN(80), CUBIN(90)}},
    {89, "cubin 86", NULL, {CUBIN(80), CUBIN(86)}},
    {90, "cubin 90", NULL, {PTX(80), CUBIN(90)}},
    {90, "cubin 90", NULL, {EXACT(90), BOTH(80)}},
    /* Nothing that runs. */
    {90, NULL, "sums: the GPU is sm_90, but the library was built for sm_80", {CUBIN(80)}},
    {120, NULL, "sums: the GPU is sm_120, but the library was built for sm_80, sm_90", {CUBIN(80), CUBIN(90)}},
    {80, NULL, "sums: the GPU is sm_80, but the library was built for sm_86", {BOTH(86)}},
    {100, NULL, "sums: the GPU is sm_100, but the library was built for sm_90a", {EXACT(90)}},
    {90, NULL, "sums: the GPU is sm_90, but the library was built for sm_80, sm_90", {NEITHER(80, 0), NEITHER(90, 1)}},
};

static void test_choice_of_image(void)
{
    Sums *sums = create(2, 3, 0);
    for (size_t i = 0; i < sizeof image_rows / sizeof *image_rows; i++) {
        const char *loaded = image_rows[i].loaded;
        renew();
        fake.architecture[0] = image_rows[i].architecture;
        PlaitStatus status = run_with_images(sums, image_rows[i].images);
        CHECK(status == (loaded ? PLAIT_STATUS_OK : PLAIT_STATUS_NO_CODE));
        CHECK(!loaded || sums_right(sums));
        CHECK(fake.loads == (loaded ? 1 : 0));
        CHECK_TEXT(fake.loaded, loaded ? loaded : "");
        CHECK_TEXT(plait_last_error(), loaded ? "" : image_rows[i].message);
    }
    renew();
    fake.refuse_cubin = true;
    CHECK(run_with_images(sums, (const PlaitImageDescriptor[2]){CUBIN(90)}) == PLAIT_STATUS_DRIVER);
    CHECK_TEXT(plait_last_error(), "sums: cuModuleLoadDataEx (sm_90) failed: CUDA_ERROR_NO_BINARY_FOR_GPU");
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
    CHECK(strstr(fake.log, "cuMemAlloc") == NULL && fake.memory_pools == 0);
    PlaitDriver old = fake_driver; /* one that knows none of the functions that may be missing */
    old.allocate_async = NULL;
    old.allocate_from_pool = NULL;
    old.memory_pool_create = NULL;
    old.context_id = NULL;
    old.capture_mode = NULL;
    old.function_load = NULL;
    renew();
    old.graph_launch = NULL;
    plait_driver_substitute(&old);
    CHECK(plait_device_capture_begin(stream) == PLAIT_STATUS_NO_DRIVER);
    CHECK_TEXT(plait_last_error(), "the CUDA driver is too old for graphs");
    CHECK(run(sums) == PLAIT_STATUS_NO_DRIVER);
    CHECK_TEXT(plait_last_error(), "sums: the CUDA driver is too old to find workspace in a stream; give one");
    CHECK(plait_runtime_call(&sums_operator, sums->list, stream, memory, bytes) == PLAIT_STATUS_OK && sums_right(sums));
    renew();
    plait_driver_substitute(&fake_driver);
    sums_destroy(sums);
}

/* One for each context that a call with workspace of its own is made in; the device's current one is left alone. */
static void test_memory_pools(void)
{
    renew();
    Sums *first = create(2, 3, 0), *second = create(2, 3, 1);
    RUNS(first);
    RUNS(first);
    CHECK(fake.memory_pools == 1 && fake.threshold == 1000 / 32);
    RUNS(second); /* in the primary context of the other device */
    CHECK(fake.memory_pools == 2 && fake.threshold == 2000 / 32);
    fake_make_none_current();
    RUNS(first);
    CHECK(fake.memory_pools == 3);
    fake_make_current(0);
    fake_replace_context(0);
    RUNS(first);
    RUNS(second);
    CHECK(fake.memory_pools == 4 && strstr(fake.log, "cuMemAllocAsync") == NULL);
    sums_destroy(first);
    sums_destroy(second);
}

#define LATER_CALL                                                                                                     \
    "cuDeviceGet cuDeviceGetAttribute cuDeviceGetAttribute cuCtxGetCurrent cuCtxGetDevice cuCtxGetId "                 \
    "cuMemAllocAsync cuLaunchKernel cuLaunchKernel cuMemFreeAsync"

/* A pool that cannot be made is done without, and not tried again. */
static void expect_no_memory_pool(const char *refused)
{
    renew();
    Sums *sums = create(3, 5, 0);
    fake.refused = refused;
    RUNS(sums);
    CHECK(fake.failed && strcmp(fake.failed, refused) == 0 && fake.memory_pools == 0);
    fake_reset();
    RUNS(sums);
    CHECK_TEXT(fake.log, LATER_CALL);
    sums_destroy(sums);
}

/* A driver that lacks one function of it is asked for none of the others. */
static void expect_old_driver(const PlaitDriver *old)
{
    renew();
    plait_driver_substitute(old);
    Sums *sums = create(3, 5, 0);
    RUNS(sums);
    CHECK(strstr(fake.log, "Pool") == NULL && strstr(fake.log, "cuMemAllocAsync"));
    fake_reset();
    RUNS(sums);
    CHECK_TEXT(fake.log, LATER_CALL);
    sums_destroy(sums);
    renew();
    plait_driver_substitute(&fake_driver);
}

static void test_without_memory_pools(void)
{
    expect_no_memory_pool("cuDeviceTotalMem");
    expect_no_memory_pool("cuMemPoolCreate");
    expect_no_memory_pool("cuMemPoolSetAttribute");
    PlaitDriver old[4] = {fake_driver, fake_driver, fake_driver, fake_driver};
    old[0].memory_pool_create = NULL;
    old[1].memory_pool_set = NULL;
    old[2].memory_pool_destroy = NULL;
    old[3].allocate_from_pool = NULL;
    for (int i = 0; i < 4; i++) expect_old_driver(&old[i]);
}

static void test_capture(void)
{
    renew();
    Sums *sums = create(3, 5, 0);
    sums->list[SUMS_X0] = NULL;
    fake.capturing = true;
    RUNS(sums);
    RUNS(sums);
    CHECK(fake.memory_pools == 1 && strstr(fake.log, "cuMemAllocAsync") == NULL);
    fake.capturing = false;
    sums_destroy(sums);
}

/* ---- versions with maps, and late ones ---- */

enum { ORDINARY = 64, MAPPED = 192, ODD = 65, EVEN = 64 }; /* threads of the versions; elements of a row */

static void expect_copied(int line, const PlaitOperatorDescriptor *op, int64_t row, unsigned threads, int loads)
{
    PlaitStatus status = run_copied(op, row);
    if (status || fake.block != threads || fake.loads != loads)
        fprintf(stderr, "line %d: %u threads, %d images, `%s`\n", line, fake.block, fake.loads, plait_last_error());
    CHECK(status == PLAIT_STATUS_OK && fake.block == threads && fake.loads == loads);
}
#define COPIES(op, row, threads, loads) expect_copied(__LINE__, &(op), row, threads, loads)

static void test_versions(void)
{
    renew();
    COPIES(copied_operator, EVEN, MAPPED, 1);
    COPIES(copied_operator, ODD, ORDINARY, 1);
    CHECK(fake.modules == 1 && fake.shared == 50 * 1024);
}

/* The late part is loaded by the first call that needs it, and by no other; with it nothing else is. */
static void test_late(void)
{
    renew();
    COPIES(copied_late_operator, EVEN, MAPPED, 1);
    COPIES(copied_late_operator, EVEN, MAPPED, 1);
    CHECK_TEXT(fake.loaded, "cubin 90a first");
    fake_reset();
    COPIES(copied_late_operator, ODD, ORDINARY, 1);
    CHECK_TEXT(fake.loaded, "ptx 90a late");
    CHECK_TEXT(fake.log, "cuDeviceGet cuDeviceGetAttribute cuDeviceGetAttribute cuCtxGetCurrent cuCtxGetDevice "
                         "cuCtxGetId cuThreadExchangeStreamCaptureMode cuModuleLoadDataEx cuModuleGetFunction "
                         "cuFuncLoad cuFuncSetAttribute cuThreadExchangeStreamCaptureMode cuLaunchKernel");
    CHECK(fake.shared_limit == 50 * 1024 && fake.shared == 50 * 1024 && fake.modules == 2);
    fake_reset();
    COPIES(copied_late_operator, ODD, ORDINARY, 0);
    COPIES(copied_late_operator, EVEN, MAPPED, 0);
    fake_replace_context(0); /* nothing of the old one is there */
    COPIES(copied_late_operator, ODD, ORDINARY, 2);
    COPIES(copied_late_operator, ODD, ORDINARY, 2);
    renew();
    fake.refuse_cubin = true;
    COPIES(copied_late_operator, ODD, ORDINARY, 3);
}

/* An input that is left out looks like rows of a contiguous tensor: nothing late is needed for it. */
static void test_missing_row(void)
{
    renew();
    CHECK(run_copied_of(&copied_late_operator, EVEN, 2, false) == PLAIT_STATUS_OK && fake.block == MAPPED);
    CHECK(fake.loads == 1 && fake.memory == 1);
    CHECK(run_copied_of(&copied_late_operator, ODD, 2, false) == PLAIT_STATUS_OK && fake.block == ORDINARY);
}

static void test_late_of_nothing(void)
{
    renew();
    PlaitDriver old = fake_driver;
    old.map_encode = NULL;
    CHECK(run_copied_of(&copied_late_operator, ODD, 0, true) == PLAIT_STATUS_OK && fake.loads == 1); /* no programs */
    plait_driver_substitute(&old); /* which has no maps */
    COPIES(copied_late_operator, EVEN, ORDINARY, 2);
    renew();
    plait_driver_substitute(&fake_driver);
}

static void test_late_capture(void)
{
    renew();
    fake.capturing = true;
    COPIES(copied_late_operator, ODD, ORDINARY, 2);
    fake.capturing = false;
}

/* Refused before anything is launched; the version with maps goes on, and the next call tries again. */
static void test_late_refused(void)
{
    renew();
    fake.refuse_ptx = true;
    for (int i = 0; i < 2; i++) {
        CHECK(run_copied(&copied_late_operator, ODD) == PLAIT_STATUS_DRIVER);
        CHECK_TEXT(plait_last_error(), "copied: cuModuleLoadDataEx (sm_90a, late part) [line 7: no] failed: "
                                       "CUDA_ERROR_INVALID_PTX");
        CHECK(strstr(fake.log, "cuLaunchKernel") == NULL && fake.modules == 1 && fake.loads == 2 + i);
    }
    COPIES(copied_late_operator, EVEN, MAPPED, 3);
    fake.refuse_ptx = false;
    COPIES(copied_late_operator, ODD, ORDINARY, 4);
}

static pthread_barrier_t together;

static void *copy_odd(void *status)
{
    pthread_barrier_wait(&together);
    *(PlaitStatus *)status = run_copied(&copied_late_operator, ODD);
    return NULL;
}

static void test_late_threads(void)
{
    enum { THREADS = 2, ROUNDS = 50 };
    pthread_barrier_init(&together, NULL, THREADS);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        PlaitStatus statuses[THREADS];
        renew();
        for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, copy_odd, &statuses[i]) == 0);
        for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
        for (int i = 0; i < THREADS; i++) CHECK(statuses[i] == PLAIT_STATUS_OK);
        CHECK(fake.loads == 2 && fake.modules == 2);
    }
    pthread_barrier_destroy(&together);
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
    CHECK(strstr(fake.log, "cuMemAlloc") == NULL);
    sums_destroy(sums);
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
          plait_device_copy(memory, (char *)memory + 2, 1, made) == PLAIT_STATUS_OK && fake.stream == made);
    CHECK(plait_device_copy(NULL, NULL, 0, made) == PLAIT_STATUS_OK &&
          plait_device_copy_out(back, memory, 4) == PLAIT_STATUS_OK);
    CHECK_TEXT(back, "cbc");
    CHECK(plait_device_fill(memory, 'x', 3, made) == PLAIT_STATUS_OK);
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
    test_choice_of_image();
    test_no_code();
    test_missing();
    test_contexts();
    test_workspace();
    test_memory_pools();
    test_without_memory_pools();
    test_capture();
    test_versions();
    test_late();
    test_missing_row();
    test_late_of_nothing();
    test_late_capture();
    test_late_refused();
    test_late_threads();
    test_too_many_programs();
    test_device();
    test_real_driver();
    return check_report();
}
