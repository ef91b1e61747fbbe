/* Syntax errors in words.
 *
 * The grammar knows exactly which tokens fit; a list of all of them helps nobody, so those that begin an expression
 * are said as "an expression" and those that continue one as "an operator". The help is the first row of `advice`
 * that fits what was found and what was expected.
 */
#include "frontend/syntax.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

double plait_syntax_infinity(void) { return (double)INFINITY; }

void plait_syntax_report_depth(PlaitParser *parser, PlaitSpan span)
{
    parser->stopped = true;
    plait_parser_report(parser, PLAIT_NESTING, span, "an expression nested too deeply to read", "fewer levels",
                        "give parts of it names of their own, in statements before it");
}

void plait_syntax_report_choice(PlaitParser *parser, PlaitSpan span)
{
    plait_parser_report(parser, PLAIT_SYNTAX, span, "`if` as a statement", "an expression, `scan`, `attend` or `}`",
                        "a conditional is an expression: `y = a if condition else b`");
}

static bool expects(const PlaitSyntaxError *error, const char *token)
{
    for (uint32_t i = 0; i < error->expected_count; i++)
        if (strcmp(error->expected[i], token) == 0) return true;
    return false;
}

/* Tokens joined by ` & `. */
static bool expects_all(const PlaitSyntaxError *error, const char *tokens)
{
    const char *second = strstr(tokens, " & ");
    if (!second) return expects(error, tokens);
    char first[32] = "";
    memcpy(first, tokens, (size_t)(second - tokens));
    return expects(error, first) && expects(error, second + 3);
}

static const char *const expression_starts[] = {"a number", "`inf`", "`true`", "`false`", "`select`",
                                                "`not`",    "`-`",   "`(`",    "a name",  NULL};
static const char *const operators[] = {"`+`", "`-`",  "`*`",  "`/`",  "`//`",  "`%`",  "`^`",  "`<`", "`<=`",
                                        "`>`", "`>=`", "`==`", "`!=`", "`and`", "`or`", "`if`", "`@`", NULL};

static bool in_list(const char *const *list, const char *token)
{
    while (*list && strcmp(*list, token) != 0) list++;
    return *list != NULL;
}

/* Whether the token is said by a group's name, or not said at all. */
static bool grouped(const PlaitSyntaxError *error, const char *token, bool expression, bool operator)
{
    if (expression && in_list(expression_starts, token)) return true;
    if (operator&& in_list(operators, token)) return true;
    bool lines = expects(error, "the end of the line");
    if (lines && (strcmp(token, "`;`") == 0 || strcmp(token, "the end of the file") == 0)) return true;
    bool empty =
        expects(error, "`scan`") || expects(error, "`axis`") || expects(error, "`{`"); /* an empty line would fit */
    if (empty && strcmp(token, "the end of the line") == 0) return true;
    if (expects(error, "`scan`") && strcmp(token, "`if`") == 0) return true; /* read only to be reported */
    if (operator&&(strcmp(token, "`(`") == 0 || strcmp(token, "`[`") == 0)) return true;
    return strcmp(token, "a reserved word") == 0 || strcmp(token, "a malformed token") == 0;
}

