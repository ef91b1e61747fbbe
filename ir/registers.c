#include "ir/registers.h"

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

enum { SLOTS_OF_SOLVE = 512 }; /* a triangular system's loops */

typedef struct Length {
    const PlaitFunction *kernel;
    uint32_t slots;
} Length;

static void add_slots(void *context, PlaitValue value)
{
    Length *length = context;
    PlaitType type = plait_type_of(length->kernel, value);
    if (type.rank == 0 || type.space != PLAIT_SPACE_VALUE) return;
    length->slots += plait_tile_slots(length->kernel, type);
    if (plait_op_of(length->kernel, value) == PLAIT_OP_SOLVE) length->slots += SLOTS_OF_SOLVE;
}

uint32_t plait_program_slots(const PlaitFunction *kernel)
{
    Length length = {.kernel = kernel};
    plait_region_walk(kernel, kernel->body, add_slots, &length);
    return length.slots;
}
