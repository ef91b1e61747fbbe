/* Files of the source tree that the driver holds. */
#ifndef PLAIT_DRIVER_EMBEDDED_H
#define PLAIT_DRIVER_EMBEDDED_H

extern const char plait_embedded_header[]; /* runtime/plait.h: goes into every header, so that it is enough by itself */

#endif
