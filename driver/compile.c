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
        const PlaitTiles *tiles = build->lowered[i] = plait_program_lower(session, program, *own, target);
        build->tiles[i] = plait_session_text(session, "%s/%s.tir", build->folder, target->name);
        if (!tiles || !plait_file_write(session, build->tiles[i], tiles->text, strlen(tiles->text))) return false;
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
    const char *const arguments[] = {build->tools.codegen.path, "object", build->tiles[number], "-o",
                                     build->objects[number]};
    return (PlaitJob){.name = "plait-codegen for cpu", .argv = argument_list(session, arguments, 5)};
}

/* `part`: NULL for all kernels. */
static PlaitJob generate_ptx(PlaitSession *session, PlaitBuild *build, uint32_t number, const char *part,
                             const char *path)
{
    const PlaitTargetRow *target = build->request->targets.data[number];
    const char *const arguments[] = {
        build->tools.codegen.path, "ptx", "--target", target->name, build->tiles[number], "-o", path, "--part", part};
    return (PlaitJob){.name = plait_session_text(session, "plait-codegen for %s", target->name),
                      .argv = argument_list(session, arguments, part ? 9 : 7)};
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

/* The children of one target: index + 1 among all; 0: none. */
typedef struct TargetJobs {
    uint32_t generate, assemble, late;
} TargetJobs;

typedef struct Work {
    PlaitJob *jobs;
    uint32_t count;
    TargetJobs *targets;
} Work;

static uint32_t add_job(Work *work, PlaitJob job)
{
    work->jobs[work->count] = job;
    return ++work->count;
}

/* With ptxas what is late is generated apart, by a child that nothing waits for but the end. */
static Work plan_work(PlaitSession *session, PlaitBuild *build)
{
    enum { MOST = 3 }; /* jobs of a target */
    const PlaitTargetRows *targets = &build->request->targets;
    bool ptxas = build->tools.ptxas.path != NULL;
    Work work = {.jobs = PLAIT_NEW_ARRAY(session->arena, PlaitJob, MOST * targets->count),
                 .targets = PLAIT_NEW_ARRAY(session->arena, TargetJobs, targets->count)};
    for (uint32_t i = 0; i < targets->count; i++) {
        const PlaitTargetRow *target = targets->data[i];
        build->objects[i] =
            plait_session_text(session, "%s/%s.%s", build->folder, target->name, target->gpu ? "ptx" : "o");
        work.targets[i].generate =
            add_job(&work, target->gpu ? generate_ptx(session, build, i, ptxas ? "first" : NULL, build->objects[i])
                                       : generate(session, build, i));
        if (!target->gpu || !ptxas) continue;
        build->cubins[i] = plait_session_text(session, "%s/%s.cubin", build->folder, target->name);
        PlaitJob job = assemble(session, build, i);
        job.after = work.count;
        work.targets[i].assemble = add_job(&work, job);
    }
    for (uint32_t i = 0; i < targets->count; i++) {
        if (!work.targets[i].assemble) continue;
        build->late[i] = plait_session_text(session, "%s/%s.late.ptx", build->folder, targets->data[i]->name);
        work.targets[i].late = add_job(&work, generate_ptx(session, build, i, "late", build->late[i]));
    }
    return work;
}

typedef struct Facts {
    PlaitText kernels, late; /* elements of JSON arrays */
} Facts;

static void judge_ptxas(PlaitSession *session, PlaitBuild *build, const PlaitJob *job, const PlaitTargetRow *target,
                        Facts *facts)
{
    const char *help =
        plait_session_text(session,
                           "%s would not take Plait's PTX: if it is the ptxas of a CUDA toolkit of 12.0 or "
                           "later, please report it with the program; PLAIT_PTXAS names another one",
                           build->tools.ptxas.path);
    plait_job_report(session, job, help);
    if (plait_job_succeeded(job))
        plait_ptxas_read(plait_text_string(&job->errors), target->name, &facts->kernels, &build->warnings);
}

static void judge_late(PlaitSession *session, const PlaitBuild *build, const PlaitJob *job, uint32_t number,
                       Facts *facts)
{
    PlaitBytes ptx;
    plait_tiles_report(session, job, build->lowered[number]);
    if (plait_job_succeeded(job) && plait_file_read(session, build->late[number], PLAIT_ARRAY_LIMIT, &ptx))
        plait_ptxas_read_late((const char *)ptx.data, build->request->targets.data[number]->name, &facts->late);
}

/* The late part is made from the same text by the same program: that it fails too is no news after the first. */
static void judge(PlaitSession *session, PlaitBuild *build, const Work *work)
{
    const PlaitTargetRows *targets = &build->request->targets;
    Facts facts = {plait_text(session->arena), plait_text(session->arena)};
    for (uint32_t i = 0; i < targets->count; i++) {
        const PlaitJob *first = &work->jobs[work->targets[i].generate - 1];
        plait_tiles_report(session, first, build->lowered[i]);
        if (!work->targets[i].assemble || !plait_job_succeeded(first)) continue;
        judge_ptxas(session, build, &work->jobs[work->targets[i].assemble - 1], targets->data[i], &facts);
        judge_late(session, build, &work->jobs[work->targets[i].late - 1], i, &facts);
    }
    plait_text_printf(&build->facts, ", \"gpu_kernels\": [%s], \"late_kernels\": [%s]",
                      plait_text_string(&facts.kernels), plait_text_string(&facts.late));
}

static bool run_children(PlaitSession *session, PlaitBuild *build)
{
    Work work = plan_work(session, build);
    build->progress.what = "compiling";
    plait_jobs_run(session->arena, work.jobs, work.count, plait_processor_count(), PLAIT_CHILD_SECONDS,
                   &build->progress);
    judge(session, build, &work);
    return !plait_session_failed(session);
}

bool plait_build_compile(PlaitSession *session, PlaitBuild *build)
{
    uint32_t count = build->request->targets.count;
    build->lowered = PLAIT_NEW_ARRAY(session->arena, const PlaitTiles *, count);
    build->tiles = PLAIT_NEW_ARRAY(session->arena, const char *, count);
    build->objects = PLAIT_NEW_ARRAY(session->arena, const char *, count);
    build->cubins = PLAIT_NEW_ARRAY(session->arena, const char *, count);
    build->late = PLAIT_NEW_ARRAY(session->arena, const char *, count);
    plait_progress_step(&build->progress, "compiling", 0, count);
    if (build->request->keep && !write_stages(session, build)) return false;
    return write_tiles(session, build) && run_children(session, build);
}
