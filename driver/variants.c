/* Reading `-D d=64,128 -D e=32` and `--sizes b=2,t=65`. */
#include "driver/variants.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"

/* An axis and the sizes it is to have. */
typedef struct Choice {
    const char *axis;
    PLAIT_VECTOR(int64_t) sizes;
} Choice;
typedef PLAIT_VECTOR(Choice) Choices;

/* The sizes that may be given. */
typedef struct Range {
    int64_t least, most;
} Range;
static const Range static_sizes = {1, PLAIT_LARGEST_AXIS_SIZE}, sizes_of_a_call = {0, INT32_MAX};

static size_t name_length(const char *text)
{
    size_t length = 0;
    while (isalnum((unsigned char)text[length]) || text[length] == '_') length++;
    return length > 0 && !isdigit((unsigned char)text[0]) ? length : 0;
}

/* The whole number at *text, in that range; -1 when there is none. Moves *text behind it. */
static int64_t read_size(const char **text, Range range)
{
    char *end;
    if (!isdigit((unsigned char)**text)) return -1;
    errno = 0;
    long long size = strtoll(*text, &end, 10);
    *text = end;
    return errno || size < range.least || size > range.most ? -1 : size;
}

static Choice *choice_of(PlaitSession *session, Choices *choices, const char *axis)
{
    for (uint32_t i = 0; i < choices->count; i++)
        if (strcmp(choices->data[i].axis, axis) == 0) return &choices->data[i];
    plait_push(session->arena, choices, (Choice){.axis = axis});
    return &choices->data[choices->count - 1];
}

static void add_size(PlaitSession *session, Choice *choice, int64_t size)
{
    for (uint32_t i = 0; i < choice->sizes.count; i++)
        if (choice->sizes.data[i] == size) return;
    plait_push(session->arena, &choice->sizes, size);
}

/* `NAME=N[,N..][,NAME=N..]`: what a comma separates is a further size, or a further axis when it has a name. */
static bool read_choices(PlaitSession *session, const char *text, Range range, Choices *choices)
{
    Choice *choice = NULL;
    for (;;) {
        size_t length = name_length(text);
        if (length && text[length] == '=') {
            choice = choice_of(session, choices, plait_arena_strndup(session->arena, text, length));
            text += length + 1;
        }
        int64_t size = choice ? read_size(&text, range) : -1;
        if (size < 0 || (*text && *text != ',')) return false;
        add_size(session, choice, size);
        if (!*text) return true;
        text++;
    }
}

static const char *suffix_of(PlaitSession *session, const Choices *choices, const PlaitDefine *defines)
{
    PlaitText text = plait_text(session->arena);
    for (uint32_t i = 0; i < choices->count; i++)
        if (choices->data[i].sizes.count > 1)
            plait_text_printf(&text, ".%s%lld", defines[i].axis, (long long)defines[i].size);
    return plait_text_string(&text);
}

static void combine(PlaitSession *session, const Choices *choices, uint64_t total, PlaitVariants *variants)
{
    for (uint64_t number = 0; number < total; number++) {
        PlaitDefine *defines = PLAIT_NEW_ARRAY(session->arena, PlaitDefine, choices->count);
        uint64_t rest = number;
        for (uint32_t i = choices->count; i-- > 0;) {
            const Choice *choice = &choices->data[i];
            defines[i] = (PlaitDefine){choice->axis, choice->sizes.data[rest % choice->sizes.count]};
            rest /= choice->sizes.count;
        }
        plait_push(session->arena, variants,
                   (PlaitVariant){defines, choices->count, suffix_of(session, choices, defines)});
    }
}

bool plait_variants_read(PlaitSession *session, PlaitVariants *variants)
{
    Choices choices = {0};
    const PlaitTexts *given = &session->options.values[PLAIT_OPTION_DEFINE];
    uint64_t total = 1;
    for (uint32_t i = 0; i < given->count; i++)
        if (!read_choices(session, given->data[i], static_sizes, &choices))
            plait_session_error(
                session, PLAIT_BAD_DEFINE, plait_session_text(session, "`-D %s`", given->data[i]),
                plait_session_text(session, "AXIS=N or AXIS=N,N..: sizes from 1 to %d", PLAIT_LARGEST_AXIS_SIZE),
                "write for example `-D d=64` or `-D d=64,128`");
    for (uint32_t i = 0; i < choices.count && total <= PLAIT_MAX_VARIANTS; i++) total *= choices.data[i].sizes.count;
    if (total > PLAIT_MAX_VARIANTS)
        plait_session_error(session, PLAIT_TOO_MANY_VARIANTS, "more than 64 combinations of sizes", "at most 64",
                            "give fewer sizes, or build several libraries");
    if (plait_session_failed(session)) return false;
    combine(session, &choices, total, variants);
    return true;
}

bool plait_sizes_read(PlaitSession *session, const char *text, PlaitVariant *sizes)
{
    Choices choices = {0};
    PlaitVariants variants = {0};
    bool good = read_choices(session, text, sizes_of_a_call, &choices);
    for (uint32_t i = 0; i < choices.count; i++) good = good && choices.data[i].sizes.count == 1;
    if (!good) {
        plait_session_error(session, PLAIT_BAD_OPTION_VALUE, plait_session_text(session, "`--sizes %s`", text),
                            "one size for each axis, from 0 to 2147483647",
                            "write for example `--sizes b=2,t=65`; give the option again for another case");
        return false;
    }
    combine(session, &choices, 1, &variants);
    *sizes = variants.data[0];
    return true;
}

const char *plait_variant_text(PlaitSession *session, const PlaitVariant *variant)
{
    PlaitText text = plait_text(session->arena);
    for (uint32_t i = 0; i < variant->count; i++)
        plait_text_printf(&text, "%s%s = %lld", i ? ", " : "", variant->defines[i].axis,
                          (long long)variant->defines[i].size);
    return plait_text_string(&text);
}
