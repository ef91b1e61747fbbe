/* Inside the pass `chunk`: a scan that is being rewritten. */
#ifndef PLAIT_PASSES_STAGE_CHUNK_PARTS_H
#define PLAIT_PASSES_STAGE_CHUNK_PARTS_H

#include "ir/clone.h"
#include "passes/passes.h"
#include "passes/stage/chunk_form.h"

/* One outer product that is added to the state: k along the axis that reads sum over, v along the others. */
typedef struct PlaitChunkTerm {
    const PlaitExpr *k, *v, *scale; /* NULL: 1; scale: of the state's axes it has none */
} PlaitChunkTerm;

/* An operand of products: a 16-bit number, and another for what rounding to it lost (0: nothing, or not kept). */
typedef struct PlaitChunkPair {
    PlaitValue high, low;
} PlaitChunkPair;

typedef struct PlaitChunkCarry {
    PlaitAxis axis; /* that reads sum over */
    PlaitType rest; /* the state's other feature axes */
    const PlaitExpr *factor;
    PlaitChunkTerm terms[PLAIT_FORM_MOST_TERMS];
    uint32_t term_count;
    PlaitValue state;                                                        /* the fold's parameter */
    PlaitChunkPair k[PLAIT_FORM_MOST_TERMS], v_there[PLAIT_FORM_MOST_TERMS]; /* as operands; there: at s */
    PlaitValue v[PLAIT_FORM_MOST_TERMS];
    PlaitValue v_factor[PLAIT_FORM_MOST_TERMS], v_rest[PLAIT_FORM_MOST_TERMS]; /* of a read that is added again */
    PlaitValue read, read_made;             /* the read that a system was solved for, its value; 0: none */
    PlaitValue before, after, there, whole; /* decays; 0: none, or not made */
    PlaitValue sign_before, sign_after, sign_there, sign_whole;
    PlaitValue step; /* of a factor along the axis: its logarithms */
    PlaitChunkPair step_there;
    bool keyed;   /* the factor varies along the axis */
    bool precise; /* a read goes into the state again, with its error, or beside other summands */
    bool has_decay, making_decay, has_terms, making_terms;
} PlaitChunkCarry;

typedef struct PlaitChunk {
    PlaitFunction *function;
    PlaitForms forms;
    PlaitValue scan;
    bool any_size; /* and any storage: for tests of what the fold means */
    PlaitAxis time, twin;
    PlaitAxis blocks; /* all blocks but the last have PLAIT_BLOCK_TOKENS tokens, and this axis counts them */
    PlaitChunkCarry *carries;
    uint32_t count;
    PlaitRegion *region;
    PlaitBuilder b, outside; /* in the fold, before it */
    PlaitCloneMap made;      /* values of the body -> values of the fold's */
    bool *open;              /* by value: being made */
} PlaitChunk;

/* chunk_sums.c: whether what a read of the scan's body gives is added to something else. */
bool plait_chunk_is_summed(PlaitChunk *chunk, PlaitValue read);
/* Notes why the scan stays as it is, the first reason; false. */
static inline bool plait_chunk_give_up(PlaitChunk *chunk, PlaitValue value, const char *reason)
{
    return plait_form_fail(&chunk->forms, value, reason);
}

static inline bool plait_chunk_failed(const PlaitChunk *chunk) { return chunk->forms.reason != NULL; }

static inline bool plait_chunk_is_feature(const PlaitChunk *chunk, PlaitAxis axis)
{
    return chunk->function->axes.data[axis].role == PLAIT_ROLE_FEATURE;
}

/* Whether the type has feature axes of the state other than the one that reads sum over. */
static inline bool plait_chunk_has_rest(const PlaitChunkCarry *carry, PlaitType type)
{
    for (uint32_t i = 0; i < carry->rest.rank; i++)
        if (plait_type_has(type, carry->rest.axes[i])) return true;
    return false;
}

/* Whether products may round the factor of a carry, which is read at `where`; gives up else. */
bool plait_chunk_check_storage(PlaitChunk *chunk, const PlaitExpr *factor, PlaitValue where);

/* How a read sees the state: what the token itself adds to it, its own factor. */
typedef struct PlaitChunkView {
    bool self, decayed;
} PlaitChunkView;

/* The value of the fold's body that stands for one of the scan's. (chunk_write.c) */
PlaitValue plait_chunk_emit(PlaitChunk *chunk, PlaitValue value);
PlaitValue plait_chunk_emit_expr(PlaitChunk *chunk, const PlaitExpr *expr);
/* Makes the carry's decays, once. (chunk_decay.c) */
void plait_chunk_make_decay(PlaitChunk *chunk, PlaitChunkCarry *carry);
/* The decay after t to the block's end, of a factor along the axis that reads sum over. */
PlaitValue plait_chunk_decay_after(PlaitChunk *chunk, const PlaitChunkCarry *carry);
/* reduce.sum[axis] of w at t times k at s, decayed from s to t, for s < t, and s == t where the read sees that. */
PlaitValue plait_chunk_scores(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitChunkPair k, PlaitChunkView view,
                              PlaitChunkPair w);
/* reduce.sum[axis] of w at t times the state before the block, decayed to t. */
PlaitValue plait_chunk_from_state(PlaitChunk *chunk, const PlaitChunkCarry *carry, PlaitChunkView view,
                                  PlaitChunkPair w);
/* An axis of as many positions as a block can be halved down to single tokens. */
PlaitAxis plait_chunk_levels(PlaitChunk *chunk);
/* An axis of places in a block. */
PlaitAxis plait_chunk_column(PlaitChunk *chunk);

/* Writes what the fold yields into its region: the next carries, then the outputs. False after giving up. */
bool plait_chunk_write(PlaitChunk *chunk, PlaitValue *yields);

#endif
