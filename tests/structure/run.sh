#!/bin/sh
# After the whole pipeline: how many kernels, loops and workspaces does each example have?
# On the CPU what can share one pass over the sequence is one kernel. On a GPU what a scan by blocks of tokens reads is
# made before it, for all tokens at once; a scan by segments is three, and what several of them read is made before them.
# usage: run.sh PLAIT EXAMPLES_FOLDER EXPECTED  (lines: example target kernels loops workspaces)
plait=$1
examples=$2
expected=$3
failures=0
count=0
while read -r name targets kernels loops workspaces; do
    case $name in '#'* | '') continue ;; esac
    [ "$targets" = all ] && targets='cpu sm_90a'
    for target in $targets; do
        count=$((count + 1))
        text=$("$plait" emit "$examples/$name/$name.plait" --tile --target $target) || { failures=$((failures + 1)); continue; }
        found="$(echo "$text" | grep -c '^kernel') $(echo "$text" | grep -c ' = for ') $(echo "$text" | grep -c '^  workspace')"
        [ "$found" = "$kernels $loops $workspaces" ] && continue
        echo "FAIL $name on $target: kernels, loops, workspaces are $found, not $kernels $loops $workspaces"
        failures=$((failures + 1))
    done
done <"$expected"
for folder in "$examples"/*/; do
    name=$(basename "$folder")
    [ -f "$folder/$name.plait" ] || continue
    grep -q "^$name " "$expected" || { echo "FAIL $name is not in $expected"; failures=$((failures + 1)); }
done
echo "$count checks, $failures failed"
[ "$failures" = 0 ] && [ "$count" -gt 0 ]
