/* Case files, and compiling the programs in them.
 *
 * A case is a line `=== NAME [-D axis=n]..`, a program, a line `---`, and the expected text; text before the first case
 * is a comment. In a program `\xHH` is that byte, `\{N:TEXT\}` is TEXT N times, and `\$` at the end of a line removes
 * its newline. A blank line stands between the expected text and the next case.
 */
#ifndef PLAIT_TESTS_FRONTEND_CASES_H
#define PLAIT_TESTS_FRONTEND_CASES_H

#include "frontend/frontend.h"

typedef struct Case {
    const char *name;    /* the line without `=== ` */
    const char *program; /* as written */
    const char *expected;
} Case;

/* What a program has become. */
typedef struct Compiled {
    PlaitSources sources;
    PlaitNames names;
    PlaitDiagnostics diagnostics;
    PlaitModule *module; /* NULL when it was rejected */
} Compiled;

/* The text of a file; NULL when it cannot be read. */
char *cases_read_file(PlaitArena *arena, const char *path);
/* Cuts a text at the line that begins with `mark`: ends it before that line and returns what follows the mark; or NULL.
 */
char *cases_cut(char *text, const char *mark);
/* Reads the case at `text`, which follows `=== `, and sets `*rest` to the next one or NULL. False when it is malformed.
 */
bool cases_next(char *text, char **rest, Case *result);
/* Compiles a text, with its escapes, as `test.plait`; the sizes in `options` (`-D axis=n`) apply. */
Compiled *cases_compile(PlaitArena *arena, const char *program, const char *options);
/* The module's text, or the diagnostics. */
const char *cases_text(PlaitArena *arena, const Compiled *compiled);
/* Runs `check` on every case of the files; returns the number of failures: cases for which it was false, and bad files.
 */
typedef bool CaseCheck(PlaitArena *arena, const char *path, const Case *test);
int cases_run(PlaitArena *arena, int count, char **paths, CaseCheck *check, int *cases);
/* Whether `actual` is the expected text of the case; prints both when not. */
bool cases_same(const char *path, const Case *test, const char *actual);
/* The file again, with the texts that `text` gives now: how expected texts are brought up to date. */
int cases_update(PlaitArena *arena, const char *path, const char *(*text)(PlaitArena *arena, const Case *test));

#endif
