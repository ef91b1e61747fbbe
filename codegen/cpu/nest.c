/* Loop nests. For a group over kept axes K and reduced axes R:
 *
 *     for K (blocks of vectors, and of rows for a dot)
 *         partial results = identity, or the accumulator of a dot          in registers, one for each instance
 *         for R
 *             compute members of phase 0, add to the partial results, write
 *         combine the instances of reduced axes, and the lanes if the vector axis is reduced
 *         compute members of phase 1, write
 *
 * Sizes are static: every loop is written as whole blocks and then one rest, each with its own copy of what is inside.
 * A value that does not depend on the inner loops is computed before them. The broken last vector stands in the rest,
 * so that its lanes are known.
 */
#include "codegen/cpu/matrix.h"

static PlaitNest nest_create(PlaitCpu *cpu, const PlaitCpuPlan *plan, uint32_t place)
{
    return (PlaitNest){
        .cpu = cpu,
        .plan = plan,
        .place = place,
        .lanes = 1,
        .vector_loop = UINT32_MAX,
        .instances = 1,
        .values = PLAIT_NEW_ARRAY(cpu->emit->arena, LLVMValueRef *, cpu->kernel->nodes.count),
        .wide = PLAIT_NEW_ARRAY(cpu->emit->arena, LLVMValueRef *, cpu->kernel->nodes.count),
    };
}

PlaitNest plait_nest_of_scalars(PlaitCpu *cpu, const PlaitCpuPlan *plan, uint32_t place)
{
    return nest_create(cpu, plan, place);
}

static uint32_t lanes_of(const PlaitCpu *cpu, PlaitAxis vector)
{
    uint32_t tile = plait_cpu_tile(cpu->kernel, vector), lanes = cpu->emit->isa->vector_bytes / 4;
    while (lanes / 2 >= tile && lanes > 1) lanes /= 2;
    return lanes;
}

static void add_loops(PlaitNest *nest, PlaitAxisSet axes)
{
    PlaitAxis sorted[PLAIT_CPU_MAX_AXES];
    uint32_t count = plait_cpu_sorted(nest->cpu->kernel, axes, sorted);
    if (nest->loop_count + count > sizeof nest->loops / sizeof *nest->loops) plait_bug("a nest of too many loops");
    for (uint32_t i = 0; i < count; i++) {
        bool is_vector = sorted[i] == nest->group->vector;
        uint32_t unit = is_vector ? nest->lanes : 1, tile = plait_cpu_tile(nest->cpu->kernel, sorted[i]);
        if (is_vector) nest->vector_loop = nest->loop_count;
        nest->loops[nest->loop_count++] =
            (PlaitNestLoop){.axis = sorted[i], .unit = unit, .full = tile / unit, .tail = tile % unit, .block = 1};
    }
}

/* Buffers are padded: only where surplus lanes would be summed or leave for global memory does a broken vector matter.
 */
static void forget_tail(PlaitNest *nest)
{
    if (nest->vector_loop == UINT32_MAX) return;
    PlaitNestLoop *loop = &nest->loops[nest->vector_loop];
    bool packs = plait_cpu_node(nest->cpu->kernel, nest->group->members.data[0])->inner !=
                 PLAIT_NO_AXIS; /* reads along no row */
    if (nest->accesses.count || (nest->group->reduced & plait_axis_bit(loop->axis)) || packs) return;
    loop->full += loop->tail != 0;
    loop->tail = 0;
}

static void collect(PlaitNest *nest, PlaitCpuId id, bool *seen)
{
    const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, id);
    if (seen[id] || node->kind == PLAIT_CPU_NOTHING) return;
    seen[id] = true;
    if (node->kind == PLAIT_CPU_VIRTUAL)
        for (uint32_t i = 0; i < node->operand_count; i++) collect(nest, node->operands[i], seen);
    if (node->kind == PLAIT_CPU_VIRTUAL || !plait_nest_is_here(nest, id))
        plait_push(nest->cpu->emit->arena, &nest->hoisted, id);
}

