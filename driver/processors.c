/* Timing work on all processors: threads that wait for each other before every pass, of which the best count. */
#include "driver/processors.h"

#include <pthread.h>
#include <stdlib.h>

#include "driver/process.h"
#include "driver/progress.h"

enum { MOST_THREADS = 256 };

typedef struct Worker {
    pthread_t thread;
    pthread_barrier_t *barrier;
    PlaitWork *prepare, *pass;
    void *context;
    uint32_t number, passes;
    double begin[PLAIT_MOST_PASSES], end[PLAIT_MOST_PASSES];
} Worker;

static void *run_passes(void *context)
{
    Worker *worker = context;
    if (worker->prepare) worker->prepare(worker->context, worker->number);
    for (uint32_t i = 0; i < worker->passes; i++) {
        pthread_barrier_wait(worker->barrier);
        worker->begin[i] = plait_clock();
        worker->pass(worker->context, worker->number);
        worker->end[i] = plait_clock();
    }
    return NULL;
}

static PlaitWorkTimes times_of(const Worker *workers, uint32_t count)
{
    PlaitWorkTimes times = {1e30, 0};
    for (uint32_t i = 0; i < workers->passes; i++) {
        double begin = 1e30, end = 0;
        for (uint32_t j = 0; j < count; j++) {
            if (workers[j].begin[i] < begin) begin = workers[j].begin[i];
            if (workers[j].end[i] > end) end = workers[j].end[i];
        }
        if (end - begin < times.shortest) times.shortest = end - begin;
    }
    for (uint32_t j = 0; j < count; j++) {
        double best = 1e30;
        for (uint32_t i = 0; i < workers->passes; i++)
            if (workers[j].end[i] - workers[j].begin[i] < best) best = workers[j].end[i] - workers[j].begin[i];
        times.rate += best > 0 ? 1 / best : 0;
    }
    return times;
}

uint32_t plait_work_threads(void)
{
    uint32_t count = plait_processor_count();
    return count > MOST_THREADS ? MOST_THREADS : count;
}

PlaitWorkTimes plait_work_times(PlaitWork *prepare, PlaitWork *pass, void *context, uint32_t threads, uint32_t passes)
{
    pthread_barrier_t barrier;
    uint32_t started = 1;
    Worker *workers = calloc(threads, sizeof *workers);
    if (!workers || pthread_barrier_init(&barrier, NULL, threads) != 0) {
        free(workers);
        return (PlaitWorkTimes){0};
    }
    for (uint32_t i = 0; i < threads; i++)
        workers[i] = (Worker){
            .barrier = &barrier, .prepare = prepare, .pass = pass, .context = context, .number = i, .passes = passes};
    for (uint32_t i = 1; i < threads; i++)
        started += pthread_create(&workers[i].thread, NULL, run_passes, &workers[i]) == 0;
    if (started < threads)
        return (PlaitWorkTimes){0}; /* those that started wait for ever: this is the end of the program anyway */
    run_passes(&workers[0]);
    for (uint32_t i = 1; i < threads; i++) pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
    PlaitWorkTimes times = times_of(workers, threads);
    free(workers);
    return times;
}
