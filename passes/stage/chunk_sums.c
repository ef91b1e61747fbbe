/* Whether what is read from a state is added to something else.
 *
 * A read sums scores times what was added at other tokens. Scores may be rounded to 16 bits: their errors are
 * independent of each other, and as large beside the sum as the rounding of the output. But where something with the
 * same factor is added, D x beside (c b) x for one, or two reads beside each other, the two may cancel, and what is
 * left is small beside the errors. Products, quotients and norms of a read change nothing; what other functions make of
 * it is their own.
 */
#include "passes/stage/chunk_parts.h"

enum { MOST_STEPS = 64 };

typedef struct Search {
    PlaitChunk *chunk;
    bool *seen;
    uint32_t steps;
} Search;

static bool is_summed(Search *search, PlaitValue value);

static bool is_square(const PlaitFunction *function, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(function, value);
    while (inst->op == PLAIT_OP_BROADCAST) inst = plait_inst(function, inst->operands[0]);
    return inst->op == PLAIT_OP_MUL && inst->operands[0] == inst->operands[1];
}

/* What becomes of `value`, an operand of `user`. */
static bool user_sums(Search *search, PlaitValue user, PlaitValue value)
{
    const PlaitFunction *function = search->chunk->function;
    const PlaitInst *inst = plait_inst(function, user);
    if (inst->body) return inst->op == PLAIT_OP_SCAN || inst->op == PLAIT_OP_FOLD;
    if (plait_op_is_reduce((PlaitOp)inst->op)) return inst->op == PLAIT_OP_REDUCE_SUM && !is_square(function, value);
    switch ((int)inst->op) {
    case PLAIT_OP_ADD:
    case PLAIT_OP_SUB: return true;
    case PLAIT_OP_MUL:
    case PLAIT_OP_NEG:
    case PLAIT_OP_CAST:
    case PLAIT_OP_BROADCAST:
    case PLAIT_OP_SELECT: return is_summed(search, user);
    case PLAIT_OP_DIV: return inst->operands[1] == value || is_summed(search, user);
    default: return !plait_op_is_pointwise((PlaitOp)inst->op);
    }
}

static bool users_sum(Search *search, const PlaitRegion *region, PlaitValue value)
{
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitInst *inst = plait_inst(search->chunk->function, region->body.data[i]);
        for (uint32_t k = 0; k < inst->operand_count; k++)
            if (inst->operands[k] == value && user_sums(search, region->body.data[i], value)) return true;
    }
    return false;
}

static bool is_summed(Search *search, PlaitValue value)
{
    const PlaitFunction *function = search->chunk->function;
    const PlaitRegion *region = plait_inst(function, value)->region, *body = search->chunk->forms.body;
    if (search->seen[value]) return false;
    search->seen[value] = true;
    if (search->steps++ == MOST_STEPS || users_sum(search, region, value)) return true;
    if (region != body) return false;
    const PlaitRegion *home = plait_inst(function, search->chunk->scan)->region;
    for (uint32_t i = 0; i < home->body.count; i++) {
        const PlaitInst *inst = plait_inst(function, home->body.data[i]);
        bool result = inst->op == PLAIT_OP_RESULT && inst->operands[0] == search->chunk->scan;
        if (result && body->yields.data[inst->ints[0]] == value && is_summed(search, home->body.data[i])) return true;
    }
    return false;
}

bool plait_chunk_is_summed(PlaitChunk *chunk, PlaitValue read)
{
    Search search = {.chunk = chunk};
    search.seen = PLAIT_NEW_ARRAY(chunk->function->module->arena, bool, chunk->function->insts.count);
    return is_summed(&search, read);
}
