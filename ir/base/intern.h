/* Interned names: equal text, equal id. Id 0 is the empty name. */
#ifndef PLAIT_BASE_INTERN_H
#define PLAIT_BASE_INTERN_H

#include "ir/base/vector.h"

typedef uint32_t PlaitName;

typedef struct PlaitNames {
    PlaitArena *arena;
    PLAIT_VECTOR(const char *) text; /* by id - 1 */
    uint32_t *slots;                 /* open addressing; 0 = free */
    uint32_t slot_count;
} PlaitNames;

PlaitName plait_names_add(PlaitNames *names, const char *text);
PlaitName plait_names_add_bytes(PlaitNames *names, const char *text, size_t length);
const char *plait_names_text(const PlaitNames *names, PlaitName name);

#endif
