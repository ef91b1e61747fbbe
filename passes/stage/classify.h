/* What kind of recurrence each carry of a scan is, found from how the body uses it, never from names.
 *
 * An analysis of Stage IR: it changes nothing. The class says which parallel form the recurrence allows, not which one
 * it gets: that the passes `chunk` (by blocks of tokens) and `segment` find out by themselves.
 */
#ifndef PLAIT_PASSES_STAGE_CLASSIFY_H
#define PLAIT_PASSES_STAGE_CLASSIFY_H

#include "ir/ir.h"

typedef enum PlaitScanClassId {
#define CLASS(id, text, allows) PLAIT_SCAN_##id,
#include "passes/stage/scan_classes.def"
#undef CLASS
    PLAIT_SCAN_CLASS_COUNT
} PlaitScanClassId;

typedef struct PlaitCarryClass {
    PlaitScanClassId id;
    PlaitType factor_axes; /* axes of the state along which the factor varies */
    uint32_t input_rank;   /* number of products of separate axes that are added; 0: the input has no such structure or
                              there is none */
    bool has_input;        /* something independent of the carry is added */
    bool read_before, read_after; /* whether outputs read the carry before the token, after it */
    uint64_t feeds;               /* bit i: carry i appears in this carry's next value (i != itself) */
    const char *reason;           /* which operation, or which other carry, prevented more; "": none did */
    PlaitSpan where;              /* of that operation */
} PlaitCarryClass;

typedef struct PlaitScanClass {
    PlaitCarryClass *carries;
    uint32_t count;
    PlaitScanClassId id; /* the most general of the carries' */
} PlaitScanClass;

static inline bool plait_scan_is_minimum(PlaitScanClassId id)
{
    return id == PLAIT_SCAN_PLAIN_MINIMUM || id == PLAIT_SCAN_SHIFTED_MINIMUM;
}

/* A running maximum or minimum. */
static inline bool plait_scan_is_extreme(PlaitScanClassId id)
{
    return id == PLAIT_SCAN_PLAIN_MAXIMUM || id == PLAIT_SCAN_SHIFTED_MAXIMUM || plait_scan_is_minimum(id);
}

/* Classifies a SCAN instruction. At most 64 carries; those beyond are NONLINEAR. Memory from the module's arena. */
PlaitScanClass plait_classify_scan(const PlaitFunction *function, PlaitValue scan);
const char *plait_scan_class_text(PlaitScanClassId id);
const char *plait_scan_class_allows(PlaitScanClassId id);

/* One line for each carry, each after `indent`: its type, class, factor, input, reads, the carries that feed it and the
 * form it allows. */
void plait_scan_class_print(const PlaitFunction *function, PlaitValue scan, const char *indent, PlaitText *text);
/* A line that says where its carries are between tokens. `kept`, by carry: the names of the axes for which it is kept
 * in memory ("c, d"), NULL when it is not; no `kept`: as the function stands. */
void plait_scan_place_print(const PlaitFunction *function, PlaitValue scan, const char *const *kept, const char *indent,
                            PlaitText *text);
/* "c, d" */
const char *plait_axes_text(const PlaitFunction *function, PlaitType axes);
/* The same for every scan of the function, each under its number in the order of the text, its axis and direction. */
void plait_classify_print(const PlaitFunction *function, PlaitText *text);

#endif
