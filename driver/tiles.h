/* Tile IR on its way to plait-codegen, and what that says of it. The child reads text; the places in the program are
 * known here only. */
#ifndef PLAIT_DRIVER_TILES_H
#define PLAIT_DRIVER_TILES_H

#include "driver/process.h"
#include "driver/program.h"

typedef struct PlaitTiles {
    const char *text;
    const PlaitModule **modules; /* by variant */
    uint32_t count;
} PlaitTiles;

/* The Tile IR of all variants for one target, from modules that have gone through the passes; NULL after a report. */
const PlaitTiles *plait_program_lower(PlaitSession *session, const PlaitProgram *program, PlaitModule *const *stages,
                                      const PlaitTargetRow *target);
/* plait_job_report for plait-codegen, which also says that a kernel is too large: that is reported at the place of its
 * largest tile. */
void plait_tiles_report(PlaitSession *session, const PlaitJob *job, const PlaitTiles *tiles);

#endif
