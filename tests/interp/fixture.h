/* What the interpreter's tests share: an operator from its text, its sizes, random inputs, and the result beside the
 * same formula written out in C. */
#ifndef PLAIT_TESTS_INTERP_FIXTURE_H
#define PLAIT_TESTS_INTERP_FIXTURE_H

#include "ir/sample.h"

enum { FIXTURE_AXES = 16, FIXTURE_ARRAYS = 16 };

typedef struct Fixture {
    PlaitFailure failure;
    PlaitArena *arena;
    PlaitSources sources;
    PlaitNames names;
    PlaitDiagnostics diagnostics;
    const PlaitFunction *function; /* NULL: the text was wrong, and that has been printed */
    int64_t extents[FIXTURE_AXES];
    PlaitArray inputs[FIXTURE_ARRAYS], outputs[FIXTURE_ARRAYS];
} Fixture;

/* Reads and verifies the operator. Its values may have any numbers: they are numbered anew in the order of the text. */
void fixture_open(Fixture *fixture, const char *text);
void fixture_close(Fixture *fixture);
/* Sets the extents of run-time axes, in the order of the text (axes with `same` are skipped), draws inputs and runs. */
bool fixture_run(Fixture *fixture, const int64_t *sizes, uint64_t seed, int64_t fold_block);
int64_t fixture_extent(const Fixture *fixture, const char *axis);
/* The element of an array at positions in the order of its type. */
double fixture_at(const PlaitArray *array, const int64_t *position);
#define AT(array, ...) fixture_at(&(array), (const int64_t[]){__VA_ARGS__})

/* A formula in C: fills expected[i] (arrays of the outputs' sizes, zeroed) from the fixture's inputs. */
typedef void Formula(const Fixture *fixture, PlaitArray *expected);
/* Runs and compares every output to `tolerance`; false (after printing the worst) when one differs. */
bool fixture_agrees(Fixture *fixture, const int64_t *sizes, int64_t fold_block, Formula *formula, double tolerance);

#endif
