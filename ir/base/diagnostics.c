/* Diagnostics: collecting, ordering, printing as text and JSON. */
#include "ir/base/diagnostics.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *code, *title;
} rows[] = {
#define DIAGNOSTIC(id, code, title) {code, title},
#include "ir/base/diagnostics.def"
#undef DIAGNOSTIC
};

const char *plait_diagnostic_code(PlaitDiagnosticId id) { return rows[id].code; }
const char *plait_diagnostic_title(PlaitDiagnosticId id) { return rows[id].title; }

static bool same_place(PlaitSpan a, PlaitSpan b)
{
    return a.source == b.source && a.begin == b.begin && a.end == b.end;
}

void plait_report(PlaitDiagnostics *diagnostics, PlaitDiagnostic diagnostic)
{
    for (uint32_t i = 0; i < diagnostics->list.count; i++) {
        const PlaitDiagnostic *known = &diagnostics->list.data[i];
        if (known->id == diagnostic.id && diagnostic.span.source && same_place(known->span, diagnostic.span)) return;
    }
    diagnostics->error_count++;
    if (!diagnostic.found) diagnostic.found = "";
    if (!diagnostic.expected) diagnostic.expected = "";
    if (!diagnostic.help) diagnostic.help = "";
    if (diagnostics->list.count < PLAIT_MAX_ERRORS) plait_push(diagnostics->arena, &diagnostics->list, diagnostic);
}

