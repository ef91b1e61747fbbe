/* What the parts share: counting, the cases, the arrays. */
#include <stdio.h>
#include <stdlib.h>

#include "tests.h"

static int failures, checks;

void check(bool condition, const char *file, int line, const char *text)
{
    checks++;
    if (condition) return;
    failures++;
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, text);
}

bool case_of(PlaitOp op, PlaitScalar from, Case *result)
{
    *result = (Case){.op = op, .from = from};
    return plait_scalar_result(op, from, &result->to);
}

uint32_t case_operands(const Case *one)
{
    return one->op == PLAIT_OP_CAST ? 1 : plait_op_info(one->op)->least_operands;
}

uint32_t case_list(Case *cases)
{
    uint32_t count = 0;
    for (PlaitOp op = (PlaitOp)1; op < PLAIT_OP_COUNT; op++)
        for (PlaitScalar scalar = PLAIT_BOOL; scalar < PLAIT_SCALAR_COUNT; scalar++)
            if (plait_op_is_scalar(op) && case_of(op, scalar, &cases[count])) count++;
    for (PlaitScalar from = PLAIT_BOOL; from < PLAIT_SCALAR_COUNT; from++)
        for (PlaitScalar to = PLAIT_BOOL; to < PLAIT_SCALAR_COUNT; to++)
            if (from != to) cases[count++] = (Case){PLAIT_OP_CAST, from, to};
    return count;
}

int test_all(const Machine *machine, int64_t elements)
{
    Arrays arrays = {.count = (elements + 63) / 64 * 64};
    arrays.x = calloc((size_t)arrays.count, 8);
    arrays.y = calloc((size_t)arrays.count, 8);
    arrays.out = calloc((size_t)arrays.count, 8);
    arrays.expected = calloc((size_t)arrays.count, sizeof *arrays.expected);
    if (arrays.x && arrays.y && arrays.out && arrays.expected) {
        test_exact(machine, &arrays);
        test_casts(machine, &arrays);
        test_floats(machine, &arrays);
    }
    free(arrays.x);
    free(arrays.y);
    free(arrays.out);
    free(arrays.expected);
    printf("%d checks, %d failed\n", checks, failures);
    return failures != 0 || checks == 0;
}
