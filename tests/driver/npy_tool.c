/* Makes and shows .npy files for the tests, so that they need no NumPy.
 *
 *     npy_tool make FILE TYPE C|F SIZE..     elements 0, 1, 2, .. (for floats times 0.25) in the order of the axes
 *     npy_tool show FILE                     TYPE[SIZE, ..] and the elements in that order, the last axis fastest
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/npy.h"
#include "ir/sample.h"

enum { LARGEST_FILE = 1 << 20 };

static const PlaitScalar scalars[PLAIT_NPY_TYPE_COUNT] = {
    [PLAIT_NPY_F64] = PLAIT_F64,   [PLAIT_NPY_F32] = PLAIT_F32, [PLAIT_NPY_F16] = PLAIT_F16,
    [PLAIT_NPY_BF16] = PLAIT_BF16, [PLAIT_NPY_I32] = PLAIT_I32, [PLAIT_NPY_BOOL] = PLAIT_BOOL,
    [PLAIT_NPY_U16] = PLAIT_BF16,
};

static int make(PlaitArena *arena, char **argv, int argc)
{
    int64_t sizes[PLAIT_NPY_MAX_RANK], count = 1;
    uint32_t rank = (uint32_t)(argc - 5), type = 0;
    for (uint32_t i = 0; i < rank; i++) count *= sizes[i] = strtoll(argv[5 + i], NULL, 10);
    while (type < PLAIT_NPY_TYPE_COUNT && strcmp(plait_npy_type_text((PlaitNpyType)type), argv[3]) != 0) type++;
    if (type == PLAIT_NPY_TYPE_COUNT) return 2;
    bool fortran = argv[4][0] == 'F';
    PlaitText text = plait_text(arena);
    plait_npy_header((PlaitNpyType)type, rank, sizes, &text);
    char *order = strstr(text.data + 10, "False,");
    if (fortran && order) memcpy(order, "True, ", 6);
    PlaitScalar scalar = scalars[type];
    for (int64_t place = 0; place < count; place++) {
        int64_t number = place, rest = place; /* the element at this place of the file */
        if (fortran) {
            int64_t at[PLAIT_NPY_MAX_RANK];
            for (uint32_t i = 0; i < rank; rest /= sizes[i++]) at[i] = rest % sizes[i];
            number = 0;
            for (uint32_t i = 0; i < rank; i++) number = number * sizes[i] + at[i];
        }
        unsigned char bytes[8] = {0};
        plait_scalar_store(scalar, plait_scalar_kind(scalar) == PLAIT_FLOATING ? 0.25 * (double)number : (double)number,
                           bytes);
        plait_text_add_bytes(&text, (char *)bytes, plait_npy_bytes((PlaitNpyType)type));
    }
    FILE *file = fopen(argv[2], "wb");
    bool written = file && fwrite(text.data, 1, text.length, file) == text.length;
    return file && fclose(file) == 0 && written ? 0 : 1;
}

static int show(PlaitArena *arena, const char *path)
{
    PlaitNpy array;
    char *bytes = plait_arena_alloc(arena, LARGEST_FILE);
    FILE *file = fopen(path, "rb");
    size_t length = file ? fread(bytes, 1, LARGEST_FILE, file) : 0;
    const char *wrong = plait_npy_read(arena, bytes, length, &array);
    if (file) fclose(file);
    if (wrong) {
        printf("%s\n", wrong);
        return 1;
    }
    printf("%s[", plait_npy_type_text(array.type));
    for (uint32_t i = 0; i < array.rank; i++) printf("%s%lld", i ? ", " : "", (long long)array.sizes[i]);
    printf("]");
    for (int64_t i = 0; i < array.count; i++) /* what the driver writes is compact */
        printf(" %g", plait_scalar_load(scalars[array.type],
                                        (const char *)array.data + (size_t)i * plait_npy_bytes(array.type)));
    printf("\n");
    return 0;
}

int main(int argc, char **argv)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    int status = 2;
    if (arena && PLAIT_TRY(&failure)) {
        if (argc >= 5 && argc < 5 + PLAIT_NPY_MAX_RANK && strcmp(argv[1], "make") == 0)
            status = make(arena, argv, argc);
        else if (argc == 3 && strcmp(argv[1], "show") == 0) status = show(arena, argv[2]);
    }
    plait_arena_destroy(arena);
    return status;
}
