#include "tests/structure/fold_loops.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t loaded(const FoldPlace *place, const PlaitInst *load)
{
    int64_t indices[PLAIT_MAX_RANK];
    for (uint32_t i = 1; i < load->operand_count; i++) indices[i - 1] = fold_number(place, load->operands[i]);
    return (int64_t)test_read(&place->tensors[load->operands[0]], indices);
}

int64_t fold_number(const FoldPlace *place, PlaitValue value)
{
    const PlaitInst *inst = plait_inst(place->kernel, value);
    if (inst->op == PLAIT_OP_LOAD && place->tensors) return loaded(place, inst);
    int64_t a = inst->operand_count > 0 ? fold_number(place, inst->operands[0]) : 0;
    int64_t b = inst->operand_count > 1 ? fold_number(place, inst->operands[1]) : 0;
    switch ((int)inst->op) {
    case PLAIT_OP_CONST: return (int64_t)inst->number;
    case PLAIT_OP_SIZE: return place->size;
    case PLAIT_OP_PROGRAM: return place->row;
    case PLAIT_OP_NEG: return -a;
    case PLAIT_OP_ADD: return a + b;
    case PLAIT_OP_SUB: return a - b;
    case PLAIT_OP_MUL: return a * b;
    case PLAIT_OP_FLOORDIV: return b ? (a - (a % b + b) % b) / b : 0;
    case PLAIT_OP_MIN: return a < b ? a : b;
    case PLAIT_OP_MAX: return a > b ? a : b;
    default: fprintf(stderr, "%s is no operation of a loop's bound\n", plait_op_info((PlaitOp)inst->op)->text); exit(1);
    }
}

FoldLoops fold_loops(const PlaitFunction *kernel)
{
    FoldLoops loops = {.kernel = kernel};
    for (uint32_t i = 0; i < kernel->body->body.count && loops.count < FOLD_MOST_LOOPS; i++) {
        const PlaitInst *inst = plait_inst(kernel, kernel->body->body.data[i]);
        if (inst->op != PLAIT_OP_FOR) continue;
        uint32_t *selects = &loops.selects[loops.count];
        for (uint32_t k = 0; k < inst->body->body.count; k++)
            *selects += plait_op_of(kernel, inst->body->body.data[k]) == PLAIT_OP_SELECT;
        if (*selects > loops.most_selects) loops.most_selects = *selects;
        loops.loop[loops.count++] = inst;
    }
    return loops;
}
