/* Copies of instructions, with their regions. */
#include "ir/clone.h"

#include <string.h>

void plait_clone_set(PlaitCloneMap *map, PlaitValue from, PlaitValue to)
{
    if (from >= map->count) {
        uint32_t count = from + from / 2 + 64;
        PlaitValue *larger = PLAIT_NEW_ARRAY(map->arena, PlaitValue, count);
        if (map->count) memcpy(larger, map->to, map->count * sizeof *larger);
        map->to = larger;
        map->count = count;
    }
    map->to[from] = to;
}

PlaitValue plait_clone_find(const PlaitCloneMap *map, PlaitValue from) { return from < map->count ? map->to[from] : 0; }

PlaitValue plait_clone_get(const PlaitCloneMap *map, PlaitValue from)
{
    PlaitValue to = plait_clone_find(map, from);
    return to ? to : from;
}

static PlaitRegion *clone_region(PlaitBuilder *builder, const PlaitRegion *from, PlaitCloneMap *map)
{
    PlaitFunction *function = builder->function;
    PlaitRegion *to = plait_region_create(function, builder->region);
    for (uint32_t i = 0; i < from->params.count; i++) {
        PlaitInst param = *plait_inst(function, from->params.data[i]);
        plait_clone_set(map, from->params.data[i], plait_build_argument(function, to, param.type, param.span));
    }
    PlaitBuilder inner = {function, to, builder->span};
    plait_clone_body(&inner, from, map);
    for (uint32_t i = 0; i < from->yields.count; i++)
        plait_yield(function, to, plait_clone_get(map, from->yields.data[i]));
    return to;
}

PlaitValue plait_clone_inst(PlaitBuilder *builder, PlaitValue value, PlaitCloneMap *map)
{
    PlaitFunction *function = builder->function;
    PlaitInst inst = *plait_inst(function, value);
    PlaitRegion *body = inst.body ? clone_region(builder, inst.body, map) : NULL;
    PlaitBuilder at = {function, builder->region, inst.span};
    PlaitValue copy = plait_build(&at, (PlaitOp)inst.op, inst.type, inst.operands, inst.operand_count);
    PlaitInst *made = plait_inst(function, copy);
    for (uint32_t i = 0; i < made->operand_count; i++) made->operands[i] = plait_clone_get(map, made->operands[i]);
    made->axes = inst.axes, made->axis_count = inst.axis_count; /* never written in place */
    made->ints = inst.ints, made->int_count = inst.int_count;
    made->number = inst.number, made->name = inst.name;
    made->body = body;
    if (body) body->owner = copy;
    plait_clone_set(map, value, copy);
    return copy;
}

void plait_clone_body(PlaitBuilder *builder, const PlaitRegion *from, PlaitCloneMap *map)
{
    for (uint32_t i = 0; i < from->body.count; i++) plait_clone_inst(builder, from->body.data[i], map);
}
