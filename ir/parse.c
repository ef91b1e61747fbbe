/* Reading the text of a module: recursive descent over characters, one function a construct.
 * The first mistake is reported and ends the reading: IR text is written by printers, seldom by people. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/build.h"
#include "ir/text.h"

enum { MAX_NESTING = 32 };

typedef struct Reader {
    PlaitModule *module;
    const PlaitSource *source;
    uint32_t id; /* of the source */
    uint32_t at;
    bool failed;
    PlaitFunction *function;          /* being read */
    PLAIT_VECTOR(PlaitValue) values;  /* of the function being read: by number in the text; 0: not defined */
    PLAIT_VECTOR(PlaitAxisInfo) axes; /* of the function or signature being read */
} Reader;

static const char usual_help[] = "docs/ir.md describes the text; `plait emit` and `plait opt` write it";

static bool fail_with(Reader *reader, PlaitDiagnosticId id, uint32_t begin, const char *found, const char *expected,
                      const char *help)
{
    if (!reader->failed)
        plait_report(
            reader->module->diagnostics,
            (PlaitDiagnostic){
                .id = id, .span = {reader->id, begin, begin + 1}, .found = found, .expected = expected, .help = help});
    reader->failed = true;
    return false;
}

static bool fail_as(Reader *reader, PlaitDiagnosticId id, uint32_t begin, const char *found, const char *expected)
{
    return fail_with(reader, id, begin, found, expected, usual_help);
}

static void skip_space(Reader *reader)
{
    for (;; reader->at++) {
        char c = reader->source->text[reader->at];
        if (c == '/' && reader->source->text[reader->at + 1] == '/') {
            while (reader->source->text[reader->at] != '\n' && reader->at < reader->source->length) reader->at++;
            c = reader->source->text[reader->at];
        }
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') return;
    }
}

static const char *here(Reader *reader)
{
    skip_space(reader);
    return reader->source->text + reader->at;
}

static bool fail_here(Reader *reader, const char *expected, const char *help)
{
    const char *rest = here(reader);
    size_t length = strcspn(rest, " \n\t\r");
    if (length > 40) length = 40;
    const char *found =
        *rest ? plait_arena_printf(reader->module->arena, "`%.*s`", (int)length, rest) : "the end of the text";
    return fail_with(reader, PLAIT_IR_SYNTAX, reader->at, found, expected, help);
}

static bool fail(Reader *reader, const char *expected) { return fail_here(reader, expected, usual_help); }

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* Takes `token` when it is next (whole words only). */
static bool take(Reader *reader, const char *token)
{
    const char *rest = here(reader);
    size_t length = strlen(token);
    if (reader->failed || strncmp(rest, token, length) != 0) return false;
    if (is_word(token[length - 1]) && is_word(rest[length])) return false;
    reader->at += (uint32_t)length;
    return true;
}

static bool expect(Reader *reader, const char *token)
{
    return take(reader, token) || fail(reader, plait_arena_printf(reader->module->arena, "`%s`", token));
}

/* A word (letters, digits, `_`, `.`), or NULL after reporting. */
static const char *read_word(Reader *reader, const char *expected)
{
    const char *rest = here(reader);
    size_t length = 0;
    while (is_word(rest[length])) length++;
    if (reader->failed || length == 0 || length > 255) return fail(reader, expected), NULL;
    reader->at += (uint32_t)length;
    return plait_arena_strndup(reader->module->arena, rest, length);
}

static PlaitName read_name(Reader *reader, const char *expected)
{
    const char *word = read_word(reader, expected);
    return word ? plait_names_add(reader->module->names, word) : 0;
}

static PlaitName read_quoted(Reader *reader)
{
    if (!expect(reader, "\"")) return 0;
    const char *rest = reader->source->text + reader->at;
    size_t length = strcspn(rest, "\"\n");
    if (rest[length] != '"' || length > 255) return fail(reader, "a name in quotes"), 0;
    reader->at += (uint32_t)length + 1;
    return plait_names_add_bytes(reader->module->names, rest, length);
}

static bool read_integer(Reader *reader, int64_t least, int64_t most, int64_t *number)
{
    const char *rest = here(reader);
    char *end;
    long long value = strtoll(rest, &end, 10);
    if (reader->failed || end == rest || value < least || value > most)
        return fail(reader, plait_arena_printf(reader->module->arena, "a whole number from %lld to %lld",
                                               (long long)least, (long long)most));
    *number = value;
    reader->at += (uint32_t)(end - rest);
    return true;
}

