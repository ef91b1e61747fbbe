/* What a library holds, brought together from the Tile IR of its targets: package_plan.c makes it, package_tables.c
 * writes it. */
#ifndef PLAIT_CODEGEN_PACKAGE_H
#define PLAIT_CODEGEN_PACKAGE_H

#include "codegen/codegen.h"

typedef struct PlaitPackageKernel {
    const PlaitFunction *function;
    const char *symbol; /* CPU: without the level; GPU: the entry, no dots */
    PlaitSlots slots;
    uint16_t *tensors; /* by tensor of the kernel: tensor of the variant */
    uint16_t *axes;    /* by axis of the kernel: axis of the variant */
} PlaitPackageKernel;

typedef struct PlaitPackageTarget {
    uint32_t file; /* index into options.kernels */
    PLAIT_VECTOR(PlaitPackageKernel) kernels;
} PlaitPackageTarget;

/* One signature. Its axes are those of the signature, then those that only workspaces or kernels have. */
typedef struct PlaitPackageVariant {
    PlaitName name;
    PLAIT_VECTOR(PlaitAxisInfo) axes;
    PLAIT_VECTOR(PlaitTensorInfo) tensors; /* inputs, outputs, workspaces of all targets; types index `axes` */
    uint32_t argument_count;
    PLAIT_VECTOR(PlaitPackageTarget) targets;
} PlaitPackageVariant;

typedef struct PlaitPackageOperator {
    const char *name;
    PLAIT_VECTOR(PlaitPackageVariant *) variants;
} PlaitPackageOperator;

typedef struct PlaitPackagePlan {
    PLAIT_VECTOR(PlaitPackageOperator) operators;
} PlaitPackagePlan;

/* `modules` in the order of options.kernels. False after a message when they do not fit together. */
bool plait_package_plan(PlaitCodegen *codegen, PlaitModule *const *modules, PlaitPackagePlan *plan);

/* The bytes of an image, in the order of options.images; length 0: not there. */
typedef struct PlaitPackageImage {
    const PlaitTarget *target;
    PlaitText cubin, ptx, late;
} PlaitPackageImage;

void plait_package_emit(PlaitCodegen *codegen, PlaitEmit *emit, const PlaitPackagePlan *plan,
                        const PlaitPackageImage *images);

#endif
