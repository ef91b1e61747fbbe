/* Inside the pass `fuse`: which instructions run in which kernel. */
#ifndef PLAIT_PASSES_STAGE_FUSE_H
#define PLAIT_PASSES_STAGE_FUSE_H

#include "ir/ir.h"

enum { PLAIT_MAX_KERNELS = 64, PLAIT_NO_KERNEL = -1 };

/* A kernel being planned. With a loop axis its programs walk along that axis token by token. */
typedef struct PlaitFusedKernel {
    PlaitAxis loop; /* PLAIT_NO_AXIS: none */
    int direction;  /* of the loop: 1 or -1 */
    bool has_fold, has_delay;
    bool long_axes[256]; /* run-time axes of its values */
    PlaitValues members; /* anchors in order */
    uint64_t needs;      /* bit k: reads what kernel k makes */
} PlaitFusedKernel;

/* A read of an anchor's value by an instruction, through copies of cheap values. */
typedef struct PlaitAccess {
    PlaitValue anchor;
    PlaitAxis shifted; /* read at other positions of this axis; PLAIT_NO_AXIS: at its own */
    bool delay;        /* shifted back by a constant >= 0 */
} PlaitAccess;

typedef PLAIT_VECTOR(PlaitAccess) PlaitAccesses;

typedef struct PlaitFusion {
    PlaitFunction *function;
    PlaitArena *arena;
    bool *cheap;  /* by value: pointwise on parameters only: copied into every kernel that reads it */
    bool *post;   /* by value: known only after the loop of its kernel has ended */
    int *kernel;  /* by value: of an anchor; PLAIT_NO_KERNEL before it is placed and for other values */
    PlaitFusedKernel kernels[PLAIT_MAX_KERNELS];
    uint32_t kernel_count;
} PlaitFusion;

/* Marks cheap values. */
void plait_fuse_find_cheap(PlaitFusion *fusion);
/* All reads of anchors by `value`, its region included. */
PlaitAccesses plait_fuse_accesses(const PlaitFusion *fusion, PlaitValue value);
/* Writes the kernels as regions; the plan is complete. */
void plait_fuse_outline(PlaitFusion *fusion);

#endif
