/* The operator of library.plait in C, one element after another. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "tests/fuzz/mixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ir/sample.h"

enum { B, T, D };

const MixtureTensor mixture_tensors[MIXTURE_COUNT] = {
    [MIXTURE_X] = {"x", {kDLFloat, 32, 1}, 3, {B, T, D}},
    [MIXTURE_H] = {"h", {kDLBfloat, 16, 1}, 2, {T, D}},
    [MIXTURE_G] = {"g", {kDLFloat, 16, 1}, 1, {B}},
    [MIXTURE_I] = {"i", {kDLInt, 32, 1}, 1, {T}},
    [MIXTURE_M] = {"m", {kDLBool, 8, 1}, 1, {T}},
    [MIXTURE_W] = {"w", {kDLFloat, 64, 1}, 1, {D}},
    [MIXTURE_S0] = {"S0", {kDLFloat, 32, 1}, 2, {B, D}},
    [MIXTURE_Y] = {"y", {kDLFloat, 32, 1}, 3, {T, B, D}},
    [MIXTURE_LAST] = {"last", {kDLFloat, 64, 1}, 2, {B, D}},
    [MIXTURE_N] = {"n", {kDLInt, 32, 1}, 2, {B, T}},
};

static PlaitScalar scalar_of(int index)
{
    switch (mixture_tensors[index].type.code) {
    case kDLBool: return PLAIT_BOOL;
    case kDLInt: return PLAIT_I32;
    case kDLBfloat: return PLAIT_BF16;
    default: return mixture_bytes(index) == 2 ? PLAIT_F16 : mixture_bytes(index) == 4 ? PLAIT_F32 : PLAIT_F64;
    }
}

static void draw_contents(int index, unsigned char *memory)
{
    size_t bytes = mixture_bytes(index);
    uint32_t state = 12345u + (uint32_t)index;
    PlaitScalar scalar = scalar_of(index);
    for (size_t at = 0; at < MIXTURE_ROOM; at += bytes) {
        state = state * 1664525u + 1013904223u;
        double number = scalar == PLAIT_BOOL ? state >> 31 : (double)(state >> 29) - 4;
        plait_scalar_store(scalar, bytes == 2 ? number / 2 : number, memory + at);
    }
}

MixtureRoom *mixture_room_create(void)
{
    MixtureRoom *room = malloc(sizeof *room);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (MIXTURE_ROOM + page - 1) / page * page;
    for (int i = 0; room && i < MIXTURE_COUNT; i++) {
        unsigned char *all = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (all == MAP_FAILED || mprotect(all + page, size, PROT_READ | PROT_WRITE) != 0) return NULL;
        room->room[i] = all + page;
        draw_contents(i, room->before[i]);
    }
    return room;
}

void mixture_room_fill(MixtureRoom *room)
{
    for (int i = 0; i < MIXTURE_COUNT; i++) memcpy(room->room[i], room->before[i], MIXTURE_ROOM);
}

bool mixture_room_unchanged(const MixtureRoom *room, int index)
{
    return memcmp(room->before[index], room->room[index], MIXTURE_ROOM) == 0;
}

/* ---- the computation ---- */

typedef struct Computation {
    const MixtureRoom *room;
    const MixtureView *views;
    unsigned char expected[MIXTURE_COUNT][MIXTURE_ROOM];
    bool written[MIXTURE_COUNT][MIXTURE_ROOM]; /* by the first byte of an element */
    bool shared;                               /* an element was written twice */
} Computation;

static size_t offset_of(const Computation *computation, int index, const int64_t *at)
{
    const MixtureTensor *tensor = &mixture_tensors[index];
    int64_t offset = 0;
    for (int32_t i = 0; i < tensor->rank; i++) offset += at[tensor->axes[i]] * computation->views[index].strides[i];
    return (size_t)(computation->views[index].first + offset * (int64_t)mixture_bytes(index) -
                    computation->room->room[index]);
}

static double get(const Computation *computation, int index, const int64_t *at)
{
    return plait_scalar_load(scalar_of(index), computation->room->before[index] + offset_of(computation, index, at));
}

static void put(Computation *computation, int index, const int64_t *at, double number)
{
    size_t offset = offset_of(computation, index, at);
    computation->shared |= computation->written[index][offset];
    computation->written[index][offset] = true;
    plait_scalar_store(scalar_of(index), number, computation->expected[index] + offset);
}

static double step(const Computation *computation, const int64_t *at, double state)
{
    if (get(computation, MIXTURE_M, at) == 0) return state;
    return (double)(float)(state + get(computation, MIXTURE_X, at) * get(computation, MIXTURE_H, at));
}

/* One sequence and feature: the scan, then what needs its end. */
static void compute_row(Computation *computation, int64_t *at, int64_t length, bool has_S0)
{
    double state = has_S0 ? get(computation, MIXTURE_S0, at) : 0.5, first = state;
    for (at[T] = 0; at[T] < length; at[T]++) state = step(computation, at, state);
    double last = state;
    put(computation, MIXTURE_LAST, at, get(computation, MIXTURE_W, at) * last);
    state = first;
    for (at[T] = 0; at[T] < length; at[T]++) {
        state = step(computation, at, state);
        put(computation, MIXTURE_Y, at, (double)(float)(state * get(computation, MIXTURE_G, at)) - last);
    }
}

static void compute_positions(Computation *computation, int64_t *at, int64_t length)
{
    for (at[T] = 0; at[T] < length; at[T]++) {
        double g = (double)(int32_t)get(computation, MIXTURE_G, at);
        put(computation, MIXTURE_N, at, get(computation, MIXTURE_I, at) + g);
    }
}

const char *mixture_differs(const MixtureRoom *room, const MixtureView views[MIXTURE_COUNT], const int64_t sizes[3],
                            bool has_S0)
{
    static Computation computation; /* large */
    computation = (Computation){.room = room, .views = views};
    memcpy(computation.expected, room->before, sizeof computation.expected);
    int64_t at[3] = {0};
    for (at[B] = 0; at[B] < sizes[B]; at[B]++) {
        compute_positions(&computation, at, sizes[T]);
        for (at[D] = 0; at[D] < sizes[D]; at[D]++) compute_row(&computation, at, sizes[T], has_S0);
    }
    for (int i = 0; i < MIXTURE_COUNT && !computation.shared; i++)
        if (memcmp(computation.expected[i], room->room[i], MIXTURE_ROOM) != 0) return mixture_tensors[i].name;
    return NULL;
}
