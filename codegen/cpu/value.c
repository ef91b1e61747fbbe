/* Values at the points of a nest: pointwise operations, positions, buffers, each computed once per point and loop.
 *
 * Products are contracted into sums (one rounding instead of two) where the product has no other use that must be
 * computed anyway.
 */
#include "codegen/cpu/nest.h"

bool plait_nest_is_here(const PlaitNest *nest, PlaitCpuId id)
{
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    if (node->kind == PLAIT_CPU_VIRTUAL) return true;
    return nest->group && node->kind == PLAIT_CPU_REAL && node->region == nest->plan->region &&
           node->place == nest->place;
}

uint32_t plait_nest_digit(const PlaitNest *nest, uint32_t instance, uint32_t loop)
{
    return instance / nest->loops[loop].radix % nest->loops[loop].block;
}

uint32_t plait_nest_restrict(const PlaitNest *nest, uint32_t instance, PlaitAxisSet axes)
{
    uint32_t result = 0;
    for (uint32_t i = 0; i < nest->loop_count; i++)
        if (axes & plait_axis_bit(nest->loops[i].axis))
            result += plait_nest_digit(nest, instance, i) * nest->loops[i].radix;
    return result;
}

bool plait_nest_is_wide(const PlaitNest *nest, PlaitAxisSet axes)
{
    return nest->vector_loop != UINT32_MAX && (axes & plait_axis_bit(nest->loops[nest->vector_loop].axis));
}

LLVMValueRef *plait_nest_entry(PlaitNest *nest, LLVMValueRef **table, PlaitCpuId id, uint32_t instance)
{
    if (!table[id]) table[id] = PLAIT_NEW_ARRAY(nest->cpu->emit->arena, LLVMValueRef, nest->instances);
    return &table[id][plait_nest_restrict(nest, instance, plait_cpu_node(nest->cpu->kernel, id)->axes)];
}

void plait_nest_remember(PlaitNest *nest, LLVMValueRef *entry, LLVMValueRef value)
{
    *entry = value;
    plait_push(nest->cpu->emit->arena, &nest->trail, entry);
}

static uint32_t lanes_for(const PlaitNest *nest, PlaitAxisSet axes)
{
    return plait_nest_is_wide(nest, axes) ? nest->lanes : 1;
}

static uint32_t loop_of(const PlaitNest *nest, PlaitAxis axis)
{
    for (uint32_t i = 0; i < nest->loop_count; i++)
        if (nest->loops[i].axis == axis) return i;
    plait_bug("a value with an axis that its nest has not");
}

LLVMValueRef plait_nest_position(PlaitNest *nest, uint32_t loop, uint32_t instance)
{
    const PlaitNestLoop *at = &nest->loops[loop];
    uint32_t offset = plait_nest_digit(nest, instance, loop) * at->unit;
    return offset ? LLVMBuildAdd(nest->cpu->emit->builder, at->index, plait_cpu_number(nest->cpu, offset), "")
                  : at->index;
}

uint32_t plait_nest_lanes(const PlaitNest *nest, uint32_t instance)
{
    if (nest->vector_loop == UINT32_MAX) return 1;
    const PlaitNestLoop *loop = &nest->loops[nest->vector_loop];
    bool last = plait_nest_digit(nest, instance, nest->vector_loop) + 1 == loop->now;
    return loop->broken && last ? loop->tail : nest->lanes;
}

static LLVMValueRef positions(PlaitNest *nest, const PlaitCpuNode *node, uint32_t instance)
{
    PlaitEmit *emit = nest->cpu->emit;
    uint32_t loop = loop_of(nest, node->inst->axes[0]);
    LLVMTypeRef i32 = plait_emit_type(emit, PLAIT_I32, 1);
    LLVMValueRef first = LLVMBuildTrunc(emit->builder, plait_nest_position(nest, loop, instance), i32, "");
    if (node->operand_count)
        first = LLVMBuildAdd(emit->builder, first, plait_nest_value(nest, node->operands[0], instance), "");
    if (loop != nest->vector_loop || nest->lanes == 1) return first;
    LLVMValueRef steps[PLAIT_CPU_ROW];
    for (uint32_t i = 0; i < nest->lanes; i++) steps[i] = LLVMConstInt(i32, i, 0);
    return LLVMBuildAdd(emit->builder, plait_emit_splat(emit, first, nest->lanes), LLVMConstVector(steps, nest->lanes),
                        "");
}

