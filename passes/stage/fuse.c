/* Which stages share a kernel.
 *
 * Cheap values (pointwise on parameters) are copied into every kernel that reads them, as are those that are spread
 * over more axes than all that they are made of. All others are anchors; in order, each joins the newest kernel that
 * can take it, preferably one that makes what it reads, or opens a new one:
 *
 *   - a kernel without a loop works on blocks of positions at once: anything pointwise, reductions over features, short
 *     convolutions, folds over another axis that read only memory at other positions;
 *   - a scan gives its kernel a loop along its axis, token by token; everything that needs the past of what the kernel
 * makes only through constant delays can join, and what needs final states joins after the loop;
 *   - a fold with a second axis gives its kernel a loop by blocks of tokens; in it nothing that the kernel makes is
 * kept for later tokens, so what it makes can be read at the same token, or inside the fold at others of the block;
 *   - whatever reads a value at other positions than that (a score against all keys) needs it in memory: another
 * kernel; as does what would make too much of it again (a convolution of a convolution, fuse_again.c);
 *   - a scan by segments has a program for each; its kernel has nothing that reads earlier tokens of what is made
 * there;
 *   - along an axis that a scan's body walks along there is nothing but that scan in its kernel.
 *
 * Then values that one other kernel alone reads move there when less goes through memory that way (fuse_sink.c), and
 * the kernels are outlined into `kernel` regions in an order that respects their needs (fuse_outline.c). None of it
 * changes results; it decides traffic.
 */
#include "passes/passes.h"
#include "passes/stage/fuse.h"
#include "passes/stage/walked.h"

enum { MOST_BLOCK_FEATURES = 64 };     /* of a state in a loop by blocks that one program has */
enum { MOST_TILE_ELEMENTS = 1 << 16 }; /* of the largest value over axes that a kernel must hold whole */

static const PlaitInst *def(const PlaitFusion *fusion, PlaitValue value) { return plait_inst(fusion->function, value); }

static bool long_axis(const PlaitFusion *fusion, PlaitAxis axis)
{
    const PlaitAxisInfo *info = &fusion->function->axes.data[axis];
    return info->size == PLAIT_RUNTIME_SIZE || info->role != PLAIT_ROLE_FEATURE;
}

static bool makes_loop(const PlaitInst *inst) { return inst->op == PLAIT_OP_SCAN || plait_is_block_fold(inst); }

/* Kernels that kernel k needs, directly or not, as bits. */
uint64_t plait_fuse_all_needs(const PlaitFusion *fusion, uint64_t needs)
{
    for (uint64_t before = 0; before != needs;) {
        before = needs;
        for (uint32_t k = 0; k < fusion->kernel_count; k++)
            if (needs >> k & 1) needs |= fusion->kernels[k].needs;
    }
    return needs;
}

static bool has_any(PlaitType type, const bool *axes)
{
    for (uint32_t i = 0; i < type.rank; i++)
        if (axes[type.axes[i]]) return true;
    return false;
}

/* Whether reading `access` from inside the kernel that makes it is possible for `value`. */
bool plait_fuse_access_allows(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue value,
                              const PlaitAccess *access)
{
    const PlaitInst *inst = def(fusion, value), *made = def(fusion, access->anchor);
    bool scan = makes_loop(inst), fold = inst->op == PLAIT_OP_FOLD && !scan;
    if (access->shifted != PLAIT_NO_AXIS) {
        if (fold || scan || !access->delay || kernel->blocks || kernel->segments != PLAIT_NO_AXIS ||
            has_any(made->type, kernel->walked))
            return false;
        bool loop = kernel->loop != PLAIT_NO_AXIS; /* it keeps what it made at earlier positions */
        if (loop ? kernel->loop != access->shifted || kernel->direction != 1 : kernel->has_fold) return false;
        if (!loop && !plait_fuse_again_allows(fusion, value, access->anchor)) return false;
    }
    if (fold && plait_type_has(made->type, inst->axes[0]) && kernel->loop != inst->axes[0]) return false;
    if (fusion->post[access->anchor]) {
        if (scan || fold) return false;
        if (kernel->loop != PLAIT_NO_AXIS && plait_type_has(inst->type, kernel->loop)) return false;
    }
    return true;
}

