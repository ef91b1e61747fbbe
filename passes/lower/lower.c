/* Stage IR -> Tile IR: one kernel for each `kernel` region, and the signature that they share.
 *
 * For each kernel: make the plan (plan.c), place every axis (the grid, whole tiles), write the loop with all that is
 * stored in it (loops.c), then what is stored after it. What a kernel yields is stored to the operator's outputs, or to
 * a workspace when only other kernels read it.
 */
#include <math.h>

#include "passes/lower/bounds.h"

typedef struct Lowerer {
    const PlaitFunction *operator_;
    PlaitModule *module;
    PlaitSignature *signature;
    const PlaitTileTarget *target;
    PlaitName *tensor_names; /* by value of the operator: parameters and what kernels make */
    PlaitType *tensor_types; /* of those, with the axes in the order of memory */
    uint32_t kernel_count;
} Lowerer;

static const char *text_of(const PlaitModule *module, PlaitName name) { return plait_names_text(module->names, name); }

/* ---- the signature ---- */

static void add_tensor(Lowerer *lowerer, PlaitName name, PlaitTensorKind kind, PlaitType type, double fallback)
{
    PlaitTensorInfo info = {.name = name, .kind = kind, .type = type, .fallback = fallback};
    plait_push(lowerer->module->arena, &lowerer->signature->tensors, info);
}

PlaitType plait_lower_memory_order(const PlaitFunction *operator_, PlaitType type)
{
    PlaitType ordered = plait_type((PlaitScalar)type.scalar);
    for (int rank = 0; rank < 3; rank++)
        for (PlaitAxis axis = 0; axis < operator_->axes.count; axis++) {
            const PlaitAxisInfo *info = &operator_->axes.data[axis];
            int own = info->role != PLAIT_ROLE_FEATURE ? 0 : info->place ? 1 : 2;
            if (plait_type_has(type, axis) && own == rank) ordered = plait_type_with(ordered, axis);
        }
    return ordered;
}

/* The kernels of a CPU and of a GPU are not the same ones: in a library for both, workspaces have names of their own.
 */
PlaitName plait_lower_workspace(PlaitModule *module, const PlaitSignature *signature, const PlaitTileTarget *target)
{
    const char *text =
        plait_arena_printf(module->arena, "workspace.%s%u", target->gpu ? "gpu." : "", signature->tensors.count);
    return plait_names_add(module->names, text);
}

/* The tensor that a kernel's result goes to when it is read: the first output that it is, or a workspace. */
static void name_result(Lowerer *lowerer, PlaitValue value)
{
    const PlaitFunction *operator_ = lowerer->operator_;
    for (uint32_t i = 0; i < operator_->outputs.count; i++) {
        if (operator_->outputs.data[i].value != value) continue;
        lowerer->tensor_names[value] = operator_->outputs.data[i].name;
        lowerer->tensor_types[value] = operator_->outputs.data[i].type;
        return;
    }
    PlaitModule *module = lowerer->module;
    lowerer->tensor_names[value] = plait_lower_workspace(module, lowerer->signature, lowerer->target);
    lowerer->tensor_types[value] = plait_lower_memory_order(operator_, plait_type_of(operator_, value));
    add_tensor(lowerer, lowerer->tensor_names[value], PLAIT_TENSOR_WORKSPACE, lowerer->tensor_types[value],
               (double)NAN);
}

static void make_signature(Lowerer *lowerer)
{
    const PlaitFunction *operator_ = lowerer->operator_;
    PlaitArena *arena = lowerer->module->arena;
    for (uint32_t i = 0; i < operator_->axes.count; i++)
        plait_push(arena, &lowerer->signature->axes, operator_->axes.data[i]);
    for (uint32_t i = 0; i < operator_->params.count; i++) {
        const PlaitInst *param = plait_inst(operator_, operator_->params.data[i]);
        add_tensor(lowerer, param->name, PLAIT_TENSOR_INPUT, param->type, param->number);
        lowerer->tensor_names[operator_->params.data[i]] = param->name;
        lowerer->tensor_types[operator_->params.data[i]] = param->type;
    }
    for (uint32_t i = 0; i < operator_->outputs.count; i++)
        add_tensor(lowerer, operator_->outputs.data[i].name, PLAIT_TENSOR_OUTPUT, operator_->outputs.data[i].type,
                   (double)NAN);
    for (uint32_t i = 0; i < operator_->body->body.count; i++) {
        const PlaitInst *inst = plait_inst(operator_, operator_->body->body.data[i]);
        if (inst->op == PLAIT_OP_RESULT) name_result(lowerer, operator_->body->body.data[i]);
    }
}