/* ---- contraction ---- */

static bool contracts(const PlaitNest *nest, PlaitCpuId id, PlaitAxisSet axes)
{
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    if (node->op != PLAIT_OP_MUL || node->axes != axes || plait_scalar_kind(node->scalar) != PLAIT_FLOATING)
        return false;
    return node->kind == PLAIT_CPU_VIRTUAL || (node->uses == 1 && (!node->axes || plait_nest_is_here(nest, id)));
}

static bool factors(PlaitNest *nest, PlaitCpuId id, uint32_t instance, PlaitAxisSet axes, LLVMValueRef *a,
                    LLVMValueRef *b)
{
    if (!contracts(nest, id, axes) || *plait_nest_entry(nest, nest->values, id, instance)) return false;
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    *a = plait_nest_operand(nest, node->operands[0], instance, axes);
    *b = plait_nest_operand(nest, node->operands[1], instance, axes);
    return true;
}

/* x + y or x - y with a product among them; NULL when there is none. */
static LLVMValueRef contracted(PlaitNest *nest, const PlaitCpuNode *node, uint32_t instance)
{
    PlaitEmit *emit = nest->cpu->emit;
    LLVMValueRef a, b;
    if (node->op != PLAIT_OP_ADD && node->op != PLAIT_OP_SUB) return NULL;
    bool minus = node->op == PLAIT_OP_SUB;
    for (uint32_t i = 2; i-- > 0;) {
        if (!factors(nest, node->operands[i], instance, node->axes, &a, &b)) continue;
        LLVMValueRef other = plait_nest_operand(nest, node->operands[1 - i], instance, node->axes);
        if (minus && i == 1) a = plait_emit_scalar_op(emit, PLAIT_OP_NEG, node->scalar, &a);
        if (minus && i == 0) other = plait_emit_scalar_op(emit, PLAIT_OP_NEG, node->scalar, &other);
        return plait_emit_fma(emit, a, b, other);
    }
    return NULL;
}

enum { MAX_FACTORS = 8 };

static bool opens(PlaitNest *nest, PlaitCpuId id, uint32_t instance, PlaitAxisSet axes)
{
    return contracts(nest, id, axes) && !*plait_nest_entry(nest, nest->values, id, instance);
}

/* Takes a product of products apart; returns the number of factors. */
static uint32_t collect_factors(PlaitNest *nest, PlaitCpuId id, uint32_t instance, PlaitAxisSet axes, PlaitCpuId *list)
{
    uint32_t count = 1;
    list[0] = id;
    for (uint32_t i = 0; i < count;) {
        if (count == MAX_FACTORS || !opens(nest, list[i], instance, axes)) {
            i++;
            continue;
        }
        const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, list[i]);
        list[count++] = node->operands[1];
        list[i] = node->operands[0];
    }
    return count;
}

/* In a sum, factors that are the same for all lanes are multiplied first, as scalars: sum d (k[d] * (a * S[d, e]))
 * costs one vector operation a term. */
bool plait_nest_product(PlaitNest *nest, PlaitCpuId id, uint32_t instance, PlaitAxisSet axes, LLVMValueRef *a,
                        LLVMValueRef *b)
{
    PlaitCpuId list[MAX_FACTORS];
    PlaitEmit *emit = nest->cpu->emit;
    PlaitScalar scalar = plait_cpu_node(nest->cpu->kernel, id)->scalar;
    if (!opens(nest, id, instance, axes)) return false;
    uint32_t count = collect_factors(nest, id, instance, axes, list);
    LLVMValueRef parts[2] = {NULL, NULL}; /* of scalars, of vectors */
    for (uint32_t i = 0; i < count; i++) {
        bool wide = plait_nest_is_wide(nest, plait_cpu_node(nest->cpu->kernel, list[i])->axes);
        LLVMValueRef factor = plait_nest_value(nest, list[i], instance);
        parts[wide] = parts[wide]
                          ? plait_emit_scalar_op(emit, PLAIT_OP_MUL, scalar, (LLVMValueRef[]){parts[wide], factor})
                          : factor;
    }
    if (!parts[0] || !parts[1]) return factors(nest, id, instance, axes, a, b);
    *a = plait_emit_splat(emit, parts[0], nest->lanes);
    *b = parts[1];
    return true;
}

