/* The intermediate representation: one container for both levels, Stage IR and Tile IR.
 *
 * A module holds functions: operators (Stage IR: what is computed) and kernels (Tile IR: how). A function is a
 * table of instructions; a value is the index of the instruction that defines it (0: none). Instructions stand
 * in regions, ordered; some own regions (scan, fold, kernel, for). Every operation is a row of scalar_ops.def,
 * common_ops.def, stage_ops.def or tile_ops.def. docs/ir.md explains both levels and their text.
 *
 * Everything belongs to the module's arena and is freed with it.
 */
#ifndef PLAIT_IR_IR_H
#define PLAIT_IR_IR_H

#include <stdbool.h>

#include "ir/base/diagnostics.h"
#include "ir/base/intern.h"

enum { PLAIT_MAX_RANK = 12, PLAIT_MAX_FUNCTION_AXES = 250 };

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
bool plait_scalar_by_text(const char *text, PlaitScalar *scalar);

/* An axis of a function: an index into its axis table. */
typedef uint16_t PlaitAxis;
enum { PLAIT_NO_AXIS = 0xFFFF, PLAIT_RUNTIME_SIZE = -1 };

typedef enum PlaitAxisRole {
    PLAIT_ROLE_FEATURE,
    PLAIT_ROLE_BATCH,
    PLAIT_ROLE_HEAD,
    PLAIT_ROLE_TIME,
    PLAIT_ROLE_COUNT
} PlaitAxisRole;

typedef struct PlaitAxisInfo {
    PlaitName name;
    PlaitAxisRole role;
    int64_t size;      /* number of positions, or PLAIT_RUNTIME_SIZE */
    PlaitAxis same_as; /* an axis of the same extent under another name (attend's second time axis), or PLAIT_NO_AXIS */
    uint32_t tile; /* Tile IR: positions of a tile along this axis (>= size when the whole axis is one tile); 0: never
                      in a tile */
} PlaitAxisInfo;

typedef enum PlaitSpace { PLAIT_SPACE_VALUE, PLAIT_SPACE_SHARED, PLAIT_SPACE_GLOBAL, PLAIT_SPACE_COUNT } PlaitSpace;

/* A type: scalar type and axes in order, no axis twice. Pointwise operations compare axes as sets; the order is
 * that of memory for `global`, and of printing. */
typedef struct PlaitType {
    uint8_t scalar; /* PlaitScalar */
    uint8_t rank;
    uint8_t space;  /* PlaitSpace; Stage IR has only values */
    uint8_t layout; /* Tile IR: index into the kernel's layouts, 0: none assigned */
    PlaitAxis axes[PLAIT_MAX_RANK];
} PlaitType;

typedef uint32_t PlaitValue; /* 0: none */

typedef struct PlaitRegion PlaitRegion;

typedef struct PlaitInst {
    uint16_t op;    /* PlaitOp */
    PlaitType type; /* of an operation with several results or none: bool, rank 0, unused */
    PlaitValue *operands;
    uint32_t operand_count;
    uint8_t axis_count, int_count;
    PlaitAxis *axes;
    int64_t *ints;
    double number;
    PlaitName name;
    PlaitRegion *body;   /* owned region, or NULL */
    PlaitRegion *region; /* where it stands */
    PlaitSpan span;      /* in the .plait source, for messages and line tables */
} PlaitInst;

typedef PLAIT_VECTOR(PlaitValue) PlaitValues;

struct PlaitRegion {
    PlaitValue owner;    /* the instruction that owns the region; 0: the function's body */
    PlaitRegion *parent; /* NULL for the function's body */
    PlaitValues params;  /* ARGUMENT instructions */
    PlaitValues body; /* instructions in order; an operand stands earlier, or in an enclosing region before the owner */
    PlaitValues yields;
};

/* How a tile lies over threads. Element i of an axis of tile size n is held by threads whose field
 * (thread >> bit) & (2^bits - 1) equals (i / vec) mod 2^bits, in register slot (i / (vec << bits)) * vec + i mod vec.
 * Axes of the type that have no entry are held whole by every thread; threads that differ in other bits hold copies. */
typedef struct PlaitLayoutAxis {
    PlaitAxis axis;
    uint8_t bit, bits;
    uint16_t vec;
} PlaitLayoutAxis;

typedef struct PlaitLayout {
    PlaitLayoutAxis axes[PLAIT_MAX_RANK];
    uint8_t count;
} PlaitLayout;

typedef struct PlaitOutput {
    PlaitName name;
    PlaitType type;   /* as declared: storage scalar, axes in the caller's order */
    PlaitValue value; /* same axes in any order, same scalar type */
    PlaitSpan span;
} PlaitOutput;

