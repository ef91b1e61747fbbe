/* The smallest harness for unit tests in C: CHECK reports and counts, check_report() ends main. */
#ifndef PLAIT_TESTS_CHECK_H
#define PLAIT_TESTS_CHECK_H

#include <stdio.h>
#include <string.h>

static int check_failures, check_count;

#define CHECK(condition)                                                                                               \
    (check_count++,                                                                                                    \
     (condition) ? (void)0                                                                                             \
                 : (void)(check_failures++, fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition)))
#define CHECK_TEXT(actual, expected)                                                                                   \
    (check_count++, strcmp((actual), (expected)) == 0                                                                  \
                        ? (void)0                                                                                      \
                        : (void)(check_failures++, fprintf(stderr, "%s:%d: got:\n%s\nexpected:\n%s\n", __FILE__,       \
                                                           __LINE__, (actual), (expected))))

static inline int check_report(void)
{
    printf("%d checks, %d failed\n", check_count, check_failures);
    return check_failures != 0 || check_count == 0;
}

#endif
