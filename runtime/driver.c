/* Opens libcuda.so.1. It is never closed: the driver does not support that, and the process may use it elsewhere. */
#include "runtime/driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    const PlaitDriver *substitute;
    PlaitDriver table;
    bool started;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Every field of the table is a pointer to function, at `offset`. */
static const struct {
    const char *symbol;
    size_t offset;
    bool needed;
} functions[] = {
#define DRIVER(field, symbol, needed, parameters) {symbol, offsetof(PlaitDriver, field), needed},
#include "runtime/driver.def"
#undef DRIVER
};

static PlaitStatus fill_table(void *library, PlaitDriver *table)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *symbol = dlsym(library, functions[i].symbol);
        if (!symbol && functions[i].needed)
            return plait_fail(PLAIT_STATUS_NO_DRIVER, "the CUDA driver is too old: it has no %s", functions[i].symbol);
        memcpy((char *)table + functions[i].offset, &symbol, sizeof symbol);
    }
    return PLAIT_STATUS_OK;
}

static PlaitStatus load_table(PlaitDriver *table)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return plait_fail(PLAIT_STATUS_NO_DRIVER, "there is no CUDA driver: %s", dlerror());
    return fill_table(library, table);
}

static PlaitStatus start(const PlaitDriver *driver)
{
    int result = driver->init(0);
    if (result == 0) return PLAIT_STATUS_OK;
    plait_driver_check(driver, result, "cuInit");
    return PLAIT_STATUS_NO_DRIVER;
}

static PlaitStatus open_locked(const PlaitDriver **driver)
{
    PlaitStatus status = PLAIT_STATUS_OK;
    if (state.substitute) *driver = state.substitute;
    else *driver = &state.table;
    if (state.started) return status;
    if (!state.substitute) status = load_table(&state.table);
    if (!status) status = start(*driver);
    state.started = !status;
    return status;
}

PlaitStatus plait_driver_open(const PlaitDriver **driver)
{
    pthread_mutex_lock(&state.lock);
    PlaitStatus status = open_locked(driver);
    pthread_mutex_unlock(&state.lock);
    return status;
}

PlaitStatus plait_driver_check(const PlaitDriver *driver, int result, const char *function)
{
    const char *name = NULL;
    PlaitStatus status = result == PLAIT_CUDA_OUT_OF_MEMORY ? PLAIT_STATUS_OUT_OF_MEMORY : PLAIT_STATUS_DRIVER;
    if (result == 0) return PLAIT_STATUS_OK;
    if (driver->error_name(result, &name) == 0 && name) return plait_fail(status, "%s failed: %s", function, name);
    return plait_fail(status, "%s failed: CUDA error %d", function, result);
}

void plait_driver_substitute(const PlaitDriver *driver)
{
    pthread_mutex_lock(&state.lock);
    state.substitute = driver;
    state.started = false;
    pthread_mutex_unlock(&state.lock);
}
