/* The text of a module. Values are numbered in the order of the text, so the same program gives the same bytes
 * whatever order it was built in. */
#include <math.h>

#include "ir/text.h"

typedef struct Printer {
    const PlaitFunction *function;
    PlaitText *text;
    uint32_t *numbers; /* by value */
    uint32_t next;
} Printer;

static const char *const role_texts[PLAIT_ROLE_COUNT] = {"feature", "batch", "head", "time"};
static const char *const space_texts[PLAIT_SPACE_COUNT] = {"", " shared", " global"};
static const char *const kind_texts[PLAIT_TENSOR_KIND_COUNT] = {"input", "output", "workspace"};

/* Axis names come from a function's or a signature's table. */
typedef struct AxisTable {
    const PlaitNames *names;
    const PlaitAxisInfo *axes;
} AxisTable;

static void print_type(AxisTable table, PlaitType type, PlaitText *text)
{
    plait_text_add(text, plait_scalar_text((PlaitScalar)type.scalar));
    for (uint32_t i = 0; i < type.rank; i++) {
        plait_text_add(text, i ? ", " : "[");
        plait_text_add(text, plait_names_text(table.names, table.axes[type.axes[i]].name));
    }
    if (type.rank) plait_text_add(text, "]");
    plait_text_add(text, space_texts[type.space]);
    if (type.layout) plait_text_printf(text, " @%u", type.layout);
}

static AxisTable table_of(const PlaitFunction *function)
{
    return (AxisTable){function->module->names, function->axes.data};
}

void plait_type_print(const PlaitFunction *function, PlaitType type, PlaitText *text)
{
    print_type(table_of(function), type, text);
}

static void print_axis(AxisTable table, const PlaitAxisInfo *axis, PlaitText *text)
{
    plait_text_printf(text, "  axis %s", plait_names_text(table.names, axis->name));
    if (axis->role != PLAIT_ROLE_FEATURE || axis->size == PLAIT_RUNTIME_SIZE)
        plait_text_printf(text, " : %s", role_texts[axis->role]);
    if (axis->size != PLAIT_RUNTIME_SIZE) plait_text_printf(text, " = %lld", (long long)axis->size);
    if (axis->same_as != PLAIT_NO_AXIS)
        plait_text_printf(text, " same %s", plait_names_text(table.names, table.axes[axis->same_as].name));
    if (axis->block) plait_text_printf(text, " by %u", axis->block);
    if (axis->multiple) plait_text_printf(text, " multiple %u", axis->multiple);
    if (axis->place) plait_text_add(text, " place");
    if (axis->tile) plait_text_printf(text, " tile %u", axis->tile);
    plait_text_add(text, "\n");
}

static const char *axis_text(const Printer *printer, PlaitAxis axis)
{
    return plait_axis_text(printer->function, axis);
}

static const char *name_text(const Printer *printer, PlaitName name)
{
    return plait_names_text(printer->function->module->names, name);
}

static void print_axis_list(const Printer *printer, const PlaitInst *inst)
{
    plait_text_add(printer->text, "axes = [");
    for (uint32_t i = 0; i < inst->axis_count; i++)
        plait_text_printf(printer->text, "%s%s", i ? ", " : "", axis_text(printer, inst->axes[i]));
    plait_text_add(printer->text, "]");
}

static void print_attributes(const Printer *printer, const PlaitInst *inst)
{
    uint8_t attributes = plait_op_info((PlaitOp)inst->op)->attributes;
    PlaitText *text = printer->text;
    const char *separator = " {";
    if (attributes & A_NAME) {
        plait_text_printf(text, "%sname = \"%s\"", separator, name_text(printer, inst->name));
        separator = ", ";
    }
    if (attributes & A_AXES) {
        plait_text_add(text, separator);
        print_axis_list(printer, inst);
        separator = ", ";
    }
    if (attributes & A_INTS) {
        plait_text_printf(text, "%sints = [", separator);
        for (uint32_t i = 0; i < inst->int_count; i++)
            plait_text_printf(text, "%s%lld", i ? ", " : "", (long long)inst->ints[i]);
        plait_text_add(text, "]");
        separator = ", ";
    }
    if (attributes & A_NUMBER) {
        plait_text_printf(text, "%snumber = ", separator);
        plait_text_number(text, inst->number);
    }
    if (attributes) plait_text_add(text, "}");
}

static void print_values(Printer *printer, const PlaitValue *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        plait_text_printf(printer->text, "%s%%%u", i ? ", " : " ", printer->numbers[values[i]]);
}

static void print_region(Printer *printer, const PlaitRegion *region, uint32_t depth);

static void print_body(Printer *printer, const PlaitRegion *body, uint32_t depth)
{
    plait_text_add(printer->text, " (");
    for (uint32_t i = 0; i < body->params.count; i++) {
        PlaitValue param = body->params.data[i];
        printer->numbers[param] = ++printer->next;
        plait_text_printf(printer->text, "%s%%%u : ", i ? ", " : "", printer->numbers[param]);
        plait_type_print(printer->function, plait_type_of(printer->function, param), printer->text);
    }
    plait_text_add(printer->text, ") {\n");
    print_region(printer, body, depth + 1);
    plait_text_repeat(printer->text, ' ', 2 * (depth + 1));
    plait_text_add(printer->text, "yield");
    print_values(printer, body->yields.data, body->yields.count);
    plait_text_add(printer->text, "\n");
    plait_text_repeat(printer->text, ' ', 2 * depth);
    plait_text_add(printer->text, "}");
}

