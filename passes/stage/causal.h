/* Masks over pairs of a block's tokens. */
#ifndef PLAIT_PASSES_STAGE_CAUSAL_H
#define PLAIT_PASSES_STAGE_CAUSAL_H

#include "ir/ir.h"

/* Whether a mask lets through only tokens s, positions of `twin`, that are at t, positions of `time`, or before it. */
static inline bool plait_is_causal_mask(const PlaitFunction *function, PlaitValue mask, PlaitAxis time, PlaitAxis twin)
{
    const PlaitInst *inst = plait_inst(function, mask);
    if (inst->op != PLAIT_OP_LE && inst->op != PLAIT_OP_LT) return false;
    const PlaitInst *s = plait_inst(function, inst->operands[0]), *t = plait_inst(function, inst->operands[1]);
    return s->op == PLAIT_OP_IOTA && t->op == PLAIT_OP_IOTA && s->axes[0] == twin && t->axes[0] == time;
}

#endif
