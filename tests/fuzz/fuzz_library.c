/* Fuzz target: a call of a real library (library.plait) whose tensors, operator name, count and workspace are derived
 * from any bytes.
 *
 * The memory behind every tensor is just what the tensor says, against a page that cannot be touched; tensors that say
 * more than there is room for are passed only in calls that are refused for another reason at the end. A call that is
 * refused has said why and written nothing; one that is accepted had nothing wrong, and computes what mixture.c does.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mixture.h"

enum { MOST_AXES = 6, LONGEST_NAME = 16, WORKSPACE_ROOM = 65536 };
__extension__ typedef __int128 Wide;

typedef struct Draw {
    const uint8_t *at, *end;
} Draw;

/* One argument as it is passed; `shape` and `strides` are as long as `ndim` says, so that a sanitizer sees what reads
 * on. */
typedef struct Argument {
    DLTensor tensor;
    unsigned char *first;
    int room; /* the tensor whose room it lies in */
    bool missing, fits, misaligned;
} Argument;

typedef struct Call {
    MixtureRoom *room;
    Argument arguments[MIXTURE_COUNT];
    DLTensor *list[MIXTURE_COUNT];
    int64_t sizes[3];
    char name[LONGEST_NAME];
    uint32_t count;
    bool fits, aliased;
} Call;

static void expect(bool condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "expected: %s; the library says: %s\n", what, plait_error());
    abort();
}

/* ---- drawing ---- */

static uint8_t byte(Draw *draw) { return draw->at < draw->end ? *draw->at++ : 0; }

static int64_t number(Draw *draw)
{
    uint64_t raw = 0;
    switch (byte(draw) % 8) {
    case 0: return (int8_t)byte(draw);
    case 1: return INT64_MAX - byte(draw);
    case 2: return INT64_MIN + byte(draw);
    case 3: return INT32_MAX + (int64_t)(int8_t)byte(draw);
    case 4: return (int64_t)1 << (byte(draw) % 63);
    case 5: return -((int64_t)1 << (byte(draw) % 63));
    case 6: return byte(draw) % 12;
    default:
        for (int i = 0; i < 8; i++) raw = raw << 8 | byte(draw);
        return (int64_t)raw;
    }
}

static int64_t *draw_array(const int64_t *from, int32_t count)
{
    int64_t *array = malloc(sizeof *array * (size_t)(count > 0 ? count : 1));
    if (!array) abort();
    for (int32_t i = 0; i < count; i++) array[i] = from[i];
    return array;
}

static void draw_strides(Draw *draw, uint8_t mode, DLTensor *tensor)
{
    int64_t strides[MOST_AXES] = {0}, stride = 1;
    int32_t rank = tensor->ndim < 0 ? 0 : tensor->ndim > MOST_AXES ? MOST_AXES : tensor->ndim;
    if (mode == 0) return; /* compact */
    uint8_t order = mode == 2 ? byte(draw) : 0;
    for (int32_t i = rank; i-- > 0;) {
        int32_t axis = order & 1 ? rank - 1 - i : i; /* any order would do; this and its reverse are two */
        int64_t gap = mode == 2 ? byte(draw) % 4 : 0, size = tensor->shape[axis];
        strides[axis] = mode == 3 ? number(draw) : order & 2 && i == 0 ? (int64_t)(0 - (uint64_t)stride) : stride;
        stride = (int64_t)((uint64_t)stride * (uint64_t)size + (uint64_t)gap);
        if (order & 4 && i == 1) strides[axis] = 0;
    }
    tensor->strides = draw_array(strides, rank);
}

/* One field becomes what the bytes say. */
static void change_shape(Draw *draw, uint8_t what, int64_t *shape, int32_t *rank)
{
    if (what == 0) *rank = (int32_t)number(draw);
    if (what >= 1 && what <= 3) shape[what - 1] = number(draw);
}

static void change_rest(Draw *draw, uint8_t what, Call *call, int index)
{
    Argument *argument = &call->arguments[index];
    DLTensor *tensor = &argument->tensor;
    switch (what) {
    case 4: tensor->dtype.code = byte(draw); break;
    case 5: tensor->dtype.bits = byte(draw); break;
    case 6: tensor->dtype.lanes = byte(draw); break;
    case 7: tensor->device.device_type = (DLDeviceType)(byte(draw) % 20); break;
    case 8: tensor->device.device_id = (int32_t)number(draw); break;
    case 9: tensor->byte_offset = (uint64_t)number(draw); break;
    case 10: argument->missing = true; break;
    case 11: argument->room = byte(draw) % MIXTURE_COUNT; break;
    case 12: argument->misaligned = mixture_bytes(index) > 1; break;
    case 13: /* any type of the right width; bool may be a byte */
        tensor->dtype.code = (uint8_t)(byte(draw) % 8);
        break;
    default: break;
    }
}

