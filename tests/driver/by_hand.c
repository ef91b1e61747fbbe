/* A library made by hand, with the tables that `plait build` would give it, for what no built one does: operators
 * (x : f32[t]) -> (y : f32[t]) that are y = x to within one unit in the last place, and
 *
 *   steady      the same bits every time;
 *   unsteady    other bits in every second call;
 *   forgetful   nothing written in every second call.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/descriptor.h"
#include "runtime/plait.h"

enum { TIME = 3, INPUT = 0, OUTPUT = 1, F32 = 5 };

static const PlaitAxisDescriptor axes[] = {{"t", -1, -1, TIME, 0, 0}};
static const PlaitTensorDescriptor tensors[] = {{"x", NAN, INPUT, F32, 1, {0}, {0}},
                                                {"y", NAN, OUTPUT, F32, 1, {0}, {0}}};
static const PlaitTargetDescriptor targets[] = {{NULL, NULL, 0}};
static const PlaitVariantDescriptor variants[] = {{axes, tensors, targets, 1, 2, 1, 2}};
static const PlaitOperatorDescriptor operators[] = {
    {"steady", variants, 1}, {"unsteady", variants, 1}, {"forgetful", variants, 1}};

extern const PlaitLibraryDescriptor plait_library;
const PlaitLibraryDescriptor plait_library = {PLAIT_DESCRIPTOR_VERSION, 0, operators, 3, "by hand"};

const char *plait_error(void) { return ""; }

PlaitStatus plait_call(const char *operator_name, DLTensor *const *given, uint32_t count, void *stream)
{
    static int calls;
    const float *x = given[0]->data;
    float *y = given[1]->data;
    bool second = calls++ % 2 == 1, off = second && strcmp(operator_name, "unsteady") == 0;
    (void)count, (void)stream;
    if (second && strcmp(operator_name, "forgetful") == 0) return PLAIT_STATUS_OK;
    for (int64_t i = 0; i < given[0]->shape[0]; i++) y[i] = off ? nextafterf(x[i], INFINITY) : x[i];
    return PLAIT_STATUS_OK;
}
