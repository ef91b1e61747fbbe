/* `plait opt`: single passes on IR text. */
#include <string.h>

#include "driver/files.h"
#include "ir/text.h"
#include "passes/passes.h"
#include "passes/stage/classify.h"

enum { MOST_PASSES = 256 };

typedef struct Plan {
    const PlaitPass *passes[MOST_PASSES];
    uint32_t count;
} Plan;

typedef struct Pipeline {
    const char *name;
    const char *const *passes;
} Pipeline;

static const Pipeline pipelines[] = {
    {"stage", plait_stage_pipeline}, {"stage-gpu", plait_stage_pipeline_gpu}, {NULL, NULL}};

static void list_passes(PlaitSession *session)
{
    plait_text_add(&session->fields, ", \"passes\": [");
    for (const PlaitPass *pass = plait_passes; pass->name; pass++) {
        const char *level = pass->level == PLAIT_LEVEL_STAGE  ? "stage"
                            : pass->level == PLAIT_LEVEL_TILE ? "tile"
                                                              : "both";
        plait_text_printf(&session->output, "%-18s%-7s%s\n", pass->name, level, pass->help);
        plait_text_printf(&session->fields,
                          "%s{\"name\": \"%s\", \"level\": \"%s\", \"help\": ", pass == plait_passes ? "" : ", ",
                          pass->name, level);
        plait_text_json_string(&session->fields, pass->help);
        plait_text_add(&session->fields, "}");
    }
    plait_text_add(&session->fields, "]");
    plait_text_add(&session->output, "\n");
    for (const Pipeline *pipeline = pipelines; pipeline->name; pipeline++) {
        plait_text_printf(&session->output, "pipeline `%s`:", pipeline->name);
        for (uint32_t i = 0; pipeline->passes[i]; i++) plait_text_printf(&session->output, " %s", pipeline->passes[i]);
        plait_text_add(&session->output, "\n");
    }
}

static void unknown_pass(PlaitSession *session, const char *name)
{
    const char *names[MOST_PASSES];
    uint32_t count = 0;
    for (const PlaitPass *pass = plait_passes; pass->name && count < MOST_PASSES; pass++) names[count++] = pass->name;
    const char *nearest = plait_nearest_name(name, names, count);
    plait_session_error(session, PLAIT_UNKNOWN_PASS, *name ? plait_session_text(session, "`%s`", name) : "no name",
                        "the name of a pass, or a pipeline, `stage` or `stage-gpu`",
                        nearest
                            ? plait_session_text(session, "did you mean `%s`?", nearest)
                            : "`plait opt --list-passes` lists them; the option --classify says the classes of scans");
}

static void add_pass(PlaitSession *session, Plan *plan, const char *name)
{
    for (const Pipeline *pipeline = pipelines; pipeline->name; pipeline++) {
        if (strcmp(name, pipeline->name) != 0) continue;
        for (uint32_t i = 0; pipeline->passes[i]; i++) add_pass(session, plan, pipeline->passes[i]);
        return;
    }
    const PlaitPass *pass = plait_pass_by_name(name);
    if (!pass) unknown_pass(session, name);
    else if (plan->count < MOST_PASSES) plan->passes[plan->count++] = pass;
    else
        plait_session_error(session, PLAIT_BAD_OPTION_VALUE, "more than 256 passes", "at most 256",
                            "run `plait opt` again on its output");
}

static void read_plan(PlaitSession *session, Plan *plan)
{
    const PlaitTexts *lists = &session->options.values[PLAIT_OPTION_PASSES];
    for (uint32_t i = 0; i < lists->count; i++) {
        const char *list = lists->data[i];
        for (bool more = *list; more;) { /* an empty list is no pass; an empty name in a list is a mistake */
            size_t length = strcspn(list, ",");
            add_pass(session, plan, plait_arena_strndup(session->arena, list, length));
            more = list[length] == ',';
            list += length + more;
        }
    }
}

/* The value of an option that names a pass (or "all", when allowed). */
static const char *named_pass(PlaitSession *session, PlaitOption option, bool all)
{
    const char *name = plait_option_text(&session->options, option);
    if (name && !plait_pass_by_name(name) && !(all && strcmp(name, "all") == 0)) unknown_pass(session, name);
    return name;
}

