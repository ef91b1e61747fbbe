/* Code for this computer from a module that was emitted for a GPU. */
#ifndef PLAIT_TESTS_PTX_MACHINE_JIT_H
#define PLAIT_TESTS_PTX_MACHINE_JIT_H

#include "codegen/machine.h"
#include "tests/codegen/ptx/tiles.h"

/* Compiles the kernels of `machine` and gives the first. The code lives as long as the process. */
TestKernel *test_compile(PlaitMachine *machine);

#endif
