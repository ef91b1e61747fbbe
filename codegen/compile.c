/* The commands `object` and `ptx`: the kernels of one Tile IR module for one target. */
#include "codegen/codegen.h"

static PlaitCodegenStatus broken(const char *step, const char *message)
{
    plait_codegen_say("internal error: %s: %s", step, message);
    return PLAIT_CODEGEN_BROKEN;
}

static PlaitCodegenStatus machine_output(PlaitCodegen *codegen, PlaitCodegenMachine *machine, PlaitText *text)
{
    const char *message = plait_machine_optimise(machine);
    if (message) return broken("LLVM's passes", message);
    if (codegen->options.emission == PLAIT_EMIT_LLVM) {
        plait_machine_print(machine, text);
        return PLAIT_CODEGEN_DONE;
    }
    bool object = codegen->options.emission == PLAIT_EMIT_OBJECT;
    message = plait_machine_write(machine, object ? PLAIT_MACHINE_OBJECT : PLAIT_MACHINE_ASSEMBLY, text);
    return message ? broken("LLVM's code generator", message) : PLAIT_CODEGEN_DONE;
}

PlaitCodegenStatus plait_codegen_finish(PlaitCodegen *codegen, PlaitCodegenMachine *machine)
{
    PlaitText text = plait_text(codegen->arena);
    PlaitCodegenStatus status = PLAIT_CODEGEN_DONE;
    const char *invalid = plait_machine_verify(machine);
    if (invalid) return broken("invalid LLVM IR", invalid);
    if (codegen->options.emission == PLAIT_EMIT_LLVM_RAW) plait_machine_print(machine, &text);
    else status = machine_output(codegen, machine, &text);
    if (status != PLAIT_CODEGEN_DONE) return status;
    return plait_codegen_write_file(codegen, codegen->options.output, &text) ? PLAIT_CODEGEN_DONE
                                                                             : PLAIT_CODEGEN_REJECTED;
}

/* The tables of the package refer to the kernels from another object of the same link; nobody else may. */
static void hide_functions(LLVMModuleRef module)
{
    for (LLVMValueRef function = LLVMGetFirstFunction(module); function; function = LLVMGetNextFunction(function))
        if (!LLVMIsDeclaration(function) && LLVMGetLinkage(function) == LLVMExternalLinkage)
            LLVMSetVisibility(function, LLVMHiddenVisibility);
}

/* A part without kernels has no PTX, so that the library has none of it. */
static PlaitCodegenStatus finish_kernels(PlaitCodegen *codegen, PlaitCodegenMachine *machine)
{
    const PlaitText none = plait_text(codegen->arena);
    if (codegen->options.part != PLAIT_PTX_LATE || LLVMGetFirstFunction(machine->emit.module))
        return plait_codegen_finish(codegen, machine);
    return plait_codegen_write_file(codegen, codegen->options.output, &none) ? PLAIT_CODEGEN_DONE
                                                                             : PLAIT_CODEGEN_REJECTED;
}

PlaitCodegenStatus plait_codegen_compile(PlaitCodegen *codegen)
{
    const PlaitTarget *target = codegen->options.target;
    PlaitModule *module = plait_codegen_read_module(codegen, codegen->options.input);
    if (!module) return PLAIT_CODEGEN_REJECTED;
    PlaitCodegenMachine *machine = plait_machine_open(codegen->arena, target);
    if (target->kind == PLAIT_TARGET_CPU) {
        plait_cpu_emit_module(&machine->emit, module);
        hide_functions(machine->emit.module);
    } else {
        plait_ptx_emit_module(&machine->emit, module, codegen->options.part);
    }
    PlaitCodegenStatus status = PLAIT_CODEGEN_TOO_LARGE;
    if (codegen->diagnostics.error_count == 0) status = finish_kernels(codegen, machine);
    else plait_codegen_print_diagnostics(codegen);
    plait_machine_close(machine);
    return status;
}
