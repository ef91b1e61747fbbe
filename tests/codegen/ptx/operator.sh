#!/bin/sh
# The kernels that the compiler makes of an operator, simulated.
# usage: operator.sh PLAIT SIMULATE FILE AXIS=SIZE..
plait=$1
simulate=$2
file=$3
shift 3
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
for target in sm_80 sm_90a; do
    "$plait" emit "$file" --tile --target $target >"$scratch/kernels.tir" || exit 1
    "$simulate" "$scratch/kernels.tir" target=$target "$@" || exit 1
done
