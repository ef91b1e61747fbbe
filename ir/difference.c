/* Gradients against finite differences.
 *
 * The outputs become one number, the sum of all elements times random weights; the weights are the gradients that the
 * backward is given. For an input x and a random direction d of its size the sum of gradient times d is compared with
 * (f(x + h d) - f(x - h d)) / 2h. The first h is the usual best; where that is not good enough others are tried: a
 * larger one where the values are large beside the gradient, smaller ones where a kink is near.
 */
#include "ir/difference.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/sample.h"

enum { FOLD_BLOCK = 64 };

static const double steps[] = {1e-5, 1e-4, 1e-6, 1e-3, 1e-7};
enum { STEP_COUNT = sizeof steps / sizeof *steps };

typedef struct Comparison {
    const PlaitFunction *forward, *backward;
    const int64_t *extents;
    int64_t *backward_extents;
    PlaitArray *inputs;    /* of the backward: those of the forward, then the weights */
    PlaitArray *outputs;   /* of the forward */
    PlaitArray *gradients; /* of the backward */
    PlaitRandom random;
    double size; /* sum of |weight * output| */
} Comparison;

static bool is_real(PlaitType type) { return plait_scalar_kind((PlaitScalar)type.scalar) == PLAIT_FLOATING; }

/* The weighted sum of the outputs; NaN when memory runs out. */
static double evaluate(Comparison *comparison)
{
    const PlaitFunction *forward = comparison->forward;
    uint32_t weight = forward->params.count;
    double sum = 0;
    comparison->size = 0;
    if (!plait_interpret(forward, comparison->extents, comparison->inputs, comparison->outputs, FOLD_BLOCK)) return NAN;
    for (uint32_t i = 0; i < forward->outputs.count; i++) {
        const PlaitArray *output = &comparison->outputs[i];
        if (!is_real(output->type)) continue;
        const double *weights = comparison->inputs[weight++].data;
        for (int64_t k = 0; k < output->count; k++) {
            sum += weights[k] * output->data[k];
            comparison->size += fabs(weights[k] * output->data[k]);
        }
    }
    plait_arrays_free(comparison->outputs, forward->outputs.count);
    return sum;
}

/* Random weights, in place of the gradients of the outputs. */
static bool draw_weights(Comparison *comparison)
{
    const PlaitFunction *forward = comparison->forward, *backward = comparison->backward;
    for (uint32_t i = forward->params.count; i < backward->params.count; i++) {
        PlaitArray *weights = &comparison->inputs[i];
        if (!plait_array_create(weights, plait_type_of(backward, backward->params.data[i]),
                                comparison->backward_extents))
            return false;
        for (int64_t k = 0; k < weights->count; k++) weights->data[k] = plait_random_normal(&comparison->random);
    }
    return true;
}

/* A thousandth of each number, so that signs and ranges stay. */
static void move_a_little(Comparison *comparison)
{
    for (uint32_t i = 0; i < comparison->forward->params.count; i++)
        for (int64_t k = 0; k < comparison->inputs[i].count && is_real(comparison->inputs[i].type); k++)
            comparison->inputs[i].data[k] *= 1 + 1e-3 * (plait_random_uniform(&comparison->random) - 0.5);
}

/* The value where `input` is moved by a multiple of the direction. */
static double evaluate_at(Comparison *comparison, PlaitArray *input, const double *direction, double by)
{
    double *kept = input->data, *there = malloc(((size_t)input->count + 1) * sizeof *there);
    if (!there) return NAN;
    for (int64_t k = 0; k < input->count; k++) there[k] = kept[k] + by * direction[k];
    input->data = there;
    double value = evaluate(comparison);
    input->data = kept;
    free(there);
    return value;
}

typedef struct Direction {
    double error; /* at the best step */
    bool kink;
} Direction;

/* `size`: that of the gradient; `wanted`: the sum of gradient times direction. */
static Direction compare_along(Comparison *comparison, PlaitArray *input, const double *direction, double wanted,
                               double size)
{
    Direction best = {INFINITY, false};
    double middle = evaluate(comparison), scale = size + 1e-7 * comparison->size;
    bool one_sided = true;
    for (uint32_t i = 0; i < STEP_COUNT && !(best.error <= PLAIT_DIFFERENCE_LIMIT); i++) {
        double h = steps[i], after = evaluate_at(comparison, input, direction, h),
               before = evaluate_at(comparison, input, direction, -h);
        double found = (after - before) / (2 * h), bend = (after - middle) / h - (middle - before) / h;
        double error = fabs(found - wanted) / scale;
        if (scale == 0 && found == wanted) error = 0;
        if (error < best.error || isinf(best.error)) best.error = isnan(error) ? INFINITY : error;
        one_sided &= fabs(bend) > 1e-2 * fabs(found - wanted); /* of a smooth function it goes to 0 with h */
    }
    best.kink = one_sided;
    return best;
}

