/* Reading and writing files: every failure is a diagnostic, and no file is ever half-written. */
#ifndef PLAIT_DRIVER_FILES_H
#define PLAIT_DRIVER_FILES_H

#include "driver/session.h"

typedef struct PlaitBytes {
    unsigned char *data; /* a zero follows the last byte */
    size_t length;
} PlaitBytes;

typedef struct PlaitOutputFile {
    const char *path;
    PlaitBytes bytes;
} PlaitOutputFile;

enum { PLAIT_SOURCE_LIMIT = 16 * 1024 * 1024 };
#define PLAIT_ARRAY_LIMIT ((size_t)64 << 30)

/* The whole file (`-`: standard input), in the driver's arena; at most `limit` bytes. Reports and returns false on
 * failure. */
bool plait_file_read(PlaitSession *session, const char *path, size_t limit, PlaitBytes *bytes);
/* The same without a word: for caches and probes. */
bool plait_file_read_quietly(PlaitArena *arena, const char *path, size_t limit, PlaitBytes *bytes);
/* Reads a program and adds it to the sources; 0 after a report. */
uint32_t plait_file_read_source(PlaitSession *session, const char *path);

/* Writes beside `path` and renames, so that readers see the old file or the new one. Reports and returns false on
 * failure. */
/* Whether something that is no regular file is there (a device, a pipe, a folder). */
bool plait_file_is_special(const char *path);
bool plait_file_write(PlaitSession *session, const char *path, const void *data, size_t length);
/* Several files at once: all are complete before the first gets its name, so that after a failure the old ones stay. */
bool plait_files_write(PlaitSession *session, const PlaitOutputFile *files, uint32_t count);
/* One file in parts, without a word: `errno` says why it failed. */
bool plait_file_write_quietly(const char *path, const void *const *parts, const size_t *lengths, uint32_t count);
/* Reports and returns false when an output (NULL: none) has the path of a folder or one that no file can be made at
 * (E0610), or is the same file as the input or as another output, by whatever path (E0605). To be asked before anything
 * is computed. */
bool plait_outputs_check(PlaitSession *session, const char *input, const char *const *outputs, uint32_t count);

/* Copies a file that we made to where the user wants it. */
bool plait_file_copy(PlaitSession *session, const char *from, const char *to);
/* Reports why `path` cannot be read or written, by `error` (an errno). */
void plait_file_report(PlaitSession *session, PlaitDiagnosticId otherwise, const char *path, int error);

/* A new folder under $TMPDIR or /tmp, removed by plait_cleanup_end and on signals; NULL after a report. */
const char *plait_temporary_folder(PlaitSession *session);
/* Makes a folder and those above it; false with errno set. */
bool plait_folder_make(PlaitArena *arena, const char *path);
/* The path of the folder that holds `path` ("." when there is none), and what follows its last slash. */
const char *plait_path_folder(PlaitArena *arena, const char *path);
const char *plait_path_base(const char *path);
/* The base without the part from its last dot. */
const char *plait_path_stem(PlaitArena *arena, const char *path);
const char *plait_path_join(PlaitArena *arena, const char *folder, const char *name);

#endif
