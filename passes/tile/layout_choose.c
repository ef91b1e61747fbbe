/* Searches the layout of a group of tiles by descent over a cost model.
 *
 * A candidate gives each axis a number of thread bits and a vector width; an order of the axes then places the bits:
 * each axis gets the lowest field that is free of the axes it occurs together with. Every order of up to four axes is
 * tried; for each, one axis or two at a time get the best bits and widths while that helps.
 *
 * Costs count instructions of one thread. A warp's memory access costs 4 and one for each 32-byte sector it touches; a
 * step of a reduction over lanes is a shuffle and a combination; a reduction over warps pays for shared memory and a
 * barrier. Registers beyond what a thread has make a candidate useless, so their cost grows with the square.
 */
#include "passes/tile/layout_choose.h"

#include <math.h>
#include <string.h>

typedef struct Candidate {
    uint32_t bits[PLAIT_MAX_RANK], vec[PLAIT_MAX_RANK], at[PLAIT_MAX_RANK];
} Candidate;

typedef struct Search {
    const PlaitLayoutGroup *group;
    uint32_t thread_bits;
    uint32_t order[PLAIT_MAX_RANK];
    Candidate best;
    double best_cost;
} Search;

enum { SHUFFLE = 3, BARRIER = 60, ACCESS = 4, STEPS_OF_DOT = 4, MOST_VEC = 8 };
/* A layout that is taken where there is no other: more than any number of instructions. */
enum { UNWANTED = 1000000000 };
/* Thread bits of four warps; of fragments: log2 of rows, of columns that one fragment has, of the fewest columns that
 * two groups of warps share (16 each, which `ldmatrix` reads at once). */
enum { WARPS_BITS = 7, ROWS_BITS = 6, COLUMNS_BITS = 3, HALVES_BITS = 5 };

static uint32_t slots_along(const PlaitLayoutGroup *group, const Candidate *candidate, uint32_t axis)
{
    uint32_t span = candidate->vec[axis] << candidate->bits[axis];
    return (group->sizes[axis] + span - 1) / span * candidate->vec[axis];
}

static double slots_of(const PlaitLayoutGroup *group, const Candidate *candidate, uint32_t axes)
{
    double slots = 1;
    for (uint32_t i = 0; i < group->count; i++)
        if (axes >> i & 1) slots *= slots_along(group, candidate, i);
    return slots;
}

static uint32_t lane_bits(const Candidate *candidate, uint32_t axis)
{
    uint32_t at = candidate->at[axis], end = at + candidate->bits[axis];
    if (at >= PLAIT_LANE_BITS) return 0;
    return (end < PLAIT_LANE_BITS ? end : PLAIT_LANE_BITS) - at;
}

static uint32_t lane_bits_of(const PlaitLayoutGroup *group, const Candidate *candidate, uint32_t axes)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < group->count; i++)
        if (axes >> i & 1) bits += lane_bits(candidate, i);
    return bits;
}

static double memory_cost(const PlaitLayoutGroup *group, const Candidate *candidate, const PlaitLayoutTerm *term)
{
    double accesses = slots_of(group, candidate, term->axes);
    double rows = ldexp(1, (int)lane_bits_of(group, candidate, term->axes & ~term->special)), row = term->bytes;
    for (uint32_t i = 0; i < group->count; i++) {
        if (!(term->special >> i & 1)) continue;
        uint32_t widest = 16 / term->bytes, vec = candidate->vec[i];
        accesses /= vec < widest ? vec : widest;
        row *= vec << lane_bits(candidate, i);
    }
    return accesses * (ACCESS + rows * ceil(row / 32));
}

