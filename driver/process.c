/* Running children: two pipes each, one poll loop for all.
 *
 * Threads are not needed, and a child that floods its output or hangs cannot stop the others.
 */
#include "driver/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/cleanup.h"

extern char **environ;

enum { TICK_MILLISECONDS = 100, MOST_PARALLEL = 32, TAIL_BYTES = 2000 };

/* A running job. */
typedef struct Running {
    PlaitJob *job; /* NULL: the place is free */
    pid_t child;
    int pipes[2]; /* its output and errors; -1 once closed */
    double start;
} Running;

uint32_t plait_processor_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (uint32_t)count;
}

static bool open_pipe(int ends[2])
{
    if (pipe(ends) != 0) return false;
    for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    return true;
}

/* In the child: becomes the job, or leaves an error number in `failed`. Between fork and exec, so async-signal-safe
 * calls only. A child outlives no parent, not even one that SIGKILL ends; the parent may have gone before that was
 * asked for. */
static void become(const PlaitJob *job, int output, int errors, int failed, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != parent) _exit(EXIT_FAILURE);
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input >= 0 && dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
        dup2(errors, STDERR_FILENO) >= 0) {
        signal(SIGPIPE, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execve(job->argv[0], (char *const *)(uintptr_t)job->argv, environ);
    }
    int error = errno;
    while (write(failed, &error, sizeof error) < 0 && errno == EINTR) continue;
    _exit(EXIT_FAILURE);
}

/* The child's error number before it became the job; 0 when it did: then the pipe closes without a word. */
static int wait_for_exec(int failed, pid_t child)
{
    int error = 0;
    ssize_t got;
    while ((got = read(failed, &error, sizeof error)) < 0 && errno == EINTR) continue;
    if (got != (ssize_t)sizeof error) return 0;
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
    return error;
}

/* Starts the job as the leader of a process group; 0 or an error number. */
static int spawn(const PlaitJob *job, int output, int errors, pid_t *child)
{
    int failed[2];
    if (!open_pipe(failed)) return errno;
    pid_t parent = getpid();
    *child = fork();
    int error = *child < 0 ? errno : 0;
    if (*child == 0) become(job, output, errors, failed[1], parent);
    close(failed[1]);
    if (*child > 0) error = wait_for_exec(failed[0], *child);
    close(failed[0]);
    return error;
}

static void start(Running *running, PlaitJob *job)
{
    int output[2], errors[2];
    if (!open_pipe(output)) {
        job->spawn_error = errno;
        return;
    }
    if (!open_pipe(errors)) {
        job->spawn_error = errno;
        close(output[0]), close(output[1]);
        return;
    }
    job->spawn_error = spawn(job, output[1], errors[1], &running->child);
    close(output[1]), close(errors[1]);
    if (job->spawn_error) {
        close(output[0]), close(errors[0]);
        return;
    }
    plait_cleanup_add_child(running->child);
    running->job = job;
    running->pipes[0] = output[0];
    running->pipes[1] = errors[0];
    running->start = plait_clock();
}

/* Reads what is there; closes the pipe at its end. What is over the limit is thrown away. False when there was nothing.
 */
static bool drain(int *pipe_end, PlaitText *text)
{
    char buffer[65536];
    ssize_t got = read(*pipe_end, buffer, sizeof buffer);
    if (got > 0) {
        if (text->length + (size_t)got <= PLAIT_JOB_OUTPUT_LIMIT) plait_text_add_bytes(text, buffer, (size_t)got);
        return true;
    }
    if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
        close(*pipe_end);
        *pipe_end = -1;
    }
    return false;
}

/* The last words of a child that has ended: a grandchild may hold the pipes open, so their end is not waited for. */
static void drain_rest(Running *running)
{
    for (int i = 0; i < 2; i++) {
        if (running->pipes[i] < 0) continue;
        fcntl(running->pipes[i], F_SETFL, O_NONBLOCK);
        while (drain(&running->pipes[i], i ? &running->job->errors : &running->job->output)) continue;
        if (running->pipes[i] >= 0) close(running->pipes[i]);
    }
}

