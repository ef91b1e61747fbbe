/* Writing a fusion plan as `kernel` regions, in an order in which each kernel stands after those it needs. */
#include "ir/clone.h"
#include "ir/order.h"
#include "passes/stage/fuse.h"

typedef struct Outline {
    PlaitFusion *fusion;
    PlaitCloneMap made; /* anchor -> the result of its kernel, once that is written */
} Outline;

/* Whether another kernel or an output reads `value`. */
static bool leaves(const PlaitFusion *fusion, PlaitValue value)
{
    const PlaitFunction *function = fusion->function;
    for (uint32_t i = 0; i < function->outputs.count; i++)
        if (function->outputs.data[i].value == value) return true;
    for (uint32_t r = 0; r < fusion->readers[value].count; r++)
        if (fusion->kernel[fusion->readers[value].data[r]] != fusion->kernel[value]) return true;
    return false;
}

/* Makes `value` readable inside the kernel: a copy of a cheap value, or the result of an earlier kernel. */
static void bring(Outline *outline, uint32_t k, PlaitBuilder *body, PlaitValue value, PlaitCloneMap *inside)
{
    PlaitFunction *function = outline->fusion->function;
    const PlaitInst *inst = plait_inst(function, value);
    if (inst->region != function->body || inst->op == PLAIT_OP_PARAM || plait_clone_find(inside, value)) return;
    if (!outline->fusion->cheap[value]) {
        if (outline->fusion->kernel[value] != (int)k)
            plait_clone_set(inside, value, plait_clone_get(&outline->made, value));
        return;
    }
    uint32_t count = inst->operand_count;
    for (uint32_t i = 0; i < count; i++) bring(outline, k, body, plait_inst(function, value)->operands[i], inside);
    plait_clone_inst(body, value, inside);
}

static void bring_region(Outline *outline, uint32_t k, PlaitBuilder *body, const PlaitRegion *region,
                         PlaitCloneMap *inside)
{
    PlaitFunction *function = outline->fusion->function;
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitInst inst = *plait_inst(function, region->body.data[i]);
        for (uint32_t o = 0; o < inst.operand_count; o++) bring(outline, k, body, inst.operands[o], inside);
        if (inst.body) bring_region(outline, k, body, inst.body, inside);
    }
    for (uint32_t i = 0; i < region->yields.count; i++) bring(outline, k, body, region->yields.data[i], inside);
}

/* Members stand in the order of placement, sinking may have appended earlier ones: by value position instead. */
static PlaitValues in_program_order(const PlaitFusion *fusion, uint32_t k, const PlaitValues *program)
{
    PlaitValues members = {0};
    for (uint32_t i = 0; i < program->count; i++)
        if (fusion->kernel[program->data[i]] == (int)k) plait_push(fusion->arena, &members, program->data[i]);
    return members;
}

/* The axes of a value over which the grid of its kernel runs: of unknown length or batch-like, without the loop's and
 * those walked inside it. */
static PlaitType grid_axes(const PlaitFusion *fusion, uint32_t k, PlaitValue value)
{
    PlaitType type = plait_type_of(fusion->function, value), grid = plait_type(PLAIT_BOOL);
    for (uint32_t i = 0; i < type.rank; i++) {
        const PlaitAxisInfo *axis = &fusion->function->axes.data[type.axes[i]];
        bool in_grid = axis->size == PLAIT_RUNTIME_SIZE || axis->role != PLAIT_ROLE_FEATURE;
        bool in_loop = type.axes[i] == fusion->kernels[k].loop || fusion->kernels[k].walked[type.axes[i]];
        if (in_grid && !in_loop) grid = plait_type_with(grid, type.axes[i]);
    }
    return grid;
}

/* Which members of kernel k `leaving` needs, by value: from the last to the first, as each reads earlier ones. */
static bool *find_needed(const PlaitFusion *fusion, uint32_t k, const PlaitValues *members, const PlaitValues *leaving)
{
    bool *needed = PLAIT_NEW_ARRAY(fusion->arena, bool, fusion->function->insts.count);
    for (uint32_t i = 0; i < leaving->count; i++) needed[leaving->data[i]] = true;
    for (uint32_t i = members->count; i-- > 0;) {
        PlaitValue value = members->data[i];
        const PlaitInst *inst = plait_inst(fusion->function, value);
        if (!needed[value]) continue;
        if (inst->op == PLAIT_OP_RESULT) needed[inst->operands[0]] = true;
        const PlaitAccesses *accesses = &fusion->reads[value];
        for (uint32_t a = 0; a < accesses->count; a++)
            if (fusion->kernel[accesses->data[a].anchor] == (int)k) needed[accesses->data[a].anchor] = true;
    }
    return needed;
}

