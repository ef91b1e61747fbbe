/* `plait run`: one operator on .npy files.
 *
 * 1. The library: FILE itself, or built from FILE (or taken from the cache) for the device.
 * 2. The inputs from their files; they give the run-time sizes.
 * 3. The outputs' sizes, the call, the outputs to their files.
 */
#include <string.h>

#include "driver/arrays.h"
#include "driver/build.h"
#include "runtime/device.h"

typedef struct Run {
    PlaitLibrary library;
    PlaitOperatorCall call;
    const PlaitVariantDescriptor *variant; /* the first: names and ranks are those of all */
} Run;

/* The file of `NAME=FILE` among the values of an option; NULL when NAME is not there. */
static const char *file_for(const PlaitSession *session, PlaitOption option, const char *name)
{
    const PlaitTexts *given = &session->options.values[option];
    size_t length = strlen(name);
    for (uint32_t i = given->count; i-- > 0;)
        if (strncmp(given->data[i], name, length) == 0 && given->data[i][length] == '=')
            return given->data[i] + length + 1;
    return NULL;
}

static void unknown_tensor(PlaitSession *session, const Run *run, const char *name, bool output)
{
    const char **names = PLAIT_NEW_ARRAY(session->arena, const char *, run->call.count);
    uint32_t count = 0;
    PlaitText list = plait_text(session->arena);
    for (uint32_t i = 0; i < run->call.count; i++) {
        if (run->call.arguments[i].output != output) continue;
        plait_text_printf(&list, "%s`%s`", count ? ", " : "", run->call.arguments[i].name);
        names[count++] = run->call.arguments[i].name;
    }
    const char *nearest = plait_nearest_name(name, names, count);
    plait_session_error(session, PLAIT_UNKNOWN_TENSOR, plait_session_text(session, "`%s`", name),
                        plait_session_text(session, "an %s of `%s`: %s", output ? "output" : "input",
                                           run->call.op->name, plait_text_string(&list)),
                        nearest ? plait_session_text(session, "did you mean `%s`?", nearest)
                                : "use one of these names");
}

/* Every `NAME=FILE` must name a tensor. */
static void check_names(PlaitSession *session, const Run *run, PlaitOption option, bool output)
{
    const PlaitTexts *given = &session->options.values[option];
    for (uint32_t i = 0; i < given->count; i++) {
        const char *equals = strchr(given->data[i], '=');
        if (!equals || equals == given->data[i] || !equals[1]) {
            plait_session_error(session, PLAIT_BAD_OPTION_VALUE,
                                plait_session_text(session, "`--%s %s`", plait_option_name(option), given->data[i]),
                                "NAME=FILE.npy", "write for example `x=x.npy`");
            continue;
        }
        const char *name = plait_arena_strndup(session->arena, given->data[i], (size_t)(equals - given->data[i]));
        bool found = false;
        for (uint32_t j = 0; j < run->call.count; j++)
            found =
                found || (run->call.arguments[j].output == output && strcmp(run->call.arguments[j].name, name) == 0);
        if (!found) unknown_tensor(session, run, name, output);
    }
}

/* Whether an earlier `NAME=FILE` has the same name: one of the two files would be passed over without a word. */
static void check_twice(PlaitSession *session, PlaitOption option)
{
    const PlaitTexts *given = &session->options.values[option];
    for (uint32_t i = 0; i < given->count; i++) {
        size_t length = strcspn(given->data[i], "=") + 1;
        for (uint32_t j = 0; j < i; j++) {
            if (strncmp(given->data[i], given->data[j], length) != 0) continue;
            plait_session_error(session, PLAIT_OPTIONS_CLASH,
                                plait_session_text(session, "`--%s %s` and `--%s %s`", plait_option_name(option),
                                                   given->data[j], plait_option_name(option), given->data[i]),
                                "one file for each tensor", "leave one of them out");
            return;
        }
    }
}

/* The program and the outputs must be files of their own. An array that is read may be written over: it is in memory
 * by then. */
