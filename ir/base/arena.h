/* Arenas: every allocation of the compiler belongs to one, and everything in it is freed at once.
 *
 * An allocation never returns NULL. When memory runs out, control leaves by longjmp to the innermost
 * PLAIT_TRY of the arena's failure point, whose owner destroys its arenas and reports the error. Code
 * between the two therefore must own nothing that an arena does not own (files and LLVM objects are
 * opened and closed in functions that do not allocate from an arena in between).
 */
#ifndef PLAIT_BASE_ARENA_H
#define PLAIT_BASE_ARENA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Where control goes when memory runs out. */
typedef struct PlaitFailure {
    jmp_buf jump;
} PlaitFailure;

typedef struct PlaitArena PlaitArena;

/* Makes an empty arena; NULL when memory runs out. `failure` is not owned and must outlive the arena's use. */
PlaitArena *plait_arena_create(PlaitFailure *failure);
/* Frees the arena and all that was allocated from it. NULL is allowed. */
void plait_arena_destroy(PlaitArena *arena);

/* `size` zeroed bytes, aligned to 16. Size 0 gives a valid pointer. */
void *plait_arena_alloc(PlaitArena *arena, size_t size);
/* `count` zeroed elements of `size` bytes; a product that overflows counts as out of memory. */
void *plait_arena_array(PlaitArena *arena, size_t count, size_t size);
void *plait_arena_copy(PlaitArena *arena, const void *data, size_t size);
char *plait_arena_strdup(PlaitArena *arena, const char *text);
char *plait_arena_strndup(PlaitArena *arena, const char *text, size_t length);
char *plait_arena_printf(PlaitArena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *plait_arena_vprintf(PlaitArena *arena, const char *format, va_list arguments);
/* Leaves to the failure point as if memory had run out. */
_Noreturn void plait_arena_fail(PlaitArena *arena);

#define PLAIT_NEW(arena, type) ((type *)plait_arena_alloc((arena), sizeof(type)))
#define PLAIT_NEW_ARRAY(arena, type, count) ((type *)plait_arena_array((arena), (count), sizeof(type)))

/* True on the first pass; false when an allocation failed inside. Use as `if (PLAIT_TRY(&failure)) {...} else {...}`.
 */
#define PLAIT_TRY(failure) (setjmp((failure)->jump) == 0)

/* For tests: the n-th allocation from now on (1 = the next) fails, once. 0 turns it off. */
void plait_arena_fail_at(uint64_t n);

#endif
