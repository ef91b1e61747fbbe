/* Source texts and places in them. */
#include "ir/base/source.h"

#include <string.h>

uint32_t plait_sources_add(PlaitSources *sources, const char *name, const char *text, uint32_t length)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* of byte order, as some editors write it before UTF-8 */
    uint32_t skipped = length >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    text += skipped, length -= skipped;
    PlaitSource source = {plait_arena_strdup(sources->arena, name), plait_arena_strndup(sources->arena, text, length),
                          length};
    plait_push(sources->arena, &sources->list, source);
    return sources->list.count;
}

const PlaitSource *plait_sources_get(const PlaitSources *sources, uint32_t id)
{
    return id == 0 || id > sources->list.count ? NULL : &sources->list.data[id - 1];
}

PlaitPlace plait_source_place(const PlaitSource *source, uint32_t offset)
{
    if (offset > source->length) offset = source->length;
    PlaitPlace place = {.line = 1, .column = 1};
    for (uint32_t i = 0; i < offset; i++) {
        if (source->text[i] == '\n') {
            place.line++;
            place.column = 1;
            place.line_begin = i + 1;
        } else if (((unsigned char)source->text[i] & 0xC0) != 0x80) {
            place.column++;
        }
    }
    place.line_end = place.line_begin;
    while (place.line_end < source->length && source->text[place.line_end] != '\n') place.line_end++;
    if (place.line_end > place.line_begin && source->text[place.line_end - 1] == '\r') place.line_end--;
    return place;
}

PlaitSpan plait_span_join(PlaitSpan a, PlaitSpan b)
{
    if (a.source == 0) return b;
    if (b.source != a.source) return a;
    return (PlaitSpan){a.source, a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}
