/* What a host program needs to call a library that `plait build` made. C and C++.
 *
 * Each operator of the library is one function, declared in the library's own header:
 *
 *     int NAME(const DLTensor *input, ..., DLTensor *output, ..., void *stream);
 *
 * with three more of the same name: NAME_with_workspace, NAME_workspace_bytes, NAME_error.
 *
 * Shapes     Tensors come in the order of the operator's declaration, inputs before outputs; the axes of a tensor in
 *            the order of its type. Axes of the same name have the same number of positions in all tensors, 0 to
 *            2^31 - 1; 0 is valid. `strides` counts elements and may be NULL (compact, last axis fastest); inputs take
 *            any strides, also 0 and negative ones; no two positions of an output may share memory. The
 *            address data + byte_offset is a multiple of the element's size. bool is kDLBool or kDLUInt of 8 bits.
 * Optional   An input that has a default (`x : f32[b] = 0`) may be NULL. Every other tensor must be given.
 * Ownership  The caller owns all tensors and their memory; nothing is kept after the call, except that work on a GPU
 *            goes on in the stream: the memory (not the DLTensors) must live until the stream has passed the call.
 *            An output must not overlap any other argument, judged by the range of addresses from its first to its
 *            last byte; working in place on one tensor is refused too.
 * Devices    All tensors are on one device: kDLCPU, or kDLCUDA with the same device_id. On the CPU `stream` is ignored
 *            and the results are there when the function returns. On a GPU `stream` is a CUstream (cudaStream_t) or
 *            NULL for the default stream; the call only enqueues work and never waits for it. It uses the
 *            calling thread's current context when that is one of the tensors' device, else the device's primary one.
 * Errors     0 (PLAIT_STATUS_OK) or another PlaitStatus; nothing is printed and nothing aborts. plait_error() of the
 *            same thread says what was wrong. A call refused for its arguments has written nothing.
 * Threads    All functions may be called from any number of threads at once. On the CPU a call shares its work among
 *            the library's threads (PLAIT_NUM_THREADS, else OMP_NUM_THREADS, else the processors that the process may
 *            use; read at the first call) unless another call has them: then it runs on the calling thread alone.
 *            The results are the same bits for any number of threads. fork() is safe on the CPU.
 * Capture    Calls on a stream under CUDA graph capture are recorded and can be replayed. The first call of an
 *            operator in a context loads its code (and, when an optional input is NULL, copies a few bytes over a
 *            stream of its own): make one call before capturing to keep that out of the capture's time. So does the
 *            first call with tensors that are not contiguous or not aligned to 16 bytes, whose code the driver may have
 *            to assemble, which takes seconds; it keeps it on disk.
 * Workspace  Temporary memory is found by the library: on the CPU one block is kept for later calls; on a GPU it is
 *            allocated and freed in the order of the stream, from a memory pool of the library's own for each context,
 *            which keeps up to a thirty-second of the device's memory for later calls (the device's own pools are left
 *            as they are). plait_call_with_workspace takes the caller's instead.
 *
 * Several   Every library exports the functions below under these names, for itself. A program that links more than
 * libraries  one of them reaches those of the first only: it calls operators by their own functions, and NAME_error,
 *            NAME_workspace_bytes and NAME_with_workspace, which each operator has beside NAME; or it opens the
 *            libraries with dlopen and looks the functions below up with dlsym in each handle. plait_status_text is
 *            the same in all.
 */
#ifndef PLAIT_PLAIT_H
#define PLAIT_PLAIT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The tensor structures of DLPack (dmlc/dlpack, version 1), for programs without dlpack.h. A program that uses both
 * includes dlpack.h first. */
#ifndef DLPACK_DLPACK_H_
typedef enum { kDLCPU = 1, kDLCUDA = 2, kDLCUDAHost = 3, kDLCUDAManaged = 13 } DLDeviceType;
typedef enum { kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLComplex = 5, kDLBool = 6 } DLDataTypeCode;

typedef struct {
    DLDeviceType device_type;
    int32_t device_id;
} DLDevice;

typedef struct {
    uint8_t code; /* DLDataTypeCode */
    uint8_t bits;
    uint16_t lanes; /* 1 */
} DLDataType;

typedef struct {
    void *data; /* may be NULL when an axis has no positions */
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape;
    int64_t *strides;     /* in elements; NULL: compact, row-major */
    uint64_t byte_offset; /* from data to the first element */
} DLTensor;
#endif

