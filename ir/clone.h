/* Copies of instructions, with their regions, under a map from old values to new ones. */
#ifndef PLAIT_IR_CLONE_H
#define PLAIT_IR_CLONE_H

#include "ir/build.h"

/* Old value -> new value; values that are not in the map stand for themselves. Grows as needed. */
typedef struct PlaitCloneMap {
    PlaitArena *arena;
    PlaitValue *to;
    uint32_t count;
} PlaitCloneMap;

static inline PlaitCloneMap plait_clone_map(PlaitArena *arena) { return (PlaitCloneMap){.arena = arena}; }
void plait_clone_set(PlaitCloneMap *map, PlaitValue from, PlaitValue to);
/* The new value of `from`, or 0 when none is set. */
PlaitValue plait_clone_find(const PlaitCloneMap *map, PlaitValue from);
/* The new value of `from`, or `from` itself. */
PlaitValue plait_clone_get(const PlaitCloneMap *map, PlaitValue from);

/* Appends a copy of `value` (and of the regions it owns) at the builder, records it in the map and returns it. */
PlaitValue plait_clone_inst(PlaitBuilder *builder, PlaitValue value, PlaitCloneMap *map);
/* Appends copies of all instructions of `from`; parameters and yields are the caller's. */
void plait_clone_body(PlaitBuilder *builder, const PlaitRegion *from, PlaitCloneMap *map);

#endif
