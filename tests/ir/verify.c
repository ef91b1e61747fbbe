/* Every rule of the verifier is broken, alone, and says so.
 *
 *     ir_verify FILE..     .c: sources of the verifier; .sir, .tir: IR that breaks one rule
 *
 * A file of IR begins with `// RULE OPERATION: TEXT`: what must be the only message. What the parser lets no text break
 * is broken below, in a function that is right before. For each place of the sources that fails with a text there must
 * be a case with that text.
 */
#include "ir/verify.h"

#include <stdio.h>
#include <string.h>

#include "ir/build.h"
#include "ir/text.h"
#include "ir/build.h"
#include "ir/text.h"
#include "tests/frontend/cases.h"

enum { MOST_BROKEN = 512 };

static PlaitArena *arena;
static const char *broken[MOST_BROKEN]; /* the texts that were seen */
static uint32_t broken_count;
static int failures;

static void fail(const char *where, const char *what, const char *text)
{
    fprintf(stderr, "%s: %s%s\n", where, what, text);
    failures++;
}

/* ---- one function and its messages ---- */

typedef struct Subject {
    PlaitSources sources;
    PlaitNames names;
    PlaitDiagnostics diagnostics;
    PlaitModule *module;
} Subject;

static Subject *parse(const char *name, const char *text)
{
    Subject *subject = PLAIT_NEW(arena, Subject);
    subject->sources.arena = subject->names.arena = subject->diagnostics.arena = arena;
    subject->diagnostics.sources = &subject->sources;
    uint32_t source = plait_sources_add(&subject->sources, name, text, (uint32_t)strlen(text));
    subject->module = plait_module_parse(arena, &subject->names, &subject->diagnostics, source);
    return subject;
}

/* The only message must be E0703 with `rule`, about `op` of the function f. */
static void expect(const Subject *subject, const char *where, const char *op, const char *rule)
{
    PlaitText text = plait_text(arena);
    plait_diagnostics_print(&subject->diagnostics, &text);
    const PlaitDiagnostic *message = subject->diagnostics.list.data;
    const char *found = plait_arena_printf(arena, "`%s` in `f`", op);
    if (subject->diagnostics.error_count != 1 || message->id != PLAIT_IR_INVALID ||
        strcmp(message->expected, rule) != 0 || strcmp(message->found, found) != 0)
        fail(where, plait_arena_printf(arena, "expected %s: %s, got:\n", op, rule), plait_text_string(&text));
    if (strncmp(plait_diagnostic_code(PLAIT_IR_INVALID), "E0703", 6) != 0) fail(where, "the code is not E0703", "");
    if (broken_count < MOST_BROKEN) broken[broken_count++] = rule;
}

static void check_file(const char *path)
{
    char *text = cases_read_file(arena, path), *colon = text ? strstr(text, ": ") : NULL;
    char *end = colon ? strchr(colon, '\n') : NULL;
    if (!end || strncmp(text, "// RULE ", 8) != 0) {
        fail(path, "does not begin with `// RULE OPERATION: TEXT`", "");
        return;
    }
    const char *op = plait_arena_strndup(arena, text + 8, (size_t)(colon - text - 8));
    const char *rule = plait_arena_strndup(arena, colon + 2, (size_t)(end - colon - 2));
    const Subject *subject = parse(path, text);
    if (subject->module && plait_module_verify(subject->module)) fail(path, "the verifier accepts it", "");
    expect(subject, path, op, rule);
}

/* ---- what no text breaks ---- */

static const char right[] = "operator @f {\n  axis t : time\n  axis d = 4\n"
                            "  %1 = param {name = \"x\", number = nan} : f32[t, d]\n"
                            "  %2 = const {number = 0} : f32\n"
                            "  %3 = scan %2 {axes = [t], ints = [1]} (%4 : f32[t, d]) {\n"
                            "    %5 = add %4, %1 : f32[t, d]\n    yield %5\n  }\n"
                            "  %6 = result %3 {ints = [0]} : f32[d]\n  output \"S\" : f32[d] = %6\n}\n";
enum { PARAM = 1, ZERO, SCAN, CARRY, NEXT, RESULT }; /* as the parser numbers them too */

