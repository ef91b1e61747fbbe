/* Every call of the driver (in a first call of an operator and in a later one, in a question, at the end, in device.h)
 * and every allocation fails once: a status that names it, nothing lost, and the next call works. */
#include "tests/runtime/faults.h"
#include "tests/runtime/gpu_fixture.h"

/* The functions of the driver that have failed so far. */
static const char *failed_functions[64];
static int failed_count;

static bool has_failed(const char *symbol)
{
    for (int i = 0; i < failed_count; i++) {
        size_t length = strlen(failed_functions[i]);
        if (strncmp(symbol, failed_functions[i], length) == 0 &&
            (symbol[length] == '\0' || strcmp(symbol + length, "_v2") == 0))
            return true;
    }
    return false;
}

/* The function that failed since fake_reset, which is noted; NULL: none did. */
static const char *take_failed(void)
{
    if (fake.failed && !has_failed(fake.failed) && failed_count < 64) failed_functions[failed_count++] = fake.failed;
    return fake.failed;
}

static bool names_failure(const char *subject, const char *failed)
{
    char expected[80];
    snprintf(expected, sizeof expected, "%s%s", subject, failed);
    return strncmp(plait_last_error(), expected, strlen(expected)) == 0 &&
           strstr(plait_last_error(), " failed: ") != NULL;
}

/* When these fail, the call does without: the PTX instead of the machine code (there is none of what is late), the
 * device's memory pool instead of the library's. */
static bool is_done_without(const char *function, bool late)
{
    return (!late && strcmp(function, "cuModuleLoadDataEx") == 0) || strcmp(function, "cuDeviceTotalMem") == 0 ||
           strcmp(function, "cuMemPoolCreate") == 0 || strcmp(function, "cuMemPoolSetAttribute") == 0;
}

/* Likewise; but of the capture mode only its restoring, which is no reason to refuse results that are there. */
static bool has_way_around(const char *function, bool late)
{
    return is_done_without(function, late) || strcmp(function, "cuThreadExchangeStreamCaptureMode") == 0;
}

static PlaitStatus measure(Sums *sums)
{
    uint64_t bytes;
    PlaitStatus status = plait_runtime_workspace_bytes(&sums_operator, sums->list, &bytes);
    CHECK(status != PLAIT_STATUS_OK || bytes == 256);
    return status;
}

/* With tensors that its version with maps takes, and with others. */
static PlaitStatus run_mapped(Sums *unused)
{
    (void)unused;
    return run_copied(&copied_late_operator, 64);
}

static PlaitStatus run_late(Sums *unused)
{
    (void)unused;
    return run_copied(&copied_late_operator, 65);
}

static PlaitDriver old_driver; /* without memory pools but the device's */

/* What is done while one call of the driver fails, by which operator, how many calls it makes at least, whether sums is
 * loaded before, whether a context of the device is current, whether the driver is old, and whether all of copied is
 * loaded before that is not late. */
static const struct {
    PlaitStatus (*act)(Sums *sums);
    const char *subject;
    int calls;
    bool again, current, old, late;
} acts[] = {
    {run, "sums: ", 24, false, false, false, false},     {run, "sums: ", 24, false, true, false, false},
    {run, "sums: ", 10, true, false, false, false},      {run, "sums: ", 20, false, true, true, false},
    {run, "sums: ", 8, true, true, true, false},         {measure, "sums: ", 5, false, false, false, false},
    {measure, "sums: ", 5, true, true, false, false},    {run_mapped, "copied: ", 10, false, true, false, false},
    {run_late, "copied: ", 12, false, true, false, true}};

