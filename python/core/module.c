/* The module itself: load() opens a library and gives its operators, hooks() takes what is written in Python. */
#include "core.h"

#include <dlfcn.h>

Hooks plait_hooks;

static PyTypeObject *operator_type;

/* ---- what the tables say ---- */

static PyObject *describe_axis(const PlaitAxisDescriptor *axis)
{
    return Py_BuildValue("(sLii)", axis->name, (long long)axis->size, (int)axis->role,
                         axis->block ? -1 : (int)axis->same_as);
}

static PyObject *describe_tensor(const PlaitTensorDescriptor *tensor)
{
    PyObject *axes = PyTuple_New(tensor->rank);
    for (uint32_t i = 0; axes && i < tensor->rank; i++) PyTuple_SetItem(axes, i, PyLong_FromLong(tensor->axes[i]));
    if (!axes) return NULL;
    if (tensor->fallback != tensor->fallback)
        return Py_BuildValue("(siiON)", tensor->name, tensor->kind, tensor->scalar, Py_None, axes);
    return Py_BuildValue("(siidN)", tensor->name, tensor->kind, tensor->scalar, tensor->fallback, axes);
}

static PyObject *describe_variant(const PlaitVariantDescriptor *variant)
{
    PyObject *axes = PyTuple_New(variant->axis_count), *tensors = PyTuple_New(variant->argument_count);
    for (uint32_t i = 0; axes && i < variant->axis_count; i++)
        PyTuple_SetItem(axes, i, describe_axis(&variant->axes[i]));
    for (uint32_t i = 0; tensors && i < variant->argument_count; i++)
        PyTuple_SetItem(tensors, i, describe_tensor(&variant->tensors[i]));
    return Py_BuildValue("(NN)", axes, tensors);
}

/* Operator.describe() -> ((axes, tensors) of each variant); axis: (name, size, role, same_as), tensor: (name, kind,
 * scalar, default, axes). */
static PyObject *operator_describe(PyObject *self, PyObject *unused)
{
    (void)unused;
    const PlaitOperatorDescriptor *tables = ((Operator *)(void *)self)->tables;
    PyObject *variants = PyTuple_New((Py_ssize_t)tables->variant_count);
    for (uint64_t i = 0; variants && i < tables->variant_count; i++)
        PyTuple_SetItem(variants, (Py_ssize_t)i, describe_variant(&tables->variants[i]));
    return variants;
}

/* ---- Operator ---- */

/* Operator.symbol(name) -> a capsule with the address of a function of the library. */
static PyObject *operator_symbol(PyObject *self, PyObject *name)
{
    PyObject *bytes = PyUnicode_AsUTF8String(name);
    if (!bytes) return NULL;
    void *address = dlsym(((Operator *)(void *)self)->handle, PyBytes_AsString(bytes));
    PyObject *capsule = address ? PyCapsule_New(address, NULL, NULL) : NULL;
    if (!address) PyErr_Format(PyExc_AttributeError, "the library has no function `%s`", PyBytes_AsString(bytes));
    Py_DECREF(bytes);
    return capsule;
}

static PyObject *operator_name(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(((Operator *)(void *)self)->tables->name);
}

static int set_result_type(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    Operator *op = (Operator *)(void *)self;
    Py_XINCREF(value);
    Py_XDECREF(op->result_type);
    op->result_type = value;
    return 0;
}

