/* `scan t carry S = S0 { ... }` becomes one SCAN.
 *
 *   1. The initial values are lowered outside. A carry's axes are those declared, else those of its initial value, else
 *      (the initial value is a number) they are found by lowering the body on trial until no carry gains an axis; so is
 *      f64 in place of f32. In a scan inside another, all carries gain the axes of the outer scans on which they
 * depend: types are written for one token of those.
 *   2. The region's parameters are the carries before a token; they have the axis t.
 *   3. The body is lowered into the region; the names of the carries then hold what goes to the next token.
 *   4. Names assigned in the body that are read later become outputs; the carries' names become the final values.
 */
#include <string.h>

#include "frontend/lower.h"

typedef struct Carry {
    const PlaitAstCarry *ast;
    PlaitTerm initial;
    PlaitType type; /* without t */
    bool open;      /* its axes are still being found, and whether it is f64 */
    PlaitBinding next;
} Carry;

typedef struct Scan {
    const PlaitAstStatement *statement;
    PlaitAxis axis;
    Carry *carries;
    uint32_t count;
    PlaitRegion *region;
    uint32_t mark; /* bindings of the body begin here, those of the carries first */
} Scan;

static bool check_nesting(PlaitSema *sema, const PlaitAstStatement *statement, PlaitAxis axis)
{
    uint32_t scans = 0;
    const char *found = NULL;
    for (const PlaitStage *stage = sema->stage; stage && !found; stage = stage->outer) {
        const char *name = plait_axis_text(sema->builder.function, stage->axis);
        if (stage->attend) found = plait_sema_format(sema, "a scan inside `attend %s`", name);
        else if (stage->axis == axis) found = plait_sema_format(sema, "a scan inside a scan over `%s` as well", name);
        else if (++scans == PLAIT_MAX_SCAN_DEPTH)
            found = plait_sema_format(sema, "more than %d scans in one another", PLAIT_MAX_SCAN_DEPTH);
    }
    if (found)
        plait_sema_report(sema, PLAIT_STAGE_NESTING, statement->span, found, "stages one after another",
                          "write the scan before the block and use its results inside");
    return !found;
}

static bool check_axis(PlaitSema *sema, const PlaitAstStatement *statement, PlaitAxis axis)
{
    PlaitAxisRole role = plait_axes_info(sema, axis)->role;
    if (role == PLAIT_ROLE_TIME || role == PLAIT_ROLE_FEATURE) return true;
    plait_sema_report(
        sema, PLAIT_AXIS_ROLE, statement->name.span,
        plait_sema_format(sema, "a scan over the %s axis `%s`", role == PLAIT_ROLE_BATCH ? "batch" : "head",
                          plait_axis_text(sema->builder.function, axis)),
        "a time or feature axis", "positions along batch and head axes have no order; declare the axis as `time`");
    return false;
}

/* ---- 1. carries ---- */

static PlaitType sorted(PlaitType type)
{
    for (uint32_t i = 1; i < type.rank; i++)
        for (uint32_t k = i; k > 0 && type.axes[k] < type.axes[k - 1]; k--) {
            PlaitAxis axis = type.axes[k];
            type.axes[k] = type.axes[k - 1];
            type.axes[k - 1] = axis;
        }
    return type;
}

static bool carry_type_error(PlaitSema *sema, PlaitSpan span, const char *found, const char *expected, const char *help)
{
    plait_sema_report(sema, PLAIT_CARRY_TYPE, span, found, expected, help);
    return false;
}

/* The declared type, else f32 or the type of the initial value. */
static bool carry_scalar(PlaitSema *sema, Carry *carry)
{
    const PlaitAstType *declared = carry->ast->type;
    if (declared) {
        if (!plait_sema_type(sema, declared, &carry->type)) return false;
        if (carry->type.scalar != PLAIT_F16 && carry->type.scalar != PLAIT_BF16) return true;
        return carry_type_error(sema, declared->span, plait_sema_type_text(sema, carry->type), "f32, f64, i32 or bool",
                                "a state is carried in f32: 16 bits lose small updates");
    }
    if (carry->initial.kind == PLAIT_TERM_VALUE) carry->type = plait_term_type(sema, carry->initial);
    else carry->type = plait_type(carry->initial.number_kind == PLAIT_NUMBER_TRUTH ? PLAIT_BOOL : PLAIT_F32);
    return true;
}

