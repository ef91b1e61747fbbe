/* Files: reading with limits, writing beside and renaming, temporary folders. */
#include "driver/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/cleanup.h"

/* Negative results of slurp() beside -errno. */
enum { TOO_LARGE = -100000 };

static PlaitDiagnosticId id_of_error(PlaitDiagnosticId otherwise, int error)
{
    if (otherwise == PLAIT_FILE_UNWRITABLE) return otherwise;
    if (error == ENOENT || error == ENOTDIR) return PLAIT_FILE_MISSING;
    return error == EISDIR ? PLAIT_FILE_NOT_REGULAR : otherwise;
}

/* Whether the folder that the path's file would be in is there. */
static bool folder_exists(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return true;
    char folder[PATH_MAX];
    struct stat status;
    int length = snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return length > 0 && (size_t)length < sizeof folder && stat(folder, &status) == 0 && S_ISDIR(status.st_mode);
}

static const char *help_for(PlaitDiagnosticId id, const char *path, int error)
{
    if (id == PLAIT_FILE_MISSING) return "check the path; it is relative to the current folder";
    if (id == PLAIT_FILE_NOT_REGULAR) return "give the path of a file, not of a folder";
    if (error == EACCES || error == EPERM) return "change its permissions with chmod, or those of its folder";
    if (error == ENOSPC || error == EDQUOT) return "make room on that disk, or write elsewhere with another path";
    if (error == EROFS) return "write elsewhere: that disk is read-only";
    if (error == ENOENT && folder_exists(path)) return "write elsewhere: no files can be made in that folder";
    if (error == ENOENT) return "make the folder first: it does not exist";
    if (error == EISDIR) return "give the path of a file, not of a folder";
    if (error == ENOTDIR) return "give another path: what it goes through as a folder is a file";
    return "check the path and its permissions";
}

/* A file of a near name in the folder where `path` should be, as a path; NULL. */
static const char *near_file(PlaitSession *session, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *folder = !slash          ? "."
                         : slash == path ? "/"
                                         : plait_arena_strndup(session->arena, path, (size_t)(slash - path));
    DIR *listing = opendir(folder);
    if (!listing) return NULL;
    PlaitTexts names = {0};
    for (const struct dirent *entry; names.count < 1000 && (entry = readdir(listing));)
        if (entry->d_name[0] != '.')
            plait_push(session->arena, &names, plait_session_text(session, "%s", entry->d_name));
    closedir(listing);
    const char *nearest = plait_nearest_name(slash ? slash + 1 : path, names.data, names.count);
    return nearest && slash ? plait_session_text(session, "%.*s%s", (int)(slash + 1 - path), path, nearest) : nearest;
}

void plait_file_report(PlaitSession *session, PlaitDiagnosticId otherwise, const char *path, int error)
{
    PlaitDiagnosticId id = id_of_error(otherwise, error);
    const char *near = id == PLAIT_FILE_MISSING && *path ? near_file(session, path) : NULL;
    const char *expected = id == PLAIT_FILE_UNWRITABLE ? "a file that can be written" : "a file that can be read";
    plait_session_error(
        session, id, *path ? plait_session_text(session, "`%s`: %s", path, strerror(error)) : "an empty path", expected,
        near ? plait_session_text(session, "did you mean `%s`?", near) : help_for(id, path, error));
}

/* Reads until the end or the limit; the length, or -errno. The size that fstat tells is only a hint: pipes have none.
 */
