/* Runs the threads of a program as coroutines. Warps go one after another from barrier to barrier, all the way: code
 * that lacks a barrier then reads what was not written yet, in one of the two orders of the warps. The lanes of a warp
 * meet at every shuffle, and wherever the matrix units take registers of all of them (matrix_units.c).
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/codegen/ptx/tiles.h"

enum { LANES = 32, MOST_THREADS = 1024, STACK = 1 << 20 };

typedef enum Stop { STOP_SHUFFLE, STOP_BARRIER, STOP_END } Stop;

typedef struct Thread {
    ucontext_t context;
    Stop stop;
    uint32_t words[2][TEST_SHARED_WORDS], meetings;
} Thread;

/* The machine has one program at a time; what a thread calls finds it here. */
static struct {
    ucontext_t scheduler;
    Thread threads[MOST_THREADS];
    uint32_t current, count, program;
    TestKernel *kernel;
    const int64_t *slots;
} machine;

_Alignas(1024) uint8_t test_shared_memory[TEST_SHARED_BYTES];

uint32_t test_thread_number(void) { return machine.current; }
uint32_t test_program_number(void) { return machine.program; }

static void stop(Stop reason)
{
    Thread *thread = &machine.threads[machine.current];
    thread->stop = reason;
    swapcontext(&thread->context, &machine.scheduler);
}

void test_barrier(uint32_t id)
{
    if (id != 0) abort();
    stop(STOP_BARRIER);
}

uint32_t test_meet(const uint32_t *words, uint32_t count)
{
    Thread *thread = &machine.threads[machine.current];
    if (count > TEST_SHARED_WORDS) abort();
    uint32_t turn = thread->meetings++ % 2;
    memcpy(thread->words[turn], words, count * sizeof *words);
    stop(STOP_SHUFFLE);
    return turn;
}

const uint32_t *test_words_of(uint32_t lane, uint32_t turn)
{
    return machine.threads[machine.current / LANES * LANES + lane].words[turn];
}

uint32_t test_shuffle(uint32_t members, uint32_t value, uint32_t mask, uint32_t clamp)
{
    uint32_t lane = machine.current % LANES;
    if (members != UINT32_MAX || clamp != 31 || mask >= LANES) abort();
    uint32_t turn = test_meet(&value, 1);
    return *test_words_of(lane ^ mask, turn);
}

uint32_t test_first_lane(uint32_t value) { return *test_words_of(0, test_meet(&value, 1)); }

static void run_thread(void)
{
    machine.kernel(machine.slots);
    machine.threads[machine.current].stop = STOP_END;
}

/* Runs one warp to its next barrier; all of its lanes must stop for the same reason. */
static Stop run_warp(uint32_t warp)
{
    for (;;) {
        Stop reason = STOP_END;
        for (uint32_t lane = 0; lane < LANES; lane++) {
            machine.current = warp * LANES + lane;
            Thread *thread = &machine.threads[machine.current];
            swapcontext(&machine.scheduler, &thread->context);
            if (lane && thread->stop != reason) {
                fprintf(stderr, "lanes of a warp went different ways\n");
                abort();
            }
            reason = thread->stop;
        }
        if (reason != STOP_SHUFFLE) return reason;
    }
}

static void run_program(bool backwards)
{
    uint32_t warps = machine.count / LANES;
    for (;;) {
        Stop reason = STOP_END;
        for (uint32_t i = 0; i < warps; i++) {
            Stop own = run_warp(backwards ? warps - 1 - i : i);
            if (i && own != reason) {
                fprintf(stderr, "warps went different ways\n");
                abort();
            }
            reason = own;
        }
        if (reason == STOP_END) return;
    }
}

static void prepare_thread(Thread *thread, char *stack)
{
    getcontext(&thread->context);
    thread->context.uc_stack.ss_sp = stack;
    thread->context.uc_stack.ss_size = STACK;
    thread->context.uc_link = &machine.scheduler;
    thread->meetings = 0;
    makecontext(&thread->context, run_thread, 0);
}

void test_threads(TestKernel *kernel, const int64_t *slots, int64_t programs, uint32_t threads, bool backwards)
{
    static char *stacks;
    if (!stacks)
        stacks = mmap(NULL, (size_t)MOST_THREADS * STACK, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED) abort();
    machine.kernel = kernel;
    machine.slots = slots;
    machine.count = threads;
    for (int64_t program = 0; program < programs; program++) {
        machine.program = (uint32_t)program;
        memset(test_shared_memory, 0xFF, sizeof test_shared_memory); /* NaN, whatever the type */
        for (uint32_t i = 0; i < threads; i++) prepare_thread(&machine.threads[i], stacks + (size_t)i * STACK);
        run_program(backwards);
    }
}
