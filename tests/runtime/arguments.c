/* Every refusal of a call's arguments, by status and by exact text; a refused call writes nothing. */
#include "tests/runtime/sums.h"
#include "tests/support/check.h"

static Sums *sums;

static void renew(void)
{
    if (sums) sums_destroy(sums);
    sums = sums_create(2, 3, 4);
}

/* The call as the sample stands now; then a new sample. */
static void refused(int line, PlaitStatus expected, const char *text)
{
    PlaitStatus status = plait_runtime_call(&sums_operator, sums->list, NULL, NULL, 0);
    if (status != expected || strcmp(plait_last_error(), text) != 0 || !sums_untouched(sums))
        fprintf(stderr, "line %d: status %d\n", line, (int)status);
    CHECK(status == expected);
    CHECK_TEXT(plait_last_error(), text);
    CHECK(sums_untouched(sums));
    renew();
}
#define REFUSED(status, text) refused(__LINE__, PLAIT_STATUS_##status, text)

/* The call with the sample as it stands now is right. */
static void accepted(int line)
{
    PlaitStatus status = plait_runtime_call(&sums_operator, sums->list, NULL, NULL, 0);
    if (status) fprintf(stderr, "line %d: %s\n", line, plait_last_error());
    CHECK(status == PLAIT_STATUS_OK);
    CHECK_TEXT(plait_last_error(), "");
    CHECK(sums_right(sums));
    renew();
}
#define ACCEPTED() accepted(__LINE__)

#define X sums->tensors[SUMS_X]
#define K sums->tensors[SUMS_K]
#define MASK sums->tensors[SUMS_MASK]
#define X0 sums->tensors[SUMS_X0]
#define Y sums->tensors[SUMS_Y]
#define LAST sums->tensors[SUMS_LAST]

static void test_pointers(void)
{
    CHECK(plait_runtime_call(&sums_operator, NULL, NULL, NULL, 0) == PLAIT_STATUS_NULL_ARGUMENT);
    CHECK_TEXT(plait_last_error(), "sums: the array of tensors is NULL");
    sums->list[SUMS_X] = NULL;
    REFUSED(NULL_ARGUMENT, "sums: argument 1 `x`: is NULL, but has no default");
    sums->list[SUMS_Y] = NULL;
    REFUSED(NULL_ARGUMENT, "sums: argument 5 `y`: is NULL, but has no default");
    K.data = NULL;
    REFUSED(NULL_ARGUMENT, "sums: argument 2 `k`: its data is NULL");
    K.shape = NULL;
    REFUSED(NULL_ARGUMENT, "sums: argument 2 `k`: its shape is NULL");
    K.byte_offset = 2;
    REFUSED(MISALIGNED, "sums: argument 2 `k`: its address is not a multiple of 4 bytes");
    K.byte_offset = UINT64_MAX - 3;
    REFUSED(WRONG_STRIDES, "sums: argument 2 `k`: byte_offset leaves the address space");
}

static void test_ranks_and_types(void)
{
    X.ndim = 2;
    REFUSED(WRONG_RANK, "sums: argument 1 `x`: has 2 axes, but is declared with 3: [b, t, d]");
    K.ndim = -1;
    REFUSED(WRONG_RANK, "sums: argument 2 `k`: has -1 axes, but is declared with 2: [b, t]");
    X.dtype = (DLDataType){kDLBfloat, 16, 1};
    REFUSED(WRONG_TYPE, "sums: argument 1 `x`: has elements of type bf16, but is declared f32");
    X.dtype.bits = 64;
    REFUSED(WRONG_TYPE, "sums: argument 1 `x`: has elements of type f64, but is declared f32");
    X.dtype.lanes = 4;
    REFUSED(WRONG_TYPE, "sums: argument 1 `x`: has elements of type f32x4, but is declared f32");
    X.dtype.code = kDLInt;
    REFUSED(WRONG_TYPE, "sums: argument 1 `x`: has elements of type i32, but is declared f32");
    X.dtype.code = kDLComplex;
    REFUSED(WRONG_TYPE, "sums: argument 1 `x`: has elements of type complex32, but is declared f32");
    X.dtype.code = 77;
    REFUSED(WRONG_TYPE, "sums: argument 1 `x`: has elements of type code 77 of 32 bits, but is declared f32");
    MASK.dtype.code = kDLInt;
    REFUSED(WRONG_TYPE, "sums: argument 3 `mask`: has elements of type i8, but is declared bool");
    X.dtype = (DLDataType){kDLBool, 8, 1};
    REFUSED(WRONG_TYPE, "sums: argument 1 `x`: has elements of type bool, but is declared f32");
    MASK.dtype.code = kDLUInt;
    ACCEPTED();
}