/* Whether the value, what it reads, or what it does has to do with one of the axes. */
static bool touches(const PlaitFunction *function, PlaitValue value, const bool *axes)
{
    const PlaitInst *inst = plait_inst(function, value);
    bool found = !inst->body && has_any(inst->type, axes);
    for (uint32_t i = 0; i < inst->axis_count; i++) found |= axes[inst->axes[i]];
    for (uint32_t i = 0; i < inst->operand_count; i++)
        found |= has_any(plait_type_of(function, inst->operands[i]), axes);
    for (uint32_t i = 0; inst->body && i < inst->body->body.count && !found; i++)
        found = touches(function, inst->body->body.data[i], axes);
    return found;
}

/* Whether the value can be in a kernel whose scan walks along the axes: when it has nothing to do with them, or is
 * computed at each of their positions by itself. */
static bool stands_apart(const PlaitFunction *function, PlaitValue value, const bool *axes)
{
    const PlaitInst *inst = plait_inst(function, value);
    PlaitOp op = (PlaitOp)inst->op;
    bool alone = plait_op_is_pointwise(op) || op == PLAIT_OP_BROADCAST || op == PLAIT_OP_RESULT;
    if (!alone && !plait_op_is_reduce(op)) return !touches(function, value, axes);
    for (uint32_t i = 0; i < inst->axis_count; i++)
        if (axes[inst->axes[i]]) return false;
    return true;
}

/* Along what the body of a scan walks along there is in its kernel only that scan, and what stands apart. */
static bool walks_allow(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue value)
{
    bool walked[PLAIT_MAX_FUNCTION_AXES] = {false};
    if (!stands_apart(fusion->function, value, kernel->walked)) return false;
    if (def(fusion, value)->op != PLAIT_OP_SCAN || !plait_walked_axes(fusion->function, value, walked)) return true;
    for (uint32_t i = 0; i < kernel->members.count; i++)
        if (!stands_apart(fusion->function, kernel->members.data[i], walked)) return false;
    return true;
}

/* Sets the axes that folds inside the region walk along. */
static void find_folded(const PlaitFunction *function, const PlaitRegion *region, bool *folded)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(function, region->body.data[i]);
        if (inst->op == PLAIT_OP_FOLD) folded[inst->axes[0]] = true;
        if (inst->body) find_folded(function, inst->body, folded);
    }
}

/* Whether what the kernel has along axes that folds in the scan's body walk along is read by the scan alone: it is
 * computed there, block by block, and its programs have no place to store all of it. */
static bool folds_allow(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue scan)
{
    bool folded[PLAIT_MAX_FUNCTION_AXES] = {false};
    find_folded(fusion->function, def(fusion, scan)->body, folded);
    for (uint32_t i = 0; i < kernel->members.count; i++) {
        PlaitValue member = kernel->members.data[i];
        if (!has_any(def(fusion, member)->type, folded)) continue;
        if (plait_is_output(fusion->function, member)) return false;
        const PlaitValues *readers = &fusion->readers[member];
        for (uint32_t r = 0; r < readers->count; r++)
            if (readers->data[r] != scan && fusion->kernel[readers->data[r]] != fusion->kernel[member]) return false;
    }
    return true;
}

/* Whether the value, or something inside it, reduces over the axis with the whole of it at hand. */
static bool reduces_whole(const PlaitFunction *function, PlaitValue value, PlaitAxis axis)
{
    const PlaitInst *inst = plait_inst(function, value);
    for (uint32_t i = 0; i < inst->axis_count; i++)
        if (plait_op_is_reduce((PlaitOp)inst->op) && inst->axes[i] == axis) return true;
    for (uint32_t i = 0; inst->body && i < inst->body->body.count; i++)
        if (reduces_whole(function, inst->body->body.data[i], axis)) return true;
    return false;
}

/* Programs are at one position of the loop's axis at a time: nothing in a kernel reduces over a feature axis that is
 * its loop's. (Over a time axis it would be a fold.) */
static bool loop_allows(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue value)
{
    const PlaitInst *inst = def(fusion, value);
    PlaitAxis loop = inst->op == PLAIT_OP_SCAN ? inst->axes[0] : kernel->loop;
    if (loop == PLAIT_NO_AXIS || plait_axis_is_long(fusion->function, loop)) return true;
    if (reduces_whole(fusion->function, value, loop)) return false;
    for (uint32_t i = 0; inst->op == PLAIT_OP_SCAN && i < kernel->members.count; i++)
        if (reduces_whole(fusion->function, kernel->members.data[i], loop)) return false;
    return true;
}

/* Whether a value of this type has an axis that the kernel's programs walk along, all of it. */
static bool folds_along(const PlaitFusedKernel *kernel, PlaitType type)
{
    for (uint32_t i = 0; i < type.rank; i++)
        if (kernel->folded[type.axes[i]]) return true;
    return false;
}

