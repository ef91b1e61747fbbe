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
gives 'plait_call plait_call_with_workspace plait_error plait_library plait_status_text plait_workspace_bytes running' \
    sh -c "nm -D --defined-only lib/libsum.so | awk '{print \$3}' | sort | tr '\n' ' ' | sed 's/ \$//'"
readelf -d lib/libsum.so >dynamic; has dynamic 'SONAME.*libsum.so'

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
under "PLAIT_CACHE_DIR=/proc/none" run 0 build sum.plait --target cpu

# Several variants in one library.
run 0 build sum.plait --target cpu -D d=3,5 -o two.so --json; has out '"variants": 2'
has two.h '3 or 5'

# GPU code.
run 0 build sum.plait --target cpu,sm_90a --json; has out '"targets": \["cpu", "sm_90a"\]'
if "$plait" build sum.plait --target sm_90a --no-cache --json | grep -q '"ptxas": null'; then :; else has out '"registers": [1-9]'; fi
under "PLAIT_PTXAS=/nowhere/ptxas" run 0 build sum.plait --target sm_90a; has out 'PTX only'
printf '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "ptxas fatal : no" >&2; exit 255\n' >ptxas; chmod +x ptxas
under "PLAIT_PTXAS=$work/ptxas" run 1 build sum.plait --target sm_90a; has err 'E0802' 'ptxas for sm_90a' 'ptxas fatal'

# Intermediates.
run 0 build sum.plait --target cpu,sm_80 --keep-intermediates kept/here -D d=2,3
for file in cpu.tir cpu.o sm_80.tir sm_80.ptx program.d2.sir program.d3.sir libsum.so; do [ -s "kept/here/$file" ] || fail "no $file"; done
run 1 build sum.plait --target cpu --keep-intermediates /proc/none; has err 'E0610'

# Names that C does not take.
for name in int exp plait_call malloc; do
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
printf '#!/bin/sh\n[ "$1" = --version ] && { echo v; exit 0; }\ntouch started\nexec sleep 77\n' >hang; chmod +x hang
for signal in TERM HUP; do # SIGINT: a shell's background children ignore it; test_base.c has it
    rm -f started
    PLAIT_CODEGEN=$work/hang "$plait" build sum.plait --target cpu >out 2>err & child=$!
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -e started ] && break; sleep 0.1; done
    kill -$signal $child; wait $child; code=$?
    case $signal in TERM) expected=143 ;; HUP) expected=129 ;; esac
    [ $code -eq $expected ] || fail "SIG$signal: exit code $code"
    [ -z "$(ls -A "$work/tmp")" ] || fail "SIG$signal left $(ls "$work/tmp")"
    sleep 0.1
    ps -eo args 2>/dev/null | grep -q '^sleep 77$' && fail "SIG$signal left the child running"
done
[ -e libsum.so ] && fail 'a library was written'
run 1 build sum.plait --target cpu -o /dev/full; has err 'E0610'
finish
