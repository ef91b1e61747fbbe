/* The header of a library: plait.h, then each operator with its tensors, axes, sizes and an example call. */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include <ctype.h>
#include <dlfcn.h>
#include <string.h>

#include "driver/build.h"
#include "driver/cases.h"
#include "driver/embedded.h"
#include "driver/version.h"
#include "ir/text.h"

typedef struct Header {
    PlaitSession *session;
    PlaitModule *const *modules; /* by variant */
    uint32_t variant_count;
    PlaitText text;
} Header;

static const struct {
    const char *code;
    int bits;
} element_types[PLAIT_SCALAR_COUNT] = {
    [PLAIT_BOOL] = {"kDLBool", 8},  [PLAIT_I32] = {"kDLInt", 32},     [PLAIT_I64] = {"kDLInt", 64},
    [PLAIT_F16] = {"kDLFloat", 16}, [PLAIT_BF16] = {"kDLBfloat", 16}, [PLAIT_F32] = {"kDLFloat", 32},
    [PLAIT_F64] = {"kDLFloat", 64},
};

static const char *const role_texts[PLAIT_ROLE_COUNT] = {"feature", "batch", "head", "time"};

static bool is_among(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0) return true;
    return false;
}

static bool begins(const char *name, const char *start) { return strncmp(name, start, strlen(start)) == 0; }

static bool is_keyword(const char *name)
{
    static const char *const keywords[] = {"alignas",      "alignof",
                                           "and",          "and_eq",
                                           "asm",          "auto",
                                           "bitand",       "bitor",
                                           "bool",         "break",
                                           "case",         "catch",
                                           "char",         "char16_t",
                                           "char32_t",     "char8_t",
                                           "class",        "co_await",
                                           "co_return",    "co_yield",
                                           "compl",        "complex",
                                           "concept",      "const",
                                           "const_cast",   "consteval",
                                           "constexpr",    "constinit",
                                           "continue",     "decltype",
                                           "default",      "delete",
                                           "do",           "double",
                                           "dynamic_cast", "else",
                                           "enum",         "explicit",
                                           "export",       "extern",
                                           "false",        "float",
                                           "for",          "friend",
                                           "goto",         "if",
                                           "imaginary",    "inline",
                                           "int",          "linux",
                                           "long",         "main",
                                           "mutable",      "namespace",
                                           "new",          "noexcept",
                                           "noreturn",     "not",
                                           "not_eq",       "nullptr",
                                           "operator",     "or",
                                           "or_eq",        "private",
                                           "protected",    "public",
                                           "register",     "reinterpret_cast",
                                           "requires",     "restrict",
                                           "return",       "short",
                                           "signed",       "sizeof",
                                           "static",       "static_assert",
                                           "static_cast",  "struct",
                                           "switch",       "template",
                                           "this",         "thread_local",
                                           "throw",        "true",
                                           "try",          "typedef",
                                           "typeid",       "typename",
                                           "typeof",       "typeof_unqual",
                                           "union",        "unix",
                                           "unsigned",     "using",
                                           "virtual",      "void",
                                           "volatile",     "wchar_t",
                                           "while",        "xor",
                                           "xor_eq"};
    return is_among(name, keywords, sizeof keywords / sizeof *keywords);
}

/* Types and macros of the headers that plait.h and hosts include, plait.h's own among them: dlsym finds no macros. */
static bool is_of_headers(const char *name)
{
    static const char *const macros[] = {"EOF",        "HUGE_VAL",    "HUGE_VALF",     "I",
                                         "INFINITY",   "NAN",         "NULL",          "alloca",
                                         "assert",     "atexit",      "at_quick_exit", "errno",
                                         "fpclassify", "isfinite",    "isgreater",     "isgreaterequal",
                                         "isinf",      "isless",      "islessequal",   "islessgreater",
                                         "isnan",      "isnormal",    "isunordered",   "offsetof",
                                         "setjmp",     "signbit",     "stderr",        "stdin",
                                         "stdout",     "unreachable", "va_arg",        "va_copy",
                                         "va_end",     "va_start"};
    size_t length = strlen(name);
    bool type = length > 2 && strcmp(name + length - 2, "_t") == 0 &&
                (begins(name, "int") || begins(name, "uint") || begins(name, "size") || begins(name, "ptrdiff") ||
                 begins(name, "max_align"));
    bool limit = length > 4 &&
                 (begins(name, "INT") || begins(name, "UINT") || begins(name, "SIZE_") || begins(name, "PTRDIFF_")) &&
                 (strcmp(name + length - 4, "_MAX") == 0 || strcmp(name + length - 4, "_MIN") == 0);
    bool ours = begins(name, "PLAIT_") || begins(name, "Plait") || begins(name, "kDL") || begins(name, "DLPACK_") ||
                (begins(name, "DL") && isupper((unsigned char)name[2]) && islower((unsigned char)name[3]));
    ours = ours && name[length - 1] != '_'; /* what `parameter` makes of them */
    return type || limit || ours || is_among(name, macros, sizeof macros / sizeof *macros);
}

