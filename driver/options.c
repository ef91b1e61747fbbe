/* Reading the command line by the tables of options.def.
 *
 * `--name value`, `--name=value`, `-x value` and `-xvalue` are the same; `--` ends the options; `-` is a plain
 * argument.
 */
#include "driver/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef enum Kind { FLAG, TEXT, LIST, COUNT } Kind;

static const struct {
    const char *name;
    uint32_t least, most;
} command_rows[] = {
#define COMMAND(id, name, arguments, least, most, summary, description) {name, least, most},
#include "driver/options.def"
#undef COMMAND
};

static const struct {
    const char *name;
    char letter;
    Kind kind;
    const char *value;
    uint32_t commands;
} option_rows[] = {
#define OPTION(id, name, letter, kind, value, commands, help) {name, letter, kind, value, commands},
#include "driver/options.def"
#undef OPTION
};

typedef struct Parser {
    PlaitOptions *options;
    PlaitDiagnostics *diagnostics;
    char **argv;
    int argc, next;
} Parser;

const char *plait_option_name(PlaitOption option) { return option_rows[option].name; }
const char *plait_command_name(PlaitCommand command) { return command_rows[command].name; }
bool plait_option_given(const PlaitOptions *options, PlaitOption option) { return options->values[option].count > 0; }

const char *plait_option_text(const PlaitOptions *options, PlaitOption option)
{
    uint32_t count = options->values[option].count;
    return count ? options->values[option].data[count - 1] : NULL;
}

