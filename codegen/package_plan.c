/* Brings the Tile IR modules of a library's targets together:
 *   1. each signature of the first module is a variant; signatures OPERATOR.x are variants of OPERATOR;
 *   2. every other module must have the same signatures; its workspaces are added, since targets differ in those;
 *   3. the kernels of a target are taken from its module, their axes and tensors found by name in the variant.
 * Modules have axis tables of their own, so that axes are compared by name everywhere.
 */
#include "codegen/package.h"

#include <string.h>

typedef struct Planner {
    PlaitCodegen *codegen;
    PlaitPackagePlan *plan;
    PlaitPackageVariant *variant; /* being filled */
    const char *path;             /* of the module being read, for messages */
} Planner;

static const char *name_text(const Planner *planner, PlaitName name)
{
    return plait_names_text(&planner->codegen->names, name);
}

static bool fail(const Planner *planner, const char *what, PlaitName name)
{
    plait_codegen_say("%s: %s `%s` of `%s`", planner->path, what, name_text(planner, name),
                      name_text(planner, planner->variant->name));
    return false;
}

/* ---- axes ---- */

/* Adds axis `axis` of a table to the variant unless it is there. A table's same_as points backward or forward, never in
 * a circle. */
static bool add_axis(Planner *planner, const PlaitAxisInfo *table, PlaitAxis axis, PlaitAxis *found)
{
    PlaitPackageVariant *variant = planner->variant;
    PlaitAxisInfo info = table[axis];
    *found = plait_axis_find_in(variant->axes.data, variant->axes.count, info.name);
    if (*found != PLAIT_NO_AXIS)
        return variant->axes.data[*found].size == info.size || fail(planner, "another size of axis", info.name);
    PlaitAxis same = PLAIT_NO_AXIS;
    if (info.same_as != PLAIT_NO_AXIS && !add_axis(planner, table, info.same_as, &same)) return false;
    info.same_as = same;
    *found = (PlaitAxis)variant->axes.count;
    plait_push(planner->codegen->arena, &variant->axes, info);
    return true;
}

static bool add_axes(Planner *planner, const PlaitAxisInfo *table, uint32_t count)
{
    PlaitAxis found;
    for (uint32_t i = 0; i < count; i++)
        if (!add_axis(planner, table, (PlaitAxis)i, &found)) return false;
    return true;
}

/* ---- tensors ---- */

static bool same_tensor(const PlaitTensorInfo *a, const PlaitTensorInfo *b)
{
    bool fallback = a->fallback == b->fallback || (a->fallback != a->fallback && b->fallback != b->fallback);
    bool same = a->name == b->name && a->kind == b->kind && a->type.scalar == b->type.scalar &&
                a->type.rank == b->type.rank && fallback;
    for (uint32_t i = 0; same && i < a->type.rank; i++) same = a->type.axes[i] == b->type.axes[i];
    return same;
}

static const PlaitTensorInfo *find_tensor(const PlaitPackageVariant *variant, PlaitName name)
{
    for (uint32_t i = 0; i < variant->tensors.count; i++)
        if (variant->tensors.data[i].name == name) return &variant->tensors.data[i];
    return NULL;
}

/* Puts the variant's axes into the tensor's type. */
static bool rename_axes(Planner *planner, const PlaitSignature *signature, PlaitTensorInfo *tensor)
{
    for (uint32_t i = 0; i < tensor->type.rank; i++)
        if (!add_axis(planner, signature->axes.data, tensor->type.axes[i], &tensor->type.axes[i])) return false;
    return true;
}

/* A signature that is the variant's for the first time adds all its tensors, later ones only workspaces. */
static bool add_tensors(Planner *planner, const PlaitSignature *signature, bool first)
{
    PlaitPackageVariant *variant = planner->variant;
    uint32_t arguments = 0;
    for (uint32_t i = 0; i < signature->tensors.count; i++) {
        PlaitTensorInfo tensor = signature->tensors.data[i];
        bool argument = tensor.kind != PLAIT_TENSOR_WORKSPACE;
        if (!rename_axes(planner, signature, &tensor)) return false;
        const PlaitTensorInfo *known = find_tensor(variant, tensor.name);
        bool in_place = !argument || (known && known == &variant->tensors.data[arguments]);
        if (!first && (known ? !same_tensor(known, &tensor) || !in_place : argument))
            return fail(planner, "another tensor", tensor.name);
        arguments += argument;
        if (!known) plait_push(planner->codegen->arena, &variant->tensors, tensor);
    }
    if (first) variant->argument_count = arguments;
    return arguments == variant->argument_count || fail(planner, "other tensors for the signature", signature->name);
}

