/* The parts of the driver that stand alone: SHA-256, .npy, options, -D, ptxas' log, the cache, files, children. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "driver/build.h"
#include "driver/cache.h"
#include "driver/cleanup.h"
#include "driver/npy.h"
#include "driver/process.h"
#include "driver/sha256.h"
#include "tests/support/check.h"

static PlaitArena *arena;
static PlaitFailure failure;

/* A session with an empty command line. */
static PlaitSession new_session(void)
{
    PlaitSession session = {.arena = arena};
    session.names.arena = session.sources.arena = session.diagnostics.arena = arena;
    session.diagnostics.sources = NULL;
    return session;
}

static void check_codes(const PlaitSession *session, const char *expected)
{
    PlaitText text = plait_text(arena);
    for (uint32_t i = 0; i < session->diagnostics.list.count; i++)
        plait_text_printf(&text, "%s%s", i ? " " : "", plait_diagnostic_code(session->diagnostics.list.data[i].id));
    CHECK_TEXT(plait_text_string(&text), expected);
    for (uint32_t i = 0; i < session->diagnostics.list.count; i++)
        CHECK(*session->diagnostics.list.data[i].help != '\0');
}

/* ---- SHA-256: the examples of FIPS 180-4, and every length around a block ---- */

static void check_hash(const char *text, size_t repeats, const char *expected)
{
    char hash_text[PLAIT_SHA256_TEXT];
    PlaitSha256 hash = plait_sha256_begin();
    for (size_t i = 0; i < repeats; i++) plait_sha256_add(&hash, text, strlen(text));
    plait_sha256_text(&hash, hash_text);
    CHECK_TEXT(hash_text, expected);
}