static bool read_number(Reader *reader, double *number)
{
    const char *rest = here(reader);
    char *end;
    *number = strtod(rest, &end);
    if (reader->failed || end == rest) return fail(reader, "a number");
    reader->at += (uint32_t)(end - rest);
    return true;
}

static PlaitAxis find_axis(const Reader *reader, PlaitName name)
{
    return plait_axis_find_in(reader->axes.data, reader->axes.count, name);
}

static bool read_axis(Reader *reader, PlaitAxis *axis)
{
    skip_space(reader);
    uint32_t begin = reader->at;
    PlaitName name = read_name(reader, "the name of an axis");
    if (!name) return false;
    *axis = find_axis(reader, name);
    if (*axis != PLAIT_NO_AXIS) return true;
    return fail_as(reader, PLAIT_IR_UNKNOWN, begin, plait_names_text(reader->module->names, name),
                   "an axis of this function");
}

static bool read_type_axes(Reader *reader, PlaitType *type)
{
    do {
        PlaitAxis axis;
        if (!read_axis(reader, &axis)) return false;
        if (plait_type_has(*type, axis) || type->rank == PLAIT_MAX_RANK)
            return fail(reader, "each axis once, 12 axes at most");
        *type = plait_type_with(*type, axis);
    } while (take(reader, ","));
    return expect(reader, "]");
}

static bool read_type(Reader *reader, PlaitType *type)
{
    PlaitScalar scalar;
    skip_space(reader);
    uint32_t begin = reader->at;
    const char *word = read_word(reader, "a scalar type");
    if (!word) return false;
    if (!plait_scalar_by_text(word, &scalar))
        return fail_as(reader, PLAIT_IR_UNKNOWN, begin, word, "a scalar type such as f32");
    *type = plait_type(scalar);
    if (take(reader, "[") && !read_type_axes(reader, type)) return false;
    if (take(reader, "shared")) type->space = PLAIT_SPACE_SHARED;
    else if (take(reader, "global")) type->space = PLAIT_SPACE_GLOBAL;
    int64_t layout = 0;
    if (take(reader, "@") && !read_integer(reader, 1, 255, &layout)) return false;
    type->layout = (uint8_t)layout;
    return true;
}

static bool read_axis_line(Reader *reader)
{
    static const char *const roles[PLAIT_ROLE_COUNT] = {"feature", "batch", "head", "time"};
    PlaitAxisInfo axis = {.size = PLAIT_RUNTIME_SIZE, .same_as = PLAIT_NO_AXIS};
    axis.name = read_name(reader, "the name of an axis");
    if (!axis.name) return false;
    if (find_axis(reader, axis.name) != PLAIT_NO_AXIS || reader->axes.count == PLAIT_MAX_FUNCTION_AXES)
        return fail(reader, "an axis of a new name, 250 at most");
    if (take(reader, ":")) {
        uint32_t role = 0;
        while (role < PLAIT_ROLE_COUNT && !take(reader, roles[role])) role++;
        if (role == PLAIT_ROLE_COUNT) return fail(reader, "`feature`, `batch`, `head` or `time`");
        axis.role = (PlaitAxisRole)role;
    }
    if (take(reader, "=") && !read_integer(reader, 0, INT32_MAX, &axis.size)) return false;
    if (take(reader, "same") && !read_axis(reader, &axis.same_as)) return false;
    int64_t tile = 0, block = 0, multiple = 0;
    if (axis.same_as != PLAIT_NO_AXIS && take(reader, "by") && !read_integer(reader, 1, INT32_MAX, &block))
        return false;
    axis.block = (uint32_t)block;
    if (take(reader, "multiple") && !read_integer(reader, 1, INT32_MAX, &multiple)) return false;
    axis.multiple = (uint32_t)multiple;
    axis.place = take(reader, "place");
    if (take(reader, "tile") && !read_integer(reader, 1, INT32_MAX, &tile)) return false;
    axis.tile = (uint32_t)tile;
    plait_push(reader->module->arena, &reader->axes, axis);
    return true;
}

static bool read_value(Reader *reader, PlaitValue *value)
{
    int64_t number;
    if (!expect(reader, "%")) return false;
    uint32_t begin = reader->at - 1;
    if (!read_integer(reader, 1, INT32_MAX, &number)) return false;
    *value = number < reader->values.count ? reader->values.data[number] : 0;
    if (*value) return true;
    return fail_as(reader, PLAIT_IR_UNKNOWN, begin,
                   plait_arena_printf(reader->module->arena, "%%%lld", (long long)number),
                   "a value defined earlier in the text");
}

