/* Reasons of analyses and passes name the operation that stood in the way. They are read beside the program, which
 * knows `>` and `@`, not `gt` and `gather`: a table of what is called otherwise there. */
#include "passes/stage/written.h"

static const char *const conversions[] = {
#define SCALAR(id, text, bytes, kind) [PLAIT_##id] = text "(..)",
#include "ir/scalars.def"
#undef SCALAR
};

const char *plait_written(const PlaitInst *inst)
{
    switch ((int)inst->op) {
#define WRITTEN(id, text)                                                                                              \
    case PLAIT_OP_##id:                                                                                                \
        return text;
#include "passes/stage/written.def"
#undef WRITTEN
    case PLAIT_OP_CAST: return conversions[inst->type.scalar];
    default: return plait_op_info((PlaitOp)inst->op)->text;
    }
}
