/* Two libraries in one process: each runs its own operators and keeps its own errors, although all exported names but
 * the operators' are the same, and with both in the global scope; a library that has started threads can be unloaded.
 * Arguments: the two files. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/plait.h"
#include "tests/support/check.h"

typedef struct Library {
    void *handle;
    int (*number)(DLTensor *y, void *stream);
    PlaitStatus (*call)(const char *name, DLTensor *const *tensors, uint32_t count, void *stream);
    PlaitStatus (*workspace_bytes)(const char *name, DLTensor *const *tensors, uint32_t count, uint64_t *bytes);
    PlaitStatus (*call_with_workspace)(const char *name, DLTensor *const *tensors, uint32_t count, void *stream,
                                       void *workspace, uint64_t bytes);
    const char *(*error)(void);
    const char *(*status_text)(PlaitStatus status);
} Library;

static void find(const Library *library, const char *name, void *function)
{
    void *symbol = dlsym(library->handle, name);
    CHECK(symbol != NULL);
    if (!symbol) exit(check_report());
    memcpy(function, &symbol, sizeof symbol);
}

static Library open_library(const char *path, int scope)
{
    Library library = {.handle = dlopen(path, RTLD_NOW | scope)};
    if (!library.handle) fprintf(stderr, "%s\n", dlerror());
    find(&library, "number", &library.number);
    find(&library, "plait_call", &library.call);
    find(&library, "plait_workspace_bytes", &library.workspace_bytes);
    find(&library, "plait_call_with_workspace", &library.call_with_workspace);
    find(&library, "plait_error", &library.error);
    find(&library, "plait_status_text", &library.status_text);
    CHECK(dlsym(library.handle, "plait_library") != NULL);
    return library;
}

enum { COUNT = 1000 };
static double memory[COUNT];
static int64_t size = COUNT;
static DLTensor y = {.data = memory, .device = {kDLCPU, 0}, .ndim = 1, .dtype = {kDLFloat, 64, 1}, .shape = &size};
static DLTensor *list[] = {&y};

static int all_are(double number)
{
    int right = 1;
    for (int i = 0; i < COUNT; i++) right = right && memory[i] == number;
    memset(memory, 0, sizeof memory);
    return right;
}

static void test_calls(const Library *library, double number)
{
    uint64_t bytes = 1;
    CHECK(library->number(&y, NULL) == 0 && all_are(number));
    CHECK(library->call("number", list, 1, NULL) == PLAIT_STATUS_OK && all_are(number));
    CHECK(library->call_with_workspace("number", list, 1, NULL, NULL, 0) == PLAIT_STATUS_OK && all_are(number));
    CHECK(library->workspace_bytes("number", list, 1, &bytes) == PLAIT_STATUS_OK && bytes == 0);
    CHECK_TEXT(library->error(), "");
    CHECK(library->call("numbers", list, 1, NULL) == PLAIT_STATUS_UNKNOWN_OPERATOR);
    CHECK_TEXT(library->error(), "the library has no operator `numbers`; it has `number`");
    CHECK(library->call(NULL, list, 1, NULL) == PLAIT_STATUS_NULL_ARGUMENT);
    CHECK_TEXT(library->error(), "the operator's name is NULL");
    CHECK(library->workspace_bytes("number", list, 3, &bytes) == PLAIT_STATUS_WRONG_COUNT && bytes == 0);
    CHECK_TEXT(library->error(), "number: takes 1 tensors, but was given 3");
    CHECK_TEXT(library->status_text(PLAIT_STATUS_WRONG_COUNT), "the operator has another number of tensors");
    CHECK(all_are(0));
}

static void test_errors_apart(const Library *one, const Library *two)
{
    CHECK(one->number(NULL, NULL) == PLAIT_STATUS_NULL_ARGUMENT && two->number(&y, NULL) == 0);
    CHECK_TEXT(one->error(), "number: argument 1 `y`: is NULL, but has no default");
    CHECK_TEXT(two->error(), "");
}

static int thread_count(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    while (folder && readdir(folder)) count++;
    if (folder) closedir(folder);
    return count - 2;
}

/* fork() must not call back into a library that is gone. */
static int fork_works(void)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) _exit(0);
    return waitpid(child, &status, 0) == child && status == 0;
}

/* A thread that was joined may still be listed for a moment. */
static int thread_count_falls_to(int count)
{
    for (int i = 0; i < 1000 && thread_count() != count; i++) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return thread_count() == count;
}

static void test_unloading(const char *path)
{
    int before = thread_count();
    for (int i = 0; i < 20; i++) {
        Library library = open_library(path, RTLD_LOCAL);
        CHECK(library.number(&y, NULL) == 0 && all_are(1));
        CHECK(thread_count() > before);
        CHECK(dlclose(library.handle) == 0);
        CHECK(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
        CHECK(thread_count_falls_to(before) && fork_works());
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    setenv("PLAIT_NUM_THREADS", "3", 1);
    test_unloading(argv[1]);
    Library one = open_library(argv[1], RTLD_GLOBAL), two = open_library(argv[2], RTLD_GLOBAL);
    test_calls(&one, 1);
    test_calls(&two, 2);
    test_errors_apart(&one, &two);
    dlclose(one.handle);
    test_calls(&two, 2);
    return check_report(); /* the second is unloaded by the end of the process, its threads alive */
}
