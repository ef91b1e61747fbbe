/* What the code generators of all targets share: a place to put LLVM IR, and the pointwise operations.
 *
 * Code generation reads Tile IR and runs in a process of its own (codegen/main.c), so that an abort inside
 * LLVM is a report of the parent. Nothing outside codegen/ includes an LLVM header.
 */
#ifndef PLAIT_CODEGEN_EMIT_H
#define PLAIT_CODEGEN_EMIT_H

#include <llvm-c/Core.h>

#include "ir/ir.h"
#include "runtime/descriptor.h"

typedef enum PlaitTargetKind { PLAIT_TARGET_CPU, PLAIT_TARGET_PTX } PlaitTargetKind;

typedef struct PlaitTarget {
    const char *name;
    PlaitTargetKind kind;
    const char *llvm_cpu, *llvm_features;
    uint32_t architecture, exact;
    const char *meaning;
} PlaitTarget;

/* By name as in targets.def; NULL when there is none. */
const PlaitTarget *plait_target_by_name(const char *name);
/* All rows; ends with one whose name is NULL. */
extern const PlaitTarget plait_targets[];

typedef struct PlaitIsa {
    const char *suffix, *llvm_cpu, *llvm_features;
    uint32_t vector_bytes;
} PlaitIsa;
enum { PLAIT_ISA_COUNT = 4 };
extern const PlaitIsa plait_isas[PLAIT_ISA_COUNT];
static inline bool plait_isa_has_matrix_units(const PlaitIsa *isa) { return isa == &plait_isas[PLAIT_ISA_COUNT - 1]; }
/* From x86-64-v3 on there are fused multiply-add and f16 conversions. */
static inline bool plait_isa_is_modern(const PlaitIsa *isa) { return isa->vector_bytes >= 32; }

/* Where LLVM IR is being written. Owned by the generator that made it; arena memory is scratch of the process. */
typedef struct PlaitEmit {
    PlaitArena *arena;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMValueRef function; /* being emitted */
    const PlaitTarget *target;
    const PlaitIsa *isa;  /* of the code being emitted; NULL on a GPU */
    const PlaitIsa *only; /* CPU: emit for this level alone; NULL: for all */
} PlaitEmit;

/* LLVM type of a scalar in registers (bool: i1), or in memory (bool: i8); lanes > 1: a vector of them.
 * f16 and bf16 are i16 on the CPU and half and bfloat on a GPU: nothing but loads, stores, selects and casts is done
 * with them. */
LLVMTypeRef plait_emit_type(const PlaitEmit *emit, PlaitScalar scalar, uint32_t lanes);
LLVMTypeRef plait_emit_memory_type(const PlaitEmit *emit, PlaitScalar scalar, uint32_t lanes);
LLVMValueRef plait_emit_number(const PlaitEmit *emit, PlaitScalar scalar, uint32_t lanes, double number);
/* `scalar` (one lane) in every lane. */
LLVMValueRef plait_emit_splat(PlaitEmit *emit, LLVMValueRef value, uint32_t lanes);

/* A row of scalar_ops.def on register values; all operands have the same LLVM type (scalar or vector) of `scalar`.
 * f32 results are within 2 ulp (exp, log, sqrt..) or 4 ulp (tanh, erf, pow, sin and cos up to |x| = 1e5) of the true
 * value on the CPU; on a GPU likewise, except where the unit's approximate instruction is used (listed in
 * codegen/math.c with their errors). */
LLVMValueRef plait_emit_scalar_op(PlaitEmit *emit, PlaitOp op, PlaitScalar scalar, const LLVMValueRef *operands);
LLVMValueRef plait_emit_select(PlaitEmit *emit, LLVMValueRef condition, LLVMValueRef yes, LLVMValueRef no);
LLVMValueRef plait_emit_cast(PlaitEmit *emit, LLVMValueRef value, PlaitScalar from, PlaitScalar to);
/* One step of a reduction: combines two partial results of reduce.sum, .prod, .max or .min. */
LLVMValueRef plait_emit_combine(PlaitEmit *emit, PlaitOp reduce, PlaitScalar scalar, LLVMValueRef a, LLVMValueRef b);
/* Multiply-add a * b + c, one rounding where the machine has it. */
LLVMValueRef plait_emit_fma(PlaitEmit *emit, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
/* A call of an LLVM intrinsic overloaded on the type of its first operand, e.g. "llvm.fma". */
LLVMValueRef plait_emit_intrinsic(PlaitEmit *emit, const char *name, LLVMValueRef *operands, uint32_t count);

/* The arguments of a kernel (runtime/descriptor.h): slot numbers, the same for every target. */
typedef struct PlaitSlots {
    uint32_t
        *tensor_slot; /* by position of the `tensor` instruction in the kernel: slot of its address; strides follow */
    uint32_t *axis_slot; /* by kernel axis: slot of its extent */
    PlaitValue *tensors; /* the kernel's `tensor` instructions in order */
    uint32_t tensor_count, slot_count;
} PlaitSlots;
PlaitSlots plait_slots(PlaitArena *arena, const PlaitFunction *kernel);

/* Entries of a module. Late are the ordinary versions of kernels that have one with tensor maps too, unless tensors of
 * their static sizes never lie so that that one runs: they are hardly ever called, and a long part of what ptxas does.
 */
typedef enum PlaitPtxPart { PLAIT_PTX_ALL, PLAIT_PTX_FIRST /* all but the late ones */, PLAIT_PTX_LATE } PlaitPtxPart;

/* Emits every kernel of `module` whose target is emit->target->name. One entry each:
 * CPU: function "KERNEL.vN" (dots of the kernel's name kept) for every row of isas.def; PTX: entry "KERNEL" with dots
 * replaced by `_`, and one with PLAIT_MAPS_SUFFIX where there is such a version; of these what is in `part`. */
void plait_cpu_emit_module(PlaitEmit *emit, const PlaitModule *module);
void plait_ptx_emit_module(PlaitEmit *emit, const PlaitModule *module, PlaitPtxPart part);
/* What is added to the name of a kernel's entry for the version with tensor maps (codegen/ptx/maps.h). */
#define PLAIT_MAPS_SUFFIX "_maps"
typedef struct PlaitPtxVersion {
    struct {
        uint16_t tensor, rows; /* of the kernel's tensors; of the tensor's axes */
        uint32_t box_rows;
    } maps[PLAIT_MOST_MAPS];
    uint32_t count, threads, shared_bytes;
    uint8_t *alignments; /* by tensor of the kernel */
    bool late;           /* the ordinary version is in PLAIT_PTX_LATE */
} PlaitPtxVersion;
/* Describes that version to the packager; false: the kernel has none on the target. */
bool plait_ptx_maps_version(const PlaitFunction *kernel, const PlaitTarget *target, const PlaitSlots *slots,
                            PlaitPtxVersion *version);
/* Dynamic shared memory that the PTX of a kernel takes at launch: what the generator writes as "plait.shared". */
uint32_t plait_ptx_shared_bytes(const PlaitFunction *kernel);
/* CPU: bytes of the stack that tiles of a program take, at the level that needs most. */
uint32_t plait_cpu_stack_bytes(PlaitArena *arena, const PlaitFunction *kernel);

#endif
