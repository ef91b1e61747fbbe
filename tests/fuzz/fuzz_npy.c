/* Fuzz target: any bytes as a .npy file. It is refused with a reason, or every element lies inside the bytes, and the
 * array written again reads back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/npy.h"
#include "tests/fuzz/fuzz.h"

static void expect(bool condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "expected: %s\n", what);
    abort();
}

/* The lowest and highest elements; all others lie between. */
static void expect_inside(const PlaitNpy *array, const uint8_t *bytes, size_t length)
{
    uint64_t offset = (uint64_t)((const uint8_t *)array->data - bytes), highest = 0, count = 1;
    expect((const uint8_t *)array->data >= bytes && offset <= length, "data inside the file");
    for (uint32_t i = 0; i < array->rank; i++) {
        expect(array->sizes[i] >= 0 && array->strides[i] >= 0, "no negative sizes or strides");
        count *= (uint64_t)array->sizes[i];
        if (array->count) highest += (uint64_t)(array->sizes[i] - 1) * (uint64_t)array->strides[i];
    }
    expect(count == (uint64_t)array->count, "the count is the product of the sizes");
    if (array->count == 0) return;
    expect(highest == (uint64_t)array->count - 1, "strides leave no gaps");
    expect(offset + (highest + 1) * plait_npy_bytes(array->type) == length, "the last element ends the file");
}

static void expect_written(PlaitArena *arena, const PlaitNpy *array)
{
    PlaitText text = plait_text(arena);
    PlaitNpy again;
    plait_npy_header(array->type, array->rank, array->sizes, &text);
    plait_text_add_bytes(&text, array->data, (size_t)array->count * plait_npy_bytes(array->type));
    const char *wrong = plait_npy_read(arena, plait_text_string(&text), text.length, &again);
    expect(!wrong, wrong);
    expect(again.type == array->type && again.rank == array->rank &&
               memcmp(again.sizes, array->sizes, array->rank * sizeof *array->sizes) == 0,
           "the same type and sizes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    PlaitNpy array;
    expect(arena && PLAIT_TRY(&failure), "memory");
    const char *wrong = plait_npy_read(arena, data, size, &array);
    if (wrong) {
        expect(*wrong, "a reason");
    } else {
        expect_inside(&array, data, size);
        expect_written(arena, &array);
    }
    plait_arena_destroy(arena);
    return 0;
}
