/* Inside the pass `fuse`: which instructions run in which kernel. */
#ifndef PLAIT_PASSES_STAGE_FUSE_H
#define PLAIT_PASSES_STAGE_FUSE_H

#include "ir/ir.h"

enum { PLAIT_MAX_KERNELS = 64, PLAIT_NO_KERNEL = -1 };

/* A kernel being planned. With a loop axis its programs walk along that axis, token by token or by blocks of tokens. */
typedef struct PlaitFusedKernel {
    PlaitAxis loop;     /* PLAIT_NO_AXIS: none */
    int direction;      /* of the loop: 1 or -1 */
    PlaitAxis segments; /* a program walks along one of the segments that it counts; PLAIT_NO_AXIS: along all */
    bool blocks;        /* the loop goes by blocks of tokens: its folds have outputs */
    bool has_fold, has_delay;
    bool long_axes[PLAIT_MAX_FUNCTION_AXES]; /* run-time and batch-like axes of its values */
    bool folded[PLAIT_MAX_FUNCTION_AXES];    /* axes that its folds walk along, other than the loop's */
    bool walked[PLAIT_MAX_FUNCTION_AXES];    /* axes that the bodies of its scans walk along (walked.h) */
    PlaitValues members;                     /* anchors in order */
    uint64_t needs;                          /* bit k: reads what kernel k makes */
} PlaitFusedKernel;

/* A read of an anchor's value by an instruction, through copies of cheap values. */
typedef struct PlaitAccess {
    PlaitValue anchor;
    PlaitAxis shifted; /* read at other positions of this axis; PLAIT_NO_AXIS: at its own */
    bool delay;        /* shifted back by a constant >= 0 */
    bool own;          /* read at its own position, perhaps among others */
    double others;     /* of a delay: how many other positions it is read at */
} PlaitAccess;

typedef PLAIT_VECTOR(PlaitAccess) PlaitAccesses;

typedef struct PlaitFusion {
    PlaitFunction *function;
    PlaitArena *arena;
    bool *cheap;  /* by value: pointwise on parameters only, or spread, and no output: copied into every kernel that
                     reads  it */
    bool *spread; /* of these, by value: made of anchors, much larger than they are */
    bool *post;   /* by value: known only after the loop of its kernel has ended */
    PlaitAccesses *reads; /* by anchor: all reads of anchors, its region included */
    PlaitValues *readers; /* by anchor: the anchors that read it, in order */
    int *kernel;          /* by value: of an anchor; PLAIT_NO_KERNEL before it is placed and for other values */
    PlaitFusedKernel kernels[PLAIT_MAX_KERNELS];
    uint32_t kernel_count;
    bool full; /* a kernel more was needed: nothing is fused, and that was reported */
} PlaitFusion;

/* Whether it rounds to 16 bits: what another kernel reads is stored so. */
bool plait_fuse_is_rounding(const PlaitFunction *function, const PlaitInst *inst);
/* Elements of a value, roughly: axes of unknown length count as 1024. */
double plait_fuse_elements(const PlaitFunction *function, PlaitType type);
/* By value: at how many positions for each of its own a convolution or a gather reads it, at most. */
double *plait_fuse_repeats(const PlaitFusion *fusion);
/* Whether a cheap value that is read so often is still copied to where it is read. */
bool plait_fuse_stays_cheap(const PlaitFusion *fusion, PlaitValue value, double repeats);
/* Whether the kernel of `anchor` may make it again at all positions where `value` and its readers there want it. */
bool plait_fuse_again_allows(const PlaitFusion *fusion, PlaitValue value, PlaitValue anchor);
/* Marks cheap values. */
void plait_fuse_find_cheap(PlaitFusion *fusion);
/* Finds the reads of every anchor but results. */
void plait_fuse_find_reads(PlaitFusion *fusion);
/* Whether reading `access` from inside `kernel`, which makes it, is possible for `value`. */
bool plait_fuse_access_allows(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue value,
                              const PlaitAccess *access);
/* Whether `value` fits the loop and the folds of the kernel. */
bool plait_fuse_structure_allows(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue value);
/* Whether the kernel may hold `value` whole along the axes that it reduces. */
bool plait_fuse_size_allows(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue value);
/* Kernels that these need, directly or not, as bits; kernels that these accesses need. */
uint64_t plait_fuse_all_needs(const PlaitFusion *fusion, uint64_t needs);
uint64_t plait_fuse_needs_of(const PlaitFusion *fusion, const PlaitAccesses *accesses);
/* Puts `value` into kernel k. */
void plait_fuse_join(PlaitFusion *fusion, uint32_t k, PlaitValue value, const PlaitAccesses *accesses);
/* Moves values to the kernel that alone reads them where that saves traffic. */
void plait_fuse_sink(PlaitFusion *fusion);
/* Writes the kernels as regions; the plan is complete. */
void plait_fuse_outline(PlaitFusion *fusion);

#endif
