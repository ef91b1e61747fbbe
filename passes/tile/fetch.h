/* Inside the pass `copy`: programs that each prepare a block of tokens. */
#ifndef PLAIT_PASSES_TILE_FETCH_H
#define PLAIT_PASSES_TILE_FETCH_H

#include "ir/ir.h"

/* Rewrites loads of tiles as copies that are read element by element; whether there were any. */
bool plait_fetch_tiles(PlaitFunction *kernel);

#endif
