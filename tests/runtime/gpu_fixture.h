/* What the tests on the fake driver share: the operator sums with tensors on a device, and a new start. */
#ifndef PLAIT_TESTS_RUNTIME_GPU_FIXTURE_H
#define PLAIT_TESTS_RUNTIME_GPU_FIXTURE_H

#include <stdlib.h>

#include "runtime/context.h"
#include "runtime/device.h"
#include "tests/runtime/fake_driver.h"
#include "tests/runtime/sums.h"
#include "tests/support/check.h"

static char stream_memory;
static void *const stream = &stream_memory; /* of the caller */

static inline Sums *create(int64_t b, int64_t t, int device)
{
    Sums *sums = sums_create(b, t, 4);
    for (int i = 0; i < SUMS_COUNT; i++) sums->tensors[i].device = (DLDevice){kDLCUDA, device};
    return sums;
}

static inline PlaitStatus run(Sums *sums) { return plait_runtime_call(&sums_operator, sums->list, stream, NULL, 0); }

static inline void expect_run(int line, Sums *sums)
{
    PlaitStatus status = run(sums);
    if (status) fprintf(stderr, "line %d: %s\n", line, plait_last_error());
    CHECK(status == PLAIT_STATUS_OK);
    CHECK(sums_right(sums));
    CHECK_TEXT(plait_last_error(), "");
    CHECK(fake.waits == 0 && fake.pushed == 0);
}
#define RUNS(sums) expect_run(__LINE__, sums)

/* copied(x, bias) of `b` sequences, x being [b, 3, 64] in rows of `row` elements: 64 is what the version with maps
 * takes, 65 is not. The bias is 0, or not given. BAD_LIBRARY when y is not right, or not as it was after a failure. For
 * any thread. */
static inline PlaitStatus run_copied_of(const PlaitOperatorDescriptor *op, int64_t row, int64_t b, bool given)
{
    enum { MOST = 2, T = 3, D = 64, ROW = 72, ONE = 0x3F80 };
    _Alignas(16) uint16_t x[MOST * T * ROW], bias[MOST * D] = {0}, y[MOST * T * D] = {0};
    int64_t shape[] = {b, T, D}, strides[] = {T * row, row, 1}, bias_shape[] = {b, D};
    DLTensor tensors[] = {{x, {kDLCUDA, 0}, 3, {kDLBfloat, 16, 1}, shape, strides, 0},
                          {bias, {kDLCUDA, 0}, 2, {kDLBfloat, 16, 1}, bias_shape, NULL, 0},
                          {y, {kDLCUDA, 0}, 3, {kDLBfloat, 16, 1}, shape, NULL, 0}};
    DLTensor *list[] = {&tensors[0], given ? &tensors[1] : NULL, &tensors[2]};
    for (uint16_t i = 0; i < MOST * T * ROW; i++) x[i] = i;
    PlaitStatus status = plait_runtime_call(op, list, stream, NULL, 0);
    bool right = true;
    for (int64_t i = 0; i < b * T * D; i++)
        right = right && y[i] == (status ? 0 : x[i / D * row + i % D] + (given ? 0 : ONE));
    return right ? status : PLAIT_STATUS_BAD_LIBRARY;
}

static inline PlaitStatus run_copied(const PlaitOperatorDescriptor *op, int64_t row)
{
    return run_copied_of(op, row, 2, true);
}

/* A new start: nothing loaded, one device of each kind, a context current. */
static inline void renew(void)
{
    plait_context_release_all();
    CHECK(fake.memory == 0 && fake.memory_pools == 0 && fake.modules == 0);
    CHECK(fake.streams == 0 && fake.primaries == 0 && fake.pushed == 0);
    fake_reset();
    fake.architecture[0] = 90;
    fake.architecture[1] = 86;
    fake.refuse_cubin = fake.refuse_ptx = fake.capturing = false;
    fake_make_current(0);
}

#endif