/* One kernel that yields `leaving`: copies of the members that these need. */
static void write_group(Outline *outline, uint32_t k, const PlaitValues *members, const PlaitValues *leaving,
                        const char *name)
{
    PlaitFusion *fusion = outline->fusion;
    PlaitFunction *function = fusion->function;
    PlaitRegion *region = plait_region_create(function, function->body);
    PlaitBuilder body = {function, region, {0}}, outside = {function, function->body, {0}};
    PlaitCloneMap inside = plait_clone_map(fusion->arena);
    bool *needed = find_needed(fusion, k, members, leaving);
    for (uint32_t i = 0; i < members->count; i++) {
        if (!needed[members->data[i]]) continue;
        PlaitInst inst = *plait_inst(function, members->data[i]);
        for (uint32_t o = 0; o < inst.operand_count; o++) bring(outline, k, &body, inst.operands[o], &inside);
        if (inst.body) bring_region(outline, k, &body, inst.body, &inside);
        plait_clone_inst(&body, members->data[i], &inside);
    }
    for (uint32_t i = 0; i < leaving->count; i++)
        plait_yield(function, region, plait_clone_get(&inside, leaving->data[i]));
    PlaitValue owner = plait_build_owner(&outside, PLAIT_OP_KERNEL, NULL, 0, region);
    plait_inst(function, owner)->name = plait_names_add(function->module->names, name);
    for (uint32_t i = 0; i < leaving->count; i++) {
        PlaitType type = plait_type_of(function, leaving->data[i]);
        plait_clone_set(&outline->made, leaving->data[i], plait_build_result(&outside, owner, i, type));
    }
}

/* What leaves a kernel over fewer axes than others (a state shared by all batches) gets a kernel of its own: programs
 * run over an axis only when it has positions, and an axis that the value does not have may have none. */
static void write_kernel(Outline *outline, uint32_t k, const PlaitValues *program)
{
    PlaitFusion *fusion = outline->fusion;
    PlaitFunction *function = fusion->function;
    PlaitValues members = in_program_order(fusion, k, program), leaving = {0};
    for (uint32_t i = 0; i < members.count; i++)
        if (!plait_inst(function, members.data[i])->body && leaves(fusion, members.data[i]))
            plait_push(fusion->arena, &leaving, members.data[i]);
    bool *written = PLAIT_NEW_ARRAY(fusion->arena, bool, leaving.count + 1);
    for (uint32_t first = 0, part = 0; first < leaving.count; first++) {
        if (written[first]) continue;
        PlaitType grid = grid_axes(fusion, k, leaving.data[first]);
        PlaitValues group = {0};
        for (uint32_t i = first; i < leaving.count; i++) {
            if (written[i] || !plait_type_same_axes(grid_axes(fusion, k, leaving.data[i]), grid)) continue;
            plait_push(fusion->arena, &group, leaving.data[i]);
            written[i] = true;
        }
        const char *name = plait_arena_printf(fusion->arena, part ? "%u_%u" : "%u", k, part);
        write_group(outline, k, &members, &group, name);
        part++;
    }
}

/* An output that is a parameter is copied by a kernel of its own. */
static void write_copies(PlaitFusion *fusion)
{
    PlaitFunction *function = fusion->function;
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        PlaitOutput *output = &function->outputs.data[i];
        if (plait_op_of(function, output->value) != PLAIT_OP_PARAM) continue;
        PlaitBuilder outside = {function, function->body, output->span};
        PlaitRegion *region = plait_region_create(function, function->body);
        plait_yield(function, region, output->value);
        PlaitValue owner = plait_build_owner(&outside, PLAIT_OP_KERNEL, NULL, 0, region);
        plait_inst(function, owner)->name = plait_names_add(function->module->names, "copy");
        output->value = plait_build_result(&outside, owner, 0, plait_type_of(function, output->value));
    }
}

void plait_fuse_outline(PlaitFusion *fusion)
{
    PlaitFunction *function = fusion->function;
    Outline outline = {.fusion = fusion, .made = plait_clone_map(fusion->arena)};
    PlaitValues program = function->body->body;
    function->body->body = (PlaitValues){0};
    for (uint32_t i = 0; i < program.count; i++)
        if (plait_op_of(function, program.data[i]) == PLAIT_OP_PARAM)
            plait_push(fusion->arena, &function->body->body, program.data[i]);
    uint64_t written = 0, all = fusion->kernel_count == 64 ? UINT64_MAX : ((uint64_t)1 << fusion->kernel_count) - 1;
    while (written != all) {
        uint64_t before = written;
        for (uint32_t k = 0; k < fusion->kernel_count; k++) {
            if ((written >> k & 1) || (fusion->kernels[k].needs & ~written)) continue;
            if (fusion->kernels[k].members.count) write_kernel(&outline, k, &program);
            written |= (uint64_t)1 << k;
        }
        if (written == before) plait_bug("kernels that need each other");
    }
    for (uint32_t i = 0; i < function->outputs.count; i++)
        function->outputs.data[i].value = plait_clone_get(&outline.made, function->outputs.data[i].value);
    write_copies(fusion);
}