/* ---- all operations ---- */

static LLVMValueRef pointwise(PlaitNest *nest, const PlaitCpuNode *node, uint32_t instance)
{
    PlaitEmit *emit = nest->cpu->emit;
    LLVMValueRef operands[3], result = contracted(nest, node, instance);
    if (result) return result;
    for (uint32_t i = 0; i < node->operand_count; i++)
        operands[i] = plait_nest_operand(nest, node->operands[i], instance, node->axes);
    if (node->op == PLAIT_OP_SELECT) return plait_emit_select(emit, operands[0], operands[1], operands[2]);
    PlaitScalar scalar = plait_cpu_node(nest->cpu->kernel, node->operands[0])->scalar;
    if (node->op == PLAIT_OP_CAST) return plait_emit_cast(emit, operands[0], scalar, node->scalar);
    return plait_emit_scalar_op(emit, (PlaitOp)node->op, scalar, operands);
}

static LLVMValueRef compute(PlaitNest *nest, PlaitCpuId id, uint32_t instance)
{
    PlaitCpu *cpu = nest->cpu;
    const PlaitCpuNode *node = plait_cpu_node(cpu->kernel, id);
    LLVMTypeRef i32 = plait_emit_type(cpu->emit, PLAIT_I32, 1);
    switch (node->op) {
    case PLAIT_OP_CONST:
        return plait_emit_number(cpu->emit, node->scalar, lanes_for(nest, node->axes), node->inst->number);
    case PLAIT_CPU_COPY:
    case PLAIT_OP_BROADCAST: return plait_nest_operand(nest, node->operands[0], instance, node->axes);
    case PLAIT_OP_IOTA: return positions(nest, node, instance);
    case PLAIT_OP_SIZE: return LLVMBuildTrunc(cpu->emit->builder, cpu->extents[node->inst->axes[0]], i32, "");
    case PLAIT_OP_PROGRAM: return cpu->programs[node->inst->axes[0]];
    case PLAIT_OP_LOAD: return plait_nest_load(nest, id, instance);
    default: return pointwise(nest, node, instance);
    }
}

LLVMValueRef plait_nest_value(PlaitNest *nest, PlaitCpuId id, uint32_t instance)
{
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    if (nest->cpu->scalars[id]) return nest->cpu->scalars[id];
    LLVMValueRef *entry = plait_nest_entry(nest, nest->values, id, instance);
    if (*entry) return *entry;
    bool here = !node->axes || plait_nest_is_here(nest, id);
    if (here && plait_cpu_is_accumulation(node->op)) plait_bug("a reduction is read before it is done");
    LLVMValueRef value = here ? compute(nest, id, instance) : plait_nest_read_buffer(nest, id, instance);
    plait_nest_remember(nest, entry, value);
    return value;
}

LLVMValueRef plait_nest_wide(PlaitNest *nest, PlaitCpuId id, uint32_t instance)
{
    if (nest->lanes == 1 || plait_nest_is_wide(nest, plait_cpu_node(nest->cpu->kernel, id)->axes))
        return plait_nest_value(nest, id, instance);
    LLVMValueRef *entry = plait_nest_entry(nest, nest->wide, id, instance);
    if (!*entry)
        plait_nest_remember(nest, entry,
                            plait_emit_splat(nest->cpu->emit, plait_nest_value(nest, id, instance), nest->lanes));
    return *entry;
}

LLVMValueRef plait_nest_operand(PlaitNest *nest, PlaitCpuId id, uint32_t instance, PlaitAxisSet axes)
{
    return plait_nest_is_wide(nest, axes) ? plait_nest_wide(nest, id, instance) : plait_nest_value(nest, id, instance);
}