#ifdef __cplusplus
static_assert(sizeof(DLDevice) == 8 && sizeof(DLDataType) == 4 && sizeof(DLTensor) == 48, "DLPack's layout");
#else
_Static_assert(sizeof(DLDevice) == 8 && sizeof(DLDataType) == 4 && sizeof(DLTensor) == 48, "DLPack's layout");
#endif

/* ROW(id, number, text). Numbers are never reused. The table stands here so that this header is enough by itself. */
#define PLAIT_STATUS_TABLE(ROW)                                                                                        \
    ROW(OK, 0, "no error")                                                                                             \
    ROW(NULL_ARGUMENT, 1, "a pointer that must be given is NULL")                                                      \
    ROW(WRONG_COUNT, 2, "the operator has another number of tensors")                                                  \
    ROW(WRONG_RANK, 3, "a tensor has another number of axes than declared")                                            \
    ROW(WRONG_TYPE, 4, "a tensor has another element type than declared")                                              \
    ROW(WRONG_SIZE, 5,                                                                                                 \
        "a size is negative, too large, not that of the same axis in another tensor, or no multiple that is needed")   \
    ROW(UNAVAILABLE_SIZE, 6, "the library was not built for this size of a static axis")                               \
    ROW(WRONG_STRIDES, 7, "strides leave the address space, or positions of an output share memory")                   \
    ROW(MISALIGNED, 8, "an address is not a multiple of what it must be")                                              \
    ROW(OVERLAP, 9, "an output or the workspace overlaps another argument")                                            \
    ROW(WRONG_DEVICE, 10, "a tensor is on another device than the others, or on one that cannot be used")              \
    ROW(WORKSPACE, 11, "the caller's workspace is too small")                                                          \
    ROW(UNKNOWN_OPERATOR, 12, "the library has no operator of this name")                                              \
    ROW(TOO_LARGE, 13, "the sizes ask for more memory or programs than can be addressed")                              \
    ROW(OUT_OF_MEMORY, 14, "memory could not be allocated")                                                            \
    ROW(NO_CODE, 15, "the library holds no code for this device")                                                      \
    ROW(NO_DRIVER, 16, "the CUDA driver is missing, too old, or did not start")                                        \
    ROW(DRIVER, 17, "the CUDA driver reported an error")                                                               \
    ROW(BAD_LIBRARY, 18, "the library's tables contradict themselves")

typedef enum PlaitStatus {
#define PLAIT_STATUS_ROW(id, number, text) PLAIT_STATUS_##id = number,
    PLAIT_STATUS_TABLE(PLAIT_STATUS_ROW)
#undef PLAIT_STATUS_ROW
} PlaitStatus;

/* The alignment of a workspace, in bytes. */
enum { PLAIT_WORKSPACE_ALIGNMENT = 256 };

/* The text of the table above; "unknown status" for other numbers. Never NULL. */
const char *plait_status_text(PlaitStatus status);

/* What the last failed call of this thread into this library found, naming the operator and the argument:
 * "gated_deltanet: argument 2 `k`: axis `t` has 128 positions, but `q` has 127". "" after a call that succeeded.
 * Valid until the thread's next call into the library. */
const char *plait_error(void);

/* Runs an operator by its name: `tensors` holds its `count` inputs and outputs in declared order (NULL for an optional
 * input that is not given). The same as calling its own function. */
PlaitStatus plait_call(const char *operator_name, DLTensor *const *tensors, uint32_t count, void *stream);

/* How many bytes of workspace this call needs (0: none). Reads shapes, types and devices only: data may be NULL. */
PlaitStatus plait_workspace_bytes(const char *operator_name, DLTensor *const *tensors, uint32_t count, uint64_t *bytes);

/* plait_call with the caller's temporary memory, on the tensors' device, aligned to PLAIT_WORKSPACE_ALIGNMENT, at least
 * as large as plait_workspace_bytes says, apart from all tensors, and on a GPU used by nothing else until the stream
 * has passed the call. Its contents before do not matter and after have no meaning. NULL: as plait_call. */
PlaitStatus plait_call_with_workspace(const char *operator_name, DLTensor *const *tensors, uint32_t count, void *stream,
                                      void *workspace, uint64_t workspace_bytes);

#ifdef __cplusplus
}
#endif

#endif