/* Indices of the messages in order of place; equal places keep their order. */
static uint32_t *ordered(const PlaitDiagnostics *diagnostics)
{
    uint32_t count = diagnostics->list.count, *order = PLAIT_NEW_ARRAY(diagnostics->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) {
        PlaitSpan span = diagnostics->list.data[i].span;
        uint32_t at = i;
        for (; at > 0; at--) {
            PlaitSpan before = diagnostics->list.data[order[at - 1]].span;
            if (before.source < span.source || (before.source == span.source && before.begin <= span.begin)) break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    return order;
}

/* Characters (not bytes) in [begin, end) of the source. */
static uint32_t characters(const PlaitSource *source, uint32_t begin, uint32_t end)
{
    uint32_t count = 0;
    for (uint32_t i = begin; i < end && i < source->length; i++)
        count += ((unsigned char)source->text[i] & 0xC0) != 0x80;
    return count;
}

/* The part of a line that is shown: all of it, or what is around `offset` when it is long. */
typedef struct Window {
    uint32_t begin, end;
} Window;

enum { LONGEST_LINE = 160, BEFORE_PLACE = 80 };

static bool is_continuation(const PlaitSource *source, uint32_t at)
{
    return ((unsigned char)source->text[at] & 0xC0) == 0x80;
}

static Window shown(const PlaitSource *source, PlaitPlace place, uint32_t offset)
{
    Window window = {place.line_begin, place.line_end};
    if (window.end - window.begin <= LONGEST_LINE) return window;
    if (offset - window.begin > LONGEST_LINE - BEFORE_PLACE) window.begin = offset - BEFORE_PLACE;
    while (window.begin < offset && is_continuation(source, window.begin)) window.begin++;
    if (window.end - window.begin > LONGEST_LINE) window.end = window.begin + LONGEST_LINE;
    while (window.end > offset && window.end < place.line_end && is_continuation(source, window.end)) window.end--;
    return window;
}

static void print_source_line(const PlaitSource *source, PlaitPlace place, Window window, PlaitText *text)
{
    if (window.begin > place.line_begin) plait_text_add(text, "...");
    for (uint32_t i = window.begin; i < window.end; i++) {
        unsigned char c = (unsigned char)source->text[i];
        if (c == '\t') plait_text_add(text, " ");
        else if (c < 0x20 || c == 0x7F) plait_text_add(text, "?");
        else plait_text_add_bytes(text, &source->text[i], 1);
    }
    if (window.end < place.line_end) plait_text_add(text, "...");
}

static void print_excerpt(const PlaitDiagnostics *diagnostics, PlaitSpan span, const char *note, PlaitText *text)
{
    const PlaitSource *source = plait_sources_get(diagnostics->sources, span.source);
    if (!source) return;
    PlaitPlace place = plait_source_place(source, span.begin);
    uint32_t offset = span.begin < place.line_end ? span.begin : place.line_end;
    Window window = shown(source, place, offset);
    plait_text_printf(text, "  --> %s:%u:%u%s%s\n", source->name, place.line, place.column, *note ? ": " : "", note);
    plait_text_printf(text, "      |\n%5u | ", place.line);
    print_source_line(source, place, window, text);
    plait_text_add(text, "\n      | ");
    plait_text_repeat(text, ' ', (window.begin > place.line_begin ? 3 : 0) + characters(source, window.begin, offset));
    uint32_t end = span.end < window.end ? span.end : window.end;
    uint32_t carets = characters(source, offset, end);
    plait_text_repeat(text, '^', carets ? carets : 1);
    plait_text_add(text, "\n");
}

/* A line of a message. What a path or a tool puts into it must not move the terminal's cursor. */
static void print_line(PlaitText *text, const char *label, const char *line)
{
    plait_text_printf(text, "      = %s: ", label);
    for (; *line; line++) {
        bool control = ((unsigned char)*line < 0x20 && *line != '\n' && *line != '\t') || *line == 0x7F;
        plait_text_add_bytes(text, control ? "?" : line, 1);
    }
    plait_text_add(text, "\n");
}

static void print_one(const PlaitDiagnostics *diagnostics, const PlaitDiagnostic *d, PlaitText *text)
{
    plait_text_printf(text, "error[%s]: %s\n", rows[d->id].code, rows[d->id].title);
    print_excerpt(diagnostics, d->span, "", text);
    if (d->related.source) print_excerpt(diagnostics, d->related, d->related_note ? d->related_note : "", text);
    if (*d->found) print_line(text, "found", d->found);
    if (*d->expected) print_line(text, "expected", d->expected);
    print_line(text, "help", d->help);
}

void plait_diagnostics_print(const PlaitDiagnostics *diagnostics, PlaitText *text)
{
    const uint32_t *order = ordered(diagnostics);
    for (uint32_t i = 0; i < diagnostics->list.count; i++) {
        if (i) plait_text_add(text, "\n");
        print_one(diagnostics, &diagnostics->list.data[order[i]], text);
    }
    if (diagnostics->error_count > diagnostics->list.count)
        plait_text_printf(text, "\n... and %u more errors\n", diagnostics->error_count - diagnostics->list.count);
}

static void print_one_json(const PlaitDiagnostics *diagnostics, const PlaitDiagnostic *d, PlaitText *text)
{
    plait_text_printf(text, "{\"code\": \"%s\", \"title\": ", rows[d->id].code);
    plait_text_json_string(text, rows[d->id].title);
    const PlaitSource *source = plait_sources_get(diagnostics->sources, d->span.source);
    if (source) {
        PlaitPlace begin = plait_source_place(source, d->span.begin), end = plait_source_place(source, d->span.end);
        plait_text_add(text, ", \"file\": ");
        plait_text_json_string(text, source->name);
        plait_text_printf(text, ", \"line\": %u, \"column\": %u, \"end_line\": %u, \"end_column\": %u", begin.line,
                          begin.column, end.line, end.column);
    }
    plait_text_add(text, ", \"found\": ");
    plait_text_json_string(text, d->found);
    plait_text_add(text, ", \"expected\": ");
    plait_text_json_string(text, d->expected);
    plait_text_add(text, ", \"help\": ");
    plait_text_json_string(text, d->help);
    plait_text_add(text, "}");
}

void plait_diagnostics_print_json(const PlaitDiagnostics *diagnostics, PlaitText *text)
{
    const uint32_t *order = ordered(diagnostics);
    plait_text_add(text, "[");
    for (uint32_t i = 0; i < diagnostics->list.count; i++) {
        if (i) plait_text_add(text, ", ");
        print_one_json(diagnostics, &diagnostics->list.data[order[i]], text);
    }
    plait_text_add(text, "]");
}

/* Levenshtein distance, large and small letters alike, capped: rows of at most 64 characters. */
static uint32_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > 63 || m > 63) return UINT32_MAX;
    uint32_t row[64];
    for (size_t j = 0; j <= m; j++) row[j] = (uint32_t)j;
    for (size_t i = 1; i <= n; i++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= m; j++) {
            uint32_t best = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[m];
}

const char *plait_nearest_name(const char *name, const char *const *candidates, uint32_t count)
{
    const char *nearest = NULL;
    uint32_t least = (uint32_t)strlen(name) / 3 + 2; /* exclusive: one third of the letters, plus one */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t distance = edit_distance(name, candidates[i]);
        if (distance < least && distance < strlen(name)) {
            nearest = candidates[i];
            least = distance;
        }
    }
    return nearest;
}

_Noreturn void plait_bug_at(const char *file, int line, const char *format, ...)
{
    fprintf(stderr, "plait: internal error at %s:%d: ", file, line);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n  This is a mistake in Plait, not in your program. Please report it with the program.\n");
    abort();
}
