/* Moving values to the kernel that alone reads them.
 *
 * For a value that goes from one kernel to one other through memory: take it and all that its kernel makes for it
 * alone. If what this group in turn reads of its kernel weighs no more than the value, the group moves to the reader: a
 * norm of the queries moves into the attention that uses it, while the division after a normaliser stays where the sums
 * are.
 */
#include "passes/stage/fuse.h"

typedef struct Sink {
    PlaitFusion *fusion;
    bool *moving; /* by value */
    int from, to;
} Sink;

static const PlaitInst *def(const PlaitFusion *fusion, PlaitValue value) { return plait_inst(fusion->function, value); }

static bool movable(const PlaitFusion *fusion, PlaitValue value)
{
    PlaitOp op = (PlaitOp)def(fusion, value)->op;
    return op != PLAIT_OP_RESULT && op != PLAIT_OP_SCAN && op != PLAIT_OP_FOLD &&
           !plait_is_output(fusion->function, value);
}

/* Whether `value` can stand in kernel `to` beside all that reads it, which is there or moves there. */
static bool read_there_only(const Sink *sink, PlaitValue value)
{
    const PlaitFusion *fusion = sink->fusion;
    const PlaitValues *readers = &fusion->readers[value];
    for (uint32_t r = 0; r < readers->count; r++) {
        PlaitValue user = readers->data[r];
        if (fusion->kernel[user] != sink->to && !sink->moving[user]) return false;
        const PlaitAccesses *accesses = &fusion->reads[user];
        for (uint32_t i = 0; i < accesses->count; i++)
            if (accesses->data[i].anchor == value &&
                !plait_fuse_access_allows(fusion, &fusion->kernels[sink->to], user, &accesses->data[i]))
                return false;
    }
    return readers->count > 0;
}

/* The one other kernel that reads `value`, or PLAIT_NO_KERNEL. */
static int only_reader(const PlaitFusion *fusion, PlaitValue value)
{
    const PlaitValues *readers = &fusion->readers[value];
    int reader = readers->count ? fusion->kernel[readers->data[0]] : PLAIT_NO_KERNEL;
    for (uint32_t r = 1; r < readers->count; r++)
        if (fusion->kernel[readers->data[r]] != reader) return PLAIT_NO_KERNEL;
    return reader == fusion->kernel[value] ? PLAIT_NO_KERNEL : reader;
}

/* How much of memory a value takes, roughly: axes of unknown length count as 1024. */
static uint64_t weight(const PlaitFusion *fusion, PlaitValue value)
{
    PlaitType type = def(fusion, value)->type;
    uint64_t bytes = plait_scalar_bytes((PlaitScalar)type.scalar);
    for (uint32_t i = 0; i < type.rank; i++) {
        int64_t size = fusion->function->axes.data[type.axes[i]].size;
        bytes *= size == PLAIT_RUNTIME_SIZE ? 1024 : (uint64_t)size;
    }
    return bytes;
}

/* Whether the group may stand in the reader's kernel, and what it reads of its own weighs no more than `value`. */
static bool worth_moving(const Sink *sink, PlaitValue value, const PlaitValues *members)
{
    const PlaitFusion *fusion = sink->fusion;
    bool *counted = PLAIT_NEW_ARRAY(fusion->arena, bool, fusion->function->insts.count);
    uint64_t read = 0;
    for (uint32_t m = 0; m < members->count; m++) {
        if (!sink->moving[members->data[m]]) continue;
        const PlaitFusedKernel *to = &fusion->kernels[sink->to];
        if (!plait_fuse_size_allows(fusion, to, members->data[m]) ||
            !plait_fuse_structure_allows(fusion, to, members->data[m]))
            return false;
        const PlaitAccesses *accesses = &fusion->reads[members->data[m]];
        uint64_t needs = 0;
        for (uint32_t i = 0; i < accesses->count; i++) {
            PlaitValue anchor = accesses->data[i].anchor;
            if (sink->moving[anchor]) continue;
            needs |= (uint64_t)1 << fusion->kernel[anchor];
            if (fusion->kernel[anchor] == sink->from && !counted[anchor]) read += weight(fusion, anchor);
            counted[anchor] = true;
        }
        if (plait_fuse_all_needs(fusion, needs) >> sink->to & 1) return false;
    }
    return read <= weight(fusion, value);
}

static void recompute_needs(PlaitFusion *fusion, uint32_t k)
{
    PlaitFusedKernel *kernel = &fusion->kernels[k];
    kernel->needs = 0;
    for (uint32_t m = 0; m < kernel->members.count; m++) {
        if (def(fusion, kernel->members.data[m])->op == PLAIT_OP_RESULT) continue;
        kernel->needs |= plait_fuse_needs_of(fusion, &fusion->reads[kernel->members.data[m]]) & ~((uint64_t)1 << k);
    }
}

static void move_group(Sink *sink)
{
    PlaitFusion *fusion = sink->fusion;
    PlaitFusedKernel *from = &fusion->kernels[sink->from];
    PlaitValues members = from->members;
    from->members = (PlaitValues){0};
    for (uint32_t m = 0; m < members.count; m++) {
        if (!sink->moving[members.data[m]]) {
            plait_push(fusion->arena, &from->members, members.data[m]);
            continue;
        }
        fusion->post[members.data[m]] = false;
        plait_fuse_join(fusion, (uint32_t)sink->to, members.data[m], &fusion->reads[members.data[m]]);
    }
    recompute_needs(fusion, (uint32_t)sink->from);
    recompute_needs(fusion, (uint32_t)sink->to);
}

static void sink_value(PlaitFusion *fusion, PlaitValue value)
{
    if (fusion->kernel[value] == PLAIT_NO_KERNEL || !movable(fusion, value)) return;
    int to = only_reader(fusion, value);
    if (to == PLAIT_NO_KERNEL) return;
    Sink sink = {fusion, PLAIT_NEW_ARRAY(fusion->arena, bool, fusion->function->insts.count), fusion->kernel[value],
                 to};
    if (!read_there_only(&sink, value)) return;
    const PlaitValues members = fusion->kernels[sink.from].members;
    sink.moving[value] = true;
    for (uint32_t m = members.count; m-- > 0;) {
        PlaitValue member = members.data[m];
        if (member != value && movable(fusion, member) && read_there_only(&sink, member)) sink.moving[member] = true;
    }
    if (worth_moving(&sink, value, &members)) move_group(&sink);
}

void plait_fuse_sink(PlaitFusion *fusion)
{
    for (uint32_t i = fusion->function->body->body.count; i-- > 0;)
        sink_value(fusion, fusion->function->body->body.data[i]);
}
