/* One call of an operator with arrays of Python.
 *
 * The order: arguments by name, each described as a DLTensor, the extent of each axis, the outputs' shapes from these,
 * the outputs (the caller's, or allocated by the package that the first array comes from), on a GPU the stream and the
 * workspace (from that package too, where it offers it), the library's function. Checks are the library's: where the
 * sizes do not fit, it is asked (plait_workspace_bytes) what is wrong. */
#include "core.h"

#include <string.h>

typedef struct Call {
    Operator *op;
    PyObject *arrays[MOST_TENSORS];  /* borrowed: inputs; NULL where not given */
    PyObject *results[MOST_TENSORS]; /* owned: outputs */
    PyObject *out;                   /* borrowed: what the caller gave, or NULL */
    Argument arguments[MOST_TENSORS];
    DLTensor *tensors[MOST_TENSORS];
    int64_t extents[MOST_AXES];
    PyObject *first; /* borrowed: the first array that is given */
    ArrayType first_type;
    PyObject *allocators; /* owned: Allocators.made; NULL until it is needed */
    void *stream;
    PyObject *workspace; /* owned, or NULL: the library has its own */
    void *workspace_memory;
    uint64_t workspace_bytes;
} Call;

/* What a step of a call comes to; FOREIGN: Python has to decide. */
typedef enum Outcome { FINE, FOREIGN, FAILED } Outcome;

static const PlaitVariantDescriptor *first_variant(const Call *call) { return &call->op->tables->variants[0]; }

static const PlaitTensorDescriptor *tensor_info(const Call *call, uint32_t index)
{
    return &first_variant(call)->tensors[index];
}

static uint32_t argument_count(const Call *call) { return call->op->input_count + call->op->output_count; }

/* ---- arguments by name ---- */

/* The index of a name, or -1. Names in calls are interned, as ours are: equal ones are the same object. */
static Py_ssize_t find_name(const Operator *op, PyObject *name)
{
    for (uint32_t i = 0; i < op->input_count; i++)
        if (PyTuple_GetItem(op->input_names, i) == name) return i;
    for (uint32_t i = 0; i < op->input_count; i++)
        if (PyUnicode_Compare(PyTuple_GetItem(op->input_names, i), name) == 0) return i;
    return -1;
}

static bool bind_named(Call *call, PyObject *name, PyObject *value)
{
    Py_ssize_t index = find_name(call->op, name);
    if (index >= 0) {
        if (call->arrays[index]) return false;
        call->arrays[index] = value == Py_None ? NULL : value;
        return true;
    }
    if (PyUnicode_CompareWithASCIIString(name, "out") != 0) return false;
    call->out = value == Py_None ? NULL : value;
    return true;
}

static Outcome bind_arguments(Call *call, PyObject *const *values, Py_ssize_t count, PyObject *names)
{
    const Operator *op = call->op;
    if (argument_count(call) > MOST_TENSORS || count > op->input_count) return FOREIGN;
    for (uint64_t v = 0; v < op->tables->variant_count; v++)
        if (op->tables->variants[v].axis_count > MOST_AXES) return FOREIGN;
    memset(call->arrays, 0, op->input_count * sizeof *call->arrays);
    for (Py_ssize_t i = 0; i < count; i++) call->arrays[i] = values[i] == Py_None ? NULL : values[i];
    for (Py_ssize_t i = 0; names && i < PyTuple_Size(names); i++)
        if (!bind_named(call, PyTuple_GetItem(names, i), values[count + i])) return FOREIGN;
    for (uint32_t i = 0; i < op->input_count; i++) {
        double fallback = tensor_info(call, i)->fallback;
        if (!call->arrays[i] && fallback != fallback) return FOREIGN;
    }
    return FINE;
}

/* ---- arrays ---- */

static PyObject *requires_grad_name(void)
{
    static PyObject *name;
    if (!name) name = PyUnicode_InternFromString("requires_grad");
    return name;
}