/* ---- memory ---- */

/* Where the lowest and the highest element lie, in bytes from the first one. False: it is more than there is room for.
 */
static bool find_range(const Argument *argument, int index, Wide *lowest, Wide *highest)
{
    const DLTensor *tensor = &argument->tensor;
    Wide stride = 1, bytes = (Wide)mixture_bytes(index);
    *lowest = *highest = 0;
    if (tensor->ndim != mixture_tensors[index].rank) return true; /* refused for that */
    for (int32_t i = 0; i < tensor->ndim; i++)
        if (tensor->shape[i] <= 0) return true; /* empty, or refused */
    for (int32_t i = tensor->ndim; i-- > 0;) {
        if (tensor->shape[i] > INT32_MAX) return false;
        Wide reach = (Wide)(tensor->shape[i] - 1) * (tensor->strides ? tensor->strides[i] : stride) * bytes;
        *(reach < 0 ? lowest : highest) += reach;
        if (*highest - *lowest + bytes > MIXTURE_ROOM) return false;
        stride *= tensor->shape[i];
    }
    return true;
}

/* The view ends at the end of its room, or begins at its beginning. */
static void place(Argument *argument, int index, const MixtureRoom *room, bool begins)
{
    Wide lowest, highest;
    argument->fits = find_range(argument, index, &lowest, &highest);
    unsigned char *base = room->room[argument->room];
    if (!argument->fits) lowest = highest = 0;
    int64_t offset = begins ? -(int64_t)lowest : MIXTURE_ROOM - (int64_t)mixture_bytes(index) - (int64_t)highest;
    argument->first = base + offset + argument->misaligned;
    uintptr_t data = (uintptr_t)argument->first - (uintptr_t)argument->tensor.byte_offset;
    argument->tensor.data = (void *)data;
}

static void draw_argument(Draw *draw, Call *call, int index)
{
    const MixtureTensor *declared = &mixture_tensors[index];
    Argument *argument = &call->arguments[index];
    uint8_t flags = byte(draw), changed[2];
    int64_t shape[MOST_AXES] = {0};
    int32_t rank = declared->rank;
    *argument = (Argument){.room = index, .missing = index == MIXTURE_S0 && (flags & 64)};
    for (int32_t i = 0; i < rank; i++) shape[i] = call->sizes[declared->axes[i]];
    for (int i = 0; i < 2; i++) changed[i] = flags & (4 << i) ? byte(draw) % 16 : 15;
    for (int i = 0; i < 2; i++) change_shape(draw, changed[i], shape, &rank);
    DLTensor *tensor = &argument->tensor;
    *tensor = (DLTensor){.device = {.device_type = kDLCPU}, .ndim = rank, .dtype = declared->type};
    tensor->shape = draw_array(shape, rank < 0 ? 0 : rank > MOST_AXES ? MOST_AXES : rank);
    draw_strides(draw, flags & 3, tensor);
    for (int i = 0; i < 2; i++) change_rest(draw, changed[i], call, index);
    place(argument, index, call->room, (flags & 16) != 0);
    if (flags & 32 && tensor->ndim == declared->rank) { /* no data, or no shape */
        if (flags & 128) free(tensor->shape), tensor->shape = NULL;
        else tensor->data = NULL;
    }
    call->list[index] = argument->missing ? NULL : tensor;
    call->fits = call->fits && (argument->missing || argument->fits);
    call->aliased = call->aliased || argument->room != index;
}

static void draw_call(Draw *draw, Call *call)
{
    static const int64_t features[] = {3, 5, 3, 5, 4};
    uint8_t head = byte(draw);
    *call = (Call){.room = call->room, .count = MIXTURE_COUNT, .fits = true, .name = "mixture"};
    call->sizes[0] = head % 6;
    call->sizes[1] = byte(draw) % 20;
    call->sizes[2] = features[byte(draw) % 5];
    if (head >= 250) call->count = (uint32_t)number(draw);
    if (head >= 248 && head < 250)
        for (int i = 0; i + 1 < LONGEST_NAME; i++) call->name[i] = (char)byte(draw);
    for (int i = 0; i < MIXTURE_COUNT; i++) draw_argument(draw, call, i);
}

static void free_call(Call *call)
{
    for (int i = 0; i < MIXTURE_COUNT; i++) {
        free(call->arguments[i].tensor.shape);
        free(call->arguments[i].tensor.strides);
    }
}