/* Whether the value, of what is no scan, is made token by token: then programs that have a segment each can make it. */
static bool is_along(const PlaitInst *inst, PlaitAxis loop)
{
    return plait_type_has(inst->type, loop) && inst->op != PLAIT_OP_FOLD;
}

/* Programs of a kernel that have a segment each know nothing of other tokens, and there may be none of them. */
static bool segments_allow(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue value)
{
    const PlaitInst *inst = def(fusion, value);
    if (!makes_loop(inst)) return kernel->segments == PLAIT_NO_AXIS || is_along(inst, kernel->loop);
    PlaitAxis segments = plait_segments_of(inst);
    if (kernel->loop != PLAIT_NO_AXIS) return kernel->segments == segments;
    if (segments == PLAIT_NO_AXIS) return true;
    for (uint32_t i = 0; i < kernel->members.count; i++)
        if (!is_along(def(fusion, kernel->members.data[i]), inst->axes[0])) return false;
    return !kernel->has_delay;
}

bool plait_fuse_structure_allows(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue value)
{
    const PlaitInst *inst = def(fusion, value);
    if (!walks_allow(fusion, kernel, value) || !loop_allows(fusion, kernel, value) ||
        !segments_allow(fusion, kernel, value))
        return false;
    if (makes_loop(inst)) {
        bool blocks = plait_is_block_fold(inst);
        int direction = blocks ? 1 : (int)inst->ints[0];
        if (!folds_allow(fusion, kernel, value)) return false;
        if (kernel->loop != PLAIT_NO_AXIS)
            return kernel->loop == inst->axes[0] && kernel->direction == direction && kernel->blocks == blocks;
        return !kernel->has_fold && !(kernel->has_delay && direction == -1) && (!blocks || kernel->members.count == 0);
    }
    if (kernel->blocks && plait_fuse_is_rounding(fusion->function, inst) && !plait_is_output(fusion->function, value))
        return false; /* made for a fold, before it */
    if (inst->op != PLAIT_OP_FOLD) return inst->body || !folds_along(kernel, inst->type);
    for (uint32_t i = 0; i < inst->body->params.count; i++)
        if (folds_along(kernel, plait_type_of(fusion->function, inst->body->params.data[i]))) return false;
    if (kernel->loop == inst->axes[0]) return !kernel->blocks;
    return kernel->loop == PLAIT_NO_AXIS && !kernel->long_axes[inst->axes[0]];
}

/* Whether the value is a product over places in a block, which are never shared out to programs, and is only summed: as
 * a product of matrices it needs no tile. */
static bool is_matrix_product(const PlaitFusion *fusion, PlaitValue value)
{
    const PlaitFunction *function = fusion->function;
    const PlaitInst *inst = def(fusion, value);
    bool places = false;
    if (inst->op != PLAIT_OP_MUL) return false;
    PlaitType a = plait_type_of(function, inst->operands[0]), b = plait_type_of(function, inst->operands[1]);
    for (uint32_t i = 0; i < inst->type.rank; i++) {
        PlaitAxis axis = inst->type.axes[i];
        bool shared = plait_type_has(a, axis) && plait_type_has(b, axis);
        places |= function->axes.data[axis].place;
        if (long_axis(fusion, axis) || !shared) continue;
        for (uint32_t r = 0; r < fusion->readers[value].count; r++) {
            const PlaitInst *reader = def(fusion, fusion->readers[value].data[r]);
            if (reader->op != PLAIT_OP_REDUCE_SUM || reader->axis_count != 1 || reader->axes[0] != axis) return false;
        }
    }
    return places;
}

/* A reduction over features in a kernel whose other values are large over these axes would make them whole there. */
bool plait_fuse_size_allows(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue value)
{
    const PlaitInst *inst = def(fusion, value);
    if (!plait_op_is_reduce((PlaitOp)inst->op)) return true;
    for (uint32_t i = 0; i < inst->axis_count; i++) {
        if (fusion->function->axes.data[inst->axes[i]].role != PLAIT_ROLE_FEATURE && kernel->loop != PLAIT_NO_AXIS)
            return false;
        if (kernel->blocks && fusion->function->axes.data[inst->axes[i]].size > MOST_BLOCK_FEATURES) return false;
        for (uint32_t m = 0; m < kernel->members.count; m++) {
            PlaitValue member = kernel->members.data[m];
            if (plait_type_has(def(fusion, member)->type, inst->axes[i]) &&
                plait_feature_elements(fusion->function, def(fusion, member)->type) > MOST_TILE_ELEMENTS &&
                !is_matrix_product(fusion, member))
                return false;
        }
    }
    return true;
}

