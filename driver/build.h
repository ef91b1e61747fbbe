/* Building a library: from a program to the bytes of its shared library and header, through the cache.
 *
 *     program -> Stage IR -> passes -> Tile IR for each target       in this process
 *     -> object (cpu), PTX -> cubin (gpu), late PTX                  children, in parallel
 *     -> tables and C functions -> shared library                    children
 */
#ifndef PLAIT_DRIVER_BUILD_H
#define PLAIT_DRIVER_BUILD_H

#include "driver/files.h"
#include "driver/program.h"
#include "driver/progress.h"
#include "driver/tiles.h"
#include "driver/tools.h"

typedef struct PlaitBuildRequest {
    const PlaitProgram *program;
    PlaitTargetRows targets;
    const char *library; /* file name of the library, without folder: its soname */
    const char *header;  /* file name of the header */
    const char *keep;    /* folder for intermediates, or NULL */
    bool use_cache;
} PlaitBuildRequest;

typedef struct PlaitBuilt {
    PlaitBytes library, header;
    const char *facts;    /* members of a JSON object: targets, kernels, tools */
    const char *warnings; /* one a line */
    bool cached;
} PlaitBuilt;

/* Reports and returns false on failure. The warnings go to the driver. */
bool plait_library_build(PlaitSession *session, const PlaitBuildRequest *request, PlaitBuilt *built);
/* Builds for `run`, `check` and `bench`: the path of a library in a temporary folder; NULL after a report. */
const char *plait_library_build_temporary(PlaitSession *session, const PlaitProgram *program,
                                          const PlaitTargetRows *targets);

/* A build under way: shared by build.c, compile.c and link.c. */
typedef struct PlaitBuild {
    const PlaitBuildRequest *request;
    PlaitTools tools;
    const char *folder;         /* where the intermediate files are */
    const PlaitTiles **lowered; /* by target */
    const char **tiles;         /* by target: path of its Tile IR */
    const char **objects;       /* by target: path of the object or the PTX */
    const char **cubins;        /* by target: path, or NULL */
    const char **late;          /* by target: path of the PTX that is not in the cubin, or NULL */
    PlaitText facts;
    PlaitText warnings;
    PlaitProgress progress;
} PlaitBuild;

enum { PLAIT_CHILD_SECONDS = 300 };

/* Tile IR into build->folder, then objects, PTX and cubins. */
bool plait_build_compile(PlaitSession *session, PlaitBuild *build);
/* The tables and the library; `path`: where the library goes. */
bool plait_build_link(PlaitSession *session, PlaitBuild *build, const char *path);
/* What `ptxas -v` wrote: the kernels as elements of a JSON array, spills and serialised instructions as warnings. */
void plait_ptxas_read(const char *log, const char *target, PlaitText *kernels, PlaitText *warnings);
/* The entries of PTX that ptxas does not get, likewise. */
void plait_ptxas_read_late(const char *ptx, const char *target, PlaitText *kernels);
/* The header that documents the operators of a module (one for each variant; they differ in static sizes only). */
const char *plait_header_text(PlaitSession *session, const PlaitProgram *program, PlaitModule *const *modules,
                              const char *library, const char *header);

#endif
