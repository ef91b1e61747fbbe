/* The library's threads: started once, asleep between calls, at one job at a time.
 *
 * 1. A caller takes the pool (`taken`); one that finds it taken works alone, so that the number of busy threads never
 *    exceeds callers + pool.
 * 2. It writes the job, opens it (OPEN in `inside`), counts `sequence` up and wakes as many threads as there are
 * pieces.
 * 3. Everybody takes pieces from the counter `next` until there are none. A thread enters by adding 1 to `inside`,
 *    which it may only while the job is open.
 * 4. The caller, out of pieces, closes the job and waits until `inside` is 0. It never waits for a thread that has not
 *    entered: one that wakes late finds the job closed and goes back to sleep.
 *
 * After fork() the child has none of the threads, and perhaps a lock held by one of them: it starts with a new pool.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "runtime/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    OPEN = 1 << 30,
    PIECES = 8,  /* for each thread: small enough to even out programs of unequal length */
    SPINS = 200, /* some microseconds: the kernels of one operator follow each other faster than a thread wakes */
    STACK_BYTES = 8 * 1024 * 1024 /* as the main thread has: kernels keep tiles on the stack */
};

typedef struct Job {
    PlaitPoolWork *work;
    void *context;
    int64_t count, piece;
} Job;

static struct {
    pthread_mutex_t lock; /* with the conditions; for `stop` and the counting up of `sequence` */
    pthread_cond_t wake, done;
    pthread_t threads[PLAIT_POOL_MOST];
    int thread_count; /* started, beside the caller; this, `started` and `job` belong to who has taken the pool */
    bool started, stop;
    atomic_bool taken;
    atomic_uint sequence;
    atomic_int inside;
    atomic_llong next;
    Job job;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static void pause_briefly(void) { __builtin_ia32_pause(); }

/* ---- how many ---- */

static int affinity_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than 1024 processors */
    return online > 0 && online < PLAIT_POOL_MOST ? (int)online : 1;
}

static int clamp(long count) { return count < 1 ? 1 : count > PLAIT_POOL_MOST ? PLAIT_POOL_MOST : (int)count; }

int plait_pool_thread_count(void)
{
    static const char *const variables[] = {"PLAIT_NUM_THREADS", "OMP_NUM_THREADS"};
    for (int i = 0; i < 2; i++) {
        const char *text = getenv(variables[i]);
        char *end = NULL;
        long count = text ? strtol(text, &end, 10) : 0;
        if (count > 0 && (*end == '\0' || *end == ',')) return clamp(count);
    }
    return clamp(affinity_count());
}

/* ---- at work ---- */

static void take_pieces(const Job *job)
{
    for (;;) {
        int64_t first = atomic_fetch_add_explicit(&pool.next, job->piece, memory_order_relaxed);
        if (first >= job->count) return;
        job->work(job->context, first, job->count - first < job->piece ? job->count : first + job->piece);
    }
}

