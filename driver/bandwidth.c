/* Measuring memory bandwidth by copies, whose bytes count twice: read and written.
 *
 * CPU: every processor copies a block of its own, larger than its share of any cache. GPU: one large block is copied
 * to another. Several passes are made; the best counts.
 */
#include <stdlib.h>
#include <string.h>

#include "driver/peaks.h"
#include "driver/processors.h"
#include "runtime/device.h"

enum { PASSES = 6 };
static const size_t total_bytes = (size_t)256 << 20;

/* Of each thread one block to copy from, then one to copy to. */
typedef struct Blocks {
    char *memory;
    size_t bytes; /* of a block */
} Blocks;

static void touch_blocks(void *context, uint32_t number)
{
    const Blocks *blocks = context;
    memset(blocks->memory + 2 * number * blocks->bytes, 1, 2 * blocks->bytes); /* by the thread that uses them */
}

static void copy_block(void *context, uint32_t number)
{
    const Blocks *blocks = context;
    char *from = blocks->memory + 2 * number * blocks->bytes;
    memcpy(from + blocks->bytes, from, blocks->bytes);
}

double plait_bandwidth_cpu(void)
{
    uint32_t threads = plait_work_threads();
    Blocks blocks = {malloc(total_bytes), total_bytes / threads / 2};
    double seconds = blocks.memory ? plait_work_times(touch_blocks, copy_block, &blocks, threads, PASSES).shortest : 0;
    free(blocks.memory);
    return seconds > 0 ? 2.0 * (double)blocks.bytes * threads / seconds : 0;
}

static double copy_seconds(void *to, const void *from, uint64_t bytes, void *begin, void *end)
{
    float milliseconds = 0;
    if (plait_device_event_record(begin, NULL) != PLAIT_STATUS_OK ||
        plait_device_copy(to, from, bytes, NULL) != PLAIT_STATUS_OK)
        return 0;
    if (plait_device_event_record(end, NULL) != PLAIT_STATUS_OK ||
        plait_device_event_elapsed(begin, end, &milliseconds) != PLAIT_STATUS_OK)
        return 0;
    return milliseconds * 1e-3;
}

double plait_bandwidth_gpu(uint64_t bytes)
{
    void *from = NULL, *to = NULL, *begin = NULL, *end = NULL;
    double shortest = 0;
    bool good = plait_device_allocate(bytes, &from) == PLAIT_STATUS_OK &&
                plait_device_allocate(bytes, &to) == PLAIT_STATUS_OK &&
                plait_device_fill(from, 1, bytes, NULL) == PLAIT_STATUS_OK &&
                plait_device_event_create(&begin) == PLAIT_STATUS_OK &&
                plait_device_event_create(&end) == PLAIT_STATUS_OK;
    for (int i = 0; good && i < PASSES; i++) {
        double seconds = copy_seconds(to, from, bytes, begin, end);
        if (seconds > 0 && (shortest == 0 || seconds < shortest)) shortest = seconds;
    }
    if (begin) plait_device_event_destroy(begin);
    if (end) plait_device_event_destroy(end);
    plait_device_free(from);
    plait_device_free(to);
    return shortest > 0 ? 2.0 * (double)bytes / shortest : 0;
}