/* Whether a value that reads nothing of the kernel has the same grid. Of what is made for all blocks of tokens at once
 * a grid may have more axes than the other: one kernel then starts all that its block's other values wait for. */
static bool same_long_axes(const PlaitFusion *fusion, const PlaitFusedKernel *kernel, PlaitValue value)
{
    bool own[PLAIT_MAX_FUNCTION_AXES] = {false}, more = false, less = false, blocks = false;
    PlaitType type = def(fusion, value)->type;
    for (uint32_t i = 0; i < type.rank; i++) own[type.axes[i]] = long_axis(fusion, type.axes[i]);
    for (uint32_t i = 0; i < fusion->function->axes.count; i++) {
        more |= own[i] && !kernel->long_axes[i];
        less |= !own[i] && kernel->long_axes[i];
        blocks |= own[i] && kernel->long_axes[i] && fusion->function->axes.data[i].block;
    }
    return blocks ? !more || !less : !more && !less;
}

uint64_t plait_fuse_needs_of(const PlaitFusion *fusion, const PlaitAccesses *accesses)
{
    uint64_t needs = 0;
    for (uint32_t i = 0; i < accesses->count; i++) needs |= (uint64_t)1 << fusion->kernel[accesses->data[i].anchor];
    return needs;
}

static bool can_join(const PlaitFusion *fusion, uint32_t k, PlaitValue value, const PlaitAccesses *accesses)
{
    const PlaitFusedKernel *kernel = &fusion->kernels[k];
    uint64_t needs = plait_fuse_needs_of(fusion, accesses), self = (uint64_t)1 << k;
    bool scan = makes_loop(def(fusion, value));
    if (plait_fuse_all_needs(fusion, needs & ~self) & self)
        return false; /* something that it reads waits for kernel k */
    if (!plait_fuse_structure_allows(fusion, kernel, value) || !plait_fuse_size_allows(fusion, kernel, value))
        return false;
    for (uint32_t i = 0; i < accesses->count; i++)
        if (fusion->kernel[accesses->data[i].anchor] == (int)k &&
            !plait_fuse_access_allows(fusion, kernel, value, &accesses->data[i]))
            return false;
    if (needs & self) return true;
    return scan ? kernel->loop != PLAIT_NO_AXIS
                : def(fusion, value)->op != PLAIT_OP_FOLD && same_long_axes(fusion, kernel, value);
}

static void note_axes(PlaitFusion *fusion, PlaitFusedKernel *kernel, PlaitType type)
{
    for (uint32_t i = 0; i < type.rank; i++)
        if (long_axis(fusion, type.axes[i])) kernel->long_axes[type.axes[i]] = true;
}

void plait_fuse_join(PlaitFusion *fusion, uint32_t k, PlaitValue value, const PlaitAccesses *accesses)
{
    PlaitFusedKernel *kernel = &fusion->kernels[k];
    const PlaitInst *inst = def(fusion, value);
    fusion->kernel[value] = (int)k;
    plait_push(fusion->arena, &kernel->members, value);
    kernel->needs |= plait_fuse_needs_of(fusion, accesses) & ~((uint64_t)1 << k);
    note_axes(fusion, kernel, inst->type);
    for (uint32_t i = 0; i < accesses->count; i++) {
        bool own = fusion->kernel[accesses->data[i].anchor] == (int)k;
        if (own && accesses->data[i].shifted != PLAIT_NO_AXIS) kernel->has_delay = true;
        if (own && fusion->post[accesses->data[i].anchor]) fusion->post[value] = true;
    }
    if (inst->op == PLAIT_OP_FOLD && !plait_is_block_fold(inst) && kernel->loop != inst->axes[0])
        kernel->has_fold = kernel->folded[inst->axes[0]] = true;
    if (makes_loop(inst)) {
        kernel->loop = inst->axes[0];
        kernel->blocks = plait_is_block_fold(inst);
        kernel->segments = plait_segments_of(inst);
        kernel->direction = kernel->blocks ? 1 : (int)inst->ints[0];
        if (inst->op == PLAIT_OP_SCAN) plait_walked_axes(fusion->function, value, kernel->walked);
        find_folded(fusion->function, inst->body, kernel->folded);
        for (uint32_t i = 0; i < fusion->function->axes.count; i++)
            if (kernel->walked[i]) kernel->folded[i] = false; /* these have places, for what stands apart */
        for (uint32_t i = 0; i < inst->body->params.count; i++)
            note_axes(fusion, kernel, plait_type_of(fusion->function, inst->body->params.data[i]));
    }
}

