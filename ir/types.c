/* Types: a scalar and an ordered set of named axes. */
#include "ir/ir.h"

PlaitType plait_type(PlaitScalar scalar) { return (PlaitType){.scalar = (uint8_t)scalar}; }

PlaitType plait_type_as(PlaitType type, PlaitScalar scalar)
{
    type.scalar = (uint8_t)scalar;
    return type;
}

bool plait_type_has(PlaitType type, PlaitAxis axis)
{
    for (uint32_t i = 0; i < type.rank; i++)
        if (type.axes[i] == axis) return true;
    return false;
}

PlaitType plait_type_with(PlaitType type, PlaitAxis axis)
{
    if (plait_type_has(type, axis)) return type;
    if (type.rank == PLAIT_MAX_RANK) plait_bug("a type of more than %d axes", PLAIT_MAX_RANK);
    type.axes[type.rank++] = axis;
    return type;
}

PlaitType plait_type_without(PlaitType type, PlaitAxis axis)
{
    PlaitType result = type;
    result.rank = 0;
    for (uint32_t i = 0; i < PLAIT_MAX_RANK; i++) result.axes[i] = 0;
    for (uint32_t i = 0; i < type.rank; i++)
        if (type.axes[i] != axis) result.axes[result.rank++] = type.axes[i];
    return result;
}

uint32_t plait_type_union_rank(PlaitType a, PlaitType b)
{
    uint32_t rank = a.rank;
    for (uint32_t i = 0; i < b.rank; i++) rank += !plait_type_has(a, b.axes[i]);
    return rank;
}

PlaitType plait_type_union(PlaitType a, PlaitType b)
{
    for (uint32_t i = 0; i < b.rank; i++) a = plait_type_with(a, b.axes[i]);
    return a;
}

bool plait_type_same_axes(PlaitType a, PlaitType b)
{
    return a.rank == b.rank && plait_type_union_rank(a, b) == a.rank;
}

bool plait_type_inside(PlaitType inner, PlaitType outer) { return plait_type_union_rank(outer, inner) == outer.rank; }

bool plait_type_equal(PlaitType a, PlaitType b)
{
    return a.scalar == b.scalar && a.space == b.space && plait_type_same_axes(a, b);
}

uint32_t plait_layout_threads(const PlaitLayoutAxis *entry)
{
    uint32_t threads = 0;
    for (uint32_t i = 0; i < entry->count; i++)
        if (entry->parts[i].thread != PLAIT_REGISTERS)
            threads |= ((1u << entry->parts[i].bits) - 1) << entry->parts[i].thread;
    return threads;
}

uint32_t plait_layout_vector(const PlaitLayoutAxis *entry)
{
    bool in_registers = entry->count > 0 && entry->parts[0].thread == PLAIT_REGISTERS;
    return in_registers ? 1u << entry->parts[0].bits : 1;
}
