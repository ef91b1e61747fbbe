/* Inside the frontend: lowering of expressions and statements. Each function checks what it lowers, reports what is
 * wrong and goes on with poison. */
#ifndef PLAIT_FRONTEND_LOWER_H
#define PLAIT_FRONTEND_LOWER_H

#include "frontend/sema.h"

/* ---- expressions (expression.c, arithmetic.c, number.c, call.c, position.c, reduce.c, stage.c) ---- */

PlaitTerm plait_sema_expression(PlaitSema *sema, const PlaitAstExpression *expression);
/* A compile-time number; false after a report. */
bool plait_sema_constant(PlaitSema *sema, const PlaitAstExpression *expression, bool truths, PlaitTerm *number);
PlaitTerm plait_sema_unary(PlaitSema *sema, PlaitSpan span, PlaitOp op, PlaitTerm x);
PlaitTerm plait_sema_binary(PlaitSema *sema, PlaitSpan span, PlaitOp op, PlaitTerm x, PlaitTerm y);
PlaitTerm plait_sema_select(PlaitSema *sema, PlaitSpan span, PlaitTerm condition, PlaitTerm yes, PlaitTerm no);
/* Brings both terms to one scalar type of computing; false after a report (or for poison). */
bool plait_terms_promote(PlaitSema *sema, PlaitSpan span, PlaitTerm *x, PlaitTerm *y);
bool plait_number_fold_unary(PlaitOp op, PlaitTerm x, PlaitTerm *result);
bool plait_number_fold_binary(PlaitOp op, PlaitTerm x, PlaitTerm y, PlaitTerm *result);
PlaitTerm plait_sema_call(PlaitSema *sema, const PlaitAstExpression *expression);
PlaitTerm plait_sema_at(PlaitSema *sema, const PlaitAstExpression *expression);
PlaitTerm plait_sema_reduce(PlaitSema *sema, PlaitSpan span, PlaitOp op, PlaitTerm x, const PlaitAxis *axes,
                            uint32_t count);
PlaitTerm plait_sema_mean(PlaitSema *sema, PlaitSpan span, PlaitTerm x, const PlaitAxis *axes, uint32_t count);
PlaitTerm plait_sema_cumsum(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitAxis axis);
PlaitTerm plait_sema_conv(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitTerm filter, const PlaitAxis *axes,
                          uint32_t count);
PlaitTerm plait_sema_size(PlaitSema *sema, PlaitAxis axis);
/* Reports that x lacks the axis along which it is worked; `filter`: that of its taps, as the filter of a convolution.
 */
void plait_sema_report_missing_axis(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitAxis axis, bool filter);
/* The time axes along which x may be read elsewhere or convolved: not those of enclosing scans on whose
 * carries it depends, which are declared for one token of them. `type` becomes its type without these. */
uint32_t plait_sema_time_to_move(PlaitSema *sema, PlaitTerm x, PlaitAxis *axes, PlaitType *type);
/* False after reporting that the value depends on a carry of an enclosing scan along the axis. */
bool plait_sema_check_motion(PlaitSema *sema, PlaitSpan span, PlaitTerm x, PlaitAxis axis, const char *what);

/* ---- statements (statement.c, scan.c, attend.c, operator.c) ---- */

void plait_sema_statement(PlaitSema *sema, const PlaitAstStatement *statement);
void plait_sema_block(PlaitSema *sema, const PlaitAstBlock *block, PlaitPending *pending);
/* After a stage that could not be lowered: the names that its block assigns are known but poisoned. */
void plait_sema_poison_names(PlaitSema *sema, const PlaitAstBlock *block);
void plait_sema_scan(PlaitSema *sema, const PlaitAstStatement *statement);
void plait_sema_attend(PlaitSema *sema, const PlaitAstStatement *statement);
void plait_sema_operator(PlaitSema *sema, const PlaitAstOperator *declared);
/* The innermost stage over the axis; NULL: none. */
const PlaitStage *plait_sema_stage(const PlaitSema *sema, PlaitAxis axis, bool attend);
const PlaitAstFunction *plait_sema_function(const PlaitSema *sema, PlaitName name);

#endif
