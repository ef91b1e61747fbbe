/* Peaks and floors: which bound counts, the table of GPUs, and the bandwidth of a copy on a fake driver. */
#include "driver/peaks.h"
#include "runtime/isa.h"

#include <math.h>

#include "runtime/device.h"
#include "tests/runtime/fake_driver.h"
#include "tests/support/check.h"

static bool near(double a, double b) { return fabs(a - b) <= 1e-9 * fabs(b); }

static void test_floor(void)
{
    PlaitCost cost = {.bytes = 100, .operations = 1000, .products = 900, .functions = 1e9};
    PlaitFloor floor = plait_floor(&cost, &(PlaitPeaks){.bytes = 10, .operations = 200});
    CHECK(floor.seconds == 10);
    CHECK_TEXT(floor.bound, "memory");
    floor = plait_floor(&cost, &(PlaitPeaks){.bytes = 100, .operations = 200});
    CHECK(floor.seconds == 5);
    CHECK_TEXT(floor.bound, "arithmetic");
    floor = plait_floor(&cost, &(PlaitPeaks){.bytes = 100, .operations = 200, .products = 300});
    CHECK(floor.seconds == 3); /* the other 100 take half a second, at the same time */
    CHECK_TEXT(floor.bound, "matrix units");
    floor = plait_floor(&cost, &(PlaitPeaks){.bytes = 100});
    CHECK(floor.seconds == 1);
    floor = plait_floor(&cost, &(PlaitPeaks){.bytes = 0});
    CHECK(floor.seconds == 0);
}

/* H100 SXM: 132 multiprocessors, 1.98 GHz: 66.9 T operations/s in f32; 989 T from 16 bits at 1.83 GHz. */
static void test_table(void)
{
    PlaitPeaks peaks = plait_peaks_of_gpu(90, 132, 1.98e9);
    CHECK(fabs(peaks.operations / 66.9e12 - 1) < 1e-3 && peaks.bytes == 0);
    CHECK(fabs(plait_peaks_of_gpu(90, 132, 1.83e9).products / 989.4e12 - 1) < 1e-3);
    CHECK(fabs(plait_peaks_of_gpu(80, 108, 1.41e9).products / 312e12 - 1) < 1e-3);
    CHECK(plait_peaks_of_gpu(75, 40, 1e9).operations == 0);
}

/* An event of the fake driver lies 1.5 ms behind the one before. */
static void test_gpu(void)
{
    enum { BYTES = 1 << 20 };
    plait_driver_substitute(&fake_driver);
    fake_reset();
    fake.architecture[0] = 90;
    CHECK(plait_device_use(0) == PLAIT_STATUS_OK);
    CHECK(near(plait_bandwidth_gpu(BYTES), 2.0 * BYTES / 1.5e-3)); /* read and written */
    CHECK(strstr(fake.log, "cuMemcpyDtoDAsync") && fake.memory == 0);
    for (int n = 1; n <= 12; n++) { /* a failure is no bandwidth, or that of other passes, and nothing is left */
        fake_reset();
        fake.fail_at = n;
        double found = plait_bandwidth_gpu(BYTES);
        CHECK((found == 0 || near(found, 2.0 * BYTES / 1.5e-3)) && fake.memory == 0);
    }
    plait_device_release_all();
    plait_driver_substitute(NULL);
}

static void test_cpu(void)
{
    PlaitPeaks peaks = plait_peaks_cpu();
    CHECK(peaks.bytes > 1e8 && peaks.bytes < 1e13);
    CHECK(peaks.operations > 1e8 && peaks.operations < 1e14);
    CHECK(plait_isa_level() < 3 ? peaks.products == 0 : peaks.products > peaks.operations);
}

int main(void)
{
    test_floor();
    test_table();
    test_gpu();
    test_cpu();
    return check_report();
}
