# Running operators: on .npy files, against the interpreter, against the clock.
. "$(dirname "$0")/lib.sh"

"$npy_tool" make x.npy float32 C 1 3 4 && "$npy_tool" make xf.npy float32 F 1 3 4 && "$npy_tool" make s.npy float32 C 1 4 || fail 'npy_tool'
run 0 run sum.plait --in x=x.npy --out y=y.npy --out last=last.npy; has out 'y.npy: f32\[1, 3, 4\]' 'last.npy: f32\[1, 4\]'
gives 'float32[1, 3, 4] 0 0.25 0.5 0.75 1 1.375 1.75 2.125 2.5 2.9375 3.375 3.8125' "$npy_tool" show y.npy
gives 'float32[1, 4] 2.5 2.9375 3.375 3.8125' "$npy_tool" show last.npy
cp y.npy expected.npy
run 1 run sum.plait --in x=x.npy --out y=one.npy --out last=none/last.npy; has err 'E0610'; [ ! -e one.npy ] || fail 'one of two files was written'
run 0 run sum.plait -i x=xf.npy --out y=y.npy; same y.npy expected.npy # the other memory order
run 0 run sum.plait -i x=x.npy -i s0=s.npy --out last=last.npy --json; has out '"operator": "running"' '"shape": \[1, 4\]'
gives 'float32[1, 4] 2.5 2.96875 3.4375 3.90625' "$npy_tool" show last.npy
run 0 build sum.plait --target cpu
run 0 run libsum.so -i x=x.npy --out y=y.npy; same y.npy expected.npy
run 0 run ./libsum.so --operator running -i x=x.npy --out y=y.npy; same y.npy expected.npy
"$npy_tool" make empty.npy float32 C 1 0 4
run 0 run sum.plait -i x=empty.npy --out y=y.npy --out last=last.npy; gives 'float32[1, 0, 4]' "$npy_tool" show y.npy; gives 'float32[1, 4] 0 0 0 0' "$npy_tool" show last.npy

# bf16: float32 both ways, bit patterns when asked.
sed 's/f32/bf16/g' sum.plait >half.plait
"$npy_tool" make bits.npy uint16 C 1 3 4; "$npy_tool" make ml.npy bfloat16 C 1 3 4
run 0 run half.plait -i x=x.npy --out y=y.npy; has out 'bf16'
gives 'float32[1, 3, 4] 0 0.25 0.5 0.75 1 1.375 1.75 2.125 2.5 2.9375 3.375 3.8125' "$npy_tool" show y.npy
run 0 run half.plait -i x=ml.npy --out y=y2.npy; same y.npy y2.npy
run 0 run half.plait -i x=bits.npy --bf16-bits --out y=y.npy; gives 'uint16[1, 3, 4] 0 0.25 0.5 0.75 1 1.375 1.75 2.125 2.5 2.9375 3.375 3.8125' "$npy_tool" show y.npy
run 1 run half.plait -i x=bits.npy; has err 'E0613'

