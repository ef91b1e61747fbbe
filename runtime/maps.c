/* Makes the tensor maps of a launch (CUDA driver API, cuTensorMapEncodeTiled): a box is 64 elements of 16 bits along
 * the last axis, rows along another, one position of the rest, in the swizzled form that the matrix units read. */
#include "runtime/maps.h"

enum { MOST_RANK = 5, BOX = 64, ELEMENT_BYTES = 2, MAP_ALIGNMENT = 16 };
#define MOST_STRIDE (INT64_C(1) << 40)
/* CUtensorMapDataType, CUtensorMapSwizzle, CUtensorMapL2promotion; PlaitScalar */
enum { MAP_F16 = 6, MAP_BF16 = 9, MAP_SWIZZLE_128 = 3, MAP_PROMOTION_256 = 3, SCALAR_F16 = 3 };

static int64_t extent_of(const PlaitCall *call, const PlaitTensorDescriptor *info, uint32_t axis)
{
    return call->extents[info->axes[axis]];
}

/* The last stride is 1, and `bytes` divides the address, the other strides and the length of the last axis; strides of
 * axes of one position mean nothing. So it is with the row that all positions of a missing input share. */
static bool lies_well(const PlaitCall *call, uint32_t tensor, uint32_t bytes)
{
    const PlaitTensorDescriptor *info = &call->variant->tensors[tensor];
    const PlaitView *view = &call->views[tensor];
    uint64_t element = plait_element_bytes(info->scalar), any = view->address;
    if (info->rank == 0) return false;
    for (uint32_t i = 0; i < info->rank; i++) {
        bool last = i + 1 == info->rank;
        if (last) any |= (uint64_t)extent_of(call, info, i) * element;
        if (extent_of(call, info, i) == 1) continue;
        if (last ? view->strides[i] != 1 : view->strides[i] <= 0 && !view->missing) return false;
        if (!last) any |= (uint64_t)view->strides[i] * element;
    }
    return any % bytes == 0;
}

/* What the driver's documentation demands besides. */
static bool fits(const PlaitCall *call, uint32_t tensor)
{
    const PlaitTensorDescriptor *info = &call->variant->tensors[tensor];
    if (info->rank > MOST_RANK || call->views[tensor].missing || !lies_well(call, tensor, MAP_ALIGNMENT)) return false;
    for (uint32_t i = 0; i < info->rank; i++) {
        int64_t extent = extent_of(call, info, i), stride = call->views[tensor].strides[i];
        if (extent < 1 || (extent > 1 && stride >= MOST_STRIDE / ELEMENT_BYTES)) return false;
    }
    return true;
}

static PlaitStatus fill(const PlaitCall *call, const PlaitDriver *driver, uint32_t tensor,
                        const PlaitMapDescriptor *wanted, PlaitMap *map)
{
    const PlaitTensorDescriptor *info = &call->variant->tensors[tensor];
    const PlaitView *view = &call->views[tensor];
    unsigned long long sizes[MOST_RANK], strides[MOST_RANK];
    unsigned box[MOST_RANK], steps[MOST_RANK], type = info->scalar == SCALAR_F16 ? MAP_F16 : MAP_BF16;
    for (uint32_t i = 0; i < info->rank; i++) { /* the driver counts from the innermost axis */
        uint32_t axis = info->rank - 1u - i;
        int64_t extent = extent_of(call, info, axis);
        sizes[i] = (unsigned long long)extent;
        steps[i] = 1;
        box[i] = i == 0 ? BOX : axis == wanted->rows ? wanted->box_rows : 1;
        if (i > 0) strides[i - 1] = (unsigned long long)view->strides[axis] * ELEMENT_BYTES;
        if (i > 0 && extent == 1) strides[i - 1] = MAP_ALIGNMENT;
    }
    return plait_driver_check(driver,
                              driver->map_encode(map, type, info->rank, (void *)(uintptr_t)view->address, sizes,
                                                 strides, box, steps, 0, MAP_SWIZZLE_128, MAP_PROMOTION_256, 0),
                              "cuTensorMapEncodeTiled");
}

bool plait_maps_fit(const PlaitCall *call, const PlaitDriver *driver, const PlaitKernelDescriptor *kernel)
{
    bool fit = driver->map_encode && kernel->map_count > 0 && kernel->map_count <= PLAIT_MOST_MAPS;
    for (uint32_t i = 0; i < kernel->tensor_count && fit; i++)
        fit = !kernel->alignments[i] || lies_well(call, kernel->tensors[i], kernel->alignments[i]);
    for (uint32_t i = 0; i < kernel->map_count && fit; i++) fit = fits(call, kernel->tensors[kernel->maps[i].tensor]);
    return fit;
}

PlaitStatus plait_maps_fill(const PlaitCall *call, const PlaitDriver *driver, const PlaitKernelDescriptor *kernel,
                            PlaitMap *maps)
{
    PlaitStatus status = PLAIT_STATUS_OK;
    for (uint32_t i = 0; i < kernel->map_count && !status; i++)
        status = fill(call, driver, kernel->tensors[kernel->maps[i].tensor], &kernel->maps[i], &maps[i]);
    return status;
}
