/* Calls as TVM's and XLA's foreign function interfaces make them (tvm.c, xla.c), with a fake host of each. */
#include <stdbool.h>
#include <stdlib.h>

#include "runtime/xla.h"
#include "tests/runtime/sums.h"
#include "tests/support/check.h"

extern const PlaitLibraryDescriptor plait_library;
const PlaitLibraryDescriptor plait_library = {PLAIT_DESCRIPTOR_VERSION, 0, &sums_operator, 1, "by hand"};

/* ---- TVM ---- */

struct PlaitTvmValue {
    int32_t type;
    uint32_t padding;
    void *pointer;
};

static char raised[512];

void TVMFFIErrorSetRaisedFromCStr(const char *kind, const char *message);
void TVMFFIErrorSetRaisedFromCStr(const char *kind, const char *message)
{
    snprintf(raised, sizeof raised, "%s: %s", kind, message);
}

/* An object of TVM that holds a tensor. */
typedef struct Object {
    char head[24];
    DLTensor tensor;
} Object;

static void test_tvm(void)
{
    Sums *sums = sums_create(2, 5, 4);
    PlaitTvmValue values[SUMS_COUNT], result = {7, 0, &result};
    Object objects[SUMS_COUNT];
    for (int i = 0; i < SUMS_COUNT; i++) {
        objects[i].tensor = sums->tensors[i];
        values[i] = i % 2 ? (PlaitTvmValue){70, 0, &objects[i]} : (PlaitTvmValue){7, 0, &sums->tensors[i]};
    }
    sums->list[SUMS_X0] = NULL;
    values[SUMS_X0] = (PlaitTvmValue){0, 0, NULL};
    CHECK(plait_runtime_tvm_call(&sums_operator, values, SUMS_COUNT, &result) == 0 && result.type == 0);
    CHECK(sums_right(sums));
    CHECK(plait_runtime_tvm_call(&sums_operator, values, 3, &result) == -1);
    CHECK_TEXT(raised, "TypeError: sums: takes 6 tensors, but was given 3");
    values[SUMS_K].type = 1; /* an int */
    CHECK(plait_runtime_tvm_call(&sums_operator, values, SUMS_COUNT, &result) == -1);
    CHECK_TEXT(raised, "TypeError: sums: argument 2 `k`: is no tensor");
    values[SUMS_K].type = 0;
    CHECK(plait_runtime_tvm_call(&sums_operator, values, SUMS_COUNT, &result) == -1);
    CHECK_TEXT(raised, "ValueError: sums: argument 2 `k`: is NULL, but has no default");
    sums_destroy(sums);
}

/* ---- XLA ---- */

static char created[512];
static int created_code;

static XlaError *create_error(XlaErrorArguments *arguments)
{
    snprintf(created, sizeof created, "%s", arguments->message);
    created_code = arguments->code;
    return (XlaError *)(void *)created;
}

typedef struct Frame {
    XlaFrame frame;
    XlaApi api;
    XlaBuffer buffers[SUMS_COUNT];
    void *inputs[SUMS_COUNT], *outputs[SUMS_COUNT], *attributes[2];
    XlaText names[2], operator_name, *name_list[2];
    XlaScalar given;
    int64_t mask;
    int kinds[2];
} Frame;

static int xla_type(DLDataType type) { return type.code == kDLFloat ? 11 : 1; }

/* The call of a sample; what its list lacks is not given. */
static Frame *make_frame(const Sums *sums, const char *name)
{
    Frame *f = calloc(1, sizeof *f);
    f->api.error_create = create_error;
    f->frame = (XlaFrame){.size = sizeof f->frame, .api = &f->api};
    f->frame.arguments.values = f->inputs;
    f->frame.results.values = f->outputs;
    f->mask = 1 << SUMS_Y;
    for (int i = 0; i < SUMS_COUNT; i++) {
        const DLTensor *t = &sums->tensors[i];
        f->buffers[i] = (XlaBuffer){.type = xla_type(t->dtype), .data = t->data, .rank = t->ndim, .shape = t->shape};
        if (i >= SUMS_Y) f->outputs[f->frame.results.count++] = &f->buffers[i];
        else if (sums->list[i]) f->inputs[f->frame.arguments.count++] = &f->buffers[i];
        if (i < SUMS_Y && sums->list[i]) f->mask |= 1 << i;
    }
    f->names[0] = (XlaText){"given", 5};
    f->names[1] = (XlaText){"operator", 8};
    f->given = (XlaScalar){5, &f->mask};
    f->operator_name = (XlaText){name, strlen(name)};
    f->kinds[0] = XLA_SCALAR;
    f->kinds[1] = XLA_STRING;
    f->attributes[0] = &f->given;
    f->attributes[1] = &f->operator_name;
    f->name_list[0] = &f->names[0];
    f->name_list[1] = &f->names[1];
    f->frame.attributes =
        (XlaAttributes){.count = 2, .kinds = f->kinds, .names = f->name_list, .values = f->attributes};
    return f;
}

static void test_xla(void)
{
    for (int missing = 0; missing < 4; missing++) {
        Sums *sums = sums_create(2, 5, 4);
        if (missing & 1) sums->list[SUMS_MASK] = NULL;
        if (missing & 2) sums->list[SUMS_X0] = NULL;
        Frame *f = make_frame(sums, "sums");
        CHECK(plait_xla_cpu(&f->frame) == NULL && sums_right(sums));
        free(f);
        sums_destroy(sums);
    }
}

static void refuse(Frame *f, int code, const char *text)
{
    CHECK(plait_xla_cpu(&f->frame) != NULL && created_code == code);
    CHECK_TEXT(created, text);
    free(f);
}

static void test_xla_refusals(void)
{
    Sums *sums = sums_create(2, 5, 4);
    refuse(make_frame(sums, "sum"), XLA_INVALID_ARGUMENT, "the library has no operator `sum`; it has `sums`");
    Frame *f = make_frame(sums, "sums");
    f->frame.attributes.count = 1;
    refuse(f, XLA_INVALID_ARGUMENT, "plait: no attributes `operator` and `given`");
    const int64_t masks[] = {0, 1, 3, 1 << 3, -1, (1 << 5) - 2}; /* too few, too many, without end, an input too many */
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        f = make_frame(sums, "sums");
        f->mask = masks[i];
        CHECK(plait_xla_cpu(&f->frame) != NULL);
        free(f);
    }
    f = make_frame(sums, "sums");
    f->buffers[SUMS_K].type = 18;
    refuse(f, XLA_INVALID_ARGUMENT, "sums: argument 2 `k`: has elements of type complex128, but is declared f32");
    CHECK(sums_untouched(sums));
    sums_destroy(sums);
}

static void test_xla_metadata(void)
{
    XlaMetadata metadata = {.size = sizeof metadata, .version = {.major = 9, .minor = 9}, .traits = 9};
    XlaMetadataExtension extension = {{sizeof extension, XLA_EXTENSION_METADATA, NULL}, &metadata};
    XlaFrame frame = {.size = sizeof frame, .extension = &extension.base};
    CHECK(plait_xla_cpu(&frame) == NULL && plait_xla_cuda(&frame) == NULL);
    CHECK(metadata.version.major == 0 && metadata.version.minor == 1 && metadata.traits == 0);
}

int main(void)
{
    test_tvm();
    test_xla();
    test_xla_refusals();
    test_xla_metadata();
    return check_report();
}
