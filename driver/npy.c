/* .npy: six magic bytes, a version, the header's length, then a Python dictionary with the keys descr, fortran_order
 * and shape.
 *
 * The dictionary is read by a small parser of exactly that: keys in any order, each once, strings in either quote.
 */
#include "driver/npy.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 65536, HEADER_ALIGNMENT = 64, DESCRIPTION_LENGTH = 15 };

static const struct {
    const char *description, *other; /* as written; another spelling that is read */
    const char *text;
    uint32_t bytes;
} types[] = {
    [PLAIT_NPY_F64] = {"<f8", "f8", "float64", 8}, [PLAIT_NPY_F32] = {"<f4", "f4", "float32", 4},
    [PLAIT_NPY_F16] = {"<f2", "f2", "float16", 2}, [PLAIT_NPY_BF16] = {"<V2", "|V2", "bfloat16", 2},
    [PLAIT_NPY_I32] = {"<i4", "i4", "int32", 4},   [PLAIT_NPY_BOOL] = {"|b1", "?", "bool", 1},
    [PLAIT_NPY_U16] = {"<u2", "u2", "uint16", 2},
};

typedef struct Reader {
    const char *at, *end;
    const char *wrong; /* the first thing that is wrong, or NULL */
    PlaitArena *arena;
} Reader;

typedef struct Header {
    char description[DESCRIPTION_LENGTH + 1];
    bool fortran;
    bool have_description, have_order, have_shape;
} Header;

uint32_t plait_npy_bytes(PlaitNpyType type) { return types[type].bytes; }
const char *plait_npy_type_text(PlaitNpyType type) { return types[type].text; }

static void fail(Reader *reader, const char *wrong)
{
    if (!reader->wrong) reader->wrong = wrong;
    reader->at = reader->end;
}

static void skip_space(Reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\n\r", *reader->at) && *reader->at) reader->at++;
}

static bool take(Reader *reader, char character)
{
    skip_space(reader);
    if (reader->at >= reader->end || *reader->at != character) return false;
    reader->at++;
    return true;
}

static void expect(Reader *reader, char character, const char *wrong)
{
    if (!take(reader, character)) fail(reader, wrong);
}

static bool take_word(Reader *reader, const char *word)
{
    skip_space(reader);
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) return false;
    reader->at += length;
    return true;
}

/* A quoted string of at most DESCRIPTION_LENGTH bytes, without escapes. */
static void read_string(Reader *reader, char text[DESCRIPTION_LENGTH + 1])
{
    text[0] = '\0';
    skip_space(reader);
    char quote = reader->at < reader->end ? *reader->at : '\0';
    if (quote != '\'' && quote != '"') {
        fail(reader, "a string is missing in the header");
        return;
    }
    const char *begin = ++reader->at;
    while (reader->at < reader->end && *reader->at != quote) reader->at++;
    size_t length = (size_t)(reader->at - begin);
    if (reader->at >= reader->end || length > DESCRIPTION_LENGTH) {
        fail(reader,
             reader->at >= reader->end ? "a string in the header does not end" : "a string in the header is too long");
        return;
    }
    memcpy(text, begin, length);
    text[length] = '\0';
    reader->at++;
}

static int64_t read_size(Reader *reader)
{
    int64_t size = 0;
    skip_space(reader);
    if (reader->at >= reader->end || *reader->at < '0' || *reader->at > '9')
        fail(reader, "the shape holds something that is no size");
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        if (size > (INT64_MAX - 9) / 10) {
            fail(reader, "a size is out of range");
            return 0;
        }
        size = size * 10 + (*reader->at - '0');
    }
    if (reader->at < reader->end && *reader->at == 'L') reader->at++; /* Python 2 */
    return size;
}

static void read_shape(Reader *reader, PlaitNpy *array)
{
    expect(reader, '(', "the shape is no tuple");
    while (!reader->wrong && !take(reader, ')')) {
        if (array->rank == PLAIT_NPY_MAX_RANK) {
            fail(reader, "the array has more than 12 axes");
            return;
        }
        array->sizes[array->rank++] = read_size(reader);
        if (take(reader, ',')) continue;
        expect(reader, ')', "the shape's tuple does not end");
        return;
    }
}

static void read_member(Reader *reader, Header *header, PlaitNpy *array)
{
    char key[DESCRIPTION_LENGTH + 1];
    bool *seen = NULL;
    read_string(reader, key);
    expect(reader, ':', "a colon is missing in the header");
    if (strcmp(key, "descr") == 0) {
        seen = &header->have_description;
        if (take(reader, '[')) {
            array->foreign = "records";
            fail(reader, "the elements are records");
        } else {
            read_string(reader, header->description);
        }
    } else if (strcmp(key, "fortran_order") == 0) {
        seen = &header->have_order;
        header->fortran = take_word(reader, "True");
        if (!header->fortran && !take_word(reader, "False")) fail(reader, "fortran_order is neither True nor False");
    } else if (strcmp(key, "shape") == 0) {
        seen = &header->have_shape;
        if (!*seen) read_shape(reader, array);
    }
    if (!seen) fail(reader, "the header has a key other than descr, fortran_order and shape");
    else if (*seen) fail(reader, "the header has a key twice");
    else *seen = true;
}

