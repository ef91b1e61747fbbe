# Building: what a library is, the cache, tools that are missing, fail, crash or are interrupted.
. "$(dirname "$0")/lib.sh"

mkdir -p lib
run 0 build sum.plait --target cpu -o lib/libsum.so; has out 'lib/libsum.so' 'lib/sum.h'
has lib/sum.h 'int running(const DLTensor \*x, const DLTensor \*s0, DLTensor \*y, DLTensor \*last, void \*stream);' 'optional: NULL stands for 0' 'f32\[b, t, d\]'
echo '#include "lib/sum.h"
int main(void) { return running(0, 0, 0, 0, 0) == PLAIT_STATUS_NULL_ARGUMENT ? 0 : 1; }' >host.c
cc -std=c11 -Wall -Wextra -Wpedantic -Werror -I. host.c -o host -Llib -lsum -Wl,-rpath,"$work/lib" || fail 'the header in C'
./host || fail 'a host program'
if command -v c++ >/dev/null; then cp host.c host.cc; c++ -Wall -Wextra -Wpedantic -Werror -I. -fsyntax-only host.cc || fail 'the header in C++'; fi
gives '' sh -c "readelf -d lib/libsum.so | grep NEEDED | grep -v -e 'libc.so.6' -e 'libm.so.6' -e 'ld-linux'"
gives '__tvm_ffi_running plait_call plait_call_with_workspace plait_error plait_library plait_status_text plait_workspace_bytes plait_xla_cpu plait_xla_cuda running running_error running_with_workspace running_workspace_bytes' \
    sh -c "nm -D --defined-only lib/libsum.so | awk '{print \$3}' | sort | tr '\n' ' ' | sed 's/ \$//'"
readelf -d lib/libsum.so >dynamic; has dynamic 'SONAME.*libsum.so'