/* ---- stores ---- */

/* Whether the program is the first along every axis of the grid that the stored tensor lacks; 0 when it lacks none.
 * What is along the loop's axis is along that of its segments. */
static PlaitValue first_program(PlaitLowering *lowering, PlaitType type)
{
    PlaitValue all = 0;
    bool along = lowering->plan.loop != PLAIT_NO_AXIS && plait_type_has(type, lowering->plan.loop);
    for (uint32_t i = 0; i < lowering->kernel->grid.count; i++) {
        PlaitAxis axis = lowering->kernel->grid.data[i].axis;
        if (plait_type_has(type, axis) || (along && axis == lowering->plan.segments)) continue;
        PlaitBuilder builder = plait_lower_at(lowering, NULL, 0);
        PlaitValue start = plait_build(&builder, PLAIT_OP_PROGRAM, plait_type(PLAIT_I32), NULL, 0);
        plait_set_axes(lowering->kernel, start, &axis, 1);
        PlaitValue first = plait_lower_binary(lowering, PLAIT_OP_EQ, start, plait_lower_i32(lowering, 0));
        all = all ? plait_lower_binary(lowering, PLAIT_OP_AND, all, first) : first;
    }
    return all;
}

static void store_to(PlaitLowering *lowering, PlaitName name, PlaitType type, PlaitValue value,
                     const PlaitPlaces *places)
{
    PlaitValue operands[3 + PLAIT_MAX_RANK];
    PlaitValue tile = plait_lower_value(lowering, value, places);
    if (!tile) return;
    uint32_t count = 0;
    operands[count++] = plait_lower_tensor(lowering, name, type, 0);
    for (uint32_t i = 0; i < type.rank; i++) operands[count++] = places->index[type.axes[i]];
    operands[count++] = plait_lower_broadcast(lowering, tile, plait_tile_type(lowering, type, places));
    PlaitValue predicate = first_program(lowering, type);
    if (predicate) operands[count++] = predicate;
    PlaitBuilder builder = plait_lower_at(lowering, operands, count);
    PlaitValue store = plait_build(&builder, PLAIT_OP_STORE, plait_type(PLAIT_BOOL), operands, count);
    plait_set_ints(lowering->kernel, store, (int64_t[]){predicate != 0}, 1);
}

typedef struct Stores {
    const Lowerer *lowerer;
    PlaitValue owner; /* the `kernel` instruction */
    bool in_loop;     /* those along the loop's axis, or the others */
} Stores;

typedef struct StoredResult {
    const Stores *stores;
    PlaitValue result, value;
} StoredResult;

static bool store_result(PlaitLowering *lowering, const PlaitPlaces *places, void *context)
{
    const StoredResult *stored = context;
    const Stores *stores = stored->stores;
    PlaitValue result = stored->result, value = stored->value;
    const PlaitFunction *operator_ = lowering->operator_;
    bool is_output = false;
    for (uint32_t i = 0; i < operator_->outputs.count; i++) {
        const PlaitOutput *output = &operator_->outputs.data[i];
        if (output->value != result) continue;
        is_output = true;
        store_to(lowering, output->name, output->type, value, places);
    }
    if (!is_output)
        store_to(lowering, stores->lowerer->tensor_names[result], stores->lowerer->tensor_types[result], value, places);
    return !lowering->failed;
}

