/* One call of an operator, from the caller's tensors to the slots of its kernels (descriptor.h).
 *
 *   plait_call_prepare   tensor.c    each argument against its descriptor: a view of its memory
 *                        variant.c   the variant by the static sizes; the extent of every axis
 *                        overlap.c   outputs apart from everything else
 *   the device's part    cpu.c, gpu.c   choose call->target
 *   plait_call_layout    layout.c    offsets of the workspaces, bytes of all
 *   plait_call_place...  layout.c    the addresses that only the device knows
 *   plait_call_slots     layout.c    the arguments of one kernel
 *   plait_call_finish
 *
 * Nothing here is shared between calls. Functions set the text of error.h when they return anything but OK.
 */
#ifndef PLAIT_RUNTIME_CALL_H
#define PLAIT_RUNTIME_CALL_H

#include <stdbool.h>

#include "runtime/descriptor.h"
#include "runtime/error.h"

/* PlaitTensorDescriptor.kind */
enum { PLAIT_VIEW_INPUT, PLAIT_VIEW_OUTPUT, PLAIT_VIEW_WORKSPACE };

enum { PLAIT_LARGEST_SIZE = INT32_MAX, PLAIT_NO_EXTENT = -1 };

/* The memory of one tensor of the variant. */
typedef struct PlaitView {
    uint64_t address; /* of position 0 of every axis; workspaces: an offset until they are placed */
    int64_t strides[PLAIT_DESCRIPTOR_MAX_RANK]; /* in elements */
    uint64_t first, end;                        /* the bytes it touches, [first, end); alike when there are none */
    bool missing; /* an optional input that was not given: all strides 0 but the last, a row for all positions */
    bool used;    /* workspaces: by a kernel of the target */
} PlaitView;

/* Which tensor and which of its axes gave an axis of the variant its extent. */
typedef struct PlaitBinder {
    uint32_t tensor; /* plus 1; 0: nobody yet */
    uint32_t position;
} PlaitBinder;

typedef struct PlaitCall {
    const PlaitOperatorDescriptor *op;
    DLTensor *const *tensors;
    bool shapes_only; /* a question about workspace: addresses are neither needed nor checked */
    const PlaitVariantDescriptor *variant;
    const PlaitTargetDescriptor *target; /* set by the device's part */
    DLDevice device;
    uint32_t device_giver; /* the argument that said so, plus 1 */
    /* One block of memory, owned, for the arrays below. */
    void *memory;
    int64_t *extents;     /* by axis of the variant */
    PlaitBinder *binders; /* likewise */
    PlaitView *views;     /* by tensor of the variant */
    uint64_t *cells;      /* by optional input, in order: a row of its default (plait_call_row) */
    uint32_t cell_count;  /* of all rows */
    bool any_missing;
    int64_t *slots; /* owned; of one kernel at a time */
    uint64_t workspace_bytes;
} PlaitCall;

PlaitStatus plait_call_prepare(PlaitCall *call, const PlaitOperatorDescriptor *op, DLTensor *const *tensors,
                               bool shapes_only);
void plait_call_finish(PlaitCall *call);

/* The argument's type, rank, sizes, device and memory. */
PlaitStatus plait_call_check_argument(PlaitCall *call, uint32_t index);
PlaitStatus plait_call_choose_variant(PlaitCall *call);
PlaitStatus plait_call_check_overlap(const PlaitCall *call);

PlaitStatus plait_call_layout(PlaitCall *call);
/* What an optional input that is not given reads: as many elements as its last axis has, so that it looks like rows of
 * a contiguous tensor, when that is known beforehand and not many; else a single one, for all positions. */
typedef struct PlaitRow {
    uint32_t elements, cells; /* cells: of 8 bytes, a multiple of 16 bytes in all */
} PlaitRow;
bool plait_call_is_optional(const PlaitTensorDescriptor *info);
PlaitRow plait_call_row(const PlaitVariantDescriptor *variant, const PlaitTensorDescriptor *info);

/* The workspaces start at `base`; the rows of missing inputs at `cells`. */
void plait_call_place(PlaitCall *call, uint64_t base, uint64_t cells);
/* Fills call->slots for the kernel and counts its programs. */
PlaitStatus plait_call_slots(PlaitCall *call, const PlaitKernelDescriptor *kernel, int64_t *programs);

/* Element types: number of bytes (0: no such type), text, and a default as bytes of that type. */
uint32_t plait_element_bytes(uint8_t scalar);
const char *plait_element_text(uint8_t scalar);
uint64_t plait_element_cell(uint8_t scalar, double number);

#endif