static void collect_hoisted(PlaitNest *nest)
{
    bool *seen = PLAIT_NEW_ARRAY(nest->cpu->emit->arena, bool, nest->cpu->kernel->nodes.count);
    for (uint32_t i = 0; i < nest->group->members.count; i++) {
        const PlaitCpuNode *node = plait_cpu_node(nest->cpu->kernel, nest->group->members.data[i]);
        uint32_t count = node->op == PLAIT_OP_DOT ? 2 : node->operand_count;
        for (uint32_t k = 0; k < count && node->phase == 0 && !nest->matrix; k++)
            collect(nest, node->operands[k], seen);
    }
}

/* Instances along the vector axis come first: a dot then needs one broadcast number at a time beside its vectors. */
static void number_instances(PlaitNest *nest)
{
    for (uint32_t turn = 0; turn < 2; turn++)
        for (uint32_t i = 0; i < nest->loop_count; i++) {
            if ((i == nest->vector_loop) != (turn == 0)) continue;
            nest->loops[i].radix = nest->instances;
            nest->instances *= nest->loops[i].block;
        }
}

static PlaitNest nest_of_group(PlaitCpu *cpu, const PlaitCpuPlan *plan, uint32_t place, bool rows,
                               const PlaitMatrixProduct *matrix)
{
    PlaitNest nest = nest_create(cpu, plan, place);
    nest.group = &plan->groups.data[place];
    nest.rows = rows;
    if (nest.group->vector != PLAIT_NO_AXIS) nest.lanes = lanes_of(cpu, nest.group->vector);
    add_loops(&nest, nest.group->axes & ~nest.group->reduced);
    nest.kept_count = nest.loop_count;
    nest.matrix = matrix;
    if (!matrix) add_loops(&nest, nest.group->reduced);
    plait_nest_find_accesses(&nest);
    forget_tail(&nest);
    plait_nest_choose_blocks(&nest);
    number_instances(&nest);
    nest.sums = PLAIT_NEW_ARRAY(cpu->emit->arena, LLVMValueRef *, nest.group->members.count);
    for (uint32_t i = 0; i < nest.group->members.count; i++)
        nest.sums[i] = PLAIT_NEW_ARRAY(cpu->emit->arena, LLVMValueRef, nest.instances);
    collect_hoisted(&nest);
    return nest;
}

/* ---- instances ---- */

/* Whether the digits of the loops in [first, last) stand for points of the present copy, and all others are 0. */
static bool is_point(const PlaitNest *nest, uint32_t instance, uint32_t first, uint32_t last)
{
    for (uint32_t i = 0; i < nest->loop_count; i++) {
        uint32_t digit = plait_nest_digit(nest, instance, i);
        if (digit >= (i >= first && i < last ? nest->loops[i].now : 1)) return false;
    }
    return true;
}

static const PlaitCpuNode *member(const PlaitNest *nest, uint32_t index)
{
    return plait_cpu_node(nest->cpu->kernel, nest->group->members.data[index]);
}

/* ---- reductions ---- */

static LLVMValueRef identity(const PlaitNest *nest, const PlaitCpuNode *node)
{
    double number = node->op == PLAIT_OP_DOT ? 0 : plait_reduce_identity((PlaitOp)node->op, node->scalar);
    return plait_emit_number(nest->cpu->emit, node->scalar, nest->lanes, number);
}

static void begin_sums(PlaitNest *nest)
{
    for (uint32_t i = 0; i < nest->group->members.count; i++) {
        const PlaitCpuNode *node = member(nest, i);
        for (uint32_t instance = 0; instance < nest->instances; instance++) {
            nest->sums[i][instance] = NULL;
            uint32_t kept = plait_nest_restrict(nest, instance, node->axes);
            if (!plait_cpu_is_accumulation(node->op) || !is_point(nest, kept, 0, nest->kept_count)) continue;
            bool given = node->operand_count == 3 && instance == kept && plait_nest_is_wide(nest, node->axes);
            nest->sums[i][instance] = given ? plait_nest_wide(nest, node->operands[2], kept) : identity(nest, node);
        }
    }
}

