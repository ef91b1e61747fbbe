/* Leaving nothing behind when the program is interrupted: what must go (temporary folders, half-written files,
 * children).
 *
 * A thread waits for SIGINT, SIGTERM, SIGHUP and SIGPIPE's kin, cleans up and ends the program as the signal would
 * have. This is the one part of the driver with state of its own, because signals have no arguments.
 */
#ifndef PLAIT_DRIVER_CLEANUP_H
#define PLAIT_DRIVER_CLEANUP_H

#include <stdbool.h>
#include <sys/types.h>

enum { PLAIT_CLEANUP_PATHS = 64, PLAIT_CLEANUP_CHILDREN = 64, PLAIT_CLEANUP_PATH_LENGTH = 4096 };

/* Starts watching for signals; call first in main, before any thread. */
void plait_cleanup_begin(void);
/* Removes what is still registered; call last in main. */
void plait_cleanup_end(void);

/* Registers a path to remove (a folder: with all that is in it); false when it is too long or there are too many. */
bool plait_cleanup_add_path(const char *path);
/* Forgets a path, without removing it. */
void plait_cleanup_forget_path(const char *path);
/* Registers the leader of a process group to kill. */
bool plait_cleanup_add_child(pid_t child);
void plait_cleanup_forget_child(pid_t child);

/* Removes a file, or a folder with all that is in it; does not follow symbolic links. */
void plait_remove_tree(const char *path);

#endif
