/* Help texts, made from the rows of options.def and wrapped for a terminal of 80 columns. */
#include "driver/options.h"

#include <string.h>

#include "driver/targets.h"

enum { WIDTH = 80, INDENT = 7, OPTION_INDENT = 11 };

static const struct {
    const char *name, *arguments, *summary, *description;
} commands[] = {
#define COMMAND(id, name, arguments, least, most, summary, description) {name, arguments, summary, description},
#include "driver/options.def"
#undef COMMAND
};

static const struct {
    const char *name, *value, *help;
    char letter;
    uint32_t commands;
} options[] = {
#define OPTION(id, name, letter, kind, value, commands, help) {name, value, help, letter, commands},
#include "driver/options.def"
#undef OPTION
};

static const struct {
    PlaitCommand command;
    const char *line, *meaning;
} examples[] = {
#define EXAMPLE(command, line, meaning) {PLAIT_COMMAND_##command, line, meaning},
#include "driver/options.def"
#undef EXAMPLE
};

static const struct {
    int number;
    const char *meaning;
} exits[] = {
#define EXIT_CODE(id, number, meaning) {number, meaning},
#include "driver/options.def"
#undef EXIT_CODE
};

enum { EXAMPLE_COUNT = sizeof examples / sizeof *examples, EXIT_COUNT = sizeof exits / sizeof *exits };

/* `words`, broken at spaces, every line indented. `column`: where the cursor is on the first line. */
static void wrap(PlaitText *text, const char *words, size_t indent, size_t column)
{
    while (*words) {
        size_t length = strcspn(words, " ");
        if (column == 0) {
            plait_text_repeat(text, ' ', indent);
            column = indent;
        } else if (column > indent) {
            bool fits = column + 1 + length <= WIDTH;
            plait_text_add(text, fits ? " " : "\n");
            if (!fits) plait_text_repeat(text, ' ', indent);
            column = fits ? column + 1 : indent;
        }
        plait_text_add_bytes(text, words, length);
        column += length;
        words += length;
        while (*words == ' ') words++;
    }
    plait_text_add(text, "\n");
}

static void print_targets(PlaitText *text)
{
    for (const PlaitTargetRow *row = plait_target_rows(); row->name; row++) {
        plait_text_repeat(text, ' ', OPTION_INDENT);
        plait_text_printf(text, "%-8s%s\n", row->name, row->meaning);
    }
}

static void print_option(uint32_t option, PlaitText *text)
{
    plait_text_repeat(text, ' ', INDENT);
    if (options[option].letter) plait_text_printf(text, "-%c, ", options[option].letter);
    plait_text_printf(text, "--%s%s%s\n", options[option].name, *options[option].value ? " " : "",
                      options[option].value);
    wrap(text, options[option].help, OPTION_INDENT, 0);
    if (option == PLAIT_OPTION_TARGET) print_targets(text);
}

static void print_exit_codes(PlaitText *text)
{
    plait_text_add(text, "\nEXIT CODES\n");
    for (uint32_t i = 0; i < EXIT_COUNT; i++) {
        plait_text_repeat(text, ' ', INDENT);
        plait_text_printf(text, "%d   ", exits[i].number);
        wrap(text, exits[i].meaning, OPTION_INDENT, OPTION_INDENT);
    }
}

void plait_help_command(PlaitCommand command, PlaitText *text)
{
    plait_text_printf(text, "NAME\n       plait %s - %s\n", commands[command].name, commands[command].summary);
    plait_text_printf(text, "\nSYNOPSIS\n       plait %s%s%s [OPTIONS]\n", commands[command].name,
                      *commands[command].arguments ? " " : "", commands[command].arguments);
    plait_text_add(text, "\nDESCRIPTION\n");
    wrap(text, commands[command].description, INDENT, 0);
    plait_text_add(text, "\nOPTIONS\n");
    for (uint32_t i = 0; i < PLAIT_OPTION_COUNT; i++)
        if (options[i].commands >> command & 1) print_option(i, text);
    plait_text_add(text, "\nEXAMPLES\n");
    for (uint32_t i = 0; i < EXAMPLE_COUNT; i++) {
        if (examples[i].command != command) continue;
        plait_text_printf(text, "       %s\n", examples[i].line);
        wrap(text, examples[i].meaning, OPTION_INDENT, 0);
    }
    print_exit_codes(text);
}

void plait_help_overview(PlaitText *text)
{
    plait_text_add(
        text, "plait: a compiler for fused sequence operators\n\nUSAGE\n       plait COMMAND [ARGUMENTS] [OPTIONS]\n"
              "       plait --version\n\nCOMMANDS\n");
    for (uint32_t i = 0; i < PLAIT_COMMAND_COUNT; i++)
        plait_text_printf(text, "       %-9s%s\n", commands[i].name, commands[i].summary);
    plait_text_add(text, "\n       `plait help COMMAND` or `plait COMMAND --help` says more.\n");
    print_exit_codes(text);
}