static void report_full(PlaitFusion *fusion, PlaitSpan span, const char *found, const char *expected)
{
    fusion->full = true;
    plait_report(fusion->function->module->diagnostics, (PlaitDiagnostic){.id = PLAIT_CANNOT_LOWER,
                                                                          .span = span,
                                                                          .found = found,
                                                                          .expected = expected,
                                                                          .help = "make two operators of it"});
}

static uint32_t new_kernel(PlaitFusion *fusion)
{
    fusion->kernels[fusion->kernel_count] =
        (PlaitFusedKernel){.loop = PLAIT_NO_AXIS, .direction = 1, .segments = PLAIT_NO_AXIS};
    return fusion->kernel_count++;
}

/* A result stands with its owner; final states are known after the loop. */
static void place_result(PlaitFusion *fusion, PlaitValue value)
{
    const PlaitInst *inst = def(fusion, value), *owner = def(fusion, inst->operands[0]);
    int k = fusion->kernel[inst->operands[0]];
    fusion->kernel[value] = k;
    plait_push(fusion->arena, &fusion->kernels[k].members, value);
    note_axes(fusion, &fusion->kernels[k], inst->type);
    bool final = inst->ints[0] < (int64_t)owner->body->params.count;
    fusion->post[value] = final && (owner->op == PLAIT_OP_SCAN || fusion->kernels[k].loop == owner->axes[0]);
}

static void place(PlaitFusion *fusion, PlaitValue value)
{
    if (def(fusion, value)->op == PLAIT_OP_RESULT) {
        place_result(fusion, value);
        return;
    }
    const PlaitAccesses *accesses = &fusion->reads[value];
    uint64_t needs = plait_fuse_needs_of(fusion, accesses);
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t k = fusion->kernel_count; k-- > 0;) {
            if ((needs >> k & 1) != (pass == 0) || !can_join(fusion, k, value, accesses)) continue;
            plait_fuse_join(fusion, k, value, accesses);
            return;
        }
    if (fusion->kernel_count == PLAIT_MAX_KERNELS)
        report_full(fusion, def(fusion, value)->span,
                    plait_arena_printf(fusion->arena, "stages that need more than %d kernels", PLAIT_MAX_KERNELS),
                    plait_arena_printf(fusion->arena, "at most %d", PLAIT_MAX_KERNELS));
    else plait_fuse_join(fusion, new_kernel(fusion), value, accesses);
}

bool plait_pass_fuse(PlaitFunction *function)
{
    for (uint32_t i = 0; i < function->body->body.count; i++)
        if (plait_op_of(function, function->body->body.data[i]) == PLAIT_OP_KERNEL) return false; /* fused already */
    PlaitArena *arena = function->module->arena;
    PlaitFusion *fusion = PLAIT_NEW(arena, PlaitFusion);
    fusion->function = function, fusion->arena = arena;
    fusion->cheap = PLAIT_NEW_ARRAY(arena, bool, function->insts.count);
    fusion->spread = PLAIT_NEW_ARRAY(arena, bool, function->insts.count);
    fusion->post = PLAIT_NEW_ARRAY(arena, bool, function->insts.count);
    fusion->kernel = PLAIT_NEW_ARRAY(arena, int, function->insts.count);
    for (uint32_t i = 0; i < function->insts.count; i++) fusion->kernel[i] = PLAIT_NO_KERNEL;
    fusion->reads = PLAIT_NEW_ARRAY(arena, PlaitAccesses, function->insts.count);
    fusion->readers = PLAIT_NEW_ARRAY(arena, PlaitValues, function->insts.count);
    plait_fuse_find_cheap(fusion);
    plait_fuse_find_reads(fusion);
    if (function->axes.count > PLAIT_MAX_FUNCTION_AXES)
        report_full(fusion, function->span, plait_arena_printf(arena, "more than %d axes", PLAIT_MAX_FUNCTION_AXES),
                    plait_arena_printf(arena, "at most %d", PLAIT_MAX_FUNCTION_AXES));
    for (uint32_t i = 0; i < function->body->body.count && !fusion->full; i++) {
        PlaitValue value = function->body->body.data[i];
        if (plait_op_of(function, value) != PLAIT_OP_PARAM && !fusion->cheap[value]) place(fusion, value);
    }
    if (fusion->full) return false;
    plait_fuse_sink(fusion);
    plait_fuse_outline(fusion);
    return true;
}
