/* Sources, places in them, and what is said about them. */
#include "ir/base/diagnostics.h"
#include "tests/support/check.h"

static PlaitFailure failure;
static PlaitArena *arena;

static void test_places(void)
{
    PlaitSources sources = {.arena = arena};
    const char text[] = "ab\n\xC3\xA9"
                        "cd\n";
    uint32_t id = plait_sources_add(&sources, "x", text, sizeof text - 1);
    const PlaitSource *source = plait_sources_get(&sources, id);
    CHECK(id == 1 && !plait_sources_get(&sources, 0) && !plait_sources_get(&sources, 2));
    CHECK(source->length == 8 && source->text != text);
    static const struct {
        uint32_t offset, line, column, begin, end;
    } cases[] = {{0, 1, 1, 0, 2}, {2, 1, 3, 0, 2}, {3, 2, 1, 3, 7}, {5, 2, 2, 3, 7},
                 {6, 2, 3, 3, 7}, {7, 2, 4, 3, 7}, {8, 3, 1, 8, 8}, {99, 3, 1, 8, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PlaitPlace place = plait_source_place(source, cases[i].offset);
        CHECK(place.line == cases[i].line && place.column == cases[i].column);
        CHECK(place.line_begin == cases[i].begin && place.line_end == cases[i].end);
    }
}

static void test_spans(void)
{
    PlaitSpan a = {1, 5, 9}, b = {1, 2, 6}, other = {2, 0, 20}, none = {0};
    PlaitSpan joined = plait_span_join(a, b), outer = plait_span_join(a, other);
    CHECK(joined.source == 1 && joined.begin == 2 && joined.end == 9);
    CHECK(outer.source == 1 && outer.begin == 5 && outer.end == 9);
    CHECK(plait_span_join(none, b).begin == 2 && plait_span_join(b, none).begin == 2);
}

static PlaitDiagnostics subject(PlaitSources *sources, const char *text)
{
    *sources = (PlaitSources){.arena = arena};
    plait_sources_add(sources, "x.plait", text, (uint32_t)strlen(text));
    return (PlaitDiagnostics){.arena = arena, .sources = sources};
}

static void report(PlaitDiagnostics *diagnostics, uint32_t begin, uint32_t end, const char *found)
{
    PlaitSpan span = {end ? 1 : 0, begin, end};
    plait_report(diagnostics,
                 (PlaitDiagnostic){.id = PLAIT_UNKNOWN_NAME, .span = span, .found = found, .help = "correct it"});
}

static void test_order(void)
{
    PlaitSources sources;
    PlaitDiagnostics diagnostics = subject(&sources, "y = silo(x)\n\tz\n");
    report(&diagnostics, 13, 14, "z");
    report(&diagnostics, 4, 8, "silo");
    report(&diagnostics, 4, 8, "the same again");
    report(&diagnostics, 0, 0, "no place");
    CHECK(diagnostics.error_count == 3);
    PlaitText text = plait_text(arena), json = plait_text(arena);
    plait_diagnostics_print(&diagnostics, &text);
    CHECK_TEXT(plait_text_string(&text),
               "error[E0301]: unknown name\n      = found: no place\n      = help: correct it\n\n"
               "error[E0301]: unknown name\n  --> x.plait:1:5\n      |\n    1 | y = silo(x)\n      |     ^^^^\n"
               "      = found: silo\n      = help: correct it\n\n"
               "error[E0301]: unknown name\n  --> x.plait:2:2\n      |\n    2 |  z\n      |  ^\n"
               "      = found: z\n      = help: correct it\n");
    plait_diagnostics_print_json(&diagnostics, &json);
    CHECK(strstr(plait_text_string(&json), "\"line\": 2, \"column\": 2, \"end_line\": 2, \"end_column\": 3") != NULL);
    CHECK(json.data[0] == '[' && json.data[json.length - 1] == ']');
}

/* A newline of two bytes: neither is shown, and a place at the end of the line stands behind its last character. */
static void test_two_byte_newlines(void)
{
    PlaitSources sources;
    PlaitDiagnostics diagnostics = subject(&sources, "a\r\ny = qq\r\n");
    report(&diagnostics, 7, 9, "qq");
    report(&diagnostics, 10, 11, "the end");
    PlaitText text = plait_text(arena);
    plait_diagnostics_print(&diagnostics, &text);
    CHECK(strstr(plait_text_string(&text), "x.plait:2:5\n      |\n    2 | y = qq\n      |     ^^\n") != NULL);
    CHECK(strstr(plait_text_string(&text), "    2 | y = qq\n      |       ^\n") != NULL);
}

static void test_limit(void)
{
    PlaitSources sources;
    PlaitDiagnostics diagnostics = subject(&sources, "");
    for (int i = 0; i < PLAIT_MAX_ERRORS + 5; i++) report(&diagnostics, 0, 0, "something");
    CHECK(diagnostics.error_count == 25 && diagnostics.list.count == 20);
    PlaitText text = plait_text(arena);
    plait_diagnostics_print(&diagnostics, &text);
    CHECK(strstr(plait_text_string(&text), "\n... and 5 more errors\n") != NULL);
}

static void test_nearest(void)
{
    static const char *const names[] = {"silu", "sigmoid", "softmax", "a"};
    CHECK_TEXT(plait_nearest_name("silo", names, 4), "silu");
    CHECK_TEXT(plait_nearest_name("sigmoid", names, 4), "sigmoid");
    CHECK_TEXT(plait_nearest_name("sofmaxx", names, 4), "softmax");
    CHECK(plait_nearest_name("silence", names, 4) == NULL);
    CHECK(plait_nearest_name("x", names, 4) == NULL); /* one letter for another is no misspelling */
    CHECK(plait_nearest_name("", names, 4) == NULL && plait_nearest_name("silu", names, 0) == NULL);
    const char *longest = plait_arena_printf(arena, "%063d", 1), *longer = plait_arena_printf(arena, "%0999d", 1);
    CHECK(plait_nearest_name(longest, &longest, 1) == longest && plait_nearest_name(longer, &longer, 1) == NULL);
}

int main(void)
{
    arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 2;
    test_places();
    test_spans();
    test_order();
    test_two_byte_newlines();
    test_limit();
    test_nearest();
    plait_arena_destroy(arena);
    return check_report();
}
