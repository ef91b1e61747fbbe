/* Between .npy files and the arguments of a call. */
#ifndef PLAIT_DRIVER_ARRAYS_H
#define PLAIT_DRIVER_ARRAYS_H

#include "driver/files.h"
#include "driver/library.h"

/* Reads the file's array into the argument, whose name, scalar and rank are set; sizes and memory follow from the file.
 * Reports E0612, E0613. */
bool plait_argument_load(PlaitSession *session, PlaitArgument *argument, const char *path, bool bf16_bits);
/* The argument's host memory as a .npy file, to be written at `path`. */
PlaitOutputFile plait_argument_file(PlaitSession *session, const PlaitArgument *argument, const char *path,
                                    bool bf16_bits);

#endif
