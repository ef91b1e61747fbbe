/* Between .npy files and the arguments of a call.
 *
 * NumPy has no bfloat16: a bf16 tensor is a float32 array (rounded to nearest even when read), the '<V2' of ml_dtypes
 * when read, or uint16 bit patterns when the user asks for them.
 */
#include "driver/arrays.h"

#include <errno.h>
#include <string.h>

#include "driver/files.h"
#include "driver/npy.h"
#include "ir/sample.h"

/* The scalar type whose bytes an array of that type has. U16 are bit patterns of bf16. */
static const PlaitScalar scalar_of[PLAIT_NPY_TYPE_COUNT] = {
    [PLAIT_NPY_F64] = PLAIT_F64,   [PLAIT_NPY_F32] = PLAIT_F32, [PLAIT_NPY_F16] = PLAIT_F16,
    [PLAIT_NPY_BF16] = PLAIT_BF16, [PLAIT_NPY_I32] = PLAIT_I32, [PLAIT_NPY_BOOL] = PLAIT_BOOL,
    [PLAIT_NPY_U16] = PLAIT_BF16,
};

static bool accepts(uint8_t scalar, PlaitNpyType type, bool bf16_bits)
{
    if (type == PLAIT_NPY_U16) return scalar == PLAIT_BF16 && bf16_bits;
    if (scalar == PLAIT_BF16) return type == PLAIT_NPY_BF16 || (type == PLAIT_NPY_F32 && !bf16_bits);
    return scalar_of[type] == (PlaitScalar)scalar;
}

/* The type of array that is written for a tensor. */
static PlaitNpyType npy_type(uint8_t scalar, bool bf16_bits)
{
    if (scalar == PLAIT_BF16) return bf16_bits ? PLAIT_NPY_U16 : PLAIT_NPY_F32;
    for (uint32_t i = 0; i < PLAIT_NPY_TYPE_COUNT; i++)
        if (scalar_of[i] == (PlaitScalar)scalar) return (PlaitNpyType)i;
    return PLAIT_NPY_F64;
}

static bool mismatch(PlaitSession *session, const PlaitArgument *argument, const char *path, const char *found,
                     const char *expected, const char *help)
{
    plait_session_error(session, PLAIT_NPY_MISMATCH,
                        plait_session_text(session, "`%s` for `%s`: %s", path, argument->name, found), expected, help);
    return false;
}

bool plait_argument_create(PlaitSession *session, PlaitArgument *argument, const int64_t *sizes)
{
    size_t bytes = plait_scalar_bytes((PlaitScalar)argument->scalar);
    bool empty = false, large = false;
    for (uint32_t i = 0; i < argument->rank; i++) {
        argument->sizes[i] = sizes[i];
        empty = empty || sizes[i] == 0;
    }
    for (uint32_t i = 0; i < argument->rank && !empty && !large; i++) {
        large = (size_t)sizes[i] > PLAIT_ARRAY_LIMIT / bytes;
        if (!large) bytes *= (size_t)sizes[i];
    }
    argument->bytes = empty ? 0 : bytes;
    if (large) {
        plait_session_error(
            session, PLAIT_NPY_MISMATCH,
            plait_session_text(session, "`%s` with more than %zu bytes", argument->name, PLAIT_ARRAY_LIMIT),
            plait_session_text(session, "at most %zu bytes", PLAIT_ARRAY_LIMIT), "use smaller sizes");
        return false;
    }
    argument->host = plait_arena_alloc(session->arena, argument->bytes);
    return true;
}

/* Copies the array's elements, in the order of its axes, whatever their strides. */
static void convert(const PlaitNpy *array, PlaitArgument *argument)
{
    PlaitScalar from = scalar_of[array->type], to = (PlaitScalar)argument->scalar;
    size_t from_bytes = plait_npy_bytes(array->type), to_bytes = plait_scalar_bytes(to);
    const char *source = array->data;
    char *target = argument->host;
    int64_t at[PLAIT_NPY_MAX_RANK] = {0}, offset = 0;
    for (int64_t i = 0; i < array->count; i++, target += to_bytes) {
        const char *element = source + (size_t)offset * from_bytes;
        if (from == to) memcpy(target, element, to_bytes);
        else plait_scalar_store(to, plait_scalar_load(from, element), target);
        for (uint32_t axis = array->rank; axis-- > 0;) {
            offset += array->strides[axis];
            if (++at[axis] < array->sizes[axis]) break;
            offset -= array->strides[axis] * array->sizes[axis];
            at[axis] = 0;
        }
    }
}

