/* The runtime on a real GPU, with PTX written by hand; skipped where there is none.
 *
 *   affine(x : f32[t], x0 : f32[t] = 3) -> (y : f32[t]):   w = 2 x (a workspace), then y = w + x0
 *
 * Each program has 128 threads, one for each position of its block. Captured at its very first call too, when nothing
 * is loaded.
 */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/device.h"
#include "runtime/runtime.h"
#include "tests/support/check.h"

/* Slots: x, its stride, w, its stride, t; and w, its stride, x0, its stride, y, its stride, t. */
static const char ptx[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry twice(.param .align 8 .b8 slots[40]) {\n"
    ".reg .pred %p; .reg .f32 %f; .reg .b32 %r<4>; .reg .b64 %i, %t, %s<5>, %o;\n"
    "mov.u32 %r0, %ctaid.x; mov.u32 %r1, %tid.x; mad.lo.u32 %r2, %r0, 128, %r1; cvt.u64.u32 %i, %r2;\n"
    "ld.param.u64 %s0, [slots]; ld.param.u64 %s1, [slots+8]; ld.param.u64 %s2, [slots+16];\n"
    "ld.param.u64 %s3, [slots+24]; ld.param.u64 %t, [slots+32];\n"
    "setp.ge.s64 %p, %i, %t; @%p ret;\n"
    "mul.lo.u64 %o, %i, %s1; shl.b64 %o, %o, 2; add.u64 %o, %o, %s0; ld.global.f32 %f, [%o];\n"
    "add.f32 %f, %f, %f;\n"
    "mul.lo.u64 %o, %i, %s3; shl.b64 %o, %o, 2; add.u64 %o, %o, %s2; st.global.f32 [%o], %f;\n"
    "ret; }\n"
    ".visible .entry plus(.param .align 8 .b8 slots[56]) {\n"
    ".reg .pred %p; .reg .f32 %f, %g; .reg .b32 %r<4>; .reg .b64 %i, %t, %s<6>, %o;\n"
    "mov.u32 %r0, %ctaid.x; mov.u32 %r1, %tid.x; mad.lo.u32 %r2, %r0, 128, %r1; cvt.u64.u32 %i, %r2;\n"
    "ld.param.u64 %s0, [slots]; ld.param.u64 %s1, [slots+8]; ld.param.u64 %s2, [slots+16];\n"
    "ld.param.u64 %s3, [slots+24]; ld.param.u64 %s4, [slots+32]; ld.param.u64 %s5, [slots+40];\n"
    "ld.param.u64 %t, [slots+48];\n"
    "setp.ge.s64 %p, %i, %t; @%p ret;\n"
    "mul.lo.u64 %o, %i, %s1; shl.b64 %o, %o, 2; add.u64 %o, %o, %s0; ld.global.f32 %f, [%o];\n"
    "mul.lo.u64 %o, %i, %s3; shl.b64 %o, %o, 2; add.u64 %o, %o, %s2; ld.global.f32 %g, [%o];\n"
    "add.f32 %f, %f, %g;\n"
    "mul.lo.u64 %o, %i, %s5; shl.b64 %o, %o, 2; add.u64 %o, %o, %s4; st.global.f32 [%o], %f;\n"
    "ret; }\n";

enum { F32 = 5, SKIPPED = 77 };
static const PlaitAxisDescriptor axes[] = {{"t", -1, -1, 3, 0, 0}};
static const PlaitTensorDescriptor tensors[] = {{"x", NAN, 0, F32, 1, {0}, {0}},
                                                {"x0", 3, 0, F32, 1, {0}, {0}},
                                                {"y", NAN, 1, F32, 1, {0}, {0}},
                                                {"w", NAN, 2, F32, 1, {0}, {0}}};
static const uint16_t zero[] = {0}, twice_tensors[] = {0, 3}, plus_tensors[] = {3, 1, 2};
static const uint32_t blocks[] = {128};
#define KERNEL(text, list, count, slots)                                                                               \
    {                                                                                                                  \
        .name = text, .tensors = list, .axes = zero, .grid_axes = zero, .grid_blocks = blocks, .tensor_count = count,  \
        .axis_count = 1, .grid_count = 1, .threads = 128, .shared_bytes = 64 * 1024, .slot_count = slots               \
    }
static const PlaitKernelDescriptor kernels[] = {KERNEL("twice", twice_tensors, 2, 5),
                                                KERNEL("plus", plus_tensors, 3, 7)};
/* Machine code that no driver loads: the PTX must be found. */
static const PlaitImageDescriptor image = {"sm_80", "no cubin", ptx, NULL, 8, sizeof ptx, 0, 80, 0};
static const PlaitTargetDescriptor targets[] = {{&image, kernels, 2}};
static const PlaitVariantDescriptor variants[] = {{axes, tensors, targets, 1, 4, 1, 3}};
static const PlaitOperatorDescriptor affine = {"affine", variants, 1};

typedef struct Sample {
    int64_t size;
    float *x, *y;
    DLTensor tensors[3];
    DLTensor *list[3];
    void *stream;
} Sample;

static void must(PlaitStatus status)
{
    if (status) fprintf(stderr, "%s\n", plait_last_error());
    CHECK(status == PLAIT_STATUS_OK);
}

static void create(Sample *sample, int64_t size)
{
    *sample = (Sample){.size = size, .x = malloc((size_t)size * 4 + 4), .y = malloc((size_t)size * 4 + 4)};
    for (int64_t i = 0; i < size; i++) sample->x[i] = (float)i;
    for (int i = 0; i < 3; i++) {
        sample->tensors[i] =
            (DLTensor){.device = {kDLCUDA, 0}, .ndim = 1, .dtype = {kDLFloat, 32, 1}, .shape = &sample->size};
        sample->list[i] = &sample->tensors[i];
        must(plait_device_allocate((uint64_t)size * 4, &sample->tensors[i].data));
    }
    must(plait_device_stream_create(&sample->stream));
    must(plait_device_copy_in(sample->tensors[0].data, sample->x, (uint64_t)size * 4));
    must(plait_device_copy_in(sample->tensors[1].data, sample->x, (uint64_t)size * 4));
}

static void destroy(Sample *sample)
{
    for (int i = 0; i < 3; i++) must(plait_device_free(sample->tensors[i].data));
    must(plait_device_stream_destroy(sample->stream));
    free(sample->x);
    free(sample->y);
}

static PlaitStatus run(Sample *sample) { return plait_runtime_call(&affine, sample->list, sample->stream, NULL, 0); }

/* Whether y = 2 x + (x or 3); then forgets it. */
static int right(Sample *sample)
{
    int good = 1;
    must(plait_device_stream_wait(sample->stream));
    must(plait_device_copy_out(sample->y, sample->tensors[2].data, (uint64_t)sample->size * 4));
    for (int64_t i = 0; i < sample->size; i++)
        good = good && sample->y[i] == 2 * sample->x[i] + (sample->list[1] ? sample->x[i] : 3);
    must(plait_device_fill(sample->tensors[2].data, 0xFF, (uint64_t)sample->size * 4, sample->stream));
    return good;
}

/* The first call of all, in a capture, with an input missing. */
static void test_cold_capture(void)
{
    Sample sample;
    void *graph;
    create(&sample, 1000);
    sample.list[1] = NULL;
    must(plait_device_capture_begin(sample.stream));
    must(run(&sample));
    must(run(&sample));
    must(plait_device_capture_end(sample.stream, &graph));
    for (int i = 0; i < 3; i++) {
        must(plait_device_graph_launch(graph, sample.stream));
        CHECK(right(&sample));
    }
    must(plait_device_graph_destroy(graph));
    destroy(&sample);
}

static void test_sizes(void)
{
    const int64_t sizes[] = {0, 1, 127, 128, 129, 100003};
    for (int i = 0; i < 6; i++) {
        Sample sample;
        create(&sample, sizes[i]);
        must(run(&sample));
        CHECK(right(&sample));
        sample.list[1] = NULL;
        must(run(&sample));
        CHECK(right(&sample));
        destroy(&sample);
    }
}

static void test_workspace(void)
{
    Sample sample;
    void *memory;
    uint64_t bytes;
    create(&sample, 1000);
    must(plait_runtime_workspace_bytes(&affine, sample.list, &bytes));
    CHECK(bytes == 4096);
    must(plait_device_allocate(bytes, &memory));
    must(plait_runtime_call(&affine, sample.list, sample.stream, memory, bytes));
    CHECK(right(&sample));
    must(plait_runtime_call(&affine, sample.list, NULL, NULL, 0)); /* the default stream */
    must(plait_device_stream_wait(NULL));
    CHECK(right(&sample));
    must(plait_device_free(memory));
    destroy(&sample);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* What a call of workspace 4 * `size` costs; for the eye. */
static void report_cost(int64_t size)
{
    enum { TIMES = 2000 };
    Sample sample;
    create(&sample, size);
    must(run(&sample));
    must(plait_device_stream_wait(sample.stream));
    double start = now();
    for (int i = 0; i < TIMES; i++) must(run(&sample));
    double enqueued = now();
    must(plait_device_stream_wait(sample.stream));
    double done = now();
    for (int i = 0; i < TIMES; i++) {
        must(run(&sample));
        must(plait_device_stream_wait(sample.stream));
    }
    printf("two kernels of %lld positions: %.2f us a call on the host, %.2f us in all, %.2f us with a wait after it\n",
           (long long)size, (enqueued - start) / TIMES, (done - start) / TIMES, (now() - done) / TIMES);
    destroy(&sample);
}

int main(void)
{
    if (plait_device_count() == 0) {
        printf("skipped: %s\n", plait_last_error());
        return SKIPPED;
    }
    PlaitDeviceInfo info;
    must(plait_device_info(0, &info));
    printf("%s sm_%u, %d multiprocessors at %d kHz, memory %d kHz x %d bits, %llu bytes, L2 %d, shared %d, driver %d\n",
           info.name, info.architecture, info.multiprocessors, info.clock_khz, info.memory_clock_khz,
           info.memory_bus_bits, (unsigned long long)info.memory_bytes, info.l2_bytes, info.shared_bytes,
           info.driver_version);
    must(plait_device_use(0));
    test_cold_capture();
    test_sizes();
    test_workspace();
    report_cost(1000);
    report_cost(10 * 1000 * 1000);
    plait_device_release_all();
    return check_report();
}
