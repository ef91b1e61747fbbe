/* Which level of x86-64 the code may use. */
#ifndef PLAIT_RUNTIME_ISA_H
#define PLAIT_RUNTIME_ISA_H

#include <stdbool.h>

/* The index in PlaitKernelDescriptor.functions: 0 x86-64-v2, 1 v3, 2 v4, 3 v4 and AMX; -1: less than v2. What the
 * processor and the operating system offer, lowered by the environment's PLAIT_ISA=v2, v3, v4 or amx; found once. */
int plait_isa_level(void);
/* Level 3 alone: asks the operating system for the registers of AMX, once; whether this process may use them. */
bool plait_isa_may_use_tiles(void);

/* The level for a machine that offers `machine`, when PLAIT_ISA is `wanted` (NULL: not set; other texts are ignored).
 */
int plait_isa_lower(int machine, const char *wanted);
const char *plait_isa_text(int level); /* "x86-64-v3" */

#endif
