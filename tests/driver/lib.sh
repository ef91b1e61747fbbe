# What the shell tests of the driver share. Arguments: PLAIT NPY_TOOL BY_HAND (the library of by_hand.c).
set -u
plait=$1
npy_tool=$2
by_hand=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/plait-driver-test.XXXXXX)
trap 'rm -rf "$work"' EXIT
export PLAIT_CACHE_DIR=$work/cache TMPDIR=$work/tmp
mkdir "$work/tmp"
cd "$work" || exit 1
failures=0
checks=0

# fail MESSAGE
fail() {
    failures=$((failures + 1))
    echo "failed: $1" >&2
    [ -s err ] && sed 's/^/    | /' err >&2
}
# run CODE ARGUMENTS..: plait's exit code must be CODE; output in files `out` and `err`
run() {
    expected=$1
    shift
    checks=$((checks + 1))
    # shellcheck disable=SC2086 # the settings are words
    env $settings "$plait" "$@" >out 2>err </dev/null
    code=$?
    [ $code -eq "$expected" ] || fail "plait $* : exit code $code, not $expected"
    # nothing temporary stays, whatever happened
    [ -z "$(ls -A "$work/tmp")" ] || fail "plait $* left $(ls "$work/tmp")"
}
# under 'NAME=VALUE ..' run ..: with these in plait's environment
under() {
    settings=$1
    shift
    "$@"
    settings=
}
settings=
# has FILE PATTERN..: every pattern (of grep) is in the file
has() {
    file=$1
    shift
    for pattern in "$@"; do
        checks=$((checks + 1))
        grep -q -e "$pattern" "$file" || fail "no \`$pattern\` in $file: $(head -c 600 "$file")"
    done
}
# same FILE FILE
same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}
# gives TEXT COMMAND..
gives() {
    text=$1
    shift
    checks=$((checks + 1))
    got=$("$@" 2>&1)
    [ "$got" = "$text" ] || fail "$* gives \`$got\`, not \`$text\`"
}
# wait_for COMMAND..: until it succeeds; fails after some seconds
wait_for() {
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
        "$@" && return
        sleep 0.1
    done
    return 1
}
# The names of the commands, as `plait --help` lists them.
commands() { "$plait" --help | awk '/^COMMANDS/ { on = 1; next } on && !NF { exit } on { print $1 }'; }
finish() {
    echo "$checks checks, $failures failed"
    [ $failures -eq 0 ] && [ $checks -gt 0 ]
}

cat >sum.plait <<'END'
axis b : batch
axis t : time
axis d = 4

operator running(x : f32[b, t, d], s0 : f32[b, d] = 0) -> (y : f32[b, t, d], last : f32[b, d])
{
    scan t carry s = s0 {
        s = 0.5 * s + x
        y = s
    }
    last = s
}
END