# Mistakes.
"$npy_tool" make wide.npy float32 C 1 3 5; "$npy_tool" make flat.npy float32 C 3 4; "$npy_tool" make whole.npy int32 C 1 3 4; "$npy_tool" make s2.npy float32 C 2 4
head -c 150 x.npy >cut.npy
rm -f y.npy
run 1 run sum.plait --out y=y.npy; has err 'E0615' '--in x=x.npy'
run 1 run sum.plait -i x=whole.npy --out y=y.npy; has err 'E0613' 'int32' 'astype("float32")'
printf "\\223NUMPY\\001\\000v\\000{'descr': '<i8', 'fortran_order': False, 'shape': (1, 3, 4), }%58s\n" '' >long.npy; head -c 96 /dev/zero >>long.npy
run 1 run sum.plait -i x=long.npy --out y=y.npy; has err 'E0613' 'int64 elements' 'astype("float32")'
run 2 run sum.plait -i x=x.npy -i x=s.npy --out y=y.npy; has err 'E0605' 'one file for each tensor'
run 2 run sum.plait -i x=x.npy --out y=y.npy --out y=z.npy; has err 'E0605'
run 2 run sum.plait -i x=x.npy --out y=y.npy --out last=./y.npy; has err 'E0605' 'one file'
run 2 run sum.plait -i x=x.npy --out y=sum.plait; has err 'E0605' 'which is read'
run 1 run sum.plait -i x=flat.npy --out y=y.npy; has err 'E0613' '2 axes'
run 1 run sum.plait -i x=cut.npy --out y=y.npy; has err 'E0612' 'shorter'
run 1 run sum.plait -i x=sum.plait --out y=y.npy; has err 'E0612'
run 1 run sum.plait -i x=none.npy --out y=y.npy; has err 'E0606'
run 1 run sum.plait -i x=wide.npy --out y=y.npy; has err 'E0620' 'axis `d`'
run 1 run sum.plait -i x=x.npy -i s0=s2.npy --out y=y.npy; has err 'E0620' 'axis `b`'
run 1 run sum.plait -i X0=x.npy; has err 'E0614'
run 1 run sum.plait -i x=x.npy --out z=y.npy; has err 'E0614'
run 2 run sum.plait -i x --out y=y.npy; has err 'E0603'
run 1 run sum.plait -i x=x.npy --operator runing; has err 'E0616' 'did you mean `running`'
run 2 run sum.plait -i x=x.npy --device tpu; has err 'E0603'
run 2 run libsum.so -i x=x.npy -D d=3; has err 'E0605'
run 1 run sum.plait -i x=x.npy --out y=/dev/full; has err 'E0610'
run 1 run sum.plait -i x=x.npy --out y=none/y.npy; has err 'E0610'
[ -e y.npy ] && fail 'an output was written'
cp "$plait" elf.so
run 1 run elf.so -i x=x.npy; has err 'E0618'
head -c 5000 libsum.so >cut.so
run 1 run cut.so -i x=x.npy; has err 'E0618'
[ -e /dev/nvidia0 ] || { run 1 run sum.plait -i x=x.npy --device cuda; has err 'E0619'; }

# Against the interpreter.
run 0 check sum.plait --device cpu; has out 'running .*cpu .*t=65' 't=0 ' 't=1 ' 't=129' ' 0 failures'
run 0 check sum.plait --device cpu --json; has out '"pass": true' '"failures": 0' '"same_bits": true'
run 0 check sum.plait --device cpu --sizes b=2,t=7 --sizes t=200 --seed 5; has out 'b=2 t=7 ' 'b=2 t=200 ' '^4 results'
run 0 check sum.plait --device cpu -D d=1,7; has out 'd=1 ' 'd=7 '
run 0 check sum.plait --library libsum.so --device cpu; has out ' 0 failures'
under PLAIT_CODEGEN=/nowhere run 0 check sum.plait --library libsum.so --device cpu # needs no code generator
sed 's/0.5/0.50001/' sum.plait >near.plait; sed 's/0.5/0.51/' sum.plait >wrong.plait
run 3 check wrong.plait --library libsum.so --device cpu; has err 'E0622' '`y` of `running` on cpu'; has out 'FAIL'
run 3 check near.plait --library libsum.so --device cpu --json; has out '"pass": false' '"exit_code": 3'
run 0 check sum.plait --library libsum.so --device cpu --range x=0:1
# What has decayed below f32's normal range is as right as any number that small; above it nothing changes.
cat >decay.plait <<'END'
axis t : time
axis d = 4
operator decay(g : f32[t, d]) -> (last : f32[d]) {
    scan t carry S : f32[d] = 1 { S = sigmoid(g) * S }
    last = S
}
END
run 0 check decay.plait --device cpu --sizes t=129 --sizes t=65; has out '^decay .* t=129 .*pass$' ' 0 failures'
run 0 build decay.plait --target cpu
sed 's/sigmoid(g)/sigmoid(g) * 1.0001/' decay.plait >slower.plait
run 3 check slower.plait --library libdecay.so --device cpu --sizes t=129 --sizes t=65; has out 't=129 .*pass$' 't=65 .*FAIL$'
run 2 check sum.plait --library libsum.so --device cpu --range z=0:1; has err 'E0603' 'no operator has an input `z`'
run 2 check sum.plait --device cpu --sizes q=1; has err 'E0603' 'no operator has an axis `q`'
run 2 check sum.plait --device cpu --sizes t=1000000000,b=1000000; has err 'E0603' 'b=1000000 t=1000000000' 'of memory'
run 2 bench sum.plait --device cpu --sizes t=1000000000,b=1000000; has err 'E0603' 'of memory'
run 2 bench sum.plait --device cpu --repeats 0; has err 'E0603' 'a number from 1 to 1000'
run 2 check sum.plait --device cpu --sizes d=1; has err 'E0603' '-D'
run 1 check sum.plait --library libsum.so --device cpu -D d=9; has err 'E0620' 'was built for 4'
sed 's/running/other/' sum.plait >other.plait
run 1 check other.plait --library libsum.so --device cpu; has err 'E0616'