static long long slurp(PlaitArena *arena, int file, size_t limit, PlaitBytes *bytes)
{
    struct stat status;
    if (fstat(file, &status) != 0) return -errno;
    if (S_ISDIR(status.st_mode)) return -EISDIR;
    if (S_ISREG(status.st_mode) && (unsigned long long)status.st_size > limit) return TOO_LARGE;
    size_t capacity = S_ISREG(status.st_mode) && status.st_size > 0 ? (size_t)status.st_size + 1 : 65536;
    *bytes = (PlaitBytes){.data = plait_arena_alloc(arena, capacity + 1)};
    for (;;) {
        if (bytes->length == capacity) {
            if (capacity > limit) return TOO_LARGE;
            unsigned char *larger = plait_arena_alloc(arena, capacity * 2 + 1);
            memcpy(larger, bytes->data, bytes->length);
            bytes->data = larger;
            capacity *= 2;
        }
        ssize_t got = read(file, bytes->data + bytes->length, capacity - bytes->length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        bytes->length += (size_t)got;
        if (got == 0) break;
    }
    return bytes->length > limit ? TOO_LARGE : (long long)bytes->length;
}

static long long read_path(PlaitArena *arena, const char *path, size_t limit, PlaitBytes *bytes)
{
    bool standard = strcmp(path, "-") == 0;
    int file = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -errno;
    long long length = slurp(arena, file, limit, bytes);
    if (!standard) close(file);
    if (length >= 0) bytes->data[bytes->length] = '\0';
    return length;
}

bool plait_file_read_quietly(PlaitArena *arena, const char *path, size_t limit, PlaitBytes *bytes)
{
    return read_path(arena, path, limit, bytes) >= 0;
}

bool plait_file_read(PlaitSession *session, const char *path, size_t limit, PlaitBytes *bytes)
{
    long long length = read_path(session->arena, path, limit, bytes);
    if (length >= 0) return true;
    if (length == TOO_LARGE)
        plait_session_error(session, PLAIT_FILE_TOO_LARGE,
                            plait_session_text(session, "`%s`, larger than %zu bytes", path, limit),
                            plait_session_text(session, "at most %zu bytes", limit), "is this the file you meant?");
    else plait_file_report(session, PLAIT_FILE_UNREADABLE, path, (int)-length);
    return false;
}

uint32_t plait_file_read_source(PlaitSession *session, const char *path)
{
    PlaitBytes bytes;
    if (!plait_file_read(session, path, PLAIT_SOURCE_LIMIT, &bytes)) return 0;
    const char *name = strcmp(path, "-") == 0 ? "<stdin>" : path;
    return plait_sources_add(&session->sources, name, (const char *)bytes.data, (uint32_t)bytes.length);
}

static bool write_all(int file, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t done = write(file, at, length);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        at += done;
        length -= (size_t)done;
    }
    return true;
}

/* What exists and is no regular file (/dev/null, a pipe) is written in place: renaming would replace it. */
bool plait_file_is_special(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static bool write_parts(int file, const void *const *parts, const size_t *lengths, uint32_t count)
{
    bool written = true;
    for (uint32_t i = 0; i < count && written; i++) written = write_all(file, parts[i], lengths[i]);
    int error = errno;
    if (close(file) != 0 && written) return false;
    errno = error;
    return written;
}

static bool write_special(const char *path, const void *const *parts, const size_t *lengths, uint32_t count)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    return file >= 0 && write_parts(file, parts, lengths, count);
}

/* Writes the contents beside `path`, into a file registered for removal whose name it leaves in `beside`; what is no
 * regular file is written in place, and `beside` is empty. False with errno set, and nothing is left. */
static bool write_beside(const char *path, const void *const *parts, const size_t *lengths, uint32_t count,
                         char beside[PLAIT_CLEANUP_PATH_LENGTH])
{
    beside[0] = '\0';
    if (plait_file_is_special(path)) return write_special(path, parts, lengths, count);
    int length = snprintf(beside, PLAIT_CLEANUP_PATH_LENGTH, "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= PLAIT_CLEANUP_PATH_LENGTH) {
        beside[0] = '\0';
        errno = ENAMETOOLONG;
        return false;
    }
    int file = mkstemp(beside);
    if (file < 0) {
        beside[0] = '\0';
        return false;
    }
    plait_cleanup_add_path(beside);
    mode_t mask = umask(0); /* the permissions that open() would have given */
    umask(mask);
    fchmod(file, 0666 & ~mask);
    return write_parts(file, parts, lengths, count);
}

