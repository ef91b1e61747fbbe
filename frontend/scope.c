/* Names of variables: a stack of bindings, the newest last. An assignment pushes; a block's end pops or keeps. */
#include "frontend/sema.h"

static PlaitBinding *find_from(PlaitSema *sema, PlaitName name, uint32_t base)
{
    for (uint32_t i = sema->scope.count; i > base; i--)
        if (sema->scope.data[i - 1].name == name) return &sema->scope.data[i - 1];
    return NULL;
}

static PlaitBinding *find_constant(PlaitSema *sema, PlaitName name)
{
    if (sema->call && sema->call->function->standard) return NULL;
    for (uint32_t i = 0; i < sema->constants.count; i++)
        if (sema->constants.data[i].name == name) return &sema->constants.data[i];
    return NULL;
}

PlaitBinding *plait_scope_find(PlaitSema *sema, PlaitName name)
{
    PlaitBinding *binding = find_from(sema, name, sema->call ? sema->call->scope : 0);
    return binding ? binding : find_constant(sema, name);
}

void plait_scope_bind(PlaitSema *sema, PlaitAstName name, PlaitTerm term)
{
    const char *text = plait_sema_text(sema, name.name);
    const PlaitBinding *constant = find_constant(sema, name.name);
    if (constant)
        plait_sema_report_related(sema, (PlaitDiagnostic){.id = PLAIT_NAME_TAKEN,
                                                          .span = name.span,
                                                          .found = plait_sema_format(sema, "`%s`, a constant", text),
                                                          .expected = "the name of a variable",
                                                          .help = "constants keep their value: use another name",
                                                          .related = constant->span,
                                                          .related_note = "the constant"});
    else if (plait_axes_find(sema, name.name) != PLAIT_NO_AXIS)
        plait_sema_report(sema, PLAIT_AXIS_VARIABLE, name.span, plait_sema_format(sema, "`%s`, which is an axis", text),
                          "a name that no axis has",
                          "rename the variable: an axis's name stands for positions along it");
    plait_push(sema->arena, &sema->scope, (PlaitBinding){name.name, term, name.span, PLAIT_NO_AXIS});
}

bool plait_scope_pending(const PlaitSema *sema, PlaitName name)
{
    for (const PlaitPending *pending = sema->pending; pending; pending = pending->outer) {
        if (plait_ast_block_mentions(pending->block, pending->next, name)) return true;
        for (uint32_t i = 0; pending->results && i < pending->results->count; i++)
            if (pending->results->data[i].name.name == name) return true;
        for (uint32_t i = 0; pending->carries && i < pending->carries->count; i++)
            if (pending->carries->data[i].name.name == name) return true;
    }
    return false;
}

static PlaitTerm read_position(PlaitSema *sema, PlaitAstName name, PlaitAxis axis)
{
    const char *text = plait_sema_text(sema, name.name);
    if (plait_axes_info(sema, axis)->role == PLAIT_ROLE_TIME)
        return plait_term(plait_build_iota(&sema->builder, axis, 0));
    plait_sema_report(
        sema, PLAIT_NOT_A_VALUE, name.span, plait_sema_format(sema, "the axis `%s`", text),
        "a variable, or a time axis for its positions",
        plait_sema_format(sema, "`position(%s)` is the position along it, `size(%s)` its size", text, text));
    return plait_poison();
}

static PlaitTerm read_escaped(PlaitSema *sema, PlaitAstName name, const PlaitBinding *binding)
{
    const char *axis = plait_axis_text(sema->builder.function, binding->escaped);
    PlaitDiagnostic diagnostic = {
        .id = PLAIT_SCORE_ESCAPES,
        .span = name.span,
        .found = plait_sema_format(sema, "`%s`, %s, after the `attend %s`", plait_sema_text(sema, name.name),
                                   plait_term_text(sema, binding->term), axis),
        .expected = plait_sema_format(sema, "a value without the axis `%s`", axis),
        .help = "reduce it inside the block, for example with `sum(...)`: what has the attended axis is never stored"};
    if (name.span.begin != binding->span.begin) { /* a result is blamed on its assignment */
        diagnostic.related = binding->span;
        diagnostic.related_note = "assigned here";
    }
    plait_sema_report_related(sema, diagnostic);
    return plait_poison();
}

/* Names that could have been meant, for the suggestion. */
static void report_unknown(PlaitSema *sema, PlaitAstName name)
{
    PLAIT_VECTOR(const char *) known = {0};
    for (uint32_t i = sema->call ? sema->call->scope : 0; i < sema->scope.count; i++)
        plait_push(sema->arena, &known, plait_sema_text(sema, sema->scope.data[i].name));
    for (uint32_t i = 0; i < sema->constants.count; i++)
        plait_push(sema->arena, &known, plait_sema_text(sema, sema->constants.data[i].name));
    for (uint32_t i = 0; i < sema->axes.count; i++)
        plait_push(sema->arena, &known, plait_sema_text(sema, sema->axes.data[i].name.name));
    const char *kind =
        sema->call ? "a parameter of the function, a constant of the file, or a name assigned before in the function"
                   : "a parameter, a constant, a time axis, or a name assigned before";
    plait_sema_unknown(sema, PLAIT_UNKNOWN_NAME, name, kind, known.data, known.count);
}

PlaitTerm plait_scope_read(PlaitSema *sema, PlaitAstName name)
{
    const PlaitBinding *binding = plait_scope_find(sema, name.name);
    if (binding) return binding->escaped == PLAIT_NO_AXIS ? binding->term : read_escaped(sema, name, binding);
    PlaitAxis axis = plait_axes_find(sema, name.name);
    if (axis != PLAIT_NO_AXIS) return read_position(sema, name, axis);
    report_unknown(sema, name);
    return plait_poison();
}