/* Adds `x` to a partial result. A partial maximum is never NaN: it begins as -inf and a NaN never wins; so one
 * comparison will do. */
static LLVMValueRef combine(const PlaitNest *nest, const PlaitCpuNode *node, LLVMValueRef sum, LLVMValueRef x)
{
    PlaitEmit *emit = nest->cpu->emit;
    bool largest = node->op == PLAIT_OP_REDUCE_MAX;
    if ((largest || node->op == PLAIT_OP_REDUCE_MIN) && plait_scalar_kind(node->scalar) == PLAIT_FLOATING) {
        LLVMValueRef wins = LLVMBuildFCmp(emit->builder, largest ? LLVMRealOGT : LLVMRealOLT, x, sum, "");
        return plait_emit_select(emit, wins, x, sum);
    }
    return plait_emit_combine(emit, node->op == PLAIT_OP_DOT ? PLAIT_OP_REDUCE_SUM : (PlaitOp)node->op, node->scalar,
                              sum, x);
}

/* The identity in the lanes that are not in the tile. */
static LLVMValueRef masked(const PlaitNest *nest, const PlaitCpuNode *node, LLVMValueRef value, uint32_t valid)
{
    LLVMTypeRef bit = LLVMInt1TypeInContext(nest->cpu->emit->context);
    LLVMValueRef bits[PLAIT_CPU_ROW];
    for (uint32_t i = 0; i < nest->lanes; i++) bits[i] = LLVMConstInt(bit, i < valid, 0);
    return plait_emit_select(nest->cpu->emit, LLVMConstVector(bits, nest->lanes), value, identity(nest, node));
}

static void accumulate(PlaitNest *nest, const PlaitCpuNode *node, LLVMValueRef *sum, uint32_t instance)
{
    PlaitEmit *emit = nest->cpu->emit;
    uint32_t valid = nest->vector_loop != UINT32_MAX && nest->vector_loop >= nest->kept_count
                         ? plait_nest_lanes(nest, instance)
                         : nest->lanes;
    LLVMValueRef a = NULL, b = NULL;
    if (node->op == PLAIT_OP_DOT) {
        a = plait_nest_wide(nest, node->operands[0], instance);
        b = plait_nest_wide(nest, node->operands[1], instance);
    } else if (node->op != PLAIT_OP_REDUCE_SUM ||
               !plait_nest_product(nest, node->operands[0], instance, node->space, &a, &b)) {
        a = plait_nest_wide(nest, node->operands[0], instance);
    }
    if (b && valid == nest->lanes) {
        *sum = plait_emit_fma(emit, a, b, *sum);
        return;
    }
    if (b) a = LLVMBuildFMul(emit->builder, a, b, "");
    *sum = combine(nest, node, *sum, valid == nest->lanes ? a : masked(nest, node, a, valid));
}

/* `count` lanes of a vector from lane `first` on; one lane: a scalar. */
static LLVMValueRef lanes_from(const PlaitNest *nest, LLVMValueRef value, uint32_t first, uint32_t count)
{
    LLVMBuilderRef builder = nest->cpu->emit->builder;
    LLVMTypeRef i32 = LLVMInt32TypeInContext(nest->cpu->emit->context);
    LLVMValueRef picks[PLAIT_CPU_ROW];
    for (uint32_t i = 0; i < count; i++) picks[i] = LLVMConstInt(i32, first + i, 0);
    if (count == 1) return LLVMBuildExtractElement(builder, value, picks[0], "");
    return LLVMBuildShuffleVector(builder, value, LLVMGetPoison(LLVMTypeOf(value)), LLVMConstVector(picks, count), "");
}

/* All lanes of a vector as one number. */
static LLVMValueRef across(const PlaitNest *nest, const PlaitCpuNode *node, LLVMValueRef value)
{
    for (uint32_t half = nest->lanes / 2; half >= 1; half /= 2)
        value = combine(nest, node, lanes_from(nest, value, 0, half), lanes_from(nest, value, half, half));
    return value;
}

