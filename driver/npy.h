/* NumPy's .npy files, versions 1, 2 and 3 (numpy/lib/format.py describes them).
 *
 * Element types: f64, f32, f16, i32, bool; bfloat16 as ml_dtypes writes it ('<V2'); uint16. Little-endian only. Both
 * memory orders are read, as strides.
 */
#ifndef PLAIT_DRIVER_NPY_H
#define PLAIT_DRIVER_NPY_H

#include <stdbool.h>

#include "ir/base/text.h"

enum { PLAIT_NPY_MAX_RANK = 12 };

typedef enum PlaitNpyType {
    PLAIT_NPY_F64,
    PLAIT_NPY_F32,
    PLAIT_NPY_F16,
    PLAIT_NPY_BF16,
    PLAIT_NPY_I32,
    PLAIT_NPY_BOOL,
    PLAIT_NPY_U16,
    PLAIT_NPY_TYPE_COUNT
} PlaitNpyType;

typedef struct PlaitNpy {
    PlaitNpyType type;
    uint32_t rank;
    int64_t sizes[PLAIT_NPY_MAX_RANK];
    int64_t strides[PLAIT_NPY_MAX_RANK]; /* in elements */
    int64_t count;                       /* product of the sizes */
    const void *data;                    /* inside the bytes that were read; aligned to 1 only */
    const char *foreign; /* the file is sound as far as its elements' type, which cannot be read: "int64"; else NULL */
} PlaitNpy;

uint32_t plait_npy_bytes(PlaitNpyType type);
const char *plait_npy_type_text(PlaitNpyType type); /* "float32" */

/* Reads a file's bytes, which may be anything. NULL when all is well, else what is wrong. `array->data` points into
 * `bytes`. */
const char *plait_npy_read(PlaitArena *arena, const void *bytes, size_t length, PlaitNpy *array);
/* The header of a version 1.0 file for a C-ordered array; the data follow it. */
void plait_npy_header(PlaitNpyType type, uint32_t rank, const int64_t *sizes, PlaitText *text);

#endif