/* One axis of a kernel's grid: programs start at 0, block, 2 block, ... < extent. First listed varies fastest. */
typedef struct PlaitGridAxis {
    PlaitAxis axis;
    uint32_t block;
} PlaitGridAxis;

typedef struct PlaitFunction {
    struct PlaitModule *module;
    PlaitName name;
    PlaitLevel level;
    PLAIT_VECTOR(PlaitAxisInfo) axes;
    PLAIT_VECTOR(PlaitInst) insts; /* insts.data[0] is unused */
    PlaitRegion *body;
    PlaitSpan span;
    /* Stage IR (operators) */
    PLAIT_VECTOR(PlaitValue) params; /* PARAM instructions in declared order; they stand in `body` too */
    PLAIT_VECTOR(PlaitOutput) outputs;
    /* Tile IR (kernels) */
    PlaitName of;     /* the operator this is a kernel of */
    PlaitName target; /* a row of codegen/targets.def */
    uint32_t threads; /* per program; 1 on the CPU */
    PLAIT_VECTOR(PlaitGridAxis) grid;
    PLAIT_VECTOR(PlaitLayout) layouts; /* layouts.data[0] is unused */
} PlaitFunction;

/* The signature of an operator beside its kernels, in a Tile IR module. Kernels run in the order of the module. */
typedef enum PlaitTensorKind {
    PLAIT_TENSOR_INPUT,
    PLAIT_TENSOR_OUTPUT,
    PLAIT_TENSOR_WORKSPACE,
    PLAIT_TENSOR_KIND_COUNT
} PlaitTensorKind;

typedef struct PlaitTensorInfo {
    PlaitName name; /* unique within the signature */
    PlaitTensorKind kind;
    PlaitType type;  /* axes index the signature's table */
    double fallback; /* inputs: the value when the caller gives none; NaN: it must be given */
} PlaitTensorInfo;

typedef struct PlaitSignature {
    PlaitName name;
    PLAIT_VECTOR(PlaitAxisInfo) axes;
    PLAIT_VECTOR(PlaitTensorInfo) tensors; /* inputs, outputs (both in declared order), then workspaces */
} PlaitSignature;

typedef struct PlaitModule {
    PlaitArena *arena;
    PlaitNames *names;
    PlaitDiagnostics *diagnostics;
    PLAIT_VECTOR(PlaitFunction *) functions;
    PLAIT_VECTOR(PlaitSignature *) signatures; /* Tile IR only */
} PlaitModule;

/* ---- modules, functions, axes ---- */

PlaitModule *plait_module_create(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics);
PlaitFunction *plait_function_create(PlaitModule *module, PlaitLevel level, PlaitName name);
PlaitAxis plait_axis_add(PlaitFunction *function, PlaitAxisInfo info);
PlaitAxis plait_axis_find(const PlaitFunction *function, PlaitName name); /* PLAIT_NO_AXIS when there is none */
const char *plait_axis_text(const PlaitFunction *function, PlaitAxis axis);
/* The axis whose run-time extent `axis` has: follows same_as. */
PlaitAxis plait_axis_extent_of(const PlaitFunction *function, PlaitAxis axis);
static inline PlaitInst *plait_inst(const PlaitFunction *function, PlaitValue value)
{
    return &function->insts.data[value];
}
static inline PlaitType plait_type_of(const PlaitFunction *function, PlaitValue value)
{
    return function->insts.data[value].type;
}
static inline PlaitOp plait_op_of(const PlaitFunction *function, PlaitValue value)
{
    return (PlaitOp)function->insts.data[value].op;
}

/* ---- types ---- */

PlaitType plait_type(PlaitScalar scalar);                     /* rank 0 */
PlaitType plait_type_with(PlaitType type, PlaitAxis axis);    /* adds at the end unless present; plait_bug when full */
PlaitType plait_type_without(PlaitType type, PlaitAxis axis); /* removes if present */
PlaitType plait_type_as(PlaitType type, PlaitScalar scalar);
bool plait_type_has(PlaitType type, PlaitAxis axis);
bool plait_type_same_axes(PlaitType a, PlaitType b); /* as sets */
bool plait_type_equal(PlaitType a, PlaitType b);     /* scalar, axes as sets, space */
PlaitType plait_type_union(PlaitType a,
                           PlaitType b); /* a's scalar and axes, then b's new axes; more than PLAIT_MAX_RANK is a
                                            plait_bug: check plait_type_union_rank first */
uint32_t plait_type_union_rank(PlaitType a, PlaitType b);

/* ---- building ---- */

PlaitRegion *plait_region_create(PlaitFunction *function, PlaitRegion *parent);

/* Where new instructions go, and the place they are blamed on. */
typedef struct PlaitBuilder {
    PlaitFunction *function;
    PlaitRegion *region; /* appended to */
    PlaitSpan span;
} PlaitBuilder;

