/* The few calls of the CUDA driver that the demo needs, found at run time: no toolkit, no header, no link. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

#include "demo.h"

static struct {
    int (*init)(unsigned flags);
    int (*device_get)(int *device, int ordinal);
    int (*device_name)(char *name, int length, int device);
    int (*context_retain)(void **context, int device);
    int (*context_set)(void *context);
    int (*synchronize)(void);
    int (*allocate)(uint64_t *address, size_t bytes);
    int (*upload)(uint64_t to, const void *from, size_t bytes);
} driver;

static bool load(void *library)
{
    const struct {
        const char *name;
        void *slot;
    } rows[] = {
        {"cuInit", &driver.init},
        {"cuDeviceGet", &driver.device_get},
        {"cuDeviceGetName", &driver.device_name},
        {"cuDevicePrimaryCtxRetain", &driver.context_retain},
        {"cuCtxSetCurrent", &driver.context_set},
        {"cuCtxSynchronize", &driver.synchronize},
        {"cuMemAlloc_v2", &driver.allocate},
        {"cuMemcpyHtoD_v2", &driver.upload},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((*(void **)rows[i].slot = dlsym(library, rows[i].name)) == NULL) return false;
    return true;
}

static void *allocate(size_t bytes)
{
    uint64_t address = 0;
    return driver.allocate(&address, bytes ? bytes : 1) == 0 ? (void *)(uintptr_t)address : NULL;
}

static bool upload(void *to, const void *from, size_t bytes)
{
    return driver.upload((uint64_t)(uintptr_t)to, from, bytes) == 0;
}
static bool finish(void) { return driver.synchronize() == 0; }

bool demo_cuda_open(DemoDevice *device)
{
    int ordinal;
    void *context, *library = dlopen("libcuda.so.1", RTLD_NOW);
    *device = (DemoDevice){{kDLCUDA, 0}, allocate, upload, finish, "no CUDA driver on this machine"};
    if (library == NULL || !load(library)) return false;
    snprintf(device->name, sizeof device->name, "no usable GPU on this machine");
    if (driver.init(0) || driver.device_get(&ordinal, 0) || driver.context_retain(&context, ordinal) ||
        driver.context_set(context))
        return false;
    return driver.device_name(device->name, sizeof device->name, ordinal) == 0;
}
