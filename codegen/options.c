/* The command line, read by the tables of options.def. */
#include "codegen/codegen.h"

#include <stdio.h>
#include <string.h>

#define BIT(id) (1u << PLAIT_CODEGEN_##id)
enum { OBJECT = BIT(OBJECT), PTX = BIT(PTX), PACKAGE = BIT(PACKAGE) };

typedef bool Reader(PlaitCodegen *codegen, const char *value);

typedef struct Option {
    const char *name, *value;
    uint32_t commands;
    Reader *read;
    const char *meaning;
} Option;

static const struct {
    const char *name, *arguments, *meaning;
    uint32_t inputs;
} commands[] = {
#define COMMAND(id, name, function, inputs, arguments, meaning) {name, arguments, meaning, inputs},
#include "codegen/options.def"
#undef COMMAND
};

static const struct {
    const char *name;
    uint32_t commands;
    const char *meaning;
} emissions[] = {
#define EMISSION(id, name, commands, meaning) {name, commands, meaning},
#include "codegen/options.def"
#undef EMISSION
};

static bool read_output(PlaitCodegen *codegen, const char *value)
{
    codegen->options.output = value;
    return true;
}

static bool read_compiler(PlaitCodegen *codegen, const char *value)
{
    codegen->options.compiler = value;
    return true;
}

static bool read_emission(PlaitCodegen *codegen, const char *value)
{
    for (uint32_t i = 0; i < PLAIT_EMIT_COUNT; i++) {
        if (strcmp(emissions[i].name, value) != 0 || !(emissions[i].commands >> codegen->options.command & 1)) continue;
        codegen->options.emission = (PlaitEmission)i;
        return true;
    }
    plait_codegen_say("%s has no --emit=%s", commands[codegen->options.command].name, value);
    return false;
}

static const PlaitTarget *known_target(const char *name)
{
    const PlaitTarget *target = plait_target_by_name(name);
    if (!target) plait_codegen_say("there is no target %s", name);
    return target;
}

static const PlaitTarget *known_gpu(const char *name)
{
    const PlaitTarget *target = known_target(name);
    if (!target || target->kind == PLAIT_TARGET_PTX) return target;
    plait_codegen_say("%s is no GPU", name);
    return NULL;
}

static bool read_target(PlaitCodegen *codegen, const char *value)
{
    codegen->options.target = known_gpu(value);
    return codegen->options.target != NULL;
}

static bool read_part(PlaitCodegen *codegen, const char *value)
{
    bool late = strcmp(value, "late") == 0;
    codegen->options.part = late ? PLAIT_PTX_LATE : PLAIT_PTX_FIRST;
    if (late || strcmp(value, "first") == 0) return true;
    plait_codegen_say("there is no part %s", value);
    return false;
}

/* Cuts at the separator: returns what stands before it and moves `rest` behind it; NULL when it is not there. */
static const char *cut(PlaitCodegen *codegen, const char **rest, char separator)
{
    const char *end = strchr(*rest, separator);
    if (!end) return NULL;
    const char *part = plait_arena_strndup(codegen->arena, *rest, (size_t)(end - *rest));
    *rest = end + 1;
    return part;
}

static bool add_file(PlaitCodegen *codegen, const char *option, const char *value, PlaitTargetFiles *files)
{
    const char *path = value, *name = cut(codegen, &path, '=');
    if (!name || !*path) {
        plait_codegen_say("%s %s is not TARGET=FILE", option, value);
        return false;
    }
    const PlaitTarget *target = known_target(name);
    for (uint32_t i = 0; target && i < files->count; i++) {
        if (files->data[i].target != target) continue;
        plait_codegen_say("%s %s is given twice", option, name);
        return false;
    }
    if (target) plait_push(codegen->arena, files, (PlaitTargetFile){target, path});
    return target != NULL;
}

static bool read_kernels(PlaitCodegen *codegen, const char *value)
{
    return add_file(codegen, "--kernels", value, &codegen->options.kernels);
}

static bool read_late(PlaitCodegen *codegen, const char *value)
{
    return add_file(codegen, "--late", value, &codegen->options.late);
}

static const char *path_or_none(const char *path) { return path && *path ? path : NULL; }