static double reduce_cost(const PlaitLayoutGroup *group, const Candidate *candidate, const PlaitLayoutTerm *term)
{
    double results = slots_of(group, candidate, term->axes & ~term->special);
    uint32_t bits = 0;
    for (uint32_t i = 0; i < group->count; i++)
        if (term->special >> i & 1) bits += candidate->bits[i];
    uint32_t lanes = lane_bits_of(group, candidate, term->special);
    double cost = slots_of(group, candidate, term->axes) + results * SHUFFLE * lanes;
    if (bits > lanes) cost += BARRIER + results * (2 + ldexp(2, (int)(bits - lanes)));
    return cost;
}

static double term_cost(const PlaitLayoutGroup *group, const Candidate *candidate, const PlaitLayoutTerm *term)
{
    switch (term->kind) {
    case PLAIT_COST_WORK: return slots_of(group, candidate, term->axes);
    case PLAIT_COST_MEMORY: return memory_cost(group, candidate, term);
    case PLAIT_COST_REDUCE: return reduce_cost(group, candidate, term);
    case PLAIT_COST_DOT:
        return slots_of(group, candidate, term->axes) + slots_of(group, candidate, term->special) +
               slots_of(group, candidate, term->other);
    case PLAIT_COST_CARRY:
    case PLAIT_COST_LIVE: break;
    }
    return 0;
}

/* Registers that the group needs at once, roughly: its carries, and half as much again as its largest other value. */
static double registers_of(const PlaitLayoutGroup *group, const Candidate *candidate)
{
    double carried = 0, largest = 0;
    for (uint32_t i = 0; i < group->terms.count; i++) {
        const PlaitLayoutTerm *term = &group->terms.data[i];
        double size = term->bytes > 4 ? 2 : 1;
        if (term->kind == PLAIT_COST_CARRY) carried += term->weight * size * slots_of(group, candidate, term->axes);
        if (term->kind == PLAIT_COST_LIVE) largest = fmax(largest, size * slots_of(group, candidate, term->axes));
        if (term->kind == PLAIT_COST_DOT)
            largest = fmax(largest, STEPS_OF_DOT * (slots_of(group, candidate, term->special) +
                                                    slots_of(group, candidate, term->other)));
    }
    return carried + 1.5 * largest;
}

/* Puts the fields of thread bits; false when there are not enough. */
static bool place(const Search *search, Candidate *candidate)
{
    const PlaitLayoutGroup *group = search->group;
    for (uint32_t k = 0; k < group->count; k++) {
        uint32_t axis = search->order[k], taken = 0;
        for (uint32_t j = 0; j < k; j++) {
            uint32_t other = search->order[j];
            if (group->together[axis] >> other & 1)
                taken |= ((1u << candidate->bits[other]) - 1) << candidate->at[other];
        }
        uint32_t field = (1u << candidate->bits[axis]) - 1, at = 0;
        while (taken & field << at) at++;
        if (at + candidate->bits[axis] > search->thread_bits) return false;
        candidate->at[axis] = at;
    }
    return true;
}

static double candidate_cost(const Search *search, Candidate *candidate)
{
    if (!place(search, candidate)) return INFINITY;
    double cost = 0;
    for (uint32_t i = 0; i < search->group->terms.count; i++) {
        const PlaitLayoutTerm *term = &search->group->terms.data[i];
        cost += term->weight * term_cost(search->group, candidate, term);
    }
    double budget = search->thread_bits >= 9 ? 80 : 192;
    double over = fmax(0, registers_of(search->group, candidate) - budget) / 16;
    return cost * (1 + over * over);
}

/* Takes the candidate if it is cheaper; the same cost keeps what was found first. */
static bool take_if_better(Search *search, Candidate candidate, Candidate *current, double *cost)
{
    double now = candidate_cost(search, &candidate);
    if (!(now < *cost)) return false;
    *current = candidate;
    *cost = now;
    return true;
}

static bool fits(const PlaitLayoutGroup *group, uint32_t axis, uint32_t bits, uint32_t vec)
{
    if (vec > 1 && (group->sizes[axis] % vec || !(group->wide >> axis & 1))) return false;
    return bits == 0 || vec << (bits - 1) < group->sizes[axis];
}