static void test_sizes(void)
{
    X.shape[1] = -1;
    REFUSED(WRONG_SIZE, "sums: argument 1 `x`: axis `t` has -1 positions");
    X.shape[1] = (int64_t)1 << 31;
    REFUSED(WRONG_SIZE, "sums: argument 1 `x`: axis `t` has 2147483648 positions, more than 2147483647");
    K.shape[1] = 2;
    REFUSED(WRONG_SIZE, "sums: argument 2 `k`: axis `t` has 2 positions, but `x` has 3");
    MASK.shape[0] = 4;
    REFUSED(WRONG_SIZE, "sums: argument 3 `mask`: axis `s` has 4 positions, but axis `t` of `x` has 3");
    LAST.shape[0] = 1;
    REFUSED(WRONG_SIZE, "sums: argument 6 `last`: axis `b` has 1 positions, but `x` has 2");
    X.shape[2] = 5;
    REFUSED(UNAVAILABLE_SIZE, "sums: argument 1 `x`: axis `d` has 5 positions, but the library was built for 4 or 8");
    X0.shape[1] = 8;
    REFUSED(WRONG_SIZE, "sums: argument 4 `x0`: axis `d` has 8 positions, but `x` has 4");
}

static void vector_of(DLTensor *tensor, int64_t *size, uint8_t bits)
{
    static double memory[4][256];
    static int next;
    *tensor = (DLTensor){.data = memory[next++ % 4],
                         .device = {.device_type = kDLCPU},
                         .ndim = 1,
                         .dtype = {kDLFloat, bits, 1},
                         .shape = size};
}

static void expect_pair(int64_t d, int64_t e, PlaitStatus expected, const char *text)
{
    DLTensor q, v, o, *list[] = {&q, &v, &o};
    vector_of(&q, &d, 32);
    vector_of(&v, &e, 32);
    vector_of(&o, &e, 64);
    CHECK(plait_runtime_call(&pairs_operator, list, NULL, NULL, 0) == expected);
    CHECK_TEXT(plait_last_error(), text);
}

static void test_static_sizes(void)
{
    expect_pair(32, 64, PLAIT_STATUS_UNAVAILABLE_SIZE,
                "pairs: argument 1 `q`: axis `d` has 32 positions, but the library was built for 64 or 128");
    expect_pair(
        64, 128, PLAIT_STATUS_UNAVAILABLE_SIZE,
        "pairs: argument 2 `v`: axis `e` has 128 positions, but the library was built for 64 or 96 with d = 64");
    expect_pair(128, 96, PLAIT_STATUS_UNAVAILABLE_SIZE,
                "pairs: argument 2 `v`: axis `e` has 96 positions, but the library was built for 128 with d = 128");
    expect_pair(64, 96, PLAIT_STATUS_NO_CODE, "pairs: the library was built without code for the CPU");
}