static bool read_image(PlaitCodegen *codegen, const char *value)
{
    const char *rest = value, *name = cut(codegen, &rest, '=');
    const char *cubin = name ? cut(codegen, &rest, ',') : NULL;
    if (!cubin || (!*cubin && !*rest)) {
        plait_codegen_say("--image %s is not TARGET=CUBIN,PTX", value);
        return false;
    }
    const PlaitTarget *target = known_gpu(name);
    if (target)
        plait_push(codegen->arena, &codegen->options.images,
                   (PlaitImageFile){target, path_or_none(cubin), path_or_none(rest)});
    return target != NULL;
}

static const Option options[] = {
#define OPTION(id, name, value, commands, read, meaning) {name, value, commands, read, meaning},
#include "codegen/options.def"
#undef OPTION
};

static const Option *option_of(PlaitCodegenCommand command, const char *argument, size_t length)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        bool same = strlen(options[i].name) == length && memcmp(options[i].name, argument, length) == 0;
        if (same && options[i].commands >> command & 1) return &options[i];
    }
    return NULL;
}

/* Reads the option at arguments[*at] and moves *at to its last word. */
static bool read_option(PlaitCodegen *codegen, int count, char **arguments, int *at)
{
    const char *argument = arguments[*at], *equals = strchr(argument, '=');
    const Option *option =
        option_of(codegen->options.command, argument, equals ? (size_t)(equals - argument) : strlen(argument));
    if (!option) {
        plait_codegen_say("%s has no option %s", commands[codegen->options.command].name, argument);
        return false;
    }
    if (!equals && *at + 1 == count) {
        plait_codegen_say("%s needs a value: %s", option->name, option->value);
        return false;
    }
    return option->read(codegen, equals ? equals + 1 : arguments[++*at]);
}

static bool read_command(PlaitCodegen *codegen, const char *name)
{
    for (uint32_t i = 0; i < PLAIT_CODEGEN_COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) != 0) continue;
        codegen->options.command = (PlaitCodegenCommand)i;
        for (uint32_t kind = 0; kind < PLAIT_EMIT_COUNT; kind++)
            if (emissions[kind].commands >> i & 1) codegen->options.emission = (PlaitEmission)kind;
        return true;
    }
    plait_codegen_say("there is no command %s; see plait-codegen --help", name);
    return false;
}

static bool is_complete(const PlaitCodegenOptions *read)
{
    bool target = read->command != PLAIT_CODEGEN_PTX || read->target;
    bool input = commands[read->command].inputs == 0 ? read->input == NULL : read->input != NULL;
    bool kernels = read->command != PLAIT_CODEGEN_PACKAGE || read->kernels.count > 0;
    if (target && input && kernels && read->output) return true;
    plait_codegen_say("usage: plait-codegen %s %s", commands[read->command].name, commands[read->command].arguments);
    return false;
}

bool plait_codegen_read_options(PlaitCodegen *codegen, int count, char **arguments)
{
    PlaitCodegenOptions *read = &codegen->options;
    if (count < 2) {
        plait_codegen_say("no command; see plait-codegen --help");
        return false;
    }
    if (!read_command(codegen, arguments[1])) return false;
    for (int i = 2; i < count; i++) {
        bool is_option = arguments[i][0] == '-' && arguments[i][1];
        if (is_option && !read_option(codegen, count, arguments, &i)) return false;
        if (is_option) continue;
        if (read->input) {
            plait_codegen_say("more than one input: %s", arguments[i]);
            return false;
        }
        read->input = arguments[i];
    }
    if (read->command == PLAIT_CODEGEN_OBJECT || read->command == PLAIT_CODEGEN_PACKAGE)
        read->target = plait_target_by_name("cpu");
    return is_complete(read);
}

void plait_codegen_print_help(void)
{
    printf("plait-codegen: from Tile IR to machine code; a part of plait, which runs it\n\nCOMMANDS\n");
    for (uint32_t i = 0; i < PLAIT_CODEGEN_COMMAND_COUNT; i++)
        printf("  plait-codegen %s %s\n        %s\n", commands[i].name, commands[i].arguments, commands[i].meaning);
    printf("\nOPTIONS\n");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        printf("  %s %s\n        %s\n", options[i].name, options[i].value, options[i].meaning);
    printf("\nKINDS OF --emit\n");
    for (uint32_t i = 0; i < PLAIT_EMIT_COUNT; i++)
        printf("  %s\n        %s\n", emissions[i].name, emissions[i].meaning);
    printf("\nTARGETS\n");
    for (const PlaitTarget *target = plait_targets; target->name; target++)
        printf("  %s\n        %s\n", target->name, target->meaning);
}
