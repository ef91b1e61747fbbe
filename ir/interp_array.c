/* Slots of the interpreter and loops over them: the only code that knows strides. */
#include <stdlib.h>
#include <string.h>

#include "ir/interp_machine.h"

enum {
    KEEP = 4096,     /* buffers up to this many elements stay with their slot when it is released */
    PIECE = 1 << 15, /* elements of one piece: stays in the second-level cache */
};

double *plait_interp_doubles(int64_t count)
{
    if (count < 0 || count > INT64_MAX / (int64_t)sizeof(double)) return NULL;
    return malloc(count ? (size_t)count * sizeof(double) : sizeof(double));
}

static int64_t product(int64_t x, int64_t y)
{
    if (x == 0 || y == 0) return 0;
    return x > INT64_MAX / y ? INT64_MAX : x * y;
}

int64_t plait_interp_count(const PlaitMachine *machine, PlaitType type)
{
    int64_t count = 1;
    bool empty = false;
    for (uint32_t i = 0; i < type.rank; i++) {
        empty |= machine->windows[type.axes[i]].count == 0;
        count = product(count, machine->windows[type.axes[i]].count);
    }
    return empty ? 0 : count;
}

bool plait_interp_allocate(const PlaitMachine *machine, PlaitSlot *slot, PlaitType type)
{
    int64_t count = plait_interp_count(machine, type);
    if (!slot->buffer || slot->capacity < count) {
        free(slot->buffer);
        slot->valid = false;
        slot->buffer = plait_interp_doubles(count);
        slot->capacity = slot->buffer ? count : 0;
        if (!slot->buffer) return false;
    }
    slot->type = type;
    slot->data = slot->buffer;
    int64_t stride = 1;
    for (uint32_t i = type.rank; i-- > 0;) {
        slot->windows[i] = machine->windows[type.axes[i]];
        slot->strides[i] = stride;
        stride = product(stride, slot->windows[i].count);
    }
    return true;
}

void plait_interp_release(PlaitSlot *slot)
{
    slot->valid = false;
    for (uint32_t i = 0; i < slot->result_count; i++) plait_interp_release(&slot->results[i]);
    if (slot->capacity <= KEEP) return;
    free(slot->buffer);
    slot->buffer = slot->data = NULL;
    slot->capacity = 0;
}

void plait_interp_destroy(PlaitSlot *slot)
{
    for (uint32_t i = 0; i < slot->result_count; i++) plait_interp_destroy(&slot->results[i]);
    free(slot->results);
    free(slot->buffer);
}

bool plait_interp_covers(const PlaitMachine *machine, const PlaitSlot *slot)
{
    if (!slot->valid) return false;
    for (uint32_t i = 0; i < slot->result_count; i++)
        if (!plait_interp_covers(machine, &slot->results[i])) return false;
    for (uint32_t i = 0; i < slot->type.rank; i++) {
        PlaitWindow window = machine->windows[slot->type.axes[i]], held = slot->windows[i];
        if (window.count == 0) continue;
        if (window.start < held.start || window.start + window.count > held.start + held.count) return false;
    }
    return true;
}

PlaitNest plait_interp_nest(const PlaitMachine *machine, PlaitType type)
{
    PlaitNest nest = {.rank = type.rank};
    for (uint32_t i = 0; i < type.rank; i++) {
        nest.axes[i] = type.axes[i];
        nest.sizes[i] = machine->windows[type.axes[i]].count;
    }
    return nest;
}

int64_t plait_interp_stride(const PlaitSlot *slot, PlaitAxis axis)
{
    for (uint32_t i = 0; i < slot->type.rank; i++)
        if (slot->type.axes[i] == axis) return slot->strides[i];
    return 0;
}

void plait_interp_nest_add(const PlaitMachine *machine, PlaitNest *nest, const PlaitSlot *slot, PlaitAxis skip)
{
    uint32_t operand = nest->operands++;
    int64_t offset = 0;
    for (uint32_t k = 0; k < nest->rank; k++) nest->strides[operand][k] = 0;
    for (uint32_t i = 0; i < slot->type.rank; i++) {
        PlaitAxis axis = slot->type.axes[i];
        bool skipped = axis == skip;
        int64_t start = skipped ? 0 : machine->windows[axis].start;
        if (skipped || machine->windows[axis].count > 0) offset += (start - slot->windows[i].start) * slot->strides[i];
        for (uint32_t k = 0; k < nest->rank && !skipped; k++)
            if (nest->axes[k] == axis) nest->strides[operand][k] = slot->strides[i];
    }
    nest->data[operand] = slot->data + offset;
}

/* Whether loop `inner` continues loop `outer` in every operand, so that the two are one longer loop. */
static bool continues(const PlaitNest *nest, uint32_t outer, uint32_t inner)
{
    for (uint32_t k = 0; k < nest->operands; k++)
        if (nest->strides[k][outer] != nest->strides[k][inner] * nest->sizes[inner]) return false;
    return true;
}

static int64_t total_stride(const PlaitNest *nest, uint32_t axis)
{
    int64_t total = 0;
    for (uint32_t k = 0; k < nest->operands; k++) total += nest->strides[k][axis];
    return total;
}

static void exchange(int64_t *x, int64_t *y)
{
    int64_t kept = *x;
    *x = *y;
    *y = kept;
}