/* Whether a gradient of this tensor would be recorded now: 1, 0, or -1 with an exception. */
static int wants_grad(PyObject *tensor)
{
    PyObject *asks = PyObject_GetAttr(tensor, requires_grad_name());
    if (!asks) return -1;
    bool yes = asks == Py_True;
    Py_DECREF(asks);
    if (!yes) return 0;
    PyObject *answer = PyObject_CallFunctionObjArgs(plait_hooks.wants_grad, NULL);
    if (!answer) return -1;
    yes = answer == Py_True;
    Py_DECREF(answer);
    return yes;
}

/* `fresh`: allocated for this call, so that nobody has asked for its gradient. */
static Outcome describe(Call *call, PyObject *array, uint32_t index, bool fresh)
{
    ArrayType type;
    if (!plait_array_type(array, &type)) return FAILED;
    Argument *argument = &call->arguments[index];
    argument->capsule = NULL;
    argument->read_only = false;
    call->tensors[index] = &argument->tensor;
    int gradient = type.kind == ARRAY_TORCH && !fresh ? wants_grad(array) : 0;
    if (gradient) return gradient < 0 ? FAILED : FOREIGN;
    if (!call->first) {
        call->first = array;
        call->first_type = type;
    }
    int described = plait_array_describe(array, &type, argument);
    return described < 0 ? FAILED : described ? FINE : FOREIGN;
}

static Outcome describe_inputs(Call *call)
{
    for (uint32_t i = 0; i < call->op->input_count; i++) {
        call->tensors[i] = NULL;
        if (!call->arrays[i]) continue;
        Outcome outcome = describe(call, call->arrays[i], i, false);
        if (outcome != FINE) return outcome;
    }
    return call->first ? FINE : FOREIGN;
}

/* ---- extents ---- */

static uint32_t root_of(const PlaitVariantDescriptor *variant, uint32_t axis)
{
    for (uint32_t steps = 0; steps < variant->axis_count; steps++) {
        if (variant->axes[axis].same_as < 0 || variant->axes[axis].block) break;
        axis = (uint32_t)variant->axes[axis].same_as;
    }
    return axis;
}

/* Gives the axes of a tensor their extents; false where they do not fit. */
static bool bind_axes(Call *call, const PlaitVariantDescriptor *variant, uint32_t index)
{
    const PlaitTensorDescriptor *info = &variant->tensors[index];
    const DLTensor *tensor = call->tensors[index];
    if (!tensor || !tensor->shape) return true;
    if (tensor->ndim != info->rank) return false;
    for (uint32_t i = 0; i < info->rank; i++) {
        uint32_t axis = root_of(variant, info->axes[i]);
        int64_t size = tensor->shape[i];
        if (call->extents[axis] < 0) call->extents[axis] = size;
        if (call->extents[axis] != size) return false;
    }
    return true;
}

/* Starts from a variant's static sizes and adds those of the inputs. */
static bool bind_inputs(Call *call, const PlaitVariantDescriptor *variant)
{
    for (uint32_t i = 0; i < variant->axis_count; i++)
        call->extents[i] = variant->axes[i].same_as < 0 ? variant->axes[i].size : -1;
    bool fits = true;
    for (uint32_t i = 0; i < call->op->input_count; i++) fits = bind_axes(call, variant, i) && fits;
    return fits;
}

/* The variant that fits the inputs; NULL when none does. */
static const PlaitVariantDescriptor *choose_variant(Call *call)
{
    const PlaitOperatorDescriptor *tables = call->op->tables;
    for (uint64_t v = 0; v < tables->variant_count; v++)
        if (bind_inputs(call, &tables->variants[v])) return &tables->variants[v];
    return NULL;
}

/* Puts the shape of an output into its argument: 0 where nothing says how long an axis is. */
static void shape_output(Call *call, const PlaitVariantDescriptor *variant, uint32_t index)
{
    const PlaitTensorDescriptor *info = &variant->tensors[index];
    Argument *argument = &call->arguments[index];
    for (uint32_t i = 0; i < info->rank; i++) {
        int64_t extent = call->extents[root_of(variant, info->axes[i])];
        argument->shape[i] = extent < 0 ? 0 : extent;
    }
}

