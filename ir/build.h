/* Making instructions: every one that is made goes through plait_build. */
#ifndef PLAIT_IR_BUILD_H
#define PLAIT_IR_BUILD_H

#include "ir/ir.h"

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
PlaitValue plait_build_solve(PlaitBuilder *builder, PlaitValue matrix, PlaitValue x, PlaitAxis axis, PlaitAxis twin);
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

#endif