static void write_stores(PlaitLowering *lowering, const PlaitPlaces *places, void *context)
{
    const Stores *stores = context;
    const PlaitFunction *operator_ = lowering->operator_;
    for (uint32_t i = 0; i < operator_->body->body.count && !lowering->failed; i++) {
        PlaitValue result = operator_->body->body.data[i];
        const PlaitInst *inst = plait_inst(operator_, result);
        if (inst->op != PLAIT_OP_RESULT || inst->operands[0] != stores->owner) continue;
        PlaitValue value = lowering->region->yields.data[inst->ints[0]];
        bool along = lowering->plan.loop != PLAIT_NO_AXIS && plait_type_has(inst->type, lowering->plan.loop);
        StoredResult stored = {stores, result, value};
        PlaitRegion *home = stores->in_loop ? lowering->loop_region : lowering->kernel->body;
        if (along == stores->in_loop) plait_lower_walk(lowering, inst->type, home, places, store_result, &stored);
    }
}

/* ---- one kernel ---- */

static bool depends(const PlaitLowering *lowering, const PlaitInst *inst)
{
    for (uint32_t i = 0; i < inst->operand_count; i++)
        if (lowering->carried[inst->operands[i]]) return true;
    return false;
}

static void find_carried(PlaitLowering *lowering, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(lowering->operator_, value);
        bool owner = inst->body && (inst->op == PLAIT_OP_SCAN || inst->axes[0] == lowering->plan.loop);
        lowering->carried[value] = owner || depends(lowering, inst);
        if (!inst->body) continue;
        for (uint32_t k = 0; k < inst->body->params.count; k++) lowering->carried[inst->body->params.data[k]] = owner;
        find_carried(lowering, inst->body);
    }
}

/* The first instruction of the region, or of one inside it, that names the axis; 0 when none does. */
static PlaitValue first_along(const PlaitFunction *operator_, const PlaitRegion *region, PlaitAxis axis)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(operator_, region->body.data[i]);
        for (uint32_t k = 0; k < inst->axis_count; k++)
            if (inst->axes[k] == axis) return region->body.data[i];
        PlaitValue inside = inst->body ? first_along(operator_, inst->body, axis) : 0;
        if (inside) return inside;
    }
    return 0;
}

/* Reports an axis that is needed whole and is longer than a tile can be; returns whether there is none. */
static bool no_long_tile(PlaitLowering *lowering, PlaitValue owner)
{
    const PlaitFunction *operator_ = lowering->operator_;
    for (PlaitAxis axis = 0; axis < operator_->axes.count; axis++) {
        if (lowering->plan.axes[axis].tile <= PLAIT_MAX_TILE) continue;
        PlaitValue at = first_along(operator_, lowering->region, axis);
        const char *name = plait_axis_text(operator_, axis);
        return plait_lower_fail(
                   lowering, at ? at : owner,
                   plait_arena_printf(lowering->arena, "all %u positions of `%s` at once; a tile has at most %d",
                                      lowering->plan.axes[axis].tile, name, PLAIT_MAX_TILE),
                   plait_arena_printf(lowering->arena, "declare `%s` as a time axis: reductions over one go by blocks",
                                      name)) != 0;
    }
    return true;
}

static void find_moves(PlaitLowering *lowering)
{
    for (uint32_t i = 0; i < lowering->region->body.count; i++) {
        PlaitValue value = lowering->region->body.data[i];
        const PlaitInst *inst = plait_inst(lowering->operator_, value);
        bool moves = plait_op_is_reduce((PlaitOp)inst->op) || inst->op == PLAIT_OP_CONV;
        for (uint32_t k = 0; k < inst->operand_count; k++) moves |= lowering->moves[inst->operands[k]];
        lowering->moves[value] = moves;
    }
}

static void find_effort(PlaitLowering *lowering, const PlaitRegion *region)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        const PlaitInst *inst = plait_inst(lowering->operator_, value);
        PlaitContraction contraction;
        bool product = plait_find_contraction(lowering->operator_, lowering->plan.axes, value, &contraction);
        uint8_t effort = inst->op == PLAIT_OP_SOLVE ? PLAIT_EFFORT_SOLVE : product ? PLAIT_EFFORT_PRODUCT : 0;
        for (uint32_t k = 0; k < inst->operand_count; k++)
            if (lowering->effort[inst->operands[k]] > effort) effort = lowering->effort[inst->operands[k]];
        lowering->effort[value] = effort;
        if (inst->body) find_effort(lowering, inst->body);
    }
}

