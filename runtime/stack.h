/* Room on the calling thread's stack. */
#ifndef PLAIT_RUNTIME_STACK_H
#define PLAIT_RUNTIME_STACK_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the calling thread's stack has room for `bytes` more, beside what calls and signals need. Of a stack that is
 * not the thread's own (a coroutine's) nothing is known: there it has not. */
bool plait_stack_has(uint64_t bytes);

#endif