/* Loops of short strides go inside: the order of the loops is not part of the meaning. */
static void sort(PlaitNest *nest)
{
    for (uint32_t i = 1; i < nest->rank; i++)
        for (uint32_t j = i; j > 0 && total_stride(nest, j - 1) < total_stride(nest, j); j--) {
            exchange(&nest->sizes[j - 1], &nest->sizes[j]);
            for (uint32_t k = 0; k < nest->operands; k++) exchange(&nest->strides[k][j - 1], &nest->strides[k][j]);
        }
}

/* Drops loops of one turn and joins neighbours that continue each other; leaves at least one loop. */
static void simplify(PlaitNest *nest)
{
    sort(nest);
    uint32_t rank = 0;
    for (uint32_t i = 0; i < nest->rank; i++) {
        if (nest->sizes[i] == 1) continue;
        nest->sizes[rank] = nest->sizes[i];
        for (uint32_t k = 0; k < nest->operands; k++) nest->strides[k][rank] = nest->strides[k][i];
        rank++;
        if (rank < 2 || !continues(nest, rank - 2, rank - 1)) continue;
        nest->sizes[rank - 2] *= nest->sizes[rank - 1];
        for (uint32_t k = 0; k < nest->operands; k++) nest->strides[k][rank - 2] = nest->strides[k][rank - 1];
        rank--;
    }
    if (rank == 0) {
        nest->sizes[0] = 1;
        for (uint32_t k = 0; k < nest->operands; k++) nest->strides[k][0] = 0;
        rank = 1;
    }
    nest->rank = rank;
}

void plait_interp_nest_run(PlaitNest *nest, PlaitLoop *loop, const void *context)
{
    for (uint32_t i = 0; i < nest->rank; i++)
        if (nest->sizes[i] == 0) return;
    simplify(nest);
    uint32_t last = nest->rank - 1;
    int64_t index[PLAIT_MAX_RANK] = {0}, strides[PLAIT_NEST_OPERANDS];
    for (uint32_t k = 0; k < nest->operands; k++) strides[k] = nest->strides[k][last];
    for (;;) {
        loop(context, nest->sizes[last], nest->data, strides);
        uint32_t axis = last;
        for (;;) {
            if (axis-- == 0) return;
            for (uint32_t k = 0; k < nest->operands; k++) nest->data[k] += nest->strides[k][axis];
            if (++index[axis] < nest->sizes[axis]) break;
            for (uint32_t k = 0; k < nest->operands; k++) nest->data[k] -= nest->strides[k][axis] * nest->sizes[axis];
            index[axis] = 0;
        }
    }
}

void plait_interp_copy_loop(const void *context, int64_t n, double *const *data, const int64_t *strides)
{
    (void)context;
    for (int64_t i = 0; i < n; i++) data[0][i * strides[0]] = data[1][i * strides[1]];
}

void plait_interp_copy(const PlaitMachine *machine, const PlaitSlot *to, const PlaitSlot *from)
{
    PlaitNest nest = plait_interp_nest(machine, to->type);
    plait_interp_nest_add(machine, &nest, to, PLAIT_NO_AXIS);
    plait_interp_nest_add(machine, &nest, from, PLAIT_NO_AXIS);
    plait_interp_nest_run(&nest, plait_interp_copy_loop, NULL);
}

/* Small values are one piece. Of large ones the last axes stay whole, as many as fit. */
PlaitPieces plait_interp_pieces(const PlaitMachine *machine, PlaitType type)
{
    PlaitPieces pieces = {.type = type};
    bool large = plait_interp_count(machine, type) > PLAIT_INTERP_LARGE;
    int64_t inner = 1;
    for (uint32_t i = type.rank; i-- > 0;) {
        pieces.whole[i] = machine->windows[type.axes[i]];
        int64_t fits = large ? PIECE / inner : INT64_MAX;
        if (fits < 1) fits = 1;
        pieces.block[i] = pieces.whole[i].count < fits ? pieces.whole[i].count : fits;
        if (large) inner *= pieces.block[i] ? pieces.block[i] : 1;
    }
    return pieces;
}

static void set_window(PlaitMachine *machine, const PlaitPieces *pieces, uint32_t i, int64_t start)
{
    int64_t left = pieces->whole[i].start + pieces->whole[i].count - start;
    int64_t count = left < pieces->block[i] ? left : pieces->block[i];
    machine->windows[pieces->type.axes[i]] = (PlaitWindow){start, count};
}

bool plait_interp_pieces_next(PlaitMachine *machine, PlaitPieces *pieces)
{
    if (!pieces->started) {
        pieces->started = true;
        for (uint32_t i = 0; i < pieces->type.rank; i++)
            if (pieces->whole[i].count == 0) return false;
        for (uint32_t i = 0; i < pieces->type.rank; i++) set_window(machine, pieces, i, pieces->whole[i].start);
        return true;
    }
    for (uint32_t i = pieces->type.rank; i-- > 0;) {
        int64_t next = machine->windows[pieces->type.axes[i]].start + pieces->block[i];
        if (next < pieces->whole[i].start + pieces->whole[i].count) {
            set_window(machine, pieces, i, next);
            return true;
        }
        set_window(machine, pieces, i, pieces->whole[i].start);
    }
    for (uint32_t i = 0; i < pieces->type.rank; i++) machine->windows[pieces->type.axes[i]] = pieces->whole[i];
    return false;
}
