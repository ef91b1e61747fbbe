/* One argument against its descriptor, and the view of its memory. Everything is read once from the DLTensor; a
 * caller's numbers are never multiplied without a check, so that no size or stride can wrap around unnoticed. */
#include "runtime/call.h"

#include <stdio.h>

/* What stays the same while one argument is checked. */
typedef struct Argument {
    const DLTensor *tensor;
    const PlaitTensorDescriptor *info;
    const PlaitAxisDescriptor *axes;
    uint32_t index, bytes;
} Argument;

static const char *axis_name(const Argument *argument, uint32_t position)
{
    return argument->axes[argument->info->axes[position]].name;
}

#define FAIL(status, ...) plait_fail_argument(PLAIT_STATUS_##status, argument->index, argument->info->name, __VA_ARGS__)

static int scalar_code(uint8_t scalar)
{
    static const uint8_t codes[] = {
#define SCALAR(id, text, bytes, code) code,
#include "runtime/scalars.def"
#undef SCALAR
    };
    return scalar < sizeof codes ? codes[scalar] : -1;
}

static bool type_is(DLDataType type, uint8_t scalar)
{
    if (type.lanes != 1 || type.bits != plait_element_bytes(scalar) * 8) return false;
    int code = scalar_code(scalar);
    return type.code == code || (code == kDLBool && type.code == kDLUInt);
}

/* "bf16", "u8", "f32x4", "code 9 of 8 bits" */
static void type_text(DLDataType type, PlaitPiece *text)
{
    static const char *const letters[] = {
        [kDLInt] = "i", [kDLUInt] = "u", [kDLFloat] = "f", [kDLBfloat] = "bf", [kDLComplex] = "complex"};
    if (type.code == kDLBool && type.bits == 8) plait_piece_add(text, "bool");
    else if (type.code < sizeof letters / sizeof *letters && letters[type.code])
        plait_piece_add(text, "%s%d", letters[type.code], type.bits);
    else plait_piece_add(text, "code %d of %d bits", type.code, type.bits);
    if (type.lanes != 1) plait_piece_add(text, "x%d", type.lanes);
}

static PlaitStatus check_type(const Argument *argument)
{
    if (type_is(argument->tensor->dtype, argument->info->scalar)) return PLAIT_STATUS_OK;
    PlaitPiece given = {.length = 0};
    type_text(argument->tensor->dtype, &given);
    return FAIL(WRONG_TYPE, "has elements of type %s, but is declared %s", given.text,
                plait_element_text(argument->info->scalar));
}

static PlaitStatus check_rank(const Argument *argument)
{
    uint32_t rank = argument->info->rank;
    if (argument->tensor->ndim == (int32_t)rank) return PLAIT_STATUS_OK;
    PlaitPiece declared = {.length = 0};
    for (uint32_t i = 0; i < rank; i++) plait_piece_add(&declared, "%s%s", i ? ", " : "", axis_name(argument, i));
    return FAIL(WRONG_RANK, "has %d axes, but is declared with %u: [%s]", argument->tensor->ndim, rank, declared.text);
}

static PlaitStatus check_sizes(const Argument *argument)
{
    if (argument->info->rank == 0) return PLAIT_STATUS_OK;
    if (!argument->tensor->shape) return FAIL(NULL_ARGUMENT, "its shape is NULL");
    for (uint32_t i = 0; i < argument->info->rank; i++) {
        int64_t size = argument->tensor->shape[i];
        if (size < 0) return FAIL(WRONG_SIZE, "axis `%s` has %lld positions", axis_name(argument, i), (long long)size);
        if (size > PLAIT_LARGEST_SIZE)
            return FAIL(WRONG_SIZE, "axis `%s` has %lld positions, more than %d", axis_name(argument, i),
                        (long long)size, PLAIT_LARGEST_SIZE);
    }
    return PLAIT_STATUS_OK;
}

static const char *device_text(int type)
{
    switch (type) {
#define DEVICE(number, name, refusal)                                                                                  \
    case number:                                                                                                       \
        return name;
#include "runtime/devices.def"
#undef DEVICE
    default: return "unknown";
    }
}

static const char *device_refusal(int type)
{
    switch (type) {
#define DEVICE(number, name, refusal)                                                                                  \
    case number:                                                                                                       \
        return refusal;
#include "runtime/devices.def"
#undef DEVICE
    default: return "Plait runs on cpu and cuda";
    }
}

/* The first given argument says where the call runs. Which processor the CPU's memory hangs on does not matter. */
static PlaitStatus check_device(PlaitCall *call, const Argument *argument)
{
    DLDevice device = argument->tensor->device;
    const char *refusal = device_refusal((int)device.device_type);
    if (refusal)
        return FAIL(WRONG_DEVICE, "is on device type %d (%s): %s", (int)device.device_type,
                    device_text((int)device.device_type), refusal);
    if (device.device_type == kDLCPU) device.device_id = 0;
    if (call->device_giver == 0) {
        call->device = device;
        call->device_giver = argument->index + 1;
        return PLAIT_STATUS_OK;
    }
    if (device.device_type == call->device.device_type && device.device_id == call->device.device_id)
        return PLAIT_STATUS_OK;
    return FAIL(WRONG_DEVICE, "is on %s:%d, but `%s` is on %s:%d", device_text((int)device.device_type),
                device.device_id, call->op->variants[0].tensors[call->device_giver - 1].name,
                device_text((int)call->device.device_type), call->device.device_id);
}

