/* plait-codegen: from Tile IR to objects and PTX. A process of its own because LLVM aborts on what it cannot select. */
#include "codegen/codegen.h"

#include <stdio.h>
#include <string.h>

#include <llvm-c/Core.h>

#ifndef PLAIT_VERSION
#error "PLAIT_VERSION comes from the build"
#endif

typedef PlaitCodegenStatus Command(PlaitCodegen *codegen);
static Command *const commands[] = {
#define COMMAND(id, name, function, inputs, arguments, meaning) function,
#include "codegen/options.def"
#undef COMMAND
};

static const char *version_text(PlaitArena *arena)
{
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    return plait_arena_printf(arena, "plait %s, LLVM %u.%u.%u", PLAIT_VERSION, major, minor, patch);
}

static PlaitCodegenStatus run(PlaitArena *arena, int count, char **arguments)
{
    PlaitCodegen codegen = {.arena = arena, .names = {.arena = arena}, .sources = {.arena = arena}};
    codegen.diagnostics = (PlaitDiagnostics){.arena = arena, .sources = &codegen.sources};
    codegen.options.compiler = version_text(arena);
    const char *first = count > 1 ? arguments[1] : "";
    if (strcmp(first, "--version") == 0) return printf("%s\n", codegen.options.compiler) < 0;
    if (strcmp(first, "--help") == 0) {
        plait_codegen_print_help();
        return PLAIT_CODEGEN_DONE;
    }
    if (!plait_codegen_read_options(&codegen, count, arguments)) return PLAIT_CODEGEN_REJECTED;
    return commands[codegen.options.command](&codegen);
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    PlaitCodegenStatus status = PLAIT_CODEGEN_REJECTED;
    if (arena && PLAIT_TRY(&failure)) status = run(arena, count, arguments);
    else plait_codegen_say("out of memory");
    plait_arena_destroy(arena);
    return (int)status;
}
