/* What a kernel makes again: values that are read at other positions than their own.
 *
 * A convolution reads what it is given at as many positions as it has taps, a gather along more axes than its source
 * has at many positions for each of the source's. In memory those are reads; in the kernel that makes the value each
 * of them computes it anew: convolving a convolution costs the product of their taps. So a value stays in memory when
 * making it again takes longer than writing and reading it once, whatever it is and whoever reads it.
 */
#include "passes/stage/cost.h"
#include "passes/stage/fuse.h"

/* Operations for each element that are made again rather than stored. While 4 bytes are written and read a machine does
 * some 75 (two cores of a Zen 4) to 145 (an H100): eight convolutions of 4 taps with tanh between take 204 ms in one
 * kernel and 64 ms in four (CPU), two of 16 taps 35 and 19. What an access and a function of `exp`'s kind are worth. */
enum { MOST_AGAIN = 128, OPERATIONS_OF_ACCESS = 4, OPERATIONS_OF_FUNCTION = 12 };

double plait_fuse_elements(const PlaitFunction *function, PlaitType type)
{
    double count = 1;
    for (uint32_t i = 0; i < type.rank; i++) {
        int64_t size = function->axes.data[type.axes[i]].size;
        count *= size == PLAIT_RUNTIME_SIZE ? 1024 : (double)size;
    }
    return count;
}

/* Whether it is in memory as it is read, perhaps as another type. */
static bool is_stored(const PlaitFunction *function, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(function, value);
    while (inst->op == PLAIT_OP_CAST || inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(function, inst->operands[0]);
    return inst->op == PLAIT_OP_PARAM;
}

/* Operations of one instruction, for all of its elements. */
static double own_work(const PlaitFunction *function, const PlaitInst *inst)
{
    PlaitOp op = (PlaitOp)inst->op;
    double count = plait_fuse_elements(function, inst->type);
    if (op == PLAIT_OP_CONV) return 2 * (double)function->axes.data[inst->axes[1]].size * count;
    if (plait_op_is_reduce(op)) return plait_fuse_elements(function, plait_type_of(function, inst->operands[0]));
    if (plait_cost_is_function(op)) return OPERATIONS_OF_FUNCTION * count;
    return plait_op_is_pointwise(op) && op != PLAIT_OP_CAST ? count : 0;
}

/* Positions along an axis, of which those of run-time size count as 1024 tokens, or as many as are in blocks. */
static double positions(const PlaitFunction *function, PlaitAxis axis)
{
    const PlaitAxisInfo *info = &function->axes.data[axis];
    return info->size != PLAIT_RUNTIME_SIZE ? (double)info->size : info->block ? 1024.0 / info->block : 1024;
}

/* At how many positions shifted along an axis of its own an operand is read. Look-ups at computed positions, of which
 * the result has no axis left, are not counted: how many they are says nothing about how often an element is wanted. */
static double repeats(const PlaitFunction *function, const PlaitInst *reader)
{
    if (reader->op == PLAIT_OP_CONV) return positions(function, reader->axes[1]);
    if (!plait_type_has(reader->type, reader->axes[0])) return 1;
    PlaitType source = plait_type_of(function, reader->operands[0]);
    double count = 1 / positions(function, reader->axes[0]);
    for (uint32_t i = 0; i < reader->type.rank; i++)
        if (reader->type.axes[i] == reader->axes[0] || !plait_type_has(source, reader->type.axes[i]))
            count *= positions(function, reader->type.axes[i]);
    return count;
}

static void note_repeats(const PlaitFunction *function, const PlaitRegion *region, double *most)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(function, region->body.data[i]);
        if (inst->body) note_repeats(function, inst->body, most);
        if (inst->op != PLAIT_OP_CONV && inst->op != PLAIT_OP_GATHER) continue;
        double count = repeats(function, inst);
        if (count > most[inst->operands[0]]) most[inst->operands[0]] = count;
    }
}

double *plait_fuse_repeats(const PlaitFusion *fusion)
{
    double *most = PLAIT_NEW_ARRAY(fusion->arena, double, fusion->function->insts.count);
    note_repeats(fusion->function, fusion->function->body, most);
    return most;
}

/* Operations that make all of `value`, of which the kernel reads what is in memory and what others make. What is read
 * at other positions counts once too: positions of a filter's taps overlap, so one more of `value` wants one more of
 * that. `seen`, by value: it is counted already. */
static double work_of(const PlaitFusion *fusion, PlaitValue value, int kernel, bool *seen)
{
    const PlaitFunction *function = fusion->function;
    const PlaitInst *inst = plait_inst(function, value);
    if (seen[value] || inst->body || inst->op == PLAIT_OP_RESULT) return 0;
    seen[value] = true;
    bool here = fusion->cheap[value] || (kernel != PLAIT_NO_KERNEL && fusion->kernel[value] == kernel);
    if (!here || is_stored(function, value)) return OPERATIONS_OF_ACCESS * plait_fuse_elements(function, inst->type);
    double work = own_work(function, inst);
    for (uint32_t i = 0; i < inst->operand_count; i++) work += work_of(fusion, inst->operands[i], kernel, seen);
    return work;
}

/* Whether an element of `value`, of which the kernel makes what it does not find, is worth making so many times more.
 */
static bool is_worth_making(const PlaitFusion *fusion, PlaitValue value, int kernel, double times)
{
    bool *seen = PLAIT_NEW_ARRAY(fusion->arena, bool, fusion->function->insts.count);
    double work = work_of(fusion, value, kernel, seen) /
                  plait_fuse_elements(fusion->function, plait_type_of(fusion->function, value));
    return times * (work - OPERATIONS_OF_ACCESS) <= MOST_AGAIN;
}

bool plait_fuse_stays_cheap(const PlaitFusion *fusion, PlaitValue value, double repeats)
{
    return repeats <= 1 || is_stored(fusion->function, value) ||
           is_worth_making(fusion, value, PLAIT_NO_KERNEL, repeats - 1);
}

/* Counts the positions at which the kernel of `anchor` makes it for that reader: its own, and others. A reader that is
 * not placed yet may join, and will want it at its own position then. */
static void count_positions(const PlaitFusion *fusion, PlaitValue reader, PlaitValue anchor, bool joins, bool *own,
                            double *others)
{
    for (uint32_t i = 0; i < fusion->reads[reader].count; i++) {
        const PlaitAccess *access = &fusion->reads[reader].data[i];
        if (access->anchor != anchor) continue;
        *own |= access->own;
        if (joins) *others += access->others;
    }
}

bool plait_fuse_again_allows(const PlaitFusion *fusion, PlaitValue value, PlaitValue anchor)
{
    const PlaitValues *readers = &fusion->readers[anchor];
    bool own = plait_is_output(fusion->function, anchor);
    double others = 0;
    for (uint32_t i = 0; i < readers->count; i++) {
        PlaitValue reader = readers->data[i];
        bool joins = reader == value || fusion->kernel[reader] == fusion->kernel[anchor];
        count_positions(fusion, reader, anchor, joins, &own, &others);
    }
    double again = others - !own;
    return again <= 0 || is_worth_making(fusion, anchor, fusion->kernel[anchor], again);
}