static PlaitValue program_start(PlaitFunction *kernel, PlaitAxis axis, uint32_t block)
{
    PlaitBuilder builder = {kernel, kernel->body, {0}};
    plait_push(kernel->module->arena, &kernel->grid, (PlaitGridAxis){axis, block, false});
    PlaitValue start = plait_build(&builder, PLAIT_OP_PROGRAM, plait_type(PLAIT_I32), NULL, 0);
    plait_set_axes(kernel, start, &axis, 1);
    return start;
}

/* Blocks of features vary fastest over the grid, then heads, then rows, then the rest. Processors of a CPU take programs
 * one after another: there rows come before heads, so that what all rows of a head read stays in the cache. */
static int grid_rank(const PlaitLowering *lowering, PlaitAxis axis)
{
    const PlaitAxisPlan *plan = &lowering->plan.axes[axis];
    if (plan->use == PLAIT_AXIS_BLOCK && axis != lowering->plan.rows) return 0;
    if (plan->use == PLAIT_AXIS_BLOCK) return lowering->target->gpu ? 2 : 1;
    return lowering->operator_->axes.data[axis].role != PLAIT_ROLE_HEAD ? 3 : lowering->target->gpu ? 1 : 2;
}

static void place_axis(PlaitLowering *lowering, PlaitAxis axis)
{
    PlaitFunction *kernel = lowering->kernel;
    const PlaitAxisPlan *plan = &lowering->plan.axes[axis];
    PlaitBuilder builder = {kernel, kernel->body, {0}};
    bool whole_block = plan->use == PLAIT_AXIS_BLOCK && (int64_t)plan->tile == kernel->axes.data[axis].size;
    if (plan->use == PLAIT_AXIS_PROGRAM) lowering->outer.index[axis] = program_start(kernel, axis, 1);
    else if (plan->use == PLAIT_AXIS_WHOLE || whole_block)
        lowering->outer.index[axis] = plait_build_iota(&builder, axis, 0);
    else if (plan->use == PLAIT_AXIS_BLOCK)
        lowering->outer.index[axis] = plait_build_iota(&builder, axis, program_start(kernel, axis, plan->tile));
}

static void place_axes(PlaitLowering *lowering)
{
    PlaitFunction *kernel = lowering->kernel;
    lowering->outer.index = PLAIT_NEW_ARRAY(lowering->arena, PlaitValue, kernel->axes.count);
    for (PlaitAxis axis = 0; axis < kernel->axes.count; axis++) {
        const PlaitAxisPlan *plan = &lowering->plan.axes[axis];
        bool tiled = plan->use == PLAIT_AXIS_BLOCK || plan->use == PLAIT_AXIS_WHOLE ||
                     ((plan->use == PLAIT_AXIS_FOLD || plan->use == PLAIT_AXIS_LOOP) && plan->tile > 1);
        kernel->axes.data[axis].tile = tiled ? plan->tile : 0;
    }
    for (int rank = 0; rank < 4; rank++)
        for (PlaitAxis axis = 0; axis < kernel->axes.count; axis++)
            if (grid_rank(lowering, axis) == rank) place_axis(lowering, axis);
}

/* Tiles list their axes in the order of the table, whatever order they were built in. */
static void sort_types(PlaitFunction *kernel)
{
    for (PlaitValue v = 1; v < kernel->insts.count; v++) {
        PlaitType *type = &plait_inst(kernel, v)->type;
        if (type->space == PLAIT_SPACE_GLOBAL) continue;
        for (uint32_t i = 1; i < type->rank; i++)
            for (uint32_t k = i; k > 0 && type->axes[k - 1] > type->axes[k]; k--) {
                PlaitAxis axis = type->axes[k];
                type->axes[k] = type->axes[k - 1];
                type->axes[k - 1] = axis;
            }
    }
}