static bool read_values(Reader *reader, PlaitValues *values)
{
    if (*here(reader) != '%') return true;
    do {
        PlaitValue value;
        if (!read_value(reader, &value)) return false;
        plait_push(reader->module->arena, values, value);
    } while (take(reader, ","));
    return true;
}

/* `%N`: a new number; the value is bound to it later. */
static bool read_definition(Reader *reader, uint32_t *number)
{
    int64_t given;
    if (!expect(reader, "%") || !read_integer(reader, 1, INT32_MAX, &given)) return false;
    if (given != (reader->values.count ? reader->values.count : 1))
        return fail(reader, "values numbered 1, 2, ... in the order of the text");
    if (!reader->values.count) plait_push(reader->module->arena, &reader->values, 0);
    plait_push(reader->module->arena, &reader->values, 0);
    *number = (uint32_t)given;
    return true;
}

static bool read_int_list(Reader *reader, PlaitInst *inst)
{
    int64_t ints[64];
    if (!expect(reader, "[")) return false;
    if (take(reader, "]")) return true;
    do {
        if (inst->int_count == 64) return fail(reader, "at most 64 numbers");
        if (!read_integer(reader, INT64_MIN, INT64_MAX, &ints[inst->int_count])) return false;
        inst->int_count++;
    } while (take(reader, ","));
    inst->ints = plait_arena_copy(reader->module->arena, ints, inst->int_count * sizeof *ints);
    return expect(reader, "]");
}

static bool read_axis_list(Reader *reader, PlaitInst *inst)
{
    PlaitAxis axes[PLAIT_MAX_RANK];
    if (!expect(reader, "[")) return false;
    if (take(reader, "]")) return true;
    do {
        if (inst->axis_count == PLAIT_MAX_RANK) return fail(reader, "at most 12 axes");
        if (!read_axis(reader, &axes[inst->axis_count])) return false;
        inst->axis_count++;
    } while (take(reader, ","));
    inst->axes = plait_arena_copy(reader->module->arena, axes, inst->axis_count * sizeof *axes);
    return expect(reader, "]");
}

static bool read_attributes(Reader *reader, PlaitInst *inst)
{
    uint8_t attributes = plait_op_info((PlaitOp)inst->op)->attributes;
    if (!attributes) return true;
    bool good = expect(reader, "{");
    if (good && (attributes & A_NAME)) {
        good = expect(reader, "name") && expect(reader, "=") && (inst->name = read_quoted(reader), !reader->failed);
        if (attributes & (A_AXES | A_INTS | A_NUMBER)) good = good && expect(reader, ",");
    }
    if (good && (attributes & A_AXES)) {
        good = expect(reader, "axes") && expect(reader, "=") && read_axis_list(reader, inst);
        if (attributes & (A_INTS | A_NUMBER)) good = good && expect(reader, ",");
    }
    if (good && (attributes & A_INTS)) {
        good = expect(reader, "ints") && expect(reader, "=") && read_int_list(reader, inst);
        if (attributes & A_NUMBER) good = good && expect(reader, ",");
    }
    if (good && (attributes & A_NUMBER))
        good = expect(reader, "number") && expect(reader, "=") && read_number(reader, &inst->number);
    return good && expect(reader, "}");
}

static bool read_region(Reader *reader, PlaitRegion *region, uint32_t depth);

static bool read_body(Reader *reader, PlaitRegion *body, uint32_t depth)
{
    if (depth > MAX_NESTING) return fail(reader, "regions nested at most 32 deep");
    if (!expect(reader, "(")) return false;
    while (*here(reader) == '%') {
        uint32_t number;
        PlaitType type;
        if (!read_definition(reader, &number) || !expect(reader, ":") || !read_type(reader, &type)) return false;
        reader->values.data[number] = plait_build_argument(reader->function, body, type, (PlaitSpan){0});
        if (!take(reader, ",")) break;
    }
    if (!expect(reader, ")") || !expect(reader, "{") || !read_region(reader, body, depth)) return false;
    return expect(reader, "yield") && read_values(reader, &body->yields) && expect(reader, "}");
}