static bool is_bound(const Call *call, const PlaitVariantDescriptor *variant, uint32_t index)
{
    const PlaitTensorDescriptor *info = &variant->tensors[index];
    for (uint32_t i = 0; i < info->rank; i++)
        if (call->extents[root_of(variant, info->axes[i])] < 0) return false;
    return true;
}

/* That of the first array. */
static DLDevice device_of(const Call *call)
{
    for (uint32_t i = 0; i < call->op->input_count; i++)
        if (call->tensors[i]) return call->tensors[i]->device;
    return (DLDevice){kDLCPU, 0};
}

/* ---- what went wrong ---- */

static Outcome fail(PlaitStatus status, const char *text)
{
    PyObject *nothing = PyObject_CallFunction(plait_hooks.failed, "is", (int)status, text);
    Py_XDECREF(nothing);
    return FAILED;
}

static Outcome fail_output(const Call *call, uint32_t index, const char *what)
{
    char text[256];
    PyOS_snprintf(text, sizeof text, "%s: argument %u `%s`: %s", call->op->tables->name, index + 1,
                  tensor_info(call, index)->name, what);
    return fail(PLAIT_STATUS_OK, text);
}

/* The sizes do not fit. The library says what is wrong, given outputs without memory. */
static Outcome fail_sizes(Call *call)
{
    const PlaitVariantDescriptor *variant = first_variant(call);
    DLDevice device = device_of(call);
    uint64_t bytes;
    for (uint32_t i = call->op->input_count; i < argument_count(call); i++) {
        Argument *argument = &call->arguments[i];
        shape_output(call, variant, i);
        argument->tensor = (DLTensor){.device = device,
                                      .ndim = tensor_info(call, i)->rank,
                                      .dtype = plait_array_element(tensor_info(call, i)->scalar),
                                      .shape = argument->shape};
        argument->capsule = NULL;
        call->tensors[i] = &argument->tensor;
    }
    const char *name = call->op->tables->name;
    PlaitStatus status = call->op->functions.measure(name, call->tensors, argument_count(call), &bytes);
    return fail(status, status ? call->op->functions.error() : "the sizes of its arguments do not fit each other");
}

/* ---- outputs ---- */

static bool same_device(DLDevice a, DLDevice b) { return a.device_type == b.device_type && a.device_id == b.device_id; }

/* Whether it is the tuple that core.h tells of. */
static bool are_allocators(const Operator *op, PyObject *made)
{
    PyObject *functions = NULL, *elements = NULL, *workspace = NULL;
    return PyTuple_Check(made) && PyArg_ParseTuple(made, "OOO", &functions, &elements, &workspace) &&
           PyTuple_Check(functions) && PyTuple_Size(functions) == op->output_count &&
           (elements == Py_None || (PyTuple_Check(elements) && PyTuple_Size(elements) == op->output_count));
}

static PyObject *ask_allocators(const Call *call, DLDevice device)
{
    PyObject *elements = PyTuple_New(call->op->output_count);
    for (uint32_t i = 0; elements && i < call->op->output_count; i++)
        PyTuple_SetItem(elements, i, PyLong_FromLong(tensor_info(call, call->op->input_count + i)->scalar));
    PyObject *made = elements ? PyObject_CallFunction(plait_hooks.allocators, "OiiN", call->first_type.type,
                                                      (int)device.device_type, (int)device.device_id, elements)
                              : NULL;
    if (made && !are_allocators(call->op, made)) {
        Py_DECREF(made);
        PyErr_SetString(PyExc_SystemError, "the hook `allocators` gives something else");
        return NULL;
    }
    return made;
}

