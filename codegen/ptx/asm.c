/* Access to global memory and to other threads.
 *
 * Accesses that always happen are ordinary LLVM loads and stores. Those under a predicate are written as PTX: as
 * branches they would be hundreds of blocks. A load of a tensor that the kernel never writes is `constant`: it may go
 * through the read-only path and be moved freely.
 */
#include <string.h>

#include "codegen/ptx/matrix.h"

static LLVMTypeRef integer(const PlaitPtx *ptx, uint32_t bits)
{
    return LLVMIntTypeInContext(ptx->emit->context, bits);
}

/* How an access of `bytes` bytes is cut into registers. */
typedef struct Parts {
    uint32_t count, bits; /* registers, bits of each: 8 (in a 16-bit register), 16, 32 or 64 */
    LLVMTypeRef type;     /* of one register */
} Parts;

static Parts parts_of(const PlaitPtx *ptx, uint32_t bytes)
{
    Parts parts = {1, bytes * 8, NULL};
    if (bytes == 8) parts = (Parts){2, 32, NULL};
    if (bytes == 16) parts = (Parts){4, 32, NULL};
    parts.type = integer(ptx, parts.bits == 8 ? 16 : parts.bits);
    return parts;
}

static const char *constraint_of(Parts parts) { return parts.bits <= 16 ? "h" : parts.bits == 32 ? "r" : "l"; }

/* "{$0, $1, ..}", or "$0" for one, counting from `first`. */
static void add_registers(PlaitText *text, Parts parts, uint32_t first)
{
    plait_text_add(text, parts.count > 1 ? "{" : "");
    for (uint32_t i = 0; i < parts.count; i++) plait_text_printf(text, "%s$%u", i ? ", " : "", first + i);
    plait_text_add(text, parts.count > 1 ? "}" : "");
}

static const char *vector_suffix(Parts parts) { return parts.count == 4 ? ".v4" : parts.count == 2 ? ".v2" : ""; }

static LLVMValueRef inline_asm(LLVMTypeRef type, const char *text, const char *constraints, bool effect)
{
    return LLVMGetInlineAsm(type, text, strlen(text), constraints, strlen(constraints), effect, 0,
                            LLVMInlineAsmDialectATT, 0);
}

static LLVMValueRef predicated_load(PlaitPtx *ptx, Parts parts, LLVMValueRef address, LLVMValueRef predicate,
                                    bool constant)
{
    PlaitArena *arena = ptx->emit->arena;
    PlaitText text = plait_text(arena), constraints = plait_text(arena);
    LLVMTypeRef types[4] = {parts.type, parts.type, parts.type, parts.type};
    LLVMTypeRef result =
        parts.count > 1 ? LLVMStructTypeInContext(ptx->emit->context, types, parts.count, 0) : parts.type;
    plait_text_add(&text, "{ ");
    for (uint32_t i = 0; i < parts.count; i++) {
        plait_text_printf(&text, "mov.b%u $%u, 0; ", parts.bits == 8 ? 16 : parts.bits, i);
        plait_text_printf(&constraints, "=&%s,", constraint_of(parts));
    }
    plait_text_printf(&text, "@$%u ld.global%s%s.%s%u ", parts.count + 1, constant ? ".nc" : "", vector_suffix(parts),
                      parts.bits == 8 ? "u" : "b", parts.bits);
    add_registers(&text, parts, 0);
    plait_text_printf(&text, ", [$%u]; }", parts.count);
    plait_text_printf(&constraints, "l,b%s", constant ? "" : ",~{memory}");
    LLVMTypeRef inputs[] = {integer(ptx, 64), integer(ptx, 1)};
    LLVMTypeRef type = LLVMFunctionType(result, inputs, 2, 0);
    LLVMValueRef function = inline_asm(type, plait_text_string(&text), plait_text_string(&constraints), !constant);
    return LLVMBuildCall2(ptx->emit->builder, type, function, (LLVMValueRef[]){address, predicate}, 2, "");
}

static LLVMValueRef global_pointer(PlaitPtx *ptx, LLVMValueRef address)
{
    return LLVMBuildIntToPtr(ptx->emit->builder, address, LLVMPointerTypeInContext(ptx->emit->context, 1), "");
}

static LLVMValueRef plain_load(PlaitPtx *ptx, LLVMTypeRef type, uint32_t bytes, LLVMValueRef address, bool constant)
{
    LLVMValueRef load = LLVMBuildLoad2(ptx->emit->builder, type, global_pointer(ptx, address), "");
    LLVMSetAlignment(load, bytes);
    if (constant) {
        unsigned kind = LLVMGetMDKindIDInContext(ptx->emit->context, "invariant.load", 14);
        LLVMSetMetadata(load, kind,
                        LLVMMetadataAsValue(ptx->emit->context, LLVMMDNodeInContext2(ptx->emit->context, NULL, 0)));
    }
    return load;
}

