/* The extension module plait._core: libraries that the compiler built, opened, and their operators called with the
 * arrays of other packages. It is written in Python's stable ABI, so one build serves every Python from 3.10 on; it
 * holds no LLVM and nothing of the compiler.
 *
 *   module.c   load(), the hooks, what the library's tables say
 *   arrays.c   one array -> one DLTensor, without a copy
 *   call.c     one call: arguments by name, extents, outputs, the stream, the library's function
 *
 * The fast path is here, everything rare is Python: a call that it does not know how to make returns NotImplemented,
 * and the package (plait/_operator.py) takes it from there.
 */
#ifndef PLAIT_PYTHON_CORE_H
#define PLAIT_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>

#include <stdbool.h>

#include "runtime/descriptor.h"
#include "runtime/plait.h"

enum { MOST_TENSORS = 64, MOST_AXES = 256 };

/* What kind of array a type is: decided by plait/_arrays.py (`kind_of`), remembered by type. */
typedef enum ArrayKind {
    ARRAY_UNKNOWN,  /* no array */
    ARRAY_NUMPY,    /* __array_struct__ */
    ARRAY_TORCH,    /* the exchange table of DLPack 1.3, and it may ask for a gradient */
    ARRAY_EXCHANGE, /* the exchange table */
    ARRAY_CAPSULE,  /* __dlpack__() */
    ARRAY_ELSEWHERE /* Python decides: tracers, fakes, arrays of JAX */
} ArrayKind;

/* DLPack's table of functions (dlpack.h 1.3, DLPackExchangeAPI), as far as it is used here. */
typedef struct ExchangeTable {
    struct {
        uint32_t major, minor;
        void *previous;
    } head;
    void *allocate, *to_managed, *from_managed;
    int (*to_tensor)(void *array, DLTensor *tensor);
    int (*stream)(DLDeviceType type, int32_t device, void **stream);
} ExchangeTable;

typedef struct ArrayType {
    PyObject *type; /* owned */
    ArrayKind kind;
    const ExchangeTable *exchange; /* of ARRAY_TORCH and ARRAY_EXCHANGE */
} ArrayType;

/* An argument of a call. */
typedef struct Argument {
    DLTensor tensor;
    int64_t shape[PLAIT_DESCRIPTOR_MAX_RANK], strides[PLAIT_DESCRIPTOR_MAX_RANK];
    PyObject *capsule; /* owned: what keeps `tensor` alive, or NULL */
    bool read_only;
} Argument;

/* What plait/_arrays.py does for this module; all are called with the interpreter's lock. */
typedef struct Hooks {
    PyObject *kind_of;    /* (type) -> ArrayKind */
    PyObject *capsule_of; /* (array) -> a capsule of DLPack */
    PyObject *stream_of;  /* (array) -> the address of its package's current stream */
    PyObject *allocators; /* (type, device type, device, element types) -> Allocators.made */
    PyObject *wants_grad; /* () -> whether gradients are recorded */
    PyObject *failed;     /* (status, text): raises; status 0: found here, not by the library */
} Hooks;

extern Hooks plait_hooks;

/* The functions of a library, by dlsym. */
typedef struct Functions {
    PlaitStatus (*call)(const char *name, DLTensor *const *tensors, uint32_t count, void *stream);
    PlaitStatus (*call_with_workspace)(const char *name, DLTensor *const *tensors, uint32_t count, void *stream,
                                       void *workspace, uint64_t bytes);
    PlaitStatus (*measure)(const char *name, DLTensor *const *tensors, uint32_t count, uint64_t *bytes);
    const char *(*error)(void);
} Functions;

enum { KEPT_ALLOCATORS = 4, KEPT_WORKSPACES = 8 };

/* What allocates an operator's outputs, for one type of arrays on one device. */
typedef struct Allocators {
    PyObject *type; /* owned */
    DLDevice device;
    PyObject *made; /* owned: (functions, elements, workspace). functions: one for each output, of a shape; where
                       `elements` is a tuple and not None, of a shape, the strides and the element of that tuple.
                       workspace: of a number of bytes, or None */
} Allocators;

/* How much workspace a call needs on a GPU: the library is asked once for each choice of sizes. */
typedef struct Workspace {
    const PlaitVariantDescriptor *variant; /* NULL: none yet */
    DLDevice device;
    int64_t *extents; /* owned, one for each axis of the variant */
    uint64_t bytes;
} Workspace;

typedef struct Operator {
    PyObject_HEAD const PlaitOperatorDescriptor *tables;
    Functions functions;
    void *handle; /* of dlopen; never closed */
    uint32_t input_count, output_count;
    PyObject *input_names; /* tuple of interned names */
    PyObject *result_type; /* what makes the result of several outputs, from a tuple; or NULL */
    Allocators allocators[KEPT_ALLOCATORS];
    Workspace workspaces[KEPT_WORKSPACES];
    uint32_t next_allocator, next_workspace;
} Operator;

/* Finds out what kind of array it is; false: an exception is set. The type is borrowed from the array. */
bool plait_array_type(PyObject *array, ArrayType *type);

/* 1: described. 0: this is for Python to decide. -1: an exception is set. */
int plait_array_describe(PyObject *array, const ArrayType *type, Argument *argument);

/* The element types of DLPack by PlaitScalar. */
DLDataType plait_array_element(uint8_t scalar);

/* Operator.run(*arguments, out=None, **arguments). */
PyObject *plait_operator_run(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names);

#endif
