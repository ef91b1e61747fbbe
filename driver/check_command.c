/* `plait check`: every target that can run here against the interpreter.
 *
 * The interpreter runs the program as the front end made it, before any pass, in double precision. Every second case
 * leaves out the inputs that have a default. Each case runs twice, with the outputs filled with NaN before, and must
 * give the same bits.
 *
 * An output beyond its limit is no mistake where rounding alone is as far off: what the interpreter gives with every
 * value rounded to its type (ir/rounding.h). That happens where an output is a small difference of large numbers.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "driver/cases.h"
#include "driver/check_gradients.h"
#include "driver/progress.h"
#include "ir/rounding.h"
#include "ir/sample.h"
#include "passes/passes.h"
#include "passes/stage/cost.h"

static const PlaitUsualSizes usual[] = {
    /* feature, batch, head, time; second time */
    {{5, 2, 2, 65}, 33},  {{1, 1, 1, 1}, 1},    {{3, 2, 1, 0}, 7},  {{2, 1, 3, 31}, 0},
    {{4, 1, 2, 129}, 65}, {{7, 3, 1, 64}, 128}, {{6, 1, 1, 63}, 2}, {{2, 0, 2, 5}, 3},
};
enum { USUAL_COUNT = sizeof usual / sizeof *usual, FOLD_BLOCK = 64 };

static const double limit_single = 1e-5, limit_half = 3e-3;

typedef struct Check {
    PlaitSession *session;
    PlaitBench bench;
    PlaitVariants sizes; /* of --sizes */
    PlaitProgress progress;
    const PlaitVariant *variant; /* at hand */
    uint32_t operator_;          /* number of that at hand */
    PlaitModule **rounded;       /* the variant's programs that round their values; NULL: not needed so far */
    const bool *products;        /* by output of the operator at hand: comes from products of 16-bit tensors on a GPU */
    bool rounds;                 /* whether it rounds to 16 bits inside */
    uint32_t done, total;        /* cases */
    uint32_t rows, failures;
    uint64_t seed;
} Check;

/* Whether the operator rounds to 16 bits on the way to an output, not only where it stores one. */
static bool rounds_inside(const PlaitFunction *function)
{
    uint32_t *uses = plait_use_counts(function), stored = 0, casts = 0;
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        PlaitValue value = function->outputs.data[i].value;
        stored += plait_op_of(function, value) == PLAIT_OP_CAST &&
                  plait_scalar_is_16_bit(plait_type_of(function, value).scalar);
    }
    for (PlaitValue value = 1; value < function->insts.count; value++)
        if (plait_op_of(function, value) == PLAIT_OP_CAST &&
            plait_scalar_is_16_bit(plait_type_of(function, value).scalar))
            casts += uses[value];
    return casts > stored;
}

/* Marks what depends on a matrix product of 16-bit tensors; returns whether that marked anything new. Carries go
 * around, so it is called until it does not. */
static bool mark_products(const PlaitFunction *function, const PlaitRegion *region, bool *marked)
{
    bool news = false;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(function, value);
        bool mark = plait_op_is_reduce((PlaitOp)inst->op) && plait_cost_is_matrix_product(function, inst);
        if (inst->op == PLAIT_OP_RESULT) {
            mark = marked[plait_inst(function, inst->operands[0])->body->yields.data[inst->ints[0]]];
        } else {
            for (uint32_t k = 0; k < inst->operand_count && !inst->body; k++) mark |= marked[inst->operands[k]];
        }
        for (uint32_t k = 0; inst->body && k < inst->body->params.count; k++)
            marked[inst->body->params.data[k]] |= marked[inst->operands[k]] || marked[inst->body->yields.data[k]];
        if (inst->body) news |= mark_products(function, inst->body, marked);
        news |= mark && !marked[value];
        marked[value] |= mark;
    }
    return news;
}

/* `on_gpu`: the operator after the passes that make products of scans for a GPU. */
static const bool *products_of(const PlaitFunction *on_gpu)
{
    bool *marked = PLAIT_NEW_ARRAY(on_gpu->module->arena, bool, on_gpu->insts.count);
    bool *outputs = PLAIT_NEW_ARRAY(on_gpu->module->arena, bool, on_gpu->outputs.count);
    while (mark_products(on_gpu, on_gpu->body, marked)) continue;
    for (uint32_t i = 0; i < on_gpu->outputs.count; i++) outputs[i] = marked[on_gpu->outputs.data[i].value];
    return outputs;
}