/* A term in the carry's scalar type: numbers, and values of an earlier type, are converted. */
static bool convert(PlaitSema *sema, PlaitSpan span, const Carry *carry, PlaitTerm *term)
{
    if (term->kind == PLAIT_TERM_POISON) return false;
    *term = plait_term_computing(sema, *term);
    PlaitScalar wanted = (PlaitScalar)carry->type.scalar;
    if (term->kind == PLAIT_TERM_VALUE) {
        PlaitScalar own = (PlaitScalar)plait_term_type(sema, *term).scalar;
        if ((own == PLAIT_BOOL) != (wanted == PLAIT_BOOL) || own > wanted)
            return carry_type_error(
                sema, span,
                plait_sema_format(sema, "`%s` for the carry `%s`", plait_scalar_text(own),
                                  plait_sema_text(sema, carry->ast->name.name)),
                plait_scalar_text(wanted),
                plait_sema_format(
                    sema, "declare its type, `carry %s : %s[...] = ...`, or convert the value with `%s(...)`",
                    plait_sema_text(sema, carry->ast->name.name), plait_scalar_text(own), plait_scalar_text(wanted)));
    }
    *term = plait_term_as(sema, span, *term, wanted);
    return term->kind == PLAIT_TERM_VALUE;
}

static bool shape_error(PlaitSema *sema, const Carry *carry, PlaitSpan span, PlaitType found, const char *what)
{
    const char *name = plait_sema_text(sema, carry->ast->name.name);
    PlaitType whole = plait_type_as(found, (PlaitScalar)carry->type.scalar);
    plait_sema_report_related(
        sema,
        (PlaitDiagnostic){
            .id = PLAIT_CARRY_SHAPE,
            .span = span,
            .found = plait_sema_format(sema, "%s %s of the carry `%s`", what, plait_sema_type_text(sema, found), name),
            .expected = plait_sema_format(sema, "at most the axes of %s", plait_sema_type_text(sema, carry->type)),
            .help =
                plait_sema_format(sema, "declare the carry `%s` with all of its axes, as %s, or reduce over the others",
                                  name, plait_sema_type_text(sema, whole)),
            .related = carry->ast->name.span,
            .related_note = "the carry"});
    return false;
}

/* The type, with those axes of the value that belong to enclosing scans: what is declared is declared for one token. */
static PlaitType with_outer_axes(const PlaitSema *sema, PlaitType type, PlaitType value)
{
    for (const PlaitStage *stage = sema->stage; stage; stage = stage->outer)
        if (!stage->attend && plait_type_has(value, stage->axis) && type.rank < PLAIT_MAX_RANK)
            type = plait_type_with(type, stage->axis);
    return type;
}

static bool prepare_carry(PlaitSema *sema, const Scan *scan, Carry *carry)
{
    carry->initial = plait_term_computing(sema, plait_sema_expression(sema, carry->ast->initial));
    if (carry->initial.kind == PLAIT_TERM_POISON || !carry_scalar(sema, carry)) return false;
    carry->open = !carry->ast->type && carry->initial.kind == PLAIT_TERM_NUMBER;
    PlaitSpan span = carry->ast->initial->span;
    if (carry->open) return true;
    if (!convert(sema, span, carry, &carry->initial)) return false;
    carry->type = with_outer_axes(sema, carry->type, plait_term_type(sema, carry->initial));
    if (plait_type_has(carry->type, scan->axis)) {
        const char *name = plait_axis_text(sema->builder.function, scan->axis);
        plait_sema_report(sema, PLAIT_CARRY_SHAPE, span,
                          plait_sema_format(sema, "%s, with the axis `%s` of the scan",
                                            plait_sema_type_text(sema, carry->type), name),
                          plait_sema_format(sema, "a carry without `%s`", name),
                          "a carry holds one token's state; the initial value is that before the first token");
        return false;
    }
    if (!plait_type_inside(plait_term_type(sema, carry->initial), carry->type))
        return shape_error(sema, carry, span, plait_term_type(sema, carry->initial), "the initial value");
    if (carry->type.rank < PLAIT_MAX_RANK) return true;
    plait_sema_report(sema, PLAIT_RANK, span, plait_sema_format(sema, "a carry over %u axes", carry->type.rank),
                      "at most 11 axes, and that of the scan", "carry less");
    return false;
}

