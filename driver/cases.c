/* Sizes, random inputs and calls for `check` and `bench`. */
#include "driver/cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/sample.h"

bool plait_case_axis_used(const PlaitFunction *function, PlaitAxis axis)
{
    for (uint32_t i = 0; i < function->params.count; i++)
        if (plait_type_has(plait_type_of(function, function->params.data[i]), axis)) return true;
    for (uint32_t i = 0; i < function->outputs.count; i++)
        if (plait_type_has(function->outputs.data[i].type, axis)) return true;
    return false;
}

static int64_t chosen_size(const PlaitFunction *function, PlaitAxis axis, const PlaitVariant *sizes)
{
    for (uint32_t i = 0; sizes && i < sizes->count; i++)
        if (strcmp(plait_axis_text(function, axis), sizes->defines[i].axis) == 0) return sizes->defines[i].size;
    return -1;
}

int64_t *plait_case_extents(PlaitSession *session, const PlaitFunction *function, const PlaitVariant *sizes,
                            const PlaitUsualSizes *usual)
{
    int64_t *extents = PLAIT_NEW_ARRAY(session->arena, int64_t, function->axes.count);
    uint32_t times = 0;
    for (uint32_t i = 0; i < function->axes.count; i++) {
        const PlaitAxisInfo *axis = &function->axes.data[i];
        if (axis->size != PLAIT_RUNTIME_SIZE || axis->same_as != PLAIT_NO_AXIS) continue;
        extents[i] = chosen_size(function, (PlaitAxis)i, sizes);
        bool further = axis->role == PLAIT_ROLE_TIME && times++ > 0;
        if (extents[i] >= 0) continue;
        extents[i] = further ? usual->second_time : usual->roles[axis->role];
        if (axis->multiple) extents[i] = plait_block_count(extents[i], axis->multiple) * axis->multiple;
    }
    plait_extents_complete(function, extents);
    return extents;
}

/* Reads LOW:HIGH behind `NAME=`; false when it is malformed. */
static bool read_range(const char *text, double *low, double *high)
{
    char *end;
    *low = strtod(text, &end);
    if (end == text || *end != ':') return false;
    text = end + 1;
    *high = strtod(text, &end);
    return end != text && *end == '\0' && *low <= *high && isfinite(*low) && isfinite(*high);
}

/* Draws again the inputs that --range names. */
static void apply_ranges(PlaitSession *session, const PlaitCase *it, uint64_t seed)
{
    const PlaitTexts *given = &session->options.values[PLAIT_OPTION_RANGE];
    for (uint32_t i = 0; i < given->count; i++) {
        double low, high;
        const char *equals = strchr(given->data[i], '=');
        if (!equals || !read_range(equals + 1, &low, &high)) continue; /* refused by plait_case_check_ranges */
        for (uint32_t j = 0; j < it->function->params.count; j++) {
            const char *name = plait_names_text(it->function->module->names,
                                                plait_inst(it->function, it->function->params.data[j])->name);
            if (strlen(name) != (size_t)(equals - given->data[i]) || strncmp(name, given->data[i], strlen(name)) != 0)
                continue;
            PlaitRandom random = plait_random(seed, UINT64_MAX - j); /* a stream of its own */
            PlaitArray *array = &it->kept[j];
            for (int64_t k = 0; k < array->count; k++)
                array->data[k] = plait_scalar_round((PlaitScalar)array->type.scalar,
                                                    low + (high - low) * plait_random_uniform(&random));
        }
    }
}

/* The names of all operators' inputs; `count` is set. */
static const char *const *input_names(PlaitSession *session, const PlaitModule *module, uint32_t *count)
{
    PlaitTexts names = {0};
    for (uint32_t i = 0; i < module->functions.count; i++) {
        const PlaitFunction *function = module->functions.data[i];
        for (uint32_t j = 0; j < function->params.count; j++)
            plait_push(session->arena, &names,
                       plait_names_text(module->names, plait_inst(function, function->params.data[j])->name));
    }
    *count = names.count;
    return names.data;
}

