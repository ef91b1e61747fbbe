/* Misuse of a library that Plait built (library.plait), through its C function: every refusal has its status, a text
 * that names the argument, and has written nothing; right calls beside them compute. tests/runtime does the same, and
 * more of it, with tables made by hand; this is the way through the compiler. */
#include "tests/fuzz/mixture.h"
#include "tests/support/check.h"

int mixture(const DLTensor *x, const DLTensor *h, const DLTensor *g, const DLTensor *i, const DLTensor *m,
            const DLTensor *w, const DLTensor *S0, DLTensor *y, DLTensor *last, DLTensor *n, void *stream);

/* A right call: every tensor compact at the end of its room. */
typedef struct Sample {
    MixtureRoom *room;
    DLTensor tensors[MIXTURE_COUNT];
    DLTensor *list[MIXTURE_COUNT];
    int64_t shapes[MIXTURE_COUNT][MIXTURE_RANK], strides[MIXTURE_COUNT][MIXTURE_RANK];
    int64_t sizes[3];
} Sample;

static Sample sample;

static void renew_sized(int64_t b, int64_t t, int64_t d)
{
    sample = (Sample){.room = sample.room, .sizes = {b, t, d}};
    mixture_room_fill(sample.room);
    for (int i = 0; i < MIXTURE_COUNT; i++) {
        const MixtureTensor *declared = &mixture_tensors[i];
        int64_t count = 1;
        for (int32_t k = declared->rank; k-- > 0;) {
            sample.shapes[i][k] = sample.sizes[declared->axes[k]];
            sample.strides[i][k] = count;
            count *= sample.shapes[i][k];
        }
        unsigned char *first = sample.room->room[i] + MIXTURE_ROOM - count * (int64_t)mixture_bytes(i);
        sample.tensors[i] = (DLTensor){.data = first,
                                       .device = {.device_type = kDLCPU},
                                       .ndim = declared->rank,
                                       .dtype = declared->type,
                                       .shape = sample.shapes[i],
                                       .strides = sample.strides[i]};
        sample.list[i] = &sample.tensors[i];
    }
}

static void renew(void) { renew_sized(2, 4, 3); }

static int call_function(void)
{
    DLTensor **list = sample.list;
    return mixture(list[0], list[1], list[2], list[3], list[4], list[5], list[6], list[7], list[8], list[9], NULL);
}

static bool untouched(void)
{
    for (int i = 0; i < MIXTURE_COUNT; i++)
        if (!mixture_room_unchanged(sample.room, i)) return false;
    return true;
}

/* The sample as it stands is refused by the function and by name alike. */
static void refused(int line, PlaitStatus expected, const char *text)
{
    int status = call_function();
    if (status != (int)expected) fprintf(stderr, "line %d: status %d\n", line, status);
    CHECK(status == (int)expected);
    CHECK_TEXT(plait_error(), text);
    CHECK(plait_call("mixture", sample.list, MIXTURE_COUNT, NULL) == expected);
    CHECK_TEXT(plait_error(), text);
    CHECK(untouched());
    renew();
}
#define REFUSED(status, text) refused(__LINE__, PLAIT_STATUS_##status, text)

static void accepted(int line)
{
    MixtureView views[MIXTURE_COUNT];
    for (int i = 0; i < MIXTURE_COUNT; i++) {
        const DLTensor *tensor = &sample.tensors[i];
        views[i].first = (unsigned char *)tensor->data + tensor->byte_offset;
        memcpy(views[i].strides, sample.strides[i], sizeof views[i].strides);
    }
    int status = call_function();
    if (status) fprintf(stderr, "line %d: %s\n", line, plait_error());
    CHECK(status == PLAIT_STATUS_OK);
    CHECK_TEXT(plait_error(), "");
    const char *differs = mixture_differs(sample.room, views, sample.sizes, sample.list[MIXTURE_S0] != NULL);
    if (differs) fprintf(stderr, "line %d: `%s` differs\n", line, differs);
    CHECK(!differs);
    renew();
}
#define ACCEPTED() accepted(__LINE__)