static bool read_inst(Reader *reader, PlaitRegion *region, uint32_t depth)
{
    uint32_t number = 0;
    bool defines = *here(reader) == '%';
    if (defines && (!read_definition(reader, &number) || !expect(reader, "="))) return false;
    skip_space(reader);
    uint32_t begin = reader->at;
    const char *word = read_word(reader, "an operation");
    if (!word) return false;
    PlaitOp op = plait_op_by_text(word);
    if (op == PLAIT_OP_NONE || op == PLAIT_OP_ARGUMENT || !(plait_op_info(op)->level & reader->function->level) ||
        defines == (op == PLAIT_OP_STORE))
        return fail_as(reader, PLAIT_IR_UNKNOWN, begin, word, "an operation of this level");
    PlaitValues operands = {0};
    PlaitInst attributes = {.op = (uint16_t)op};
    if (!read_values(reader, &operands) || !read_attributes(reader, &attributes)) return false;
    PlaitBuilder builder = {reader->function, region, {reader->id, begin, reader->at}};
    PlaitValue value = plait_build(&builder, op, plait_type(PLAIT_BOOL), operands.data, operands.count);
    PlaitInst *inst = plait_inst(reader->function, value);
    inst->axes = attributes.axes, inst->axis_count = attributes.axis_count;
    inst->ints = attributes.ints, inst->int_count = attributes.int_count;
    inst->name = attributes.name, inst->number = attributes.number;
    if (defines) reader->values.data[number] = value;
    if (op == PLAIT_OP_PARAM) plait_push(reader->module->arena, &reader->function->params, value);
    if (plait_op_info(op)->regions) {
        PlaitRegion *body = plait_region_create(reader->function, region);
        body->owner = value;
        inst->body = body;
        return read_body(reader, body, depth + 1);
    }
    PlaitType type = plait_type(PLAIT_BOOL);
    if (op != PLAIT_OP_STORE && (!expect(reader, ":") || !read_type(reader, &type))) return false;
    plait_inst(reader->function, value)->type = type;
    return true;
}

/* Whether the next word ends a region: `yield`, `output` or `}`. */
static bool at_region_end(Reader *reader)
{
    const char *rest = here(reader);
    return *rest == '}' || *rest == '\0' || (strncmp(rest, "yield", 5) == 0 && !is_word(rest[5])) ||
           (strncmp(rest, "output", 6) == 0 && !is_word(rest[6]));
}

static bool read_region(Reader *reader, PlaitRegion *region, uint32_t depth)
{
    while (!reader->failed && !at_region_end(reader))
        if (!read_inst(reader, region, depth)) return false;
    return !reader->failed;
}

/* `r2` or `t0:3`; sets `found` to false, and takes nothing, when there is neither. */
static bool read_layout_part(Reader *reader, PlaitLayoutAxis *entry, bool *found)
{
    const char *rest = here(reader);
    bool thread = *rest == 't';
    int64_t first, bits;
    *found = (thread || *rest == 'r') && rest[1] >= '0' && rest[1] <= '9';
    if (!*found) return true;
    if (entry->count == PLAIT_MAX_LAYOUT_PARTS) return fail(reader, "at most 6 parts of an axis");
    reader->at++;
    if (!read_integer(reader, 0, 15, &first)) return false;
    bits = first;
    if (thread && (!expect(reader, ":") || !read_integer(reader, 1, 10, &bits))) return false;
    entry->parts[entry->count++] = (PlaitLayoutPart){thread ? (uint8_t)first : (uint8_t)PLAIT_REGISTERS, (uint8_t)bits};
    return true;
}

static bool read_layout(Reader *reader)
{
    PlaitLayout layout = {0};
    int64_t number;
    if (!read_integer(reader, 1, 255, &number) || !expect(reader, "=")) return false;
    if (number != reader->function->layouts.count) return fail(reader, "layouts numbered 1, 2, ...");
    const char *rest = here(reader);
    while (is_word(*rest) && strncmp(rest, "layout", 6) != 0) {
        PlaitLayoutAxis *entry = &layout.axes[layout.count];
        if (layout.count == PLAIT_MAX_RANK) return fail(reader, "at most 12 axes");
        if (!read_axis(reader, &entry->axis)) return false;
        for (bool found = true; found;)
            if (!read_layout_part(reader, entry, &found)) return false;
        layout.count++;
        if (!take(reader, ",")) break;
        rest = here(reader);
    }
    plait_push(reader->module->arena, &reader->function->layouts, layout);
    return true;
}

static bool read_grid(Reader *reader)
{
    do {
        PlaitGridAxis entry;
        int64_t block;
        if (!read_axis(reader, &entry.axis) || !read_integer(reader, 1, INT32_MAX, &block)) return false;
        entry.block = (uint32_t)block;
        entry.down = take(reader, "down");
        plait_push(reader->module->arena, &reader->function->grid, entry);
    } while (take(reader, ","));
    return true;
}

