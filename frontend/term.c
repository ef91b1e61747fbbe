/* Terms: what an expression has become. */
#include <math.h>

#include "frontend/sema.h"
#include "ir/text.h"

const char *plait_sema_type_text(const PlaitSema *sema, PlaitType type)
{
    PlaitText text = plait_text(sema->arena);
    plait_text_add(&text, "`");
    plait_type_print(sema->builder.function, type, &text);
    plait_text_add(&text, "`");
    return plait_text_string(&text);
}

const char *plait_sema_number_text(const PlaitSema *sema, double number)
{
    if (number == trunc(number) && fabs(number) < 1e15) return plait_sema_format(sema, "%.0f", number);
    PlaitText text = plait_text(sema->arena);
    plait_text_number(&text, number);
    return plait_text_string(&text);
}

const char *plait_term_text(const PlaitSema *sema, PlaitTerm term)
{
    if (term.kind == PLAIT_TERM_VALUE) return plait_sema_type_text(sema, plait_term_type(sema, term));
    if (term.kind == PLAIT_TERM_POISON) return "something wrong";
    if (term.number_kind == PLAIT_NUMBER_TRUTH) return term.number != 0 ? "`true`" : "`false`";
    return plait_sema_format(sema, "the number %s", plait_sema_number_text(sema, term.number));
}

bool plait_term_has_axis(const PlaitSema *sema, PlaitTerm term, PlaitAxis axis)
{
    return term.kind == PLAIT_TERM_VALUE && plait_type_has(plait_term_type(sema, term), axis);
}

/* A number as a constant: what does not fit the type is reported. */
static PlaitTerm number_as(PlaitSema *sema, PlaitSpan span, PlaitTerm term, PlaitScalar scalar)
{
    PlaitScalarKind kind = plait_scalar_kind(scalar);
    bool truth = term.number_kind == PLAIT_NUMBER_TRUTH;
    if (truth != (kind == PLAIT_TRUTH)) {
        plait_sema_report(
            sema, PLAIT_WRONG_TYPE, span, plait_term_text(sema, term), truth ? "a number" : "a truth value",
            truth ? "`f32(condition)` turns a truth value into 1 or 0" : "compare it, for example with `!= 0`");
        return plait_poison();
    }
    bool fraction = isfinite(term.number) && term.number != trunc(term.number);
    if (kind == PLAIT_INTEGER && (fraction || !(term.number >= -2147483648.0 && term.number <= 2147483647.0))) {
        plait_sema_report(sema, PLAIT_NUMBER_RANGE, span, plait_term_text(sema, term), "a whole number that i32 holds",
                          fraction ? "write a whole number, or give it a type of fractions, such as f32"
                                   : "use a smaller number, or compute in f32: `f32(...)` converts");
        return plait_poison();
    }
    double largest = scalar == PLAIT_F64 ? 1.7976931348623157e308 : scalar == PLAIT_F16 ? 65504 : 3.4028234663852886e38;
    if (kind == PLAIT_FLOATING && !isinf(term.number) && fabs(term.number) > largest) {
        plait_sema_report(sema, PLAIT_NUMBER_RANGE, span, plait_term_text(sema, term),
                          scalar == PLAIT_F16 ? "a number that f16 holds, at most 65504"
                                              : "a number that f32 holds, at most 3.4e38",
                          scalar == PLAIT_F16 ? "write `inf` for infinity, or take f32"
                                              : "write `inf` for infinity, or compute in f64");
        return plait_poison();
    }
    /* Half of the smallest number of the type rounds to 0, as does what is below. */
    double vanishing = scalar == PLAIT_F64 ? 0 : scalar == PLAIT_F16 ? 0x1p-25 : 0x1p-150;
    if (kind == PLAIT_FLOATING && term.number != 0 && fabs(term.number) <= vanishing) {
        plait_sema_report(sema, PLAIT_NUMBER_RANGE, span, plait_term_text(sema, term),
                          scalar == PLAIT_F16 ? "a number that f16 holds, at least 6.0e-8"
                                              : "a number that f32 holds, at least 1.4e-45",
                          "write 0 if that is meant, a larger number, or compute in f64");
        return plait_poison();
    }
    return plait_term(plait_build_const(&sema->builder, scalar, term.number));
}

PlaitTerm plait_term_as(PlaitSema *sema, PlaitSpan span, PlaitTerm term, PlaitScalar scalar)
{
    if (term.kind == PLAIT_TERM_POISON) return term;
    if (term.kind == PLAIT_TERM_NUMBER) return number_as(sema, span, term, scalar);
    return plait_term(plait_build_cast(&sema->builder, term.value, scalar));
}

PlaitTerm plait_term_computing(PlaitSema *sema, PlaitTerm term)
{
    if (term.kind != PLAIT_TERM_VALUE || !plait_scalar_is_16_bit(plait_term_type(sema, term).scalar)) return term;
    return plait_term(plait_build_cast(&sema->builder, term.value, PLAIT_F32));
}

bool plait_terms_fit(PlaitSema *sema, PlaitSpan span, const PlaitTerm *terms, uint32_t count)
{
    PlaitType type = plait_type(PLAIT_BOOL);
    for (uint32_t i = 0; i < count; i++) {
        if (terms[i].kind != PLAIT_TERM_VALUE) continue;
        PlaitType own = plait_term_type(sema, terms[i]);
        if (plait_type_union_rank(type, own) > PLAIT_MAX_RANK) {
            plait_sema_report(sema, PLAIT_RANK, span,
                              plait_sema_format(sema, "a value over %u axes", plait_type_union_rank(type, own)),
                              plait_sema_format(sema, "at most %d axes", PLAIT_MAX_RANK),
                              "reduce over some of the axes before");
            return false;
        }
        type = plait_type_union(type, own);
    }
    return true;
}