/* ---- 2. and 3. the body ---- */

static void bind_carries(PlaitSema *sema, Scan *scan)
{
    for (uint32_t i = 0; i < scan->count; i++) {
        Carry *carry = &scan->carries[i];
        PlaitType type = sorted(plait_type_with(carry->type, scan->axis));
        PlaitValue argument = plait_build_argument(sema->builder.function, scan->region, type,
                                                   plait_sema_place(sema, carry->ast->name.span));
        plait_scope_bind(sema, carry->ast->name, plait_term(argument));
    }
}

/* Lowers the body into a new region; its bindings stay, from scan->mark. */
static void lower_body(PlaitSema *sema, Scan *scan)
{
    PlaitRegion *outer = sema->builder.region;
    const PlaitAstStatement *statement = scan->statement;
    scan->region = sema->builder.region = plait_region_create(sema->builder.function, outer);
    scan->mark = sema->scope.count;
    bind_carries(sema, scan);
    PlaitStage stage = {.name = statement->name.name,
                        .axis = scan->axis,
                        .region = scan->region,
                        .carries = &statement->carries,
                        .call = sema->call,
                        .outer = sema->stage};
    PlaitPending pending = {.block = statement->body, .carries = &statement->carries};
    sema->stage = &stage;
    plait_sema_block(sema, statement->body, &pending);
    sema->stage = stage.outer;
    for (uint32_t i = 0; i < scan->count; i++)
        scan->carries[i].next = *plait_scope_find(sema, scan->carries[i].ast->name.name);
    sema->builder.region = outer;
}

/* Adds to a carry the axes that its next value has: all of them when it is open, else those of the outer scans. An open
 * f32 carry becomes f64 with its next value. Whether anything changed. */
static bool widen(const PlaitSema *sema, const Scan *scan, Carry *carry)
{
    if (carry->next.term.kind != PLAIT_TERM_VALUE) return false;
    PlaitType type = carry->type, next = plait_type_without(plait_term_type(sema, carry->next.term), scan->axis);
    PlaitType wanted = with_outer_axes(sema, type, next);
    if (carry->open && plait_type_union_rank(type, next) < PLAIT_MAX_RANK) wanted = plait_type_union(type, next);
    bool wide = carry->open && type.scalar == PLAIT_F32 && next.scalar == PLAIT_F64;
    wanted.scalar = wide ? PLAIT_F64 : type.scalar;
    bool changed = wide || (wanted.rank > type.rank && wanted.rank < PLAIT_MAX_RANK);
    if (changed) carry->type = sorted(wanted);
    return changed;
}

/* Lowers the body on trial until the types of the carries no longer grow. What a trial builds is dropped. */
static void find_types(PlaitSema *sema, Scan *scan)
{
    bool open = sema->stage != NULL;
    for (uint32_t i = 0; i < scan->count; i++) open |= scan->carries[i].open;
    while (open) {
        uint32_t insts = sema->builder.function->insts.count;
        sema->quiet++;
        lower_body(sema, scan);
        sema->quiet--;
        open = false;
        for (uint32_t i = 0; i < scan->count; i++) open |= widen(sema, scan, &scan->carries[i]);
        plait_scope_cut(sema, scan->mark);
        sema->builder.function->insts.count = insts;
    }
}

/* The initial values of open carries in the types that were found. */
static bool settle(PlaitSema *sema, Scan *scan)
{
    bool good = true;
    find_types(sema, scan);
    for (uint32_t i = 0; i < scan->count; i++) {
        Carry *carry = &scan->carries[i];
        if (carry->open) good &= convert(sema, carry->ast->initial->span, carry, &carry->initial);
    }
    return good;
}

/* ---- 4. what comes out ---- */

/* A body that calls the next state by another name would carry nothing from token to token. */
static bool check_assigned(PlaitSema *sema, const Scan *scan, uint32_t index)
{
    const PlaitAstName *name = &scan->carries[index].ast->name;
    PlaitBinding next = scan->carries[index].next;
    if (next.term.kind != PLAIT_TERM_VALUE || memcmp(&next.span, &name->span, sizeof next.span) != 0) return true;
    plait_sema_report(
        sema, PLAIT_CARRY_UNASSIGNED, name->span,
        plait_sema_format(sema, "no assignment to `%s` in the body of its scan", plait_sema_text(sema, name->name)),
        plait_sema_format(sema, "`%s = ...`: the state after the token", plait_sema_text(sema, name->name)),
        "assign the new state to the carry's own name; what does not change needs no carry");
    return false;
}

