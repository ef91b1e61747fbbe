/* What the compiler says to its user: every message is a row of diagnostics.def.
 *
 * A user's mistake becomes a diagnostic and work goes on to find the next; after PLAIT_MAX_ERRORS errors
 * further ones are counted only. Our own mistakes go through plait_bug() and end the process.
 */
#ifndef PLAIT_BASE_DIAGNOSTICS_H
#define PLAIT_BASE_DIAGNOSTICS_H

#include <stdbool.h>

#include "ir/base/source.h"
#include "ir/base/text.h"

enum { PLAIT_MAX_ERRORS = 20 };

typedef enum PlaitDiagnosticId {
#define DIAGNOSTIC(id, code, title) PLAIT_##id,
#include "ir/base/diagnostics.def"
#undef DIAGNOSTIC
    PLAIT_DIAGNOSTIC_COUNT
} PlaitDiagnosticId;

typedef struct PlaitDiagnostic {
    PlaitDiagnosticId id;
    PlaitSpan span;       /* source 0: no place (command line, files) */
    const char *found;    /* what was found; never NULL */
    const char *expected; /* what was expected; "" when nothing useful can be said */
    const char *help;     /* the fix; never empty */
    PlaitSpan related;    /* a second place ("declared here"); source 0: none */
    const char *related_note;
} PlaitDiagnostic;

typedef struct PlaitDiagnostics {
    PlaitArena *arena;
    const PlaitSources *sources;
    PLAIT_VECTOR(PlaitDiagnostic) list; /* in the order reported, at most PLAIT_MAX_ERRORS */
    uint32_t error_count;               /* all errors, also those past the limit */
} PlaitDiagnostics;

/* Adds one. The strings are not copied: allocate them from the compilation's arena (or use literals).
 * A second report with the same id and span is dropped. */
void plait_report(PlaitDiagnostics *diagnostics, PlaitDiagnostic diagnostic);

const char *plait_diagnostic_code(PlaitDiagnosticId id);  /* "E0301" */
const char *plait_diagnostic_title(PlaitDiagnosticId id); /* "unknown name" */

/* All messages as text, in order of place:
 *     error[E0301]: unknown name
 *      --> file.plait:12:9
 *       |
 *    12 |     y = silo(x)
 *       |         ^^^^
 *       = found: `silo`
 *       = expected: the name of a function
 *       = help: did you mean `silu`?
 */
void plait_diagnostics_print(const PlaitDiagnostics *diagnostics, PlaitText *text);
/* The same as a JSON array of objects {code, title, file, line, column, end_line, end_column, found, expected, help}.
 */
void plait_diagnostics_print_json(const PlaitDiagnostics *diagnostics, PlaitText *text);

/* The candidate nearest to `name` by edit distance (of large and small letters alike), if near enough to be a likely
 * misspelling; else NULL. */
const char *plait_nearest_name(const char *name, const char *const *candidates, uint32_t count);

/* Our own mistake: prints file, line and message to stderr and aborts. */
_Noreturn void plait_bug_at(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define plait_bug(...) plait_bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define plait_assert(condition) ((condition) ? (void)0 : plait_bug("assertion failed: %s", #condition))

#endif
