/* Axes: those of the file, those of functions being inlined, and those that attend makes. */
#include <string.h>

#include "frontend/lower.h"

const PlaitAxisInfo *plait_axes_info(const PlaitSema *sema, PlaitAxis axis)
{
    return &sema->builder.function->axes.data[axis];
}

static PlaitAxisSymbol *find_symbol(PlaitSema *sema, PlaitName name)
{
    for (uint32_t i = 0; i < sema->axes.count; i++)
        if (sema->axes.data[i].name.name == name) return &sema->axes.data[i];
    return NULL;
}

/* ---- declarations ---- */

static const char *const role_names[PLAIT_ROLE_COUNT] = {"feature", "batch", "head", "time"};

static PlaitAxisRole declared_role(PlaitSema *sema, const PlaitAstAxis *axis)
{
    if (!axis->role.name) return PLAIT_ROLE_FEATURE;
    const char *text = plait_sema_text(sema, axis->role.name);
    for (uint32_t i = 0; i < PLAIT_ROLE_COUNT; i++)
        if (strcmp(text, role_names[i]) == 0) return (PlaitAxisRole)i;
    plait_sema_report(sema, PLAIT_AXIS_DECLARATION, axis->role.span, plait_sema_format(sema, "`%s`", text),
                      "`batch`, `head`, `time` or `feature`",
                      "write `axis t : time`, `axis h : head = 8` or `axis d = 64`");
    return PLAIT_ROLE_COUNT;
}

static bool check_size(PlaitSema *sema, PlaitAstName name, PlaitSpan span, double size)
{
    if (size >= 1 && size <= PLAIT_LARGEST_AXIS_SIZE && size == (double)(int64_t)size) return true;
    plait_sema_report(
        sema, PLAIT_AXIS_SIZE, span,
        plait_sema_format(sema, "size %s of the axis `%s`", plait_sema_number_text(sema, size),
                          plait_sema_text(sema, name.name)),
        plait_sema_format(sema, "a whole number from 1 to %d", PLAIT_LARGEST_AXIS_SIZE),
        "an axis whose size is known only when the operator runs is declared with a role: `axis t : time`");
    return false;
}

static int64_t declared_size(PlaitSema *sema, const PlaitAstAxis *axis, PlaitAxisRole role)
{
    if (!axis->size) {
        if (role == PLAIT_ROLE_FEATURE && axis->same_as.name) return 1; /* reported by declared_same */
        if (role == PLAIT_ROLE_FEATURE)
            plait_sema_report(
                sema, PLAIT_AXIS_DECLARATION, axis->name.span,
                plait_sema_format(sema, "the feature axis `%s` without a size", plait_sema_text(sema, axis->name.name)),
                "a size, or the role `batch`, `head` or `time`",
                "write `axis d = 64`, or `axis t : time` for a size of run time");
        return role == PLAIT_ROLE_FEATURE ? 1 : PLAIT_RUNTIME_SIZE;
    }
    PlaitTerm number;
    if (!plait_sema_constant(sema, axis->size, false, &number)) return 1;
    return check_size(sema, axis->name, axis->size->span, number.number) ? (int64_t)number.number : 1;
}

static int64_t overridden_size(PlaitSema *sema, PlaitAstName name, int64_t size, const PlaitAxisSize *overrides,
                               uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (overrides[i].axis == name.name && check_size(sema, name, (PlaitSpan){0}, (double)overrides[i].size))
            size = overrides[i].size;
    return size;
}

/* `same t`: t stands before, both are time axes, and static sizes agree. */
static PlaitName declared_same(PlaitSema *sema, const PlaitAstAxis *axis, PlaitAxisRole role, int64_t *size)
{
    if (!axis->same_as.name) return 0;
    const PlaitAxisSymbol *other = find_symbol(sema, axis->same_as.name);
    const char *own = plait_sema_text(sema, axis->name.name), *name = plait_sema_text(sema, axis->same_as.name);
    if (!other || other->role != PLAIT_ROLE_TIME || role != PLAIT_ROLE_TIME || axis->size) {
        plait_sema_report(sema, PLAIT_AXIS_DECLARATION, axis->same_as.span,
                          plait_sema_format(sema, "`%s` same `%s`", own, name),
                          "a time axis without a size of its own, the same as a time axis declared before",
                          "write `axis t : time` and then `axis s : time same t`");
        return 0;
    }
    if (*size == PLAIT_RUNTIME_SIZE) *size = other->size;
    else if (*size != other->size)
        plait_sema_report(
            sema, PLAIT_UNEQUAL_SIZES, axis->same_as.span,
            plait_sema_format(sema, "size %lld for `%s`, which is the same as `%s`", (long long)*size, own, name),
            "equal sizes", plait_sema_format(sema, "give `-D` for `%s` only", name));
    return other->name.name;
}

