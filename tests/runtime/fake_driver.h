/* A CUDA driver that runs on the CPU: device memory is malloc'ed, a module holds the kernels of sums.c, a launch runs
 * them at once. It records what is called, refuses what a real one refuses under capture, and lets the n-th call fail.
 */
#ifndef PLAIT_TESTS_RUNTIME_FAKE_DRIVER_H
#define PLAIT_TESTS_RUNTIME_FAKE_DRIVER_H

#include <stdbool.h>

#include "runtime/driver.h"

enum { FAKE_DEVICES = 2 };

typedef struct Fake {
    /* Settings */
    int architecture[FAKE_DEVICES]; /* 90 */
    bool refuse_cubin, refuse_ptx;
    bool capturing;      /* some stream is: only relaxed threads may allocate, load and wait */
    int fail_at;         /* the n-th call from fake_reset fails; 0: none */
    int error;           /* its error */
    const char *refused; /* a function whose calls all fail, or NULL */
    const char *spared;  /* a function whose calls are not counted for that and never fail, or NULL */
    /* What happened */
    int calls;
    const char *failed; /* the function that did, or NULL */
    char log[4096];     /* names of the functions called, with spaces between */
    int memory, memory_pools, modules, streams, primaries, pushed; /* not given back yet */
    unsigned long long threshold;                                  /* of the last memory pool that was given one */
    int waits;       /* for a stream that the runtime did not make itself */
    int loads;       /* images that were to be loaded, also those refused */
    char loaded[64]; /* the last image that loaded */
    unsigned grid, block, shared;
    unsigned maps;    /* made by cuTensorMapEncodeTiled */
    void *stream;     /* of the last launch, allocation or release in a stream */
    int shared_limit; /* as set for the functions */
} Fake;

extern Fake fake;
extern const PlaitDriver fake_driver;

/* Forgets what happened, but for what is not given back, and lets nothing fail. */
void fake_reset(void);
/* A context of the device, made current; destroys nothing. */
void fake_make_current(int device);
void fake_make_none_current(void);
/* The device's context is destroyed, and a new one made at the same address. */
void fake_replace_context(int device);

#endif