static void print_inst(Printer *printer, PlaitValue value, uint32_t depth)
{
    const PlaitInst *inst = plait_inst(printer->function, value);
    plait_text_repeat(printer->text, ' ', 2 * depth);
    if (inst->op != PLAIT_OP_STORE) {
        printer->numbers[value] = ++printer->next;
        plait_text_printf(printer->text, "%%%u = ", printer->next);
    }
    plait_text_add(printer->text, plait_op_info((PlaitOp)inst->op)->text);
    print_values(printer, inst->operands, inst->operand_count);
    print_attributes(printer, inst);
    if (inst->body) {
        print_body(printer, inst->body, depth);
    } else if (inst->op != PLAIT_OP_STORE) {
        plait_text_add(printer->text, " : ");
        plait_type_print(printer->function, inst->type, printer->text);
    }
    plait_text_add(printer->text, "\n");
}

static void print_region(Printer *printer, const PlaitRegion *region, uint32_t depth)
{
    for (uint32_t i = 0; i < region->body.count; i++) print_inst(printer, region->body.data[i], depth);
}

static void print_layout_axis(const PlaitFunction *function, const PlaitLayoutAxis *entry, bool more, PlaitText *text)
{
    plait_text_printf(text, "%s %s", more ? "," : "", plait_axis_text(function, entry->axis));
    for (uint32_t i = 0; i < entry->count; i++) {
        PlaitLayoutPart part = entry->parts[i];
        if (part.thread == PLAIT_REGISTERS) plait_text_printf(text, " r%u", part.bits);
        else plait_text_printf(text, " t%u:%u", part.thread, part.bits);
    }
}

static void print_kernel_head(const PlaitFunction *function, PlaitText *text)
{
    if (function->grid.count) {
        for (uint32_t i = 0; i < function->grid.count; i++)
            plait_text_printf(text, "%s%s %u%s", i ? ", " : "  grid ",
                              plait_axis_text(function, function->grid.data[i].axis), function->grid.data[i].block,
                              function->grid.data[i].down ? " down" : "");
        plait_text_add(text, "\n");
    }
    for (uint32_t i = 1; i < function->layouts.count; i++) {
        const PlaitLayout *layout = &function->layouts.data[i];
        plait_text_printf(text, "  layout %u =", i);
        for (uint32_t k = 0; k < layout->count; k++) print_layout_axis(function, &layout->axes[k], k > 0, text);
        plait_text_add(text, "\n");
    }
}

void plait_function_print(const PlaitFunction *function, PlaitText *text)
{
    const PlaitNames *names = function->module->names;
    Printer printer = {function, text, PLAIT_NEW_ARRAY(text->arena, uint32_t, function->insts.count), 0};
    const char *name = plait_names_text(names, function->name);
    if (function->level == PLAIT_LEVEL_STAGE) plait_text_printf(text, "operator @%s {\n", name);
    else
        plait_text_printf(text, "kernel @%s of @%s target \"%s\" threads %u {\n", name,
                          plait_names_text(names, function->of), plait_names_text(names, function->target),
                          function->threads);
    for (uint32_t i = 0; i < function->axes.count; i++) print_axis(table_of(function), &function->axes.data[i], text);
    if (function->level == PLAIT_LEVEL_TILE) print_kernel_head(function, text);
    print_region(&printer, function->body, 1);
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        const PlaitOutput *output = &function->outputs.data[i];
        plait_text_printf(text, "  output \"%s\" : ", plait_names_text(names, output->name));
        plait_type_print(function, output->type, text);
        plait_text_printf(text, " = %%%u\n", printer.numbers[output->value]);
    }
    plait_text_add(text, "}\n");
}

static void print_signature(const PlaitModule *module, const PlaitSignature *signature, PlaitText *text)
{
    AxisTable table = {module->names, signature->axes.data};
    plait_text_printf(text, "signature @%s {\n", plait_names_text(module->names, signature->name));
    for (uint32_t i = 0; i < signature->axes.count; i++) print_axis(table, &signature->axes.data[i], text);
    for (uint32_t i = 0; i < signature->tensors.count; i++) {
        const PlaitTensorInfo *tensor = &signature->tensors.data[i];
        plait_text_printf(text, "  %s \"%s\" : ", kind_texts[tensor->kind],
                          plait_names_text(module->names, tensor->name));
        print_type(table, tensor->type, text);
        if (!isnan(tensor->fallback)) {
            plait_text_add(text, " default ");
            plait_text_number(text, tensor->fallback);
        }
        plait_text_add(text, "\n");
    }
    plait_text_add(text, "}\n");
}

void plait_module_print(const PlaitModule *module, PlaitText *text)
{
    for (uint32_t i = 0; i < module->signatures.count; i++) {
        if (i) plait_text_add(text, "\n");
        print_signature(module, module->signatures.data[i], text);
    }
    for (uint32_t i = 0; i < module->functions.count; i++) {
        if (i || module->signatures.count) plait_text_add(text, "\n");
        plait_function_print(module->functions.data[i], text);
    }
}
