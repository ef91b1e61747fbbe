/* Inside the pass `layout`: which values of a kernel must share one layout. */
#ifndef PLAIT_PASSES_TILE_LAYOUT_GROUPS_H
#define PLAIT_PASSES_TILE_LAYOUT_GROUPS_H

#include "passes/tile/layout_choose.h"

enum { PLAIT_MOST_LAYOUT_GROUPS = 64 };

/* Values that only depend on positions and numbers (iota, const and cheap arithmetic on them) belong to no group:
 * they are computed anew in every group that needs them. */
typedef struct PlaitLayoutGroups {
    PlaitFunction *kernel;
    uint32_t value_count; /* values before the pass made clones; the arrays below have as many entries */
    PlaitValue *leader;   /* union-find over values */
    uint8_t *group;       /* by leader: 1 + its group; 0: none yet */
    bool *cheap;
    uint8_t *whole;    /* by axis: 1 + the group of cheap first operands of products with these rows; 0: none yet */
    bool *loads_twice; /* by axis: what a loop loads along it alone is loaded in each group that needs it */
    uint64_t *needed;  /* by cheap value: bit g is set when group g needs it */
    PlaitLayoutGroup *groups;
    uint32_t group_count;
    bool halves; /* two groups of warps may share rows of products */
} PlaitLayoutGroups;

PlaitLayoutGroups plait_layout_groups(PlaitFunction *kernel);
/* The group in which operand `index` of instruction `value` is needed, or PLAIT_MOST_LAYOUT_GROUPS for none
 * (scalars, tensors). For a region's yields, `value` is the owner and `index` the operand of the carry. */
uint32_t plait_layout_group_of_operand(PlaitLayoutGroups *groups, PlaitValue value, uint32_t index);
/* The group of a product's operand `index` where that is cheap and the units take it from registers: there two groups
 * of warps that share rows both have all of its columns. PLAIT_MOST_LAYOUT_GROUPS: none such. */
uint32_t plait_layout_whole_group(PlaitLayoutGroups *groups, PlaitValue dot, uint32_t index);
/* Whether the instruction has a group: its value is a tile that is not cheap, or it stores or reduces one. */
bool plait_layout_is_in_group(const PlaitLayoutGroups *groups, PlaitValue value);
uint32_t plait_layout_group_of(PlaitLayoutGroups *groups, PlaitValue value);

/* Fills in what each group costs; passes/tile/layout_terms.c. */
void plait_layout_terms(PlaitLayoutGroups *groups);

#endif
