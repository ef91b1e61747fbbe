/* Failing allocations: the linker sends the calls here. */
#include "tests/runtime/faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

static atomic_int counted, live;
static int failing;
static bool counting;

void faults_begin(int n)
{
    failing = n;
    atomic_store(&counted, 0);
    counting = true;
}

int faults_end(void)
{
    counting = false;
    return atomic_load(&counted);
}

int faults_live(void) { return atomic_load(&live); }

static bool fails(void) { return counting && atomic_fetch_add(&counted, 1) + 1 == failing; }

static void *allocated(void *block)
{
    if (block) atomic_fetch_add(&live, 1);
    return block;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

void *__wrap_malloc(size_t size) { return fails() ? NULL : allocated(__real_malloc(size)); }

void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : allocated(__real_calloc(count, size)); }

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : allocated(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *block)
{
    if (block) atomic_fetch_sub(&live, 1);
    __real_free(block);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    return fails() ? EAGAIN : __real_pthread_create(thread, attributes, start, argument);
}