/* An element in memory as a value in registers, and back. */
static LLVMValueRef to_register(PlaitPtx *ptx, PlaitScalar scalar, LLVMValueRef value)
{
    if (scalar != PLAIT_BOOL) return value;
    return LLVMBuildICmp(ptx->emit->builder, LLVMIntNE, value, LLVMConstNull(LLVMTypeOf(value)), "");
}

static LLVMValueRef to_memory(PlaitPtx *ptx, PlaitScalar scalar, LLVMValueRef value)
{
    return scalar == PLAIT_BOOL ? LLVMBuildZExt(ptx->emit->builder, value, integer(ptx, 8), "") : value;
}

static LLVMTypeRef memory_type(const PlaitPtx *ptx, PlaitScalar scalar, uint32_t count)
{
    return plait_emit_memory_type(ptx->emit, scalar, count);
}

/* The registers of an access as one value of `count` elements. */
static LLVMValueRef join_parts(PlaitPtx *ptx, Parts parts, LLVMValueRef value, LLVMTypeRef type)
{
    LLVMBuilderRef b = ptx->emit->builder;
    if (parts.bits == 8) return LLVMBuildTrunc(b, value, integer(ptx, 8), "");
    if (parts.count > 1) {
        LLVMValueRef vector = LLVMGetPoison(LLVMVectorType(parts.type, parts.count));
        for (uint32_t i = 0; i < parts.count; i++)
            vector =
                LLVMBuildInsertElement(b, vector, LLVMBuildExtractValue(b, value, i, ""), plait_ptx_int32(ptx, i), "");
        value = vector;
    }
    return LLVMBuildBitCast(b, value, type, "");
}

static bool never(LLVMValueRef predicate) { return predicate && LLVMIsConstant(predicate) && LLVMIsNull(predicate); }

void plait_ptx_load(PlaitPtx *ptx, PlaitScalar scalar, uint32_t count, LLVMValueRef address, LLVMValueRef predicate,
                    bool constant, LLVMValueRef *loaded)
{
    LLVMBuilderRef b = ptx->emit->builder;
    uint32_t bytes = count * plait_scalar_bytes(scalar);
    LLVMTypeRef type = memory_type(ptx, scalar, count);
    LLVMValueRef value = LLVMConstNull(type);
    if (never(predicate)) {
        /* 0 without an access */
    } else if (predicate) {
        Parts parts = parts_of(ptx, bytes);
        value = join_parts(ptx, parts, predicated_load(ptx, parts, address, predicate, constant), type);
    } else {
        value = plain_load(ptx, type, bytes, address, constant);
    }
    for (uint32_t i = 0; i < count; i++)
        loaded[i] = to_register(ptx, scalar,
                                count > 1 ? LLVMBuildExtractElement(b, value, plait_ptx_int32(ptx, i), "") : value);
}

static void predicated_store(PlaitPtx *ptx, Parts parts, LLVMValueRef address, LLVMValueRef predicate,
                             LLVMValueRef value)
{
    PlaitArena *arena = ptx->emit->arena;
    LLVMBuilderRef b = ptx->emit->builder;
    PlaitText text = plait_text(arena), constraints = plait_text(arena);
    LLVMTypeRef types[6] = {integer(ptx, 64), integer(ptx, 1), parts.type, parts.type, parts.type, parts.type};
    LLVMValueRef operands[6] = {address, predicate, value};
    plait_text_printf(&text, "@$1 st.global%s.b%u [$0], ", vector_suffix(parts), parts.bits);
    add_registers(&text, parts, 2);
    plait_text_add(&text, ";");
    plait_text_add(&constraints, "l,b");
    for (uint32_t i = 0; i < parts.count; i++) {
        plait_text_printf(&constraints, ",%s", constraint_of(parts));
        if (parts.count > 1) operands[2 + i] = LLVMBuildExtractElement(b, value, plait_ptx_int32(ptx, i), "");
    }
    plait_text_add(&constraints, ",~{memory}");
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(ptx->emit->context), types, 2 + parts.count, 0);
    LLVMValueRef function = inline_asm(type, plait_text_string(&text), plait_text_string(&constraints), true);
    LLVMBuildCall2(b, type, function, operands, 2 + parts.count, "");
}

void plait_ptx_store(PlaitPtx *ptx, PlaitScalar scalar, uint32_t count, LLVMValueRef address, LLVMValueRef predicate,
                     const LLVMValueRef *stored)
{
    LLVMBuilderRef b = ptx->emit->builder;
    uint32_t bytes = count * plait_scalar_bytes(scalar);
    if (never(predicate)) return;
    LLVMValueRef value = to_memory(ptx, scalar, stored[0]);
    if (count > 1) {
        value = LLVMGetPoison(memory_type(ptx, scalar, count));
        for (uint32_t i = 0; i < count; i++)
            value = LLVMBuildInsertElement(b, value, to_memory(ptx, scalar, stored[i]), plait_ptx_int32(ptx, i), "");
    }
    Parts parts = parts_of(ptx, bytes);
    LLVMTypeRef words = parts.count > 1 ? LLVMVectorType(parts.type, parts.count) : parts.type;
    /* 16-bit numbers as pairs, as they are rounded. */
    if (!predicate && count > 1) value = LLVMBuildBitCast(b, value, words, "");
    if (!predicate) {
        LLVMSetAlignment(LLVMBuildStore(b, value, global_pointer(ptx, address)), bytes);
        return;
    }
    value = parts.bits == 8 ? LLVMBuildZExt(b, value, parts.type, "") : LLVMBuildBitCast(b, value, words, "");
    predicated_store(ptx, parts, address, predicate, value);
}

