/* The same work on all processors at once, timed: what the measurements of peaks have in common. */
#ifndef PLAIT_DRIVER_PROCESSORS_H
#define PLAIT_DRIVER_PROCESSORS_H

#include <stdint.h>

/* What thread `number` does, from 0. */
typedef void PlaitWork(void *context, uint32_t number);

/* How many threads: the processors of this machine. */
uint32_t plait_work_threads(void);
enum { PLAIT_MOST_PASSES = 64 };

typedef struct PlaitWorkTimes {
    double shortest; /* seconds of the shortest pass, from the first thread's begin to the last one's end */
    double rate;     /* passes a second of all threads, each at its best: does not suffer from other processes */
} PlaitWorkTimes;

/* Runs `prepare` (or NULL) and then `passes` times `pass` on that many threads, which begin each pass together. Zeroes
 * when the threads cannot be made. */
PlaitWorkTimes plait_work_times(PlaitWork *prepare, PlaitWork *pass, void *context, uint32_t threads, uint32_t passes);

#endif
