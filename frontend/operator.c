/* Operators: parameters, body, results. */
#include <math.h>

#include "ir/sample.h"
#include "frontend/lower.h"

/* ---- parameters ---- */

/* False after reporting a name that an earlier parameter or result of the list has. */
static bool check_names(PlaitSema *sema, const PlaitAstParams *params, uint32_t index, const char *what)
{
    PlaitAstName name = params->data[index].name;
    for (uint32_t i = 0; i < index; i++) {
        if (params->data[i].name.name != name.name) continue;
        plait_sema_report_related(sema, (PlaitDiagnostic){.id = PLAIT_NAME_TAKEN,
                                                          .span = name.span,
                                                          .found = plait_sema_format(sema, "a second %s `%s`", what,
                                                                                     plait_sema_text(sema, name.name)),
                                                          .expected = "each name once",
                                                          .help = "rename one of the two",
                                                          .related = params->data[i].name.span,
                                                          .related_note = "the first"});
        return false;
    }
    return true;
}

/* The number of a default, in the parameter's type. */
static double fallback_of(PlaitSema *sema, const PlaitAstParam *param, PlaitType type)
{
    PlaitTerm number;
    if (!param->fallback || !plait_sema_constant(sema, param->fallback, true, &number)) return (double)NAN;
    if (type.scalar == PLAIT_BOOL) {
        if (number.number == 0 || number.number == 1) return number.number;
        plait_sema_report(sema, PLAIT_WRONG_TYPE, param->fallback->span, plait_term_text(sema, number),
                          "`true` or `false`",
                          "the default of a bool parameter is `true` or `false`; 1 and 0 stand for them");
        return 0;
    }
    uint32_t count = sema->builder.function->insts.count; /* the constant is made for its checks only */
    PlaitRegion *region = sema->builder.region;
    sema->builder.region = plait_region_create(sema->builder.function, region);
    plait_term_as(sema, param->fallback->span, number, (PlaitScalar)type.scalar);
    sema->builder.region = region;
    sema->builder.function->insts.count = count;
    bool rounds = plait_scalar_is_16_bit((PlaitScalar)type.scalar); /* it stands for a tensor of such elements */
    return rounds ? plait_scalar_round((PlaitScalar)type.scalar, number.number) : number.number;
}

static bool is_read(const PlaitAstOperator *declared, PlaitName name)
{
    for (uint32_t i = 0; i < declared->results.count; i++)
        if (declared->results.data[i].name.name == name) return true;
    return plait_ast_block_mentions(declared->body, 0, name);
}

static void lower_params(PlaitSema *sema, const PlaitAstOperator *declared)
{
    for (uint32_t i = 0; i < declared->params.count; i++) {
        const PlaitAstParam *param = &declared->params.data[i];
        PlaitTerm term = plait_poison();
        PlaitType type;
        check_names(sema, &declared->params, i, "parameter");
        sema->builder.span = param->name.span;
        if (plait_sema_type(sema, param->type, &type))
            term =
                plait_term(plait_build_param(&sema->builder, param->name.name, type, fallback_of(sema, param, type)));
        plait_scope_bind(sema, param->name, term);
    }
    /* Computing is in f32 at least: 16-bit parameters are converted once, here, where every region sees the result. */
    for (uint32_t i = 0; i < sema->scope.count; i++) {
        PlaitBinding *binding = &sema->scope.data[i];
        if (binding->term.kind != PLAIT_TERM_VALUE ||
            !plait_scalar_is_16_bit(plait_term_type(sema, binding->term).scalar) || !is_read(declared, binding->name))
            continue;
        sema->builder.span = binding->span;
        binding->term = plait_term_computing(sema, binding->term);
    }
}

/* ---- results ---- */

/* False after reporting a result with the name of a parameter: the caller passes both, by name. */
static bool check_own_name(PlaitSema *sema, const PlaitAstOperator *declared, const PlaitAstParam *result)
{
    PlaitAstName name = result->name;
    for (uint32_t i = 0; i < declared->params.count; i++) {
        if (declared->params.data[i].name.name != name.name) continue;
        const char *text = plait_sema_text(sema, name.name);
        plait_sema_report_related(
            sema, (PlaitDiagnostic){.id = PLAIT_NAME_TAKEN,
                                    .span = name.span,
                                    .found = plait_sema_format(sema, "a result `%s`, which is a parameter too", text),
                                    .expected = "a name that no parameter has",
                                    .help = plait_sema_format(
                                        sema, "rename the result: `%s_out`; results are tensors of their own", text),
                                    .related = declared->params.data[i].name.span,
                                    .related_note = "the parameter"});
        return false;
    }
    return true;
}

