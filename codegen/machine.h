/* LLVM's machinery around the IR: contexts, target machines, the pass pipeline, printing and assembling. */
#ifndef PLAIT_CODEGEN_MACHINE_H
#define PLAIT_CODEGEN_MACHINE_H

#include <llvm-c/TargetMachine.h>

#include "codegen/emit.h"

/* All LLVM objects of one compilation. */
typedef struct PlaitCodegenMachine {
    PlaitEmit emit;
    LLVMTargetMachineRef machine;
    const char *error; /* the first error that LLVM reported, or NULL */
} PlaitCodegenMachine;

typedef enum PlaitMachineOutput { PLAIT_MACHINE_ASSEMBLY, PLAIT_MACHINE_OBJECT } PlaitMachineOutput;

/* An empty module for the target, in which nothing depends on the place or time of the build. To be closed. */
PlaitCodegenMachine *plait_machine_open(PlaitArena *arena, const PlaitTarget *target);
void plait_machine_close(PlaitCodegenMachine *machine);

/* Each returns NULL, or what LLVM says is wrong, in the arena. */
const char *plait_machine_verify(PlaitCodegenMachine *machine);
const char *plait_machine_optimise(PlaitCodegenMachine *machine);
const char *plait_machine_write(PlaitCodegenMachine *machine, PlaitMachineOutput output, PlaitText *text);

/* Appends the module as LLVM IR. */
void plait_machine_print(const PlaitCodegenMachine *machine, PlaitText *text);

#endif
