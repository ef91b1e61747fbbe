#!/bin/sh
# Attention after the whole pipeline. On every target a fold is the loops of attention.txt; one without masks has no
# condition on positions and selects no scores. On GPUs every product is on the matrix units, its rows along t: wgmma
# for sm_90a, in an entry with tensor maps as well, which ptxas assembles without spills or remarks about serialised
# instructions; mma.sync for sm_80.
# usage: attention.sh PLAIT EXAMPLES_FOLDER EXPECTED PTXAS
plait=$1
examples=$2
expected=$3
ptxas=$4
failures=0
count=0
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "FAIL $name on $target: $1"
    failures=$((failures + 1))
}

# A letter for each loop of products over s; "?" where conditions on s are computed and no score is selected, "d" where
# none of them compares positions.
loops() {
    awk '
        / = for .*axes = \[s\]/ { inside = 1; products = 0; selects = 0; conditions = 0; positions = 0; next }
        inside && /^  }/ && products { printf "%s", selects ? (positions ? "m" : "d") : conditions ? "?" : "-" }
        inside && /^  }/ { inside = 0 }
        / = dot / { products++ }
        / = iota / { iota[$1] = 1 }
        / = l[et] / { sub(/,$/, "", $4); positions += iota[$4] == 1 }
        inside {
            type = $0
            sub(/.* : /, "", type)
            if (type !~ /[[ ]s[],]/) next
            selects += / = select /
            conditions += type ~ /^bool/
        }'
}

check_tiles() { # loops
    "$plait" emit "$file" --tile --target "$target" >"$scratch/tiles" || fail "no Tile IR"
    found=$(loops <"$scratch/tiles")
    [ "$found" = "$1" ] || fail "its loops are '$found', not '$1'"
    [ "$target" = cpu ] && return
    products=$(grep -c ' = dot ' "$scratch/tiles")
    on_units=$(grep -c ' = dot .*axes = \[[a-z]*, t\]' "$scratch/tiles")
    letters=$(printf %s "$1" | wc -c)
    [ "$products" = $((2 * letters)) ] || fail "it has $products products, not two for each of $letters loops"
    [ "$on_units" = "$products" ] || fail "$on_units of $products products are on the matrix units, with rows t"
}

has() { # text file what
    grep -qF -- "$1" "$2" || fail "$3 has no $1"
}

has_not() {
    grep -qF -- "$1" "$2" && fail "$3 has $1"
}

check_hopper() {
    awk '/\.entry .*_maps\(/ { inside = 1 } inside { print } /^}/ { inside = 0 }' "$scratch/ptx" >"$scratch/maps"
    awk '/\.entry / && !/_maps\(/ { inside = 1 } inside { print } /^}/ { inside = 0 }' "$scratch/ptx" >"$scratch/other"
    for text in wgmma.mma_async cp.async.bulk.tensor setmaxnreg.inc; do has $text "$scratch/maps" "the entry with maps"; done
    has wgmma.mma_async "$scratch/other" "the ordinary entry"
    has_not cp.async.bulk "$scratch/other" "the ordinary entry"
    has_not mma.sync.aligned "$scratch/ptx" PTX
}

check_ampere() {
    for text in mma.sync.aligned.m16n8k16 ldmatrix.sync; do has $text "$scratch/ptx" PTX; done
    for text in wgmma _maps cp.async.bulk; do has_not $text "$scratch/ptx" PTX; done
}

assemble() {
    "$ptxas" -arch="$target" -v "$scratch/ptx" -o "$scratch/cubin" >"$scratch/log" 2>&1 || fail "ptxas refuses it"
    grep 'C7[0-9][0-9][0-9]' "$scratch/log" && fail "a remark of ptxas"
    awk '/Compiling entry function/ { inside = /_maps/ } inside && /bytes spill/' "$scratch/log" >"$scratch/spills"
    [ -s "$scratch/spills" ] || fail "ptxas says nothing about an entry with maps"
    grep -v ' 0 bytes spill stores, 0 bytes spill loads' "$scratch/spills" && fail "the entry with maps spills"
}

check_ptx() {
    "$plait" emit "$file" --ptx --target "$target" >"$scratch/ptx" || fail "no PTX"
    if [ "$target" = sm_80 ]; then check_ampere; return; fi
    check_hopper
    [ -x "$ptxas" ] && assemble
}

while read -r name loops on_cpu; do
    case $name in '#'* | '') continue ;; esac
    file=$examples/$name/$name.plait
    [ -f "$file" ] || file=$(dirname "$expected")/$name.plait
    for target in cpu sm_80 sm_90a; do
        count=$((count + 1))
        [ "$target" = cpu ] && check_tiles "${on_cpu:-$loops}"
        [ "$target" = cpu ] || check_tiles "$loops"
        [ "$target" = cpu ] || check_ptx
    done
done <"$expected"
[ -x "$ptxas" ] || echo "ptxas is missing: nothing was assembled"
echo "$count checks, $failures failed"
[ "$failures" = 0 ] && [ "$count" -gt 0 ]