# Two libraries in one program: each operator has its own error text and workspace.
sed 's/running/walking/; s/d = 4/d = 3/' sum.plait >walk.plait
run 0 build walk.plait --target cpu -o lib/libwalk.so
cat >both.c <<'END'
#include <string.h>
#include "lib/sum.h"
#include "lib/walk.h"
int main(void)
{
    float x[4] = {1, 2, 3, 4}, y[4], last[4];
    int64_t shape[] = {1, 1, 3}, end[] = {1, 3}, wrong[] = {1, 1, 4};
    uint64_t bytes = 99;
    DLTensor in = {x, {kDLCPU, 0}, 3, {kDLFloat, 32, 1}, shape, NULL, 0}, out = {y, {kDLCPU, 0}, 3, {kDLFloat, 32, 1}, shape, NULL, 0},
             state = {last, {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, end, NULL, 0};
    if (walking(&in, NULL, &out, &state, NULL) || y[2] != 3 || *walking_error()) return 1;
    if (walking_workspace_bytes(&in, NULL, &out, &state, &bytes) || bytes == 99) return 2;
    if (walking_with_workspace(&in, NULL, &out, &state, NULL, NULL, 0)) return 3;
    if (running(&in, NULL, &out, &state, NULL) != PLAIT_STATUS_UNAVAILABLE_SIZE) return 4;
    if (!strstr(running_error(), "running: ") || *walking_error()) return 5;
    in.shape = wrong;
    if (!walking(&in, NULL, &out, &state, NULL) || !strstr(walking_error(), "walking: ") || !strstr(running_error(), "running: ")) return 6;
    return 0;
}
END
for order in '-lsum -lwalk' '-lwalk -lsum'; do
    # shellcheck disable=SC2086 # two words
    cc -std=c11 -Wall -Wextra -Wpedantic -Werror -I. both.c -o both -Llib $order -Wl,-rpath,"$work/lib" || fail 'two libraries in one program'
    ./both || fail "two libraries, $order: $?"
done
(cat sum.plait; sed '/^axis/d; s/running/running_error/' sum.plait) >siblings.plait
run 1 build siblings.plait --target cpu; has err 'E0806' "another operator's"

# Outputs over the program, or over each other.
# Outputs that name a folder are refused before anything is built, and a temporary folder that is none by its name.
mkdir folder
for output in folder folder/ none/ /; do
    run 1 build sum.plait --target cpu -o $output; has err 'E0610' "\`$output\`: Is a directory" 'of a file, not of a folder'
    run 1 build sum.plait --target cpu -o x.so --header $output; has err 'E0610' "\`$output\`: Is a directory"; [ ! -e x.so ] || fail 'a library beside a header that is a folder'
    run 1 emit sum.plait --stage -o $output; has err 'E0610' 'not of a folder'
    run 1 explain sum.plait --svg $output; has err 'E0610' 'not of a folder'
    run 1 run sum.plait -i x=none.npy --out y=$output; has err 'E0610' 'not of a folder'
done
# So is what no file can be made at: in a missing folder, through a file, in a folder that takes none.
missing() {
    run 1 build sum.plait --target cpu --no-cache -o $1; has err 'E0610' "$2"
    run 1 build sum.plait --target cpu -o x.so --header $1; has err 'E0610' "$2"; [ ! -e x.so ] || fail 'a library beside a header that cannot be written'
    run 1 emit sum.plait --stage -o $1; has err 'E0610' "$2"
    run 1 explain sum.plait --svg $1; has err 'E0610' "$2"; [ ! -s out ] || fail 'a report before the message'
    run 1 run sum.plait -i x=none.npy --out y=$1; has err 'E0610' "$2"
}
missing none/x.so 'make the folder first'
missing sum.plait/x.so 'what it goes through as a folder is a file'
if [ "$(id -u)" != 0 ]; then mkdir closed; chmod 555 closed; missing closed/x.so 'chmod'; fi
for folder in /no/such sum.plait /proc; do
    under TMPDIR=$folder run 1 build sum.plait --target cpu --no-cache; has err 'E0610' "temporary folder \`$folder\`" 'TMPDIR; without it /tmp is taken'
done
run 1 build sum.plait --target cpu --keep-intermediates sum.plait; has err 'E0610' 'what it goes through as a folder is a file'
run 1 build ''; has err 'E0606' 'an empty path'
under PLAIT_RUNTIME=folder run 1 build sum.plait --target cpu --no-cache; has err 'E0801' '$PLAIT_RUNTIME names `folder`'
under PLAIT_CODEGEN=folder run 1 build sum.plait --target cpu --no-cache; has err 'E0801' '$PLAIT_CODEGEN names `folder`'
run 1 opt sum.plait; has err 'E0701' 'a program in the language is no IR text'
mkdir same; cp sum.plait same/k.plait; ln same/k.plait same/hard.plait; ln -s k.plait same/soft.plait
for output in same/k.plait ./same/../same/k.plait same/hard.plait same/soft.plait; do
    run 2 build same/k.plait --target cpu -o $output; has err 'E0605' 'which is read'
    run 2 build same/k.plait --target cpu -o same/k.so --header $output; has err 'E0605' 'which is read'
    run 2 emit same/k.plait --stage -o $output; has err 'E0605'
    run 2 explain same/k.plait --svg $output; has err 'E0605'
done
run 2 build same/k.plait --target cpu -o same/k.h; has err 'E0605' 'one file'
run 2 build same/k.plait --target cpu -o same/x --header same/../same/x; has err 'E0605' 'one file'
same same/k.plait sum.plait; gives 'hard.plait k.plait soft.plait' sh -c "ls same | tr '\n' ' ' | sed 's/ \$//'"
run 0 build same/k.plait --target cpu -o /dev/null --header /dev/null
# Names with characters of their own: a comma is none of the linker's, and no two headers have one guard.
run 0 build sum.plait --target cpu -o 'lib/a,b.so'; run 0 build walk.plait --target cpu -o 'lib/a-b.so'; run 0 build sum.plait --target cpu -o 'lib/A_B.so'
[ "$(cat 'lib/a,b.h' lib/a-b.h lib/A_B.h | grep -c '^#ifndef PLAIT_LIBRARY')" = 3 ] && [ "$(cat 'lib/a,b.h' lib/a-b.h lib/A_B.h | grep '^#ifndef PLAIT_LIBRARY' | sort -u | wc -l)" = 3 ] || fail 'guards of headers'
# Tiles that no program could keep are refused at once, for a CPU and for a GPU.
printf 'axis t : time\naxis d = 1500\naxis e = 1500\noperator f(x : f32[t, d], z : f32[t, e]) -> y : f32[t, e] {\n scan t carry S : f32[d, e] = 0 { S = tanh(S + x * z)\n y = sum[d](S * x) + sum[e](sum[d](S)) }\n}\n' >large.plait
run 1 build large.plait -o large.so; has err 'E0820' 'large.plait:5:48' '\^\^\^\^\^$' '4194304 bytes'; [ ! -e large.so ] || fail 'a library of tiles that are too large'
run 1 build large.plait -o large.so --target sm_90a; has err 'E0820' 'large.plait:5:48' '1048576 elements'
run 1 emit large.plait --ptx; has err 'E0820' 'large.plait:5:48' '1048576 elements'

# The cache: the same bytes, at once; other sizes, other targets, other text are other entries; damage is repaired.
cp lib/libsum.so first.so
run 0 build sum.plait --target cpu -o lib/libsum.so; has out 'from the cache'; same lib/libsum.so first.so
run 0 build sum.plait --target cpu -o lib/libsum.so --no-cache; if grep -q 'from the cache' out; then fail 'no-cache'; fi
same lib/libsum.so first.so
run 0 build sum.plait --target cpu -D d=5; if grep -q 'from the cache' out; then fail 'other sizes'; fi
(sed 's/0.5/0.25/' sum.plait) >other.plait; cp other.plait moved.plait; mv sum.plait kept.plait; mv other.plait sum.plait
run 0 build sum.plait --target cpu -o lib/libsum.so; if grep -q 'from the cache' out; then fail 'other text'; fi
mv kept.plait sum.plait
for entry in cache/*.entry; do printf 'x' | dd of="$entry" bs=1 seek=3000 conv=notrunc 2>/dev/null; done
run 0 build sum.plait --target cpu -o lib/libsum.so; if grep -q 'from the cache' out; then fail 'a damaged entry was used'; fi
same lib/libsum.so first.so
run 0 cache --clear
for number in 1 2 3 4; do "$plait" build sum.plait --target cpu -o "many$number.so" >/dev/null 2>&1 & done; wait
"$plait" cache >out 2>err; has out 'entries'
for number in 2 3 4; do nm -D "many$number.so" >/dev/null || fail 'builds at once'; done
under "PLAIT_CACHE_DIR=/proc/none" run 0 build sum.plait --target cpu; has err 'warning: the cache in `/proc/none` cannot be written' 'PLAIT_CACHE_DIR'
under "PLAIT_CACHE_LIMIT=1G" run 0 build sum.plait --target cpu -D d=6; has err 'warning: PLAIT_CACHE_LIMIT is `1G`, .*the limit is 1073741824'
under "PLAIT_CACHE_LIMIT=-1" run 0 build sum.plait --target cpu -D d=7; has err 'warning: PLAIT_CACHE_LIMIT is `-1`'
under "PLAIT_CACHE_LIMIT=2000000000" run 0 build sum.plait --target cpu -D d=6,7; gives '' cat err

# Several variants in one library.
run 0 build sum.plait --target cpu -D d=3,5 -o two.so --json; has out '"variants": 2'
has two.h '3 or 5'

# GPU code.
run 0 build sum.plait --target cpu,sm_90a --json; has out '"targets": \["cpu", "sm_90a"\]'
if "$plait" build sum.plait --target sm_90a --no-cache --json | grep -q '"ptxas": null'; then :; else has out '"registers": [1-9]'; fi
under "PLAIT_PTXAS=/nowhere/ptxas" run 0 build sum.plait --target sm_90a; has out 'PTX only'
printf '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "ptxas fatal : no" >&2; exit 255\n' >ptxas; chmod +x ptxas
under "PLAIT_PTXAS=$work/ptxas" run 1 build sum.plait --target sm_90a; has err 'E0802' 'ptxas for sm_90a' 'ptxas fatal'

# A kernel with tensor maps: with ptxas the library has its ordinary version as PTX alone, and once. Not where rows of 66
# bytes keep the other from ever running, and not without ptxas, which leaves everything to the driver.
cat >attend.plait <<'END'
axis b : batch
axis t : time
axis d = 64
axis e = 64

operator attended(q, k : bf16[b, t, d], v : bf16[b, t, e]) -> (o : bf16[b, t, e])
{
    attend s where s <= t { o = sum(softmax(sum[d](q * k@s)) * v@s) }
}
END
entries() { grep -ao '\.entry attended_0[a-z_]*' "$1" | sort | tr '\n' ' '; }
assembled() { readelf -sW "$1" | awk '$4 == "FUNC" { print $NF }' | sort | tr '\n' ' '; }
both='.entry attended_0 .entry attended_0_maps '
under "PLAIT_PTXAS=/nowhere/ptxas" run 0 build attend.plait --target sm_90a -o attend.so --json; has out '"gpu_kernels": \[\], "late_kernels": \[\]'
gives "$both" entries attend.so
run 0 build attend.plait --target sm_90a -o attend.so --keep-intermediates first --json
gives "$both" entries attend.so
if ! grep -q '"ptxas": null' out; then
    has out '"late_kernels": \[{"target": "sm_90a", "kernel": "attended_0"}\]' '"gpu_kernels": \[{"target": "sm_90a", "kernel": "attended_0_maps", "registers": [1-9][^]]*}\], "late'
    if grep -q '"attended_0", "registers"' out; then fail 'registers of a kernel that was not assembled'; fi
    gives 'attended_0_maps ' assembled first/sm_90a.cubin
    gives '.entry attended_0_maps ' entries first/sm_90a.ptx; gives '.entry attended_0 ' entries first/sm_90a.late.ptx
    cp attend.so again.so; run 0 build attend.plait --target sm_90a -o attend.so --no-cache; same attend.so again.so
    run 0 build attend.plait --target sm_90a -o attend.so -D e=33 --keep-intermediates rows --json; has out '"late_kernels": \[\]'
    gives 'attended_0 attended_0_maps ' assembled rows/sm_90a.cubin
    run 0 build sum.plait --target sm_80 -o attend.so --json --no-cache; has out '"late_kernels": \[\]'
fi
run 0 emit attend.plait --ptx; gives "$both" entries out

# Intermediates.
run 0 build sum.plait --target cpu,sm_80 --keep-intermediates kept/here -D d=2,3
for file in cpu.tir cpu.o sm_80.tir sm_80.ptx program.d2.sir program.d3.sir libsum.so; do [ -s "kept/here/$file" ] || fail "no $file"; done
run 1 build sum.plait --target cpu --keep-intermediates /proc/none; has err 'E0610'

# A device takes the library and its header, in place.
run 0 build sum.plait --target cpu -o /dev/null; [ -c /dev/null ] && [ ! -e /dev/null.h ] || fail '-o /dev/null'

# Names that C does not take.
for name in int exp plait_call malloc compl signbit uint8_t DLTensor; do
    sed "s/running/$name/" sum.plait >named.plait
    run 1 build named.plait --target cpu; has err 'E0806' 'rename it'
done

# The code generator is missing, fails, crashes, is interrupted: a report, no library, nothing left behind.
rm -f libsum.so sum.h
under "PLAIT_CODEGEN=/nowhere" run 1 build sum.plait; has err 'E0801'
under "PLAIT_RUNTIME=/nowhere" run 1 build sum.plait; has err 'E0801'
printf '#!/bin/sh\n[ "$1" = --version ] && { echo v; exit 0; }\necho "LLVM ERROR: Cannot select" >&2\nkill -ABRT $$\n' >crash; chmod +x crash
under "PLAIT_CODEGEN=$work/crash" run 4 build sum.plait --target cpu; has err 'E0803' 'signal 6' 'LLVM ERROR: Cannot select'
under "PLAIT_CODEGEN=$work/crash" run 4 build sum.plait --target cpu --json; has out '"exit_code": 4' 'E0803'
under "PLAIT_CODEGEN=$work/crash" run 4 emit sum.plait --asm; has err 'E0803'
printf '#!/bin/sh\n[ "$1" = --version ] && { echo v; exit 0; }\necho $$ >started.new; mv started.new started\nexec sleep 77\n' >hang; chmod +x hang
# Whether there is no such process, or one that only waits to be reaped.
gone() { ! grep -s '^State:' "/proc/$1/status" | grep -qv '\<Z\>'; }
for signal in TERM HUP KILL; do # SIGINT: a shell's background children ignore it; test_base.c has it
    rm -f started
    PLAIT_CODEGEN=$work/hang "$plait" build sum.plait --target cpu >out 2>err & child=$!
    wait_for [ -e started ] || fail 'the code generator has not started'
    kill -$signal $child; wait $child; code=$?
    case $signal in TERM) expected=143 ;; HUP) expected=129 ;; KILL) expected=137 ;; esac
    [ $code -eq $expected ] || fail "SIG$signal: exit code $code"
    [ $signal = KILL ] && rm -rf "$work"/tmp/plait-* # what nobody can clean up
    [ -z "$(ls -A "$work/tmp")" ] || fail "SIG$signal left $(ls "$work/tmp")"
    wait_for gone "$(cat started)" || { fail "SIG$signal left the child running"; kill "$(cat started)"; }
done
[ -e libsum.so ] && fail 'a library was written'
run 1 build sum.plait --target cpu -o /dev/full; has err 'E0610'

# The library and its header are both complete before either replaces what was there.
mkdir pair pair/folder; echo old >pair/k.so; echo old >pair/k.h; cp pair/k.so old
for header in pair/folder pair/none/k.h /dev/full; do
    run 1 build sum.plait --target cpu -o pair/k.so --header $header; has err 'E0610' "$header"; same pair/k.so old
done
run 1 build sum.plait --target cpu -o pair/folder --header pair/k.h; has err 'E0610'; same pair/k.h old
gives 'folder k.h k.so' sh -c "ls pair | tr '\n' ' ' | sed 's/ \$//'"
run 0 build sum.plait --target cpu -o pair/k.so --header pair/k.h; has pair/k.h 'int running'

# A disk that is full is no mistake of Plait's, whether the child fails or stops; nor is a tool's exit code 3 the word of
# plait-codegen for a program that is too large.
for end in 'exit 1' 'kill -ABRT $$'; do
    printf '#!/bin/sh\n[ "$1" = --version ] && { echo v; exit 0; }\necho "LLVM ERROR: IO failure: No space left on device" >&2\n%s\n' "$end" >crash
    under "PLAIT_CODEGEN=$work/crash" run 1 build sum.plait --target cpu; has err 'E0610' 'plait-codegen' 'No space left' 'TMPDIR'
    if grep -q 'E080\|report it' err; then fail 'a full disk is a mistake of Plait'; fi
done
printf '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "ptxas fatal : no" >&2; exit 3\n' >ptxas
under "PLAIT_PTXAS=$work/ptxas" run 1 build sum.plait --target sm_90a --no-cache; has err 'E0802' 'ptxas for sm_90a: exit code 3'
finish
