/* Files of plait-codegen. Output is written beside its place and renamed, so that nobody ever sees half of it. */
#include "codegen/codegen.h"
#include "ir/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LARGEST_FILE = 1 << 30, PIECE = 1 << 16 };

void plait_codegen_say(const char *format, ...)
{
    va_list arguments;
    fputs("plait-codegen: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

static bool is_standard(const char *path) { return strcmp(path, "-") == 0; }

/* The buffer is fixed: when the arena runs out of memory, the process ends, and the open file with it. */
static int read_stream(FILE *file, PlaitText *content)
{
    char piece[PIECE];
    size_t length;
    while ((length = fread(piece, 1, sizeof piece, file)) > 0) {
        if (content->length + length > LARGEST_FILE) return EFBIG;
        plait_text_add_bytes(content, piece, length);
    }
    return ferror(file) ? errno : 0;
}

bool plait_codegen_read_file(PlaitCodegen *codegen, const char *path, PlaitText *content)
{
    *content = plait_text(codegen->arena);
    FILE *file = is_standard(path) ? stdin : fopen(path, "rb");
    int error = file ? read_stream(file, content) : errno;
    if (file && file != stdin) fclose(file);
    if (error) plait_codegen_say("cannot read %s: %s", path, strerror(error));
    return error == 0;
}

static int write_stream(FILE *file, const PlaitText *content)
{
    size_t written = fwrite(plait_text_string(content), 1, content->length, file);
    return written == content->length && fflush(file) == 0 ? 0 : errno;
}

static int write_beside(const char *path, const char *beside, const PlaitText *content)
{
    FILE *file = fopen(beside, "wb");
    if (!file) return errno;
    int error = write_stream(file, content);
    if (fclose(file) != 0 && !error) error = errno;
    if (!error && rename(beside, path) != 0) error = errno;
    if (error) remove(beside);
    return error;
}

bool plait_codegen_write_file(PlaitCodegen *codegen, const char *path, const PlaitText *content)
{
    const char *beside = plait_arena_printf(codegen->arena, "%s.%ld.part", path, (long)getpid());
    int error = is_standard(path) ? write_stream(stdout, content) : write_beside(path, beside, content);
    if (error) plait_codegen_say("cannot write %s: %s", path, strerror(error));
    return error == 0;
}

void plait_codegen_print_diagnostics(PlaitCodegen *codegen)
{
    PlaitText text = plait_text(codegen->arena);
    plait_diagnostics_print(&codegen->diagnostics, &text);
    fputs(plait_text_string(&text), stderr);
}

PlaitModule *plait_codegen_read_module(PlaitCodegen *codegen, const char *path)
{
    PlaitText content;
    if (!plait_codegen_read_file(codegen, path, &content)) return NULL;
    const char *name = is_standard(path) ? "<standard input>" : path;
    uint32_t source = plait_sources_add(&codegen->sources, name, plait_text_string(&content), (uint32_t)content.length);
    PlaitModule *module = plait_module_parse(codegen->arena, &codegen->names, &codegen->diagnostics, source);
    if (module && plait_module_verify(module)) return module;
    plait_codegen_print_diagnostics(codegen);
    return NULL;
}
