/* What `check` and `bench` have in common: operators, sizes, random inputs, and calls of a library with them. */
#ifndef PLAIT_DRIVER_CASES_H
#define PLAIT_DRIVER_CASES_H

#include "driver/library.h"
#include "driver/program.h"
#include "ir/interp.h"

/* One operator at one choice of sizes. */
typedef struct PlaitCase {
    const PlaitFunction *function; /* as the front end made it */
    int64_t *extents;              /* by axis of the function */
    PlaitArray *inputs;            /* by parameter; data NULL: left out */
    PlaitArray *kept;              /* the same with all data, to be freed */
    const char *sizes;             /* "b=2 t=65 d=64": of the axes of tensors */
} PlaitCase;

/* Sizes of run-time axes by role, when nobody says otherwise. */
typedef struct PlaitUsualSizes {
    int64_t roles[PLAIT_ROLE_COUNT];
    int64_t second_time; /* of further time axes that are not the extent of another */
} PlaitUsualSizes;

/* Extents of every axis: static sizes, then `sizes` (may be NULL), then the usual ones. */
int64_t *plait_case_extents(PlaitSession *session, const PlaitFunction *function, const PlaitVariant *sizes,
                            const PlaitUsualSizes *usual);
/* Draws the inputs. `omit`: leave out those that have a default. Reports E0603 and returns false when the tensors are
 * larger than the machine's memory. */
bool plait_case_begin(PlaitSession *session, PlaitCase *it, const PlaitFunction *function, const int64_t *extents,
                      uint64_t seed, bool omit);
/* Reports E0603: the sizes of the case. */
void plait_case_too_large(PlaitSession *session, const PlaitCase *it, const char *what);
/* Reports E0603 for every --range that is malformed or names no input of the module. */
void plait_case_check_ranges(PlaitSession *session, const PlaitModule *module);
void plait_case_end(PlaitCase *it);
/* Whether the axis belongs to an input or output. */
bool plait_case_axis_used(const PlaitFunction *function, PlaitAxis axis);
/* "b=2 t=65 d=64" */
const char *plait_case_sizes_text(PlaitSession *session, const PlaitFunction *function, const int64_t *extents);
/* {"b": 2, "t": 65} */
void plait_case_sizes_json(const PlaitCase *it, PlaitText *text);

/* A call with the case's inputs in storage types; reports and returns false. */
bool plait_case_call(PlaitSession *session, const PlaitCase *it, PlaitOperatorCall *call);

/* Where `check` and `bench` run, and the library: compiled, or --library. */
typedef struct PlaitBench {
    PlaitProgram program;
    PlaitLibrary library;
    PlaitTargetRows rows; /* what can run here: cpu, and at most one for the GPU */
} PlaitBench;
/* Reads FILE, the options and the library; reports and returns false. */
bool plait_bench_begin(PlaitSession *session, PlaitBench *bench);
/* Reads --sizes. Every axis that it names must be one of some operator; reports E0603. */
bool plait_program_sizes(PlaitSession *session, const PlaitProgram *program, PlaitVariants *sizes);

/* A finite number, or null. */
void plait_json_number(PlaitText *text, double number);

#endif
