/* The frontend's entry: checks of the text, the two parses (standard library, file), declarations, operators. */
#include <string.h>

#include "frontend/builtin.h"
#include "frontend/parser.h"
#include "frontend/lower.h"
#include "ir/text.h"

extern const char plait_std_text[]; /* std.plait, zero-terminated; made by embed.cmake */

/* No source has this number; it is not 0, so that spans in the library's text can be joined. */
enum { STANDARD_SOURCE = INT32_MAX };

const char *plait_frontend_std_text(void) { return plait_std_text; }

/* ---- the text ---- */

static bool bad_text(PlaitDiagnostics *diagnostics, PlaitDiagnosticId id, PlaitSpan span, const char *found,
                     const char *expected, const char *help)
{
    plait_report(diagnostics,
                 (PlaitDiagnostic){.id = id, .span = span, .found = found, .expected = expected, .help = help});
    return false;
}

static bool check_text(PlaitArena *arena, PlaitDiagnostics *diagnostics, uint32_t source, const char *text,
                       uint32_t length)
{
    if (length > PLAIT_MAX_FILE_SIZE)
        return bad_text(diagnostics, PLAIT_FILE_SIZE, (PlaitSpan){source, 0, 0},
                        plait_arena_printf(arena, "%u bytes", length), "at most 1 MiB", "split the file");
    for (uint32_t i = 0, step; i < length; i += step) {
        const unsigned char *at = (const unsigned char *)text + i;
        step = plait_utf8_length(text + i, length - i);
        if (step == 0)
            return bad_text(diagnostics, PLAIT_ENCODING, (PlaitSpan){source, i, i + 1},
                            plait_arena_printf(arena, "the byte 0x%02X", *at), "UTF-8", "save the file as UTF-8");
        if (*at == 0)
            return bad_text(diagnostics, PLAIT_ZERO_BYTE, (PlaitSpan){source, i, i + 1}, "a zero byte", "a text file",
                            "is this a text file in UTF-8?");
    }
    return true;
}

/* ---- declarations ---- */

/* Functions are checked when they are called; what can be known without that is checked here, called or not. */
static void check_function(PlaitSema *sema, const PlaitAstFunction *function, uint32_t index)
{
    const char *name = plait_sema_text(sema, function->name.name);
    if (plait_builtin_is(name))
        plait_sema_report(sema, PLAIT_NAME_TAKEN, function->name.span,
                          plait_sema_format(sema, "`%s`, which is built in", name), "a name of its own",
                          "rename the function");
    for (uint32_t i = 0; i < index; i++) {
        const PlaitAstFunction *other = sema->file->functions.data[i];
        if (other->name.name != function->name.name) continue;
        plait_sema_report_related(sema,
                                  (PlaitDiagnostic){.id = PLAIT_NAME_TAKEN,
                                                    .span = function->name.span,
                                                    .found = plait_sema_format(sema, "a second function `%s`", name),
                                                    .expected = "each name once",
                                                    .help = "rename one of the two",
                                                    .related = other->name.span,
                                                    .related_note = "the first"});
        break;
    }
    const PlaitAstBlock *body = function->body;
    if ((body->count == 0 || body->data[body->count - 1]->kind != PLAIT_AST_VALUE) && !sema->broken)
        plait_sema_report(sema, PLAIT_FUNCTION_BODY, function->name.span,
                          plait_sema_format(sema, "`%s`, which does not end in an expression", name),
                          "a last statement that is the function's value",
                          "end the body with an expression, without a name before it");
    if (function->axes.count > PLAIT_MAX_RANK)
        plait_sema_report(sema, PLAIT_RANK, function->name.span,
                          plait_sema_format(sema, "%u axes", function->axes.count),
                          plait_sema_format(sema, "at most %d", PLAIT_MAX_RANK), "use fewer axes");
}

static void check_parameter_names(PlaitSema *sema, const PlaitAstNames *names, const PlaitAstNames *others)
{
    for (uint32_t i = 0; i < names->count; i++) {
        bool taken = false;
        for (uint32_t k = 0; k < i; k++) taken |= names->data[k].name == names->data[i].name;
        for (uint32_t k = 0; others && k < others->count; k++) taken |= others->data[k].name == names->data[i].name;
        if (!taken) continue;
        plait_sema_report(sema, PLAIT_NAME_TAKEN, names->data[i].span,
                          plait_sema_format(sema, "a second `%s`", plait_sema_text(sema, names->data[i].name)),
                          "each name once", "rename one of the two");
    }
}

static void check_operator(PlaitSema *sema, const PlaitAstOperator *declared, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        const PlaitAstOperator *other = sema->file->operators.data[i];
        if (other->name.name != declared->name.name) continue;
        plait_sema_report_related(
            sema, (PlaitDiagnostic){.id = PLAIT_NAME_TAKEN,
                                    .span = declared->name.span,
                                    .found = plait_sema_format(sema, "a second operator `%s`",
                                                               plait_sema_text(sema, declared->name.name)),
                                    .expected = "each name once",
                                    .help = "rename one of the two",
                                    .related = other->name.span,
                                    .related_note = "the first"});
        return;
    }
}