/* With an input missing, the n-th call of the driver fails. */
static bool fail_nth_call(size_t which, int n, int error)
{
    renew();
    plait_driver_substitute(acts[which].old ? &old_driver : &fake_driver);
    if (!acts[which].current) fake_make_none_current();
    Sums *sums = create(3, 5, 0);
    sums->list[SUMS_MASK] = NULL;
    if (acts[which].again) RUNS(sums);
    if (acts[which].late) CHECK(run_mapped(sums) == PLAIT_STATUS_OK);
    fake_reset();
    fake.fail_at = n;
    fake.error = error;
    PlaitStatus status = acts[which].act(sums);
    const char *failed = take_failed();
    if (status == PLAIT_STATUS_OK) {
        CHECK(acts[which].act != run || sums_right(sums));
        CHECK(!failed || has_way_around(failed, acts[which].late));
    } else {
        PlaitStatus wanted = failed && strcmp(failed, "cuInit") == 0 ? PLAIT_STATUS_NO_DRIVER
                             : error == PLAIT_CUDA_OUT_OF_MEMORY     ? PLAIT_STATUS_OUT_OF_MEMORY
                                                                     : PLAIT_STATUS_DRIVER;
        CHECK(failed && status == wanted && !is_done_without(failed, acts[which].late));
        CHECK(failed && names_failure(acts[which].subject, failed));
    }
    CHECK(fake.streams == 0 && fake.pushed == 0);
    fake_reset();
    RUNS(sums); /* the next call finds everything in order */
    CHECK(!acts[which].old || fake.memory_pools == 0);
    sums_destroy(sums);
    return failed != NULL;
}

static void test_driver_failures(void)
{
    const int errors[] = {999, PLAIT_CUDA_OUT_OF_MEMORY, 12345};
    for (size_t which = 0; which < sizeof acts / sizeof *acts; which++)
        for (int i = 0; i < 3; i++) {
            int n = 1;
            while (fail_nth_call(which, n, errors[i])) n++;
            CHECK(n > acts[which].calls);
        }
}

/* Everything is let go of, whatever fails on the way. (A context that cannot be made current is gone, with all that
 * was in it, which the fake driver does not play.) */
static bool fail_nth_release(int n)
{
    renew();
    fake_make_none_current();
    Sums *sums = create(3, 5, 0);
    sums->list[SUMS_MASK] = NULL;
    RUNS(sums);
    fake_reset();
    fake.spared = "cuCtxPushCurrent";
    fake.fail_at = n;
    plait_context_release_all();
    CHECK(fake.memory == 0 && fake.memory_pools == 0 && fake.modules == 0);
    CHECK(fake.primaries == 0 && fake.pushed == 0);
    sums_destroy(sums);
    return take_failed() != NULL;
}

static void test_release_failures(void)
{
    int n = 1;
    while (fail_nth_release(n)) n++;
    CHECK(n > 5);
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
    bool went_around = strncmp(fake.loaded, "ptx", 3) == 0 || /* the fake module itself could not be allocated */
                       strstr(fake.log, "cuMemAllocAsync");   /* or the fake memory pool */
    CHECK(status == (reached && !went_around ? PLAIT_STATUS_OUT_OF_MEMORY : PLAIT_STATUS_OK));
    if (status) CHECK(strncmp(plait_last_error(), "sums: ", 6) == 0);
    fake_reset();
    RUNS(sums);
    renew();
    CHECK(faults_live() == before);
    sums_destroy(sums);
    return reached;
}

/* Of what is late; nothing stands in for it. */
static bool fail_nth_late_allocation(int n)
{
    renew();
    CHECK(run_mapped(NULL) == PLAIT_STATUS_OK);
    int before = faults_live();
    faults_begin(n);
    PlaitStatus status = run_late(NULL);
    bool reached = faults_end() >= n;
    CHECK(status == (reached ? PLAIT_STATUS_OUT_OF_MEMORY : PLAIT_STATUS_OK));
    CHECK(status == PLAIT_STATUS_OK || faults_live() <= before + 2); /* a module that loaded, and its entry */
    CHECK(run_late(NULL) == PLAIT_STATUS_OK);
    return reached;
}

