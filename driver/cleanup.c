/* Cleaning up on signals.
 *
 * Signals that ask to stop are blocked in every thread and taken by sigwait in a thread of their own, which may
 * therefore use locks and any function of the C library. Signals of a crash (abort, segmentation fault) are handled
 * where they happen: the handler does the same work, with an alarm set in case the crash left a lock taken, and leaves
 * with exit code 4.
 */
#define _XOPEN_SOURCE 700 /* nftw */
#include "driver/cleanup.h"

#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    char paths[PLAIT_CLEANUP_PATHS][PLAIT_CLEANUP_PATH_LENGTH];
    pid_t children[PLAIT_CLEANUP_CHILDREN];
    sigset_t signals;
    char stack[65536]; /* for crashes by stack overflow */
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

enum { EXIT_INTERNAL = 4, CRASH_SECONDS = 5 };

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    remove(path);
    return 0; /* go on with the rest */
}

void plait_remove_tree(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static void remove_everything(void)
{
    for (int i = 0; i < PLAIT_CLEANUP_CHILDREN; i++)
        if (watch.children[i] > 0) kill(-watch.children[i], SIGKILL);
    for (int i = 0; i < PLAIT_CLEANUP_PATHS; i++) {
        if (watch.paths[i][0]) plait_remove_tree(watch.paths[i]);
        watch.paths[i][0] = '\0';
    }
}

static void *wait_for_signal(void *unused)
{
    (void)unused;
    int signal_number = 0;
    if (sigwait(&watch.signals, &signal_number) != 0) return NULL;
    pthread_mutex_lock(&watch.lock);
    remove_everything();
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigaction(signal_number, &plain, NULL);
    pthread_sigmask(SIG_UNBLOCK, &watch.signals, NULL);
    kill(getpid(), signal_number);
    _exit(128 + signal_number);
}

static void crash(int signal_number)
{
    static const char message[] = "plait: internal error: the compiler crashed; please report it with the program\n";
    alarm(CRASH_SECONDS);
    if (signal_number != SIGABRT && write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(EXIT_INTERNAL);
    remove_everything();
    _exit(EXIT_INTERNAL);
}

static void watch_for_crashes(void)
{
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    stack_t stack = {.ss_sp = watch.stack, .ss_size = sizeof watch.stack};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = crash, .sa_flags = SA_ONSTACK | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) sigaction(crashes[i], &action, NULL);
}

void plait_cleanup_begin(void)
{
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
    sigemptyset(&watch.signals);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        struct sigaction now;
        bool ignored = sigaction(stops[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN; /* nohup */
        if (!ignored) sigaddset(&watch.signals, stops[i]);
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL); /* a closed standard output is an error of write() */
    watch_for_crashes();
    pthread_sigmask(SIG_BLOCK, &watch.signals, NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_for_signal, NULL) == 0) pthread_detach(thread);
    else pthread_sigmask(SIG_UNBLOCK, &watch.signals, NULL);
}

void plait_cleanup_end(void)
{
    pthread_mutex_lock(&watch.lock);
    remove_everything();
    pthread_mutex_unlock(&watch.lock);
}

bool plait_cleanup_add_path(const char *path)
{
    bool added = false;
    pthread_mutex_lock(&watch.lock);
    for (int i = 0; i < PLAIT_CLEANUP_PATHS && !added && strlen(path) < PLAIT_CLEANUP_PATH_LENGTH; i++) {
        if (watch.paths[i][0]) continue;
        memcpy(watch.paths[i], path, strlen(path) + 1);
        added = true;
    }
    pthread_mutex_unlock(&watch.lock);
    return added;
}

void plait_cleanup_forget_path(const char *path)
{
    pthread_mutex_lock(&watch.lock);
    for (int i = 0; i < PLAIT_CLEANUP_PATHS; i++)
        if (strcmp(watch.paths[i], path) == 0) watch.paths[i][0] = '\0';
    pthread_mutex_unlock(&watch.lock);
}

static bool replace_child(pid_t from, pid_t to)
{
    bool replaced = false;
    pthread_mutex_lock(&watch.lock);
    for (int i = 0; i < PLAIT_CLEANUP_CHILDREN && !replaced; i++) {
        if (watch.children[i] != from) continue;
        watch.children[i] = to;
        replaced = true;
    }
    pthread_mutex_unlock(&watch.lock);
    return replaced;
}

bool plait_cleanup_add_child(pid_t child) { return replace_child(0, child); }
void plait_cleanup_forget_child(pid_t child) { replace_child(child, 0); }