/* All arithmetic is in f32 or wider, but that of the matrix units of a GPU, which take 16 bits: what is stored in f32
 * is held to f32's accuracy, whatever the inputs are stored in, unless it comes from such products there. */
static double limit_of(const Check *check, const PlaitFunction *function, uint32_t output, const PlaitTargetRow *row)
{
    if (plait_scalar_is_16_bit((PlaitScalar)function->outputs.data[output].type.scalar) || check->rounds)
        return limit_half;
    return row->gpu && check->products[output] ? limit_half : limit_single;
}

/* Below the least normal number of f32 (and of bf16) precision goes, bit by bit, and then the number. */
static bool vanishes(double number) { return fabs(number) < FLT_MIN; }

typedef struct Error {
    double relative; /* of RMS(reference) */
    double absolute;
} Error;

/* The error of what a run has left in an argument. Of 16 bits, what rounding the reference costs is no error of the
 * run: of few elements that alone can exceed the limit. Where the reference is too small for a normal f32, any number
 * that small is right: what a state has decayed to after 129 tokens is 0 in f32. */
static Error error_of(Check *check, const PlaitArgument *argument, const PlaitArray *reference)
{
    PlaitArray actual = *reference;
    uint32_t bytes = plait_scalar_bytes((PlaitScalar)argument->scalar);
    actual.data = PLAIT_NEW_ARRAY(check->session->arena, double, (size_t)reference->count);
    for (int64_t i = 0; i < reference->count; i++)
        actual.data[i] =
            plait_scalar_load((PlaitScalar)argument->scalar, (const char *)argument->host + (size_t)i * bytes);
    for (int64_t i = 0; i < reference->count && argument->scalar != PLAIT_F64; i++)
        if (vanishes(actual.data[i]) && vanishes(reference->data[i])) actual.data[i] = reference->data[i];
    bool excess = plait_scalar_is_16_bit(argument->scalar);
    return (Error){excess ? plait_excess_error(&actual, reference) : plait_relative_error(&actual, reference),
                   plait_storage_error(&actual, reference)};
}

/* The operators of the variant at hand that round their values, made when the first output is beyond its limit. */
static bool make_rounded(Check *check)
{
    PlaitSession *session = check->session;
    if (check->rounded) return true;
    PlaitModule **modules = PLAIT_NEW_ARRAY(session->arena, PlaitModule *, PLAIT_ROUNDING_DRAWS);
    for (uint32_t draw = 0; draw < PLAIT_ROUNDING_DRAWS; draw++) {
        modules[draw] = plait_program_compile(session, &check->bench.program, check->variant);
        if (!modules[draw]) return false;
        for (uint32_t i = 0; i < modules[draw]->functions.count; i++)
            plait_round_values(modules[draw]->functions.data[i], draw);
    }
    check->rounded = modules;
    return true;
}

/* By output: RMS of what rounding alone is off by; not finite where that makes a NaN or an infinity. NULL: unknown. */
static const double *find_rounding(Check *check, const PlaitCase *it, const PlaitArray *references)
{
    PlaitFunction *draws[PLAIT_ROUNDING_DRAWS];
    double *errors = PLAIT_NEW_ARRAY(check->session->arena, double, it->function->outputs.count);
    if (!make_rounded(check)) return NULL;
    for (uint32_t draw = 0; draw < PLAIT_ROUNDING_DRAWS; draw++)
        draws[draw] = check->rounded[draw]->functions.data[check->operator_];
    return plait_rounding_errors(draws, it->extents, it->inputs, references, errors) ? errors : NULL;
}

static double size_of(const PlaitArray *array)
{
    double sum = 0;
    for (int64_t i = 0; i < array->count; i++) sum += array->data[i] * array->data[i];
    return array->count ? sqrt(sum / (double)array->count) : 0;
}

