/* The program plait-codegen: its options, its files, its commands. The driver runs it as a child, so that an abort
 * inside LLVM is a report there. Exit status: 0 done, 1 the input or the command line is wrong, 2 our own mistake. */
#ifndef PLAIT_CODEGEN_CODEGEN_H
#define PLAIT_CODEGEN_CODEGEN_H

#include "codegen/machine.h"

typedef enum PlaitCodegenCommand {
#define COMMAND(id, name, function, inputs, arguments, meaning) PLAIT_CODEGEN_##id,
#include "codegen/options.def"
#undef COMMAND
    PLAIT_CODEGEN_COMMAND_COUNT
} PlaitCodegenCommand;

typedef enum PlaitEmission {
#define EMISSION(id, name, commands, meaning) PLAIT_EMIT_##id,
#include "codegen/options.def"
#undef EMISSION
    PLAIT_EMIT_COUNT
} PlaitEmission;

typedef enum PlaitCodegenStatus {
    PLAIT_CODEGEN_DONE,
    PLAIT_CODEGEN_REJECTED,
    PLAIT_CODEGEN_BROKEN,
    PLAIT_CODEGEN_TOO_LARGE /* the program's, not ours */
} PlaitCodegenStatus;

typedef struct PlaitTargetFile {
    const PlaitTarget *target;
    const char *path;
} PlaitTargetFile;

typedef PLAIT_VECTOR(PlaitTargetFile) PlaitTargetFiles;

typedef struct PlaitImageFile {
    const PlaitTarget *target;
    const char *cubin, *ptx; /* NULL: none */
} PlaitImageFile;

typedef struct PlaitCodegenOptions {
    PlaitCodegenCommand command;
    PlaitEmission emission;
    const PlaitTarget *target; /* of object: cpu */
    const char *input, *output, *compiler;
    PlaitPtxPart part;
    PlaitTargetFiles kernels, late;
    PLAIT_VECTOR(PlaitImageFile) images;
} PlaitCodegenOptions;

typedef struct PlaitCodegen {
    PlaitArena *arena;
    PlaitNames names;
    PlaitSources sources;
    PlaitDiagnostics diagnostics;
    PlaitCodegenOptions options;
} PlaitCodegen;

/* options.c: false after a message on stderr. */
bool plait_codegen_read_options(PlaitCodegen *codegen, int count, char **arguments);
void plait_codegen_print_help(void);

/* files.c: `-` is standard input or output. False after a message on stderr. */
bool plait_codegen_read_file(PlaitCodegen *codegen, const char *path, PlaitText *content);
bool plait_codegen_write_file(PlaitCodegen *codegen, const char *path, const PlaitText *content);
/* Reads, parses and checks Tile IR; NULL after the diagnostics went to stderr. */
PlaitModule *plait_codegen_read_module(PlaitCodegen *codegen, const char *path);
void plait_codegen_print_diagnostics(PlaitCodegen *codegen);
/* A line on stderr, beginning with the program's name. */
void plait_codegen_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* compile.c, package.c: the commands. */
PlaitCodegenStatus plait_codegen_compile(PlaitCodegen *codegen);
PlaitCodegenStatus plait_codegen_package(PlaitCodegen *codegen);
/* From emitted LLVM IR to what --emit asks for, in options.output. */
PlaitCodegenStatus plait_codegen_finish(PlaitCodegen *codegen, PlaitCodegenMachine *machine);

#endif
