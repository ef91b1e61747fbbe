/* The scanner: bytes to tokens.
 *
 * Newlines: one ends a statement only where a statement can end: outside ( and [, after a token that can be the last
 * of one. So a line that ends in an operator, a comma or `=` goes on in the next; and so does one before `->`.
 * The text is zero-terminated and was checked for zero bytes and for UTF-8 before (compile.c).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

static const struct {
    const char *text;
    int token;
} keywords[] = {
#define KEYWORD(text, token) {text, token},
#include "frontend/keywords.def"
#undef KEYWORD
};

static PlaitSpan span_of(const PlaitParser *parser, const char *begin, const char *end)
{
    return (PlaitSpan){parser->source, (uint32_t)(begin - parser->text), (uint32_t)(end - parser->text)};
}

static const char *quoted(PlaitParser *parser, const char *begin, const char *end)
{
    ptrdiff_t length = end - begin, shown = length > 40 ? 40 : length;
    while (shown < length && ((unsigned char)begin[shown] & 0xC0) == 0x80) shown--; /* no half of a character */
    return plait_arena_printf(parser->arena, "`%.*s%s`", (int)shown, begin, shown < length ? "..." : "");
}

/* Gives up on the rest of the file. */
static int stop(PlaitParser *parser, const char *begin, const char *found, const char *help)
{
    plait_parser_report(parser, PLAIT_NESTING, span_of(parser, begin, parser->cursor), found, "fewer levels", help);
    parser->stopped = true;
    parser->cursor = begin + strlen(begin);
    return END;
}

static int open_bracket(PlaitParser *parser, const char *begin, int token)
{
    if (++parser->brackets > PLAIT_MAX_EXPRESSION_DEPTH)
        return stop(parser, begin, "more than 200 open brackets", "give parts of the expression names of their own, in statements before it");
    return token;
}

static int open_brace(PlaitParser *parser, const char *begin)
{
    parser->brackets = 0;
    if (++parser->braces > PLAIT_MAX_BLOCK_DEPTH)
        return stop(parser, begin, "more than 16 open braces", "blocks nest at most 16 deep: end one with `}`");
    return OPEN_BLOCK;
}

/* `select` is the function where `(` follows; the stage of that name is reserved. */
static int scan_select(PlaitParser *parser)
{
    const char *next = parser->cursor + strspn(parser->cursor, " \t\r");
    return *next == '(' ? SELECT : RESERVED;
}

static int scan_name(PlaitParser *parser, const char *begin, PLAIT_YYSTYPE *value)
{
    size_t length = (size_t)(parser->cursor - begin);
    value->name = plait_names_add_bytes(parser->names, begin, length);
    if (length > PLAIT_MAX_NAME_LENGTH) {
        plait_parser_report(parser, PLAIT_NAME_LENGTH, span_of(parser, begin, parser->cursor),
                            plait_arena_printf(parser->arena, "%zu characters", length), "at most 63 characters", "choose a shorter name");
        return NAME;
    }
    const char *text = plait_names_text(parser->names, value->name);
    if (strcmp(text, "select") == 0) return scan_select(parser);
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(text, keywords[i].text) == 0) {
            int token = keywords[i].token;
            if (token == AXIS || token == CONST || token == FN || token == OPERATOR) parser->brackets = 0; /* one was left open */
            return token;
        }
    return NAME;
}

static int scan_number(PlaitParser *parser, const char *begin, PLAIT_YYSTYPE *value)
{
    const char *end = parser->cursor;
    value->number.number = strtod(begin, NULL);
    value->number.whole = strcspn(begin, ".eE") >= (size_t)(end - begin);
    size_t zeros = strspn(begin, "0.");
    bool vanished = value->number.number == 0 && begin + zeros < end && begin[zeros] >= '1' && begin[zeros] <= '9';
    if (isinf(value->number.number) || vanished) {
        plait_parser_report(parser, PLAIT_NUMBER_RANGE, span_of(parser, begin, end), quoted(parser, begin, end),
                            "a number whose magnitude is between 5e-324 and 1.8e308", "write `inf` for infinity, 0 for zero");
        value->number.number = value->number.whole = 1; /* right wherever a number is: one message for one cause */
    }
    return NUMBER;
}

