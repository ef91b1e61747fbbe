/* Operators as custom calls of XLA, for JAX: plait_xla_cpu and plait_xla_cuda are handlers of its foreign function
 * interface. A call says by its attributes which operator it is (`operator`, a string) and which inputs it gives
 * (`given`, an i64: bit i stands for input i, since those with a default may be left out, and the bit above the last is
 * 1). Nothing of XLA is linked: the host gives its functions in the call. */
#include "runtime/xla.h"

#include <string.h>

#include "runtime/call.h"

enum { MOST_TENSORS = 64, NAME_SIZE = 256 };

typedef struct Call {
    const XlaFrame *frame;
    char name[NAME_SIZE];
    uint64_t given;
    DLDevice device;
    void *stream;
    DLTensor tensors[MOST_TENSORS];
    DLTensor *arguments[MOST_TENSORS];
    uint32_t count;
} Call;

/* XLA's element types are numbers of its own; those that no tensor of Plait has become one that is refused. */
static DLDataType element_of(int type)
{
    static const struct {
        int type;
        DLDataType element;
    } elements[] = {{1, {kDLBool, 8, 1}},    {4, {kDLInt, 32, 1}},      {5, {kDLInt, 64, 1}},
                    {10, {kDLFloat, 16, 1}}, {16, {kDLBfloat, 16, 1}},  {11, {kDLFloat, 32, 1}},
                    {12, {kDLFloat, 64, 1}}, {15, {kDLComplex, 64, 1}}, {18, {kDLComplex, 128, 1}},
                    {2, {kDLInt, 8, 1}},     {3, {kDLInt, 16, 1}},      {6, {kDLUInt, 8, 1}},
                    {7, {kDLUInt, 16, 1}},   {8, {kDLUInt, 32, 1}},     {9, {kDLUInt, 64, 1}}};
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (elements[i].type == type) return elements[i].element;
    return (DLDataType){(uint8_t)type, 0, 1};
}

static XlaError *fail(const XlaFrame *frame, int code, const char *text)
{
    XlaErrorArguments arguments = {.size = sizeof arguments, .message = text, .code = code};
    return frame->api->error_create(&arguments);
}

static XlaError *fail_status(const XlaFrame *frame, PlaitStatus status)
{
    int code = status == PLAIT_STATUS_OUT_OF_MEMORY      ? XLA_RESOURCE_EXHAUSTED
               : status <= PLAIT_STATUS_UNKNOWN_OPERATOR ? XLA_INVALID_ARGUMENT
                                                         : XLA_INTERNAL;
    return fail(frame, code, plait_last_error());
}

static bool is_named(const XlaText *name, const char *text)
{
    return name->length == strlen(text) && memcmp(name->text, text, name->length) == 0;
}

static bool read_attributes(Call *call)
{
    const XlaAttributes *from = &call->frame->attributes;
    bool named = false, given = false;
    for (int64_t i = 0; i < from->count; i++) {
        if (from->kinds[i] == XLA_STRING && is_named(from->names[i], "operator")) {
            const XlaText *text = from->values[i];
            named = text->length < NAME_SIZE;
            if (named) memcpy(call->name, text->text, text->length);
            if (named) call->name[text->length] = '\0';
        } else if (from->kinds[i] == XLA_SCALAR && is_named(from->names[i], "given")) {
            const XlaScalar *scalar = from->values[i];
            given = element_of(scalar->type).bits == 64;
            if (given) memcpy(&call->given, scalar->value, sizeof call->given);
        }
    }
    return named && given;
}

static DLTensor *describe(Call *call, const XlaBuffer *buffer)
{
    DLTensor *tensor = &call->tensors[call->count];
    *tensor = (DLTensor){.data = buffer->data,
                         .device = call->device,
                         .ndim = (int32_t)buffer->rank,
                         .dtype = element_of(buffer->type),
                         .shape = buffer->shape};
    return tensor;
}

/* The arguments in order: an input that is not given is NULL. False: more than there is room for. */
static bool collect(Call *call)
{
    const XlaValues *inputs = &call->frame->arguments, *outputs = &call->frame->results;
    int64_t next = 0;
    for (uint32_t bit = 0; next < inputs->count || (call->given >> bit) > 1; bit++) {
        if (bit >= MOST_TENSORS - 1 || call->count >= MOST_TENSORS) return false;
        bool there = call->given >> bit & 1;
        if (there && next >= inputs->count) return false;
        call->arguments[call->count] = there ? describe(call, inputs->values[next++]) : NULL;
        call->count++;
    }
    for (int64_t i = 0; i < outputs->count; i++, call->count++) {
        if (call->count >= MOST_TENSORS) return false;
        call->arguments[call->count] = describe(call, outputs->values[i]);
    }
    return true;
}

/* The stream and the device of a call on a GPU. */
static XlaError *find_device(Call *call)
{
    const XlaApi *api = call->frame->api;
    XlaStreamArguments stream = {.size = sizeof stream, .context = call->frame->context};
    XlaError *error = api->stream_get(&stream);
    if (error) return error;
    call->stream = stream.stream;
    call->device = (DLDevice){kDLCUDA, 0};
    if (api->size < sizeof *api || !api->ordinal_get) return NULL; /* an older host: the first device */
    XlaOrdinalArguments ordinal = {.size = sizeof ordinal, .context = call->frame->context};
    error = api->ordinal_get(&ordinal);
    call->device.device_id = ordinal.ordinal;
    return error;
}

/* XLA asks at registration what a handler was made for, by an extension of an otherwise empty frame. */
static bool answer_metadata(const XlaFrame *frame)
{
    const XlaExtension *extension = frame->extension;
    if (!extension || extension->type != XLA_EXTENSION_METADATA) return false;
    XlaMetadata *metadata = ((const XlaMetadataExtension *)(const void *)extension)->metadata;
    metadata->version.major = XLA_MAJOR;
    metadata->version.minor = XLA_MINOR;
    metadata->traits = 0;
    return true;
}

static XlaError *handle(const XlaFrame *frame, bool gpu)
{
    if (answer_metadata(frame)) return NULL;
    Call call;
    call.frame = frame;
    call.given = 0;
    call.count = 0;
    call.stream = NULL;
    call.device = (DLDevice){kDLCPU, 0};
    if (!read_attributes(&call))
        return fail(frame, XLA_INVALID_ARGUMENT, "plait: no attributes `operator` and `given`");
    XlaError *error = gpu ? find_device(&call) : NULL;
    if (error) return error;
    if (!collect(&call)) return fail(frame, XLA_INVALID_ARGUMENT, "plait: `given` does not fit the arguments");
    PlaitStatus status = plait_run_named(call.name, call.arguments, call.count, call.stream);
    return status ? fail_status(frame, status) : NULL;
}

__attribute__((visibility("default"))) XlaError *plait_xla_cpu(XlaFrame *frame) { return handle(frame, false); }

__attribute__((visibility("default"))) XlaError *plait_xla_cuda(XlaFrame *frame) { return handle(frame, true); }