static void test_strides(void)
{
    sums->strides[SUMS_X][0] = INT64_MAX / 2;
    REFUSED(WRONG_STRIDES, "sums: argument 1 `x`: its strides leave the address space");
    sums->strides[SUMS_X][1] = INT64_MIN;
    REFUSED(WRONG_STRIDES, "sums: argument 1 `x`: its strides leave the address space");
    sums->strides[SUMS_X][0] = -((int64_t)1 << 60);
    REFUSED(WRONG_STRIDES, "sums: argument 1 `x`: its strides leave the address space");
    sums->strides[SUMS_Y][1] = 0;
    REFUSED(WRONG_STRIDES,
            "sums: argument 5 `y`: axis `t` has stride 0, but the positions of an output must not share memory");
    sums->strides[SUMS_Y][0] = 4;
    REFUSED(WRONG_STRIDES,
            "sums: argument 5 `y`: axes `b` and `t` overlap, but the positions of an output must not share memory");
    sums->strides[SUMS_Y][1] = 3;
    REFUSED(WRONG_STRIDES,
            "sums: argument 5 `y`: axes `t` and `d` overlap, but the positions of an output must not share memory");
    sums->strides[SUMS_LAST][0] = -1;
    LAST.byte_offset = 16;
    REFUSED(WRONG_STRIDES,
            "sums: argument 6 `last`: axes `b` and `d` overlap, but the positions of an output must not share memory");
}

static void test_compact_overflow(void)
{
    int64_t most = INT32_MAX;
    DLTensor *changed[] = {&X, &K, &MASK, &X0, &Y, &LAST};
    for (int i = 0; i < SUMS_COUNT; i++) {
        changed[i]->strides = NULL;
        if (i != SUMS_MASK) changed[i]->shape[0] = most;
        if (i == SUMS_X || i == SUMS_K || i == SUMS_Y) changed[i]->shape[1] = most;
    }
    MASK.shape[0] = most;
    REFUSED(WRONG_STRIDES, "sums: argument 1 `x`: its strides leave the address space");
}

static void test_devices(void)
{
    K.device.device_type = kDLCUDA;
    K.device.device_id = 1;
    REFUSED(WRONG_DEVICE, "sums: argument 2 `k`: is on cuda:1, but `x` is on cpu:0");
    for (int i = 0; i < SUMS_COUNT; i++) sums->tensors[i].device.device_type = kDLCUDA;
    Y.device.device_id = 3;
    REFUSED(WRONG_DEVICE, "sums: argument 5 `y`: is on cuda:3, but `x` is on cuda:0");
    X.device.device_type = kDLCUDAHost;
    REFUSED(WRONG_DEVICE, "sums: argument 1 `x`: is on device type 3 (cuda_host): pinned host memory is passed as cpu "
                          "(device type 1)");
    Y.device.device_type = kDLCUDAManaged;
    REFUSED(WRONG_DEVICE, "sums: argument 5 `y`: is on device type 13 (cuda_managed): managed memory is passed as cuda "
                          "(device type 2)");
    X.device.device_type = (DLDeviceType)10;
    REFUSED(WRONG_DEVICE, "sums: argument 1 `x`: is on device type 10 (rocm): Plait runs on cpu and cuda");
    X.device.device_type = (DLDeviceType)99;
    REFUSED(WRONG_DEVICE, "sums: argument 1 `x`: is on device type 99 (unknown): Plait runs on cpu and cuda");
    K.device.device_id = 5; /* processors have no numbers */
    ACCEPTED();
}

static void test_overlap(void)
{
    Y.data = X.data;
    REFUSED(OVERLAP,
            "sums: argument 5 `y`: shares memory with argument 1 `x`; an output must be apart from all others");
    LAST.data = Y.data;
    LAST.byte_offset = 4;
    REFUSED(OVERLAP,
            "sums: argument 6 `last`: shares memory with argument 5 `y`; an output must be apart from all others");
    X0.data = LAST.data;
    X0.byte_offset = 2 * 4 * 4 - 4; /* only the last element */
    REFUSED(OVERLAP,
            "sums: argument 6 `last`: shares memory with argument 4 `x0`; an output must be apart from all others");
    LAST.data = X0.data;
    LAST.byte_offset = 2 * 4 * 4 - 4; /* likewise, from the other side */
    REFUSED(OVERLAP,
            "sums: argument 6 `last`: shares memory with argument 4 `x0`; an output must be apart from all others");
    X0.data = LAST.data;
    X0.byte_offset = 2 * 4 * 4;
    memset((char *)LAST.data + 32, 0, 32);
    ACCEPTED();       /* side by side */
    X0.data = X.data; /* inputs may share */
    ACCEPTED();
}