static const char *expected_text(PlaitParser *parser, const PlaitSyntaxError *error)
{
    const char *said[100];
    uint32_t count = 0;
    bool expression = expects(error, "a number") && expects(error, "`(`");
    bool operator= expects(error, "`+`") && expects(error, "`*`");
    if (expression) said[count++] = "an expression";
    if (operator) said[count++] = "an operator";
    for (uint32_t i = 0; i < error->expected_count; i++)
        if (!grouped(error, error->expected[i], expression, operator)) said[count++] = error->expected[i];
    PlaitText text = plait_text(parser->arena);
    for (uint32_t i = 0; i < count; i++)
        plait_text_printf(&text, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", said[i]);
    return plait_text_string(&text);
}

#define COMMENTS "comments begin with `#`; `//` divides and rounds down"
#define LEADING                                                                                                        \
    "an expression goes on in the next line after an operator or inside parentheses: end the line before with it"
#define MODULE_LEVEL "a declaration begins on a line of its own, outside blocks; is a `}` missing before it?"
#define ELSEWHERE "brackets hold names of axes; a value at another position is written `x@(t - 1)`"

/* Advice for a found token and one that is expected, or two joined by ` & `; NULL: any. */
static const struct {
    const char *found, *expected, *help;
} advice[] = {
    {"`=`", "`==`", "write `==` to compare; an assignment is a statement of its own"},
    {"`[`", "a number", "there are no lists; several results are several outputs of the operator"},
    {"`[`", "`(`", "an operator's parameters stand in parentheses; it has no axes of its own"},
    {"`[`", "`+`",
     "brackets follow a function or a type only; take a value at another position with `x@[axis](index)`"},
    {"`)`", "a number", "an operand is missing before `)`"},
    {"`*`", "a number", "write `x ^ y` for a power"},
    {"`{`", "a number", "braces hold bodies, and no `=` stands before them; here stands an expression"},
    {"`*`", "`->`", "an operator's results follow its parameters: `-> (y : f32[t])`"},
    {"`{`", "`->`", "an operator's results follow its parameters: `-> (y : f32[t])`"},
    {NULL, "`->`", "an operator's results follow its parameters: `-> (y : f32[t])`"},
    {"the end of the file", "`}`", "close the block with `}`"},
    {"the end of the file", NULL, "the file ends in the middle of a declaration or a block"},
    {"`axis`", "`)`", "axes stand in brackets behind the function: `sum[d](x)`"},
    {"`operator`", NULL, MODULE_LEVEL},
    {"`axis`", NULL, MODULE_LEVEL},
    {"`const`", NULL, MODULE_LEVEL},
    {"`fn`", NULL, MODULE_LEVEL},
    {"`}`", "`axis`", "this `}` closes nothing"},
    {"`}`", "the end of the file", "this `}` closes nothing"},
    {"`reverse`", NULL, "`reverse` stands before the carries: `scan t reverse carry S = 0 { ... }`"},
    {"`if`", "a number", "a conditional is written `a if condition else b`"},
    {"`//`", "`axis`", COMMENTS},
    {"`/`", "`axis`", COMMENTS},
    {"`//`", "`scan`", COMMENTS},
    {"`/`", "`scan`", LEADING},
    {"`+`", "`scan`", LEADING},
    {"`*`", "`scan`", LEADING},
    {"`%`", "`scan`", LEADING},
    {"`^`", "`scan`", LEADING},
    {"`@`", "`scan`", LEADING},
    {"`and`", "`scan`", LEADING},
    {"`or`", "`scan`", LEADING},
    {"`else`", "`scan`", "a conditional is an expression, on one line or in parentheses: `a if condition else b`"},
    {NULL, "`axis`",
     "at the top of a file stand `axis`, `const`, `fn` and `operator`; statements go into an operator's braces"},
    {NULL, "`carry`", "a scan is written `scan t carry S = 0 { ... }`"},
    {NULL, "`where`", "a stage is written `attend s where s <= t { ... }`"},
    {NULL, "`else`", "a conditional is written `a if condition else b`"},
    {NULL, "`scan`", "a statement begins with a name, `scan` or `attend`; words of the language are no names"},
    {"the end of the line", "a number", "an operand is missing at the end of the line"},
    {NULL, "a number", "an operand is missing here"},
    {"`{`", "`=` & `:`", "a carry has a value before the first token: `carry S = 0`, or `carry S : f32[d] = 0`"},
    {NULL, "`:`", "declare it as `name : type[axes]`, for example `x : bf16[b, t, d]`"},
    {"`:`", "`{`", "the type of a carry stands before its value: `carry S : f32[d] = 0`"},
    {"`,`", "`{` & `and`", "conditions are joined by `and`"},
    {"`,`", "`{`", "several results stand in parentheses: `-> (y : f32[t, d], z : f32[t])`"},
    {"`,`", "`)` & `+`", "there are no tuples: parentheses hold one expression"},
    {NULL, "`{`", "the body stands in braces"},
    {"`(`", "`[`", "the axes of a type stand in brackets: `f32[b, t, d]`"},
    {NULL, "`=`", "give it a value: `name = expression`"},
    {NULL, "the end of the line", "one statement a line; separate several by `;`"},
    {NULL, "`)`", "close the parenthesis, or separate arguments by `,`"},
    {NULL, "`(`",
     "brackets name the axes of a call, `sum[d](x)`; take a value at another position with `x@[axis](index)`"},
    {"`-`", "`]`", ELSEWHERE},
    {"`+`", "`]`", ELSEWHERE},
    {"`(`", "`]`", ELSEWHERE},
    {"`:`", "`]`", "axes are written `[a, b]`; a range of positions is no value of the language"},
    {NULL, "`]`", "axes are written `[a, b]`"},
    {"`[`", "a name", "a type begins with that of its elements: `f32[b, t, d]`"},
    {NULL, "a name", "a name begins with a letter; words of the language (`axis`, `scan`, `carry`, ...) are no names"},
    {NULL, NULL, "docs/language.md has the grammar"},
};

/* Words that begin a statement in other languages. */
static const struct {
    const char *word, *help;
} foreign[] = {
    {"for", "there are no loops: a recurrence over time is a `scan`, a sum over positions `sum[t](x)`"},
    {"while", "there are no loops: a recurrence over time is a `scan`, a sum over positions `sum[t](x)`"},
    {"return", "a result is the variable of its name: `y = ...`; a function's value is its last expression"},
    {"let", "a statement begins with the name: `y = ...`"},
    {"var", "a statement begins with the name: `y = ...`"},
};

/* The word before the place, when there are only spaces between. */
static PlaitSpan word_before(const PlaitParser *parser, uint32_t place)
{
    while (place > 0 && (parser->text[place - 1] == ' ' || parser->text[place - 1] == '\t')) place--;
    uint32_t begin = place;
    while (begin > 0 && isalpha((unsigned char)parser->text[begin - 1])) begin--;
    return (PlaitSpan){parser->source, begin, place};
}

/* Whether `//`, which begins a comment elsewhere, stands before the place in its line. */
static bool comment_before(const PlaitParser *parser, uint32_t place)
{
    for (; place > 1 && parser->text[place - 1] != '\n'; place--)
        if (parser->text[place - 1] == '/' && parser->text[place - 2] == '/') return true;
    return false;
}

/* Advice that what stands before the place gives; NULL: none. */
static const char *help_before(const PlaitParser *parser, const PlaitSyntaxError *error)
{
    uint32_t place = error->span.begin;
    PlaitSpan word = word_before(parser, place);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (strlen(foreign[i].word) == word.end - word.begin &&
            strncmp(foreign[i].word, parser->text + word.begin, word.end - word.begin) == 0)
            return foreign[i].help;
    if (strcmp(error->found, "a name") == 0 && expects(error, "`+`") && comment_before(parser, place)) return COMMENTS;
    if (strcmp(error->found, "`=`") == 0 && place > 0 && strchr("+-*/%^", parser->text[place - 1]))
        return "an assignment names the whole value: `y = y + x`";
    if (strcmp(error->found, "a number") == 0 && place > 0 && strchr("[,", parser->text[word.end - (word.end > 0)]) &&
        expects(error, "a name") && !expects(error, "a number") && parser->brackets > 0)
        return "brackets hold names of axes: declare `axis d = 8` and write `[d]`; a value at a position is `x@0`";
    bool word_found = error->found[0] == '`' && isalpha((unsigned char)error->found[1]);
    if (word_found && expects(error, "a name") && !expects(error, "a number"))
        return "words of the language (`axis`, `scan`, `carry`, ...) are no names: take another";
    return NULL;
}

static const char *help_text(const PlaitParser *parser, const PlaitSyntaxError *error)
{
    const char *before = help_before(parser, error);
    if (before) return before;
    for (size_t i = 0;; i++) {
        bool found = !advice[i].found || strcmp(advice[i].found, error->found) == 0;
        if (found && (!advice[i].expected || expects_all(error, advice[i].expected))) return advice[i].help;
    }
}

/* The token as written, or what it stands for when it has no text. */
static const char *found_text(PlaitParser *parser, const PlaitSyntaxError *error)
{
    uint32_t length = error->span.end - error->span.begin;
    const char *text = parser->text + error->span.begin;
    if (length == 0 || *text == '\n') return error->found;
    return plait_arena_printf(parser->arena, "`%.*s`", (int)(length > 40 ? 40 : length), text);
}

void plait_syntax_report(PlaitParser *parser, const PlaitSyntaxError *error)
{
    parser->lost = parser->braces == 0;
    if (parser->stopped || error->reported) return;
    const char *found = found_text(parser, error);
    if (error->reserved) {
        plait_parser_report(parser, PLAIT_RESERVED_WORD, error->span, found,
                            "a word of the language, or a name of your own",
                            "this word is reserved for a later version of the language: use another name");
        return;
    }
    plait_parser_report(parser, PLAIT_SYNTAX, error->span, found, expected_text(parser, error),
                        help_text(parser, error));
}
