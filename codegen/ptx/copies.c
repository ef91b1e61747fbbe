/* Copies by the copy engine: the instructions of the thread that starts them and of those that wait for them.
 *
 * A ring has two barriers a tile: `full`, which the engine completes when all bytes have come, and `free`, at which
 * each group of four computing warps arrives when it has read the tile. Barriers count phases; a wait names the phase's
 * parity. Tile number n of a loop stands at n mod stages, its phase is n / stages.
 */
#include "codegen/ptx/maps.h"

enum { GROUP_THREADS = 128 };

static LLVMTypeRef nothing(const PlaitPtx *ptx) { return LLVMVoidTypeInContext(ptx->emit->context); }

/* The address of a byte of shared memory as 32 bits; `moving` may be NULL. */
static LLVMValueRef address_of(PlaitPtx *ptx, uint32_t byte, LLVMValueRef moving)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef address = LLVMBuildPtrToInt(b, ptx->shared, LLVMInt32TypeInContext(ptx->emit->context), "");
    address = LLVMBuildAdd(b, address, plait_ptx_int32(ptx, byte), "");
    return moving ? LLVMBuildAdd(b, address, moving, "") : address;
}

static bool is_ring(const PlaitPtx *ptx, const PlaitPtxMap *map)
{
    return plait_inst(ptx->kernel, map->copy)->region->parent != NULL;
}

static LLVMValueRef barrier_of(PlaitPtx *ptx, const PlaitPtxMap *map, bool full)
{
    LLVMValueRef moving = NULL;
    if (is_ring(ptx, map)) moving = LLVMBuildMul(ptx->emit->builder, ptx->ring_tile, plait_ptx_int32(ptx, 8), "");
    return address_of(ptx, map->barrier + (full ? 0 : 8 * map->stages), moving);
}

static void wait_for(PlaitPtx *ptx, LLVMValueRef barrier, LLVMValueRef parity)
{
    plait_ptx_asm(ptx, nothing(ptx),
                  "{ .reg .pred p; again: mbarrier.try_wait.parity.shared::cta.b64 p, [$0], $1; @!p bra again; }",
                  "r,r,~{memory}", (LLVMValueRef[]){barrier, parity}, 2);
}

void plait_ptx_init_barriers(PlaitPtx *ptx)
{
    for (uint32_t i = 0; i < ptx->maps->count; i++) {
        const PlaitPtxMap *map = &ptx->maps->data[i];
        if (map->follows) continue;
        for (uint32_t k = 0; k < 2 * map->stages; k++) {
            uint32_t arrivals = k < map->stages ? 1 : ptx->kernel->threads / GROUP_THREADS;
            LLVMValueRef operands[] = {address_of(ptx, map->barrier + 8 * k, NULL), plait_ptx_int32(ptx, arrivals)};
            plait_ptx_asm(ptx, nothing(ptx), "mbarrier.init.shared::cta.b64 [$0], $1;", "r,r,~{memory}", operands, 2);
        }
    }
    plait_ptx_asm(ptx, nothing(ptx), "fence.mbarrier_init.release.cluster;", "~{memory}", NULL, 0);
}

LLVMValueRef plait_ptx_copy_offset(PlaitPtx *ptx, PlaitValue copy)
{
    const PlaitPtxMap *map = plait_ptx_map_of(ptx->maps, copy);
    return is_ring(ptx, map) ? LLVMBuildMul(ptx->emit->builder, ptx->ring_tile, plait_ptx_int32(ptx, map->bytes), "")
                             : NULL;
}

/* Moves one box; coordinates go from the innermost axis outwards. */
static void move_box(PlaitPtx *ptx, const PlaitPtxMap *map, uint32_t chunk, LLVMValueRef barrier)
{
    LLVMBuilderRef b = ptx->emit->builder;
    PlaitPtxAccess access = plait_ptx_access(ptx->kernel, map->copy);
    LLVMValueRef operands[8];
    uint32_t byte = map->byte + chunk * map->box_rows * PLAIT_PTX_ROW_BYTES, count = 0;
    operands[count++] = address_of(ptx, byte, plait_ptx_copy_offset(ptx, map->copy));
    operands[count++] = LLVMGetParam(ptx->emit->function, 1 + map->parameter);
    operands[count++] = barrier;
    for (uint32_t i = access.rank; i-- > 0;) {
        LLVMValueRef start = plait_type_of(ptx->kernel, access.indices[i].value).rank
                                 ? plait_ptx_unit_start(ptx, access.indices[i].value)
                                 : ptx->values[access.indices[i].value][0];
        if (!start) start = plait_ptx_int32(ptx, 0);
        if (i + 1 == access.rank && chunk)
            start = LLVMBuildAdd(b, start, plait_ptx_int32(ptx, chunk * PLAIT_PTX_CHUNK), "");
        operands[count++] = start;
    }
    PlaitText text = plait_text(ptx->emit->arena), constraints = plait_text(ptx->emit->arena);
    plait_text_printf(&text,
                      "cp.async.bulk.tensor.%ud.shared::cluster.global.mbarrier::complete_tx::bytes [$0], [$1, {",
                      access.rank);
    plait_text_add(&constraints, "r,l,r");
    for (uint32_t i = 0; i < access.rank; i++) {
        plait_text_printf(&text, "%s$%u", i ? ", " : "", i + 3);
        plait_text_add(&constraints, ",r");
    }
    plait_text_add(&text, "}], [$2];");
    plait_text_add(&constraints, ",~{memory}");
    plait_ptx_asm(ptx, nothing(ptx), text.data, constraints.data, operands, count);
}

