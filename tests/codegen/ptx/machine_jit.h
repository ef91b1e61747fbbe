/* Code for this computer from a module that was emitted for a GPU. */
#ifndef PLAIT_TESTS_PTX_MACHINE_JIT_H
#define PLAIT_TESTS_PTX_MACHINE_JIT_H

#include <llvm-c/ExecutionEngine.h>

#include "codegen/machine.h"
#include "tests/codegen/ptx/tiles.h"

/* Code that is ready to run: the first of its kernels. */
typedef struct TestCode {
    TestKernel *kernel;
    LLVMExecutionEngineRef engine; /* owns the machine's module */
} TestCode;

/* Compiles the kernels of `machine`. */
TestCode test_compile(PlaitCodegenMachine *machine);
/* Frees the code, and all of the machine. */
void test_code_close(TestCode code, PlaitCodegenMachine *machine);

#endif