static void type_of_13_axes(PlaitFunction *f) { plait_inst(f, PARAM)->type.rank = PLAIT_MAX_RANK + 1; }
static void type_of_no_scalar(PlaitFunction *f) { plait_inst(f, ZERO)->type.scalar = PLAIT_SCALAR_COUNT; }
static void type_of_no_space(PlaitFunction *f) { plait_inst(f, ZERO)->type.space = PLAIT_SPACE_COUNT; }
static void type_of_another_axis(PlaitFunction *f) { plait_inst(f, PARAM)->type.axes[1] = 2; }
static void type_of_an_axis_twice(PlaitFunction *f) { plait_inst(f, PARAM)->type.axes[1] = 0; }
static void attribute_of_another_axis(PlaitFunction *f) { plait_inst(f, SCAN)->axes[0] = 2; }
static void operation_of_tile_ir(PlaitFunction *f) { plait_inst(f, NEXT)->op = PLAIT_OP_DOT; }
static void operation_argument(PlaitFunction *f) { plait_inst(f, ZERO)->op = PLAIT_OP_ARGUMENT; }
static void operation_none(PlaitFunction *f) { plait_inst(f, ZERO)->op = PLAIT_OP_NONE; }
static void region_missing(PlaitFunction *f) { plait_inst(f, SCAN)->body = NULL; }
static void region_too_many(PlaitFunction *f) { plait_inst(f, ZERO)->body = plait_region_create(f, f->body); }
static void operand_0(PlaitFunction *f) { plait_inst(f, NEXT)->operands[0] = 0; }
static void operand_beyond(PlaitFunction *f) { plait_inst(f, NEXT)->operands[0] = f->insts.count; }
static void operand_later(PlaitFunction *f) { plait_inst(f, NEXT)->operands[0] = RESULT; }
static void parameter_no_argument(PlaitFunction *f) { plait_inst(f, SCAN)->body->params.data[0] = ZERO; }
static void instruction_twice(PlaitFunction *f) { plait_push(f->module->arena, &f->body->body, ZERO); }
static void instruction_elsewhere(PlaitFunction *f) { plait_inst(f, ZERO)->region = plait_inst(f, SCAN)->body; }
static void size_negative(PlaitFunction *f) { f->axes.data[1].size = PLAIT_RUNTIME_SIZE - 1; }
static void size_too_large(PlaitFunction *f) { f->axes.data[1].size = (int64_t)INT32_MAX + 1; }
static void same_as_itself(PlaitFunction *f) { f->axes.data[0].same_as = 0; }
static void grid_block_0(PlaitFunction *f) { plait_push(f->module->arena, &f->grid, (PlaitGridAxis){0, 0, false}); }
static void grid_other_axis(PlaitFunction *f) { plait_push(f->module->arena, &f->grid, (PlaitGridAxis){2, 1, false}); }
static void body_yields(PlaitFunction *f) { plait_yield(f, f->body, PARAM); }

static void layout_other_axis(PlaitFunction *f)
{
    plait_push(f->module->arena, &f->layouts, (PlaitLayout){.axes = {{.axis = 2}}, .count = 1});
}

static void body_has_parameters(PlaitFunction *f)
{
    plait_build_argument(f, f->body, plait_type(PLAIT_F32), (PlaitSpan){0});
}

static void axes_251(PlaitFunction *f)
{
    PlaitAxisInfo axis = f->axes.data[0];
    while (f->axes.count <= PLAIT_MAX_FUNCTION_AXES) plait_axis_add(f, axis);
}

static void regions_65_deep(PlaitFunction *f)
{
    PlaitRegion *regions[70] = {f->body};
    for (uint32_t i = 1; i < 70; i++) regions[i] = plait_region_create(f, regions[i - 1]);
    for (uint32_t i = 1; i < 70; i++) {
        PlaitBuilder builder = {.function = f, .region = regions[i - 1]};
        PlaitValue fold = plait_build_owner(&builder, PLAIT_OP_FOLD, NULL, 0, regions[i]);
        plait_set_axes(f, fold, (PlaitAxis[]){0}, 1);
    }
}

/* The rule of an operation that a walk never reaches: arguments stand in the heads of regions. */
static void rule_of_arguments(PlaitFunction *f)
{
    PlaitVerifier verifier = {.function = f, .good = true};
    plait_verify_ARGUMENT(&verifier, CARRY, plait_inst(f, CARRY));
}

