/* From a program to objects, PTX and cubins: the front end and the passes here, LLVM and ptxas in children.
 *
 * Children of different targets run at the same time; ptxas starts when the PTX of its target is there.
 */
#include <errno.h>
#include <string.h>

#include "driver/build.h"
#include "driver/process.h"
#include "ir/text.h"

static bool write_tiles(PlaitSession *session, PlaitBuild *build)
{
    const PlaitBuildRequest *request = build->request;
    const PlaitProgram *program = request->program;
    PlaitModule **stages[2] = {NULL, NULL}; /* of the CPU, of GPUs */
    for (uint32_t i = 0; i < request->targets.count; i++) {
        const PlaitTargetRow *target = request->targets.data[i];
        PlaitModule ***own = &stages[target->gpu];
        if (!*own) *own = plait_program_optimise(session, program, target->gpu);
        if (!*own) return false;
        const char *text = plait_program_lower(session, program, *own, target);
        build->tiles[i] = plait_session_text(session, "%s/%s.tir", build->folder, target->name);
        if (!text || !plait_file_write(session, build->tiles[i], text, strlen(text))) return false;
    }
    return true;
}

/* Leaves the Stage IR beside the other intermediates, for --keep-intermediates. */
static bool write_stages(PlaitSession *session, const PlaitBuild *build)
{
    const PlaitProgram *program = build->request->program;
    for (uint32_t i = 0; i < program->variants.count; i++) {
        const PlaitVariant *variant = &program->variants.data[i];
        PlaitModule *module = plait_program_compile(session, program, variant);
        PlaitText text = plait_text(session->arena);
        if (!module) return false;
        plait_module_print(module, &text);
        if (!plait_file_write(session, plait_session_text(session, "%s/program%s.sir", build->folder, variant->suffix),
                              plait_text_string(&text), text.length))
            return false;
    }
    return true;
}

static const char *const *argument_list(PlaitSession *session, const char *const *arguments, uint32_t count)
{
    const char **list = PLAIT_NEW_ARRAY(session->arena, const char *, count + 1);
    for (uint32_t i = 0; i < count; i++) list[i] = arguments[i];
    return list;
}

static PlaitJob generate(PlaitSession *session, PlaitBuild *build, uint32_t number)
{
    const PlaitTargetRow *target = build->request->targets.data[number];
    const char *codegen = build->tools.codegen.path, *from = build->tiles[number], *to = build->objects[number];
    const char *const object[] = {codegen, "object", from, "-o", to}, *const ptx[] = {
                                                                          codegen, "ptx", "--target", target->name,
                                                                          from,    "-o",  to};
    return (PlaitJob){.name = plait_session_text(session, "plait-codegen for %s", target->name),
                      .argv = target->gpu ? argument_list(session, ptx, 7) : argument_list(session, object, 5)};
}

static PlaitJob assemble(PlaitSession *session, PlaitBuild *build, uint32_t number)
{
    const PlaitTargetRow *target = build->request->targets.data[number];
    const char *const arguments[] = {
        build->tools.ptxas.path,
        "-v",
        "-O3",
        plait_session_text(session, "-arch=%s", target->name),
        "--split-compile=8", /* kernels side by side; a fixed number, since the bytes depend on it */
        build->objects[number],
        "-o",
        build->cubins[number]};
    return (PlaitJob){.name = plait_session_text(session, "ptxas for %s", target->name),
                      .argv = argument_list(session, arguments, 8)};
}

static void judge(PlaitSession *session, PlaitBuild *build, const PlaitJob *jobs,
                  const PlaitTargetRow *const *assembled, uint32_t count)
{
    PlaitText kernels = plait_text(session->arena);
    for (uint32_t i = 0; i < count; i++) {
        if (assembled[i]) plait_job_report(session, &jobs[i], PLAIT_OWN_MISTAKE);
        else plait_job_report_codegen(session, &jobs[i]);
        if (assembled[i] && plait_job_succeeded(&jobs[i]))
            plait_ptxas_read(plait_text_string(&jobs[i].errors), assembled[i]->name, &kernels, &build->warnings);
    }
    plait_text_printf(&build->facts, ", \"gpu_kernels\": [%s]", plait_text_string(&kernels));
}

static bool run_children(PlaitSession *session, PlaitBuild *build)
{
    const PlaitTargetRows *targets = &build->request->targets;
    PlaitJob *jobs = PLAIT_NEW_ARRAY(session->arena, PlaitJob, 2 * targets->count);
    const PlaitTargetRow **assembled =
        PLAIT_NEW_ARRAY(session->arena, const PlaitTargetRow *, 2 * targets->count); /* by job; NULL: no ptxas */
    uint32_t count = 0;
    for (uint32_t i = 0; i < targets->count; i++) {
        const PlaitTargetRow *target = targets->data[i];
        build->objects[i] =
            plait_session_text(session, "%s/%s.%s", build->folder, target->name, target->gpu ? "ptx" : "o");
        jobs[count++] = generate(session, build, i);
        if (!target->gpu || !build->tools.ptxas.path) continue;
        build->cubins[i] = plait_session_text(session, "%s/%s.cubin", build->folder, target->name);
        assembled[count] = target;
        jobs[count] = assemble(session, build, i);
        jobs[count].after = count;
        count++;
    }
    build->progress.what = "compiling";
    plait_jobs_run(session->arena, jobs, count, plait_processor_count(), PLAIT_CHILD_SECONDS, &build->progress);
    judge(session, build, jobs, assembled, count);
    return !plait_session_failed(session);
}

bool plait_build_compile(PlaitSession *session, PlaitBuild *build)
{
    uint32_t count = build->request->targets.count;
    build->tiles = PLAIT_NEW_ARRAY(session->arena, const char *, count);
    build->objects = PLAIT_NEW_ARRAY(session->arena, const char *, count);
    build->cubins = PLAIT_NEW_ARRAY(session->arena, const char *, count);
    plait_progress_step(&build->progress, "compiling", 0, count);
    if (build->request->keep && !write_stages(session, build)) return false;
    return write_tiles(session, build) && run_children(session, build);
}
