/* Tensor maps: what the copy engine of a GPU needs to know of a tensor. */
#ifndef PLAIT_RUNTIME_MAPS_H
#define PLAIT_RUNTIME_MAPS_H

#include "runtime/call.h"
#include "runtime/driver.h"

/* CUtensorMap. */
typedef struct PlaitMap {
    _Alignas(64) unsigned char bytes[128];
} PlaitMap;

/* Whether the kernel has a version with maps and every tensor of the call lies as it assumes (its last stride 1,
 * aligned, every extent at least 1). If not, or when the driver knows no maps, the ordinary version runs, which gives
 * the same results. The same before workspaces and defaults are placed and after: their places are multiples of every
 * alignment. */
bool plait_maps_fit(const PlaitCall *call, const PlaitDriver *driver, const PlaitKernelDescriptor *kernel);

/* Where they fit: fills kernel->map_count maps for the tensors of the call. */
PlaitStatus plait_maps_fill(const PlaitCall *call, const PlaitDriver *driver, const PlaitKernelDescriptor *kernel,
                            PlaitMap *maps);

#endif
