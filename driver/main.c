/* plait: the command line. Sets up memory, reads the options, runs the command, prints, and exits.
 *
 * Standard output gets the report (with --json one object, messages included), standard error the messages. The exit
 * code follows from the messages alone: see exit_of().
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/cleanup.h"
#include "driver/files.h"
#include "driver/session.h"
#include "driver/version.h"

static void (*const commands[])(PlaitSession *session) = {
#define COMMAND(id, name, arguments, least, most, summary, description) plait_command_##id,
#include "driver/options.def"
#undef COMMAND
};

void plait_command_HELP(PlaitSession *session)
{
    PlaitCommand command;
    const PlaitTexts *arguments = &session->options.arguments;
    if (arguments->count == 0) plait_help_overview(&session->output);
    else if (plait_command_by_name(arguments->data[0], &command)) plait_help_command(command, &session->output);
    else
        plait_session_error(session, PLAIT_UNKNOWN_COMMAND, plait_session_text(session, "`%s`", arguments->data[0]),
                            "the name of a command", "`plait --help` lists the commands");
    plait_text_add(&session->fields, ", \"text\": ");
    plait_text_json_string(&session->fields, plait_text_string(&session->output));
}

/* The exit code that one message asks for. */
static PlaitExit exit_for(PlaitDiagnosticId id)
{
    static const PlaitDiagnosticId usage[] = {PLAIT_UNKNOWN_COMMAND, PLAIT_UNKNOWN_OPTION, PLAIT_BAD_OPTION_VALUE,
                                              PLAIT_WRONG_ARGUMENTS, PLAIT_OPTIONS_CLASH,  PLAIT_BAD_DEFINE,
                                              PLAIT_UNKNOWN_TARGET,  PLAIT_UNKNOWN_PASS,   PLAIT_IDLE_PASS};
    for (size_t i = 0; i < sizeof usage / sizeof *usage; i++)
        if (usage[i] == id) return PLAIT_EXIT_USAGE;
    if (id == PLAIT_CHECK_FAILED) return PLAIT_EXIT_CHECK;
    return id == PLAIT_TOOL_CRASHED ? PLAIT_EXIT_INTERNAL : PLAIT_EXIT_INPUT;
}

/* The first message decides. */
static PlaitExit exit_of(const PlaitSession *session)
{
    return session->diagnostics.list.count ? exit_for(session->diagnostics.list.data[0].id) : PLAIT_EXIT_OK;
}

static void finish_json(PlaitSession *session, PlaitExit code)
{
    PlaitText *text = &session->output;
    *text = plait_text(session->arena);
    PlaitCommand command = session->options.command;
    const char *quote = command == PLAIT_COMMAND_COUNT ? "" : "\"";
    plait_text_printf(text, "{\"command\": %s%s%s, \"ok\": %s, \"exit_code\": %d", quote,
                      command == PLAIT_COMMAND_COUNT ? "null" : plait_command_name(command), quote,
                      code == PLAIT_EXIT_OK ? "true" : "false", code);
    plait_text_add(text, plait_text_string(&session->fields));
    plait_text_add(text, ", \"warnings\": [");
    for (uint32_t i = 0; i < session->warnings.count; i++) {
        if (i) plait_text_add(text, ", ");
        plait_text_json_string(text, session->warnings.data[i]);
    }
    plait_text_add(text, "], \"diagnostics\": ");
    plait_diagnostics_print_json(&session->diagnostics, text);
    plait_text_add(text, "}\n");
}

static void print_messages(PlaitSession *session)
{
    PlaitText messages = plait_text(session->arena);
    plait_text_add(&messages, plait_text_string(&session->log));
    for (uint32_t i = 0; i < session->warnings.count; i++)
        plait_text_printf(&messages, "warning: %s\n", session->warnings.data[i]);
    plait_diagnostics_print(&session->diagnostics, &messages);
    fputs(plait_text_string(&messages), stderr);
}

/* Whether everything went out; a reader that has gone away (`plait .. | head`) is no error. The message of what could
 * not be written stands alone: all others have been printed. */
static bool print_output(PlaitSession *session)
{
    const PlaitText *output = &session->output;
    bool written =
        fwrite(plait_text_string(output), 1, output->length, stdout) == output->length && fflush(stdout) == 0;
    if (written || errno == EPIPE) return true;
    session->diagnostics.list.count = 0;
    plait_file_report(session, PLAIT_FILE_UNWRITABLE, "standard output", errno);
    PlaitText message = plait_text(session->arena);
    plait_diagnostics_print(&session->diagnostics, &message);
    fputs(plait_text_string(&message), stderr);
    return false;
}

static bool wants(int argc, char **argv, const char *option, const char *letter)
{
    return argc > 1 && (strcmp(argv[1], option) == 0 || strcmp(argv[1], letter) == 0);
}

static PlaitExit run(PlaitSession *session, int argc, char **argv)
{
    if (wants(argc, argv, "--version", "-V")) plait_text_printf(&session->output, "plait %s\n", PLAIT_VERSION);
    else if (wants(argc, argv, "--help", "-h")) plait_help_overview(&session->output);
    else if (plait_options_parse(&session->options, &session->diagnostics, argc, argv)) {
        if (plait_option_given(&session->options, PLAIT_OPTION_HELP))
            plait_help_command(session->options.command, &session->output);
        else commands[session->options.command](session);
    }
    PlaitExit code = exit_of(session);
    bool json = plait_option_given(&session->options, PLAIT_OPTION_JSON) &&
                !plait_option_given(&session->options, PLAIT_OPTION_HELP);
    if (json) finish_json(session, code);
    else print_messages(session);
    return !print_output(session) && code == PLAIT_EXIT_OK ? PLAIT_EXIT_INPUT : code;
}

static void begin_session(PlaitSession *session, PlaitArena *arena)
{
    session->arena = session->names.arena = session->sources.arena = session->diagnostics.arena = arena;
    session->diagnostics.sources = &session->sources;
    session->output = session->log = session->fields = plait_text(arena);
}

int main(int argc, char **argv)
{
    plait_cleanup_begin();
    PlaitFailure failure;
    PlaitArena *volatile arena = plait_arena_create(&failure);
    volatile PlaitExit code = PLAIT_EXIT_INTERNAL;
    if (arena && PLAIT_TRY(&failure)) {
        PlaitSession session = {0};
        begin_session(&session, arena);
        code = run(&session, argc, argv);
    } else {
        fputs("plait: memory ran out\n", stderr);
    }
    plait_arena_destroy(arena);
    plait_cleanup_end();
    return (int)code;
}
