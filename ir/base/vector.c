/* Growable arrays in an arena. */
#include "ir/base/vector.h"

#include <string.h>

void plait_vector_grow(PlaitArena *arena, void **data, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return;
    if (*capacity > UINT32_MAX / 2) plait_arena_fail(arena);
    uint32_t larger = *capacity ? *capacity * 2 : 8;
    void *storage = plait_arena_array(arena, larger, size);
    if (count) memcpy(storage, *data, count * size);
    *data = storage;
    *capacity = larger;
}
