/* The choice of one layout: what a group of tiles that must agree costs under a candidate, and the search for the
 * cheapest. A group is a set of values that share one map from axes to thread bits (passes/tile/layout.c forms them).
 * Axes are numbered within the group; sets of axes are bit masks over those numbers.
 */
#ifndef PLAIT_PASSES_TILE_LAYOUT_CHOOSE_H
#define PLAIT_PASSES_TILE_LAYOUT_CHOOSE_H

#include "ir/ir.h"

typedef enum PlaitLayoutCost {
    PLAIT_COST_WORK,   /* `weight` instructions for each element of `axes` */
    PLAIT_COST_CARRY,  /* a value that lives in registers through a loop */
    PLAIT_COST_LIVE,   /* a value that is alive for a moment */
    PLAIT_COST_MEMORY, /* a load or store of `axes`; `special`: the axis along which memory is contiguous, if any */
    PLAIT_COST_REDUCE, /* a reduction of `axes` over `special` */
    PLAIT_COST_DOT, /* a product with result `axes`, operands over `special` and `other`; weight counts the contracted
                       axis */
} PlaitLayoutCost;

typedef struct PlaitLayoutTerm {
    PlaitLayoutCost kind;
    uint32_t axes, special, other;
    uint32_t bytes; /* of an element */
    double weight;  /* how often it runs, times instructions */
} PlaitLayoutTerm;

typedef struct PlaitLayoutGroup {
    PlaitAxis axes[PLAIT_MAX_RANK];
    uint32_t sizes[PLAIT_MAX_RANK]; /* tile sizes, all > 1 */
    uint32_t
        together[PLAIT_MAX_RANK]; /* axes that some value has together with this one: their thread bits must differ */
    uint32_t rows; /* the axis of the rows of products on the matrix units, as a mask; 0: there are none */
    bool halves;   /* two groups of warps may have the same rows, and half of the columns each */
    bool whole;    /* they are to hold all columns both */
    uint32_t wide; /* axes along which some load or store is contiguous */
    uint32_t count;
    PLAIT_VECTOR(PlaitLayoutTerm) terms;
} PlaitLayoutGroup;

enum { PLAIT_LEAST_THREAD_BITS = 5, PLAIT_MOST_THREAD_BITS = 9, PLAIT_LANE_BITS = 5 };

/* The cheapest layout found on 2^thread_bits threads, and its cost in instructions of one thread. */
PlaitLayout plait_layout_choose(const PlaitLayoutGroup *group, uint32_t thread_bits, double *cost);

#endif