static void test_sha256(void)
{
    check_hash("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_hash("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check_hash("aaaaaaaaaa", 100000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    char bytes[200] = {0}, whole[PLAIT_SHA256_TEXT], parts[PLAIT_SHA256_TEXT];
    for (size_t length = 0; length < sizeof bytes; length++) {
        PlaitSha256 a = plait_sha256_begin(), b = plait_sha256_begin();
        plait_sha256_add(&a, bytes, length);
        for (size_t i = 0; i < length; i++) plait_sha256_add(&b, bytes + i, 1);
        plait_sha256_text(&a, whole);
        plait_sha256_text(&b, parts);
        CHECK_TEXT(whole, parts);
    }
}

/* ---- .npy ---- */

/* A file of version `version` with that dictionary, then `data_length` bytes 0, 1, 2, ... */
static PlaitBytes npy_file(int version, const char *dictionary, size_t data_length)
{
    PlaitText text = plait_text(arena);
    size_t length = strlen(dictionary);
    char lengths[4] = {(char)(length & 255), (char)(length >> 8), 0, 0}, versions[2] = {(char)version, 0};
    plait_text_add_bytes(&text, "\x93NUMPY", 6);
    plait_text_add_bytes(&text, versions, 2);
    plait_text_add_bytes(&text, lengths, version == 1 ? 2 : 4);
    plait_text_add(&text, dictionary);
    for (size_t i = 0; i < data_length; i++) plait_text_add_bytes(&text, (char[]){(char)i}, 1);
    return (PlaitBytes){(unsigned char *)text.data, text.length};
}

static const char *read_npy(int version, const char *dictionary, size_t data_length, PlaitNpy *array)
{
    PlaitBytes file = npy_file(version, dictionary, data_length);
    const char *wrong = plait_npy_read(arena, file.data, file.length, array);
    return wrong ? wrong : "";
}

static void test_npy_good(void)
{
    PlaitNpy array;
    for (int version = 1; version <= 3; version++) {
        CHECK_TEXT(
            read_npy(version, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n", 24, &array),
            "");
        CHECK(array.type == PLAIT_NPY_F32 && array.rank == 2 && array.count == 6 && array.sizes[0] == 2 &&
              array.sizes[1] == 3);
        CHECK(array.strides[0] == 3 && array.strides[1] == 1);
    }
    CHECK_TEXT(read_npy(1, "{\"shape\":(2,3),\"fortran_order\":True,\"descr\":\"<f8\"}", 48, &array), "");
    CHECK(array.strides[0] == 1 && array.strides[1] == 2 && array.type == PLAIT_NPY_F64);
    CHECK_TEXT(read_npy(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (), }", 1, &array), "");
    CHECK(array.rank == 0 && array.count == 1 && array.type == PLAIT_NPY_BOOL);
    CHECK_TEXT(read_npy(1, "{'descr': '<V2', 'fortran_order': False, 'shape': (3,), }", 6, &array), "");
    CHECK(array.type == PLAIT_NPY_BF16 && array.rank == 1);
    CHECK_TEXT(
        read_npy(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2L, 0, 4611686018427387904), }", 0, &array),
        "");
    CHECK(array.count == 0 && array.rank == 3);
}

static void test_npy_bad(void)
{
    static const struct {
        const char *dictionary, *wrong;
        size_t data;
    } rows[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "the file is shorter than its shape says", 23},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "the file is longer than its shape says", 25},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
         "the file is shorter than its shape says", 16},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "a size is out of range", 4},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "the shape holds something that is no size", 4},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1), }",
         "the array has more than 12 axes", 4},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1", "the shape's tuple does not end", 4},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "the elements are big-endian (`>f4`)", 4},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
         "the elements are `<c8`; float64, float32, float16, bfloat16, int32, bool and uint16 can be read", 8},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "the elements are records", 4},
        {"{'descr': 4, 'fortran_order': False, 'shape': (1,), }", "a string is missing in the header", 4},
        {"{'descr': '<f4', 'fortran_order': 1, 'shape': (1,), }", "fortran_order is neither True nor False", 4},
        {"{'descr': '<f4', 'shape': (1,), }", "the header lacks descr, fortran_order or shape", 4},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "the header has a key twice", 4},
        {"{'descr': '<f4', 'order': 'C', 'fortran_order': False, 'shape': (1,), }",
         "the header has a key other than descr, fortran_order and shape", 4},
        {"{'descr': '<f4, 'fortran_order': False, 'shape': (1,), }", "the header's dictionary does not end", 4},
        {"{'descr': '<f4-------------', 'fortran_order': False, 'shape': (1,), }", "a string in the header is too long",
         4},
        {"{'descr': '<f4", "a string in the header does not end", 4},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", "something follows the header's dictionary", 4},
        {"[]", "the header is no dictionary", 4},
        {"", "the header is no dictionary", 0},
    };
    static const char *const foreign[][2] = {{"'<i8'", "int64"},       {"'>f4'", "big-endian float32"},
                                             {"'<c16'", "complex128"}, {"'|O'", "object"},
                                             {"'<U3'", "`<U3`"},       {"[('a', '<f4')]", "records"}};
    PlaitNpy array;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        read_npy(1, plait_arena_printf(arena, "{'descr': %s, 'fortran_order': False, 'shape': (1,), }", foreign[i][0]),
                 4, &array);
        CHECK_TEXT(array.foreign, foreign[i][1]);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_TEXT(read_npy(1, rows[i].dictionary, rows[i].data, &array), rows[i].wrong);
    CHECK_TEXT(read_npy(4, "{}", 0, &array), "the file has a version other than 1, 2 and 3");
    CHECK_TEXT(plait_npy_read(arena, "GIF89a....", 10, &array), "the file does not begin as a .npy file does");
    CHECK_TEXT(plait_npy_read(arena, "\x93NUMPY\x01\x00\xff\x00", 10, &array), "the file ends in its header");
    CHECK_TEXT(plait_npy_read(arena, "\x93NUMPY\x02\x00\xff\xff\xff\x7f", 12, &array), "the header is too long");
}

/* What is written is read; every prefix of it and every changed byte is read or refused, without harm. */
static void test_npy_round(void)
{
    int64_t sizes[3] = {2, 0, 5};
    PlaitNpy array;
    for (uint32_t rank = 0; rank <= 3; rank++) {
        PlaitText text = plait_text(arena);
        plait_npy_header(PLAIT_NPY_I32, rank, sizes, &text);
        CHECK(text.length % 64 == 0);
        size_t count = rank == 0 ? 1 : rank == 1 ? 2 : 0;
        plait_text_repeat(&text, 7, 4 * count);
        CHECK(plait_npy_read(arena, text.data, text.length, &array) == NULL && array.rank == rank &&
              array.count == (int64_t)count);
        for (size_t length = 0; length < text.length; length++)
            CHECK(plait_npy_read(arena, text.data, length, &array) != NULL || rank > 1);
        for (size_t i = 0; i < text.length; i++) {
            char kept = text.data[i];
            for (int value = 0; value < 256; value += 5) {
                text.data[i] = (char)value;
                plait_npy_read(arena, text.data, text.length, &array);
            }
            text.data[i] = kept;
        }
    }
}

