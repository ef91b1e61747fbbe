/* The cache of builds.
 *
 * An entry is a file KEY.entry: the magic, the lengths of the parts, the SHA-256 of the parts, the parts. Its time of
 * change is when it was last used.
 */
#include "driver/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "driver/sha256.h"

static const char magic[8] = "plait 1";
static const char suffix[] = ".entry";
static const uint64_t default_limit = (uint64_t)1 << 30;
enum { STALE_SECONDS = 3600 }; /* a file that is no entry and this old was left by a killed process */

typedef struct Head {
    char magic[sizeof magic];
    uint64_t lengths[PLAIT_CACHE_PARTS];
    char hash[PLAIT_SHA256_TEXT + 7];
} Head;

typedef struct Entry {
    const char *path;
    uint64_t bytes;
    struct timespec used;
} Entry;

typedef PLAIT_VECTOR(Entry) Entries;

const char *plait_cache_folder(PlaitArena *arena)
{
    const char *folder = getenv("PLAIT_CACHE_DIR"), *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (folder && *folder) return folder;
    if (base && *base) return plait_path_join(arena, base, "plait");
    return home && *home ? plait_path_join(arena, home, ".cache/plait") : NULL;
}

static const char *entry_path(PlaitArena *arena, const char *key)
{
    const char *folder = plait_cache_folder(arena);
    return folder ? plait_arena_printf(arena, "%s/%s%s", folder, key, suffix) : NULL;
}

static void hash_parts(const PlaitCacheEntry *entry, char text[PLAIT_SHA256_TEXT])
{
    PlaitSha256 hash = plait_sha256_begin();
    for (uint32_t i = 0; i < PLAIT_CACHE_PARTS; i++)
        plait_sha256_add(&hash, entry->parts[i].data, entry->parts[i].length);
    plait_sha256_text(&hash, text);
}

/* Cuts the bytes of a file into parts; false when they are not an entry, or not a whole one. */
static bool unpack(PlaitArena *arena, PlaitBytes file, PlaitCacheEntry *entry)
{
    Head head;
    char hash[PLAIT_SHA256_TEXT];
    if (file.length < sizeof head) return false;
    memcpy(&head, file.data, sizeof head);
    if (memcmp(head.magic, magic, sizeof magic) != 0) return false;
    size_t at = sizeof head;
    for (uint32_t i = 0; i < PLAIT_CACHE_PARTS; i++) {
        if (head.lengths[i] > file.length - at) return false;
        entry->parts[i] =
            (PlaitBytes){(unsigned char *)plait_arena_strndup(arena, (const char *)file.data + at, head.lengths[i]),
                         head.lengths[i]};
        at += head.lengths[i];
    }
    hash_parts(entry, hash);
    return at == file.length && memcmp(hash, head.hash, sizeof hash) == 0;
}

bool plait_cache_get(PlaitArena *arena, const char *key, PlaitCacheEntry *entry)
{
    PlaitBytes file;
    const char *path = entry_path(arena, key);
    if (!path || !plait_file_read_quietly(arena, path, PLAIT_ARRAY_LIMIT, &file)) return false;
    if (!unpack(arena, file, entry)) {
        unlink(path);
        return false;
    }
    utimensat(AT_FDCWD, path, NULL, 0);
    return true;
}

bool plait_cache_limit(uint64_t *limit)
{
    const char *text = getenv("PLAIT_CACHE_LIMIT");
    *limit = default_limit;
    if (!text || !*text) return true;
    uint64_t number;
    bool good = plait_read_count(text, &number);
    if (good) *limit = number;
    return good;
}

int plait_cache_put(PlaitArena *arena, const char *key, const PlaitCacheEntry *entry)
{
    const char *folder = plait_cache_folder(arena), *path = entry_path(arena, key);
    uint64_t limit;
    if (!path) return 0;
    if (!plait_folder_make(arena, folder)) return errno;
    Head head = {0};
    char hash[PLAIT_SHA256_TEXT];
    memcpy(head.magic, magic, sizeof magic);
    hash_parts(entry, hash);
    memcpy(head.hash, hash, sizeof hash);
    const void *parts[PLAIT_CACHE_PARTS + 1] = {&head};
    size_t lengths[PLAIT_CACHE_PARTS + 1] = {sizeof head};
    for (uint32_t i = 0; i < PLAIT_CACHE_PARTS; i++) {
        head.lengths[i] = entry->parts[i].length;
        parts[i + 1] = entry->parts[i].data;
        lengths[i + 1] = entry->parts[i].length;
    }
    if (!plait_file_write_quietly(path, parts, lengths, PLAIT_CACHE_PARTS + 1)) return errno;
    plait_cache_limit(&limit);
    plait_cache_shrink(arena, limit);
    return 0;
}

static bool is_entry(const char *name)
{
    size_t length = strlen(name);
    return length > sizeof suffix - 1 && strcmp(name + length - (sizeof suffix - 1), suffix) == 0;
}

/* The entries of the cache; what a killed process left is removed on the way. */
static Entries list_entries(PlaitArena *arena)
{
    Entries entries = {0};
    const char *folder = plait_cache_folder(arena);
    DIR *stream = folder ? opendir(folder) : NULL;
    if (!stream) return entries;
    for (struct dirent *item; (item = readdir(stream));) {
        struct stat status;
        const char *path = plait_path_join(arena, folder, item->d_name);
        if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) continue;
        if (is_entry(item->d_name))
            plait_push(arena, &entries, (Entry){path, (uint64_t)status.st_size, status.st_mtim});
        else if (strstr(item->d_name, suffix) && status.st_mtim.tv_sec + STALE_SECONDS < time(NULL)) unlink(path);
    }
    closedir(stream);
    return entries;
}

static int by_use(const void *left, const void *right)
{
    const Entry *a = left, *b = right;
    if (a->used.tv_sec != b->used.tv_sec) return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
    return a->used.tv_nsec < b->used.tv_nsec ? -1 : a->used.tv_nsec > b->used.tv_nsec;
}

PlaitCacheSize plait_cache_measure(PlaitArena *arena)
{
    Entries entries = list_entries(arena);
    PlaitCacheSize size = {.entries = entries.count};
    for (uint32_t i = 0; i < entries.count; i++) size.bytes += entries.data[i].bytes;
    return size;
}

PlaitCacheSize plait_cache_shrink(PlaitArena *arena, uint64_t bytes)
{
    Entries entries = list_entries(arena);
    PlaitCacheSize removed = {0};
    uint64_t total = 0;
    for (uint32_t i = 0; i < entries.count; i++) total += entries.data[i].bytes;
    if (total <= bytes) return removed;
    qsort(entries.data, entries.count, sizeof *entries.data, by_use);
    for (uint32_t i = 0; i < entries.count && total > bytes; i++) {
        if (unlink(entries.data[i].path) != 0) continue;
        total -= entries.data[i].bytes;
        removed.bytes += entries.data[i].bytes;
        removed.entries++;
    }
    return removed;
}
