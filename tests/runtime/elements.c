/* The default of an optional input as one element of each type. */
#include <math.h>
#include <stdlib.h>

#include "runtime/call.h"
#include "tests/support/check.h"

enum { BOOL, I32, I64, F16, BF16, F32, F64 };

static uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static void test_whole(void)
{
    CHECK(plait_element_cell(BOOL, 0) == 0 && plait_element_cell(BOOL, 0.25) == 1 && plait_element_cell(BOOL, -3) == 1);
    CHECK(plait_element_cell(I32, -2.9) == 0xFFFFFFFEu && plait_element_cell(I32, 1e300) == 0x7FFFFFFFu);
    CHECK(plait_element_cell(I32, -INFINITY) == 0x80000000u);
    CHECK(plait_element_cell(I64, -1) == UINT64_MAX && plait_element_cell(I64, 1e300) == INT64_MAX);
    CHECK(plait_element_cell(I64, -1e300) == (uint64_t)INT64_MIN && plait_element_cell(I64, 1e15) == 1000000000000000u);
    CHECK(plait_element_cell(7, 1) == 0 && plait_element_bytes(7) == 0);
}

static void test_16(void)
{
    const struct {
        double number;
        uint16_t f16, bf16;
    } rows[] = {{0, 0, 0},
                {-0.0, 0x8000, 0x8000},
                {1, 0x3C00, 0x3F80},
                {-2, 0xC000, 0xC000},
                {65504, 0x7BFF, 0x4780},
                {65519.99, 0x7BFF, 0x4780},
                {65520, 0x7C00, 0x4780},
                {INFINITY, 0x7C00, 0x7F80},
                {-INFINITY, 0xFC00, 0xFF80},
                {1e300, 0x7C00, 0x7F80},
                {0x1p-14, 0x0400, 0x3880},
                {0x1p-24, 0x0001, 0x3380},
                {0x1p-25, 0x0000, 0x3300},        /* half of the least: to even */
                {0x1.000001p-25, 0x0001, 0x3300}, /* a little more: up */
                {0x1.ffcp-15, 0x0400, 0x3880},    /* the largest subnormal rounds up to a normal number */
                {0x1.002p0, 0x3C00, 0x3F80},      /* halfway: to even */
                {0x1.006p0, 0x3C02, 0x3F80},
                {0x1.01p0, 0x3C04, 0x3F80}, /* halfway in bf16: to even */
                {0x1.03p0, 0x3C0C, 0x3F82},
                {0x1p-133, 0x0000, 0x0001},
                {0x1p-134, 0x0000, 0x0000},
                {0x1.fep127, 0x7C00, 0x7F7F},
                {0x1.ffp127, 0x7C00, 0x7F80}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(plait_element_cell(F16, rows[i].number) == rows[i].f16);
        CHECK(plait_element_cell(BF16, rows[i].number) == rows[i].bf16);
    }
}

/* Every bf16 is the upper half of an f32, and rounding one gives itself. */
static void test_all_bf16(void)
{
    int wrong = 0;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        uint32_t wide = bits << 16;
        float number;
        memcpy(&number, &wide, sizeof number);
        if (number == number) wrong += plait_element_cell(BF16, (double)number) != bits;
    }
    CHECK(wrong == 0);
}

static void test_wide(void)
{
    CHECK(plait_element_cell(F32, 0.1) == 0x3DCCCCCDu && plait_element_cell(F32, INFINITY) == 0x7F800000u);
    CHECK(plait_element_cell(F64, 0.1) == bits_of(0.1));
    CHECK_TEXT(plait_element_text(BF16), "bf16");
    CHECK_TEXT(plait_element_text(9), "?");
}

int main(void)
{
    test_whole();
    test_16();
    test_all_bf16();
    test_wide();
    return check_report();
}