static int bad_number(PlaitParser *parser, const char *begin)
{
    plait_parser_report(parser, PLAIT_NUMBER_FORM, span_of(parser, begin, parser->cursor), quoted(parser, begin, parser->cursor),
                        "a number like 1, 2.5 or 1e-6",
                        *begin == '.' ? "put a 0 before the point" : "put digits on both sides of the point, and an operator between a number and a name");
    return BAD_TOKEN;
}

/* The code point at `text`, which is valid UTF-8. */
static uint32_t code_point(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] < 0x80) return at[0];
    if (at[0] < 0xE0) return (at[0] & 0x1FU) << 6 | (at[1] & 0x3FU);
    if (at[0] < 0xF0) return (at[0] & 0xFU) << 12 | (at[1] & 0x3FU) << 6 | (at[2] & 0x3FU);
    return (at[0] & 7U) << 18 | (at[1] & 0x3FU) << 12 | (at[2] & 0x3FU) << 6 | (at[3] & 0x3FU);
}

/* Spaces that are no spaces of the language, marks of order and direction: what pasting from a page brings along. */
static bool is_invisible(uint32_t point)
{
    return (point >= 0x80 && point <= 0xA0) || point == 0xAD || (point >= 0x2000 && point <= 0x200F) ||
           (point >= 0x2028 && point <= 0x202F) || (point >= 0x205F && point <= 0x206F) || point == 0x3000 || point == 0xFEFF;
}

/* One report for a run of characters that are outside the language. */
static int bad_character(PlaitParser *parser, const char *begin)
{
    while ((unsigned char)*parser->cursor >= 0x80) parser->cursor++;
    bool ascii = (unsigned char)*begin < 0x80;
    bool control = ascii && (*begin < ' ' || *begin == 0x7F), invisible = is_invisible(code_point(begin));
    const char *found = control     ? plait_arena_printf(parser->arena, "the control character %d", *begin)
                        : invisible ? plait_arena_printf(parser->arena, "the invisible character U+%04X", code_point(begin))
                                    : quoted(parser, begin, parser->cursor);
    const char *help = *begin == '&' || *begin == '|' ? "write `and`, `or`"
                       : *begin == '!'                ? "write `not`, or `!=`"
                       : *begin == '"' || *begin == '\'' ? "the language has no texts; comments begin with `#`"
                       : *begin == '.' ? "there are no modules and no methods: `sum[d](x)`, `softmax(x)`"
                       : *begin == '?' ? "a conditional is written `a if condition else b`"
                       : ascii || invisible ? "remove it; comments begin with `#`"
                                            : "characters outside ASCII can stand in comments only";
    plait_parser_report(parser, PLAIT_CHARACTER, span_of(parser, begin, parser->cursor), found,
                        "letters, digits and signs of the language", help);
    return BAD_TOKEN;
}

/* Whether the declaration goes on behind the newline: `->` begins none, and the block of one that is wrong belongs to
 * the mistake. Then the cursor moves there, so that no newline is looked behind twice. */
static bool goes_on(PlaitParser *parser)
{
    const char *next = parser->cursor;
    for (;;) {
        next += strspn(next, " \t\r\n");
        if (*next != '#') break;
        next += strcspn(next, "\n");
    }
    if ((next[0] != '-' || next[1] != '>') && (!parser->lost || *next != '{')) return false;
    parser->cursor = next;
    return true;
}