static void declare_constant(PlaitSema *sema, const PlaitAstConst *constant)
{
    PlaitTerm number;
    bool good = plait_sema_constant(sema, constant->value, false, &number);
    uint32_t known = plait_scope_state(sema, constant->name.name)->constant;
    if (known) {
        plait_sema_report_related(
            sema, (PlaitDiagnostic){.id = PLAIT_NAME_TAKEN,
                                    .span = constant->name.span,
                                    .found = plait_sema_format(sema, "a second constant `%s`",
                                                               plait_sema_text(sema, constant->name.name)),
                                    .expected = "each name once",
                                    .help = "remove one of the two, or rename it",
                                    .related = sema->constants.data[known - 1].span,
                                    .related_note = "the first"});
        return;
    }
    if (plait_axes_find(sema, constant->name) != PLAIT_NO_AXIS)
        plait_sema_report(
            sema, PLAIT_AXIS_VARIABLE, constant->name.span,
            plait_sema_format(sema, "the constant `%s`, which is an axis", plait_sema_text(sema, constant->name.name)),
            "a name that no axis has", "rename one of the two");
    plait_scope_add_constant(sema, (PlaitBinding){.name = constant->name.name,
                                                  .term = good ? number : plait_poison(),
                                                  .span = constant->name.span,
                                                  .escaped = PLAIT_NO_AXIS});
}

static void check_overrides(PlaitSema *sema, const PlaitAxisSize *overrides, uint32_t count)
{
    PLAIT_VECTOR(const char *) known = {0};
    for (uint32_t i = 0; i < sema->axes.count; i++)
        plait_push(sema->arena, &known, plait_sema_text(sema, sema->axes.data[i].name.name));
    for (uint32_t i = 0; i < count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < sema->axes.count; k++) found |= sema->axes.data[k].name.name == overrides[i].axis;
        if (found || sema->broken) continue;
        const char *name = plait_sema_text(sema, overrides[i].axis),
                   *nearest = plait_nearest_name(name, known.data, known.count);
        plait_sema_report(sema, PLAIT_UNKNOWN_OVERRIDE, (PlaitSpan){0},
                          plait_sema_format(sema, "`-D %s=%lld`", name, (long long)overrides[i].size),
                          "the name of an axis that the file declares",
                          nearest ? plait_sema_format(sema, "did you mean `%s`?", nearest)
                                  : "`-D` sets the size of an axis; constants cannot be set");
    }
}

/* Constants and sizes are computed in a function that is thrown away. */
static void declare_all(PlaitSema *sema, const PlaitAxisSize *overrides, uint32_t count)
{
    const PlaitAst *file = sema->file;
    PlaitModule *scratch = plait_module_create(sema->arena, sema->names, sema->diagnostics);
    PlaitFunction *function = plait_function_create(scratch, PLAIT_LEVEL_STAGE, 0);
    sema->builder = (PlaitBuilder){.function = function, .region = function->body};
    for (uint32_t i = 0; i < file->order.count; i++) {
        uint32_t entry = file->order.data[i];
        if (entry < PLAIT_AST_CONSTANT) plait_axes_declare(sema, &file->axes.data[entry], overrides, count);
        else declare_constant(sema, &file->constants.data[entry - PLAIT_AST_CONSTANT]);
    }
    check_overrides(sema, overrides, count);
    for (uint32_t i = 0; i < file->functions.count; i++) {
        const PlaitAstFunction *declared = file->functions.data[i];
        check_function(sema, declared, i);
        check_parameter_names(sema, &declared->axes, NULL);
        check_parameter_names(sema, &declared->params, &declared->axes);
    }
    for (uint32_t i = 0; i < file->operators.count; i++) check_operator(sema, file->operators.data[i], i);
}

/* ---- entry ---- */

static const PlaitAst *parse_standard(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics)
{
    PlaitAst *ast = PLAIT_NEW(arena, PlaitAst);
    PlaitParser parser = {.arena = arena,
                          .names = names,
                          .diagnostics = diagnostics,
                          .source = STANDARD_SOURCE,
                          .text = plait_std_text,
                          .standard = true,
                          .ast = ast};
    plait_parse(&parser);
    return ast;
}

PlaitModule *plait_frontend_compile(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics,
                                    uint32_t source, const PlaitAxisSize *overrides, uint32_t count)
{
    uint32_t errors = diagnostics->error_count;
    const PlaitSource *text = plait_sources_get(diagnostics->sources, source);
    if (!check_text(arena, diagnostics, source, text->text, text->length)) return NULL;
    PlaitSema sema = {.arena = arena,
                      .names = names,
                      .diagnostics = diagnostics,
                      .standard = parse_standard(arena, names, diagnostics)};
    PlaitAst *file = PLAIT_NEW(arena, PlaitAst);
    PlaitParser parser = {
        .arena = arena, .names = names, .diagnostics = diagnostics, .source = source, .text = text->text, .ast = file};
    plait_parse(&parser);
    sema.file = file;
    sema.broken = diagnostics->error_count > errors;
    if (file->operators.count == 0 && !sema.broken)
        bad_text(diagnostics, PLAIT_NO_OPERATOR, (PlaitSpan){source, 0, 0}, "no operator", "at least one",
                 "write `operator name(x : f32[t]) -> (y : f32[t]) { y = x }`");
    sema.module = plait_module_create(arena, names, diagnostics);
    declare_all(&sema, overrides, count);
    for (uint32_t i = 0; i < file->operators.count; i++) plait_sema_operator(&sema, file->operators.data[i]);
    if (diagnostics->error_count > errors || !plait_module_verify(sema.module)) return NULL;
    return sema.module;
}

const char *const *plait_frontend_std_names(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics,
                                            uint32_t *count)
{
    const PlaitAst *standard = parse_standard(arena, names, diagnostics);
    PLAIT_VECTOR(const char *) list = {0};
    const char *const *builtins;
    uint32_t builtin_count = plait_builtin_names(&builtins);
    for (uint32_t i = 0; i < builtin_count; i++) plait_push(arena, &list, builtins[i]);
    for (uint32_t i = 0; i < standard->functions.count; i++)
        plait_push(arena, &list, plait_names_text(names, standard->functions.data[i]->name.name));
    *count = list.count;
    return list.data;
}
