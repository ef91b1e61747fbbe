/* Writes every pointwise operation and every cast as a PTX kernel of its own: LLVM ends the process when it cannot
 * select one. The test then gives the file to ptxas, where there is one. codegen_math_ptx TARGET FILE.ptx */
#include <stdio.h>
#include <string.h>

#include "kernels.h"

static bool write_file(const char *path, const PlaitText *text)
{
    FILE *file = fopen(path, "wb");
    if (!file) return false;
    bool written = fwrite(text->data, 1, text->length, file) == text->length;
    return fclose(file) == 0 && written;
}

int main(int count, char **arguments)
{
    static Case cases[MOST_CASES];
    const PlaitTarget *target = count == 3 ? plait_target_by_name(arguments[1]) : NULL;
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!target || !arena || !PLAIT_TRY(&failure)) return 1;
    uint32_t number = case_list(cases);
    PlaitText text = plait_text(arena);
    if (!write_ptx(arena, target, cases, number, &text) || strstr(plait_text_string(&text), "call")) return 1;
    bool written = write_file(arguments[2], &text);
    plait_arena_destroy(arena);
    return !written;
}
