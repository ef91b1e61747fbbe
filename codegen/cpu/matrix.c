/* Products on a processor's matrix units (Intel AMX): tiles of 16 rows of 64 bytes, `tdpbf16ps` adds the products of
 * 16 x 32 and 32 x 16 bf16 numbers to 16 x 16 f32 sums.
 *
 * A dot may run there where one of its operands holds bf16 numbers (it is a cast of them: its buffer has the numbers
 * themselves). If the other one does not, it is split into two bf16 numbers x = hi + lo (both rounded), which leaves
 * 2^-17 of x: rounding it once would be seen in sums that no softmax divides. Operands are put in order in memory
 * first, then multiplied:
 *
 *     a     a row of the result after the other: [m][k]
 *     b     two neighbours along k side by side: [k / 2][n][2]
 *     c     the result, [m][n] in f32; the nest of the dot's group then takes each point's sum from there
 *
 * n is the vector axis of the group. AMX counts subnormal numbers as 0, here as well as in its sums.
 */
#include "codegen/cpu/matrix.h"

#include <string.h>

enum { EDGE = 16, DEPTH = 32, MOST_TILE = 256, CONFIGURATION_BYTES = 64, ROW_BYTES = 64 };

/* ---- which products ---- */

PlaitCpuId plait_matrix_source(const PlaitCpuKernel *kernel, PlaitCpuId id)
{
    const PlaitCpuNode *node = plait_cpu_node(kernel, id);
    if (node->scalar == PLAIT_BF16) return id;
    return node->op == PLAIT_OP_CAST && node->scalar == PLAIT_F32 ? plait_matrix_source(kernel, node->operands[0]) : 0;
}

/* The axes of a product: of the result's rows and columns, and the contracted one. */
typedef struct Axes {
    PlaitAxis rows, columns, depth;
    uint32_t a; /* which operand has the rows */
} Axes;

static bool find_axes(const PlaitCpuKernel *kernel, const PlaitCpuNode *dot, Axes *axes)
{
    axes->depth = plait_cpu_top(kernel, dot->reduced);
    axes->columns = plait_cpu_top(kernel, dot->axes);
    if (axes->depth == PLAIT_NO_AXIS || axes->columns == PLAIT_NO_AXIS) return false;
    PlaitAxisSet column = plait_axis_bit(axes->columns), row = dot->axes & ~column;
    axes->rows = plait_cpu_top(kernel, row);
    if (axes->rows == PLAIT_NO_AXIS || row != plait_axis_bit(axes->rows)) return false;
    axes->a = plait_cpu_node(kernel, dot->operands[0])->axes & column ? 1 : 0;
    return dot->reduced == plait_axis_bit(axes->depth) &&
           plait_cpu_node(kernel, dot->operands[axes->a])->axes == (row | dot->reduced) &&
           plait_cpu_node(kernel, dot->operands[1 - axes->a])->axes == (column | dot->reduced);
}

static bool loads(const PlaitFunction *kernel, PlaitName tensor)
{
    for (PlaitValue value = 1; value < kernel->insts.count; value++) {
        const PlaitInst *inst = plait_inst(kernel, value);
        if (inst->op == PLAIT_OP_LOAD && plait_inst(kernel, inst->operands[0])->name == tensor) return true;
    }
    return false;
}

/* Whether `other` loads every tensor that the node is made of in its kernel; `seen`: nodes that were looked at. */
static bool can_make(const PlaitCpuKernel *kernel, PlaitCpuId id, const PlaitFunction *other, bool *seen)
{
    const PlaitCpuNode *node = plait_cpu_node(kernel, id);
    if (seen[id] || node->op == PLAIT_OP_ARGUMENT || node->op == PLAIT_OP_RESULT) return true;
    seen[id] = true;
    if (node->op == PLAIT_OP_LOAD) return loads(other, plait_cpu_node(kernel, node->operands[0])->inst->name);
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (!can_make(kernel, node->operands[i], other, seen)) return false;
    return true;
}

