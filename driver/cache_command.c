/* `plait cache`. */
#include "driver/cache.h"

static void report(PlaitSession *session, PlaitCacheSize removed)
{
    const char *folder = plait_cache_folder(session->arena);
    PlaitCacheSize size = plait_cache_measure(session->arena);
    plait_text_printf(&session->output, "%s: %llu entries, %llu bytes\n", folder, (unsigned long long)size.entries,
                      (unsigned long long)size.bytes);
    if (removed.entries)
        plait_text_printf(&session->output, "removed %llu entries, %llu bytes\n", (unsigned long long)removed.entries,
                          (unsigned long long)removed.bytes);
    plait_text_add(&session->fields, ", \"folder\": ");
    plait_text_json_string(&session->fields, folder);
    plait_text_printf(&session->fields,
                      ", \"entries\": %llu, \"bytes\": %llu, \"removed_entries\": %llu, \"removed_bytes\": %llu",
                      (unsigned long long)size.entries, (unsigned long long)size.bytes,
                      (unsigned long long)removed.entries, (unsigned long long)removed.bytes);
}

void plait_command_CACHE(PlaitSession *session)
{
    const PlaitOptions *options = &session->options;
    PlaitCacheSize removed = {0};
    bool clear = plait_option_given(options, PLAIT_OPTION_CLEAR),
         limit = plait_option_given(options, PLAIT_OPTION_LIMIT);
    if (clear && limit) {
        plait_session_error(session, PLAIT_OPTIONS_CLASH, "--clear and --limit", "one of them",
                            "--clear removes everything: leave out --limit");
    } else if (!plait_cache_folder(session->arena)) {
        plait_session_error(session, PLAIT_FILE_MISSING, "no folder for the cache",
                            "PLAIT_CACHE_DIR, XDG_CACHE_HOME or HOME in the environment",
                            "set PLAIT_CACHE_DIR to a folder");
    } else {
        if (clear || limit)
            removed =
                plait_cache_shrink(session->arena, clear ? 0 : plait_option_count(options, PLAIT_OPTION_LIMIT, 0));
        report(session, removed);
    }
}
