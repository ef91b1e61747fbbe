/* Growable arrays in an arena, typed by macro: `PLAIT_VECTOR(int) v = {0}; plait_push(arena, &v, 3);` */
#ifndef PLAIT_BASE_VECTOR_H
#define PLAIT_BASE_VECTOR_H

#include "ir/base/arena.h"

#define PLAIT_VECTOR(type)                                                                                             \
    struct {                                                                                                           \
        type *data;                                                                                                    \
        uint32_t count, capacity;                                                                                      \
    }

/* Appends `...` to `*vector`. */
#define plait_push(arena, vector, ...)                                                                                 \
    (plait_vector_grow((arena), (void **)&(vector)->data, (vector)->count, &(vector)->capacity,                        \
                       sizeof *(vector)->data),                                                                        \
     (void)((vector)->data[(vector)->count++] = (__VA_ARGS__)))

/* Makes room for one more element; the old storage stays in the arena until the arena goes. */
void plait_vector_grow(PlaitArena *arena, void **data, uint32_t count, uint32_t *capacity, size_t size);

#endif
