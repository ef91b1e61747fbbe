/* The operations and the scalar types: rows of scalar_ops.def, common_ops.def, stage_ops.def, tile_ops.def,
 * scalars.def. */
#ifndef PLAIT_IR_OPS_H
#define PLAIT_IR_OPS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum PlaitScalar {
#define SCALAR(id, text, bytes, kind) PLAIT_##id,
#include "ir/scalars.def"
#undef SCALAR
    PLAIT_SCALAR_COUNT
} PlaitScalar;

typedef enum PlaitScalarKind { PLAIT_TRUTH, PLAIT_INTEGER, PLAIT_FLOATING } PlaitScalarKind;

typedef enum PlaitOp {
    PLAIT_OP_NONE,
#define SCALAR_OP(id, text, operands, class, meaning) PLAIT_OP_##id,
#include "ir/scalar_ops.def"
#undef SCALAR_OP
#define OP(id, text, least, most, attributes, regions, meaning) PLAIT_OP_##id,
#include "ir/common_ops.def"
#include "ir/stage_ops.def"
#include "ir/tile_ops.def"
#undef OP
    PLAIT_OP_COUNT
} PlaitOp;

typedef enum PlaitLevel { PLAIT_LEVEL_STAGE = 1, PLAIT_LEVEL_TILE = 2, PLAIT_LEVEL_BOTH = 3 } PlaitLevel;

/* Attributes an operation uses. */
enum { A_AXES = 1, A_INTS = 2, A_NUMBER = 4, A_NAME = 8 };

typedef enum PlaitScalarClass {
    PLAIT_CLASS_NONE,
    PLAIT_CLASS_FLOAT,
    PLAIT_CLASS_NUMBER,
    PLAIT_CLASS_COMPARE,
    PLAIT_CLASS_LOGIC
} PlaitScalarClass;

typedef struct PlaitOpInfo {
    const char *text;
    uint8_t least_operands, most_operands;
    uint8_t attributes, regions;
    uint8_t level;        /* PlaitLevel */
    uint8_t scalar_class; /* PlaitScalarClass; NONE unless pointwise by a row of scalar_ops.def */
    const char *meaning;
} PlaitOpInfo;

const PlaitOpInfo *plait_op_info(PlaitOp op);
PlaitOp plait_op_by_text(const char *text); /* PLAIT_OP_NONE when there is none */
static inline bool plait_op_is_scalar(PlaitOp op) { return plait_op_info(op)->scalar_class != PLAIT_CLASS_NONE; }
/* Pointwise: a row of scalar_ops.def, select or cast. */
static inline bool plait_op_is_pointwise(PlaitOp op)
{
    return plait_op_is_scalar(op) || op == PLAIT_OP_SELECT || op == PLAIT_OP_CAST;
}
static inline bool plait_op_is_reduce(PlaitOp op) { return op >= PLAIT_OP_REDUCE_SUM && op <= PLAIT_OP_REDUCE_MIN; }

const char *plait_scalar_text(PlaitScalar scalar);
uint32_t plait_scalar_bytes(PlaitScalar scalar);
PlaitScalarKind plait_scalar_kind(PlaitScalar scalar);
/* `scalar`: a PlaitScalar, or that of a PlaitType. */
static inline bool plait_scalar_is_16_bit(uint32_t scalar) { return scalar == PLAIT_F16 || scalar == PLAIT_BF16; }
bool plait_scalar_by_text(const char *text, PlaitScalar *scalar);

/* The scalar type that a pointwise operation gives for operands of `scalar`; false when it does not take them. */
bool plait_scalar_result(PlaitOp op, PlaitScalar scalar, PlaitScalar *result);
/* The identity of a reduction, as a number of that scalar type. */
double plait_reduce_identity(PlaitOp op, PlaitScalar scalar);

#endif
