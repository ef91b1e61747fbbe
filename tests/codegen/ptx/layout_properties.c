/* What holds of every kernel after the pass `layout`: checked on the kernels named on the command line.
 *  - it still follows the rules of Tile IR, and a second run changes nothing;
 *  - every tile has a layout, carries and results one and the same;
 *  - the thread bits of a tile's axes are apart and inside of the program's threads;
 *  - operands of pointwise operations lie as their results do.
 */
#include <stdio.h>

#include "ir/text.h"
#include "passes/tile/layout.h"
#include "tests/support/check.h"

typedef struct Checker {
    PlaitFunction *kernel;
} Checker;

static bool is_tile(PlaitType type) { return type.rank > 0 && type.space != PLAIT_SPACE_GLOBAL; }

/* The thread bits of an axis in a layout, as a mask. */
static uint32_t bits_of(const PlaitLayout *layout, PlaitAxis axis)
{
    for (uint32_t i = 0; i < layout->count; i++)
        if (layout->axes[i].axis == axis) return plait_layout_threads(&layout->axes[i]);
    return 0;
}

static void check_type(const PlaitFunction *kernel, PlaitType type)
{
    if (!is_tile(type)) return;
    CHECK(type.layout > 0 && type.layout < kernel->layouts.count);
    uint32_t taken = 0;
    for (uint32_t i = 0; i < type.rank; i++) {
        uint32_t bits = bits_of(&kernel->layouts.data[type.layout], type.axes[i]);
        CHECK((taken & bits) == 0);
        CHECK(bits < kernel->threads);
        taken |= bits;
    }
}

static void check_inst(void *context, PlaitValue value)
{
    const PlaitFunction *kernel = ((Checker *)context)->kernel;
    const PlaitInst *inst = plait_inst(kernel, value);
    check_type(kernel, inst->type);
    for (uint32_t i = 0; inst->body && i < inst->body->params.count; i++)
        check_type(kernel, plait_type_of(kernel, inst->body->params.data[i]));
    for (uint32_t i = 0; plait_op_is_pointwise((PlaitOp)inst->op) && i < inst->operand_count; i++) {
        PlaitType operand = plait_type_of(kernel, inst->operands[i]);
        CHECK(operand.rank == 0 || operand.layout == inst->type.layout);
    }
}

static PlaitModule *parse(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics, PlaitSources *sources,
                          const char *path)
{
    enum { MOST = 1 << 20 };
    char *text = plait_arena_alloc(arena, MOST);
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    uint32_t length = (uint32_t)fread(text, 1, MOST - 1, file);
    fclose(file);
    return plait_module_parse(arena, names, diagnostics, plait_sources_add(sources, path, text, length));
}

static void check_file(PlaitArena *arena, const char *path)
{
    PlaitNames names = {.arena = arena};
    PlaitSources sources = {.arena = arena};
    PlaitDiagnostics diagnostics = {.arena = arena, .sources = &sources};
    PlaitModule *module = parse(arena, &names, &diagnostics, &sources, path);
    CHECK(module != NULL);
    for (uint32_t i = 0; module && i < module->functions.count; i++) {
        Checker checker = {module->functions.data[i]};
        if (checker.kernel->layouts.count > 1) continue; /* laid out by hand */
        CHECK(plait_pass_layout(checker.kernel));
        CHECK(checker.kernel->threads >= 32 && checker.kernel->threads <= 512);
        plait_region_walk(checker.kernel, checker.kernel->body, check_inst, &checker);
        PlaitText first = plait_text(arena), second = plait_text(arena);
        plait_function_print(checker.kernel, &first);
        CHECK(!plait_pass_layout(checker.kernel));
        plait_function_print(checker.kernel, &second);
        CHECK_TEXT(plait_text_string(&second), plait_text_string(&first));
    }
    CHECK(module && plait_module_verify(module));
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 2;
    for (int i = 1; i < count; i++) check_file(arena, arguments[i]);
    plait_arena_destroy(arena);
    return check_report();
}