static int next_token(PlaitParser *parser, const char **begin_of_token, PLAIT_YYSTYPE *value)
{
    const char *marker;
    for (;;) {
        const char *begin = *begin_of_token = parser->cursor;
        /*!re2c
            re2c:define:YYCTYPE = "unsigned char";
            re2c:yyfill:enable = 0;
            re2c:flags:input = custom;
            re2c:api:style = free-form;
            re2c:define:YYPEEK = "(unsigned char)*parser->cursor";
            re2c:define:YYSKIP = "parser->cursor++;";
            re2c:define:YYBACKUP = "marker = parser->cursor;";
            re2c:define:YYRESTORE = "parser->cursor = marker;";

            digits = [0-9]+;
            letter = [A-Za-z_];
            number = digits ("." digits)? ([eE] [+-]? digits)?;

            "\x00"              { parser->cursor = begin; return END; }
            [ \t\r]+            { continue; }
            "#" [^\n\x00]*      { continue; }
            "\n"                { if (parser->brackets == 0 && parser->can_end && !goes_on(parser)) return LINE_END; continue; }
            letter (letter | [0-9])* { return scan_name(parser, begin, value); }
            number              { return scan_number(parser, begin, value); }
            number (letter | [0-9.])+ { return bad_number(parser, begin); }
            "." digits          { return bad_number(parser, begin); }
            "<="                { return LE; }
            ">="                { return GE; }
            "=="                { return EQ; }
            "!="                { return NE; }
            "//"                { return FLOOR_DIVIDE; }
            "->"                { return ARROW; }
            "+"                 { return PLUS; }
            "-"                 { return MINUS; }
            "*"                 { return TIMES; }
            "/"                 { return DIVIDE; }
            "%"                 { return REMAINDER; }
            "^"                 { return POWER; }
            "<"                 { return LT; }
            ">"                 { return GT; }
            "="                 { return ASSIGN; }
            ":"                 { return COLON; }
            ","                 { return COMMA; }
            ";"                 { return SEMICOLON; }
            "@"                 { return POSITION; }
            "("                 { return open_bracket(parser, begin, OPEN); }
            "["                 { return open_bracket(parser, begin, OPEN_AXES); }
            ")"                 { parser->brackets -= parser->brackets > 0; return CLOSE; }
            "]"                 { parser->brackets -= parser->brackets > 0; return CLOSE_AXES; }
            "{"                 { return open_brace(parser, begin); }
            "}"                 { parser->brackets = 0; parser->braces -= parser->braces > 0; return CLOSE_BLOCK; }
            *                   { return bad_character(parser, begin); }
        */
    }
}

static bool can_end_statement(int token)
{
    static const int enders[] = {NAME, NUMBER, INF, TRUE, FALSE, CLOSE, CLOSE_AXES, CLOSE_BLOCK, BAD_TOKEN, RESERVED};
    for (size_t i = 0; i < sizeof enders / sizeof *enders; i++)
        if (enders[i] == token) return true;
    return false;
}

/* Whether the token begins a statement, or outside of blocks a declaration: nothing that may follow a `}` does. */
static bool begins_statement(int token)
{
    return token == NAME || token == SCAN || token == ATTEND || token == AXIS || token == CONST || token == FN || token == OPERATOR;
}

/* What follows a `}` on its line: reported here, and read as if it stood on the next, as the grammar sees too late where
 * the block has ended. */
static int end_line(PlaitParser *parser, const char *begin)
{
    bool inside = parser->braces > 0;
    plait_parser_report(parser, PLAIT_SYNTAX, span_of(parser, begin, parser->cursor), quoted(parser, begin, parser->cursor),
                        inside ? "the end of the line or `}`" : "the end of the line",
                        inside ? "one statement a line; separate several by `;`"
                               : "each declaration begins on a line of its own; statements stand in its braces");
    parser->cursor = begin;
    return LINE_END;
}

int plait_yylex(PLAIT_YYSTYPE *value, PlaitSpan *span, PlaitParser *parser)
{
    const char *begin;
    int token = next_token(parser, &begin, value);
    if (parser->closed && begins_statement(token)) token = end_line(parser, begin);
    parser->closed = token == CLOSE_BLOCK;
    parser->lost &= token != LINE_END && token != SEMICOLON && token != OPEN_BLOCK;
    parser->can_end = can_end_statement(token);
    *span = span_of(parser, begin, parser->cursor);
    return token;
}
