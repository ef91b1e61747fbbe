/* The cache of builds: one file for each library, named by the hash of all that it depends on.
 *
 * Entries are written beside and renamed, so processes that build the same at once do no harm and a killed one leaves
 * at most a file that the next clean-up removes. An entry holds its own hash; a damaged one is not there.
 */
#ifndef PLAIT_DRIVER_CACHE_H
#define PLAIT_DRIVER_CACHE_H

#include "driver/session.h"
#include "driver/files.h"

/* What an entry holds: up to four texts or files, in an order that its user knows. */
enum { PLAIT_CACHE_PARTS = 4 };
typedef struct PlaitCacheEntry {
    PlaitBytes parts[PLAIT_CACHE_PARTS];
} PlaitCacheEntry;

typedef struct PlaitCacheSize {
    uint64_t entries, bytes;
} PlaitCacheSize;

/* The cache's folder (which may not exist yet); NULL when neither it nor a home folder is known. */
const char *plait_cache_folder(PlaitArena *arena);
/* False when there is none, or a damaged one. Marks the entry as used now. */
bool plait_cache_get(PlaitArena *arena, const char *key, PlaitCacheEntry *entry);
/* Keeps the cache within its limit. An errno when the folder cannot be written, else 0: a cache never fails a build. */
int plait_cache_put(PlaitArena *arena, const char *key, const PlaitCacheEntry *entry);
/* The limit in bytes: PLAIT_CACHE_LIMIT, or the usual one when that is not set, or (false) is no number. */
bool plait_cache_limit(uint64_t *limit);
PlaitCacheSize plait_cache_measure(PlaitArena *arena);
/* Removes the entries used longest ago until at most `bytes` remain; returns what was removed. */
PlaitCacheSize plait_cache_shrink(PlaitArena *arena, uint64_t bytes);

#endif
