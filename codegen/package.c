/* The command `package`: the tables that the runtime reads and the C functions of the operators, as one object. */
#include "codegen/package.h"

#include <stdio.h>
#include <string.h>

static bool read_optional(PlaitCodegen *codegen, const char *path, PlaitText *content)
{
    *content = plait_text(codegen->arena);
    return !path || plait_codegen_read_file(codegen, path, content);
}

static const char *late_path(const PlaitCodegenOptions *options, const PlaitTarget *target)
{
    for (uint32_t i = 0; i < options->late.count; i++)
        if (options->late.data[i].target == target) return options->late.data[i].path;
    return NULL;
}

static PlaitPackageImage *read_images(PlaitCodegen *codegen)
{
    const PlaitCodegenOptions *options = &codegen->options;
    PlaitPackageImage *images = PLAIT_NEW_ARRAY(codegen->arena, PlaitPackageImage, options->images.count);
    for (uint32_t i = 0; i < options->images.count; i++) {
        images[i].target = options->images.data[i].target;
        if (!read_optional(codegen, options->images.data[i].cubin, &images[i].cubin)) return NULL;
        if (!read_optional(codegen, options->images.data[i].ptx, &images[i].ptx)) return NULL;
        if (!read_optional(codegen, late_path(options, images[i].target), &images[i].late)) return NULL;
        if (images[i].cubin.length || images[i].ptx.length) continue;
        plait_codegen_say("the image of %s is empty", images[i].target->name);
        return NULL;
    }
    return images;
}

static uint32_t count_images(const PlaitCodegenOptions *options, const PlaitTarget *target)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < options->images.count; i++) count += options->images.data[i].target == target;
    return count;
}

/* Kernels of a GPU are useless without an image, and the other way round; so is a late part alone. */
static bool images_fit(const PlaitCodegenOptions *options)
{
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < options->kernels.count; i++) {
        const PlaitTarget *target = options->kernels.data[i].target;
        uint32_t found = count_images(options, target);
        bool gpu = target->kind == PLAIT_TARGET_PTX;
        wanted += gpu;
        if (found == gpu) continue;
        plait_codegen_say("%s has %u images", target->name, found);
        return false;
    }
    for (uint32_t i = 0; i < options->late.count; i++) {
        if (count_images(options, options->late.data[i].target)) continue;
        plait_codegen_say("%s has a late part, but no image", options->late.data[i].target->name);
        return false;
    }
    if (wanted == options->images.count) return true;
    plait_codegen_say("there is an image without kernels");
    return false;
}

static PlaitModule **read_modules(PlaitCodegen *codegen)
{
    uint32_t count = codegen->options.kernels.count;
    PlaitModule **modules = PLAIT_NEW_ARRAY(codegen->arena, PlaitModule *, count);
    for (uint32_t i = 0; i < count; i++) {
        modules[i] = plait_codegen_read_module(codegen, codegen->options.kernels.data[i].path);
        if (!modules[i]) return NULL;
    }
    return modules;
}

PlaitCodegenStatus plait_codegen_package(PlaitCodegen *codegen)
{
    PlaitPackagePlan plan = {0};
    if (!images_fit(&codegen->options)) return PLAIT_CODEGEN_REJECTED;
    PlaitModule **modules = read_modules(codegen);
    PlaitPackageImage *images = modules ? read_images(codegen) : NULL;
    if (!images || !plait_package_plan(codegen, modules, &plan)) return PLAIT_CODEGEN_REJECTED;
    PlaitCodegenMachine *machine = plait_machine_open(codegen->arena, plait_target_by_name("cpu"));
    plait_package_emit(codegen, &machine->emit, &plan, images);
    PlaitCodegenStatus status = plait_codegen_finish(codegen, machine);
    plait_machine_close(machine);
    return status;
}