static bool check_files(PlaitSession *session)
{
    const PlaitTexts *given = &session->options.values[PLAIT_OPTION_OUT];
    const char **outputs = PLAIT_NEW_ARRAY(session->arena, const char *, given->count);
    for (uint32_t i = 0; i < given->count; i++) {
        const char *equals = strchr(given->data[i], '=');
        outputs[i] = equals && equals[1] ? equals + 1 : NULL;
    }
    check_twice(session, PLAIT_OPTION_IN);
    check_twice(session, PLAIT_OPTION_OUT);
    return plait_outputs_check(session, session->options.arguments.data[0], outputs, given->count) &&
           !plait_session_failed(session);
}

static void describe_arguments(PlaitSession *session, Run *run)
{
    const PlaitVariantDescriptor *variant = run->variant;
    run->call.count = variant->argument_count;
    run->call.arguments = PLAIT_NEW_ARRAY(session->arena, PlaitArgument, variant->argument_count);
    for (uint32_t i = 0; i < variant->argument_count; i++) {
        const PlaitTensorDescriptor *tensor = &variant->tensors[i];
        run->call.arguments[i] = (PlaitArgument){
            .name = tensor->name, .scalar = tensor->scalar, .rank = tensor->rank, .output = tensor->kind == 1};
    }
}

static void load_inputs(PlaitSession *session, Run *run)
{
    bool bits = plait_option_given(&session->options, PLAIT_OPTION_BF16_BITS);
    for (uint32_t i = 0; i < run->call.count; i++) {
        PlaitArgument *argument = &run->call.arguments[i];
        if (argument->output) continue;
        const char *path = file_for(session, PLAIT_OPTION_IN, argument->name);
        double fallback = run->variant->tensors[i].fallback;
        argument->absent = !path && fallback == fallback;
        if (path) plait_argument_load(session, argument, path, bits);
        else if (!argument->absent)
            plait_session_error(session, PLAIT_MISSING_INPUT,
                                plait_session_text(session, "no array for the input `%s`", argument->name),
                                "one: it has no default",
                                plait_session_text(session, "add `--in %s=%s.npy`", argument->name, argument->name));
    }
}

/* The axis whose extent this one has. */
static uint32_t extent_axis(const PlaitVariantDescriptor *variant, uint32_t axis)
{
    for (uint32_t steps = 0; steps < variant->axis_count; steps++) {
        if (variant->axes[axis].same_as < 0 || variant->axes[axis].block) break;
        axis = (uint32_t)variant->axes[axis].same_as;
    }
    return axis;
}

/* The extent of an axis by the inputs that have it; -1 when none has. */
static int64_t extent_of(const Run *run, uint32_t axis)
{
    for (uint32_t i = 0; i < run->call.count; i++) {
        const PlaitArgument *argument = &run->call.arguments[i];
        for (uint32_t j = 0; j < argument->rank && !argument->output && !argument->absent; j++)
            if (extent_axis(run->variant, run->variant->tensors[i].axes[j]) == extent_axis(run->variant, axis))
                return argument->sizes[j];
    }
    return run->variant->axes[extent_axis(run->variant, axis)].size;
}

static void make_outputs(PlaitSession *session, Run *run)
{
    for (uint32_t i = 0; i < run->call.count; i++) {
        PlaitArgument *argument = &run->call.arguments[i];
        int64_t sizes[PLAIT_DESCRIPTOR_MAX_RANK];
        if (!argument->output) continue;
        for (uint32_t j = 0; j < argument->rank; j++) {
            uint32_t axis = run->variant->tensors[i].axes[j];
            sizes[j] = extent_of(run, axis);
            if (sizes[j] >= 0) continue;
            plait_session_error(
                session, PLAIT_MISSING_INPUT,
                plait_session_text(session, "no input that tells the size of `%s`", run->variant->axes[axis].name),
                "an input with that axis", "give one of the optional inputs that have it");
            return;
        }
        if (!plait_argument_create(session, argument, sizes)) return;
    }
}

static bool read_device(PlaitSession *session, bool *gpu)
{
    const char *device = plait_option_text(&session->options, PLAIT_OPTION_DEVICE);
    *gpu = device && strcmp(device, "cuda") == 0;
    if (!device || *gpu || strcmp(device, "cpu") == 0) return true;
    plait_session_error(session, PLAIT_BAD_OPTION_VALUE, plait_session_text(session, "`--device %s`", device),
                        "cpu or cuda", "write `--device cpu` or `--device cuda`");
    return false;
}

