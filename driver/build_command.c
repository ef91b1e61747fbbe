/* `plait build`. */
#include <string.h>

#include "driver/build.h"

/* "gated-delta.plait" -> "libgated_delta.so". */
static const char *default_library(PlaitSession *session, const char *path)
{
    char *name = plait_session_text(session, "lib%s.so",
                                    strcmp(path, "-") == 0 ? "operator" : plait_path_stem(session->arena, path));
    for (char *c = name + 3; *c && strcmp(c, ".so") != 0; c++)
        if (*c == '-' || *c == '.' || *c == ' ') *c = '_';
    return name;
}

/* "out/libscan.so" -> "out/scan.h"; a device takes both. */
static const char *default_header(PlaitSession *session, const char *library)
{
    if (plait_file_is_special(library)) return library; /* /dev/null */
    const char *stem = plait_path_stem(session->arena, library);
    const char *name = plait_session_text(session, "%s.h", strncmp(stem, "lib", 3) == 0 && stem[3] ? stem + 3 : stem);
    return strchr(library, '/') ? plait_path_join(session->arena, plait_path_folder(session->arena, library), name)
                                : name;
}

static void report(PlaitSession *session, const PlaitBuilt *built, const PlaitBuildRequest *request,
                   const char *library, const char *header, double seconds)
{
    PlaitText *text = &session->output, *fields = &session->fields;
    bool gpu = false;
    plait_text_printf(text, "%s (%zu bytes), %s: ", library, built->library.length, header);
    for (uint32_t i = 0; i < request->targets.count; i++) {
        plait_text_printf(text, "%s%s", i ? ", " : "", request->targets.data[i]->name);
        gpu = gpu || request->targets.data[i]->gpu;
    }
    if (request->program->variants.count > 1)
        plait_text_printf(text, "; %u variants", request->program->variants.count);
    if (gpu && strstr(built->facts, "\"ptxas\": null"))
        plait_text_add(text, "; PTX only: there is no ptxas, the GPU driver will assemble it");
    plait_text_printf(text, "; %.2f s%s\n", seconds, built->cached ? " (from the cache)" : "");
    plait_text_add(fields, ", \"library\": ");
    plait_text_json_string(fields, library);
    plait_text_add(fields, ", \"header\": ");
    plait_text_json_string(fields, header);
    plait_text_printf(fields, ", \"bytes\": %zu, \"seconds\": %.6f, \"cached\": %s%s", built->library.length, seconds,
                      built->cached ? "true" : "false", built->facts);
}

void plait_command_BUILD(PlaitSession *session)
{
    const PlaitOptions *options = &session->options;
    double start = plait_clock();
    PlaitProgram program;
    PlaitBuilt built;
    const char *output = plait_option_text(options, PLAIT_OPTION_OUTPUT),
               *header = plait_option_text(options, PLAIT_OPTION_HEADER);
    const char *library = output ? output : default_library(session, options->arguments.data[0]);
    if (!header) header = default_header(session, library);
    PlaitBuildRequest request = {.program = &program,
                                 .library = plait_path_base(library),
                                 .header = plait_path_base(header),
                                 .keep = plait_option_text(options, PLAIT_OPTION_KEEP),
                                 .use_cache = !plait_option_given(options, PLAIT_OPTION_NO_CACHE)};
    if (!plait_outputs_check(session, options->arguments.data[0], (const char *const[]){library, header}, 2)) return;
    bool good = plait_target_rows_read(session, &request.targets);
    if (!plait_program_read(session, options->arguments.data[0], &program) || !good) return;
    if (!plait_library_build(session, &request, &built)) return;
    if (!plait_files_write(session, (const PlaitOutputFile[]){{library, built.library}, {header, built.header}}, 2))
        return;
    report(session, &built, &request, library, header, plait_clock() - start);
}