/* What the names of an operator's C functions end in. */
static const char *const suffixes[] = {"", "_with_workspace", "_workspace_bytes", "_error"};
enum { SUFFIX_COUNT = sizeof suffixes / sizeof *suffixes };

/* The function of an operator with that suffix: "scan_error". */
static const char *function_name(Header *header, const PlaitFunction *function, uint32_t suffix)
{
    return plait_session_text(header->session, "%s%s", plait_names_text(header->modules[0]->names, function->name),
                              suffixes[suffix]);
}

/* Whether a function of another operator would have the name too: `scan_error` beside `scan`. */
static bool is_sibling(Header *header, const PlaitFunction *function)
{
    for (uint32_t i = 0; i < header->modules[0]->functions.count; i++) {
        const PlaitFunction *other = header->modules[0]->functions.data[i];
        for (uint32_t j = 0; j < SUFFIX_COUNT * SUFFIX_COUNT && other != function; j++)
            if (strcmp(function_name(header, function, j / SUFFIX_COUNT),
                       function_name(header, other, j % SUFFIX_COUNT)) == 0)
                return true;
    }
    return false;
}

static bool is_of_c_library(Header *header, const PlaitFunction *function)
{
    for (uint32_t i = 0; i < SUFFIX_COUNT; i++)
        if (dlsym(RTLD_DEFAULT, function_name(header, function, i))) return true;
    return false;
}

/* An operator becomes C functions: none must be a word of C or C++, or hide a function of the C library, of plait.h or
 * of another operator. */
static bool check_name(Header *header, const PlaitFunction *function)
{
    const char *name = plait_names_text(header->modules[0]->names, function->name);
    bool word = is_keyword(name), macro = is_of_headers(name), ours = strncmp(name, "plait_", 6) == 0,
         reserved = name[0] == '_', sibling = is_sibling(header, function);
    if (!word && !macro && !ours && !reserved && !sibling && !is_of_c_library(header, function)) return true;
    const char *why = word       ? "a word of C or C++"
                      : macro    ? "a type or macro of C's headers or of plait.h"
                      : ours     ? "reserved for Plait's own functions"
                      : reserved ? "reserved in C"
                      : sibling  ? "one of its C functions has the name of another operator's"
                                 : "a function of the C library";
    plait_report(&header->session->diagnostics,
                 (PlaitDiagnostic){.id = PLAIT_C_NAME_TAKEN,
                                   .span = function->span,
                                   .found = plait_session_text(header->session, "operator `%s`: %s", name, why),
                                   .expected = "a name that a C function of the library can have",
                                   .help = plait_session_text(header->session, "rename it, for example `%s_op`",
                                                              name[0] == '_' || ours ? "my" : name)});
    return false;
}

static bool is_tensor(const PlaitFunction *function, const char *text)
{
    const PlaitNames *names = function->module->names;
    for (uint32_t i = 0; i < function->params.count; i++)
        if (strcmp(plait_names_text(names, plait_inst(function, function->params.data[i])->name), text) == 0)
            return true;
    for (uint32_t i = 0; i < function->outputs.count; i++)
        if (strcmp(plait_names_text(names, function->outputs.data[i].name), text) == 0) return true;
    return false;
}

/* The name of a parameter in C: with as many `_` behind it as make it free. */
static const char *parameter(Header *header, const PlaitFunction *function, PlaitName name)
{
    const char *own = plait_names_text(header->modules[0]->names, name), *text = own;
    static const char *const ours[] = {"stream", "workspace", "workspace_bytes", "bytes"};
    while (is_keyword(text) || is_of_headers(text) || is_among(text, ours, sizeof ours / sizeof *ours) ||
           (text != own && is_tensor(function, text)))
        text = plait_session_text(header->session, "%s_", text);
    return text;
}

static const char *type_text(Header *header, const PlaitFunction *function, PlaitType type)
{
    PlaitText text = plait_text(header->session->arena);
    plait_type_print(function, type, &text);
    return plait_text_string(&text);
}

