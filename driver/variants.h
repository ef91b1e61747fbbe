/* -D: which static sizes a library is made for. Every combination of the sizes given is one variant. */
#ifndef PLAIT_DRIVER_VARIANTS_H
#define PLAIT_DRIVER_VARIANTS_H

#include "driver/session.h"

typedef struct PlaitDefine {
    const char *axis;
    int64_t size;
} PlaitDefine;

typedef struct PlaitVariant {
    const PlaitDefine *defines; /* one for each axis named by -D */
    uint32_t count;
    const char *suffix; /* ".d64.e32": of the axes with several sizes; "" when there is one variant */
} PlaitVariant;

typedef PLAIT_VECTOR(PlaitVariant) PlaitVariants;

enum { PLAIT_MAX_VARIANTS = 64 };

/* Always at least one. Reports E0611 and E0805 and returns false when the options are wrong. */
bool plait_variants_read(PlaitSession *session, PlaitVariants *variants);
/* `AXIS=N[,AXIS=N..]` of --sizes into defines; reports E0603. */
bool plait_sizes_read(PlaitSession *session, const char *text, PlaitVariant *sizes);
/* "d = 64, e = 32" */
const char *plait_variant_text(PlaitSession *session, const PlaitVariant *variant);

#endif
