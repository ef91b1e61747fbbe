/* The class of every scan of a program, as `plait explain` says it, without what else that says and measures.
 *
 *     passes_classify classify -        the program comes from standard input, as text_test.sh gives it
 */
#include <stdio.h>

#include "passes/stage/classify.h"
#include "tests/frontend/cases.h"

typedef struct Printer {
    const PlaitFunction *function;
    PlaitText text;
} Printer;

static void print_scan(void *context, PlaitValue value)
{
    Printer *printer = context;
    if (plait_op_of(printer->function, value) != PLAIT_OP_SCAN) return;
    plait_scan_class_print(printer->function, value, "", &printer->text);
    plait_scan_place_print(printer->function, value, NULL, "", &printer->text);
}

static int run(PlaitArena *arena)
{
    const Compiled *compiled = cases_compile(arena, cases_read_file(arena, "/dev/stdin"), "");
    if (!compiled->module) fputs(cases_text(arena, compiled), stderr);
    for (uint32_t i = 0; compiled->module && i < compiled->module->functions.count; i++) {
        Printer printer = {compiled->module->functions.data[i], plait_text(arena)};
        plait_region_walk(printer.function, printer.function->body, print_scan, &printer);
        fputs(plait_text_string(&printer.text), stdout);
    }
    return !compiled->module;
}

int main(void)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 2;
    int status = run(arena);
    plait_arena_destroy(arena);
    return status;
}