static void print_tensor(Header *header, const PlaitFunction *function, PlaitName name, PlaitType type,
                         const char *kind, double fallback)
{
    plait_text_printf(&header->text, " *     %-12s %-7s %s", parameter(header, function, name), kind,
                      type_text(header, function, type));
    if (fallback == fallback) {
        plait_text_add(&header->text, "   (optional: NULL stands for ");
        plait_text_number(&header->text, fallback);
        plait_text_add(&header->text, ")");
    }
    plait_text_add(&header->text, "\n");
}

static void print_tensors(Header *header, const PlaitFunction *function)
{
    plait_text_add(&header->text,
                   " * Tensors, in the order of the arguments (type and axes in the order of `shape`):\n");
    for (uint32_t i = 0; i < function->params.count; i++) {
        const PlaitInst *inst = plait_inst(function, function->params.data[i]);
        print_tensor(header, function, inst->name, inst->type, "input", inst->number);
    }
    for (uint32_t i = 0; i < function->outputs.count; i++)
        print_tensor(header, function, function->outputs.data[i].name, function->outputs.data[i].type, "output",
                     __builtin_nan(""));
}

/* "64 or 128" over the variants; "any, the same in all tensors" for run-time sizes. */
static void print_sizes(Header *header, const char *operator_name, PlaitAxis axis)
{
    int64_t before = -2;
    for (uint32_t i = 0; i < header->variant_count; i++) {
        const PlaitFunction *function = plait_program_operator(header->modules[i], operator_name);
        int64_t size = function->axes.data[axis].size;
        if (size == before) continue;
        if (size == PLAIT_RUNTIME_SIZE) plait_text_add(&header->text, "any size, the same in all tensors");
        else plait_text_printf(&header->text, "%s%lld", before == -2 ? "" : " or ", (long long)size);
        before = size;
    }
}

static void print_axes(Header *header, const PlaitFunction *function)
{
    plait_text_add(&header->text, " * Axes:\n");
    for (uint32_t i = 0; i < function->axes.count; i++) {
        const PlaitAxisInfo *axis = &function->axes.data[i];
        if (!plait_case_axis_used(function, (PlaitAxis)i)) continue;
        plait_text_printf(&header->text, " *     %-12s %-7s ", plait_names_text(header->modules[0]->names, axis->name),
                          role_texts[axis->role]);
        print_sizes(header, plait_names_text(header->modules[0]->names, function->name), (PlaitAxis)i);
        if (axis->multiple) plait_text_printf(&header->text, ", a multiple of %u", axis->multiple);
        if (axis->same_as != PLAIT_NO_AXIS)
            plait_text_printf(&header->text, " (that of %s)", plait_axis_text(function, axis->same_as));
        plait_text_add(&header->text, "\n");
    }
}

/* A tensor of the example: sizes of run time get a number by their role. */
static void print_example_tensor(Header *header, const PlaitFunction *function, PlaitName name, PlaitType type)
{
    static const int usual[PLAIT_ROLE_COUNT] = {64, 2, 8, 4096};
    const char *text = parameter(header, function, name);
    if (type.rank) plait_text_printf(&header->text, " *     int64_t %s_shape[] = {", text);
    for (uint32_t i = 0; i < type.rank; i++) {
        const PlaitAxisInfo *axis = &function->axes.data[plait_axis_extent_of(function, type.axes[i])];
        long long size = axis->size == PLAIT_RUNTIME_SIZE ? usual[axis->role] : axis->size;
        plait_text_printf(&header->text, "%s%lld", i ? ", " : "", size);
    }
    if (type.rank) plait_text_add(&header->text, "};\n");
    plait_text_printf(&header->text, " *     DLTensor %s = {%s_data, {kDLCPU, 0}, %u, {%s, %d, 1}, ", text, text,
                      type.rank, element_types[type.scalar].code, element_types[type.scalar].bits);
    plait_text_printf(&header->text, type.rank ? "%s_shape, NULL, 0};\n" : "NULL, NULL, 0};\n", text);
}

static void print_example(Header *header, const PlaitFunction *function)
{
    plait_text_add(&header->text, " * Example, on the CPU:\n");
    for (uint32_t i = 0; i < function->params.count; i++) {
        const PlaitInst *inst = plait_inst(function, function->params.data[i]);
        print_example_tensor(header, function, inst->name, inst->type);
    }
    for (uint32_t i = 0; i < function->outputs.count; i++)
        print_example_tensor(header, function, function->outputs.data[i].name, function->outputs.data[i].type);
    plait_text_printf(&header->text, " *     if (%s(", plait_names_text(header->modules[0]->names, function->name));
    for (uint32_t i = 0; i < function->params.count; i++)
        plait_text_printf(&header->text, "&%s, ",
                          parameter(header, function, plait_inst(function, function->params.data[i])->name));
    for (uint32_t i = 0; i < function->outputs.count; i++)
        plait_text_printf(&header->text, "&%s, ", parameter(header, function, function->outputs.data[i].name));
    plait_text_printf(&header->text, "NULL) != PLAIT_STATUS_OK) fprintf(stderr, \"%%s\\n\", %s_error());\n */\n",
                      plait_names_text(header->modules[0]->names, function->name));
}

