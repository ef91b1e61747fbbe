/* Runs the first operator of a program with the interpreter, in double precision, on .npy files.
 *
 *     interpret PROGRAM [--optimised | --blocks] [-D AXIS=N]... [--in NAME=FILE]... [--out NAME=FILE]...
 *
 * The options are those of `plait run`, so that reference.py can use either. Arrays are float64 (or bool), in C order.
 * --optimised: after the passes on Stage IR; --blocks: after those for a GPU, scans by blocks among them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/npy.h"
#include "frontend/frontend.h"
#include "ir/interp.h"
#include "ir/sample.h"
#include "passes/passes.h"

typedef struct Job {
    PlaitArena *arena;
    PlaitNames names;
    PlaitSources sources;
    PlaitDiagnostics diagnostics;
    PlaitFunction *function;
    int64_t *extents;
    PlaitArray *inputs, *outputs;
    bool optimised, blocks;
} Job;

static _Noreturn void fail(const char *what, const char *which)
{
    fprintf(stderr, "interpret: %s: %s\n", what, which);
    exit(1);
}

static char *read_file(PlaitArena *arena, const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail("cannot open", path);
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    char *text = plait_arena_alloc(arena, *length + 1);
    if (fread(text, 1, *length, file) != *length) fail("cannot read", path);
    fclose(file);
    return text;
}

/* The text after `NAME=` when the argument is about that name, else NULL. */
static const char *value_of(const char *argument, const char *name)
{
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : NULL;
}

/* The value of the option `option NAME=..`; NULL when it is not given. */
static const char *find(char **arguments, const char *option, const char *name)
{
    for (char **at = arguments; at[0] && at[1]; at++)
        if (strcmp(at[0], option) == 0 && value_of(at[1], name)) return value_of(at[1], name);
    return NULL;
}

static void compile(Job *job, const char *path, char **arguments)
{
    size_t length;
    const char *text = read_file(job->arena, path, &length);
    uint32_t source = plait_sources_add(&job->sources, path, text, (uint32_t)length), count = 0;
    PlaitAxisSize sizes[16];
    for (char **at = arguments; at[0] && at[1] && count < 16; at++) {
        const char *equals = strcmp(at[0], "-D") == 0 ? strchr(at[1], '=') : NULL;
        if (equals)
            sizes[count++] =
                (PlaitAxisSize){plait_names_add_bytes(&job->names, at[1], (size_t)(equals - at[1])), atoll(equals + 1)};
    }
    PlaitModule *module = plait_frontend_compile(job->arena, &job->names, &job->diagnostics, source, sizes, count);
    if (module == NULL) {
        PlaitText messages = plait_text(job->arena);
        plait_diagnostics_print(&job->diagnostics, &messages);
        fail("does not compile", plait_text_string(&messages));
    }
    if (job->optimised || job->blocks)
        plait_stage_pipeline_run(module, job->blocks, &(PlaitPassOptions){.verify_each = true});
    job->function = module->functions.data[0];
}

static void load(Job *job, uint32_t number, const char *path)
{
    PlaitNpy file;
    size_t length;
    const char *bytes = read_file(job->arena, path, &length), *wrong = plait_npy_read(job->arena, bytes, length, &file);
    PlaitArray *array = &job->inputs[number];
    array->type = plait_type_of(job->function, job->function->params.data[number]);
    if (wrong) fail(wrong, path);
    if (file.rank != array->type.rank || (file.type != PLAIT_NPY_F64 && file.type != PLAIT_NPY_BOOL))
        fail("wrong rank or type", path);
    for (uint32_t i = 0; i < file.rank; i++) {
        array->sizes[i] = file.sizes[i];
        job->extents[plait_axis_extent_of(job->function, array->type.axes[i])] = file.sizes[i];
    }
    array->count = file.count;
    array->data = PLAIT_NEW_ARRAY(job->arena, double, (size_t)file.count);
    for (int64_t i = 0; i < file.count; i++) {
        if (file.type == PLAIT_NPY_F64) memcpy(&array->data[i], (const char *)file.data + (size_t)i * 8, 8);
        else array->data[i] = ((const char *)file.data)[i] != 0;
    }
}

static void save(Job *job, const PlaitArray *array, const char *path)
{
    PlaitText header = plait_text(job->arena);
    plait_npy_header(PLAIT_NPY_F64, array->type.rank, array->sizes, &header);
    FILE *file = fopen(path, "wb");
    if (file == NULL) fail("cannot write", path);
    fwrite(header.data, 1, header.length, file);
    fwrite(array->data, sizeof(double), (size_t)array->count, file);
    if (ferror(file) | fclose(file)) fail("cannot write", path);
}

static void run(Job *job, char **arguments)
{
    PlaitFunction *function = job->function;
    job->extents = PLAIT_NEW_ARRAY(job->arena, int64_t, function->axes.count);
    job->inputs = PLAIT_NEW_ARRAY(job->arena, PlaitArray, function->params.count);
    job->outputs = PLAIT_NEW_ARRAY(job->arena, PlaitArray, function->outputs.count);
    for (uint32_t i = 0; i < function->axes.count; i++) job->extents[i] = function->axes.data[i].size;
    for (uint32_t i = 0; i < function->params.count; i++) {
        const char *path = find(arguments, "--in",
                                plait_names_text(&job->names, plait_inst(function, function->params.data[i])->name));
        if (path) load(job, i, path);
    }
    plait_extents_complete(function, job->extents);
    if (!plait_interpret(function, job->extents, job->inputs, job->outputs, 16))
        fail("out of memory", plait_names_text(&job->names, function->name));
    for (uint32_t i = 0; i < function->outputs.count; i++) {
        const char *path = find(arguments, "--out", plait_names_text(&job->names, function->outputs.data[i].name));
        if (path) save(job, &job->outputs[i], path);
        plait_array_free(&job->outputs[i]);
    }
}

int main(int count, char **arguments)
{
    PlaitFailure failure;
    PlaitArena *arena = plait_arena_create(&failure);
    if (arena == NULL || count < 2)
        fail("usage", "interpret PROGRAM [--optimised | --blocks] [-D AXIS=N] [--in NAME=FILE] [--out NAME=FILE]");
    if (!PLAIT_TRY(&failure)) fail("out of memory", arguments[1]);
    Job job = {.arena = arena};
    job.names.arena = arena;
    job.sources.arena = arena;
    job.diagnostics.arena = arena;
    job.diagnostics.sources = &job.sources;
    job.optimised = count > 2 && strcmp(arguments[2], "--optimised") == 0;
    job.blocks = count > 2 && strcmp(arguments[2], "--blocks") == 0;
    compile(&job, arguments[1], arguments + 2);
    run(&job, arguments + 2);
    plait_arena_destroy(arena);
    return 0;
}
