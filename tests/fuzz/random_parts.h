/* Inside the generator of random operators: the values to draw from, and the parts that add to them. */
#ifndef PLAIT_TESTS_FUZZ_RANDOM_PARTS_H
#define PLAIT_TESTS_FUZZ_RANDOM_PARTS_H

#include "ir/build.h"
#include "ir/sample.h"
#include "tests/fuzz/random_operator.h"

enum {
    POOL_SIZE = 512,
    MAX_FEATURES = 4,
    MAX_STATIC = 1500, /* elements over feature axes of one value */
};

/* Magnitudes of pool values stay below this. */
#define BOUND 8.0

typedef struct Pooled {
    PlaitValue value;
    double bound; /* floats: magnitudes are (nearly always) below */
    bool exact;   /* the same number in every precision: read from a parameter, or whole */
    bool carried; /* depends on a carry of an open scan */
} Pooled;

typedef struct Generator {
    PlaitRandom random;
    PlaitBuilder builder;
    PlaitFunction *function;
    uint32_t kinds;
    PlaitScalar computing; /* f32 or f64 */
    PlaitAxis batch, head, time;
    PlaitAxis features[MAX_FEATURES];
    uint32_t feature_count, name_count;
    Pooled pool[POOL_SIZE];
    uint32_t pool_count;
} Generator;

/* ---- drawing (random_operator.c) ---- */

bool chance(Generator *generator, double probability);
uint32_t below(Generator *generator, uint32_t bound);
PlaitAxis random_feature(Generator *generator);
PlaitName fresh_name(Generator *generator, const char *prefix);
int64_t static_elements(const Generator *generator, PlaitType type); /* over axes of static size */
bool fits(const Generator *generator, PlaitValue x, PlaitValue y);   /* their union is not too large */
PlaitType type_of(const Generator *generator, PlaitValue value);
/* A type of scalar `computing`: time, and some batch, head and feature axes. */
PlaitType random_type(Generator *generator);
/* Some of the axes of `type`, in random order. */
PlaitType random_subset(Generator *generator, PlaitType type);

/* ---- the pool ---- */

/* Adds a float value; scales it first when it may exceed BOUND. Returns the value that was added. */
PlaitValue keep(Generator *generator, PlaitValue value, double bound, bool carried);
Pooled find(const Generator *generator, PlaitValue value); /* what is known of a pool value */
bool depends_on_carry(const Generator *generator, PlaitValue value);
/* A new parameter of some of those axes, in some storage type and order, cast to the computing type, in the pool. */
PlaitValue new_param(Generator *generator, PlaitType type);
/* The same in this storage type. */
PlaitValue new_param_as(Generator *generator, PlaitType type, PlaitScalar scalar);
PlaitValue new_integer_param(Generator *generator, PlaitType type); /* i32, values 0..7 */
PlaitValue new_bool_param(Generator *generator, PlaitType type);
/* A float from the pool, any. */
PlaitValue pick(Generator *generator);
/* A float whose axes are among those of `type`, from the pool or a new parameter; `must` (or PLAIT_NO_AXIS) is one it
 * has. Never one that depends on a carry when `settled`. */
PlaitValue pick_within(Generator *generator, PlaitType type, PlaitAxis must, bool settled);

/* ---- building (random_pointwise.c) ---- */

PlaitValue number(Generator *generator, double value);
PlaitValue unary(Generator *generator, PlaitOp op, PlaitValue x);
PlaitValue binary(Generator *generator, PlaitOp op, PlaitValue x, PlaitValue y);
PlaitValue scaled(Generator *generator, PlaitValue x, double factor);
PlaitValue sigmoid(Generator *generator, PlaitValue x);
PlaitValue whole(Generator *generator, int32_t value);
/* A whole number as a float between -1 and 1: its last bits. */
PlaitValue integer_as_float(Generator *generator, PlaitValue value);
/* The number of positions along the axis, at least 1, as a float. */
PlaitValue length(Generator *generator, PlaitAxis axis);

/* Parts: each adds values to the pool, in the region that is open. */
void add_pointwise(Generator *generator);
void add_integers(Generator *generator);          /* i32 and bool expressions, used to select and as numbers */
void add_feature_reduction(Generator *generator); /* sums, norms, extremes, products over a feature axis */
/* Parts for the operator's body only (random_stages.c, random_attend.c, random_dependent.c, random_scan.c,
 * random_keyed.c). */
void add_conv(Generator *generator, bool longer);
void add_gather(Generator *generator);
/* The value some tokens before (or, seldom, after), where it has the time axis. */
PlaitValue delayed(Generator *generator, PlaitValue x);
void add_pooling(Generator *generator);
void add_attention(Generator *generator);
void add_dependent_attention(Generator *generator);
void add_scan(Generator *generator);
void add_keyed_scan(Generator *generator);

#endif
