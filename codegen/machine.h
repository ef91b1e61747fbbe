/* LLVM's machinery around the IR: contexts, target machines, the pass pipeline, printing and assembling. */
#ifndef PLAIT_CODEGEN_MACHINE_H
#define PLAIT_CODEGEN_MACHINE_H

#include <llvm-c/TargetMachine.h>

#include "codegen/emit.h"

/* All LLVM objects of one compilation. */
typedef struct PlaitMachine {
    PlaitEmit emit;
    LLVMTargetMachineRef machine;
    const char *error; /* the first error that LLVM reported, or NULL */
} PlaitMachine;

typedef enum PlaitMachineOutput { PLAIT_MACHINE_ASSEMBLY, PLAIT_MACHINE_OBJECT } PlaitMachineOutput;

/* An empty module for the target, in which nothing depends on the place or time of the build. To be closed. */
PlaitMachine *plait_machine_open(PlaitArena *arena, const PlaitTarget *target);
void plait_machine_close(PlaitMachine *machine);

/* Each returns NULL, or what LLVM says is wrong, in the arena. */
const char *plait_machine_verify(PlaitMachine *machine);
const char *plait_machine_optimise(PlaitMachine *machine);
const char *plait_machine_write(PlaitMachine *machine, PlaitMachineOutput output, PlaitText *text);

/* Appends the module as LLVM IR. */
void plait_machine_print(const PlaitMachine *machine, PlaitText *text);

#endif