static void test_missing_extent(void)
{
    float memory[4];
    int64_t size = 4;
    DLTensor y = {
        .data = memory, .device = {.device_type = kDLCPU}, .ndim = 1, .dtype = {kDLFloat, 32, 1}, .shape = &size};
    DLTensor *list[] = {NULL, &y};
    CHECK(plait_runtime_call(&lonely_operator, list, NULL, NULL, 0) == PLAIT_STATUS_NULL_ARGUMENT);
    CHECK_TEXT(plait_last_error(), "lonely: argument 1 `bias`: is NULL, but no other argument has axis `m`");
    list[1] = NULL;
    CHECK(plait_runtime_call(&lonely_operator, list, NULL, NULL, 0) == PLAIT_STATUS_NULL_ARGUMENT);
    CHECK_TEXT(plait_last_error(), "lonely: argument 2 `y`: is NULL, but has no default");
}

static void test_workspace(void)
{
    static _Alignas(256) char memory[4096];
    uint64_t bytes = 0;
    CHECK(plait_runtime_workspace_bytes(&sums_operator, sums->list, &bytes) == PLAIT_STATUS_OK && bytes == 256);
    CHECK(plait_runtime_workspace_bytes(&sums_operator, sums->list, NULL) == PLAIT_STATUS_NULL_ARGUMENT);
    CHECK_TEXT(plait_last_error(), "sums: the place for the number of bytes is NULL");
    CHECK(plait_runtime_call(&sums_operator, sums->list, NULL, memory, 255) == PLAIT_STATUS_WORKSPACE);
    CHECK_TEXT(plait_last_error(), "sums: needs 256 bytes of workspace, but was given 255");
    CHECK(plait_runtime_call(&sums_operator, sums->list, NULL, memory + 64, 2048) == PLAIT_STATUS_MISALIGNED);
    CHECK_TEXT(plait_last_error(), "sums: the workspace's address is not a multiple of 256 bytes");
    CHECK(plait_runtime_call(&sums_operator, sums->list, NULL, (void *)(UINTPTR_MAX - 255), 512) ==
          PLAIT_STATUS_WORKSPACE);
    CHECK_TEXT(plait_last_error(), "sums: the workspace leaves the address space");
    memcpy(memory + 128, K.data, 24);
    K.data = memory + 128;
    CHECK(plait_runtime_call(&sums_operator, sums->list, NULL, memory, 256) == PLAIT_STATUS_OVERLAP);
    CHECK_TEXT(plait_last_error(), "sums: argument 2 `k`: shares memory with the workspace");
    CHECK(sums_untouched(sums));
    CHECK(plait_runtime_call(&sums_operator, sums->list, NULL, memory + 256, 256) == PLAIT_STATUS_OK &&
          sums_right(sums));
    renew();
}

/* A question about workspace reads no addresses, but still checks shapes. */
static void test_workspace_without_data(void)
{
    uint64_t bytes = 7;
    for (int i = 0; i < SUMS_COUNT; i++) sums->tensors[i].data = NULL;
    X.shape[0] = K.shape[0] = X0.shape[0] = Y.shape[0] = LAST.shape[0] = 1000;
    CHECK(plait_runtime_workspace_bytes(&sums_operator, sums->list, &bytes) == PLAIT_STATUS_OK && bytes == 48128);
    K.shape[0] = 999;
    CHECK(plait_runtime_workspace_bytes(&sums_operator, sums->list, &bytes) == PLAIT_STATUS_WRONG_SIZE && bytes == 0);
    renew();
}