/* Whether another kernel of the operator may make the product again. It would have to add in the same order, for what
 * is made twice and subtracted to be 0 (gradients of softmax): vector units do, whatever the tiles. */
static bool is_made_again(const PlaitCpuKernel *kernel, PlaitCpuId dot)
{
    const PlaitFunction *function = kernel->function;
    const PlaitCpuId *operands = plait_cpu_node(kernel, dot)->operands;
    for (uint32_t i = 0; i < function->module->functions.count; i++) {
        const PlaitFunction *other = function->module->functions.data[i];
        if (other == function || other->level != PLAIT_LEVEL_TILE || other->of != function->of) continue;
        if (other->target != function->target) continue;
        bool *seen = PLAIT_NEW_ARRAY(kernel->arena, bool, kernel->nodes.count);
        if (can_make(kernel, operands[0], other, seen) && can_make(kernel, operands[1], other, seen)) return true;
    }
    return false;
}

bool plait_matrix_fits(const PlaitCpuKernel *kernel, PlaitCpuId id)
{
    const PlaitCpuNode *dot = plait_cpu_node(kernel, id);
    Axes axes;
    if (!kernel->tiles || dot->op != PLAIT_OP_DOT || dot->scalar != PLAIT_F32 || !find_axes(kernel, dot, &axes))
        return false;
    uint32_t rows = plait_cpu_tile(kernel, axes.rows), columns = plait_cpu_tile(kernel, axes.columns),
             depth = plait_cpu_tile(kernel, axes.depth);
    bool small = rows <= MOST_TILE && columns <= MOST_TILE && depth <= MOST_TILE;
    bool exact = plait_matrix_source(kernel, dot->operands[0]) || plait_matrix_source(kernel, dot->operands[1]);
    if (is_made_again(kernel, id)) return false;
    return small && exact && rows % EDGE == 0 && columns % EDGE == 0 && depth % DEPTH == 0;
}

static PlaitMatrixOperand operand_of(const PlaitCpuKernel *kernel, PlaitCpuId id, PlaitAxis own,
                                     const PlaitRegion *region)
{
    const PlaitCpuNode *node = plait_cpu_node(kernel, id);
    const PlaitCpuBuffer *buffer = &kernel->buffers.data[node->buffer];
    plait_assert(node->buffer && buffer->rank == 2);
    uint32_t at = buffer->axes[0] == own ? 0 : 1;
    uint32_t parts = buffer->scalar == PLAIT_BF16 ? 1 : 2;
    return (PlaitMatrixOperand){node->buffer, buffer->scalar,        buffer->strides[at], buffer->strides[1 - at],
                                parts,        node->region != region};
}

/* The buffer that may take the sums as they come: the dot's only one, where the group does nothing else. */
static void find_result(const PlaitCpuKernel *kernel, const PlaitCpuGroup *group, PlaitAxis columns,
                        PlaitMatrixProduct *product)
{
    const PlaitCpuNode *dot = plait_cpu_node(kernel, group->members.data[0]);
    if (group->members.count != 1 || dot->operand_count == 3 || dot->targets.count != 1) return;
    const PlaitCpuBuffer *buffer = &kernel->buffers.data[dot->targets.data[0]];
    if (buffer->scalar != PLAIT_F32 || buffer->rank != 2 || buffer->axes[1] != columns) return;
    product->result = dot->targets.data[0];
    product->result_stride = buffer->strides[0];
}

