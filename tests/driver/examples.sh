# Every EXAMPLE row of driver/options.def, run as `plait help COMMAND` prints it, in a folder with the files that it names.
. "$(dirname "$0")/lib.sh"
root=$here/../..
PATH=$(dirname "$plait"):$PATH
cuda=0; [ -e /dev/nvidia0 ] || cuda=1
dot=0; command -v dot >/dev/null || dot=1

mkdir files
for program in retnet sliding_window_alibi; do cp "$root/examples/$program/$program.plait" files || fail "no $program"; done
for name in q k v z; do "$npy_tool" make files/$name.npy float32 C 1 3 2 64 || fail 'npy_tool'; done
run 0 build files/retnet.plait -o files/libretnet.so

# The lines of a command's examples.
lines() { "$plait" help "$1" | sed -n '/^EXAMPLES$/,/^EXIT CODES$/s/^       \(plait .*\)/\1/p'; }
# example NUMBER LINE: it succeeds, unless what it needs is not on this machine.
example() {
    expected=0
    case $2 in *'--device cuda'*) expected=$cuda ;; *--svg*) expected=$dot ;; esac
    cp -r files "$1" && cd "$1" || exit 1
    bash -o pipefail -c "$2" >out 2>err </dev/null
    code=$?
    [ $code -eq $expected ] || fail "$2 : exit code $code, not $expected"
    [ -s out ] || [ $code -ne 0 ] || fail "$2 : no output"
    for file in $(echo "$2" | sed -n 's/.* \(-o \|--out y=\|--svg \)\([^ ]*\).*/\2/p'); do
        [ $code -ne 0 ] || [ -s "$file" ] || fail "$2 : no $file"
    done
    cd ..
}
for command in $(commands); do
    lines "$command" >lines
    [ -s lines ] || fail "no example of $command"
    while read -r line; do
        checks=$((checks + 1))
        example $checks "$line"
    done <lines
done
rows=$(grep -c '^EXAMPLE(' "$root/driver/options.def")
[ "$checks" -eq $((rows + 1)) ] || fail "$((checks - 1)) examples were run, but there are $rows rows"
finish
