/* The op tables as arrays: facts about operations and scalar types, by number and by text. */
#include <math.h>
#include <string.h>

#include "ir/ir.h"

static const PlaitOpInfo infos[PLAIT_OP_COUNT] = {
    [PLAIT_OP_NONE] = {.text = "none"},
#define SCALAR_OP(id, name, operands, class, meaning)                                                                  \
    [PLAIT_OP_##id] = {name, operands, operands, 0, 0, PLAIT_LEVEL_BOTH, PLAIT_CLASS_##class, meaning},
#include "ir/scalar_ops.def"
#undef SCALAR_OP
#define OP(id, name, least, most, attributes, regions, meaning)                                                        \
    [PLAIT_OP_##id] = {name, least, most, attributes, regions, PLAIT_LEVEL_BOTH, PLAIT_CLASS_NONE, meaning},
#include "ir/common_ops.def"
#undef OP
#define OP(id, name, least, most, attributes, regions, meaning)                                                        \
    [PLAIT_OP_##id] = {name, least, most, attributes, regions, PLAIT_LEVEL_STAGE, PLAIT_CLASS_NONE, meaning},
#include "ir/stage_ops.def"
#undef OP
#define OP(id, name, least, most, attributes, regions, meaning)                                                        \
    [PLAIT_OP_##id] = {name, least, most, attributes, regions, PLAIT_LEVEL_TILE, PLAIT_CLASS_NONE, meaning},
#include "ir/tile_ops.def"
#undef OP
};

static const struct {
    const char *text;
    uint32_t bytes;
    PlaitScalarKind kind;
} scalars[PLAIT_SCALAR_COUNT] = {
#define SCALAR(id, name, bytes, kind) [PLAIT_##id] = {name, bytes, PLAIT_##kind},
#include "ir/scalars.def"
#undef SCALAR
};

const PlaitOpInfo *plait_op_info(PlaitOp op) { return &infos[op]; }

PlaitOp plait_op_by_text(const char *text)
{
    for (int op = 1; op < PLAIT_OP_COUNT; op++)
        if (strcmp(infos[op].text, text) == 0) return (PlaitOp)op;
    return PLAIT_OP_NONE;
}

const char *plait_scalar_text(PlaitScalar scalar) { return scalars[scalar].text; }
uint32_t plait_scalar_bytes(PlaitScalar scalar) { return scalars[scalar].bytes; }
PlaitScalarKind plait_scalar_kind(PlaitScalar scalar) { return scalars[scalar].kind; }

bool plait_scalar_by_text(const char *text, PlaitScalar *scalar)
{
    for (int i = 0; i < PLAIT_SCALAR_COUNT; i++) {
        if (strcmp(scalars[i].text, text) != 0) continue;
        *scalar = (PlaitScalar)i;
        return true;
    }
    return false;
}

bool plait_scalar_result(PlaitOp op, PlaitScalar scalar, PlaitScalar *result)
{
    bool computing_float = scalar == PLAIT_F32 || scalar == PLAIT_F64;
    bool integer = plait_scalar_kind(scalar) == PLAIT_INTEGER;
    switch ((PlaitScalarClass)infos[op].scalar_class) {
    case PLAIT_CLASS_FLOAT: *result = scalar; return computing_float;
    case PLAIT_CLASS_NUMBER: *result = scalar; return computing_float || integer;
    case PLAIT_CLASS_COMPARE: *result = PLAIT_BOOL; return computing_float || integer || scalar == PLAIT_BOOL;
    case PLAIT_CLASS_LOGIC: *result = PLAIT_BOOL; return scalar == PLAIT_BOOL;
    case PLAIT_CLASS_NONE:
    default: return false;
    }
}

double plait_reduce_identity(PlaitOp op, PlaitScalar scalar)
{
    bool integer = plait_scalar_kind(scalar) == PLAIT_INTEGER;
    double largest =
        scalar == PLAIT_I32 ? 2147483647.0 : 9223372036854774784.0; /* i64: the largest double below 2^63 */
    if (op == PLAIT_OP_REDUCE_PROD) return 1;
    if (op == PLAIT_OP_REDUCE_MAX)
        return integer ? (scalar == PLAIT_I32 ? -2147483648.0 : -9223372036854775808.0) : -INFINITY;
    if (op == PLAIT_OP_REDUCE_MIN) return integer ? largest : (double)INFINITY;
    return 0;
}