bool plait_matrix_find(const PlaitCpuKernel *kernel, const PlaitCpuGroup *group, PlaitMatrixProduct *product)
{
    Axes axes;
    if (group->loop || !group->members.count || !plait_matrix_fits(kernel, group->members.data[0])) return false;
    const PlaitCpuNode *dot = plait_cpu_node(kernel, group->members.data[0]);
    find_axes(kernel, dot, &axes);
    *product = (PlaitMatrixProduct){.dot = group->members.data[0],
                                    .a = operand_of(kernel, dot->operands[axes.a], axes.rows, dot->region),
                                    .b = operand_of(kernel, dot->operands[1 - axes.a], axes.columns, dot->region),
                                    .rows = plait_cpu_tile(kernel, axes.rows),
                                    .columns = plait_cpu_tile(kernel, axes.columns),
                                    .depth = plait_cpu_tile(kernel, axes.depth)};
    find_result(kernel, group, axes.columns, product);
    plait_assert(product->b.own_stride == 1 && axes.columns == group->vector);
    return true;
}

/* Whether the operand lies in its buffer as the unit wants it. */
static bool is_ordered(const PlaitMatrixOperand *a) { return a->scalar == PLAIT_BF16 && a->depth_stride == 1; }

/* Calls `visit` for every product of the kernel. */
static void each_product(const PlaitCpuKernel *kernel, void (*visit)(void *context, const PlaitMatrixProduct *product),
                         void *context)
{
    PlaitMatrixProduct product;
    for (uint32_t i = 0; i < kernel->plans.count; i++)
        for (uint32_t g = 0; g < kernel->plans.data[i]->groups.count; g++)
            if (plait_matrix_find(kernel, &kernel->plans.data[i]->groups.data[g], &product)) visit(context, &product);
}

static uint64_t bytes_of_a(const PlaitMatrixProduct *product)
{
    return is_ordered(&product->a) ? 0 : (uint64_t)product->rows * product->depth * product->a.parts * 2;
}

static uint64_t bytes_of_b(const PlaitMatrixProduct *product)
{
    return (uint64_t)product->columns * product->depth * product->b.parts * 2;
}

typedef struct Room {
    PlaitCpu *cpu; /* NULL: counts only */
    LLVMValueRef (*memory)(PlaitCpu *cpu, uint64_t bytes);
    uint64_t own;      /* bytes of memory that single products have */
    uint64_t bytes[3]; /* of memory that they share: what the largest one needs */
} Room;

static void make_own(void *context, const PlaitMatrixProduct *product)
{
    Room *room = context;
    const PlaitMatrixOperand *operands[] = {&product->a, &product->b};
    uint64_t bytes[] = {bytes_of_a(product), bytes_of_b(product), (uint64_t)product->rows * product->columns * 4};
    for (uint32_t i = 0; i < 3; i++) {
        bool own = i < 2 && operands[i]->outside;
        if (own) room->own += bytes[i];
        else if (bytes[i] > room->bytes[i]) room->bytes[i] = bytes[i];
        if (own && bytes[i] && room->cpu) room->cpu->ordered[i][product->dot] = room->memory(room->cpu, bytes[i]);
    }
}

uint64_t plait_matrix_bytes(const PlaitCpuKernel *kernel)
{
    Room room = {0};
    each_product(kernel, make_own, &room);
    return room.own + room.bytes[0] + room.bytes[1] + room.bytes[2];
}

void plait_matrix_make_room(PlaitCpu *cpu, LLVMValueRef (*memory)(PlaitCpu *cpu, uint64_t bytes))
{
    Room room = {.cpu = cpu, .memory = memory};
    for (uint32_t i = 0; i < 2; i++)
        cpu->ordered[i] = PLAIT_NEW_ARRAY(cpu->emit->arena, LLVMValueRef, cpu->kernel->nodes.count);
    each_product(cpu->kernel, make_own, &room);
    for (uint32_t i = 0; i < 3; i++)
        if (room.bytes[2]) cpu->matrix[i] = memory(cpu, room.bytes[i] ? room.bytes[i] : ROW_BYTES);
}

static LLVMValueRef memory_of(const PlaitCpu *cpu, const PlaitMatrixProduct *product, uint32_t operand)
{
    LLVMValueRef own = cpu->ordered[operand][product->dot];
    return own ? own : cpu->matrix[operand];
}

