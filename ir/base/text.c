/* A growing text buffer in an arena. */
#include "ir/base/text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(PlaitText *text, size_t more)
{
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity) return;
    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity < needed) capacity *= 2;
    char *data = plait_arena_alloc(text->arena, capacity);
    if (text->length) memcpy(data, text->data, text->length);
    text->data = data;
    text->capacity = capacity;
}

void plait_text_add_bytes(PlaitText *text, const char *bytes, size_t length)
{
    reserve(text, length);
    if (length) memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void plait_text_add(PlaitText *text, const char *string) { plait_text_add_bytes(text, string, strlen(string)); }

void plait_text_repeat(PlaitText *text, char character, size_t count)
{
    reserve(text, count);
    memset(text->data + text->length, character, count);
    text->length += count;
    text->data[text->length] = '\0';
}

void plait_text_printf(PlaitText *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *string = plait_arena_vprintf(text->arena, format, arguments);
    va_end(arguments);
    plait_text_add(text, string);
}

void plait_text_number(PlaitText *text, double number)
{
    if (isnan(number)) {
        plait_text_add(text, "nan");
        return;
    }
    if (isinf(number)) {
        plait_text_add(text, number < 0 ? "-inf" : "inf");
        return;
    }
    char buffer[40];
    if (number == floor(number) && fabs(number) < 1e15) { /* 30, not 3e+01 */
        snprintf(buffer, sizeof buffer, signbit(number) && number == 0 ? "-%.0f" : "%.0f",
                 fabs(number) == 0 ? 0.0 : number);
        plait_text_add(text, buffer);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buffer, sizeof buffer, "%.*g", digits, number);
        if (strtod(buffer, NULL) == number) break;
    }
    plait_text_add(text, buffer);
}

uint32_t plait_utf8_length(const char *string, size_t rest)
{
    const unsigned char *text = (const unsigned char *)string;
    if (text[0] < 0x80) return 1;
    uint32_t length = text[0] >= 0xF0 ? 4 : text[0] >= 0xE0 ? 3 : 2;
    if (text[0] < 0xC2 || text[0] > 0xF4 || length > rest) return 0;
    for (uint32_t i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80) return 0;
    bool overlong = (text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xF0 && text[1] < 0x90);
    bool outside = (text[0] == 0xED && text[1] > 0x9F) || (text[0] == 0xF4 && text[1] > 0x8F);
    return overlong || outside ? 0 : length;
}

void plait_text_json_string(PlaitText *text, const char *string)
{
    plait_text_add(text, "\"");
    const unsigned char *end = (const unsigned char *)string + strlen(string);
    for (const unsigned char *c = (const unsigned char *)string; c < end; c++) {
        uint32_t length = plait_utf8_length((const char *)c, (size_t)(end - c));
        if (length == 0) plait_text_add(text, "\\ufffd"); /* a path may hold any bytes, JSON may not */
        else if (length > 1) plait_text_add_bytes(text, (const char *)c, length), c += length - 1;
        else if (*c == '"' || *c == '\\') plait_text_printf(text, "\\%c", *c);
        else if (*c == '\n') plait_text_add(text, "\\n");
        else if (*c == '\t') plait_text_add(text, "\\t");
        else if (*c < 0x20 || *c == 0x7F) plait_text_printf(text, "\\u%04x", *c);
        else plait_text_add_bytes(text, (const char *)c, 1);
    }
    plait_text_add(text, "\"");
}

const char *plait_text_string(const PlaitText *text) { return text->data ? text->data : ""; }
