/* Inside the pass `segment`: a scan that is being looked at (segment_check.c) and rewritten (segment.c). */
#ifndef PLAIT_PASSES_STAGE_SEGMENT_PARTS_H
#define PLAIT_PASSES_STAGE_SEGMENT_PARTS_H

#include "ir/clone.h"
#include "passes/passes.h"
#include "passes/stage/segment.h"

#define PLAIT_NO_EXTREME UINT32_MAX
enum { PLAIT_SEGMENT_MOST_CARRIES = 4 }; /* which may all feed each other */

/* What becomes of carry `column` in a value: nothing (not there), or a factor that varies along some axes. */
typedef struct PlaitSegmentPart {
    bool known, there;
    PlaitType type;  /* without time */
    PlaitValue made; /* while the body is written */
} PlaitSegmentPart;

/* How a column of the matrix is made: by a loop over the tokens of a segment; or, where all tokens have the same
 * matrix, as that of its power; or, of a carry that feeds no other one and is not multiplied at all, it is 1. */
typedef enum PlaitSegmentColumn { PLAIT_SEGMENT_LOOP, PLAIT_SEGMENT_POWER, PLAIT_SEGMENT_ONE } PlaitSegmentColumn;

typedef struct PlaitSegment {
    PlaitFunction *function;
    PlaitArena *arena;
    PlaitValue scan;
    const PlaitRegion *body;
    PlaitAxis time, segments;
    uint32_t count, tokens;
    const char *reason; /* why the scan stays as it is; NULL: it does not */
    PlaitValue culprit;
    bool *depends;               /* by value: on a carry, other than the extreme */
    uint32_t extreme;            /* number of the carry that is a running maximum or minimum, or PLAIT_NO_EXTREME */
    PlaitOp extreme_op;          /* PLAIT_OP_MAX or PLAIT_OP_MIN */
    PlaitValue moved;            /* of its next value: the operand of the extreme that the carry enters by */
    bool *scaled;                /* by value: depends on the extreme */
    bool *stabilised;            /* by carry: a sum rescaled by the extreme */
    PlaitSegmentPart *parts;     /* by value, of the present column */
    PlaitSegmentPart *matrix;    /* by column, by carry: whether the entry is there, and its type */
    PlaitSegmentColumn *columns; /* by column */
    PlaitValue *ends;            /* by carry: the state at a segment's end, had it begun at 0; over segments */
    PlaitValue *entries,
        *entry_params;          /* by column, by carry: over segments (0: it is 1); in the scan that makes them */
    PlaitValue shift;           /* of the extreme, over segments; 0: none */
    PlaitCloneMap map, shifted; /* to the scan that makes these: values; what factors make of the shifts */
    PlaitBuilder inside;
} PlaitSegment;

static inline const PlaitInst *def(const PlaitSegment *segment, PlaitValue value)
{
    return plait_inst(segment->function, value);
}

/* Whether the scan is one that runs in segments; else notes why not. Fills what it learns of the body, and `matrix`. */
bool plait_segment_check(PlaitSegment *segment, bool any_size);

/* What becomes of the column in the value, while the parts of that column are kept. */
PlaitSegmentPart plait_segment_part(PlaitSegment *segment, PlaitValue value, uint32_t column);
/* Before those of another column. */
void plait_segment_forget_parts(PlaitSegment *segment);
/* The same, written at segment->inside; 0: nothing. */
PlaitValue plait_segment_write(PlaitSegment *segment, PlaitValue value, uint32_t column);
/* Writes the entries of columns that are powers before the scan. */
void plait_segment_powers(PlaitSegment *segment);

#endif
