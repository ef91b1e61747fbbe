/* The plan of a CPU kernel: what is decided before any LLVM IR is written, the same for all levels of x86-64.
 *
 * Every instruction of the kernel becomes a node (same number; a few synthetic ones follow). A node is
 *   scalar   rank 0: an SSA value, emitted once, before the group at its `place`;
 *   virtual  a cheap tile (constants, positions, a few additions): computed again wherever it is used;
 *   real     a tile that is computed once, in the group at its `place`; it goes to a buffer only when another group
 * reads it; leaf     a tile that lies in a buffer from outside of the region's groups: a carry of `for`, a result of
 * `for`.
 *
 * A group is one loop nest over the union `axes` of its members' axes, or one `for`. The axes that its reductions sum
 * over are `reduced`: their loops are the inner ones. A member is computed in phase 0, at every point of the nest, or
 * in phase 1, once for every point of the kept axes, when the reductions of the nest are done. Groups of a region run
 * in order.
 *
 * All axes of the kernel have one order of importance (order.c). The most important axis of a nest is its vector axis,
 * and buffers have the most important axis innermost: so values agree on their layout and nothing but loads, stores and
 * odd dots transposes.
 */
#ifndef PLAIT_CODEGEN_CPU_PLAN_H
#define PLAIT_CODEGEN_CPU_PLAN_H

#include "ir/ir.h"

typedef uint32_t PlaitCpuId;   /* a node; 0: none */
typedef uint64_t PlaitAxisSet; /* bit a: axis a of the kernel */

enum {
    PLAIT_CPU_COPY = PLAIT_OP_COUNT, /* synthetic: writes operand 0 to the buffers in `targets` */
    PLAIT_CPU_MAX_AXES = 64,
    PLAIT_CPU_ROW =
        16, /* the innermost axis of a buffer is padded to a multiple of this many elements: no vector has more */
};

typedef enum PlaitCpuKind {
    PLAIT_CPU_SCALAR,
    PLAIT_CPU_VIRTUAL,
    PLAIT_CPU_REAL,
    PLAIT_CPU_LEAF,
    PLAIT_CPU_NOTHING
} PlaitCpuKind;

typedef PLAIT_VECTOR(uint32_t) PlaitCpuList;

typedef struct PlaitCpuNode {
    uint32_t op;           /* PlaitOp or PLAIT_CPU_COPY */
    const PlaitInst *inst; /* attributes; NULL when synthetic */
    const PlaitRegion *region;
    PlaitScalar scalar;
    PlaitCpuId *operands;
    uint32_t operand_count;
    PlaitAxisSet axes;    /* of the result */
    PlaitAxisSet space;   /* of the points at which it is computed: its own axes and its operands' */
    PlaitAxisSet reduced; /* space without axes, of a reduction or dot */
    PlaitCpuKind kind;
    uint32_t cost;       /* of computing it again where it is used; see graph.c */
    bool touches_memory; /* computing it again reads a buffer */
    uint32_t place, phase;
    uint32_t uses;
    PlaitAxis inner; /* innermost axis of its buffer when that is not the most important one (packing for a dot), or
                        PLAIT_NO_AXIS */
    uint32_t buffer; /* where other groups find it; 0: nowhere */
    PlaitCpuList targets; /* all buffers that its value is written to */
} PlaitCpuNode;

typedef struct PlaitCpuBuffer {
    PlaitScalar scalar;
    uint32_t rank;
    PlaitAxis axes[PLAIT_MAX_RANK];   /* outermost first */
    uint32_t strides[PLAIT_MAX_RANK]; /* in elements */
    uint64_t count;                   /* elements, a multiple of PLAIT_CPU_ROW */
    bool cleared;                     /* has padding: zeroed at the start, so that no lane is ever without a value */
} PlaitCpuBuffer;

typedef struct PlaitCpuGroup {
    PlaitCpuId loop; /* the `for`; 0: a nest */
    PlaitAxisSet axes, reduced;
    PlaitAxis vector;     /* PLAIT_NO_AXIS when the nest has no axis */
    bool closed;          /* takes no further members in phase 0 */
    PlaitCpuList members; /* real nodes, in program order */
} PlaitCpuGroup;

