/* A .plait file on its way: read once, then compiled by the front end for each variant. */
#ifndef PLAIT_DRIVER_PROGRAM_H
#define PLAIT_DRIVER_PROGRAM_H

#include "driver/session.h"
#include "driver/targets.h"
#include "driver/variants.h"

typedef struct PlaitProgram {
    const char *path;
    uint32_t source; /* in session->sources */
    PlaitVariants variants;
} PlaitProgram;

/* Reads the file and the -D options; reports and returns false. */
bool plait_program_read(PlaitSession *session, const char *path, PlaitProgram *program);
const PlaitSource *plait_program_source(const PlaitSession *session, const PlaitProgram *program);
/* The front end's Stage IR of one variant, a new module each time; NULL after a report. Keeps only --operator's, when
 * given. With --grad the operators' backwards stand behind them, in the same order. */
PlaitModule *plait_program_compile(PlaitSession *session, const PlaitProgram *program, const PlaitVariant *variant);
/* Stage IR after the passes, of every variant; NULL after a report. */
PlaitModule **plait_program_optimise(PlaitSession *session, const PlaitProgram *program, bool gpu);
/* The operator of that name in a module; NULL when there is none. */
const PlaitFunction *plait_program_operator(const PlaitModule *module, const char *name);
/* Reports E0616 with the nearest name of the module's operators. */
void plait_program_unknown_operator(PlaitSession *session, const char *name, const char *const *known, uint32_t count);

#endif