/* ---- variants ---- */

static PlaitPackageVariant *find_variant(const Planner *planner, PlaitName name)
{
    for (uint32_t i = 0; i < planner->plan->operators.count; i++) {
        const PlaitPackageOperator *found = &planner->plan->operators.data[i];
        for (uint32_t j = 0; j < found->variants.count; j++)
            if (found->variants.data[j]->name == name) return found->variants.data[j];
    }
    return NULL;
}

static PlaitPackageOperator *operator_of(Planner *planner, const char *signature)
{
    PlaitArena *arena = planner->codegen->arena;
    const char *name = plait_arena_strndup(arena, signature, strcspn(signature, "."));
    for (uint32_t i = 0; i < planner->plan->operators.count; i++)
        if (strcmp(planner->plan->operators.data[i].name, name) == 0) return &planner->plan->operators.data[i];
    plait_push(arena, &planner->plan->operators, (PlaitPackageOperator){.name = name});
    return &planner->plan->operators.data[planner->plan->operators.count - 1];
}

/* The variants of one operator differ in the sizes of axes only. */
static bool fits_operator(const Planner *planner, const PlaitPackageOperator *all)
{
    const PlaitPackageVariant *a = all->variants.data[0], *b = planner->variant;
    if (a->argument_count != b->argument_count) return fail(planner, "other tensors than its siblings in", b->name);
    for (uint32_t i = 0; i < a->argument_count; i++) {
        const PlaitTensorInfo *x = &a->tensors.data[i], *y = &b->tensors.data[i];
        bool same = x->name == y->name && x->kind == y->kind && x->type.scalar == y->type.scalar &&
                    x->type.rank == y->type.rank;
        if (!same) return fail(planner, "unlike its siblings: tensor", y->name);
    }
    return true;
}

static bool add_variant(Planner *planner, const PlaitSignature *signature)
{
    PlaitArena *arena = planner->codegen->arena;
    PlaitPackageOperator *all = operator_of(planner, name_text(planner, signature->name));
    planner->variant = PLAIT_NEW(arena, PlaitPackageVariant);
    planner->variant->name = signature->name;
    bool twice = find_variant(planner, signature->name) != NULL;
    plait_push(arena, &all->variants, planner->variant);
    if (twice) return fail(planner, "two signatures", signature->name);
    return add_axes(planner, signature->axes.data, signature->axes.count) && add_tensors(planner, signature, true) &&
           fits_operator(planner, all);
}

static bool merge_variant(Planner *planner, const PlaitSignature *signature)
{
    planner->variant = find_variant(planner, signature->name);
    if (!planner->variant) {
        plait_codegen_say("%s: signature `%s` is not in the first file", planner->path,
                          name_text(planner, signature->name));
        return false;
    }
    return add_tensors(planner, signature, false);
}

/* ---- kernels ---- */

static bool map_kernel(Planner *planner, PlaitPackageKernel *kernel)
{
    const PlaitFunction *function = kernel->function;
    PlaitArena *arena = planner->codegen->arena;
    kernel->slots = plait_slots(arena, function);
    kernel->tensors = PLAIT_NEW_ARRAY(arena, uint16_t, kernel->slots.tensor_count);
    kernel->axes = PLAIT_NEW_ARRAY(arena, uint16_t, function->axes.count);
    for (uint32_t i = 0; i < function->axes.count; i++)
        if (!add_axis(planner, function->axes.data, (PlaitAxis)i, &kernel->axes[i])) return false;
    for (uint32_t i = 0; i < kernel->slots.tensor_count; i++) {
        PlaitValue value = kernel->slots.tensors[i];
        const PlaitTensorInfo *tensor = find_tensor(planner->variant, plait_inst(function, value)->name);
        PlaitType type = plait_type_of(function, value);
        if (!tensor) return fail(planner, "unknown tensor", plait_inst(function, value)->name);
        bool same = tensor->type.scalar == type.scalar && tensor->type.rank == type.rank;
        for (uint32_t j = 0; same && j < type.rank; j++) same = kernel->axes[type.axes[j]] == tensor->type.axes[j];
        if (!same) return fail(planner, "another type of tensor", tensor->name);
        kernel->tensors[i] = (uint16_t)(tensor - planner->variant->tensors.data);
    }
    return true;
}

