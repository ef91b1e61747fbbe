/* Inside the PTX code generator: how a load or store reaches its tensor. */
#ifndef PLAIT_CODEGEN_PTX_ACCESS_H
#define PLAIT_CODEGEN_PTX_ACCESS_H

#include "codegen/ptx/ptx.h"

/* The index of one axis of the tensor. A *unit* index is a tile that grows by one along an axis: iota, plus scalars. */
typedef struct PlaitPtxIndex {
    PlaitValue value;
    PlaitAxis along;   /* tensor axis */
    PlaitAxis unit;    /* the axis of a unit index, else PLAIT_NO_AXIS */
    uint64_t multiple; /* a power of two that divides a unit index's start */
    bool inside;       /* no position of the tile is outside of the tensor */
} PlaitPtxIndex;

typedef struct PlaitPtxAccess {
    PlaitValue value; /* the load or store */
    PlaitValue tensor;
    PlaitType type; /* of what is loaded or stored */
    PlaitScalar scalar;
    uint32_t rank; /* axes of the tensor */
    PlaitPtxIndex indices[PLAIT_MAX_RANK];
    uint32_t vec;   /* elements that one instruction of the wide version moves along the last index's unit axis */
    uint32_t bytes; /* that divide addresses there */
    int64_t
        strides[PLAIT_MAX_RANK]; /* of a workspace (no gaps) those that static sizes give, in elements; 0: not known */
    bool sure;                   /* it may be wide in any version */
} PlaitPtxAccess;

PlaitPtxAccess plait_ptx_access(const PlaitFunction *kernel, PlaitValue value);
static inline const PlaitPtxIndex *plait_ptx_last(const PlaitPtxAccess *access)
{
    return &access->indices[access->rank - 1];
}

#endif
