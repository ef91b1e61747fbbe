/* Reports of the semantic checks: where they point, and what is kept quiet. */
#include <string.h>

#include "frontend/sema.h"

const char *plait_sema_format(const PlaitSema *sema, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = plait_arena_vprintf(sema->arena, format, arguments);
    va_end(arguments);
    return text;
}

/* The innermost call whose text the user wrote, NULL outside functions; `*span` moves out of the standard library. */
static const PlaitCall *user_call(const PlaitSema *sema, PlaitSpan *span)
{
    const PlaitCall *call = sema->call;
    for (; call && call->function->standard; call = call->outer) *span = call->place;
    return call;
}

PlaitSpan plait_sema_place(const PlaitSema *sema, PlaitSpan span)
{
    user_call(sema, &span);
    return span;
}

void plait_sema_report_related(PlaitSema *sema, PlaitDiagnostic diagnostic)
{
    if (sema->quiet) return;
    const PlaitCall *call = user_call(sema, &diagnostic.span);
    if (call && !diagnostic.related.source) {
        diagnostic.related = call->place;
        diagnostic.related_note =
            plait_sema_format(sema, "in the call of `%s`", plait_sema_text(sema, call->function->name.name));
    }
    plait_report(sema->diagnostics, diagnostic);
}

void plait_sema_report(PlaitSema *sema, PlaitDiagnosticId id, PlaitSpan span, const char *found, const char *expected,
                       const char *help)
{
    plait_sema_report_related(
        sema, (PlaitDiagnostic){.id = id, .span = span, .found = found, .expected = expected, .help = help});
}

bool plait_sema_is_known_unknown(PlaitSema *sema, PlaitName name)
{
    return sema->broken || sema->quiet || plait_scope_state(sema, name)->unknown == sema->module->functions.count + 1;
}

void plait_sema_unknown(PlaitSema *sema, PlaitDiagnosticId id, PlaitAstName name, const char *kind, const char *advice,
                        const char *const *known, uint32_t count)
{
    if (plait_sema_is_known_unknown(sema, name.name)) return;
    plait_scope_state(sema, name.name)->unknown = sema->module->functions.count + 1;
    const char *text = plait_sema_text(sema, name.name);
    const char *nearest = plait_nearest_name(text, known, count);
    const char *help = advice    ? advice
                       : nearest ? plait_sema_format(sema, "did you mean `%s`?", nearest)
                                 : plait_sema_format(sema, "declare `%s`, or correct its spelling", text);
    plait_sema_report(sema, id, name.span, plait_sema_format(sema, "`%s`", text), kind, help);
}