/* An output of a run. */
typedef struct Result {
    const PlaitTargetRow *row;
    uint32_t output;
    Error error;
    double limit, size; /* size: RMS(reference) */
    double largest;     /* that of all outputs */
    double rounding;    /* RMS of what rounding alone is off by; NaN: not asked for, or unknown */
    bool same_bits;
} Result;

static bool within_limit(const Result *result) { return result->error.relative <= result->limit; }

/* What is 0 because equal numbers cancel (the gradient of a softmax over one position) is 0 to rounding of those. Their
 * size is that of the other outputs. */
static bool is_cancelled(const Result *result)
{
    return result->size == 0 && result->error.absolute <= limit_single * result->largest;
}

/* Within the limit, or as far off as rounding alone is. */
static bool is_right(const Result *result)
{
    bool rounded = isfinite(result->rounding) && result->error.absolute <= PLAIT_ROUNDINGS * result->rounding;
    return result->same_bits && (within_limit(result) || rounded || is_cancelled(result));
}

/* The limit that decided. */
static double limit_used(const Result *result)
{
    if (within_limit(result) || !is_right(result) || result->size == 0) return result->limit;
    return PLAIT_ROUNDINGS * result->rounding / result->size;
}

static void report_failure(Check *check, const char *where, const Result *result)
{
    PlaitSession *session = check->session;
    if (result->same_bits && !isfinite(result->size))
        plait_session_error(session, PLAIT_CHECK_FAILED,
                            plait_session_text(session, "%s: the interpreter's own result overflows", where),
                            "a result that is finite", "narrow an input with --range, as the operator needs it");
    else if (result->same_bits)
        plait_session_error(
            session, PLAIT_CHECK_FAILED, plait_session_text(session, "%s: error %.2e", where, result->error.relative),
            plait_session_text(session, "at most %.0e", result->limit),
            plait_session_text(
                session,
                "RMS(reference) is %.1e, and rounding each value to its type moves it by %.1e of that; "
                "where values leave the range of f32, narrow an input with --range; else this is a mistake in "
                "Plait: please report it with the program",
                result->size, result->size > 0 ? result->rounding / result->size : result->rounding));
    else
        plait_session_error(session, PLAIT_CHECK_FAILED, plait_session_text(session, "%s: two runs differ", where),
                            "the same bits every time",
                            "the library leaves elements unwritten, or reads what nothing has written, or adds in "
                            "another order each time: this is a mistake in Plait: please report it with the program");
}

static void print_row(Check *check, const PlaitCase *it, const Result *result)
{
    PlaitSession *session = check->session;
    const PlaitNames *names = it->function->module->names;
    const char *name = plait_names_text(names, it->function->name),
               *output = plait_names_text(names, it->function->outputs.data[result->output].name);
    bool pass = is_right(result);
    if (!check->rows)
        plait_text_printf(&session->output, "%-24s%-8s%-44s %-10s%10s%10s\n", "operator", "target", "sizes", "output",
                          "error", "limit");
    plait_text_printf(&session->output, "%-24s%-8s%-44s %-10s%10.2e%10.0e  %s\n", name, result->row->name, it->sizes,
                      output, result->error.relative, limit_used(result),
                      !result->same_bits     ? "FAIL: two runs differ"
                      : !pass                ? "FAIL"
                      : within_limit(result) ? "pass"
                                             : "pass: rounding alone is as far off");
    plait_text_printf(&session->fields, "%s{\"operator\": \"%s\", \"target\": \"%s\", \"output\": \"%s\", \"sizes\": ",
                      check->rows++ ? ", " : "", name, result->row->name, output);
    plait_case_sizes_json(it, &session->fields);
    plait_text_add(&session->fields, ", \"error\": ");
    plait_json_number(&session->fields, result->error.relative);
    plait_text_add(&session->fields, ", \"limit\": ");
    plait_json_number(&session->fields, limit_used(result));
    plait_text_printf(&session->fields, ", \"same_bits\": %s, \"pass\": %s}", result->same_bits ? "true" : "false",
                      pass ? "true" : "false");
    if (pass) return;
    check->failures++;
    report_failure(check,
                   plait_session_text(session, "`%s` of `%s` on %s at %s", output, name, result->row->name, it->sizes),
                   result);
}

