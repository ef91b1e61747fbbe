/* The part of a call that belongs to one kind of device. `call` is prepared; each returns after the layout is known,
 * and `workspace_bytes` of the call with it.
 *
 * workspace: the caller's, checked by plait_launch_check_workspace; NULL: found and given back here.
 */
#ifndef PLAIT_RUNTIME_LAUNCH_H
#define PLAIT_RUNTIME_LAUNCH_H

#include "runtime/call.h"

typedef struct PlaitWorkspace {
    void *memory; /* NULL: none given */
    uint64_t bytes;
} PlaitWorkspace;

/* Runs to the end on the calling thread and the library's threads (cpu.c). */
PlaitStatus plait_cpu_run(PlaitCall *call, PlaitWorkspace given);
/* Enqueues in the stream (gpu.c). */
PlaitStatus plait_gpu_run(PlaitCall *call, void *stream, PlaitWorkspace given);

/* Only finds call->workspace_bytes. */
PlaitStatus plait_cpu_measure(PlaitCall *call);
PlaitStatus plait_gpu_measure(PlaitCall *call);

/* A given workspace: large enough, aligned, apart from all arguments. Nothing to check when none was given. */
PlaitStatus plait_launch_check_workspace(const PlaitCall *call, PlaitWorkspace given);
/* Memory for the slots of the target's largest kernel; checks that every kernel has at most `most_programs`, so that a
 * call is refused before its first kernel runs. */
PlaitStatus plait_launch_prepare_slots(PlaitCall *call, int64_t most_programs);

#endif
