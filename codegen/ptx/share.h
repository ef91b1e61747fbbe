/* Places in shared memory for programs that each prepare a block. */
#ifndef PLAIT_CODEGEN_PTX_SHARE_H
#define PLAIT_CODEGEN_PTX_SHARE_H

#include "codegen/ptx/ptx.h"

/* Fills `kept_at`, as plait_ptx_plan does, and the scratch. `manners`: by value, how products want it staged (3: in two
 * ways, so that it cannot stay). False: what has to stay does not fit, even with nothing fetched. */
bool plait_ptx_share(const PlaitFunction *kernel, const uint8_t *manners, PlaitPtxScratch *scratch, uint32_t *kept_at);

#endif