static void print_prototype(Header *header, const PlaitFunction *function, const char *suffix, const char *rest)
{
    plait_text_printf(&header->text, "int %s%s(", plait_names_text(header->modules[0]->names, function->name), suffix);
    for (uint32_t i = 0; i < function->params.count; i++)
        plait_text_printf(&header->text, "const DLTensor *%s, ",
                          parameter(header, function, plait_inst(function, function->params.data[i])->name));
    for (uint32_t i = 0; i < function->outputs.count; i++)
        plait_text_printf(&header->text, "DLTensor *%s, ", parameter(header, function, function->outputs.data[i].name));
    plait_text_printf(&header->text, "%s);\n", rest);
}

static void print_prototypes(Header *header, const PlaitFunction *function)
{
    const char *name = plait_names_text(header->modules[0]->names, function->name);
    print_prototype(header, function, "", "void *stream");
    plait_text_printf(
        &header->text,
        "/* What plait_call_with_workspace, plait_workspace_bytes and plait_error are to all operators of "
        "a library, for %s:\n * by these names a program that links several libraries reaches this one. "
        "*/\n",
        name);
    print_prototype(header, function, "_with_workspace", "void *stream, void *workspace, uint64_t workspace_bytes");
    print_prototype(header, function, "_workspace_bytes", "uint64_t *bytes");
    plait_text_printf(&header->text, "const char *%s_error(void);\n\n", name);
}

static void print_operator(Header *header, const PlaitFunction *function)
{
    plait_text_printf(&header->text, "/* %s\n *\n", plait_names_text(header->modules[0]->names, function->name));
    print_tensors(header, function);
    print_axes(header, function);
    plait_text_add(&header->text, " * Strides count elements: NULL for compact tensors (last axis fastest); inputs may "
                                  "have any, outputs must not overlap themselves.\n"
                                  " * Returns PLAIT_STATUS_OK or another status of plait.h above; ");
    plait_text_printf(&header->text, "%s_error() then names the argument and says what is wrong.\n",
                      plait_names_text(header->modules[0]->names, function->name));
    print_example(header, function);
    print_prototypes(header, function);
}

/* "scan_v2.h" -> "PLAIT_LIBRARY_SCAN_V2_H"; "scan-v2.h" -> "PLAIT_LIBRARY_SCAN_V2_H_4_2D", with the characters that the
 * guard does not tell apart in hexadecimal, so that no two headers have the same. */
static const char *guard_of(PlaitSession *session, const char *header)
{
    PlaitText lost = plait_text(session->arena);
    char *guard = plait_session_text(session, "PLAIT_LIBRARY_%s", header);
    for (const char *c = header; *c; c++) {
        bool last_dot = *c == '.' && !strchr(c + 1, '.');
        bool kept = islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_' || last_dot;
        if (!kept) plait_text_printf(&lost, "_%zu_%02X", (size_t)(c - header), (unsigned)(unsigned char)*c);
    }
    for (char *c = guard; *c; c++) *c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
    return plait_session_text(session, "%s%s", guard, plait_text_string(&lost));
}

const char *plait_header_text(PlaitSession *session, const PlaitProgram *program, PlaitModule *const *modules,
                              const char *library, const char *name)
{
    Header header = {session, modules, program->variants.count, plait_text(session->arena)};
    const char *guard = guard_of(session, name);
    plait_text_printf(&header.text,
                      "/* %s: the operators of %s, made from %s by plait %s. Do not edit.\n *\n * Link with %s; "
                      "nothing else is needed.\n */\n",
                      name, library, plait_path_base(plait_program_source(session, program)->name), PLAIT_VERSION,
                      library);
    plait_text_printf(&header.text, "#ifndef %s\n#define %s\n\n", guard, guard);
    plait_text_add(&header.text, plait_embedded_header);
    plait_text_add(&header.text, "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    for (uint32_t i = 0; i < modules[0]->functions.count; i++)
        if (check_name(&header, modules[0]->functions.data[i])) print_operator(&header, modules[0]->functions.data[i]);
    plait_text_add(&header.text, "#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
    return plait_text_string(&header.text);
}
