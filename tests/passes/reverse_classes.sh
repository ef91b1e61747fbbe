#!/bin/sh
# The reverse scans that `differentiate` makes of every example: all are affine, whatever the forward ones are, and of
# affine ones they have the same classes. (No example scans in both directions.)
# usage: reverse_classes.sh PLAIT EXAMPLES_FOLDER
plait=$1
examples=$2
failures=0
count=0
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

# The class of each carry of the scans of one direction after the passes: what stands between its type and the details.
classes() { # passes direction
    "$plait" emit "$file" --stage | "$plait" opt - --passes="$1" --classify 2>&1 >/dev/null |
        awk -v direction="$2" '/^scan / { wanted = $NF == direction } wanted' |
        sed -n 's/^  carry [0-9]* [^:]*: \([^;:.]*\).*/\1/p' | sort -u
}

for file in "$examples"/*/*.plait; do
    count=$((count + 1))
    other=backward
    classes canonicalise,cse,dce forward >"$scratch/forward"
    [ -s "$scratch/forward" ] || { classes canonicalise,cse,dce backward >"$scratch/forward" && other=forward; }
    classes differentiate $other >"$scratch/reverse"
    if grep -qv '^affine' "$scratch/reverse"; then
        echo "FAIL $file: a reverse scan is not affine"
        failures=$((failures + 1))
    elif [ -s "$scratch/reverse" ] && ! grep -qv '^affine' "$scratch/forward"; then
        grep -vxFf "$scratch/forward" "$scratch/reverse" || continue
        echo "FAIL $file: the classes of its reverse scans are others"
        failures=$((failures + 1))
    fi
done
echo "$count programs, $failures failed"
[ "$failures" = 0 ] && [ "$count" -gt 0 ]
