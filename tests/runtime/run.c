/* Running on the CPU: results for any number of threads, missing inputs, empty axes, strides, variants, callers at
 * once, after fork, at each level of x86-64. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/isa.h"
#include "runtime/pool.h"
#include "tests/runtime/sums.h"
#include "tests/support/check.h"

static PlaitStatus run(Sums *sums) { return plait_runtime_call(&sums_operator, sums->list, NULL, NULL, 0); }

/* Runs the sample and says whether all is right; ends its life. */
static int runs(Sums *sums)
{
    PlaitStatus status = run(sums);
    if (status) fprintf(stderr, "%s\n", plait_last_error());
    int right = status == PLAIT_STATUS_OK && sums_right(sums);
    sums_destroy(sums);
    return right;
}

static void test_sizes(void)
{
    const int64_t sizes[] = {0, 1, 2, 3, 7, 64, 65};
    for (size_t b = 0; b < 7; b++)
        for (size_t t = 0; t < 7; t++) {
            CHECK(runs(sums_create(sizes[b], sizes[t], 4)));
            CHECK(runs(sums_create(sizes[b], sizes[t], 8)));
        }
}

/* A sequence of length 0 still passes its initial state on. */
static void test_empty_time(void)
{
    Sums *sums = sums_create(3, 0, 4);
    for (int i = 0; i < SUMS_COUNT; i++)
        if (sums->t == 0 && i != SUMS_X0 && i != SUMS_LAST) sums->tensors[i].data = NULL;
    CHECK(run(sums) == PLAIT_STATUS_OK);
    CHECK(memcmp(sums->memory[SUMS_LAST], sums->memory[SUMS_X0], 3 * 4 * sizeof(float)) == 0);
    sums->list[SUMS_X0] = NULL;
    CHECK(run(sums) == PLAIT_STATUS_OK);
    CHECK(sums->memory[SUMS_LAST][0] == 0.5f && sums->memory[SUMS_LAST][11] == 0.5f);
    sums_destroy(sums);
}

static void test_missing(void)
{
    for (int mask = 0; mask < 2; mask++)
        for (int x0 = 0; x0 < 2; x0++) {
            Sums *sums = sums_create(3, 5, 4);
            if (mask) sums->list[SUMS_MASK] = NULL;
            if (x0) sums->list[SUMS_X0] = NULL;
            CHECK(runs(sums));
        }
}

static void set_strides(Sums *sums, int index, int64_t a, int64_t b, int64_t c)
{
    int64_t strides[] = {a, b, c};
    memcpy(sums->strides[index], strides, sizeof strides);
}

static void test_strides(void)
{
    Sums *sums = sums_create(2, 3, 4);
    for (int i = 0; i < SUMS_COUNT; i++) sums->tensors[i].strides = NULL; /* compact */
    CHECK(runs(sums));
    sums = sums_create(2, 3, 4);
    set_strides(sums, SUMS_X, 4, 8, 1); /* t and b exchanged */
    set_strides(sums, SUMS_K, 0, 1, 0); /* repeated along b */
    set_strides(sums, SUMS_Y, 1, 2, 6); /* d outermost */
    CHECK(runs(sums));
    sums = sums_create(2, 3, 4);
    set_strides(sums, SUMS_X, 12, -4, 1); /* t backwards */
    sums->tensors[SUMS_X].byte_offset = 8 * sizeof(float);
    set_strides(sums, SUMS_LAST, -4, 1, 0);
    sums->tensors[SUMS_LAST].byte_offset = 4 * sizeof(float);
    CHECK(runs(sums));
    sums = sums_create(1, 3, 4);
    set_strides(sums, SUMS_Y, 0, 4, 1); /* the stride of an axis of one position has no meaning */
    set_strides(sums, SUMS_X, INT64_MAX, 4, 1);
    CHECK(runs(sums));
}

static void test_threads(void)
{
    const char *const counts[] = {"1", "2", "7"};
    Sums *expected = sums_create(33, 17, 8);
    CHECK(run(expected) == PLAIT_STATUS_OK && sums_right(expected));
    for (int i = 0; i < 3; i++) {
        setenv("PLAIT_NUM_THREADS", counts[i], 1);
        plait_pool_stop();
        CHECK(plait_pool_thread_count() == atoi(counts[i]));
        for (int again = 0; again < 50; again++) {
            float *memory = calloc(33 * 17 * 8, sizeof *memory), *before = expected->memory[SUMS_Y];
            expected->tensors[SUMS_Y].data = memory;
            CHECK(run(expected) == PLAIT_STATUS_OK);
            CHECK(memcmp(memory, before, 33 * 17 * 8 * sizeof *memory) == 0);
            expected->tensors[SUMS_Y].data = before;
            free(memory);
        }
    }
    sums_destroy(expected);
}

