/* How a syntax error is put into words: between the grammar, which knows the tokens, and the diagnostics. */
#ifndef PLAIT_FRONTEND_SYNTAX_H
#define PLAIT_FRONTEND_SYNTAX_H

#include "frontend/parser.h"

typedef struct PlaitSyntaxError {
    PlaitSpan span;           /* of the token that does not fit */
    const char *found;        /* its name in the grammar */
    const char *expected[96]; /* names of the tokens that would fit */
    uint32_t expected_count;
    bool reserved; /* a word kept for later versions */
    bool reported; /* the scanner has reported it */
} PlaitSyntaxError;

void plait_syntax_report(PlaitParser *parser, const PlaitSyntaxError *error);
/* `if c { .. } else { .. }` as a statement. */
void plait_syntax_report_choice(PlaitParser *parser, PlaitSpan span);
/* The parser's stack is full. */
void plait_syntax_report_depth(PlaitParser *parser, PlaitSpan span);
/* The value of the literal `inf`. */
double plait_syntax_infinity(void);

#endif