static PlaitLowering begin_kernel(Lowerer *lowerer, PlaitValue owner, PlaitKernelPlan plan)
{
    const PlaitFunction *operator_ = lowerer->operator_;
    PlaitModule *module = lowerer->module;
    PlaitArena *arena = module->arena;
    const char *name =
        plait_arena_printf(arena, "%s.%u", text_of(module, lowerer->signature->name), lowerer->kernel_count++);
    PlaitFunction *kernel = plait_function_create(module, PLAIT_LEVEL_TILE, plait_names_add(module->names, name));
    kernel->of = lowerer->signature->name;
    kernel->target = plait_names_add(module->names, lowerer->target->name);
    for (uint32_t i = 0; i < operator_->axes.count; i++) plait_axis_add(kernel, operator_->axes.data[i]);
    return (PlaitLowering){.arena = arena,
                           .signature = lowerer->signature,
                           .unmasked = PLAIT_NO_AXIS,
                           .operator_ = operator_,
                           .region = plait_inst(operator_, owner)->body,
                           .kernel = kernel,
                           .target = lowerer->target,
                           .plan = plan,
                           .tensor_names = lowerer->tensor_names,
                           .tensor_types = lowerer->tensor_types,
                           .tensors = PLAIT_NEW_ARRAY(arena, PlaitValue, operator_->insts.count),
                           .memo = PLAIT_NEW_ARRAY(arena, PlaitMemo *, operator_->insts.count),
                           .scans = PLAIT_NEW_ARRAY(arena, PlaitScan *, operator_->insts.count),
                           .carried = PLAIT_NEW_ARRAY(arena, bool, operator_->insts.count),
                           .moves = PLAIT_NEW_ARRAY(arena, bool, operator_->insts.count),
                           .effort = PLAIT_NEW_ARRAY(arena, uint8_t, operator_->insts.count)};
}

/* ---- bounds by data ---- */

/* The axis that counts blocks of so many positions: of the signature, behind those of the operator. */
static PlaitAxis axis_of_blocks(Lowerer *lowerer, PlaitAxis axis, uint32_t block)
{
    PlaitSignature *signature = lowerer->signature;
    const char *rows = text_of(lowerer->module, signature->axes.data[axis].name);
    const char *text = plait_arena_printf(lowerer->module->arena, "%s.blocks%u", rows, block);
    PlaitAxisInfo info = {.name = plait_names_add(lowerer->module->names, text),
                          .role = PLAIT_ROLE_BATCH,
                          .size = PLAIT_RUNTIME_SIZE,
                          .same_as = axis,
                          .block = block};
    PlaitAxis known = plait_axis_find_in(signature->axes.data, signature->axes.count, info.name);
    if (known != PLAIT_NO_AXIS) return known;
    plait_push(lowerer->module->arena, &signature->axes, info);
    return (PlaitAxis)(signature->axes.count - 1);
}

/* The bounds with the axis of blocks as the kernel has it, once its own axes are placed. */
static PlaitDataBounds in_kernel(const PlaitLowering *lowering, PlaitDataBounds bounds)
{
    if (bounds.blocks == PLAIT_NO_AXIS) return bounds;
    PlaitAxisInfo info = lowering->signature->axes.data[bounds.blocks];
    PlaitAxis axis = plait_axis_find(lowering->kernel, info.name);
    if (axis == PLAIT_NO_AXIS) axis = plait_axis_add(lowering->kernel, info);
    bounds.type = plait_type_with(plait_type_without(bounds.type, bounds.blocks), axis);
    bounds.blocks = axis;
    return bounds;
}

static void add_workspaces(Lowerer *lowerer, const PlaitKernelPlan *plan, PlaitDataBounds *bounds)
{
    PlaitType type = plait_lower_memory_order(lowerer->operator_, bounds->mask.axes);
    if (bounds->rows != PLAIT_NO_AXIS) {
        bounds->blocks = axis_of_blocks(lowerer, bounds->rows, plan->axes[bounds->rows].tile);
        type = plait_type_with(plait_type_without(type, bounds->rows), bounds->blocks);
    }
    bounds->type = type;
    for (uint32_t i = 0; i < bounds->count; i++) {
        bounds->names[i] = plait_lower_workspace(lowerer->module, lowerer->signature, lowerer->target);
        add_tensor(lowerer, bounds->names[i], PLAIT_TENSOR_WORKSPACE, type, (double)NAN);
    }
}

typedef PLAIT_VECTOR(PlaitDataBounds) BoundsList;

