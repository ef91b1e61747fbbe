/* The operator of library.plait: its tensors as declared, memory for them between pages that cannot be touched, and the
 * same computation in C. Values are small whole numbers, so that results are exact. */
#ifndef PLAIT_TESTS_FUZZ_MIXTURE_H
#define PLAIT_TESTS_FUZZ_MIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/plait.h"

enum {
    MIXTURE_X,
    MIXTURE_H,
    MIXTURE_G,
    MIXTURE_I,
    MIXTURE_M,
    MIXTURE_W,
    MIXTURE_S0,
    MIXTURE_Y,
    MIXTURE_LAST,
    MIXTURE_N,
    MIXTURE_COUNT
};
enum { MIXTURE_RANK = 3, MIXTURE_ROOM = 4096 };

/* Axes, by number: b, t, d. */
typedef struct MixtureTensor {
    const char *name;
    DLDataType type;
    int32_t rank;
    uint8_t axes[MIXTURE_RANK];
} MixtureTensor;
extern const MixtureTensor mixture_tensors[MIXTURE_COUNT];

static inline bool mixture_is_output(int index) { return index >= MIXTURE_Y; }
static inline size_t mixture_bytes(int index) { return mixture_tensors[index].type.bits / 8u; }

/* MIXTURE_ROOM bytes for each tensor, the pages before and behind them not accessible; and the contents before the
 * call. */
typedef struct MixtureRoom {
    unsigned char *room[MIXTURE_COUNT];
    unsigned char before[MIXTURE_COUNT][MIXTURE_ROOM];
} MixtureRoom;

MixtureRoom *mixture_room_create(void); /* NULL when memory runs out; never freed */
/* Every cell of a tensor's room gets a small number of its type; the same ones again. */
void mixture_room_fill(MixtureRoom *room);
bool mixture_room_unchanged(const MixtureRoom *room, int index);

/* A view into one tensor's room: what a DLTensor says, with the strides written out. */
typedef struct MixtureView {
    unsigned char *first;
    int64_t strides[MIXTURE_RANK]; /* in elements */
} MixtureView;

/* Computes the operator for those sizes of b, t and d from the rooms' contents before the call, and compares the
 * outputs with it: also that no byte outside of the views was written. NULL, or the tensor that differs. `has_S0`: it
 * was given. Nothing is compared when positions of an output share memory in a way that the runtime does not find
 * (three axes). */
const char *mixture_differs(const MixtureRoom *room, const MixtureView views[MIXTURE_COUNT], const int64_t sizes[3],
                            bool has_S0);

#endif
