/* The pointwise operations and casts, compiled for every level of x86-64 that this processor has, against libm.
 *     codegen_math [ELEMENTS]     elements of each sweep, 2^16 unless given */
#include <stdlib.h>

#include "kernels.h"

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 1;
    Machine machine = {.compile = compile_for_cpu, .release = release_for_cpu, .arena = arena};
    int status = test_all(&machine, count > 1 ? atol(arguments[1]) : 1 << 16);
    plait_arena_destroy(arena);
    return status;
}
