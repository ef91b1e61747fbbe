/* `plait explain`: the report, and the drawing by `dot`. */
#include <string.h>

#include "driver/cases.h"
#include "driver/explain.h"
#include "driver/files.h"
#include "driver/process.h"
#include "driver/tiles.h"
#include "driver/tools.h"
#include "passes/passes.h"

static const PlaitUsualSizes usual = {{64, 1, 8, 4096}, 4096};
static const double dot_seconds = 60;

/* At most one case: the numbers of a report are for one choice of sizes. */
static bool read_sizes(PlaitSession *session, const PlaitProgram *program, PlaitVariants *sizes)
{
    if (!plait_program_sizes(session, program, sizes)) return false;
    if (sizes->count > 1)
        plait_session_error(session, PLAIT_OPTIONS_CLASH, "--sizes several times", "one choice of sizes",
                            "write all axes in one, for example `--sizes b=2,t=65`");
    return sizes->count <= 1;
}

static bool collect(PlaitSession *session, const PlaitProgram *program, PlaitFacts *facts)
{
    PlaitModule **fused = plait_program_optimise(session, program, false);
    PlaitModule **for_gpu = fused ? plait_program_optimise(session, program, true) : NULL;
    PlaitVariants sizes = {0};
    if (fused && !plait_program_lower(session, program, fused, plait_target_row_by_name("cpu")))
        return false; /* what `build` refuses */
    if (!for_gpu || !read_sizes(session, program, &sizes)) return false;
    PlaitPeaks peaks = plait_peaks_cpu();
    for (uint32_t i = 0; i < program->variants.count; i++) {
        const PlaitVariant *variant = &program->variants.data[i];
        const PlaitModule *written = plait_program_compile(session, program, variant);
        PlaitModule *plain = written ? plait_program_compile(session, program, variant) : NULL;
        if (!plain) return false;
        plait_stage_pipeline_run(plain, false, &(PlaitPassOptions){.stop_after = "dce"});
        for (uint32_t j = 0; j < written->functions.count; j++) {
            const PlaitFunction *function = written->functions.data[j];
            int64_t *extents = plait_case_extents(session, function, sizes.count ? &sizes.data[0] : NULL, &usual);
            PlaitOperatorFacts one = {.variant = plait_variant_text(session, variant),
                                      .sizes = plait_case_sizes_text(session, function, extents),
                                      .peaks = peaks};
            const char *name = plait_names_text(written->names, function->name);
            const PlaitFunction *const both[] = {plait_program_operator(fused[i], name),
                                                 plait_program_operator(for_gpu[i], name)};
            plait_explain_operator(session, function, both, plain->functions.data[j], extents, &one);
            plait_push(session->arena, facts, one);
        }
    }
    return !plait_session_failed(session);
}

static void draw(PlaitSession *session, const PlaitFacts *facts, const char *path)
{
    const char *dot = plait_tool_in_path(session->arena, "dot");
    if (!dot) {
        plait_session_error(session, PLAIT_TOOL_MISSING, "no `dot` in $PATH", "Graphviz, which draws for --svg",
                            "install it (Debian: apt install graphviz), or leave out --svg");
        return;
    }
    const char *folder = plait_temporary_folder(session);
    if (!folder) return;
    PlaitText graph = plait_text(session->arena);
    plait_explain_print_graph(facts, &graph);
    const char *from = plait_path_join(session->arena, folder, "graph.dot"),
               *to = plait_path_join(session->arena, folder, "graph.svg");
    const char *const argv[] = {dot, "-Tsvg", from, "-o", to, NULL};
    PlaitJob job = {.name = "dot", .argv = argv};
    if (!plait_file_write(session, from, plait_text_string(&graph), graph.length)) return;
    plait_jobs_run(session->arena, &job, 1, 1, dot_seconds, NULL);
    plait_job_report(session, &job, "check that Graphviz works: `dot -V`");
    if (plait_job_succeeded(&job)) plait_file_copy(session, to, path);
}

void plait_command_EXPLAIN(PlaitSession *session)
{
    PlaitProgram program;
    PlaitFacts facts = {0};
    const char *svg = plait_option_text(&session->options, PLAIT_OPTION_SVG);
    if (!plait_outputs_check(session, session->options.arguments.data[0], &svg, 1) ||
        !plait_program_read(session, session->options.arguments.data[0], &program) ||
        !collect(session, &program, &facts))
        return;
    plait_explain_print(&facts, &session->output);
    plait_explain_print_json(&facts, &session->fields);
    if (svg) draw(session, &facts, svg);
}
