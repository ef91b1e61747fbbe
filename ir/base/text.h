/* A growing text buffer in an arena: what printers write into. Always zero-terminated. */
#ifndef PLAIT_BASE_TEXT_H
#define PLAIT_BASE_TEXT_H

#include "ir/base/arena.h"

typedef struct PlaitText {
    PlaitArena *arena;
    char *data; /* zero-terminated once anything was added; NULL before */
    size_t length, capacity;
} PlaitText;

static inline PlaitText plait_text(PlaitArena *arena) { return (PlaitText){.arena = arena}; }
void plait_text_add(PlaitText *text, const char *string);
void plait_text_add_bytes(PlaitText *text, const char *bytes, size_t length);
void plait_text_repeat(PlaitText *text, char character, size_t count);
void plait_text_printf(PlaitText *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The shortest decimal that reads back as exactly `number` (inf, -inf and nan by name). */
void plait_text_number(PlaitText *text, double number);
/* Length of the UTF-8 sequence at `string`, of which `rest` bytes are there; 0 when it is none (overlong forms,
 * surrogates and what is cut off included). */
uint32_t plait_utf8_length(const char *string, size_t rest);
/* `string` as a JSON string literal with its quotes; what is not UTF-8 becomes U+FFFD. */
void plait_text_json_string(PlaitText *text, const char *string);
/* The text so far ("" when empty). Valid until the next addition. */
const char *plait_text_string(const PlaitText *text);

#endif
