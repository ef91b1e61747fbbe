/* Names of variables: a stack of bindings, the newest last. An assignment pushes; a block's end pops or keeps. Bindings
 * of one name are linked, so that the newest is found at once. */
#include <stdlib.h>

#include "frontend/builtin.h"

PlaitNameState *plait_scope_state(PlaitSema *sema, PlaitName name)
{
    while (sema->by_name.count <= name) plait_push(sema->arena, &sema->by_name, (PlaitNameState){0});
    return &sema->by_name.data[name];
}

void plait_scope_push(PlaitSema *sema, PlaitBinding binding)
{
    PlaitNameState *state = plait_scope_state(sema, binding.name);
    binding.shadowed = state->newest;
    plait_push(sema->arena, &sema->scope, binding);
    state->newest = sema->scope.count;
}

void plait_scope_cut(PlaitSema *sema, uint32_t count)
{
    while (sema->scope.count > count) {
        const PlaitBinding *binding = &sema->scope.data[--sema->scope.count];
        plait_scope_state(sema, binding->name)->newest = binding->shadowed;
    }
}

bool plait_scope_is_newest(PlaitSema *sema, uint32_t index)
{
    return plait_scope_state(sema, sema->scope.data[index].name)->newest == index + 1;
}

void plait_scope_add_constant(PlaitSema *sema, PlaitBinding binding)
{
    plait_push(sema->arena, &sema->constants, binding);
    plait_scope_state(sema, binding.name)->constant = sema->constants.count;
}

static PlaitBinding *find_constant(PlaitSema *sema, PlaitName name)
{
    uint32_t index = plait_scope_state(sema, name)->constant;
    bool standard = sema->call && sema->call->function->standard;
    return index && !standard ? &sema->constants.data[index - 1] : NULL;
}

/* A function sees only what was bound since its call. */
PlaitBinding *plait_scope_find(PlaitSema *sema, PlaitName name)
{
    uint32_t index = plait_scope_state(sema, name)->newest, base = sema->call ? sema->call->scope : 0;
    return index > base ? &sema->scope.data[index - 1] : find_constant(sema, name);
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
    else if (plait_axes_find(sema, name) != PLAIT_NO_AXIS)
        plait_sema_report(sema, PLAIT_AXIS_VARIABLE, name.span, plait_sema_format(sema, "`%s`, which is an axis", text),
                          "a name that no axis has",
                          "rename the variable: an axis's name stands for positions along it");
    plait_scope_push(sema,
                     (PlaitBinding){.name = name.name, .term = term, .span = name.span, .escaped = PLAIT_NO_AXIS});
}

/* ---- what is read later ---- */

/* Collects the names that a block mentions, with the statement at hand. */
typedef struct Collector {
    PlaitSema *sema;
    PlaitPending *pending;
    uint32_t statement;
} Collector;

static void collect(void *context, const PlaitAstExpression *expression)
{
    Collector *collector = context;
    PlaitMention mention = {expression->name.name, collector->statement};
    if (expression->kind == PLAIT_AST_NAME) plait_push(collector->sema->arena, &collector->pending->mentions, mention);
}

static int compare_mentions(const void *first, const void *second)
{
    const PlaitMention *a = first, *b = second;
    if (a->name != b->name) return a->name < b->name ? -1 : 1;
    return (a->statement > b->statement) - (a->statement < b->statement);
}

static void make_index(PlaitSema *sema, PlaitPending *pending)
{
    Collector collector = {.sema = sema, .pending = pending};
    for (; collector.statement < pending->block->count; collector.statement++)
        plait_ast_visit_statement(pending->block->data[collector.statement], collect, &collector);
    if (pending->mentions.count)
        qsort(pending->mentions.data, pending->mentions.count, sizeof(PlaitMention), compare_mentions);
    pending->indexed = true;
}

/* Whether a statement from pending->next on mentions the name: the last of its mentions is the first one that is not
 * before (name, end of block), going back. */
static bool mentions_later(PlaitSema *sema, PlaitPending *pending, PlaitName name)
{
    if (!pending->indexed) make_index(sema, pending);
    uint32_t low = 0, high = pending->mentions.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pending->mentions.data[middle].name <= name) low = middle + 1;
        else high = middle;
    }
    return low > 0 && pending->mentions.data[low - 1].name == name &&
           pending->mentions.data[low - 1].statement >= pending->next;
}

bool plait_scope_pending(PlaitSema *sema, PlaitName name)
{
    for (PlaitPending *pending = sema->pending; pending; pending = pending->outer) {
        if (mentions_later(sema, pending, name)) return true;
        for (uint32_t i = 0; pending->results && i < pending->results->count; i++)
            if (pending->results->data[i].name.name == name) return true;
        for (uint32_t i = 0; pending->carries && i < pending->carries->count; i++)
            if (pending->carries->data[i].name.name == name) return true;
    }
    return false;
}

/* ---- reading ---- */

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

/* Whether the name stands behind `//`, where other languages have a comment. */
static bool follows_slashes(const PlaitSema *sema, PlaitAstName name)
{
    const PlaitSource *source = plait_sources_get(sema->diagnostics->sources, name.span.source);
    uint32_t at = source ? name.span.begin : 0;
    while (at > 0 && source->text[at - 1] == ' ') at--;
    return at > 1 && source->text[at - 1] == '/' && source->text[at - 2] == '/';
}

/* Names that could have been meant, for the suggestion. */
static void report_unknown(PlaitSema *sema, PlaitAstName name)
{
    if (plait_sema_is_known_unknown(sema, name.name)) return;
    PLAIT_VECTOR(const char *) known = {0};
    bool shown = sema->diagnostics->error_count < PLAIT_MAX_ERRORS; /* what is only counted needs no suggestion */
    for (uint32_t i = sema->call ? sema->call->scope : 0; shown && i < sema->scope.count; i++)
        plait_push(sema->arena, &known, plait_sema_text(sema, sema->scope.data[i].name));
    for (uint32_t i = 0; shown && i < sema->constants.count; i++)
        plait_push(sema->arena, &known, plait_sema_text(sema, sema->constants.data[i].name));
    for (uint32_t i = 0; i < sema->axes.count; i++)
        plait_push(sema->arena, &known, plait_sema_text(sema, sema->axes.data[i].name.name));
    const char *kind =
        sema->call ? "a parameter of the function, a constant of the file, or a name assigned before in the function"
                   : "a parameter, a constant, a time axis, or a name assigned before";
    const char *advice = NULL;
    if (follows_slashes(sema, name)) advice = "comments begin with `#`; `//` divides and rounds down";
    const char *text = plait_sema_text(sema, name.name);
    if (plait_builtin_is(text) || plait_sema_function(sema, name.name))
        advice = plait_sema_format(sema, "`%s` is a function: call it, `%s(...)`", text, text);
    plait_sema_unknown(sema, PLAIT_UNKNOWN_NAME, name, kind, advice, known.data, known.count);
}

PlaitTerm plait_scope_read(PlaitSema *sema, PlaitAstName name)
{
    const PlaitBinding *binding = plait_scope_find(sema, name.name);
    if (binding) return binding->escaped == PLAIT_NO_AXIS ? binding->term : read_escaped(sema, name, binding);
    PlaitAxis axis = plait_axes_find(sema, name);
    if (axis != PLAIT_NO_AXIS) return read_position(sema, name, axis);
    report_unknown(sema, name);
    return plait_poison();
}
