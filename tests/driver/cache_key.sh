# The key of the cache: builds that differ in anything that the library or its header depends on share no entry.
. "$(dirname "$0")/lib.sh"

# fresh WHAT ARGUMENTS..: a build that the cache does not have yet, and then does
fresh() {
    what=$1
    shift
    run 0 build "$@" --json
    grep -q '"cached": false' out || fail "$what: the entry of another build was taken: plait build $*"
    run 0 build "$@" --json
    grep -q '"cached": true' out || fail "$what: not kept: plait build $*"
}
# known WHAT ARGUMENTS..: the same as a build before
known() {
    what=$1
    shift
    run 0 build "$@" --json
    grep -q '"cached": true' out || fail "$what: built again: plait build $*"
}

fresh 'the first' sum.plait --target cpu

# Targets, in any order.
fresh 'a GPU' sum.plait --target sm_80
fresh 'another GPU' sum.plait --target sm_90a
fresh 'two targets' sum.plait --target cpu,sm_80; has out '"targets": \["cpu", "sm_80"\]'
fresh 'two others' sum.plait --target cpu,sm_90a; has out '"targets": \["cpu", "sm_90a"\]'
known 'the order' sum.plait --target sm_90a,cpu
known 'the first target' sum.plait --target cpu; has out '"targets": \["cpu"\]'

# Sizes.
fresh 'a size' sum.plait --target cpu -D d=5
fresh 'another size' sum.plait --target cpu -D d=6
fresh 'both sizes' sum.plait --target cpu -D d=5,6; has out '"variants": 2'
fresh 'a size of a run-time axis' sum.plait --target cpu -D b=5
fresh 'sizes of two axes' sum.plait --target cpu -D b=5,d=6
fresh 'the same sizes of the other axes' sum.plait --target cpu -D b=6,d=5

# Names: of the library (its soname), of the header, of the program (in the header), of the operators that are in it.
fresh 'the library' sum.plait --target cpu -o other.so --header sum.h
fresh 'the header' sum.plait --target cpu --header other.h
mkdir folder
known 'the folder of outputs' sum.plait --target cpu -o folder/libsum.so
cp sum.plait moved.plait; cp sum.plait folder/sum.plait
fresh 'the program' moved.plait --target cpu -o libsum.so
known 'the folder of the program' folder/sum.plait --target cpu -o libsum.so
(cat sum.plait; sed '/^axis/d; s/running/walking/' sum.plait) >two.plait
fresh 'two operators' two.plait --target cpu
fresh 'one of two' two.plait --target cpu --operator running
fresh 'the other' two.plait --target cpu --operator walking

# The text.
sed -i 's/0\.5/0.25/' folder/sum.plait
fresh 'the text' folder/sum.plait --target cpu

# Tools: their places, and what is in them (seen by its time).
here=$(dirname "$plait")
mkdir tools
ln -s "$here/plait-codegen" tools/codegen; ln -s "$here/../lib/libplait_runtime.a" tools/runtime.a
for tool in cc ld; do printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v $tool)" >tools/$tool; done
printf '#!/bin/sh\n[ "$1" = --version ] && { echo "release 1.0, V1.0.0"; exit 0; }\nfor file; do :; done; echo cubin >"$file"\n' >tools/ptxas
chmod +x tools/*
under "PLAIT_CODEGEN=tools/codegen" fresh 'the code generator' sum.plait --target cpu
under "PLAIT_RUNTIME=tools/runtime.a" fresh 'the runtime' sum.plait --target cpu
under "PLAIT_PTXAS=tools/ptxas" fresh 'ptxas' sum.plait --target sm_80
touch -d 2001-01-01 tools/ptxas
under "PLAIT_PTXAS=tools/ptxas" fresh 'a newer ptxas' sum.plait --target sm_80
if command -v ptxas >/dev/null || [ -x /usr/local/cuda/bin/ptxas ]; then # elsewhere the very first entry had none
    under "PLAIT_PTXAS=/nowhere" fresh 'no ptxas' sum.plait --target sm_80
fi
under "PATH=$work/tools:$PATH" fresh 'the linker' sum.plait --target cpu
touch -d 2001-01-01 tools/cc
under "PATH=$work/tools:$PATH" fresh 'a newer linker' sum.plait --target cpu
cp "$plait" tools/plait
tools="PLAIT_CODEGEN=$here/plait-codegen PLAIT_RUNTIME=$here/../lib/libplait_runtime.a"
under "$tools" known 'tools by name' sum.plait --target cpu
plait=$work/tools/plait
under "$tools" fresh 'another plait' sum.plait --target cpu
finish
