#!/bin/sh
# What plait-codegen makes and what it refuses: commands.sh PLAIT-CODEGEN SOURCE-FOLDER WORK-FOLDER
codegen=$1 source=$2 work=$3
checks=0 failed=0
mkdir -p "$work" && cd "$work" || exit 1
rm -rf ./*

holds() { # holds MESSAGE COMMAND..
    message=$1
    shift
    checks=$((checks + 1))
    "$@" >/dev/null 2>&1 || { failed=$((failed + 1)); echo "failed: $message"; }
}
refuses() { # refuses STATUS WORDS ARGUMENTS..: exit status and words on stderr, and nothing left behind
    status=$1 words=$2
    shift 2
    checks=$((checks + 1))
    "$codegen" "$@" >out.txt 2>err.txt
    found=$?
    if [ $found -ne "$status" ] || ! grep -q -e "$words" err.txt || [ -e refused.o ]; then
        failed=$((failed + 1))
        echo "failed: $* gave $found and: $(cat err.txt)"
    fi
    rm -f refused.o out.txt err.txt
}
none() { ! "$@"; }

# objects: exported are the operators and plait_library; kernels and the runtime are for this link only
"$codegen" object "$source/cpu.tir" -o cpu.o && "$codegen" ptx --target sm_90a "$source/gpu.tir" -o gpu.ptx &&
    "$codegen" package --kernels cpu="$source/cpu.tir" --kernels sm_90a="$source/gpu.tir" --image sm_90a=,gpu.ptx -o package.o || exit 1
readelf -sW package.o | awk '$5 == "GLOBAL" && $6 == "DEFAULT" && $7 != "UND" { print $8 }' | sort | tr '\n' ' ' >exported.txt
holds "exported symbols" grep -qx '__tvm_ffi_cumulative __tvm_ffi_twice cumulative cumulative_error cumulative_with_workspace cumulative_workspace_bytes plait_library twice twice_error twice_with_workspace twice_workspace_bytes ' exported.txt
readelf -sW package.o | awk '$5 == "GLOBAL" && $7 == "UND" && $6 == "HIDDEN" { print $8 }' >wanted.txt
for level in v2 v3 v4; do
    holds "package.o wants cumulative.0.$level" grep -qx "cumulative.0.$level" wanted.txt
    readelf -sW cpu.o | awk '$6 == "HIDDEN" && $4 == "FUNC" { print $8 }' >kernels.txt
    holds "cpu.o has cumulative.0.$level" grep -qx "cumulative.0.$level" kernels.txt
done
for name in plait_runtime_call plait_runtime_workspace_bytes plait_last_error; do holds "package.o wants the runtime: $name" grep -qx $name wanted.txt; done
readelf -sW cpu.o | awk '$7 == "UND" && $8 != "" { print $8 }' >undefined.txt
holds "cpu.o needs nothing" test ! -s undefined.txt
readelf -rW cpu.o >relocations.txt
holds "cpu.o is position-independent" none grep -q R_X86_64_32 relocations.txt

# LLVM IR before its passes: the same from anywhere, with no place, time or version in it
mkdir -p elsewhere && cp "$source/cpu.tir" elsewhere/renamed.tir
"$codegen" object --emit=llvm-raw "$source/cpu.tir" -o raw1.ll
(cd elsewhere && "$codegen" object --emit llvm-raw - -o - <renamed.tir >../raw2.ll)
holds "llvm-raw is the same from anywhere" cmp raw1.ll raw2.ll
holds "llvm-raw names no version" none grep -qi -e 'version 22' -e "$work" raw1.ll
"$codegen" object --emit=llvm "$source/cpu.tir" -o passes.ll
holds "--emit=llvm is after the passes" none cmp raw1.ll passes.ll
"$codegen" object --emit=asm "$source/cpu.tir" -o cpu.s
holds "--emit=asm is assembly" grep -q retq cpu.s
"$codegen" ptx --target sm_90a --emit=ptx "$source/gpu.tir" -o gpu2.ptx
holds "--emit=ptx is the default" cmp gpu.ptx gpu2.ptx
"$codegen" ptx --target sm_90a --part first "$source/gpu.tir" -o first.ptx
"$codegen" ptx --target sm_90a --part late "$source/gpu.tir" -o late.ptx
holds "without versions to choose from all is in the first part" cmp gpu.ptx first.ptx
holds "and nothing in the late one" test -f late.ptx -a ! -s late.ptx
"$codegen" package --kernels cpu="$source/cpu.tir" --kernels sm_90a="$source/gpu.tir" --image sm_90a=,gpu.ptx --late sm_90a=late.ptx -o package2.o
holds "an empty late part is none" cmp package.o package2.o
"$codegen" object "$source/cpu.tir" -o cpu2.o
holds "objects are the same each time" cmp cpu.o cpu2.o
holds "--version" "$codegen" --version
holds "--help" "$codegen" --help
holds "a full disk is an error" sh -c "! '$codegen' object '$source/cpu.tir' -o - >/dev/full"

# refused
printf 'signature @x {\n  axis t : tune\n}\n' >bad.tir
sed 's/axis d = 64$/axis d = 65/' "$source/gpu.tir" >other.tir
sed 's/"x0" : f32/"x0" : f64/' "$source/gpu.tir" >type.tir
sed '/^signature @twice.d64/,/^}/d' "$source/gpu.tir" >fewer.tir
printf 'signature @x {\n  axis t : time\n  output "y" : f32[t]\n}\n' >none.tir
refuses 1 'E0701' object bad.tir -o refused.o
refuses 1 'cannot read missing.tir' object missing.tir -o refused.o
refuses 1 'cannot read' object . -o refused.o
refuses 1 'cannot write' object "$source/cpu.tir" -o missing/refused.o
refuses 1 'usage' object "$source/cpu.tir"
refuses 1 'usage' ptx "$source/gpu.tir" -o refused.o
refuses 1 'no option --emut' object --emut=asm "$source/cpu.tir" -o refused.o
refuses 1 'has no --emit=ptx' object --emit=ptx "$source/cpu.tir" -o refused.o
refuses 1 'needs a value' object "$source/cpu.tir" -o
refuses 1 'more than one input' object a b -o refused.o
refuses 1 'no command' nothing
refuses 1 'no target sm_10' ptx --target sm_10 "$source/gpu.tir" -o refused.o
refuses 1 'cpu is no GPU' ptx --target cpu "$source/cpu.tir" -o refused.o
refuses 1 'sm_90a has 0 images' package --kernels sm_90a="$source/gpu.tir" -o refused.o
refuses 1 'image without kernels' package --kernels cpu="$source/cpu.tir" --image sm_90a=,gpu.ptx -o refused.o
refuses 1 'given twice' package --kernels cpu="$source/cpu.tir" --kernels cpu="$source/cpu.tir" -o refused.o
refuses 1 'no part middle' ptx --target sm_90a --part middle "$source/gpu.tir" -o refused.o
refuses 1 'no option --part' object --part late "$source/cpu.tir" -o refused.o
refuses 1 '--late sm_90a is not TARGET=FILE' package --kernels cpu="$source/cpu.tir" --late sm_90a -o refused.o
refuses 1 '--late sm_90a is given twice' package --kernels sm_90a="$source/gpu.tir" --late sm_90a=late.ptx --late sm_90a=late.ptx -o refused.o
refuses 1 'late part, but no image' package --kernels cpu="$source/cpu.tir" --late sm_90a=gpu.ptx -o refused.o
refuses 1 'cannot read missing.ptx' package --kernels sm_90a="$source/gpu.tir" --image sm_90a=,gpu.ptx --late sm_90a=missing.ptx -o refused.o
refuses 1 'is not TARGET=CUBIN,PTX' package --kernels cpu="$source/cpu.tir" --image sm_90a -o refused.o
refuses 1 'another size of axis .d.' package --kernels cpu="$source/cpu.tir" --kernels sm_90a=other.tir --image sm_90a=,gpu.ptx -o refused.o
refuses 1 'another tensor .x0.' package --kernels cpu="$source/cpu.tir" --kernels sm_90a=type.tir --image sm_90a=,gpu.ptx -o refused.o
refuses 1 'is of no signature\|not in the first file' package --kernels cpu=fewer.tir --kernels sm_90a="$source/gpu.tir" --image sm_90a=,gpu.ptx -o refused.o
refuses 1 'no kernels for one of the targets' package --kernels cpu=none.tir -o refused.o
sed 's/kernel @cumulative.1 /kernel @cumulative_0 /' "$source/gpu.tir" >taken.tir
refuses 1 'the name is taken: kernel .cumulative_0.' package --kernels sm_90a=taken.tir --image sm_90a=,gpu.ptx -o refused.o
: >empty.ptx
refuses 1 'is empty' package --kernels sm_90a="$source/gpu.tir" --image sm_90a=,empty.ptx -o refused.o
holds "no part files are left" sh -c '! ls | grep -q part'

echo "$checks checks, $failed failed"
[ $failed -eq 0 ]
