/* Inside the verifier: the state of one check, and the rules of single operations. */
#ifndef PLAIT_IR_VERIFY_H
#define PLAIT_IR_VERIFY_H

#include "ir/ir.h"

typedef struct PlaitVerifier {
    const PlaitFunction *function;
    uint32_t *defined_at;     /* by value: 1 + its position in a walk of the text; 0: not seen yet */
    const PlaitRegion **open; /* regions being walked, outermost first */
    uint32_t open_count, position;
    bool good;
} PlaitVerifier;

/* Reports that `value` breaks `rule` (a printf format); returns false. */
bool plait_verify_fail(PlaitVerifier *verifier, PlaitValue value, const char *rule, ...)
    __attribute__((format(printf, 3, 4)));

/* One function for each row of common_ops.def, stage_ops.def and tile_ops.def: the linker finds a forgotten one. */
#define OP(id, text, least, most, attributes, regions, meaning)                                                        \
    bool plait_verify_##id(PlaitVerifier *verifier, PlaitValue value, const PlaitInst *inst);
#include "ir/common_ops.def"
#include "ir/stage_ops.def"
#include "ir/tile_ops.def"
#undef OP

/* Helpers of the rules. */
PlaitType plait_verify_operand(const PlaitVerifier *verifier, const PlaitInst *inst, uint32_t index);
/* The union of the axes of operands [first, last). */
PlaitType plait_verify_union(const PlaitVerifier *verifier, const PlaitInst *inst, uint32_t first, uint32_t last);
static inline bool plait_verify_scalar_i32(PlaitType type) { return type.scalar == PLAIT_I32 && type.rank == 0; }

#endif
