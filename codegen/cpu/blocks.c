/* How many units of each loop stand in the body of a nest: enough for independent work in flight, no more than the
 * registers hold.
 *
 * Dot: V vectors by M rows of the axis that only one operand has, M V partial results; each step of the contracted axis
 * loads V vectors and broadcasts M numbers. Reduction over other axes than the vector axis: as many vectors as the tile
 * has, up to the registers; a narrow tile takes several rows at once as well, for which what they share is read once,
 * or without rows several steps of the reduced axis, into partial results of their own. Else: a few vectors.
 */
#include "codegen/cpu/nest.h"

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }
static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

static uint32_t units_of(const PlaitNestLoop *loop) { return loop->full + (loop->tail != 0); }

/* Splits `units` into equal blocks of at most `most`. */
static uint32_t balanced(uint32_t units, uint32_t most)
{
    uint32_t blocks = (units + most - 1) / most;
    return blocks ? (units + blocks - 1) / blocks : 1;
}

/* Partial results that may stand in registers: of 32, or 16. */
static uint32_t register_budget(const PlaitNest *nest) { return nest->cpu->emit->isa->vector_bytes == 64 ? 24 : 12; }

static uint32_t count_members(const PlaitNest *nest, bool reductions)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < nest->group->members.count; i++)
        count += plait_cpu_is_accumulation(plait_cpu_node(nest->cpu->kernel, nest->group->members.data[i])->op) ==
                 reductions;
    return count;
}

/* ---- dots ---- */

/* The loop over rows: a kept axis, not the vector axis, that only one operand has; UINT32_MAX when there is none. */
static uint32_t row_loop(const PlaitNest *nest, const PlaitCpuNode *dot)
{
    PlaitAxisSet a = plait_cpu_node(nest->cpu->kernel, dot->operands[0])->axes,
                 b = plait_cpu_node(nest->cpu->kernel, dot->operands[1])->axes;
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < nest->kept_count; i++) {
        bool one = (a ^ b) & plait_axis_bit(nest->loops[i].axis);
        if (i != nest->vector_loop && one && (best == UINT32_MAX || nest->loops[i].full > nest->loops[best].full))
            best = i;
    }
    return best;
}

/* Work per load, less a tenth for a rest. */
static double dot_score(uint32_t rows, uint32_t vectors, uint32_t most_rows, uint32_t most_vectors)
{
    double score = (double)(rows * vectors) / (rows + vectors);
    if (rows * vectors < 8) score *= (rows * vectors) / 8.0;
    if (most_rows % rows) score *= 0.9;
    if (most_vectors % vectors) score *= 0.9;
    return score;
}

static void block_dot(PlaitNest *nest, const PlaitCpuNode *dot)
{
    uint32_t rows_at = row_loop(nest, dot), budget = register_budget(nest), best_rows = 1, best_vectors = 1;
    PlaitNestLoop *vector = &nest->loops[nest->vector_loop];
    uint32_t most_vectors = units_of(vector), most_rows = rows_at == UINT32_MAX ? 1 : nest->loops[rows_at].full;
    double best = 0;
    for (uint32_t vectors = 1; vectors <= smaller(most_vectors, 4); vectors++)
        for (uint32_t rows = 1; rows <= smaller(most_rows, 8) && rows * vectors <= budget; rows++) {
            double score = dot_score(rows, vectors, most_rows, most_vectors);
            if (score <= best) continue;
            best = score;
            best_rows = rows;
            best_vectors = vectors;
        }
    vector->block = best_vectors;
    if (rows_at != UINT32_MAX) nest->loops[rows_at].block = best_rows;
    PlaitNestLoop *contracted = &nest->loops[nest->loop_count - 1];
    if (best_rows * best_vectors < 8) contracted->block = smaller(contracted->full, 8 / (best_rows * best_vectors));
}

/* ---- the rest ---- */

static bool is_heavy(const PlaitNest *nest)
{
    uint32_t cost = 0;
    for (uint32_t i = 0; i < nest->group->members.count; i++)
        cost += plait_cpu_node(nest->cpu->kernel, nest->group->members.data[i])->cost;
    return cost >= 60;
}

static void block_kept_reduction(PlaitNest *nest, uint32_t reductions)
{
    PlaitNestLoop *vector = &nest->loops[nest->vector_loop], *inner = &nest->loops[nest->loop_count - 1];
    uint32_t most = register_budget(nest) * 2 / 3 / reductions;
    vector->block = balanced(units_of(vector), larger(1, smaller(most, is_heavy(nest) ? 4 : 8)));
    uint32_t in_flight = vector->block * reductions;
    if (nest->kept_count > 1 && !is_heavy(nest)) {
        PlaitNestLoop *row = &nest->loops[nest->kept_count - 2];
        row->block = larger(1, smaller(row->full, most / vector->block));
        in_flight *= row->block;
    }
    if (in_flight < 8 && !is_heavy(nest)) inner->block = larger(1, smaller(inner->full, smaller(4, 8 / in_flight)));
}

static void block_across(PlaitNest *nest, uint32_t reductions)
{
    PlaitNestLoop *vector = &nest->loops[nest->vector_loop];
    vector->block = balanced(units_of(vector), reductions > 2 || is_heavy(nest) ? 2 : 4);
    if (nest->kept_count && vector->block * reductions < 4) {
        PlaitNestLoop *row = &nest->loops[nest->kept_count - 1];
        row->block = larger(1, smaller(row->full, 4 / (vector->block * reductions)));
    }
}

static void block_pointwise(PlaitNest *nest)
{
    PlaitNestLoop *vector = &nest->loops[nest->vector_loop];
    uint32_t most = 4;
    vector->block = balanced(units_of(vector), most);
    if (nest->loop_count < 2 || vector->block > most / 2) return;
    PlaitNestLoop *row = &nest->loops[nest->loop_count - 2];
    row->block = larger(1, smaller(row->full, most / vector->block));
}

void plait_nest_choose_blocks(PlaitNest *nest)
{
    uint32_t reductions = count_members(nest, true);
    const PlaitCpuNode *first = plait_cpu_node(nest->cpu->kernel, nest->group->members.data[0]);
    bool single = nest->accesses.count && !nest->rows; /* the version that goes lane by lane is large enough */
    if (nest->vector_loop == UINT32_MAX || single) return;
    if (nest->matrix) block_pointwise(nest);
    else if (first->op == PLAIT_OP_DOT && nest->vector_loop < nest->kept_count) block_dot(nest, first);
    else if (reductions && nest->vector_loop >= nest->kept_count) block_across(nest, reductions);
    else if (reductions) block_kept_reduction(nest, reductions);
    else block_pointwise(nest);
}