void plait_axes_declare(PlaitSema *sema, const PlaitAstAxis *axis, const PlaitAxisSize *overrides, uint32_t count)
{
    const PlaitAxisSymbol *known = find_symbol(sema, axis->name.name);
    if (known) {
        plait_sema_report_related(sema,
                                  (PlaitDiagnostic){.id = PLAIT_NAME_TAKEN,
                                                    .span = axis->name.span,
                                                    .found = plait_sema_format(sema, "a second axis `%s`",
                                                                               plait_sema_text(sema, axis->name.name)),
                                                    .expected = "each name once",
                                                    .help = "remove one of the two, or rename it",
                                                    .related = known->name.span,
                                                    .related_note = "the first"});
        return;
    }
    if (sema->axes.count == PLAIT_MAX_AXES) {
        plait_sema_report(sema, PLAIT_PROGRAM_SIZE, axis->name.span,
                          plait_sema_format(sema, "more than %d axes", PLAIT_MAX_AXES), "fewer axes", "split the file");
        return;
    }
    PlaitAxisRole role = declared_role(sema, axis);
    if (role == PLAIT_ROLE_COUNT) role = PLAIT_ROLE_TIME; /* reported; go on with an axis that can be used anywhere */
    int64_t size = overridden_size(sema, axis->name, declared_size(sema, axis, role), overrides, count);
    PlaitName same_as = declared_same(sema, axis, role, &size);
    plait_push(
        sema->arena, &sema->axes,
        (PlaitAxisSymbol){.name = axis->name, .role = role, .size = size, .same_as = same_as, .axis = PLAIT_NO_AXIS});
}

/* ---- in an operator ---- */

void plait_axes_forget(PlaitSema *sema)
{
    for (uint32_t i = 0; i < sema->axes.count; i++) {
        sema->axes.data[i].axis = PLAIT_NO_AXIS;
        sema->axes.data[i].used = false;
    }
}

static PlaitAxis use_symbol(PlaitSema *sema, PlaitAxisSymbol *symbol)
{
    if (symbol->axis != PLAIT_NO_AXIS) return symbol->axis;
    PlaitAxis same_as = symbol->same_as ? use_symbol(sema, find_symbol(sema, symbol->same_as)) : PLAIT_NO_AXIS;
    PlaitAxisInfo info = {.name = symbol->name.name, .role = symbol->role, .size = symbol->size, .same_as = same_as};
    return symbol->axis = plait_axis_add(sema->builder.function, info);
}

PlaitAxis plait_axes_find(PlaitSema *sema, PlaitAstName name)
{
    const PlaitCall *call = sema->call;
    for (uint32_t i = 0; call && i < call->function->axes.count; i++)
        if (call->function->axes.data[i].name == name.name) return call->axes[i];
    for (const PlaitStage *stage = sema->stage; stage; stage = stage->outer)
        if (stage->call == call && stage->name == name.name) return stage->axis;
    if (call && call->function->standard) return PLAIT_NO_AXIS;
    PlaitAxisSymbol *symbol = find_symbol(sema, name.name);
    if (!symbol) return PLAIT_NO_AXIS;
    if (!symbol->used) symbol->use = name.span;
    symbol->used = true;
    return use_symbol(sema, symbol);
}

/* Marks the axes that give these their extents: arrays of the call say how long they are. */
static void mark_sized(const PlaitFunction *function, PlaitType type, bool *sized)
{
    for (uint32_t i = 0; i < type.rank; i++) sized[plait_axis_extent_of(function, type.axes[i])] = true;
}