/* Writes kernels that compute the bounds which data gives the folds of a kernel with that plan. */
static bool lower_bounds(Lowerer *lowerer, PlaitValue owner, const PlaitKernelPlan *plan, BoundsList *list)
{
    const PlaitFunction *operator_ = lowerer->operator_;
    const PlaitRegion *region = plait_inst(operator_, owner)->body;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitDataMask mask;
        if (!plait_find_data_mask(operator_, region, plan, region->body.data[i], &mask)) continue;
        PlaitDataBounds bounds = plait_data_bounds(operator_, plan, &mask, lowerer->target);
        add_workspaces(lowerer, plan, &bounds);
        PlaitLowering lowering =
            begin_kernel(lowerer, owner, plait_plan_data_bounds(operator_, plan, &mask, lowerer->target));
        lowering.span = plait_inst(operator_, mask.fold)->span;
        place_axes(&lowering);
        PlaitDataBounds own = in_kernel(&lowering, bounds);
        uint32_t tile = plan->axes[plait_inst(operator_, mask.fold)->axes[0]].tile;
        if (!plait_write_data_bounds(&lowering, &own, tile)) return false;
        sort_types(lowering.kernel);
        plait_push(lowerer->module->arena, list, bounds);
    }
    return true;
}

static bool lower_kernel(Lowerer *lowerer, PlaitValue owner)
{
    const PlaitFunction *operator_ = lowerer->operator_;
    PlaitKernelPlan plan = plait_plan_kernel(operator_, plait_inst(operator_, owner)->body, lowerer->target);
    BoundsList bounds = {0};
    if (!lower_bounds(lowerer, owner, &plan, &bounds)) return false;
    PlaitLowering lowering = begin_kernel(lowerer, owner, plan);
    if (!no_long_tile(&lowering, owner)) return false;
    find_carried(&lowering, lowering.region);
    find_moves(&lowering);
    if (lowering.plan.twin != PLAIT_NO_AXIS || lowering.plan.places) find_effort(&lowering, lowering.region);
    place_axes(&lowering);
    for (uint32_t i = 0; i < bounds.count; i++) bounds.data[i] = in_kernel(&lowering, bounds.data[i]);
    lowering.bounds = bounds.data, lowering.bound_count = bounds.count;
    Stores inside = {lowerer, owner, true}, after = {lowerer, owner, false};
    if (lowering.plan.loop != PLAIT_NO_AXIS) plait_lower_loop(&lowering, write_stores, &inside);
    if (!lowering.failed) write_stores(&lowering, &lowering.outer, &after);
    sort_types(lowering.kernel);
    return !lowering.failed;
}

static bool lower_operator(Lowerer *lowerer)
{
    const PlaitFunction *operator_ = lowerer->operator_;
    bool good = true;
    make_signature(lowerer);
    for (uint32_t i = 0; i < operator_->body->body.count; i++)
        if (plait_op_of(operator_, operator_->body->body.data[i]) == PLAIT_OP_KERNEL)
            good = lower_kernel(lowerer, operator_->body->body.data[i]) && good;
    return good;
}

PlaitModule *plait_lower_to_tiles(const PlaitModule *module, const PlaitTileTarget *target, const char *suffix)
{
    PlaitArena *arena = module->arena;
    PlaitModule *tiles = plait_module_create(arena, module->names, module->diagnostics);
    bool good = true;
    for (uint32_t i = 0; i < module->functions.count; i++) {
        const PlaitFunction *operator_ = module->functions.data[i];
        PlaitSignature *signature = PLAIT_NEW(arena, PlaitSignature);
        signature->name =
            plait_names_add(module->names, plait_arena_printf(arena, "%s%s", text_of(module, operator_->name), suffix));
        plait_push(arena, &tiles->signatures, signature);
        Lowerer lowerer = {operator_,
                           tiles,
                           signature,
                           target,
                           PLAIT_NEW_ARRAY(arena, PlaitName, operator_->insts.count),
                           PLAIT_NEW_ARRAY(arena, PlaitType, operator_->insts.count),
                           0};
        good = lower_operator(&lowerer) && good;
    }
    if (!good) return NULL;
    plait_tile_pipeline_run(tiles, target, &(PlaitPassOptions){0});
    return tiles;
}