static void check_input_name(PlaitSession *session, const PlaitModule *module, const char *given, size_t length)
{
    uint32_t count;
    const char *const *names = input_names(session, module, &count);
    for (uint32_t i = 0; i < count; i++)
        if (strlen(names[i]) == length && strncmp(names[i], given, length) == 0) return;
    const char *name = plait_arena_strndup(session->arena, given, length);
    const char *nearest = plait_nearest_name(name, names, count);
    plait_session_error(session, PLAIT_BAD_OPTION_VALUE,
                        plait_session_text(session, "`--range %s`: no operator has an input `%s`", given, name),
                        "the name of an input",
                        nearest ? plait_session_text(session, "did you mean `%s`?", nearest)
                                : "the inputs are what the operator has in its first parentheses");
}

void plait_case_check_ranges(PlaitSession *session, const PlaitModule *module)
{
    const PlaitTexts *given = &session->options.values[PLAIT_OPTION_RANGE];
    for (uint32_t i = 0; i < given->count; i++) {
        double low, high;
        const char *equals = strchr(given->data[i], '=');
        if (equals && read_range(equals + 1, &low, &high))
            check_input_name(session, module, given->data[i], (size_t)(equals - given->data[i]));
        else
            plait_session_error(session, PLAIT_BAD_OPTION_VALUE,
                                plait_session_text(session, "`--range %s`", given->data[i]),
                                "NAME=LOW:HIGH, with the name of an input and finite numbers, LOW at most HIGH",
                                "write for example `--range decay=0:1`");
    }
}

/* The used axes and their extents: "b=2 t=65" or JSON members. */
static void print_sizes(const PlaitFunction *function, const int64_t *extents, PlaitText *text, const char *format)
{
    bool first = true;
    for (uint32_t i = 0; i < function->axes.count; i++) {
        if (!plait_case_axis_used(function, (PlaitAxis)i)) continue;
        if (!first) plait_text_add(text, *format == '"' ? ", " : " ");
        const char *name = plait_axis_text(function, (PlaitAxis)i);
        if (*format == '"') plait_text_printf(text, "\"%s\": %lld", name, (long long)extents[i]);
        else plait_text_printf(text, "%s=%lld", name, (long long)extents[i]);
        first = false;
    }
}

void plait_case_sizes_json(const PlaitCase *it, PlaitText *text)
{
    plait_text_add(text, "{");
    print_sizes(it->function, it->extents, text, "\"");
    plait_text_add(text, "}");
}

const char *plait_case_sizes_text(PlaitSession *session, const PlaitFunction *function, const int64_t *extents)
{
    PlaitText sizes = plait_text(session->arena);
    print_sizes(function, extents, &sizes, "");
    return plait_text_string(&sizes);
}

/* What a type's values take, in the storage type and as doubles, twice each: a lower bound of what a case needs. */
static double bytes_needed(const int64_t *extents, PlaitType type)
{
    double bytes = 2.0 * (plait_scalar_bytes((PlaitScalar)type.scalar) + sizeof(double));
    for (uint32_t i = 0; i < type.rank; i++) bytes *= (double)extents[type.axes[i]];
    return bytes;
}

void plait_case_too_large(PlaitSession *session, const PlaitCase *it, const char *what)
{
    plait_session_error(session, PLAIT_BAD_OPTION_VALUE,
                        plait_session_text(session, "`%s` at %s: %s",
                                           plait_names_text(it->function->module->names, it->function->name), it->sizes,
                                           what),
                        "sizes whose tensors fit into memory", "give smaller ones with --sizes or -D");
}

static bool fits_memory(PlaitSession *session, const PlaitCase *it)
{
    const PlaitFunction *function = it->function;
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE), bytes = 0;
    for (uint32_t i = 0; i < function->params.count; i++)
        bytes += bytes_needed(it->extents, plait_type_of(function, function->params.data[i]));
    for (uint32_t i = 0; i < function->outputs.count; i++)
        bytes += bytes_needed(it->extents, function->outputs.data[i].type);
    if (bytes <= memory) return true;
    plait_case_too_large(session, it,
                         plait_session_text(session, "its tensors need %.3g GB of memory, and this machine has %.3g GB",
                                            bytes * 1e-9, memory * 1e-9));
    return false;
}

/* Marks what axes of the type have the same extent as; whether one of them, of run-time size, had not been marked. */
static bool mark_extents(const PlaitFunction *function, PlaitType type, bool *marked)
{
    bool news = false;
    for (uint32_t i = 0; i < type.rank; i++) {
        PlaitAxis extent = plait_axis_extent_of(function, type.axes[i]);
        news |= !marked[extent] && function->axes.data[extent].size == PLAIT_RUNTIME_SIZE;
        marked[extent] = true;
    }
    return news;
}

