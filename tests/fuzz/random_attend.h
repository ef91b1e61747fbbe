/* Inside the generator of random operators: what the kinds of attention share. */
#ifndef PLAIT_TESTS_FUZZ_RANDOM_ATTEND_H
#define PLAIT_TESTS_FUZZ_RANDOM_ATTEND_H

#include "tests/fuzz/random_parts.h"

typedef struct Attention {
    PlaitAxis s;     /* the second time axis */
    bool cross;      /* s has a length of its own: keys and values are parameters over s */
    bool reflexive;  /* the mask holds at s = t, so that no row is empty */
    PlaitValue mask; /* 0: none */
    PlaitType rows;  /* axes that query, key and value may have beside features: batch, head, time */
} Attention;

/* A second time axis, the axes of the rows, a mask or none. */
Attention begin_attention(Generator *generator);
/* A value over s of axes among those of `type`: an earlier one at position s, or a parameter. `must` (or PLAIT_NO_AXIS)
 * is one that it has. */
PlaitValue at_second(Generator *generator, const Attention *attention, PlaitType type, PlaitAxis must);
/* Predicates on positions and data. The reflexive ones hold at s = t. */
PlaitValue mask_part(Generator *generator, const Attention *attention);
/* A number for each pair of positions. */
PlaitValue score(Generator *generator, const Attention *attention);
/* At times x with -inf at the first positions, as a program hides them that has no mask; a row's own position is left.
 */
PlaitValue with_hidden(Generator *generator, const Attention *attention, PlaitValue x);
/* A reduction over s where the mask holds. */
PlaitValue over_second(Generator *generator, const Attention *attention, PlaitOp op, PlaitValue x);

#endif
