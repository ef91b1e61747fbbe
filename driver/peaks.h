/* What a machine can do a second at most, and the time that a cost takes there at least: what `bench` and `explain`
 * compare with. */
#ifndef PLAIT_DRIVER_PEAKS_H
#define PLAIT_DRIVER_PEAKS_H

#include <stdbool.h>
#include <stdint.h>

#include "passes/stage/cost.h"

/* Rates a second; 0: not known, and no bound. */
typedef struct PlaitPeaks {
    double bytes;      /* of memory, read plus written */
    double operations; /* in f32; a multiply-add is two */
    double products;   /* of those on matrix units, from 16-bit numbers; 0 where there are no such units, too */
} PlaitPeaks;

/* Measured: a copy, and multiply-adds in registers, on all processors. About 0.3 s. */
PlaitPeaks plait_peaks_cpu(void);
/* Of the current GPU: a copy is measured, the rest is its clock times its multiprocessors times a row of gpus.def. */
PlaitPeaks plait_peaks_gpu(void);
/* Without the measurement. */
PlaitPeaks plait_peaks_of_gpu(uint32_t architecture, double multiprocessors, double hertz);

/* bandwidth.c: bytes a second, 0 when it cannot be measured. */
double plait_bandwidth_cpu(void);
double plait_bandwidth_gpu(uint64_t bytes); /* by copying so many */

typedef struct PlaitFloor {
    double seconds;
    const char *bound; /* what takes that long: "memory", "arithmetic" or "matrix units" */
} PlaitFloor;

/* Transcendental functions set no bound: what they take depends on how they are computed. */
PlaitFloor plait_floor(const PlaitCost *cost, const PlaitPeaks *peaks);
/* Members of a JSON object, each after ", ": the cost, the peaks, the floor and what sets it. */
void plait_floor_print_json(const PlaitCost *cost, const PlaitPeaks *peaks, PlaitText *text);

#endif
