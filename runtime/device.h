/* GPUs for the command line and for tests: what is there, memory, streams, times. Everything goes through the driver
 * table, so that it is absent without harm on a machine without a driver. Functions return a status, with the text of
 * plait_last_error; results are written only on OK. Not needed to call an operator.
 *
 * A thread calls plait_device_use once; addresses, streams, events and graphs belong to that device and to the caller,
 * who destroys them.
 */
#ifndef PLAIT_RUNTIME_DEVICE_H
#define PLAIT_RUNTIME_DEVICE_H

#include <stdint.h>

#include "runtime/plait.h"

typedef struct PlaitDeviceInfo {
    char name[256];
    uint32_t architecture; /* 90 for compute capability 9.0 */
    int multiprocessors;
    int clock_khz;
    int memory_clock_khz,
        memory_bus_bits;        /* 2 * clock * bits / 8: peak bytes a second; 0 where the driver does not say */
    int l2_bytes, shared_bytes; /* shared: most dynamic shared memory of a block */
    uint64_t memory_bytes;
    int driver_version; /* 13000 for 13.0 */
} PlaitDeviceInfo;

/* How many GPUs there are; 0 when there is no driver, and then plait_last_error says why. */
int plait_device_count(void);
PlaitStatus plait_device_info(int ordinal, PlaitDeviceInfo *info);
/* Makes the device's primary context this thread's current one. */
PlaitStatus plait_device_use(int ordinal);

/* Memory, aligned to 256 bytes. Zero bytes: *address is NULL. */
PlaitStatus plait_device_allocate(uint64_t bytes, void **address);
PlaitStatus plait_device_free(void *address); /* NULL: nothing */
/* Wait for the copy. */
PlaitStatus plait_device_copy_in(void *device, const void *host, uint64_t bytes);
PlaitStatus plait_device_copy_out(void *host, const void *device, uint64_t bytes);
/* Inside the device; in the order of the stream. */
PlaitStatus plait_device_copy(void *to, const void *from, uint64_t bytes, void *stream);
PlaitStatus plait_device_fill(void *device, uint8_t byte, uint64_t bytes, void *stream);

/* Streams that do not wait for the default one. */
PlaitStatus plait_device_stream_create(void **stream);
PlaitStatus plait_device_stream_destroy(void *stream);
PlaitStatus plait_device_stream_wait(void *stream);

PlaitStatus plait_device_event_create(void **event);
PlaitStatus plait_device_event_destroy(void *event);
PlaitStatus plait_device_event_record(void *event, void *stream);
/* Waits for `end`. */
PlaitStatus plait_device_event_elapsed(void *begin, void *end, float *milliseconds);

/* Everything enqueued in the stream between begin and end becomes a graph, ready to be launched any number of times. */
PlaitStatus plait_device_capture_begin(void *stream);
PlaitStatus plait_device_capture_end(void *stream, void **graph);
PlaitStatus plait_device_graph_launch(void *graph, void *stream);
PlaitStatus plait_device_graph_destroy(void *graph);

/* Unloads what calls have loaded on all devices and gives back their primary contexts. Not while calls run. */
void plait_device_release_all(void);

#endif
