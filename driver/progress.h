/* A line on standard error that says what takes so long: shown after two seconds, on terminals only, and wiped at the
 * end. */
#ifndef PLAIT_DRIVER_PROGRESS_H
#define PLAIT_DRIVER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct PlaitProgress {
    double start; /* seconds */
    bool terminal, shown;
    uint32_t done, total;
    const char *what;
} PlaitProgress;

/* Seconds of a clock that only goes forward. */
double plait_clock(void);

PlaitProgress plait_progress_begin(void);
/* `what` is being done, `done` of `total` are ready. Cheap: call it often. */
void plait_progress_step(PlaitProgress *progress, const char *what, uint32_t done, uint32_t total);
void plait_progress_end(PlaitProgress *progress);

#endif