void plait_ptx_copy_issue(PlaitPtx *ptx, PlaitValue copy)
{
    const PlaitPtxMap *map = plait_ptx_map_of(ptx->maps, copy);
    if (is_ring(ptx, map)) { /* the first turn finds every tile free */
        LLVMValueRef before = LLVMBuildXor(ptx->emit->builder, ptx->ring_parity, plait_ptx_int32(ptx, 1), "");
        wait_for(ptx, barrier_of(ptx, map, false), before);
    }
    LLVMValueRef barrier = barrier_of(ptx, map, true);
    LLVMValueRef operands[] = {barrier, plait_ptx_int32(ptx, map->bytes)};
    plait_ptx_asm(ptx, nothing(ptx), "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r,~{memory}",
                  operands, 2);
    for (uint32_t chunk = 0; chunk < map->chunks; chunk++) move_box(ptx, map, chunk, barrier);
}

void plait_ptx_copy_wait(PlaitPtx *ptx, PlaitValue copy)
{
    const PlaitPtxMap *map = plait_ptx_map_of(ptx->maps, copy);
    if (ptx->kept_done[copy]) return;
    ptx->kept_done[copy] = true;
    wait_for(ptx, barrier_of(ptx, map, true), is_ring(ptx, map) ? ptx->ring_parity : plait_ptx_int32(ptx, 0));
}

/* Whether a product, or a `convert`, after `value` in its region reads the copy. */
static bool is_read_later(const PlaitFunction *kernel, PlaitValue value, PlaitValue copy)
{
    const PlaitValues *body = &plait_inst(kernel, value)->region->body;
    uint32_t at = 0;
    while (body->data[at] != value) at++;
    for (at++; at < body->count; at++) {
        const PlaitInst *inst = plait_inst(kernel, body->data[at]);
        if (inst->op == PLAIT_OP_DOT && (inst->operands[0] == copy || inst->operands[1] == copy)) return true;
        if (inst->op == PLAIT_OP_CONVERT && inst->operands[0] == copy) return true;
    }
    return false;
}

/* Arrives at a barrier, one thread for each group of four warps, where `condition` (i1; NULL: always) holds. */
static void arrive(PlaitPtx *ptx, LLVMValueRef barrier, LLVMValueRef condition)
{
    LLVMBuilderRef b = ptx->emit->builder;
    LLVMValueRef lane = LLVMBuildAnd(b, ptx->thread, plait_ptx_int32(ptx, GROUP_THREADS - 1), "");
    LLVMValueRef first = LLVMBuildICmp(b, LLVMIntEQ, lane, plait_ptx_int32(ptx, 0), "");
    LLVMValueRef operands[] = {plait_ptx_both(ptx, first, condition), barrier};
    plait_ptx_asm(ptx, nothing(ptx), "@$0 mbarrier.arrive.shared::cta.b64 _, [$1];", "b,r,~{memory}", operands, 2);
}

/* The copies of rings that `product` is the last to read in its turn: at most two. */
static uint32_t last_read(PlaitPtx *ptx, PlaitValue product, const PlaitPtxMap *maps[2])
{
    const PlaitInst *inst = plait_inst(ptx->kernel, product);
    uint32_t count = 0;
    for (uint32_t side = 0; side < 2; side++) {
        const PlaitPtxMap *map = plait_ptx_map_of(ptx->maps, inst->operands[side]);
        bool twice = side == 1 && inst->operands[1] == inst->operands[0];
        if (map && !twice && is_ring(ptx, map) && !is_read_later(ptx->kernel, product, map->copy)) maps[count++] = map;
    }
    return count;
}

void plait_ptx_copies_release(PlaitPtx *ptx, PlaitValue product)
{
    const PlaitPtxMap *maps[2];
    uint32_t count = last_read(ptx, product, maps);
    for (uint32_t i = 0; i < count; i++) arrive(ptx, barrier_of(ptx, maps[i], false), NULL);
}

void plait_ptx_copies_release_read(PlaitPtx *ptx, PlaitValue convert)
{
    PlaitValue copy = plait_inst(ptx->kernel, convert)->operands[0];
    const PlaitPtxMap *map = plait_ptx_map_of(ptx->maps, copy);
    if (!is_ring(ptx, map) || is_read_later(ptx->kernel, convert, copy)) return;
    plait_ptx_barrier(ptx); /* all warps have read */
    arrive(ptx, barrier_of(ptx, map, false), NULL);
}

void plait_ptx_copies_release_before(PlaitPtx *ptx, PlaitValue product, LLVMValueRef condition)
{
    LLVMBuilderRef b = ptx->emit->builder;
    const PlaitPtxMap *maps[2];
    uint32_t count = last_read(ptx, product, maps);
    for (uint32_t i = 0; i < count; i++) {
        LLVMValueRef first = LLVMBuildICmp(b, LLVMIntEQ, ptx->ring_tile, plait_ptx_int32(ptx, 0), "");
        LLVMValueRef before = LLVMBuildSub(b, ptx->ring_tile, plait_ptx_int32(ptx, 1), "");
        before = LLVMBuildSelect(b, first, plait_ptx_int32(ptx, maps[i]->stages - 1), before, "");
        LLVMValueRef moving = LLVMBuildMul(b, before, plait_ptx_int32(ptx, 8), "");
        arrive(ptx, address_of(ptx, maps[i]->barrier + 8 * maps[i]->stages, moving), condition);
    }
}
