/* A rough count of the registers that a thread needs, for the one decision that depends on it: whether the assembler may
 * use all registers of a multiprocessor for one block. Left alone it keeps room for two, and spills to get it.
 */
#include "codegen/ptx/ptx.h"

enum { STEPS_OF_PRODUCT = 4 };

typedef struct Pressure {
    const PlaitFunction *kernel;
    uint32_t largest; /* of one value, or of the operands of a product */
} Pressure;

static uint32_t registers_of(const PlaitFunction *kernel, PlaitType type)
{
    uint32_t words = plait_scalar_bytes((PlaitScalar)type.scalar) > 4 ? 2 : 1;
    return type.space == PLAIT_SPACE_GLOBAL ? 0 : plait_ptx_shape(kernel, type).slots * words;
}

/* The slots of a product's operand that a thread reads at one position of the contracted axis. */
static uint32_t rows_of(const PlaitFunction *kernel, const PlaitInst *dot, uint32_t side)
{
    PlaitPtxShape result = plait_ptx_shape(kernel, dot->type);
    PlaitType operand = plait_type_of(kernel, dot->operands[side]);
    uint32_t rows = 1;
    for (uint32_t i = 0; i < operand.rank; i++) {
        const PlaitPtxAxis *axis = plait_ptx_axis(&result, operand.axes[i]);
        if (axis) rows *= axis->slots;
    }
    return rows;
}

static void measure(void *context, PlaitValue value)
{
    Pressure *pressure = context;
    const PlaitInst *inst = plait_inst(pressure->kernel, value);
    uint32_t registers = registers_of(pressure->kernel, inst->type);
    if (inst->op == PLAIT_OP_DOT)
        registers += STEPS_OF_PRODUCT * (rows_of(pressure->kernel, inst, 0) + rows_of(pressure->kernel, inst, 1));
    if (registers > pressure->largest) pressure->largest = registers;
}

/* The carries of the nest of loops that has most. */
static uint32_t carried_in(const PlaitFunction *kernel, const PlaitRegion *region)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < region->body.count; i++) {
        const PlaitRegion *body = plait_inst(kernel, region->body.data[i])->body;
        if (!body) continue;
        uint32_t carried = carried_in(kernel, body);
        for (uint32_t k = 1; k < body->params.count; k++) carried += registers_of(kernel, plait_type_of(kernel, body->params.data[k]));
        if (carried > most) most = carried;
    }
    return most;
}

uint32_t plait_ptx_pressure(const PlaitFunction *kernel)
{
    Pressure pressure = {.kernel = kernel};
    plait_region_walk(kernel, kernel->body, measure, &pressure);
    return carried_in(kernel, kernel->body) + pressure.largest;
}
