/* Building through the cache: the key, the folder of intermediates, the steps in order. */
#include "driver/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver/cache.h"
#include "driver/cleanup.h"
#include "driver/sha256.h"
#include "driver/version.h"

/* The hash of everything that the library and the header depend on. */
static const char *cache_key(PlaitSession *session, const PlaitBuildRequest *request, const PlaitTools *tools)
{
    PlaitArena *arena = session->arena;
    const PlaitSource *source = plait_program_source(session, request->program);
    const char *operator_name = plait_option_text(&session->options, PLAIT_OPTION_OPERATOR);
    const char *texts[] = {PLAIT_VERSION,
                           plait_tool_identity(arena, plait_tool_self(arena)), /* holds the standard library too */
                           plait_tool_identity(arena, tools->codegen.path),
                           tools->codegen.version,
                           plait_tool_identity(arena, tools->runtime.path),
                           plait_tool_identity(arena, tools->ptxas.path),
                           tools->ptxas.version,
                           plait_tool_identity(arena, tools->compiler.path),
                           plait_tool_identity(arena, tools->linker.path),
                           request->library,
                           request->header,
                           operator_name ? operator_name : "",
                           plait_option_given(&session->options, PLAIT_OPTION_GRAD) ? "grad" : "",
                           plait_path_base(source->name)};
    PlaitSha256 hash = plait_sha256_begin();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) plait_sha256_add_text(&hash, texts[i]);
    for (uint32_t i = 0; i < request->targets.count; i++) plait_sha256_add_text(&hash, request->targets.data[i]->name);
    for (uint32_t i = 0; i < request->program->variants.count; i++) {
        plait_sha256_add_text(&hash, "variant");
        plait_sha256_add_text(&hash, plait_variant_text(session, &request->program->variants.data[i]));
    }
    plait_sha256_add_text(&hash, "source");
    plait_sha256_add(&hash, source->text, source->length);
    char *text = plait_arena_alloc(arena, PLAIT_SHA256_TEXT);
    plait_sha256_text(&hash, text);
    return text;
}

static void pass_on_warnings(PlaitSession *session, const char *warnings)
{
    while (*warnings) {
        size_t length = strcspn(warnings, "\n");
        plait_session_warn(session, plait_arena_strndup(session->arena, warnings, length));
        warnings += length + (warnings[length] == '\n');
    }
}

static PlaitBytes bytes_of(const char *text) { return (PlaitBytes){(unsigned char *)(uintptr_t)text, strlen(text)}; }

static bool from_cache(PlaitSession *session, const char *key, PlaitBuilt *built)
{
    PlaitCacheEntry entry;
    if (!plait_cache_get(session->arena, key, &entry)) return false;
    *built = (PlaitBuilt){entry.parts[0], entry.parts[1], (const char *)entry.parts[2].data,
                          (const char *)entry.parts[3].data, true};
    return true;
}

static void to_cache(PlaitSession *session, const char *key, const PlaitBuilt *built)
{
    PlaitCacheEntry entry = {{built->library, built->header, bytes_of(built->facts), bytes_of(built->warnings)}};
    int error = plait_cache_put(session->arena, key, &entry);
    uint64_t limit;
    if (error)
        plait_session_warn(
            session, plait_session_text(session,
                                        "the cache in `%s` cannot be written: %s; set PLAIT_CACHE_DIR to a folder that "
                                        "can, or give --no-cache",
                                        plait_cache_folder(session->arena), strerror(error)));
    if (!plait_cache_limit(&limit))
        plait_session_warn(session, plait_session_text(session,
                                                       "PLAIT_CACHE_LIMIT is `%s`, which is no number of bytes; the "
                                                       "limit is %llu",
                                                       getenv("PLAIT_CACHE_LIMIT"), (unsigned long long)limit));
}

