# The command line itself: help, versions, mistakes, files, the cache, opt, emit, explain.
. "$(dirname "$0")/lib.sh"

run 0 --version; has out '^plait [0-9]'
run 0 --help; has out 'COMMANDS' 'build' 'EXIT CODES'
for command in $(commands); do
    run 0 $command --help; has out "plait $command" 'EXAMPLES'
    cp out by_option; run 0 help $command; same out by_option
done
run 2; has err 'E0601'
run 2 explian x; has err 'E0601' 'did you mean `plait explain`'
run 2 help nothing; has err 'E0601'
run 2 frob --json; has out '^{"command": null, "ok": false, "exit_code": 2' '"code": "E0601"'
run 0 help --json; has out '^{"command": "help", "ok": true' '"text": "plait: a compiler'
run 0 help build --json; has out '"text": "NAME'
run 2 --json build sum.plait; has err 'E0601' 'options follow the command'
run 2 build sum.plait -o ''; has err 'E0603' 'an empty value'
run 2 build sum.plait --operator=; has err 'E0603' 'an empty value'
run 2 build sum.plait --target cpu,; has err 'E0617' 'found: no name'
run 2 check sum.plait --seed 99999999999999999999; has err 'E0603' 'below 2^64'
run 2 check sum.plait --device cpu --range x=2:1; has err 'E0603' 'LOW at most HIGH'
# A path may hold bytes that are no text: JSON stays JSON, and the terminal is left alone.
odd=$(printf 'a\377b\033[31m.plait')
run 1 build "$odd"; has err 'E0606' 'b?\[31m'
run 1 build "$odd" --json; has out 'a\\ufffdb\\u001b\[31m'
run 2 build sum.plait --traget cpu; has err 'E0602' 'did you mean `--target`'
run 2 build sum.plait --json --nope; has out '"ok": false' '"exit_code": 2' '"code": "E0602"'
run 2 build; has err 'E0604'
run 2 build sum.plait --target sm_91a; has err 'E0617'
run 2 build sum.plait --target cpu -D d; has err 'E0611'
run 2 build sum.plait --target cpu -D d=0; has err 'E0611' 'sizes from 1 to 1073741824'
run 1 build sum.plait --target cpu -D q=3; has err 'E0311'
run 2 cache --clear --limit 5; has err 'E0605'
run 2 emit sum.plait; has err 'E0605'
run 2 emit sum.plait --tile --stage; has err 'E0605'
run 2 emit sum.plait --ptx --target cpu; has err 'E0605'

# docs/cli.md names every command, and every option of each.
for command in $(commands); do
    grep -q "^    plait $command" "$here/../../docs/cli.md" || fail "docs/cli.md lacks $command"
    "$plait" help $command | grep -o '^       \(-[a-zA-Z], \)*--[a-z0-9-]*' | grep -o -e '--.*' | sort -u >options
    [ -s options ] || fail "no options of $command"
    while read -r option; do grep -q -e "$option" "$here/../../docs/cli.md" || fail "docs/cli.md lacks $option of $command"; done <options
done

# The targets are those of the table, in the help of every command that takes them too.
targets=$(sed -n 's/^TARGET([A-Z0-9_]*, "\([^"]*\)".*/\1/p' "$here/../../codegen/targets.def")
[ -n "$targets" ] || fail 'no targets in codegen/targets.def'
gives "$targets" sh -c "'$plait' targets | awk '{ print \$1 }'"
for target in $targets; do
    run 0 targets --json; has out "{\"name\": \"$target\", \"gpu\": \(true\|false\), \"runs_here\": \(true\|false\), \"meaning\": \"..*\"}"
    for command in build check bench emit; do run 0 help $command; has out "^           $target  *[A-Za-z]"; done
done
run 0 targets --json; has out '"name": "cpu", "gpu": false, "runs_here": true' '"name": "sm_80", "gpu": true'
run 2 targets cpu; has err 'E0604'

# Files.
mkdir folder
run 1 build none.plait; has err 'E0606' 'none.plait'
run 1 build folder; has err 'E0607'
truncate -s 20000000 large.plait
run 1 build large.plait; has err 'E0609'
if [ "$(id -u)" != 0 ]; then
    cp sum.plait secret.plait; chmod 000 secret.plait
    run 1 build secret.plait; has err 'E0608'