/* A sum that matrix units have computed, and what it is added to. */
static LLVMValueRef multiplied(PlaitNest *nest, const PlaitCpuNode *node, uint32_t kept)
{
    uint32_t row = 1 - nest->vector_loop;
    LLVMValueRef at[] = {plait_nest_position(nest, row, kept), plait_nest_position(nest, nest->vector_loop, kept)};
    LLVMValueRef value = plait_matrix_sums(nest->cpu, nest->matrix, at[0], at[1], nest->lanes);
    return node->operand_count == 3 ? combine(nest, node, plait_nest_wide(nest, node->operands[2], kept), value)
                                    : value;
}

/* Combines the partial results that belong to one kept point. */
static LLVMValueRef finished(PlaitNest *nest, uint32_t index, uint32_t kept)
{
    const PlaitCpuNode *node = member(nest, index);
    if (nest->matrix) return multiplied(nest, node, kept);
    LLVMValueRef parts[64];
    uint32_t count = 0;
    for (uint32_t instance = 0; instance < nest->instances; instance++)
        if (nest->sums[index][instance] && plait_nest_restrict(nest, instance, node->axes) == kept)
            parts[count++] = nest->sums[index][instance];
    for (; count > 1; count = (count + 1) / 2)
        for (uint32_t i = 0; i + (count + 1) / 2 < count; i++)
            parts[i] = combine(nest, node, parts[i], parts[i + (count + 1) / 2]);
    if (nest->vector_loop == UINT32_MAX || nest->vector_loop < nest->kept_count) return parts[0];
    LLVMValueRef value = across(nest, node, parts[0]);
    if (node->operand_count == 3) value = combine(nest, node, plait_nest_value(nest, node->operands[2], kept), value);
    return value;
}

/* ---- members ---- */

static void compute_member(PlaitNest *nest, uint32_t index, uint32_t instance)
{
    const PlaitCpuNode *node = member(nest, index);
    if (node->op != PLAIT_OP_STORE) {
        plait_nest_value(nest, nest->group->members.data[index], instance);
        return;
    }
    uint32_t rank = plait_cpu_node(nest->cpu->kernel, node->operands[0])->inst->type.rank;
    for (uint32_t i = rank + 1; i < node->operand_count; i++)
        plait_nest_operand(nest, node->operands[i], instance, i == rank + 1 ? node->space : 0);
}

static void write_member(PlaitNest *nest, uint32_t index, uint32_t instance)
{
    PlaitCpuId id = nest->group->members.data[index];
    const PlaitCpuNode *node = member(nest, index);
    if (node->op == PLAIT_OP_STORE) plait_nest_store(nest, id, instance);
    for (uint32_t i = 0; i < node->targets.count; i++)
        plait_nest_write_buffer(nest, node->targets.data[i], plait_nest_operand(nest, id, instance, node->axes),
                                instance);
}

/* All reads of a point come before its writes: a carry may be written where it is read. */
static void emit_point(PlaitNest *nest)
{
    for (uint32_t instance = 0; instance < nest->instances; instance++) {
        if (!is_point(nest, instance, 0, nest->loop_count)) continue;
        for (uint32_t i = 0; i < nest->group->members.count; i++) {
            const PlaitCpuNode *node = member(nest, i);
            if (node->phase) continue;
            if (plait_cpu_is_accumulation(node->op)) accumulate(nest, node, &nest->sums[i][instance], instance);
            else compute_member(nest, i, instance);
        }
        for (uint32_t i = 0; i < nest->group->members.count; i++)
            if (!member(nest, i)->phase && !plait_cpu_is_accumulation(member(nest, i)->op))
                write_member(nest, i, instance);
    }
}