bool plait_read_count(const char *text, uint64_t *count)
{
    char *end;
    errno = 0;
    *count = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

uint64_t plait_option_count(const PlaitOptions *options, PlaitOption option, uint64_t otherwise)
{
    const char *text = plait_option_text(options, option);
    uint64_t count;
    return text && plait_read_count(text, &count) ? count : otherwise;
}

bool plait_command_by_name(const char *name, PlaitCommand *command)
{
    for (uint32_t i = 0; i < PLAIT_COMMAND_COUNT; i++) {
        if (strcmp(command_rows[i].name, name) != 0) continue;
        *command = (PlaitCommand)i;
        return true;
    }
    return false;
}

static void report(Parser *parser, PlaitDiagnosticId id, const char *found, const char *expected, const char *help)
{
    plait_report(parser->diagnostics, (PlaitDiagnostic){.id = id, .found = found, .expected = expected, .help = help});
}

static bool belongs(uint32_t option, PlaitCommand command)
{
    return (option_rows[option].commands >> command & 1) != 0;
}

static void unknown_command(Parser *parser, const char *name)
{
    PlaitArena *arena = parser->diagnostics->arena;
    const char *names[PLAIT_COMMAND_COUNT];
    for (uint32_t i = 0; i < PLAIT_COMMAND_COUNT; i++) names[i] = command_rows[i].name;
    const char *nearest = plait_nearest_name(name, names, PLAIT_COMMAND_COUNT);
    const char *help =
        nearest ? plait_arena_printf(arena, "did you mean `plait %s`? `plait --help` lists the commands", nearest)
        : *name == '-' ? "options follow the command; `plait --help` lists the commands"
                       : "`plait --help` lists the commands";
    report(parser, PLAIT_UNKNOWN_COMMAND, plait_arena_printf(arena, "`%s`", name), "the name of a command", help);
}

/* What stands behind a misspelt option is its value, and no mistake of its own. */
static void skip_value(Parser *parser, const char *text, const char *meant)
{
    for (uint32_t i = 0; meant && i < PLAIT_OPTION_COUNT; i++)
        if (strcmp(option_rows[i].name, meant) == 0 && option_rows[i].kind != FLAG && !strchr(text, '=') &&
            parser->next < parser->argc && parser->argv[parser->next][0] != '-')
            parser->next++;
}

static void unknown_option(Parser *parser, const char *text, const char *name)
{
    PlaitArena *arena = parser->diagnostics->arena;
    PlaitCommand command = parser->options->command;
    const char *names[PLAIT_OPTION_COUNT];
    uint32_t count = 0;
    for (uint32_t i = 0; i < PLAIT_OPTION_COUNT; i++)
        if (belongs(i, command)) names[count++] = option_rows[i].name;
    const char *nearest = plait_nearest_name(name, names, count);
    const char *help =
        nearest ? plait_arena_printf(arena, "did you mean `--%s`?", nearest)
                : plait_arena_printf(arena, "`plait %s --help` lists the options", command_rows[command].name);
    report(parser, PLAIT_UNKNOWN_OPTION, plait_arena_printf(arena, "`%s`", text),
           plait_arena_printf(arena, "an option of `plait %s`", command_rows[command].name), help);
    skip_value(parser, text, nearest);
}

/* The option of this command with that name (length characters) or letter; PLAIT_OPTION_COUNT when there is none. */
static uint32_t find_option(PlaitCommand command, const char *name, size_t length, char letter)
{
    for (uint32_t i = 0; i < PLAIT_OPTION_COUNT; i++) {
        if (!belongs(i, command)) continue;
        if (letter && option_rows[i].letter == letter) return i;
        if (name && strlen(option_rows[i].name) == length && strncmp(option_rows[i].name, name, length) == 0) return i;
    }
    return PLAIT_OPTION_COUNT;
}

static void bad_value(Parser *parser, uint32_t option, const char *found, const char *expected)
{
    PlaitArena *arena = parser->diagnostics->arena;
    report(parser, PLAIT_BAD_OPTION_VALUE, found, expected,
           *option_rows[option].value
               ? plait_arena_printf(arena, "write `--%s %s`", option_rows[option].name, option_rows[option].value)
               : plait_arena_printf(arena, "write `--%s`", option_rows[option].name));
}

/* `value`: what stood behind `=` or the letter; NULL: nothing, the next argument is the value. */
static void take_option(Parser *parser, uint32_t option, const char *value)
{
    PlaitArena *arena = parser->diagnostics->arena;
    const char *name = option_rows[option].name;
    uint64_t count;
    if (option_rows[option].kind == FLAG) {
        if (value) bad_value(parser, option, plait_arena_printf(arena, "the value `%s`", value), "no value");
        value = "";
    } else if (!value) {
        if (parser->next >= parser->argc) {
            bad_value(parser, option, plait_arena_printf(arena, "`--%s` at the end of the line", name),
                      "a value after it");
            return;
        }
        value = parser->argv[parser->next++];
    }
    if (option_rows[option].kind == TEXT && !*value) {
        bad_value(parser, option, "an empty value", "a value");
        return;
    }
    if (option_rows[option].kind == COUNT && !plait_read_count(value, &count)) {
        bad_value(parser, option, plait_arena_printf(arena, "`%s`", value),
                  "a whole number without a sign, below 2^64");
        return;
    }
    plait_push(arena, &parser->options->values[option], value);
}

static void long_option(Parser *parser, const char *argument)
{
    const char *name = argument + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    uint32_t option = find_option(parser->options->command, name, length, 0);
    if (option == PLAIT_OPTION_COUNT)
        unknown_option(parser, argument, plait_arena_strndup(parser->diagnostics->arena, name, length));
    else take_option(parser, option, equals ? equals + 1 : NULL);
}

/* `-abc`: flags may stand together; a letter with a value takes the rest. */
static void short_options(Parser *parser, const char *argument)
{
    for (const char *letter = argument + 1; *letter; letter++) {
        uint32_t option = find_option(parser->options->command, NULL, 0, *letter);
        if (option == PLAIT_OPTION_COUNT) {
            unknown_option(parser, argument, argument + 1);
            return;
        }
        if (option_rows[option].kind != FLAG) {
            const char *rest = letter[1] == '=' ? letter + 2 : letter + 1;
            take_option(parser, option, letter[1] ? rest : NULL);
            return;
        }
        take_option(parser, option, NULL);
    }
}

static void check_arguments(Parser *parser)
{
    PlaitArena *arena = parser->diagnostics->arena;
    PlaitCommand command = parser->options->command;
    const PlaitTexts *arguments = &parser->options->arguments;
    const char *help =
        plait_arena_printf(arena, "`plait %s --help` shows how it is called", command_rows[command].name);
    if (arguments->count < command_rows[command].least)
        report(parser, PLAIT_WRONG_ARGUMENTS, "no file",
               plait_arena_printf(arena, "the file that `plait %s` works on", command_rows[command].name), help);
    if (arguments->count > command_rows[command].most)
        report(parser, PLAIT_WRONG_ARGUMENTS,
               plait_arena_printf(arena, "`%s`", arguments->data[command_rows[command].most]), "the end of the line",
               help);
}

static void parse_rest(Parser *parser)
{
    bool options_over = false;
    while (parser->next < parser->argc) {
        const char *argument = parser->argv[parser->next++];
        if (options_over || argument[0] != '-' || argument[1] == '\0')
            plait_push(parser->diagnostics->arena, &parser->options->arguments, argument);
        else if (strcmp(argument, "--") == 0) options_over = true;
        else if (argument[1] == '-') long_option(parser, argument);
        else short_options(parser, argument);
    }
}

bool plait_options_parse(PlaitOptions *options, PlaitDiagnostics *diagnostics, int argc, char **argv)
{
    Parser parser = {options, diagnostics, argv, argc, 2};
    if (argc < 2) {
        report(&parser, PLAIT_UNKNOWN_COMMAND, "nothing", "the name of a command", "`plait --help` lists the commands");
        return false;
    }
    if (!plait_command_by_name(argv[1], &options->command)) {
        unknown_command(&parser, argv[1]);
        options->command = PLAIT_COMMAND_COUNT;
        for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) /* every command has it */
            if (strcmp(argv[i], "--json") == 0) take_option(&parser, PLAIT_OPTION_JSON, NULL);
        return false;
    }
    parse_rest(&parser);
    if (plait_option_given(options, PLAIT_OPTION_HELP)) {
        diagnostics->list.count = diagnostics->error_count = 0;
        return true;
    }
    check_arguments(&parser);
    return diagnostics->error_count == 0;
}
