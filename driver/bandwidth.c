/* Measuring memory bandwidth.
 *
 * CPU: every processor copies a block of its own, larger than its share of any cache, several times; the best pass
 * counts. GPU: large blocks are filled, which moves each byte once; the best pass counts.
 */
#include "driver/bandwidth.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driver/process.h"
#include "driver/progress.h"
#include "runtime/device.h"

enum { PASSES = 6, MOST_THREADS = 256 };
static const size_t total_bytes = (size_t)256 << 20, gpu_bytes = (size_t)1 << 30;

typedef struct Copy {
    pthread_t thread;
    pthread_barrier_t *barrier;
    char *from, *to;
    size_t bytes;
    double begin[PASSES], end[PASSES];
} Copy;

static void *copy_passes(void *context)
{
    Copy *copy = context;
    memset(copy->from, 1, copy->bytes); /* touched by the thread that uses it */
    memset(copy->to, 2, copy->bytes);
    for (int i = 0; i < PASSES; i++) {
        pthread_barrier_wait(copy->barrier);
        copy->begin[i] = plait_clock();
        memcpy(copy->to, copy->from, copy->bytes);
        copy->end[i] = plait_clock();
    }
    return NULL;
}

/* The shortest pass, from the first thread's begin to the last one's end. */
static double shortest_pass(const Copy *copies, uint32_t count)
{
    double shortest = 1e30;
    for (int i = 0; i < PASSES; i++) {
        double begin = 1e30, end = 0;
        for (uint32_t j = 0; j < count; j++) {
            if (copies[j].begin[i] < begin) begin = copies[j].begin[i];
            if (copies[j].end[i] > end) end = copies[j].end[i];
        }
        if (end - begin < shortest) shortest = end - begin;
    }
    return shortest;
}

static double measure(Copy *copies, char *memory, uint32_t count)
{
    pthread_barrier_t barrier;
    size_t bytes = total_bytes / count / 2;
    uint32_t started = 1;
    if (pthread_barrier_init(&barrier, NULL, count) != 0) return 0;
    for (uint32_t i = 0; i < count; i++)
        copies[i] = (Copy){
            .barrier = &barrier, .from = memory + 2 * i * bytes, .to = memory + (2 * i + 1) * bytes, .bytes = bytes};
    for (uint32_t i = 1; i < count; i++)
        started += pthread_create(&copies[i].thread, NULL, copy_passes, &copies[i]) == 0;
    if (started < count) return 0; /* those that started wait for ever: this is the end of the program anyway */
    copy_passes(&copies[0]);
    for (uint32_t i = 1; i < count; i++) pthread_join(copies[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
    return 2.0 * (double)bytes * count / shortest_pass(copies, count);
}

double plait_bandwidth_cpu(void)
{
    uint32_t count = plait_processor_count() > MOST_THREADS ? MOST_THREADS : plait_processor_count();
    char *memory = malloc(total_bytes);
    Copy *copies = calloc(count, sizeof *copies);
    double bandwidth = memory && copies ? measure(copies, memory, count) : 0;
    free(memory);
    free(copies);
    return bandwidth;
}

static double fill_seconds(void *address, void *begin, void *end)
{
    float milliseconds = 0;
    if (plait_device_event_record(begin, NULL) != PLAIT_STATUS_OK ||
        plait_device_fill(address, 1, gpu_bytes, NULL) != PLAIT_STATUS_OK)
        return 0;
    if (plait_device_event_record(end, NULL) != PLAIT_STATUS_OK ||
        plait_device_event_elapsed(begin, end, &milliseconds) != PLAIT_STATUS_OK)
        return 0;
    return milliseconds * 1e-3;
}

double plait_bandwidth_gpu(void)
{
    void *address = NULL, *begin = NULL, *end = NULL;
    double shortest = 0;
    bool good = plait_device_allocate(gpu_bytes, &address) == PLAIT_STATUS_OK &&
                plait_device_event_create(&begin) == PLAIT_STATUS_OK &&
                plait_device_event_create(&end) == PLAIT_STATUS_OK;
    for (int i = 0; good && i < PASSES; i++) {
        double seconds = fill_seconds(address, begin, end);
        if (seconds > 0 && (shortest == 0 || seconds < shortest)) shortest = seconds;
    }
    if (begin) plait_device_event_destroy(begin);
    if (end) plait_device_event_destroy(end);
    plait_device_free(address);
    return shortest > 0 ? (double)gpu_bytes / shortest : 0;
}
