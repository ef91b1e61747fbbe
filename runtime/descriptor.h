/* What a built library says about itself: constant tables that the compiler emits (codegen/package.c) and the
 * runtime reads. All structures are plain C with natural alignment on x86-64 (checked by _Static_assert there).
 *
 * How a kernel gets its arguments, on every target: one array of int64 slots,
 *     for each tensor of the kernel, in order: its address, then one stride in elements for each of its axes;
 *     for each axis of the kernel's axis table, in order: its extent (number of positions).
 * CPU:  void kernel(const int64_t *slots, int64_t first_program, int64_t end_program)
 * GPU:  one by-value parameter of slot_count * 8 bytes; one program per block of the launch, blockIdx.x = program
 * number; then one more of 128 bytes for each tensor map, in the version with maps. Program numbers are linear: the
 * first axis of the grid varies fastest; an axis has ceil(extent / block) positions.
 */
#ifndef PLAIT_RUNTIME_DESCRIPTOR_H
#define PLAIT_RUNTIME_DESCRIPTOR_H

#include <stdint.h>

enum { PLAIT_DESCRIPTOR_VERSION = 5, PLAIT_DESCRIPTOR_MAX_RANK = 12, PLAIT_MOST_MAPS = 16 /* of a kernel */ };

typedef struct PlaitAxisDescriptor {
    const char *name;
    int64_t size;     /* static size, or -1: taken from the tensors of each call */
    int32_t same_as;  /* index of the axis whose extent it has, or -1 */
    int32_t role;     /* PlaitAxisRole of ir/ir.h: feature 0, batch 1, head 2, time 3 */
    int32_t block;    /* 0, or: the axis has ceil(extent of same_as / block) positions */
    int32_t multiple; /* 0, or: what its extent must be a multiple of */
} PlaitAxisDescriptor;

typedef struct PlaitTensorDescriptor {
    const char *name;
    double fallback; /* NaN: must be given */
    uint8_t kind;    /* 0 input, 1 output, 2 workspace */
    uint8_t scalar;  /* PlaitScalar of ir/ir.h: bool 0, i32 1, i64 2, f16 3, bf16 4, f32 5, f64 6 */
    uint8_t rank;
    uint8_t reserved[5];
    uint16_t axes[PLAIT_DESCRIPTOR_MAX_RANK]; /* into the variant's axes */
} PlaitTensorDescriptor;

/* A tensor map that a kernel's version with maps takes: boxes of 64 elements along the tensor's last axis. */
typedef struct PlaitMapDescriptor {
    uint16_t tensor; /* of the kernel */
    uint16_t rows;   /* the tensor's axis along which a box has rows */
    uint32_t box_rows;
} PlaitMapDescriptor;

typedef struct PlaitKernelDescriptor {
    const char *name;          /* symbol in the GPU image; also for messages */
    const void *functions[4];  /* CPU: for x86-64-v2, v3, v4, v4 with AMX (or that of v4 again); NULL on a GPU */
    const uint16_t *tensors;   /* indices into the variant's tensors */
    const uint16_t *axes;      /* kernel axis -> axis of the variant */
    const uint16_t *grid_axes; /* indices into this kernel's axes */
    const uint32_t *grid_blocks;
    uint32_t tensor_count, axis_count, grid_count;
    uint32_t threads;      /* per program, GPU */
    uint32_t shared_bytes; /* GPU: dynamic shared memory; CPU: of the stack, for tiles */
    uint32_t slot_count;
    /* A second version, for tensors that the copy engine can move; map_count 0: there is none. */
    const char *maps_name;
    const PlaitMapDescriptor *maps;
    const uint8_t *alignments; /* by tensor of the kernel: bytes that divide its address and strides, its last stride
                                  being 1; 0: anything */
    uint32_t map_count, maps_threads, maps_shared_bytes;
    uint32_t late; /* 1: the first version is not in the image's code but in its late part */
} PlaitKernelDescriptor;

typedef struct PlaitImageDescriptor {
    const char *target; /* "sm_90a" */
    /* Zero-terminated text but for the cubin; NULL when not there. cubin and ptx are the same kernels. `late` has those
     * that are hardly ever called, as PTX only: the driver assembles it when the first of them is. */
    const void *cubin, *ptx, *late;
    uint64_t cubin_size, ptx_size, late_size;
    uint32_t architecture; /* 90 */
    uint32_t exact;        /* 1: runs on that architecture only (the `a` suffix) */
} PlaitImageDescriptor;

/* The kernels of one variant for one target, in the order in which they run. */
typedef struct PlaitTargetDescriptor {
    const PlaitImageDescriptor *image; /* NULL: CPU */
    const PlaitKernelDescriptor *kernels;
    uint64_t kernel_count;
} PlaitTargetDescriptor;

/* One choice of static sizes. */
typedef struct PlaitVariantDescriptor {
    const PlaitAxisDescriptor *axes;
    const PlaitTensorDescriptor *tensors; /* inputs, outputs, workspaces */
    const PlaitTargetDescriptor *targets; /* workspaces that a target does not use are not allocated for it */
    uint32_t axis_count, tensor_count, target_count;
    uint32_t argument_count; /* inputs + outputs */
} PlaitVariantDescriptor;

typedef struct PlaitOperatorDescriptor {
    const char *name;
    const PlaitVariantDescriptor *variants; /* same tensors, other static sizes */
    uint64_t variant_count;
} PlaitOperatorDescriptor;

/* Exported from each library as `plait_library`. */
typedef struct PlaitLibraryDescriptor {
    uint32_t version; /* PLAIT_DESCRIPTOR_VERSION */
    uint32_t reserved;
    const PlaitOperatorDescriptor *operators;
    uint64_t operator_count;
    const char *compiler; /* "plait 0.1.0, LLVM 22.1.8, ptxas 13.0" */
} PlaitLibraryDescriptor;

#endif