/* ---- the unit ---- */

static LLVMValueRef call(PlaitCpu *cpu, const char *name, LLVMValueRef *operands, uint32_t count)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    plait_assert(id != 0);
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(cpu->emit->module, id, NULL, 0);
    LLVMTypeRef type = LLVMIntrinsicGetType(cpu->emit->context, id, NULL, 0);
    return LLVMBuildCall2(cpu->emit->builder, type, function, operands, count, "");
}

static LLVMTypeRef bytes_type(const PlaitCpu *cpu) { return LLVMInt8TypeInContext(cpu->emit->context); }

static LLVMValueRef tile(const PlaitCpu *cpu, uint32_t number) { return LLVMConstInt(bytes_type(cpu), number, 0); }

/* The configuration of all eight tiles: palette 1, 16 rows of 64 bytes each. */
static LLVMValueRef configuration(PlaitCpu *cpu)
{
    static const char name[] = "plait.tiles";
    LLVMValueRef global = LLVMGetNamedGlobal(cpu->emit->module, name), bytes[CONFIGURATION_BYTES];
    if (global) return global;
    for (uint32_t i = 0; i < CONFIGURATION_BYTES; i++) bytes[i] = tile(cpu, 0);
    bytes[0] = tile(cpu, 1);
    for (uint32_t i = 0; i < 8; i++) {
        bytes[16 + 2 * i] = tile(cpu, ROW_BYTES);
        bytes[48 + i] = tile(cpu, EDGE);
    }
    LLVMValueRef value = LLVMConstArray2(bytes_type(cpu), bytes, CONFIGURATION_BYTES);
    global = LLVMAddGlobal(cpu->emit->module, LLVMTypeOf(value), name);
    LLVMSetInitializer(global, value);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetAlignment(global, CONFIGURATION_BYTES);
    return global;
}

void plait_matrix_begin(PlaitCpu *cpu)
{
    LLVMValueRef at = configuration(cpu);
    call(cpu, "llvm.x86.ldtilecfg", &at, 1);
}

void plait_matrix_end(PlaitCpu *cpu) { call(cpu, "llvm.x86.tilerelease", NULL, 0); }

/* ---- putting operands in order ---- */

static LLVMTypeRef words(const PlaitCpu *cpu)
{
    return LLVMVectorType(LLVMInt32TypeInContext(cpu->emit->context), EDGE);
}

static LLVMValueRef all_words(const PlaitCpu *cpu, uint32_t number)
{
    LLVMValueRef lanes[EDGE];
    for (uint32_t i = 0; i < EDGE; i++) lanes[i] = LLVMConstInt(LLVMInt32TypeInContext(cpu->emit->context), number, 0);
    return LLVMConstVector(lanes, EDGE);
}

static LLVMValueRef at_byte(PlaitCpu *cpu, LLVMValueRef memory, LLVMValueRef offset)
{
    return LLVMBuildGEP2(cpu->emit->builder, bytes_type(cpu), memory, &offset, 1, "");
}

/* offset + index * factor. */
static LLVMValueRef linear(PlaitCpu *cpu, LLVMValueRef index, uint64_t factor, uint64_t offset)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMValueRef product = LLVMBuildMul(builder, index, plait_cpu_number(cpu, factor), "");
    return LLVMBuildAdd(builder, product, plait_cpu_number(cpu, offset), "");
}

static LLVMValueRef sum(PlaitCpu *cpu, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildAdd(cpu->emit->builder, a, b, "");
}

