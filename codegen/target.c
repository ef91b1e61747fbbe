/* The tables of targets and of x86-64 levels, made from targets.def and isas.def. */
#include "codegen/emit.h"

#include <string.h>

const PlaitTarget plait_targets[] = {
#define TARGET(id, name, kind, cpu, features, architecture, exact, meaning)                                            \
    {name, PLAIT_TARGET_##kind, cpu, features, architecture, exact, meaning},
#include "codegen/targets.def"
#undef TARGET
    {0},
};

const PlaitIsa plait_isas[PLAIT_ISA_COUNT] = {
#define ISA(id, suffix, cpu, features, bytes) {suffix, cpu, features, bytes},
#include "codegen/isas.def"
#undef ISA
};

const PlaitTarget *plait_target_by_name(const char *name)
{
    for (const PlaitTarget *target = plait_targets; target->name; target++) {
        if (strcmp(target->name, name) == 0) return target;
    }
    return NULL;
}