sed 's/axis d/axis e/; s/, d\]/, e]/g' sum.plait >renamed.plait
run 1 check renamed.plait --library libsum.so --device cpu; has err 'E0618' 'made from another program' 'd = 4'

# Of 16 bits, rounding the result is no error: here it is 3.9e-3 of the only element.
printf 'axis t : time\noperator near(x : bf16[t]) -> (y : bf16[t]) { y = 0 * x + 1.0039 }\n' >near_one.plait
run 0 check near_one.plait --device cpu; has out ' 0 failures'
sed 's/1.0039/1.0300/' near_one.plait >off.plait; run 0 build near_one.plait --target cpu -o near_one.so
run 3 check off.plait --library near_one.so --device cpu; has err 'E0622' 'RMS(reference) is 1.0e+00'

# A small difference of large numbers may be off as far as rounding alone is, and no further.
cat >cancels.plait <<'END'
axis t : time
operator cancels(x : f32[t], h : bf16[t], d : f64[t]) -> (m : f32[t], z : f32, s : f32, n : bf16, e : f64) {
    attend u along t where u <= t { m = sum(softmax(x@u * x)) - 1 }
    z = sum[t](x - mean[t](x))
    scan t carry s = 0 { s = s + x * x - x ^ 2 }
    n = sum[t](h - mean[t](h))
    e = sum[t](d - mean[t](d))
}
END
run 0 check cancels.plait --device cpu; has out ' 0 failures' ' z .*pass: rounding alone' ' n .*pass: rounding alone' ' e .*pass: rounding alone' ' m .*pass: rounding alone'
for change in 's/- 1 }/- 1.00001 }/' 's/z = /z = 1e-4 + /' 's/s = s/s = 1e-6 + s/' 's/n = /n = 1e-3 + /' 's/e = /e = 1e-12 + /'; do
    sed "$change" cancels.plait >beside.plait; run 0 build beside.plait --target cpu -o beside.so
    run 3 check cancels.plait --library beside.so --device cpu --sizes t=65; has err 'E0622' 'rounding each value to its type moves it by'
    has out '^5 results, 1 failure$'
done
# Gradients: a row that attends to nothing, whose value a choice leaves out, gives 0 and no NaN.
cat >empty.plait <<'END'
axis t : time
axis d = 4
operator empty(q, k : f32[t, d], v : f32[t]) -> (y : f32[t], z : f32[t]) {
    attend s where s < t {
        c = sum[d](q * k@s)
        o = sum(softmax(c) * v@s)
        w = exp(c - max(c))
        z = sum(w * v@s) / max(sum(w), 1e-6)
    }
    y = select(t > 0, o, 0)
}
END
run 0 check --grad empty.plait --device cpu --sizes t=1 --sizes t=9; has out ' 0 failures'

# After a failure the other variants are checked too.
run 0 build sum.plait --target cpu -D d=1,7 -o both.so
run 3 check wrong.plait --library both.so --device cpu -D d=1,7; has out 'd=1 .*FAIL$' 'd=7 .*FAIL$'

