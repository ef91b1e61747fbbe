/* The variant of the operator by the static sizes, and the extent of every axis.
 *
 * An axis gets its extent from the first argument that has it; every later one must agree. Axes that are `same_as`
 * another share its extent: the one at the end of that chain is the root, and only roots are bound. */
#include "runtime/call.h"

static uint32_t root_of(const PlaitVariantDescriptor *variant, uint32_t axis)
{
    /* Bounded, so that a table that bites its tail cannot hang the caller. */
    for (uint32_t steps = 0; steps < variant->axis_count; steps++) {
        if (variant->axes[axis].same_as < 0 || variant->axes[axis].block) break;
        axis = (uint32_t)variant->axes[axis].same_as;
    }
    return axis;
}

static const PlaitAxisDescriptor *axis_at(const PlaitVariantDescriptor *variant, uint32_t tensor, uint32_t position)
{
    return &variant->axes[variant->tensors[tensor].axes[position]];
}

/* The static size of an axis, or -1. */
static int64_t static_size(const PlaitVariantDescriptor *variant, uint32_t tensor, uint32_t position)
{
    return variant->axes[root_of(variant, variant->tensors[tensor].axes[position])].size;
}

static bool takes(const PlaitCall *call, const PlaitVariantDescriptor *variant, uint32_t tensor, uint32_t position)
{
    int64_t size = static_size(variant, tensor, position);
    return size < 0 || size == call->tensors[tensor]->shape[position];
}

/* Whether the variant takes the sizes of the given arguments: of all axes before (tensor, position). */
static bool takes_until(const PlaitCall *call, const PlaitVariantDescriptor *variant, uint32_t tensor,
                        uint32_t position)
{
    for (uint32_t i = 0; i < variant->argument_count && i <= tensor; i++) {
        uint32_t rank = i < tensor ? variant->tensors[i].rank : position;
        for (uint32_t j = 0; call->tensors[i] && j < rank; j++)
            if (!takes(call, variant, i, j)) return false;
    }
    return true;
}

/* Adds "64", "64 or 128", "64, 96 or 128": what the variants that take everything before have for this axis. */
static void add_available(const PlaitCall *call, uint32_t tensor, uint32_t position, PlaitPiece *piece)
{
    int64_t pending = -1;
    bool first = true;
    for (uint64_t v = 0; v < call->op->variant_count; v++) {
        const PlaitVariantDescriptor *variant = &call->op->variants[v];
        if (!takes_until(call, variant, tensor, position)) continue;
        int64_t size = static_size(variant, tensor, position);
        bool seen = false;
        for (uint64_t u = 0; u < v && !seen; u++)
            seen = takes_until(call, &call->op->variants[u], tensor, position) &&
                   static_size(&call->op->variants[u], tensor, position) == size;
        if (seen) continue;
        if (pending >= 0) {
            plait_piece_add(piece, "%s%lld", first ? "" : ", ", (long long)pending);
            first = false;
        }
        pending = size;
    }
    plait_piece_add(piece, "%s%lld", first ? "" : " or ", (long long)pending);
}

/* Adds " with d = 64" for the axes before this one that differ between variants: they narrowed the choice. */
static void add_conditions(const PlaitCall *call, PlaitPiece *piece)
{
    const PlaitVariantDescriptor *variant = &call->op->variants[0];
    bool first = true;
    for (uint32_t axis = 0; axis < variant->axis_count; axis++) {
        PlaitBinder binder = call->binders[axis];
        if (binder.tensor == 0) continue;
        bool differs = false;
        for (uint64_t v = 1; v < call->op->variant_count && !differs; v++)
            differs =
                static_size(&call->op->variants[v], binder.tensor - 1, binder.position) != variant->axes[axis].size;
        if (!differs) continue;
        plait_piece_add(piece, "%s%s = %lld", first ? " with " : ", ", variant->axes[axis].name,
                        (long long)call->extents[axis]);
        first = false;
    }
}

static PlaitStatus fail_unavailable(const PlaitCall *call, uint32_t tensor, uint32_t position)
{
    const PlaitVariantDescriptor *variant = &call->op->variants[0];
    PlaitPiece sizes = {.length = 0}, conditions = {.length = 0};
    add_available(call, tensor, position, &sizes);
    add_conditions(call, &conditions);
    return plait_fail_argument(PLAIT_STATUS_UNAVAILABLE_SIZE, tensor, variant->tensors[tensor].name,
                               "axis `%s` has %lld positions, but the library was built for %s%s",
                               axis_at(variant, tensor, position)->name,
                               (long long)call->tensors[tensor]->shape[position], sizes.text, conditions.text);
}

static PlaitStatus fail_disagreement(const PlaitCall *call, const PlaitVariantDescriptor *variant, uint32_t tensor,
                                     uint32_t position, uint32_t root)
{
    PlaitBinder binder = call->binders[root];
    const PlaitAxisDescriptor *here = axis_at(variant, tensor, position);
    const PlaitAxisDescriptor *there = axis_at(variant, binder.tensor - 1, binder.position);
    PlaitPiece other = {.length = 0};
    if (here != there) plait_piece_add(&other, "axis `%s` of ", there->name);
    return plait_fail_argument(PLAIT_STATUS_WRONG_SIZE, tensor, variant->tensors[tensor].name,
                               "axis `%s` has %lld positions, but %s`%s` has %lld", here->name,
                               (long long)call->tensors[tensor]->shape[position], other.text,
                               variant->tensors[binder.tensor - 1].name, (long long)call->extents[root]);
}

