/* The same tests on a GPU: the kernels that codegen_math_ptx wrote, loaded through the driver. Neither LLVM nor the
 * CUDA toolkit is needed, so that the program can be carried to a machine that has a GPU and nothing else.
 *     codegen_math_gpu FILE.ptx [ELEMENTS]       exit status 77 where there is no GPU */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests.h"

enum { THREADS = 256, NO_GPU = 77 };
typedef uint64_t Address;

typedef struct Driver {
    int (*initialise)(unsigned flags);
    int (*create_context)(void **context, unsigned flags, int device);
    int (*load)(void **module, const void *image);
    int (*find)(void **function, void *module, const char *name);
    int (*allocate)(Address *address, size_t size);
    int (*copy_in)(Address to, const void *from, size_t size);
    int (*copy_out)(void *to, Address from, size_t size);
    int (*launch)(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                  unsigned shared, void *stream, void **parameters, void **extra);
} Driver;

typedef struct Gpu {
    Driver driver;
    void *module;
    Address x, y, out;
    size_t bytes;
} Gpu;

/* What a variant's `function` points to. */
typedef struct Entry {
    const Gpu *gpu;
    void *function;
} Entry;

static bool open_driver(Driver *driver)
{
    static const char *const names[] = {"cuInit",        "cuCtxCreate_v2",  "cuModuleLoadData", "cuModuleGetFunction",
                                        "cuMemAlloc_v2", "cuMemcpyHtoD_v2", "cuMemcpyDtoH_v2",  "cuLaunchKernel"};
    void *library = dlopen("libcuda.so.1", RTLD_NOW), *functions[sizeof names / sizeof *names];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        functions[i] = library ? dlsym(library, names[i]) : NULL;
        if (!functions[i]) return false;
    }
    _Static_assert(sizeof functions == sizeof *driver, "one name for each field, in order");
    memcpy(driver, functions, sizeof *driver);
    return driver->initialise(0) == 0;
}

static void run_entry(const Variant *variant, const void *x, const void *y, void *out, int64_t count)
{
    const Entry *entry = variant->function;
    const Gpu *gpu = entry->gpu;
    const Driver *driver = &gpu->driver;
    Address operands[] = {gpu->x, gpu->y, gpu->out};
    void *parameters[] = {&operands[0], &operands[1], &operands[2], &count};
    unsigned blocks = (unsigned)((count + THREADS - 1) / THREADS);
    size_t bytes = (size_t)count * 8;
    int error = driver->copy_in(gpu->x, x, bytes) | driver->copy_in(gpu->y, y, bytes);
    error |= driver->launch(entry->function, blocks, 1, 1, THREADS, 1, 1, 0, NULL, parameters, NULL);
    error |= driver->copy_out(out, gpu->out, bytes);
    CHECK(error == 0);
}

static uint32_t number_of(const Case *one)
{
    static Case all[MOST_CASES];
    uint32_t count = case_list(all), i = 0;
    while (i < count && (all[i].op != one->op || all[i].from != one->from || all[i].to != one->to)) i++;
    return i;
}

static Compiled *compile_for_gpu(const Machine *machine, const Case *cases, uint32_t count)
{
    const Gpu *gpu = machine->context;
    Compiled *compiled = PLAIT_NEW_ARRAY(machine->arena, Compiled, count);
    for (uint32_t i = 0; i < count; i++) {
        Entry *entry = PLAIT_NEW(machine->arena, Entry);
        const char *name = plait_arena_printf(machine->arena, "case_%u", number_of(&cases[i]));
        entry->gpu = gpu;
        if (gpu->driver.find(&entry->function, gpu->module, name) != 0) return NULL;
        compiled[i].variants[0] = (Variant){.name = "gpu", .run = run_entry, .function = entry};
    }
    return compiled;
}

static void release_for_gpu(const Compiled *compiled) { (void)compiled; }

static char *read_file(PlaitArena *arena, const char *path)
{
    PlaitText text = plait_text(arena);
    char piece[4096];
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    for (size_t length; (length = fread(piece, 1, sizeof piece, file)) > 0;) plait_text_add_bytes(&text, piece, length);
    fclose(file);
    return text.data;
}

static bool open_gpu(Gpu *gpu, const char *image)
{
    void *context;
    const Driver *driver = &gpu->driver;
    return driver->create_context(&context, 0, 0) == 0 && driver->load(&gpu->module, image) == 0 &&
           driver->allocate(&gpu->x, gpu->bytes) == 0 && driver->allocate(&gpu->y, gpu->bytes) == 0 &&
           driver->allocate(&gpu->out, gpu->bytes) == 0;
}

int main(int count, char **arguments)
{
    static Gpu gpu;
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (count < 2 || !arena || !PLAIT_TRY(&failure)) return 1;
    int64_t elements = count > 2 ? atol(arguments[2]) : 1 << 20;
    gpu.bytes = (size_t)(elements + 64) * 8;
    if (!open_driver(&gpu.driver)) {
        printf("no GPU here\n");
        return NO_GPU;
    }
    const char *image = read_file(arena, arguments[1]);
    if (!image || !open_gpu(&gpu, image)) return 1;
    Machine machine = {
        .compile = compile_for_gpu, .release = release_for_gpu, .arena = arena, .approximates = true, .context = &gpu};
    return test_all(&machine, elements);
}
