/* Inside the frontend: checking names, axes and types, and building Stage IR, in one walk over the tree.
 *
 * Each expression becomes a term: a number known now, a value of the IR, or poison (something wrong that has been
 * reported; whatever is computed from it is poison and says nothing more). Functions are inlined at their calls.
 */
#ifndef PLAIT_FRONTEND_SEMA_H
#define PLAIT_FRONTEND_SEMA_H

#include "frontend/ast.h"
#include "frontend/frontend.h"
#include "ir/build.h"

enum {
    PLAIT_MAX_STEPS = 400000,        /* expressions lowered in one compilation: inlining can grow exponentially */
    PLAIT_MAX_CALL_DEPTH = 32,       /* functions inlined in one another */
    PLAIT_MAX_LOWERING_DEPTH = 1000, /* expressions in one another, through calls: bounds the C stack */
    PLAIT_MAX_SCAN_DEPTH = 3,        /* each level may be lowered several times to find its carries' axes */
    PLAIT_MAX_DECLARED = 255,        /* parameters, carries, results */
    PLAIT_MAX_AXES = 64,             /* of a file */
    PLAIT_MAX_OPERATOR_AXES = 200,   /* with those of its attends; passes add some more */
};

typedef enum PlaitTermKind { PLAIT_TERM_POISON, PLAIT_TERM_NUMBER, PLAIT_TERM_VALUE } PlaitTermKind;
typedef enum PlaitNumberKind { PLAIT_NUMBER_TRUTH, PLAIT_NUMBER_WHOLE, PLAIT_NUMBER_REAL } PlaitNumberKind;

typedef struct PlaitTerm {
    PlaitTermKind kind;
    PlaitNumberKind number_kind;
    double number;
    PlaitValue value;
} PlaitTerm;

/* An axis that the file declares. */
typedef struct PlaitAxisSymbol {
    PlaitAstName name;
    PlaitAxisRole role;
    int64_t size;
    PlaitName same_as; /* 0: none */
    PlaitAxis axis;    /* in the operator being lowered; PLAIT_NO_AXIS until it is used */
    PlaitSpan use;     /* where it is named there first, if it is */
    bool used;
} PlaitAxisSymbol;

typedef struct PlaitBinding {
    PlaitName name;
    PlaitTerm term;
    PlaitSpan span;    /* where it was assigned */
    PlaitAxis escaped; /* the attend axis that it still has, outside that attend; else PLAIT_NO_AXIS */
    uint32_t shadowed; /* 1 + the index of the binding of this name before it; 0: none */
} PlaitBinding;

/* What is known of a name: each field is 1 + an index, 0: none. */
typedef struct PlaitNameState {
    uint32_t newest;   /* in scope */
    uint32_t constant; /* in constants */
    uint32_t unknown;  /* the operator in which it was reported as unknown */
} PlaitNameState;

/* A function being inlined. */
typedef struct PlaitCall {
    const PlaitAstFunction *function;
    PlaitSpan place;
    const struct PlaitCall *outer;
    PlaitAxis axes[PLAIT_MAX_RANK];
    uint32_t scope; /* bindings of the function begin here */
    uint32_t depth;
} PlaitCall;

/* A scan or attend being lowered. */
typedef struct PlaitStage {
    bool attend;
    PlaitName name; /* of the axis, in the source */
    PlaitAxis axis;
    PlaitValue mask;                /* attend: `where`; 0: none */
    const PlaitRegion *region;      /* scan */
    const PlaitAstCarries *carries; /* scan: those that the region's parameters stand for */
    uint32_t scope;                 /* attend: bindings from here on were made in the block */
    const PlaitCall *call;          /* the function in whose text the stage stands */
    const struct PlaitStage *outer;
} PlaitStage;

/* The last statement of a block that mentions a name. */
typedef struct PlaitMention {
    PlaitName name;
    uint32_t statement;
} PlaitMention;

/* What is still to be lowered after the statement at hand: decides which values leave a scan. */
typedef struct PlaitPending {
    const PlaitAstBlock *block;
    uint32_t next;
    const PlaitAstParams *results;  /* of the operator, or NULL */
    const PlaitAstCarries *carries; /* of the scan whose body the block is, or NULL */
    struct PlaitPending *outer;
    PLAIT_VECTOR(PlaitMention) mentions; /* of the block, by name; made when first asked for */
    bool indexed;
} PlaitPending;

typedef struct PlaitSema {
    PlaitArena *arena;
    PlaitNames *names;
    PlaitDiagnostics *diagnostics;
    const PlaitAst *file, *standard;
    bool broken;    /* parts of the file did not parse: unknown names may stand there */
    uint32_t quiet; /* > 0: trial lowering, nothing is reported */
    uint32_t steps;
    uint32_t depth; /* of expressions in one another, through calls */
    PLAIT_VECTOR(PlaitAxisSymbol) axes;
    PLAIT_VECTOR(PlaitBinding) constants;
    PLAIT_VECTOR(PlaitNameState) by_name; /* by PlaitName */
    PLAIT_VECTOR(uint32_t) visited;       /* by value: the last walk that saw it (stage.c) */
    uint32_t walks;
    PlaitModule *module;
    PlaitBuilder builder; /* outside operators: of a function that is thrown away */
    PLAIT_VECTOR(PlaitBinding) scope;
    const PlaitCall *call;
    const PlaitStage *stage;
    PlaitPending *pending;
} PlaitSema;

