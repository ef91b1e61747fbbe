/* The mutations of libFuzzer for text: tokens and lines, so that more of what comes out is nearly valid.
 *
 * A token is replaced by another one of its kind (of the same text, a word of the op tables, a number at an edge), or a
 * line is doubled, moved or removed. In IR text the ids, which must count up, are then set right again. A quarter of
 * the mutations are libFuzzer's own, on bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "ir/sample.h"
#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed);

enum { MOST_TOKENS = 8192, MOST_IDS = 4096, LARGEST_TEXT = 1 << 17, LONGEST_TOKEN = 64 };

typedef enum Kind { SPACE, NEWLINE, WORD, NUMBER, ID, OTHER } Kind;

typedef struct Token {
    Kind kind;
    uint32_t begin, end;
} Token;

typedef struct Text {
    const char *bytes;
    Token tokens[MOST_TOKENS];
    uint32_t count;
} Text;

typedef struct Output {
    char bytes[LARGEST_TEXT];
    size_t length;
} Output;

static const char *const numbers[] = {"0",    "1",     "2",       "3",          "5",          "7",  "12",  "13",
                                      "15",   "16",    "17",      "63",         "64",         "65", "127", "128",
                                      "4096", "65536", "1000000", "2147483647", "2147483648", "-1", "-2",  "-0",
                                      "0.5",  "1e-6",  "1e30",    "1e300",      "inf",        "nan"};

/* ---- tokens ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static uint32_t token_end(const char *bytes, uint32_t at, uint32_t size, Kind *kind)
{
    char first = bytes[at++];
    *kind = first == ' ' ? SPACE : first == '\n' ? NEWLINE : is_letter(first) ? WORD : is_digit(first) ? NUMBER : OTHER;
    if (first == '%' && at < size && is_digit(bytes[at])) *kind = ID;
    bool digits = *kind == NUMBER || *kind == ID, letters = *kind == WORD;
    while (at < size && ((digits && is_digit(bytes[at])) ||
                         (letters && (is_letter(bytes[at]) || is_digit(bytes[at]) || bytes[at] == '.'))))
        at++;
    return at;
}

static void tokenize(Text *text, const char *bytes, size_t size)
{
    text->bytes = bytes;
    text->count = 0;
    for (uint32_t at = 0; at < size && text->count < MOST_TOKENS;) {
        Token *token = &text->tokens[text->count++];
        token->begin = at;
        at = token->end = token_end(bytes, at, (uint32_t)size, &token->kind);
    }
}

static void put(Output *output, const char *bytes, size_t length)
{
    if (length > LARGEST_TEXT - output->length) return;
    memcpy(output->bytes + output->length, bytes, length);
    output->length += length;
}

static void put_tokens(Output *output, const Text *text, uint32_t from, uint32_t to)
{
    if (from < to)
        put(output, text->bytes + text->tokens[from].begin, text->tokens[to - 1].end - text->tokens[from].begin);
}

static uint32_t line_begin(const Text *text, uint32_t token)
{
    while (token > 0 && text->tokens[token - 1].kind != NEWLINE) token--;
    return token;
}

static uint32_t line_end(const Text *text, uint32_t token)
{
    while (token < text->count && text->tokens[token].kind != NEWLINE) token++;
    return token < text->count ? token + 1 : token;
}

/* ---- mutations ---- */

static bool is_op(const Text *text, const Token *token)
{
    char word[LONGEST_TOKEN];
    size_t length = token->end - token->begin;
    if (length >= sizeof word) return false;
    memcpy(word, text->bytes + token->begin, length);
    word[length] = '\0';
    return plait_op_by_text(word) != PLAIT_OP_NONE;
}

static void put_other(Output *output, const Text *text, uint32_t index, PlaitRandom *random)
{
    const Token *token = &text->tokens[index];
    if (token->kind == NUMBER && plait_random_below(random, 2)) {
        const char *number = numbers[plait_random_below(random, sizeof numbers / sizeof *numbers)];
        put(output, number, strlen(number));
        return;
    }
    if (token->kind == WORD && is_op(text, token) && plait_random_below(random, 2)) {
        const char *word = plait_op_info((PlaitOp)(1 + plait_random_below(random, PLAIT_OP_COUNT - 1)))->text;
        put(output, word, strlen(word));
        return;
    }
    uint32_t other = plait_random_below(random, text->count);
    for (uint32_t tries = 0; tries < text->count && text->tokens[other].kind != token->kind; tries++)
        other = (other + 1) % text->count;
    put_tokens(output, text, other, other + 1);
}