static const char *make_folder(PlaitSession *session, const char *keep)
{
    if (!keep) return plait_temporary_folder(session);
    if (plait_folder_make(session->arena, keep)) return keep;
    plait_file_report(session, PLAIT_FILE_UNWRITABLE, keep, errno);
    return NULL;
}

static void begin_facts(PlaitBuild *build)
{
    plait_text_add(&build->facts, ", \"targets\": [");
    for (uint32_t i = 0; i < build->request->targets.count; i++)
        plait_text_printf(&build->facts, "%s\"%s\"", i ? ", " : "", build->request->targets.data[i]->name);
    plait_text_printf(&build->facts, "], \"variants\": %u, \"codegen\": ", build->request->program->variants.count);
    plait_text_json_string(&build->facts, build->tools.codegen.version);
    plait_text_add(&build->facts, ", \"ptxas\": ");
    if (build->tools.ptxas.path) plait_text_json_string(&build->facts, build->tools.ptxas.version);
    else plait_text_add(&build->facts, "null");
}

static bool write_header(PlaitSession *session, const PlaitBuildRequest *request, PlaitBuilt *built)
{
    const PlaitProgram *program = request->program;
    PlaitModule **modules = PLAIT_NEW_ARRAY(session->arena, PlaitModule *, program->variants.count);
    for (uint32_t i = 0; i < program->variants.count; i++) {
        modules[i] = plait_program_compile(session, program, &program->variants.data[i]);
        if (!modules[i]) return false;
    }
    built->header = bytes_of(plait_header_text(session, program, modules, request->library, request->header));
    return !plait_session_failed(session);
}

static bool build_afresh(PlaitSession *session, PlaitBuild *build, PlaitBuilt *built)
{
    const PlaitBuildRequest *request = build->request;
    if (!write_header(session, request, built)) return false; /* first: it refuses names that C does not take */
    build->folder = make_folder(session, request->keep);
    if (!build->folder) return false;
    const char *library = plait_path_join(session->arena, build->folder, request->library);
    bool good = plait_build_compile(session, build) && plait_build_link(session, build, library) &&
                plait_file_read(session, library, PLAIT_ARRAY_LIMIT, &built->library);
    if (!request->keep) {
        plait_remove_tree(build->folder);
        plait_cleanup_forget_path(build->folder);
    }
    built->facts = plait_text_string(&build->facts);
    built->warnings = plait_text_string(&build->warnings);
    return good;
}

bool plait_library_build(PlaitSession *session, const PlaitBuildRequest *request, PlaitBuilt *built)
{
    PlaitBuild build = {.request = request,
                        .facts = plait_text(session->arena),
                        .warnings = plait_text(session->arena),
                        .progress = plait_progress_begin()};
    *built = (PlaitBuilt){0};
    if (!plait_tools_find(session, &build.tools)) return false;
    bool use_cache = request->use_cache && !request->keep;
    const char *key = use_cache ? cache_key(session, request, &build.tools) : NULL;
    bool good = key && from_cache(session, key, built);
    if (!good) {
        begin_facts(&build);
        good = build_afresh(session, &build, built);
        plait_progress_end(&build.progress);
        if (good && key) to_cache(session, key, built);
    }
    if (good) pass_on_warnings(session, built->warnings);
    return good;
}

const char *plait_library_build_temporary(PlaitSession *session, const PlaitProgram *program,
                                          const PlaitTargetRows *targets)
{
    PlaitBuilt built;
    PlaitBuildRequest request = {.program = program,
                                 .targets = *targets,
                                 .library = "libplait_temporary.so",
                                 .header = "plait_temporary.h",
                                 .use_cache = !plait_option_given(&session->options, PLAIT_OPTION_NO_CACHE)};
    if (!plait_library_build(session, &request, &built)) return NULL;
    const char *folder = plait_temporary_folder(session);
    const char *path = folder ? plait_path_join(session->arena, folder, request.library) : NULL;
    return path && plait_file_write(session, path, built.library.data, built.library.length) ? path : NULL;
}