static void operator_release(PyObject *self)
{
    Operator *op = (Operator *)(void *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(op->input_names);
    Py_XDECREF(op->result_type);
    for (uint32_t i = 0; i < KEPT_ALLOCATORS; i++) {
        Py_XDECREF(op->allocators[i].type);
        Py_XDECREF(op->allocators[i].made);
    }
    for (uint32_t i = 0; i < KEPT_WORKSPACES; i++) PyMem_Free(op->workspaces[i].extents);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef operator_methods[] = {
    {"run", (PyCFunction)(void (*)(void))plait_operator_run, METH_FASTCALL | METH_KEYWORDS,
     "Runs the operator; NotImplemented when Python has to decide how."},
    {"describe", operator_describe, METH_NOARGS, "What the library's tables say."},
    {"symbol", operator_symbol, METH_O, "A capsule with the address of a function of the library."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef operator_members[] = {{"name", operator_name, NULL, "The operator's name.", NULL},
                                         {"result_type", NULL, set_result_type, "Makes results of tuples.", NULL},
                                         {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot operator_slots[] = {{Py_tp_dealloc, (void *)(uintptr_t)operator_release},
                                       {Py_tp_methods, operator_methods},
                                       {Py_tp_getset, operator_members},
                                       {0, NULL}};

static PyType_Spec operator_spec = {.name = "plait._core.Operator",
                                    .basicsize = sizeof(Operator),
                                    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                    .slots = operator_slots};

static PyObject *input_names(const PlaitVariantDescriptor *variant, uint32_t count)
{
    PyObject *names = PyTuple_New(count);
    for (uint32_t i = 0; names && i < count; i++)
        PyTuple_SetItem(names, i, PyUnicode_InternFromString(variant->tensors[i].name));
    return names;
}

static PyObject *make_operator(void *handle, Functions functions, const PlaitOperatorDescriptor *tables)
{
    Operator *op = PyObject_New(Operator, operator_type);
    if (!op) return NULL;
    const PlaitVariantDescriptor *variant = &tables->variants[0];
    op->tables = tables;
    op->functions = functions;
    op->handle = handle;
    op->input_count = 0;
    while (op->input_count < variant->argument_count && variant->tensors[op->input_count].kind == 0) op->input_count++;
    op->output_count = variant->argument_count - op->input_count;
    op->input_names = input_names(variant, op->input_count);
    op->result_type = NULL;
    op->next_allocator = op->next_workspace = 0;
    for (uint32_t i = 0; i < KEPT_ALLOCATORS; i++) op->allocators[i] = (Allocators){NULL, {kDLCPU, 0}, NULL};
    for (uint32_t i = 0; i < KEPT_WORKSPACES; i++) op->workspaces[i] = (Workspace){NULL, {kDLCPU, 0}, NULL, 0};
    return (PyObject *)op;
}

/* ---- load ---- */

/* An object pointer of dlsym as a function pointer, which ISO C has no cast for. */
#define LOOK_UP(handle, function, name) (*(void **)(void *)&(function) = dlsym(handle, name))

static PyObject *load_operators(void *handle, const PlaitLibraryDescriptor *library)
{
    Functions functions = {NULL, NULL, NULL, NULL};
    LOOK_UP(handle, functions.call, "plait_call");
    LOOK_UP(handle, functions.call_with_workspace, "plait_call_with_workspace");
    LOOK_UP(handle, functions.measure, "plait_workspace_bytes");
    LOOK_UP(handle, functions.error, "plait_error");
    if (!functions.call || !functions.call_with_workspace || !functions.measure || !functions.error) {
        PyErr_SetString(PyExc_OSError, "no library of Plait: it lacks functions of plait.h");
        return NULL;
    }
    PyObject *operators = PyTuple_New((Py_ssize_t)library->operator_count);
    for (uint64_t i = 0; operators && i < library->operator_count; i++)
        PyTuple_SetItem(operators, (Py_ssize_t)i, make_operator(handle, functions, &library->operators[i]));
    return operators;
}

/* load(path) -> a tuple of Operator. The library stays loaded until the process ends: its threads and what it keeps on
 * GPUs have no owner that could be asked. */
static PyObject *load(PyObject *module, PyObject *path)
{
    (void)module;
    PyObject *bytes = NULL;
    if (!PyUnicode_FSConverter(path, &bytes)) return NULL;
    void *handle = dlopen(PyBytes_AsString(bytes), RTLD_NOW | RTLD_LOCAL);
    const char *trouble = handle ? NULL : dlerror();
    if (!handle) PyErr_SetString(PyExc_OSError, trouble ? trouble : "the library cannot be opened");
    Py_DECREF(bytes);
    if (!handle) return NULL;
    const PlaitLibraryDescriptor *library = dlsym(handle, "plait_library");
    if (!library) {
        PyErr_SetString(PyExc_OSError, "no library of Plait: it has no tables");
        return NULL;
    }
    if (library->version != PLAIT_DESCRIPTOR_VERSION) {
        PyErr_Format(PyExc_OSError, "built by another version of Plait: its tables are of version %u, not %u",
                     library->version, PLAIT_DESCRIPTOR_VERSION);
        return NULL;
    }
    return load_operators(handle, library);
}

static PyObject *set_hooks(PyObject *module, PyObject *arguments)
{
    (void)module;
    Hooks given;
    if (!PyArg_ParseTuple(arguments, "OOOOOO", &given.kind_of, &given.capsule_of, &given.stream_of, &given.allocators,
                          &given.wants_grad, &given.failed))
        return NULL;
    PyObject *all[] = {given.kind_of,    given.capsule_of, given.stream_of,
                       given.allocators, given.wants_grad, given.failed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) Py_INCREF(all[i]);
    plait_hooks = given;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"load", load, METH_O, "Opens a library: a tuple of its operators."},
                                {"set_hooks", set_hooks, METH_VARARGS, "What is written in Python: plait/_arrays.py."},
                                {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "plait._core", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void)
{
    operator_type = (PyTypeObject *)(void *)PyType_FromSpec(&operator_spec);
    PyObject *module = operator_type ? PyModule_Create(&definition) : NULL;
    if (!module) return NULL;
    Py_INCREF(operator_type);
    if (PyModule_AddObject(module, "Operator", (PyObject *)operator_type) < 0) return NULL;
    return module;
}