static void read_header(Reader *reader, Header *header, PlaitNpy *array)
{
    expect(reader, '{', "the header is no dictionary");
    while (!reader->wrong && !take(reader, '}')) {
        read_member(reader, header, array);
        if (take(reader, ',')) continue;
        expect(reader, '}', "the header's dictionary does not end");
        break;
    }
    skip_space(reader);
    if (!reader->wrong && reader->at != reader->end) fail(reader, "something follows the header's dictionary");
    if (!reader->wrong && !(header->have_description && header->have_order && header->have_shape))
        fail(reader, "the header lacks descr, fortran_order or shape");
}

/* "int64" for "<i8": types of NumPy that no tensor has. */
static const char *foreign_text(PlaitArena *arena, const char *description)
{
    static const struct {
        char letter;
        const char *name;
    } kinds[] = {{'i', "int"}, {'u', "uint"}, {'f', "float"}, {'c', "complex"}};
    const char *order = *description == '>' ? "big-endian " : "",
               *kind = description + (strspn(description, "<>|=") > 0);
    if (*kind == 'O') return "object";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].letter == *kind && kind[1] >= '1' && kind[1] <= '9')
            return plait_arena_printf(arena, "%s%s%u", order, kinds[i].name, 8 * (unsigned)strtoul(kind + 1, NULL, 10));
    return plait_arena_printf(arena, "`%s`", description);
}

static const char *find_type(PlaitArena *arena, const char *description, PlaitNpy *array)
{
    for (uint32_t i = 0; i < PLAIT_NPY_TYPE_COUNT; i++) {
        if (strcmp(description, types[i].description) != 0 && strcmp(description, types[i].other) != 0) continue;
        array->type = (PlaitNpyType)i;
        return NULL;
    }
    array->foreign = foreign_text(arena, description);
    if (description[0] == '>') return plait_arena_printf(arena, "the elements are big-endian (`%s`)", description);
    return plait_arena_printf(
        arena, "the elements are `%s`; float64, float32, float16, bfloat16, int32, bool and uint16 can be read",
        description);
}

/* Strides and count, and whether the data are as long as the shape says. */
static const char *measure(PlaitNpy *array, bool fortran, size_t length)
{
    uint64_t largest = length / plait_npy_bytes(array->type);
    bool empty = false;
    for (uint32_t i = 0; i < array->rank; i++) empty = empty || array->sizes[i] == 0;
    array->count = 1;
    for (uint32_t i = 0; i < array->rank; i++) {
        uint32_t axis = fortran ? i : array->rank - 1 - i;
        array->strides[axis] = empty ? 1 : array->count;
        if (!empty && (uint64_t)array->sizes[axis] > largest / (uint64_t)array->count)
            return "the file is shorter than its shape says";
        if (!empty) array->count *= array->sizes[axis];
    }
    if (empty) array->count = 0;
    if ((uint64_t)array->count * plait_npy_bytes(array->type) > length)
        return "the file is shorter than its shape says";
    if ((uint64_t)array->count * plait_npy_bytes(array->type) < length) return "the file is longer than its shape says";
    return NULL;
}

/* The offset and length of the dictionary; NULL when all is well. */
static const char *find_header(const unsigned char *data, size_t length, size_t *begin, size_t *size)
{
    if (length < 10 || memcmp(data, "\x93NUMPY", 6) != 0) return "the file does not begin as a .npy file does";
    if (data[6] < 1 || data[6] > 3) return "the file has a version other than 1, 2 and 3";
    *begin = data[6] == 1 ? 10 : 12;
    if (length < *begin) return "the file ends in its header";
    *size = (size_t)data[8] | (size_t)data[9] << 8;
    if (data[6] > 1) *size |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (*size > HEADER_LIMIT) return "the header is too long";
    return *size > length - *begin ? "the file ends in its header" : NULL;
}

const char *plait_npy_read(PlaitArena *arena, const void *bytes, size_t length, PlaitNpy *array)
{
    size_t begin, size;
    *array = (PlaitNpy){0};
    const char *wrong = find_header(bytes, length, &begin, &size);
    if (wrong) return wrong;
    const char *text = bytes;
    Reader reader = {.at = text + begin, .end = text + begin + size, .arena = arena};
    Header header = {0};
    read_header(&reader, &header, array);
    if (reader.wrong) return reader.wrong;
    wrong = find_type(arena, header.description, array);
    if (wrong) return wrong;
    array->data = text + begin + size;
    return measure(array, header.fortran, length - begin - size);
}

void plait_npy_header(PlaitNpyType type, uint32_t rank, const int64_t *sizes, PlaitText *text)
{
    PlaitText dictionary = plait_text(text->arena);
    plait_text_printf(&dictionary, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[type].description);
    for (uint32_t i = 0; i < rank; i++) plait_text_printf(&dictionary, "%s%lld", i ? ", " : "", (long long)sizes[i]);
    plait_text_add(&dictionary, rank == 1 ? ",), }" : "), }");
    size_t padding = (HEADER_ALIGNMENT - (10 + dictionary.length + 1) % HEADER_ALIGNMENT) % HEADER_ALIGNMENT;
    plait_text_repeat(&dictionary, ' ', padding);
    plait_text_add(&dictionary, "\n");
    unsigned char lengths[4] = {1, 0, (unsigned char)(dictionary.length & 255),
                                (unsigned char)(dictionary.length >> 8)};
    plait_text_add(text, "\x93NUMPY");
    plait_text_add_bytes(text, (const char *)lengths, sizeof lengths);
    plait_text_add_bytes(text, plait_text_string(&dictionary), dictionary.length);
}
