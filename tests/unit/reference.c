/* The reference at the end of docs/ir.md has a line for each operation: its operands and attributes as in the table of
 * operations, a result, and the table's meaning word for word.
 *
 *   unit_reference docs/ir.md */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "tests/support/check.h"

static char page[1 << 18];

static const char *attributes_of(const PlaitOpInfo *info, char *text, size_t size)
{
    static const struct {
        int bit;
        const char *name;
    } names[] = {{A_NAME, "name"}, {A_AXES, "axes"}, {A_INTS, "ints"}, {A_NUMBER, "number"}};
    text[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (info->attributes & names[i].bit)
            snprintf(text + strlen(text), size - strlen(text), "%s%s", *text ? ", " : "", names[i].name);
    return text;
}

/* Of a pointwise operation: the scalar types that it takes. */
static const char *takes(const PlaitOpInfo *info)
{
    switch ((PlaitScalarClass)info->scalar_class) {
    case PLAIT_CLASS_FLOAT: return "f32, f64";
    case PLAIT_CLASS_NUMBER: return "i32, i64, f32, f64";
    case PLAIT_CLASS_COMPARE: return "numbers, bool";
    case PLAIT_CLASS_LOGIC: return "bool";
    case PLAIT_CLASS_NONE:
    default: return NULL;
    }
}

/* The text as it stands in a cell of a table. */
static const char *cell(const char *text, char *escaped)
{
    size_t length = 0;
    for (; *text; text++) {
        if (*text == '|') escaped[length++] = '\\';
        escaped[length++] = *text;
    }
    escaped[length] = '\0';
    return escaped;
}

/* "| `name` | operands | attributes | ", with something, and " | meaning |" on one line. */
static bool has_line(PlaitOp op)
{
    const PlaitOpInfo *info = plait_op_info(op);
    char begin[256], end[2048], attributes[64], escaped[1024], operands[16];
    snprintf(operands, sizeof operands, info->least_operands == info->most_operands ? "%u" : "%u to %u",
             info->least_operands, info->most_operands);
    snprintf(begin, sizeof begin, "\n| `%s` | %s | %s | ", info->text, operands,
             takes(info) ? takes(info) : attributes_of(info, attributes, sizeof attributes));
    snprintf(end, sizeof end, " | %s |\n", cell(info->meaning, escaped));
    const char *found = strstr(page, begin), *meaning = found ? strstr(found, end) : NULL;
    if (meaning && meaning > found + strlen(begin) && strchr(found + 1, '\n') > meaning) return true;
    fprintf(stderr, "docs/ir.md lacks the line:%sRESULT%s", begin, end);
    return false;
}

int main(int count, char **arguments)
{
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!file || fread(page, 1, sizeof page - 1, file) == 0) return 2;
    fclose(file);
    int lines = 0;
    for (PlaitOp op = PLAIT_OP_NONE + 1; op < PLAIT_OP_COUNT; op++) CHECK(has_line(op));
    const char *at = strstr(page, "\n## Every operation\n");
    CHECK(at != NULL);
    while (at && (at = strstr(at + 1, "\n| `"))) lines++;
    CHECK(lines == PLAIT_OP_COUNT - 1); /* no line of an operation that there is not */
    return check_report();
}
