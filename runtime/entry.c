/* The functions that a library exports (plait.h) and those that its generated wrappers call (runtime.h). One file, so
 * that linking a wrapper brings in the exported ones from the archive too.
 *
 * Exported functions call each other only through static ones: another Plait library in the process exports the same
 * names, and a call through the dynamic symbol table could end up there.
 */
#include "runtime/runtime.h"

#include <string.h>

#include "runtime/launch.h"

#define EXPORTED __attribute__((visibility("default")))

/* The library that this archive is linked into. Protected: exported, yet always this library's own, not that of another
 * Plait library loaded earlier. Weak: the compiler's command line links the archive without any. */
extern const PlaitLibraryDescriptor plait_library __attribute__((weak, visibility("protected")));

static PlaitStatus run(const PlaitOperatorDescriptor *op, DLTensor *const *tensors, void *stream, PlaitWorkspace given)
{
    PlaitCall call;
    plait_error_begin(op->name);
    PlaitStatus status = plait_call_prepare(&call, op, tensors, false);
    if (!status && call.device.device_type == kDLCPU) status = plait_cpu_run(&call, given);
    else if (!status) status = plait_gpu_run(&call, stream, given);
    plait_call_finish(&call);
    return status;
}

static PlaitStatus measure(const PlaitOperatorDescriptor *op, DLTensor *const *tensors, uint64_t *bytes)
{
    PlaitCall call;
    plait_error_begin(op->name);
    if (!bytes) return plait_fail(PLAIT_STATUS_NULL_ARGUMENT, "the place for the number of bytes is NULL");
    PlaitStatus status = plait_call_prepare(&call, op, tensors, true);
    if (!status) status = call.device.device_type == kDLCPU ? plait_cpu_measure(&call) : plait_gpu_measure(&call);
    *bytes = status ? 0 : call.workspace_bytes;
    plait_call_finish(&call);
    return status;
}

static PlaitStatus fail_unknown(const char *name)
{
    PlaitPiece names = {.length = 0};
    for (uint64_t i = 0; i < plait_library.operator_count; i++)
        plait_piece_add(&names, "%s`%s`", i ? ", " : "", plait_library.operators[i].name);
    return plait_fail(PLAIT_STATUS_UNKNOWN_OPERATOR, "the library has no operator `%s`; it has %s", name, names.text);
}

static PlaitStatus find_operator(const char *name, uint32_t count, const PlaitOperatorDescriptor **op)
{
    plait_error_begin(NULL);
    if (!name) return plait_fail(PLAIT_STATUS_NULL_ARGUMENT, "the operator's name is NULL");
    if (!&plait_library || plait_library.version != PLAIT_DESCRIPTOR_VERSION)
        return plait_fail(PLAIT_STATUS_BAD_LIBRARY, "the library's descriptor is missing or of another version");
    *op = NULL;
    for (uint64_t i = 0; i < plait_library.operator_count && !*op; i++)
        if (strcmp(plait_library.operators[i].name, name) == 0) *op = &plait_library.operators[i];
    if (!*op) return fail_unknown(name);
    plait_error_begin((*op)->name);
    uint32_t expected = (*op)->variant_count ? (*op)->variants[0].argument_count : 0;
    if (count != expected)
        return plait_fail(PLAIT_STATUS_WRONG_COUNT, "takes %u tensors, but was given %u", expected, count);
    return PLAIT_STATUS_OK;
}

static PlaitStatus run_named(const char *name, DLTensor *const *tensors, uint32_t count, void *stream,
                             PlaitWorkspace given)
{
    const PlaitOperatorDescriptor *op;
    PlaitStatus status = find_operator(name, count, &op);
    return status ? status : run(op, tensors, stream, given);
}

/* ---- for generated code ---- */

PlaitStatus plait_runtime_call(const PlaitOperatorDescriptor *op, DLTensor *const *tensors, void *stream,
                               void *workspace, uint64_t workspace_bytes)
{
    return run(op, tensors, stream, (PlaitWorkspace){.memory = workspace, .bytes = workspace_bytes});
}

PlaitStatus plait_runtime_workspace_bytes(const PlaitOperatorDescriptor *op, DLTensor *const *tensors, uint64_t *bytes)
{
    return measure(op, tensors, bytes);
}

PlaitStatus plait_run_named(const char *name, DLTensor *const *tensors, uint32_t count, void *stream)
{
    return run_named(name, tensors, count, stream, (PlaitWorkspace){.memory = NULL});
}

const char *plait_last_error(void) { return plait_error_text(); }

/* ---- exported ---- */

EXPORTED const char *plait_status_text(PlaitStatus status)
{
    switch (status) {
#define STATUS_TEXT(id, number, text)                                                                                  \
    case PLAIT_STATUS_##id: return text;
        PLAIT_STATUS_TABLE(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

EXPORTED const char *plait_error(void) { return plait_error_text(); }

EXPORTED PlaitStatus plait_call(const char *operator_name, DLTensor *const *tensors, uint32_t count, void *stream)
{
    return run_named(operator_name, tensors, count, stream, (PlaitWorkspace){.memory = NULL});
}

EXPORTED PlaitStatus plait_call_with_workspace(const char *operator_name, DLTensor *const *tensors, uint32_t count,
                                               void *stream, void *workspace, uint64_t workspace_bytes)
{
    return run_named(operator_name, tensors, count, stream,
                     (PlaitWorkspace){.memory = workspace, .bytes = workspace_bytes});
}

EXPORTED PlaitStatus plait_workspace_bytes(const char *operator_name, DLTensor *const *tensors, uint32_t count,
                                           uint64_t *bytes)
{
    const PlaitOperatorDescriptor *op;
    PlaitStatus status = find_operator(operator_name, count, &op);
    if (status && bytes) *bytes = 0;
    return status ? status : measure(op, tensors, bytes);
}
