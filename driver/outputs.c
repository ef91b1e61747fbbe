/* Before a command begins: its outputs can be files, and are apart. A path that is a folder's, or goes through a folder
 * that does not exist or takes no files, is found out before anything is computed.
 *
 * Keeping the files of a command apart: writing one over the program, or two results into one file, would lose what the
 * user still needs.
 *
 * A file is known by its device and number, so that other spellings of a path, links and hard links are seen; one that
 * does not exist yet by its folder's and its name. Devices and pipes may be written any number of times.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/files.h"

typedef struct Identity {
    bool known;
    struct stat place; /* of the file, or of the folder that it will be in */
    const char *name;  /* in that folder; "" for a file that exists */
} Identity;

static Identity identity_of(PlaitSession *session, const char *path)
{
    Identity identity = {.name = ""};
    if (!path) return identity;
    if (stat(path, &identity.place) == 0) {
        identity.known = S_ISREG(identity.place.st_mode);
        return identity;
    }
    identity.name = plait_path_base(path);
    identity.known = stat(plait_path_folder(session->arena, path), &identity.place) == 0;
    return identity;
}

static bool same_file(const Identity *a, const Identity *b)
{
    return a->known && b->known && a->place.st_dev == b->place.st_dev && a->place.st_ino == b->place.st_ino &&
           strcmp(a->name, b->name) == 0;
}

static bool clash(PlaitSession *session, const char *output, const char *other, bool read)
{
    plait_session_error(session, PLAIT_OPTIONS_CLASH,
                        plait_session_text(session,
                                           read ? "`%s` would be written over `%s`, which is read"
                                                : "`%s` and `%s` would be written into one file",
                                           output, other),
                        "another file for each output", "give another path; nothing was written");
    return false;
}

/* Why no file can be made at the path: it is a folder's, or the folder that would hold it is none or takes no files. 0:
 * it can be. What exists is left to the writing: a device needs no folder. */
static int why_not(PlaitSession *session, const char *path)
{
    struct stat status;
    bool exists = stat(path, &status) == 0;
    if (!*plait_path_base(path) || (exists && S_ISDIR(status.st_mode))) return EISDIR;
    if (exists) return 0;
    const char *folder = plait_path_folder(session->arena, path);
    if (stat(folder, &status) != 0) return errno;
    if (!S_ISDIR(status.st_mode)) return ENOTDIR;
    return access(folder, W_OK | X_OK) == 0 ? 0 : errno;
}

/* Whether the path (NULL: none) can be that of a file; reports when it cannot. */
static bool names_file(PlaitSession *session, const char *path)
{
    int error = path ? why_not(session, path) : 0;
    if (error) plait_file_report(session, PLAIT_FILE_UNWRITABLE, path, error);
    return !error;
}

bool plait_outputs_check(PlaitSession *session, const char *input, const char *const *outputs, uint32_t count)
{
    Identity read = identity_of(session, strcmp(input, "-") == 0 ? NULL : input);
    Identity *written = PLAIT_NEW_ARRAY(session->arena, Identity, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!names_file(session, outputs[i])) return false;
        written[i] = identity_of(session, outputs[i]);
        if (same_file(&written[i], &read)) return clash(session, outputs[i], input, true);
        for (uint32_t j = 0; j < i; j++)
            if (same_file(&written[i], &written[j])) return clash(session, outputs[j], outputs[i], false);
    }
    return true;
}