/* A new reference; NULL with an exception. */
static PyObject *allocators_of(const Call *call, DLDevice device)
{
    Operator *op = call->op;
    for (uint32_t i = 0; i < KEPT_ALLOCATORS; i++)
        if (op->allocators[i].type == call->first_type.type && same_device(op->allocators[i].device, device)) {
            Py_INCREF(op->allocators[i].made);
            return op->allocators[i].made;
        }
    PyObject *made = ask_allocators(call, device);
    if (!made) return NULL;
    Allocators *entry = &op->allocators[op->next_allocator], before = *entry;
    op->next_allocator = (op->next_allocator + 1) % KEPT_ALLOCATORS;
    Py_INCREF(call->first_type.type);
    Py_INCREF(made);
    *entry = (Allocators){call->first_type.type, device, made};
    Py_XDECREF(before.type);
    Py_XDECREF(before.made);
    return made;
}

static PyObject *numbers(const int64_t *values, uint32_t count)
{
    PyObject *tuple = PyTuple_New(count);
    for (uint32_t i = 0; tuple && i < count; i++) PyTuple_SetItem(tuple, i, PyLong_FromLongLong(values[i]));
    return tuple;
}

/* Compact ones, as PyTorch has them: an axis without positions counts as one of one. */
static PyObject *compact_strides(const int64_t *shape, uint32_t rank)
{
    int64_t strides[PLAIT_DESCRIPTOR_MAX_RANK], stride = 1;
    for (uint32_t i = rank; i-- > 0;) {
        strides[i] = stride;
        if (__builtin_mul_overflow(stride, shape[i] > 1 ? shape[i] : 1, &stride)) stride = 0; /* memory ends before */
    }
    return numbers(strides, rank);
}

static PyObject *allocate(const Call *call, uint32_t index)
{
    uint32_t rank = tensor_info(call, index)->rank, output = index - call->op->input_count;
    PyObject *function = PyTuple_GetItem(PyTuple_GetItem(call->allocators, 0), output);
    PyObject *elements = PyTuple_GetItem(call->allocators, 1);
    PyObject *shape = numbers(call->arguments[index].shape, rank), *array = NULL;
    if (shape && elements == Py_None) {
        array = PyObject_CallFunctionObjArgs(function, shape, NULL);
    } else if (shape) {
        PyObject *strides = compact_strides(call->arguments[index].shape, rank);
        if (strides)
            array = PyObject_CallFunctionObjArgs(function, shape, strides, PyTuple_GetItem(elements, output), NULL);
        Py_XDECREF(strides);
    }
    Py_XDECREF(shape);
    return array;
}

static bool find_allocators(Call *call, DLDevice device)
{
    if (!call->allocators) call->allocators = allocators_of(call, device);
    return call->allocators;
}

/* The caller's array for an output, borrowed, or NULL: a single array, a tuple or list, or a dictionary by name. */
static Outcome given_output(const Call *call, uint32_t output, PyObject **given)
{
    *given = NULL;
    if (!call->out) return FINE;
    if (PyDict_Check(call->out)) {
        *given = PyDict_GetItemString(call->out, tensor_info(call, call->op->input_count + output)->name);
    } else if (PyTuple_Check(call->out)) {
        if (PyTuple_Size(call->out) != call->op->output_count) return FOREIGN;
        *given = PyTuple_GetItem(call->out, output);
    } else {
        if (call->op->output_count != 1) return FOREIGN;
        *given = call->out;
    }
    if (*given == Py_None) *given = NULL;
    return FINE;
}

/* Outputs that the caller gave; they may say how long an axis is that no input has. */
static Outcome take_given(Call *call, const PlaitVariantDescriptor *variant)
{
    for (uint32_t i = 0; i < call->op->output_count; i++) {
        uint32_t index = call->op->input_count + i;
        PyObject *array;
        Outcome outcome = given_output(call, i, &array);
        if (outcome != FINE) return outcome;
        if (!array) continue;
        Py_INCREF(array);
        call->results[i] = array;
        outcome = describe(call, array, index, false);
        if (outcome != FINE) return outcome;
        if (call->arguments[index].read_only) return fail_output(call, index, "an output that is read only");
        bind_axes(call, variant, index); /* what does not fit is the library's to say */
    }
    return FINE;
}

