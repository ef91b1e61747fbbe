/* One array of another package as a DLTensor, without a copy: NumPy by __array_struct__ (its DLPack knows neither
 * bfloat16 nor arrays that are read only), others by DLPack's exchange table or, where there is none, by __dlpack__. */
#include "core.h"

#include <string.h>

enum { KEPT_TYPES = 16, NOT_SWAPPED = 0x200, WRITEABLE = 0x400, READ_ONLY = 1 /* DLPack's flag */ };

static ArrayType kept[KEPT_TYPES];
static uint32_t kept_count, next_kept;

/* The layout that NumPy documents as PyArrayInterface. */
typedef struct ArrayInterface {
    int two, rank;
    char kind;
    int bytes, flags;
    Py_ssize_t *shape, *strides;
    void *data;
    PyObject *description;
} ArrayInterface;

/* The two structures that a capsule of DLPack may hold. */
typedef struct Managed {
    DLTensor tensor;
} Managed;

typedef struct ManagedVersioned {
    uint32_t major, minor;
    void *context;
    void (*deleter)(struct ManagedVersioned *self);
    uint64_t flags;
    DLTensor tensor;
} ManagedVersioned;

static const ExchangeTable *exchange_table(PyObject *type)
{
    PyObject *capsule = PyObject_GetAttrString(type, "__dlpack_c_exchange_api__");
    if (!capsule) return NULL;
    const ExchangeTable *table = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    Py_DECREF(capsule); /* the table is static */
    if (table && (table->head.major != 1 || !table->to_tensor)) {
        PyErr_SetString(PyExc_RuntimeError, "an exchange table of DLPack of another version");
        return NULL;
    }
    return table;
}

static void remember(ArrayType type)
{
    ArrayType *entry = &kept[next_kept];
    PyObject *before = entry->type;
    next_kept = (next_kept + 1) % KEPT_TYPES;
    if (kept_count < KEPT_TYPES) kept_count++;
    Py_INCREF(type.type);
    *entry = type;
    Py_XDECREF(before);
}

bool plait_array_type(PyObject *array, ArrayType *found)
{
    PyObject *type = (PyObject *)Py_TYPE(array);
    for (uint32_t i = 0; i < kept_count; i++) {
        *found = kept[i];
        if (found->type == type) return true;
    }
    PyObject *answer = PyObject_CallFunctionObjArgs(plait_hooks.kind_of, type, NULL);
    long kind = answer ? PyLong_AsLong(answer) : -1;
    Py_XDECREF(answer);
    if (kind < 0) return false;
    *found = (ArrayType){type, (ArrayKind)kind, NULL};
    if (kind == ARRAY_TORCH || kind == ARRAY_EXCHANGE) {
        found->exchange = exchange_table(type);
        if (!found->exchange) return false;
    }
    remember(*found);
    return true;
}

DLDataType plait_array_element(uint8_t scalar)
{
    static const DLDataType elements[] = {{kDLBool, 8, 1},    {kDLInt, 32, 1},   {kDLInt, 64, 1},  {kDLFloat, 16, 1},
                                          {kDLBfloat, 16, 1}, {kDLFloat, 32, 1}, {kDLFloat, 64, 1}};
    return scalar < sizeof elements / sizeof *elements ? elements[scalar] : (DLDataType){0, 0, 0};
}

/* ---- NumPy ---- */

/* ml_dtypes' bfloat16 is a type of NumPy's kind "V" whose name says what it is. */
static bool is_bfloat16(PyObject *array)
{
    PyObject *type = PyObject_GetAttrString(array, "dtype");
    PyObject *name = type ? PyObject_GetAttrString(type, "name") : NULL;
    bool found = name && PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "bfloat16") == 0;
    Py_XDECREF(type);
    Py_XDECREF(name);
    PyErr_Clear();
    return found;
}

static int numpy_element(PyObject *array, const ArrayInterface *from, DLDataType *element)
{
    static const struct {
        char kind;
        uint8_t code;
    } kinds[] = {{'f', kDLFloat}, {'i', kDLInt}, {'u', kDLUInt}, {'b', kDLBool}, {'c', kDLComplex}};
    bool swapped = from->bytes > 1 && !(from->flags & NOT_SWAPPED);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !swapped; i++) {
        if (kinds[i].kind != from->kind) continue;
        *element = (DLDataType){kinds[i].code, (uint8_t)(from->bytes * 8), 1};
        return 1;
    }
    if (!swapped && from->kind == 'V' && from->bytes == 2 && is_bfloat16(array)) {
        *element = (DLDataType){kDLBfloat, 16, 1};
        return 1;
    }
    return 0;
}

static int describe_numpy(PyObject *array, Argument *argument)
{
    PyObject *capsule = PyObject_GetAttrString(array, "__array_struct__");
    const ArrayInterface *from = capsule ? PyCapsule_GetPointer(capsule, NULL) : NULL;
    if (!from) return -1;
    argument->capsule = capsule;
    argument->read_only = !(from->flags & WRITEABLE);
    DLTensor *tensor = &argument->tensor;
    *tensor = (DLTensor){.data = from->data,
                         .device = {kDLCPU, 0},
                         .ndim = from->rank,
                         .shape = argument->shape,
                         .strides = argument->strides};
    if (from->rank > PLAIT_DESCRIPTOR_MAX_RANK || !numpy_element(array, from, &tensor->dtype)) return 0;
    for (int i = 0; i < from->rank; i++) {
        if (from->strides[i] % from->bytes != 0 && from->shape[i] > 1) return 0;
        argument->shape[i] = from->shape[i];
        argument->strides[i] = from->strides[i] / from->bytes;
    }
    return 1;
}

/* ---- DLPack ---- */

static int describe_exchange(PyObject *array, const ArrayType *type, Argument *argument)
{
    if (type->exchange->to_tensor(array, &argument->tensor) == 0) return 1;
    PyErr_Clear(); /* a tensor that has no memory of its own, or is on a device that DLPack does not know */
    return 0;
}

static int describe_capsule(PyObject *array, Argument *argument)
{
    PyObject *capsule = PyObject_CallFunctionObjArgs(plait_hooks.capsule_of, array, NULL);
    if (!capsule) return -1;
    argument->capsule = capsule;
    if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        const ManagedVersioned *managed = PyCapsule_GetPointer(capsule, "dltensor_versioned");
        argument->tensor = managed->tensor;
        argument->read_only = managed->flags & READ_ONLY;
        return managed->major == 1;
    }
    const Managed *managed = PyCapsule_GetPointer(capsule, "dltensor");
    if (!managed) return -1;
    argument->tensor = managed->tensor;
    return 1;
}

int plait_array_describe(PyObject *array, const ArrayType *type, Argument *argument)
{
    switch (type->kind) {
    case ARRAY_NUMPY: return describe_numpy(array, argument);
    case ARRAY_TORCH:
    case ARRAY_EXCHANGE: return describe_exchange(array, type, argument);
    case ARRAY_CAPSULE: return describe_capsule(array, argument);
    case ARRAY_UNKNOWN:
    case ARRAY_ELSEWHERE: break;
    }
    return 0;
}
