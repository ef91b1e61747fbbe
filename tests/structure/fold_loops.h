/* The loops over tiles that a fold has become, and where they begin and end. */
#ifndef PLAIT_TESTS_STRUCTURE_FOLD_LOOPS_H
#define PLAIT_TESTS_STRUCTURE_FOLD_LOOPS_H

#include "tests/codegen/cpu/arrays.h"

/* Where a kernel is looked at: the first row of the program's block, and the number of positions. */
typedef struct FoldPlace {
    const PlaitFunction *kernel;
    int64_t row, size;
    const TestArray
        *tensors; /* by value of its `tensor` instructions: what it loads bounds from; NULL: it loads none */
} FoldPlace;

/* The number that a scalar of the kernel's body has at a place. */
int64_t fold_number(const FoldPlace *place, PlaitValue value);

enum { FOLD_MOST_LOOPS = 4 };

/* The loops of a kernel, one after another: the parts of one fold. */
typedef struct FoldLoops {
    const PlaitFunction *kernel;
    const PlaitInst *loop[FOLD_MOST_LOOPS];
    uint32_t selects[FOLD_MOST_LOOPS], most_selects, count;
} FoldLoops;
FoldLoops fold_loops(const PlaitFunction *kernel);

#endif
