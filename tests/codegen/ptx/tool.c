/* From a .tir file with kernels of a GPU to text, for tests:
 *     ptx-tool FILE.tir TARGET layout|llvm|ptx
 * `layout` prints the module after the pass `layout`; the others go on to LLVM IR before LLVM's passes, or to PTX.
 * A kernel that already has layouts keeps them. The target named in the file is replaced by TARGET.
 */
#include <stdio.h>
#include <string.h>

#include "codegen/machine.h"
#include "ir/text.h"
#include "passes/tile/layout.h"

typedef struct Tool {
    PlaitArena *arena;
    PlaitNames names;
    PlaitSources sources;
    PlaitDiagnostics diagnostics;
} Tool;

static char *read_file(PlaitArena *arena, const char *path, uint32_t *length)
{
    enum { MOST = 1 << 22 };
    char *text = plait_arena_alloc(arena, MOST);
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    *length = (uint32_t)fread(text, 1, MOST - 1, file);
    fclose(file);
    return text;
}

static PlaitModule *parse(Tool *tool, const char *path)
{
    uint32_t length;
    char *text = read_file(tool->arena, path, &length);
    if (!text) return NULL;
    uint32_t source = plait_sources_add(&tool->sources, path, text, length);
    PlaitModule *module = plait_module_parse(tool->arena, &tool->names, &tool->diagnostics, source);
    return module && plait_module_verify(module) ? module : NULL;
}

static void lay_out(PlaitModule *module, const char *target)
{
    for (uint32_t i = 0; i < module->functions.count; i++) {
        PlaitFunction *kernel = module->functions.data[i];
        kernel->target = plait_names_add(module->names, target);
        if (kernel->layouts.count == 1) plait_pass_layout(kernel);
    }
}

/* LLVM IR or PTX; what LLVM finds wrong, or NULL. */
static const char *generate(const PlaitModule *module, const PlaitTarget *target, bool ptx, PlaitText *text)
{
    PlaitCodegenMachine *machine = plait_machine_open(module->arena, target);
    plait_ptx_emit_module(&machine->emit, module, PLAIT_PTX_ALL);
    const char *error = plait_machine_verify(machine);
    if (!ptx || error) plait_machine_print(machine, text);
    else error = plait_machine_optimise(machine);
    if (ptx && !error) error = plait_machine_write(machine, PLAIT_MACHINE_ASSEMBLY, text);
    plait_machine_close(machine);
    return error;
}

static int run(Tool *tool, char **arguments)
{
    PlaitText text = plait_text(tool->arena);
    const PlaitTarget *target = plait_target_by_name(arguments[2]);
    PlaitModule *module = target ? parse(tool, arguments[1]) : NULL;
    if (module) lay_out(module, target->name);
    bool good = module && plait_module_verify(module);
    const char *error = NULL;
    if (good && strcmp(arguments[3], "layout") == 0) plait_module_print(module, &text);
    else if (good) error = generate(module, target, strcmp(arguments[3], "ptx") == 0, &text);
    fputs(plait_text_string(&text), stdout);
    if (error) fprintf(stderr, "LLVM: %s\n", error);
    PlaitText messages = plait_text(tool->arena);
    plait_diagnostics_print(&tool->diagnostics, &messages);
    fputs(plait_text_string(&messages), stderr);
    return !good || error;
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    Tool tool = {.arena = plait_arena_create(&failure)};
    if (count != 4 || !tool.arena || !PLAIT_TRY(&failure)) return 2;
    tool.names.arena = tool.sources.arena = tool.diagnostics.arena = tool.arena;
    tool.diagnostics.sources = &tool.sources;
    int status = run(&tool, arguments);
    plait_arena_destroy(tool.arena);
    return status;
}
