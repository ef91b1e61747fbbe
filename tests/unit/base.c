/* The base library: arenas, vectors, text, names. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "ir/base/intern.h"
#include "ir/base/text.h"
#include "tests/support/check.h"

static PlaitFailure failure;
static PlaitArena *arena;

/* ---- arenas ---- */

static bool all_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i]) return false;
    return true;
}

static void test_allocations(void)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 16 * 1024, 5 << 20, 3, 1 << 20};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    unsigned char *data[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        data[i] = plait_arena_alloc(arena, sizes[i]);
        CHECK(data[i] && (uintptr_t)data[i] % 16 == 0 && all_zero(data[i], sizes[i]));
        if (sizes[i]) memset(data[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++) /* none overlaps another */
        CHECK(!sizes[i] || (data[i][0] == i + 1 && data[i][sizes[i] - 1] == i + 1));
    const unsigned *numbers = plait_arena_array(arena, 1000, sizeof *numbers);
    CHECK(all_zero((const unsigned char *)numbers, 1000 * sizeof *numbers));
}

/* Memory that was used before is zeroed too. */
static void test_reuse(void)
{
    PlaitFailure here;
    for (int i = 0; i < 3; i++) {
        PlaitArena *mine = plait_arena_create(&here);
        unsigned char *data = plait_arena_alloc(mine, 4000);
        CHECK(all_zero(data, 4000));
        memset(data, 0xFF, 4000);
        plait_arena_destroy(mine);
    }
}

static void test_copies(void)
{
    char source[] = "text";
    char *copy = plait_arena_copy(arena, source, sizeof source), *part = plait_arena_strndup(arena, source, 2);
    const char *whole = plait_arena_strdup(arena, source), *none = plait_arena_strndup(arena, NULL, 0);
    source[0] = 'T';
    CHECK_TEXT(copy, "text");
    CHECK_TEXT(part, "te");
    CHECK_TEXT(whole, "text");
    CHECK_TEXT(none, "");
    CHECK(plait_arena_copy(arena, NULL, 0) != NULL);
    CHECK_TEXT(plait_arena_printf(arena, "%s %d %5.2f", "a", -3, 2.5), "a -3  2.50");
    const char *wide = plait_arena_printf(arena, "%1000d", 7);
    CHECK(strlen(wide) == 1000 && wide[999] == '7');
}

/* Whether `use` leaves to the failure point; everything it allocated goes with its arena. */
static bool fails(void (*use)(PlaitArena *mine), uint64_t at)
{
    PlaitFailure here;
    PlaitArena *volatile mine = plait_arena_create(&here);
    volatile bool failed = true;
    if (PLAIT_TRY(&here)) {
        plait_arena_fail_at(at);
        use(mine);
        failed = false;
    }
    plait_arena_fail_at(0);
    plait_arena_destroy(mine);
    return failed;
}

static void allocate_three(PlaitArena *mine)
{
    for (int i = 0; i < 3; i++) plait_arena_alloc(mine, 10);
}
static void overflow_array(PlaitArena *mine) { plait_arena_array(mine, SIZE_MAX / 16 + 2, 16); }
static void overflow_padding(PlaitArena *mine) { plait_arena_alloc(mine, SIZE_MAX); }
static void overflow_header(PlaitArena *mine) { plait_arena_alloc(mine, SIZE_MAX - 40); }
static void give_up(PlaitArena *mine) { plait_arena_fail(mine); }

static void test_failures(void)
{
    CHECK(fails(allocate_three, 1) && fails(allocate_three, 2) && fails(allocate_three, 3));
    CHECK(!fails(allocate_three, 0) && !fails(allocate_three, 4));
    CHECK(fails(overflow_array, 0) && fails(overflow_padding, 0) && fails(overflow_header, 0) && fails(give_up, 0));
    plait_arena_fail_at(1);
    CHECK(plait_arena_create(&failure) == NULL);
    plait_arena_destroy(NULL);
}

/* ---- vectors ---- */

static void test_vectors(void)
{
    PLAIT_VECTOR(int) numbers = {0};
    for (int i = 0; i < 1000; i++) plait_push(arena, &numbers, i * i);
    CHECK(numbers.count == 1000 && numbers.capacity >= 1000);
    for (int i = 0; i < 1000; i++) CHECK(numbers.data[i] == i * i);
    typedef struct Pair {
        int a;
        double b;
    } Pair;
    PLAIT_VECTOR(Pair) pairs = {0};
    plait_push(arena, &pairs, (Pair){1, 2});
    CHECK(pairs.count == 1 && pairs.data[0].a == 1 && pairs.data[0].b == 2);
}

static void grow_beyond(PlaitArena *mine)
{
    void *data = NULL;
    uint32_t capacity = UINT32_MAX / 2 + 1;
    plait_vector_grow(mine, &data, capacity, &capacity, 1);
}

/* ---- text ---- */

static void test_text(void)
{
    PlaitText text = plait_text(arena);
    CHECK_TEXT(plait_text_string(&text), "");
    plait_text_add(&text, "one");
    plait_text_add_bytes(&text, ", two and more", 5);
    plait_text_repeat(&text, '.', 3);
    plait_text_repeat(&text, '!', 0);
    plait_text_printf(&text, "%d", 3);
    CHECK_TEXT(plait_text_string(&text), "one, two...3");
    CHECK(text.length == 12);
    for (int i = 0; i < 1000; i++) plait_text_add(&text, "0123456789");
    CHECK(text.length == 10012 && strlen(plait_text_string(&text)) == 10012);
    CHECK(strncmp(text.data, "one, two...30123456789", 22) == 0);
}

static const char *number_text(double number)
{
    PlaitText text = plait_text(arena);
    plait_text_number(&text, number);
    return plait_text_string(&text);
}

static void test_numbers(void)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {30, "30"},
        {-7, "-7"},
        {0.1, "0.1"},
        {1e-6, "1e-06"},
        {2.5, "2.5"},
        {1.0 / 3, "0.3333333333333333"},
        {1e15, "1e+15"},
        {1e300, "1e+300"},
        {999999999999999, "999999999999999"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {(double)NAN, "nan"},
        {5e-324, "5e-324"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) CHECK_TEXT(number_text(cases[i].number), cases[i].text);
    double number = 1.1;
    for (int i = 0; i < 200; i++, number *= -7.3) CHECK(strtod(number_text(number), NULL) == number);
}

static void test_json(void)
{
    PlaitText text = plait_text(arena);
    plait_text_json_string(&text, "a\"b\\c\nd\te\x01\x1F \xC3\xA9\xFF\xE2\x82\xAC\xE2\x82");
    CHECK_TEXT(plait_text_string(&text), "\"a\\\"b\\\\c\\nd\\te\\u0001\\u001f \xC3\xA9\\ufffd\xE2\x82\xAC\\ufffd\\ufffd\"");
}

/* ---- names ---- */

static void test_names(void)
{
    PlaitNames names = {.arena = arena};
    CHECK(plait_names_add(&names, "") == 0 && plait_names_add_bytes(&names, "x", 0) == 0);
    CHECK_TEXT(plait_names_text(&names, 0), "");
    PlaitName first = plait_names_add(&names, "first");
    CHECK(first == 1 && plait_names_add_bytes(&names, "firstly", 5) == first);
    CHECK(plait_names_add(&names, "firs") != first && plait_names_add(&names, "firstly") != first);
    PlaitName ids[1000];
    for (int i = 999; i >= 0; i--) /* n10 before n1, which begins it */
        ids[i] = plait_names_add(&names, plait_arena_printf(arena, "n%d", i));
    CHECK(names.text.count == 1003);
    for (int i = 0; i < 1000; i++) { /* found again after the table has grown */
        const char *text = plait_arena_printf(arena, "n%d", i);
        CHECK(plait_names_add(&names, text) == ids[i]);
        CHECK_TEXT(plait_names_text(&names, ids[i]), text);
    }
    CHECK(names.text.count == 1003);
}

int main(void)
{
    arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 2;
    test_allocations();
    test_reuse();
    test_copies();
    test_failures();
    test_vectors();
    CHECK(fails(grow_beyond, 0));
    test_text();
    test_numbers();
    test_json();
    test_names();
    plait_arena_destroy(arena);
    return check_report();
}
