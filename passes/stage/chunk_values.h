/* Inside the pass `chunk`: small steps of writing the fold. In all of them the value 0 stands for 1, or for nothing to
 * add, and what is made of values known before the fold stands before it. */
#ifndef PLAIT_PASSES_STAGE_CHUNK_VALUES_H
#define PLAIT_PASSES_STAGE_CHUNK_VALUES_H

#include "passes/stage/chunk_parts.h"

/* Where an operation on these goes: before the fold, unless something made in the fold is among them. 0 counts not. */
static inline PlaitBuilder *at(PlaitChunk *chunk, PlaitValue x, PlaitValue y, PlaitValue z)
{
    PlaitValue operands[] = {x, y, z};
    bool inside = false;
    for (uint32_t i = 0; i < 3; i++)
        inside |= operands[i] && plait_inst(chunk->function, operands[i])->region == chunk->region;
    chunk->outside.span = chunk->b.span;
    return inside ? &chunk->b : &chunk->outside;
}

/* 0 stands for 1, or for nothing to add. */
static inline PlaitValue binary(PlaitChunk *chunk, PlaitOp op, PlaitValue x, PlaitValue y)
{
    return x && y ? plait_build_binary(at(chunk, x, y, 0), op, x, y) : x ? x : y;
}

static inline PlaitValue unary(PlaitChunk *chunk, PlaitOp op, PlaitValue x)
{
    return plait_build_unary(at(chunk, x, 0, 0), op, x);
}

static inline PlaitValue choice(PlaitChunk *chunk, PlaitValue condition, PlaitValue yes, PlaitValue no)
{
    return plait_build_select(at(chunk, condition, yes, no), condition, yes, no);
}

static inline PlaitValue number(PlaitChunk *chunk, double value)
{
    return plait_build_const(at(chunk, 0, 0, 0), PLAIT_F32, value);
}

/* `value` at the block's other positions s. */
static inline PlaitValue there(PlaitChunk *chunk, PlaitValue value)
{
    if (!value || !plait_type_has(plait_type_of(chunk->function, value), chunk->time)) return value;
    return plait_build_gather(&chunk->b, value, chunk->time, plait_build_iota(&chunk->b, chunk->twin, 0));
}

static inline PlaitValue sum_over(PlaitChunk *chunk, PlaitValue value, PlaitAxis axis, PlaitValue mask)
{
    return plait_build_reduce(&chunk->b, PLAIT_OP_REDUCE_SUM, value, mask, &axis, 1);
}

static inline PlaitValue with_axis(PlaitChunk *chunk, PlaitValue value, PlaitAxis axis)
{
    return plait_build_broadcast(at(chunk, value, 0, 0), value,
                                 plait_type_with(plait_type_of(chunk->function, value), axis));
}

/* What is made in the fold as a 16-bit number. */
static inline PlaitChunkPair rounded(PlaitChunk *chunk, PlaitValue value)
{
    return (PlaitChunkPair){plait_build_cast(&chunk->b, plait_build_cast(&chunk->b, value, PLAIT_BF16), PLAIT_F32), 0};
}

/* A value as an operand of products on the matrix units, which take 16 bits. What is known before the fold is split
 * there into two numbers, which are stored (`fuse`), so that the fold's kernel reads what is ready to be multiplied.
 * What is made in the fold is rounded. */
static inline PlaitChunkPair operand(PlaitChunk *chunk, PlaitValue value)
{
    if (!value) return (PlaitChunkPair){0};
    const PlaitInst *inst = plait_inst(chunk->function, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(chunk->function, inst->operands[0]);
    bool features = false,
         stored = inst->op == PLAIT_OP_CAST &&
                  plait_scalar_is_16_bit((PlaitScalar)plait_type_of(chunk->function, inst->operands[0]).scalar);
    for (uint32_t i = 0; i < inst->type.rank; i++) features |= plait_chunk_is_feature(chunk, inst->type.axes[i]);
    if (stored || !features || !plait_type_has(inst->type, chunk->time)) return (PlaitChunkPair){value, 0};
    PlaitBuilder *builder = at(chunk, value, 0, 0);
    if (builder == &chunk->b) return rounded(chunk, value);
    PlaitValue high = plait_build_cast(builder, value, PLAIT_BF16);
    PlaitValue rest = plait_build_binary(builder, PLAIT_OP_SUB, value, plait_build_cast(builder, high, PLAIT_F32));
    PlaitValue low = plait_build_cast(builder, rest, PLAIT_BF16);
    return (PlaitChunkPair){plait_build_cast(&chunk->b, high, PLAIT_F32), plait_build_cast(&chunk->b, low, PLAIT_F32)};
}

/* What is made in the fold as two 16-bit numbers. */
static inline PlaitChunkPair split(PlaitChunk *chunk, PlaitValue value)
{
    PlaitChunkPair pair = rounded(chunk, value);
    PlaitValue rest = plait_build_binary(&chunk->b, PLAIT_OP_SUB, value, pair.high);
    pair.low = plait_build_cast(&chunk->b, plait_build_cast(&chunk->b, rest, PLAIT_BF16), PLAIT_F32);
    return pair;
}

static inline PlaitChunkPair there_pair(PlaitChunk *chunk, PlaitChunkPair pair)
{
    return (PlaitChunkPair){there(chunk, pair.high), there(chunk, pair.low)};
}

/* The number that a pair stands for. */
static inline PlaitValue joined(PlaitChunk *chunk, PlaitChunkPair pair)
{
    return binary(chunk, PLAIT_OP_ADD, pair.high, pair.low);
}

/* reduce.sum over `axis` of a b; the product of what rounding lost in both is left out. */
static inline PlaitValue product(PlaitChunk *chunk, PlaitChunkPair a, PlaitChunkPair b, PlaitAxis axis)
{
    PlaitValue sum = sum_over(chunk, binary(chunk, PLAIT_OP_MUL, a.high, b.high), axis, 0);
    if (b.low)
        sum = binary(chunk, PLAIT_OP_ADD, sum, sum_over(chunk, binary(chunk, PLAIT_OP_MUL, a.high, b.low), axis, 0));
    if (a.low)
        sum = binary(chunk, PLAIT_OP_ADD, sum, sum_over(chunk, binary(chunk, PLAIT_OP_MUL, a.low, b.high), axis, 0));
    return sum;
}

/* s compared with t. */
static inline PlaitValue compare(PlaitChunk *chunk, PlaitOp op)
{
    PlaitValue t = plait_build_iota(&chunk->b, chunk->time, 0), s = plait_build_iota(&chunk->b, chunk->twin, 0);
    return plait_build_binary(&chunk->b, op, s, t);
}

/* s <= t, or s < t. */
static inline PlaitValue earlier(PlaitChunk *chunk, bool self)
{
    return compare(chunk, self ? PLAIT_OP_LE : PLAIT_OP_LT);
}

/* The position of the block's first token. */
static inline PlaitValue first_token(PlaitChunk *chunk)
{
    PlaitValue t = plait_build_iota(&chunk->b, chunk->time, 0);
    return plait_build_reduce(&chunk->b, PLAIT_OP_REDUCE_MIN, t, 0, &chunk->time, 1);
}

/* The place of t or s in its block. */
static inline PlaitValue place_of(PlaitChunk *chunk, PlaitAxis axis)
{
    return plait_build_binary(&chunk->b, PLAIT_OP_SUB, plait_build_iota(&chunk->b, axis, 0), first_token(chunk));
}

#endif