/* The kernel's name in its image. PTX has no dots in names, so that two kernels might get the same one. */
static const char *symbol_of(const Planner *planner, const PlaitFunction *function, PlaitTargetKind kind)
{
    char *symbol = plait_arena_strdup(planner->codegen->arena, name_text(planner, function->name));
    for (char *c = symbol; kind == PLAIT_TARGET_PTX && *c; c++)
        if (*c == '.') *c = '_';
    return symbol;
}

static bool symbol_is_taken(const Planner *planner, const PlaitModule *module, const PlaitFunction *function,
                            PlaitTargetKind kind)
{
    const char *symbol = symbol_of(planner, function, kind);
    for (uint32_t i = 0; i < module->functions.count && module->functions.data[i] != function; i++) {
        const PlaitFunction *earlier = module->functions.data[i];
        if (earlier->target == function->target && strcmp(symbol_of(planner, earlier, kind), symbol) == 0) return true;
    }
    return false;
}

static bool add_kernel(Planner *planner, const PlaitFunction *function, uint32_t file)
{
    planner->variant = find_variant(planner, function->of);
    if (!planner->variant) {
        plait_codegen_say("%s: kernel `%s` is of no signature", planner->path, name_text(planner, function->name));
        return false;
    }
    PlaitArena *arena = planner->codegen->arena;
    PlaitTargetKind kind = planner->codegen->options.kernels.data[file].target->kind;
    PlaitPackageKernel kernel = {.function = function, .symbol = symbol_of(planner, function, kind)};
    if (symbol_is_taken(planner, function->module, function, kind))
        return fail(planner, "the name is taken: kernel", function->name);
    if (!map_kernel(planner, &kernel)) return false;
    PlaitPackageVariant *variant = planner->variant;
    bool known = variant->targets.count && variant->targets.data[variant->targets.count - 1].file == file;
    if (!known) plait_push(arena, &variant->targets, (PlaitPackageTarget){.file = file});
    plait_push(arena, &variant->targets.data[variant->targets.count - 1].kernels, kernel);
    return true;
}

static bool add_kernels(Planner *planner, const PlaitModule *module, uint32_t file)
{
    const char *target = planner->codegen->options.kernels.data[file].target->name;
    for (uint32_t i = 0; i < module->functions.count; i++) {
        const PlaitFunction *function = module->functions.data[i];
        bool wanted = function->level == PLAIT_LEVEL_TILE && strcmp(name_text(planner, function->target), target) == 0;
        if (wanted && !add_kernel(planner, function, file)) return false;
    }
    return true;
}

/* Every variant can run on every target. */
static bool is_complete(const Planner *planner)
{
    uint32_t files = planner->codegen->options.kernels.count;
    for (uint32_t i = 0; i < planner->plan->operators.count; i++) {
        const PlaitPackageOperator *all = &planner->plan->operators.data[i];
        for (uint32_t j = 0; j < all->variants.count; j++) {
            if (all->variants.data[j]->targets.count == files) continue;
            plait_codegen_say("`%s` has no kernels for one of the targets",
                              name_text(planner, all->variants.data[j]->name));
            return false;
        }
    }
    return true;
}

bool plait_package_plan(PlaitCodegen *codegen, PlaitModule *const *modules, PlaitPackagePlan *plan)
{
    Planner planner = {.codegen = codegen, .plan = plan};
    for (uint32_t file = 0; file < codegen->options.kernels.count; file++) {
        planner.path = codegen->options.kernels.data[file].path;
        for (uint32_t i = 0; i < modules[file]->signatures.count; i++) {
            const PlaitSignature *signature = modules[file]->signatures.data[i];
            if (!(file == 0 ? add_variant(&planner, signature) : merge_variant(&planner, signature))) return false;
        }
        if (!add_kernels(&planner, modules[file], file)) return false;
    }
    return is_complete(&planner);
}