static bool is_optional(const PlaitInst *param) { return !isnan(param->number); }

/* Leaves out the inputs that have a default, but for those that alone say how long an axis is. */
static void omit_optional(PlaitSession *session, PlaitCase *it)
{
    const PlaitFunction *function = it->function;
    bool *marked = PLAIT_NEW_ARRAY(session->arena, bool, function->axes.count);
    for (uint32_t i = 0; i < function->outputs.count; i++)
        mark_extents(function, function->outputs.data[i].type, marked);
    for (uint32_t i = 0; i < function->params.count; i++) {
        const PlaitInst *param = plait_inst(function, function->params.data[i]);
        if (!is_optional(param)) mark_extents(function, param->type, marked);
    }
    for (uint32_t i = 0; i < function->params.count; i++) {
        const PlaitInst *param = plait_inst(function, function->params.data[i]);
        if (is_optional(param) && !mark_extents(function, param->type, marked)) it->inputs[i].data = NULL;
    }
}

bool plait_case_begin(PlaitSession *session, PlaitCase *it, const PlaitFunction *function, const int64_t *extents,
                      uint64_t seed, bool omit)
{
    *it = (PlaitCase){.function = function,
                      .extents = plait_arena_copy(session->arena, extents, function->axes.count * sizeof *extents),
                      .sizes = plait_case_sizes_text(session, function, extents)};
    it->inputs = PLAIT_NEW_ARRAY(session->arena, PlaitArray, function->params.count);
    it->kept = PLAIT_NEW_ARRAY(session->arena, PlaitArray, function->params.count);
    if (!fits_memory(session, it)) return false;
    if (!plait_sample_inputs(function, extents, seed, it->kept)) {
        plait_case_too_large(session, it, "the inputs do not fit into memory");
        return false;
    }
    apply_ranges(session, it, seed);
    for (uint32_t i = 0; i < function->params.count; i++) it->inputs[i] = it->kept[i];
    if (omit) omit_optional(session, it);
    return true;
}

void plait_case_end(PlaitCase *it) { plait_arrays_free(it->kept, it->function->params.count); }

static bool create_argument(PlaitSession *session, const PlaitCase *it, PlaitArgument *argument, PlaitName name,
                            PlaitType type)
{
    int64_t sizes[PLAIT_MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) sizes[i] = it->extents[type.axes[i]];
    *argument = (PlaitArgument){
        .name = plait_names_text(it->function->module->names, name), .scalar = type.scalar, .rank = type.rank};
    return plait_argument_create(session, argument, sizes);
}

static bool create_input(PlaitSession *session, const PlaitCase *it, PlaitArgument *argument, uint32_t number)
{
    const PlaitInst *inst = plait_inst(it->function, it->function->params.data[number]);
    const PlaitArray *array = &it->inputs[number];
    uint32_t bytes = plait_scalar_bytes((PlaitScalar)inst->type.scalar);
    if (!create_argument(session, it, argument, inst->name, inst->type)) return false;
    argument->absent = !array->data && array->count > 0;
    for (int64_t i = 0; i < array->count && !argument->absent; i++)
        plait_scalar_store((PlaitScalar)inst->type.scalar, array->data[i], (char *)argument->host + (size_t)i * bytes);
    return true;
}

bool plait_case_call(PlaitSession *session, const PlaitCase *it, PlaitOperatorCall *call)
{
    const PlaitFunction *function = it->function;
    uint32_t inputs = function->params.count;
    call->count = inputs + function->outputs.count;
    call->arguments = PLAIT_NEW_ARRAY(session->arena, PlaitArgument, call->count);
    for (uint32_t i = 0; i < call->count; i++) {
        const PlaitOutput *output = i < inputs ? NULL : &function->outputs.data[i - inputs];
        bool created = output ? create_argument(session, it, &call->arguments[i], output->name, output->type)
                              : create_input(session, it, &call->arguments[i], i);
        if (!created) return false;
        call->arguments[i].output = output != NULL;
    }
    return plait_operator_call_begin(session, call);
}

void plait_json_number(PlaitText *text, double number)
{
    if (isfinite(number)) plait_text_number(text, number);
    else plait_text_add(text, "null");
}