fi
run 1 emit sum.plait --stage -o none/x; has err 'E0610' 'make the folder first'
run 1 emit sum.plait --stage -o folder; has err 'E0610'
run 1 emit sum.plait --stage -o /dev/full; has err 'E0610' 'make room'
"$plait" emit sum.plait --stage >/dev/full 2>err; [ $? -eq 1 ] || fail 'standard output is full: exit code'
has err 'error\[E0610\]' 'found: `standard output`: No space left on device' 'help: make room'
"$plait" explain sum.plait --json >/dev/full 2>err; [ $? -eq 1 ] || fail 'explain, standard output is full: exit code'
has err 'error\[E0610\]'
"$plait" explain none.plait >/dev/full 2>err; [ $? -eq 1 ] || fail 'nothing to print: exit code'
has err 'error\[E0606\]'
printf '\357\273\277' | cat - sum.plait >marked.plait
run 0 emit sum.plait --stage; cp out plain.sir
run 0 emit marked.plait --stage; same out plain.sir
printf '\357\273\277' | cat - plain.sir >marked.sir
run 0 opt marked.sir; same out plain.sir
printf 'operator broken(x : f32[q]) -> (y : f32[q]) { y = x }\n' >broken.plait
run 1 build broken.plait; has err 'error\[E0' 'broken.plait:1:'
run 1 explain broken.plait --json; has out '"file": "broken.plait"' '"line": 1'

# Text in, text out.
run 0 emit sum.plait --stage -o sum.sir
run 0 opt sum.sir; cp out printed; same printed sum.sir
"$plait" opt - <sum.sir >piped || fail 'opt -'; same piped sum.sir
run 0 opt sum.sir --passes=stage --verify-each --time-passes --print-after fuse; has out 'kernel' ; has err 'ms  fuse' '// after fuse'
cp out fused; run 0 emit sum.plait --stage --optimised; same out fused
run 0 opt sum.sir --passes=stage --stop-after cse; if grep -q kernel out; then fail 'stop-after goes on'; fi
run 0 opt --list-passes; has out '^fuse '
run 0 opt --list-passes --json; has out '"name": "fuse"'
run 0 opt sum.sir --passes=stage --classify; has err '^scan 1 of @running, along t, forward$' '^  carry 1 f32\[b, d\]: affine, scalar factor'; same out fused
run 2 opt sum.sir --passes=classify; has err 'E0621' 'option --classify'
for list in cse, ,cse cse,,dce ,; do run 2 opt sum.sir --passes=$list; has err 'E0621' 'found: no name'; done
run 2 build sum.plait --target cpu,; has err 'E0617' 'found: no name'
run 2 build sum.plait -D d=4,; has err 'E0611'
run 2 opt sum.sir --passes=fuze; has err 'E0621' 'did you mean `fuse`'
run 2 opt sum.sir --stop-after nothing; has err 'E0621'
run 2 opt sum.sir --passes=stage --stop-after matrix; has err 'E0623' '`--stop-after matrix`' 'among --passes'
run 2 opt sum.sir --passes=cse --print-after dce; has err 'E0623' '`--print-after dce`'
run 2 opt sum.sir --passes=cse,matrix; has err 'E0623' '`matrix`, which works on Tile IR, for a file of Stage IR'
run 0 emit sum.plait --tile -o sum.tir
run 2 opt sum.tir --passes=chunk; has err 'E0623' '`chunk`, which works on Stage IR, for a file of Tile IR'
run 0 opt sum.tir --passes=cse,matrix --stop-after matrix --print-after all
run 2 opt; has err 'E0604'
printf 'operator @x {\n  %%1 = nothing\n}\n' >bad.sir
run 1 opt bad.sir; has err 'E070'
run 0 emit sum.plait --tile; has out 'signature @running' 'target "cpu"'
run 0 emit sum.plait --tile --target sm_80; has out 'target "sm_80"'
run 0 emit sum.plait --llvm-raw; has out 'define'
run 0 emit sum.plait --asm; has out 'running'
run 0 emit sum.plait --ptx --json; has out '"target": "sm_90a"' '.target sm_90a'

