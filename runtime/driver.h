/* The CUDA driver as a table of functions, opened when it is first needed: a library loads and runs its CPU code on a
 * machine that has none. Tests put their own table in its place. */
#ifndef PLAIT_RUNTIME_DRIVER_H
#define PLAIT_RUNTIME_DRIVER_H

#include <stddef.h>

#include "runtime/error.h"

/* CUmemPoolProps */
typedef struct PlaitMemoryPoolProperties {
    int allocation_type, handle_types; /* handles by which other processes could open the memory; 0: none */
    int location_type, ordinal;
    void *security;    /* of Windows */
    size_t most_bytes; /* 0: what the device has */
    unsigned short usage;
    unsigned char reserved[54];
} PlaitMemoryPoolProperties;

_Static_assert(sizeof(PlaitMemoryPoolProperties) == 88, "the driver's layout");

typedef struct PlaitDriver {
#define DRIVER(field, symbol, needed, parameters) int(*field) parameters;
#include "runtime/driver.def"
#undef DRIVER
} PlaitDriver;

/* CUresult */
enum { PLAIT_CUDA_OUT_OF_MEMORY = 2 };

/* CUdevice_attribute */
enum {
    PLAIT_CUDA_CLOCK = 13, /* kHz */
    PLAIT_CUDA_MULTIPROCESSORS = 16,
    PLAIT_CUDA_MEMORY_CLOCK = 36, /* kHz */
    PLAIT_CUDA_MEMORY_BUS = 37,   /* bits */
    PLAIT_CUDA_L2_BYTES = 38,
    PLAIT_CUDA_MAJOR = 75,
    PLAIT_CUDA_MINOR = 76,
    PLAIT_CUDA_SHARED_BYTES = 97 /* most dynamic shared memory of a block */
};

/* CUfunction_attribute */
enum { PLAIT_CUDA_FUNCTION_SHARED = 8 };
/* CUjit_option */
enum { PLAIT_CUDA_JIT_ERROR_TEXT = 5, PLAIT_CUDA_JIT_ERROR_SIZE = 6 };
/* CUstreamCaptureMode, CUstream_flags */
enum { PLAIT_CUDA_CAPTURE_THREAD = 1, PLAIT_CUDA_CAPTURE_RELAXED = 2, PLAIT_CUDA_STREAM_INDEPENDENT = 1 };

/* CUmemAllocationType, CUmemLocationType, CUmemPool_attribute */
enum { PLAIT_CUDA_MEMORY_PINNED = 1, PLAIT_CUDA_MEMORY_ON_DEVICE = 1, PLAIT_CUDA_POOL_RELEASE_THRESHOLD = 4 };

/* The driver, opened and started. Any thread; tried again at each call until it succeeds. */
PlaitStatus plait_driver_open(const PlaitDriver **driver);

/* OK when `result` is 0; else the text "FUNCTION failed: CUDA_ERROR_..." and OUT_OF_MEMORY or DRIVER. */
PlaitStatus plait_driver_check(const PlaitDriver *driver, int result, const char *function);

/* For tests: from now on `driver` is the driver; NULL: the real one, to be opened anew. Not while calls run. */
void plait_driver_substitute(const PlaitDriver *driver);

#endif