static void end_sums(PlaitNest *nest)
{
    for (uint32_t instance = 0; instance < nest->instances; instance++) {
        if (!is_point(nest, instance, 0, nest->kept_count)) continue;
        for (uint32_t i = 0; i < nest->group->members.count; i++) {
            PlaitCpuId id = nest->group->members.data[i];
            const PlaitCpuNode *node = member(nest, i);
            if (plait_cpu_is_accumulation(node->op))
                plait_nest_remember(nest, plait_nest_entry(nest, nest->values, id, instance),
                                    finished(nest, i, instance));
            else if (node->phase) compute_member(nest, i, instance);
        }
        for (uint32_t i = 0; i < nest->group->members.count; i++)
            if (member(nest, i)->phase || plait_cpu_is_accumulation(member(nest, i)->op))
                write_member(nest, i, instance);
    }
}

/* ---- loops ---- */

static void forget_since(PlaitNest *nest, uint32_t mark)
{
    while (nest->trail.count > mark) *nest->trail.data[--nest->trail.count] = NULL;
}

/* Computes what is known from the loops up to `level` (the count of open loops) and read further inside. */
static void hoist(PlaitNest *nest, uint32_t level)
{
    PlaitAxisSet open = 0;
    for (uint32_t i = 0; i < level; i++) open |= plait_axis_bit(nest->loops[i].axis);
    for (uint32_t i = 0; i < nest->hoisted.count; i++) {
        PlaitCpuId id = nest->hoisted.data[i];
        PlaitAxisSet axes = plait_cpu_node(nest->cpu->kernel, id)->axes;
        bool newly = level ? axes & plait_axis_bit(nest->loops[level - 1].axis) : true;
        if (!newly || (axes & ~open)) continue;
        for (uint32_t instance = 0; instance < nest->instances; instance++)
            if (plait_nest_restrict(nest, instance, axes) == instance && is_point(nest, instance, 0, level))
                plait_nest_wide(nest, id, instance);
    }
}

static void emit_level(PlaitNest *nest, uint32_t level);

/* One copy of the loop at `level`: `count` times a body of `now` units, from element `start` on. */
static void emit_copy(PlaitNest *nest, uint32_t level, uint64_t start, uint32_t now, uint32_t count)
{
    PlaitCpu *cpu = nest->cpu;
    PlaitNestLoop *loop = &nest->loops[level];
    uint32_t mark = nest->trail.count, sums = 0, total = nest->group->members.count * nest->instances;
    LLVMValueRef *phis = PLAIT_NEW_ARRAY(cpu->emit->arena, LLVMValueRef, total);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(cpu->emit->builder);
    PlaitCpuLoop counter = {0};
    loop->now = now;
    loop->index = plait_cpu_number(cpu, start);
    if (count > 1) counter = plait_cpu_loop_begin(cpu, loop->index);
    if (count > 1) loop->index = counter.index;
    bool carries = count > 1 && level >= nest->kept_count;
    for (uint32_t i = 0; i < total && carries; i++) {
        LLVMValueRef *sum = &nest->sums[i / nest->instances][i % nest->instances];
        if (!*sum) continue;
        phis[sums++] = LLVMBuildPhi(cpu->emit->builder, LLVMTypeOf(*sum), "");
        LLVMAddIncoming(phis[sums - 1], sum, &before, 1);
        *sum = phis[sums - 1];
    }
    if (level + 1 < nest->loop_count) hoist(nest, level + 1);
    emit_level(nest, level + 1);
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(cpu->emit->builder);
    for (uint32_t i = 0, at = 0; at < sums; i++) {
        LLVMValueRef *sum = &nest->sums[i / nest->instances][i % nest->instances];
        if (*sum) LLVMAddIncoming(phis[at++], sum, &latch, 1);
    }
    uint64_t step = (uint64_t)now * loop->unit;
    if (count > 1)
        plait_cpu_loop_end(cpu, &counter, plait_cpu_number(cpu, step), plait_cpu_number(cpu, start + count * step));
    forget_since(nest, mark);
}