static bool check_next(PlaitSema *sema, const Scan *scan, Carry *carry)
{
    if (!convert(sema, carry->next.span, carry, &carry->next.term)) return false;
    PlaitType next = plait_type_without(plait_term_type(sema, carry->next.term), scan->axis);
    if (!plait_type_inside(next, carry->type))
        return shape_error(sema, carry, carry->next.span, next, "the next value");
    return true;
}

static bool yield_carries(PlaitSema *sema, Scan *scan)
{
    PlaitRegion *outer = sema->builder.region;
    bool good = true;
    sema->builder.region = scan->region; /* conversions happen at each token */
    for (uint32_t i = 0; i < scan->count; i++) {
        good &= check_assigned(sema, scan, i) && check_next(sema, scan, &scan->carries[i]);
        if (good) plait_yield(sema->builder.function, scan->region, scan->carries[i].next.term.value);
    }
    sema->builder.region = outer;
    return good;
}

static bool is_carry(const Scan *scan, PlaitName name)
{
    for (uint32_t i = 0; i < scan->count; i++)
        if (scan->carries[i].ast->name.name == name) return true;
    return false;
}

/* The newest bindings of the body that leave it: not of carries, and read later. */
static uint32_t leaving(PlaitSema *sema, const Scan *scan, PlaitBinding *bindings)
{
    uint32_t count = 0;
    for (uint32_t i = scan->mark; i < sema->scope.count; i++) {
        PlaitBinding binding = sema->scope.data[i];
        if (plait_scope_is_newest(sema, i) && !is_carry(scan, binding.name) && plait_scope_pending(sema, binding.name))
            bindings[count++] = binding;
    }
    return count;
}

/* A value at each token: yields it, and gives the type of the output. What does not change over tokens is repeated. */
static bool yield_output(PlaitSema *sema, Scan *scan, PlaitBinding *binding, PlaitType *type)
{
    PlaitRegion *outer = sema->builder.region;
    if (binding->term.kind != PLAIT_TERM_VALUE || binding->escaped != PLAIT_NO_AXIS) return false;
    *type = plait_term_type(sema, binding->term);
    if (!plait_type_has(*type, scan->axis) && type->rank == PLAIT_MAX_RANK) {
        plait_sema_report(sema, PLAIT_RANK, binding->span,
                          plait_sema_format(sema, "%s at each token", plait_sema_type_text(sema, *type)),
                          plait_sema_format(sema, "at most %d axes", PLAIT_MAX_RANK), "assign it before the scan");
        binding->term = plait_poison();
        return false;
    }
    *type = plait_type_with(*type, scan->axis);
    sema->builder.region = scan->region;
    sema->builder.span = plait_sema_place(sema, binding->span);
    plait_yield(sema->builder.function, scan->region,
                plait_build_broadcast(&sema->builder, binding->term.value, *type));
    sema->builder.region = outer;
    return true;
}

static void finish(PlaitSema *sema, Scan *scan)
{
    PlaitBuilder *builder = &sema->builder;
    PlaitFunction *function = builder->function;
    PlaitBinding *outputs = PLAIT_NEW_ARRAY(sema->arena, PlaitBinding, sema->scope.count - scan->mark + 1);
    uint32_t count = leaving(sema, scan, outputs), index = scan->count;
    PlaitType *types = PLAIT_NEW_ARRAY(sema->arena, PlaitType, count + 1);
    bool *yielded = PLAIT_NEW_ARRAY(sema->arena, bool, count + 1);
    for (uint32_t i = 0; i < count; i++) yielded[i] = yield_output(sema, scan, &outputs[i], &types[i]);
    PlaitValue *initial = PLAIT_NEW_ARRAY(sema->arena, PlaitValue, scan->count);
    for (uint32_t i = 0; i < scan->count; i++) initial[i] = scan->carries[i].initial.value;
    builder->span = plait_sema_place(sema, scan->statement->span);
    PlaitValue owner = plait_build_owner(builder, PLAIT_OP_SCAN, initial, scan->count, scan->region);
    plait_set_axes(function, owner, &scan->axis, 1);
    plait_set_ints(function, owner, (int64_t[]){scan->statement->reverse ? -1 : 1}, 1);
    plait_scope_cut(sema, scan->mark);
    for (uint32_t i = 0; i < scan->count; i++) {
        const Carry *carry = &scan->carries[i];
        if (!plait_scope_pending(sema, carry->ast->name.name)) continue;
        PlaitTerm final = plait_term(plait_build_result(builder, owner, i, carry->type));
        plait_scope_push(sema, (PlaitBinding){.name = carry->ast->name.name,
                                              .term = final,
                                              .span = carry->ast->name.span,
                                              .escaped = PLAIT_NO_AXIS});
    }
    for (uint32_t i = 0; i < count; i++) {
        if (yielded[i]) outputs[i].term = plait_term(plait_build_result(builder, owner, index++, types[i]));
        plait_scope_push(sema, outputs[i]);
    }
}

