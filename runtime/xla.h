/* The part of XLA's foreign function interface that a handler needs: the layout of xla/ffi/api/c_api.h (OpenXLA, Apache
 * 2.0), version 0.1 and later, which only append to structures. Each begins with its size, by which the two sides tell
 * what the other knows. Names are ours. */
#ifndef PLAIT_RUNTIME_XLA_H
#define PLAIT_RUNTIME_XLA_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/runtime.h"

enum { XLA_MAJOR = 0, XLA_MINOR = 1, XLA_EXTENSION_METADATA = 1, XLA_BUFFER = 1, XLA_SCALAR = 3, XLA_STRING = 4 };
enum { XLA_INVALID_ARGUMENT = 3, XLA_RESOURCE_EXHAUSTED = 8, XLA_INTERNAL = 13 };

typedef struct XlaContext XlaContext;

typedef struct XlaExtension {
    size_t size;
    int type;
    struct XlaExtension *next;
} XlaExtension;

typedef struct XlaVersion {
    size_t size;
    XlaExtension *extension;
    int major, minor;
} XlaVersion;

typedef struct XlaErrorArguments {
    size_t size;
    XlaExtension *extension;
    const char *message;
    int code;
} XlaErrorArguments;

typedef struct XlaStreamArguments {
    size_t size;
    XlaExtension *extension;
    XlaContext *context;
    void *stream; /* out */
} XlaStreamArguments;

typedef struct XlaOrdinalArguments {
    size_t size;
    XlaExtension *extension;
    XlaContext *context;
    int32_t ordinal; /* out */
} XlaOrdinalArguments;

typedef struct XlaErrorDestroyArguments {
    size_t size;
    XlaExtension *extension;
    XlaError *error;
} XlaErrorDestroyArguments;

/* What the host can do. Functions in the order of XLA_FFI_Api. */
typedef struct XlaApi {
    size_t size;
    XlaExtension *extension;
    XlaVersion version;
    const void *internal;
    XlaError *(*error_create)(XlaErrorArguments *arguments);
    void *error_get_message;
    void (*error_destroy)(XlaErrorDestroyArguments *arguments);
    void *handler_register;
    XlaError *(*stream_get)(XlaStreamArguments *arguments);
    void *unused[12];
    XlaError *(*ordinal_get)(XlaOrdinalArguments *arguments);
} XlaApi;

typedef struct XlaBuffer {
    size_t size;
    XlaExtension *extension;
    int type;
    void *data;
    int64_t rank;
    int64_t *shape;
} XlaBuffer;

/* Arguments, and results. */
typedef struct XlaValues {
    size_t size;
    XlaExtension *extension;
    int64_t count;
    int *kinds;
    void **values;
} XlaValues;

typedef struct XlaText {
    const char *text;
    size_t length;
} XlaText;

typedef struct XlaScalar {
    int type;
    void *value;
} XlaScalar;

typedef struct XlaAttributes {
    size_t size;
    XlaExtension *extension;
    int64_t count;
    int *kinds;
    XlaText **names;
    void **values;
} XlaAttributes;

struct XlaFrame {
    size_t size;
    XlaExtension *extension;
    const XlaApi *api;
    XlaContext *context;
    int stage;
    XlaValues arguments, results;
    XlaAttributes attributes;
};

typedef struct XlaMetadata {
    size_t size;
    XlaVersion version;
    uint32_t traits;
} XlaMetadata;

typedef struct XlaMetadataExtension {
    XlaExtension base;
    XlaMetadata *metadata;
} XlaMetadataExtension;

#endif
