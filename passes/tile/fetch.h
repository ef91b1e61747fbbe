/* Inside the pass `copy`: tiles that other operations than products read. */
#ifndef PLAIT_PASSES_TILE_FETCH_H
#define PLAIT_PASSES_TILE_FETCH_H

#include "ir/ir.h"

/* Programs that each prepare a block of tokens: rewrites loads of tiles as copies that are fetched when the program
 * starts; whether there were any. */
bool plait_fetch_tiles(PlaitFunction *kernel);
/* A loop whose products read copies, `tiles` of each on the way: other loads of tiles as copies, where all their tiles
 * fit into `room` bytes. */
void plait_fetch_in_loop(PlaitFunction *kernel, int64_t tiles, uint64_t room);

/* Bytes of the tile in shared memory, as the matrix units read it: rows of 64 elements (copy.c). */
uint64_t plait_copied_bytes(const PlaitFunction *kernel, PlaitValue value);

#endif
