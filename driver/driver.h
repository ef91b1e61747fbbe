/* What every command of `plait` is given: the memory, names and messages of one run of the program.
 *
 * The command line is the only code that sees every folder. It never exits outside main.c: a command returns one
 * of the exit codes below, and what went wrong stands in the diagnostics.
 */
#ifndef PLAIT_DRIVER_DRIVER_H
#define PLAIT_DRIVER_DRIVER_H

#include "driver/options.h"
#include "ir/ir.h"

/* Rows of EXIT_CODE in options.def. */
typedef enum PlaitExit {
#define EXIT_CODE(id, number, meaning) PLAIT_EXIT_##id = number,
#include "driver/options.def"
#undef EXIT_CODE
} PlaitExit;

typedef struct PlaitDriver {
    PlaitArena *arena;
    PlaitNames names;
    PlaitSources sources;
    PlaitDiagnostics diagnostics;
    PlaitOptions options;
    PlaitTexts warnings; /* what the user should know although the command succeeds */
    PlaitText output; /* what the command prints on standard output when it returns */
    PlaitText fields; /* with --json: members of the report beside `command`, `ok` and `diagnostics`, each after ", " */
} PlaitDriver;

/* Reports an error that has no place in a source. The texts must live as long as the arena. */
void plait_driver_error(PlaitDriver *driver, PlaitDiagnosticId id, const char *found, const char *expected, const char *help);
/* Adds a warning; the text must live as long as the arena. */
void plait_driver_warn(PlaitDriver *driver, const char *text);
/* Text in the driver's arena. */
char *plait_driver_text(PlaitDriver *driver, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bool plait_driver_failed(const PlaitDriver *driver) { return driver->diagnostics.error_count > 0; }

/* The commands, one for each COMMAND row of options.def. */
#define COMMAND(id, name, arguments, least, most, summary, description) PlaitExit plait_command_##id(PlaitDriver *driver);
#include "driver/options.def"
#undef COMMAND

#endif