static void end_if_done(Running *running, double seconds)
{
    PlaitJob *job = running->job;
    if (!job->timed_out && plait_clock() - running->start > seconds) {
        job->timed_out = true;
        kill(-running->child, SIGKILL);
    }
    pid_t ended = waitpid(running->child, &job->status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return;
    drain_rest(running);
    plait_cleanup_forget_child(running->child);
    job->seconds = plait_clock() - running->start;
    job->ended = true;
    *running = (Running){0};
}

static void wait_for_output(Running *running, uint32_t places)
{
    struct pollfd polled[2 * MOST_PARALLEL];
    PlaitText *texts[2 * MOST_PARALLEL];
    int *ends[2 * MOST_PARALLEL];
    nfds_t count = 0;
    bool closed = false; /* some child has closed both: its end is near, look again soon */
    for (uint32_t i = 0; i < places; i++) {
        if (!running[i].job) continue;
        closed = closed || (running[i].pipes[0] < 0 && running[i].pipes[1] < 0);
        for (int j = 0; j < 2; j++) {
            if (running[i].pipes[j] < 0) continue;
            ends[count] = &running[i].pipes[j];
            texts[count] = j ? &running[i].job->errors : &running[i].job->output;
            polled[count++] = (struct pollfd){.fd = running[i].pipes[j], .events = POLLIN};
        }
    }
    if (count == 0 && !closed) return;
    if (poll(polled, count, closed ? 1 : TICK_MILLISECONDS) <= 0) return;
    for (nfds_t i = 0; i < count; i++)
        if (polled[i].revents) drain(ends[i], texts[i]);
}

/* The next job that can be started; skips those whose predecessor failed. NULL: none for now. */
static PlaitJob *next_job(PlaitJob *jobs, uint32_t count, bool *begun)
{
    for (uint32_t i = 0; i < count; i++) {
        const PlaitJob *before = jobs[i].after ? &jobs[jobs[i].after - 1] : NULL;
        if (begun[i] || (before && !before->ended)) continue;
        begun[i] = true;
        if (!before || plait_job_succeeded(before)) return &jobs[i];
        jobs[i].ended = jobs[i].skipped = true;
    }
    return NULL;
}

static void fill_places(Running *running, uint32_t places, PlaitJob *jobs, uint32_t count, bool *begun)
{
    for (uint32_t i = 0; i < places; i++) {
        while (!running[i].job) {
            PlaitJob *job = next_job(jobs, count, begun);
            if (!job) return;
            start(&running[i], job);
            job->ended = !running[i].job;
        }
    }
}

void plait_jobs_run(PlaitArena *arena, PlaitJob *jobs, uint32_t count, uint32_t parallel, double seconds,
                    PlaitProgress *progress)
{
    Running running[MOST_PARALLEL] = {0};
    bool *begun = PLAIT_NEW_ARRAY(arena, bool, count);
    uint32_t places = parallel < 1 ? 1 : parallel > MOST_PARALLEL ? MOST_PARALLEL : parallel, ended = 0;
    for (uint32_t i = 0; i < count; i++) jobs[i].output = jobs[i].errors = plait_text(arena);
    while (ended < count) {
        fill_places(running, places, jobs, count, begun);
        wait_for_output(running, places);
        for (uint32_t i = 0; i < places; i++)
            if (running[i].job) end_if_done(&running[i], seconds);
        ended = 0;
        for (uint32_t i = 0; i < count; i++) ended += jobs[i].ended;
        if (progress) plait_progress_step(progress, progress->what, ended, count);
    }
}

bool plait_job_succeeded(const PlaitJob *job)
{
    return job->ended && !job->skipped && !job->spawn_error && !job->timed_out && WIFEXITED(job->status) &&
           WEXITSTATUS(job->status) == 0;
}

/* The end of what it wrote on standard error, on one paragraph. */
static const char *last_words(PlaitSession *session, const PlaitJob *job)
{
    const char *words = plait_text_string(&job->errors);
    size_t length = job->errors.length;
    while (length > 0 && (words[length - 1] == '\n' || words[length - 1] == ' ')) length--;
    size_t begin = length > TAIL_BYTES ? length - TAIL_BYTES : 0;
    if (length == 0) return "it wrote no message";
    return plait_session_text(session, "%s%.*s", begin ? "... " : "", (int)(length - begin), words + begin);
}

/* The words in which a child without room on its disk ends; NULL: there are none. */
static const char *disk_words(const PlaitJob *job)
{
    static const int errors[] = {ENOSPC, EDQUOT};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strstr(plait_text_string(&job->errors), strerror(errors[i]))) return strerror(errors[i]);
    return NULL;
}

/* A child that finds its disk full, or may not write files so large, fails, or (LLVM) stops as after a mistake of its
 * own: neither is one. */
static bool report_full_disk(PlaitSession *session, const PlaitJob *job)
{
    bool limit = job->ended && WIFSIGNALED(job->status) && WTERMSIG(job->status) == SIGXFSZ;
    const char *words = limit ? strerror(EFBIG) : disk_words(job);
    if (!words) return false;
    plait_session_error(
        session, PLAIT_FILE_UNWRITABLE, plait_session_text(session, "an intermediate file of %s: %s", job->name, words),
        limit ? "files as large as the library needs" : "room for temporary files",
        limit ? "raise the limit on the size of files (`ulimit -f`)"
              : "make room on the disk of the temporary folder, or name a folder on another disk in TMPDIR");
    return true;
}

void plait_job_report(PlaitSession *session, const PlaitJob *job, const char *help)
{
    const char *words = last_words(session, job);
    if (plait_job_succeeded(job) || job->skipped) return;
    if (job->spawn_error) {
        plait_session_error(session, PLAIT_TOOL_MISSING,
                            plait_session_text(session, "`%s`: %s", job->argv[0], strerror(job->spawn_error)),
                            "an executable file",
                            "install it, or set the environment variable that names it (docs/cli.md)");
    } else if (job->timed_out) {
        plait_session_error(
            session, PLAIT_TOOL_TIMEOUT,
            plait_session_text(session, "%s was stopped after %.0f s", job->name, job->seconds), "an end before that",
            "make the static sizes smaller, or the operator simpler; a compiler that hangs is worth a report");
    } else if (report_full_disk(session, job)) {
        return;
    } else if (WIFSIGNALED(job->status)) {
        plait_session_error(
            session, PLAIT_TOOL_CRASHED,
            plait_session_text(session, "%s: signal %d (%s): %s", job->name, WTERMSIG(job->status),
                               strsignal(WTERMSIG(job->status)), words),
            "an ordinary end",
            "this is a mistake in Plait or LLVM, not in your program; please report it with the program");
    } else {
        plait_session_error(
            session, PLAIT_TOOL_FAILED,
            plait_session_text(session, "%s: exit code %d: %s", job->name, WEXITSTATUS(job->status), words),
            "exit code 0", help);
    }
}
