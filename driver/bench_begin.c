/* Where `check` and `bench` run: the devices of this machine, and a library for them. */
#include <string.h>

#include "driver/build.h"
#include "driver/cases.h"
#include "runtime/device.h"

/* Adds the target for a device unless --target leaves it out; of several for the GPU the last, which a library prefers
 * too. */
static void add_device(PlaitSession *session, PlaitTargetRows *rows, bool gpu)
{
    PlaitTargetRows fitting = {0};
    const PlaitTargetRow *chosen = NULL;
    bool given = plait_option_given(&session->options, PLAIT_OPTION_TARGET);
    if (!(given ? plait_target_rows_read(session, &fitting) : plait_targets_for_device(session, gpu, &fitting))) return;
    for (uint32_t i = 0; i < fitting.count; i++) {
        if (fitting.data[i]->gpu != gpu) continue;
        if (plait_target_runs_here(fitting.data[i])) chosen = fitting.data[i];
        else
            plait_session_warn(session, plait_session_text(session, "%s does not run on this machine: left out",
                                                           fitting.data[i]->name));
    }
    if (chosen) plait_push(session->arena, rows, chosen);
}

static bool find_devices(PlaitSession *session, PlaitTargetRows *rows)
{
    const char *device = plait_option_text(&session->options, PLAIT_OPTION_DEVICE);
    bool cpu = !device || strcmp(device, "cpu") == 0, gpu = device && strcmp(device, "cuda") == 0;
    if (!cpu && !gpu) {
        plait_session_error(session, PLAIT_BAD_OPTION_VALUE, plait_session_text(session, "`--device %s`", device),
                            "cpu or cuda", "write `--device cpu` or `--device cuda`");
        return false;
    }
    if (!device) gpu = plait_device_count() > 0 || plait_option_given(&session->options, PLAIT_OPTION_TARGET);
    if (cpu) add_device(session, rows, false);
    if (gpu) add_device(session, rows, true);
    if (!plait_session_failed(session) && rows->count == 0)
        plait_session_error(session, PLAIT_DEVICE_MISSING, "no target that can run here",
                            "cpu, or the target of a GPU that is there", "leave out --target, or add cpu to it");
    return !plait_session_failed(session);
}

static bool has_define(const PlaitVariant *variant, const char *axis)
{
    for (uint32_t i = 0; i < variant->count; i++)
        if (strcmp(variant->defines[i].axis, axis) == 0) return true;
    return false;
}

/* The static sizes of the arguments' axes in one variant of all operators of the library. */
static PlaitVariant built_variant(PlaitSession *session, const PlaitLibrary *library, uint64_t number)
{
    PLAIT_VECTOR(PlaitDefine) defines = {0};
    for (uint64_t i = 0; i < library->tables->operator_count; i++) {
        if (number >= library->tables->operators[i].variant_count) continue;
        const PlaitVariantDescriptor *variant = &library->tables->operators[i].variants[number];
        for (uint32_t j = 0; j < variant->argument_count; j++) {
            for (uint32_t k = 0; k < variant->tensors[j].rank; k++) {
                const PlaitAxisDescriptor *axis = &variant->axes[variant->tensors[j].axes[k]];
                PlaitVariant so_far = {defines.data, defines.count, ""};
                if (axis->size >= 0 && axis->same_as < 0 && !has_define(&so_far, axis->name))
                    plait_push(session->arena, &defines, (PlaitDefine){axis->name, axis->size});
            }
        }
    }
    return (PlaitVariant){defines.data, defines.count, ""};
}

/* Without -D, a library is checked at the sizes that it was built for. */
static bool take_built_sizes(PlaitSession *session, PlaitBench *bench, const char *path)
{
    if (plait_option_given(&session->options, PLAIT_OPTION_DEFINE) || bench->library.tables->operator_count == 0)
        return true;
    bench->program.variants.count = 0;
    for (uint64_t i = 0; i < bench->library.tables->operators[0].variant_count; i++)
        plait_push(session->arena, &bench->program.variants, built_variant(session, &bench->library, i));
    PlaitDiagnostics *diagnostics = &session->diagnostics;
    uint32_t count = diagnostics->list.count, errors = diagnostics->error_count;
    if (plait_program_compile(session, &bench->program, &bench->program.variants.data[0])) return true;
    /* The program is good by itself, so that it is the library's sizes which do not fit it; the messages are about
     * those, and speak of a -D that nobody has written. */
    diagnostics->list.count = count;
    diagnostics->error_count = errors;
    plait_session_error(session, PLAIT_LIBRARY_UNUSABLE,
                        plait_session_text(session, "`%s` was made from another program: it has %s", path,
                                           plait_variant_text(session, &bench->program.variants.data[0])),
                        plait_session_text(session, "a library made from `%s`", bench->program.path),
                        "name its own program, or build the library again");
    return false;
}

bool plait_bench_begin(PlaitSession *session, PlaitBench *bench)
{
    const char *path = plait_option_text(&session->options, PLAIT_OPTION_LIBRARY);
    *bench = (PlaitBench){0};
    if (!plait_program_read(session, session->options.arguments.data[0], &bench->program)) return false;
    const PlaitModule *module = plait_program_compile(
        session, &bench->program, &bench->program.variants.data[0]); /* messages about the program come first */
    if (!module) return false;
    plait_case_check_ranges(session, module);
    if (!find_devices(session, &bench->rows)) return false;
    bool given = path != NULL;
    if (!given) path = plait_library_build_temporary(session, &bench->program, &bench->rows);
    if (!path || !plait_library_open(session, path, &bench->library)) return false;
    return !given || take_built_sizes(session, bench, path);
}

static bool axis_exists(const PlaitModule *module, const char *name, bool run_time)
{
    for (uint32_t i = 0; i < module->functions.count; i++)
        for (uint32_t j = 0; j < module->functions.data[i]->axes.count; j++)
            if (strcmp(plait_axis_text(module->functions.data[i], (PlaitAxis)j), name) == 0 &&
                (!run_time || module->functions.data[i]->axes.data[j].size == PLAIT_RUNTIME_SIZE))
                return true;
    return false;
}

static void unknown_size(PlaitSession *session, const char *given, const char *axis, bool exists)
{
    plait_session_error(
        session, PLAIT_BAD_OPTION_VALUE,
        plait_session_text(
            session, exists ? "`--sizes %s`: the size of `%s` is static" : "`--sizes %s`: no operator has an axis `%s`",
            given, axis),
        "an axis of run-time size", exists ? "static sizes are set with -D" : "check the name of the axis");
}

bool plait_program_sizes(PlaitSession *session, const PlaitProgram *program, PlaitVariants *sizes)
{
    const PlaitTexts *given = &session->options.values[PLAIT_OPTION_SIZES];
    const PlaitModule *module = plait_program_compile(session, program, &program->variants.data[0]);
    for (uint32_t i = 0; module && i < given->count; i++) {
        PlaitVariant one;
        if (!plait_sizes_read(session, given->data[i], &one)) continue;
        plait_push(session->arena, sizes, one);
        for (uint32_t j = 0; j < one.count; j++)
            if (!axis_exists(module, one.defines[j].axis, true))
                unknown_size(session, given->data[i], one.defines[j].axis,
                             axis_exists(module, one.defines[j].axis, false));
    }
    return module && !plait_session_failed(session);
}
