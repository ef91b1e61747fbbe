/* The text behind a status, in memory of the thread: reporting an error must not allocate, since memory may be what
 * is missing. Texts longer than the buffer are cut off. */
#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_SIZE = 512 };

static _Thread_local struct {
    const char *subject;
    char text[TEXT_SIZE];
} last;

void plait_error_begin(const char *subject)
{
    last.subject = subject;
    last.text[0] = '\0';
}

const char *plait_error_text(void) { return last.text; }

/* Appends at `length`; returns the new length, at most what fits. */
static size_t append(char *text, size_t size, size_t length, const char *format, va_list arguments)
{
    if (length + 1 >= size) return length;
    int added = vsnprintf(text + length, size - length, format, arguments);
    if (added < 0) return length;
    size_t total = length + (size_t)added;
    return total < size ? total : size - 1;
}

__attribute__((format(printf, 2, 3))) static size_t append_text(size_t length, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    length = append(last.text, TEXT_SIZE, length, format, arguments);
    va_end(arguments);
    return length;
}

static size_t start_text(void) { return last.subject ? append_text(0, "%s: ", last.subject) : 0; }

PlaitStatus plait_fail(PlaitStatus status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(last.text, TEXT_SIZE, start_text(), format, arguments);
    va_end(arguments);
    return status;
}

PlaitStatus plait_fail_argument(PlaitStatus status, uint32_t index, const char *name, const char *format, ...)
{
    size_t length = append_text(start_text(), "argument %u `%s`: ", index + 1, name);
    va_list arguments;
    va_start(arguments, format);
    append(last.text, TEXT_SIZE, length, format, arguments);
    va_end(arguments);
    return status;
}

PlaitStatus plait_fail_memory(uint64_t bytes)
{
    return plait_fail(PLAIT_STATUS_OUT_OF_MEMORY, "%llu bytes of memory could not be allocated",
                      (unsigned long long)bytes);
}

void plait_piece_add(PlaitPiece *piece, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    piece->length = append(piece->text, sizeof piece->text, piece->length, format, arguments);
    va_end(arguments);
}