static void report_unsized(PlaitSema *sema, const PlaitAxisSymbol *symbol)
{
    const char *name = plait_sema_text(sema, symbol->name.name);
    plait_sema_report_related(
        sema, (PlaitDiagnostic){
                  .id = PLAIT_UNSIZED_AXIS,
                  .span = symbol->use,
                  .found = plait_sema_format(
                      sema, "`%s`, whose size is left to run time, and which no parameter or result has", name),
                  .expected = "an axis of static size, or one of a parameter or result",
                  .help = plait_sema_format(
                      sema, "give it a size, `axis %s : %s = 64` or `-D %s=64`, or declare a parameter that has it",
                      name, role_names[symbol->role], name),
                  .related = symbol->name.span,
                  .related_note = "the axis"});
}

void plait_axes_check_sizes(PlaitSema *sema)
{
    const PlaitFunction *function = sema->builder.function;
    bool *sized = PLAIT_NEW_ARRAY(sema->arena, bool, function->axes.count + 1);
    for (uint32_t i = 0; i < function->body->body.count; i++) {
        const PlaitInst *inst = plait_inst(function, function->body->body.data[i]);
        if (inst->op == PLAIT_OP_PARAM) mark_sized(function, inst->type, sized);
    }
    for (uint32_t i = 0; i < function->outputs.count; i++) mark_sized(function, function->outputs.data[i].type, sized);
    for (uint32_t i = 0; i < sema->axes.count; i++) {
        const PlaitAxisSymbol *symbol = &sema->axes.data[i];
        if (!symbol->used || symbol->size != PLAIT_RUNTIME_SIZE) continue;
        PlaitAxis extent = plait_axis_extent_of(function, symbol->axis);
        if (!sized[extent]) report_unsized(sema, symbol);
        sized[extent] = true; /* once for all that have this extent */
    }
}

/* Whether the name is that of an axis of the operator: then of an attend that has ended, as no other is unknown. */
static bool was_attended(const PlaitSema *sema, PlaitName name)
{
    const PlaitFunction *function = sema->builder.function;
    for (uint32_t i = 0; function && i < function->axes.count; i++)
        if (function->axes.data[i].name == name) return true;
    return false;
}

/* Whether the file declares the axis, but below. */
static bool is_declared_later(const PlaitSema *sema, PlaitAstName name)
{
    for (uint32_t i = 0; i < sema->file->axes.count; i++) {
        PlaitAstName declared = sema->file->axes.data[i].name;
        if (declared.name == name.name && declared.span.source == name.span.source &&
            declared.span.begin > name.span.begin)
            return true;
    }
    return false;
}

PlaitAxis plait_axes_resolve(PlaitSema *sema, PlaitAstName name)
{
    PlaitAxis axis = plait_axes_find(sema, name);
    if (axis != PLAIT_NO_AXIS) return axis;
    PLAIT_VECTOR(const char *) known = {0};
    for (uint32_t i = 0; i < sema->axes.count; i++)
        plait_push(sema->arena, &known, plait_sema_text(sema, sema->axes.data[i].name.name));
    const char *text = plait_sema_text(sema, name.name), *advice = NULL;
    if (was_attended(sema, name.name))
        advice = plait_sema_format(sema, "`%s` is known inside its `attend` only: reduce over it there", text);
    else if (is_declared_later(sema, name))
        advice = plait_sema_format(sema, "`%s` is declared below: move its declaration before this line", text);
    plait_sema_unknown(sema, PLAIT_UNKNOWN_AXIS, name, "the name of an axis", advice, known.data, known.count);
    return PLAIT_NO_AXIS;
}