/* 16 neighbours of an operand from an element on, as words: the numbers of bf16 ones in the upper halves. */
static LLVMValueRef load_words(PlaitCpu *cpu, const PlaitMatrixOperand *operand, LLVMValueRef element)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    bool halves = operand->scalar == PLAIT_BF16;
    LLVMTypeRef type = halves ? LLVMVectorType(LLVMInt16TypeInContext(cpu->emit->context), EDGE) : words(cpu);
    LLVMValueRef at = at_byte(cpu, cpu->buffers[operand->buffer], linear(cpu, element, halves ? 2 : 4, 0));
    LLVMValueRef value = LLVMBuildLoad2(builder, type, at, "");
    LLVMSetAlignment(value, halves ? ROW_BYTES / 2 : ROW_BYTES);
    if (!halves) return value;
    return LLVMBuildShl(builder, LLVMBuildZExt(builder, value, words(cpu), ""), all_words(cpu, 16), "");
}

static void store_words(PlaitCpu *cpu, LLVMValueRef value, LLVMValueRef memory, LLVMValueRef offset)
{
    LLVMSetAlignment(LLVMBuildStore(cpu->emit->builder, value, at_byte(cpu, memory, offset)), ROW_BYTES);
}

static LLVMValueRef rounded(PlaitCpu *cpu, LLVMValueRef x)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMTypeRef floats = LLVMVectorType(LLVMFloatTypeInContext(cpu->emit->context), EDGE),
                brains = LLVMVectorType(LLVMBFloatTypeInContext(cpu->emit->context), EDGE),
                halves = LLVMVectorType(LLVMInt16TypeInContext(cpu->emit->context), EDGE);
    LLVMValueRef value = LLVMBuildFPTrunc(builder, LLVMBuildBitCast(builder, x, floats, ""), brains, "");
    value = LLVMBuildZExt(builder, LLVMBuildBitCast(builder, value, halves, ""), words(cpu), "");
    return LLVMBuildShl(builder, value, all_words(cpu, 16), "");
}

/* The bits of numbers whose first half is what part `part` of x is. */
static LLVMValueRef part_of(PlaitCpu *cpu, const PlaitMatrixOperand *operand, LLVMValueRef x, uint32_t part)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    if (operand->scalar == PLAIT_BF16) return x;
    LLVMValueRef high = rounded(cpu, x), exponent = all_words(cpu, 0x7f800000);
    if (part == 0) return high;
    LLVMTypeRef floats = LLVMVectorType(LLVMFloatTypeInContext(cpu->emit->context), EDGE);
    LLVMValueRef rest = LLVMBuildFSub(builder, LLVMBuildBitCast(builder, x, floats, ""),
                                      LLVMBuildBitCast(builder, high, floats, ""), "");
    rest = rounded(cpu, LLVMBuildBitCast(builder, rest, words(cpu), ""));
    LLVMValueRef finite = LLVMBuildICmp(builder, LLVMIntNE, LLVMBuildAnd(builder, high, exponent, ""), exponent,
                                        ""); /* inf - inf: no part */
    return plait_emit_select(cpu->emit, finite, rest, all_words(cpu, 0));
}

/* Two numbers side by side in each word: those of `first` in the lower halves. */
static LLVMValueRef paired(PlaitCpu *cpu, LLVMValueRef first, LLVMValueRef second)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMValueRef low = LLVMBuildLShr(builder, first, all_words(cpu, 16), "");
    return LLVMBuildOr(builder, low, LLVMBuildAnd(builder, second, all_words(cpu, 0xffff0000), ""), "");
}

/* The numbers of `first`, then those of `second`. */
static LLVMValueRef joined(PlaitCpu *cpu, LLVMValueRef first, LLVMValueRef second)
{
    LLVMBuilderRef builder = cpu->emit->builder;
    LLVMTypeRef i32 = LLVMInt32TypeInContext(cpu->emit->context),
                halves = LLVMVectorType(LLVMInt16TypeInContext(cpu->emit->context), 2 * EDGE);
    LLVMValueRef picks[2 * EDGE];
    for (uint32_t i = 0; i < 2 * EDGE; i++) picks[i] = LLVMConstInt(i32, 2 * i + 1, 0);
    return LLVMBuildShuffleVector(builder, LLVMBuildBitCast(builder, first, halves, ""),
                                  LLVMBuildBitCast(builder, second, halves, ""), LLVMConstVector(picks, 2 * EDGE), "");
}