static bool enter(void)
{
    int inside = atomic_load_explicit(&pool.inside, memory_order_relaxed);
    while (inside & OPEN)
        if (atomic_compare_exchange_weak_explicit(&pool.inside, &inside, inside + 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void leave(void)
{
    if (atomic_fetch_sub_explicit(&pool.inside, 1, memory_order_acq_rel) != 1) return;
    pthread_mutex_lock(&pool.lock); /* the caller may be between its look at `inside` and its wait */
    pthread_cond_signal(&pool.done);
    pthread_mutex_unlock(&pool.lock);
}

/* Waits for a job after number `seen`; false: the thread is to end. */
static bool wait_for_job(unsigned *seen)
{
    for (int i = 0; i < SPINS && atomic_load_explicit(&pool.sequence, memory_order_relaxed) == *seen; i++)
        pause_briefly();
    pthread_mutex_lock(&pool.lock);
    while (!pool.stop && atomic_load_explicit(&pool.sequence, memory_order_relaxed) == *seen)
        pthread_cond_wait(&pool.wake, &pool.lock);
    *seen = atomic_load_explicit(&pool.sequence, memory_order_relaxed);
    bool stop = pool.stop;
    pthread_mutex_unlock(&pool.lock);
    return !stop;
}

static void *thread_main(void *unused)
{
    (void)unused;
    for (unsigned seen = 0; wait_for_job(&seen);) {
        if (!enter()) continue;
        take_pieces(&pool.job);
        leave();
    }
    return NULL;
}

/* ---- starting, stopping ---- */

static void forget_in_child(void)
{
    pool.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pool.wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    pool.done = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    pool.thread_count = 0;
    pool.started = pool.stop = false;
    atomic_store(&pool.inside, 0);
    atomic_store(&pool.taken, false);
}

/* The C library knows by this address whose handlers to forget when a library is unloaded. It comes, with the call that
 * does the forgetting, from the compiler's start files; a library that was linked by a linker alone has none of them.
 */
extern void *__dso_handle;
__attribute__((weak, visibility("hidden"))) void *__dso_handle = &__dso_handle;
void __cxa_finalize(void *library);

static int registered = -1; /* the error of pthread_atfork */
static void register_for_fork(void) { registered = pthread_atfork(NULL, NULL, forget_in_child); }

__attribute__((destructor)) static void unregister(void)
{
    if (__dso_handle) __cxa_finalize(__dso_handle); /* NULL: a program, whose handlers end with the process */
}

/* The host's signals are for the host's threads. */
static int start_threads(pthread_t *threads, int count, void *(*body)(void *), void *context)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    int started = 0;
    if (pthread_attr_init(&attributes) != 0) return 0;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < count && pthread_create(&threads[started], &attributes, body, context) == 0) started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

static void start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pool.started = true;
    pthread_once(&once, register_for_fork);
    if (registered == 0)
        pool.thread_count = start_threads(pool.threads, plait_pool_thread_count() - 1, thread_main,
                                          NULL); /* a child without its handler would hang */
}

__attribute__((destructor)) void plait_pool_stop(void)
{
    if (atomic_exchange(&pool.taken, true)) return;
    pthread_mutex_lock(&pool.lock);
    pool.stop = true;
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    while (pool.thread_count > 0) pthread_join(pool.threads[--pool.thread_count], NULL);
    pool.started = pool.stop = false;
    atomic_store(&pool.taken, false);
}

/* ---- the caller ---- */

static void publish(void)
{
    int64_t helpers = (pool.job.count - 1) / pool.job.piece; /* the caller does one piece itself */
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    atomic_fetch_or_explicit(&pool.inside, OPEN, memory_order_release);
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add_explicit(&pool.sequence, 1, memory_order_relaxed);
    for (int64_t i = 0; i < helpers && i < pool.thread_count; i++) pthread_cond_signal(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

static void wait_until_left(void)
{
    atomic_fetch_and_explicit(&pool.inside, ~OPEN, memory_order_acq_rel);
    for (int i = 0; i < SPINS && atomic_load_explicit(&pool.inside, memory_order_acquire) != 0; i++) pause_briefly();
    if (atomic_load_explicit(&pool.inside, memory_order_acquire) == 0) return;
    pthread_mutex_lock(&pool.lock);
    while (atomic_load_explicit(&pool.inside, memory_order_acquire) != 0) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

static void run_together(PlaitPoolWork *work, void *context, int64_t count)
{
    int64_t piece = count / ((int64_t)(pool.thread_count + 1) * PIECES);
    pool.job = (Job){.work = work, .context = context, .count = count, .piece = piece > 1 ? piece : 1};
    publish();
    take_pieces(&pool.job);
    wait_until_left();
}

void plait_pool_run(PlaitPoolWork *work, void *context, int64_t count)
{
    if (count <= 0) return;
    if (count == 1 || atomic_exchange(&pool.taken, true)) {
        work(context, 0, count);
        return;
    }
    if (!pool.started) start();
    if (pool.thread_count > 0) run_together(work, context, count);
    else work(context, 0, count);
    atomic_store(&pool.taken, false);
}

static void *run_job(void *context)
{
    const Job *job = context;
    plait_pool_run(job->work, job->context, job->count);
    return NULL;
}

bool plait_pool_run_apart(PlaitPoolWork *work, void *context, int64_t count)
{
    Job job = {.work = work, .context = context, .count = count};
    pthread_t thread;
    if (start_threads(&thread, 1, run_job, &job) != 1) return false;
    pthread_join(thread, NULL);
    return true;
}
