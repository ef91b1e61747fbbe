/* Runs the Gated DeltaNet block on a text and says how many tokens a second it reads.
 *
 *     demo cpu|cuda TEXT HEADS TOKENS
 *
 * A byte is a token. A seeded random table turns each byte into what the block's projections would give for it (q, k,
 * v, z, a, beta); the block's own weights come from the same generator. At most TOKENS bytes of TEXT are read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demo.h"

enum { FEATURES = 128, TAPS = 4, TENSORS = 15, START_STATE = 12, MOST_RUNS = 50 };

/* The operator's arguments in order. axes: t, h, d (any feature axis), w; b is 1. from, to: the range drawn from;
 * `text` rows hold one draw for each byte value instead of each token. */
static const struct {
    const char *name, *axes;
    bool bf16, text;
    double from, to;
} rows[TENSORS] = {
    {"q", "bthd", true, true, -1, 1},      {"k", "bthd", true, true, -1, 1},
    {"v", "bthd", true, true, -1, 1},      {"z", "bthd", true, true, -1, 1},
    {"a", "bth", true, true, -1, 1},       {"beta", "bth", true, true, -1, 1},
    {"A_log", "h", false, false, 0, 2.77}, {"dt_bias", "h", false, false, -6.9, -2.2},
    {"wq", "hdw", true, false, -0.5, 0.5}, {"wk", "hdw", true, false, -0.5, 0.5},
    {"wv", "hdw", true, false, -0.5, 0.5}, {"gamma", "d", false, false, 1, 1},
    {"S0", "bhdd", false, false, 0, 0},    {"y", "bthd", true, false, 0, 0},
    {"S", "bhdd", false, false, 0, 0},
};

typedef struct Tensor {
    DLTensor tensor;
    int64_t shape[4];
    size_t bytes;
    void *host;
} Tensor;

typedef struct Text {
    unsigned char *bytes;
    int64_t tokens;
} Text;

static void fail(const char *what)
{
    fprintf(stderr, "demo: %s\n", what);
    exit(1);
}

static void *reserve(size_t bytes)
{
    void *memory = calloc(bytes ? bytes : 1, 1);
    if (memory == NULL) fail("out of memory");
    return memory;
}

/* splitmix64 (Steele, Lea, Flood, 2014), as a number in [from, to). */
static double draw(uint64_t *seed, double from, double to)
{
    uint64_t x = *seed += 0x9E3779B97F4A7C15;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return from + (to - from) * (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

static void put(void *data, bool bf16, int64_t index, double number)
{
    float single = (float)number;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    if (bf16) ((uint16_t *)data)[index] = (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    else ((float *)data)[index] = single;
}

static int64_t count(const Tensor *t) { return (int64_t)(t->bytes / (t->tensor.dtype.bits / 8u)); }

static void fill(Tensor *t, int row, const Text *text)
{
    bool bf16 = rows[row].bf16;
    uint64_t seed = (uint64_t)row + 1;
    int64_t total = count(t), width = text->tokens ? total / text->tokens : 0;
    if (!rows[row].text) {
        for (int64_t i = 0; i < total; i++) put(t->host, bf16, i, draw(&seed, rows[row].from, rows[row].to));
        return;
    }
    float *table = reserve((size_t)(256 * width) * sizeof *table);
    for (int64_t i = 0; i < 256 * width; i++) table[i] = (float)draw(&seed, rows[row].from, rows[row].to);
    for (int64_t i = 0; i < total; i++)
        put(t->host, bf16, i, (double)table[text->bytes[i / width] * width + i % width]);
    free(table);
}

static Tensor tensor_create(const DemoDevice *device, int row, const Text *text, int64_t heads)
{
    Tensor t = {.tensor = {.device = device->device,
                           .dtype = {rows[row].bf16 ? kDLBfloat : kDLFloat, rows[row].bf16 ? 16 : 32, 1}}};
    t.bytes = rows[row].bf16 ? 2 : 4;
    for (const char *axis = rows[row].axes; *axis != 0; axis++) {
        int64_t size = *axis == 'b'   ? 1
                       : *axis == 't' ? text->tokens
                       : *axis == 'h' ? heads
                       : *axis == 'd' ? FEATURES
                                      : TAPS;
        t.shape[t.tensor.ndim++] = size;
        t.bytes *= (size_t)size;
    }
    t.host = reserve(t.bytes);
    fill(&t, row, text);
    t.tensor.data = device->allocate(t.bytes);
    if (t.tensor.data == NULL || !device->upload(t.tensor.data, t.host, t.bytes)) fail("no memory on the device");
    return t;
}

static void make(Tensor *tensors, const DemoDevice *device, const Text *text, int64_t heads)
{
    for (int i = 0; i < TENSORS; i++) tensors[i] = tensor_create(device, i, text, heads);
}

static void call(Tensor *tensors)
{
    DLTensor *arguments[TENSORS];
    for (int i = 0; i < TENSORS; i++) {
        tensors[i].tensor.shape = tensors[i].shape;
        arguments[i] = i == START_STATE ? NULL : &tensors[i].tensor;
    }
    if (plait_call("gated_deltanet", arguments, TENSORS, NULL) != PLAIT_STATUS_OK) fail(plait_error());
}

static double now(void)
{
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int later(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* Median of runs that together take about two seconds, after a first one that is not counted. */
static double measure(Tensor *tensors, const DemoDevice *device)
{
    double times[MOST_RUNS], start = now();
    int runs = 0;
    call(tensors);
    if (!device->finish()) fail("the device reported an error");
    while (runs < MOST_RUNS && (runs < 3 || now() - start < 2)) {
        double before = now();
        call(tensors);
        if (!device->finish()) fail("the device reported an error");
        times[runs++] = now() - before;
    }
    qsort(times, (size_t)runs, sizeof *times, later);
    return times[runs / 2];
}

static Text read_text(const char *path, int64_t most)
{
    Text text = {reserve((size_t)most), 0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail("the text cannot be read");
    text.tokens = (int64_t)fread(text.bytes, 1, (size_t)most, file);
    fclose(file);
    return text;
}

static void *host_allocate(size_t bytes) { return reserve(bytes); }
static bool host_finish(void) { return true; }
static bool host_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 5) fail("usage: demo cpu|cuda TEXT HEADS TOKENS");
    DemoDevice device = {{kDLCPU, 0}, host_allocate, host_copy, host_finish, "CPU"};
    if (strcmp(argv[1], "cuda") == 0 && !demo_cuda_open(&device)) {
        printf("GPU: %s\n", device.name);
        return 0;
    }
    int64_t heads = atoll(argv[3]), most = atoll(argv[4]);
    if (heads < 1 || most < 1) fail("HEADS and TOKENS are whole numbers from 1 on");
    Text text = read_text(argv[2], most);
    Tensor tensors[TENSORS];
    make(tensors, &device, &text, heads);
    double seconds = measure(tensors, &device);
    printf("%s: %lld tokens, %lld heads of %d: %.2f ms, %.0f tokens/s\n", device.name, (long long)text.tokens,
           (long long)heads, FEATURES, 1e3 * seconds, (double)text.tokens / seconds);
    return 0;
}
