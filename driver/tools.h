/* The executables that the driver runs and the files it links, where they are and which versions they are. */
#ifndef PLAIT_DRIVER_TOOLS_H
#define PLAIT_DRIVER_TOOLS_H

#include "driver/session.h"

/* An executable or file; path NULL: not found. */
typedef struct PlaitTool {
    const char *path;
    const char *version; /* what it says of itself, on one line; "" when it was not asked */
} PlaitTool;

typedef struct PlaitTools {
    PlaitTool codegen;  /* $PLAIT_CODEGEN, beside plait, ../libexec/plait */
    PlaitTool ptxas;    /* $PLAIT_PTXAS, $CUDA_HOME/bin, $PATH, /usr/local/cuda/bin; may be missing */
    PlaitTool compiler; /* cc of $PATH, to link; may be missing */
    PlaitTool linker;   /* ld of $PATH, when there is no cc */
    PlaitTool runtime;  /* $PLAIT_RUNTIME, ../lib/libplait_runtime.a, ../lib/plait/libplait_runtime.a */
} PlaitTools;

/* Finds all; reports what cannot be done without and returns false. */
bool plait_tools_find(PlaitSession *session, PlaitTools *tools);
/* The first executable `name` of $PATH; NULL when there is none. */
const char *plait_tool_in_path(PlaitArena *arena, const char *name);
/* Path, size and time of change: other bytes, other text. "" when there is no such file. */
const char *plait_tool_identity(PlaitArena *arena, const char *path);
/* Path of the running executable. */
const char *plait_tool_self(PlaitArena *arena);

#endif
