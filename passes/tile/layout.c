/* Assigns layouts: how the tiles of a GPU kernel lie over its threads.
 *
 * 1. Values are put into groups that share one map from axes to thread bits (layout_groups.c), so that inside a group
 *    no element ever moves to another thread, but for reductions over axes that have thread bits.
 * 2. Each group says what it costs (layout_terms.c); for every number of threads the cheapest map of each group is
 *    searched (layout_choose.c), and the number of threads with the least time in all is taken.
 * 3. Every value gets the layout of its group. A cheap value (positions and constants) that several groups need is
 *    computed once in each of them; one that nobody needs goes away.
 *
 * Before:                                     After:
 *     %4 = iota {axes = [d]} : i32[d]             layout 1 = d r2 t0:4
 *     %5 = load %1, %3, %4 : bf16[d]              %4 = iota {axes = [d]} : i32[d] @1
 *                                                 %5 = load %1, %3, %4 : bf16[d] @1
 */
#include "passes/tile/layout.h"

#include <math.h>
#include <string.h>

#include "ir/registers.h"
#include "passes/tile/layout_groups.h"

enum { MOST_SLOTS = 4700 };

typedef struct Rewrite {
    PlaitLayoutGroups *groups;
    PlaitFunction *kernel;
    PlaitValue **in_group; /* by cheap value: its clone in each group */
    uint8_t layout[PLAIT_MOST_LAYOUT_GROUPS + 1];
    bool changed;
} Rewrite;

/* A program of few warps waits for its own instructions, one of many for those of the other warps: the time of
 * `cost` instructions on w warps for each of the four schedulers of a multiprocessor grows like w + 1. Where programs
 * have a segment each, there are many, and a program that waits leaves the schedulers to others. */
static double time_of(const PlaitFunction *kernel, double cost, uint32_t thread_bits)
{
    double alone = 1;
    for (uint32_t i = 0; i < kernel->grid.count && !plait_has_block_programs(kernel); i++)
        if (kernel->axes.data[kernel->grid.data[i].axis].block) alone = 0.25;
    return cost * (ldexp(1, (int)thread_bits - 7) + alone);
}

typedef struct Renames {
    PlaitLayoutGroups *groups;
    PlaitLayout *layouts;
} Renames;

/* A renamed tile lies where it was made: the same layout under the other axis. */
static void derive_layout(void *context, PlaitValue value)
{
    const Renames *renames = context;
    const PlaitInst *inst = plait_inst(renames->groups->kernel, value);
    if (inst->op != PLAIT_OP_RENAME) return;
    PlaitLayout *to = &renames->layouts[plait_layout_group_of(renames->groups, value)];
    *to = renames->layouts[plait_layout_group_of_operand(renames->groups, value, 0)];
    PlaitType type = inst->type;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < to->count; i++) {
        if (to->axes[i].axis == inst->axes[1]) continue;
        to->axes[kept] = to->axes[i];
        if (to->axes[kept].axis == inst->axes[0]) to->axes[kept].axis = inst->axes[1];
        kept += plait_type_has(type, to->axes[kept].axis);
    }
    to->count = (uint8_t)kept;
    for (uint32_t i = 1; i < kept; i++) /* in the order of the axis table */
        for (uint32_t k = i; k > 0 && to->axes[k - 1].axis > to->axes[k].axis; k--) {
            PlaitLayoutAxis axis = to->axes[k];
            to->axes[k] = to->axes[k - 1];
            to->axes[k - 1] = axis;
        }
}

static double choose_all(PlaitLayoutGroups *groups, uint32_t thread_bits, PlaitLayout *layouts)
{
    double total = 0, cost;
    for (uint32_t g = 0; g < groups->group_count; g++) {
        layouts[g] = plait_layout_choose(&groups->groups[g], thread_bits, &cost);
        total += cost;
    }
    Renames renames = {groups, layouts};
    plait_region_walk(groups->kernel, groups->kernel->body, derive_layout, &renames);
    return time_of(groups->kernel, total, thread_bits);
}

/* False, with a report, when products on the matrix units have rows that fit no number of threads. */
static bool choose_layouts(Rewrite *rewrite)
{
    PlaitFunction *kernel = rewrite->kernel;
    PlaitArena *arena = kernel->module->arena;
    uint32_t count = rewrite->groups->group_count;
    PlaitLayout *best = NULL;
    double best_time = INFINITY;
    uint32_t threads = kernel->threads;
    for (uint32_t bits = PLAIT_LEAST_THREAD_BITS; bits <= PLAIT_MOST_THREAD_BITS; bits++) {
        PlaitLayout *layouts = PLAIT_NEW_ARRAY(arena, PlaitLayout, count);
        double time = choose_all(rewrite->groups, bits, layouts);
        if (time >= best_time) continue;
        best = layouts;
        best_time = time;
        threads = 1u << bits;
    }
    if (!best) {
        plait_report(
            kernel->module->diagnostics,
            (PlaitDiagnostic){.id = PLAIT_CANNOT_LOWER,
                              .span = kernel->span,
                              .found = "products on the matrix units with rows of other sizes, or too many",
                              .expected = "64, 128 or 256 rows, as many in all products of a kernel",
                              .help = "`matrix` chooses them so; in a kernel written by hand, change the tiles"});
        return false;
    }
    kernel->threads = threads;
    rewrite->changed |=
        kernel->layouts.count != count + 1 || memcmp(kernel->layouts.data + 1, best, count * sizeof *best) != 0;
    kernel->layouts.count = 1;
    for (uint32_t g = 0; g < count; g++) {
        rewrite->layout[g] = (uint8_t)kernel->layouts.count;
        plait_push(arena, &kernel->layouts, best[g]);
    }
    return true;
}

