/* Messages of a session. */
#include "driver/session.h"

void plait_session_error(PlaitSession *session, PlaitDiagnosticId id, const char *found, const char *expected,
                         const char *help)
{
    plait_report(&session->diagnostics,
                 (PlaitDiagnostic){.id = id, .found = found, .expected = expected, .help = help});
}

void plait_session_warn(PlaitSession *session, const char *text)
{
    plait_push(session->arena, &session->warnings, text);
}

char *plait_session_text(PlaitSession *session, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = plait_arena_vprintf(session->arena, format, arguments);
    va_end(arguments);
    return text;
}
