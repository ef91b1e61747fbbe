/* Where the demo's tensors live: the host's memory, or a GPU's, through the driver alone. */
#ifndef DEMO_H
#define DEMO_H

#include <stdbool.h>
#include <stddef.h>

#include "plait.h"

typedef struct DemoDevice {
    DLDevice device;
    void *(*allocate)(size_t bytes); /* NULL when there is no memory */
    bool (*upload)(void *to, const void *from, size_t bytes);
    bool (*finish)(void); /* waits for everything enqueued */
    char name[128];
} DemoDevice;

/* Opens the CUDA driver and the first GPU. False, with the reason in device->name, when there is none. */
bool demo_cuda_open(DemoDevice *device);

#endif