/* Exchanges rows and columns of 16 x 16 words, in four steps: between rows a power of two apart. */
static void transpose(PlaitCpu *cpu, LLVMValueRef *rows)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(cpu->emit->context);
    for (uint32_t step = 1; step < EDGE; step *= 2)
        for (uint32_t i = 0; i < EDGE; i++) {
            if (i & step) continue;
            LLVMValueRef low[EDGE], high[EDGE], a = rows[i], b = rows[i + step];
            for (uint32_t lane = 0; lane < EDGE; lane++) {
                low[lane] = LLVMConstInt(i32, lane & step ? EDGE + lane - step : lane, 0);
                high[lane] = LLVMConstInt(i32, lane & step ? EDGE + lane : lane + step, 0);
            }
            rows[i] = LLVMBuildShuffleVector(cpu->emit->builder, a, b, LLVMConstVector(low, EDGE), "");
            rows[i + step] = LLVMBuildShuffleVector(cpu->emit->builder, a, b, LLVMConstVector(high, EDGE), "");
        }
}

/* Begins a loop over [0, end) in steps of `step`; a single turn is no loop. */
typedef struct Turns {
    PlaitCpuLoop loop;
    uint32_t step, end;
    LLVMValueRef index;
} Turns;

static Turns begin_turns(PlaitCpu *cpu, uint32_t step, uint32_t end)
{
    Turns turns = {.step = step, .end = end, .index = plait_cpu_number(cpu, 0)};
    if (step >= end) return turns;
    turns.loop = plait_cpu_loop_begin(cpu, turns.index);
    turns.index = turns.loop.index;
    return turns;
}

static void end_turns(PlaitCpu *cpu, Turns *turns)
{
    if (turns->step < turns->end)
        plait_cpu_loop_end(cpu, &turns->loop, plait_cpu_number(cpu, turns->step), plait_cpu_number(cpu, turns->end));
}

/* [k / 2][n][2]. */
static void order_b(PlaitCpu *cpu, const PlaitMatrixProduct *product)
{
    const PlaitMatrixOperand *b = &product->b;
    uint64_t row = b->depth_stride, whole = (uint64_t)product->columns * product->depth * 2;
    Turns pairs = begin_turns(cpu, 1, product->depth / 2), along = begin_turns(cpu, EDGE, product->columns);
    LLVMValueRef at = sum(cpu, linear(cpu, pairs.index, 2 * row, 0), along.index);
    LLVMValueRef first = load_words(cpu, b, at), second = load_words(cpu, b, linear(cpu, at, 1, row));
    LLVMValueRef place = linear(cpu, sum(cpu, linear(cpu, pairs.index, product->columns, 0), along.index), 4, 0);
    for (uint32_t part = 0; part < b->parts; part++)
        store_words(cpu, paired(cpu, part_of(cpu, b, first, part), part_of(cpu, b, second, part)),
                    memory_of(cpu, product, 1), linear(cpu, place, 1, part * whole));
    end_turns(cpu, &along);
    end_turns(cpu, &pairs);
}

