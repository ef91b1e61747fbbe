/* The n-th allocation fails, for n = 1, 2, ...: a status, nothing lost, nothing written, and the next call works.
 * Threads that cannot be started are done without. */
#include <stdlib.h>

#include "runtime/pool.h"
#include "tests/runtime/faults.h"
#include "tests/runtime/sums.h"
#include "tests/support/check.h"

static PlaitStatus run(Sums *sums) { return plait_runtime_call(&sums_operator, sums->list, NULL, NULL, 0); }

/* One call in which the n-th allocation fails; returns whether there was an n-th. */
static int fail_nth(int n, int kept)
{
    Sums *sums = sums_create(5, 6, 4);
    int before = faults_live();
    faults_begin(n);
    PlaitStatus status = run(sums);
    int reached = faults_end() >= n;
    if (status) {
        CHECK(reached && status == PLAIT_STATUS_OUT_OF_MEMORY);
        CHECK(strstr(plait_last_error(), "sums: ") &&
              strstr(plait_last_error(), "bytes of memory could not be allocated"));
        CHECK(sums_untouched(sums) && faults_live() == before);
    } else {
        CHECK(sums_right(sums) && faults_live() == before + kept);
    }
    CHECK(run(sums) == PLAIT_STATUS_OK && sums_right(sums));
    sums_destroy(sums);
    return reached;
}

static void test_first_call(void)
{
    plait_pool_stop();
    int failures = 0;
    for (int n = 1; n <= 3; n++) { /* arguments, slots; the workspace at the very first call only */
        CHECK(fail_nth(n, 0) == (n <= 2 || failures == 0));
        failures++;
    }
}

static void test_first_workspace(void)
{
    Sums *sums = sums_create(5, 6, 4);
    faults_begin(3);
    CHECK(run(sums) == PLAIT_STATUS_OUT_OF_MEMORY);
    CHECK(faults_end() == 3);
    CHECK_TEXT(plait_last_error(), "sums: 512 bytes of memory could not be allocated");
    CHECK(sums_untouched(sums));
    CHECK(run(sums) == PLAIT_STATUS_OK && sums_right(sums));
    sums_destroy(sums);
}

/* A larger workspace replaces the kept one; when there is no memory for it, the old one is gone and nothing lost. */
static void test_larger_workspace(void)
{
    Sums *sums = sums_create(50, 60, 8);
    int before = faults_live();
    faults_begin(3);
    CHECK(run(sums) == PLAIT_STATUS_OUT_OF_MEMORY);
    faults_end();
    CHECK(faults_live() == before - 1);
    CHECK(run(sums) == PLAIT_STATUS_OK && sums_right(sums) && faults_live() == before);
    CHECK(run(sums) == PLAIT_STATUS_OK && sums_right(sums) && faults_live() == before);
    sums_destroy(sums);
}

static void test_query(void)
{
    Sums *sums = sums_create(5, 6, 4);
    uint64_t bytes = 1;
    int before = faults_live();
    faults_begin(1);
    CHECK(plait_runtime_workspace_bytes(&sums_operator, sums->list, &bytes) == PLAIT_STATUS_OUT_OF_MEMORY &&
          bytes == 0);
    faults_end();
    CHECK(faults_live() == before);
    sums_destroy(sums);
}

/* With threads to start, the failing thing may be a thread: the call is right all the same. */
static void test_threads(void)
{
    for (int n = 1; n <= 8; n++) {
        plait_pool_stop();
        fail_nth(n, 0);
    }
}

int main(void)
{
    setenv("PLAIT_NUM_THREADS", "4", 1);
    test_first_workspace();
    test_first_call();
    test_larger_workspace();
    test_query();
    test_threads();
    return check_report();
}