/* Whether elements may be copied as one piece. */
static bool is_compact(const PlaitNpy *array)
{
    int64_t stride = 1;
    for (uint32_t axis = array->rank; axis-- > 0; stride *= array->sizes[axis])
        if (array->sizes[axis] > 1 && array->strides[axis] != stride) return false;
    return true;
}

static bool wrong_type(PlaitSession *session, const PlaitArgument *argument, const char *path, const char *found,
                       bool bf16_bits)
{
    const char *expected = plait_npy_type_text(npy_type(argument->scalar, bf16_bits));
    const char *part = strstr(found, "complex") ? ".real" : strcmp(found, "records") == 0 ? "[\"field\"]" : "";
    return mismatch(session, argument, path, plait_session_text(session, "%s elements", found),
                    plait_session_text(session, "%s (the tensor is %s)", expected,
                                       plait_scalar_text((PlaitScalar)argument->scalar)),
                    plait_session_text(session, "convert it in Python: array%s.astype(\"%s\")", part, expected));
}

bool plait_argument_load(PlaitSession *session, PlaitArgument *argument, const char *path, bool bf16_bits)
{
    PlaitBytes bytes;
    PlaitNpy array;
    if (!plait_file_read(session, path, PLAIT_ARRAY_LIMIT, &bytes)) return false;
    const char *wrong = plait_npy_read(session->arena, bytes.data, bytes.length, &array);
    if (wrong && array.foreign) return wrong_type(session, argument, path, array.foreign, bf16_bits);
    if (wrong) {
        plait_session_error(session, PLAIT_NPY_MALFORMED, plait_session_text(session, "`%s`: %s", path, wrong),
                            "a .npy file as numpy.save writes it", "write it again with numpy.save");
        return false;
    }
    if (!accepts(argument->scalar, array.type, bf16_bits))
        return wrong_type(session, argument, path, plait_npy_type_text(array.type), bf16_bits);
    if (array.rank != argument->rank)
        return mismatch(session, argument, path, plait_session_text(session, "%u axes", array.rank),
                        plait_session_text(session, "%u axes", argument->rank),
                        "reshape it, or transpose it to the order of axes in the program");
    if (!plait_argument_create(session, argument, array.sizes)) return false;
    if (scalar_of[array.type] == (PlaitScalar)argument->scalar && is_compact(&array))
        memcpy(argument->host, array.data, argument->bytes);
    else convert(&array, argument);
    return true;
}

/* The bytes to write: the host memory, or float32 made from bf16. */
static const void *bytes_to_write(PlaitSession *session, const PlaitArgument *argument, PlaitNpyType type,
                                  size_t *length)
{
    *length = argument->bytes;
    if (scalar_of[type] == (PlaitScalar)argument->scalar) return argument->host;
    size_t from = plait_scalar_bytes((PlaitScalar)argument->scalar), to = plait_npy_bytes(type),
           count = argument->bytes / from;
    char *converted = plait_arena_array(session->arena, count, to);
    for (size_t i = 0; i < count; i++)
        plait_scalar_store(scalar_of[type],
                           plait_scalar_load((PlaitScalar)argument->scalar, (const char *)argument->host + i * from),
                           converted + i * to);
    *length = count * to;
    return converted;
}

PlaitOutputFile plait_argument_file(PlaitSession *session, const PlaitArgument *argument, const char *path,
                                    bool bf16_bits)
{
    PlaitText header = plait_text(session->arena);
    PlaitNpyType type = npy_type(argument->scalar, bf16_bits);
    plait_npy_header(type, argument->rank, argument->sizes, &header);
    size_t length;
    const void *bytes = bytes_to_write(session, argument, type, &length);
    unsigned char *data = plait_arena_array(session->arena, header.length + length, 1);
    memcpy(data, header.data, header.length);
    if (length) memcpy(data + header.length, bytes, length);
    return (PlaitOutputFile){path, {data, header.length + length}};
}
