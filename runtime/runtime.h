/* What the code that Plait generates calls: the wrapper of an operator, `int NAME(const DLTensor *a, ..., void
 * *stream)`, collects its tensors in an array and calls plait_runtime_call; NAME_workspace_bytes and NAME_error call
 * the others. Hidden: no symbol of a library beside those of plait.h, `plait_library` and the operators is visible to
 * the host.
 */
#ifndef PLAIT_RUNTIME_RUNTIME_H
#define PLAIT_RUNTIME_RUNTIME_H

#include "runtime/descriptor.h"
#include "runtime/plait.h"

/* Runs `op` on its tensors (inputs, then outputs, in declared order; NULL for an optional input not given). `workspace`
 * NULL: found here. See plait.h for everything else. */
PlaitStatus plait_runtime_call(const PlaitOperatorDescriptor *op, DLTensor *const *tensors, void *stream,
                               void *workspace, uint64_t workspace_bytes);

/* The workspace that plait_runtime_call needs for these tensors. */
PlaitStatus plait_runtime_workspace_bytes(const PlaitOperatorDescriptor *op, DLTensor *const *tensors, uint64_t *bytes);

/* plait_call of plait.h, likewise this library's own. */
PlaitStatus plait_run_named(const char *name, DLTensor *const *tensors, uint32_t count, void *stream);

/* The operator as a packed function of TVM's foreign function interface (tvm.c). */
typedef struct PlaitTvmValue PlaitTvmValue;
int plait_runtime_tvm_call(const PlaitOperatorDescriptor *op, const PlaitTvmValue *values, int32_t count,
                           PlaitTvmValue *result);

/* The handlers of XLA's foreign function interface (xla.c), exported. */
typedef struct XlaFrame XlaFrame;
typedef struct XlaError XlaError;
XlaError *plait_xla_cpu(XlaFrame *frame);
XlaError *plait_xla_cuda(XlaFrame *frame);

/* plait_error of plait.h, under a name that no other library of the process can take over. */
const char *plait_last_error(void);

#endif
