/* Peaks of arithmetic, and the floor under a time.
 *
 * CPU: every processor does independent multiply-adds in the widest registers that the runtime would use, without
 * touching memory, and products of tiles where there is AMX: what the clock and the units really give, whatever they
 * are called. GPU: a table.
 */
#include "driver/peaks.h"

#include "driver/processors.h"
#include "runtime/device.h"
#include "runtime/isa.h"

/* CHAINS: so many registers are independent of each other, more than latency times units, and few enough for 16
 * registers with the factor and the term. A pass takes about a millisecond: short ones are seldom interrupted. */
enum { CHAINS = 12, ROUNDS = 1 << 18, PASSES = 24 };

#define MULTIPLY_ADDS(name, isa, bytes)                                                                                \
    __attribute__((target(isa))) static float name(float seed)                                                         \
    {                                                                                                                  \
        typedef float Lanes __attribute__((vector_size(bytes)));                                                       \
        Lanes sums[CHAINS], factor = (Lanes){0} + 0.5f, term = (Lanes){0} + seed;                                      \
        for (int k = 0; k < CHAINS; k++) sums[k] = term + (float)k;                                                    \
        for (int i = 0; i < ROUNDS; i++) {                                                                             \
            _Pragma("GCC unroll 12") for (int k = 0; k < CHAINS; k++) sums[k] = sums[k] * factor + term;               \
            __asm__ volatile("" : "+x"(factor)); /* a round is not folded into the next */                             \
        }                                                                                                              \
        float sum = 0;                                                                                                 \
        for (int k = 0; k < CHAINS; k++) sum += sums[k][0];                                                            \
        return sum;                                                                                                    \
    }

/* By level of x86-64. */
MULTIPLY_ADDS(multiply_adds_v2, "sse4.2", 16)
MULTIPLY_ADDS(multiply_adds_v3, "avx2,fma", 32)
MULTIPLY_ADDS(multiply_adds_v4, "avx512f", 64)

static void multiply_adds(void *context, uint32_t number)
{
    int level = *(const int *)context;
    volatile float seed = (float)(number + 1), result;
    result = level >= 2 ? multiply_adds_v4(seed) : level == 1 ? multiply_adds_v3(seed) : multiply_adds_v2(seed);
    (void)result;
}

static double operations_cpu(void)
{
    int level = plait_isa_level();
    double lanes = level >= 2 ? 16 : level == 1 ? 8 : 4;
    return 2.0 * CHAINS * ROUNDS * lanes *
           plait_work_times(NULL, multiply_adds, &level, plait_work_threads(), PASSES).rate;
}

enum { TILE_ROUNDS = 1 << 13, TILE_SUMS = 4, TILE_OPERATIONS = 2 * 16 * 16 * 32 };

/* Products of tiles of zeros into four tiles in turn. */
static void multiply_tiles(void *context, uint32_t number)
{
    _Alignas(64) uint8_t tiles[64] = {1}; /* palette 1; 16 rows of 64 bytes each */
    (void)context, (void)number;
    for (int i = 0; i < 8; i++) {
        tiles[16 + 2 * i] = 64;
        tiles[48 + i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(tiles));
    for (int i = 0; i < TILE_ROUNDS; i++)
        __asm__ volatile("tdpbf16ps %%tmm5, %%tmm4, %%tmm0\n\ttdpbf16ps %%tmm5, %%tmm4, %%tmm1\n\t"
                         "tdpbf16ps %%tmm5, %%tmm4, %%tmm2\n\ttdpbf16ps %%tmm5, %%tmm4, %%tmm3" ::);
    __asm__ volatile("tilerelease" ::);
}

static double products_cpu(void)
{
    if (plait_isa_level() < 3 || !plait_isa_may_use_tiles()) return 0;
    return (double)TILE_OPERATIONS * TILE_SUMS * TILE_ROUNDS *
           plait_work_times(NULL, multiply_tiles, NULL, plait_work_threads(), PASSES).rate;
}

PlaitPeaks plait_peaks_cpu(void)
{
    double operations = operations_cpu(), products = products_cpu();
    return (PlaitPeaks){.bytes = plait_bandwidth_cpu(), .operations = operations, .products = products};
}

PlaitPeaks plait_peaks_of_gpu(uint32_t architecture, double multiprocessors, double hertz)
{
    static const struct {
        uint32_t architecture;
        double multiply_adds, products;
    } rows[] = {
#define GPU(architecture, multiply_adds, products) {architecture, multiply_adds, products},
#include "driver/gpus.def"
#undef GPU
    };
    double clocks = multiprocessors * hertz;
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].architecture == architecture)
            return (PlaitPeaks){.operations = 2 * rows[i].multiply_adds * clocks,
                                .products = 2 * rows[i].products * clocks};
    return (PlaitPeaks){0};
}

PlaitPeaks plait_peaks_gpu(void)
{
    PlaitDeviceInfo info;
    if (plait_device_info(0, &info) != PLAIT_STATUS_OK) return (PlaitPeaks){0};
    PlaitPeaks peaks = plait_peaks_of_gpu(info.architecture, info.multiprocessors, info.clock_khz * 1e3);
    peaks.bytes = plait_bandwidth_gpu((uint64_t)1 << 29);
    return peaks;
}

static void take_longer(PlaitFloor *floor, double amount, double rate, const char *bound)
{
    if (rate <= 0 || amount / rate <= floor->seconds) return;
    *floor = (PlaitFloor){amount / rate, bound};
}

PlaitFloor plait_floor(const PlaitCost *cost, const PlaitPeaks *peaks)
{
    PlaitFloor floor = {0, "memory"};
    double apart = peaks->products > 0 ? cost->products : 0; /* matrix units work beside the others */
    take_longer(&floor, cost->bytes, peaks->bytes, "memory");
    take_longer(&floor, cost->operations - apart, peaks->operations, "arithmetic");
    take_longer(&floor, apart, peaks->products, "matrix units");
    return floor;
}

void plait_floor_print_json(const PlaitCost *cost, const PlaitPeaks *peaks, PlaitText *text)
{
    PlaitFloor floor = plait_floor(cost, peaks);
    plait_text_printf(text,
                      ", \"bytes\": %.0f, \"operations\": %.0f, \"products\": %.0f, \"functions\": %.0f, "
                      "\"bandwidth\": %.6g, \"peak_operations\": %.6g, \"peak_products\": %.6g, "
                      "\"floor_seconds\": %.9g, \"bound\": ",
                      cost->bytes, cost->operations, cost->products, cost->functions, peaks->bytes, peaks->operations,
                      peaks->products, floor.seconds);
    plait_text_json_string(text, floor.bound);
}