/* The positions of an axis of blocks are those blocks, the last one perhaps shorter; those of an axis that is the same
 * too. A workspace of `blocks` times 8 numbers of 4 bytes, one of 8 bytes, one of 3 blocks of d. */
static void test_blocks(int64_t t, uint64_t blocks)
{
    DLTensor x = X, y = Y, *list[] = {&x, &y};
    uint64_t bytes = 7, unit = 256;
    x.ndim = y.ndim = 1;
    x.shape = y.shape = &t;
    x.strides = y.strides = NULL;
    x.data = y.data = NULL;
    CHECK(plait_runtime_workspace_bytes(&pieces_operator, list, &bytes) == PLAIT_STATUS_OK);
    CHECK_TEXT(plait_last_error(), "");
    uint64_t by_block = (blocks * 8 * 4 + unit - 1) / unit * unit, by_same = (blocks * 8 * 8 + unit - 1) / unit * unit;
    CHECK(bytes == by_block + by_same + unit);
    if (bytes != by_block + by_same + unit)
        fprintf(stderr, "  t = %lld: %llu bytes\n", (long long)t, (unsigned long long)bytes);
}

static void test_too_large(void)
{
    int64_t most = INT32_MAX;
    uint64_t bytes;
    X.shape[0] = K.shape[0] = X0.shape[0] = Y.shape[0] = LAST.shape[0] = most;
    X.shape[1] = K.shape[1] = Y.shape[1] = MASK.shape[0] = most;
    CHECK(plait_runtime_workspace_bytes(&sums_operator, sums->list, &bytes) == PLAIT_STATUS_TOO_LARGE);
    CHECK_TEXT(plait_last_error(), "sums: workspace `products` does not fit in the address space");
    renew();
    X.shape[0] = K.shape[0] = X0.shape[0] = Y.shape[0] = LAST.shape[0] = most;
    X.shape[1] = K.shape[1] = Y.shape[1] = MASK.shape[0] = 65536;
    for (int i = 0; i < SUMS_Y; i++) sums->strides[i][0] = 0; /* inputs repeat; outputs lie somewhere far */
    sums->strides[SUMS_X][1] = sums->strides[SUMS_K][1] = 0;
    sums->strides[SUMS_Y][0] = sums->strides[SUMS_LAST][0] = (int64_t)1 << 20;
    Y.data = (void *)((uintptr_t)1 << 60);
    LAST.data = (void *)((uintptr_t)1 << 61);
    PlaitStatus status = plait_runtime_call(&sums_operator, sums->list, NULL, NULL, 0);
    CHECK(status == PLAIT_STATUS_OUT_OF_MEMORY);
    CHECK_TEXT(plait_last_error(), "sums: 2251799812636672 bytes of memory could not be allocated");
    renew();
}

static void test_status_texts(void)
{
    CHECK_TEXT(plait_status_text(PLAIT_STATUS_OK), "no error");
    CHECK_TEXT(plait_status_text(PLAIT_STATUS_BAD_LIBRARY), "the library's tables contradict themselves");
    CHECK_TEXT(plait_status_text((PlaitStatus)999), "unknown status");
}

int main(void)
{
    renew();
    ACCEPTED();
    test_pointers();
    test_ranks_and_types();
    test_sizes();
    test_static_sizes();
    test_strides();
    test_compact_overflow();
    test_devices();
    test_overlap();
    test_missing_extent();
    test_workspace();
    test_workspace_without_data();
    test_blocks(0, 0);
    test_blocks(1, 1);
    test_blocks(64, 1);
    test_blocks(65, 2);
    test_blocks(64 * 40, 40);
    test_blocks(64 * 40 + 1, 41);
    test_too_large();
    test_status_texts();
    sums_destroy(sums);
    return check_report();
}