/* [m][k] from rows along k. */
static void order_a_rows(PlaitCpu *cpu, const PlaitMatrixProduct *product)
{
    const PlaitMatrixOperand *a = &product->a;
    uint64_t whole = (uint64_t)product->rows * product->depth * 2;
    Turns rows = begin_turns(cpu, 1, product->rows), along = begin_turns(cpu, DEPTH, product->depth);
    LLVMValueRef at = sum(cpu, linear(cpu, rows.index, a->own_stride, 0), along.index);
    LLVMValueRef first = load_words(cpu, a, at), second = load_words(cpu, a, linear(cpu, at, 1, EDGE));
    LLVMValueRef place = linear(cpu, sum(cpu, linear(cpu, rows.index, product->depth, 0), along.index), 2, 0);
    for (uint32_t part = 0; part < a->parts; part++)
        store_words(cpu, joined(cpu, part_of(cpu, a, first, part), part_of(cpu, a, second, part)),
                    memory_of(cpu, product, 0), linear(cpu, place, 1, part * whole));
    end_turns(cpu, &along);
    end_turns(cpu, &rows);
}

/* [m][k] from rows along m: pairs of neighbours along k, transposed. */
static void order_a_columns(PlaitCpu *cpu, const PlaitMatrixProduct *product)
{
    const PlaitMatrixOperand *a = &product->a;
    LLVMValueRef block[EDGE];
    uint64_t row = a->depth_stride, whole = (uint64_t)product->rows * product->depth * 2;
    for (uint32_t part = 0; part < a->parts; part++) {
        Turns along = begin_turns(cpu, DEPTH, product->depth), rows = begin_turns(cpu, EDGE, product->rows);
        LLVMValueRef at = sum(cpu, linear(cpu, along.index, row, 0), rows.index);
        for (uint32_t i = 0; i < EDGE; i++) {
            LLVMValueRef first = load_words(cpu, a, linear(cpu, at, 1, 2 * i * row));
            LLVMValueRef second = load_words(cpu, a, linear(cpu, at, 1, (2 * i + 1) * row));
            block[i] = paired(cpu, part_of(cpu, a, first, part), part_of(cpu, a, second, part));
        }
        transpose(cpu, block);
        LLVMValueRef place = sum(cpu, linear(cpu, rows.index, product->depth, 0), along.index);
        for (uint32_t i = 0; i < EDGE; i++)
            store_words(cpu, block[i], memory_of(cpu, product, 0),
                        linear(cpu, place, 2, part * whole + (uint64_t)i * product->depth * 2));
        end_turns(cpu, &rows);
        end_turns(cpu, &along);
    }
}

/* ---- multiplying ---- */

static void move_tile(PlaitCpu *cpu, const char *name, uint32_t number, LLVMValueRef memory, LLVMValueRef offset,
                      uint64_t stride)
{
    LLVMValueRef operands[] = {tile(cpu, number), at_byte(cpu, memory, offset), plait_cpu_number(cpu, stride)};
    call(cpu, name, operands, 3);
}