/* ---- what must hold ---- */

static void expect_status(PlaitStatus status)
{
    expect(status >= PLAIT_STATUS_OK && status < PLAIT_STATUS_BAD_LIBRARY, "a status of plait.h");
    expect((status == PLAIT_STATUS_OK) == (*plait_error() == '\0'), "a text for every refusal");
    expect(strcmp(plait_status_text(status), "unknown status") != 0, "a status that has a text");
}

static void expect_untouched(const Call *call)
{
    for (int i = 0; i < MIXTURE_COUNT; i++)
        expect(mixture_room_unchanged(call->room, i), "a refused call writes nothing");
}

/* Nothing was wrong with an accepted call. */
static void expect_acceptable(const Call *call, int64_t sizes[3])
{
    sizes[0] = sizes[1] = sizes[2] = -1;
    expect(strcmp(call->name, "mixture") == 0 && call->count == MIXTURE_COUNT, "the operator's name and count");
    for (int i = 0; i < MIXTURE_COUNT; i++) {
        const MixtureTensor *declared = &mixture_tensors[i];
        const DLTensor *tensor = call->list[i];
        expect(tensor || i == MIXTURE_S0, "all tensors that have no default");
        if (!tensor) continue;
        bool truth = declared->type.code == kDLBool && tensor->dtype.code == kDLUInt;
        expect(tensor->dtype.code == declared->type.code || truth, "the declared type");
        expect(tensor->dtype.bits == declared->type.bits && tensor->dtype.lanes == 1, "the declared width");
        expect(tensor->ndim == declared->rank && tensor->device.device_type == kDLCPU, "the declared rank, on the CPU");
        for (int32_t k = 0; k < declared->rank; k++) {
            int64_t *size = &sizes[declared->axes[k]];
            expect(tensor->shape[k] >= 0 && (*size < 0 || *size == tensor->shape[k]), "one size for each axis");
            *size = tensor->shape[k];
        }
    }
    expect(sizes[2] == 3 || sizes[2] == 5, "a size that the library was built for");
}

static void find_view(const Call *call, int index, MixtureView *view)
{
    const DLTensor *tensor = call->list[index];
    int64_t stride = 1;
    if (!tensor) return;
    view->first = call->arguments[index].first;
    for (int32_t i = tensor->ndim; i-- > 0;) {
        view->strides[i] = tensor->strides ? tensor->strides[i] : stride;
        stride = (int64_t)((uint64_t)stride * (uint64_t)tensor->shape[i]);
    }
}

static void expect_right(const Call *call)
{
    int64_t sizes[3];
    MixtureView views[MIXTURE_COUNT] = {0};
    expect_acceptable(call, sizes);
    for (int i = 0; i < MIXTURE_COUNT; i++) find_view(call, i, &views[i]);
    if (call->aliased) return; /* contents of another type */
    const char *differs = mixture_differs(call->room, views, sizes, call->list[MIXTURE_S0] != NULL);
    expect(!differs, differs);
}

/* ---- calling ---- */

static PlaitStatus run(Draw *draw, const Call *call, PlaitStatus asked, uint64_t bytes)
{
    static _Alignas(PLAIT_WORKSPACE_ALIGNMENT) unsigned char workspace[WORKSPACE_ROOM + 1];
    uint8_t mode = byte(draw);
    if (!call->fits) /* too little workspace refuses it, unless there is no work */
        return plait_call_with_workspace(call->name, call->list, call->count, NULL, workspace, 1);
    if (asked || bytes > WORKSPACE_ROOM || mode % 4 == 0) return plait_call(call->name, call->list, call->count, NULL);
    PlaitStatus status =
        plait_call_with_workspace(call->name, call->list, call->count, NULL, workspace + (mode % 4 == 1),
                                  mode % 4 == 2 && bytes ? bytes - 1 : bytes);
    expect(mode % 4 == 3 || status || bytes == 0, "a misaligned or too small workspace is refused");
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Call call; /* large; the room is kept */
    Draw draw = {data, data + size};
    if (!call.room) call.room = mixture_room_create();
    if (!call.room) abort();
    mixture_room_fill(call.room);
    draw_call(&draw, &call);
    uint64_t bytes = 0;
    PlaitStatus asked = plait_workspace_bytes(call.name, call.list, call.count, &bytes);
    expect_status(asked);
    PlaitStatus status = run(&draw, &call, asked, bytes);
    expect_status(status);
    expect(!asked || status, "what has no workspace cannot be called");
    if (status) expect_untouched(&call);
    else if (call.fits) expect_right(&call);
    free_call(&call);
    return 0;
}
