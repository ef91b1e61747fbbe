/* What `explain` and `opt --classify` say about a scan. */
#include "passes/stage/classify.h"

#include "ir/text.h"
#include "passes/stage/walked.h"

static void print_factor(const PlaitFunction *function, const PlaitCarryClass *carry, PlaitText *text)
{
    for (uint32_t i = 0; i < carry->factor_axes.rank; i++)
        plait_text_printf(text, "%s%s", i ? ", " : "; the factor varies along ",
                          plait_axis_text(function, carry->factor_axes.axes[i]));
}

static void print_input(const PlaitCarryClass *carry, PlaitText *text)
{
    if (!carry->has_input) plait_text_add(text, "; no input");
    else if (carry->input_rank == 1) plait_text_add(text, "; the input is a product of separate axes");
    else if (carry->input_rank)
        plait_text_printf(text, "; the input is a sum of %u products of separate axes", carry->input_rank);
}

static void print_reads(const PlaitCarryClass *carry, PlaitText *text)
{
    if (!carry->read_before && !carry->read_after) return;
    const char *when = carry->read_before && carry->read_after ? "before and after the token"
                       : carry->read_after                     ? "after the token"
                                                               : "before the token";
    plait_text_printf(text, "; read %s", when);
}

static void print_carry(const PlaitFunction *function, const PlaitScanClass *scan, uint32_t index, PlaitType type,
                        PlaitText *text)
{
    const PlaitCarryClass *carry = &scan->carries[index];
    plait_text_printf(text, "carry %u ", index + 1);
    plait_type_print(function, type, text);
    plait_text_printf(text, ": %s", plait_scan_class_text(carry->id));
    if (*carry->reason) plait_text_printf(text, ": %s", carry->reason);
    print_factor(function, carry, text);
    bool affine =
        !plait_scan_is_extreme(carry->id) && carry->id != PLAIT_SCAN_NONLINEAR && carry->id != PLAIT_SCAN_OVERWRITTEN;
    if (affine) print_input(carry, text);
    for (uint32_t i = 0; i < scan->count; i++)
        if (carry->feeds >> i & 1) plait_text_printf(text, "; fed by carry %u", i + 1);
    print_reads(carry, text);
    plait_text_printf(text, ". Allows: %s.\n", plait_scan_class_allows(carry->id));
}

const char *plait_axes_text(const PlaitFunction *function, PlaitType axes)
{
    PlaitText text = plait_text(function->module->arena);
    for (uint32_t i = 0; i < axes.rank; i++)
        plait_text_printf(&text, "%s%s", i ? ", " : "", plait_axis_text(function, axes.axes[i]));
    return plait_text_string(&text);
}

/* What is kept in memory if the passes leave the scan as it is. */
static const char *const *find_kept(const PlaitFunction *function, PlaitValue scan)
{
    PlaitArena *arena = function->module->arena;
    const PlaitInst *inst = plait_inst(function, scan);
    PlaitValue outermost = plait_outermost_scan(function, inst->region);
    bool *walked = PLAIT_NEW_ARRAY(arena, bool, function->axes.count);
    const char **kept = PLAIT_NEW_ARRAY(arena, const char *, inst->body->params.count);
    plait_walked_axes(function, outermost ? outermost : scan, walked);
    for (uint32_t k = 0; k < inst->body->params.count; k++) {
        PlaitType type = plait_kept_type(function, scan, k), axes = plait_type(PLAIT_BOOL);
        for (uint32_t i = 0; i < type.rank; i++)
            if (walked[type.axes[i]]) axes = plait_type_with(axes, type.axes[i]);
        if (plait_yield_is_kept(function, scan, k, walked)) kept[k] = plait_axes_text(function, axes);
    }
    return kept;
}

void plait_scan_place_print(const PlaitFunction *function, PlaitValue scan, const char *const *kept, const char *indent,
                            PlaitText *text)
{
    uint32_t in_memory = 0, count = plait_inst(function, scan)->body->params.count;
    if (!kept) kept = find_kept(function, scan);
    plait_text_printf(text, "%sOn the CPU it runs token after token", indent);
    for (uint32_t i = 0; i < count; i++)
        if (kept[i])
            plait_text_printf(text, "%s carry %u is kept in memory, as what runs inside walks along %s",
                              in_memory++ ? "," : ";", i + 1, kept[i]);
    if (in_memory == 0 && count) plait_text_add(text, ", its carries in registers or the nearest cache");
    else if (in_memory < count) plait_text_add(text, "; the others are in registers or the nearest cache");
    plait_text_add(text, ".\n");
}

void plait_scan_class_print(const PlaitFunction *function, PlaitValue scan, const char *indent, PlaitText *text)
{
    PlaitScanClass class = plait_classify_scan(function, scan);
    for (uint32_t i = 0; i < class.count; i++) {
        plait_text_add(text, indent);
        print_carry(function, &class, i, plait_kept_type(function, scan, i), text);
    }
}

typedef struct Printer {
    const PlaitFunction *function;
    PlaitText *text;
    uint32_t scans;
} Printer;

static void print_scan(void *context, PlaitValue value)
{
    Printer *printer = context;
    const PlaitInst *inst = plait_inst(printer->function, value);
    if (inst->op != PLAIT_OP_SCAN) return;
    plait_text_printf(printer->text, "scan %u of @%s, along %s, %s\n", ++printer->scans,
                      plait_names_text(printer->function->module->names, printer->function->name),
                      plait_axis_text(printer->function, inst->axes[0]), inst->ints[0] > 0 ? "forward" : "backward");
    plait_scan_class_print(printer->function, value, "  ", printer->text);
    plait_scan_place_print(printer->function, value, NULL, "  ", printer->text);
}

void plait_classify_print(const PlaitFunction *function, PlaitText *text)
{
    Printer printer = {function, text, 0};
    plait_region_walk(function, function->body, print_scan, &printer);
}