# What the operator needs of a size of run time is asked at each call, and `check` keeps to it.
cat >turned.plait <<'END'
axis t : time
axis s : time same t
axis e : head
fn thirds[a](x) = require(0 == size(a) % 3, sum[a](x))
fn fits[a](x) = require(size(a) > 1, x)
operator turned(x : f32[t, e]) -> (y : f32[t, e], z : f32[e]) {
    y = rope[e](fits[e](x), t) + thirds[e](x)
    z = thirds[t](x) + thirds[s](x@s)
}
END
run 0 check turned.plait --device cpu; has out ' t=66 e=6 ' ' t=3 e=6 ' ' 0 failures'
run 1 check turned.plait --device cpu --sizes t=6,e=9; has err 'E0620' 'argument 1 `x`: axis `e` has 9 positions, but the operator needs a multiple of 6'
run 1 check turned.plait --device cpu --sizes t=5,e=6; has err 'E0620' 'axis `t` has 5 positions, but the operator needs a multiple of 3'
run 1 check turned.plait --device cpu -D e=9; has err 'E0415' 'rope'
run 0 build turned.plait --target cpu; has_header() { grep -q "$1" turned.h || fail "no $1 in turned.h"; }; has_header 'e  *head .*a multiple of 6'

# Positions of a long sequence turn as far as they should.
printf 'axis t : time\naxis d = 64\noperator far_away(x : f32[t, d]) -> (y : f32[t, d]) {\n y = rope[d](x, 7 * t)\n}\n' >far.plait
run 0 check far.plait --device cpu --sizes t=4096 --sizes t=65536; has out ' t=4096 .* y  *[0-9.]*e-08 .*pass$' ' t=65536 .* y  *[0-9.]*e-08 .*pass$' ' 0 failures'

# The bar: what is off by a tenth more than the limit fails, by its name; what is off by a tenth less passes.
off() { printf 'axis t : time\noperator off(x : %s[t]) -> (y : %s[t], z : %s[t]) {\n y = x\n z = %s * x\n}\n' "$1" "$1" "$1" "$2"; }
for bar in 'f32 1.000009 1.000011' 'f32 0.999991 0.999989' 'f16 1.0027 1.0033'; do
    # shellcheck disable=SC2086 # three words
    set -- $bar
    off "$1" 1 >off.plait; off "$1" "$2" >below.plait; off "$1" "$3" >above.plait
    run 0 build below.plait --target cpu -o below.so; run 0 build above.plait --target cpu -o above.so
    run 0 check off.plait --library below.so --device cpu --sizes t=1000; has out '^2 results, 0 failures'
    run 3 check off.plait --library above.so --device cpu --sizes t=1000; has out '^2 results, 1 failure$' ' y .* pass$' ' z .* FAIL$'
    has err 'E0622' '`z` of `off` on cpu at t=1000: error'
done

# Two runs of every case, each over fresh outputs: other bits, and elements that only one of them writes, are failures.
printf 'axis t : time\n' >by_hand.plait
for name in steady unsteady forgetful; do printf 'operator %s(x : f32[t]) -> (y : f32[t]) { y = x }\n' $name; done >>by_hand.plait
run 0 check by_hand.plait --library "$by_hand" --device cpu --operator steady; has out ' 0 failures'
for name in unsteady forgetful; do
    run 3 check by_hand.plait --library "$by_hand" --device cpu --operator $name --sizes t=7
    has err 'E0622' "\`y\` of \`$name\` on cpu at t=7: two runs differ" 'the same bits every time'; has out 'FAIL: two runs differ$' '^1 results, 1 failure$'
    run 3 check by_hand.plait --library "$by_hand" --device cpu --operator $name --sizes t=7 --json; has out '"same_bits": false, "pass": false' '"exit_code": 3'
done

# Against the clock.
run 0 bench sum.plait --device cpu --sizes b=2,t=64 --repeats 3 --json; has out '"repeats": 3' '"bytes": 4160' '"operations": 1024' '"floor_seconds": '
run 0 bench sum.plait --device cpu; has out 'b=1 t=4096 d=4' '%'
run 1 bench sum.plait --library libsum.so --device cpu -D d=9; has err 'E0620'

# An input that alone says how long an axis is has a value in every case, though it has a default; another is left out.
cat >alone.plait <<'END'
axis t : time
axis u : time
axis s : time same u
operator alone(x : f32[t], bias : f32[u] = 2, more : f32[s] = 3, z : f32[t] = 4) -> (y : f32[t]) { y = x + sum[u](bias) + sum[s](more) + z }
END
run 2 check alone.plait --target cpu --sizes t=2147483647,u=2147483647; has err 'E0603' 'need .* GB of memory'; gives 'nothing was checked' cat out
run 0 check alone.plait --target cpu; has out '8 results, 0 failures'
finish