/* After a mistake: all names of the body are known but poisoned. */
static void poison(PlaitSema *sema, const Scan *scan)
{
    for (uint32_t i = scan->mark; i < sema->scope.count; i++) sema->scope.data[i].term = plait_poison();
}

/* Lowers the body for its own mistakes only; carries are poison where their initial values are wrong. */
static void recover(PlaitSema *sema, Scan *scan)
{
    scan->mark = sema->scope.count;
    for (uint32_t i = 0; i < scan->count; i++) plait_scope_bind(sema, scan->carries[i].ast->name, plait_poison());
    PlaitRegion *outer = sema->builder.region;
    PlaitStage stage = {
        .name = scan->statement->name.name, .axis = scan->axis, .call = sema->call, .outer = sema->stage};
    PlaitPending pending = {.block = scan->statement->body, .carries = &scan->statement->carries};
    sema->builder.region = plait_region_create(sema->builder.function, outer);
    if (scan->axis != PLAIT_NO_AXIS) sema->stage = &stage;
    plait_sema_block(sema, scan->statement->body, &pending);
    sema->stage = stage.outer;
    sema->builder.region = outer;
    poison(sema, scan);
}

static bool prepare(PlaitSema *sema, Scan *scan)
{
    const PlaitAstStatement *statement = scan->statement;
    bool good = scan->axis != PLAIT_NO_AXIS && check_axis(sema, statement, scan->axis) &&
                check_nesting(sema, statement, scan->axis);
    if (statement->carries.count == 0 || statement->carries.count > PLAIT_MAX_DECLARED) {
        plait_sema_report(sema, PLAIT_NO_CARRY, statement->span,
                          plait_sema_format(sema, "%u carries", statement->carries.count),
                          plait_sema_format(sema, "1 to %d carries", PLAIT_MAX_DECLARED),
                          "write `scan t carry S = 0 { ... }`; without a state no scan is needed");
        good = false;
    }
    for (uint32_t i = 0; i < scan->count; i++) {
        scan->carries[i].ast = &statement->carries.data[i];
        for (uint32_t k = 0; k < i; k++) {
            if (scan->carries[k].ast->name.name != scan->carries[i].ast->name.name) continue;
            plait_sema_report(
                sema, PLAIT_NAME_TAKEN, scan->carries[i].ast->name.span,
                plait_sema_format(sema, "a second carry `%s`", plait_sema_text(sema, scan->carries[i].ast->name.name)),
                "each name once", "rename one of the two");
            good = false;
        }
    }
    for (uint32_t i = 0; i < scan->count && scan->axis != PLAIT_NO_AXIS; i++)
        good &= prepare_carry(sema, scan, &scan->carries[i]);
    return good;
}

void plait_sema_scan(PlaitSema *sema, const PlaitAstStatement *statement)
{
    PlaitSpan outer = sema->builder.span;
    Scan scan = {
        .statement = statement, .axis = plait_axes_resolve(sema, statement->name), .count = statement->carries.count};
    scan.carries = PLAIT_NEW_ARRAY(sema->arena, Carry, scan.count);
    if (prepare(sema, &scan) && settle(sema, &scan)) {
        lower_body(sema, &scan);
        if (yield_carries(sema, &scan)) finish(sema, &scan);
        else poison(sema, &scan);
    } else {
        recover(sema, &scan);
    }
    sema->builder.span = outer;
}
