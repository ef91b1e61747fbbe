#!/usr/bin/env bash
# ./bootstrap demo [FILE]: installs the build into build/demo/prefix, compiles the block through CMake as a user's
# project would, runs it on FILE (or on the texts of this repository), checks it and measures it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "${PLAIT_BUILD:-$root/build}" && pwd)
work=$build/demo
heads=8
most_tokens=65536

# Prints the command and runs it.
run() { printf '\n$ %s\n' "$*"; "$@"; }

quietly() {
    local log=$work/log.txt
    "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}

if [ $# -gt 1 ] || { [ $# -eq 1 ] && [ ! -f "$1" ]; }; then
    echo "usage: ./bootstrap demo [FILE]" >&2
    exit 2
fi
mkdir -p "$work"
text=$work/text
cat "${1:-$root/README.md}" >"$text"
[ $# -eq 1 ] || cat "$root"/docs/*.md "$root/CONTRIBUTING.md" "$root/LICENSE" >>"$text"
tokens=$(wc -c <"$text")
[ "$tokens" -gt 0 ] || { echo "demo: ${1:-the text} is empty" >&2; exit 1; }
[ "$tokens" -le "$most_tokens" ] || tokens=$most_tokens

quietly cmake --install "$build" --prefix "$work/prefix"
quietly cmake -S "$here" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix"
quietly cmake --build "$work/build"

# Commands are printed as they are run, here: with paths from the repository.
cd "$root"
work=${work#"$root"/}
text=$work/text
plait=$work/prefix/bin/plait
demo=$work/build/demo
library=$work/build/gated_deltanet.plait-library/libgated_deltanet.so
program=examples/gated_deltanet/gated_deltanet.plait

run "$plait" explain "$program"
echo
echo "The block reads ${1:-the texts of this repository}, a byte a token:"
run "$demo" cpu "$text" $heads "$tokens"
run "$demo" cuda "$text" $heads "$tokens"
echo
echo "Its error against the interpreter (double precision, before any pass), as RMS(err) / RMS(ref):"
run "$plait" check "$program" --library "$library" --sizes b=1,h=4,t=1023
echo
echo "Its distance from the roofline:"
run "$plait" bench "$program" --library "$library" --sizes "b=1,h=$heads,t=4096"
