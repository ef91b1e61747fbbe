/* The parts of the test of pointwise operations, the same for the CPU (main.c) and a GPU (gpu.c); no LLVM here. */
#ifndef PLAIT_TESTS_MATH_TESTS_H
#define PLAIT_TESTS_MATH_TESTS_H

#include "ir/ir.h"

/* Counted in harness.c: check.h counts for each file alone. */
void check(bool condition, const char *file, int line, const char *text);
#define CHECK(condition) check((condition), __FILE__, __LINE__, #condition)

typedef struct Case {
    PlaitOp op; /* a row of scalar_ops.def or PLAIT_OP_CAST */
    PlaitScalar from, to;
} Case;

/* The case of a row for operands of `from`; false when the row does not take them. */
bool case_of(PlaitOp op, PlaitScalar from, Case *result);
uint32_t case_operands(const Case *one);
/* Every row for every type, and every cast; the number in this list names a case's PTX kernel, case_N. */
enum { MOST_CASES = PLAIT_OP_COUNT * PLAIT_SCALAR_COUNT };
uint32_t case_list(Case *cases);

/* One way in which a case was compiled. */
typedef struct Variant {
    char name[32];
    /* out[i] = op(x[i], y[i]); NULL: not on this machine */
    void (*run)(const struct Variant *variant, const void *x, const void *y, void *out, int64_t count);
    void *function;
} Variant;

enum { VARIANTS = 8 };
typedef struct Compiled {
    Variant variants[VARIANTS];
    void *owner; /* of the first one: what `release` frees */
} Compiled;

typedef struct Machine Machine;
struct Machine {
    /* NULL after a message on stderr */
    Compiled *(*compile)(const Machine *machine, const Case *cases, uint32_t count);
    void (*release)(const Compiled *compiled); /* of what compile returned, not NULL */
    PlaitArena *arena;
    bool approximates; /* a GPU: bounds of its own, and 0 where the result is denormal */
    void *context;
};

typedef struct Arrays {
    int64_t count;     /* a multiple of 64, so that vectors end with the array */
    void *x, *y, *out; /* room for `count` elements of 8 bytes each */
    long double *expected;
} Arrays;

void test_floats(const Machine *machine, const Arrays *arrays);
void test_exact(const Machine *machine, const Arrays *arrays);
void test_casts(const Machine *machine, const Arrays *arrays);
/* All of them, on arrays of that many elements; the exit status of main. */
int test_all(const Machine *machine, int64_t elements);

#endif
