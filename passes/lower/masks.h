/* What the masks of folds are made of. */
#ifndef PLAIT_PASSES_LOWER_MASKS_H
#define PLAIT_PASSES_LOWER_MASKS_H

#include "passes/lower/lower.h"

enum { PLAIT_MOST_MASKS = 8, PLAIT_MOST_COMPARISONS = 4 };

/* The masks of a fold's reductions over its axis, each once. */
typedef struct PlaitFoldMasks {
    PlaitValue data[PLAIT_MOST_MASKS];
    uint32_t count;
    bool unmasked; /* a reduction without a mask, or too many masks */
} PlaitFoldMasks;
PlaitFoldMasks plait_fold_masks(const PlaitFunction *operator_, PlaitValue fold);

/* The parts of a mask that must all be true. */
PlaitValues plait_mask_conjuncts(const PlaitFunction *operator_, PlaitValue mask);

/* A conjunct `key op query`: the key is known at each position of the fold's axis, the query at each row. One of them
 * is 0 where the conjunct is a truth of the other: then that equals true. */
typedef struct PlaitComparison {
    PlaitValue conjunct, key, query;
    PlaitOp op;
} PlaitComparison;

/* The conjuncts of a fold's mask that compare data which is known before the fold's kernel runs. */
typedef struct PlaitDataMask {
    PlaitValue fold;
    PlaitComparison list[PLAIT_MOST_COMPARISONS];
    uint32_t count;
    bool alone;     /* the mask has no other conjuncts */
    PlaitType axes; /* on which they depend, without the fold's: one position a program, or the block of rows */
} PlaitDataMask;

/* False when the fold's mask has none, or when no bounds could be of use. */
bool plait_find_data_mask(const PlaitFunction *operator_, const PlaitRegion *region, const PlaitKernelPlan *plan,
                          PlaitValue fold, PlaitDataMask *mask);

#endif