static void test_thread_count(void)
{
    unsetenv("PLAIT_NUM_THREADS");
    setenv("OMP_NUM_THREADS", "3,2", 1);
    CHECK(plait_pool_thread_count() == 3);
    setenv("PLAIT_NUM_THREADS", "5", 1);
    CHECK(plait_pool_thread_count() == 5);
    setenv("PLAIT_NUM_THREADS", "many", 1);
    CHECK(plait_pool_thread_count() == 3);
    setenv("PLAIT_NUM_THREADS", "1000000", 1);
    CHECK(plait_pool_thread_count() == PLAIT_POOL_MOST);
    setenv("PLAIT_NUM_THREADS", "0", 1);
    setenv("OMP_NUM_THREADS", "-4", 1);
    CHECK(plait_pool_thread_count() >= 1);
    unsetenv("OMP_NUM_THREADS");
    setenv("PLAIT_NUM_THREADS", "4", 1);
    plait_pool_stop();
}

/* ---- the pool by itself ---- */

enum { ITEMS = 10007 };
static atomic_int done_times[ITEMS];

static void do_items(void *context, int64_t first, int64_t end)
{
    (void)context;
    for (int64_t i = first; i < end; i++) atomic_fetch_add(&done_times[i], 1);
}

static void test_each_item_once(void)
{
    for (int64_t count = 0; count <= ITEMS; count = count * 3 + 1) {
        for (int64_t i = 0; i < ITEMS; i++) atomic_store(&done_times[i], 0);
        plait_pool_run(do_items, NULL, count);
        int wrong = 0;
        for (int64_t i = 0; i < ITEMS; i++) wrong += atomic_load(&done_times[i]) != (i < count);
        CHECK(wrong == 0);
    }
}

static atomic_int arrived;

/* Both items must be at work at the same time to get on: proof that a second thread takes part. */
static void meet(void *context, int64_t first, int64_t end)
{
    (void)context;
    atomic_fetch_add(&arrived, (int)(end - first));
    while (atomic_load(&arrived) < 2) sched_yield();
}

static void test_together(void)
{
    for (int i = 0; i < 100; i++) {
        atomic_store(&arrived, 0);
        plait_pool_run(meet, NULL, 2);
        CHECK(atomic_load(&arrived) == 2);
    }
}

/* ---- callers at once ---- */

static void *call_often(void *failures)
{
    for (int i = 0; i < 100; i++) {
        Sums *sums = sums_create(1 + i % 9, i % 13, i % 2 ? 4 : 8);
        if (i % 3 == 0) sums->list[SUMS_X0] = NULL;
        if (i % 7 == 0) sums->tensors[SUMS_K].ndim = 9; /* an error of this thread alone */
        PlaitStatus status = run(sums);
        int right = i % 7 == 0 ? status == PLAIT_STATUS_WRONG_RANK && strstr(plait_last_error(), "has 9 axes") != NULL
                               : status == PLAIT_STATUS_OK && plait_last_error()[0] == '\0' && sums_right(sums);
        if (!right) atomic_fetch_add((atomic_int *)failures, 1);
        sums_destroy(sums);
    }
    return NULL;
}

static void test_callers(void)
{
    pthread_t threads[6];
    atomic_int failures = 0;
    for (int i = 0; i < 6; i++) CHECK(pthread_create(&threads[i], NULL, call_often, &failures) == 0);
    for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
    CHECK(atomic_load(&failures) == 0);
}

/* ---- fork ---- */

static int child_status(pid_t child)
{
    int status = -1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static pid_t fork_caller(void)
{
    pid_t child = fork();
    if (child != 0) return child;
    alarm(20); /* a child that hangs fails */
    int right = runs(sums_create(9, 9, 4)) && runs(sums_create(9, 9, 8));
    plait_pool_stop(); /* the child's own threads, not the parent's */
    _exit(right ? 0 : 1);
}

static void test_fork(void)
{
    CHECK(runs(sums_create(9, 9, 4))); /* the threads are there */
    for (int i = 0; i < 5; i++) CHECK(child_status(fork_caller()) == 0);
    CHECK(runs(sums_create(9, 9, 4)));
}

static atomic_int busy, release_busy, largest;

static void keep_busy(void *context, int64_t first, int64_t end)
{
    (void)context, (void)first, (void)end;
    atomic_store(&busy, 1);
    while (!atomic_load(&release_busy)) sched_yield();
}

static void *have_pool(void *unused)
{
    plait_pool_run(keep_busy, NULL, 2);
    return unused;
}

static void note_largest(void *context, int64_t first, int64_t end)
{
    (void)context;
    if (end - first > atomic_load(&largest)) atomic_store(&largest, (int)(end - first));
}

/* The items are given out one by one when the pool is used, and all at once when it cannot be. */
static bool pool_is_free(void)
{
    atomic_store(&largest, 0);
    plait_pool_run(note_largest, NULL, 2);
    return atomic_load(&largest) == 1;
}

/* The pool belongs to another thread at the moment of the fork; the child has its own. */
static void test_fork_while_taken(void)
{
    pthread_t thread;
    CHECK(pool_is_free());
    CHECK(pthread_create(&thread, NULL, have_pool, NULL) == 0);
    while (!atomic_load(&busy)) sched_yield();
    CHECK(!pool_is_free());
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(pool_is_free() ? 0 : 1);
    }
    CHECK(child_status(child) == 0);
    atomic_store(&release_busy, 1);
    pthread_join(thread, NULL);
    CHECK(pool_is_free());
}

