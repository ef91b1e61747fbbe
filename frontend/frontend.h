/* The frontend: from the text of a .plait file to a module of Stage IR, one function for each operator. */
#ifndef PLAIT_FRONTEND_FRONTEND_H
#define PLAIT_FRONTEND_FRONTEND_H

#include "ir/ir.h"

enum {
    PLAIT_MAX_FILE_SIZE = 1 << 20,
    PLAIT_LARGEST_AXIS_SIZE = 1 << 30 /* that a file or `-D` may give to an axis */
};

/* The size of an axis as given on the command line (`-D d=64`): replaces the size that the file declares. */
typedef struct PlaitAxisSize {
    PlaitName axis;
    int64_t size;
} PlaitAxisSize;

/* Compiles source `source` of the diagnostics' sources. Mistakes are reported (up to PLAIT_MAX_ERRORS in one run);
 * NULL after any. The module belongs to `arena`. */
PlaitModule *plait_frontend_compile(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics,
                                    uint32_t source, const PlaitAxisSize *overrides, uint32_t count);

/* Names of the functions that every program can call: built in, and those of the standard library. For suggestions. */
const char *const *plait_frontend_std_names(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics,
                                            uint32_t *count);
/* The text of the standard library. */
const char *plait_frontend_std_text(void);

#endif