#define T(name) sample.tensors[MIXTURE_##name]
#define SHAPE(name) sample.shapes[MIXTURE_##name]
#define STRIDES(name) sample.strides[MIXTURE_##name]

static void test_right_calls(void)
{
    static const int64_t lengths[] = {0, 1, 2, 7, 17, 33};
    ACCEPTED();
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        renew_sized(3, lengths[i], i % 2 ? 3 : 5);
        if (i % 2) sample.list[MIXTURE_S0] = NULL;
        ACCEPTED();
    }
    renew_sized(0, 5, 3);
    ACCEPTED();
    T(X).strides = NULL; /* compact it is */
    T(M).dtype.code = kDLUInt;
    ACCEPTED();
    STRIDES(X)[0] = STRIDES(X)[1] = STRIDES(X)[2] = STRIDES(H)[0] = STRIDES(G)[0] = 0; /* inputs may repeat */
    ACCEPTED();
    STRIDES(I)[0] = -1; /* and be turned around */
    T(I).byte_offset = 3 * sizeof(int32_t);
    ACCEPTED();
}

static void test_pointers(void)
{
    sample.list[MIXTURE_X] = NULL;
    REFUSED(NULL_ARGUMENT, "mixture: argument 1 `x`: is NULL, but has no default");
    sample.list[MIXTURE_N] = NULL;
    REFUSED(NULL_ARGUMENT, "mixture: argument 10 `n`: is NULL, but has no default");
    T(W).data = NULL;
    REFUSED(NULL_ARGUMENT, "mixture: argument 6 `w`: its data is NULL");
    T(Y).shape = NULL;
    REFUSED(NULL_ARGUMENT, "mixture: argument 8 `y`: its shape is NULL");
    T(W).byte_offset = 4;
    REFUSED(MISALIGNED, "mixture: argument 6 `w`: its address is not a multiple of 8 bytes");
    T(H).byte_offset = 1;
    REFUSED(MISALIGNED, "mixture: argument 2 `h`: its address is not a multiple of 2 bytes");
}

static void test_ranks_and_types(void)
{
    T(Y).ndim = 2;
    REFUSED(WRONG_RANK, "mixture: argument 8 `y`: has 2 axes, but is declared with 3: [t, b, d]");
    T(G).ndim = -1;
    REFUSED(WRONG_RANK, "mixture: argument 3 `g`: has -1 axes, but is declared with 1: [b]");
    T(H).dtype = (DLDataType){kDLFloat, 16, 1};
    REFUSED(WRONG_TYPE, "mixture: argument 2 `h`: has elements of type f16, but is declared bf16");
    T(G).dtype = (DLDataType){kDLBfloat, 16, 1};
    REFUSED(WRONG_TYPE, "mixture: argument 3 `g`: has elements of type bf16, but is declared f16");
    T(I).dtype = (DLDataType){kDLInt, 64, 1};
    REFUSED(WRONG_TYPE, "mixture: argument 4 `i`: has elements of type i64, but is declared i32");
    T(LAST).dtype = (DLDataType){kDLFloat, 32, 2};
    REFUSED(WRONG_TYPE, "mixture: argument 9 `last`: has elements of type f32x2, but is declared f64");
}

static void test_sizes(void)
{
    SHAPE(X)[1] = -4;
    REFUSED(WRONG_SIZE, "mixture: argument 1 `x`: axis `t` has -4 positions");
    SHAPE(I)[0] = INT64_MAX;
    REFUSED(WRONG_SIZE, "mixture: argument 4 `i`: axis `t` has 9223372036854775807 positions, more than 2147483647");
    SHAPE(I)[0] = 3;
    REFUSED(WRONG_SIZE, "mixture: argument 4 `i`: axis `t` has 3 positions, but `x` has 4");
    SHAPE(M)[0] = 5;
    REFUSED(WRONG_SIZE, "mixture: argument 5 `m`: axis `s` has 5 positions, but axis `t` of `x` has 4");
    SHAPE(X)[2] = 4;
    REFUSED(UNAVAILABLE_SIZE,
            "mixture: argument 1 `x`: axis `d` has 4 positions, but the library was built for 3 or 5");
    SHAPE(W)[0] = 5;
    REFUSED(WRONG_SIZE, "mixture: argument 6 `w`: axis `d` has 5 positions, but `x` has 3");
}

