/* Inside the PTX code generator: copies made by the copy engine (maps.c says which; copies.c and roles.c emit them). */
#ifndef PLAIT_CODEGEN_PTX_MAPS_H
#define PLAIT_CODEGEN_PTX_MAPS_H

#include "codegen/ptx/access.h"
#include "codegen/ptx/loop.h"
#include "codegen/ptx/matrix.h"

/* Threads that copy: one group of four warps, of which one thread works, so that the others' registers are free for
 * those that compute. */
enum { PLAIT_PTX_COPY_THREADS = 128 };

/* A copy and its place in shared memory. */
typedef struct PlaitPtxMap {
    PlaitValue copy, tensor;
    uint32_t byte, bytes;      /* of the first tile of its ring; of a tile */
    uint32_t stages;           /* tiles of the ring */
    uint32_t barrier;          /* byte of its barriers */
    uint32_t chunks, box_rows; /* a tile is moved as that many boxes of 64 elements and so many rows */
    uint32_t rows_index;       /* the tensor's axis along which the rows go */
    uint32_t parameter;        /* number of its tensor map */
    bool follows;              /* it uses the ring of a copy in an earlier loop */
} PlaitPtxMap;

typedef struct PlaitPtxMaps {
    PlaitPtxMap *data;
    uint32_t count, parameters;
    uint32_t bytes; /* of shared memory in all */
    bool one_half;  /* there is no room for two halves of scratch */
} PlaitPtxMaps;

/* False when the kernel has no such version on the target. */
bool plait_ptx_maps(const PlaitFunction *kernel, const PlaitTarget *target, PlaitPtxMaps *maps);
/* Of a kernel that has it: whether the ordinary version is late (emit.h). */
bool plait_ptx_is_late(const PlaitFunction *kernel, const PlaitSlots *slots);
uint32_t plait_ptx_maps_threads(const PlaitFunction *kernel);
const PlaitPtxMap *plait_ptx_map_of(const PlaitPtxMaps *maps, PlaitValue copy); /* NULL: none */

/* ---- copies.c ---- */
void plait_ptx_init_barriers(PlaitPtx *ptx);
void plait_ptx_copy_issue(PlaitPtx *ptx, PlaitValue copy);
void plait_ptx_copy_wait(PlaitPtx *ptx, PlaitValue copy);
/* After `product`: tiles of rings that no later product reads may be filled again. */
void plait_ptx_copies_release(PlaitPtx *ptx, PlaitValue product);
/* After `convert`, which reads elements of a copy, as much: where nothing reads the tile later in its turn. */
void plait_ptx_copies_release_read(PlaitPtx *ptx, PlaitValue convert);
/* Bytes from the first tile of its ring to the present one (i32); NULL: there is only one. */
LLVMValueRef plait_ptx_copy_offset(PlaitPtx *ptx, PlaitValue copy);

/* ---- copy_loop.c: copies by the threads that compute ---- */
/* A tile that is moved, and where it stands then. */
typedef struct PlaitPtxTile {
    PlaitValue copy;
    PlaitAxis inner;        /* neighbours in shared memory lie along this axis */
    uint32_t byte;          /* of shared memory */
    uint32_t units, in_row; /* of 16 bytes: of the tile, of a row */
    uint32_t swizzled_rows; /* of a tile as the matrix units read it; 0: of another */
    uint32_t pitch;         /* then: bytes from row to row */
} PlaitPtxTile;
/* `may_go_on`: without waiting for what it moves, where memory is contiguous and aligned; in one cp.async group. */
void plait_ptx_move_tile(PlaitPtx *ptx, const PlaitPtxTile *tile, bool may_go_on);
bool plait_ptx_can_copy_in_loop(const PlaitPtx *ptx, PlaitValue copy);
void plait_ptx_copy_in_loop(PlaitPtx *ptx, const PlaitPtxStage *stage, uint32_t byte);

/* ---- fetch.c: tiles whose elements are read ---- */
/* Copies that are fetched when the kernel starts, those among them that have a place in shared memory: */
void plait_ptx_fetch(PlaitPtx *ptx, PlaitValue copy);      /* starts one */
void plait_ptx_fetch_wait(PlaitPtx *ptx, PlaitValue copy); /* until it is there, for all threads */
/* `value`: a `convert` of a copy that was fetched, or is the copy engine's. */
void plait_ptx_read_fetched(PlaitPtx *ptx, PlaitValue value, PlaitValue copy);
/* The byte of an element of a tile that is not swizzled, from its start; i32. */
LLVMValueRef plait_ptx_line_offset(PlaitPtx *ptx, LLVMBuilderRef b, const PlaitPtxTile *tile, LLVMValueRef row,
                                   LLVMValueRef column);
/* Whether some `convert` reads the copy; where it then stands, if it has 16 bits (`bytes` 0: it has not). */
bool plait_ptx_is_read_by_element(const PlaitFunction *kernel, PlaitValue copy);
PlaitPtxStage plait_ptx_fetch_stage(const PlaitFunction *kernel, PlaitValue copy);

/* ---- flight.c: products that go on into the next turn of a loop ---- */
/* At the start of a turn: chooses the product, if there is one. */
void plait_ptx_flight_begin(PlaitPtx *ptx, PlaitPtxLoop *loop);
/* After a wait for all products: what flew from the turn before is there. */
void plait_ptx_flight_land(PlaitPtx *ptx);
/* At the end of a turn, before its carries are closed; after the loop. */
void plait_ptx_flight_close(PlaitPtx *ptx, PlaitPtxLoop *loop);
void plait_ptx_flight_end(PlaitPtx *ptx, PlaitPtxLoop *loop);
/* As plait_ptx_copies_release, for the tile of the turn before, where `condition` (i1) holds. */
void plait_ptx_copies_release_before(PlaitPtx *ptx, PlaitValue product, LLVMValueRef condition);

/* ---- roles.c ---- */
void plait_ptx_emit_roles(PlaitPtx *ptx);

#endif
