/* From objects to the shared library: plait-codegen writes the tables and the C functions, `cc` (or `ld` where there is
 * no compiler) links.
 *
 * Only the operators and the functions of plait.h are visible; nothing but libc and libm is needed.
 */
#include <string.h>

#include "driver/build.h"
#include "driver/process.h"

typedef PLAIT_VECTOR(const char *) Arguments;

static void add(PlaitSession *session, Arguments *arguments, const char *argument)
{
    plait_push(session->arena, arguments, argument);
}

/* Adds a linker's option: cc passes it on as it is (-Wl, would cut a file's name at commas). */
static void add_link(PlaitSession *session, Arguments *arguments, bool compiler, const char *option)
{
    if (compiler) add(session, arguments, "-Xlinker");
    add(session, arguments, option);
}

static bool run_one(PlaitSession *session, PlaitBuild *build, const char *name, Arguments *arguments, const char *help)
{
    add(session, arguments, NULL);
    PlaitJob job = {.name = name, .argv = arguments->data};
    build->progress.what = name;
    plait_jobs_run(session->arena, &job, 1, 1, PLAIT_CHILD_SECONDS, &build->progress);
    plait_job_report(session, &job, help);
    return plait_job_succeeded(&job);
}

static const char *write_package(PlaitSession *session, PlaitBuild *build)
{
    const PlaitTargetRows *targets = &build->request->targets;
    const char *path = plait_session_text(session, "%s/package.o", build->folder);
    Arguments arguments = {0};
    add(session, &arguments, build->tools.codegen.path);
    add(session, &arguments, "package");
    for (uint32_t i = 0; i < targets->count; i++) {
        const char *name = targets->data[i]->name;
        add(session, &arguments, "--kernels");
        add(session, &arguments, plait_session_text(session, "%s=%s", name, build->tiles[i]));
        if (!targets->data[i]->gpu) continue;
        add(session, &arguments, "--image");
        add(session, &arguments,
            plait_session_text(session, "%s=%s,%s", name, build->cubins[i] ? build->cubins[i] : "", build->objects[i]));
        if (!build->late[i]) continue;
        add(session, &arguments, "--late");
        add(session, &arguments, plait_session_text(session, "%s=%s", name, build->late[i]));
    }
    const char *assembler =
        build->tools.ptxas.path ? plait_session_text(session, ", ptxas %s", build->tools.ptxas.version) : "";
    add(session, &arguments, "--compiler");
    add(session, &arguments, plait_session_text(session, "%s%s", build->tools.codegen.version, assembler));
    add(session, &arguments, "-o");
    add(session, &arguments, path);
    return run_one(session, build, "plait-codegen package", &arguments, PLAIT_OWN_MISTAKE) ? path : NULL;
}

/* What the library shows. */
static const char *write_version_script(PlaitSession *session, PlaitBuild *build)
{
    const char *path = plait_session_text(session, "%s/exports.map", build->folder);
    PlaitModule *module =
        plait_program_compile(session, build->request->program, &build->request->program->variants.data[0]);
    PlaitText text = plait_text(session->arena);
    if (!module) return NULL;
    plait_text_add(&text, "{\n  global:\n    plait_library; plait_call; plait_call_with_workspace; "
                          "plait_workspace_bytes; plait_status_text; plait_error; plait_xla_cpu; plait_xla_cuda;\n");
    for (uint32_t i = 0; i < module->functions.count; i++) {
        const char *name = plait_names_text(&session->names, module->functions.data[i]->name);
        plait_text_printf(&text, "    %s; %s_with_workspace; %s_workspace_bytes; %s_error; __tvm_ffi_%s;\n", name, name,
                          name, name, name);
    }
    plait_text_add(&text, "  local: *;\n};\n");
    return plait_file_write(session, path, plait_text_string(&text), text.length) ? path : NULL;
}

static void add_objects(PlaitSession *session, PlaitBuild *build, Arguments *arguments, bool compiler,
                        const char *package)
{
    const PlaitTargetRows *targets = &build->request->targets;
    add(session, arguments, package);
    for (uint32_t i = 0; i < targets->count; i++)
        if (!targets->data[i]->gpu) add(session, arguments, build->objects[i]);
    add_link(session, arguments, compiler, "--whole-archive");
    add(session, arguments, build->tools.runtime.path);
    add_link(session, arguments, compiler, "--no-whole-archive");
}

bool plait_build_link(PlaitSession *session, PlaitBuild *build, const char *path)
{
    static const char *const options[] = {"-z",
                                          "defs",
                                          "-z",
                                          "relro",
                                          "-z",
                                          "now",
                                          "-z",
                                          "noexecstack",
                                          "-Bsymbolic",
                                          "--build-id=none",
                                          "--strip-debug",
                                          "--as-needed"};
    bool compiler = build->tools.compiler.path != NULL;
    const char *package = write_package(session, build),
               *script = package ? write_version_script(session, build) : NULL;
    if (!script) return false;
    Arguments arguments = {0};
    add(session, &arguments, compiler ? build->tools.compiler.path : build->tools.linker.path);
    add(session, &arguments, "-shared");
    if (compiler) add(session, &arguments, "-static-libgcc");
    add(session, &arguments, "-o");
    add(session, &arguments, path);
    add_objects(session, build, &arguments, compiler, package);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) add_link(session, &arguments, compiler, options[i]);
    add_link(session, &arguments, compiler, plait_session_text(session, "-soname=%s", build->request->library));
    add_link(session, &arguments, compiler, plait_session_text(session, "--version-script=%s", script));
    add(session, &arguments,
        compiler ? "-lm" : "-l:libm.so.6"); /* without a compiler there are no development links either */
    if (!compiler) add(session, &arguments, "-l:libc.so.6");
    return run_one(session, build, "linking", &arguments,
                   "check that the C compiler or ld works: Plait calls it to link");
}