static Outcome allocate_others(Call *call, const PlaitVariantDescriptor *variant, DLDevice device)
{
    for (uint32_t i = 0; i < call->op->output_count; i++) {
        uint32_t index = call->op->input_count + i;
        if (call->results[i]) continue;
        if (!is_bound(call, variant, index))
            return fail_output(call, index, "no input says how long one of its axes is: give `out=`");
        shape_output(call, variant, index);
        if (!find_allocators(call, device)) return FAILED;
        call->results[i] = allocate(call, index);
        if (!call->results[i]) return FAILED;
        Outcome outcome = describe(call, call->results[i], index, true);
        if (outcome != FINE) return outcome;
    }
    return FINE;
}

static Outcome make_outputs(Call *call, const PlaitVariantDescriptor *variant)
{
    DLDevice device = device_of(call);
    Outcome outcome = take_given(call, variant);
    return outcome == FINE ? allocate_others(call, variant, device) : outcome;
}

/* ---- the stream ---- */

/* The stream that the arrays' package works on at the moment. */
static Outcome find_stream(Call *call)
{
    DLDevice device = device_of(call);
    call->stream = NULL;
    if (device.device_type == kDLCPU) return FINE;
    const ExchangeTable *exchange = call->first_type.exchange;
    if (exchange && exchange->stream)
        return exchange->stream(device.device_type, device.device_id, &call->stream) ? FAILED : FINE;
    PyObject *number = PyObject_CallFunctionObjArgs(plait_hooks.stream_of, call->first, NULL);
    if (!number) return FAILED;
    call->stream = PyLong_AsVoidPtr(number);
    Py_DECREF(number);
    return PyErr_Occurred() ? FAILED : FINE;
}

/* ---- workspace on a GPU ---- */

/* The entry for the sizes of this call, or NULL. */
static const Workspace *kept_workspace(const Call *call, const PlaitVariantDescriptor *variant, DLDevice device)
{
    for (uint32_t i = 0; i < KEPT_WORKSPACES; i++) {
        const Workspace *kept = &call->op->workspaces[i];
        if (kept->variant == variant && same_device(kept->device, device) &&
            memcmp(kept->extents, call->extents, variant->axis_count * sizeof *call->extents) == 0)
            return kept;
    }
    return NULL;
}

/* Asks the library, which looks at sizes and at the device alone. */
static Outcome measure_workspace(Call *call, const PlaitVariantDescriptor *variant, DLDevice device, uint64_t *bytes)
{
    Operator *op = call->op;
    PlaitStatus status = op->functions.measure(op->tables->name, call->tensors, argument_count(call), bytes);
    if (status) return fail(status, op->functions.error());
    size_t size = variant->axis_count * sizeof *call->extents;
    int64_t *extents = PyMem_Malloc(size + 1);
    if (!extents) return FINE; /* it is asked again next time */
    memcpy(extents, call->extents, size);
    Workspace *entry = &op->workspaces[op->next_workspace];
    op->next_workspace = (op->next_workspace + 1) % KEPT_WORKSPACES;
    PyMem_Free(entry->extents);
    *entry = (Workspace){variant, device, extents, *bytes};
    return FINE;
}

/* Where the memory of an array begins; NULL: not where a workspace may. */
static void *workspace_memory(PyObject *array)
{
    ArrayType type;
    Argument argument = {.capsule = NULL};
    if (!plait_array_type(array, &type) || plait_array_describe(array, &type, &argument) <= 0) {
        PyErr_Clear();
        return NULL;
    }
    uintptr_t memory = (uintptr_t)argument.tensor.data + argument.tensor.byte_offset;
    Py_XDECREF(argument.capsule);
    return memory % PLAIT_WORKSPACE_ALIGNMENT == 0 ? (void *)memory : NULL;
}

/* The package's memory is there at once where the library would ask the driver for some and give it back, at each call;
 * and it is freed in the order of the stream that the package works on, which is that of this call. */
