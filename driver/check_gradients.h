/* `plait check --grad`: gradients against finite differences. */
#ifndef PLAIT_DRIVER_CHECK_GRADIENTS_H
#define PLAIT_DRIVER_CHECK_GRADIENTS_H

#include "driver/program.h"

/* Compares the gradients of every operator of every variant, in the interpreter, and prints a table. `sizes`: those of
 * --sizes, or none for a few small ones. Reports what differs; false after a report. */
bool plait_check_gradients(PlaitSession *session, const PlaitProgram *program, const PlaitVariants *sizes,
                           uint64_t seed);

#endif
