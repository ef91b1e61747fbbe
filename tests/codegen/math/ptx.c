/* Writes every pointwise operation and every cast as a PTX kernel of its own: LLVM ends the process when it cannot select
 * one. The test then gives the file to ptxas, where there is one.
 *     codegen_math_ptx TARGET FILE.ptx */
#include <stdio.h>
#include <string.h>

#include "kernels.h"

static uint32_t list_cases(Case *cases)
{
    uint32_t count = 0;
    for (PlaitOp op = (PlaitOp)1; op < PLAIT_OP_COUNT; op++)
        for (PlaitScalar scalar = PLAIT_BOOL; scalar < PLAIT_SCALAR_COUNT; scalar++)
            if (plait_op_is_scalar(op) && case_of(op, scalar, &cases[count])) count++;
    for (PlaitScalar from = PLAIT_BOOL; from < PLAIT_SCALAR_COUNT; from++)
        for (PlaitScalar to = PLAIT_BOOL; to < PLAIT_SCALAR_COUNT; to++)
            if (from != to) cases[count++] = (Case){PLAIT_OP_CAST, from, to};
    return count;
}

static bool write_file(const char *path, const PlaitText *text)
{
    FILE *file = fopen(path, "wb");
    if (!file) return false;
    bool written = fwrite(text->data, 1, text->length, file) == text->length;
    return fclose(file) == 0 && written;
}

int main(int count, char **arguments)
{
    static Case cases[PLAIT_OP_COUNT * PLAIT_SCALAR_COUNT];
    const PlaitTarget *target = count == 3 ? plait_target_by_name(arguments[1]) : NULL;
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!target || !arena || !PLAIT_TRY(&failure)) return 1;
    uint32_t number = list_cases(cases);
    PlaitText text = plait_text(arena);
    if (!write_ptx(arena, target, cases, number, &text) || strstr(plait_text_string(&text), "call")) return 1;
    bool written = write_file(arguments[2], &text);
    for (uint32_t i = 0; i < number; i++)
        printf("case_%u %s %s -> %s\n", i, plait_op_info(cases[i].op)->text, plait_scalar_text(cases[i].from), plait_scalar_text(cases[i].to));
    plait_arena_destroy(arena);
    return !written;
}