/* Children that are made at any moment of another thread's calls. */
static void test_fork_while_busy(void)
{
    pthread_t thread;
    atomic_int failures = 0;
    CHECK(pthread_create(&thread, NULL, call_often, &failures) == 0);
    for (int i = 0; i < 10; i++) CHECK(child_status(fork_caller()) == 0);
    pthread_join(thread, NULL);
    CHECK(atomic_load(&failures) == 0);
}

/* ---- callers with little stack ---- */

enum { TILES = 1 << 20 };

static void fill_tiles(const int64_t *slots, int64_t first, int64_t end)
{
    volatile char tiles[TILES];
    (void)first, (void)end;
    for (int i = 0; i < TILES; i += 512) tiles[i] = 1;
    *(double *)(intptr_t)slots[0] = tiles[512];
}

static PlaitStatus fill_once(void)
{
    double memory = 0;
    static const uint16_t tensors[] = {0};
    const PlaitTensorDescriptor tensor = {.name = "y", .kind = 1, .scalar = 6};
    const void *code = __extension__(const void *) fill_tiles;
    const PlaitKernelDescriptor kernel = {.name = "k",
                                          .functions = {code, code, code, code},
                                          .tensors = tensors,
                                          .tensor_count = 1,
                                          .slot_count = 1,
                                          .shared_bytes = TILES};
    const PlaitTargetDescriptor target = {.kernels = &kernel, .kernel_count = 1};
    const PlaitVariantDescriptor variant = {
        .tensors = &tensor, .targets = &target, .tensor_count = 1, .target_count = 1, .argument_count = 1};
    const PlaitOperatorDescriptor op = {.name = "stack", .variants = &variant, .variant_count = 1};
    DLTensor y = {.data = &memory, .device = {.device_type = kDLCPU}, .dtype = {kDLFloat, 64, 1}}, *list[] = {&y};
    PlaitStatus status = plait_runtime_call(&op, list, NULL, NULL, 0);
    CHECK(status != PLAIT_STATUS_OK || memory == 1);
    return status;
}

static void *call_once(void *status)
{
    *(PlaitStatus *)status = fill_once();
    return NULL;
}

static void test_small_stack(void)
{
    CHECK(fill_once() == PLAIT_STATUS_OK);
    for (size_t bytes = 96 * 1024; bytes <= 4 * TILES; bytes *= 2) {
        pthread_attr_t attributes;
        pthread_t thread;
        PlaitStatus status = PLAIT_STATUS_NO_CODE;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, bytes);
        CHECK(pthread_create(&thread, &attributes, call_once, &status) == 0);
        pthread_join(thread, NULL);
        pthread_attr_destroy(&attributes);
        CHECK(status == PLAIT_STATUS_OK);
    }
}

/* ---- levels of x86-64 ---- */

static void test_isa(void)
{
    CHECK(plait_isa_lower(2, NULL) == 2 && plait_isa_lower(2, "v3") == 1 && plait_isa_lower(2, "v2") == 0);
    CHECK(plait_isa_lower(0, "v4") == 0 && plait_isa_lower(-1, "v2") == -1 && plait_isa_lower(2, "fast") == 2);
    CHECK(plait_isa_level() >= 0 && plait_isa_level() <= 3);
    CHECK(plait_isa_lower(3, "v4") == 2 && plait_isa_lower(3, "amx") == 3 && plait_isa_lower(2, "amx") == 2);
    CHECK_TEXT(plait_isa_text(0), "x86-64-v2");
    CHECK_TEXT(plait_isa_text(-1), "x86-64");
}

int main(void)
{
    setenv("PLAIT_NUM_THREADS", "4", 1);
    test_sizes();
    test_empty_time();
    test_missing();
    test_strides();
    test_small_stack();
    test_threads();
    test_thread_count();
    test_each_item_once();
    test_together();
    test_callers();
    test_fork();
    test_fork_while_taken();
    test_fork_while_busy();
    test_isa();
    return check_report();
}