static void test_allocation_failures(void)
{
    int n = 1, late = 1;
    while (fail_nth_allocation(n)) n++;
    CHECK(n > 10);
    while (fail_nth_late_allocation(late)) late++;
    CHECK(late > 4);
}

/* ---- device.h ---- */

typedef struct Tour {
    void *memory, *stream, *events[2], *graph;
} Tour;

/* What is to be destroyed is forgotten first: it is gone also when that fails. */
static void *take(void **thing)
{
    void *taken = *thing;
    *thing = NULL;
    return taken;
}

/* All functions of device.h, until one fails. */
static bool tour_device(Tour *it)
{
    PlaitDeviceInfo info;
    char bytes[4] = "abc";
    float milliseconds;
    return plait_device_count() == FAKE_DEVICES && !plait_device_info(1, &info) && !plait_device_use(1) &&
           !plait_device_allocate(8, &it->memory) && !plait_device_copy_in(it->memory, bytes, 4) &&
           !plait_device_stream_create(&it->stream) && !plait_device_fill(it->memory, 'x', 3, it->stream) &&
           !plait_device_copy(it->memory, (char *)it->memory + 2, 1, it->stream) &&
           !plait_device_copy((char *)it->memory + 4, it->memory, 4, it->stream) &&
           !plait_device_stream_wait(it->stream) && !plait_device_copy_out(bytes, it->memory, 4) &&
           !plait_device_event_create(&it->events[0]) && !plait_device_event_create(&it->events[1]) &&
           !plait_device_event_record(it->events[0], it->stream) &&
           !plait_device_event_record(it->events[1], it->stream) &&
           !plait_device_event_elapsed(it->events[0], it->events[1], &milliseconds) &&
           !plait_device_event_destroy(take(&it->events[0])) && !plait_device_event_destroy(take(&it->events[1])) &&
           !plait_device_capture_begin(it->stream) && !plait_device_capture_end(it->stream, &it->graph) &&
           !plait_device_graph_launch(it->graph, it->stream) && !plait_device_graph_destroy(take(&it->graph)) &&
           !plait_device_stream_destroy(take(&it->stream)) && !plait_device_free(take(&it->memory));
}

static bool fail_nth_step(int n)
{
    Tour it = {.memory = NULL};
    renew();
    plait_driver_substitute(&fake_driver); /* to be started again */
    fake.fail_at = n;
    bool whole = tour_device(&it);
    const char *failed = take_failed();
    if (!failed || strcmp(failed, "cuGraphDestroy") == 0) CHECK(whole); /* the instance does not need the graph */
    else CHECK(!whole && names_failure("", failed));
    fake_reset();
    if (it.graph) plait_device_graph_destroy(it.graph);
    for (int i = 0; i < 2; i++)
        if (it.events[i]) plait_device_event_destroy(it.events[i]);
    if (it.stream) plait_device_stream_destroy(it.stream);
    plait_device_free(it.memory);
    return failed != NULL;
}

static void test_device_failures(void)
{
    int n = 1;
    while (fail_nth_step(n)) n++;
    CHECK(n > 30);
}

/* A function that the runtime comes to call is called by a test too, and fails in it. */
static void test_all_have_failed(void)
{
    static const char *const symbols[] = {
#define DRIVER(field, symbol, needed, parameters) symbol,
#include "runtime/driver.def"
#undef DRIVER
    };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        bool tested = strcmp(symbols[i], "cuGetErrorName") == 0 || has_failed(symbols[i]);
        if (!tested) fprintf(stderr, "%s has not failed\n", symbols[i]);
        CHECK(tested);
    }
}

int main(void)
{
    old_driver = fake_driver;
    old_driver.memory_pool_create = NULL;
    plait_driver_substitute(&fake_driver);
    test_driver_failures();
    test_release_failures();
    test_allocation_failures();
    test_device_failures();
    test_all_have_failed();
    renew();
    return check_report();
}
