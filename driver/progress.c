/* The progress line. */
#include "driver/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double quiet_seconds = 2;

double plait_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

PlaitProgress plait_progress_begin(void)
{
    return (PlaitProgress){.start = plait_clock(), .terminal = isatty(STDERR_FILENO) == 1, .what = ""};
}

void plait_progress_step(PlaitProgress *progress, const char *what, uint32_t done, uint32_t total)
{
    progress->what = what;
    progress->done = done;
    progress->total = total;
    double seconds = plait_clock() - progress->start;
    if (!progress->terminal || seconds < quiet_seconds) return;
    progress->shown = true;
    fprintf(stderr, "\r\033[K%s: %u of %u, %.0f s", what, done, total, seconds);
    fflush(stderr);
}

void plait_progress_end(PlaitProgress *progress)
{
    if (!progress->shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->shown = false;
}