static void replace_token(Output *output, const Text *text, PlaitRandom *random)
{
    uint32_t index = plait_random_below(random, text->count);
    while (index + 1 < text->count && text->tokens[index].kind <= NEWLINE) index++;
    put_tokens(output, text, 0, index);
    put_other(output, text, index, random);
    put_tokens(output, text, index + 1, text->count);
}

/* A line somewhere else, there as well or not. */
static void copy_line(Output *output, const Text *text, PlaitRandom *random, bool remove)
{
    uint32_t token = plait_random_below(random, text->count), from = line_begin(text, token),
             to = line_end(text, token);
    uint32_t at = line_begin(text, plait_random_below(random, text->count));
    bool inside = at > from && at < to;
    for (uint32_t i = 0; i < text->count; i++) {
        if (i == at && !inside) put_tokens(output, text, from, to);
        if (!(remove && i >= from && i < to)) put_tokens(output, text, i, i + 1);
    }
}

static void remove_line(Output *output, const Text *text, PlaitRandom *random)
{
    uint32_t token = plait_random_below(random, text->count);
    put_tokens(output, text, 0, line_begin(text, token));
    put_tokens(output, text, line_end(text, token), text->count);
}

static void mutate(Output *output, const Text *text, PlaitRandom *random)
{
    output->length = 0;
    switch (plait_random_below(random, 8)) {
    case 0: copy_line(output, text, random, false); return;
    case 1: copy_line(output, text, random, true); return;
    case 2: remove_line(output, text, random); return;
    default: replace_token(output, text, random); return;
    }
}

/* ---- ids ---- */

/* An id is defined where it begins a line, or stands in parentheses (the parameters of a region). */
static void renumber(Output *output, const Text *text)
{
    static uint32_t map[MOST_IDS]; /* libFuzzer calls from one thread */
    uint32_t next = 1, depth = 0;
    bool begins = true;
    memset(map, 0, sizeof map);
    output->length = 0;
    for (uint32_t i = 0; i < text->count; i++) {
        const Token *token = &text->tokens[i];
        char first = text->bytes[token->begin], id[LONGEST_TOKEN];
        if (token->kind == NEWLINE) depth = 0;
        if (token->kind == OTHER) depth = first == '(' ? 1 : first == ')' ? 0 : depth;
        if (token->kind == WORD && begins && i > 0 && text->tokens[i - 1].kind == NEWLINE) next = 1; /* a function */
        unsigned long number = token->kind == ID ? strtoul(text->bytes + token->begin + 1, NULL, 10) : MOST_IDS;
        if (number < MOST_IDS) {
            if (begins || depth) map[number] = next++;
            put(output, id, (size_t)snprintf(id, sizeof id, "%%%u", map[number] ? map[number] : next / 2));
        } else {
            put_tokens(output, text, i, i + 1);
        }
        if (token->kind != SPACE) begins = token->kind == NEWLINE;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed)
{
    static Text text, changed;
    static Output output, numbered;
    PlaitRandom random = plait_random(seed, 1);
    if (size == 0 || size >= LARGEST_TEXT / 2 || plait_random_below(&random, 4) == 0)
        return LLVMFuzzerMutate(data, size, capacity);
    uint32_t rounds = 1 + plait_random_below(&random, 3);
    static char copy[LARGEST_TEXT];
    memcpy(copy, data, size);
    for (uint32_t i = 0; i < rounds && size > 0; i++) {
        tokenize(&text, copy, size);
        mutate(&output, &text, &random);
        tokenize(&changed, output.bytes, output.length);
        renumber(&numbered, &changed);
        size = numbered.length < LARGEST_TEXT / 2 ? numbered.length : LARGEST_TEXT / 2;
        memcpy(copy, numbered.bytes, size);
    }
    if (size > capacity) size = capacity;
    memcpy(data, copy, size);
    return size;
}
