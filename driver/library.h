/* A built library, loaded into this process: its tables, and calls of its operators on the CPU or the GPU. */
#ifndef PLAIT_DRIVER_LIBRARY_H
#define PLAIT_DRIVER_LIBRARY_H

#include "driver/session.h"
#include "runtime/descriptor.h"
#include "runtime/plait.h"

typedef struct PlaitLibrary {
    void *handle; /* of dlopen; stays open until the process ends, as GPU modules may be in use */
    const PlaitLibraryDescriptor *tables;
    PlaitStatus (*call)(const char *name, DLTensor *const *tensors, uint32_t count, void *stream);
    const char *(*error)(void);
} PlaitLibrary;

/* Whether the file is an ELF file. */
bool plait_library_is_one(const char *path);
/* Reports E0618 and returns false when it is not a library of this version of Plait. */
bool plait_library_open(PlaitSession *session, const char *path, PlaitLibrary *library);
/* By name; NULL: the only one. Reports E0616. */
const PlaitOperatorDescriptor *plait_library_operator(PlaitSession *session, const PlaitLibrary *library,
                                                      const char *name);
/* Whether some variant of the operator has code for the CPU (gpu false) or for a GPU. */
bool plait_library_has_code(const PlaitOperatorDescriptor *op, bool gpu);

/* The memory of one argument of a call. */
typedef struct PlaitArgument {
    const char *name;
    uint8_t scalar; /* PlaitScalar */
    bool output;
    bool absent; /* an optional input that is left out */
    uint32_t rank;
    int64_t sizes[PLAIT_DESCRIPTOR_MAX_RANK];
    size_t bytes;
    void *host;   /* compact; owned by the arena */
    void *device; /* on a GPU, owned; NULL before plait_operator_call_begin */
} PlaitArgument;

typedef struct PlaitOperatorCall {
    const PlaitLibrary *library;
    const PlaitOperatorDescriptor *op;
    bool gpu; /* the first one */
    uint32_t count;
    PlaitArgument *arguments;
    DLTensor *tensors;
    DLTensor **pointers;
} PlaitOperatorCall;

/* Sets the argument's sizes, its bytes and its memory of zeroes on the host; reports E0613 when it is too large. */
bool plait_argument_create(PlaitSession *session, PlaitArgument *argument, const int64_t *sizes);
/* Makes the tensors for `arguments`, all created. With `gpu`, memory is taken there and everything is copied in;
 * reports E0619, E0620. */
bool plait_operator_call_begin(PlaitSession *session, PlaitOperatorCall *call);
/* Calls, and waits for the end. False: `*message` says what the library found. */
bool plait_operator_call_run(PlaitOperatorCall *call, const char **message);
/* Copies the outputs back to the host. */
bool plait_operator_call_fetch(PlaitSession *session, PlaitOperatorCall *call);
/* Fills the outputs with ones (floats: NaN), so that what a run does not write is seen. */
bool plait_operator_call_clear(PlaitSession *session, PlaitOperatorCall *call);
void plait_operator_call_end(PlaitOperatorCall *call);

#endif