/* An option that names a pass which the plan has not. */
static void check_planned(PlaitSession *session, const Plan *plan, PlaitOption option, const char *name)
{
    bool planned = !name || strcmp(name, "all") == 0 || !plait_pass_by_name(name);
    for (uint32_t i = 0; i < plan->count && !planned; i++) planned = strcmp(plan->passes[i]->name, name) == 0;
    if (!planned)
        plait_session_error(
            session, PLAIT_IDLE_PASS, plait_session_text(session, "`--%s %s`", plait_option_name(option), name),
            "a pass that is among --passes",
            plait_session_text(session, "add it: `--passes=..,%s`; `plait opt --list-passes` lists the pipelines",
                               name));
}

/* Whether every pass has something to work on: it would do nothing, and say nothing, on the other level. */
static bool check_levels(PlaitSession *session, const Plan *plan, const PlaitModule *module)
{
    unsigned levels = 0;
    for (uint32_t i = 0; i < module->functions.count; i++) levels |= (unsigned)module->functions.data[i]->level;
    for (uint32_t i = 0; i < plan->count && levels; i++) {
        const PlaitPass *pass = plan->passes[i];
        if (levels & (unsigned)pass->level) continue;
        bool stage = pass->level == PLAIT_LEVEL_STAGE;
        plait_session_error(session, PLAIT_IDLE_PASS,
                            plait_session_text(session, "`%s`, which works on %s IR, for a file of %s IR", pass->name,
                                               stage ? "Stage" : "Tile", stage ? "Tile" : "Stage"),
                            "passes of the file's level",
                            stage
                                ? "`plait emit FILE --stage` writes Stage IR; `plait opt --list-passes` says the levels"
                                : "`plait emit FILE --tile` writes Tile IR; `plait opt --list-passes` says the levels");
        return false;
    }
    return true;
}

static void run(PlaitSession *session, const Plan *plan, const PlaitPassOptions *options)
{
    const char *path = plait_option_text(&session->options, PLAIT_OPTION_OUTPUT);
    if (!plait_outputs_check(session, session->options.arguments.data[0], &path, 1)) return;
    uint32_t source = plait_file_read_source(session, session->options.arguments.data[0]);
    PlaitModule *module =
        source ? plait_module_parse(session->arena, &session->names, &session->diagnostics, source) : NULL;
    if (!module || !plait_module_verify(module) || !check_levels(session, plan, module)) return;
    plait_passes_run(module, plan->passes, plan->count, options);
    if (plait_session_failed(session)) return;
    for (uint32_t i = 0; i < module->functions.count && plait_option_given(&session->options, PLAIT_OPTION_CLASSIFY);
         i++)
        plait_classify_print(module->functions.data[i], options->sink);
    PlaitText text = plait_text(session->arena);
    plait_module_print(module, &text);
    if (path) plait_file_write(session, path, plait_text_string(&text), text.length);
    else plait_text_add(&session->output, plait_text_string(&text));
    plait_text_add(&session->fields, ", \"ir\": ");
    plait_text_json_string(&session->fields, plait_text_string(&text));
}

void plait_command_OPT(PlaitSession *session)
{
    Plan plan = {0};
    PlaitText log = plait_text(session->arena);
    if (plait_option_given(&session->options, PLAIT_OPTION_LIST_PASSES)) {
        list_passes(session);
        return;
    }
    read_plan(session, &plan);
    PlaitPassOptions options = {.print_after = named_pass(session, PLAIT_OPTION_PRINT_AFTER, true),
                                .stop_after = named_pass(session, PLAIT_OPTION_STOP_AFTER, false),
                                .verify_each = plait_option_given(&session->options, PLAIT_OPTION_VERIFY_EACH),
                                .time_passes = plait_option_given(&session->options, PLAIT_OPTION_TIME_PASSES),
                                .sink = &log};
    check_planned(session, &plan, PLAIT_OPTION_PRINT_AFTER, options.print_after);
    check_planned(session, &plan, PLAIT_OPTION_STOP_AFTER, options.stop_after);
    if (session->options.arguments.count == 0)
        plait_session_error(session, PLAIT_WRONG_ARGUMENTS, "no file", "a file of IR text, or `-` for standard input",
                            "`plait opt --help` shows how it is called");
    if (!plait_session_failed(session)) run(session, &plan, &options);
    plait_text_add(&session->log, plait_text_string(&log));
    plait_text_add(&session->fields, ", \"log\": ");
    plait_text_json_string(&session->fields, plait_text_string(&log));
}
