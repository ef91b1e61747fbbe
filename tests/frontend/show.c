/* Compiles one .plait file and prints its Stage IR, or the diagnostics: show FILE [-D axis=n].. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"
#include "ir/text.h"

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    size_t capacity = PLAIT_MAX_FILE_SIZE + 2;
    char *text = malloc(capacity);
    *length = text ? fread(text, 1, capacity, file) : 0;
    fclose(file);
    return text;
}

static int compile(PlaitArena *arena, const char *path, const char *text, size_t length, int argument_count,
                   char **arguments)
{
    PlaitNames names = {.arena = arena};
    PlaitSources sources = {.arena = arena};
    PlaitDiagnostics diagnostics = {.arena = arena, .sources = &sources};
    PlaitAxisSize overrides[64];
    uint32_t count = 0;
    for (int i = 0; i + 1 < argument_count && count < 64; i += 2) {
        const char *equals = strchr(arguments[i + 1], '=');
        if (strcmp(arguments[i], "-D") != 0 || !equals) return 2;
        overrides[count].axis = plait_names_add_bytes(&names, arguments[i + 1], (size_t)(equals - arguments[i + 1]));
        overrides[count++].size = strtoll(equals + 1, NULL, 10);
    }
    const char *slash = strrchr(path, '/');
    uint32_t source = plait_sources_add(&sources, slash ? slash + 1 : path, text, (uint32_t)length);
    PlaitModule *module = plait_frontend_compile(arena, &names, &diagnostics, source, overrides, count);
    PlaitText output = plait_text(arena);
    if (module) plait_module_print(module, &output);
    else plait_diagnostics_print(&diagnostics, &output);
    fputs(plait_text_string(&output), module ? stdout : stderr);
    return module ? 0 : 1;
}

int main(int count, char **arguments)
{
    size_t length;
    char *volatile text = count > 1 ? read_file(arguments[1], &length) : NULL; /* read after a longjmp */
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    int status = 2;
    if (text && arena && PLAIT_TRY(&failure))
        status = compile(arena, arguments[1], text, length, count - 2, arguments + 2);
    plait_arena_destroy(arena);
    free(text);
    return status;
}
