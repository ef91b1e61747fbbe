/* The command line: which command, its plain arguments, its options. The rows are in options.def. */
#ifndef PLAIT_DRIVER_OPTIONS_H
#define PLAIT_DRIVER_OPTIONS_H

#include "ir/base/diagnostics.h"

typedef enum PlaitCommand {
#define COMMAND(id, name, arguments, least, most, summary, description) PLAIT_COMMAND_##id,
#include "driver/options.def"
#undef COMMAND
    PLAIT_COMMAND_COUNT
} PlaitCommand;

typedef enum PlaitOption {
#define OPTION(id, name, letter, kind, value, commands, help) PLAIT_OPTION_##id,
#include "driver/options.def"
#undef OPTION
    PLAIT_OPTION_COUNT
} PlaitOption;

typedef PLAIT_VECTOR(const char *) PlaitTexts;

typedef struct PlaitOptions {
    PlaitCommand command;
    PlaitTexts arguments;
    PlaitTexts values[PLAIT_OPTION_COUNT]; /* as given, in order; a flag has "" for each time it is given */
} PlaitOptions;

/* Reads argv[1..]. Everything that is wrong is reported (E0601..E0604); returns false when something was.
 * With --help among the options of a known command, other mistakes are forgiven. */
bool plait_options_parse(PlaitOptions *options, PlaitDiagnostics *diagnostics, int argc, char **argv);

bool plait_option_given(const PlaitOptions *options, PlaitOption option);
/* The last value given; NULL when there is none. */
const char *plait_option_text(const PlaitOptions *options, PlaitOption option);
/* The number that the text is, and nothing else: digits, in 64 bits. */
bool plait_read_count(const char *text, uint64_t *count);
uint64_t plait_option_count(const PlaitOptions *options, PlaitOption option, uint64_t otherwise);
const char *plait_option_name(PlaitOption option);
const char *plait_command_name(PlaitCommand command);
/* False when there is no command of that name. */
bool plait_command_by_name(const char *name, PlaitCommand *command);

/* Help of one command: synopsis, description, options, examples, exit codes. */
void plait_help_command(PlaitCommand command, PlaitText *text);
/* The list of commands. */
void plait_help_overview(PlaitText *text);

#endif