static const struct {
    const char *op, *rule;
    void (*apply)(PlaitFunction *f);
} unparsable[] = {
    {"param", "a type of at most 12 axes", type_of_13_axes},
    {"const", "a type of at most 12 axes", type_of_no_scalar},
    {"const", "a type of at most 12 axes", type_of_no_space},
    {"param", "axes of the function", type_of_another_axis},
    {"param", "each axis once in a type", type_of_an_axis_twice},
    {"scan", "axes of the function", attribute_of_another_axis},
    {"dot", "an operation of this level", operation_of_tile_ir},
    {"argument", "an operation of this level", operation_argument},
    {"none", "an operation of this level", operation_none},
    {"scan", "a region exactly where the operation owns one", region_missing},
    {"const", "a region exactly where the operation owns one", region_too_many},
    {"add", "operands defined earlier and in sight", operand_0},
    {"add", "operands defined earlier and in sight", operand_beyond},
    {"add", "operands defined earlier and in sight", operand_later},
    {"const", "parameters that are arguments", parameter_no_argument},
    {"const", "each instruction once, in the region that it names", instruction_twice},
    {"const", "each instruction once, in the region that it names", instruction_elsewhere},
    {"the function", "sizes of axes from 1 to below 2^31", size_negative},
    {"the function", "sizes of axes from 1 to below 2^31", size_too_large},
    {"the function", "`same` names an earlier axis of the same size", same_as_itself},
    {"the function", "grid axes with a block from 1 to 1048576", grid_block_0},
    {"the function", "grid axes with a block from 1 to 1048576", grid_other_axis},
    {"the function", "layouts over the kernel's thread bits", layout_other_axis},
    {"the function", "no yields of the function's body", body_yields},
    {"the function", "no parameters of the function's body", body_has_parameters},
    {"the function", "at most 250 axes", axes_251},
    {"fold", "regions nested less deep", regions_65_deep},
    {"argument", "arguments only as parameters of a region", rule_of_arguments},
};

static void check_unparsable(void)
{
    for (size_t i = 0; i < sizeof unparsable / sizeof *unparsable; i++) {
        const Subject *subject = parse("right.sir", right);
        const char *where = plait_arena_printf(arena, "case %zu in C", i);
        if (!subject->module || !plait_module_verify(subject->module)) fail(where, "the function is not right", "");
        unparsable[i].apply(subject->module->functions.data[0]);
        plait_module_verify(subject->module);
        expect(subject, where, unparsable[i].op, unparsable[i].rule);
    }
}

/* ---- every rule ---- */

/* Whether `text` is what the format gives, with anything for its %u, %s and %d. */
static bool matches(const char *format, size_t length, const char *text)
{
    if (length == 0) return *text == '\0';
    if (*format != '%') return *format == *text && matches(format + 1, length - 1, text + 1);
    for (;; text++) {
        if (matches(format + 2, length - 2, text)) return true;
        if (!*text) return false;
    }
}

/* Of the places in the source that fail with a text, and the cases of that text, there are as many or more cases. */
static void check_rules(const char **formats, const size_t *lengths, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t places = 0, cases = 0;
        for (uint32_t k = 0; k < count; k++)
            places += lengths[i] == lengths[k] && strncmp(formats[i], formats[k], lengths[i]) == 0;
        for (uint32_t k = 0; k < broken_count; k++) cases += matches(formats[i], lengths[i], broken[k]);
        if (cases < places)
            fail("a rule that no case breaks", ": ", plait_arena_strndup(arena, formats[i], lengths[i]));
    }
}

static uint32_t find_rules(const char *path, const char **formats, size_t *lengths, uint32_t count)
{
    static const char call[] = "plait_verify_fail(";
    const char *text = cases_read_file(arena, path);
    for (const char *at = text; (at = strstr(at, call)); at++) {
        if (at >= text + 5 && strncmp(at - 5, "bool ", 5) == 0) continue; /* its definition */
        const char *begin = strchr(at, '"') + 1;
        if (count == MOST_BROKEN) break;
        formats[count] = begin;
        lengths[count++] = (size_t)(strchr(begin, '"') - begin);
    }
    return count;
}

static int run(int count, char **arguments)
{
    const char *formats[MOST_BROKEN];
    size_t lengths[MOST_BROKEN];
    uint32_t rules = 0;
    for (int i = 1; i < count; i++) {
        size_t length = strlen(arguments[i]);
        if (strcmp(arguments[i] + length - 2, ".c") == 0) rules = find_rules(arguments[i], formats, lengths, rules);
        else check_file(arguments[i]);
    }
    check_unparsable();
    check_rules(formats, lengths, rules);
    printf("%u places of rules, %u cases, %d failures\n", rules, broken_count, failures);
    return failures != 0 || rules < 80;
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 2;
    int status = run(count, arguments);
    plait_arena_destroy(arena);
    return status;
}
