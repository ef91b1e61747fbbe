/* Inside the PTX code generator: a loop being emitted (loop.c). */
#ifndef PLAIT_CODEGEN_PTX_LOOP_H
#define PLAIT_CODEGEN_PTX_LOOP_H

#include "codegen/ptx/ptx.h"

typedef struct PlaitPtxLoop {
    const PlaitInst *inst;
    bool carries; /* the loop's carries are computed */
    bool ring;    /* it has copies by the copy engine */
    uint32_t stages, half_before;
    LLVMBasicBlockRef before, head, body, after;
    LLVMValueRef from, to, step;     /* i32; step > 0 */
    LLVMValueRef position;           /* the phi */
    LLVMValueRef tile, parity;       /* phis of a ring */
    LLVMValueRef start;              /* i32: the first position */
    PlaitValue flying, flying_carry; /* flight.c */
    LLVMValueRef *carry;             /* slots of flying_carry as they come into a turn */
} PlaitPtxLoop;
PlaitPtxLoop plait_ptx_loop_begin(PlaitPtx *ptx, PlaitValue value, bool carries);
void plait_ptx_loop_end(PlaitPtx *ptx, PlaitPtxLoop *loop);

#endif
