/* Which level of x86-64 the code may use. */
#ifndef PLAIT_RUNTIME_ISA_H
#define PLAIT_RUNTIME_ISA_H

/* The index in PlaitKernelDescriptor.functions: 0 x86-64-v2, 1 v3, 2 v4; -1: less than v2. What the processor and
 * the operating system offer, lowered by the environment's PLAIT_ISA=v2, v3 or v4; found once. */
int plait_isa_level(void);
/* The level for a machine that offers `machine`, when PLAIT_ISA is `wanted` (NULL: not set; other texts are ignored).
 */
int plait_isa_lower(int machine, const char *wanted);
const char *plait_isa_text(int level); /* "x86-64-v3" */

#endif
