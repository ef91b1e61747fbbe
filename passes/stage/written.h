/* What a program calls an operation: for what Plait says to whoever wrote the program. */
#ifndef PLAIT_PASSES_STAGE_WRITTEN_H
#define PLAIT_PASSES_STAGE_WRITTEN_H

#include "ir/ir.h"

/* "max[..]" for `reduce.max`; "i32(..)" for a `cast` to i32. */
const char *plait_written(const PlaitInst *inst);

#endif
