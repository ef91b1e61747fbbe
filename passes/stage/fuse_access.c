/* What an instruction reads: anchors, looking through cheap values, and at which positions. */
#include "ir/affine.h"
#include "passes/stage/fuse.h"

/* Operations of a cheap value's whole expression; of one of positions alone, which has no place of its own. */
enum { CHEAP_LIMIT = 32, CHEAP_POSITIONS = 256 };
/* How many times as large as what it is made of a value is that is made again rather than stored. */
enum { SPREAD = 4 };

bool plait_fuse_is_rounding(const PlaitFunction *function, const PlaitInst *inst)
{
    return inst->op == PLAIT_OP_CAST && plait_scalar_is_16_bit((PlaitScalar)inst->type.scalar) &&
           !plait_scalar_is_16_bit((PlaitScalar)plait_type_of(function, inst->operands[0]).scalar);
}

/* Whether it reads what was rounded before, at other positions: from memory, like a parameter. */
static bool reads_rounded(const PlaitFunction *function, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(function, value);
    return inst->op == PLAIT_OP_GATHER && !function->axes.data[inst->axes[0]].place &&
           plait_fuse_is_rounding(function, plait_inst(function, inst->operands[0]));
}

/* Whether it only widens what was rounded before: each reader does so itself, so that the rounded number is stored. */
static bool is_widening(const PlaitFunction *function, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(function, value);
    return inst->op == PLAIT_OP_CAST && !plait_scalar_is_16_bit((PlaitScalar)inst->type.scalar) &&
           (plait_fuse_is_rounding(function, plait_inst(function, inst->operands[0])) ||
            reads_rounded(function, inst->operands[0]));
}

static bool may_be_cheap(const PlaitInst *inst)
{
    return plait_op_is_pointwise((PlaitOp)inst->op) || inst->op == PLAIT_OP_CONST || inst->op == PLAIT_OP_IOTA ||
           inst->op == PLAIT_OP_SIZE || inst->op == PLAIT_OP_BROADCAST || inst->op == PLAIT_OP_GATHER;
}

/* Elements of a value, roughly: axes of unknown length count as 1024. */
static double elements(const PlaitFunction *function, PlaitType type)
{
    double count = 1;
    for (uint32_t i = 0; i < type.rank; i++) {
        int64_t size = function->axes.data[type.axes[i]].size;
        count *= size == PLAIT_RUNTIME_SIZE ? 1024 : (double)size;
    }
    return count;
}

/* Whether a value is made point by point of ones that are much smaller, as a product of separate axes is. `leaf`, by
 * value: the largest that it is made of. */
static bool is_spread(const PlaitFusion *fusion, PlaitValue value, double *leaf, uint32_t work)
{
    const PlaitFunction *function = fusion->function;
    const PlaitInst *inst = plait_inst(function, value);
    bool pointwise = plait_op_is_pointwise((PlaitOp)inst->op) || inst->op == PLAIT_OP_BROADCAST;
    leaf[value] = 1;
    for (uint32_t k = 0; k < inst->operand_count; k++) {
        PlaitValue operand = inst->operands[k];
        double size = fusion->cheap[operand] ? leaf[operand] : elements(function, plait_type_of(function, operand));
        leaf[value] = size > leaf[value] ? size : leaf[value];
    }
    return pointwise && !plait_fuse_is_rounding(function, inst) && work <= CHEAP_LIMIT &&
           elements(function, inst->type) >= SPREAD * leaf[value];
}

void plait_fuse_find_cheap(PlaitFusion *fusion)
{
    PlaitFunction *function = fusion->function;
    uint32_t *work = PLAIT_NEW_ARRAY(fusion->arena, uint32_t, function->insts.count);
    bool *reads = PLAIT_NEW_ARRAY(fusion->arena, bool, function->insts.count); /* an input */
    double *leaf = PLAIT_NEW_ARRAY(fusion->arena, double, function->insts.count);
    for (uint32_t i = 0; i < function->body->body.count; i++) {
        PlaitValue value = function->body->body.data[i];
        const PlaitInst *inst = plait_inst(function, value);
        bool cheap = may_be_cheap(inst) && !plait_fuse_is_rounding(function, inst);
        work[value] = 1;
        for (uint32_t k = 0; k < inst->operand_count; k++) {
            PlaitValue operand = inst->operands[k];
            bool input = plait_op_of(function, operand) == PLAIT_OP_PARAM;
            reads[value] |= input || reads[operand];
            if (input) continue;
            cheap = cheap && fusion->cheap[operand] && !fusion->spread[operand] && !is_widening(function, operand) &&
                    !reads_rounded(function, operand);
            if (fusion->cheap[operand]) work[value] += work[operand];
        }
        cheap = (cheap && work[value] <= (reads[value] ? CHEAP_LIMIT : CHEAP_POSITIONS)) ||
                is_widening(function, value) || reads_rounded(function, value);
        fusion->spread[value] = is_spread(fusion, value, leaf, work[value]) && !cheap;
        fusion->cheap[value] = (cheap || fusion->spread[value]) && !plait_is_output(function, value);
    }
}

