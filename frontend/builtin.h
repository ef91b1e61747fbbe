/* Functions that are built in: looked up by call.c before those of the standard library. */
#ifndef PLAIT_FRONTEND_BUILTIN_H
#define PLAIT_FRONTEND_BUILTIN_H

#include "frontend/lower.h"

/* Whether the name is that of a built-in function or a type (a cast). */
bool plait_builtin_is(const char *name);
/* Lowers a call of a built-in function. */
PlaitTerm plait_builtin_call(PlaitSema *sema, const PlaitAstExpression *expression);
/* Their names; returns their number. */
uint32_t plait_builtin_names(const char *const **names);
/* The axis that reductions without brackets mean here: that of the innermost attend in this text; PLAIT_NO_AXIS
 * outside. */
PlaitAxis plait_builtin_attended(const PlaitSema *sema);
/* False after reporting a wrong number of arguments. */
bool plait_builtin_check_count(PlaitSema *sema, const PlaitAstExpression *expression, uint32_t least, uint32_t most);

#endif