/* ---- terms (term.c) ---- */

static inline PlaitTerm plait_poison(void) { return (PlaitTerm){.kind = PLAIT_TERM_POISON}; }
static inline PlaitTerm plait_number(double number, PlaitNumberKind kind)
{
    return (PlaitTerm){PLAIT_TERM_NUMBER, kind, number, 0};
}
static inline PlaitTerm plait_term(PlaitValue value) { return (PlaitTerm){.kind = PLAIT_TERM_VALUE, .value = value}; }
static inline PlaitType plait_term_type(const PlaitSema *sema, PlaitTerm term)
{
    return plait_type_of(sema->builder.function, term.value);
}
bool plait_term_has_axis(const PlaitSema *sema, PlaitTerm term, PlaitAxis axis);
const char *plait_term_text(const PlaitSema *sema, PlaitTerm term); /* "`f32[b, t]`", "the number 2" */
const char *plait_sema_number_text(const PlaitSema *sema, double number);
const char *plait_sema_type_text(const PlaitSema *sema, PlaitType type);
/* The term as a value of that scalar type; a number must fit it, a value is cast. Poison after a report. */
PlaitTerm plait_term_as(PlaitSema *sema, PlaitSpan span, PlaitTerm term, PlaitScalar scalar);
/* 16-bit floats are for storage: their values in f32; other terms as they are. */
PlaitTerm plait_term_computing(PlaitSema *sema, PlaitTerm term);
/* False after reporting that the terms together have too many axes. */
bool plait_terms_fit(PlaitSema *sema, PlaitSpan span, const PlaitTerm *terms, uint32_t count);

/* ---- reports (report.c) ---- */

/* Reports a mistake in the program at `span`, or, inside the standard library, at the call. */
void plait_sema_report(PlaitSema *sema, PlaitDiagnosticId id, PlaitSpan span, const char *found, const char *expected,
                       const char *help);
void plait_sema_report_related(PlaitSema *sema, PlaitDiagnostic diagnostic);
const char *plait_sema_format(const PlaitSema *sema, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline const char *plait_sema_text(const PlaitSema *sema, PlaitName name)
{
    return plait_names_text(sema->names, name);
}
/* Where instructions built for `span` are blamed on. */
PlaitSpan plait_sema_place(const PlaitSema *sema, PlaitSpan span);
/* Whether nothing is to be said about an unknown name: it has been, or it may stand in what did not parse. */
bool plait_sema_is_known_unknown(PlaitSema *sema, PlaitName name);
/* An unknown name of some kind, with advice or (NULL) the nearest known one; once for each name. */
void plait_sema_unknown(PlaitSema *sema, PlaitDiagnosticId id, PlaitAstName name, const char *kind, const char *advice,
                        const char *const *known, uint32_t count);

/* ---- names (scope.c) ---- */

void plait_scope_bind(PlaitSema *sema, PlaitAstName name, PlaitTerm term); /* reports names that cannot be assigned */
PlaitBinding *plait_scope_find(PlaitSema *sema, PlaitName name);           /* NULL when there is none */
PlaitTerm plait_scope_read(PlaitSema *sema, PlaitAstName name); /* variable, constant or position of an axis */
/* Adds a binding that needs no check; removes those from `count` on. */
void plait_scope_push(PlaitSema *sema, PlaitBinding binding);
void plait_scope_cut(PlaitSema *sema, uint32_t count);
bool plait_scope_is_newest(PlaitSema *sema, uint32_t index);
void plait_scope_add_constant(PlaitSema *sema, PlaitBinding binding);
PlaitNameState *plait_scope_state(PlaitSema *sema, PlaitName name); /* valid until the next name */
/* Whether the name is read after the statement at hand. */
bool plait_scope_pending(PlaitSema *sema, PlaitName name);

/* ---- axes (axes.c) ---- */

void plait_axes_declare(PlaitSema *sema, const PlaitAstAxis *axis, const PlaitAxisSize *overrides, uint32_t count);
void plait_axes_forget(PlaitSema *sema); /* before another operator */
/* An axis of the operator by its name in the source; PLAIT_NO_AXIS when there is none. */
PlaitAxis plait_axes_find(PlaitSema *sema, PlaitAstName name);
PlaitAxis plait_axes_resolve(PlaitSema *sema, PlaitAstName name); /* reports unknown ones */
/* At the end of an operator: reports the axes used whose size no tensor of it gives. */
void plait_axes_check_sizes(PlaitSema *sema);
/* Resolves a list without repetitions; false after a report. */
bool plait_axes_resolve_list(PlaitSema *sema, const PlaitAstNames *names, PlaitAxis *axes, uint32_t *count);
/* The axis of an attend, with along's extent; PLAIT_NO_AXIS after a report. */
PlaitAxis plait_axes_along(PlaitSema *sema, PlaitSpan span, PlaitName name, PlaitAxis along);
const PlaitAxisInfo *plait_axes_info(const PlaitSema *sema, PlaitAxis axis);
/* The time axes of a type; returns their number. */
uint32_t plait_axes_of_time(const PlaitSema *sema, PlaitType type, PlaitAxis *axes);
bool plait_sema_type(PlaitSema *sema, const PlaitAstType *ast, PlaitType *type);

#endif
