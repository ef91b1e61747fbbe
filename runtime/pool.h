/* The library's threads on the CPU. */
#ifndef PLAIT_RUNTIME_POOL_H
#define PLAIT_RUNTIME_POOL_H

#include <stdbool.h>
#include <stdint.h>

/* Does the items [first, end). */
typedef void PlaitPoolWork(void *context, int64_t first, int64_t end);

/* Does the items [0, count), each once, in pieces on the calling thread and the pool's, and returns when all are done.
 * Items must be independent. Starts the threads at the first call that has more than one item. Runs everything on the
 * calling thread when another call has the pool, or when no thread could be started. */
void plait_pool_run(PlaitPoolWork *work, void *context, int64_t count);
/* The same from a thread of its own with as large a stack as the pool's threads have (8 MiB), for callers that have
 * not; false: none could be started, and nothing was done. */
bool plait_pool_run_apart(PlaitPoolWork *work, void *context, int64_t count);

/* How many threads a call may use, the caller's included: PLAIT_NUM_THREADS, else OMP_NUM_THREADS (its first number),
 * else the number of processors the process may run on; 1 to PLAIT_POOL_MOST. */
enum { PLAIT_POOL_MOST = 256 };
int plait_pool_thread_count(void);

/* Ends the threads; the next call starts them anew, reading the environment again. Does nothing while a call has the
 * pool. Done by itself when the library is unloaded or the process exits. */
void plait_pool_stop(void);

#endif
