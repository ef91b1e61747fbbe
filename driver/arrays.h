/* Between .npy files and the arguments of a call. */
#ifndef PLAIT_DRIVER_ARRAYS_H
#define PLAIT_DRIVER_ARRAYS_H

#include "driver/library.h"

/* Reads the file's array into the argument, whose name, scalar and rank are set; sizes and memory follow from the file.
 * Reports E0612, E0613. */
bool plait_argument_load(PlaitSession *session, PlaitArgument *argument, const char *path, bool bf16_bits);
/* Writes the argument's host memory. */
bool plait_argument_save(PlaitSession *session, const PlaitArgument *argument, const char *path, bool bf16_bits);

#endif
