/* Prints the random kernel of a seed, for ptx-simulate: ptx-draw SEED. The drawing is that of the CPU generator's
 * tests. */
#include <stdio.h>
#include <stdlib.h>

#include "ir/text.h"
#include "tests/codegen/cpu/random_kernel.h"

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (count != 2 || !arena || !PLAIT_TRY(&failure)) return 2;
    PlaitNames names = {.arena = arena};
    PlaitSources sources = {.arena = arena};
    PlaitDiagnostics diagnostics = {.arena = arena, .sources = &sources};
    TestRandom random = {strtoull(arguments[1], NULL, 10)};
    PlaitModule *module = random_kernel(arena, &names, &diagnostics, &random);
    PlaitText text = plait_text(arena);
    plait_module_print(module, &text);
    fputs(plait_text_string(&text), stdout);
    plait_arena_destroy(arena);
    return 0;
}
