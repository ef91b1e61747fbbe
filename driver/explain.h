/* What `plait explain` says about an operator: its stages as written, and its kernels with what each fuses and moves.
 */
#ifndef PLAIT_DRIVER_EXPLAIN_H
#define PLAIT_DRIVER_EXPLAIN_H

#include "driver/peaks.h"
#include "driver/program.h"

typedef PLAIT_VECTOR(struct PlaitStageFacts) PlaitStageList;

/* A stage of one of the four kinds. */
typedef struct PlaitStageFacts {
    const char *kind;                /* conv, scan, attend, gating */
    const char *text;                /* "along t, forward, carries f32[b, h, d, e]" */
    const char *class_name, *allows; /* scans: the class and the parallel form that it allows; else "" */
    const char *detail;              /* scans: a line for each carry, why it has its class; else "" */
    uint32_t line;                   /* in the source; 0: unknown */
    PlaitStageList inside;           /* scans: the scans, convolutions and attends of its body */
} PlaitStageFacts;

/* A tensor that a kernel reads or writes. */
typedef struct PlaitFlow {
    const char *name, *type;
    double bytes;
    bool workspace; /* neither an input nor an output */
} PlaitFlow;
typedef PLAIT_VECTOR(PlaitFlow) PlaitFlows;

/* A fold of a kernel that skips tiles. */
typedef struct PlaitSkips {
    const char *axis, *tensors; /* whose smallest and largest numbers tell */
} PlaitSkips;

typedef struct PlaitKernelFacts {
    const char *name;
    PlaitStageList stages;
    PlaitFlows reads, writes;
    PlaitFlows keeps; /* what its scans have in memory from position to position */
    PLAIT_VECTOR(PlaitSkips) skips;
    PlaitCost cost; /* without bytes: those are in the flows */
} PlaitKernelFacts;

/* The kernels of one kind of target. */
typedef struct PlaitKernelList {
    PLAIT_VECTOR(PlaitKernelFacts) kernels;
    PlaitCost cost; /* of all of them; bytes: what they read, write and keep */
} PlaitKernelList;

/* A carry that a kernel keeps in memory, found again in the program as it is written by places in the source. */
typedef struct PlaitKeptCarry {
    PlaitSpan scan, carry;
    const char *along; /* the axes for which it is, "c, d" */
} PlaitKeptCarry;

/* How the scans of the program run. */
typedef struct PlaitScanForms {
    PlaitFunction *plain;              /* before scans are rewritten for a GPU, which is done to it to tell how */
    PLAIT_VECTOR(PlaitKeptCarry) kept; /* on the CPU */
} PlaitScanForms;

typedef struct PlaitOperatorFacts {
    const char *name, *variant, *sizes; /* sizes: those that the numbers are for */
    PlaitStageList stages;
    PlaitKernelList cpu, gpu;
    PlaitFlows inputs, outputs;
    PlaitCost cost;
    PlaitPeaks peaks; /* of the CPU, measured */
} PlaitOperatorFacts;
typedef PLAIT_VECTOR(PlaitOperatorFacts) PlaitFacts;

/* `written`: from the front end; `fused`: after the passes for the CPU, and for a GPU; `plain`: before scans are
 * rewritten for a GPU, which is done to it here; `extents` by axis of `written`. */
void plait_explain_operator(PlaitSession *session, const PlaitFunction *written, const PlaitFunction *const fused[2],
                            PlaitFunction *plain, const int64_t *extents, PlaitOperatorFacts *facts);
/* The stages of a region, in order; neighbouring pointwise operations and feature reductions are one stage. `forms`, or
 * NULL: to tell how scans run. */
void plait_explain_stages(PlaitSession *session, const PlaitFunction *function, const PlaitRegion *region,
                          const PlaitScanForms *forms, PlaitStageList *stages);

/* The line of a place in the source; 0: unknown. */
uint32_t plait_explain_line(const PlaitSession *session, PlaitSpan span);

void plait_explain_print(const PlaitFacts *facts, PlaitText *text);
void plait_explain_print_json(const PlaitFacts *facts, PlaitText *text);
/* A graph for `dot`. */
void plait_explain_print_graph(const PlaitFacts *facts, PlaitText *text);

#endif