static bool improve_axis(Search *search, uint32_t axis, Candidate *current, double *cost)
{
    bool improved = false;
    for (uint32_t vec = 1; vec <= MOST_VEC; vec *= 2) {
        for (uint32_t bits = 0; bits <= search->thread_bits && fits(search->group, axis, bits, vec); bits++) {
            Candidate candidate = *current;
            candidate.bits[axis] = bits;
            candidate.vec[axis] = vec;
            improved |= take_if_better(search, candidate, current, cost);
        }
    }
    return improved;
}

/* The widest vector for that many thread bits. */
static uint32_t widest(const PlaitLayoutGroup *group, uint32_t axis, uint32_t bits)
{
    uint32_t vec = MOST_VEC;
    while (vec > 1 && (!fits(group, axis, bits, vec) || vec << bits > group->sizes[axis])) vec /= 2;
    return vec;
}

/* All ways to give two axes thread bits, each with single elements or the widest vectors. */
static bool improve_pair(Search *search, uint32_t first, uint32_t second, Candidate *current, double *cost)
{
    const PlaitLayoutGroup *group = search->group;
    bool improved = false;
    for (uint32_t i = 0; i <= search->thread_bits && fits(group, first, i, 1); i++) {
        for (uint32_t k = 0; k <= search->thread_bits && fits(group, second, k, 1); k++) {
            for (uint32_t wide = 0; wide < 4; wide++) {
                Candidate candidate = *current;
                candidate.bits[first] = i;
                candidate.bits[second] = k;
                candidate.vec[first] = wide & 1 ? widest(group, first, i) : 1;
                candidate.vec[second] = wide & 2 ? widest(group, second, k) : 1;
                improved |= take_if_better(search, candidate, current, cost);
            }
        }
    }
    return improved;
}

static bool improve_pairs(Search *search, Candidate *current, double *cost)
{
    bool improved = false;
    for (uint32_t first = 0; first < search->group->count; first++)
        for (uint32_t second = first + 1; second < search->group->count; second++)
            improved |= improve_pair(search, first, second, current, cost);
    return improved;
}

/* From `bits` thread bits for every axis, or as many as it has use for. */
static void descend(Search *search, uint32_t bits)
{
    Candidate current = {0};
    for (uint32_t i = 0; i < search->group->count; i++) {
        current.vec[i] = 1;
        while (current.bits[i] < bits && fits(search->group, i, current.bits[i] + 1, 1)) current.bits[i]++;
    }
    double cost = candidate_cost(search, &current);
    for (bool improved = true; improved;) {
        improved = false;
        for (uint32_t i = 0; i < search->group->count; i++) improved |= improve_axis(search, i, &current, &cost);
        improved |= improve_pairs(search, &current, &cost);
    }
    if (cost < search->best_cost) {
        search->best = current;
        search->best_cost = cost;
    }
}

/* Tries every order of the first four axes, the others after them. */
static void try_orders(Search *search, uint32_t from)
{
    uint32_t most = search->group->count < 4 ? search->group->count : 4;
    if (from >= most) {
        descend(search, 0);
        descend(search, search->thread_bits / 2);
        return;
    }
    for (uint32_t i = from; i < most; i++) {
        uint32_t chosen = search->order[i];
        search->order[i] = search->order[from];
        search->order[from] = chosen;
        try_orders(search, from + 1);
        search->order[from] = search->order[i];
        search->order[i] = chosen;
    }
}

static PlaitLayoutAxis axis_layout(const PlaitLayoutGroup *group, const Candidate *candidate, uint32_t index)
{
    PlaitLayoutAxis entry = {.axis = group->axes[index]};
    uint8_t vector = 0;
    while (1u << vector < candidate->vec[index]) vector++;
    if (vector) entry.parts[entry.count++] = (PlaitLayoutPart){PLAIT_REGISTERS, vector};
    if (candidate->bits[index])
        entry.parts[entry.count++] = (PlaitLayoutPart){(uint8_t)candidate->at[index], (uint8_t)candidate->bits[index]};
    return entry;
}

