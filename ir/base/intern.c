/* Interned names: an open-addressing table over the list of texts. */
#include "ir/base/intern.h"

#include <string.h>

static uint32_t hash_bytes(const char *text, size_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    return hash;
}

static void insert(PlaitNames *names, PlaitName name)
{
    const char *text = names->text.data[name - 1];
    uint32_t at = hash_bytes(text, strlen(text)) & (names->slot_count - 1);
    while (names->slots[at]) at = (at + 1) & (names->slot_count - 1);
    names->slots[at] = name;
}

static void grow(PlaitNames *names)
{
    names->slot_count = names->slot_count ? names->slot_count * 2 : 64;
    names->slots = PLAIT_NEW_ARRAY(names->arena, uint32_t, names->slot_count);
    for (PlaitName name = 1; name <= names->text.count; name++) insert(names, name);
}

PlaitName plait_names_add_bytes(PlaitNames *names, const char *text, size_t length)
{
    if (length == 0) return 0;
    if ((names->text.count + 1) * 2 > names->slot_count) grow(names);
    uint32_t at = hash_bytes(text, length) & (names->slot_count - 1);
    for (; names->slots[at]; at = (at + 1) & (names->slot_count - 1)) {
        const char *known = names->text.data[names->slots[at] - 1];
        if (strncmp(known, text, length) == 0 && known[length] == '\0') return names->slots[at];
    }
    plait_push(names->arena, &names->text, plait_arena_strndup(names->arena, text, length));
    names->slots[at] = names->text.count;
    return names->text.count;
}

PlaitName plait_names_add(PlaitNames *names, const char *text)
{
    return plait_names_add_bytes(names, text, strlen(text));
}

const char *plait_names_text(const PlaitNames *names, PlaitName name) { return name ? names->text.data[name - 1] : ""; }