bool plait_axes_resolve_list(PlaitSema *sema, const PlaitAstNames *names, PlaitAxis *axes, uint32_t *count)
{
    bool good = true;
    *count = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        if (*count == PLAIT_MAX_RANK) {
            plait_sema_report(sema, PLAIT_RANK, names->data[i].span, plait_sema_format(sema, "%u axes", names->count),
                              plait_sema_format(sema, "at most %d", PLAIT_MAX_RANK), "values have at most 12 axes");
            return false;
        }
        PlaitAxis axis = plait_axes_resolve(sema, names->data[i]);
        good &= axis != PLAIT_NO_AXIS;
        for (uint32_t k = 0; axis != PLAIT_NO_AXIS && k < *count; k++) {
            if (axes[k] != axis) continue;
            plait_sema_report(sema, PLAIT_REPEATED_AXIS, names->data[i].span,
                              plait_sema_format(sema, "`%s` again", plait_sema_text(sema, names->data[i].name)),
                              "each axis once",
                              "remove it, or declare a second axis of the same size under another name");
            good = false;
        }
        axes[(*count)++] = axis;
    }
    return good;
}

/* A name for an axis of the operator that no other axis of it has. */
static PlaitName free_name(PlaitSema *sema, PlaitName name)
{
    PlaitName candidate = name;
    for (uint32_t i = 2; plait_axis_find(sema->builder.function, candidate) != PLAIT_NO_AXIS ||
                         (candidate != name && find_symbol(sema, candidate));
         i++)
        candidate = plait_names_add(sema->names, plait_sema_format(sema, "%s_%u", plait_sema_text(sema, name), i));
    return candidate;
}

PlaitAxis plait_axes_along(PlaitSema *sema, PlaitSpan span, PlaitName name, PlaitAxis along)
{
    PlaitFunction *function = sema->builder.function;
    PlaitAxis known = plait_axis_find(function, name);
    if (known != PLAIT_NO_AXIS && function->axes.data[known].same_as == along) return known;
    if (function->axes.count >= PLAIT_MAX_OPERATOR_AXES) {
        plait_sema_report(sema, PLAIT_PROGRAM_SIZE, span,
                          plait_sema_format(sema, "more than %d axes in one operator", PLAIT_MAX_OPERATOR_AXES),
                          "fewer axes", "attend along the same name more than once, or make two operators of it");
        return PLAIT_NO_AXIS;
    }
    PlaitAxisInfo info = {.name = free_name(sema, name),
                          .role = PLAIT_ROLE_TIME,
                          .size = function->axes.data[along].size,
                          .same_as = along};
    return plait_axis_add(function, info);
}

uint32_t plait_axes_of_time(const PlaitSema *sema, PlaitType type, PlaitAxis *axes)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < type.rank; i++)
        if (plait_axes_info(sema, type.axes[i])->role == PLAIT_ROLE_TIME) axes[count++] = type.axes[i];
    return count;
}

/* ---- types ---- */

static bool resolve_scalar(PlaitSema *sema, PlaitAstName name, PlaitScalar *scalar)
{
    if (plait_scalar_by_text(plait_sema_text(sema, name.name), scalar) && *scalar != PLAIT_I64) return true;
    static const char *const known[] = {"f64", "f32", "bf16", "f16", "i32", "bool"};
    static const char *const other[][2] = {{"float", "f32"},     {"float32", "f32"}, {"float64", "f64"},
                                           {"double", "f64"},    {"float16", "f16"}, {"half", "f16"},
                                           {"bfloat16", "bf16"}, {"int", "i32"},     {"int32", "i32"},
                                           {"int64", "i32"},     {"i64", "i32"}};
    const char *advice = NULL;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strcmp(plait_sema_text(sema, name.name), other[i][0]) == 0)
            advice = plait_sema_format(sema, "write `%s`", other[i][1]);
    if (!advice && !plait_nearest_name(plait_sema_text(sema, name.name), known, 6)) advice = "write one of these types";
    plait_sema_unknown(sema, PLAIT_UNKNOWN_TYPE, name, "f64, f32, bf16, f16, i32 or bool", advice, known, 6);
    return false;
}

bool plait_sema_type(PlaitSema *sema, const PlaitAstType *ast, PlaitType *type)
{
    PlaitScalar scalar;
    PlaitAxis axes[PLAIT_MAX_RANK];
    uint32_t count;
    bool good = resolve_scalar(sema, ast->scalar, &scalar);
    good &= plait_axes_resolve_list(sema, &ast->axes, axes, &count);
    if (!good) return false;
    *type = plait_type(scalar);
    for (uint32_t i = 0; i < count; i++) *type = plait_type_with(*type, axes[i]);
    return true;
}