static void test_memory(void)
{
    STRIDES(X)[0] = INT64_MAX / 2;
    REFUSED(WRONG_STRIDES, "mixture: argument 1 `x`: its strides leave the address space");
    STRIDES(LAST)[1] = 0;
    REFUSED(WRONG_STRIDES,
            "mixture: argument 9 `last`: axis `d` has stride 0, but the positions of an output must not share memory");
    STRIDES(Y)[1] = 2;
    REFUSED(WRONG_STRIDES,
            "mixture: argument 8 `y`: axes `b` and `d` overlap, but the positions of an output must not share memory");
    T(Y).data = T(X).data;
    REFUSED(OVERLAP,
            "mixture: argument 8 `y`: shares memory with argument 1 `x`; an output must be apart from all others");
    T(G).device.device_type = kDLCUDA;
    REFUSED(WRONG_DEVICE, "mixture: argument 3 `g`: is on cuda:0, but `x` is on cpu:0");
    T(X).device.device_type = kDLCUDAHost;
    REFUSED(WRONG_DEVICE,
            "mixture: argument 1 `x`: is on device type 3 (cuda_host): pinned host memory is passed as cpu "
            "(device type 1)");
}

static void test_names(void)
{
    uint64_t bytes = 1;
    CHECK(plait_call("mixtures", sample.list, MIXTURE_COUNT, NULL) == PLAIT_STATUS_UNKNOWN_OPERATOR);
    CHECK_TEXT(plait_error(), "the library has no operator `mixtures`; it has `mixture`");
    CHECK(plait_call(NULL, sample.list, MIXTURE_COUNT, NULL) == PLAIT_STATUS_NULL_ARGUMENT);
    CHECK(plait_call("mixture", sample.list, MIXTURE_COUNT - 1, NULL) == PLAIT_STATUS_WRONG_COUNT);
    CHECK(plait_call("mixture", NULL, MIXTURE_COUNT, NULL) == PLAIT_STATUS_NULL_ARGUMENT);
    CHECK(plait_workspace_bytes("mixture", sample.list, 0, &bytes) == PLAIT_STATUS_WRONG_COUNT);
    CHECK(plait_workspace_bytes("mixture", sample.list, MIXTURE_COUNT, NULL) == PLAIT_STATUS_NULL_ARGUMENT);
    CHECK(untouched());
}

static void test_workspace(void)
{
    static _Alignas(PLAIT_WORKSPACE_ALIGNMENT) unsigned char workspace[65536];
    uint64_t bytes = 0;
    CHECK(plait_workspace_bytes("mixture", sample.list, MIXTURE_COUNT, &bytes) == PLAIT_STATUS_OK);
    CHECK(bytes > 0 && bytes < sizeof workspace); /* the kernels have something between them */
    CHECK(plait_call_with_workspace("mixture", sample.list, MIXTURE_COUNT, NULL, workspace, bytes - 1) ==
          PLAIT_STATUS_WORKSPACE);
    CHECK(plait_call_with_workspace("mixture", sample.list, MIXTURE_COUNT, NULL, workspace + 8, bytes) ==
          PLAIT_STATUS_MISALIGNED);
    CHECK(untouched());
    CHECK(plait_call_with_workspace("mixture", sample.list, MIXTURE_COUNT, NULL, workspace, bytes) == PLAIT_STATUS_OK);
    CHECK(!untouched());
    renew();
}

int main(void)
{
    sample.room = mixture_room_create();
    if (!sample.room) return 2;
    renew();
    test_right_calls();
    test_pointers();
    test_ranks_and_types();
    test_sizes();
    test_memory();
    test_names();
    test_workspace();
    return check_report();
}