# What was found.
run 0 explain sum.plait; has out 'operator running' 'scan    along t, forward' 'affine, scalar factor' '1 kernel' 'floor'
run 0 explain sum.plait --json; has out '"kind": "scan"' '"class": "affine, scalar factor"' '"kernels": \[{"name": "running.0"' '"operations": '
run 0 explain sum.plait --json; has out '"gpu_kernels": \[{"name": "running.0"'
run 0 explain sum.plait; has out 'in segments of 128 tokens' '3 kernels on a GPU' 'along t.segments, forward'
# Why scans stay token after token on a GPU, in the words of the program.
cat >reasons.plait <<'END'
axis t : time
axis d = 16
operator reasons(x : f32[t, d], i : i32[t, d]) -> (y : f32[t, d])
{
    scan t carry A : f32[d] = 0 { A = max[d](A) + x; a = A }
    scan t carry B : f32[d] = 0 { B = B@[d](i) + x; b = B }
    scan t carry C : f32[d] = 0 { C = select(C > 0, x, 0.5 * C); c = C }
    scan t carry D : f32[d] = 0 { D = mean[d](D) + x; g = D }
    scan t carry E : f32[d] = 1 { e = E * x; E = E }
    scan t carry F : f32[d] = 0, G : f32[d] = 0 { h = F; F = G + x; G = 0.5 * h }
    y = a + b + c + g + e + h
}
END
run 0 explain reasons.plait; has out 'not by blocks: `max\[..\]` of the carry (line 5); nor in segments: `max\[..\]` of a carry (line 5)'
has out 'not by blocks: `@` of the carry (line 6)' 'not by blocks: `>` of the carry (line 7); nor in segments: `if` of a carry (line 7)'
has out 'made of sums over the carry alone (line 8); nor in segments: `sum\[..\]` of a carry (line 8)' 'Not by blocks: the next value of a carry is made of another one (line 10)'
has out 'Not by blocks: a carry that nothing is added to, nor multiplied by (line 9)'
# The same scan twice is one: three kernels by segments, not six.
printf 'axis t : time\noperator twice(x : f32[t]) -> (y, z : f32[t]) { y = cumsum[t](x)\nz = 2 * cumsum[t](x) }\n' >twice.plait
run 0 explain twice.plait; has out '^  3 kernels on a GPU'
printf 'axis t : time\noperator alike(x : f32[t]) -> (y : f32[t]) { scan t carry s = 0 { s = tanh(s + x); y = s } }\n' >alike.plait
run 0 explain alike.plait --sizes t=1; has out '^        does [0-9]* operations and [0-9]* functions$'
run 0 explain alike.plait --sizes t=5000; has out '^        does [0-9.]* K operations and [0-9.]* K functions$'
run 0 explain alike.plait --sizes t=5000000; has out '^        does [0-9.]* M operations and [0-9.]* M functions$'
run 0 explain alike.plait; has out 'on a GPU the same'
run 0 explain "$here/../../examples/gla/gla.plait"; has out '2 kernels on a GPU' 'scores of a block of tokens' 'along t, by blocks of tokens, 1 carry' 'they move'
run 0 explain sum.plait --sizes b=2,t=64; has out 'cost at b=2 t=64 d=4'
run 2 explain sum.plait --sizes t=1 --sizes t=2; has err 'E0605'
printf 'axis t : time\naxis u : time\noperator nested(x : f32[t, u]) -> (y : f32[t, u]) {\n scan t { scan u carry left : f32[t] = 0 { left = 0.5 * left + x\n y = left } }\n}\n' >nested.plait
"$plait" build nested.plait --target cpu >/dev/null 2>&1; built=$?
"$plait" explain nested.plait >/dev/null 2>&1; [ $? -eq $built ] || fail 'explain and build differ about nested scans'
cat >attends.plait <<'END'
axis t : time
axis h : head
operator attends(q, k : f32[t]) -> (y : f32[t])
{
    attend s where s <= t { o = sum(softmax(q * k@s) * k@s) }
    attend s where s >= t { y = sum(softmax(o * k@s) * o@s) }
}
operator heads(x : f32[t, h]) -> (y : f32[t]) { y = max[h](x) }
END
run 0 explain attends.plait --operator attends; has out 'attend  along s (line 5)' 'attend  along s (line 6)'
run 0 explain attends.plait --operator heads; has out 'gating  reductions over h, block by block'; if grep -q attend out; then fail 'a reduction over heads is no attend'; fi
# Tiles that data bounds.
cat >documents.plait <<'END'
axis t : time
axis d = 8
operator documents(q, k, v : f32[t, d], doc : i32[t], n : i32) -> (y : f32[t, d])
{
    attend s where s <= t and doc@s == doc and s < n { y = sum(sum[d](q * k@s) * v@s) }
}
operator causal(q, k, v : f32[t, d]) -> (y : f32[t, d]) { attend s where s <= t { y = sum(sum[d](q * k@s) * v@s) } }
END
run 0 explain documents.plait --operator documents; has out '^        tiles of s bounded by min and max of doc, n, which a kernel before finds$'
run 0 explain documents.plait --operator documents --json; has out '"skips": \[{"axis": "s", "tensors": "doc, n"}\]'
run 0 explain documents.plait --operator causal; if grep -q bounded out; then fail 'positions are no data'; fi
# What runs inside a scan, and what it keeps in memory.
cat >grid.plait <<'END'
axis b : batch
axis p : time
axis r : time
axis c : time
axis d = 4
axis w = 3
operator grid(x : f32[r, c, d]) -> (y : f32[r, c, d])
{
    scan r carry up : f32[c, d] = 0, n : f32 = 0 {
        n = n + 1
        scan c carry left : f32[d] = 0 {
            left = 0.4 * left + up + x / n
            y = left
        }
        up = 0.4 * y - 0.2 * up
    }
}
operator moved(x : f32[r, c, d], g : f32[r, c]) -> (y : f32[r, c, d])
{
    scan r carry S : f32[c, d] = 0 {
        scan c carry L : f32[d] = 0 { L = g * L + x; u = L }
        S = 0.5 * S + u
        y = S
    }
}
operator others(x : f32[b, r, c, d], f : f32[d, w]) -> (y : f32[b, r, c, d])
{
    scan r carry S : f32[b, c, d] = 0 {
        attend s along c where s <= c { o = sum(softmax(sum[d]((x + S) * x@[c](s))) * S@[c](s)) }
        S = tanh(conv[w, c](S, f)) + o
        y = S
    }
}
operator deep(x : f32[p, r, c, d]) -> (y : f32[p, r, c, d])
{
    scan p carry A : f32[r, c, d] = 0 {
        scan r carry B : f32[c, d] = 0 {
            scan c carry C : f32[d] = 0 { C = 0.3 * C + B + A + x; y = C }
            B = 0.5 * y
        }
        A = tanh(y)
    }
}
END
run 0 explain grid.plait --operator grid
has out '^     1  scan    along r, forward, carries f32\[c, d\], f32 (line 9)$' '^       1\.1  scan    along c, forward, carries f32\[d\] (line 11)$' '^                    carry 1 f32\[d\]: affine, scalar factor'
has out '^ *On the CPU it runs token after token; carry 1 is kept in memory, as what runs inside walks along c; the others are in registers or the nearest cache\.$' '^                    On a GPU it runs token after token, as the scan around it does\.$'
has out '^        keeps in memory from token to token carry of line 9 f32\[c, d\], output of line 11 f32\[c, d\]$'
gives 2 grep -c '^       1\.1  scan' out # as written, and fused
run 0 explain grid.plait --operator grid --json
has out '"stages": \[{"kind": "scan", "text": "along c, forward, carries f32\[d\]", "line": 11, "class": "affine, scalar factor"' '"keeps": \[{"name": "carry of line 9", "type": "f32\[c, d\]", "bytes": '
run 0 explain grid.plait --operator moved
has out '^                    It needs nothing that the scan around it carries, and runs before that\.$' '2 kernels on the CPU'
if grep -q 'in memory' out; then fail 'nothing is kept where the inner scan runs before the outer one'; fi
run 0 explain grid.plait --operator others; has out '^       1\.1  attend  along s (line 29)$' '^       1\.2  conv    along c, 3 taps (line 30)$' '^       1\.1  attend  along s, block by block'
run 0 explain grid.plait --operator deep
has out '^       1\.1  scan    along r, forward, carries f32\[c, d\] (line 37)$' '^         1\.1\.1  scan    along c, forward, carries f32\[d\] (line 38)$' 'carry 1 is kept in memory, as what runs inside walks along r, c\.$'
if command -v dot >/dev/null; then run 0 explain grid.plait --svg grid.svg; has grid.svg 'along c, forward'; fi
# Outputs as they are declared, whatever the order of their axes in the program; one value may be two of them.
printf 'axis t : time\naxis d = 4\noperator two(x : f32[t, d]) -> (z : f32[d, t], y : f32[t, d]) { y = x + 1; z = y }\n' >two.plait
run 0 explain two.plait; has out '^        writes z f32\[d, t\], y f32\[t, d\]$'
run 0 explain sum.plait -D d=2,3; has out 'running, d = 2' 'running, d = 3'
if command -v dot >/dev/null; then run 0 explain sum.plait --svg sum.svg; has sum.svg '</svg>' 'running.0'; fi
under PATH=/nowhere run 1 explain sum.plait --svg none.svg; has err 'E0801' 'graphviz'
[ -e none.svg ] && fail 'none.svg was written'

# The cache.
run 0 build sum.plait --target cpu; has out 'libsum.so'
run 0 cache; has out 'entries'
run 0 cache --json; has out '"entries": [1-9]'
run 0 cache --clear; run 0 cache; has out ': 0 entries, 0 bytes'
under 'HOME= XDG_CACHE_HOME= PLAIT_CACHE_DIR=' run 1 cache; has err 'E0606'
finish
