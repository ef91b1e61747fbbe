/* Finding the tools. Their versions are asked once and remembered in the cache by path, size and time of change. */
#include "driver/tools.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/cache.h"
#include "driver/process.h"
#include "driver/sha256.h"

static const double version_seconds = 20;
enum { PATH_LENGTH = 4096 };

static bool is_executable(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static bool is_readable(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, R_OK) == 0;
}

const char *plait_tool_self(PlaitArena *arena)
{
    char path[PATH_LENGTH];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    return length > 0 ? plait_arena_strndup(arena, path, (size_t)length) : "";
}

const char *plait_tool_in_path(PlaitArena *arena, const char *name)
{
    const char *list = getenv("PATH");
    while (list && *list) {
        size_t length = strcspn(list, ":");
        const char *path = plait_arena_printf(arena, "%.*s/%s", (int)length, list, name);
        if (length > 0 && is_executable(path)) return path;
        list += length + (list[length] == ':');
    }
    return NULL;
}

const char *plait_tool_identity(PlaitArena *arena, const char *path)
{
    struct stat status;
    if (!path || stat(path, &status) != 0) return "";
    return plait_arena_printf(arena, "%s %lld %lld.%09ld", path, (long long)status.st_size,
                              (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

/* What `path --version` says on one line: the one that has "release" (ptxas writes five), else the last one. */
static const char *ask_version(PlaitArena *arena, const char *path)
{
    const char *const argv[] = {path, "--version", NULL};
    PlaitJob job = {.name = path, .argv = argv};
    plait_jobs_run(arena, &job, 1, 1, version_seconds, NULL);
    if (!plait_job_succeeded(&job)) return "";
    const char *text = plait_text_string(&job.output), *version = "";
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (length) version = plait_arena_strndup(arena, text, length);
        const char *release = length ? strstr(version, "release ") : NULL;
        if (release) return release;
        text += length + (text[length] == '\n');
    }
    return version;
}

static const char *known_version(PlaitArena *arena, const char *path)
{
    char key[PLAIT_SHA256_TEXT];
    PlaitSha256 hash = plait_sha256_begin();
    PlaitCacheEntry entry = {0};
    plait_sha256_add_text(&hash, "version");
    plait_sha256_add_text(&hash, plait_tool_identity(arena, path));
    plait_sha256_text(&hash, key);
    if (plait_cache_get(arena, key, &entry)) return (const char *)entry.parts[0].data;
    const char *version = ask_version(arena, path);
    if (!*version) return version; /* it may have failed for a passing reason */
    entry.parts[0] = (PlaitBytes){(unsigned char *)plait_arena_strdup(arena, version), strlen(version)};
    plait_cache_put(arena, key, &entry);
    return version;
}

/* The first of the candidates that `usable` accepts; a variable of the environment decides alone. */
static const char *first_usable(const char *variable, const char *const *candidates, uint32_t count,
                                bool (*usable)(const char *path))
{
    const char *chosen = getenv(variable);
    if (chosen && *chosen) return usable(chosen) ? chosen : NULL;
    for (uint32_t i = 0; i < count; i++)
        if (candidates[i] && usable(candidates[i])) return candidates[i];
    return NULL;
}

static const char *find_ptxas(PlaitArena *arena)
{
    const char *home = getenv("CUDA_HOME");
    const char *candidates[] = {home && *home ? plait_path_join(arena, home, "bin/ptxas") : NULL,
                                plait_tool_in_path(arena, "ptxas"), "/usr/local/cuda/bin/ptxas"};
    return first_usable("PLAIT_PTXAS", candidates, 3, is_executable);
}

/* `found`, unless the variable names something else than it should. */
static const char *missing_tool(PlaitSession *session, const char *found, const char *variable)
{
    const char *named = getenv(variable);
    return named && *named ? plait_session_text(session, "%s: $%s names `%s`", found, variable, named) : found;
}

bool plait_tools_find(PlaitSession *session, PlaitTools *tools)
{
    PlaitArena *arena = session->arena;
    const char *here = plait_path_folder(arena, plait_tool_self(arena));
    const char *codegens[] = {plait_path_join(arena, here, "plait-codegen"),
                              plait_path_join(arena, here, "../libexec/plait/plait-codegen")};
    const char *runtimes[] = {plait_path_join(arena, here, "../lib/libplait_runtime.a"),
                              plait_path_join(arena, here, "../lib/plait/libplait_runtime.a")};
    *tools = (PlaitTools){.codegen = {first_usable("PLAIT_CODEGEN", codegens, 2, is_executable), ""},
                          .ptxas = {find_ptxas(arena), ""},
                          .compiler = {plait_tool_in_path(arena, "cc"), ""},
                          .linker = {plait_tool_in_path(arena, "ld"), ""},
                          .runtime = {first_usable("PLAIT_RUNTIME", runtimes, 2, is_readable), ""}};
    if (!tools->codegen.path)
        plait_session_error(session, PLAIT_TOOL_MISSING,
                            missing_tool(session, "no executable `plait-codegen`", "PLAIT_CODEGEN"),
                            "it beside `plait`, in ../libexec/plait, or named by $PLAIT_CODEGEN",
                            "install Plait again, or build the target plait-codegen");
    if (!tools->runtime.path)
        plait_session_error(session, PLAIT_TOOL_MISSING,
                            missing_tool(session, "no libplait_runtime.a", "PLAIT_RUNTIME"),
                            "it in ../lib or ../lib/plait from `plait`, or named by $PLAIT_RUNTIME",
                            "install Plait again, or build the target plait_runtime");
    if (!tools->compiler.path && !tools->linker.path)
        plait_session_error(session, PLAIT_TOOL_MISSING, "neither `cc` nor `ld` in $PATH", "a linker",
                            "install a C compiler or binutils (Debian: apt install gcc)");
    if (tools->codegen.path) tools->codegen.version = known_version(arena, tools->codegen.path);
    if (tools->ptxas.path) tools->ptxas.version = known_version(arena, tools->ptxas.path);
    return !plait_session_failed(session);
}
