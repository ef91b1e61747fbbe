/* The pass `layout`: how the tiles of a GPU kernel lie over its threads.
 *
 * Before it a kernel's values have no layout and `threads` has no meaning; after it every value with axes has a
 * layout and `threads` is the number of threads of a program (32 to 512). It is for kernels of GPU targets only.
 */
#ifndef PLAIT_PASSES_TILE_LAYOUT_H
#define PLAIT_PASSES_TILE_LAYOUT_H

#include "ir/ir.h"

/* Returns whether the kernel changed. Layouts that it had are chosen anew. */
bool plait_pass_layout(PlaitFunction *kernel);

#endif