typedef struct Reader {
    const PlaitFusion *fusion;
    PlaitAccesses accesses;
    const PlaitInst *fold; /* whose region is looked at; NULL: none */
} Reader;

static void read_value(Reader *reader, PlaitValue value, PlaitAxis shifted, bool delay);

static void read_operands(Reader *reader, const PlaitInst *inst, PlaitAxis shifted, bool delay)
{
    const PlaitFunction *function = reader->fusion->function;
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        bool moves = i == 0 && (inst->op == PLAIT_OP_GATHER || inst->op == PLAIT_OP_CONV);
        if (moves && reader->fold && plait_reads_block(function, inst, reader->fold)) moves = false;
        if (moves && function->axes.data[inst->axes[0]].place) moves = false; /* the programs have whole blocks */
        if (!moves) {
            read_value(reader, inst->operands[i], shifted, delay);
            continue;
        }
        int64_t offset = 0;
        bool back = inst->op == PLAIT_OP_CONV ||
                    (plait_affine_offset(function, inst->operands[1], inst->axes[0], &offset) && offset <= 0);
        read_value(reader, inst->operands[i], inst->axes[0], back && (shifted == PLAIT_NO_AXIS || delay));
    }
}

static void read_region(Reader *reader, const PlaitRegion *region)
{
    const PlaitFunction *function = reader->fusion->function;
    const PlaitInst *fold = reader->fold, *owner = plait_inst(function, region->owner);
    reader->fold = owner->op == PLAIT_OP_FOLD ? owner : fold;
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(function, region->body.data[i]);
        read_operands(reader, inst, PLAIT_NO_AXIS, false);
        if (inst->body) read_region(reader, inst->body);
    }
    for (uint32_t i = 0; i < region->yields.count; i++)
        read_value(reader, region->yields.data[i], PLAIT_NO_AXIS, false);
    reader->fold = fold;
}

static void read_value(Reader *reader, PlaitValue value, PlaitAxis shifted, bool delay)
{
    const PlaitFunction *function = reader->fusion->function;
    const PlaitInst *inst = plait_inst(function, value);
    if (inst->region != function->body || inst->op == PLAIT_OP_PARAM) return;
    if (reader->fusion->cheap[value]) { /* reads parameters only, or what it widens */
        if (is_widening(function, value)) read_value(reader, inst->operands[0], shifted, delay);
        for (uint32_t i = 0; i < inst->operand_count && reader->fusion->spread[value]; i++)
            read_value(reader, inst->operands[i], shifted, delay);
        if (reads_rounded(function, value)) read_value(reader, inst->operands[0], inst->axes[0], false);
        return;
    }
    PlaitAccess access = {value, shifted, delay};
    for (uint32_t i = 0; i < reader->accesses.count; i++) {
        const PlaitAccess *known = &reader->accesses.data[i];
        if (known->anchor == value && known->shifted == shifted && known->delay == delay) return;
    }
    plait_push(reader->fusion->arena, &reader->accesses, access);
}

static void find_reads_of(PlaitFusion *fusion, PlaitValue value)
{
    Reader reader = {.fusion = fusion};
    const PlaitInst *inst = plait_inst(fusion->function, value);
    read_operands(&reader, inst, PLAIT_NO_AXIS, false);
    if (inst->body) read_region(&reader, inst->body);
    fusion->reads[value] = reader.accesses;
    for (uint32_t i = 0; i < reader.accesses.count; i++) {
        PlaitValues *readers = &fusion->readers[reader.accesses.data[i].anchor];
        if (!readers->count || readers->data[readers->count - 1] != value) plait_push(fusion->arena, readers, value);
    }
}

void plait_fuse_find_reads(PlaitFusion *fusion)
{
    const PlaitFunction *function = fusion->function;
    for (uint32_t i = 0; i < function->body->body.count; i++) {
        PlaitValue value = function->body->body.data[i];
        PlaitOp op = plait_op_of(function, value);
        if (op != PLAIT_OP_PARAM && op != PLAIT_OP_RESULT && !fusion->cheap[value]) find_reads_of(fusion, value);
    }
}