/* ---- the command line ---- */

static bool parse(PlaitSession *session, const char *line)
{
    char *argv[32];
    int argc = 0;
    *session = new_session();
    for (char *word = strtok(plait_arena_strdup(arena, line), " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    return plait_options_parse(&session->options, &session->diagnostics, argc, argv);
}

static void check_refused(const char *line, const char *codes, const char *help)
{
    PlaitSession session;
    CHECK(!parse(&session, line));
    check_codes(&session, codes);
    if (session.diagnostics.list.count) CHECK_TEXT(session.diagnostics.list.data[0].help, help);
}

static void test_options(void)
{
    PlaitSession session;
    CHECK(parse(&session, "plait build a.plait -o x.so -Dd=64 -D e=1,2 --target=cpu --json --output y.so"));
    CHECK(session.options.command == PLAIT_COMMAND_BUILD && session.options.arguments.count == 1);
    CHECK_TEXT(plait_option_text(&session.options, PLAIT_OPTION_OUTPUT), "y.so");
    CHECK(session.options.values[PLAIT_OPTION_DEFINE].count == 2);
    CHECK_TEXT(session.options.values[PLAIT_OPTION_DEFINE].data[0], "d=64");
    CHECK(plait_option_given(&session.options, PLAIT_OPTION_JSON) &&
          !plait_option_given(&session.options, PLAIT_OPTION_KEEP));
    CHECK(parse(&session, "plait bench a --repeats 7") &&
          plait_option_count(&session.options, PLAIT_OPTION_REPEATS, 1) == 7);
    CHECK(parse(&session, "plait opt -") && parse(&session, "plait opt -- --file") && parse(&session, "plait cache"));
    CHECK(parse(&session, "plait build --nonsense --help"));
    check_refused("plait", "E0601", "`plait --help` lists the commands");
    check_refused("plait biuld x", "E0601", "did you mean `plait build`? `plait --help` lists the commands");
    check_refused("plait build x --targt cpu", "E0602", "did you mean `--target`?");
    check_refused("plait build x --targt=cpu y", "E0602 E0604", "did you mean `--target`?");
    check_refused("plait build x --seed 1", "E0602 E0604", "`plait build --help` lists the options");
    check_refused("plait build x -q", "E0602", "`plait build --help` lists the options");
    check_refused("plait build x -o", "E0603", "write `--output FILE`");
    check_refused("plait build x --json=1", "E0603", "write `--json`");
    check_refused("plait bench x --repeats -3", "E0603", "write `--repeats N`");
    check_refused("plait bench x --repeats 99999999999999999999", "E0603", "write `--repeats N`");
    check_refused("plait build", "E0604", "`plait build --help` shows how it is called");
    check_refused("plait build x y", "E0604", "`plait build --help` shows how it is called");
}

static void test_help(void)
{
    for (uint32_t i = 0; i < PLAIT_COMMAND_COUNT; i++) {
        PlaitText text = plait_text(arena);
        plait_help_command((PlaitCommand)i, &text);
        const char *help = plait_text_string(&text);
        CHECK(strstr(help, "SYNOPSIS") && strstr(help, "DESCRIPTION") && strstr(help, "OPTIONS") &&
              strstr(help, "EXAMPLES\n       plait") && strstr(help, "EXIT CODES"));
        for (const char *line = help; *line; line += strcspn(line, "\n") + 1)
            if (!strstr(line, "plait run")) CHECK(strcspn(line, "\n") <= 110);
    }
}

/* ---- -D and --sizes ---- */

static void check_variants(const char *line, const char *expected, const char *codes)
{
    PlaitSession session;
    PlaitVariants variants = {0};
    PlaitText text = plait_text(arena);
    CHECK(parse(&session, line));
    plait_variants_read(&session, &variants);
    for (uint32_t i = 0; i < variants.count; i++)
        plait_text_printf(&text, "%s%s:%s", i ? "; " : "", plait_variant_text(&session, &variants.data[i]),
                          variants.data[i].suffix);
    CHECK_TEXT(plait_text_string(&text), expected);
    check_codes(&session, codes);
}

static void test_variants(void)
{
    check_variants("plait build x", ":", "");
    check_variants("plait build x -D d=64", "d = 64:", "");
    check_variants("plait build x -D d=64,128", "d = 64:.d64; d = 128:.d128", "");
    check_variants("plait build x -D d=64,128 -D e=1 -D d=64", "d = 64, e = 1:.d64; d = 128, e = 1:.d128", "");
    check_variants("plait build x -D d=1,2,e=3,4",
                   "d = 1, e = 3:.d1.e3; d = 1, e = 4:.d1.e4; d = 2, e = 3:.d2.e3; d = 2, e = 4:.d2.e4", "");
    check_variants("plait build x -D d -D =3 -D 4 -D d=-1 -D d=2147483648 -D d=1, -D d=1x -D d=0 -D d=1073741825", "",
                   "E0611 E0611 E0611 E0611 E0611 E0611 E0611 E0611 E0611");
    check_variants("plait build x -D d=1,1073741824", "d = 1:.d1; d = 1073741824:.d1073741824", "");
    check_variants("plait build x -D a=1,2,3,4,5 -D b=1,2,3,4,5 -D c=1,2,3", "", "E0805");
}

/* ---- targets ---- */

static void test_targets(void)
{
    PlaitSession session;
    PlaitTargetRows rows = {0};
    CHECK(parse(&session, "plait build x --target sm_90a,cpu,cpu") && plait_target_rows_read(&session, &rows));
    CHECK(rows.count == 2 && !rows.data[0]->gpu && rows.data[1]->gpu && rows.data[1]->exact &&
          rows.data[1]->architecture == 90);
    rows.count = 0;
    CHECK(parse(&session, "plait build x") && plait_target_rows_read(&session, &rows) && rows.count >= 3);
    CHECK(parse(&session, "plait build x --target sm_90,") && !plait_target_rows_read(&session, &rows));
    check_codes(&session, "E0617 E0617");
    CHECK_TEXT(session.diagnostics.list.data[0].help, "did you mean `sm_90a`? Newer GPUs run the PTX of sm_80");
}

/* ---- ptxas ---- */

static void test_ptxas(void)
{
    PlaitText kernels = plait_text(arena), warnings = plait_text(arena);
    plait_ptxas_read(
        "ptxas info    : 0 bytes gmem\n"
        "ptxas info    : Compiling entry function 'scan_0' for 'sm_90a'\n"
        "ptxas info    : Function properties for scan_0\n"
        "    16 bytes stack frame, 24 bytes spill stores, 32 bytes spill loads\n"
        "ptxas info    : Used 255 registers, used 1 barriers, 16 bytes cumulative stack size\n"
        "ptxas info    : Compiling entry function 'scan_1' for 'sm_90a'\n"
        "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
        "ptxas info    : Used 8 registers\n"
        "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized\n",
        "sm_90a", &kernels, &warnings);
    CHECK_TEXT(plait_text_string(&kernels), "{\"target\": \"sm_90a\", \"kernel\": \"scan_0\", \"registers\": 255, "
                                            "\"stack\": 16, \"spill_stores\": 24, \"spill_loads\": 32}, "
                                            "{\"target\": \"sm_90a\", \"kernel\": \"scan_1\", \"registers\": 8, "
                                            "\"stack\": 0, \"spill_stores\": 0, \"spill_loads\": 0}");
    CHECK_TEXT(
        plait_text_string(&warnings),
        "scan_0 on sm_90a does not fit into registers: 24 bytes spilled, 32 bytes reloaded\n"
        "sm_90a: ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized\n");
}

/* ---- files and the cache, in a folder of their own ---- */

static void test_files(const char *folder)
{
    PlaitSession session = new_session();
    PlaitBytes bytes;
    const char *path = plait_path_join(arena, folder, "file");
    CHECK(plait_file_write(&session, path, "abc", 3) && plait_file_read(&session, path, 3, &bytes) &&
          bytes.length == 3 && strcmp((char *)bytes.data, "abc") == 0);
    CHECK(plait_file_write(&session, path, "", 0) && plait_file_read(&session, path, 0, &bytes) && bytes.length == 0);
    CHECK(plait_file_write(&session, path, "abcd", 4) && !plait_file_read(&session, path, 3, &bytes));
    check_codes(&session, "E0609");
    session = new_session();
    CHECK(!plait_file_read(&session, folder, 100, &bytes) &&
          !plait_file_read(&session, plait_path_join(arena, folder, "none"), 100, &bytes) &&
          !plait_file_read(&session, plait_path_join(arena, path, "below"), 100, &bytes));
    check_codes(&session, "E0607 E0606 E0606");
    session = new_session();
    CHECK(!plait_file_write(&session, plait_path_join(arena, folder, "none/file"), "a", 1) &&
          !plait_file_write(&session, folder, "a", 1));
    CHECK(!plait_file_write(&session, "/dev/full", "a", 1) && plait_file_write(&session, "/dev/null", "a", 1));
    check_codes(&session, "E0610 E0610 E0610");
    CHECK(strstr(session.diagnostics.list.data[2].help, "make room") != NULL);
    CHECK(plait_folder_make(arena, plait_path_join(arena, folder, "a/b/c")) &&
          plait_folder_make(arena, plait_path_join(arena, folder, "a/b/c")));
    CHECK(!plait_folder_make(arena, plait_path_join(arena, path, "x")));
    CHECK_TEXT(plait_path_stem(arena, "a/b.c/gla.v2.plait"), "gla.v2");
    CHECK_TEXT(plait_path_folder(arena, "/x"), "/");
    CHECK_TEXT(plait_path_folder(arena, "x"), ".");
}

static PlaitCacheEntry entry_of(const char *text)
{
    PlaitCacheEntry entry = {0};
    entry.parts[0] = (PlaitBytes){(unsigned char *)plait_arena_strdup(arena, text), strlen(text)};
    entry.parts[3] = entry.parts[0];
    return entry;
}

/* Damages an entry at every byte: it is never given out with other contents. */
static void test_damaged_entries(const char *folder)
{
    PlaitBytes bytes;
    PlaitCacheEntry entry = entry_of("library");
    const char *path = plait_path_join(arena, folder, "damaged.entry");
    plait_cache_put(arena, "damaged", &entry);
    CHECK(plait_file_read_quietly(arena, path, 1 << 20, &bytes));
    for (size_t i = 0; i < bytes.length; i++) {
        const void *parts[1] = {bytes.data};
        PlaitCacheEntry got;
        bytes.data[i] ^= 0x55;
        CHECK(plait_file_write_quietly(path, parts, &bytes.length, 1));
        bool hit = plait_cache_get(arena, "damaged", &got);
        bytes.data[i] ^= 0x55;
        CHECK(!hit || strcmp((char *)got.parts[0].data, "library") == 0);
        if (!hit) CHECK(access(path, F_OK) != 0);
        CHECK(plait_file_write_quietly(path, parts, &(size_t){i}, 1)); /* cut off */
        CHECK(!plait_cache_get(arena, "damaged", &got));
    }
}

static void test_cache(const char *folder)
{
    PlaitCacheEntry got, first = entry_of("first"), second = entry_of("second");
    setenv("PLAIT_CACHE_DIR", plait_path_join(arena, folder, "deep/cache"), 1);
    CHECK(!plait_cache_get(arena, "1", &got) && plait_cache_measure(arena).entries == 0);
    plait_cache_put(arena, "1", &first);
    CHECK(plait_cache_get(arena, "1", &got) && strcmp((char *)got.parts[0].data, "first") == 0 &&
          got.parts[1].length == 0 && got.parts[3].length == 5);
    plait_cache_put(arena, "2", &second);
    CHECK(plait_cache_measure(arena).entries == 2);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    CHECK(plait_cache_get(arena, "1", &got)); /* used now: entry 2 is the older one */
    CHECK(plait_cache_shrink(arena, plait_cache_measure(arena).bytes - 1).entries == 1);
    CHECK(plait_cache_get(arena, "1", &got) && !plait_cache_get(arena, "2", &got));
    setenv("PLAIT_CACHE_LIMIT", "1", 1);
    plait_cache_put(arena, "3", &second);
    CHECK(plait_cache_measure(arena).entries == 0);
    unsetenv("PLAIT_CACHE_LIMIT");
    test_damaged_entries(plait_cache_folder(arena));
    setenv("PLAIT_CACHE_DIR", "/proc/nowhere", 1);
    plait_cache_put(arena, "1", &first); /* cannot be written: no harm */
    CHECK(!plait_cache_get(arena, "1", &got));
    setenv("PLAIT_CACHE_DIR", "", 1);
    setenv("XDG_CACHE_HOME", "/x", 1);
    CHECK_TEXT(plait_cache_folder(arena), "/x/plait");
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/h", 1);
    CHECK_TEXT(plait_cache_folder(arena), "/h/.cache/plait");
}

/* ---- children ---- */

static PlaitJob shell(const char *script)
{
    const char **argv = PLAIT_NEW_ARRAY(arena, const char *, 4);
    argv[0] = "/bin/sh", argv[1] = "-c", argv[2] = script;
    return (PlaitJob){.name = "the shell", .argv = argv};
}

static void test_jobs(void)
{
    PlaitSession session = new_session();
    PlaitJob jobs[] = {shell("echo out; echo err >&2"),
                       shell("exit 3"),
                       shell("echo last words >&2; kill -SEGV $$"),
                       shell("sleep 30 & sleep 30"),
                       shell("cat; yes | head -c 1000000"),
                       shell("echo never"),
                       shell("sleep 0.1; true"),
                       shell("true")};
    jobs[5].after = 2; /* after the one that fails */
    jobs[7].after = 7;
    double begin = plait_clock();
    plait_jobs_run(arena, jobs, 8, 3, 1.0, NULL);
    CHECK(plait_clock() - begin < 5);
    CHECK(plait_job_succeeded(&jobs[0]));
    CHECK_TEXT(plait_text_string(&jobs[0].output), "out\n");
    CHECK_TEXT(plait_text_string(&jobs[0].errors), "err\n");
    CHECK(!plait_job_succeeded(&jobs[1]) && WEXITSTATUS(jobs[1].status) == 3);
    CHECK(WIFSIGNALED(jobs[2].status) && jobs[3].timed_out && jobs[4].output.length == 1000000);
    CHECK(jobs[5].skipped && jobs[5].output.length == 0 && plait_job_succeeded(&jobs[7]));
    for (int i = 0; i < 8; i++) plait_job_report(&session, &jobs[i], "help");
    check_codes(&session, "E0802 E0803 E0804");
    CHECK(strstr(session.diagnostics.list.data[1].found, "last words") &&
          strstr(session.diagnostics.list.data[1].found, "signal 11"));
}

static void test_missing_tool(void)
{
    PlaitSession session = new_session();
    const char *const argv[] = {"/nowhere/tool", NULL};
    PlaitJob job = {.name = "tool", .argv = argv};
    plait_jobs_run(arena, &job, 1, 1, 1.0, NULL);
    plait_job_report(&session, &job, "help");
    check_codes(&session, "E0801");
}

/* ---- signals: a child of the test registers a folder and a child, and is interrupted ---- */

static void test_signal(const char *folder, int signal_number)
{
    const char *path = plait_path_join(arena, folder, "temporary"),
               *file = plait_path_join(arena, folder, "temporary/file");
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        plait_cleanup_begin();
        mkdir(path, 0700);
        plait_cleanup_add_path(path);
        if (!plait_file_write_quietly(file, (const void *[]){"x"}, (size_t[]){1}, 1)) _exit(9);
        if (signal_number == SIGABRT) abort();
        kill(getpid(), signal_number);
        for (;;) pause();
    }
    waitpid(child, &status, 0);
    if (signal_number == SIGABRT) CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
    else CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal_number);
    CHECK(access(path, F_OK) != 0);
}

int main(void)
{
    arena = plait_arena_create(&failure);
    if (!arena || !PLAIT_TRY(&failure)) return 1;
    char folder[] = "/tmp/plait-test-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    test_sha256();
    test_npy_good();
    test_npy_bad();
    test_npy_round();
    test_options();
    test_help();
    test_variants();
    test_targets();
    test_ptxas();
    test_files(folder);
    test_cache(folder);
    test_jobs();
    test_missing_tool();
    test_signal(folder, SIGINT);
    test_signal(folder, SIGTERM);
    test_signal(folder, SIGABRT);
    plait_remove_tree(folder);
    CHECK(access(folder, F_OK) != 0);
    plait_arena_destroy(arena);
    return check_report();
}
