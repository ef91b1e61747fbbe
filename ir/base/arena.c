/* Arenas: a list of blocks, bump allocation inside the newest one. */
#include "ir/base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 16 * 1024, LARGEST_BLOCK = 4 * 1024 * 1024, ALIGNMENT = 16 };

typedef struct Block {
    struct Block *previous;
    size_t size, used;
} Block;

/* The block's header is padded so that its data stays aligned. */
enum { HEADER = (sizeof(Block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT };

struct PlaitArena {
    PlaitFailure *failure;
    Block *newest;
};

static _Thread_local uint64_t fail_countdown;

void plait_arena_fail_at(uint64_t n) { fail_countdown = n; }

static int injected_failure(void) { return fail_countdown != 0 && --fail_countdown == 0; }

PlaitArena *plait_arena_create(PlaitFailure *failure)
{
    PlaitArena *arena = injected_failure() ? NULL : malloc(sizeof *arena);
    if (arena) *arena = (PlaitArena){.failure = failure};
    return arena;
}

void plait_arena_destroy(PlaitArena *arena)
{
    if (!arena) return;
    for (Block *block = arena->newest; block;) {
        Block *previous = block->previous;
        free(block);
        block = previous;
    }
    free(arena);
}

_Noreturn void plait_arena_fail(PlaitArena *arena) { longjmp(arena->failure->jump, 1); }

static Block *add_block(PlaitArena *arena, size_t least)
{
    size_t size = arena->newest ? arena->newest->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_BLOCK) size = LARGEST_BLOCK;
    if (size < least) size = least;
    Block *block = size > SIZE_MAX - HEADER ? NULL : malloc(HEADER + size);
    if (!block) plait_arena_fail(arena);
    *block = (Block){.previous = arena->newest, .size = size};
    arena->newest = block;
    return block;
}

void *plait_arena_alloc(PlaitArena *arena, size_t size)
{
    if (injected_failure() || size > SIZE_MAX - ALIGNMENT) plait_arena_fail(arena);
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded == 0) rounded = ALIGNMENT;
    Block *block = arena->newest;
    if (!block || block->size - block->used < rounded) block = add_block(arena, rounded);
    void *data = (char *)block + HEADER + block->used;
    block->used += rounded;
    return memset(data, 0, rounded);
}

void *plait_arena_array(PlaitArena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) plait_arena_fail(arena);
    return plait_arena_alloc(arena, count * size);
}

void *plait_arena_copy(PlaitArena *arena, const void *data, size_t size)
{
    void *copy = plait_arena_alloc(arena, size);
    return size ? memcpy(copy, data, size) : copy;
}

char *plait_arena_strndup(PlaitArena *arena, const char *text, size_t length)
{
    char *copy = plait_arena_alloc(arena, length + 1);
    if (length) memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *plait_arena_strdup(PlaitArena *arena, const char *text) { return plait_arena_strndup(arena, text, strlen(text)); }

char *plait_arena_vprintf(PlaitArena *arena, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) plait_arena_fail(arena);
    char *text = plait_arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

char *plait_arena_printf(PlaitArena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = plait_arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}
