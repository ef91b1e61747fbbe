/* The text behind a status: one buffer a thread, so that callers on other threads never see it change. */
#ifndef PLAIT_RUNTIME_ERROR_H
#define PLAIT_RUNTIME_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/plait.h"

/* Forgets this thread's text. What fails from now on is about `subject` (an operator's name; NULL: nothing named). */
void plait_error_begin(const char *subject);
/* "" when nothing failed since plait_error_begin. */
const char *plait_error_text(void);

/* Sets the text "SUBJECT: ..." and returns `status`. */
PlaitStatus plait_fail(PlaitStatus status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sets the text "SUBJECT: argument N `name`: ..."; `index` counts from 0, N from 1. */
PlaitStatus plait_fail_argument(PlaitStatus status, uint32_t index, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
PlaitStatus plait_fail_memory(uint64_t bytes);

/* A piece of a message that grows; cut off when full. */
typedef struct PlaitPiece {
    char text[256];
    size_t length;
} PlaitPiece;
void plait_piece_add(PlaitPiece *piece, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
