/* Tensor maps: what the copy engine of a GPU needs to know of a tensor. */
#ifndef PLAIT_RUNTIME_MAPS_H
#define PLAIT_RUNTIME_MAPS_H

#include "runtime/call.h"
#include "runtime/driver.h"

/* CUtensorMap. */
typedef struct PlaitMap {
    _Alignas(64) unsigned char bytes[128];
} PlaitMap;

/* Fills kernel->map_count maps for the tensors of the call. Sets `mapped` to false when a tensor does not lie as the
 * kernel's version with maps assumes (its last stride 1, aligned, every extent at least 1), or when the driver knows no
 * maps: then the ordinary version runs, which gives the same results. */
PlaitStatus plait_maps_fill(const PlaitCall *call, const PlaitDriver *driver, const PlaitKernelDescriptor *kernel,
                            PlaitMap *maps, bool *mapped);

#endif
