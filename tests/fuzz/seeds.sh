#!/bin/sh
# Seeds and dictionaries for the fuzz targets, from what the repository has: examples, case files, tables of names.
#
#     seeds.sh PLAIT FOLDER       PLAIT: the executable; makes FOLDER/{source,ir,npy} and FOLDER/{source,ir}.dict
set -eu
plait=$1
folder=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$folder/source" "$folder/ir" "$folder/npy"

# The programs of a case file: from the line after `=== NAME` to `---`.
split_cases() {
    awk -v prefix="$folder/source/$(basename "$1" .cases)" '
        /^=== / { if (out) close(out); out = sprintf("%s-%03d", prefix, ++count); printf "" > out; next }
        /^---$/ { if (out) close(out); out = ""; next }
        out { print > out }' "$1"
}
for file in "$root"/tests/errors/*.cases "$root"/tests/frontend/*.cases; do split_cases "$file"; done
cp "$root"/examples/*/*.plait "$root"/tests/fuzz/library.plait "$folder/source"

for file in $(find "$root/tests" -name '*.sir' -o -name '*.tir'); do
    cp "$file" "$folder/ir/$(echo "${file#"$root"/tests/}" | tr / -)"
done
for file in "$root"/examples/*/*.plait; do
    name=$(basename "$file" .plait)
    "$plait" emit "$file" --stage -o "$folder/ir/$name.sir"
    "$plait" emit "$file" --stage --optimised -o "$folder/ir/$name.optimised.sir"
    "$plait" emit "$file" --tile --target cpu -o "$folder/ir/$name.cpu.tir"
    "$plait" emit "$file" --tile --target sm_80 -o "$folder/ir/$name.sm_80.tir"
done

for type in '<f8' '<f4' '<f2' '<V2' '<i4' '|b1' '<u2' '>f4'; do
    name=$(echo "$type" | tr -dc 'a-zA-Z0-9')
    for order in True False; do
        header="{'descr': '$type', 'fortran_order': $order, 'shape': (2, 3), }"
        # 10 bytes before the header, which ends in a newline at a multiple of 64.
        printf '\223NUMPY\001\000\166\000%-117s\n' "$header" >"$folder/npy/$name-$order"
        head -c 48 /dev/zero >>"$folder/npy/$name-$order"
    done
done
printf '\223NUMPY\002\000\066\000\000\000%-51s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (), }" >"$folder/npy/scalar"
printf 'abcd' >>"$folder/npy/scalar"

# Every quoted word that begins a row of a table.
words() { sed -n 's/^[A-Z_]*(\([A-Z0-9_]*, \)\{0,1\}"\([^"]*\)".*/"\2"/p' "$@" | sort -u; }
words "$root"/frontend/*.def "$root"/ir/scalars.def >"$folder/source.dict"
{
    words "$root"/ir/*.def
    # Words of the text that stand in no table.
    for word in 'operator @' 'kernel @' 'signature @' 'axis ' ' same ' ' tile ' 'grid ' 'layout 1 = ' ' global' ' shared' ' @1' \
        '{axes = [' ', ints = [' '{name = \"' 'number = nan' '] : ' 'output \"' 'input \"' 'workspace \"' ' default ' 'yield %' \
        'target \"cpu\"' 'target \"sm_80\"' 'threads 128'; do
        echo "\"$word\""
    done
} >"$folder/ir.dict"