void plait_ptx_shared_store(PlaitPtx *ptx, PlaitScalar scalar, LLVMValueRef pointer, LLVMValueRef value,
                            LLVMValueRef predicate)
{
    LLVMBuilderRef b = ptx->emit->builder;
    if (never(predicate)) return;
    value = to_memory(ptx, scalar, value);
    if (!predicate) {
        LLVMSetAlignment(LLVMBuildStore(b, value, pointer), plait_scalar_bytes(scalar));
        return;
    }
    uint32_t bits = plait_scalar_bytes(scalar) * 8;
    LLVMTypeRef word = integer(ptx, bits == 8 ? 16 : bits);
    value = bits == 8 ? LLVMBuildZExt(b, value, word, "") : LLVMBuildBitCast(b, value, word, "");
    const char *text = plait_arena_printf(ptx->emit->arena, "@$1 st.shared.b%u [$0], $2;", bits);
    const char *constraints = bits <= 16 ? "l,b,h,~{memory}" : bits == 32 ? "l,b,r,~{memory}" : "l,b,l,~{memory}";
    LLVMTypeRef types[] = {LLVMTypeOf(pointer), integer(ptx, 1), word};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(ptx->emit->context), types, 3, 0);
    LLVMBuildCall2(b, type, inline_asm(type, text, constraints, true), (LLVMValueRef[]){pointer, predicate, value}, 3,
                   "");
}

void plait_ptx_shared_load(PlaitPtx *ptx, PlaitScalar scalar, LLVMValueRef pointer, uint32_t count,
                           LLVMValueRef *loaded)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef value = LLVMBuildLoad2(b, memory_type(ptx, scalar, count), pointer, "");
    uint32_t bytes = count * plait_scalar_bytes(scalar);
    LLVMSetAlignment(value, bytes > 16 ? 16 : bytes);
    for (uint32_t i = 0; i < count; i++)
        loaded[i] = to_register(ptx, scalar,
                                count > 1 ? LLVMBuildExtractElement(b, value, plait_ptx_int32(ptx, i), "") : value);
}

static LLVMValueRef shuffle_word(PlaitPtx *ptx, LLVMValueRef word, uint32_t lane_mask)
{
    static const char name[] = "llvm.nvvm.shfl.sync.bfly.i32";
    unsigned id = LLVMLookupIntrinsicID(name, sizeof name - 1);
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(ptx->emit->module, id, NULL, 0);
    LLVMTypeRef type = LLVMIntrinsicGetType(ptx->emit->context, id, NULL, 0);
    LLVMValueRef operands[] = {plait_ptx_int32(ptx, UINT32_MAX), word, plait_ptx_int32(ptx, lane_mask),
                               plait_ptx_int32(ptx, 31)};
    return LLVMBuildCall2(ptx->emit->builder, type, function, operands, 4, "");
}

LLVMValueRef plait_ptx_shuffle(PlaitPtx *ptx, LLVMValueRef value, PlaitScalar scalar, uint32_t lane_mask)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMTypeRef type = LLVMTypeOf(value);
    if (plait_scalar_bytes(scalar) == 4) {
        LLVMValueRef word = LLVMBuildBitCast(b, value, integer(ptx, 32), "");
        return LLVMBuildBitCast(b, shuffle_word(ptx, word, lane_mask), type, "");
    }
    plait_assert(plait_scalar_bytes(scalar) == 8);
    LLVMTypeRef pair = LLVMVectorType(integer(ptx, 32), 2);
    LLVMValueRef words = LLVMBuildBitCast(b, value, pair, "");
    for (uint32_t i = 0; i < 2; i++) {
        LLVMValueRef word = LLVMBuildExtractElement(b, words, plait_ptx_int32(ptx, i), "");
        words = LLVMBuildInsertElement(b, words, shuffle_word(ptx, word, lane_mask), plait_ptx_int32(ptx, i), "");
    }
    return LLVMBuildBitCast(b, words, type, "");
}

void plait_ptx_barrier(PlaitPtx *ptx)
{
    LLVMValueRef operands[] = {plait_ptx_int32(ptx, ptx->maps ? 1 : 0), plait_ptx_int32(ptx, ptx->kernel->threads)};
    if (ptx->maps) /* the computing threads alone */
        plait_ptx_asm(ptx, LLVMVoidTypeInContext(ptx->emit->context), "barrier.cta.sync.aligned $0, $1;",
                      "r,r,~{memory}", operands, 2);
    else plait_emit_intrinsic(ptx->emit, "llvm.nvvm.barrier.cta.sync.aligned.all", operands, 1);
}
