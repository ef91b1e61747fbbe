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
        double size =
            fusion->cheap[operand] ? leaf[operand] : plait_fuse_elements(function, plait_type_of(function, operand));
        leaf[value] = size > leaf[value] ? size : leaf[value];
    }
    return pointwise && !plait_fuse_is_rounding(function, inst) && work <= CHEAP_LIMIT &&
           plait_fuse_elements(function, inst->type) >= SPREAD * leaf[value];
}

void plait_fuse_find_cheap(PlaitFusion *fusion)
{
    PlaitFunction *function = fusion->function;
    uint32_t *work = PLAIT_NEW_ARRAY(fusion->arena, uint32_t, function->insts.count);
    bool *reads = PLAIT_NEW_ARRAY(fusion->arena, bool, function->insts.count); /* an input */
    double *leaf = PLAIT_NEW_ARRAY(fusion->arena, double, function->insts.count);
    const double *repeats = plait_fuse_repeats(fusion);
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
        if (cheap && fusion->cheap[value]) fusion->cheap[value] = plait_fuse_stays_cheap(fusion, value, repeats[value]);
    }
}

typedef struct Reader {
    const PlaitFusion *fusion;
    PlaitAccesses accesses;
    const PlaitInst *fold; /* whose region is looked at; NULL: none */
} Reader;

static const PlaitAccess at_its_own = {.shifted = PLAIT_NO_AXIS, .own = true};

static void read_value(Reader *reader, PlaitValue value, PlaitAccess how);

/* How a gather or a convolution, itself read in that way, reads its source. */
static PlaitAccess moved(const PlaitFunction *function, const PlaitInst *inst, PlaitAccess how)
{
    PlaitAccess access = {.shifted = inst->axes[0], .delay = how.shifted == PLAIT_NO_AXIS || how.delay, .own = how.own};
    int64_t offset = 0;
    access.others = how.others;
    if (inst->op == PLAIT_OP_CONV) {
        access.others += (double)function->axes.data[inst->axes[1]].size - 1;
    } else if (!plait_affine_offset(function, inst->operands[1], inst->axes[0], &offset) || offset > 0) {
        access.delay = false;
    } else if (offset < 0) {
        access.own = false;
        access.others++;
    }
    return access;
}

static void read_operands(Reader *reader, const PlaitInst *inst, PlaitAccess how)
{
    const PlaitFunction *function = reader->fusion->function;
    for (uint32_t i = 0; i < inst->operand_count; i++) {
        bool moves = i == 0 && (inst->op == PLAIT_OP_GATHER || inst->op == PLAIT_OP_CONV);
        if (moves && reader->fold && plait_reads_block(function, inst, reader->fold)) moves = false;
        if (moves && function->axes.data[inst->axes[0]].place) moves = false; /* the programs have whole blocks */
        read_value(reader, inst->operands[i], moves ? moved(function, inst, how) : how);
    }
}

static void read_region(Reader *reader, const PlaitRegion *region)
{
    const PlaitFunction *function = reader->fusion->function;
    const PlaitInst *fold = reader->fold, *owner = plait_inst(function, region->owner);
    reader->fold = owner->op == PLAIT_OP_FOLD ? owner : fold;
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(function, region->body.data[i]);
        read_operands(reader, inst, at_its_own);
        if (inst->body) read_region(reader, inst->body);
    }
    for (uint32_t i = 0; i < region->yields.count; i++) read_value(reader, region->yields.data[i], at_its_own);
    reader->fold = fold;
}

static void read_value(Reader *reader, PlaitValue value, PlaitAccess how)
{
    const PlaitFunction *function = reader->fusion->function;
    const PlaitInst *inst = plait_inst(function, value);
    if (inst->region != function->body || inst->op == PLAIT_OP_PARAM) return;
    if (reader->fusion->cheap[value]) { /* reads parameters only, or what it widens */
        if (is_widening(function, value)) read_value(reader, inst->operands[0], how);
        for (uint32_t i = 0; i < inst->operand_count && reader->fusion->spread[value]; i++)
            read_value(reader, inst->operands[i], how);
        if (reads_rounded(function, value))
            read_value(reader, inst->operands[0], (PlaitAccess){.shifted = inst->axes[0]});
        return;
    }
    how.anchor = value;
    for (uint32_t i = 0; i < reader->accesses.count; i++) {
        PlaitAccess *known = &reader->accesses.data[i];
        if (known->anchor != value || known->shifted != how.shifted || known->delay != how.delay) continue;
        if (how.others > known->others) known->others = how.others;
        known->own |= how.own;
        return;
    }
    plait_push(reader->fusion->arena, &reader->accesses, how);
}

static void find_reads_of(PlaitFusion *fusion, PlaitValue value)
{
    Reader reader = {.fusion = fusion};
    const PlaitInst *inst = plait_inst(fusion->function, value);
    read_operands(&reader, inst, at_its_own);
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
