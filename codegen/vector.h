/* Helpers of the files in this folder that write arithmetic for scalars and vectors alike. */
#ifndef PLAIT_CODEGEN_VECTOR_H
#define PLAIT_CODEGEN_VECTOR_H

#include "codegen/emit.h"

/* Lanes of a value: 1 for a scalar. */
static inline uint32_t plait_lanes(LLVMValueRef value)
{
    LLVMTypeRef type = LLVMTypeOf(value);
    return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetVectorSize(type) : 1;
}

/* An i32 bit pattern in every lane. */
static inline LLVMValueRef plait_bits32(PlaitEmit *emit, uint32_t lanes, uint32_t bits)
{
    return plait_emit_splat(emit, LLVMConstInt(LLVMInt32TypeInContext(emit->context), bits, 0), lanes);
}

#endif
