#!/bin/sh
# Text in, text out: runs the tests of the files given. A file holds
#     // RUN: opt --passes=cse          what `plait` is called with; the input is read from standard input as `-`
#     ...                               the input
#     // EXPECT                         then the whole output
# or, instead of EXPECT, lines `// HAS: text` and `// HAS NOT: text` and `// COUNT n: text` about the output.
# With PLAIT_TEST_UPDATE=1 the text after EXPECT is written anew (read the change before keeping it).
# usage: text_test.sh PLAIT FILE...
plait=$1
shift
failures=0
count=0
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "FAIL $1: $2"
    failures=$((failures + 1))
}

check_lines() { # file output
    sed -n 's|^// HAS: ||p' "$1" >"$scratch/has"
    sed -n 's|^// HAS NOT: ||p' "$1" >"$scratch/hasnot"
    sed -n 's|^// COUNT ||p' "$1" >"$scratch/counts"
    while IFS= read -r text; do grep -qF -- "$text" "$2" || echo "has no: $text"; done <"$scratch/has"
    while IFS= read -r text; do grep -qF -- "$text" "$2" && echo "has: $text"; done <"$scratch/hasnot"
    while IFS= read -r line; do
        wanted=${line%%:*}
        text=${line#*: }
        found=$(grep -cF -- "$text" "$2")
        [ "$found" = "$wanted" ] || echo "has $found times, not $wanted: $text"
    done <"$scratch/counts"
}

for file in "$@"; do
    count=$((count + 1))
    arguments=$(sed -n 's|^// RUN: ||p' "$file")
    [ -n "$arguments" ] || { fail "$file" "no RUN line"; continue; }
    sed '/^\/\/ EXPECT/,$d' "$file" | grep -v '^// ' >"$scratch/input"
    # shellcheck disable=SC2086 # the arguments are words
    if ! "$plait" $arguments - <"$scratch/input" >"$scratch/output" 2>"$scratch/errors"; then
        fail "$file" "plait failed"
        cat "$scratch/errors"
        continue
    fi
    if grep -q '^// EXPECT' "$file"; then
        if [ -n "$PLAIT_TEST_UPDATE" ]; then
            sed '/^\/\/ EXPECT/q' "$file" >"$scratch/new" && cat "$scratch/output" >>"$scratch/new" && cp "$scratch/new" "$file"
        fi
        sed '1,/^\/\/ EXPECT/d' "$file" >"$scratch/expected"
        diff -u "$scratch/expected" "$scratch/output" || fail "$file" "the output differs"
    else
        grep -q '^// \(HAS\|COUNT\)' "$file" || fail "$file" "it expects nothing"
        check_lines "$file" "$scratch/output" >"$scratch/wrong"
        [ -s "$scratch/wrong" ] && { cat "$scratch/wrong"; fail "$file" "the output is wrong"; }
    fi
done
echo "$count files, $failures failed"
[ "$failures" = 0 ] && [ "$count" -gt 0 ]
