/* Source texts and places in them. */
#ifndef PLAIT_BASE_SOURCE_H
#define PLAIT_BASE_SOURCE_H

#include "ir/base/vector.h"

/* A range of bytes [begin, end) of one source. Source 0 means "no place". */
typedef struct PlaitSpan {
    uint32_t source, begin, end;
} PlaitSpan;

typedef struct PlaitSource {
    const char *name; /* as the user named it */
    const char *text; /* zero-terminated; `length` bytes before the zero */
    uint32_t length;
} PlaitSource;

typedef struct PlaitSources {
    PlaitArena *arena;
    PLAIT_VECTOR(PlaitSource) list; /* source id = index + 1 */
} PlaitSources;

/* Adds a text (copied; without the byte order mark that it may begin with) and returns its id (1, 2, ...). */
uint32_t plait_sources_add(PlaitSources *sources, const char *name, const char *text, uint32_t length);
const PlaitSource *plait_sources_get(const PlaitSources *sources, uint32_t id);

/* 1-based line and column (in characters: UTF-8 continuation bytes are not counted) of byte `offset`. */
typedef struct PlaitPlace {
    uint32_t line, column;
    uint32_t line_begin, line_end; /* byte range of the line without its newline, \n or \r\n */
} PlaitPlace;
PlaitPlace plait_source_place(const PlaitSource *source, uint32_t offset);

/* The span from the start of `a` to the end of `b`. */
PlaitSpan plait_span_join(PlaitSpan a, PlaitSpan b);

#endif