static bool run_once(Check *check, PlaitOperatorCall *call)
{
    const char *message;
    if (!plait_operator_call_clear(check->session, call)) return false;
    if (plait_operator_call_run(call, &message)) return plait_operator_call_fetch(check->session, call);
    plait_session_error(check->session, PLAIT_CALL_FAILED, plait_session_text(check->session, "%s", message),
                        "a call that succeeds",
                        "with --library, the library must be built from this program with the same sizes");
    return false;
}

/* The outputs of a run, to be compared with those of the next. */
static void **copy_outputs(PlaitArena *arena, const PlaitOperatorCall *call)
{
    void **copies = PLAIT_NEW_ARRAY(arena, void *, call->count);
    for (uint32_t i = 0; i < call->count; i++)
        if (call->arguments[i].output)
            copies[i] = plait_arena_copy(arena, call->arguments[i].host, call->arguments[i].bytes);
    return copies;
}

static void check_target(Check *check, const PlaitCase *it, const PlaitArray *references, const PlaitTargetRow *row)
{
    PlaitSession *session = check->session;
    PlaitOperatorCall call = {.library = &check->bench.library, .gpu = row->gpu};
    const double *rounding = NULL; /* by output */
    call.op = plait_library_operator(session, &check->bench.library,
                                     plait_names_text(it->function->module->names, it->function->name));
    if (!call.op) return;
    if (!plait_library_has_code(call.op, row->gpu)) return;
    if (plait_case_call(session, it, &call) && run_once(check, &call)) {
        void **first = copy_outputs(session->arena, &call);
        bool again = run_once(check, &call);
        double largest = 0;
        for (uint32_t i = 0; i < it->function->outputs.count; i++) largest = fmax(largest, size_of(&references[i]));
        for (uint32_t i = 0; again && i < it->function->outputs.count; i++) {
            const PlaitArgument *argument = &call.arguments[it->function->params.count + i];
            Result result = {.row = row,
                             .output = i,
                             .error = error_of(check, argument, &references[i]),
                             .limit = limit_of(check, it->function, i, row),
                             .size = size_of(&references[i]),
                             .largest = largest,
                             .rounding = NAN};
            result.same_bits = memcmp(first[it->function->params.count + i], argument->host, argument->bytes) == 0;
            bool beyond = result.error.relative > result.limit;
            if (beyond && !rounding) rounding = find_rounding(check, it, references);
            if (beyond && rounding) result.rounding = rounding[i];
            print_row(check, it, &result);
        }
    }
    plait_operator_call_end(&call);
}

/* A call that the library refuses is refused at other sizes too. */
static bool may_go_on(const Check *check)
{
    const PlaitDiagnostics *diagnostics = &check->session->diagnostics;
    for (uint32_t i = 0; i < diagnostics->list.count; i++)
        if (diagnostics->list.data[i].id != PLAIT_CHECK_FAILED) return false;
    return true;
}

/* All targets at one choice of sizes. */
static void check_case(Check *check, const PlaitFunction *function, const int64_t *extents, bool omit)
{
    PlaitSession *session = check->session;
    PlaitCase it;
    plait_progress_step(&check->progress, "checking", check->done, check->total);
    if (!plait_case_begin(session, &it, function, extents, check->seed, omit)) return;
    PlaitArray *references = PLAIT_NEW_ARRAY(session->arena, PlaitArray, function->outputs.count);
    if (!plait_interpret(function, it.extents, it.inputs, references, FOLD_BLOCK)) {
        plait_case_too_large(session, &it, "the interpreter's values at these sizes do not fit into memory");
        plait_case_end(&it);
        return;
    }
    for (uint32_t i = 0; i < check->bench.rows.count; i++)
        check_target(check, &it, references, check->bench.rows.data[i]);
    plait_arrays_free(references, function->outputs.count);
    plait_case_end(&it);
    check->done++;
}

static bool seen(int64_t *const *extents, uint32_t count, uint32_t axes)
{
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(extents[i], extents[count], axes * sizeof **extents) == 0) return true;
    return false;
}

