/* Types: a scalar type and named axes; and how tiles lie over the threads of a GPU. */
#ifndef PLAIT_IR_TYPES_H
#define PLAIT_IR_TYPES_H

#include "ir/ops.h"

/* An axis of a function: an index into its axis table. */
typedef uint16_t PlaitAxis;
enum { PLAIT_NO_AXIS = 0xFFFF, PLAIT_MAX_RANK = 12 };

typedef enum PlaitSpace { PLAIT_SPACE_VALUE, PLAIT_SPACE_SHARED, PLAIT_SPACE_GLOBAL, PLAIT_SPACE_COUNT } PlaitSpace;

/* A type: scalar type and axes in order, no axis twice. Pointwise operations compare axes as sets; the order is
 * that of memory for `global`, and of printing. */
typedef struct PlaitType {
    uint8_t scalar; /* PlaitScalar */
    uint8_t rank;
    uint8_t space;  /* PlaitSpace; Stage IR has only values */
    uint8_t layout; /* Tile IR: index into the kernel's layouts, 0: none assigned */
    PlaitAxis axes[PLAIT_MAX_RANK];
} PlaitType;

PlaitType plait_type(PlaitScalar scalar);                     /* rank 0 */
PlaitType plait_type_with(PlaitType type, PlaitAxis axis);    /* adds at the end unless present; plait_bug when full */
PlaitType plait_type_without(PlaitType type, PlaitAxis axis); /* removes if present */
PlaitType plait_type_as(PlaitType type, PlaitScalar scalar);
bool plait_type_has(PlaitType type, PlaitAxis axis);
bool plait_type_same_axes(PlaitType a, PlaitType b);      /* as sets */
bool plait_type_inside(PlaitType inner, PlaitType outer); /* inner's axes are a subset of outer's */
bool plait_type_equal(PlaitType a, PlaitType b);          /* scalar, axes as sets, space */
PlaitType plait_type_union(PlaitType a,
                           PlaitType b); /* a's scalar and axes, then b's new axes; more than PLAIT_MAX_RANK is a
                                            plait_bug: check plait_type_union_rank first */
uint32_t plait_type_union_rank(PlaitType a, PlaitType b);

/* How a tile lies over threads. The index of an element along an axis is cut into fields, the lowest bits first: each
 * part takes `bits` of it, as the threads' bits from `thread` on or, in registers, as the next bits of the register
 * slot. What is left above the last part is in registers. Axes of the type that have no entry are held whole by every
 * thread; threads that differ in other bits hold copies. A vector of 4 neighbours for each of 8 threads: r2 t0:3. */
enum { PLAIT_MAX_LAYOUT_PARTS = 6, PLAIT_REGISTERS = 255 };

typedef struct PlaitLayoutPart {
    uint8_t thread; /* lowest thread bit, or PLAIT_REGISTERS */
    uint8_t bits;
} PlaitLayoutPart;

typedef struct PlaitLayoutAxis {
    PlaitAxis axis;
    uint8_t count;
    PlaitLayoutPart parts[PLAIT_MAX_LAYOUT_PARTS];
} PlaitLayoutAxis;

typedef struct PlaitLayout {
    PlaitLayoutAxis axes[PLAIT_MAX_RANK];
    uint8_t count;
} PlaitLayout;

/* The thread bits of an axis, as a mask. */
uint32_t plait_layout_threads(const PlaitLayoutAxis *entry);
/* How many neighbours along the axis stand in neighbouring register slots: a power of two. */
uint32_t plait_layout_vector(const PlaitLayoutAxis *entry);

#endif
