/* What `explain` and `opt --classify` say about a scan. */
#include "passes/stage/classify.h"

#include "ir/text.h"

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
        !plait_scan_is_maximum(carry->id) && carry->id != PLAIT_SCAN_NONLINEAR && carry->id != PLAIT_SCAN_OVERWRITTEN;
    if (affine) print_input(carry, text);
    for (uint32_t i = 0; i < scan->count; i++)
        if (carry->feeds >> i & 1) plait_text_printf(text, "; fed by carry %u", i + 1);
    print_reads(carry, text);
    plait_text_printf(text, ". Allows: %s.\n", plait_scan_class_allows(carry->id));
}

void plait_scan_class_print(const PlaitFunction *function, PlaitValue scan, const char *indent, PlaitText *text)
{
    const PlaitInst *inst = plait_inst(function, scan);
    PlaitScanClass class = plait_classify_scan(function, scan);
    for (uint32_t i = 0; i < class.count; i++) {
        plait_text_add(text, indent);
        print_carry(function, &class, i,
                    plait_type_without(plait_type_of(function, inst->body->params.data[i]), inst->axes[0]), text);
    }
    plait_text_printf(text, "%sOn the CPU it runs token after token, its carries in registers or the nearest cache.\n",
                      indent);
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
}

void plait_classify_print(const PlaitFunction *function, PlaitText *text)
{
    Printer printer = {function, text, 0};
    plait_region_walk(function, function->body, print_scan, &printer);
}