/* The value in the result's scalar type; poison after a report. */
static PlaitTerm result_scalar(PlaitSema *sema, const PlaitAstParam *result, PlaitSpan span, PlaitTerm term,
                               PlaitScalar wanted)
{
    if (term.kind == PLAIT_TERM_VALUE) {
        PlaitScalar own = (PlaitScalar)plait_term_type(sema, term).scalar;
        PlaitScalarKind from = plait_scalar_kind(own), to = plait_scalar_kind(wanted);
        if (from != to && !(from == PLAIT_INTEGER && to == PLAIT_FLOATING)) {
            plait_sema_report(sema, PLAIT_WRONG_TYPE, span,
                              plait_sema_format(sema, "%s for the result `%s`", plait_term_text(sema, term),
                                                plait_sema_text(sema, result->name.name)),
                              plait_scalar_text(wanted),
                              plait_sema_format(sema, "convert it: `%s(...)`", plait_scalar_text(wanted)));
            return plait_poison();
        }
    }
    return plait_term_as(sema, span, term, wanted);
}

/* `own`: of the value as it was assigned. */
static bool check_axes(PlaitSema *sema, const PlaitAstParam *result, PlaitSpan span, PlaitType own, PlaitType type)
{
    for (uint32_t i = 0; i < own.rank; i++) {
        if (plait_type_has(type, own.axes[i])) continue;
        const char *axis = plait_axis_text(sema->builder.function, own.axes[i]);
        plait_sema_report_related(
            sema, (PlaitDiagnostic){
                      .id = PLAIT_RESULT_AXES,
                      .span = span,
                      .found = plait_sema_type_text(sema, own),
                      .expected = plait_sema_format(sema, "at most the axes of %s", plait_sema_type_text(sema, type)),
                      .help = plait_sema_format(
                          sema, "reduce over `%s`, for example with `sum[%s](...)`, or add it to the result's type",
                          axis, axis),
                      .related = result->name.span,
                      .related_note = "the result"});
        return false;
    }
    return true;
}

static void lower_result(PlaitSema *sema, const PlaitAstParam *result)
{
    PlaitType type;
    if (!plait_sema_type(sema, result->type, &type)) return;
    const PlaitBinding *binding = plait_scope_find(sema, result->name.name);
    if (!binding) {
        if (!sema->broken)
            plait_sema_report(
                sema, PLAIT_MISSING_RESULT, result->name.span,
                plait_sema_format(sema, "`%s`, which the body never assigns", plait_sema_text(sema, result->name.name)),
                "a variable of that name",
                plait_sema_format(sema, "assign it: `%s = ...`", plait_sema_text(sema, result->name.name)));
        return;
    }
    PlaitSpan span = binding->span;
    PlaitTerm term = plait_scope_read(sema, (PlaitAstName){result->name.name, span});
    sema->builder.span = span;
    if (term.kind == PLAIT_TERM_POISON) return;
    PlaitTerm assigned = term;
    term = result_scalar(sema, result, span, term, (PlaitScalar)type.scalar);
    if (term.kind == PLAIT_TERM_POISON) return;
    if (assigned.kind == PLAIT_TERM_VALUE && !check_axes(sema, result, span, plait_term_type(sema, assigned), type))
        return;
    PlaitValue value = plait_build_broadcast(&sema->builder, term.value, type);
    plait_push(sema->arena, &sema->builder.function->outputs,
               (PlaitOutput){result->name.name, type, value, result->name.span});
}

/* ---- the whole ---- */

static bool check_counts(PlaitSema *sema, const PlaitAstOperator *declared)
{
    if (declared->params.count <= PLAIT_MAX_DECLARED && declared->results.count <= PLAIT_MAX_DECLARED) return true;
    plait_sema_report(
        sema, PLAIT_PROGRAM_SIZE, declared->name.span,
        plait_sema_format(sema, "%u parameters and %u results", declared->params.count, declared->results.count),
        plait_sema_format(sema, "at most %d of each", PLAIT_MAX_DECLARED), "put parameters together into tensors");
    return false;
}

void plait_sema_operator(PlaitSema *sema, const PlaitAstOperator *declared)
{
    if (!check_counts(sema, declared)) return;
    uint32_t errors = sema->diagnostics->error_count;
    plait_axes_forget(sema);
    PlaitFunction *function = plait_function_create(sema->module, PLAIT_LEVEL_STAGE, declared->name.name);
    function->span = declared->name.span;
    sema->builder = (PlaitBuilder){function, function->body, declared->name.span};
    plait_scope_cut(sema, 0);
    lower_params(sema, declared);
    PlaitPending pending = {.results = &declared->results};
    pending.block = declared->body;
    plait_sema_block(sema, declared->body, &pending);
    for (uint32_t i = 0; i < declared->results.count; i++)
        if (check_names(sema, &declared->results, i, "result") &&
            check_own_name(sema, declared, &declared->results.data[i]))
            lower_result(sema, &declared->results.data[i]);
    /* What was wrong above may have taken a tensor away that gives a size. */
    if (sema->diagnostics->error_count == errors) plait_axes_check_sizes(sema);
}
