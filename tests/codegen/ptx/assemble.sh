#!/bin/sh
# Looks at the PTX of kernels and assembles it: no spills, no remark about a serialised or ignored instruction.
# What the text must have stands beside a kernel, in NAME.expect, one line each:
#     has TEXT        not TEXT        registers N    (of a thread, at most, by ptxas)
#     count N TEXT
# usage: assemble.sh PTX-TOOL TARGET PTXAS FILE.tir...    (PTXAS without a program: PTX is only looked at)
tool=$1
target=$2
ptxas=$3
shift 3
failures=0
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "FAIL $1 for $target: $2"
    failures=$((failures + 1))
}

look() { # name, file of expectations
    while read -r what rest; do
        case $what in
        has) grep -qF -- "$rest" "$scratch/ptx" || fail "$1" "has no $rest" ;;
        not) grep -qF -- "$rest" "$scratch/ptx" && fail "$1" "has $rest" ;;
        count)
            found=$(grep -cF -- "${rest#* }" "$scratch/ptx")
            [ "$found" = "${rest%% *}" ] || fail "$1" "has $found, not ${rest%% *}: ${rest#* }" ;;
        registers)
            used=$(sed -n 's/.*Used \([0-9]*\) registers.*/\1/p' "$scratch/log")
            [ -z "$used" ] || [ "$used" -le "$rest" ] || fail "$1" "uses $used registers, more than $rest" ;;
        '') ;;
        *) fail "$1" "does not know what $what means" ;;
        esac
    done <"$2"
}

count=0
for file in "$@"; do
    name=$(basename "$file" .tir)
    count=$((count + 1))
    "$tool" "$file" "$target" ptx >"$scratch/ptx" || { fail "$name" "no PTX"; continue; }
    : >"$scratch/log"
    if [ -x "$ptxas" ]; then
        "$ptxas" -arch="$target" -v "$scratch/ptx" -o "$scratch/cubin" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "$name" "ptxas refuses it"; }
        grep -q 'C7[0-9][0-9][0-9]' "$scratch/log" && { cat "$scratch/log"; fail "$name" "a remark of ptxas"; }
        grep 'spill' "$scratch/log" | grep -qv ' 0 bytes spill stores, 0 bytes spill loads' && { cat "$scratch/log"; fail "$name" "spills"; }
    fi
    [ -f "${file%.tir}.expect" ] && look "$name" "${file%.tir}.expect"
done
[ -x "$ptxas" ] || echo "ptxas is missing: nothing was assembled"
echo "$count kernels, $failures failures"
[ "$failures" = 0 ] && [ "$count" -gt 0 ]