static void add_part(PlaitLayoutAxis *entry, uint8_t thread, uint32_t bits)
{
    if (bits) entry->parts[entry->count++] = (PlaitLayoutPart){thread, (uint8_t)bits};
}

/* log2 of the size over 2^unit; -1 where that is no power of two. */
static int bits_above(uint32_t size, uint32_t unit)
{
    uint32_t bits = unit;
    while (1u << bits < size) bits++;
    return 1u << bits == size ? (int)(bits - unit) : -1;
}

/* Of the thread bits above those of four warps, how many the groups of warps with other columns have; -1: the number of
 * threads does not fit. */
static int bits_of_halves(const PlaitLayoutGroup *group, uint32_t thread_bits)
{
    int halves = -1;
    for (uint32_t i = 0; i < group->count; i++) {
        int bits = group->rows >> i & 1 ? bits_above(group->sizes[i], ROWS_BITS) : 0;
        if (bits < 0) return -1;
        if (group->rows >> i & 1) halves = (int)thread_bits - WARPS_BITS - bits;
    }
    if (halves == 0 || halves > 1 || !group->halves) return halves == 0 ? 0 : -1;
    for (uint32_t i = 0; i < group->count; i++)
        if (!group->whole && !(group->rows >> i & 1) && bits_above(group->sizes[i], HALVES_BITS) < 0) return -1;
    return halves;
}

/* The fragments of the matrix units (codegen/ptx/matrix.h): four warps for each 64 rows; a thread holds two rows, and
 * of every other axis two of eight neighbours. With halves, twice as many warps: the upper ones have the upper half of
 * every other axis, unless these are to be whole. That is what is wanted wherever all groups of the kernel can have it.
 */
static PlaitLayout fragments(const PlaitLayoutGroup *group, uint32_t thread_bits, double *cost)
{
    PlaitLayout layout = {.count = (uint8_t)group->count};
    int halves = bits_of_halves(group, thread_bits);
    *cost = halves < 0 ? INFINITY : group->halves && !halves ? UNWANTED : 0;
    for (uint32_t i = 0; i < group->count; i++) {
        PlaitLayoutAxis *entry = &layout.axes[i];
        entry->axis = group->axes[i];
        if (group->rows >> i & 1) {
            add_part(entry, 2, 3);
            add_part(entry, PLAIT_REGISTERS, 1);
            add_part(entry, 5, 2);
            if (halves >= 0) add_part(entry, WARPS_BITS, thread_bits - WARPS_BITS - (uint32_t)halves);
        } else {
            add_part(entry, PLAIT_REGISTERS, 1);
            add_part(entry, 0, 2);
            if (halves <= 0 || group->whole) continue;
            add_part(entry, PLAIT_REGISTERS, (uint32_t)bits_above(group->sizes[i], COLUMNS_BITS + 1));
            add_part(entry, (uint8_t)(thread_bits - 1), 1);
        }
    }
    return layout;
}

PlaitLayout plait_layout_choose(const PlaitLayoutGroup *group, uint32_t thread_bits, double *cost)
{
    if (group->rows) return fragments(group, thread_bits, cost);
    Search search = {.group = group, .thread_bits = thread_bits, .best_cost = INFINITY};
    for (uint32_t i = 0; i < group->count; i++) {
        search.order[i] = i;
        search.best.vec[i] = 1;
    }
    try_orders(&search, 0);
    PlaitLayout layout = {.count = (uint8_t)group->count};
    for (uint32_t i = 0; i < group->count; i++) layout.axes[i] = axis_layout(group, &search.best, i);
    *cost = search.best_cost;
    return layout;
}
