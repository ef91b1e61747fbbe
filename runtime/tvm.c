/* Operators as packed functions of TVM's foreign function interface: the compiler exports __tvm_ffi_NAME for each
 * operator, which calls plait_runtime_tvm_call. Its arguments are the operator's tensors, inputs before outputs, None
 * for an input that is left out; the outputs are the caller's, as everywhere in Plait.
 *
 * The layout is that of tvm/ffi/c_api.h (apache-tvm-ffi 0.1). Its library is not linked: its two functions are weak,
 * and there in every host that makes such a call. */
#include <string.h>

#include "runtime/call.h"
#include "runtime/runtime.h"

enum { TVM_NONE = 0, TVM_TENSOR_POINTER = 7, TVM_TENSOR = 70, TVM_OBJECT_BYTES = 24, MOST_TENSORS = 64 };

struct PlaitTvmValue {
    int32_t type;
    uint32_t padding;
    union {
        int64_t number;
        void *pointer;
        char *object; /* of TVM_TENSOR: a header, then the DLTensor */
    };
};

_Static_assert(sizeof(PlaitTvmValue) == 16, "TVMFFIAny");

extern void TVMFFIErrorSetRaisedFromCStr(const char *kind, const char *message) __attribute__((weak));
extern void *TVMFFIEnvGetStream(int32_t device_type, int32_t device_id) __attribute__((weak));

static int fail(const char *kind, const char *text)
{
    if (TVMFFIErrorSetRaisedFromCStr) TVMFFIErrorSetRaisedFromCStr(kind, text);
    return -1;
}

static bool read_tensor(const PlaitTvmValue *value, DLTensor **tensor)
{
    *tensor = NULL;
    if (value->type == TVM_NONE) return true;
    if (value->type == TVM_TENSOR_POINTER) *tensor = value->pointer;
    else if (value->type == TVM_TENSOR) *tensor = (DLTensor *)(void *)(value->object + TVM_OBJECT_BYTES);
    return *tensor != NULL;
}

static void *stream_of(DLTensor *const *tensors, uint32_t count)
{
    for (uint32_t i = 0; i < count && TVMFFIEnvGetStream; i++)
        if (tensors[i] && tensors[i]->device.device_type != kDLCPU)
            return TVMFFIEnvGetStream((int32_t)tensors[i]->device.device_type, tensors[i]->device.device_id);
    return NULL;
}

int plait_runtime_tvm_call(const PlaitOperatorDescriptor *op, const PlaitTvmValue *values, int32_t count,
                           PlaitTvmValue *result)
{
    DLTensor *tensors[MOST_TENSORS];
    plait_error_begin(op->name);
    uint32_t expected = op->variant_count ? op->variants[0].argument_count : 0;
    if (count < 0 || (uint32_t)count != expected || expected > MOST_TENSORS) {
        plait_fail(PLAIT_STATUS_WRONG_COUNT, "takes %u tensors, but was given %d", expected, count);
        return fail("TypeError", plait_last_error());
    }
    for (uint32_t i = 0; i < expected; i++) {
        if (read_tensor(&values[i], &tensors[i])) continue;
        plait_fail_argument(PLAIT_STATUS_WRONG_TYPE, i, op->variants[0].tensors[i].name, "is no tensor");
        return fail("TypeError", plait_last_error());
    }
    PlaitStatus status = plait_runtime_call(op, tensors, stream_of(tensors, expected), NULL, 0);
    if (status) return fail(status <= PLAIT_STATUS_WRONG_DEVICE ? "ValueError" : "RuntimeError", plait_last_error());
    *result = (PlaitTvmValue){.type = TVM_NONE};
    return 0;
}
