/* `plait emit`: any level of the compilation as text. */
#include <string.h>

#include "driver/build.h"
#include "driver/process.h"
#include "ir/text.h"

typedef enum Level { STAGE, TILE, LLVM, LLVM_RAW, PTX, ASM, LEVEL_COUNT } Level;

static const struct {
    PlaitOption option;
    const char *name;        /* of the field with --json */
    const char *emit_option; /* of plait-codegen; NULL: text of the driver's own */
} levels[LEVEL_COUNT] = {
    [STAGE] = {PLAIT_OPTION_STAGE, "stage", NULL},
    [TILE] = {PLAIT_OPTION_TILE, "tile", NULL},
    [LLVM] = {PLAIT_OPTION_LLVM, "llvm", "--emit=llvm"},
    [LLVM_RAW] = {PLAIT_OPTION_LLVM_RAW, "llvm-raw", "--emit=llvm-raw"},
    [PTX] = {PLAIT_OPTION_PTX, "ptx", "--emit=ptx"},
    [ASM] = {PLAIT_OPTION_ASM, "asm", "--emit=asm"},
};

/* The one level that was asked for; LEVEL_COUNT after a report. */
static Level read_level(PlaitSession *session)
{
    Level level = LEVEL_COUNT;
    uint32_t count = 0;
    for (uint32_t i = 0; i < LEVEL_COUNT; i++) {
        if (!plait_option_given(&session->options, levels[i].option)) continue;
        level = (Level)i;
        count++;
    }
    if (count == 1) return level;
    plait_session_error(session, PLAIT_OPTIONS_CLASH, count ? "more than one level" : "no level",
                        "one of --stage, --tile, --llvm, --llvm-raw, --ptx, --asm",
                        "give one of them, for example `plait emit FILE --tile`");
    return LEVEL_COUNT;
}

static const PlaitTargetRow *read_target(PlaitSession *session, Level level)
{
    PlaitTargetRows targets = {0};
    if (!plait_option_given(&session->options, PLAIT_OPTION_TARGET))
        return plait_target_row_by_name(level == PTX ? "sm_90a" : "cpu");
    if (!plait_target_rows_read(session, &targets)) return NULL;
    if (targets.count == 1 && (level != PTX || targets.data[0]->gpu)) return targets.data[0];
    plait_session_error(session, PLAIT_OPTIONS_CLASH, targets.count == 1 ? "--ptx and --target cpu" : "several targets",
                        level == PTX ? "one GPU target" : "one target", "give one, for example `--target sm_90a`");
    return NULL;
}

static const char *stage_text(PlaitSession *session, const PlaitProgram *program, const PlaitTargetRow *target)
{
    PlaitText text = plait_text(session->arena);
    PlaitModule **optimised = plait_option_given(&session->options, PLAIT_OPTION_OPTIMISED)
                                  ? plait_program_optimise(session, program, target->gpu)
                                  : NULL;
    for (uint32_t i = 0; i < program->variants.count; i++) {
        const PlaitModule *module =
            optimised ? optimised[i] : plait_program_compile(session, program, &program->variants.data[i]);
        if (!module) return NULL;
        if (i) plait_text_add(&text, "\n");
        plait_module_print(module, &text);
    }
    return plait_text_string(&text);
}

static const PlaitTiles *lower(PlaitSession *session, const PlaitProgram *program, const PlaitTargetRow *target)
{
    PlaitModule **stages = plait_program_optimise(session, program, target->gpu);
    return stages ? plait_program_lower(session, program, stages, target) : NULL;
}

/* Text that plait-codegen makes from the Tile IR. */
static const char *generated_text(PlaitSession *session, const PlaitTiles *tiles, const PlaitTargetRow *target,
                                  const char *option)
{
    PlaitTools tools;
    PlaitBytes bytes;
    const char *folder = plait_tools_find(session, &tools) ? plait_temporary_folder(session) : NULL;
    if (!folder) return NULL;
    const char *from = plait_path_join(session->arena, folder, "program.tir"),
               *to = plait_path_join(session->arena, folder, "text");
    if (!plait_file_write(session, from, tiles->text, strlen(tiles->text))) return NULL;
    const char *const object[] = {tools.codegen.path, "object", option, from, "-o", to, NULL};
    const char *const ptx[] = {tools.codegen.path, "ptx", "--target", target->name, option, from, "-o", to, NULL};
    PlaitJob job = {.name = plait_session_text(session, "plait-codegen for %s", target->name),
                    .argv = target->gpu ? ptx : object};
    PlaitProgress progress = plait_progress_begin();
    progress.what = "compiling";
    plait_jobs_run(session->arena, &job, 1, 1, PLAIT_CHILD_SECONDS, &progress);
    plait_progress_end(&progress);
    plait_tiles_report(session, &job, tiles);
    return plait_job_succeeded(&job) && plait_file_read(session, to, PLAIT_ARRAY_LIMIT, &bytes)
               ? (const char *)bytes.data
               : NULL;
}

/* Text of a level below Stage IR. */
static const char *lowered_text(PlaitSession *session, const PlaitProgram *program, const PlaitTargetRow *target,
                                Level level)
{
    const PlaitTiles *tiles = lower(session, program, target);
    const char *option = target->gpu && level == ASM ? "--emit=ptx" : levels[level].emit_option;
    return !tiles ? NULL : levels[level].emit_option ? generated_text(session, tiles, target, option) : tiles->text;
}

void plait_command_EMIT(PlaitSession *session)
{
    PlaitProgram program;
    const char *path = plait_option_text(&session->options, PLAIT_OPTION_OUTPUT);
    if (!plait_outputs_check(session, session->options.arguments.data[0], &path, 1)) return;
    Level level = read_level(session);
    const PlaitTargetRow *target = level == LEVEL_COUNT ? NULL : read_target(session, level);
    if (!plait_program_read(session, session->options.arguments.data[0], &program) || !target) return;
    const char *text =
        level == STAGE ? stage_text(session, &program, target) : lowered_text(session, &program, target, level);
    if (!text) return;
    if (path) plait_file_write(session, path, text, strlen(text));
    else plait_text_add(&session->output, text);
    plait_text_printf(&session->fields, ", \"target\": \"%s\", \"%s\": ", target->name, levels[level].name);
    plait_text_json_string(&session->fields, text);
}
