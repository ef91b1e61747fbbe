/* What every command of `plait` is given: the memory, names and messages of one run of the program.
 *
 * The command line is the only code that sees every folder. Only main.c prints and exits: what a command has to say
 * stands in `output`, what went wrong in the diagnostics, and the exit code follows from them.
 */
#ifndef PLAIT_DRIVER_SESSION_H
#define PLAIT_DRIVER_SESSION_H

#include "driver/options.h"
#include "ir/ir.h"

/* Rows of EXIT_CODE in options.def. */
typedef enum PlaitExit {
#define EXIT_CODE(id, number, meaning) PLAIT_EXIT_##id = number,
#include "driver/options.def"
#undef EXIT_CODE
} PlaitExit;

typedef struct PlaitSession {
    PlaitArena *arena;
    PlaitNames names;
    PlaitSources sources;
    PlaitDiagnostics diagnostics;
    PlaitOptions options;
    PlaitTexts warnings; /* what the user should know although the command succeeds */
    PlaitText output;    /* what the command prints on standard output when it returns */
    PlaitText log;       /* what goes to standard error before the messages */
    PlaitText fields; /* with --json: members of the report beside `command`, `ok` and `diagnostics`, each after ", " */
} PlaitSession;

/* Reports an error that has no place in a source. The texts must live as long as the arena. */
void plait_session_error(PlaitSession *session, PlaitDiagnosticId id, const char *found, const char *expected,
                         const char *help);
/* Adds a warning; the text must live as long as the arena. */
void plait_session_warn(PlaitSession *session, const char *text);
/* Text in the driver's arena. */
char *plait_session_text(PlaitSession *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bool plait_session_failed(const PlaitSession *session) { return session->diagnostics.error_count > 0; }

/* The commands, one for each COMMAND row of options.def. */
#define COMMAND(id, name, arguments, least, most, summary, description) void plait_command_##id(PlaitSession *session);
#include "driver/options.def"
#undef COMMAND

#endif
