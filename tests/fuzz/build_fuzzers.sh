#!/bin/sh
# Builds the libFuzzer targets with clang, and their seeds.
#
#     tests/fuzz/build_fuzzers.sh BUILD_FOLDER
#     BUILD_FOLDER/bin/fuzz_source -dict=BUILD_FOLDER/seeds/source.dict -max_total_time=1800 -rss_limit_mb=2048 \
#         -timeout=10 -max_len=4096 CORPUS_FOLDER BUILD_FOLDER/seeds/source
#
# Targets: source, ir, npy, library. PLAIT: a built `plait` that makes the seeds of Tile IR and the library; else the one in
# BUILD_FOLDER is built. CLANG: the compiler, clang by default. A find is minimised with -minimize_crash=1 and kept in
# tests/fuzz/regressions/TARGET.
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
compiler=${CLANG:-clang}
command -v "$compiler" >/dev/null || { echo "there is no $compiler: libFuzzer needs clang" >&2; exit 1; }
cmake -S "$root" -B "$build" -DCMAKE_C_COMPILER="$compiler" -DPLAIT_SANITIZE=ON -DPLAIT_FUZZ=ON \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
cmake --build "$build" -j "${PLAIT_JOBS:-2}" --target fuzz_source fuzz_ir fuzz_npy fuzz_library
sh "$here/seeds.sh" "${PLAIT:-$build/bin/plait}" "$build/seeds"