static void check_operator(Check *check, const PlaitFunction *function, const PlaitFunction *on_gpu)
{
    int64_t *extents[USUAL_COUNT] = {0};
    uint32_t given = check->sizes.count, count = 0;
    check->products = products_of(on_gpu);
    check->rounds = rounds_inside(function);
    for (uint32_t i = 0; i < given && may_go_on(check); i++)
        check_case(check, function, plait_case_extents(check->session, function, &check->sizes.data[i], &usual[0]),
                   false);
    for (uint32_t i = 0; !given && i < USUAL_COUNT && may_go_on(check); i++) {
        extents[count] = plait_case_extents(check->session, function, NULL, &usual[i]);
        if (seen(extents, count, function->axes.count)) continue;
        check_case(check, function, extents[count], count % 2 == 1);
        count++;
    }
}

static void check_everything(Check *check)
{
    PlaitSession *session = check->session;
    const PlaitVariants *variants = &check->bench.program.variants;
    plait_text_add(&session->fields, ", \"rows\": [");
    for (uint32_t i = 0; i < variants->count; i++) {
        check->variant = &variants->data[i];
        check->rounded = NULL;
        const PlaitModule *module = plait_program_compile(session, &check->bench.program, &variants->data[i]);
        PlaitModule *on_gpu = module ? plait_program_compile(session, &check->bench.program, &variants->data[i]) : NULL;
        if (!on_gpu) break;
        plait_stage_pipeline_run(on_gpu, true, &(PlaitPassOptions){.stop_after = "chunk"});
        check->total =
            variants->count * module->functions.count * (check->sizes.count ? check->sizes.count : USUAL_COUNT);
        for (check->operator_ = 0; check->operator_ < module->functions.count; check->operator_++)
            check_operator(check, module->functions.data[check->operator_], on_gpu->functions.data[check->operator_]);
    }
    plait_progress_end(&check->progress);
    plait_text_printf(&session->fields, "], \"failures\": %u", check->failures);
    if (check->rows)
        plait_text_printf(&session->output, "%u results, %u failure%s\n", check->rows, check->failures,
                          check->failures == 1 ? "" : "s");
    else plait_text_add(&session->output, "nothing was checked\n"); /* a message says why */
}

/* The gradients by themselves, before anything is compiled for a target. */
static bool check_gradients(PlaitSession *session, uint64_t seed)
{
    PlaitProgram program;
    PlaitVariants sizes = {0};
    if (!plait_program_read(session, session->options.arguments.data[0], &program)) return false;
    const PlaitModule *module = plait_program_compile(session, &program, &program.variants.data[0]);
    if (!module) return false;
    plait_case_check_ranges(session, module);
    return plait_program_sizes(session, &program, &sizes) && plait_check_gradients(session, &program, &sizes, seed);
}

/* Gradients that are right in the interpreter are no less so where no kernel can be made of the backward: what a target
 * says of that is a warning then. */
static void note_not_compiled(PlaitSession *session)
{
    PlaitDiagnostics *diagnostics = &session->diagnostics;
    if (!plait_option_given(&session->options, PLAIT_OPTION_GRAD)) return;
    for (uint32_t i = 0; i < diagnostics->list.count; i++)
        if (diagnostics->list.data[i].id != PLAIT_CANNOT_LOWER) return;
    for (uint32_t i = 0; i < diagnostics->list.count; i++)
        plait_session_warn(session, plait_session_text(session, "compared in the interpreter only: %s: %s",
                                                       plait_diagnostic_title(PLAIT_CANNOT_LOWER),
                                                       diagnostics->list.data[i].found));
    diagnostics->list.count = diagnostics->error_count = 0;
}

void plait_command_CHECK(PlaitSession *session)
{
    Check check = {.session = session,
                   .progress = plait_progress_begin(),
                   .seed = plait_option_count(&session->options, PLAIT_OPTION_SEED, 1)};
    if (plait_option_given(&session->options, PLAIT_OPTION_GRAD) && !check_gradients(session, check.seed)) return;
    if (!plait_bench_begin(session, &check.bench)) {
        note_not_compiled(session);
        return;
    }
    if (!plait_program_sizes(session, &check.bench.program, &check.sizes)) return;
    check_everything(&check);
    if (check.rows == 0 && !plait_session_failed(session))
        plait_session_error(session, PLAIT_CHECK_FAILED, "nothing was compared: 0 results",
                            "an output, and code for a device of this machine",
                            "with --library, build it with --target cpu, or for the GPU that is there");
}
