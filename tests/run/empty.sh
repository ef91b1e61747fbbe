#!/bin/sh
# Scans over no positions: the final state is the initial one, given or by default, and there are no outputs. Compiled
# for the CPU: by numbers, and against the interpreter.
# usage: empty.sh PLAIT NPY_TOOL
plait=$1
npy_tool=$2
failures=0
count=0
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 2
export PLAIT_CACHE_DIR=$scratch/cache

cat >empty.plait <<'END'
axis b : batch
axis t : time
axis d = 3
axis e = 2
operator vector(x : f32[b, t, d], S0 : f32[b, d] = 0.75) -> (y : f32[b, t, d], S : f32[b, d]) {
    scan t carry S = S0 {
        S = 0.5 * S + x
        y = S
    }
}
operator backward(x : f32[b, t, d], S0 : f32[b, d] = 0.75) -> (y : f32[b, t, d], S : f32[b, d]) {
    scan t reverse carry S = S0 {
        y = S
        S = tanh(S + x)
    }
}
operator matrix(x : bf16[b, t, d], v : f32[b, t, e], S0 : f32[b, d, e] = 0) -> (
        y : f32[b, t, e], S : f32[b, d, e], n : i32[b], seen : bool[b]) {
    scan t carry S = S0, n : i32[b] = 7, seen : bool[b] = true {
        S = 0.9 * S + x * v
        n = n + 1
        seen = not seen
        y = sum[d](x * S)
    }
}
END

fail() {
    echo "FAIL $*"
    failures=$((failures + 1))
}

plait_run() { # OPERATOR ARGUMENTS..
    operator=$1
    shift
    "$plait" run empty.plait --operator "$operator" --device cpu "$@" >log || fail "$operator does not run"
}

holds() { # FILE TEXT: what npy_tool shows of it
    count=$((count + 1))
    found=$("$npy_tool" show "$1")
    [ "$found" = "$2" ] || fail "$1 holds $found, not $2"
}

"$npy_tool" make x.npy float32 C 2 0 3
"$npy_tool" make v.npy float32 C 2 0 2
"$npy_tool" make S0.npy float32 C 2 3
"$npy_tool" make M0.npy float32 C 2 3 2
for operator in vector backward; do
    plait_run $operator --in x=x.npy --in S0=S0.npy --out S=S.npy --out y=y.npy
    holds S.npy 'float32[2, 3] 0 0.25 0.5 0.75 1 1.25'
    holds y.npy 'float32[2, 0, 3]'
    plait_run $operator --in x=x.npy --out S=S.npy
    holds S.npy 'float32[2, 3] 0.75 0.75 0.75 0.75 0.75 0.75'
done
plait_run matrix --in x=x.npy --in v=v.npy --in S0=M0.npy --out S=S.npy --out n=n.npy --out seen=seen.npy
holds S.npy 'float32[2, 3, 2] 0 0.25 0.5 0.75 1 1.25 1.5 1.75 2 2.25 2.5 2.75'
holds n.npy 'int32[2] 7 7'
holds seen.npy 'bool[2] 1 1'
"$plait" check empty.plait --device cpu --target cpu --sizes b=3,t=0 --sizes b=1,t=0 >check.txt ||
    { cat check.txt; fail 'check'; }
echo "$count checks, $failures failed"
[ "$failures" = 0 ] && [ "$count" -gt 0 ]
