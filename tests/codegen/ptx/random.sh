#!/bin/sh
# Simulates the random kernels of a range of seeds.
# usage: random.sh PTX-DRAW PTX-SIMULATE FIRST LAST
draw=$1
simulate=$2
seed=$3
last=$4
failures=0
count=0
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
while [ "$seed" -le "$last" ]; do
    count=$((count + 1))
    "$draw" "$seed" >"$scratch/kernel.tir" &&
        "$simulate" "$scratch/kernel.tir" b0=2 t0=$((seed % 23)) >"$scratch/output" 2>&1 || {
        echo "FAIL seed $seed"
        tail -5 "$scratch/output"
        failures=$((failures + 1))
    }
    seed=$((seed + 1))
done
echo "$count kernels, $failures failed"
[ "$failures" = 0 ] && [ "$count" -gt 0 ]