/* Appends an instruction with no attributes; set those through plait_inst() at once. Operands are copied. */
PlaitValue plait_build(PlaitBuilder *builder, PlaitOp op, PlaitType type, const PlaitValue *operands, uint32_t count);
/* A pointwise operation of scalar_ops.def; the type follows from the operands. */
PlaitValue plait_build_scalar(PlaitBuilder *builder, PlaitOp op, const PlaitValue *operands, uint32_t count);
PlaitValue plait_build_unary(PlaitBuilder *builder, PlaitOp op, PlaitValue x);
PlaitValue plait_build_binary(PlaitBuilder *builder, PlaitOp op, PlaitValue x, PlaitValue y);
PlaitValue plait_build_select(PlaitBuilder *builder, PlaitValue condition, PlaitValue yes, PlaitValue no);
PlaitValue plait_build_cast(PlaitBuilder *builder, PlaitValue x,
                            PlaitScalar scalar); /* x itself when it has that type */
PlaitValue plait_build_const(PlaitBuilder *builder, PlaitScalar scalar, double number);
PlaitValue plait_build_broadcast(PlaitBuilder *builder, PlaitValue x,
                                 PlaitType type); /* to the axes of `type`; x itself when it has them */
PlaitValue plait_build_iota(PlaitBuilder *builder, PlaitAxis axis, PlaitValue start); /* start 0: none */
PlaitValue plait_build_size(PlaitBuilder *builder, PlaitAxis axis);
PlaitValue plait_build_reduce(PlaitBuilder *builder, PlaitOp op, PlaitValue x, PlaitValue mask, const PlaitAxis *axes,
                              uint32_t count); /* mask 0: none */
PlaitValue plait_build_gather(PlaitBuilder *builder, PlaitValue x, PlaitAxis axis, PlaitValue index);
PlaitValue plait_build_conv(PlaitBuilder *builder, PlaitValue x, PlaitValue w, PlaitAxis time, PlaitAxis taps);
PlaitValue plait_build_param(PlaitBuilder *builder, PlaitName name, PlaitType type,
                             double fallback); /* also adds it to function->params */
PlaitValue plait_build_argument(PlaitFunction *function, PlaitRegion *region, PlaitType type, PlaitSpan span);
/* An operation with a region and several results (scan, fold, kernel, for); `body` was created with the current region
 * as parent. */
PlaitValue plait_build_owner(PlaitBuilder *builder, PlaitOp op, const PlaitValue *operands, uint32_t count,
                             PlaitRegion *body);
PlaitValue plait_build_result(PlaitBuilder *builder, PlaitValue owner, uint32_t index, PlaitType type);
void plait_yield(PlaitFunction *function, PlaitRegion *region, PlaitValue value);
void plait_set_axes(PlaitFunction *function, PlaitValue value, const PlaitAxis *axes, uint32_t count);
void plait_set_ints(PlaitFunction *function, PlaitValue value, const int64_t *ints, uint32_t count);

/* The scalar type that a pointwise operation gives for operands of `scalar`; false when it does not take them. */
bool plait_scalar_result(PlaitOp op, PlaitScalar scalar, PlaitScalar *result);
/* The identity of a reduction, as a number of that scalar type. */
double plait_reduce_identity(PlaitOp op, PlaitScalar scalar);

/* ---- looking ---- */

/* Number of results of an owner of several, or of 1. */
uint32_t plait_result_count(const PlaitFunction *function, PlaitValue value);
/* Uses of each value (operands, yields, outputs), indexed by value; from the module's arena. */
uint32_t *plait_use_counts(const PlaitFunction *function);
/* Calls `visit` for every instruction of the region and of the regions inside it, in order, owners before their bodies.
 */
void plait_region_walk(const PlaitFunction *function, const PlaitRegion *region,
                       void (*visit)(void *context, PlaitValue value), void *context);
/* Replaces every use of values by map[value] where that is not 0 (map indexed by value). */
void plait_replace_uses(PlaitFunction *function, const PlaitValue *map);
/* Whether `inner` is `outer` or inside it. */
bool plait_region_inside(const PlaitRegion *inner, const PlaitRegion *outer);

/* ---- text, checking ---- */

/* Text of a module; plait_module_parse reads it back to the same text, byte for byte. */
void plait_module_print(const PlaitModule *module, PlaitText *text);
void plait_function_print(const PlaitFunction *function, PlaitText *text);
void plait_type_print(const PlaitFunction *function, PlaitType type, PlaitText *text);
/* Reads a module from source `source` of the diagnostics' sources; NULL after reporting what is wrong (E07..). */
PlaitModule *plait_module_parse(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics, uint32_t source);
/* Checks every rule of the level; reports E0703 and returns false when one is broken. */
bool plait_module_verify(const PlaitModule *module);
bool plait_function_verify(const PlaitFunction *function);

#endif