static bool is_empty(const Argument *argument)
{
    for (uint32_t i = 0; i < argument->info->rank; i++)
        if (argument->tensor->shape[i] == 0) return true;
    return false;
}

/* The caller's strides, or compact ones. False: a compact stride does not fit in 64 bits. */
static bool find_strides(const Argument *argument, int64_t *strides)
{
    int64_t stride = 1;
    bool fits = true;
    for (uint32_t i = argument->info->rank; i-- > 0;) {
        const DLTensor *tensor = argument->tensor;
        strides[i] = tensor->strides ? tensor->strides[i] : stride;
        /* An empty tensor's strides are never used. */
        if (__builtin_mul_overflow(stride, tensor->shape[i] ? tensor->shape[i] : 1, &stride)) {
            fits = fits && i == 0;
            stride = 0;
        }
    }
    return fits || argument->tensor->strides;
}

/* The range of bytes from the lowest to the highest element. False: it does not fit in the address space. */
static bool find_range(const Argument *argument, PlaitView *view)
{
    int64_t lowest = 0, highest = 0;
    for (uint32_t i = 0; i < argument->info->rank; i++) {
        int64_t reach;
        if (__builtin_mul_overflow(argument->tensor->shape[i] - 1, view->strides[i], &reach)) return false;
        int64_t *end = reach < 0 ? &lowest : &highest;
        if (__builtin_add_overflow(*end, reach, end)) return false;
    }
    int64_t bytes = argument->bytes;
    return !__builtin_add_overflow(highest, 1, &highest) && !__builtin_mul_overflow(lowest, bytes, &lowest) &&
           !__builtin_mul_overflow(highest, bytes, &highest) &&
           !__builtin_add_overflow(view->address, lowest, &view->first) &&
           !__builtin_add_overflow(view->address, highest, &view->end);
}

static uint64_t magnitude(int64_t number) { return number < 0 ? 0 - (uint64_t)number : (uint64_t)number; }

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Whether steps along two axes lead to the same element: i * p = j * q with 0 < i < m, 0 < j < n. */
static bool axes_collide(int64_t m, int64_t p, int64_t n, int64_t q)
{
    uint64_t a = magnitude(p), b = magnitude(q), divisor = greatest_divisor(a, b);
    return b / divisor < (uint64_t)m && a / divisor < (uint64_t)n;
}

/* An output's positions must lie apart. Decided for each axis and each pair of axes; what only three axes together
 * make collide is not found. */
static PlaitStatus check_apart(const Argument *argument, const int64_t *strides)
{
    const int64_t *shape = argument->tensor->shape;
    uint32_t rank = argument->info->rank;
    for (uint32_t i = 0; i < rank; i++)
        if (shape[i] > 1 && strides[i] == 0)
            return FAIL(WRONG_STRIDES, "axis `%s` has stride 0, but the positions of an output must not share memory",
                        axis_name(argument, i));
    for (uint32_t i = 0; i < rank; i++)
        for (uint32_t j = i + 1; j < rank; j++)
            if (shape[i] > 1 && shape[j] > 1 && axes_collide(shape[i], strides[i], shape[j], strides[j]))
                return FAIL(WRONG_STRIDES,
                            "axes `%s` and `%s` overlap, but the positions of an output must not share memory",
                            axis_name(argument, i), axis_name(argument, j));
    return PLAIT_STATUS_OK;
}

static PlaitStatus check_memory(const PlaitCall *call, const Argument *argument, PlaitView *view)
{
    const DLTensor *tensor = argument->tensor;
    bool empty = is_empty(argument);
    bool fits = find_strides(argument, view->strides);
    if (call->shapes_only) return PLAIT_STATUS_OK;
    if (__builtin_add_overflow((uint64_t)(uintptr_t)tensor->data, tensor->byte_offset, &view->address))
        return FAIL(WRONG_STRIDES, "byte_offset leaves the address space");
    if (empty) return PLAIT_STATUS_OK;
    if (!tensor->data) return FAIL(NULL_ARGUMENT, "its data is NULL");
    if (view->address % argument->bytes != 0)
        return FAIL(MISALIGNED, "its address is not a multiple of %u bytes", argument->bytes);
    if (!fits || !find_range(argument, view)) return FAIL(WRONG_STRIDES, "its strides leave the address space");
    return argument->info->kind == PLAIT_VIEW_OUTPUT ? check_apart(argument, view->strides) : PLAIT_STATUS_OK;
}

PlaitStatus plait_call_check_argument(PlaitCall *call, uint32_t index)
{
    const PlaitVariantDescriptor *variant = &call->op->variants[0];
    const PlaitTensorDescriptor *info = &variant->tensors[index];
    const Argument found = {.tensor = call->tensors[index],
                            .info = info,
                            .axes = variant->axes,
                            .index = index,
                            .bytes = plait_element_bytes(info->scalar)};
    const Argument *argument = &found;
    PlaitView *view = &call->views[index];
    if (!argument->tensor) {
        if (!plait_call_is_optional(info)) return FAIL(NULL_ARGUMENT, "is NULL, but has no default");
        view->missing = call->any_missing = true;
        return PLAIT_STATUS_OK;
    }
    if (argument->bytes == 0 || info->rank > PLAIT_DESCRIPTOR_MAX_RANK)
        return FAIL(BAD_LIBRARY, "its descriptor is not valid");
    PlaitStatus status = check_rank(argument);
    if (!status) status = check_type(argument);
    if (!status) status = check_sizes(argument);
    if (!status) status = check_device(call, argument);
    if (!status) status = check_memory(call, argument, view);
    return status;
}