typedef struct PlaitCpuPlan {
    const PlaitRegion *region;
    PLAIT_VECTOR(PlaitCpuGroup) groups;
    PlaitCpuList scalars; /* scalar nodes in program order */
} PlaitCpuPlan;

typedef struct PlaitCpuKernel {
    PlaitArena *arena;
    const PlaitFunction *function;
    bool tiles;                           /* plan for a machine with matrix units (matrix.h) */
    PLAIT_VECTOR(PlaitCpuNode) nodes;     /* data[0] is unused */
    PLAIT_VECTOR(PlaitCpuBuffer) buffers; /* data[0] is unused */
    PLAIT_VECTOR(PlaitCpuPlan *) plans;   /* one for each region */
    uint32_t *importance;                 /* by axis: higher is inner */
    PlaitCpuId *carry_buffers;            /* by node: of a `for`, the index of its first carry's buffer in `carries` */
    PlaitCpuList carries;                 /* buffers of the carries of all `for`, in order; 0 for scalar carries */
    bool *hazard;         /* by node of a tensor: it is loaded and stored, so its accesses keep their order */
    uint64_t stack_bytes; /* of all buffers; stays beyond PLAIT_CPU_MOST_STACK once it is */
} PlaitCpuKernel;

/* Buffers stand on the stack of the thread that runs the kernel: half of what a thread usually has (runtime/pool.c). */
enum { PLAIT_CPU_MOST_STACK = 4 << 20 };

static inline PlaitCpuNode *plait_cpu_node(const PlaitCpuKernel *kernel, PlaitCpuId id)
{
    return &kernel->nodes.data[id];
}
static inline PlaitAxisSet plait_axis_bit(PlaitAxis axis) { return (PlaitAxisSet)1 << axis; }
static inline uint32_t plait_cpu_tile(const PlaitCpuKernel *kernel, PlaitAxis axis)
{
    return kernel->function->axes.data[axis].tile;
}
static inline bool plait_cpu_is_reduce(uint32_t op) { return op >= PLAIT_OP_REDUCE_SUM && op <= PLAIT_OP_REDUCE_MIN; }
static inline bool plait_cpu_is_accumulation(uint32_t op) { return op == PLAIT_OP_DOT || plait_cpu_is_reduce(op); }

/* The most important axis of a set; PLAIT_NO_AXIS of an empty one. */
PlaitAxis plait_cpu_top(const PlaitCpuKernel *kernel, PlaitAxisSet axes);
/* Axes of the set into `axes`, least important first; returns how many. */
uint32_t plait_cpu_sorted(const PlaitCpuKernel *kernel, PlaitAxisSet axes, PlaitAxis *sorted);
PlaitCpuPlan *plait_cpu_plan_of(const PlaitCpuKernel *kernel, const PlaitRegion *region);
/* A buffer for a tile; `inner`: the innermost axis, PLAIT_NO_AXIS for the most important one. */
uint32_t plait_cpu_buffer_add(PlaitCpuKernel *kernel, PlaitScalar scalar, PlaitAxisSet axes, PlaitAxis inner);

/* The steps, in order. */
void plait_cpu_graph_build(PlaitCpuKernel *kernel);  /* graph.c: nodes */
void plait_cpu_order_choose(PlaitCpuKernel *kernel); /* order.c: importance of the axes */
void plait_cpu_kinds_choose(PlaitCpuKernel *kernel); /* graph.c: virtual or real, packing of dots' operands */
void plait_cpu_cluster(PlaitCpuKernel *kernel);      /* cluster.c: groups, buffers */

/* Synthetic nodes. */
PlaitCpuId plait_cpu_node_add(PlaitCpuKernel *kernel, PlaitCpuNode node, PlaitCpuId operand);

/* Calls visit for every real, leaf and scalar node that computing `id` reads directly, or through virtual nodes. */
void plait_cpu_reads(const PlaitCpuKernel *kernel, PlaitCpuId id, void (*visit)(void *context, PlaitCpuId read),
                     void *context);

#endif