static Outcome find_workspace(Call *call, const PlaitVariantDescriptor *variant)
{
    DLDevice device = device_of(call);
    if (device.device_type == kDLCPU || call->first_type.kind != ARRAY_TORCH) return FINE;
    if (!find_allocators(call, device)) return FAILED;
    PyObject *function = PyTuple_GetItem(call->allocators, 2);
    if (function == Py_None) return FINE;
    const Workspace *kept = kept_workspace(call, variant, device);
    uint64_t bytes = kept ? kept->bytes : 0;
    Outcome outcome = kept ? FINE : measure_workspace(call, variant, device, &bytes);
    if (outcome != FINE || bytes == 0) return outcome;
    call->workspace = PyObject_CallFunction(function, "K", (unsigned long long)bytes);
    if (!call->workspace) return FAILED;
    call->workspace_memory = workspace_memory(call->workspace);
    call->workspace_bytes = bytes;
    return FINE;
}

/* ---- the library's function ---- */

static Outcome launch(Call *call)
{
    const Operator *op = call->op;
    PlaitStatus status;
    Py_BEGIN_ALLOW_THREADS status =
        op->functions.call_with_workspace(op->tables->name, call->tensors, argument_count(call), call->stream,
                                          call->workspace_memory, call->workspace_bytes);
    Py_END_ALLOW_THREADS return status ? fail(status, op->functions.error()) : FINE;
}

/* ---- the call itself ---- */

static Outcome make(Call *call, PyObject *const *values, Py_ssize_t count, PyObject *names)
{
    Outcome outcome = bind_arguments(call, values, count, names);
    if (outcome == FINE) outcome = describe_inputs(call);
    if (outcome != FINE) return outcome;
    const PlaitVariantDescriptor *variant = choose_variant(call);
    if (!variant) return fail_sizes(call);
    outcome = make_outputs(call, variant);
    if (outcome == FINE) outcome = find_stream(call);
    if (outcome == FINE) outcome = find_workspace(call, variant);
    return outcome == FINE ? launch(call) : outcome;
}

static PyObject *take_results(Call *call)
{
    const Operator *op = call->op;
    if (op->output_count == 1) {
        Py_INCREF(call->results[0]);
        return call->results[0];
    }
    PyObject *tuple = PyTuple_New(op->output_count);
    for (uint32_t i = 0; tuple && i < op->output_count; i++) {
        Py_INCREF(call->results[i]);
        PyTuple_SetItem(tuple, i, call->results[i]);
    }
    if (!tuple || !op->result_type) return tuple;
    PyObject *result = PyObject_CallFunctionObjArgs(op->result_type, tuple, NULL);
    Py_DECREF(tuple);
    return result;
}

static void release(Call *call)
{
    for (uint32_t i = 0; i < argument_count(call) && i < MOST_TENSORS; i++)
        if (call->tensors[i]) Py_XDECREF(call->arguments[i].capsule);
    for (uint32_t i = 0; i < call->op->output_count && i < MOST_TENSORS; i++) Py_XDECREF(call->results[i]);
    Py_XDECREF(call->workspace); /* enqueued work goes on; the package gives it to nothing but what comes after */
    Py_XDECREF(call->allocators);
}

PyObject *plait_operator_run(PyObject *self, PyObject *const *values, Py_ssize_t count, PyObject *names)
{
    Call call; /* large: only what is used is set */
    call.op = (Operator *)(void *)self;
    call.out = call.first = call.allocators = call.workspace = NULL;
    call.workspace_memory = NULL;
    call.workspace_bytes = 0;
    uint32_t tensors = argument_count(&call) < MOST_TENSORS ? argument_count(&call) : MOST_TENSORS;
    memset(call.tensors, 0, tensors * sizeof *call.tensors);
    memset(call.results, 0, tensors * sizeof *call.results);
    Outcome outcome = make(&call, values, count, names);
    PyObject *result = NULL;
    if (outcome == FINE) {
        result = take_results(&call);
    } else if (outcome == FOREIGN) {
        result = Py_NotImplemented;
        Py_INCREF(result);
    }
    release(&call);
    return result;
}
