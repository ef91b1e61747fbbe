#define _GNU_SOURCE /* pthread_getattr_np */
#include "runtime/stack.h"

#include <pthread.h>

enum { SPARE = 64 * 1024 };

/* Where the thread's stack ends; of the process's first thread the C library has to read a file to know, so once a
 * thread. */
static _Thread_local struct {
    uintptr_t lowest, highest;
} known;

static void find(void)
{
    pthread_attr_t attributes;
    void *lowest = NULL;
    size_t bytes = 0;
    known.highest = 1;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
    if (pthread_attr_getstack(&attributes, &lowest, &bytes) == 0) {
        known.lowest = (uintptr_t)lowest;
        known.highest = known.lowest + bytes;
    }
    pthread_attr_destroy(&attributes);
}

bool plait_stack_has(uint64_t bytes)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (!known.highest) find();
    return here > known.lowest && here <= known.highest && here - known.lowest >= bytes + SPARE;
}