static bool read_outputs(Reader *reader)
{
    while (take(reader, "output")) {
        PlaitOutput output = {0};
        output.name = read_quoted(reader);
        if (!expect(reader, ":") || !read_type(reader, &output.type) || !expect(reader, "=") ||
            !read_value(reader, &output.value))
            return false;
        plait_push(reader->module->arena, &reader->function->outputs, output);
    }
    return true;
}

/* After the name: everything of an operator or kernel up to its closing brace. */
static bool read_function_body(Reader *reader)
{
    PlaitFunction *function = reader->function;
    reader->axes.count = 0;
    reader->values.count = 0;
    if (!expect(reader, "{")) return false;
    while (take(reader, "axis"))
        if (!read_axis_line(reader)) return false;
    for (uint32_t i = 0; i < reader->axes.count; i++) plait_axis_add(function, reader->axes.data[i]);
    if (function->level == PLAIT_LEVEL_TILE) {
        if (take(reader, "grid") && !read_grid(reader)) return false;
        while (take(reader, "layout"))
            if (!read_layout(reader)) return false;
    }
    if (!read_region(reader, function->body, 0)) return false;
    if (function->level == PLAIT_LEVEL_STAGE && !read_outputs(reader)) return false;
    return expect(reader, "}");
}

static bool read_operator(Reader *reader)
{
    if (!expect(reader, "@")) return false;
    reader->function =
        plait_function_create(reader->module, PLAIT_LEVEL_STAGE, read_name(reader, "the name of the operator"));
    return !reader->failed && read_function_body(reader);
}

static bool read_kernel(Reader *reader)
{
    int64_t threads;
    if (!expect(reader, "@")) return false;
    PlaitFunction *function =
        plait_function_create(reader->module, PLAIT_LEVEL_TILE, read_name(reader, "the name of the kernel"));
    reader->function = function;
    if (!expect(reader, "of") || !expect(reader, "@")) return false;
    function->of = read_name(reader, "the name of the operator");
    if (!expect(reader, "target")) return false;
    function->target = read_quoted(reader);
    if (!expect(reader, "threads") || !read_integer(reader, 1, 1024, &threads)) return false;
    function->threads = (uint32_t)threads;
    return read_function_body(reader);
}

static bool read_tensors(Reader *reader, PlaitSignature *signature, const char *keyword, PlaitTensorKind kind)
{
    while (take(reader, keyword)) {
        PlaitTensorInfo tensor = {.kind = kind, .fallback = (double)NAN};
        tensor.name = read_quoted(reader);
        if (!expect(reader, ":") || !read_type(reader, &tensor.type)) return false;
        if (take(reader, "default") && !read_number(reader, &tensor.fallback)) return false;
        plait_push(reader->module->arena, &signature->tensors, tensor);
    }
    return !reader->failed;
}

static bool read_signature(Reader *reader)
{
    PlaitArena *arena = reader->module->arena;
    PlaitSignature *signature = PLAIT_NEW(arena, PlaitSignature);
    reader->axes.count = 0;
    if (!expect(reader, "@")) return false;
    signature->name = read_name(reader, "the name of the operator");
    if (!expect(reader, "{")) return false;
    while (take(reader, "axis"))
        if (!read_axis_line(reader)) return false;
    for (uint32_t i = 0; i < reader->axes.count; i++) plait_push(arena, &signature->axes, reader->axes.data[i]);
    plait_push(arena, &reader->module->signatures, signature);
    return read_tensors(reader, signature, "input", PLAIT_TENSOR_INPUT) &&
           read_tensors(reader, signature, "output", PLAIT_TENSOR_OUTPUT) &&
           read_tensors(reader, signature, "workspace", PLAIT_TENSOR_WORKSPACE) && expect(reader, "}");
}

PlaitModule *plait_module_parse(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics, uint32_t source)
{
    PlaitModule *module = plait_module_create(arena, names, diagnostics);
    Reader reader = {.module = module, .source = plait_sources_get(diagnostics->sources, source), .id = source};
    if (strlen(reader.source->text) != reader.source->length)
        return fail_as(&reader, PLAIT_IR_SYNTAX, 0, "a zero byte", "text"), NULL;
    while (!reader.failed && *here(&reader)) {
        if (take(&reader, "signature")) read_signature(&reader);
        else if (take(&reader, "operator")) read_operator(&reader);
        else if (take(&reader, "kernel")) read_kernel(&reader);
        else
            fail_here(&reader, "`operator`, `signature` or `kernel`",
                      "a program in the language is no IR text: `plait emit FILE --stage` makes that of it");
    }
    return reader.failed ? NULL : module;
}
