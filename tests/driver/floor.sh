# What explain and bench count, and the floor that they set: numbers worked out by hand.
. "$(dirname "$0")/lib.sh"

# counts OPERATOR MEMBER EXPECTED: of the report of `explain --json` in `out` (the members of kernels stand before)
counts() {
    checks=$((checks + 1))
    found=$(sed 's/{"name": "\([a-z0-9]*\)", "variant"/\n\1 /g' out | sed -n "s/^$1 .*\"$2\": \([0-9.e+-]*\).*/\1/p")
    [ "$found" = "$3" ] || fail "$2 of $1 is $found, not $3"
}
# attends NAME TYPE WHERE: a sum of weighted values over pairs, of each pair 4 multiply-adds for the weight and 4 for the
# sum
attends() {
    printf 'operator %s(q, k, v : %s[t, d]) -> (o : %s[t, d]) {' "$1" "$2" "$2"
    printf ' attend s %s { o = sum(sum[d](q * k@s) * v@s) } }\n' "$3"
}

run 0 explain sum.plait --sizes b=2,t=64 --json
counts running operations 1024
counts running functions 0
counts running bytes 4160

# Masked pairs are not counted: 16 operations for each of the others. Of functions, factors of 16 bits, what nobody reads
# and arithmetic on positions: see below.
{
    printf 'axis t : time\naxis d = 4\n'
    attends all f32 ''
    attends causal f32 'where s <= t'
    attends past f32 'where s < t'
    attends future f32 'where s > t'
    attends diagonal f32 'where s == t'
    attends window f32 'where s <= t and t - s < 3'
    attends half f32 'where 2 * s <= t'
    attends third f32 'where 3 * s >= t'
    attends odd f32 'where 2 * s + 1 <= t'
    attends turned f32 'where 0 - 3 * s <= 0 - t'
    attends first f32 'where s < 2'
    attends other f32 'where t != s'
    attends bf16s bf16 'where s <= t'
    attends f16s f16 'where s <= t'
    printf 'operator vector(w : bf16[d], x : bf16[t, d]) -> (y : f32[t]) { y = sum[d](w * x) + sum[d](x * w) }\n'
    printf 'operator select5(x : f32[t]) -> (y : f32[t]) { unused = exp(x) * 3\n y = select(t + 1 < 5, tanh(x) + 1, x) }\n'
} >pairs.plait
run 0 explain pairs.plait --sizes t=10 --json
counts all operations 1600
counts causal operations 880
counts causal kernel_operations 920 # what a block adds to the carries is counted once for each row
counts past operations 720
counts future operations 720
counts diagonal operations 160
counts window operations 432
counts half operations 480
counts third operations 1312
counts odd operations 400
counts turned operations 1312
counts first operations 320
counts other operations 1600 # not an interval: all pairs
counts causal products 0
counts bf16s products 880
counts f16s products 440 # the weights were computed: in f16 they could overflow
counts vector products 0 # a matrix times a vector
counts select5 operations 20
counts select5 functions 10
run 0 explain pairs.plait --sizes t=1 --json; counts causal operations 16; counts past operations 0
run 0 explain pairs.plait --sizes t=0 --json; counts causal operations 0
run 0 explain pairs.plait --operator causal --sizes t=200000 --json
counts causal operations 320003200000 # of so many rows every fourth is counted

# A factor taken out of a sum by the passes is counted once for each row.
printf 'axis t : time\noperator f(q, k : f32[t]) -> (y : f32[t]) { attend s { o = max(q * k@s)\n y = sum(exp(q * k@s - o) * 0.5 * o) } }\n' >factor.plait
run 0 explain factor.plait --sizes t=100 --json
counts f operations "$(grep -o '"kernel_operations": [0-9]*' out | sed 's/.*: //')"

# What scans keep in memory is written and read at each token: x, y, `up`, and y once more, of 2 KB each.
cat >grid.plait <<'END'
axis r : time
axis c : time
axis d = 4
operator grid(x : f32[r, c, d]) -> (y : f32[r, c, d]) {
    scan r carry up : f32[c, d] = 0 {
        scan c carry left : f32[d] = 0 { left = 0.4 * left + up + x; y = left }
        up = 0.4 * y - 0.2 * up
    }
}
END
run 0 explain grid.plait --sizes r=8,c=16 --json
counts grid bytes 4096
counts grid kernel_bytes 12288
# It is what the kernels have workspaces for, beside what one kernel makes for another.
for name in grid scans_three_deep attend_in_inner_scan running_sums_in_scan walked_integers_and_truths; do
    program=$here/../run/operators/$name.plait
    run 0 explain "$program"
    sed -n '/ on the CPU/,/ on a GPU/p' out >kernels
    explained=$(sed -n '/^ *keeps/p' kernels | grep -o ' of line' | wc -l)
    between=$(sed -n '/^ *writes/p' kernels | grep -o 'workspace' | wc -l)
    [ "$explained" -gt 0 ] || fail "$name keeps nothing"
    run 0 emit "$program" --tile
    gives $((explained + between)) grep -c '^  workspace' out
done

# The floor, and what sets it.
printf 'axis t : time\noperator f(x : f32[t]) -> (y : f32[t]) { y = x + 1 }\n' >move.plait
run 0 explain move.plait --sizes t=1000000; has out 'floor .* set by memory' 'operations a byte; the kernels do [0-9.]* M operations'
run 0 explain pairs.plait --operator causal --sizes t=8192; has out 'floor .* set by arithmetic' '^        does 53[0-9.]* M operations'
run 0 explain pairs.plait --operator causal --sizes t=8192 --json; has out '"bound": "arithmetic"' '"peak_operations": [1-9]' '"bandwidth": [1-9]'
run 0 bench pairs.plait --operator causal --device cpu --sizes t=8192 --repeats 1 --json; has out '"bound": "arithmetic"' '"operations": 536936448' '"share": [0-9]'
run 0 bench move.plait --device cpu --sizes t=1000000 --repeats 1; has out 'set by  *share' ' memory  *[0-9.]* %'

# Blocks over one axis without `where` are stages of their own, a block with several reductions is one.
cat >blocks.plait <<'END'
axis t : time
operator blocks(q, k : f32[t]) -> (y : f32[t])
{
    attend s { o = sum(softmax(q * k@s) * k@s) }
    attend s {
        m = max(o * k@s)
        attend u { n = sum(m * k@u) }
        y = sum(m * n * k@s)
    }
}
END
run 0 explain blocks.plait
gives 'attend along s 4, attend along s 6, attend along u 7,' sh -c "sed '/kernel/,\$d' out | sed -n 's/^ *[0-9]* *attend *\(.*\) (line \([0-9]*\))/attend \1 \2,/p' | tr '\n' ' ' | sed 's/ \$//'"
finish