static PlaitDifference compare_input(Comparison *comparison, uint32_t number, const PlaitArray *gradient,
                                     double *direction)
{
    PlaitArray *input = &comparison->inputs[number];
    PlaitDifference difference = {.input = number};
    double squares = 0;
    for (int64_t k = 0; k < gradient->count; k++) squares += gradient->data[k] * gradient->data[k];
    for (uint32_t i = 0; i < PLAIT_DIFFERENCE_DIRECTIONS && gradient->count; i++) {
        Direction along = {INFINITY, true};
        for (uint32_t draw = 0; draw < PLAIT_DIFFERENCE_DRAWS && !(along.error <= PLAIT_DIFFERENCE_LIMIT); draw++) {
            double wanted = 0;
            for (int64_t k = 0; k < gradient->count; k++) {
                direction[k] = plait_random_normal(&comparison->random);
                wanted += gradient->data[k] * direction[k];
            }
            along = compare_along(comparison, input, direction, wanted, sqrt(squares));
        }
        bool kink = along.kink && !(along.error <= PLAIT_DIFFERENCE_LIMIT);
        difference.kinks += kink;
        if (!kink && along.error > difference.error) difference.error = along.error;
    }
    return difference;
}

static bool compare_inputs(Comparison *comparison, PlaitDifference *differences, uint32_t *count)
{
    const PlaitFunction *forward = comparison->forward;
    bool good = true;
    *count = 0;
    for (uint32_t i = 0; i < forward->params.count && good; i++) {
        if (!is_real(plait_type_of(forward, forward->params.data[i]))) continue;
        double *direction = malloc(((size_t)comparison->inputs[i].count + 1) * sizeof *direction);
        good = direction != NULL;
        if (good) differences[*count] = compare_input(comparison, i, &comparison->gradients[*count], direction);
        free(direction);
        (*count)++;
    }
    return good;
}

static void set_backward_extents(Comparison *comparison)
{
    const PlaitFunction *forward = comparison->forward, *backward = comparison->backward;
    for (uint32_t i = 0; i < backward->axes.count; i++)
        comparison->backward_extents[i] = i < forward->axes.count ? comparison->extents[i] : 0;
    plait_extents_complete(backward, comparison->backward_extents);
}

static bool compare(Comparison *comparison, PlaitDifference *differences, uint32_t *count)
{
    const PlaitFunction *backward = comparison->backward;
    set_backward_extents(comparison);
    move_a_little(comparison);
    if (!draw_weights(comparison)) return false;
    if (!plait_interpret(backward, comparison->backward_extents, comparison->inputs, comparison->gradients, FOLD_BLOCK))
        return false;
    bool good = compare_inputs(comparison, differences, count);
    plait_arrays_free(comparison->gradients, backward->outputs.count);
    return good;
}

bool plait_gradients_compare(const PlaitFunction *forward, const PlaitFunction *backward, const int64_t *extents,
                             PlaitArray *inputs, uint64_t seed, PlaitDifference *differences, uint32_t *count)
{
    uint32_t own = forward->params.count, all = backward->params.count;
    Comparison comparison = {.forward = forward,
                             .backward = backward,
                             .extents = extents,
                             .backward_extents = calloc(backward->axes.count + 1, sizeof(int64_t)),
                             .inputs = calloc(all + 1, sizeof(PlaitArray)),
                             .outputs = calloc(forward->outputs.count + 1, sizeof(PlaitArray)),
                             .gradients = calloc(backward->outputs.count + 1, sizeof(PlaitArray)),
                             .random = plait_random(seed, 1u << 20)};
    bool good = comparison.backward_extents && comparison.inputs && comparison.outputs && comparison.gradients;
    if (good) {
        memcpy(comparison.inputs, inputs, own * sizeof *inputs);
        good = compare(&comparison, differences, count);
        plait_arrays_free(comparison.inputs + own, all - own);
    }
    free(comparison.backward_extents);
    free(comparison.inputs);
    free(comparison.outputs);
    free(comparison.gradients);
    return good;
}
