/* `plait check --grad`: gradients against finite differences, all in the interpreter.
 *
 * Sizes are small: each input is moved in several directions, and each takes two runs of the operator.
 */
#include "driver/check_gradients.h"

#include "driver/cases.h"
#include "driver/progress.h"
#include "ir/difference.h"

static const PlaitUsualSizes usual[] = {
    /* feature, batch, head, time; second time */
    {{3, 2, 2, 9}, 5},
    {{2, 1, 1, 1}, 1},
    {{4, 1, 2, 6}, 7},
};
enum { USUAL_COUNT = sizeof usual / sizeof *usual };

typedef struct GradientCheck {
    PlaitSession *session;
    PlaitProgress progress;
    uint64_t seed;
    uint32_t rows, failures;
} GradientCheck;

static void report_failure(GradientCheck *check, const PlaitCase *it, const char *input, double error)
{
    PlaitSession *session = check->session;
    const char *name = plait_names_text(it->function->module->names, it->function->name);
    plait_session_error(
        session, PLAIT_CHECK_FAILED,
        plait_session_text(session, "the gradient of `%s` of `%s` at %s: error %.2e", input, name, it->sizes, error),
        plait_session_text(session, "at most %.0e from finite differences", PLAIT_DIFFERENCE_LIMIT),
        "where the operator is not finite, or changes too fast, for such inputs, narrow one with "
        "--range; else this is a mistake in Plait: please report it with the program");
}

static void print_row(GradientCheck *check, const PlaitCase *it, const PlaitDifference *difference)
{
    PlaitSession *session = check->session;
    const PlaitNames *names = it->function->module->names;
    const PlaitInst *param = plait_inst(it->function, it->function->params.data[difference->input]);
    const char *name = plait_names_text(names, it->function->name), *input = plait_names_text(names, param->name);
    bool pass = difference->error <= PLAIT_DIFFERENCE_LIMIT;
    const char *verdict = !pass ? "FAIL" : difference->kinks ? "pass: beside kinks" : "pass";
    plait_text_printf(&session->output, "%-24s%-8s%-44s %-10s%10.2e%10.0e  %s\n", name, "interp", it->sizes, input,
                      difference->error, PLAIT_DIFFERENCE_LIMIT, verdict);
    plait_text_printf(&session->fields,
                      "%s{\"operator\": \"%s\", \"input\": \"%s\", \"sizes\": ", check->rows++ ? ", " : "", name,
                      input);
    plait_case_sizes_json(it, &session->fields);
    plait_text_add(&session->fields, ", \"error\": ");
    plait_json_number(&session->fields, difference->error);
    plait_text_printf(&session->fields, ", \"kinks\": %u, \"pass\": %s}", difference->kinks, pass ? "true" : "false");
    if (pass) return;
    check->failures++;
    report_failure(check, it, input, difference->error);
}

static void check_at(GradientCheck *check, const PlaitFunction *forward, const PlaitFunction *backward,
                     const int64_t *extents)
{
    PlaitSession *session = check->session;
    PlaitCase it;
    if (!plait_case_begin(session, &it, forward, extents, check->seed, false)) return;
    PlaitDifference *differences = PLAIT_NEW_ARRAY(session->arena, PlaitDifference, forward->params.count);
    uint32_t count;
    if (plait_gradients_compare(forward, backward, extents, it.kept, check->seed, differences, &count))
        for (uint32_t i = 0; i < count; i++) print_row(check, &it, &differences[i]);
    else plait_case_too_large(session, &it, "the interpreter's values at these sizes do not fit into memory");
    plait_case_end(&it);
}

static void check_operator(GradientCheck *check, const PlaitFunction *forward, const PlaitFunction *backward,
                           const PlaitVariants *sizes)
{
    PlaitSession *session = check->session;
    uint32_t count = sizes->count ? sizes->count : USUAL_COUNT;
    for (uint32_t i = 0; i < count; i++) {
        const PlaitVariant *given = sizes->count ? &sizes->data[i] : NULL;
        plait_progress_step(&check->progress, "checking gradients", i, count);
        check_at(check, forward, backward, plait_case_extents(session, forward, given, &usual[sizes->count ? 0 : i]));
    }
}

bool plait_check_gradients(PlaitSession *session, const PlaitProgram *program, const PlaitVariants *sizes,
                           uint64_t seed)
{
    GradientCheck check = {.session = session, .progress = plait_progress_begin(), .seed = seed};
    plait_text_printf(&session->output, "%-24s%-8s%-44s %-10s%10s%10s\n", "operator", "by", "sizes", "input", "error",
                      "limit");
    plait_text_add(&session->fields, ", \"gradients\": [");
    for (uint32_t i = 0; i < program->variants.count; i++) {
        const PlaitModule *module = plait_program_compile(session, program, &program->variants.data[i]);
        if (!module) break;
        for (uint32_t k = 0; k < module->functions.count / 2; k++)
            check_operator(&check, module->functions.data[k], module->functions.data[module->functions.count / 2 + k],
                           sizes);
    }
    plait_progress_end(&check.progress);
    plait_text_add(&session->fields, "]");
    plait_text_printf(&session->output, "%u gradients, %u failure%s\n", check.rows, check.failures,
                      check.failures == 1 ? "" : "s");
    return !plait_session_failed(session);
}
