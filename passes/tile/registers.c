#include "passes/tile/registers.h"

uint32_t plait_tile_slots(const PlaitFunction *kernel, PlaitType type)
{
    const PlaitLayout *layout = &kernel->layouts.data[type.layout];
    uint32_t count = 1;
    for (uint32_t i = 0; i < type.rank; i++) {
        uint32_t bits = 0, tile = kernel->axes.data[type.axes[i]].tile;
        for (uint32_t k = 0; k < layout->count; k++)
            if (layout->axes[k].axis == type.axes[i])
                bits = (uint32_t)__builtin_popcount(plait_layout_threads(&layout->axes[k]));
        count *= (tile + (1u << bits) - 1) >> bits;
    }
    return count;
}