static void emit_copies(PlaitNest *nest, uint32_t level)
{
    PlaitNestLoop *loop = &nest->loops[level];
    uint32_t whole = loop->full / loop->block, rest = loop->full % loop->block;
    loop->broken = false;
    if (whole) emit_copy(nest, level, 0, loop->block, whole);
    loop->broken = loop->tail != 0;
    if (rest || loop->broken)
        emit_copy(nest, level, (uint64_t)whole * loop->block * loop->unit, rest + loop->broken, 1);
}

/* What stands inside the first `level` loops. */
static void emit_level(PlaitNest *nest, uint32_t level)
{
    bool sums = level == nest->kept_count && nest->kept_count < nest->loop_count;
    if (sums) begin_sums(nest);
    if (level < nest->loop_count) emit_copies(nest, level);
    else if (nest->matrix) end_sums(nest);
    else emit_point(nest);
    if (sums) end_sums(nest);
}

/* ---- versions ---- */

static void emit_version(PlaitCpu *cpu, const PlaitCpuPlan *plan, uint32_t place, bool rows,
                         const PlaitMatrixProduct *matrix, LLVMValueRef *results)
{
    PlaitNest nest = nest_of_group(cpu, plan, place, rows, matrix);
    hoist(&nest, 0);
    emit_level(&nest, 0);
    for (uint32_t i = 0; i < nest.group->members.count; i++) {
        PlaitCpuId id = nest.group->members.data[i];
        results[i] = !plait_cpu_node(cpu->kernel, id)->axes && nest.values[id] ? nest.values[id][0] : NULL;
    }
}

static void emit_versions(PlaitCpu *cpu, const PlaitCpuPlan *plan, uint32_t place, LLVMValueRef allowed,
                          const PlaitMatrixProduct *matrix)
{
    const PlaitCpuGroup *group = &plan->groups.data[place];
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMValueRef *results[2];
    LLVMBasicBlockRef starts[2] = {plait_cpu_block_add(cpu, "rows"), plait_cpu_block_add(cpu, "lanes")}, ends[2],
                      join = plait_cpu_block_add(cpu, "join");
    LLVMBuildCondBr(builder, allowed, starts[0], starts[1]);
    for (uint32_t i = 0; i < 2; i++) {
        results[i] = PLAIT_NEW_ARRAY(cpu->emit->arena, LLVMValueRef, group->members.count);
        LLVMPositionBuilderAtEnd(builder, starts[i]);
        emit_version(cpu, plan, place, i == 0, matrix, results[i]);
        ends[i] = LLVMGetInsertBlock(builder);
        LLVMBuildBr(builder, join);
    }
    LLVMPositionBuilderAtEnd(builder, join);
    for (uint32_t i = 0; i < group->members.count; i++) {
        if (!results[0][i]) continue;
        LLVMValueRef phi = LLVMBuildPhi(builder, LLVMTypeOf(results[0][i]), "");
        LLVMAddIncoming(phi, &results[0][i], &ends[0], 1);
        LLVMAddIncoming(phi, &results[1][i], &ends[1], 1);
        cpu->scalars[group->members.data[i]] = phi;
    }
}

void plait_nest_emit(PlaitCpu *cpu, const PlaitCpuPlan *plan, uint32_t place)
{
    const PlaitCpuGroup *group = &plan->groups.data[place];
    PlaitMatrixProduct product, *matrix = NULL;
    if (cpu->matrix[0] && plait_matrix_find(cpu->kernel, group, &product)) matrix = &product;
    if (matrix) plait_matrix_multiply(cpu, matrix);
    if (matrix && matrix->result) return;
    PlaitNest nest = nest_of_group(cpu, plan, place, true, matrix);
    LLVMValueRef allowed = plait_nest_rows_allowed(&nest);
    if (allowed) {
        emit_versions(cpu, plan, place, allowed, matrix);
        return;
    }
    LLVMValueRef *results = PLAIT_NEW_ARRAY(cpu->emit->arena, LLVMValueRef, group->members.count);
    emit_version(cpu, plan, place, false, matrix, results);
    for (uint32_t i = 0; i < group->members.count; i++)
        if (results[i]) cpu->scalars[group->members.data[i]] = results[i];
}
