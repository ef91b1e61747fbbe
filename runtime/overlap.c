/* Outputs lie apart from every other argument. Judged by ranges of addresses: two views that interleave without
 * sharing an element are refused too, which is cheap, and documented in plait.h. */
#include "runtime/call.h"

static bool overlap(const PlaitView *a, const PlaitView *b) { return a->first < b->end && b->first < a->end; }

PlaitStatus plait_call_check_overlap(const PlaitCall *call)
{
    const PlaitVariantDescriptor *variant = call->variant;
    for (uint32_t i = 0; i < variant->argument_count; i++) {
        if (variant->tensors[i].kind != PLAIT_VIEW_OUTPUT) continue;
        for (uint32_t j = 0; j < variant->argument_count; j++) {
            bool told = j > i && variant->tensors[j].kind == PLAIT_VIEW_OUTPUT; /* the later output is blamed */
            if (j == i || told || !overlap(&call->views[i], &call->views[j])) continue;
            return plait_fail_argument(PLAIT_STATUS_OVERLAP, i, variant->tensors[i].name,
                                       "shares memory with argument %u `%s`; an output must be apart from all others",
                                       j + 1, variant->tensors[j].name);
        }
    }
    return PLAIT_STATUS_OK;
}
