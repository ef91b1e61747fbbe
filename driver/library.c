/* Loading a library and finding its operators. */
#include "driver/library.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "driver/files.h"
#include "driver/program.h"

bool plait_library_is_one(const char *path)
{
    char magic[4] = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool elf =
        file >= 0 && read(file, magic, sizeof magic) == (ssize_t)sizeof magic && memcmp(magic, ELFMAG, SELFMAG) == 0;
    if (file >= 0) close(file);
    return elf;
}

/* Whether everything that the headers speak of lies inside the file: the loader maps what they say, and touching what
 * is not there would end the process. */
static bool is_whole(PlaitBytes file)
{
    Elf64_Ehdr header;
    if (file.length < sizeof header) return false;
    memcpy(&header, file.data, sizeof header);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr)) return false;
    if (header.e_shoff > file.length || (uint64_t)header.e_shnum * header.e_shentsize > file.length - header.e_shoff)
        return false;
    if (header.e_phoff > file.length || (uint64_t)header.e_phnum * sizeof(Elf64_Phdr) > file.length - header.e_phoff)
        return false;
    for (uint32_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr part;
        memcpy(&part, file.data + header.e_phoff + i * sizeof part, sizeof part);
        if (part.p_offset > file.length || part.p_filesz > file.length - part.p_offset) return false;
    }
    return true;
}

static bool unusable(PlaitSession *session, const char *path, const char *why)
{
    plait_session_error(session, PLAIT_LIBRARY_UNUSABLE, plait_session_text(session, "`%s`: %s", path, why),
                        plait_session_text(session, "a library made by this version of Plait (tables of version %d)",
                                           PLAIT_DESCRIPTOR_VERSION),
                        "build it again with `plait build`");
    return false;
}

static bool read_symbols(PlaitLibrary *library)
{
    library->tables = dlsym(library->handle, "plait_library");
    *(void **)&library->call = dlsym(library->handle, "plait_call"); /* as POSIX shows it */
    *(void **)&library->error = dlsym(library->handle, "plait_error");
    return library->tables && library->call && library->error;
}

bool plait_library_open(PlaitSession *session, const char *path, PlaitLibrary *library)
{
    PlaitBytes file;
    if (!plait_file_read(session, path, PLAIT_ARRAY_LIMIT, &file)) return false; /* dlopen's messages say less */
    if (!is_whole(file)) return unusable(session, path, "no whole library for this kind of machine");
    const char *name = strchr(path, '/') ? path : plait_session_text(session, "./%s", path);
    *library = (PlaitLibrary){.handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)};
    if (!library->handle) return unusable(session, path, plait_session_text(session, "%s", dlerror()));
    if (!read_symbols(library)) return unusable(session, path, "it has no `plait_library`");
    if (library->tables->version != PLAIT_DESCRIPTOR_VERSION)
        return unusable(session, path,
                        plait_session_text(session, "its tables have version %u", library->tables->version));
    return true;
}

const PlaitOperatorDescriptor *plait_library_operator(PlaitSession *session, const PlaitLibrary *library,
                                                      const char *name)
{
    uint32_t count = (uint32_t)library->tables->operator_count;
    const char **known = PLAIT_NEW_ARRAY(session->arena, const char *, count);
    for (uint32_t i = 0; i < count; i++) {
        known[i] = library->tables->operators[i].name;
        if (name ? strcmp(known[i], name) == 0 : count == 1) return &library->tables->operators[i];
    }
    plait_program_unknown_operator(session, name ? name : "no --operator", known, count);
    return NULL;
}

bool plait_library_has_code(const PlaitOperatorDescriptor *op, bool gpu)
{
    for (uint64_t i = 0; i < op->variant_count; i++)
        for (uint32_t j = 0; j < op->variants[i].target_count; j++)
            if ((op->variants[i].targets[j].image != NULL) == gpu) return true;
    return false;
}
