/* The pointwise operations and casts, compiled for every level of x86-64 that this processor has, against libm.
 *     codegen_math [ELEMENTS]     elements of each sweep, 2^17 unless given */
#include <stdio.h>
#include <stdlib.h>

#include "tests.h"

static int failures, checks;

void check(bool condition, const char *file, int line, const char *text)
{
    checks++;
    if (condition) return;
    failures++;
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, text);
}

int main(int count, char **arguments)
{
    long elements = count > 1 ? atol(arguments[1]) : 1 << 17;
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    Arrays arrays = {.count = (elements + 63) / 64 * 64};
    arrays.x = calloc((size_t)arrays.count, 8);
    arrays.y = calloc((size_t)arrays.count, 8);
    arrays.out = calloc((size_t)arrays.count, 8);
    arrays.expected = calloc((size_t)arrays.count, sizeof *arrays.expected);
    if (!arena || !arrays.x || !arrays.y || !arrays.out || !arrays.expected || !PLAIT_TRY(&failure)) return 1;
    test_exact(arena, &arrays);
    test_casts(arena, &arrays);
    test_floats(arena, &arrays);
    free(arrays.x);
    free(arrays.y);
    free(arrays.out);
    free(arrays.expected);
    plait_arena_destroy(arena);
    printf("%d checks, %d failed\n", checks, failures);
    return failures != 0 || checks == 0;
}
