/* Calls a fuzz target as libFuzzer would, in a build without it.
 *
 *     replay_NAME [--random COUNT] [FILE|FOLDER]..
 *
 * feeds the files, and those in the folders, then COUNT inputs of random bytes, always the same. A find ends the
 * process by abort; so does an input that takes longer than TIME_LIMIT, or more memory than MEMORY_LIMIT.
 */
#define _XOPEN_SOURCE 700 /* sigaltstack */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ir/sample.h"
#include "tests/fuzz/fuzz.h"

enum { TIME_LIMIT = 20, LARGEST_FILE = 1 << 21, LARGEST_RANDOM = 512, PATH_LENGTH = 4096, SIGNAL_STACK = 65536 };
static const rlim_t MEMORY_LIMIT = (rlim_t)2 << 30;

static const char *volatile current; /* for the handler */

static void say_name(int signal_number)
{
    const char *const parts[] = {"find: ", current, "\n"};
    for (int i = 0; i < 3; i++)
        if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0) break;
    raise(signal_number); /* SA_RESETHAND: ends the process */
}

static void report_finds(void)
{
#ifdef PLAIT_SANITIZED /* which reports the others */
    static const int signals[] = {SIGABRT, SIGALRM};
#else
    static const int signals[] = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
#endif
    struct sigaction action = {.sa_handler = say_name, .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK)};
    static unsigned char memory[SIGNAL_STACK]; /* a find may be a full stack */
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    if (sigaltstack(&stack, NULL) != 0) exit(2);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
}

static void feed(const char *name, const uint8_t *bytes, size_t length)
{
    /* Exactly as long as the input, so that a sanitizer sees a read past its end. */
    uint8_t *copy = malloc(length ? length : 1);
    if (!copy) exit(2);
    memcpy(copy, bytes, length);
    current = name;
    alarm(TIME_LIMIT);
    LLVMFuzzerTestOneInput(copy, length);
    alarm(0);
    free(copy);
}

static int feed_file(const char *path)
{
    static uint8_t bytes[LARGEST_FILE];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    feed(path, bytes, length);
    return 1;
}

static int feed_path(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) return feed_file(path);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char name[PATH_LENGTH];
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        count += feed_file(name);
    }
    closedir(folder);
    return count;
}

static int feed_random(uint64_t count)
{
    for (uint64_t seed = 1; seed <= count; seed++) {
        uint8_t bytes[LARGEST_RANDOM];
        char name[64];
        PlaitRandom random = plait_random(seed, 1);
        size_t length = plait_random_below(&random, LARGEST_RANDOM);
        uint32_t zeros = plait_random_below(&random, 20); /* of 20: most choices of a target are harmless when 0 */
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (uint8_t)plait_random_bits(&random);
            if (plait_random_below(&random, 20) < zeros) bytes[i] = 0;
        }
        snprintf(name, sizeof name, "random %llu", (unsigned long long)seed);
        feed(name, bytes, length);
    }
    return (int)count;
}

static void limit_memory(void)
{
#ifndef PLAIT_SANITIZED /* which reserves far more than it uses */
    struct rlimit limit = {MEMORY_LIMIT, MEMORY_LIMIT};
    setrlimit(RLIMIT_AS, &limit);
#else
    (void)MEMORY_LIMIT;
#endif
}

int main(int count, char **arguments)
{
    int fed = 0;
    limit_memory();
    report_finds();
    for (int i = 1; i < count; i++) {
        bool random = strcmp(arguments[i], "--random") == 0 && i + 1 < count;
        fed += random ? feed_random(strtoull(arguments[i + 1], NULL, 10)) : feed_path(arguments[i]);
        i += random;
    }
    printf("%d inputs, no find\n", fed);
    return fed == 0; /* nothing tested is no success */
}
