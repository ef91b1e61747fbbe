/* The CUDA context that a call uses, and what is kept in it from call to call: modules, their functions, constants,
 * a memory pool. */
#ifndef PLAIT_RUNTIME_CONTEXT_H
#define PLAIT_RUNTIME_CONTEXT_H

#include <stdbool.h>

#include "runtime/descriptor.h"
#include "runtime/driver.h"

typedef struct PlaitContext {
    const PlaitDriver *driver;
    void *handle;
    unsigned long long id; /* tells a new context from an old one at the same address; 0 with drivers before 12.0 */
    int ordinal, device;   /* by its number, and by the driver's handle */
    uint32_t architecture; /* 90 for compute capability 9.0 */
    bool pushed;
} PlaitContext;

/* Makes a context of device `ordinal` current: the thread's own when it is one, else the device's primary context,
 * which the library keeps. After OK, plait_context_leave restores what was current before and returns `status`, or its
 * own error when that was OK. */
PlaitStatus plait_context_enter(int ordinal, PlaitContext *context);
PlaitStatus plait_context_leave(PlaitContext *context, PlaitStatus status);

/* The primary context of a device, kept by the library until plait_context_release_all. */
PlaitStatus plait_context_primary(const PlaitDriver *driver, int device, void **handle);

/* The functions of the target's kernels, in their order, two of each: the ordinary version, NULL when it is late
 * (descriptor.h), and the one with maps, NULL when there is none. Loads the target's image when this context has not
 * got it. Valid until plait_context_release_all. */
PlaitStatus plait_context_functions(const PlaitContext *context, const PlaitTargetDescriptor *target,
                                    void *const **functions);

/* Likewise the ordinary versions that are late, one for each kernel, NULL for those that have none. Loading them makes
 * the driver assemble PTX, which takes seconds unless the driver has it in its cache. */
PlaitStatus plait_context_late_functions(const PlaitContext *context, const PlaitTargetDescriptor *target,
                                         void *const **functions);

/* Device memory that holds `cells`, made once for each `key` (an address that stands for the contents). */
PlaitStatus plait_context_constants(const PlaitContext *context, const void *key, const uint64_t *cells, uint32_t count,
                                    unsigned long long *address);

/* The context's memory pool for workspaces, made at the first call that asks. NULL, with status OK: there is none,
 * because the driver is too old or would not make one. */
PlaitStatus plait_context_memory_pool(const PlaitContext *context, void **memory_pool);

/* Unloads and frees everything that is kept, in all contexts. Not while calls run; never done by itself, because a
 * process that ends may have stopped the driver already. */
void plait_context_release_all(void);

#endif