/* A block of `tall` x `wide` tiles of the result: tiles 0 to 3; of a 4 and 5; of b 6 and 7. */
static void multiply_block(PlaitCpu *cpu, const PlaitMatrixProduct *product, LLVMValueRef row, LLVMValueRef column,
                           uint32_t tall, uint32_t wide)
{
    enum { A = 4, B = 6 };
    LLVMBuilderRef builder = cpu->emit->builder;
    bool ordered = is_ordered(&product->a);
    LLVMValueRef a_memory = ordered ? cpu->buffers[product->a.buffer] : memory_of(cpu, product, 0);
    uint64_t depth = product->depth, columns = product->columns, a_whole = product->rows * depth * 2,
             b_whole = columns * depth * 2, a_row = 2 * (ordered ? product->a.own_stride : depth);
    uint32_t parts = product->a.parts * product->b.parts;
    for (uint32_t i = 0; i < tall * wide; i++) {
        LLVMValueRef number = tile(cpu, i);
        call(cpu, "llvm.x86.tilezero", &number, 1);
    }
    for (uint32_t part = 0; part < parts; part++) {
        Turns along = begin_turns(cpu, DEPTH, product->depth);
        LLVMValueRef a = LLVMBuildAdd(builder, linear(cpu, row, a_row, product->a.parts > 1 ? part * a_whole : 0),
                                      linear(cpu, along.index, 2, 0), "");
        LLVMValueRef b = LLVMBuildAdd(builder, linear(cpu, along.index, columns * 2, 0),
                                      linear(cpu, column, 4, product->b.parts > 1 ? part * b_whole : 0), "");
        for (uint32_t i = 0; i < tall; i++)
            move_tile(cpu, "llvm.x86.tileloadd64", A + i, a_memory, linear(cpu, a, 1, i * EDGE * a_row), a_row);
        for (uint32_t i = 0; i < wide; i++)
            move_tile(cpu, "llvm.x86.tileloadd64", B + i, memory_of(cpu, product, 1),
                      linear(cpu, b, 1, (uint64_t)i * ROW_BYTES), columns * 4);
        for (uint32_t i = 0; i < tall * wide; i++) {
            LLVMValueRef tiles[] = {tile(cpu, i), tile(cpu, A + i / wide), tile(cpu, B + i % wide)};
            call(cpu, "llvm.x86.tdpbf16ps", tiles, 3);
        }
        end_turns(cpu, &along);
    }
    uint64_t c_row = 4 * (product->result ? product->result_stride : columns);
    LLVMValueRef c = sum(cpu, linear(cpu, row, c_row, 0), linear(cpu, column, 4, 0));
    LLVMValueRef c_memory = product->result ? cpu->buffers[product->result] : cpu->matrix[2];
    for (uint32_t i = 0; i < tall * wide; i++)
        move_tile(cpu, "llvm.x86.tilestored64", i, c_memory,
                  linear(cpu, c, 1, i / wide * EDGE * c_row + i % wide * ROW_BYTES), c_row);
}

static uint32_t tiles_at_once(uint32_t points) { return points % (2 * EDGE) ? 1 : 2; }

static void order(PlaitCpu *cpu, const PlaitMatrixProduct *product, uint32_t operand)
{
    if (operand == 1) order_b(cpu, product);
    else if (product->a.depth_stride != 1) order_a_columns(cpu, product);
    else if (!is_ordered(&product->a)) order_a_rows(cpu, product);
}

void plait_matrix_prepare(PlaitCpu *cpu, const PlaitCpuPlan *inside)
{
    PlaitMatrixProduct product;
    for (uint32_t g = 0; g < inside->groups.count && cpu->matrix[0]; g++) {
        if (!plait_matrix_find(cpu->kernel, &inside->groups.data[g], &product)) continue;
        for (uint32_t i = 0; i < 2; i++)
            if (cpu->ordered[i][product.dot]) order(cpu, &product, i);
    }
}

void plait_matrix_multiply(PlaitCpu *cpu, const PlaitMatrixProduct *product)
{
    for (uint32_t i = 0; i < 2; i++)
        if (!cpu->ordered[i][product->dot]) order(cpu, product, i);
    uint32_t tall = tiles_at_once(product->rows), wide = tiles_at_once(product->columns);
    Turns rows = begin_turns(cpu, tall * EDGE, product->rows);
    Turns columns = begin_turns(cpu, wide * EDGE, product->columns);
    multiply_block(cpu, product, rows.index, columns.index, tall, wide);
    end_turns(cpu, &columns);
    end_turns(cpu, &rows);
}

LLVMValueRef plait_matrix_sums(PlaitCpu *cpu, const PlaitMatrixProduct *product, LLVMValueRef row, LLVMValueRef column,
                               uint32_t lanes)
{
    LLVMValueRef offset = LLVMBuildAdd(cpu->emit->builder, linear(cpu, row, (uint64_t)product->columns * 4, 0),
                                       linear(cpu, column, 4, 0), "");
    LLVMValueRef value = LLVMBuildLoad2(cpu->emit->builder, plait_emit_type(cpu->emit, PLAIT_F32, lanes),
                                        at_byte(cpu, cpu->matrix[2], offset), "");
    LLVMSetAlignment(value, lanes * 4);
    return value;
}
