/* Asks the processor with cpuid and the operating system with xgetbv: a level counts only when the system saves its
 * registers too. The compiler's own __builtin_cpu_supports is not used: it needs libgcc, and its table of levels
 * depends on the compiler's version. */
#define _DEFAULT_SOURCE /* syscall */
#include "runtime/isa.h"

#include <cpuid.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { V2, V3, V4, AMX };

/* Bits of the registers that the levels need, after the psABI's table of micro-architecture levels. */
enum {
    V2_LEAF1_ECX = 1 << 0 /* SSE3 */ | 1 << 9 /* SSSE3 */ | 1 << 13 /* CMPXCHG16B */ | 1 << 19 /* SSE4.1 */ |
                   1 << 20 /* SSE4.2 */ | 1 << 23 /* POPCNT */,
    V2_EXTENDED_ECX = 1 << 0 /* LAHF */,
    V3_LEAF1_ECX =
        1 << 12 /* FMA */ | 1 << 22 /* MOVBE */ | 1 << 27 /* OSXSAVE */ | 1 << 28 /* AVX */ | 1 << 29 /* F16C */,
    V3_LEAF7_EBX = 1 << 3 /* BMI1 */ | 1 << 5 /* AVX2 */ | 1 << 8 /* BMI2 */,
    V3_EXTENDED_ECX = 1 << 5 /* LZCNT */,
    V4_LEAF7_EBX = 1 << 16 /* AVX512F */ | 1 << 17 /* DQ */ | 1 << 28 /* CD */ | 1 << 30 /* BW */,
    AMX_LEAF7_EDX = 1 << 22 /* AMX-BF16 */ | 1 << 24 /* AMX-TILE */,
    AVX512_BF16 = 1 << 5, /* leaf 7.1, EAX */
    AMX_STATE = 3 << 17,  /* configuration and data of tiles */
    V3_STATE = 0x6,       /* XMM, YMM */
    V4_STATE = 0xE6       /* and mask registers, upper halves of ZMM, ZMM 16 to 31 */
};
static const unsigned V4_LEAF7_EBX_TOP = 1u << 31; /* AVX512VL; no int */

static int has(unsigned value, unsigned bits) { return (value & bits) == bits; }

static unsigned saved_state(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int machine_level(void)
{
    unsigned a, b, leaf1 = 0, leaf7 = 0, leaf7_1 = 0, leaf7_edx = 0, extended = 0, d;
    if (!__get_cpuid(1, &a, &b, &leaf1, &d) || !__get_cpuid(0x80000001u, &a, &b, &extended, &d)) return -1;
    if (!has(leaf1, V2_LEAF1_ECX) || !has(extended, V2_EXTENDED_ECX)) return -1;
    unsigned c;
    if (!__get_cpuid_count(7, 0, &a, &leaf7, &c, &leaf7_edx)) return V2;
    if (!has(leaf1, V3_LEAF1_ECX) || !has(leaf7, V3_LEAF7_EBX) || !has(extended, V3_EXTENDED_ECX)) return V2;
    unsigned state = saved_state(); /* allowed: OSXSAVE is among the bits above */
    if (!has(state, V3_STATE)) return V2;
    if (!has(leaf7, V4_LEAF7_EBX | V4_LEAF7_EBX_TOP) || !has(state, V4_STATE)) return V3;
    if (!__get_cpuid_count(7, 1, &leaf7_1, &b, &c, &d)) return V4;
    return has(leaf7_edx, AMX_LEAF7_EDX) && has(leaf7_1, AVX512_BF16) && has(state, AMX_STATE) ? AMX : V4;
}

int plait_isa_lower(int machine, const char *wanted)
{
    static const char *const names[] = {"v2", "v3", "v4", "amx"};
    for (int level = V2; wanted && level <= AMX; level++)
        if (strcmp(wanted, names[level]) == 0 && level < machine) return level;
    return machine;
}

int plait_isa_level(void)
{
    /* Plus 2, so that 0 is "not asked yet". Threads that ask at once find the same. */
    static atomic_int known;
    int level = atomic_load_explicit(&known, memory_order_relaxed) - 2;
    if (level < -1) {
        level = plait_isa_lower(machine_level(), getenv("PLAIT_ISA"));
        atomic_store_explicit(&known, level + 2, memory_order_relaxed);
    }
    return level;
}

/* Linux saves the registers of tiles for processes that asked: they are 8 KiB a thread, and stacks of signals must have
 * room for them. */
bool plait_isa_may_use_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    static atomic_int known; /* 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (!answer) {
        answer = syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}

const char *plait_isa_text(int level)
{
    static const char *const texts[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4", "x86-64-v4 with AMX"};
    return level >= V2 && level <= AMX ? texts[level] : "x86-64";
}
