/* Before a command begins: its outputs can be files, and are apart. What a folder's name was given for is found out
 * before anything is computed.
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

/* Whether the path can be that of a file; reports when it is a folder's. */
static bool names_file(PlaitSession *session, const char *path)
{
    struct stat status;
    bool folder = path && (!*plait_path_base(path) || (stat(path, &status) == 0 && S_ISDIR(status.st_mode)));
    if (folder) plait_file_report(session, PLAIT_FILE_UNWRITABLE, path, EISDIR);
    return !folder;
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
