/* Children: run in parallel, output captured, stopped when they take too long. A child's crash is a fact about the
 * child. */
#ifndef PLAIT_DRIVER_PROCESS_H
#define PLAIT_DRIVER_PROCESS_H

#include <sys/types.h>

#include "driver/session.h"
#include "driver/files.h"
#include "driver/progress.h"

typedef struct PlaitJob {
    const char *name;        /* for messages: "plait-codegen object" */
    const char *const *argv; /* ends with NULL; argv[0] is the path of the executable */
    uint32_t after;          /* index + 1 of the job whose success it waits for; 0: none */
    /* Filled in by plait_jobs_run: */
    bool ended, skipped;      /* skipped: the job it waits for failed */
    PlaitText output, errors; /* what it wrote, at most PLAIT_JOB_OUTPUT_LIMIT bytes of each */
    int spawn_error;          /* errno when it could not be started, else 0 */
    int status;               /* as waitpid gives it */
    bool timed_out;
    double seconds;
} PlaitJob;

enum { PLAIT_JOB_OUTPUT_LIMIT = 64 * 1024 * 1024 };

/* Runs all jobs, at most `parallel` at a time, each for at most `seconds`. Does not judge how they end.
 * Children read nothing, run in process groups of their own and are killed with them; none outlives this process.
 * `progress` may be NULL. */
void plait_jobs_run(PlaitArena *arena, PlaitJob *jobs, uint32_t count, uint32_t parallel, double seconds,
                    PlaitProgress *progress);
/* Whether the job ended with exit code 0. */
bool plait_job_succeeded(const PlaitJob *job);
#define PLAIT_OWN_MISTAKE "this is a mistake in Plait, not in your program; please report it with the program"
/* Reports why a job failed, if it did (E0801..E0804; E0610 for a full disk), with the end of what it wrote on standard
 * error; `help` for an ordinary failure. */
void plait_job_report(PlaitSession *session, const PlaitJob *job, const char *help);
/* Number of processors that this process may use, at least 1. */
uint32_t plait_processor_count(void);

#endif