/* Sets the layout of a value, and notes whether that is news. */
static void set_layout(Rewrite *rewrite, PlaitValue value, uint32_t group)
{
    PlaitInst *inst = plait_inst(rewrite->kernel, value);
    rewrite->changed |= inst->type.layout != rewrite->layout[group];
    inst->type.layout = rewrite->layout[group];
}

/* The value that stands for `operand` in `group`. */
static PlaitValue inside(const Rewrite *rewrite, PlaitValue operand, uint32_t group)
{
    if (group >= PLAIT_MOST_LAYOUT_GROUPS || operand >= rewrite->groups->value_count ||
        !rewrite->groups->cheap[operand])
        return operand;
    return rewrite->in_group[operand][group];
}

/* A copy of cheap value `value` for `group`; the first keeps the instruction. */
static void place_cheap(Rewrite *rewrite, PlaitValues *body, PlaitValue value, uint32_t group, bool first)
{
    PlaitFunction *kernel = rewrite->kernel;
    PlaitArena *arena = kernel->module->arena;
    PlaitValue own = value;
    if (!first) {
        PlaitInst copy = *plait_inst(kernel, value);
        copy.operands = plait_arena_copy(arena, copy.operands, copy.operand_count * sizeof *copy.operands);
        own = kernel->insts.count;
        plait_push(arena, &kernel->insts, copy);
        rewrite->changed = true;
    }
    set_layout(rewrite, own, group);
    rewrite->in_group[value][group] = own;
    plait_push(arena, body, own);
}

/* All copies of a cheap value, made from the operands it had; the one that keeps the instruction is changed last. */
static void rewrite_cheap(Rewrite *rewrite, PlaitValues *body, PlaitValue value)
{
    PlaitFunction *kernel = rewrite->kernel;
    uint64_t needed = rewrite->groups->needed[value];
    rewrite->in_group[value] = PLAIT_NEW_ARRAY(kernel->module->arena, PlaitValue, PLAIT_MOST_LAYOUT_GROUPS);
    bool first = true;
    for (uint32_t g = 0; g < PLAIT_MOST_LAYOUT_GROUPS; g++) {
        if (!(needed >> g & 1)) continue;
        place_cheap(rewrite, body, value, g, first);
        first = false;
    }
    for (uint32_t g = 0; g < PLAIT_MOST_LAYOUT_GROUPS; g++) {
        if (!(needed >> g & 1)) continue;
        PlaitInst *inst = plait_inst(kernel, rewrite->in_group[value][g]);
        for (uint32_t i = 0; i < inst->operand_count; i++) inst->operands[i] = inside(rewrite, inst->operands[i], g);
    }
}

static void give_layout(Rewrite *rewrite, PlaitValue value)
{
    PlaitType type = plait_type_of(rewrite->kernel, value);
    if (type.rank && type.space != PLAIT_SPACE_GLOBAL)
        set_layout(rewrite, value, plait_layout_group_of(rewrite->groups, value));
}

static void rewrite_region(Rewrite *rewrite, PlaitRegion *region)
{
    PlaitFunction *kernel = rewrite->kernel;
    PlaitArena *arena = kernel->module->arena;
    PlaitValues body = {0};
    for (uint32_t i = 0; i < region->params.count; i++) give_layout(rewrite, region->params.data[i]);
    for (uint32_t i = 0; i < region->body.count; i++) {
        PlaitValue value = region->body.data[i];
        if (rewrite->groups->cheap[value]) {
            rewrite_cheap(rewrite, &body, value);
            continue;
        }
        PlaitInst *inst = plait_inst(kernel, value);
        for (uint32_t k = 0; k < inst->operand_count; k++)
            inst->operands[k] =
                inside(rewrite, inst->operands[k], plait_layout_group_of_operand(rewrite->groups, value, k));
        PlaitRegion *inner = inst->body;
        give_layout(rewrite, value);
        plait_push(arena, &body, value);
        if (inner) rewrite_region(rewrite, inner);
    }
    rewrite->changed |= body.count != region->body.count;
    region->body = body;
    for (uint32_t i = 0; i < region->yields.count; i++) {
        PlaitValue param = region->params.data[i + 1];
        if (plait_type_of(kernel, param).rank)
            region->yields.data[i] =
                inside(rewrite, region->yields.data[i], plait_layout_group_of(rewrite->groups, param));
    }
}

static bool assign(PlaitFunction *kernel, bool halves)
{
    PlaitLayoutGroups groups = plait_layout_groups(kernel);
    groups.halves = halves;
    plait_layout_terms(&groups);
    Rewrite rewrite = {.groups = &groups, .kernel = kernel};
    rewrite.in_group = PLAIT_NEW_ARRAY(kernel->module->arena, PlaitValue *, groups.value_count);
    uint32_t threads = kernel->threads;
    if (!choose_layouts(&rewrite)) return false;
    rewrite_region(&rewrite, kernel->body);
    return rewrite.changed || threads != kernel->threads;
}

/* A program that prepares a block of tokens has no loop around its work. Where a thread's share of that is long, twice
 * as many threads get half of it each: the assembler, which spills where all of it does not fit into registers, takes
 * half as long. Where it is short, the fewer threads are as fast or faster: products of theirs take from registers what
 * two groups of warps hand each other through shared memory. */
bool plait_pass_layout(PlaitFunction *kernel)
{
    if (kernel->level != PLAIT_LEVEL_TILE) return false;
    bool changed = assign(kernel, false);
    if (plait_has_block_programs(kernel) && plait_program_slots(kernel) > MOST_SLOTS) changed |= assign(kernel, true);
    return changed;
}
