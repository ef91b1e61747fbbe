/* Contexts, target machines, the pass pipeline and output. What LLVM allocates for a compilation is freed here. */
#include "codegen/machine.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

/* The order of loops, unrolling and vectorisation are ours; LLVM only cleans up. A third of the time of default<O2>,
 * the same machine code but for unrolled loops. */
static const char pipeline[] =
    "function(early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm),gvn,dse,adce,simplifycfg)";
/* What stands in a loop of a GPU's kernel stands there on purpose (pass `sink`). */
static const char gpu_pipeline[] =
    "function(early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,gvn,dse,adce,simplifycfg)";

static void initialise(PlaitTargetKind kind)
{
    if (kind == PLAIT_TARGET_PTX) {
        LLVMInitializeNVPTXTargetInfo();
        LLVMInitializeNVPTXTarget();
        LLVMInitializeNVPTXTargetMC();
        LLVMInitializeNVPTXAsmPrinter();
    } else {
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86Target();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmPrinter();
    }
}

static LLVMTargetMachineRef create_machine(const PlaitTarget *target)
{
    bool gpu = target->kind == PLAIT_TARGET_PTX;
    const char *triple = gpu ? "nvptx64-nvidia-cuda" : "x86_64-unknown-linux-gnu";
    LLVMTargetRef found = NULL;
    char *message = NULL;
    initialise(target->kind);
    if (LLVMGetTargetFromTriple(triple, &found, &message)) plait_bug("LLVM has no target %s: %s", triple, message);
    /* On the CPU each function names its level itself. */
    return LLVMCreateTargetMachine(found, triple, gpu ? target->llvm_cpu : "x86-64", target->llvm_features,
                                   LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
}

static LLVMModuleRef create_module(LLVMContextRef context, LLVMTargetMachineRef machine)
{
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("plait", context);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);
    char *triple = LLVMGetTargetMachineTriple(machine);
    LLVMSetTarget(module, triple);
    LLVMDisposeMessage(triple);
    return module;
}

/* LLVM's own handler would end the process. Remarks come here too. */
static void note_error(LLVMDiagnosticInfoRef info, void *context)
{
    PlaitCodegenMachine *machine = context;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError || machine->error) return;
    char *message = LLVMGetDiagInfoDescription(info);
    machine->error = plait_arena_strdup(machine->emit.arena, message);
    LLVMDisposeMessage(message);
}

PlaitCodegenMachine *plait_machine_open(PlaitArena *arena, const PlaitTarget *target)
{
    PlaitCodegenMachine *machine = PLAIT_NEW(arena, PlaitCodegenMachine);
    machine->machine = create_machine(target);
    machine->emit = (PlaitEmit){.arena = arena, .context = LLVMContextCreate(), .target = target};
    machine->emit.module = create_module(machine->emit.context, machine->machine);
    machine->emit.builder = LLVMCreateBuilderInContext(machine->emit.context);
    LLVMContextSetDiagnosticHandler(machine->emit.context, note_error, machine);
    return machine;
}

void plait_machine_close(PlaitCodegenMachine *machine)
{
    LLVMDisposeBuilder(machine->emit.builder);
    LLVMDisposeModule(machine->emit.module);
    LLVMContextDispose(machine->emit.context);
    LLVMDisposeTargetMachine(machine->machine);
}

static const char *kept(PlaitCodegenMachine *machine, char *message)
{
    const char *copy = plait_arena_strdup(machine->emit.arena, message && *message ? message : "unknown error");
    LLVMDisposeMessage(message);
    return copy;
}

const char *plait_machine_verify(PlaitCodegenMachine *machine)
{
    char *message = NULL;
    if (LLVMVerifyModule(machine->emit.module, LLVMReturnStatusAction, &message)) return kept(machine, message);
    LLVMDisposeMessage(message);
    return NULL;
}

const char *plait_machine_optimise(PlaitCodegenMachine *machine)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    bool gpu = machine->emit.target->kind == PLAIT_TARGET_PTX;
    LLVMErrorRef error = LLVMRunPasses(machine->emit.module, gpu ? gpu_pipeline : pipeline, machine->machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (!error) return machine->error;
    char *message = LLVMGetErrorMessage(error);
    const char *copy = plait_arena_strdup(machine->emit.arena, message);
    LLVMDisposeErrorMessage(message);
    return copy;
}

const char *plait_machine_write(PlaitCodegenMachine *machine, PlaitMachineOutput output, PlaitText *text)
{
    char *message = NULL;
    LLVMMemoryBufferRef buffer = NULL;
    LLVMCodeGenFileType type = output == PLAIT_MACHINE_OBJECT ? LLVMObjectFile : LLVMAssemblyFile;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine->machine, machine->emit.module, type, &message, &buffer))
        return kept(machine, message);
    if (!machine->error) plait_text_add_bytes(text, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    return machine->error;
}

void plait_machine_print(const PlaitCodegenMachine *machine, PlaitText *text)
{
    char *printed = LLVMPrintModuleToString(machine->emit.module);
    plait_text_add(text, printed);
    LLVMDisposeMessage(printed);
}