/* Some variant takes everything up to and with this axis. */
static bool available(const PlaitCall *call, uint32_t tensor, uint32_t position)
{
    for (uint64_t v = 0; v < call->op->variant_count; v++)
        if (takes_until(call, &call->op->variants[v], tensor, position + 1)) return true;
    return false;
}

static PlaitStatus bind_axis(PlaitCall *call, const PlaitVariantDescriptor *variant, uint32_t tensor, uint32_t position,
                             bool chosen)
{
    uint32_t root = root_of(variant, variant->tensors[tensor].axes[position]);
    int64_t size = call->tensors[tensor]->shape[position];
    if (call->binders[root].tensor == 0) {
        if (!chosen && !available(call, tensor, position)) return fail_unavailable(call, tensor, position);
        call->binders[root] = (PlaitBinder){.tensor = tensor + 1, .position = position};
        call->extents[root] = size;
        return PLAIT_STATUS_OK;
    }
    return call->extents[root] == size ? PLAIT_STATUS_OK : fail_disagreement(call, variant, tensor, position, root);
}

/* Binds the axes of the arguments in order. Not `chosen`: the variant stands for all of them, and the walk is there to
 * find the first size that none has. */
static PlaitStatus bind_axes(PlaitCall *call, const PlaitVariantDescriptor *variant, bool chosen)
{
    for (uint32_t i = 0; i < variant->argument_count; i++)
        for (uint32_t j = 0; call->tensors[i] && j < variant->tensors[i].rank; j++) {
            PlaitStatus status = bind_axis(call, variant, i, j, chosen);
            if (status) return status;
        }
    return PLAIT_STATUS_OK;
}

/* An input left out must not be the only one that could say how long an axis is. */
static PlaitStatus check_missing(const PlaitCall *call)
{
    const PlaitVariantDescriptor *variant = call->variant;
    for (uint32_t i = 0; i < variant->argument_count; i++)
        for (uint32_t j = 0; !call->tensors[i] && j < variant->tensors[i].rank; j++) {
            uint32_t root = root_of(variant, variant->tensors[i].axes[j]);
            if (call->binders[root].tensor == 0 && variant->axes[root].size < 0)
                return plait_fail_argument(PLAIT_STATUS_NULL_ARGUMENT, i, variant->tensors[i].name,
                                           "is NULL, but no other argument has axis `%s`",
                                           axis_at(variant, i, j)->name);
        }
    return PLAIT_STATUS_OK;
}

/* What the operator needs of a size that is known now only. */
static PlaitStatus check_multiples(const PlaitCall *call)
{
    const PlaitVariantDescriptor *variant = call->variant;
    for (uint32_t axis = 0; axis < variant->axis_count; axis++) {
        PlaitBinder binder = call->binders[axis];
        int32_t multiple = variant->axes[axis].multiple;
        if (multiple <= 0 || binder.tensor == 0 || call->extents[axis] % multiple == 0) continue;
        return plait_fail_argument(PLAIT_STATUS_WRONG_SIZE, binder.tensor - 1, variant->tensors[binder.tensor - 1].name,
                                   "axis `%s` has %lld positions, but the operator needs a multiple of %d",
                                   axis_at(variant, binder.tensor - 1, binder.position)->name,
                                   (long long)call->extents[axis], multiple);
    }
    return PLAIT_STATUS_OK;
}

static void share_extents(PlaitCall *call)
{
    const PlaitVariantDescriptor *variant = call->variant;
    for (uint32_t axis = 0; axis < variant->axis_count; axis++)
        if (root_of(variant, axis) == axis && call->binders[axis].tensor == 0)
            call->extents[axis] = variant->axes[axis].size >= 0 ? variant->axes[axis].size : PLAIT_NO_EXTENT;
    for (uint32_t axis = 0; axis < variant->axis_count; axis++) {
        int64_t block = variant->axes[axis].block;
        if (block <= 0) continue;
        int64_t extent = call->extents[root_of(variant, (uint32_t)variant->axes[axis].same_as)];
        call->extents[axis] = extent < 0 ? PLAIT_NO_EXTENT : (extent + block - 1) / block;
    }
    for (uint32_t axis = 0; axis < variant->axis_count; axis++)
        call->extents[axis] = call->extents[root_of(variant, axis)];
}

PlaitStatus plait_call_choose_variant(PlaitCall *call)
{
    const PlaitOperatorDescriptor *op = call->op;
    for (uint64_t v = 0; v < op->variant_count && !call->variant; v++)
        if (takes_until(call, &op->variants[v], op->variants[v].argument_count, 0)) call->variant = &op->variants[v];
    if (!call->variant) {
        PlaitStatus status = bind_axes(call, &op->variants[0], false);
        return status ? status : plait_fail(PLAIT_STATUS_BAD_LIBRARY, "its variants contradict themselves");
    }
    PlaitStatus status = bind_axes(call, call->variant, true);
    if (!status) status = check_missing(call);
    if (!status) status = check_multiples(call);
    if (!status) share_extents(call);
    return status;
}
