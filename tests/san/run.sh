#!/bin/sh
# Builds everything with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, and runs the quick tests.
#
#     tests/san/run.sh [BUILD_FOLDER [CTEST_ARGUMENT..]]        CC chooses the compiler, PLAIT_JOBS the number of jobs
#
# What a library holds (its runtime, its kernels) stays plain, as in the hands of users; the tests of the runtime link an
# instrumented one. LLVM is not instrumented, but what of it is not disposed of counts as a leak. Nothing is suppressed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${1:-$root/build-san}
[ $# -eq 0 ] || shift
jobs=${PLAIT_JOBS:-$(nproc)}
generator=$(command -v ninja >/dev/null && echo Ninja || echo 'Unix Makefiles')
cmake -S "$root" -B "$build" -G "$generator" -DPLAIT_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo >"$build.log" 2>&1 ||
    { cat "$build.log" >&2; exit 1; }
cmake --build "$build" -j "$jobs" >"$build.log" 2>&1 || { tail -n 60 "$build.log" >&2; exit 1; }
export UBSAN_OPTIONS=print_stacktrace=1
# The last setting: the simulator of PTX changes stacks often (swapcontext), and mapping their shadow anew each time takes
# twice as long as clearing it.
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:clear_shadow_mmap_threshold=1000000000
cd "$build"
exec ctest --output-on-failure -j "$jobs" -L '^quick$' "$@"