/* The path of the library: the file itself, or what it is built into. */
static const char *find_library(PlaitSession *session, bool gpu)
{
    const char *path = session->options.arguments.data[0];
    PlaitProgram program;
    PlaitTargetRows targets = {0};
    if (plait_library_is_one(path)) {
        if (!plait_option_given(&session->options, PLAIT_OPTION_DEFINE)) return path;
        plait_session_error(session, PLAIT_OPTIONS_CLASH, "-D with a built library", "a .plait program",
                            "leave out -D: the library's sizes were set when it was built");
        return NULL;
    }
    if (!plait_program_read(session, path, &program) || !plait_targets_for_device(session, gpu, &targets)) return NULL;
    return plait_library_build_temporary(session, &program, &targets);
}

static void report(PlaitSession *session, const Run *run)
{
    plait_text_add(&session->fields, ", \"operator\": ");
    plait_text_json_string(&session->fields, run->call.op->name);
    plait_text_printf(&session->fields, ", \"device\": \"%s\", \"outputs\": [", run->call.gpu ? "cuda" : "cpu");
    bool first = true;
    for (uint32_t i = 0; i < run->call.count; i++) {
        const PlaitArgument *argument = &run->call.arguments[i];
        const char *path = argument->output ? file_for(session, PLAIT_OPTION_OUT, argument->name) : NULL;
        if (!path) continue;
        plait_text_printf(&session->output, "%s: %s[", path, plait_scalar_text((PlaitScalar)argument->scalar));
        plait_text_printf(&session->fields, "%s{\"name\": \"%s\", \"file\": ", first ? "" : ", ", argument->name);
        plait_text_json_string(&session->fields, path);
        plait_text_add(&session->fields, ", \"shape\": [");
        for (uint32_t j = 0; j < argument->rank; j++) {
            plait_text_printf(&session->output, "%s%lld", j ? ", " : "", (long long)argument->sizes[j]);
            plait_text_printf(&session->fields, "%s%lld", j ? ", " : "", (long long)argument->sizes[j]);
        }
        plait_text_add(&session->output, "]\n");
        plait_text_add(&session->fields, "]}");
        first = false;
    }
    plait_text_add(&session->fields, "]");
}

static bool call_operator(PlaitSession *session, Run *run)
{
    const char *message;
    bool good = plait_operator_call_begin(session, &run->call);
    if (good && !plait_operator_call_run(&run->call, &message)) {
        plait_session_error(session, PLAIT_CALL_FAILED, plait_session_text(session, "%s", message),
                            "arrays as the operator declares them",
                            "check the shapes and types of the arrays against the operator's declaration");
        good = false;
    }
    good = good && plait_operator_call_fetch(session, &run->call);
    plait_operator_call_end(&run->call);
    return good;
}

/* All files or none. */
static void save_outputs(PlaitSession *session, const Run *run)
{
    PlaitOutputFile *files = PLAIT_NEW_ARRAY(session->arena, PlaitOutputFile, run->call.count);
    uint32_t count = 0;
    bool bits = plait_option_given(&session->options, PLAIT_OPTION_BF16_BITS);
    for (uint32_t i = 0; i < run->call.count; i++) {
        const PlaitArgument *argument = &run->call.arguments[i];
        const char *path = argument->output ? file_for(session, PLAIT_OPTION_OUT, argument->name) : NULL;
        if (path) files[count++] = plait_argument_file(session, argument, path, bits);
    }
    if (plait_files_write(session, files, count)) report(session, run);
}

void plait_command_RUN(PlaitSession *session)
{
    Run run = {0};
    if (!read_device(session, &run.call.gpu) || !check_files(session)) return;
    const char *path = find_library(session, run.call.gpu);
    if (!path || !plait_library_open(session, path, &run.library)) return;
    run.call.library = &run.library;
    run.call.op =
        plait_library_operator(session, &run.library, plait_option_text(&session->options, PLAIT_OPTION_OPERATOR));
    if (!run.call.op) return;
    run.variant = &run.call.op->variants[0];
    describe_arguments(session, &run);
    check_names(session, &run, PLAIT_OPTION_IN, false);
    check_names(session, &run, PLAIT_OPTION_OUT, true);
    if (plait_session_failed(session)) return;
    load_inputs(session, &run);
    if (!plait_session_failed(session)) make_outputs(session, &run);
    if (plait_session_failed(session) || !call_operator(session, &run)) return;
    save_outputs(session, &run);
}
