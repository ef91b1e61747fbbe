/* Calls of a library's operators: tensors over the arguments' memory, on the host or on the first GPU. */
#include <string.h>

#include "driver/library.h"
#include "ir/ir.h"
#include "runtime/device.h"
#include "runtime/runtime.h"

static DLDataType data_type(uint8_t scalar)
{
    static const uint8_t codes[PLAIT_SCALAR_COUNT] = {
        [PLAIT_BOOL] = kDLBool,   [PLAIT_I32] = kDLInt,   [PLAIT_I64] = kDLInt,  [PLAIT_F16] = kDLFloat,
        [PLAIT_BF16] = kDLBfloat, [PLAIT_F32] = kDLFloat, [PLAIT_F64] = kDLFloat};
    return (DLDataType){codes[scalar], (uint8_t)(8 * plait_scalar_bytes((PlaitScalar)scalar)), 1};
}

static bool device_failed(PlaitSession *session, const char *what)
{
    plait_session_error(session, PLAIT_CALL_FAILED, plait_session_text(session, "%s: %s", what, plait_last_error()),
                        "memory for the tensors on the device", "use smaller sizes, or the CPU with --device cpu");
    return false;
}

static bool take_memory(PlaitSession *session, PlaitOperatorCall *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        PlaitArgument *argument = &call->arguments[i];
        if (argument->absent) continue;
        if (plait_device_allocate(argument->bytes, &argument->device) != PLAIT_STATUS_OK)
            return device_failed(session, "memory on the GPU");
        if (plait_device_copy_in(argument->device, argument->host, argument->bytes) != PLAIT_STATUS_OK)
            return device_failed(session, "copying to the GPU");
    }
    return true;
}

static void make_tensors(PlaitSession *session, PlaitOperatorCall *call)
{
    call->tensors = PLAIT_NEW_ARRAY(session->arena, DLTensor, call->count);
    call->pointers = PLAIT_NEW_ARRAY(session->arena, DLTensor *, call->count);
    for (uint32_t i = 0; i < call->count; i++) {
        PlaitArgument *argument = &call->arguments[i];
        if (argument->absent) continue;
        call->tensors[i] = (DLTensor){.data = call->gpu ? argument->device : argument->host,
                                      .device = {call->gpu ? kDLCUDA : kDLCPU, 0},
                                      .ndim = (int32_t)argument->rank,
                                      .dtype = data_type(argument->scalar),
                                      .shape = argument->sizes};
        call->pointers[i] = &call->tensors[i];
    }
}

bool plait_operator_call_begin(PlaitSession *session, PlaitOperatorCall *call)
{
    if (call->gpu && plait_device_count() == 0) {
        plait_session_error(session, PLAIT_DEVICE_MISSING,
                            plait_session_text(session, "no GPU: %s", plait_last_error()),
                            "an NVIDIA GPU and its driver", "run on the CPU with --device cpu");
        return false;
    }
    if (call->gpu && plait_device_use(0) != PLAIT_STATUS_OK) return device_failed(session, "the GPU");
    if (call->gpu && !take_memory(session, call)) return false;
    make_tensors(session, call);
    return true;
}

bool plait_operator_call_run(PlaitOperatorCall *call, const char **message)
{
    PlaitStatus status = call->library->call(call->op->name, call->pointers, call->count, NULL);
    if (status != PLAIT_STATUS_OK) {
        *message = call->library->error();
        return false;
    }
    if (!call->gpu || plait_device_stream_wait(NULL) == PLAIT_STATUS_OK) return true;
    *message = plait_last_error();
    return false;
}

bool plait_operator_call_fetch(PlaitSession *session, PlaitOperatorCall *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        PlaitArgument *argument = &call->arguments[i];
        if (!call->gpu || !argument->output) continue;
        if (plait_device_copy_out(argument->host, argument->device, argument->bytes) != PLAIT_STATUS_OK)
            return device_failed(session, "copying from the GPU");
    }
    return true;
}

bool plait_operator_call_clear(PlaitSession *session, PlaitOperatorCall *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        PlaitArgument *argument = &call->arguments[i];
        if (!argument->output) continue;
        memset(argument->host, 0xFF, argument->bytes);
        if (call->gpu && plait_device_copy_in(argument->device, argument->host, argument->bytes) != PLAIT_STATUS_OK)
            return device_failed(session, "copying to the GPU");
    }
    return true;
}

void plait_operator_call_end(PlaitOperatorCall *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        if (call->arguments[i].device) plait_device_free(call->arguments[i].device);
        call->arguments[i].device = NULL;
    }
}