/* Gives the file its name, or (not `complete`) removes it; keeps errno of a failure. */
static bool end_beside(const char *path, const char *beside, bool complete)
{
    if (!beside[0]) return complete;
    bool renamed = complete && rename(beside, path) == 0;
    int error = errno;
    if (!renamed) unlink(beside);
    plait_cleanup_forget_path(beside);
    errno = error;
    return renamed;
}

bool plait_file_write_quietly(const char *path, const void *const *parts, const size_t *lengths, uint32_t count)
{
    char beside[PLAIT_CLEANUP_PATH_LENGTH];
    return end_beside(path, beside, write_beside(path, parts, lengths, count, beside));
}

bool plait_files_write(PlaitSession *session, const PlaitOutputFile *files, uint32_t count)
{
    char(*beside)[PLAIT_CLEANUP_PATH_LENGTH] =
        plait_arena_alloc(session->arena, count * (size_t)PLAIT_CLEANUP_PATH_LENGTH);
    const char *failed = NULL;
    int error = 0;
    uint32_t begun = 0;
    for (; begun < count && !failed; begun++) {
        const void *data = files[begun].bytes.data;
        if (write_beside(files[begun].path, &data, &files[begun].bytes.length, 1, beside[begun])) continue;
        failed = files[begun].path, error = errno;
    }
    for (uint32_t i = 0; i < begun; i++) {
        if (end_beside(files[i].path, beside[i], !failed) || failed) continue;
        failed = files[i].path, error = errno;
    }
    if (failed) plait_file_report(session, PLAIT_FILE_UNWRITABLE, failed, error);
    return !failed;
}

bool plait_file_write(PlaitSession *session, const char *path, const void *data, size_t length)
{
    if (plait_file_write_quietly(path, &data, &length, 1)) return true;
    plait_file_report(session, PLAIT_FILE_UNWRITABLE, path, errno);
    return false;
}

bool plait_file_copy(PlaitSession *session, const char *from, const char *to)
{
    PlaitBytes bytes;
    return plait_file_read(session, from, PLAIT_ARRAY_LIMIT, &bytes) &&
           plait_file_write(session, to, bytes.data, bytes.length);
}

const char *plait_temporary_folder(PlaitSession *session)
{
    const char *root = getenv("TMPDIR");
    char *path = plait_session_text(session, "%s/plait-XXXXXX", root && *root ? root : "/tmp");
    if (!mkdtemp(path)) {
        const char *folder = plait_path_folder(session->arena, path);
        plait_session_error(session, PLAIT_FILE_UNWRITABLE,
                            plait_session_text(session, "no file can be made in the temporary folder `%s`: %s", folder,
                                               strerror(errno)),
                            "a folder for temporary files, which exists and can be written",
                            "name one in the environment variable TMPDIR; without it /tmp is taken");
        return NULL;
    }
    plait_cleanup_add_path(path);
    return path;
}

bool plait_folder_make(PlaitArena *arena, const char *path)
{
    struct stat status;
    if (mkdir(path, 0777) == 0) return true;
    if (errno == EEXIST) {
        bool folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
        if (!folder) errno = ENOTDIR;
        return folder;
    }
    const char *above = plait_path_folder(arena, path);
    if (errno != ENOENT || strcmp(above, path) == 0) return false;
    return plait_folder_make(arena, above) && (mkdir(path, 0777) == 0 || errno == EEXIST);
}

const char *plait_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *plait_path_folder(PlaitArena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return ".";
    return slash == path ? "/" : plait_arena_strndup(arena, path, (size_t)(slash - path));
}

const char *plait_path_stem(PlaitArena *arena, const char *path)
{
    const char *base = plait_path_base(path), *dot = strrchr(base, '.');
    return dot && dot != base ? plait_arena_strndup(arena, base, (size_t)(dot - base)) : base;
}

const char *plait_path_join(PlaitArena *arena, const char *folder, const char *name)
{
    return plait_arena_printf(arena, "%s/%s", folder, name);
}
